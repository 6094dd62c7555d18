/* SPDX-License-Identifier: ISC */
/* What a process says of its calls becomes what the simulated kernel's watchers are told. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "sim/reality/reality.h"
#include "sim/world/pool.h"

/* A note with its texts. */
struct note {
    struct wire_note head;
    const char *path, *path2, *data;
    const struct sockaddr *address;
};

/* --- names -------------------------------------------------------------------------------------*/

/* "/a/./b//c" is /a/b/c, as the simulated kernel tells it. */
static const char *plain(char *path)
{
    char *to = path;

    for (const char *from = path; *from;) {
        if (strncmp(from, "/./", 3) == 0)
            from += 2;
        else if (strncmp(from, "//", 2) == 0)
            from++;
        else
            *to++ = *from++;
    }
    *to = 0;
    return path;
}

/* The absolute path of what a process has named. */
static const char *absolute(const struct real_process *process, const char *path, char to[PATH_MAX])
{
    const char *directory = process->directory;
    size_t length = strlen(directory);

    if (*path == '/')
        directory = "", length = 0;
    if (snprintf(to, PATH_MAX, "%s%s%s", directory,
                 *path == '/' || (length > 0 && directory[length - 1] == '/') ? "" : "/",
                 path) >= PATH_MAX)
        return path;
    return plain(to);
}

static bool tell_change(struct real_process *process, const struct note *note)
{
    struct host *host = process->machine->host;
    char path[PATH_MAX], path2[PATH_MAX];

    if (note->head.result < 0)
        return false;
    switch (note->head.call) {
    case CALL_open:
        if (!note->head.argument[2] || !note->path)
            return false;
        backend_changed(host, VFS_CREATE, absolute(process, note->path, path), NULL);
        return true;
    case CALL_mkdir:
        backend_changed(host, VFS_CREATE, absolute(process, note->path, path), NULL);
        return true;
    case CALL_link:
        backend_changed(host, VFS_LINK, absolute(process, note->path2, path2),
                        absolute(process, note->path, path));
        return true;
    case CALL_rename:
        backend_changed(host, VFS_RENAME, absolute(process, note->path2, path2),
                        absolute(process, note->path, path));
        return true;
    case CALL_unlink:
    case CALL_rmdir:
        backend_changed(host, VFS_UNLINK, absolute(process, note->path, path), NULL);
        return true;
    case CALL_write:
    case CALL_ftruncate:
        if (!note->path2)
            return false;
        backend_changed(host, VFS_WRITE, note->path2, NULL);
        return true;
    case CALL_fsync:
    case CALL_fdatasync:
    case CALL_syncfs:
        return true;
    default:
        return false;
    }
}

/* --- calls -------------------------------------------------------------------------------------*/

static void set_cuts(struct wire_reply *reply, uint64_t own, uint64_t other)
{
    reply->flags |= WIRE_CUTS;
    reply->cuts[0] = own;
    reply->cuts[1] = other;
}

/* Where paths take time: see WIRE_SENDS. */
static bool is_sending(const struct note *note)
{
    return (note->head.call == CALL_write || note->head.call == CALL_sendmsg ||
            note->head.call == CALL_connect) &&
           note->head.argument[2] == WIRE_SENDS;
}

static void fill_call(struct real_process *process, const struct note *note, struct call *call)
{
    bool named = note->head.call == CALL_write || note->head.call == CALL_ftruncate;
    bool sends = is_sending(note);

    *call = (struct call){
        .id = (enum call_id) note->head.call,
        .process = process->process,
        .path = note->path,
        .path2 = named ? NULL : note->path2,
        .fd = note->head.fd,
        .argument = {note->head.argument[0], note->head.argument[1], note->head.argument[2]},
        .data = note->data,
        .size = note->head.data_size,
        .address = note->address,
        .address_size = note->head.address_size,
        .result = note->head.result};
    if (!sends)
        return;
    memset(call->argument, 0, sizeof call->argument);
    if (note->head.call != CALL_connect) {
        call->address = NULL;
        call->address_size = 0;
    }
}

/* The reply goes now, or when the run goes on, or later. */
static void answer(struct real_process *process, const struct wire_reply *reply, int64_t slow_ns)
{
    struct kernel *kernel = process->machine->reality->kernel;

    process->reply = *reply;
    if (slow_ns > 0) {
        process->life = LIFE_DELAYED;
        process->deadline_ns = kernel_now(kernel) + slow_ns;
    } else if (backend_is_stopped(kernel)) {
        process->life = LIFE_HELD;
    } else {
        process->life = LIFE_RUNNING;
        process_reply(process, reply);
    }
}

