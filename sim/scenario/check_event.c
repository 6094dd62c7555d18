/* SPDX-License-Identifier: ISC */
/* at, after, before: what happens and when; and fault. */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "sim/kernel/kernel.h"
#include "sim/scenario/checker.h"
#include "sim/scenario/cursor.h"

#define SENDS "USER sends NAME [with FILE] to ADDRESS... [from ADDRESS] [via PROGRAM] [times N]"

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

/* "send" or "nixie-send" as the name of a program. */
static const char *need_program(struct cursor *cursor)
{
    const char *name = cursor_need_name(cursor, "a program");

    if (strncmp(name, "nixie-", 6) == 0)
        return name;
    return pool_format(cursor->checker->pool, "nixie-%s", name);
}

/* --- sending ---------------------------------------------------------------------------------*/

/* The index of the word "sends", 0 if there is none. */
static size_t find_sends(const struct statement *statement)
{
    for (size_t i = 1; i < statement->word_count; i++)
        if (!statement->words[i].quoted && statement->words[i].size == 5 &&
            memcmp(statement->words[i].raw, "sends", 5) == 0)
            return i;
    return 0;
}

/* True if the words before "sends" end in "USER on HOST". */
static bool has_on(const struct statement *statement, size_t sends)
{
    return sends >= 4 && statement->words[sends - 2].size == 2 &&
           memcmp(statement->words[sends - 2].raw, "on", 2) == 0;
}

static const struct user_spec *user_on(const struct home_spec *host, const char *name)
{
    for (size_t i = 0; i < host->user_count; i++)
        if (strcmp(host->users[i].name, name) == 0)
            return &host->users[i];
    return NULL;
}

static void complain_no_user(struct cursor *cursor, struct position at, const char *name)
{
    const struct scenario *scenario = cursor->checker->scenario;
    const char **names;
    size_t count = 0, total = 1;

    for (size_t i = 0; i < scenario->host_count; i++)
        total += scenario->hosts[i].user_count;
    names = pool_alloc(cursor->checker->pool, total * sizeof *names);
    for (size_t i = 0; i < scenario->host_count; i++)
        for (size_t k = 0; k < scenario->hosts[i].user_count; k++)
            names[count++] = scenario->hosts[i].users[k].name;
    complain_unknown(cursor->checker, at, "user", name, names);
    cursor->failed = true;
}

/* Finds "USER" or "USER on HOST" in front of "sends", where the cursor stands. */
static void find_sender(struct cursor *cursor, struct submission *submission)
{
    struct checker *checker = cursor->checker;
    const struct scenario *scenario = checker->scenario;
    size_t sends = cursor->at, found = 0;
    bool on = has_on(cursor->statement, sends);
    const char *name;

    cursor->at = sends - (on ? 3 : 1);
    name = cursor_need_word(cursor, "a user");
    if (on) {
        cursor->at++;
        submission->host = need_host(cursor);
        found = !cursor->failed;
        if (found)
            submission->user = user_on(&scenario->hosts[submission->host], name);
    } else {
        for (size_t i = 0; i < scenario->host_count; i++)
            if (user_on(&scenario->hosts[i], name) || strcmp(name, "root") == 0) {
                submission->host = i;
                submission->user = user_on(&scenario->hosts[i], name);
                found++;
            }
    }
    if (cursor->failed)
        return;
    cursor->at = sends;
    if (found > 1)
        cursor_fail(cursor, "more than one host has that user: say USER on HOST sends");
    else if (!submission->user && (strcmp(name, "root") != 0 || found == 0))
        complain_no_user(cursor, statement_word_at(cursor->statement, sends - (on ? 3 : 1)), name);
}

static enum via need_via(struct cursor *cursor)
{
    if (cursor_take(cursor, "inject"))
        return VIA_INJECT;
    if (cursor_take(cursor, "queue"))
        return VIA_QUEUE;
    if (cursor_take(cursor, "sendmail"))
        return VIA_SENDMAIL;
    cursor_fail(cursor, "expected inject, queue or sendmail");
    return VIA_INJECT;
}

static bool at_clause(struct cursor *cursor)
{
    static const char *const clauses[] = {"from", "via", "times", "every", "with"};

    for (size_t i = 0; i < sizeof clauses / sizeof *clauses; i++) {
        struct cursor copy = *cursor;

        if (cursor_take(&copy, clauses[i]))
            return true;
    }
    return false;
}

static void need_recipients(struct cursor *cursor, struct submission *submission)
{
    do {
        const char *address = cursor_need_word(cursor, "an address");

        *POOL_ADD(cursor->checker->pool, submission->recipients, submission->recipient_count) =
            address;
    } while (cursor_peek(cursor) && !at_clause(cursor));
}

