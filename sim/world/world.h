/* SPDX-License-Identifier: ISC */
/*
 * One run of the made-up world: a kernel, machines that run the server, and a ledger kept from
 * outside of what was promised and what came of it.  The world watches every call and every change
 * of the disks; it believes nothing that the server says but its answers to submitters, and reads
 * its log only to tell stories and to know when an attempt ended.
 *
 * One world at a time.  Times are virtual nanoseconds since the start.
 */
#ifndef SIM_WORLD_WORLD_H
#define SIM_WORLD_WORLD_H

#include <stdbool.h>
#include <stdio.h>

#include "sim/kernel/kernel.h"
#include "sim/world/pool.h"
#include "sim/world/spec.h"
#include "sim/world/stage.h"

#define NO_LETTER SIZE_MAX
#define NO_ENTRY SIZE_MAX

/* --- letters: messages as their submitters know them -----------------------------------------*/

enum letter_state {
    LETTER_WAITING,  /* not submitted yet */
    LETTER_RUNNING,  /* its submitter runs */
    LETTER_ACCEPTED, /* it ended with 0 */
    LETTER_REFUSED,  /* with another code */
    LETTER_CUT       /* it was killed: nobody was told anything */
};

enum letter_path { LETTER_BY_QUEUE, LETTER_BY_INJECT };

struct letter {
    /* Given by the caller; the texts must outlive the world. */
    const char *name;
    const char *id;     /* value of Message-ID */
    const char *header; /* lines that were put before the content */
    struct text content;
    const char *const *recipients;
    size_t recipient_count;
    size_t machine;
    enum letter_path path;
    /* Kept by the world. */
    enum letter_state state;
    int code;
    int64_t sent_ns, ended_ns;
    char *complaint; /* what the submitter wrote to standard error, or NULL */
    bool has_entry;  /* some message in a spool is known to be it */
    struct process *process;
};

/* --- entries: messages in a spool ------------------------------------------------------------*/

struct stage_change {
    int64_t time_ns;
    enum stage stage;
};

enum answer { ANSWER_NONE, ANSWER_YES, ANSWER_NO };

struct entry {
    size_t machine;
    uint64_t number;
    size_t letter;   /* or NO_LETTER */
    bool guessed;    /* the letter is a guess so far */
    unsigned bounce; /* 1: a bounce of the letter, 2: the bounce of that */
    unsigned bits;   /* of BIT_MESS ... */
    enum stage stage;
    bool dirty;   /* the bits changed in this call */
    bool suspect; /* found in none of S1 to S5 after a crash, not yet put right */
    bool durable; /* the disk holds it in S4 */
    char *chain;  /* Delivered-To values at its top, newest first, each with a newline */
    char *sender;
    char **recipients;
    size_t recipient_count;
    char *text; /* of a bounce: the whole message */
    size_t text_size;
    pid_t queue_pid;
    enum answer answer;
    int64_t answer_ns;
    bool discarded; /* a triple bounce */
    struct stage_change *history;
    size_t history_count;
};

/* --- what came out ---------------------------------------------------------------------------*/

enum copy_kind { COPY_MAILDIR, COPY_MBOX, COPY_PROGRAM };

struct copy {
    size_t machine;
    enum copy_kind kind;
    char *place; /* the Maildir, the mbox, or the program's name */
    char *path;  /* of the file; equal to place for the others */
    int64_t time_ns;
    const char *data; /* the message as it was delivered, without what an mbox adds */
    size_t size;
    char *chain; /* Delivered-To values, newest first */
    size_t letter;
    unsigned bounce;
    bool unchanged; /* its end is the letter's content (bounces: true) */
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
    char *arguments;    /* joined by spaces */
    char **environment; /* NULL at the end */
    size_t environment_count;
    char *input;
    size_t input_size;
};

struct attempt {
    size_t machine;
    uint64_t number; /* of the message */
    uint64_t delivery;
    char *recipient;
    int64_t start_ns, end_ns; /* end INT64_MAX: it never came back */
    char result;              /* K Z D, 0 while open */
    char *text;
};

struct log_line {
    size_t machine;
    int64_t time_ns;
    char *text;
};

/* Something that excuses a second copy. */
enum upset_kind { UPSET_POWER, UPSET_KILL, UPSET_FAULT };
struct upset {
    size_t machine;
    int64_t time_ns;
    enum upset_kind kind;
    char **lost; /* what was not durable and the crash took, in words */
    size_t lost_count;
};

