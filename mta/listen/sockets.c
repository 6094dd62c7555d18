/* SPDX-License-Identifier: ISC */
#include "mta/listen/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mta/lib/control.h"
#include "mta/lib/error.h"
#include "mta/lib/io.h"

#define BACKLOG 1024
#define EARLIER_PATH "run/listen"

static int set_options(int fd, int family)
{
    int on = 1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0)
        return -1;
    /* :: and 0.0.0.0 are two addresses, whatever the system's default */
    if (family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) < 0)
        return -1;
    return 0;
}

static int open_one(const struct sockaddr_storage *address, socklen_t length)
{
    int family = address->ss_family;
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (set_options(fd, family) == 0 && bind(fd, (const struct sockaddr *) address, length) == 0 &&
        listen(fd, BACKLOG) == 0)
        return fd;
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

static bool same_host(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
    unsigned char left[16], right[16];
    socket_address_bytes(a, left);
    socket_address_bytes(b, right);
    return a->ss_family == b->ss_family && memcmp(left, right, sizeof left) == 0;
}

/* A socket on the port that an earlier life of ours had on this address, or -1. */
static int open_earlier(const struct buf *earlier, const struct sockaddr_storage *address)
{
    struct sockaddr_storage had;
    socklen_t length;
    size_t begin = 0;
    while (begin < earlier->length) {
        const char *line = earlier->data + begin;
        const char *end = memchr(line, '\n', earlier->length - begin);
        size_t size = end ? (size_t) (end - line) : earlier->length - begin;
        begin += size + 1;
        if (socket_address_parse(line, size, &had, &length) < 0 || !same_host(&had, address))
            continue;
        int fd = open_one(&had, length);
        if (fd >= 0)
            return fd;
    }
    return -1;
}

static int complain(struct buf *trouble, const char *what, const char *name, const char *why)
{
    int saved = errno;
    buf_set_text(trouble, what); /* without memory the status must do */
    buf_add_text(trouble, name);
    buf_add_text(trouble, ": ");
    buf_add_text(trouble, why);
    errno = saved;
    return -1;
}

static const char *why_not(int error, const struct sockaddr_storage *address)
{
    unsigned port = socket_address_port(address);
    if (error == EACCES && port > 0 && port < 1024)
        return "access denied; ports below 1024 are root's, another, as 2525, is anybody's";
    return error_text(error);
}

static int add(struct sockets *sockets, const char *text, const struct buf *earlier,
               struct buf *trouble)
{
    struct sockaddr_storage address;
    socklen_t length;
    int fd = -1;
    if (socket_address_parse(text, strlen(text), &address, &length) < 0) {
        errno = EINVAL;
        return complain(trouble, "no address to listen on: ", text,
                        "ADDRESS:PORT or [ADDRESS]:PORT with numbers is needed");
    }
    if (sockets->count == SOCKETS_MAX) {
        errno = EMFILE;
        return complain(trouble, "cannot listen on ", text, "too many addresses");
    }
    if (socket_address_port(&address) == 0)
        fd = open_earlier(earlier, &address);
    if (fd < 0)
        fd = open_one(&address, length);
    if (fd < 0)
        return complain(trouble, "cannot listen on ", text, why_not(errno, &address));
    sockets->fds[sockets->count++] = fd;
    return 0;
}

static int add_all(struct sockets *sockets, const struct buf *lines, char *const *arguments,
                   const struct buf *earlier, struct buf *trouble)
{
    const char *line = lines->data;
    const char *end = line ? line + lines->length : NULL;
    for (; line < end; line += strlen(line) + 1)
        if (add(sockets, line, earlier, trouble) < 0)
            return -1;
    for (; *arguments; arguments++)
        if (add(sockets, *arguments, earlier, trouble) < 0)
            return -1;
    if (sockets->count > 0)
        return 0;
    errno = ENOENT;
    return complain(trouble, "nothing to listen on", "", "control/listen is missing or empty");
}

/* run/ is the queue's user's: root follows no link there, and opens nothing but a file. */
static void read_earlier(struct buf *earlier)
{
    struct stat st;
    int fd = open(EARLIER_PATH, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd >= 0 && (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || io_read_all(fd, earlier) < 0))
        buf_reset(earlier);
    io_close(&fd);
}

int sockets_open(struct sockets *sockets, char *const *arguments, struct buf *trouble)
{
    struct buf lines = BUF_INIT(65536), earlier = BUF_INIT(65536);
    int result = control_list("listen", &lines);
    if (result < 0)
        complain(trouble, "cannot read ", "control/listen", error_text(errno));
    read_earlier(&earlier);
    if (result >= 0)
        result = add_all(sockets, &lines, arguments, &earlier, trouble);
    int saved = errno;
    buf_free(&lines);
    buf_free(&earlier);
    errno = saved;
    return result < 0 ? -1 : 0;
}

int sockets_list(const struct sockets *sockets, struct buf *lines)
{
    for (size_t i = 0; i < sockets->count; i++) {
        struct sockaddr_storage address;
        socklen_t length = sizeof address;
        char text[SOCKET_ADDRESS_SIZE];
        memset(&address, 0, sizeof address);
        if (getsockname(sockets->fds[i], (struct sockaddr *) &address, &length) < 0)
            return -1;
        size_t size = socket_address_format(text, &address);
        if (buf_add(lines, text, size) < 0 || buf_add_byte(lines, '\n') < 0)
            return -1;
    }
    return 0;
}

void sockets_close(struct sockets *sockets)
{
    for (size_t i = 0; i < sockets->count; i++)
        io_close(&sockets->fds[i]);
}
