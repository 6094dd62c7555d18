/* SPDX-License-Identifier: ISC */
/* TCP: connecting, talking, ending. */
#include "tests/kernel/seq_inet.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void talk_both_ways(const struct way *way)
{
    struct talk t = make_talk(way);
    DO(write(t.client, "question", 8));
    settle();
    show_poll("server", t.server);
    show_read("server", t.server);
    DO(write(t.server, "answer", 6));
    settle();
    show_poll("client", t.client);
    show_read("client", t.client);
    show_read("client again", t.client);
    DO(close(t.client));
    settle();
    show_poll("server", t.server);
    show_read("server at end", t.server);
    show_read("server at end", t.server);
}

static void names(const struct way *way)
{
    int listener = socket(way->family, SOCK_STREAM, 0);
    show_name("new", listener, 0, -1);
    show_name("new peer", listener, 1, -1);
    DO(bind_to(listener, way->family, way->listen, 0));
    show_name("bound", listener, 0, listener);
    DO(listen(listener, 1));
    show_name("listening", listener, 0, listener);
    show_name("listening peer", listener, 1, listener);
    int client = client_socket(way, SOCK_STREAM);
    DO(connect_client(way, client, listener));
    show_name("client", client, 0, listener);
    show_name("client's peer", client, 1, listener);
    int server = accept(listener, NULL, NULL);
    show_name("server", server, 0, listener);
    show_name("server's peer", server, 1, client);
    struct sockaddr_storage name;
    socklen_t size = 4;
    DO(getsockname(server, (struct sockaddr *) &name, &size));
    DO(size);
    size = 0;
    DO(getpeername(server, (struct sockaddr *) &name, &size));
    DO(size);
}

static void name_by_accept(const struct way *way)
{
    int listener = listening_socket(way, 2);
    int client = client_socket(way, SOCK_STREAM);
    DO(connect_client(way, client, listener));
    struct sockaddr_storage name, peer;
    socklen_t size = sizeof name, peer_size = sizeof peer;
    memset(&name, 0, sizeof name);
    memset(&peer, 0, sizeof peer);
    int server = accept4(listener, (struct sockaddr *) &name, &size, 0);
    DO(size);
    DO(getpeername(server, (struct sockaddr *) &peer, &peer_size));
    DO(memcmp(&name, &peer, size));
}

static void connect_without_waiting(const struct way *way)
{
    int listener = listening_socket(way, 2);
    int client = client_socket(way, SOCK_STREAM | SOCK_NONBLOCK);
    show_poll("new", client);
    DO(connect_client(way, client, listener));
    settle();
    show_poll("connecting", client);
    show_error("client", client);
    show_name("peer", client, 1, listener);
    DO(connect_client(way, client, listener));
    DO(connect_client(way, client, listener));
    DO(write(client, "x", 1));
    int server = accept(listener, NULL, NULL);
    settle();
    show_read("server", server);
}

static void refused_without_waiting(const struct way *way)
{
    int nobody = bound_socket(way, SOCK_STREAM);
    int client = client_socket(way, SOCK_STREAM | SOCK_NONBLOCK);
    DO(connect_client(way, client, nobody));
    settle();
    show_poll("refused", client);
    show_name("peer", client, 1, nobody);
    show_error("client", client);
    show_error("client again", client);
    show_poll("told", client);
    show_read("client", client);
    DO(connect_client(way, client, nobody));
    show_poll("failed", client);
    DO(connect_client(way, client, nobody));
    settle();
    DO(connect_client(way, client, nobody));
    DO(connect_client(way, client, nobody));
}

static void refused_then_read(const struct way *way)
{
    ignore_pipe_signal();
    int nobody = bound_socket(way, SOCK_STREAM);
    int client = client_socket(way, SOCK_STREAM | SOCK_NONBLOCK);
    DO(connect_client(way, client, nobody));
    settle();
    show_read("client", client);
    show_read("client again", client);
    DO(write(client, "x", 1));
    int other = client_socket(way, SOCK_STREAM | SOCK_NONBLOCK);
    DO(connect_client(way, other, nobody));
    settle();
    DO(write(other, "x", 1));
    DO(write(other, "x", 1));
}

