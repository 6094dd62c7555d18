/* SPDX-License-Identifier: ISC */
/* Events: what is to be done at one, and doing it: replies, what their success means, ends. */
#include <string.h>
#include <strings.h>

#include "mta/lib/num.h"
#include "sim/actors/smtp-server/server.h"

/* --- replies ----------------------------------------------------------------------------------*/

/* The length of "2.1.0 " at `text`, 0 if that is no enhanced code (RFC 3463 2). */
static size_t enhanced_size(const char *text)
{
    size_t size = strspn(text, "0123456789.");

    return size >= 5 && text[1] == '.' && strchr("245", *text) && text[size] == ' ' ? size + 1 : 0;
}

static int reply_set(const struct server *server, struct buf *reply, const char *text)
{
    size_t skip = server->status_codes || strlen(text) < 4 ? 0 : enhanced_size(text + 4);

    if (skip == 0)
        return buf_set_text(reply, text);
    return buf_set(reply, text, 4) < 0 ? -1 : buf_add_text(reply, text + 4 + skip);
}

void event_answer(struct connection *connection, const char *reply)
{
    if (reply_set(connection->server, &connection->reply, reply) == 0)
        connection_reply(connection, connection->reply.data, connection->reply.length);
    else
        connection_reply(connection, "451 out of memory", 17);
}

/* Makes `reply` of a rule's code and text. */
static int make_reply(struct buf *reply, const struct deed *deed)
{
    const char *at = deed->text, *end = at + deed->text_size;

    buf_reset(reply);
    for (;;) {
        const char *newline = at < end ? memchr(at, '\n', (size_t) (end - at)) : NULL;
        size_t size = (size_t) ((newline ? newline : end) - at);

        if (buf_add_number(reply, deed->code) < 0 || buf_add_byte(reply, newline ? '-' : ' ') < 0 ||
            buf_add(reply, at, size) < 0)
            return -1;
        if (!newline)
            return 0;
        if (buf_add_byte(reply, '\n') < 0)
            return -1;
        at = newline + 1;
    }
}

/* The code that bytes begin with, 0 if there is none. */
static unsigned code_of(const char *text, size_t size)
{
    uint64_t code;

    return size >= 3 && num_parse(text, 3, &code) == 0 ? (unsigned) code : 0;
}

/* --- what a command does when it succeeds -----------------------------------------------------*/

static void transaction_reset(struct connection *connection)
{
    connection->in_mail = false;
    buf_reset(&connection->sender);
    buf_reset(&connection->recipients);
    connection->recipient_count = 0;
    connection->refused_recipient = false;
    message_free(connection);
}

static int do_hello(struct connection *connection)
{
    if (buf_set(&connection->helo, connection->argument.data, connection->argument.length) < 0)
        return -1;
    connection->hello = true;
    connection->extended = connection->verb == VERB_EHLO;
    transaction_reset(connection);
    return 0;
}

static int do_mail(struct connection *connection)
{
    if (buf_set(&connection->sender, connection->argument.data, connection->argument.length) < 0)
        return -1;
    connection->in_mail = true;
    return 0;
}

static int do_rcpt(struct connection *connection)
{
    size_t before = connection->recipients.length;

    if (buf_add(&connection->recipients, connection->argument.data, connection->argument.length) <
            0 ||
        buf_add_byte(&connection->recipients, 0) < 0) {
        connection->recipients.length = before;
        return -1;
    }
    connection->recipient_count++;
    return 0;
}

static int do_quit(struct connection *connection)
{
    connection->after_flush = AFTER_CLOSE;
    return 0;
}

static int do_eod(struct connection *connection)
{
    int result = message_take(connection);

    if (result == 0 && connection->deed.status)
        bounce_promise(connection, &connection->deed);
    return result;
}

static int do_connect(struct connection *connection)
{
    connection->greeted = true;
    return 0;
}

static int do_auth(struct connection *connection)
{
    if (buf_set(&connection->auth_name, connection->argument.data, connection->argument.length) < 0)
        return -1;
    connection->authenticated = true;
    return 0;
}

static int do_data(struct connection *connection)
{
    message_begin(connection);
    return 0;
}

static int do_rset(struct connection *connection)
{
    transaction_reset(connection);
    return 0;
}

