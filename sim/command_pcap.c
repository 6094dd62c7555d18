/* SPDX-License-Identifier: ISC */
/* nixie pcap. */
#include <string.h>

#include "sim/command.h"
#include "sim/command_pcap.h"

static const char use[] =
    "usage: nixie pcap capture --interface I FILE   writes packets of an interface\n"
    "       nixie pcap show FILE                    tells the SMTP sessions of a capture\n"
    "       nixie pcap import FILE                  makes a scenario of a capture\n"
    "nixie pcap COMMAND --help tells more\n";

int command_pcap(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : "";

    if (strcmp(word, "capture") == 0)
        return pcap_capture(argc - 1, argv + 1);
    if (strcmp(word, "show") == 0)
        return pcap_show(argc - 1, argv + 1);
    if (strcmp(word, "import") == 0)
        return pcap_import(argc - 1, argv + 1);
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
        fputs(use, stdout);
        return STATUS_HELD;
    }
    if (*word)
        fprintf(stderr, "nixie pcap: unknown command %s\n", word);
    fputs(use, stderr);
    return STATUS_WRONG;
}
