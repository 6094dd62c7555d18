/* SPDX-License-Identifier: ISC */
/* The oracles at the end of a run, on ledgers made by hand: each must see what it is for, and keep
 * silent about what is explained. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "sim/world/internal.h"

static const char *const recipients[] = {"bob@example.com"};

/* A world with one machine on which nothing ran, one letter that was accepted, and its entry. */
static struct world *make_world(enum letter_state state)
{
    static const struct home_spec spec = {.name = "mail", .domain = "example.com"};
    struct home_spec copy = spec;
    struct world_options options = {.kernel = {.seed = 1}, .specs = &copy, .spec_count = 1};
    struct letter *letter;
    struct world *world;
    struct entry *entry;
    int error;

    copy.disk = disk_model_named("honest");
    world = world_create(&options, &error);
    ck_assert_ptr_nonnull(world);
    world->machines[0].spec = &spec; /* `copy` goes; nothing looks at its disk again */
    letter = LIST_ADD(world->letters, world->letter_count);
    letter->name = "m1";
    letter->id = "<m1@x>";
    letter->header = "";
    letter->content = (struct text){"Message-ID: <m1@x>\n\nhello\n", 26};
    letter->recipients = recipients;
    letter->recipient_count = 1;
    letter->state = state;
    entry = entry_get(world, &world->machines[0], 1);
    entry->letter = 0;
    entry->stage = STAGE_S1;
    entry->chain = must_copy("", 0);
    entry->answer = state == LETTER_ACCEPTED ? ANSWER_YES : ANSWER_NO;
    *LIST_ADD(entry->recipients, entry->recipient_count) = must_copy("bob@example.com", 15);
    return world;
}

static struct copy *add_copy(struct world *world, const char *chain)
{
    struct copy *copy = LIST_ADD(world->copies, world->copy_count);

    copy->kind = COPY_MAILDIR;
    copy->place = must_copy("/home/bob/Maildir", 17);
    copy->path = must_copy("/home/bob/Maildir/new/1", 23);
    copy->data = must_copy("x", 1);
    copy->size = 1;
    copy->chain = must_copy(chain, strlen(chain));
    copy->unchanged = true;
    copy->time_ns = NANOSECONDS;
    return copy;
}

static void add_attempt(struct world *world, char result, int64_t end_ns)
{
    struct attempt *attempt = LIST_ADD(world->attempts, world->attempt_count);

    attempt->number = 1;
    attempt->delivery = 1;
    attempt->recipient = must_copy("bob@example.com", 15);
    attempt->start_ns = NANOSECONDS / 2;
    attempt->end_ns = end_ns;
    attempt->gone_ns = INT64_MAX;
    attempt->result = result;
    attempt->text = must_copy("did_1+0+0/", 10);
}

static void add_upset(struct world *world, int64_t time_ns)
{
    struct upset *upset = LIST_ADD(world->upsets, world->upset_count);

    upset->time_ns = time_ns;
    upset->kind = UPSET_POWER;
}

/* Judges, and compares the promises that were found broken ("LOST STUCK"). */
static void judge(struct world *world, bool undelivered_is_fine, const char *want)
{
    char got[300] = "";

    world_judge(world, undelivered_is_fine);
    for (size_t i = 0; i < world->violation_count; i++) {
        strcat(got, i ? " " : "");
        strcat(got, world->violations[i].promise);
    }
    ck_assert_str_eq(got, want);
    world_destroy(world);
}

START_TEST(delivered_once_is_right)
{
    struct world *world = make_world(LETTER_ACCEPTED);

    add_copy(world, "bob@example.com\n");
    judge(world, false, "");
}
END_TEST

START_TEST(sees_a_loss)
{
    struct world *world = make_world(LETTER_ACCEPTED);
    struct upset *upset;

    add_upset(world, NANOSECONDS);
    upset = &world->upsets[0];
    *LIST_ADD(upset->lost, upset->lost_count) =
        must_copy("var/nixie/queue/todo/1: entry added", 35);
    *LIST_ADD(upset->lost, upset->lost_count) =
        must_copy("var/nixie/queue/mess/1: write of 20 bytes at 0", 46);
    *LIST_ADD(upset->lost, upset->lost_count) =
        must_copy("var/nixie/queue/mess/12: entry added", 36);
    world_judge(world, false);
    ck_assert_uint_eq(world->violation_count, 1);
    ck_assert_str_eq(world->violations[0].promise, "LOST");
    ck_assert_str_eq(world->violations[0].detail, "todo/1");
    ck_assert_str_eq(world->violations[0].unsynced, "todo/1's directory entry, mess/1's contents");
    ck_assert_ptr_nonnull(strstr(world->violations[0].text, "todo/1 unsynced"));
    world_destroy(world);
}
END_TEST

START_TEST(another_recipients_copy_does_not_count)
{
    struct world *world = make_world(LETTER_ACCEPTED);

    add_copy(world, "carol@example.com\n");
    judge(world, false, "LOST INVENTED");
}
END_TEST

