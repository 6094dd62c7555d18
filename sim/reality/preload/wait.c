/* SPDX-License-Identifier: ISC */
/*
 * Waiting.  The driver's clock stands while anything happens and jumps when nothing does, so a
 * process that waits says until when, and then waits for its descriptors and for the driver, which
 * wakes it when its time has come.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sim/reality/preload/preload.h"

#define SOME_FDS 64
#define CONNECT_MS 127000 /* after which a connect that nobody answers fails (net.h) */

static int real_poll(struct pollfd *fds, nfds_t count, const struct timespec *timeout)
{
    return (int) syscall(SYS_ppoll, fds, count, timeout, NULL, 0);
}

static int look(struct pollfd *fds, nfds_t count)
{
    static const struct timespec now;
    return real_poll(fds, count, &now);
}

/* --- connections that never come about ---------------------------------------------------------*/

static struct silent *silent_find(int fd)
{
    for (int i = 0; i < SILENT_MAX; i++)
        if (preload.silents[i].fd == fd)
            return &preload.silents[i];
    return NULL;
}

void silent_add(int fd)
{
    struct silent *silent = silent_find(fd);
    if (!silent)
        silent = silent_find(-1);
    if (silent)
        *silent = (struct silent){fd, faked_now_ms() + CONNECT_MS};
}

void silent_forget(int fd)
{
    struct silent *silent = fd >= 0 && preload.fd >= 0 ? silent_find(fd) : NULL;
    if (silent)
        silent->fd = -1;
}

bool silent_is(int fd)
{
    return preload.fd >= 0 && fd >= 0 && silent_find(fd);
}

/* --- poll --------------------------------------------------------------------------------------*/

struct wait {
    struct pollfd *own; /* the caller's, then the driver's */
    nfds_t count;
    bool (*ready)(void *context);
    void *context;
    uint32_t number;
};

static void note_wait(const struct wait *wait, int timeout_ms)
{
    struct wire_note note = {.kind = WIRE_WAIT, .argument = {wait->number, timeout_ms}};
    talk_send(&note, NULL, NULL, 0);
}

static void note_simple(enum wire_kind kind, int64_t argument)
{
    struct wire_note note = {.kind = kind, .argument = {argument}};
    talk_send(&note, NULL, NULL, 0);
}

/* How many descriptors have something, -1 with errno. */
static int look_all(const struct wait *wait)
{
    if (wait->ready)
        return wait->ready(wait->context);
    return look(wait->own, wait->count);
}

/* Of the sockets that it waits for. */
static bool has_bytes_under_way(const struct wait *wait)
{
    for (nfds_t i = 0; !wait->ready && i < wait->count; i++) {
        int bytes = 0;
        if (wait->own[i].fd >= 0 && syscall(SYS_ioctl, wait->own[i].fd, SIOCOUTQ, &bytes) == 0 &&
            bytes > 0)
            return true;
    }
    return false;
}

/* What the driver says while one waits: 1 it is over, for the time has come; 2 something has
 * happened; 0 go on. */
static int hear_driver(const struct wait *wait, int *result)
{
    struct wire_reply reply;
    talk_receive(&reply, sizeof reply);
    if (reply.kind == WIRE_WAKE && reply.number == wait->number) {
        *result = look_all(wait);
        return 1;
    }
    if (reply.kind != WIRE_PROBE)
        return 0;
    *result = look_all(wait);
    if (*result != 0)
        return 2;
    struct wire_note note = {.kind = WIRE_STILL,
                             .argument = {reply.number, has_bytes_under_way(wait)}};
    talk_send(&note, NULL, NULL, 0);
    return 0;
}

static int wait_here(const struct wait *wait)
{
    static const struct timespec slice = {0, 1000000};
    struct pollfd *driver = &wait->own[wait->count];
    int result = 0;
    for (;;) {
        *driver = (struct pollfd){.fd = preload.fd, .events = POLLIN};
        int found = wait->ready ? real_poll(driver, 1, &slice)
                                : real_poll(wait->own, wait->count + 1, NULL);
        if (found < 0) {
            note_simple(WIRE_AWAKE, 0);
            return -1;
        }
        if (found > 0 && driver->revents) {
            int over = hear_driver(wait, &result);
            if (over == 2)
                note_simple(WIRE_AWAKE, 0);
            if (over)
                return result;
            continue;
        }
        result = look_all(wait);
        if (result != 0) {
            note_simple(WIRE_AWAKE, 0);
            return result;
        }
    }
}

/* Silent sockets are not looked at; true if one of them fails now: the index in *failed. */
static int hide_silents(struct pollfd *own, nfds_t count, int *timeout_ms)
{
    int64_t now = faked_now_ms();
    for (nfds_t i = 0; i < count; i++) {
        struct silent *silent = own[i].fd >= 0 ? silent_find(own[i].fd) : NULL;
        if (!silent)
            continue;
        if (silent->until_ms <= now)
            return (int) i;
        if (*timeout_ms < 0 || silent->until_ms - now < *timeout_ms)
            *timeout_ms = (int) (silent->until_ms - now);
        own[i].fd = -1;
    }
    return -1;
}

