/* SPDX-License-Identifier: ISC */
/* A session told, line by line. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "sim/capture/show.h"
#include "sim/capture/text.h"
#include "sim/world/pool.h"

#define LINE_SHOWN_MAX 400    /* bytes of a line, unless all is wanted */
#define LINES_SHOWN_MAX 100   /* of a reply */
#define SUBJECT_SHOWN_MAX 120 /* bytes */

enum item_kind { ITEM_COMMAND, ITEM_REPLY, ITEM_LOST, ITEM_STOP };

struct item {
    uint64_t packet;
    size_t order;
    enum item_kind kind;
    const struct smtp_exchange *exchange;
    const struct flow_stop *stop;
    bool server; /* who stopped */
};

struct shower {
    const struct smtp_session *session;
    const struct show_options *options;
    FILE *to;
    struct item *items;
    size_t count;
};

/* --- lines -----------------------------------------------------------------------------------*/

static void tell_when(const struct shower *shower, int64_t ns, char who)
{
    int64_t since = ns - shower->session->flow->first_ns;

    since = since < 0 ? 0 : since;
    fprintf(shower->to, "%5" PRId64 ".%06d  %c  ", since / 1000000000,
            (int) (since % 1000000000 / 1000), who);
}

static void tell_size(const struct shower *shower, uint64_t size)
{
    fprintf(shower->to, "%6" PRIu64 "  ", size);
}

static void go_on(const struct shower *shower)
{
    fprintf(shower->to, "%25s", "");
}

static void tell_text(const struct shower *shower, const char *text, size_t size)
{
    bool all = shower->options->verbose || size <= LINE_SHOWN_MAX;

    text_escape(shower->to, text, all ? size : LINE_SHOWN_MAX);
    if (!all)
        fprintf(shower->to, " ... (%zu bytes)", size);
}

static void tell_lacks(const struct shower *shower, const struct smtp_said *said)
{
    if (said->lost)
        fprintf(shower->to, "  [%" PRIu64 " byte%s missing]", said->lost, text_plural(said->lost));
    else if (!said->whole)
        fputs("  [its end is missing]", shower->to);
}

/* --- what is said ----------------------------------------------------------------------------*/

static void tell_reply(const struct shower *shower, const struct smtp_exchange *exchange)
{
    const char *at = exchange->reply.text, *end = at + exchange->reply.size;

    tell_when(shower, exchange->reply.first_ns, 'S');
    tell_size(shower, exchange->reply.size);
    for (size_t lines = 1; at < end; lines++) {
        const char *line_end = memchr(at, '\n', (size_t) (end - at));

        line_end = line_end ? line_end + 1 : end;
        tell_text(shower, at, text_line_size(at, (size_t) (line_end - at)));
        at = line_end;
        if (at == end)
            break;
        fputc('\n', shower->to);
        go_on(shower);
        if (lines == LINES_SHOWN_MAX && !shower->options->verbose) {
            fprintf(shower->to, "... (%td bytes)", end - at);
            break;
        }
    }
    tell_lacks(shower, &exchange->reply);
    if (exchange->step == SMTP_UNASKED)
        fputs("  [no command is known for it]", shower->to);
    fputc('\n', shower->to);
}

/* What says who somebody is, is not for everybody who looks over one's shoulder. */
static size_t open_part(const struct smtp_exchange *exchange, size_t size)
{
    const char *text = exchange->command.text, *space;

    if (exchange->step == SMTP_LINE)
        return size > 6 && memcmp(text, "PROXY ", 6) == 0 ? size : 0;
    if (strcmp(exchange->verb, "AUTH") != 0 || size < 6)
        return size;
    space = memchr(text + 5, ' ', size - 5);
    return space ? (size_t) (space - text) : size;
}

static void tell_line(const struct shower *shower, const struct smtp_exchange *exchange)
{
    const struct smtp_said *command = &exchange->command;
    size_t size = text_line_size(command->text, command->size);
    size_t open = shower->options->verbose ? size : open_part(exchange, size);

    tell_text(shower, command->text, open);
    if (open < size)
        fprintf(shower->to, "%s(secret, %zu bytes)", open ? " " : "", size - open);
}

