/* SPDX-License-Identifier: ISC */
/* Runs of scenarios with remotes, clients, the DNS and several hosts: that what is expected of them
 * holds and can fail, that events and actions take place, and that the oracles see. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "sim/scenario/run.h"

static struct scenario *parse(const char *text)
{
    struct scenario *scenario = scenario_parse("test", text, strlen(text), NULL, 0, stderr);

    ck_assert_ptr_nonnull(scenario);
    return scenario;
}

#define HOST "host mail example.com\n    user alice\n"
#define RELAY HOST "    relay from app\n"
#define AWAY "remote away\n    serves away.example\n"
#define GREY AWAY "    on RCPT first 1 reply 451 \"4.7.1 later\"\n"
#define GONE AWAY "    on RCPT nobody@* reply 550 \"5.1.1 no such user\"\n"
#define LOSSY AWAY "    on EOD first 1 take close\n"
#define LATER AWAY "    on EOD take bounce after 1h status 5.2.2 \"full\"\n"
#define APP "client app\n"
#define SEND "at 0s alice sends m1 to bob@away.example\n"
#define SEND_TWO "at 0s alice sends m1 to bob@away.example nobody@away.example\n"
#define SUBMIT "at 0s app sends m1 from x@app.example to alice@example.com bob@away.example\n"
#define SHORT "    control queuelifetime 1000\n"

static const struct {
    const char *text;
    const char *want; /* in the first failure; NULL: it holds */
} stories[] = {
    /* took */
    {HOST AWAY SEND "expect away took m1 once at 0s\n    contents unchanged\n", NULL},
    {HOST AWAY SEND "expect away took m1 from alice@* to bob@*\n", NULL},
    {HOST AWAY SEND "expect away took m1 from bob@*\n", "away did not take it"},
    {HOST AWAY SEND "expect away took m1 to carol@*\n", "away did not take it"},
    {HOST AWAY SEND "expect away took m1 2 times\n", "away took it 1 time, not 2"},
    {HOST AWAY SEND "expect away took m1 at 1s\n", "away took it at +"},
    {HOST AWAY SEND "expect away took m1\n    body contains nothing\n", "does not contain"},
    {HOST AWAY SEND "expect m1 delivered to bob@away.example once\n", NULL},
    {HOST AWAY SEND "expect m1 not delivered\n", "delivered at +"},
    /* tried */
    {HOST GREY SEND "expect m1 tried at 0s 6m40s\n", NULL},
    {HOST GREY SEND "expect m1 tried at 0s 6m41s\n", "tried at +"},
    {HOST GREY SEND "expect m1 tried at 0s\n", "tried at +"},
    {HOST GREY SEND "expect m1 tried 2 times\n", NULL},
    {HOST GREY SEND "expect m1 tried once\n", "tried 2 times: +"},
    {HOST AWAY SEND "expect m1 tried at m1 accepted +0s\n", NULL},
    {HOST GREY SEND "expect m1 tried in 1m..2m\n", "tried 2 times"},
    /* connected, asked */
    {HOST AWAY SEND "expect away connected once\n", NULL},
    {HOST AWAY SEND "expect away connected 2 times\n", "1 connections, not 2"},
    {HOST AWAY SEND "expect dns asked away.example MX once\n", NULL},
    {HOST AWAY SEND "expect dns asked away.example TXT\n", "no such queries"},
    /* bounced */
    {HOST GONE SEND_TWO "expect m1@nobody@* bounced to alice@example.com once status 5.1.1\n"
                        "    final-recipient nobody@away.example\n    action failed\n"
                        "    diagnostic \"smtp; 550 5.1.1*\"\n    remote-mta *\n"
                        "    original attached\n",
     NULL},
    {HOST GONE SEND_TWO "expect m1 bounced status 5.7.1\n", "the bounce says 5.1.1"},
    {HOST GONE SEND_TWO "expect m1@bob@* bounced\n", "no bounce"},
    {HOST GONE SEND_TWO "expect m1 bounced\n    final-recipient bob@*\n",
     "the bounce says nobody@away.example"},
    {HOST GONE SEND_TWO "expect m1 bounced at 1s\n", "bounced at +"},
    {HOST GONE SEND_TWO "expect m1.bounce delivered to alice@example.com once\n", NULL},
    {HOST LATER SEND "expect m1 bounced at 1h status 5.2.2\nexpect away took m1 once\n", NULL},
    {HOST SHORT AWAY "    on connect refuse\n" SEND
                     "expect m1 bounced at m1#1 +26m40s status 4.4.7\nexpect m1 tried at 0s 6m40s "
                     "26m40s\n",
     NULL},
    /* clients */
    {RELAY AWAY APP SUBMIT "expect m1 accepted once at 0s\nexpect m1 delivered once\n", NULL},
    {RELAY AWAY APP SUBMIT "expect m1 refused\n", "accepted at +"},
    {RELAY AWAY APP SUBMIT "expect m1#2 delivered\n", "not delivered"},
    {RELAY APP "at 0s app sends m1 from x@app.example to ghost@elsewhere.example\n"
               "at 0s app stops\n",
     NULL},
    {"host mail example.com\n    user alice\n" AWAY APP SUBMIT
     "expect m1@alice@* accepted\nexpect m1@bob@* refused\nexpect m1 not accepted\n",
     NULL},
    {"host mail example.com\n    user alice\n" AWAY APP SUBMIT "expect m1@bob@* accepted\n",
     "refused at +"},
    /* events and actions */
    {HOST AWAY SEND "after away takes m1 crash mail power keep all\nafter crash 1s boot mail\n"
                    "expect away took m1 2 times\n",
     NULL},
    {HOST AWAY SEND "before away takes m1 kill remote\nexpect m1 tried 2 times\n", NULL},
    {HOST GREY SEND "after m1 tried crash mail programs\nafter crash 1s boot mail\n"
                    "expect m1 delivered once\n",
     NULL},
    {HOST GONE SEND_TWO "after m1 bounced 1s alice sends m2 to bob@away.example\n"
                        "expect m2 delivered once\n",
     NULL},
    {HOST AWAY SEND "after m1 delivered 1h alice sends m2 to bob@away.example\n"
                    "expect m2 delivered once at m1 delivered +1h\n",
     NULL},
    {HOST AWAY SEND "after away connected crash mail power keep all\nafter crash 1s boot mail\n"
                    "expect m1 delivered once\n",
     NULL},
    {HOST AWAY SEND "after away takes m1.bounce crash mail power\nexpect m1 accepted\n",
     "this never happened"},
    {HOST AWAY "at 0s away down\nat 1s alice sends m1 to bob@away.example\nat 5m away up\n"
               "expect m1 delivered once at 6m41s\n",
     NULL},
    {HOST AWAY "at 0s dns down\nat 1s alice sends m1 to bob@away.example\nat 5m dns up\n"
               "expect m1 delivered once at 6m41s\n",
     NULL},
    {HOST AWAY "network mail to away refuse\n" SEND "at 1m network mail to away open\n"
               "expect m1 delivered once at 6m40s\n",
     NULL},
    {HOST AWAY "network mail to away delay 1s\n" SEND "expect m1 delivered once in 5s..1m\n", NULL},
    {HOST AWAY "network mail to away reset after 100 bytes from client connection 1\n" SEND
               "expect m1 tried at 0s 6m40s\n",
     NULL},
    /* duplicates that are explained, and what is not lost */
    {HOST LOSSY SEND "expect away took m1 2 times\nexpect log \"Possible_duplicate\" once\n", NULL},
    {"host mail example.com\n    user alice\nhost other other.example\n    user bob\n"
     "at 0s alice sends m1 to bob@other.example\nat 0s alice sends m2 to ghost@other.example\n"
     "expect m1 delivered once\nexpect m2 bounced once\nexpect m2.bounce delivered once\n",
     NULL},
    {"host mail example.com\n    user alice\nhost other other.example\n    user bob\n"
     "at 0s alice sends m1 to bob@other.example\nafter m1 accepted crash other power\n"
     "after crash 10m boot other\nexpect m1 delivered once in 10m..1h\n",
     NULL},
};

