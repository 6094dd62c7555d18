/* SPDX-License-Identifier: ISC */
/* Signals, time, syncs, crashes, watchers, spinning, and that a run can be repeated. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/sim/machine.h"

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif

#define UNUSED (void) argc, (void) argv, (void) environment

/* --- signals -----------------------------------------------------------------------------------*/

static int sleeper_main(int argc, char **argv, char **environment)
{
    UNUSED;
    sim_poll(NULL, 0, -1);
    return 0;
}

static int ignorer_main(int argc, char **argv, char **environment)
{
    struct sigaction action;
    char *const next[] = {TEXT("ignorer"), TEXT("again"), NULL};
    (void) argv;
    if (argc == 1) {
        memset(&action, 0, sizeof action);
        action.sa_handler = SIG_IGN;
        MUST(sim_sigaction(SIGTERM, &action, NULL) == 0);
        sim_execve("/bin/ignorer", next, environment);
        return 1;
    }
    MUST(sim_sigaction(SIGTERM, NULL, &action) == 0 && action.sa_handler == SIG_IGN);
    sim_poll(NULL, 0, 2000);
    return 3;
}

static int signals_main(int argc, char **argv, char **environment)
{
    UNUSED;
    char *const sleeper[] = {TEXT("sleeper"), NULL}, *const ignorer[] = {TEXT("ignorer"), NULL};
    struct signalfd_siginfo info[4];
    sigset_t set;
    int status;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    MUST(sim_sigprocmask(SIG_BLOCK, &set, NULL) == 0);
    int fd = sim_signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    MUST_FAIL(EAGAIN, sim_read(fd, info, sizeof info));
    MUST(sim_kill(sim_getpid(), SIGTERM) == 0 && sim_kill(sim_getpid(), SIGTERM) == 0);
    MUST(sim_read(fd, info, sizeof info) == sizeof info[0]);
    MUST(info[0].ssi_signo == SIGTERM && (pid_t) info[0].ssi_pid == sim_getpid());
    posix_spawnattr_t attributes;
    sigset_t none;
    pid_t pid;
    sigemptyset(&none);
    sim_posix_spawnattr_init(&attributes);
    sim_posix_spawnattr_setsigmask(&attributes, &none);
    sim_posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    MUST(sim_posix_spawn(&pid, "/bin/sleeper", NULL, &attributes, sleeper, environment) == 0);
    sim_posix_spawnattr_destroy(&attributes);
    MUST(sim_kill(pid, 0) == 0 && sim_kill(pid, SIGTERM) == 0);
    struct pollfd poll = {fd, POLLIN, 0};
    MUST(sim_poll(&poll, 1, -1) == 1 && sim_read(fd, info, sizeof info) == sizeof info[0]);
    MUST(info[0].ssi_signo == SIGCHLD && (pid_t) info[0].ssi_pid == pid);
    MUST(info[0].ssi_code == CLD_KILLED && info[0].ssi_status == SIGTERM);
    MUST(sim_waitpid(pid, &status, 0) == pid && WTERMSIG(status) == SIGTERM);
    MUST_FAIL(ESRCH, sim_kill(pid, 0));
    MUST_FAIL(EINVAL, sim_kill(pid, 99));
    pid = spawn_program("/bin/ignorer", ignorer); /* inherits the blocked TERM, too */
    sim_poll(NULL, 0, 1000);
    MUST(sim_kill(pid, SIGTERM) == 0 && sim_waitpid(pid, &status, 0) == pid);
    MUST(WIFEXITED(status) && WEXITSTATUS(status) == 3);
    pid = spawn_program("/bin/sleeper", sleeper);
    MUST(sim_kill(pid, SIGTERM) == 0 && sim_kill(pid, SIGKILL) == 0);
    MUST(sim_waitpid(-1, &status, 0) == pid && WIFSIGNALED(status));
    pid = spawn_program("/bin/sleeper", sleeper);
    MUST(sim_setuid(1000) == 0);
    MUST_FAIL(EPERM, sim_kill(pid, SIGTERM));
    return 0;
}

