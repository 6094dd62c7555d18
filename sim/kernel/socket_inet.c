/* SPDX-License-Identifier: ISC */
/* What TCP and UDP sockets have in common: life, bind, names, options (ip(7), ipv6(7), socket(7)).
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "sim/kernel/net_internal.h"

#define FIRST_FREE_PORT 1024

/* Buffers as Linux has them before it tunes them, and what they are tuned to here. */
#define TCP_SEND_BUFFER 16384
#define TCP_RECEIVE_BUFFER 131072
#define TCP_LIMIT ((size_t) 131072)
#define UDP_BUFFER 212992
#define BUFFER_MAX 212992 /* net.core.wmem_max, rmem_max */
#define SEND_BUFFER_MIN 4608
#define RECEIVE_BUFFER_MIN 2304

/* --- life --------------------------------------------------------------------------------------*/

struct inet_socket *inet_create(struct net_host *host, int family, int protocol)
{
    struct inet_socket *socket = pool_take(&host->net->sockets, sizeof *socket);
    memset(socket, 0, sizeof *socket);
    socket->host = host;
    socket->family = family;
    socket->protocol = protocol;
    socket->state = TCP_CLOSE;
    socket->local.address = socket->remote.address = name_any(family);
    socket->bound = socket->local;
    bool tcp = protocol == PROTOCOL_TCP;
    socket->send_buffer = tcp ? TCP_SEND_BUFFER : UDP_BUFFER;
    socket->receive_buffer = tcp ? TCP_RECEIVE_BUFFER : UDP_BUFFER;
    socket->send_limit = socket->receive_limit = tcp ? TCP_LIMIT : UDP_BUFFER;
    socket->keep_idle = 7200;
    socket->keep_interval = 75;
    socket->keep_count = 9;
    socket->next = host->sockets;
    if (socket->next)
        socket->next->previous = socket;
    host->sockets = socket;
    return socket;
}

struct file *inet_file(struct inet_socket *socket, int flags)
{
    const struct file_operations *operations =
        socket->protocol == PROTOCOL_TCP ? &tcp_operations : &udp_operations;
    struct file *file = file_create(inet_kernel(socket), operations, O_RDWR | (flags & O_NONBLOCK));
    file->object = socket;
    socket->file = file;
    return file;
}

void inet_free(struct inet_socket *socket)
{
    struct net_host *host = socket->host;
    if (socket->previous)
        socket->previous->next = socket->next;
    else
        host->sockets = socket->next;
    if (socket->next)
        socket->next->previous = socket->previous;
    tcp_drop_received(socket);
    udp_drop_received(socket);
    port_release(socket);
    wait_drain(&socket->queue);
    pool_give(&host->net->sockets, socket);
}

static int check_type(int type, int protocol, int *found)
{
    if (type < 0 || type >= 11) /* Linux's SOCK_MAX */
        return -EINVAL;
    if (protocol < 0 || protocol >= 263) /* IPPROTO_MAX */
        return -EINVAL;
    if (type == SOCK_STREAM && (protocol == 0 || protocol == IPPROTO_TCP))
        *found = PROTOCOL_TCP;
    else if (type == SOCK_DGRAM && (protocol == 0 || protocol == IPPROTO_UDP))
        *found = PROTOCOL_UDP;
    else if (type == SOCK_STREAM || type == SOCK_DGRAM || type == SOCK_RAW)
        return -EPROTONOSUPPORT;
    else
        return -ESOCKTNOSUPPORT;
    return 0;
}

struct file *socket_inet_create(struct host *host, int family, int type, int protocol, int flags,
                                int *error)
{
    int found;
    int result = check_type(type, protocol, &found);
    if (result < 0) {
        *error = -result;
        return NULL;
    }
    struct inet_socket *socket = inet_create(net_host_of(host), family, found);
    socket->uid = running->cred.uid;
    return inet_file(socket, flags);
}

int inet_take_error(struct inet_socket *socket)
{
    int error = socket->error;
    socket->error = 0;
    return error;
}

/* --- names -------------------------------------------------------------------------------------*/

/* What is asked before the socket's own state. */
static int check_bind(const struct inet_socket *socket, const struct net_name *name)
{
    bool v6 = socket->family == AF_INET6;
    int privileged = name->port && name->port < FIRST_FREE_PORT && running->cred.uid != 0;
    if (v6 && name_is_multicast(&name->address) && socket->protocol == PROTOCOL_TCP)
        return -EINVAL;
    if (v6 && privileged)
        return -EACCES;
    if (v6 && (socket->binding || socket->state != TCP_CLOSE))
        return -EINVAL;
    if (v6 && socket->only_v6 && name_is_mapped(&name->address))
        return -EINVAL;
    if (!net_is_own(socket->host, &name->address))
        return -EADDRNOTAVAIL;
    if (privileged)
        return -EACCES;
    return socket->binding || socket->state != TCP_CLOSE ? -EINVAL : 0;
}

