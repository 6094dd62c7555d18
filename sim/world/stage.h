/* SPDX-License-Identifier: ISC */
/* The stages of a message in the spool (docs/architecture.md, "The spool"). */
#ifndef SIM_WORLD_STAGE_H
#define SIM_WORLD_STAGE_H

#include <stdbool.h>
#include <stdint.h>

enum stage { STAGE_NONE, STAGE_S1, STAGE_S2, STAGE_S3, STAGE_S4, STAGE_S5, STAGE_ODD };

/* The directories in which a message may have a file. */
enum spool_bit {
    BIT_PID = 1,
    BIT_MESS = 2,
    BIT_INTD = 4,
    BIT_TODO = 8,
    BIT_INFO = 16,
    BIT_LOCAL = 32,
    BIT_REMOTE = 64,
    BIT_BOUNCE = 128
};
#define BIT_COUNT 8

const char *stage_name(enum stage stage);
/* "S4" -> STAGE_S4; STAGE_NONE if it is none. */
enum stage stage_named(const char *name);

/* The stage that those files make. */
enum stage stage_of(unsigned bits);

/* "+mess +todo" into `to`. */
#define BITS_TEXT 80
const char *bits_format(unsigned bits, char to[BITS_TEXT]);

/* "queue/todo/17", "/var/nixie/queue/todo/17" or "todo/17": which bit and number.  False if the
 * path does not end like that. */
bool spool_path_parse(const char *path, enum spool_bit *bit, uint64_t *number);

/* Which program may change that directory ("nixie-send"); `adds` a file, or takes one away. */
bool spool_may_change(const char *program, enum spool_bit bit, bool adds);

#endif
