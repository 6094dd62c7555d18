/* SPDX-License-Identifier: ISC */
/*
 * The calls of simulated programs: sim_NAME for each NAME of posix.list, with libc's signature
 * and Linux's behaviour.  They may be made by a running simulated process only.
 *
 * What `struct call` holds besides fd, path and path2 (data are the bytes that went through):
 *
 *   open       argument: flags, mode (before the umask)     read, write   data, size
 *   lseek      offset, whence                               readv, writev are told as read, write
 *   stat ...   inode number, mode, size (after)             fcntl         command, argument
 *   dup        dup2: the new descriptor                     pipe          the two descriptors
 *   mkdir, mkfifo, chmod  mode                              chown         uid, gid
 *   ftruncate  length                                       flock         operation
 *   socket     domain, type, protocol                       socketpair    type, the descriptors
 *   bind, connect  path, or address                         accept        flags, address (after)
 *   getsockname  1: of the peer; address (after)
 *   sendmsg    data, flags, number of descriptors passed, address; recvmsg: the same (after);
 *              send, sendto, recv, recvfrom are told as these
 *   poll       count, timeout in ms, a hash of the fds      shutdown      how
 *   spawn      path, data: argv joined by NULs, child's pid exec          path, data: argv
 *   wait       pid, options, status (after)                 kill          pid, signal
 *   exit       status                                       signal_mask   how, mask (before, after)
 *   signal_action  signal, 1 if ignored                     signalfd      mask, flags
 *   clock      clock, nanoseconds (after)                   random        data
 *   get_id     which (0 uid, 1 euid, 2 gid, 3 egid, 4 pid, 5 ppid, 6 groups)
 *   set_id     which (0 uid, 1 gid, 2 groups, 3 initgroups, 4 session), id
 *   getpw      path: the name, argument: the id             rlimit        resource, value
 */
#ifndef SIM_KERNEL_CALLS_H
#define SIM_KERNEL_CALLS_H

#include <dirent.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>

/* files */
int sim_open(const char *path, int flags, ...);
int sim_open64(const char *path, int flags, ...);
int sim___open_2(const char *path, int flags);
int sim___open64_2(const char *path, int flags);
int sim_close(int fd);
int sim_close_range(unsigned first, unsigned last, int flags);
ssize_t sim_read(int fd, void *to, size_t size);
ssize_t sim___read_chk(int fd, void *to, size_t size, size_t room);
ssize_t sim_write(int fd, const void *from, size_t size);
ssize_t sim_readv(int fd, const struct iovec *parts, int count);
ssize_t sim_writev(int fd, const struct iovec *parts, int count);
off_t sim_lseek(int fd, off_t offset, int whence);
off_t sim_lseek64(int fd, off_t offset, int whence);
int sim_fstat(int fd, struct stat *stat);
int sim_fstat64(int fd, struct stat *stat);
int sim_stat(const char *path, struct stat *stat);
int sim_stat64(const char *path, struct stat *stat);
int sim_lstat(const char *path, struct stat *stat);
int sim_lstat64(const char *path, struct stat *stat);
int sim_link(const char *old_path, const char *new_path);
int sim_unlink(const char *path);
int sim_rename(const char *old_path, const char *new_path);
int sim_mkdir(const char *path, mode_t mode);
int sim_rmdir(const char *path);
int sim_symlink(const char *target, const char *path);
ssize_t sim_readlink(const char *path, char *to, size_t size);
ssize_t sim___readlink_chk(const char *path, char *to, size_t size, size_t room);
int sim_ftruncate(int fd, off_t length);
int sim_ftruncate64(int fd, off_t length);
int sim_fsync(int fd);
int sim_fdatasync(int fd);
int sim_syncfs(int fd);
int sim_sync_file_range(int fd, off_t offset, off_t length, unsigned flags);
int sim_fcntl(int fd, int command, ...);
int sim_fcntl64(int fd, int command, ...);
int sim_dup(int fd);
int sim_dup2(int fd, int new_fd);
int sim_flock(int fd, int operation);
int sim_chdir(const char *path);
char *sim_getcwd(char *to, size_t size);
char *sim___getcwd_chk(char *to, size_t size, size_t room);
mode_t sim_umask(mode_t mask);
int sim_chmod(const char *path, mode_t mode);
int sim_fchmod(int fd, mode_t mode);
int sim_chown(const char *path, uid_t uid, gid_t gid);
int sim_fchown(int fd, uid_t uid, gid_t gid);
int sim_futimens(int fd, const struct timespec times[2]);
DIR *sim_opendir(const char *path);
struct dirent *sim_readdir(DIR *directory);
struct dirent *sim_readdir64(DIR *directory);
int sim_closedir(DIR *directory);
int sim_statvfs(const char *path, struct statvfs *to);
int sim_statvfs64(const char *path, struct statvfs *to);
int sim_mkfifo(const char *path, mode_t mode);

