/* SPDX-License-Identifier: ISC */
/*
 * A small world that uses everything the kernel has is disturbed at one call after the other: its
 * process killed there, another one killed, the machine switched off.  Whatever happens, the run
 * ends, nothing stays open and no memory is left.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/sim/machine.h"

#define CLIENTS 3
#define SOCKET "/tmp/socket"

static void set_address(struct sockaddr_un *address)
{
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    strcpy(address->sun_path, SOCKET);
}

static void pass_file(int socket, int fd)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    char byte = 'f';
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control.space};
    memset(&control, 0, sizeof control);
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
    sim_sendmsg(socket, &message, MSG_NOSIGNAL);
}

/* Under a lock, writes a file and syncs it; passes it to the server; hears the answer. */
static int client_main(int argc, char **argv, char **environment)
{
    (void) argc;
    (void) argv;
    (void) environment;
    struct sockaddr_un address;
    char *memory = sim_malloc(5000);
    char answer[16];
    int lock = sim_open("/tmp/lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    sim_flock(lock, LOCK_EX);
    int file = sim_open("/tmp/file", O_RDWR | O_CREAT | O_TRUNC, 0600);
    sim_write(file, "content", 7);
    sim_fsync(file);
    sim_rename("/tmp/file", "/tmp/renamed");
    sim_close(lock);
    int fd = sim_socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    set_address(&address);
    while (sim_connect(fd, (struct sockaddr *) &address, sizeof address) < 0) {
        if (errno != ENOENT && errno != ECONNREFUSED)
            return 1;
        sim_poll(NULL, 0, 1);
        if (sim_getppid() == 1)
            return 1;
    }
    pass_file(fd, file);
    sim_read(fd, answer, sizeof answer);
    int fifo = sim_open("/tmp/fifo", O_WRONLY | O_NONBLOCK);
    sim_write(fifo, "!", 1);
    sim_free(memory);
    DIR *directory = sim_opendir("/tmp");
    while (directory && sim_readdir(directory))
        ;
    return 0;
}

static int start_server_socket(void)
{
    struct sockaddr_un address;
    int fd = sim_socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    set_address(&address);
    sim_unlink(SOCKET);
    sim_bind(fd, (struct sockaddr *) &address, sizeof address);
    sim_listen(fd, 1);
    return fd;
}

/* Serves the clients it spawns, until all have ended or a minute has passed. */
static int server_main(int argc, char **argv, char **environment)
{
    (void) argc;
    (void) argv;
    char *const client[] = {TEXT("client"), NULL};
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sim_sigprocmask(SIG_BLOCK, &set, NULL);
    int signals = sim_signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    int listener = start_server_socket();
    sim_mkfifo("/tmp/fifo", 0600);
    int fifo = sim_open("/tmp/fifo", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    posix_spawn_file_actions_t actions;
    sim_posix_spawn_file_actions_init(&actions);
    sim_posix_spawn_file_actions_addopen(&actions, 5, "/dev/null", O_RDWR, 0);
    for (int i = 0; i < CLIENTS; i++) {
        pid_t pid;
        sim_posix_spawn(&pid, "/bin/client", &actions, NULL, client, environment);
    }
    sim_posix_spawn_file_actions_destroy(&actions);
    struct pollfd polls[4] = {
        {listener, POLLIN, 0}, {signals, POLLIN, 0}, {fifo, POLLIN, 0}, {-1, POLLIN, 0}};
    struct signalfd_siginfo info;
    char text[32];
    for (int living = CLIENTS; living > 0 && sim_poll(polls, 4, 60000) > 0;) {
        if ((polls[0].revents | polls[1].revents | polls[2].revents) & (POLLNVAL | POLLERR) ||
            polls[0].revents & POLLHUP)
            break;
        if (polls[0].revents && polls[3].fd < 0)
            polls[3].fd = sim_accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (polls[2].revents)
            sim_read(fifo, text, sizeof text);
        if (polls[3].fd >= 0 && polls[3].revents) {
            struct iovec part = {text, sizeof text};
            char control[CMSG_SPACE(sizeof(int))];
            struct msghdr message = {.msg_iov = &part,
                                     .msg_iovlen = 1,
                                     .msg_control = control,
                                     .msg_controllen = sizeof control};
            sim_recvmsg(polls[3].fd, &message, MSG_CMSG_CLOEXEC);
            sim_send(polls[3].fd, "ok", 2, MSG_NOSIGNAL);
            sim_close(polls[3].fd);
            polls[3].fd = -1;
        }
        polls[0].fd = polls[3].fd < 0 ? listener : -1;
        while (sim_read(signals, &info, sizeof info) > 0)
            ;
        while (sim_waitpid(-1, NULL, WNOHANG) > 0)
            living--;
    }
    return 0;
}

static int first_main(int argc, char **argv, char **environment)
{
    (void) argc;
    (void) argv;
    char *const server[] = {TEXT("server"), NULL};
    sim_execve("/bin/server", server, environment);
    return 1;
}

static const struct test_program programs[] = {
    {"client", client_main}, {"server", server_main}, {"first", first_main}, {0, 0}};

enum disturbance { KILL_CALLER, KILL_CLIENT, POWER_OFF, FAIL_CALL, DISTURBANCES };

struct plan {
    struct machine *machine;
    enum disturbance disturbance;
    uint64_t at;
    bool before;
};

static void disturb(struct plan *plan, const struct call *call)
{
    if (call->number != plan->at)
        return;
    struct process *client = host_find_process(plan->machine->host, "client");
    switch (plan->disturbance) {
    case KILL_CALLER:
        process_signal(call->process, SIGKILL);
        break;
    case KILL_CLIENT:
        if (client)
            process_signal(client, SIGKILL);
        break;
    case POWER_OFF:
        host_crash(plan->machine->host, &choose_none);
        break;
    default:
        break;
    }
}

static int before(void *context, const struct call *call)
{
    struct plan *plan = context;
    if (plan->before)
        disturb(plan, call);
    return plan->disturbance == FAIL_CALL && call->number == plan->at ? EIO : 0;
}

static void after(void *context, const struct call *call)
{
    struct plan *plan = context;
    if (!plan->before)
        disturb(plan, call);
}

/* Returns how many calls were made. */
static uint64_t run_disturbed(enum disturbance disturbance, uint64_t at, bool is_before)
{
    struct kernel_options options = {.seed = at, .policy = SCHEDULE_RANDOM, .spin_calls = 100000};
    struct machine *machine = machine_create(&options, programs);
    struct plan plan = {machine, disturbance, at, is_before};
    struct kernel_watch watch = {before, after, &plan};
    kernel_watch(machine->kernel, &watch);
    int status = machine_run(machine, "first");
    uint64_t calls = kernel_call_count(machine->kernel);
    if (at == 0)
        ck_assert_int_eq(status, 0);
    ck_assert_msg(status > -100, "%s when disturbed at call %llu, way %d%s",
                  kernel_spinner(machine->kernel), (unsigned long long) at, disturbance,
                  is_before ? " before" : "");
    host_kill_all(machine->host);
    ck_assert_uint_eq(kernel_fault_count(machine->kernel), 0);
    ck_assert_uint_eq(kernel_live_files(machine->kernel), 0);
    ck_assert_uint_eq(kernel_live_bytes(machine->kernel), 0);
    machine_destroy(machine);
    return calls;
}

START_TEST(test_disturbed_at_every_call)
{
    enum disturbance disturbance = (enum disturbance)(_i / 2);
    uint64_t calls = run_disturbed(disturbance, 0, false);
    ck_assert_uint_gt(calls, 80);
    for (uint64_t at = 1; at <= calls; at++)
        run_disturbed(disturbance, at, _i % 2);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kernel kills");
    TCase *tests = tcase_create("kill");
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, test_disturbed_at_every_call, 0, 2 * DISTURBANCES);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
