/* SPDX-License-Identifier: ISC */
/*
 * What a crash, a kill or a fault may have made the server forget: how an attempt ended, or an
 * order, if that was not yet on the disk.  All times are of the run.
 */
#ifndef SIM_WORLD_JUDGE_FORGOTTEN_H
#define SIM_WORLD_JUDGE_FORGOTTEN_H

#include "sim/world/world.h"

/* What could not be written down is tried again so much later. */
#define WRITTEN_AGAIN_NS (10 * NANOSECONDS)

/* A crash, a kill or a fault may have made the server forget how the attempt ended: it came while
 * the attempt ran or not long after it, or while the message was still in S4, where results are in
 * memory only.  Or send ended while the disk was full and it was in S4, and said so. */
bool reason_forgotten(const struct world *world, const struct entry *entry,
                      const struct attempt *attempt);

/* This power loss or kill may have taken the time of the next try, stored when the attempt was
 * deferred. */
bool reason_forgets(const struct world *world, const struct entry *entry, const struct upset *upset,
                    const struct attempt *attempt);

/* How long before the upset a report of that time may be forgotten: a slow disk makes that longer,
 * also by a call that was under way already. */
int64_t reason_forget_ns(const struct world *world, const struct upset *upset, int64_t from);

/* The upset came within `forget` ns after `from`; of the time before a power loss only that counts
 * in which there was a nixie-send. */
bool reason_is_within(const struct world *world, const struct upset *upset, int64_t from,
                      int64_t forget);

/* When send was told to end, and could not write down what was done of a message in S4: it says so.
 * -1: never. */
int64_t reason_given_up_ns(const struct world *world, const struct entry *entry,
                           const struct attempt *attempt);

#endif
