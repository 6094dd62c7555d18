/* SPDX-License-Identifier: ISC */
/* The checker of scenario files: what it understands, what it says about the rest, and that no
 * input makes it fall over. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "sim/kernel/random.h"
#include "sim/scenario/model.h"

static const char valid[] =
    "scenario \"all of it\"\n"
    "param n 3\n"
    "clock 2026-01-02 03:04:05\n"
    "until 2h\n"
    "host mail example.com\n"
    "    disk strict\n"
    "    capacity 400 blocks\n"
    "    control queuelifetime 86400\n"
    "    control locals\n"
    "        | example.com\n"
    "    user alice\n"
    "    user bob\n"
    "        | ./Mailbox\n"
    "        qmail -list\n"
    "            | |deliver now\n"
    "        maildir Work\n"
    "        mode 0700\n"
    "    alias postmaster\n"
    "        | &alice\n"
    "    program deliver\n"
    "        exit 111 first 2 print \"later\"\n"
    "        signal TERM after 5\n"
    "        exit 0 takes 3s\n"
    "file letter\n"
    "    | Message-ID: <x@y>\n"
    "    |\n"
    "at 0s alice sends m1 with letter to bob@example.com via queue\n"
    "at 1s alice sends m to bob@x.example c@x.example from \"\" times ${n}\n"
    "    | Subject: hi\n"
    "    |\n"
    "    | there\n"
    "at 2s root sends m3 with letter to a@b via sendmail\n"
    "before m1 enters S4 crash mail power keep S3\n"
    "after m1 enters S5 crash mail power keep all\n"
    "    lose \"*/info/?: entry added\"\n"
    "    keep */todo/*  # what it is about\n"
    "    find 3 \"*/mess/1: write of *\"\n"
    "after m.2 durable S4 1ms crash mail programs\n"
    "after crash 1m boot mail\n"
    "after m1 accepted 5s kill send\n"
    "at 5s signal nixie-send ALRM on mail\n"
    "at 6s mail disk free 40 blocks\n"
    "at 7s mail disk room\n"
    "at 8s clock back 1h\n"
    "fault queue fsync 1 EIO times 2 path mess/*\n"
    "fault any any 40 ENOSPC for 1m\n"
    "fault send write 7 short\n"
    "fault send write 7 short 100 bytes times 3\n"
    "fault local fsync 1 slow 30s\n"
    "fault send clock 5 clock back 3h\n"
    "fault queue write 9 lost\n"
    "fault smtp-server write 1 reset after 7 bytes\n"
    "fault send allocation 12\n"
    "expect m1 accepted at 5m\n"
    "expect m.* not refused with 53\n"
    "expect m1@bob@example.com delivered once in 5s..10s\n"
    "    contents unchanged\n"
    "    header Delivered-To matches \"bob*\"\n"
    "    body contains there\n"
    "expect m1.bounce.bounce delivered to postmaster@* by 1h\n"
    "expect m1 bounced to alice@* 1 times\n"
    "expect m1 lost \"todo/*\"\n"
    "expect m1 in S5 at 1.5s\n"
    "expect program deliver ran 3 times\n"
    "    environment SENDER matches alice*\n"
    "    arguments match *\n"
    "expect log mail \"new msg *\" once\n"
    "expect mbox bob/Mailbox holds 3 messages\n"
    "expect mail spool empty by 72h\n"
    "expect mail spool holds 2 messages at 3s\n"
    "allow duplicate m.1\n";

static struct scenario *parse(const char *text, size_t size, char **errors)
{
    size_t errors_size = 0;
    FILE *to = open_memstream(errors, &errors_size);
    struct scenario *scenario;

    ck_assert_ptr_nonnull(to);
    scenario = scenario_parse("test", text, size, NULL, 0, to);
    fclose(to);
    return scenario;
}

