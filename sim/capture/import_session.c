/* SPDX-License-Identifier: ISC */
/* What a session was: its transactions, and how it ended. */
#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "sim/capture/import_internal.h"

/* --- servers ---------------------------------------------------------------------------------*/

static size_t find_remote(struct import *import, const struct frame_end *end)
{
    struct import_remote *remote;

    for (size_t i = 0; i < import->remote_count; i++)
        if (frame_end_same(&import->remotes[i].end, end))
            return i;
    remote = POOL_ADD(&import->pool, import->remotes, import->remote_count);
    remote->end = *end;
    remote->same = import->remote_count - 1;
    return remote->same;
}

/* The name in a greeting or in the reply to EHLO. */
static void set_greeting(struct import *import, const struct import_session *session)
{
    struct import_remote *remote = &import->remotes[session->remote];

    for (size_t i = 0; i < session->smtp.count && !remote->greeting; i++) {
        const struct smtp_exchange *exchange = &session->smtp.exchanges[i];
        size_t size = exchange->reply.size, length = 0;
        const char *text = size > 4 ? exchange->reply.text + 4 : "";

        size = size > 4 ? size - 4 : 0;
        if (exchange->code / 100 != 2 ||
            (exchange->step != SMTP_GREETING && strcmp(exchange->verb, "EHLO") != 0 &&
             strcmp(exchange->verb, "HELO") != 0))
            continue;
        while (length < size && !isspace((unsigned char) text[length]))
            length++;
        if (import_is_domain(text, length))
            remote->greeting = pool_copy(&import->pool, text, length);
    }
}

/* Of what our client makes use of: the rest of the reply is only text. */
static void set_extensions(struct import *import, struct import_remote *remote,
                           const struct smtp_said *reply)
{
    static const char *const known[] = {"PIPELINING", "SIZE", "8BITMIME", "ENHANCEDSTATUSCODES"};
    char *words = pool_text(&import->pool, "");

    for (size_t k = 0; k < sizeof known / sizeof *known; k++)
        for (const char *at = reply->text, *end = at + reply->size; at < end;) {
            const char *next = memchr(at, '\n', (size_t) (end - at));
            size_t length = strlen(known[k]), line = (size_t) ((next ? next : end) - at);

            if (line >= 4 + length && strncasecmp(at + 4, known[k], length) == 0 &&
                (line == 4 + length || !isalnum((unsigned char) at[4 + length])) &&
                at != reply->text) {
                words = pool_format(&import->pool, "%s %s", words, known[k]);
                break;
            }
            at = next ? next + 1 : end;
        }
    if (!remote->extensions || strlen(words) > strlen(remote->extensions))
        remote->extensions = words;
}

/* --- transactions ----------------------------------------------------------------------------*/

static const char *copy_path(struct import *import, const struct smtp_exchange *exchange)
{
    const char *address;
    size_t size;

    return smtp_path(exchange, &address, &size) && !memchr(address, 0, size)
               ? pool_copy(&import->pool, address, size)
               : NULL;
}

/* Adds a message's bytes, as lines that end with LF, to `text`.  Returns the size then. */
static size_t add_text(char *text, size_t used, const struct smtp_exchange *exchange)
{
    size_t size = smtp_message_size(exchange);
    const char *from = exchange->command.text;
    bool start = true;

    for (size_t i = 0; i < size; i++) {
        bool dot = start && !exchange->chunk && from[i] == '.';

        start = from[i] == '\n';
        if (dot || (from[i] == '\r' && i + 1 < size && from[i + 1] == '\n'))
            continue;
        text[used++] = from[i];
    }
    return used;
}

/* The message of its pieces. */
static void set_text(struct import *import, struct import_transaction *transaction)
{
    size_t size = 0;
    char *text;

    for (size_t i = 0; i < transaction->piece_count; i++)
        size += transaction->pieces[i]->command.size;
    if (transaction->piece_count == 0)
        return;
    text = pool_alloc(&import->pool, size + 1);
    transaction->text_whole = true;
    for (size_t i = 0; i < transaction->piece_count; i++) {
        transaction->end = transaction->pieces[i];
        transaction->text_size = add_text(text, transaction->text_size, transaction->end);
        transaction->text_whole = transaction->text_whole && transaction->end->command.whole;
    }
    transaction->text = text;
}

