/* SPDX-License-Identifier: ISC */
/*
 * Records what the hosts of one run send: the traffic between hosts, and of each host with itself
 * by its own addresses, to NAME.pcap; what a host sends to itself by a loopback address, which all
 * hosts have, to NAME.HOST-lo.pcap.  A file is made with its first packet.  The run is the same
 * with and without.
 */
#ifndef SIM_CAPTURE_RECORDER_H
#define SIM_CAPTURE_RECORDER_H

#include "sim/kernel/kernel.h"

struct recorder;

/* Before the first call of the run.  The texts are copied.  Never NULL. */
struct recorder *recorder_start(struct kernel *kernel, const char *directory, const char *name);

struct recorded {
    size_t files;
    uint64_t packets;
    char *failed; /* the path of the first file that could not be written, malloc'd; or NULL */
    int error;    /* why; 0: that has been told */
};

/* While the kernel still is; the recorder is gone then.  Adds to the counts of `recorded`, and
 * leaves a failure that is in it as it is. */
void recorder_end(struct recorder *recorder, struct recorded *recorded);

#endif
