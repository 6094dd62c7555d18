/* SPDX-License-Identifier: ISC */
/* Calls on sockets.  All machines share one loopback interface: who connects must say from where,
 * and nothing is held back to be sent together. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "sim/reality/preload/preload.h"

#define GATHER_MAX 65536

static void hurry(int fd)
{
    int on = 1;
    syscall(SYS_setsockopt, fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static bool is_loopback(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET)
        return ntohl(((const struct sockaddr_in *) (const void *) address)->sin_addr.s_addr) >>
                   24 ==
               127;
    return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *) (const void *) address)->sin6_addr);
}

/* The machine's own address becomes the source, unless the program has chosen one.  False with
 * errno: the machine has no address of that family. */
static bool bind_source(int fd, const struct sockaddr *to)
{
    struct sockaddr_storage own = {0};
    socklen_t size = sizeof own;
    int on = 1;
    if (is_loopback(to) || syscall(SYS_getsockname, fd, &own, &size) < 0)
        return true;
    const char *source = getenv(to->sa_family == AF_INET ? "NIXIE_REALITY_4" : "NIXIE_REALITY_6");
    if (!source) {
        errno = ENETUNREACH;
        return false;
    }
    if (to->sa_family == AF_INET) {
        struct sockaddr_in *in = (struct sockaddr_in *) (void *) &own;
        if (in->sin_addr.s_addr || in->sin_port)
            return true;
        in->sin_family = AF_INET;
        inet_pton(AF_INET, source, &in->sin_addr);
        size = sizeof *in;
    } else {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *) (void *) &own;
        if (!IN6_IS_ADDR_UNSPECIFIED(&in6->sin6_addr) || in6->sin6_port)
            return true;
        in6->sin6_family = AF_INET6;
        inet_pton(AF_INET6, source, &in6->sin6_addr);
        size = sizeof *in6;
    }
    syscall(SYS_setsockopt, fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    struct sockaddr_storage real;
    const struct sockaddr *from = address_out((const struct sockaddr *) &own, size, &real);
    if (from)
        syscall(SYS_bind, fd, from, size);
    return true;
}

static bool is_internet(const struct sockaddr *address)
{
    return address->sa_family == AF_INET || address->sa_family == AF_INET6;
}

static bool is_stream(int fd)
{
    int type = 0;
    socklen_t size = sizeof type;
    return syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 &&
           type == SOCK_STREAM;
}

