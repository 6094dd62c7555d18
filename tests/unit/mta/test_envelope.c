/* SPDX-License-Identifier: ISC */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mta/lib/envelope.h"

#define BYTES(text) text, sizeof(text) - 1

static const struct {
    const char *bytes;
    size_t size;
    enum envelope_result result;
    const char *sender;
    size_t recipients;
    size_t used;
} cases[] = {
    {BYTES("Fa@b\0Tc@d\0\0"), ENVELOPE_OK, "a@b", 1, 11},
    {BYTES("F\0\0"), ENVELOPE_OK, "", 0, 3},
    {BYTES("F\0T\0T\0\0"), ENVELOPE_OK, "", 2, 7},
    {BYTES("F#@[]\0Tx\0\0rest"), ENVELOPE_OK, "#@[]", 1, 10},
    {BYTES("FT\0TF\0\0"), ENVELOPE_OK, "T", 1, 7},
    {BYTES(""), ENVELOPE_CUT, 0, 0, 0},
    {BYTES("F"), ENVELOPE_CUT, 0, 0, 0},
    {BYTES("Fa@b"), ENVELOPE_CUT, 0, 0, 0},
    {BYTES("Fa@b\0"), ENVELOPE_CUT, 0, 0, 0},
    {BYTES("Fa@b\0T"), ENVELOPE_CUT, 0, 0, 0},
    {BYTES("Fa@b\0Tc\0"), ENVELOPE_CUT, 0, 0, 0},
    {BYTES("\0"), ENVELOPE_INVALID, 0, 0, 0},
    {BYTES("Ta\0"), ENVELOPE_INVALID, 0, 0, 0},
    {BYTES("fa\0\0"), ENVELOPE_INVALID, 0, 0, 0},
    {BYTES("Fa\0Fb\0\0"), ENVELOPE_INVALID, 0, 0, 0},
    {BYTES("Fa\0Tb\0X"), ENVELOPE_INVALID, 0, 0, 0},
};

START_TEST(test_cases)
{
    struct envelope envelope;
    enum envelope_result result = envelope_parse(cases[_i].bytes, cases[_i].size, &envelope);
    ck_assert_int_eq(result, cases[_i].result);
    if (result != ENVELOPE_OK)
        return;
    ck_assert_str_eq(envelope.sender, cases[_i].sender);
    ck_assert_uint_eq(envelope.sender_size, strlen(cases[_i].sender));
    ck_assert_uint_eq(envelope.recipient_count, cases[_i].recipients);
    ck_assert_uint_eq(envelope.size, cases[_i].used);
}
END_TEST

/* The bytes come in two parts, cut at every place: same answer as at once. */
START_TEST(test_resumed)
{
    for (size_t cut = 0; cut <= cases[_i].size; cut++) {
        struct envelope envelope;
        struct envelope_progress progress = {0};
        char *bytes = malloc(cases[_i].size + 1);
        memcpy(bytes, cases[_i].bytes, cases[_i].size);
        enum envelope_result result = envelope_resume(&progress, bytes, cut, &envelope);
        if (result == ENVELOPE_CUT)
            result = envelope_resume(&progress, bytes, cases[_i].size, &envelope);
        ck_assert_int_eq(result, cases[_i].result);
        if (result == ENVELOPE_OK) {
            ck_assert_uint_eq(envelope.recipient_count, cases[_i].recipients);
            ck_assert_str_eq(envelope.sender, cases[_i].sender);
        }
        free(bytes);
    }
}
END_TEST

