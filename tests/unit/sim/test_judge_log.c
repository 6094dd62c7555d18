/* SPDX-License-Identifier: ISC */
/* The oracles that read the log while the run goes on. */
#include "sim/world/home.h"
#include "sim/world/judge.h"
#include "tests/unit/sim/running_host.h"

/* --- LOG -------------------------------------------------------------------------------------*/

static pid_t writer_of(const struct world *world)
{
    return process_pid(host_find_process(world->machines[0].host, "nixie-send"));
}

static const struct log_row {
    const char *lines; /* behind "starting delivery 1" of a local one and its status */
    const char *want;
} logs[] = {
    {"delivery 1: success: did_1+0+0/\nstatus: local 0/10 remote 0/20\nend msg 1\n", ""},
    {"delivery 2: success: did_1+0+0/\n", "LOG"},
    {"delivery 1: success: did_1+0+0/\ndelivery 1: success: did_1+0+0/\n", "LOG"},
    {"status: local 0/10 remote 0/20\n", "LOG"},
    {"status: local 2/10 remote 0/20\n", "LOG"},
    {"status: local 1/10 remote 1/20\n", "LOG"},
    {"delivery 1: success: did_1+0+0/\nstatus: local 1/10 remote 0/20\n", "LOG"},
    {"starting delivery 3: msg 1 to local a\n", "LOG"},
    {"starting delivery 1: msg 1 to local a\n", "LOG"},
    {"starting delivery 2: msg 5 to local a\n", "LOG"},
    {"end msg 1\n", "LOG"},
    {"delivery 1: success: x\nend msg 1\nend msg 1\n", "LOG"},
    {"starting delivery 2: msg 1 to remote a\nstarting delivery 3: msg 1 to remote b\n"
     "status: local 1/10 remote 1/20\n",
     ""},
    {"info msg 1: bytes 5 from <robot@app.example> qp 1 uid 0\n", ""},
    {"info msg 1: bytes 4 from <robot@app.example> qp 1 uid 0\n", "LOG"},
    {"info msg 1: bytes 5 from <eve@app.example> qp 1 uid 0\n", "LOG"},
    {"info msg 1: bytes 5 from <robot@app.example> qp 2 uid 0\n", "LOG"},
    {"hello\n", "LOG"},
};

START_TEST(lines_fit_together)
{
    static const char start[] =
        "starting delivery 1: msg 1 to local bob@away.example\nstatus: local 1/10 remote 0/20\n";

    /* A fault, and one that took no line. */
    for (int fault = 0; fault < 3; fault++) {
        struct world *world = start_world();

        write_spool(world, "mess/1", "hello", 5);
        forget_violations(world);
        if (fault)
            add_upset(world, 1, UPSET_FAULT)->hit = fault == 2 ? HIT_SEND : 0;
        log_note_write(&world->machines[0], writer_of(world), start, sizeof start - 1);
        log_note_write(&world->machines[0], writer_of(world), logs[_i].lines,
                       strlen(logs[_i].lines));
        expect(world, fault == 1 && strcmp(logs[_i].lines, "hello\n") != 0 ? "" : logs[_i].want);
    }
}
END_TEST

/* What a line tells of as trouble excuses others; with nothing wrong there was none. */
START_TEST(trouble_has_a_cause)
{
    static const struct log_row lines[] = {
        {"warning: trouble fsyncing info/1; will try again later\n", "LOG"},
        {"alert: cannot start: unable to lock\n", "START"},
        {"status: exiting\n", ""},
    };

    for (size_t i = 0; i < 2 * sizeof lines / sizeof *lines; i++) {
        struct world *world = start_world();
        const char *text = lines[i / 2].lines;

        if (i % 2)
            add_upset(world, 0, UPSET_FAULT);
        log_note_write(&world->machines[0], writer_of(world), text, strlen(text));
        expect(world, i % 2 ? "" : lines[i / 2].want);
    }
}
END_TEST

