/* SPDX-License-Identifier: ISC */
/* The words behind `nixie pcap`.  Each gets its own as argv[0] and returns the exit status. */
#ifndef SIM_COMMAND_PCAP_H
#define SIM_COMMAND_PCAP_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "sim/capture/reader.h"

int pcap_capture(int argc, char **argv);
int pcap_show(int argc, char **argv);
int pcap_import(int argc, char **argv);

/* Reads a decimal number of `least` to `most`.  Returns false if it is none. */
bool pcap_number(const char *text, uint64_t least, uint64_t most, uint64_t *number);

/* Takes a port where SMTP is spoken.  Returns false if it is none, or one too many. */
bool pcap_add_port(struct flows *flows, const char *text);
/* Reads the file `name`, or standard input for "-".  0, or -1 after telling why on standard error,
 * as `nixie pcap COMMAND`; what could be read is there. */
int pcap_open_capture(struct capture *capture, const char *command, const char *name);

#endif
