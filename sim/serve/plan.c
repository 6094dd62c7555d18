/* SPDX-License-Identifier: ISC */
/*
 * Which remote is played on which port.
 *
 * An application knows one server, so there is one main port.  One remote has it for itself.  Of
 * several, those whose rules are all about recipients (RCPT, DATA, MESSAGE, EOD) share it: each
 * answers for its own domains, and what is for nobody's is taken.  A remote whose rules come into
 * play before anything is known of recipients, or that --smtp names, gets a port of its own.
 */
#include <string.h>
#include <strings.h>

#include "sim/scenario/lines.h"
#include "sim/serve/serve.h"

#define MESSAGE_SIZE_MAX ((uint64_t) 60 << 20)
#define SHARED_NAME "mx.example"

/* --- who gets which port ----------------------------------------------------------------------*/

/* True if all that is said of the remote is about recipients. */
static bool has_shareable_rules(const struct remote_spec *remote)
{
    static const char *const shareable[] = {"on RCPT ", "on DATA ", "on MESSAGE ", "on EOD "};
    const char *at = remote->rules.data, *end = at + remote->rules.size;

    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t) (end - at));
        bool found = false;

        for (size_t i = 0; i < sizeof shareable / sizeof *shareable; i++)
            found |= (size_t) (end - at) > strlen(shareable[i]) &&
                     memcmp(at, shareable[i], strlen(shareable[i])) == 0;
        if (!found)
            return false;
        at = newline ? newline + 1 : end;
    }
    return true;
}

static bool serves(const struct remote_spec *remote, const char *domain)
{
    for (size_t i = 0; i < remote->domain_count; i++)
        if (strcasecmp(remote->domains[i].domain, domain) == 0)
            return true;
    return false;
}

static bool is_named(const struct serve *serve, const char *remote)
{
    for (size_t i = 0; i < serve->options.address_count; i++)
        if (serve->options.addresses[i].remote &&
            strcmp(serve->options.addresses[i].remote, remote) == 0)
            return true;
    return false;
}

/* Whether a remote can be played on the main port beside others. */
static bool can_share(const struct serve *serve, size_t index)
{
    const struct remote_spec *remote = &serve->scenario->remotes[index];

    if (is_named(serve, remote->name) || remote->domain_count == 0 || !has_shareable_rules(remote))
        return false;
    for (size_t i = 0; i < index; i++)
        for (size_t k = 0; k < remote->domain_count; k++)
            if (serve->remote_server[i] == 0 &&
                serves(&serve->scenario->remotes[i], remote->domains[k].domain))
                return false;
    return true;
}

size_t plan_remote(const struct serve *serve, const struct serve_server *server,
                   const char *address)
{
    const char *at = strrchr(address, '@');

    if (server->remote != SERVE_NONE || !serve->scenario)
        return server->remote;
    for (size_t i = 0; i < serve->scenario->remote_count && at; i++)
        if (serve->remote_server[i] == 0 && serves(&serve->scenario->remotes[i], at + 1))
            return i;
    return SERVE_NONE;
}

/* --- configurations ---------------------------------------------------------------------------*/

/* The lines that all servers have. */
static void add_common(const struct serve *serve, const struct serve_server *server,
                       const char *name, struct lines *lines)
{
    lines_word(lines, "name");
    lines_value(lines, name, NULL);
    lines_end(lines);
    for (size_t i = 0; i < server->address_count; i++) {
        lines_word(lines, "listen");
        lines_word(lines, server->addresses[i]->host);
        lines_number(lines, server->addresses[i]->port);
        lines_end(lines);
    }
    lines_word(lines, "auth any");
    lines_end(lines);
    lines_word(lines, "address-rules on");
    lines_end(lines);
    lines_word(lines, "size");
    lines_number(lines, MESSAGE_SIZE_MAX);
    lines_end(lines);
    lines_word(lines, "maildir");
    lines_quoted(lines, serve->mailbox.path);
    lines_end(lines);
    if (serve->options.has_bounces_to) {
        lines_word(lines, "bounces to");
        lines_word(lines, serve->options.bounces_to.host);
        lines_number(lines, serve->options.bounces_to.port);
        lines_end(lines);
    }
}

