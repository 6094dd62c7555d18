/* SPDX-License-Identifier: ISC */
/* Machines of made-up scenarios: hosts, remotes, clients, the DNS, the network. */
#include <string.h>

#include "sim/explore/generator.h"

#define LINE(...) fprintf(generator->to, "    " __VA_ARGS__)
#define BELOW(...) fprintf(generator->to, "        " __VA_ARGS__)

/* --- hosts -----------------------------------------------------------------------------------*/

static const char *const user_names[] = {"alice", "bob", "carol", "dave", "erin"};
#define USERS_MAX (sizeof user_names / sizeof *user_names)

static void write_concurrency(struct generator *generator)
{
    static const char *const files[] = {"concurrencylocal", "concurrencyremote",
                                        "concurrencyincoming"};

    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (chance(generator, 60))
            LINE("control %s %u\n", files[i], (unsigned) small(generator, 1, 6));
}

static void write_lifetime(struct generator *generator)
{
    static const unsigned seconds[] = {1, 300, 1000, 3600, 20000, 86400};

    LINE("control queuelifetime %u\n", PICK(generator, seconds));
}

static void write_controls(struct generator *generator, size_t host)
{
    if (generator->has[F_CLIENTS] && chance(generator, 80))
        LINE("relay from app%s\n", host ? " mail" : "");
    if (generator->has[F_CONCURRENCY])
        write_concurrency(generator);
    if (generator->has[F_LIFETIME])
        write_lifetime(generator);
    if (generator->has[F_VIRTUAL]) {
        LINE("control virtualdomains shop%zu.example:alice-shop\n", host);
        add_name(&generator->recipients, "any@shop%zu.example", host);
        add_name(&generator->recipients, "orders@shop%zu.example", host);
    }
    if (chance(generator, 15))
        LINE("control doublebounceto alice\n");
    if (chance(generator, 10))
        LINE("control bounceformat qsbmf\n");
}

static const char *some_program(struct generator *generator)
{
    return chance(generator, 60) ? "first" : "second";
}

/* The lines of a .qmail file: at least one, of each kind one. */
static void write_instructions(struct generator *generator)
{
    bool mbox = generator->has[F_MBOX] && chance(generator, 40);
    bool program = generator->has[F_PROGRAMS] && chance(generator, 40);
    bool forward =
        generator->has[F_FORWARDS] && generator->recipients.count && chance(generator, 40);

    if (mbox)
        BELOW("| ./Mailbox\n");
    if (program)
        BELOW("| |%s\n", some_program(generator));
    if (forward)
        BELOW("| &%s\n", pick_name(generator, &generator->recipients));
    if (chance(generator, 40) || !(mbox || program || forward))
        BELOW("| ./Maildir/\n");
}

static bool has_instructions(const struct generator *generator)
{
    return generator->has[F_MBOX] || generator->has[F_PROGRAMS] || generator->has[F_FORWARDS];
}

static void write_users(struct generator *generator, size_t host)
{
    size_t count = 1 + small(generator, 1, USERS_MAX - 1);

    for (size_t i = 0; i < count; i++) {
        LINE("user %s\n", user_names[i]);
        if (i > 0 && has_instructions(generator) && chance(generator, 60))
            write_instructions(generator);
        if (i == 0 && generator->has[F_VIRTUAL])
            fprintf(generator->to, "        qmail -default\n            | ./Maildir/\n");
        add_name(&generator->recipients, "%s@%s", user_names[i], domain_text(host));
        if (chance(generator, 30))
            add_name(&generator->senders, "%s%s%s", user_names[i],
                     generator->host_count > 1 ? " on " : "",
                     generator->host_count > 1 ? host_text(host) : "");
    }
    add_name(&generator->senders, "alice%s%s", generator->host_count > 1 ? " on " : "",
             generator->host_count > 1 ? host_text(host) : "");
    if (chance(generator, 60))
        LINE("user postmaster\n");
}

static void write_aliases(struct generator *generator, size_t host)
{
    LINE("alias list\n");
    BELOW("| &alice@%s\n", domain_text(host));
    if (generator->domains.count > 0 && chance(generator, 50))
        BELOW("| &fan@%s\n", pick_name(generator, &generator->domains));
    add_name(&generator->recipients, "list@%s", domain_text(host));
    if (!chance(generator, 40))
        return;
    LINE("alias owner-list\n");
    BELOW("| &alice@%s\n", domain_text(host));
}

