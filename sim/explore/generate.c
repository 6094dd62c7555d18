/* SPDX-License-Identifier: ISC */
#include "sim/explore/generate.h"

#include <stdarg.h>
#include <stdlib.h>

#include "sim/explore/generator.h"
#include "sim/kernel/must.h"

#define STREAM_GENERATE 900

/* In the title of a scenario; NULL: nothing that one would mention. */
static const char *const feature_names[FEATURE_COUNT] = {
    [F_TWO_HOSTS] = "two hosts", [F_ALIASES] = "aliases",      [F_VIRTUAL] = "virtual domains",
    [F_RULES] = "moody remotes", [F_DNS] = "DNS trouble",      [F_NETWORK] = "network trouble",
    [F_ADMIN] = "an admin",      [F_SIGNALS] = "signals",      [F_STOPS] = "stops",
    [F_KILLS] = "kills",         [F_POWER] = "power losses",   [F_FAULTS] = "faults",
    [F_FULL_DISK] = "full disk", [F_CLOCK] = "a clock is set",
};

uint64_t small(struct generator *generator, uint64_t least, uint64_t most)
{
    return least + below(generator, 1 + below(generator, most - least + 1));
}

const char *pick_name(struct generator *generator, const struct names *names)
{
    return names->items[below(generator, names->count)];
}

void add_name(struct names *names, const char *format, ...)
{
    va_list list;

    if (names->count == NAMES_MAX)
        return;
    va_start(list, format);
    vsnprintf(names->items[names->count++], NAME_SIZE, format, list);
    va_end(list);
}

const char *host_text(size_t index)
{
    return index ? "other" : "mail";
}

const char *domain_text(size_t index)
{
    return index ? "other.example" : "example.com";
}

const char *moment(struct generator *generator, char to[MOMENT_SIZE])
{
    static const struct {
        unsigned most;
        const char *unit;
    } units[] = {{60, "ms"}, {3000, "ms"}, {60, "s"}, {60, "s"}, {120, "m"}, {30, "h"}};
    size_t unit = below(generator, sizeof units / sizeof *units);

    snprintf(to, MOMENT_SIZE, "%u%s", (unsigned) below(generator, units[unit].most),
             units[unit].unit);
    return to;
}

void write_part(struct generator *generator, void (*write)(struct generator *generator))
{
    FILE *outer = generator->to;
    char *text = NULL;
    size_t size = 0;

    generator->to = must(open_memstream(&text, &size));
    write(generator);
    fclose(generator->to);
    generator->to = outer;
    if (size > 0)
        fprintf(outer, "\n%s", text);
    free(text);
}

static void draw_size(struct generator *generator)
{
    uint64_t percent = below(generator, 100);

    generator->size = percent < 70 ? SMALL : percent < 95 ? MIDDLING : LARGE;
}

static void draw_features(struct generator *generator)
{
    static const unsigned chances[][4] = {
        [SMALL] = {8, 8, 20, 20}, [MIDDLING] = {8, 20, 20, 35}, [LARGE] = {8, 20, 35, 60}};
    unsigned percent = PICK(generator, chances[generator->size]);

    for (size_t i = 0; i < FEATURE_COUNT; i++)
        generator->has[i] = chance(generator, percent);
    if (!chance(generator, 40))
        generator->has[F_SINGLE_USER] = false;
    if (generator->size == SMALL)
        generator->has[F_MANY] = false;
    generator->has[F_REMOTES] |= chance(generator, 50);
    generator->has[F_RULES] |= generator->has[F_REMOTES] && chance(generator, 50);
    generator->host_count = generator->has[F_TWO_HOSTS] ? 2 : 1;
}

static void write_title(struct generator *generator, uint64_t seed)
{
    const char *separator = ": ";

    fprintf(generator->to, "scenario \"random %llu", (unsigned long long) seed);
    for (size_t i = 0; i < FEATURE_COUNT; i++)
        if (generator->has[i] && feature_names[i]) {
            fprintf(generator->to, "%s%s", separator, feature_names[i]);
            separator = ", ";
        }
    fputs("\"\n", generator->to);
}

char *generate_scenario(uint64_t seed, size_t *size)
{
    struct generator *generator = must(calloc(1, sizeof *generator));
    char *text = NULL;

    random_seed(&generator->random, seed, STREAM_GENERATE);
    generator->to = must(open_memstream(&text, size));
    draw_size(generator);
    draw_features(generator);
    write_title(generator, seed);
    generate_hosts(generator);
    generate_internet(generator);
    generate_messages(generator);
    generate_trouble(generator);
    fclose(generator->to);
    free(generator);
    return text;
}
