/* SPDX-License-Identifier: ISC */
/* One connection: its bytes, its command lines, its end. */
#include "mta/smtpd/smtpd.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mta/lib/clock.h"
#include "mta/lib/io.h"
#include "mta/lib/logtext.h"

#define REPLIES_MAX 65536 /* that wait to be sent */
#define HELO_SHOWN 100

int session_end(struct session *session, const char *why)
{
    if (!session->why)
        session->why = why;
    return -1;
}

int session_reply(struct session *session, const char *text)
{
    struct buf *replies = &session->replies;
    if (replies->length > REPLIES_MAX / 2 && session_flush(session) < 0)
        return -1;
    if (buf_add_text(replies, text) < 0 || buf_add_text(replies, "\r\n") < 0)
        return session_end(session, "out of memory");
    return 0;
}

/* Waits until `polls` tell of something.  0, or -1 when the time is over or poll fails. */
static int wait_for(struct session *session, struct pollfd *polls, nfds_t count,
                    int64_t deadline_ms)
{
    for (;;) {
        int64_t left_ms = deadline_ms - clock_monotonic_ms();
        int ready = poll(polls, count, left_ms > 0 ? (int) left_ms : 0);
        if (ready > 0)
            return 0;
        if (ready == 0)
            return session_end(session, "timeout");
        if (errno != EINTR)
            return session_end(session, "poll failed");
    }
}

/* Sends what can be sent without waiting.  No socket is written to before poll has found that
 * something can be: that might wait. */
static ssize_t send_some(int fd, const char *bytes, size_t size, bool polled)
{
    ssize_t count = send(fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count >= 0 || errno != ENOTSOCK)
        return count;
    if (polled)
        return write(fd, bytes, size < PIPE_BUF ? size : PIPE_BUF);
    errno = EAGAIN;
    return -1;
}

int session_flush(struct session *session)
{
    struct buf *replies = &session->replies;
    size_t sent = 0;
    int64_t deadline_ms = 0;
    bool polled = false;
    while (sent < replies->length) {
        ssize_t count =
            send_some(session->out, replies->data + sent, replies->length - sent, polled);
        if (count < 0 && errno != EINTR && errno != EAGAIN)
            return session_end(session, "connection lost");
        sent += count > 0 ? (size_t) count : 0;
        if (sent == replies->length)
            break;
        struct pollfd ready = {.fd = session->out, .events = POLLOUT};
        if (!deadline_ms)
            deadline_ms = clock_monotonic_ms() + session->settings->timeout_ms;
        if (wait_for(session, &ready, 1, deadline_ms) < 0)
            return -1;
        polled = true;
    }
    buf_reset(replies);
    return 0;
}

/* Tells the client, if it still listens, that the session ends. */
static int hang_up(struct session *session, const char *reply, const char *why)
{
    session->why = NULL;
    if (session_reply(session, reply) == 0 && session_flush(session) < 0)
        session->why = NULL;
    return session_end(session, why);
}

static int wait_for_input(struct session *session, int64_t deadline_ms)
{
    bool may_end = session->control >= 0 && !session->in_transaction;
    struct pollfd polls[2] = {{.fd = session->in, .events = POLLIN},
                              {.fd = may_end ? session->control : -1, .events = POLLIN}};
    if (wait_for(session, polls, 2, deadline_ms) < 0)
        return strcmp(session->why, "timeout") == 0
                   ? hang_up(session, "421 4.4.2 timeout", "timeout")
                   : -1;
    if (!polls[0].revents && polls[1].revents)
        return hang_up(session, "421 4.3.2 shutting down", "shutdown");
    return 0;
}

void session_earn(struct session *session, int64_t ms)
{
    int64_t most_ms = clock_monotonic_ms() + session->settings->timeout_ms;
    session->until_ms = session->until_ms < most_ms - ms ? session->until_ms + ms : most_ms;
}

void session_renew(struct session *session)
{
    session->until_ms = clock_monotonic_ms() + session->settings->timeout_ms;
    session->patience = PATIENCE;
}

