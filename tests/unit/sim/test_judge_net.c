/* SPDX-License-Identifier: ISC */
/* The oracles about mail over the network, on ledgers made by hand: each must see what it is for,
 * and keep silent about what is right or explained. */
#include "tests/unit/sim/net_ledger.h"

/* --- what remotes took -----------------------------------------------------------------------*/

START_TEST(relayed_once_is_right)
{
    struct world *world = make_world(1);
    struct taking *taking;

    add_taking(world, "bob@away.example");
    add_attempt(world, "bob@away.example", 1.5, 'K');
    judge(world, "");
    world = make_world(2);
    taking = add_taking(world, "bob@away.example");
    *POOL_ADD(&world->told, taking->recipients, taking->recipient_count) = "Carol@Away.Example";
    judge(world, "");
}
END_TEST

START_TEST(sees_a_loss)
{
    struct world *world = make_world(2);

    add_taking(world, "bob@away.example");
    judge(world, "LOST");
}
END_TEST

START_TEST(what_a_host_of_ours_has_is_not_lost)
{
    struct world *world = make_world(1);
    struct entry *entry = entry_get(world, &world->machines[1], 1);

    entry->letter = 0;
    entry->answer = ANSWER_YES;
    entry->stage = STAGE_S5;
    entry->chain = must_copy("", 0);
    *LIST_ADD(entry->recipients, entry->recipient_count) = must_copy("bob@away.example", 16);
    judge_all(world, true, "");
}
END_TEST

START_TEST(sees_inventions)
{
    struct world *world = make_world(1);

    add_taking(world, "bob@away.example");
    add_taking(world, "dave@away.example");
    judge(world, "INVENTED");
    world = make_world(1);
    add_taking(world, "bob@away.example")->sender = "eve@app.example";
    judge(world, "INVENTED");
    world = make_world(1);
    add_taking(world, "bob@away.example");
    add_taking(world, "bob@away.example")->letter = NO_LETTER;
    judge(world, "INVENTED");
}
END_TEST

START_TEST(tries_are_for_its_recipients)
{
    static const char *const percents[] = {"bob%away.example@away.example"};
    struct world *world = make_world(1);

    add_taking(world, "bob@away.example");
    add_attempt(world, "bob@away.example", 1.5, 'K');
    add_attempt(world, "dave@away.example", 1.5, 'Z');
    judge(world, "INVENTED");
    world = make_world(1); /* none of ours */
    add_taking(world, "bob@away.example");
    add_attempt(world, "bob@away.example", 1.5, 'K')->remote = false;
    judge(world, "INVENTED");
    world = make_world(1);
    controls[0] = (struct named_text){"virtualdomains", {"away.example:shop\n", 18}};
    hosts[0].control_count = 1;
    add_taking(world, "bob@away.example"); /* it should have come to shop-bob */
    judge(world, "LOST INVENTED");
    world = make_world(1);
    controls[0] = (struct named_text){"percenthack", {"away.example\n", 13}};
    hosts[0].control_count = 1;
    free(world->entries[0].recipients[0]);
    world->entries[0].recipients[0] = must_copy("bob%away.example@away.example", 29);
    add_taking(world, "bob@away.example");
    world->letters[0].recipients = percents;
    judge(world, "");
}
END_TEST

START_TEST(sees_mail_for_a_domain_that_a_remote_does_not_serve)
{
    static struct served_domain others[] = {{"elsewhere.example", 10}};
    struct world *world = make_world(1);

    remotes[0].domains = others;
    add_taking(world, "bob@away.example");
    judge(world, "INVENTED");
    world = make_world(1);
    remotes[0].domains = others;
    controls[0] = (struct named_text){"smtproutes", {":away", 5}};
    hosts[0].control_count = 1;
    add_taking(world, "bob@away.example");
    judge(world, "");
}
END_TEST

