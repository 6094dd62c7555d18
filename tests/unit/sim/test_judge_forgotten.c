/* SPDX-License-Identifier: ISC */
/* What a crash, a kill or a fault may have made the server forget, and what not; on ledgers made by
 * hand. */
#include "sim/world/faults.h"
#include "tests/unit/sim/net_ledger.h"

/* In S4 results are in memory only: a crash long after takes them, too. */
START_TEST(what_is_known_in_memory_only_may_be_forgotten)
{
    for (enum stage stage = STAGE_S4; stage <= STAGE_S5; stage++) {
        struct world *world = make_world(1);
        struct entry *entry = &world->entries[0];
        struct stage_change *change = LIST_ADD(entry->history, entry->history_count);

        change->stage = stage;
        change->time_ns = 0;
        add_attempt(world, "bob@away.example", 0.1, 'K');
        add_upset(world, 30, UPSET_KILL);
        add_start(world, 31);
        add_attempt(world, "bob@away.example", 31.1, 'K');
        add_taking(world, "bob@away.example")->time_ns = NANOSECONDS / 10;
        add_taking(world, "bob@away.example")->time_ns = 311 * NANOSECONDS / 10;
        judge(world, stage == STAGE_S4 ? "" : "DUPLICATE SCHEDULE");
    }
}
END_TEST

/* A sync that failed and says success the next time has never made the mark durable: then the power
 * may take it, however much later. */
START_TEST(a_lost_sync_takes_a_result)
{
    static const struct {
        unsigned hit;
        double fails, power;
        const char *want;
    } cases[] = {{HIT_SEND | HIT_UNSYNCED, 5, 90, ""},
                 {HIT_SEND, 5, 90, "DUPLICATE SCHEDULE"},
                 {HIT_SEND | HIT_UNSYNCED, 15, 90, "DUPLICATE SCHEDULE"}};

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct world *world = make_world(1);

        add_attempt(world, "bob@away.example", 0.1, 'K');
        add_upset(world, cases[i].fails, UPSET_FAULT)->hit = cases[i].hit;
        add_upset(world, cases[i].power, UPSET_POWER);
        add_start(world, 91);
        add_attempt(world, "bob@away.example", 91.1, 'K');
        add_taking(world, "bob@away.example")->time_ns = NANOSECONDS / 10;
        add_taking(world, "bob@away.example")->time_ns = 911 * NANOSECONDS / 10;
        judge(world, cases[i].want);
    }
}
END_TEST

/* Syncs fail one after the other, until the power is lost at 30 s. */
START_TEST(what_was_never_synced_may_be_forgotten)
{
    static const struct {
        unsigned hit;
        double fails[3];
        double good; /* when a sync ended well; 0: none did */
        const char *want;
    } cases[] = {
        {HIT_SEND | HIT_SYNC, {5, 15, 25}, 0, ""},
        {HIT_SEND | HIT_SYNC, {5, 15, 25}, 31, ""},
        {HIT_SEND, {5, 15, 25}, 0, ""},                             /* nor was one asked for */
        {HIT_SEND | HIT_SYNC, {5, 6, 25}, 0, "DUPLICATE SCHEDULE"}, /* nobody tried again */
        {HIT_SEND | HIT_SYNC, {5, 6, 15}, 0, "DUPLICATE SCHEDULE"},
        {HIT_SEND | HIT_SYNC, {12, 20, 25}, 0, "DUPLICATE SCHEDULE"},
        {HIT_SEND | HIT_SYNC, {5, 15, 25}, 20, "DUPLICATE SCHEDULE"},
        {HIT_QUEUE | HIT_SYNC, {5, 15, 25}, 0, "DUPLICATE SCHEDULE"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct world *world = make_world(1);
        bool is_good = false;

        add_attempt(world, "bob@away.example", 0.1, 'K');
        for (size_t k = 0; k < 3; k++) {
            double fails = cases[i].fails[k], good = cases[i].good;

            if (good > 0 && good < fails && !is_good) {
                faults_synced(&world->machines[0], (int64_t) (good * 1e9));
                is_good = true;
            }
            add_upset(world, fails, UPSET_FAULT)->hit = cases[i].hit;
        }
        if (cases[i].good > 0 && !is_good)
            faults_synced(&world->machines[0], (int64_t) (cases[i].good * 1e9));
        add_upset(world, 30, UPSET_POWER);
        add_start(world, 31);
        add_attempt(world, "bob@away.example", 31.1, 'K');
        add_taking(world, "bob@away.example")->time_ns = NANOSECONDS / 10;
        add_taking(world, "bob@away.example")->time_ns = 311 * NANOSECONDS / 10;
        judge(world, cases[i].want);
    }
}
END_TEST

/* queue stood still between S4 and the journal, and the message was delivered meanwhile. */
START_TEST(what_was_recorded_late_comes_back)
{
    static const struct {
        unsigned hit;
        double slow, lasts, power;
        const char *want;
    } cases[] = {{HIT_QUEUE, 0.05, 60, 61, ""},
                 {HIT_QUEUE, 0.05, 60, 72, "DUPLICATE SCHEDULE"}, /* what is recorded was covered */
                 {HIT_QUEUE, 5, 70, 76, "DUPLICATE SCHEDULE"},    /* it had been answered */
                 {HIT_QUEUE, 0.05, 0.01, 61, "DUPLICATE SCHEDULE"}};

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct world *world = make_world(1);
        struct upset *slow = add_upset(world, cases[i].slow, UPSET_SLOW);

        slow->hit = cases[i].hit;
        slow->lasts_ns = (int64_t) (cases[i].lasts * 1e9);
        add_attempt(world, "bob@away.example", 0.1, 'K');
        add_upset(world, cases[i].power, UPSET_POWER);
        add_start(world, 80);
        add_attempt(world, "bob@away.example", 80.1, 'K');
        add_taking(world, "bob@away.example")->time_ns = NANOSECONDS / 10;
        add_taking(world, "bob@away.example")->time_ns = 801 * NANOSECONDS / 10;
        judge(world, cases[i].want);
    }
}
END_TEST

