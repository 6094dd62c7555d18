/* SPDX-License-Identifier: ISC */
/* The oracle VERDICT where more than one transaction went on while a try did, on ledgers made by
 * hand: those of other messages, and those of which no recipient is known. */
#include "tests/unit/sim/net_ledger.h"

#define DIED "Connected_to_198.51.100.1_but_connection_died._(#4.4.2)/"
#define SPAM "Connected_to_198.51.100.2_but_sender_was_rejected./Remote_host_said:_554_5.7.1_spam/"

/* --- what was said to another message --------------------------------------------------------*/

#define RECEIVED_2 "Received: (nixie-queue 2 invoked from network); now\n"

/* The remote takes message 1 or 2 from bob, and says yes to all of it, while message 1 is put off
 * because its own connection died. */
static const struct {
    const char *data; /* of what is taken; NULL: nothing */
    const char *want;
} puts_off[] = {
    {RECEIVED CONTENT, "HONESTY VERDICT"},
    {RECEIVED_2 CONTENT, ""},
    {NULL, "VERDICT"},
};

START_TEST(a_yes_to_another_message_is_none)
{
    struct world *world = make_world(1);

    set_text(add_attempt(world, "bob@away.example", 1.5, 'Z'), DIED);
    if (puts_off[_i].data) {
        take(world, 1.51, 1.52, "250 ok, taken");
        world->takings[0].data = puts_off[_i].data;
        world->takings[0].size = strlen(puts_off[_i].data);
    } else {
        talk(world, 1.51, "250 ok", "354 go ahead", "250 ok, taken");
    }
    world->entries[0].stage = STAGE_S5;
    judge_all(world, true, puts_off[_i].want);
}
END_TEST

/* Nobody can tell whose a transaction is that ends without a message, if another is tried for the
 * same recipient when it begins. */
static const struct {
    double other; /* when its try begins, which takes 0.1 s */
    const char *recipient;
    const char *want;
} others[] = {
    {1.5, "bob@away.example", ""},
    {1.3, "bob@away.example", "VERDICT"},
    {1.5, "carol@away.example", "VERDICT"},
};

START_TEST(a_yes_to_nobody_knows_whom_is_none)
{
    struct world *world = make_world(1);

    set_text(add_attempt(world, "bob@away.example", 1.5, 'Z'), DIED);
    add_attempt(world, others[_i].recipient, others[_i].other, 'Z')->number = 2;
    talk(world, 1.51, "250 ok", "354 go ahead", NULL);
    world->entries[0].stage = STAGE_S5;
    judge_all(world, true, others[_i].want);
}
END_TEST

/* --- more replies than one --------------------------------------------------------------------*/

/* To RCPT; the server says DATA's 354, and hears no message. */
static const struct {
    const char *reply, *want;
} replies[] = {
    {"250 ok", "VERDICT"},
    {"250-it is\n250 ok", "VERDICT"},
    {"250 ok\n550 5.1.1 no", ""},
};

START_TEST(two_replies_are_no_yes)
{
    struct world *world = make_world(1);

    set_text(add_attempt(world, "bob@away.example", 1.5, 'Z'), DIED);
    talk(world, 1.51, replies[_i].reply, "354 go ahead", NULL);
    world->entries[0].stage = STAGE_S5;
    judge_all(world, true, replies[_i].want);
}
END_TEST

/* --- a sender that is refused before a recipient is named ------------------------------------*/

/* The connection to the first mail exchanger breaks, the second answers MAIL. */
static const struct {
    const char *mail, *reply;
    const char *text;
    const char *want;
} refusals[] = {
    {"MAIL FROM:<robot@app.example>", "554 5.7.1 spam", SPAM, ""},
    {"MAIL FROM:<robot@app.example> SIZE=230", "554 5.7.1 spam", SPAM, ""},
    {"MAIL FROM:<other@app.example>", "554 5.7.1 spam", SPAM, "VERDICT"},
    {"MAIL FROM:<robot@app.example>", "451 4.7.1 later", SPAM, "VERDICT"},
    {"MAIL FROM:<robot@app.example>", "554 5.7.1 spam", DIED, "VERDICT"},
};

START_TEST(a_refused_sender_is_a_failure)
{
    struct world *world = make_world(1);

    set_text(add_attempt(world, "bob@away.example", 1.5, 'D'), refusals[_i].text);
    talk(world, 1.51, "250 2.1.5 ok", NULL, NULL);
    add_connection(world);
    say(world, 1.52, true, refusals[_i].mail);
    say(world, 1.52, false, refusals[_i].reply);
    world->entries[0].stage = STAGE_S5;
    judge_all(world, true, refusals[_i].want);
}
END_TEST

/* --- a connection that is refused, beside another message's refusal ----------------------------*/

/* The connection for the message got as far as that; the other's recipient is refused. */
static const struct {
    const char *said[2];
    const char *text;
    const char *want;
} turned_away[] = {
    {{"554 5.7.1 go away"}, "x_but_greeting_failed./Remote_host_said:_554_5.7.1_go_away/", ""},
    {{"220 hello", "550 who"}, "x_but_my_name_was_rejected./Remote_host_said:_550_who/", ""},
    {{"220 hello", "250 hello"}, "x_failed/Remote_host_said:_550_5.1.1_no/", "VERDICT"},
};

