/* SPDX-License-Identifier: ISC */
/* Users, mounts and network of a run's own.  Inside, everything belongs to one user, that of
 * single-user homes, whoever runs this. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/if.h>
#include <linux/ipv6.h>
#include <linux/securebits.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sim/reality/reality.h"
#include "sim/world/home.h"

static int write_text(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    ssize_t size = (ssize_t) strlen(text), done = fd < 0 ? -1 : write(fd, text, (size_t) size);
    int error = errno;

    if (fd >= 0)
        close(fd);
    errno = error;
    return done == size ? 0 : -1;
}

static int map_user(uid_t uid, gid_t gid)
{
    char text[64];

    if (write_text("/proc/self/setgroups", "deny") < 0)
        return -1;
    snprintf(text, sizeof text, "%d %d 1", HOME_OWNER, (int) uid);
    if (write_text("/proc/self/uid_map", text) < 0)
        return -1;
    snprintf(text, sizeof text, "%d %d 1", HOME_OWNER, (int) gid);
    return write_text("/proc/self/gid_map", text);
}

/* Of root where no namespace of users can be had: programs become the user. */
static bool is_root_outside;
static bool is_done_without;

bool namespace_has_root(void)
{
    return is_root_outside;
}

/* Whether there is a user of that number in the namespace that we are in. */
static bool has_user(unsigned long uid)
{
    FILE *map = fopen("/proc/self/uid_map", "re");
    unsigned long first, outside, count;
    bool found = false;

    while (map && fscanf(map, "%lu %lu %lu", &first, &outside, &count) == 3)
        found |= uid >= first && uid - first < count;
    if (map)
        fclose(map);
    return found;
}

int namespace_enter(void)
{
    const int others = CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS;
    uid_t uid = geteuid();
    gid_t gid = getegid();
    int error;

    if (unshare(CLONE_NEWUSER | others) == 0)
        return map_user(uid, gid) < 0 ? -1 : namespace_renew();
    error = errno;
    if (uid != 0 || !has_user(HOME_OWNER)) {
        errno = error;
        return -1;
    }
    if (unshare(others) < 0)
        return -1;
    is_root_outside = true;
    return namespace_renew();
}

bool namespace_is_allowed(void)
{
    pid_t pid = fork();
    int status = 0;

    if (pid == 0)
        _exit(namespace_enter() == 0 ? 0 : errno);
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (pid > 0)
        errno = WIFEXITED(status) ? WEXITSTATUS(status) : EPERM; /* killed by a filter of calls */
    return pid > 0 && status == 0;
}

void namespace_do_without(void)
{
    is_done_without = true;
    is_root_outside = geteuid() == 0 && has_user(HOME_OWNER);
}

bool namespace_is_done_without(void)
{
    return is_done_without;
}

int namespace_become_user(void)
{
    if (is_root_outside)
        return setgroups(0, NULL) < 0 || setgid(HOME_OWNER) < 0 || setuid(HOME_OWNER) < 0 ? -1 : 0;
    /* Root without other users is bound by modes of files like anybody. */
    if (is_done_without && geteuid() == 0)
        return prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED);
    return 0;
}

static int raise_loopback(void)
{
    struct ifreq request = {.ifr_name = "lo"};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), result;

    request.ifr_flags = IFF_UP | IFF_RUNNING | IFF_LOOPBACK;
    result = fd < 0 ? -1 : ioctl(fd, SIOCSIFFLAGS, &request);
    if (fd >= 0)
        close(fd);
    return result;
}

int namespace_renew(void)
{
    if (is_done_without)
        return loopback_renew();
    if (unshare(CLONE_NEWNS | CLONE_NEWNET) < 0 ||
        mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 || raise_loopback() < 0)
        return -1;
    /* So that port 25 is everybody's. */
    return write_text("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0");
}

static int add_v4(int fd, const struct in_addr *address, unsigned index)
{
    struct ifreq request;
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr = *address};

    memset(&request, 0, sizeof request);
    snprintf(request.ifr_name, sizeof request.ifr_name, "lo:%u", index);
    memcpy(&request.ifr_addr, &in, sizeof in);
    if (ioctl(fd, SIOCSIFADDR, &request) < 0)
        return -1;
    in.sin_addr.s_addr = 0xffffffff;
    memcpy(&request.ifr_netmask, &in, sizeof in);
    return ioctl(fd, SIOCSIFNETMASK, &request);
}

static int add_v6(int fd, const struct in6_addr *address)
{
    struct in6_ifreq request = {.ifr6_addr = *address, .ifr6_prefixlen = 128, .ifr6_ifindex = 1};

    return ioctl(fd, SIOCSIFADDR, &request);
}

int namespace_add_address(const char *text, unsigned index)
{
    struct in_addr v4;
    struct in6_addr v6;
    bool is_v4 = inet_pton(AF_INET, text, &v4) == 1;
    int fd, result;

    if (!is_v4 && inet_pton(AF_INET6, text, &v6) != 1) {
        errno = EINVAL;
        return -1;
    }
    fd = socket(is_v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    result = is_v4 ? add_v4(fd, &v4, index) : add_v6(fd, &v6);
    close(fd);
    return result;
}
