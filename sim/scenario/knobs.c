/* SPDX-License-Identifier: ISC */
#include "sim/scenario/knobs.h"

#include <stdio.h>
#include <string.h>

#include "sim/kernel/must.h"
#include "sim/kernel/random.h"

#define STREAM_KNOBS 901
#define MS INT64_C(1000000)
#define VALUES_MAX 8

/* Of each the values that it may have; 0 ends them. */
static const struct {
    const char *name;
    unsigned values[VALUES_MAX];
} files[] = {
    {"concurrencylocal", {1, 2, 3, 50}},
    {"concurrencyremote", {1, 2, 5, 100}},
    {"concurrencyincoming", {1, 2, 5, 100}},
    {"concurrencyperaddress", {1, 3}},
    {"timeoutremote", {5, 20, 60, 600}},
    {"timeoutconnect", {2, 10, 30, 300}},
    {"timeoutsmtpd", {5, 30, 120, 600}},
    {"queuelifetime", {1, 60, 900, 5000, 40000, 200000}},
    {"logsize", {4096, 20000}},
    {"lognum", {2, 3}},
};
#define FILE_COUNT (sizeof files / sizeof *files)

/* ---------------------------------------------------------------------------------------------*/

static unsigned draw_value(struct random *random, const unsigned values[VALUES_MAX])
{
    size_t count = 0;

    while (count < VALUES_MAX && values[count])
        count++;
    return values[random_below(random, count)];
}

void knobs_draw(uint64_t seed, struct knobs *knobs)
{
    static const int64_t syncs[][2] = {{1, 20}, {100, 1000}, {20000, 100000}, {1000, 400000}};
    static const int64_t delays[] = {1000, MS, 20 * MS, 150 * MS, 700 * MS};
    struct random random;
    uint64_t percent;

    memset(knobs, 0, sizeof *knobs);
    random_seed(&random, seed, STREAM_KNOBS);
    percent = 10 + random_below(&random, 60);
    for (size_t i = 0; i < FILE_COUNT; i++) {
        unsigned value = draw_value(&random, files[i].values);

        if (random_below(&random, 100) >= percent)
            continue;
        knobs->controls[knobs->control_count].name = files[i].name;
        knobs->controls[knobs->control_count++].value = value;
    }
    if (random_below(&random, 100) < percent) {
        size_t which = random_below(&random, sizeof syncs / sizeof *syncs);

        knobs->sync_min_ns = (uint64_t) syncs[which][0] * 1000; /* from microseconds */
        knobs->sync_max_ns = (uint64_t) syncs[which][1] * 1000;
    }
    knobs->delay_ns = -1;
    if (random_below(&random, 100) < percent)
        knobs->delay_ns = delays[random_below(&random, sizeof delays / sizeof *delays)];
}

/* ---------------------------------------------------------------------------------------------*/

static bool is_set(const struct home_spec *host, const char *name)
{
    for (size_t i = 0; i < host->control_count; i++)
        if (strcmp(host->controls[i].name, name) == 0)
            return true;
    return false;
}

/* All hosts say it themselves. */
static bool is_set_everywhere(const struct scenario *scenario, const char *name)
{
    for (size_t i = 0; i < scenario->host_count; i++)
        if (!is_set(&scenario->hosts[i], name))
            return false;
    return true;
}

char *knobs_words(const struct knobs *knobs, const struct scenario *scenario)
{
    char *text = NULL;
    size_t size = 0;
    FILE *to = must(open_memstream(&text, &size));
    const char *separator = "";

    for (size_t i = 0; i < knobs->control_count; i++) {
        if (scenario && is_set_everywhere(scenario, knobs->controls[i].name))
            continue;
        fprintf(to, "%s%s %u", separator, knobs->controls[i].name, knobs->controls[i].value);
        separator = ", ";
    }
    if (knobs->sync_max_ns) {
        fprintf(to, "%sa sync takes %g to %g ms", separator, (double) knobs->sync_min_ns / 1e6,
                (double) knobs->sync_max_ns / 1e6);
        separator = ", ";
    }
    if (knobs->delay_ns >= 0 && (!scenario || scenario->internet)) {
        fprintf(to, "%sthe network %g ms", separator, (double) knobs->delay_ns / 1e6);
        separator = ", ";
    }
    if (!*separator)
        fputs("none", to);
    fclose(to);
    return text;
}

static void add_controls(const struct knobs *knobs, const struct home_spec *from,
                         struct home_spec *host, struct pool *pool)
{
    host->controls = NULL;
    host->control_count = 0;
    for (size_t i = 0; i < from->control_count; i++)
        *POOL_ADD(pool, host->controls, host->control_count) = from->controls[i];
    for (size_t i = 0; i < knobs->control_count; i++) {
        struct named_text control = {.name = knobs->controls[i].name};

        if (is_set(from, control.name))
            continue;
        control.text.data = pool_format(pool, "%u\n", knobs->controls[i].value);
        control.text.size = strlen(control.text.data);
        *POOL_ADD(pool, host->controls, host->control_count) = control;
    }
}

const struct home_spec *knobs_hosts(const struct knobs *knobs, const struct scenario *scenario,
                                    struct pool *pool)
{
    struct home_spec *hosts = pool_alloc(pool, (scenario->host_count + 1) * sizeof *hosts);

    for (size_t i = 0; i < scenario->host_count; i++) {
        hosts[i] = scenario->hosts[i];
        add_controls(knobs, &scenario->hosts[i], &hosts[i], pool);
    }
    return hosts;
}
