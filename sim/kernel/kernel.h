/* SPDX-License-Identifier: ISC */
/*
 * The simulated Unix, as the world outside it sees it: make hosts, put files and users on them,
 * start processes, let time pass, watch every call, cut the power.
 *
 * One thread, one kernel at a time.  Simulated processes are coroutines that run the server's own
 * machine code; their calls arrive in sim_open, sim_read, ... (calls.h).  All times are virtual,
 * in nanoseconds since the start of the run unless said otherwise.
 */
#ifndef SIM_KERNEL_KERNEL_H
#define SIM_KERNEL_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "sim/kernel/choose.h"
#include "sim/kernel/disk.h"
#include "sim/kernel/vfs.h"

#define NANOSECONDS 1000000000LL

struct kernel;
struct host;
struct process;
struct sockaddr;

/* Who runs when: policy.h. */
enum schedule_policy {
    SCHEDULE_ROUND_ROBIN,
    SCHEDULE_RANDOM,
    SCHEDULE_PRIORITY,
    SCHEDULE_STARVE,
    SCHEDULE_COUNT
};
/* "round-robin", "random", "priority", "starve"; and back: 0, or -1 for other names. */
const char *schedule_name(enum schedule_policy policy);
int schedule_named(const char *name, enum schedule_policy *policy);

struct kernel_options {
    uint64_t seed;
    enum schedule_policy policy;
    int64_t epoch;       /* Unix seconds at virtual time 0; 0 means 2026-01-01 00:00:00 UTC */
    uint64_t call_ns;    /* virtual cost of a call; 0 means 1000 */
    uint64_t spin_calls; /* calls without waiting after which a process counts as spinning; 0 means
                            2,000,000 */
    uint64_t fsync_min_ns, fsync_max_ns; /* how long a sync takes; 0, 0 means 1 ms .. 8 ms */
    /* Things that must not change a run, varied by the determinism test. */
    uint8_t fill_byte;                    /* fills fresh stacks and memory */
    size_t arena_offset;                  /* shifts every arena */
    size_t environment_padding;           /* bytes added to each process's environment area */
    const struct kernel_backend *backend; /* runs real processes instead (backend.h); or NULL */
};

struct kernel *kernel_create(const struct kernel_options *options);
/* Ends all processes (no `ended` is called) and frees everything.  Stacks and memory chunks stay
 * in pools of the program for the next kernel. */
void kernel_destroy(struct kernel *kernel);

/* --- programs --------------------------------------------------------------------------------
 * An executable file on a simulated disk is a regular file with an x bit that holds
 * "#!nixie NAME\n"; execve runs the program registered as NAME (ENOEXEC if there is none). */
typedef int program_main(int argc, char **argv, char **environment);
void kernel_register_program(struct kernel *kernel, const char *name, program_main *main);

/* --- hosts ------------------------------------------------------------------------------------*/
struct host_options {
    const char *name; /* also what gethostname tells */
    const struct disk_model *disk;
    uint64_t capacity_bytes; /* 0: no limit */
    uint64_t capacity_inodes;
    bool steady; /* its processes are never starved, whatever the policy */
    /* A copy of the files of a host that was created with the same options as the same one of a
     * kernel with the same seed, and settled: it comes up with these.  NULL: with none. */
    const struct vfs *files;
};
/* A host that is up, with /, /bin, /tmp (1777), /proc/sys/kernel/random/boot_id, /dev/null. */
struct host *host_create(struct kernel *kernel, const struct host_options *options);
const char *host_name(const struct host *host);
struct vfs *host_vfs(const struct host *host);
bool host_is_up(const struct host *host);

/* Users and groups that getpwnam, getpwuid, getgrnam know.  Strings are copied. */
void host_add_user(struct host *host, const char *name, uid_t uid, gid_t gid, const char *home);
void host_add_group(struct host *host, const char *name, gid_t gid);
/* For initgroups; the group must have been added. */
void host_add_group_member(struct host *host, const char *group, const char *user);

/* Set-up without a process: parents are made (root, 0755).  Returns 0 or -errno.  Not durable
 * until a sync or vfs_settle. */
int host_make_directory(struct host *host, const char *path, uid_t uid, gid_t gid, mode_t mode);
int host_write_file(struct host *host, const char *path, const void *data, size_t size, uid_t uid,
                    gid_t gid, mode_t mode);
