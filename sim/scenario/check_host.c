/* SPDX-License-Identifier: ISC */
/* host and what stands below it. */
#include <stdlib.h>
#include <string.h>

#include "sim/kernel/disk.h"
#include "sim/scenario/checker.h"
#include "sim/scenario/cursor.h"

#define FIRST_UID 1000
#define BLOCK_BYTES 4096

struct host_check {
    struct checker *checker;
    struct home_spec *host;
};

static void check_disk(struct host_check *check, struct cursor *cursor)
{
    static const char *const names[] = {"strict", "ext4",      "xfs",  "btrfs", "ffs",
                                        "honest", "fsync-eio", "liar", NULL};
    struct position at = cursor_position(cursor);
    const char *name = cursor_need_word(cursor, "a disk model");

    if (!cursor_done(cursor))
        return;
    check->host->disk = disk_model_named(name);
    if (!check->host->disk)
        complain_unknown(check->checker, at, "disk model", name, names);
}

/* "40 blocks", "100000 bytes". */
static uint64_t need_space(struct cursor *cursor)
{
    uint64_t number = cursor_need_number(cursor, 0, (uint64_t) 1 << 50);

    if (cursor_take(cursor, "blocks") || cursor_take(cursor, "block"))
        return number * BLOCK_BYTES;
    cursor_need(cursor, "bytes");
    return number;
}

static void check_capacity(struct host_check *check, struct cursor *cursor)
{
    uint64_t bytes = need_space(cursor);

    if (cursor_done(cursor))
        check->host->capacity_bytes = bytes ? bytes : 1;
}

static void check_single_user(struct host_check *check, struct cursor *cursor)
{
    if (cursor_done(cursor))
        check->host->single_user = true;
}

static void check_control(struct host_check *check, struct cursor *cursor)
{
    const struct statement *statement = cursor->statement;
    const char *name = cursor_need_name(cursor, "the name of a control file");
    struct named_text *control;
    struct text text = lines_text(check->checker, statement);

    if (cursor_peek(cursor)) {
        const char *value = cursor_need_word(cursor, "a value");

        if (statement->line_count > 0)
            cursor_fail(cursor, "a control file has a value or lines, not both");
        text.data = pool_format(check->checker->pool, "%s\n", value);
        text.size = strlen(text.data);
    }
    if (!cursor_done(cursor))
        return;
    for (size_t i = 0; i < check->host->control_count; i++)
        if (strcmp(check->host->controls[i].name, name) == 0) {
            complain(&check->checker->complaints, statement_word_at(statement, 1),
                     "control \"%s\" is there already", name);
            return;
        }
    control = POOL_ADD(check->checker->pool, check->host->controls, check->host->control_count);
    control->name = name;
    control->text = text;
}

/* --- users and aliases -----------------------------------------------------------------------*/

static void add_named(struct host_check *check, struct named_text **list, size_t *count,
                      const struct statement *statement, const char *name)
{
    struct named_text *item;

    for (size_t i = 0; i < *count; i++)
        if (strcmp((*list)[i].name, name) == 0) {
            complain(&check->checker->complaints, statement->at, "it has such a .qmail already");
            return;
        }
    item = POOL_ADD(check->checker->pool, *list, *count);
    item->name = name;
    item->text = lines_text(check->checker, statement);
}

/* "qmail [-EXT]": the part behind ".qmail", or NULL after a complaint. */
static const char *need_extension(struct cursor *cursor)
{
    const char *word = cursor_peek(cursor);

    if (!word)
        return "";
    if (*word != '-' || strchr(word, '/') || strlen(word) > 200)
        cursor_fail(cursor, "an extension begins with \"-\" and has no \"/\"");
    cursor->at++;
    return cursor_done(cursor) ? word : NULL;
}

static void check_user_part(struct host_check *check, struct user_spec *user,
                            const struct statement *statement)
{
    static const char *const names[] = {"qmail", "maildir", "mode", NULL};
    struct checker *checker = check->checker;
    struct cursor cursor = cursor_open(checker, statement, "qmail [-EXT], or maildir NAME");
    const char *keyword = cursor_need_word(&cursor, "a statement");

    refuse_children(checker, statement);
    if (strcmp(keyword, "qmail") == 0) {
        const char *extension = need_extension(&cursor);

        if (extension)
            add_named(check, &user->qmail, &user->qmail_count, statement, extension);
        return;
    }
    refuse_lines(checker, statement);
    if (strcmp(keyword, "maildir") == 0) {
        const char *path = cursor_need_relative(&cursor, "a maildir");

        if (cursor_done(&cursor))
            *POOL_ADD(checker->pool, user->maildirs, user->maildir_count) = path;
    } else if (strcmp(keyword, "mode") == 0) {
        const char *mode = cursor_peek(&cursor);

        if (!mode || !*mode || strlen(mode) > 4 || mode[strspn(mode, "01234567")])
            cursor_fail(&cursor, "a mode is octal, as in 0755");
        else
            user->home_mode = (mode_t) strtol(mode, NULL, 8);
        cursor.at++;
        cursor_done(&cursor);
    } else {
        complain_unknown(checker, statement->at, "statement of a user", keyword, names);
    }
}

