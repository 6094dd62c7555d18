/* SPDX-License-Identifier: ISC */
/* Which server serves which domains; servers that are told as one. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "sim/capture/import_internal.h"

static void add_domains(struct import *import, size_t remote, const struct import_message *message)
{
    struct import_remote *serves = &import->remotes[remote];

    for (size_t i = 0; i < message->recipient_count; i++) {
        const char *domain = strrchr(message->recipients[i].address, '@');

        if (serves->domain_count &&
            strcasecmp(serves->domains[serves->domain_count - 1], domain + 1) == 0)
            continue;
        *POOL_ADD(&import->pool, serves->domains, serves->domain_count) = domain + 1;
    }
}

/* Where a try's recipients are served: those of the transaction only. */
void import_add_served(struct import *import, const struct import_try *try)
{
    const struct import_session *session = &import->sessions[try->session];
    struct import_message some = import->messages[try->message];

    if (try->transaction != NONE && session->transactions[try->transaction].recipient_count > 0) {
        some.recipients = session->transactions[try->transaction].recipients;
        some.recipient_count = session->transactions[try->transaction].recipient_count;
    }
    add_domains(import, session->remote, &some);
    for (size_t i = 0; i < try->failed_count; i++)
        add_domains(import, import->sessions[try->failed[i]].remote, &some);
}

struct served {
    const char *domain;
    size_t remote;
};

static int compare_served(const void *one, const void *other)
{
    const struct served *a = one, *b = other;
    int order = strcasecmp(a->domain, b->domain);

    if (order)
        return order;
    return a->remote < b->remote ? -1 : a->remote > b->remote;
}

size_t import_root(const struct import *import, size_t remote)
{
    while (import->remotes[remote].same != remote)
        remote = import->remotes[remote].same;
    return remote;
}

/* Servers that take the same domain's mail, none of them only where another failed, are told as
 * one: which of them is asked our server decides by chance. */
static void join_remotes(struct import *import, const struct served *list, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        size_t one = import_root(import, list[i - 1].remote),
               other = import_root(import, list[i].remote);

        if (one == other || strcasecmp(list[i - 1].domain, list[i].domain) != 0)
            continue;
        for (size_t k = i; k-- > 0 && strcasecmp(list[k].domain, list[i].domain) == 0;) {
            one = import_root(import, list[k].remote);
            if (import->remotes[one].rank == import->remotes[other].rank && one != other) {
                import->remotes[other].same = one;
                break;
            }
        }
    }
}

void import_sort_domains(struct import *import)
{
    struct served *list = NULL;
    size_t count = 0;

    for (size_t i = 0; i < import->remote_count; i++)
        for (size_t k = 0; k < import->remotes[i].domain_count; k++) {
            struct served *served = LIST_ADD(list, count);

            served->domain = import->remotes[i].domains[k];
            served->remote = i;
        }
    if (count)
        qsort(list, count, sizeof *list, compare_served);
    join_remotes(import, list, count);
    for (size_t i = 0; i < import->remote_count; i++) {
        import->remotes[i].domain_count = 0;
        import->remotes[i].domains = NULL;
    }
    for (size_t i = 0; i < count; i++) {
        struct import_remote *remote = &import->remotes[import_root(import, list[i].remote)];

        if (remote->domain_count == 0 ||
            strcasecmp(remote->domains[remote->domain_count - 1], list[i].domain) != 0)
            *POOL_ADD(&import->pool, remote->domains, remote->domain_count) = list[i].domain;
    }
    free(list);
}
