/* SPDX-License-Identifier: ISC */
/* nixie pcap show: captures of all forms, well-formed and not. */
#include "tests/unit/sim/captures.h"

/* What all forms of the same session must show, in this order. */
static void check_session(const char *text)
{
    static const char *const parts[] = {
        "1 SMTP session\n",
        "  S      22  220 mx.example ESMTP\n",
        "  C      16  EHLO a.example\n",
        "  S      32  250-mx.example\n                         250 PIPELINING\n",
        "  C      25  MAIL FROM:<a@a.example>\n",
        "  C      23  RCPT TO:<b@b.example>\n",
        "  C       6  DATA\n",
        "  S      14  250 2.1.0 ok\n",
        "  S      11  354 go on\n",
        "  C      51  (message): 48 bytes, 5 lines, Subject: hello\n",
        "  S      17  250 2.0.0 taken\n",
        "  C       6  QUIT\n",
        "  S       9  221 bye\n",
        "  S          closes the connection\n",
    };
    const char *at = text;

    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        const char *found = strstr(at, parts[i]);

        ck_assert_msg(found != NULL, "\"%s\" is not in, or not behind the others:\n%s", parts[i],
                      text);
        at = found;
    }
    ck_has_not(text, "missing");
    ck_has_not(text, "problem");
}

static const struct maker forms[] = {
    {.link = DLT_RAW},
    {.link = DLT_EN10MB},
    {.link = DLT_EN10MB, .swapped = true},
    {.link = DLT_EN10MB, .nano = true},
    {.link = DLT_EN10MB, .nano = true, .swapped = true},
    {.link = DLT_EN10MB, .ng = true},
    {.link = DLT_EN10MB, .ng = true, .swapped = true},
    {.link = DLT_EN10MB, .tags = 1},
    {.link = DLT_EN10MB, .tags = 2, .outer = 0x88a8},
    {.link = DLT_EN10MB, .tags = 2, .outer = 0x9100, .six = true},
    {.link = DLT_LINUX_SLL},
    {.link = DLT_LINUX_SLL, .tags = 1},
    {.link = DLT_LINUX_SLL2},
    {.link = DLT_LINUX_SLL2, .six = true},
    {.link = DLT_NULL},
    {.link = DLT_NULL, .swapped = true},
    {.link = DLT_LOOP},
    {.link = DLT_LOOP, .six = true},
    {.link = DLT_EN10MB, .six = true},
    {.link = DLT_EN10MB, .six = true, .options = 1},
    {.link = DLT_RAW, .six = true, .options = 3},
    {.link = DLT_EN10MB, .fragment = 24},
    {.link = DLT_EN10MB, .fragment = 16, .six = true},
    {.link = DLT_RAW, .fragment = 16, .six = true, .options = 2},
    {.link = DLT_RAW, .no_length = true},
    {.link = DLT_EN10MB, .ports = {25, 40000}},   /* the client's port is 25: the SYN decides */
    {.link = DLT_EN10MB, .ports = {40000, 9925}}, /* heard, not known */
    {.link = DLT_RAW, .ports = {25, 25}},
};

START_TEST(test_forms)
{
    struct maker maker = forms[_i];

    make_head(&maker);
    make_session(&maker);
    char *text = made_text(&maker, false);

    check_session(text);
    made_free(&maker, text);
}
END_TEST

START_TEST(test_all_of_a_message)
{
    struct maker maker = {.link = DLT_RAW};

    make_head(&maker);
    make_session(&maker);
    char *text = made_text(&maker, true);

    ck_has(text, "| From: a@a.example\n");
    ck_has(text, "| ..dot\n");
    made_free(&maker, text);
}
END_TEST

/* --- disorder --------------------------------------------------------------------------------*/

static void begin(struct maker *maker)
{
    maker->link = DLT_RAW;
    make_head(maker);
    make_open(maker);
    say(maker, 1, "220 mx.example ESMTP\r\n");
}

START_TEST(test_again)
{
    struct maker maker = {0};

    begin(&maker);
    uint32_t at = maker.next[0];
    say(&maker, 0, "EHLO a.example\r\n");
    make_raw(&maker, 0, at, 0x18, "EHLO a.example\r\n", 16);
    say(&maker, 1, "250 hi\r\n");
    char *text = made_text(&maker, false);

    ck_has(text, "client: 1 packet sent again, whose");
    ck_has(text, "C      16  EHLO a.example\n");
    ck_has(text, "S       8  250 hi\n");
    ck_has_not(text, "others");
    made_free(&maker, text);
}
END_TEST

