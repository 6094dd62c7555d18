/* SPDX-License-Identifier: ISC */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mta/lib/rewrite.h"

static char directory[64];

static void put(const char *name, const char *content)
{
    char path[128];
    snprintf(path, sizeof path, "control/%s", name);
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fputs(content, file);
    ck_assert_int_eq(fclose(file), 0);
}

static void drop(const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "control/%s", name);
    unlink(path);
}

static void setup(void)
{
    strcpy(directory, "/tmp/test_rewrite.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    ck_assert_int_eq(chdir(directory), 0);
    ck_assert_int_eq(mkdir("control", 0700), 0);
    put("me", "mail.example\n");
}

static void teardown(void)
{
    static const char *const names[] = {"me", "locals", "virtualdomains", "percenthack",
                                        "envnoathost"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        drop(names[i]);
    rmdir("control");
    ck_assert_int_eq(chdir("/"), 0);
    ck_assert_int_eq(rmdir(directory), 0);
}

static void expect(const struct rewrite *rewrite, const char *recipient, const char *want,
                   bool local)
{
    struct buf address = BUF_INIT(0);
    bool is_local;
    ck_assert_int_eq(rewrite_recipient(rewrite, recipient, &address, &is_local), 0);
    ck_assert_str_eq(buf_text(&address), want);
    ck_assert_msg(is_local == local, "%s is %slocal", recipient, is_local ? "" : "not ");
    buf_free(&address);
}

START_TEST(defaults)
{
    struct rewrite rewrite;
    ck_assert_int_eq(rewrite_load(&rewrite), 0);
    expect(&rewrite, "joe", "joe@mail.example", true);
    expect(&rewrite, "joe@MAIL.example", "joe@MAIL.example", true);
    expect(&rewrite, "joe@other.example", "joe@other.example", false);
    expect(&rewrite, "a%b@mail.example", "a%b@mail.example", true);
    expect(&rewrite, "", "@mail.example", true);
    expect(&rewrite, "a@b@mail.example", "a@b@mail.example", true);
    expect(&rewrite, "joe@", "joe@", false);
    rewrite_free(&rewrite);
}
END_TEST

START_TEST(all_rules)
{
    struct rewrite rewrite;
    put("locals", "# ours\nhere.example\nHost.Example\n");
    put("envnoathost", "here.example\n");
    put("percenthack", "gate.example\nhere.example\n");
    put("virtualdomains", "boss@virtual.example:chief\nvirtual.example:joe\n"
                          ".sub.example:sub\nnot.sub.example:\nhere.example:never\n");
    ck_assert_int_eq(rewrite_load(&rewrite), 0);
    expect(&rewrite, "ann", "ann@here.example", true);
    expect(&rewrite, "ann%far.example@gate.example", "ann@far.example", false);
    expect(&rewrite, "ann%here.example@gate.example", "ann@here.example", true);
    expect(&rewrite, "a%b%host.example%gate.example", "a%b@host.example", true);
    expect(&rewrite, "no.percent@gate.example", "no.percent@gate.example", false);
    expect(&rewrite, "x@virtual.example", "joe-x@virtual.example", true);
    expect(&rewrite, "BOSS@Virtual.example", "chief-BOSS@Virtual.example", true);
    expect(&rewrite, "y@deep.er.sub.example", "sub-y@deep.er.sub.example", true);
    expect(&rewrite, "y@sub.example", "y@sub.example", false);
    expect(&rewrite, "y@not.sub.example", "y@not.sub.example", false);
    expect(&rewrite, "z@here.example", "z@here.example", true);

    ck_assert_str_eq(rewrite_strip(&rewrite, "joe-x@virtual.example"), "x@virtual.example");
    ck_assert_str_eq(rewrite_strip(&rewrite, "joe-a-b@virtual.example"), "a-b@virtual.example");
    ck_assert_str_eq(rewrite_strip(&rewrite, "chief-boss@virtual.example"), "boss@virtual.example");
    ck_assert_str_eq(rewrite_strip(&rewrite, "jim-x@virtual.example"), "jim-x@virtual.example");
    ck_assert_str_eq(rewrite_strip(&rewrite, "never-z@here.example"), "never-z@here.example");
    ck_assert_str_eq(rewrite_strip(&rewrite, "a-b@far.example"), "a-b@far.example");
    ck_assert_str_eq(rewrite_strip(&rewrite, "nothing"), "nothing");
    rewrite_free(&rewrite);
}
END_TEST

START_TEST(catch_all)
{
    struct rewrite rewrite;
    put("virtualdomains", ":all\nout.example:\n");
    ck_assert_int_eq(rewrite_load(&rewrite), 0);
    expect(&rewrite, "a@any.example", "all-a@any.example", true);
    expect(&rewrite, "a@out.example", "a@out.example", false);
    expect(&rewrite, "a@mail.example", "a@mail.example", true);
    rewrite_free(&rewrite);
}
END_TEST

START_TEST(reloading)
{
    struct rewrite rewrite;
    const char *failed;
    ck_assert_int_eq(rewrite_load(&rewrite), 0);
    put("locals", "new.example\n");
    put("virtualdomains", "v.example:v\n");
    ck_assert_int_eq(rewrite_reload(&rewrite, &failed), 0);
    expect(&rewrite, "a@new.example", "a@new.example", true);
    expect(&rewrite, "a@mail.example", "a@mail.example", false);
    expect(&rewrite, "a@v.example", "v-a@v.example", true);
    drop("virtualdomains");
    ck_assert_int_eq(mkdir("control/virtualdomains", 0700), 0);
    ck_assert_int_eq(rewrite_reload(&rewrite, &failed), -1);
    ck_assert_str_eq(failed, "control/virtualdomains");
    expect(&rewrite, "a@v.example", "v-a@v.example", true);
    ck_assert_int_eq(rmdir("control/virtualdomains"), 0);
    rewrite_free(&rewrite);
}
END_TEST

START_TEST(missing_me)
{
    struct rewrite rewrite;
    drop("me");
    ck_assert_int_eq(rewrite_load(&rewrite), -1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("rewrite");
    TCase *tests = tcase_create("all");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, defaults);
    tcase_add_test(tests, all_rules);
    tcase_add_test(tests, catch_all);
    tcase_add_test(tests, reloading);
    tcase_add_test(tests, missing_me);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
