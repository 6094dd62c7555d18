/* SPDX-License-Identifier: ISC */
/* The SMTP dialogue of a connection. */
#include "sim/capture/smtp.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "sim/capture/flow_kind.h"
#include "sim/world/pool.h"

struct parser {
    struct smtp_session *session;
    const struct stream *client, *server;
    size_t client_at, server_at;
    bool ordered; /* something is missing: the order of packets counts */
    bool peeked;  /* the reply at server_at is this one */
    struct smtp_said reply;
    unsigned code;
    size_t behind_at; /* of the client: what was found behind `behind_packet` at last */
    uint64_t behind_packet;
};

/* --- pieces of a stream ----------------------------------------------------------------------*/

static struct smtp_said make_said(const struct stream *stream, size_t at, size_t end, bool whole)
{
    struct smtp_said said = {.there = true, .whole = whole, .at = at, .size = end - at};
    const struct stream_mark *first = stream_mark_at(stream, at),
                             *last = stream_mark_at(stream, end > at ? end - 1 : at);

    said.text = stream->bytes ? stream->bytes + at : "";
    said.lost = stream_lost_in(stream, at + 1, end);
    said.whole = whole && said.lost == 0;
    if (first) {
        said.first_ns = said.last_ns = first->time_ns;
        said.first_packet = said.last_packet = first->packet;
    }
    if (last && last->packet > said.last_packet) {
        said.last_ns = last->time_ns;
        said.last_packet = last->packet;
    }
    return said;
}

/* Behind the line at `at`: behind its LF, or at the next gap or the end of the stream. */
static size_t line_end(const struct stream *stream, size_t at, bool *whole)
{
    const struct stream_gap *gap = stream_gap_in(stream, at + 1, stream->size);
    size_t limit = gap ? gap->at : stream->size;
    const char *end = memchr(stream->bytes + at, '\n', limit - at);

    *whole = end != NULL;
    return end ? (size_t) (end - stream->bytes) + 1 : limit;
}

static bool has_code(const struct stream *stream, size_t at, size_t end)
{
    const char *text = stream->bytes + at;

    return end - at >= 3 && isdigit((unsigned char) text[0]) && isdigit((unsigned char) text[1]) &&
           isdigit((unsigned char) text[2]);
}

/* Behind the lines of the reply at `start`. */
static size_t reply_end(const struct stream *stream, size_t start, bool *whole)
{
    size_t at = start, end;

    for (;;) {
        end = line_end(stream, at, whole);
        bool continued =
            *whole && has_code(stream, at, end) && end - at > 4 && stream->bytes[at + 3] == '-';

        if (!continued)
            return end;
        if (end >= stream->size || stream_gap_in(stream, end, end + 1)) {
            *whole = false;
            return end;
        }
        if (stream->size - end >= 3 && memcmp(stream->bytes + start, stream->bytes + end, 3) != 0)
            return end;
        at = end;
    }
}

/* The reply at the server's place; false if there is no more. */
static bool peek_reply(struct parser *parser, struct smtp_said *reply, unsigned *code)
{
    const struct stream *stream = parser->server;
    size_t start = parser->server_at, end;
    bool whole;

    if (start >= stream->size)
        return false;
    if (!parser->peeked) {
        end = reply_end(stream, start, &whole);
        parser->reply = make_said(stream, start, end, whole);
        parser->code = 0;
        for (int i = 0; i < 3 && has_code(stream, start, end); i++)
            parser->code = parser->code * 10 + (unsigned) (stream->bytes[start + (size_t) i] - '0');
        parser->peeked = true;
    }
    *reply = parser->reply;
    *code = parser->code;
    return true;
}

static void skip_reply(struct parser *parser)
{
    parser->server_at += parser->reply.size;
    parser->peeked = false;
}

/* --- exchanges -------------------------------------------------------------------------------*/

