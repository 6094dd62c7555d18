/* SPDX-License-Identifier: ISC */
/* The contract of the spool (docs/architecture.md), as far as it can be seen while it is lived:
 * what must be durable before a first delivery, and before todo is unlinked. */
#include <string.h>

#include "sim/world/internal.h"
#include "sim/world/judge_reasons.h"
#include "sim/world/words.h"

#define MARKS 4

struct pending {
    char marks[MARKS][48]; /* "/todo/7:"; "" for none */
    bool first_only;       /* changes that make the file; not those of marks in it */
    bool found;
};

static void search(void *context, const char *what)
{
    struct pending *pending = context;

    for (size_t i = 0; i < MARKS && !pending->found; i++) {
        if (!pending->marks[i][0] || !strstr(what, pending->marks[i]))
            continue;
        pending->found = !pending->first_only || pattern_matches("*: entry added*", what, false) ||
                         pattern_matches("*: write of * at 0*", what, false);
    }
}

static bool is_pending(const struct machine *machine, struct pending *pending)
{
    vfs_describe_pending(host_vfs(machine->host), search, pending);
    return pending->found;
}

static void add_mark(struct pending *pending, size_t at, const char *directory, uint64_t number)
{
    snprintf(pending->marks[at], sizeof pending->marks[at], "/%s/%llu:", directory,
             (unsigned long long) number);
}

void contract_delivery_starts(struct machine *machine, struct entry *entry)
{
    struct pending pending = {.found = false};
    char name[ENTRY_NAME];

    if (!entry->checked) {
        entry->checked = true;
        files_check(machine, entry, FILES_DELIVERED);
    }
    if (entry->tried)
        return;
    entry->tried = true;
    if (entry->answer == ANSWER_NO)
        return; /* it could not be withdrawn; nothing is promised */
    if ((entry->bits & BIT_TODO) && journal_holds(machine, entry))
        return;
    add_mark(&pending, 0, "mess", entry->number);
    if (entry->bits & BIT_TODO)
        add_mark(&pending, 1, "todo", entry->number);
    if (is_pending(machine, &pending))
        world_accuse(machine->world, "EARLY", entry->letter, entry->bounce,
                     "%s (%llu) is delivered before the disk is sure to have it",
                     entry_name(machine->world, entry, name), (unsigned long long) entry->number);
}

/* Nobody has read all that nixie-send wrote of its last successes, since nixie-log and nixie-start
 * are gone, or a fault has kept a line from being written. */
static bool is_untold(const struct machine *machine)
{
    return machine->log.unheard || reason_line_lost(machine->world, machine->index, INT64_MAX);
}

/* Whether there were as many successes as it has recipients. */
static bool all_have_it(const struct world *world, const struct entry *entry)
{
    size_t count = 0;

    for (size_t i = world->attempt_count; i-- > 0 && count < entry->recipient_count;) {
        const struct attempt *attempt = &world->attempts[i];

        count += attempt->machine == entry->machine && attempt->number == entry->number &&
                 attempt->result == 'K';
    }
    return count >= entry->recipient_count;
}

void contract_todo_removed(struct machine *machine, struct entry *entry)
{
    struct pending pending = {.first_only = true};
    char name[ENTRY_NAME];

    if (entry->discarded || (entry->answer != ANSWER_YES && !entry->tried))
        return;
    if (!(entry->bits & BIT_INFO)) {
        if (!is_untold(machine) && !all_have_it(machine->world, entry))
            world_accuse(machine->world, "UNDONE", entry->letter, entry->bounce,
                         "%s (%llu) goes, but not all of its recipients have it",
                         entry_name(machine->world, entry, name),
                         (unsigned long long) entry->number);
        return;
    }
    add_mark(&pending, 0, "info", entry->number);
    add_mark(&pending, 1, "local", entry->number);
    add_mark(&pending, 2, "remote", entry->number);
    /* When todo went before, the disk was sure: nixie-send writes over what is there. */
    if (!entry->todo_back && is_pending(machine, &pending))
        world_accuse(machine->world, "UNDONE", entry->letter, entry->bounce,
                     "todo/%llu (%s) is removed before the disk is sure to have info, local and "
                     "remote",
                     (unsigned long long) entry->number, entry_name(machine->world, entry, name));
}
