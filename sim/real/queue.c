/* SPDX-License-Identifier: ISC */
/* `nixie mta list`, `retry`, `hold`, `release`, `expire`, `delete`: nixie-admin of the home. */
#include "sim/real/commands.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sim/real/layout.h"
#include "sim/real/say.h"

bool mta_is_queue_command(const char *name)
{
    static const char *const names[] = {"list", "retry", "hold", "release", "expire", "delete"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(name, names[i]))
            return true;
    return false;
}

/* A directory of such a name is written ./17. */
static bool is_selection(const char *word)
{
    return (*word && word[strspn(word, "0123456789")] == 0) || !strcmp(word, "all") ||
           !strcmp(word, "held") || !strncmp(word, "from=", 5) || !strncmp(word, "to=", 3) ||
           !strncmp(word, "older=", 6);
}

/* Becomes nixie-admin. */
static int become_admin(const struct layout_home *home, const char *command, int count,
                        char **words)
{
    extern char **environ;
    char program[PATH_MAX + 32];
    char **argv = calloc((size_t) count + 3, sizeof *argv);
    if (!argv)
        return say_errno("run", "nixie-admin", ENOMEM);
    snprintf(program, sizeof program, "%s/bin/nixie-admin", home->path);
    argv[0] = program;
    argv[1] = (char *) command;
    memcpy(argv + 2, words, (size_t) count * sizeof *argv);
    if (chdir(home->path) < 0 || setenv("NIXIE_HOME", home->path, 1) < 0) {
        free(argv);
        return say_errno("enter", home->path, errno);
    }
    execve(program, argv, environ);
    free(argv);
    return say_errno("run", program, errno);
}

int mta_queue(const char *command, int count, char **words)
{
    const char *variable = getenv("NIXIE_HOME");
    const char *directory = variable && *variable ? variable : ".";
    if (count > 0 && !is_selection(words[0])) {
        directory = words[0];
        words++;
        count--;
    }
    struct layout_home home;
    int result = layout_open(&home, directory);
    if (result != MTA_OK)
        return result;
    result = layout_check_caller(&home);
    if (result == MTA_OK)
        result = become_admin(&home, command, count, words);
    close(home.fd);
    return result;
}
