/* SPDX-License-Identifier: ISC */
/* Files of the queue as send handles them. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "mta/lib/io.h"
#include "mta/send/send.h"

int file_read(enum spool_kind kind, uint64_t number, struct buf *content)
{
    char path[SPOOL_PATH_SIZE];
    buf_reset(content);
    return io_read_file(spool_path(path, kind, number), content);
}

int file_remove(enum spool_kind kind, uint64_t number)
{
    char path[SPOOL_PATH_SIZE];
    if (unlink(spool_path(path, kind, number)) < 0 && errno != ENOENT)
        return -1;
    return 0;
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

void file_warn(struct send *send, const char *what, enum spool_kind kind, uint64_t number)
{
    logline(&send->log, "warning: %s %s/%n; will try again later", what, spool_directory(kind),
            number);
}

void file_aside(struct send *send, enum spool_kind kind, uint64_t number)
{
    char path[SPOOL_PATH_SIZE], to[SPOOL_PATH_SIZE + 32];
    const char *directory = spool_directory(kind);
    logline(&send->log, "warning: %s/%n does not check out; set aside in corrupt/", directory,
            number);
    send_dirty(send);
    if (kind == SPOOL_TODO || kind == SPOOL_MESS) {
        const char *command = kind == SPOOL_TODO ? "aside/todo" : "aside/mess";
        if (cleaner_ask(&send->cleaner, command, number, NULL) < 0)
            file_warn(send, "unable to set aside", kind, number);
        return;
    }
    snprintf(to, sizeof to, "corrupt/%s.%llu", directory, (unsigned long long) number);
    if (rename(spool_path(path, kind, number), to) < 0 && errno != ENOENT)
        file_warn(send, "unable to set aside", kind, number);
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
