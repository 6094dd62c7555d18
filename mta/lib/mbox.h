/* SPDX-License-Identifier: ISC */
/*
 * Delivery into an mbox: one file, messages one after another.  mbox.c says at its top how it
 * stays whole messages through crashes.
 */
#ifndef MTA_LIB_MBOX_H
#define MTA_LIB_MBOX_H

#include <stddef.h>
#include <stdint.h>

#define MBOX_LOCK_SECONDS 30

struct mbox_message {
    int fd; /* the message, from its start; must be able to seek */
    /* counted lines with their newlines, written in front of the message */
    const char *from_line;
    size_t from_line_size;
    const char *header; /* Return-Path, Delivered-To */
    size_t header_size;
};

enum mbox_trouble {
    MBOX_OPEN,    /* the box could not be opened or made */
    MBOX_KIND,    /* it is no regular file */
    MBOX_LOCK,    /* somebody else has had it locked for MBOX_LOCK_SECONDS */
    MBOX_RECORD,  /* the record beside it could not be written */
    MBOX_MESSAGE, /* the message could not be read */
    MBOX_WRITE    /* the box could not be written or synced (no space, ...) */
};

/* Appends the message to the box `path` (made with mode 0600 if there is none) and makes it
 * durable.  Returns 0; or -1 with errno and *trouble: the box then has its old length again.  Waits
 * for the lock and for the disk. */
int mbox_deliver(const char *path, const struct mbox_message *message, enum mbox_trouble *trouble);

#endif
