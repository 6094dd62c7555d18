/* SPDX-License-Identifier: ISC */
#include "sim/real/mta.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/real/commands.h"
#include "sim/real/say.h"

static const char usage_text[] =
    "usage: nixie mta COMMAND [DIR] ...\n"
    "  init [DIR] --domain NAME [--create-users]   makes a mail server below DIR, or refreshes "
    "the\n"
    "                                              programs of one; keeps control files and mail\n"
    "  user [DIR] NAME [--create-users]            a local user with a mailbox below DIR\n"
    "  start [DIR] [--smtp ADDRESS:PORT ...]       runs it in the foreground, for any supervisor;\n"
    "                                              takes mail on these addresses too (port 0: "
    "any)\n"
    "  stop [DIR]                                  stops it when running deliveries have ended\n"
    "  status [DIR]                                does it run, how many messages in which stage\n"
    "  list|retry|hold|release|expire|delete [DIR] SELECTION...\n"
    "                                              messages in the queue, while it runs or not;\n"
    "                                              SELECTION: numbers, all, held, from=PATTERN,\n"
    "                                              to=PATTERN, older=2h\n"
    "DIR is NIXIE_HOME or the current directory if it is left out.  As an ordinary user "
    "everything\n"
    "runs as that user; as root, as the users nixieq nixies nixier nixied nixiel nixiea,\n"
    "whom --create-users makes if they are missing.\n"
    "exit status: 0 done, running; 1 not running, not done; 2 the command is wrong; 3 something is "
    "missing\n";

struct command {
    const char *name;
    int (*run)(const struct mta_options *options);
    int words_max;   /* with DIR */
    bool takes_name; /* the last word */
    bool takes_flags;
    bool takes_addresses;
};

static const struct command commands[] = {
    {"init", mta_init, 1, false, true, false},      {"user", mta_user, 2, true, true, false},
    {"start", mta_start, 1, false, false, true},    {"stop", mta_stop, 1, false, false, false},
    {"status", mta_status, 1, false, false, false},
};

static int usage_wrong(const char *problem, const char *word)
{
    fprintf(stderr, "nixie mta: %s%s\n%s", problem, word, usage_text);
    return MTA_WRONG;
}

static const struct command *command_find(const char *name)
{
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (!strcmp(commands[i].name, name))
            return &commands[i];
    return NULL;
}

/* Reads option argv[*i], `--smtp ADDRESS`; false if it is not. */
static bool read_address(int argc, char **argv, int *i, struct mta_options *options)
{
    const char *word = argv[*i];
    const char *value = NULL;
    if (!strncmp(word, "--smtp=", 7))
        value = word + 7;
    else if (!strcmp(word, "--smtp") && *i + 1 < argc)
        value = argv[++*i];
    if (!value || options->address_count == MTA_ADDRESSES_MAX)
        return false;
    options->addresses[options->address_count++] = value;
    return true;
}

/* Reads option argv[*i]; false if it is none of the command's. */
static bool read_option(const struct command *command, int argc, char **argv, int *i,
                        struct mta_options *options)
{
    const char *word = argv[*i];
    if (command->takes_addresses)
        return read_address(argc, argv, i, options);
    if (!command->takes_flags)
        return false;
    if (!strcmp(word, "--create-users"))
        options->create_users = true;
    else if (command->takes_name)
        return false;
    else if (!strcmp(word, "--single-user"))
        options->single_user = true;
    else if (!strncmp(word, "--domain=", 9))
        options->domain = word + 9;
    else if (!strcmp(word, "--domain") && *i + 1 < argc)
        options->domain = argv[++*i];
    else
        return false;
    return true;
}

static bool is_help(const char *word)
{
    return !strcmp(word, "--help") || !strcmp(word, "-h") || !strcmp(word, "help");
}

static int help(void)
{
    fputs(usage_text, stdout);
    if (fflush(stdout) != 0)
        return say_failure(MTA_LACKING, "cannot write to standard output");
    return MTA_OK;
}

/* Sorts the words behind the command into options. */
static int read_words(const struct command *command, int argc, char **argv,
                      struct mta_options *options)
{
    const char *words[2] = {NULL, NULL};
    int count = 0;
    bool only_words = false;
    for (int i = 2; i < argc; i++) {
        if (!only_words && !strcmp(argv[i], "--"))
            only_words = true;
        else if (!only_words && argv[i][0] == '-' && argv[i][1]) {
            if (!read_option(command, argc, argv, &i, options))
                return usage_wrong("unknown option, or its value is missing: ", argv[i]);
        } else if (count == command->words_max)
            return usage_wrong("one word too many: ", argv[i]);
        else
            words[count++] = argv[i];
    }
    if (command->takes_name) {
        if (count == 0)
            return usage_wrong("the user's name is missing", "");
        options->name = words[--count];
    }
    if (count > 0)
        options->directory = words[0];
    return MTA_OK;
}

int mta_command(int argc, char **argv)
{
    if (argc < 2)
        return usage_wrong("which command?", "");
    if (is_help(argv[1]))
        return help();
    if (mta_is_queue_command(argv[1]))
        return argc > 2 && is_help(argv[2]) ? help() : mta_queue(argv[1], argc - 2, argv + 2);
    const struct command *command = command_find(argv[1]);
    if (!command)
        return usage_wrong("unknown command: ", argv[1]);
    for (int i = 2; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
            return help();
    const char *home = getenv("NIXIE_HOME");
    struct mta_options options = {.directory = home && *home ? home : "."};
    int result = read_words(command, argc, argv, &options);
    if (result != MTA_OK)
        return result;
    result = command->run(&options);
    if (fflush(stdout) != 0 || ferror(stdout))
        return say_failure(MTA_LACKING, "cannot write to standard output");
    return result;
}