START_TEST(one_send_at_a_time)
{
    static const char line[] = "status: local 0/20 remote 0/20\n", last[] = "status: exiting\n";

    for (int ends = 0; ends < 2; ends++) {
        struct world *world = start_world();
        struct machine *machine = &world->machines[0];
        pid_t writer = writer_of(world);

        log_note_write(machine, writer, line, sizeof line - 1);
        if (ends) /* it may stand still before it is gone */
            log_note_write(machine, writer, last, sizeof last - 1);
        ck_assert_uint_eq(world->violation_count, 0);
        log_note_write(machine, writer + 1, line, sizeof line - 1);
        expect(world, ends ? "" : "OWNER");
    }
}
END_TEST

START_TEST(what_is_written_is_no_left_over)
{
    struct world *world = start_world();
    struct machine *machine = &world->machines[0];
    struct call call = {.id = CALL_open};

    /* at once, of 37 hours ago, and with the clock set forward */
    for (int late = 0; late < 3; late++) {
        static const char *const paths[] = {HOME_QUEUE "/pid/8", HOME_QUEUE "/pid/9",
                                            HOME_QUEUE "/pid/10"};
        const char *path = paths[late];

        call.process = host_find_process(machine->host, "nixie-queue");
        world->call = &call;
        entries_note_name(machine, path, true);
        free(world->entries[world->entry_count - 1].history);
        world->entries[world->entry_count - 1].history = NULL;
        world->entries[world->entry_count - 1].history_count = 0;
        LIST_ADD(world->entries[world->entry_count - 1].history,
                 world->entries[world->entry_count - 1].history_count)
            ->time_ns = late == 1 ? -37 * 3600 * NANOSECONDS : 0;
        if (late == 2)
            world_step_clock(world, 37 * 3600 * NANOSECONDS);
        call.process = host_find_process(machine->host, "nixie-clean");
        entries_note_name(machine, path, false);
        world->call = NULL;
    }
    expect(world, "OWNER");
}
END_TEST

START_TEST(deliveries_end)
{
    static const char start[] =
        "starting delivery 1: msg 1 to local bob@away.example\nstatus: local 1/10 remote 0/20\n";
    struct world *world = start_world();

    world->entries[0].answer = ANSWER_NONE; /* of which nothing need be told */
    log_note_write(&world->machines[0], writer_of(world), start, sizeof start - 1);
    pairs_judge(&world->machines[0]);
    expect(world, "LOG");
}
END_TEST

START_TEST(the_log_is_kept)
{
    static const char log[] = "@4000000000000000000000a0 status: local 0/20 remote 0/20\n"
                              "@4000000000000000000000a1 new msg 1\n";

    for (size_t missing = 0; missing < 2; missing++) {
        struct world *world = start_world();
        struct log_line *line;

        while (world->line_count > 0)
            free(world->lines[--world->line_count].text);
        line = LIST_ADD(world->lines, world->line_count);
        line->text = must_copy("new msg 1", 9);
        ck_assert_int_eq(host_write_file(world->machines[0].host, HOME_LOG "/current", log,
                                         sizeof log - 1 - missing * 36, 0, 0, 0644),
                         0);
        judge_log(&world->machines[0]);
        expect(world, missing ? "LOG" : "");
    }
}
END_TEST

START_TEST(messages_are_told_of)
{
    static const char *const lines[] = {
        "new msg 1\n", "info msg 1: bytes 0 from <robot@app.example> qp 1 uid 1\n", "end msg 1\n"};

    for (size_t without = 0; without <= 3; without++) {
        struct world *world = start_world();

        for (size_t i = 0; i < 3; i++)
            if (i != without)
                log_note_write(&world->machines[0], writer_of(world), lines[i], strlen(lines[i]));
        pairs_judge(&world->machines[0]);
        expect(world, without < 3 ? "LOG" : "");
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("judge_log");
    TCase *tests = tcase_create("judge_log");
    SRunner *runner;
    int failed;

    tcase_add_test(tests, the_log_is_kept);
    tcase_add_loop_test(tests, lines_fit_together, 0, sizeof logs / sizeof *logs);
    tcase_add_test(tests, deliveries_end);
    tcase_add_test(tests, messages_are_told_of);
    tcase_add_test(tests, trouble_has_a_cause);
    tcase_add_test(tests, one_send_at_a_time);
    tcase_add_test(tests, what_is_written_is_no_left_over);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