/* Names that the set-up takes for the server's own users. */
static bool name_is_taken(const struct home_spec *host, const char *name)
{
    static const char *const own[] = {"root",   "alias",  "nixieq", "nixies", "nixier",
                                      "nixied", "nixiel", "nixiet", "nobody"};

    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (strcmp(own[i], name) == 0)
            return true;
    for (size_t i = 0; i < host->user_count; i++)
        if (strcmp(host->users[i].name, name) == 0)
            return true;
    return false;
}

static void check_user(struct host_check *check, struct cursor *cursor)
{
    const struct statement *statement = cursor->statement;
    const char *name = cursor_need_name(cursor, "the name of a user");
    struct home_spec *host = check->host;
    struct user_spec user = {.name = name, .home_mode = 0755};

    if (!cursor_done(cursor))
        return;
    if (name_is_taken(host, name)) {
        complain(&check->checker->complaints, statement_word_at(statement, 1),
                 "there is a user \"%s\" already", name);
        return;
    }
    user.uid = (uid_t) (FIRST_UID + host->user_count);
    if (statement->line_count > 0)
        add_named(check, &user.qmail, &user.qmail_count, statement, "");
    for (size_t i = 0; i < statement->child_count; i++)
        if (statement->children[i]->word_count > 0)
            check_user_part(check, &user, statement->children[i]);
    *POOL_ADD(check->checker->pool, host->users, host->user_count) = user;
}

static void check_alias_part(struct host_check *check, const char *alias,
                             const struct statement *statement)
{
    struct checker *checker = check->checker;
    struct cursor cursor = cursor_open(checker, statement, "qmail [-EXT]");
    const char *extension;

    refuse_children(checker, statement);
    cursor_need(&cursor, "qmail");
    if (cursor.failed)
        return;
    extension = need_extension(&cursor);
    if (extension)
        add_named(check, &check->host->aliases, &check->host->alias_count, statement,
                  pool_format(checker->pool, "%s%s", alias, extension));
}

static void check_alias(struct host_check *check, struct cursor *cursor)
{
    const struct statement *statement = cursor->statement;
    const char *name = cursor_need_name(cursor, "the name of an alias");
    bool empty = true;

    if (!cursor_done(cursor))
        return;
    for (size_t i = 0; i < statement->child_count; i++)
        if (statement->children[i]->word_count > 0) {
            check_alias_part(check, name, statement->children[i]);
            empty = false;
        }
    if (statement->line_count > 0 || empty)
        add_named(check, &check->host->aliases, &check->host->alias_count, statement, name);
}

/* --- programs --------------------------------------------------------------------------------*/

static void check_rule(struct host_check *check, struct program_spec *program,
                       const struct statement *statement)
{
    struct cursor cursor =
        cursor_open(check->checker, statement,
                    "exit CODE|signal NAME [first N|after N] [takes TIME] [print \"TEXT\"]");
    struct program_rule rule = {.first = 1, .last = UINT64_MAX};

    refuse_children(check->checker, statement);
    refuse_lines(check->checker, statement);
    if (cursor_take(&cursor, "signal")) {
        struct position at = cursor_position(&cursor);
        const char *name = cursor_need_word(&cursor, "a signal");

        rule.signal = signal_named(name);
        if (!cursor.failed && rule.signal == 0)
            complain_unknown(check->checker, at, "signal", name, NULL);
    } else {
        cursor_need(&cursor, "exit");
        rule.exit_code = (int) cursor_need_number(&cursor, 0, 255);
    }
    while (cursor_peek(&cursor)) {
        if (cursor_take(&cursor, "first"))
            rule.last = cursor_need_number(&cursor, 1, 1000000);
        else if (cursor_take(&cursor, "after"))
            rule.first = cursor_need_number(&cursor, 1, 1000000) + 1;
        else if (cursor_take(&cursor, "takes"))
            rule.takes_ns = cursor_need_time(&cursor).ns;
        else if (cursor_take(&cursor, "print"))
            rule.print = cursor_need_word(&cursor, "a text");
        else
            break;
    }
    if (cursor_done(&cursor))
        *POOL_ADD(check->checker->pool, program->rules, program->rule_count) = rule;
}

