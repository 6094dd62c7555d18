/* SPDX-License-Identifier: ISC */
/*
 * What the preloaded library of a real process and the driver say to each other, over a stream
 * socket that belongs to one process: its own notes one way, replies the other.
 *
 * A process says HELLO when it begins (a program, or a fork), BEFORE and AFTER each call that is
 * asked for, WAIT when it waits in poll and nothing has happened, AWAKE when something has, and
 * STILL when it was asked (PROBE) and nothing has.  HELLO, BEFORE, AFTER and ASK get a REPLY, and
 * nothing happens before it is there.
 */
#ifndef SIM_REALITY_WIRE_H
#define SIM_REALITY_WIRE_H

#include <stdint.h>

#define WIRE_ENVIRONMENT "NIXIE_REALITY" /* the driver's socket */
#define WIRE_TAG "NIXIE_REALITY_TAG"
#define WIRE_PAGE "page"         /* beside the socket */
#define WIRE_SHARED_MEMORY "shm" /* beside it, too: instead of /dev/shm, where WIRE_ROOT is set */
#define WIRE_ROOT "NIXIE_REALITY_ROOT" /* where the machine's files are (place.h) */
#define WIRE_SIZE_MAX ((uint32_t) 64 << 20)
#define WIRE_DATA_MAX ((uint32_t) 1 << 20) /* of a call's data; the rest is not told */

enum wire_kind {
    WIRE_HELLO, /* argument: pid, tag, 1 of a fork; path: program, path2: working directory */
    WIRE_BEFORE,
    WIRE_AFTER,
    WIRE_WAIT, /* argument: number of this wait, milliseconds or -1, 1: PROBE cannot be answered */
    WIRE_AWAKE,
    WIRE_STILL,     /* argument: number of the probe, 1 if bytes that it sent are under way */
    WIRE_DIRECTORY, /* path: the working directory from now on */
    WIRE_ASK        /* data: the question; the reply has the answer behind it */
};

struct wire_note {
    uint32_t kind;
    int32_t call; /* enum call_id */
    int32_t fd;
    int32_t file;                                            /* BEFORE: enum file_kind of `fd` */
    uint32_t path_size, path2_size, data_size, address_size; /* bytes behind this, in this order; of
                                                                 paths with their NULs */
    int64_t argument[3];
    int64_t result; /* -errno */
};

enum wire_reply_kind { WIRE_REPLY, WIRE_PROBE, WIRE_WAKE };

struct wire_reply {
    uint32_t kind;
    uint32_t number; /* of the probe or the wait */
    int32_t error;
    uint32_t flags;
    uint64_t limit;
    uint64_t calls; /* HELLO: the set of calls to tell of, bits of enum call_id */
    uint64_t
        cuts[2];   /* CUTS: bytes that this side and the other send before the reset; UINT64_MAX */
    uint64_t size; /* bytes behind this: an answer */
};

#define WIRE_DISCARDS 1u
#define WIRE_RESETS 2u
#define WIRE_CUTS 8u   /* the connection is reset when so many more bytes have arrived */
#define WIRE_SILENT 4u /* a connection that never comes about */

/* Where no network of its own can be had, addresses are rewritten: number i of `addresses` is
 * `network` + WIRE_FIRST + i of 127.0.0.0/8, loopback addresses are `network` + WIRE_LOOPBACK, and
 * ports below WIRE_PORTS are WIRE_PORT_SHIFT higher. */
#define WIRE_ADDRESSES 1000
#define WIRE_NETWORK_BITS 10 /* of an address within `network` */
#define WIRE_LOOPBACK 1u
#define WIRE_FIRST 2u
#define WIRE_PORTS 1024
#define WIRE_PORT_SHIFT 31000

/* Where paths of the network take time, `argument` of a call that sends to an internet address
 * (CALL_connect of TCP, CALL_write, CALL_sendmsg): how it is sent, whether this side has listened,
 * and WIRE_SENDS; `address` is the other side's. */
enum wire_turn {
    WIRE_ON,   /* on what went before */
    WIRE_TURN, /* the first after something has come */
    WIRE_FIRST_TURN,
    WIRE_QUESTION /* the first datagram of some */
};
#define WIRE_SENDS 0x73656e64

/* What all processes see: a file that is mapped. */
struct wire_page {
    int64_t wall_step_ns; /* the wall clock is so much ahead of the monotonic one */
    uint32_t takes_time;  /* paths of the network do: see WIRE_SENDS */
    uint32_t network;     /* in host order; 0: addresses are real */
    uint32_t address_count;
    uint8_t addresses[WIRE_ADDRESSES][16]; /* the scenario's; IPv4 as ::ffff:192.0.2.1 */
};

#endif
