/* SPDX-License-Identifier: ISC */
/*
 * What is said to a server.  Until the dot is sent any trouble leads to the next address; from then
 * on the server may have the message, and its silence is told as what it is.
 */
#include <string.h>

#include "mta/lib/address.h"
#include "mta/lib/clock.h"
#include "mta/lib/num.h"
#include "mta/remote/remote.h"

#define CLOSING 421

static const char said[] = "Remote host said: ";

/* --- verdicts ------------------------------------------------------------------------------ */

static void verdict_reply(struct connection *connection, struct job *job, char letter,
                          const char *before, const char *after)
{
    job_verdict(job, letter, before, connection->host, after, said, connection->reply.text);
}

/* The connection broke before the dot: says how. */
static enum outcome broke(struct connection *connection, struct job *job)
{
    switch (connection->trouble) {
    case TROUBLE_MEMORY:
        job_verdict(job, 'Z', "Out of memory. (#4.3.0)\n");
        job->ends = true;
        break;
    case TROUBLE_GONE:
        job_verdict(job, 'Z', "Given up: nixie-rspawn is gone. (#4.3.0)\n");
        job->ends = true;
        break;
    case TROUBLE_RUBBISH:
        verdict_reply(connection, job, 'Z', "Connected to ",
                      " but cannot understand what it says. (#4.5.0)\n");
        break;
    case TROUBLE_OUT_OF_STEP:
        job_verdict(job, 'Z', "Connected to ", connection->host,
                    " but it says more than it was asked. (#4.5.0)\n");
        break;
    default:
        job_verdict(job, 'Z', "Connected to ", connection->host,
                    " but connection died. (#4.4.2)\n");
    }
    return OUTCOME_TROUBLE;
}

/* A reply that refuses: tells it.  A server that closes is trouble. */
static enum outcome refused(struct connection *connection, struct job *job, const char *before,
                            const char *after)
{
    char letter = smtp_reply_class(&connection->reply) == 5 ? 'D' : 'Z';
    bool closing = connection->reply.code == CLOSING;
    verdict_reply(connection, job, letter, before, after);
    if (closing)
        connection_close(connection);
    return closing ? OUTCOME_TROUBLE : OUTCOME_DONE;
}

/* --- greeting and hello -------------------------------------------------------------------- */

static enum outcome greeting(struct connection *connection, struct job *job)
{
    if (connection_reply(connection) < 0)
        return broke(connection, job);
    if (connection->reply.code == 220)
        return OUTCOME_DONE;
    verdict_reply(connection, job, 'Z', "Connected to ", " but greeting failed.\n");
    return OUTCOME_TROUBLE;
}

static int say(struct connection *connection, const char *verb, const char *argument)
{
    if (connection_has_unread(connection))
        return connection_out_of_step(connection);
    if (connection_put(connection, verb) < 0 || connection_put(connection, argument) < 0 ||
        connection_put(connection, "\r\n") < 0)
        return -1;
    return connection_reply(connection);
}

static void learn_extensions(struct connection *connection)
{
    size_t size;
    const char *limit = smtp_reply_extension(&connection->reply, "SIZE", &size);
    connection->esmtp = true;
    connection->pipelining = smtp_reply_extension(&connection->reply, "PIPELINING", &size) != NULL;
    connection->eight_bit = smtp_reply_extension(&connection->reply, "8BITMIME", &size) != NULL;
    connection->size = limit != NULL;
    connection->size_limit = 0;
    if (limit) {
        smtp_reply_extension(&connection->reply, "SIZE", &size);
        if (num_parse(limit, size && limit[size - 1] == '\r' ? size - 1 : size,
                      &connection->size_limit) < 0)
            connection->size_limit = 0;
    }
}

static enum outcome hello(struct connection *connection, const struct settings *settings,
                          struct job *job, bool esmtp)
{
    if (esmtp && say(connection, "EHLO ", settings->helo.data) < 0)
        return broke(connection, job);
    if (esmtp && smtp_reply_class(&connection->reply) == 2) {
        learn_extensions(connection);
        connection->pipelining = connection->pipelining && !job->lock_step;
        return OUTCOME_DONE;
    }
    if (esmtp && smtp_reply_class(&connection->reply) != 5) {
        verdict_reply(connection, job, 'Z', "Connected to ", " but my name was rejected.\n");
        return OUTCOME_TROUBLE;
    }
    if (say(connection, "HELO ", settings->helo.data) < 0)
        return broke(connection, job);
    if (smtp_reply_class(&connection->reply) == 2)
        return OUTCOME_DONE;
    verdict_reply(connection, job, 'Z', "Connected to ", " but my name was rejected.\n");
    return OUTCOME_TROUBLE;
}