START_TEST(test_other_order)
{
    struct maker maker = {0};

    begin(&maker);
    uint32_t at = maker.next[0];
    make_raw(&maker, 0, at + 5, 0x18, "a.example\r\n", 11);
    make_raw(&maker, 0, at, 0x18, "EHLO ", 5);
    maker.next[0] += 16;
    say(&maker, 1, "250 hi\r\n");
    char *text = made_text(&maker, false);

    ck_has(text, "client: 1 packet out of order");
    ck_has(text, "C      16  EHLO a.example\n");
    made_free(&maker, text);
}
END_TEST

START_TEST(test_sent_again_late)
{
    struct maker maker = {0};

    begin(&maker);
    uint32_t at = maker.next[0];
    make_raw(&maker, 0, at + 5, 0x18, "a.example\r\n", 11);
    maker.now_us += 200000;
    make_raw(&maker, 0, at, 0x18, "EHLO ", 5);
    char *text = made_text(&maker, false);

    ck_has(text, "client: 1 packet sent again, after a loss before the capture");
    ck_has(text, "C      16  EHLO a.example\n");
    made_free(&maker, text);
}
END_TEST

/* Three ways to say a byte twice: behind what is there, before it, and all around it. */
START_TEST(test_overlaps)
{
    struct maker maker = {0};

    begin(&maker);
    uint32_t at = maker.next[0];
    make_raw(&maker, 0, at, 0x18, "EHLO a", 6);
    make_raw(&maker, 0, at + 4, 0x18, "_b.ex", 5);     /* " a" is there */
    make_raw(&maker, 0, at + 12, 0x18, "le", 2);       /* waits */
    make_raw(&maker, 0, at + 9, 0x18, "ampXX\r\n", 7); /* around it */
    make_raw(&maker, 0, at + 3, 0x18, "q", 1);         /* all there, another byte */
    char *text = made_text(&maker, false);

    ck_has(text, "EHLO a.example\n");
    ck_has(text, "client: 2 packets over others; the bytes that came first are shown");
    ck_has(text, "client: 5 bytes sent again as another");
    made_free(&maker, text);
}
END_TEST

START_TEST(test_lost_reply)
{
    struct maker maker = {0};

    begin(&maker);
    say(&maker, 0, "EHLO a.example\r\n");
    say_lost(&maker, 1, "250 hi there\r\n");
    say(&maker, 0, "MAIL FROM:<a@a.example>\r\n");
    say(&maker, 1, "250 2.1.0 ok\r\n");
    say(&maker, 0, "QUIT\r\n");
    say(&maker, 1, "221 bye\r\n");
    char *text = made_text(&maker, false);

    ck_has(text, "server: 14 bytes missing");
    ck_has(text, "EHLO a.example\n                S          [the reply was not captured]\n");
    ck_has(text, "MAIL FROM:<a@a.example>\n    0.006000  S      14  250 2.1.0 ok\n");
    made_free(&maker, text);
}
END_TEST

START_TEST(test_lost_command)
{
    struct maker maker = {0};

    begin(&maker);
    say_lost(&maker, 0, "EHLO a.example\r\n");
    say(&maker, 1, "250 hi\r\n");
    say(&maker, 0, "NOOP\r\n");
    say(&maker, 1, "250 noop\r\n");
    char *text = made_text(&maker, false);

    ck_has(text, "250 hi  [no command is known for it]\n");
    ck_has(text, "NOOP\n    0.006000  S      10  250 noop\n");
    made_free(&maker, text);
}
END_TEST

START_TEST(test_lost_in_message)
{
    struct maker maker = {0};

    begin(&maker);
    say(&maker, 0, "DATA\r\n");
    say(&maker, 1, "354 go\r\n");
    say(&maker, 0, "Subject: x\r\n\r\nbody\r\n");
    say_lost(&maker, 0, "more body and the end\r\n.\r\n");
    say(&maker, 1, "250 taken\r\n");
    say(&maker, 0, "QUIT\r\n");
    say(&maker, 1, "221 bye\r\n");
    char *text = made_text(&maker, false);

    ck_has(text, "(message): 20 bytes, 3 lines, Subject: x  [its end is missing]\n");
    ck_has(text, "S      11  250 taken\n");
    ck_has(text, "C       6  QUIT\n");
    ck_has(text, "S       9  221 bye\n");
    ck_has_not(text, "no command");
    made_free(&maker, text);
}
END_TEST

