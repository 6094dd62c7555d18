/* SPDX-License-Identifier: ISC */
/* What the made-up DNS knows: records, and the zones it is in charge of.  Names are kept as dns.h
 * writes them, so that equal names are equal texts but for case. */
#ifndef SIM_ACTORS_DNS_SERVER_DATA_H
#define SIM_ACTORS_DNS_SERVER_DATA_H

#include <stdbool.h>
#include <stddef.h>

#include "mta/lib/buf.h"
#include "mta/lib/dns.h"
#include "sim/actors/lib/config.h"

struct record_entry {
    char *name;
    uint16_t type;
    uint32_t ttl;
    struct buf data; /* on the wire, names in it not compressed */
};

struct data {
    struct buf records; /* of struct record_entry, as configured */
    struct buf zones;   /* of char * */
};

/* Read the rest of a `record` or `zone` line.  What is wrong fails `config`. */
void data_read_record(struct data *data, struct config *config);
void data_read_zone(struct data *data, struct config *config);
void data_free(struct data *data);

const struct record_entry *data_records(const struct data *data, size_t *count);

/* The smallest zone that `name` is in, or NULL. */
const char *data_zone(const struct data *data, const char *name);
/* True if there are records of that name, or of one below it. */
bool data_has_name(const struct data *data, const char *name);
/* The first record of that name and type, or NULL. */
const struct record_entry *data_find(const struct data *data, const char *name, uint16_t type);

/* "MX" and the like; 0 for no type's name.  And back: "TYPE65" for those without. */
uint16_t data_type(const char *word);
#define DATA_TYPE_TEXT 10
const char *data_type_text(uint16_t type, char to[DATA_TYPE_TEXT]);

#endif
