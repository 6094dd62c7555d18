/* SPDX-License-Identifier: ISC */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "mta/lib/address.h"
#include "mta/lib/mem.h"

static const struct address_hosts hosts = {"host", "example.com", "plus.example"};

/* Reads a list into "local@domain|..." with `!` behind a routed one; "error" at an error.  The
 * text is in memory of exactly its size, so that sanitizers see a step too far. */
static char *read_list(const char *text, size_t size)
{
    struct buf list = BUF_INIT(0);
    char *exact = mem_alloc(size);
    char *scratch = mem_alloc(size);
    memcpy(exact, text, size);
    struct address_reader reader;
    struct address address;
    address_reader_init(&reader, exact, size, scratch);
    int found;
    while ((found = address_next(&reader, &address)) == 1) {
        ck_assert_uint_le(address.begin, address.end);
        ck_assert_uint_le(address.end, size);
        if (list.length)
            buf_add_byte(&list, '|');
        buf_add(&list, address.local, address.local_size);
        buf_add_byte(&list, '@');
        buf_add(&list, address.domain, address.domain_size);
        if (address.routed)
            buf_add_byte(&list, '!');
    }
    if (found < 0)
        buf_set_text(&list, "error");
    mem_free(exact);
    mem_free(scratch);
    buf_text(&list);
    return list.data;
}