START_TEST(test_snaplen)
{
    struct maker maker = {.snaplen = 60};

    begin(&maker);
    say(&maker, 0, "EHLO a-rather-long-name.example\r\n");
    say(&maker, 1, "250 hi\r\n");
    say(&maker, 0, "QUIT\r\n");
    say(&maker, 1, "221 bye\r\n");
    char *text = made_text(&maker, false);

    ck_has(text, "client: 1 packet captured in part\n");
    ck_has(text, "client: 13 bytes missing\n");
    ck_has(text, "EHLO a-rather-long-n  [its end is missing]\n");
    ck_has(text, "S       8  250 hi\n");
    ck_has(text, "QUIT\n    0.007000  S       9  221 bye\n");
    made_free(&maker, text);
}
END_TEST

START_TEST(test_from_the_middle)
{
    struct maker maker = {.link = DLT_RAW};

    make_head(&maker);
    say(&maker, 0, "second half of a message\r\n.\r\n");
    say(&maker, 1, "250 taken\r\n");
    say(&maker, 0, "QUIT\r\n");
    say(&maker, 1, "221 bye\r\n");
    char *text = made_text(&maker, false);

    ck_has(text, "its beginning was not captured\n");
    ck_has(text, "(message): 26 bytes, 1 line\n");
    ck_has(text, "S      11  250 taken\n");
    ck_has(text, "QUIT\n    0.003000  S       9  221 bye\n");
    made_free(&maker, text);
}
END_TEST

START_TEST(test_from_a_reply)
{
    struct maker maker = {.link = DLT_RAW, .ports = {5000, 6000}};

    make_head(&maker);
    say(&maker, 1, "250 ok\r\n");
    say(&maker, 0, "RCPT TO:<b@b.example>\r\n");
    say(&maker, 1, "550 5.1.1 no\r\n");
    char *text = made_text(&maker, false);

    ck_has(text, "192.0.2.1:5000 to 192.0.2.2:6000");
    ck_has(text, "250 ok  [no command is known for it]\n");
    ck_has(text, "RCPT TO:<b@b.example>\n    0.002000  S      14  550 5.1.1 no\n");
    made_free(&maker, text);
}
END_TEST

/* --- what is there no room for ---------------------------------------------------------------*/

static struct stream_segment segment_at(uint32_t sequence, size_t size)
{
    static const uint8_t zeros[64];

    return (struct stream_segment){
        .sequence = sequence, .bytes = zeros, .size = size, .full_size = size};
}

/* What surrounds bytes that wait, and has no room itself, leaves them alone. */
START_TEST(test_waiting_without_memory)
{
    struct stream stream = {0};
    struct stream_budget budget = {.left = 100000};

    stream_begin(&stream, 0);
    for (uint32_t i = 0; i < 4; i++) {
        struct stream_segment waits = segment_at(100 + 20 * i, 10);

        stream_add(&stream, &budget, &waits);
    }
    budget.left = 0;
    struct stream_segment around = segment_at(150, 30); /* 160 to 170 is there */
    stream_add(&stream, &budget, &around);
    ck_assert_uint_eq(budget.refused, 20);
    ck_assert_uint_eq(stream.waiting_count, 4);
    budget.left = 100000;
    stream_end(&stream, &budget);
    ck_assert_uint_eq(stream.size, 40);
    ck_assert_uint_eq(stream.lost, 100 + 30 + 10);
    stream_free(&stream);
}
END_TEST

