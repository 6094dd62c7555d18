/* SPDX-License-Identifier: ISC */
/* What `nixie run --real` needs around its runs. */
#ifndef SIM_REALITY_SESSION_H
#define SIM_REALITY_SESSION_H

#include <stdbool.h>

#include "sim/capture/recorder.h"
#include "sim/scenario/run.h"

/* Real runs do not happen before this: the caller goes on in a process of its own, inside of
 * namespaces; the one that was called waits for it, passes its exit status on, and removes what it
 * has left.  NULL, or why no scenario can be run here (the caller goes on all the same). */
const char *session_begin(void);

/* What all runs had to do without, as a report should say; NULL: nothing.  After session_begin. */
const char *session_note(void);

/* Why this scenario cannot be run for real (with a capture), in words that are good until the next
 * call; NULL: it can. */
const char *session_cannot(const struct scenario *scenario, bool captures);

/* Runs it.  `capture`: the file for a capture of all its packets, with real times, which is added
 * to `recorded` (as failed, after saying why, if it cannot be written); or NULL.  The directory of
 * a run that failed is kept and told of on standard error. */
void session_run(const struct scenario *scenario, const struct run_options *options,
                 const char *capture, struct recorded *recorded, struct run_result *result);

/* One has said ^C, or the like: the run that was under way has come to an end that says nothing,
 * and no other should begin. */
bool session_is_interrupted(void);

#endif