START_TEST(a_verp_sender_is_the_recipients_own)
{
    struct world *world = make_world(1);

    free(world->entries[0].sender);
    world->entries[0].sender = must_copy("list-@app.example-@[]", 21);
    add_taking(world, "bob@away.example")->sender = "list-bob=away.example@app.example";
    judge(world, "");
    world = make_world(1);
    free(world->entries[0].sender);
    world->entries[0].sender = must_copy("list-@app.example-@[]", 21);
    add_taking(world, "bob@away.example")->sender = "list-@app.example-@[]";
    judge(world, "INVENTED");
}
END_TEST

START_TEST(sees_a_change)
{
    struct world *world = make_world(1);

    add_taking(world, "bob@away.example")->unchanged = false;
    judge(world, "CHANGED");
}
END_TEST

/* The message is taken in the second try, at 441.5 s, and in the first, at 1.5 s, or only there
 * twice, in the second; the first try ends with `result`. */
static const struct {
    char result;
    bool in_first; /* whether the first try left a copy */
    double upset;  /* 0: none */
    const char *want;
} duplicates[] = {
    {'K', true, 0, "DUPLICATE SCHEDULE"},
    {'K', true, 60, "DUPLICATE SCHEDULE"},
    {'K', true, 5, ""},
    {'Z', true, 0, ""},
    {0, true, 5, ""},
    {'Z', false, 0, "DUPLICATE"},
    {'Z', false, 5, "DUPLICATE"},
    {0, false, 5, "DUPLICATE"},
};

START_TEST(a_duplicate_wants_a_reason)
{
    struct world *world = make_world(1);
    struct attempt *attempt = add_attempt(world, "bob@away.example", 1.5, duplicates[_i].result);

    set_text(attempt, DOUBT);
    if (!duplicates[_i].result) {
        attempt->end_ns = INT64_MAX;
        attempt->gone_ns = (int64_t) (duplicates[_i].upset * 1e9);
    }
    if (duplicates[_i].in_first)
        take(world, 1.51, 1.52, duplicates[_i].result == 'K' ? "250 ok" : NULL);
    else
        talk(world, 1.51, "250 ok", "354 go ahead", NULL);
    add_attempt(world, "bob@away.example", 441.5, 'K');
    if (duplicates[_i].in_first)
        take(world, 441.51, 441.52, "250 ok");
    for (int i = 0; i < 2 && !duplicates[_i].in_first; i++)
        take(world, 441.51, 441.52, "250 ok");
    if (duplicates[_i].upset > 0)
        add_upset(world, duplicates[_i].upset, UPSET_POWER);
    judge(world, duplicates[_i].want);
}
END_TEST

/* The reply comes when the server has given up: the try in which it began counts. */
START_TEST(a_message_taken_late_belongs_to_its_try)
{
    struct world *world = make_world(1);

    set_text(add_attempt(world, "bob@away.example", 1.5, 'Z'), DOUBT);
    take(world, 1.55, 300, "250 too late");
    add_attempt(world, "bob@away.example", 441.5, 'K');
    take(world, 441.51, 441.52, "250 ok");
    judge(world, "");
}
END_TEST

/* --- what the log says of it -----------------------------------------------------------------*/

static const struct {
    char result;
    const char *text;
    const char *rcpt, *data, *end;
    bool took;
    const char *want;
} tellings[] = {
    {'Z', DOUBT, "250 ok", "354 go", NULL, true, ""},
    {'Z', DOUBT, "250 ok", "354 go", NULL, false, ""}, /* the dot may not have come */
    {'Z', "198.51.100.1_failed/", "250 ok", "354 go", NULL, true, "HONESTY VERDICT"},
    {'Z', "198.51.100.1_failed/", "250 ok", "354 go", NULL, false, "VERDICT"}, /* all was yes */
    {'D', "198.51.100.1_failed/", "250 ok", "354 go", NULL, true, "BOUNCE HONESTY VERDICT"},
    {'Z', DOUBT, "451 later", "503 no recipients", NULL, false, "HONESTY"},
    {'Z', DOUBT, "250 ok", NULL, NULL, false, "HONESTY"},
    {'Z', "nixie-remote_crashed._Possible_duplicate!_(#4.3.0)/", "250 ok", NULL, NULL, false, ""},
    {'Z', "198.51.100.1_failed/", "250 ok", "354 go", "451 no", false, ""},
    {'K', "198.51.100.1_accepted_message./", "250 ok", "354 go", "250 ok", true, ""},
    {'K', "198.51.100.1_accepted_message./", "250 ok", "354 go", NULL, true, "HONESTY"},
    {'K', "198.51.100.1_accepted_message./", "250 ok", "354 go", "451 no", true, "HONESTY"},
    {'K', "198.51.100.1_accepted_message./", "550 no", "354 go", "250 ok", false, "HONESTY"},
};