static void refused_and_again(const struct way *way)
{
    int server = bound_socket(way, SOCK_STREAM);
    int client = client_socket(way, SOCK_STREAM);
    DO(connect_client(way, client, server));
    show_poll("after", client);
    show_name("after", client, 0, -1);
    show_error("after", client);
    show_name("peer", client, 1, server);
    DO(connect_client(way, client, server));
    DO(listen(server, 1));
    DO(connect_client(way, client, server));
    show_poll("connected", client);
    show_name("peer", client, 1, server);
}

static void half_close_of_client(const struct way *way)
{
    struct talk t = make_talk(way);
    ignore_pipe_signal();
    DO(write(t.client, "last", 4));
    DO(shutdown(t.client, SHUT_WR));
    settle();
    show_poll("client", t.client);
    show_poll("server", t.server);
    show_read("server", t.server);
    show_poll("server", t.server);
    show_read("server", t.server);
    DO(write(t.client, "x", 1));
    DO(shutdown(t.client, SHUT_WR));
    DO(write(t.server, "still", 5));
    settle();
    show_read("client", t.client);
    DO(close(t.server));
    settle();
    show_poll("client", t.client);
    show_read("client", t.client);
    show_name("client's peer", t.client, 1, t.listener);
    DO(shutdown(t.client, SHUT_WR));
}

static void half_close_of_server(const struct way *way)
{
    struct talk t = make_talk(way);
    DO(shutdown(t.server, SHUT_WR));
    settle();
    show_poll("client", t.client);
    show_read("client", t.client);
    DO(write(t.client, "more", 4));
    settle();
    show_read("server", t.server);
    DO(shutdown(t.client, SHUT_WR));
    settle();
    show_poll("client", t.client);
    show_poll("server", t.server);
    show_name("client's peer", t.client, 1, t.listener);
    show_name("server's peer", t.server, 1, t.client);
    show_error("client", t.client);
    show_error("server", t.server);
}

static void shut_reading(const struct way *way)
{
    struct talk t = make_talk(way);
    DO(write(t.client, "before", 6));
    settle();
    DO(shutdown(t.server, SHUT_RD));
    show_poll("server", t.server);
    show_read("server", t.server);
    show_read("server", t.server);
    DO(write(t.client, "after", 5));
    settle();
    show_poll("server", t.server);
    show_read("server", t.server);
    show_read("server", t.server);
    DO(write(t.server, "back", 4));
    settle();
    show_read("client", t.client);
    show_poll("client", t.client);
}

static void shut_both(const struct way *way)
{
    struct talk t = make_talk(way);
    ignore_pipe_signal();
    DO(shutdown(t.client, SHUT_RDWR));
    settle();
    show_poll("client", t.client);
    show_poll("server", t.server);
    show_read("client", t.client);
    DO(write(t.client, "x", 1));
    show_read("server", t.server);
    DO(write(t.server, "y", 1));
    settle();
    show_poll("server", t.server);
    show_poll("client", t.client);
    show_read("client", t.client);
}

static void unread_at_close(const struct way *way)
{
    struct talk t = make_talk(way);
    ignore_pipe_signal();
    DO(write(t.client, "unread", 6));
    settle();
    DO(close(t.server));
    settle();
    show_poll("client", t.client);
    show_read("client", t.client);
    show_poll("client", t.client);
    show_read("client", t.client);
    DO(write(t.client, "x", 1));
    show_name("peer", t.client, 1, t.listener);
}

static void unread_at_close_then_write(const struct way *way)
{
    struct talk t = make_talk(way);
    ignore_pipe_signal();
    DO(write(t.client, "unread", 6));
    settle();
    DO(close(t.server));
    settle();
    DO(write(t.client, "x", 1));
    DO(write(t.client, "x", 1));
    show_read("client", t.client);
}

