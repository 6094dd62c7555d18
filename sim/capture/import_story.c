/* SPDX-License-Identifier: ISC */
/* Which tries are of one message. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "sim/capture/import_internal.h"

#define SECOND INT64_C(1000000000)
#define AT_ONCE_NS (60 * SECOND) /* another server is tried so soon behind the one that failed */
#define RANK_MAX 50
#define TOO_MANY_MAX 1000  /* who are named again over a new connection */
#define NAME_MAX_BYTES 100 /* of a message of a scenario: more is no name of one */

/* --- messages --------------------------------------------------------------------------------*/

static bool same_address(const struct import *import, size_t one, size_t other)
{
    const struct flow *a = import->sessions[one].smtp.flow, *b = import->sessions[other].smtp.flow;

    return a->ends[a->client].family == b->ends[b->client].family &&
           memcmp(a->ends[a->client].bytes, b->ends[b->client].bytes, 16) == 0;
}

/* True if each of the transaction's recipients, in order, is one of the message who is open. */
static bool is_for_open(const struct import_message *message,
                        const struct import_transaction *transaction)
{
    size_t found = 0;

    for (size_t i = 0; i < message->recipient_count && found < transaction->recipient_count; i++)
        found +=
            message->recipients[i].fate == FATE_OPEN &&
            strcasecmp(message->recipients[i].address, transaction->recipients[found].address) == 0;
    return found == transaction->recipient_count;
}

static bool same_content(const struct import_transaction *one,
                         const struct import_transaction *other)
{
    if (!one || !one->text || !other->text)
        return true;
    if (!one->text_whole || !other->text_whole) {
        size_t size = one->text_size < other->text_size ? one->text_size : other->text_size;

        return memcmp(one->text, other->text, size) == 0;
    }
    return one->text_size == other->text_size &&
           memcmp(one->text, other->text, one->text_size) == 0;
}

/* When nothing more was said in a session. */
static int64_t over_ns(const struct import_session *session)
{
    const struct flow_stop *client = flow_stop_of(session->smtp.flow, false);
    const struct flow_stop *server = flow_stop_of(session->smtp.flow, true);

    if (client->packet && (!server->packet || client->packet < server->packet))
        return client->time_ns;
    return server->packet ? server->time_ns : session->smtp.flow->last_ns;
}

/* True if the message's last try was over when the session began. */
static bool is_over(const struct import *import, const struct import_message *message,
                    size_t session)
{
    const struct import_try *last = &import->tries[message->tries[message->try_count - 1]];
    const struct import_session *before = &import->sessions[last->session];
    size_t next = last->transaction + last->more + 1; /* 0 if it did not come to one */
    int64_t end = last->transaction != NONE && next < before->transaction_count
                      ? before->transactions[next].mail->command.first_ns
                      : over_ns(before);

    return last->session != session && end <= import->sessions[session].smtp.flow->first_ns;
}

static size_t find_message(const struct import *import, size_t session,
                           const struct import_transaction *transaction)
{
    for (size_t i = 0; i < import->message_count && transaction->recipient_count > 0; i++) {
        const struct import_message *message = &import->messages[i];

        if (!message->made_up && strcmp(message->sender, transaction->sender) == 0 &&
            is_for_open(message, transaction) && same_content(message->content, transaction) &&
            is_over(import, message, session))
            return i;
    }
    return NONE;
}

static size_t add_message(struct import *import, size_t session, const char *sender)
{
    struct import_message *message =
        POOL_ADD(&import->pool, import->messages, import->message_count);

    message->name =
        pool_format(&import->pool, "%c%zu", import->message_letter, import->message_count);
    message->sender = sender;
    message->first_session = session;
    message->group = import->message_count - 1;
    message->bounce_of = NONE;
    return message->group;
}

/* A name for a recipient that the capture does not tell. */
static void make_up_recipient(struct import *import, struct import_message *message)
{
    struct import_recipient *recipient =
        POOL_ADD(&import->pool, message->recipients, message->recipient_count);

    recipient->address = pool_format(&import->pool, "somebody@unknown%zu.example",
                                     import->sessions[message->first_session].remote + 1);
    message->made_up = true;
}

