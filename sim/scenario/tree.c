/* SPDX-License-Identifier: ISC */
#include "sim/scenario/tree.h"

#include <stdint.h>
#include <string.h>

/* An open level of indentation: whose children stand there. */
struct level {
    struct statement *parent;
    unsigned indent;
    bool indent_known;
};

struct comment {
    const char *text;
    size_t size;
    unsigned indent;
    unsigned line;
    bool blank_before;
};

struct reader {
    const struct source *source;
    struct complaints *complaints;
    struct pool *pool;
    struct level levels[TREE_DEPTH_MAX + 1];
    unsigned depth;           /* of the innermost open level */
    struct statement *last;   /* the newest statement with words */
    unsigned last_indent;     /* and where it began */
    struct comment *comments; /* lines of comment that wait for the next statement */
    size_t comment_count;
    size_t statement_count;
    unsigned line;
    bool blank;
};

static struct position place(const struct reader *reader, unsigned column, size_t length)
{
    return (struct position){reader->source, reader->line, column,
                             length > 0 ? (unsigned) length : 1};
}

struct position statement_word_at(const struct statement *statement, size_t index)
{
    struct position at = statement->at;

    if (index < statement->word_count) {
        at.column = statement->words[index].column;
        at.length = (unsigned) statement->words[index].size;
    } else if (statement->word_count > 0) {
        const struct word *last = &statement->words[statement->word_count - 1];

        at.column = last->column + (unsigned) last->size;
        at.length = 1;
    }
    return at;
}

/* --- words -----------------------------------------------------------------------------------*/

static const char bom[] = "\xef\xbb\xbf"; /* of UTF-8; some editors begin files with it */
#define BOM_SIZE 3

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* The length of the escape that begins at `text`, 0 if it is none. */
static size_t escape_length(const char *text, size_t size)
{
    if (size >= 2 && strchr("\"\\nrt", text[1]) && text[1])
        return 2;
    if (size >= 4 && text[1] == 'x' && is_hex(text[2]) && is_hex(text[3]))
        return 4;
    return 0;
}

/* The length of the quoted word at `text`, with its quotes; 0 after a complaint. */
static size_t read_quoted(struct reader *reader, const char *text, size_t size, unsigned column)
{
    size_t at = 1;

    while (at < size && text[at] != '"') {
        size_t escape = 1;

        if (text[at] == '\\') {
            escape = escape_length(text + at, size - at);
            if (escape == 0) {
                complain(reader->complaints, place(reader, column + (unsigned) at, 2),
                         "unknown escape; known are \\\" \\\\ \\n \\r \\t and \\xHH");
                return 0;
            }
        }
        at += escape;
    }
    if (at >= size) {
        complain(reader->complaints, place(reader, column, 1), "this quote is not closed");
        return 0;
    }
    at++;
    if (at < size && text[at] != ' ' && text[at] != '\t') {
        complain(reader->complaints, place(reader, column + (unsigned) at, 1),
                 "a space must follow a closing quote");
        return 0;
    }
    return at;
}

/* The length of the bare word at `text`; 0 after a complaint. */
static size_t read_bare(struct reader *reader, const char *text, size_t size, unsigned column)
{
    size_t at = 0;

    if (size >= BOM_SIZE && memcmp(text, bom, BOM_SIZE) == 0) {
        complain(reader->complaints, place(reader, column, BOM_SIZE),
                 "a byte order mark within the file");
        return 0;
    }
    while (at < size && text[at] != ' ' && text[at] != '\t') {
        if (text[at] == '"') {
            complain(reader->complaints, place(reader, column + (unsigned) at, 1),
                     "a quote inside a word: quote the whole word");
            return 0;
        }
        at++;
    }
    return at;
}

