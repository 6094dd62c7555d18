/* SPDX-License-Identifier: ISC */
/* The words behind `nixie pcap`.  Each gets its own as argv[0] and returns the exit status. */
#ifndef SIM_COMMAND_PCAP_H
#define SIM_COMMAND_PCAP_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

int pcap_capture(int argc, char **argv);

/* Reads a decimal number of `least` to `most`.  Returns false if it is none. */
bool pcap_number(const char *text, uint64_t least, uint64_t most, uint64_t *number);

#endif
