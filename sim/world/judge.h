/* SPDX-License-Identifier: ISC */
/*
 * What the oracles at the end of a run share.  They know what was promised (the answers to
 * submitters and the answers of queue to whoever gave it a message) and what came out, and judge
 *
 *   LOST       an accepted message has no copy, no bounce, no onward message for a recipient
 *   STUCK      a message that is still in the spool though time enough has passed; a submitter
 *              that never ended
 *   INVENTED   a copy that is nobody's message, or for someone it was not for, or from another
 *              sender; a bounce of what did not fail
 *   CHANGED    a copy whose end is not what was submitted
 *   REFUSED    the submitter was told no, but the message came out, and nothing went wrong
 *   DUPLICATE  more copies than recipients without an attempt that explains it; more messages in
 *              the spool than a client's tries explain
 *   SCHEDULE   a try that was not at its time, more deliveries at once than allowed, a message
 *              kept beyond its lifetime or given up before
 *
 * The others (STAGE, OWNER, LOG, BAD-SMTP, ACTOR) are found while the run goes on.
 */
#ifndef SIM_WORLD_JUDGE_H
#define SIM_WORLD_JUDGE_H

#include "sim/world/world.h"

/* judge.c: LOST, STUCK */
void judge_losses(struct world *world, bool undelivered_is_fine);
/* judge_copies.c: INVENTED, CHANGED, REFUSED, DUPLICATE */
void judge_copies(struct world *world);
/* judge_schedule.c: SCHEDULE */
void judge_schedule(struct world *world);

static inline bool same_message(const struct entry *entry, size_t letter, unsigned bounce)
{
    return entry->letter == letter && entry->bounce == bounce;
}

/* True if a crash, a kill or a fault in that time may have lost what was not durable. */
bool upset_excuses(const struct world *world, size_t machine, int64_t from, int64_t to);
/* True if the attempt is one at that recipient of the entry. */
bool attempt_is_at(const struct attempt *attempt, const char *recipient);

#endif
