/* SPDX-License-Identifier: ISC */
/* `nixie explore`. */
#include "sim/command.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "sim/explore/corpus.h"
#include "sim/explore/generate.h"
#include "sim/explore/run_plan.h"
#include "sim/explore/seen.h"
#include "sim/explore/write.h"
#include "sim/explore_options.h"
#include "sim/report/whole_file.h"
#include "sim/scenario/fault_words.h"
#include "sim/world/oracles.h"
#include "sim/world/words.h"

/* All that is explored. */
struct journey {
    const struct explore_command *command;
    struct scenario **scenarios; /* of each file */
    struct corpus corpus;
    uint64_t *old_seeds; /* of its scenarios that were made up */
    size_t old_seed_count;
    struct seen covered;          /* by all units so far */
    struct explore_writer writer; /* of the file that is explored */
    struct explore_result total;  /* only numbers */
    struct pool pool;
    uint64_t idle; /* units that were ended before anything went wrong in them */
    bool told;     /* the story of a run that failed */
};

/* --- units ------------------------------------------------------------------------------------*/

/* All of them, in all shards. */
static uint64_t unit_total(const struct journey *journey)
{
    const struct explore_command *command = journey->command;
    uint64_t seeds = command->last_seed - command->first_seed + 1;
    if (command->random)
        return journey->old_seed_count + seeds;
    return seeds * command->schedule_count * command->disk_count * command->file_count;
}

/* Those of this shard. */
static uint64_t unit_count(const struct journey *journey)
{
    const struct explore_command *command = journey->command;
    uint64_t total = unit_total(journey);
    return total < command->shard ? 0 : (total - command->shard) / command->shards + 1;
}

/* Takes the lowest digit, of that base, off a number. */
static uint64_t digit(uint64_t *number, uint64_t base)
{
    uint64_t lowest = *number % base;
    *number /= base;
    return lowest;
}

/* A scenario that is made up: the seed says which, and on which disk and schedule. */
static int make_up(const struct journey *journey, uint64_t number, struct explore_unit *unit)
{
    const struct explore_command *command = journey->command;
    uint64_t seed = number < journey->old_seed_count
                        ? journey->old_seeds[number]
                        : command->first_seed + number - journey->old_seed_count;
    char name[40];
    size_t size;
    char *text = generate_scenario(seed, &size);
    snprintf(name, sizeof name, "random-%llu", (unsigned long long) seed);
    unit->options.seed = seed;
    unit->options.policy = command->schedules[digit(&seed, command->schedule_count)];
    unit->options.disk = command->disks[digit(&seed, command->disk_count)];
    struct scenario *scenario = scenario_parse(name, text, size, NULL, 0, stderr);
    unit->scenario = scenario;
    free(text);
    if (scenario && scenario_plays(scenario, stderr) == 0)
        return 0;
    scenario_free(scenario);
    return -1;
}

/* What its hosts say; of several the first that is not strict counts for all. */
static const struct disk_model *own_disk(const struct scenario *scenario)
{
    const struct disk_model *strict = disk_model_named("strict");
    for (size_t i = 0; i < scenario->host_count; i++)
        if (scenario->hosts[i].disk && scenario->hosts[i].disk != strict)
            return scenario->hosts[i].disk;
    return strict;
}

/* Files come one after another, in each of them disks, of each of them schedules, and seeds. */
static int load_unit(void *context, size_t index, struct explore_unit *unit)
{
    const struct journey *journey = context;
    const struct explore_command *command = journey->command;
    uint64_t number = index * command->shards + command->shard - 1;
    unit->options = command->options;
    if (command->random) {
        if (make_up(journey, number, unit) < 0)
            return -1;
    } else {
        unit->options.seed =
            command->first_seed + digit(&number, command->last_seed - command->first_seed + 1);
        unit->options.policy = command->schedules[digit(&number, command->schedule_count)];
        unit->options.disk = command->disks[digit(&number, command->disk_count)];
        unit->file = command->files[number];
        unit->scenario = journey->scenarios[number];
        if (!command->has_disks)
            unit->options.disk = own_disk(unit->scenario);
    }
    if (command->corpus) {
        unit->starts = corpus_plans(&journey->corpus, unit, &unit->start_count);
        unit->wants_finds = true;
    }
    return 0;
}

