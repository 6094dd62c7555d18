/* SPDX-License-Identifier: ISC */
#include "tests/kernel/seq_inet.h"

#include <arpa/inet.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

const struct way way_v4 = {AF_INET, "127.0.0.1", AF_INET, "127.0.0.1"};
const struct way way_v6 = {AF_INET6, "::1", AF_INET6, "::1"};
const struct way way_dual = {AF_INET6, "::", AF_INET, "127.0.0.1"};
const struct way way_mapped = {AF_INET, "0.0.0.0", AF_INET6, "::ffff:127.0.0.1"};

socklen_t make_address(int family, const char *text, int port, struct sockaddr_storage *to)
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    memset(to, 0, sizeof *to);
    memset(&v4, 0, sizeof v4);
    memset(&v6, 0, sizeof v6);
    if (family == AF_INET) {
        v4.sin_family = AF_INET;
        v4.sin_port = htons((uint16_t) port);
        if (inet_pton(AF_INET, text, &v4.sin_addr) != 1)
            say("bad address %s", text);
        memcpy(to, &v4, sizeof v4);
        return sizeof v4;
    }
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons((uint16_t) port);
    if (inet_pton(AF_INET6, text, &v6.sin6_addr) != 1)
        say("bad address %s", text);
    memcpy(to, &v6, sizeof v6);
    return sizeof v6;
}

int bind_to(int fd, int family, const char *address, int port)
{
    struct sockaddr_storage to;
    socklen_t size = make_address(family, address, port, &to);
    return bind(fd, (struct sockaddr *) &to, size);
}

int connect_to(int fd, int family, const char *address, int port)
{
    struct sockaddr_storage to;
    socklen_t size = make_address(family, address, port, &to);
    return connect(fd, (struct sockaddr *) &to, size);
}

static int port_in(const struct sockaddr_storage *address)
{
    struct sockaddr_in v4;
    memcpy(&v4, address, sizeof v4); /* at the same place in both families */
    return ntohs(v4.sin_port);
}

int port_of(int fd)
{
    struct sockaddr_storage name;
    socklen_t size = sizeof name;
    memset(&name, 0, sizeof name);
    if (getsockname(fd, (struct sockaddr *) &name, &size) < 0)
        return 0;
    return port_in(&name);
}

int free_port(int type)
{
    int fd = socket(AF_INET6, type, 0);
    if (fd < 0 || bind_to(fd, AF_INET6, "::", 0) < 0)
        say("no free port: %s", error_name(errno));
    int port = port_of(fd);
    close(fd);
    return port;
}

int bound_socket(const struct way *way, int type)
{
    int fd = socket(way->family, type | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind_to(fd, way->family, way->listen, 0) < 0)
        say("no bound socket: %s", error_name(errno));
    return fd;
}

int listening_socket(const struct way *way, int backlog)
{
    int fd = bound_socket(way, SOCK_STREAM);
    if (listen(fd, backlog) < 0)
        say("no listening socket: %s", error_name(errno));
    return fd;
}

int client_socket(const struct way *way, int type)
{
    return socket(way->client_family, type | SOCK_CLOEXEC, 0);
}

int connect_client(const struct way *way, int fd, int server)
{
    return connect_to(fd, way->client_family, way->connect, port_of(server));
}

struct talk make_talk(const struct way *way)
{
    struct talk talk = {.listener = listening_socket(way, 5)};
    talk.client = client_socket(way, SOCK_STREAM);
    if (connect_client(way, talk.client, talk.listener) < 0)
        say("no connection: %s", error_name(errno));
    talk.server = accept(talk.listener, NULL, NULL);
    if (talk.server < 0)
        say("nothing to accept: %s", error_name(errno));
    return talk;
}

void show_poll(const char *label, int fd)
{
    struct pollfd one = {fd, POLLIN | POLLOUT | POLLRDHUP | POLLPRI, 0};
    int count = poll(&one, 1, 0);
    short bits = one.revents;
    say("%s: poll %d%s%s%s%s%s%s", label, count, bits & POLLIN ? " IN" : "",
        bits & POLLOUT ? " OUT" : "", bits & POLLPRI ? " PRI" : "",
        bits & POLLRDHUP ? " RDHUP" : "", bits & POLLHUP ? " HUP" : "",
        bits & POLLERR ? " ERR" : "");
}

void show_name(const char *label, int fd, int peer, int known)
{
    struct sockaddr_storage name;
    socklen_t size = sizeof name;
    char text[INET6_ADDRSTRLEN] = "?";
    memset(&name, 0, sizeof name);
    int result = peer ? getpeername(fd, (struct sockaddr *) &name, &size)
                      : getsockname(fd, (struct sockaddr *) &name, &size);
    if (result < 0) {
        say("%s: %s", label, error_name(errno));
        return;
    }
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    memcpy(&v4, &name, sizeof v4);
    memcpy(&v6, &name, sizeof v6);
    if (name.ss_family == AF_INET)
        inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
    else
        inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
    int port = port_in(&name);
    say("%s: family %d size %d address %s port %s", label, name.ss_family, (int) size, text,
        port == 0                              ? "none"
        : known >= 0 && port == port_of(known) ? "known"
                                               : "other");
}

void show_error(const char *label, int fd)
{
    int error = -1;
    socklen_t size = sizeof error;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
        say("%s: SO_ERROR fails: %s", label, error_name(errno));
    else
        say("%s: SO_ERROR is %s", label, error ? error_name(error) : "0");
}

int set_option(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof value);
}

int get_option(int fd, int level, int name)
{
    int value = -77;
    socklen_t size = sizeof value;
    if (getsockopt(fd, level, name, &value, &size) < 0)
        return -1;
    return size == sizeof value ? value : -78;
}

void show_read(const char *label, int fd)
{
    char block[200];
    ssize_t count = recv(fd, block, sizeof block, MSG_DONTWAIT);
    if (count < 0)
        say("%s: %s", label, error_name(errno));
    else
        say_bytes(label, block, count);
}

void ignore_pipe_signal(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, NULL);
}

void settle(void)
{
    pause_ms(1);
}
