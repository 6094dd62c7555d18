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
    const char *at = strchr(who, '@');
    if (at) /* m1@bob@example.com */
        return pool_format(&draft->pool, "when %.*s is delivered to %s", (int) (at - who), who,
                           at + 1);
    if (word > 4 && word_is(crash, 2, "tried") && word_is(crash, 3, "at"))
        return pool_format(&draft->pool, "when %s has been tried for %s", who,
                           draft_word(draft, crash, 4));
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
                           : torn  ? "lacks what was written"
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

static const char *ordinal(struct draft *draft, const char *number)
{
    static const char *const words[] = {"first", "second", "third"};
    return number[1] == 0 && *number >= '1' && *number <= '3'
               ? words[*number - '1']
               : pool_format(&draft->pool, "%s-th", number);
}

/* "the third fsync of nixie-queue fails with EIO", of "fault queue fsync 3 EIO". */
static const char *fault_words(struct draft *draft, const struct statement *fault)
{
    static const struct {
        const char *word, *words;
    } kinds[] = {{"short", "moves only a part"},
                 {"clock", "meets a clock that was set"},
                 {"lost", "says that it went well, and nothing arrives"},
                 {"reset", "meets a connection that breaks"}};
    const char *program = draft_word(draft, fault, 1), *call = draft_word(draft, fault, 2);
    const char *kind = draft_word(draft, fault, 4), *words = NULL, *path = "";
    const char *who = strcmp(program, "any") == 0 ? "any program"
                                                  : pool_format(&draft->pool, "nixie-%s", program);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i].word, kind) == 0)
            words = kinds[i].words;
    if (strcmp(kind, "slow") == 0)
        words = pool_format(&draft->pool, "takes %s longer", draft_word(draft, fault, 5));
    if (strcmp(call, "allocation") == 0)
        words = "fails";
    for (size_t i = 4; i + 1 < fault->word_count; i++)
        if (word_is(fault, i, "path"))
            path = pool_format(&draft->pool, " in %s", draft_word(draft, fault, i + 1));
    if (!words)
        words = pool_format(&draft->pool, "fails with %s", kind);
    return pool_format(&draft->pool, "the %s %s of %s%s %s",
                       ordinal(draft, draft_word(draft, fault, 3)),
                       strcmp(call, "any") == 0 ? "call" : call, who, path, words);
}

const char *story_happens(struct draft *draft)
{
    const struct statement *root = &draft->tree.root;
    const char *words = NULL;
    for (size_t i = 0; i < root->child_count; i++) {
        const struct statement *crash = root->children[i];
        size_t word = crash_word(draft, crash);
        const char *one = NULL;
        if (word_is(crash, 0, "fault"))
            one = fault_words(draft, crash);
        else if (word > 0)
            one = pool_format(&draft->pool, "%s %s%s", crash_words(draft, crash, word),
                              moment_words(draft, crash, word),
                              word_is(crash, word + 2, "power") ? disk_words(draft, crash, word)
                                                                : "");
        if (!one)
            continue;
        words = words ? pool_format(&draft->pool, "%s.  Then %s", words, one) : capital(draft, one);
    }
    return words;
}

/* --- what breaks
 * --------------------------------------------------------------------------------*/

/* "/home/bob/Maildir/new/1767225601.M1P2.mail" is a file in its folder: its length, or 0. */
static size_t maildir_file(const char *at, const char **folder_end)
{
    size_t length = strcspn(at, " ,:;");
    const char *slash = NULL;
    if (*at != '/')
        return 0;
    for (size_t i = 0; i < length; i++)
        if (at[i] == '/')
            slash = at + i;
    *folder_end = slash;
    return slash > at && strspn(slash + 1, "0123456789") >= 8 ? length : 0;
}