int socket(int domain, int type, int protocol)
{
    struct told told = TOLD(socket, .argument = {domain, type, protocol});
    if (!tell_before(&told))
        return (int) tell_after(&told, -1);
    long fd = syscall(SYS_socket, domain, type, protocol);
    int off = 0;
    if (fd >= 0 && domain == AF_INET6 && address_is_rewritten())
        syscall(SYS_setsockopt, fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    return (int) tell_after(&told, fd);
}

int socketpair(int domain, int type, int protocol, int fds[2])
{
    struct told told = TOLD(socketpair, .argument = {type});
    if (!tell_before(&told))
        return (int) tell_after(&told, -1);
    return (int) tell_after(&told, syscall(SYS_socketpair, domain, type, protocol, fds));
}

/* SYS_bind or SYS_connect with the file's real place. */
static long at_path(long number, int fd, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *real = PLACED(path);
    if (strlen(real) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(address.sun_path, real);
    return syscall(number, fd, &address, offsetof(struct sockaddr_un, sun_path) + strlen(real) + 1);
}

int bind(int fd, const struct sockaddr *address, socklen_t size)
{
    struct told told = TOLD_AT(bind, fd, .address = address, .address_size = size);
    char path[sizeof(struct sockaddr_un) + 1];
    if (address->sa_family == AF_UNIX && size <= sizeof(struct sockaddr_un)) {
        size_t head = offsetof(struct sockaddr_un, sun_path);
        memset(path, 0, sizeof path);
        memcpy(path, (const char *) address + head, size > head ? size - head : 0);
        told.path = path;
        told.address = NULL;
    }
    if (!tell_before(&told))
        return (int) tell_after(&told, -1);
    if (told.path && *told.path == '/')
        return (int) tell_after(&told, at_path(SYS_bind, fd, path));
    struct sockaddr_storage real;
    address = address_out(address, size, &real);
    if (!address)
        errno = EADDRNOTAVAIL;
    return (int) tell_after(&told, address ? syscall(SYS_bind, fd, address, size) : -1);
}

int shutdown(int fd, int how)
{
    struct told told = TOLD_AT(shutdown, fd, .argument = {how});
    if (!tell_before(&told))
        return (int) tell_after(&told, -1);
    return (int) tell_after(&told, syscall(SYS_shutdown, fd, how));
}

int connect(int fd, const struct sockaddr *address, socklen_t size)
{
    struct told told = TOLD_AT(connect, fd, .address = address, .address_size = size);
    if (preload.root && address->sa_family == AF_UNIX && size <= sizeof(struct sockaddr_un)) {
        struct sockaddr_un local = {.sun_family = AF_UNIX};
        char path[sizeof local.sun_path + 1] = "";
        memcpy(&local, address, size);
        memcpy(path, local.sun_path, sizeof local.sun_path);
        if (*path == '/')
            return (int) at_path(SYS_connect, fd, path);
    }
    if (preload.fd < 0 || !is_internet(address))
        return (int) syscall(SYS_connect, fd, address, size);
    if (is_stream(fd))
        told.argument[2] = WIRE_SENDS;
    if (!tell_before(&told))
        return (int) tell_after(&told, -1);
    if (told.reply.flags & WIRE_SILENT) {
        silent_add(fd);
        errno = EINPROGRESS;
        return (int) tell_after(&told, is_stream(fd) ? -1 : 0);
    }
    if (!bind_source(fd, address))
        return (int) tell_after(&told, -1);
    if (is_stream(fd)) {
        hurry(fd);
        preload.turn = WIRE_TURN;
    }
    cut_forget(fd);
    cut_begin(fd, &told.reply);
    struct sockaddr_storage real;
    address = address_out(address, size, &real);
    return (int) tell_after(&told, address ? syscall(SYS_connect, fd, address, size) : -1);
}

/* An IPv6 socket must take IPv4 addresses where they stand for others. */
int setsockopt(int fd, int level, int name, const void *value, socklen_t size)
{
    if (level == IPPROTO_IPV6 && name == IPV6_V6ONLY && address_is_rewritten())
        return 0;
    return (int) syscall(SYS_setsockopt, fd, level, name, value, size);
}

int getsockname(int fd, struct sockaddr *address, socklen_t *size)
{
    socklen_t room = *size;
    long result = syscall(SYS_getsockname, fd, address, size);
    if (result == 0)
        address_in(address, *size < room ? *size : room);
    return (int) result;
}

int getpeername(int fd, struct sockaddr *address, socklen_t *size)
{
    socklen_t room = *size;
    long result = syscall(SYS_getpeername, fd, address, size);
    if (result == 0)
        address_in(address, *size < room ? *size : room);
    return (int) result;
}

int getsockopt(int fd, int level, int name, void *value, socklen_t *size)
{
    if (level == SOL_SOCKET && name == SO_ERROR && silent_is(fd)) {
        *(int *) value = ETIMEDOUT;
        *size = sizeof(int);
        return 0;
    }
    return (int) syscall(SYS_getsockopt, fd, level, name, value, size);
}

int accept4(int fd, struct sockaddr *address, socklen_t *size, int flags)
{
    struct told told = TOLD_AT(accept, fd, .argument = {flags});
    wait_until_ready(fd, POLLIN);
    if (!tell_before(&told))
        return (int) tell_after(&told, -1);
    socklen_t room = size ? *size : 0;
    long got = syscall(SYS_accept4, fd, address, size, flags);
    if (got >= 0) {
        int saved = errno;
        if (address && size)
            address_in(address, *size < room ? *size : room);
        hurry((int) got);
        preload.turn = WIRE_FIRST_TURN;
        errno = saved;
    }
    return (int) tell_after(&told, got);
}

int accept(int fd, struct sockaddr *address, socklen_t *size)
{
    return accept4(fd, address, size, 0);
}

int listen(int fd, int backlog)
{
    struct told told = TOLD_AT(listen, fd, .argument = {backlog});
    if (!tell_before(&told))
        return (int) tell_after(&told, -1);
    return (int) tell_after(&told, syscall(SYS_listen, fd, backlog));
}

/* --- data --------------------------------------------------------------------------------------*/

/* The connection ends with a reset on both sides. */
static ssize_t reset(int fd)
{
    struct sockaddr none = {.sa_family = AF_UNSPEC};
    syscall(SYS_connect, fd, &none, sizeof none);
    errno = ECONNRESET;
    return -1;
}

/* What is told of the bytes of a message. */
static void gather(struct told *told, const struct msghdr *header, char bytes[GATHER_MAX])
{
    size_t used = 0;
    for (size_t i = 0; i < header->msg_iovlen && used < GATHER_MAX; i++) {
        size_t size = header->msg_iov[i].iov_len;
        if (size > GATHER_MAX - used)
            size = GATHER_MAX - used;
        if (size > 0)
            memcpy(bytes + used, header->msg_iov[i].iov_base, size);
        used += size;
    }
    told->data = bytes;
    told->size = used;
}

static size_t whole_size(const struct msghdr *header)
{
    size_t size = 0;
    for (size_t i = 0; i < header->msg_iovlen; i++)
        size += header->msg_iov[i].iov_len;
    return size;
}

ssize_t sendmsg(int fd, const struct msghdr *header, int flags)
{
    struct told told = TOLD_AT(sendmsg, fd);
    char bytes[GATHER_MAX];
    struct sockaddr_storage other;
    struct msghdr cut = *header;
    struct iovec one;
    if (silent_is(fd))
        return (ssize_t) whole_size(header);
    if (!(flags & MSG_DONTWAIT))
        wait_until_ready(fd, POLLOUT);
    if (is_told(CALL_sendmsg)) {
        gather(&told, header, bytes);
        turn_send(&told, header, &other);
    }
    if (!tell_before(&told))
        return tell_after(&told, -1);
    if (told.reply.flags & WIRE_DISCARDS)
        return tell_after(&told, (ssize_t) whole_size(header));
    if (told.reply.flags & WIRE_RESETS)
        return tell_after(&told, reset(fd));
    if (told.reply.limit && header->msg_iovlen > 0) {
        one = header->msg_iov[0];
        if (told.reply.limit < one.iov_len)
            one.iov_len = told.reply.limit;
        cut.msg_iov = &one;
        cut.msg_iovlen = 1;
    }
    cut_begin(fd, &told.reply);
    if (cut_find(fd) && whole_size(&cut) <= sizeof bytes) {
        gather(&told, &cut, bytes);
        return tell_after(&told, cut_write(cut_find(fd), bytes, told.size));
    }
    struct sockaddr_storage real;
    if (cut.msg_name && !(cut.msg_name = (void *) (uintptr_t) address_out(
                              header->msg_name, header->msg_namelen, &real)))
        return tell_after(&told, -1);
    return tell_after(&told, syscall(SYS_sendmsg, fd, &cut, flags));
}

ssize_t sendto(int fd, const void *from, size_t size, int flags, const struct sockaddr *address,
               socklen_t address_size)
{
    struct iovec part = {(void *) (uintptr_t) from, size};
    struct msghdr header = {.msg_name = (void *) (uintptr_t) address,
                            .msg_namelen = address ? address_size : 0,
                            .msg_iov = &part,
                            .msg_iovlen = 1};
    return sendmsg(fd, &header, flags);
}

ssize_t send(int fd, const void *from, size_t size, int flags)
{
    return sendto(fd, from, size, flags, NULL, 0);
}

ssize_t recvmsg(int fd, struct msghdr *header, int flags)
{
    struct told told = TOLD_AT(recvmsg, fd);
    if (silent_is(fd)) {
        errno = EAGAIN;
        return -1;
    }
    if (!(flags & MSG_DONTWAIT))
        wait_until_ready(fd, POLLIN);
    if (!tell_before(&told))
        return tell_after(&told, -1);
    if (told.reply.flags & WIRE_RESETS)
        return tell_after(&told, reset(fd));
    socklen_t room = header->msg_namelen;
    cut_begin(fd, &told.reply);
    struct cut *cut = header->msg_iovlen > 0 && !(flags & MSG_PEEK) ? cut_find(fd) : NULL;
    long got = cut ? cut_read(cut, header->msg_iov[0].iov_base, header->msg_iov[0].iov_len)
                   : syscall(SYS_recvmsg, fd, header, flags);
    if (got > 0)
        turn_receive(fd);
    if (got >= 0 && header->msg_name)
        address_in(header->msg_name, header->msg_namelen < room ? header->msg_namelen : room);
    return tell_after(&told, got);
}

ssize_t recvfrom(int fd, void *to, size_t size, int flags, struct sockaddr *address,
                 socklen_t *address_size)
{
    struct iovec part = {to, size};
    struct msghdr header = {.msg_name = address,
                            .msg_namelen = address ? *address_size : 0,
                            .msg_iov = &part,
                            .msg_iovlen = 1};
    ssize_t got = recvmsg(fd, &header, flags);
    if (got >= 0 && address)
        *address_size = header.msg_namelen;
    return got;
}

ssize_t recv(int fd, void *to, size_t size, int flags)
{
    return recvfrom(fd, to, size, flags, NULL, NULL);
}

ssize_t __recv_chk(int fd, void *to, size_t size, size_t room, int flags);
ssize_t __recv_chk(int fd, void *to, size_t size, size_t room, int flags)
{
    (void) room;
    return recv(fd, to, size, flags);
}

ssize_t __recvfrom_chk(int fd, void *to, size_t size, size_t room, int flags,
                       struct sockaddr *address, socklen_t *address_size);
ssize_t __recvfrom_chk(int fd, void *to, size_t size, size_t room, int flags,
                       struct sockaddr *address, socklen_t *address_size)
{
    (void) room;
    return recvfrom(fd, to, size, flags, address, address_size);
}