int host_make_fifo(struct host *host, const char *path, uid_t uid, gid_t gid, mode_t mode);
/* Reads a whole file into malloc'd memory with a NUL added behind it; -errno on failure. */
int host_read_file(struct host *host, const char *path, char **data, size_t *size);
/* Up to `size` bytes of a regular file from `offset` on: the count, or -errno. */
ssize_t host_read_part(struct host *host, const char *path, uint64_t offset, char *to, size_t size);
/* 1 if nothing that was written to the file at `from` or behind is pending, else 0; -errno if there
 * is no such file.  What failed is of no account when a later write there is durable. */
int host_part_is_durable(struct host *host, const char *path, uint64_t from);
/* The size of a file; 0 if there is none. */
uint64_t host_file_size(struct host *host, const char *path);
/* Names in a directory without "." and "..", sorted, as a malloc'd NULL-terminated array of
 * malloc'd strings; -errno on failure. */
int host_list_directory(struct host *host, const char *path, char ***names);
/* How much space is left can be changed while running: a disk that fills up.  `leave_bytes` is
 * what shall still be free; UINT64_MAX takes the limit away. */
void host_set_free_space(struct host *host, uint64_t leave_bytes);

/* As vfs_observe, which the kernel needs for itself.  One observer a host; NULL: none.  It is
 * called in the middle of a change: it may stop the run, but not crash, kill or change anything. */
void host_observe(struct host *host, vfs_observer *observer, void *context);

/* Power loss: every process is gone, the disk is what the model allows and the chooser answers,
 * the host is down. */
void host_crash(struct host *host, const struct chooser *chooser);
/* Kills every process (`ended` tells -1), nobody is signalled; nothing else happens: the disk keeps
 * all that was written. */
void host_kill_all(struct host *host);
/* The machine comes up again with a new boot id.  Start its first process then. */
void host_boot(struct host *host);

/* --- processes --------------------------------------------------------------------------------*/
struct process_spec {
    const char *path;        /* the program's file on the host's disk */
    const char *const *argv; /* NULL-terminated */
    const char *const *environment;
    const char *directory; /* working directory; NULL: / */
    uid_t uid;
    gid_t gid;
    const void *input; /* fd 0 reads these bytes, then end of file; copied */
    size_t input_size;
    const void *input1; /* if not NULL, fd 1 reads these instead (the envelope of queue) */
    size_t input1_size;
    /* What it writes to fd 1 (unless input1) and fd 2; called as it writes.  NULL: discarded. */
    void (*output)(void *context, struct process *process, int fd, const char *data, size_t size);
    /* How it ended: a wait status as in waitpid; -1 if power or host_kill_all took it. */
    void (*ended)(void *context, struct process *process, int status);
    void *context;
};
/* Starts a process that has no parent (getppid tells 1) on a host that is up.  Returns it, or NULL
 * with *error = errno.  The pointer is good until `ended` returns; other processes' pointers,
 * as watchers see them, are good while the call lasts: keep pids, not pointers. */
struct process *process_start(struct host *host, const struct process_spec *spec, int *error);
/* As kill(2) by root.  Also for the process whose call a watcher watches. */
void process_signal(struct process *process, int signal);

pid_t process_pid(const struct process *process);
const char *process_name(const struct process *process); /* the program's name */
struct host *process_host(const struct process *process);
/* A number that the starter of a tree of processes can set; children inherit it at spawn. */
uint64_t process_tag(const struct process *process);
void process_set_tag(struct process *process, uint64_t tag);
/* The live process of a host whose program has that name, the one with the lowest pid; or NULL. */
struct process *host_find_process(struct host *host, const char *program);

/* --- calls ------------------------------------------------------------------------------------
 * Every outside call of a process is told twice: before it has any effect and after it.  `call`
 * is decoded: paths are as given; `data` are the bytes read or written; calls.h says what
 * `argument` holds for each call.  Memory calls are not told.
 *
 * Watchers run on the process's stack (256 KiB, of which the process has used some): no large
 * arrays.  They may stop the run, crash or kill a host, signal or start processes, set timers;
 * they must not make simulated calls or run the kernel. */
