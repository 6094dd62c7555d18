/* SPDX-License-Identifier: ISC */
/* The oracles about what clients were told, and about who may send mail through a host, on ledgers
 * made by hand. */
#include "tests/unit/sim/net_ledger.h"

/* One more message of the client in the first host's spool. */
static struct entry *add_entry(struct world *world)
{
    struct entry *entry = entry_get(world, &world->machines[0], world->entry_count + 1);

    entry->letter = 0;
    entry->origin = ORIGIN_NETWORK;
    entry->stage = STAGE_S1;
    entry->answer = ANSWER_YES;
    entry->answer_ns = 20 * NANOSECONDS;
    entry->chain = must_copy("", 0);
    return entry;
}

/* So many tries, times that the client was told yes, tries whose end nobody knows; an upset at that
 * second; and two messages in the spool. */
static const struct {
    unsigned tries, yes, uncertain;
    double upset; /* 0: none */
    enum letter_state state;
    const char *want;
} tries[] = {
    {2, 2, 0, 0, LETTER_ACCEPTED, ""},          {2, 1, 1, 0, LETTER_ACCEPTED, ""},
    {2, 1, 0, 0, LETTER_ACCEPTED, "REFUSED"}, /* told 451, but it was queued */
    {2, 1, 0, 20.5, LETTER_ACCEPTED, ""},       {2, 1, 0, 30, LETTER_ACCEPTED, "REFUSED"},
    {1, 1, 0, 0, LETTER_ACCEPTED, "DUPLICATE"}, {2, 1, 0, 0, LETTER_CUT, ""},
};

START_TEST(no_more_is_queued_than_was_accepted)
{
    struct world *world = make_world(1);
    struct letter *letter = &world->letters[0];

    letter->tries = tries[_i].tries;
    letter->told_yes = tries[_i].yes;
    letter->uncertain = tries[_i].uncertain;
    letter->state = tries[_i].state;
    add_entry(world);
    add_taking(world, "bob@away.example");
    if (tries[_i].upset > 0)
        add_upset(world, tries[_i].upset, UPSET_KILL);
    judge(world, tries[_i].want);
}
END_TEST

/* Told no at the end of data, with an upset at that second; sent at 0 s, answered at 5 s. */
static const struct {
    double upset; /* 0: none */
    const char *want;
} refusals[] = {{0, "REFUSED REFUSED"}, {4, ""}, {5.5, ""}, {100, "REFUSED"}};

START_TEST(what_was_refused_does_not_come_out)
{
    struct world *world = make_world(1);
    struct letter *letter = &world->letters[0];

    letter->state = LETTER_REFUSED;
    letter->code = 554;
    letter->ended_ns = 5 * NANOSECONDS;
    letter->answers[0] = (struct recipient_answer){.code = 554, .tried = 1};
    world->entries[0].answer_ns = refusals[_i].upset > 99 ? 100 * NANOSECONDS : 5 * NANOSECONDS;
    add_taking(world, "bob@away.example");
    if (refusals[_i].upset > 0)
        add_upset(world, refusals[_i].upset, UPSET_POWER);
    judge(world, refusals[_i].want);
}
END_TEST

/* Withdrawn at 4 s, since a sync failed; told no at 5 s; taken by a remote all the same. */
static struct world *make_withdrawn(void)
{
    struct world *world = make_world(1);
    struct letter *letter = &world->letters[0];

    letter->state = LETTER_REFUSED;
    letter->code = 451;
    letter->ended_ns = 5 * NANOSECONDS;
    letter->answers[0] = (struct recipient_answer){.code = 451, .tried = 1};
    world->entries[0].answer = ANSWER_NO;
    world->entries[0].answer_ns = 4 * NANOSECONDS;
    add_taking(world, "bob@away.example");
    add_upset(world, 3.9, UPSET_FAULT)->hit = HIT_QUEUE | HIT_SYNC;
    return world;
}

/* Withdrawn at 4 s, since a sync failed; told no at 5 s; then the sync that makes it durable that
 * it is gone failed at that second, and again 5 s later if so; and the power went. */
static const struct {
    double failed; /* 0: it did not */
    bool again;
    double power;
    unsigned hit;
    const char *want;
} withdrawals[] = {
    {0, false, 8, HIT_QUEUE, "REFUSED"},    {4.5, false, 8, HIT_QUEUE, ""},
    {4.5, false, 8, HIT_SEND, "REFUSED"},   {4.5, false, 0, HIT_QUEUE, "REFUSED"},
    {4.5, false, 13, HIT_QUEUE, "REFUSED"}, {4.5, true, 13, HIT_QUEUE, ""},
    {8, false, 9, HIT_QUEUE, "REFUSED"},
};

