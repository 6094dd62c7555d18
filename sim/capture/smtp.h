/* SPDX-License-Identifier: ISC */
/*
 * The SMTP dialogue of a connection (RFC 5321, 2920, 3030, 3207, 4954): who said what, and which
 * reply is to which command.
 *
 * Replies come in the order of commands.  Where bytes are missing, or the capture begins in the
 * middle, a reply belongs to the last command that was sent before it.
 */
#ifndef SIM_CAPTURE_SMTP_H
#define SIM_CAPTURE_SMTP_H

#include "sim/capture/flow.h"

#define SMTP_EXCHANGES_MAX 200000 /* of a session; what is behind is only counted */
#define SMTP_VERB_SIZE 12

enum smtp_step {
    SMTP_GREETING, /* the connection; the reply is the greeting */
    SMTP_COMMAND,
    SMTP_LINE,    /* of an AUTH exchange, or of a proxy: no command */
    SMTP_MESSAGE, /* what follows 354, with the final dot; or BDAT's bytes */
    SMTP_UNASKED, /* a reply that no command asked for */
    SMTP_TLS      /* from here on nothing can be read */
};

/* Some bytes of one side. */
struct smtp_said {
    bool there;
    bool whole; /* the end of the line or the final dot is there, and nothing is missing */
    const char *text;
    size_t size;   /* line ends too */
    size_t at;     /* in its stream */
    uint64_t lost; /* bytes inside it that are missing */
    int64_t first_ns, last_ns;
    uint64_t first_packet, last_packet;
};

struct smtp_exchange {
    enum smtp_step step;
    char verb[SMTP_VERB_SIZE]; /* capitals; "" if it is none */
    struct smtp_said command;  /* of TLS: what the client said from there on */
    struct smtp_said reply;
    unsigned code;   /* of the reply, 0: none */
    bool reply_lost; /* there must have been one */
    bool chunk;      /* SMTP_MESSAGE by BDAT */
};

struct smtp_session {
    const struct flow *flow;
    struct smtp_exchange *exchanges;
    size_t count;
    bool from_start;                       /* nothing before it is missing */
    uint64_t unread_client, unread_server; /* bytes behind SMTP_EXCHANGES_MAX */
};

/* Reads the session of a connection that is FLOW_SMTP.  It points into the connection's bytes. */
void smtp_read(struct smtp_session *session, const struct flow *flow);
void smtp_free(struct smtp_session *session);

/* What is behind the command's first word, without spaces around and the end of the line. */
const char *smtp_argument(const struct smtp_exchange *exchange, size_t *size);
/* The address of MAIL or RCPT, without <> and source route; false if there is none. */
bool smtp_path(const struct smtp_exchange *exchange, const char **address, size_t *size);
/* The message itself as lines that end with CRLF: where it ends (the dot is left out).  Dots are
 * stuffed still. */
size_t smtp_message_size(const struct smtp_exchange *exchange);

#endif
