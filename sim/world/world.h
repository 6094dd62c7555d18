/* SPDX-License-Identifier: ISC */
/*
 * One run of the made-up world: a kernel, machines that run the server, a made-up internet around
 * them, and a ledger kept from outside of what was promised and what came of it.  The world watches
 * every call and every change of the disks; it believes nothing that the server says but its
 * answers to submitters, and reads its log only to tell stories and to know when an attempt ended.
 * Remote servers, clients and the DNS are simulated machines with one actor each; what their
 * actors tell is believed.
 *
 * One world at a time.  Times are virtual nanoseconds since the start.
 */
#ifndef SIM_WORLD_WORLD_H
#define SIM_WORLD_WORLD_H

#include <stdbool.h>
#include <stdio.h>

#include "sim/kernel/kernel.h"
#include "sim/world/pool.h"
#include "sim/world/faults.h"
#include "sim/world/records.h"
#include "sim/world/bounce_report.h"
#include "sim/world/spec.h"
#include "sim/world/stage.h"

#define NO_LETTER SIZE_MAX
#define NO_ENTRY SIZE_MAX

/* --- letters: messages as their submitters know them -----------------------------------------*/

enum letter_state {
    LETTER_WAITING,  /* not submitted yet */
    LETTER_RUNNING,  /* its submitter runs */
    LETTER_ACCEPTED, /* it ended with 0; by SMTP: every recipient is accepted */
    LETTER_REFUSED,  /* with another code; by SMTP: it ended, and not all are accepted */
    LETTER_CUT       /* it was killed: nobody was told anything */
};

enum letter_path { LETTER_BY_QUEUE, LETTER_BY_INJECT, LETTER_BY_SMTP };

/* Of a letter by SMTP: what its client was told about a recipient. */
struct recipient_answer {
    unsigned code;           /* the last reply to RCPT, or to the message; 0: none yet */
    unsigned tried;          /* the try in which that was */
    bool accepted;           /* 2xx to RCPT, and 2xx to the message */
    int64_t time_ns;         /* of the acceptance, else of the last reply */
    unsigned accepted_count; /* how often: a retry after a lost reply may be accepted too */
};

struct letter {
    /* Given by the caller; the texts must outlive the world. */
    const char *name;
    const char *id;     /* value of Message-ID */
    const char *header; /* lines that were put before the content */
    struct text content;
    const char *const *recipients;
    size_t recipient_count;
    size_t machine; /* the host that it is submitted on, or to */
    enum letter_path path;
    const char *sender; /* of the envelope; NULL: the submitting program chooses it */
    size_t client;      /* BY_SMTP: the machine of the client */
    /* Kept by the world. */
    enum letter_state state;
    int code; /* exit code; BY_SMTP: the reply that decided, 0 if none did */
    int64_t sent_ns, ended_ns;
    char *complaint; /* what the submitter wrote to standard error, or NULL */
    bool has_entry;  /* some message in a spool is known to be it */
    struct process *process;
    size_t running_at; /* in running[], while it runs */
    /* BY_SMTP */
    struct recipient_answer *answers; /* one a recipient */
    unsigned tries;
    const char *reply;   /* the last, or what went wrong; in world->told */
    bool awaits_host;    /* it is sent as soon as its host listens for the first time */
    bool awaits_verdict; /* the next reply is the one to its message */
    bool in_session;     /* its client was greeted and has not ended */
    unsigned told_yes;   /* tries whose message was accepted for somebody */
    unsigned uncertain;  /* tries that died behind the final dot: accepted or not, nobody knows */
    struct record_reader records;
    size_t entry_count[3]; /* entries of it that are known, of its bounces, of their bounces */
};

/* --- entries: messages in a spool ------------------------------------------------------------*/

struct stage_change {
    int64_t time_ns;
    enum stage stage;
};

enum answer { ANSWER_NONE, ANSWER_YES, ANSWER_NO };

/* Who gave it to queue, as the Received field that queue adds says. */
enum entry_origin { ORIGIN_UNKNOWN, ORIGIN_USER, ORIGIN_NETWORK, ORIGIN_ALIAS, ORIGIN_BOUNCE };

