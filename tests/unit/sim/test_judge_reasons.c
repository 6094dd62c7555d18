/* SPDX-License-Identifier: ISC */
/* What explains a try at another time than the schedule says, and what does not; on ledgers made by
 * hand. */
#include "sim/kernel/policy.h"
#include "sim/world/faults.h"
#include "tests/unit/sim/net_ledger.h"

/* A try at 0.1 s that is deferred at 0.2 s, so that the next is due at 400 s; something happens,
 * and send starts again; the next try. */
static const struct {
    double upset;
    enum upset_kind kind;
    enum order order;
    uint64_t number;
    double start; /* of nixie-send, behind that; 0: none */
    double then;
    const char *want;
} rows[] = {
    {5, UPSET_POWER, 0, 0, 6, 6.1, ""},            /* the stored time may be lost */
    {5, UPSET_POWER, 0, 0, 6, 400.1, ""},          /* or not */
    {5, UPSET_POWER, 0, 0, 6, 50, "SCHEDULE"},     /* but nothing in between */
    {5, UPSET_POWER, 0, 0, 6, 401.1, "SCHEDULE"},  /* and nothing later */
    {50, UPSET_POWER, 0, 0, 51, 51.1, "SCHEDULE"}, /* it was durable by then */
    {300, UPSET_POWER, 0, 0, 500, 500.1, ""},      /* not up when it was due */
    {300, UPSET_POWER, 0, 0, 500, 600, "SCHEDULE"},
    {5, UPSET_KILL, 0, 0, 6, 6.1, "SCHEDULE"}, /* the file has it */
    {5, UPSET_KILL, 0, 0, 6, 400.1, ""},
    {395, UPSET_KILL, 0, 0, 405, 405.1, ""},
    {395, UPSET_KILL, 0, 0, 396, 411, "SCHEDULE"},
    {5, UPSET_FAULT, 0, 0, 0, 50, ""},
    {5, UPSET_CLOCK, 0, 0, 0, 50, "SCHEDULE"}, /* send keeps its own time */
    {5, UPSET_CLOCK, 0, 0, 0, 400.1, ""},
    {200, UPSET_ORDER, ORDER_OTHER, 0, 0, 300, ""},
    {200, UPSET_ORDER, ORDER_STOP, 0, 0, 300, "SCHEDULE"},
    {200, UPSET_ORDER, ORDER_STOP, 0, 900, 900.1, ""},
    {200, UPSET_ORDER, ORDER_HANGUP, 0, 0, 200.1, "SCHEDULE"},
    {200, UPSET_ORDER, ORDER_HANGUP, 0, 0, 400.1, ""},
    {200, UPSET_ORDER, ORDER_ALARM, 0, 0, 200.1, ""},
    {200, UPSET_ORDER, ORDER_ALARM, 0, 0, 300, "SCHEDULE"},
    {200, UPSET_ORDER, ORDER_RETRY, 1, 0, 200.1, ""},
    {200, UPSET_ORDER, ORDER_RETRY, 2, 0, 200.1, "SCHEDULE"},
    {200, UPSET_ORDER, ORDER_RETRY, 1, 0, 400.1, "SCHEDULE"}, /* he wanted it then */
    {200, UPSET_ORDER, ORDER_RETRY, 2, 0, 400.1, ""},
    {200, UPSET_ORDER, ORDER_RETRY, 1, 0, 401.5, "SCHEDULE"},
    {200, UPSET_ORDER, ORDER_EXPIRE, 1, 0, 200.1, ""},
    {200, UPSET_ORDER, ORDER_HOLD, 1, 0, 400.1, "SCHEDULE"},
    {200, UPSET_ORDER, ORDER_HOLD, 2, 0, 400.1, ""},
    {200, UPSET_ORDER, ORDER_DELETE, 1, 0, 400.1, "SCHEDULE"},
    {200, UPSET_ORDER, ORDER_RELEASE, 1, 0, 200.1, ""},
};