static void write_program(struct generator *generator, const char *name)
{
    static const char *const ends[] = {"exit 111", "exit 99",  "signal KILL",
                                       "exit 0",   "exit 100", "exit 64"}; /* the last for good */

    LINE("program %s\n", name);
    if (chance(generator, 70))
        BELOW("%s first %u\n", ends[below(generator, 4)], (unsigned) small(generator, 1, 4));
    if (chance(generator, 40))
        BELOW("exit 0 takes %us\n", (unsigned) small(generator, 1, 50));
    else if (chance(generator, 30))
        BELOW("%s\n", PICK(generator, ends));
}

static void write_host(struct generator *generator, size_t host)
{
    fprintf(generator->to, "\nhost %s %s\n", host_text(host), domain_text(host));
    if (generator->has[F_SINGLE_USER])
        LINE("single-user\n");
    write_controls(generator, host);
    write_users(generator, host);
    if (generator->has[F_ALIASES])
        write_aliases(generator, host);
    if (generator->has[F_PROGRAMS]) {
        write_program(generator, "first");
        write_program(generator, "second");
    }
}

static const char *const remote_names[] = {"away", "far", "moon"};
#define REMOTES_MAX (sizeof remote_names / sizeof *remote_names)

static void name_domains(struct generator *generator)
{
    size_t count = 1 + below(generator, REMOTES_MAX);

    for (size_t i = 0; i < count && i < REMOTES_MAX; i++) {
        add_name(&generator->remotes, "%s", remote_names[i]);
        add_name(&generator->domains, "%s.example", remote_names[i]);
        add_name(&generator->recipients, "zoe@%s.example", remote_names[i]);
        add_name(&generator->recipients, "greta@%s.example", remote_names[i]);
    }
}

void generate_hosts(struct generator *generator)
{
    if (generator->has[F_REMOTES])
        name_domains(generator);
    for (size_t i = 0; i < generator->host_count; i++)
        write_host(generator, i);
    if (!generator->has[F_NOBODY])
        return;
    add_name(&generator->recipients, "nobody@example.com");
    add_name(&generator->recipients, "alice-none@example.com");
    add_name(&generator->recipients, "who@nowhere.example");
}

/* --- remotes ---------------------------------------------------------------------------------*/

/* %u is a small number.  What is refused for good is so at every time: else nobody could say that a
 * message would not have been. */
static const char *const rules[] = {
    "on connect refuse",
    "on connect first %u reply 421 \"4.3.2 not now\"",
    "on connect first %u close",
    "on connect first %u silence",
    "on connect reply 554 \"5.3.2 no service here\"",
    "on EHLO first %u close",
    "on EHLO reply 502 \"5.5.1 unknown\"",
    "on MAIL first %u reply 451 \"4.3.0 later\"",
    "on MAIL after %u by connection reply 421 \"4.7.0 enough of you\"",
    "on MAIL from 10m until 1h reply 450 \"4.3.0 maintenance\"",
    "on RCPT greta@* reply 550 \"5.1.1 no such user\"",
    "on RCPT zoe@* first %u reply 452 \"4.2.2 mailbox full\"",
    "on RCPT first 1 by triple reply 451 \"4.7.1 greylisted\"",
    "on RCPT chance 30% reply 450 \"4.2.1 busy\"",
    "on RCPT first %u reset",
    "on DATA first %u reply 451 \"4.3.0 later\"",
    "on DATA first %u close",
    "on MESSAGE first %u close after 100 bytes",
    "on MESSAGE chance 30% reset after 300 bytes",
    "on MESSAGE slow 50 bytes per 1s",
    "on EOD first %u reply 451 \"4.3.0 later\"",
    "on EOD greta@* reply 552 \"5.3.4 too big\"",
    "on MAIL *@example.com reply 554 \"5.7.1 spam\"",
    "on EOD over %u per 10m by client reply 421 \"4.7.28 unusual rate of mail\"",
    "on EOD first %u take close",
    "on EOD first %u take reset",
    "on EOD first %u take silence",
    "on EOD first %u close",
    "on EOD delay 7s ok",
    "on EOD zoe@* take bounce after 5m status 5.2.2 \"mailbox full\"",
    "on QUIT silence",
    "on any chance 5% close",
    "on any chance 3% delay 30s ok",
    "on any chance 3% reply 421 \"4.3.2 going down\"",
};

