/* SPDX-License-Identifier: ISC */
/* Calls that send and receive messages on sockets, whatever their family. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>

#include "sim/kernel/call.h"
#include "sim/kernel/calls.h"
#include "sim/kernel/socket.h"

static ssize_t total_size(const struct msghdr *header)
{
    size_t size = 0;
    if (header->msg_iovlen > IOV_MAX)
        return -EMSGSIZE;
    for (size_t i = 0; i < header->msg_iovlen; i++) {
        if (header->msg_iov[i].iov_len > SSIZE_MAX - size)
            return -EINVAL;
        size += header->msg_iov[i].iov_len;
    }
    return (ssize_t) size;
}

/* The bytes as one piece: the caller's if it is one, else the process's scratch memory. */
static char *as_one(const struct msghdr *header, size_t size, bool copy)
{
    if (header->msg_iovlen == 1)
        return header->msg_iov[0].iov_base;
    char *whole = process_scratch(running, size + 1);
    for (size_t i = 0, done = 0; copy && i < header->msg_iovlen; i++) {
        const struct iovec *part = &header->msg_iov[i];
        if (part->iov_len > 0)
            memcpy(whole + done, part->iov_base, part->iov_len);
        done += part->iov_len;
    }
    return whole;
}

static void spread(const struct msghdr *header, const char *whole, size_t size)
{
    if (header->msg_iovlen == 1)
        return;
    for (size_t i = 0, done = 0; done < size; i++) {
        const struct iovec *part = &header->msg_iov[i];
        size_t length = part->iov_len < size - done ? part->iov_len : size - done;
        if (length > 0)
            memcpy(part->iov_base, whole + done, length);
        done += length;
    }
}

/* The files that a control message passes; no references are added. */
static int read_rights(const struct cmsghdr *control, struct socket_message *message)
{
    size_t count = (control->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; i++) {
        int fd;
        memcpy(&fd, CMSG_DATA(control) + i * sizeof fd, sizeof fd);
        struct file *file = descriptor_file(fd);
        if (!file)
            return -EBADF;
        if (message->file_count == SOCKET_FILES_MAX)
            return -EINVAL;
        message->files[message->file_count++] = file;
    }
    return 0;
}

static int read_control(const struct msghdr *header, struct socket_message *message)
{
    message->file_count = 0;
    if (!header->msg_control || header->msg_controllen < sizeof(struct cmsghdr))
        return 0;
    struct msghdr copy = *header;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&copy); c; c = CMSG_NXTHDR(&copy, c)) {
        if (c->cmsg_len < CMSG_LEN(0) ||
            c->cmsg_len > (size_t) ((char *) copy.msg_control + copy.msg_controllen - (char *) c))
            return -EINVAL;
        if (c->cmsg_level != SOL_SOCKET)
            continue;
        if (c->cmsg_type != SCM_RIGHTS)
            return -EINVAL;
        int result = read_rights(c, message);
        if (result < 0)
            return result;
    }
    return 0;
}

/* --- sending -----------------------------------------------------------------------------------*/

static ssize_t send_message(int fd, const struct msghdr *header, int flags, struct call *call)
{
    int error;
    struct file *file = socket_file_of(fd, &error);
    if (!file)
        return error;
    struct socket_message message;
    ssize_t size = total_size(header);
    if (size < 0)
        return size;
    message.data = as_one(header, (size_t) size, true);
    message.size = (size_t) size;
    message.flags = flags;
    message.out_flags = 0;
    message.address = header->msg_namelen ? header->msg_name : NULL;
    message.address_size = header->msg_namelen;
    int result = read_control(header, &message);
    if (result < 0)
        return result;
    call->data = message.data;
    call->size = message.size;
    call->argument[1] = message.file_count;
    if (running->discards)
        return size;
    return file->operations->socket->send(file, &message);
}

ssize_t sim_sendmsg(int fd, const struct msghdr *header, int flags)
{
    struct noted_address noted;
    struct call call = CALL(sendmsg, .argument = {flags});
    call.fd = fd;
    if (header->msg_namelen)
        call_note_address(&call, header->msg_name, header->msg_namelen, &noted);
    if (header->msg_iovlen == 1) { /* so that it is known before the call, too */
        call.data = header->msg_iov[0].iov_base;
        call.size = header->msg_iov[0].iov_len;
    }
    if (call_enter(&call))
        call.result = send_message(fd, header, flags, &call);
    return call_leave(&call);
}

ssize_t sim_send(int fd, const void *from, size_t size, int flags)
{
    struct iovec part = {(void *) (uintptr_t) from, size};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
    return sim_sendmsg(fd, &header, flags);
}

