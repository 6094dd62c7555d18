/* SPDX-License-Identifier: ISC */
/*
 * Appending to an mbox that must stay whole messages.
 *
 * A crash in the middle of an append leaves a tail that is cut, or holds zeros or rubbish.  The
 * next append would make it part of the message before it or behind it: so it is cut off first. The
 * difficulty is to cut nothing else, for the box is the user's, whose mail reader (which locks it
 * too) may have changed it between the crash and now.
 *
 * Before an append the record beside the box is made durable: where the box ended, how long the
 * append is, checksums of the append and of what is before it, its first bytes, and all places of
 * "From " in it (the first hundred thousand).  After the append is durable the record is retired,
 * durably, before success is told.  So whoever finds an open record (its checksum fits) knows: of
 * that append success was never told, and the message comes again.  A record that was torn itself
 * never had its append begun; one that was torn while it was retired had its append whole.  Neither
 * fits its checksum.
 *
 * The end of the box is taken for a torn append, and cut off at the recorded length, only if
 *
 *   - the box is the file that the record names, and longer than it was, but not by more than the
 *     append: else somebody else has written to it, or there is nothing to cut;
 *   - what stands before is what stood there: a reader that took a message out moves the rest;
 *   - it is not the append, whole: then it stays, and comes twice, as every delivery may whose
 *     success nobody learnt of;
 *   - it has no "From " where the append has none (the bytes that follow count too), and does not
 *     begin with another `From ` line: so no other program has appended a message since, for that
 *     has one.  Only a hole, or what is no text and begins where a write or a sector does, may
 *     stand in the middle of ours: that is how disks lose bytes, and people do not write so.
 *
 * Whatever of it is data then is the append's own.  What else is at the end of a box without a
 * newline (zeros, a stranger's torn append) is left, and the next message begins on a line of its
 * own behind an empty one.  One thing is not seen: a user who, after a crash between the append and
 * its retirement, shortened this very message by hand: it is cut off, and comes again unshortened.
 *
 * Nothing is lost by reordering: an open record is not overwritten before the box, as it is now, is
 * durable (a whole append of a killed process may exist in memory only, and that process may have
 * been told that it could not be written: so it is written once more), and the names of box and
 * record are made durable before the append begins.  Once made, the record is never removed.
 */
#include "mta/lib/mbox.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mta/lib/checksum.h"
#include "mta/lib/io.h"
#include "mta/lib/mbox_open.h"
#include "mta/lib/mbox_record.h"
#include "mta/lib/mbox_text.h"
#include "mta/lib/num.h"

#define BLOCK 4096
#define RECORD_LIMIT (1000 + MBOX_HEAD_MAX + MBOX_FROM_MAX * (8 + MBOX_FOLLOWING))

struct mbox {
    const char *path;
    const struct mbox_message *message;
    enum mbox_trouble trouble;
    int fd;
    struct stat st;
    int record_fd;
    bool record_is_linked; /* its file has another name too */
    struct buf record_path;
    uint64_t length; /* where the append begins */
};

static int fail(struct mbox *mbox, enum mbox_trouble trouble)
{
    mbox->trouble = trouble;
    return -1;
}

/* --- opening the record --- */

/* Opens the record at mbox->record_path if it is there for us alone: in a directory that others may
 * write to, somebody else could have made it, to have the box cut.  0, or -1 with errno. */
static int try_record(struct mbox *mbox)
{
    struct stat st;
    const char *path = buf_text(&mbox->record_path);
    if (!path)
        return -1;
    mbox->record_fd =
        open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600);
    if (mbox->record_fd < 0)
        return -1;
    int result = fstat(mbox->record_fd, &st);
    uid_t uid = geteuid();
    if (result == 0 && S_ISREG(st.st_mode) && st.st_uid == uid && !(st.st_mode & 022)) {
        mbox->record_is_linked = st.st_nlink > 1;
        return 0;
    }
    int error = result < 0 ? errno : EACCES;
    io_close(&mbox->record_fd);
    errno = error;
    return -1;
}