static size_t message_of(struct import *import, size_t session,
                         const struct import_transaction *transaction)
{
    size_t found = find_message(import, session, transaction);
    struct import_message *message;

    if (found == NONE) {
        found = add_message(import, session, transaction->sender);
        message = &import->messages[found];
        for (size_t i = 0; i < transaction->recipient_count; i++) {
            struct import_recipient *recipient =
                POOL_ADD(&import->pool, message->recipients, message->recipient_count);

            recipient->address = transaction->recipients[i].address;
        }
    }
    message = &import->messages[found];
    if (transaction->recipient_count == 0) {
        make_up_recipient(import, message);
        import_note(import,
                    "session %" PRIu64 ": no recipient is known of a message; %s is made up",
                    import->sessions[session].number, message->recipients[0].address);
        message->recipients[0].fate = transaction->fate;
    }
    if (transaction->text &&
        (!message->content || transaction->text_size > message->content->text_size))
        message->content = transaction;
    return found;
}

static void take_fates(struct import_message *message, const struct import_transaction *transaction)
{
    size_t found = 0;

    for (size_t i = 0; i < message->recipient_count && found < transaction->recipient_count; i++) {
        struct import_recipient *recipient = &message->recipients[i];

        if (recipient->fate != FATE_OPEN ||
            strcasecmp(recipient->address, transaction->recipients[found].address) != 0)
            continue;
        recipient->fate = transaction->recipients[found++].fate;
    }
}

/* --- tries -----------------------------------------------------------------------------------*/

static struct import_try *add_try(struct import *import, size_t message, size_t session,
                                  size_t transaction)
{
    struct import_try *try = POOL_ADD(&import->pool, import->tries, import->try_count);

    try->message = message;
    try->session = session;
    try->transaction = transaction;
    *POOL_ADD(&import->pool, import->messages[message].tries, import->messages[message].try_count) =
        import->try_count - 1;
    return try;
}

/* Sessions that came to nothing, whose message is not known yet. */
struct waiting {
    size_t *sessions;
    size_t count;
};

/* Notes some of the domains that servers were seen to be asked for. */
static void see_domains(struct import *import)
{
    for (size_t i = 0; i < import->session_count; i++) {
        const struct import_session *session = &import->sessions[i];

        for (size_t k = 0; k < session->transaction_count; k++) {
            struct import_remote *remote = &import->remotes[session->remote];

            if (session->transactions[k].recipient_count == 0 ||
                remote->seen_count == IMPORT_SEEN_MAX)
                continue;
            remote->seen[remote->seen_count++] =
                strrchr(session->transactions[k].recipients[0].address, '@');
        }
    }
}

/* True if nothing speaks against a server being one for the transaction's recipients: it was asked
 * for some of their domains, or for none at all. */
static bool may_serve(const struct import_remote *remote,
                      const struct import_transaction *transaction)
{
    for (size_t i = 0; i < remote->seen_count; i++)
        for (size_t n = 0; n < transaction->recipient_count && n < 10; n++)
            if (strcasecmp(remote->seen[i], strrchr(transaction->recipients[n].address, '@')) == 0)
                return true;
    return remote->seen_count == 0;
}

static int64_t first_ns(const struct import *import, size_t session)
{
    return import->sessions[session].smtp.flow->first_ns;
}

/* Servers that were tried one after another have ranks in that order. */
static void rank_servers(struct import *import, const struct import_try *try)
{
    for (size_t i = 0; i < try->failed_count; i++) {
        size_t next = i + 1 < try->failed_count ? try->failed[i + 1] : try->session;
        const struct import_remote *one = &import->remotes[import->sessions[try->failed[i]].remote];
        struct import_remote *other = &import->remotes[import->sessions[next].remote];

        if (one != other && other->rank <= one->rank && one->rank < RANK_MAX)
            other->rank = one->rank + 1;
    }
}

/* Makes those that fit tries of the message of `session`: earlier ones at the same server, each
 * with those at others that came just before it; or the beginning of this one (in *now). */
