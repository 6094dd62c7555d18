/* SPDX-License-Identifier: ISC */
/* nixie diff. */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sim/command.h"
#include "sim/trace/part.h"

static const char use[] =
    "usage: nixie diff [OPTION]... A B\n"
    "       nixie diff --seeds N,M|--real|--with NIXIE [OPTION]... FILE\n"
    "tells where two runs of a scenario part: which message, in which stage, behind which call\n"
    "  A, B              what `nixie run -v FILE` has printed; - is standard input\n"
    "  --seeds N,M FILE  runs the scenario with both seeds\n"
    "  --real FILE       runs it simulated and for real\n"
    "  --with NIXIE FILE runs it with this nixie and with another one\n"
    "  --slack SECONDS   times that differ by less are the same (2)\n"
    "  --all             tells of all, not of the first five only\n"
    "exit status: 0 they do not part; 1 they do; 2 the command or a file is wrong; 3 the scenario\n"
    "             cannot be run here, or not for real\n";

#define FIRST_FEW 5
#define SLACK_S 2
#define NANOSECONDS 1000000000LL

struct diff_command {
    const char *words[2];
    size_t word_count;
    char seeds[2][24];
    bool has_seeds, real;
    const char *with;
    struct part_options options;
    int status; /* of a run that told no story */
};

static int complain(const char *what, const char *about)
{
    fprintf(stderr, "nixie diff: %s%s\n", what, about);
    return -1;
}

/* --- arguments ---------------------------------------------------------------------------------*/

static int read_seeds(struct diff_command *diff, const char *text)
{
    size_t first = text ? strspn(text, "0123456789") : 0;
    size_t second = first > 0 && text[first] == ',' ? strspn(text + first + 1, "0123456789") : 0;

    if (second == 0 || text[first + 1 + second] || first > 20 || second > 20)
        return complain("--seeds wants two numbers, as in 1,2", "");
    snprintf(diff->seeds[0], sizeof diff->seeds[0], "%.*s", (int) first, text);
    snprintf(diff->seeds[1], sizeof diff->seeds[1], "%s", text + first + 1);
    diff->has_seeds = true;
    return 0;
}

static int read_slack(struct diff_command *diff, const char *text)
{
    char *end;
    long seconds = text ? strtol(text, &end, 10) : -1;

    if (seconds < 0 || seconds > 100000000 || *end)
        return complain("--slack wants seconds", "");
    diff->options.slack_ns = seconds * NANOSECONDS;
    return 0;
}

static int read_word(struct diff_command *diff, const char *word)
{
    if (diff->word_count == 2)
        return complain("one word too many: ", word);
    diff->words[diff->word_count++] = word;
    return 0;
}

static int read_arguments(struct diff_command *diff, int argc, char **argv)
{
    int result = 0;

    for (int i = 1; i < argc && result == 0; i++) {
        if (strcmp(argv[i], "--seeds") == 0)
            result = read_seeds(diff, argv[++i]);
        else if (strcmp(argv[i], "--slack") == 0)
            result = read_slack(diff, argv[++i]);
        else if (strcmp(argv[i], "--with") == 0)
            result = (diff->with = argv[++i]) ? 0 : complain("--with wants a nixie", "");
        else if (strcmp(argv[i], "--real") == 0)
            diff->real = true;
        else if (strcmp(argv[i], "--all") == 0)
            diff->options.most = SIZE_MAX;
        else if (argv[i][0] == '-' && argv[i][1])
            result = complain("unknown option ", argv[i]);
        else
            result = read_word(diff, argv[i]);
        if (i >= argc)
            break;
    }
    if (result == 0 && diff->has_seeds + diff->real + (diff->with != NULL) > 1)
        result = complain("one of --seeds, --real and --with at a time", "");
    if (result == 0 && diff->word_count != (diff->has_seeds || diff->real || diff->with ? 1 : 2))
        result = complain("which two runs?", "");
    return result;
}

/* --- runs --------------------------------------------------------------------------------------*/

/* Why the run was skipped, out of "skip  TITLE    REASON"; "" if it was not.  It begins with ": ".
 */
static void read_reason(FILE *from, char *reason, size_t size)
{
    char line[1000];

    *reason = 0;
    while (fgets(line, sizeof line, from)) {
        const char *at = line, *next;

        if (strncmp(line, "skip  ", 6) != 0)
            continue;
        while ((next = strstr(at, "    ")))
            at = next + 4;
        snprintf(reason, size, ": %.*s", (int) strcspn(at, "\n"), at);
    }
}

