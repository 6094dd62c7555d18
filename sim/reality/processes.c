/* SPDX-License-Identifier: ISC */
/* The processes of all machines. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sim/reality/reality.h"
#include "sim/world/pool.h"

#define ZOMBIE_TRIES 2000 /* of half a millisecond */

struct real_machine *machine_of_host(const struct host *host)
{
    return backend_host_real(host);
}

/* --- coming ------------------------------------------------------------------------------------*/

static struct real_process *add_process(struct real_machine *machine, pid_t pid)
{
    struct reality *reality = machine->reality;
    struct real_process *process = must_zeroed(sizeof *process);

    process->machine = machine;
    process->pid = pid;
    process->fd = -1;
    process->output_fds[0] = process->output_fds[1] = -1;
    process->deadline_ns = INT64_MAX;
    *LIST_ADD(reality->processes, reality->process_count) = process;
    return process;
}

static struct real_process *find_process(const struct real_machine *machine, pid_t pid)
{
    const struct reality *reality = machine->reality;

    for (size_t i = 0; i < reality->process_count; i++)
        if (reality->processes[i]->machine == machine && reality->processes[i]->pid == pid)
            return reality->processes[i];
    return NULL;
}

static int input_fd(const void *bytes, size_t size)
{
    int fd = memfd_create("input", MFD_CLOEXEC);
    const char *at = bytes;

    for (size_t done = 0; fd >= 0 && done < size;) {
        ssize_t count = write(fd, at + done, size - done);

        if (count <= 0) {
            close(fd);
            return -1;
        }
        done += (size_t) count;
    }
    if (fd >= 0)
        lseek(fd, 0, SEEK_SET);
    return fd;
}

