/* SPDX-License-Identifier: ISC */
/*
 * What the parts of nixie-inject share.  Functions that return `int` return 0, or the status with
 * which the program must end, having said why: INJECT_PERMANENT or INJECT_TEMPORARY.
 */
#ifndef MTA_INJECT_INJECT_H
#define MTA_INJECT_INJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mta/lib/address.h"
#include "mta/lib/buf.h"
#include "mta/lib/control.h"

#define INJECT_PERMANENT 100
#define INJECT_TEMPORARY 111
#define INJECT_HEADER_MAX ((size_t) 1 << 20) /* bytes */

enum recipients_from {
    RECIPIENTS_EITHER,    /* -A: arguments, or if there are none the header */
    RECIPIENTS_ARGUMENTS, /* -a */
    RECIPIENTS_HEADER,    /* -h */
    RECIPIENTS_BOTH,      /* -H */
};

/* What the user, the environment and the control files say.  Strings are NUL-terminated and free
 * of control bytes. */
struct settings {
    enum recipients_from recipients_from;
    bool print;         /* -n */
    const char *sender; /* -f, or NULL */
    char *const *recipients;

    bool comment_style;      /* QMAILINJECT c: From: address (name) */
    bool ignore_return_path; /* s */
    bool delete_from;        /* f */
    bool delete_message_id;  /* i */
    bool verp_recipient;     /* r */
    bool verp_message;       /* m */

    const char *user; /* of From */
    const char *host;
    const char *name;        /* or NULL */
    const char *sender_user; /* of the envelope sender */
    const char *sender_host;

    struct address_hosts hosts;
    const char *id_host;

    struct control_map lists; /* QMAILMFTFILE: addresses of mailing lists */

    struct buf control_values[4]; /* own the strings that come from control files */
};

/* What becomes of the message. */
struct result {
    bool forwarded;        /* it has Resent- fields: only they count */
    struct buf header;     /* rewritten */
    struct buf sender;     /* of the envelope, no NUL */
    bool sender_is_set;    /* by Return-Path */
    struct buf recipients; /* `T` ADDRESS NUL ... */
};

/* The moment and the process, of which unique names are made. */
struct moment {
    int64_t seconds; /* Unix time */
    uint64_t pid;
    uint64_t chance;
};

/* settings.c: reads options; environment and the file it names (current directory: the user's);
 * control files (current directory: the home). */
int settings_from_arguments(struct settings *settings, int argc, char **argv);
int settings_from_environment(struct settings *settings, char *const *environment);
int settings_from_control(struct settings *settings, char *const *environment);
void settings_free(struct settings *settings);

/* rewrite.c: makes result->header, and what the header says of sender and recipients, of the
 * `size` bytes of `header`. */
int rewrite_header(const struct settings *settings, const struct moment *moment, const char *header,
                   size_t size, struct result *result);
/* Adds a recipient given as an argument. */
int rewrite_given_recipient(const struct settings *settings, const char *given,
                            struct result *result);
/* Sets result->sender from -f or, if nothing has set it yet, from the environment. */
int rewrite_sender(const struct settings *settings, const struct moment *moment,
                   struct result *result);

/* fields.c: the fields that are added if missing. */
struct missing {
    bool forwarded;
    bool date;
    bool message_id;
    bool from;
    bool receivers; /* To and Cc */
    bool followup;  /* Mail-Followup-To: added only for a mailing list */
};
/* Adds them to `header`. 0 or -1 with errno, as buf_add. */
int fields_add_missing(const struct settings *settings, const struct moment *moment,
                       const struct missing *missing, struct buf *header);
/* "YYYYMMDDhhmmss" "." PID, as unique names begin. */
int fields_add_stamp(const struct moment *moment, struct buf *buf);

/* main.c: says why on descriptor 2 and returns the status. */
int fail(int status, const char *what, const char *detail);
/* The same for a call that failed with `error` (errno): ENOMEM and others temporary, EMSGSIZE
 * permanent. */
int fail_errno(const char *what, int error);

#endif