static const struct {
    const char *text;
    const char *want;
} lists[] = {
    /* plain */
    {"", ""},
    {" \r\n\t ", ""},
    {"joe@example.com", "joe@example.com"},
    {" joe@example.com\n", "joe@example.com"},
    {"joe", "joe@"},
    {"joe@", "joe@"},
    {"joe.bloggs+tag=x@a.b-c.d", "joe.bloggs+tag=x@a.b-c.d"},
    {"a@x,b@y, c", "a@x|b@y|c@"},
    {"a@x;b@y", "a@x|b@y"},
    {",,a@x,, ,b@y,", "a@x|b@y"},
    {"a@x,\n b@y,\r\n\tc@z\r\n", "a@x|b@y|c@z"},
    {"J\303\266rg@ex\303\244mple", "J\303\266rg@ex\303\244mple"},
    /* phrases and brackets */
    {"Joe Bloggs <joe@x>", "joe@x"},
    {"<joe@x>", "joe@x"},
    {"<>", "@"},
    {"< >", "@"},
    {"Nobody <>", "@"},
    {"\"Bloggs, Joe\" <joe@x>, b@y", "joe@x|b@y"},
    {"J. R. Bloggs <joe@x>", "joe@x"},
    {"joe@x <joe@y>", "joe@y"},
    {"=?utf-8?Q?J=C3=B6rg?= <joe@x>", "joe@x"},
    {"Joe\n Bloggs\n <joe@x>\n", "joe@x"},
    {"Joe<joe@x>(his (only) address)", "joe@x"},
    /* comments */
    {"joe@x (Joe Bloggs)", "joe@x"},
    {"(c)joe(c)@(c)x(c).(c)y(c)", "joe@x.y"},
    {"joe (a \\) b \\( c) @x", "joe@x"},
    {"(a, b@c <d>) joe@x", "joe@x"},
    {"joe . bloggs @ x . y", "joe.bloggs@x.y"},
    {"<joe(c) . bloggs\n @ x . y>", "joe.bloggs@x.y"},
    {"(nothing but a comment)", ""},
    /* quoting */
    {"\"joe bloggs\"@x", "joe bloggs@x"},
    {"\"a@b\"@x", "a@b@x"},
    {"\"a\\\"b\\\\c\"@x", "a\"b\\c@x"},
    {"\"a\"b@x", "error"},
    {"\"a\".b@x", "a.b@x"},
    {"\"a,b;c:d<e>(f)[g]\"@x", "a,b;c:d<e>(f)[g]@x"},
    {"\"folded\r\n name\"@x", "folded name@x"},
    /* literals */
    {"joe@[127.0.0.1]", "joe@[127.0.0.1]"},
    {"joe@[IPv6:::1]", "joe@[IPv6:::1]"},
    {"joe@[a\\]b]", "joe@[a\\]b]"},
    {"<joe@[1.2.3.4]>", "joe@[1.2.3.4]"},
    {"[1.2.3.4]", "error"},
    {"[x]@y", "error"},
    {"joe@[x][y]", "error"},
    /* source routes */
    {"<@a:joe@x>", "joe@x!"},
    {"<@a,@b.c:joe@x>", "joe@x!"},
    {"<@a,,@b:joe@x>", "joe@x!"},
    {"<@a:joe>", "joe@!"},
    {"<@a:>", "error"},
    {"<@a:@b:joe@x>", "error"},
    {"@a:joe@x", "error"},
    {"<joe@x:y>", "error"},
    /* several @ */
    {"a@b@c", "a@b@c!"},
    {"@@", "error"},
    {"@a@b", "error"},
    {"a@@b", "error"},
    {"\"@\"@b", "@@b"},
    {"<a%b@c@d>", "a%b@c@d!"},
    /* groups */
    {"recipient list not shown: ;", ""},
    {"undisclosed-recipients:;", ""},
    {"Friends: a@x, B <b@y>; c@z", "a@x|b@y|c@z"},
    {"\"My: friends\": a@x;, b@y", "a@x|b@y"},
    {"A: a@x; B: b@y;", "a@x|b@y"},
    {"A: <a@x>; B: b@y", "a@x|b@y"},
    {"A: a@x", "a@x"},
    {"A: B: a@x;;", "error"},
    {": a@x;", "error"},
    {"a@x: b@y;", "error"},
    /* dots */
    {".joe@x", ".joe@x"},
    {"joe.@x", "joe.@x"},
    {"joe..b@x", "joe..b@x"},
    {"joe@x.", "joe@x."},
    /* broken */
    {"joe bloggs", "error"},
    {"joe@x fred@y", "error"},
    {"joe@x <joe@x", "error"},
    {"<joe@x", "error"},
    {"joe@x>", "error"},
    {"<<joe@x>>", "error"},
    {"<joe@x> fred@y", "error"},
    {"<joe@x> <fred@y>", "error"},
    {"<a@x, b@y>", "error"},
    {"(never ended", "error"},
    {"joe@x (never \\)", "error"},
    {"\"never ended", "error"},
    {"\"never ended\\", "error"},
    {"joe@[never", "error"},
    {"joe@[never\\", "error"},
    {"joe\\bloggs@x", "error"},
    {")", "error"},
    {"joe@x]", "error"},
    {"@x", "error"},
    {"\"\"@x", "error"},
    {"<\"\">", "error"},
    {"joe@\"x\"", "error"},
    {"joe\177@x", "error"},
    {"\001joe@x", "error"},
};

START_TEST(test_list)
{
    char *got = read_list(lists[_i].text, strlen(lists[_i].text));
    ck_assert_msg(strcmp(got, lists[_i].want) == 0, "%s: got %s, want %s", lists[_i].text, got,
                  lists[_i].want);
    mem_free(got);
}
END_TEST

START_TEST(test_list_nul)
{
    static const char *const texts[] = {"\0joe@x", "j\0e@x", "\"\0\"@x", "\"\\\0\"@x", "j@[\0]"};
    static const size_t sizes[] = {6, 5, 5, 6, 5};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char *got = read_list(texts[i], sizes[i]);
        ck_assert_str_eq(got, "error");
        mem_free(got);
    }
    char *got = read_list("joe (\0) @x", 10); /* in a comment it harms nobody */
    ck_assert_str_eq(got, "joe@x");
    mem_free(got);
}
END_TEST

