/* SPDX-License-Identifier: ISC */
/*
 * HOME/.nixie-progress/KEY: the instructions of a .qmail file with several of them that have been
 * carried out while others have not.  KEY is a checksum of message, sender and recipient; the
 * message begins with the Received line of its queue entry, so the same text sent again is another
 * one.  The file is a line with KEY, then one mark a line: a checksum of KEY and of the
 * instruction's text (so an instruction that was changed between two tries is carried out anew).
 *
 * Two deliveries of one message to one recipient (who was named twice) share their notes: they may
 * leave one copy where there would have been two.
 *
 * What does not check out (a torn line, another file that came back under this name after a
 * crash) does not count.  Such a file is not written to but replaced.
 */
#include "mta/local/local.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mta/lib/checksum.h"
#include "mta/lib/clock.h"
#include "mta/lib/error.h"
#include "mta/lib/io.h"
#include "mta/lib/num.h"

#define DIRECTORY ".nixie-progress"
#define MARK_LINE 17 /* 16 hexadecimal digits and a newline */
#define CONTENT_MAX (1 << 20)
#define FORGOTTEN_AFTER (30 * 86400) /* seconds: longer than any message is in a queue */

static void add_text(struct checksum *checksum, const char *text)
{
    checksum_add(checksum, text, strlen(text) + 1);
}

static int sum_message(const struct local *local, uint64_t *key)
{
    char block[8192];
    struct checksum checksum;
    int code = message_rewind();
    if (code != LOCAL_OK)
        return code;
    checksum_begin(&checksum);
    add_text(&checksum, local->sender);
    add_text(&checksum, local->recipient.data);
    add_text(&checksum, local->file_part.data);
    for (;;) {
        ssize_t count = io_read(0, block, sizeof block);
        if (count < 0)
            return local_fail_errno("Unable to read message", "", errno);
        if (count == 0)
            break;
        checksum_add(&checksum, block, (size_t) count);
    }
    *key = checksum_value(&checksum);
    return LOCAL_OK;
}

static bool line_is(const char *line, uint64_t mark)
{
    char text[MARK_LINE];
    num_format_hex(text, mark);
    text[MARK_LINE - 1] = '\n';
    return memcmp(line, text, MARK_LINE) == 0;
}

/* Reads the file if it is one of ours.  What cannot be read just now is waited for: to carry out
 * again what may be noted in it would be a second copy without need. */
static int read_file(struct progress *progress)
{
    progress->done.limit = CONTENT_MAX;
    if (io_read_file(progress->path.data, &progress->done) < 0) {
        if (error_is_temporary(errno))
            return local_fail_errno("Unable to read ", progress->path.data, errno);
        progress->exists = errno != ENOENT && errno != ENOTDIR;
        buf_reset(&progress->done);
        return LOCAL_OK;
    }
    progress->exists = true;
    if (progress->done.length < MARK_LINE || !line_is(progress->done.data, progress->key))
        buf_reset(&progress->done);
    return LOCAL_OK;
}

int progress_open(struct progress *progress, const struct local *local)
{
    char name[MARK_LINE];
    memset(progress, 0, sizeof *progress);
    int code = sum_message(local, &progress->key);
    if (code != LOCAL_OK)
        return code;
    num_format_hex(name, progress->key);
    name[16] = 0;
    if (buf_set_text(&progress->path, DIRECTORY "/") < 0 ||
        buf_add_text(&progress->path, name) < 0 || !buf_text(&progress->path))
        return local_fail_memory();
    progress->wanted = true;
    return read_file(progress);
}

uint64_t progress_mark(const struct progress *progress, int kind, const char *text, size_t size,
                       unsigned long occurrence)
{
    struct checksum checksum;
    uint64_t numbers[3] = {progress->key, (uint64_t) kind, occurrence};
    checksum_begin(&checksum);
    checksum_add(&checksum, numbers, sizeof numbers);
    checksum_add(&checksum, text, size);
    return checksum_value(&checksum);
}

