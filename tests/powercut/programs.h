/* SPDX-License-Identifier: ISC */
/*
 * Small programs of file system calls (tests/unit/sim/states.h tells how they are written), here
 * run on a real file system, and the trees that a model allows when the power goes in them.
 *
 * A real run knows one step more: "nudge FILE" starts the writing of its data, "nudge *" writes
 * what the device's own cache holds.  They promise nothing, and a model does not know of them.
 */
#ifndef TESTS_POWERCUT_PROGRAMS_H
#define TESTS_POWERCUT_PROGRAMS_H

#include <stdbool.h>
#include <stddef.h>

#include "sim/kernel/disk.h"
#include "tests/powercut/tree.h"

#define PROGRAM_STEPS 16
#define PROGRAM_TEXT 100

struct program {
    unsigned count;
    char steps[PROGRAM_STEPS][PROGRAM_TEXT];
};

/* Takes a program apart at its semicolons; false if it has too many steps. */
bool program_parse(struct program *program, const char *text);

/* One step on the real file system that is mounted at `folder`, from the device of that name; below
 * 0 if it fails. */
int program_step(const char *folder, const char *step);

/* The trees allowed when the power goes after the first `done` steps, or while the next one is
 * under way.  Made when they are asked for, and kept. */
struct allowed;
struct allowed *allowed_create(const struct program *program, const struct disk_model *model);
void allowed_destroy(struct allowed *allowed);

enum allowed_answer { NOT_ALLOWED, ALLOWED, TOO_MANY /* states to be looked at */ };
enum allowed_answer allowed_has(struct allowed *allowed, unsigned done, bool under_way,
                                const struct tree *found);

/* Tells some of them, for a report. */
void allowed_tell(struct allowed *allowed, unsigned done, bool under_way);

/* Whether step i of the program fails, in the model. */
bool allowed_step_fails(const struct program *program, unsigned step);

#endif
