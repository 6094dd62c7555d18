/* SPDX-License-Identifier: ISC */
/* AUTH (RFC 4954): PLAIN, LOGIN, CRAM-MD5.  Whatever name and secret come are taken; the rules of
 * AUTH are asked with the name. */
#include <string.h>
#include <strings.h>

#include "mta/lib/clock.h"
#include "sim/actors/lib/base64.h"
#include "sim/actors/smtp-server/server.h"

static void ask(struct connection *connection, enum auth_step step, const char *reply)
{
    connection->auth_step = step;
    connection->mode = MODE_AUTH;
    connection_reply(connection, reply, strlen(reply));
}

/* The name is known: what do the rules say? */
static void finish(struct connection *connection, const char *name, size_t size)
{
    if (buf_set(&connection->argument, name, size) < 0)
        event_answer(connection, "451 4.3.0 out of memory");
    else
        event_happens(connection, VERB_AUTH, "235 2.7.0 welcome");
}

/* "authorization NUL name NUL password" (RFC 4616 2). */
static void take_plain(struct connection *connection, const struct buf *plain)
{
    const char *end = plain->data + plain->length;
    const char *name = plain->length ? memchr(plain->data, 0, plain->length) : NULL;
    const char *password = name ? memchr(name + 1, 0, (size_t) (end - name - 1)) : NULL;

    if (!password || password == name + 1)
        event_answer(connection, "501 5.5.2 this is not as PLAIN wants it");
    else
        finish(connection, name + 1, (size_t) (password - name - 1));
}

static void take_login_name(struct connection *connection, const struct buf *plain)
{
    if (buf_set(&connection->auth_name, plain->data, plain->length) < 0)
        event_answer(connection, "451 4.3.0 out of memory");
    else
        ask(connection, AUTH_LOGIN_PASSWORD, "334 UGFzc3dvcmQ6");
}

/* "name digest" (RFC 2195 2). */
static void take_cram(struct connection *connection, const struct buf *plain)
{
    const char *space = plain->length ? memrchr(plain->data, ' ', plain->length) : NULL;

    if (!space || space == plain->data || plain->data + plain->length - space != 33)
        event_answer(connection, "501 5.5.2 this is not as CRAM-MD5 wants it");
    else
        finish(connection, plain->data, (size_t) (space - plain->data));
}

static void take(struct connection *connection, const char *line, size_t size)
{
    struct buf plain = BUF_INIT(0);

    if (size == 1 && *line == '=') /* an empty initial response */
        size = 0;
    if (base64_read(&plain, line, size) < 0)
        event_answer(connection, "501 5.5.2 this is no base64");
    else if (connection->auth_step == AUTH_PLAIN)
        take_plain(connection, &plain);
    else if (connection->auth_step == AUTH_LOGIN_NAME)
        take_login_name(connection, &plain);
    else if (connection->auth_step == AUTH_LOGIN_PASSWORD)
        finish(connection, connection->auth_name.data, connection->auth_name.length);
    else
        take_cram(connection, &plain);
    buf_free(&plain);
}

void auth_line(struct connection *connection, const char *line, size_t size)
{
    struct record *record = &connection->server->record;

    connection->mode = MODE_COMMANDS;
    record_begin(record, "in");
    record_number(record, connection->number);
    record_quoted(record, line, size);
    if (record_write(record) < 0)
        connection->server->broken = true;
    if (size == 1 && *line == '*')
        event_answer(connection, "501 5.7.0 as you like");
    else
        take(connection, line, size);
}

static void begin_cram(struct connection *connection)
{
    const struct server *server = connection->server;
    struct buf plain = BUF_INIT(0), reply = BUF_INIT(0);

    if (buf_add_byte(&plain, '<') == 0 && buf_add_number(&plain, connection->number) == 0 &&
        buf_add_byte(&plain, '.') == 0 && buf_add_number(&plain, (uint64_t) clock_wall()) == 0 &&
        buf_add_byte(&plain, '@') == 0 && buf_add_text(&plain, server->name) == 0 &&
        buf_add_byte(&plain, '>') == 0 && buf_add_text(&reply, "334 ") == 0 &&
        base64_add(&reply, plain.data, plain.length) == 0 && buf_text(&reply))
        ask(connection, AUTH_CRAM, reply.data);
    else
        event_answer(connection, "451 4.3.0 out of memory");
    buf_free(&plain);
    buf_free(&reply);
}

void auth_begin(struct connection *connection, const char *argument, size_t size)
{
    const char *space = size ? memchr(argument, ' ', size) : NULL;
    size_t word = space ? (size_t) (space - argument) : size;
    const char *initial = space ? space + 1 : NULL;
    bool plain = word == 5 && strncasecmp(argument, "PLAIN", 5) == 0;

    if (plain || (word == 5 && strncasecmp(argument, "LOGIN", 5) == 0)) {
        connection->auth_step = plain ? AUTH_PLAIN : AUTH_LOGIN_NAME;
        if (initial)
            take(connection, initial, size - word - 1);
        else
            ask(connection, connection->auth_step, plain ? "334 " : "334 VXNlcm5hbWU6");
    } else if (word == 8 && strncasecmp(argument, "CRAM-MD5", 8) == 0 && !initial) {
        begin_cram(connection);
    } else {
        event_answer(connection, "504 5.5.4 this mechanism is not known here");
    }
}