static enum import_fate fate_of(unsigned code)
{
    return code / 100 == 2 ? FATE_TAKEN : code / 100 == 5 ? FATE_REFUSED : FATE_OPEN;
}

static void add_recipient(struct import *import, const struct import_session *session,
                          struct import_transaction *transaction,
                          const struct smtp_exchange *exchange)
{
    const char *address = copy_path(import, exchange);
    struct import_recipient *recipient;

    if (!address || !import_is_address(address, false)) {
        import_note(import, "session %" PRIu64 ": a recipient whose address cannot be sent to",
                    session->number);
        return;
    }
    recipient = POOL_ADD(&import->pool, transaction->recipients, transaction->recipient_count);
    recipient->address = address;
    recipient->rcpt = exchange;
    recipient->fate = exchange->code / 100 == 5 ? FATE_REFUSED : FATE_OPEN;
}

static void add_transaction(struct import *import, struct import_session *session,
                            const struct smtp_exchange *exchange)
{
    struct import_transaction *transaction =
        POOL_ADD(&import->pool, session->transactions, session->transaction_count);

    transaction->mail = exchange;
    transaction->sender = copy_path(import, exchange);
    if (!transaction->sender ||
        (*transaction->sender && !import_is_address(transaction->sender, true))) {
        import_note(import, "session %" PRIu64 ": a sender whose address is none: it is <> here",
                    session->number);
        transaction->sender = "";
    }
}

static void take_exchange(struct import *import, struct import_session *session,
                          const struct smtp_exchange *exchange)
{
    struct import_transaction *transaction =
        session->transaction_count ? &session->transactions[session->transaction_count - 1] : NULL;

    if (exchange->step == SMTP_MESSAGE && transaction)
        *POOL_ADD(&import->pool, transaction->pieces, transaction->piece_count) = exchange;
    else if (strcmp(exchange->verb, "MAIL") == 0)
        add_transaction(import, session, exchange);
    else if (strcmp(exchange->verb, "RCPT") == 0 && transaction)
        add_recipient(import, session, transaction, exchange);
    else if (strcmp(exchange->verb, "DATA") == 0 && transaction)
        transaction->data = exchange;
    else if (exchange->step == SMTP_COMMAND && exchange->reply.there &&
             (strcmp(exchange->verb, "EHLO") == 0 || strcmp(exchange->verb, "LHLO") == 0) &&
             exchange->code / 100 == 2)
        set_extensions(import, &import->remotes[session->remote], &exchange->reply);
}

/* What the replies mean for those who are neither refused nor have another fate already. */
static void set_fates(const struct import_session *session, struct import_transaction *transaction)
{
    const struct smtp_exchange *end = transaction->end;
    bool went = !end && !transaction->data && session->end == END_ORDERLY && !session->closed_after;

    transaction->fate = fate_of(transaction->mail->code) == FATE_REFUSED ? FATE_REFUSED : FATE_OPEN;
    if (transaction->data && !end && transaction->data->code / 100 == 5)
        transaction->fate = FATE_REFUSED;
    if (end && transaction->text_whole)
        transaction->fate = fate_of(end->code);
    for (size_t i = 0; i < transaction->recipient_count; i++) {
        struct import_recipient *recipient = &transaction->recipients[i];

        if (recipient->fate == FATE_OPEN &&
            (recipient->rcpt->code / 100 == 2 ||
             (recipient->rcpt->code == 0 && transaction->fate == FATE_REFUSED)))
            recipient->fate = went ? FATE_GONE : transaction->fate;
    }
}

/* --- the end ---------------------------------------------------------------------------------*/

