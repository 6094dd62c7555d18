/* SPDX-License-Identifier: ISC */
/* UTF-8 (RFC 3629).  No I/O, no allocation, nothing fails. */
#ifndef MTA_LIB_UTF8_H
#define MTA_LIB_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The length, 1 to 4, of the well-formed character at the start of `size` bytes, and the character
 * itself in *code; 0 if there is none: a stray byte, a cut or overlong form, a surrogate. */
size_t utf8_next(const char *text, size_t size, uint32_t *code);

/* True if all of the `size` bytes are ASCII. */
bool utf8_is_ascii(const char *text, size_t size);

/* True if the `size` bytes are well-formed. */
bool utf8_is_valid(const char *text, size_t size);

/* Replaces each byte that belongs to no well-formed character by '?', in place. */
void utf8_clean(char *text, size_t size);

#endif