ssize_t sim_sendto(int fd, const void *from, size_t size, int flags, const struct sockaddr *address,
                   socklen_t address_size)
{
    struct iovec part = {(void *) (uintptr_t) from, size};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
    header.msg_name = (void *) (uintptr_t) address;
    header.msg_namelen = address ? address_size : 0;
    return sim_sendmsg(fd, &header, flags);
}

/* Installs up to `fit` of the files that came as descriptors written to `to`; drops the others.
 * Returns how many there are. */
static unsigned install_files(const struct socket_message *message, size_t fit, char *to,
                              bool close_on_exec)
{
    unsigned given = 0;
    bool full = false;
    for (unsigned i = 0; i < message->file_count; i++) {
        if (full || i >= fit) {
            file_unref(message->files[i]);
            continue;
        }
        int fd = descriptor_add(running, message->files[i], 0, close_on_exec);
        full = fd < 0;
        if (!full)
            memcpy(to + given++ * sizeof fd, &fd, sizeof fd);
    }
    return given;
}

/* Tells the descriptors that came, as many as the caller's control memory has room for. */
static void write_rights(struct msghdr *header, struct socket_message *message, bool close_on_exec)
{
    char *control = header->msg_control;
    size_t room = control ? header->msg_controllen : 0;
    size_t fit = room >= CMSG_LEN(0) ? (room - CMSG_LEN(0)) / sizeof(int) : 0;
    header->msg_controllen = 0;
    unsigned given =
        install_files(message, fit, control ? control + CMSG_LEN(0) : NULL, close_on_exec);
    if (given < message->file_count)
        message->out_flags |= MSG_CTRUNC;
    if (given == 0 || !control)
        return;
    struct cmsghdr head = {
        .cmsg_len = CMSG_LEN(given * sizeof(int)),
        .cmsg_level = SOL_SOCKET,
        .cmsg_type = SCM_RIGHTS,
    };
    memcpy(control, &head, sizeof head);
    size_t used = CMSG_SPACE(given * sizeof(int));
    header->msg_controllen = used < room ? used : room;
}

static ssize_t receive_message(int fd, struct msghdr *header, int flags, struct call *call,
                               struct noted_address *noted)
{
    int error;
    struct file *file = socket_file_of(fd, &error);
    if (!file)
        return error;
    struct socket_message message;
    ssize_t size = total_size(header);
    if (size < 0)
        return size;
    message.data = as_one(header, (size_t) size, false);
    message.size = (size_t) size;
    message.flags = flags;
    message.out_flags = 0;
    message.file_count = 0;
    message.address = NULL;
    message.from_size = 0;
    ssize_t result = file->operations->socket->receive(file, &message);
    if (result < 0)
        return result;
    size_t got = (size_t) result < message.size ? (size_t) result : message.size;
    spread(header, message.data, got);
    call->data = message.data;
    call->size = got;
    call->argument[1] = message.file_count;
    if (message.from_size)
        call_note_address(call, (struct sockaddr *) &message.from, message.from_size, noted);
    if (header->msg_name)
        memcpy(header->msg_name, &message.from,
               header->msg_namelen < message.from_size ? header->msg_namelen : message.from_size);
    header->msg_namelen = message.from_size;
    write_rights(header, &message, flags & MSG_CMSG_CLOEXEC);
    header->msg_flags = message.out_flags;
    return result;
}

ssize_t sim_recvmsg(int fd, struct msghdr *header, int flags)
{
    struct noted_address noted;
    struct call call = CALL(recvmsg, .argument = {flags});
    call.fd = fd;
    if (call_enter(&call))
        call.result = receive_message(fd, header, flags, &call, &noted);
    return call_leave(&call);
}

ssize_t sim_recv(int fd, void *to, size_t size, int flags)
{
    struct iovec part = {to, size};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
    return sim_recvmsg(fd, &header, flags);
}

ssize_t sim___recv_chk(int fd, void *to, size_t size, size_t room, int flags)
{
    (void) room;
    return sim_recv(fd, to, size, flags);
}

ssize_t sim_recvfrom(int fd, void *to, size_t size, int flags, struct sockaddr *address,
                     socklen_t *address_size)
{
    struct iovec part = {to, size};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
    header.msg_name = address;
    header.msg_namelen = address && address_size ? *address_size : 0;
    ssize_t result = sim_recvmsg(fd, &header, flags);
    if (result >= 0 && address_size)
        *address_size = header.msg_namelen;
    return result;
}

ssize_t sim___recvfrom_chk(int fd, void *to, size_t size, size_t room, int flags,
                           struct sockaddr *address, socklen_t *address_size)
{
    (void) room;
    return sim_recvfrom(fd, to, size, flags, address, address_size);
}