/* clang-format off */
#define CALL_LIST(X) \
    X(open) X(close) X(read) X(write) X(lseek) X(fstat) X(stat) X(lstat) X(link) X(unlink) \
    X(rename) X(mkdir) X(rmdir) X(symlink) X(readlink) X(ftruncate) X(fsync) X(fdatasync) \
    X(syncfs) X(sync_file_range) X(fcntl) X(dup) X(pipe) X(mkfifo) X(socket) X(socketpair) \
    X(bind) X(listen) X(accept) X(connect) X(sendmsg) X(recvmsg) X(getsockopt) X(setsockopt) \
    X(shutdown) X(getsockname) X(poll) X(flock) X(spawn) X(exec) X(wait) X(kill) X(exit) \
    X(signal_mask) X(signal_action) X(signalfd) X(clock) X(random) X(get_id) X(set_id) X(chdir) \
    X(getcwd) X(umask) X(chmod) X(chown) X(utimens) X(getpw) X(opendir) X(readdir) X(statvfs) \
    X(rlimit) X(hostname)
/* clang-format on */
enum call_id {
#define CALL_ENUM(name) CALL_##name,
    CALL_LIST(CALL_ENUM)
#undef CALL_ENUM
        CALL_COUNT
};
const char *call_name(enum call_id id);

struct call {
    enum call_id id;
    struct process *process;
    uint64_t number;  /* counts all calls of the run from 1, in the order they took effect */
    int64_t time_ns;  /* before: when it began; after: when it ended */
    const char *path; /* first path or NULL */
    const char *path2;
    int fd; /* or -1 */
    int64_t argument[3];
    const void *data;
    size_t size;
    const struct sockaddr *address; /* AF_INET or AF_INET6, without padding; or NULL */
    size_t address_size;
    int64_t result;    /* after: what the call returns, -errno for an error */
    bool changed_disk; /* after: visible tree or durable image changed */
};

struct kernel_watch {
    /* Before any effect.  A result other than 0 (an errno) makes the call fail with it; exit and
     * get_id cannot fail.  May be NULL. */
    int (*before)(void *context, const struct call *call);
    /* After the effect, before the process goes on.  An exit is told before the process's
     * descriptors are closed; a process that is killed inside a call has no `after`.  May be
     * NULL. */
    void (*after)(void *context, const struct call *call);
    void *context;
};
/* Up to 8 watchers; called in the order added. */
void kernel_watch(struct kernel *kernel, const struct kernel_watch *watch);
/* With a backend (backend.h) calls of several processes overlap: is told by which call things are
 * changed from here on; NULL: by none. */
void kernel_on_changing(struct kernel *kernel,
                        void (*changing)(void *context, const struct call *call), void *context);

/* From inside a watcher: stop the run at this very point; kernel_run returns KERNEL_STOPPED
 * before the process goes on (from `before`: before the call has had any effect; if the process
 * survives and the run is continued, the call then takes place). */
void kernel_stop(struct kernel *kernel);

/* --- what may go wrong in a call: from inside a `before`, about that call
 * ------------------------*/

/* The call (reading or writing a file, pipe or stream, with whatever call) moves at most `size`
 * bytes (not 0), as a real one may. */
void kernel_shorten(struct kernel *kernel, size_t size);

/* A write or a send says that all bytes went, and nothing arrives. */
void kernel_discard(struct kernel *kernel);

/* It takes `ns` longer, while others run: a sync ends so much later, every other call takes effect
 * so much later.  Waits; if the process is killed meanwhile it does not return. */
void kernel_slow(struct kernel *kernel, int64_t ns);

/* A sync takes its time as ever, then fails with that errno; nothing becomes durable by it. */
void kernel_fail_sync(struct kernel *kernel, int error);

/* The TCP connection at descriptor `fd` of the process is reset, for both ends (ECONNRESET): now,
 * or when exactly `bytes` more bytes that this process's end sends have arrived.  Returns 0;
 * -1: there is no connection. */
int kernel_reset(struct kernel *kernel, int fd, uint64_t bytes);

/* What a descriptor of a process leads to. */
enum file_kind {
    FILE_NONE, /* it is not open */
    FILE_REGULAR,
    FILE_DIRECTORY,
    FILE_PIPE,
    FILE_FIFO,
    FILE_UNIX, /* a socket */
    FILE_TCP,
    FILE_UDP,
    FILE_OTHER
};
enum file_kind process_file_kind(const struct process *process, int fd);

