/* SPDX-License-Identifier: ISC */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "mta/lib/mem.h"
#include "mta/lib/smtp_address.h"

#define BAD NULL

static const struct {
    const char *argument; /* behind MAIL */
    const char *address;  /* BAD: an error */
    const char *rest;
} paths[] = {
    {" FROM:<a@b.example>", "a@b.example", ""},
    {" from:<a@b.example>", "a@b.example", ""},
    {" FROM: <a@b.example>", "a@b.example", ""},
    {" FROM : <a@b.example>", "a@b.example", ""},
    {"\tFROM:\t<a@b.example>", "a@b.example", ""},
    {" FROM:<>", "", ""},
    {" FROM:<> SIZE=5", "", " SIZE=5"},
    {" FROM:<a@b> SIZE=5 BODY=7BIT", "a@b", " SIZE=5 BODY=7BIT"},
    {" FROM:a@b", "a@b", ""},
    {" FROM:a@b SIZE=5", "a@b", " SIZE=5"},
    {" FROM:<postmaster>", "postmaster", ""},
    {" FROM:<a@B.Example>", "a@B.Example", ""},
    {" FROM:<a@b.example.>", "a@b.example", ""},
    {" FROM:<a@[192.0.2.1]>", "a@[192.0.2.1]", ""},
    {" FROM:<a@[IPv6:2001:db8::1]>", "a@[IPv6:2001:db8::1]", ""},
    {" FROM:<\"a b\"@c>", "a b@c", ""},
    {" FROM:<\"a\\\"b\"@c>", "a\"b@c", ""},
    {" FROM:<\"a\\\\b\"@c>", "a\\b@c", ""},
    {" FROM:<\"a@b\"@c>", "a@b@c", ""},
    {" FROM:<\"a>b\"@c>", "a>b@c", ""},
    {" FROM:<\"\"@c>", "@c", ""},
    {" FROM:<a\\ b@c>", "a b@c", ""},
    {" FROM:<a\\@b@c>", "a@b@c", ""},
    {" FROM:<a%b@c>", "a%b@c", ""},
    {" FROM:<a!b!c>", "a!b!c", ""},
    {" FROM:<a+b=c.d@e>", "a+b=c.d@e", ""},
    {" FROM:<.a..b.@c>", ".a..b.@c", ""},
    {" FROM:<@x:a@b>", "a@b", ""},
    {" FROM:<@x,@y.z:a@b>", "a@b", ""},
    {" FROM:<@x,@[192.0.2.1]:a@b>", "a@b", ""},
    {" FROM:<\xc3\xb6@b>", "\xc3\xb6@b", ""},
    {" FROM:<a_b@c_d>", "a_b@c_d", ""},
    {"", BAD, ""},
    {" ", BAD, ""},
    {" FROM", BAD, ""},
    {" FROM:", BAD, ""},
    {" FROM: ", BAD, ""},
    {" FROM<a@b>", BAD, ""},
    {" TO:<a@b>", BAD, ""},
    {" FROMM:<a@b>", BAD, ""},
    {" FROM:<a@b", BAD, ""},
    {" FROM:<", BAD, ""},
    {" FROM:<a@>", BAD, ""},
    {" FROM:<\"@\">", BAD, ""},
    {" FROM:<\"a@\">", BAD, ""},
    {" FROM:<\"a@b\">", BAD, ""},
    {" FROM:<a\\@b>", BAD, ""},
    {" FROM:\"a@b\"", BAD, ""},
    {" FROM:<@b>", BAD, ""},
    {" FROM:<@>", BAD, ""},
    {" FROM:@b", BAD, ""},
    {" FROM:<a@b@c>", BAD, ""},
    {" FROM:<a@b>c", BAD, ""},
    {" FROM:<a@b>>", BAD, ""},
    {" FROM:<<a@b>>", BAD, ""},
    {" FROM:<a b@c>", BAD, ""},
    {" FROM:< a@b>", BAD, ""},
    {" FROM:<a@b >", BAD, ""},
    {" FROM:<a@b..c>", BAD, ""},
    {" FROM:<a@.b>", BAD, ""},
    {" FROM:<a@.>", BAD, ""},
    {" FROM:<a@b,c@d>", BAD, ""},
    {" FROM:<a@(b)>", BAD, ""},
    {" FROM:<a@[192.0.2.1>", BAD, ""},
    {" FROM:<a@[192.0.2.1]x>", BAD, ""},
    {" FROM:<a@[192 0.2.1]>", BAD, ""},
    {" FROM:<\"a@b>", BAD, ""},
    {" FROM:<\"a\\", BAD, ""},
    {" FROM:<\"\">", BAD, ""},
    {" FROM:<a\\", BAD, ""},
    {" FROM:<a\x01@b>", BAD, ""},
    {" FROM:<\"a\x01\"@b>", BAD, ""},
    {" FROM:<a@b\x7f>", BAD, ""},
    {" FROM:<a@b\n>", BAD, ""},
    {" FROM:<@x,:a@b>", BAD, ""},
    {" FROM:<@x,y:a@b>", BAD, ""},
    {" FROM:<@x:@y:a@b>", BAD, ""},
    {" FROM:<@x:>", BAD, ""},
};