void hear_release(struct real_process *process)
{
    process->life = LIFE_RUNNING;
    process->deadline_ns = INT64_MAX;
    process_reply(process, &process->reply);
}

/* What the network makes of a connection that is about to be opened. */
static void decide_way(struct real_process *process, const struct note *note,
                       struct wire_reply *reply)
{
    if (!note->address || reply->error)
        return;
    switch (backend_way(process->machine->host, note->address)) {
    case WAY_REFUSED:
        reply->error = ECONNREFUSED;
        break;
    case WAY_UNREACHABLE:
        reply->error = EHOSTUNREACH;
        break;
    case WAY_SILENT:
        reply->flags |= WIRE_SILENT;
        break;
    case WAY_OPEN:
        break;
    }
}

/* How often the path's delay stands before what is sent: there and back before a connection is
 * there; the rest of that handshake before the first that a listening side says; for an answer of
 * a datagram the question has waited. */
static unsigned delays_of(const struct note *note)
{
    bool listened = note->head.argument[1];

    if (note->head.call == CALL_connect)
        return 2;
    switch (note->head.argument[0]) {
    case WIRE_TURN:
        return 1;
    case WIRE_FIRST_TURN:
        return listened ? 2 : 1;
    case WIRE_QUESTION:
        return listened ? 0 : 2;
    default:
        return 0;
    }
}

static int64_t path_ns(const struct real_process *process, const struct note *note,
                       const struct wire_reply *reply)
{
    size_t size = note->head.data_size;

    if (!is_sending(note) || !note->address || reply->error || (reply->flags & WIRE_SILENT))
        return 0;
    if (reply->limit && reply->limit < size)
        size = reply->limit;
    return backend_path_ns(process->machine->host, note->address, note->head.argument[1], size,
                           delays_of(note));
}

/* Whether the connection that is opened breaks at a byte. */
static void decide_cuts(struct real_process *process, const struct note *note,
                        struct wire_reply *reply)
{
    uint64_t bytes[2];

    if (!is_sending(note) || !note->address || reply->error || (reply->flags & WIRE_SILENT))
        return;
    backend_cuts(process->machine->host, note->address, bytes);
    if (bytes[0] < UINT64_MAX || bytes[1] < UINT64_MAX)
        set_cuts(reply, bytes[0], bytes[1]);
}

static bool is_sync(enum call_id id)
{
    return id == CALL_fsync || id == CALL_fdatasync || id == CALL_syncfs;
}

static void hear_before(struct real_process *process, const struct note *note)
{
    struct kernel *kernel = process->machine->reality->kernel;
    struct wire_reply reply = {.kind = WIRE_REPLY};
    struct backend_verdict verdict;
    struct call call;

    fill_call(process, note, &call);
    backend_call_on(process->process, (enum file_kind) note->head.file);
    backend_before(kernel, &call, &verdict);
    process->leaves = call.id == CALL_exec && !verdict.error;
    reply.error = verdict.error;
    reply.limit = verdict.limit;
    reply.flags = verdict.discards ? WIRE_DISCARDS : 0;
    if (verdict.resets && verdict.resets_after == 0)
        reply.flags |= WIRE_RESETS;
    else if (verdict.resets)
        set_cuts(&reply, verdict.resets_after, UINT64_MAX);
    if (call.id == CALL_connect)
        decide_way(process, note, &reply);
    if (call.id == CALL_connect)
        decide_cuts(process, note, &reply);
    if (call.id == CALL_spawn && !reply.error)
        process->machine->coming++;
    verdict.slow_ns += path_ns(process, note, &reply);
    if (is_sync(call.id))
        verdict.slow_ns += backend_sync_ns(kernel);
    answer(process, &reply, verdict.slow_ns);
}

static void hear_after(struct real_process *process, const struct note *note)
{
    struct reality *reality = process->machine->reality;
    struct wire_reply reply = {.kind = WIRE_REPLY};
    struct call call;

    if (note->head.call == CALL_spawn && note->head.result < 0 && process->machine->coming > 0)
        process->machine->coming--;
    process->leaves = false;
    fill_call(process, note, &call);
    if (call.id == CALL_write && call.fd <= 2)
        processes_drain(reality);
    backend_changing(reality->kernel, &call);
    call.changed_disk = tell_change(process, note);
    backend_after(reality->kernel, &call);
    answer(process, &reply, 0);
}