static void take_waiting(struct import *import, struct waiting *waiting, size_t session,
                         size_t message, struct import_try *now)
{
    const struct import_session *this = &import->sessions[session];
    size_t left = 0;

    for (size_t i = 0; i < waiting->count; i++) {
        size_t other = waiting->sessions[i];
        const struct import_session *that = &import->sessions[other];
        bool mine = same_address(import, session, other) && that->failed_early &&
                    (that->remote == this->remote ||
                     may_serve(&import->remotes[that->remote], this->transactions));

        if (!mine) {
            waiting->sessions[left++] = other;
            continue;
        }
        /* What came long before was of another try. */
        if (now->failed_count > 0 &&
            first_ns(import, other) - first_ns(import, now->failed[now->failed_count - 1]) >
                AT_ONCE_NS) {
            for (size_t k = 0; k < now->failed_count; k++)
                waiting->sessions[left++] = now->failed[k];
            now->failed = NULL;
            now->failed_count = 0;
        }
        if (that->remote == this->remote) {
            struct import_try *try = add_try(import, message, other, NONE);

            try->failed = now->failed;
            try->failed_count = now->failed_count;
            rank_servers(import, try);
            now->failed = NULL;
            now->failed_count = 0;
        } else {
            *POOL_ADD(&import->pool, now->failed, now->failed_count) = other;
        }
    }
    if (now->failed_count > 0 &&
        first_ns(import, session) -
                import->sessions[now->failed[now->failed_count - 1]].smtp.flow->last_ns >
            AT_ONCE_NS) {
        for (size_t k = 0; k < now->failed_count; k++)
            waiting->sessions[left++] = now->failed[k];
        now->failed = NULL;
        now->failed_count = 0;
    }
    waiting->count = left;
}

static void join_groups(struct import *import, size_t one, size_t other)
{
    size_t from = import->messages[one].group, to = import->messages[other].group;

    if (from == to)
        return;
    for (size_t i = 0; i < import->message_count; i++)
        if (import->messages[i].group == from)
            import->messages[i].group = to;
}

/* True if our server, too, would go from the last try of the message to another server at once: the
 * connection was lost, or 421 was said, before there was an answer for anybody. */
static bool goes_on_with(const struct import *import, const struct import_message *message,
                         size_t session)
{
    const struct import_try *last =
        message->try_count ? &import->tries[message->tries[message->try_count - 1]] : NULL;
    const struct import_session *before = last ? &import->sessions[last->session] : NULL;
    const struct import_transaction *transaction;

    if (!last || last->transaction != 0 || before->transaction_count != 1 ||
        before->remote == import->sessions[session].remote)
        return false;
    transaction = before->transactions;
    for (size_t i = 0; i < transaction->recipient_count; i++)
        if (transaction->recipients[i].fate != FATE_OPEN)
            return false;
    return (before->end == END_CLOSED || before->end == END_RESET || before->end == END_SILENT) &&
           !(transaction->end && transaction->text_whole) &&
           first_ns(import, session) - over_ns(before) < AT_ONCE_NS;
}

/* Makes the last try of the message the beginning of the one that is to come. */
static void go_on_with(struct import *import, struct import_message *message,
                       struct import_try *now)
{
    struct import_try *last = &import->tries[message->tries[--message->try_count]];
    size_t *failed = NULL, count = 0;

    for (size_t i = 0; i < last->failed_count; i++)
        *POOL_ADD(&import->pool, failed, count) = last->failed[i];
    *POOL_ADD(&import->pool, failed, count) = last->session;
    for (size_t i = 0; i < now->failed_count; i++)
        *POOL_ADD(&import->pool, failed, count) = now->failed[i];
    now->failed = failed;
    now->failed_count = count;
    last->dropped = true;
}

/* --- those who were too many -----------------------------------------------------------------*/

/* As our server judges (mta/remote/session.c): who got this reply is named again in the next
 * transaction over the same connection, if somebody else was taken. */
static bool is_one_too_many(const struct smtp_exchange *rcpt)
{
    const struct smtp_said *reply = &rcpt->reply;
    const char *text = reply->size > 4 ? reply->text + 4 : "";
    size_t size = reply->size > 4 ? reply->size - 4 : 0;

    return rcpt->code == 552 ||
           (rcpt->code == 452 && (size < 2 || memcmp(text, "4.", 2) != 0 ||
                                  (size >= 5 && memcmp(text, "4.5.3", 5) == 0)));
}

