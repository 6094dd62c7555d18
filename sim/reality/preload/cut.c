/* SPDX-License-Identifier: ISC */
/*
 * Connections that are reset at a byte.  The process that has been told so lets that many bytes
 * through, those of the other side as it reads them, and then resets the connection, which the
 * other side sees when it has read what was sent before.
 */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sim/reality/preload/preload.h"

struct cut *cut_find(int fd)
{
    for (int i = 0; i < CUT_MAX && fd >= 0 && preload.fd >= 0 && preload.has_cuts; i++)
        if (preload.cuts[i].is_used && preload.cuts[i].fd == fd)
            return &preload.cuts[i];
    return NULL;
}

static struct cut *cut_free(void)
{
    for (int i = 0; i < CUT_MAX; i++)
        if (!preload.cuts[i].is_used)
            return &preload.cuts[i];
    return NULL;
}

static bool is_tcp(int fd)
{
    int protocol = 0;
    socklen_t size = sizeof protocol;
    return syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) == 0 &&
           protocol == IPPROTO_TCP;
}

static void break_it(struct cut *cut)
{
    struct sockaddr none = {.sa_family = AF_UNSPEC};
    syscall(SYS_connect, cut->fd, &none, sizeof none);
    cut->is_broken = true;
}

void cut_begin(int fd, const struct wire_reply *reply)
{
    struct cut *cut = cut_find(fd);
    int saved = errno;
    if (!(reply->flags & (WIRE_CUTS | WIRE_RESETS)))
        return;
    if (!cut && is_tcp(fd) && (cut = cut_free()))
        *cut = (struct cut){.is_used = true, .fd = fd, .left = {UINT64_MAX, UINT64_MAX}};
    errno = saved;
    if (!cut)
        return;
    preload.has_cuts = true;
    for (int i = 0; i < 2 && (reply->flags & WIRE_CUTS); i++)
        if (reply->cuts[i] < cut->left[i])
            cut->left[i] = reply->cuts[i];
    if (reply->flags & WIRE_RESETS)
        break_it(cut);
}

void cut_forget(int fd)
{
    struct cut *cut = cut_find(fd);
    if (cut)
        cut->is_used = false;
}

/* Takes `moved` bytes off, and breaks the connection if it was the last of them. */
static void count_off(struct cut *cut, int way, ssize_t moved)
{
    if (cut->left[way] == UINT64_MAX)
        return;
    cut->left[way] -= (uint64_t) moved;
    if (cut->left[way] == 0)
        break_it(cut);
}

/* What a broken connection says: ECONNRESET once, then `later`. */
static ssize_t complain(struct cut *cut, int later)
{
    bool is_first = !cut->has_told;
    cut->has_told = true;
    errno = is_first ? ECONNRESET : later;
    return is_first || later ? -1 : 0;
}

ssize_t cut_write(struct cut *cut, const void *from, size_t size)
{
    size_t part = size < cut->left[0] ? size : (size_t) cut->left[0];
    if (cut->is_broken)
        return complain(cut, EPIPE);
    long sent = part > 0 ? syscall(SYS_sendto, cut->fd, from, part, MSG_NOSIGNAL, NULL, 0) : 0;
    if (sent < 0)
        return -1;
    count_off(cut, 0, sent);
    return cut->is_broken ? (ssize_t) size : sent; /* the rest is under way for ever */
}

ssize_t cut_read(struct cut *cut, void *to, size_t size)
{
    if (cut->left[1] == 0 && !cut->is_broken)
        break_it(cut);
    if (cut->is_broken)
        return complain(cut, 0);
    if (size > cut->left[1])
        size = (size_t) cut->left[1];
    long got = syscall(SYS_recvfrom, cut->fd, to, size, 0, NULL, NULL);
    if (got > 0)
        count_off(cut, 1, got);
    return got;
}
