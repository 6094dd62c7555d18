/* SPDX-License-Identifier: ISC */
/* What the files of smtp-client share: the configuration. */
#ifndef SIM_ACTORS_SMTP_CLIENT_CLIENT_H
#define SIM_ACTORS_SMTP_CLIENT_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mta/lib/buf.h"
#include "sim/actors/lib/config.h"
#include "sim/actors/lib/courier.h"
#include "sim/actors/lib/endpoint.h"

#define CLIENT_ADDRESSES_MAX 64
#define CLIENT_RECIPIENTS_MAX 10000
#define CLIENT_OPTIONS_MAX 16
#define CLIENT_TRIES_MAX 1000000

struct client {
    struct config config; /* texts below belong to it */
    struct endpoint addresses[CLIENT_ADDRESSES_MAX];
    size_t address_count;
    struct buf recipients; /* of const char *: all of them */
    size_t recipient_count;
    const char *options[CLIENT_OPTIONS_MAX];
    struct courier_letter letter; /* but for recipients */
    bool raw;
    struct buf wire;
    int64_t every_ms;
    uint64_t tries;     /* at most; 0: until accepted */
    uint64_t cut_tries; /* only so many are cut */
};

/* Reads fd 0.  0, or -1 after telling why on fd 2 (client_free is due anyway). */
int client_configure(struct client *client);
void client_free(struct client *client);

#endif
