/* SPDX-License-Identifier: ISC */
/* Which scenario files a command line means. */
#ifndef SIM_SCENARIO_FILES_H
#define SIM_SCENARIO_FILES_H

#include <stddef.h>

#include "sim/world/pool.h"

/* Appends `path`, or, if it is a directory, all files NAME.scenario in it and below it (names that
 * begin with a dot are left out), in the order of their names.  Returns 0, or -1 with errno:
 * ENODATA if it is a directory without any. */
int files_find(struct pool *pool, const char *path, const char ***files, size_t *count);

/* Says on standard error what files_find found wrong with `path`, by errno. */
void files_complain(const char *path);

/* Reads a "NAME=VALUE" of -D.  Returns 0, or -1 if it is none. */
struct definition;
int definition_read(struct pool *pool, const char *text, struct definition *definition);

#endif