struct violation {
    const char
        *promise; /* "LOST", "INVENTED", "DUPLICATE", "STAGE", "OWNER", "STUCK", "SPIN" ... */
    size_t letter;
    unsigned bounce;
    int64_t time_ns;
    char *recipient;
    char *text;   /* one line */
    char *detail; /* LOST: what was not durable, "todo/1"; or NULL */
};

/* --- the world -------------------------------------------------------------------------------*/

struct log_state {
    char *partial;
    size_t partial_size;
};

struct machine {
    struct world *world;
    size_t index;
    const struct home_spec *spec;
    struct host *host;
    struct process *tree; /* nixie-start, or NULL */
    struct log_state log;
    size_t suspects;   /* entries that a crash left odd */
    size_t alive;      /* entries in a stage other than S1, or with pid/N */
    size_t *by_number; /* entry index + 1 of small numbers */
    size_t by_number_size;
    uint64_t *program_runs; /* counts, a program of the spec each */
    bool sync_pending;      /* some entry waits to become durable */
};

struct fault_rule {
    const char *program;
    int call;
    uint64_t first, last;
    int error;
    const char *path;
    uint64_t seen;
};

/* What the runner wants to hear at once.  Any may be NULL. */
struct world_hooks {
    /* A call is about to bring the entry into that stage. */
    void (*before_stage)(void *context, struct entry *entry, enum stage stage);
    void (*after_stage)(void *context, struct entry *entry, enum stage stage);
    void (*durable)(void *context, struct entry *entry);
    void (*letter_ended)(void *context, struct letter *letter);
    /* The last message left the spools and no submitter runs. */
    void (*quiet)(void *context);
    void *context;
};

struct world {
    struct kernel *kernel;
    struct machine *machines;
    size_t machine_count;
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
    struct log_line *lines;
    size_t line_count;
    struct upset *upsets;
    size_t upset_count;
    struct copy *copies; /* after world_collect */
    size_t copy_count;
    struct violation *violations;
    size_t violation_count;
    struct fault_rule *faults;
    size_t fault_count;
    struct world_hooks hooks;
    FILE *story;             /* what happens, as it happens; or NULL */
    const struct call *call; /* the call that is being made */
    size_t running;          /* submitters */
    bool finished;           /* the end: what stops now is no part of the story */
};

struct world_options {
    struct kernel_options kernel;
    const struct home_spec *specs;
    size_t spec_count;
    const struct disk_model *disk; /* instead of each spec's own; or NULL */
    FILE *story;
};

/* Makes kernel and machines; starts nothing.  NULL if a home cannot be built: *error is errno. */
struct world *world_create(const struct world_options *options, int *error);
void world_destroy(struct world *world);

/* Starts the server on a machine that is up. */
void world_start(struct world *world, size_t machine);
/* TERM to its process tree. */
void world_stop(struct world *world, size_t machine);
/* Power loss.  Not from inside a watcher. */
void world_crash(struct world *world, size_t machine, const struct chooser *chooser);
void world_kill_all(struct world *world, size_t machine);
void world_boot(struct world *world, size_t machine);
/* A signal to the first process of that name; false if there is none. */
bool world_signal(struct world *world, size_t machine, const char *program, int signal);
/* Runs a letter's submitter: nixie-inject, nixie-queue or nixie-sendmail. */
struct submitter {
    const char *program;
    const struct user_spec *user;
    const char *sender; /* or NULL */
};
void world_submit(struct world *world, size_t letter, const struct submitter *submitter);

/* Nothing is in a spool and no submitter runs. */
bool world_is_quiet(const struct world *world);
/* The entry of that number, or NULL. */
struct entry *world_entry(struct world *world, size_t machine, uint64_t number);
/* In which stage an entry was at a time. */
enum stage entry_stage_at(const struct entry *entry, int64_t time_ns);
/* The name of an entry for people: "m1", "m1.bounce", "message 7"; in `to`. */
#define ENTRY_NAME 100
const char *entry_name(const struct world *world, const struct entry *entry, char to[ENTRY_NAME]);

/* Reads what was delivered out of mailboxes and records; then judges (judge.c).  Once, at the end.
 * `undelivered_is_fine`: the run was cut off, what is still in a spool is not stuck. */
void world_collect(struct world *world);
void world_judge(struct world *world, bool undelivered_is_fine);

/* Adds a violation; `text` is formatted. */
struct violation *world_accuse(struct world *world, const char *promise, size_t letter,
                               unsigned bounce, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* A line of the story (-v), if one is told. */
void world_tell(struct world *world, size_t machine, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
