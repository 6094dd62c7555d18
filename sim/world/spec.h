/* SPDX-License-Identifier: ISC */
/*
 * What the machines of a made-up internet shall look like: hosts of ours, remote servers, clients
 * and the DNS.  Plain data, made by the checker of scenarios.
 *
 * Addresses are text as inet_ntop writes it; no two machines have the same one.  Text for an actor
 * is lines as its configuration on descriptor 0 wants them, each with a newline, all of it checked
 * (docs/scenario-language.md): the world adds only what it alone knows.
 */
#ifndef SIM_WORLD_SPEC_H
#define SIM_WORLD_SPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct disk_model;

struct text {
    const char *data; /* `size` bytes, maybe with NULs, and a NUL behind them */
    size_t size;
};

struct named_text {
    const char *name;
    struct text text;
};

struct user_spec {
    const char *name; /* home: /home/NAME */
    uid_t uid;        /* gid is the same number */
    mode_t home_mode;
    struct named_text *qmail; /* name: "" for .qmail, "-ext" for .qmail-ext */
    size_t qmail_count;
    const char **maildirs; /* relative to the home, made at set-up; Maildir always is */
    size_t maildir_count;
};

/* What the n-th run of a declared program does; the first rule that fits counts. */
struct program_rule {
    uint64_t first, last; /* runs, from 1; last UINT64_MAX: for ever */
    int exit_code;
    int signal; /* if not 0 it dies by that signal instead */
    int64_t takes_ns;
    const char *print; /* written to its standard output, or NULL */
};

struct program_spec {
    const char *name; /* /bin/NAME */
    struct program_rule *rules;
    size_t rule_count;
};

/* A host of ours: it runs the server. */
struct home_spec {
    const char *name;   /* of the host */
    const char *domain; /* control/me */
    const struct disk_model *disk;
    uint64_t capacity_bytes; /* 0: no limit */
    bool single_user;
    const char **addresses; /* at least one */
    size_t address_count;
    bool smtp;                   /* it listens on port 25 of all its addresses */
    struct named_text *controls; /* relayclients too, from `relay from` */
    size_t control_count;
    struct user_spec *users;
    size_t user_count;
    struct named_text *aliases; /* name: of the file alias/.qmail-NAME */
    size_t alias_count;
    struct program_spec *programs;
    size_t program_count;
};

struct served_domain {
    const char *domain;
    unsigned preference; /* of the MX record */
};

/* A remote SMTP server: a machine whose only program is the actor smtp-server. */
struct remote_spec {
    const char *name;      /* in the scenario */
    const char *smtp_name; /* of its greeting, its MX and address records: "mx.away.example" */
    const char **addresses;
    size_t address_count;
    struct served_domain *domains;
    size_t domain_count;
    struct text rules;  /* the actor's `extensions`, `no-ehlo` and `on` lines, in order */
    struct text config; /* all of the actor's configuration here: name, `listen ADDRESS 25` for each
                           address, `bounces to` the first host (if there is one), and `rules` */
};

/* A machine that submits mail by SMTP: one process of the actor smtp-client a message. */
struct client_spec {
    const char *name;
    const char *helo;
    const char **addresses;
    size_t address_count;
    struct text
        settings; /* the actor's lines helo, auth, pipelining, chunk, cut, options, retry; the
                     world puts connect, from and to before them and the message behind */
};

/* The DNS: a machine whose only program is the actor dns-server. */
struct dns_spec {
    const char *name;
    const char **addresses; /* resolv.conf of all machines names them */
    size_t address_count;
    struct text rules;  /* the actor's `record` and `on` lines of the scenario's own */
    struct text config; /* all of the actor's configuration here: `listen ADDRESS 53` for each
                           address, `zone .` (what has no record does not exist), the `on` rules,
                           the scenario's records, then MX and addresses of what remotes serve, of
                           hosts and of clients */
};

#endif
