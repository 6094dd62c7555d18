/* SPDX-License-Identifier: ISC */
/* A capture file as its TCP connections: pcap in both byte orders, with micro- or nanoseconds, and
 * pcapng, by libpcap. */
#ifndef SIM_CAPTURE_READER_H
#define SIM_CAPTURE_READER_H

#include <stdio.h>

#include "sim/capture/flow.h"

#define CAPTURE_MEMORY_MAX ((size_t) 1 << 30) /* that connections may use */
#define CAPTURE_PROBLEM_SIZE 512

struct capture {
    struct flows flows;
    int link;              /* a DLT_ value */
    const char *link_name; /* static */
    bool swapped;          /* of the other byte order */
    uint64_t packets;
    uint64_t other;     /* that are no TCP over IP */
    uint64_t fragments; /* pieces of IP packets */
    uint64_t broken_up; /* IP packets of which pieces are missing */
    uint64_t cut;       /* of which headers are missing */
    uint64_t bad;       /* that cannot be */
    int64_t first_ns, last_ns;
    char problem[CAPTURE_PROBLEM_SIZE]; /* "": the file was read to its end */
};

/* Empty; then set what is to be different: flows.ports, flows.budget.left. */
void capture_init(struct capture *capture);
/* Reads all of `file`, and closes it.  0, or -1: `problem` says what is wrong; what was read before
 * that is there. */
int capture_read(struct capture *capture, FILE *file);
void capture_free(struct capture *capture);

#endif
