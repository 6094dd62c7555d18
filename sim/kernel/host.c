/* SPDX-License-Identifier: ISC */
/* Simulated machines: making them, setting them up, switching them off and on. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/kernel/internal.h"
#include "sim/kernel/must.h"

#define BOOT_ID "/proc/sys/kernel/random/boot_id"
#define NULL_DEVICE "/dev/null"
#define FIRST_PID 100

static const struct cred root_cred; /* all zero: uid 0, gid 0 */

static int64_t host_clock(void *context)
{
    const struct host *host = context;
    return kernel_wall(host->kernel);
}

static void note_change(void *context, enum vfs_change change, const char *path,
                        const char *old_path)
{
    struct host *host = context;
    host->changes++;
    if (host->observer)
        host->observer(host->observer_context, change, path, old_path);
}

void host_observe(struct host *host, vfs_observer *observer, void *context)
{
    host->observer = observer;
    host->observer_context = context;
}

/* --- set-up ------------------------------------------------------------------------------------*/

static int make_parents(struct host *host, const char *path)
{
    char part[PATH_LIMIT];
    if (strlen(path) >= sizeof part)
        return -ENAMETOOLONG;
    for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        size_t length = (size_t) (slash - path);
        memcpy(part, path, length);
        part[length] = 0;
        int result = vfs_mkdir(host->vfs, &root_cred, vfs_root(host->vfs), part, 0755);
        if (result < 0 && result != -EEXIST)
            return result;
    }
    return 0;
}

static int give_attributes(struct inode *inode, uid_t uid, gid_t gid, mode_t mode)
{
    int result = vfs_chown(inode, &root_cred, uid, gid);
    if (result == 0) /* last, because a change of owner clears setuid bits */
        result = vfs_chmod(inode, &root_cred, mode & 07777);
    return result;
}

int host_make_directory(struct host *host, const char *path, uid_t uid, gid_t gid, mode_t mode)
{
    struct inode *root = vfs_root(host->vfs), *inode;
    int result = make_parents(host, path);
    if (result < 0)
        return result;
    result = vfs_mkdir(host->vfs, &root_cred, root, path, mode & 07777);
    if (result < 0 && result != -EEXIST)
        return result;
    result = vfs_lookup(host->vfs, &root_cred, root, path, true, &inode);
    if (result < 0)
        return result;
    result = S_ISDIR(inode_mode(inode)) ? give_attributes(inode, uid, gid, mode) : -ENOTDIR;
    inode_unref(inode);
    return result;
}

static int write_all(struct inode *inode, const char *data, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t result = inode_write(inode, data + done, size - done, done);
        if (result < 0)
            return (int) result;
        done += (size_t) result;
    }
    return 0;
}

int host_write_file(struct host *host, const char *path, const void *data, size_t size, uid_t uid,
                    gid_t gid, mode_t mode)
{
    struct inode *inode;
    int result = make_parents(host, path);
    if (result < 0)
        return result;
    result = vfs_open(host->vfs, &root_cred, vfs_root(host->vfs), path,
                      O_WRONLY | O_CREAT | O_TRUNC, mode & 07777, &inode);
    if (result < 0)
        return result;
    result = write_all(inode, data, size);
    if (result == 0)
        result = give_attributes(inode, uid, gid, mode);
    inode_unref(inode);
    return result;
}

int host_make_fifo(struct host *host, const char *path, uid_t uid, gid_t gid, mode_t mode)
{
    struct inode *inode;
    int result = make_parents(host, path);
    if (result < 0)
        return result;
    result = vfs_mknod(host->vfs, &root_cred, vfs_root(host->vfs), path, S_IFIFO | (mode & 07777),
                       &inode);
    if (result < 0)
        return result;
    result = give_attributes(inode, uid, gid, mode);
    inode_unref(inode);
    return result;
}

/* From where the backend has put it. */
static int read_real(struct host *host, const char *path, char **data, size_t *size)
{
    const struct kernel_backend *backend = host->kernel->backend;
    ssize_t got = backend->read(backend->context, host, path, 0, SIZE_MAX, data);
    if (got >= 0 && size)
        *size = (size_t) got;
    return got < 0 ? (int) got : 0;
}