/* A server that is never quite too late must not hold us for ever. */
static void limit_time(struct connection *connection, const struct job *job)
{
    uint64_t bytes = job->message.wire_size;
    int64_t extra_ms = connection->timeout_ms;
    if (bytes < INT64_MAX / 4 / SESSION_MS_PER_BYTE)
        extra_ms += (int64_t) bytes * SESSION_MS_PER_BYTE;
    connection->until_ms = clock_monotonic_ms() + SESSION_MS + extra_ms;
}

enum outcome session_begin(struct connection *connection, const struct settings *settings,
                           struct job *job, const struct sockaddr_storage *address)
{
    connection->timeout_ms = settings->remote_ms;
    limit_time(connection, job);
    for (bool esmtp = true;; esmtp = false) {
        if (connection_open(connection, address, settings->connect_ms) < 0) {
            if (connection->trouble == TROUBLE_GONE)
                return broke(connection, job);
            if (!job->verdict)
                job_verdict(job, 'Z', "Sorry, I wasn't able to establish an SMTP connection. ",
                            "(#4.4.1)\n");
            return OUTCOME_TROUBLE;
        }
        enum outcome outcome = greeting(connection, job);
        if (outcome != OUTCOME_DONE)
            return outcome;
        outcome = hello(connection, settings, job, esmtp);
        /* Servers of old close when they hear EHLO. */
        if (outcome == OUTCOME_DONE || !esmtp || connection->fd >= 0 ||
            connection->trouble != TROUBLE_LOST)
            return outcome;
    }
}

/* --- the envelope -------------------------------------------------------------------------- */

static int put_path(struct connection *connection, const char *verb, const char *address)
{
    const char *at = strrchr(address, '@');
    size_t local_size = at ? (size_t) (at - address) : strlen(address);
    if (connection_put(connection, verb) < 0)
        return -1;
    if (*address && (address_add_local(&connection->out, address, local_size) < 0 ||
                     (at && buf_add_text(&connection->out, at) < 0))) {
        connection->trouble = TROUBLE_MEMORY;
        connection_close(connection);
        return -1;
    }
    return connection_put(connection, ">");
}

static int put_mail(struct connection *connection, const struct job *job)
{
    char size[NUM_DIGITS];
    if (put_path(connection, "MAIL FROM:<", job->sender) < 0)
        return -1;
    num_format(size, job->message.wire_size);
    if (connection->size &&
        (connection_put(connection, " SIZE=") < 0 || connection_put(connection, size) < 0))
        return -1;
    if (connection->eight_bit && job->message.eight_bit &&
        connection_put(connection, " BODY=8BITMIME") < 0)
        return -1;
    return connection_put(connection, "\r\n");
}

static int put_recipient(struct connection *connection, const struct recipient *recipient)
{
    if (put_path(connection, "RCPT TO:<", recipient->address) < 0)
        return -1;
    return connection_put(connection, "\r\n");
}

/* The recipients, in the order in which they are told now. */
static struct recipient *in_order(const struct job *job, size_t i)
{
    return &job->recipients[(job->first + i) % job->count];
}

/* The reply to RSET: who refuses that is not fit for another message. */
static int take_reset(struct connection *connection)
{
    if (connection_reply(connection) < 0)
        return -1;
    return smtp_reply_class(&connection->reply) == 2 ? 0 : connection_rubbish(connection);
}

/* The server has said something that nobody asked for.  In lock step that may have come since, and
 * would be taken for the next reply; else all is in order when DATA's has come. */
static bool is_ahead(struct connection *connection)
{
    return connection->pipelining ? connection_has_unread(connection)
                                  : connection_is_ahead(connection);
}