START_TEST(the_log_tells_what_happened)
{
    struct world *world = make_world(1);

    set_text(add_attempt(world, "bob@away.example", 1.5, tellings[_i].result), tellings[_i].text);
    if (tellings[_i].took) {
        take(world, 1.51, 1.52, tellings[_i].end);
    } else {
        talk(world, 1.51, tellings[_i].rcpt, tellings[_i].data, tellings[_i].end);
        take(world, 1000, 1000, "250 ok"); /* by a try that is not judged here */
    }
    judge(world, tellings[_i].want);
}
END_TEST

START_TEST(of_two_recipients_one_may_be_told_of)
{
    struct world *world = make_world(2);
    struct attempt *attempt;

    add_attempt(world, "bob@away.example", 1.5, 'K');
    take(world, 1.51, 1.52, "250 ok");
    set_text(add_attempt(world, "carol@away.example", 1.5, 'Z'), "198.51.100.1_no/");
    attempt = add_attempt(world, "carol@away.example", 441.5, 'K');
    attempt->end_ns += NANOSECONDS;
    add_taking(world, "carol@away.example");
    judge(world, "");
}
END_TEST

START_TEST(an_order_excuses_no_duplicate)
{
    struct world *world = make_world(1);

    add_taking(world, "bob@away.example");
    add_taking(world, "bob@away.example");
    add_attempt(world, "bob@away.example", 1.5, 'K');
    add_upset(world, 1.6, UPSET_ORDER);
    judge(world, "DUPLICATE");
}
END_TEST

/* --- clients ---------------------------------------------------------------------------------*/

START_TEST(a_yes_to_a_client_without_a_message_is_a_loss)
{
    struct world *world = make_world(1);

    world->entries[0].answer = ANSWER_NO;
    judge(world, "LOST");
    world = make_world(2); /* told yes for two, queued for one */
    free(world->entries[0].recipients[--world->entries[0].recipient_count]);
    add_taking(world, "bob@away.example");
    judge(world, "LOST");
}
END_TEST

START_TEST(sees_what_was_refused_and_came_out)
{
    struct world *world = make_world(2);

    world->letters[0].state = LETTER_REFUSED;
    world->letters[0].answers[1] = (struct recipient_answer){.code = 550};
    add_taking(world, "bob@away.example");
    add_taking(world, "carol@away.example");
    judge(world, "REFUSED");
    world = make_world(2); /* nobody knows what the answer would have been */
    world->letters[0].state = LETTER_REFUSED;
    world->letters[0].uncertain = 1;
    world->letters[0].answers[1] = (struct recipient_answer){.code = 250};
    add_taking(world, "bob@away.example");
    add_taking(world, "carol@away.example");
    judge(world, "");
}
END_TEST

START_TEST(sees_more_messages_than_tries)
{
    struct world *world = make_world(1);
    struct entry *entry = entry_get(world, &world->machines[0], 2);

    entry->letter = 0;
    entry->origin = ORIGIN_NETWORK;
    entry->answer = ANSWER_YES;
    entry->chain = must_copy("", 0);
    add_taking(world, "bob@away.example");
    judge(world, "DUPLICATE");
}
END_TEST

START_TEST(sees_a_client_that_never_ends)
{
    struct world *world = make_world(1);

    add_taking(world, "bob@away.example");
    world->letters[0].state = LETTER_RUNNING;
    judge(world, "STUCK");
    world = make_world(1);
    add_taking(world, "bob@away.example");
    world->letters[0].state = LETTER_RUNNING;
    judge_all(world, true, "");
}
END_TEST

