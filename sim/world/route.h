/* SPDX-License-Identifier: ISC */
/*
 * Where the server must take each recipient of a message in its spool, worked out here from the
 * control files that the scenario gives the host (locals, virtualdomains, percenthack,
 * envnoathost), by the rules of nixie-send(8) and without its code.
 */
#ifndef SIM_WORLD_ROUTE_H
#define SIM_WORLD_ROUTE_H

#include "sim/world/world.h"

struct route {
    char *address;     /* whom it is delivered to: PREFIX-USER@HOST in a virtual domain */
    const char *shown; /* in `address`, behind that prefix: the name that bounces tell */
    bool local;
};

/* Works out the routes of all recipients of all entries; those that are there stay. */
void routes_make(struct world *world);
void routes_make_for(const struct world *world, struct entry *entry);
void routes_free(struct entry *entry);
/* The recipient of the entry that is delivered to that address (letters in any case); NULL: none.
 */
const struct route *route_to(const struct entry *entry, const char *address);

/* --- control files ---------------------------------------------------------------------------*/

/* The text that the host's control file has; NULL: it has none.  `locals` is never missing: then
 * it is control/me. */
const struct text *control_text(const struct machine *machine, const char *name);

/* Looks for a line of a list that is `key` (letters in any case; `size` bytes) or, with a
 * `separator`, begins with it and one; what is behind that, up to the end of the line, in *rest.
 * Comments and blanks at the ends of lines do not count. */
bool control_list_has(const struct text *list, const char *key, size_t size, char separator,
                      struct text *rest);

#endif
