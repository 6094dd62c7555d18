/* SPDX-License-Identifier: ISC */
#include "mta/lib/pass.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

union control {
    char bytes[CMSG_SPACE(sizeof(int))];
    struct cmsghdr align;
};

ssize_t pass_send(int socket_fd, const void *bytes, size_t size, int passed)
{
    union control control;
    struct iovec part = {.iov_base = (void *) (uintptr_t) bytes, .iov_len = size};
    struct msghdr header = {.msg_iov = &part,
                            .msg_iovlen = 1,
                            .msg_control = control.bytes,
                            .msg_controllen = sizeof control.bytes};
    memset(&control, 0, sizeof control);
    struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof passed);
    memcpy(CMSG_DATA(rights), &passed, sizeof passed);
    ssize_t count;
    do {
        count = sendmsg(socket_fd, &header, MSG_NOSIGNAL);
    } while (count < 0 && errno == EINTR);
    return count;
}

ssize_t pass_receive(int socket_fd, void *to, size_t size, int *passed)
{
    union control control;
    struct iovec part = {.iov_base = to, .iov_len = size};
    ssize_t count;
    *passed = -1;
    struct msghdr header;
    do {
        header = (struct msghdr){.msg_iov = &part,
                                 .msg_iovlen = 1,
                                 .msg_control = control.bytes,
                                 .msg_controllen = sizeof control.bytes};
        count = recvmsg(socket_fd, &header, MSG_CMSG_CLOEXEC);
    } while (count < 0 && errno == EINTR);
    struct cmsghdr *rights = count > 0 ? CMSG_FIRSTHDR(&header) : NULL;
    if (rights && rights->cmsg_level == SOL_SOCKET && rights->cmsg_type == SCM_RIGHTS &&
        rights->cmsg_len == CMSG_LEN(sizeof *passed))
        memcpy(passed, CMSG_DATA(rights), sizeof *passed);
    return count;
}
