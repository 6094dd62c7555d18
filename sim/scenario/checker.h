/* SPDX-License-Identifier: ISC */
/* What the parts of the checker share. */
#ifndef SIM_SCENARIO_CHECKER_H
#define SIM_SCENARIO_CHECKER_H

#include "sim/scenario/lines.h"
#include "sim/scenario/model.h"
#include "sim/scenario/tree.h"

#define MESSAGES_MAX 100000
#define CONTENT_MAX ((size_t) 64 << 20)
#define INCLUDE_DEPTH_MAX 8
#define INCLUDES_MAX 100
#define MACHINES_MAX 1000
#define ADDRESSES_MAX 16 /* of one machine */
#define RECORDS_MAX 5000

struct parameter {
    const char *name;
    const char *value;
};

struct declared_file {
    const char *name;
    struct text content;
};

struct taken_address {
    const char *text;
    const char *owner; /* a machine's name */
};

/* That the DNS has a record of that name. */
struct dns_name {
    const char *name;
    bool alias;         /* a CNAME: there must be no other */
    struct position at; /* line 0: not written in the file */
};

/* "relay from NAME..." of a host, to be understood when all machines are known. */
struct relay {
    size_t host;
    const struct statement *statement;
};

struct checker {
    struct scenario *scenario;
    struct pool *pool;
    struct complaints complaints;
    const struct definition *definitions;
    size_t definition_count;
    struct parameter *parameters;
    size_t parameter_count;
    struct declared_file *files;
    size_t file_count;
    const struct statement **statements; /* of all files, at the top level */
    size_t statement_count;
    unsigned include_depth;
    unsigned include_count;
    const struct statement *title_at;
    struct taken_address *addresses;
    size_t address_count;
    struct relay *relays;
    size_t relay_count;
    struct position *remote_at;     /* of each remote's name */
    const struct statement *dns_at; /* the first `dns` */
    struct lines dns_rules, dns_refusals, dns_records;
    struct dns_name *dns_names; /* of each record */
    size_t dns_name_count;
};

/* The word without quotes and escapes, with ${parameters} replaced.  NULL after a complaint. */
const char *word_value(struct checker *checker, const struct statement *statement, size_t index);

/* "unknown LABEL "got"", with a suggestion out of `names` (NULL at the end). */
void complain_unknown(struct checker *checker, struct position at, const char *label,
                      const char *got, const char *const *names);

/* The path of a file that a statement of `source` names. */
const char *path_beside(struct checker *checker, const struct source *source, const char *path);

/* The lines below a statement as one text, each with a newline. */
struct text lines_text(struct checker *checker, const struct statement *statement);
/* Complains about lines or statements below a statement that may have none. */
void refuse_lines(struct checker *checker, const struct statement *statement);
void refuse_children(struct checker *checker, const struct statement *statement);

/* check_host.c */
void check_host(struct checker *checker, const struct statement *statement);
/* check_remote.c, check_client.c, check_dns.c */
void check_remote(struct checker *checker, const struct statement *statement);
void check_client(struct checker *checker, const struct statement *statement);
void check_dns(struct checker *checker, const struct statement *statement);
/* check_network.c */
void check_network(struct checker *checker, const struct statement *statement);
/* check_sends.c: declares messages first, then everything is understood. */
void declare_messages(struct checker *checker, const struct statement *statement);
void declare_match(struct checker *checker, const struct statement *statement);
/* check_event.c */
void check_event(struct checker *checker, const struct statement *statement);
/* check_fault.c */
void check_fault(struct checker *checker, const struct statement *statement);
/* check_message.c */
void finish_messages(struct checker *checker);
/* check_expect.c */
void check_expect(struct checker *checker, const struct statement *statement);
void check_allow(struct checker *checker, const struct statement *statement);

struct cursor;

/* --- machines (check_actor.c) ----------------------------------------------------------------*/