struct entry {
    size_t machine;
    uint64_t number;
    size_t letter;    /* or NO_LETTER */
    bool guessed;     /* the letter is a guess so far */
    unsigned bounce;  /* 1: a bounce of the letter, 2: the bounce of that */
    unsigned ordinal; /* of the entries of that letter (or bounce): m1#2 has 2; 0: not known yet */
    enum entry_origin origin;
    bool relayed;     /* another host of ours had it before */
    uint64_t parent;  /* of a bounce: the number of the message that it tells of; 0: not known */
    int64_t birth_ns; /* its time of birth, in the time of the run; INT64_MIN: not known */
    unsigned bits;    /* of BIT_MESS ... */
    enum stage stage;
    bool dirty;   /* the bits changed in this call */
    bool suspect; /* found in none of S1 to S5 after a crash, not yet put right */
    bool durable; /* the disk holds it in S4 */
    int64_t durable_ns;
    bool tried;         /* a delivery was started */
    pid_t maker;        /* the process that made its pid/N ... */
    int64_t made_ns;    /* ... and when, by the system's clock */
    bool given;         /* queue has made a file of that number */
    bool prepared;      /* its info was written since the server came up */
    unsigned had;       /* its bits before the last power loss */
    bool revived;       /* names of it were gone, and power loss brought them back */
    bool todo_back;     /* so did its todo, and its info was not written anew since */
    bool checked;       /* its files were looked at since the server came up */
    uint64_t mess_hash; /* of mess, when it came into S4; 0: not known */
    char *chain;        /* Delivered-To values at its top, newest first, each with a newline */
    char *sender;
    char **recipients;
    size_t recipient_count;
    struct route *routes; /* of the recipients: route.h, after world_collect */
    size_t route_count;
    char *text; /* of a bounce: the whole message */
    size_t text_size;
    struct bounce_report *report; /* of it, when it was first asked for: entry_report */
    pid_t queue_pid;
    enum answer answer;
    int64_t answer_ns;
    bool discarded; /* a triple bounce, or deleted by the admin, who wanted that */
    struct stage_change *history;
    size_t history_count;
    uint64_t journal_generation; /* of the record that the journal had of it ... */
    uint64_t journal_sequence;   /* ... 0: it had none */
};

/* What is known of a host's lock/journal: journal.c. */
struct journal_state {
    uint64_t generation, covered, last, end;
    bool waits; /* since a crash: nixie-queue has not yet made its messages again */
};

/* --- what came out ---------------------------------------------------------------------------*/

enum copy_kind { COPY_MAILDIR, COPY_MBOX, COPY_PROGRAM, COPY_REMOTE };

struct copy {
    size_t machine;
    enum copy_kind kind;
    char *place; /* the Maildir, the mbox, the name of the program or the remote */
    char *path;  /* of the file; equal to place for the others */
    int64_t time_ns;
    const char *data; /* the message as it was delivered, without what an mbox adds */
    size_t size;
    char *chain; /* Delivered-To values, newest first; of REMOTE with its recipient in front */
    size_t letter;
    unsigned bounce;
    char *sender;   /* as a program was told; NULL: not told */
    bool unchanged; /* its end is the letter's content (bounces: true) */
    size_t taking;  /* REMOTE: in takings[], which owns `data` */
};

/* A file that appeared in a Maildir's new/, or a write to a file outside of Maildirs. */
struct arrival {
    size_t machine;
    char *path;
    int64_t time_ns;
};
struct mbox_growth {
    int64_t time_ns;
    uint64_t size;
    bool back; /* nobody wrote it: a power loss found it so */
};
struct mbox_file {
    size_t machine;
    char *path;
    struct mbox_growth *growth;
    size_t growth_count;
};

struct program_run {
    size_t machine;
    const char *program;
    uint64_t number; /* of this program's runs, from 1 */
    int64_t start_ns, end_ns;
    bool ended;
    int exit_code;
    char *arguments;      /* joined by spaces */
    uid_t uid;            /* as whom it ran */
    unsigned descriptors; /* that it was given; 0: not known, and neither is uid */
    char **environment;   /* NULL at the end */
    size_t environment_count;
    char *input;
    size_t input_size;
};

