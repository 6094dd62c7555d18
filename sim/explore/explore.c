/* SPDX-License-Identifier: ISC */
#include "sim/explore/explore.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sim/explore/jobs.h"
#include "sim/explore/unit.h"
#include "sim/explore/work.h"
#include "sim/world/pool.h"

#define PROGRESS_NS (NANOSECONDS / 4)
#define PARTS 24         /* of a unit's crash points, for each worker, if time is limited */
#define STATUS_RUNS 1000 /* a line of status for so many */

struct explorer {
    const struct exploration *exploration;
    struct jobs *jobs;
    struct unit_search **open; /* in the order of their indexes */
    int64_t *ends_ns;          /* when the time of each is up */
    int64_t *hurries_ns;       /* and when runs must begin */
    size_t open_count;
    size_t next_unit;
    int64_t start_ns, end_ns, told_ns;
    bool time_up, shows;
    uint64_t told_runs;
    struct explore_result sum; /* of the units that are done; only numbers */
};

static volatile sig_atomic_t interrupted;

static void interrupt(int signal)
{
    (void) signal;
    interrupted = 1;
}

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * NANOSECONDS + now.tv_nsec;
}

/* --- units ------------------------------------------------------------------------------------*/

static size_t units_left(const struct explorer *explorer)
{
    return explorer->exploration->unit_count - explorer->next_unit;
}

/* Opens the next unit; its share of the time is that of each one that is left. */
static void open_unit(struct explorer *explorer)
{
    const struct exploration *exploration = explorer->exploration;
    struct explore_unit unit = {0};
    size_t index = explorer->next_unit++;
    if (exploration->load(exploration->context, index, &unit) < 0)
        return;
    unsigned parts = exploration->time_ns ? PARTS * exploration->jobs : exploration->jobs;
    struct unit_search *search = unit_start(index, &unit, parts, exploration->jobs + 1);
    int64_t now = now_ns(), end = INT64_MAX;
    if (exploration->time_ns && exploration->deals_time)
        end = now + (explorer->end_ns - now) / (int64_t) (units_left(explorer) + 1);
    size_t count = explorer->open_count, hurries = count;
    *LIST_ADD(explorer->open, explorer->open_count) = search;
    *LIST_ADD(explorer->ends_ns, count) = end;
    *LIST_ADD(explorer->hurries_ns, hurries) = end == INT64_MAX ? end : now + (end - now) / 3;
}

static void add_up(struct explore_result *sum, const struct explore_result *result)
{
    sum->points += result->points;
    sum->states += result->states;
    sum->distinct += result->distinct;
    sum->runs += result->runs;
    sum->situations += result->situations;
    sum->violations += result->violations;
}

/* The first of those that are open: it is finished. */
static void close_unit(struct explorer *explorer)
{
    const struct exploration *exploration = explorer->exploration;
    struct unit_search *search = explorer->open[0];
    struct explore_unit unit = *unit_of_search(search);
    add_up(&explorer->sum, unit_result(search));
    if (explorer->shows)
        fputs("\r\033[K", exploration->progress);
    explorer->shows = false;
    exploration->done(exploration->context, &unit, unit_result(search));
    unit_free(search);
    if (exploration->release)
        exploration->release(exploration->context, &unit);
    explorer->open_count--;
    memmove(explorer->open, explorer->open + 1, explorer->open_count * sizeof *explorer->open);
    memmove(explorer->ends_ns, explorer->ends_ns + 1,
            explorer->open_count * sizeof *explorer->ends_ns);
    memmove(explorer->hurries_ns, explorer->hurries_ns + 1,
            explorer->open_count * sizeof *explorer->hurries_ns);
}

static struct unit_search *find_open(const struct explorer *explorer, uint64_t index)
{
    for (size_t i = 0; i < explorer->open_count; i++)
        if (unit_index(explorer->open[i]) == index)
            return explorer->open[i];
    return NULL;
}

/* --- tasks ------------------------------------------------------------------------------------*/

static uint64_t id_of(const struct unit_search *search, uint32_t number)
{
    return (uint64_t) unit_index(search) << 32 | number;
}

/* Gives one task of the first unit that has one; opens more units if none has. */
static bool give_one(struct explorer *explorer)
{
    const struct exploration *exploration = explorer->exploration;
    struct wire task = {0};
    bool given = false;
    for (size_t i = 0; !given; i++) {
        uint32_t number;
        if (i == explorer->open_count) {
            if (explorer->next_unit == exploration->unit_count ||
                explorer->open_count >= 2 * (size_t) exploration->jobs + 2)
                break;
            open_unit(explorer);
            if (i == explorer->open_count) {
                i--; /* it could not be had */
                continue;
            }
        }
        given = unit_next(explorer->open[i], &task, &number);
        if (given)
            jobs_give(explorer->jobs, id_of(explorer->open[i], number), task.bytes, task.size);
    }
    wire_free(&task);
    return given;
}

