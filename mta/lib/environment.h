/* SPDX-License-Identifier: ISC */
/* The environment that main was given (there is no getenv in the server). */
#ifndef MTA_LIB_ENVIRONMENT_H
#define MTA_LIB_ENVIRONMENT_H

/* The value of NAME, or NULL.  Belongs to the environment. */
const char *environment_get(char *const *environment, const char *name);

#endif
