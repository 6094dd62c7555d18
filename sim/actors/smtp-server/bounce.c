/* SPDX-License-Identifier: ISC */
/*
 * Bounces of its own: of a message that it took, some time later, to the message's sender, with the
 * null sender, as RFC 3464 has it.  They go to the one address of `bounces to`; each is tried
 * again, a minute after the last try began, until an hour after the first.
 */
#include <poll.h>
#include <string.h>

#include "mta/lib/clock.h"
#include "mta/lib/header.h"
#include "mta/lib/mem.h"
#include "mta/lib/num.h"
#include "sim/actors/smtp-server/server.h"

#define BOUNCES_MAX 10000
#define UNDER_WAY_MAX 20
#define HEADER_MAX ((size_t) 65536) /* of the original, in the bounce */
#define RETRY_MS 60000
#define GIVE_UP_MS 3600000

struct bounce {
    struct bounce *next;
    uint64_t taken; /* number of the message */
    int64_t next_ms, give_up_ms;
    bool under_way;
    struct buf sender;
    const char *status, *diagnostic; /* texts of the configuration */
    struct buf wire;
    struct courier_recipient recipient;
    struct courier_letter letter;
    struct courier courier;
};

static const char *const options[] = {"BODY=8BITMIME"};

static void bounce_free(struct bounce *bounce)
{
    if (bounce->under_way)
        courier_end(&bounce->courier);
    buf_free(&bounce->sender);
    buf_free(&bounce->wire);
    mem_free(bounce);
}

void bounce_free_all(struct server *server)
{
    while (server->bounces) {
        struct bounce *bounce = server->bounces;

        server->bounces = bounce->next;
        bounce_free(bounce);
    }
}

/* --- the message ------------------------------------------------------------------------------*/

/* Adds several texts, the last one NULL. */
static int add_texts(struct buf *buf, const char *const *texts)
{
    for (; *texts; texts++)
        if (buf_add_text(buf, *texts) < 0)
            return -1;
    return 0;
}
#define ADD(buf, ...) add_texts(buf, (const char *const[]){__VA_ARGS__, NULL})

/* The header of the message that was taken, at most HEADER_MAX bytes of whole lines. */
static size_t header_size(const struct buf *message)
{
    struct header_scan scan = {.line = 0};
    size_t size = 0;

    if (message->length == 0)
        return 0;
    if (header_scan(&scan, message->data, message->length, true))
        size = scan.header_size;
    if (size <= HEADER_MAX)
        return size;
    const char *end = memrchr(message->data, '\n', HEADER_MAX);
    return end ? (size_t) (end - message->data) + 1 : 0;
}

/* A boundary that is not in the header of the original. */
static int make_boundary(struct buf *boundary, const struct server *server,
                         const struct connection *connection, size_t header)
{
    if (buf_add_text(boundary, "=_bounce_") < 0 || buf_add_number(boundary, server->taken) < 0 ||
        buf_add_byte(boundary, '_') < 0 || buf_add_number(boundary, (uint64_t) clock_wall()) < 0)
        return -1;
    while (header > 0 && memmem(connection->message.data, header, boundary->data, boundary->length))
        if (buf_add_byte(boundary, '_') < 0)
            return -1;
    return buf_text(boundary) ? 0 : -1;
}

static int add_header(struct buf *buf, const struct server *server,
                      const struct connection *connection, const char *boundary)
{
    char date[CLOCK_DATE_SIZE], number[NUM_DIGITS], seconds[NUM_DIGITS];

    clock_format_date(date, clock_wall());
    num_format(number, server->taken);
    num_format(seconds, (uint64_t) clock_wall());
    return ADD(buf, "Date: ", date, "\nFrom: <MAILER-DAEMON@", server->name, ">\nTo: <",
               connection->sender.data, ">\nSubject: Undelivered mail\nMessage-ID: <bounce.",
               number, ".", seconds, "@", server->name,
               ">\nAuto-Submitted: auto-replied\nMIME-Version: 1.0\n"
               "Content-Type: multipart/report; report-type=delivery-status;\n\tboundary=\"",
               boundary, "\"\n\n");
}