static struct smtp_exchange *add_exchange(struct parser *parser, enum smtp_step step)
{
    struct smtp_exchange *exchange = LIST_ADD(parser->session->exchanges, parser->session->count);

    exchange->step = step;
    return exchange;
}

static void take_reply(struct parser *parser, struct smtp_exchange *exchange)
{
    if (peek_reply(parser, &exchange->reply, &exchange->code))
        skip_reply(parser);
}

/* True if the reply cannot be to this command or a later one. */
static bool is_unasked(const struct parser *parser, const struct smtp_said *command,
                       const struct smtp_said *reply, unsigned code)
{
    return (parser->ordered || code == 421) && reply->first_packet < command->first_packet;
}

/* True if the reply is to a command behind this one: some replies are missing before it. */
static bool is_of_later(const struct parser *parser, const struct smtp_said *reply)
{
    const struct stream_mark *next;

    if (!stream_gap_in(parser->server, reply->at, reply->at + 1) ||
        parser->client_at >= parser->client->size)
        return false;
    next = stream_mark_at(parser->client, parser->client_at);
    return next->packet < reply->first_packet;
}

/* Finds the reply to the last exchange, whose command is set.  Returns its code, 0 if none. */
static unsigned pair_reply(struct parser *parser)
{
    size_t index = parser->session->count - 1;
    struct smtp_exchange found = parser->session->exchanges[index];

    while (parser->session->count < SMTP_EXCHANGES_MAX &&
           peek_reply(parser, &found.reply, &found.code)) {
        if (is_unasked(parser, &found.command, &found.reply, found.code)) {
            take_reply(parser, add_exchange(parser, SMTP_UNASKED));
            continue;
        }
        if (parser->ordered && is_of_later(parser, &found.reply)) {
            parser->session->exchanges[index].reply_lost = true;
            return 0;
        }
        skip_reply(parser);
        parser->session->exchanges[index] = found;
        return found.code;
    }
    return 0;
}

/* --- what the client says --------------------------------------------------------------------*/

static void set_verb(struct smtp_exchange *exchange)
{
    const struct smtp_said *command = &exchange->command;
    size_t length = 0;

    while (length < command->size && isalpha((unsigned char) command->text[length]))
        length++;
    if (length >= SMTP_VERB_SIZE)
        return;
    for (size_t i = 0; i < length; i++)
        exchange->verb[i] = (char) toupper((unsigned char) command->text[i]);
}

/* The line at the client's place as an exchange; returns its index. */
static size_t take_line(struct parser *parser, enum smtp_step step)
{
    struct smtp_exchange *exchange = add_exchange(parser, step);
    bool whole;
    size_t end = line_end(parser->client, parser->client_at, &whole);

    exchange->command = make_said(parser->client, parser->client_at, end, whole);
    parser->client_at = end;
    if (step == SMTP_COMMAND)
        set_verb(exchange);
    return parser->session->count - 1;
}

/* stream_behind_packet of the client, which does not look again at what it has passed. */
static size_t behind_packet(struct parser *parser, size_t from, uint64_t packet)
{
    if (from > parser->behind_at || packet < parser->behind_packet)
        parser->behind_at = from;
    parser->behind_at = stream_behind_packet(parser->client, parser->behind_at, packet);
    parser->behind_packet = packet;
    return parser->behind_at;
}

/* Behind the final dot of the message at `at`, or where it must have ended: if bytes are missing,
 * the dot may be among them, but the reply to it is behind it. */
static size_t message_end(struct parser *parser, size_t at, bool *whole)
{
    const struct stream *stream = parser->client;
    const char *start = stream->bytes + at, *end;
    size_t limit = stream->size;
    struct smtp_said reply;
    unsigned code;

    *whole = true;
    if (limit - at >= 3 && memcmp(start, ".\r\n", 3) == 0)
        return at + 3;
    if (stream_gap_in(stream, at, limit) && peek_reply(parser, &reply, &code))
        limit = behind_packet(parser, at, reply.first_packet);
    if (limit == at)
        limit = stream->size;
    end = memmem(start, limit - at, "\r\n.\r\n", 5);
    *whole = end != NULL;
    return end ? (size_t) (end - stream->bytes) + 5 : limit;
}

