/* SPDX-License-Identifier: ISC */
/* How the file looks in the end: what it is about, in words, and its layout. */
#include <stdlib.h>
#include <string.h>

#include "sim/explore/shrink_steps.h"
#include "sim/world/oracles.h"

#define COLUMNS 110

/* --- layout -----------------------------------------------------------------------------------*/

static int group_of(struct draft *draft, const struct statement *statement)
{
    static const char *const first[] = {"scenario", "clock", "file",  "host",   "remote",
                                        "client",   "dns",   "fault", "network"};
    static const int group[] = {0, 1, 1, 2, 3, 4, 5, 6, 6};
    for (size_t i = 0; i < sizeof first / sizeof *first; i++)
        if (word_is(statement, 0, first[i]))
            return group[i];
    if (word_is(statement, 0, "expect") || word_is(statement, 0, "allow"))
        return 9;
    if (word_is(statement, 0, "until"))
        return 1;
    return crash_word(draft, statement) || word_is(statement, 1, "crash") ? 8 : 7;
}

/* Statements of one kind together, in the order of the hand-written ones. */
static void sort_statements(struct draft *draft, bool crashes)
{
    struct statement *root = &draft->tree.root;
    for (size_t i = 1; i < root->child_count; i++)
        for (size_t k = i; k > 0; k--) {
            struct statement *one = root->children[k - 1], *other = root->children[k];
            int above = group_of(draft, one), below = group_of(draft, other);
            if (above <= below || (!crashes && above == 8 && below == 7))
                break;
            root->children[k - 1] = other;
            root->children[k] = one;
        }
}

/* "after crash 1s boot mail" comes behind the first crash, as it happens. */
static void place_boots(struct draft *draft)
{
    struct statement *root = &draft->tree.root;
    size_t first = 0;
    while (first < root->child_count && !crash_word(draft, root->children[first]))
        first++;
    for (size_t i = first + 2; i < root->child_count; i++) {
        struct statement *boot = root->children[i];
        if (!is_boot_after_crash(boot))
            continue;
        memmove(root->children + first + 2, root->children + first + 1,
                (i - first - 1) * sizeof(struct statement *));
        root->children[++first] = boot;
    }
}

static void set_blank_lines(struct draft *draft)
{
    struct statement *root = &draft->tree.root;
    for (size_t i = 0; i < root->child_count; i++) {
        const struct statement *above = i ? root->children[i - 1] : NULL;
        root->children[i]->blank_before =
            above && (group_of(draft, above) != group_of(draft, root->children[i]) ||
                      (word_is(above, 0, "host") && above->child_count > 0));
    }
}

static void lay_out(struct shrinker *shrinker)
{
    for (int crashes = 1; crashes >= 0; crashes--) {
        struct draft draft;
        shrink_open(shrinker, &draft);
        sort_statements(&draft, crashes);
        place_boots(&draft);
        set_blank_lines(&draft);
        if (shrink_offer(shrinker, &draft))
            return;
    }
}

/* --- title and comment ------------------------------------------------------------------------*/

/* In quotes, as a word. */
static const char *quoted(struct draft *draft, const char *text)
{
    char *word = pool_alloc(&draft->pool, strlen(text) * 2 + 3), *to = word;
    *to++ = '"';
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            *to++ = '\\';
        *to++ = *text;
    }
    *to = '"';
    return word;
}

static void put_title(struct shrinker *shrinker, struct draft *draft)
{
    struct statement *root = &draft->tree.root;
    if (!shrinker->reason.promise)
        return; /* it has the title that it had */
    const char *title = shrinker->options->title;
    if (!title)
        title = story_title(draft, &shrinker->failure, shrinker->subject, COLUMNS - 11);
    for (size_t i = root->child_count; i-- > 0;)
        if (word_is(root->children[i], 0, "scenario"))
            statements_remove(root, i, 1);
    struct statement *statement = statement_insert(draft, root, 0, "scenario");
    words_replace(draft, statement, 1, 0, quoted(draft, title));
}

static void add_comment(struct draft *draft, size_t at, const char *text, size_t size)
{
    struct statement *comment = statement_insert(draft, &draft->tree.root, at, "");
    comment->comment = pool_format(&draft->pool, "# %.*s", (int) size, text);
    comment->comment_size = strlen(comment->comment);
}

/* As comments from the child `at` on, broken into lines.  Returns behind the last. */
static size_t put_comment(struct draft *draft, size_t at, const char *text)
{
    while (*text) {
        size_t size = strlen(text);
        if (size > COLUMNS)
            for (size = COLUMNS; size > 0 && text[size] != ' '; size--)
                ;
        if (size == 0)
            size = strlen(text);
        size_t shown = size;
        while (shown > 0 && text[shown - 1] == ' ')
            shown--;
        add_comment(draft, at++, text, shown);
        text += size;
        text += strspn(text, " ");
    }
    return at;
}

