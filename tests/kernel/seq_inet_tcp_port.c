/* SPDX-License-Identifier: ISC */
/* TCP: who may be bound to what. */
#include "tests/kernel/seq_inet.h"

#include <string.h>
#include <unistd.h>

static int reuse(int fd)
{
    return set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
}

/* A socket that asks for a certain port; its bind and, if that works, its listen are printed. */
static int claim(int family, const char *address, int port, int reuse_address, int reuse_port)
{
    int fd = socket(family, SOCK_STREAM, 0);
    if (reuse_address)
        reuse(fd);
    if (reuse_port)
        set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    say("claim %s%s%s", address, reuse_address ? " reuse address" : "",
        reuse_port ? " reuse port" : "");
    DO(bind_to(fd, family, address, port));
    DO(listen(fd, 1));
    return fd;
}

static const char *any_of(const struct way *way)
{
    return way->family == AF_INET ? "0.0.0.0" : "::";
}

static void bind_errors(const struct way *way)
{
    struct sockaddr_storage to;
    int fd = socket(way->family, SOCK_STREAM, 0);
    socklen_t size = make_address(way->family, way->listen, 0, &to);
    DO(bind(fd, (struct sockaddr *) &to, 2));
    DO(bind(fd, (struct sockaddr *) &to, size > 20 ? 20 : 15));
    to.ss_family = AF_UNIX;
    DO(bind(fd, (struct sockaddr *) &to, size));
    to.ss_family = way->family == AF_INET ? AF_INET6 : AF_INET;
    DO(bind(fd, (struct sockaddr *) &to, sizeof to));
    DO(bind_to(fd, way->family, way->family == AF_INET ? "192.0.2.1" : "2001:db8::1", 0));
    DO(bind_to(fd, way->family, way->family == AF_INET ? "192.0.2.1" : "2001:db8::1", 25));
    DO(bind_to(fd, way->family, way->listen, 0));
    DO(bind_to(fd, way->family, way->listen, 0));
    DO(bind_to(1, way->family, way->listen, 0));
    DO(bind_to(99, way->family, way->listen, 0));
    struct talk t = make_talk(way);
    DO(bind_to(t.client, way->client_family, way->connect, 0));
    DO(bind_to(t.server, way->family, way->listen, 0));
}

static void unspecified_family(const struct way *way)
{
    struct sockaddr_storage to;
    int fd = socket(way->family, SOCK_STREAM, 0);
    memset(&to, 0, sizeof to);
    DO(bind(fd, (struct sockaddr *) &to, sizeof to));
    fd = socket(way->family, SOCK_STREAM, 0);
    make_address(AF_INET, "127.0.0.1", 0, &to);
    to.ss_family = AF_UNSPEC;
    DO(bind(fd, (struct sockaddr *) &to, sizeof to));
}

static void privileged_port(const struct way *way)
{
    int fd = socket(way->family, SOCK_STREAM, 0);
    DO(bind_to(fd, way->family, way->listen, 1019));
    int second = socket(way->family, SOCK_STREAM, 0);
    DO(bind_to(second, way->family, way->listen, 1019));
    int datagrams = socket(way->family, SOCK_DGRAM, 0);
    DO(bind_to(datagrams, way->family, way->listen, 1019));
}

static void taken(const struct way *way)
{
    int first = bound_socket(way, SOCK_STREAM), port = port_of(first);
    claim(way->family, way->listen, port, 0, 0);
    claim(way->family, way->listen, port, 1, 0);
    DO(listen(first, 1));
    claim(way->family, way->listen, port, 1, 0);
    DO(close(first));
    claim(way->family, way->listen, port, 0, 0);
}

static void reused(const struct way *way)
{
    int first = socket(way->family, SOCK_STREAM, 0), second = socket(way->family, SOCK_STREAM, 0);
    reuse(first);
    reuse(second);
    DO(bind_to(first, way->family, way->listen, 0));
    DO(bind_to(second, way->family, way->listen, port_of(first)));
    DO(listen(first, 1));
    DO(listen(second, 1));
    DO(listen(first, 2));
    claim(way->family, way->listen, port_of(first), 1, 0);
    DO(close(first));
    DO(listen(second, 1));
}

