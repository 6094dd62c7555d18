/* SPDX-License-Identifier: ISC */
/* Whether a connection speaks SMTP, and who is the server. */
#ifndef SIM_CAPTURE_FLOW_KIND_H
#define SIM_CAPTURE_FLOW_KIND_H

#include "sim/capture/flow.h"

/* Looks at the first bytes of both sides, and sets kind and client if they tell.  `ended`: no more
 * will come, so that it is decided now. */
void flow_decide(struct flow *flow, bool ended);
/* True if the bytes begin with a command of SMTP. */
bool flow_is_command(const char *bytes, size_t size);

#endif