/* What the success of each verb does, and the first digit of the code that is success. */
static const struct {
    int (*succeed)(struct connection *connection);
    unsigned success;
} effects[] = {
    [VERB_CONNECT] = {do_connect, 2}, [VERB_EHLO] = {do_hello, 2}, [VERB_HELO] = {do_hello, 2},
    [VERB_MAIL] = {do_mail, 2},       [VERB_RCPT] = {do_rcpt, 2},  [VERB_DATA] = {do_data, 3},
    [VERB_EOD] = {do_eod, 2},         [VERB_RSET] = {do_rset, 2},  [VERB_QUIT] = {do_quit, 2},
    [VERB_AUTH] = {do_auth, 2},       [VERB_ANY] = {NULL, 0},
};

/* The effects of a reply with `code`; 0, or -1 if what it says must not be said. */
static int take_effect(struct connection *connection, unsigned code)
{
    enum verb verb = connection->verb;
    int result = 0;

    if (effects[verb].succeed && code / 100 == effects[verb].success)
        result = effects[verb].succeed(connection);
    else if (verb == VERB_RCPT)
        connection->refused_recipient = true;
    if (verb == VERB_EOD)
        transaction_reset(connection);
    if (code == 421)
        connection->after_flush = AFTER_CLOSE;
    return result;
}

/* --- doing what was found ---------------------------------------------------------------------*/

static void finish_reply(struct connection *connection)
{
    const struct deed *deed = &connection->deed;
    struct buf *reply = &connection->reply;

    if (take_effect(connection, code_of(reply->data, reply->length)) < 0) {
        event_answer(connection, "452 4.3.1 there is no room for this");
        return;
    }
    connection->split = deed->split;
    if (!deed->cut) {
        connection_reply(connection, reply->data, reply->length);
        return;
    }
    struct buf bytes = BUF_INIT(0);
    for (size_t i = 0; i < reply->length; i++)
        if ((reply->data[i] == '\n' && buf_add_byte(&bytes, '\r') < 0) ||
            buf_add_byte(&bytes, reply->data[i]) < 0)
            break;
    if (buf_add_text(&bytes, "\r\n") == 0)
        connection_send(connection, bytes.data,
                        deed->bytes < bytes.length ? (size_t) deed->bytes : bytes.length);
    connection->after_flush = AFTER_CLOSE;
    buf_free(&bytes);
}

static void finish_raw(struct connection *connection)
{
    const struct deed *deed = &connection->deed;

    if (take_effect(connection, code_of(deed->text, deed->text_size)) < 0)
        event_answer(connection, "452 4.3.1 there is no room for this");
    else
        connection_send(connection, deed->text, deed->text_size);
}

/* CLOSE, RESET, SILENCE: now, or when so many bytes have come. */
static void finish_end(struct connection *connection)
{
    const struct deed *deed = &connection->deed;

    if (deed->after && deed->bytes > 0) {
        connection->limit = *deed;
        connection->limit_at = deed->bytes;
        connection->limited = true;
        finish_reply(connection);
        return;
    }
    if (deed->take)
        message_take(connection);
    connection_do(connection, deed);
}

void event_finish(struct connection *connection)
{
    connection->pending = false;
    if (connection->verb == VERB_CONNECT && connection->in.length > 0)
        connection_bad(connection, BAD_EARLY);
    switch (connection->deed.kind) {
    case DEED_REPLY:
        if (make_reply(&connection->reply, &connection->deed) < 0)
            reply_set(connection->server, &connection->reply, "451 4.3.0 out of memory");
        finish_reply(connection);
        break;
    case DEED_RAW:
        finish_raw(connection);
        break;
    case DEED_CLOSE:
    case DEED_RESET:
    case DEED_REFUSE: /* of a connection that could not be foreseen */
    case DEED_SILENCE:
        finish_end(connection);
        break;
    case DEED_OK:
    case DEED_SLOW:
    default:
        finish_reply(connection);
        break;
    }
}

void event_happens(struct connection *connection, enum verb verb, const char *reply)
{
    if (reply && reply_set(connection->server, &connection->reply, reply) < 0) {
        event_answer(connection, "451 4.3.0 out of memory");
        return;
    }
    connection->verb = verb;
    connection->deed = (struct deed){.kind = DEED_OK};
    if (!rules_find(connection, verb, &connection->deed))
        address_rules_find(connection, verb, &connection->deed);
    connection->pending = true;
    connection->pending_at_ms = server_now(connection->server) + connection->deed.delay_ms;
}