/* --- the schedule ----------------------------------------------------------------------------*/

static const struct {
    double tries[5];  /* all but the last are deferred */
    double upset;     /* 0: none */
    double saturated; /* before the second try; 0: never */
    const char *want;
} schedules[] = {
    {{0.1, 400.05, 1600, 3600.9, 6400}, 0, 0, ""},
    {{0.1, 401.1}, 0, 0, "SCHEDULE"},
    {{0.1, 399.9}, 0, 0, "SCHEDULE"},
    {{0.1, 399.9995}, 0, 0, ""}, /* the clocks differ by that */
    {{0.1, 401.1}, 0, 400.9, ""},
    {{0.1, 401.1}, 0, 300, "SCHEDULE"},
    {{0.1, 399}, 200, 0, ""},
    {{0.1, 4200}, 4000, 0, ""},
    {{0.1, 5000}, 4000, 0, "SCHEDULE"}, /* all was well long before */
    {{5.5, 484.5}, 0, 0, ""},           /* (2 + 20)^2 */
    {{5.5, 405.5}, 0, 0, "SCHEDULE"},
};

START_TEST(tries_come_at_their_time)
{
    struct world *world = make_world(1);
    size_t count = 0;

    add_taking(world, "bob@away.example");
    while (count < 5 && schedules[_i].tries[count] > 0)
        count++;
    for (size_t i = 0; i < count; i++) {
        struct attempt *attempt = add_attempt(world, "bob@away.example", schedules[_i].tries[i],
                                              i + 1 < count ? 'Z' : 'K');

        if (i == 1 && schedules[_i].saturated > 0)
            attempt->saturated_ns = (int64_t) (schedules[_i].saturated * 1e9);
    }
    if (schedules[_i].upset > 0)
        add_upset(world, schedules[_i].upset, UPSET_ORDER);
    judge(world, schedules[_i].want);
}
END_TEST

/* A message waits for the slowest of its deliveries. */
START_TEST(a_try_waits_for_those_before_it)
{
    struct world *world = make_world(2);

    add_taking(world, "bob@away.example");
    add_taking(world, "carol@away.example");
    add_attempt(world, "carol@away.example", 0.1, 'Z')->end_ns = 1200 * NANOSECONDS;
    add_attempt(world, "bob@away.example", 0.11, 'Z');
    add_attempt(world, "bob@away.example", 1200.1, 'K');
    add_attempt(world, "carol@away.example", 1200.1, 'K');
    judge(world, "");
}
END_TEST

START_TEST(a_local_try_has_another_step)
{
    struct world *world = make_world(1);

    controls[0] = (struct named_text){"locals", {"away.example\n", 13}};
    hosts[0].control_count = 1;
    add_taking(world, "bob@away.example");
    add_attempt(world, "bob@away.example", 0.1, 'Z')->remote = false;
    add_attempt(world, "bob@away.example", 100.1, 'K')->remote = false;
    judge(world, "");
}
END_TEST

START_TEST(lifetimes_are_kept)
{
    struct world *world = make_world(1);

    controls[0] = (struct named_text){"queuelifetime", {"1000\n", 5}};
    hosts[0].control_count = 1;
    add_taking(world, "bob@away.example");
    add_attempt(world, "bob@away.example", 400, 'Z');
    add_attempt(world, "bob@away.example", 1600, 'Z');
    judge(world, "SCHEDULE"); /* should have been given up */

    world = make_world(1);
    hosts[0].control_count = 1;
    add_taking(world, "bob@away.example");
    free(add_attempt(world, "bob@away.example", 400, 'D')->text);
    world->attempts[0].text = must_copy("this_message_has_been_in_the_queue_too_long./", 44);
    judge(world, "BOUNCE SCHEDULE"); /* too early */
}
END_TEST

