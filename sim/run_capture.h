/* SPDX-License-Identifier: ISC */
/* `nixie run --pcap DIR`: the names of the captures, and when they begin and end. */
#ifndef SIM_RUN_CAPTURE_H
#define SIM_RUN_CAPTURE_H

#include "sim/capture/recorder.h"
#include "sim/scenario/run.h"
#include "sim/world/pool.h"

struct run_capture {
    const char *directory; /* NULL: nothing is captured */
    char **names;          /* of each file: of its capture, without ".pcap" */
    const char *name;      /* of the one that is written */
    struct recorder *recorder;
    struct recorded recorded;
};

/* Makes the directory if it is missing (not those above it), sees that it can be written, and
 * finds names for the captures of these files, all different: "relay" for a/b/relay.scenario, or
 * "b-relay" if another file is called so, too, or "b-relay-2"; with the options that have an
 * influence on the run behind it, as they were given ("--disk ext4" or ""), and the seed if it is
 * not 1.  0, or -1 after saying why not. */
int run_capture_prepare(struct run_capture *capture, struct pool *pool, const char *const *files,
                        size_t count, const char *options, uint64_t seed);

/* Sets the hooks of the options to capture a run of file number `file`.  They are needed no more
 * when the run is over. */
void run_capture_hook(struct run_capture *capture, size_t file, struct run_options *options);

/* When all is done: tells to `out` (or NULL) how much was captured.  0, or -1 after saying which
 * capture could not be written. */
int run_capture_finish(struct run_capture *capture, FILE *out);

#endif
