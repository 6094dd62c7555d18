/* SPDX-License-Identifier: ISC */
/* The oracles about turns, verdicts, sizes, left-overs and numbers, and those that read the log and
 * the spool's files while the run goes on: each must see what it is for, and keep silent else. */
#include "sim/world/home.h"
#include "sim/world/judge.h"
#include "sim/world/judge_reasons.h"
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

/* --- a host that runs ------------------------------------------------------------------------*/

static void forget_violations(struct world *world)
{
    while (world->violation_count > 0) {
        struct violation *violation = &world->violations[--world->violation_count];

        free(violation->recipient);
        free(violation->text);
        free(violation->detail);
    }
}

static struct world *start_world(void)
{
    struct world *world = make_world(1);

    world_start(world, 0);
    ck_assert_ptr_nonnull(world->machines[0].tree);
    kernel_run(world->kernel, 5 * NANOSECONDS);
    ck_assert_uint_eq(world->violation_count, 0);
    return world;
}

static void write_spool(struct world *world, const char *path, const char *data, size_t size)
{
    char whole[200];

    snprintf(whole, sizeof whole, HOME_QUEUE "/%s", path);
    ck_assert_int_eq(host_write_file(world->machines[0].host, whole, data, size, 0, 0, 0644), 0);
}

/* What was accused while it ran; ends the world. */
static void expect(struct world *world, const char *want)
{
    char got[600] = "";

    for (size_t i = 0; i < world->violation_count; i++)
        sprintf(got + strlen(got), "%s%s", i ? " " : "", world->violations[i].promise);
    ck_assert_str_eq(got, want);
    world_destroy(world);
}

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

START_TEST(left_overs_go_in_time)
{
    for (int hours = 50; hours < 70; hours += 10) {
        struct world *world = start_world();
        struct entry *entry = entry_get(world, &world->machines[0], 7);
        int64_t times[] = {NANOSECONDS, (1 + 3600 * (int64_t) hours) * NANOSECONDS};

        for (size_t i = 0; i < 2; i++)
            LIST_ADD(entry->history, entry->history_count)->time_ns = times[i];
        entry->stage = STAGE_S1;
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
        struct entry *entry = entry_get(world, &world->machines[0], 7);
        int64_t times[] = {NANOSECONDS, (1 + 3600 * (int64_t) hours) * NANOSECONDS};

        for (size_t i = 0; i < 2; i++)
            LIST_ADD(entry->history, entry->history_count)->time_ns = times[i];
        entry->stage = STAGE_S1;
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
    tcase_add_test(tests, the_log_is_kept);
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