/* send ends, and has had no room on the disk for what it knows: if it says so of this message, and
 * the disk was full. */
START_TEST(what_had_no_room_may_be_forgotten)
{
    static const struct {
        enum stage stage;
        int full_until;
        const char *number;
        const char *want;
    } cases[] = {{STAGE_S4, 60, "1", ""},
                 {STAGE_S5, 60, "1", "DUPLICATE SCHEDULE"},
                 {STAGE_S4, 20, "1", "DUPLICATE SCHEDULE"},
                 {STAGE_S4, 60, "2", "DUPLICATE SCHEDULE"}};

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct world *world = make_world(1);
        struct entry *entry = &world->entries[0];
        struct stage_change *change = LIST_ADD(entry->history, entry->history_count);
        struct log_line *line = LIST_ADD(world->lines, world->line_count);
        char text[100];

        change->stage = cases[i].stage;
        change->time_ns = 0;
        world->machines[0].squeezed = true;
        world->machines[0].squeezed_from_ns = 0;
        world->machines[0].squeezed_to_ns = cases[i].full_until * NANOSECONDS;
        add_attempt(world, "bob@away.example", 0.1, 'K');
        snprintf(text, sizeof text,
                 "warning: trouble with todo/%s; message will be delivered twice!",
                 cases[i].number);
        line->time_ns = 30 * NANOSECONDS;
        line->text = strdup(text);
        add_start(world, 31);
        add_attempt(world, "bob@away.example", 31.1, 'K');
        add_taking(world, "bob@away.example")->time_ns = NANOSECONDS / 10;
        add_taking(world, "bob@away.example")->time_ns = 311 * NANOSECONDS / 10;
        judge(world, cases[i].want);
    }
}
END_TEST

/* A success in S5, a kill 1 s later, a start; syncs fail from that on until the power goes. */
START_TEST(time_without_a_send_counts_for_nobody)
{
    static const struct {
        double start, fails;
        const char *want;
    } cases[] = {{60, 60.1, ""}, {3, 60.1, "DUPLICATE SCHEDULE"}, {60, 80, "DUPLICATE SCHEDULE"}};

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct world *world = make_world(1);

        add_end(world, 1);
        add_upset(world, 1, UPSET_KILL);
        add_start(world, cases[i].start);
        add_attempt(world, "bob@away.example", 0.1, 'K');
        add_upset(world, cases[i].fails, UPSET_FAULT)->hit = HIT_SEND | HIT_SYNC;
        add_upset(world, cases[i].fails + 10, UPSET_FAULT)->hit = HIT_SEND | HIT_SYNC;
        add_upset(world, cases[i].fails + 17, UPSET_POWER);
        add_start(world, 99);
        add_attempt(world, "bob@away.example", 99.1, 'K');
        add_taking(world, "bob@away.example")->time_ns = NANOSECONDS / 10;
        add_taking(world, "bob@away.example")->time_ns = 991 * NANOSECONDS / 10;
        judge(world, cases[i].want);
    }
}
END_TEST

