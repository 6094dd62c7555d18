/* SPDX-License-Identifier: ISC */
/* nixie pcap import: what captures become, and what is said of what cannot be told. */
#include "sim/capture/import.h"

#include "tests/unit/sim/captures.h"

static char *kept;
static size_t kept_size;

static const char *keep_message(void *context, const char *message, const char *text, size_t size)
{
    (void) context;
    (void) message;
    free(kept);
    kept = malloc(size + 1);
    memcpy(kept, text, size);
    kept_size = size;
    return "kept message.eml";
}

/* The scenario, and what was noted behind "NOTES\n"; malloc'd. */
static __attribute__((noinline)) char *imported(struct maker *maker, enum import_side side,
                                                bool keep)
{
    char *text = NULL;
    size_t size;
    struct capture capture;
    struct import_options options = {.name = "made.pcap", .side = side};
    struct import_result result;
    FILE *file = fmemopen(maker->bytes, maker->size, "rb"), *to = open_memstream(&text, &size);
    char *notes = NULL;
    size_t notes_size;

    capture_init(&capture);
    ck_assert_int_eq(capture_read(&capture, file), 0);
    options.to = to;
    options.notes = open_memstream(&notes, &notes_size);
    options.keep = keep ? keep_message : NULL;
    import_capture(&capture, &options, &result);
    capture_free(&capture);
    fclose(options.notes);
    fprintf(to, "NOTES\n%s", notes);
    fclose(to);
    free(notes);
    return text;
}

static void begin(struct maker *maker, const char *ehlo)
{
    make_open(maker);
    say(maker, 1, "220 mx.away.example ESMTP\r\n");
    say(maker, 0, "EHLO a.example\r\n");
    say(maker, 1, ehlo);
}

static void ask(struct maker *maker, const char *command, const char *reply)
{
    say(maker, 0, command);
    if (reply)
        say(maker, 1, reply);
}

static void end(struct maker *maker)
{
    ask(maker, "QUIT\r\n", "221 bye\r\n");
    make_close(maker);
    maker->ports[0]++;
    maker->next[0] += 1000;
    maker->next[1] += 1000;
    maker->now_us += 1000000;
}

static struct maker *fresh(void)
{
    static struct maker maker;

    memset(&maker, 0, sizeof maker);
    maker.link = DLT_RAW;
    make_head(&maker);
    return &maker;
}

START_TEST(test_one_message)
{
    struct maker *maker = fresh();

    begin(maker, "250-mx.away.example\r\n250-SIZE 1000\r\n250 PIPELINING\r\n");
    ask(maker, "MAIL FROM:<a@a.example>\r\n", "250 ok\r\n");
    ask(maker, "RCPT TO:<b@away.example>\r\n", "250 ok\r\n");
    ask(maker, "DATA\r\n", "354 go\r\n");
    maker->now_us += 0;
    say(maker, 0, MESSAGE_TEXT);
    maker->now_us += 1234000;
    say(maker, 1, "250 taken\r\n");
    end(maker);
    char *text = imported(maker, IMPORT_CLIENT, false);

    ck_has(text, "scenario \"made.pcap\"\n");
    ck_has(text, "    control helohost a.example\n");
    ck_has(text, "# 192.0.2.2:25, which calls itself mx.away.example\nremote away\n");
    ck_has(text, "    serves away.example\n    extensions PIPELINING SIZE\n");
    ck_has(text, "    on EHLO reply 250 \"mx.away.example\\nSIZE 1000\\nPIPELINING\"\n");
    ck_has(text, "    on EOD delay 1s200ms reply 250 \"taken\"\n");
    ck_has(text, " sends m1 to b@away.example from a@a.example via queue\n"
                 "    | Subject: hello\n    | From: a@a.example\n    |\n    | hi\n    | .dot\n"
                 "expect m1 delivered to b@away.example once\nNOTES\n");
    ck_has_not(text, "NOTES\nsession");
    made_free(maker, text);
}
END_TEST

static void try_once(struct maker *maker, const char *reply, const char *content)
{
    begin(maker, "250 mx.away.example\r\n");
    ask(maker, "MAIL FROM:<a@a.example>\r\n", "250 ok\r\n");
    ask(maker, "RCPT TO:<b@away.example>\r\n", reply);
    if (content) {
        ask(maker, "DATA\r\n", "354 go\r\n");
        ask(maker, content, "250 taken\r\n");
    }
    end(maker);
}