/* pipes, sockets, waiting */
int sim_pipe(int fds[2]);
int sim_pipe2(int fds[2], int flags);
int sim_socket(int domain, int type, int protocol);
int sim_socketpair(int domain, int type, int protocol, int fds[2]);
int sim_bind(int fd, const struct sockaddr *address, socklen_t size);
int sim_listen(int fd, int backlog);
int sim_accept(int fd, struct sockaddr *address, socklen_t *size);
int sim_accept4(int fd, struct sockaddr *address, socklen_t *size, int flags);
int sim_connect(int fd, const struct sockaddr *address, socklen_t size);
ssize_t sim_sendmsg(int fd, const struct msghdr *header, int flags);
ssize_t sim_recvmsg(int fd, struct msghdr *header, int flags);
ssize_t sim_send(int fd, const void *from, size_t size, int flags);
ssize_t sim_recv(int fd, void *to, size_t size, int flags);
ssize_t sim___recv_chk(int fd, void *to, size_t size, size_t room, int flags);
ssize_t sim_sendto(int fd, const void *from, size_t size, int flags, const struct sockaddr *address,
                   socklen_t address_size);
ssize_t sim_recvfrom(int fd, void *to, size_t size, int flags, struct sockaddr *address,
                     socklen_t *address_size);
ssize_t sim___recvfrom_chk(int fd, void *to, size_t size, size_t room, int flags,
                           struct sockaddr *address, socklen_t *address_size);
int sim_getsockopt(int fd, int level, int name, void *value, socklen_t *size);
int sim_setsockopt(int fd, int level, int name, const void *value, socklen_t size);
int sim_getsockname(int fd, struct sockaddr *address, socklen_t *size);
int sim_getpeername(int fd, struct sockaddr *address, socklen_t *size);
int sim_shutdown(int fd, int how);
int sim_poll(struct pollfd *fds, nfds_t count, int timeout_ms);
int sim___poll_chk(struct pollfd *fds, nfds_t count, int timeout_ms, size_t room);

/* processes and signals */
int sim_posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
                    const posix_spawnattr_t *attributes, char *const argv[],
                    char *const environment[]);
int sim_posix_spawn_file_actions_init(posix_spawn_file_actions_t *actions);
int sim_posix_spawn_file_actions_destroy(posix_spawn_file_actions_t *actions);
int sim_posix_spawn_file_actions_adddup2(posix_spawn_file_actions_t *actions, int fd, int new_fd);
int sim_posix_spawn_file_actions_addclose(posix_spawn_file_actions_t *actions, int fd);
int sim_posix_spawn_file_actions_addopen(posix_spawn_file_actions_t *actions, int fd,
                                         const char *path, int flags, mode_t mode);
int sim_posix_spawn_file_actions_addchdir_np(posix_spawn_file_actions_t *actions, const char *path);
int sim_posix_spawnattr_init(posix_spawnattr_t *attributes);
int sim_posix_spawnattr_destroy(posix_spawnattr_t *attributes);
int sim_posix_spawnattr_setflags(posix_spawnattr_t *attributes, short flags);
int sim_posix_spawnattr_setsigmask(posix_spawnattr_t *attributes, const sigset_t *mask);
int sim_posix_spawnattr_setsigdefault(posix_spawnattr_t *attributes, const sigset_t *signals);
int sim_posix_spawnattr_setpgroup(posix_spawnattr_t *attributes, pid_t group);
int sim_execve(const char *path, char *const argv[], char *const environment[]);
pid_t sim_waitpid(pid_t pid, int *status, int options);
int sim_kill(pid_t pid, int signal);
_Noreturn void sim__exit(int status);
int sim_sigprocmask(int how, const sigset_t *set, sigset_t *old);
int sim_sigaction(int signal, const struct sigaction *action, struct sigaction *old);
int sim_signalfd(int fd, const sigset_t *mask, int flags);
pid_t sim_getpid(void);
pid_t sim_getppid(void);

/* identity */
uid_t sim_getuid(void);
uid_t sim_geteuid(void);
gid_t sim_getgid(void);
gid_t sim_getegid(void);
int sim_setuid(uid_t uid);
int sim_setreuid(uid_t real, uid_t effective);
int sim_setgid(gid_t gid);
int sim_setgroups(size_t count, const gid_t *groups);
int sim_getgroups(int count, gid_t groups[]);
int sim___getgroups_chk(int count, gid_t groups[], size_t room);
int sim_initgroups(const char *user, gid_t group);
struct passwd *sim_getpwnam(const char *name);
struct passwd *sim_getpwuid(uid_t uid);
struct group *sim_getgrnam(const char *name);
int sim_setrlimit(__rlimit_resource_t resource, const struct rlimit *limit);
int sim_getrlimit(__rlimit_resource_t resource, struct rlimit *limit);
int sim_setrlimit64(__rlimit_resource_t resource, const struct rlimit *limit);
int sim_getrlimit64(__rlimit_resource_t resource, struct rlimit *limit);
int sim_gethostname(char *to, size_t size);
int sim___gethostname_chk(char *to, size_t size, size_t room);
pid_t sim_setsid(void);

/* time and chance */
int sim_clock_gettime(clockid_t clock, struct timespec *time);
ssize_t sim_getrandom(void *to, size_t size, unsigned flags);

/* memory: no part of time, hash or watching */
void *sim_malloc(size_t size);
void *sim_realloc(void *block, size_t size);
void sim_free(void *block);

#endif