struct attempt {
    size_t machine;
    uint64_t number; /* of the message */
    uint64_t delivery;
    bool remote; /* else local */
    char *recipient;
    int64_t start_ns, end_ns; /* end INT64_MAX: it never came back */
    int64_t gone_ns;          /* when the nixie-send that had begun it was gone; INT64_MAX: never */
    int64_t saturated_ns;     /* when the channel last had no place free before; -1: never */
    char result;              /* K Z D, 0 while open */
    char *text;
};

/* A nixie-send began its work: its first line; or one has ended, be it without a line. */
struct send_start {
    size_t machine;
    int64_t time_ns;
    int64_t
        ready_ns; /* of a start: it knows the queue, and has told its first status; 0: not yet */
    bool killed;  /* of an end */
};

struct log_line {
    size_t machine;
    int64_t time_ns;
    char *text;
};

/* --- what actors told: all texts are in world->told --------------------------------------------*/

/* A message that a remote took: it has said, or is about to say, yes. */
struct taking {
    size_t machine;
    uint64_t number;   /* of its takings since it came up, from 1 */
    size_t connection; /* in connections[]; SIZE_MAX: unknown */
    int64_t time_ns;
    const char *sender;
    const char **recipients;
    size_t recipient_count;
    const char *data; /* with LF lines, without the dots of the dialogue */
    size_t size;
    size_t letter;
    unsigned bounce;
    const char *chain; /* Delivered-To values at its top */
    bool unchanged;
};

/* A connection that a remote got. */
struct connection {
    size_t machine;
    uint64_t number;          /* of its connections since it came up */
    const char *address;      /* of the client */
    int64_t start_ns, end_ns; /* end INT64_MAX: it is open */
    const char *end;          /* "server", "client", "reset", "timeout", or NULL */
};

/* A query that the DNS got, and its answer ("noerror"; NULL: none). */
struct query {
    size_t machine;
    int64_t time_ns;
    bool tcp;
    const char *name, *type;
    const char *answer;
};

/* A line that an actor has heard or said. */
struct spoken {
    size_t machine;    /* of the actor */
    size_t connection; /* of a remote, in connections[]; else SIZE_MAX */
    size_t letter;     /* of a client, else NO_LETTER */
    int64_t time_ns;
    bool by_client; /* as seen on the wire */
    const char *text;
};

/* Something that excuses a second copy. */
enum upset_kind {
    UPSET_POWER,
    UPSET_KILL,
    UPSET_FAULT,
    UPSET_CLOCK, /* excuses no copy, but the schedule */
    UPSET_SLOW,  /* a slow disk, a lost wake-up: as CLOCK */
    UPSET_ORDER  /* a signal, a stop, a wish of the admin: as CLOCK */
};
/* What was ordered: by a signal to nixie-send, or as its log says that the admin wished. */
enum order {
    ORDER_OTHER, /* a signal of another kind, or to another program */
    ORDER_STOP,
    ORDER_ALARM,  /* everything is due at once */
    ORDER_HANGUP, /* control files are read again */
    ORDER_RETRY,
    ORDER_HOLD,
    ORDER_RELEASE,
    ORDER_EXPIRE,
    ORDER_DELETE,
    ORDER_UNDELETE /* nobody's wish: the disk could not be synced, and the message goes on */
};
/* What a fault may have touched: the programs that the hit one belongs to. */
enum {
    HIT_TREE = 1 << 0,     /* nixie-start, nixie-log: it may end all others */
    HIT_SEND = 1 << 1,     /* nixie-send, nixie-clean */
    HIT_SPAWN = 1 << 2,    /* nixie-lspawn, nixie-rspawn */
    HIT_DELIVERY = 1 << 3, /* nixie-local, nixie-remote */
    HIT_QUEUE = 1 << 4,
    HIT_CLIENT = 1 << 5, /* who gives messages to the queue, who talks with clients */
    HIT_ADMIN = 1 << 6,
    HIT_LINE = 1 << 7,     /* a line of the log was not written */
    HIT_SYNC = 1 << 8,     /* a sync failed: what it was for was not done */
    HIT_UNSYNCED = 1 << 9, /* and will never be made good (fsync-eio) */
    HIT_ANY = (1 << 10) - 1
};
struct upset {
    size_t machine;
    int64_t time_ns;
    int64_t lasts_ns; /* of SLOW: so long */
    int64_t back_ns;  /* of CLOCK: it was set back by so much */
    int64_t good_ns;  /* of FAULT: when the next syncfs had ended well; 0: none has */
    int64_t again_ns; /* of a STOP: when the server was started again; 0: it was not */
    enum upset_kind kind;
    unsigned hit;     /* of FAULT and SLOW: what it touched; 0: not known */
    enum order order; /* of ORDER */
    uint64_t number;  /* of the message that the admin meant; 0: of all */
    bool asked;       /* by the admin: it may be obeyed from now on; not by the log */
    bool answered;    /* of those: he was told that it is done */
    bool refused;     /* or that it was not */
    char **lost;      /* what was not durable and the crash took, in words */
    size_t lost_count;
};

