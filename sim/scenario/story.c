/* SPDX-License-Identifier: ISC */
/* What became of a message, in several lines: its state and its tries. */
#include <stdlib.h>
#include <string.h>

#include "sim/scenario/runner.h"
#include "sim/world/internal.h"

#define ENTRIES_SHOWN 5
#define TRIES_SHOWN 12 /* with different answers */
#define TIMES_SHOWN 8  /* of tries with the same answer */
#define WORDS 300

/* --- one try in words ------------------------------------------------------------------------*/

/* The text of a log line as it was before it was made safe, more or less. */
static void restore(const char *text, char *to, size_t size)
{
    size_t used = 0;

    for (; *text && used + 1 < size; text++)
        to[used++] = (char) (*text == '_' ? ' ' : *text);
    while (used > 0 && (to[used - 1] == '/' || to[used - 1] == ' '))
        used--;
    to[used] = 0;
}

/* The name of the machine that has the address which the text begins with (or has behind
 * "Connected to "), or the address. */
static const char *find_remote(const struct world *world, const char *text, char address[64])
{
    static const char connected[] = "Connected to ";
    size_t length;

    if (strncmp(text, connected, sizeof connected - 1) == 0)
        text += sizeof connected - 1;
    length = strcspn(text, " ");
    if (length == 0 || length >= 64 || strspn(text, "0123456789abcdefABCDEF.:[]") < length)
        return NULL;
    snprintf(address, 64, "%.*s", (int) length, text);
    for (size_t i = 0; i < world->machine_count; i++) {
        const struct machine *machine = &world->machines[i];
        const char *const *addresses = machine->remote ? machine->remote->addresses
                                       : machine->spec ? machine->spec->addresses
                                                       : NULL;
        size_t count = machine->remote ? machine->remote->address_count
                       : machine->spec ? machine->spec->address_count
                                       : 0;

        for (size_t k = 0; k < count; k++)
            if (strcmp(addresses[k], address) == 0)
                return machine->name;
    }
    return address;
}

/* At which step of the dialogue a remote said no, by the words of the report. */
static const char *find_step(const char *text)
{
    static const struct {
        const char *words, *step;
    } steps[] = {{"does not like recipient", "RCPT"}, {"sender was rejected", "MAIL"},
                 {"greeting failed", "connect"},      {"name was rejected", "EHLO"},
                 {"failed on DATA", "DATA"},          {"failed after I sent the message", "EOD"}};

    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        if (strstr(text, steps[i].words))
            return steps[i].step;
    return NULL;
}

/* "gmail EOD: 421 4.7.28 unusual rate", or the report as it is. */
static void try_words(const struct world *world, const struct attempt *attempt, char to[WORDS])
{
    static const char said[] = "Remote host said: ";
    char text[1200], address[64];
    const char *remote, *step, *reply;

    if (!attempt->text) {
        snprintf(to, WORDS, "never came back");
        return;
    }
    restore(attempt->text, text, sizeof text);
    remote = find_remote(world, text, address);
    step = find_step(text);
    reply = strstr(text, said);
    if (remote && step && reply && attempt->result != 'K')
        snprintf(to, WORDS, "%s %s: %.*s", remote, step,
                 (int) strcspn(reply + sizeof said - 1, "/"), reply + sizeof said - 1);
    else
        snprintf(to, WORDS, "%.*s", WORDS - 1, text);
}

/* --- the tries of a message ------------------------------------------------------------------*/

static bool same_outcome(const struct attempt *a, const struct attempt *b)
{
    return a->result == b->result && a->text && b->text && strcmp(a->text, b->text) == 0;
}

/* Prints the tries from items[at] on that had the same answer; returns how many. */
static size_t tell_same(const struct world *world, struct range attempts, size_t at, FILE *to)
{
    const struct attempt *first = &world->attempts[attempts.items[at]];
    size_t count = 1;
    char words[WORDS], time[TIME_TEXT];

    try_words(world, first, words);
    fprintf(to, "  +%-9s try %zu   %s\n", time_format(time, first->start_ns), at + 1, words);
    while (at + count < attempts.count &&
           same_outcome(first, &world->attempts[attempts.items[at + count]]))
        count++;
    if (count == 1)
        return 1;
    if (count == 2)
        fprintf(to, "  try %zu      the same at", at + 2);
    else
        fprintf(to, "  tries %zu-%zu  the same at", at + 2, at + count);
    for (size_t i = 1; i < count && i <= TIMES_SHOWN; i++)
        fprintf(to, " +%s", time_format(time, world->attempts[attempts.items[at + i]].start_ns));
    fprintf(to, "%s\n", count - 1 > TIMES_SHOWN ? " ..." : "");
    return count;
}

