/* SPDX-License-Identifier: ISC */
/* fault; and signals, errors, programs and calls by name. */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "sim/kernel/kernel.h"
#include "sim/scenario/checker.h"
#include "sim/scenario/cursor.h"

/* --- names of the system ---------------------------------------------------------------------*/

int signal_named(const char *name)
{
    static const struct {
        const char *name;
        int number;
    } signals[] = {{"TERM", SIGTERM}, {"HUP", SIGHUP},   {"ALRM", SIGALRM}, {"INT", SIGINT},
                   {"KILL", SIGKILL}, {"SEGV", SIGSEGV}, {"PIPE", SIGPIPE}, {"ABRT", SIGABRT},
                   {"QUIT", SIGQUIT}, {"USR1", SIGUSR1}, {"USR2", SIGUSR2}, {"STOP", SIGSTOP},
                   {"CONT", SIGCONT}};

    if (strncmp(name, "SIG", 3) == 0)
        name += 3;
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        if (strcmp(signals[i].name, name) == 0)
            return signals[i].number;
    return 0;
}

static const struct {
    const char *name;
    int number;
} errors[] = {{"ENOSPC", ENOSPC}, {"EDQUOT", EDQUOT},
              {"EIO", EIO},       {"EMFILE", EMFILE},
              {"ENFILE", ENFILE}, {"ENOMEM", ENOMEM},
              {"EINTR", EINTR},   {"EACCES", EACCES},
              {"EPERM", EPERM},   {"EROFS", EROFS},
              {"EAGAIN", EAGAIN}, {"ENOENT", ENOENT},
              {"EPIPE", EPIPE},   {"ECONNREFUSED", ECONNREFUSED}};
#define ERROR_COUNT (sizeof errors / sizeof *errors)

int error_named(const char *name)
{
    for (size_t i = 0; i < ERROR_COUNT; i++)
        if (strcmp(errors[i].name, name) == 0)
            return errors[i].number;
    return 0;
}

const char *error_text(int error)
{
    for (size_t i = 0; i < ERROR_COUNT; i++)
        if (errors[i].number == error)
            return errors[i].name;
    return "EIO";
}

/* "send" or "nixie-send" as the name of a program. */
const char *need_program(struct cursor *cursor)
{
    const char *name = cursor_need_name(cursor, "a program");

    if (strncmp(name, "nixie-", 6) == 0)
        return name;
    return pool_format(cursor->checker->pool, "nixie-%s", name);
}

/* --- faults ----------------------------------------------------------------------------------*/

static void need_call(struct cursor *cursor, struct fault *fault)
{
#define CALL_TEXT(name) #name,
    static const char *const names[] = {CALL_LIST(CALL_TEXT) NULL};
#undef CALL_TEXT
    struct position at = cursor_position(cursor);
    const char *word = cursor_need_word(cursor, "a call as in fsync");

    for (int i = 0; names[i]; i++) {
        if (strcmp(names[i], word) == 0) {
            fault->call = i;
            return;
        }
    }
    if (!cursor->failed)
        complain_unknown(cursor->checker, at, "call", word, names);
    cursor->failed = true;
}

void check_fault(struct checker *checker, const struct statement *statement)
{
    struct cursor cursor =
        cursor_open(checker, statement, "fault PROGRAM CALL N ERROR [times K] [path PATTERN]");
    const char *names[ERROR_COUNT + 1] = {NULL};
    struct fault fault = {.at = statement->at};
    struct position at;
    const char *error;

    cursor.at = 1;
    fault.program = need_program(&cursor);
    need_call(&cursor, &fault);
    fault.first = fault.last = cursor_need_number(&cursor, 1, 1000000000);
    at = cursor_position(&cursor);
    error = cursor_need_word(&cursor, "an error as in ENOSPC");
    fault.error = error_named(error);
    for (size_t i = 0; i < ERROR_COUNT; i++)
        names[i] = errors[i].name;
    if (!cursor.failed && fault.error == 0) {
        complain_unknown(checker, at, "error", error, names);
        return;
    }
    while (cursor_peek(&cursor)) {
        if (cursor_take(&cursor, "times"))
            fault.last = fault.first + cursor_need_number(&cursor, 1, 1000000000) - 1;
        else if (cursor_take(&cursor, "path"))
            fault.path = cursor_need_word(&cursor, "a pattern");
        else
            break;
    }
    if (cursor_done(&cursor))
        *POOL_ADD(checker->pool, checker->scenario->faults, checker->scenario->fault_count) = fault;
}
