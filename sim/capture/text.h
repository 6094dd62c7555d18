/* SPDX-License-Identifier: ISC */
/* Bytes from captures as text that is safe on a terminal; times. */
#ifndef SIM_CAPTURE_TEXT_H
#define SIM_CAPTURE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define TEXT_TIME_SIZE 40

/* The length of the character of UTF-8 (RFC 3629) at the first of `size` > 0 bytes, and itself; 0
 * if there is none. */
size_t text_character(const char *text, size_t size, uint32_t *code);

/* Prints the first character of `size` bytes (1 or more), what is not printable as \xHH a byte.
 * Returns how many bytes that were, 1 or more; errors stand in `to`. */
size_t text_print_character(FILE *to, const char *text, size_t size);
/* No control character, none that changes the direction of text or ends a line, no private one. */
bool text_is_printable(uint32_t code);
/* Printable characters, in UTF-8 too, as they are; all else, and '\', as \n, \\, \xHH.  Characters
 * that change the direction of text are not printable. */
void text_escape(FILE *to, const char *bytes, size_t size);
/* Without the line end: CRLF or LF, the former not told. */
size_t text_line_size(const char *bytes, size_t size);
/* "2026-11-26 05:01:02.123456" of nanoseconds since 1970, UTC. */
void text_time(char text[TEXT_TIME_SIZE], int64_t ns);
/* "s" unless `count` is 1. */
const char *text_plural(uint64_t count);

#endif