START_TEST(each_reason_explains_its_own)
{
    struct world *world = make_world(1);
    struct upset *upset = add_upset(world, rows[_i].upset, rows[_i].kind);

    upset->order = rows[_i].order;
    upset->number = rows[_i].number;
    add_start(world, 0);
    if (rows[_i].start > 0)
        add_start(world, rows[_i].start);
    add_attempt(world, "bob@away.example", 0.1, 'Z');
    add_attempt(world, "bob@away.example", rows[_i].then, 'K');
    add_taking(world, "bob@away.example");
    judge(world, rows[_i].want);
}
END_TEST

/* Deferred at 0.2 s, which a power loss at 5 s takes; send starts at 6 s, ends before it comes to
 * the message, and starts again. */
static const struct {
    double end[2], start[2]; /* 0: no more */
    double then;
    const char *want;
} ended_at_once[] = {
    {{7, 0}, {50, 0}, 50.1, ""},          {{7, 0}, {50, 0}, 70, "SCHEDULE"},
    {{30, 0}, {50, 0}, 50.1, "SCHEDULE"}, /* it had time enough */
    {{7, 21}, {20, 50}, 50.1, ""},        {{0, 0}, {0, 0}, 50.1, "SCHEDULE"},
};

START_TEST(what_is_due_at_a_start_may_wait_for_the_next)
{
    struct world *world = make_world(1);

    add_upset(world, 5, UPSET_POWER);
    add_start(world, 0);
    add_start(world, 6);
    for (size_t i = 0; i < 2 && ended_at_once[_i].end[i] > 0; i++) {
        add_end(world, ended_at_once[_i].end[i]);
        add_start(world, ended_at_once[_i].start[i]);
    }
    add_attempt(world, "bob@away.example", 0.1, 'Z');
    add_attempt(world, "bob@away.example", ended_at_once[_i].then, 'K');
    add_taking(world, "bob@away.example");
    judge(world, ended_at_once[_i].want);
}
END_TEST

/* Held at 200 s, released at 900 s. */
static const struct {
    double crash; /* behind the order to hold; 0: none */
    double then;
    const char *want;
} holds[] = {
    {0, 900.1, ""},   {0, 1000, "SCHEDULE"},    {0, 400.1, "SCHEDULE"},
    {201, 400.1, ""}, {250, 400.1, "SCHEDULE"},
};

START_TEST(a_hold_is_kept_until_its_release)
{
    struct world *world = make_world(1);
    struct upset *hold = add_upset(world, 200, UPSET_ORDER), *release;

    hold->order = ORDER_HOLD;
    hold->number = 1;
    if (holds[_i].crash > 0) {
        add_upset(world, holds[_i].crash, UPSET_POWER);
        add_start(world, holds[_i].crash + 1);
    }
    release = add_upset(world, 900, UPSET_ORDER);
    release->order = ORDER_RELEASE;
    release->number = 1;
    add_attempt(world, "bob@away.example", 0.1, 'Z');
    add_attempt(world, "bob@away.example", holds[_i].then, 'K');
    add_taking(world, "bob@away.example");
    judge(world, holds[_i].want);
}
END_TEST

/* Deleted at 200 s; half a second later send says that this could not be made durable. */
static const struct {
    uint64_t number; /* of the message of which it says so */
    bool held;       /* before that */
    double then;
    const char *want;
} taken_back[] = {
    {1, false, 200.6, ""},        {1, false, 300, "SCHEDULE"},  {2, false, 400.1, "SCHEDULE"},
    {1, true, 200.6, "SCHEDULE"}, {1, true, 400.1, "SCHEDULE"},
};

