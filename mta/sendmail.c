/* SPDX-License-Identifier: ISC */
/*
 * nixie-sendmail: what other programs expect of a program named sendmail.  It reads its options
 * and becomes the program that does the work: nixie-inject; nixie-smtpd with -bs; nixie-qread
 * with -bp or when called mailq.
 *
 * Whether a line with a single dot ends the message (-i, -oi) has never been of interest: it does
 * not.  Exit status: that program's; 100 wrong use or not installed, 111 a trouble that may pass.
 */
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "mta/lib/buf.h"
#include "mta/lib/home.h"
#include "mta/lib/io.h"
#include "mta/lib/mem.h"

#define STATUS_PERMANENT 100
#define STATUS_TEMPORARY 111

enum work { WORK_INJECT, WORK_SMTPD, WORK_QREAD };

struct options {
    enum work work;
    bool recipients_in_header; /* -t */
    const char *sender;        /* -f or -r, or NULL */
    const char *name;          /* -F, or NULL */
    int first_recipient;       /* index in argv */
};

static int fail(int status, const char *what, const char *detail)
{
    struct buf line = BUF_INIT(4096);
    if (buf_add_text(&line, "nixie-sendmail: fatal: ") == 0 && buf_add_text(&line, what) == 0 &&
        buf_add_text(&line, detail) == 0 && buf_add_byte(&line, '\n') == 0)
        (void) io_write(2, line.data, line.length);
    buf_free(&line);
    return status;
}

static int usage(const char *detail)
{
    return fail(STATUS_PERMANENT,
                "usage: sendmail [-t] [-f sender] [-F name] [-bs] [-bp] [--] "
                "[recipient ...]: ",
                detail);
}

static int read_mode(struct options *options, const char *mode)
{
    if (strcmp(mode, "m") == 0)
        options->work = WORK_INJECT;
    else if (strcmp(mode, "s") == 0)
        options->work = WORK_SMTPD;
    else if (strcmp(mode, "p") == 0)
        options->work = WORK_QREAD;
    else
        return usage("-b takes m, s or p");
    return 0;
}

static int take_value(struct options *options, char letter, const char *value)
{
    switch (letter) {
    case 'f':
    case 'r':
        options->sender = value;
        return 0;
    case 'F':
        options->name = value;
        return 0;
    case 'b':
        return read_mode(options, value);
    default: /* of the old sendmail: -oi, -oem, -B8BITMIME ...: without meaning here */
        return 0;
    }
}

/* One argument of options; moves *index on if the last takes the next argument as its value. */
static int read_letters(struct options *options, char **argv, int *index)
{
    for (const char *letter = argv[*index] + 1; *letter; letter++) {
        if (strchr("vimnEJxUG", *letter)) {
            continue;
        } else if (*letter == 't') {
            options->recipients_in_header = true;
        } else if (strchr("efrFbBNORVXhop", *letter)) {
            const char *value = letter[1] ? letter + 1 : argv[++*index];
            if (!value)
                return usage("an option lacks its value");
            return take_value(options, *letter, value);
        } else {
            return usage("unknown option");
        }
    }
    return 0;
}

static bool is_called(const char *path, const char *name)
{
    const char *slash = strrchr(path, '/');
    return strcmp(slash ? slash + 1 : path, name) == 0;
}

static int read_options(struct options *options, int argc, char **argv)
{
    int index = 1;
    if (argc > 0 && is_called(argv[0], "mailq"))
        options->work = WORK_QREAD;
    while (index < argc && argv[index][0] == '-' && argv[index][1]) {
        if (strcmp(argv[index], "--") == 0) {
            index++;
            break;
        }
        int status = read_letters(options, argv, &index);
        if (status)
            return status;
        index++;
    }
    options->first_recipient = index < argc ? index : argc;
    return 0;
}

/* The environment without what it says of the user's full name, and with -F's as QMAILNAME. */
static char **with_name(char *const *environment, struct buf *variable, const char *name)
{
    if (buf_set_text(variable, "QMAILNAME=") < 0 || buf_add_text(variable, name) < 0 ||
        !buf_text(variable))
        return NULL;
    size_t count = 0;
    while (environment[count])
        count++;
    char **changed = mem_alloc((count + 2) * sizeof *changed);
    if (!changed)
        return NULL;
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (strncmp(environment[i], "QMAILNAME=", 10) != 0)
            changed[kept++] = environment[i];
    changed[kept++] = variable->data;
    changed[kept] = NULL;
    return changed;
}

/* Becomes HOME/bin/PROGRAM; returns only if that fails. */
static int become_program(char *const *environment, const char *program, char **argv)
{
    struct buf home = BUF_INIT(8192), path = BUF_INIT(8192);
    int status;
    if (home_find(environment, &home) < 0 || home_program(&home, program, &path) < 0 ||
        !buf_text(&path)) {
        status = fail(STATUS_TEMPORARY, "unable to find the home directory", "");
    } else {
        argv[0] = path.data;
        execve(path.data, argv, environment);
        bool missing = errno == ENOENT || errno == ENOTDIR;
        status = fail(missing ? STATUS_PERMANENT : STATUS_TEMPORARY,
                      missing ? "this program is not installed: " : "unable to start ", program);
    }
    buf_free(&home);
    buf_free(&path);
    return status;
}

static int become_inject(const struct options *options, int argc, char **argv,
                         char *const *environment)
{
    struct buf variable = BUF_INIT(0);
    char **changed = options->name ? with_name(environment, &variable, options->name) : NULL;
    char **arguments = mem_alloc(((size_t) argc + 6) * sizeof *arguments);
    int status;
    if (!arguments || (options->name && !changed)) {
        status = fail(STATUS_TEMPORARY, "out of memory", "");
    } else {
        int count = 1;
        arguments[count++] = (char[]){"-a"};
        if (options->recipients_in_header)
            arguments[count - 1][1] = 'H';
        char sender_option[] = "-f";
        if (options->sender) {
            arguments[count++] = sender_option;
            arguments[count++] = (char *) options->sender;
        }
        char end_of_options[] = "--";
        arguments[count++] = end_of_options;
        for (int i = options->first_recipient; i < argc; i++)
            arguments[count++] = argv[i];
        arguments[count] = NULL;
        status = become_program(changed ? changed : environment, "nixie-inject", arguments);
    }
    mem_free(arguments);
    mem_free(changed);
    buf_free(&variable);
    return status;
}

int main(int argc, char **argv, char **environment)
{
    struct options options = {.work = WORK_INJECT};
    int status = read_options(&options, argc, argv);
    if (status)
        return status;
    char *alone[] = {NULL, NULL};
    switch (options.work) {
    case WORK_SMTPD:
        return become_program(environment, "nixie-smtpd", alone);
    case WORK_QREAD:
        return become_program(environment, "nixie-qread", alone);
    default:
        return become_inject(&options, argc, argv, environment);
    }
}
