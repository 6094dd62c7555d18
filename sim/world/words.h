/* SPDX-License-Identifier: ISC */
/* Times and patterns as people write them in scenarios and read them in reports. */
#ifndef SIM_WORLD_WORDS_H
#define SIM_WORLD_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A point of virtual time is as exact as it is written: "5m" is met by everything in that second,
 * "1.5s" by that tenth, "20ms" by that millisecond. */
struct moment {
    int64_t ns;
    int64_t width_ns;
};

/* Reads "2h46m40s", "+1.5s", "20ms", "7d".  Returns 0, or -1 with errno EINVAL if it is none,
 * ERANGE if it is more than TIME_LARGEST. */
int time_parse(const char *text, struct moment *moment);
#define TIME_LARGEST "91250d" /* 250 years: nanoseconds of more do not fit into 63 bits */

#define TIME_TEXT 40
/* "0s", "6m40s", "1h00m00s", "25h00m00s"; below a second "20ms", "0.35ms".  Whole seconds from one
 * second on.  Returns `to`. */
const char *time_format(char to[TIME_TEXT], int64_t ns);
/* The same as a length of time in a summary: "8d 3h", "2h46m40s", "0.5 s". */
const char *time_format_length(char to[TIME_TEXT], int64_t ns);
/* As a story needs it: "+6m40.000123s", fixed in width. */
const char *time_format_precise(char to[TIME_TEXT], int64_t ns);

/* "2026-01-01" and "00:00:00" as Unix seconds.  Returns 0 or -1. */
int date_parse(const char *date, const char *time, int64_t *seconds);

/* True if all of `text` matches `pattern`: '*' any run, '?' any byte, case of ASCII letters
 * ignored if `fold`. */
bool pattern_matches(const char *pattern, const char *text, bool fold);
bool pattern_matches_bytes(const char *pattern, const char *text, size_t size, bool fold);

/* True if some part of `text` matches. */
bool pattern_found(const char *pattern, const char *text, size_t size, bool fold);

/* `text` as a word of a shell command: as it is, or in single quotes where a shell would take it
 * for something else.  In malloc'ed memory. */
char *shell_word(const char *text);

/* Edits between two words, at most `limit` + 1 (for "did you mean"). */
unsigned words_distance(const char *a, const char *b, unsigned limit);

#endif
