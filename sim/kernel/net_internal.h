/* SPDX-License-Identifier: ISC */
/*
 * What the parts of the network share.
 *
 *   net.c         hosts' addresses, paths, cuts, power loss, the end
 *   net_name.c    socket addresses, decoded
 *   net_port.c    which ports are in use on a host
 *   socket_inet.c what TCP and UDP sockets have in common
 *   tcp.c         connect, listen, accept, shutdown, close
 *   tcp_flow.c    what is on the way from one end of a connection to the other
 *   tcp_input.c   what happens when it arrives
 *   tcp_data.c    reading and writing
 *   udp.c
 *   net_watch.c   what the observer is told
 *
 * There are no sequence numbers: a connection has two flows, each a queue of pieces (SYN, data,
 * FIN, RST) in order.  A piece leaves when the receiver's window has room, arrives when path and
 * bandwidth say so, and counts as acknowledged then.
 */
#ifndef SIM_KERNEL_NET_INTERNAL_H
#define SIM_KERNEL_NET_INTERNAL_H

#include <netinet/in.h>
#include <netinet/tcp.h>

#include "sim/kernel/internal.h"
#include "sim/kernel/net.h"
#include "sim/kernel/pool.h"
#include "sim/kernel/socket.h"

#define MILLISECONDS 1000000LL
#define MICROSECONDS 1000LL
#define DELAY_HOSTS (100 * MICROSECONDS)
#define DELAY_LOOPBACK (10 * MICROSECONDS)
#define TIME_WAIT_NS (60 * NANOSECONDS)

#define PIECE_SMALL ((size_t) 1536)
#define PIECE_LARGE ((size_t) 32768) /* no piece holds more */
#define PIECE_SLOW ((size_t) 1448)   /* where bandwidth is limited: a segment on Ethernet */

enum { PROTOCOL_TCP, PROTOCOL_UDP, PROTOCOLS };

#define PORT_BUCKETS 1024

/* A port in use on a host: by a socket, or (TIME_WAIT) by a connection that was. */
struct binding {
    struct binding *next, *previous; /* in the bucket */
    struct net_host *host;
    struct inet_socket *socket; /* NULL: TIME_WAIT */
    struct net_name local, remote;
    int protocol;
    bool connected; /* remote counts */
    bool by_bind;   /* not chosen by connect or sendto */
    bool reuse_address, reuse_port, only_v6, listening;
    uid_t uid;
    int64_t until_ns; /* TIME_WAIT */
    struct binding *next_waiting;
};

/* What holds for connections from one host to another.  Way 0 is from the one that opens. */
struct link {
    struct link *next;
    struct net_host *from, *to;
    struct net_path path;
    int64_t busy_ns[2]; /* until then the bytes of others are on the way */
};

struct net_host {
    struct net_host *next;
    struct net *net;
    struct host *host;
    bool off; /* powered off */
    struct in6_addr *addresses;
    size_t address_count;
    struct link *links;
    struct binding **buckets[PROTOCOLS]; /* PORT_BUCKETS each, or NULL */
    uint16_t next_port[PROTOCOLS];
    struct binding *first_waiting, *last_waiting; /* TIME_WAIT, by when it ends */
    struct inet_socket *sockets;
    struct inet_socket *first_listener, *last_listener;
};

struct path_rule {
    struct path_rule *next; /* the one set before */
    struct host *from, *to;
    struct net_path path;
};

struct cut_rule {
    struct cut_rule *next;
    struct host *from, *to;
    uint64_t nth; /* counts down */
    bool every;
    bool by_client;
    uint64_t bytes;
    enum net_cut how;
};

struct net {
    struct kernel *kernel;
    struct net_host *hosts, *last_host;
    struct path_rule *rules;
    struct cut_rule *cuts;
    struct connection *connections;
    struct datagram *flying; /* datagrams on the way */
    uint64_t connection_count;
    net_observer *observer; /* NULL: none */
    void *observer_context;
    struct pool bindings, connections_pool, sockets, controls, small, large, datagrams;
};

