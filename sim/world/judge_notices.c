/* SPDX-License-Identifier: ISC */
/*
 * A bounce goes to who sent the message, or from nobody to the admin, and has all of the message;
 * and the log says that it went (judge.h).
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "sim/world/internal.h"
#include "sim/world/judge.h"

/* The log's line follows at once, unless the disk or nixie-queue is slow. */
#define LINE_NS (70 * NANOSECONDS)

/* The value of a control file, cut to its first line; else `otherwise`. */
static void read_control(const struct machine *machine, const char *name, const char *otherwise,
                         char to[300])
{
    const struct text *text = control_text(machine, name);
    const char *value = text ? text->data : otherwise;

    snprintf(to, 300, "%.*s", (int) strcspn(value, " \t\r\n"), value);
}

/* Whom bounces of nobody's messages are for. */
static void make_admin(const struct machine *machine, char to[700])
{
    char me[300], local[300], domain[300];

    read_control(machine, "me", machine->spec->domain, me);
    read_control(machine, "doublebounceto", "postmaster", local);
    read_control(machine, "doublebouncehost", me, domain);
    snprintf(to, 700, "%s@%s", local, domain);
}

/* The one recipient of a bounce of that message; malloc'd. */
static char *make_recipient(const struct world *world, const struct entry *entry)
{
    size_t size = strlen(entry->sender);
    char admin[700];

    if (size == 0) {
        make_admin(&world->machines[entry->machine], admin);
        return must_copy(admin, strlen(admin));
    }
    if (size >= 5 && strcmp(entry->sender + size - 4, "-@[]") == 0)
        size -= 4; /* the owner of the list */
    return must_copy(entry->sender, size);
}

/* What of the message a bounce must have: as it was submitted, or a bounce as it was queued. */
static struct text original_of(const struct world *world, const struct entry *entry)
{
    const struct letter *letter = &world->letters[entry->letter];
    struct text text = letter->content;
    size_t body;

    if (entry->bounce > 0)
        return (struct text){entry->text, entry->text ? entry->text_size : 0};
    if (letter->path == LETTER_BY_INJECT) {
        body = body_offset(text.data, text.size);
        text = (struct text){text.data + body, text.size - body};
    }
    if (text.size && memchr(text.data, '\r', text.size))
        text.size = 0; /* SMTP makes another text of it */
    if (text.size && text.data[text.size - 1] == '\n')
        text.size--;
    return text;
}

static bool has_original(const struct world *world, const struct entry *bounce,
                         const struct entry *entry)
{
    struct text original = original_of(world, entry);

    return !bounce->text || original.size == 0 ||
           memmem(bounce->text, bounce->text_size, original.data, original.size);
}

/* It was not killed before it could say so: from when nixie-queue began with it. */
static bool is_missed(const struct world *world, const struct entry *bounce)
{
    int64_t begun = bounce->history_count ? bounce->history[0].time_ns : bounce->answer_ns;

    for (size_t i = 0; i < world->upset_count; i++)
        if (world->upsets[i].machine == bounce->machine &&
            world->upsets[i].time_ns + world->upsets[i].lasts_ns >= begun - LINE_NS &&
            world->upsets[i].time_ns <= bounce->answer_ns + LINE_NS)
            return false;
    return bounce->parent == 0 && world->machines[bounce->machine].log.gap_ns == 0 &&
           kernel_now(world->kernel) > bounce->answer_ns + 2 * NANOSECONDS;
}

static void accuse(struct world *world, const char *promise, const struct entry *bounce,
                   const char *what, const char *whom)
{
    world_accuse(world, promise, bounce->letter, bounce->bounce, "a bounce of %s %s%.300s",
                 world->letters[bounce->letter].name, what, whom)
        ->time_ns = bounce->answer_ns;
}

static void judge_bounce(struct world *world, size_t index)
{
    const struct entry *bounce = &world->entries[index];
    struct range entries = world_entries_of(world, bounce->letter);
    bool any = false, to_sender = false, whole = false;

    for (size_t i = 0; i < entries.count; i++) {
        const struct entry *entry = &world->entries[entries.items[i]];
        char *recipient;

        if (!bounce_may_be_of(bounce, entry) || !entry->sender)
            continue;
        recipient = make_recipient(world, entry);
        any = true;
        to_sender = to_sender || (bounce->recipient_count == 1 &&
                                  strcasecmp(bounce->recipients[0], recipient) == 0);
        whole = whole || has_original(world, bounce, entry);
        free(recipient);
    }
    if (any && bounce->recipient_count > 0 && !to_sender)
        accuse(world, "BOUNCE", bounce, "goes to one who did not send it: ", bounce->recipients[0]);
    if (any && !whole)
        accuse(world, "CHANGED", bounce, "does not have all of it", "");
    if (is_missed(world, bounce))
        accuse(world, "LOG", bounce, "was sent, and the log does not say so", "");
}

void judge_notices(struct world *world)
{
    for (size_t i = 0; i < world->entry_count; i++)
        if (world->entries[i].origin == ORIGIN_BOUNCE && world->entries[i].bounce > 0 &&
            world->entries[i].letter != NO_LETTER && world->entries[i].answer == ANSWER_YES)
            judge_bounce(world, i);
}
