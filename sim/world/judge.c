/* SPDX-License-Identifier: ISC */
/* Nothing accepted is lost, nothing stays for ever (judge.h). */
#include "sim/world/judge.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "sim/world/dialogue.h"
#include "sim/world/internal.h"
#include "sim/world/judge_lives.h"
#include "sim/world/judge_reasons.h"
#include "sim/world/route.h"

bool upset_excuses(const struct world *world, size_t machine, int64_t from, int64_t to,
                   unsigned hit)
{
    for (size_t i = 0; i < world->upset_count; i++)
        if (world->upsets[i].kind <= UPSET_FAULT && world->upsets[i].machine == machine &&
            world->upsets[i].time_ns >= from && world->upsets[i].time_ns <= to &&
            upset_touches(&world->upsets[i], hit))
            return true;
    return false;
}

bool attempt_is_at(const struct attempt *attempt, const struct route *route)
{
    return logged_is(attempt->recipient, route->address);
}

/* What a delivery did was told, but a fault has taken its words. */
static bool lost_its_words(const struct world *world, const struct attempt *attempt)
{
    return strcmp(attempt->text, "/Error_report_too_long,_sorry./") == 0 &&
           upset_excuses(world, attempt->machine, attempt->start_ns, attempt->end_ns,
                         HIT_SEND | HIT_SPAWN | HIT_DELIVERY);
}

/* Its .qmail told to throw it away: that, and not a program's or a mailbox's "yes". */
static bool was_discarded(const struct world *world, size_t entry, const struct route *route)
{
    struct range attempts = world_attempts_of(world, entry);

    for (size_t i = 0; i < attempts.count; i++) {
        const struct attempt *attempt = &world->attempts[attempts.items[i]];

        if (attempt->result == 'K' && attempt_is_at(attempt, route) &&
            (strstr(attempt->text, "did_0+0+0") || lost_its_words(world, attempt)))
            return true;
    }
    return false;
}

/* --- where it went ---------------------------------------------------------------------------*/

static bool has_copy(const struct world *world, const struct entry *entry,
                     const struct route *route)
{
    struct range copies = world_copies_of(world, entry->letter);

    for (size_t i = 0; i < copies.count; i++) {
        const struct copy *copy = &world->copies[copies.items[i]];

        if (copy->bounce == entry->bounce &&
            chain_is(copy->chain, route->address, entry_chain(entry)))
            return true;
    }
    return false;
}

/* Whether a bounce says that the message could not be delivered to the recipient. */
bool bounce_tells_of(struct entry *bounce, const struct route *route)
{
    const struct bounce_report *report = entry_report(bounce);

    for (size_t i = 0; i < report->group_count; i++)
        if (strcasecmp(report->groups[i].final_recipient, route->shown) == 0)
            return true;
    return false;
}

bool entry_has_recipient(const struct entry *entry, const char *recipient)
{
    for (size_t i = 0; i < entry->recipient_count; i++)
        if (strcasecmp(entry->recipients[i], recipient) == 0)
            return true;
    return false;
}

/* Whether `other`, which was accepted, carries the message on for that recipient: forwarded, on
 * another host of ours, or as a bounce that tells of it. */
static bool carries_on(struct entry *other, const struct entry *entry, const struct route *route)
{
    if (same_message(other, entry->letter, bounce_of_entry(entry)))
        return bounce_tells_of(other, route);
    if (!same_message(other, entry->letter, entry->bounce) || !other->chain)
        return false;
    return chain_is(other->chain, route->address, entry_chain(entry)) ||
           (other->machine != entry->machine && strcmp(other->chain, entry_chain(entry)) == 0 &&
            entry_has_recipient(other, route->address));
}

static bool goes_on(struct world *world, const struct entry *entry, const struct route *route)
{
    struct range entries = world_entries_of(world, entry->letter);

    for (size_t i = 0; i < entries.count; i++) {
        struct entry *other = &world->entries[entries.items[i]];

        if (other != entry && other->answer == ANSWER_YES && carries_on(other, entry, route))
            return true;
    }
    return entry->discarded;
}

