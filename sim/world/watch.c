/* SPDX-License-Identifier: ISC */
/* Every call and every change of a disk passes here, and is told to who wants to know. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/world/home.h"
#include "sim/world/internal.h"
#include "sim/world/words.h"

static struct machine *machine_of(struct world *world, const struct process *process)
{
    struct host *host = process_host(process);

    for (size_t i = 0; i < world->machine_count; i++)
        if (world->machines[i].host == host)
            return &world->machines[i];
    return NULL;
}

static bool is_ours(const struct machine *machine)
{
    return machine->kind == MACHINE_HOST;
}

static bool is_program(const struct call *call, const char *name)
{
    return strcmp(process_name(call->process), name) == 0;
}

/* --- calls -----------------------------------------------------------------------------------*/

/* Whether before_call has anything to do: with most calls it has not. */
static bool is_awaited(const struct world *world, const struct call *call)
{
    return world->fault_count > 0 || call->id == CALL_exit ||
           (world->hooks.before_taking && call->id == CALL_write) ||
           (world->hooks.before_stage && (call->path || call->path2));
}

static int before_call(void *context, const struct call *call)
{
    struct world *world = context;
    struct machine *machine;
    int error;

    world->call = call;
    if (world->finished || !is_awaited(world, call))
        return 0;
    machine = machine_of(world, call->process);
    if (!machine)
        return 0;
    if (world->fault_count > 0) {
        error = faults_before(machine, call); /* others may have run meanwhile */
        world->call = call;
        if (error)
            return error;
    }
    if (!is_ours(machine)) {
        if (world->hooks.before_taking && call->id == CALL_write && call->fd == 1 && call->data &&
            machine->kind == MACHINE_REMOTE)
            hear_before_write(machine, call->data, call->size);
        return 0;
    }
    if (world->hooks.before_stage && (call->path || call->path2))
        entries_foresee(machine, call);
    if (call->id == CALL_exit && is_program(call, "nixie-queue"))
        entries_note_exit(machine, call);
    if (call->id == CALL_exit && is_program(call, "nixie-send"))
        log_note_end(machine, false);
    return 0;
}

/* A failure that means something: not one that every start and every poll meets. */
static bool failed(const struct call *call)
{
    return call->result < 0 && call->result != -EAGAIN && call->result != -ENOENT &&
           call->result != -ENXIO && call->result != -ECHILD && call->result != -EINTR;
}

static void tell_call(struct machine *machine, const struct call *call)
{
    bool interesting = call->changed_disk || call->id == CALL_fsync || call->id == CALL_syncfs ||
                       call->id == CALL_fdatasync || call->id == CALL_spawn ||
                       call->id == CALL_exec || failed(call);

    if (!interesting || call->id == CALL_read || call->id == CALL_poll)
        return;
    world_tell(machine->world, machine->index, "call      %s[%d] %s %s%s%s%s%s",
               process_name(call->process), (int) process_pid(call->process), call_name(call->id),
               call->path ? call->path : "", call->path2 ? " -> " : "",
               call->path2 ? call->path2 : "", call->result < 0 ? ": " : "",
               call->result < 0 ? strerror((int) -call->result) : "");
}

/* A file came into a Maildir: tells whose message it is. */
static void tell_arrival(struct machine *machine)
{
    struct world *world = machine->world;
    struct identity identity;
    char *data;
    size_t size;

    machine->arrived = false;
    if (!world->hooks.delivered ||
        host_read_file(machine->host, world->arrivals[world->arrival_count - 1].path, &data,
                       &size) < 0)
        return;
    identify(world, data, size, NULL, &identity);
    identity.chain[strcspn(identity.chain, "\n")] = 0;
    world->hooks.delivered(world->hooks.context, identity.letter, identity.bounce, identity.chain);
    free(identity.chain);
    free(data);
}

/* The same for after_call: what only asks, and the like, is the most of it. */
static bool is_noted(const struct world *world, const struct call *call)
{
    if (world->story || call->changed_disk)
        return true;
    switch (call->id) {
    case CALL_clock:
    case CALL_close:
    case CALL_fcntl:
    case CALL_fstat:
    case CALL_get_id:
    case CALL_lseek:
    case CALL_poll:
    case CALL_random:
    case CALL_read:
    case CALL_readdir:
    case CALL_recvmsg:
    case CALL_stat:
        return false;
    default:
        return true;
    }
}