START_TEST(stories_hold_and_fail)
{
    struct scenario *scenario = parse(stories[_i].text);
    struct run_options options = {.seed = 1};
    struct run_result result;

    scenario_run(scenario, &options, &result);
    if (!stories[_i].want) {
        ck_assert_msg(result.verdict == VERDICT_HELD, "%s\n%s%s", stories[_i].text,
                      result.failure_count ? result.failures[0].message : "?",
                      result.failure_count && result.failures[0].detail ? result.failures[0].detail
                                                                        : "");
    } else {
        ck_assert_msg(result.failure_count > 0, "%s\nholds", stories[_i].text);
        ck_assert_msg(strstr(result.failures[0].message, stories[_i].want), "%s\n%s",
                      stories[_i].text, result.failures[0].message);
    }
    run_result_free(&result);
    scenario_free(scenario);
}
END_TEST

/* The same run is the same, also with other memory; a remote that is told of is in its hash. */
START_TEST(a_run_is_the_same_again)
{
    struct scenario *scenario = parse(RELAY GREY APP SUBMIT);
    struct run_options options[3] = {{.seed = 1}, {.seed = 1}, {.seed = 2}};
    uint64_t hashes[3];

    options[1].fill_byte = 0x5a;
    options[1].arena_offset = 4096;
    options[1].environment_padding = 100;
    for (size_t i = 0; i < 3; i++) {
        struct run_result result;

        scenario_run(scenario, &options[i], &result);
        ck_assert_int_eq(result.verdict, VERDICT_HELD);
        hashes[i] = result.hash;
        run_result_free(&result);
    }
    ck_assert_uint_eq(hashes[0], hashes[1]);
    ck_assert_uint_ne(hashes[0], hashes[2]);
    scenario_free(scenario);
}
END_TEST

/* A host loses power at any of the remote's and the client's calls, and everything holds. */
START_TEST(hosts_lose_power_at_calls_of_others)
{
    struct scenario *scenario = parse(RELAY GREY "client app\n    retry every 5m until accepted\n"
                                                 "    timeout 1m\n" SUBMIT);
    unsigned crashed = 0;

    for (uint64_t call = 100; call < 2000; call += 23) {
        struct crash_plan plan = {.call_number = call, .host = "mail", .chooser = &choose_none};
        struct run_options options = {
            .seed = 1, .crashes = &plan, .crash_count = 1, .only_oracles = true};
        struct run_result result;

        scenario_run(scenario, &options, &result);
        ck_assert_msg(result.verdict == VERDICT_HELD, "call %u: %s", (unsigned) call,
                      result.failure_count ? result.failures[0].message : "?");
        crashed += result.planned_crashes > 0;
        run_result_free(&result);
    }
    ck_assert_uint_gt(crashed, 20);
    scenario_free(scenario);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("run_net");
    TCase *tests = tcase_create("run_net");
    SRunner *runner;
    int failed;

    tcase_add_loop_test(tests, stories_hold_and_fail, 0, sizeof stories / sizeof *stories);
    tcase_add_test(tests, a_run_is_the_same_again);
    tcase_add_test(tests, hosts_lose_power_at_calls_of_others);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
