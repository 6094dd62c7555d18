/* SPDX-License-Identifier: ISC */
/* The message: what comes behind 354 until CR LF dot CR LF, and taking it. */
#include <errno.h>
#include <string.h>

#include "sim/actors/smtp-server/server.h"

void message_begin(struct connection *connection)
{
    struct server *server = connection->server;
    struct deed deed = {.kind = DEED_OK};

    connection->mode = MODE_DATA;
    connection->message_open = true;
    connection->data_state = DATA_LINE_START;
    connection->data_received = 0;
    connection->too_big = connection->no_room = false;
    connection->data_limited = false;
    connection->slow_bytes = connection->slow_left = 0;
    if (!rules_find(connection, VERB_MESSAGE, &deed))
        address_rules_find(connection, VERB_MESSAGE, &deed);
    connection->read_at_ms = server_now(server) + deed.delay_ms;
    if (deed.kind == DEED_SLOW) {
        connection->slow_bytes = deed.bytes;
        connection->slow_ms = deed.per_ms;
    } else if (deed.kind != DEED_OK) {
        connection->data_limit = deed;
        connection->data_limited = true;
    }
}

void message_free(struct connection *connection)
{
    connection->server->held -= connection->message.length;
    buf_free(&connection->message);
    connection->message_open = false;
}

void message_lost(struct connection *connection, const char *why)
{
    struct record *record = &connection->server->record;

    if (!connection->message_open)
        return;
    message_free(connection);
    record_begin(record, "lost");
    record_number(record, connection->number);
    record_quoted(record, why, strlen(why));
    if (record_write(record) < 0)
        connection->server->broken = true;
}

/* --- bytes ------------------------------------------------------------------------------------*/

/* Adds bytes to the message, unless it has failed already. */
static void keep(struct connection *connection, const char *bytes, size_t size)
{
    struct server *server = connection->server;

    if (connection->too_big || connection->no_room)
        return;
    if (server->held + size <= SERVER_HELD_MAX && buf_add(&connection->message, bytes, size) == 0) {
        server->held += size;
        return;
    }
    connection->too_big = server->held + size <= SERVER_HELD_MAX && errno == EMSGSIZE;
    connection->no_room = !connection->too_big;
    server->held -= connection->message.length;
    buf_free(&connection->message);
}

static void keep_byte(struct connection *connection, char byte)
{
    keep(connection, &byte, 1);
}

/* A byte within a line. */
static enum data_state in_text(struct connection *connection, char byte)
{
    if (byte == '\r')
        return DATA_CR;
    if (byte == '\n')
        connection_bad(connection, BAD_LF);
    keep_byte(connection, byte);
    return DATA_TEXT;
}

/* A byte behind a CR that ends no line. */
static enum data_state behind_bare_cr(struct connection *connection, char byte)
{
    connection_bad(connection, BAD_CR);
    keep_byte(connection, '\r');
    return in_text(connection, byte);
}

/* Takes one byte.  True at the end of the message. */
static bool take_byte(struct connection *connection, char byte)
{
    enum data_state *state = &connection->data_state;

    switch (*state) {
    case DATA_LINE_START:
        *state = byte == '.' ? DATA_DOT : in_text(connection, byte);
        break;
    case DATA_DOT: /* it goes, whatever follows */
        *state = byte == '\r' ? DATA_DOT_CR : in_text(connection, byte);
        break;
    case DATA_DOT_CR:
        if (byte == '\n')
            return true;
        *state = behind_bare_cr(connection, byte);
        break;
    case DATA_CR:
        *state = DATA_LINE_START;
        if (byte == '\n')
            keep_byte(connection, byte);
        else
            *state = behind_bare_cr(connection, byte);
        break;
    case DATA_TEXT:
    default:
        *state = in_text(connection, byte);
        break;
    }
    return false;
}

/* How many bytes from here on are nothing special. */
static size_t plain_run(const char *bytes, size_t size)
{
    const char *cr = memchr(bytes, '\r', size);
    size_t run = cr ? (size_t) (cr - bytes) : size;
    const char *lf = memchr(bytes, '\n', run);

    return lf ? (size_t) (lf - bytes) : run;
}

size_t message_add(struct connection *connection, const char *bytes, size_t size)
{
    const char *reply = "250 2.0.0 ok, taken";

    for (size_t at = 0; at < size;) {
        size_t run = connection->data_state == DATA_TEXT ? plain_run(bytes + at, size - at) : 0;

        keep(connection, bytes + at, run);
        connection->data_received += run;
        at += run;
        if (at == size)
            break;
        connection->data_received++;
        if (!take_byte(connection, bytes[at++]))
            continue;
        connection->mode = MODE_COMMANDS;
        if (connection->too_big)
            reply = "552 5.3.4 the message is too big";
        else if (connection->no_room)
            reply = "452 4.3.1 there is no room for this message";
        buf_reset(&connection->argument);
        event_happens(connection, VERB_EOD, reply);
        return at;
    }
    return size;
}

/* --- taking -----------------------------------------------------------------------------------*/

int message_take(struct connection *connection)
{
    struct server *server = connection->server;
    struct record *record = &server->record;
    const char *at = connection->recipients.data;

    if (connection->too_big || connection->no_room)
        return -1;
    if (server->maildir && keep_message(connection) < 0)
        return -1;
    record_begin(record, "took");
    record_number(record, connection->number);
    record_number(record, server->taken + 1);
    record_bytes(record, connection->sender.data, connection->sender.length);
    record_number(record, connection->message.length);
    for (size_t i = 0; i < connection->recipient_count; i++) {
        record_word(record, at);
        at += strlen(at) + 1;
    }
    record_payload(record, connection->message.data, connection->message.length);
    if (record_write(record) < 0) {
        server->broken |= errno != ENOMEM;
        return -1;
    }
    server->taken++;
    connection->message_open = false;
    return 0;
}