START_TEST(test_tries)
{
    struct maker *maker = fresh();

    try_once(maker, "451 later\r\n", NULL);
    maker->now_us += 300000000;
    try_once(maker, "451 still later\r\n", NULL);
    maker->now_us += 300000000;
    try_once(maker, "250 ok\r\n", "Subject: x\r\n.\r\n");
    maker->now_us += 10000000;
    try_once(maker, "250 ok\r\n", "Subject: another\r\n.\r\n");
    char *text = imported(maker, IMPORT_CLIENT, false);

    ck_has(text, "    on RCPT \"b@away.example\" first 1 reply 451 \"later\"\n"
                 "    on RCPT \"b@away.example\" first 2 reply 451 \"still later\"\n"
                 "    on RCPT \"b@away.example\" reply 250 \"ok\"\n");
    ck_has(text, "sends m1 to");
    ck_has(text, "sends m2 to");
    ck_has_not(text, "sends m3 to");
    ck_has_not(text, "delete");
    made_free(maker, text);
}
END_TEST

START_TEST(test_open_end)
{
    struct maker *maker = fresh();

    try_once(maker, "451 later\r\n", NULL);
    char *text = imported(maker, IMPORT_CLIENT, false);

    ck_has(text, "at 2s sender sends m1 to b@away.example from a@a.example via queue\n"
                 "# the capture does not tell how it went on\nat 1m2s delete m1 if any\n"
                 "expect m1 not delivered to b@away.example\n");
    made_free(maker, text);
}
END_TEST

START_TEST(test_refused)
{
    struct maker *maker = fresh();

    try_once(maker, "550-no\r\n550 such\r\n", NULL);
    char *text = imported(maker, IMPORT_CLIENT, false);

    ck_has(text, "    on RCPT reply 550 \"no\\nsuch\"\n");
    ck_has(text, "expect m1 bounced\n    final-recipient b@away.example\n");
    ck_has(text, "        | a@a.example:sender\n"); /* the bounce stays here */
    made_free(maker, text);
}
END_TEST

static const struct {
    const char *said; /* by the server, to DATA */
    unsigned flags;   /* of its last packet */
    const char *rule;
} ends[] = {
    {NULL, 0x11, "    on DATA close\n"},
    {NULL, 4, "    on DATA reset\n"},
    {NULL, 0, "    on DATA silence\n"},
    {"451 no\r\n", 0x11, "    on DATA reply 451 \"no\" cut 8 bytes\n"},
    {"45", 0x11, "    on DATA reply 450 \"...\" cut 2 bytes\n"},
    {"451 half", 0x11, "    on DATA reply 451 \"half\" cut 8 bytes\n"},
    {"451 bare\n", 0, "    on DATA raw \"451 bare\\n\"\n"},
    {"rubbish \x01\xff\r\n", 0, "    on DATA raw \"rubbish \\x01\\xff\\r\\n\"\n"},
    {"451\r\n", 0, "    on DATA raw \"451\\r\\n\"\n"},
    {"354 go\r\n", 0x11, NULL},
};

START_TEST(test_ends)
{
    struct maker *maker = fresh();

    begin(maker, "250 mx.away.example\r\n");
    ask(maker, "MAIL FROM:<a@a.example>\r\n", "250 ok\r\n");
    ask(maker, "RCPT TO:<b@away.example>\r\n", "250 ok\r\n");
    ask(maker, "DATA\r\n", ends[_i].said);
    maker->now_us += 20000000;
    if (ends[_i].rule && ends[_i].flags)
        make_raw(maker, 1, maker->next[1], ends[_i].flags, "", 0);
    if (!ends[_i].rule) {
        say(maker, 0, "Subject: x\r\n\r\n");
        make_raw(maker, 1, maker->next[1], 4, "", 0);
    }
    make_raw(maker, 0, maker->next[0], 0x11, "", 0);
    char *text = imported(maker, IMPORT_CLIENT, false);

    ck_has(text, ends[_i].rule ? ends[_i].rule : "    on MESSAGE reset after 14 bytes\n");
    made_free(maker, text);
}
END_TEST