/* A slow call, a success at 20 s or a hold that is in force, and the power goes at 45 s. */
START_TEST(what_waits_for_a_slow_call_may_be_forgotten)
{
    static const struct {
        double slow;
        int lasts;
        bool held;
        const char *want;
    } cases[] = {{15, 30, false, ""},
                 {15, 4, false, "DUPLICATE SCHEDULE"},
                 {15, 30, true, ""},
                 {15, 4, true, "SCHEDULE"}};

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct world *world = make_world(1);
        struct upset *slow = add_upset(world, cases[i].slow, UPSET_SLOW);

        slow->lasts_ns = cases[i].lasts * NANOSECONDS;
        slow->hit = HIT_SEND;
        if (cases[i].held)
            add_order(world, 20, ORDER_HOLD, 1);
        add_upset(world, 45, UPSET_POWER);
        add_start(world, 46);
        add_attempt(world, "bob@away.example", cases[i].held ? 0.1 : 20, cases[i].held ? 'Z' : 'K');
        add_attempt(world, "bob@away.example", cases[i].held ? 400.1 : 46.1, 'K');
        if (!cases[i].held)
            add_taking(world, "bob@away.example")->time_ns = 20 * NANOSECONDS;
        add_taking(world, "bob@away.example")->time_ns =
            cases[i].held ? 4001 * NANOSECONDS / 10 : 461 * NANOSECONDS / 10;
        judge(world, cases[i].want);
    }
}
END_TEST

/* Held at 200 s, all is killed at 200.005 s, and the power goes at 230 s, before or behind the next
 * start. */
START_TEST(a_hold_that_was_never_synced_may_be_forgotten)
{
    for (int started = 0; started < 2; started++) {
        struct world *world = make_world(1);

        add_end(world, 200.005);
        add_order(world, 200, ORDER_HOLD, 1);
        add_upset(world, 200.005, UPSET_KILL);
        if (started)
            add_start(world, 205);
        add_upset(world, 230, UPSET_POWER);
        add_start(world, 231);
        add_attempt(world, "bob@away.example", 0.1, 'Z');
        add_attempt(world, "bob@away.example", 400.1, 'K');
        add_taking(world, "bob@away.example")->time_ns = 4001 * NANOSECONDS / 10;
        judge(world, started ? "SCHEDULE" : "");
    }
}
END_TEST

/* A success in S5; nixie-queue is in trouble, and send says that its syncs fail; the power goes at
 * 40 s. */
START_TEST(what_send_says_of_its_syncs_counts)
{
    static const char trouble[] = "warning: trouble syncing the queue; will try again later";
    static const struct {
        double lines[2], good;
        const char *line, *want;
    } cases[] = {{{11, 27}, 0, trouble, ""},
                 {{11, 20}, 0, trouble, "DUPLICATE SCHEDULE"},
                 {{20, 30}, 0, trouble, "DUPLICATE SCHEDULE"},
                 {{11, 27}, 30, trouble, "DUPLICATE SCHEDULE"},
                 {{11, 27}, 0, "warning: trouble in select", "DUPLICATE SCHEDULE"}};

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct world *world = make_world(1);

        add_attempt(world, "bob@away.example", 0.1, 'K');
        add_upset(world, 5, UPSET_FAULT)->hit = HIT_QUEUE;
        if (cases[i].good > 0)
            faults_synced(&world->machines[0], (int64_t) (cases[i].good * 1e9));
        for (size_t k = 0; k < 2; k++)
            add_line(world, cases[i].lines[k], cases[i].line);
        add_upset(world, 40, UPSET_POWER);
        add_start(world, 41);
        add_attempt(world, "bob@away.example", 41.1, 'K');
        add_taking(world, "bob@away.example")->time_ns = NANOSECONDS / 10;
        add_taking(world, "bob@away.example")->time_ns = 411 * NANOSECONDS / 10;
        judge(world, cases[i].want);
    }
}
END_TEST

/* A success that send writes down ten seconds later, as it says; at 12 s it is killed, or not, and
 * at 40 s the power goes. */
START_TEST(a_mark_that_is_late_is_lost_before_its_sync)
{
    for (int killed = 0; killed < 2; killed++) {
        struct world *world = make_world(1);

        add_attempt(world, "bob@away.example", 0.1, 'K');
        add_upset(world, 0.2, UPSET_FAULT)->hit = HIT_SEND;
        add_line(world, 0.2, "warning: trouble writing to remote/1; will try again later");
        if (killed) {
            add_upset(world, 12, UPSET_KILL);
            add_end(world, 12);
        }
        add_upset(world, 40, UPSET_POWER);
        add_start(world, 50);
        add_attempt(world, "bob@away.example", 50.1, 'K');
        add_taking(world, "bob@away.example")->time_ns = NANOSECONDS / 10;
        add_taking(world, "bob@away.example")->time_ns = 501 * NANOSECONDS / 10;
        judge(world, killed ? "" : "DUPLICATE SCHEDULE");
    }
}
END_TEST