static void after_call(void *context, const struct call *call)
{
    struct world *world = context;
    struct machine *machine =
        world->finished || !is_noted(world, call) ? NULL : machine_of(world, call->process);

    if (!machine || !is_ours(machine)) {
        world->call = NULL;
        return;
    }
    world->call = call;
    if (call->result < 0)
        faults_after(machine, call);
    else if (call->id == CALL_syncfs && machine->faulted)
        faults_synced(machine, call->time_ns);
    switch (call->id) {
    case CALL_listen:
        if (call->result == 0 && is_program(call, "nixie-listen"))
            internet_host_listens(machine);
        break;
    case CALL_write:
        if (call->result > 0 && call->fd == 0 && is_program(call, "nixie-send"))
            log_note_write(machine, process_pid(call->process), call->data, (size_t) call->result);
        if (call->result == -EPIPE && call->fd == 0 && is_program(call, "nixie-send"))
            log_note_unheard(machine);
        if (call->result > 0 && is_program(call, "nixie-queue"))
            entries_note_answer(machine, call);
        break;
    case CALL_sendmsg:
        if (call->result > 0 && is_program(call, "nixie-queue"))
            entries_note_answer(machine, call);
        break;
    case CALL_open:
    case CALL_link:
    case CALL_unlink:
    case CALL_rename:
        if (machine->world->story)
            tell_call(machine, call);
        entries_settle(machine);
        if (machine->arrived)
            tell_arrival(machine);
        if (world->hooks.quiet && machine->alive == 0 && call->id == CALL_unlink &&
            world_is_quiet(world))
            world->hooks.quiet(world->hooks.context);
        world->call = NULL;
        return;
    default:
        break;
    }
    if (world->story)
        tell_call(machine, call);
    if (call->id == CALL_fdatasync && call->result == 0 &&
        (is_program(call, "nixie-queue") || is_program(call, "nixie-clean")))
        journal_note_durable(machine);
    if (world->hooks.durable && (call->id == CALL_fsync || call->id == CALL_fdatasync ||
                                 call->id == CALL_syncfs || call->changed_disk))
        entries_note_durable(machine);
    world->call = NULL;
}

/* --- disks -----------------------------------------------------------------------------------*/

/* Below a home directory, in some directory new/. */
static bool is_new_mail(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash && slash - path >= 4 && memcmp(slash - 4, "/new", 4) == 0;
}

static void note_arrival(struct machine *machine, const char *path)
{
    struct world *world = machine->world;
    struct arrival *arrival;

    machine->arrived = true;
    for (size_t i = world->arrival_count; i-- > 0;)
        if (world->arrivals[i].machine == machine->index &&
            strcmp(world->arrivals[i].path, path) == 0) {
            world->arrivals[i].time_ns = kernel_now(world->kernel);
            return;
        }
    arrival = LIST_ADD(world->arrivals, world->arrival_count);
    arrival->machine = machine->index;
    arrival->path = must_copy(path, strlen(path));
    arrival->time_ns = kernel_now(world->kernel);
}

/* `with` begins with a slash, `path` need not. */
static bool starts_with(const char *path, const char *with)
{
    return strncmp(*path == '/' ? path + 1 : path, with + 1, strlen(with + 1)) == 0;
}

#define PATH_ROOM 4200

/* The file system names paths without the slash in front. */
static const char *make_absolute(const char *path, char to[PATH_ROOM])
{
    if (*path == '/')
        return path;
    snprintf(to, PATH_ROOM, "/%s", path);
    return to;
}

static void note_change(void *context, enum vfs_change change, const char *path,
                        const char *old_path)
{
    struct machine *machine = context;
    char absolute[PATH_ROOM];

    if (machine->world->finished || change == VFS_DURABLE || change == VFS_ATTRIBUTE)
        return;
    if (starts_with(path, HOME_QUEUE "/") || (old_path && starts_with(old_path, HOME_QUEUE "/"))) {
        if (change == VFS_WRITE)
            return;
        if (change == VFS_RENAME && old_path)
            entries_note_name(machine, make_absolute(old_path, absolute), false);
        entries_note_name(machine, make_absolute(path, absolute), change != VFS_UNLINK);
        return;
    }
    if (!starts_with(path, "/home/") && !starts_with(path, HOME_DIRECTORY "/alias/"))
        return;
    path = make_absolute(path, absolute);
    if ((change == VFS_LINK || change == VFS_RENAME || change == VFS_CREATE) && is_new_mail(path))
        note_arrival(machine, path);
    else if (change == VFS_WRITE)
        growth_note(machine, path);
}

static void call_changes(void *context, const struct call *call)
{
    struct world *world = context;

    world->call = call;
}

void watch_start(struct world *world)
{
    struct kernel_watch watch = {before_call, after_call, world};

    kernel_watch(world->kernel, &watch);
    kernel_on_changing(world->kernel, call_changes, world);
    for (size_t i = 0; i < world->host_count; i++)
        host_observe(world->machines[i].host, note_change, &world->machines[i]);
}