START_TEST(a_refused_connection_is_tried_again)
{
    struct world *world = make_world(1);

    set_text(add_attempt(world, "bob@away.example", 1.5, 'Z'), turned_away[_i].text);
    talk(world, 1.51, "550 5.1.1 no", NULL, NULL);
    add_connection(world);
    say(world, 1.52, false, turned_away[_i].said[0]);
    if (turned_away[_i].said[1]) {
        say(world, 1.52, true, "HELO example.com");
        say(world, 1.52, false, turned_away[_i].said[1]);
    }
    world->entries[0].stage = STAGE_S5;
    judge_all(world, true, turned_away[_i].want);
}
END_TEST

/* --- too large for a server --------------------------------------------------------------------*/

static const struct {
    const char *hello; /* the reply to EHLO */
    const char *want;
} sizes[] = {{"250-hello\n250 SIZE 300", ""}, {"250 hello", "VERDICT"}};

/* It takes another message to the same recipient meanwhile. */
START_TEST(what_is_too_large_is_said_before)
{
    struct world *world = make_world(1);

    set_text(add_attempt(world, "bob@away.example", 1.5, 'D'),
             "198.51.100.1_takes_messages_of_up_to_300_bytes;_this_one_has_416._(#5.3.4)/");
    add_connection(world);
    say(world, 1.4, true, "EHLO example.com");
    say(world, 1.4, false, sizes[_i].hello);
    talk(world, 1.51, "250 ok", "354 go ahead", "250 ok, taken");
    world->entries[0].stage = STAGE_S5;
    judge_all(world, true, sizes[_i].want);
}
END_TEST

/* --- one recipient too many --------------------------------------------------------------------*/

/* 552 to bob, behind the answer to another RCPT, and what became of the try. */
static const struct {
    const char *before; /* to carol; NULL: bob is the only one */
    bool earlier;       /* the connection had a transaction before */
    char result;
    const char *want;
} too_many[] = {
    {NULL, false, 'D', ""},
    {NULL, false, 'Z', "VERDICT"},
    {"550 5.1.1 no", false, 'D', ""},
    {"550 5.1.1 no", false, 'Z', "VERDICT"},
    {"250 ok", false, 'D', "VERDICT"},
    {"250 ok", false, 'Z', ""},
    {NULL, true, 'D', "VERDICT"},
    {NULL, true, 'Z', ""},
};

static void say_twice(struct world *world, double time, const char *command, const char *reply)
{
    say(world, time, true, command);
    say(world, time, false, reply);
}

START_TEST(a_552_may_be_about_their_number)
{
    struct world *world = make_world(1);

    set_text(add_attempt(world, "bob@away.example", 1.5, too_many[_i].result),
             "x_does_not_like_recipient./Remote_host_said:_552_too_many/");
    add_connection(world);
    if (too_many[_i].earlier)
        say_twice(world, 1.50, "MAIL FROM:<>", "250 ok");
    say_twice(world, 1.51, "MAIL FROM:<robot@app.example>", "250 ok");
    if (too_many[_i].before)
        say_twice(world, 1.51, "RCPT TO:<carol@away.example>", too_many[_i].before);
    say_twice(world, 1.52, "RCPT TO:<bob@away.example>", "552 too many");
    world->entries[0].stage = STAGE_S5;
    judge_all(world, true, too_many[_i].want);
}
END_TEST

/* --- a program that had two messages of one letter ---------------------------------------------*/

/* While message 1 is put off, a program ends so for the same recipient. */
static const struct {
    const char *input;
    int exit_code;
    const char *want;
} program_ends[] = {
    {RECEIVED CONTENT, 100, "VERDICT"},
    {RECEIVED CONTENT, 111, ""},
    {RECEIVED_2 CONTENT, 100, ""}, /* of what a forward made of it */
};

START_TEST(what_a_program_says_is_of_one_message)
{
    static const char variable[] = "RECIPIENT=bob@away.example";
    struct world *world = make_world(1);
    struct program_run *run = LIST_ADD(world->runs, world->run_count);

    controls[hosts[0].control_count++] = (struct named_text){"locals", {"away.example\n", 13}};
    add_attempt(world, "bob@away.example", 1.5, 'Z')->remote = false;
    run->program = "first";
    run->ended = true;
    run->exit_code = program_ends[_i].exit_code;
    run->start_ns = run->end_ns = world->attempts[0].start_ns + 1;
    run->input = must_copy(program_ends[_i].input, strlen(program_ends[_i].input));
    run->input_size = strlen(program_ends[_i].input);
    *LIST_ADD(run->environment, run->environment_count) = must_copy(variable, strlen(variable));
    world->entries[0].stage = STAGE_S5;
    judge_all(world, true, program_ends[_i].want);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("judge_verdict");
    TCase *tests = tcase_create("judge_verdict");
    SRunner *runner;
    int failed;

    tcase_add_loop_test(tests, a_yes_to_another_message_is_none, 0,
                        sizeof puts_off / sizeof *puts_off);
    tcase_add_loop_test(tests, a_yes_to_nobody_knows_whom_is_none, 0,
                        sizeof others / sizeof *others);
    tcase_add_loop_test(tests, two_replies_are_no_yes, 0, sizeof replies / sizeof *replies);
    tcase_add_loop_test(tests, a_refused_sender_is_a_failure, 0,
                        sizeof refusals / sizeof *refusals);
    tcase_add_loop_test(tests, a_refused_connection_is_tried_again, 0,
                        sizeof turned_away / sizeof *turned_away);
    tcase_add_loop_test(tests, what_is_too_large_is_said_before, 0, sizeof sizes / sizeof *sizes);
    tcase_add_loop_test(tests, a_552_may_be_about_their_number, 0,
                        sizeof too_many / sizeof *too_many);
    tcase_add_loop_test(tests, what_a_program_says_is_of_one_message, 0,
                        sizeof program_ends / sizeof *program_ends);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
