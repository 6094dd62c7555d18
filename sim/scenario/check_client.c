/* SPDX-License-Identifier: ISC */
/* client and what stands below it: a program of somebody's that submits mail over SMTP. */
#include <string.h>

#include "sim/scenario/check_rule.h"
#include "sim/scenario/checker.h"
#include "sim/scenario/cursor.h"

#define OPTIONS_MAX 16

struct client_check {
    struct checker *checker;
    struct client_spec *client;
    struct lines settings; /* of all lines but helo */
    const char *helo;
};

/* --- what stands below it --------------------------------------------------------------------*/

static void check_address(struct client_check *check, struct cursor *cursor)
{
    need_own_address(cursor, check->client->name, &check->client->addresses,
                     &check->client->address_count);
}

static void check_helo(struct client_check *check, struct cursor *cursor)
{
    check->helo = cursor_need_word(cursor, "the name it gives");
    if (!cursor->failed && (!*check->helo || strlen(check->helo) > 400 ||
                            check->helo[strcspn(check->helo, " \r\n\t")])) {
        cursor->at--;
        cursor_fail(cursor, "expected a name without spaces");
    }
    cursor_done(cursor);
}

/* "every 5m until accepted", "every 5m times N". */
static void check_retry(struct client_check *check, struct cursor *cursor)
{
    struct lines *lines = &check->settings;
    int64_t every;

    cursor_need(cursor, "every");
    every = need_milliseconds(cursor);
    if (!cursor->failed && every == 0) {
        cursor->at--;
        cursor_fail(cursor, "expected a time that is not 0");
    }
    lines_word(lines, "retry every");
    lines_time(lines, every);
    if (cursor_take(cursor, "times")) {
        lines_word(lines, "times");
        lines_number(lines, cursor_need_number(cursor, 1, 1000000));
    } else {
        cursor_need(cursor, "until");
        cursor_need(cursor, "accepted");
        lines_word(lines, "until accepted");
    }
    lines_end(lines);
    cursor_done(cursor);
}

static void check_no_retry(struct client_check *check, struct cursor *cursor)
{
    cursor_need(cursor, "retry");
    lines_word(&check->settings, "no retry");
    lines_end(&check->settings);
    cursor_done(cursor);
}

static void check_pipelining(struct client_check *check, struct cursor *cursor)
{
    bool on = cursor_take(cursor, "on");

    if (!on && !cursor_take(cursor, "off"))
        cursor_fail(cursor, "expected on (if it is offered) or off");
    lines_word(&check->settings, on ? "pipelining on" : "pipelining off");
    lines_end(&check->settings);
    cursor_done(cursor);
}

static void check_chunk(struct client_check *check, struct cursor *cursor)
{
    struct lines *lines = &check->settings;

    lines_word(lines, "chunk");
    lines_number(lines, need_bytes(cursor, 1));
    cursor_need(cursor, "every");
    lines_word(lines, "bytes every");
    lines_time(lines, need_milliseconds(cursor));
    lines_end(lines);
    cursor_done(cursor);
}

static void check_cut(struct client_check *check, struct cursor *cursor)
{
    struct lines *lines = &check->settings;

    cursor_need(cursor, "after");
    lines_word(lines, "cut after");
    lines_number(lines, need_bytes(cursor, 0));
    lines_word(lines, "bytes");
    if (cursor_take(cursor, "first")) {
        lines_word(lines, "first");
        lines_number(lines, cursor_need_number(cursor, 1, 1000000));
    }
    lines_end(lines);
    cursor_done(cursor);
}

static void check_timeout(struct client_check *check, struct cursor *cursor)
{
    lines_word(&check->settings, "timeout");
    lines_time(&check->settings, need_milliseconds(cursor));
    lines_end(&check->settings);
    cursor_done(cursor);
}

static void check_auth(struct client_check *check, struct cursor *cursor)
{
    struct lines *lines = &check->settings;

    lines_word(lines, "auth");
    lines_value(lines, cursor_need_word(cursor, "a name"), NULL);
    lines_value(lines, cursor_need_word(cursor, "a password"), NULL);
    lines_end(lines);
    cursor_done(cursor);
}

