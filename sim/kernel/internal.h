/* SPDX-License-Identifier: ISC */
/* What the parts of the simulated kernel share; nothing outside sim/kernel includes this. */
#ifndef SIM_KERNEL_INTERNAL_H
#define SIM_KERNEL_INTERNAL_H

#include <sys/resource.h>

#include "sim/kernel/arena.h"
#include "sim/kernel/backend.h"
#include "sim/kernel/coro.h"
#include "sim/kernel/file.h"
#include "sim/kernel/kernel.h"
#include "sim/kernel/policy.h"
#include "sim/kernel/random.h"
#include "sim/kernel/timer.h"
#include "sim/kernel/wait.h"

#define SIGNALS 64
#define WATCHES 8
#define PATH_LIMIT 4096 /* PATH_MAX: ENAMETOOLONG beyond */
#define FOREVER INT64_MAX

/* Streams of the seed, see random.h. */
enum { STREAM_SCHEDULE = 1, STREAM_DISK, STREAM_GETRANDOM, STREAM_BOOT, STREAM_VFS };

enum process_state {
    PROCESS_RUNNABLE, /* in the run queue */
    PROCESS_RUNNING,
    PROCESS_WAITING,
    PROCESS_ZOMBIE, /* ended, not yet waited for */
    PROCESS_GONE
};

struct signal_info {
    int32_t code, status;
    pid_t pid;
    uid_t uid;
};

struct user_record {
    struct user_record *next;
    char *name, *home;
    uid_t uid;
    gid_t gid;
};

struct group_record {
    struct group_record *next;
    char *name;
    gid_t gid;
    char **members; /* NULL-terminated */
    size_t member_count;
};

struct process {
    struct kernel *kernel;
    struct host *host;
    const char *name; /* of the program, as registered */
    pid_t pid, group, session;
    uint64_t tag;
    enum process_state state;

    struct coro coro;
    int kept_errno;        /* while another runs; also from the start of a call to its end */
    int64_t quantum;       /* calls left before others get their turn */
    int64_t ready_ns;      /* when it became runnable */
    uint64_t lot;          /* of PRIORITY: its priority; of STARVE: tells it from others */
    uint64_t busy_calls;   /* since it last waited */
    uint64_t changes_seen; /* of the host, when its call began */
    enum call_id call_id;  /* the last one begun */
    size_t transfer_limit; /* of the call, see kernel_shorten; 0: none */
    bool discards;         /* of the call, see kernel_discard */
    int64_t slow_ns;       /* of a sync, see kernel_slow */
    int sync_error;        /* see kernel_fail_sync */
    bool counted;          /* its allocations are, see kernel_count_allocations */
    struct wait_entry *waits;
    struct timer timer; /* the deadline of what it waits for */
    bool timed_out;
    struct file *opening; /* a FIFO that is being opened: dropped if the process dies there */
    struct flock_list *lock_wait; /* what it waits for in flock */

    struct arena arena;
    struct arena replaced; /* the memory of the program before, while an exec ends */
    int argument_count;
    char **arguments, **environment;
    program_main *main;
    char *executable; /* absolute path, hidden in the arena */
    struct passwd *passwd_area;
    struct group *group_area;

    struct cred cred;
    uid_t uid, saved_uid; /* real, saved; the effective ones are in cred */
    gid_t gid, saved_gid;
    mode_t umask;
    struct inode *directory;
    struct rlimit limits[RLIMIT_NLIMITS];
    struct descriptor_table descriptors;
    char *scratch; /* for gathering iovecs; grows */
    size_t scratch_size;

    uint64_t blocked, pending, ignored; /* sets of signals, bit n-1 */
    struct signal_info signal_infos[32];
    struct wait_queue signal_queue;

    struct process *parent; /* NULL: nobody waits for it */
    struct process *first_child, *last_child, *next_sibling, *previous_sibling;
    struct wait_queue child_queue;
    int status;       /* of a zombie, as waitpid tells */
    int64_t ended_ns; /* of a zombie */
    struct process *next_in_host, *previous_in_host;
    struct process *next_free;