START_TEST(understands_every_statement)
{
    char *errors;
    struct scenario *scenario = parse(valid, strlen(valid), &errors);

    ck_assert_str_eq(errors, "");
    ck_assert_ptr_nonnull(scenario);
    ck_assert_str_eq(scenario_title(scenario), "all of it");
    ck_assert_int_eq(scenario->epoch, 1767323045);
    ck_assert_uint_eq(scenario->message_count, 5);
    ck_assert_str_eq(scenario->messages[2].name, "m.2");
    ck_assert_str_eq(scenario->messages[2].id, "<m.2@scenario.nixie>");
    ck_assert_str_eq(scenario->messages[0].id, "<x@y>");
    ck_assert_str_eq(scenario->messages[0].header, "");
    ck_assert_str_eq(scenario->messages[4].header, "Nixie-Message: m3\n");
    ck_assert_uint_eq(scenario->event_count, 12);
    ck_assert_uint_eq(scenario->events[4].action.pin_count, 3);
    ck_assert_str_eq(scenario->events[4].action.pins[1].pattern, "*/todo/*");
    ck_assert_uint_eq(scenario->events[4].action.pins[2].answer, 3);
    ck_assert_uint_eq(scenario->hosts[0].users[1].qmail_count, 2);
    ck_assert_str_eq(scenario->hosts[0].users[1].qmail[1].text.data, "|deliver now\n");
    ck_assert_int_eq(scenario->expectations[0].when.from_ns, 300000000000);
    ck_assert_int_eq(scenario->expectations[0].when.to_ns, 301000000000);
    ck_assert_uint_eq(scenario->expectations[3].message.bounce, 2);
    free(errors);
    scenario_free(scenario);
}
END_TEST

#define HOST "host mail\n    user a\n"
static const struct {
    const char *text;
    const char *want; /* in what is printed */
} wrongs[] = {
    {"hots x\n", "test:1:1: unknown statement \"hots\"; did you mean \"host\"?\n1 | hots x\n"},
    {"host\n", "test:1:5: expected the name of a host"},
    {"host 1x\n", "test:1:6: the name of a host begins with a letter"},
    {"host a\nhost a\n", "test:2:6: there is a host \"a\" already"},
    {"host a\n    disk zfs\n", "test:2:10: unknown disk model \"zfs\""},
    {"host a\n    disk strict now\n", "test:2:17: this is too much"},
    {"host a\n    capacity many\n", "test:2:14: expected a number"},
    {"host a\n    control ../x 1\n", "test:2:13: the name of a control file"},
    {"host a\n    user root\n", "test:2:10: there is a user \"root\" already"},
    {"host a\n    user b\n        maildir ../x\n", "test:3:17: a maildir is a path below"},
    {"host a\n    user b\n        mode 9\n", "test:3:14: a mode is octal"},
    {"host a\n    program b\n        exit 256\n", "test:3:14: expected a number from 0 to 255"},
    {"host a\n    program b\n        signal FOO\n", "test:3:16: unknown signal \"FOO\""},
    {"host a\n    | x\n", "test:2:5: the statement above takes no lines"},
    {"clock now\n", "test:1:10: expected a time of day"},
    {"clock 2026-02-30 00:00:00\n", "test:1:7: expected a date"},
    {"at 0s a sends m to b@c\n", "test:1:7: unknown user \"a\""},
    {HOST "at 0s a sends m\n", "test:3:16: to whom?"},
    {HOST "at 0s a sends m to\n", "test:3:19: expected an address"},
    {HOST "at 0s a sends m to b times 0\n", "test:3:28: expected a number from 1"},
    {HOST "at 0s a sends mail to b\n", "test:3:15: a host has this name"},
    {HOST "at 0s a sends m to b via smtp\n", "test:3:26: expected inject, queue or sendmail"},
    {HOST "at 0s a sends m to b with f\n", "test:3:27: unknown file \"f\""},
    {HOST "at 0 a sends m to b\n", "test:3:4: expected a time"},
    {HOST "at 0s a sends m to b\nat 0s a sends m to b\n", "test:4:15: there is a message"},
    {HOST "at 0s crash mali power\n", "test:3:13: unknown host \"mali\"; did you mean \"mail\"?"},
    {HOST "at 0s crash mail power keep S3\n", "test:3:1: keep S3 goes with a message"},
    {HOST "at 0s crash mail power keep some\n", "test:3:29: expected all, none, random"},
    {HOST "at 0s crash mail power\n    loose x\n",
     "test:4:5: unknown statement \"loose\"; did you mean \"lose\"?\n4 |     loose x\n"
     "  |     ^^^^^\n"},
    {HOST "at 0s crash mail power\n    lose\n", "test:4:9: expected a pattern"},
    {HOST "at 0s crash mail power\n    lose a b\n", "test:4:12: this is too much"},
    {HOST "at 0s crash mail power\n    find x\n", "test:4:10: expected a number from 0"},
    {HOST "at 0s crash mail power\n    find 1\n", "test:4:11: expected a pattern"},
    {HOST "at 0s crash mail power\n    find 1\n        lose x\n", "test:5:9: the statement above"},
    {HOST "at 0s crash mail power\n    | x\n", "test:4:5: the statement above takes no lines"},
    {HOST "at 0s crash mail programs\n    lose x\n", "test:4:5: the statement above takes no"},
    {HOST "at 0s boot mail\n    lose x\n", "test:4:5: the statement above takes no"},
    {HOST "at 0s a sends m to b\n    lose x\n", "test:4:5: the statement above takes no"},
    {HOST "at 0s mail disk empty\n", "test:3:17: expected \"free\""},
    {HOST "at 0s explode\n", "test:3:7: unknown action or host \"explode\""},
    {HOST "at 0s signal send\n", "test:3:18: expected a signal"},
    {HOST "after m enters S4 boot mail\n", "test:3:7: unknown message \"m\""},
    {HOST "at 0s a sends m to b\nbefore m enters S6 boot mail\n", "test:4:17: expected a stage"},
    {HOST "at 0s a sends m to b\nbefore m accepted boot mail\n", "test:4:10: expected: enters"},
    {HOST "fault queue fsink 1 EIO\n", "test:3:13: unknown call \"fsink\""},
    {HOST "fault queue fsync 0 EIO\n", "test:3:19: expected a number from 1"},
    {HOST "fault queue fsync 1 EOI\n", "test:3:21: unknown error \"EOI\"; did you mean \"EIO\"?"},
    {HOST "fault queue fsync 1 shrt\n", "unknown error \"shrt\"; did you mean \"short\"?"},
    {HOST "fault queue write 1 short 0 bytes\n", "expected a number from 1"},
    {HOST "fault queue fsync 1 slow\n", "expected a time"},
    {HOST "fault queue fsync 1 slow 0s\n", "is not slow"},
    {HOST "fault queue clock 1 clock 3h\n", "expected \"forward\""},
    {HOST "fault queue any 1 short\n", "with which error it fails"},
    {HOST "fault queue any 1 EPERM\n", "name the call"},
    {HOST "fault smtp-server write 1 EIO\n", "only \"reset\" is for it"},
    {HOST "at 0s a sends m to b\nbefore m@b enters S4 boot mail\n",
     "test:4:8: a message is in a stage as a whole"},
    {HOST "at 0s a sends m to b\nexpect m@c delivered\n", "test:4:8: m is not sent to \"c\""},
    {HOST "at 0s a sends m to b\nexpect m@ not bounced\n", "test:4:8: m is not sent to \"\""},
    {HOST "at 0s a sends m to b\nexpect m@b accepted\n",
     "test:4:8: this is said of a message, not of one recipient: m"},
    {"expect m9 accepted\n", "test:1:8: unknown message \"m9\""},
    {HOST "at 0s a sends m to b\nexpect m acepted\n", "test:4:10: unknown fate of a message"},
    {HOST "at 0s a sends m to b\nexpect m in S4\n", "test:4:15: expected \"at\""},
    {HOST "at 0s a sends m to b\nexpect m delivered in 5s\n", "test:4:23: expected a range"},
    {HOST "at 0s a sends m to b\nexpect m.bounce accepted\n", "nobody submits a bounce"},
    {HOST "at 0s a sends m to b\nexpect m accepted\n    contents unchanged\n",
     "test:5:5: this cannot be said"},
    {HOST "expect program p ran once\n", "test:3:16: unknown program \"p\""},
    {HOST "expect mbox b/Mailbox holds 1 message\n", "test:3:13: expected USER/FILE"},
    {HOST "expect mail spool full\n", "test:3:19: expected \"holds\""},
    {HOST "allow loss\n", "test:3:7: expected \"duplicate\""},
    {"param a 1\nparam a 2\n", "test:2:7: there is a parameter \"a\" already"},
    {"scenario ${b}\n", "test:1:10: no such parameter"},
    {"scenario \"a\\x00b\"\n", "test:1:10: a word must not hold a NUL"},
    {"include /nonexistent\n", "test:1:9: cannot read it: No such file"},
    {"file f /\n", "test:1:8: cannot read it: Is a directory"},
    {"scenario a\nscenario b\n", "test:2:1: a file has one scenario"},
};

