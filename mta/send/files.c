/* SPDX-License-Identifier: ISC */
/* Files of the queue as send handles them. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mta/lib/io.h"
#include "mta/send/send.h"

int file_read(enum spool_kind kind, uint64_t number, struct buf *content)
{
    buf_reset(content);
    int fd = spool_open(kind, number, O_RDONLY);
    if (fd < 0)
        return -1;
    int result = io_read_all(fd, content);
    int saved = errno == EMSGSIZE ? EBADMSG : errno;
    close(fd);
    errno = saved;
    return result;
}

int file_remove(enum spool_kind kind, uint64_t number)
{
    char path[SPOOL_PATH_SIZE];
    if (unlink(spool_path(path, kind, number)) == 0 || errno == ENOENT)
        return 0;
    return errno == EISDIR ? spool_aside(kind, number) : -1;
}

int file_write(enum spool_kind kind, uint64_t number, const struct buf *content)
{
    char path[SPOOL_PATH_SIZE];
    if (file_remove(kind, number) < 0)
        return -1;
    int fd = open(spool_path(path, kind, number), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return -1;
    int result = io_write(fd, content->data, content->length);
    int saved = errno;
    if (close(fd) < 0 && result == 0) {
        saved = errno;
        result = -1;
    }
    if (result < 0)
        unlink(path);
    errno = saved;
    return result;
}

int file_write_over(enum spool_kind kind, uint64_t number)
{
    char block[16384];
    off_t at = 0;
    ssize_t count;
    int result = 0;
    int fd = spool_open(kind, number, O_RDWR);
    if (fd < 0)
        return -1;
    while (result == 0 && (count = io_read(fd, block, sizeof block)) != 0) {
        if (count < 0 || lseek(fd, at, SEEK_SET) < 0 || io_write(fd, block, (size_t) count) < 0)
            result = -1;
        at += count;
    }
    int saved = errno;
    close(fd);
    errno = saved;
    return result;
}

void file_warn(struct send *send, const char *what, enum spool_kind kind, uint64_t number)
{
    logline(&send->log, "warning: %s %s/%n; will try again later", what, spool_directory(kind),
            number);
}

static void aside_done(struct send *send, uint64_t number, bool done)
{
    if (!done)
        logline(&send->log, "warning: unable to set aside files of msg %n", number);
}

bool file_is_there(enum spool_kind kind, uint64_t number)
{
    char path[SPOOL_PATH_SIZE];
    struct stat st;
    return lstat(spool_path(path, kind, number), &st) == 0;
}

static int move_aside(struct send *send, enum spool_kind kind, uint64_t number)
{
    int result;
    send_dirty(send);
    if (kind == SPOOL_TODO || kind == SPOOL_MESS)
        result = cleaner_ask(&send->cleaner, kind == SPOOL_TODO ? "aside/todo" : "aside/mess",
                             number, aside_done);
    else
        result = spool_aside(kind, number);
    if (result < 0)
        file_warn(send, "unable to set aside", kind, number);
    return result;
}

void file_aside(struct send *send, enum spool_kind kind, uint64_t number)
{
    logline(&send->log, "warning: %s/%n does not check out; set aside in corrupt/",
            spool_directory(kind), number);
    move_aside(send, kind, number);
}

int message_files_aside(struct send *send, uint64_t number)
{
    /* In the order of the end of a message: it is in one of the stages all the time, also if one
     * cannot be moved; clean sees to it that mess stays if todo does. */
    static const enum spool_kind kinds[] = {SPOOL_LOCAL, SPOOL_REMOTE, SPOOL_BOUNCE,
                                            SPOOL_INFO,  SPOOL_TODO,   SPOOL_MESS};
    logline(&send->log, "warning: msg %n cannot be delivered; set aside in corrupt/", number);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if ((file_is_there(kinds[i], number) || errno != ENOENT) &&
            move_aside(send, kinds[i], number) < 0)
            return -1;
    return 0;
}

int info_read_sender(uint64_t number, struct buf *sender)
{
    struct buf content = BUF_INIT(0);
    struct spool_message info;
    int result = file_read(SPOOL_INFO, number, &content);
    if (result == 0)
        result = spool_info_parse(content.data, content.length, number, &info);
    if (result == 0)
        result = buf_set(sender, info.sender, info.sender_size);
    if (result == 0 && !buf_text(sender))
        result = -1;
    int saved = errno;
    buf_free(&content);
    errno = saved;
    return result;
}

int mess_verify(uint64_t number)
{
    struct buf content = BUF_INIT(0);
    struct spool_message info;
    int mess = -1;
    int result = file_read(SPOOL_INFO, number, &content);
    if (result == 0)
        result = spool_info_parse(content.data, content.length, number, &info);
    if (result == 0) {
        mess = spool_open(SPOOL_MESS, number, O_RDONLY);
        result = mess < 0 ? -1 : spool_mess_check(mess, info.mess_length, info.mess_checksum);
    }
    int saved = errno;
    io_close(&mess);
    buf_free(&content);
    errno = saved;
    return result;
}
