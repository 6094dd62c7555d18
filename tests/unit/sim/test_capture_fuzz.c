/* SPDX-License-Identifier: ISC */
/* The fuzz targets of captures, with some thousand inputs that are made by chance from the seeds.
 */
#include <check.h>
#include <dirent.h>

#include "tests/fuzz/fuzz.h"

#undef fuzz_input
#define fuzz_input input_file
int input_file(const uint8_t *data, size_t size);
#include "tests/fuzz/pcap_file.c"
#undef fuzz_input
#define fuzz_input input_dialogue
int input_dialogue(const uint8_t *data, size_t size);
#include "tests/fuzz/pcap_dialogue.c"

#define INPUT_MAX 6000
#define ROUNDS 300 /* of each seed */

/* Changes bytes, takes some out, and doubles some. */
static size_t change(uint8_t *input, size_t size, uint64_t *random)
{
    for (uint64_t changes = 1 + fuzz_next(random) % 6; changes > 0 && size > 8; changes--) {
        size_t at = (size_t) fuzz_next(random) % size, length = 1 + (size_t) fuzz_next(random) % 40;

        length = length < size - at ? length : size - at;
        switch (fuzz_next(random) % 4) {
        case 0:
            input[at] = (uint8_t) fuzz_next(random);
            break;
        case 1:
            input[at] ^= (uint8_t) (1 << fuzz_next(random) % 8);
            break;
        case 2:
            memmove(input + at, input + at + length, size - at - length);
            size -= length;
            break;
        default:
            if (size + length > INPUT_MAX)
                break;
            memmove(input + at + length, input + at, size - at);
            size += length;
        }
    }
    return size;
}

static void run_seed(const char *path, int (*run)(const uint8_t *data, size_t size),
                     uint64_t *random)
{
    uint8_t seed[INPUT_MAX], input[INPUT_MAX];
    FILE *file = fopen(path, "rb");
    size_t size;

    ck_assert_ptr_nonnull(file);
    size = fread(seed, 1, sizeof seed, file);
    fclose(file);
    ck_assert_int_eq(run(seed, size), 0);
    for (int i = 0; i < ROUNDS; i++) {
        memcpy(input, seed, size);
        ck_assert_int_eq(run(input, change(input, size, random)), 0);
    }
}

static void run_folder(const char *folder, int (*run)(const uint8_t *data, size_t size))
{
    uint64_t random = 1;
    struct dirent **names;
    int count = scandir(folder, &names, NULL, alphasort), seeds = 0;

    ck_assert_int_gt(count, 0);
    for (int i = 0; i < count; i++) {
        char path[600];

        snprintf(path, sizeof path, "%s/%s", folder, names[i]->d_name);
        if (*names[i]->d_name != '.') {
            run_seed(path, run, &random);
            seeds++;
        }
        free(names[i]);
    }
    free(names);
    ck_assert_int_gt(seeds, 3);
}

START_TEST(test_files)
{
    run_folder("tests/fuzz/seeds/pcap_file", input_file);
}
END_TEST

START_TEST(test_dialogues)
{
    run_folder("tests/fuzz/seeds/pcap_dialogue", input_dialogue);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("capture_fuzz");
    TCase *one = tcase_create("fuzz");
    SRunner *runner;
    int failed;

    tcase_set_timeout(one, 60);
    tcase_add_test(one, test_files);
    tcase_add_test(one, test_dialogues);
    suite_add_tcase(suite, one);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