/* At 1 s it is delivered in S4; the disk is full until 300 s, at 304 s it moves and ends, and the
 * power goes. */
START_TEST(what_ended_late_for_want_of_room_may_come_again)
{
    static const struct {
        const char *line;
        int full_until;
        bool killed;
        double power;
        const char *want;
    } cases[] = {
        {"warning: unable to preprocess todo/1; will try again later", 300, false, 308, ""},
        {"warning: unable to preprocess todo/1; will try again later", 300, false, 320,
         "DUPLICATE SCHEDULE"},
        {"warning: unable to preprocess todo/1; will try again later", 300, true, 320, ""},
        {"warning: unable to preprocess todo/2; will try again later", 300, false, 308,
         "DUPLICATE SCHEDULE"},
        {"warning: unable to preprocess todo/1; will try again later", 200, false, 308,
         "DUPLICATE SCHEDULE"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct world *world = make_world(1);
        struct entry *entry = &world->entries[0];
        static const enum stage stages[] = {STAGE_S4, STAGE_S5, STAGE_S1};

        for (size_t k = 0; k < 3; k++) {
            struct stage_change *change = LIST_ADD(entry->history, entry->history_count);

            change->stage = stages[k];
            change->time_ns = k == 0 ? 0 : 304 * NANOSECONDS;
        }
        world->machines[0].squeezed = true;
        world->machines[0].squeezed_to_ns = cases[i].full_until * NANOSECONDS;
        if (cases[i].killed) {
            add_upset(world, 305, UPSET_KILL);
            add_end(world, 305);
        }
        add_line(world, 294, cases[i].line);
        add_attempt(world, "bob@away.example", 1, 'K');
        add_upset(world, cases[i].power, UPSET_POWER);
        add_start(world, 321);
        add_attempt(world, "bob@away.example", 321.1, 'K');
        add_taking(world, "bob@away.example")->time_ns = NANOSECONDS;
        add_taking(world, "bob@away.example")->time_ns = 3211 * NANOSECONDS / 10;
        judge(world, cases[i].want);
    }
}
END_TEST

/* Bob is deferred at 400.1 s, and send cannot write down that 1600 s is next; carol's turn comes
 * 200 s later.  After a start at 700 s both are due. */
START_TEST(a_time_that_was_not_written_down_is_lost_at_a_start)
{
    static const struct {
        const char *line;
        double start, then;
        const char *want;
    } cases[] = {
        {"warning: unable to utime remote/1; message will be retried too soon", 700, 700.1, ""},
        {"warning: unable to utime remote/1; message will be retried too soon", 700, 800,
         "SCHEDULE"},
        {"warning: unable to utime remote/1; message will be retried too soon", 0, 700.1,
         "SCHEDULE"},
        {"warning: unable to utime remote/2; message will be retried too soon", 700, 700.1,
         "SCHEDULE"},
        {"warning: unable to utime local/1; message will be retried too soon", 700, 700.1,
         "SCHEDULE"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct world *world = make_world(2);
        struct attempt *attempt;

        add_start(world, 0);
        if (cases[i].start > 0)
            add_start(world, cases[i].start);
        add_upset(world, 400.2, UPSET_FAULT)->hit = HIT_SEND;
        add_line(world, 400.2, cases[i].line);
        add_attempt(world, "carol@away.example", 0.1, 'Z');
        attempt = add_attempt(world, "carol@away.example", 600.1, 'Z');
        attempt->saturated_ns = 600 * NANOSECONDS;
        add_attempt(world, "bob@away.example", 500, 'K');
        add_attempt(world, "carol@away.example", cases[i].then, 'K');
        add_taking(world, "bob@away.example")->time_ns = 500 * NANOSECONDS;
        add_taking(world, "carol@away.example")->time_ns = (int64_t) (cases[i].then * 1e9);
        judge(world, cases[i].want);
    }
}
END_TEST

/* The admin wants it tried at 100 s and at 200 s, and each time send is killed before it comes
 * back: the disk has 400 s still. */
START_TEST(the_stored_time_outlives_many_tries)
{
    static const struct {
        double then;
        const char *want;
    } cases[] = {{400.1, ""}, {251.1, ""}, {300, "SCHEDULE"}, {402, "SCHEDULE"}};

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct world *world = make_world(1);

        add_start(world, 0);
        add_attempt(world, "bob@away.example", 0.1, 'Z');
        for (int k = 0; k < 2; k++) {
            struct attempt *attempt = add_attempt(world, "bob@away.example", 100.1 + 100 * k, 0);

            attempt->end_ns = INT64_MAX;
            attempt->gone_ns = (151 + 100 * k) * NANOSECONDS;
            add_order(world, 100 + 100 * k, ORDER_RETRY, 1);
            add_upset(world, 150 + 100 * k, UPSET_KILL);
            add_start(world, 151 + 100 * k);
        }
        add_attempt(world, "bob@away.example", cases[i].then, 'K');
        add_taking(world, "bob@away.example")->time_ns = (int64_t) (cases[i].then * 1e9);
        judge(world, cases[i].want);
    }
}
END_TEST

/* At ALRM it is tried, and a kill takes that; when the stored time comes, at 400 s, no server runs.
 */
START_TEST(the_stored_time_waits_for_a_start)
{
    static const struct {
        double start, then;
        const char *want;
    } cases[] = {{420, 420.1, ""}, {420, 431, "SCHEDULE"}, {300, 420.1, "SCHEDULE"}};

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct world *world = make_world(1);
        struct attempt *attempt;

        add_start(world, 0);
        add_attempt(world, "bob@away.example", 0.1, 'Z');
        attempt = add_attempt(world, "bob@away.example", 100.1, 0);
        attempt->end_ns = INT64_MAX;
        attempt->gone_ns = 151 * NANOSECONDS;
        add_upset(world, 100, UPSET_ORDER)->order = ORDER_ALARM;
        add_upset(world, 150, UPSET_KILL);
        add_start(world, 151);
        add_upset(world, 390, UPSET_ORDER)->order = ORDER_STOP;
        add_start(world, cases[i].start);
        add_attempt(world, "bob@away.example", cases[i].then, 'K');
        add_taking(world, "bob@away.example")->time_ns = (int64_t) (cases[i].then * 1e9);
        judge(world, cases[i].want);
    }
}
END_TEST

