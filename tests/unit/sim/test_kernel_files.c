/* SPDX-License-Identifier: ISC */
/* Descriptors, pipes, FIFOs, poll, flock, sockets of the simulated kernel. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/sim/machine.h"

#define UNUSED (void) argc, (void) argv, (void) environment

static int pipe_main(int argc, char **argv, char **environment)
{
    UNUSED;
    static const char zeros[70000];
    char *buffer = sim_malloc(70000);
    int fds[2];
    MUST(sim_pipe2(fds, O_NONBLOCK | O_CLOEXEC) == 0 && fds[0] == 3 && fds[1] == 4);
    MUST_FAIL(EAGAIN, sim_read(fds[0], buffer, 10));
    MUST(sim_write(fds[1], zeros, 70000) == 65536);
    MUST_FAIL(EAGAIN, sim_write(fds[1], "x", 1));
    MUST(sim_read(fds[0], buffer, 100) == 100);
    MUST_FAIL(EAGAIN, sim_write(fds[1], zeros, 101)); /* atomic up to PIPE_BUF */
    MUST(sim_write(fds[1], zeros, 5000) == 100);
    MUST(sim_read(fds[0], buffer, 70000) == 65536);
    MUST_FAIL(EBADF, sim_read(fds[1], buffer, 1));
    MUST_FAIL(EBADF, sim_write(fds[0], buffer, 1));
    MUST_FAIL(ESPIPE, sim_lseek(fds[0], 0, SEEK_SET));
    MUST(sim_write(fds[1], "end", 3) == 3 && sim_close(fds[1]) == 0);
    MUST(sim_read(fds[0], buffer, 10) == 3 && sim_read(fds[0], buffer, 10) == 0);
    MUST(sim_pipe(fds) == 0 && sim_close(fds[0]) == 0);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    MUST(sim_sigprocmask(SIG_BLOCK, &set, NULL) == 0);
    MUST_FAIL(EPIPE, sim_write(fds[1], "x", 1));
    sim_free(buffer);
    MUST(sim_sigprocmask(SIG_UNBLOCK, &set, NULL) == 0);
    return 2; /* never: the signal was pending */
}