/* True if the transaction is for all who were too many for the one before it, and nobody else. */
static bool is_for_rest(const struct import_transaction *before,
                        const struct import_transaction *transaction)
{
    size_t found = 0;

    if (before->fate != FATE_TAKEN || strcmp(before->sender, transaction->sender) != 0 ||
        !before->text || !same_content(before, transaction))
        return false;
    for (size_t i = 0; i < before->recipient_count; i++) {
        if (!is_one_too_many(before->recipients[i].rcpt))
            continue;
        if (found == transaction->recipient_count ||
            strcasecmp(before->recipients[i].address, transaction->recipients[found].address) != 0)
            return false;
        found++;
    }
    return found > 0 && found == transaction->recipient_count;
}

/* The try that goes on with that transaction of the session; NULL: it is one of its own. */
static struct import_try *find_begun(const struct import *import, size_t session,
                                     size_t transaction)
{
    struct import_try *last = import->try_count ? &import->tries[import->try_count - 1] : NULL;
    const struct import_transaction *all = import->sessions[session].transactions;

    if (!last || last->session != session || last->transaction == NONE || transaction == 0 ||
        last->transaction + last->more + 1 != transaction ||
        import->messages[last->message].recipient_count > TOO_MANY_MAX)
        return NULL;
    return is_for_rest(&all[transaction - 1], &all[transaction]) ? last : NULL;
}

/* Fates of those who were refused only because they were too many, in whatever order. */
static void take_new_fates(struct import_message *message, const struct import_transaction *rest)
{
    for (size_t k = 0; k < rest->recipient_count; k++)
        for (size_t i = 0; i < message->recipient_count; i++)
            if (message->recipients[i].fate != FATE_TAKEN &&
                strcasecmp(message->recipients[i].address, rest->recipients[k].address) == 0) {
                message->recipients[i].fate = rest->recipients[k].fate;
                break;
            }
}

/* True if the transaction is for the same as that one, of whom each was one too many, in whatever
 * order. */
static bool is_for_refused(const struct import_transaction *before,
                           const struct import_transaction *transaction)
{
    if (before->recipient_count != transaction->recipient_count || before->recipient_count == 0 ||
        strcmp(before->sender, transaction->sender) != 0)
        return false;
    for (size_t i = 0; i < before->recipient_count; i++) {
        bool found = false;

        for (size_t k = 0; k < transaction->recipient_count && !found; k++)
            found =
                strcasecmp(before->recipients[i].address, transaction->recipients[k].address) == 0;
        if (!found || !is_one_too_many(before->recipients[i].rcpt))
            return false;
    }
    return true;
}

/* The message with which the session goes on at once: of those who were too many the last session
 * took nobody any more, so that our server, too, asks over a new connection.  NONE: there is none.
 */
static size_t find_left(const struct import *import, size_t session)
{
    const struct import_session *this = &import->sessions[session];

    for (size_t i = 0; i < import->message_count; i++) {
        const struct import_message *message = &import->messages[i];
        const struct import_try *last =
            message->try_count ? &import->tries[message->tries[message->try_count - 1]] : NULL;
        const struct import_session *before = last ? &import->sessions[last->session] : NULL;

        if (last && last->transaction == 0 && last->more > 0 &&
            message->recipient_count <= TOO_MANY_MAX &&
            before->transaction_count == last->more + 1 && before->remote == this->remote &&
            same_address(import, last->session, session) &&
            over_ns(before) <= first_ns(import, session) &&
            first_ns(import, session) - over_ns(before) < AT_ONCE_NS &&
            is_for_refused(&before->transactions[last->more], this->transactions) &&
            same_content(message->content, this->transactions))
            return i;
    }
    return NONE;
}

static void link_session(struct import *import, struct waiting *waiting, size_t index)
{
    struct import_session *session = &import->sessions[index];
    size_t first = NONE;

    for (size_t i = 0; i < session->transaction_count; i++) {
        if (import->message_count >= IMPORT_MESSAGES_MAX) {
            import_note(import, "session %" PRIu64 ": more messages than a file can hold",
                        session->number);
            return;
        }
        struct import_transaction *transaction = &session->transactions[i];
        struct import_try *begun = find_begun(import, index, i);

        if (begun) {
            take_new_fates(&import->messages[begun->message], transaction);
            begun->more++;
            continue;
        }
        size_t left = i == 0 ? find_left(import, index) : NONE;
        struct import_try now = {0}, *try;
        size_t message = left != NONE ? left : message_of(import, index, transaction);

        if (i == 0)
            take_waiting(import, waiting, index, message, &now);
        if (left != NONE || (i == 0 && goes_on_with(import, &import->messages[message], index)))
            go_on_with(import, &import->messages[message], &now);
        try = add_try(import, message, index, i);
        try->failed = now.failed;
        try->failed_count = now.failed_count;
        rank_servers(import, try);
        if (left != NONE)
            take_new_fates(&import->messages[message], transaction);
        else
            take_fates(&import->messages[message], transaction);
        if (first == NONE)
            first = message;
        else
            join_groups(import, message, first);
    }
}