START_TEST(says_what_is_wrong)
{
    char *errors;
    struct scenario *scenario = parse(wrongs[_i].text, strlen(wrongs[_i].text), &errors);

    ck_assert_msg(!scenario, "accepted: %s", wrongs[_i].text);
    ck_assert_msg(strstr(errors, wrongs[_i].want), "%s\ngot:  %s\nwant: %s", wrongs[_i].text,
                  errors, wrongs[_i].want);
    free(errors);
}
END_TEST

START_TEST(definitions_replace_values)
{
    struct definition good = {"n", "7"}, bad = {"k", "7"};
    char *errors = NULL;
    size_t size;
    FILE *to = open_memstream(&errors, &size);
    struct scenario *scenario = scenario_parse("test", valid, strlen(valid), &good, 1, to);

    ck_assert_ptr_nonnull(scenario);
    ck_assert_uint_eq(scenario->message_count, 9);
    scenario_free(scenario);
    ck_assert_ptr_null(scenario_parse("test", valid, strlen(valid), &bad, 1, to));
    fclose(to);
    ck_assert_ptr_nonnull(strstr(errors, "declares no such parameter"));
    free(errors);
}
END_TEST

/* A statement that is taken out must not make the checker fall over. */
START_TEST(every_line_can_go)
{
    const char *at = valid;

    while (*at) {
        const char *next = strchr(at, '\n') + 1;
        char text[sizeof valid];
        char *errors;

        memcpy(text, valid, (size_t) (at - valid));
        strcpy(text + (at - valid), next);
        scenario_free(parse(text, strlen(text), &errors));
        free(errors);
        at = next;
    }
}
END_TEST

