/* SPDX-License-Identifier: ISC */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sim/capture/synth_internal.h"
#include "sim/world/pool.h"

#define MTU 1500
#define MTU_INSIDE 65535

struct synth *synth_create(synth_sink *sink, void *context)
{
    struct synth *synth = must_zeroed(sizeof *synth);

    synth->sink = sink;
    synth->context = context;
    return synth;
}

void synth_free(struct synth *synth)
{
    if (synth)
        synth_tcp_free(synth);
    free(synth);
}

/* --- packets -----------------------------------------------------------------------------------*/

static bool is_loopback(const struct net_name *name)
{
    return packet_is_v4(name) ? name->address.s6_addr[12] == 127
                              : IN6_IS_ADDR_LOOPBACK(&name->address);
}

unsigned char *synth_content(struct synth *synth, const struct net_name *from)
{
    return synth->bytes + packet_header_size(from);
}

void synth_send(struct synth *synth, int64_t wall_ns, const struct host *inside,
                const struct net_name *from, const struct net_name *to, uint8_t protocol,
                size_t size)
{
    bool loopback = is_loopback(from) || is_loopback(to);

    size = packet_ip(synth->bytes, from, to, protocol, synth_content(synth, from), size);
    synth->sink(synth->context, loopback ? inside : NULL, wall_ns, synth->bytes, size);
}

/* What stands for the network between the hosts. */
static struct net_name network_for(const struct net_name *host)
{
    struct net_name name = {0};

    inet_pton(AF_INET6, packet_is_v4(host) ? "::ffff:192.0.0.8" : "fe80::1", &name.address);
    return name;
}

void synth_unreachable(struct synth *synth, int64_t wall_ns, const struct host *inside,
                       const struct net_name *from, const struct net_name *to, size_t quoted)
{
    struct net_name network = network_for(to);
    const struct net_name *source = from ? from : &network;
    size_t size = packet_unreachable(synth_content(synth, to), source, to, from != NULL,
                                     synth->quoted, quoted);

    synth_send(synth, wall_ns, inside, source, to, packet_is_v4(to) ? PACKET_ICMP : PACKET_ICMP6,
               size);
}

/* --- datagrams ---------------------------------------------------------------------------------*/

/* Sends what is in synth->quoted, as UDP has written it, in fragments. */
static void send_parts(struct synth *synth, const struct net_datagram *datagram, size_t whole,
                       size_t mtu)
{
    size_t header = packet_header_size(&datagram->from) + (packet_is_v4(&datagram->from) ? 0 : 8);
    size_t most = (mtu - header) / 8 * 8;
    struct packet_part part = {.identification = ++synth->identification};

    for (; part.offset < whole; part.offset += most) {
        size_t left = whole - part.offset, size = left < most ? left : most;

        part.more = size < left;
        size = packet_ip_part(synth->bytes, &datagram->from, &datagram->to, PACKET_UDP, &part,
                              synth->quoted + part.offset, size);
        synth->sink(synth->context, is_loopback(&datagram->from) ? datagram->inside : NULL,
                    datagram->wall_ns, synth->bytes, size);
    }
}

static void send_datagram(struct synth *synth, const struct net_datagram *datagram)
{
    const struct net_name *from = &datagram->from, *to = &datagram->to;
    size_t mtu = datagram->inside ? MTU_INSIDE : MTU;

    if (packet_header_size(from) + 8 + datagram->size > mtu) {
        size_t whole = packet_udp(synth->quoted, from, to, datagram->data, datagram->size);

        send_parts(synth, datagram, whole, mtu);
        return;
    }
    synth_send(synth, datagram->wall_ns, datagram->inside, from, to, PACKET_UDP,
               packet_udp(synth_content(synth, from), from, to, datagram->data, datagram->size));
}

/* It is told to the one who sent it.  Of a datagram in fragments the first is quoted. */
static void tell_sender(struct synth *synth, const struct net_datagram *datagram)
{
    const struct net_name *from = &datagram->from, *to = &datagram->to;
    size_t header = packet_header_size(from);
    size_t size = packet_udp(synth->quoted + header, from, to, datagram->data, datagram->size);

    size = packet_ip(synth->quoted, from, to, PACKET_UDP, synth->quoted + header, size);
    synth_unreachable(synth, datagram->wall_ns, datagram->inside,
                      datagram->error == ECONNREFUSED ? to : NULL, from, size);
}

void synth_observe(void *context, const struct net_event *event,
                   const struct net_datagram *datagram)
{
    struct synth *synth = context;

    if (event)
        synth_tcp(synth, event);
    else if (datagram->error)
        tell_sender(synth, datagram);
    else
        send_datagram(synth, datagram);
}