int inet_bind(struct file *file, const struct sockaddr *address, socklen_t size)
{
    struct inet_socket *socket = inet_of(file);
    struct net_name name;
    struct sockaddr_in v4;
    if (socket->family == AF_INET && size >= sizeof v4 && address->sa_family == AF_UNSPEC) {
        memcpy(&v4, address, sizeof v4); /* an old habit, but for 0.0.0.0 only */
        if (v4.sin_addr.s_addr != 0)
            return -EAFNOSUPPORT;
        v4.sin_family = AF_INET;
        address = (struct sockaddr *) &v4;
    }
    int result = name_read(socket->family, address, size, &name);
    if (result == 0)
        result = check_bind(socket, &name);
    if (result < 0)
        return result;
    struct net_name before = socket->local;
    socket->local = name;
    result = port_bind(socket);
    if (result < 0)
        socket->local = before;
    else
        socket->bound = name;
    return result;
}

int inet_name(struct file *file, bool peer, struct sockaddr_storage *address, socklen_t *size)
{
    struct inet_socket *socket = inet_of(file);
    bool connected = socket->protocol == PROTOCOL_UDP
                         ? socket->connected
                         : socket->state != TCP_CLOSE && socket->state != TCP_SYN_SENT;
    if (peer && (!connected || socket->remote.port == 0))
        return -ENOTCONN;
    *size = name_write(socket->family, peer ? &socket->remote : &socket->local, address);
    return 0;
}

/* --- options -----------------------------------------------------------------------------------*/

static int give(const void *from, size_t length, void *value, socklen_t *size)
{
    if (*size > length)
        *size = (socklen_t) length;
    memcpy(value, from, *size);
    return 0;
}

static int get_common(struct inet_socket *socket, int name, int *number)
{
    bool tcp = socket->protocol == PROTOCOL_TCP;
    switch (name) {
    case SO_ERROR:
        *number = inet_take_error(socket);
        return 0;
    case SO_TYPE:
        *number = tcp ? SOCK_STREAM : SOCK_DGRAM;
        return 0;
    case SO_DOMAIN:
        *number = socket->family;
        return 0;
    case SO_PROTOCOL:
        *number = tcp ? IPPROTO_TCP : IPPROTO_UDP;
        return 0;
    case SO_ACCEPTCONN:
        *number = socket->state == TCP_LISTEN;
        return 0;
    case SO_REUSEADDR:
        *number = socket->reuse_address;
        return 0;
    case SO_REUSEPORT:
        *number = socket->reuse_port;
        return 0;
    case SO_KEEPALIVE:
        *number = socket->keep_alive;
        return 0;
    case SO_BROADCAST:
        *number = socket->broadcast;
        return 0;
    case SO_SNDBUF:
        *number = socket->send_buffer;
        return 0;
    case SO_RCVBUF:
        *number = socket->receive_buffer;
        return 0;
    default:
        return -ENOPROTOOPT;
    }
}

static int get_tcp(const struct inet_socket *socket, int name, int *number)
{
    switch (name) {
    case TCP_NODELAY:
        *number = socket->no_delay;
        return 0;
    case TCP_KEEPIDLE:
        *number = socket->keep_idle;
        return 0;
    case TCP_KEEPINTVL:
        *number = socket->keep_interval;
        return 0;
    case TCP_KEEPCNT:
        *number = socket->keep_count;
        return 0;
    default:
        return -ENOPROTOOPT;
    }
}

int inet_get_option(struct file *file, int level, int name, void *value, socklen_t *size)
{
    struct inet_socket *socket = inet_of(file);
    int number = 0, result = -EOPNOTSUPP;
    if (level == SOL_SOCKET && name == SO_LINGER) {
        struct linger linger = {socket->linger, socket->linger_seconds};
        return give(&linger, sizeof linger, value, size);
    }
    if (level == SOL_SOCKET)
        result = get_common(socket, name, &number);
    else if (level == IPPROTO_TCP && socket->protocol == PROTOCOL_TCP)
        result = get_tcp(socket, name, &number);
    else if (level == IPPROTO_IPV6 && socket->family == AF_INET6) {
        result = name == IPV6_V6ONLY ? 0 : -ENOPROTOOPT;
        number = socket->only_v6;
    } else if (level == IPPROTO_IP)
        result = -ENOPROTOOPT;
    return result < 0 ? result : give(&number, sizeof number, value, size);
}

