/* SPDX-License-Identifier: ISC */
/* TCP: bytes, options, descriptors and processes. */
#include "tests/kernel/seq_inet.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <unistd.h>

static void peek_and_wait_all(const struct way *way)
{
    struct talk t = make_talk(way);
    char block[20];
    DO(write(t.client, "abc", 3));
    DO(write(t.client, "def", 3));
    settle();
    DO(recv(t.server, block, 2, MSG_PEEK));
    DO(recv(t.server, block, 20, MSG_PEEK));
    say_bytes("peeked", block, 6);
    DO(recv(t.server, block, 4, MSG_WAITALL));
    say_bytes("read", block, 4);
    DO(recv(t.server, block, 20, MSG_PEEK | MSG_DONTWAIT));
    DO(recv(t.server, block, 20, MSG_WAITALL | MSG_DONTWAIT));
    DO(recv(t.server, block, 20, MSG_PEEK | MSG_DONTWAIT));
    DO(write(t.client, "g", 1));
    DO(shutdown(t.client, SHUT_WR));
    settle();
    DO(recv(t.server, block, 20, MSG_WAITALL));
    DO(recv(t.server, block, 20, MSG_WAITALL));
}

static void nothing_to_move(const struct way *way)
{
    struct talk t = make_talk(way);
    char block[4];
    ignore_pipe_signal();
    DO(write(t.client, "", 0));
    DO(send(t.client, "", 0, 0));
    DO(read(t.server, block, 0));
    DO(recv(t.server, block, 0, MSG_DONTWAIT));
    DO(write(t.client, "a", 1));
    settle();
    DO(recv(t.server, block, 0, 0));
    DO(recv(t.server, block, 0, MSG_PEEK));
    show_read("server", t.server);
    DO(shutdown(t.client, SHUT_WR));
    DO(send(t.client, "", 0, 0));
    settle();
    DO(recv(t.server, block, 0, 0));
    DO(read(t.server, block, 0));
}

static void many_parts(const struct way *way)
{
    struct talk t = make_talk(way);
    char a[3], b[4];
    struct iovec out[3] = {{(char *) (size_t) "one", 3}, {NULL, 0}, {(char *) (size_t) "two", 3}};
    struct iovec in[2] = {{a, 3}, {b, 4}};
    struct msghdr message;
    struct sockaddr_storage name;
    memset(&message, 0, sizeof message);
    message.msg_iov = out;
    message.msg_iovlen = 3;
    DO(sendmsg(t.client, &message, 0));
    DO(writev(t.client, out, 3));
    settle();
    message.msg_iov = in;
    message.msg_iovlen = 2;
    message.msg_name = &name;
    message.msg_namelen = sizeof name;
    DO(recvmsg(t.server, &message, 0));
    DO(message.msg_namelen);
    DO(message.msg_flags);
    DO(message.msg_controllen);
    say_bytes("a", a, 3);
    say_bytes("b", b, 4);
    DO(readv(t.server, in, 2));
    say_bytes("a", a, 3);
    say_bytes("b", b, 2);
}

static void address_is_ignored(const struct way *way)
{
    struct talk t = make_talk(way);
    struct sockaddr_storage to, from;
    char block[10];
    socklen_t size = make_address(way->client_family, way->connect, 9, &to);
    DO(sendto(t.client, "word", 4, 0, (struct sockaddr *) &to, size));
    settle();
    size = sizeof from;
    DO(recvfrom(t.server, block, 10, 0, (struct sockaddr *) &from, &size));
    DO(size);
    DO(recvfrom(t.server, block, 10, MSG_DONTWAIT, NULL, NULL));
    int fd = client_socket(way, SOCK_STREAM);
    size = make_address(way->client_family, way->connect, port_of(t.listener), &to);
    DO(sendto(fd, "word", 4, MSG_NOSIGNAL, (struct sockaddr *) &to, size));
}

/* Writes until nothing more fits; how much. */
static long fill(int fd)
{
    static const char block[16384];
    long done = 0;
    ssize_t count;
    while ((count = send(fd, block, sizeof block, MSG_DONTWAIT)) > 0)
        done += count;
    say("filled: %s", error_name(errno));
    return done;
}

