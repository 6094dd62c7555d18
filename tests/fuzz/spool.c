/* SPDX-License-Identifier: ISC */
/* The spool's files: any bytes (first byte even), and any body behind a header that fits it. */
#include "mta/lib/spool.h"

#include "tests/fuzz/fuzz.h"

#define NUMBER 17

static void check_text(const char *text, size_t text_size, const char *file, size_t size)
{
    FUZZ_CHECK(text >= file && text + text_size < file + size && text[text_size] == 0);
    FUZZ_CHECK(strlen(text) == text_size);
}

static void read_records(const char *bytes, size_t size, size_t at)
{
    struct record record;
    for (size_t before = at; record_next(bytes, size, &at, &record) == 1; before = at) {
        FUZZ_CHECK(at > before && at <= size && record.offset == before);
        check_text(record.text, record.size, bytes, size);
    }
}

static void read_message(const char *file, size_t size)
{
    struct spool_message message;
    struct buf built = BUF_INIT(0);
    if (spool_info_parse(file, size, NUMBER, &message) == 0)
        check_text(message.sender, message.sender_size, file, size);
    if (spool_todo_parse(file, size, NUMBER, &message) < 0)
        return;
    check_text(message.sender, message.sender_size, file, size);
    read_records(message.recipients, message.recipients_size, 0);
    FUZZ_CHECK(message.birth >= 0 && message.birth <= SPOOL_TIME_MAX);
    FUZZ_CHECK(spool_todo_build(&built, NUMBER, &message) == 0);
    struct spool_message again;
    FUZZ_CHECK(spool_todo_parse(built.data, built.length, NUMBER, &again) == 0);
    FUZZ_CHECK(again.sender_size == message.sender_size && again.birth == message.birth);
    FUZZ_CHECK(again.recipients_size == message.recipients_size);
    buf_free(&built);
}

static void read_channel(const char *file, size_t size)
{
    static const enum spool_kind kinds[] = {SPOOL_LOCAL, SPOOL_REMOTE};
    struct spool_channel channel;
    for (int i = 0; i < 2; i++) {
        if (spool_channel_parse(file, size, kinds[i], NUMBER, &channel) < 0)
            continue;
        FUZZ_CHECK(channel.first <= size && channel.next_try <= SPOOL_TIME_MAX);
        read_records(file, size, channel.first);
    }
}

static void read_bounces(const char *file, size_t size)
{
    struct spool_bounce bounce;
    size_t at = 0;
    for (;;) {
        size_t before = at;
        int result = spool_bounce_next(file, size, NUMBER, &at, &bounce);
        if (result == 0)
            break;
        FUZZ_CHECK(at > before && at <= size);
        if (result < 0)
            continue;
        check_text(bounce.recipient, bounce.recipient_size, file, size);
        check_text(bounce.text, bounce.text_size, file, size);
    }
}

static void read_envelope(const char *bytes, size_t size)
{
    struct envelope whole, pieces;
    struct envelope_progress progress = {0};
    enum envelope_result result = envelope_parse(bytes, size, &whole), other = ENVELOPE_CUT;
    uint64_t random = size;
    for (size_t some = 0; other == ENVELOPE_CUT && some < size;) {
        some += 1 + fuzz_next(&random) % 100;
        if (some > size)
            some = size;
        char *copy = fuzz_copy(bytes, some);
        other = envelope_resume(&progress, copy, some, &pieces);
        if (other == ENVELOPE_OK && result == ENVELOPE_OK)
            FUZZ_CHECK(pieces.recipient_count == whole.recipient_count &&
                       pieces.size == whole.size);
        free(copy);
    }
    FUZZ_CHECK(size == 0 || other == result);
    if (result == ENVELOPE_OK) {
        check_text(whole.sender, whole.sender_size, bytes, size);
        read_records(whole.recipients, whole.recipients_size, 0);
    }
}

static void read_names(const char *name, size_t size)
{
    enum spool_kind kind;
    uint64_t number;
    if (spool_number_parse(name, size, &number) == 0)
        FUZZ_CHECK(number > 0 && number < UINT64_MAX);
    if (spool_kind_parse(name, size, &kind) == 0)
        FUZZ_CHECK(kind < SPOOL_KIND_COUNT);
}

int fuzz_input(const uint8_t *data, size_t size)
{
    struct buf file = BUF_INIT(0);
    size_t start = 0, used;
    if (size == 0)
        return 0;
    unsigned kind = data[0] / 2 % SPOOL_KIND_COUNT;
    bool fits = data[0] % 2;
    FUZZ_CHECK(!fits || spool_begin(&file, &start) == 0);
    FUZZ_CHECK(buf_add(&file, data + 1, size - 1) == 0);
    if (fits)
        spool_end(&file, start, kind == SPOOL_INTD ? SPOOL_TODO : (enum spool_kind) kind, NUMBER);
    char *copy = fuzz_copy(file.data, file.length);
    for (unsigned k = 0; k < SPOOL_KIND_COUNT; k++) {
        bool checks = spool_check(copy, file.length, (enum spool_kind) k, NUMBER, &used);
        FUZZ_CHECK(!checks || (used <= file.length &&
                               spool_is_labelled(copy, file.length, (enum spool_kind) k, NUMBER)));
    }
    read_message(copy, file.length);
    read_channel(copy, file.length);
    read_bounces(copy, file.length);
    read_envelope(copy, file.length);
    read_names(copy, file.length < 40 ? file.length : 40);
    free(copy);
    buf_free(&file);
    return 0;
}