static void take_message(struct parser *parser)
{
    struct smtp_exchange *exchange;
    bool whole;
    size_t at = parser->client_at, end;

    if (at >= parser->client->size)
        return;
    end = message_end(parser, at, &whole);
    exchange = add_exchange(parser, SMTP_MESSAGE);
    exchange->command = make_said(parser->client, at, end, whole);
    parser->client_at = end;
    pair_reply(parser);
}

/* How many of the `wanted` bytes of a chunk at `at` are there: some of it may be missing. */
static size_t chunk_size(const struct stream *stream, size_t at, uint64_t wanted)
{
    const struct stream_gap *gap = stream_gap_in(stream, at, stream->size + 1);
    const struct stream_gap *end = stream->gaps + stream->gap_count;
    size_t least = 0;

    for (; gap && gap < end && gap->at - at < wanted; gap++) {
        least = gap->at - at;
        wanted = wanted - least > gap->size ? wanted - gap->size : least;
    }
    return wanted < stream->size - at ? (size_t) wanted : stream->size - at;
}

/* RFC 3030 2 */
static void take_chunk(struct parser *parser, size_t command)
{
    struct smtp_exchange *exchange = &parser->session->exchanges[command], *chunk;
    size_t size, at = parser->client_at, left = parser->client->size - at;
    const char *argument = smtp_argument(exchange, &size);
    uint64_t wanted = 0;
    bool whole;

    for (size_t i = 0; i < size && isdigit((unsigned char) argument[i]) && i < 18; i++)
        wanted = wanted * 10 + (uint64_t) (argument[i] - '0');
    if (wanted == 0 || left == 0) {
        pair_reply(parser);
        return;
    }
    size = chunk_size(parser->client, at, wanted);
    whole = size == wanted && !stream_gap_in(parser->client, at, at + 1);
    chunk = add_exchange(parser, SMTP_MESSAGE);
    chunk->chunk = true;
    chunk->command = make_said(parser->client, at, at + size, whole);
    parser->client_at += size;
    pair_reply(parser);
}

/* True if what the client says next is no command. */
static bool goes_on(const struct parser *parser)
{
    size_t left = parser->client->size - parser->client_at;

    return left > 0 && !flow_is_command(parser->client->bytes + parser->client_at, left);
}

/* RFC 4954 4.  Where a reply is not there, what follows may be a secret still. */
static void take_auth(struct parser *parser, unsigned code)
{
    while ((code == 334 ? parser->client_at < parser->client->size : !code && goes_on(parser)) &&
           parser->session->count < SMTP_EXCHANGES_MAX) {
        take_line(parser, SMTP_LINE);
        code = pair_reply(parser);
    }
}

static void take_tls(struct parser *parser)
{
    struct smtp_exchange *exchange = add_exchange(parser, SMTP_TLS);

    strcpy(exchange->verb, "TLS");
    if (parser->client_at < parser->client->size)
        exchange->command =
            make_said(parser->client, parser->client_at, parser->client->size, true);
    if (parser->server_at < parser->server->size)
        exchange->reply = make_said(parser->server, parser->server_at, parser->server->size, true);
    parser->client_at = parser->client->size;
    parser->server_at = parser->server->size;
}

static void take_command(struct parser *parser)
{
    size_t index = take_line(parser, SMTP_COMMAND);
    char verb[SMTP_VERB_SIZE];
    unsigned code;

    memcpy(verb, parser->session->exchanges[index].verb, sizeof verb);
    if (strcmp(verb, "BDAT") == 0) {
        take_chunk(parser, index);
        return;
    }
    code = pair_reply(parser);
    /* A message follows DATA, too, to which no reply was seen. */
    if (strcmp(verb, "DATA") == 0 && (code ? code / 100 == 3 : goes_on(parser)))
        take_message(parser);
    else if (strcmp(verb, "AUTH") == 0)
        take_auth(parser, code);
    else if (strcmp(verb, "STARTTLS") == 0 && code / 100 == 2)
        take_tls(parser);
}