static void check_options(struct client_check *check, struct cursor *cursor)
{
    struct lines *lines = &check->settings;

    lines_word(lines, "options");
    for (size_t count = 0; count == 0 || cursor_peek(cursor); count++) {
        const char *word = cursor_need_word(cursor, "options of MAIL as in BODY=8BITMIME");

        if (!cursor->failed && (!*word || word[strcspn(word, " \r\n\t")])) {
            cursor->at--;
            cursor_fail(cursor, "an option of MAIL has no spaces, as in BODY=8BITMIME");
        }
        if (count == OPTIONS_MAX)
            cursor_fail(cursor, "more than %d options", OPTIONS_MAX);
        lines_value(lines, word, NULL);
    }
    lines_end(lines);
    cursor_done(cursor);
}

static void check_raw(struct client_check *check, struct cursor *cursor)
{
    lines_word(&check->settings, "raw");
    lines_end(&check->settings);
    cursor_done(cursor);
}

static void check_blind(struct client_check *check, struct cursor *cursor)
{
    lines_word(&check->settings, "blind");
    lines_end(&check->settings);
    cursor_done(cursor);
}

/* --- the client ------------------------------------------------------------------------------*/

static const struct {
    const char *keyword;
    const char *syntax;
    void (*check)(struct client_check *check, struct cursor *cursor);
    unsigned group; /* of which a client has one; 0: as many as it likes */
} parts[] = {
    {"address", "address ADDRESS", check_address, 0},
    {"helo", "helo NAME", check_helo, 1},
    {"retry", "retry every TIME until accepted, or retry every TIME times N", check_retry, 2},
    {"no", "no retry", check_no_retry, 2},
    {"pipelining", "pipelining on|off", check_pipelining, 3},
    {"chunk", "chunk N bytes every TIME", check_chunk, 4},
    {"cut", "cut after N bytes [first N]", check_cut, 5},
    {"auth", "auth NAME PASSWORD", check_auth, 6},
    {"options", "options OPTION...", check_options, 7},
    {"timeout", "timeout TIME", check_timeout, 8},
    {"raw", "raw", check_raw, 9},
    {"blind", "blind", check_blind, 10},
};
#define PART_COUNT (sizeof parts / sizeof *parts)
#define GROUP_COUNT 11

static void check_part(struct client_check *check, const struct statement *statement,
                       unsigned lines[GROUP_COUNT])
{
    const char *names[PART_COUNT + 1] = {NULL};
    const char *keyword = word_value(check->checker, statement, 0);

    if (!keyword)
        return;
    refuse_lines(check->checker, statement);
    refuse_children(check->checker, statement);
    for (size_t i = 0; i < PART_COUNT; i++) {
        names[i] = parts[i].keyword;
        if (strcmp(keyword, parts[i].keyword) == 0) {
            struct cursor cursor = cursor_open(check->checker, statement, parts[i].syntax);

            if (parts[i].group && lines[parts[i].group])
                complain(&check->checker->complaints, statement->at, "line %u says this already",
                         lines[parts[i].group]);
            lines[parts[i].group] = statement->at.line;
            cursor.at = 1;
            parts[i].check(check, &cursor);
            return;
        }
    }
    complain_unknown(check->checker, statement->at, "statement of a client", keyword, names);
}

void check_client(struct checker *checker, const struct statement *statement)
{
    struct cursor cursor = cursor_open(checker, statement, "client NAME");
    struct client_spec client = {0};
    struct client_check check = {checker, &client, {.pool = checker->pool}, NULL};
    struct lines settings = {.pool = checker->pool};
    unsigned lines[GROUP_COUNT] = {0};

    if (!machine_fits(checker, statement))
        return;
    cursor.at = 1;
    client.name = cursor_need_name(&cursor, "the name of a client");
    refuse_taken_name(&cursor, client.name);
    cursor_done(&cursor);
    for (size_t i = 0; i < statement->child_count; i++)
        if (statement->children[i]->word_count > 0)
            check_part(&check, statement->children[i], lines);
    client.helo = check.helo ? check.helo : pool_format(checker->pool, "%s.example", client.name);
    lines_word(&settings, "helo");
    lines_value(&settings, client.helo, NULL);
    lines_end(&settings);
    lines_text_add(&settings, lines_done(&check.settings));
    client.settings = lines_done(&settings);
    *POOL_ADD(checker->pool, checker->scenario->clients, checker->scenario->client_count) = client;
}