static void release_unit(void *context, struct explore_unit *unit)
{
    const struct journey *journey = context;
    for (size_t i = 0; i < unit->start_count; i++)
        plan_free(&unit->starts[i]);
    free(unit->starts);
    if (journey->command->random)
        scenario_free((struct scenario *) unit->scenario);
}

/* Scenarios that were made up and are in the corpus come first; if no seeds were said, new ones
 * behind them. */
static void note_old_seeds(struct journey *journey, struct explore_command *command)
{
    struct seen seen = {0};
    uint64_t greatest = 0;
    for (size_t i = 0; i < journey->corpus.count; i++) {
        const struct corpus_entry *entry = &journey->corpus.entries[i];
        bool in_range = entry->seed >= command->first_seed && entry->seed <= command->last_seed;
        if (strcmp(entry->scenario, "random") != 0 || !seen_add(&seen, entry->seed) ||
            (in_range && !command->all_seeds))
            continue;
        *LIST_ADD(journey->old_seeds, journey->old_seed_count) = entry->seed;
        greatest = entry->seed > greatest ? entry->seed : greatest;
    }
    if (command->all_seeds && command->random && greatest < command->last_seed)
        command->first_seed = greatest + 1;
    seen_free(&seen);
}

/* --- what was found ---------------------------------------------------------------------------*/

static void show_lost(const char *lines)
{
    for (const char *line = lines; line && *line;) {
        size_t length = strcspn(line, "\n");
        printf("     disk: %.*s\n", (int) length, line);
        line += length + (line[length] == '\n');
    }
}