static void close_all(const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

/* Descriptors for the process, and our ends.  0 or -errno. */
static int make_streams(const struct process_spec *spec, int fds[3], int ours[2])
{
    int ends[2];

    fds[0] = fds[1] = fds[2] = ours[0] = ours[1] = -1;
    fds[0] = input_fd(spec->input, spec->input_size);
    if (spec->input1)
        fds[1] = input_fd(spec->input1, spec->input1_size);
    for (int i = spec->input1 ? 1 : 0; i < 2; i++) {
        if (pipe2(ends, O_CLOEXEC) < 0)
            break;
        fcntl(ends[0], F_SETFL, O_NONBLOCK);
        fcntl(ends[0], F_SETPIPE_SZ, 1 << 20);
        ours[i] = ends[0];
        fds[i + 1] = ends[1];
    }
    if (fds[0] >= 0 && fds[1] >= 0 && fds[2] >= 0)
        return 0;
    close_all(fds, 3);
    close_all(ours, 2);
    return -EMFILE;
}

struct environment {
    char texts[12][600];
    size_t count;
    char **list;
};

static void add_variable(struct environment *environment, const char *name, const char *value)
{
    char *text = environment->texts[environment->count++];

    snprintf(text, sizeof environment->texts[0], "%.80s=%.500s", name, value);
}

static const char *address_of(const struct host *host, bool v6, char to[46])
{
    const char *address;

    for (size_t i = 0; (address = backend_address(host, i, to)); i++)
        if ((strchr(address, ':') != NULL) == v6)
            return address;
    return NULL;
}

/* The program's own variables, and those that the preloaded libraries need. */
static void make_environment(const struct real_machine *machine, const struct process_spec *spec,
                             uint64_t tag, struct environment *environment)
{
    char shared[PATH_MAX], text[500], address[46];
    size_t count = 0;

    environment->count = 0;
    machine_shared(machine, "", shared);
    snprintf(text, sizeof text, "%.200snixie-reality.so:%.200slibfaketime.so.1", shared, shared);
    add_variable(environment, "LD_PRELOAD", text);
    snprintf(text, sizeof text, "%.400sclock", shared);
    add_variable(environment, "FAKETIME_TIMESTAMP_FILE", text);
    add_variable(environment, "FAKETIME_NO_CACHE", "1");
    add_variable(environment, "FAKETIME_DONT_RESET", "1");
    add_variable(environment, "NO_FAKE_STAT", "1");
    add_variable(environment, "TZ", "UTC");
    snprintf(text, sizeof text, "%.400s%zu", shared, machine->index);
    add_variable(environment, WIRE_ENVIRONMENT, text);
    snprintf(text, sizeof text, "%llu", (unsigned long long) tag);
    add_variable(environment, WIRE_TAG, text);
    if (address_of(machine->host, false, address))
        add_variable(environment, "NIXIE_REALITY_4", address);
    if (address_of(machine->host, true, address))
        add_variable(environment, "NIXIE_REALITY_6", address);
    if (namespace_is_done_without()) {
        add_variable(environment, WIRE_ROOT, machine->root);
        add_variable(environment, "NIXIE_REALITY_HOST", host_name(machine->host));
    }
    while (spec->environment[count])
        count++;
    environment->list = must_zeroed((count + environment->count + 1) * sizeof(char *));
    for (size_t i = 0; i < count; i++)
        environment->list[i] = (char *) (uintptr_t) spec->environment[i];
    for (size_t i = 0; i < environment->count; i++)
        environment->list[count + i] = environment->texts[i];
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    path = slash ? slash + 1 : path;
    if (strcmp(path, "nixie-declared") == 0)
        return path + 6;
    return strncmp(path, "nixie-actor-", 12) == 0 ? path + 12 : path;
}

/* The tag is known only when the process has been made: the world gives it then, so that the next
 * number is taken here and the process is told a number of its own, which is looked up. */
struct process *processes_start(struct reality *reality, struct host *host,
                                const struct process_spec *spec, int *error)
{
    struct real_machine *machine = machine_of_host(host);
    struct environment *environment = must_alloc(sizeof *environment);
    struct machine_order order = {.path = spec->path,
                                  .directory = spec->directory,
                                  .argv = (char *const *) (uintptr_t) spec->argv};
    struct real_process *process;
    int ours[2], result = make_streams(spec, order.fds, ours);
    pid_t pid = result;

    if (result == 0) {
        make_environment(machine, spec, ++reality->trees, environment);
        order.environment = environment->list;
        pid = machine_spawn(machine, &order);
        close_all(order.fds, 3);
        free(environment->list);
    }
    free(environment);
    if (pid < 0) {
        close_all(ours, result == 0 ? 2 : 0);
        *error = -pid;
        return NULL;
    }
    process = add_process(machine, pid);
    process->is_ours = true;
    process->tree = reality->trees;
    process->output = spec->output;
    process->output_context = spec->context;
    memcpy(process->output_fds, ours, sizeof ours);
    process->process = backend_born(host, pid, base_name(spec->path), 0, spec, process);
    return process->process;
}

/* --- saying ------------------------------------------------------------------------------------*/

void process_reply(struct real_process *process, const struct wire_reply *reply)
{
    clock_publish(process->machine->reality);
    if (process->fd >= 0 &&
        send(process->fd, reply, sizeof *reply, MSG_NOSIGNAL) != (ssize_t) sizeof *reply)
        process->machine->reality->lost_replies++;
}

static bool receive(int fd, void *to, size_t size)
{
    return recv(fd, to, size, MSG_WAITALL) == (ssize_t) size;
}

/* The tree that it is of, as the tag of the process that we started says now. */
static uint64_t tag_of(const struct reality *reality, uint64_t tree)
{
    for (size_t i = 0; i < reality->process_count; i++)
        if (reality->processes[i]->is_ours && reality->processes[i]->tree == tree)
            return process_tag(reality->processes[i]->process);
    return 0;
}

static void greet(struct real_machine *machine, int fd, const struct wire_note *note,
                  const char *program, const char *directory)
{
    struct reality *reality = machine->reality;
    struct real_process *process = find_process(machine, (pid_t) note->argument[0]);
    struct wire_reply reply = {.kind = WIRE_REPLY, .calls = reality->calls};
    struct ucred peer = {0};
    socklen_t size = sizeof peer;

    if (!process) {
        process = add_process(machine, (pid_t) note->argument[0]);
        process->process =
            backend_born(machine->host, process->pid, base_name(program),
                         tag_of(reality, (uint64_t) note->argument[1]), NULL, process);
        if (machine->coming > 0)
            machine->coming--;
    } else {
        if (process->fd >= 0)
            close(process->fd);
        backend_rename(process->process, base_name(program));
    }
    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size);
    process->host_pid = peer.pid;
    process->fd = fd;
    process->used = 0;
    process->leaves = false;
    free(process->directory);
    process->directory = must_copy(directory, strlen(directory));
    process->life = LIFE_RUNNING;
    process_reply(process, &reply);
}

