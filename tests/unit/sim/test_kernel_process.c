/* SPDX-License-Identifier: ISC */
/* Processes of the simulated kernel: spawn, exec, wait, exit, identity, limits. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/sim/machine.h"

static void say(const char *text)
{
    sim_write(1, text, strlen(text));
}

static int hello_main(int argc, char **argv, char **environment)
{
    for (int i = 0; i < argc; i++) {
        say(argv[i]);
        say(" ");
    }
    for (int i = 0; environment[i]; i++)
        say(environment[i]);
    return 7;
}

static int exit_main(int argc, char **argv, char **environment)
{
    (void) environment;
    sim__exit(argc > 1 ? atoi(argv[1]) : 300);
}

static int parent_main(int argc, char **argv, char **environment)
{
    char *const child[] = {TEXT("exit"), TEXT("5"), NULL};
    int status;
    (void) argc;
    (void) argv;
    (void) environment;
    MUST_FAIL(ECHILD, sim_waitpid(-1, &status, 0));
    pid_t pid = spawn_program("/bin/exit", child);
    MUST(pid > 0);
    MUST(sim_waitpid(pid, &status, WNOHANG) == 0);
    MUST(sim_waitpid(-1, &status, 0) == pid);
    MUST(WIFEXITED(status) && WEXITSTATUS(status) == 5);
    MUST_FAIL(ECHILD, sim_waitpid(-1, &status, WNOHANG));
    MUST(spawn_program("/bin/nothing", child) == -ENOENT);
    MUST(spawn_program("/bin", child) == -EACCES);
    MUST(spawn_program("/data/plain", child) == -EACCES);
    MUST(spawn_program("/data/odd", child) == -ENOEXEC);
    MUST(spawn_program("/data/odd/x", child) == -ENOTDIR);
    MUST_FAIL(ECHILD, sim_waitpid(-1, &status, WNOHANG));
    return 0;
}

static int exec_main(int argc, char **argv, char **environment)
{
    (void) argc;
    (void) argv;
    (void) environment;
    char *const next[] = {TEXT("hello"), TEXT("again"), NULL};
    char *const empty[] = {TEXT("A=B"), NULL};
    char path[64];
    ssize_t length = sim_readlink("/proc/self/exe", path, sizeof path);
    MUST(length == 9 && memcmp(path, "/bin/exec", 9) == 0);
    int fd = sim_open("/dev/null", O_RDWR | O_CLOEXEC);
    MUST(fd == 3);
    MUST_FAIL(ENOENT, sim_execve("/bin/none", next, empty));
    char *block = sim_malloc(1000);
    MUST(block);
    sim_execve("/bin/hello", next, empty);
    return 1;
}

static int actions_main(int argc, char **argv, char **environment)
{
    (void) argc;
    (void) argv;
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    char *const child[] = {TEXT("hello"), NULL};
    int fds[2], status;
    pid_t pid;
    char text[64];
    MUST(sim_pipe2(fds, O_CLOEXEC) == 0);
    MUST(sim_posix_spawn_file_actions_init(&actions) == 0);
    MUST(sim_posix_spawnattr_init(&attributes) == 0);
    MUST(sim_posix_spawn_file_actions_adddup2(&actions, fds[1], 1) == 0);
    MUST(sim_posix_spawn_file_actions_addclose(&actions, 9) == 0);
    MUST(sim_posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0) == 0);
    MUST(sim_posix_spawn_file_actions_addchdir_np(&actions, "/bin") == 0);
    MUST(sim_posix_spawn(&pid, "hello", &actions, &attributes, child, environment) == 0);
    MUST(sim_close(fds[1]) == 0);
    size_t size = 0;
    for (ssize_t got; (got = sim_read(fds[0], text + size, sizeof text - size)) > 0;)
        size += (size_t) got;
    MUST(size == 15 && memcmp(text, "hello PATH=/bin", 15) == 0);
    MUST(sim_waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 7);
    MUST(sim_posix_spawn_file_actions_adddup2(&actions, 77, 1) == 0);
    MUST(sim_posix_spawn(&pid, "hello", &actions, &attributes, child, environment) == EBADF);
    sim_posix_spawn_file_actions_destroy(&actions);
    sim_posix_spawnattr_destroy(&attributes);
    return 0;
}

static int memory_main(int argc, char **argv, char **environment)
{
    (void) argc;
    (void) argv;
    (void) environment;
    char *blocks[200];
    for (int i = 0; i < 200; i++) {
        size_t size = (size_t) (i * i * 7);
        blocks[i] = sim_malloc(size + 1);
        memset(blocks[i], i, size + 1);
    }
    for (int i = 0; i < 200; i += 2)
        sim_free(blocks[i]);
    for (int i = 1; i < 200; i += 2) {
        size_t size = (size_t) (i * i * 7);
        blocks[i] = sim_realloc(blocks[i], size * 2 + 50);
        MUST(blocks[i][0] == (char) i && blocks[i][size] == (char) i);
    }
    struct pollfd none[1];
    sim_poll(none, 0, -1);
    return 0;
}

static int identity_main(int argc, char **argv, char **environment)
{
    (void) argc;
    (void) argv;
    (void) environment;
    gid_t groups[4] = {20, 30};
    MUST(sim_getuid() == 0 && sim_getppid() == 1);
    MUST(sim_setgroups(2, groups) == 0 && sim_getgroups(4, groups) == 2 && groups[1] == 30);
    MUST(sim_initgroups("alice", 1000) == 0 && sim_getgroups(4, groups) == 2);
    MUST(groups[0] == 1000 && groups[1] == 500);
    MUST(sim_setgid(1000) == 0 && sim_setuid(1000) == 0);
    MUST(sim_getuid() == 1000 && sim_geteuid() == 1000 && sim_getegid() == 1000);
    MUST_FAIL(EPERM, sim_setuid(0));
    MUST_FAIL(EPERM, sim_setgid(0));
    MUST_FAIL(EPERM, sim_setgroups(0, groups));
    struct passwd *user = sim_getpwnam("alice");
    MUST(user && user->pw_uid == 1000 && strcmp(user->pw_dir, "/home/alice") == 0);
    MUST(!sim_getpwnam("nobody-here"));
    user = sim_getpwuid(1000);
    MUST(user && strcmp(user->pw_name, "alice") == 0);
    struct group *group = sim_getgrnam("mail");
    MUST(group && group->gr_gid == 500 && strcmp(group->gr_mem[0], "alice") == 0);
    char name[32];
    MUST(sim_gethostname(name, sizeof name) == 0 && strcmp(name, "mail.test") == 0);
    return 0;
}

static int setuid_main(int argc, char **argv, char **environment)
{
    (void) argc;
    (void) argv;
    (void) environment;
    return sim_getuid() == 1000 && sim_geteuid() == 77 ? 0 : 1;
}

static int limit_main(int argc, char **argv, char **environment)
{
    (void) argc;
    (void) argv;
    (void) environment;
    struct rlimit limit = {5, 5};
    MUST(sim_setrlimit(RLIMIT_NOFILE, &limit) == 0);
    MUST(sim_dup(0) == 3 && sim_dup(0) == 4);
    MUST_FAIL(EMFILE, sim_dup(0));
    MUST_FAIL(EMFILE, sim_open("/dev/null", O_RDONLY));
    MUST(sim_close(1) == 0 && sim_dup(0) == 1);
    MUST(sim_close(3) == 0);
    limit.rlim_cur = 10;
    limit.rlim_max = 10;
    MUST(sim_setrlimit(RLIMIT_FSIZE, &limit) == 0);
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    MUST(sim_sigaction(SIGXFSZ, &ignore, NULL) == 0);
    int fd = sim_open("/tmp/file", O_CREAT | O_WRONLY, 0600);
    MUST(fd == 3 && sim_write(fd, "0123456789abc", 13) == 10);
    MUST_FAIL(EFBIG, sim_write(fd, "x", 1));
    return 0;
}

static int orphan_main(int argc, char **argv, char **environment)
{
    char *const child[] = {TEXT("parent"), NULL};
    (void) argc;
    (void) argv;
    (void) environment;
    return spawn_program("/bin/parent", child) > 0 ? 0 : 1;
}

static int allocate_main(int argc, char **argv, char **environment)
{
    (void) argc;
    (void) argv;
    (void) environment;
    for (int i = 1; i < 100; i++)
        if (!sim_malloc(10))
            return errno == ENOMEM ? i : 255;
    return 0;
}

static const struct test_program programs[] = {
    {"hello", hello_main},       {"exit", exit_main},         {"parent", parent_main},
    {"exec", exec_main},         {"actions", actions_main},   {"memory", memory_main},
    {"identity", identity_main}, {"setuid", setuid_main},     {"limit", limit_main},
    {"orphan", orphan_main},     {"allocate", allocate_main}, {0, 0}};

static struct machine *machine;

static void set_up(void)
{
    struct kernel_options options = {.seed = 1};
    machine = machine_create(&options, programs);
    host_add_user(machine->host, "alice", 1000, 1000, "/home/alice");
    host_add_group(machine->host, "mail", 500);
    host_add_group_member(machine->host, "mail", "alice");
    host_write_file(machine->host, "/data/plain", "#!nixie exit\n", 13, 0, 0, 0644);
    host_write_file(machine->host, "/data/odd", "#!nixie none\n", 13, 0, 0, 0755);
    host_write_file(machine->host, "/bin/setuid", "#!nixie setuid\n", 15, 77, 0, 04755);
}

static void tear_down(void)
{
    ck_assert_uint_eq(kernel_live_bytes(machine->kernel), 0);
    ck_assert_uint_eq(kernel_live_files(machine->kernel), 0);
    machine_destroy(machine);
}

static void expect_ok(const char *name)
{
    int status = machine_run(machine, name);
    ck_assert_msg(status == 0, "%s ended with %d, said: %s", name, status, machine->output);
}

START_TEST(test_start)
{
    int status = machine_run(machine, "hello");
    ck_assert_int_eq(WEXITSTATUS(status), 7);
    ck_assert_str_eq(machine->output, "hello PATH=/bin");
    status = machine_run(machine, "exit");
    ck_assert_int_eq(WEXITSTATUS(status), 300 & 0xff);
    ck_assert_int_eq(machine_run(machine, "nothing"), -1000 - ENOENT);
}
END_TEST

START_TEST(test_spawn_and_wait)
{
    expect_ok("parent");
    expect_ok("actions");
}
END_TEST

START_TEST(test_exec)
{
    int status = machine_run(machine, "exec");
    ck_assert_int_eq(WEXITSTATUS(status), 7);
    ck_assert_str_eq(machine->output, "hello again A=B");
}
END_TEST

START_TEST(test_memory_goes_with_the_process)
{
    struct process *process = machine_start(machine, "memory");
    ck_assert_int_eq(kernel_run(machine->kernel, INT64_MAX), KERNEL_IDLE);
    ck_assert_int_eq(machine->status, ALIVE);
    ck_assert_uint_gt(kernel_live_bytes(machine->kernel), 1000000);
    process_signal(process, SIGKILL);
    ck_assert_int_eq(WTERMSIG(machine->status), SIGKILL);
    ck_assert_uint_eq(kernel_live_bytes(machine->kernel), 0);
}
END_TEST

START_TEST(test_identity)
{
    expect_ok("identity");
    machine_start_as(machine, 1000, "setuid", NULL, NULL);
    kernel_run(machine->kernel, INT64_MAX);
    ck_assert_int_eq(machine->status, 0);
}
END_TEST

START_TEST(test_limits)
{
    expect_ok("limit");
}
END_TEST

START_TEST(test_orphans_are_reaped)
{
    expect_ok("orphan");
    ck_assert_ptr_null(host_find_process(machine->host, "parent"));
}
END_TEST

START_TEST(test_failing_allocation)
{
    ck_assert_int_eq(machine_run(machine, "allocate"), 0);
    kernel_fail_allocation(machine->kernel, "allocate", 7);
    ck_assert_int_eq(WEXITSTATUS(machine_run(machine, "allocate")), 7);
    ck_assert_int_eq(machine_run(machine, "allocate"), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kernel processes");
    TCase *tests = tcase_create("process");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, test_start);
    tcase_add_test(tests, test_spawn_and_wait);
    tcase_add_test(tests, test_exec);
    tcase_add_test(tests, test_memory_goes_with_the_process);
    tcase_add_test(tests, test_identity);
    tcase_add_test(tests, test_limits);
    tcase_add_test(tests, test_orphans_are_reaped);
    tcase_add_test(tests, test_failing_allocation);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