/* Linux keeps twice of what is asked for, for its own overhead; at most what an admin allows. */
static int buffer_size(int asked, int least)
{
    int size = asked < 0 || asked > BUFFER_MAX ? BUFFER_MAX : asked;
    return size * 2 < least ? least : size * 2;
}

static int set_common(struct inet_socket *socket, int name, int number)
{
    switch (name) {
    case SO_REUSEADDR:
        socket->reuse_address = number != 0;
        break;
    case SO_REUSEPORT:
        socket->reuse_port = number != 0;
        break;
    case SO_KEEPALIVE: /* without effect here */
        socket->keep_alive = number != 0;
        break;
    case SO_BROADCAST:
        socket->broadcast = number != 0;
        break;
    case SO_SNDBUF:
        socket->send_buffer = buffer_size(number, SEND_BUFFER_MIN);
        socket->send_limit = (size_t) socket->send_buffer;
        break;
    case SO_RCVBUF:
        socket->receive_buffer = buffer_size(number, RECEIVE_BUFFER_MIN);
        socket->receive_limit = (size_t) socket->receive_buffer / 2;
        break;
    case SO_TYPE:
    case SO_DOMAIN:
    case SO_PROTOCOL:
    case SO_ERROR:
    case SO_ACCEPTCONN:
    default: /* SO_RCVTIMEO and SO_SNDTIMEO, too: programs wait in poll */
        return -ENOPROTOOPT;
    }
    port_update(socket);
    return 0;
}

static int set_keep(int *to, int number, int most)
{
    if (number < 1 || number > most)
        return -EINVAL;
    *to = number;
    return 0;
}

static int set_tcp(struct inet_socket *socket, int name, int number)
{
    switch (name) {
    case TCP_NODELAY: /* nothing is ever held back */
        socket->no_delay = number != 0;
        return 0;
    case TCP_KEEPIDLE:
        return set_keep(&socket->keep_idle, number, 32767);
    case TCP_KEEPINTVL:
        return set_keep(&socket->keep_interval, number, 32767);
    case TCP_KEEPCNT:
        return set_keep(&socket->keep_count, number, 127);
    default:
        return -ENOPROTOOPT;
    }
}

static int set_linger(struct inet_socket *socket, const void *value, socklen_t size)
{
    struct linger linger;
    if (size < sizeof linger)
        return -EINVAL;
    memcpy(&linger, value, sizeof linger);
    socket->linger = linger.l_onoff != 0;
    if (socket->linger)
        socket->linger_seconds = linger.l_linger;
    return 0;
}

int inet_set_option(struct file *file, int level, int name, const void *value, socklen_t size)
{
    struct inet_socket *socket = inet_of(file);
    int number;
    if (level == SOL_SOCKET && name == SO_LINGER)
        return set_linger(socket, value, size);
    if (size < sizeof number)
        return -EINVAL;
    memcpy(&number, value, sizeof number);
    if (level == SOL_SOCKET)
        return set_common(socket, name, number);
    if (level == IPPROTO_TCP && socket->protocol == PROTOCOL_TCP)
        return set_tcp(socket, name, number);
    if (level == IPPROTO_IPV6 && socket->family == AF_INET6) {
        if (name != IPV6_V6ONLY)
            return -ENOPROTOOPT;
        if (socket->binding)
            return -EINVAL;
        socket->only_v6 = number != 0;
        return 0;
    }
    return -ENOPROTOOPT;
}

/* --- files -------------------------------------------------------------------------------------*/

struct wait_queue *inet_queue(struct file *file, struct process *process)
{
    (void) process;
    return &inet_of(file)->queue;
}

void inet_stat(struct file *file, struct stat *stat)
{
    (void) file;
    memset(stat, 0, sizeof *stat);
    stat->st_mode = S_IFSOCK | 0777;
    stat->st_nlink = 1;
    stat->st_blksize = 4096;
}

ssize_t inet_read(struct file *file, void *to, size_t size)
{
    struct socket_message message;
    if (size == 0)
        return 0;
    message.data = to;
    message.size = size;
    message.flags = message.out_flags = 0;
    message.file_count = 0;
    message.address = NULL;
    message.from_size = 0;
    return file->operations->socket->receive(file, &message);
}

ssize_t inet_write(struct file *file, const void *from, size_t size)
{
    struct socket_message message;
    message.data = (char *) (uintptr_t) from;
    message.size = size;
    message.flags = 0;
    message.file_count = 0;
    message.address = NULL;
    return file->operations->socket->send(file, &message);
}