/* Where the user may not write (/var/mail), the record is in the current directory. */
static int open_record(struct mbox *mbox)
{
    if (mbox_record_path(&mbox->record_path, mbox->path) < 0)
        return fail(mbox, MBOX_RECORD);
    int result = try_record(mbox);
    if (result < 0 && (errno == EACCES || errno == EPERM || errno == EROFS || errno == ELOOP)) {
        char name[17];
        num_format_hex(name, checksum_of(mbox->path, strlen(mbox->path)));
        name[16] = 0;
        if (buf_set_text(&mbox->record_path, ".nixie-mbox-") < 0 ||
            buf_add_text(&mbox->record_path, name) < 0)
            return fail(mbox, MBOX_RECORD);
        result = try_record(mbox);
    }
    return result < 0 ? fail(mbox, MBOX_RECORD) : 0;
}

static int seek(int fd, uint64_t offset)
{
    return lseek(fd, (off_t) offset, SEEK_SET) < 0 ? -1 : 0;
}

/* --- what an earlier crash left --- */

/* The checksum of box[from, to).  0; -1 with errno (EIO if it is shorter). */
static int sum_box(const struct mbox *mbox, uint64_t from, uint64_t to, uint64_t *sum)
{
    char block[BLOCK];
    struct checksum checksum;
    checksum_begin(&checksum);
    if (seek(mbox->fd, from) < 0)
        return -1;
    while (from < to) {
        size_t want = to - from < sizeof block ? (size_t) (to - from) : sizeof block;
        ssize_t count = io_read(mbox->fd, block, want);
        if (count <= 0) {
            errno = count == 0 ? EIO : errno;
            return -1;
        }
        checksum_add(&checksum, block, (size_t) count);
        from += (uint64_t) count;
    }
    *sum = checksum_value(&checksum);
    return 0;
}

static int sum_fence(const struct mbox *mbox, uint64_t length, uint64_t *sum)
{
    return sum_box(mbox, length > MBOX_FENCE ? length - MBOX_FENCE : 0, length, sum);
}

/* Whether the tail's first bytes can be what is left of ours: not those of another From line, which
 * begins like ours and then differs in the middle of what reaches the disk at once. */
static bool head_is_ours(const struct mbox_record *record, const char *tail, size_t size)
{
    const char *from = memmem(record->head.data, record->head.length, "From ", 5);
    size_t place = from ? (size_t) (from - record->head.data) : 0;
    if (size > record->head.length)
        size = record->head.length;
    for (size_t i = place; i < size; i++)
        if (tail[i] != record->head.data[i])
            return i < place + 5 || mbox_record_may_break(record, i, tail[i]);
    return true;
}

/* 1 if the tail [record->length, end) can only be of our append; 0; -1 with errno. */
static int tail_is_ours(const struct mbox *mbox, const struct mbox_record *record, uint64_t end)
{
    char block[BLOCK];
    struct mbox_finder finder = {.at = 0};
    struct mbox_place place;
    if (seek(mbox->fd, record->length) < 0)
        return -1;
    for (uint64_t at = record->length; at < end;) {
        size_t want = end - at < sizeof block ? (size_t) (end - at) : sizeof block;
        ssize_t count = io_read(mbox->fd, block, want);
        if (count <= 0) {
            errno = count == 0 ? EIO : errno;
            return -1;
        }
        if (at == record->length && !head_is_ours(record, block, (size_t) count))
            return 0;
        size_t size = (size_t) count, used;
        for (size_t i = 0; mbox_find_from(&finder, block + i, size - i, &used, &place); i += used)
            if (!mbox_record_has_from(record, &place))
                return 0;
        at += size;
    }
    while (mbox_find_end(&finder, &place))
        if (!mbox_record_has_from(record, &place))
            return 0;
    return 1;
}

enum left { LEFT_NOTHING, LEFT_TORN, LEFT_WHOLE };

/* What is left of an append of ours; -1 with errno. */
static int find_left(const struct mbox *mbox, const struct mbox_record *record)
{
    uint64_t end = (uint64_t) mbox->st.st_size;
    uint64_t sum;
    if (record->inode != mbox->st.st_ino || end <= record->length)
        return LEFT_NOTHING;
    if (sum_fence(mbox, record->length, &sum) < 0)
        return -1;
    if (sum != record->fence)
        return LEFT_NOTHING;
    if (end - record->length >= record->size) {
        if (sum_box(mbox, record->length, record->length + record->size, &sum) < 0)
            return -1;
        if (sum == record->checksum)
            return LEFT_WHOLE;
    }
    if (end - record->length > record->size)
        return LEFT_NOTHING;
    int ours = tail_is_ours(mbox, record, end);
    return ours <= 0 ? ours : LEFT_TORN;
}