/* Replies that nobody asked for are as many as bytes, and no more than there may be. */
START_TEST(test_replies_without_end)
{
    static char lines[60001];
    struct maker maker = {.link = DLT_RAW};

    memset(lines, '\n', sizeof lines - 1);
    make_head(&maker);
    say(&maker, 0, "NOOP\r\n");
    for (int i = 0; i < 10; i++)
        say(&maker, 1, lines);
    say(&maker, 0, "QUIT\r\n");
    struct capture capture;
    struct smtp_session session;
    FILE *file = fmemopen(maker.bytes, maker.size, "rb");

    capture_init(&capture);
    ck_assert_int_eq(capture_read(&capture, file), 0);
    smtp_read(&session, capture.flows.flows[0]);
    ck_assert_uint_le(session.count, SMTP_EXCHANGES_MAX);
    ck_assert_uint_ge(session.unread_server, 300000);
    smtp_free(&session);
    capture_free(&capture);
    made_free(&maker, NULL);
}
END_TEST

/* Where a byte is missing, each message ends before the packet of its reply. */
START_TEST(test_many_messages_before_a_reply)
{
    struct maker maker = {0};

    begin(&maker);
    say_lost(&maker, 0, "x");
    for (int i = 0; i < 45000; i++)
        say(&maker, 0, "DATA\r\nx\r\n.\r\n");
    say(&maker, 1, "354 go on\r\n");
    char *text = made_text(&maker, false);

    ck_has(text, "client: 1 byte missing");
    ck_has(text, "(message): 3 bytes, 1 line\n");
    ck_has_not(text, "(message): 6 bytes");
    made_free(&maker, text);
}
END_TEST

/* --- what sessions do ------------------------------------------------------------------------*/

START_TEST(test_starttls)
{
    struct maker maker = {0};

    begin(&maker);
    say(&maker, 0, "STARTTLS\r\n");
    say(&maker, 1, "220 ready\r\n");
    say(&maker, 0, "\x16\x03\x01\x02\xff rubbish \r\n250 QUIT\r\n");
    say(&maker, 1, "\x16\x03\x03 more\r\n");
    char *text = made_text(&maker, false);

    ck_has(text, "S      11  220 ready\n");
    ck_has(text, "TLS, 26 bytes of the client and 10 of the server, which cannot be read\n");
    ck_has_not(text, "rubbish");
    made_free(&maker, text);
}
END_TEST

START_TEST(test_secrets)
{
    struct maker maker = {0};

    begin(&maker);
    say(&maker, 0, "AUTH PLAIN AGJvYgBzZWNyZXQ=\r\n");
    say(&maker, 1, "535 no\r\n");
    say(&maker, 0, "AUTH LOGIN\r\n");
    say(&maker, 1, "334 VXNlcm5hbWU6\r\n");
    say(&maker, 0, "Ym9i\r\n");
    say(&maker, 1, "334 UGFzc3dvcmQ6\r\n");
    say(&maker, 0, "c2VjcmV0\r\n");
    say(&maker, 1, "235 ok\r\n");
    say(&maker, 0, "NOOP\r\n");
    char *text = made_text(&maker, false);

    ck_has(text, "AUTH PLAIN (secret, 17 bytes)\n");
    ck_has(text, "AUTH LOGIN\n");
    ck_has(text, "(secret, 8 bytes)\n");
    ck_has(text, "C       6  NOOP\n");
    ck_has_not(text, "c2Vj");
    free(text);
    text = made_text(&maker, true);
    ck_has(text, "c2VjcmV0\n");
    made_free(&maker, text);
}
END_TEST

START_TEST(test_chunks)
{
    struct maker maker = {0};

    begin(&maker);
    say(&maker, 0, "BDAT 12\r\nSubject: x\r\nBDAT 4 LAST\r\n\r\nhi");
    say(&maker, 1, "250 12\r\n");
    say(&maker, 1, "250 all\r\n");
    say(&maker, 0, "BDAT 0 LAST\r\nQUIT\r\n");
    say(&maker, 1, "503 no\r\n");
    char *text = made_text(&maker, false);

    ck_has(text, "(chunk): 12 bytes, 1 line, Subject: x\n");
    ck_has(text, "(chunk): 4 bytes, 2 lines\n");
    ck_has(text, "C       6  QUIT\n");
    ck_has(text, "S       8  503 no\n");
    ck_has_not(text, "no command");
    made_free(&maker, text);
}
END_TEST

