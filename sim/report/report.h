/* SPDX-License-Identifier: ISC */
/* What people and machines see of finished runs.  Every printer takes the same list. */
#ifndef SIM_REPORT_REPORT_H
#define SIM_REPORT_REPORT_H

#include <stdbool.h>
#include <stdio.h>

#include "sim/scenario/run.h"

struct report_item {
    const char *file;
    const char *title;
    struct run_result result;
    double seconds;      /* of real time */
    bool unreadable;     /* the file was wrong: nothing ran */
    const char *skipped; /* why it was not run; or NULL */
};

struct report {
    struct report_item *items;
    size_t count;
    size_t planned;      /* how many there would be, were the command not interrupted; else 0 */
    const char *replay;  /* options that mattered, with a leading blank: " --seed 1 -D n=5" */
    const char *note;    /* a sentence on all runs, or NULL */
    const char *command; /* of nixie, that replays it; NULL: "run" */
};

/* --- terminal.c --- */
/* One line a run as it ends; failures with the line they stand in.  `width`: of the titles. */
void terminal_item(FILE *to, const struct report_item *item, size_t width, bool color);
/* How many passed, how much time; and how to see a failure again. */
void terminal_end(FILE *to, const struct report *report);
/* For GitHub: an annotation for each failure. */
void terminal_annotate(FILE *to, const struct report_item *item);
/* Colours: on a terminal, unless NO_COLOR is set. */
bool terminal_has_color(FILE *to);

/* --- tap.c --- */
void tap_print(FILE *to, const struct report *report);

/* --- junit.c --- */
/* Returns 0, or -1 with errno: then there is no new file, and what was there is as it was. */
int junit_write(const char *path, const struct report *report);

#endif