static void stop_units(struct explorer *explorer)
{
    int64_t now = now_ns();
    for (size_t i = 0; i < explorer->open_count; i++) {
        if (interrupted)
            unit_stop(explorer->open[i], MISSING_REST);
        else if (now >= explorer->ends_ns[i] || explorer->time_up)
            unit_stop(explorer->open[i], MISSING_TIME);
        else if (now >= explorer->hurries_ns[i])
            unit_hurry(explorer->open[i]);
    }
}

/* --- progress ---------------------------------------------------------------------------------*/

static void tell_progress(struct explorer *explorer)
{
    const struct exploration *exploration = explorer->exploration;
    struct explore_result sum = explorer->sum;
    int64_t now = now_ns();
    for (size_t i = 0; i < explorer->open_count; i++)
        add_up(&sum, unit_result(explorer->open[i]));
    if (exploration->status && sum.runs / STATUS_RUNS > explorer->told_runs / STATUS_RUNS) {
        explorer->told_runs = sum.runs;
        fprintf(exploration->status, "%llu runs, %llu violations\n", (unsigned long long) sum.runs,
                (unsigned long long) sum.violations);
    }
    if (!exploration->progress || now - explorer->told_ns < PROGRESS_NS)
        return;
    explorer->told_ns = now;
    explorer->shows = true;
    double seconds = (double) (now - explorer->start_ns) / 1e9;
    fprintf(exploration->progress,
            "\r\033[K%.0f s, unit %zu of %zu: %llu runs, %.0f a second, %llu situations, "
            "%llu violations",
            seconds, explorer->next_unit - explorer->open_count + 1, exploration->unit_count,
            (unsigned long long) sum.runs, (double) sum.runs / seconds,
            (unsigned long long) sum.situations, (unsigned long long) sum.violations);
    fflush(exploration->progress);
}

/* --- all --------------------------------------------------------------------------------------*/

static int explore_units(struct explorer *explorer)
{
    const struct exploration *exploration = explorer->exploration;
    for (;;) {
        explorer->time_up = exploration->time_ns && now_ns() >= explorer->end_ns;
        while (!interrupted && !explorer->time_up && jobs_has_room(explorer->jobs) &&
               give_one(explorer))
            ;
        stop_units(explorer);
        while (explorer->open_count && unit_is_finished(explorer->open[0]))
            close_unit(explorer);
        if (explorer->open_count == 0 &&
            (interrupted || explorer->time_up || explorer->next_unit == exploration->unit_count))
            return 0;
        struct jobs_answer answer;
        int taken = jobs_take(explorer->jobs, 100, &answer);
        if (taken < 0)
            return -1;
        struct unit_search *search = taken ? find_open(explorer, answer.id >> 32) : NULL;
        if (search)
            unit_answer(search, (uint32_t) answer.id, &answer);
        tell_progress(explorer);
    }
}

int explore(const struct exploration *exploration, size_t *begun)
{
    struct exploration own = *exploration;
    struct explorer explorer = {.exploration = &own, .start_ns = now_ns()};
    struct sigaction action = {.sa_handler = interrupt}, outer, outer_term;
    own.jobs = own.jobs ? own.jobs : 1;
    explorer.end_ns = explorer.start_ns + own.time_ns;
    struct work *work = work_start(&own);
    interrupted = 0;
    sigaction(SIGINT, &action, &outer);
    sigaction(SIGTERM, &action, &outer_term);
    explorer.jobs = jobs_start(own.jobs, work_do, work);
    int result = explorer.jobs ? explore_units(&explorer) : -1;
    int error = errno;
    if (explorer.shows)
        fputs("\r\033[K", own.progress);
    if (explorer.jobs)
        jobs_end(explorer.jobs);
    sigaction(SIGINT, &outer, NULL);
    sigaction(SIGTERM, &outer_term, NULL);
    work_end(work);
    for (size_t i = 0; i < explorer.open_count; i++)
        unit_free(explorer.open[i]);
    free(explorer.open);
    free(explorer.ends_ns);
    free(explorer.hurries_ns);
    *begun = explorer.next_unit;
    errno = error;
    if (result < 0)
        return -1;
    if (interrupted)
        return EXPLORE_INTERRUPTED;
    return explorer.time_up && explorer.next_unit < own.unit_count ? EXPLORE_TIME_UP : EXPLORE_ALL;
}
