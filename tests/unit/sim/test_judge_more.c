/* SPDX-License-Identifier: ISC */
/* The oracles about turns, verdicts, sizes, refusals and mailboxes: each must see what it is for,
 * and keep silent else. */
#include "sim/world/judge.h"
#include "tests/unit/sim/net_ledger.h"

/* A second message to carol, accepted at `answer` s. */
static void add_second(struct world *world, double answer)
{
    struct entry *entry = entry_get(world, &world->machines[0], 2);

    entry->letter = NO_LETTER;
    entry->stage = STAGE_S1;
    entry->answer = ANSWER_YES;
    entry->answer_ns = (int64_t) (answer * 1e9);
}

/* --- FAIRNESS --------------------------------------------------------------------------------*/

static const struct {
    double first, saturated, second_answer, second; /* seconds; second 0: there is none */
    double upset;
    const char *want;
} turns[] = {
    {1.5, -1, 0, 0, 0, ""},
    {7, -1, 0, 0, 0, "FAIRNESS"},
    {7, 6, 0, 0, 0, ""},             /* no place was free */
    {20, 6, 0, 0, 0, "FAIRNESS"},    /* but then one was */
    {7, -1, 0, 0, 3, ""},            /* something went wrong */
    {2000, -1, 0, 0, 3, "FAIRNESS"}, /* but not long */
    {50, 49, 30, 40, 0, "FAIRNESS"}, /* another came first */
    {50, 49, 3, 40, 0, ""},          /* that came about as early */
    {50, 49, 30, 60, 0, ""},
};

START_TEST(turns_are_fair)
{
    struct world *world = make_world(1);

    world->entries[0].answer_ns = NANOSECONDS;
    add_attempt(world, "bob@away.example", turns[_i].first, 'K')->saturated_ns =
        (int64_t) (turns[_i].saturated * 1e9);
    if (turns[_i].second > 0) {
        add_second(world, turns[_i].second_answer);
        add_attempt(world, "carol@away.example", turns[_i].second, 'K')->number = 2;
        world->attempts[1].saturated_ns = (int64_t) ((turns[_i].second - 1) * 1e9);
    }
    if (turns[_i].upset > 0)
        add_upset(world, turns[_i].upset, UPSET_CLOCK);
    add_taking(world, "bob@away.example");
    judge(world, turns[_i].want);
}
END_TEST

static const struct {
    double room; /* seconds: since when there is room again */
    bool told;   /* send has told of trouble */
    const char *want;
} full_disks[] = {
    {0.5, true, ""},          /* what had failed before is done again after ten seconds */
    {-20, true, "FAIRNESS"},  /* which is long over */
    {0.5, false, "FAIRNESS"}, /* nothing had failed */
};

START_TEST(turns_wait_for_room)
{
    struct world *world = make_world(1);
    struct machine *machine = &world->machines[0];

    world->entries[0].answer_ns = NANOSECONDS;
    machine->squeezed = true;
    machine->squeezed_from_ns = -100 * NANOSECONDS;
    machine->squeezed_to_ns = (int64_t) (full_disks[_i].room * 1e9);
    if (full_disks[_i].told) {
        struct log_line *line = LIST_ADD(world->lines, world->line_count);

        line->time_ns = -50 * NANOSECONDS;
        line->text = must_copy("alert: HELP! sleeping...", 24);
    }
    add_attempt(world, "bob@away.example", 8, 'K')->saturated_ns = -1;
    add_taking(world, "bob@away.example");
    judge(world, full_disks[_i].want);
}
END_TEST

/* --- VERDICT ---------------------------------------------------------------------------------*/

static const struct {
    char result;
    const char *text, *rcpt, *data, *end, *want;
} verdicts[] = {
    {'Z', "x_failed/Remote_host_said:_451_no/", "250 ok", "354 go", "451 no", ""},
    {'Z', "x_failed/Remote_host_said:_550_no/", "250 ok", "354 go", "550 no", "VERDICT"},
    {'Z', "x_failed/Remote_host_said:_550_no/", "550 no", "503 no", NULL, "VERDICT"},
    {'Z', "Connected_but_connection_died/", "550 no", NULL, NULL, ""},
    {'Z', "x_failed/Remote_host_said:_451_no/", "250 ok", "451 no", NULL, ""},
    {'D', "x_failed/Remote_host_said:_451_no/", "451 no", "503 no", NULL, "VERDICT"},
    {'D', "x_failed/Remote_host_said:_550_no/", "550 no", "503 no", NULL, ""},
};

START_TEST(verdicts_are_the_remotes)
{
    struct world *world = make_world(1);

    set_text(add_attempt(world, "bob@away.example", 1.5, verdicts[_i].result), verdicts[_i].text);
    talk(world, 1.51, verdicts[_i].rcpt, verdicts[_i].data, verdicts[_i].end);
    world->entries[0].stage = STAGE_S5;
    judge_all(world, true, verdicts[_i].want);
}
END_TEST

