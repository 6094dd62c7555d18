/* SPDX-License-Identifier: ISC */
/*
 * Makes up scenarios: hosts, users, remote servers, messages, and what goes wrong.  Which features
 * a scenario has is drawn first, each with a chance that is drawn as well ("swarm"): most have few
 * of them, and those meet often.
 */
#ifndef SIM_EXPLORE_GENERATE_H
#define SIM_EXPLORE_GENERATE_H

#include <stddef.h>
#include <stdint.h>

/* The text of a scenario, in the one right form, without an `expect`: it is for the oracles.  The
 * same seed always gives the same text.  malloc'd, with a NUL behind its *size bytes. */
char *generate_scenario(uint64_t seed, size_t *size);

#endif