static long drain(int fd)
{
    char block[8192];
    long done = 0;
    ssize_t count;
    struct pollfd one = {fd, POLLIN, 0};
    while (poll(&one, 1, 100) > 0 && (count = recv(fd, block, sizeof block, MSG_DONTWAIT)) > 0)
        done += count;
    return done;
}

static void full_buffers(const struct way *way)
{
    struct talk t = make_talk(way);
    long sent = fill(t.client);
    say("something was sent: %d", sent > 10000);
    show_poll("client", t.client);
    DO(send(t.client, "x", 1, MSG_DONTWAIT));
    show_poll("server", t.server);
    DO(drain(t.server) == sent);
    settle();
    show_poll("client", t.client);
    DO(send(t.client, "x", 1, MSG_DONTWAIT));
    settle();
    show_poll("server", t.server);
    DO(drain(t.server));
}

static void full_buffers_and_end(const struct way *way)
{
    struct talk t = make_talk(way);
    long sent = fill(t.client);
    DO(shutdown(t.client, SHUT_WR));
    show_poll("client", t.client);
    DO(close(t.client));
    DO(drain(t.server) == sent);
    show_read("server", t.server);
}

static void full_buffers_and_reset(const struct way *way)
{
    struct talk t = make_talk(way);
    ignore_pipe_signal();
    fill(t.client);
    DO(close(t.server));
    settle();
    show_poll("client", t.client);
    DO(write(t.client, "x", 1));
    DO(write(t.client, "x", 1));
}

static void small_buffers(const struct way *way)
{
    int listener = listening_socket(way, 1), client = client_socket(way, SOCK_STREAM);
    DO(set_option(listener, SOL_SOCKET, SO_RCVBUF, 4096));
    DO(get_option(listener, SOL_SOCKET, SO_RCVBUF));
    DO(set_option(client, SOL_SOCKET, SO_SNDBUF, 8192));
    DO(get_option(client, SOL_SOCKET, SO_SNDBUF));
    DO(connect_client(way, client, listener));
    int server = accept(listener, NULL, NULL);
    DO(get_option(server, SOL_SOCKET, SO_RCVBUF));
    long sent = fill(client);
    say("bounded: %d", sent > 1000 && sent < 100000);
    DO(drain(server) == sent);
}

static void common_options(const struct way *way)
{
    static const struct {
        int name, value;
    } options[] = {{SO_REUSEADDR, 1}, {SO_REUSEADDR, 0},  {SO_REUSEPORT, 5},
                   {SO_KEEPALIVE, 1}, {SO_BROADCAST, 1},  {SO_SNDBUF, 20000},
                   {SO_SNDBUF, 1},    {SO_RCVBUF, 20000}, {SO_RCVBUF, 1}};
    int fd = client_socket(way, SOCK_STREAM);
    DO(get_option(fd, SOL_SOCKET, SO_TYPE));
    DO(get_option(fd, SOL_SOCKET, SO_DOMAIN));
    DO(get_option(fd, SOL_SOCKET, SO_PROTOCOL));
    DO(get_option(fd, SOL_SOCKET, SO_ERROR));
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        say("option %d to %d", options[i].name, options[i].value);
        DO(set_option(fd, SOL_SOCKET, options[i].name, options[i].value));
        DO(get_option(fd, SOL_SOCKET, options[i].name));
    }
    DO(set_option(fd, SOL_SOCKET, SO_TYPE, 1));
    DO(set_option(fd, SOL_SOCKET, SO_ERROR, 1));
    DO(set_option(fd, SOL_SOCKET, 9999, 1));
    DO(get_option(fd, SOL_SOCKET, 9999));
}

static void other_options(const struct way *way)
{
    struct linger linger = {9, 9};
    socklen_t size = sizeof linger;
    int value = 1;
    int fd = client_socket(way, SOCK_STREAM);
    DO(get_option(fd, IPPROTO_TCP, TCP_NODELAY));
    DO(set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1));
    DO(get_option(fd, IPPROTO_TCP, TCP_NODELAY));
    DO(set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, 60));
    DO(get_option(fd, IPPROTO_TCP, TCP_KEEPIDLE));
    DO(get_option(fd, IPPROTO_TCP, TCP_KEEPINTVL));
    DO(set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, 0));
    DO(set_option(fd, IPPROTO_TCP, 9999, 0));
    DO(getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &size));
    say("linger %d %d size %d", linger.l_onoff, linger.l_linger, (int) size);
    linger.l_onoff = 1;
    linger.l_linger = 3;
    DO(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger));
    DO(getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &size));
    say("linger %d %d", linger.l_onoff, linger.l_linger);
    DO(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &value, 1));
    DO(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, 4));
    DO(setsockopt(99, SOL_SOCKET, SO_REUSEADDR, &value, sizeof value));
    DO(setsockopt(1, SOL_SOCKET, SO_REUSEADDR, &value, sizeof value));
    size = 2;
    value = 77;
    DO(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, &size));
    DO(size);
}

