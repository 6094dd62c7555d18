/* SPDX-License-Identifier: ISC */
/* Leaves out parts of a scenario: statements, lines, recipients, words. */
#include <stdlib.h>
#include <string.h>

#include "sim/explore/shrink_steps.h"

#define WORDS_TRIED 24 /* in longer statements only recipients are left out */

/* --- recipients of "sends" ---------------------------------------------------------------------*/

struct span {
    size_t at, count;
};

/* The words between `to` and what follows the recipients; none in another statement. */
static struct span recipients_of(const struct statement *statement)
{
    static const char *const ends[] = {"from", "via", "times", "every", "with"};
    struct span span = {0, 0};
    size_t at = 0;
    while (at < statement->word_count && !word_is(statement, at, "sends"))
        at++;
    while (at < statement->word_count && !word_is(statement, at, "to"))
        at++;
    if (at >= statement->word_count)
        return span;
    for (span.at = ++at; at < statement->word_count; at++, span.count++)
        for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
            if (word_is(statement, at, ends[i]))
                return span;
    return span;
}

/* --- what a person would not leave out ---------------------------------------------------------*/

/* Other domains than its own may be a host's, too. */
static bool has_domain(const struct statement *machine, const char *domain)
{
    bool own = word_is(machine, 0, "host") && word_is(machine, 2, domain);
    for (size_t i = 0; i < machine->child_count; i++)
        own |= word_is(machine->children[i], 0, "control") &&
               (word_is(machine->children[i], 1, "locals") ||
                word_is(machine->children[i], 1, "virtualdomains") ||
                word_is(machine->children[i], 1, "percenthack"));
    return own;
}

/* "user NAME", "alias NAME" and "serves DOMAIN" below machines. */
static bool is_for(const struct statement *machine, const struct statement *statement,
                   const char *address, const char *domain)
{
    size_t local = (size_t) (domain - address) - 1;
    if (word_is(statement, 0, "serves"))
        return word_is(statement, 1, domain);
    if (!word_is(statement, 0, "user") && !word_is(statement, 0, "alias"))
        return false;
    const struct word *name = &statement->words[1];
    return statement->word_count > 1 && name->size <= local &&
           memcmp(name->raw, address, name->size) == 0 &&
           (name->size == local || address[name->size] == '-') && has_domain(machine, domain);
}

static bool has_addressee(const struct draft *draft, const char *address)
{
    const char *at = strrchr(address, '@');
    for (size_t i = 0; at && i < draft->tree.root.child_count; i++) {
        const struct statement *machine = draft->tree.root.children[i];
        for (size_t k = 0; k < machine->child_count; k++)
            if (is_for(machine, machine->children[k], address, at + 1))
                return true;
    }
    return false;
}

/* Mail to one that is not there bounces, which is another story: recipients of that kind. */
static size_t count_orphans(struct draft *draft)
{
    const struct statement *root = &draft->tree.root;
    size_t count = 0;
    for (size_t i = 0; i < root->child_count; i++) {
        struct span span = recipients_of(root->children[i]);
        for (size_t k = 0; k < span.count; k++)
            count += !has_addressee(draft, draft_word(draft, root->children[i], span.at + k));
    }
    return count;
}

static bool has_words(const struct statement *statement, const char *a, const char *b)
{
    for (size_t i = 1; i + 1 < statement->word_count; i++)
        if (word_is(statement, i, a) && word_is(statement, i + 1, b))
            return true;
    return false;
}

/* Whether something is done to a machine by one of these words, before or behind its name. */
static bool is_done(const struct draft *draft, const char *name, const char *const before[3],
                    const char *const behind[3])
{
    const struct statement *root = &draft->tree.root;
    for (size_t i = 0; i < root->child_count; i++)
        for (size_t k = 0; k < 3; k++)
            if ((before[k] && has_words(root->children[i], before[k], name)) ||
                (behind[k] && has_words(root->children[i], name, behind[k])))
                return true;
    return false;
}

static bool has_disk_order(const struct draft *draft, const char *name, bool room)
{
    const struct statement *root = &draft->tree.root;
    for (size_t i = 0; i < root->child_count; i++)
        if (has_words(root->children[i], name, "disk") &&
            has_words(root->children[i], "disk", "room") == room)
            return true;
    return false;
}

