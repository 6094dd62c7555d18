/* SPDX-License-Identifier: ISC */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mta/lib/dotqmail.h"

/* What a file says, as text: "M./Maildir/ |program &address !problem". */
static void tell(const char *bytes, size_t size, bool executable, char *to, size_t room)
{
    struct dotqmail dotqmail;
    struct dotqmail_instruction instruction;
    int result;
    size_t used = 0;
    *to = 0;
    dotqmail_init(&dotqmail, bytes, size, executable);
    while ((result = dotqmail_next(&dotqmail, &instruction)) == 1) {
        ck_assert(instruction.text >= bytes && instruction.text + instruction.size <= bytes + size);
        used +=
            (size_t) snprintf(to + used, room - used, "%s%c%.*s", used ? " " : "",
                              "BM|&"[instruction.kind], (int) instruction.size, instruction.text);
    }
    if (result < 0) {
        ck_assert_ptr_nonnull(dotqmail.problem);
        snprintf(to + used, room - used, "%s!%lu", used ? " " : "", dotqmail.line);
        ck_assert_int_eq(dotqmail_next(&dotqmail, &instruction), 0);
    }
}

#define SAYS(text, want) says(text, sizeof text - 1, false, want)
static void says(const char *bytes, size_t size, bool executable, const char *want)
{
    char got[4000];
    char *copy = malloc(size + 1); /* so that the sanitizer sees a step too far */
    memcpy(copy, bytes, size);
    char *exact = malloc(size ? size : 1);
    memcpy(exact, bytes, size);
    tell(exact, size, executable, got, sizeof got);
    ck_assert_str_eq(got, want);
    free(exact);
    free(copy);
}

START_TEST(instructions)
{
    SAYS("", "");
    SAYS("./Maildir/\n", "M./Maildir/");
    SAYS("./Maildir/", "M./Maildir/");
    SAYS("./Mailbox\n/var/mail/joe \t\n", "B./Mailbox B/var/mail/joe");
    SAYS("|a b  \n| c\n", "|a b | c");
    SAYS("&a@b\na@b\n9@b\n\"a b\"@c\n_x@y\n", "&a@b &a@b &9@b &\"a b\"@c &_x@y");
    SAYS("# a\n\n&x@y\n   \n#./no\n", "&x@y");
    SAYS("|\n", "|");
    SAYS("/\n./\n", "M/ M./");
    SAYS("&\xc3\xa4@b\n./\xc3\xa4/\n", "&\xc3\xa4@b M./\xc3\xa4/");
    SAYS("+other\n./Mailbox\n", "B./Mailbox");
}
END_TEST

START_TEST(mistakes)
{
    SAYS("\n./Maildir/\n", "!1");
    SAYS("  \n", "!1");
    SAYS("\n", "!1");
    SAYS("&x@y\n z@y\n", "&x@y !2");
    SAYS("\tz@y\n", "!1");
    SAYS("&\n", "!1");
    SAYS("./Maildir/\r\n", "!1");
    SAYS("# dos\r\n\r\n", "!2");
    SAYS("a\1b@c\n", "!1");
    SAYS("./a\x7f\n", "!1");
    SAYS("x@y\n./a\0b\n", "&x@y !2");
    SAYS("#\0\n", "!1");
    SAYS("\x7f"
         "ELF\1\1\1\n",
         "!1");
    SAYS("+list\n&x@y\n./Mailbox\n", "&x@y !3");
    SAYS("+list\n|x\n", "!2");
    SAYS("./Mailbox\n+list\n&x@y\n", "B./Mailbox &x@y");
}
END_TEST

START_TEST(executable)
{
    says("&x@y\n", 5, true, "&x@y");
    says("./Mailbox\n", 10, true, "!1");
    says("&x@y\n|z\n", 8, true, "&x@y !2");
}
END_TEST

START_TEST(lengths)
{
    static const struct {
        char first;
        size_t most;
    } rows[] = {{'&', DOTQMAIL_ADDRESS_MAX + 1},
                {'a', DOTQMAIL_ADDRESS_MAX},
                {'.', DOTQMAIL_PATH_MAX},
                {'|', DOTQMAIL_PROGRAM_MAX + 1},
                {'#', 5000000}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *text = malloc(rows[i].most + 1);
        struct dotqmail dotqmail;
        struct dotqmail_instruction instruction;
        memset(text, 'x', rows[i].most + 1);
        text[0] = rows[i].first;
        dotqmail_init(&dotqmail, text, rows[i].most, false);
        ck_assert_int_eq(dotqmail_next(&dotqmail, &instruction), rows[i].first != '#');
        dotqmail_init(&dotqmail, text, rows[i].most + 1, false);
        ck_assert_int_eq(dotqmail_next(&dotqmail, &instruction), rows[i].first == '#' ? 0 : -1);
        free(text);
    }
}
END_TEST

/* Every beginning of a file is read without a step too far, and any bytes are. */
START_TEST(cut_and_random)
{
    static const char text[] = "# x\n&a@b\n./M/\n|p q\n+list\nc@d\n\n&e@f";
    char got[4000];
    for (size_t size = 0; size < sizeof text - 1; size++) {
        char *exact = malloc(size ? size : 1);
        memcpy(exact, text, size);
        tell(exact, size, false, got, sizeof got);
        bool empty = size > 0 && text[size - 1] == '&';
        ck_assert_msg((strchr(got, '!') != NULL) == empty, "cut at %zu: %s", size, got);
        free(exact);
    }
    uint64_t state = 88172645463325252u;
    for (unsigned run = 0; run < 20000; run++) {
        static const char alphabet[] = "\n\n\n&|./#+ \tax\r\0\x7f\x80list";
        char bytes[40];
        size_t size = run % sizeof bytes;
        for (size_t i = 0; i < size; i++) {
            state ^= state << 13, state ^= state >> 7, state ^= state << 17;
            bytes[i] = alphabet[state % (sizeof alphabet - 1)];
        }
        char *exact = malloc(size ? size : 1);
        memcpy(exact, bytes, size);
        tell(exact, size, run & 1, got, sizeof got);
        free(exact);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("dotqmail");
    TCase *tests = tcase_create("dotqmail");
    tcase_add_test(tests, instructions);
    tcase_add_test(tests, mistakes);
    tcase_add_test(tests, executable);
    tcase_add_test(tests, lengths);
    tcase_add_test(tests, cut_and_random);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