static void write_failure(struct explore_writer *writer, const struct explore_options *options,
                          const struct explore_failure *failure)
{
    const char *path, *why;
    mkdir(writer->folder, 0777); /* or it is there; or the file cannot be made */
    printf("     file: %s\n",
           explore_write(writer, options, failure, &path, &why) == 0 ? path : why);
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

static void show_failure(const struct explore_command *command, const struct explore_unit *unit,
                         const struct explore_failure *failure)
{
    const struct explore_options *options = &unit->options;
    const char *file = unit->file;
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
    printf("     replay: nixie run %s%s --disk %s --seed %llu%s%s\n", word, command->replay,
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
    total->repeated += result->repeated;
    total->audited += result->audited;
    total->violations += result->violations;
    total->missing |= result->missing;
    marks_add_all(&total->marks, &result->marks);
}

static void tell_story(const struct explore_unit *unit, const struct explore_failure *failure)
{
    struct plan_run run = {.unit = unit, .plan = &failure->plan, .story = stdout};
    struct finding finding;
    run_plan(&run, &finding);
    finding_free(&finding);
}

/* Files come one after another. */
static struct explore_writer *writer_of(struct journey *journey, const char *file)
{
    const struct explore_command *command = journey->command;
    if (journey->writer.file == file)
        return &journey->writer;
    explore_writer_free(&journey->writer);
    journey->writer = (struct explore_writer){.folder = command->out,
                                              .file = file,
                                              .definitions = command->definitions,
                                              .definition_count = command->definition_count,
                                              .raw = command->raw};
    return &journey->writer;
}

/* Keeps the runs of a unit that covered what none of all before them did. */
static void keep_finds(struct journey *journey, const struct explore_unit *unit,
                       const struct explore_result *result)
{
    for (size_t i = 0; i < result->find_count; i++) {
        const struct explore_find *find = &result->finds[i];
        bool news = false;
        for (size_t k = 0; k < find->situation_count; k++)
            news |= seen_add(&journey->covered, find->situations[k]);
        if (news && corpus_add(&journey->corpus, unit, &find->plan) < 0)
            fprintf(stderr, "nixie explore: %s: %s\n", journey->corpus.folder, strerror(errno));
    }
}

/* The file of a scenario that was made up, so that its violations can be replayed; in a pool. */
static const char *write_scenario(struct journey *journey, const struct explore_unit *unit)
{
    const char *out = journey->command->out;
    char *path = pool_format(&journey->pool, "%s/random-%llu.scenario", out,
                             (unsigned long long) unit->options.seed);
    size_t size;
    char *text = generate_scenario(unit->options.seed, &size);
    mkdir(out, 0777);
    if (whole_file_write(path, text, size) < 0)
        fprintf(stderr, "nixie explore: cannot write %s: %s\n", path, strerror(errno));
    free(text);
    return path;
}

static const char *name_of(const struct explore_unit *unit, char to[40])
{
    if (unit->file)
        return unit->file;
    snprintf(to, 40, "random-%llu", (unsigned long long) unit->options.seed);
    return to;
}

static void end_unit(void *context, const struct explore_unit *explored,
                     const struct explore_result *result)
{
    struct journey *journey = context;
    struct explore_unit own = *explored, *unit = &own;
    const struct explore_options *options = &unit->options;
    char where[100], name[40];
    keep_finds(journey, explored, result);
    if (!unit->file && result->failure_count)
        unit->file = write_scenario(journey, unit);
    int length = snprintf(where, sizeof where, "%s", disk_model_name(options->disk));
    if (journey->command->schedule_count > 1)
        length += snprintf(where + length, sizeof where - (size_t) length, " %s",
                           schedule_name(options->policy));
    if (journey->command->last_seed != journey->command->first_seed && !journey->command->random)
        snprintf(where + length, sizeof where - (size_t) length, " seed %llu",
                 (unsigned long long) options->seed);
    for (size_t i = 0; i < result->failure_count; i++) {
        if (journey->command->verbose && !journey->told)
            tell_story(unit, &result->failures[i]);
        journey->told = true;
        show_failure(journey->command, unit, &result->failures[i]);
        write_failure(writer_of(journey, unit->file), options, &result->failures[i]);
    }
    bool idle = result->runs <= 1 && (result->missing & (MISSING_TIME | MISSING_REST));
    journey->idle += idle;
    printf("%s  %-40s %-6s %llu crash points, %llu states, %llu distinct, %llu runs%s\n",
           result->violations ? "FAIL"
           : idle             ? "--"
                              : "ok",
           name_of(unit, name), where, (unsigned long long) result->points,
           (unsigned long long) result->states, (unsigned long long) result->distinct,
           (unsigned long long) result->runs, result->missing ? ", a choice of them" : "");
    fflush(stdout);
    add_up(&journey->total, result);
}

/* "complete", or what is missing. */
static void print_coverage(unsigned missing, uint64_t idle, uint64_t units_left)
{
    static const struct {
        unsigned set;
        const char *text;
    } reasons[] = {
        {MISSING_STATES, "crash points with too many states were sampled"},
        {MISSING_POINTS, "not every point was looked at"},
        {MISSING_SECONDS, "second kills and faults were sampled"},
        {MISSING_SAMPLE, "what goes wrong was a choice"},
        {MISSING_RUNS, "the limit of runs was reached"},
        {MISSING_FAILURES, "a unit ends after some violations"},
        {MISSING_TIME, "time was up"},
        {MISSING_REST, "it was interrupted"},
    };
    const char *between = "partial (";
    if (!missing && !units_left) {
        printf("coverage: complete\n");
        return;
    }
    printf("coverage: ");
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (missing & reasons[i].set) {
            printf("%s%s", between, reasons[i].text);
            between = "; ";
        }
    if (idle) {
        printf("%sin %llu units nothing went wrong yet", between, (unsigned long long) idle);
        between = "; ";
    }
    if (units_left)
        printf("%s%llu units were not begun", between, (unsigned long long) units_left);
    printf(")\n");
}

/* --- the whole --------------------------------------------------------------------------------*/

/* Whether files can be written into the folder `out`, which need not be there yet: told before the
 * work begins, not after hours.  Returns 0, or -1 with errno. */
static int check_out(struct pool *pool, const char *out)
{
    struct stat status;
    if (stat(out, &status) < 0) {
        if (errno != ENOENT)
            return -1;
        size_t length = strlen(out);
        while (length > 1 && out[length - 1] == '/')
            length--;
        while (length > 0 && out[length - 1] != '/')
            length--;
        out = length ? pool_copy(pool, out, length) : ".";
        if (stat(out, &status) < 0)
            return -1;
    }
    if (S_ISDIR(status.st_mode))
        return access(out, W_OK | X_OK);
    errno = ENOTDIR;
    return -1;
}

static int load_scenarios(struct journey *journey)
{
    const struct explore_command *command = journey->command;
    for (size_t i = 0; i < command->file_count; i++) {
        journey->scenarios[i] = scenario_load(command->files[i], command->definitions,
                                              command->definition_count, stderr);
        if (!journey->scenarios[i] || scenario_plays(journey->scenarios[i], stderr) < 0)
            return STATUS_WRONG;
    }
    return STATUS_HELD;
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double) time.tv_sec + (double) time.tv_nsec / 1e9;
}

static int travel(struct journey *journey)
{
    const struct explore_command *command = journey->command;
    const struct explore_result *total = &journey->total;
    struct exploration exploration = {.unit_count = unit_count(journey),
                                      .load = load_unit,
                                      .release = release_unit,
                                      .deals_time = !command->random,
                                      .done = end_unit,
                                      .context = journey,
                                      .jobs = command->jobs,
                                      .time_ns = command->time_ns,
                                      .progress = isatty(2) ? stderr : NULL,
                                      .status = command->verbose ? stderr : NULL};
    double start = now();
    size_t begun;
    int end = explore(&exploration, &begun);
    if (end < 0) {
        fprintf(stderr, "nixie explore: no process can be started: %s\n", strerror(errno));
        return STATUS_LACKING;
    }
    double seconds = now() - start;
    printf("%llu crash points in %.1f s, %.0f runs a second; %llu runs were made twice\n",
           (unsigned long long) total->points, seconds,
           seconds > 0 ? (double) total->runs / seconds : 0.0,
           (unsigned long long) total->repeated);
    if (command->options.audit)
        printf("%llu states that are equal to others were judged too\n",
               (unsigned long long) total->audited);
    bool all_marks = marks_print(&total->marks, command->marks, stdout);
    if (command->corpus)
        printf("corpus: %llu runs added\n", (unsigned long long) journey->corpus.added);
    print_coverage(total->missing, journey->idle,
                   command->all_seeds && command->random ? 0 : exploration.unit_count - begun);
    printf("explored: %llu states, %llu distinct, %llu runs, %llu violations\n",
           (unsigned long long) total->states, (unsigned long long) total->distinct,
           (unsigned long long) total->runs, (unsigned long long) total->violations);
    if (total->violations || (command->marks && !all_marks))
        return STATUS_FAILED;
    if (end == EXPLORE_INTERRUPTED)
        return STATUS_INTERRUPTED;
    if (total->runs || !(total->missing & MISSING_TIME))
        return STATUS_HELD;
    fputs("nixie explore: time was up before the first run: nothing is known; give it more with "
          "--time, or less to do with --states or --every\n",
          stderr);
    return STATUS_LACKING;
}

int command_explore(int argc, char **argv)
{
    if (asked_for_help(argc, argv)) {
        fputs(explore_usage, stdout);
        return STATUS_HELD;
    }
    if (argc == 2 && strcmp(argv[1], "--oracles") == 0) {
        oracles_print(stdout);
        return STATUS_HELD;
    }
    struct explore_command command;
    struct journey journey = {.command = &command};
    int status = explore_options_read(argc, argv, &command);
    journey.scenarios = must_zeroed((command.file_count + 1) * sizeof(struct scenario *));
    if (status == STATUS_HELD)
        status = load_scenarios(&journey);
    if (status == STATUS_HELD && command.out_given && check_out(&command.pool, command.out) < 0) {
        fprintf(stderr, "nixie explore: --out %s: nothing can be written there: %s\n", command.out,
                strerror(errno));
        status = STATUS_WRONG;
    }
    if (status == STATUS_HELD && command.corpus &&
        corpus_open(&journey.corpus, command.corpus) < 0) {
        fprintf(stderr, "nixie explore: %s: %s\n", command.corpus, strerror(errno));
        status = STATUS_WRONG;
    }
    note_old_seeds(&journey, &command);
    if (status == STATUS_HELD)
        status = travel(&journey);
    corpus_close(&journey.corpus);
    seen_free(&journey.covered);
    free(journey.old_seeds);
    pool_free(&journey.pool);
    for (size_t i = 0; i < command.file_count; i++)
        scenario_free(journey.scenarios[i]);
    free(journey.scenarios);
    explore_writer_free(&journey.writer);
    pool_free(&command.pool);
    return status;
}
