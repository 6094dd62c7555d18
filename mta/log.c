/* SPDX-License-Identifier: ISC */
/*
 * nixie-log DIR: reads lines from fd 0, stamps them (TAI64N) as they arrive and writes them to
 * DIR/current.  A file that has reached control/logsize bytes is renamed to its stamp (DIR/@...s),
 * and of those the newest control/lognum are kept.
 *
 * The reader waits for no disk: lines that cannot be written, for whatever reason, and be it from
 * the start on, are kept in memory, up to PENDING_LIMIT bytes; then the oldest go, and a line says
 * how many.  Were the pipe not read, nothing would be delivered any more.  Ends at the end of
 * input, after a last try to write what it holds; only then do signals matter.
 *
 * Exit status: 0; 111 if something could not be written at the end, or it has no home.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mta/lib/buf.h"
#include "mta/lib/clock.h"
#include "mta/lib/control.h"
#include "mta/lib/home.h"
#include "mta/lib/io.h"

#define PENDING_LIMIT ((size_t) 1 << 20)
#define LINE_LIMIT ((size_t) 16384)  /* longer lines are cut into several */
#define GATHER_MS 10                 /* between reads of lines that come in quickly */
#define PENDING_KEPT ((size_t) 8192) /* memory that is kept when all is written */
#define RETRY_MS 2000
#define WRITE_ENOUGH 65536 /* bytes; no line is added to more than this */
#define SIZE_DEFAULT 1000000
#define SIZE_SMALLEST 4096
#define KEEP_DEFAULT 10
#define PATH_SIZE 4096

struct log {
    const char *directory;
    uint64_t size_limit;
    uint64_t keep;
    int fd; /* of DIR/current; -1 while it could not be opened */
    uint64_t size;
    struct buf line;    /* the beginning of a line, not stamped yet */
    struct buf pending; /* whole stamped lines, the first perhaps written in part */
    bool mid_line;      /* the file ends within a line that `pending` goes on with */
    uint64_t dropped;   /* lines that were thrown away and not yet reported */
    uint64_t reported;  /* those that the first pending line tells of, none of it written yet */
    int64_t retry_at;   /* monotonic; 0: writing is possible as far as we know */
    int64_t read_at;    /* monotonic ms: when input came last */
    bool had_more;      /* the last read has not emptied the pipe */
};

static void complain(const char *what, const char *name)
{
    char text[PATH_SIZE + 128];
    int length = snprintf(text, sizeof text, "nixie-log: %s %s\n", what, name);
    if (length > 0 && (size_t) length < sizeof text)
        io_write(2, text, (size_t) length);
}

static bool make_path(char path[PATH_SIZE], const struct log *log, const char *name)
{
    int length = snprintf(path, PATH_SIZE, "%s/%s", log->directory, name);
    return length > 0 && length < PATH_SIZE;
}

static int open_current(struct log *log)
{
    char path[PATH_SIZE];
    struct stat st;
    if (log->fd >= 0)
        return 0;
    if (!make_path(path, log, "current")) {
        errno = ENAMETOOLONG;
        return -1;
    }
    log->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (log->fd < 0)
        return -1;
    if (fstat(log->fd, &st) < 0) {
        io_close(&log->fd);
        return -1;
    }
    log->size = (uint64_t) st.st_size;
    return 0;
}

/* --- turning over -------------------------------------------------------------------------- */

static bool is_old_name(const char *name)
{
    size_t length = strlen(name);
    return length == CLOCK_TAI64N_SIZE + 1 && name[0] == '@' &&
           strcmp(name + length - 2, ".s") == 0;
}

/* Finds the oldest turned-over file and counts them all. */
static int find_oldest(const struct log *log, char oldest[CLOCK_TAI64N_SIZE + 2], uint64_t *count)
{
    DIR *directory = opendir(log->directory);
    if (!directory)
        return -1;
    *count = 0;
    oldest[0] = 0;
    struct dirent *entry;
    while ((entry = readdir(directory))) {
        if (!is_old_name(entry->d_name))
            continue;
        ++*count;
        if (!oldest[0] || strcmp(entry->d_name, oldest) < 0)
            memcpy(oldest, entry->d_name, CLOCK_TAI64N_SIZE + 2);
    }
    closedir(directory);
    return 0;
}

static void remove_old(const struct log *log)
{
    char oldest[CLOCK_TAI64N_SIZE + 2], path[PATH_SIZE];
    uint64_t count;
    for (;;) {
        if (find_oldest(log, oldest, &count) < 0 || count <= log->keep)
            return;
        if (!make_path(path, log, oldest) || unlink(path) < 0)
            return;
    }
}