struct violation {
    const char *promise; /* "LOST", "INVENTED", "DUPLICATE", "STAGE", "EARLY", "UNDONE" ... */
    size_t letter;
    unsigned bounce;
    int64_t time_ns;
    char *recipient;
    char *text;     /* one line */
    char *detail;   /* LOST: what was not durable, "todo/1"; or NULL */
    char *unsynced; /* LOST: the same at length: "todo/1's directory entry, mess/1's contents" */
};

/* --- the world -------------------------------------------------------------------------------*/

struct log_state {
    pid_t writer;         /* the nixie-send that wrote last; 0: none since the boot */
    size_t first_attempt; /* in attempts[], of those that it has begun */
    bool ending;          /* it said so: it may stand still behind its last deed */
    bool unheard;         /* since then: nobody reads any more what it writes (EPIPE) */
    int64_t gap_ns;       /* when that was so for the first time; 0: never */
    char *partial;
    size_t partial_size, partial_room;
    struct log_pairs *pairs; /* log_pairs.c; or NULL */
};

enum machine_kind { MACHINE_HOST, MACHINE_REMOTE, MACHINE_CLIENT, MACHINE_DNS };

struct machine {
    struct world *world;
    size_t index;
    enum machine_kind kind;
    const char *name;
    const struct home_spec *spec;     /* of a host of ours, else NULL */
    const struct remote_spec *remote; /* of a remote, else NULL */
    const struct client_spec *client; /* of a client, else NULL */
    const struct dns_spec *dns;       /* of the DNS, else NULL */
    struct host *host;
    struct process *tree;         /* nixie-start, the actor of a remote or of the DNS; or NULL */
    struct record_reader records; /* of that actor */
    size_t first_connection;      /* in connections[], of those since it came up */
    size_t owed;                  /* bounces that it will send of its own */
    struct log_state log;
    size_t sessions; /* of clients that were greeted and have not ended */
    bool squeezed;   /* its disk has had little room: from then until then */
    int64_t squeezed_from_ns, squeezed_to_ns;
    bool has_listened;       /* on a port, since the run began */
    bool arrived;            /* a file came into a Maildir in this call */
    bool was_down;           /* of a remote: its power was off */
    int64_t started_ns;      /* when nixie-start was started last */
    bool stopped;            /* world_stop: nobody starts it again */
    bool start_wanted;       /* as soon as the one that was stopped has ended */
    bool faulted;            /* some call of its programs went wrong: faults.h */
    bool saturated[2];       /* local, remote: as many deliveries run as may */
    int64_t saturated_ns[2]; /* when that ended last; -1: it never was so */
    size_t suspects;         /* entries that a crash left odd */
    size_t alive;            /* entries in a stage other than S1, or with pid/N */
    size_t *by_number;       /* entry index + 1 of small numbers */
    size_t by_number_size;
    uint64_t *program_runs; /* counts, a program of the spec each */
    uint64_t *deletions;    /* numbers of messages that the admin wanted deleted; 0: of all */
    size_t deletion_count;
    bool sync_pending; /* some entry waits to become durable */
    struct journal_state journal;
};