/* Bytes of a chunk that are missing are some of those that it said. */
START_TEST(test_chunk_with_a_gap)
{
    struct maker maker = {0};

    begin(&maker);
    say(&maker, 0, "BDAT 20\r\n1234567");
    say_lost(&maker, 0, "89012");
    say(&maker, 0, "34567890");
    say(&maker, 1, "250 20\r\n");
    say(&maker, 0, "BDAT 10 LAST\r\n");
    say_lost(&maker, 0, "0123456789");
    say(&maker, 0, "QUIT\r\n");
    say(&maker, 1, "250 all\r\n221 bye\r\n");
    char *text = made_text(&maker, false);

    ck_has(text, "(chunk): 15 bytes, 1 line  [5 bytes missing]\n");
    ck_has(text, "S       8  250 20\n");
    ck_has(text, "BDAT 10 LAST\n");
    ck_has(text, "C       6  QUIT\n");
    ck_has(text, "S       9  221 bye\n");
    ck_has_not(text, "no command");
    made_free(&maker, text);
}
END_TEST

/* Where the server's reply to AUTH is not there, the password is a secret still. */
START_TEST(test_secret_behind_a_lost_reply)
{
    struct maker maker = {0};

    begin(&maker);
    say(&maker, 0, "AUTH LOGIN\r\n");
    say_lost(&maker, 1, "334 VXNlcm5hbWU6\r\n");
    say(&maker, 0, "Ym9i\r\n");
    say(&maker, 1, "334 UGFzc3dvcmQ6\r\n");
    say(&maker, 0, "c2VjcmV0\r\n");
    say(&maker, 1, "235 ok\r\n");
    say(&maker, 0, "NOOP\r\n");
    char *text = made_text(&maker, false);

    ck_has(text, "(secret, 4 bytes)\n");
    ck_has(text, "(secret, 8 bytes)\n");
    ck_has(text, "C       6  NOOP\n");
    ck_has_not(text, "c2Vj");
    made_free(&maker, text);
}
END_TEST

START_TEST(test_data_refused)
{
    struct maker maker = {0};

    begin(&maker);
    say(&maker, 0, "DATA\r\nRSET\r\n");
    say(&maker, 1, "554 no\r\n250 reset\r\n");
    char *text = made_text(&maker, false);

    ck_has(text, "C       6  RSET\n");
    ck_has(text, "S      11  250 reset\n");
    ck_has_not(text, "message");
    made_free(&maker, text);
}
END_TEST

START_TEST(test_refused_and_unanswered)
{
    struct maker maker = {.link = DLT_RAW};

    make_head(&maker);
    make_raw(&maker, 0, 7, 2, "", 0);
    make_raw(&maker, 1, 0, 0x14, "", 0);
    maker.ports[0]++;
    make_raw(&maker, 0, 7, 2, "", 0);
    make_raw(&maker, 0, 7, 2, "", 0);
    char *text = made_text(&maker, false);

    ck_has(text, "2 SMTP sessions\n");
    ck_has(text, "refuses the connection\n");
    ck_has(text, "the server did not answer\n");
    ck_has_not(text, "beginning");
    made_free(&maker, text);
}
END_TEST

/* Two queues of a card, or two points of capture: the SYN comes behind its answer. */
START_TEST(test_opening_behind_its_answer)
{
    struct maker maker = {.link = DLT_RAW};
    uint32_t first;

    make_head(&maker);
    first = maker.next[0]++;
    make_raw(&maker, 1, maker.next[1]++, 0x12, "", 0);
    make_raw(&maker, 0, first, 2, "", 0);
    say(&maker, 1, "220 mx.example ESMTP\r\n");
    say(&maker, 0, "QUIT\r\n");
    say(&maker, 1, "221 bye\r\n");
    char *text = made_text(&maker, false);

    ck_has(text, "1 SMTP session\n");
    ck_has(text, "5 packets");
    ck_has_not(text, "beginning");
    made_free(&maker, text);
}
END_TEST

/* Only the answer of the server tells where the client's bytes begin. */
START_TEST(test_first_command_lost)
{
    struct maker maker = {.link = DLT_RAW};

    make_head(&maker);
    maker.next[0]++;
    make_raw(&maker, 1, maker.next[1]++, 0x12, "", 0);
    say(&maker, 1, "220 mx.example ESMTP\r\n");
    say_lost(&maker, 0, "EHLO a.example\r\n");
    say(&maker, 1, "250 hi\r\n");
    say(&maker, 0, "QUIT\r\n");
    say(&maker, 1, "221 bye\r\n");
    char *text = made_text(&maker, false);

    ck_has(text, "client: 16 bytes missing");
    ck_has(text, "QUIT\n    0.004000  S       9  221 bye\n");
    made_free(&maker, text);
}
END_TEST

