/* SPDX-License-Identifier: ISC */
/* nixie run. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sim/command.h"
#include "sim/reality/session.h"
#include "sim/report/report.h"
#include "sim/run_capture.h"
#include "sim/scenario/fault_words.h"
#include "sim/scenario/files.h"
#include "sim/scenario/run.h"
#include "sim/world/oracles.h"
#include "sim/world/words.h"

static const char use[] =
    "usage: nixie run [OPTION]... FILE|DIRECTORY...\n"
    "  --seed N          decides everything that is left to chance (1)\n"
    "  -D NAME=VALUE     the value of a parameter\n"
    "  -v                tell the story: stages, log lines, calls that matter\n"
    "  --real            with real processes, disks and sockets, in namespaces of their own\n"
    "  --tap             results as TAP\n"
    "  --junit FILE      results as JUnit XML, besides\n"
    "  --hash            only a line HASH  FILE for each run\n"
    "  --pcap DIR        captures of what hosts send, DIR/NAME.pcap for NAME.scenario, besides\n"
    "for those who change Nixie:\n"
    "  --disk MODEL      instead of what hosts say: " DISK_MODEL_NAMES ";\n"
    "                    MODEL+OVERLAY: " DISK_OVERLAY_NAMES "\n"
    "  --schedule round-robin|random|priority|starve\n"
    "  --knobs           timeouts, concurrency and the like drawn from the seed, judged by the\n"
    "                    oracles only\n"
    "  --cut CALL[,host=NAME][,before][,none|,all|,SEED|,answers=N.N...|,kill=PROGRAM]\n"
    "                    power cut after that call, judged by the oracles only; the answers say,\n"
    "                    question by question, what the disk then holds; or the program (*: every\n"
    "                    one) is killed\n"
    "  --without ORACLE,...   switches oracles off (nixie explore --oracles tells of them)\n"
    "  --fault CALL,error=ERRNO|,short[=BYTES]|,slow=NS|,clock=NS|,wakeup|,net[=BYTES]|\n"
    "          ALLOCATION,memory   and ,times=K, behind an error ,for=NS and ,any, too:\n"
    "                    that call (or allocation) goes wrong, in that way\n"
    "  --arena-offset N, --fill BYTE, --environment-padding N   must not change a run\n";

#define CUTS_MAX 8

struct answers {
    unsigned *list;
    size_t count;
};

struct run_command {
    struct pool pool;
    struct crash_plan cuts[CUTS_MAX];
    struct choose_random chances[CUTS_MAX];
    uint64_t chance_seeds[CUTS_MAX]; /* 0: none of them */
    struct choose_replay replays[CUTS_MAX];
    struct fault_plan faults[CUTS_MAX];
    struct answers answers[CUTS_MAX];
    const char **files;
    size_t file_count;
    struct definition *definitions;
    size_t definition_count;
    struct run_options options;
    bool tap, hash, verbose, real;
    const char *impossible; /* why nothing runs for real here */
    const char *junit;
    struct run_capture capture;
    struct report report;
    const char *replay; /* the options that matter, a space before each */
};

/* --- arguments -------------------------------------------------------------------------------*/

static int read_number(const char *text, uint64_t most, uint64_t *number)
{
    char *end;

    errno = 0;
    if (!text || *text < '0' || *text > '9')
        return -1;
    *number = strtoull(text, &end, 0);
    return *end || errno || *number > most ? -1 : 0;
}

/* "4.0.1.2" */
static int read_answers(struct run_command *run, const char *text, struct answers *answers)
{
    char *end;

    for (;; text = end + 1) {
        unsigned long answer = strtoul(text, &end, 10);

        if (*text < '0' || *text > '9' || answer > 1000000)
            return -1;
        *POOL_ADD(&run->pool, answers->list, answers->count) = (unsigned) answer;
        if (*end != '.')
            return *end ? -1 : 0;
    }
}

/* "661", "661,before,all", "661,7", "661,host=mail,answers=4.0.1.2", "661,kill=nixie-send". */
static int read_cut(struct run_command *run, const char *text)
{
    size_t index = run->options.crash_count;
    struct crash_plan *cut = &run->cuts[index];
    char *end;

    if (!text || *text < '0' || *text > '9' || index == CUTS_MAX)
        return -1;
    cut->call_number = strtoull(text, &end, 10);
    cut->chooser = &choose_none;
    if (strncmp(end, ",host=", 6) == 0) {
        size_t length = strcspn(end + 6, ",");

        cut->host = pool_copy(&run->pool, end + 6, length);
        end += 6 + length;
    }
    if (strncmp(end, ",before", 7) == 0) {
        cut->before = true;
        end += 7;
    }
    if (strncmp(end, ",kill=", 6) == 0 && end[6])
        cut->program = pool_text(&run->pool, end + 6);
    else if (strcmp(end, ",all") == 0)
        cut->chooser = &choose_all;
    else if (strncmp(end, ",answers=", 9) == 0) {
        if (read_answers(run, end + 9, &run->answers[index]) < 0)
            return -1;
        cut->chooser = &run->replays[index].chooser;
    } else if (*end == ',' && strcmp(end, ",none") != 0) {
        if (read_number(end + 1, UINT64_MAX, &run->chance_seeds[index]) < 0)
            return -1;
        cut->chooser = &run->chances[index].chooser;
    } else if (*end && strcmp(end, ",none") != 0) {
        return -1;
    }
    run->options.crashes = run->cuts;
    run->options.crash_count++;
    run->options.only_oracles = true;
    return 0;
}