static const char *const remote_settings[] = {"extensions none", "no-ehlo", "recipients 2",
                                              "connections 1", "timeout 5s"};

/* A rule without conversions that a person did not mean: "30%" is text. */
static void write_rule(struct generator *generator)
{
    const char *rule = PICK(generator, rules);

    fputs("    ", generator->to);
    for (; *rule; rule++)
        if (rule[0] == '%' && rule[1] == 'u') {
            fprintf(generator->to, "%u", (unsigned) small(generator, 1, 4));
            rule++;
        } else {
            fputc(*rule, generator->to);
        }
    fputc('\n', generator->to);
}

static void write_remote(struct generator *generator, size_t index)
{
    const char *name = generator->remotes.items[index];

    fprintf(generator->to, "\nremote %s\n", name);
    LINE("serves %s.example%s\n", name, chance(generator, 20) ? " preference 20" : "");
    if (index > 0 && chance(generator, 30))
        LINE("serves %s preference 30\n", generator->domains.items[0]);
    if (generator->has[F_RULES] && chance(generator, 30))
        LINE("%s\n", PICK(generator, remote_settings));
    for (uint64_t count = generator->has[F_RULES] ? small(generator, 1, 4) : 0; count > 0; count--)
        write_rule(generator);
}

/* --- clients, DNS, network -------------------------------------------------------------------*/

static void write_client(struct generator *generator)
{
    static const char *const settings[] = {"pipelining off", "chunk 50 bytes every 1s",
                                           "cut after 100 bytes first 1",
                                           "cut after 300 bytes first 2", "timeout 20s"};

    fprintf(generator->to, "\nclient app\n");
    add_name(&generator->clients, "app");
    if (chance(generator, 70))
        LINE("retry every %um times %u\n", (unsigned) small(generator, 1, 30),
             (unsigned) small(generator, 1, 9));
    if (chance(generator, 50))
        LINE("%s\n", PICK(generator, settings));
}

static void write_dns(struct generator *generator)
{
    static const char *const answers[] = {"servfail", "silence", "late 3s", "truncate",
                                          "nxdomain", "nodata",  "refused", "late 20s"};
    static const char *const types[] = {"", " MX", " A", " AAAA"};
    const char *domain = generator->domains.count && chance(generator, 60)
                             ? pick_name(generator, &generator->domains)
                             : "*";
    const char *answer = PICK(generator, answers);
    bool for_good = strcmp(answer, "nodata") == 0 || strcmp(answer, "nxdomain") == 0;

    fprintf(generator->to, "\ndns\n");
    LINE("on %s%s", domain, PICK(generator, types));
    if (!for_good && chance(generator, 60))
        fprintf(generator->to, " first %u", (unsigned) small(generator, 1, 6));
    else if (!for_good && chance(generator, 80))
        fprintf(generator->to, " until %um", (unsigned) small(generator, 1, 60));
    fprintf(generator->to, " %s\n", answer);
}

static void write_network(struct generator *generator)
{
    const char *from = chance(generator, 70) ? "any" : "mail";
    const char *to = chance(generator, 50) ? "any" : pick_name(generator, &generator->remotes);

    if (chance(generator, 50))
        fprintf(generator->to, "network %s to %s delay %ums\n", from, to,
                (unsigned) small(generator, 1, 400));
    if (chance(generator, 30))
        fprintf(generator->to, "network any to %s bandwidth %u bytes\n", to,
                500 + (unsigned) small(generator, 0, 9500));
    if (chance(generator, 60))
        fprintf(generator->to, "network mail to %s %s after %u bytes from %s connection %u\n",
                pick_name(generator, &generator->remotes),
                chance(generator, 60) ? "reset" : "silent", (unsigned) small(generator, 1, 500),
                chance(generator, 50) ? "client" : "server", (unsigned) small(generator, 1, 3));
}

void generate_internet(struct generator *generator)
{
    for (size_t i = 0; i < generator->remotes.count; i++)
        write_remote(generator, i);
    if (generator->has[F_CLIENTS])
        write_client(generator);
    if (generator->has[F_DNS])
        write_dns(generator);
    if (generator->has[F_NETWORK] && generator->remotes.count > 0)
        write_part(generator, write_network);
}
