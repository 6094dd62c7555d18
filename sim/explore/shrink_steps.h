/* SPDX-License-Identifier: ISC */
/* What the parts of the shrinker share. */
#ifndef SIM_EXPLORE_SHRINK_STEPS_H
#define SIM_EXPLORE_SHRINK_STEPS_H

#include "sim/explore/draft.h"
#include "sim/explore/reason.h"
#include "sim/explore/seen.h"
#include "sim/explore/shrink.h"

struct shrinker {
    const struct shrink_options *options;
    const char *name;
    char *text; /* what there is: it fails for the reason */
    size_t size;
    struct run_options run;
    struct reason reason;
    struct failure failure; /* of the text: its message is malloc'd */
    char *subject;          /* the message that it is about: "m.7", or NULL; malloc'd */
    struct seen tried;      /* hashes of texts that do not fail for the reason */
    uint64_t runs, runs_max;
    int64_t deadline_ns;   /* of the monotonic clock */
    int64_t length_max_ns; /* of a run: a story that takes longer is no plainer */
    bool exhausted;        /* a bound was reached: no more is tried */
    bool changed;          /* a step worked in this round */
    const char *step;      /* words for the progress */
};

/* The text as a draft; what is there can always be read. */
void shrink_open(const struct shrinker *shrinker, struct draft *draft);
/* Tries a draft, which is used up: if it fails for the reason, it is the text from now on and this
 * is true. */
bool shrink_offer(struct shrinker *shrinker, struct draft *draft);
/* The same, with statements that name what is no longer there left out. */
bool shrink_offer_repaired(struct shrinker *shrinker, struct draft *draft);
/* The same with other options of the run, which stay if it fails. */
bool shrink_offer_run(struct shrinker *shrinker, const struct run_options *run);

/* Delta debugging of a list: parts of it are left out, halves first, then smaller ones.  `count`
 * says how long it is in a draft, `drop` takes a part away (false: this part may not). */
struct shrink_list {
    size_t (*count)(struct draft *draft, const struct shrink_list *list);
    bool (*drop)(struct draft *draft, const struct shrink_list *list, size_t at, size_t count);
    size_t statement; /* in the order of the file */
    struct shrinker *shrinker;
};
void shrink_list(struct shrinker *shrinker, const struct shrink_list *list);

/* shrink_start.c: includes and parameters into the text, paths made absolute, comments left out.
 * Returns 0, or -1: *why. */
int shrink_start(struct shrinker *shrinker, const char *text, size_t size, const char **why);
/* shrink_parts.c: statements, lines, recipients, optional words. */
void shrink_statements(struct shrinker *shrinker);
void shrink_recipients(struct shrinker *shrinker);
void shrink_words(struct shrinker *shrinker);
/* shrink_numbers.c: counts and times. */
void shrink_counts(struct shrinker *shrinker);
void shrink_times(struct shrinker *shrinker);
/* shrink_moments.c: when crashes and kills happen, in moments of the language; and what they keep.
 */
void shrink_moments(struct shrinker *shrinker);
void shrink_boots(struct shrinker *shrinker);
/* shrink_pins.c: what the disk lost. */
void shrink_pins(struct shrinker *shrinker);
/* shrink_names.c: plain names. */
void shrink_names(struct shrinker *shrinker);
/* shrink_tell.c: title, layout and the comment at the top. */
void shrink_tell(struct shrinker *shrinker);

/* shrink_story.c: in the draft's pool.  Each crash: "The power goes when m1 is accepted, and what
 * was not durable is lost.  Then ..."; NULL: there is none. */
const char *story_happens(struct draft *draft);
/* "After a power loss bob@example.com never gets m1, which was accepted". */
const char *story_breaks(struct draft *draft, const struct failure *failure);
/* "m1 is lost: the power goes when m1 is accepted"; shorter if that is over `length`.  `subject` is
 * a message's name, or NULL. */
const char *story_title(struct draft *draft, const struct failure *failure, const char *subject,
                        size_t length);

/* The index of the first word of what happens in "at T crash mail power", "before m1 enters S4 kill
 * send", ...: of the word crash or kill; 0: it is no such statement. */
size_t crash_word(struct draft *draft, const struct statement *statement);
/* "after crash 1s boot mail": as everybody writes it, so it stays. */
bool is_boot_after_crash(const struct statement *statement);
/* A time as a scenario has it: "1m30s", "60.0005s", "1.2ms". */
#define TIME_WORD 48
const char *time_word(char to[TIME_WORD], int64_t ns);

#endif
