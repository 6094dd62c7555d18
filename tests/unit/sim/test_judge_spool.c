/* SPDX-License-Identifier: ISC */
/* The oracles about left-overs, numbers, stages and the files of the spool, most of which look
 * while the run goes on: each must see what it is for, and keep silent else. */
#include "sim/world/home.h"
#include "sim/world/judge.h"
#include "sim/world/judge_reasons.h"
#include "tests/unit/sim/running_host.h"

/* --- CLEANUP ---------------------------------------------------------------------------------*/

START_TEST(the_server_has_to_start)
{
    struct world *world = make_world(1);

    ck_assert_int_eq(host_write_file(world->machines[0].host, HOME_DIRECTORY "/bin/nixie-start", "",
                                     0, 0, 0, 0644),
                     0);
    world_start(world, 0);
    expect(world, "START");
}
END_TEST

START_TEST(left_overs_go)
{
    struct world *world = start_world();
    struct entry *entry = entry_get(world, &world->machines[0], 7);

    judge_cleanup(world);
    ck_assert_uint_eq(world->violation_count, 0);
    entry->bits = BIT_MESS;
    entry->stage = STAGE_S2;
    judge_cleanup(world);
    entry->answer = ANSWER_YES; /* that is a message; others judge it */
    entry->bits = BIT_MESS | BIT_TODO;
    entry->stage = STAGE_S4;
    judge_cleanup(world);
    expect(world, "CLEANUP");
}
END_TEST

/* Six times in vain, and send leaves it alone until its next start. */
START_TEST(what_cannot_be_read_is_left_alone)
{
    static const char text[] =
        "alert: unable to read files of msg 1; left alone until the next start";

    for (int faults = 5; faults <= 6; faults++) {
        struct world *world = make_world(1);
        struct log_line *line = LIST_ADD(world->lines, world->line_count);

        line->time_ns = 100 * NANOSECONDS;
        line->text = must_copy(text, sizeof text - 1);
        for (int i = 0; i < faults; i++)
            add_upset(world, 50 + 10 * i, UPSET_FAULT)->hit = HIT_SEND;
        world->entries[0].stage = STAGE_S5;
        judge(world, faults == 6 ? "" : "STUCK");
    }
}
END_TEST

/* Number 7, which was in the spool from the first second on and for so long. */
static void add_left_over(struct world *world, int hours)
{
    struct entry *entry = entry_get(world, &world->machines[0], 7);
    int64_t times[] = {NANOSECONDS, (1 + 3600 * (int64_t) hours) * NANOSECONDS};

    for (size_t i = 0; i < 2; i++)
        LIST_ADD(entry->history, entry->history_count)->time_ns = times[i];
    entry->stage = STAGE_S1;
}

START_TEST(left_overs_go_in_time)
{
    for (int hours = 50; hours < 70; hours += 10) {
        struct world *world = start_world();

        add_left_over(world, hours);
        judge_cleanup(world);
        if (hours > 57)
            add_upset(world, 3600 * 30, UPSET_POWER);
        judge_cleanup(world);
        expect(world, hours > 57 ? "CLEANUP" : "");
    }
}
END_TEST

START_TEST(a_clock_that_was_set_back_makes_younger)
{
    for (int hours = 60; hours < 90; hours += 20) {
        struct world *world = start_world();

        add_left_over(world, hours);
        add_upset(world, 2, UPSET_CLOCK)->back_ns = 10 * 3600 * NANOSECONDS;
        judge_cleanup(world);
        expect(world, hours > 70 ? "CLEANUP" : "");
    }
}
END_TEST

/* A slow call may be about to remove it. */
START_TEST(a_slow_disk_keeps_marks_for_a_while)
{
    for (int slow = 0; slow < 2; slow++) {
        struct world *world = start_world();
        struct upset *upset = add_upset(world, 4, slow ? UPSET_SLOW : UPSET_ORDER);

        upset->lasts_ns = 30 * NANOSECONDS;
        upset->hit = HIT_SEND;
        write_spool(world, "mark/7.expire", "", 0);
        judge_cleanup(world);
        expect(world, slow ? "" : "CLEANUP");
    }
}
END_TEST

/* Mail that is held for good is no left-over, also if nobody was told that it is accepted. */
START_TEST(what_is_held_is_left)
{
    for (int held = 0; held < 2; held++) {
        struct world *world = start_world();
        struct entry *entry = entry_get(world, &world->machines[0], 7);
        struct upset *hold = add_upset(world, 4, UPSET_ORDER);

        hold->order = held ? ORDER_HOLD : ORDER_RETRY;
        hold->number = 7;
        entry->bits = BIT_MESS | BIT_INFO | BIT_LOCAL;
        entry->stage = STAGE_S5;
        judge_cleanup(world);
        expect(world, held ? "" : "CLEANUP");
    }
}
END_TEST

