/* SPDX-License-Identifier: ISC */
/*
 * In what order the addresses of a domain's mail exchangers are tried, and whether the way leads
 * back to ourselves (RFC 5321 5.1).  No I/O, no allocation.
 */
#ifndef MTA_LIB_SMTP_TARGETS_H
#define MTA_LIB_SMTP_TARGETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct smtp_target {
    struct sockaddr_storage address; /* AF_UNSPEC: none is known, it is only there to be own */
    unsigned preference;             /* lower is better */
    bool is_own;                     /* it is this server, by its name or its address */
};

enum smtp_targets_result {
    SMTP_TARGETS_OK,
    SMTP_TARGETS_LOOP, /* we are a best one ourselves: mail would come back */
    SMTP_TARGETS_NONE, /* there is none with an address */
};

/* A number from 0 to below - 1, each as likely. */
typedef uint32_t smtp_targets_draw(void *context, uint32_t below);

/* Puts `targets` in the order in which they are to be tried, *count of them, and sets *count to
 * how many are left: if one is ourselves, those that are not better than it go.  Equal preferences
 * are in an order that `draw` chooses, which is asked only where there is a choice. */
enum smtp_targets_result smtp_targets_order(struct smtp_target *targets, size_t *count,
                                            smtp_targets_draw *draw, void *context);

#endif