/* The content that "with FILE", the lines below, or a file of the message's name give. */
static void find_content(struct cursor *cursor, struct submission *submission, const char *file,
                         struct position file_at)
{
    struct checker *checker = cursor->checker;
    const char **names = pool_alloc(checker->pool, (checker->file_count + 1) * sizeof *names);

    if (cursor->statement->line_count > 0) {
        if (file)
            complain(&checker->complaints, cursor->statement->lines[0].at,
                     "a message comes from a file or stands below, not both");
        submission->content = lines_text(checker, cursor->statement);
        return;
    }
    for (size_t i = 0; i < checker->file_count; i++) {
        names[i] = checker->files[i].name;
        if (strcmp(names[i], file ? file : submission->name) == 0) {
            submission->content = checker->files[i].content;
            return;
        }
    }
    if (file)
        complain_unknown(checker, file_at, "file", file, names);
    submission->default_content = true;
}

static void check_message_name(struct cursor *cursor, const struct submission *submission)
{
    static const char *const taken[] = {"log", "program", "mbox", "not", "crash"};
    struct checker *checker = cursor->checker;
    struct position at = statement_word_at(cursor->statement, cursor->at - 1);
    size_t host;

    if (cursor->failed)
        return;
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
        if (strcmp(taken[i], submission->name) == 0)
            complain(&checker->complaints, at, "a message cannot have this name");
    if (find_host(checker, submission->name, &host))
        complain(&checker->complaints, at, "a host has this name");
    for (size_t i = 0; i < checker->scenario->submission_count; i++)
        if (strcmp(checker->scenario->submissions[i].name, submission->name) == 0)
            complain(&checker->complaints, at, "there is a message \"%s\" already",
                     submission->name);
}

static void add_messages(struct checker *checker, struct submission *submission, size_t number,
                         struct position at)
{
    struct scenario *scenario = checker->scenario;

    if (scenario->message_count + submission->times > MESSAGES_MAX) {
        complain(&checker->complaints, at, "more than %d messages", MESSAGES_MAX);
        return;
    }
    submission->first_message = scenario->message_count;
    for (size_t i = 0; i < submission->times; i++) {
        struct message *message =
            POOL_ADD(checker->pool, scenario->messages, scenario->message_count);

        message->submission = number;
        message->name = submission->times == 1
                            ? submission->name
                            : pool_format(checker->pool, "%s.%zu", submission->name, i + 1);
    }
}

void declare_messages(struct checker *checker, const struct statement *statement)
{
    struct cursor cursor = cursor_open(checker, statement, SENDS);
    struct submission submission = {.at = statement->at, .times = 1};
    const char *file = NULL;
    struct position file_at = statement->at;

    cursor.at = find_sends(statement);
    if (cursor.at < 2)
        return; /* some other action */
    find_sender(&cursor, &submission);
    cursor.at = find_sends(statement); /* a wrong sender is no reason not to read on */
    cursor.failed = false;
    cursor_need(&cursor, "sends");
    submission.name = cursor_need_name(&cursor, "the name of a message");
    check_message_name(&cursor, &submission);
    while (cursor_peek(&cursor)) {
        if (cursor_take(&cursor, "to")) {
            need_recipients(&cursor, &submission);
        } else if (cursor_take(&cursor, "from")) {
            submission.from = cursor_need_word(&cursor, "an address");
        } else if (cursor_take(&cursor, "via")) {
            submission.via = need_via(&cursor);
        } else if (cursor_take(&cursor, "times")) {
            submission.times = cursor_need_number(&cursor, 1, MESSAGES_MAX);
        } else if (cursor_take(&cursor, "every")) {
            submission.every_ns = cursor_need_time(&cursor).ns;
        } else if (cursor_take(&cursor, "with")) {
            file_at = cursor_position(&cursor);
            file = cursor_need_word(&cursor, "the name of a file");
        } else {
            break;
        }
    }
    if (submission.recipient_count == 0)
        cursor_fail(&cursor, "to whom? The form is: " SENDS);
    if (!cursor_done(&cursor) && !*submission.name)
        return;
    find_content(&cursor, &submission, file, file_at);
    *POOL_ADD(checker->pool, checker->scenario->submissions, checker->scenario->submission_count) =
        submission;
    add_messages(checker, &checker->scenario->submissions[checker->scenario->submission_count - 1],
                 checker->scenario->submission_count - 1, statement->at);
}

/* --- triggers --------------------------------------------------------------------------------*/

