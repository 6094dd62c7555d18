/* SPDX-License-Identifier: ISC */
/* Calls on sockets, whatever their family. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>

#include "sim/kernel/call.h"
#include "sim/kernel/calls.h"
#include "sim/kernel/socket.h"

struct file *socket_file_of(int fd, int *error)
{
    struct file *file = descriptor_file(fd);
    *error = !file ? -EBADF : -ENOTSOCK;
    return file && file->operations->socket ? file : NULL;
}

/* --- making ------------------------------------------------------------------------------------*/

#define TYPE_FLAGS (SOCK_NONBLOCK | SOCK_CLOEXEC)

/* The families there are. */
static struct file *create(int domain, int type, int protocol, int *error)
{
    int flags = type & SOCK_NONBLOCK ? O_NONBLOCK : 0;
    switch (domain) {
    case AF_UNIX:
        return socket_unix_create(running->kernel, type & ~TYPE_FLAGS, protocol, flags, error);
    case AF_INET:
    case AF_INET6:
        return socket_inet_create(running->host, domain, type & ~TYPE_FLAGS, protocol, flags,
                                  error);
    default:
        *error = EAFNOSUPPORT;
        return NULL;
    }
}

int sim_socket(int domain, int type, int protocol)
{
    struct call call = CALL(socket, .argument = {domain, type, protocol});
    if (call_enter(&call)) {
        int error;
        struct file *file = create(domain, type, protocol, &error);
        call.result = file ? descriptor_add(running, file, 0, type & SOCK_CLOEXEC) : -error;
    }
    return (int) call_leave(&call);
}

static int create_pair(int domain, int type, int protocol, int fds[2])
{
    struct file *files[2];
    int found[2];
    bool close_on_exec = type & SOCK_CLOEXEC;
    if (domain != AF_UNIX)
        return domain == AF_INET || domain == AF_INET6 ? -EOPNOTSUPP : -EAFNOSUPPORT;
    int result = socket_unix_pair(running->kernel, type & ~TYPE_FLAGS, protocol,
                                  type & SOCK_NONBLOCK ? O_NONBLOCK : 0, files);
    if (result < 0)
        return result;
    found[0] = descriptor_add(running, files[0], 0, close_on_exec);
    if (found[0] < 0) {
        file_unref(files[1]);
        return found[0];
    }
    found[1] = descriptor_add(running, files[1], 0, close_on_exec);
    if (found[1] < 0) {
        descriptor_close(running, found[0]);
        return found[1];
    }
    memcpy(fds, found, sizeof found);
    return 0;
}

int sim_socketpair(int domain, int type, int protocol, int fds[2])
{
    struct call call = CALL(socketpair, .argument = {type});
    if (call_enter(&call)) {
        call.result = create_pair(domain, type, protocol, fds);
        if (call.result == 0) {
            call.argument[1] = fds[0];
            call.argument[2] = fds[1];
        }
    }
    return (int) call_leave(&call);
}

/* --- addresses ---------------------------------------------------------------------------------*/

/* Copies what counts of an AF_INET or AF_INET6 address. */
static socklen_t decode(const struct sockaddr *address, socklen_t size, struct sockaddr_storage *to)
{
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    if (address->sa_family == AF_INET && size >= sizeof v4) {
        v4.sin_port = ((const struct sockaddr_in *) (const void *) address)->sin_port;
        v4.sin_addr = ((const struct sockaddr_in *) (const void *) address)->sin_addr;
        memcpy(to, &v4, sizeof v4);
        return sizeof v4;
    }
    if (address->sa_family == AF_INET6 && size >= offsetof(struct sockaddr_in6, sin6_scope_id)) {
        v6.sin6_port = ((const struct sockaddr_in6 *) (const void *) address)->sin6_port;
        v6.sin6_addr = ((const struct sockaddr_in6 *) (const void *) address)->sin6_addr;
        memcpy(to, &v6, sizeof v6);
        return sizeof v6;
    }
    return 0;
}

void call_note_address(struct call *call, const struct sockaddr *address, socklen_t size,
                       struct noted_address *noted)
{
    if (!address || size < sizeof(sa_family_t) || size > sizeof(struct sockaddr_storage))
        return;
    size_t head = offsetof(struct sockaddr_un, sun_path);
    if (address->sa_family != AF_UNIX) {
        call->address_size = decode(address, size, &noted->storage);
        if (call->address_size)
            call->address = (const struct sockaddr *) &noted->storage;
        return;
    }
    size_t length = size > head && size <= sizeof(struct sockaddr_un) ? size - head : 0;
    memcpy(noted->path, (const char *) address + head, length);
    noted->path[length] = 0;
    call->path = noted->path;
}

