/* SPDX-License-Identifier: ISC */
/* The oracle about bounces, on ledgers made by hand: whom they tell of, and what they say. */
#include "tests/unit/sim/net_ledger.h"

#define REFUSED "198.51.100.1_does_not_like_recipient./Remote_host_said:_550_5.1.1_no/"
#define EXPIRED                                                                                    \
    "198.51.100.1_failed/Remote_host_said:_451_later/I'm_not_going_to_try_again;_this_message_"    \
    "has_been_in_the_queue_too_long./"

/* A bounce whose delivery status has these groups of fields. */
static struct entry *add_bounce(struct world *world, const char *groups)
{
    static const char head[] = "Content-Type: multipart/report; boundary=x\n\n--x\n"
                               "Content-Type: message/delivery-status\n\n"
                               "Reporting-MTA: dns; example.com\n\n";
    struct entry *entry = entry_get(world, &world->machines[0], world->entry_count + 1);
    static const char tail[] = "\n--x\nContent-Type: message/rfc822\n\n" CONTENT "\n--x--\n";
    size_t size = sizeof head - 1 + strlen(groups) + sizeof tail - 1;

    entry->letter = 0;
    entry->bounce = 1;
    entry->origin = ORIGIN_BOUNCE;
    entry->stage = STAGE_S1;
    entry->answer = ANSWER_YES;
    entry->answer_ns = 3 * NANOSECONDS;
    entry->parent = 1;
    entry->chain = must_copy("", 0);
    entry->text = must_alloc(size + 1);
    snprintf(entry->text, size + 1, "%s%s%s", head, groups, tail);
    entry->text_size = size;
    return entry;
}

#define GROUP(who, status, more)                                                                   \
    "Final-Recipient: rfc822; " who "\nAction: failed\nStatus: " status "\n" more "\n"
#define SAID "Diagnostic-Code: smtp; 550 5.1.1 no\nRemote-MTA: dns; [198.51.100.1]\n"

static const char *addresses[] = {"198.51.100.1"};

/* Bob failed for good, or not; carol, if she is there, got her copy. */
static struct world *make_failed(size_t count, char result)
{
    struct world *world = make_world(count);

    remotes[0].addresses = addresses;
    remotes[0].address_count = 1;
    set_text(add_attempt(world, "bob@away.example", 1.5, result), REFUSED);
    talk(world, 1.51, "550 5.1.1 no", "503 5.5.1 no recipients", NULL);
    if (count > 1) {
        add_attempt(world, "carol@away.example", 1.5, 'K');
        add_taking(world, "carol@away.example");
    }
    return world;
}

START_TEST(told_of_once_is_right)
{
    struct world *world = make_failed(2, 'D');

    add_bounce(world, GROUP("bob@away.example", "5.1.1", SAID));
    judge(world, "");
    world = make_failed(1, 'D'); /* whose log line was lost in a crash */
    add_bounce(world, GROUP("BOB@away.example", "5.1.1", SAID))->parent = 0;
    judge(world, "");
}
END_TEST

/* A bounce whose log line was lost in a crash, with that message in it: of equal ones it is this
 * one's. */
static const struct {
    const char *text;
    const char *want;
} quoted[] = {
    {RECEIVED CONTENT, ""},
    {"Received: (nixie-queue 2 invoked by alias); now\n" CONTENT, "BOUNCE BOUNCE"},
};

START_TEST(is_of_the_message_that_it_has)
{
    struct world *world = make_failed(1, 'D');
    struct entry *bounce = add_bounce(world, GROUP("bob@away.example", "5.1.1", SAID));
    size_t room = bounce->text_size + strlen(quoted[_i].text) + 1;
    char *whole = must_alloc(room);

    snprintf(whole, room, "%s%s", bounce->text, quoted[_i].text);
    free(bounce->text);
    bounce->text = whole;
    bounce->text_size = strlen(whole);
    bounce->parent = 0;
    judge(world, quoted[_i].want);
}
END_TEST

START_TEST(sees_who_is_not_told_of)
{
    struct world *world = make_failed(1, 'D');

    judge(world, "LOST BOUNCE");
    world = make_failed(1, 'D'); /* he got it before: he is told of all the same */
    add_taking(world, "bob@away.example");
    judge(world, "BOUNCE");
    world = make_failed(1, 'D');
    add_bounce(world, GROUP("carol@away.example", "5.1.1", SAID));
    judge(world, "LOST BOUNCE BOUNCE");
    world = make_failed(1, 'D'); /* not yet */
    world->entries[0].stage = STAGE_S5;
    judge_all(world, true, "");
    world = make_failed(1, 'D'); /* a triple bounce, or the admin's wish */
    world->entries[0].discarded = true;
    judge(world, "");
}
END_TEST