START_TEST(what_could_not_be_deleted_goes_on)
{
    struct world *world = make_world(1);

    if (taken_back[_i].held)
        add_order(world, 150, ORDER_HOLD, 1);
    add_order(world, 200, ORDER_DELETE, 1);
    add_order(world, 200.5, ORDER_UNDELETE, taken_back[_i].number);
    add_attempt(world, "bob@away.example", 0.1, 'Z');
    add_attempt(world, "bob@away.example", taken_back[_i].then, 'K');
    add_taking(world, "bob@away.example");
    judge(world, taken_back[_i].want);
}
END_TEST

/* A try that never came back: send was killed at 2 s. */
static const struct {
    double start, then;
    const char *want;
} open_tries[] = {{3, 3.1, ""}, {3, 50, "SCHEDULE"}, {3, 400.1, ""}, {3, 402, "SCHEDULE"}};

START_TEST(a_try_that_never_came_back_is_made_again)
{
    struct world *world = make_world(1);
    struct attempt *attempt = add_attempt(world, "bob@away.example", 0.1, 0);

    attempt->end_ns = INT64_MAX;
    attempt->gone_ns = 3 * NANOSECONDS;
    add_upset(world, 2, UPSET_KILL);
    add_start(world, open_tries[_i].start);
    add_attempt(world, "bob@away.example", open_tries[_i].then, 'K');
    add_taking(world, "bob@away.example");
    judge(world, open_tries[_i].want);
}
END_TEST

static const struct {
    char result;
    double upset; /* 0: none */
    const char *want;
} done[] = {{'K', 0, "SCHEDULE"},
            {'K', 1, ""},
            {'K', 30, "SCHEDULE"},
            {'D', 0, "BOUNCE SCHEDULE"},
            {'D', 1, ""}};

START_TEST(what_is_done_is_not_tried_again)
{
    struct world *world = make_world(1);

    add_attempt(world, "bob@away.example", 0.1, done[_i].result);
    add_attempt(world, "bob@away.example", 400.1, 'K');
    add_taking(world, "bob@away.example");
    if (done[_i].upset > 0)
        add_upset(world, done[_i].upset, UPSET_POWER);
    judge(world, done[_i].want);
}
END_TEST

/* A new send does not know of a message in S4 what the old one knew: a step of the clock changes
 * its age, and so the times of all its tries. */
START_TEST(a_step_changes_the_age_in_s4)
{
    for (enum stage stage = STAGE_S4; stage <= STAGE_S5; stage++) {
        struct world *world = make_world(1);
        struct entry *entry = &world->entries[0];
        static const double tries[] = {0.1, 1.1, 440, 1680};

        for (int i = 0; i < 2; i++) {
            struct stage_change *change = LIST_ADD(entry->history, entry->history_count);

            change->stage = i ? STAGE_S5 : stage;
            change->time_ns = i * 11 * NANOSECONDS / 10;
        }
        for (size_t i = 0; i < sizeof tries / sizeof *tries; i++)
            add_attempt(world, "bob@away.example", tries[i], i == 3 ? 'K' : 'Z');
        add_upset(world, 0.5, UPSET_KILL);
        add_start(world, 1);
        add_upset(world, 1.005, UPSET_CLOCK);
        add_taking(world, "bob@away.example")->time_ns = 1680 * NANOSECONDS;
        judge(world, stage == STAGE_S4 ? "" : "SCHEDULE SCHEDULE SCHEDULE");
    }
}
END_TEST

/* Who is starved believes that it is earlier. */
START_TEST(a_starved_send_is_behind)
{
    for (int starved = 0; starved < 2; starved++) {
        struct world *world = make_world(1);

        world->patience_ns = starved ? STARVED_MAX_NS : 0;
        add_attempt(world, "bob@away.example", 1.39, 'Z');
        add_attempt(world, "bob@away.example", 400.1, 'K');
        add_taking(world, "bob@away.example")->time_ns = 4001 * NANOSECONDS / 10;
        judge(world, starved ? "" : "SCHEDULE");
    }
}
END_TEST

/* The first pass began when the message was there, but its try had to wait: for a place that nobody
 * has, but what came of whose delivery could not be written down.  The next try counts from the
 * pass. */
