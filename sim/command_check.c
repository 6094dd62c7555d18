/* SPDX-License-Identifier: ISC */
/* nixie check and nixie fmt. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/command.h"
#include "sim/report/whole_file.h"
#include "sim/scenario/files.h"
#include "sim/scenario/scenario.h"
#include "sim/scenario/tree.h"

static const char use_of_check[] =
    "usage: nixie check [-D NAME=VALUE]... FILE|DIRECTORY...\n"
    "Says what is wrong in scenario files, with line and column; runs nothing.\n"
    "  -D NAME=VALUE   the value of a parameter\n"
    "The exit status is 0 if nothing is wrong, 2 if something is.\n";

static const char use_of_fmt[] =
    "usage: nixie fmt [--check] FILE|DIRECTORY|-...\n"
    "Brings scenario files into the one right form, in place, and names those it changed.\n"
    "With - it reads standard input and writes standard output.\n"
    "  --check   changes nothing; the exit status is 1 if a file is not in that form\n";

struct arguments {
    struct pool pool;
    const char **files;
    size_t file_count;
    struct definition *definitions;
    size_t definition_count;
    bool only_check;
};

/* Reads one argument that is no option.  Returns 0 or -1. */
static int add_path(struct arguments *arguments, const char *path)
{
    if (strcmp(path, "-") == 0) {
        *POOL_ADD(&arguments->pool, arguments->files, arguments->file_count) = path;
        return 0;
    }
    if (files_find(&arguments->pool, path, &arguments->files, &arguments->file_count) < 0) {
        files_complain(path);
        return -1;
    }
    return 0;
}

static int read_arguments(int argc, char **argv, bool fmt, struct arguments *arguments)
{
    bool options = true;

    for (int i = 1; i < argc; i++) {
        if (options && strcmp(argv[i], "--") == 0) {
            options = false;
        } else if (options && fmt && strcmp(argv[i], "--check") == 0) {
            arguments->only_check = true;
        } else if (options && !fmt && strcmp(argv[i], "-D") == 0 && i + 1 < argc) {
            if (definition_read(&arguments->pool, argv[++i],
                                POOL_ADD(&arguments->pool, arguments->definitions,
                                         arguments->definition_count)) < 0) {
                fprintf(stderr, "nixie check: -D wants NAME=VALUE, not %s\n", argv[i]);
                return -1;
            }
        } else if (options && argv[i][0] == '-' && argv[i][1]) {
            fprintf(stderr, "nixie %s: unknown option %s\n%s", argv[0], argv[i],
                    fmt ? use_of_fmt : use_of_check);
            return -1;
        } else if (add_path(arguments, argv[i]) < 0) {
            return -1;
        }
    }
    if (arguments->file_count == 0) {
        fprintf(stderr, "nixie %s: which scenario files?\n%s", argv[0],
                fmt ? use_of_fmt : use_of_check);
        return -1;
    }
    return 0;
}

int command_check(int argc, char **argv)
{
    struct arguments arguments = {.files = NULL};
    int status = STATUS_WRONG;

    if (asked_for_help(argc, argv)) {
        fputs(use_of_check, stdout);
        return STATUS_HELD;
    }
    if (read_arguments(argc, argv, false, &arguments) == 0) {
        status = STATUS_HELD;
        for (size_t i = 0; i < arguments.file_count; i++) {
            struct scenario *scenario = scenario_load(arguments.files[i], arguments.definitions,
                                                      arguments.definition_count, stderr);

            if (!scenario)
                status = STATUS_WRONG;
            scenario_free(scenario);
        }
    }
    pool_free(&arguments.pool);
    return status;
}

/* Formats one file.  Returns 1 if it was not in the right form, 0 if it was, -1 on trouble. */
static int format_file(struct pool *pool, const char *path, bool only_check)
{
    struct complaints complaints = {.pool = pool};
    bool standard = strcmp(path, "-") == 0;
    struct source source;
    struct tree tree;
    char *text = NULL;
    size_t size = 0;
    int result;
    FILE *to;

    if (source_read(pool, standard ? "/dev/stdin" : path, SOURCE_SIZE_MAX, &source) < 0) {
        fprintf(stderr, "%s: cannot read it: %s\n", path, strerror(errno));
        return -1;
    }
    tree_read(&source, &complaints, &tree);
    if (complaints.total > 0) {
        complaints_print(&complaints, stderr);
        return -1;
    }
    to = open_memstream(&text, &size);
    if (!to)
        return -1;
    tree_print(&tree, to);
    fclose(to);
    result = size != source.size || memcmp(text, source.text, size) != 0;
    if (standard && !only_check) {
        fwrite(text, 1, size, stdout);
        result = 0;
    } else if (result && !only_check && whole_file_write(path, text, size) < 0) {
        fprintf(stderr, "%s: cannot write it: %s\n", path, strerror(errno));
        result = -1;
    }
    free(text);
    return result;
}

int command_fmt(int argc, char **argv)
{
    struct arguments arguments = {.files = NULL};
    int status = STATUS_WRONG;

    if (asked_for_help(argc, argv)) {
        fputs(use_of_fmt, stdout);
        return STATUS_HELD;
    }
    if (read_arguments(argc, argv, true, &arguments) == 0) {
        status = STATUS_HELD;
        for (size_t i = 0; i < arguments.file_count; i++) {
            int result = format_file(&arguments.pool, arguments.files[i], arguments.only_check);

            if (result < 0)
                status = STATUS_WRONG;
            else if (result > 0)
                puts(arguments.files[i]);
            if (result > 0 && arguments.only_check && status == STATUS_HELD)
                status = STATUS_FAILED;
        }
    }
    pool_free(&arguments.pool);
    return status;
}
