/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <string.h>

#include "sim/real/mta.h"

int main(int argc, char **argv)
{
    if (argc >= 2 && !strcmp(argv[1], "mta"))
        return mta_command(argc - 1, argv + 1);
    fputs("usage: nixie mta COMMAND\n", stderr);
    return 2;
}
