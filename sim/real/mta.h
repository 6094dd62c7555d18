/* SPDX-License-Identifier: ISC */
/* `nixie mta`: a real local server below one directory, its home (docs/architecture.md). */
#ifndef SIM_REAL_MTA_H
#define SIM_REAL_MTA_H

/*
 * Runs `nixie mta ...`: argv[0] is "mta", argv[1] the command (init, user, start, stop, status).
 * Tells of errors on standard error, of results on standard output.  Returns the exit status:
 * 0 done (status: running), 1 no (status: not running), 2 the command is wrong, 3 the machine
 * lacks something.  `start` does not return when it succeeds: the process becomes nixie-start.
 */
int mta_command(int argc, char **argv);

#endif