/* What the runner wants to hear at once.  Any may be NULL. */
struct world_hooks {
    /* A call is about to bring the entry into that stage. */
    void (*before_stage)(void *context, struct entry *entry, enum stage stage);
    void (*after_stage)(void *context, struct entry *entry, enum stage stage);
    void (*durable)(void *context, struct entry *entry);
    void (*letter_ended)(void *context, struct letter *letter);
    /* A remote is about to say that it took a message; it has said so. */
    void (*before_taking)(void *context, const struct taking *taking);
    void (*took)(void *context, const struct taking *taking);
    void (*connected)(void *context, const struct connection *connection);
    void (*tried)(void *context, const struct entry *entry, const struct attempt *attempt);
    /* A bounce was accepted into a spool. */
    void (*bounced)(void *context, const struct entry *bounce);
    /* A copy is there, for that address ("" if it is not known). */
    void (*delivered)(void *context, size_t letter, unsigned bounce, const char *address);
    /* The last message left the spools and no submitter runs. */
    void (*quiet)(void *context);
    void *context;
};

struct world {
    struct kernel *kernel;
    int64_t sync_max_ns;      /* so long a sync may take; 0: not said */
    int64_t patience_ns;      /* so much longer a few calls may take; 0: all run on */
    struct machine *machines; /* hosts of ours first, then remotes, clients, the DNS */
    size_t machine_count;
    size_t host_count; /* of ours */
    struct letter *letters;
    size_t letter_count;
    struct entry *entries;
    size_t entry_count;
    struct attempt *attempts;
    size_t attempt_count;
    struct arrival *arrivals;
    size_t arrival_count;
    struct mbox_file *mboxes;
    size_t mbox_count;
    struct program_run *runs;
    size_t run_count;
    struct send_start *send_starts, *send_ends;
    size_t send_start_count, send_end_count;
    struct log_line *lines;
    size_t line_count;
    struct taking *takings;
    size_t taking_count;
    struct connection *connections;
    size_t connection_count;
    struct query *queries;
    size_t query_count;
    struct spoken *spoken;
    size_t spoken_count;
    struct pool told; /* texts of what actors told */
    struct upset *upsets;
    size_t upset_count;
    struct copy *copies; /* after world_collect */
    size_t copy_count;
    struct violation *violations;
    size_t violation_count;
    struct violation dropped;   /* the last one of an oracle that is switched off */
    unsigned without;           /* set of those */
    struct ledger_index *index; /* index.c */
    struct dialogue *dialogue;  /* dialogue.h, after world_collect; else NULL */
    struct mark_table *marks;   /* identify.c */
    struct idle_ledger *idle;   /* idle.c; or NULL */
    int64_t changed_ns;         /* when a spool last changed, a submitter ended, or idle.c looked */
    struct fault_rule *faults;  /* faults.h */
    size_t fault_count;
    struct fault_counts *fault_counts; /* for plans; or NULL */
    struct world_hooks hooks;
    FILE *story;             /* what happens, as it happens; or NULL */
    const struct call *call; /* the call that is being made */
    size_t *running;         /* letters whose submitter runs */
    size_t running_count;
    bool finished;        /* the end: what stops now is no part of the story */
    bool network_changed; /* something was said about it, or a connection was broken */
};

struct world_options {
    struct kernel_options kernel;
    const struct home_spec *specs;
    size_t spec_count;
    const struct remote_spec *remotes;
    size_t remote_count;
    const struct client_spec *clients;
    size_t client_count;
    const struct dns_spec *dns;    /* or NULL */
    const struct disk_model *disk; /* instead of each spec's own; or NULL */
    FILE *story;
    unsigned without;          /* set of oracles that are switched off (oracles.h) */
    struct template *template; /* template.h; or NULL */
};

/* Makes kernel and machines; starts nothing.  NULL if a home cannot be built: *error is errno. */
struct world *world_create(const struct world_options *options, int *error);
void world_destroy(struct world *world);

