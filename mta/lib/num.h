/* SPDX-License-Identifier: ISC */
/* Decimal numbers. */
#ifndef MTA_LIB_NUM_H
#define MTA_LIB_NUM_H

#include <stddef.h>
#include <stdint.h>

#define NUM_DIGITS 21 /* the longest 64-bit number and a NUL */

/* Writes `number` in decimal with a NUL behind it.  Returns the count of digits. */
size_t num_format(char to[NUM_DIGITS], uint64_t number);

/* Writes exactly `width` digits (at most 20) with leading zeros, without a NUL. */
void num_format_padded(char *to, unsigned width, uint64_t number);

/* Reads exactly `size` bytes as a decimal number: digits only, at least one.  Returns 0, or -1
 * with EINVAL (no number) or ERANGE (over 64 bits). */
int num_parse(const char *from, size_t size, uint64_t *number);

/* 16 lower-case hexadecimal digits, without a NUL; and back (0, or -1 with EINVAL). */
void num_format_hex(char to[16], uint64_t number);
int num_parse_hex(const char from[16], uint64_t *number);

/* The largest r with r * r <= number. */
uint64_t num_square_root(uint64_t number);

#endif
