/* SPDX-License-Identifier: ISC */
/* Writes violations that an explorer found as scenario files, which `nixie run` fails on. */
#ifndef SIM_EXPLORE_WRITE_H
#define SIM_EXPLORE_WRITE_H

#include "sim/explore/explore.h"

struct written;

/* Of the violations of one scenario file.  Zeroed but for the first five. */
struct explore_writer {
    const char *folder; /* is there */
    const char *file;
    const struct definition *definitions;
    size_t definition_count;
    bool raw; /* as it was found; else made as small as it can be (shrink.h) */
    struct written *list;
    size_t count;
    char why[200]; /* a file could not be written */
};

/* `options` are those of the run.  A violation is written as FOLDER/NAME-N.scenario, the first that
 * is free, only if running that fails for the same reason.  One that is like another (promise,
 * words and the call it happened at, all but for names and numbers) gets the other's file, unless
 * `raw`.  Returns 0 and the path, which is the writer's; or -1 and why not (words, static or the
 * writer's). */
int explore_write(struct explore_writer *writer, const struct explore_options *options,
                  const struct explore_failure *failure, const char **path, const char **why);
void explore_writer_free(struct explore_writer *writer);

#endif
