/* SPDX-License-Identifier: ISC */
#include "mta/lib/spool.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mta/lib/checksum.h"
#include "mta/lib/io.h"
#include "mta/lib/num.h"

/* nixie1 KIND NUMBER LENGTH CHECKSUM\n */
#define MAGIC "nixie1 "
#define KIND_AT 7
#define KIND_SIZE 6
#define NUMBER_AT 14
#define NUMBER_SIZE 20
#define LENGTH_AT 35
#define LENGTH_SIZE 10
#define CHECKSUM_AT 46
#define CHECKSUM_SIZE 16
_Static_assert(CHECKSUM_AT + CHECKSUM_SIZE + 1 == SPOOL_HEADER_SIZE, "header");

/* n, 20 digits, a space, 16 hexadecimal digits, NUL */
#define TIME_SIZE 20
#define NEXT_TRY_CHECK_AT (1 + TIME_SIZE + 1)
#define NEXT_TRY_SIZE (NEXT_TRY_CHECK_AT + CHECKSUM_SIZE + 1)

static int64_t clamp_time(int64_t seconds)
{
    if (seconds < 0)
        return 0;
    return seconds > SPOOL_TIME_MAX ? SPOOL_TIME_MAX : seconds;
}

static int bad(void)
{
    errno = EBADMSG;
    return -1;
}

/* --- paths --- */

static const char *const directories[SPOOL_KIND_COUNT] = {
    "pid", "mess", "intd", "todo", "info", "local", "remote", "bounce", "corrupt"};

const char *spool_directory(enum spool_kind kind)
{
    assert(kind < SPOOL_KIND_COUNT);
    return directories[kind];
}

int spool_kind_parse(const char *name, size_t size, enum spool_kind *kind)
{
    for (int i = 0; i < SPOOL_KIND_COUNT; i++)
        if (strlen(directories[i]) == size && memcmp(directories[i], name, size) == 0) {
            *kind = (enum spool_kind) i;
            return 0;
        }
    errno = EINVAL;
    return -1;
}

const char *spool_path(char to[SPOOL_PATH_SIZE], enum spool_kind kind, uint64_t number)
{
    const char *directory = spool_directory(kind);
    size_t length = strlen(directory);
    memcpy(to, directory, length);
    to[length] = '/';
    num_format(to + length + 1, number);
    return to;
}

int spool_number_parse(const char *name, size_t size, uint64_t *number)
{
    uint64_t value;
    if (size > 0 && name[0] != '0' && num_parse(name, size, &value) == 0 && value != UINT64_MAX) {
        *number = value;
        return 0;
    }
    errno = EINVAL;
    return -1;
}

/* --- header and checksum --- */

static bool is_channel(enum spool_kind kind)
{
    return kind == SPOOL_LOCAL || kind == SPOOL_REMOTE;
}

static void format_kind(char to[KIND_SIZE], enum spool_kind kind)
{
    const char *name = spool_directory(kind == SPOOL_INTD ? SPOOL_TODO : kind);
    memset(to, ' ', KIND_SIZE);
    memcpy(to, name, strlen(name));
}

/* What may change in place counts as when it was new: marks as `T`, the next try as zeros.  A
 * channel file always begins with a next-try record; what is shorter never checks out. */
static void add_channel_body(struct checksum *checksum, const char *body, size_t size)
{
    char next_try[NEXT_TRY_SIZE];
    memset(next_try, '0', sizeof next_try);
    next_try[0] = body[0];
    next_try[1 + TIME_SIZE] = body[1 + TIME_SIZE];
    next_try[NEXT_TRY_SIZE - 1] = body[NEXT_TRY_SIZE - 1];
    checksum_add(checksum, next_try, sizeof next_try);
    for (size_t at = NEXT_TRY_SIZE; at < size;) {
        const char *end = memchr(body + at, 0, size - at);
        size_t length = end ? (size_t) (end - (body + at)) + 1 : size - at;
        checksum_add(checksum, body[at] == 'D' ? "T" : body + at, 1);
        checksum_add(checksum, body + at + 1, length - 1);
        at += length;
    }
}

