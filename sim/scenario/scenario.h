/* SPDX-License-Identifier: ISC */
/* Scenario files: read, check, format.  docs/scenario-language.md is the manual. */
#ifndef SIM_SCENARIO_SCENARIO_H
#define SIM_SCENARIO_SCENARIO_H

#include <stddef.h>
#include <stdio.h>

struct scenario;

/* "-D NAME=VALUE" */
struct definition {
    const char *name;
    const char *value;
};

/* Reads and checks a scenario file with all that it includes and names.  Returns it, or NULL
 * after printing what is wrong with it to `errors`.  Definitions must be of parameters that the
 * file declares. */
struct scenario *scenario_load(const char *path, const struct definition *definitions,
                               size_t definition_count, FILE *errors);

/* The same for text in memory; `name` stands for the path. */
struct scenario *scenario_parse(const char *name, const char *text, size_t size,
                                const struct definition *definitions, size_t definition_count,
                                FILE *errors);

/* Where in a text something is wrong; both count from 1. */
struct flaw {
    unsigned line, column;
};

/* scenario_parse that prints nothing.  If NULL, the first `flaw_max` places that are wrong are in
 * `flaws`, in the order in which they were found, and *flaw_count says how many. */
struct scenario *scenario_try(const char *name, const char *text, size_t size, struct flaw *flaws,
                              size_t flaw_max, size_t *flaw_count);

/* 0 if the simulator can play it; -1 after printing why not: it is for `nixie serve` (match). */
int scenario_plays(const struct scenario *scenario, FILE *errors);

void scenario_free(struct scenario *scenario);

const char *scenario_title(const struct scenario *scenario);
const char *scenario_file(const struct scenario *scenario);

/* The statements of the language, for the manual and its test. */
struct statement_help {
    const char *syntax;
    const char *meaning;
};
extern const struct statement_help statement_help[]; /* NULL syntax at the end */

#endif
