/* SPDX-License-Identifier: ISC */
/* Whether a try at a remote was put off for a reason: of the oracle VERDICT (judge.h). */
#ifndef SIM_WORLD_JUDGE_EXCHANGERS_H
#define SIM_WORLD_JUDGE_EXCHANGERS_H

#include "sim/world/world.h"

/* What is wrong with a try of that entry at a remote that is to be made again, in words; NULL:
 * nothing, or it cannot be told.  The dialogue must be made.  Of a try whose message may have been
 * taken ("Possible duplicate") it is not asked: no other server may have that. */
const char *put_off_without_cause(const struct world *world, const struct entry *entry,
                                  const struct attempt *attempt);

/* The DNS says of the recipient's domain that it takes no mail (RFC 7505). */
bool has_null_mx(const struct world *world, const char *recipient);

#endif
