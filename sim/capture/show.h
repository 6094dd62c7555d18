/* SPDX-License-Identifier: ISC */
/* A capture told: its SMTP sessions as transcripts. */
#ifndef SIM_CAPTURE_SHOW_H
#define SIM_CAPTURE_SHOW_H

#include "sim/capture/reader.h"
#include "sim/capture/smtp.h"

struct show_options {
    const char *name; /* of the file */
    bool verbose;     /* messages, long lines and secrets whole */
    uint64_t session; /* only that one; 0: all */
    FILE *to;
};

/* Tells of what there is; of files that were read in part, too.  Returns how many sessions. */
uint64_t show_capture(const struct capture *capture, const struct show_options *options);
/* One session; `number` is what it is called. */
void show_session(const struct smtp_session *session, uint64_t number,
                  const struct show_options *options);

#endif
