/* SPDX-License-Identifier: ISC */
/*
 * The shipped server with its home on the disk of a rig, run by an ordinary user, and clients that
 * give it mail.
 */
#ifndef TESTS_POWERCUT_SERVER_H
#define TESTS_POWERCUT_SERVER_H

#include "tests/powercut/rig.h"

struct server {
    struct rig *rig;
    const char *programs; /* the folder of `nixie` */
    char home[RIG_PATH + 20];
};

void server_of(struct server *server, struct rig *rig, const char *programs);

/* Makes the home and its users; 0 or -1. */
int server_make(struct server *server);

/* The machine boots: whoever asks is told of another boot than before.  0 or -1. */
int server_boot(struct server *server);

/* Starts it; with `smtp` on a port of 127.0.0.1, and waits until it can be told.  0 or -1. */
int server_start(struct server *server, bool smtp);

/* Several clients at once send the messages 1 to `count`; the disk's log is marked with number when
 * one is about to be sent, and MAIL_ACCEPTED + number when it has been accepted.  How many were. */
#define MAIL_ACCEPTED 1000000
unsigned server_load(struct server *server, struct disk *disk, unsigned count);

/* Whether no message is in the queue. */
bool server_is_empty(const struct server *server);

#endif