START_TEST(survives_mutations)
{
    static const char *const words[] = {
        "at",   "m1",   "mail",  "S4",  "\"", "5s",      "99999999999", "|",   "\n",
        "    ", "${n}", "${",    "-",   "@",  "..",      "to",          "on",  "keep",
        "0",    "#",    "times", "not", "m.", ".bounce", "*",           "\\x", "include test"};
    struct random random;

    random_seed(&random, (uint64_t) _i + 1, 7);
    for (int round = 0; round < 150; round++) {
        char text[sizeof valid + 600];
        size_t size = strlen(valid);
        char *errors;

        strcpy(text, valid);
        for (uint64_t k = random_below(&random, 4) + 1; k > 0; k--) {
            const char *word = words[random_below(&random, sizeof words / sizeof *words)];
            size_t from = random_below(&random, size), to = from + random_below(&random, 20);

            if (to > size)
                to = size;
            memmove(text + from + strlen(word), text + to, size - to);
            memcpy(text + from, word, strlen(word));
            size = size - (to - from) + strlen(word);
        }
        if (round % 10 == 0)
            size = random_below(&random, size);
        scenario_free(parse(text, size, &errors));
        free(errors);
    }
}
END_TEST

/* `text` with a backslash before each '|', as a table of the manual wants it. */
static void add_escaped(char *to, const char *text)
{
    to += strlen(to);
    for (; *text; text++) {
        if (*text == '|')
            *to++ = '\\';
        *to++ = *text;
    }
    *to = 0;
}

/* The manual has every statement: what the help table says stands there, word for word. */
START_TEST(the_manual_has_every_statement)
{
    FILE *file = fopen("docs/scenario-language.md", "r");
    char *manual = calloc(1, 200000);

    ck_assert_ptr_nonnull(file);
    ck_assert_ptr_nonnull(manual);
    ck_assert_uint_gt(fread(manual, 1, 199999, file), 1000);
    fclose(file);
    for (const struct statement_help *help = statement_help; help->syntax; help++) {
        char want[1500] = "| `";

        add_escaped(want, help->syntax);
        strcat(want, "` | ");
        add_escaped(want, help->meaning);
        strcat(want, " |\n");
        ck_assert_msg(strstr(manual, want), "not in the manual: %s", want);
    }
    free(manual);
}
END_TEST

/* Examples of the manual, blocks of code that are called scenario, are valid. */
START_TEST(examples_of_the_manual_are_valid)
{
    FILE *file = fopen("docs/scenario-language.md", "r");
    char line[4096], text[100000] = "", *errors;
    bool inside = false;
    unsigned checked = 0;

    ck_assert_ptr_nonnull(file);
    while (fgets(line, sizeof line, file)) {
        if (strncmp(line, "```", 3) != 0) {
            if (inside)
                strcat(text, line);
            continue;
        }
        inside = strncmp(line, "```scenario", 11) == 0;
        if (inside) {
            text[0] = 0;
        } else if (text[0]) {
            struct scenario *scenario = parse(text, strlen(text), &errors);

            ck_assert_msg(scenario != NULL, "%s\n%s", errors, text);
            scenario_free(scenario);
            free(errors);
            text[0] = 0;
            checked++;
        }
    }
    fclose(file);
    ck_assert_uint_ge(checked, 6);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("checker");
    TCase *tests = tcase_create("checker");
    SRunner *runner;
    int failed;

    tcase_add_test(tests, understands_every_statement);
    tcase_add_loop_test(tests, says_what_is_wrong, 0, sizeof wrongs / sizeof *wrongs);
    tcase_add_test(tests, definitions_replace_values);
    tcase_add_test(tests, every_line_can_go);
    tcase_add_test(tests, the_manual_has_every_statement);
    tcase_add_test(tests, examples_of_the_manual_are_valid);
    tcase_add_loop_test(tests, survives_mutations, 0, 6);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