static void tell_next_try(const struct world *world, const struct entry *entry,
                          struct range attempts, FILE *to)
{
    const struct attempt *last =
        attempts.count ? &world->attempts[attempts.items[attempts.count - 1]] : NULL;
    char time[TIME_TEXT];

    if (last && last->result == 'Z' && entry->stage == STAGE_S5 && entry->birth_ns != INT64_MIN)
        fprintf(
            to, "  next try   +%s\n",
            time_format(time, schedule_try_after(entry->birth_ns, last->start_ns, last->remote)));
}

static const char *state_words(const struct entry *entry)
{
    return entry->stage <= STAGE_S1   ? "no longer in the spool"
           : entry->stage == STAGE_S5 ? "S5, waiting"
                                      : stage_name(entry->stage);
}

static void tell_entry(const struct world *world, size_t index, FILE *to)
{
    const struct entry *entry = &world->entries[index];
    struct range attempts = world_attempts_of(world, index);
    char name[ENTRY_NAME];
    size_t shown = 0, at = 0;

    fprintf(to, "%s", entry_name(world, entry, name));
    for (size_t i = 0; i < entry->recipient_count && i < 5; i++)
        fprintf(to, "%s %s", i ? "," : " to", entry->recipients[i]);
    fprintf(to, "%s: %s\n", entry->recipient_count > 5 ? ", ..." : "", state_words(entry));
    while (at < attempts.count && shown++ < TRIES_SHOWN)
        at += tell_same(world, attempts, at, to);
    if (at < attempts.count)
        fprintf(to, "  ...\n");
    tell_next_try(world, entry, attempts, to);
}

/* Of a message that is still in the spool: the last alert of its server, which may be why. */
static void tell_alert(const struct world *world, const struct entry *entry, FILE *to)
{
    char time[TIME_TEXT];

    if (entry->stage <= STAGE_S1)
        return;
    for (size_t i = world->line_count; i > 0; i--) {
        const struct log_line *line = &world->lines[i - 1];

        if (line->machine == entry->machine && strncmp(line->text, "alert: ", 7) == 0) {
            fprintf(to, "  +%-9s its server said: %s\n", time_format(time, line->time_ns),
                    line->text);
            return;
        }
    }
}

/* --- the message -----------------------------------------------------------------------------*/

static void tell_submission(const struct letter *letter, FILE *to)
{
    if (letter->complaint)
        fprintf(to, "  its submitter said: %.*s\n", (int) strcspn(letter->complaint, "\n"),
                letter->complaint);
    if (letter->path == LETTER_BY_SMTP && letter->state != LETTER_ACCEPTED)
        fprintf(to, "  its client: %u tr%s, the last: %.300s\n", letter->tries,
                letter->tries == 1 ? "y" : "ies", letter->reply ? letter->reply : "no answer");
}

static void tell_upsets(const struct world *world, FILE *to)
{
    char time[TIME_TEXT];

    for (size_t i = 0; i < world->upset_count; i++)
        if (world->upsets[i].kind == UPSET_POWER || world->upsets[i].kind == UPSET_KILL)
            fprintf(to, "  +%-9s %s\n", time_format(time, world->upsets[i].time_ns),
                    world->upsets[i].kind == UPSET_POWER ? "power cut" : "programs killed");
}

char *story_of(const struct run *run, size_t letter, unsigned bounce)
{
    const struct world *world = run->world;
    struct range entries;
    char *text = NULL;
    size_t size = 0, shown = 0;
    FILE *to;

    if (letter == NO_LETTER)
        return NULL;
    if (run->options->story_of)
        return run->options->story_of(run->options->story_context, letter);
    to = open_memstream(&text, &size);
    if (!to)
        return NULL;
    tell_upsets(world, to);
    tell_submission(&world->letters[letter], to);
    entries = world_entries_of(world, letter);
    for (size_t i = 0; i < entries.count; i++) {
        const struct entry *entry = &world->entries[entries.items[i]];

        if (entry->bounce != bounce || (entry->bits == 0 && entry->recipient_count == 0))
            continue;
        if (shown++ == ENTRIES_SHOWN) {
            fprintf(to, "...\n");
            break;
        }
        tell_entry(world, entries.items[i], to);
        tell_alert(world, entry, to);
    }
    fclose(to);
    return text;
}
