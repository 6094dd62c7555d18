/* SPDX-License-Identifier: ISC */
/*
 * A capture as a scenario (docs/scenario-language.md): its servers become remotes that answer as
 * those did, and its messages are sent to them.
 *
 * What a message is: transactions with the same sender, for recipients who had no final answer yet,
 * with the same content (if both have one), are tries of one message.  Those for all whom the
 * transaction before had too many of are part of its try, as our server would go on.  Sessions that
 * did not come to MAIL are earlier tries of what their client sends next: at once to another
 * server, or later to the same.  In the scenario one message goes after the other, at the times of
 * the capture or later, and is tried again when our server does; replies come in the same order for
 * each.
 */
#ifndef SIM_CAPTURE_IMPORT_H
#define SIM_CAPTURE_IMPORT_H

#include <stdio.h>

#include "sim/capture/reader.h"

enum import_side {
    IMPORT_CLIENT, /* ours sent: servers become remotes */
    IMPORT_SERVER  /* ours received: clients become clients */
};

struct import_options {
    const char *name;  /* of the capture */
    const char *title; /* of the scenario; NULL: `name` */
    enum import_side side;
    uint64_t first, last; /* sessions, counted as `nixie pcap show` does; 0, 0: all */
    bool keep_addresses;  /* remotes have the addresses of the capture */
    FILE *to;             /* gets the scenario */
    FILE *notes;          /* gets what cannot be told in it, a line each; NULL: nobody */
    /* Keeps a message that has no place in the scenario itself, and returns its path for a `file`
     * statement, which must last until the next call; NULL: it is cut.  May be NULL. */
    const char *(*keep)(void *context, const char *message, const char *text, size_t size);
    void *context;
};

struct import_result {
    uint64_t sessions; /* that there are */
    uint64_t messages; /* in the scenario */
    uint64_t left_out; /* sessions of which it has nothing */
    uint64_t notes;
};

/* Writes it.  What cannot be told stands in it as a comment, too. */
void import_capture(const struct capture *capture, const struct import_options *options,
                    struct import_result *result);

#endif
