/* SPDX-License-Identifier: ISC */
/* DNS messages: names, records, and what an answer says. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mta/lib/dns_answer.h"

/* --- a message that is put together ------------------------------------------------------------*/

struct message {
    unsigned char bytes[70000];
    size_t size;
};

static void put(struct message *message, const void *bytes, size_t size)
{
    memcpy(message->bytes + message->size, bytes, size);
    message->size += size;
}

static void put_u16(struct message *message, unsigned number)
{
    unsigned char bytes[2];
    dns_put_u16(bytes, (uint16_t) number);
    put(message, bytes, 2);
}

static void put_name(struct message *message, const char *name)
{
    unsigned char wire[DNS_NAME_WIRE];
    put(message, wire, dns_name_to_wire(wire, name));
}

static void begin(struct message *message, unsigned flags, unsigned answers, unsigned authorities)
{
    const struct dns_header header = {
        1, (uint16_t) (DNS_QR | flags), 1, (uint16_t) answers, (uint16_t) authorities, 0};

    message->size = DNS_HEADER_SIZE;
    dns_put_header(message->bytes, &header);
    put_name(message, "a.example");
    put_u16(message, DNS_A);
    put_u16(message, DNS_IN);
}

static void put_record(struct message *message, const char *name, unsigned type, const void *data,
                       size_t size)
{
    put_name(message, name);
    put_u16(message, type);
    put_u16(message, DNS_IN);
    put(message, "\0\0\0\5", 4);
    put_u16(message, (unsigned) size);
    put(message, data, size);
}

static void put_alias(struct message *message, const char *name, const char *target)
{
    unsigned char wire[DNS_NAME_WIRE];
    put_record(message, name, DNS_CNAME, wire, dns_name_to_wire(wire, target));
}

/* --- names
 * --------------------------------------------------------------------------------------*/

#define LABEL_63 "0123456789012345678901234567890123456789012345678901234567890ab"

static const struct {
    const char *text;
    size_t size; /* 0: no name */
    const char *back;
} names[] = {
    {"example.com", 13, "example.com"},
    {"example.com.", 13, "example.com"},
    {"", 1, ""},
    {".", 1, ""},
    {"..", 0, 0},
    {"a..b", 0, 0},
    {".a", 0, 0},
    {"a\\.b.c", 7, "a\\.b.c"},
    {"\\065\\\\", 4, "A\\\\"},
    {"\\000", 3, "\\000"},
    {"x\\ y", 5, "x\\032y"},
    {"\xc3\xa4", 4, "\\195\\164"},
    {"a\\", 0, 0},
    {"\\25", 0, 0},
    {"\\256", 0, 0},
    {LABEL_63, 65, LABEL_63},
    {LABEL_63 "x", 0, 0},
    {LABEL_63 "." LABEL_63 "." LABEL_63 "."
              "0123456789012345678901234567890123456789012345678901234567890",
     255,
     LABEL_63 "." LABEL_63 "." LABEL_63 "."
              "0123456789012345678901234567890123456789012345678901234567890"},
    {LABEL_63 "." LABEL_63 "." LABEL_63 "."
              "01234567890123456789012345678901234567890123456789012345678901",
     0, 0},
};

START_TEST(name_text)
{
    unsigned char wire[DNS_NAME_WIRE];
    char text[DNS_NAME_TEXT];
    size_t size = dns_name_to_wire(wire, names[_i].text);

    ck_assert_uint_eq(size, names[_i].size);
    if (size == 0)
        return;
    struct dns_reader reader = {wire, size, 0};
    ck_assert_int_eq(dns_read_name(&reader, text), 0);
    ck_assert_str_eq(text, names[_i].back);
    ck_assert_uint_eq(reader.at, size);
    for (size_t cut = 0; cut < size; cut++) {
        reader = (struct dns_reader){wire, cut, 0};
        ck_assert_int_eq(dns_read_name(&reader, text), -1);
        ck_assert_int_eq(errno, EBADMSG);
    }
}
END_TEST

/* The longest text: every byte written with four characters. */
START_TEST(name_of_odd_bytes)
{
    unsigned char wire[DNS_NAME_WIRE + 64];
    char text[DNS_NAME_TEXT];

    memset(wire, 1, sizeof wire);
    wire[0] = wire[64] = wire[128] = 63;
    wire[192] = 61;
    wire[254] = 0;
    struct dns_reader reader = {wire, sizeof wire, 0};
    ck_assert_int_eq(dns_read_name(&reader, text), 0);
    ck_assert_uint_eq(strlen(text), 250 * 4 + 3);
    wire[192] = 62; /* 256 bytes */
    wire[255] = 0;
    reader.at = 0;
    ck_assert_int_eq(dns_read_name(&reader, text), -1);
}
END_TEST

