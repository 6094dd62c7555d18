/* SPDX-License-Identifier: ISC */
/*
 * Mail addresses as they stand in header fields (RFC 5322 3.4 with the obsolete forms of 4.4;
 * RFC 822 6), and as the envelope has them.  No I/O, no allocation but in caller's buffers.
 *
 * Text may hold any bytes.  Reading is lenient where no doubt is left about who is meant: dots
 * anywhere in a local part or phrase, 8-bit bytes, an `@` in a phrase, `;` between addresses,
 * empty list elements, a group that is never closed.  It is an error where there is doubt: two
 * words without a comma, quotes, comments, brackets or literals that never end, control bytes.
 */
#ifndef MTA_LIB_ADDRESS_H
#define MTA_LIB_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

#include "mta/lib/buf.h"

/* One address of a list.  `local` (quotes and backslashes taken off) and `domain` (without
 * comments and white space; a literal with its brackets) are counted, may be empty, and lie in the
 * reader's scratch: valid until the next call. */
struct address {
    const char *local;
    size_t local_size;
    const char *domain;
    size_t domain_size;
    size_t begin; /* where it stands in the text, source route included, brackets, phrase and */
    size_t end;   /* outer comments not: text[begin..end) may be replaced by another address */
    bool routed;  /* it had a source route, or an `@` in its local part that was not quoted */
};

/* Walks the addresses of one field.  Set up by address_reader_init; then `at` tells how far it
 * came: after an error, about where that is. */
struct address_reader {
    const char *text;
    size_t size;
    size_t at;
    char *scratch;
    bool in_group;
};

/* `text` is the field's body, `size` bytes, folded or not.  `scratch` must have room for `size`
 * bytes.  Both must outlive the reader. */
void address_reader_init(struct address_reader *reader, const char *text, size_t size,
                         char *scratch);

/* The next address.  Returns 1, 0 after the last, or -1 if the text is no address list (the reader
 * must not be used further).  `<>` is an address with empty local part and domain. */
int address_next(struct address_reader *reader, struct address *address);

/* Adds `local` to `buf` as a header or an SMTP command writes it: quoted if it is no dot-atom
 * (RFC 5322 3.2.3, RFC 5321 4.1.2).  0 or -1 as buf_add. */
int address_add_local(struct buf *buf, const char *local, size_t size);

/* Names that complete a host name; each NUL-terminated.  An empty domain adds nothing. */
struct address_hosts {
    const char *default_host;   /* for addresses without a host */
    const char *default_domain; /* for hosts without a dot */
    const char *plus_domain;    /* for hosts that end in '+' */
};

/* Adds the host name of an address with domain `domain` (`size` bytes, may be empty) to `buf`,
 * completed: an empty one becomes the default host; trailing dots go; at the end a `+` is replaced
 * by `.PLUSDOMAIN`; a name without a dot gets `.DEFAULTDOMAIN`.  Literals stay as they are.
 * 0 or -1 as buf_add. */
int address_add_host(struct buf *buf, const char *domain, size_t size,
                     const struct address_hosts *hosts);

/* Adds what the envelope has for the text `given` of a user or program: no syntax but that the
 * last `@` divides local part and host; completed as address_add_host.  0 or -1 as buf_add. */
int address_add_given(struct buf *buf, const char *given, const struct address_hosts *hosts);

#endif