/* --- TCP on the way ----------------------------------------------------------------------------*/

enum piece_kind { SYN, SYN_ACK, ACK, DATA, FIN, RESET, UNREACHABLE };

struct inet_piece {
    struct inet_piece *next;
    enum piece_kind kind;
    uint32_t room, size, taken;
    uint64_t offset;    /* bytes of payload before it in the flow */
    int64_t arrival_ns; /* once it has left */
    char data[];
};

struct flow {
    struct timer timer; /* the next arrival, or the next try */
    struct inet_piece *first, *last;
    struct inet_piece *waiting; /* the first that has not left */
    uint64_t appended;          /* bytes of payload that were ever put in */
    size_t queued;              /* bytes that have not arrived */
    size_t in_flight;           /* of these, bytes that have left */
    int64_t last_arrival_ns;
    uint64_t arrived; /* bytes of payload */
    uint64_t cut_at;  /* UINT64_MAX: no cut */
    enum net_cut cut_how;
    bool busy;    /* flow_go is at work */
    bool stalled; /* until the timer */
    unsigned tries, way;
    int64_t stalled_ns; /* since when nothing arrives */
};

/* End 0 has opened it; way 0 leads from end 0 to end 1. */
struct connection {
    struct connection *next, *previous;
    struct net *net;
    struct link *link;        /* NULL: nobody has the address */
    struct net_host *host[2]; /* [1] NULL then */
    struct net_name name[2];
    struct inet_socket *end[2]; /* NULL: not there (yet, or no more) */
    bool graceful[2];           /* it is no more there after an exchange of FINs */
    bool cut;                   /* nothing arrives any more */
    unsigned held;              /* not to be freed */
    uint64_t number;            /* counts from 1 */
    void *note;                 /* of the observer */
    struct flow flow[2];
};

/* --- sockets -----------------------------------------------------------------------------------*/

/* What the socket layer above TCP remembers (SS_... in Linux). */
enum progress { UNCONNECTED, CONNECTING, CONNECTED };

struct inet_socket {
    struct inet_socket *next, *previous; /* of the host */
    struct net_host *host;
    struct file *file; /* NULL: in a backlog, or closed and not yet done */
    int family, protocol;
    uid_t uid;
    struct wait_queue queue;
    struct binding *binding;
    struct net_name local, remote;
    struct net_name bound; /* as given to bind */
    int error;             /* told once */
    bool shut_read, shut_write;
    bool reuse_address, reuse_port, keep_alive, no_delay, only_v6, broadcast, linger;
    int linger_seconds;
    int keep_idle, keep_interval, keep_count;
    int send_buffer, receive_buffer; /* as getsockopt tells */
    size_t send_limit, receive_limit;

    /* TCP */
    int state; /* TCP_ESTABLISHED, ... */
    enum progress progress;
    bool ended;    /* FIN has come: the end, whatever happens later */
    bool no_space; /* somebody wants to write */
    struct connection *connection;
    unsigned side; /* of it */
    struct inet_piece *first, *last;
    size_t unread;
    struct inet_socket *listener; /* whose backlog it is in */
    unsigned backlog, pending;
    struct inet_socket *first_ready, *last_ready, *first_half, *next_pending;
    struct inet_socket *next_listener;

    /* UDP */
    bool connected;
    struct net_name sent_to; /* the last destination: from there comes the answer */
    struct datagram *first_datagram, *last_datagram;
    size_t charged;
};

static inline struct inet_socket *inet_of(struct file *file)
{
    return file->object;
}

static inline struct kernel *inet_kernel(const struct inet_socket *socket)
{
    return socket->host->net->kernel;
}