/* Hosts that go down and never come up again, or have no room until the end: nobody could keep a
 * promise there. */
static size_t count_left_down(struct draft *draft)
{
    static const char *const down[3] = {"crash", "stop"}, *const is_down[3] = {"down"};
    static const char *const up[3] = {"boot", "start"}, *const is_up[3] = {"up"};
    const struct statement *root = &draft->tree.root;
    size_t count = 0;
    for (size_t i = 0; i < root->child_count; i++) {
        if (!word_is(root->children[i], 0, "host"))
            continue;
        const char *name = draft_word(draft, root->children[i], 1);
        count += is_done(draft, name, down, is_down) && !is_done(draft, name, up, is_up);
        count += has_disk_order(draft, name, false) && !has_disk_order(draft, name, true);
    }
    return count;
}

/* What a right server could not make good either. */
static size_t count_gaps(struct draft *draft)
{
    return count_orphans(draft) + count_left_down(draft);
}

/* What is allowed in writing, and that the run ends early, may be needed by a right server. */
static bool is_allowance(const struct statement *statement)
{
    return word_is(statement, 0, "allow") || word_is(statement, 0, "until");
}

/* --- statements -------------------------------------------------------------------------------*/

static struct statement *parent_of_list(struct draft *draft, const struct shrink_list *list)
{
    return list->statement == SIZE_MAX ? &draft->tree.root
                                       : draft_statement(draft, list->statement);
}

static size_t count_children(struct draft *draft, const struct shrink_list *list)
{
    struct statement *parent = parent_of_list(draft, list);
    return parent ? parent->child_count : 0;
}

/* Whether mail goes to a domain of that remote. */
static bool is_used(struct draft *draft, const struct statement *remote)
{
    const struct statement *root = &draft->tree.root;
    for (size_t i = 0; i < root->child_count; i++) {
        struct span span = recipients_of(root->children[i]);
        for (size_t k = 0; k < span.count; k++) {
            const char *at = strrchr(draft_word(draft, root->children[i], span.at + k), '@');
            for (size_t c = 0; at && c < remote->child_count; c++)
                if (word_is(remote->children[c], 0, "serves") &&
                    word_is(remote->children[c], 1, at + 1))
                    return true;
        }
    }
    return false;
}

/* What an expectation expects may hang on any rule and control file: only what has to do with other
 * messages may go. */
