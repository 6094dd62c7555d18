/* SPDX-License-Identifier: ISC */
/*
 * What the sequences over TCP and UDP share.  Each of them runs in four ways: by IPv4, by IPv6,
 * by IPv4 to a dual-stack socket, and by a mapped address to an IPv4 socket.  Only loopback
 * addresses; ports are chosen by the kernel and not printed.
 */
#ifndef TESTS_KERNEL_SEQ_INET_H
#define TESTS_KERNEL_SEQ_INET_H

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include "tests/kernel/sequences.h"

struct way {
    int family;         /* of the server's socket */
    const char *listen; /* the address it is bound to */
    int client_family;
    const char *connect; /* how the client names it */
};

extern const struct way way_v4, way_v6, way_dual, way_mapped;

/* An address of a family (text as inet_pton takes it); its size. */
socklen_t make_address(int family, const char *text, int port, struct sockaddr_storage *to);

int bind_to(int fd, int family, const char *address, int port);
int connect_to(int fd, int family, const char *address, int port);
/* The local port of a socket; 0: none. */
int port_of(int fd);

/* A port that is free at every address of both families. */
int free_port(int type);

/* A server's socket of `type` at a port chosen by the kernel, and with a backlog. */
int bound_socket(const struct way *way, int type);
int listening_socket(const struct way *way, int backlog);
/* A client's socket, and its connect to what `server` is bound to. */
int client_socket(const struct way *way, int type);
int connect_client(const struct way *way, int fd, int server);

/* Two connected ends. */
struct talk {
    int listener, client, server;
};
struct talk make_talk(const struct way *way);

/* Prints poll bits. */
void show_poll(const char *label, int fd);
/* Prints what getsockname (or, peer, getpeername) tells; the port as "none", "PORT's" if it is
 * that of `known` (a descriptor), "other". */
void show_name(const char *label, int fd, int peer, int known);
/* Prints and clears SO_ERROR. */
void show_error(const char *label, int fd);
int set_option(int fd, int level, int name, int value);
int get_option(int fd, int level, int name);
/* Reads what is there and prints it. */
void show_read(const char *label, int fd);
void ignore_pipe_signal(void);
/* Lets what is on the way arrive: on the real kernel it may be a moment late. */
void settle(void);

/* For tables: X(function, text) lists make a function and an entry for each way. */
#define WRAP_WAYS(function, text)                                                                  \
    static void function##_v4(void)                                                                \
    {                                                                                              \
        function(&way_v4);                                                                         \
    }                                                                                              \
    static void function##_v6(void)                                                                \
    {                                                                                              \
        function(&way_v6);                                                                         \
    }                                                                                              \
    static void function##_dual(void)                                                              \
    {                                                                                              \
        function(&way_dual);                                                                       \
    }                                                                                              \
    static void function##_mapped(void)                                                            \
    {                                                                                              \
        function(&way_mapped);                                                                     \
    }
#define ENTER_WAYS(function, text)                                                                 \
    {text " (v4)", function##_v4}, {text " (v6)", function##_v6},                                  \
        {text " (dual)", function##_dual}, {text " (mapped)", function##_mapped},

#endif
