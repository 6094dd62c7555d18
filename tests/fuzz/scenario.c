/* SPDX-License-Identifier: ISC */
/* Scenario files: read, and what is right printed and read again; checked, whatever they say. */
#include "sim/scenario/scenario.h"

#include <stdbool.h>

#include "sim/scenario/tree.h"
#include "tests/fuzz/fuzz.h"

struct reading {
    struct pool pool;
    struct complaints complaints;
    struct source source;
    struct tree tree;
};

static void read_text(struct reading *reading, const char *text, size_t size)
{
    memset(reading, 0, sizeof *reading);
    reading->complaints.pool = &reading->pool;
    reading->source = (struct source){"test", pool_copy(&reading->pool, text, size), size};
    tree_read(&reading->source, &reading->complaints, &reading->tree);
}

static char *printed(const struct reading *reading, size_t *size)
{
    char *text = NULL;
    FILE *to = open_memstream(&text, size);
    FUZZ_CHECK(to);
    tree_print(&reading->tree, to);
    fclose(to);
    return text;
}

static void print_again(const char *text, size_t size)
{
    struct reading first, second;
    read_text(&first, text, size);
    if (first.complaints.total == 0) {
        size_t once_size, twice_size;
        char *once = printed(&first, &once_size);
        read_text(&second, once, once_size);
        FUZZ_CHECK(second.complaints.total == 0);
        char *twice = printed(&second, &twice_size);
        FUZZ_CHECK(once_size == twice_size && memcmp(once, twice, once_size) == 0);
        free(once);
        free(twice);
        pool_free(&second.pool);
    }
    pool_free(&first.pool);
}

int fuzz_input(const uint8_t *data, size_t size)
{
    char *text = fuzz_copy(data, size), *words = NULL;
    size_t words_size = 0;
    FILE *errors = open_memstream(&words, &words_size);
    FUZZ_CHECK(errors);
    print_again(text, size);
    struct scenario *scenario = scenario_parse("test", text, size, NULL, 0, errors);
    if (scenario)
        scenario_free(scenario);
    fclose(errors);
    FUZZ_CHECK(scenario || words_size > 0);
    free(words);
    free(text);
    return 0;
}
