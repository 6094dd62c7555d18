/* SPDX-License-Identifier: ISC */
/* Numbers and texts as bytes: what the explorer and its worker processes say to each other. */
#ifndef SIM_EXPLORE_WIRE_H
#define SIM_EXPLORE_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wire { /* zeroed: empty */
    uint8_t *bytes;
    size_t size, capacity;
};

void wire_put(struct wire *wire, uint64_t number); /* small ones take one byte */
void wire_put_signed(struct wire *wire, int64_t number);
void wire_put_bytes(struct wire *wire, const void *bytes, size_t size); /* without a length */
void wire_put_text(struct wire *wire, const char *text);                /* NULL is kept */
void wire_free(struct wire *wire);

/* Reading past the end gives 0 and NULL, and sets `broken`. */
struct wire_reader {
    const uint8_t *at, *end;
    bool broken;
};

struct wire_reader wire_read(const void *bytes, size_t size);
uint64_t wire_get(struct wire_reader *reader);
int64_t wire_get_signed(struct wire_reader *reader);
char *wire_get_text(struct wire_reader *reader); /* malloc'd, or NULL */
/* How many bytes of a list's items there can be: a count that is larger is broken. */
uint64_t wire_get_count(struct wire_reader *reader);

#endif
