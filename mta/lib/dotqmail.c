/* SPDX-License-Identifier: ISC */
#include "mta/lib/dotqmail.h"

#include <string.h>

void dotqmail_init(struct dotqmail *dotqmail, const char *bytes, size_t size, bool executable)
{
    memset(dotqmail, 0, sizeof *dotqmail);
    dotqmail->bytes = bytes;
    dotqmail->size = size;
    dotqmail->forward_only = executable;
    dotqmail->executable = executable;
}

static int problem(struct dotqmail *dotqmail, const char *text)
{
    dotqmail->problem = text;
    dotqmail->at = dotqmail->size;
    return -1;
}

static bool has_control(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if ((unsigned char) text[i] < ' ' || text[i] == 127)
            return true;
    return false;
}

static int set(struct dotqmail_instruction *instruction, enum dotqmail_kind kind, const char *text,
               size_t size)
{
    instruction->kind = kind;
    instruction->text = text;
    instruction->size = size;
    return 1;
}

static int read_file(struct dotqmail *dotqmail, const char *line, size_t size,
                     struct dotqmail_instruction *instruction)
{
    if (dotqmail->forward_only)
        return problem(dotqmail, dotqmail->executable
                                     ? ".qmail has file delivery but has x bit set. (#4.7.0)"
                                     : ".qmail has file delivery after +list. (#4.7.0)");
    if (size > DOTQMAIL_PATH_MAX)
        return problem(dotqmail, ".qmail has a file name that is too long. (#4.2.1)");
    if (has_control(line, size))
        return problem(dotqmail, ".qmail has a control character in a file name. (#4.2.1)");
    return set(instruction, line[size - 1] == '/' ? DOTQMAIL_MAILDIR : DOTQMAIL_MBOX, line, size);
}

static int read_program(struct dotqmail *dotqmail, const char *command, size_t size,
                        struct dotqmail_instruction *instruction)
{
    if (dotqmail->forward_only)
        return problem(dotqmail, dotqmail->executable
                                     ? ".qmail has prog delivery but has x bit set. (#4.7.0)"
                                     : ".qmail has prog delivery after +list. (#4.7.0)");
    if (size > DOTQMAIL_PROGRAM_MAX)
        return problem(dotqmail, ".qmail has a command that is too long. (#4.2.1)");
    return set(instruction, DOTQMAIL_PROGRAM, command, size);
}

static int read_forward(struct dotqmail *dotqmail, const char *address, size_t size,
                        struct dotqmail_instruction *instruction)
{
    if (size == 0)
        return problem(dotqmail, ".qmail has a forward line without an address. (#4.2.1)");
    if (size > DOTQMAIL_ADDRESS_MAX)
        return problem(dotqmail, ".qmail has an address that is too long. (#4.2.1)");
    if (has_control(address, size))
        return problem(dotqmail, ".qmail has a control character in an address. (#4.2.1)");
    return set(instruction, DOTQMAIL_FORWARD, address, size);
}

/* One line that is no comment and not empty. */
static int read_line(struct dotqmail *dotqmail, const char *line, size_t size,
                     struct dotqmail_instruction *instruction)
{
    if (line[size - 1] == '\r')
        return problem(dotqmail, ".qmail has a line that ends in a carriage return. (#4.2.1)");
    switch (line[0]) {
    case '.':
    case '/':
        return read_file(dotqmail, line, size, instruction);
    case '|':
        return read_program(dotqmail, line + 1, size - 1, instruction);
    case '&':
        return read_forward(dotqmail, line + 1, size - 1, instruction);
    case ' ':
    case '\t':
        return problem(dotqmail, ".qmail has a line that begins with a blank. (#4.2.1)");
    default:
        return read_forward(dotqmail, line, size, instruction);
    }
}

/* Takes the next line, without the blanks at its end; false if there is none. */
static bool next_line(struct dotqmail *dotqmail, const char **line, size_t *size)
{
    if (dotqmail->at >= dotqmail->size)
        return false;
    const char *start = dotqmail->bytes + dotqmail->at;
    size_t rest = dotqmail->size - dotqmail->at;
    const char *end = memchr(start, '\n', rest);
    size_t length = end ? (size_t) (end - start) : rest;
    dotqmail->at += length + (end ? 1 : 0);
    dotqmail->line++;
    while (length > 0 && (start[length - 1] == ' ' || start[length - 1] == '\t'))
        length--;
    *line = start;
    *size = length;
    return true;
}

int dotqmail_next(struct dotqmail *dotqmail, struct dotqmail_instruction *instruction)
{
    const char *line;
    size_t size;
    while (next_line(dotqmail, &line, &size)) {
        if (size == 0) {
            if (dotqmail->line == 1)
                return problem(dotqmail, "first line of .qmail file is blank. (#4.2.1)");
            continue;
        }
        if (memchr(line, 0, size))
            return problem(dotqmail, ".qmail has a NUL in it: it is no text. (#4.2.1)");
        if (line[0] == '#')
            continue;
        if (line[0] == '+') {
            if (size == 5 && memcmp(line, "+list", 5) == 0)
                dotqmail->forward_only = true;
            continue; /* others are for the future, as in qmail */
        }
        return read_line(dotqmail, line, size, instruction);
    }
    return 0;
}
