/* SPDX-License-Identifier: ISC */
/* Bytes and descriptors in flight between AF_UNIX sockets. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "sim/kernel/must.h"
#include "sim/kernel/socket_unix.h"

#define CHUNK ((size_t) 32768)      /* a stream's bytes are queued in pieces of at most this */
#define OVERHEAD ((size_t) 512)     /* what a queued piece counts besides its bytes */
#define SMALL_PIECE ((size_t) 1024) /* pieces of this size are pooled */

/* Bytes in flight, with the descriptors that travel with their first byte. */
struct piece {
    struct piece *next;
    size_t size, taken, charge, room;
    struct file **files; /* malloc'd, references */
    unsigned file_count;
    char data[];
};

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

void unix_drop_received(struct unix_socket *socket)
{
    while (socket->first)
        dequeue(socket);
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

ssize_t unix_send(struct file *file, struct socket_message *message)
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

ssize_t unix_receive(struct file *file, struct socket_message *message)
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
