/* SPDX-License-Identifier: ISC */
/*
 * The made-up world's /bin/sh: `sh -c LINE` for a LINE of words, with quotes and backslashes as in
 * the shell, and `exec` before it.  Any other line ends with 127 and is named on standard error.
 * The program is found by its path, or in the directories of PATH (/usr/bin:/bin if unset).
 */
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "mta/lib/buf.h"
#include "mta/lib/environment.h"
#include "mta/lib/io.h"
#include "mta/lib/mem.h"

#define WORDS_MAX 1000

struct shell {
    const char *line;
    struct buf words; /* each ended by NUL */
    size_t word_count;
    char *argv[WORDS_MAX + 1];
};

static int complain(const char *what, const char *about)
{
    struct buf text = BUF_INIT(0);

    if (buf_add_text(&text, "sh: ") == 0 && buf_add_text(&text, what) == 0 &&
        buf_add_text(&text, about) == 0 && buf_add_byte(&text, '\n') == 0)
        io_write(2, text.data, text.length);
    buf_free(&text);
    return 127;
}

/* Reads what stands in quotes; *at is behind the opening one.  0, or -1. */
static int read_quoted(struct shell *shell, const char **at, char quote)
{
    for (; **at != quote; ++*at) {
        if (!**at || (quote == '"' && (**at == '$' || **at == '`')))
            return -1;
        if (quote == '"' && **at == '\\' && (*at)[1] && strchr("\"\\$`", (*at)[1]))
            ++*at;
        if (buf_add_byte(&shell->words, **at) < 0)
            return -1;
    }
    ++*at;
    return 0;
}

/* Reads one word that begins at *at.  0, or -1 if it is more than this shell knows. */
static int read_word(struct shell *shell, const char **at)
{
    while (**at && **at != ' ' && **at != '\t') {
        char c = **at;

        if (strchr("|&;<>()$`*?[]{}~#!\n", c))
            return -1;
        ++*at;
        if (c == '\'' || c == '"') {
            if (read_quoted(shell, at, c) < 0)
                return -1;
            continue;
        }
        if (c == '\\') {
            c = **at;
            if (!c)
                return -1;
            ++*at;
        }
        if (buf_add_byte(&shell->words, c) < 0)
            return -1;
    }
    shell->word_count++;
    return buf_add_byte(&shell->words, 0);
}

static int read_line(struct shell *shell)
{
    const char *at = shell->line;

    for (;;) {
        while (*at == ' ' || *at == '\t')
            at++;
        if (!*at)
            break;
        if (shell->word_count == WORDS_MAX || read_word(shell, &at) < 0)
            return -1;
    }
    at = shell->words.data;
    for (size_t i = 0; i < shell->word_count; i++) {
        shell->argv[i] = (char *) at;
        at += strlen(at) + 1;
    }
    shell->argv[shell->word_count] = NULL;
    return 0;
}

/* Looks for the program in one directory after another; returns only if it could not become it. */
static void try_path(char *const *argv, char **environment, const char *path, int *error)
{
    while (path) {
        struct buf file = BUF_INIT(0);
        const char *colon = strchr(path, ':');
        size_t length = colon ? (size_t) (colon - path) : strlen(path);
        const char *name;

        if ((length == 0 || (buf_add(&file, path, length) == 0 && buf_add_byte(&file, '/') == 0)) &&
            buf_add_text(&file, argv[0]) == 0 && (name = buf_text(&file))) {
            execve(name, argv, environment);
            if (errno != ENOENT && errno != ENOTDIR)
                *error = errno;
        }
        buf_free(&file);
        path = colon ? colon + 1 : NULL;
    }
}

int main(int argc, char **argv, char **environment)
{
    struct shell shell = {.words = BUF_INIT(1 << 20)};
    char *const *words = shell.argv;
    int error = ENOENT;

    if (argc < 3 || strcmp(argv[1], "-c") != 0)
        return complain("this shell knows only: sh -c LINE", "");
    shell.line = argv[2];
    if (read_line(&shell) < 0)
        return complain("more than the simulated shell understands: ", shell.line);
    if (shell.word_count > 1 && strcmp(words[0], "exec") == 0)
        words++;
    if (!words[0])
        return 0;
    if (strchr(words[0], '/')) {
        execve(words[0], words, environment);
        error = errno;
    } else {
        const char *path = environment_get(environment, "PATH");

        try_path(words, environment, path ? path : "/usr/bin:/bin", &error);
    }
    if (error == ENOENT)
        return complain("not found: ", shell.line);
    complain("cannot be run: ", shell.line);
    return 126;
}
