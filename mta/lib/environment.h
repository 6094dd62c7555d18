/* SPDX-License-Identifier: ISC */
/* The environment that main was given (there is no getenv in the server). */
#ifndef MTA_LIB_ENVIRONMENT_H
#define MTA_LIB_ENVIRONMENT_H

#include "mta/lib/buf.h"

/* The value of NAME, or NULL.  Belongs to the environment. */
const char *environment_get(char *const *environment, const char *name);

/* A copy of the environment in which NAME is `value`: the array in *copy (mem_free), the new string
 * in `variable`, which must outlive it; the other strings are shared.  0, or -1 with ENOMEM. */
int environment_with(char *const *environment, const char *name, const char *value,
                     struct buf *variable, char ***copy);

#endif