static void data_before_reset(const struct way *way)
{
    struct talk t = make_talk(way);
    DO(write(t.client, "unread", 6));
    DO(write(t.server, "sent before", 11));
    settle();
    DO(close(t.server));
    settle();
    show_poll("client", t.client);
    show_read("client", t.client);
    show_read("client", t.client);
    show_read("client", t.client);
}

static void write_to_closed(const struct way *way)
{
    struct talk t = make_talk(way);
    ignore_pipe_signal();
    DO(close(t.server));
    settle();
    show_poll("client", t.client);
    DO(write(t.client, "x", 1));
    settle();
    show_poll("client", t.client);
    DO(write(t.client, "x", 1));
    show_poll("client", t.client);
    show_read("client", t.client);
    DO(shutdown(t.client, SHUT_WR));
}

static void write_to_closed_then_error(const struct way *way)
{
    struct talk t = make_talk(way);
    DO(close(t.server));
    settle();
    DO(send(t.client, "x", 1, MSG_NOSIGNAL));
    settle();
    show_error("client", t.client);
    show_poll("client", t.client);
    show_read("client", t.client);
    DO(send(t.client, "x", 1, MSG_NOSIGNAL));
}

static void killed_by_pipe_signal(const struct way *way)
{
    struct talk t = make_talk(way);
    DO(close(t.server));
    settle();
    DO(send(t.client, "x", 1, MSG_NOSIGNAL));
    settle();
    DO(send(t.client, "x", 1, MSG_NOSIGNAL));
    DO(write(t.client, "x", 1));
    say("still there");
}

static void linger_of_zero(const struct way *way)
{
    struct talk t = make_talk(way);
    struct linger linger = {1, 0};
    DO(setsockopt(t.server, SOL_SOCKET, SO_LINGER, &linger, sizeof linger));
    DO(write(t.server, "bye", 3));
    settle();
    DO(close(t.server));
    settle();
    show_poll("client", t.client);
    show_error("client", t.client);
    show_read("client", t.client);
    show_read("client", t.client);
}

static void shutdown_errors(const struct way *way)
{
    int fd = client_socket(way, SOCK_STREAM);
    DO(shutdown(fd, SHUT_WR));
    DO(shutdown(fd, 17));
    struct talk t = make_talk(way);
    DO(shutdown(t.client, -1));
    DO(shutdown(t.client, 3));
    DO(shutdown(t.client, SHUT_RD));
    DO(shutdown(t.client, SHUT_RD));
    DO(shutdown(t.client, SHUT_RDWR));
    DO(shutdown(t.client, SHUT_RDWR));
    DO(shutdown(t.server, SHUT_RDWR));
    settle();
    DO(shutdown(t.server, SHUT_RDWR));
    DO(shutdown(t.client, SHUT_RDWR));
    show_poll("client", t.client);
    show_poll("server", t.server);
}

static void shutdown_of_listener(const struct way *way)
{
    int listener = listening_socket(way, 2);
    int first = client_socket(way, SOCK_STREAM), second = client_socket(way, SOCK_STREAM);
    DO(connect_client(way, first, listener));
    DO(shutdown(listener, SHUT_WR));
    show_poll("listener", listener);
    DO(shutdown(listener, SHUT_RD));
    settle();
    show_poll("listener", listener);
    show_poll("first", first);
    show_read("first", first);
    DO(accept(listener, NULL, NULL));
    DO(connect_client(way, second, listener));
    DO(listen(listener, 1));
    DO(connect_client(way, second, listener));
    DO(accept(listener, NULL, NULL) >= 0);
}

static void listener_is_no_stream(const struct way *way)
{
    char block[4];
    ignore_pipe_signal();
    int listener = listening_socket(way, 2);
    fcntl(listener, F_SETFL, O_NONBLOCK);
    show_poll("listener", listener);
    DO(read(listener, block, 4));
    DO(recv(listener, block, 4, MSG_DONTWAIT));
    DO(write(listener, "x", 1));
    DO(connect_client(way, listener, listener));
    DO(accept(listener, NULL, NULL));
    DO(listen(listener, 4));
    int fd = client_socket(way, SOCK_STREAM);
    DO(accept(fd, NULL, NULL));
    DO(accept4(listener, NULL, NULL, 12345));
    DO(get_option(listener, SOL_SOCKET, SO_ACCEPTCONN));
    DO(get_option(fd, SOL_SOCKET, SO_ACCEPTCONN));
}

