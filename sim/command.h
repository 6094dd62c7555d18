/* SPDX-License-Identifier: ISC */
/* The sub-commands of nixie that work on scenario files and logs.  Each gets its own name as
 * argv[0] and returns the exit status of the process. */
#ifndef SIM_COMMAND_H
#define SIM_COMMAND_H

#include <stdbool.h>

enum exit_status {
    STATUS_HELD = 0,
    STATUS_FAILED = 1,  /* an expectation or an oracle */
    STATUS_WRONG = 2,   /* the command or a file */
    STATUS_LACKING = 3, /* this machine lacks something, or everything was skipped */
    STATUS_BROKEN = 4,  /* Nixie itself */
    STATUS_INTERRUPTED = 130
};

/* True if one of the arguments is --help or -h; none behind "--" is. */
bool asked_for_help(int argc, char **argv);

int command_run(int argc, char **argv);
int command_check(int argc, char **argv);
int command_fmt(int argc, char **argv);
int command_diff(int argc, char **argv);
int command_explore(int argc, char **argv);
int command_shrink(int argc, char **argv);
int command_generate(int argc, char **argv);
int command_serve(int argc, char **argv);
int command_pcap(int argc, char **argv);
int command_trace(int argc, char **argv);

#endif