static const char *find_subject(const char *text, size_t size, size_t *found)
{
    const char *at = text, *end = text + size;

    while (at < end) {
        const char *line_end = memchr(at, '\n', (size_t) (end - at));
        size_t line = text_line_size(at, (size_t) ((line_end ? line_end + 1 : end) - at));

        if (line == 0 || !line_end)
            return NULL;
        if (line >= 8 && strncasecmp(at, "Subject:", 8) == 0) {
            for (at += 8, line -= 8; line && *at == ' '; at++)
                line--;
            *found = line < SUBJECT_SHOWN_MAX ? line : SUBJECT_SHOWN_MAX;
            return at;
        }
        at = line_end + 1;
    }
    return NULL;
}

static size_t count_lines(const char *text, size_t size)
{
    size_t lines = 0;

    for (const char *at = text, *end = text + size; at < end; lines++) {
        at = memchr(at, '\n', (size_t) (end - at));
        if (!at)
            return lines + 1;
        at++;
    }
    return lines;
}

static void tell_message_lines(const struct shower *shower, const char *text, size_t size)
{
    const char *at = text, *end = text + size;

    while (at < end) {
        const char *line_end = memchr(at, '\n', (size_t) (end - at));

        line_end = line_end ? line_end + 1 : end;
        fputc('\n', shower->to);
        go_on(shower);
        fputs("| ", shower->to);
        text_escape(shower->to, at, text_line_size(at, (size_t) (line_end - at)));
        at = line_end;
    }
}

static void tell_message(const struct shower *shower, const struct smtp_exchange *exchange)
{
    size_t size = smtp_message_size(exchange), subject_size = 0, lines;
    const char *text = exchange->command.text;
    const char *subject = find_subject(text, size, &subject_size);

    lines = count_lines(text, size);
    fprintf(shower->to, "%s: %zu bytes, %zu line%s", exchange->chunk ? "(chunk)" : "(message)",
            size, lines, text_plural(lines));
    if (subject) {
        fputs(", Subject: ", shower->to);
        text_escape(shower->to, subject, subject_size);
    }
    tell_lacks(shower, &exchange->command);
    if (shower->options->verbose)
        tell_message_lines(shower, text, size);
}

static void tell_tls(const struct shower *shower, const struct smtp_exchange *exchange)
{
    fprintf(shower->to,
            "TLS, %zu bytes of the client and %zu of the server, which cannot be read\n",
            exchange->command.size, exchange->reply.size);
}

static void tell_command(const struct shower *shower, const struct smtp_exchange *exchange)
{
    tell_when(shower, exchange->command.first_ns, 'C');
    tell_size(shower, exchange->command.size);
    if (exchange->step == SMTP_TLS) {
        tell_tls(shower, exchange);
        return;
    }
    if (exchange->step == SMTP_MESSAGE) {
        tell_message(shower, exchange);
    } else {
        tell_line(shower, exchange);
        tell_lacks(shower, &exchange->command);
    }
    fputc('\n', shower->to);
}

static void tell_stop(const struct shower *shower, const struct item *item)
{
    tell_when(shower, item->stop->time_ns, item->server ? 'S' : 'C');
    fprintf(shower->to, "%6s  %s\n", "",
            item->stop->reset
                ? (item->server && !shower->session->flow->accepted ? "refuses the connection"
                                                                    : "resets the connection")
                : "closes the connection");
}

/* --- the order -------------------------------------------------------------------------------*/

static void add_item(struct shower *shower, enum item_kind kind, uint64_t packet,
                     const struct smtp_exchange *exchange)
{
    struct item *item = LIST_ADD(shower->items, shower->count);

    item->kind = kind;
    item->packet = packet;
    item->order = shower->count;
    item->exchange = exchange;
}

static void add_stop(struct shower *shower, bool server)
{
    const struct flow_stop *stop = flow_stop_of(shower->session->flow, server);

    if (!stop->packet)
        return;
    add_item(shower, ITEM_STOP, stop->packet, NULL);
    shower->items[shower->count - 1].stop = stop;
    shower->items[shower->count - 1].server = server;
}