static int read_fault(struct run_command *run, const char *text)
{
    struct run_options *options = &run->options;

    if (!text || options->fault_count == CUTS_MAX ||
        fault_read(text, &run->faults[options->fault_count]) < 0)
        return -1;
    options->faults = run->faults;
    options->fault_count++;
    options->only_oracles = true;
    return 0;
}

/* An option with a value.  1 if it was one of them, 0 if not, -1 if the value is wrong. */
static int read_valued(struct run_command *run, const char *option, const char *value)
{
    uint64_t number;
    int result = 0;

    if (strcmp(option, "--seed") == 0) {
        result = read_number(value, UINT64_MAX, &run->options.seed);
        if (run->options.seed == 0)
            result = -1;
    } else if (strcmp(option, "-D") == 0) {
        result =
            value ? definition_read(&run->pool, value,
                                    POOL_ADD(&run->pool, run->definitions, run->definition_count))
                  : -1;
    } else if (strcmp(option, "--junit") == 0) {
        run->junit = value;
        result = value ? 0 : -1;
    } else if (strcmp(option, "--pcap") == 0) {
        run->capture.directory = value;
        result = value && *value ? 0 : -1;
    } else if (strcmp(option, "--disk") == 0) {
        run->options.disk = value ? disk_model_named(value) : NULL;
        result = run->options.disk ? 0 : -1;
    } else if (strcmp(option, "--cut") == 0) {
        result = read_cut(run, value);
    } else if (strcmp(option, "--fault") == 0) {
        result = read_fault(run, value);
    } else if (strcmp(option, "--schedule") == 0) {
        result = value ? schedule_named(value, &run->options.policy) : -1;
    } else if (strcmp(option, "--without") == 0) {
        result = value ? oracles_parse(value, &run->options.without) : -1;
    } else if (strcmp(option, "--arena-offset") == 0) {
        result = read_number(value, 1 << 20, &number);
        run->options.arena_offset = result == 0 ? number : 0;
    } else if (strcmp(option, "--fill") == 0) {
        result = read_number(value, 255, &number);
        run->options.fill_byte = result == 0 ? (uint8_t) number : 0;
    } else if (strcmp(option, "--environment-padding") == 0) {
        result = read_number(value, 1 << 20, &number);
        run->options.environment_padding = result == 0 ? number : 0;
    } else {
        return 0;
    }
    if (result < 0)
        fprintf(stderr, "nixie run: %s %s%s\n(nixie run --help)\n", option,
                value ? "does not take " : "wants a value", value ? value : "");
    return result < 0 ? -1 : 1;
}

static void turn_knobs(struct run_command *run)
{
    run->options.knobs = true;
    run->replay = pool_format(&run->pool, "%s --knobs", run->replay);
}

static void turn_real(struct run_command *run)
{
    run->real = true;
    run->replay = pool_format(&run->pool, "%s --real", run->replay);
}

static int read_option(struct run_command *run, const char *option)
{
    if (strcmp(option, "-v") == 0)
        run->verbose = true;
    else if (strcmp(option, "--tap") == 0)
        run->tap = true;
    else if (strcmp(option, "--real") == 0)
        turn_real(run);
    else if (strcmp(option, "--hash") == 0)
        run->hash = true;
    else if (strcmp(option, "--knobs") == 0)
        turn_knobs(run);
    else
        return -1;
    return 0;
}

/* Appends to the replay line what has an influence on the run. */
static void remember(struct run_command *run, const char *option, const char *value)
{
    char *word = shell_word(value);

    if (strcmp(option, "--junit") != 0 && strcmp(option, "--seed") != 0 &&
        strcmp(option, "--pcap") != 0)
        run->replay = pool_format(&run->pool, "%s %s %s", run->replay, option, word);
    free(word);
}

