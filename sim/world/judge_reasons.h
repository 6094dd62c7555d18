/* SPDX-License-Identifier: ISC */
/*
 * Why a try may come at another time than the schedule says: power losses that took the stored
 * time, new starts of nixie-send, signals and wishes of the admin.  Each reason explains what
 * follows from it and no more.  All times are of the run.
 */
#ifndef SIM_WORLD_JUDGE_REASONS_H
#define SIM_WORLD_JUDGE_REASONS_H

#include "sim/world/world.h"

/* What is due at once is tried within this time, unless all places are taken. */
#define PROMPT_NS (10 * NANOSECONDS)

/* Nobody was there to read a line of the log, at that time or before: there may have been tries
 * that nobody knows of. */
static inline bool reason_untold(const struct world *world, size_t machine, int64_t time_ns)
{
    int64_t gap_ns = world->machines[machine].log.gap_ns;

    return gap_ns > 0 && gap_ns <= time_ns;
}

/* A fault has kept a line of the log from being written, at that time or before. */
bool reason_line_lost(const struct world *world, size_t machine, int64_t time_ns);

/* Either. */
static inline bool reason_log_gaps(const struct world *world, size_t machine, int64_t time_ns)
{
    return reason_untold(world, machine, time_ns) || reason_line_lost(world, machine, time_ns);
}

/* Something happened in that span of which nobody can say what it does to the message's times: a
 * fault, a step of the clock, a signal of another kind. */
bool reason_unknown(const struct world *world, const struct entry *entry, int64_t from, int64_t to);

/* A fault in that span ended nixie-send, or a signal of another kind came. */
bool reason_broken(const struct world *world, const struct entry *entry, int64_t from, int64_t to);

/* The clock was set between the birth of the message and the time when send knew it: send takes it
 * for older or younger than it is, and its times with it. */
bool reason_aged(const struct world *world, const struct entry *entry, int64_t to);

/* The try `then` came before its time, after `before`, whose pass began at `pass_ns`: since when it
 * may have been due at once (a power loss made the stored time forgotten, the try before never came
 * back, an order); -1: there is no reason. */
int64_t reason_early(const struct world *world, const struct entry *entry,
                     const struct attempt *before, int64_t pass_ns, const struct attempt *then);

/* Until when, after `before`, the message may have had to wait for a start of nixie-send or for its
 * release; -1: it had not. */
int64_t reason_late(const struct world *world, const struct entry *entry,
                    const struct attempt *before, const struct attempt *then);

/* When the last thing before `time_ns` was over that can have held up the server: what went wrong,
 * an order, a new start; -1: there was none. */
int64_t reason_disturbed_until(const struct world *world, size_t machine, int64_t time_ns);

/* The order to hold or delete the message that was in force at that time; NULL: there was none for
 * certain.
 */
const struct upset *reason_held(const struct world *world, const struct entry *entry,
                                int64_t time_ns);

/* The admin may have left it held for good: he never let it go again, or a crash may have taken
 * that order. */
bool reason_kept(const struct world *world, const struct entry *entry);

/* The admin wanted the message to be given up before that. */
bool reason_expired(const struct world *world, const struct entry *entry, int64_t time_ns);

/* The clock was set since the message's birth, and send started anew behind that: it knows the
 * message's age by the new clock only. */
bool reason_lost_age(const struct world *world, const struct entry *entry, int64_t to);

#endif
