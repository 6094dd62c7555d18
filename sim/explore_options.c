/* SPDX-License-Identifier: ISC */
#include "sim/explore_options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sim/command.h"
#include "sim/explore/faults.h"
#include "sim/world/oracles.h"
#include "sim/world/words.h"

/* Without any option that says what is wanted. */
#define DEFAULT_TIME_NS (30 * NANOSECONDS)
#define DEFAULT_STATES 32
#define JOBS_MAX 256
#define IN_WORDS_OF(number) #number
#define IN_WORDS(number) IN_WORDS_OF(number)
#define SEEDS_MAX (UINT32_MAX - 1) /* of scenarios that are made up */
#define RANDOM_SAMPLE 40           /* runs of each */
#define RANDOM_EFFORT 200000       /* calls of them */

const char explore_usage[] =
    "usage: nixie explore [OPTION]... FILE|DIRECTORY...|--random\n"
    "Plays the scenarios again and again, with something going wrong each time, and judges what\n"
    "becomes of the mail.  Without --crash and --faults everything goes wrong; without any option\n"
    "that says how much is to be done, for 30 seconds.\n"
    "  --crash KIND,...  after each call that changes a disk or what was promised.  machine: the\n"
    "                    power goes, and comes back to every disk that may then be found;\n"
    "                    programs: every program is killed; one: each program of the server by\n"
    "                    itself; all; none\n"
    "  --faults KIND,... in each call of the server: enospc, edquot, eio, emfile, enfile, enomem,\n"
    "                    eintr, short, slow, clock, spawn, wakeup, network, memory; all; none\n"
    "  --disk MODEL|all  the disk's model (the scenario's own); all: " DISK_MODEL_NAMES ";\n"
    "                    MODEL+OVERLAY: " DISK_OVERLAY_NAMES "\n"
    "  --states N        look at every state of a crash point up to N, else at a choice (256;\n"
    "                    32 if nothing says how much is to be done)\n"
    "  --depth 2|3       something goes wrong again behind that\n"
    "  --sample N        N runs with a choice of what may go wrong, up to three times in each\n"
    "  --random          scenarios that are made up, one for each seed from 1 on, with "
    "--sample 40,\n"
    "                    or fewer of long ones, if nothing else is said; as nixie generate prints\n"
    "                    them\n"
    "  --corpus DIR      runs that cover something new are kept there, and made first later\n"
    "  --every N         only each N-th point\n"
    "  --seeds A..B      these seeds (1..1)\n"
    "  --schedule POLICY,...  round-robin, random, priority, starve; all\n"
    "  --knobs           timeouts, concurrency and the like drawn from the seed\n"
    "  -D NAME=VALUE     the value of a parameter\n"
    "  --jobs N          so many processes (1); the results are the same\n"
    "  --shard I/N       only the I-th of N parts of the work\n"
    "  --time DURATION   stop after 30s, 5m, 1h\n"
    "  --runs N          stop after N runs of a unit (a scenario, disk, schedule and seed)\n"
    "  --failures N      stop a unit after N violations (10)\n"
    "  --out DIR         write each violation there, as a scenario file that nixie run fails on,\n"
    "                    made as small as it can be (nixie-failures)\n"
    "  --no-shrink       write it as it was found\n"
    "  --repeat N        make one of N runs twice and compare them (64)\n"
    "  --audit N         judge one of N states that are equal to another, and compare (none)\n"
    "  --marks           tell how often each situation was reached that must be sometimes; one "
    "that\n"
    "                    never was is a failure\n"
    "  --without ORACLE,...  switches oracles off\n"
    "  --oracles         tells of all oracles, and ends\n"
    "  -v                tell progress, and the story of the first run that fails\n"
    "The line before the last says what was not covered; the last is \"explored: S states, T\n"
    "distinct, R runs, V violations\"; the exit status is 0 if V is 0, 1 if not.\n";