START_TEST(name_pointers)
{
    static const struct {
        const char *bytes;
        size_t size, at;
        const char *text; /* NULL: wrong */
        size_t end;
    } cases[] = {
        {"\1a\1b\0\1c\xc0\2", 9, 5, "c.b", 9},
        {"\1a\1b\0\xc0\0", 7, 5, "a.b", 7},
        {"\xc0\0", 2, 0, 0, 0},             /* itself */
        {"\1a\xc0\0", 4, 0, 0, 0},          /* its own begin */
        {"\1a\xc0\6\0\0\1b\0", 9, 0, 0, 0}, /* forward */
        {"\xc0\2\xc0\0", 4, 2, 0, 0},       /* a circle of two */
        {"\1a\0\xc0", 4, 3, 0, 0},          /* half a pointer */
        {"\x40"
         "a",
         2, 0, 0, 0}, /* no such kind of label */
        {"\x80"
         "a",
         2, 0, 0, 0},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct dns_reader reader = {(const unsigned char *) cases[i].bytes, cases[i].size,
                                    cases[i].at};
        char text[DNS_NAME_TEXT];
        int result = dns_read_name(&reader, text);

        ck_assert_msg(result == (cases[i].text ? 0 : -1), "case %zu: %d", i, result);
        if (result == 0) {
            ck_assert_str_eq(text, cases[i].text);
            ck_assert_uint_eq(reader.at, cases[i].end);
        }
    }
}
END_TEST

START_TEST(same_names)
{
    ck_assert(dns_same_name("Example.COM", "example.com."));
    ck_assert(dns_same_name("", "."));
    ck_assert(!dns_same_name("example.com", "example.co"));
    ck_assert(!dns_same_name("a\\.", "a"));
}
END_TEST

START_TEST(query)
{
    static const char want[] = "\x12\x34\1\0\0\1\0\0\0\0\0\0\7example\3com\0\0\x1c\0\1";
    unsigned char bytes[DNS_QUERY_SIZE];

    ck_assert_uint_eq(dns_write_query(bytes, 0x1234, "example.com", DNS_AAAA), sizeof want - 1);
    ck_assert_mem_eq(bytes, want, sizeof want - 1);
    ck_assert_uint_eq(dns_write_query(bytes, 1, "a..b", DNS_A), 0);
}
END_TEST

/* --- answers
 * ------------------------------------------------------------------------------------*/

struct taken {
    unsigned count;
    unsigned char last;
};

static int take(void *context, const struct dns_reader *reader, const struct dns_record *record)
{
    struct taken *taken = context;

    if (record->size != 4)
        return -1;
    taken->count++;
    taken->last = reader->bytes[record->data + 3];
    return 0;
}

static struct dns_question question;
static struct taken taken;

static enum dns_finding ask(const struct message *message)
{
    strcpy(question.name, "a.EXAMPLE");
    question.type = DNS_A;
    question.aliases = 0;
    taken.count = 0;
    return dns_answer_read(message->bytes, message->size, &question, take, &taken);
}

static struct message message;

START_TEST(answer_found)
{
    begin(&message, 0, 4, 0);
    put_record(&message, "A.example", DNS_A, "\1\1\1\1", 4);
    put_record(&message, "other.example", DNS_A, "\2\2\2\2", 4);
    put_record(&message, "a.example", DNS_TXT, "\1x", 2);
    put_record(&message, "a.example", DNS_A, "\3\3\3\3", 4);
    ck_assert_int_eq(ask(&message), DNS_FOUND);
    ck_assert_uint_eq(taken.count, 2);
    ck_assert_uint_eq(taken.last, 3);
    /* however it is cut */
    for (size_t size = message.size; size-- > 0;) {
        struct message cut = {.size = size};

        memcpy(cut.bytes, message.bytes, size);
        ck_assert_int_eq(ask(&cut), DNS_TROUBLE);
    }
}
END_TEST

START_TEST(answer_aliases)
{
    begin(&message, 0, 3, 0); /* backwards */
    put_record(&message, "c.example", DNS_A, "\1\1\1\7", 4);
    put_alias(&message, "b.example", "C.example");
    put_alias(&message, "a.example", "b.example");
    ck_assert_int_eq(ask(&message), DNS_FOUND);
    ck_assert_uint_eq(taken.last, 7);
    ck_assert_uint_eq(question.aliases, 2);

    begin(&message, 0, 1, 0);
    put_alias(&message, "a.example", "b.example");
    ck_assert_int_eq(ask(&message), DNS_ALIAS);
    ck_assert_str_eq(question.name, "b.example");

    begin(&message, 0, 1, 1);
    put_alias(&message, "a.example", "b.example");
    put_record(&message, "example", DNS_SOA, "", 0);
    ck_assert_int_eq(ask(&message), DNS_NO_DATA);

    begin(&message, DNS_NXDOMAIN, 1, 0);
    put_alias(&message, "a.example", "b.example");
    ck_assert_int_eq(ask(&message), DNS_NO_DOMAIN);

    begin(&message, 0, 2, 0);
    put_alias(&message, "a.example", "b.example");
    put_alias(&message, "b.example", "a.example");
    ck_assert_int_eq(ask(&message), DNS_TROUBLE);
    begin(&message, 0, 1, 0);
    put_alias(&message, "a.example", "a.example");
    ck_assert_int_eq(ask(&message), DNS_TROUBLE);
}
END_TEST