START_TEST(test_other_server_next)
{
    struct maker *maker = fresh();

    make_raw(maker, 0, 7, 2, "", 0);
    make_raw(maker, 1, 0, 0x14, "", 0); /* refused */
    maker->ports[0]++;
    maker->ports[1] = 587; /* another server */
    try_once(maker, "250 ok\r\n", "Subject: x\r\n.\r\n");
    char *text = imported(maker, IMPORT_CLIENT, false);

    ck_has(text, "    serves away.example\n    on connect refuse\n");
    ck_has(text, "    serves away.example preference 20\n");
    ck_has(text, "expect m1 delivered to b@away.example once\n");
    made_free(maker, text);
}
END_TEST

START_TEST(test_bounce_is_ours)
{
    struct maker *maker = fresh();

    try_once(maker, "550 no\r\n", NULL);
    begin(maker, "250 mx.away.example\r\n");
    ask(maker, "MAIL FROM:<>\r\n", "250 ok\r\n");
    ask(maker, "RCPT TO:<a@a.example>\r\n", "250 ok\r\n");
    ask(maker, "DATA\r\n", "354 go\r\n");
    ask(maker, "Subject: failed\r\n.\r\n", "250 taken\r\n");
    end(maker);
    char *text = imported(maker, IMPORT_CLIENT, false);

    ck_has(text, "# m2 of the capture is the bounce of m1, which our server makes itself\n"
                 "expect m1.bounce delivered to a@a.example once\n");
    ck_has_not(text, "sends m2");
    made_free(maker, text);
}
END_TEST

START_TEST(test_cannot_be_told)
{
    struct maker *maker = fresh();

    begin(maker, "250 mx.away.example\r\n");
    ask(maker, "VRFY bob\r\n", "252 maybe\r\n");
    ask(maker, "MAIL FROM:<a@a.example>\r\n", "250 ok\r\n");
    ask(maker, "RCPT TO:<b@away.example>\r\n", "250 ok\r\n");
    ask(maker, "RCPT TO:<c@[192.0.2.1]>\r\n", "250 ok\r\n");
    ask(maker, "RCPT TO:<d@other.example>\r\n", "250 ok\r\n");
    end(maker);
    begin(maker, "250 mx.away.example\r\n");
    ask(maker, "STARTTLS\r\n", "220 go\r\n");
    ask(maker, "\x16\x03\x01", "\x16\x03\x01");
    char *text = imported(maker, IMPORT_CLIENT, false), *notes = strstr(text, "NOTES\n");

    ck_has(text, "# - session 1: VRFY, which our client does not say, is left out\n");
    ck_has(notes, "session 1: VRFY, which our client does not say, is left out\n");
    ck_has(notes, "session 1: a recipient whose address cannot be sent to\n");
    ck_has(notes, "session 1: recipients of several domains in one transaction");
    ck_has(notes, "session 1: the client sent no message; here it sends one\n");
    ck_has(notes, "session 2: TLS, which cannot be read, so it is left out\n");
    made_free(maker, text);
}
END_TEST

START_TEST(test_odd_message)
{
    struct maker *maker = fresh();

    try_once(maker, "250 ok\r\n", "Subject: x\r\n\r\na\r\r\nb\rc\r\n.\r\n");
    char *text = imported(maker, IMPORT_CLIENT, false);

    ck_has(text, "m1: its 19 bytes cannot stand in this file as they are; see --out\n");
    free(text);
    text = imported(maker, IMPORT_CLIENT, true);
    ck_has(text, "file m1 \"kept message.eml\"\nat ");
    ck_assert_uint_eq(kept_size, 19);
    ck_assert_mem_eq(kept, "Subject: x\n\na\r\nb\rc\n", 19);
    made_free(maker, text);
    free(kept);
}
END_TEST

START_TEST(test_as_server)
{
    struct maker *maker = fresh();

    try_once(maker, "250 ok\r\n", "Subject: x\r\n.\r\n");
    begin(maker, "250 mx.away.example\r\n");
    ask(maker, "MAIL FROM:<a@a.example>\r\n", "250 ok\r\n");
    ask(maker, "RCPT TO:<b@foreign.example>\r\n", "550 relaying denied\r\n");
    end(maker);
    char *text = imported(maker, IMPORT_SERVER, false);

    ck_has(text, "    control rcpthosts\n        | away.example\n");
    ck_has(text, "# 192.0.2.1\nclient client1\n    helo a.example\n    pipelining off\n");
    ck_has(text, " client1 sends m1 to b@away.example from a@a.example\n");
    ck_has(text, "expect m1 accepted\nexpect m1 delivered to b@away.example once\n");
    ck_has(text, "expect m2 refused\n");
    made_free(maker, text);
}
END_TEST

