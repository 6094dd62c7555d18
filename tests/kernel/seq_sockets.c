/* SPDX-License-Identifier: ISC */
/* Unix sockets. */
#include "tests/kernel/sequences.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static struct sockaddr_un address_of(const char *path)
{
    struct sockaddr_un address;
    memset(&address, 0, sizeof address);
    address.sun_family = AF_UNIX;
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    return address;
}

static int bind_to(int fd, const char *path)
{
    struct sockaddr_un address = address_of(path);
    return bind(fd, (struct sockaddr *) &address, sizeof address);
}

static int connect_to(int fd, const char *path)
{
    struct sockaddr_un address = address_of(path);
    return connect(fd, (struct sockaddr *) &address, sizeof address);
}

static int listener(const char *path, int backlog)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    DO(bind_to(fd, path));
    DO(listen(fd, backlog));
    return fd;
}

static void show_poll(int fd, short events)
{
    struct pollfd one = {fd, events, 0};
    DO(poll(&one, 1, 0));
    say("revents%s%s%s%s%s", one.revents & POLLIN ? " IN" : "", one.revents & POLLOUT ? " OUT" : "",
        one.revents & POLLHUP ? " HUP" : "", one.revents & POLLERR ? " ERR" : "",
        one.revents & POLLRDHUP ? " RDHUP" : "");
}

static void ignore_pipe_signal(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, NULL);
}

static void pair(void)
{
    int ends[2];
    char block[10];
    ignore_pipe_signal();
    DO(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
    DO(fcntl(ends[0], F_GETFD));
    DO(write(ends[0], "one", 3));
    DO(write(ends[0], "two", 3));
    DO(read(ends[1], block, 10));
    DO(write(ends[1], "back", 4));
    DO(recv(ends[0], block, 2, 0));
    DO(recv(ends[0], block, 10, MSG_DONTWAIT));
    DO(recv(ends[0], block, 10, MSG_DONTWAIT));
    show_poll(ends[0], POLLIN | POLLOUT);
    DO(close(ends[1]));
    show_poll(ends[0], POLLIN | POLLOUT | POLLRDHUP);
    DO(read(ends[0], block, 10));
    DO(write(ends[0], "x", 1));
    DO(send(ends[0], "x", 1, MSG_NOSIGNAL));
}

static void pair_of_packets(void)
{
    int ends[2];
    char block[10];
    DO(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends));
    DO(send(ends[0], "first", 5, 0));
    DO(send(ends[0], "second", 6, 0));
    DO(recv(ends[1], block, 3, 0));
    say_bytes("cut", block, 3);
    DO(recv(ends[1], block, 10, 0));
    say_bytes("whole", block, 6);
    DO(close(ends[0]));
    DO(recv(ends[1], block, 10, 0));
}