/* Writes the append over itself: whoever wrote it may have been killed when he had heard that the
 * disk did not take it, and nobody would hear of that again.  It was whole, but the memory may have
 * forgotten since what the disk did not take: so just what is written is summed once more.  EIO if
 * it is not the append: the next delivery finds that torn. */
static int write_over(const struct mbox *mbox, const struct mbox_record *record)
{
    char block[BLOCK];
    struct checksum checksum;
    checksum_begin(&checksum);
    for (uint64_t done = 0; done < record->size;) {
        uint64_t at = record->length + done, left = record->size - done;
        if (seek(mbox->fd, at) < 0)
            return -1;
        ssize_t count =
            io_read(mbox->fd, block, left < sizeof block ? (size_t) left : sizeof block);
        if (count <= 0) {
            errno = count == 0 ? EIO : errno;
            return -1;
        }
        if (seek(mbox->fd, at) < 0 || io_write(mbox->fd, block, (size_t) count) < 0)
            return -1;
        checksum_add(&checksum, block, (size_t) count);
        done += (uint64_t) count;
    }
    if (checksum_value(&checksum) == record->checksum)
        return 0;
    errno = EIO;
    return -1;
}

/* Cuts off what is torn, and sees to it that the disk has what is whole. */
static int mend_left(const struct mbox *mbox, const struct mbox_record *record)
{
    switch (find_left(mbox, record)) {
    case LEFT_NOTHING:
        return 0;
    case LEFT_TORN:
        return ftruncate(mbox->fd, (off_t) record->length);
    case LEFT_WHOLE:
        return write_over(mbox, record);
    default:
        return -1;
    }
}

/* Mends what a crash left of an append. */
static int mend(struct mbox *mbox)
{
    struct buf bytes = BUF_INIT(RECORD_LIMIT);
    struct mbox_record record;
    memset(&record, 0, sizeof record);
    int result = io_read_all(mbox->record_fd, &bytes);
    if (result < 0 && errno == EMSGSIZE)
        result = 0; /* not a record: nothing is this long */
    else if (result == 0)
        result = mbox_record_parse(&record, bytes.data, bytes.length);
    if (result > 0) {
        result = mend_left(mbox, &record);
        if (result == 0)
            result = fsync(mbox->fd);
    }
    int saved = errno;
    mbox_record_free(&record);
    buf_free(&bytes);
    errno = saved;
    if (result == 0)
        result = fstat(mbox->fd, &mbox->st);
    return result < 0 ? fail(mbox, MBOX_RECORD) : 0;
}

/* After a power loss a removed name may come back, and name what got the freed file's place: our
 * record.  Or somebody links a file of the user's here, to have it overwritten.  So what has
 * another name is read only; the box is durable as it is now, and a new record takes its place. */
static int part_record(struct mbox *mbox)
{
    const char *path = buf_text(&mbox->record_path);
    if (!mbox->record_is_linked)
        return 0;
    io_close(&mbox->record_fd);
    if (!path || unlink(path) < 0)
        return fail(mbox, MBOX_RECORD);
    mbox->record_fd =
        open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC, 0600);
    return mbox->record_fd < 0 ? fail(mbox, MBOX_RECORD) : 0;
}

/* --- the append --- */

/* What is done with the bytes of the append: measured first, then written. */
struct sink {
    int fd;                     /* -1: measure */
    struct mbox_record *record; /* when measuring */
    struct checksum checksum;
    struct mbox_finder finder;
    size_t held;
    char buffer[MBOX_WRITE];
};

static int flush(struct sink *sink)
{
    size_t held = sink->held;
    sink->held = 0;
    return io_write(sink->fd, sink->buffer, held);
}

