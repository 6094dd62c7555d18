/* SPDX-License-Identifier: ISC */
/* DATA: the message on its way from the client to the queue. */
#include "mta/smtpd/smtpd.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "mta/lib/clock.h"

#define HELO_SHOWN 256

/* A message that is coming in. */
struct receiving {
    struct submit submit;
    struct smtp_data data;
    struct hops hops;
    const char *refusal; /* nothing more goes to the queue; NULL: all is well so far */
    uint64_t bytes;      /* of the content */
};

static bool is_safe(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || (byte && strchr(".@%+/=:-[]_", byte));
}

/* Text of the client as it may stand in a header: what could be mistaken becomes '?'. */
static void put_safe(struct submit *submit, const char *text, size_t size)
{
    char block[128];
    while (size > 0) {
        size_t count = size < sizeof block ? size : sizeof block;
        for (size_t i = 0; i < count; i++)
            block[i] = is_safe(text[i]) ? text[i] : '?';
        submit_write(submit, block, count);
        text += count;
        size -= count;
    }
}

static void put_safe_text(struct submit *submit, const char *text)
{
    put_safe(submit, text, strlen(text));
}

/* True if the client gave no other name than DNS has for it. */
static bool is_own_name(const struct session *session)
{
    size_t size = session->helo.length;
    const char *host = session->peer.host;
    return size == 0 || (strlen(host) == size && strncasecmp(host, session->helo.data, size) == 0);
}

/* RFC 5321 4.4, in qmail's words. */
static void put_received(const struct session *session, struct submit *submit)
{
    char date[CLOCK_DATE_SIZE];
    const struct peer *peer = &session->peer;
    clock_format_date(date, clock_wall());
    submit_text(submit, "Received: from ");
    put_safe_text(submit, peer->host);
    if (!is_own_name(session)) {
        submit_text(submit, " (HELO ");
        put_safe(submit, session->helo.data,
                 session->helo.length < HELO_SHOWN ? session->helo.length : HELO_SHOWN);
        submit_text(submit, ")");
    }
    submit_text(submit, " (");
    if (peer->info) {
        put_safe_text(submit, peer->info);
        submit_text(submit, "@");
    }
    put_safe_text(submit, peer->address);
    submit_text(submit, ")\n  by ");
    put_safe_text(submit, session->local_host);
    submit_text(submit, session->extended ? " with ESMTP; " : " with SMTP; ");
    submit_text(submit, date);
    submit_text(submit, "\n");
}

/* Nothing of this message will be kept; the rest of it is read all the same. */
static void refuse(struct receiving *receiving, const char *reply)
{
    if (receiving->refusal)
        return;
    receiving->refusal = reply;
    submit_abort(&receiving->submit);
}

static void check(const struct session *session, struct receiving *receiving)
{
    if (session->databytes && receiving->data.size > session->databytes)
        refuse(receiving, "552 5.3.4 sorry, that message size exceeds my databytes limit");
    if (receiving->data.bare_lf && !session->settings->accept_bare_lf)
        refuse(receiving, "554 5.6.11 bare LF in the message: lines must end with CR LF");
    if (receiving->hops.count >= HOPS_MAX)
        refuse(receiving, "554 5.4.6 too many hops, this message is looping");
}

static int fill(struct session *session)
{
    if (session_fill(session) < 0)
        return -1;
    session_earn(session, (int64_t) session->input_end * BYTE_EARNS_MS);
    return 0;
}

/* Reads up to the end of data.  -1 if the session is over before. */
static int read_data(struct session *session, struct receiving *receiving)
{
    char content[INPUT_SIZE + 1];
    size_t size;
    while (!smtp_data_ended(&receiving->data)) {
        if (session->input_at == session->input_end && fill(session) < 0)
            return -1;
        session->input_at += smtp_data_feed(&receiving->data, session->input + session->input_at,
                                            session->input_end - session->input_at, content, &size);
        receiving->bytes += size;
        hops_feed(&receiving->hops, content, size);
        check(session, receiving);
        if (!receiving->refusal)
            submit_write(&receiving->submit, content, size);
    }
    return 0;
}

