/* SPDX-License-Identifier: ISC */
/* Calls that make, end and signal processes.  posix_spawn is in spawn.c. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "sim/kernel/call.h"
#include "sim/kernel/calls.h"

/* --- exec and exit ---------------------------------------------------------------------------*/

void call_note_arguments(struct call *call, char *const argv[])
{
    size_t size = 0;
    for (size_t i = 0; argv && argv[i]; i++)
        size += strlen(argv[i]) + 1;
    char *joined = process_scratch(running, size + 1);
    call->data = joined;
    call->size = size;
    for (size_t i = 0; argv && argv[i]; i++) {
        size_t length = strlen(argv[i]) + 1;
        memcpy(joined, argv[i], length);
        joined += length;
    }
}

int sim_execve(const char *path, char *const argv[], char *const environment[])
{
    struct process *process = running;
    struct call call = CALL(exec, .path = path);
    struct arena old;
    call_note_arguments(&call, argv);
    if (call_enter(&call))
        call.result = path ? exec_load(process, path, argv, environment, &old) : -EFAULT;
    if (call.result < 0)
        return (int) call_leave(&call);
    process->replaced = old; /* goes with the process if a watcher ends it */
    call_leave(&call);
    inside_call = true;
    arena_end(&process->replaced);
    process->kernel->restarting = process;
    scheduler_ready(process);
    scheduler_leave();
}

_Noreturn void sim__exit(int status)
{
    struct call call = CALL(exit, .argument = {status & 0xff});
    call_enter(&call);
    call.result = 0; /* cannot fail */
    call_leave(&call);
    inside_call = true;
    process_end(running, W_EXITCODE(status & 0xff, 0));
    scheduler_leave();
}

/* --- waiting and signals ---------------------------------------------------------------------*/

pid_t sim_waitpid(pid_t pid, int *status, int options)
{
    struct call call = CALL(wait, .argument = {pid, options});
    int found = 0;
    if (call_enter(&call)) {
        call.result = process_wait(running, pid, &found, options);
        if (call.result > 0) {
            call.argument[2] = found;
            if (status)
                *status = found;
        }
    }
    return (pid_t) call_leave(&call);
}

static bool may_signal(const struct process *from, const struct process *to)
{
    uid_t effective = from->cred.uid;
    return effective == 0 || effective == to->uid || effective == to->saved_uid ||
           from->uid == to->uid || from->uid == to->saved_uid;
}

static int signal_one(struct process *from, struct process *to, int signal)
{
    if (!may_signal(from, to))
        return -EPERM;
    struct signal_info info = {.code = SI_USER, .pid = from->pid, .uid = from->uid};
    if (signal && process_is_alive(to))
        signal_send(to, signal, &info);
    return 0;
}

/* The receivers of a group signal: group 0 stands for all but the sender. */
static int signal_many(struct process *from, pid_t group, int signal)
{
    int result = -ESRCH;
    bool self = false;
    struct process *next;
    for (struct process *to = from->host->first; to; to = next) {
        next = to->next_in_host;
        if (group ? to->group != group : to == from)
            continue;
        if (to == from) { /* last, since it may be its end */
            self = true;
            continue;
        }
        int one = signal_one(from, to, signal);
        if (result != 0)
            result = one;
    }
    return self ? signal_one(from, from, signal) : result;
}

static int do_kill(struct process *from, pid_t pid, int signal)
{
    if (signal < 0 || signal > SIGNALS)
        return -EINVAL;
    if (pid == 0)
        return signal_many(from, from->group, signal);
    if (pid == -1)
        return signal_many(from, 0, signal);
    if (pid < -1)
        return signal_many(from, -pid, signal);
    struct process *to = process_find(from->host, pid);
    return to ? signal_one(from, to, signal) : -ESRCH;
}

int sim_kill(pid_t pid, int signal)
{
    struct call call = CALL(kill, .argument = {pid, signal});
    if (call_enter(&call))
        call.result = do_kill(running, pid, signal);
    return (int) call_leave(&call);
}

/* As libc and Linux have it, the first word of a set holds signals 1 to 64. */
_Static_assert(sizeof(unsigned long) == sizeof(uint64_t), "a set begins with 64 signals");

uint64_t call_signal_set(const sigset_t *set)
{
    uint64_t bits;
    memcpy(&bits, set, sizeof bits);
    return bits;
}

static void tell_set(uint64_t bits, sigset_t *set)
{
    sigemptyset(set);
    memcpy(set, &bits, sizeof bits);
}

static int change_mask(struct process *process, int how, const sigset_t *set)
{
    if (!set)
        return 0;
    uint64_t bits = call_signal_set(set) & ~(SIGNAL_BIT(SIGKILL) | SIGNAL_BIT(SIGSTOP));
    if (how == SIG_BLOCK)
        process->blocked |= bits;
    else if (how == SIG_UNBLOCK)
        process->blocked &= ~bits;
    else if (how == SIG_SETMASK)
        process->blocked = bits;
    else
        return -EINVAL;
    return 0;
}

int sim_sigprocmask(int how, const sigset_t *set, sigset_t *old)
{
    struct process *process = running;
    struct call call = CALL(signal_mask, .argument = {how, (int64_t) process->blocked});
    if (call_enter(&call)) {
        uint64_t before = process->blocked;
        call.result = change_mask(process, how, set);
        if (call.result == 0 && old)
            tell_set(before, old);
        call.argument[2] = (int64_t) process->blocked;
        signal_deliver(process);
    }
    return (int) call_leave(&call);
}

static int change_action(struct process *process, int signal, const struct sigaction *action,
                         struct sigaction *old)
{
    if (signal < 1 || signal > SIGNALS)
        return -EINVAL;
    uint64_t bit = SIGNAL_BIT(signal);
    bool ignored = process->ignored & bit;
    if (action) {
        if (signal == SIGKILL || signal == SIGSTOP)
            return -EINVAL;
        if (action->sa_handler != SIG_DFL && action->sa_handler != SIG_IGN)
            return -EINVAL; /* programs use signalfd */
        if (action->sa_handler == SIG_IGN) {
            process->ignored |= bit;
            process->pending &= ~bit;
        } else {
            process->ignored &= ~bit;
        }
    }
    if (old) {
        memset(old, 0, sizeof *old);
        old->sa_handler = ignored ? SIG_IGN : SIG_DFL;
    }
    return 0;
}

int sim_sigaction(int signal, const struct sigaction *action, struct sigaction *old)
{
    struct call call = CALL(signal_action, .argument = {signal});
    call.argument[1] = action && action->sa_handler == SIG_IGN;
    if (call_enter(&call))
        call.result = change_action(running, signal, action, old);
    return (int) call_leave(&call);
}

static int make_signalfd(int fd, uint64_t mask, int flags)
{
    if (flags & ~(SFD_CLOEXEC | SFD_NONBLOCK))
        return -EINVAL;
    if (fd == -1) {
        struct file *file = signalfd_create(running->kernel, mask, flags);
        return descriptor_add(running, file, 0, flags & SFD_CLOEXEC);
    }
    struct file *file = descriptor_file(fd);
    if (!file)
        return -EBADF;
    int result = signalfd_set(file, mask);
    return result < 0 ? result : fd;
}

int sim_signalfd(int fd, const sigset_t *mask, int flags)
{
    uint64_t bits = call_signal_set(mask);
    struct call call = CALL(signalfd, .argument = {(int64_t) bits, flags});
    call.fd = fd;
    if (call_enter(&call))
        call.result = make_signalfd(fd, bits, flags);
    return (int) call_leave(&call);
}