static const char *promise_words(const char *promise)
{
    for (size_t i = 0; promise && i < oracle_count; i++)
        if (strcmp(oracles[i].name, promise) == 0)
            return oracles[i].statement;
    return NULL;
}

static const char *run_words(struct shrinker *shrinker, struct draft *draft)
{
    const char *seed = "", *schedule = "";
    if (shrinker->run.seed != 1)
        seed = pool_format(&draft->pool, " --seed %llu", (unsigned long long) shrinker->run.seed);
    if (shrinker->run.policy != SCHEDULE_ROUND_ROBIN)
        schedule = pool_format(&draft->pool, " --schedule %s", schedule_name(shrinker->run.policy));
    return pool_format(&draft->pool, "`nixie run%s%s%s`", seed, schedule,
                       shrinker->run.knobs ? " --knobs" : "");
}

static void put_comments(struct shrinker *shrinker, struct draft *draft)
{
    const char *promise = shrinker->failure.promise, *rule = promise_words(promise);
    const char *happens = story_happens(draft), *run = run_words(shrinker, draft);
    size_t at =
        put_comment(draft, 0,
                    pool_format(&draft->pool, "%s.%s%s%s", story_breaks(draft, &shrinker->failure),
                                happens ? "  " : "", happens ? happens : "", happens ? "." : ""));
    if (rule)
        put_comment(draft, at,
                    pool_format(&draft->pool, "%s fails until %s holds: %s", run, promise, rule));
    else
        put_comment(draft, at, pool_format(&draft->pool, "%s fails as long as it is so.", run));
}

/* --- paths
 * --------------------------------------------------------------------------------------*/

/* `path` as seen from `folder`, both from the root on; `path` itself if they share nothing. */
static const char *path_from(struct draft *draft, const char *folder, const char *path)
{
    size_t same = 0;
    for (size_t i = 0; folder[i] == path[i] && path[i]; i++)
        if (path[i] == '/')
            same = i + 1;
    size_t length = strlen(folder);
    if (strncmp(folder, path, length) == 0 && path[length] == '/')
        return path + length + 1;
    if (same <= 1)
        return path;
    const char *up = "";
    for (const char *at = folder + same; at; at = strchr(at + 1, '/'))
        up = pool_format(&draft->pool, "../%s", up);
    return pool_format(&draft->pool, "%s%s", up, path + same);
}

/* Paths of files, which are from the root on, as seen from where the result will stand. */
static void set_paths(struct shrinker *shrinker)
{
    struct draft draft;
    shrink_open(shrinker, &draft);
    const char *slash = strrchr(shrinker->name, '/');
    const char *folder = shrinker->options->folder;
    if (!folder)
        folder =
            slash ? pool_copy(&draft.pool, shrinker->name, (size_t) (slash - shrinker->name)) : ".";
    char *real = realpath(folder, NULL);
    bool any = false;
    for (size_t i = 0; real && i < draft.tree.root.child_count; i++) {
        struct statement *file = draft.tree.root.children[i];
        const char *path = draft_word(&draft, file, 2);
        if (!word_is(file, 0, "file") || strncmp(path, "\"/", 2) != 0)
            continue;
        path = path_from(&draft, real, pool_copy(&draft.pool, path + 1, strlen(path) - 2));
        any = true;
        word_set(&draft, file, 2,
                 strpbrk(path, " #\"\\$") ? pool_format(&draft.pool, "\"%s\"", path) : path);
    }
    free(real);
    const char *name = shrinker->name;
    char *there = must_alloc(strlen(folder) + sizeof "/scenario");
    sprintf(there, "%s/scenario", folder);
    shrinker->name = there;
    if (any)
        shrink_offer(shrinker, &draft);
    else
        draft_free(&draft);
    shrinker->name = name;
    free(there);
}

void shrink_tell(struct shrinker *shrinker)
{
    struct draft draft;
    shrinker->runs_max += 10; /* these must take place */
    shrinker->deadline_ns += 10 * NANOSECONDS;
    shrinker->exhausted = false;
    shrinker->step = "layout";
    lay_out(shrinker);
    shrink_open(shrinker, &draft);
    put_title(shrinker, &draft);
    set_blank_lines(&draft);
    put_comments(shrinker, &draft);
    shrink_offer(shrinker, &draft);
    set_paths(shrinker);
}