static bool in_spool(const struct entry *entry)
{
    return entry->stage == STAGE_S4 || entry->stage == STAGE_S5;
}

/* --- accusing --------------------------------------------------------------------------------*/

/* What of this entry the crash took away: "todo/1", or NULL. */
static char *what_was_lost(const struct world *world, const struct entry *entry)
{
    static const char *const names[] = {"todo", "mess", "info", "local", "remote"};
    char mark[40];

    for (size_t u = world->upset_count; u-- > 0;) {
        const struct upset *upset = &world->upsets[u];

        for (size_t n = 0; n < sizeof names / sizeof *names; n++) {
            snprintf(mark, sizeof mark, "/%s/%llu:", names[n], (unsigned long long) entry->number);
            for (size_t i = 0; i < upset->lost_count; i++)
                if (upset->machine == entry->machine && strstr(upset->lost[i], mark)) {
                    mark[strlen(mark) - 1] = 0;
                    return must_copy(mark + 1, strlen(mark + 1));
                }
        }
    }
    return NULL;
}

/* What a line of the disk's says is not durable: "directory entry". */
static const char *kind_of_loss(const char *lost)
{
    return strstr(lost, ": entry ") ? "directory entry" : "contents";
}

/* "todo/1's directory entry, mess/1's contents": all of this entry that the last crash that took
 * anything of it took away; malloc'd, NULL: nothing. */
static char *list_unsynced(const struct world *world, const struct entry *entry)
{
    char text[400] = "", part[80], number[30];
    size_t used = 0;

    snprintf(number, sizeof number, "/%llu:", (unsigned long long) entry->number);
    for (size_t u = world->upset_count; u-- > 0 && used == 0;) {
        const struct upset *upset = &world->upsets[u];

        for (size_t i = 0; i < upset->lost_count && upset->machine == entry->machine; i++) {
            const char *path = strstr(upset->lost[i], "queue/");

            if (!path || !strstr(path, number))
                continue;
            path += strlen("queue/");
            snprintf(part, sizeof part, "%.*s's %s", (int) strcspn(path, ":"), path,
                     kind_of_loss(path));
            if (!strstr(text, part) && used + strlen(part) + 3 < sizeof text)
                used += (size_t) sprintf(text + used, "%s%s", used ? ", " : "", part);
        }
    }
    return used ? must_copy(text, used) : NULL;
}

/* When it went: the last time that it was in S4 or S5. */
static int64_t time_of_loss(const struct entry *entry)
{
    int64_t time = entry->answer_ns;

    for (size_t i = 0; i < entry->history_count; i++)
        time = entry->history[i].time_ns;
    return time;
}

static void accuse_lost(struct world *world, const struct entry *entry, const char *recipient)
{
    char name[ENTRY_NAME], *detail = what_was_lost(world, entry);
    struct violation *violation;

    violation = world_accuse(world, "LOST", entry->letter, entry->bounce,
                             "%s was accepted for %s and is gone%s%s%s",
                             entry_name(world, entry, name), recipient, detail ? ": " : "",
                             detail ? detail : "", detail ? " unsynced" : "");
    violation->time_ns = time_of_loss(entry);
    violation->recipient = must_copy(recipient, strlen(recipient));
    violation->detail = detail;
    violation->unsynced = list_unsynced(world, entry);
}

static void accuse_stuck(struct world *world, const struct entry *entry, const char *recipient)
{
    char name[ENTRY_NAME];
    struct violation *violation =
        world_accuse(world, "STUCK", entry->letter, entry->bounce, "%s for %s is still in %s%s",
                     entry_name(world, entry, name), recipient, stage_name(entry->stage),
                     host_is_up(world->machines[entry->machine].host) ? "" : "; the host is down");

    violation->recipient = must_copy(recipient, strlen(recipient));
}

/* --- left alone ------------------------------------------------------------------------------*/

/* nixie-send tries so often, every ten seconds, to read the files of a message when it starts. */
#define READS 6
#define READS_NS (60 * NANOSECONDS)

