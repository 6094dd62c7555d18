/* SPDX-License-Identifier: ISC */
/* nixie serve. */
#include <stdio.h>

#include "sim/command.h"
#include "sim/serve/serve.h"

int command_serve(int argc, char **argv)
{
    if (asked_for_help(argc, argv)) {
        fputs(serve_use, stdout);
        return STATUS_HELD;
    }
    return serve_run(argc, argv);
}