START_TEST(sees_who_is_told_of_without_a_failure)
{
    struct world *world = make_failed(1, 'Z');

    add_bounce(world, GROUP("bob@away.example", "5.1.1", SAID));
    judge(world, "BOUNCE VERDICT");
    world = make_failed(2, 'D'); /* carol was delivered */
    add_bounce(world,
               GROUP("bob@away.example", "5.1.1", SAID) GROUP("carol@away.example", "5.1.1", SAID));
    judge(world, "BOUNCE");
    world = make_failed(2, 'D'); /* a crash is no reason */
    add_upset(world, 1.55, UPSET_POWER);
    add_bounce(world,
               GROUP("bob@away.example", "5.1.1", SAID) GROUP("carol@away.example", "5.1.1", SAID));
    judge(world, "BOUNCE");
    world = make_failed(2, 'D'); /* nobody heard how it went */
    world->machines[0].log.gap_ns = 3 * NANOSECONDS / 2;
    add_bounce(world,
               GROUP("bob@away.example", "5.1.1", SAID) GROUP("carol@away.example", "5.1.1", SAID));
    judge(world, "");
}
END_TEST

START_TEST(goes_to_the_sender_with_all_of_the_message)
{
    static const struct {
        const char *sender, *recipient, *want;
    } bounces[] = {{"robot@app.example", "robot@app.example", ""},
                   {"robot@app.example", "carol@away.example", "BOUNCE"},
                   {"list-@app.example-@[]", "list-@app.example", ""},
                   {"list-@app.example-@[]", "list-@app.example-@[]", "BOUNCE"}};

    for (size_t i = 0; i < sizeof bounces / sizeof *bounces; i++) {
        struct world *world = make_failed(1, 'D');
        struct entry *bounce = add_bounce(world, GROUP("bob@away.example", "5.1.1", SAID));

        free(world->entries[0].sender);
        world->entries[0].sender = must_copy(bounces[i].sender, strlen(bounces[i].sender));
        *LIST_ADD(bounce->recipients, bounce->recipient_count) =
            must_copy(bounces[i].recipient, strlen(bounces[i].recipient));
        bounce->discarded = true; /* what becomes of it is another matter */
        judge(world, bounces[i].want);
    }
    struct world *world = make_failed(1, 'D');
    struct entry *bounce = add_bounce(world, GROUP("bob@away.example", "5.1.1", SAID));

    bounce->text_size -= strlen("lo\n\n--x--\n");
    judge(world, "CHANGED");
}
END_TEST

static const struct {
    double upset; /* 0: none */
    bool in_one;  /* both in one bounce */
    const char *want;
} twice[] = {
    {0, false, "BOUNCE"}, {0, true, "BOUNCE"},   {1.7, false, ""},     {3.5, false, ""},
    {1.55, true, ""},     {60, false, "BOUNCE"}, {1, false, "BOUNCE"}, {60, true, "BOUNCE"},
};

START_TEST(told_of_twice_wants_a_reason)
{
    struct world *world = make_failed(1, 'D');

    if (twice[_i].in_one) {
        add_bounce(world, GROUP("bob@away.example", "5.1.1", SAID)
                              GROUP("bob@away.example", "5.1.1", SAID));
    } else {
        add_bounce(world, GROUP("bob@away.example", "5.1.1", SAID));
        add_bounce(world, GROUP("bob@away.example", "5.1.1", SAID));
    }
    if (twice[_i].upset > 0)
        add_upset(world, twice[_i].upset, UPSET_POWER);
    judge(world, twice[_i].want);
}
END_TEST

/* What bob's report says, where the remote said `reply` to RCPT or to the message. */
static const struct {
    const char *rcpt, *data, *end;
    const char *status, *more;
    bool expired;
    const char *want;
} words[] = {
    {"550 5.1.1 no", NULL, NULL, "5.1.1", SAID, false, ""},
    {"550 5.1.1 no", NULL, NULL, "5.1.2", SAID, false, "BOUNCE"},
    {"550 5.1.1 no", NULL, NULL, "4.1.1", SAID, false, "BOUNCE"},
    {"550 5.1.2 no", NULL, NULL, "5.1.1", SAID, false, "BOUNCE"},
    {"550 5.1.1 no", NULL, NULL, "5.0.0", "Diagnostic-Code: x-nixie; no\n", false, "BOUNCE"},
    {"550 no", NULL, NULL, "5.0.0", "Diagnostic-Code: smtp; 550 no\n", false, ""},
    {"550-no\n550 never", NULL, NULL, "5.0.0", "Diagnostic-Code: smtp; 550-no 550\n  never\n",
     false, ""},
    {"550-no\n550 never", NULL, NULL, "5.0.0", "Diagnostic-Code: smtp; 550 never\n", false,
     "BOUNCE"},
    {"250 ok", "354 go", "552 5.2.2 full", "5.2.2", "Diagnostic-Code: smtp; 552 5.2.2 full\n",
     false, ""},
    {"250 ok", "354 go", "552 5.2.2 full", "5.1.1", SAID, false, "BOUNCE"},
    {"250 ok", "554 5.5.0 no", NULL, "5.5.0", "Diagnostic-Code: smtp; 554 5.5.0 no\n", false, ""},
    {"451 later", NULL, NULL, "4.4.7", "Diagnostic-Code: smtp; 451 later\n", true, ""},
    {"451 later", NULL, NULL, "4.0.0", "Diagnostic-Code: smtp; 451 later\n", true, "BOUNCE"},
    {"451 later", NULL, NULL, "4.4.7", "Diagnostic-Code: smtp; 451 sooner\n", true, "BOUNCE"},
    {"550 5.1.1 no", NULL, NULL, "5.1.1",
     "Diagnostic-Code: smtp; 550 5.1.1 no\nRemote-MTA: dns; [198.51.100.9]\n", false, "BOUNCE"},
    {"250 ok", "503 no", NULL, "5.0.0", "Diagnostic-Code: x-nixie; too large\n", false, ""},
};