int host_read_file(struct host *host, const char *path, char **data, size_t *size)
{
    if (host->kernel->backend)
        return read_real(host, path, data, size);
    struct inode *inode;
    int result = vfs_open(host->vfs, &root_cred, vfs_root(host->vfs), path, O_RDONLY, 0, &inode);
    if (result < 0)
        return result;
    if (!S_ISREG(inode_mode(inode))) {
        result = S_ISDIR(inode_mode(inode)) ? -EISDIR : -EINVAL;
        inode_unref(inode);
        return result;
    }
    size_t length = inode_size(inode);
    char *content = must(malloc(length + 1));
    ssize_t got = inode_read(inode, content, length, 0);
    inode_unref(inode);
    if (got < 0) {
        free(content);
        return (int) got;
    }
    content[got] = 0;
    *data = content;
    if (size)
        *size = (size_t) got;
    return 0;
}

/* A reference to a regular file, or -errno. */
static int find_file(struct host *host, const char *path, struct inode **inode)
{
    int result = vfs_lookup(host->vfs, &root_cred, vfs_root(host->vfs), path, false, inode);
    if (result < 0 || S_ISREG(inode_mode(*inode)))
        return result;
    inode_unref(*inode);
    return -EINVAL;
}

ssize_t host_read_part(struct host *host, const char *path, uint64_t offset, char *to, size_t size)
{
    const struct kernel_backend *backend = host->kernel->backend;
    if (backend) {
        char *data;
        ssize_t count = backend->read(backend->context, host, path, offset, size, &data);
        if (count < 0)
            return count;
        memcpy(to, data, (size_t) count);
        free(data);
        return count;
    }
    struct inode *inode;
    int result = find_file(host, path, &inode);
    if (result < 0)
        return result;
    ssize_t got = inode_read(inode, to, size, offset);
    inode_unref(inode);
    return got;
}

uint64_t host_file_size(struct host *host, const char *path)
{
    struct inode *inode;
    if (host->kernel->backend) {
        char *data;
        size_t size;
        if (read_real(host, path, &data, &size) < 0)
            return 0;
        free(data);
        return size;
    }
    if (vfs_lookup(host->vfs, &root_cred, vfs_root(host->vfs), path, true, &inode) < 0)
        return 0;
    uint64_t size = inode_size(inode);
    inode_unref(inode);
    return size;
}

int host_part_is_durable(struct host *host, const char *path, uint64_t from)
{
    if (host->kernel->backend)
        return 1;
    struct inode *inode;
    int result = find_file(host, path, &inode);
    if (result < 0)
        return result;
    result = !inode_awaits_sync(inode, from);
    inode_unref(inode);
    return result;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *) a, *(char *const *) b);
}

int host_list_directory(struct host *host, const char *path, char ***names)
{
    const struct kernel_backend *backend = host->kernel->backend;
    if (backend)
        return backend->list(backend->context, host, path, names);
    struct inode *inode;
    int result = vfs_open(host->vfs, &root_cred, vfs_root(host->vfs), path, O_RDONLY | O_DIRECTORY,
                          0, &inode);
    if (result < 0)
        return result;
    struct vfs_cursor cursor = {0};
    struct vfs_entry entry;
    size_t count = 0, room = 16;
    char **found = must(malloc(room * sizeof *found));
    while ((result = vfs_readdir(inode, &cursor, &entry)) > 0) {
        if (strcmp(entry.name, ".") == 0 || strcmp(entry.name, "..") == 0)
            continue;
        if (count + 1 == room)
            found = must(realloc(found, (room *= 2) * sizeof *found));
        found[count++] = must(strdup(entry.name));
    }
    vfs_cursor_close(&cursor);
    inode_unref(inode);
    if (result < 0) {
        while (count > 0)
            free(found[--count]);
        free(found);
        return result;
    }
    found[count] = NULL;
    qsort(found, count, sizeof *found, compare_names);
    *names = found;
    return 0;
}

void host_set_free_space(struct host *host, uint64_t leave_bytes)
{
    const struct kernel_backend *backend = host->kernel->backend;
    if (backend)
        backend->set_free_space(backend->context, host, leave_bytes);
    else
        vfs_set_free_space(host->vfs, leave_bytes);
}

/* --- life --------------------------------------------------------------------------------------*/

static void write_boot_id(struct host *host)
{
    struct random *random = &host->kernel->boot_random;
    uint64_t a = random_u64(random), b = random_u64(random);
    char text[64];
    int length = snprintf(text, sizeof text, "%08x-%04x-4%03x-a%03x-%012llx\n",
                          (unsigned) (a >> 32), (unsigned) (a >> 16) & 0xffff, (unsigned) a & 0xfff,
                          (unsigned) (b >> 48) & 0xfff, (unsigned long long) (b & 0xffffffffffff));
    int result = host_write_file(host, BOOT_ID, text, (size_t) length, 0, 0, 0444);
    assert(result == 0);
}

static void be_up(struct host *host)
{
    host->booted_ns = host->kernel->now_ns;
    host->next_pid = FIRST_PID;
    host->up = true;
}

