/* SPDX-License-Identifier: ISC */
/* The world of net_ledger.h with its first host running, for the tests of the oracles that look
 * while the run goes on. */
#ifndef TESTS_UNIT_SIM_RUNNING_HOST_H
#define TESTS_UNIT_SIM_RUNNING_HOST_H

#include <stdio.h>

#include "sim/world/home.h"
#include "tests/unit/sim/net_ledger.h"

__attribute__((unused)) static void forget_violations(struct world *world)
{
    while (world->violation_count > 0) {
        struct violation *violation = &world->violations[--world->violation_count];

        free(violation->recipient);
        free(violation->text);
        free(violation->detail);
    }
}

__attribute__((unused)) static struct world *start_world(void)
{
    struct world *world = make_world(1);

    world_start(world, 0);
    ck_assert_ptr_nonnull(world->machines[0].tree);
    kernel_run(world->kernel, 5 * NANOSECONDS);
    ck_assert_uint_eq(world->violation_count, 0);
    return world;
}

__attribute__((unused)) static void write_spool(struct world *world, const char *path,
                                                const char *data, size_t size)
{
    char whole[200];

    snprintf(whole, sizeof whole, HOME_QUEUE "/%s", path);
    ck_assert_int_eq(host_write_file(world->machines[0].host, whole, data, size, 0, 0, 0644), 0);
}

/* What was accused while it ran; ends the world. */
__attribute__((unused)) static void expect(struct world *world, const char *want)
{
    char got[600] = "";

    for (size_t i = 0; i < world->violation_count; i++)
        sprintf(got + strlen(got), "%s%s", i ? " " : "", world->violations[i].promise);
    ck_assert_str_eq(got, want);
    world_destroy(world);
}

#endif