/* With PIPELINING all goes at once (RFC 2920), else only what comes first. */
static int put_envelope(struct connection *connection, const struct job *job)
{
    if (is_ahead(connection))
        return connection_out_of_step(connection);
    if (connection->in_transaction && connection_put(connection, "RSET\r\n") < 0)
        return -1;
    if (connection->in_transaction && !connection->pipelining && take_reset(connection) < 0)
        return -1;
    if (put_mail(connection, job) < 0)
        return -1;
    if (!connection->pipelining)
        return 0;
    for (size_t i = 0; i < job->count; i++) {
        const struct recipient *recipient = in_order(job, i);
        if (recipient->fate == FATE_OPEN && put_recipient(connection, recipient) < 0)
            return -1;
    }
    return connection_put(connection, "DATA\r\n");
}

static int put_data(struct connection *connection)
{
    return is_ahead(connection) ? connection_out_of_step(connection)
                                : connection_put(connection, "DATA\r\n");
}

/* In lock step a reply that came before its command is none. */
static int next_reply(struct connection *connection)
{
    if (!connection->pipelining && connection_has_unread(connection))
        return connection_out_of_step(connection);
    return connection_reply(connection);
}

static void set_answer(struct job *job, struct recipient *recipient, enum fate fate,
                       const struct connection *connection)
{
    const char *const parts[] = {connection->host,
                                 " does not like recipient.\n",
                                 said,
                                 connection->reply.text,
                                 "Giving up on ",
                                 connection->host,
                                 ".\n",
                                 NULL};
    answer_set(job, recipient, fate, parts, 4);
}

/* What came of the envelope. */
struct envelope_result {
    bool fresh;     /* it is the first on its connection */
    bool pipelined; /* all of it was sent at once */
    bool sender_ok;
    size_t accepted; /* recipients */
    size_t in_vain;  /* of them, without a sender */
};

/* The server broke off at that recipient.  Where others wait it is charged to him: he must not hold
 * them up, at each retry anew. */
static enum outcome ended_at(struct job *job, struct recipient *recipient,
                             const struct envelope_result *result)
{
    if (job->ends || !result->fresh || !answers_several_wait(job))
        return OUTCOME_TROUBLE;
    answers_charge(job, recipient);
    return OUTCOME_AGAIN;
}

/* What the server says is not what we think it is. */
static bool is_confused(const struct connection *connection)
{
    return connection->trouble == TROUBLE_RUBBISH || connection->trouble == TROUBLE_OUT_OF_STEP;
}

/* The connection broke in the envelope, after a command for that recipient, or (NULL) another one.
 * With PIPELINING nobody knows at what the server broke off, with its replies unsent perhaps: what
 * it has against whom is learned in lock step. */
static enum outcome broke_at(struct connection *connection, struct job *job,
                             struct recipient *recipient, const struct envelope_result *result)
{
    broke(connection, job);
    if (is_confused(connection))
        answers_doubt(job);
    if (result->pipelined && result->fresh && !job->ends && answers_several_wait(job)) {
        job->lock_step = true;
        return OUTCOME_AGAIN;
    }
    return recipient ? ended_at(job, recipient, result) : OUTCOME_TROUBLE;
}

/* Behind recipients that were accepted, or were named on this connection before, this is about
 * their number (RFC 5321 4.5.3.1.10; 552 is what older servers say), unless the enhanced code of a
 * 452 says otherwise. */
static bool is_one_too_many(const struct smtp_reply *reply)
{
    static const char coded[] = "4.5.3";
    if (reply->code == 552)
        return true;
    return reply->code == 452 && (strncmp(reply->text + 4, coded, 2) != 0 ||
                                  strncmp(reply->text + 4, coded, sizeof coded - 1) == 0);
}

/* The reply to one RCPT. */
static enum outcome take_recipient(struct connection *connection, struct job *job,
                                   struct recipient *recipient,
                                   const struct envelope_result *result)
{
    enum fate fate;
    if (connection->reply.code == CLOSING) {
        refused(connection, job, "", " does not like recipient.\n");
        return ended_at(job, recipient, result);
    }
    recipient->transaction = job->transactions;
    switch (smtp_reply_class(&connection->reply)) {
    case 2:
        recipient->fate = FATE_ACCEPTED;
        recipient->liked = true;
        return OUTCOME_DONE;
    case 3:
        connection_rubbish(connection);
        return broke_at(connection, job, recipient, result);
    case 4:
        fate = FATE_SOFT;
        break;
    default:
        fate = FATE_HARD;
    }
    if ((result->accepted || !result->fresh) && is_one_too_many(&connection->reply))
        fate = FATE_LEFT;
    set_answer(job, recipient, fate, connection);
    return OUTCOME_DONE;
}