/* What a system finds in memory-backed file systems after boot; here they are on the disk, so
 * they are made again if the power loss took them, and made durable at once, also on a full disk.
 */
static void come_up(struct host *host)
{
    uint64_t limit = vfs_lift_limit(host->vfs);
    int result = host_make_directory(host, "/bin", 0, 0, 0755);
    if (result == 0)
        result = host_make_directory(host, "/tmp", 0, 0, 01777);
    if (result == 0)
        result = host_write_file(host, NULL_DEVICE, "", 0, 0, 0, 0666);
    if (result == 0)
        result = vfs_lookup(host->vfs, &root_cred, vfs_root(host->vfs), NULL_DEVICE, false,
                            &host->null_device);
    assert(result == 0);
    write_boot_id(host);
    vfs_settle(host->vfs);
    vfs_limit_again(host->vfs, limit);
    be_up(host);
}

/* The same of a host that has all that already. */
static void come_up_again(struct host *host)
{
    struct random *random = &host->kernel->boot_random;
    for (int i = 0; i < 2; i++) /* of its boot id */
        random_u64(random);
    int result = vfs_lookup(host->vfs, &root_cred, vfs_root(host->vfs), NULL_DEVICE, false,
                            &host->null_device);
    assert(result == 0);
    be_up(host);
}

struct host *host_create(struct kernel *kernel, const struct host_options *options)
{
    struct host *host = must(calloc(1, sizeof *host));
    host->kernel = kernel;
    host->name = must(strdup(options->name));
    host->number = ++kernel->host_count;
    host->steady = options->steady;
    struct random random;
    random_seed(&random, kernel->options.seed, STREAM_VFS + 16 * (uint64_t) host->number);
    struct vfs_options vfs_options = {
        .model = options->disk,
        .capacity_bytes = options->capacity_bytes,
        .capacity_inodes = options->capacity_inodes,
        .seed = random_u64(&random),
        .clock = host_clock,
        .clock_context = host,
    };
    host->vfs =
        options->files ? vfs_copy(options->files, host_clock, host) : vfs_create(&vfs_options);
    vfs_observe(host->vfs, note_change, host);
    if (kernel->last_host)
        kernel->last_host->next = host;
    else
        kernel->hosts = host;
    kernel->last_host = host;
    if (options->files)
        come_up_again(host);
    else
        come_up(host);
    return host;
}

const char *host_name(const struct host *host)
{
    return host->name;
}

struct vfs *host_vfs(const struct host *host)
{
    return host->vfs;
}

bool host_is_up(const struct host *host)
{
    return host->up;
}

/* The first of those that shall go. */
static struct process *first_to_go(const struct host *host)
{
    struct process *process = host->first;
    while (process && !process->kill_quietly)
        process = process->next_in_host;
    return process;
}

void host_end_processes(struct host *host, bool tell)
{
    if (host->kernel->backend) {
        backend_end_processes(host, tell);
        return;
    }
    /* First nobody may be told of anybody's end, then all go; what an `ended` starts stays. */
    for (struct process *process = host->first; process; process = process->next_in_host) {
        process->kill_quietly = true;
        if (!tell)
            process->ended = NULL;
    }
    for (struct process *process; (process = first_to_go(host));) {
        if (process_is_alive(process))
            process_end(process, -1);
        else
            process_reap(process);
    }
}

void host_kill_all(struct host *host)
{
    host_end_processes(host, true);
}

void host_crash(struct host *host, const struct chooser *chooser)
{
    assert(host->up);
    if (host->kernel->backend) { /* of real disks nothing is lost */
        net_power_off(host);
        host_end_processes(host, true);
        host->up = false;
        return;
    }
    vfs_power_off(host->vfs);
    net_power_off(host);
    host_end_processes(host, true);
    assert(!host->first && "a process was started while the power went");
    sync_cancel_all(host);
    inode_unref(host->null_device);
    host->null_device = NULL;
    host->up = false;
    vfs_crash(host->vfs, chooser);
    host->changes++;
}

void host_boot(struct host *host)
{
    assert(!host->up);
    net_power_on(host);
    const struct kernel_backend *backend = host->kernel->backend;
    if (backend) {
        host->up = true;
        host->booted_ns = host->kernel->now_ns;
        backend->boot(backend->context, host);
        return;
    }
    come_up(host);
}

void host_destroy(struct host *host)
{
    sync_cancel_all(host);
    if (host->null_device)
        inode_unref(host->null_device);
    vfs_destroy(host->vfs);
    host_users_free(host);
    free(host->name);
    free(host);
}
