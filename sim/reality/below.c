/* SPDX-License-Identifier: ISC */
/* The end of a tree of processes where no namespace ends with its first one. */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sim/reality/reality.h"
#include "sim/world/pool.h"

#define TRIES 5000 /* of a millisecond, for those who are dying */

struct relative {
    pid_t pid, parent;
    bool is_below, is_dead;
};

static bool read_relative(const char *name, struct relative *relative)
{
    char path[40], text[512], *end, state;
    int fd, parent;
    ssize_t got;

    snprintf(path, sizeof path, "/proc/%.20s/stat", name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    got = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    if (got <= 0)
        return false;
    text[got] = 0;
    end = strrchr(text, ')');
    if (!end || sscanf(end + 1, " %c %d", &state, &parent) != 2)
        return false;
    *relative = (struct relative){atoi(name), parent, false, state == 'Z' || state == 'X'};
    return true;
}

static size_t read_all(struct relative **all)
{
    DIR *directory = opendir("/proc");
    struct dirent *entry;
    size_t count = 0;

    *all = NULL;
    while (directory && (entry = readdir(directory))) {
        struct relative one;

        if (isdigit((unsigned char) *entry->d_name) && read_relative(entry->d_name, &one))
            *LIST_ADD(*all, count) = one;
    }
    if (directory)
        closedir(directory);
    return count;
}

/* Those whose parent is, until there are no more. */
static void mark_below(struct relative *all, size_t count, pid_t pid)
{
    bool more = true;

    while (more) {
        more = false;
        for (size_t i = 0; i < count; i++)
            for (size_t k = 0; k < count && !all[i].is_below; k++)
                if (all[i].parent == pid || (all[k].is_below && all[k].pid == all[i].parent))
                    more = all[i].is_below = true;
    }
}

void kill_below(pid_t pid)
{
    bool any = true;

    for (int i = 0; i < TRIES && any; i++) {
        struct relative *all;
        size_t count = read_all(&all);

        any = false;
        mark_below(all, count, pid);
        for (size_t k = 0; k < count; k++)
            if (all[k].is_below && !all[k].is_dead) {
                any = true;
                kill(all[k].pid, SIGKILL);
            }
        free(all);
        if (any)
            usleep(1000);
    }
}