START_TEST(answer_long_chain)
{
    char from[20], to[20] = "a.example";

    for (unsigned length = DNS_ALIASES_MAX; length <= DNS_ALIASES_MAX + 1; length++) {
        begin(&message, 0, length + 1, 0);
        strcpy(to, "a.example");
        for (unsigned i = 0; i < length; i++) {
            strcpy(from, to);
            snprintf(to, sizeof to, "x%u.example", i);
            put_alias(&message, from, to);
        }
        put_record(&message, to, DNS_A, "\1\1\1\1", 4);
        ck_assert_int_eq(ask(&message), length == DNS_ALIASES_MAX ? DNS_FOUND : DNS_TROUBLE);
    }
}
END_TEST

START_TEST(answer_nothing)
{
    begin(&message, 0, 0, 0);
    ck_assert_int_eq(ask(&message), DNS_NO_DATA);
    begin(&message, 0, 0, 1);
    put_record(&message, "example", DNS_SOA, "", 0);
    ck_assert_int_eq(ask(&message), DNS_NO_DATA);
    begin(&message, 0, 0, 1); /* a referral of a server that is not in charge */
    put_record(&message, "example", DNS_NS, "\0", 1);
    ck_assert_int_eq(ask(&message), DNS_TROUBLE);
    begin(&message, DNS_AA, 0, 1);
    put_record(&message, "example", DNS_NS, "\0", 1);
    ck_assert_int_eq(ask(&message), DNS_NO_DATA);
    begin(&message, DNS_NXDOMAIN, 0, 0);
    ck_assert_int_eq(ask(&message), DNS_NO_DOMAIN);
    for (unsigned code = 1; code < 16; code++) {
        begin(&message, code, 0, 0);
        if (code != DNS_NXDOMAIN)
            ck_assert_int_eq(ask(&message), DNS_TROUBLE);
    }
}
END_TEST

START_TEST(answer_wrong)
{
    begin(&message, 0, 1, 0); /* an address of three bytes */
    put_record(&message, "a.example", DNS_A, "\1\1\1", 3);
    ck_assert_int_eq(ask(&message), DNS_TROUBLE);
    begin(&message, 0, 1, 0); /* an alias with bytes behind it */
    put_record(&message, "a.example", DNS_CNAME, "\1b\0x", 4);
    ck_assert_int_eq(ask(&message), DNS_TROUBLE);
    begin(&message, 0, 1, 0); /* an alias that runs out of its data */
    put_record(&message, "a.example", DNS_CNAME, "\1b", 2);
    put(&message, "\0\0", 2);
    ck_assert_int_eq(ask(&message), DNS_TROUBLE);
    begin(&message, 0, 1, 0); /* no answer but a question */
    put_record(&message, "a.example", DNS_A, "\1\1\1\1", 4);
    message.bytes[2] &= 0x7f;
    ck_assert_int_eq(ask(&message), DNS_TROUBLE);
    begin(&message, 0, 1, 0); /* another class */
    put_record(&message, "a.example", DNS_A, "\1\1\1\1", 4);
    message.bytes[message.size - 11] = 3;
    ck_assert_int_eq(ask(&message), DNS_NO_DATA);
}
END_TEST

/* Any byte of an answer changed: something comes of it, and nothing outside of it is read (as
 * the sanitizer builds see). */
START_TEST(answer_any_byte)
{
    unsigned counts[DNS_TROUBLE + 1] = {0};

    begin(&message, 0, 3, 1);
    put_alias(&message, "a.example", "b.example");
    put_record(&message, "b.example", DNS_A, "\1\1\1\1", 4);
    put(&message, "\xc0\x0c\0\1\0\1\0\0\0\0\0\4\1\1\1\1", 16);
    put_record(&message, "example", DNS_SOA, "", 0);
    for (size_t at = 0; at < message.size; at++) {
        for (unsigned value = 0; value < 256; value++) {
            unsigned char *copy = malloc(message.size);

            memcpy(copy, message.bytes, message.size);
            copy[at] = (unsigned char) value;
            strcpy(question.name, "a.example");
            question.type = DNS_A;
            question.aliases = 0;
            counts[dns_answer_read(copy, message.size, &question, take, &taken)]++;
            free(copy);
        }
    }
    for (size_t i = 0; i <= DNS_TROUBLE; i++)
        ck_assert_msg(counts[i] > 0, "no finding %zu", i);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("dns");
    TCase *tests = tcase_create("all");

    tcase_add_loop_test(tests, name_text, 0, (int) (sizeof names / sizeof *names));
    tcase_add_test(tests, name_of_odd_bytes);
    tcase_add_test(tests, name_pointers);
    tcase_add_test(tests, same_names);
    tcase_add_test(tests, query);
    tcase_add_test(tests, answer_found);
    tcase_add_test(tests, answer_aliases);
    tcase_add_test(tests, answer_long_chain);
    tcase_add_test(tests, answer_nothing);
    tcase_add_test(tests, answer_wrong);
    tcase_add_test(tests, answer_any_byte);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
