/* SPDX-License-Identifier: ISC */
/*
 * Looks names up with mta/lib/resolve, all at once: arguments are KIND NAME pairs, KIND mx or a;
 * `-m` before them.  Prints for each, in the order of arguments, what came of it and after how many
 * seconds (-m: milliseconds):
 *     mx away.example 0: 10 mx.away.example, 20 mx2.away.example
 *     a gone.example 0: no domain
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "mta/lib/buf.h"
#include "mta/lib/clock.h"
#include "mta/lib/io.h"
#include "mta/lib/mem.h"
#include "mta/lib/resolve.h"

struct asked {
    struct buf line;
    int64_t begun_ms;
    int64_t unit_ms;
    unsigned ended;
};

static void add_status(struct asked *asked, enum resolve_status status)
{
    static const char *const words[] = {"", "no domain", "no data", "trouble"};

    asked->ended++;
    buf_add_byte(&asked->line, ' ');
    buf_add_number(&asked->line,
                   (uint64_t) ((clock_monotonic_ms() - asked->begun_ms) / asked->unit_ms));
    buf_add_text(&asked->line, ": ");
    buf_add_text(&asked->line, words[status]);
}

static void mx_done(void *context, enum resolve_status status, const struct mail_exchanger *list,
                    size_t count)
{
    struct asked *asked = context;

    add_status(asked, status);
    for (size_t i = 0; i < count; i++) {
        buf_add_text(&asked->line, i ? ", " : "");
        buf_add_number(&asked->line, list[i].preference);
        buf_add_byte(&asked->line, ' ');
        buf_add_text(&asked->line, *list[i].name ? list[i].name : "(null)");
    }
}

static void addresses_done(void *context, enum resolve_status status,
                           const struct sockaddr_storage *list, size_t count)
{
    struct asked *asked = context;

    add_status(asked, status);
    for (size_t i = 0; i < count; i++) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *) &list[i];
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *) &list[i];
        char text[INET6_ADDRSTRLEN];

        if (list[i].ss_family == AF_INET)
            inet_ntop(AF_INET, &v4->sin_addr, text, sizeof text);
        else
            inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof text);
        buf_add_text(&asked->line, i ? ", " : "");
        buf_add_text(&asked->line, text);
    }
}

int main(int argc, char **argv, char **environment)
{
    struct resolver *resolver;
    bool milliseconds = argc > 1 && strcmp(argv[1], "-m") == 0;
    size_t count = (size_t) (argc - 1) / 2;
    struct asked *asked = mem_alloc(count * sizeof *asked);

    if (!asked || resolver_open(&resolver, environment) < 0) {
        mem_free(asked);
        return 111;
    }
    argv += milliseconds;
    for (size_t i = 0; i < count; i++) {
        const char *kind = argv[1 + 2 * i], *name = argv[2 + 2 * i];

        asked[i] = (struct asked){BUF_INIT(0), clock_monotonic_ms(), milliseconds ? 1 : 1000, 0};
        buf_add_text(&asked[i].line, kind);
        buf_add_byte(&asked[i].line, ' ');
        buf_add_text(&asked[i].line, name);
        if (strcmp(kind, "mx") == 0)
            resolver_mx(resolver, name, mx_done, &asked[i]);
        else
            resolver_addresses(resolver, name, addresses_done, &asked[i]);
    }
    resolver_wait(resolver);
    resolver_close(resolver);
    int status = 0;
    for (size_t i = 0; i < count; i++) {
        buf_add_byte(&asked[i].line, '\n');
        io_write(1, asked[i].line.data, asked[i].line.length);
        buf_free(&asked[i].line);
        if (asked[i].ended != 1)
            status = 1;
    }
    mem_free(asked);
    return status;
}