int session_fill(struct session *session)
{
    if (session_flush(session) < 0)
        return -1;
    for (;;) {
        if (wait_for_input(session, session->until_ms) < 0)
            return -1;
        ssize_t count = io_read(session->in, session->input, INPUT_SIZE);
        if (count < 0 && errno == EAGAIN)
            continue;
        if (count <= 0)
            return session_end(session, count < 0 ? "connection lost" : "connection closed");
        session->input_at = 0;
        session->input_end = (size_t) count;
        return 0;
    }
}

/* How a command line came. */
enum line_kind { LINE_GOOD, LINE_LONG, LINE_BARE_LF, LINE_BINARY };

/* Moves input to the line, up to a LF.  True if there was one. */
static bool take_line_part(struct session *session, bool *is_long)
{
    const char *from = session->input + session->input_at;
    size_t size = session->input_end - session->input_at;
    const char *lf = size ? memchr(from, '\n', size) : NULL;
    if (lf)
        size = (size_t) (lf - from) + 1;
    if (*is_long || session->line.length + size > COMMAND_MAX ||
        buf_add(&session->line, from, size) < 0)
        *is_long = true;
    session->input_at += size;
    return lf != NULL;
}

static enum line_kind judge_line(struct session *session, bool is_long)
{
    struct buf *line = &session->line;
    if (is_long)
        return LINE_LONG;
    line->length--;
    bool bare = line->length == 0 || line->data[line->length - 1] != '\r';
    if (!bare)
        line->length--;
    if (bare && !session->settings->accept_bare_lf)
        return LINE_BARE_LF;
    if (line->length &&
        (memchr(line->data, 0, line->length) || memchr(line->data, '\r', line->length)))
        return LINE_BINARY;
    return LINE_GOOD;
}

static int read_line(struct session *session, enum line_kind *kind)
{
    bool is_long = false;
    buf_reset(&session->line);
    while (!take_line_part(session, &is_long))
        if (session_fill(session) < 0)
            return -1;
    session_earn(session, LINE_EARNS_MS);
    *kind = judge_line(session, is_long);
    return 0;
}

static int run_line(struct session *session)
{
    enum line_kind kind;
    if (read_line(session, &kind) < 0)
        return -1;
    switch (kind) {
    case LINE_LONG:
        return command_refuse_line(session, "500 5.5.2 line too long");
    case LINE_BARE_LF:
        return command_refuse_line(session, "500 5.5.2 lines must end with CR LF");
    case LINE_BINARY:
        return command_refuse_line(session, "500 5.5.2 control bytes in a command");
    case LINE_GOOD:
        break;
    }
    return command_run(session);
}

void session_reset(struct session *session)
{
    session->in_transaction = false;
    session->data_refused = false;
    session->recipient_count = 0;
    buf_reset(&session->sender);
    buf_reset(&session->recipients);
}

static void log_end(struct session *session)
{
    struct buf line;
    log_begin(&line, session);
    buf_add_text(&line, "end ");
    logtext_add(&line, session->why, strlen(session->why));
    buf_add_text(&line, " accepted ");
    buf_add_number(&line, session->accepted);
    buf_add_text(&line, " refused ");
    buf_add_number(&line, session->refused);
    if (session->helo.length) {
        buf_add_text(&line, " helo ");
        logtext_add(&line, session->helo.data,
                    session->helo.length < HELO_SHOWN ? session->helo.length : HELO_SHOWN);
    }
    log_line(&line);
}

static int greet(struct session *session)
{
    const struct buf *greeting = &session->settings->greeting;
    if (buf_add_text(&session->replies, "220 ") < 0 ||
        buf_add(&session->replies, greeting->data, greeting->length) < 0)
        return session_end(session, "out of memory");
    return session_reply(session, " ESMTP");
}

void session_run(struct session *session)
{
    session->replies.limit = REPLIES_MAX;
    session->line.limit = COMMAND_MAX;
    session_renew(session);
    int result = greet(session);
    while (result == 0)
        result = run_line(session);
    log_end(session);
    buf_free(&session->replies);
    buf_free(&session->line);
    buf_free(&session->helo);
    buf_free(&session->sender);
    buf_free(&session->recipients);
}
