/* SPDX-License-Identifier: ISC */
/* Every short string over CR, LF, dot and a letter, and what a server makes of its wire form. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "mta/lib/smtp_send.h"

#define LONGEST 7

/* Check writes a file at every ck_assert, which would take minutes here. */
#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition))                                                                          \
            ck_abort_msg("%s", #condition);                                                        \
    } while (0)

/* The wire form, made in pieces of `step` bytes. */
static size_t encode(const char *from, size_t size, size_t step, char *to, struct smtp_send *send)
{
    size_t made = 0;
    smtp_send_begin(send);
    for (size_t at = 0; at < size; at += step) {
        size_t part = size - at < step ? size - at : step;
        size_t now = smtp_send_some(send, from + at, part, to + made);
        MUST(now <= SMTP_SEND_ROOM(part));
        made += now;
    }
    size_t end = smtp_send_end(send, to + made, false);
    MUST(end <= SMTP_SEND_END_ROOM);
    return made + end;
}

/* What a server stores of it: lines up to the dot, with LF.  Nothing but CRLF ends a line.  Fails
 * if there is a bare CR or LF, or anything behind the dot. */
static size_t decode(const char *wire, size_t size, char *to)
{
    size_t made = 0;
    for (size_t at = 0;;) {
        size_t end = at;
        while (end < size && wire[end] != '\r' && wire[end] != '\n')
            end++;
        MUST(end + 2 <= size);
        MUST(wire[end] == '\r' && wire[end + 1] == '\n');
        if (end - at == 1 && wire[at] == '.') {
            MUST(end + 2 == size);
            return made;
        }
        at += wire[at] == '.';
        memcpy(to + made, wire + at, end - at);
        made += end - at;
        to[made++] = '\n';
        at = end + 2;
    }
}

/* The documented content, written another way: CR before LF goes, other CR are blanks, and the
 * last line ends. */
static size_t documented(const char *from, size_t size, char *to)
{
    size_t made = 0;
    for (size_t i = 0; i < size; i++)
        if (from[i] != '\r')
            to[made++] = from[i];
        else if (i + 1 == size || from[i + 1] != '\n')
            to[made++] = ' ';
    if (made && to[made - 1] != '\n')
        to[made++] = '\n';
    return made;
}

static void check_string(const char *text, size_t size)
{
    char wire[4 * LONGEST + 20], again[4 * LONGEST + 20], got[4 * LONGEST + 20],
        want[4 * LONGEST + 20];
    struct smtp_send send, counted;
    size_t wire_size = encode(text, size, size ? size : 1, wire, &send);
    for (size_t step = 1; step < size; step++) {
        MUST(encode(text, size, step, again, &counted) == wire_size);
        MUST(memcmp(wire, again, wire_size) == 0);
    }
    MUST(send.size == wire_size - 3);
    smtp_send_begin(&counted);
    smtp_send_some(&counted, text, size, NULL);
    smtp_send_end(&counted, again, true);
    MUST(counted.size == send.size);
    size_t want_size = documented(text, size, want);
    MUST(decode(wire, wire_size, got) == want_size);
    MUST(memcmp(got, want, want_size) == 0);
    /* CRLF.CRLF, begun by the CRLF before the message, is there once: at the end */
    for (size_t i = 0; i + 3 < wire_size; i++)
        if (memcmp(wire + i, ".\r\n", 3) == 0)
            MUST(i > 0 && memcmp(wire + i - 1, "\n", 1) != 0);
}

START_TEST(all_short_strings)
{
    static const char letters[] = "\r\n.a";
    for (size_t size = 0; size <= LONGEST; size++) {
        size_t count = (size_t) 1 << 2 * size;
        for (size_t number = 0; number < count; number++) {
            char text[LONGEST + 1];
            for (size_t i = 0; i < size; i++)
                text[i] = letters[number >> 2 * i & 3];
            check_string(text, size);
        }
    }
}
END_TEST

START_TEST(eight_bits)
{
    static const struct {
        const char *text;
        bool eight_bit;
    } rows[] = {{"", false}, {"abc\n\177", false}, {"abc\200", true}, {"\377\n", true}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct smtp_send send;
        smtp_send_begin(&send);
        smtp_send_some(&send, rows[i].text, strlen(rows[i].text), NULL);
        ck_assert_int_eq(send.eight_bit, rows[i].eight_bit);
    }
    char text[1000];
    for (size_t at = 0; at < sizeof text; at++) {
        struct smtp_send send;
        memset(text, 'x', sizeof text);
        text[at] = (char) 0x80;
        smtp_send_begin(&send);
        smtp_send_some(&send, text, sizeof text, NULL);
        MUST(send.eight_bit);
    }
}
END_TEST

START_TEST(long_lines)
{
    size_t size = 1000000;
    char *text = malloc(size), *wire = malloc(SMTP_SEND_ROOM(size) + SMTP_SEND_END_ROOM);
    struct smtp_send send;
    memset(text, '.', size);
    ck_assert_uint_eq(encode(text, size, size, wire, &send), size + 1 + 2 + 3);
    memset(text, 0, size);
    ck_assert_uint_eq(encode(text, size, size, wire, &send), size + 2 + 3);
    ck_assert_int_eq(memcmp(wire, text, size), 0);
    free(text);
    free(wire);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("smtp_send");
    TCase *tests = tcase_create("all");
    tcase_add_test(tests, all_short_strings);
    tcase_add_test(tests, eight_bits);
    tcase_add_test(tests, long_lines);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