/* Behind the 31 bits of seconds. */
START_TEST(test_late_times)
{
    struct maker maker = {.link = DLT_RAW};

    make_head(&maker);
    maker.now_us = INT64_C(2200000000) * 1000000;
    make_session(&maker);
    char *text = made_text(&maker, false);

    ck_has(text, "from 2039-09-18 23:06:40.001000 UTC");
    made_free(&maker, text);
}
END_TEST

START_TEST(test_reset)
{
    struct maker maker = {0};

    begin(&maker);
    make_raw(&maker, 1, maker.next[1], 4, "", 0);
    char *text = made_text(&maker, false);

    ck_has(text, "S          resets the connection\n");
    made_free(&maker, text);
}
END_TEST

START_TEST(test_same_ends_again)
{
    struct maker maker = {.link = DLT_RAW};

    make_head(&maker);
    make_session(&maker);
    maker.next[0] = 77777;
    maker.next[1] = 88888;
    make_session(&maker);
    char *text = made_text(&maker, false);

    ck_has(text, "2 SMTP sessions\n");
    ck_has(text, "\nsession 2: ");
    ck_has_not(text, "missing");
    ck_has_not(text, "sent again");
    made_free(&maker, text);
}
END_TEST

START_TEST(test_interleaved)
{
    struct maker maker = {.link = DLT_RAW}, other;

    make_head(&maker);
    make_open(&maker);
    other = maker;
    other.ports[0]++;
    make_open(&other);
    maker.size = other.size;
    say(&maker, 1, "220 one\r\n");
    other.size = maker.size;
    say(&other, 1, "220 two\r\n");
    maker.size = other.size;
    say(&maker, 0, "HELO first\r\n");
    other.size = maker.size;
    say(&other, 0, "HELO second\r\n");
    maker.size = other.size;
    char *text = made_text(&maker, false), *second = strstr(text, "session 2: ");

    ck_assert_ptr_nonnull(second);
    ck_has(second, "220 two");
    ck_has(second, "HELO second");
    ck_has_not(second, "one");
    ck_has(text, "HELO first");
    made_free(&maker, text);
}
END_TEST

START_TEST(test_not_smtp)
{
    struct maker maker = {.link = DLT_RAW, .ports = {4000, 21}};

    make_head(&maker);
    make_open(&maker);
    say(&maker, 1, "220 files\r\n");
    say(&maker, 0, "USER bob\r\n");
    char *text = made_text(&maker, false);

    ck_has(text, "0 SMTP sessions, 1 other connection\n");
    made_free(&maker, text);
}
END_TEST

/* --- hostile ---------------------------------------------------------------------------------*/

START_TEST(test_terminal)
{
    struct maker maker = {0};

    begin(&maker);
    say(&maker, 0,
        "EHLO \x1b[31mred\a \x9b"
        "c \xc2\x85 \xe2\x80\xae \xc3\xa4 back\\slash\r\n");
    char *text = made_text(&maker, false);

    ck_has(text,
           "EHLO \\x1b[31mred\\x07 \\x9bc \\xc2\\x85 \\xe2\\x80\\xae \xc3\xa4 back\\\\slash\n");
    made_free(&maker, text);
}
END_TEST

START_TEST(test_long_lines)
{
    struct maker maker = {0};
    char line[5001];

    begin(&maker);
    memset(line, 'x', 5000);
    line[5000] = 0;
    say(&maker, 0, line);
    char *text = made_text(&maker, false);

    ck_has(text, "xxx ... (5000 bytes)");
    ck_assert_uint_lt(strlen(text), 1500);
    made_free(&maker, text);
}
END_TEST

/* Bytes of a capture changed, and every end: nothing happens but another text. */
START_TEST(test_damaged)
{
    struct maker maker = forms[_i];

    make_head(&maker);
    make_session(&maker);
    size_t size = maker.size;

    for (size_t at = _i % 7; at < size; at += 7) {
        maker.bytes[at] ^= (uint8_t) (1 + at % 255);
        free(made_text(&maker, true));
        maker.bytes[at] ^= (uint8_t) (1 + at % 255);
    }
    for (maker.size = 1; maker.size < size; maker.size += 23) {
        char *text = made_text(&maker, false);

        if (maker.size > 600)
            ck_has(text, "SMTP session");
        free(text);
    }
    made_free(&maker, NULL);
}
END_TEST