/* --- who were too many -----------------------------------------------------------------------*/

/* A transaction for these, with what is said to each; with a message, if somebody is taken. */
static void transact(struct maker *maker, const char *const *to, const char *const *replies)
{
    bool taken = false;

    ask(maker, "MAIL FROM:<a@a.example>\r\n", "250 ok\r\n");
    for (size_t i = 0; to[i]; i++) {
        char command[100];

        sprintf(command, "RCPT TO:<%s@away.example>\r\n", to[i]);
        ask(maker, command, replies[i]);
        taken = taken || *replies[i] == '2';
    }
    if (taken) {
        ask(maker, "DATA\r\n", "354 go\r\n");
        ask(maker, MESSAGE_TEXT, "250 taken\r\n");
    }
}

#define THESE(...) ((const char *const[]){__VA_ARGS__, NULL})
#define OK "250 ok\r\n"
#define MANY "452 4.5.3 too many\r\n"
#define FULL "552 too many, or full\r\n"

START_TEST(test_too_many)
{
    struct maker *maker = fresh();

    begin(maker, "250 mx.away.example\r\n");
    transact(maker, THESE("b", "c", "d"), THESE(OK, MANY, MANY));
    transact(maker, THESE("c", "d"), THESE(OK, MANY));
    transact(maker, THESE("d"), THESE(OK));
    transact(maker, THESE("d"), THESE(OK)); /* nobody was left: it is sent once more */
    end(maker);
    char *text = imported(maker, IMPORT_CLIENT, false);

    ck_has(text, "    on RCPT \"c@away.example\" first 1 reply 452 \"4.5.3 too many\"\n");
    ck_has(text, "    on RCPT \"d@away.example\" first 2 reply 452 \"4.5.3 too many\"\n");
    ck_has(text, " sends m1 to b@away.example c@away.example d@away.example from");
    ck_has(text, "expect m1 delivered to b@away.example once\n"
                 "expect m1 delivered to c@away.example once\n"
                 "expect m1 delivered to d@away.example once\n");
    ck_has(text, " sends m2 to d@away.example from");
    ck_has_not(text, "sends m3");
    ck_has_not(text, "delete");
    made_free(maker, text);
}
END_TEST

/* A client that goes on with some of them only does not do as ours would. */
START_TEST(test_too_many_for_others)
{
    struct maker *maker = fresh();

    begin(maker, "250 mx.away.example\r\n");
    transact(maker, THESE("b", "c", "d"), THESE(OK, MANY, MANY));
    transact(maker, THESE("c"), THESE(OK));
    end(maker);
    char *text = imported(maker, IMPORT_CLIENT, false);

    ck_has(text, " sends m1 to b@away.example c@away.example d@away.example from");
    ck_has(text, " sends m2 to c@away.example from");
    made_free(maker, text);
}
END_TEST

START_TEST(test_too_many_for_a_connection)
{
    struct maker *maker = fresh();

    begin(maker, "250 mx.away.example\r\n");
    transact(maker, THESE("b", "c", "d"), THESE(OK, FULL, FULL));
    transact(maker, THESE("c", "d"), THESE(FULL, FULL));
    end(maker);
    begin(maker, "250 mx.away.example\r\n");
    transact(maker, THESE("d", "c"), THESE(OK, FULL));
    end(maker);
    char *text = imported(maker, IMPORT_CLIENT, false);

    ck_has(text, "    on RCPT \"d@away.example\" first 2 reply 552 \"too many, or full\"\n");
    ck_has(text, "expect m1 delivered to b@away.example once\n"
                 "expect m1 bounced\n    final-recipient c@away.example\n"
                 "expect m1 delivered to d@away.example once\n");
    ck_has_not(text, "sends m2");
    made_free(maker, text);
}
END_TEST

/* --- what must not take for ever ---------------------------------------------------------------*/