/* "Dtext (#5.1.3)" becomes "554 5.1.3 text". */
static void make_reply(char *reply, size_t room, const char *text)
{
    bool permanent = text[0] == 'D';
    const char *code = strstr(text, " (#");
    size_t code_size = code ? strcspn(code + 3, ")") : 0;
    int shown = code ? (int) (code - text) - 1 : (int) strlen(text + (text[0] != 0));
    if (!code || code_size == 0 || code_size > 9) {
        snprintf(reply, room, "%s %.*s", permanent ? "554 5.3.0" : "451 4.3.0", shown,
                 text[0] ? text + 1 : "");
        return;
    }
    snprintf(reply, room, "%s %.*s %.*s", permanent ? "554" : "451", (int) code_size, code + 3,
             shown, text + 1);
}

/* The line of a message; `end` is what became of it. */
static void log_message(const struct session *session, const struct receiving *receiving,
                        const char *begin, const char *end)
{
    struct buf line;
    const char *first = session->recipients.data;
    log_begin(&line, session);
    buf_add_text(&line, begin);
    buf_add_text(&line, " bytes ");
    buf_add_number(&line, receiving->bytes);
    buf_add_text(&line, " from ");
    log_add_address(&line, session->sender.data, session->sender.length);
    buf_add_text(&line, " to ");
    log_add_address(&line, first, strlen(first));
    if (session->recipient_count > 1) {
        buf_add_text(&line, " and ");
        buf_add_number(&line, session->recipient_count - 1);
        buf_add_text(&line, " more");
    }
    buf_add_text(&line, end ? ": " : "");
    buf_add_text(&line, end ? end : "");
    log_line(&line);
}

static int accept_message(struct session *session, const struct receiving *receiving,
                          uint64_t number)
{
    char text[80];
    snprintf(text, sizeof text, "accepted qp %llu", (unsigned long long) number);
    session->accepted++;
    log_message(session, receiving, text, NULL);
    snprintf(text, sizeof text, "250 2.6.0 ok %lld qp %llu", (long long) clock_wall(),
             (unsigned long long) number);
    session_reset(session);
    session_renew(session);
    return session_reply(session, text);
}

static int refuse_message(struct session *session, const struct receiving *receiving,
                          const char *reply)
{
    session->refused++;
    log_message(session, receiving, "refused", reply);
    session_reset(session);
    session_earn(session, session->settings->timeout_ms); /* the queue may have been slow */
    return session_reply(session, reply);
}

/* Gives the message to the queue, if nothing is against it, and tells the client. */
static int finish(struct session *session, struct receiving *receiving)
{
    struct submit_result result;
    char reply[SUBMIT_TEXT_SIZE + 32];
    if (receiving->refusal)
        return refuse_message(session, receiving, receiving->refusal);
    submit_sender(&receiving->submit, session->sender.data, session->sender.length);
    const char *recipient = session->recipients.data;
    for (size_t i = 0; i < session->recipient_count; i++) {
        size_t size = strlen(recipient);
        submit_recipient(&receiving->submit, recipient, size);
        recipient += size + 1;
    }
    if (submit_finish(&receiving->submit, &result) == QUEUE_OK)
        return accept_message(session, receiving, result.number);
    make_reply(reply, sizeof reply, result.text);
    return refuse_message(session, receiving, reply);
}

int receive_message(struct session *session)
{
    struct receiving receiving = {.refusal = NULL};
    if (session_reply(session, "354 go ahead") < 0 || session_flush(session) < 0)
        return -1;
    smtp_data_begin(&receiving.data);
    hops_begin(&receiving.hops);
    submit_open_as(&receiving.submit, session->home, session->environment, CALLER_NETWORK,
                   session->queue);
    put_received(session, &receiving.submit);
    if (read_data(session, &receiving) == 0)
        return finish(session, &receiving);
    if (!receiving.refusal)
        submit_abort(&receiving.submit);
    return -1;
}