static void listener_gone(const struct way *way)
{
    int listener = listening_socket(way, 5);
    int first = client_socket(way, SOCK_STREAM), second = client_socket(way, SOCK_STREAM);
    DO(connect_client(way, first, listener));
    DO(connect_client(way, second, listener));
    DO(write(second, "x", 1));
    DO(close(listener));
    settle();
    show_poll("first", first);
    show_read("first", first);
    show_read("first", first);
    show_error("second", second);
}

static void client_gone(const struct way *way)
{
    int listener = listening_socket(way, 5);
    int client = client_socket(way, SOCK_STREAM);
    DO(connect_client(way, client, listener));
    DO(write(client, "ab", 2));
    DO(close(client));
    settle();
    show_poll("listener", listener);
    int server = accept(listener, NULL, NULL);
    show_poll("server", server);
    show_read("server", server);
    show_read("server", server);
    DO(write(server, "x", 1));
    settle();
    show_poll("server", server);
    show_error("server", server);
}

static void client_reset(const struct way *way)
{
    struct linger linger = {1, 0};
    int listener = listening_socket(way, 5);
    int client = client_socket(way, SOCK_STREAM);
    DO(connect_client(way, client, listener));
    DO(write(client, "ab", 2));
    DO(setsockopt(client, SOL_SOCKET, SO_LINGER, &linger, sizeof linger));
    DO(close(client));
    settle();
    show_poll("listener", listener);
    int server = accept(listener, NULL, NULL);
    show_name("peer", server, 1, -1);
    show_poll("server", server);
    show_read("server", server);
    show_read("server", server);
    show_read("server", server);
}

static void full_backlog(const struct way *way)
{
    int listener = listening_socket(way, 1), clients[4];
    for (int i = 0; i < 4; i++) {
        clients[i] = client_socket(way, SOCK_STREAM | SOCK_NONBLOCK);
        DO(connect_client(way, clients[i], listener));
    }
    settle();
    for (int i = 0; i < 4; i++)
        show_poll("client", clients[i]);
    DO(connect_client(way, clients[0], listener));
    DO(connect_client(way, clients[3], listener));
    show_read("waiting", clients[3]);
    DO(write(clients[3], "x", 1));
    show_name("waiting", clients[3], 1, listener);
    DO(accept(listener, NULL, NULL) >= 0);
    DO(accept(listener, NULL, NULL) >= 0);
    DO(close(clients[3]));
    DO(close(listener));
}

static void backlog_of_zero(const struct way *way)
{
    int listener = listening_socket(way, 0), clients[2];
    for (int i = 0; i < 2; i++) {
        clients[i] = client_socket(way, SOCK_STREAM | SOCK_NONBLOCK);
        DO(connect_client(way, clients[i], listener));
    }
    settle();
    show_poll("client", clients[0]);
    show_poll("client", clients[1]);
    DO(shutdown(clients[1], SHUT_WR));
    show_poll("client", clients[1]);
    show_error("client", clients[1]);
    DO(connect_client(way, clients[0], listener));
}

static void connect_errors(const struct way *way)
{
    struct sockaddr_storage to;
    struct talk t = make_talk(way);
    int fd = client_socket(way, SOCK_STREAM);
    socklen_t size = make_address(way->client_family, way->connect, port_of(t.listener), &to);
    DO(connect(fd, (struct sockaddr *) &to, 1));
    DO(connect(fd, (struct sockaddr *) &to, size > 20 ? 20 : 15));
    to.ss_family = AF_UNIX;
    DO(connect(fd, (struct sockaddr *) &to, size));
    DO(connect_to(fd, way->client_family, way->connect, 0));
    DO(connect_client(way, t.client, t.listener));
    DO(connect_client(way, t.server, t.listener));
    DO(connect(99, (struct sockaddr *) &to, size));
    DO(connect(1, (struct sockaddr *) &to, size));
    DO(connect_client(way, fd, t.listener));
}

