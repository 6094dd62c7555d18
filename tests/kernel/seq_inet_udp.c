/* SPDX-License-Identifier: ISC */
/* UDP. */
#include "tests/kernel/seq_inet.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static ssize_t send_to(const struct way *way, int fd, int server, const char *text)
{
    struct sockaddr_storage to;
    socklen_t size = make_address(way->client_family, way->connect, port_of(server), &to);
    return sendto(fd, text, strlen(text), 0, (struct sockaddr *) &to, size);
}

/* Prints a datagram and its sender; `known` as in show_name. */
static void show_from(const char *label, int fd, int known)
{
    struct sockaddr_storage name;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    char block[100], text[INET6_ADDRSTRLEN];
    socklen_t size = sizeof name;
    memset(&name, 0, sizeof name);
    ssize_t count =
        recvfrom(fd, block, sizeof block, MSG_DONTWAIT, (struct sockaddr *) &name, &size);
    if (count < 0) {
        say("%s: %s", label, error_name(errno));
        return;
    }
    memcpy(&v4, &name, sizeof v4);
    memcpy(&v6, &name, sizeof v6);
    if (name.ss_family == AF_INET)
        inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
    else
        inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
    say("%s: from family %d size %d address %s port %s", label, name.ss_family, (int) size, text,
        ntohs(v4.sin_port) == port_of(known) ? "known" : "other");
    say_bytes("it is", block, count);
}

static void there_and_back(const struct way *way)
{
    int server = bound_socket(way, SOCK_DGRAM), client = client_socket(way, SOCK_DGRAM);
    struct sockaddr_storage from;
    socklen_t size = sizeof from;
    char block[20];
    show_poll("new", client);
    show_name("new", client, 0, -1);
    DO(send_to(way, client, server, "question"));
    show_name("sent", client, 0, -1);
    settle();
    show_poll("server", server);
    DO(recvfrom(server, block, 20, 0, (struct sockaddr *) &from, &size));
    DO(sendto(server, "answer", 6, 0, (struct sockaddr *) &from, size));
    settle();
    show_from("client", client, server);
    show_from("client", client, server);
    DO(send_to(way, client, server, "second"));
    DO(send_to(way, client, server, "third"));
    settle();
    show_from("server", server, client);
    show_from("server", server, client);
}

static void connected(const struct way *way)
{
    int server = bound_socket(way, SOCK_DGRAM), client = client_socket(way, SOCK_DGRAM);
    int stranger = client_socket(way, SOCK_DGRAM);
    DO(connect_client(way, client, server));
    show_name("client", client, 0, -1);
    show_name("peer", client, 1, server);
    show_name("server's peer", server, 1, server);
    DO(write(client, "question", 8));
    settle();
    show_from("server", server, client);
    struct sockaddr_storage name;
    socklen_t size = sizeof name;
    DO(getsockname(client, (struct sockaddr *) &name, &size));
    DO(sendto(stranger, "other", 5, 0, (struct sockaddr *) &name, size));
    settle();
    show_from("client", client, stranger);
    DO(send_to(way, client, server, "explicit"));
    settle();
    show_from("server", server, client);
}

static void reconnected(const struct way *way)
{
    int first = bound_socket(way, SOCK_DGRAM), second = bound_socket(way, SOCK_DGRAM);
    int client = client_socket(way, SOCK_DGRAM);
    struct sockaddr_storage none;
    memset(&none, 0, sizeof none);
    DO(connect_client(way, client, first));
    DO(write(client, "one", 3));
    DO(connect_client(way, client, second));
    DO(write(client, "two", 3));
    settle();
    show_from("first", first, client);
    show_from("second", second, client);
    DO(connect(client, (struct sockaddr *) &none, sizeof(struct sockaddr_in)));
    show_name("peer", client, 1, -1);
    show_name("client", client, 0, -1);
    DO(write(client, "three", 5));
    DO(connect(client, (struct sockaddr *) &none, sizeof(struct sockaddr_in)));
    DO(send_to(way, client, first, "four"));
    settle();
    show_from("first", first, client);
}

static void cut_short(const struct way *way)
{
    int server = bound_socket(way, SOCK_DGRAM), client = client_socket(way, SOCK_DGRAM);
    char block[20];
    struct iovec part = {block, 3};
    struct msghdr message;
    memset(&message, 0, sizeof message);
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    for (int i = 0; i < 5; i++)
        DO(send_to(way, client, server, "datagram"));
    settle();
    DO(recv(server, block, 3, 0));
    DO(recv(server, block, 3, MSG_TRUNC));
    DO(recvmsg(server, &message, 0));
    DO(!!(message.msg_flags & MSG_TRUNC));
    DO(recvmsg(server, &message, MSG_TRUNC));
    part.iov_len = 20;
    DO(recvmsg(server, &message, 0));
    DO(message.msg_flags);
    show_read("server", server);
}

