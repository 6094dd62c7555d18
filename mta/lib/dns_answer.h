/* SPDX-License-Identifier: ISC */
/* What the answer of a recursive server says to one question.  No I/O. */
#ifndef MTA_LIB_DNS_ANSWER_H
#define MTA_LIB_DNS_ANSWER_H

#include "mta/lib/dns.h"

/* How many CNAMEs are followed for one question, in one answer and by asking again. */
#define DNS_ALIASES_MAX 16

enum dns_finding {
    DNS_FOUND,     /* records of that type, which have been given to `take` */
    DNS_ALIAS,     /* the name is an alias, and nothing more is said: ask again for `name` */
    DNS_NO_DOMAIN, /* there is no such name */
    DNS_NO_DATA,   /* there is, but without records of that type */
    DNS_TROUBLE /* the server cannot tell, or the answer is wrong, or the aliases go in circles */
};

struct dns_question {
    char name[DNS_NAME_TEXT]; /* moves along the aliases */
    uint16_t type;
    unsigned aliases; /* followed so far */
};

/* Is given each record of the type that is asked for.  0, or -1 if its data are wrong or memory is
 * short, which makes the whole answer DNS_TROUBLE. */
typedef int dns_take(void *context, const struct dns_reader *reader,
                     const struct dns_record *record);

/* Reads the answer (RFC 1034 3.6.2 for aliases, RFC 2308 2 for what is not there).  Records may
 * stand in any order; those for other names are left alone. */
enum dns_finding dns_answer_read(const void *bytes, size_t size, struct dns_question *question,
                                 dns_take *take, void *context);

#endif