static int put_written(struct sink *sink, const char *bytes, size_t size)
{
    while (size > 0) {
        size_t room = sizeof sink->buffer - sink->held;
        size_t part = size < room ? size : room;
        memcpy(sink->buffer + sink->held, bytes, part);
        sink->held += part;
        bytes += part;
        size -= part;
        if (sink->held == sizeof sink->buffer && flush(sink) < 0)
            return -1;
    }
    return 0;
}

static int put_measured(struct sink *sink, const char *bytes, size_t size)
{
    struct mbox_place place;
    size_t used;
    checksum_add(&sink->checksum, bytes, size);
    sink->record->size += size;
    for (size_t i = 0; mbox_find_from(&sink->finder, bytes + i, size - i, &used, &place); i += used)
        if (mbox_record_add_from(sink->record, &place) < 0)
            return -1;
    return 0;
}

static int put(struct mbox *mbox, struct sink *sink, const char *bytes, size_t size)
{
    if (sink->fd >= 0)
        return put_written(sink, bytes, size) < 0 ? fail(mbox, MBOX_WRITE) : 0;
    return put_measured(sink, bytes, size) < 0 ? fail(mbox, MBOX_RECORD) : 0;
}

/* The newlines that are missing at the end of the box before a new message. */
static int count_separators(const struct mbox *mbox, size_t *count)
{
    char last[2] = {'\n', '\n'};
    size_t size = mbox->length < 2 ? (size_t) mbox->length : 2;
    *count = 0;
    if (size == 0)
        return 0;
    if (seek(mbox->fd, mbox->length - size) < 0)
        return -1;
    for (size_t got = 0; got < size;) {
        ssize_t part = io_read(mbox->fd, last + 2 - size + got, size - got);
        if (part <= 0) {
            errno = part == 0 ? EIO : errno;
            return -1;
        }
        got += (size_t) part;
    }
    if (last[1] != '\n')
        *count = 2;
    else if (last[0] != '\n')
        *count = 1;
    return 0;
}

static int put_head(struct mbox *mbox, struct sink *sink, size_t separators)
{
    const struct mbox_message *message = mbox->message;
    if (put(mbox, sink, "\n\n", separators) < 0 ||
        put(mbox, sink, message->from_line, message->from_line_size) < 0)
        return -1;
    return put(mbox, sink, message->header, message->header_size);
}

static int put_message(struct mbox *mbox, struct sink *sink)
{
    char block[BLOCK], quoted[MBOX_QUOTED_MAX(BLOCK)];
    struct mbox_quoter quoter;
    mbox_quoter_init(&quoter);
    if (seek(mbox->message->fd, 0) < 0)
        return fail(mbox, MBOX_MESSAGE);
    for (;;) {
        ssize_t count = io_read(mbox->message->fd, block, sizeof block);
        if (count < 0)
            return fail(mbox, MBOX_MESSAGE);
        if (count == 0)
            break;
        size_t size = mbox_quote(&quoter, quoted, block, (size_t) count);
        if (put(mbox, sink, quoted, size) < 0)
            return -1;
    }
    size_t size = mbox_quote_end(&quoter, quoted);
    return put(mbox, sink, quoted, size);
}

static int put_append(struct mbox *mbox, struct sink *sink, size_t separators)
{
    if (put_head(mbox, sink, separators) < 0 || put_message(mbox, sink) < 0)
        return -1;
    if (sink->fd >= 0 && flush(sink) < 0)
        return fail(mbox, MBOX_WRITE);
    return 0;
}

/* Makes the record of the append that is to come. */
static int measure(struct mbox *mbox, size_t separators, struct mbox_record *record)
{
    struct sink sink = {.fd = -1, .record = record};
    checksum_begin(&sink.checksum);
    if (put_append(mbox, &sink, separators) < 0)
        return -1;
    struct mbox_place place;
    while (mbox_find_end(&sink.finder, &place))
        if (mbox_record_add_from(record, &place) < 0)
            return fail(mbox, MBOX_RECORD);
    record->inode = mbox->st.st_ino;
    record->length = mbox->length;
    record->checksum = checksum_value(&sink.checksum);
    size_t line = mbox->message->from_line_size;
    if (line > MBOX_HEAD_MAX - 2)
        line = MBOX_HEAD_MAX - 2;
    if (sum_fence(mbox, mbox->length, &record->fence) < 0 ||
        buf_set(&record->head, "\n\n", separators) < 0 ||
        buf_add(&record->head, mbox->message->from_line, line) < 0)
        return fail(mbox, MBOX_RECORD);
    return 0;
}