/* Sessions that never came to a message: one is made up for each pair of client and server. */
static void make_up_messages(struct import *import, const struct waiting *waiting)
{
    for (size_t i = 0; i < waiting->count; i++) {
        size_t session = waiting->sessions[i], message = NONE;

        for (size_t k = 0; k < import->message_count && message == NONE; k++) {
            const struct import_message *other = &import->messages[k];

            if (other->made_up && other->try_count > 0 &&
                import->tries[other->tries[0]].transaction == NONE &&
                import->sessions[other->first_session].remote == import->sessions[session].remote &&
                same_address(import, other->first_session, session))
                message = k;
        }
        if (message == NONE) {
            message = add_message(import, session, "sender@ours.example");
            make_up_recipient(import, &import->messages[message]);
            import_note(import, "session %" PRIu64 ": no message is known of it; %s is made up",
                        import->sessions[session].number, import->messages[message].name);
        }
        add_try(import, message, session, NONE);
    }
}

/* Messages without a sender, to the sender of one before whose recipients were refused. */
static void find_bounces(struct import *import)
{
    for (size_t i = 0; i < import->message_count; i++) {
        struct import_message *bounce = &import->messages[i];

        if (*bounce->sender || bounce->recipient_count != 1 || bounce->made_up)
            continue;
        for (size_t k = 0; k < i && bounce->bounce_of == NONE; k++) {
            struct import_message *message = &import->messages[k];
            bool refused = false, open = false;

            for (size_t n = 0; n < message->recipient_count; n++) {
                refused = refused || message->recipients[n].fate == FATE_REFUSED;
                open = open || message->recipients[n].fate == FATE_OPEN;
            }
            if (refused && !open && !message->bounced && *message->sender &&
                strcasecmp(message->sender, bounce->recipients[0].address) == 0) {
                message->bounced = true;
                bounce->bounce_of = k;
            }
        }
    }
}

/* --- the story ------------------------------------------------------------------------------*/

/* Messages of a scenario that have no Message-ID get one of their name: captures of scenarios have
 * some of those already. */
static void choose_letter(struct import *import)
{
    static const char tail[] = "@scenario.nixie>", letters[] = "mnopqrstuvw";
    bool taken[sizeof letters] = {false};
    size_t letter = 0;

    for (size_t i = 0; i < import->session_count; i++)
        for (size_t k = 0; k < import->sessions[i].transaction_count; k++) {
            const struct import_transaction *transaction = &import->sessions[i].transactions[k];
            const char *at = transaction->text, *end = at ? at + transaction->text_size : NULL;

            while (at && (at = memmem(at, (size_t) (end - at), tail, sizeof tail - 1))) {
                const char *start = at++;

                while (start > transaction->text && at - start < NAME_MAX_BYTES &&
                       start[-1] != '<' && start[-1] != '\n')
                    start--;
                for (size_t n = 0; n + 1 < sizeof letters; n++)
                    taken[n] = taken[n] || *start == letters[n];
            }
        }
    while (letter + 2 < sizeof letters && taken[letter])
        letter++;
    import->message_letter = letters[letter];
}

void import_story(struct import *import)
{
    struct waiting waiting = {0};

    choose_letter(import);
    see_domains(import);
    import_set_silence(import);
    for (size_t i = 0; i < import->session_count; i++) {
        if (!import->sessions[i].usable)
            continue;
        if (import->sessions[i].transaction_count == 0)
            *LIST_ADD(waiting.sessions, waiting.count) = i;
        else
            link_session(import, &waiting, i);
    }
    make_up_messages(import, &waiting);
    free(waiting.sessions);
    find_bounces(import);
    for (size_t i = 0; i < import->try_count; i++)
        if (!import->tries[i].dropped)
            import_add_served(import, &import->tries[i]);
    import_sort_domains(import);
    import_set_times(import);
}
