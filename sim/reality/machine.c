/* SPDX-License-Identifier: ISC */
/*
 * A machine: a directory that is the root of its processes, and a process that is the first in a
 * namespace of processes of its own, starts the others and waits for them.  When that one is killed
 * the kernel kills all of them.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sim/reality/place.h"
#include "sim/reality/reality.h"

#define ORDER_MAX ((size_t) 4 << 20)

bool machine_path(const struct real_machine *machine, const char *path, char to[PATH_MAX])
{
    return snprintf(to, PATH_MAX, "%s/%s", machine->root, path) < PATH_MAX;
}

const char *machine_programs(const struct real_machine *machine)
{
    return namespace_is_done_without() ? machine->reality->programs : "/nixie";
}

void machine_shared(const struct real_machine *machine, const char *name, char to[PATH_MAX])
{
    snprintf(to, PATH_MAX, "%s/shared/%s",
             namespace_is_done_without() ? machine->reality->directory : "", name);
}

/* --- the root ----------------------------------------------------------------------------------*/

static int make_directories(const struct real_machine *machine, const char *path)
{
    char whole[PATH_MAX];

    if (!machine_path(machine, path, whole))
        return -1;
    for (char *slash = whole + strlen(machine->root) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = 0;
        if (mkdir(whole, 0755) < 0 && errno != EEXIST)
            return -1;
        *slash = '/';
    }
    return mkdir(whole, 0755) < 0 && errno != EEXIST ? -1 : 0;
}

static int mount_at(const struct real_machine *machine, const char *what, const char *where)
{
    char to[PATH_MAX];

    if (make_directories(machine, where) < 0 || !machine_path(machine, where, to))
        return -1;
    if (namespace_is_done_without()) /* the directory that was made is in the way */
        return rmdir(to) < 0 || symlink(what, to) < 0 ? -1 : 0;
    return mount(what, to, NULL, MS_BIND | MS_REC, NULL);
}

/* "/lib" and the like of the real system: links there are links here. */
static int take_over(const struct real_machine *machine, const char *name)
{
    char target[PATH_MAX], path[PATH_MAX];
    ssize_t length = readlink(name, target, sizeof target - 1);

    if (length < 0)
        return access(name, F_OK) < 0 ? 0 : mount_at(machine, name, name + 1);
    target[length] = 0;
    if (!machine_path(machine, name + 1, path))
        return -1;
    return symlink(target, path) < 0 && errno != EEXIST ? -1 : 0;
}

static int write_file(const struct real_machine *machine, const char *name, const char *text)
{
    char path[PATH_MAX];
    int fd, result;

    if (!machine_path(machine, name, path))
        return -1;
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return -1;
    result = write(fd, text, strlen(text)) < 0 ? -1 : 0;
    close(fd);
    return result;
}

static int write_accounts(const struct real_machine *machine)
{
    char *passwd = backend_passwd(machine->host), *group = backend_group(machine->host);
    int result = write_file(machine, "etc/passwd", passwd);

    if (result == 0)
        result = write_file(machine, "etc/group", group);
    if (result == 0)
        result = write_file(machine, "etc/nsswitch.conf", "passwd: files\ngroup: files\n");
    free(passwd);
    free(group);
    return result;
}

void machine_new_boot_id(struct real_machine *machine)
{
    char text[64];
    uint64_t boot = ++machine->reality->boots;

    snprintf(text, sizeof text, "%08x-0000-4000-a000-%012llx\n", (unsigned) machine->index,
             (unsigned long long) boot);
    write_file(machine, "boot_id", text);
}

static int mount_boot_id(struct real_machine *machine)
{
    char from[PATH_MAX], to[PATH_MAX];

    machine_new_boot_id(machine);
    if (namespace_is_done_without())
        return 0;
    if (!machine_path(machine, "boot_id", from) ||
        !machine_path(machine, "proc/sys/kernel/random/boot_id", to))
        return -1;
    return mount(from, to, NULL, MS_BIND, NULL);
}

/* A small file system, which can be full, for all that the machine writes. */
static int mount_disk(const struct real_machine *machine)
{
    return mount("nixie", machine->root, "tmpfs", MS_NODEV, "mode=0755");
}

static int listen_here(struct real_machine *machine)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    machine->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (machine->listener < 0 ||
        snprintf(address.sun_path, sizeof address.sun_path, "%s/shared/%zu",
                 machine->reality->directory, machine->index) >= (int) sizeof address.sun_path)
        return -1;
    if (bind(machine->listener, (struct sockaddr *) &address, sizeof address) < 0 ||
        chmod(address.sun_path, 0777) < 0)
        return -1;
    return listen(machine->listener, 256);
}

/* libfaketime leaves objects there when its process is killed. */
static int mount_shared_memory(const struct real_machine *machine)
{
    char path[PATH_MAX];

    if (!machine_path(machine, "dev/shm", path))
        return -1;
    return access(path, F_OK) < 0 ? 0 : mount("nixie", path, "tmpfs", MS_NODEV, "mode=1777");
}

