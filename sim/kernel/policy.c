/* SPDX-License-Identifier: ISC */
#include "sim/kernel/policy.h"

#include <string.h>

#include "sim/kernel/internal.h"

#define QUANTUM 8         /* round robin */
#define QUANTUM_RANDOM 16 /* at most, at random */
#define REACH_MIN 4
#define REACH_MAX 17
#define REACH_STARVE_MAX 13
#define STARVE_MIN_NS_BITS 15 /* 33 us */
#define STARVE_MAX_NS_BITS 28 /* 268 ms, cut to the patience */
#define PATIENCE_MIN_NS 2000000

static const char *const names[] = {
    [SCHEDULE_ROUND_ROBIN] = "round-robin",
    [SCHEDULE_RANDOM] = "random",
    [SCHEDULE_PRIORITY] = "priority",
    [SCHEDULE_STARVE] = "starve",
};

const char *schedule_name(enum schedule_policy policy)
{
    return names[policy];
}

int schedule_named(const char *name, enum schedule_policy *policy)
{
    for (size_t i = 0; i < SCHEDULE_COUNT; i++) {
        if (strcmp(names[i], name) != 0)
            continue;
        *policy = (enum schedule_policy) i;
        return 0;
    }
    return -1;
}

/* As likely of each size: 1 to 2^bits. */
static uint64_t draw_gap(struct kernel *kernel, unsigned bits)
{
    struct random *random = &kernel->schedule_random;
    return 1 + random_below(random, UINT64_C(1) << (1 + random_below(random, bits)));
}

static unsigned draw_reach(struct kernel *kernel, unsigned most)
{
    return REACH_MIN + (unsigned) random_below(&kernel->schedule_random, most - REACH_MIN + 1);
}

static struct process *at(const struct kernel *kernel, size_t index)
{
    return kernel->run_queue[(kernel->run_first + index) & (kernel->run_room - 1)];
}

/* --- priorities ------------------------------------------------------------------------------*/

#define FIRST_LOWEST (UINT64_C(1) << 62) /* those that are drawn are above */

static void start_priorities(struct kernel *kernel)
{
    struct policy_state *state = &kernel->policy;
    struct random *random = &kernel->schedule_random;
    state->reach = draw_reach(kernel, REACH_MAX);
    state->lowest = FIRST_LOWEST;
    state->patience_ns = PATIENCE_MIN_NS << random_below(random, 7); /* up to 128 ms */
    state->change_at = draw_gap(kernel, state->reach);
}

static size_t highest(const struct kernel *kernel)
{
    size_t best = 0;
    for (size_t i = 1; i < kernel->run_count; i++)
        if (at(kernel, i)->lot > at(kernel, best)->lot)
            best = i;
    return best;
}

static size_t choose_by_priority(struct kernel *kernel)
{
    struct policy_state *state = &kernel->policy;
    if (kernel->now_ns - at(kernel, 0)->ready_ns > state->patience_ns)
        return 0; /* who has waited longest stands first */
    if (kernel->calls >= state->change_at) {
        state->change_at = kernel->calls + draw_gap(kernel, state->reach);
        at(kernel, highest(kernel))->lot = state->lowest--;
    }
    return highest(kernel);
}

/* --- starvation ------------------------------------------------------------------------------*/

static uint64_t mix(uint64_t value)
{
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
    return value ^ (value >> 31);
}

static bool is_starved(const struct policy_state *state, const struct process *process)
{
    if (process->host->steady)
        return false;
    if (state->victim)
        return process->lot == state->victim;
    if (state->program)
        return strcmp(process->name, state->program) == 0;
    return mix(process->lot ^ state->salt) < state->share;
}

/* Someone who could run now is among those who will not. */
static void begin_interval(struct kernel *kernel)
{
    struct policy_state *state = &kernel->policy;
    struct random *random = &kernel->schedule_random;
    const struct process *someone = at(kernel, random_below(random, kernel->run_count));
    unsigned bits = STARVE_MIN_NS_BITS +
                    (unsigned) random_below(random, STARVE_MAX_NS_BITS - STARVE_MIN_NS_BITS);
    int64_t length = (int64_t) ((UINT64_C(1) << bits) + random_below(random, UINT64_C(1) << bits));
    state->victim = 0;
    state->program = NULL;
    switch (random_below(random, 3)) {
    case 0:
        state->victim = someone->lot;
        break;
    case 1:
        state->program = someone->name;
        break;
    default:
        state->salt = random_u64(random);
        state->share = UINT64_MAX / 8 * (1 + random_below(random, 7));
    }
    state->starve_until = kernel->now_ns + (length < PATIENCE_MAX_NS ? length : PATIENCE_MAX_NS);
}

static void end_interval(struct kernel *kernel)
{
    struct policy_state *state = &kernel->policy;
    state->starve_until = 0;
    state->starve_at = kernel->calls + draw_gap(kernel, state->reach);
}

static size_t choose_starving(struct kernel *kernel, int64_t *until_ns)
{
    struct policy_state *state = &kernel->policy;
    size_t count = 0, chosen;
    if (state->starve_until && kernel->now_ns >= state->starve_until)
        end_interval(kernel);
    if (!state->starve_until && kernel->calls >= state->starve_at)
        begin_interval(kernel);
    if (!state->starve_until)
        return random_below(&kernel->schedule_random, kernel->run_count);
    for (size_t i = 0; i < kernel->run_count; i++)
        count += !is_starved(state, at(kernel, i));
    *until_ns = state->starve_until;
    if (!count)
        return SIZE_MAX;
    chosen = random_below(&kernel->schedule_random, count);
    for (size_t i = 0;; i++)
        if (!is_starved(state, at(kernel, i)) && chosen-- == 0)
            return i;
}

/* --- all of them -----------------------------------------------------------------------------*/

void policy_start(struct kernel *kernel)
{
    if (kernel->options.policy == SCHEDULE_PRIORITY)
        start_priorities(kernel);
    if (kernel->options.policy == SCHEDULE_STARVE) {
        kernel->policy.reach = draw_reach(kernel, REACH_STARVE_MAX);
        kernel->policy.quantum = UINT64_C(1) << random_below(&kernel->schedule_random, 5);
        end_interval(kernel);
    }
}

void policy_born(struct process *process)
{
    struct kernel *kernel = process->kernel;
    if (kernel->options.policy >= SCHEDULE_PRIORITY)
        process->lot = random_u64(&kernel->schedule_random) | FIRST_LOWEST << 1;
}

size_t policy_choose(struct kernel *kernel, int64_t *until_ns)
{
    if (kernel->run_count == 1 && kernel->options.policy != SCHEDULE_STARVE)
        return 0;
    switch (kernel->options.policy) {
    case SCHEDULE_RANDOM:
        return random_below(&kernel->schedule_random, kernel->run_count);
    case SCHEDULE_PRIORITY:
        return choose_by_priority(kernel);
    case SCHEDULE_STARVE:
        return choose_starving(kernel, until_ns);
    default:
        return 0;
    }
}

int64_t policy_quantum(struct kernel *kernel)
{
    switch (kernel->options.policy) {
    case SCHEDULE_RANDOM:
        return 1 + (int64_t) random_below(&kernel->schedule_random, QUANTUM_RANDOM);
    case SCHEDULE_STARVE:
        return 1 + (int64_t) random_below(&kernel->schedule_random, kernel->policy.quantum);
    case SCHEDULE_PRIORITY:
        return 1;
    default:
        return QUANTUM;
    }
}
