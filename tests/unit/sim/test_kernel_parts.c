/* SPDX-License-Identifier: ISC */
/* The parts of the simulated kernel that stand alone: coroutines, arenas, timers. */
#include <check.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sim/kernel/arena.h"
#include "sim/kernel/coro.h"
#include "sim/kernel/random.h"
#include "sim/kernel/timer.h"

/* --- coroutines --------------------------------------------------------------------------------*/

static struct coro outside, inside[3];
static char trace[256];
static int ended;

static void note(char c)
{
    size_t length = strlen(trace);
    trace[length] = c;
    trace[length + 1] = 0;
}

static void walk(void *argument)
{
    char name = *(const char *) argument;
    double kept = 1.5 * name; /* must live over a switch */
    for (int i = 0; i < 3; i++) {
        volatile char room[3000];
        memset((char *) (uintptr_t) room, name, sizeof room);
        note(name);
        coro_switch(&inside[name - 'a'], &outside);
        if (kept != 1.5 * name || room[2999] != name)
            note('?');
    }
    ended++;
    coro_leave(&inside[name - 'a'], &outside);
}

START_TEST(test_coroutines_take_turns)
{
    static const char names[] = "abc";
    for (int round = 0; round < 2; round++) { /* the second time on used stacks */
        trace[0] = 0;
        ended = 0;
        for (int i = 0; i < 3; i++)
            coro_prepare(&inside[i], walk, (void *) (uintptr_t) &names[i], round ? 0xaa : 0);
        for (int turn = 0; turn < 4; turn++)
            for (int i = 0; i < 3; i++)
                coro_switch(&outside, &inside[i]);
        ck_assert_str_eq(trace, "abcabcabc");
        ck_assert_int_eq(ended, 3);
    }
    for (int i = 0; i < 3; i++)
        coro_release(&inside[i]);
    coro_trim();
}
END_TEST

START_TEST(test_stack_is_filled)
{
    static const char name[] = "a";
    unsigned filled = 0;
    coro_prepare(&inside[0], walk, (void *) (uintptr_t) name, 0x5a);
    const char *top = inside[0].stack + inside[0].stack_size;
    for (const char *byte = top - 8192; byte < top; byte++)
        filled += *byte == 0x5a;
    coro_release(&inside[0]);
    ck_assert_uint_gt(filled, 8000);
}
END_TEST

/* --- arenas ------------------------------------------------------------------------------------*/

#define BLOCKS 300

static void check_block(const unsigned char *block, size_t size, unsigned char value)
{
    size_t wrong = 0;
    for (size_t i = 0; i < size; i++)
        wrong += block[i] != value;
    ck_assert_uint_eq(wrong, 0);
}

START_TEST(test_arena_keeps_blocks_apart)
{
    struct arena arena;
    struct random random;
    unsigned char *blocks[BLOCKS] = {0};
    size_t sizes[BLOCKS] = {0}, total = 0;
    random_seed(&random, 1, 1);
    arena_start(&arena, _i ? 4112 : 0, _i ? 0x77 : 0);
    for (int step = 0; step < 5000; step++) {
        size_t i = random_below(&random, BLOCKS);
        size_t size = random_below(&random, random_below(&random, 20) ? 600 : 100000);
        if (blocks[i])
            check_block(blocks[i], sizes[i] < size ? sizes[i] : size, (unsigned char) i);
        total -= sizes[i];
        if (random_below(&random, 3) == 0) {
            arena_free(&arena, blocks[i]);
            blocks[i] = NULL;
            sizes[i] = 0;
            continue;
        }
        size_t old = sizes[i];
        blocks[i] = arena_realloc(&arena, blocks[i], size);
        ck_assert_uint_eq((uintptr_t) blocks[i] % 16, 0);
        if (size > old) /* fresh memory is filled */
            check_block(blocks[i] + old, size - old, _i ? 0x77 : 0);
        memset(blocks[i], (int) i, size);
        sizes[i] = size;
        total += size;
        ck_assert_uint_eq(arena.live_bytes, total);
    }
    arena_alloc_hidden(&arena, 100);
    ck_assert_uint_eq(arena.live_bytes, total);
    arena_end(&arena);
    ck_assert_uint_eq(arena.live_bytes, 0);
    arena_trim();
}
END_TEST

/* --- timers ------------------------------------------------------------------------------------*/

START_TEST(test_timers_fire_in_order)
{
    enum { COUNT = 200 };
    struct timer_heap heap = {0};
    static struct timer timers[COUNT];
    struct random random;
    random_seed(&random, 1, 1);
    memset(timers, 0, sizeof timers);
    ck_assert_ptr_null(timer_first(&heap));
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < COUNT; i++)
            timer_set(&heap, &timers[i], (int64_t) random_below(&random, 50));
        for (int i = 0; i < COUNT / 2; i++)
            timer_cancel(&heap, &timers[random_below(&random, COUNT)]);
        const struct timer *last = NULL;
        for (struct timer *timer; (timer = timer_first(&heap)); last = timer) {
            timer_cancel(&heap, timer);
            if (!last)
                continue;
            ck_assert_int_le(last->time_ns, timer->time_ns);
            if (last->time_ns == timer->time_ns)
                ck_assert_uint_lt(last->order, timer->order);
        }
        for (int i = 0; i < COUNT; i++)
            ck_assert_uint_eq(timers[i].slot, 0);
    }
    timer_heap_end(&heap);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kernel parts");
    TCase *tests = tcase_create("parts");
    tcase_add_test(tests, test_coroutines_take_turns);
    tcase_add_test(tests, test_stack_is_filled);
    tcase_add_loop_test(tests, test_arena_keeps_blocks_apart, 0, 2);
    tcase_add_test(tests, test_timers_fire_in_order);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
