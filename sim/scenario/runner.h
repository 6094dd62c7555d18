/* SPDX-License-Identifier: ISC */
/* What the parts of the runner share. */
#ifndef SIM_SCENARIO_RUNNER_H
#define SIM_SCENARIO_RUNNER_H

#include "sim/scenario/run.h"

/* Something that is due at a time. */
struct due {
    int64_t time_ns;
    uint64_t order; /* of two at the same time the lower comes first */
    const struct event *event;
    size_t repeat; /* SEND: which of its messages */
    size_t boot;   /* a boot after a planned crash: host + 1 */
};

struct run {
    const struct scenario *scenario;
    const struct run_options *options;
    struct run_result *result;
    struct world *world;
    struct due *dues;
    size_t due_count;
    uint64_t order;
    bool *fired;                 /* events with a trigger that happens once */
    const struct event *at_once; /* to be done when the kernel has stopped, or NULL */
    struct entry *at_once_entry;
    size_t next_crash;
    size_t crash_host; /* of the planned crash that is due: host + 1 */
    int64_t last_due_ns;
    struct random random;
};

struct failure *run_fail(struct run *run, struct position at, const char *promise,
                         const char *format, ...) __attribute__((format(printf, 4, 5)));

/* pins.c: answers as the pins of an action say, and all else as `inner` does. */
struct pinned {
    struct chooser chooser;
    const struct chooser *inner;
    const struct action *action;
    struct run *run;
    bool *met; /* of each pin */
};
void pinned_start(struct pinned *pinned, struct run *run, const struct action *action,
                  const struct chooser *inner);
/* After the crash: a pin that fitted nothing makes the run wrong.  Frees what start took. */
void pinned_end(struct pinned *pinned);

/* expect.c: judges every expectation; then turns violations that nobody expected into failures. */
void expect_judge(struct run *run);

/* summary.c: one line that tells how it ended (malloc'd); and what became of a message. */
char *summary_of(const struct run *run);
/* More about a message that a failure names: its state and its tries, malloc'd lines. */
char *story_of(const struct run *run, size_t letter, unsigned bounce);

#endif
