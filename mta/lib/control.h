/* SPDX-License-Identifier: ISC */
/*
 * Control files: small text files in HOME/control, read at start.  Every path here is relative
 * to the current directory, which must be the home.  At most CONTROL_LIMIT bytes; a larger file
 * is an error (EFBIG), as is a NUL in a one-line file (EINVAL).
 */
#ifndef MTA_LIB_CONTROL_H
#define MTA_LIB_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mta/lib/buf.h"

#define CONTROL_LIMIT ((size_t) 16 << 20)

/* The first line of control/NAME without trailing blanks and tabs.  Returns 1, 0 if the file does
 * not exist (`value` is then empty), -1 with errno. */
int control_line(const char *name, struct buf *value);

/* As control_line; a missing file gives the first line of control/me if `use_me`, else
 * `fallback`.  Returns 0, or -1 with errno (ENOENT: nothing given, control/me missing too). */
int control_line_or(const char *name, bool use_me, const char *fallback, struct buf *value);

/* The number in control/NAME, `fallback` if the file is missing; -1 with EINVAL if it is no
 * decimal number, ERANGE over `largest`. */
int control_number(const char *name, uint64_t fallback, uint64_t largest, uint64_t *number);

/* The lines of control/NAME without trailing blanks, comments (`#` first) and empty lines, each
 * ended by NUL.  Returns 1, 0 if missing, -1 with errno. */
int control_list(const char *name, struct buf *lines);

/* A list as a table: looks up without regard to ASCII case.  Entries are whole lines, or, with a
 * `separator`, KEY separator VALUE. */
struct control_map {
    struct buf lines;
    const char **keys; /* sorted, into lines */
    size_t count;
    char separator;
};
/* Takes over `lines` (NUL-ended entries), which is emptied.  0 or -1 with ENOMEM.  Of equal keys
 * the first counts.  With a separator, lines without one are left out. */
int control_map_init(struct control_map *map, struct buf *lines, char separator);
/* The value (after the separator; "" without one) of `key`, which is `size` bytes; NULL if there
 * is none. */
const char *control_map_find(const struct control_map *map, const char *key, size_t size);
void control_map_free(struct control_map *map);

#endif