START_TEST(what_was_withdrawn_comes_back_only_if_that_was_not_durable)
{
    struct world *world = make_withdrawn();

    if (withdrawals[_i].failed > 0)
        add_upset(world, withdrawals[_i].failed, UPSET_FAULT)->hit = withdrawals[_i].hit | HIT_SYNC;
    if (withdrawals[_i].again)
        add_upset(world, withdrawals[_i].failed + 5, UPSET_FAULT)->hit = HIT_QUEUE | HIT_SYNC;
    if (withdrawals[_i].power > 0)
        add_upset(world, withdrawals[_i].power, UPSET_POWER);
    judge(world, withdrawals[_i].want);
}
END_TEST

/* The sync that would make it durable that the message is gone fails at 4.5 s, all is killed at 6
 * s, and the power goes at 60 s, before the next start or behind it. */
START_TEST(what_was_withdrawn_comes_back_if_no_server_runs)
{
    for (int started = 0; started < 2; started++) {
        struct world *world = make_withdrawn();
        struct send_start *end = LIST_ADD(world->send_ends, world->send_end_count);

        add_upset(world, 4.5, UPSET_FAULT)->hit = HIT_QUEUE | HIT_SYNC;
        add_upset(world, 7, UPSET_KILL);
        end->time_ns = 7 * NANOSECONDS;
        if (started)
            LIST_ADD(world->send_starts, world->send_start_count)->time_ns = 30 * NANOSECONDS;
        add_upset(world, 60, UPSET_POWER);
        judge(world, started ? "REFUSED" : "");
    }
}
END_TEST

/* As above, and what came then: calls that took long, kills, new starts that failed as well. */
struct later {
    double time; /* 0: no more */
    enum upset_kind kind;
    unsigned hit;
    double lasts;
};

static const struct {
    struct later later[7];
    const char *want;
} held_up[] = {
    {{{9.5, UPSET_SLOW, HIT_QUEUE, 30}, {30, UPSET_POWER, 0, 0}}, ""},
    {{{9.5, UPSET_SLOW, HIT_SEND, 30}, {30, UPSET_POWER, 0, 0}}, ""},
    {{{4.6, UPSET_SLOW, HIT_SEND, 30},
      {4.7, UPSET_FAULT, HIT_QUEUE | HIT_SYNC, 0},
      {30, UPSET_POWER, 0, 0}},
     ""},
    {{{9.5, UPSET_SLOW, HIT_DELIVERY, 30}, {30, UPSET_POWER, 0, 0}}, "REFUSED"},
    {{{9.5, UPSET_SLOW, HIT_QUEUE, 30}, {46, UPSET_POWER, 0, 0}}, "REFUSED"},
    {{{6.5, UPSET_KILL, 0, 0},
      {7.5, UPSET_FAULT, HIT_QUEUE | HIT_SYNC, 0},
      {9, UPSET_FAULT, HIT_QUEUE | HIT_SYNC, 0},
      {13, UPSET_FAULT, HIT_QUEUE | HIT_SYNC, 0},
      {21, UPSET_FAULT, HIT_QUEUE | HIT_SYNC, 0},
      {36, UPSET_POWER, 0, 0}},
     ""},
    {{{6.5, UPSET_KILL, 0, 0},
      {7.5, UPSET_FAULT, HIT_QUEUE | HIT_SYNC, 0},
      {9, UPSET_FAULT, HIT_QUEUE | HIT_SYNC, 0},
      {13, UPSET_FAULT, HIT_QUEUE | HIT_SYNC, 0},
      {36, UPSET_POWER, 0, 0}},
     "REFUSED"},
    {{{9.5, UPSET_FAULT, HIT_QUEUE | HIT_SYNC, 0},
      {14.5, UPSET_FAULT, HIT_QUEUE | HIT_SYNC, 0},
      {22, UPSET_POWER, 0, 0}},
     "REFUSED"},
};