START_TEST(test_path)
{
    size_t size = strlen(paths[_i].argument), length, at;
    char *argument = mem_alloc(size), *address = mem_alloc(size);
    memcpy(argument, paths[_i].argument, size);
    int result = smtp_path_parse(argument, size, "FROM", address, &length, &at);
    if (!paths[_i].address) {
        ck_assert_msg(result < 0, "%s is taken", paths[_i].argument);
    } else {
        ck_assert_msg(result == 0, "%s is not taken", paths[_i].argument);
        ck_assert_uint_eq(length, strlen(paths[_i].address));
        ck_assert_int_eq(memcmp(address, paths[_i].address, length), 0);
        ck_assert_uint_eq(size - at, strlen(paths[_i].rest));
        ck_assert_int_eq(memcmp(argument + at, paths[_i].rest, size - at), 0);
    }
    mem_free(argument);
    mem_free(address);
}
END_TEST

/* A NUL is refused wherever it stands, and every text of five bytes that mean something is read
 * without a step beyond its memory (under the sanitizer). */
START_TEST(test_path_all)
{
    static const char letters[] = {'<', '>', '@', ':', '"', '\\', 'a', '.', '[', ']', ',', ' ', 0};
    enum { COUNT = sizeof letters };
    char *argument = mem_alloc(5 + 5), *address = mem_alloc(5 + 5);
    memcpy(argument, "FROM:", 5);
    for (unsigned number = 0; number < COUNT * COUNT * COUNT * COUNT * COUNT; number++) {
        unsigned rest = number;
        size_t length, at;
        for (size_t i = 0; i < 5; i++, rest /= COUNT)
            argument[5 + i] = letters[rest % COUNT];
        if (smtp_path_parse(argument, 10, "FROM", address, &length, &at) < 0)
            continue;
        ck_assert_uint_le(length, 5);
        ck_assert(at <= 10 && (at == 10 || argument[at] == ' '));
        ck_assert_ptr_null(memchr(address, 0, length));
        ck_assert_ptr_null(memchr(argument, 0, at));
    }
    mem_free(argument);
    mem_free(address);
}
END_TEST

static const struct {
    const char *text;
    const char *read; /* KEYWORD[=VALUE]; for each, then `!` if there is an error */
} parameters[] = {
    {"", ""},
    {"   ", ""},
    {" SIZE=5", "SIZE=5;"},
    {" SIZE=5  BODY=8BITMIME ", "SIZE=5;BODY=8BITMIME;"},
    {"\tX-Y", "X-Y;"},
    {" a=b+c/d:e", "a=b+c/d:e;"},
    {" SIZE=", "!"},
    {" =5", "!"},
    {" -x", "!"},
    {" SIZE==5", "!"},
    {" a=b=c", "!"},
    {" a=b\x01", "!"},
    {" a=\xc3\xb6", "!"},
    {" ok a_b", "ok;!"},
    {" SIZE:5", "!"},
};

START_TEST(test_parameter)
{
    size_t size = strlen(parameters[_i].text), at = 0;
    char read[200] = "", *text = mem_alloc(size);
    struct smtp_parameter parameter;
    int result;
    memcpy(text, parameters[_i].text, size);
    while ((result = smtp_parameter_next(text, size, &at, &parameter)) == 1) {
        strncat(read, parameter.keyword, parameter.keyword_size);
        if (parameter.value) {
            strcat(read, "=");
            strncat(read, parameter.value, parameter.value_size);
        }
        strcat(read, ";");
    }
    if (result < 0)
        strcat(read, "!");
    ck_assert_str_eq(read, parameters[_i].read);
    mem_free(text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("smtp_address");
    TCase *cases = tcase_create("smtp_address");
    tcase_add_loop_test(cases, test_path, 0, sizeof paths / sizeof *paths);
    tcase_add_test(cases, test_path_all);
    tcase_add_loop_test(cases, test_parameter, 0, sizeof parameters / sizeof *parameters);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
