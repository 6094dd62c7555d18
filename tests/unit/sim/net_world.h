/* SPDX-License-Identifier: ISC */
/* What the tests of the simulated network share: a few hosts with addresses, small programs on
 * them, and what these wrote. */
#ifndef TESTS_UNIT_SIM_NET_WORLD_H
#define TESTS_UNIT_SIM_NET_WORLD_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>

#include "sim/kernel/net.h"
#include "tests/unit/sim/machine.h"

#define HOSTS 3
#define MS 1000000LL
#define NONE INT64_MIN

/* Host i has 192.0.2.(i+1) and 2001:db8::(i+1). */
static const char *const v4_names[HOSTS] = {"192.0.2.1", "192.0.2.2", "192.0.2.3"};
static const char *const v6_names[HOSTS] = {"2001:db8::1", "2001:db8::2", "2001:db8::3"};

struct net_world {
    struct kernel *kernel;
    struct host *host[HOSTS];
    struct machine said[HOSTS]; /* output and status of the programs of each */
};

static inline void net_install(struct host *host, const struct test_program *programs)
{
    for (; programs->name; programs++) {
        char path[64], text[64];
        snprintf(path, sizeof path, "/bin/%s", programs->name);
        snprintf(text, sizeof text, "#!nixie %s\n", programs->name);
        if (host_write_file(host, path, text, strlen(text), 0, 0, 0755) != 0)
            abort();
    }
    vfs_settle(host_vfs(host));
}

static inline struct net_world *net_world_create(const struct kernel_options *options,
                                                 const struct test_program *programs)
{
    struct net_world *world = calloc(1, sizeof *world);
    world->kernel = kernel_create(options);
    for (const struct test_program *one = programs; one->name; one++)
        kernel_register_program(world->kernel, one->name, one->main);
    for (int i = 0; i < HOSTS; i++) {
        char name[] = "host0";
        name[4] = (char) ('0' + i);
        struct host_options host = {.name = name, .disk = disk_model_named("honest")};
        world->host[i] = host_create(world->kernel, &host);
        world->said[i].kernel = world->kernel;
        world->said[i].host = world->host[i];
        net_install(world->host[i], programs);
        if (host_add_address(world->host[i], v4_names[i]) != 0 ||
            host_add_address(world->host[i], v6_names[i]) != 0)
            abort();
    }
    return world;
}

static inline void net_world_destroy(struct net_world *world)
{
    kernel_destroy(world->kernel);
    free(world);
}

/* Starts /bin/NAME on a host with up to two arguments. */
static inline struct process *net_start(struct net_world *world, int host, const char *name,
                                        const char *a, const char *b)
{
    return machine_start_as(&world->said[host], 0, name, a, b);
}

/* --- for the programs --------------------------------------------------------------------------*/

static inline void tell(const char *format, ...)
{
    char line[300];
    va_list list;
    va_start(list, format);
    int length = vsnprintf(line, sizeof line, format, list);
    va_end(list);
    sim_write(1, line, (size_t) length);
}

static inline int64_t now_ms(void)
{
    struct timespec time;
    sim_clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000LL + time.tv_nsec / 1000000;
}

/* An address of either family in one object; its size. */
static inline socklen_t address_of(const char *text, int port, struct sockaddr_storage *to)
{
    struct sockaddr_in6 v6;
    struct sockaddr_in v4;
    memset(to, 0, sizeof *to);
    memset(&v4, 0, sizeof v4);
    memset(&v6, 0, sizeof v6);
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
        v4.sin_family = AF_INET;
        v4.sin_port = htons((uint16_t) port);
        memcpy(to, &v4, sizeof v4);
        return sizeof v4;
    }
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons((uint16_t) port);
    inet_pton(AF_INET6, text, &v6.sin6_addr);
    memcpy(to, &v6, sizeof v6);
    return sizeof v6;
}

static inline int net_socket(const char *address, int type)
{
    return sim_socket(strchr(address, ':') ? AF_INET6 : AF_INET, type, 0);
}

static inline int net_bind(int fd, const char *address, int port)
{
    struct sockaddr_storage to;
    socklen_t size = address_of(address, port, &to);
    return sim_bind(fd, (struct sockaddr *) &to, size);
}

static inline int net_connect(int fd, const char *address, int port)
{
    struct sockaddr_storage to;
    socklen_t size = address_of(address, port, &to);
    return sim_connect(fd, (struct sockaddr *) &to, size);
}

static inline int net_listen(const char *address, int port, int backlog)
{
    int fd = net_socket(address, SOCK_STREAM), yes = 1;
    sim_setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (net_bind(fd, address, port) < 0 || sim_listen(fd, backlog) < 0)
        return -1;
    return fd;
}

/* Connects; -1 with errno. */
static inline int net_dial(const char *address, int port)
{
    int fd = net_socket(address, SOCK_STREAM);
    if (net_connect(fd, address, port) == 0)
        return fd;
    int error = errno;
    sim_close(fd);
    errno = error;
    return -1;
}

/* "ADDRESS PORT" of a decoded address. */
static inline void address_text(const struct sockaddr_storage *address, char text[80])
{
    char name[INET6_ADDRSTRLEN];
    if (address->ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const void *) address;
        inet_ntop(AF_INET, &v4->sin_addr, name, sizeof name);
        snprintf(text, 80, "%s %d", name, ntohs(v4->sin_port));
    } else {
        const struct sockaddr_in6 *v6 = (const void *) address;
        inet_ntop(AF_INET6, &v6->sin6_addr, name, sizeof name);
        snprintf(text, 80, "%s %d", name, ntohs(v6->sin6_port));
    }
}

#endif
