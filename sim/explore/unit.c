/* SPDX-License-Identifier: ISC */
/*
 * Runs are made in rounds.  The first is the run in which nothing goes wrong (in parts); each
 * answer tells what may go wrong behind it, and that is run in later rounds: all of it, or, with
 * `sample`, a few at a time, those first that cover what was not covered before.  What a round
 * holds is known before it begins, and so does not depend on how fast answers come.
 */
#include "sim/explore/unit.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "sim/explore/run_plan.h"
#include "sim/explore/seen.h"
#include "sim/explore/work.h"
#include "sim/world/pool.h"

#define FAILURES_MAX 100  /* kept */
#define ROUND 24          /* runs of a sample's round */
#define SAMPLE_CHOICE 3   /* candidates that are kept of a sampled run, besides new ones */
#define SAMPLE_FIRST 4000 /* of the first run */
#define SECOND_CHOICE 2   /* second kills and faults that are kept of a run */
#define SAMPLE_LEAST 6    /* runs, however long they are */
#define SAMPLE_STREAM 92

/* A run that is to be made. */
struct queued {
    const uint8_t *plan; /* as plan_put writes it */
    uint32_t size;
    uint32_t key; /* the situation of its last upset; 0: none */
    uint32_t number;
    uint32_t twin; /* not 0: the state is equal to that of this run, which must come to the same */
    uint8_t depth; /* how many upsets */
    bool preferred;
};

/* What a run came to. */
struct judged {
    const uint8_t *plan;
    uint32_t size;
    uint64_t outcome;
};

struct given {
    uint8_t *bytes; /* the answer, until it is its turn */
    size_t size;
    int died;
    bool here;
};

struct unit_search {
    size_t index;
    struct explore_unit unit;
    struct explore_result result;
    unsigned chunks, parts_at_once;
    uint64_t calls;   /* of a sample, that its runs made */
    struct pool pool; /* of plans */
    struct queued *waiting;
    size_t waiting_count;
    struct queued *round; /* that is under way; of the first, `chunks` parts of the same run */
    struct given *answers;
    size_t round_size, next, merged;
    uint32_t round_number; /* of its first run; those of the rounds before are below */
    bool first, finished;
    struct work_answer *parts; /* of the first run, until all are here */
    size_t part_count;
    struct seen states;    /* each with the number of the run that judges it */
    struct seen covered;   /* situations */
    struct seen planned;   /* the same of runs that were chosen */
    struct judged *judged; /* each run by its number, if states are audited */
    size_t judged_count;
    uint32_t numbers; /* given to states */
    struct random random;
};

/* --- rounds -----------------------------------------------------------------------------------*/

static void start_round(struct unit_search *search, struct queued *round, size_t size)
{
    for (size_t i = 0; i < search->round_size; i++)
        free(search->answers[i].bytes); /* of a round that was left */
    free(search->round);
    free(search->answers);
    search->round_number += (uint32_t) search->round_size;
    search->round = round;
    search->round_size = size;
    search->answers = must_zeroed((size + 1) * sizeof *search->answers);
    search->next = search->merged = 0;
}

struct unit_search *unit_start(size_t index, const struct explore_unit *unit, unsigned chunks,
                               unsigned at_once)
{
    static const uint8_t nothing[] = {0}; /* a plan of no upsets */
    struct unit_search *search = must_zeroed(sizeof *search);
    struct queued *round = NULL;
    size_t size = 0;
    search->index = index;
    search->unit = *unit;
    search->first = true;
    search->parts_at_once = at_once;
    search->chunks = unit->options.sample || chunks == 0 ? 1 : chunks;
    while (size < search->chunks)
        *LIST_ADD(round, size) = (struct queued){.plan = nothing, .size = sizeof nothing};
    start_round(search, round, size);
    random_seed(&search->random, unit->options.seed, SAMPLE_STREAM);
    return search;
}

void unit_free(struct unit_search *search)
{
    for (size_t i = 0; i < search->round_size; i++)
        free(search->answers[i].bytes);
    for (size_t i = 0; i < search->part_count; i++)
        work_answer_free(&search->parts[i]);
    free(search->parts);
    free(search->round);
    free(search->answers);
    free(search->waiting);
    free(search->judged);
    seen_free(&search->states);
    seen_free(&search->covered);
    seen_free(&search->planned);
    pool_free(&search->pool);
    explore_result_free(&search->result);
    free(search);
}

