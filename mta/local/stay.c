/* SPDX-License-Identifier: ISC */
/*
 * lspawn's worker for one user.  Descriptors 1 and 2 are one Unix stream socket, descriptor 0 is
 * free for messages.  On the socket:
 *
 *   worker: an answer with the code LOCAL_READY, once
 *   lspawn: 4 bytes little-endian length, then that many: the eight arguments of the program, each
 *           with its `\0`; the message's descriptor comes with the first byte
 *   worker: an answer: what the program would have written on its descriptors 1 and 2, `\0`, and
 *           the exit code as one byte
 *
 * LOCAL_OTHER instead of an exit code: there are other instructions than Maildirs; nothing was
 * done.  Those are for a process of their own, whose descriptors, environment and crashes are what
 * programs of a .qmail file expect.  The end of the socket ends the worker.
 */
#include <string.h>
#include <unistd.h>

#include "mta/lib/io.h"
#include "mta/lib/pass.h"
#include "mta/local/local.h"

#define CONTROL 1
#define REQUEST_MAX 65536

/* 0, or -1. */
static int answer(int code)
{
    const char end[2] = {0, (char) code};
    return io_write(CONTROL, end, sizeof end);
}

static int read_exactly(char *to, size_t size)
{
    while (size > 0) {
        ssize_t count = io_read(CONTROL, to, size);
        if (count <= 0)
            return -1;
        to += count;
        size -= (size_t) count;
    }
    return 0;
}

/* Descriptor 0 is free, so a descriptor that is received is it; whatever the system does, it is
 * made so. */
static int put_message(int fd)
{
    if (fd <= 0)
        return fd;
    int result = dup2(fd, 0);
    close(fd);
    return result;
}

/* Reads a request, the message's descriptor becomes 0.  1, 0 at the end, -1 if there is no whole
 * one. */
static int read_request(struct buf *request)
{
    unsigned char head[4];
    int message;
    ssize_t count = pass_receive(CONTROL, head, sizeof head, &message);
    if (count <= 0)
        return (int) count;
    if (put_message(message) < 0 ||
        read_exactly((char *) head + count, sizeof head - (size_t) count) < 0)
        return -1;
    size_t size = head[0] | (size_t) head[1] << 8 | (size_t) head[2] << 16 | (size_t) head[3] << 24;
    buf_reset(request);
    if (size == 0 || size > REQUEST_MAX || buf_reserve(request, size) < 0 ||
        read_exactly(request->data, size) < 0)
        return -1;
    request->length = size;
    return request->data[size - 1] == 0 ? 1 : -1;
}

/* -1: these are no arguments. */
static int set_arguments(struct local *local, const struct buf *request)
{
    const char *arguments[LOCAL_ARGUMENTS];
    const char *at = request->data, *end = at + request->length;
    for (int i = 0; i < LOCAL_ARGUMENTS; i++) {
        if (at >= end)
            return -1;
        arguments[i] = at;
        at += strlen(at) + 1;
    }
    local_set_arguments(local, arguments);
    return at == end ? 0 : -1;
}

/* One delivery.  0, or -1: this worker cannot go on. */
static int serve(char *const *environment, const struct buf *request)
{
    struct local local = {.environment = environment, .deliver = true, .maildirs_only = true};
    if (set_arguments(&local, request) < 0)
        return -1;
    int code = local_deliver(&local);
    local_release(&local);
    close(0);
    if (chdir("/") < 0) /* nobody's directory is held while there is nothing to do */
        return -1;
    return answer(code);
}

int stay(char *const *environment)
{
    struct buf request = BUF_INIT(REQUEST_MAX);
    int result = answer(LOCAL_READY) == 0 ? 1 : -1;
    close(0);
    while (result == 1) {
        result = read_request(&request);
        if (result == 1 && serve(environment, &request) < 0)
            result = -1;
    }
    buf_free(&request);
    return result < 0 ? LOCAL_SOFT : LOCAL_OK;
}
