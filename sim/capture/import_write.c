/* SPDX-License-Identifier: ISC */
/* The scenario as text, where our server sent. */
#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "sim/capture/import_internal.h"

#define SECOND INT64_C(1000000000)

/* --- names -----------------------------------------------------------------------------------*/

static bool name_is_taken(const struct import *import, const char *name)
{
    static const char *const words[] = {"mail",    "sender", "any",    "dns",    "log",
                                        "program", "mbox",   "not",    "crash",  "network",
                                        "fault",   "sends",  "host",   "remote", "client",
                                        "expect",  "after",  "before", "at"};

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(name, words[i]) == 0)
            return true;
    if (name[0] == import->message_letter && name[1] &&
        strspn(name + 1, "0123456789") == strlen(name + 1))
        return true;
    for (size_t i = 0; i < import->remote_count; i++)
        if (import->remotes[i].name && strcmp(import->remotes[i].name, name) == 0)
            return true;
    return false;
}

/* The last label but one of the server's own name: "away" of mx.away.example. */
static const char *base_name(struct import *import, const struct import_remote *remote)
{
    const char *name = remote->greeting, *last, *start;
    char *copy;

    if (!name)
        return "server";
    last = strrchr(name, '.');
    for (start = last; start > name && start[-1] != '.';)
        start--;
    copy = pool_copy(&import->pool, start, (size_t) (last - start));
    for (char *c = copy; *c; c++)
        *c = (char) tolower((unsigned char) *c);
    return isalpha((unsigned char) *copy) && strlen(copy) <= 30 ? copy : "server";
}

static void name_remotes(struct import *import)
{
    for (size_t i = 0; i < import->remote_count; i++) {
        const char *base = base_name(import, &import->remotes[i]), *name = base;

        if (import->remotes[i].same != i)
            continue;
        for (int number = 2; name_is_taken(import, name); number++)
            name = pool_format(&import->pool, "%s-%d", base, number);
        import->remotes[i].name = name;
    }
}

/* --- our server ------------------------------------------------------------------------------*/

static const char *first_helo(struct import *import)
{
    for (size_t i = 0; i < import->session_count; i++)
        for (size_t k = 0; k < import->sessions[i].smtp.count; k++) {
            const struct smtp_exchange *exchange = &import->sessions[i].smtp.exchanges[k];
            size_t size;
            const char *name;

            if (strcmp(exchange->verb, "EHLO") != 0 && strcmp(exchange->verb, "HELO") != 0)
                continue;
            name = smtp_argument(exchange, &size);
            if (import_is_domain(name, size))
                return pool_copy(&import->pool, name, size);
        }
    return NULL;
}

static int compare_texts(const void *one, const void *other)
{
    const char *const *a = one, *const *b = other;

    return strcasecmp(*a, *b);
}

/* Bounces to the capture's senders stay here: its servers never saw any. */
static void print_bounce_ways(struct import *import, FILE *to)
{
    const char **senders = NULL, **recipients = NULL;
    size_t count = 0, recipient_count = 0;
    bool begun = false;

    for (size_t i = 0; i < import->message_count; i++) {
        if (*import->messages[i].sender)
            *LIST_ADD(senders, count) = import->messages[i].sender;
        for (size_t k = 0; k < import->messages[i].recipient_count; k++)
            *LIST_ADD(recipients, recipient_count) = import->messages[i].recipients[k].address;
    }
    if (count)
        qsort(senders, count, sizeof *senders, compare_texts);
    if (recipient_count)
        qsort(recipients, recipient_count, sizeof *recipients, compare_texts);
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && strcasecmp(senders[i], senders[i - 1]) == 0)
            continue;
        if (recipient_count &&
            bsearch(&senders[i], recipients, recipient_count, sizeof *recipients, compare_texts)) {
            import_note(import, "%s sends and receives: bounces to it go to its server, too",
                        senders[i]);
            continue;
        }
        if (!begun)
            fputs("    control virtualdomains\n", to);
        begun = true;
        fprintf(to, "        | %s:sender\n", senders[i]);
    }
    free(senders);
    free(recipients);
}

static void print_host(struct import *import, FILE *to)
{
    const char *helo = first_helo(import);

    fprintf(to, "\nhost mail %s\n", import->host_domain);
    if (helo)
        fprintf(to, "    control helohost %s\n", helo);
    if (import->silence_ms)
        fprintf(to, "    control timeoutremote %" PRId64 "\n", import->silence_ms / 1000);
    else if (import->longest_delay_ms >= 1200000)
        fprintf(to, "    control timeoutremote %" PRId64 "\n",
                import->longest_delay_ms / 1000 + 60);
    fputs("    control doublebounceto postmaster\n", to);
    print_bounce_ways(import, to);
    fputs(
        "    user postmaster\n    user sender\n        qmail -default\n            | ./Maildir/\n",
        to);
}

/* --- servers ---------------------------------------------------------------------------------*/

/* How its connections are: all refused, all unanswered, or some accepted. */
static enum import_end common_end(const struct import *import, size_t remote)
{
    bool found = false;
    enum import_end end = END_ORDERLY;

    for (size_t i = 0; i < import->session_count; i++) {
        const struct import_session *session = &import->sessions[i];

        if (!session->usable || session->remote >= import->remote_count)
            continue;
        if (import_root(import, session->remote) != remote)
            continue;
        if (found && end != session->end)
            return END_ORDERLY;
        end = session->end;
        found = true;
    }
    return end == END_REFUSED || end == END_NO_ANSWER ? end : END_ORDERLY;
}