/* The part for people. */
static int add_text(struct buf *buf, const struct server *server,
                    const struct connection *connection, const struct deed *deed,
                    const char *boundary)
{
    const char *at = connection->recipients.data;

    if (ADD(buf, "--", boundary, "\nContent-Type: text/plain; charset=us-ascii\n\nThis is ",
            server->name, ". Your message could not be delivered to\n\n") < 0)
        return -1;
    for (size_t i = 0; i < connection->recipient_count; i++, at += strlen(at) + 1)
        if (ADD(buf, "<", at, ">:\n", deed->diagnostic, "\n\n") < 0)
            return -1;
    return 0;
}

/* The part for programs (RFC 3464 2). */
static int add_status(struct buf *buf, const struct server *server,
                      const struct connection *connection, const struct deed *deed,
                      const char *boundary)
{
    char date[CLOCK_DATE_SIZE];
    const char *at = connection->recipients.data;

    clock_format_date(date, clock_wall());
    if (ADD(buf, "--", boundary, "\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; ",
            server->name, "\nArrival-Date: ", date, "\n") < 0)
        return -1;
    for (size_t i = 0; i < connection->recipient_count; i++, at += strlen(at) + 1)
        if (ADD(buf, "\nFinal-Recipient: rfc822; ", at, "\nAction: failed\nStatus: ", deed->status,
                "\nDiagnostic-Code: smtp; ", deed->diagnostic, "\n") < 0)
            return -1;
    return buf_add_byte(buf, '\n');
}

static int make_message(struct buf *text, const struct connection *connection,
                        const struct deed *deed)
{
    const struct server *server = connection->server;
    size_t header = header_size(&connection->message);
    struct buf boundary = BUF_INIT(0);
    int result = -1;

    if (make_boundary(&boundary, server, connection, header) == 0 &&
        add_header(text, server, connection, boundary.data) == 0 &&
        add_text(text, server, connection, deed, boundary.data) == 0 &&
        add_status(text, server, connection, deed, boundary.data) == 0 &&
        ADD(text, "--", boundary.data, "\nContent-Type: text/rfc822-headers\n\n") == 0 &&
        buf_add(text, connection->message.data, header) == 0 &&
        ADD(text, "\n--", boundary.data, "--\n") == 0)
        result = 0;
    buf_free(&boundary);
    return result;
}

/* --- promising --------------------------------------------------------------------------------*/

static size_t count_all(const struct server *server)
{
    size_t count = 0;

    for (const struct bounce *bounce = server->bounces; bounce; bounce = bounce->next)
        count++;
    return count;
}

/* Tells how it ended: `bounce` has it if one could be made. */
static void tell(struct server *server, uint64_t taken, const struct bounce *bounce, bool accepted,
                 const char *reply, size_t size)
{
    record_begin(&server->record, "bounced");
    record_number(&server->record, taken);
    record_word(&server->record, accepted ? "accepted" : "refused");
    record_quoted(&server->record, reply, size);
    if (bounce) {
        record_word(&server->record, bounce->status);
        record_quoted(&server->record, bounce->diagnostic, strlen(bounce->diagnostic));
    }
    if (record_write(&server->record) < 0)
        server->broken = true;
}

static struct bounce *make_bounce(struct connection *connection, const struct deed *deed)
{
    struct server *server = connection->server;
    struct bounce *bounce = mem_alloc(sizeof *bounce);
    struct buf text = BUF_INIT(0);

    if (!bounce)
        return NULL;
    memset(bounce, 0, sizeof *bounce);
    bounce->taken = server->taken;
    bounce->status = deed->status;
    bounce->diagnostic = deed->diagnostic;
    bounce->next_ms = server_now(server) + deed->bounce_after_ms;
    bounce->give_up_ms = bounce->next_ms + GIVE_UP_MS;
    if (buf_text(&connection->sender) && make_message(&text, connection, deed) == 0 &&
        courier_add_wire(&bounce->wire, text.data, text.length) == 0 &&
        buf_set(&bounce->sender, connection->sender.data, connection->sender.length) == 0 &&
        buf_text(&bounce->sender)) {
        bounce->recipient.address = bounce->sender.data;
        bounce->letter = (struct courier_letter){.helo = server->name,
                                                 .sender = "",
                                                 .options = options,
                                                 .option_count = 1,
                                                 .recipients = &bounce->recipient,
                                                 .recipient_count = 1,
                                                 .wire = bounce->wire.data,
                                                 .wire_size = bounce->wire.length,
                                                 .pipelining = true};
    } else {
        bounce_free(bounce);
        bounce = NULL;
    }
    buf_free(&text);
    return bounce;
}

