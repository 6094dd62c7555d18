/* SPDX-License-Identifier: ISC */
/*
 * AF_UNIX sockets, stream and seqpacket (unix(7)): bound to paths, with passed descriptors and
 * the peer's credentials.  No datagrams, no abstract names.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "sim/kernel/must.h"
#include "sim/kernel/socket_unix.h"

#define BACKLOG_MAX 4096 /* net.core.somaxconn */

static const struct file_operations unix_operations;

/* --- life --------------------------------------------------------------------------------------*/

static struct unix_socket *socket_create(struct kernel *kernel, int type)
{
    struct unix_socket *socket = must(calloc(1, sizeof *socket));
    socket->kernel = kernel;
    socket->type = type;
    socket->self.pid = running->pid;
    socket->self.uid = running->cred.uid;
    socket->self.gid = running->cred.gid;
    return socket;
}

static struct file *socket_file(struct unix_socket *socket, int flags)
{
    struct file *file =
        file_create(socket->kernel, &unix_operations, O_RDWR | (flags & O_NONBLOCK));
    file->object = socket;
    socket->file = file;
    return file;
}

static void join(struct unix_socket *a, struct unix_socket *b)
{
    a->peer = b;
    b->peer = a;
    a->state = b->state = UNIX_CONNECTED;
}

static void close_socket(struct unix_socket *socket);

static void refuse_pending(struct unix_socket *listener)
{
    while (listener->first_pending) {
        struct unix_socket *socket = listener->first_pending;
        listener->first_pending = socket->next_pending;
        if (socket->peer)
            socket->peer->error = ECONNRESET;
        close_socket(socket);
    }
    listener->last_pending = NULL;
    listener->pending = 0;
}

static void close_socket(struct unix_socket *socket)
{
    struct unix_socket *peer = socket->peer;
    if (socket->state == UNIX_LISTENING)
        refuse_pending(socket);
    if (peer) {
        if (socket->first)
            peer->error = ECONNRESET; /* it will never know whether that was read */
        peer->shut_read = peer->shut_write = true;
        peer->peer = NULL;
        wait_wake(&peer->queue);
    }
    socket->peer = NULL;
    unix_drop_received(socket);
    if (socket->inode) {
        inode_set_endpoint(socket->inode, NULL);
        inode_unref(socket->inode);
    }
    wait_drain(&socket->queue);
    free(socket);
}

static void unix_release(struct file *file)
{
    close_socket(socket_of(file));
}

/* --- addresses ---------------------------------------------------------------------------------*/

static int read_path(const struct sockaddr *address, socklen_t size,
                     char path[sizeof((struct sockaddr_un *) 0)->sun_path + 1])
{
    const struct sockaddr_un *un = (const struct sockaddr_un *) (const void *) address;
    size_t head = offsetof(struct sockaddr_un, sun_path);
    if (size < sizeof(sa_family_t) || size > sizeof *un || un->sun_family != AF_UNIX)
        return -EINVAL;
    size_t length = size > head ? strnlen(un->sun_path, size - head) : 0;
    if (length == 0)
        return -EINVAL; /* neither autobind nor abstract names */
    memcpy(path, un->sun_path, length);
    path[length] = 0;
    return 0;
}

static int unix_bind(struct file *file, const struct sockaddr *address, socklen_t size)
{
    struct unix_socket *socket = socket_of(file);
    char path[sizeof socket->path];
    int result = read_path(address, size, path);
    if (result < 0)
        return result;
    if (socket->inode)
        return -EINVAL;
    struct process *process = running;
    result = vfs_mknod(process->host->vfs, &process->cred, process->directory, path,
                       S_IFSOCK | (0777 & ~process->umask), &socket->inode);
    if (result < 0) {
        socket->inode = NULL;
        return result == -EEXIST ? -EADDRINUSE : result;
    }
    inode_set_endpoint(socket->inode, socket);
    memcpy(socket->path, path, sizeof path);
    return 0;
}

static int unix_listen(struct file *file, int backlog)
{
    struct unix_socket *socket = socket_of(file);
    if (!socket->inode || (socket->state != UNIX_NEW && socket->state != UNIX_LISTENING))
        return -EINVAL;
    socket->backlog = backlog < 0 || backlog > BACKLOG_MAX ? BACKLOG_MAX : (unsigned) backlog;
    socket->state = UNIX_LISTENING;
    socket->self.pid = running->pid;
    socket->self.uid = running->cred.uid;
    socket->self.gid = running->cred.gid;
    return 0;
}