START_TEST(concurrency_is_limited)
{
    struct world *world = make_world(1);

    controls[0] = (struct named_text){"concurrencyremote", {"2\n", 2}};
    hosts[0].control_count = 1;
    add_taking(world, "bob@away.example");
    for (unsigned i = 0; i < 3; i++)
        add_attempt(world, i < 2 ? "bob@away.example" : "bob@third.example", 0.1, 'K');
    world->attempts[1].number = 7; /* another message to the same domain */
    world->attempts[2].number = 8;
    judge(world, "CONCURRENCY");

    world = make_world(1);
    hosts[0].control_count = 1;
    add_taking(world, "bob@away.example");
    for (unsigned i = 0; i < 3; i++) { /* one message, one domain: one transaction */
        *LIST_ADD(world->entries[0].recipients, world->entries[0].recipient_count) =
            must_copy("bob@away.example", 16);
        add_attempt(world, "bob@away.example", 0.1, 'K');
    }
    judge(world, "");

    world = make_world(1);
    hosts[0].control_count = 1;
    add_taking(world, "bob@away.example");
    for (unsigned i = 0; i < 3; i++) {
        struct attempt *attempt = add_attempt(world, "bob@away.example", 0.1 * i, 0);

        attempt->number = i + 7;
        attempt->end_ns = INT64_MAX;
        attempt->gone_ns = i < 1 ? NANOSECONDS / 10 : INT64_MAX; /* its nixie-send was killed */
    }
    judge(world, "");
}
END_TEST

/* --- for whom a message was --------------------------------------------------------------------*/

/* The entry is for `recipient`, too, who has his copy. */
static void judge_recipient(const char *recipient, enum entry_origin origin, const char *want)
{
    struct world *world = make_world(1);
    struct entry *entry = entry_get(world, &world->machines[0], 1);

    entry->origin = origin;
    *LIST_ADD(entry->recipients, entry->recipient_count) = must_copy(recipient, strlen(recipient));
    add_taking(world, "bob@away.example");
    if (strcasecmp(recipient, "bob@away.example") != 0)
        add_taking(world, recipient);
    judge(world, want);
}

START_TEST(sees_recipients_whom_nobody_named)
{
    judge_recipient("carol@away.example", ORIGIN_NETWORK, "INVENTED");
    judge_recipient("carol@away.example", ORIGIN_USER, "");
    judge_recipient("BOB@away.example", ORIGIN_NETWORK, "");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("judge_net");
    TCase *tests = tcase_create("judge_net");
    SRunner *runner;
    int failed;

    tcase_add_test(tests, relayed_once_is_right);
    tcase_add_test(tests, sees_a_loss);
    tcase_add_test(tests, what_a_host_of_ours_has_is_not_lost);
    tcase_add_test(tests, sees_inventions);
    tcase_add_test(tests, tries_are_for_its_recipients);
    tcase_add_test(tests, sees_mail_for_a_domain_that_a_remote_does_not_serve);
    tcase_add_test(tests, a_verp_sender_is_the_recipients_own);
    tcase_add_test(tests, sees_a_change);
    tcase_add_loop_test(tests, a_duplicate_wants_a_reason, 0,
                        sizeof duplicates / sizeof *duplicates);
    tcase_add_test(tests, a_message_taken_late_belongs_to_its_try);
    tcase_add_loop_test(tests, the_log_tells_what_happened, 0, sizeof tellings / sizeof *tellings);
    tcase_add_test(tests, of_two_recipients_one_may_be_told_of);
    tcase_add_test(tests, an_order_excuses_no_duplicate);
    tcase_add_test(tests, a_yes_to_a_client_without_a_message_is_a_loss);
    tcase_add_test(tests, sees_what_was_refused_and_came_out);
    tcase_add_test(tests, sees_more_messages_than_tries);
    tcase_add_test(tests, sees_a_client_that_never_ends);
    tcase_add_loop_test(tests, tries_come_at_their_time, 0, sizeof schedules / sizeof *schedules);
    tcase_add_test(tests, a_try_waits_for_those_before_it);
    tcase_add_test(tests, a_local_try_has_another_step);
    tcase_add_test(tests, lifetimes_are_kept);
    tcase_add_test(tests, concurrency_is_limited);
    tcase_add_test(tests, sees_recipients_whom_nobody_named);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
