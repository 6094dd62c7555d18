/* SPDX-License-Identifier: ISC */
/* Subjects of messages in plain text: folded, encoded, broken, hostile. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "sim/kernel/random.h"
#include "sim/serve/serve.h"

static const struct {
    const char *message;
    const char *want; /* NULL: there is none */
} cases[] = {
    {"Subject: hello\n\nbody\n", "hello"},
    {"subject:hello \t\n\n", "hello"},
    {"Subject: a\nSubject: b\n\n", "a"},
    {"X: y\nSubject: a\n  b\n\tc\nZ: d\n\n", "a  b\tc"},
    {"Subject:\n\n", ""},
    {"Subject:", ""},
    {"Subjects: a\n\n", NULL},
    {"From: a\n\nSubject: b\n", NULL},
    {" Subject: a\n\n", NULL},
    {"", NULL},
    {"Subject: =?utf-8?q?Zo=C3=AB?=\n\n", "Zo\xc3\xab"},
    {"Subject: =?UTF-8?B?Wm/Dqw==?= and more\n\n", "Zo\xc3\xab and more"},
    {"Subject: =?iso-8859-1?Q?Gr=FC=DFe_!?=\n\n", "Gr\xc3\xbc\xc3\x9f"
                                                  "e !"},
    {"Subject: =?utf-8*de?q?a?=\n\n", "a"},
    {"Subject: =?utf-8?q?a?=\n =?utf-8?b?Yg==?= c\n\n", "ab c"},
    {"Subject: =?utf-8?q?a?= b =?utf-8?q?c?=\n\n", "a b c"},
    {"Subject: =?koi8-r?q?=C1?=\n\n", "=?koi8-r?q?=C1?="},
    {"Subject: =?utf-8?x?a?=\n\n", "=?utf-8?x?a?="},
    {"Subject: =?utf-8?q?a\n\n", "=?utf-8?q?a"},
    {"Subject: =?utf-8?q?=4?= =?utf-8?q?=?=\n\n", "=4="},
    {"Subject: =?utf-8?q?=zz=4z?=\n\n", "=zz=4z"},
    {"Subject: =?utf-8?b?!?=\n\n", ""},
    {"Subject: =?\n\n", "=?"},
    {"Subject: =?"
     "?q?"
     "?=\n\n",
     "=?"
     "?q?"
     "?="},
    {"Subject: =?utf-8?q?"
     "?=\n\n",
     ""},
};

START_TEST(subjects_are_read)
{
    struct pool pool = {NULL};
    const char *got = subject_of(&pool, cases[_i].message, strlen(cases[_i].message));

    ck_assert_pstr_eq(got, cases[_i].want);
    pool_free(&pool);
}
END_TEST

/* Whatever comes: nothing is read or written where it must not be (with sanitizers). */
START_TEST(hostile_subjects_do_no_harm)
{
    static const char *const parts[] = {"=?",  "?",    "?=", "utf-8", "iso-8859-1", "q",
                                        "b",   "=",    "_",  " ",     "\n ",        "\n",
                                        "=C3", "\xff", "\t", "QQ==",  "*"};
    struct random random;

    random_seed(&random, 7, (uint64_t) _i);
    for (int round = 0; round < 2000; round++) {
        struct pool pool = {NULL};
        char *text = malloc(12000);
        size_t size = (size_t) sprintf(text, "Subject: "), count = random_below(&random, 2000);
        char *exact;

        for (size_t i = 0; i < count && round % 50 == 0; i++)
            size += (size_t) sprintf(text + size, "%s", parts[random_below(&random, 17)]);
        for (size_t i = 0; i < count % 30; i++)
            size += (size_t) sprintf(text + size, "%s", parts[random_below(&random, 17)]);
        exact = malloc(size);
        memcpy(exact, text, size);
        subject_of(&pool, exact, size);
        free(exact);
        free(text);
        pool_free(&pool);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("subjects");
    TCase *tests = tcase_create("subjects");
    SRunner *runner;
    int failed;

    tcase_add_loop_test(tests, subjects_are_read, 0, sizeof cases / sizeof *cases);
    tcase_add_loop_test(tests, hostile_subjects_do_no_harm, 0, 4);
    tcase_set_timeout(tests, 30);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