/* The run has ended without a story. */
static FILE *refuse(struct diff_command *diff, FILE *from, int status, bool real, const char *file)
{
    char reason[500] = "";

    if (from)
        read_reason(from, reason, sizeof reason);
    if (from)
        fclose(from);
    diff->status = WIFEXITED(status) ? WEXITSTATUS(status) : STATUS_BROKEN;
    complain(file, *reason ? reason : real ? ": is not run for real" : ": is not run");
    return NULL;
}

/* Runs `nixie run -v ...`; what it prints, or NULL after saying why not. */
static FILE *run_story(struct diff_command *diff, const char *nixie, const char *seed, bool real,
                       const char *file)
{
    extern char **environ;
    const char *argv[] = {nixie, "run", "-v", "--seed", seed ? seed : "1", "--", file, NULL, NULL};
    posix_spawn_file_actions_t actions;
    int fd = memfd_create("story", MFD_CLOEXEC), status = 0, error;
    FILE *from;
    pid_t pid;

    if (real) {
        argv[5] = "--real";
        argv[6] = "--";
        argv[7] = file;
    }
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fd, 1);
    error = posix_spawnp(&pid, nixie, &actions, NULL, (char *const *) (uintptr_t) argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (error) {
        complain(nixie, ": cannot be run");
        return NULL;
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    lseek(fd, 0, SEEK_SET);
    from = fdopen(fd, "r");
    if (!WIFEXITED(status) || WEXITSTATUS(status) > STATUS_FAILED)
        return refuse(diff, from, status, real, file);
    return from;
}

static FILE *open_run(struct diff_command *diff, size_t run)
{
    static const char self[] = "/proc/self/exe";
    const char *word = diff->words[0];
    FILE *from;

    if (diff->has_seeds)
        return run_story(diff, self, diff->seeds[run], false, word);
    if (diff->real)
        return run_story(diff, self, NULL, run == 1, word);
    if (diff->with)
        return run_story(diff, run == 0 ? self : diff->with, NULL, false, word);
    word = diff->words[run];
    from = strcmp(word, "-") == 0 ? stdin : fopen(word, "r");
    if (!from)
        complain(word, ": cannot be read");
    return from;
}

static void name_runs(struct diff_command *diff)
{
    const char **names = diff->options.names;

    names[0] = diff->real ? "simulated" : diff->with ? "this" : "A";
    names[1] = diff->real ? "real" : diff->with ? "other" : "B";
    for (size_t run = 0; diff->has_seeds && run < 2; run++)
        names[run] = diff->seeds[run];
}

static int read_run(struct diff_command *diff, size_t run, struct story *story)
{
    const bool runs = diff->has_seeds || diff->real || diff->with;
    FILE *from = open_run(diff, run);
    int result;

    if (!from)
        return -1;
    result = story_read(story, from);
    if (from != stdin)
        fclose(from);
    return result < 0 ? complain(runs ? diff->options.names[run] : diff->words[run],
                                 runs ? ": it told no story, as nixie run -v does"
                                      : ": this is not what nixie run -v prints; to run a "
                                        "scenario, say --seeds N,M, --real or --with")
                      : 0;
}

int command_diff(int argc, char **argv)
{
    struct diff_command diff = {.options = {.slack_ns = SLACK_S * NANOSECONDS, .most = FIRST_FEW}};
    struct story stories[2] = {{.line_count = 0}, {.line_count = 0}};
    size_t parted = 0;
    int result;

    if (asked_for_help(argc, argv)) {
        fputs(use, stdout);
        return STATUS_HELD;
    }
    result = read_arguments(&diff, argc, argv);
    if (result < 0)
        fputs(use, stderr);
    name_runs(&diff);
    for (size_t run = 0; run < 2 && result == 0; run++)
        result = read_run(&diff, run, &stories[run]);
    if (result == 0) {
        parted = part_tell(stories, &diff.options, stdout);
        if (parted == 0)
            printf("they do not part: %zu messages, recipients and machines are the same\n",
                   stories[0].thread_count);
    }
    for (size_t run = 0; run < 2; run++)
        story_free(&stories[run]);
    if (result < 0)
        return diff.status ? diff.status : STATUS_WRONG;
    return parted > 0 ? STATUS_FAILED : STATUS_HELD;
}