/* The last thing that had no answer. */
static const struct smtp_exchange *find_unanswered(const struct smtp_session *smtp)
{
    for (size_t i = 0; i < smtp->count; i++) {
        const struct smtp_exchange *exchange = &smtp->exchanges[i];
        bool chunk_follows = i + 1 < smtp->count && smtp->exchanges[i + 1].chunk;

        if (!exchange->reply.there && !exchange->reply_lost && !chunk_follows &&
            (exchange->step == SMTP_GREETING || exchange->step == SMTP_COMMAND ||
             exchange->step == SMTP_MESSAGE))
            return exchange;
    }
    return NULL;
}

/* What the server had replied to when it closed, if it did so before anybody said QUIT. */
static const struct smtp_exchange *find_closed(const struct smtp_session *smtp,
                                               const struct flow_stop *server)
{
    const struct smtp_exchange *last = NULL;

    for (size_t i = 0; i < smtp->count; i++) {
        const struct smtp_exchange *exchange = &smtp->exchanges[i];

        if (exchange->reply.there && exchange->step != SMTP_UNASKED)
            last = exchange;
        if (exchange->command.there && exchange->command.first_packet < server->packet &&
            (!exchange->reply.there || strcmp(exchange->verb, "QUIT") == 0))
            return NULL;
    }
    return last;
}

static void set_end(struct import_session *session)
{
    const struct flow *flow = session->smtp.flow;
    const struct flow_stop *client = flow_stop_of(flow, false), *server = flow_stop_of(flow, true);
    bool server_first = server->packet && (!client->packet || server->packet < client->packet);

    session->unanswered = find_unanswered(&session->smtp);
    if (flow->opened && !flow->accepted) {
        session->end = server->reset ? END_REFUSED : END_NO_ANSWER;
        return;
    }
    if (server_first)
        session->closed_after = find_closed(&session->smtp, server);
    if (session->closed_after)
        session->unanswered = NULL;
    else if (session->unanswered && server_first)
        session->end = server->reset ? END_RESET : END_CLOSED;
    else if (session->unanswered && session->unanswered->step == SMTP_MESSAGE &&
             !session->unanswered->command.whole)
        session->end = END_CLIENT;
    else if (session->unanswered && strcmp(session->unanswered->verb, "QUIT") != 0) {
        session->end = END_SILENT;
        session->waited_ns = flow->last_ns - (session->unanswered->command.there
                                                  ? session->unanswered->command.last_ns
                                                  : flow->first_ns);
    }
}

/* True if our server, too, would go to the next server or try again later. */
static bool failed_early(const struct import_session *session)
{
    const struct smtp_session *smtp = &session->smtp;
    unsigned code = 0;

    for (size_t i = 0; i < smtp->count; i++)
        if (smtp->exchanges[i].code && strcmp(smtp->exchanges[i].verb, "QUIT") != 0)
            code = smtp->exchanges[i].code;
    return session->end != END_ORDERLY || code / 100 != 2;
}

/* --- what cannot be told ---------------------------------------------------------------------*/

static void note_exchange(struct import *import, const struct import_session *session,
                          const struct smtp_exchange *exchange)
{
    static const char *const told[] = {"EHLO", "HELO", "MAIL", "RCPT", "DATA", "RSET", "QUIT", ""};

    if (exchange->step == SMTP_UNASKED)
        import_note(import,
                    "session %" PRIu64 ": a reply that no command asked for (%u) is left out",
                    session->number, exchange->code);
    if (exchange->chunk)
        import_note(import, "session %" PRIu64 ": BDAT is told as DATA", session->number);
    if (exchange->step != SMTP_COMMAND || exchange->chunk || strcmp(exchange->verb, "BDAT") == 0)
        return;
    for (size_t i = 0; i < sizeof told / sizeof *told; i++)
        if (strcmp(exchange->verb, told[i]) == 0) {
            if (!*told[i])
                import_note(import, "session %" PRIu64 ": a line that is no command is left out",
                            session->number);
            return;
        }
    import_note(import, "session %" PRIu64 ": %s, which our client does not say, is left out",
                session->number, exchange->verb);
}