START_TEST(marks_of_the_admin_go)
{
    struct world *world = start_world();

    write_spool(world, "mark/7.hold", "", 0);
    judge_cleanup(world);
    entry_get(world, &world->machines[0], 7)->bits = BIT_MESS | BIT_INFO;
    world->entries[1].stage = STAGE_S5;
    world->entries[1].answer = ANSWER_YES;
    judge_cleanup(world);
    expect(world, "CLEANUP");
}
END_TEST

/* --- PLACE -----------------------------------------------------------------------------------*/

/* A file as the server writes them, but for the checksum, at which nobody looks here. */
static void write_records(struct world *world, const char *kind, uint64_t number,
                          const char *records, size_t size)
{
    char data[400], path[40];
    int used = snprintf(data, sizeof data, "nixie1 %-6s %020llu %010zu %016d\n", kind,
                        (unsigned long long) number, size, 0);

    ck_assert_int_eq(used, 63);
    memcpy(data + used, records, size);
    snprintf(path, sizeof path, "%s/1", kind);
    write_spool(world, path, data, (size_t) used + size);
}
#define RECORDS(text) (text), sizeof(text)

/* Message 1 is in S5; each of these may be another's. */
static const struct {
    const char *kind;
    uint64_t number;
    const char *records;
    size_t size;
    const char *want;
} places[] = {
    {"info", 1, RECORDS("u0\0p1\0t0\0m5 0\0Frobot@app.example"), ""},
    {"info", 1, RECORDS("u0\0p1\0t0\0m5 0\0Feve@app.example"), "PLACE"},
    {"info", 2, RECORDS("u0\0p1\0t0\0m5 0\0Frobot@app.example"), "PLACE"},
    {"remote", 1, RECORDS("n0 0\0Tbob@away.example"), ""},
    {"remote", 1, RECORDS("n0 0\0Dbob@away.example"), ""},
    {"remote", 1, RECORDS("n0 0\0Tdave@away.example"), "PLACE"},
    {"remote", 1, RECORDS("n0 0\0Tbob@away.example\0Tdave@away.example"), "PLACE PLACE"},
    {"remote", 1, RECORDS("n0 0"), "PLACE"},
    {"local", 1, RECORDS("n0 0\0Tbob@away.example"), "PLACE PLACE"},
    {"bounce", 1, RECORDS("rbob@away.example\0xno"), ""},
    {"bounce", 1, RECORDS("rcarol@away.example\0xno"), "PLACE"},
    {"todo", 1, RECORDS("u0\0Frobot@app.example\0Tbob@away.example"), ""},
    {"todo", 1, RECORDS("u0\0Frobot@app.example\0Tdave@away.example"), "PLACE"},
    {"mess", 0, RECORDS("hello"), ""},
    {"mess", 0, RECORDS("hullo"), "PLACE"},
};

START_TEST(files_are_the_messages_own)
{
    struct world *world = start_world();
    struct entry *entry = &world->entries[0];

    write_spool(world, "mess/1", "hello", 6);
    files_note_accepted(&world->machines[0], entry);
    write_records(world, "info", 1, RECORDS("u0\0p1\0t0\0m5 0\0Frobot@app.example"));
    write_records(world, "remote", 1, RECORDS("n0 0\0Tbob@away.example"));
    if (places[_i].number)
        write_records(world, places[_i].kind, places[_i].number, places[_i].records,
                      places[_i].size);
    else
        write_spool(world, "mess/1", places[_i].records, places[_i].size);
    entry->bits = BIT_MESS | BIT_INFO | BIT_LOCAL | BIT_REMOTE | BIT_BOUNCE;
    if (strcmp(places[_i].kind, "todo") == 0)
        entry->bits |= BIT_TODO;
    entry->prepared = true;
    forget_violations(world);
    files_check(&world->machines[0], entry, FILES_PREPARED);
    expect(world, places[_i].want);
}
END_TEST

/* A power loss leaves the front of what was written of a bounce. */
static const struct {
    const char *kind;
    const char *records;
    size_t size;
    bool power;
    const char *want;
} torn[] = {
    {"bounce", RECORDS("rbo"), true, ""},
    {"bounce", RECORDS("rbo"), false, "PLACE"},
    {"bounce", RECORDS("rca"), true, "PLACE"},
    {"remote", RECORDS("n0 0\0Tbo"), true, "PLACE"},
};