/* Reads the words of a line into `statement`.  Returns 0, or -1 after a complaint. */
static int read_words(struct reader *reader, const char *line, size_t size, size_t at,
                      struct statement *statement)
{
    while (at < size) {
        struct word *word;
        size_t length;

        if (line[at] == ' ' || line[at] == '\t') {
            at++;
            continue;
        }
        if (line[at] == '#') {
            while (line[size - 1] == ' ' || line[size - 1] == '\t')
                size--;
            statement->comment = line + at;
            statement->comment_size = size - at;
            return 0;
        }
        if (statement->word_count == TREE_WORDS_MAX) {
            complain(reader->complaints, place(reader, (unsigned) at + 1, 1),
                     "more than %d words in a line", TREE_WORDS_MAX);
            return -1;
        }
        length = line[at] == '"' ? read_quoted(reader, line + at, size - at, (unsigned) at + 1)
                                 : read_bare(reader, line + at, size - at, (unsigned) at + 1);
        if (length == 0)
            return -1;
        word = POOL_ADD(reader->pool, statement->words, statement->word_count);
        word->raw = line + at;
        word->size = length;
        word->column = (unsigned) at + 1;
        word->quoted = line[at] == '"';
        at += length;
    }
    return 0;
}

/* --- indentation -----------------------------------------------------------------------------*/

static void add_child(struct reader *reader, struct statement *parent, struct statement *child)
{
    *POOL_ADD(reader->pool, parent->children, parent->child_count) = child;
}

static void add_comment(struct reader *reader, struct statement *parent,
                        const struct comment *comment)
{
    struct statement *statement = pool_alloc(reader->pool, sizeof *statement);

    statement->at = (struct position){reader->source, comment->line, comment->indent + 1,
                                      (unsigned) comment->size};
    statement->comment = comment->text;
    statement->comment_size = comment->size;
    statement->blank_before = comment->blank_before;
    add_child(reader, parent, statement);
}

/* Puts the waiting comments that stand deeper than the coming statement's `indent` where they
 * belong in the block that it closes.  The others stay. */
static void place_inner_comments(struct reader *reader, unsigned indent)
{
    unsigned depth = reader->depth;
    size_t used = 0;

    while (used < reader->comment_count && reader->comments[used].indent > indent) {
        const struct comment *comment = &reader->comments[used];

        while (depth > 0 && (!reader->levels[depth].indent_known ||
                             reader->levels[depth].indent > comment->indent))
            depth--;
        if (reader->levels[depth].indent <= indent && reader->levels[depth].indent_known)
            break; /* no deeper level is open: it goes with the statement */
        add_comment(reader, reader->levels[depth].parent, comment);
        used++;
    }
    if (used == 0)
        return;
    memmove(reader->comments, reader->comments + used,
            (reader->comment_count - used) * sizeof *reader->comments);
    reader->comment_count -= used;
}

/* Closes and opens levels for a statement at `indent`.  Returns the parent, NULL after a
 * complaint. */
static struct statement *find_parent(struct reader *reader, unsigned indent)
{
    struct level *level;

    if (reader->last && indent > reader->last_indent) {
        if (reader->depth == TREE_DEPTH_MAX) {
            complain(reader->complaints, place(reader, indent + 1, 1),
                     "more than %d levels of indentation", TREE_DEPTH_MAX);
            return NULL;
        }
        level = &reader->levels[++reader->depth];
        *level = (struct level){reader->last, indent, true};
        return level->parent;
    }
    while (reader->depth > 0 && reader->levels[reader->depth].indent > indent)
        reader->depth--;
    level = &reader->levels[reader->depth];
    if (level->indent != indent) {
        complain(reader->complaints, place(reader, 1, indent),
                 reader->last ? "this indentation fits none of the lines above"
                              : "the first statement must not be indented");
        return NULL;
    }
    return level->parent;
}

/* --- lines -----------------------------------------------------------------------------------*/

static void read_statement(struct reader *reader, const char *line, size_t size, unsigned indent)
{
    struct statement *statement = pool_alloc(reader->pool, sizeof *statement);
    struct statement *parent;

    if (reader->statement_count++ >= TREE_STATEMENTS_MAX) {
        if (reader->statement_count == TREE_STATEMENTS_MAX + 1)
            complain(reader->complaints, place(reader, indent + 1, 1), "more than %d statements",
                     TREE_STATEMENTS_MAX);
        return;
    }
    place_inner_comments(reader, indent);
    if (read_words(reader, line, size, indent, statement) < 0)
        statement->word_count = 0;
    parent = find_parent(reader, indent);
    if (!parent)
        return;
    for (size_t i = 0; i < reader->comment_count; i++)
        add_comment(reader, parent, &reader->comments[i]);
    reader->comment_count = 0;
    statement->at =
        place(reader, indent + 1, statement->word_count ? statement->words[0].size : size - indent);
    statement->blank_before = reader->blank;
    add_child(reader, parent, statement);
    reader->last = statement;
    reader->last_indent = indent;
}