static unsigned greatest(unsigned a, unsigned b)
{
    return a > b ? a : b;
}

/* The n-th of `count` in an order that soon has been everywhere. */
static size_t spread(size_t n, size_t count)
{
    size_t step = (size_t) ((double) count * 0.6180339887) | 1, a = step, b = count;
    while (b) { /* a step that has no divisor in common with the count */
        size_t rest = a % b;
        a = b;
        b = rest;
        if (b == 0 && a != 1) {
            a = step += 2;
            b = count;
        }
    }
    return (size_t) (((unsigned __int128) n * step) % count);
}

/* All that waits: first what covers something new, last the states that are equal to others. */
static void choose_everything(struct unit_search *search)
{
    size_t count = search->waiting_count, size = 0, rest = 0, twins = 0;
    struct queued *round = must_alloc((count + 1) * sizeof *round);
    struct queued *others = must_alloc((count + 1) * sizeof *others);
    for (size_t i = 0; i < count; i++) {
        const struct queued *queued = &search->waiting[i];
        if (queued->twin)
            others[count - ++twins] = *queued;
        else if (queued->preferred || seen_add(&search->planned, queued->key))
            round[size++] = *queued;
        else
            others[rest++] = *queued;
    }
    for (size_t i = 0; i < rest; i++)
        round[size++] = others[spread(i, rest)];
    for (size_t i = 1; i <= twins; i++)
        round[size++] = others[count - i];
    free(others);
    search->waiting_count = 0;
    start_round(search, round, size);
}

/* Moves waiting[at] to the round. */
static void choose(struct unit_search *search, size_t at, struct queued *round, size_t *size)
{
    seen_add(&search->planned, search->waiting[at].key);
    round[(*size)++] = search->waiting[at];
    search->waiting[at] = search->waiting[--search->waiting_count];
}

/* How many runs a sample may still have. */
static uint64_t sample_left(const struct unit_search *search)
{
    const struct explore_options *options = &search->unit.options;
    uint64_t runs = search->result.runs, most = options->sample;
    if (options->effort) {
        uint64_t each = search->calls / runs + 1;
        uint64_t affordable = options->effort / each;
        affordable = affordable < SAMPLE_LEAST ? SAMPLE_LEAST : affordable;
        most = most < affordable ? most : affordable;
    }
    return most > runs ? most - runs : 0;
}

/* A few: such as cover something new, then such as come from a run that did, then any. */
static void choose_some(struct unit_search *search)
{
    uint64_t left = sample_left(search);
    size_t size = 0, most = left < ROUND ? left : ROUND;
    struct queued *round = must_alloc(ROUND * sizeof *round);
    for (size_t i = 0; i < search->waiting_count && size < most - most / 2; i++)
        if (!seen_has(&search->planned, search->waiting[i].key))
            choose(search, i--, round, &size);
    for (size_t i = search->waiting_count; i-- > 0 && size < most - most / 4;)
        if (search->waiting[i].preferred)
            choose(search, i, round, &size);
    while (search->waiting_count && size < most)
        choose(search, random_below(&search->random, search->waiting_count), round, &size);
    start_round(search, round, size);
}

static void next_round(struct unit_search *search)
{
    const struct explore_options *options = &search->unit.options;
    if (search->waiting_count == 0) {
        search->finished = true;
        return;
    }
    if (!options->sample) {
        choose_everything(search);
        return;
    }
    search->result.missing |= MISSING_SAMPLE;
    if (sample_left(search) == 0)
        search->finished = true;
    else
        choose_some(search);
}

bool unit_next(struct unit_search *search, struct wire *task, uint32_t *number)
{
    const struct explore_options *options = &search->unit.options;
    if (search->finished || search->next == search->round_size)
        return false;
    if (search->first && search->next >= search->merged + search->parts_at_once)
        return false;
    const struct queued *queued = &search->round[search->next];
    struct work_task wanted = {.unit = search->index, .chunks = 1};
    unsigned depth = options->sample ? greatest(options->depth, 2) : greatest(options->depth, 1);
    wanted.walks = queued->depth < depth && queued->depth < PLAN_UPSETS_MAX && !queued->twin;
    if (search->first) {
        wanted.chunk = (unsigned) search->next;
        wanted.chunks = search->chunks;
        wanted.choice = options->sample ? SAMPLE_FIRST : 0;
    } else {
        wanted.choice = options->sample ? SAMPLE_CHOICE : SECOND_CHOICE;
    }
    struct wire_reader reader = wire_read(queued->plan, queued->size);
    plan_get(&reader, &wanted.plan);
    work_task_put(task, &wanted);
    plan_free(&wanted.plan);
    *number = search->round_number + (uint32_t) search->next++;
    return true;
}