/* The replies to all RCPT. */
static enum outcome recipients(struct connection *connection, struct job *job,
                               struct envelope_result *result)
{
    for (size_t i = 0; i < job->count; i++) {
        struct recipient *recipient = in_order(job, i);
        if (recipient->fate != FATE_OPEN)
            continue;
        if (!connection->pipelining && put_recipient(connection, recipient) < 0)
            return broke_at(connection, job, recipient, result);
        if (next_reply(connection) < 0)
            return result->sender_ok ? broke_at(connection, job, recipient, result) : OUTCOME_DONE;
        if (!connection->pipelining && connection_has_unread(connection)) {
            connection_out_of_step(connection); /* more than one reply */
            return broke_at(connection, job, recipient, result);
        }
        if (!result->sender_ok) {
            result->in_vain += smtp_reply_class(&connection->reply) == 2;
            continue;
        }
        enum outcome outcome = take_recipient(connection, job, recipient, result);
        if (outcome != OUTCOME_DONE)
            return outcome;
        result->accepted += recipient->fate == FATE_ACCEPTED;
    }
    return OUTCOME_DONE;
}

/* --- the message --------------------------------------------------------------------------- */

static enum outcome cannot_read(struct connection *connection, struct job *job)
{
    job_verdict(job, 'Z', "Unable to read message. (#4.3.0)\n");
    job->ends = true;
    connection_close(connection);
    return OUTCOME_DONE;
}

/* The server said something, or closed, before it had the message: without the dot it has none. */
static enum outcome too_early(struct connection *connection, struct job *job)
{
    buf_reset(&connection->out);
    if (connection_reply(connection) < 0)
        return broke(connection, job);
    unsigned kind = smtp_reply_class(&connection->reply);
    if (kind < 4) {
        connection_rubbish(connection);
        return broke(connection, job);
    }
    enum outcome outcome = refused(connection, job, "", " failed while I sent the message.\n");
    connection_close(connection);
    return outcome;
}

/* The dot may have been sent, and no answer came that can be believed. */
static enum outcome in_doubt(struct connection *connection, struct job *job)
{
    job_verdict(job, 'Z', "Connected to ", connection->host,
                " but connection died. Possible duplicate! (#4.4.2)\n");
    connection_close(connection);
    return OUTCOME_DONE;
}

static enum outcome take_end(struct connection *connection, struct job *job)
{
    unsigned kind = smtp_reply_class(&connection->reply);
    bool cut = connection->unsent, closing = connection->reply.code == CLOSING;
    if (kind == 3 && cut) { /* the dot was not sent */
        connection_rubbish(connection);
        return broke(connection, job);
    }
    if (kind == 3 || (kind == 2 && cut))
        return in_doubt(connection, job);
    connection->committed = false;
    connection->in_transaction = false;
    if (kind == 2)
        verdict_reply(connection, job, 'K', "", " accepted message.\n");
    else
        verdict_reply(connection, job, kind == 5 ? 'D' : 'Z', "",
                      " failed after I sent the message.\n");
    if (cut || closing)
        connection_close(connection);
    return OUTCOME_DONE;
}

static enum outcome send_message(struct connection *connection, struct job *job)
{
    if (message_rewind(&job->message) < 0)
        return cannot_read(connection, job);
    for (;;) {
        if (message_next(&job->message, &connection->out) < 0)
            return cannot_read(connection, job);
        if (connection_has_input(connection))
            return too_early(connection, job);
        if (job->message.ended)
            break;
        if (connection_flush(connection) < 0)
            return broke(connection, job);
    }
    if (connection_is_unwanted(connection)) {
        connection->trouble = TROUBLE_GONE;
        connection_close(connection);
        return broke(connection, job);
    }
    connection->committed = true;
    if (connection_reply(connection) == 0) /* else: without all of the dot there is no message */
        return take_end(connection, job);
    return connection->unsent ? broke(connection, job) : in_doubt(connection, job);
}