static void empty_ones(const struct way *way)
{
    int server = bound_socket(way, SOCK_DGRAM), client = client_socket(way, SOCK_DGRAM);
    char block[4];
    DO(send_to(way, client, server, ""));
    DO(send_to(way, client, server, ""));
    DO(send_to(way, client, server, "x"));
    settle();
    show_poll("server", server);
    DO(recv(server, block, 4, MSG_PEEK));
    DO(recv(server, block, 4, 0));
    DO(read(server, block, 0));
    DO(recv(server, block, 0, 0));
    show_read("server", server);
    show_read("server", server);
    DO(connect_client(way, client, server));
    DO(write(client, "", 0));
    settle();
    show_read("server", server);
}

static void peeked(const struct way *way)
{
    int server = bound_socket(way, SOCK_DGRAM), client = client_socket(way, SOCK_DGRAM);
    char block[20];
    DO(send_to(way, client, server, "first"));
    DO(send_to(way, client, server, "second"));
    settle();
    DO(recv(server, block, 20, MSG_PEEK));
    DO(recv(server, block, 20, MSG_PEEK));
    DO(recv(server, block, 20, 0));
    DO(recv(server, block, 20, 0));
    DO(recv(server, block, 20, MSG_DONTWAIT));
}

static void nobody_there(const struct way *way)
{
    int server = bound_socket(way, SOCK_DGRAM), client = client_socket(way, SOCK_DGRAM);
    int port = port_of(server);
    char block[4];
    DO(connect_to(client, way->client_family, way->connect, port));
    DO(close(server));
    DO(write(client, "x", 1));
    settle();
    show_poll("client", client);
    DO(read(client, block, 4));
    DO(recv(client, block, 4, MSG_DONTWAIT));
    show_poll("client", client);
    DO(write(client, "x", 1));
    settle();
    DO(write(client, "y", 1));
    DO(write(client, "z", 1));
    settle();
    show_error("client", client);
    show_error("client", client);
    show_poll("client", client);
}

static void nobody_there_unconnected(const struct way *way)
{
    int server = bound_socket(way, SOCK_DGRAM), client = client_socket(way, SOCK_DGRAM);
    struct sockaddr_storage to;
    socklen_t size = make_address(way->client_family, way->connect, port_of(server), &to);
    DO(close(server));
    DO(sendto(client, "x", 1, 0, (struct sockaddr *) &to, size));
    settle();
    show_poll("client", client);
    DO(sendto(client, "x", 1, 0, (struct sockaddr *) &to, size));
    show_error("client", client);
    show_from("client", client, client);
}

static void send_errors(const struct way *way)
{
    static const char large[70000];
    int server = bound_socket(way, SOCK_DGRAM), client = client_socket(way, SOCK_DGRAM);
    struct sockaddr_storage to;
    socklen_t size = make_address(way->client_family, way->connect, port_of(server), &to);
    DO(write(client, "x", 1));
    DO(send(client, "x", 1, 0));
    DO(sendto(client, "x", 1, 0, (struct sockaddr *) &to, 1));
    DO(sendto(client, "x", 1, 0, (struct sockaddr *) &to, size > 20 ? 20 : 15));
    DO(sendto(client, large, sizeof large, 0, (struct sockaddr *) &to, size));
    DO(sendto(client, large, 65507, 0, (struct sockaddr *) &to, size));
    to.ss_family = AF_UNIX;
    DO(sendto(client, "x", 1, 0, (struct sockaddr *) &to, size));
    size = make_address(way->client_family, way->connect, 0, &to);
    DO(sendto(client, "x", 1, 0, (struct sockaddr *) &to, size));
    show_name("peer", client, 1, -1);
}

static void large_ones(const struct way *way)
{
    static char large[40000];
    int server = bound_socket(way, SOCK_DGRAM), client = client_socket(way, SOCK_DGRAM);
    DO(connect_client(way, client, server));
    memset(large, 'a', sizeof large);
    DO(send(client, large, sizeof large, 0));
    memset(large, 0, sizeof large);
    settle();
    DO(recv(server, large, sizeof large, 0));
    DO(large[0] == 'a' && large[39999] == 'a');
}

