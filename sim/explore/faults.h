/* SPDX-License-Identifier: ISC */
/*
 * The faults that an explorer puts into a run, one after another: of each call of its base run it
 * asks here what may go wrong in it.  sim/world/fault_table.c has the table.
 */
#ifndef SIM_EXPLORE_FAULTS_H
#define SIM_EXPLORE_FAULTS_H

#include "sim/scenario/run.h"

/* Set of kinds (FAULTS_... of sim/world/faults.h) as `--faults LIST` names them: all|none, or some
 * of enospc,edquot,eio,emfile,enfile,enomem,eintr,short,slow,clock,spawn,wakeup,network,memory.
 * Returns 0, or -1: some word is none of these. */
int faults_parse(const char *list, unsigned *set);
/* The name of one of them. */
const char *faults_name(unsigned one);

/* What may go wrong in this call, before it takes effect, of one of the server's programs (or, of
 * FAULTS_NETWORK, of an actor); calls tell() for each.
 *
 *   an error            once; ENOSPC and ENFILE also for a minute, for every program of the host
 *   short               1 byte
 *   slow                30 s
 *   clock               3 hours forward, 3 hours back
 *   network             a datagram is lost; a connection is reset after each byte of what the call
 *                       sends (beyond 512 bytes after a choice of them)
 *
 * MEMORY is no matter of calls: see faults_of_memory. */
void faults_of_call(const struct world *world, const struct call *call, unsigned set,
                    void (*tell)(void *context, const struct fault_plan *fault), void *context);

/* Each allocation of a run that made `count` of them (run_result.allocations) fails, if `set` has
 * FAULTS_MEMORY. */
void faults_of_memory(uint64_t count, unsigned set,
                      void (*tell)(void *context, const struct fault_plan *fault), void *context);

#endif