START_TEST(a_pass_may_wait_for_a_sync)
{
    static const char trouble[] = "warning: trouble syncing the queue; will try again later";
    static const struct {
        double line, then;
        const char *want;
    } cases[] = {{5, 400.1, ""},
                 {5, 529.1, ""},
                 {5, 600, "SCHEDULE"},
                 {5, 399, "SCHEDULE"},
                 {10.2, 400.1, "SCHEDULE"},
                 {10.2, 529.1, ""}};

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct world *world = make_world(1);

        add_upset(world, 4, UPSET_FAULT)->hit = HIT_QUEUE | HIT_SYNC;
        add_attempt(world, "bob@away.example", 10.1, 'Z');
        add_line(world, cases[i].line, trouble);
        add_attempt(world, "bob@away.example", cases[i].then, 'K');
        add_taking(world, "bob@away.example");
        judge(world, cases[i].want);
    }
}
END_TEST

/* The first pass stood still for want of a place, so that the next one was due at 400 s, or at 900
 * s at the latest.  At 406 s it is tried by order, or of itself, and a kill takes that. */
START_TEST(an_order_may_come_before_the_stored_time)
{
    static const struct {
        bool ordered;
        double then;
        const char *want;
    } cases[] = {{true, 900.1, ""}, {false, 900.1, "SCHEDULE"}, {true, 1100, "SCHEDULE"}};

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct world *world = make_world(1);
        struct attempt *attempt;

        add_start(world, 0);
        add_attempt(world, "bob@away.example", 115, 'Z')->saturated_ns = 115 * NANOSECONDS;
        attempt = add_attempt(world, "bob@away.example", 406, 0);
        attempt->saturated_ns = 406 * NANOSECONDS;
        attempt->end_ns = INT64_MAX;
        attempt->gone_ns = 421 * NANOSECONDS;
        if (cases[i].ordered)
            add_order(world, 300, ORDER_RETRY, 1);
        add_upset(world, 420, UPSET_KILL);
        add_start(world, 421);
        add_attempt(world, "bob@away.example", cases[i].then, 'K');
        add_taking(world, "bob@away.example")->time_ns = (int64_t) (cases[i].then * 1e9);
        judge(world, cases[i].want);
    }
}
END_TEST

/* A kill takes the first try; after the start at 341 s it is tried, and by order once more when
 * that has ended, which is at 400 s, as it was due first.  The power takes that: the disk has 1444
 * s, or nothing. */
START_TEST(an_order_may_come_at_the_stored_time)
{
    static const struct {
        double then;
        const char *want;
    } cases[] = {{1444.1, ""}, {405.1, ""}, {800, "SCHEDULE"}, {1460, "SCHEDULE"}};

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct world *world = make_world(1);
        struct attempt *attempt;

        add_start(world, 0);
        attempt = add_attempt(world, "bob@away.example", 0.1, 0);
        attempt->end_ns = INT64_MAX;
        attempt->gone_ns = 341 * NANOSECONDS;
        add_upset(world, 1, UPSET_KILL);
        add_start(world, 341);
        attempt = add_attempt(world, "bob@away.example", 341.1, 'Z');
        attempt->end_ns = 400 * NANOSECONDS;
        add_order(world, 342, ORDER_RETRY, 1);
        attempt = add_attempt(world, "bob@away.example", 400.1, 0);
        attempt->end_ns = INT64_MAX;
        attempt->gone_ns = 404 * NANOSECONDS;
        add_upset(world, 404, UPSET_POWER);
        add_start(world, 405);
        add_attempt(world, "bob@away.example", cases[i].then, 'K');
        add_taking(world, "bob@away.example")->time_ns = (int64_t) (cases[i].then * 1e9);
        judge(world, cases[i].want);
    }
}
END_TEST

/* A pass that an order or a start has begun stands still for want of a place: the next one counts
 * from when it began. */
