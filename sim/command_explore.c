/* SPDX-License-Identifier: ISC */
/* `nixie explore`. */
#include "sim/command.h"

#include <errno.h>
#include <limits.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "sim/explore/explore.h"
#include "sim/scenario/fault_words.h"
#include "sim/scenario/files.h"
#include "sim/world/oracles.h"
#include "sim/world/words.h"

static const char usage[] =
    "usage: nixie explore [OPTION]... FILE|DIRECTORY...\n"
    "Cuts the power after every call of the scenarios that changes a disk or what was promised,\n"
    "boots from every disk that may then be found, and judges what becomes of the mail.\n"
    "  --crash KIND,...  machine: the power goes (the default); programs: every program is\n"
    "                    killed; one: each program of the server by itself; all\n"
    "  --disk MODEL|all  the disk's model (strict); all: " DISK_MODEL_NAMES ";\n"
    "                    MODEL+OVERLAY: " DISK_OVERLAY_NAMES "\n"
    "  --states N        look at every state of a crash point up to N, else at a choice (256)\n"
    "  -D NAME=VALUE     the value of a parameter\n"
    "  --depth 2         cut the power again during each recovery\n"
    "  --every N         only each N-th crash point\n"
    "  --runs N          stop after N runs of a scenario\n"
    "  --seeds A..B      the schedules of these seeds (1..1)\n"
    "  --schedule round-robin|random|priority|starve\n"
    "  --failures N      stop a scenario after N violations (10)\n"
    "  --out DIR         write each violation as a scenario file, which nixie run fails on\n"
    "  --without ORACLE,...  switches oracles off\n"
    "  --oracles         tells of all oracles, and ends\n"
    "  -v                tell progress, and the story of the first run that fails\n"
    "The last line is \"explored: S states, T distinct, R runs, V violations\"; the exit status "
    "is\n"
    "0 if V is 0, 1 if not.\n";

struct arguments {
    struct pool pool;
    const char **files;
    size_t file_count;
    struct definition *definitions;
    size_t definition_count;
    const char *replay; /* the parameters, as they are given to run; a space before each */
    const char *disk;
    const char *out; /* or NULL */
    struct explore_options options;
    uint64_t first_seed, last_seed;
};

static int refuse(const char *what, const char *argument)
{
    fprintf(stderr, "nixie explore: %s%s%s\n(nixie explore --help)\n", what, argument ? ": " : "",
            argument ? argument : "");
    return STATUS_WRONG;
}

static bool parse_number(const char *text, char end, uint64_t *number, const char **rest)
{
    char *stop;
    if (*text < '0' || *text > '9')
        return false;
    *number = strtoull(text, &stop, 10);
    if (rest)
        *rest = stop;
    return *stop == end;
}

static bool parse_seeds(const char *text, struct arguments *arguments)
{
    const char *rest;
    if (parse_number(text, 0, &arguments->first_seed, NULL)) {
        arguments->last_seed = arguments->first_seed;
        return true;
    }
    return parse_number(text, '.', &arguments->first_seed, &rest) && rest[1] == '.' &&
           parse_number(rest + 2, 0, &arguments->last_seed, NULL) &&
           arguments->first_seed <= arguments->last_seed;
}