static bool has_failed_often(const struct world *world, size_t machine, int64_t time_ns)
{
    unsigned count = 0;

    for (size_t i = 0; i < world->upset_count; i++) {
        const struct upset *upset = &world->upsets[i];

        count += upset->kind == UPSET_FAULT && upset->machine == machine &&
                 upset_touches(upset, HIT_SEND) && upset->time_ns <= time_ns &&
                 upset->time_ns >= time_ns - READS_NS;
    }
    return count >= READS;
}

bool is_left_alone(const struct world *world, const struct entry *entry)
{
    int64_t start = reason_last_start(world, entry->machine, INT64_MAX);
    char text[100];

    snprintf(text, sizeof text,
             "alert: unable to read files of msg %llu; left alone until the next start",
             (unsigned long long) entry->number);
    for (size_t i = world->line_count; i-- > 0 && world->lines[i].time_ns >= start;)
        if (world->lines[i].machine == entry->machine && strcmp(world->lines[i].text, text) == 0)
            return has_failed_often(world, entry->machine, world->lines[i].time_ns);
    return false;
}

/* --- judging ---------------------------------------------------------------------------------*/

static void judge_entry(struct world *world, size_t index, bool undelivered_is_fine)
{
    const struct entry *entry = &world->entries[index];

    for (size_t i = 0; i < entry->recipient_count; i++) {
        const char *recipient = entry->recipients[i];
        const struct route *route = &entry->routes[i];

        if (has_copy(world, entry, route) || goes_on(world, entry, route) ||
            was_discarded(world, index, route))
            continue;
        if (!in_spool(entry))
            accuse_lost(world, entry, recipient);
        else if (!undelivered_is_fine && !reason_kept(world, entry) && !is_left_alone(world, entry))
            accuse_stuck(world, entry, recipient);
    }
    if (!undelivered_is_fine && in_spool(entry) && entry->recipient_count == 0)
        accuse_stuck(world, entry, "nobody");
}

bool is_made_of(const char *made, const char *said)
{
    const char *literal = strstr(said, "@[");
    size_t size = literal ? (size_t) (literal + 1 - said) : strlen(said);

    return strncasecmp(made, said, size) == 0;
}

static bool is_for(const struct entry *entry, const char *said)
{
    for (size_t i = 0; i < entry->recipient_count; i++)
        if (is_made_of(entry->recipients[i], said))
            return true;
    return false;
}

/* Whether queue accepted an entry of the letter, for that recipient if it is not NULL. */
static bool queue_accepted(const struct world *world, size_t letter, const char *recipient)
{
    struct range entries = world_entries_of(world, letter);

    for (size_t i = 0; i < entries.count; i++) {
        const struct entry *entry = &world->entries[entries.items[i]];

        if (entry->bounce == 0 && entry->answer == ANSWER_YES &&
            (!recipient || is_for(entry, recipient)))
            return true;
    }
    return false;
}

/* A client was told yes for a recipient, though no entry was ever accepted for it. */
static void judge_answers(struct world *world, size_t index)
{
    const struct letter *letter = &world->letters[index];

    for (size_t i = 0; letter->answers && i < letter->recipient_count; i++) {
        struct violation *violation;

        if (!letter->answers[i].accepted || queue_accepted(world, index, letter->recipients[i]))
            continue;
        violation = world_accuse(world, "LOST", index, 0,
                                 "%s: its client was told that it is accepted for %s, but queue "
                                 "accepted nothing",
                                 letter->name, letter->recipients[i]);
        violation->time_ns = letter->answers[i].time_ns;
        violation->recipient = must_copy(letter->recipients[i], strlen(letter->recipients[i]));
    }
}

/* Its submitter was told yes for all recipients at once. */
static void judge_recipients(struct world *world, size_t index)
{
    const struct letter *letter = &world->letters[index];

    for (size_t i = 0; i < letter->recipient_count; i++) {
        const char *recipient = letter->recipients[i];

        if (queue_accepted(world, index, recipient))
            continue;
        world_accuse(world, "LOST", index, 0,
                     "%s: its submitter ended with 0, but queue accepted nothing for %s",
                     letter->name, recipient)
            ->recipient = must_copy(recipient, strlen(recipient));
    }
}

