/* SPDX-License-Identifier: ISC */
#include "mta/lib/maildir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "mta/lib/clock.h"
#include "mta/lib/io.h"
#include "mta/lib/num.h"

#define TRIES 20     /* for a name that nobody has */
#define HOST_MAX 120 /* of the name's 255 bytes */
#define PATH_LIMIT 8192
#define SYNCFS_MIN 4 /* files that are synced with their file system, not one by one */

static int add_host(struct buf *name)
{
    char host[256];
    if (gethostname(host, sizeof host) < 0 || host[0] == 0)
        memcpy(host, "localhost", 10);
    host[sizeof host - 1] = 0;
    size_t end = name->length + HOST_MAX;
    for (const char *c = host; *c && name->length < end; c++) {
        int result;
        if (*c == '/')
            result = buf_add_text(name, "\\057");
        else if (*c == ':')
            result = buf_add_text(name, "\\072");
        else
            result = buf_add_byte(name, *c);
        if (result < 0)
            return -1;
    }
    return 0;
}

static int make_name(struct buf *name)
{
    int64_t seconds;
    uint32_t nanoseconds;
    uint64_t chance;
    char hex[17];
    char text[96];
    clock_wall_precise(&seconds, &nanoseconds);
    ssize_t count = getrandom(&chance, sizeof chance, 0);
    if (count != (ssize_t) sizeof chance)
        chance = 0; /* time and pid still tell names apart, O_EXCL does the rest */
    num_format_hex(hex, chance);
    hex[16] = 0;
    pid_t pid = getpid();
    int length = snprintf(text, sizeof text, "%lld.M%uP%lldR%s.", (long long) seconds,
                          (unsigned) (nanoseconds / 1000), (long long) pid, hex);
    if (buf_set(name, text, (size_t) length) < 0)
        return -1;
    return add_host(name);
}

/* PATH FOLDER "/" NAME into `to`; NULL with errno, then nothing is in it: what is is removed. */
static const char *make_path(struct buf *to, const struct maildir *maildir, const char *folder)
{
    if (buf_set(to, maildir->path.data, maildir->path.length) < 0 || buf_add_text(to, folder) < 0 ||
        buf_add_byte(to, '/') < 0 || buf_add(to, maildir->name.data, maildir->name.length) < 0 ||
        !buf_text(to)) {
        buf_reset(to);
        return NULL;
    }
    return to->data;
}

static int create_unique(struct maildir *maildir)
{
    for (int i = 0; i < TRIES; i++) {
        if (make_name(&maildir->name) < 0)
            return -1;
        const char *tmp = make_path(&maildir->tmp, maildir, "tmp");
        if (!tmp)
            return -1;
        maildir->fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (maildir->fd >= 0)
            return 0;
        buf_reset(&maildir->tmp); /* it is not ours to remove */
        if (errno != EEXIST)
            return -1;
    }
    return -1;
}

int maildir_begin(struct maildir *maildir, const char *path)
{
    memset(maildir, 0, offsetof(struct maildir, buffer));
    maildir->fd = -1;
    maildir->path.limit = maildir->tmp.limit = maildir->arrived.limit = PATH_LIMIT;
    if (buf_set_text(&maildir->path, path) < 0)
        return -1;
    if (maildir->path.length == 0 || path[maildir->path.length - 1] != '/')
        if (buf_add_byte(&maildir->path, '/') < 0)
            return -1;
    return create_unique(maildir);
}

static int flush(struct maildir *maildir)
{
    size_t held = maildir->held;
    maildir->held = 0;
    return io_write(maildir->fd, maildir->buffer, held);
}

int maildir_write(struct maildir *maildir, const void *bytes, size_t size)
{
    const char *from = bytes;
    while (size > 0) {
        size_t room = sizeof maildir->buffer - maildir->held;
        size_t part = size < room ? size : room;
        memcpy(maildir->buffer + maildir->held, from, part);
        maildir->held += part;
        from += part;
        size -= part;
        if (maildir->held == sizeof maildir->buffer && flush(maildir) < 0)
            return -1;
    }
    return 0;
}

/* Content durable (it may be already), file closed. */
static int finish_file(struct maildir *maildir, bool durable)
{
    if (!durable && !maildir->hasty && fsync(maildir->fd) < 0)
        return -1;
    int fd = maildir->fd;
    maildir->fd = -1;
    return close(fd);
}

/* Links tmp/NAME into new/; under another name if that one is taken.  File systems without hard
 * links get a rename: the name is as good as unique. */
static int link_new(struct maildir *maildir)
{
    for (int i = 0; i < TRIES; i++) {
        const char *arrived = make_path(&maildir->arrived, maildir, "new");
        if (!arrived)
            return -1;
        const char *tmp = maildir->tmp.data;
        if (link(tmp, arrived) == 0)
            return 0;
        if (errno == EPERM || errno == EOPNOTSUPP || errno == ENOSYS || errno == EMLINK)
            return rename(tmp, arrived);
        buf_reset(&maildir->arrived);
        if (errno != EEXIST || make_name(&maildir->name) < 0)
            return -1;
    }
    return -1;
}

