/* SPDX-License-Identifier: ISC */
/*
 * What the oracles at the end of a run share.  They know what was promised (the answers to
 * submitters and the answers of queue to whoever gave it a message) and what came out, and judge
 *
 *   LOST       an accepted message has no copy, no bounce, no onward message for a recipient
 *   STUCK      a message that is still in the spool though time enough has passed; a submitter
 *              that never ended
 *   INVENTED   a copy that is nobody's message, or for someone it was not for, or from another
 *              sender; a message that smtpd took for someone it was not sent to; a bounce of what
 *              did not fail
 *   CHANGED    a copy whose end is not what was submitted, a bounce without all of its message
 *   REFUSED    the submitter was told no, but the message came out or was queued, and nothing went
 *              wrong while it was submitted
 *   SERVICE    a local submitter was told to try later, though nothing had gone wrong
 *   RELAY      a message for another's domain was accepted from a client that may not send such
 *   DUPLICATE  more copies than recipients without an attempt that explains it: one that left a
 *              copy and did not end in K, or ended so just before a crash; more messages in the
 *              spool than a client's tries explain
 *   BOUNCE     a recipient that failed for good is not told of, or twice without a reason; a bounce
 *              tells of one who did not fail, or says what no remote said, or goes to another than
 *              the sender
 *   HONESTY    the log does not say that a remote may have taken what is tried again, or says so
 *              without a cause, or tells of a success that no remote has spoken of
 *   SCHEDULE   a try that was not at its time, or of what was held or done; a message kept beyond
 *              its lifetime or given up before
 *   FAIRNESS   a first try that waited though a place was free, or for a message that came later,
 *              or long after the last thing that went wrong
 *   VERDICT    a failure for good that no remote gave, or a refusal for good that is tried again;
 *              a Maildir that is there, and does not get what is for it
 *   PRIVATE    a mailbox that others may read or write
 *   CLEANUP    files that are left of what is over
 *   LIMIT      a message larger than control/databytes was accepted
 *   DIED       a program of the server died of a fault of its own
 *   CONCURRENCY  more deliveries at once than allowed
 *   FINAL, DOWN  see outcomes.h
 *   LEAK       when all is idle a process of the server holds a file that was removed, or a TCP
 *              connection that the other side has ended, or has not waited for a child
 *
 * The others (STAGE, OWNER, LOG, BAD-SMTP, ACTOR ...) are found while the run goes on; oracles.h
 * has all of them.
 */
#ifndef SIM_WORLD_JUDGE_H
#define SIM_WORLD_JUDGE_H

#include "sim/world/route.h"
#include "sim/world/world.h"

/* judge.c: LOST, STUCK */
void judge_losses(struct world *world, bool undelivered_is_fine);
/* judge_copies.c: INVENTED, CHANGED */
void judge_copies(struct world *world);
/* judge_clients.c: REFUSED, RELAY; DUPLICATE of what clients sent */
void judge_clients(struct world *world);
/* judge_duplicates.c: DUPLICATE */
void judge_duplicates(struct world *world);
/* judge_bounces.c: BOUNCE */
void judge_bounces(struct world *world);
/* judge_notices.c: BOUNCE, CHANGED, LOG of bounces */
void judge_notices(struct world *world);
/* judge_log.c: LOG, of what was kept of it */
void judge_log(struct machine *machine);
/* judge_honest.c: HONESTY */
void judge_honesty(struct world *world);
/* judge_schedule.c: SCHEDULE */
void judge_schedule(struct world *world);
/* judge_leaks.c: LEAK */
void judge_leaks(struct world *world);
/* judge_fairness.c: FAIRNESS */
void judge_fairness(struct world *world);
/* judge_verdict.c: VERDICT */
void judge_verdicts(struct world *world);
/* judge_private.c: PRIVATE */
void judge_privacy(struct world *world);
/* judge_cleanup.c: CLEANUP */
void judge_cleanup(struct world *world);

/* A report this long before a crash may be forgotten by it: marks are made durable within 10 s,
 * and a sync takes its time. */
#define FORGET_NS (11 * NANOSECONDS)

static inline const char *entry_chain(const struct entry *entry)
{
    return entry->chain ? entry->chain : "";
}

static inline bool same_message(const struct entry *entry, size_t letter, unsigned bounce)
{
    return entry->letter == letter && entry->bounce == bounce;
}

/* What `bounce` a bounce of the entry has: of one without a sender it goes to the admin at once. */
static inline unsigned bounce_of_entry(const struct entry *entry)
{
    return entry->sender && !*entry->sender ? 2 : entry->bounce + 1;
}

/* When it was there; its answer may have gone astray. */
static inline int64_t arrival_of(const struct entry *entry)
{
    for (size_t i = 0; i < entry->history_count; i++)
        if (entry->history[i].stage == STAGE_S4)
            return entry->history[i].time_ns;
    return entry->answer_ns;
}

/* True if the upset may have touched one of those (HIT_SEND ...): all do but a fault, or a slow
 * call, that hit another program. */
static inline bool upset_touches(const struct upset *upset, unsigned hit)
{
    return (upset->kind != UPSET_FAULT && upset->kind != UPSET_SLOW) || upset->hit == 0 ||
           (upset->hit & hit);
}

/* True if a crash, a kill, or a fault that touched one of those, in that time may have lost what
 * was not durable. */
bool upset_excuses(const struct world *world, size_t machine, int64_t from, int64_t to,
                   unsigned hit);
/* True if faults, each time that the last nixie-send tried to read its files at its start, have had
 * it leave the message alone until the next start. */
bool is_left_alone(const struct world *world, const struct entry *entry);
/* True if a line of that time tells of trouble: deliveries may have waited for it. */
bool had_trouble(const struct world *world, size_t machine, int64_t from, int64_t to);
/* True if the machine's disk was full in that time, and send has told since it is that something
 * could not be done: that is done again after rests, and may keep a place till then. */
bool was_full(const struct world *world, size_t index, int64_t from, int64_t to);
/* True if, while that try at a remote went on, some remote said a 5xx to the host, the DNS said
 * that the domain is not there, or a host of ours may have been asked. */
bool heard_no(const struct world *world, const struct attempt *attempt);
/* True if a remote that was told `got` was told that sender: OWNER-@HOST-@[] is
 * OWNER-USER=DOMAIN@HOST to that recipient. */
bool is_sender(const char *got, const char *sender, const char *recipient);
/* True if the attempt is one at that recipient. */
bool attempt_is_at(const struct attempt *attempt, const struct route *route);
/* True if a bounce says that the message could not be delivered to the recipient. */
bool bounce_tells_of(struct entry *bounce, const struct route *route);
/* True if that recipient of an entry is what smtpd makes of what its client said: as it is, with
 * the suffix of a relay client, or with a domain for an address literal. */
bool is_made_of(const char *made, const char *said);
/* True if it may be the bounce of that message: it is, if the log said so, or a crash came before
 * that and it has the message in it. */
bool bounce_may_be_of(const struct entry *bounce, const struct entry *entry);
/* The user of the host whose name is these `size` bytes; NULL: there is none (judge_private.c). */
const struct user_spec *user_named(const struct machine *machine, const char *name, size_t size);
/* True if `recipient` stands in its envelope (letters in any case). */
bool entry_has_recipient(const struct entry *entry, const char *recipient);

/* Where a copy is, in words; in `to`. */
#define PLACE_TEXT 300
const char *place_of_copy(const struct world *world, const struct copy *copy, char to[PLACE_TEXT]);
/* The host of ours that delivered it; SIZE_MAX: not known. */
size_t copy_source(const struct world *world, const struct copy *copy);

#endif
