/* SPDX-License-Identifier: ISC */
/* `nixie generate`. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/command.h"
#include "sim/explore/generate.h"

static const char usage[] =
    "usage: nixie generate [--seed N]\n"
    "Prints a scenario that is made up: machines, mail and what goes wrong.  It expects nothing;\n"
    "run it to see what the oracles say, or have `nixie explore --random` run many of them.\n"
    "  --seed N  which one (1)\n";

static int read_seed(int argc, char **argv, uint64_t *seed)
{
    char *end;

    if (argc == 1)
        return 0;
    if (argc != 3 || strcmp(argv[1], "--seed") != 0 || argv[2][0] < '0' || argv[2][0] > '9')
        return -1;
    errno = 0;
    *seed = strtoull(argv[2], &end, 10);
    return *end || errno ? -1 : 0;
}

int command_generate(int argc, char **argv)
{
    uint64_t seed = 1;
    size_t size;
    char *text;

    if (asked_for_help(argc, argv)) {
        fputs(usage, stdout);
        return STATUS_HELD;
    }
    if (read_seed(argc, argv, &seed) < 0) {
        fprintf(stderr, "nixie generate: it takes --seed and a number, nothing else\n%s", usage);
        return STATUS_WRONG;
    }
    text = generate_scenario(seed, &size);
    fwrite(text, 1, size, stdout);
    free(text);
    return STATUS_HELD;
}