    bool kill_quietly; /* power loss: nobody is told */
    void (*ended)(void *context, struct process *process, int status);
    void *ended_context;
    void *real;  /* of a backend */
    bool resets; /* of the call, with a backend: see kernel_reset */
    uint64_t resets_after;
    enum file_kind call_file; /* of the call's fd, with a backend */
};

struct host {
    struct kernel *kernel;
    struct host *next;
    char *name;
    unsigned number;
    bool up, steady;
    struct vfs *vfs;
    struct inode *null_device;
    uint64_t capacity_bytes;
    int64_t booted_ns;
    pid_t next_pid;
    struct process *first, *last; /* alive and zombies, by pid */
    struct user_record *users;
    struct group_record *groups;
    struct sync_job *syncs;
    struct net_host *net; /* NULL: it has never used the network */
    uint64_t changes;     /* counts changes of the tree and of what is durable */
    vfs_observer *observer;
    void *observer_context;
    void *real; /* of a backend */
};

struct program_entry {
    char *name;
    program_main *main;
};

struct kernel {
    struct kernel_options options;
    int64_t now_ns;
    int64_t wall_ns;  /* wall clock at virtual time 0, with all steps */
    int64_t yield_ns; /* running code gives way when this time is reached */
    int64_t until_ns;
    uint64_t calls, hash;
    struct process *current;
    struct process *resume;     /* stopped by kernel_stop, goes on first */
    struct process *leaving;    /* ended while it ran; freed when its stack is left */
    struct process *restarting; /* begins a new program when its stack is left */
    struct coro coro;
    struct process **run_queue; /* a ring */
    size_t run_first, run_count, run_room;
    struct timer_heap timers;
    struct host *hosts, *last_host;
    unsigned host_count;
    struct program_entry *programs; /* open addressing, a power of two */
    size_t program_count, program_room;
    struct kernel_watch before[WATCHES], after[WATCHES]; /* those that have one */
    unsigned before_count, after_count;
    void (*changing)(void *context, const struct call *call); /* kernel_on_changing */
    void *changing_context;
    bool stop;
    const char *spinner;
    char spinner_text[160];
    uint64_t fault_count;
    char fault_text[160];
    struct policy_state policy;
    struct random schedule_random, disk_random, getrandom_random, boot_random;
    size_t live_files;
    struct process *free_processes;
    struct piece *free_pieces; /* of AF_UNIX sockets */
    struct callback *callbacks;
    struct net *net;            /* NULL: none is used */
    const char *counted_prefix; /* kernel_count_allocations; NULL: none */
    uint64_t allocations;
    bool (*allocation_fails)(void *context, const struct process *process, uint64_t number);
    void *allocation_context;
    const struct kernel_backend *backend; /* NULL: processes are simulated */
    kernel_answerer *answer;              /* kernel_answer */
    void *answer_context;
    char *fail_program; /* kernel_fail_allocation */
    uint64_t fail_countdown;
};

/* The process whose code runs now; NULL outside of any. */
extern struct process *running;
/* True while simulated code is inside a call; the watchdog leaves it alone then. */
extern volatile bool inside_call;

/* --- sched.c -----------------------------------------------------------------------------------*/
void scheduler_ready(struct process *process);  /* to the end of the run queue */
void scheduler_remove(struct process *process); /* out of the run queue */
/* The running process gives way and comes back when it is its turn. */
void scheduler_yield(void);
/* The running process stops here, kernel_run returns, and it goes on first when continued. */
void scheduler_stop_here(void);
/* The running process waits (its state is set) until it is made ready. */
void scheduler_switch_away(void);
/* The running process has ended or begins another program; never returns. */
_Noreturn void scheduler_leave(void);
/* At the start of a call: turn over, timer due, spinning? */
void scheduler_at_call(struct process *process);
void scheduler_report_spin(struct process *process, const char *how);
void scheduler_timer_set(struct kernel *kernel, struct timer *timer, int64_t time_ns);

/* Takes back the signal handlers that kernel_run leaves in place. */
void guards_leave(void);

/* --- watchdog.c --------------------------------------------------------------------------------*/
/* Installs its handler; starts the timer; takes both back. */
void watchdog_catch(void);
void watchdog_start(void);
void watchdog_stop(void);
/* From now on that kernel's processes; NULL: none. */
void watchdog_watch(struct kernel *kernel);

