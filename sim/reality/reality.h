/* SPDX-License-Identifier: ISC */
/*
 * `nixie run --real`: a backend of the kernel (sim/kernel/backend.h) whose processes are real.
 *
 *   command.c    the outer process: namespaces, temporary directory, ^C, what is left behind
 *   cannot.c     what a scenario says and cannot be had for real
 *   namespace.c  users, mounts and network of our own
 *   loopback.c   where these are not allowed: addresses of 127.0.0.0/8 that stand for others
 *   below.c      the end of all processes below one
 *   machine.c    the root directory of a machine, and its first process, which starts the others
 *   export.c     the tree that was set up for the simulator, as real files
 *   processes.c  the processes that there are: how they come, say and end
 *   hear.c       what a process says (wire.h) becomes calls that watchers are told of
 *   loop.c       lets them run; finds that all is idle; lets the clock jump
 *   clock.c      the file that libfaketime reads
 *   reality.c    the backend
 *
 * The clock stands while a process runs, but for the microsecond that each call costs, and jumps to
 * the next deadline when every process waits.  One thread; all waiting in loop.c.
 */
#ifndef SIM_REALITY_REALITY_H
#define SIM_REALITY_REALITY_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "sim/kernel/backend.h"
#include "sim/reality/wire.h"

enum life {
    LIFE_COMING, /* it has been started, and has said nothing yet (or again, after an exec) */
    LIFE_RUNNING,
    LIFE_WAITING, /* in poll */
    LIFE_DELAYED, /* its reply goes at its deadline (a slow call) */
    LIFE_HELD,    /* its reply goes when the run goes on */
    LIFE_ENDING   /* it is dead, but what of is not known yet */
};

struct real_machine;

/* A process. */
struct real_process {
    struct real_machine *machine;
    struct process *process;
    pid_t pid, host_pid; /* inside of its machine, and as we see it (0: not known yet) */
    int fd;              /* of what it says; -1: none */
    enum life life;
    int64_t deadline_ns;            /* of WAITING and DELAYED; INT64_MAX: never */
    uint32_t wait;                  /* number of the wait */
    bool is_still, is_ours, leaves; /* answered the probe; we started it; it is about to exec */
    char *bytes;                    /* of a note that is not whole yet */
    size_t used, room;
    char *directory;
    uint64_t tree;           /* of those that we have started: its number */
    struct wire_reply reply; /* of DELAYED and HELD */
    void (*output)(void *context, struct process *process, int fd, const char *data, size_t size);
    void *output_context;
    int output_fds[2]; /* what it writes to 1 and 2; -1 */
};

/* A machine: a host of the kernel. */
struct real_machine {
    struct reality *reality;
    struct host *host;
    size_t index;
    char root[PATH_MAX];
    int listener; /* where its processes say HELLO */
    int init;     /* to its first process; -1: it is not up */
    pid_t init_pid;
    size_t coming; /* children that have not said HELLO yet */
    bool limited;  /* its disk is one that can be made full */
};

struct reality {
    struct kernel_backend backend;
    struct kernel *kernel;
    char directory[PATH_MAX - 64]; /* of this run */
    char programs[PATH_MAX];       /* where nixie-* are */
    struct real_machine **machines;
    size_t machine_count;
    struct real_process **processes;
    size_t process_count;
    bool is_set_up;
    uint64_t calls;       /* that processes tell of, bits of enum call_id */
    uint64_t extra_calls; /* that faults ask for, bits of enum call_id */
    struct wire_page *page;
    int64_t clock_ns; /* what the clock's file says */
    int64_t wall_base_ns;
    uint32_t probe;
    bool is_under_way; /* as somebody said who was asked: bytes are, to the other side */
    unsigned network_tries;
    int64_t busy_since_ns; /* of real time; 0: it is not busy */
    uint64_t boots, trees, lost_replies;
    char trouble[160];
    bool is_broken;
    bool limits_disks; /* some scenario fills one up */
    bool takes_time;   /* paths of the network do */
};

