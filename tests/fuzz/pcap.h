/* SPDX-License-Identifier: ISC */
/* What must hold of whatever capture: it is told safely, and what it is imported as is a scenario
 * in the one right form. */
#ifndef TESTS_FUZZ_PCAP_H
#define TESTS_FUZZ_PCAP_H

#include "sim/capture/import.h"
#include "sim/capture/show.h"
#include "sim/scenario/scenario.h"
#include "sim/scenario/tree.h"
#include "tests/fuzz/fuzz.h"

static inline void pcap_check_shown(const struct capture *capture, bool verbose)
{
    char *text = NULL;
    size_t size = 0;
    struct show_options options = {.name = "cap\x1b.pcap", .verbose = verbose};

    options.to = open_memstream(&text, &size);
    FUZZ_CHECK(options.to);
    show_capture(capture, &options);
    fclose(options.to);
    for (size_t i = 0; i < size; i++)
        FUZZ_CHECK(text[i] == '\n' || ((unsigned char) text[i] >= ' ' && text[i] != 127));
    free(text);
}

/* Prints the scenario again as `nixie fmt` does. */
static inline void pcap_check_form(const char *text, size_t size)
{
    struct pool pool = {0};
    struct complaints complaints = {.pool = &pool};
    struct source source = {"imported", pool_copy(&pool, text, size), size};
    struct tree tree;
    char *again = NULL;
    size_t again_size = 0;
    FILE *to = open_memstream(&again, &again_size);

    FUZZ_CHECK(to);
    tree_read(&source, &complaints, &tree);
    FUZZ_CHECK(complaints.total == 0);
    tree_print(&tree, to);
    fclose(to);
    if (again_size != size || memcmp(again, text, size) != 0)
        fprintf(stderr, "%s\n--- is in the right form\n%s", text, again);
    FUZZ_CHECK(again_size == size && memcmp(again, text, size) == 0);
    free(again);
    pool_free(&pool);
}

static inline const char *pcap_keep(void *context, const char *message, const char *text,
                                    size_t size)
{
    (void) context;
    (void) message;
    (void) text;
    (void) size;
    return NULL; /* no file can be kept here */
}

static inline void pcap_check_imported(const struct capture *capture, enum import_side side)
{
    char *text = NULL, *words = NULL;
    size_t size = 0, words_size = 0;
    struct import_options options = {
        .name = "a \x1b\"b.pcap", .side = side, .keep_addresses = false, .keep = pcap_keep};
    struct import_result result;
    FILE *errors = open_memstream(&words, &words_size);
    struct scenario *scenario;

    options.to = open_memstream(&text, &size);
    FUZZ_CHECK(options.to && errors);
    import_capture(capture, &options, &result);
    fclose(options.to);
    pcap_check_form(text, size);
    scenario = scenario_parse("imported", text, size, NULL, 0, errors);
    fclose(errors);
    if (!scenario)
        fprintf(stderr, "%s\n%s", words, text);
    FUZZ_CHECK(scenario);
    scenario_free(scenario);
    free(text);
    free(words);
}

static inline void pcap_check(const struct capture *capture)
{
    pcap_check_shown(capture, false);
    pcap_check_shown(capture, true);
    pcap_check_imported(capture, IMPORT_CLIENT);
    pcap_check_imported(capture, IMPORT_SERVER);
}

#endif
