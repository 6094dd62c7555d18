/* SPDX-License-Identifier: ISC */
/* Gives every message a content and a mark to know it by. */
#include <string.h>
#include <strings.h>

#include "sim/scenario/checker.h"

/* The value of the Message-ID field of `content` ("<...>"), or NULL. */
static const char *message_id(struct pool *pool, struct text content)
{
    const char *at = content.data, *end = at + content.size;

    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t) (end - at));
        const char *stop = newline ? newline : end;

        if (stop == at || (stop - at == 1 && *at == '\r'))
            break; /* the end of the header */

        if (stop - at > 11 && strncasecmp(at, "Message-ID:", 11) == 0) {
            const char *open = memchr(at, '<', (size_t) (stop - at));
            const char *close = open ? memchr(open, '>', (size_t) (stop - open)) : NULL;

            if (close && close - open < 500)
                return pool_copy(pool, open, (size_t) (close - open) + 1);
        }
        at = newline ? newline + 1 : end;
    }
    return NULL;
}

static struct text default_content(struct checker *checker, const struct submission *submission)
{
    const struct scenario *scenario = checker->scenario;
    const char *from = submission->via != VIA_SMTP
                           ? pool_format(checker->pool, "%s@%s",
                                         submission->user ? submission->user->name : "root",
                                         scenario->hosts[submission->host].domain)
                       : *submission->from
                           ? submission->from
                           : pool_format(checker->pool, "MAILER-DAEMON@%s",
                                         scenario->clients[submission->client].helo);
    const char *text = pool_format(
        checker->pool, "From: %s\nTo: %s%s\nSubject: %s\n\nThis is %s.\n", from,
        submission->recipients[0], submission->recipient_count > 1 ? ", and others: ;" : "",
        submission->name, submission->name);

    return (struct text){text, strlen(text)};
}

/* True if a message before `index` has this Message-ID. */
static bool id_is_taken(const struct scenario *scenario, size_t index, const char *id)
{
    for (size_t i = 0; i < index; i++)
        if (scenario->messages[i].id && strcmp(scenario->messages[i].id, id) == 0)
            return true;
    return false;
}

void finish_messages(struct checker *checker)
{
    struct scenario *scenario = checker->scenario;
    const char *last_id = NULL;

    if (checker->complaints.total > 0)
        return; /* nothing will run; half a submission may be there */
    for (size_t i = 0; i < scenario->message_count; i++) {
        struct message *message = &scenario->messages[i];
        struct submission *submission = &scenario->submissions[message->submission];

        message->header = "";
        if (submission->via == VIA_APPLICATION)
            continue;
        if (i == submission->first_message) {
            if (submission->default_content)
                submission->content = default_content(checker, submission);
            last_id = message_id(checker->pool, submission->content);
        }
        message->id = last_id;
        if (!message->id) {
            message->id = pool_format(checker->pool, "<%s@scenario.nixie>", message->name);
            message->header = pool_format(checker->pool, "Message-ID: %s\n", message->id);
        } else if (i > submission->first_message || id_is_taken(scenario, i, message->id)) {
            message->header = pool_format(checker->pool, "Nixie-Message: %s\n", message->name);
        }
    }
}
