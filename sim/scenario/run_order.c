/* SPDX-License-Identifier: ISC */
/* "hold m1": which messages of the spool an order of the admin is about. */
#include <stdlib.h>

#include "sim/scenario/expect.h"

/* As nixie-admin finds it. */
static bool is_queued(const struct entry *entry)
{
    return entry->stage == STAGE_S4 || entry->stage == STAGE_S5;
}

void order_give(struct run *run, const struct action *action)
{
    struct world *world = run->world;
    uint64_t *numbers = NULL;
    size_t count = 0;

    if (!action->message.name) {
        world_order(world, action->host, action->order, NULL, 0);
        return;
    }
    for (size_t i = 0; i < world->entry_count; i++) {
        const struct entry *entry = &world->entries[i];

        if (entry->machine == action->host && is_queued(entry) &&
            entry_is_selected(run, &action->message, entry))
            *LIST_ADD(numbers, count) = entry->number;
    }
    if (count > 0)
        world_order(world, action->host, action->order, numbers, count);
    else if (!run->options->only_oracles && !action->if_any) /* a planned crash may have taken it */
        run_fail(run, action->at, NULL, "%s is not in the queue of %s at that time",
                 action->message.text, world->machines[action->host].name);
    free(numbers);
}
