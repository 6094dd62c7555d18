/* SPDX-License-Identifier: ISC */
/* Descriptors passed over Unix stream sockets (SCM_RIGHTS), one with the first of some bytes. */
#ifndef MTA_LIB_PASS_H
#define MTA_LIB_PASS_H

#include <stddef.h>
#include <sys/types.h>

/* Sends what goes of the bytes (`size` at least 1), and `passed` with the first of them.  Blocks if
 * the socket does.  Returns the count, or -1 with errno, and then nothing was passed. */
ssize_t pass_send(int socket_fd, const void *bytes, size_t size, int passed);

/* One read of at most `size` bytes, repeated on EINTR.  A descriptor that came along goes into
 * *passed, close-on-exec and the caller's; else that is -1.  Returns the count, 0 at the end, -1
 * with errno. */
ssize_t pass_receive(int socket_fd, void *to, size_t size, int *passed);

#endif
