/* SPDX-License-Identifier: ISC */
/* nixie trace. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/command.h"
#include "sim/trace/read.h"
#include "sim/trace/tell.h"
#include "sim/world/pool.h"

static const char use[] =
    "usage: nixie trace [--local] LOG [NUMBER|ADDRESS]\n"
    "follows messages through a log of qmail-send or nixie-send: a file, a directory of multilog\n"
    "or nixie-log, or - for standard input; without NUMBER or ADDRESS, one line for each message\n"
    "  NUMBER            the message with that number, and its bounce\n"
    "  ADDRESS           messages from or to that address; * and ? as in file names; without an @\n"
    "                    a domain or a local part\n"
    "  --local           times in local time instead of UTC\n"
    "exit status: 0 told; 1 the log has no such message; 2 the command or the log is wrong\n";

struct trace_command {
    const char *log, *wanted;
    bool local;
};

static int usage_wrong(const char *problem, const char *word)
{
    fprintf(stderr, "nixie trace: %s%s\n%s", problem, word, use);
    return STATUS_WRONG;
}

static int read_arguments(struct trace_command *command, int argc, char **argv)
{
    bool only_words = false;

    for (int i = 1; i < argc; i++) {
        if (!only_words && strcmp(argv[i], "--") == 0)
            only_words = true;
        else if (!only_words && strcmp(argv[i], "--local") == 0)
            command->local = true;
        else if (!only_words && argv[i][0] == '-' && argv[i][1])
            return usage_wrong("unknown option: ", argv[i]);
        else if (!command->log)
            command->log = argv[i];
        else if (!command->wanted)
            command->wanted = argv[i];
        else
            return usage_wrong("one word too many: ", argv[i]);
    }
    return command->log ? STATUS_HELD : usage_wrong("which log?", "");
}

static bool is_number(const char *word)
{
    return *word && word[strspn(word, "0123456789")] == 0 && strlen(word) <= 19;
}

static void tell_wanted(struct teller *teller, const char *wanted)
{
    const struct history *history = teller->history;
    uint64_t number = strtoull(wanted, NULL, 10);

    for (size_t i = 0; i < history->story_count; i++)
        if (is_number(wanted) ? history->stories[i].number == number
                              : story_names(history, &history->stories[i], wanted))
            tell_story(teller, i);
}

static int tell(const struct trace_command *command, const struct history *history)
{
    struct teller teller = {.history = history, .to = stdout, .local = command->local};
    int status = STATUS_HELD;

    teller.told = must_zeroed(history->story_count + 1);
    if (!command->wanted)
        tell_summary(&teller);
    else
        tell_wanted(&teller, command->wanted);
    if (command->wanted && !teller.count) {
        fprintf(stderr, "nixie trace: the log tells nothing of %s\n", command->wanted);
        status = STATUS_FAILED;
    }
    if (history->skipped)
        printf("%s%" PRIu64 " of %" PRIu64
               " lines were skipped: cut, or not of qmail-send or nixie-send\n",
               command->wanted ? "\n" : "", history->skipped, history->lines);
    if (history->skipped && history->skipped == history->lines) {
        fprintf(stderr, "nixie trace: %s: this is no log of qmail-send or nixie-send\n",
                command->log);
        status = STATUS_WRONG;
    }
    free(teller.told);
    return status;
}

int command_trace(int argc, char **argv)
{
    struct trace_command command = {0};
    struct history history;

    if (asked_for_help(argc, argv)) {
        fputs(use, stdout);
        return STATUS_HELD;
    }
    int status = read_arguments(&command, argc, argv);

    if (status != STATUS_HELD)
        return status;
    history_init(&history);
    if (read_log(&history, command.log) < 0)
        status = STATUS_WRONG;
    history_end(&history);
    if (status == STATUS_HELD)
        status = tell(&command, &history);
    history_free(&history);
    return status;
}
