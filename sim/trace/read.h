/* SPDX-License-Identifier: ISC */
/* Reading logs: a file, standard input, or a directory of multilog or nixie-log. */
#ifndef SIM_TRACE_READ_H
#define SIM_TRACE_READ_H

#include "sim/trace/history.h"

/* Reads all of `path`: "-" is standard input; of a directory its turned-over files `@...`, oldest
 * first, then `current`.  0, or -1 after a message on standard error. */
int read_log(struct history *history, const char *path);

#endif