int wait_for(struct pollfd *fds, nfds_t count, int timeout_ms, bool (*ready)(void *context),
             void *context)
{
    struct pollfd some[SOME_FDS];
    struct wait wait = {some, count, ready, context, ++preload.waits};
    int asked_ms = timeout_ms, result, saved = errno;
    if (count + 1 > SOME_FDS && !(wait.own = malloc((count + 1) * sizeof *wait.own))) {
        errno = ENOMEM;
        return -1;
    }
    if (count > 0)
        memcpy(wait.own, fds, count * sizeof *fds);
    for (nfds_t i = 0; i < count; i++)
        wait.own[i].revents = 0;
    int failed = hide_silents(wait.own, count, &timeout_ms);
    result = failed >= 0 ? 1 : look_all(&wait);
    if (failed >= 0)
        wait.own[failed].revents = POLLERR | POLLHUP | POLLOUT;
    if (result == 0 && timeout_ms != 0) {
        note_wait(&wait, timeout_ms);
        result = wait_here(&wait);
        if (result == 0 && asked_ms != timeout_ms) { /* a connect has failed meanwhile */
            int error = errno;
            if (wait.own != some)
                free(wait.own);
            errno = error;
            return wait_for(fds, count, asked_ms < 0 ? -1 : asked_ms - timeout_ms, ready, context);
        }
    }
    int error = errno;
    for (nfds_t i = 0; i < count; i++)
        fds[i].revents = wait.own[i].revents;
    if (wait.own != some)
        free(wait.own);
    errno = result < 0 ? error : saved;
    return result;
}

void wait_until_ready(int fd, short events)
{
    struct pollfd one = {.fd = fd, .events = events};
    if (preload.fd < 0 || look(&one, 1) != 0)
        return;
    long flags = syscall(SYS_fcntl, fd, F_GETFL);
    if (flags < 0 || (flags & O_NONBLOCK))
        return;
    wait_for(&one, 1, -1, NULL, NULL);
}

int poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
    if (preload.fd < 0) {
        struct timespec time = {timeout_ms / 1000, timeout_ms % 1000 * 1000000L};
        return real_poll(fds, count, timeout_ms < 0 ? NULL : &time);
    }
    return wait_for(fds, count, timeout_ms, NULL, NULL);
}

int __poll_chk(struct pollfd *fds, nfds_t count, int timeout_ms, size_t room);
int __poll_chk(struct pollfd *fds, nfds_t count, int timeout_ms, size_t room)
{
    (void) room;
    return poll(fds, count, timeout_ms);
}

/* --- other things that wait --------------------------------------------------------------------*/

struct child_wait {
    pid_t pid;
    int *status, options;
    long result;
    int error;
};

static bool child_is_there(void *context)
{
    struct child_wait *wait = context;
    wait->result = syscall(SYS_wait4, wait->pid, wait->status, wait->options | WNOHANG, NULL);
    wait->error = errno;
    return wait->result != 0;
}

pid_t waitpid(pid_t pid, int *status, int options)
{
    struct child_wait wait = {pid, status, options, 0, 0};
    if (preload.fd < 0 || (options & WNOHANG))
        return (pid_t) syscall(SYS_wait4, pid, status, options, NULL);
    if (!child_is_there(&wait) && wait_for(NULL, 0, -1, child_is_there, &wait) < 0)
        return -1; /* a signal came */
    errno = wait.error;
    return (pid_t) wait.result;
}

pid_t wait3(int *status, int options, struct rusage *usage)
{
    (void) usage;
    return waitpid(-1, status, options);
}

pid_t wait4(pid_t pid, int *status, int options, struct rusage *usage)
{
    (void) usage;
    return waitpid(pid, status, options);
}

struct lock_wait {
    int fd, operation;
    long result;
    int error;
};

static bool lock_is_free(void *context)
{
    struct lock_wait *wait = context;
    wait->result = syscall(SYS_flock, wait->fd, wait->operation | LOCK_NB);
    wait->error = errno;
    return wait->result == 0 || errno != EWOULDBLOCK;
}

int flock(int fd, int operation)
{
    struct told told = TOLD(flock, .argument = {operation});
    struct lock_wait wait = {fd, operation, 0, 0};
    if (preload.fd < 0 || (operation & (LOCK_NB | LOCK_UN))) {
        if (!tell_before(&told))
            return (int) tell_after(&told, -1);
        return (int) tell_after(&told, syscall(SYS_flock, fd, operation));
    }
    if (!tell_before(&told))
        return (int) tell_after(&told, -1);
    if (!lock_is_free(&wait) && wait_for(NULL, 0, -1, lock_is_free, &wait) < 0)
        return (int) tell_after(&told, -1); /* a signal came */
    errno = wait.error;
    return (int) tell_after(&told, wait.result);
}

/* --- clocks ------------------------------------------------------------------------------------*/

typedef int clock_getter(clockid_t clock, struct timespec *time);

/* libfaketime's, or libc's. */
static int clock_behind(clockid_t clock, struct timespec *time)
{
    static clock_getter *getter;
    if (!getter)
        getter = (clock_getter *) behind("clock_gettime");
    return getter ? getter(clock, time) : (int) syscall(SYS_clock_gettime, clock, time);
}

int64_t faked_now_ms(void)
{
    struct timespec time = {0};
    clock_behind(CLOCK_MONOTONIC, &time);
    return (int64_t) time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

/* The wall clock may be stepped, which libfaketime knows of no monotonic one to tell apart. */
int clock_gettime(clockid_t clock, struct timespec *time)
{
    struct told told = TOLD(clock, .argument = {clock});
    if (!tell_before(&told))
        return (int) tell_after(&told, -1);
    int result = clock_behind(clock, time);
    int64_t step = preload.page ? preload.page->wall_step_ns : 0;
    if (result == 0 && clock == CLOCK_REALTIME && step) {
        int64_t ns = (int64_t) time->tv_sec * NANOSECONDS + time->tv_nsec + step;
        time->tv_sec = ns / NANOSECONDS;
        time->tv_nsec = ns % NANOSECONDS;
    }
    return (int) tell_after(&told, result);
}