/* DATA was accepted though nobody is to get the message: it is sent nothing, and not even that to
 * a server that took recipients without a sender. */
static void send_nothing(struct connection *connection, const struct envelope_result *result)
{
    if (result->in_vain) {
        connection_close(connection);
        return;
    }
    if (connection_put(connection, ".\r\n") < 0 || connection_reply(connection) < 0)
        return;
    connection->in_transaction = false;
    if (connection->reply.code == CLOSING || smtp_reply_class(&connection->reply) == 3)
        connection_close(connection);
}

/* The reply to DATA.  A 2yz is none to it; nor is a refusal, if behind all that was sent at
 * once there is still something that the server said: then it was one reply ahead all the time. */
static enum outcome take_data(struct connection *connection, struct job *job,
                              const struct envelope_result *result)
{
    unsigned kind = smtp_reply_class(&connection->reply);
    if (kind == 3 && result->accepted)
        return send_message(connection, job);
    if (kind == 3) {
        send_nothing(connection, result);
        return OUTCOME_DONE;
    }
    if (result->sender_ok &&
        (kind == 2 || (result->pipelined && connection_is_ahead(connection)))) {
        connection_out_of_step(connection);
        return broke_at(connection, job, NULL, result);
    }
    if (result->accepted)
        return refused(connection, job, "", " failed on DATA command.\n");
    if (kind == 2 || connection->reply.code == CLOSING)
        connection_close(connection);
    return OUTCOME_DONE;
}

/* --- a transaction ------------------------------------------------------------------------- */

static bool is_too_large(const struct connection *connection, struct job *job)
{
    char size[NUM_DIGITS], limit[NUM_DIGITS];
    if (!connection->size || !connection->size_limit ||
        job->message.wire_size <= connection->size_limit)
        return false;
    num_format(size, job->message.wire_size);
    num_format(limit, connection->size_limit);
    job_verdict(job, 'D', connection->host, " takes messages of up to ", limit,
                " bytes; this one has ", size, ". (#5.3.4)\n");
    return true;
}

/* The reply to MAIL; in *ok whether there is a transaction now.  A refusal is believed on a new
 * connection only: on one that served before it may be about that (452 too many, 503 no RSET). */
static enum outcome take_mail(struct connection *connection, struct job *job, bool *ok)
{
    unsigned kind = smtp_reply_class(&connection->reply);
    *ok = kind == 2;
    if (kind == 2)
        return OUTCOME_DONE;
    if (kind == 3 || connection->transactions > 0) {
        connection_rubbish(connection);
        return broke(connection, job);
    }
    return refused(connection, job, "Connected to ", " but sender was rejected.\n");
}

enum outcome session_transaction(struct connection *connection, struct job *job)
{
    bool reset = connection->in_transaction && connection->pipelining;
    struct envelope_result result = {.fresh = connection->transactions == 0,
                                     .pipelined = connection->pipelining};
    limit_time(connection, job);
    job->transactions++;
    if (is_too_large(connection, job))
        return OUTCOME_DONE;
    if (put_envelope(connection, job) < 0 || (reset && take_reset(connection) < 0) ||
        next_reply(connection) < 0)
        return broke_at(connection, job, NULL, &result);
    connection->in_transaction = true;
    if (take_mail(connection, job, &result.sender_ok) == OUTCOME_TROUBLE)
        return OUTCOME_TROUBLE;
    if (!result.sender_ok && !connection->pipelining)
        return OUTCOME_DONE;
    enum outcome outcome = recipients(connection, job, &result);
    if (outcome != OUTCOME_DONE)
        return outcome;
    if (result.sender_ok && !result.accepted)
        job_verdict(job, 'D', "Giving up on ", connection->host, ".\n");
    if (!connection->pipelining && !result.accepted)
        return OUTCOME_DONE;
    if (!connection->pipelining && put_data(connection) < 0)
        return broke_at(connection, job, NULL, &result);
    if (next_reply(connection) < 0) {
        if (result.accepted || (result.sender_ok && is_confused(connection)))
            return broke_at(connection, job, NULL, &result);
        return OUTCOME_DONE; /* all have their answer already */
    }
    return take_data(connection, job, &result);
}
