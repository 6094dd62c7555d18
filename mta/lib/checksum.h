/* SPDX-License-Identifier: ISC */
/*
 * XXH64 (seed 0) of the spool's files: tells whole from torn, not honest from forged.
 * Nothing here fails, blocks or allocates.
 */
#ifndef MTA_LIB_CHECKSUM_H
#define MTA_LIB_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/* A checksum in the making; may be copied by assignment. */
struct checksum {
    _Alignas(8) unsigned char state[96];
};

void checksum_begin(struct checksum *checksum);
void checksum_add(struct checksum *checksum, const void *bytes, size_t size);
/* The value of all that was added so far; more may be added afterwards. */
uint64_t checksum_value(const struct checksum *checksum);

/* The checksum of `size` bytes. */
uint64_t checksum_of(const void *bytes, size_t size);

#endif