bool progress_has(const struct progress *progress, uint64_t mark)
{
    if (!progress->wanted)
        return false;
    for (size_t at = MARK_LINE; at + MARK_LINE <= progress->done.length; at += MARK_LINE)
        if (line_is(progress->done.data + at, mark))
            return true;
    return false;
}

static void add_line(struct buf *lines, uint64_t mark)
{
    char text[MARK_LINE];
    num_format_hex(text, mark);
    text[MARK_LINE - 1] = '\n';
    if (buf_add(lines, text, MARK_LINE) < 0)
        return; /* then it is not remembered */
}

/* Removes what messages that never came to an end have left. */
static void sweep(void)
{
    DIR *directory = opendir(DIRECTORY);
    if (!directory)
        return;
    int64_t now = clock_wall();
    for (;;) {
        struct dirent *entry = readdir(directory);
        if (!entry)
            break;
        struct stat st;
        char path[sizeof DIRECTORY + sizeof entry->d_name + 1] = DIRECTORY "/";
        memcpy(path + sizeof DIRECTORY, entry->d_name, strlen(entry->d_name) + 1);
        if (entry->d_name[0] != '.' && stat(path, &st) == 0 &&
            st.st_mtim.tv_sec < now - FORGOTTEN_AFTER)
            unlink(path);
    }
    closedir(directory);
}

/* 0, or -1; that it is there already is no trouble. */
static int make_directory(void)
{
    if (mkdir(DIRECTORY, 0700) == 0)
        return io_sync_directory(".");
    return errno == EEXIST ? 0 : -1;
}

/* A power loss may leave a file under the directory's name, which would be in the way for ever.
 * Another delivery may be about to remove it, too: then there is nothing under that name for a
 * moment, or the directory again. */
static int make_file(const struct progress *progress)
{
    int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC;
    int fd = open(progress->path.data, flags, 0600);
    if (fd >= 0 || (errno != ENOTDIR && errno != ENOENT))
        return fd;
    bool in_the_way = errno == ENOTDIR; /* not a link of the user's to what is away for now */
    if (in_the_way && unlink(DIRECTORY) < 0 && errno != EISDIR && errno != ENOENT)
        return -1;
    if (make_directory() < 0)
        return -1;
    return open(progress->path.data, flags, 0600);
}

/* Makes the file, with its first line and what is known.  A descriptor, or -1. */
static int create_file(struct progress *progress)
{
    if (progress->exists && unlink(progress->path.data) < 0)
        return -1;
    if (make_directory() < 0)
        return -1;
    sweep();
    int fd = make_file(progress);
    if (fd < 0)
        return -1;
    progress->exists = true;
    buf_reset(&progress->done);
    add_line(&progress->done, progress->key);
    return fd;
}

/* Every try writes the whole file again: the same bytes, and the new line behind them. */
static int write_file(const struct progress *progress, int fd)
{
    if (io_write(fd, progress->done.data, progress->done.length) < 0 || fsync(fd) < 0)
        return -1;
    return io_sync_directory(DIRECTORY);
}

void progress_add(struct progress *progress, uint64_t mark)
{
    if (!progress->wanted)
        return;
    int fd;
    if (progress->exists && progress->done.length >= MARK_LINE)
        fd = open(progress->path.data, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
    else
        fd = create_file(progress);
    if (fd < 0) {
        progress->wanted = false;
        return;
    }
    progress->done.length -= progress->done.length % MARK_LINE; /* a torn line */
    add_line(&progress->done, mark);
    if (write_file(progress, fd) < 0)
        progress->wanted = false;
    close(fd);
}

void progress_forget(struct progress *progress)
{
    if (progress->exists)
        unlink(progress->path.data);
    progress->exists = false;
}

void progress_close(struct progress *progress)
{
    buf_free(&progress->path);
    buf_free(&progress->done);
}
