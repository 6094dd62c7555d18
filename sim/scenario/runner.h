/* SPDX-License-Identifier: ISC */
/* What the parts of the runner share. */
#ifndef SIM_SCENARIO_RUNNER_H
#define SIM_SCENARIO_RUNNER_H

#include "sim/scenario/knobs.h"
#include "sim/scenario/run.h"

/* Something that is due at a time. */
struct due {
    int64_t time_ns;
    uint64_t order; /* of two at the same time the lower comes first */
    const struct event *event;
    size_t repeat; /* SEND: which of its messages */
    size_t boot;   /* a boot after a planned crash: host + 1 */
    bool probe;    /* the probe is sent */
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
    bool has_probe; /* probe.c: it is to be sent */
    size_t probe;   /* in letters[] */
    char probe_to[300];
    const char *probe_recipients[1];
    struct knobs knobs;
    struct pool pool;       /* what the knobs changed */
    struct set_path *paths; /* run_network.c */
    size_t path_count;
};

struct failure *run_fail(struct run *run, struct position at, const char *promise,
                         const char *format, ...) __attribute__((format(printf, 4, 5)));

/* run.c: an event's time has come, or will come after its delay. */
void schedule_event(struct run *run, const struct event *event, int64_t time_ns);

/* triggers.c: what is due at a time is scheduled, and the world tells of what events wait for. */
void triggers_start(struct run *run);

/* run_order.c: the admin's order. */
void order_give(struct run *run, const struct action *action);

/* run_network.c: the machine in the world; SIZE_MAX for "any". */
size_t machine_of_actor(const struct run *run, struct actor actor);
/* What a network statement says holds from now on. */
void network_set(struct run *run, const struct network *network);
/* What holds from the start; and starts the actors. */
void network_start(struct run *run);

/* probe.c: adds its letter, the last one, if there is to be one; whether it is to be sent now that
 * all is over, and when (tells so once); sends it. */
void probe_add(struct run *run);
bool probe_is_wanted(struct run *run, int64_t *time_ns);
void probe_send(struct run *run);

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

/* summary.c: one line that tells how it ended (malloc'd). */
char *summary_of(const struct run *run);
/* story.c: more about a message that a failure names: its state and its tries, malloc'd lines. */
char *story_of(const struct run *run, size_t letter, unsigned bounce);

#endif
