/* SPDX-License-Identifier: ISC */
#include "sim/explore/draft.h"

#include <stdlib.h>
#include <string.h>

int draft_read(struct draft *draft, const char *text, size_t size)
{
    memset(draft, 0, sizeof *draft);
    draft->complaints.pool = &draft->pool;
    draft->source = (struct source){"draft", pool_copy(&draft->pool, text, size), size};
    tree_read(&draft->source, &draft->complaints, &draft->tree);
    if (draft->complaints.total == 0)
        return 0;
    draft_free(draft);
    return -1;
}

void draft_free(struct draft *draft)
{
    pool_free(&draft->pool);
}

char *draft_print(const struct draft *draft, size_t *size)
{
    char *text = NULL;
    FILE *to = open_memstream(&text, size);
    if (!to)
        abort();
    tree_print(&draft->tree, to);
    fclose(to);
    return text;
}

/* --- words ------------------------------------------------------------------------------------*/

const char *draft_word(struct draft *draft, const struct statement *statement, size_t index)
{
    if (index >= statement->word_count)
        return "";
    return pool_copy(&draft->pool, statement->words[index].raw, statement->words[index].size);
}

bool word_is(const struct statement *statement, size_t index, const char *text)
{
    return index < statement->word_count && statement->words[index].size == strlen(text) &&
           memcmp(statement->words[index].raw, text, strlen(text)) == 0;
}

static struct word word_of(struct draft *draft, const char *text, size_t size)
{
    return (struct word){
        .raw = pool_copy(&draft->pool, text, size), .size = size, .quoted = *text == '"'};
}

void word_set(struct draft *draft, struct statement *statement, size_t index, const char *text)
{
    statement->words[index] = word_of(draft, text, strlen(text));
}

/* The end of the word that begins at `text`, which may be quoted. */
static const char *word_end(const char *text)
{
    if (*text != '"')
        return text + strcspn(text, " ");
    for (text++; *text && *text != '"'; text++)
        text += *text == '\\' && text[1];
    return text + (*text == '"');
}

void words_replace(struct draft *draft, struct statement *statement, size_t index, size_t count,
                   const char *text)
{
    struct word *words = NULL;
    size_t used = 0;
    for (size_t i = 0; i < index; i++)
        *POOL_ADD(&draft->pool, words, used) = statement->words[i];
    while (text[strspn(text, " ")]) {
        const char *end;
        text += strspn(text, " ");
        end = word_end(text);
        *POOL_ADD(&draft->pool, words, used) = word_of(draft, text, (size_t) (end - text));
        text = end;
    }
    for (size_t i = index + count; i < statement->word_count; i++)
        *POOL_ADD(&draft->pool, words, used) = statement->words[i];
    statement->words = words;
    statement->word_count = used;
}

/* --- statements -------------------------------------------------------------------------------*/

struct statement *statement_insert(struct draft *draft, struct statement *parent, size_t index,
                                   const char *text)
{
    struct statement *statement = pool_alloc(&draft->pool, sizeof *statement);
    words_replace(draft, statement, 0, 0, text);
    (void) POOL_ADD(&draft->pool, parent->children, parent->child_count);
    memmove(parent->children + index + 1, parent->children + index,
            (parent->child_count - 1 - index) * sizeof(struct statement *));
    parent->children[index] = statement;
    return statement;
}

void statements_remove(struct statement *parent, size_t index, size_t count)
{
    memmove(parent->children + index, parent->children + index + count,
            (parent->child_count - index - count) * sizeof(struct statement *));
    parent->child_count -= count;
}

void lines_remove(struct statement *statement, size_t index, size_t count)
{
    memmove(statement->lines + index, statement->lines + index + count,
            (statement->line_count - index - count) * sizeof *statement->lines);
    statement->line_count -= count;
}

/* --- finding ----------------------------------------------------------------------------------*/

/* Walks in the order of the file; ends at the first that `fits` says yes to. */
static struct statement *find(struct statement *below,
                              bool (*fits)(const struct statement *statement, void *context),
                              void *context)
{
    for (size_t i = 0; i < below->child_count; i++) {
        if (fits(below->children[i], context))
            return below->children[i];
        struct statement *found = find(below->children[i], fits, context);
        if (found)
            return found;
    }
    return NULL;
}

static bool is_number(const struct statement *statement, void *context)
{
    size_t *left = context;
    (void) statement;
    return (*left)-- == 0;
}

struct statement *draft_statement(struct draft *draft, size_t index)
{
    return find(&draft->tree.root, is_number, &index);
}

static bool is_on_line(const struct statement *statement, void *context)
{
    return statement->at.line == *(unsigned *) context;
}

struct statement *draft_on_line(struct draft *draft, unsigned line)
{
    return find(&draft->tree.root, is_on_line, &line);
}

struct parenthood {
    const struct statement *child;
    size_t index;
};

static bool is_parent(const struct statement *statement, void *context)
{
    struct parenthood *parenthood = context;
    for (size_t i = 0; i < statement->child_count; i++) {
        if (statement->children[i] == parenthood->child) {
            parenthood->index = i;
            return true;
        }
    }
    return false;
}

struct statement *draft_parent(struct draft *draft, const struct statement *statement,
                               size_t *index)
{
    struct parenthood parenthood = {statement, 0};
    struct statement *parent = is_parent(&draft->tree.root, &parenthood)
                                   ? &draft->tree.root
                                   : find(&draft->tree.root, is_parent, &parenthood);
    *index = parenthood.index;
    return parent;
}