static int refuse(const char *what, const char *argument)
{
    fprintf(stderr, "nixie explore: %s%s%s\n(nixie explore --help)\n", what, argument ? ": " : "",
            argument ? argument : "");
    return STATUS_WRONG;
}

/* What may be wrong is told where there is more to know than the words of --help. */
static int refuse_value(const char *option, const char *value)
{
    const char *hint = strcmp(option, "--jobs") == 0      ? ", at most " IN_WORDS(JOBS_MAX)
                       : strcmp(option, "--time") == 0    ? ", as 30s, 5m, 1h"
                       : strcmp(option, "--disk") == 0    ? ", one model or all"
                       : strcmp(option, "--without") == 0 ? ", one of nixie explore --oracles"
                                                          : "";
    fprintf(stderr, "nixie explore: wrong value of option %s%s: %s\n(nixie explore --help)\n",
            option, hint, value);
    return STATUS_WRONG;
}

/* --- values -----------------------------------------------------------------------------------*/

static bool parse_number(const char *text, char end, uint64_t *number, const char **rest)
{
    char *stop;
    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    *number = strtoull(text, &stop, 10);
    if (rest)
        *rest = stop;
    return *stop == end && !errno;
}

static bool parse_seeds(const char *text, struct explore_command *command)
{
    const char *rest;
    if (parse_number(text, 0, &command->first_seed, NULL)) {
        command->last_seed = command->first_seed;
        return command->first_seed > 0;
    }
    return parse_number(text, '.', &command->first_seed, &rest) && rest[1] == '.' &&
           parse_number(rest + 2, 0, &command->last_seed, NULL) && command->first_seed > 0 &&
           command->first_seed <= command->last_seed;
}

/* "2/8" */
static bool parse_shard(const char *text, struct explore_command *command)
{
    const char *rest;
    return parse_number(text, '/', &command->shard, &rest) &&
           parse_number(rest + 1, 0, &command->shards, NULL) && command->shard > 0 &&
           command->shard <= command->shards;
}

/* "90", "30s", "5m", "1h" */
static bool parse_time(const char *text, int64_t *time_ns)
{
    uint64_t number;
    const char *rest;
    static const struct {
        const char *unit;
        int64_t seconds;
    } units[] = {{"", 1}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}};
    if (*text < '0' || *text > '9')
        return false;
    parse_number(text, 0, &number, &rest);
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strcmp(rest, units[i].unit) == 0 && number > 0 && number < 100000000) {
            *time_ns = (int64_t) number * units[i].seconds * NANOSECONDS;
            return true;
        }
    return false;
}

/* "machine,one". */
static bool parse_crashes(const char *text, struct explore_options *options)
{
    static const struct {
        const char *name;
        unsigned set;
    } kinds[] = {{"none", 0},
                 {"machine", EXPLORE_MACHINE},
                 {"programs", EXPLORE_PROGRAMS},
                 {"one", EXPLORE_ONE},
                 {"all", EXPLORE_MACHINE | EXPLORE_PROGRAMS | EXPLORE_ONE}};
    options->crashes = 0;
    do {
        size_t length = strcspn(text, ","), i = 0;
        while (i < sizeof kinds / sizeof *kinds &&
               (strlen(kinds[i].name) != length || strncmp(text, kinds[i].name, length) != 0))
            i++;
        if (i == sizeof kinds / sizeof *kinds)
            return false;
        options->crashes |= kinds[i].set;
        text += length;
    } while (*text++ == ',');
    return true;
}

static bool add_schedule(struct explore_command *command, const char *name)
{
    enum schedule_policy policy;
    if (command->schedule_count == SCHEDULES_MAX || schedule_named(name, &policy) < 0)
        return false;
    command->schedules[command->schedule_count++] = policy;
    return true;
}