static void connect_and_accept(void)
{
    char block[10];
    int server = listener("s", 5);
    say_directory(".");
    DO(accept4(server, NULL, NULL, 0));
    show_poll(server, POLLIN);
    int client = socket(AF_UNIX, SOCK_STREAM, 0);
    DO(connect_to(client, "s"));
    show_poll(server, POLLIN);
    show_poll(client, POLLIN | POLLOUT);
    DO(write(client, "early", 5));
    int conversation = accept4(server, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    DO(conversation);
    DO(read(conversation, block, 10));
    DO(read(conversation, block, 10));
    DO(connect_to(client, "s"));
    DO(shutdown(client, SHUT_WR));
    DO(read(conversation, block, 10));
    DO(write(client, "x", 1) == -1 && errno == EPIPE ? 1 : 0);
    DO(write(conversation, "late", 4));
    DO(read(client, block, 10));
    DO(close(conversation));
    DO(read(client, block, 10));
}

static void connect_errors(void)
{
    int client = socket(AF_UNIX, SOCK_STREAM, 0);
    make_file("plain", "", 0644);
    mkdir("d", 0755);
    DO(connect_to(client, "missing"));
    DO(connect_to(client, "plain"));
    DO(connect_to(client, "d"));
    DO(connect_to(client, "missing/x"));
    int bound = socket(AF_UNIX, SOCK_STREAM, 0);
    DO(bind_to(bound, "quiet"));
    DO(connect_to(client, "quiet"));
    DO(listen(bound, 1));
    DO(connect_to(client, "quiet"));
    DO(close(bound));
    int other = socket(AF_UNIX, SOCK_STREAM, 0);
    DO(connect_to(other, "quiet"));
    DO(connect_to(99, "quiet"));
    DO(connect_to(1, "quiet"));
    int packets = socket(AF_UNIX, SOCK_SEQPACKET, 0);
    int server = listener("stream", 1);
    DO(connect_to(packets, "stream"));
    DO(close(server));
}

static void bind_errors(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    make_file("plain", "", 0644);
    DO(bind_to(fd, "plain"));
    DO(bind_to(fd, "missing/x"));
    DO(bind_to(fd, "s"));
    say_stat("s");
    DO(bind_to(fd, "t"));
    int second = socket(AF_UNIX, SOCK_STREAM, 0);
    DO(bind_to(second, "s"));
    DO(unlink("s"));
    DO(bind_to(second, "s"));
    DO(listen(second, 0));
    DO(listen(1, 5));
    DO(listen(99, 5));
    int unbound = socket(AF_UNIX, SOCK_STREAM, 0);
    DO(listen(unbound, 5));
    DO(open("s", O_RDONLY));
    DO(bind_to(1, "u"));
}

static void not_connected(void)
{
    char block[4];
    ignore_pipe_signal();
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    DO(write(fd, "x", 1));
    DO(read(fd, block, 4));
    DO(shutdown(fd, SHUT_WR));
    DO(accept4(fd, NULL, NULL, 0));
    show_poll(fd, POLLIN | POLLOUT);
    int server = listener("s", 2);
    DO(read(server, block, 4));
    DO(write(server, "x", 1));
    DO(shutdown(1, SHUT_WR));
    DO(send(1, "x", 1, 0));
    DO(recv(99, block, 1, 0));
    DO(socket(AF_UNIX, 77, 0));
    DO(socket(12345, SOCK_STREAM, 0));
    DO(lseek(fd, 0, SEEK_SET));
    DO(fsync(fd));
    DO(ftruncate(fd, 0));
}

static void client_gone(void)
{
    char block[4];
    ignore_pipe_signal();
    int server = listener("s", 5);
    int client = socket(AF_UNIX, SOCK_STREAM, 0);
    DO(connect_to(client, "s"));
    DO(write(client, "ab", 2));
    DO(close(client));
    show_poll(server, POLLIN);
    int conversation = accept4(server, NULL, NULL, 0);
    DO(conversation);
    show_poll(conversation, POLLIN | POLLOUT);
    DO(read(conversation, block, 4));
    DO(read(conversation, block, 4));
    DO(write(conversation, "x", 1));
}

static void server_gone(void)
{
    char block[4];
    int server = listener("s", 5);
    int client = socket(AF_UNIX, SOCK_STREAM, 0);
    DO(connect_to(client, "s"));
    DO(close(server));
    DO(read(client, block, 4));
    show_poll(client, POLLIN | POLLOUT);
    int second = socket(AF_UNIX, SOCK_STREAM, 0);
    DO(connect_to(second, "s"));
}

static void unread_data(void)
{
    char block[4];
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0)
        return;
    DO(write(ends[0], "abc", 3));
    DO(write(ends[1], "def", 3));
    DO(close(ends[1]));
    DO(read(ends[0], block, 4));
    DO(read(ends[0], block, 4));
}