static void check_program(struct host_check *check, struct cursor *cursor)
{
    const struct statement *statement = cursor->statement;
    const char *name = cursor_need_name(cursor, "the name of a program");
    struct home_spec *host = check->host;
    struct program_spec program = {.name = name};

    if (!cursor_done(cursor))
        return;
    refuse_lines(check->checker, statement);
    for (size_t i = 0; i < host->program_count; i++)
        if (strcmp(host->programs[i].name, name) == 0) {
            complain(&check->checker->complaints, statement_word_at(statement, 1),
                     "there is a program \"%s\" already", name);
            return;
        }
    if (strcmp(name, "sh") == 0)
        complain(&check->checker->complaints, statement_word_at(statement, 1),
                 "sh is there already");
    for (size_t i = 0; i < statement->child_count; i++)
        if (statement->children[i]->word_count > 0)
            check_rule(check, &program, statement->children[i]);
    *POOL_ADD(check->checker->pool, host->programs, host->program_count) = program;
}

/* --- the network -----------------------------------------------------------------------------*/

static void check_address(struct host_check *check, struct cursor *cursor)
{
    need_own_address(cursor, check->host->name, &check->host->addresses,
                     &check->host->address_count);
}

static void check_smtp(struct host_check *check, struct cursor *cursor)
{
    if (cursor_done(cursor))
        check->host->smtp = true;
}

/* "relay from NAME...": names are known when the whole file is. */
static void check_relay(struct host_check *check, struct cursor *cursor)
{
    struct checker *checker = check->checker;

    *POOL_ADD(checker->pool, checker->relays, checker->relay_count) =
        (struct relay){checker->scenario->host_count, cursor->statement};
}

/* --- the host --------------------------------------------------------------------------------*/

static const struct {
    const char *keyword;
    const char *syntax;
    void (*check)(struct host_check *check, struct cursor *cursor);
    bool lines, children;
} parts[] = {
    {"disk", "disk strict|ext4|xfs|btrfs|ffs|honest[+fsync-eio|+liar]", check_disk, false, false},
    {"capacity", "capacity N blocks|bytes", check_capacity, false, false},
    {"single-user", "single-user", check_single_user, false, false},
    {"address", "address ADDRESS", check_address, false, false},
    {"relay", "relay from NAME|ADDRESS...", check_relay, false, false},
    {"smtp", "smtp", check_smtp, false, false},
    {"control", "control NAME VALUE, or lines below", check_control, true, false},
    {"user", "user NAME", check_user, true, true},
    {"alias", "alias NAME", check_alias, true, true},
    {"program", "program NAME", check_program, false, true},
};
#define PART_COUNT (sizeof parts / sizeof *parts)

static void check_part(struct host_check *check, const struct statement *statement)
{
    const char *names[PART_COUNT + 1] = {NULL};
    const char *keyword = word_value(check->checker, statement, 0);

    if (!keyword)
        return;
    for (size_t i = 0; i < PART_COUNT; i++) {
        names[i] = parts[i].keyword;
        if (strcmp(keyword, parts[i].keyword) == 0) {
            struct cursor cursor = cursor_open(check->checker, statement, parts[i].syntax);

            cursor.at = 1;
            if (!parts[i].lines)
                refuse_lines(check->checker, statement);
            if (!parts[i].children)
                refuse_children(check->checker, statement);
            parts[i].check(check, &cursor);
            return;
        }
    }
    complain_unknown(check->checker, statement->at, "statement of a host", keyword, names);
}

void check_host(struct checker *checker, const struct statement *statement)
{
    struct cursor cursor = cursor_open(checker, statement, "host NAME [DOMAIN]");
    struct home_spec host = {.disk = disk_model_named("strict")};
    struct host_check check = {checker, &host};

    if (!machine_fits(checker, statement))
        return;
    cursor.at = 1;
    host.name = cursor_need_name(&cursor, "the name of a host");
    if (cursor_peek(&cursor))
        host.domain = cursor_need_word(&cursor, "a domain");
    else
        host.domain = pool_format(checker->pool, "%s.example", host.name);
    if (!cursor.failed && (strchr(host.domain, '@') || strchr(host.domain, '\n')))
        cursor_fail(&cursor, "that is no domain");
    if (cursor_done(&cursor)) {
        cursor.at = 2;
        refuse_taken_name(&cursor, host.name);
    }
    for (size_t i = 0; i < statement->child_count; i++)
        if (statement->children[i]->word_count > 0)
            check_part(&check, statement->children[i]);
    *POOL_ADD(checker->pool, checker->scenario->hosts, checker->scenario->host_count) = host;
}
