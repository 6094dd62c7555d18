/* SPDX-License-Identifier: ISC */
/* The parts of nixie-local (main.c says what it does). */
#ifndef MTA_LOCAL_LOCAL_H
#define MTA_LOCAL_LOCAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mta/lib/buf.h"
#include "mta/lib/dotqmail.h"

/* Exit codes: what is wrong with the message or the address for good, and what may pass.  Between
 * a worker and lspawn (stay.c) also LOCAL_READY and LOCAL_OTHER. */
enum {
    LOCAL_OK = 0,
    LOCAL_READY = 1,
    LOCAL_OTHER = 2,
    LOCAL_STOP = 99,
    LOCAL_HARD = 100,
    LOCAL_SOFT = 111
};

#define LOCAL_ARGUMENTS 8 /* user to aliasempty */

struct local {
    char *const *environment; /* as main was given it */
    bool deliver;             /* false (-n): tell what would be done */
    bool maildirs_only;       /* LOCAL_OTHER for anything but Maildirs, before it is begun */
    struct buf server_home;   /* empty if it is not known; only forwards need it */

    /* the arguments */
    const char *user;
    const char *home;
    const char *local;
    const char *dash;
    const char *extension;
    const char *domain;
    const char *sender;
    const char *fallback; /* instructions for who has none */

    /* made of them; each with a NUL behind its bytes */
    struct buf recipient;    /* local@domain */
    struct buf delivered_to; /* header lines, with their newline */
    struct buf return_path;
    struct buf from_line;    /* of an mbox */
    struct buf file_part;    /* dash and extension as they stand in file names */
    struct buf default_part; /* $DEFAULT: what -default stands for */
    bool has_default;
    struct buf new_sender; /* envelope sender of forwards */

    /* the .qmail file; the fallback's text if there is none */
    struct buf instructions;
    bool executable; /* its x bit: forwards only */

    /* For several deliveries at once: whether a single Maildir may be left to be committed later,
     * and that one, if it was; owned. */
    bool may_hold;
    struct maildir *held;

    struct buf recipients; /* of forwards: addresses, each with its NUL */
    unsigned long files, programs, forwards;
    uint64_t message_number; /* of the forward, 0 if there is none */
};

/* --- main.c --- */

/* Takes the arguments, which must stay as long as `local`. */
void local_set_arguments(struct local *local, const char *const arguments[LOCAL_ARGUMENTS]);
/* Delivers the message on descriptor 0 to who the arguments say, whose home it enters.  An exit
 * code. */
int local_deliver(struct local *local);
void local_release(struct local *local);

/* --- stay.c --- */

/* Serves lspawn until it has no more jobs.  An exit code. */
int stay(char *const *environment);

/* --- say.c: what goes into the report --- */

/* local_fail(CODE, TEXT...) writes the texts and a newline to descriptor 2 and returns CODE;
 * local_tell(TEXT...) writes them to descriptor 1 and returns 0 or -1. */
#define local_fail(code, ...) local_fail_texts(code, (const char *const[]){__VA_ARGS__, NULL})
#define local_tell(...) local_tell_texts((const char *const[]){__VA_ARGS__, NULL})
int local_fail_texts(int code, const char *const *texts);
int local_tell_texts(const char *const *texts);
/* As local_fail with LOCAL_SOFT: "WHAT NAME: words for the error. (#4.3.0)". */
int local_fail_errno(const char *what, const char *name, int error);
int local_fail_memory(void);

/* --- recipient.c --- */

/* Fills in what is made of the arguments, but instructions and new_sender.  0 or an exit code. */
int recipient_prepare(struct local *local);
/* Reads the header on descriptor 0: LOCAL_HARD if it has our Delivered-To line, LOCAL_SOFT, or 0.
 */
int recipient_check_loop(const struct local *local);
/* Descriptor 0 back to its start.  0 or LOCAL_SOFT. */
int message_rewind(void);

/* --- find.c --- */

/* Checks the home directory (the current one).  0 or an exit code. */
int find_check_home(const struct local *local);
/* Finds and reads the .qmail file.  0 or an exit code. */
int find_instructions(struct local *local);
/* Finds the envelope sender of forwards (-owner files).  0 or an exit code. */
int find_new_sender(struct local *local);

/* --- deliver.c --- */

/* Checks all instructions, then carries them out.  An exit code. */
int deliver_all(struct local *local);
/* A Maildir that was held has been committed; `error` 0, or the errno that says why not.  Says what
 * there is to say, returns an exit code. */
int deliver_held(const struct local *local, int error);
/* Whether there is nothing but Maildirs in the instructions, up to a mistake. */
bool deliver_is_plain(const struct local *local);

/* --- progress.c: what earlier tries have done --- */

/* Remembers which instructions for this message and recipient have been carried out, through
 * crashes.  Where it cannot be written (no space, home not writable) more is repeated; where it is
 * there and cannot be read just now the delivery waits. */
struct progress {
    bool wanted; /* false: nothing is remembered or looked up */
    bool exists; /* the file is there */
    uint64_t key;
    struct buf path;
    struct buf done; /* the content of the file */
};

/* Looks up what was done before.  0 or an exit code: the message, or just now the file, could not
 * be read. */
int progress_open(struct progress *progress, const struct local *local);
/* The mark of the `occurrence`-th instruction of this kind and text. */
uint64_t progress_mark(const struct progress *progress, int kind, const char *text, size_t size,
                       unsigned long occurrence);
bool progress_has(const struct progress *progress, uint64_t mark);
/* Remembers a mark, durably if that is possible. */
void progress_add(struct progress *progress, uint64_t mark);
/* The delivery is over: forgets it all. */
void progress_forget(struct progress *progress);
void progress_close(struct progress *progress);

/* --- program.c --- */

/* Runs the command with the message on its descriptor 0.  LOCAL_OK, LOCAL_STOP, LOCAL_HARD or
 * LOCAL_SOFT. */
int program_run(const struct local *local, const char *command);

/* --- forward.c --- */

/* Sends the message on to local->recipients.  0 or an exit code. */
int forward_send(struct local *local);

#endif