static int read_arguments(struct run_command *run, int argc, char **argv)
{
    bool options = true;

    for (int i = 1; i < argc; i++) {
        int valued;

        if (!options || argv[i][0] != '-') {
            if (files_find(&run->pool, argv[i], &run->files, &run->file_count) < 0) {
                files_complain(argv[i]);
                return -1;
            }
            continue;
        }
        if (strcmp(argv[i], "--") == 0) {
            options = false;
            continue;
        }
        valued = read_valued(run, argv[i], argv[i + 1]);
        if (valued < 0)
            return -1;
        if (valued > 0) {
            remember(run, argv[i], argv[i + 1]);
            i++;
        } else if (read_option(run, argv[i]) < 0) {
            fprintf(stderr, "nixie run: unknown option %s\n(nixie run --help)\n", argv[i]);
            return -1;
        }
    }
    if (run->file_count == 0) {
        fputs("nixie run: which scenario files?\n(nixie run --help)\n", stderr);
        return -1;
    }
    return 0;
}

/* What changes a simulated machine changes no real one. */
static int check_real(const struct run_command *run)
{
    const struct run_options *options = &run->options;

    if (!run->real || (!options->disk && !options->crash_count && !options->fault_count &&
                       !options->knobs && !options->policy && !run->hash))
        return 0;
    fprintf(stderr, "nixie run: --real goes with none of --disk, --cut, --fault, --knobs, "
                    "--schedule and --hash\n");
    return -1;
}

/* --- running ---------------------------------------------------------------------------------*/

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double) time.tv_sec + (double) time.tv_nsec / 1e9;
}

static size_t title_width(struct scenario *const *scenarios, size_t count)
{
    size_t width = 0;

    for (size_t i = 0; i < count; i++) {
        size_t length = scenarios[i] ? strlen(scenario_title(scenarios[i])) : 0;

        if (length > width)
            width = length;
    }
    return width > 60 ? 60 : width;
}

static void print_hash(const struct report_item *item)
{
    if (!item->unreadable)
        printf("%016llx  %s\n", (unsigned long long) item->result.hash, item->file);
}

/* With planned faults, as `explore` judges them: by the run without, and with a probe. */
static void run_beside_base(const struct scenario *scenario, const struct run_options *options,
                            struct run_result *result)
{
    struct outcomes outcomes = {0};
    struct run_options base = *options, judged = *options;

    base.faults = NULL;
    base.crashes = NULL;
    base.fault_count = base.crash_count = 0;
    base.story = NULL;
    base.started = NULL;
    base.ended = NULL;
    base.outcomes = &outcomes;
    scenario_run(scenario, &base, result);
    run_result_free(result);
    judged.base = &outcomes;
    judged.probe = true;
    scenario_run(scenario, &judged, result);
    outcomes_free(&outcomes);
}

static void run_real(struct run_command *run, const struct scenario *scenario, size_t index,
                     struct report_item *item)
{
    struct run_capture *capture = &run->capture;
    const char *path = capture->directory ? pool_format(&run->pool, "%s/%s.pcap",
                                                        capture->directory, capture->names[index])
                                          : NULL;
    const char *why = run->impossible ? run->impossible : session_cannot(scenario, path != NULL);

    if (why)
        item->skipped = pool_text(&run->pool, why);
    else
        session_run(scenario, &run->options, path, &capture->recorded, &item->result);
}

/* A title, or a file's name, as one line of a report: bytes that control a terminal are blanks. */
static const char *plain_title(struct pool *pool, const char *title)
{
    char *plain = pool_copy(pool, title, strlen(title));

    for (char *at = plain; *at; at++)
        if ((unsigned char) *at < ' ' || *at == 0x7f)
            *at = ' ';
    return plain;
}

/* What --cut or --fault says came to nothing: that run is no replay of anything. */
static void check_plan(const struct run_options *options, struct run_result *result)
{
    size_t missing = options->crash_count - result->planned_crashes;
    char text[150];

    for (size_t i = 0; i < result->fault_count; i++)
        missing += !result->fault_lines[i];
    if (missing == 0)
        return;
    snprintf(text, sizeof text,
             "%zu of what --cut and --fault say never happened: there were %llu calls, %llu "
             "allocations",
             missing, (unsigned long long) result->calls, (unsigned long long) result->allocations);
    *LIST_ADD(result->failures, result->failure_count) =
        (struct failure){.message = must_copy(text, strlen(text))};
    if (result->verdict == VERDICT_HELD)
        result->verdict = VERDICT_FAILED;
}

static void run_one(struct run_command *run, const struct scenario *scenario, size_t index,
                    struct report_item *item)
{
    double start = now();