START_TEST(a_pass_begins_with_its_reason)
{
    static const struct {
        double reason; /* an order, behind a fault, or 0: a start, behind a kill */
        bool saturated;
        double second, then;
        const char *want;
    } cases[] = {{26, true, 226, 625.1, ""},
                 {26, false, 226, 625.1, "SCHEDULE"},
                 {300, true, 350, 625.1, "SCHEDULE"},
                 {0, true, 521, 1531, ""},
                 {0, false, 521, 1531, "SCHEDULE SCHEDULE"}};

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct world *world = make_world(1);
        struct attempt *attempt;

        add_start(world, 0);
        attempt = add_attempt(world, "bob@away.example", 0.1, cases[i].reason > 0 ? 'Z' : 0);
        if (cases[i].reason > 0) {
            add_upset(world, 0.1, UPSET_FAULT)->hit = HIT_SPAWN;
            add_order(world, cases[i].reason, ORDER_RETRY, 1);
        } else {
            attempt->end_ns = INT64_MAX;
            attempt->gone_ns = 21 * NANOSECONDS;
            add_upset(world, 2, UPSET_KILL);
            add_start(world, 21);
        }
        attempt = add_attempt(world, "bob@away.example", cases[i].second, 'Z');
        if (cases[i].saturated)
            attempt->saturated_ns = attempt->start_ns;
        attempt = add_attempt(world, "bob@away.example", cases[i].then, 'K');
        if (cases[i].reason == 0)
            attempt->saturated_ns = attempt->start_ns;
        add_taking(world, "bob@away.example")->time_ns = attempt->start_ns;
        judge(world, cases[i].want);
    }
}
END_TEST

/* At 100 s and at 200 s bob's try is taken by a kill; carol, who was tried with bob at 100 s, was
 * deferred: the disk has 900 s. */
START_TEST(who_is_deferred_stores_the_time_for_all)
{
    static const struct {
        double then;
        const char *want;
    } cases[] = {{900.1, ""}, {400.1, "SCHEDULE"}};

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct world *world = make_world(2);

        add_start(world, 0);
        add_attempt(world, "bob@away.example", 0.1, 'Z');
        add_attempt(world, "carol@away.example", 0.1, 'Z');
        for (int k = 0; k < 2; k++) {
            struct attempt *attempt = add_attempt(world, "bob@away.example", 100.1 + 100 * k, 0);

            attempt->end_ns = INT64_MAX;
            attempt->gone_ns = (151 + 100 * k) * NANOSECONDS;
            add_attempt(world, "carol@away.example", 100.1 + 100 * k, k ? 'K' : 'Z');
            add_order(world, 100 + 100 * k, ORDER_RETRY, 1);
            add_upset(world, 150 + 100 * k, UPSET_KILL);
            add_start(world, 151 + 100 * k);
        }
        add_attempt(world, "bob@away.example", cases[i].then, 'K');
        add_taking(world, "carol@away.example")->time_ns = 2002 * NANOSECONDS / 10;
        add_taking(world, "bob@away.example")->time_ns = (int64_t) (cases[i].then * 1e9);
        judge(world, cases[i].want);
    }
}
END_TEST

/* A kill takes a try, and the next nixie-send, which tells of something at 21 s, learns the queue
 * so slowly that it is stopped before it has; or at 80 s. */
START_TEST(a_start_is_when_the_queue_is_learned)
{
    static const struct {
        double ready; /* 0: never */
        const char *want;
    } cases[] = {{0, ""}, {110, ""}, {80, "SCHEDULE"}};

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct world *world = make_world(1);
        struct attempt *attempt = add_attempt(world, "bob@away.example", 0.1, 0);

        attempt->end_ns = INT64_MAX;
        attempt->gone_ns = 21 * NANOSECONDS;
        add_upset(world, 2, UPSET_KILL);
        add_start(world, 21);
        world->send_starts[0].ready_ns = (int64_t) (cases[i].ready * 1e9);
        add_upset(world, 90, UPSET_ORDER)->order = ORDER_STOP;
        if (cases[i].ready < 100) {
            add_start(world, 110);
            world->send_starts[1].ready_ns = 110 * NANOSECONDS;
        }
        add_attempt(world, "bob@away.example", 110.1, 'K');
        add_taking(world, "bob@away.example")->time_ns = 1101 * NANOSECONDS / 10;
        judge(world, cases[i].want);
    }
}
END_TEST

