/* SPDX-License-Identifier: ISC */
/* What the parts of the world share. */
#ifndef SIM_WORLD_INTERNAL_H
#define SIM_WORLD_INTERNAL_H

#include "sim/world/world.h"

/* --- watch.c --- */
/* Starts watching calls and disks. */
void watch_start(struct world *world);

/* --- server.c --- */
/* Notes that something happens to the server of machine `index` now; what kind does not say, the
 * caller fills in.  Valid until the next is noted. */
struct upset *upset_note(struct world *world, size_t index, enum upset_kind kind);

/* --- entries.c --- */
struct entry *entry_get(struct world *world, struct machine *machine, uint64_t number);
/* The tree changed: a name came or went. */
void entries_note_name(struct machine *machine, const char *path, bool added);
/* After each call: stages of what changed. */
void entries_settle(struct machine *machine);
/* A call is about to be made: tells before_stage if it would bring an entry into a stage. */
void entries_foresee(struct machine *machine, const struct call *call);
/* queue is about to exit, or has written an answer. */
void entries_note_exit(struct machine *machine, const struct call *call);
void entries_note_answer(struct machine *machine, const struct call *call);
/* After a sync: which entries the disk now holds. */
void entries_note_durable(struct machine *machine);
/* The message is in that stage now: noted in its history, and told in the story. */
void entry_change_stage(struct machine *machine, struct entry *entry, enum stage stage);
/* After power loss: what the spool holds now (recovered.c, as the next). */
void entries_reread(struct machine *machine);
/* The first delivery after a boot: everything must be in a stage. */
void entries_check_recovered(struct machine *machine);

/* --- journal.c --- */
/* A sync of it has ended well: what it holds is durable, if nothing of it is pending. */
void journal_note_durable(struct machine *machine);
/* After power loss: what it holds now. */
void journal_reread(struct machine *machine);
/* Whether the disk holds the message there, and start-up would make it again from that. */
bool journal_holds(const struct machine *machine, const struct entry *entry);
/* It says that a sync has failed: start-up makes all again that it holds, durable or not. */
bool journal_is_in_doubt(const struct machine *machine);

/* --- contract.c --- */
/* A delivery of the message starts; nixie-clean has unlinked its todo. */
void contract_delivery_starts(struct machine *machine, struct entry *entry);
void contract_todo_removed(struct machine *machine, struct entry *entry);

/* --- files.c --- */
/* The message came into S4: its text is what it must be from now on. */
void files_note_accepted(struct machine *machine, struct entry *entry);
/* Looks at all files of the message. */
enum files_moment { FILES_PREPARED, FILES_DELIVERED, FILES_BOUNCED };
void files_check(struct machine *machine, struct entry *entry, enum files_moment moment);

/* --- log.c --- */
/* A nixie-send exits, or is being killed. */
void log_note_end(struct machine *machine, bool killed);
/* `writer`: the nixie-send that has written that.  Attempts of one before it never come back. */
void log_note_write(struct machine *machine, pid_t writer, const char *data, size_t size);
/* It wrote in vain: nobody reads the log any more. */
void log_note_unheard(struct machine *machine);
/* Power loss or kill: attempts that are open never come back. */
void log_note_crash(struct machine *machine);

/* "PREFIX N REST" at the start of a line: N, and REST behind it.  False: it is none. */
bool line_number(const char *text, const char *prefix, uint64_t *number, const char **rest);

/* --- log_pairs.c --- */
/* After log.c has taken the line; `pairs_free`: another nixie-send, which begins anew. */
void pairs_note_line(struct machine *machine, const char *text);
void pairs_judge(struct machine *machine);
void pairs_free(struct machine *machine);

/* --- idle.c --- */
/* A message is about to be submitted, or the run is at its end. */
void idle_note(struct world *world);
void idle_free(struct world *world);

/* True if the log would have that text so (mta/lib/logtext.h), letters in any case. */
bool logged_is(const char *logged, const char *text);

/* --- judge_schedule.c --- */
/* The number in a control file that the scenario gives a host. */
uint64_t control_value(const struct machine *machine, const char *name, uint64_t otherwise);
/* When a message is tried again after a try that began at `start_ns`, as its birth says. */
int64_t schedule_try_after(int64_t birth_ns, int64_t start_ns, bool remote);

/* --- identify.c --- */
struct identity {
    size_t letter; /* or NO_LETTER */
    unsigned bounce;
    char *chain;    /* malloc'd */
    bool by_header; /* the letter's own mark stands in the header */
};
/* Whose message this is.  `sender`: its envelope sender if it is known, else NULL (then a
 * Return-Path field at its top says). */
void identify(const struct world *world, const char *data, size_t size, const char *sender,
              struct identity *identity);
void marks_make(struct world *world);
void marks_free(struct world *world);
/* Where the body begins (behind the empty line); `size` if there is none. */
size_t body_offset(const char *data, size_t size);
/* The value of the first field of that name, trimmed, into `to` (cut to its size); false: none. */
bool header_value(const char *data, size_t size, const char *name, char *to, size_t to_size);
/* True if a Delivered-To value names that envelope recipient. */
bool address_names(const char *delivered_to, size_t size, const char *recipient);
/* The first line of a chain is that address (letters in any case), the rest equals `rest`. */
bool chain_is(const char *chain, const char *address, const char *rest);

/* --- world.c --- */
/* The submitter of a letter runs now, or no longer. */
void letter_runs(struct world *world, struct letter *letter);
void letter_rests(struct world *world, struct letter *letter);

/* --- hear.c --- */
/* An actor of a remote or of the DNS, or the client of a letter, has written that. */
void hear_actor(struct machine *machine, const char *data, size_t size);
void hear_client(struct world *world, size_t letter, const char *data, size_t size);
/* The client of a letter is no longer connected. */
void end_session(struct world *world, struct letter *letter);
/* An actor of a remote is about to write that: tells before_taking. */
void hear_before_write(struct machine *machine, const char *data, size_t size);

/* --- internet.c --- */
/* Puts the actor on a machine that was just made.  0 or -errno. */
int internet_make(struct machine *machine);

/* The host listens for the first time: what clients were to send before that is sent. */
void internet_host_listens(struct machine *machine);

/* --- index.c --- */
void index_free(struct world *world);

/* --- declared.c --- */
void declared_register(struct world *world);

/* --- collect.c --- */
void growth_note(struct machine *machine, const char *path);
/* After power loss: how long they are now. */
void growth_reread(struct machine *machine);
/* A variable in the environment of the run; NULL: it is not there. */
const char *run_variable(const struct program_run *run, const char *name);
/* True if `data` ends as the letter's content does, but for what SMTP changes on its way from a
 * client, and (`relayed`) from a server of ours. */
bool content_unchanged(const struct letter *letter, const char *data, size_t size, bool relayed);

#endif