/* Renames current to the present stamp.  If that fails, current simply goes on. */
static void turn_over(struct log *log)
{
    char from[PATH_SIZE], to[PATH_SIZE], name[CLOCK_TAI64N_SIZE + 2];
    int64_t seconds;
    uint32_t nanoseconds;
    struct stat st;
    if (!make_path(from, log, "current"))
        return;
    clock_wall_precise(&seconds, &nanoseconds);
    for (;; nanoseconds = (nanoseconds + 1) % 1000000000) {
        clock_format_tai64n(name, seconds, nanoseconds);
        memcpy(name + CLOCK_TAI64N_SIZE - 1, ".s", 3);
        if (!make_path(to, log, name))
            return;
        if (lstat(to, &st) < 0)
            break;
    }
    if (rename(from, to) < 0)
        return;
    io_close(&log->fd);
    remove_old(log);
}

/* --- writing ------------------------------------------------------------------------------- */

/* The length of the first line in `pending`, its newline included. */
static size_t first_line(const struct log *log)
{
    const char *end = memchr(log->pending.data, '\n', log->pending.length);
    return end ? (size_t) (end - log->pending.data) + 1 : log->pending.length;
}

static void stamp(char to[CLOCK_TAI64N_SIZE])
{
    int64_t seconds;
    uint32_t nanoseconds;
    clock_wall_precise(&seconds, &nanoseconds);
    clock_format_tai64n(to, seconds, nanoseconds);
}

/* Puts a line that tells of dropped ones in front of the pending lines. */
static void report_dropped(struct log *log)
{
    char text[128], when[CLOCK_TAI64N_SIZE];
    stamp(when);
    int length = snprintf(text, sizeof text, "%s%s warning: %llu log lines lost: no room\n",
                          log->mid_line ? "\n" : "", when, (unsigned long long) log->dropped);
    struct buf *pending = &log->pending;
    if (length < 0 || buf_reserve(pending, (size_t) length) < 0)
        return;
    memmove(pending->data + length, pending->data, pending->length);
    memcpy(pending->data, text, (size_t) length);
    pending->length += (size_t) length;
    log->reported = log->dropped;
    log->dropped = 0;
    log->mid_line = false;
}

/* After a power loss the name of a new file can lead to one that another user had removed, which
 * may not be opened: it is put aside.  0, or -1 with errno. */
static int open_or_replace(struct log *log)
{
    if (open_current(log) == 0)
        return 0;
    if (errno != EACCES)
        return -1;
    turn_over(log);
    return open_current(log);
}

/* Writes as much as fits in one file.  0, or -1 with errno. */
static int write_some(struct log *log)
{
    size_t size = first_line(log);
    if (!log->mid_line && log->size && log->size + size > log->size_limit)
        turn_over(log);
    if (open_or_replace(log) < 0)
        return -1;
    /* further whole lines, for as long as there is room; a disk that stays full costs little */
    while (size < log->pending.length && size < WRITE_ENOUGH) {
        const char *rest = log->pending.data + size;
        const char *end = memchr(rest, '\n', log->pending.length - size);
        size_t length = end ? (size_t) (end - rest) + 1 : log->pending.length - size;
        if (log->size + size + length > log->size_limit)
            break;
        size += length;
    }
    ssize_t count = write(log->fd, log->pending.data, size);
    if (count < 0)
        return -1;
    log->size += (uint64_t) count;
    if (count > 0) {
        log->mid_line = log->pending.data[count - 1] != '\n';
        log->reported = 0;
    }
    buf_drop(&log->pending, (size_t) count);
    return 0;
}

/* Writes all that is pending, or arranges for another try. */
static void flush(struct log *log)
{
    if (log->dropped)
        report_dropped(log);
    while (log->pending.length) {
        if (write_some(log) == 0)
            continue;
        if (errno == EINTR)
            continue;
        io_close(&log->fd); /* opened anew then: it may have been moved out of the way */
        log->retry_at = clock_monotonic_ms() + RETRY_MS;
        return;
    }
    log->retry_at = 0;
    if (log->pending.capacity > PENDING_KEPT)
        buf_free(&log->pending);
}

/* --- reading ------------------------------------------------------------------------------- */

/* Makes room for `room` bytes, and some more, so that this is not done for every line. */
static void drop_oldest(struct log *log, size_t room)
{
    size_t dropped = 0, wanted = room + PENDING_LIMIT / 16;
    if (log->pending.length + room <= PENDING_LIMIT)
        return;
    while (dropped < log->pending.length &&
           log->pending.length - dropped + wanted > PENDING_LIMIT) {
        const char *rest = log->pending.data + dropped;
        const char *end = memchr(rest, '\n', log->pending.length - dropped);
        dropped += end ? (size_t) (end - rest) + 1 : log->pending.length - dropped;
        log->dropped += log->reported ? log->reported : 1;
        log->reported = 0;
    }
    buf_drop(&log->pending, dropped);
}