static void add_items(struct shower *shower)
{
    for (size_t i = 0; i < shower->session->count; i++) {
        const struct smtp_exchange *exchange = &shower->session->exchanges[i];
        bool tls = exchange->step == SMTP_TLS;

        if (exchange->command.there)
            add_item(shower, ITEM_COMMAND, exchange->command.first_packet, exchange);
        if (exchange->reply.there && !(tls && exchange->command.there))
            add_item(shower, tls ? ITEM_COMMAND : ITEM_REPLY, exchange->reply.first_packet,
                     exchange);
        if (exchange->reply_lost)
            add_item(shower, ITEM_LOST, exchange->command.last_packet, exchange);
    }
    add_stop(shower, false);
    add_stop(shower, true);
}

static int compare_items(const void *one, const void *other)
{
    const struct item *a = one, *b = other;

    if (a->packet != b->packet)
        return a->packet < b->packet ? -1 : 1;
    return a->order < b->order ? -1 : a->order > b->order;
}

/* --- about the session -----------------------------------------------------------------------*/

static void tell_notes_of(const struct shower *shower, bool server)
{
    const struct stream *said = flow_said(shower->session->flow, server);
    const struct {
        uint64_t count;
        const char *unit, *text;
    } notes[] = {
        {said->repeated, "packet", "sent again, whose bytes were there"},
        {said->resent, "packet", "sent again, after a loss before the capture"},
        {said->reordered, "packet", "out of order"},
        {said->overlapping, "packet", "over others; the bytes that came first are shown"},
        {said->other_bytes, "byte", "sent again as another; the first is shown"},
        {said->cut, "packet", "captured in part"},
        {said->lost, "byte", "missing"},
    };

    for (size_t i = 0; i < sizeof notes / sizeof *notes; i++)
        if (notes[i].count)
            fprintf(shower->to, "  %s: %" PRIu64 " %s%s %s\n", server ? "server" : "client",
                    notes[i].count, notes[i].unit, text_plural(notes[i].count), notes[i].text);
}

static void tell_head(const struct shower *shower, uint64_t number)
{
    const struct flow *flow = shower->session->flow;
    char client[FRAME_END_TEXT], server[FRAME_END_TEXT], time[TEXT_TIME_SIZE];
    int64_t length = flow->last_ns > flow->first_ns ? flow->last_ns - flow->first_ns : 0;

    frame_end_print(&flow->ends[flow->client], client);
    frame_end_print(&flow->ends[!flow->client], server);
    text_time(time, flow->first_ns);
    fprintf(shower->to,
            "session %" PRIu64 ": %s to %s, %s UTC, %" PRId64 ".%06d s, %" PRIu64
            " packet%s, %zu bytes sent, %zu received\n",
            number, client, server, time, length / 1000000000, (int) (length % 1000000000 / 1000),
            flow->packets, text_plural(flow->packets), flow_said(flow, false)->size,
            flow_said(flow, true)->size);
    if (flow->opened && !flow->accepted && !flow_stop_of(flow, true)->packet)
        fputs("  the server did not answer\n", shower->to);
    else if (!shower->session->from_start)
        fputs("  its beginning was not captured\n", shower->to);
    tell_notes_of(shower, false);
    tell_notes_of(shower, true);
}

static void tell_rest(const struct shower *shower)
{
    uint64_t client = shower->session->unread_client, server = shower->session->unread_server;

    if (client || server)
        fprintf(shower->to,
                "  ... and more: %" PRIu64 " bytes of the client, %" PRIu64 " of the server\n",
                client, server);
}

void show_session(const struct smtp_session *session, uint64_t number,
                  const struct show_options *options)
{
    struct shower shower = {.session = session, .options = options, .to = options->to};

    tell_head(&shower, number);
    add_items(&shower);
    if (shower.count)
        qsort(shower.items, shower.count, sizeof *shower.items, compare_items);
    for (size_t i = 0; i < shower.count; i++) {
        const struct item *item = &shower.items[i];

        if (item->kind == ITEM_COMMAND)
            tell_command(&shower, item->exchange);
        else if (item->kind == ITEM_REPLY)
            tell_reply(&shower, item->exchange);
        else if (item->kind == ITEM_STOP)
            tell_stop(&shower, item);
        else
            fprintf(shower.to, "%14s  S  %6s  [the reply was not captured]\n", "", "");
    }
    tell_rest(&shower);
    free(shower.items);
}