static void note_lacks(struct import *import, const struct import_session *session)
{
    const struct flow *flow = session->smtp.flow;
    uint64_t lost = flow_said(flow, false)->lost + flow_said(flow, true)->lost;

    if (!session->smtp.from_start)
        import_note(import, "session %" PRIu64 ": its beginning was not captured", session->number);
    if (lost)
        import_note(import, "session %" PRIu64 ": %" PRIu64 " bytes are missing in the capture",
                    session->number, lost);
    if (session->smtp.unread_client || session->smtp.unread_server)
        import_note(import, "session %" PRIu64 ": too long, its end is left out", session->number);
    if (session->end == END_CLIENT)
        import_note(import,
                    "session %" PRIu64
                    ": the client broke off in a message; here it sends all that was captured",
                    session->number);
}

static void note_transaction(struct import *import, const struct import_session *session,
                             const struct import_transaction *transaction)
{
    const char *first = NULL;

    for (size_t i = 0; i < transaction->recipient_count; i++) {
        const char *domain = strrchr(transaction->recipients[i].address, '@');

        if (transaction->recipients[i].fate == FATE_GONE)
            import_note(import,
                        "session %" PRIu64 ": the client sent no message; here it sends one",
                        session->number);
        if (first && strcasecmp(first, domain) != 0)
            import_note(import,
                        "session %" PRIu64 ": recipients of several domains in one transaction; "
                        "ours has one for each domain",
                        session->number);
        first = domain;
    }
}

static bool has_tls(const struct smtp_session *smtp)
{
    return smtp->count > 0 && smtp->exchanges[smtp->count - 1].step == SMTP_TLS;
}

/* --- all of them -----------------------------------------------------------------------------*/

static void read_session(struct import *import, struct import_session *session)
{
    set_greeting(import, session);
    for (size_t i = 0; i < session->smtp.count; i++) {
        take_exchange(import, session, &session->smtp.exchanges[i]);
        note_exchange(import, session, &session->smtp.exchanges[i]);
    }
    set_end(session);
    session->failed_early = failed_early(session);
    for (size_t i = 0; i < session->transaction_count; i++) {
        set_text(import, &session->transactions[i]);
        set_fates(session, &session->transactions[i]);
        note_transaction(import, session, &session->transactions[i]);
    }
    note_lacks(import, session);
    session->usable = true;
}

static void add_session(struct import *import, const struct flow *flow, uint64_t number)
{
    struct import_session *session =
        POOL_ADD(&import->pool, import->sessions, import->session_count);

    smtp_read(&session->smtp, flow);
    session->number = number;
    if (has_tls(&session->smtp)) {
        import_note(import, "session %" PRIu64 ": TLS, which cannot be read, so it is left out",
                    number);
        import->result->left_out++;
        return;
    }
    session->remote = find_remote(import, &flow->ends[!flow->client]);
    read_session(import, session);
}

void import_sessions(struct import *import)
{
    const struct flows *flows = &import->capture->flows;
    const struct import_options *options = import->options;
    size_t exchanges = 0;

    for (size_t i = 0; i < flows->count; i++) {
        uint64_t number = import->result->sessions + 1;

        if (flows->flows[i]->kind != FLOW_SMTP)
            continue;
        import->result->sessions++;
        if ((options->first && number < options->first) ||
            (options->last && number > options->last))
            continue;
        if (import->session_count >= IMPORT_MESSAGES_MAX || exchanges > IMPORT_EXCHANGES_MAX) {
            import_note(import,
                        "session %" PRIu64 " and those behind it are left out: a file can hold no "
                        "more (--sessions chooses others)",
                        number);
            import->result->left_out++;
            return;
        }
        add_session(import, flows->flows[i], number);
        exchanges += import->sessions[import->session_count - 1].smtp.count;
    }
}

void import_sessions_free(struct import *import)
{
    for (size_t i = 0; i < import->session_count; i++)
        smtp_free(&import->sessions[i].smtp);
}
