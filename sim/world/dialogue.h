/* SPDX-License-Identifier: ISC */
/*
 * What our hosts and remotes said to each other, put together again transaction by transaction out
 * of the lines that the remotes tell of (hear.c).  The oracles ask it what a remote answered, and
 * whether it took a message in a given try, without believing what the server says of that.
 */
#ifndef SIM_WORLD_DIALOGUE_H
#define SIM_WORLD_DIALOGUE_H

#include "sim/world/world.h"

/* Replies are as remotes said them, several lines parted by "\n"; NULL: none was said. */
struct asked {
    const char *address; /* of RCPT, without <>, quotes taken off */
    const char *reply;
};

/* From MAIL to the reply to the message; what a command was that came twice, the last counts. */
struct transaction {
    size_t connection;  /* in world->connections */
    size_t host;        /* the machine of ours that speaks; SIZE_MAX: none of ours */
    int64_t begin_ns;   /* when MAIL came */
    const char *sender; /* of MAIL, as a recipient's address */
    const char *mail_reply, *data_reply;
    const char *end_reply; /* to the message: what was said behind 354 */
    struct asked *recipients;
    size_t recipient_count;
};

struct dialogue {
    struct transaction *transactions; /* in the order in which they began */
    size_t transaction_count;
    size_t *of_taking; /* for each taking the transaction in which it was; SIZE_MAX: not known */
    size_t *host_of;   /* for each connection: as transaction.host */
    struct pool pool;
};

/* Out of the ledger as it is; the world keeps it (world->dialogue) until it is made again. */
void dialogue_make(struct world *world);
void dialogue_free(struct world *world);

/* The first transaction that began at or after that time; the count if there is none. */
size_t dialogue_from(const struct dialogue *dialogue, int64_t time_ns);
/* What was asked for that recipient, as the log has it, in it; NULL: nothing. */
const struct asked *transaction_for(const struct transaction *transaction, const char *recipient);

/* What the remote took in the transaction of that index; SIZE_MAX: nothing. */
size_t transaction_taking(const struct world *world, size_t transaction);
/* It is a copy of that message, which that host of ours has sent on under its number. */
bool taking_is_of(const struct world *world, size_t taking, const struct entry *entry);

/* When the transaction of that taking began; if that is not known, when it was taken. */
int64_t taking_begun(const struct world *world, size_t taking);
/* The machine of ours that gave it to the remote; SIZE_MAX: not known. */
size_t taking_source(const struct world *world, size_t taking);

/* The class of a reply, 2 to 5; 0: it is none. */
unsigned reply_class(const char *reply);
/* A line of it that is not its last has a blank behind its code: more than one reply was said. */
bool reply_is_several(const char *reply);

#endif