/* --- time -------------------------------------------------------------------------------------*/
int64_t kernel_now(const struct kernel *kernel);          /* ns since the start */
int64_t kernel_wall(const struct kernel *kernel);         /* ns since 1970 */
void kernel_step_wall(struct kernel *kernel, int64_t ns); /* the wall clock jumps, monotonic not */
/* Calls back at a virtual time (outside of any process).  Same time: in the order added. */
/* A time that has passed: at the next step.  There is no taking back.
 * `function` NULL: time only comes that far, although nothing else may happen. */
void kernel_at(struct kernel *kernel, int64_t time_ns, void (*function)(void *context),
               void *context);

enum kernel_end {
    KERNEL_IDLE,    /* every process waits for something that will not come, and no timer is set */
    KERNEL_UNTIL,   /* the time given is reached */
    KERNEL_STOPPED, /* kernel_stop */
    KERNEL_SPIN     /* a process spins; kernel_spinner says who.  One that makes calls may go on
                       when the run is continued; one that loops without calls has been ended. */
};
/* Lets the processes run until virtual time `until_ns` (INT64_MAX: until idle).  When idle before
 * that, time stays where it is: use kernel_at to let it pass. */
enum kernel_end kernel_run(struct kernel *kernel, int64_t until_ns);
const char *kernel_spinner(const struct kernel *kernel);
/* Simulated programs that crashed (wild pointer, failed assertion; not in builds with
 * AddressSanitizer, which ends the whole program with its report): how many, and the first in
 * words, "" if none.  Each has died of its signal, and the run has gone on. */
uint64_t kernel_fault_count(const struct kernel *kernel);
const char *kernel_fault(const struct kernel *kernel);
/* The earliest timer or wait that is set, INT64_MAX if none. */
int64_t kernel_next_timer(const struct kernel *kernel);

/* Who answers what a real process asks of the world (backend.h); NULL: nobody.  The answer is
 * malloc'd, or NULL. */
typedef char *kernel_answerer(void *context, struct process *process, const char *question,
                              size_t size, size_t *answer_size);
void kernel_answer(struct kernel *kernel, kernel_answerer *answer, void *context);

/* --- accounts ---------------------------------------------------------------------------------*/
uint64_t kernel_hash(const struct kernel *kernel); /* of all calls so far */
uint64_t kernel_call_count(const struct kernel *kernel);
size_t kernel_live_bytes(const struct kernel *kernel); /* of all arenas; 0 when none is alive */
size_t kernel_live_files(const struct kernel *kernel); /* open file descriptions */
/* Tells each live process with its bytes and descriptors (what a leak report prints). */
void kernel_tell_processes(const struct kernel *kernel,
                           void (*tell)(void *context, const struct process *process,
                                        size_t live_bytes, unsigned descriptors),
                           void *context);
/* Of one process: what its program has allocated and not freed, and how many descriptors it has.
 * In the `before` of an exit they tell what it leaves. */
size_t process_live_bytes(const struct process *process);
unsigned process_descriptor_count(const struct process *process);
/* The process that runs now, of a program's main; its effective user. */
struct process *process_running(void);
uid_t process_uid(const struct process *process);
/* How many of its descriptors are of what is over: files that have no name any more, and
 * TCP connections that the other side has ended.  *what: the first of them in words. */
unsigned process_stale_count(const struct process *process, const char **what);
/* How many of its children have ended, at that time of the run or before, and were not waited for.
 */
unsigned process_zombie_count(const struct process *process, int64_t time_ns);
/* The first of those that it descends from and that are still there; itself, if there is none. */
const struct process *process_root(const struct process *process);
/* Counts allocations of programs whose name begins with `prefix` (not copied), of those that are
 * started from now on.  `fails` (or NULL) hears each of them before it is made, in the middle of
 * the program: it may only take notes; true: it fails (ENOMEM). */
void kernel_count_allocations(struct kernel *kernel, const char *prefix,
                              bool (*fails)(void *context, const struct process *process,
                                            uint64_t number),
                              void *context);
uint64_t kernel_allocation_count(const struct kernel *kernel);
/* The n-th allocation from now of a process whose program has that name fails (ENOMEM); n from 1,
 * 0 takes it back. */
void kernel_fail_allocation(struct kernel *kernel, const char *program, uint64_t n);

#endif
