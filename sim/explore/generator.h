/* SPDX-License-Identifier: ISC */
/* What the parts of the generator share. */
#ifndef SIM_EXPLORE_GENERATOR_H
#define SIM_EXPLORE_GENERATOR_H

#include <stdbool.h>
#include <stdio.h>

#include "sim/kernel/random.h"

/* What a scenario may have, each drawn once. */
enum feature {
    /* machines */
    F_TWO_HOSTS,
    F_REMOTES,
    F_CLIENTS,
    F_SINGLE_USER,
    /* what they are like */
    F_MBOX,
    F_PROGRAMS,
    F_FORWARDS,
    F_ALIASES,
    F_VIRTUAL,
    F_RULES,
    F_DNS,
    F_NETWORK,
    F_CONCURRENCY,
    F_LIFETIME,
    /* messages */
    F_NOBODY, /* recipients that there are not */
    F_NULL_SENDER,
    F_MANY, /* more messages, more recipients */
    F_CONTENTS,
    /* what happens */
    F_ADMIN,
    F_SIGNALS,
    F_STOPS,
    F_KILLS,
    F_POWER,
    F_FAULTS,
    F_FULL_DISK,
    F_CLOCK,
    FEATURE_COUNT
};

#define NAMES_MAX 64
#define NAME_SIZE 64

struct names {
    char items[NAMES_MAX][NAME_SIZE];
    size_t count;
};

/* Most scenarios are small, and soon played: what takes long is not often seen. */
enum size { SMALL, MIDDLING, LARGE };

struct generator {
    struct random random;
    enum size size;
    FILE *to;
    bool has[FEATURE_COUNT];
    size_t host_count;
    struct names recipients; /* addresses that mail may go to */
    struct names senders;    /* users, as in "alice on mail" */
    struct names clients;
    struct names remotes;
    struct names domains; /* that remotes serve */
    size_t message_count;
};

static inline uint64_t below(struct generator *generator, uint64_t bound)
{
    return random_below(&generator->random, bound);
}

/* True in `percent` of a hundred. */
static inline bool chance(struct generator *generator, unsigned percent)
{
    return below(generator, 100) < percent;
}

/* A number in least .. most; small ones are likelier. */
uint64_t small(struct generator *generator, uint64_t least, uint64_t most);
const char *pick_name(struct generator *generator, const struct names *names);
void add_name(struct names *names, const char *format, ...) __attribute__((format(printf, 2, 3)));
#define PICK(generator, table) (table)[below(generator, sizeof(table) / sizeof *(table))]

/* The host with that index: "mail", "other"; its domain. */
const char *host_text(size_t index);
const char *domain_text(size_t index);

#define MOMENT_SIZE 24
/* A time of a story as text: "20ms", "7s", "3m", "2h". */
const char *moment(struct generator *generator, char to[MOMENT_SIZE]);

/* A paragraph of its own, if there is anything to say. */
void write_part(struct generator *generator, void (*write)(struct generator *generator));

/* generate_machines.c, generate_mail.c, generate_trouble.c: write their parts, in this order. */
void generate_hosts(struct generator *generator);
void generate_internet(struct generator *generator);
void generate_messages(struct generator *generator);
void generate_trouble(struct generator *generator);

#endif