/* A crash or an order leaves the lifetime as it is. */
START_TEST(lifetimes_are_kept_all_the_same)
{
    struct world *world = make_world(1);

    add_taking(world, "bob@away.example");
    add_attempt(world, "bob@away.example", 600000, 'Z');
    add_attempt(world, "bob@away.example", 640000, 'Z');
    add_upset(world, 630000, UPSET_KILL);
    add_start(world, 640000);
    judge(world, "SCHEDULE"); /* kept beyond */

    for (int expired = 0; expired < 2; expired++) {
        struct upset *upset;

        world = make_world(1);
        add_taking(world, "bob@away.example");
        set_text(add_attempt(world, "bob@away.example", 300, 'D'),
                 "this_message_has_been_in_the_queue_too_long./");
        upset = add_upset(world, 100, expired ? UPSET_ORDER : UPSET_POWER);
        upset->order = ORDER_EXPIRE;
        upset->number = 1;
        judge(world, expired ? "BOUNCE" : "BOUNCE SCHEDULE");
    }
}
END_TEST

/* It begins before that is over, and comes to this recipient when a place is free; the clock was
 * set, so that nobody works out when it was due. */
START_TEST(a_pass_that_waits_may_outlast_the_lifetime)
{
    for (int waits = 0; waits < 2; waits++) {
        struct world *world = make_world(1);

        add_taking(world, "bob@away.example");
        add_upset(world, 0.5, UPSET_CLOCK);
        add_attempt(world, "bob@away.example", 600000, 'Z');
        add_attempt(world, "bob@away.example", 604900, 'Z')->saturated_ns =
            waits ? 604899 * NANOSECONDS : -1;
        judge(world, waits ? "" : "SCHEDULE");
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("judge_reasons");
    TCase *tests = tcase_create("judge_reasons");
    SRunner *runner;
    int failed;

    tcase_add_loop_test(tests, each_reason_explains_its_own, 0, sizeof rows / sizeof *rows);
    tcase_add_loop_test(tests, what_is_due_at_a_start_may_wait_for_the_next, 0,
                        sizeof ended_at_once / sizeof *ended_at_once);
    tcase_add_loop_test(tests, a_hold_is_kept_until_its_release, 0, sizeof holds / sizeof *holds);
    tcase_add_loop_test(tests, what_could_not_be_deleted_goes_on, 0,
                        sizeof taken_back / sizeof *taken_back);
    tcase_add_loop_test(tests, a_try_that_never_came_back_is_made_again, 0,
                        sizeof open_tries / sizeof *open_tries);
    tcase_add_loop_test(tests, what_is_done_is_not_tried_again, 0, sizeof done / sizeof *done);
    tcase_add_test(tests, a_step_changes_the_age_in_s4);
    tcase_add_test(tests, a_starved_send_is_behind);
    tcase_add_test(tests, a_pass_may_wait_for_a_sync);
    tcase_add_test(tests, an_order_may_come_before_the_stored_time);
    tcase_add_test(tests, an_order_may_come_at_the_stored_time);
    tcase_add_test(tests, a_pass_begins_with_its_reason);
    tcase_add_test(tests, who_is_deferred_stores_the_time_for_all);
    tcase_add_test(tests, a_start_is_when_the_queue_is_learned);
    tcase_add_test(tests, lifetimes_are_kept_all_the_same);
    tcase_add_test(tests, a_pass_that_waits_may_outlast_the_lifetime);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