/* --- what may go wrong ------------------------------------------------------------------------*/

static int compare_order(const void *a, const void *b)
{
    const struct work_candidate *one = a, *two = b;
    if (one->order != two->order)
        return one->order < two->order ? -1 : 1;
    return one->planned < two->planned ? -1 : one->planned > two->planned; /* as they were told */
}

/* The plan of a run with one more upset, in the pool. */
static const uint8_t *longer_plan(struct unit_search *search, const struct queued *parent,
                                  const struct work_candidate *candidate, uint32_t *size)
{
    uint8_t *plan = pool_alloc(&search->pool, parent->size + candidate->planned_size);
    memcpy(plan, parent->plan, parent->size);
    plan[0] = (uint8_t) (parent->depth + 1); /* the count, which takes one byte */
    memcpy(plan + parent->size, candidate->planned, candidate->planned_size);
    *size = (uint32_t) (parent->size + candidate->planned_size);
    return plan;
}

static bool is_audited(const struct unit_search *search, const struct work_candidate *candidate)
{
    uint64_t audit = search->unit.options.audit;
    uint64_t chance = (candidate->hash ^ candidate->order) * 0x9e3779b97f4a7c15u;
    return audit && (chance >> 32) % audit == 0;
}

static void admit(struct unit_search *search, const struct queued *parent,
                  const struct work_candidate *candidate, bool preferred)
{
    uint32_t number = ++search->numbers, twin = 0;
    if (candidate->hash) {
        uint32_t same = number;
        if (!seen_note(&search->states, candidate->hash, &same)) {
            if (!is_audited(search, candidate))
                return;
            twin = same;
        }
    }
    search->result.distinct += twin == 0 && !search->unit.options.sample;
    struct queued *queued = LIST_ADD(search->waiting, search->waiting_count);
    queued->plan = longer_plan(search, parent, candidate, &queued->size);
    queued->key = candidate->key;
    queued->number = number;
    queued->twin = twin;
    queued->depth = (uint8_t) (parent->depth + 1);
    queued->preferred = preferred;
}

static void admit_all(struct unit_search *search, const struct queued *parent,
                      struct work_candidate *candidates, size_t count, bool preferred)
{
    if (count > 1)
        qsort(candidates, count, sizeof *candidates, compare_order);
    for (size_t i = 0; i < count; i++)
        admit(search, parent, &candidates[i], preferred);
}

/* What the unit is to begin with. */
static void admit_starts(struct unit_search *search)
{
    for (size_t i = 0; i < search->unit.start_count; i++) {
        const struct plan *plan = &search->unit.starts[i];
        struct wire wire = {0};
        if (plan->count == 0)
            continue;
        plan_put(&wire, plan);
        struct queued *queued = LIST_ADD(search->waiting, search->waiting_count);
        queued->plan = (const uint8_t *) pool_copy(&search->pool, wire.bytes, wire.size);
        queued->size = (uint32_t) wire.size;
        queued->depth = (uint8_t) plan->count;
        queued->number = ++search->numbers;
        queued->preferred = true;
        wire_free(&wire);
    }
}

/* --- answers ----------------------------------------------------------------------------------*/

static void note_failure(struct unit_search *search, struct explore_failure *failure)
{
    struct explore_result *result = &search->result;
    size_t most = search->unit.options.failures ? search->unit.options.failures : 10;
    result->violations++;
    if (result->failure_count < FAILURES_MAX)
        *LIST_ADD(result->failures, result->failure_count) = *failure;
    else
        explore_failure_free(failure);
    if (result->violations >= most)
        unit_stop(search, MISSING_FAILURES);
}

/* A violation that no oracle saw. */
static void accuse(struct unit_search *search, const struct queued *queued, const char *promise,
                   const char *where, const char *message)
{
    struct explore_failure failure;
    struct plan plan;
    struct wire_reader reader = wire_read(queued->plan, queued->size);
    plan_get(&reader, &plan);
    explore_failure_start(&failure, &plan, search->unit.scenario);
    explore_failure_say(&failure, promise, where, message);
    plan_free(&plan);
    note_failure(search, &failure);
}