static int fcntl_main(int argc, char **argv, char **environment)
{
    UNUSED;
    struct stat status;
    MUST(sim_fcntl(1, F_GETFD) == 0 && sim_fcntl(1, F_SETFD, FD_CLOEXEC) == 0);
    MUST(sim_fcntl(1, F_GETFD) == FD_CLOEXEC);
    MUST(sim_fcntl(0, F_DUPFD_CLOEXEC, 10) == 10 && sim_fcntl(10, F_GETFD) == FD_CLOEXEC);
    MUST(sim_dup2(10, 20) == 20 && sim_fcntl(20, F_GETFD) == 0);
    MUST(sim_dup(0) == 3);
    MUST_FAIL(EBADF, sim_dup2(99, 5));
    MUST_FAIL(EBADF, sim_dup2(0, 5000));
    MUST_FAIL(EINVAL, sim_fcntl(0, F_DUPFD, 5000));
    MUST_FAIL(EBADF, sim_close(11));
    int fd = sim_open("/tmp/file", O_RDWR | O_CREAT | O_EXCL, 0666);
    MUST(fd == 4);
    MUST_FAIL(EEXIST, sim_open("/tmp/file", O_RDWR | O_CREAT | O_EXCL, 0666));
    MUST(sim_fstat(fd, &status) == 0 && status.st_mode == (S_IFREG | 0644));
    int copy = sim_dup(fd);
    MUST(sim_write(fd, "hello", 5) == 5 && sim_write(copy, " world", 6) == 6);
    MUST(sim_lseek(fd, 0, SEEK_CUR) == 11);
    MUST((sim_fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDWR);
    MUST(sim_fcntl(fd, F_SETFL, O_APPEND) == 0 && sim_fcntl(copy, F_GETFL) & O_APPEND);
    MUST(sim_lseek(fd, 0, SEEK_SET) == 0 && sim_write(fd, "!", 1) == 1);
    char text[20];
    struct iovec parts[2] = {{text, 5}, {text + 5, 15}};
    MUST(sim_lseek(fd, -12, SEEK_END) == 0 && sim_readv(fd, parts, 2) == 12);
    MUST(memcmp(text, "hello world!", 12) == 0);
    MUST_FAIL(EINVAL, sim_lseek(fd, -1, SEEK_SET));
    MUST(sim_ftruncate(fd, 3) == 0 && sim_fstat(fd, &status) == 0 && status.st_size == 3);
    MUST_FAIL(EISDIR, sim_open("/tmp", O_WRONLY));
    MUST((fd = sim_open("/tmp", O_RDONLY | O_DIRECTORY)) > 0);
    MUST_FAIL(EISDIR, sim_read(fd, text, 1));
    MUST(sim_stat("/dev/null", &status) == 0 && S_ISCHR(status.st_mode));
    MUST_FAIL(ENOTDIR, sim_open("/dev/null/x", O_RDONLY));
    return 0;
}

static int directory_main(int argc, char **argv, char **environment)
{
    UNUSED;
    char path[64];
    unsigned seen = 0;
    MUST(sim_mkdir("/tmp/d", 0700) == 0 && sim_chdir("/tmp/d") == 0);
    for (int i = 0; i < 5; i++) {
        snprintf(path, sizeof path, "f%d", i);
        MUST(sim_close(sim_open(path, O_CREAT | O_WRONLY, 0600)) == 0);
    }
    MUST(sim_getcwd(path, sizeof path) == path && strcmp(path, "/tmp/d") == 0);
    MUST(!sim_getcwd(path, 3) && errno == ERANGE);
    DIR *directory = sim_opendir(".");
    MUST(directory);
    errno = 0;
    for (struct dirent *entry; (entry = sim_readdir(directory));)
        if (entry->d_name[0] == 'f')
            seen |= 1u << (entry->d_name[1] - '0');
    MUST(errno == 0 && seen == 31);
    MUST(sim_closedir(directory) == 0);
    MUST(!sim_opendir("f1") && errno == ENOTDIR);
    MUST(!sim_opendir("") && errno == ENOENT);
    return 0;
}

static int64_t now_ms(void)
{
    struct timespec now;
    sim_clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static int poll_main(int argc, char **argv, char **environment)
{
    UNUSED;
    int fds[2];
    MUST(sim_pipe(fds) == 0);
    struct pollfd polls[3] = {{fds[0], POLLIN, 0}, {fds[1], POLLOUT, 0}, {-1, POLLIN, 0}};
    MUST(sim_poll(polls, 3, 0) == 1 && polls[0].revents == 0 && polls[1].revents == POLLOUT);
    int64_t before = now_ms();
    MUST(sim_poll(polls, 1, 3600 * 1000) == 0);
    MUST(now_ms() - before == 3600 * 1000);
    MUST(sim_write(fds[1], "x", 1) == 1 && sim_poll(polls, 1, -1) == 1);
    MUST(polls[0].revents == POLLIN && sim_close(fds[1]) == 0);
    MUST(sim_poll(polls, 1, -1) == 1 && polls[0].revents == (POLLIN | POLLHUP));
    polls[1].fd = 77;
    MUST(sim_poll(polls, 2, -1) == 2 && polls[1].revents == POLLNVAL);
    return 0;
}

/* Writes one byte into the FIFO of its argument, a second after it began. */
static int writer_main(int argc, char **argv, char **environment)
{
    (void) argc;
    (void) environment;
    sim_poll(NULL, 0, 1000);
    int fd = sim_open(argv[1], O_WRONLY);
    MUST(fd >= 0 && sim_write(fd, "x", 1) == 1);
    return 0;
}

static int fifo_main(int argc, char **argv, char **environment)
{
    UNUSED;
    char *const child[] = {TEXT("writer"), TEXT("/tmp/fifo"), NULL};
    char text[4];
    int status;
    MUST(sim_mkfifo("/tmp/fifo", 0622) == 0);
    MUST_FAIL(EEXIST, sim_mkfifo("/tmp/fifo", 0622));
    MUST_FAIL(ENXIO, sim_open("/tmp/fifo", O_WRONLY | O_NONBLOCK));
    int reader = sim_open("/tmp/fifo", O_RDONLY | O_NONBLOCK);
    MUST(reader == 3 && sim_read(reader, text, 1) == 0);
    struct pollfd poll = {reader, POLLIN, 0};
    MUST(sim_poll(&poll, 1, 0) == 0); /* no writer yet: no hang-up */
    int writer = sim_open("/tmp/fifo", O_WRONLY | O_NONBLOCK);
    MUST(writer == 4);
    MUST_FAIL(EAGAIN, sim_read(reader, text, 1));
    MUST(sim_write(writer, "a", 1) == 1 && sim_poll(&poll, 1, 0) == 1);
    MUST(sim_close(writer) == 0 && sim_read(reader, text, 4) == 1);
    MUST(sim_poll(&poll, 1, 0) == 1 && poll.revents == POLLHUP && sim_close(reader) == 0);
    int64_t before = now_ms();
    pid_t pid = spawn_program("/bin/writer", child);
    reader = sim_open("/tmp/fifo", O_RDONLY); /* waits for the writer */
    MUST(reader == 3 && now_ms() - before >= 1000);
    MUST(sim_read(reader, text, 4) == 1 && sim_read(reader, text, 4) == 0);
    MUST(sim_waitpid(pid, &status, 0) == pid && status == 0);
    return 0;
}

/* Holds the lock for a second, says so, and ends. */
static int holder_main(int argc, char **argv, char **environment)
{
    UNUSED;
    int fd = sim_open("/tmp/lock", O_RDWR | O_CREAT, 0600);
    MUST(sim_flock(fd, LOCK_EX) == 0);
    MUST(sim_write(1, "held", 4) == 4 && sim_close(1) == 0);
    sim_poll(NULL, 0, 1000);
    return 0;
}

static int flock_main(int argc, char **argv, char **environment)
{
    (void) argc;
    (void) argv;
    char *const child[] = {TEXT("holder"), NULL};
    int fds[2];
    char text[8];
    posix_spawn_file_actions_t actions;
    pid_t pid;
    int a = sim_open("/tmp/lock", O_RDWR | O_CREAT, 0600);
    int b = sim_open("/tmp/lock", O_RDWR);
    MUST(sim_flock(a, LOCK_SH) == 0 && sim_flock(b, LOCK_SH | LOCK_NB) == 0);
    MUST_FAIL(EWOULDBLOCK, sim_flock(b, LOCK_EX | LOCK_NB));
    MUST(sim_flock(a, LOCK_UN) == 0 && sim_flock(b, LOCK_EX | LOCK_NB) == 0);
    int copy = sim_dup(b);
    MUST(sim_close(b) == 0);
    MUST_FAIL(EWOULDBLOCK, sim_flock(a, LOCK_EX | LOCK_NB)); /* the copy holds it */
    MUST(sim_close(copy) == 0 && sim_flock(a, LOCK_EX | LOCK_NB) == 0);
    MUST(sim_flock(a, LOCK_UN) == 0);
    MUST_FAIL(EINVAL, sim_flock(a, 0));
    MUST(sim_pipe2(fds, O_CLOEXEC) == 0);
    sim_posix_spawn_file_actions_init(&actions);
    sim_posix_spawn_file_actions_adddup2(&actions, fds[1], 1);
    MUST(sim_posix_spawn(&pid, "/bin/holder", &actions, NULL, child, environment) == 0);
    sim_posix_spawn_file_actions_destroy(&actions);
    MUST(sim_read(fds[0], text, 8) == 4);
    int64_t before = now_ms();
    MUST(sim_flock(a, LOCK_EX) == 0 && now_ms() - before >= 999);
    return 0;
}

static void set_address(struct sockaddr_un *address, const char *path)
{
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    strncpy(address->sun_path, path, sizeof address->sun_path - 1);
}

static ssize_t pass_file(int socket, int fd)
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
    return sim_sendmsg(socket, &message, 0);
}

static int receive_file(int socket)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    char byte;
    int fd = -1;
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control.space};
    if (sim_recvmsg(socket, &message, MSG_CMSG_CLOEXEC) != 1)
        return -1;
    if (message.msg_controllen >= CMSG_LEN(sizeof fd))
        memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
    return fd;
}

