/* SPDX-License-Identifier: ISC */
/* What socket_unix.c (life, names, options) and socket_unix_data.c (bytes and descriptors in
 * flight) share. */
#ifndef SIM_KERNEL_SOCKET_UNIX_H
#define SIM_KERNEL_SOCKET_UNIX_H

#include <sys/un.h>

#include "sim/kernel/internal.h"
#include "sim/kernel/socket.h"

#define SEND_BUFFER ((size_t) 212992) /* net.core.wmem_default */

struct piece; /* bytes in flight */

enum unix_state { UNIX_NEW, UNIX_LISTENING, UNIX_CONNECTED };

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

static inline struct unix_socket *socket_of(struct file *file)
{
    return file->object;
}

/* Drops all that has come and was not read. */
void unix_drop_received(struct unix_socket *socket);

ssize_t unix_send(struct file *file, struct socket_message *message);
ssize_t unix_receive(struct file *file, struct socket_message *message);

#endif