static void read_text_line(struct reader *reader, const char *line, size_t size, unsigned indent)
{
    struct statement *owner = NULL;
    struct text_line *text;
    unsigned depth = reader->depth;

    if (reader->last && indent > reader->last_indent) {
        owner = reader->last;
    } else {
        while (depth > 0 && reader->levels[depth].indent > indent)
            depth--;
        owner = depth > 0 ? reader->levels[depth].parent : NULL;
    }
    if (!owner || (depth > 0 && owner != reader->last && reader->levels[depth].indent != indent)) {
        complain(reader->complaints, place(reader, indent + 1, 1),
                 "a line of text must be indented below the statement that it belongs to");
        return;
    }
    line += indent + 1;
    size -= indent + 1;
    if (size > 0 && *line == ' ') {
        line++;
        size--;
    }
    text = POOL_ADD(reader->pool, owner->lines, owner->line_count);
    text->text = line;
    text->size = size;
    text->at = place(reader, indent + 1, 1);
}

/* Complains about bytes that no line (of text: `lenient`) may hold. */
static bool bytes_are_fine(struct reader *reader, const char *line, size_t size, bool lenient)
{
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char) line[i];

        if (c == 0 || (!lenient && c < ' ' && c != '\t') || (!lenient && c == 127) ||
            (c == '\r' && i + 1 == size)) {
            complain(reader->complaints, place(reader, (unsigned) i + 1, 1),
                     "byte 0x%02x has no place %s", c, lenient ? "here" : "in a statement");
            return false;
        }
    }
    return true;
}

static void read_line(struct reader *reader, const char *line, size_t size)
{
    unsigned indent = 0;

    if (size > 0 && line[size - 1] == '\r')
        size--;
    if (size > TREE_LINE_MAX) {
        complain(reader->complaints, place(reader, 1, 1), "a line of more than %zu bytes",
                 TREE_LINE_MAX);
        return;
    }
    while (indent < size && line[indent] == ' ')
        indent++;
    if (!bytes_are_fine(reader, line, size, indent < size && line[indent] == '|'))
        return;
    if (indent < size && line[indent] == '\t' && strspn(line + indent, " \t") < size - indent) {
        complain(reader->complaints, place(reader, indent + 1, 1),
                 "indent with spaces, not with tabs");
        return;
    }
    if (indent == size || line[indent] == '\t') {
        reader->blank = true;
        return;
    }
    if (line[indent] == '|') {
        read_text_line(reader, line, size, indent);
    } else if (line[indent] == '#') {
        struct comment *comment = POOL_ADD(reader->pool, reader->comments, reader->comment_count);

        while (line[size - 1] == ' ' || line[size - 1] == '\t')
            size--;
        *comment =
            (struct comment){line + indent, size - indent, indent, reader->line, reader->blank};
    } else {
        read_statement(reader, line, size, indent);
    }
    reader->blank = false;
}

void tree_read(const struct source *source, struct complaints *complaints, struct tree *tree)
{
    struct reader reader = {.source = source, .complaints = complaints, .pool = complaints->pool};
    const char *at = source->text, *end = source->text + source->size;

    memset(tree, 0, sizeof *tree);
    tree->source = source;
    tree->root.at = (struct position){source, 0, 0, 0};
    reader.levels[0] = (struct level){&tree->root, 0, true};
    if (source->size >= BOM_SIZE && memcmp(at, bom, BOM_SIZE) == 0)
        at += BOM_SIZE;
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t) (end - at));
        const char *stop = newline ? newline : end;

        reader.line++;
        read_line(&reader, at, (size_t) (stop - at));
        at = newline ? newline + 1 : end;
    }
    place_inner_comments(&reader, 0);
    for (size_t i = 0; i < reader.comment_count; i++)
        add_comment(&reader, &tree->root, &reader.comments[i]);
}
