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
#include <sys/un.h>

#include "sim/kernel/internal.h"
#include "sim/kernel/must.h"
#include "sim/kernel/socket.h"

#define SEND_BUFFER ((size_t) 212992) /* net.core.wmem_default */
#define CHUNK ((size_t) 32768)        /* a stream's bytes are queued in pieces of at most this */
#define OVERHEAD ((size_t) 512)       /* what a queued piece counts besides its bytes */
#define BACKLOG_MAX 4096              /* net.core.somaxconn */
#define SMALL_PIECE ((size_t) 1024)   /* pieces of this size are pooled */

/* Bytes in flight, with the descriptors that travel with their first byte. */
struct piece {
    struct piece *next;
    size_t size, taken, charge, room;
    struct file **files; /* malloc'd, references */
    unsigned file_count;
    char data[];
};

enum unix_state { UNIX_NEW, UNIX_LISTENING, UNIX_CONNECTED, UNIX_CLOSED };

struct unix_socket {
    struct kernel *kernel;
    int type;
    enum unix_state state;
    struct file *file; /* NULL in a backlog */
    struct unix_socket *peer;
    bool shut_read, shut_write;
    int error; /* told once */
    struct piece *first, *last;
    size_t charged; /* by what this socket has sent and the peer has not read */
    struct ucred self, other;
    struct wait_queue queue;
    struct inode *inode; /* the node it is bound to, a reference */
    char path[sizeof((struct sockaddr_un *) 0)->sun_path + 1];
    char peer_path[sizeof((struct sockaddr_un *) 0)->sun_path + 1];
    /* listening */
    unsigned backlog, pending;
    struct unix_socket *first_pending, *last_pending, *next_pending;
};

static const struct file_operations unix_operations;

static struct unix_socket *socket_of(struct file *file)
{
    return file->object;
}

/* --- pieces ------------------------------------------------------------------------------------*/

static struct piece *piece_take(struct kernel *kernel, size_t size)
{
    size_t room = size <= SMALL_PIECE ? SMALL_PIECE : size;
    struct piece *piece = kernel->free_pieces;
    if (room == SMALL_PIECE && piece)
        kernel->free_pieces = piece->next;
    else
        piece = must(malloc(sizeof *piece + room));
    memset(piece, 0, sizeof *piece);
    piece->size = size;
    piece->room = room;
    piece->charge = size + OVERHEAD;
    return piece;
}

static void drop_files(struct piece *piece)
{
    for (unsigned i = 0; i < piece->file_count; i++)
        file_unref(piece->files[i]);
    free(piece->files);
    piece->files = NULL;
    piece->file_count = 0;
}

static void piece_give(struct kernel *kernel, struct piece *piece)
{
    drop_files(piece);
    if (piece->room != SMALL_PIECE) {
        free(piece);
        return;
    }
    piece->next = kernel->free_pieces;
    kernel->free_pieces = piece;
}

void socket_free_pool(struct kernel *kernel)
{
    while (kernel->free_pieces) {
        struct piece *piece = kernel->free_pieces;
        kernel->free_pieces = piece->next;
        free(piece);
    }
}

static void enqueue(struct unix_socket *from, struct unix_socket *to, struct piece *piece)
{
    if (to->last)
        to->last->next = piece;
    else
        to->first = piece;
    to->last = piece;
    from->charged += piece->charge;
    wait_wake(&to->queue);
}

/* Takes the first piece off the queue and frees it. */
static void dequeue(struct unix_socket *socket)
{
    struct piece *piece = socket->first;
    socket->first = piece->next;
    if (!socket->first)
        socket->last = NULL;
    if (socket->peer) {
        socket->peer->charged -= piece->charge;
        wait_wake(&socket->peer->queue);
    }
    piece_give(socket->kernel, piece);
}

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
    while (socket->first)
        dequeue(socket);
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

/* --- sending -----------------------------------------------------------------------------------*/

static void attach_files(struct piece *piece, const struct socket_message *message)
{
    if (!message->file_count)
        return;
    piece->files = must(malloc(message->file_count * sizeof(struct file *)));
    for (unsigned i = 0; i < message->file_count; i++) {
        file_ref(message->files[i]);
        piece->files[i] = message->files[i];
    }
    piece->file_count = message->file_count;
}

static ssize_t broken(const struct unix_socket *socket, const struct socket_message *message)
{
    if (socket->type == SOCK_STREAM && !(message->flags & MSG_NOSIGNAL))
        signal_send(running, SIGPIPE, &(struct signal_info){.code = SI_KERNEL});
    return -EPIPE;
}

static bool can_wait(const struct file *file, const struct socket_message *message)
{
    return !(file->flags & O_NONBLOCK) && !(message->flags & MSG_DONTWAIT);
}

static bool is_broken(const struct unix_socket *socket)
{
    return socket->shut_write || !socket->peer || socket->peer->shut_read;
}

static bool has_room(const struct unix_socket *socket)
{
    return socket->charged < SEND_BUFFER;
}

static void send_piece(struct unix_socket *socket, const struct socket_message *message,
                       size_t from, size_t size)
{
    struct piece *piece = piece_take(socket->kernel, size);
    memcpy(piece->data, message->data + from, size);
    if (from == 0)
        attach_files(piece, message);
    enqueue(socket, socket->peer, piece);
}