/* By order it is tried at 14 s and at 15 s, and the power goes at 18 s: the disk may have what it
 * had before both (400 s), what the first has stored (529 s), or nothing. */
START_TEST(two_tries_by_order_may_be_forgotten)
{
    static const struct {
        double power, then;
        const char *want;
    } cases[] = {{18, 400.1, ""},
                 {18, 529.1, ""},
                 {18, 38.1, ""},
                 {18, 450, "SCHEDULE"},
                 {100, 400.1, "SCHEDULE"}};

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct world *world = make_world(1);

        add_start(world, 0);
        for (int k = 0; k < 3; k++)
            add_attempt(world, "bob@away.example", k ? 13.1 + k : 0.1, 'Z');
        add_order(world, 14, ORDER_RETRY, 1);
        add_order(world, 15, ORDER_RETRY, 1);
        add_upset(world, cases[i].power, UPSET_POWER);
        add_start(world, cases[i].power + 20);
        add_attempt(world, "bob@away.example", cases[i].then, 'K');
        add_taking(world, "bob@away.example")->time_ns = (int64_t) (cases[i].then * 1e9);
        judge(world, cases[i].want);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("judge_forgotten");
    TCase *tests = tcase_create("judge_forgotten");
    SRunner *runner;
    int failed;

    tcase_add_test(tests, what_is_known_in_memory_only_may_be_forgotten);
    tcase_add_test(tests, a_lost_sync_takes_a_result);
    tcase_add_test(tests, what_was_never_synced_may_be_forgotten);
    tcase_add_test(tests, what_was_recorded_late_comes_back);
    tcase_add_test(tests, what_had_no_room_may_be_forgotten);
    tcase_add_test(tests, time_without_a_send_counts_for_nobody);
    tcase_add_test(tests, what_waits_for_a_slow_call_may_be_forgotten);
    tcase_add_test(tests, a_hold_that_was_never_synced_may_be_forgotten);
    tcase_add_test(tests, what_send_says_of_its_syncs_counts);
    tcase_add_test(tests, a_mark_that_is_late_is_lost_before_its_sync);
    tcase_add_test(tests, what_ended_late_for_want_of_room_may_come_again);
    tcase_add_test(tests, a_time_that_was_not_written_down_is_lost_at_a_start);
    tcase_add_test(tests, the_stored_time_outlives_many_tries);
    tcase_add_test(tests, the_stored_time_waits_for_a_start);
    tcase_add_test(tests, two_tries_by_order_may_be_forgotten);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