static void need_trigger(struct cursor *cursor, struct trigger *trigger)
{
    trigger->at = cursor_position(cursor);
    if (cursor_take(cursor, "at")) {
        trigger->kind = TRIGGER_TIME;
        trigger->delay_ns = cursor_need_time(cursor).ns;
        return;
    }
    trigger->before = cursor_take(cursor, "before");
    if (!trigger->before)
        cursor_need(cursor, "after");
    if (!trigger->before && cursor_take(cursor, "crash")) {
        trigger->kind = TRIGGER_CRASH;
    } else {
        need_selector(cursor, &trigger->message);
        if (trigger->message.recipient && !cursor->failed) {
            complain(&cursor->checker->complaints, trigger->message.at,
                     "a message is in a stage as a whole: leave the recipient out");
            cursor->failed = true;
        }
        if (cursor_take(cursor, "enters")) {
            trigger->kind = TRIGGER_ENTERS;
            trigger->stage = need_stage(cursor);
        } else if (!trigger->before && cursor_take(cursor, "durable")) {
            trigger->kind = TRIGGER_DURABLE;
            trigger->stage = cursor_looks_like_time(cursor) ? STAGE_S4 : need_stage(cursor);
            if (trigger->stage != STAGE_S4)
                cursor_fail(cursor, "only S4 can be waited for like this: durable S4");
        } else if (!trigger->before && cursor_take(cursor, "accepted")) {
            trigger->kind = TRIGGER_ACCEPTED;
        } else {
            cursor_fail(cursor, trigger->before ? "expected: enters S1 .. S5"
                                                : "expected: enters S1 .. S5, durable S4 or "
                                                  "accepted");
        }
    }
    if (!trigger->before && cursor_looks_like_time(cursor))
        trigger->delay_ns = cursor_need_time(cursor).ns;
}

/* --- actions ---------------------------------------------------------------------------------*/

static void need_crash(struct cursor *cursor, struct action *action)
{
    action->host = need_host(cursor);
    if (cursor_take(cursor, "programs")) {
        action->kind = ACTION_KILL_ALL;
        return;
    }
    cursor_need(cursor, "power");
    action->kind = ACTION_CRASH;
    action->keep = KEEP_NONE;
    if (!cursor_take(cursor, "keep"))
        return;
    if (cursor_take(cursor, "all"))
        action->keep = KEEP_ALL;
    else if (cursor_take(cursor, "random"))
        action->keep = KEEP_RANDOM;
    else if (!cursor_take(cursor, "none")) {
        const char *word = cursor_peek(cursor);

        if (!word || stage_named(word) == STAGE_NONE)
            cursor_fail(cursor, "expected all, none, random or a stage, S1 to S5");
        action->keep = KEEP_STAGE;
        action->keep_stage = need_stage(cursor);
    }
}

static bool need_pin(struct cursor *cursor, struct pin *pin)
{
    static const char *const names[] = {"lose", "keep", "find", NULL};
    const char *word = cursor_peek(cursor);

    if (cursor_take(cursor, "lose")) {
        pin->kind = PIN_LOSE;
    } else if (cursor_take(cursor, "keep")) {
        pin->kind = PIN_KEEP;
    } else if (cursor_take(cursor, "find")) {
        pin->kind = PIN_FIND;
        pin->answer = (unsigned) cursor_need_number(cursor, 0, 1000000);
    } else {
        complain_unknown(cursor->checker, cursor_position(cursor), "statement", word ? word : "",
                         names);
        return false;
    }
    pin->at = cursor_position(cursor);
    pin->pattern = cursor_need_word(cursor, "a pattern");
    return cursor_done(cursor);
}

/* What is below "crash HOST power". */
static void check_pins(struct checker *checker, const struct statement *statement,
                       struct action *action)
{
    for (size_t i = 0; i < statement->child_count; i++) {
        const struct statement *child = statement->children[i];
        struct cursor cursor =
            cursor_open(checker, child, "lose PATTERN, keep PATTERN or find N PATTERN");
        struct pin pin = {.kind = PIN_LOSE};

        if (child->word_count == 0)
            continue;
        refuse_lines(checker, child);
        refuse_children(checker, child);
        if (need_pin(&cursor, &pin))
            *POOL_ADD(checker->pool, action->pins, action->pin_count) = pin;
    }
}

static void need_disk(struct cursor *cursor, struct action *action)
{
    action->kind = ACTION_DISK;
    cursor_need(cursor, "disk");
    if (cursor_take(cursor, "full")) {
        action->free_bytes = 0;
    } else if (cursor_take(cursor, "room")) {
        action->free_bytes = UINT64_MAX;
    } else {
        cursor_need(cursor, "free");
        action->free_bytes = cursor_need_number(cursor, 0, (uint64_t) 1 << 50);
        if (cursor_take(cursor, "blocks") || cursor_take(cursor, "block"))
            action->free_bytes *= 4096;
        else
            cursor_need(cursor, "bytes");
    }
}

