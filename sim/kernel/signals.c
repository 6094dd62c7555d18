/* SPDX-License-Identifier: ISC */
/*
 * Signals.  There are no handlers: a signal ends the process, is ignored, or is blocked and read
 * from a signalfd (signal(7), signalfd(2)).  Stopping and continuing do not exist.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "sim/kernel/internal.h"

/* Signals whose default action is to do nothing; stopping ones do nothing here. */
static const uint64_t harmless = SIGNAL_BIT(SIGCHLD) | SIGNAL_BIT(SIGURG) | SIGNAL_BIT(SIGWINCH) |
                                 SIGNAL_BIT(SIGCONT) | SIGNAL_BIT(SIGSTOP) | SIGNAL_BIT(SIGTSTP) |
                                 SIGNAL_BIT(SIGTTIN) | SIGNAL_BIT(SIGTTOU);

static void die_of(struct process *process, int signal)
{
    process_end(process, W_EXITCODE(0, signal));
}

void signal_send(struct process *process, int signal, const struct signal_info *info)
{
    uint64_t bit = SIGNAL_BIT(signal);
    bool deadly = signal == SIGKILL;
    if (!process_is_alive(process))
        return;
    if (!deadly && process->blocked & bit) {
        if (!(process->pending & bit) && signal < 32)
            process->signal_infos[signal] = *info;
        process->pending |= bit;
        wait_wake(&process->signal_queue);
        return;
    }
    if (!deadly && (process->ignored & bit || harmless & bit))
        return;
    die_of(process, signal);
}

void signal_deliver(struct process *process)
{
    process->pending &= ~(process->ignored & ~process->blocked);
    uint64_t ready = process->pending & ~process->blocked;
    process->pending &= ~ready;
    ready &= ~harmless;
    if (ready)
        die_of(process, __builtin_ctzll(ready) + 1);
}

void signal_child_ended(struct process *parent, const struct process *child)
{
    struct signal_info info = {.pid = child->pid, .uid = child->uid};
    if (WIFEXITED(child->status)) {
        info.code = CLD_EXITED;
        info.status = WEXITSTATUS(child->status);
    } else {
        info.code = CLD_KILLED;
        info.status = WTERMSIG(child->status);
    }
    signal_send(parent, SIGCHLD, &info);
}

/* --- signalfd ----------------------------------------------------------------------------------
 * Reads and polls concern the process that makes the call, as on Linux. */

static uint64_t mask_of(const struct file *file)
{
    return file->generation;
}

static short signalfd_ready(struct file *file, struct process *process)
{
    return process->pending & mask_of(file) ? POLLIN : 0;
}

static struct wait_queue *signalfd_queue(struct file *file, struct process *process)
{
    (void) file;
    return &process->signal_queue;
}

static void take_signal(struct process *process, uint64_t ready, struct signalfd_siginfo *to)
{
    int signal = __builtin_ctzll(ready) + 1;
    process->pending &= ~SIGNAL_BIT(signal);
    memset(to, 0, sizeof *to);
    to->ssi_signo = (uint32_t) signal;
    if (signal < 32) {
        const struct signal_info *info = &process->signal_infos[signal];
        to->ssi_code = info->code;
        to->ssi_pid = (uint32_t) info->pid;
        to->ssi_uid = info->uid;
        to->ssi_status = info->status;
    }
}

static ssize_t signalfd_read(struct file *file, void *to, size_t size)
{
    struct process *process = running;
    struct signalfd_siginfo info;
    size_t done = 0;
    if (size < sizeof info)
        return -EINVAL;
    while (size - done >= sizeof info) {
        uint64_t ready = process->pending & mask_of(file);
        if (ready) {
            take_signal(process, ready, &info);
            memcpy((char *) to + done, &info, sizeof info);
            done += sizeof info;
        } else if (done > 0) {
            break;
        } else if (file->flags & O_NONBLOCK) {
            return -EAGAIN;
        } else {
            wait_on(&process->signal_queue, FOREVER);
        }
    }
    return (ssize_t) done;
}

static void signalfd_stat(struct file *file, struct stat *stat)
{
    (void) file;
    memset(stat, 0, sizeof *stat);
    stat->st_mode = 0600;
    stat->st_nlink = 1;
    stat->st_blksize = 4096;
}

static const struct file_operations signalfd_operations = {
    .read = signalfd_read,
    .ready = signalfd_ready,
    .queue = signalfd_queue,
    .stat = signalfd_stat,
};

struct file *signalfd_create(struct kernel *kernel, uint64_t mask, int flags)
{
    struct file *file = file_create(kernel, &signalfd_operations, O_RDWR | (flags & O_NONBLOCK));
    signalfd_set(file, mask);
    return file;
}

int signalfd_set(struct file *file, uint64_t mask)
{
    if (file->operations != &signalfd_operations)
        return -EINVAL;
    file->generation = mask & ~(SIGNAL_BIT(SIGKILL) | SIGNAL_BIT(SIGSTOP));
    return 0;
}