/* What this machine lacks for any run, in words; NULL: nothing. */
const char *reality_lacks(void);
/* Whether everybody may go into that directory, from the root on. */
bool reality_is_open_to_all(const char *path);
/* Prepares; the backend can then be given to a kernel.  0, or -1 with errno. */
int reality_open(struct reality *reality, const char *directory);
void reality_close(struct reality *reality);

/* below.c: kills all that descend from it, which must take in orphans, but for itself. */
void kill_below(pid_t pid);

/* loopback.c: for a run without namespaces.  Why it cannot be, in words; NULL: it can. */
const char *loopback_lacks(void);
bool loopback_has_v6(void);
/* Takes a network of its own for a run, with a page to say so.  0, or -1 with errno. */
int loopback_renew(void);
/* Machines can name that address, 0 or -1 with errno. */
int loopback_add_address(struct wire_page *page, const char *address);

/* namespace.c: 0, or -1 with errno: users and mounts for the whole command; then a network and
 * mounts of its own for each run. */
int namespace_enter(void);
/* Whether namespace_enter would come about; false: errno says why not. */
bool namespace_is_allowed(void);
/* Instead of namespace_enter: nothing is our own, and machines make do (loopback.c, place.h). */
void namespace_do_without(void);
bool namespace_is_done_without(void);
/* Files must be given to the user (HOME_OWNER), and programs must become it. */
bool namespace_has_root(void);
int namespace_renew(void);
int namespace_add_address(const char *address, unsigned index);
/* Becomes the user, of which programs are: 0, or -1 with errno. */
int namespace_become_user(void);

/* machine.c */
int machine_set_up(struct real_machine *machine);
/* Starts its first process. */
int machine_start_init(struct real_machine *machine);
void machine_kill(struct real_machine *machine);
void machine_forget(struct real_machine *machine);
void machine_new_boot_id(struct real_machine *machine);
/* Starts a program there; the pid inside of it, or -errno. */
struct machine_order {
    const char *path, *directory;
    char *const *argv, *const *environment;
    int fds[3];
};
pid_t machine_spawn(struct real_machine *machine, const struct machine_order *order);
/* What its first process says of a child that has ended: 1 with pid and status, 0 nothing. */
int machine_hear(struct real_machine *machine, pid_t *pid, int *status);
/* Where the machine says "/nixie" and "/shared", as the machine can say it everywhere. */
const char *machine_programs(const struct real_machine *machine);
void machine_shared(const struct real_machine *machine, const char *name, char to[PATH_MAX]);
/* The path of a file of the machine as we see it; false: too long. */
bool machine_path(const struct real_machine *machine, const char *path, char to[PATH_MAX]);

/* export.c: 0 or -errno. */
int export_files(struct vfs *vfs, const struct real_machine *machine);

/* clock.c */
void clock_open(struct reality *reality);
void clock_publish(struct reality *reality);
int64_t clock_real_ns(void);

/* processes.c */
struct real_machine *machine_of_host(const struct host *host);
struct process *processes_start(struct reality *reality, struct host *host,
                                const struct process_spec *spec, int *error);
/* A connection from a process of the machine. */
void processes_accept(struct real_machine *machine);
/* The process has closed its connection. */
void process_lost(struct real_process *process);
void processes_reap(struct real_machine *machine);
/* Its first process has told how a child ended. */
void processes_note_end(struct real_machine *machine, pid_t pid, int status);
void processes_drain(struct reality *reality);
void process_forget(struct real_process *process);
void process_reply(struct real_process *process, const struct wire_reply *reply);

/* hear.c: there is something to read. */
void hear(struct real_process *process);
/* A DELAYED or HELD reply goes now. */
void hear_release(struct real_process *process);

/* loop.c */
enum kernel_end loop_run(struct reality *reality, int64_t until_ns);

#endif