static int sync_new(const struct maildir *maildir)
{
    struct buf directory = BUF_INIT(PATH_LIMIT);
    int result = buf_set(&directory, maildir->path.data, maildir->path.length);
    if (result == 0)
        result = buf_add_text(&directory, "new");
    const char *path = result == 0 ? buf_text(&directory) : NULL;
    result = path ? io_sync_directory(path) : -1;
    int saved = errno;
    buf_free(&directory);
    errno = saved;
    return result;
}

static bool is_same_place(const struct maildir *a, const struct maildir *b)
{
    return a->path.length == b->path.length &&
           memcmp(a->path.data, b->path.data, a->path.length) == 0;
}

static bool waits_for(const struct maildir *maildir, const struct maildir *first)
{
    return maildir->unsynced && is_same_place(maildir, first);
}

/* Whether one wait for their file system takes less than one for each. */
static bool are_many(struct maildir *const *maildirs, size_t count, const int *results)
{
    size_t good = 0;
    for (size_t i = 0; i < count; i++) {
        if (!is_same_place(maildirs[i], maildirs[0]) || maildirs[i]->hasty)
            return false;
        good += results[i] == 0;
    }
    return good >= SYNCFS_MIN;
}

/* The first one was opened before anything was written to the others, so its descriptor tells of
 * every write that failed (Linux 5.8).  Nothing may be linked into new/ before the disk's cache is
 * flushed. */
static void sync_together(struct maildir *const *maildirs, size_t count, int *results)
{
    int error = io_sync_all(maildirs[0]->fd) < 0 ? errno : 0;
    for (size_t i = 0; i < count && error; i++)
        if (results[i] == 0)
            results[i] = error;
}

/* Lets the disk begin with all of them, so that the first wait is for all: only a hint. */
static void start_writing(struct maildir *const *maildirs, size_t count, const int *results)
{
    for (size_t i = 0; i < count; i++)
        if (results[i] == 0 && !maildirs[i]->hasty &&
            sync_file_range(maildirs[i]->fd, 0, 0, SYNC_FILE_RANGE_WRITE) < 0) {
            /* some file systems cannot */
        }
}

/* Hands all bytes over to the system.  True if the files have been made durable, too, or that has
 * failed for all of them; else each must be synced. */
static bool write_all(struct maildir *const *maildirs, size_t count, int *results)
{
    for (size_t i = 0; i < count; i++)
        results[i] = flush(maildirs[i]) < 0 ? errno : 0;
    bool many = are_many(maildirs, count, results);
    if (many)
        sync_together(maildirs, count, results);
    else if (count > 1)
        start_writing(maildirs, count, results);
    return many;
}

/* Of those that have arrived in the same new/, `first` stands for all.  If it cannot be synced they
 * are taken out again.  Until the disk has forgotten these names power loss may bring them back, so
 * the files must not go: where that cannot be made sure the names in tmp/ stay, for readers to
 * sweep up as they do with what crashes leave there. */
static void sync_place(struct maildir *const *maildirs, size_t count, size_t first, int *results)
{
    const struct maildir *place = maildirs[first];
    int error = sync_new(place) < 0 ? errno : 0;
    bool keep = false;
    for (size_t i = first; i < count; i++)
        if (waits_for(maildirs[i], place)) {
            results[i] = error;
            keep |= error && unlink(maildirs[i]->arrived.data) < 0;
        }
    if (error && sync_new(place) < 0)
        keep = true;
    for (size_t i = count; i-- > first;)
        if (waits_for(maildirs[i], place)) {
            maildirs[i]->unsynced = false;
            if (keep)
                buf_reset(&maildirs[i]->tmp);
        }
}

void maildir_commit_all(struct maildir *const *maildirs, size_t count, int *results)
{
    bool durable = write_all(maildirs, count, results);
    for (size_t i = 0; i < count; i++)
        if (results[i] == 0) {
            results[i] =
                finish_file(maildirs[i], durable) < 0 || link_new(maildirs[i]) < 0 ? errno : 0;
            maildirs[i]->unsynced = results[i] == 0 && !maildirs[i]->hasty;
        }
    for (size_t i = 0; i < count; i++)
        if (maildirs[i]->unsynced)
            sync_place(maildirs, count, i, results);
    for (size_t i = 0; i < count; i++)
        maildir_abort(maildirs[i]); /* in new/ or not, the name in tmp/ goes */
}

int maildir_commit(struct maildir *maildir)
{
    int result;
    maildir_commit_all(&maildir, 1, &result);
    errno = result;
    return result ? -1 : 0;
}

void maildir_abort(struct maildir *maildir)
{
    io_close(&maildir->fd);
    if (maildir->tmp.length)
        unlink(maildir->tmp.data);
    maildir->held = 0;
    buf_free(&maildir->path);
    buf_free(&maildir->name);
    buf_free(&maildir->tmp);
    buf_free(&maildir->arrived);
}
