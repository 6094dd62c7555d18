/* SPDX-License-Identifier: ISC */
/*
 * control/smtproutes: lines DOMAIN:RELAY[:PORT] that say where mail goes instead of to the mail
 * exchangers that the DNS names.
 *
 * DOMAIN is a domain, ".SUFFIX" (all domains that end so) or nothing (all others); a domain's own
 * line counts before suffixes, longer suffixes before shorter ones.  RELAY is a host name or an
 * address literal ("[192.0.2.1]", "[2001:db8::1]"); nothing means that the DNS is asked after all.
 * No I/O but in smtp_routes_load.
 */
#ifndef MTA_LIB_SMTP_ROUTES_H
#define MTA_LIB_SMTP_ROUTES_H

#include <stddef.h>

#include "mta/lib/buf.h"
#include "mta/lib/control.h"

#define SMTP_PORT 25

struct smtp_routes {
    struct control_map map;
};

/* Reads the file; the current directory is the home.  0, or -1 with errno. */
int smtp_routes_load(struct smtp_routes *routes);
void smtp_routes_free(struct smtp_routes *routes);

struct smtp_route {
    const char *relay; /* `relay_size` bytes, in the routes' memory */
    size_t relay_size;
    unsigned port;
};

/* The route of a domain (`size` bytes).  Returns 1; 0 if the DNS is to be asked; -1 with EINVAL
 * if the line that counts has no port where one must be. */
int smtp_routes_find(const struct smtp_routes *routes, const char *domain, size_t size,
                     struct smtp_route *route);

/* What two domains must have in common for a connection that was made for one to serve the other:
 * the relay with its port, or the domain itself; lower case, NUL-ended, in `key` (replaced).
 * Returns 0 or -1 as buf_add. */
int smtp_routes_key(const struct smtp_routes *routes, const char *domain, size_t size,
                    struct buf *key);

#endif