/* The rules of all that share the main port, each below its domains. */
static void add_shared(const struct serve *serve, struct lines *lines)
{
    for (size_t i = 0; serve->scenario && i < serve->scenario->remote_count; i++) {
        const struct remote_spec *remote = &serve->scenario->remotes[i];

        if (serve->remote_server[i] != 0)
            continue;
        lines_word(lines, "domains");
        for (size_t k = 0; k < remote->domain_count; k++)
            lines_quoted(lines, remote->domains[k].domain);
        lines_end(lines);
        lines_text_add(lines, remote->rules);
    }
}

static void make_config(struct serve *serve, struct serve_server *server)
{
    struct lines lines = {.pool = &serve->pool};
    const struct remote_spec *remote =
        server->remote == SERVE_NONE ? NULL : &serve->scenario->remotes[server->remote];

    add_common(serve, server, remote ? remote->smtp_name : SHARED_NAME, &lines);
    if (remote)
        lines_text_add(&lines, remote->rules);
    else
        add_shared(serve, &lines);
    server->config = lines_done(&lines).data;
    server->config_size = lines_done(&lines).size;
}

/* --- the list ---------------------------------------------------------------------------------*/

/* Where to listen: what --smtp says of `remote` (NULL: of none), else the loopback. */
static void find_addresses(struct serve *serve, struct serve_server *server, const char *remote)
{
    static const struct serve_address loopback = {NULL, "127.0.0.1", 0};

    for (size_t i = 0; i < serve->options.address_count; i++) {
        const struct serve_address *address = &serve->options.addresses[i];

        if (remote ? address->remote && strcmp(address->remote, remote) == 0 : !address->remote)
            *POOL_ADD(&serve->pool, server->addresses, server->address_count) = address;
    }
    if (server->address_count == 0)
        *POOL_ADD(&serve->pool, server->addresses, server->address_count) = &loopback;
}

static void add_server(struct serve *serve, size_t remote, const char *name)
{
    struct serve_server *server = &serve->servers[serve->server_count++];

    server->serve = serve;
    server->remote = remote;
    server->name = name;
    server->fd = server->error_fd = -1;
    find_addresses(serve, server, name);
}

static int check_names(const struct serve *serve)
{
    for (size_t i = 0; i < serve->options.address_count; i++) {
        const char *name = serve->options.addresses[i].remote;
        bool found = !name;

        for (size_t k = 0; serve->scenario && !found && k < serve->scenario->remote_count; k++)
            found = strcmp(serve->scenario->remotes[k].name, name) == 0;
        if (found)
            continue;
        serve_say("--smtp %s=...: there is no such remote%s", name,
                  serve->scenario ? "" : ", since there is no scenario file");
        return -1;
    }
    return 0;
}

int plan_make(struct serve *serve)
{
    size_t remotes = serve->scenario ? serve->scenario->remote_count : 0;
    bool alone = remotes == 1 && !is_named(serve, serve->scenario->remotes[0].name);

    if (check_names(serve) < 0)
        return -1;
    serve->servers = pool_alloc(&serve->pool, (remotes + 1) * sizeof *serve->servers);
    serve->remote_server = pool_alloc(&serve->pool, (remotes + 1) * sizeof(size_t));
    add_server(serve, alone ? 0 : SERVE_NONE, NULL);
    for (size_t i = 0; i < remotes; i++) {
        if (alone || can_share(serve, i))
            continue;
        serve->remote_server[i] = serve->server_count;
        add_server(serve, i, serve->scenario->remotes[i].name);
    }
    for (size_t i = 0; i < serve->server_count; i++)
        make_config(serve, &serve->servers[i]);
    return 0;
}
