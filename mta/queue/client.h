/* SPDX-License-Identifier: ISC */
/*
 * One connection of the staying form (docs/architecture.md, "queue --stay"): takes messages apart
 * as their bytes come, and puts them into the spool up to S4.  Does no I/O on the connection.
 *
 * A message that fails in the middle is withdrawn at once; the rest of it is read and dropped,
 * then the client is told.
 */
#ifndef MTA_QUEUE_CLIENT_H
#define MTA_QUEUE_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "mta/queue/entry.h"

/* "Q", a letter of enum caller, newline. */
#define CLIENT_GREETING_SIZE 3

enum client_state {
    CLIENT_EXPECT_GREETING,
    CLIENT_EXPECT_CHUNK,
    CLIENT_IN_CHUNK,
    CLIENT_EXPECT_ENVELOPE,
    CLIENT_IN_ENVELOPE,
    CLIENT_DONE, /* `result` is to be told: the message is in S4 if it is QUEUE_OK */
};

/* What all clients share. */
struct client_pool {
    const struct received_users *users;
    uint64_t next_number; /* reserved numbers: from here up to end_number */
    uint64_t end_number;
    size_t envelope_bytes; /* held for all clients */
    bool is_lazy;          /* see struct entry */
};

struct client {
    int fd;
    uid_t uid;
    int64_t heard_ms; /* monotonic: when bytes came last */
    enum client_state state;
    bool broken; /* does not keep to the protocol: close it after the answer */
    int result;  /* enum queue_result of this message so far */
    char head[4];
    uint32_t head_size;
    enum caller caller;
    uint32_t left; /* bytes to come of the chunk or envelope */
    struct entry entry;
    struct buf envelope;
    struct buf rest; /* bytes that came behind the message being committed */
};

void client_init(struct client *client, int fd, uid_t uid, int64_t now_ms);

/* Takes bytes up to the end of a message at most.  Returns how many it took; if that is less than
 * `size`, the state is CLIENT_DONE.  May wait for the disk to reserve numbers. */
size_t client_feed(struct client_pool *pool, struct client *client, const char *bytes, size_t size);

/* The disk has failed: takes back what is in the spool of a message under way, and remembers. */
void client_fail(struct client *client, int result);

/* True if a message has been begun and not ended. */
bool client_is_busy(const struct client *client);

/* After CLIENT_DONE was answered: ready for the next message. */
void client_next(struct client_pool *pool, struct client *client);

/* Withdraws a message that is not accepted yet, closes, gives memory back. */
void client_free(struct client_pool *pool, struct client *client);

#endif