/* What is to be replaced: the address and nothing around it. */
START_TEST(test_range)
{
    static const struct {
        const char *text;
        const char *want;
    } ranges[] = {
        {"joe", "joe"},
        {" joe (Joe) ", "joe"},
        {"Joe <joe>", "joe"},
        {"Joe < joe @ x (c) >", "joe @ x"},
        {"Joe <(c)joe>", "joe"},
        {"<@a,@b:joe@x>", "@a,@b:joe@x"},
        {"< @a : joe@x >", "@a : joe@x"},
        {"\"joe b\"@x.", "\"joe b\"@x."},
        {"G: joe;", "joe"},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        char scratch[64];
        struct address_reader reader;
        struct address address;
        const char *text = ranges[i].text;
        address_reader_init(&reader, text, strlen(text), scratch);
        ck_assert_int_eq(address_next(&reader, &address), 1);
        ck_assert_msg(address.end - address.begin == strlen(ranges[i].want) &&
                          memcmp(text + address.begin, ranges[i].want, strlen(ranges[i].want)) == 0,
                      "%s: got %.*s", text, (int) (address.end - address.begin),
                      text + address.begin);
    }
}
END_TEST

START_TEST(test_add_local)
{
    static const struct {
        const char *local;
        const char *want;
    } locals[] = {
        {"joe", "joe"},
        {"joe.b+x", "joe.b+x"},
        {"", "\"\""},
        {".joe", "\".joe\""},
        {"joe.", "\"joe.\""},
        {"j..b", "\"j..b\""},
        {"a b", "\"a b\""},
        {"a@b", "\"a@b\""},
        {"a\"b\\c", "\"a\\\"b\\\\c\""},
        {"a\nb", "\"a\\\nb\""},
        {"j\303\266rg", "j\303\266rg"},
        {"a(b)", "\"a(b)\""},
    };
    for (size_t i = 0; i < sizeof locals / sizeof *locals; i++) {
        struct buf buf = BUF_INIT(0);
        ck_assert_int_eq(address_add_local(&buf, locals[i].local, strlen(locals[i].local)), 0);
        ck_assert_str_eq(buf_text(&buf), locals[i].want);
        buf_free(&buf);
    }
}
END_TEST

START_TEST(test_add_given)
{
    static const struct {
        const char *given;
        const char *want;
    } given[] = {
        {"joe", "joe@host.example.com"},
        {"joe@", "joe@host.example.com"},
        {"joe@x", "joe@x.example.com"},
        {"joe@x.y", "joe@x.y"},
        {"joe@x.y.", "joe@x.y"},
        {"joe@x.", "joe@x.example.com"},
        {"joe@...", "joe@host.example.com"},
        {"joe@x+", "joe@x.plus.example"},
        {"joe@a.x+", "joe@a.x.plus.example"},
        {"joe@[1.2.3.4]", "joe@[1.2.3.4]"},
        {"#@[]", "#@[]"},
        {"a@b@c.d", "a@b@c.d"},
        {"joe bloggs@x.y", "joe bloggs@x.y"},
        {"", "@host.example.com"},
    };
    for (size_t i = 0; i < sizeof given / sizeof *given; i++) {
        struct buf buf = BUF_INIT(0);
        ck_assert_int_eq(address_add_given(&buf, given[i].given, &hosts), 0);
        ck_assert_str_eq(buf_text(&buf), given[i].want);
        buf_free(&buf);
    }
}
END_TEST

START_TEST(test_default_host_forms)
{
    static const struct {
        struct address_hosts hosts;
        const char *want;
    } forms[] = {
        {{"a.b", "d", "p"}, "a.b"},    {{"a", "d.e", "p"}, "a.d.e"},
        {{"a+", "d", "p.q"}, "a.p.q"}, {{"[10.0.0.1]", "d", "p"}, "[10.0.0.1]"},
        {{"a.b.", "d", "p"}, "a.b"},   {{"a", "", "p"}, "a"},
        {{"a+", "d", ""}, "a"},
    };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct buf buf = BUF_INIT(0);
        ck_assert_int_eq(address_add_host(&buf, "", 0, &forms[i].hosts), 0);
        ck_assert_str_eq(buf_text(&buf), forms[i].want);
        buf_free(&buf);
    }
}
END_TEST