/* Which servers of the capture the remote is: a comment before it. */
static void print_origin(struct import *import, size_t index, FILE *to)
{
    for (size_t i = 0; i < import->remote_count; i++) {
        const struct import_remote *remote = &import->remotes[i];
        char text[FRAME_END_TEXT];

        if (import_root(import, i) != index)
            continue;
        frame_end_print(&remote->end, text);
        import_print_comment(to, remote->greeting
                                     ? pool_format(&import->pool, "%s, which calls itself %s", text,
                                                   remote->greeting)
                                     : text);
    }
}

static void print_addresses(const struct import *import, size_t index, FILE *to)
{
    for (size_t i = 0; i < import->remote_count && import->options->keep_addresses; i++) {
        char address[FRAME_END_TEXT];

        if (import_root(import, i) != index)
            continue;
        frame_end_address(&import->remotes[i].end, address);
        fprintf(to, "    address %s\n", address);
    }
}

static void print_remote(struct import *import, size_t index, FILE *to)
{
    const struct import_remote *remote = &import->remotes[index];

    fputc('\n', to);
    print_origin(import, index, to);
    fprintf(to, "remote %s\n", remote->name);
    print_addresses(import, index, to);
    for (size_t i = 0; i < remote->domain_count && import->rules_left > 0; i++) {
        import->rules_left--;
        fprintf(to, "    serves %s", remote->domains[i]);
        if (remote->rank)
            fprintf(to, " preference %u", 10 + 10 * remote->rank);
        fputc('\n', to);
    }
    if (remote->extensions)
        fprintf(to, "    extensions%s\n", *remote->extensions ? remote->extensions : " none");
    if (common_end(import, index) == END_REFUSED)
        fputs("    on connect refuse\n", to);
    import_print_rules(import, remote, to);
    if (common_end(import, index) == END_NO_ANSWER)
        fprintf(to, "network mail to %s silent\n", remote->name);
}

/* --- messages --------------------------------------------------------------------------------*/

/* A server that was there at times only is not there while this try is made. */
static void print_absence(struct import *import, const struct import_try *try, size_t session,
                          FILE *to)
{
    size_t root = import_root(import, import->sessions[session].remote);
    enum import_end end = import->sessions[session].end;

    if ((end != END_REFUSED && end != END_NO_ANSWER) || common_end(import, root) == end)
        return;
    fputs("at ", to);
    import_print_time(to, try->begin_ns - SECOND);
    fprintf(to, " network mail to %s %s\nat ", import->remotes[root].name,
            end == END_REFUSED ? "refuse" : "silent");
    import_print_time(to, try->end_ns + SECOND);
    fprintf(to, " network mail to %s open\n", import->remotes[root].name);
}

static void print_expects(struct import *import, const struct import_message *message, FILE *to)
{
    size_t told = import_told_recipients(message);

    for (size_t i = 0; i < told; i++) {
        const struct import_recipient *recipient = &message->recipients[i];

        if (recipient->fate == FATE_REFUSED && (message->deleted || !*message->sender))
            continue;
        if (recipient->fate == FATE_OPEN && message->made_up)
            continue; /* what it would have met is not known */
        if (recipient->fate == FATE_GONE)
            continue;
        if (!import_may_expect(import))
            return;
        fprintf(to, "expect %s ", message->name);
        if (recipient->fate == FATE_REFUSED) {
            fputs("bounced\n    final-recipient ", to);
            import_print_word(to, recipient->address);
        } else {
            fputs(recipient->fate == FATE_TAKEN ? "delivered to " : "not delivered to ", to);
            import_print_word(to, recipient->address);
            fputs(recipient->fate == FATE_TAKEN ? " once" : "", to);
        }
        fputc('\n', to);
    }
}

/* The capture's bounce is not sent: our server makes one. */
static void print_own_bounce(struct import *import, const struct import_message *bounce, FILE *to)
{
    const char *name = import->messages[bounce->bounce_of].name;

    fprintf(to, "# %s of the capture is the bounce of %s, which our server makes itself\n",
            bounce->name, name);
    if (bounce->recipients[0].fate != FATE_TAKEN || !import_may_expect(import))
        return;
    fprintf(to, "expect %s.bounce delivered to ", name);
    import_print_word(to, bounce->recipients[0].address);
    fputs(" once\n", to);
}

static void print_message(struct import *import, const struct import_message *message, FILE *to)
{
    const struct import_try *last = &import->tries[message->tries[message->try_count - 1]];

    fputc('\n', to);
    if (message->bounce_of != NONE) {
        print_own_bounce(import, message, to);
        return;
    }
    for (size_t i = 0; i < message->try_count; i++) {
        const struct import_try *try = &import->tries[message->tries[i]];

        for (size_t k = 0; k < try->failed_count; k++)
            print_absence(import, try, try->failed[k], to);
        print_absence(import, try, try->session, to);
    }
    import_print_sends(import, message, "sender", " via queue", to);
    if (message->deleted) {
        fputs("# the capture does not tell how it went on\nat ", to);
        import_print_time(to, last->end_ns + DELETE_NS);
        fprintf(to, " delete %s if any\n", message->name);
    }
    print_expects(import, message, to);
}

void import_write(struct import *import, FILE *to)
{
    char *body;
    size_t size;
    FILE *rest = open_memstream(&body, &size);

    if (!rest)
        abort();
    name_remotes(import);
    print_host(import, rest);
    for (size_t i = 0; i < import->remote_count; i++)
        if (import->remotes[i].same == i)
            print_remote(import, i, rest);
    for (size_t i = 0; i < import->message_count; i++)
        print_message(import, &import->messages[i], rest);
    fclose(rest);
    import_print_head(import, to); /* now all notes are known */
    fwrite(body, 1, size, to);
    free(body);
}
