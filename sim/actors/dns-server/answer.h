/* SPDX-License-Identifier: ISC */
/* Queries as they come, and what the made-up DNS answers.  No I/O. */
#ifndef SIM_ACTORS_DNS_SERVER_ANSWER_H
#define SIM_ACTORS_DNS_SERVER_ANSWER_H

#include <stdbool.h>
#include <stddef.h>

#include "sim/actors/dns-server/data.h"
#include "sim/actors/dns-server/message.h"

struct query {
    uint16_t id;
    uint16_t flags;
    struct dns_record question;          /* name, type, class */
    const unsigned char *question_bytes; /* in the message; NULL if it could not be read */
    size_t question_size;
    bool edns;
    uint8_t edns_version;
    uint16_t udp_size;  /* largest message that the client takes over UDP */
    enum dns_code code; /* what is wrong with it; DNS_NOERROR if nothing is */
};

/* Reads a message, which may be any bytes; `query` points into it.  False if nobody is to be
 * answered: it has no header, or is an answer itself. */
bool query_read(struct query *query, const unsigned char *bytes, size_t size);

enum outcome {
    OUTCOME_OK, /* what the data say */
    OUTCOME_NXDOMAIN,
    OUTCOME_NODATA,
    OUTCOME_SERVFAIL,
    OUTCOME_REFUSED,
    OUTCOME_SILENCE,
    OUTCOME_TRUNCATE,     /* cut over UDP, whole over TCP */
    OUTCOME_TRUNCATE_ONLY /* cut over UDP, the connection reset over TCP */
};

/* Writes the answer of that outcome (not silence).  Over UDP, what does not fit is cut: TC, and no
 * records. */
void answer_write(const struct data *data, const struct query *query, enum outcome outcome,
                  bool tcp, struct message *message);

/* What is told of an answer: "noerror", "nodata", "truncated", "nxdomain", ... */
const char *answer_word(const struct message *message);

#endif