/* "random,starve", "all". */
static bool parse_schedules(const char *text, struct explore_command *command)
{
    static const char *const all[] = {"round-robin", "random", "priority", "starve"};
    char name[40];
    command->schedule_count = 0;
    for (size_t i = 0; strcmp(text, "all") == 0; i++)
        if (i == sizeof all / sizeof *all || !add_schedule(command, all[i]))
            return i == sizeof all / sizeof *all;
    do {
        size_t length = strcspn(text, ",");
        if (length >= sizeof name)
            return false;
        memcpy(name, text, length);
        name[length] = 0;
        if (!add_schedule(command, name))
            return false;
        text += length;
    } while (*text++ == ',');
    return true;
}

static bool parse_disks(const char *text, struct explore_command *command)
{
    command->disk_count = 0;
    if (strcmp(text, "all") != 0) {
        const struct disk_model *model = disk_model_named(text);
        if (model)
            *POOL_ADD(&command->pool, command->disks, command->disk_count) = model;
        return model;
    }
    for (size_t i = 0; disk_models[i]; i++)
        *POOL_ADD(&command->pool, command->disks, command->disk_count) = disk_models[i];
    return true;
}

static bool parse_definition(const char *text, struct explore_command *command)
{
    struct definition definition;
    if (definition_read(&command->pool, text, &definition) < 0)
        return false;
    *POOL_ADD(&command->pool, command->definitions, command->definition_count) = definition;
    char *word = shell_word(text);
    command->replay = pool_format(&command->pool, "%s -D %s", command->replay, word);
    free(word);
    return true;
}

static bool parse_without(const char *text, struct explore_command *command)
{
    if (oracles_parse(text, &command->options.without) < 0)
        return false;
    command->replay = pool_format(&command->pool, "%s --without %s", command->replay, text);
    return true;
}

/* --- options ----------------------------------------------------------------------------------*/

/* Options with a number.  Returns as read_option. */
static int read_count(const char *name, const char *value, struct explore_command *command)
{
    struct explore_options *options = &command->options;
    uint64_t number, least = 1, most = UINT64_MAX;
    enum { JOBS, STATES, DEPTH, SAMPLE, EVERY, RUNS, FAILURES, REPEAT, AUDIT, COUNT };
    static const char *const names[COUNT] = {"--jobs",     "--states", "--depth",
                                             "--sample",   "--every",  "--runs",
                                             "--failures", "--repeat", "--audit"};
    unsigned which = 0;
    while (which < COUNT && strcmp(name, names[which]) != 0)
        which++;
    if (which == COUNT)
        return 0;
    command->bounded |= which != JOBS && which != FAILURES && which != REPEAT && which != AUDIT;
    if (which == REPEAT || which == AUDIT)
        least = 0;
    if (which == DEPTH)
        most = PLAN_UPSETS_MAX;
    if (which == JOBS)
        most = JOBS_MAX;
    if (!parse_number(value, 0, &number, NULL) || number < least || number > most)
        return -1;
    switch (which) {
    case JOBS:
        command->jobs = (unsigned) number;
        break;
    case STATES:
        options->states = number;
        break;
    case DEPTH:
        options->depth = (unsigned) number;
        break;
    case SAMPLE:
        options->sample = number;
        break;
    case EVERY:
        options->every = number;
        break;
    case RUNS:
        options->runs = number;
        break;
    case FAILURES:
        options->failures = number;
        break;
    case REPEAT:
        options->repeat = number;
        break;
    default:
        options->audit = number;
        break;
    }
    return 1;
}

