/* SPDX-License-Identifier: ISC */
/*
 * The arguments of MAIL and RCPT (RFC 5321 4.1.1.2, 4.1.1.3, 4.1.2): a path and parameters.  No
 * I/O, no allocation.
 *
 * Lenient where no doubt is left about who is meant: blanks behind the colon, no angle brackets,
 * words of a local part in any bytes above the blank, no host name, a last dot of the domain (it is
 * taken off).  An error where there is doubt: two `@` that are not quoted, brackets or quotes that
 * never end, control bytes, an empty domain or label, a quoted `@` without a domain, anything glued
 * to the path.
 */
#ifndef MTA_LIB_SMTP_ADDRESS_H
#define MTA_LIB_SMTP_ADDRESS_H

#include <stddef.h>

/* Reads `argument` (`size` bytes, what stands behind the verb): blanks, `keyword` ("FROM" or "TO",
 * case does not count), a colon, a path.  The address goes into `address`, which must have room for
 * `size` bytes, its length into *address_size: as the envelope has it, that is without source route
 * (RFC 5321 appendix C), quotes and backslashes; empty for `<>`.  *at tells where the parameters
 * begin.  Returns 0, or -1 if it is no path. */
int smtp_path_parse(const char *argument, size_t size, const char *keyword, char *address,
                    size_t *address_size, size_t *at);

/* Counted strings into the argument. */
struct smtp_parameter {
    const char *keyword;
    size_t keyword_size;
    const char *value; /* NULL without `=` */
    size_t value_size;
};

/* The parameter (RFC 5321 4.1.2, esmtp-param) at *at, which moves behind it.  Returns 1, 0 at the
 * end of the argument, -1 if there is something else. */
int smtp_parameter_next(const char *argument, size_t size, size_t *at,
                        struct smtp_parameter *parameter);

#endif