static ssize_t send_stream(struct file *file, struct socket_message *message)
{
    struct unix_socket *socket = socket_of(file);
    size_t done = 0;
    while (done < message->size) {
        if (is_broken(socket))
            return done > 0 ? (ssize_t) done : broken(socket, message);
        if (has_room(socket)) {
            size_t part = message->size - done < CHUNK ? message->size - done : CHUNK;
            send_piece(socket, message, done, part);
            done += part;
        } else if (!can_wait(file, message)) {
            return done > 0 ? (ssize_t) done : -EAGAIN;
        } else {
            wait_on(&socket->queue, FOREVER);
        }
    }
    return (ssize_t) done;
}

static ssize_t send_packet(struct file *file, struct socket_message *message)
{
    struct unix_socket *socket = socket_of(file);
    if (message->size > SEND_BUFFER - 32)
        return -EMSGSIZE;
    for (;;) {
        if (is_broken(socket))
            return broken(socket, message);
        if (has_room(socket))
            break;
        if (!can_wait(file, message))
            return -EAGAIN;
        wait_on(&socket->queue, FOREVER);
    }
    send_piece(socket, message, 0, message->size);
    return (ssize_t) message->size;
}

static ssize_t unix_send(struct file *file, struct socket_message *message)
{
    struct unix_socket *socket = socket_of(file);
    bool connected = socket->state == UNIX_CONNECTED;
    if (message->address && socket->type == SOCK_STREAM)
        return connected ? -EISCONN : -EOPNOTSUPP;
    if (socket->error && socket->type == SOCK_SEQPACKET) {
        int error = socket->error;
        socket->error = 0;
        return -error;
    }
    if (!connected)
        return -ENOTCONN;
    if (socket->type == SOCK_STREAM)
        message->size = call_transfer_size(message->size);
    return socket->type == SOCK_STREAM ? send_stream(file, message) : send_packet(file, message);
}

/* --- receiving ---------------------------------------------------------------------------------*/

/* Waits until there is a piece: 1; 0 at the end; -errno. */
static int wait_for_piece(struct file *file, const struct socket_message *message)
{
    struct unix_socket *socket = socket_of(file);
    while (!socket->first) {
        if (socket->error) {
            int error = socket->error;
            socket->error = 0;
            return -error;
        }
        if (socket->shut_read)
            return 0;
        if (!can_wait(file, message))
            return -EAGAIN;
        wait_on(&socket->queue, FOREVER);
    }
    return 1;
}

/* Gives the piece's files to the message; peeking makes more references. */
static void hand_files(struct piece *piece, struct socket_message *message, bool peek)
{
    for (unsigned i = 0; i < piece->file_count; i++) {
        if (peek)
            file_ref(piece->files[i]);
        message->files[message->file_count++] = piece->files[i];
    }
    if (!peek) {
        free(piece->files);
        piece->files = NULL;
        piece->file_count = 0;
    }
}

/* Bytes of several pieces are joined, but never over passed descriptors. */
static ssize_t receive_stream(struct unix_socket *socket, struct socket_message *message)
{
    bool peek = message->flags & MSG_PEEK;
    size_t done = 0;
    struct piece *piece = socket->first;
    while (piece && done < message->size) {
        struct piece *next = piece->next;
        if (done > 0 && piece->file_count)
            break;
        size_t part = piece->size - piece->taken;
        if (part > message->size - done)
            part = message->size - done;
        memcpy(message->data + done, piece->data + piece->taken, part);
        done += part;
        bool had_files = piece->file_count > 0;
        hand_files(piece, message, peek);
        if (!peek) {
            piece->taken += part;
            if (piece->taken == piece->size)
                dequeue(socket);
        }
        if (had_files)
            break;
        piece = next;
    }
    return (ssize_t) done;
}

static ssize_t receive_packet(struct unix_socket *socket, struct socket_message *message)
{
    bool peek = message->flags & MSG_PEEK;
    struct piece *piece = socket->first;
    size_t size = piece->size < message->size ? piece->size : message->size;
    size_t whole = piece->size;
    memcpy(message->data, piece->data, size);
    if (size < whole)
        message->out_flags |= MSG_TRUNC;
    message->out_flags |= MSG_EOR;
    hand_files(piece, message, peek);
    if (!peek)
        dequeue(socket);
    return (ssize_t) (message->flags & MSG_TRUNC ? whole : size);
}

static ssize_t unix_receive(struct file *file, struct socket_message *message)
{
    struct unix_socket *socket = socket_of(file);
    if (socket->state != UNIX_CONNECTED)
        return socket->type == SOCK_STREAM ? -EINVAL : -ENOTCONN;
    if (socket->type == SOCK_STREAM && message->size == 0)
        return 0;
    if (socket->type == SOCK_STREAM)
        message->size = call_transfer_size(message->size);
    int result = wait_for_piece(file, message);
    if (result <= 0)
        return result;
    return socket->type == SOCK_STREAM ? receive_stream(socket, message)
                                       : receive_packet(socket, message);
}

static ssize_t unix_read(struct file *file, void *to, size_t size)
{
    struct socket_message message;
    message.data = to;
    message.size = size;
    message.flags = message.out_flags = 0;
    message.file_count = 0;
    message.address = NULL;
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