static void hear_question(struct real_process *process, const struct note *note)
{
    struct wire_reply reply = {.kind = WIRE_REPLY};
    size_t size = 0;
    char *text = backend_ask(process->machine->reality->kernel, process->process, note->data,
                             note->head.data_size, &size);

    reply.size = text ? size : 0;
    process->life = LIFE_RUNNING;
    process_reply(process, &reply);
    for (size_t done = 0; text && done < size;) {
        ssize_t count = send(process->fd, text + done, size - done, MSG_NOSIGNAL);

        if (count <= 0)
            break;
        done += (size_t) count;
    }
    free(text);
}

static void hear_wait(struct real_process *process, const struct note *note)
{
    int64_t now = kernel_now(process->machine->reality->kernel), ms = note->head.argument[1];

    process->life = LIFE_WAITING;
    process->wait = (uint32_t) note->head.argument[0];
    process->deadline_ns = ms < 0 ? INT64_MAX : now + ms * 1000000;
}

static void hear_note(struct real_process *process, const struct note *note)
{
    switch (note->head.kind) {
    case WIRE_BEFORE:
        hear_before(process, note);
        break;
    case WIRE_AFTER:
        hear_after(process, note);
        break;
    case WIRE_WAIT:
        hear_wait(process, note);
        break;
    case WIRE_AWAKE:
        process->life = LIFE_RUNNING;
        process->deadline_ns = INT64_MAX;
        process->machine->reality->probe++; /* who was asked before must be asked again */
        break;
    case WIRE_STILL:
        process->is_still = (uint32_t) note->head.argument[0] == process->machine->reality->probe;
        process->machine->reality->is_under_way |= note->head.argument[1] != 0;
        break;
    case WIRE_DIRECTORY:
        free(process->directory);
        process->directory =
            must_copy(note->path ? note->path : "/", strlen(note->path ? note->path : "/"));
        break;
    case WIRE_ASK:
        hear_question(process, note);
        break;
    default:
        break;
    }
}

/* --- notes out of bytes ------------------------------------------------------------------------*/

static size_t note_size(const struct wire_note *head)
{
    return sizeof *head + head->path_size + head->path2_size + head->data_size + head->address_size;
}

/* A text with its NUL, or NULL; *at comes behind it. */
static const char *take_text(char **at, uint32_t size)
{
    const char *text = size ? *at : NULL;

    if (size)
        (*at)[size - 1] = 0;
    *at += size;
    return text;
}

static void split(struct note *note, char *at, struct sockaddr_storage *address)
{
    note->path = take_text(&at, note->head.path_size);
    note->path2 = take_text(&at, note->head.path2_size);
    note->data = note->head.data_size ? at : NULL;
    at += note->head.data_size;
    memset(address, 0, sizeof *address);
    if (note->head.address_size > sizeof *address)
        note->head.address_size = sizeof *address;
    memcpy(address, at, note->head.address_size);
    note->address = note->head.address_size ? (const struct sockaddr *) address : NULL;
}

static bool is_too_long(const struct real_process *process)
{
    struct wire_note head;

    if (process->used < sizeof head)
        return false;
    memcpy(&head, process->bytes, sizeof head);
    return note_size(&head) > WIRE_SIZE_MAX;
}

/* Takes the first whole note out of what has come; false: there is none. */
static bool take_note(struct real_process *process)
{
    struct sockaddr_storage address;
    struct note note;
    size_t size;
    char *bytes;

    if (process->used < sizeof note.head)
        return false;
    memcpy(&note.head, process->bytes, sizeof note.head);
    size = note_size(&note.head);
    if (process->used < size)
        return false;
    bytes = must_copy(process->bytes, size);
    process->used -= size;
    memmove(process->bytes, process->bytes + size, process->used);
    split(&note, bytes + sizeof note.head, &address);
    hear_note(process, &note);
    free(bytes);
    return true;
}

void hear(struct real_process *process)
{
    ssize_t got;

    if (process->used + 65536 > process->room) {
        process->room = 2 * (process->used + 65536);
        process->bytes = must_resize(process->bytes, process->room);
    }
    got = recv(process->fd, process->bytes + process->used, process->room - process->used,
               MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        process_lost(process);
        return;
    }
    process->used += (size_t) got;
    if (is_too_long(process)) { /* no library of ours says that */
        process_lost(process);
        return;
    }
    while (take_note(process))
        ;
}