/* A record of a handshake (RFC 8446 5.1). */
static bool is_tls(const struct stream *stream)
{
    return stream->size >= 3 && stream->bytes[0] == 0x16 && stream->bytes[1] == 3;
}

static void take_start(struct parser *parser)
{
    const struct stream *client = parser->client;

    if (is_tls(client)) {
        take_tls(parser);
        return;
    }
    if (!parser->session->from_start) {
        if (client->size > 0 && !flow_is_command(client->bytes, client->size))
            take_message(parser);
        return;
    }
    if (client->size > 6 && memcmp(client->bytes, "PROXY ", 6) == 0)
        take_line(parser, SMTP_LINE);
    take_reply(parser, add_exchange(parser, SMTP_GREETING));
}

/* True if a side's first byte is the first that it sent. */
static bool begins_whole(const struct stream *stream)
{
    return stream_gap_in(stream, 0, 1) == NULL;
}

void smtp_read(struct smtp_session *session, const struct flow *flow)
{
    struct parser parser = {
        .session = session, .client = flow_said(flow, false), .server = flow_said(flow, true)};

    memset(session, 0, sizeof *session);
    session->flow = flow;
    session->from_start = (flow->opened || flow->accepted_ns) && begins_whole(parser.client) &&
                          begins_whole(parser.server);
    parser.ordered = !session->from_start || parser.client->lost || parser.server->lost;
    take_start(&parser);
    while (parser.client_at < parser.client->size && session->count < SMTP_EXCHANGES_MAX)
        take_command(&parser);
    while (parser.server_at < parser.server->size && session->count < SMTP_EXCHANGES_MAX)
        take_reply(&parser, add_exchange(&parser, SMTP_UNASKED));
    session->unread_client = parser.client->size - parser.client_at;
    session->unread_server = parser.server->size - parser.server_at;
}

void smtp_free(struct smtp_session *session)
{
    free(session->exchanges);
    memset(session, 0, sizeof *session);
}

/* --- looking at it ---------------------------------------------------------------------------*/

const char *smtp_argument(const struct smtp_exchange *exchange, size_t *size)
{
    const char *text = exchange->command.text, *end = text + exchange->command.size;

    text += strlen(exchange->verb);
    while (text < end && (*text == ' ' || *text == '\t'))
        text++;
    while (end > text && isspace((unsigned char) end[-1]))
        end--;
    *size = (size_t) (end - text);
    return text;
}

bool smtp_path(const struct smtp_exchange *exchange, const char **address, size_t *size)
{
    size_t length;
    const char *text = smtp_argument(exchange, &length), *end = text + length;
    const char *open = length ? memchr(text, '<', length) : NULL, *close, *colon;

    if (!open)
        return false;
    open++;
    /* A local part in quotes may have a '>', and so may a parameter behind the path. */
    close = *open == '"' ? memrchr(open, '>', (size_t) (end - open))
                         : memchr(open, '>', (size_t) (end - open));
    if (!close)
        return false;
    colon = *open == '@' ? memchr(open, ':', (size_t) (close - open)) : NULL;
    *address = colon ? colon + 1 : open;
    *size = (size_t) (close - *address);
    return true;
}

size_t smtp_message_size(const struct smtp_exchange *exchange)
{
    const struct smtp_said *said = &exchange->command;

    if (!exchange->chunk && said->size >= 5 &&
        memcmp(said->text + said->size - 5, "\r\n.\r\n", 5) == 0)
        return said->size - 3;
    return !exchange->chunk && said->size == 3 && memcmp(said->text, ".\r\n", 3) == 0 ? 0
                                                                                      : said->size;
}
