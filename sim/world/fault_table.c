/* SPDX-License-Identifier: ISC */
/*
 * Which faults a call may meet.  From the ERRORS of Linux's manual pages, and where these are
 * silent from the kernel: what a file system passes on (ENOSPC, EDQUOT, EIO, ENOMEM), what a table
 * that is full says (EMFILE of the process, ENFILE of the machine).
 *
 *   ENOSPC, EDQUOT  what needs room for a name or for data; also a sync, where room that was
 *                   promised (delayed allocation, NFS) is found to be missing
 *   EIO             what reads or writes the disk
 *   EMFILE, ENFILE  what makes a descriptor
 *   ENOMEM          what makes an object of the kernel's
 *   EINTR           what may wait for others: pipes, sockets, FIFOs, locks, children.  Never a
 *                   regular file or a sync, and never what restarts by itself
 *   short           reads and writes; to a pipe or an AF_UNIX socket up to PIPE_BUF bytes go whole
 *                   or not at all
 *   slow            what waits for the disk
 *   clock           a look at the wall clock: between two looks a step cannot be seen
 *   spawn           EAGAIN, no process more (ENOMEM is there too)
 *   wakeup          a line into the trigger
 *   network         bytes that go over TCP; a datagram is lost
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>

#include "sim/world/faults.h"
#include "sim/world/world.h"

#define OF(kind) (1u << FILE_##kind)
#define DISK (OF(REGULAR) | OF(DIRECTORY))
#define STREAMS (OF(PIPE) | OF(FIFO) | OF(UNIX) | OF(TCP))
#define WHOLE (OF(PIPE) | OF(FIFO) | OF(UNIX)) /* small writes are not cut */
#define ROOM (FAULTS_ENOSPC | FAULTS_EDQUOT)
#define MEDIUM (FAULTS_EIO | FAULTS_ENOMEM)
#define NAME (ROOM | MEDIUM | FAULTS_SLOW) /* a directory changes */
#define TABLE (FAULTS_EMFILE | FAULTS_ENFILE | FAULTS_ENOMEM)

static const struct {
    enum call_id call;
    unsigned files; /* what its descriptor may lead to; 0: it has none, or any */
    unsigned set;
} table[] = {
    {CALL_open, 0, TABLE | FAULTS_EIO | ROOM}, /* ROOM with O_CREAT only */
    {CALL_read, DISK, FAULTS_EIO | FAULTS_SHORT},
    {CALL_read, STREAMS, FAULTS_EINTR | FAULTS_SHORT},
    {CALL_write, OF(REGULAR), ROOM | MEDIUM | FAULTS_SHORT | FAULTS_SLOW},
    {CALL_write, STREAMS, FAULTS_EINTR | FAULTS_SHORT},
    {CALL_write, OF(FIFO), FAULTS_WAKEUP},
    {CALL_write, OF(TCP), FAULTS_NETWORK | FAULTS_ENOMEM},
    {CALL_fstat, DISK, FAULTS_EIO},
    {CALL_stat, 0, MEDIUM},
    {CALL_lstat, 0, MEDIUM},
    {CALL_link, 0, NAME},
    {CALL_unlink, 0, MEDIUM | FAULTS_SLOW},
    {CALL_rename, 0, NAME},
    {CALL_mkdir, 0, NAME},
    {CALL_rmdir, 0, MEDIUM},
    {CALL_symlink, 0, NAME},
    {CALL_mkfifo, 0, NAME},
    {CALL_readlink, 0, MEDIUM},
    {CALL_ftruncate, OF(REGULAR), FAULTS_EIO},
    {CALL_fsync, DISK, ROOM | FAULTS_EIO | FAULTS_SLOW},
    {CALL_fdatasync, DISK, ROOM | FAULTS_EIO | FAULTS_SLOW},
    {CALL_syncfs, 0, ROOM | FAULTS_EIO | FAULTS_SLOW},
    {CALL_sync_file_range, OF(REGULAR), FAULTS_EIO | FAULTS_ENOSPC | FAULTS_ENOMEM},
    {CALL_dup, 0, FAULTS_EMFILE},
    {CALL_pipe, 0, FAULTS_EMFILE | FAULTS_ENFILE},
    {CALL_socket, 0, TABLE},
    {CALL_socketpair, 0, TABLE},
    {CALL_bind, 0, FAULTS_ENOMEM},
    {CALL_accept, 0, TABLE | FAULTS_EINTR},
    {CALL_connect, OF(UNIX), FAULTS_EINTR | FAULTS_ENOMEM},
    {CALL_connect, OF(TCP), FAULTS_ENOMEM},
    {CALL_sendmsg, OF(UNIX) | OF(TCP), FAULTS_EINTR | FAULTS_ENOMEM | FAULTS_SHORT},
    {CALL_sendmsg, OF(TCP) | OF(UDP), FAULTS_NETWORK},
    {CALL_recvmsg, OF(UNIX) | OF(TCP), FAULTS_EINTR | FAULTS_ENOMEM | FAULTS_SHORT},
    {CALL_recvmsg, OF(UDP), FAULTS_EINTR | FAULTS_ENOMEM},
    {CALL_poll, 0, FAULTS_EINTR | FAULTS_ENOMEM},
    {CALL_flock, 0, FAULTS_EINTR | FAULTS_ENOMEM},
    {CALL_spawn, 0, FAULTS_SPAWN | FAULTS_ENOMEM},
    {CALL_exec, 0, FAULTS_ENOMEM | FAULTS_EIO},
    {CALL_wait, 0, FAULTS_EINTR}, /* not with WNOHANG */
    {CALL_signalfd, 0, TABLE},
    {CALL_clock, 0, FAULTS_CLOCK}, /* of the wall only */
    {CALL_chmod, 0, MEDIUM | ROOM},
    {CALL_chown, 0, MEDIUM | ROOM},
    {CALL_utimens, 0, MEDIUM | ROOM},
    {CALL_getpw, 0, TABLE | FAULTS_EIO},
    {CALL_opendir, 0, TABLE | FAULTS_EIO},
    {CALL_readdir, 0, FAULTS_EIO},
    {CALL_statvfs, 0, MEDIUM},
};

