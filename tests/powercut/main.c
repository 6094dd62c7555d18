/* SPDX-License-Identifier: ISC */
/*
 * powercut: real file systems on a disk whose power is cut.
 *
 *   powercut sequences [OPTION]... FILESYSTEM   trees found against the simulator's models
 *   powercut load [OPTION]... FILESYSTEM        a mail server that is cut off while it works
 *
 * Options: see usage.  Exit status: 0 all is well, 1 not, 2 usage, 77 not possible here.
 */
#include "tests/powercut/load.h"
#include "tests/powercut/sequences.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int usage(void)
{
    fputs("usage: powercut sequences [-n PROGRAMS] [-s SEED] [-p PROGRAM] [-c CUTS] [-t SECONDS] "
          "[-lv] FILESYSTEM\n"
          "       powercut load [-n MESSAGES] [-s SEED] [-c CUTS] [-r AGAIN] [-t SECONDS] [-lv] "
          "-b FOLDER FILESYSTEM\n"
          "FILESYSTEM: ext4, ext4-no-journal, xfs, btrfs\n"
          "  -l  the drive lies: flushes are acknowledged and not done\n"
          "  -p  this program instead of drawn ones (tests/unit/sim/states.h)\n"
          "  -r  of this many cuts in a hundred the power is cut again during recovery\n"
          "  -b  where the programs of the server are\n",
          stderr);
    return 2;
}

int main(int argc, char **argv)
{
    struct sequences_options sequences = {.programs = 10, .seed = 1, .most_cuts = 100};
    struct load_options load = {.messages = 100, .seed = 1, .cuts = 20, .again = 20};
    int option;
    if (argc < 3)
        return usage();
    setvbuf(stdout, NULL, _IOLBF, 0);
    while ((option = getopt(argc - 1, argv + 1, "n:s:p:c:t:r:b:lv")) != -1)
        switch (option) {
        case 'n':
            sequences.programs = load.messages = (unsigned) atoi(optarg);
            break;
        case 's':
            sequences.seed = load.seed = strtoull(optarg, NULL, 10);
            break;
        case 'p':
            sequences.program = optarg;
            sequences.programs = 1;
            break;
        case 'c':
            sequences.most_cuts = load.cuts = (unsigned) atoi(optarg);
            break;
        case 't':
            sequences.seconds = load.seconds = atof(optarg);
            break;
        case 'r':
            load.again = (unsigned) atoi(optarg);
            break;
        case 'b':
            load.programs = optarg;
            break;
        case 'l':
            sequences.drive_lies = load.drive_lies = true;
            break;
        case 'v':
            sequences.verbose = load.verbose = true;
            break;
        default:
            return usage();
        }
    int filesystem = optind + 1 == argc - 1 ? filesystem_named(argv[argc - 1]) : -1;
    if (filesystem < 0)
        return usage();
    sequences.filesystem = load.filesystem = (enum filesystem) filesystem;
    if (strcmp(argv[1], "sequences") == 0)
        return rig_run(sequences_run, &sequences);
    if (strcmp(argv[1], "load") == 0 && load.programs)
        return rig_run(load_run, &load);
    return usage();
}