START_TEST(sees_a_stuck_message)
{
    struct world *world = make_world(LETTER_ACCEPTED);

    world->entries[0].stage = STAGE_S5;
    judge(world, false, "STUCK");
    world = make_world(LETTER_ACCEPTED);
    world->entries[0].stage = STAGE_S5;
    judge(world, true, "");
}
END_TEST

START_TEST(a_bounce_or_an_onward_message_will_do)
{
    struct world *world = make_world(LETTER_ACCEPTED);
    struct entry *entry = entry_get(world, &world->machines[0], 2);

    entry->letter = 0;
    entry->bounce = 1;
    entry->answer = ANSWER_YES;
    entry->chain = must_copy("", 0);
    entry->text = must_copy("x\n<bob@example.com>:\nno", 23);
    entry->text_size = 23;
    judge(world, false, "");

    world = make_world(LETTER_ACCEPTED);
    entry = entry_get(world, &world->machines[0], 2);
    entry->letter = 0;
    entry->answer = ANSWER_YES;
    entry->chain = must_copy("bob@example.com\n", 16);
    judge(world, false, "");
}
END_TEST

/* Of carol: the message was to both, and its copy says so. */
START_TEST(a_bounce_of_another_recipient_will_not_do)
{
    static const char text[] = "To: bob@example.com\n\n<carol@example.com>:\nno\n\n"
                               "--- Below this line is a copy of the message.\n\n"
                               "To: carol@example.com,\n<bob@example.com>\n\nhello\n";
    struct world *world = make_world(LETTER_ACCEPTED);
    struct entry *entry = entry_get(world, &world->machines[0], 2);

    entry->letter = 0;
    entry->bounce = 1;
    entry->answer = ANSWER_YES;
    entry->chain = must_copy("", 0);
    entry->text = must_copy(text, sizeof text - 1);
    entry->text_size = sizeof text - 1;
    judge(world, false, "LOST");
}
END_TEST

START_TEST(sees_inventions_and_changes)
{
    struct world *world = make_world(LETTER_ACCEPTED);

    add_copy(world, "bob@example.com\n")->unchanged = false;
    judge(world, false, "CHANGED");
    world = make_world(LETTER_ACCEPTED);
    add_copy(world, "bob@example.com\n");
    add_copy(world, "bob@example.com\n")->letter = NO_LETTER;
    judge(world, false, "INVENTED");
}
END_TEST

START_TEST(sees_what_was_refused_and_came_out)
{
    struct world *world = make_world(LETTER_REFUSED);

    add_copy(world, "bob@example.com\n");
    judge(world, false, "REFUSED");
    world = make_world(LETTER_REFUSED);
    add_copy(world, "bob@example.com\n");
    add_upset(world, NANOSECONDS);
    judge(world, false, "");
}
END_TEST

static const struct {
    char result;        /* of the first attempt; L: Z, but it left nothing */
    int64_t end, upset; /* seconds; upset 0: none */
    const char *want;
} duplicates[] = {
    {'K', 1, 0, "DUPLICATE"}, {'K', 1, 60, "DUPLICATE"}, {'K', 1, 5, ""},
    {'Z', 1, 0, "DUPLICATE"}, {'Z', 1, 1, ""},           {0, INT32_MAX, 5, ""},
    {'L', 1, 0, "DUPLICATE"},
};

START_TEST(a_duplicate_wants_a_reason)
{
    struct world *world = make_world(LETTER_ACCEPTED);

    add_copy(world, "bob@example.com\n");
    add_copy(world, "bob@example.com\n");
    add_attempt(world, duplicates[_i].result, duplicates[_i].end * NANOSECONDS);
    if (duplicates[_i].result == 'L') {
        world->attempts[0].result = 'Z';
        world->copies[0].time_ns = world->copies[1].time_ns = 1000 * NANOSECONDS;
    }
    add_attempt(world, 'K', 1000 * NANOSECONDS);
    world->attempts[1].start_ns = 999 * NANOSECONDS;
    if (duplicates[_i].upset)
        add_upset(world, duplicates[_i].upset * NANOSECONDS);
    judge(world, false, duplicates[_i].want);
}
END_TEST

/* Who is left alone by the end of its nixie-send goes on for a minute, and as long as calls take.
 */
START_TEST(an_orphan_may_be_slow)
{
    static const struct {
        unsigned hit;
        int copy; /* seconds */
        const char *want;
    } cases[] = {
        {0, 50, ""},         {0, 80, "DUPLICATE"},        {HIT_DELIVERY, 80, ""},
        {HIT_QUEUE, 80, ""}, {HIT_SEND, 80, "DUPLICATE"}, {HIT_DELIVERY, 100, "DUPLICATE"}};

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct world *world = make_world(LETTER_ACCEPTED);

        add_copy(world, "bob@example.com\n")->time_ns = cases[i].copy * NANOSECONDS;
        add_copy(world, "bob@example.com\n")->time_ns = 1000 * NANOSECONDS;
        add_attempt(world, 0, INT64_MAX);
        world->attempts[0].gone_ns = 5 * NANOSECONDS;
        add_attempt(world, 'K', 1000 * NANOSECONDS);
        world->attempts[1].start_ns = 999 * NANOSECONDS;
        add_upset(world, 5 * NANOSECONDS);
        world->upsets[0].kind = UPSET_KILL;
        if (cases[i].hit) {
            add_upset(world, 2 * NANOSECONDS);
            world->upsets[1].kind = UPSET_SLOW;
            world->upsets[1].hit = cases[i].hit;
            world->upsets[1].lasts_ns = 30 * NANOSECONDS;
        }
        judge(world, false, cases[i].want);
    }
}
END_TEST

