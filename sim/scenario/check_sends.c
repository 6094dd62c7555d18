/* SPDX-License-Identifier: ISC */
/* Who sends what to whom: USER sends, CLIENT sends; and match, for what an application sends. */
#include <string.h>

#include "sim/scenario/checker.h"
#include "sim/scenario/cursor.h"

#define SENDS                                                                                      \
    "USER|CLIENT sends NAME [with FILE] to ADDRESS... [from ADDRESS] [via PROGRAM|HOST] [times N]"

/* --- sending ---------------------------------------------------------------------------------*/

size_t find_sends(const struct statement *statement)
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

size_t sender_words(const struct statement *statement, size_t sends)
{
    return has_on(statement, sends) ? 3 : 1;
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

    total += scenario->client_count;
    for (size_t i = 0; i < scenario->host_count; i++)
        total += scenario->hosts[i].user_count;
    names = pool_alloc(cursor->checker->pool, total * sizeof *names);
    for (size_t i = 0; i < scenario->host_count; i++)
        for (size_t k = 0; k < scenario->hosts[i].user_count; k++)
            names[count++] = scenario->hosts[i].users[k].name;
    for (size_t i = 0; i < scenario->client_count; i++)
        names[count++] = scenario->clients[i].name;
    complain_unknown(cursor->checker, at, scenario->client_count ? "user or client" : "user", name,
                     names);
    cursor->failed = true;
}

/* True if the client `name` sends. */
static bool find_client(struct cursor *cursor, const char *name, struct submission *submission)
{
    const struct scenario *scenario = cursor->checker->scenario;
    struct actor actor;

    if (!find_actor(cursor->checker, name, &actor) || actor.kind != ACTOR_CLIENT)
        return false;
    submission->via = VIA_SMTP;
    submission->client = actor.index;
    submission->from =
        pool_format(cursor->checker->pool, "%s@%s", name, scenario->clients[actor.index].helo);
    for (size_t i = 0; i < scenario->host_count; i++)
        if (user_on(&scenario->hosts[i], name))
            cursor_fail(cursor, "a user and a client have that name: the user is \"%s on %s\"",
                        name, scenario->hosts[i].name);
    return true;
}

/* Finds "USER", "USER on HOST" or "CLIENT" in front of "sends", where the cursor stands. */
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
    } else if (find_client(cursor, name, submission)) {
        cursor->at = sends;
        return;
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

static enum via need_program_via(struct cursor *cursor)
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

/* "via PROGRAM" of a user, "via HOST" of a client. */
static void need_via(struct cursor *cursor, struct submission *submission, bool *via_host)
{
    if (submission->via == VIA_SMTP) {
        submission->host = need_host(cursor);
        *via_host = true;
    } else {
        submission->via = need_program_via(cursor);
    }
}

/* The host that a client submits to, if it does not say which. */
static void need_only_host(struct cursor *cursor, struct submission *submission)
{
    size_t count = cursor->checker->scenario->host_count;

    submission->host = 0;
    if (count != 1)
        cursor_fail(cursor, count ? "there is more than one host: say to which (via HOST)"
                                  : "no host is declared (host NAME DOMAIN)");
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
    static const char *const taken[] = {"log", "program", "mbox", "not", "crash", "any"};
    struct checker *checker = cursor->checker;
    struct position at = statement_word_at(cursor->statement, cursor->at - 1);
    struct actor actor;

    if (cursor->failed)
        return;
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
        if (strcmp(taken[i], submission->name) == 0)
            complain(&checker->complaints, at, "a message cannot have this name");
    if (find_actor(checker, submission->name, &actor))
        complain(&checker->complaints, at, "a %s has this name", actor_kind_name(actor.kind));
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
    bool via_host = false;

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
            need_via(&cursor, &submission, &via_host);
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
    if (submission.via == VIA_SMTP && !via_host)
        need_only_host(&cursor, &submission);
    if (!cursor_done(&cursor) && !*submission.name)
        return;
    find_content(&cursor, &submission, file, file_at);
    *POOL_ADD(checker->pool, checker->scenario->submissions, checker->scenario->submission_count) =
        submission;
    add_messages(checker, &checker->scenario->submissions[checker->scenario->submission_count - 1],
                 checker->scenario->submission_count - 1, statement->at);
}

void declare_match(struct checker *checker, const struct statement *statement)
{
    struct cursor cursor =
        cursor_open(checker, statement, "match NAME to PATTERN [from PATTERN] [subject PATTERN]");
    struct scenario *scenario = checker->scenario;
    struct submission submission = {.at = statement->at, .via = VIA_APPLICATION, .times = 1};

    cursor.at = 1;
    submission.name = cursor_need_name(&cursor, "the name of a message");
    check_message_name(&cursor, &submission);
    for (size_t before = 0; cursor.at != before;) {
        before = cursor.at;
        if (submission.recipient_count == 0 && cursor_take(&cursor, "to"))
            *POOL_ADD(checker->pool, submission.recipients, submission.recipient_count) =
                cursor_need_word(&cursor, "a pattern over recipients");
        if (!submission.from && cursor_take(&cursor, "from"))
            submission.from = cursor_need_word(&cursor, "a pattern over senders");
        if (!submission.subject && cursor_take(&cursor, "subject"))
            submission.subject = cursor_need_word(&cursor, "a pattern over subjects");
    }
    if (submission.recipient_count == 0)
        cursor_fail(&cursor, "to whom? The form is: %s", cursor.syntax);
    if (!cursor_done(&cursor) && !*submission.name)
        return;
    submission.content = (struct text){"", 0};
    *POOL_ADD(checker->pool, scenario->submissions, scenario->submission_count) = submission;
    scenario->match_count++;
    add_messages(checker, &scenario->submissions[scenario->submission_count - 1],
                 scenario->submission_count - 1, statement->at);
}

size_t submission_at(const struct scenario *scenario, const struct statement *statement)
{
    size_t i;

    for (i = 0; i < scenario->submission_count; i++)
        if (scenario->submissions[i].at.source == statement->at.source &&
            scenario->submissions[i].at.line == statement->at.line)
            break;
    return i;
}