/* Those that the table has for the call, but what it asks for rules out. */
static unsigned ruled_out(const struct call *call, unsigned file)
{
    switch (call->id) {
    case CALL_open:
        return call->argument[0] & O_CREAT ? 0 : ROOM;
    case CALL_write:
    case CALL_sendmsg:
        return call->size <= (file & WHOLE ? PIPE_BUF : 1) ? FAULTS_SHORT : 0;
    case CALL_poll:
        return call->argument[1] == 0 ? FAULTS_EINTR : 0;
    case CALL_wait:
        return call->argument[1] ? FAULTS_EINTR : 0; /* WNOHANG */
    case CALL_flock:
        return call->argument[0] & LOCK_UN   ? FAULTS_ALL
               : call->argument[0] & LOCK_NB ? FAULTS_EINTR
                                             : 0;
    case CALL_clock:
        return call->argument[0] == CLOCK_REALTIME ? 0 : FAULTS_CLOCK;
    default:
        return 0;
    }
}

static bool is_host_of_ours(const struct world *world, const struct host *host)
{
    for (size_t i = 0; i < world->host_count; i++)
        if (world->machines[i].host == host)
            return true;
    return false;
}

unsigned faults_of(const struct world *world, const struct call *call)
{
    bool ours = is_host_of_ours(world, process_host(call->process));
    unsigned file = 1u << process_file_kind(call->process, call->fd), set = 0;

    if (ours && strncmp(process_name(call->process), "nixie-", 6) != 0)
        return 0;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (table[i].call == call->id && (table[i].files == 0 || table[i].files & file))
            set |= table[i].set;
    set &= ~ruled_out(call, file);
    return ours ? set : set & FAULTS_NETWORK;
}

static const struct {
    unsigned one;
    int error;
} errors[] = {{FAULTS_ENOSPC, ENOSPC}, {FAULTS_EDQUOT, EDQUOT}, {FAULTS_EIO, EIO},
              {FAULTS_EMFILE, EMFILE}, {FAULTS_ENFILE, ENFILE}, {FAULTS_ENOMEM, ENOMEM},
              {FAULTS_EINTR, EINTR},   {FAULTS_SPAWN, EAGAIN}};

int fault_error(unsigned one)
{
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        if (errors[i].one == one)
            return errors[i].error;
    return 0;
}

unsigned fault_of_error(int error)
{
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        if (errors[i].error == error)
            return errors[i].one;
    return 0;
}