void processes_accept(struct real_machine *machine)
{
    struct wire_note note;
    char *texts;
    int fd = accept4(machine->listener, NULL, NULL, SOCK_CLOEXEC);

    if (fd < 0)
        return;
    if (!receive(fd, &note, sizeof note) || note.kind != WIRE_HELLO || note.path_size == 0 ||
        note.path2_size == 0 || note.path_size + note.path2_size > 4 * PATH_MAX) {
        close(fd);
        return;
    }
    texts = must_alloc(note.path_size + note.path2_size);
    if (receive(fd, texts, note.path_size + note.path2_size)) {
        texts[note.path_size - 1] = texts[note.path_size + note.path2_size - 1] = 0;
        greet(machine, fd, &note, texts, texts + note.path_size);
    } else {
        close(fd);
    }
    free(texts);
}

/* --- output ------------------------------------------------------------------------------------*/

static void drain(struct real_process *process)
{
    char block[65536];
    ssize_t got;

    for (int i = 0; i < 2; i++)
        while (process->output_fds[i] >= 0 &&
               (got = read(process->output_fds[i], block, sizeof block)) > 0)
            if (process->output)
                process->output(process->output_context, process->process, i + 1, block,
                                (size_t) got);
}

void processes_drain(struct reality *reality)
{
    for (size_t i = 0; i < reality->process_count; i++)
        if (reality->processes[i]->is_ours)
            drain(reality->processes[i]);
}

/* --- ending ------------------------------------------------------------------------------------*/

/* Z, or gone: its parent has been told. */
static bool is_dead(pid_t pid)
{
    char path[40], text[512], *end;
    int fd;
    ssize_t got;

    snprintf(path, sizeof path, "/proc/%d/stat", (int) pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return true;
    got = read(fd, text, sizeof text - 1);
    close(fd);
    if (got <= 0)
        return true;
    text[got] = 0;
    end = strrchr(text, ')');
    return !end || end[2] == 'Z' || end[2] == 'X';
}

static void wait_for_death(pid_t pid)
{
    for (int i = 0; i < ZOMBIE_TRIES && pid > 0 && !is_dead(pid); i++)
        usleep(i < 100 ? 50 : 500);
}

void process_forget(struct real_process *process)
{
    struct reality *reality = process->machine->reality;

    for (size_t i = 0; i < reality->process_count; i++)
        if (reality->processes[i] == process) {
            reality->processes[i] = reality->processes[--reality->process_count];
            break;
        }
    if (process->fd >= 0)
        close(process->fd);
    close_all(process->output_fds, 2);
    free(process->bytes);
    free(process->directory);
    free(process);
}

static void end_process(struct real_process *process, int status)
{
    if (process->is_ours)
        drain(process);
    backend_set_real(process->process, NULL);
    backend_gone(process->process, status);
    process_forget(process);
}

void process_lost(struct real_process *process)
{
    close(process->fd);
    process->fd = -1;
    process->deadline_ns = INT64_MAX;
    if (process->leaves && !is_dead(process->host_pid)) { /* another program says HELLO */
        process->life = LIFE_COMING;
        return;
    }
    wait_for_death(process->host_pid);
    if (process->is_ours)
        process->life = LIFE_ENDING;
    else
        end_process(process, 0);
}

void processes_note_end(struct real_machine *machine, pid_t pid, int status)
{
    struct real_process *process = find_process(machine, pid);

    if (process && process->is_ours)
        end_process(process, status);
    else if (process && process->life == LIFE_COMING)
        end_process(process, status); /* an orphan that ended between two programs */
}

void processes_reap(struct real_machine *machine)
{
    pid_t pid;
    int status;

    while (machine_hear(machine, &pid, &status) > 0)
        processes_note_end(machine, pid, status);
}