START_TEST(named_twice_is_no_duplicate)
{
    struct world *world = make_world(LETTER_ACCEPTED);

    *LIST_ADD(world->entries[0].recipients, world->entries[0].recipient_count) =
        must_copy("Bob@Example.COM", 15);
    add_copy(world, "bob@example.com\n");
    add_copy(world, "bob@example.com\n");
    judge(world, false, "");
}
END_TEST

START_TEST(a_yes_without_a_message_is_a_loss)
{
    struct world *world = make_world(LETTER_ACCEPTED);

    world->entries[0].answer = ANSWER_NONE;
    judge(world, false, "LOST");
}
END_TEST

/* --- stages ----------------------------------------------------------------------------------*/

START_TEST(stages_are_as_the_table_says)
{
    char text[BITS_TEXT];

    ck_assert_int_eq(stage_of(0), STAGE_S1);
    ck_assert_int_eq(stage_of(BIT_PID), STAGE_S1);
    ck_assert_int_eq(stage_of(BIT_MESS), STAGE_S2);
    ck_assert_int_eq(stage_of(BIT_MESS | BIT_INTD), STAGE_S3);
    ck_assert_int_eq(stage_of(BIT_MESS | BIT_INTD | BIT_TODO), STAGE_S4);
    ck_assert_int_eq(stage_of(BIT_MESS | BIT_TODO | BIT_INFO | BIT_LOCAL), STAGE_S4);
    ck_assert_int_eq(stage_of(BIT_MESS | BIT_INFO | BIT_BOUNCE), STAGE_S5);
    ck_assert_int_eq(stage_of(BIT_TODO), STAGE_ODD);
    ck_assert_int_eq(stage_of(BIT_INFO), STAGE_ODD);
    ck_assert_int_eq(stage_of(BIT_MESS | BIT_TODO | BIT_BOUNCE), STAGE_ODD);
    ck_assert_int_eq(stage_of(BIT_MESS | BIT_INTD | BIT_INFO), STAGE_ODD);
    ck_assert_int_eq(stage_of(BIT_MESS | BIT_LOCAL), STAGE_ODD);
    ck_assert_str_eq(bits_format(BIT_MESS | BIT_TODO, text), "+mess +todo");
}
END_TEST

START_TEST(paths_of_the_spool_are_known)
{
    enum spool_bit bit;
    uint64_t number;

    ck_assert(spool_path_parse("/var/nixie/queue/todo/17", &bit, &number));
    ck_assert_int_eq(bit, BIT_TODO);
    ck_assert_uint_eq(number, 17);
    ck_assert(spool_path_parse("mess/1", &bit, &number));
    ck_assert(!spool_path_parse("mess/", &bit, &number));
    ck_assert(!spool_path_parse("mess/1x", &bit, &number));
    ck_assert(!spool_path_parse("xmess/1", &bit, &number));
    ck_assert(!spool_path_parse("corrupt/mess.1", &bit, &number));
    ck_assert(!spool_path_parse("1", &bit, &number));
    ck_assert(spool_may_change("nixie-queue", BIT_MESS, true));
    ck_assert(!spool_may_change("nixie-clean", BIT_MESS, true));
    ck_assert(spool_may_change("nixie-clean", BIT_MESS, false));
    ck_assert(!spool_may_change("nixie-send", BIT_TODO, false));
    ck_assert(spool_may_change("nixie-send", BIT_INFO, true));
    ck_assert(!spool_may_change("nixie-local", BIT_INFO, true));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("judge");
    TCase *tests = tcase_create("judge");
    SRunner *runner;
    int failed;

    tcase_add_test(tests, delivered_once_is_right);
    tcase_add_test(tests, sees_a_loss);
    tcase_add_test(tests, another_recipients_copy_does_not_count);
    tcase_add_test(tests, sees_a_stuck_message);
    tcase_add_test(tests, a_bounce_or_an_onward_message_will_do);
    tcase_add_test(tests, a_bounce_of_another_recipient_will_not_do);
    tcase_add_test(tests, sees_inventions_and_changes);
    tcase_add_test(tests, sees_what_was_refused_and_came_out);
    tcase_add_loop_test(tests, a_duplicate_wants_a_reason, 0,
                        sizeof duplicates / sizeof *duplicates);
    tcase_add_test(tests, an_orphan_may_be_slow);
    tcase_add_test(tests, named_twice_is_no_duplicate);
    tcase_add_test(tests, a_yes_without_a_message_is_a_loss);
    tcase_add_test(tests, stages_are_as_the_table_says);
    tcase_add_test(tests, paths_of_the_spool_are_known);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
