/* SPDX-License-Identifier: ISC */
/* Descriptors of what is over. */
#include <poll.h>
#include <sys/stat.h>

#include "sim/kernel/net_internal.h"

/* Why the file is of no use any more; NULL: it may be. */
static const char *why_stale(struct file *file, const struct process *process)
{
    struct stat st = {.st_nlink = 1};

    if (file->operations == &tcp_operations)
        return file->operations->ready(file, (struct process *) process) & (POLLHUP | POLLRDHUP)
                   ? "a connection that the other side has ended"
                   : NULL;
    if (file->operations == &regular_operations)
        file->operations->stat(file, &st);
    return st.st_nlink == 0 ? "a file that was removed" : NULL;
}

unsigned process_stale_count(const struct process *process, const char **what)
{
    unsigned count = 0;

    for (unsigned fd = 0; fd < process->descriptors.top; fd++) {
        struct file *file = process->descriptors.entries[fd].file;
        const char *why = file ? why_stale(file, process) : NULL;

        if (why && count++ == 0)
            *what = why;
    }
    return count;
}

unsigned process_zombie_count(const struct process *process, int64_t time_ns)
{
    unsigned count = 0;

    for (const struct process *child = process->first_child; child; child = child->next_sibling)
        count += child->state == PROCESS_ZOMBIE && child->ended_ns <= time_ns;
    return count;
}

const struct process *process_root(const struct process *process)
{
    while (process->parent)
        process = process->parent;
    return process;
}

struct process *process_running(void)
{
    return running;
}

uid_t process_uid(const struct process *process)
{
    return process->cred.uid;
}