/* Each command of an envelope notes whom it is for: once that was a list of all of them. */
START_TEST(test_many_recipients)
{
    enum { COUNT = 20000 };
    struct maker *maker = fresh();

    begin(maker, "250 mx.away.example\r\n");
    ask(maker, "MAIL FROM:<a@a.example>\r\n", "250 ok\r\n");
    for (int i = 0; i < COUNT; i += 500) {
        char commands[500 * 32] = "", replies[500 * 8] = "", *to = commands;

        for (int k = 0; k < 500; k++) {
            to += sprintf(to, "RCPT TO:<b%d@away.example>\r\n", i + k);
            memcpy(replies + 8 * (size_t) k, "250 ok\r\n", 8);
        }
        say(maker, 0, commands);
        make_raw(maker, 1, maker->next[1], 0x18, replies, sizeof replies);
        maker->next[1] += sizeof replies;
    }
    ask(maker, "DATA\r\n", "354 go\r\n");
    ask(maker, MESSAGE_TEXT, "250 taken\r\n");
    end(maker);
    char *text = imported(maker, IMPORT_CLIENT, false);

    ck_has(text, "m1: 19000 recipients are left out\n");
    ck_has(text, "expect m1 delivered to b999@away.example once\n");
    ck_has_not(text,
               "expect m1 delivered to b1000@away.example"); /* nobody is told to send there */
    made_free(maker, text);
}
END_TEST

START_TEST(test_names_of_scenarios)
{
    static const char tail[] = "@scenario.nixie>";
    struct maker *maker = fresh();

    begin(maker, "250 mx.away.example\r\n");
    ask(maker, "MAIL FROM:<a@a.example>\r\n", "250 ok\r\n");
    ask(maker, "RCPT TO:<b@away.example>\r\n", "250 ok\r\n");
    ask(maker, "DATA\r\n", "354 go\r\n");
    say(maker, 0, "Message-ID: <m7@scenario.nixie>\r\n\r\n");
    for (int i = 0; i < 60; i++) {
        char text[60000];

        for (size_t k = 0; k + 1 < sizeof text; k++)
            text[k] = tail[k % (sizeof tail - 1)];
        text[sizeof text - 1] = 0;
        say(maker, 0, text);
    }
    ask(maker, "\r\n.\r\n", "250 taken\r\n");
    end(maker);
    char *text = imported(maker, IMPORT_CLIENT, false);

    ck_has(text, " sends n1 to b@away.example");
    made_free(maker, text);
}
END_TEST

/* Clocks that jump: sums of what they say must stay times. */
START_TEST(test_mad_clock)
{
    struct maker *maker = fresh();
    int64_t start = maker->now_us;

    begin(maker, "250 mx.away.example\r\n");
    for (int i = 0; i < 15000; i++) {
        maker->now_us = start;
        say(maker, 0, "NOOP\r\n");
        maker->now_us = start + INT64_C(86400) * 300 * 1000000;
        say(maker, 1, "250 ok\r\n");
    }
    maker->now_us = start;
    ask(maker, "MAIL FROM:<a@a.example>\r\n", "250 ok\r\n");
    ask(maker, "RCPT TO:<b@away.example>\r\n", "451 later\r\n");
    end(maker);
    char *text = imported(maker, IMPORT_CLIENT, false);

    ck_has(text, "at 168h1m2s delete m1 if any\n"); /* a week, not the sum of 15000 days */
    made_free(maker, text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("capture_import");
    TCase *one = tcase_create("import");
    SRunner *runner;
    int failed;

    tcase_add_test(one, test_one_message);
    tcase_add_test(one, test_tries);
    tcase_add_test(one, test_open_end);
    tcase_add_test(one, test_refused);
    tcase_add_loop_test(one, test_ends, 0, sizeof ends / sizeof *ends);
    tcase_add_test(one, test_other_server_next);
    tcase_add_test(one, test_bounce_is_ours);
    tcase_add_test(one, test_cannot_be_told);
    tcase_add_test(one, test_odd_message);
    tcase_add_test(one, test_as_server);
    tcase_add_test(one, test_too_many);
    tcase_add_test(one, test_too_many_for_others);
    tcase_add_test(one, test_too_many_for_a_connection);
    tcase_add_test(one, test_many_recipients);
    tcase_add_test(one, test_names_of_scenarios);
    tcase_add_test(one, test_mad_clock);
    suite_add_tcase(suite, one);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
