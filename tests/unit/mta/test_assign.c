/* SPDX-License-Identifier: ISC */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mta/lib/assign.h"

static const char table[] = "# users\n"
                            "=joe.shmoe:joe:503:78:/home/joe:::\n"
                            "+:alias:7790:2108:/var/alias:-::\n"
                            "+joe-:joe:503:78:/home/joe:-::\n"
                            "\n"
                            "+Joe-x-:jox:504:79:/home/jox:-:pre-:more\n"
                            "=joe-x-exact:joe:505:80:users/joe:/:ext:\n"
                            "=joe-x-exact:late:1:1:/late:::\n"
                            ".\n"
                            "what follows does not count\n";

static int parse(struct assign *assign, const char *text, size_t size, unsigned long *line)
{
    struct buf bytes = BUF_INIT(ASSIGN_SIZE_MAX);
    ck_assert_int_eq(buf_set(&bytes, text, size), 0);
    int result = assign_init(assign, &bytes, line);
    ck_assert_ptr_null(bytes.data);
    return result;
}

static void finds(const struct assign *assign, const char *local, const char *want)
{
    struct assign_user user;
    char got[400];
    if (assign_find(assign, local, strlen(local), &user))
        snprintf(got, sizeof got, "%s %u %u %s %s %s%s", user.user, user.uid, user.gid, user.home,
                 user.dash, user.extension, local + user.matched);
    else
        strcpy(got, "nobody");
    ck_assert_msg(strcmp(got, want) == 0, "%s: '%s', not '%s'", local, got, want);
}

START_TEST(lookups)
{
    struct assign assign;
    unsigned long line;
    ck_assert_int_eq(parse(&assign, table, sizeof table - 1, &line), 0);
    ck_assert_uint_eq(assign.count, 6);
    finds(&assign, "joe.shmoe", "joe 503 78 /home/joe  ");
    finds(&assign, "JOE.Shmoe", "joe 503 78 /home/joe  ");
    finds(&assign, "joe-list", "joe 503 78 /home/joe - list");
    finds(&assign, "Joe-List", "joe 503 78 /home/joe - List");
    finds(&assign, "joe-", "joe 503 78 /home/joe - ");
    finds(&assign, "joe-x-Y", "jox 504 79 /home/jox - pre-Y");
    finds(&assign, "joe-x-exact", "joe 505 80 users/joe / ext");
    finds(&assign, "joe-x-exactly", "jox 504 79 /home/jox - pre-exactly");
    finds(&assign, "joe", "alias 7790 2108 /var/alias - joe");
    finds(&assign, "", "alias 7790 2108 /var/alias - ");
    assign_free(&assign);
    ck_assert_int_eq(parse(&assign, ".\n", 2, &line), 0);
    finds(&assign, "joe", "nobody");
    finds(&assign, "", "nobody");
    assign_free(&assign);
}
END_TEST

START_TEST(malformed)
{
    static const struct {
        const char *text;
        unsigned long line;
    } rows[] = {
        {"", 0},
        {"\n", 0},
        {".", 0},
        {"=a:b:1:2:/c:::\n", 0},
        {"=a:b:1:2:/c:::\n.", 0},
        {"a:b:1:2:/c:::\n.\n", 1},
        {"\n=a:b:1:2:/c::\n.\n", 2},
        {"=a:b:x:2:/c:::\n.\n", 1},
        {"=a:b::2:/c:::\n.\n", 1},
        {"=a:b:1:-2:/c:::\n.\n", 1},
        {"=a:b:4294967295:2:/c:::\n.\n", 1},
        {"=a:b:99999999999999999999:2:/c:::\n.\n", 1},
        {"=a::1:2:/c:::\n.\n", 1},
        {"=a:b:1:2::::\n.\n", 1},
        {"=\n.\n", 1},
        {" .\n.\n", 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct assign assign;
        unsigned long line = 99;
        errno = 0;
        ck_assert_msg(parse(&assign, rows[i].text, strlen(rows[i].text), &line) == -1, "row %zu",
                      i);
        ck_assert_int_eq(errno, EBADMSG);
        ck_assert_msg(line == rows[i].line, "row %zu: line %lu", i, line);
    }
    struct assign assign;
    unsigned long line;
    ck_assert_int_eq(parse(&assign, "=a:b:1:2:/c\0:::\n.\n", 18, &line), -1);
    ck_assert_uint_eq(line, 1);
}
END_TEST

/* No beginning of the table is believed but the whole one. */
START_TEST(cut_anywhere)
{
    size_t whole = (size_t) (strstr(table, "\n.\n") + 3 - table);
    for (size_t size = 0; size < sizeof table; size++) {
        struct assign assign;
        unsigned long line;
        int result = parse(&assign, table, size, &line);
        ck_assert_msg((result == 0) == (size >= whole), "cut at %zu: %d", size, result);
        if (result == 0)
            assign_free(&assign);
    }
}
END_TEST

START_TEST(random_bytes)
{
    uint64_t state = 88172645463325252u;
    for (unsigned run = 0; run < 20000; run++) {
        static const char alphabet[] = "=+:::::::12ab/\n\n.\0-";
        char bytes[60];
        size_t size = run % (sizeof bytes - 2);
        for (size_t i = 0; i < size; i++) {
            state ^= state << 13, state ^= state >> 7, state ^= state << 17;
            bytes[i] = alphabet[state % (sizeof alphabet - 1)];
        }
        memcpy(bytes + size, ".\n", 2);
        struct assign assign;
        struct assign_user user;
        unsigned long line;
        if (parse(&assign, bytes, size + 2, &line) == 0) {
            assign_find(&assign, "ab", 2, &user);
            assign_free(&assign);
        }
    }
}
END_TEST

START_TEST(many_users)
{
    struct assign assign;
    unsigned long line;
    struct buf text = BUF_INIT(ASSIGN_SIZE_MAX);
    for (unsigned i = 0; i < 50000; i++) {
        char row[100];
        snprintf(row, sizeof row, "=u%u:u%u:%u:5:/home/u%u:::\n+u%u-:u%u:%u:5:/home/u%u:-::\n", i,
                 i, i, i, i, i, i, i);
        ck_assert_int_eq(buf_add_text(&text, row), 0);
    }
    ck_assert_int_eq(buf_add_text(&text, ".\n"), 0);
    ck_assert_int_eq(assign_init(&assign, &text, &line), 0);
    finds(&assign, "u49999", "u49999 49999 5 /home/u49999  ");
    finds(&assign, "u0-x", "u0 0 5 /home/u0 - x");
    finds(&assign, "u50000", "nobody");
    assign_free(&assign);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("assign");
    TCase *tests = tcase_create("assign");
    tcase_add_test(tests, lookups);
    tcase_add_test(tests, malformed);
    tcase_add_test(tests, cut_anywhere);
    tcase_add_test(tests, random_bytes);
    tcase_add_test(tests, many_users);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
