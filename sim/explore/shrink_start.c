/* SPDX-License-Identifier: ISC */
/* The text that shrinking starts from: one file that stands alone. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "sim/explore/shrink_steps.h"

#define INCLUDES_MAX 100
#define INLINE_MAX 2000 /* bytes of a message's file that may stand in the scenario */

/* The word without its quotes; escapes stay. */
static const char *bare_word(struct draft *draft, const struct statement *statement, size_t index)
{
    const char *word = draft_word(draft, statement, index);
    size_t length = strlen(word);
    if (length >= 2 && *word == '"')
        return pool_copy(&draft->pool, word + 1, length - 2);
    return word;
}

/* A path as seen from the file. */
static const char *path_from(struct draft *draft, const char *file, const char *path)
{
    const char *slash = strrchr(file, '/');
    if (*path == '/' || !slash)
        return path;
    return pool_format(&draft->pool, "%.*s/%s", (int) (slash - file), file, path);
}

/* --- includes ---------------------------------------------------------------------------------*/

/* Statements of another tree, which lives as long as the pool. */
static void adopt_children(struct draft *draft, size_t at, const struct statement *other)
{
    struct statement *root = &draft->tree.root;
    for (size_t i = 0; i < other->child_count; i++)
        (void) POOL_ADD(&draft->pool, root->children, root->child_count);
    memmove(root->children + at + other->child_count, root->children + at,
            (root->child_count - other->child_count - at) * sizeof(struct statement *));
    memcpy(root->children + at, other->children, other->child_count * sizeof(struct statement *));
}

static void make_paths_absolute(struct draft *draft, const struct statement *root,
                                const char *file);

static int include(struct draft *draft, size_t at, const char *file)
{
    struct statement *root = &draft->tree.root;
    struct source *source = pool_alloc(&draft->pool, sizeof *source);
    struct tree *tree = pool_alloc(&draft->pool, sizeof *tree);
    const char *path = path_from(draft, file, bare_word(draft, root->children[at], 1));
    if (source_read(&draft->pool, path, SOURCE_SIZE_MAX, source) < 0)
        return -1;
    tree_read(source, &draft->complaints, tree);
    make_paths_absolute(draft, &tree->root, path);
    statements_remove(root, at, 1);
    adopt_children(draft, at, &tree->root);
    return 0;
}

/* --- files ------------------------------------------------------------------------------------*/

static void make_absolute(struct draft *draft, struct statement *statement, size_t index,
                          const char *file)
{
    if (index >= statement->word_count)
        return;
    const char *path = path_from(draft, file, bare_word(draft, statement, index));
    char *real = realpath(path, NULL);
    if (real)
        word_set(draft, statement, index, pool_format(&draft->pool, "\"%s\"", real));
    free(real);
}

static void make_paths_absolute(struct draft *draft, const struct statement *root, const char *file)
{
    for (size_t i = 0; i < root->child_count; i++) {
        if (word_is(root->children[i], 0, "include"))
            make_absolute(draft, root->children[i], 1, file);
        else if (word_is(root->children[i], 0, "file"))
            make_absolute(draft, root->children[i], 2, file);
    }
}

/* True if lines of text can hold it: whole lines, without NUL or a CR at their end. */
static bool fits_lines(const struct source *source)
{
    if (source->size == 0 || source->size > INLINE_MAX || source->text[source->size - 1] != '\n')
        return false;
    for (size_t i = 0; i < source->size; i++)
        if (source->text[i] == 0 || (source->text[i] == '\r' && source->text[i + 1] == '\n'))
            return false;
    return true;
}

static void put_inline(struct draft *draft, struct statement *statement)
{
    struct source source;
    if (statement->word_count < 3 ||
        source_read(&draft->pool, bare_word(draft, statement, 2), INLINE_MAX, &source) < 0 ||
        !fits_lines(&source))
        return;
    for (const char *line = source.text; *line;) {
        size_t length = strcspn(line, "\n");
        struct text_line *added = POOL_ADD(&draft->pool, statement->lines, statement->line_count);
        *added = (struct text_line){.text = line, .size = length};
        line += length + 1;
    }
    statement->word_count = 2;
}

/* --- parameters -------------------------------------------------------------------------------*/

static void set_parameter(struct draft *draft, struct statement *statement,
                          const struct shrink_options *options)
{
    const char *name = draft_word(draft, statement, 1);
    for (size_t i = 0; i < options->definition_count; i++)
        if (strcmp(options->definitions[i].name, name) == 0 && statement->word_count == 3)
            word_set(draft, statement, 2,
                     pool_format(&draft->pool,
                                 strcspn(options->definitions[i].value, " #\"") <
                                         strlen(options->definitions[i].value)
                                     ? "\"%s\""
                                     : "%s",
                                 options->definitions[i].value));
}