/* Connects to the socket of its argument, passes a file, waits for the answer. */
static int client_main(int argc, char **argv, char **environment)
{
    (void) argc;
    (void) environment;
    struct sockaddr_un address;
    char text[8];
    int fd = sim_socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    set_address(&address, argv[1]);
    MUST(sim_connect(fd, (struct sockaddr *) &address, sizeof address) == 0);
    int file = sim_open("/tmp/passed", O_RDWR | O_CREAT, 0600);
    MUST(sim_write(file, "content", 7) == 7 && pass_file(fd, file) == 1 && sim_close(file) == 0);
    MUST(sim_read(fd, text, 8) == 2 && memcmp(text, "ok", 2) == 0);
    MUST(sim_read(fd, text, 8) == 0);
    return 0;
}

static int socket_main(int argc, char **argv, char **environment)
{
    UNUSED;
    char *const child[] = {TEXT("client"), TEXT("/tmp/socket"), NULL};
    struct sockaddr_un address;
    struct ucred peer;
    socklen_t size = sizeof peer;
    char text[16];
    int status;
    set_address(&address, "/tmp/socket");
    MUST_FAIL(EAFNOSUPPORT, sim_socket(AF_APPLETALK, SOCK_STREAM, 0));
    int fd = sim_socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    MUST_FAIL(ENOENT, sim_connect(fd, (struct sockaddr *) &address, sizeof address));
    MUST(sim_bind(fd, (struct sockaddr *) &address, sizeof address) == 0);
    MUST_FAIL(EINVAL, sim_accept(fd, NULL, NULL));
    int other = sim_socket(AF_UNIX, SOCK_STREAM, 0);
    MUST_FAIL(EADDRINUSE, sim_bind(other, (struct sockaddr *) &address, sizeof address));
    MUST_FAIL(ECONNREFUSED, sim_connect(other, (struct sockaddr *) &address, sizeof address));
    MUST(sim_listen(fd, 5) == 0);
    MUST_FAIL(EAGAIN, sim_accept(fd, NULL, NULL));
    pid_t pid = spawn_program("/bin/client", child);
    struct pollfd poll = {fd, POLLIN, 0};
    MUST(sim_poll(&poll, 1, -1) == 1);
    int conn = sim_accept4(fd, NULL, NULL, SOCK_CLOEXEC);
    MUST(conn >= 0 && sim_fcntl(conn, F_GETFD) == FD_CLOEXEC);
    MUST(sim_getsockopt(conn, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.pid == pid);
    int file = receive_file(conn);
    MUST(file >= 0 && sim_lseek(file, 0, SEEK_SET) == 0);
    MUST(sim_read(file, text, 16) == 7 && memcmp(text, "content", 7) == 0);
    MUST(sim_send(conn, "ok", 2, MSG_NOSIGNAL) == 2 && sim_shutdown(conn, SHUT_WR) == 0);
    MUST(sim_waitpid(pid, &status, 0) == pid && status == 0);
    MUST(sim_read(conn, text, 1) == 0);
    MUST_FAIL(EPIPE, sim_send(conn, "x", 1, MSG_NOSIGNAL));
    MUST(sim_close(fd) == 0);
    MUST_FAIL(ECONNREFUSED, sim_connect(other, (struct sockaddr *) &address, sizeof address));
    return 0;
}

static int pair_main(int argc, char **argv, char **environment)
{
    UNUSED;
    int fds[2];
    char text[100];
    MUST(sim_socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) == 0);
    MUST(sim_send(fds[0], "one", 3, 0) == 3 && sim_send(fds[0], "three", 5, 0) == 5);
    MUST(sim_recv(fds[1], text, 100, 0) == 3 && sim_recv(fds[1], text, 2, 0) == 2);
    MUST_FAIL(EAGAIN, sim_recv(fds[1], text, 100, MSG_DONTWAIT));
    MUST(sim_close(fds[0]) == 0 && sim_recv(fds[1], text, 100, 0) == 0);
    MUST(sim_socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0);
    size_t total = 0;
    static const char zeros[4096];
    for (ssize_t sent; (sent = sim_send(fds[0], zeros, sizeof zeros, 0)) > 0;)
        total += (size_t) sent;
    MUST(errno == EAGAIN && total > 100000);
    struct pollfd poll = {fds[0], POLLOUT, 0};
    MUST(sim_poll(&poll, 1, 0) == 0);
    for (ssize_t got; (got = sim_recv(fds[1], text, sizeof text, 0)) > 0;)
        total -= (size_t) got;
    MUST(total == 0 && sim_poll(&poll, 1, 0) == 1 && poll.revents == POLLOUT);
    MUST(sim_send(fds[0], "x", 1, 0) == 1 && sim_close(fds[1]) == 0);
    MUST_FAIL(ECONNRESET, sim_read(fds[0], text, 1)); /* it was never read */
    MUST(sim_read(fds[0], text, 1) == 0);
    MUST_FAIL(ENOTSOCK, sim_listen(0, 1));
    return 0;
}

