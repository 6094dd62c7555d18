/* SPDX-License-Identifier: ISC */
/*
 * Where a recipient goes: which addresses are local, and under which local name.  Rules are those
 * of the control files locals, virtualdomains, percenthack and envnoathost (nixie-send(8)).
 * All comparisons are without regard to ASCII case.
 */
#ifndef MTA_LIB_REWRITE_H
#define MTA_LIB_REWRITE_H

#include <stdbool.h>
#include <stddef.h>

#include "mta/lib/buf.h"
#include "mta/lib/control.h"

struct rewrite {
    struct control_map locals;
    struct control_map virtualdomains; /* ADDRESS, DOMAIN, .SUFFIX or nothing ':' PREFIX */
    struct control_map percenthack;
    struct buf envnoathost;
};

/* Reads the control files below the current directory; a missing `locals` means control/me.
 * Returns 0, or -1 with errno (nothing is then held). */
int rewrite_load(struct rewrite *rewrite);

/* Reads locals and virtualdomains again.  Returns 0, or -1 with errno; what failed to load stays
 * as it was, and *failed names it. */
int rewrite_reload(struct rewrite *rewrite, const char **failed);

void rewrite_free(struct rewrite *rewrite);

/* Puts the address to deliver to into `address` (replaced) and tells whether it is local:
 *  - without '@': "@" envnoathost is added;
 *  - as long as the domain is in percenthack and the local part has a '%': a%b@c becomes a@b;
 *  - domain in locals: local;
 *  - virtualdomains has the address, else the domain, else a suffix of it that begins with '.',
 *    else the empty entry: with an empty prefix remote, else local as PREFIX-ADDRESS;
 *  - else remote.
 * Returns 0, or -1 with ENOMEM or EMSGSIZE. */
int rewrite_recipient(const struct rewrite *rewrite, const char *recipient, struct buf *address,
                      bool *is_local);

/* The address as it was before virtualdomains put a prefix in front: a pointer into `address`,
 * which is NUL-ended. */
const char *rewrite_strip(const struct rewrite *rewrite, const char *address);

#endif
