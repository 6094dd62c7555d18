/* SPDX-License-Identifier: ISC */
/* The configuration: line by line into struct server. */
#include <string.h>
#include <strings.h>

#include "mta/lib/mem.h"
#include "mta/lib/num.h"
#include "sim/actors/smtp-server/server.h"

#define NS_PER_MS 1000000
#define MESSAGE_MAX_DEFAULT ((uint64_t) 32 << 20)
#define RECIPIENTS_DEFAULT 1000
#define CONNECTIONS_DEFAULT 500
#define TIMEOUT_DEFAULT_MS (5 * 60 * 1000) /* RFC 5321 4.5.3.2.7 */

static void read_name(struct server *server)
{
    server->name = config_word(&server->config, "a host name");
}

static void read_listen(struct server *server)
{
    struct endpoint endpoint = endpoint_read(&server->config, 0);

    if (server->listener_count == SERVER_LISTENERS_MAX)
        config_fail(&server->config, "it listens at too many places", NULL);
    else
        server->listeners[server->listener_count++] = (struct listener){endpoint, -1};
}

static bool is_extension(const char *line, const char *keyword)
{
    size_t length = strlen(keyword);

    return strncasecmp(line, keyword, length) == 0 && (!line[length] || line[length] == ' ');
}

/* Notes what offering this means. */
static void add_extension(struct server *server, const char *line)
{
    uint64_t limit;

    if (server->extension_count == SERVER_EXTENSIONS_MAX) {
        config_fail(&server->config, "too many extensions", NULL);
        return;
    }
    server->extensions[server->extension_count++] = line;
    server->pipelining |= is_extension(line, "PIPELINING");
    server->eight_bit |= is_extension(line, "8BITMIME");
    server->status_codes |= is_extension(line, "ENHANCEDSTATUSCODES");
    server->utf8 |= is_extension(line, "SMTPUTF8");
    server->dsn |= is_extension(line, "DSN");
    server->auth |= is_extension(line, "AUTH");
    if (!is_extension(line, "SIZE"))
        return;
    server->size = true;
    if (strlen(line) > 5 && num_parse(line + 5, strlen(line + 5), &limit) == 0 && limit > 0)
        server->size_max = limit;
}

static void read_extensions(struct server *server)
{
    server->extensions_given = true;
    if (config_take(&server->config, "none"))
        return;
    while (config_peek(&server->config))
        add_extension(server, config_word(&server->config, "an extension"));
}

static void read_no_ehlo(struct server *server)
{
    server->no_ehlo = true;
}

static void read_auth(struct server *server)
{
    config_need(&server->config, "any");
    server->auth = true;
}

static void read_address_rules(struct server *server)
{
    server->address_rules = config_take(&server->config, "on");
    if (!server->address_rules)
        config_need(&server->config, "off");
}

static void read_bounces(struct server *server)
{
    config_need(&server->config, "to");
    server->bounces_to = endpoint_read(&server->config, 1);
    server->has_bounces_to = true;
}

static void read_size(struct server *server)
{
    server->size_max = config_number(&server->config, 1, BUF_LIMIT);
}

static void read_recipients(struct server *server)
{
    server->recipients_max = config_number(&server->config, 1, 100000);
}

static void read_connections(struct server *server)
{
    server->connections_max = config_number(&server->config, 1, 100000);
}

static void read_timeout(struct server *server)
{
    server->timeout_ms = (config_time(&server->config) + NS_PER_MS - 1) / NS_PER_MS;
}

static void read_age(struct server *server)
{
    server->age_ms = (config_time(&server->config) + NS_PER_MS - 1) / NS_PER_MS;
}

static void read_maildir(struct server *server)
{
    server->maildir = config_word(&server->config, "a directory");
}

