/* SPDX-License-Identifier: ISC */
/* What nixie diff reads. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/trace/story.h"

/* A call's text that is as long as there is room, with a name to be shortened at its very end. */
START_TEST(test_long_call)
{
    char text[9000];
    size_t used = (size_t) sprintf(text, "+0h00m01.000000s mail call ");
    struct story story;
    FILE *from;

    memset(text + used, 'x', 8192 - 4 + (size_t) _i);
    strcpy(text + used + 8192 - 4 + _i, "/tmp/abc of it\n"
                                        "+0h00m01.000000s mail queue m1 (1) is accepted\n");
    from = fmemopen(text, strlen(text), "r");
    ck_assert_int_eq(story_read(&story, from), 0);
    fclose(from);
    ck_assert_uint_eq(story.thread_count, 1);
    ck_assert_uint_lt(strlen(story.threads[0].steps[0].call), 8192);
    ck_assert_ptr_null(strstr(story.threads[0].steps[0].call + 8100, "abc of"));
    story_free(&story);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("story");
    TCase *one = tcase_create("lines");
    SRunner *runner;
    int failed;

    tcase_add_loop_test(one, test_long_call, -8, 4);
    suite_add_tcase(suite, one);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
