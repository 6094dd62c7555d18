/* SPDX-License-Identifier: ISC */
/* What the judges of expectations share. */
#ifndef SIM_SCENARIO_EXPECT_H
#define SIM_SCENARIO_EXPECT_H

#include "sim/scenario/runner.h"

/* Of the messages that an expectation is about: how many, and which do not meet it. */
struct tally {
    size_t asked, failed;
    const char *first, *last; /* names of those that failed */
    size_t letter;
    char why[400]; /* of the first */
    struct position at;
};

void tally_fail(struct tally *tally, size_t letter, const char *name, struct position at,
                const char *why);
void tally_report(struct run *run, const struct expectation *expectation,
                  const struct tally *tally);

/* moment.c: when an event happened first, for that letter if it is one of those that it is about,
 * else for any of them; -1: never. */
int64_t moment_of(const struct run *run, const struct trigger *event, size_t letter);
/* From when and until when (not included) it is, judging that letter (or NO_LETTER); INT64_MAX and
 * INT64_MIN if what it counts from never happened. */
int64_t when_start(const struct run *run, const struct when *when, size_t letter);
int64_t when_end(const struct run *run, const struct when *when, size_t letter);
/* Simulated times are exact.  Real programs' are met by so much earlier or later: what a call costs
 * there is only guessed, and a second may pass sooner or later. */
#define REAL_SLACK_NS (2 * NANOSECONDS)
int64_t when_slack(const struct run *run);
/* Whether the time meets `when`, judging that letter (or NO_LETTER). */
bool when_holds(const struct run *run, const struct when *when, size_t letter, int64_t time_ns);
#define WHEN_TEXT (2 * TIME_TEXT + 20)
/* " at +5m00s", " by +2h" as it was asked for, from the start of the run; "" for any time. */
const char *when_text(const struct run *run, const struct when *when, size_t letter,
                      char to[WHEN_TEXT]);
/* What a failure to be there in time points at. */
struct position when_position(const struct expectation *expectation);

/* Whether the entry is what the selector says: of that message (bounce), the N-th. */
bool entry_is_selected(const struct run *run, const struct selector *selector,
                       const struct entry *entry);
/* The same for a copy or what a remote took: by the number in the field that queue put there. */
bool data_is_selected(const struct run *run, const struct selector *selector, size_t letter,
                      unsigned bounce, const char *data, size_t size);
/* True if that address (a counted text) is meant by a pattern, which may be an address. */
bool address_is(const char *pattern, const char *address, size_t size);

/* What is wrong with a message by a detail, or NULL. */
const char *detail_trouble(const struct detail *detail, const char *data, size_t size,
                           bool unchanged);
/* Checks all details of an expectation; a failure goes to the tally.  True if all hold. */
bool details_hold(struct tally *tally, const struct expectation *expectation, size_t letter,
                  const char *name, const char *data, size_t size, bool unchanged);

/* "3 connections by +1h, not 2"; a failure if the count is not what was expected. */
void report_count(struct run *run, const struct expectation *expectation, size_t count,
                  const char *what);

/* expect_mail.c */
void judge_delivered(struct run *run, const struct expectation *expectation);
void judge_bounced(struct run *run, const struct expectation *expectation);
/* expect_net.c */
void judge_took(struct run *run, const struct expectation *expectation);
void judge_tried(struct run *run, const struct expectation *expectation);
void judge_connected(struct run *run, const struct expectation *expectation);
void judge_asked(struct run *run, const struct expectation *expectation);

#endif