static void disconnect(const struct way *way)
{
    struct sockaddr_storage none;
    struct talk t = make_talk(way);
    memset(&none, 0, sizeof none);
    DO(connect(t.client, (struct sockaddr *) &none, sizeof(struct sockaddr_in)));
    settle();
    show_poll("server", t.server);
    show_read("server", t.server);
    show_name("client's peer", t.client, 1, -1);
    show_error("client", t.client);
    show_poll("client", t.client);
    DO(connect_client(way, t.client, t.listener));
    int server = accept(t.listener, NULL, NULL);
    DO(write(t.client, "again", 5));
    settle();
    show_read("server", server);
}

static void any_means_loopback(const struct way *way)
{
    int listener = listening_socket(way, 1);
    int client = client_socket(way, SOCK_STREAM);
    DO(connect_to(client, way->client_family,
                  way->client_family == AF_INET ? "0.0.0.0" : "::", port_of(listener)));
    show_name("client", client, 0, -1);
    show_name("peer", client, 1, listener);
}

static void not_connected(const struct way *way)
{
    char block[4];
    ignore_pipe_signal();
    int fd = client_socket(way, SOCK_STREAM);
    show_poll("new", fd);
    DO(read(fd, block, 4));
    DO(write(fd, "x", 1));
    DO(send(fd, "x", 1, MSG_NOSIGNAL));
    DO(send(fd, "", 0, MSG_NOSIGNAL));
    DO(read(fd, block, 0));
    DO(recv(fd, block, 0, 0));
    DO(lseek(fd, 0, SEEK_SET));
    DO(fsync(fd));
    DO(ftruncate(fd, 0));
    struct stat st;
    DO(fstat(fd, &st));
    DO(S_ISSOCK(st.st_mode));
    show_error("fd", fd);
}

#define LIST(X)                                                                                    \
    X(talk_both_ways, "tcp: talk both ways")                                                       \
    X(names, "tcp: names")                                                                         \
    X(name_by_accept, "tcp: name by accept")                                                       \
    X(connect_without_waiting, "tcp: connect without waiting")                                     \
    X(refused_without_waiting, "tcp: refused without waiting")                                     \
    X(refused_then_read, "tcp: refused, then read")                                                \
    X(refused_and_again, "tcp: refused, and again")                                                \
    X(half_close_of_client, "tcp: half-close of the client")                                       \
    X(half_close_of_server, "tcp: half-close of the server")                                       \
    X(shut_reading, "tcp: shut reading")                                                           \
    X(shut_both, "tcp: shut both")                                                                 \
    X(unread_at_close, "tcp: unread at close")                                                     \
    X(unread_at_close_then_write, "tcp: unread at close, then write")                              \
    X(data_before_reset, "tcp: data before a reset")                                               \
    X(write_to_closed, "tcp: write to closed")                                                     \
    X(write_to_closed_then_error, "tcp: write to closed, SO_ERROR")                                \
    X(killed_by_pipe_signal, "tcp: killed by SIGPIPE")                                             \
    X(linger_of_zero, "tcp: SO_LINGER of 0")                                                       \
    X(shutdown_errors, "tcp: shutdown errors")                                                     \
    X(shutdown_of_listener, "tcp: shutdown of a listener")                                         \
    X(listener_is_no_stream, "tcp: a listener is no stream")                                       \
    X(listener_gone, "tcp: listener gone")                                                         \
    X(client_gone, "tcp: client gone before accept")                                               \
    X(client_reset, "tcp: client reset before accept")                                             \
    X(full_backlog, "tcp: full backlog")                                                           \
    X(backlog_of_zero, "tcp: backlog of 0")                                                        \
    X(connect_errors, "tcp: connect errors")                                                       \
    X(disconnect, "tcp: disconnect")                                                               \
    X(any_means_loopback, "tcp: any means loopback")                                               \
    X(not_connected, "tcp: not connected")

LIST(WRAP_WAYS)

const struct sequence tcp_sequences[] = {LIST(ENTER_WAYS){NULL, NULL}};
