/* SPDX-License-Identifier: ISC */
/*
 * For compilers without libFuzzer: inputs made by chance from seeds.
 *
 *   TARGET [-max_total_time=SECONDS] [-seed=N] [-max_len=BYTES] FOLDER...
 *   TARGET FILE...                        these inputs only, as libFuzzer does it
 *
 * An input that ends the program is left in ./crash-input.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"

#define SEEDS_MAX 1000
#define SIZE_MAX_DEFAULT 65536
#define CRASH_PATH "crash-input"

struct seed {
    uint8_t *bytes;
    size_t size;
};

struct driver {
    struct seed seeds[SEEDS_MAX];
    size_t seed_count;
    size_t size_max;
    uint64_t random;
    uint8_t *input; /* size_max bytes */
    size_t size;
};

static size_t pick(struct driver *driver, size_t below)
{
    return below ? (size_t) (fuzz_next(&driver->random) % below) : 0;
}

static int read_seed(struct driver *driver, const char *path)
{
    struct seed *seed = &driver->seeds[driver->seed_count];
    FILE *file = fopen(path, "rb");
    if (!file || driver->seed_count == SEEDS_MAX)
        return -1;
    seed->bytes = fuzz_memory(driver->size_max);
    seed->size = fread(seed->bytes, 1, driver->size_max, file);
    fclose(file);
    driver->seed_count++;
    return 0;
}

static int read_folder(struct driver *driver, const char *path)
{
    char name[4096];
    struct dirent *entry;
    DIR *folder = opendir(path);
    if (!folder)
        return -1;
    while ((entry = readdir(folder))) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        if (read_seed(driver, name) < 0)
            break;
    }
    closedir(folder);
    return 0;
}

/* --- changes ------------------------------------------------------------------------------- */

static void change_byte(struct driver *driver)
{
    static const uint8_t odd[] = {0,   1,   '\t', '\n', '\r', ' ', '"', '.',
                                  '<', '>', '@',  '\\', 127,  128, 255};
    if (!driver->size)
        return;
    uint8_t *byte = &driver->input[pick(driver, driver->size)];
    switch (pick(driver, 3)) {
    case 0:
        *byte ^= (uint8_t) (1U << pick(driver, 8));
        break;
    case 1:
        *byte = odd[pick(driver, sizeof odd)];
        break;
    default:
        *byte = (uint8_t) pick(driver, 256);
    }
}

static void remove_some(struct driver *driver)
{
    size_t at = pick(driver, driver->size + 1);
    size_t count = pick(driver, driver->size - at + 1);
    if (pick(driver, 2) && count > 8)
        count = pick(driver, 8);
    memmove(driver->input + at, driver->input + at + count, driver->size - at - count);
    driver->size -= count;
}

static void insert(struct driver *driver, const uint8_t *bytes, size_t size)
{
    size_t at = pick(driver, driver->size + 1);
    uint8_t *copy = (uint8_t *) fuzz_copy(bytes, size);
    if (size > driver->size_max - driver->size)
        size = driver->size_max - driver->size;
    memmove(driver->input + at + size, driver->input + at, driver->size - at);
    memcpy(driver->input + at, copy, size);
    driver->size += size;
    free(copy);
}

static void insert_some(struct driver *driver)
{
    uint8_t bytes[64];
    size_t size = pick(driver, pick(driver, 2) ? 4 : sizeof bytes);
    uint8_t byte = (uint8_t) pick(driver, 256);
    for (size_t i = 0; i < size; i++)
        bytes[i] = pick(driver, 2) ? byte : (uint8_t) pick(driver, 256);
    insert(driver, bytes, size);
}

/* A piece of a seed, or of the input itself. */
static void insert_piece(struct driver *driver)
{
    const struct seed *seed = &driver->seeds[pick(driver, driver->seed_count)];
    const uint8_t *from = pick(driver, 2) ? seed->bytes : driver->input;
    size_t size = from == driver->input ? driver->size : seed->size;
    size_t at = pick(driver, size + 1);
    insert(driver, from + at, pick(driver, size - at + 1));
}

static void make_input(struct driver *driver)
{
    static void (*const changes[])(struct driver * driver) = {change_byte, change_byte, remove_some,
                                                              insert_some, insert_piece};
    const struct seed *seed = &driver->seeds[pick(driver, driver->seed_count)];
    memcpy(driver->input, seed->bytes, seed->size);
    driver->size = seed->size;
    for (size_t left = 1 + pick(driver, 8); left > 0; left--)
        changes[pick(driver, sizeof changes / sizeof *changes)](driver);
}

/* --- running ------------------------------------------------------------------------------- */

static void keep(const struct driver *driver, int fd)
{
    if (pwrite(fd, driver->input, driver->size, 0) < 0 || ftruncate(fd, (off_t) driver->size) < 0)
        abort();
}

static void run(const uint8_t *bytes, size_t size)
{
    char *copy = fuzz_copy(bytes, size);
    LLVMFuzzerTestOneInput((const uint8_t *) copy, size);
    free(copy);
}

static void run_for(struct driver *driver, long seconds)
{
    struct timespec now, end;
    unsigned long runs = 0;
    int fd = open(CRASH_PATH, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        abort();
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += seconds;
    do {
        for (int i = 0; i < 64; i++, runs++) {
            make_input(driver);
            keep(driver, fd);
            run(driver->input, driver->size);
        }
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while (now.tv_sec < end.tv_sec || (now.tv_sec == end.tv_sec && now.tv_nsec < end.tv_nsec));
    close(fd);
    unlink(CRASH_PATH);
    printf("Done %lu runs in %ld second(s)\n", runs, seconds);
}

int main(int argc, char **argv)
{
    static struct driver driver;
    long seconds = 0;
    bool folders = false;
    struct stat st;
    driver.size_max = SIZE_MAX_DEFAULT;
    for (int i = 1; i < argc; i++) {
        unsigned long number;
        if (sscanf(argv[i], "-max_total_time=%lu", &number) == 1)
            seconds = (long) number;
        else if (sscanf(argv[i], "-seed=%lu", &number) == 1)
            driver.random = number;
        else if (sscanf(argv[i], "-max_len=%lu", &number) == 1)
            driver.size_max = number;
    }
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] == '-' || stat(argv[i], &st) < 0)
            continue;
        folders = folders || S_ISDIR(st.st_mode);
        if ((S_ISDIR(st.st_mode) ? read_folder : read_seed)(&driver, argv[i]) < 0)
            return 1;
    }
    driver.input = fuzz_memory(driver.size_max);
    for (size_t i = 0; i < driver.seed_count; i++)
        run(driver.seeds[i].bytes, driver.seeds[i].size);
    if (folders && driver.seed_count == 0)
        driver.seeds[driver.seed_count++] = (struct seed){fuzz_memory(1), 0};
    if (folders)
        run_for(&driver, seconds);
    for (size_t i = 0; i < driver.seed_count; i++)
        free(driver.seeds[i].bytes);
    free(driver.input);
    return 0;
}