/* The message without when it was, and without the numbers of spool files. */
static const char *message_words(struct draft *draft, const char *message)
{
    char *words = pool_alloc(&draft->pool, strlen(message) * 2 + 20), *kept = words;
    for (const char *at = message; *at;) {
        const char *end;
        size_t file = maildir_file(at, &end);
        if (file > 0) {
            kept += sprintf(kept, "a file in %.*s", (int) (end - at), at);
            at += file;
            continue;
        }
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
    static const char submitted[] = ": its submitter ended with 0";
    static const char accepted[] = " was accepted for ", gone[] = " and is gone";
    const char *mark = strstr(message, told), *end;
    if (mark && (end = strchr(mark + sizeof told - 1, ',')))
        return pool_format(&draft->pool,
                           "%.*s never gets %.*s: its client was told that it is accepted%s",
                           (int) (end - mark - (long) sizeof told + 1), mark + sizeof told - 1,
                           (int) (mark - message), message, end);
    mark = strstr(message, submitted);
    if (mark)
        return pool_format(&draft->pool, "%.*s is gone%s", (int) (mark - message), message, mark);
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

/* The crashes and faults of the file, counted. */
struct upsets {
    size_t powers, all, kills, faults;
    const char *program; /* of all kills, or NULL */
};

static struct upsets count_upsets(struct draft *draft)
{
    const struct statement *root = &draft->tree.root;
    struct upsets upsets = {0};
    for (size_t i = 0; i < root->child_count; i++) {
        size_t word = crash_word(draft, root->children[i]);
        upsets.faults += word_is(root->children[i], 0, "fault");
        if (word == 0)
            continue;
        if (word_is(root->children[i], word, "kill")) {
            const char *program = draft_word(draft, root->children[i], word + 1);
            bool same = upsets.program && strcmp(upsets.program, program) == 0;
            upsets.program = upsets.kills == 0 || same ? program : NULL;
            upsets.kills++;
        } else if (word_is(root->children[i], word + 2, "programs")) {
            upsets.all++;
        } else {
            upsets.powers++;
        }
    }
    return upsets;
}

/* "After a power loss ", or "". */
static const char *upset_words(struct draft *draft)
{
    struct upsets upsets = count_upsets(draft);
    size_t count = upsets.powers + upsets.all + upsets.kills + upsets.faults;
    const char *often = count == 1 ? "" : count == 2 ? " twice" : " several times";
    if (count == 0)
        return "";
    if (upsets.powers == count)
        return count == 1   ? "After a power loss "
               : count == 2 ? "After two power losses "
                            : "After several power losses ";
    if (upsets.faults == count)
        return count == 1 ? "After a fault " : "After faults ";
    if (upsets.all == count)
        return pool_format(&draft->pool, "After every program was killed%s ", often);
    if (upsets.kills == count && upsets.program)
        return pool_format(&draft->pool, "After nixie-%s was killed%s ", upsets.program, often);
    return "After all that goes wrong here ";
}

const char *story_breaks(struct draft *draft, const struct failure *failure)
{
    const char *message = message_words(draft, failure->message);
    if (failure->promise && strcmp(failure->promise, "LOST") == 0)
        message = loss_words(draft, message);
    const char *upset = upset_words(draft);
    if (!*upset && strncmp(message, "a ", 2) == 0)
        return capital(draft, message);
    return pool_format(&draft->pool, "%s%s", upset, message);
}

/* Of the message that it is about: "m1.bounce". */
static const char *full_subject(struct draft *draft, const char *message, const char *subject)
{
    const char *at = strstr(message, subject);
    size_t length = at ? strlen(subject) : 0;
    while (at && strncmp(at + length, ".bounce", 7) == 0)
        length += 7;
    return at ? pool_copy(&draft->pool, at, length) : subject;
}

/* What breaks, in a few words. */
static const char *short_words(struct draft *draft, const struct failure *failure,
                               const char *subject, size_t length)
{
    static const struct {
        const char *promise, *words, *otherwise; /* without a subject, and if the message is long */
    } known[] = {{"LOST", "is lost", NULL},
                 {"STUCK", "never comes to its end", NULL},
                 {"CHANGED", "is changed", NULL},
                 {"REFUSED", "comes out, though it was refused", NULL},
                 {"DUPLICATE", "comes twice", NULL},
                 {"SCHEDULE", "is not tried when it should be", NULL},
                 {"STAGE", "is in none of S1 to S5", NULL},
                 {"EARLY", "is delivered before it is durable", NULL},
                 {"UNDONE", "leaves todo too early", NULL},
                 {"RELAY", "is relayed for a stranger", NULL},
                 {"BOUNCE", "bounces with a wrong report", NULL},
                 {"INVENTED", NULL, "mail comes out that nobody sent"},
                 {"LEAK", NULL, "a descriptor leaks"}};
    const char *message = message_words(draft, failure->message);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(known[i].promise, failure->promise) != 0)
            continue;
        if (known[i].words && subject)
            return pool_format(&draft->pool, "%s %s",
                               full_subject(draft, failure->message, subject), known[i].words);
        if (known[i].otherwise && strlen(message) > length / 2)
            return known[i].otherwise;
    }
    if (strlen(message) <= length)
        return message;
    return pool_copy(&draft->pool, message, strcspn(message, ":;"));
}

const char *story_title(struct draft *draft, const struct failure *failure, const char *subject,
                        size_t length)
{
    const struct statement *root = &draft->tree.root;
    const char *what = short_words(draft, failure, subject, length), *crash = NULL;
    for (size_t i = 0; i < root->child_count; i++) {
        size_t word = crash_word(draft, root->children[i]);
        if (word > 0)
            crash = pool_format(&draft->pool, "%s%s%s %s", crash ? crash : "",
                                crash ? ", then " : "", crash_words(draft, root->children[i], word),
                                moment_words(draft, root->children[i], word));
        else if (word_is(root->children[i], 0, "fault"))
            crash = pool_format(&draft->pool, "%s%s%s", crash ? crash : "", crash ? ", then " : "",
                                fault_words(draft, root->children[i]));
    }
    const char *title = crash ? pool_format(&draft->pool, "%s: %s", what, crash) : what;
    return strlen(title) <= length ? title : what;
}