/* --- time and disk -----------------------------------------------------------------------------*/

static int time_main(int argc, char **argv, char **environment)
{
    UNUSED;
    struct timespec before, after;
    MUST(sim_clock_gettime(CLOCK_REALTIME, &before) == 0 && before.tv_sec == 1767225600);
    sim_poll(NULL, 0, 7 * 24 * 3600 * 1000);
    MUST(sim_clock_gettime(CLOCK_REALTIME, &after) == 0);
    MUST(after.tv_sec - before.tv_sec == 7 * 24 * 3600);
    MUST_FAIL(EINVAL, sim_clock_gettime(99, &after));
    unsigned char random[5];
    MUST(sim_getrandom(random, 5, 0) == 5);
    int fd = sim_open("/tmp/file", O_CREAT | O_RDWR, 0600);
    MUST(sim_write(fd, "x", 1) == 1);
    MUST(sim_clock_gettime(CLOCK_MONOTONIC, &before) == 0 && sim_fsync(fd) == 0);
    MUST(sim_clock_gettime(CLOCK_MONOTONIC, &after) == 0);
    int64_t took = (after.tv_sec - before.tv_sec) * NANOSECONDS + after.tv_nsec - before.tv_nsec;
    MUST(took >= 1000000 && took <= 8010000);
    MUST_FAIL(EINVAL, sim_fsync(0));
    MUST_FAIL(EBADF, sim_fsync(99));
    return 0;
}

static int disk_main(int argc, char **argv, char **environment)
{
    (void) environment;
    int fd = sim_open(argv[1], O_CREAT | O_WRONLY, 0600);
    MUST(fd >= 0 && sim_write(fd, "data", 4) == 4);
    if (argc > 2) {
        int directory = sim_open("/data", O_RDONLY | O_DIRECTORY);
        MUST(sim_fsync(fd) == 0 && sim_fsync(directory) == 0);
    }
    sim_poll(NULL, 0, -1);
    return 0;
}

static int boot_id_main(int argc, char **argv, char **environment)
{
    UNUSED;
    char text[64];
    int fd = sim_open("/proc/sys/kernel/random/boot_id", O_RDONLY);
    ssize_t size = sim_read(fd, text, sizeof text);
    MUST(size == 37 && text[36] == '\n');
    sim_write(1, text, (size_t) size);
    return 0;
}

/* --- spinning ----------------------------------------------------------------------------------*/

static int busy_main(int argc, char **argv, char **environment)
{
    UNUSED;
    while (sim_getpid() > 0)
        ;
    return 0;
}

static volatile int never;

static int loop_main(int argc, char **argv, char **environment)
{
    UNUSED;
    while (!never)
        ;
    return 0;
}

/* A wild pointer with no argument, endless recursion with one. */
static int deeper(int depth)
{
    volatile char room[4096];
    room[0] = (char) depth;
    return never ? 0 : deeper(depth + 1) + room[0];
}

static int crasher_main(int argc, char **argv, char **environment)
{
    (void) argv;
    (void) environment;
    volatile int *volatile wild = NULL;
    /* cppcheck-suppress nullPointer */
    return argc > 1 ? deeper(0) : *wild;
}

