/* SPDX-License-Identifier: ISC */
#include "sim/trace/part.h"

#include <stdlib.h>
#include <string.h>

#include "sim/world/words.h"

/* Two threads of one name, and the first step in which they differ. */
struct parting {
    const struct story_thread *threads[2]; /* NULL: the run has none */
    size_t at;
    bool in_time; /* it is the same step, at another time */
    int64_t time_ns;
};

static const struct story_step *step_at(const struct parting *parting, size_t run)
{
    const struct story_thread *thread = parting->threads[run];

    return thread && parting->at < thread->count ? &thread->steps[parting->at] : NULL;
}

static int64_t distance(int64_t a, int64_t b)
{
    return a > b ? a - b : b - a;
}

/* True if they part; a step at another time counts if no other step does. */
static bool find_parting(struct parting *parting, int64_t slack_ns)
{
    size_t counts[2], least;
    bool late = false;
    size_t late_at = 0;

    for (size_t run = 0; run < 2; run++)
        counts[run] = parting->threads[run] ? parting->threads[run]->count : 0;
    least = counts[0] < counts[1] ? counts[0] : counts[1];
    for (parting->at = 0; parting->at < least; parting->at++) {
        const struct story_step *a = step_at(parting, 0), *b = step_at(parting, 1);

        if (strcmp(a->what, b->what) != 0)
            return true;
        if (!late && distance(a->time_ns, b->time_ns) > slack_ns) {
            late = true;
            late_at = parting->at;
        }
    }
    if (counts[0] != counts[1])
        return true;
    parting->in_time = late;
    parting->at = late_at;
    return late;
}

static void note_time(struct parting *parting)
{
    const struct story_step *a = step_at(parting, 0), *b = step_at(parting, 1);

    parting->time_ns = a && b ? (a->time_ns < b->time_ns ? a->time_ns : b->time_ns)
                       : a    ? a->time_ns
                       : b    ? b->time_ns
                              : INT64_MAX;
}

static int by_time(const void *a, const void *b)
{
    const struct parting *x = a, *y = b;

    if (x->time_ns != y->time_ns)
        return x->time_ns < y->time_ns ? -1 : 1;
    return x->threads[0] && y->threads[0]
               ? (x->threads[0] > y->threads[0]) - (x->threads[0] < y->threads[0])
               : (x->threads[0] == NULL) - (y->threads[0] == NULL);
}

static void tell_step(const struct parting *parting, size_t run, const char *name, FILE *to)
{
    const struct story_step *step = step_at(parting, run);
    char time[TIME_TEXT];

    if (!parting->threads[run]) {
        fprintf(to, "  %-10s has none of it\n", name);
    } else if (!step) {
        fprintf(to, "  %-10s nothing more\n", name);
    } else {
        fprintf(to, "  %-10s %s  %s", name, time_format_precise(time, step->time_ns), step->what);
        fprintf(to, "%s%s%s\n", step->call ? "   (behind " : "", step->call ? step->call : "",
                step->call ? ")" : "");
    }
}

static void tell_parting(const struct parting *parting, const struct part_options *options,
                         FILE *to)
{
    const struct story_thread *thread =
        parting->threads[0] ? parting->threads[0] : parting->threads[1];
    const struct story_step *step = step_at(parting, 0) ? step_at(parting, 0) : step_at(parting, 1);
    const struct story_step *before = parting->at > 0 ? &thread->steps[parting->at - 1] : NULL;

    fprintf(to, "%s%s%s: %s", thread->name, step && step->stage ? ", in " : "",
            step && step->stage ? step->stage : "",
            parting->in_time ? "the same, at another time" : "they part");
    fprintf(to, "%s%s%s\n", before ? ", after \"" : "", before ? before->what : "",
            before ? "\"" : "");
    for (size_t run = 0; run < 2; run++)
        tell_step(parting, run, options->names[run], to);
}

/* All threads of both, each once. */
static struct parting *find_partings(const struct story stories[2], int64_t slack_ns, size_t *count)
{
    struct parting *partings = NULL;

    *count = 0;
    for (size_t run = 0; run < 2; run++)
        for (size_t i = 0; i < stories[run].thread_count; i++) {
            const char *name = stories[run].threads[i].name;
            struct parting parting = {
                {story_find(&stories[0], name), story_find(&stories[1], name)}, 0, false, 0};

            if ((run == 1 && parting.threads[0]) || !find_parting(&parting, slack_ns))
                continue;
            note_time(&parting);
            *LIST_ADD(partings, *count) = parting;
        }
    return partings;
}

size_t part_tell(const struct story stories[2], const struct part_options *options, FILE *to)
{
    size_t count;
    struct parting *partings = find_partings(stories, options->slack_ns, &count);

    if (count > 0)
        qsort(partings, count, sizeof *partings, by_time);
    for (size_t i = 0; i < count && i < options->most; i++)
        tell_parting(&partings[i], options, to);
    if (count > options->most)
        fprintf(to, "... and %zu more\n", count - options->most);
    free(partings);
    return count;
}