/* --- net.c -------------------------------------------------------------------------------------*/
/* The network; made when it is first asked for. */
struct net *net_of(struct kernel *kernel);
/* The network side of a host; made when it is first asked for. */
struct net_host *net_host_of(struct host *host);
/* The host that `from` reaches at that address, itself for its own and loopback ones; or NULL. */
struct net_host *net_find(struct net_host *from, const struct in6_addr *address);
/* Whether a socket of that host can be bound to it. */
bool net_is_own(const struct net_host *host, const struct in6_addr *address);
/* The address that `host` talks to `to` from; -ENETUNREACH. */
int net_source(const struct net_host *host, const struct in6_addr *to, struct in6_addr *source);
struct link *net_link(struct net_host *from, struct net_host *to);
/* When what leaves now, `size` bytes, arrives; not before `last_ns`. */
int64_t net_arrival(struct link *link, unsigned way, size_t size, int64_t last_ns);
/* A listener has taken it up. */
void net_apply_cuts(struct connection *connection);

/* Where the bytes of one direction end, and how. */
struct cut {
    uint64_t at; /* UINT64_MAX: no cut */
    enum net_cut how;
};
/* The rules that mean the next connection from one host to another, which are counted down: lowers
 * `ways` of its client's and its server's bytes. */
void net_take_cuts(struct net *net, const struct host *from, const struct host *to,
                   struct cut ways[2]);

/* --- net_name.c --------------------------------------------------------------------------------*/
bool name_is_any(const struct in6_addr *address);
bool name_is_mapped(const struct in6_addr *address);
bool name_is_loopback(const struct in6_addr *address);
bool name_is_multicast(const struct in6_addr *address); /* or broadcast */
bool name_same_address(const struct in6_addr *a, const struct in6_addr *b);
bool name_same(const struct net_name *a, const struct net_name *b);
struct in6_addr name_any(int family);
/* 0.0.0.0 and :: stand for the loopback address. */
void name_resolve_any(struct net_name *name);
/* Decodes a destination or address to bind to for a socket of that family: -EINVAL (too short),
 * -EAFNOSUPPORT. */
int name_read(int family, const struct sockaddr *address, socklen_t size, struct net_name *name);
/* Writes it as an address of that family; its size. */
socklen_t name_write(int family, const struct net_name *name, struct sockaddr_storage *to);

/* --- net_port.c --------------------------------------------------------------------------------*/
/* Binds to `socket->local` (port 0: one is chosen, and put there).  -EADDRINUSE. */
int port_bind(struct inet_socket *socket);
/* Whether its address may become a listening one. */
bool port_may_listen(const struct inet_socket *socket);
/* For connect: a port so that no other connection is between `local` and `remote`, unless it has
 * one.  -EADDRNOTAVAIL. */
int port_connect(struct inet_socket *socket);
/* The binding of an accepted connection. */
void port_inherit(struct inet_socket *socket);
/* The socket's options have changed. */
void port_update(struct inet_socket *socket);
void port_release(struct inet_socket *socket);
/* Keeps the names of its connection taken for a minute. */
void port_time_wait(const struct inet_socket *socket);
/* Who hears on `to` what comes from `from`; or NULL. */
struct inet_socket *port_listener(const struct net_host *host, const struct net_name *to,
                                  const struct net_name *from);
struct inet_socket *port_receiver(const struct net_host *host, const struct net_name *to,
                                  const struct net_name *from);
/* Forgets all of a host. */
void port_forget(struct net_host *host);

/* --- socket_inet.c -----------------------------------------------------------------------------*/
struct inet_socket *inet_create(struct net_host *host, int family, int protocol);
struct file *inet_file(struct inet_socket *socket, int flags);
/* Frees it and all it holds; it must have left its connection. */
void inet_free(struct inet_socket *socket);
int inet_take_error(struct inet_socket *socket);
int inet_bind(struct file *file, const struct sockaddr *address, socklen_t size);
int inet_name(struct file *file, bool peer, struct sockaddr_storage *address, socklen_t *size);
int inet_get_option(struct file *file, int level, int name, void *value, socklen_t *size);
int inet_set_option(struct file *file, int level, int name, const void *value, socklen_t size);
struct wait_queue *inet_queue(struct file *file, struct process *process);
void inet_stat(struct file *file, struct stat *stat);
/* read(2) and write(2) by way of the socket operations. */
ssize_t inet_read(struct file *file, void *to, size_t size);
ssize_t inet_write(struct file *file, const void *from, size_t size);
static inline bool inet_can_wait(const struct file *file, int flags)
{
    return !(file->flags & 04000 /* O_NONBLOCK */) && !(flags & MSG_DONTWAIT);
}