/* For so long a submitter may be told to try again later after something went wrong: the server
 * may have to be started again, and to make its spool whole. */
#define SERVICE_NS (600 * NANOSECONDS)

/* A local submitter was told to try again later, though nothing has gone wrong for a while: 111 of
 * inject and sendmail, 51 to 79 of queue (qmail-queue's soft codes) and what is none of its.  127:
 * it did not run, since its host was down. */
static void judge_refusal(struct world *world, size_t index)
{
    const struct letter *letter = &world->letters[index];
    const struct machine *machine = &world->machines[letter->machine];
    bool soft = letter->code == 111 ||
                (letter->path == LETTER_BY_QUEUE && letter->code > 50 && letter->code != 127);

    if (!soft || machine->squeezed || machine->spec->capacity_bytes > 0)
        return;
    for (size_t i = 0; i < world->upset_count; i++)
        if (world->upsets[i].machine == letter->machine &&
            world->upsets[i].time_ns <= letter->ended_ns &&
            world->upsets[i].time_ns + world->upsets[i].lasts_ns + SERVICE_NS > letter->sent_ns)
            return;
    world_accuse(world, "SERVICE", index, 0,
                 "%s: its submitter was told to try later (%d), and nothing was wrong",
                 letter->name, letter->code)
        ->time_ns = letter->ended_ns;
}

/* A letter whose submitter was told yes, though no entry of it was ever accepted. */
static void judge_letter(struct world *world, size_t index, bool undelivered_is_fine)
{
    const struct letter *letter = &world->letters[index];
    bool smtp = letter->path == LETTER_BY_SMTP;

    if (letter->state == LETTER_RUNNING && !(smtp && undelivered_is_fine))
        world_accuse(world, "STUCK", index, 0, "the %s of %s never ended",
                     smtp ? "client" : "submitter", letter->name);
    if (smtp)
        judge_answers(world, index);
    else if (letter->state == LETTER_ACCEPTED && !queue_accepted(world, index, NULL))
        world_accuse(world, "LOST", index, 0,
                     "%s: its submitter ended with 0, but queue accepted nothing", letter->name);
    else if (letter->state == LETTER_ACCEPTED)
        judge_recipients(world, index);
    else if (letter->state == LETTER_REFUSED)
        judge_refusal(world, index);
}

void judge_losses(struct world *world, bool undelivered_is_fine)
{
    for (size_t i = 0; i < world->letter_count; i++)
        judge_letter(world, i, undelivered_is_fine);
    for (size_t i = 0; i < world->entry_count; i++)
        if (world->entries[i].answer == ANSWER_YES)
            judge_entry(world, i, undelivered_is_fine);
}

static void judge_deaths(struct world *world)
{
    if (kernel_fault_count(world->kernel) > 0)
        world_accuse(world, "DIED", NO_LETTER, 0, "%llu processes died of their own faults: %s",
                     (unsigned long long) kernel_fault_count(world->kernel),
                     kernel_fault(world->kernel));
}

void world_judge(struct world *world, bool undelivered_is_fine)
{
    world_index(world);
    routes_make(world);
    if (!world->dialogue)
        dialogue_make(world);
    judge_losses(world, undelivered_is_fine);
    judge_copies(world);
    judge_clients(world);
    judge_duplicates(world);
    judge_bounces(world);
    judge_notices(world);
    judge_honesty(world);
    judge_schedule(world);
    judge_fairness(world);
    judge_verdicts(world);
    judge_privacy(world);
    judge_deaths(world);
    if (undelivered_is_fine)
        return;
    judge_leaks(world);
    judge_cleanup(world);
    for (size_t i = 0; i < world->host_count && world_is_quiet(world); i++) {
        pairs_judge(&world->machines[i]);
        judge_log(&world->machines[i]);
    }
}
