/* SPDX-License-Identifier: ISC */
/* The scenario as text, where our server took mail: what clients sent to it. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "sim/capture/import_internal.h"

struct client {
    const struct frame_end *end; /* its port does not count */
    const char *helo;
    bool pipelines, waits;
};

struct clients {
    struct client *list;
    size_t count;
};

static const struct frame_end *client_end(const struct import_session *session)
{
    return &session->smtp.flow->ends[session->smtp.flow->client];
}

static size_t find_client(struct clients *clients, const struct frame_end *end)
{
    for (size_t i = 0; i < clients->count; i++)
        if (clients->list[i].end->family == end->family &&
            memcmp(clients->list[i].end->bytes, end->bytes, sizeof end->bytes) == 0)
            return i;
    LIST_ADD(clients->list, clients->count)->end = end;
    return clients->count - 1;
}

/* The name that it gave, and whether it waited for each reply. */
static void look_at_client(struct import *import, struct client *client,
                           const struct import_session *session)
{
    for (size_t i = 0; i < session->smtp.count; i++) {
        const struct smtp_exchange *exchange = &session->smtp.exchanges[i];
        const struct smtp_exchange *before = i ? exchange - 1 : NULL;
        size_t size;
        const char *name;

        if (!client->helo &&
            (strcmp(exchange->verb, "EHLO") == 0 || strcmp(exchange->verb, "HELO") == 0)) {
            name = smtp_argument(exchange, &size);
            if (import_is_domain(name, size))
                client->helo = pool_copy(&import->pool, name, size);
        }
        if (strcmp(exchange->verb, "RCPT") != 0 || !before || !before->reply.there)
            continue;
        if (exchange->command.first_packet < before->reply.first_packet)
            client->pipelines = true;
        else
            client->waits = true;
    }
}

static void print_clients(struct import *import, struct clients *clients, FILE *to)
{
    for (size_t i = 0; i < import->session_count; i++) {
        const struct import_session *session = &import->sessions[i];

        if (session->usable) {
            size_t index = find_client(clients, client_end(session));

            look_at_client(import, &clients->list[index], session);
        }
    }
    for (size_t i = 0; i < clients->count; i++) {
        char text[FRAME_END_TEXT];

        frame_end_address(clients->list[i].end, text);
        fputc('\n', to);
        import_print_comment(to, text);
        fprintf(to, "client client%zu\n", i + 1);
        if (import->options->keep_addresses)
            fprintf(to, "    address %s\n", text);
        if (clients->list[i].helo)
            fprintf(to, "    helo %s\n", clients->list[i].helo);
        if (clients->list[i].waits && !clients->list[i].pipelines)
            fputs("    pipelining off\n", to);
    }
}

/* --- the host --------------------------------------------------------------------------------*/

static int compare_texts(const void *one, const void *other)
{
    const char *const *a = one, *const *b = other;

    return strcasecmp(*a, *b);
}

/* Domains of recipients whom a server took, in order, each once. */
static size_t taken_domains(const struct import *import, const char ***domains)
{
    size_t count = 0, left = 0;

    *domains = NULL;
    for (size_t i = 0; i < import->message_count; i++)
        for (size_t k = 0; k < import->messages[i].recipient_count; k++)
            if (import->messages[i].recipients[k].fate == FATE_TAKEN)
                *LIST_ADD(*domains, count) =
                    strrchr(import->messages[i].recipients[k].address, '@') + 1;
    if (count)
        qsort(*domains, count, sizeof **domains, compare_texts);
    for (size_t i = 0; i < count; i++)
        if (left == 0 || strcasecmp((*domains)[i], (*domains)[left - 1]) != 0)
            (*domains)[left++] = (*domains)[i];
    return left;
}

static bool is_taken_domain(const char *const *domains, size_t count, const char *address)
{
    const char *domain = strrchr(address, '@') + 1;

    return count > 0 && bsearch(&domain, domains, count, sizeof *domains, compare_texts);
}

static void print_host(const struct import *import, const char *const *domains, size_t count,
                       FILE *to)
{
    fprintf(to, "\nhost mail %s\n    smtp\n    control doublebounceto postmaster\n",
            import->host_domain);
    if (count > 0)
        fputs("    control rcpthosts\n", to);
    for (size_t i = 0; i < count; i++)
        fprintf(to, "        | %s\n", domains[i]);
    if (count > 0)
        fputs("    control virtualdomains\n", to);
    for (size_t i = 0; i < count; i++)
        fprintf(to, "        | %s:inbox\n", domains[i]);
    fputs("    user postmaster\n    user inbox\n        qmail -default\n            | ./Maildir/\n",
          to);
}

/* --- messages --------------------------------------------------------------------------------*/

static void print_expects(struct import *import, const struct import_message *message,
                          const char *const *domains, size_t count, FILE *to)
{
    size_t taken = 0, foreign = 0, told = import_told_recipients(message);

    for (size_t i = 0; i < told; i++) {
        taken += message->recipients[i].fate == FATE_TAKEN;
        foreign += message->recipients[i].fate == FATE_REFUSED &&
                   !is_taken_domain(domains, count, message->recipients[i].address);
    }
    if (taken == told && import_may_expect(import))
        fprintf(to, "expect %s accepted\n", message->name);
    else if (foreign == told && import_may_expect(import))
        fprintf(to, "expect %s refused\n", message->name);
    else if (taken < told)
        import_note(import,
                    "%s: its server did not take it for all recipients, for reasons that are its "
                    "own: nothing is expected",
                    message->name);
    for (size_t i = 0; i < told && taken == told; i++) {
        if (!import_may_expect(import))
            return;
        fprintf(to, "expect %s delivered to ", message->name);
        import_print_word(to, message->recipients[i].address);
        fputs(" once\n", to);
    }
}

void import_write_server(struct import *import, FILE *to)
{
    struct clients clients = {0};
    const char **domains;
    size_t count = taken_domains(import, &domains), size;
    char *body;
    FILE *rest = open_memstream(&body, &size);

    if (!rest)
        abort();
    if (count > IMPORT_RULES_MAX)
        count = IMPORT_RULES_MAX;
    print_host(import, domains, count, rest);
    print_clients(import, &clients, rest);
    for (size_t i = 0; i < import->message_count; i++) {
        const struct import_message *message = &import->messages[i];
        char name[32];

        if (message->made_up)
            continue;
        snprintf(name, sizeof name, "client%zu",
                 find_client(&clients, client_end(&import->sessions[message->first_session])) + 1);
        fputc('\n', rest);
        import_print_sends(import, message, name, "", rest);
        print_expects(import, message, domains, count, rest);
    }
    fclose(rest);
    import_print_head(import, to);
    fwrite(body, 1, size, to);
    free(body);
    free(domains);
    free(clients.list);
}