/* The machine of that name ("any" is none).  The DNS is there even if nothing declares it. */
bool find_actor(const struct checker *checker, const char *name, struct actor *actor);
const char *actor_name(const struct scenario *scenario, struct actor actor);
const char *actor_kind_name(enum actor_kind kind); /* "remote" */
/* Complains if another machine has the name that was just taken from `cursor`. */
void refuse_taken_name(struct cursor *cursor, const char *name);
/* False after a complaint: there are too many machines for one more. */
bool machine_fits(struct checker *checker, const struct statement *statement);
/* A machine; kinds as bits, 1 << ACTOR_REMOTE; `what` says which: "a remote". */
struct actor need_actor(struct cursor *cursor, unsigned kinds, const char *what);
/* Takes the rest of "address ADDRESS" into a list of `owner`'s. */
void need_own_address(struct cursor *cursor, const char *owner, const char ***list, size_t *count);
bool domain_is_valid(const char *text);
/* A domain name as DNS has it, without a dot at its end; `what` is what the complaint calls it. */
const char *need_domain(struct cursor *cursor, const char *what);
/* An IPv4 or IPv6 address as inet_ntop writes it, or NULL if `text` is none. */
const char *address_canonical(struct checker *checker, const char *text);
/* When all machines are declared: addresses and names that were left out, who may relay. */
void finish_actors(struct checker *checker);
/* check_remote.c, check_dns.c: their share of that, once addresses are known. */
void finish_remotes(struct checker *checker);
void finish_dns(struct checker *checker);

/* --- parts of statements ---------------------------------------------------------------------*/

/* check_trigger.c: "at TIME", "after EVENT [TIME]", "before EVENT". */
void need_trigger(struct cursor *cursor, struct trigger *trigger);
/* An event without "after" as a moment's: "m1 accepted", "m1#2 +5m".  False if a time stands here,
 * or nothing. */
bool take_event(struct cursor *cursor, struct trigger *trigger);
/* check_when.c: "at T", "by T", "in A..B", each maybe of an event; nothing at all is WHEN_ANY. */
void take_when(struct cursor *cursor, struct when *when);
/* "at [EVENT] TIME TIME...": each try of a message. */
void need_times(struct cursor *cursor, struct expectation *expectation);
/* Makes `at`, where a clause began, reach to the word before the cursor. */
void when_extend(const struct cursor *cursor, struct position *at);
/* check_dns.c: a type of record as it is spelled right, or NULL if the next word is none. */
const char *take_record_type(struct cursor *cursor);
/* check_detail.c: what stands below an expectation. */
void check_details(struct checker *checker, const struct statement *statement,
                   struct expectation *expectation);
/* "status PATTERN" in the line of the expectation itself. */
void need_status(struct cursor *cursor, struct expectation *expectation);
/* check_network.c: behind the word "network". */
void need_network(struct cursor *cursor, struct network *network);
/* check_sends.c: the index of the word "sends", 0 if there is none; how many words stand in front
 * of it that say who; the submission that `statement` declared, or their count if it did not. */
size_t find_sends(const struct statement *statement);
size_t sender_words(const struct statement *statement, size_t sends);
size_t submission_at(const struct scenario *scenario, const struct statement *statement);
/* "send" or "nixie-send" as the name of a program. */
const char *need_program(struct cursor *cursor);
/* A message; it must be declared. */
void need_selector(struct cursor *cursor, struct selector *selector);
/* True if `word` would be a message's selector. */
bool names_message(struct cursor *cursor, const char *word);
/* Its recipient, if it has one, must be one that the message is sent to. */
void need_known_recipient(struct cursor *cursor, const struct selector *selector);
/* The host of that name, or the only one if there is no `on`: see each caller. */
bool find_host(const struct checker *checker, const char *name, size_t *host);
size_t need_host(struct cursor *cursor);
/* "[on HOST]"; the only host if left out. */
size_t need_on_host(struct cursor *cursor);
enum stage need_stage(struct cursor *cursor);
/* A signal by name with or without SIG; errno by name; a call of the simulated kernel. */
int signal_named(const char *name);
int error_named(const char *name);
/* The name of an errno that a fault may have; "EIO" for any other. */
const char *error_text(int error);

#endif
