/* SPDX-License-Identifier: ISC */
/*
 * Writes capture files: pcap with nanoseconds, each packet from its IP header on (LINKTYPE_RAW).
 *
 * The packets go to a file without a name, or (where the file system has no such ones) beside, as
 * ".NAME.PROCESS".  It gets its name when it is complete: a file of that name is always a whole
 * capture, and what was there before stays until then.
 */
#ifndef SIM_CAPTURE_WRITER_H
#define SIM_CAPTURE_WRITER_H

#include <stddef.h>
#include <stdint.h>

struct capture_writer;

/* Begins a capture that will be DIRECTORY/NAME.  NULL with errno: it cannot be made. */
struct capture_writer *capture_open(const char *directory, const char *name);

/* Appends a packet; `time_ns` counts from 1970.  0; -1 with errno: it cannot be written (ENOSPC,
 * ...; EOVERFLOW: a time outside of 1970 to 2106, a packet of over 256 KiB), and neither can
 * others. */
int capture_add(struct capture_writer *writer, int64_t time_ns, const void *packet, size_t size);

uint64_t capture_count(const struct capture_writer *writer); /* of packets */

/* Completes it and gives it its name.  0; -1 with errno, also if a capture_add has failed: there is
 * no file then.  The writer is gone in any case. */
int capture_close(struct capture_writer *writer);

#endif