START_TEST(trouble_of_the_dns_is_no_failure)
{
    static const struct {
        const char *name, *answer;
        double time;
        const char *want;
    } answers[] = {{"away.example", "servfail", 1.52, "BOUNCE VERDICT"},
                   {"away.example", NULL, 1.52, "BOUNCE VERDICT"},
                   {"away.example", "nxdomain", 1.52, "BOUNCE"},
                   {"third.example", "servfail", 1.52, "BOUNCE"},
                   {"away.example", "servfail", 1.2, "BOUNCE"}};

    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        struct world *world = make_world(1);
        struct query *query = LIST_ADD(world->queries, world->query_count);

        *query = (struct query){.time_ns = (int64_t) (answers[i].time * 1e9),
                                .name = answers[i].name,
                                .type = "MX",
                                .answer = answers[i].answer};
        set_text(add_attempt(world, "bob@away.example", 1.5, 'D'), "no_host_named_that/");
        add_taking(world, "bob@away.example"); /* else it is lost, too */
        judge(world, answers[i].want);
    }
}
END_TEST

/* --- LIMIT -----------------------------------------------------------------------------------*/

START_TEST(large_messages_are_not_accepted)
{
    for (unsigned limit = 0; limit < 100; limit += 10) {
        struct world *world = make_world(1);
        char text[20];

        snprintf(text, sizeof text, "%u\n", limit);
        controls[0] = (struct named_text){"databytes", {text, strlen(text)}};
        hosts[0].control_count = 1;
        world->letters[0].told_yes = 1;
        add_taking(world, "bob@away.example");
        judge(world, limit > 0 && limit < sizeof CONTENT - 1 ? "LIMIT" : "");
    }
}
END_TEST

/* --- SERVICE ---------------------------------------------------------------------------------*/

static const struct {
    enum letter_path path;
    int code;
    bool squeezed;
    double upset;
    const char *want;
} refusals[] = {
    {LETTER_BY_INJECT, 111, false, 0, "SERVICE"}, {LETTER_BY_INJECT, 100, false, 0, ""},
    {LETTER_BY_QUEUE, 53, false, 0, "SERVICE"},   {LETTER_BY_QUEUE, 31, false, 0, ""},
    {LETTER_BY_QUEUE, 53, true, 0, ""},           {LETTER_BY_QUEUE, 53, false, 1, ""},
    {LETTER_BY_QUEUE, 53, false, 3, "SERVICE"},   {LETTER_BY_QUEUE, 127, false, 0, ""},
};

START_TEST(nobody_is_put_off_without_a_reason)
{
    struct world *world = make_world(1);
    struct letter *letter = &world->letters[0];

    letter->path = refusals[_i].path;
    letter->code = refusals[_i].code;
    letter->state = LETTER_REFUSED;
    letter->ended_ns = 2 * NANOSECONDS;
    world->machines[0].squeezed = refusals[_i].squeezed;
    world->entries[0].answer = ANSWER_NO;
    if (refusals[_i].upset > 0)
        add_upset(world, refusals[_i].upset, UPSET_KILL);
    judge(world, refusals[_i].want);
}
END_TEST

/* --- PRIVATE ---------------------------------------------------------------------------------*/

START_TEST(mailboxes_are_private)
{
    static const mode_t modes[] = {0600, 0700, 0640, 0604, 0620, 0644};

    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        struct world *world = make_world(1);
        struct copy *copy = LIST_ADD(world->copies, world->copy_count);

        copy->kind = COPY_MAILDIR;
        copy->letter = NO_LETTER;
        copy->place = must_copy("/home/bob/Maildir", 17);
        copy->path = must_copy("/home/bob/Maildir/new/1", 23);
        copy->chain = must_copy("", 0);
        copy->data = must_copy("x", 1);
        ck_assert_int_eq(
            host_write_file(world->machines[0].host, copy->path, "x", 1, 0, 0, modes[i]), 0);
        judge_privacy(world);
        ck_assert_uint_eq(world->violation_count, modes[i] & 077 ? 1 : 0);
        world_destroy(world);
    }
}
END_TEST

START_TEST(programs_have_what_is_theirs)
{
    static const struct user_spec bob = {.name = "bob", .uid = 1001, .home_mode = 0755};
    static const struct {
        uid_t uid;
        unsigned descriptors;
        const char *want;
    } runs[] = {{1001, 3, ""}, {0, 3, "PRIVATE"}, {1001, 4, "PRIVATE"}, {0, 0, ""}};

    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) {
        struct world *world = make_world(1);
        struct program_run *run = LIST_ADD(world->runs, world->run_count);

        hosts[0].users = (struct user_spec *) (uintptr_t) &bob;
        hosts[0].user_count = 1;
        run->program = "deliver";
        run->uid = runs[i].uid;
        run->descriptors = runs[i].descriptors;
        *LIST_ADD(run->environment, run->environment_count) = must_copy("USER=bob", 8);
        judge_privacy(world);
        ck_assert_uint_eq(world->violation_count, *runs[i].want ? 1 : 0);
        world_destroy(world);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("judge_more");
    TCase *tests = tcase_create("judge_more");
    SRunner *runner;
    int failed;

    tcase_add_loop_test(tests, turns_are_fair, 0, sizeof turns / sizeof *turns);
    tcase_add_loop_test(tests, turns_wait_for_room, 0, sizeof full_disks / sizeof *full_disks);
    tcase_add_loop_test(tests, verdicts_are_the_remotes, 0, sizeof verdicts / sizeof *verdicts);
    tcase_add_test(tests, trouble_of_the_dns_is_no_failure);
    tcase_add_test(tests, large_messages_are_not_accepted);
    tcase_add_loop_test(tests, nobody_is_put_off_without_a_reason, 0,
                        sizeof refusals / sizeof *refusals);
    tcase_add_test(tests, mailboxes_are_private);
    tcase_add_test(tests, programs_have_what_is_theirs);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