/* Starts the server on a machine that is up. */
void world_start(struct world *world, size_t machine);
/* TERM to its process tree. */
void world_stop(struct world *world, size_t machine);
/* The admin says so, by nixie-admin, of the messages with those numbers (none: of all). */
void world_order(struct world *world, size_t machine, enum order order, const uint64_t *numbers,
                 size_t count);
/* The number that queue wrote into the newest field of its own in a message; 0: there is none. */
uint64_t number_in_message(const char *data, size_t size);
/* The same of the message that a bounce has in it. */
uint64_t number_in_bounce(const char *data, size_t size);
/* "retry", "hold", "release", "expire", "delete" */
const char *order_name(enum order order);
/* Power loss.  Not from inside a watcher. */
void world_crash(struct world *world, size_t machine, const struct chooser *chooser);
void world_kill_all(struct world *world, size_t machine);
void world_boot(struct world *world, size_t machine);
/* A signal to the first process of that name; false if there is none. */
bool world_signal(struct world *world, size_t machine, const char *program, int signal);
/* KILL to that process of the machine; also for the one whose call a watcher watches. */
void world_kill(struct world *world, size_t machine, struct process *process);
/* Runs a letter's submitter: nixie-inject, nixie-queue or nixie-sendmail. */
struct submitter {
    const char *program;
    const struct user_spec *user;
    const char *sender; /* or NULL */
};
void world_submit(struct world *world, size_t letter, const struct submitter *submitter);

/* Runs the smtp-client of a letter by SMTP. */
void world_submit_smtp(struct world *world, size_t letter);
/* TERM to all processes of a client: it tries no more. */
void world_stop_client(struct world *world, size_t machine);
/* Starts the actor of a remote or of the DNS. */
void world_start_actor(struct world *world, size_t machine);
/* Power off, and on again, of a machine with an actor. */
void world_down(struct world *world, size_t machine);
void world_up(struct world *world, size_t machine);

/* Entries and copies of a letter (or of none: NO_LETTER) and its bounces, attempts of an entry
 * (by its index); in the order in which they came, as the ledger was at index_build (which
 * world_collect and world_judge do). */
struct range {
    const size_t *items;
    size_t count;
};
struct range world_entries_of(const struct world *world, size_t letter);
struct range world_copies_of(const struct world *world, size_t letter);
struct range world_attempts_of(const struct world *world, size_t entry);
void world_index(struct world *world);

/* The wall clock jumps. */
void world_step_clock(struct world *world, int64_t step_ns);

/* Nothing is in a spool, no submitter runs, and no remote owes a bounce. */
bool world_is_quiet(const struct world *world);
/* The entry of that number, or NULL. */
struct entry *world_entry(struct world *world, size_t machine, uint64_t number);
/* What a bounce says; no groups if it is none. */
const struct bounce_report *entry_report(struct entry *entry);
/* Of a bounce: the message that it tells of, of a bounce's bounce the first one; else the entry
 * itself.  NULL: not known. */
const struct entry *world_original(const struct world *world, const struct entry *entry);
/* In which stage an entry was at a time. */
enum stage entry_stage_at(const struct entry *entry, int64_t time_ns);
/* The name of an entry for people: "m1", "m1.bounce", "message 7"; in `to`. */
#define ENTRY_NAME 100
const char *entry_name(const struct world *world, const struct entry *entry, char to[ENTRY_NAME]);

/* Reads what was delivered out of mailboxes and records; then judges (judge.c).  Once, at the end.
 * `undelivered_is_fine`: the run was cut off, what is still in a spool is not stuck. */
void world_collect(struct world *world);
void world_judge(struct world *world, bool undelivered_is_fine);

/* Adds a violation of a promise of oracles.h; `text` is formatted.  If that oracle is switched off
 * what is returned is none of the violations, and good until the next call. */
struct violation *world_accuse(struct world *world, const char *promise, size_t letter,
                               unsigned bounce, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* A line of the story (-v), if one is told. */
void world_tell(struct world *world, size_t machine, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