static int survivor_main(int argc, char **argv, char **environment)
{
    UNUSED;
    char *const wild[] = {TEXT("crasher"), NULL};
    char *const deep[] = {TEXT("crasher"), TEXT("deep"), NULL};
    int status;
    MUST(spawn_program("/bin/crasher", wild) > 0 && sim_waitpid(-1, &status, 0) > 0);
    MUST(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    MUST(spawn_program("/bin/crasher", deep) > 0 && sim_waitpid(-1, &status, 0) > 0);
    MUST(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    return 0;
}

/* --- a busy little world -------------------------------------------------------------------------
 * Workers append what they draw to one file under a lock and tell the parent through a pipe. */

static int worker_main(int argc, char **argv, char **environment)
{
    (void) argc;
    (void) environment;
    char text[64];
    for (int i = 0; i < 20; i++) {
        unsigned char random[2];
        int uninitialised[3];
        sim_getrandom(random, sizeof random, 0);
        int fd = sim_open("/tmp/shared", O_WRONLY | O_APPEND | O_CREAT, 0600);
        MUST(sim_flock(fd, LOCK_EX) == 0);
        int length = snprintf(text, sizeof text, "%s %d %d\n", argv[1], i, random[0]);
        MUST(sim_write(fd, text, (size_t) length) == length);
        if (random[1] < 20)
            MUST(sim_fdatasync(fd) == 0);
        MUST(sim_close(fd) == 0);
        (void) uninitialised;
        char *block = sim_malloc(100u + random[0]);
        MUST(sim_write(1, argv[1], 1) == 1);
        sim_free(block);
    }
    return 0;
}

static int world_main(int argc, char **argv, char **environment)
{
    UNUSED;
    int fds[2], status;
    char text[512];
    size_t total = 0;
    posix_spawn_file_actions_t actions;
    MUST(sim_pipe2(fds, O_CLOEXEC) == 0);
    sim_posix_spawn_file_actions_init(&actions);
    sim_posix_spawn_file_actions_adddup2(&actions, fds[1], 1);
    for (char c = 'a'; c < 'f'; c++) {
        char name[2] = {c, 0};
        char *const worker[] = {TEXT("worker"), name, NULL};
        pid_t pid;
        MUST(sim_posix_spawn(&pid, "/bin/worker", &actions, NULL, worker, environment) == 0);
    }
    sim_posix_spawn_file_actions_destroy(&actions);
    MUST(sim_close(fds[1]) == 0);
    for (ssize_t got; (got = sim_read(fds[0], text, sizeof text)) > 0;)
        total += (size_t) got;
    for (int i = 0; i < 5; i++)
        MUST(sim_waitpid(-1, &status, 0) > 0 && status == 0);
    MUST(total == 100);
    return 0;
}

static int transfer_main(int argc, char **argv, char **environment)
{
    UNUSED;
    int fds[2];
    char text[8] = "12345678";
    if (sim_pipe(fds) < 0)
        return 255;
    ssize_t put = sim_write(fds[1], text, sizeof text);
    ssize_t got = sim_read(fds[0], text, sizeof text);
    return (int) (put * 16 + got);
}

static const struct test_program programs[] = {
    {"transfer", transfer_main}, {"sleeper", sleeper_main},
    {"ignorer", ignorer_main},   {"signals", signals_main},
    {"time", time_main},         {"disk", disk_main},
    {"boot_id", boot_id_main},   {"busy", busy_main},
    {"loop", loop_main},         {"worker", worker_main},
    {"world", world_main},       {"crasher", crasher_main},
    {"survivor", survivor_main}, {0, 0}};

static struct machine *machine;

static void set_up(void)
{
    struct kernel_options options = {.seed = 1};
    machine = machine_create(&options, programs);
}

static void tear_down(void)
{
    machine_destroy(machine);
}

static void expect_ok(const char *name)
{
    int status = machine_run(machine, name);
    ck_assert_msg(status == 0, "%s ended with %d, said: %s", name, status, machine->output);
}

START_TEST(test_signals)
{
    expect_ok("signals");
}
END_TEST

START_TEST(test_time)
{
    expect_ok("time");
}
END_TEST

START_TEST(test_spin_is_reported)
{
    machine_start(machine, "sleeper");
    machine_start(machine, "busy");
    ck_assert_int_eq(kernel_run(machine->kernel, INT64_MAX), KERNEL_SPIN);
    ck_assert_ptr_nonnull(strstr(kernel_spinner(machine->kernel), "busy"));
    ck_assert_int_eq(machine->status, ALIVE);
    /* It may go on, and spins again. */
    ck_assert_int_eq(kernel_run(machine->kernel, INT64_MAX), KERNEL_SPIN);
}
END_TEST

START_TEST(test_loop_without_calls_is_ended)
{
    machine_start(machine, "loop");
    ck_assert_int_eq(kernel_run(machine->kernel, INT64_MAX), KERNEL_SPIN);
    ck_assert_ptr_nonnull(strstr(kernel_spinner(machine->kernel), "loop"));
    ck_assert_int_eq(WTERMSIG(machine->status), SIGKILL);
    /* The rest of the world lives on. */
    expect_ok("time");
}
END_TEST

START_TEST(test_crashing_programs_are_named)
{
#ifndef SANITIZED
    expect_ok("survivor");
    ck_assert_uint_eq(kernel_fault_count(machine->kernel), 2);
    ck_assert_str_eq(kernel_fault(machine->kernel), "crasher (pid 101 on mail.test) died of SEGV");
#endif
}
END_TEST

static void note_time(void *context)
{
    struct machine *where = context;
    where->output_size += (size_t) snprintf(where->output + where->output_size, 64, "%lld ",
                                            (long long) kernel_now(where->kernel) / 1000);
}

START_TEST(test_timers_of_the_outside)
{
    ck_assert_int_eq(kernel_next_timer(machine->kernel), INT64_MAX);
    kernel_at(machine->kernel, 5000000, note_time, machine);
    kernel_at(machine->kernel, 2000000, note_time, machine);
    ck_assert_int_eq(kernel_next_timer(machine->kernel), 2000000);
    ck_assert_int_eq(kernel_run(machine->kernel, 3000000), KERNEL_UNTIL);
    ck_assert_int_eq(kernel_now(machine->kernel), 3000000);
    kernel_step_wall(machine->kernel, -1000);
    ck_assert_int_eq(kernel_wall(machine->kernel), 1767225600LL * NANOSECONDS + 2999000);
    ck_assert_int_eq(kernel_run(machine->kernel, INT64_MAX), KERNEL_IDLE);
    ck_assert_str_eq(machine->output, "2000 5000 ");
    kernel_at(machine->kernel, 9000000, NULL, NULL);
    ck_assert_int_eq(kernel_run(machine->kernel, INT64_MAX), KERNEL_IDLE);
    ck_assert_int_eq(kernel_now(machine->kernel), 9000000);
}
END_TEST

START_TEST(test_crash_keeps_what_was_synced)
{
    struct host_options options = {.name = "strict.test", .disk = disk_model_named("strict")};
    const char *names[] = {"/data/synced", "/data/lost"};
    struct host *host = host_create(machine->kernel, &options);
    machine->host = host;
    char *text, *first = NULL;
    size_t size;
    host_write_file(host, "/bin/disk", "#!nixie disk\n", 13, 0, 0, 0755);
    host_make_directory(host, "/data", 0, 0, 0755);
    vfs_settle(host_vfs(host));
    ck_assert_int_eq(host_read_file(host, "/proc/sys/kernel/random/boot_id", &first, &size), 0);
    ck_assert_ptr_nonnull(machine_start_as(machine, 0, "disk", names[0], "sync"));
    ck_assert_int_eq(kernel_run(machine->kernel, INT64_MAX), KERNEL_IDLE);
    ck_assert_ptr_nonnull(machine_start_as(machine, 0, "disk", names[1], NULL));
    ck_assert_int_eq(kernel_run(machine->kernel, INT64_MAX), KERNEL_IDLE);
    ck_assert_uint_eq(machine->ended, 0);
    host_crash(host, &choose_none);
    ck_assert_uint_eq(machine->ended, 2);
    ck_assert_int_eq(machine->status, -1);
    ck_assert(!host_is_up(host));
    host_boot(host);
    ck_assert_int_eq(host_read_file(host, names[1], &text, &size), -ENOENT);
    ck_assert_int_eq(host_read_file(host, names[0], &text, &size), 0);
    ck_assert_str_eq(text, "data");
    free(text);
    ck_assert_int_eq(host_read_file(host, "/proc/sys/kernel/random/boot_id", &text, &size), 0);
    ck_assert_str_ne(text, first);
    free(text);
    free(first);
}
END_TEST

/* --- watchers ----------------------------------------------------------------------------------*/

struct watcher {
    struct machine *machine;
    enum call_id id;
    unsigned seen, changed;
    int error;      /* for `before` to answer */
    unsigned stop;  /* at the n-th */
    unsigned crash; /* at the n-th */
    bool before;    /* stop or crash there, not after */
    size_t shorten; /* to that many bytes */
};

static void act(struct watcher *watcher, unsigned n)
{
    if (n == watcher->stop)
        kernel_stop(watcher->machine->kernel);
    if (n == watcher->crash)
        host_crash(watcher->machine->host, &choose_all);
}

static int watch_before(void *context, const struct call *call)
{
    struct watcher *watcher = context;
    if (call->id != watcher->id)
        return 0;
    if (watcher->before)
        act(watcher, watcher->seen + 1);
    if (watcher->shorten)
        kernel_shorten(watcher->machine->kernel, watcher->shorten);
    return watcher->error;
}

static void watch_after(void *context, const struct call *call)
{
    struct watcher *watcher = context;
    if (call->id != watcher->id)
        return;
    watcher->seen++;
    watcher->changed += call->changed_disk;
    if (!watcher->before)
        act(watcher, watcher->seen);
}

static void watch(struct watcher *watcher)
{
    struct kernel_watch entry = {watch_before, watch_after, watcher};
    watcher->machine = machine;
    kernel_watch(machine->kernel, &entry);
}

START_TEST(test_watchers_see_and_fail_calls)
{
    struct watcher opens = {.id = CALL_open}, random = {.id = CALL_random, .error = EIO};
    watch(&opens);
    expect_ok("world");
    ck_assert_uint_eq(opens.seen, 100);
    ck_assert_uint_eq(opens.changed, 1);
    watch(&random);
    ck_assert_int_eq(WEXITSTATUS(machine_run(machine, "time")), 1);
    ck_assert_ptr_nonnull(strstr(machine->output, "(errno 5)"));
    ck_assert_uint_eq(random.seen, 1);
}
END_TEST

/* Writes eight bytes into a pipe and reads eight; its status is how many were moved. */
START_TEST(test_watchers_shorten_transfers)
{
    struct watcher writes = {.id = CALL_write, .shorten = 5}, reads = {.id = CALL_read};
    watch(&writes);
    watch(&reads);
    ck_assert_int_eq(WEXITSTATUS(machine_run(machine, "transfer")), 5 * 16 + 5);
    reads.shorten = 3;
    ck_assert_int_eq(WEXITSTATUS(machine_run(machine, "transfer")), 5 * 16 + 3);
    writes.shorten = reads.shorten = 0;
    ck_assert_int_eq(WEXITSTATUS(machine_run(machine, "transfer")), 8 * 16 + 8);
}
END_TEST

START_TEST(test_stop_at_a_call_and_go_on)
{
    struct watcher opens = {.id = CALL_open, .stop = 30, .before = _i};
    struct stat stat;
    struct inode *inode;
    watch(&opens);
    machine_start(machine, "world");
    ck_assert_int_eq(kernel_run(machine->kernel, INT64_MAX), KERNEL_STOPPED);
    ck_assert_uint_eq(opens.seen, _i ? 29 : 30);
    static const struct cred root;
    struct vfs *vfs = host_vfs(machine->host);
    ck_assert_int_eq(vfs_lookup(vfs, &root, vfs_root(vfs), "/tmp/shared", true, &inode), 0);
    vfs_stat(inode, &stat);
    inode_unref(inode);
    ck_assert_int_gt(stat.st_size, 0);
    ck_assert_int_eq(kernel_run(machine->kernel, INT64_MAX), KERNEL_IDLE);
    ck_assert_int_eq(machine->status, 0);
    ck_assert_uint_eq(opens.seen, 100);
}
END_TEST

START_TEST(test_crash_inside_a_watcher)
{
    struct watcher writes = {.id = CALL_write, .crash = 33, .before = _i};
    watch(&writes);
    machine_start(machine, "world");
    ck_assert_int_eq(kernel_run(machine->kernel, INT64_MAX), KERNEL_IDLE);
    ck_assert_int_eq(machine->status, -1);
    ck_assert_uint_eq(writes.seen, _i ? 32 : 33);
    ck_assert_uint_eq(kernel_live_files(machine->kernel), 0);
    ck_assert_uint_eq(kernel_live_bytes(machine->kernel), 0);
}
END_TEST

/* --- repeating ---------------------------------------------------------------------------------*/

static uint64_t hash_of(const struct kernel_options *options)
{
    struct machine *where = machine_create(options, programs);
    int status = machine_run(where, "world");
    ck_assert_msg(status == 0, "%s", where->output);
    uint64_t hash = kernel_hash(where->kernel);
    machine_destroy(where);
    return hash;
}

START_TEST(test_same_seed_same_run)
{
    enum schedule_policy policy = _i ? SCHEDULE_RANDOM : SCHEDULE_ROUND_ROBIN;
    struct kernel_options options = {.seed = 5, .policy = policy};
    uint64_t hash = hash_of(&options);
    ck_assert_uint_eq(hash_of(&options), hash);
    options.fill_byte = 0xa5;
    ck_assert_uint_eq(hash_of(&options), hash);
    options.arena_offset = 4096 + 32;
    options.environment_padding = 777;
    ck_assert_uint_eq(hash_of(&options), hash);
    options.seed = 6;
    ck_assert_uint_ne(hash_of(&options), hash);
}
END_TEST

/* With another seed not only the random bytes differ but the order of things. */
static uint64_t calls_at_first_wait(uint64_t seed)
{
    struct kernel_options options = {.seed = seed, .policy = SCHEDULE_RANDOM};
    struct machine *where = machine_create(&options, programs);
    machine_start(where, "world");
    kernel_run(where->kernel, 300000);
    char *text = NULL;
    size_t size = 0;
    uint64_t order = 0;
    host_read_file(where->host, "/tmp/shared", &text, &size);
    for (size_t i = 0; i < size; i++)
        if (text[i] >= 'a' && text[i] <= 'e')
            order = order * 31 + (unsigned char) text[i];
    free(text);
    machine_destroy(where);
    return order;
}

START_TEST(test_another_seed_another_schedule)
{
    unsigned different = 0;
    for (uint64_t seed = 2; seed < 10; seed++)
        different += calls_at_first_wait(seed) != calls_at_first_wait(1);
    ck_assert_uint_ge(different, 7);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kernel runs");
    TCase *tests = tcase_create("run");
    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, test_signals);
    tcase_add_test(tests, test_time);
    tcase_add_test(tests, test_spin_is_reported);
    tcase_add_test(tests, test_loop_without_calls_is_ended);
    tcase_add_test(tests, test_crashing_programs_are_named);
    tcase_add_test(tests, test_timers_of_the_outside);
    tcase_add_test(tests, test_crash_keeps_what_was_synced);
    tcase_add_test(tests, test_watchers_see_and_fail_calls);
    tcase_add_test(tests, test_watchers_shorten_transfers);
    tcase_add_loop_test(tests, test_stop_at_a_call_and_go_on, 0, 2);
    tcase_add_loop_test(tests, test_crash_inside_a_watcher, 0, 2);
    tcase_add_loop_test(tests, test_same_seed_same_run, 0, 2);
    tcase_add_test(tests, test_another_seed_another_schedule);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