static void inherited_options(const struct way *way)
{
    int listener = listening_socket(way, 1), client = client_socket(way, SOCK_STREAM);
    DO(set_option(listener, SOL_SOCKET, SO_KEEPALIVE, 1));
    DO(set_option(listener, SOL_SOCKET, SO_REUSEADDR, 1));
    DO(set_option(listener, IPPROTO_TCP, TCP_NODELAY, 1));
    DO(fcntl(listener, F_SETFL, O_NONBLOCK));
    DO(connect_client(way, client, listener));
    int server = accept(listener, NULL, NULL);
    DO(get_option(server, SOL_SOCKET, SO_KEEPALIVE));
    DO(get_option(server, SOL_SOCKET, SO_REUSEADDR));
    DO(get_option(server, IPPROTO_TCP, TCP_NODELAY));
    DO(get_option(server, SOL_SOCKET, SO_ACCEPTCONN));
    DO(fcntl(server, F_GETFL) & O_NONBLOCK);
    DO(fcntl(server, F_GETFD));
    DO(accept(listener, NULL, NULL));
}

static void flags_of_accept(const struct way *way)
{
    int listener = listening_socket(way, 1), client = client_socket(way, SOCK_STREAM);
    char block[4];
    DO(connect_client(way, client, listener));
    int server = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    DO(fcntl(server, F_GETFD));
    DO(read(server, block, 4));
    DO(fcntl(server, F_SETFL, 0));
    DO(recv(server, block, 4, MSG_DONTWAIT));
    DO(fcntl(client, F_GETFD));
    DO(fcntl(client, F_GETFL) == O_RDWR);
}

static void socket_errors(const struct way *way)
{
    int ends[2];
    DO(socket(way->family, 77, 0));
    DO(socket(way->family, SOCK_STREAM, -1));
    DO(socket(way->family, SOCK_STREAM, 500));
    DO(socket(way->family, SOCK_STREAM, IPPROTO_UDP));
    DO(socket(way->family, SOCK_DGRAM, IPPROTO_TCP));
    DO(socket(way->family, SOCK_STREAM, 199));
    DO(close(socket(way->family, SOCK_STREAM, IPPROTO_TCP)));
    DO(close(socket(way->family, SOCK_DGRAM, IPPROTO_UDP)));
    DO(socketpair(way->family, SOCK_STREAM, 0, ends));
}

static void duplicated(const struct way *way)
{
    struct talk t = make_talk(way);
    int other = dup(t.client);
    DO(close(t.client));
    settle();
    show_poll("server", t.server);
    DO(write(other, "by the other", 12));
    settle();
    show_read("server", t.server);
    DO(shutdown(other, SHUT_WR));
    settle();
    show_read("server", t.server);
    int listener = dup(t.listener);
    DO(close(t.listener));
    int client = client_socket(way, SOCK_STREAM);
    DO(connect_client(way, client, listener));
    DO(accept(listener, NULL, NULL) >= 0);
}

static void no_descriptor_left(const struct way *way)
{
    struct rlimit limit;
    int listener = listening_socket(way, 2), client = client_socket(way, SOCK_STREAM);
    DO(connect_client(way, client, listener));
    DO(getrlimit(RLIMIT_NOFILE, &limit));
    limit.rlim_cur = (rlim_t) client + 1;
    DO(setrlimit(RLIMIT_NOFILE, &limit));
    DO(accept(listener, NULL, NULL));
    show_poll("listener", listener);
    DO(socket(way->family, SOCK_STREAM, 0));
    limit.rlim_cur++;
    DO(setrlimit(RLIMIT_NOFILE, &limit));
    DO(accept(listener, NULL, NULL) == client + 1);
    show_poll("listener", listener);
}

