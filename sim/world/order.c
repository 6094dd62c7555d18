/* SPDX-License-Identifier: ISC */
/* Orders of the admin: nixie-admin is run on a host. */
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "sim/world/home.h"
#include "sim/world/internal.h"

static const char *const verbs[] = {
    [ORDER_RETRY] = "retry",   [ORDER_HOLD] = "hold",     [ORDER_RELEASE] = "release",
    [ORDER_EXPIRE] = "expire", [ORDER_DELETE] = "delete",
};

const char *order_name(enum order order)
{
    return verbs[order];
}

/* From now on it may be obeyed: nixie-send says so when it does, but without one, or if it is
 * killed first, nobody does. */
static void note_order(struct world *world, size_t machine, enum order order, uint64_t number)
{
    struct upset *upset;

    if (order == ORDER_DELETE) {
        *LIST_ADD(world->machines[machine].deletions, world->machines[machine].deletion_count) =
            number;
        return;
    }
    upset = LIST_ADD(world->upsets, world->upset_count);
    upset->machine = machine;
    upset->time_ns = kernel_now(world->kernel);
    upset->kind = UPSET_ORDER;
    upset->order = order;
    upset->asked = true;
    upset->number = number;
}

static void note_orders(struct world *world, size_t machine, enum order order,
                        const uint64_t *numbers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        note_order(world, machine, order, numbers[i]);
    for (size_t i = 0; count == 0 && i < world->entry_count; i++)
        if (world->entries[i].machine == machine)
            note_order(world, machine, order, world->entries[i].number);
    if (count == 0 && (order == ORDER_DELETE || order == ORDER_HOLD))
        note_order(world, machine, order, 0); /* also those that come before it looks */
}

/* What was ordered: upsets[] from `first` on. */
struct given {
    struct machine *machine;
    size_t first, count;
};

static void order_ended(void *context, struct process *process, int status)
{
    const struct given *given = context;
    struct world *world = given->machine->world;

    (void) process;
    if (status < 0 || !WIFEXITED(status))
        return;
    world_tell(world, given->machine->index, "order     is answered: %d", WEXITSTATUS(status));
    for (size_t i = 0; i < given->count; i++) {
        world->upsets[given->first + i].answered = WEXITSTATUS(status) == 0;
        world->upsets[given->first + i].refused = WEXITSTATUS(status) == 1;
    }
}

void world_order(struct world *world, size_t index, enum order order, const uint64_t *numbers,
                 size_t count)
{
    struct machine *machine = &world->machines[index];
    size_t all = count ? count : 1;
    const char **argv = must_alloc((all + 3) * sizeof *argv);
    char(*digits)[24] = must_alloc(all * sizeof *digits);
    static const char *const environment[] = {NULL};
    uid_t uid = home_uid(machine->spec, NULL);
    struct given *given = pool_alloc(&world->told, sizeof *given);
    struct process_spec spec = {.path = HOME_DIRECTORY "/bin/nixie-admin",
                                .argv = argv,
                                .environment = environment,
                                .uid = uid,
                                .gid = (gid_t) uid,
                                .ended = order_ended,
                                .context = given};
    int error = 0;

    *given = (struct given){machine, world->upset_count, 0};
    argv[0] = "nixie-admin";
    argv[1] = verbs[order];
    argv[2] = "all";
    for (size_t i = 0; i < count; i++) {
        snprintf(digits[i], sizeof digits[i], "%llu", (unsigned long long) numbers[i]);
        argv[2 + i] = digits[i];
    }
    argv[2 + all] = NULL;
    world_tell(world, index, "order     the admin says %s %s%s", verbs[order], argv[2],
               count > 1 ? " ..." : "");
    if (host_is_up(machine->host) && process_start(machine->host, &spec, &error))
        note_orders(world, index, order, numbers, count);
    else
        world_tell(world, index, "order     %s", error ? strerror(error) : "the host is down");
    given->count = world->upset_count - given->first;
    free(digits);
    free(argv);
}
