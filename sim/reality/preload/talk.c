/* SPDX-License-Identifier: ISC */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "sim/reality/preload/preload.h"

#define LOW_FD 900 /* below the usual limit of 1024, above what programs use */

struct preload preload = {.fd = -1, .turn = WIRE_FIRST_TURN};

void *behind(const char *name)
{
    return dlsym(RTLD_NEXT, name);
}

/* The driver is gone: so is the scenario. */
static _Noreturn void give_up(void)
{
    syscall(SYS_exit_group, 86);
    __builtin_unreachable();
}

static void send_all(const void *from, size_t size)
{
    const char *at = from;
    while (size > 0) {
        long sent = syscall(SYS_sendto, preload.fd, at, size, MSG_NOSIGNAL, NULL, 0);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            give_up();
        at += sent;
        size -= (size_t) sent;
    }
}

void talk_send(const struct wire_note *note, const void *parts[], const size_t sizes[],
               unsigned count)
{
    char small[2048];
    size_t used = sizeof *note;
    memcpy(small, note, sizeof *note);
    unsigned i = 0;
    for (; i < count && used + sizes[i] <= sizeof small; i++) {
        if (sizes[i] > 0)
            memcpy(small + used, parts[i], sizes[i]);
        used += sizes[i];
    }
    send_all(small, used);
    for (; i < count; i++)
        send_all(parts[i], sizes[i]);
}

void talk_receive(void *to, size_t size)
{
    char *at = to;
    while (size > 0) {
        long got = syscall(SYS_recvfrom, preload.fd, at, size, 0, NULL, NULL);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            give_up();
        at += got;
        size -= (size_t) got;
    }
}

void talk_reply(struct wire_reply *reply)
{
    do /* probes and wakes of a wait that is over say nothing any more */
        talk_receive(reply, sizeof *reply);
    while (reply->kind != WIRE_REPLY);
}

/* --- calls -------------------------------------------------------------------------------------*/

static enum file_kind kind_of_socket(int fd)
{
    int family = 0, type = 0;
    socklen_t size = sizeof family;
    syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_DOMAIN, &family, &size);
    size = sizeof type;
    syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_TYPE, &type, &size);
    return family == AF_UNIX ? FILE_UNIX : type == SOCK_DGRAM ? FILE_UDP : FILE_TCP;
}

/* Of what a fault may ask. */
static enum file_kind kind_of(int fd)
{
    struct stat status;
    struct statfs system = {0};
    if (fd < 0 || syscall(SYS_newfstatat, fd, "", &status, AT_EMPTY_PATH) < 0)
        return FILE_NONE;
    switch (status.st_mode & S_IFMT) {
    case S_IFREG:
        return FILE_REGULAR;
    case S_IFDIR:
        return FILE_DIRECTORY;
    case S_IFSOCK:
        return kind_of_socket(fd);
    case S_IFIFO:
        syscall(SYS_fstatfs, fd, &system);
        return system.f_type == PIPEFS_MAGIC ? FILE_PIPE : FILE_FIFO;
    default:
        return FILE_OTHER;
    }
}

static void say(enum wire_kind kind, const struct told *told, int64_t result)
{
    struct wire_note note = {.kind = kind, .call = (int32_t) told->id, .fd = told->fd};
    size_t size = told->size < WIRE_DATA_MAX ? told->size : WIRE_DATA_MAX;
    const void *parts[] = {told->path, told->path2, told->data, told->address};
    const size_t sizes[] = {told->path ? strlen(told->path) + 1 : 0,
                            told->path2 ? strlen(told->path2) + 1 : 0, told->data ? size : 0,
                            told->address ? told->address_size : 0};
    note.file = kind == WIRE_BEFORE ? kind_of(told->fd) : FILE_NONE;
    note.path_size = (uint32_t) sizes[0];
    note.path2_size = (uint32_t) sizes[1];
    note.data_size = (uint32_t) sizes[2];
    note.address_size = (uint32_t) sizes[3];
    memcpy(note.argument, told->argument, sizeof note.argument);
    note.result = result;
    talk_send(&note, parts, sizes, 4);
}

