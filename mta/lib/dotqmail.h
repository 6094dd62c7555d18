/* SPDX-License-Identifier: ISC */
/*
 * The instructions of a .qmail file (dot-qmail(5)), read in memory that the caller keeps.
 * No I/O, no allocation; the text is not changed.
 *
 * A line is: `#` a comment; `|` a program; `.` or `/` a file, a Maildir if it ends in `/`;
 * `&` or any other visible character an address; `+list` (from there on addresses only).  Blanks
 * and tabs at the end of a line do not count.  What nobody can have meant is an error: a blank
 * first line, NULs, control characters in addresses and file names, a carriage return at the end
 * of a line, a line that begins with a blank, names longer than the system takes.
 */
#ifndef MTA_LIB_DOTQMAIL_H
#define MTA_LIB_DOTQMAIL_H

#include <stdbool.h>
#include <stddef.h>

#define DOTQMAIL_SIZE_MAX ((size_t) 16 << 20)
#define DOTQMAIL_ADDRESS_MAX 1000
#define DOTQMAIL_PATH_MAX 4000
#define DOTQMAIL_PROGRAM_MAX 100000

enum dotqmail_kind { DOTQMAIL_MBOX, DOTQMAIL_MAILDIR, DOTQMAIL_PROGRAM, DOTQMAIL_FORWARD };

struct dotqmail_instruction {
    enum dotqmail_kind kind;
    const char *text; /* path (a Maildir's with its slash), command or address; counted, no NUL */
    size_t size;
};

struct dotqmail {
    const char *bytes;
    size_t size;
    size_t at;
    bool forward_only;   /* files and programs are errors */
    bool executable;     /* ... because the file has its x bit set */
    unsigned long line;  /* the line last read, from 1 */
    const char *problem; /* after -1: what is wrong: ".qmail has ... (#4.2.1)" */
};

/* Starts reading.  `executable`: the file has the owner's x bit. */
void dotqmail_init(struct dotqmail *dotqmail, const char *bytes, size_t size, bool executable);

/* The next instruction: 1; 0 at the end; -1 for an error (`problem` tells it, reading is over). */
int dotqmail_next(struct dotqmail *dotqmail, struct dotqmail_instruction *instruction);

#endif