static uint64_t body_checksum(const char start[KIND_SIZE + 1 + NUMBER_SIZE], enum spool_kind kind,
                              const char *body, size_t size)
{
    struct checksum checksum;
    checksum_begin(&checksum);
    checksum_add(&checksum, start, KIND_SIZE);
    checksum_add(&checksum, start + KIND_SIZE + 1, NUMBER_SIZE);
    if (is_channel(kind) && size >= NEXT_TRY_SIZE)
        add_channel_body(&checksum, body, size);
    else
        checksum_add(&checksum, body, size);
    return checksum_value(&checksum);
}

int spool_begin(struct buf *file, size_t *start)
{
    static const char blank[SPOOL_HEADER_SIZE];
    *start = file->length;
    return buf_add(file, blank, sizeof blank);
}

static void format_header(char header[SPOOL_HEADER_SIZE], enum spool_kind kind, uint64_t number,
                          const char *body, size_t size)
{
    memset(header, ' ', SPOOL_HEADER_SIZE);
    memcpy(header, MAGIC, sizeof MAGIC - 1);
    format_kind(header + KIND_AT, kind);
    num_format_padded(header + NUMBER_AT, NUMBER_SIZE, number);
    num_format_padded(header + LENGTH_AT, LENGTH_SIZE, size);
    num_format_hex(header + CHECKSUM_AT, body_checksum(header + KIND_AT, kind, body, size));
    header[SPOOL_HEADER_SIZE - 1] = '\n';
}

bool spool_is_labelled(const char *file, size_t size, enum spool_kind kind, uint64_t number)
{
    char header[SPOOL_HEADER_SIZE];
    format_header(header, kind, number, "", 0);
    return size >= SPOOL_LABEL_SIZE && memcmp(file, header, SPOOL_LABEL_SIZE) == 0;
}

void spool_end(struct buf *file, size_t start, enum spool_kind kind, uint64_t number)
{
    assert(start <= file->length && file->length - start >= SPOOL_HEADER_SIZE);
    char *header = file->data + start;
    size_t size = file->length - start - SPOOL_HEADER_SIZE;
    assert(size <= SPOOL_BODY_MAX);
    format_header(header, kind, number, header + SPOOL_HEADER_SIZE, size);
}

bool spool_check(const char *file, size_t size, enum spool_kind kind, uint64_t number, size_t *used)
{
    uint64_t length;
    char header[SPOOL_HEADER_SIZE];
    if (size < SPOOL_HEADER_SIZE || num_parse(file + LENGTH_AT, LENGTH_SIZE, &length) < 0 ||
        length > size - SPOOL_HEADER_SIZE)
        return false;
    format_header(header, kind, number, file + SPOOL_HEADER_SIZE, length);
    *used = SPOOL_HEADER_SIZE + length;
    return memcmp(header, file, SPOOL_HEADER_SIZE) == 0;
}

/* A file that is this and nothing more. */
static bool check_whole(const char *file, size_t size, enum spool_kind kind, uint64_t number)
{
    size_t used;
    return spool_check(file, size, kind, number, &used) && used == size;
}

/* --- intd, todo and info --- */

static int add_field(struct buf *file, char letter, uint64_t number)
{
    if (buf_add_byte(file, letter) < 0 || buf_add_number(file, number) < 0)
        return -1;
    return buf_add_byte(file, 0);
}

static int add_text(struct buf *file, char letter, const char *text, size_t size)
{
    if (buf_add_byte(file, letter) < 0 || buf_add(file, text, size) < 0)
        return -1;
    return buf_add_byte(file, 0);
}

static int add_mess(struct buf *file, uint64_t length, uint64_t checksum)
{
    char digits[CHECKSUM_SIZE];
    num_format_hex(digits, checksum);
    if (buf_add_byte(file, 'm') < 0 || buf_add_number(file, length) < 0 ||
        buf_add_byte(file, ' ') < 0 || buf_add(file, digits, sizeof digits) < 0)
        return -1;
    return buf_add_byte(file, 0);
}