/* Takes over the line read so far, with a stamp in front. */
static void take_line(struct log *log)
{
    char when[CLOCK_TAI64N_SIZE];
    size_t size = log->line.length + CLOCK_TAI64N_SIZE + 1;
    stamp(when);
    drop_oldest(log, size);
    if (buf_reserve(&log->pending, size) < 0) {
        log->dropped++;
    } else {
        buf_add(&log->pending, when, CLOCK_TAI64N_SIZE - 1);
        buf_add_byte(&log->pending, ' ');
        buf_add(&log->pending, log->line.data, log->line.length);
        buf_add_byte(&log->pending, '\n');
    }
    buf_reset(&log->line);
}

static void take_bytes(struct log *log, const char *bytes, size_t size)
{
    while (size > 0) {
        const char *end = memchr(bytes, '\n', size);
        size_t length = end ? (size_t) (end - bytes) : size;
        size_t room = LINE_LIMIT - log->line.length;
        if (length > room)
            length = room;
        if (buf_add(&log->line, bytes, length) < 0) {
            log->dropped++;
            buf_reset(&log->line);
        }
        bool whole = end && bytes + length == end;
        bytes += length + whole;
        size -= length + whole;
        if (whole || log->line.length == LINE_LIMIT)
            take_line(log);
    }
}

/* One read.  False at the end of input. */
static bool take_input(struct log *log)
{
    char block[8192];
    ssize_t count = io_read(0, block, sizeof block);
    log->had_more = count == (ssize_t) sizeof block;
    if (count > 0)
        take_bytes(log, block, (size_t) count);
    return count > 0 || (count < 0 && errno == EAGAIN);
}

/* While lines come in quickly they are left in the pipe for a little, and read together; not if
 * there is more than one read takes. */
static void let_gather(struct log *log)
{
    int64_t now = clock_monotonic_ms();
    if (now < log->read_at + GATHER_MS && !log->had_more) {
        poll(NULL, 0, GATHER_MS);
        now += GATHER_MS;
    }
    log->read_at = now;
}

static void run(struct log *log)
{
    for (;;) {
        int64_t timeout = -1;
        if (log->retry_at) {
            timeout = log->retry_at - clock_monotonic_ms();
            if (timeout < 0)
                timeout = 0;
        }
        struct pollfd fd = {.fd = 0, .events = POLLIN};
        int ready = poll(&fd, 1, (int) timeout);
        if (ready > 0)
            let_gather(log);
        if (ready > 0 && !take_input(log))
            break;
        bool try = log->pending.length > 0;
        if (try && log->retry_at)
            try = clock_monotonic_ms() >= log->retry_at;
        if (try)
            flush(log);
    }
    if (log->line.length)
        take_line(log);
    flush(log);
}

/* --- start --------------------------------------------------------------------------------- */

static void ignore_signals(void)
{
    static const int ignored[] = {SIGTERM, SIGINT, SIGHUP, SIGALRM, SIGPIPE};
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = SIG_IGN;
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
        sigaction(ignored[i], &action, NULL);
}

static void read_controls(struct log *log)
{
    if (control_number("logsize", SIZE_DEFAULT, INT64_MAX, &log->size_limit) < 0) {
        complain("cannot read", "control/logsize; it is as if it were not there");
        log->size_limit = SIZE_DEFAULT;
    }
    if (control_number("lognum", KEEP_DEFAULT, 1000000, &log->keep) < 0) {
        complain("cannot read", "control/lognum; it is as if it were not there");
        log->keep = KEEP_DEFAULT;
    }
    if (log->size_limit < SIZE_SMALLEST)
        log->size_limit = SIZE_SMALLEST;
}

static int start(struct log *log, char *const *environment)
{
    struct buf home = BUF_INIT(PATH_SIZE);
    int result = home_enter(environment, &home);
    buf_free(&home);
    if (result < 0) {
        complain("cannot change to", "the home directory");
        return -1;
    }
    read_controls(log);
    if (open_or_replace(log) < 0) /* the first line tries again */
        complain("cannot open current yet in", log->directory);
    return 0;
}

int main(int argc, char **argv, char **environment)
{
    struct log log = {
        .fd = -1, .line = BUF_INIT(LINE_LIMIT), .pending = BUF_INIT(PENDING_LIMIT + 256)};
    if (argc != 2) {
        complain("usage:", "nixie-log DIR");
        return 100;
    }
    log.directory = argv[1];
    umask(022);
    ignore_signals();
    if (start(&log, environment) < 0)
        return 111;
    run(&log);
    int status = log.pending.length || log.fd < 0 ? 111 : 0;
    io_close(&log.fd);
    buf_free(&log.line);
    buf_free(&log.pending);
    return status;
}