/* The listener at a path; the inode keeps it only as long as nothing waits. */
static int find_listener(const char *path, int type, struct unix_socket **listener)
{
    struct process *process = running;
    struct inode *inode;
    int result =
        vfs_lookup(process->host->vfs, &process->cred, process->directory, path, true, &inode);
    if (result < 0)
        return result;
    struct unix_socket *found = S_ISSOCK(inode_mode(inode)) ? inode_endpoint(inode) : NULL;
    if (!inode_permits(inode, &process->cred, 2))
        result = -EACCES;
    else if (!found)
        result = -ECONNREFUSED;
    else if (found->type != type)
        result = -EPROTOTYPE;
    else if (found->state != UNIX_LISTENING)
        result = -ECONNREFUSED;
    inode_unref(inode);
    *listener = found;
    return result;
}

static void add_pending(struct unix_socket *listener, struct unix_socket *socket)
{
    if (listener->last_pending)
        listener->last_pending->next_pending = socket;
    else
        listener->first_pending = socket;
    listener->last_pending = socket;
    listener->pending++;
    wait_wake(&listener->queue);
}

static int unix_connect(struct file *file, const struct sockaddr *address, socklen_t size)
{
    struct unix_socket *socket = socket_of(file), *listener;
    char path[sizeof socket->path];
    int result = read_path(address, size, path);
    if (result < 0)
        return result;
    for (;;) {
        result = find_listener(path, socket->type, &listener);
        if (result < 0)
            return result;
        if (listener->pending <= listener->backlog)
            break;
        if (file->flags & O_NONBLOCK)
            return -EAGAIN;
        wait_on(&listener->queue, FOREVER);
    }
    if (socket->state == UNIX_CONNECTED)
        return -EISCONN;
    if (socket->state == UNIX_LISTENING)
        return -EINVAL;
    struct unix_socket *server = socket_create(socket->kernel, socket->type);
    socket->self = server->self; /* as of now */
    server->self = listener->self;
    server->other = socket->self;
    socket->other = listener->self;
    memcpy(server->path, listener->path, sizeof server->path);
    memcpy(server->peer_path, socket->path, sizeof server->peer_path);
    memcpy(socket->peer_path, listener->path, sizeof socket->peer_path);
    join(socket, server);
    add_pending(listener, server);
    return 0;
}

static struct file *unix_accept(struct file *file, int flags, int *error)
{
    struct unix_socket *listener = socket_of(file);
    if (listener->state != UNIX_LISTENING) {
        *error = EINVAL;
        return NULL;
    }
    while (!listener->first_pending) {
        if (file->flags & O_NONBLOCK) {
            *error = EAGAIN;
            return NULL;
        }
        wait_on(&listener->queue, FOREVER);
    }
    struct unix_socket *socket = listener->first_pending;
    listener->first_pending = socket->next_pending;
    if (!listener->first_pending)
        listener->last_pending = NULL;
    socket->next_pending = NULL;
    listener->pending--;
    wait_wake(&listener->queue); /* those whom the full backlog held up */
    return socket_file(socket, flags);
}

static int unix_name(struct file *file, bool peer, struct sockaddr_storage *address,
                     socklen_t *size)
{
    struct unix_socket *socket = socket_of(file);
    struct sockaddr_un un;
    if (peer && !socket->peer)
        return -ENOTCONN;
    const char *path = peer ? socket->peer_path : socket->path;
    size_t length = strlen(path);
    memset(&un, 0, sizeof un);
    un.sun_family = AF_UNIX;
    memcpy(un.sun_path, path, length);
    memcpy(address, &un, sizeof un);
    *size = (socklen_t) (offsetof(struct sockaddr_un, sun_path) + (length ? length + 1 : 0));
    return 0;
}

/* --- reading and writing -----------------------------------------------------------------------*/

static ssize_t unix_read(struct file *file, void *to, size_t size)
{
    struct socket_message message;
    message.data = to;
    message.size = size;
    message.flags = message.out_flags = 0;
    message.file_count = 0;
    message.address = NULL;
    message.from_size = 0;
    ssize_t result = unix_receive(file, &message);
    for (unsigned i = 0; i < message.file_count; i++)
        file_unref(message.files[i]); /* read(2) has no place for them */
    return result;
}

static ssize_t unix_write(struct file *file, const void *from, size_t size)
{
    struct socket_message message;
    message.data = (char *) (uintptr_t) from;
    message.size = size;
    message.flags = 0;
    message.file_count = 0;
    message.address = NULL;
    return unix_send(file, &message);
}

/* --- the rest ----------------------------------------------------------------------------------*/

static int unix_shutdown(struct file *file, int how)
{
    struct unix_socket *socket = socket_of(file);
    if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR)
        return -EINVAL;
    /* Linux shuts down an unconnected Unix socket too. */
    struct unix_socket *peer = socket->state == UNIX_CONNECTED ? socket->peer : NULL;
    if (how != SHUT_WR) {
        socket->shut_read = true;
        if (peer)
            peer->shut_write = true;
    }
    if (how != SHUT_RD) {
        socket->shut_write = true;
        if (peer)
            peer->shut_read = true;
    }
    wait_wake(&socket->queue);
    if (peer)
        wait_wake(&peer->queue);
    return 0;
}