static void shared(const struct way *way)
{
    int first = socket(way->family, SOCK_STREAM, 0);
    set_option(first, SOL_SOCKET, SO_REUSEPORT, 1);
    DO(bind_to(first, way->family, way->listen, 0));
    DO(listen(first, 5));
    int port = port_of(first);
    int second = claim(way->family, way->listen, port, 0, 1);
    claim(way->family, way->listen, port, 0, 0);
    claim(way->family, way->listen, port, 1, 0);
    int client = client_socket(way, SOCK_STREAM);
    DO(connect_to(client, way->client_family, way->connect, port));
    settle();
    struct pollfd both[2] = {{first, POLLIN, 0}, {second, POLLIN, 0}};
    DO(poll(both, 2, 0));
    DO(close(first));
    DO(close(client));
    client = client_socket(way, SOCK_STREAM);
    DO(connect_to(client, way->client_family, way->connect, port));
    settle();
    show_poll("second", second);
}

static void everywhere_and_one(const struct way *way)
{
    const char *one = way->family == AF_INET ? "127.0.0.1" : "::1";
    int first = socket(way->family, SOCK_STREAM, 0);
    DO(bind_to(first, way->family, any_of(way), 0));
    claim(way->family, one, port_of(first), 0, 0);
    int second = socket(way->family, SOCK_STREAM, 0);
    DO(bind_to(second, way->family, one, 0));
    claim(way->family, any_of(way), port_of(second), 0, 0);
    claim(way->family, any_of(way), port_of(second), 1, 0);
}

static void different_addresses(const struct way *way)
{
    int first = socket(AF_INET, SOCK_STREAM, 0), port = free_port(SOCK_STREAM);
    DO(bind_to(first, AF_INET, "127.0.0.1", port));
    DO(listen(first, 1));
    int second = claim(AF_INET, "127.0.0.2", port, 0, 0);
    claim(AF_INET, "127.0.0.1", port, 0, 0);
    int client = socket(AF_INET, SOCK_STREAM, 0);
    DO(connect_to(client, AF_INET, "127.0.0.2", port));
    settle();
    show_poll("first", first);
    show_poll("second", second);
    show_name("client", client, 0, -1);
    (void) way;
}

static void both_families(const struct way *way)
{
    int first = socket(way->family, SOCK_STREAM, 0), port = free_port(SOCK_STREAM);
    int other = way->family == AF_INET ? AF_INET6 : AF_INET;
    DO(bind_to(first, way->family, any_of(way), port));
    claim(other, other == AF_INET ? "0.0.0.0" : "::", port, 0, 0);
    claim(other, other == AF_INET ? "127.0.0.1" : "::1", port, 0, 0);
    claim(AF_INET6, "::ffff:127.0.0.1", port, 0, 0);
    DO(close(first));
    int only = socket(AF_INET6, SOCK_STREAM, 0);
    DO(set_option(only, IPPROTO_IPV6, IPV6_V6ONLY, 1));
    DO(bind_to(only, AF_INET6, "::", port));
    DO(listen(only, 1));
    claim(AF_INET, "0.0.0.0", port, 0, 0);
}

static void only_v6(const struct way *way)
{
    int fd = socket(way->family, SOCK_STREAM, 0);
    DO(get_option(fd, IPPROTO_IPV6, IPV6_V6ONLY));
    DO(set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1));
    DO(get_option(fd, IPPROTO_IPV6, IPV6_V6ONLY));
    if (way->family == AF_INET)
        return;
    DO(bind_to(fd, AF_INET6, "::ffff:127.0.0.1", 0));
    DO(bind_to(fd, AF_INET6, "::", 0));
    DO(set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0));
    DO(listen(fd, 1));
    int client = socket(AF_INET, SOCK_STREAM, 0);
    DO(connect_to(client, AF_INET, "127.0.0.1", port_of(fd)));
    client = socket(AF_INET6, SOCK_STREAM, 0);
    DO(connect_to(client, AF_INET6, "::1", port_of(fd)));
    client = socket(AF_INET6, SOCK_STREAM, 0);
    DO(set_option(client, IPPROTO_IPV6, IPV6_V6ONLY, 1));
    DO(connect_to(client, AF_INET6, "::ffff:127.0.0.1", port_of(fd)));
}

static void listener_has_gone_but(const struct way *way)
{
    struct talk t = make_talk(way);
    int port = port_of(t.listener);
    DO(close(t.listener));
    claim(way->family, way->listen, port, 0, 0);
    claim(way->family, way->listen, port, 1, 0);
    DO(reuse(t.server));
    claim(way->family, way->listen, port, 0, 0);
    claim(way->family, way->listen, port, 1, 0);
}

static void server_ended_first(const struct way *way)
{
    struct talk t = make_talk(way);
    int port = port_of(t.listener);
    DO(close(t.listener));
    DO(close(t.server));
    settle();
    show_read("client", t.client);
    DO(close(t.client));
    settle();
    claim(way->family, way->listen, port, 0, 0);
}

