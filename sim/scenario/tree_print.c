/* SPDX-License-Identifier: ISC */
#include "sim/scenario/tree.h"

static void print_indent(unsigned depth, FILE *to)
{
    fprintf(to, "%*s", (int) depth * 4, "");
}

static void print_line(const struct text_line *line, unsigned depth, FILE *to)
{
    print_indent(depth, to);
    fputc('|', to);
    if (line->size > 0) {
        fputc(' ', to);
        fwrite(line->text, 1, line->size, to);
    }
    fputc('\n', to);
}

static void print_statement(const struct statement *statement, unsigned depth, FILE *to)
{
    print_indent(depth, to);
    for (size_t i = 0; i < statement->word_count; i++) {
        if (i > 0)
            fputc(' ', to);
        fwrite(statement->words[i].raw, 1, statement->words[i].size, to);
    }
    if (statement->comment) {
        if (statement->word_count > 0)
            fputs("  ", to);
        fwrite(statement->comment, 1, statement->comment_size, to);
    }
    fputc('\n', to);
}

static void print_below(const struct statement *parent, unsigned depth, FILE *to, bool *first)
{
    for (size_t i = 0; i < parent->line_count; i++)
        print_line(&parent->lines[i], depth, to);
    for (size_t i = 0; i < parent->child_count; i++) {
        const struct statement *child = parent->children[i];

        if (child->blank_before && !*first)
            fputc('\n', to);
        *first = false;
        print_statement(child, depth, to);
        print_below(child, depth + 1, to, first);
    }
}

void tree_print(const struct tree *tree, FILE *to)
{
    bool first = true;

    print_below(&tree->root, 0, to, &first);
}