/* Directories of the real system, where the machine has a root of its own. */
static int mount_system(const struct real_machine *machine)
{
    if (namespace_is_done_without())
        return 0;
    for (size_t i = 0; place_system[i]; i++)
        if (strcmp(place_system[i], "/sys") != 0 && take_over(machine, place_system[i]) < 0)
            return -1;
    return mount_shared_memory(machine);
}

int machine_set_up(struct real_machine *machine)
{
    char shared[PATH_MAX];
    int result;

    if (mkdir(machine->root, 0755) < 0 || (machine->limited && mount_disk(machine) < 0))
        return -1;
    result = export_files(host_vfs(machine->host), machine);
    if (result < 0) {
        errno = -result;
        return -1;
    }
    if (mount_system(machine) < 0)
        return -1;
    snprintf(shared, sizeof shared, "%s/shared", machine->reality->directory);
    if (make_directories(machine, "etc") < 0 || make_directories(machine, "tmp") < 0 ||
        mount_at(machine, machine->reality->programs, "nixie") < 0 ||
        mount_at(machine, shared, "shared") < 0 || write_accounts(machine) < 0 ||
        mount_boot_id(machine) < 0)
        return -1;
    if (machine_path(machine, "var/nixie", shared) && access(shared, F_OK) == 0 &&
        mount_at(machine, machine->reality->programs, "var/nixie/bin") < 0)
        return -1;
    return listen_here(machine);
}

void machine_forget(struct real_machine *machine)
{
    if (machine->listener >= 0)
        close(machine->listener);
    umount2(machine->root, MNT_DETACH);
    free(machine);
}

/* --- its first process -------------------------------------------------------------------------*/

/* Texts of an order: path, directory, argv, "", environment, "", each with a NUL; as the receiver
 * reads them. */
static size_t add_text(char *to, size_t used, const char *text)
{
    size_t size = strlen(text) + 1;

    if (used + size < ORDER_MAX)
        memcpy(to + used, text, size);
    return used + size;
}

static size_t add_list(char *to, size_t used, char *const *list)
{
    size_t count = 0;
    char text[24];

    while (list[count])
        count++;
    snprintf(text, sizeof text, "%zu", count);
    used = add_text(to, used, text);
    for (size_t i = 0; i < count; i++)
        used = add_text(to, used, list[i]);
    return used;
}

static const char *take_text(const char **at)
{
    const char *text = *at;

    *at += strlen(text) + 1;
    return text;
}

static char **take_list(const char **at)
{
    size_t count = strtoul(take_text(at), NULL, 10);
    char **list = calloc(count + 1, sizeof *list);

    for (size_t i = 0; list && i < count; i++)
        list[i] = (char *) (uintptr_t) take_text(at);
    return list;
}

/* `root`: what paths are below; NULL: it is "/". */
static _Noreturn void become(const char *root, const char *order, const int fds[3])
{
    const char *path = take_text(&order), *directory = take_text(&order);
    char **argv = take_list(&order), **environment = take_list(&order);
    char real[PLACE_MAX];
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGINT, SIG_DFL);
    signal(SIGPIPE, SIG_DFL);
    for (int i = 0; i < 3; i++)
        if (dup2(fds[i], i) < 0)
            _exit(126);
    if (chdir(place_real(root, directory, real)) < 0 || !argv || !environment)
        _exit(126);
    umask(022);
    setsid();
    if (namespace_become_user() < 0)
        _exit(126);
    execve(place_real(root, path, real), argv, environment);
    _exit(127);
}

static void obey(const char *root, int fd, char *order)
{
    union {
        char bytes[CMSG_SPACE(3 * sizeof(int))];
        struct cmsghdr align;
    } control;
    uint64_t size = 0;
    struct iovec part = {&size, sizeof size};
    struct msghdr header = {.msg_iov = &part,
                            .msg_iovlen = 1,
                            .msg_control = &control,
                            .msg_controllen = sizeof control};
    int fds[3];
    int32_t answer[2];

    if (recvmsg(fd, &header, MSG_CMSG_CLOEXEC) != (ssize_t) sizeof size || size > ORDER_MAX ||
        !CMSG_FIRSTHDR(&header))
        _exit(1);
    memcpy(fds, CMSG_DATA(CMSG_FIRSTHDR(&header)), sizeof fds);
    for (size_t got = 0; got < size;) {
        ssize_t count = read(fd, order + got, size - got);

        if (count <= 0)
            _exit(1);
        got += (size_t) count;
    }
    answer[0] = fork();
    answer[1] = INT32_MIN; /* not an end, but a beginning */
    if (answer[0] == 0)
        become(root, order, fds);
    for (int i = 0; i < 3; i++)
        close(fds[i]);
    if (write(fd, answer, sizeof answer) != (ssize_t) sizeof answer)
        _exit(1);
}

