/* SPDX-License-Identifier: ISC */
/*
 * What the socket calls need of a kind of socket.  AF_UNIX is in socket_unix.c, TCP and UDP are
 * in socket_inet.c, tcp*.c and udp.c; another family is another table of the same operations, and
 * a line in `create` of calls_socket.c.
 *
 * Addresses are as the caller gives them; results are counts or 0, or -errno.  Functions that
 * wait honour O_NONBLOCK of the file.
 */
#ifndef SIM_KERNEL_SOCKET_H
#define SIM_KERNEL_SOCKET_H

#include <sys/socket.h>

#include "sim/kernel/file.h"

#define SOCKET_FILES_MAX 253 /* SCM_MAX_FD */

/* What goes with the bytes of one sendmsg or recvmsg. */
struct socket_message {
    char *data; /* one piece */
    size_t size;
    int flags; /* MSG_DONTWAIT, MSG_NOSIGNAL, MSG_PEEK */
    /* sendmsg: descriptors to pass, references are added; recvmsg: what came, references are
     * given to the caller. */
    struct file *files[SOCKET_FILES_MAX];
    unsigned file_count;
    const struct sockaddr *address; /* sendmsg: NULL or the destination */
    socklen_t address_size;
    struct sockaddr_storage from; /* recvmsg: the sender, if from_size is not 0 */
    socklen_t from_size;
    int out_flags; /* recvmsg: MSG_TRUNC, MSG_EOR */
};

struct socket_operations {
    int (*bind)(struct file *file, const struct sockaddr *address, socklen_t size);
    int (*listen)(struct file *file, int backlog);
    int (*connect)(struct file *file, const struct sockaddr *address, socklen_t size);
    /* A new file with `flags` (O_NONBLOCK), or NULL with *error. */
    struct file *(*accept)(struct file *file, int flags, int *error);
    ssize_t (*send)(struct file *file, struct socket_message *message);
    ssize_t (*receive)(struct file *file, struct socket_message *message);
    int (*shutdown)(struct file *file, int how);
    /* The own address or (peer) the other's; -ENOTCONN. */
    int (*name)(struct file *file, bool peer, struct sockaddr_storage *address, socklen_t *size);
    int (*get_option)(struct file *file, int level, int name, void *value, socklen_t *size);
    int (*set_option)(struct file *file, int level, int name, const void *value, socklen_t size);
};

/* The socket of a descriptor; NULL with *error: -EBADF, -ENOTSOCK. */
struct file *socket_file_of(int fd, int *error);

/* A new AF_UNIX socket, NULL with *error. */
struct file *socket_unix_create(struct kernel *kernel, int type, int protocol, int flags,
                                int *error);
/* Two that are connected; 0 or -errno. */
int socket_unix_pair(struct kernel *kernel, int type, int protocol, int flags,
                     struct file *files[2]);

/* A new AF_INET or AF_INET6 socket of a host, NULL with *error. */
struct file *socket_inet_create(struct host *host, int family, int type, int protocol, int flags,
                                int *error);

#endif