static void note_death(struct unit_search *search, const struct queued *queued, int status)
{
    char message[100];
    if (WIFSIGNALED(status))
        snprintf(message, sizeof message, "the simulator died of SIG%s in this run",
                 sigabbrev_np(WTERMSIG(status)) ? sigabbrev_np(WTERMSIG(status)) : "?");
    else
        snprintf(message, sizeof message, "the simulator ended with %d in this run",
                 WIFEXITED(status) ? WEXITSTATUS(status) : -1);
    accuse(search, queued, "BROKEN", "in this run", message);
    search->result.runs++;
    search->result.missing |= MISSING_REST;
}

static void note_situation(struct unit_search *search, uint32_t situation,
                           struct explore_find *find)
{
    if (situation && seen_add(&search->covered, situation))
        *LIST_ADD(find->situations, find->situation_count) = situation;
}

/* True if the run covered something new. */
static bool note_situations(struct unit_search *search, const struct queued *queued,
                            const struct work_answer *answer)
{
    struct explore_find find = {0};
    for (size_t i = 0; i < answer->situation_count; i++)
        note_situation(search, answer->situations[i], &find);
    search->result.situations = search->covered.used;
    bool news = find.situation_count;
    if (news && search->unit.wants_finds) {
        struct wire_reader reader = wire_read(queued->plan, queued->size);
        plan_get(&reader, &find.plan);
        *LIST_ADD(search->result.finds, search->result.find_count) = find;
    } else {
        free(find.situations);
    }
    return news;
}

/* "equal states came to different ends; the other is --cut ..." */
static void accuse_twin(struct unit_search *search, const struct queued *queued)
{
    const struct judged *twin = &search->judged[queued->twin];
    struct wire_reader reader = wire_read(twin->plan, twin->size);
    struct plan plan;
    plan_get(&reader, &plan);
    char *words = plan_words(&plan, search->unit.scenario);
    char *message = must_alloc(strlen(words) + 80);
    sprintf(message, "equal states came to different ends; the other is%s", words);
    accuse(search, queued, "EQUALITY", "in a state that is equal to another", message);
    free(message);
    free(words);
    plan_free(&plan);
}

/* Keeps what the run came to; of an audited state: compares it. */
static void note_outcome(struct unit_search *search, const struct queued *queued,
                         const struct work_answer *answer)
{
    if (search->unit.options.audit == 0)
        return;
    while (search->judged_count <= queued->number)
        (void) LIST_ADD(search->judged, search->judged_count);
    search->judged[queued->number] = (struct judged){queued->plan, queued->size, answer->outcome};
    if (!queued->twin)
        return;
    search->result.audited++;
    if (search->judged[queued->twin].plan &&
        search->judged[queued->twin].outcome != answer->outcome)
        accuse_twin(search, queued);
}

static void add_look(struct unit_search *search, const struct work_answer *answer)
{
    const struct explore_options *options = &search->unit.options;
    if (!options->sample) {
        search->result.points += answer->points;
        search->result.states += answer->states;
    } else if (search->first) {
        search->result.points += answer->points;
    } else { /* what is run is all that is looked at */
        search->result.states++;
        search->result.distinct++;
    }
    search->result.missing |= answer->sampled ? MISSING_STATES : 0;
    if (options->every > 1)
        search->result.missing |= MISSING_POINTS;
}

/* All parts of the first run are here: what they tell, in the order of the run. */
static void end_first(struct unit_search *search)
{
    struct work_candidate *candidates = NULL;
    size_t count = 0;
    for (size_t i = 0; i < search->part_count; i++)
        count += search->parts[i].candidate_count;
    candidates = must_alloc((count + 1) * sizeof *candidates);
    count = 0;
    for (size_t i = 0; i < search->part_count; i++) {
        const struct work_answer *part = &search->parts[i];
        memcpy(candidates + count, part->candidates, part->candidate_count * sizeof *candidates);
        count += part->candidate_count;
    }
    admit_starts(search);
    admit_all(search, &search->round[0], candidates, count, false);
    free(candidates);
    for (size_t i = 0; i < search->part_count; i++)
        work_answer_free(&search->parts[i]);
    search->part_count = 0;
}

