/* SPDX-License-Identifier: ISC */
/* Starting the members of the tree, with their descriptors. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "mta/lib/child.h"
#include "mta/lib/clock.h"
#include "mta/lib/home.h"
#include "mta/lib/io.h"
#include "mta/start/start.h"

bool member_runs(const struct start *start, enum member member)
{
    return start->pids[member] != 0;
}

void start_tell(struct start *start, const char *text, const char *name)
{
    char line[256];
    int length = snprintf(line, sizeof line, "nixie-start: %s%s\n", text, name);
    struct pollfd fd = {.fd = start->log_write, .events = POLLOUT};
    if (length <= 0 || (size_t) length >= sizeof line || start->log_write < 0)
        return;
    if (poll(&fd, 1, 0) == 1 && (fd.revents & POLLOUT))
        io_write(start->log_write, line, (size_t) length);
}

/* Starts one member; fds as in struct child. */
static int spawn_member(struct start *start, enum member member, const int *fds, unsigned count)
{
    const struct member_kind *kind = &member_kinds[member];
    struct buf path = BUF_INIT(8192), become = BUF_INIT(8192);
    char *argv[8 + ADDRESSES_MAX];
    unsigned argc = 0;
    char name[32];
    snprintf(name, sizeof name, "nixie-%s", kind->name);
    int result = home_program(&start->home, name, &path);
    if (result == 0)
        result = home_program(&start->home, "nixie-become", &become);
    if (result == 0 && (!buf_text(&path) || !buf_text(&become)))
        result = -1;
    if (result == 0) {
        struct child child = {
            .path = path.data,
            .argv = argv,
            .environment = start->environment,
            .own_group = true,
            .fd_count = count,
        };
        memcpy(child.fds, fds, count * sizeof *fds);
        if (kind->user && !start->single_user) {
            child.path = become.data;
            argv[argc++] = become.data;
            argv[argc++] = start->ids[member][0];
            argv[argc++] = start->ids[member][1];
            argv[argc++] = start->home.data;
        }
        argv[argc++] = path.data;
        if (kind->argument)
            argv[argc++] = (char *) kind->argument;
        for (unsigned i = 0; member == MEMBER_LISTEN && i < start->address_count; i++)
            argv[argc++] = (char *) start->addresses[i];
        argv[argc] = NULL;
        pid_t pid = child_start(&child);
        if (pid < 0)
            result = -1;
        else
            start->pids[member] = pid;
    }
    int saved = errno;
    buf_free(&path);
    buf_free(&become);
    errno = saved;
    return result;
}

/* The pipes between send and one partner: requests and reports. */
struct pipes {
    int request[2], report[2];
};

static int pipes_open(struct pipes *pipes)
{
    if (pipe2(pipes->request, O_CLOEXEC) < 0)
        return -1;
    return pipe2(pipes->report, O_CLOEXEC);
}

static void pipes_close(struct pipes *pipes)
{
    for (int i = 0; i < 2; i++) {
        io_close(&pipes->request[i]);
        io_close(&pipes->report[i]);
    }
}

static int start_tree(struct start *start)
{
    static const enum member partners[3] = {MEMBER_LSPAWN, MEMBER_RSPAWN, MEMBER_CLEAN};
    struct pipes pipes[3];
    memset(pipes, -1, sizeof pipes);
    int send_fds[9] = {start->log_write,   -1, -1, -1, -1, -1, -1, start->life_read,
                       start->admin_listen};
    int result = 0;
    for (int i = 0; i < 3 && result == 0; i++) {
        result = pipes_open(&pipes[i]);
        if (result == 0) {
            int fds[3] = {pipes[i].request[0], pipes[i].report[1], start->log_write};
            result = spawn_member(start, partners[i], fds, 3);
        }
        send_fds[1 + 2 * i] = pipes[i].request[1];
        send_fds[2 + 2 * i] = pipes[i].report[0];
    }
    if (result == 0)
        result = spawn_member(start, MEMBER_SEND, send_fds, 9);
    int saved = errno;
    for (int i = 0; i < 3; i++)
        pipes_close(&pipes[i]);
    errno = saved;
    return result;
}

static int start_log(struct start *start)
{
    int fds[3] = {start->log_read, 1, 2};
    return spawn_member(start, MEMBER_LOG, fds, 3);
}

static int start_queue(struct start *start)
{
    int fds[3] = {start->life_read, start->log_write, start->log_write};
    return spawn_member(start, MEMBER_QUEUE, fds, 3);
}

static int start_listen(struct start *start)
{
    int fds[3] = {start->life_read, 1, start->log_write};
    return spawn_member(start, MEMBER_LISTEN, fds, 3);
}

int unit_start(struct start *start, enum unit unit)
{
    struct unit_state *state = &start->units[unit];
    state->started = clock_monotonic_ms();
    state->failed = 0;
    state->told = false;
    switch (unit) {
    case UNIT_LOG:
        return start_log(start);
    case UNIT_QUEUE:
        return start_queue(start);
    case UNIT_LISTEN:
        return start_listen(start);
    case UNIT_TREE:
        break;
    }
    return start_tree(start);
}
