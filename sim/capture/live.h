/* SPDX-License-Identifier: ISC */
/*
 * Captures packets of a network interface into a pcap file (nanoseconds), with libpcap.
 *
 * Needs CAP_NET_RAW in the network namespace it runs in: root, or root of a user namespace that
 * owns the network namespace.
 */
#ifndef SIM_CAPTURE_LIVE_H
#define SIM_CAPTURE_LIVE_H

#include <stdint.h>
#include <stdio.h>

#define LIVE_PROBLEM_SIZE 512
#define LIVE_PORTS_MAX 32
#define LIVE_SNAPLEN 262144

struct live_options {
    const char *interface; /* its name, "lo" or "any" */
    const char *path;      /* written anew; "-" is standard output */
    const char *filter;    /* as pcap-filter(7) says; NULL: TCP of the ports */
    uint16_t ports[LIVE_PORTS_MAX];
    size_t port_count;
    int snaplen;         /* bytes of a packet that are kept, 1 to LIVE_SNAPLEN */
    uint64_t count;      /* packets to stop after; 0: no limit */
    int64_t duration_ns; /* to stop after; 0: no limit */
    FILE *to;            /* gets the line "listening on ..." when no packet is missed any more */
};

struct live_result {
    uint64_t packets;
    uint64_t dropped; /* by the kernel, for want of room */
    int signal;       /* that stopped it, or 0 */
    char problem[LIVE_PROBLEM_SIZE];
};

enum live_end {
    LIVE_DONE,
    LIVE_WRONG,   /* no such interface, a wrong filter, a file that cannot be written */
    LIVE_LACKING, /* no permission, the interface is down or went away, no room for the file */
};

/* Captures until SIGINT or SIGTERM comes (which it takes from a signalfd, so that they also work
 * where a shell ignored them), the count is reached, or the time is over.  Each packet that
 * came before is in the file then; while it captures, a hundredth of a second after it came.
 * `result` is filled in; `problem` says what was in the way if the value is not LIVE_DONE.  Packets
 * that were written by then are in the file. */
enum live_end live_capture(const struct live_options *options, struct live_result *result);

#endif