static const struct test_program programs[] = {
    {"pipe", pipe_main},     {"fcntl", fcntl_main},   {"directory", directory_main},
    {"poll", poll_main},     {"writer", writer_main}, {"fifo", fifo_main},
    {"holder", holder_main}, {"flock", flock_main},   {"client", client_main},
    {"socket", socket_main}, {"pair", pair_main},     {0, 0}};

static struct machine *machine;

static void set_up(void)
{
    struct kernel_options options = {.seed = 1};
    machine = machine_create(&options, programs);
}

static void tear_down(void)
{
    ck_assert_uint_eq(kernel_live_bytes(machine->kernel), 0);
    ck_assert_uint_eq(kernel_live_files(machine->kernel), 0);
    machine_destroy(machine);
}

static void expect_status(const char *name, int expected)
{
    int status = machine_run(machine, name);
    ck_assert_msg(status == expected, "%s ended with %d, said: %s", name, status, machine->output);
}

START_TEST(test_pipe)
{
    expect_status("pipe", SIGPIPE);
}
END_TEST

#define EXPECT_OK(name)                                                                            \
    START_TEST(test_##name)                                                                        \
    {                                                                                              \
        expect_status(#name, 0);                                                                   \
    }                                                                                              \
    END_TEST

EXPECT_OK(fcntl)
EXPECT_OK(directory)
EXPECT_OK(poll)
EXPECT_OK(fifo)
EXPECT_OK(flock)
EXPECT_OK(socket)
EXPECT_OK(pair)

int main(void)
{
    Suite *suite = suite_create("kernel files");
    TCase *tests = tcase_create("files");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, test_pipe);
    tcase_add_test(tests, test_fcntl);
    tcase_add_test(tests, test_directory);
    tcase_add_test(tests, test_poll);
    tcase_add_test(tests, test_fifo);
    tcase_add_test(tests, test_flock);
    tcase_add_test(tests, test_socket);
    tcase_add_test(tests, test_pair);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