/* --- faults.c ----------------------------------------------------------------------------------*/
/* While simulated code runs, its crashes end its process only. */
void faults_catch(void);
void faults_release(void);

/* --- process.c ---------------------------------------------------------------------------------*/
struct process *process_create(struct host *host, struct process *parent);
/* Frees what `process_create` made and was never run. */
void process_discard(struct process *process);
/* Ends it: everything it holds goes; `status` as waitpid tells it.  Returns also if it is the
 * running one (the caller then leaves with scheduler_leave as soon as it can). */
void process_end(struct process *process, int status);
/* Forgets a zombie. */
void process_reap(struct process *process);
struct process *process_find(struct host *host, pid_t pid);
static inline bool process_is_alive(const struct process *process)
{
    return process->state < PROCESS_ZOMBIE;
}
/* If the running process has been ended meanwhile: leaves for good. */
static inline void process_check_alive(void)
{
    if (!process_is_alive(running))
        scheduler_leave();
}
/* `size` bytes that belong to the process, for the duration of a call. */
void *process_scratch(struct process *process, size_t size);
/* waitpid: the pid with *status set, 0 for WNOHANG with nothing, -errno. */
int64_t process_wait(struct process *process, pid_t which, int *status, int options);

/* chdir; 0 or -errno. */
int process_change_directory(struct process *process, const char *path);

/* --- exec.c ------------------------------------------------------------------------------------*/
/* Finds and checks the program; on success the process's memory is a new arena with copies of the
 * arguments, and its next start runs the new main.  `*old` is the arena it had, which the caller
 * ends when nothing in it is needed any more.  0 or -errno, then nothing has changed. */
int exec_load(struct process *process, const char *path, char *const *argv,
              char *const *environment, struct arena *old);
/* Makes the next switch to the process begin its program; not for the running one. */
void exec_prepare(struct process *process);

/* --- signals.c ---------------------------------------------------------------------------------*/
#define SIGNAL_BIT(signal) (UINT64_C(1) << ((signal) -1))
void signal_send(struct process *process, int signal, const struct signal_info *info);
/* Delivers what is pending and no longer blocked or ignored. */
void signal_deliver(struct process *process);
void signal_child_ended(struct process *parent, const struct process *child);

/* --- sync.c ------------------------------------------------------------------------------------*/
/* fsync and the like of the running process: takes virtual time.  0 or -errno. */
int sync_wait(struct host *host, struct inode *inode, bool data_only);
/* Power loss: the syncs under way come to nothing. */
void sync_cancel_all(struct host *host);

/* --- backend.c ---------------------------------------------------------------------------------*/
/* With a backend: ends all processes; `tell`: call their `ended`. */
void backend_end_processes(struct host *host, bool tell);

/* --- hosts and users ---------------------------------------------------------------------------*/
void host_destroy(struct host *host);
/* Ends all processes as if the power had gone; `tell`: call their `ended`. */
void host_end_processes(struct host *host, bool tell);
const struct user_record *host_user(const struct host *host, const char *name);
const struct user_record *host_user_by_id(const struct host *host, uid_t uid);
const struct group_record *host_group(const struct host *host, const char *name);
void host_users_free(struct host *host);
program_main *kernel_program(const struct kernel *kernel, const char *name, size_t length,
                             const char **registered);

/* --- pools -------------------------------------------------------------------------------------*/
void socket_free_pool(struct kernel *kernel);

/* --- net.c -------------------------------------------------------------------------------------*/
/* Power loss: sockets and what is on its way to them vanish, nobody is told. */
void net_power_off(struct host *host);
void net_power_on(struct host *host);
/* Frees everything; no process is there any more. */
void net_destroy(struct kernel *kernel);

/* What a read or write of the running process may move, see kernel_shorten. */
size_t call_transfer_size(size_t size);

/* --- inject.c ----------------------------------------------------------------------------------*/
/* The running process is about to begin a program of that name. */
void process_count_allocations(struct process *process);

/* --- hash.c ------------------------------------------------------------------------------------*/
/* Mixes a finished call into the run's hash. */
void hash_call(struct kernel *kernel, const struct call *call);

#endif