static bool may_matter(struct draft *draft, const struct statement *statement)
{
    static const char *const words[] = {"expect", "user", "alias", "host", "client"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (word_is(statement, 0, words[i]))
            return false;
    if (word_is(statement, 0, "remote"))
        return is_used(draft, statement);
    return recipients_of(statement).count == 0;
}

static bool stays(const struct shrink_list *list, struct draft *draft,
                  const struct statement *statement)
{
    if (is_allowance(statement))
        return true;
    return !list->shrinker->reason.promise && may_matter(draft, statement);
}

static bool drop_children(struct draft *draft, const struct shrink_list *list, size_t at,
                          size_t count)
{
    struct statement *parent = parent_of_list(draft, list);
    size_t gaps = count_gaps(draft);
    for (size_t i = at; i < at + count; i++)
        if (stays(list, draft, parent->children[i]))
            return false;
    statements_remove(parent, at, count);
    return count_gaps(draft) <= gaps;
}

static size_t count_lines(struct draft *draft, const struct shrink_list *list)
{
    struct statement *statement = draft_statement(draft, list->statement);
    return statement ? statement->line_count : 0;
}

static bool drop_lines(struct draft *draft, const struct shrink_list *list, size_t at, size_t count)
{
    lines_remove(draft_statement(draft, list->statement), at, count);
    return true;
}

/* What is expected says nothing when a promise is broken. */
static void drop_expectations(struct shrinker *shrinker)
{
    struct draft draft;
    shrink_open(shrinker, &draft);
    struct statement *root = &draft.tree.root;
    for (size_t i = root->child_count; i-- > 0;)
        if (word_is(root->children[i], 0, "expect") || word_is(root->children[i], 0, "scenario"))
            statements_remove(root, i, 1);
    shrink_offer_repaired(shrinker, &draft);
}

void shrink_statements(struct shrinker *shrinker)
{
    struct shrink_list top = {count_children, drop_children, SIZE_MAX, shrinker};
    struct draft draft;
    bool more = true;
    if (shrinker->reason.promise)
        drop_expectations(shrinker);
    shrink_list(shrinker, &top);
    for (size_t i = 0; more && !shrinker->exhausted; i++) {
        struct shrink_list children = {count_children, drop_children, i, shrinker};
        struct shrink_list lines = {count_lines, drop_lines, i, shrinker};
        shrink_list(shrinker, &children);
        shrink_list(shrinker, &lines);
        shrink_open(shrinker, &draft);
        more = draft_statement(&draft, i) != NULL;
        draft_free(&draft);
    }
}

/* --- recipients -------------------------------------------------------------------------------*/

static size_t count_recipients(struct draft *draft, const struct shrink_list *list)
{
    struct statement *statement = draft_statement(draft, list->statement);
    return statement ? recipients_of(statement).count : 0;
}

static bool drop_recipients(struct draft *draft, const struct shrink_list *list, size_t at,
                            size_t count)
{
    struct statement *statement = draft_statement(draft, list->statement);
    struct span span = recipients_of(statement);
    if (count == span.count)
        return false; /* that is the statement's end */
    words_replace(draft, statement, span.at + at, count, "");
    return true;
}

void shrink_recipients(struct shrinker *shrinker)
{
    struct draft draft;
    shrink_open(shrinker, &draft);
    size_t count = draft.tree.root.child_count, total = 0;
    while (draft_statement(&draft, total))
        total++;
    draft_free(&draft);
    for (size_t i = 0; count > 0 && i < total; i++) {
        struct shrink_list list = {count_recipients, drop_recipients, i, shrinker};
        shrink_list(shrinker, &list);
    }
}

/* --- optional words ---------------------------------------------------------------------------*/

/* Without these a statement says less to the reader, not only to the machine. */
static bool words_stay(const struct statement *statement)
{
    static const char *const words[] = {"host",   "remote", "client", "user", "scenario",
                                        "record", "lose",   "keep",   "find", "disk"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (word_is(statement, 0, words[i]))
            return true;
    return statement->word_count > WORDS_TRIED || is_boot_after_crash(statement);
}

/* "keep all" of a crash, and recipients, have steps of their own. */
static bool part_stays(const struct statement *statement, size_t at, size_t count)
{
    struct span span = recipients_of(statement);
    for (size_t i = at; i < at + count; i++)
        if (word_is(statement, i, "keep") || word_is(statement, i, "if") ||
            word_is(statement, i, "any") || word_is(statement, i, "first") ||
            (i >= span.at && i < span.at + span.count))
            return true;
    return false;
}

/* Tries without `count` words from `at` on.  -1: there is no such statement. */
static int drop_words(struct shrinker *shrinker, size_t index, size_t at, size_t count)
{
    struct draft draft;
    shrink_open(shrinker, &draft);
    struct statement *statement = draft_statement(&draft, index);
    if (!statement || at + count > statement->word_count || words_stay(statement) ||
        part_stays(statement, at, count)) {
        draft_free(&draft);
        return statement ? 0 : -1;
    }
    words_replace(&draft, statement, at, count, "");
    return shrink_offer(shrinker, &draft);
}

static size_t count_words(struct shrinker *shrinker, size_t index)
{
    struct draft draft;
    shrink_open(shrinker, &draft);
    struct statement *statement = draft_statement(&draft, index);
    size_t count = statement ? statement->word_count : 0;
    if (statement && words_stay(statement))
        count = 1;
    draft_free(&draft);
    return count;
}

void shrink_words(struct shrinker *shrinker)
{
    size_t words;
    for (size_t i = 0; (words = count_words(shrinker, i)) > 0; i++)
        for (size_t count = words - 1; count > 0; count--)
            for (size_t at = 1; at + count <= words && !shrinker->exhausted; at++)
                if (drop_words(shrinker, i, at, count) > 0)
                    words = count_words(shrinker, i);
}
