/* SPDX-License-Identifier: ISC */
/*
 * The configuration of an actor: lines of words, as in the scenario language.  Words are parted by
 * spaces and tabs; a word in double quotes may hold anything, with \" \\ \n \r \t \xHH as in C;
 * `#` begins a comment where a word could begin; empty lines count for nothing.
 *
 *     struct config config;
 *     if (config_open(&config, "dns-server", 0) < 0) return 2;
 *     while (config_line(&config))
 *         if (config_take(&config, "zone")) zone = config_word(&config, "a domain");
 *         else config_fail(&config, "there is no such line: ", config_peek(&config));
 *     if (config_close(&config) < 0) return 2;
 *
 * The first thing that is wrong is told on descriptor 2 as "PROGRAM: line N: TEXT", and marks the
 * configuration failed: from then on there are no more lines, and all functions return harmless
 * values without a word.  Nothing here keeps mutable data but in struct config.
 */
#ifndef SIM_ACTORS_LIB_CONFIG_H
#define SIM_ACTORS_LIB_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mta/lib/buf.h"

#define CONFIG_LIMIT ((size_t) 64 << 20) /* bytes of a configuration, a message in it included */
#define CONFIG_WORDS_MAX 256             /* words of a line */

struct config_word {
    const char *text; /* `size` bytes (NULs too, by \x00) and a NUL */
    size_t size;
    bool quoted;
};

struct config {
    const char *program;
    struct buf text;
    size_t at;     /* where the next line begins */
    unsigned line; /* number of the line that is looked at, from 1 */
    struct config_word words[CONFIG_WORDS_MAX];
    size_t count; /* words of this line */
    size_t next;  /* the word that comes next */
    bool failed;
};

/* Reads all of `fd` (blocks until its end).  `program` is what errors begin with; it is kept.
 * Returns 0, or -1 after telling why on fd 2. */
int config_open(struct config *config, const char *program, int fd);

/* Goes to the next line that has words.  Words of the line before that were not taken are an
 * error.  False at the end, and once something has failed. */
bool config_line(struct config *config);

/* What words pointed to is gone afterwards: copy, or keep the struct and call config_free at the
 * end instead.  Returns 0, or -1 if anything has failed. */
int config_close(struct config *config);
void config_free(struct config *config);

/* Tells that this line is wrong, `text` and `about` (may be NULL) joined. */
void config_fail(struct config *config, const char *text, const char *about);

/* --- words of the line; texts live until config_close or config_free --------------------------*/

/* The next word without taking it; NULL at the end of the line. */
const char *config_peek(const struct config *config);
/* Takes the next word if it is `keyword`; a quoted word never is. */
bool config_take(struct config *config, const char *keyword);
/* Fails unless the next word is `keyword`. */
void config_need(struct config *config, const char *keyword);
/* Takes the next word, whatever it is; `what` says in an error what it should have been.  Fails
 * (and returns "") if there is none, or if it has a NUL in it. */
const char *config_word(struct config *config, const char *what);
/* The same for a word that may have NULs. */
struct config_word config_bytes(struct config *config, const char *what);
/* A decimal number in least..most (fails, and returns `least`, if it is none). */
uint64_t config_number(struct config *config, uint64_t least, uint64_t most);
/* A length of time in nanoseconds: "5s", "1h30m", "1.5s", "20ms", "250us", "7d". */
int64_t config_time(struct config *config);
/* True if the next word begins as a time or number does: with a digit, not in quotes. */
bool config_number_follows(const struct config *config);

/* The `size` raw bytes that follow this line (the message of `message SIZE`); they are skipped.
 * NULL, and a failure, if there are fewer. */
const char *config_payload(struct config *config, size_t size);

/* --- texts ------------------------------------------------------------------------------------*/

/* Reads a time as config_time.  0, or -1 with EINVAL (none) or ERANGE (over 250 years). */
int config_parse_time(const char *text, int64_t *ns);
/* True if all of `text` matches `pattern`: `*` any run, `?` any byte, without regard to the case
 * of ASCII letters. */
bool config_matches(const char *pattern, const char *text, size_t size);

#endif
