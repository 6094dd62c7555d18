/* SPDX-License-Identifier: ISC */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "mta/lib/checksum.h"

/* Values that the xxhsum program (-H64) gives. */
static const struct {
    const char *text;
    uint64_t value;
} known[] = {
    {"", UINT64_C(0xef46db3751d8e999)},
    {"a", UINT64_C(0xd24ec4f1a98c6e5b)},
    {"abc", UINT64_C(0x44bc2cf5ad770999)},
};

START_TEST(test_known)
{
    ck_assert_uint_eq(checksum_of(known[_i].text, strlen(known[_i].text)), known[_i].value);
}
END_TEST

START_TEST(test_nothing_at_null)
{
    ck_assert_uint_eq(checksum_of(NULL, 0), known[0].value);
}
END_TEST

START_TEST(test_streaming)
{
    char bytes[300];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char) (i * 7);
    uint64_t want = checksum_of(bytes, sizeof bytes);
    for (size_t step = 1; step < sizeof bytes; step++) {
        struct checksum checksum;
        checksum_begin(&checksum);
        for (size_t at = 0; at < sizeof bytes; at += step)
            checksum_add(&checksum, bytes + at,
                         sizeof bytes - at < step ? sizeof bytes - at : step);
        checksum_add(&checksum, NULL, 0);
        ck_assert_uint_eq(checksum_value(&checksum), want);
    }
}
END_TEST

START_TEST(test_value_in_between)
{
    struct checksum checksum;
    checksum_begin(&checksum);
    checksum_add(&checksum, "a", 1);
    struct checksum copy = checksum;
    ck_assert_uint_eq(checksum_value(&checksum), known[1].value);
    checksum_add(&checksum, "bc", 2);
    ck_assert_uint_eq(checksum_value(&checksum), known[2].value);
    ck_assert_uint_eq(checksum_value(&copy), known[1].value);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("checksum");
    TCase *all = tcase_create("all");
    tcase_add_loop_test(all, test_known, 0, (int) (sizeof known / sizeof *known));
    tcase_add_test(all, test_nothing_at_null);
    tcase_add_test(all, test_streaming);
    tcase_add_test(all, test_value_in_between);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