START_TEST(a_bounce_may_be_torn)
{
    struct world *world = start_world();
    struct entry *entry = &world->entries[0];

    write_records(world, torn[_i].kind, 1, torn[_i].records, torn[_i].size);
    entry->bits = BIT_MESS | BIT_INFO | BIT_REMOTE | BIT_BOUNCE;
    if (torn[_i].power)
        add_upset(world, 1, UPSET_POWER);
    forget_violations(world);
    files_check(&world->machines[0], entry, FILES_BOUNCED);
    expect(world, torn[_i].want);
}
END_TEST

/* Names that were gone may lead to another's files. */
START_TEST(what_came_back_is_not_looked_at)
{
    for (int gone = 0; gone < 3; gone++) {
        struct world *world = start_world();
        struct machine *machine = &world->machines[0];
        struct entry *entry = &world->entries[0];

        write_spool(world, "mess/1", "hello", 5);
        write_spool(world, "info/1", "", 0);
        write_records(world, "local", 1, RECORDS("n0 0\0Tzoe@away.example"));
        entry->bits = BIT_MESS | BIT_INFO | (gone ? 0 : BIT_LOCAL);
        entry->stage = gone == 2 ? STAGE_S2 : STAGE_S5;
        if (gone == 2)
            entry->bits = BIT_MESS;
        entries_reread(machine);
        ck_assert(entry->revived == (gone > 0));
        forget_violations(world);
        files_check(machine, entry, FILES_PREPARED);
        expect(world, gone ? "" : "PLACE");
    }
}
END_TEST

/* --- held for good ---------------------------------------------------------------------------*/

/* A release that was refused, since the order to hold still waited for its turn, lets nothing go.
 */
START_TEST(a_release_may_come_too_early)
{
    for (int i = 0; i < 4; i++) {
        struct world *world = start_world();
        struct upset *hold = add_upset(world, 1, UPSET_ORDER);
        struct upset *release;

        hold->order = ORDER_HOLD;
        hold->number = 1;
        hold->asked = true;
        release = add_upset(world, 2, UPSET_ORDER);
        release->order = ORDER_RELEASE;
        release->number = 1;
        release->asked = true;
        release->refused = i & 1;
        release->answered = !release->refused;
        if (i & 2)
            write_spool(world, "mark/1.hold", "", 0);
        ck_assert_int_eq(reason_kept(world, &world->entries[0]), i == 3);
        world_destroy(world);
    }
}
END_TEST

/* --- UNDONE ----------------------------------------------------------------------------------*/

/* A message goes from S4 when all have it; if nobody heard what send wrote, nobody can say. */
START_TEST(all_have_what_goes)
{
    enum { NOBODY, ALL, UNHEARD, A_LINE_LOST, A_CALL_FAILED, CASES };

    for (int i = 0; i < CASES; i++) {
        struct world *world = start_world();
        struct entry *entry = &world->entries[0];

        entry->answer = ANSWER_YES;
        entry->bits = BIT_MESS | BIT_TODO;
        if (i == ALL)
            add_attempt(world, "bob@away.example", 1, 'K');
        world->machines[0].log.unheard = i == UNHEARD;
        if (i == A_LINE_LOST || i == A_CALL_FAILED)
            add_upset(world, 1, UPSET_FAULT)->hit = HIT_SEND | (i == A_LINE_LOST ? HIT_LINE : 0);
        forget_violations(world);
        contract_todo_removed(&world->machines[0], entry);
        expect(world, i == NOBODY || i == A_CALL_FAILED ? "UNDONE" : "");
    }
}
END_TEST

/* --- NUMBER ----------------------------------------------------------------------------------*/

START_TEST(numbers_are_given_once)
{
    struct world *world = start_world();
    struct machine *machine = &world->machines[0];
    struct process *queue = host_find_process(machine->host, "nixie-queue");
    struct call call = {.id = CALL_open, .process = queue};

    ck_assert_ptr_nonnull(queue);
    world->call = &call;
    entries_note_name(machine, HOME_QUEUE "/pid/8", true);
    entries_note_name(machine, HOME_QUEUE "/pid/8", false);
    entries_note_name(machine, HOME_QUEUE "/pid/9", true);
    ck_assert_uint_eq(world->violation_count, 0);
    entries_note_name(machine, HOME_QUEUE "/pid/8", true);
    ck_assert_uint_eq(world->violation_count, 1);
    call.id = CALL_rename; /* one over the other */
    entries_note_name(machine, HOME_QUEUE "/mess/8", true);
    entries_note_name(machine, HOME_QUEUE "/mess/8", true);
    world->call = NULL;
    expect(world, "NUMBER NUMBER");
}
END_TEST