/* An address of 1002 bytes passes, one of 1003 does not, as soon as its 1003rd byte is seen. */
START_TEST(test_longest)
{
    static const char letters[2] = "FT";
    char bytes[1 + ENVELOPE_ADDRESS_MAX + 1 + 8];
    struct envelope envelope;
    for (int i = 0; i < 2; i++) {
        size_t at = 0;
        if (i == 1) {
            memcpy(bytes, "Fs", 3);
            at = 3;
        }
        bytes[at] = letters[i];
        memset(bytes + at + 1, 'x', ENVELOPE_ADDRESS_MAX + 1);
        size_t end = at + 1 + ENVELOPE_ADDRESS_MAX;
        ck_assert_int_eq(envelope_parse(bytes, end, &envelope), ENVELOPE_CUT);
        ck_assert_int_eq(envelope_parse(bytes, end + 1, &envelope), ENVELOPE_LONG);
        bytes[end] = 0;
        bytes[end + 1] = 0;
        ck_assert_int_eq(envelope_parse(bytes, end + 2, &envelope), ENVELOPE_OK);
    }
}
END_TEST

/* Recipients that are short and too many, as they may grow when they are rewritten: refused at the
 * first one that is too much, also when the end was not seen. */
START_TEST(test_too_many)
{
    size_t most = (ENVELOPE_REWRITTEN_MAX - 3) / (ENVELOPE_ADDED + 3);
    char *bytes = malloc(3 + (most + 1) * 3 + 1);
    struct envelope envelope;
    memcpy(bytes, "Fs", 3);
    for (size_t i = 0; i <= most; i++)
        memcpy(bytes + 3 + i * 3, "Tx", 3);
    size_t end = 3 + most * 3;
    ck_assert_int_eq(envelope_parse(bytes, end, &envelope), ENVELOPE_CUT);
    ck_assert_int_eq(envelope_parse(bytes, end + 3, &envelope), ENVELOPE_LONG);
    bytes[end] = 0;
    ck_assert_int_eq(envelope_parse(bytes, end + 1, &envelope), ENVELOPE_OK);
    ck_assert_uint_eq(envelope.recipient_count, most);
    free(bytes);
}
END_TEST

/* Every text of four bytes of this alphabet: no crash, nothing read beyond the end. */
START_TEST(test_all_short)
{
    static const char alphabet[] = {'F', 'T', 0, 'a'};
    for (unsigned code = 0; code < 4096; code++) {
        char *bytes = malloc(6);
        for (unsigned i = 0; i < 6; i++)
            bytes[i] = alphabet[code >> (2 * i) & 3];
        struct envelope envelope;
        if (envelope_parse(bytes, 6, &envelope) == ENVELOPE_OK) {
            ck_assert_uint_le(envelope.size, 6);
            ck_assert_int_eq(bytes[envelope.size - 1], 0);
            ck_assert_int_eq(bytes[envelope.size - 2], 0);
        }
        free(bytes);
    }
}
END_TEST

START_TEST(test_records)
{
    static const char bytes[] = "u0\0x\0Tab";
    struct record record;
    size_t at = 0;
    ck_assert_int_eq(record_next(bytes, 5, &at, &record), 1);
    ck_assert_int_eq(record.letter, 'u');
    ck_assert_str_eq(record.text, "0");
    ck_assert_uint_eq(record.offset, 0);
    ck_assert_int_eq(record_next(bytes, 5, &at, &record), 1);
    ck_assert_int_eq(record.letter, 'x');
    ck_assert_uint_eq(record.size, 0);
    ck_assert_uint_eq(record.offset, 3);
    ck_assert_int_eq(record_next(bytes, 5, &at, &record), 0);
    errno = 0;
    ck_assert_int_eq(record_next(bytes, 8, &at, &record), -1);
    ck_assert_int_eq(errno, EBADMSG);
    at = 2;
    ck_assert_int_eq(record_next(bytes, 8, &at, &record), -1); /* empty */
    at = 100;
    ck_assert_int_eq(record_next(bytes, 8, &at, &record), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("envelope");
    TCase *all = tcase_create("all");
    int count = (int) (sizeof cases / sizeof *cases);
    tcase_add_loop_test(all, test_cases, 0, count);
    tcase_add_loop_test(all, test_resumed, 0, count);
    tcase_add_test(all, test_longest);
    tcase_add_test(all, test_all_short);
    tcase_add_test(all, test_too_many);
    tcase_add_test(all, test_records);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