START_TEST(test_cut_file)
{
    struct maker maker = {.link = DLT_RAW};

    make_head(&maker);
    make_session(&maker);
    maker.size -= 5;
    char *text = made_text(&maker, false);

    ck_has(text, "250 2.0.0 taken\n");
    ck_has(text, "problem: damaged behind packet 13: truncated dump file");
    made_free(&maker, text);
}
END_TEST

/* As many segments as can be, none in order: memory stays where it must. */
START_TEST(test_little_memory)
{
    struct maker maker = {0};
    struct capture capture;

    begin(&maker);
    for (uint32_t i = 0; i < 20000; i++)
        make_raw(&maker, 0, maker.next[0] + 10 + i * 7919, 0x18, "xy", 2);
    FILE *file = fmemopen(maker.bytes, maker.size, "rb");

    capture_init(&capture);
    capture.flows.budget.left = 100000;
    ck_assert_int_eq(capture_read(&capture, file), 0);
    ck_assert_uint_gt(capture.flows.budget.refused, 0);
    ck_assert_uint_le(capture.flows.budget.left, 100000);
    for (int side = 0; side < 2; side++)
        stream_mute(&capture.flows.flows[0]->streams[side], &capture.flows.budget);
    ck_assert_uint_eq(capture.flows.budget.left, 100000);
    capture_free(&capture);
    made_free(&maker, NULL);
}
END_TEST

START_TEST(test_unknown_link)
{
    struct maker maker = {.link = 105};

    make_head(&maker);
    char *text = made_text(&maker, false);

    ck_has(text, "problem: cannot read packets of link type 105 (802.11)\n");
    made_free(&maker, text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("capture_show");
    TCase *one = tcase_create("forms"), *two = tcase_create("disorder"),
          *three = tcase_create("sessions"), *four = tcase_create("hostile");
    int form_count = sizeof forms / sizeof *forms, failed;

    tcase_add_loop_test(one, test_forms, 0, form_count);
    tcase_add_test(one, test_all_of_a_message);
    tcase_add_test(two, test_again);
    tcase_add_test(two, test_other_order);
    tcase_add_test(two, test_sent_again_late);
    tcase_add_test(two, test_overlaps);
    tcase_add_test(two, test_lost_reply);
    tcase_add_test(two, test_lost_command);
    tcase_add_test(two, test_lost_in_message);
    tcase_add_test(two, test_snaplen);
    tcase_add_test(two, test_from_the_middle);
    tcase_add_test(two, test_from_a_reply);
    tcase_add_test(three, test_starttls);
    tcase_add_test(three, test_secrets);
    tcase_add_test(three, test_chunks);
    tcase_add_test(three, test_waiting_without_memory);
    tcase_add_test(three, test_replies_without_end);
    tcase_add_test(three, test_many_messages_before_a_reply);
    tcase_add_test(three, test_chunk_with_a_gap);
    tcase_add_test(three, test_secret_behind_a_lost_reply);
    tcase_add_test(three, test_opening_behind_its_answer);
    tcase_add_test(three, test_first_command_lost);
    tcase_add_test(three, test_late_times);
    tcase_add_test(three, test_data_refused);
    tcase_add_test(three, test_refused_and_unanswered);
    tcase_add_test(three, test_reset);
    tcase_add_test(three, test_same_ends_again);
    tcase_add_test(three, test_interleaved);
    tcase_add_test(three, test_not_smtp);
    tcase_add_test(four, test_terminal);
    tcase_add_test(four, test_long_lines);
    tcase_set_timeout(four, 60);
    tcase_add_loop_test(four, test_damaged, 0, form_count);
    tcase_add_test(four, test_cut_file);
    tcase_add_test(four, test_little_memory);
    tcase_add_test(four, test_unknown_link);
    suite_add_tcase(suite, one);
    suite_add_tcase(suite, two);
    suite_add_tcase(suite, three);
    suite_add_tcase(suite, four);

    SRunner *runner = srunner_create(suite);

    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