void bounce_promise(struct connection *connection, const struct deed *deed)
{
    static const char null[] = "the sender is null", room[] = "there is no room for it";
    struct server *server = connection->server;
    struct bounce **end = &server->bounces, *bounce;

    if (connection->sender.length == 0) {
        tell(server, server->taken, NULL, false, null, sizeof null - 1);
        return;
    }
    bounce = count_all(server) < BOUNCES_MAX ? make_bounce(connection, deed) : NULL;
    if (!bounce) {
        tell(server, server->taken, NULL, false, room, sizeof room - 1);
        return;
    }
    while (*end)
        end = &(*end)->next;
    *end = bounce;
    record_begin(&server->record, "owes");
    record_number(&server->record, server->taken);
    if (record_write(&server->record) < 0)
        server->broken = true;
}

/* --- sending ----------------------------------------------------------------------------------*/

size_t bounce_count(const struct server *server)
{
    size_t count = 0;

    for (const struct bounce *bounce = server->bounces; bounce; bounce = bounce->next)
        count += bounce->under_way;
    return count;
}

void bounce_poll(const struct server *server, struct pollfd *polls)
{
    for (const struct bounce *bounce = server->bounces; bounce; bounce = bounce->next)
        if (bounce->under_way)
            *polls++ =
                (struct pollfd){.fd = bounce->courier.fd,
                                .events = courier_events(&bounce->courier, server_now(server))};
}

int64_t bounce_due(const struct server *server)
{
    bool full = bounce_count(server) >= UNDER_WAY_MAX;
    int64_t due = SERVER_NEVER;

    for (const struct bounce *bounce = server->bounces; bounce; bounce = bounce->next) {
        int64_t own = bounce->under_way ? courier_deadline(&bounce->courier) : bounce->next_ms;

        if (own < due && (bounce->under_way || !full))
            due = own;
    }
    return due;
}

/* Whether a try settles it: it was taken, refused for good, or there is no time for another. */
static bool is_settled(const struct bounce *bounce)
{
    enum courier_result result = bounce->courier.result;

    return result == COURIER_ACCEPTED || result == COURIER_REFUSED ||
           bounce->next_ms > bounce->give_up_ms;
}

/* Goes on with a try.  True if the bounce is done with. */
static bool go_on(struct server *server, struct bounce *bounce, short revents)
{
    struct courier *courier = &bounce->courier;

    if (courier_work(courier, revents, server_now(server))) {
        if (is_settled(bounce))
            tell(server, bounce->taken, bounce, courier->result == COURIER_ACCEPTED,
                 courier->reply.data, courier->reply.length);
        courier_quit(courier, server_now(server));
    }
    if (!courier->done)
        return false;
    courier_end(courier);
    bounce->under_way = false;
    return is_settled(bounce);
}

void bounce_work(struct server *server, const struct pollfd *polls)
{
    size_t count = bounce_count(server);

    for (struct bounce **at = &server->bounces; *at;) {
        struct bounce *bounce = *at;
        bool was_under_way = bounce->under_way;

        if (was_under_way && go_on(server, bounce, polls->revents)) {
            *at = bounce->next;
            bounce_free(bounce);
        } else {
            at = &bounce->next;
        }
        polls += was_under_way;
    }
    for (struct bounce *bounce = server->bounces; bounce && count < UNDER_WAY_MAX;
         bounce = bounce->next) {
        if (bounce->under_way || server_now(server) < bounce->next_ms)
            continue;
        courier_begin(&bounce->courier, &bounce->letter, &server->bounces_to, server_now(server));
        bounce->under_way = true;
        bounce->next_ms += RETRY_MS;
        count++;
    }
}