static int build_message(struct buf *file, enum spool_kind kind, uint64_t number,
                         const struct spool_message *message)
{
    size_t start;
    if (spool_begin(file, &start) < 0 || add_field(file, 'u', message->uid) < 0 ||
        add_field(file, 'p', message->qp) < 0 ||
        add_field(file, 't', (uint64_t) clamp_time(message->birth)) < 0 ||
        add_mess(file, message->mess_length, message->mess_checksum) < 0 ||
        add_text(file, 'F', message->sender, message->sender_size) < 0)
        return -1;
    if (kind == SPOOL_TODO && buf_add(file, message->recipients, message->recipients_size) < 0)
        return -1;
    spool_end(file, start, kind, number);
    return 0;
}

int spool_todo_build(struct buf *file, uint64_t number, const struct spool_message *message)
{
    return build_message(file, SPOOL_TODO, number, message);
}

int spool_info_build(struct buf *file, uint64_t number, const struct spool_message *message)
{
    return build_message(file, SPOOL_INFO, number, message);
}

static bool take(const char *file, size_t size, size_t *at, char letter, struct record *record)
{
    return record_next(file, size, at, record) == 1 && record->letter == letter;
}

static bool take_field(const char *file, size_t size, size_t *at, char letter, uint64_t *number)
{
    struct record record;
    return take(file, size, at, letter, &record) &&
           num_parse(record.text, record.size, number) == 0;
}

static bool take_mess(const char *file, size_t size, size_t *at, struct spool_message *message)
{
    struct record record;
    if (!take(file, size, at, 'm', &record) || record.size < CHECKSUM_SIZE + 2)
        return false;
    size_t digits = record.size - CHECKSUM_SIZE - 1;
    return record.text[digits] == ' ' &&
           num_parse(record.text, digits, &message->mess_length) == 0 &&
           num_parse_hex(record.text + digits + 1, &message->mess_checksum) == 0;
}

static bool take_birth(const char *file, size_t size, size_t *at, int64_t *birth)
{
    uint64_t value;
    if (!take_field(file, size, at, 't', &value) || value > (uint64_t) SPOOL_TIME_MAX)
        return false;
    *birth = (int64_t) value;
    return true;
}

static bool are_recipients(const char *bytes, size_t size)
{
    struct record record;
    size_t at = 0;
    int result;
    while ((result = record_next(bytes, size, &at, &record)) == 1)
        if (record.letter != 'T' || record.size > ENVELOPE_ADDRESS_MAX)
            return false;
    return result == 0;
}

static int parse_message(const char *file, size_t size, enum spool_kind kind, uint64_t number,
                         struct spool_message *message)
{
    size_t at = SPOOL_HEADER_SIZE;
    struct record sender;
    struct spool_message found = {0};
    if (!check_whole(file, size, kind, number) || !take_field(file, size, &at, 'u', &found.uid) ||
        !take_field(file, size, &at, 'p', &found.qp) ||
        !take_birth(file, size, &at, &found.birth) || !take_mess(file, size, &at, &found) ||
        !take(file, size, &at, 'F', &sender) || sender.size > ENVELOPE_ADDRESS_MAX)
        return bad();
    found.sender = sender.text;
    found.sender_size = sender.size;
    found.recipients = file + at;
    found.recipients_size = size - at;
    if (kind == SPOOL_INFO ? found.recipients_size > 0
                           : !are_recipients(found.recipients, found.recipients_size))
        return bad();
    *message = found;
    return 0;
}

int spool_todo_parse(const char *file, size_t size, uint64_t number, struct spool_message *message)
{
    return parse_message(file, size, SPOOL_TODO, number, message);
}

int spool_info_parse(const char *file, size_t size, uint64_t number, struct spool_message *message)
{
    return parse_message(file, size, SPOOL_INFO, number, message);
}