int sim_bind(int fd, const struct sockaddr *address, socklen_t size)
{
    struct noted_address noted;
    struct call call = CALL(bind);
    call.fd = fd;
    call_note_address(&call, address, size, &noted);
    if (call_enter(&call)) {
        int error;
        struct file *file = socket_file_of(fd, &error);
        call.result = file ? file->operations->socket->bind(file, address, size) : error;
    }
    return (int) call_leave(&call);
}

int sim_listen(int fd, int backlog)
{
    struct call call = CALL(listen, .argument = {backlog});
    call.fd = fd;
    if (call_enter(&call)) {
        int error;
        struct file *file = socket_file_of(fd, &error);
        call.result = file ? file->operations->socket->listen(file, backlog) : error;
    }
    return (int) call_leave(&call);
}

int sim_connect(int fd, const struct sockaddr *address, socklen_t size)
{
    struct noted_address noted;
    struct call call = CALL(connect);
    call.fd = fd;
    call_note_address(&call, address, size, &noted);
    if (call_enter(&call)) {
        int error;
        struct file *file = socket_file_of(fd, &error);
        call.result = file ? file->operations->socket->connect(file, address, size) : error;
    }
    return (int) call_leave(&call);
}

static void give_name(const struct sockaddr_storage *name, socklen_t length,
                      struct sockaddr *address, socklen_t *size)
{
    memcpy(address, name, *size < length ? *size : length);
    *size = length;
}

static int tell_name(struct file *file, bool peer, struct sockaddr *address, socklen_t *size,
                     struct call *call, struct noted_address *noted)
{
    struct sockaddr_storage name;
    socklen_t length;
    int result = file->operations->socket->name(file, peer, &name, &length);
    if (result < 0)
        return result;
    if (name.ss_family != AF_UNIX)
        call_note_address(call, (struct sockaddr *) &name, length, noted);
    if (address && size)
        give_name(&name, length, address, size);
    return 0;
}

static int accept_one(int fd, struct sockaddr *address, socklen_t *size, int flags,
                      struct call *call, struct noted_address *noted)
{
    int error;
    struct file *listener = socket_file_of(fd, &error);
    if (!listener)
        return error;
    if (flags & ~TYPE_FLAGS)
        return -EINVAL;
    if (!descriptor_fits(running))
        return -EMFILE;
    struct file *file = listener->operations->socket->accept(
        listener, flags & SOCK_NONBLOCK ? O_NONBLOCK : 0, &error);
    if (!file)
        return -error;
    tell_name(file, true, address, size, call, noted);
    return descriptor_add(running, file, 0, flags & SOCK_CLOEXEC);
}

int sim_accept4(int fd, struct sockaddr *address, socklen_t *size, int flags)
{
    struct noted_address noted;
    struct call call = CALL(accept, .argument = {flags});
    call.fd = fd;
    if (call_enter(&call))
        call.result = accept_one(fd, address, size, flags, &call, &noted);
    return (int) call_leave(&call);
}

int sim_accept(int fd, struct sockaddr *address, socklen_t *size)
{
    return sim_accept4(fd, address, size, 0);
}

static int name_of(int fd, bool peer, struct sockaddr *address, socklen_t *size)
{
    struct noted_address noted;
    struct call call = CALL(getsockname, .argument = {peer});
    call.fd = fd;
    if (call_enter(&call)) {
        int error;
        struct file *file = socket_file_of(fd, &error);
        call.result = file ? tell_name(file, peer, address, size, &call, &noted) : error;
    }
    return (int) call_leave(&call);
}

int sim_getsockname(int fd, struct sockaddr *address, socklen_t *size)
{
    return name_of(fd, false, address, size);
}

int sim_getpeername(int fd, struct sockaddr *address, socklen_t *size)
{
    return name_of(fd, true, address, size);
}

/* --- options -----------------------------------------------------------------------------------*/

int sim_getsockopt(int fd, int level, int name, void *value, socklen_t *size)
{
    struct call call = CALL(getsockopt, .argument = {level, name});
    call.fd = fd;
    if (call_enter(&call)) {
        int error;
        struct file *file = socket_file_of(fd, &error);
        call.result =
            file ? file->operations->socket->get_option(file, level, name, value, size) : error;
    }
    return (int) call_leave(&call);
}

int sim_setsockopt(int fd, int level, int name, const void *value, socklen_t size)
{
    struct call call = CALL(setsockopt, .argument = {level, name});
    call.fd = fd;
    if (call_enter(&call)) {
        int error;
        struct file *file = socket_file_of(fd, &error);
        call.result =
            file ? file->operations->socket->set_option(file, level, name, value, size) : error;
    }
    return (int) call_leave(&call);
}

int sim_shutdown(int fd, int how)
{
    struct call call = CALL(shutdown, .argument = {how});
    call.fd = fd;
    if (call_enter(&call)) {
        int error;
        struct file *file = socket_file_of(fd, &error);
        call.result = file ? file->operations->socket->shutdown(file, how) : error;
    }
    return (int) call_leave(&call);
}