static void no_stream(const struct way *way)
{
    int server = bound_socket(way, SOCK_DGRAM);
    DO(listen(server, 1));
    DO(accept(server, NULL, NULL));
    DO(lseek(server, 0, SEEK_SET));
    DO(set_option(server, IPPROTO_TCP, TCP_NODELAY, 1));
    DO(get_option(server, SOL_SOCKET, SO_TYPE));
    DO(get_option(server, SOL_SOCKET, SO_PROTOCOL));
    DO(get_option(server, SOL_SOCKET, SO_ACCEPTCONN));
    DO(get_option(server, SOL_SOCKET, SO_SNDBUF));
    DO(get_option(server, SOL_SOCKET, SO_RCVBUF));
}

static void shut_down(const struct way *way)
{
    int server = bound_socket(way, SOCK_DGRAM), client = client_socket(way, SOCK_DGRAM);
    char block[4];
    DO(shutdown(client, 9));
    DO(connect_client(way, client, server));
    DO(shutdown(client, SHUT_WR));
    show_poll("client", client);
    DO(send(client, "x", 1, MSG_NOSIGNAL));
    DO(shutdown(client, SHUT_RD));
    show_poll("client", client);
    DO(read(client, block, 4));
    DO(recv(client, block, 4, MSG_DONTWAIT));
}

static void shut_down_unconnected(const struct way *way)
{
    int fd = client_socket(way, SOCK_DGRAM);
    DO(shutdown(fd, SHUT_RD));
    show_poll("fd", fd);
    DO(shutdown(fd, SHUT_WR));
    show_poll("fd", fd);
}

static int claim(const struct way *way, int port, int reuse_address, int reuse_port)
{
    int fd = socket(way->family, SOCK_DGRAM, 0);
    set_option(fd, SOL_SOCKET, SO_REUSEADDR, reuse_address);
    set_option(fd, SOL_SOCKET, SO_REUSEPORT, reuse_port);
    say("claim%s%s", reuse_address ? " reuse address" : "", reuse_port ? " reuse port" : "");
    DO(bind_to(fd, way->family, way->listen, port));
    return fd;
}

static void ports(const struct way *way)
{
    int first = claim(way, 0, 0, 0), port = port_of(first);
    claim(way, port, 0, 0);
    claim(way, port, 1, 0);
    claim(way, port, 0, 1);
    DO(close(first));
    claim(way, port, 1, 0);
    claim(way, port, 0, 0);
    int last = claim(way, port, 1, 0);
    int client = client_socket(way, SOCK_DGRAM);
    DO(send_to(way, client, last, "for the last"));
    settle();
    show_from("last", last, client);
}

static void shared_port(const struct way *way)
{
    int first = claim(way, 0, 0, 1), port = port_of(first);
    int second = claim(way, port, 0, 1);
    claim(way, port, 1, 0);
    int client = client_socket(way, SOCK_DGRAM);
    DO(send_to(way, client, first, "one"));
    DO(send_to(way, client, first, "two"));
    settle();
    struct pollfd both[2] = {{first, POLLIN, 0}, {second, POLLIN, 0}};
    DO(poll(both, 2, 0));
}

static void both_families(const struct way *way)
{
    int first = socket(way->family, SOCK_DGRAM, 0);
    int other = way->family == AF_INET ? AF_INET6 : AF_INET;
    int port = free_port(SOCK_DGRAM);
    DO(bind_to(first, way->family, way->family == AF_INET ? "0.0.0.0" : "::", port));
    int fd = socket(other, SOCK_DGRAM, 0);
    DO(bind_to(fd, other, other == AF_INET ? "0.0.0.0" : "::", port_of(first)));
    int only = socket(AF_INET6, SOCK_DGRAM, 0);
    DO(set_option(only, IPPROTO_IPV6, IPV6_V6ONLY, 1));
    DO(bind_to(only, AF_INET6, "::", port_of(first)));
    DO(connect_to(only, AF_INET6, "::ffff:127.0.0.1", port_of(first)));
}