static short unix_ready(struct file *file, struct process *process)
{
    (void) process;
    const struct unix_socket *socket = socket_of(file);
    short ready = 0;
    if (socket->state == UNIX_LISTENING)
        return socket->first_pending ? POLLIN : 0;
    if (socket->state == UNIX_NEW)
        return POLLOUT | POLLHUP;
    if (socket->error)
        ready |= POLLERR;
    if (socket->first || socket->shut_read)
        ready |= POLLIN;
    if (socket->shut_read)
        ready |= POLLRDHUP;
    if (socket->shut_read && socket->shut_write)
        ready |= POLLHUP;
    if (socket->charged * 4 <= SEND_BUFFER)
        ready |= POLLOUT;
    return ready;
}

static struct wait_queue *unix_queue(struct file *file, struct process *process)
{
    (void) process;
    return &socket_of(file)->queue;
}

static void unix_stat(struct file *file, struct stat *stat)
{
    (void) file;
    memset(stat, 0, sizeof *stat);
    stat->st_mode = S_IFSOCK | 0777;
    stat->st_nlink = 1;
    stat->st_blksize = 4096;
}

static int give_number(int number, void *value, socklen_t *size)
{
    if (*size > sizeof number)
        *size = sizeof number;
    memcpy(value, &number, *size);
    return 0;
}

static int unix_get_option(struct file *file, int level, int name, void *value, socklen_t *size)
{
    struct unix_socket *socket = socket_of(file);
    int error = socket->error;
    if (level != SOL_SOCKET)
        return -EOPNOTSUPP;
    switch (name) {
    case SO_PEERCRED:
        if (*size > sizeof socket->other)
            *size = sizeof socket->other;
        memcpy(value, &socket->other, *size);
        return 0;
    case SO_TYPE:
        return give_number(socket->type, value, size);
    case SO_ERROR:
        socket->error = 0;
        return give_number(error, value, size);
    case SO_ACCEPTCONN:
        return give_number(socket->state == UNIX_LISTENING, value, size);
    case SO_DOMAIN:
        return give_number(AF_UNIX, value, size);
    case SO_SNDBUF:
    case SO_RCVBUF:
        return give_number((int) SEND_BUFFER, value, size);
    default:
        return -ENOPROTOOPT;
    }
}

static int unix_set_option(struct file *file, int level, int name, const void *value,
                           socklen_t size)
{
    (void) file;
    (void) value;
    if (level != SOL_SOCKET)
        return -EOPNOTSUPP;
    if (size < sizeof(int))
        return -EINVAL;
    switch (name) { /* accepted, without effect here */
    case SO_SNDBUF:
    case SO_RCVBUF:
    case SO_REUSEADDR:
    case SO_KEEPALIVE:
    case SO_BROADCAST:
        return 0;
    default:
        return -ENOPROTOOPT;
    }
}

static const struct socket_operations unix_socket_operations = {
    .bind = unix_bind,
    .listen = unix_listen,
    .connect = unix_connect,
    .accept = unix_accept,
    .send = unix_send,
    .receive = unix_receive,
    .shutdown = unix_shutdown,
    .name = unix_name,
    .get_option = unix_get_option,
    .set_option = unix_set_option,
};

static const struct file_operations unix_operations = {
    .read = unix_read,
    .write = unix_write,
    .ready = unix_ready,
    .queue = unix_queue,
    .stat = unix_stat,
    .release = unix_release,
    .socket = &unix_socket_operations,
};

static int check_type(int type, int protocol)
{
    if (type < 0 || type >= 11) /* Linux's SOCK_MAX */
        return -EINVAL;
    if (protocol != 0 && protocol != PF_UNIX)
        return -EPROTONOSUPPORT;
    return type == SOCK_STREAM || type == SOCK_SEQPACKET ? 0 : -ESOCKTNOSUPPORT;
}

struct file *socket_unix_create(struct kernel *kernel, int type, int protocol, int flags,
                                int *error)
{
    int result = check_type(type, protocol);
    if (result < 0) {
        *error = -result;
        return NULL;
    }
    return socket_file(socket_create(kernel, type), flags);
}

int socket_unix_pair(struct kernel *kernel, int type, int protocol, int flags,
                     struct file *files[2])
{
    int result = check_type(type, protocol);
    if (result < 0)
        return result;
    struct unix_socket *a = socket_create(kernel, type), *b = socket_create(kernel, type);
    a->other = b->self;
    b->other = a->self;
    join(a, b);
    files[0] = socket_file(a, flags);
    files[1] = socket_file(b, flags);
    return 0;
}