static void server_ended_first_reuse(const struct way *way)
{
    int listener = socket(way->family, SOCK_STREAM, 0);
    reuse(listener);
    DO(bind_to(listener, way->family, way->listen, 0));
    DO(listen(listener, 1));
    int port = port_of(listener), client = client_socket(way, SOCK_STREAM);
    DO(connect_client(way, client, listener));
    int server = accept(listener, NULL, NULL);
    DO(close(listener));
    claim(way->family, way->listen, port, 0, 0);
    DO(close(server));
    DO(close(client));
    settle();
    claim(way->family, way->listen, port, 0, 0);
    claim(way->family, way->listen, port, 1, 0);
}

static void client_ended_first(const struct way *way)
{
    struct talk t = make_talk(way);
    int port = port_of(t.listener);
    DO(close(t.listener));
    DO(close(t.client));
    settle();
    show_read("server", t.server);
    claim(way->family, way->listen, port, 0, 0);
    DO(close(t.server));
    settle();
    claim(way->family, way->listen, port, 0, 0);
}

static void reset_leaves_nothing(const struct way *way)
{
    struct talk t = make_talk(way);
    struct linger linger = {1, 0};
    int port = port_of(t.listener);
    DO(close(t.listener));
    DO(setsockopt(t.server, SOL_SOCKET, SO_LINGER, &linger, sizeof linger));
    DO(close(t.server));
    settle();
    claim(way->family, way->listen, port, 0, 0);
}

static void bound_client(const struct way *way)
{
    int listener = listening_socket(way, 5);
    int first = client_socket(way, SOCK_STREAM), second = client_socket(way, SOCK_STREAM);
    reuse(first);
    reuse(second);
    DO(bind_to(first, way->client_family, way->connect, 0));
    DO(bind_to(second, way->client_family, way->connect, port_of(first)));
    DO(connect_client(way, first, listener));
    show_name("first", first, 0, first);
    DO(connect_client(way, second, listener));
    show_name("second", second, 0, first);
    int other = listening_socket(way, 5);
    DO(connect_client(way, second, other));
    show_name("second's peer", second, 1, other);
}

static void bound_client_refused(const struct way *way)
{
    int nobody = bound_socket(way, SOCK_STREAM);
    int fd = client_socket(way, SOCK_STREAM);
    DO(bind_to(fd, way->client_family, way->connect, 0));
    DO(connect_client(way, fd, nobody));
    show_name("fd", fd, 0, -1);
    show_name("peer", fd, 1, -1);
    DO(bind_to(fd, way->client_family, way->connect, 0));
    DO(listen(nobody, 1));
    DO(connect_client(way, fd, nobody));
}

static void listen_without_bind(const struct way *way)
{
    int fd = socket(way->family, SOCK_STREAM, 0);
    DO(listen(fd, -1));
    show_name("fd", fd, 0, -1);
    int client = client_socket(way, SOCK_STREAM);
    DO(connect_client(way, client, fd));
    DO(accept(fd, NULL, NULL) >= 0);
    DO(listen(client, 1));
    int connecting = client_socket(way, SOCK_STREAM | SOCK_NONBLOCK);
    DO(connect_client(way, connecting, fd));
    DO(listen(connecting, 1));
    DO(listen(1, 1));
    DO(listen(99, 1));
}

#define LIST(X)                                                                                    \
    X(bind_errors, "tcp port: bind errors")                                                        \
    X(unspecified_family, "tcp port: unspecified family")                                          \
    X(privileged_port, "tcp port: privileged port")                                                \
    X(taken, "tcp port: taken")                                                                    \
    X(reused, "tcp port: SO_REUSEADDR")                                                            \
    X(shared, "tcp port: SO_REUSEPORT")                                                            \
    X(everywhere_and_one, "tcp port: everywhere and at one address")                               \
    X(different_addresses, "tcp port: different addresses")                                        \
    X(both_families, "tcp port: both families")                                                    \
    X(only_v6, "tcp port: IPV6_V6ONLY")                                                            \
    X(listener_has_gone_but, "tcp port: a connection keeps it")                                    \
    X(server_ended_first, "tcp port: the server has ended first")                                  \
    X(server_ended_first_reuse, "tcp port: the server has ended first, SO_REUSEADDR")              \
    X(client_ended_first, "tcp port: the client has ended first")                                  \
    X(reset_leaves_nothing, "tcp port: a reset leaves nothing")                                    \
    X(bound_client, "tcp port: bound clients")                                                     \
    X(bound_client_refused, "tcp port: bound client refused")                                      \
    X(listen_without_bind, "tcp port: listen without bind")

LIST(WRAP_WAYS)

const struct sequence tcp_port_sequences[] = {LIST(ENTER_WAYS){NULL, NULL}};