static void credentials(void)
{
    int ends[2];
    struct ucred who;
    socklen_t size = sizeof who;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0)
        return;
    DO(getsockopt(ends[0], SOL_SOCKET, SO_PEERCRED, &who, &size));
    DO(size == sizeof who);
    DO(who.uid == geteuid());
    DO(who.pid == getpid());
    int server = listener("s", 5);
    int client = socket(AF_UNIX, SOCK_STREAM, 0);
    connect_to(client, "s");
    int conversation = accept4(server, NULL, NULL, 0);
    DO(getsockopt(conversation, SOL_SOCKET, SO_PEERCRED, &who, &size));
    DO(who.gid == getegid());
    DO(getsockopt(1, SOL_SOCKET, SO_PEERCRED, &who, &size));
    DO(getsockopt(99, SOL_SOCKET, SO_PEERCRED, &who, &size));
    int type = 0;
    size = sizeof type;
    DO(getsockopt(server, SOL_SOCKET, SO_TYPE, &type, &size));
    DO(type);
}

static int send_fd(int through, int fd, const char *bytes, size_t count)
{
    char control[CMSG_SPACE(sizeof(int))];
    struct iovec part = {(char *) (size_t) bytes, count};
    struct msghdr message;
    memset(&message, 0, sizeof message);
    memset(control, 0, sizeof control);
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &fd, sizeof fd);
    return (int) sendmsg(through, &message, 0);
}

static int receive_fd(int through, int flags)
{
    char control[CMSG_SPACE(sizeof(int))], block[10];
    struct iovec part = {block, sizeof block};
    struct msghdr message;
    memset(&message, 0, sizeof message);
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    DO(recvmsg(through, &message, flags));
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    int fd = -1;
    if (header && header->cmsg_type == SCM_RIGHTS)
        memcpy(&fd, CMSG_DATA(header), sizeof fd);
    return fd;
}

static void passed_descriptor(void)
{
    int ends[2];
    char block[10];
    make_file("a", "content", 0644);
    int fd = open("a", O_RDONLY);
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0)
        return;
    DO(read(fd, block, 3));
    DO(send_fd(ends[0], fd, "f", 1));
    DO(close(fd));
    DO(unlink("a"));
    int got = receive_fd(ends[1], MSG_CMSG_CLOEXEC);
    DO(got);
    DO(fcntl(got, F_GETFD));
    DO(read(got, block, 10));
    say_bytes("rest", block, 4);
    DO(send_fd(ends[0], 99, "f", 1));
    DO(send_fd(ends[0], got, "g", 1));
    DO(read(ends[1], block, 10));
    DO(close(ends[0]));
    int none = receive_fd(ends[1], 0);
    DO(none);
}

static void backlog(void)
{
    int server = listener("s", 1);
    for (int i = 0; i < 4; i++) {
        int client = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
        DO(connect_to(client, "s"));
    }
    DO(accept4(server, NULL, NULL, 0) >= 0);
    int client = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    DO(connect_to(client, "s"));
}

static void permissions(void)
{
    int server = listener("s", 5);
    DO(chmod("s", 0000));
    int client = socket(AF_UNIX, SOCK_STREAM, 0);
    DO(connect_to(client, "s"));
    DO(chmod("s", 0666));
    int second = socket(AF_UNIX, SOCK_STREAM, 0);
    DO(connect_to(second, "s"));
    DO(close(server));
}

const struct sequence socket_sequences[] = {{"socket pair", pair},
                                            {"socket pair of packets", pair_of_packets},
                                            {"connect and accept", connect_and_accept},
                                            {"connect errors", connect_errors},
                                            {"bind errors", bind_errors},
                                            {"not connected", not_connected},
                                            {"client gone", client_gone},
                                            {"server gone", server_gone},
                                            {"unread data", unread_data},
                                            {"credentials", credentials},
                                            {"passed descriptor", passed_descriptor},
                                            {"backlog", backlog},
                                            {"socket permissions", permissions},
                                            {NULL, NULL}};