/* Options with a value.  Returns 1, 0 if it is none of them, -1 if the value is wrong. */
static int read_option(const char *name, const char *value, struct explore_command *command)
{
    bool good;
    if (strcmp(name, "--disk") == 0) {
        good = command->has_disks = parse_disks(value, command);
    } else if (strcmp(name, "--out") == 0) {
        command->out = value;
        command->out_given = true;
        good = *value;
    } else if (strcmp(name, "-D") == 0) {
        good = parse_definition(value, command);
    } else if (strcmp(name, "--crash") == 0) {
        command->crashes = true;
        good = parse_crashes(value, &command->options);
    } else if (strcmp(name, "--faults") == 0) {
        command->faults = true;
        good = faults_parse(value, &command->options.faults) == 0;
    } else if (strcmp(name, "--corpus") == 0) {
        command->corpus = value;
        good = *value;
    } else if (strcmp(name, "--seeds") == 0) {
        command->bounded = true;
        command->all_seeds = false;
        good = parse_seeds(value, command);
    } else if (strcmp(name, "--schedule") == 0) {
        good = parse_schedules(value, command);
    } else if (strcmp(name, "--shard") == 0) {
        command->bounded = true;
        good = parse_shard(value, command);
    } else if (strcmp(name, "--time") == 0) {
        command->bounded = true;
        good = parse_time(value, &command->time_ns);
    } else if (strcmp(name, "--without") == 0) {
        good = parse_without(value, command);
    } else {
        return read_count(name, value, command);
    }
    return good ? 1 : -1;
}

/* Options without a value. */
static bool read_flag(const char *name, struct explore_command *command)
{
    const struct {
        const char *name;
        bool *flag;
    } flags[] = {{"-v", &command->verbose},
                 {"--marks", &command->marks},
                 {"--random", &command->random},
                 {"--knobs", &command->options.knobs},
                 {"--no-shrink", &command->raw}};
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        if (strcmp(name, flags[i].name) == 0) {
            *flags[i].flag = true;
            if (flags[i].flag == &command->options.knobs)
                command->replay = pool_format(&command->pool, "%s --knobs", command->replay);
            return true;
        }
    return false;
}

/* What was not said: if neither crashes nor faults were, all of both is meant. */
static void complete(struct explore_command *command)
{
    struct explore_options *options = &command->options;
    if (!command->crashes && !command->faults) {
        options->crashes = EXPLORE_MACHINE | EXPLORE_PROGRAMS | EXPLORE_ONE;
        options->faults = FAULTS_ALL;
        if (!command->bounded) {
            command->time_ns = DEFAULT_TIME_NS;
            options->states = DEFAULT_STATES;
        }
    }
    if (command->random && options->sample == 0) {
        options->sample = RANDOM_SAMPLE;
        options->effort = RANDOM_EFFORT;
    }
    if (command->random && command->all_seeds)
        command->last_seed = SEEDS_MAX;
    if (command->random && command->schedule_count == 0)
        parse_schedules("all", command);
    if (command->schedule_count == 0)
        add_schedule(command, "round-robin");
    if (options->states == 0)
        options->states = 256;
}

int explore_options_read(int argc, char **argv, struct explore_command *command)
{
    bool options = true;
    *command = (struct explore_command){.replay = "",
                                        .all_seeds = true,
                                        .first_seed = 1,
                                        .last_seed = 1,
                                        .shard = 1,
                                        .shards = 1,
                                        .jobs = 1,
                                        .out = "nixie-failures",
                                        .options.repeat = 64};
    parse_disks("strict", command); /* of --random; else each scenario's own */
    for (int i = 1; i < argc; i++) {
        if (options && strcmp(argv[i], "--") == 0) {
            options = false;
            continue;
        }
        if (!options || argv[i][0] != '-') {
            if (files_find(&command->pool, argv[i], &command->files, &command->file_count) < 0) {
                files_complain(argv[i]);
                return STATUS_WRONG;
            }
            continue;
        }
        if (read_flag(argv[i], command))
            continue;
        int known = read_option(argv[i], i + 1 < argc ? argv[i + 1] : "", command);
        if (known == 0)
            return refuse("unknown option", argv[i]);
        if (known < 0)
            return i + 1 < argc ? refuse_value(argv[i], argv[i + 1])
                                : refuse("no value for option", argv[i]);
        i++;
    }
    if (command->file_count == 0 && !command->random)
        return refuse("which scenario files?", NULL);
    if (command->file_count && command->random)
        return refuse("files, or --random", NULL);
    complete(command);
    return STATUS_HELD;
}
