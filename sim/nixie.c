/* SPDX-License-Identifier: ISC */
/* The nixie command: finds the sub-command. */
#include <stdio.h>
#include <string.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "sim/command.h"
#include "sim/real/mta.h"
#include "sim/version.h"

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *use;
} commands[] = {
    {"run", command_run,
     "run FILE...                 play scenarios, simulated or (--real) for real"},
    {"check", command_check, "check FILE...               say what is wrong in scenario files"},
    {"fmt", command_fmt,
     "fmt FILE...                 bring scenario files into the one right form"},
    {"explore", command_explore,
     "explore FILE...             let everything go wrong in scenarios"},
    {"generate", command_generate, "generate --seed N           make up a scenario"},
    {"shrink", command_shrink, "shrink FILE                 make a scenario that fails small"},
    {"diff", command_diff, "diff A B                    tell where two runs of a scenario part"},
    {"pcap", command_pcap, "pcap show|import|capture    captures of packets"},
    {"serve", command_serve,
     "serve [FILE] [-- COMMAND]   made-up mail servers on real ports, for tests"},
    {"trace", command_trace, "trace LOG [MESSAGE]         follow messages through a log"},
    {"mta", mta_command, "mta COMMAND                 a real local server"},
};
#define COMMAND_COUNT (sizeof commands / sizeof *commands)

bool asked_for_help(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

/* True if `word` is one of the NULL-terminated words behind it. */
static bool is_one_of(const char *word, const char *const *words)
{
    for (; *words; words++)
        if (strcmp(word, *words) == 0)
            return true;
    return false;
}

static void print_use(FILE *to)
{
    fputs("usage: nixie COMMAND ...\n", to);
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        fprintf(to, "  nixie %s\n", commands[i].use);
    fputs("  nixie --version             its version\n"
          "nixie COMMAND --help tells more, and so does the manual page nixie(1).\n",
          to);
}

/* What a command found out counts for nothing if it could not be told.  mta is another matter: it
 * has done its work by then. */
static int check_output(const char *name, int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    fprintf(stderr, "nixie %s: cannot write to standard output\n", name);
    return STATUS_BROKEN;
}

/* Worlds come and go by the thousand: what they give back is not handed to the system, which would
 * give it again page by page. */
static void keep_memory(void)
{
#ifdef __GLIBC__
    mallopt(M_MMAP_THRESHOLD, 2 << 20); /* larger ones grow without being copied */
    mallopt(M_TRIM_THRESHOLD, 256 << 20);
#endif
}

int main(int argc, char **argv)
{
    keep_memory();
    if (argc >= 2) {
        for (size_t i = 0; i < COMMAND_COUNT; i++) {
            if (strcmp(argv[1], commands[i].name) != 0)
                continue;
            int status = commands[i].run(argc - 1, argv + 1);
            return commands[i].run == mta_command ? status : check_output(argv[1], status);
        }
        if (is_one_of(argv[1], (const char *const[]){"help", "--help", "-h", NULL})) {
            print_use(stdout);
            return check_output("help", STATUS_HELD);
        }
        if (is_one_of(argv[1], (const char *const[]){"version", "--version", "-V", NULL})) {
            puts("nixie " NIXIE_VERSION);
            return check_output("version", STATUS_HELD);
        }
        fprintf(stderr, "nixie: unknown command %s\n", argv[1]);
    }
    print_use(stderr);
    return STATUS_WRONG;
}