START_TEST(what_was_withdrawn_comes_back_till_that_is_tried_again)
{
    struct world *world = make_withdrawn();

    add_upset(world, 4.5, UPSET_FAULT)->hit = HIT_QUEUE | HIT_SYNC;
    for (const struct later *later = held_up[_i].later; later->time > 0; later++) {
        struct upset *upset = add_upset(world, later->time, later->kind);

        upset->hit = later->hit;
        upset->lasts_ns = (int64_t) (later->lasts * 1e9);
    }
    judge(world, held_up[_i].want);
}
END_TEST

/* --- relaying --------------------------------------------------------------------------------*/

static const struct {
    const char *relayclients, *rcpthosts, *morercpthosts, *locals;
    const char *want;
} relays[] = {
    {NULL, NULL, NULL, NULL, "RELAY"},
    {"203.0.113.1\n", NULL, NULL, NULL, ""},
    {"203.0.113.2\n", NULL, NULL, NULL, "RELAY"},
    {"203.0.113.0/24\n", NULL, NULL, NULL, ""},
    {"203.0.113.0/24 .suffix\n", NULL, NULL, NULL, ""},
    {"203.0.112.0/24\n#203.0.113.1\n", NULL, NULL, NULL, "RELAY"},
    {"203.0.112.0/23\n", NULL, NULL, NULL, ""},
    {"0.0.0.0/0\n", NULL, NULL, NULL, ""},
    {"fe80::/16\n", NULL, NULL, NULL, "RELAY"},
    {"2001:db8::/32\n", NULL, NULL, NULL, ""},
    {NULL, "example.com\n", NULL, NULL, "RELAY"},
    {NULL, "example.com\naway.example\n", NULL, NULL, ""},
    {NULL, "example.com\n.example\n", NULL, NULL, ""},
    {NULL, "example.com\n.away.example\n", NULL, NULL, "RELAY"},
    {NULL, "example.com\n", "away.example\n", NULL, ""},
    {NULL, "", NULL, "away.example\n", "RELAY"},
};

START_TEST(only_some_may_send_through_a_host)
{
    const char *const texts[] = {relays[_i].relayclients, relays[_i].rcpthosts,
                                 relays[_i].morercpthosts, relays[_i].locals};
    static const char *const names[] = {"relayclients", "rcpthosts", "morercpthosts", "locals"};
    struct world *world = make_world(1);

    for (size_t i = 0; i < 4; i++)
        if (texts[i])
            controls[hosts[0].control_count++] =
                (struct named_text){names[i], {texts[i], strlen(texts[i])}};
    may_all_relay = false;
    add_taking(world, "bob@away.example");
    judge(world, relays[_i].want);
}
END_TEST

START_TEST(a_remotes_bounce_is_no_relaying)
{
    struct world *world = make_world(1);
    struct entry *entry = add_entry(world);

    may_all_relay = false;
    controls[hosts[0].control_count++] =
        (struct named_text){"rcpthosts", {"example.com\naway.example\n", 25}};
    entry->bounce = 1;
    *LIST_ADD(entry->recipients, entry->recipient_count) = must_copy("alice@example.com", 17);
    add_taking(world, "bob@away.example");
    judge(world, "LOST"); /* and that only */

    world = make_world(1);
    entry = add_entry(world);
    controls[hosts[0].control_count++] =
        (struct named_text){"rcpthosts", {"example.com\naway.example\n", 25}};
    entry->bounce = 1;
    *LIST_ADD(entry->recipients, entry->recipient_count) = must_copy("alice@else.example", 18);
    add_taking(world, "bob@away.example");
    judge(world, "LOST RELAY");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("judge_clients");
    TCase *tests = tcase_create("judge_clients");
    SRunner *runner;
    int failed;

    tcase_add_loop_test(tests, no_more_is_queued_than_was_accepted, 0,
                        sizeof tries / sizeof *tries);
    tcase_add_loop_test(tests, what_was_withdrawn_comes_back_only_if_that_was_not_durable, 0,
                        sizeof withdrawals / sizeof *withdrawals);
    tcase_add_test(tests, what_was_withdrawn_comes_back_if_no_server_runs);
    tcase_add_loop_test(tests, what_was_withdrawn_comes_back_till_that_is_tried_again, 0,
                        sizeof held_up / sizeof *held_up);
    tcase_add_loop_test(tests, what_was_refused_does_not_come_out, 0,
                        sizeof refusals / sizeof *refusals);
    tcase_add_loop_test(tests, only_some_may_send_through_a_host, 0,
                        sizeof relays / sizeof *relays);
    tcase_add_test(tests, a_remotes_bounce_is_no_relaying);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