/* A sync has failed, and the journal says so: what is in S4 is made again. */
START_TEST(what_is_in_doubt_is_made_again)
{
    static const char slot[] = "nixie1 journl 0000000000000001 00000000000000000001 "
                               "0000000000000001 00000000000000000000 ";
    static const struct {
        const char *state; /* of the journal, and its check */
        unsigned hit;      /* 0: nothing failed */
        bool in_s4;
        const char *want;
    } cases[] = {
        {"1 70e28bb8a4ee408c\n", HIT_SEND | HIT_SYNC, true, ""},
        {"1 70e28bb8a4ee408c\n", HIT_SEND | HIT_SYNC, false, "NUMBER"},
        {"1 70e28bb8a4ee408c\n", HIT_SEND, true, "NUMBER"},
        {"1 70e28bb8a4ee408c\n", 0, true, "NUMBER"},
        {"0 03db7f0d11ba2ffb\n", HIT_SEND | HIT_SYNC, true, "NUMBER"},
        {"1 0123456789abcdef\n", HIT_SEND | HIT_SYNC, true, "NUMBER"}, /* does not check out */
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct world *world = start_world();
        struct machine *machine = &world->machines[0];
        struct call call = {.id = CALL_open,
                            .process = host_find_process(machine->host, "nixie-queue")};
        struct entry *entry;
        char journal[128];

        snprintf(journal, sizeof journal, "%s%s", slot, cases[i].state);
        write_spool(world, "lock/journal", journal, strlen(journal));
        if (cases[i].hit)
            add_upset(world, 0, UPSET_FAULT)->hit = cases[i].hit;
        world->call = &call;
        entries_note_name(machine, HOME_QUEUE "/pid/8", true);
        entries_note_name(machine, HOME_QUEUE "/pid/8", false);
        call.id = CALL_rename;
        entries_note_name(machine, HOME_QUEUE "/mess/8", true);
        if (cases[i].in_s4)
            entries_note_name(machine, HOME_QUEUE "/todo/8", true);
        forget_violations(world);
        entry = &world->entries[world->entry_count - 1];
        LIST_ADD(entry->history, entry->history_count)->time_ns = NANOSECONDS;
        entries_note_name(machine, HOME_QUEUE "/mess/8", true);
        world->call = NULL;
        expect(world, cases[i].want);
    }
}
END_TEST

/* --- STAGE -----------------------------------------------------------------------------------*/

/* What a crash left stays odd only if the recovery could not mend it. */
START_TEST(what_a_crash_left_is_mended)
{
    static const struct {
        unsigned hit; /* of a fault after the power loss; 0: there was none */
        enum upset_kind then;
        bool anew; /* after that another nixie-send */
        const char *want;
    } cases[] = {
        {0, UPSET_SLOW, false, "STAGE"},
        {HIT_SEND, UPSET_SLOW, false, ""},
        {HIT_DELIVERY, UPSET_SLOW, false, "STAGE"},
        {HIT_SEND, UPSET_KILL, false, ""},
        {HIT_SEND, UPSET_KILL, true, "STAGE"},
        {HIT_SEND, UPSET_POWER, false, "STAGE"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct world *world = start_world();
        struct machine *machine = &world->machines[0];

        forget_violations(world);
        add_upset(world, 10, UPSET_POWER);
        if (cases[i].hit)
            add_upset(world, 11, UPSET_FAULT)->hit = cases[i].hit;
        add_upset(world, 20, cases[i].then);
        if (cases[i].anew) {
            log_note_end(machine, true);
            world->send_ends[world->send_end_count - 1].time_ns = 20 * NANOSECONDS;
        }
        world->entries[0].suspect = true;
        machine->suspects = 1;
        entries_check_recovered(machine);
        expect(world, cases[i].want);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("judge_spool");
    TCase *tests = tcase_create("judge_spool");
    SRunner *runner;
    int failed;

    tcase_add_test(tests, the_server_has_to_start);
    tcase_add_test(tests, left_overs_go);
    tcase_add_test(tests, what_cannot_be_read_is_left_alone);
    tcase_add_test(tests, left_overs_go_in_time);
    tcase_add_test(tests, a_clock_that_was_set_back_makes_younger);
    tcase_add_test(tests, a_slow_disk_keeps_marks_for_a_while);
    tcase_add_test(tests, what_is_held_is_left);
    tcase_add_test(tests, marks_of_the_admin_go);
    tcase_add_loop_test(tests, files_are_the_messages_own, 0, sizeof places / sizeof *places);
    tcase_add_loop_test(tests, a_bounce_may_be_torn, 0, sizeof torn / sizeof *torn);
    tcase_add_test(tests, what_came_back_is_not_looked_at);
    tcase_add_test(tests, a_release_may_come_too_early);
    tcase_add_test(tests, all_have_what_goes);
    tcase_add_test(tests, numbers_are_given_once);
    tcase_add_test(tests, what_a_crash_left_is_mended);
    tcase_add_test(tests, what_is_in_doubt_is_made_again);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