/* The rules below are for recipients in these domains; none: for all. */
static void read_domains(struct server *server)
{
    server->first_domain = server->domains.length / sizeof(const char *);
    while (config_peek(&server->config)) {
        const char *domain = config_word(&server->config, "a domain");

        if (buf_add(&server->domains, &domain, sizeof domain) < 0)
            config_fail(&server->config, "out of memory", NULL);
    }
}

static void read_on(struct server *server)
{
    struct rule rule;

    rule_read(&rule, &server->config);
    rule.first_domain = server->first_domain;
    rule.domain_count = server->domains.length / sizeof(const char *) - server->first_domain;
    if (rule.domain_count > 0 && rule.verb != VERB_RCPT && rule.verb != VERB_DATA &&
        rule.verb != VERB_MESSAGE && rule.verb != VERB_EOD)
        config_fail(&server->config, "below `domains` there are rules of RCPT and later only",
                    NULL);
    if (server->rules.length / sizeof rule >= SERVER_RULES_MAX)
        config_fail(&server->config, "too many rules", NULL);
    else if (buf_add(&server->rules, &rule, sizeof rule) < 0)
        config_fail(&server->config, "out of memory", NULL);
}

static void read_line(struct server *server)
{
    static const struct {
        const char *keyword;
        void (*read)(struct server *server);
    } lines[] = {
        {"name", read_name},
        {"listen", read_listen},
        {"extensions", read_extensions},
        {"no-ehlo", read_no_ehlo},
        {"auth", read_auth},
        {"address-rules", read_address_rules},
        {"bounces", read_bounces},
        {"size", read_size},
        {"recipients", read_recipients},
        {"connections", read_connections},
        {"timeout", read_timeout},
        {"age", read_age},
        {"maildir", read_maildir},
        {"domains", read_domains},
        {"on", read_on},
    };

    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        if (config_take(&server->config, lines[i].keyword)) {
            lines[i].read(server);
            return;
        }
    config_fail(&server->config, "there is no such line: ", config_peek(&server->config));
}

/* What needs the whole of it. */
static void finish(struct server *server)
{
    const struct rule *rules = (const struct rule *) (const void *) server->rules.data;

    if (!server->extensions_given) {
        add_extension(server, "PIPELINING");
        add_extension(server, "SIZE");
        add_extension(server, "8BITMIME");
        add_extension(server, "ENHANCEDSTATUSCODES");
    }
    if (server->auth) {
        bool listed = false;

        for (size_t i = 0; i < server->extension_count; i++)
            listed |= is_extension(server->extensions[i], "AUTH");
        if (!listed)
            add_extension(server, "AUTH PLAIN LOGIN CRAM-MD5");
    }
    if (server->listener_count == 0)
        config_fail(&server->config, "there is no `listen`", NULL);
    for (size_t i = 0; i < server->rules.length / sizeof *rules; i++)
        if (rules[i].deed.status && !server->has_bounces_to)
            config_fail(&server->config, "`take bounce` needs `bounces to ADDR PORT`", NULL);
}

int server_configure(struct server *server)
{
    server->name = "mx.example";
    server->size_max = MESSAGE_MAX_DEFAULT;
    server->recipients_max = RECIPIENTS_DEFAULT;
    server->connections_max = CONNECTIONS_DEFAULT;
    server->timeout_ms = TIMEOUT_DEFAULT_MS;
    server->rules = (struct buf) BUF_INIT(0);
    server->domains = (struct buf) BUF_INIT(0);
    if (config_open(&server->config, "smtp-server", 0) < 0)
        return -1;
    while (config_line(&server->config))
        read_line(server);
    finish(server);
    return server->config.failed ? -1 : 0;
}

void server_free(struct server *server)
{
    struct rule *rules = (struct rule *) (void *) server->rules.data;

    for (size_t i = 0; i < server->rules.length / sizeof *rules; i++)
        condition_free(&rules[i].condition);
    buf_free(&server->rules);
    buf_free(&server->domains);
    condition_free(&server->greylist);
    record_free(&server->record);
    config_free(&server->config);
}