bool tell_before(struct told *told)
{
    int saved = errno;
    if (!is_told(told->id)) {
        told->reply = (struct wire_reply){0};
        return true;
    }
    say(WIRE_BEFORE, told, 0);
    talk_reply(&told->reply);
    errno = told->reply.error ? told->reply.error : saved;
    return told->reply.error == 0;
}

int64_t tell_after(struct told *told, int64_t result)
{
    int saved = errno;
    struct wire_reply reply;
    if (!is_told(told->id))
        return result;
    say(WIRE_AFTER, told, result < 0 ? -saved : result);
    talk_reply(&reply);
    errno = saved;
    return result;
}

/* --- beginning ---------------------------------------------------------------------------------*/

static void connect_driver(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    long fd = syscall(SYS_socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || strlen(path) >= sizeof address.sun_path)
        give_up();
    strcpy(address.sun_path, path);
    if (syscall(SYS_connect, fd, &address, sizeof address) < 0)
        give_up();
    preload.fd = (int) syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, LOW_FD);
    if (preload.fd < 0)
        give_up();
    syscall(SYS_close, fd);
}

/* It is beside the socket at `path`. */
static void map_page(const char *path)
{
    char beside[4096];
    const char *slash = strrchr(path, '/');
    snprintf(beside, sizeof beside, "%.*s/" WIRE_PAGE, slash ? (int) (slash - path) : 0, path);
    long fd = syscall(SYS_openat, AT_FDCWD, beside, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return;
    void *page = mmap(NULL, sizeof *preload.page, PROT_READ, MAP_SHARED, (int) fd, 0);
    if (page != MAP_FAILED)
        preload.page = page;
    syscall(SYS_close, fd);
}

void talk_begin(bool forked)
{
    char program[4096], directory[4096] = "/";
    const char *path = getenv(WIRE_ENVIRONMENT), *tag = getenv(WIRE_TAG);
    struct wire_reply reply;
    if (!path)
        return;
    for (int i = 0; i < SILENT_MAX && !forked; i++)
        preload.silents[i].fd = -1;
    if (preload.fd >= 0)
        syscall(SYS_close, preload.fd);
    connect_driver(path);
    if (!forked) {
        map_page(path);
        preload.root = getenv(WIRE_ROOT);
    }
    long length = syscall(SYS_readlinkat, AT_FDCWD, "/proc/self/exe", program, sizeof program - 1);
    program[length > 0 ? length : 0] = 0;
    if (syscall(SYS_getcwd, directory, sizeof directory) < 0)
        strcpy(directory, "/");
    place_strip(directory);
    struct wire_note note = {.kind = WIRE_HELLO,
                             .path_size = (uint32_t) strlen(program) + 1,
                             .path2_size = (uint32_t) strlen(directory) + 1,
                             .argument = {syscall(SYS_getpid), tag ? atoll(tag) : 0, forked}};
    const void *parts[] = {program, directory};
    const size_t sizes[] = {note.path_size, note.path2_size};
    talk_send(&note, parts, sizes, 2);
    talk_reply(&reply);
    preload.calls = reply.calls;
}

static void tell_exit(int status, void *nothing)
{
    struct told told = TOLD(exit, .argument = {status});
    (void) nothing;
    tell_before(&told);
}

__attribute__((constructor)) static void begin(void)
{
    int saved = errno;
    talk_begin(false);
    on_exit(tell_exit, NULL);
    errno = saved;
}

/* For the program that a scenario declares (program/declared.c): malloc'd answer, or NULL. */
char *nixie_reality_ask(const char *question, size_t size, size_t *answer_size);
char *nixie_reality_ask(const char *question, size_t size, size_t *answer_size)
{
    struct wire_note note = {.kind = WIRE_ASK, .data_size = (uint32_t) size};
    struct wire_reply reply;
    const void *parts[] = {question};
    if (preload.fd < 0 || size > WIRE_SIZE_MAX / 2)
        return NULL;
    talk_send(&note, parts, &size, 1);
    talk_reply(&reply);
    char *answer = malloc(reply.size + 1);
    if (answer) {
        talk_receive(answer, reply.size);
        answer[reply.size] = 0;
        *answer_size = reply.size;
    } else {
        give_up();
    }
    return answer;
}