static void served_by_child(const struct way *way)
{
    int listener = listening_socket(way, 2), client = client_socket(way, SOCK_STREAM);
    char block[10];
    pid_t pid = start_child("serve", listener, -1);
    DO(connect_client(way, client, listener));
    DO(write(client, "to the child", 12));
    DO(recv(client, block, 10, MSG_WAITALL));
    DO(recv(client, block, 2, MSG_WAITALL));
    DO(shutdown(client, SHUT_WR));
    DO(read(client, block, 10));
    say_wait(pid);
    DO(connect_client(way, client_socket(way, SOCK_STREAM), listener));
}

static void listener_of_dead_parent(const struct way *way)
{
    int listener = listening_socket(way, 2), client = client_socket(way, SOCK_STREAM);
    int port = port_of(listener);
    pid_t first = start_child("serve", listener, -1), second = start_child("serve", listener, -1);
    DO(close(listener));
    DO(connect_to(client, way->client_family, way->connect, port));
    DO(close(client));
    client = client_socket(way, SOCK_STREAM);
    DO(connect_to(client, way->client_family, way->connect, port));
    DO(close(client));
    say_wait(first);
    say_wait(second);
    client = client_socket(way, SOCK_STREAM);
    DO(connect_to(client, way->client_family, way->connect, port));
}

static void holder_killed(const struct way *way)
{
    struct talk t = make_talk(way);
    pid_t pid = start_child("forever", t.server, -1);
    DO(close(t.server));
    settle();
    show_poll("client", t.client);
    DO(kill(pid, SIGKILL));
    say_wait(pid);
    settle();
    show_poll("client", t.client);
    show_read("client", t.client);
}

static void holder_killed_unread(const struct way *way)
{
    struct talk t = make_talk(way);
    pid_t pid = start_child("forever", t.server, -1);
    DO(close(t.server));
    DO(write(t.client, "unread", 6));
    settle();
    DO(kill(pid, SIGKILL));
    say_wait(pid);
    settle();
    show_poll("client", t.client);
    show_read("client", t.client);
}

static void passed_on(const struct way *way)
{
    struct talk t = make_talk(way);
    int ends[2], got = -1;
    char control[CMSG_SPACE(sizeof(int))], byte = 'f';
    struct iovec part = {&byte, 1};
    struct msghdr message;
    memset(&message, 0, sizeof message);
    memset(control, 0, sizeof control);
    DO(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &t.server, sizeof(int));
    DO(sendmsg(ends[0], &message, 0));
    DO(close(t.server));
    DO(write(t.client, "still open", 10));
    DO(recvmsg(ends[1], &message, MSG_CMSG_CLOEXEC));
    header = CMSG_FIRSTHDR(&message);
    if (header)
        memcpy(&got, CMSG_DATA(header), sizeof got);
    settle();
    show_read("passed", got);
    show_name("passed", got, 1, t.client);
    DO(close(got));
    settle();
    show_read("client", t.client);
}

#define LIST(X)                                                                                    \
    X(peek_and_wait_all, "tcp: peek and wait for all")                                             \
    X(nothing_to_move, "tcp: nothing to move")                                                     \
    X(many_parts, "tcp: many parts")                                                               \
    X(address_is_ignored, "tcp: an address is ignored")                                            \
    X(full_buffers, "tcp: full buffers")                                                           \
    X(full_buffers_and_end, "tcp: full buffers and the end")                                       \
    X(full_buffers_and_reset, "tcp: full buffers and a reset")                                     \
    X(small_buffers, "tcp: small buffers")                                                         \
    X(common_options, "tcp: common options")                                                       \
    X(other_options, "tcp: other options")                                                         \
    X(inherited_options, "tcp: inherited options")                                                 \
    X(flags_of_accept, "tcp: flags of accept")                                                     \
    X(socket_errors, "tcp: socket errors")                                                         \
    X(duplicated, "tcp: duplicated descriptors")                                                   \
    X(no_descriptor_left, "tcp: no descriptor left")                                               \
    X(served_by_child, "tcp: served by a child")                                                   \
    X(listener_of_dead_parent, "tcp: listener in two children")                                    \
    X(holder_killed, "tcp: holder killed")                                                         \
    X(holder_killed_unread, "tcp: holder killed, data unread")                                     \
    X(passed_on, "tcp: passed to another")

LIST(WRAP_WAYS)

const struct sequence tcp_more_sequences[] = {LIST(ENTER_WAYS){NULL, NULL}};
