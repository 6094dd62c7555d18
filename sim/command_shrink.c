/* SPDX-License-Identifier: ISC */
/* nixie shrink. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sim/command.h"
#include "sim/explore/shrink.h"
#include "sim/report/whole_file.h"
#include "sim/scenario/files.h"
#include "sim/scenario/source.h"

static const char use[] =
    "usage: nixie shrink [OPTION]... FILE\n"
    "Makes a scenario that fails as small as it can be, such that it still fails for the same\n"
    "reason, and writes it to standard output.\n"
    "  -o FILE           writes it there\n"
    "  --promise NAME    the promise that must break, as in LOST; else the first that does\n"
    "  -D NAME=VALUE     the value of a parameter\n"
    "  --disk MODEL      instead of what hosts say\n"
    "  --seed N          of the run that fails (1)\n"
    "  --schedule POLICY its schedule (round-robin)\n"
    "  --knobs           with knobs drawn from the seed\n"
    "  --runs N          tries at most so many runs (4000)\n"
    "  --time SECONDS    takes at most so long (60)\n"
    "  -v                tells each step on standard error\n"
    "The exit status is 0, 1 if FILE does not fail, 2 if it cannot be read.\n";

struct arguments {
    struct pool pool;
    const char *file, *out;
    struct shrink_options options;
    struct definition *definitions;
    size_t definition_count;
};

static int refuse(const char *what, const char *argument)
{
    fprintf(stderr, "nixie shrink: %s%s%s\n(nixie shrink --help)\n", what, argument ? ": " : "",
            argument ? argument : "");
    return STATUS_WRONG;
}

static int refuse_file(const char *name, const char *what)
{
    fprintf(stderr, "nixie shrink: %s: cannot %s it: %s\n", name, what, strerror(errno));
    return STATUS_WRONG;
}

static bool read_number(const char *text, uint64_t *number)
{
    char *end;
    errno = 0;
    *number = strtoull(text, &end, 10);
    return *text >= '1' && *text <= '9' && !*end && !errno;
}

/* 1, 0 if it is no option with a value, -1 if the value is wrong. */
static int read_option(struct arguments *arguments, const char *name, const char *value)
{
    struct shrink_options *options = &arguments->options;
    uint64_t number = 0;
    if (strcmp(name, "-o") == 0) {
        arguments->out = value;
        return *value ? 1 : -1;
    }
    if (strcmp(name, "--promise") == 0) {
        options->promise = value;
        return *value ? 1 : -1;
    }
    if (strcmp(name, "-D") == 0)
        return definition_read(&arguments->pool, value,
                               POOL_ADD(&arguments->pool, arguments->definitions,
                                        arguments->definition_count)) == 0
                   ? 1
                   : -1;
    if (strcmp(name, "--disk") == 0) {
        options->disk = disk_model_named(value);
        return options->disk ? 1 : -1;
    }
    if (strcmp(name, "--schedule") == 0)
        return schedule_named(value, &options->policy) == 0 ? 1 : -1;
    if (strcmp(name, "--seed") == 0)
        return read_number(value, &options->seed) ? 1 : -1;
    if (strcmp(name, "--runs") == 0)
        return read_number(value, &options->runs) ? 1 : -1;
    if (strcmp(name, "--time") == 0) {
        bool right = read_number(value, &number);
        options->seconds = (double) number;
        return right ? 1 : -1;
    }
    return 0;
}

static int read_arguments(struct arguments *arguments, int argc, char **argv)
{
    bool options = true;
    for (int i = 1; i < argc; i++) {
        if (options && strcmp(argv[i], "--") == 0) {
            options = false;
        } else if (options && strcmp(argv[i], "--knobs") == 0) {
            arguments->options.knobs = true;
        } else if (options && strcmp(argv[i], "-v") == 0) {
            arguments->options.progress = stderr;
        } else if (options && argv[i][0] == '-' && argv[i][1]) {
            int known = read_option(arguments, argv[i], i + 1 < argc ? argv[i + 1] : "");
            if (known == 0)
                return refuse("unknown option", argv[i]);
            if (known < 0)
                return refuse(i + 1 < argc ? "wrong value of option" : "no value for option",
                              argv[i]);
            i++;
        } else if (arguments->file) {
            return refuse("one file at a time, not also", argv[i]);
        } else {
            arguments->file = argv[i];
        }
    }
    return arguments->file ? STATUS_HELD : refuse("which scenario file?", NULL);
}

static int write_out(const struct arguments *arguments, const struct shrink_result *result)
{
    bool written = arguments->out
                       ? whole_file_write(arguments->out, result->text, result->size) == 0
                       : fwrite(result->text, 1, result->size, stdout) == result->size;
    if (!written)
        return refuse_file(arguments->out ? arguments->out : "standard output", "write");
    fprintf(stderr, "%s%s%s; %llu runs%s\n", result->promise ? result->promise : "",
            result->promise ? ": " : "", result->message, (unsigned long long) result->runs,
            result->complete ? "" : ", then a limit was reached: more may be left out");
    return STATUS_HELD;
}

static int shrink_file(struct arguments *arguments)
{
    struct shrink_result result;
    struct source source;
    const char *why;
    if (source_read(&arguments->pool, arguments->file, SOURCE_SIZE_MAX, &source) < 0)
        return refuse_file(arguments->file, "read");
    /* Says with line and column what is wrong with it, if anything is. */
    struct scenario *scenario =
        scenario_load(arguments->file, arguments->definitions, arguments->definition_count, stderr);
    bool playable = scenario && scenario_plays(scenario, stderr) == 0;
    scenario_free(scenario);
    if (!playable)
        return STATUS_WRONG;
    const char *slash = arguments->out ? strrchr(arguments->out, '/') : NULL;
    if (arguments->out)
        arguments->options.folder =
            slash ? pool_copy(&arguments->pool, arguments->out,
                              slash == arguments->out ? 1 : (size_t) (slash - arguments->out))
                  : ".";
    arguments->options.definitions = arguments->definitions;
    arguments->options.definition_count = arguments->definition_count;
    if (shrink(arguments->file, source.text, source.size, &arguments->options, &result, &why) < 0) {
        fprintf(stderr, "nixie shrink: %s: %s\n", arguments->file, why);
        return STATUS_FAILED;
    }
    int status = write_out(arguments, &result);
    shrink_result_free(&result);
    return status;
}

int command_shrink(int argc, char **argv)
{
    struct arguments arguments = {.file = NULL};
    if (asked_for_help(argc, argv)) {
        fputs(use, stdout);
        return STATUS_HELD;
    }
    int status = read_arguments(&arguments, argc, argv);
    if (status == STATUS_HELD)
        status = shrink_file(&arguments);
    pool_free(&arguments.pool);
    return status;
}
