/* SPDX-License-Identifier: ISC */
/* What a scenario tells, and what breaks in it, in plain words. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "sim/explore/shrink_steps.h"

/* --- when
 * ---------------------------------------------------------------------------------------*/

static const char *event_words(const char *event, bool before)
{
    static const struct {
        const char *event, *after, *before;
    } events[] = {{"accepted", "is accepted", ""},     {"delivered", "is delivered", ""},
                  {"bounced", "has bounced", ""},      {"tried", "has been tried", ""},
                  {"enters", "has entered", "enters"}, {"durable", "is durable in", ""},
                  {"takes", "has taken", "takes"},     {"connected", "is connected to", ""}};
    for (size_t i = 0; i < sizeof events / sizeof *events; i++)
        if (strcmp(events[i].event, event) == 0)
            return before ? events[i].before : events[i].after;
    return "";
}

static bool is_time(const char *word)
{
    struct moment moment;
    return isdigit((unsigned char) *word) && time_parse(word, &moment) == 0;
}

/* "after m1 accepted" in words: "when m1 is accepted"; `word` is where what happens begins. */
static const char *moment_words(struct draft *draft, const struct statement *crash, size_t word)
{
    const char *who = draft_word(draft, crash, 1), *event = draft_word(draft, crash, 2);
    const char *last = draft_word(draft, crash, word - 1);
    if (word_is(crash, 0, "at"))
        return pool_format(&draft->pool, "%s after the start", who);
    if (strcmp(who, "crash") == 0)
        return pool_format(&draft->pool, "%s later", event);
    const char *when = word_is(crash, 0, "before") ? "just before " : "when ";
    if (is_time(last))
        when = pool_format(&draft->pool, "%s after ", last);
    const char *what =
        word > 3 && !is_time(draft_word(draft, crash, 3)) ? draft_word(draft, crash, 3) : "";
    return pool_format(&draft->pool, "%s%s %s%s%s", when, who,
                       event_words(event, word_is(crash, 0, "before")), *what ? " " : "", what);
}

/* --- what -------------------------------------------------------------------------------------*/

/* "*" "/todo/1: entry added" as "todo/1". */
static const char *thing_words(struct draft *draft, const char *pattern)
{
    size_t skip = strncmp(pattern, "\"*/", 3) == 0 ? 3 : *pattern == '"';
    size_t length = strcspn(pattern + skip, ":\"");
    return pool_copy(&draft->pool, pattern + skip, length);
}

static const char *pin_words(struct draft *draft, const struct statement *pin)
{
    size_t at = word_is(pin, 0, "find") ? 2 : 1;
    const char *pattern = draft_word(draft, pin, at), *thing = thing_words(draft, pattern);
    bool torn = strstr(pattern, ": write of") != NULL;
    bool removed = strstr(pattern, "entry removed") != NULL;
    if (word_is(pin, 0, "keep"))
        return NULL;
    if (at == 1)
        return pool_format(&draft->pool, "%s %s", thing,
                           removed ? "is there again"
                           : torn  ? "has not what was written"
                                   : "is not there");
    return pool_format(&draft->pool, "%s %s", thing,
                       torn ? "holds something else" : "leads to another file");
}

/* What is found on the disk. */
static const char *disk_words(struct draft *draft, const struct statement *crash, size_t word)
{
    const char *lost = NULL;
    for (size_t i = 0; i < crash->child_count; i++) {
        const char *words = pin_words(draft, crash->children[i]);
        if (words)
            lost = pool_format(&draft->pool, "%s%s%s", lost ? lost : "", lost ? ", " : "", words);
    }
    if (lost)
        return pool_format(&draft->pool, "; on the disk %s", lost);
    if (word_is(crash, word + 4, "all"))
        return ", and the disk has all that was written";
    return ", and what was not durable is lost";
}

static const char *crash_words(struct draft *draft, const struct statement *crash, size_t word)
{
    if (word_is(crash, word, "kill"))
        return pool_format(&draft->pool, "nixie-%s is killed", draft_word(draft, crash, word + 1));
    if (word_is(crash, word + 2, "programs"))
        return "every program is killed";
    return "the power goes";
}

static char *capital(struct draft *draft, const char *text)
{
    char *copy = pool_text(&draft->pool, text);
    if (strncmp(text, "nixie-", 6) != 0)
        *copy = (char) toupper((unsigned char) *copy);
    return copy;
}

const char *story_happens(struct draft *draft)
{
    const struct statement *root = &draft->tree.root;
    const char *words = NULL;
    for (size_t i = 0; i < root->child_count; i++) {
        const struct statement *crash = root->children[i];
        size_t word = crash_word(draft, crash);
        if (word == 0)
            continue;
        const char *one =
            pool_format(&draft->pool, "%s %s%s", crash_words(draft, crash, word),
                        moment_words(draft, crash, word),
                        word_is(crash, word + 2, "power") ? disk_words(draft, crash, word) : "");
        words = words ? pool_format(&draft->pool, "%s.  Then %s", words, one) : capital(draft, one);
    }
    return words;
}