/* "machine,one". */
static bool parse_crashes(const char *text, struct explore_options *options)
{
    static const struct {
        const char *name;
        unsigned set;
    } kinds[] = {{"machine", EXPLORE_MACHINE},
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

static bool parse_definition(const char *text, struct arguments *arguments)
{
    struct definition definition;
    if (definition_read(&arguments->pool, text, &definition) < 0)
        return false;
    *POOL_ADD(&arguments->pool, arguments->definitions, arguments->definition_count) = definition;
    char *word = shell_word(text);
    arguments->replay = pool_format(&arguments->pool, "%s -D %s", arguments->replay, word);
    free(word);
    return true;
}

/* Options with a value.  Returns 1, 0 if it is none of them, -1 if the value is wrong. */
static int parse_option(const char *name, const char *value, struct arguments *arguments)
{
    struct explore_options *options = &arguments->options;
    uint64_t number;
    if (strcmp(name, "--disk") == 0) {
        arguments->disk = value;
        return strcmp(value, "all") == 0 || disk_model_named(value) ? 1 : -1;
    }
    if (strcmp(name, "--out") == 0) {
        arguments->out = value;
        return *value ? 1 : -1;
    }
    if (strcmp(name, "-D") == 0)
        return parse_definition(value, arguments) ? 1 : -1;
    if (strcmp(name, "--crash") == 0)
        return parse_crashes(value, options) ? 1 : -1;
    if (strcmp(name, "--seeds") == 0)
        return parse_seeds(value, arguments) ? 1 : -1;
    if (strcmp(name, "--schedule") == 0)
        return schedule_named(value, &options->policy) == 0 ? 1 : -1;
    if (strcmp(name, "--without") == 0) {
        arguments->replay =
            pool_format(&arguments->pool, "%s --without %s", arguments->replay, value);
        return oracles_parse(value, &options->without) == 0 ? 1 : -1;
    }
    bool states = strcmp(name, "--states") == 0, depth = strcmp(name, "--depth") == 0;
    bool every = strcmp(name, "--every") == 0, runs = strcmp(name, "--runs") == 0;
    bool failures = strcmp(name, "--failures") == 0;
    if (!states && !depth && !every && !runs && !failures)
        return 0;
    if (!parse_number(value, 0, &number, NULL) || number == 0 || (depth && number > 3))
        return -1;
    if (states)
        options->states = number;
    else if (depth)
        options->depth = (unsigned) number;
    else if (every)
        options->every = number;
    else if (failures)
        options->failures = number;
    else
        options->runs = number;
    return 1;
}

static int parse_arguments(int argc, char **argv, struct arguments *arguments)
{
    bool options = true;
    for (int i = 1; i < argc; i++) {
        if (options && strcmp(argv[i], "--") == 0) {
            options = false;
            continue;
        }
        if (!options || argv[i][0] != '-') {
            if (files_find(&arguments->pool, argv[i], &arguments->files, &arguments->file_count) <
                0) {
                fprintf(stderr, "%s: cannot read it: %s\n", argv[i], strerror(errno));
                return STATUS_WRONG;
            }
            continue;
        }
        if (strcmp(argv[i], "-v") == 0) {
            arguments->options.progress = stderr;
            arguments->options.story = stdout;
            continue;
        }
        int known = parse_option(argv[i], i + 1 < argc ? argv[i + 1] : "", arguments);
        if (known == 0)
            return refuse("unknown option", argv[i]);
        if (known < 0)
            return refuse(i + 1 < argc ? "wrong value of option" : "no value for option", argv[i]);
        i++;
    }
    if (arguments->file_count == 0)
        return refuse("no scenario file is given or found", NULL);
    return STATUS_HELD;
}

static void show_lost(const char *lines)
{
    for (const char *line = lines; line && *line;) {
        size_t length = strcspn(line, "\n");
        printf("     disk: %.*s\n", (int) length, line);
        line += length + (line[length] == '\n');
    }
}

/* DIR/NAME-1.scenario, or the first number that is free. */
static void write_failure(const char *out, const char *file, const struct explore_options *options,
                          const struct explore_failure *failure)
{
    const char *slash = strrchr(file, '/'), *name = slash ? slash + 1 : file, *why;
    const char *dot = strrchr(name, '.');
    int length = dot && dot > name ? (int) (dot - name) : (int) strlen(name);
    char path[PATH_MAX];
    for (unsigned number = 1; number < 10000; number++) {
        if (snprintf(path, sizeof path, "%s/%.*s-%u.scenario", out, length, name, number) >=
            (int) sizeof path)
            return;
        if (access(path, F_OK) < 0)
            break;
    }
    if (explore_write(path, file, options, failure, &why) == 0)
        printf("     file: %s\n", path);
    else
        printf("     file: %s\n", why);
}

/* What went wrong last. */
#define UPSET_WORDS 160
static const char *upset_words(const struct explore_failure *failure, char to[UPSET_WORDS])
{
    const struct explore_crash *last =
        failure->crash_count ? &failure->crashes[failure->crash_count - 1] : NULL;
    char fault[FAULT_WORDS];
    if (!last)
        snprintf(to, UPSET_WORDS, "nothing went wrong");
    else if (last->kind == UPSET_POWER)
        snprintf(to, UPSET_WORDS, "power lost");
    else if (last->kind == UPSET_FAULT)
        snprintf(to, UPSET_WORDS, "fault %s", strchr(fault_words(&last->fault, fault), ',') + 1);
    else
        snprintf(to, UPSET_WORDS, "%s killed",
                 strcmp(last->program, "*") == 0 ? "every program" : last->program);
    return to;
}

static void show_failure(const char *file, const char *replay,
                         const struct explore_options *options,
                         const struct explore_failure *failure)
{
    printf("FAIL %s: %s%s%s\n", file, failure->promise ? failure->promise : "",
           failure->promise ? ": " : "", failure->message);
    char text[UPSET_WORDS];
    printf("     on %s, seed %llu, %s %s\n", disk_model_name(options->disk),
           (unsigned long long) options->seed, upset_words(failure, text), failure->crash);
    for (size_t i = 0; i < failure->crash_count; i++)
        show_lost(failure->crashes[i].lost);
    if (failure->detail)
        fputs(failure->detail, stdout);
    char *word = shell_word(file), words[40] = "";
    if (options->policy != SCHEDULE_ROUND_ROBIN)
        snprintf(words, sizeof words, " --schedule %s", schedule_name(options->policy));
    printf("     replay: nixie run %s%s --disk %s --seed %llu%s%s\n", word, replay,
           disk_model_name(options->disk), (unsigned long long) options->seed, words,
           failure->cuts);
    free(word);
}

static void add_up(struct explore_result *total, const struct explore_result *result)
{
    total->points += result->points;
    total->states += result->states;
    total->distinct += result->distinct;
    total->runs += result->runs;
    total->violations += result->violations;
    total->complete &= result->complete;
}

static void explore_one(const char *file, const struct scenario *scenario,
                        const struct disk_model *disk, const struct arguments *arguments,
                        struct explore_result *total)
{
    for (uint64_t seed = arguments->first_seed; seed <= arguments->last_seed; seed++) {
        struct explore_options options = arguments->options;
        struct explore_result result = {.complete = true};
        options.disk = disk;
        options.seed = seed;
        explore_run(scenario, &options, &result);
        for (size_t i = 0; i < result.failure_count; i++) {
            show_failure(file, arguments->replay, &options, &result.failures[i]);
            if (arguments->out)
                write_failure(arguments->out, file, &options, &result.failures[i]);
        }
        printf("%s  %-40s %-6s %llu crash points, %llu states, %llu distinct, %llu runs%s\n",
               result.violations ? "FAIL" : "ok", file, disk_model_name(disk),
               (unsigned long long) result.points, (unsigned long long) result.states,
               (unsigned long long) result.distinct, (unsigned long long) result.runs,
               result.complete ? "" : ", a choice of them");
        fflush(stdout);
        add_up(total, &result);
        explore_result_free(&result);
    }
}

static int explore_files(const struct arguments *arguments)
{
    struct explore_result total = {.complete = true};
    struct timespec start, end;
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (size_t i = 0; i < arguments->file_count; i++) {
        const char *file = arguments->files[i];
        struct scenario *scenario =
            scenario_load(file, arguments->definitions, arguments->definition_count, stderr);
        if (!scenario || scenario_plays(scenario, stderr) < 0) {
            scenario_free(scenario);
            return STATUS_WRONG;
        }
        const struct disk_model *one[] = {disk_model_named(arguments->disk), NULL};
        for (const struct disk_model *const *disk = one[0] ? one : disk_models; *disk; disk++)
            explore_one(file, scenario, *disk, arguments, &total);
        scenario_free(scenario);
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    double seconds =
        (double) (end.tv_sec - start.tv_sec) + (double) (end.tv_nsec - start.tv_nsec) / 1e9;
    printf("%llu crash points in %.1f s, %.0f runs a second\n", (unsigned long long) total.points,
           seconds, seconds > 0 ? (double) total.runs / seconds : 0.0);
    printf("coverage: %s\n", total.complete
                                 ? "complete"
                                 : "partial (crash points with too many states were sampled, or "
                                   "not every point was looked at)");
    printf("explored: %llu states, %llu distinct, %llu runs, %llu violations\n",
           (unsigned long long) total.states, (unsigned long long) total.distinct,
           (unsigned long long) total.runs, (unsigned long long) total.violations);
    return total.violations ? STATUS_FAILED : STATUS_HELD;
}

int command_explore(int argc, char **argv)
{
    if (asked_for_help(argc, argv)) {
        fputs(usage, stdout);
        return STATUS_HELD;
    }
    if (argc == 2 && strcmp(argv[1], "--oracles") == 0) {
        oracles_print(stdout);
        return STATUS_HELD;
    }
    struct arguments arguments = {.disk = "strict", .first_seed = 1, .last_seed = 1, .replay = ""};
    int status = parse_arguments(argc, argv, &arguments);
    if (status == STATUS_HELD && arguments.out && mkdir(arguments.out, 0777) < 0 && errno != EEXIST)
        status = refuse(strerror(errno), arguments.out);
    if (status == STATUS_HELD)
        status = explore_files(&arguments);
    pool_free(&arguments.pool);
    return status;
}