    item->title = plain_title(&run->pool, scenario ? scenario_title(scenario) : item->file);
    item->unreadable = !scenario;
    if (!scenario)
        return;
    if (run->verbose)
        printf("--- %s\n", item->title);
    for (size_t i = 0; i < run->options.crash_count; i++) {
        const struct answers *answers = &run->answers[i];

        choose_random_start(&run->chances[i], run->chance_seeds[i], run->cuts[i].call_number);
        choose_replay_start(&run->replays[i], answers->list, answers->count);
    }
    if (run->real)
        run_real(run, scenario, index, item);
    else if (run->options.fault_count > 0)
        run_beside_base(scenario, &run->options, &item->result);
    else
        scenario_run(scenario, &run->options, &item->result);
    if (!run->real && item->result.verdict != VERDICT_WRONG)
        check_plan(&run->options, &item->result);
    item->seconds = now() - start;
}

static void run_all(struct run_command *run, struct scenario **scenarios)
{
    bool color = terminal_has_color(stdout), quiet = run->tap || run->hash;
    size_t width = title_width(scenarios, run->file_count);

    for (size_t i = 0; i < run->file_count; i++) {
        struct report_item *item = POOL_ADD(&run->pool, run->report.items, run->report.count);

        item->file = run->files[i];
        if (!run->real)
            run_capture_hook(&run->capture, i, &run->options);
        run_one(run, scenarios[i], i, item);
        if (run->real && session_is_interrupted()) {
            run_result_free(&item->result);
            run->report.count--;
            run->report.planned = run->file_count;
            return;
        }
        if (run->hash)
            print_hash(item);
        if (!quiet)
            terminal_item(stdout, item, width, color);
        if (!quiet && getenv("GITHUB_ACTIONS"))
            terminal_annotate(stdout, item);
        fflush(stdout);
    }
}

static int status_of(const struct report *report)
{
    int status = STATUS_HELD;
    size_t skipped = 0;

    for (size_t i = 0; i < report->count; i++) {
        const struct report_item *item = &report->items[i];
        int own = item->unreadable                         ? STATUS_WRONG
                  : item->result.verdict == VERDICT_HELD   ? STATUS_HELD
                  : item->result.verdict == VERDICT_FAILED ? STATUS_FAILED
                  : item->result.verdict == VERDICT_WRONG  ? STATUS_WRONG
                                                           : STATUS_BROKEN;

        if (own > status)
            status = own;
        skipped += item->skipped != NULL;
    }
    return status == STATUS_HELD && skipped == report->count ? STATUS_LACKING : status;
}

static int finish(struct run_command *run)
{
    int status = status_of(&run->report);
    bool quiet = run->tap || run->hash;

    if (run_capture_finish(&run->capture, quiet ? NULL : stdout) < 0 && status < STATUS_WRONG)
        status = STATUS_WRONG;
    if (run->tap)
        tap_print(stdout, &run->report);
    else if (!run->hash)
        terminal_end(stdout, &run->report);
    if (run->junit && junit_write(run->junit, &run->report) < 0) {
        fprintf(stderr, "%s: cannot write it: %s\n", run->junit, strerror(errno));
        status = STATUS_WRONG;
    }
    return run->report.planned > 0 ? STATUS_INTERRUPTED : status;
}

int command_run(int argc, char **argv)
{
    struct run_command run = {.options = {.seed = 1}, .replay = ""};
    struct scenario **scenarios;
    int status;

    if (asked_for_help(argc, argv)) {
        fputs(use, stdout);
        return STATUS_HELD;
    }
    if (read_arguments(&run, argc, argv) < 0 || check_real(&run) < 0 ||
        run_capture_prepare(&run.capture, &run.pool, run.files, run.file_count, run.replay,
                            run.options.seed) < 0) {
        pool_free(&run.pool);
        return STATUS_WRONG;
    }
    run.report.replay =
        pool_format(&run.pool, "%s --seed %llu", run.replay, (unsigned long long) run.options.seed);
    if (run.verbose && !run.tap && !run.hash)
        run.options.story = stdout;
    scenarios = pool_alloc(&run.pool, run.file_count * sizeof(struct scenario *));
    for (size_t i = 0; i < run.file_count; i++) {
        scenarios[i] = scenario_load(run.files[i], run.definitions, run.definition_count, stderr);
        if (scenarios[i] && scenario_plays(scenarios[i], stderr) < 0) {
            scenario_free(scenarios[i]);
            scenarios[i] = NULL;
        }
    }
    if (run.real) {
        run.impossible = session_begin();
        run.report.note = session_note();
    }
    run_all(&run, scenarios);
    status = finish(&run);
    for (size_t i = 0; i < run.report.count; i++)
        run_result_free(&run.report.items[i].result);
    for (size_t i = 0; i < run.file_count; i++)
        scenario_free(scenarios[i]);
    pool_free(&run.pool);
    return status;
}