int spool_mess_check(int fd, uint64_t length, uint64_t checksum)
{
    char block[16384];
    struct checksum sum;
    checksum_begin(&sum);
    uint64_t left = length;
    for (;;) {
        ssize_t count = io_read(fd, block, sizeof block);
        if (count < 0)
            return -1;
        if (count == 0)
            break;
        if ((uint64_t) count > left)
            return bad();
        left -= (uint64_t) count;
        checksum_add(&sum, block, (size_t) count);
    }
    if (left > 0 || checksum_value(&sum) != checksum)
        return bad();
    return 0;
}

/* --- local and remote --- */

static void format_next_try(char to[NEXT_TRY_SIZE], enum spool_kind kind, uint64_t number,
                            int64_t next_try)
{
    char all[KIND_SIZE + NUMBER_SIZE + TIME_SIZE];
    format_kind(all, kind);
    num_format_padded(all + KIND_SIZE, NUMBER_SIZE, number);
    num_format_padded(all + KIND_SIZE + NUMBER_SIZE, TIME_SIZE, (uint64_t) clamp_time(next_try));
    to[0] = 'n';
    memcpy(to + 1, all + KIND_SIZE + NUMBER_SIZE, TIME_SIZE);
    to[1 + TIME_SIZE] = ' ';
    num_format_hex(to + NEXT_TRY_CHECK_AT, checksum_of(all, sizeof all));
    to[NEXT_TRY_SIZE - 1] = 0;
}

int spool_channel_begin(struct buf *file, enum spool_kind kind, uint64_t number, int64_t next_try,
                        size_t *start)
{
    char record[NEXT_TRY_SIZE];
    assert(is_channel(kind));
    if (spool_begin(file, start) < 0)
        return -1;
    format_next_try(record, kind, number, next_try);
    return buf_add(file, record, sizeof record);
}

int spool_channel_add(struct buf *file, const char *recipient, size_t size)
{
    return add_text(file, 'T', recipient, size);
}

static bool count_records(const char *file, size_t size, struct spool_channel *channel)
{
    struct record record;
    size_t at = channel->first;
    int result;
    while ((result = record_next(file, size, &at, &record)) == 1) {
        if (record.letter == 'T')
            channel->to_do++;
        else if (record.letter == 'D')
            channel->done++;
        else
            return false;
    }
    return result == 0;
}

int spool_channel_parse(const char *file, size_t size, enum spool_kind kind, uint64_t number,
                        struct spool_channel *channel)
{
    char record[NEXT_TRY_SIZE];
    uint64_t value;
    if (!is_channel(kind) || size < SPOOL_HEADER_SIZE + NEXT_TRY_SIZE ||
        !check_whole(file, size, kind, number))
        return bad();
    const char *stored = file + SPOOL_HEADER_SIZE;
    if (stored[0] != 'n' || stored[NEXT_TRY_SIZE - 1] != 0)
        return bad();
    struct spool_channel found = {.first = SPOOL_HEADER_SIZE + NEXT_TRY_SIZE};
    if (num_parse(stored + 1, TIME_SIZE, &value) == 0 && value <= (uint64_t) SPOOL_TIME_MAX) {
        format_next_try(record, kind, number, (int64_t) value);
        found.next_try_known = memcmp(record, stored, sizeof record) == 0;
        found.next_try = found.next_try_known ? (int64_t) value : 0;
    }
    if (!count_records(file, size, &found))
        return bad();
    *channel = found;
    return 0;
}

static int overwrite(int fd, size_t offset, const char *bytes, size_t size)
{
    off_t at = lseek(fd, (off_t) offset, SEEK_SET);
    if (at < 0)
        return -1;
    return io_write(fd, bytes, size);
}

int spool_channel_mark(int fd, size_t offset)
{
    return overwrite(fd, offset, "D", 1);
}