static int sync_directory_of(const char *path)
{
    struct buf directory = BUF_INIT(0);
    const char *text = mbox_directory(&directory, path) == 0 ? buf_text(&directory) : NULL;
    int result = text ? io_sync_directory(text) : -1;
    int saved = errno;
    buf_free(&directory);
    errno = saved;
    return result;
}

/* The record durable, and the names of record and box. */
static int write_record(struct mbox *mbox, const struct mbox_record *record)
{
    struct buf bytes = BUF_INIT(RECORD_LIMIT);
    int result = mbox_record_build(record, &bytes);
    if (result == 0)
        result = seek(mbox->record_fd, 0);
    if (result == 0)
        result = io_write(mbox->record_fd, bytes.data, bytes.length);
    if (result == 0)
        result = fsync(mbox->record_fd);
    if (result == 0)
        result = sync_directory_of(mbox->path);
    if (result == 0 && strncmp(mbox->record_path.data, ".nixie-mbox-", 12) == 0)
        result = io_sync_directory(".");
    int saved = errno;
    buf_free(&bytes);
    errno = saved;
    return result;
}

static int retire_record(struct mbox *mbox)
{
    if (seek(mbox->record_fd, 0) < 0 ||
        io_write(mbox->record_fd, MBOX_RECORD_CLOSED, sizeof MBOX_RECORD_CLOSED - 1) < 0)
        return fail(mbox, MBOX_RECORD);
    return fsync(mbox->record_fd) < 0 ? fail(mbox, MBOX_RECORD) : 0;
}

/* The box as it was.  If that cannot be made durable the record stays open, and the next delivery
 * looks again. */
static void cut_back(struct mbox *mbox)
{
    enum mbox_trouble trouble = mbox->trouble;
    int saved = errno;
    if (ftruncate(mbox->fd, (off_t) mbox->length) == 0 && fsync(mbox->fd) == 0)
        retire_record(mbox);
    errno = saved;
    mbox->trouble = trouble;
}

static int append(struct mbox *mbox, size_t separators)
{
    struct sink sink = {.fd = mbox->fd};
    if (seek(mbox->fd, mbox->length) < 0)
        return fail(mbox, MBOX_WRITE);
    if (put_append(mbox, &sink, separators) < 0)
        return -1;
    if (fsync(mbox->fd) < 0)
        return fail(mbox, MBOX_WRITE);
    return retire_record(mbox);
}

static int deliver_locked(struct mbox *mbox)
{
    struct mbox_record record;
    size_t separators;
    memset(&record, 0, sizeof record);
    if (open_record(mbox) < 0 || mend(mbox) < 0 || part_record(mbox) < 0)
        return -1;
    mbox->length = (uint64_t) mbox->st.st_size;
    if (count_separators(mbox, &separators) < 0)
        return fail(mbox, MBOX_OPEN);
    int result = measure(mbox, separators, &record);
    if (result == 0 && write_record(mbox, &record) < 0)
        result = fail(mbox, MBOX_RECORD);
    if (result == 0)
        result = append(mbox, separators);
    /* also when only the record failed: it may be open, and must not outlive its reason */
    if (result < 0)
        cut_back(mbox);
    int saved = errno;
    mbox_record_free(&record);
    errno = saved;
    return result;
}

int mbox_deliver(const char *path, const struct mbox_message *message, enum mbox_trouble *trouble)
{
    struct mbox mbox = {.path = path, .message = message, .fd = -1, .record_fd = -1};
    mbox.fd = mbox_open(path, &mbox.st, &mbox.trouble);
    int result = mbox.fd < 0 ? -1 : deliver_locked(&mbox);
    int saved = errno;
    *trouble = mbox.trouble;
    io_close(&mbox.record_fd);
    io_close(&mbox.fd);
    buf_free(&mbox.record_path);
    errno = saved;
    return result;
}
