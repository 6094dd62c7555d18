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

static const char form[] = "fault PROGRAM CALL N ERROR|short|slow TIME|clock forward|back TIME|"
                           "lost|reset [times K|for TIME] [path PATTERN]";

/* Of the server, "any" of it, or one of the made-up world. */
static const char *need_faulty(struct cursor *cursor)
{
    static const char *const actors[] = {"smtp-server", "smtp-client", "dns-server"};

    if (cursor_take(cursor, "any"))
        return NULL;
    for (size_t i = 0; i < sizeof actors / sizeof *actors; i++)
        if (cursor_take(cursor, actors[i]))
            return actors[i];
    return need_program(cursor);
}

static int need_call(struct cursor *cursor)
{
#define CALL_TEXT(name) #name,
    static const char *const names[] = {CALL_LIST(CALL_TEXT) "any", "allocation", NULL};
#undef CALL_TEXT
    struct position at = cursor_position(cursor);
    const char *word;

    if (cursor_take(cursor, "any"))
        return FAULT_ANY_CALL;
    if (cursor_take(cursor, "allocation"))
        return FAULT_ALLOCATION;
    word = cursor_need_word(cursor, "a call as in fsync");
    for (int i = 0; i < CALL_COUNT; i++)
        if (strcmp(names[i], word) == 0)
            return i;
    if (!cursor->failed)
        complain_unknown(cursor->checker, at, "call", word, names);
    cursor->failed = true;
    return 0;
}

static void need_error(struct cursor *cursor, struct fault_rule *rule)
{
    static const char *const others[] = {"short", "slow", "clock", "lost", "reset"};
    const char *names[ERROR_COUNT + sizeof others / sizeof *others + 1] = {NULL};
    struct position at = cursor_position(cursor);
    const char *word = cursor_need_word(cursor, "an error as in ENOSPC");

    rule->error = error_named(word);
    for (size_t i = 0; i < ERROR_COUNT; i++)
        names[i] = errors[i].name;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        names[ERROR_COUNT + i] = others[i];
    if (!cursor->failed && rule->error == 0)
        complain_unknown(cursor->checker, at, "error", word, names);
    cursor->failed |= rule->error == 0;
}

static void need_bytes(struct cursor *cursor, struct fault_rule *rule)
{
    rule->amount = (int64_t) cursor_need_number(cursor, 1, 1000000000);
    cursor_need(cursor, "bytes");
}

static void need_clock_step(struct cursor *cursor, struct fault_rule *rule)
{
    bool back = cursor_take(cursor, "back");

    if (!back)
        cursor_need(cursor, "forward");
    rule->amount = cursor_need_time(cursor).ns;
    if (back)
        rule->amount = -rule->amount;
}

static void need_what(struct cursor *cursor, struct fault_rule *rule)
{
    if (rule->call == FAULT_ALLOCATION) {
        rule->kind = FAULT_MEMORY;
    } else if (cursor_take(cursor, "short")) {
        rule->kind = FAULT_SHORT;
        if (cursor_looks_like_number(cursor))
            need_bytes(cursor, rule);
    } else if (cursor_take(cursor, "slow")) {
        rule->kind = FAULT_SLOW;
        rule->amount = cursor_need_time(cursor).ns;
        if (rule->amount == 0 && !cursor->failed)
            cursor_fail(cursor, "a call that takes no time longer is not slow");
    } else if (cursor_take(cursor, "clock")) {
        rule->kind = FAULT_CLOCK;
        need_clock_step(cursor, rule);
    } else if (cursor_take(cursor, "lost")) {
        rule->kind = FAULT_WAKEUP;
    } else if (cursor_take(cursor, "reset")) {
        rule->kind = FAULT_NET;
        if (cursor_take(cursor, "after"))
            need_bytes(cursor, rule);
    } else {
        need_error(cursor, rule);
    }
}

/* "any" call is what may fail with an error; programs of the made-up world only lose connections.
 */
static void check_sense(struct cursor *cursor, const struct fault_rule *rule)
{
    if (rule->call == FAULT_ANY_CALL && rule->kind != FAULT_ERROR)
        cursor_fail(cursor, "of \"any\" call one says with which error it fails");
    else if (rule->call == FAULT_ANY_CALL && fault_of_error(rule->error) == 0)
        cursor_fail(cursor, "no call fails with that error of itself: name the call");
    else if (rule->program && strncmp(rule->program, "nixie-", 6) != 0 && rule->kind != FAULT_NET)
        cursor_fail(cursor, "%s is no program of the server: only \"reset\" is for it",
                    rule->program);
}

void check_fault(struct checker *checker, const struct statement *statement)
{
    struct cursor cursor = cursor_open(checker, statement, form);
    struct fault fault = {.at = statement->at};
    struct fault_rule *rule = &fault.rule;

    cursor.at = 1;
    rule->program = need_faulty(&cursor);
    rule->call = need_call(&cursor);
    rule->first = cursor_need_number(&cursor, 1, 1000000000);
    need_what(&cursor, rule);
    if (!cursor.failed)
        check_sense(&cursor, rule);
    while (!cursor.failed && cursor_peek(&cursor)) {
        if (cursor_take(&cursor, "times"))
            rule->times = cursor_need_number(&cursor, 1, 1000000000);
        else if (cursor_take(&cursor, "for"))
            rule->lasts_ns = cursor_need_time(&cursor).ns;
        else if (cursor_take(&cursor, "path"))
            rule->path = cursor_need_word(&cursor, "a pattern");
        else
            break;
    }
    if (cursor_done(&cursor))
        *POOL_ADD(checker->pool, checker->scenario->faults, checker->scenario->fault_count) = fault;
}