static void replace_in_word(struct draft *draft, struct statement *statement, size_t index,
                            const char *mark, const char *value)
{
    const char *word = draft_word(draft, statement, index), *at;
    while ((at = strstr(word, mark)))
        word = pool_format(&draft->pool, "%.*s%s%s", (int) (at - word), word, value,
                           at + strlen(mark));
    word_set(draft, statement, index, word);
}

static void replace_below(struct draft *draft, struct statement *statement, const char *mark,
                          const char *value)
{
    for (size_t i = 0; i < statement->word_count; i++)
        if (memmem(statement->words[i].raw, statement->words[i].size, mark, strlen(mark)))
            replace_in_word(draft, statement, i, mark, value);
    for (size_t i = 0; i < statement->child_count; i++)
        replace_below(draft, statement->children[i], mark, value);
}

/* ${NAME} becomes what it stands for. */
static void put_parameters(struct draft *draft, const struct shrink_options *options)
{
    struct statement *root = &draft->tree.root;
    for (size_t i = 0; i < root->child_count;) {
        struct statement *statement = root->children[i];
        if (!word_is(statement, 0, "param") || statement->word_count != 3) {
            i++;
            continue;
        }
        set_parameter(draft, statement, options);
        const char *mark = pool_format(&draft->pool, "${%s}", draft_word(draft, statement, 1));
        const char *value = bare_word(draft, statement, 2);
        statements_remove(root, i, 1);
        if (!strstr(value, mark))
            replace_below(draft, root, mark, value);
    }
}

/* --- the rest ---------------------------------------------------------------------------------*/

static void drop_comments(struct statement *statement)
{
    statement->comment = NULL;
    statement->blank_before = false;
    for (size_t i = 0; i < statement->child_count;) {
        if (statement->children[i]->word_count == 0) {
            statements_remove(statement, i, 1);
        } else {
            drop_comments(statement->children[i]);
            i++;
        }
    }
}

/* Says below each host which model its disk has. */
static void set_disk(struct draft *draft, const char *model)
{
    struct statement *root = &draft->tree.root;
    for (size_t i = 0; i < root->child_count; i++) {
        struct statement *host = root->children[i];
        if (!word_is(host, 0, "host"))
            continue;
        for (size_t k = host->child_count; k-- > 0;)
            if (word_is(host->children[k], 0, "disk"))
                statements_remove(host, k, 1);
        statement_insert(draft, host, 0, pool_format(&draft->pool, "disk %s", model));
    }
}

/* Lines that say what the disk lost hold for a server that does not sync; for a right one there
 * is nothing to lose. */
static void put_if_any(struct draft *draft)
{
    const struct statement *root = &draft->tree.root;
    for (size_t i = 0; i < root->child_count; i++) {
        struct statement *statement = root->children[i];
        size_t word = crash_word(draft, statement);
        if (word > 0 && word_is(statement, word, "kill") &&
            !word_is(statement, statement->word_count - 1, "any"))
            words_replace(draft, statement, statement->word_count, 0, "if any");
        for (size_t k = 0; word > 0 && k < statement->child_count; k++)
            if (!word_is(statement->children[k], statement->children[k]->word_count - 1, "any"))
                words_replace(draft, statement->children[k], statement->children[k]->word_count, 0,
                              "if any");
    }
}

int shrink_start(struct shrinker *shrinker, const char *text, size_t size, const char **why)
{
    const struct shrink_options *options = shrinker->options;
    struct statement *root;
    struct draft draft;
    unsigned includes = 0;
    *why = "it is no scenario";
    if (draft_read(&draft, text, size) < 0)
        return -1;
    root = &draft.tree.root;
    make_paths_absolute(&draft, root, shrinker->name);
    for (size_t i = 0; i < root->child_count;) {
        if (!word_is(root->children[i], 0, "include")) {
            i++;
        } else if (includes++ == INCLUDES_MAX || include(&draft, i, shrinker->name) < 0) {
            draft_free(&draft);
            return -1;
        }
    }
    drop_comments(root);
    put_parameters(&draft, options);
    put_if_any(&draft);
    for (size_t i = 0; i < root->child_count; i++)
        if (word_is(root->children[i], 0, "file"))
            put_inline(&draft, root->children[i]);
    if (options->disk)
        set_disk(&draft, disk_model_name(options->disk));
    shrinker->text = draft_print(&draft, &shrinker->size);
    draft_free(&draft);
    return 0;
}