/* --- what breaks
 * --------------------------------------------------------------------------------*/

/* The message without when it was, and without the numbers of spool files. */
static const char *message_words(struct draft *draft, const char *message)
{
    char *words = pool_text(&draft->pool, message), *kept = words;
    for (const char *at = words; *at;) {
        size_t digits = strncmp(at, " (", 2) == 0 ? strspn(at + 2, "0123456789") : 0;
        if (digits > 0 && at[2 + digits] == ')')
            at += digits + 3;
        else if (strncmp(at, " (at +", 6) == 0 && strchr(at, ')'))
            at = strchr(at, ')') + 1;
        else
            *kept++ = *at++;
    }
    *kept = 0;
    return words;
}

/* "m1 was accepted for bob@x and is gone: todo/1 unsynced" as a story tells it. */
static const char *loss_words(struct draft *draft, const char *message)
{
    static const char told[] = ": its client was told that it is accepted for ";
    static const char accepted[] = " was accepted for ", gone[] = " and is gone";
    const char *mark = strstr(message, told), *end;
    if (mark && (end = strchr(mark + sizeof told - 1, ',')))
        return pool_format(&draft->pool,
                           "%.*s never gets %.*s: its client was told that it is accepted%s",
                           (int) (end - mark - (long) sizeof told + 1), mark + sizeof told - 1,
                           (int) (mark - message), message, end);
    mark = strstr(message, accepted);
    if (!mark || !(end = strstr(mark, gone)))
        return message;
    const char *lost = end + sizeof gone - 1;
    size_t length = strcspn(lost, " ");
    if (*lost == ':')
        length = 2 + strcspn(lost + 2, " ");
    return pool_format(&draft->pool, "%.*s never gets %.*s, which was accepted%.*s%s",
                       (int) (end - mark - (long) sizeof accepted + 1), mark + sizeof accepted - 1,
                       (int) (mark - message), message, (int) length, lost,
                       *lost == ':' ? " was not durable" : "");
}

/* "after a power loss ", or "". */
static const char *upset_words(struct draft *draft)
{
    const struct statement *root = &draft->tree.root, *last = NULL;
    size_t count = 0, word = 0;
    for (size_t i = 0; i < root->child_count; i++) {
        size_t at = crash_word(draft, root->children[i]);
        if (at == 0)
            continue;
        count++;
        last = root->children[i];
        word = at;
    }
    if (count == 0)
        return "";
    if (count > 1)
        return "After two crashes ";
    if (word_is(last, word, "kill"))
        return pool_format(&draft->pool, "After nixie-%s was killed ",
                           draft_word(draft, last, word + 1));
    return word_is(last, word + 2, "programs") ? "After every program was killed "
                                               : "After a power loss ";
}

const char *story_breaks(struct draft *draft, const struct failure *failure)
{
    const char *message = message_words(draft, failure->message);
    if (failure->promise && strcmp(failure->promise, "LOST") == 0)
        message = loss_words(draft, message);
    return pool_format(&draft->pool, "%s%s", upset_words(draft), message);
}

const char *story_title(struct draft *draft, const struct failure *failure, const char *subject,
                        size_t length)
{
    static const struct {
        const char *promise, *words;
    } known[] = {{"LOST", "is lost"},
                 {"STUCK", "never comes to its end"},
                 {"CHANGED", "is changed"},
                 {"REFUSED", "comes out, though it was refused"},
                 {"DUPLICATE", "comes twice"},
                 {"SCHEDULE", "is not tried when it should be"},
                 {"STAGE", "is in none of S1 to S5"},
                 {"EARLY", "is delivered before it is durable"},
                 {"UNDONE", "leaves todo too early"}};
    const struct statement *root = &draft->tree.root;
    const char *what = message_words(draft, failure->message), *crash = NULL;
    for (size_t i = 0; subject && i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i].promise, failure->promise) == 0)
            what = pool_format(&draft->pool, "%s %s", subject, known[i].words);
    for (size_t i = 0; i < root->child_count; i++) {
        size_t word = crash_word(draft, root->children[i]);
        if (word > 0)
            crash = pool_format(&draft->pool, "%s%s%s %s", crash ? crash : "",
                                crash ? ", then " : "", crash_words(draft, root->children[i], word),
                                moment_words(draft, root->children[i], word));
    }
    const char *title = crash ? pool_format(&draft->pool, "%s: %s", what, crash) : what;
    return strlen(title) <= length ? title : what;
}