static void bind_errors(const struct way *way)
{
    struct sockaddr_storage to;
    int fd = socket(way->family, SOCK_DGRAM, 0);
    socklen_t size = make_address(way->family, way->listen, 0, &to);
    DO(bind(fd, (struct sockaddr *) &to, size > 20 ? 20 : 15));
    DO(bind_to(fd, way->family, way->family == AF_INET ? "192.0.2.1" : "2001:db8::1", 0));
    to.ss_family = AF_UNIX;
    DO(bind(fd, (struct sockaddr *) &to, size));
    DO(connect(fd, (struct sockaddr *) &to, size));
    DO(connect(fd, (struct sockaddr *) &to, 1));
    DO(bind_to(fd, way->family, way->listen, 0));
    DO(bind_to(fd, way->family, way->listen, 0));
    int client = client_socket(way, SOCK_DGRAM);
    DO(connect_client(way, client, fd));
    DO(bind_to(client, way->client_family, way->connect, 0));
}

static void messages(const struct way *way)
{
    int server = bound_socket(way, SOCK_DGRAM), client = client_socket(way, SOCK_DGRAM);
    struct sockaddr_storage to, from;
    char a[4], b[10];
    struct iovec out[2] = {{(char *) (size_t) "one", 3}, {(char *) (size_t) "two", 3}};
    struct iovec in[2] = {{a, 4}, {b, 10}};
    struct msghdr message;
    memset(&message, 0, sizeof message);
    message.msg_iov = out;
    message.msg_iovlen = 2;
    message.msg_name = &to;
    message.msg_namelen = make_address(way->client_family, way->connect, port_of(server), &to);
    DO(sendmsg(client, &message, 0));
    settle();
    message.msg_iov = in;
    message.msg_name = &from;
    message.msg_namelen = sizeof from;
    DO(recvmsg(server, &message, 0));
    DO(message.msg_namelen);
    say_bytes("a", a, 4);
    say_bytes("b", b, 2);
    DO(sendmsg(server, &(struct msghdr){.msg_iov = out, .msg_iovlen = 2}, 0));
    message.msg_iov = out;
    DO(sendmsg(server, &message, 0));
    settle();
    message.msg_iov = in;
    message.msg_namelen = 3;
    DO(recvmsg(client, &message, 0));
    DO(message.msg_namelen);
}

static void any_means_loopback(const struct way *way)
{
    const char *any = way->client_family == AF_INET ? "0.0.0.0" : "::";
    int server = bound_socket(way, SOCK_DGRAM), client = client_socket(way, SOCK_DGRAM);
    DO(connect_to(client, way->client_family, any, port_of(server)));
    show_name("client", client, 0, -1);
    show_name("peer", client, 1, server);
}

static void full_queue(const struct way *way)
{
    int server = bound_socket(way, SOCK_DGRAM), client = client_socket(way, SOCK_DGRAM);
    char block[1000];
    int count = 0, sent = 0;
    memset(block, 'x', sizeof block);
    DO(set_option(server, SOL_SOCKET, SO_RCVBUF, 20000));
    DO(connect_client(way, client, server));
    for (int i = 0; i < 500; i++)
        sent += send(client, block, sizeof block, 0) == 1000;
    DO(sent);
    settle();
    while (recv(server, block, sizeof block, MSG_DONTWAIT) == 1000)
        count++;
    say("some came, some were lost: %d", count > 5 && count < 100);
    DO(send(client, block, 10, 0));
    settle();
    DO(recv(server, block, sizeof block, MSG_DONTWAIT));
}

#define LIST(X)                                                                                    \
    X(there_and_back, "udp: there and back")                                                       \
    X(connected, "udp: connected")                                                                 \
    X(reconnected, "udp: connected anew")                                                          \
    X(cut_short, "udp: cut short")                                                                 \
    X(empty_ones, "udp: empty datagrams")                                                          \
    X(peeked, "udp: peek")                                                                         \
    X(nobody_there, "udp: nobody there")                                                           \
    X(nobody_there_unconnected, "udp: nobody there, unconnected")                                  \
    X(send_errors, "udp: send errors")                                                             \
    X(large_ones, "udp: large datagrams")                                                          \
    X(no_stream, "udp: no stream")                                                                 \
    X(shut_down, "udp: shutdown")                                                                  \
    X(shut_down_unconnected, "udp: shutdown unconnected")                                          \
    X(ports, "udp: ports")                                                                         \
    X(shared_port, "udp: SO_REUSEPORT")                                                            \
    X(both_families, "udp: both families")                                                         \
    X(bind_errors, "udp: bind errors")                                                             \
    X(messages, "udp: messages")                                                                   \
    X(any_means_loopback, "udp: any means loopback")                                               \
    X(full_queue, "udp: full queue")

LIST(WRAP_WAYS)

const struct sequence udp_sequences[] = {LIST(ENTER_WAYS){NULL, NULL}};