static void need_signal(struct cursor *cursor, struct action *action, bool kill)
{
    action->kind = ACTION_SIGNAL;
    action->program = need_program(cursor);
    action->signal = SIGKILL;
    if (!kill) {
        const char *word = cursor_peek(cursor);

        action->signal = word ? signal_named(word) : 0;
        if (action->signal == 0)
            cursor_fail(cursor, "expected a signal as in TERM");
        else
            cursor->at++;
    }
    action->host = need_on_host(cursor);
}

static void need_clock(struct cursor *cursor, struct action *action)
{
    bool back = cursor_take(cursor, "back");

    if (!back)
        cursor_need(cursor, "forward");
    action->kind = ACTION_CLOCK;
    action->clock_ns = cursor_need_time(cursor).ns;
    if (back)
        action->clock_ns = -action->clock_ns;
}

static void need_action(struct cursor *cursor, struct action *action)
{
    static const char *const names[] = {"crash",  "boot",  "stop",  "start", "kill",
                                        "signal", "clock", "sends", NULL};
    const char *word = cursor_peek(cursor);
    size_t host;

    action->at = cursor_position(cursor);
    if (cursor_take(cursor, "crash")) {
        need_crash(cursor, action);
    } else if (cursor_take(cursor, "boot")) {
        action->kind = ACTION_BOOT;
        action->host = need_host(cursor);
    } else if (cursor_take(cursor, "stop")) {
        action->kind = ACTION_STOP;
        action->host = need_host(cursor);
    } else if (cursor_take(cursor, "start")) {
        action->kind = ACTION_START;
        action->host = need_host(cursor);
    } else if (cursor_take(cursor, "kill")) {
        need_signal(cursor, action, true);
    } else if (cursor_take(cursor, "signal")) {
        need_signal(cursor, action, false);
    } else if (cursor_take(cursor, "clock")) {
        need_clock(cursor, action);
    } else if (word && find_host(cursor->checker, word, &host)) {
        cursor->at++;
        action->host = host;
        need_disk(cursor, action);
    } else if (word) {
        complain_unknown(cursor->checker, cursor_position(cursor), "action or host", word, names);
        cursor->failed = true;
    } else {
        cursor_fail(cursor, "what shall happen? The form is: %s", cursor->syntax);
    }
}

/* The submission that `statement` declared, or its count if it declared none. */
static size_t submission_at(const struct scenario *scenario, const struct statement *statement)
{
    size_t i;

    for (i = 0; i < scenario->submission_count; i++)
        if (scenario->submissions[i].at.source == statement->at.source &&
            scenario->submissions[i].at.line == statement->at.line)
            break;
    return i;
}

void check_event(struct checker *checker, const struct statement *statement)
{
    struct cursor cursor = cursor_open(checker, statement,
                                       "at TIME|after EVENT|before EVENT "
                                       "ACTION");
    struct scenario *scenario = checker->scenario;
    struct event event = {.action = {.free_bytes = UINT64_MAX}};
    size_t sends = find_sends(statement);

    need_trigger(&cursor, &event.trigger);
    if (sends >= 2) {
        refuse_children(checker, statement);
        event.action.at = statement->at;
        event.action.kind = ACTION_SEND;
        event.action.submission = submission_at(scenario, statement);
        if (event.action.submission == scenario->submission_count)
            return; /* complained about already */
        event.action.host = scenario->submissions[event.action.submission].host;
        if (cursor.at != sends - (has_on(statement, sends) ? 3 : 1))
            cursor_fail(&cursor, "expected USER sends, or USER on HOST sends");
        if (cursor.failed)
            return;
    } else {
        refuse_lines(checker, statement);
        need_action(&cursor, &event.action);
        if (!cursor_done(&cursor))
            return;
        if (event.action.kind == ACTION_CRASH)
            check_pins(checker, statement, &event.action);
        else
            refuse_children(checker, statement);
    }
    if (event.action.keep == KEEP_STAGE && event.trigger.kind != TRIGGER_ENTERS &&
        event.trigger.kind != TRIGGER_DURABLE) {
        complain(&checker->complaints, statement->at,
                 "keep %s goes with a message that enters a stage",
                 stage_name(event.action.keep_stage));
        return;
    }
    *POOL_ADD(checker->pool, scenario->events, scenario->event_count) = event;
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