START_TEST(says_what_the_remote_said)
{
    char groups[600];
    struct world *world = make_world(1);

    remotes[0].addresses = addresses;
    remotes[0].address_count = 1;
    set_text(add_attempt(world, "bob@away.example", 1.5, 'D'),
             words[_i].expired ? EXPIRED : REFUSED);
    if (words[_i].expired) /* old enough */
        world->attempts[0].start_ns = world->attempts[0].end_ns = 700000 * NANOSECONDS;
    talk(world, words[_i].expired ? 700000 : 1.51, words[_i].rcpt, words[_i].data, words[_i].end);
    snprintf(groups, sizeof groups,
             "Final-Recipient: rfc822; bob@away.example\nAction: failed\nStatus: %s\n%s",
             words[_i].status, words[_i].more);
    add_bounce(world, groups)->answer_ns = (words[_i].expired ? 700001 : 3) * NANOSECONDS;
    judge(world, words[_i].want);
}
END_TEST

/* nixie-remote is killed in the last try; what the remote says behind that nobody hears. */
START_TEST(what_is_said_behind_the_try_is_not_heard)
{
    for (int late = 0; late < 2; late++) {
        struct world *world = make_world(1);
        struct attempt *attempt = add_attempt(world, "bob@away.example", 700000, 'D');

        set_text(attempt, "nixie-remote_crashed._Possible_duplicate!_(#4.3.0)/" EXPIRED);
        talk(world, 700000.05, NULL, NULL, NULL);
        say(world, late ? 700017 : 700000.06, false, "550 5.1.1 no");
        add_bounce(world, GROUP("bob@away.example", "4.4.7", "Diagnostic-Code: x-nixie; no\n"))
            ->answer_ns = 700001 * NANOSECONDS;
        judge(world, late ? "" : "BOUNCE");
    }
}
END_TEST

START_TEST(another_recipients_reply_is_not_his)
{
    struct world *world = make_world(2);

    remotes[0].addresses = addresses;
    remotes[0].address_count = 1;
    set_text(add_attempt(world, "bob@away.example", 1.5, 'D'), REFUSED);
    set_text(add_attempt(world, "carol@away.example", 1.5, 'D'), REFUSED);
    talk(world, 1.51, "550 5.1.1 no", NULL, NULL);
    say(world, 1.51, true, "RCPT TO:<carol@away.example>");
    say(world, 1.51, false, "550 5.7.1 go away");
    add_bounce(world,
               GROUP("bob@away.example", "5.1.1", SAID) GROUP("carol@away.example", "5.1.1", SAID));
    judge(world, "BOUNCE");
}
END_TEST

START_TEST(an_action_is_failed)
{
    struct world *world = make_failed(1, 'D');

    add_bounce(world, "Final-Recipient: rfc822; bob@away.example\nAction: delayed\n"
                      "Status: 5.1.1\n" SAID);
    judge(world, "BOUNCE");
}
END_TEST

START_TEST(qmails_own_form_tells_of_recipients_too)
{
    static const char text[] = "\n<bob@away.example>:\nno\n\n" CONTENT;
    struct world *world = make_failed(1, 'D');
    struct entry *entry = add_bounce(world, "");

    free(entry->text);
    entry->text = must_copy(text, sizeof text - 1);
    entry->text_size = sizeof text - 1;
    judge(world, "");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("judge_bounces");
    TCase *tests = tcase_create("judge_bounces");
    SRunner *runner;
    int failed;

    tcase_add_test(tests, told_of_once_is_right);
    tcase_add_loop_test(tests, is_of_the_message_that_it_has, 0, sizeof quoted / sizeof *quoted);
    tcase_add_test(tests, sees_who_is_not_told_of);
    tcase_add_test(tests, goes_to_the_sender_with_all_of_the_message);
    tcase_add_test(tests, sees_who_is_told_of_without_a_failure);
    tcase_add_loop_test(tests, told_of_twice_wants_a_reason, 0, sizeof twice / sizeof *twice);
    tcase_add_loop_test(tests, says_what_the_remote_said, 0, sizeof words / sizeof *words);
    tcase_add_test(tests, what_is_said_behind_the_try_is_not_heard);
    tcase_add_test(tests, another_recipients_reply_is_not_his);
    tcase_add_test(tests, an_action_is_failed);
    tcase_add_test(tests, qmails_own_form_tells_of_recipients_too);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