static void reap_all(int fd)
{
    int32_t answer[2];
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        answer[0] = pid;
        answer[1] = status;
        if (write(fd, answer, sizeof answer) != (ssize_t) sizeof answer)
            _exit(1);
    }
}

static int enter_root(const struct real_machine *machine)
{
    const char *name = host_name(machine->host);

    if (namespace_is_done_without()) /* orphans come here, as to the first of a namespace */
        return prctl(PR_SET_CHILD_SUBREAPER, 1) < 0 ? -1 : chdir(machine->root);
    return sethostname(name, strlen(name)) < 0 || chroot(machine->root) < 0 ? -1 : chdir("/");
}

static _Noreturn void be_init(const struct real_machine *machine, int fd)
{
    struct pollfd polls[2];
    struct signalfd_siginfo info;
    char *order = malloc(ORDER_MAX);
    sigset_t set;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_NAME, "nixie-machine");
    sigfillset(&set);
    sigprocmask(SIG_SETMASK, &set, NULL);
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    polls[0] = (struct pollfd){.fd = fd, .events = POLLIN};
    polls[1] =
        (struct pollfd){.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), .events = POLLIN};
    if (!order || enter_root(machine) < 0)
        _exit(1);
    for (;;) {
        if (poll(polls, 2, -1) < 0 && errno != EINTR)
            _exit(1);
        if (polls[1].revents) {
            while (read(polls[1].fd, &info, sizeof info) > 0)
                ;
            reap_all(fd);
        }
        if (polls[0].revents)
            obey(namespace_is_done_without() ? machine->root : NULL, fd, order);
    }
}

static void close_others(int but)
{
    if (but > 3)
        close_range(3, (unsigned) but - 1, 0);
    close_range((unsigned) but + 1, ~0U, 0);
}

int machine_start_init(struct real_machine *machine)
{
    struct clone_args arguments = {
        .flags = namespace_is_done_without() ? 0 : CLONE_NEWPID | CLONE_NEWUTS,
        .exit_signal = SIGCHLD};
    int ends[2];
    pid_t pid;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return -1;
    fflush(NULL);
    pid = (pid_t) syscall(SYS_clone3, &arguments, sizeof arguments);
    if (pid == 0) {
        close_others(ends[1]);
        be_init(machine, ends[1]);
    }
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return -1;
    }
    machine->init = ends[0];
    machine->init_pid = pid;
    return 0;
}

void machine_kill(struct real_machine *machine)
{
    int status;

    if (machine->init < 0)
        return;
    if (namespace_is_done_without())
        kill_below(machine->init_pid);
    kill(machine->init_pid, SIGKILL);
    while (waitpid(machine->init_pid, &status, 0) < 0 && errno == EINTR)
        ;
    close(machine->init);
    machine->init = -1;
    machine->coming = 0;
}

/* The two numbers of what it says; false: nothing is there (`wait`: it is waited for). */
static bool read_pair(struct real_machine *machine, int32_t pair[2], bool wait)
{
    ssize_t got;

    do
        got = recv(machine->init, pair, 8, wait ? MSG_WAITALL : MSG_DONTWAIT);
    while (got < 0 && errno == EINTR);
    return got == 8;
}

pid_t machine_spawn(struct real_machine *machine, const struct machine_order *order)
{
    union {
        char bytes[CMSG_SPACE(3 * sizeof(int))];
        struct cmsghdr align;
    } control = {{0}};
    char *text = malloc(ORDER_MAX);
    uint64_t size;
    struct iovec part = {&size, sizeof size};
    struct msghdr header = {.msg_iov = &part,
                            .msg_iovlen = 1,
                            .msg_control = &control,
                            .msg_controllen = sizeof control};
    struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
    int32_t pair[2];
    bool sent;

    if (!text)
        return -ENOMEM;
    size = add_text(text, 0, order->path);
    size = add_text(text, size, order->directory ? order->directory : "/");
    size = add_list(text, size, order->argv);
    size = add_list(text, size, order->environment);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(3 * sizeof(int));
    memcpy(CMSG_DATA(rights), order->fds, 3 * sizeof(int));
    sent = size <= ORDER_MAX && sendmsg(machine->init, &header, MSG_NOSIGNAL) > 0;
    for (size_t done = 0; sent && done < size;) {
        ssize_t count = send(machine->init, text + done, size - done, MSG_NOSIGNAL);

        sent = count > 0;
        done += sent ? (size_t) count : 0;
    }
    free(text);
    while (sent && read_pair(machine, pair, true)) {
        if (pair[1] == INT32_MIN)
            return pair[0] > 0 ? pair[0] : -EAGAIN;
        processes_note_end(machine, pair[0], pair[1]);
    }
    return size > ORDER_MAX ? -E2BIG : -EIO;
}

int machine_hear(struct real_machine *machine, pid_t *pid, int *status)
{
    int32_t pair[2];

    if (machine->init < 0 || !read_pair(machine, pair, false))
        return 0;
    *pid = pair[0];
    *status = pair[1];
    return 1;
}