/* --- tcp.c -------------------------------------------------------------------------------------*/
extern const struct file_operations tcp_operations;
void tcp_release(struct file *file);
/* It is over for this end: error (or 0), both directions shut.  Frees it if nobody holds it. */
void tcp_done(struct inet_socket *socket, int error);
/* The other end has reset it. */
void tcp_reset(struct inet_socket *socket, int error);
/* Takes a socket out of its connection. */
void tcp_leave(struct inet_socket *socket);
/* It waits for FINs only and nobody holds it: it becomes a TIME_WAIT. */
void tcp_linger(struct inet_socket *socket);
/* Out of the backlog; the listener has a place more. */
void tcp_unpend(struct inet_socket *socket);

/* --- tcp_flow.c --------------------------------------------------------------------------------*/
struct connection *connection_create(struct net *net);
void connection_free_unused(struct connection *connection);
void connection_free(struct connection *connection);
struct inet_piece *piece_take(struct net *net, enum piece_kind kind, size_t size);
void piece_give(struct net *net, struct inet_piece *piece);
/* Sends; the piece is taken over.  May change both ends, even free them. */
void flow_push(struct connection *connection, unsigned way, struct inet_piece *piece);
void flow_push_control(struct connection *connection, unsigned way, enum piece_kind kind);
/* What was on the way and has arrived is still on the way; the piece is taken over. */
void flow_put_back(struct flow *flow, struct inet_piece *piece);
/* What has not left never will. */
void flow_drop_waiting(struct connection *connection, unsigned way);
/* Nothing that is on the way arrives. */
void flow_drop(struct connection *connection, unsigned way);
/* Windows have changed. */
void flow_go(struct connection *connection, unsigned way);
/* The path has changed: what is on the way may arrive sooner. */
void flow_retime(struct connection *connection, unsigned way);

/* --- tcp_input.c -------------------------------------------------------------------------------*/
/* What a piece does when it arrives; it is taken over. */
void tcp_arrive(struct connection *connection, unsigned way, struct inet_piece *piece);
/* A SYN that cannot be answered now: the backlog is full. */
bool tcp_must_drop(struct connection *connection);
/* A reset for both ends of the socket's connection, when `bytes` more than it has sent so far have
 * arrived; may free the connection. */
void tcp_cut_after(struct inet_socket *socket, uint64_t bytes);
/* Nothing was acknowledged for too long. */
void tcp_give_up(struct connection *connection, unsigned way);

/* --- tcp_data.c --------------------------------------------------------------------------------*/
ssize_t tcp_send(struct file *file, struct socket_message *message);
ssize_t tcp_receive(struct file *file, struct socket_message *message);
short tcp_ready(struct file *file, struct process *process);
void tcp_drop_received(struct inet_socket *socket);
bool tcp_writable(const struct inet_socket *socket);

/* --- net_watch.c -------------------------------------------------------------------------------*/
/* Tell the observer, if there is one.  A piece leaves, and will be lost if nothing changes. */
void net_tell_left(struct connection *connection, unsigned way, const struct inet_piece *piece,
                   bool lost);
/* Of what arrived, `size` bytes were taken, or (FIN) the end. */
void net_tell_taken(struct connection *connection, unsigned way, enum piece_kind kind, size_t size);
void net_tell(struct connection *connection, unsigned way, enum net_happening what);
void net_tell_datagram(struct net *net, const struct net_datagram *datagram);
/* --- udp.c -------------------------------------------------------------------------------------*/
extern const struct file_operations udp_operations;
void udp_drop_received(struct inet_socket *socket);
/* Everything on the way is lost; at the end. */
void udp_drop_flying(struct net *net);

#endif
