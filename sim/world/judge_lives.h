/* SPDX-License-Identifier: ISC */
/*
 * The lives of nixie-send on a machine: when each began and had learned the queue, and what ended
 * it.  All times are of the run.
 */
#ifndef SIM_WORLD_JUDGE_LIVES_H
#define SIM_WORLD_JUDGE_LIVES_H

#include "sim/world/world.h"

/* When nixie-send last began its work before that; -1: never. */
int64_t reason_last_start(const struct world *world, size_t machine, int64_t time_ns);

/* When the nixie-send of that time had learned the queue; -1: there was none yet. */
int64_t reason_last_ready(const struct world *world, size_t machine, int64_t time_ns);

/* For how much of that time there was a nixie-send: without one nothing is synced. */
int64_t reason_lived_ns(const struct world *world, size_t machine, int64_t from, int64_t to);

/* The first start at or after that; INT64_MAX: there is none. */
int64_t reason_start_after(const struct world *world, size_t machine, int64_t time_ns);

/* When the first one that started at or after that had learned the queue: what is due at once is
 * tried then.  INT64_MAX: there is none. */
int64_t reason_ready_after(const struct world *world, size_t machine, int64_t time_ns);

/* The upset ended nixie-send: it began anew behind it, or exited and could not begin again for
 * longer. */
bool reason_ends_send(const struct world *world, const struct upset *upset);

/* The upset ended nixie-send while the message was in S4: what was done of it was in memory only.
 */
bool reason_in_memory(const struct world *world, const struct entry *entry,
                      const struct upset *upset);

#endif
