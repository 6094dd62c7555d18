/* SPDX-License-Identifier: ISC */
/* Hosts, stages and messages as statements name them. */
#include <string.h>

#include "sim/scenario/checker.h"
#include "sim/scenario/cursor.h"

bool find_host(const struct checker *checker, const char *name, size_t *host)
{
    for (size_t i = 0; i < checker->scenario->host_count; i++)
        if (strcmp(checker->scenario->hosts[i].name, name) == 0) {
            *host = i;
            return true;
        }
    return false;
}

static void complain_no_host(struct cursor *cursor, const char *name)
{
    const struct scenario *scenario = cursor->checker->scenario;
    const char **names =
        pool_alloc(cursor->checker->pool, (scenario->host_count + 1) * sizeof *names);

    for (size_t i = 0; i < scenario->host_count; i++)
        names[i] = scenario->hosts[i].name;
    if (!cursor->failed)
        complain_unknown(cursor->checker, cursor_position(cursor), "host", name, names);
    cursor->failed = true;
}

size_t need_host(struct cursor *cursor)
{
    const char *name = cursor_peek(cursor);
    size_t host = 0;

    if (!name)
        cursor_fail(cursor, "expected a host; the form is: %s", cursor->syntax);
    else if (!find_host(cursor->checker, name, &host))
        complain_no_host(cursor, name);
    else
        cursor->at++;
    return host;
}

size_t need_on_host(struct cursor *cursor)
{
    if (cursor_take(cursor, "on"))
        return need_host(cursor);
    if (cursor->checker->scenario->host_count != 1)
        cursor_fail(cursor, cursor->checker->scenario->host_count
                                ? "there is more than one host: say on which (on HOST)"
                                : "no host is declared (host NAME DOMAIN)");
    return 0;
}

enum stage need_stage(struct cursor *cursor)
{
    const char *word = cursor_peek(cursor);
    enum stage stage = word ? stage_named(word) : STAGE_NONE;

    if (stage == STAGE_NONE)
        cursor_fail(cursor, "expected a stage, S1 to S5");
    else
        cursor->at++;
    return stage;
}

bool selector_matches(const struct scenario *scenario, const struct selector *selector,
                      size_t index)
{
    const struct message *message = &scenario->messages[index];

    if (index >= scenario->message_count)
        return false; /* the probe */
    return pattern_matches(selector->name, message->name, false) ||
           strcmp(selector->name, scenario->submissions[message->submission].name) == 0;
}

/* Cuts ".bounce" off the end of `text`. */
static bool cut_bounce(char *text)
{
    size_t length = strlen(text);

    if (length < 8 || strcmp(text + length - 7, ".bounce") != 0)
        return false;
    text[length - 7] = 0;
    return true;
}

/* Cuts "#2" off the end of `text`; 0 if there is none, or after a complaint. */
static unsigned cut_entry(struct cursor *cursor, char *text)
{
    char *hash = strrchr(text, '#');
    size_t digits = hash ? strspn(hash + 1, "0123456789") : 0;
    unsigned entry = 0;

    if (!hash)
        return 0;
    *hash = 0;
    for (size_t i = 1; i <= digits && digits <= 6; i++)
        entry = entry * 10 + (unsigned) (hash[i] - '0');
    if (entry == 0 || hash[1 + digits])
        cursor_fail(cursor, "behind \"#\" stands a number: %.60s#2 is its second spool entry",
                    text);
    else if (strlen(text) > 7 && strcmp(text + strlen(text) - 7, ".bounce") == 0)
        cursor_fail(cursor, "\"#%u\" stands behind the message's name: m1#2.bounce", entry);
    return entry;
}

/* Takes `word` apart.  What is wrong with it is complained of. */
static void read_selector(struct cursor *cursor, const char *word, struct selector *selector)
{
    char *text = pool_text(cursor->checker->pool, word);
    char *at = strchr(text, '@');

    selector->text = word;
    if (at) {
        *at = 0;
        selector->recipient = at + 1;
    }
    while (cut_bounce(text))
        selector->bounce++;
    selector->name = text;
    selector->entry = cut_entry(cursor, text);
}

static bool matches_any(const struct scenario *scenario, const struct selector *selector)
{
    for (size_t i = 0; i < scenario->message_count; i++)
        if (selector_matches(scenario, selector, i))
            return true;
    return false;
}

bool names_message(struct cursor *cursor, const char *word)
{
    struct selector selector = {.name = ""};
    char *name = pool_copy(cursor->checker->pool, word, strcspn(word, "@#"));

    while (cut_bounce(name))
        continue;
    selector.name = name;
    return matches_any(cursor->checker->scenario, &selector);
}

void need_selector(struct cursor *cursor, struct selector *selector)
{
    struct scenario *scenario = cursor->checker->scenario;
    const char *word = cursor_peek(cursor);
    const char **names;

    selector->at = cursor_position(cursor);
    selector->name = "";
    selector->text = "";
    if (!word) {
        cursor_fail(cursor, "expected a message; the form is: %s", cursor->syntax);
        return;
    }
    read_selector(cursor, word, selector);
    if (cursor->failed)
        return;
    if (matches_any(scenario, selector)) {
        cursor->at++;
        return;
    }
    names = pool_alloc(cursor->checker->pool, (scenario->submission_count + 1) * sizeof *names);
    for (size_t i = 0; i < scenario->submission_count; i++)
        names[i] = scenario->submissions[i].name;
    complain_unknown(cursor->checker, selector->at, "message", selector->name, names);
    cursor->failed = true;
}

/* True if `submission` is for somebody whom `recipient`, a pattern, means. */
static bool is_for(const struct submission *submission, const char *recipient)
{
    for (size_t i = 0; i < submission->recipient_count; i++)
        if (pattern_matches(recipient, submission->recipients[i], true) ||
            (submission->via == VIA_APPLICATION &&
             pattern_matches(submission->recipients[i], recipient, true)))
            return true;
    return false;
}

void need_known_recipient(struct cursor *cursor, const struct selector *selector)
{
    const struct scenario *scenario = cursor->checker->scenario;

    if (!selector->recipient || selector->bounce > 0 || cursor->failed)
        return;
    for (size_t i = 0; i < scenario->message_count; i++)
        if (selector_matches(scenario, selector, i) &&
            is_for(&scenario->submissions[scenario->messages[i].submission], selector->recipient))
            return;
    complain(&cursor->checker->complaints, selector->at, "%.*s is not sent to \"%s\"",
             (int) strcspn(selector->text, "@"), selector->text, selector->recipient);
    cursor->failed = true;
}