START_TEST(test_add_full)
{
    struct buf buf = BUF_INIT(8);
    ck_assert_int_eq(address_add_given(&buf, "joe", &hosts), -1);
    buf_reset(&buf);
    ck_assert_int_eq(address_add_local(&buf, "a b c d", 7), -1);
    ck_assert_uint_eq(buf.length, 0);
    buf_free(&buf);
}
END_TEST

/* What address_add_local writes, address_next reads back. */
START_TEST(test_quoting_round_trip)
{
    for (int c = 1; c < 256; c++) {
        if (c == '\r' || c == '\n')
            continue; /* no envelope carries them out of a header */
        char local[] = {'a', (char) c, 'b', 0};
        struct buf buf = BUF_INIT(0);
        address_add_local(&buf, local, 3);
        buf_add_text(&buf, "@x");
        char *got = read_list(buf.data, buf.length);
        ck_assert_msg(strncmp(got, local, 3) == 0 && strcmp(got + 3, "@x") == 0, "byte %d: %s", c,
                      got);
        mem_free(got);
        buf_free(&buf);
    }
}
END_TEST

/* Any bytes: it ends, stays in its memory, and gives no NUL to an envelope. */
START_TEST(test_hostile)
{
    static const char alphabet[] = "a@.<>(),;:\"\\[] \n\r\t\0b\377";
    uint64_t state = 1;
    for (int round = 0; round < 20000; round++) {
        char text[24];
        size_t size = 0;
        state = state * 6364136223846793005u + 1442695040888963407u;
        for (uint64_t bits = state >> 8; size < sizeof text && bits; bits /= 5)
            text[size++] = alphabet[(bits ^ state >> 50) % (sizeof alphabet - 1)];
        char *exact = mem_alloc(size);
        char *scratch = mem_alloc(size);
        memcpy(exact, text, size);
        struct address_reader reader;
        struct address address;
        address_reader_init(&reader, exact, size, scratch);
        size_t count = 0;
        while (address_next(&reader, &address) == 1) {
            ck_assert_uint_le(++count, size + 1);
            ck_assert_uint_le(address.local_size + address.domain_size, size);
            ck_assert(!memchr(address.local, 0, address.local_size));
            ck_assert(!memchr(address.domain, 0, address.domain_size));
        }
        mem_free(exact);
        mem_free(scratch);
    }
}
END_TEST

/* Deep nesting and long lists cost no stack and no more than linear time. */
START_TEST(test_large)
{
    size_t size = 1 << 20;
    char *text = mem_alloc(size);
    memset(text, '(', size);
    char *got = read_list(text, size);
    ck_assert_str_eq(got, "error");
    mem_free(got);
    memset(text + size / 2, ')', size / 2);
    got = read_list(text, size);
    ck_assert_str_eq(got, "");
    mem_free(got);
    for (size_t i = 0; i < size; i += 2)
        memcpy(text + i, "a,", 2);
    got = read_list(text, size);
    ck_assert_uint_eq(strlen(got), size / 2 * 3 - 1);
    mem_free(got);
    mem_free(text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("address");
    TCase *reading = tcase_create("reading");
    tcase_set_timeout(reading, 60);
    tcase_add_loop_test(reading, test_list, 0, (int) (sizeof lists / sizeof *lists));
    tcase_add_test(reading, test_list_nul);
    tcase_add_test(reading, test_range);
    tcase_add_test(reading, test_hostile);
    tcase_add_test(reading, test_large);
    suite_add_tcase(suite, reading);
    TCase *writing = tcase_create("writing");
    tcase_add_test(writing, test_add_local);
    tcase_add_test(writing, test_add_given);
    tcase_add_test(writing, test_default_host_forms);
    tcase_add_test(writing, test_add_full);
    tcase_add_test(writing, test_quoting_round_trip);
    suite_add_tcase(suite, writing);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