/* One part of the first run; the first of them is judged. */
static void merge_part(struct unit_search *search, struct work_answer *answer)
{
    add_look(search, answer);
    if (search->merged == 0) {
        search->result.runs++;
        search->result.repeated += answer->repeated;
        search->calls += answer->calls;
        marks_add(&search->result.marks, answer->marks);
        if (answer->failed)
            note_failure(search, &answer->failure);
    } else if (answer->failed) {
        explore_failure_free(&answer->failure);
    }
    answer->failed = false;
    *LIST_ADD(search->parts, search->part_count) = *answer;
}

static void merge_run(struct unit_search *search, const struct queued *queued,
                      struct work_answer *answer)
{
    const struct explore_options *options = &search->unit.options;
    search->result.runs++;
    search->result.repeated += answer->repeated;
    search->calls += answer->calls;
    marks_add(&search->result.marks, answer->marks);
    add_look(search, answer);
    bool news = note_situations(search, queued, answer);
    note_outcome(search, queued, answer);
    if (!options->sample && options->depth > 1 &&
        (options->crashes & ~EXPLORE_MACHINE || options->faults))
        search->result.missing |= MISSING_SECONDS;
    admit_all(search, queued, answer->candidates, answer->candidate_count, news && options->sample);
    if (answer->failed)
        note_failure(search, &answer->failure);
    answer->failed = false;
    work_answer_free(answer);
}

/* The answer whose turn it is. */
static void merge(struct unit_search *search, struct given *given)
{
    const struct queued *queued = &search->round[search->merged];
    struct work_answer answer;
    struct wire_reader reader = wire_read(given->bytes, given->size);
    if (given->died || work_answer_get(&reader, &answer) < 0) {
        note_death(search, queued, given->died);
        if (search->first)
            unit_stop(search, MISSING_REST);
    } else if (search->first) {
        merge_part(search, &answer);
    } else {
        merge_run(search, queued, &answer);
    }
    if (search->first && search->merged + 1 < search->round_size)
        return; /* its bytes are still needed */
    size_t from = search->first ? 0 : search->merged;
    if (search->first)
        end_first(search);
    for (size_t i = from; i <= search->merged; i++) {
        free(search->answers[i].bytes);
        search->answers[i].bytes = NULL;
    }
}

void unit_answer(struct unit_search *search, uint32_t number, const struct jobs_answer *answer)
{
    number -= search->round_number; /* one of an earlier round becomes very large */
    if (search->finished || number >= search->round_size || search->answers[number].here)
        return;
    search->answers[number] =
        (struct given){.bytes = (uint8_t *) must_copy(answer->bytes, answer->size),
                       .size = answer->size,
                       .died = answer->died,
                       .here = true};
    const struct explore_options *options = &search->unit.options;
    while (!search->finished && search->merged < search->round_size &&
           search->answers[search->merged].here) {
        merge(search, &search->answers[search->merged]);
        search->merged++;
        bool rest = search->merged < search->round_size || search->waiting_count;
        if (options->runs && search->result.runs >= options->runs && rest)
            unit_stop(search, MISSING_RUNS);
    }
    if (!search->finished && search->merged == search->round_size) {
        search->first = false;
        next_round(search);
    }
}

void unit_hurry(struct unit_search *search)
{
    if (!search->first || search->finished || search->merged == 0)
        return;
    search->result.missing |= MISSING_TIME;
    end_first(search);
    search->first = false;
    next_round(search);
}

void unit_stop(struct unit_search *search, enum explore_missing why)
{
    if (search->finished)
        return;
    search->finished = true;
    search->result.missing |= why;
}

bool unit_is_finished(const struct unit_search *search)
{
    return search->finished;
}

size_t unit_index(const struct unit_search *search)
{
    return search->index;
}

const struct explore_unit *unit_of_search(const struct unit_search *search)
{
    return &search->unit;
}

const struct explore_result *unit_result(const struct unit_search *search)
{
    return &search->result;
}

void explore_result_free(struct explore_result *result)
{
    for (size_t i = 0; i < result->failure_count; i++)
        explore_failure_free(&result->failures[i]);
    free(result->failures);
    for (size_t i = 0; i < result->find_count; i++) {
        plan_free(&result->finds[i].plan);
        free(result->finds[i].situations);
    }
    free(result->finds);
    memset(result, 0, sizeof *result);
}
