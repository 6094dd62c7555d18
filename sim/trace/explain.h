/* SPDX-License-Identifier: ISC */
/* What reports of deliveries, as they stand in a log, mean in plain words. */
#ifndef SIM_TRACE_EXPLAIN_H
#define SIM_TRACE_EXPLAIN_H

/* A sentence without its full stop for a report ("Sorry,_no_mailbox_here..."), or NULL if there is
 * nothing to be said beyond what it says itself.  Constant. */
const char *explain(const char *report);

#endif