void spool_channel_set_next_try(char *file, enum spool_kind kind, uint64_t number, int64_t next_try)
{
    char record[NEXT_TRY_SIZE];
    format_next_try(record, kind, number, next_try);
    memcpy(file + SPOOL_HEADER_SIZE, record, sizeof record);
}

int spool_channel_write_next_try(int fd, enum spool_kind kind, uint64_t number, int64_t next_try)
{
    char record[NEXT_TRY_SIZE];
    format_next_try(record, kind, number, next_try);
    return overwrite(fd, SPOOL_HEADER_SIZE, record, sizeof record);
}

/* --- bounce --- */

int spool_bounce_build(struct buf *file, uint64_t number, const char *recipient,
                       size_t recipient_size, const char *text, size_t text_size)
{
    size_t start;
    if (spool_begin(file, &start) < 0 ||
        add_text(file, 'r', recipient, strnlen(recipient, recipient_size)) < 0 ||
        add_text(file, 'x', text, strnlen(text, text_size)) < 0)
        return -1;
    spool_end(file, start, SPOOL_BOUNCE, number);
    return 0;
}

static bool parse_piece(const char *piece, size_t size, struct spool_bounce *bounce)
{
    struct record recipient, text;
    size_t at = SPOOL_HEADER_SIZE;
    if (!take(piece, size, &at, 'r', &recipient) || !take(piece, size, &at, 'x', &text) ||
        at != size)
        return false;
    bounce->recipient = recipient.text;
    bounce->recipient_size = recipient.size;
    bounce->text = text.text;
    bounce->text_size = text.size;
    return true;
}

int spool_bounce_next(const char *file, size_t size, uint64_t number, size_t *at,
                      struct spool_bounce *bounce)
{
    size_t used;
    if (*at >= size)
        return 0;
    if (spool_check(file + *at, size - *at, SPOOL_BOUNCE, number, &used) &&
        parse_piece(file + *at, used, bounce)) {
        *at += used;
        return 1;
    }
    /* A report holds no NUL, so no report can look like a whole piece of its own. */
    const char *next = memmem(file + *at + 1, size - *at - 1, MAGIC, sizeof MAGIC - 1);
    *at = next ? (size_t) (next - file) : size;
    return bad();
}

/* --- files that do not check out --- */

/* Errors that speak of this one file.  A name that came back after power loss may lead to a file
 * of another user. */
static bool is_foreign(int error)
{
    return error == ELOOP || error == EISDIR || error == ENXIO || error == EACCES || error == EPERM;
}

int spool_open(enum spool_kind kind, uint64_t number, int flags)
{
    char path[SPOOL_PATH_SIZE];
    struct stat st;
    spool_path(path, kind, number);
    int fd = open(path, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return is_foreign(errno) ? bad() : -1;
    int result = fstat(fd, &st);
    if (result == 0 && S_ISREG(st.st_mode))
        return fd;
    int saved = result == 0 ? EBADMSG : errno;
    close(fd);
    errno = saved;
    return -1;
}

int spool_length(enum spool_kind kind, uint64_t number, uint64_t *length)
{
    char path[SPOOL_PATH_SIZE];
    struct stat st;
    if (lstat(spool_path(path, kind, number), &st) < 0)
        return -1;
    if (!S_ISREG(st.st_mode))
        return bad();
    *length = (uint64_t) st.st_size;
    return 0;
}

int spool_aside(enum spool_kind kind, uint64_t number)
{
    char from[SPOOL_PATH_SIZE], to[SPOOL_PATH_SIZE + 16];
    struct stat st;
    int length = snprintf(to, sizeof to, "corrupt/%s.%llu", spool_directory(kind),
                          (unsigned long long) number);
    spool_path(from, kind, number);
    for (char again = '2';; again++) {
        if (lstat(to, &st) < 0) {
            if (errno != ENOENT)
                return -1;
            return rename(from, to);
        }
        if (again > '9')
            break;
        to[length] = '.';
        to[length + 1] = again;
        to[length + 2] = 0;
    }
    errno = EEXIST;
    return -1;
}
