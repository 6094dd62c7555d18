/* SPDX-License-Identifier: ISC */
/* The backend. */
#include "sim/reality/reality.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "sim/world/pool.h"

/* What watchers of a run want to hear of. */
static const enum call_id told_calls[] = {
    CALL_open,    CALL_write,     CALL_sendmsg, CALL_link,      CALL_unlink, CALL_rename,
    CALL_mkdir,   CALL_rmdir,     CALL_fsync,   CALL_fdatasync, CALL_syncfs, CALL_listen,
    CALL_connect, CALL_ftruncate, CALL_exit,    CALL_spawn,     CALL_exec};

/* --- setting up --------------------------------------------------------------------------------*/

static struct real_machine *add_machine(struct reality *reality, struct host *host)
{
    struct real_machine *machine = must_zeroed(sizeof *machine);

    machine->reality = reality;
    machine->host = host;
    machine->index = reality->machine_count;
    machine->listener = machine->init = -1;
    machine->limited = reality->limits_disks;
    snprintf(machine->root, sizeof machine->root, "%s/%s", reality->directory, host_name(host));
    *LIST_ADD(reality->machines, reality->machine_count) = machine;
    backend_set_host_real(host, machine);
    return machine;
}

static int give_up(struct reality *reality, const char *what)
{
    reality->is_broken = true;
    snprintf(reality->trouble, sizeof reality->trouble, "%.100s: %s", what, strerror(errno));
    return -1;
}

static int add_addresses(struct reality *reality)
{
    unsigned index = 1;
    char text[46];

    for (size_t i = 0; i < reality->machine_count; i++)
        for (size_t k = 0; backend_address(reality->machines[i]->host, k, text); k++)
            if ((namespace_is_done_without() ? loopback_add_address(reality->page, text)
                                             : namespace_add_address(text, index++)) < 0)
                return give_up(reality, text);
    return 0;
}

/* All hosts are made: real machines are made like them. */
static int set_up(struct reality *reality)
{
    struct host *host;

    if (reality->is_set_up)
        return reality->is_broken ? -1 : 0;
    reality->is_set_up = true;
    for (size_t i = 0; (host = backend_host(reality->kernel, i)); i++)
        add_machine(reality, host);
    clock_open(reality);
    for (size_t i = 0; i < reality->machine_count; i++)
        if (machine_set_up(reality->machines[i]) < 0)
            return give_up(reality, "a machine cannot be set up");
    if (add_addresses(reality) < 0)
        return -1;
    return 0;
}

/* --- the operations ----------------------------------------------------------------------------*/

static void attach(void *context, struct kernel *kernel)
{
    struct reality *reality = context;

    reality->kernel = kernel;
}

static void detach(void *context)
{
    struct reality *reality = context;

    for (size_t i = 0; i < reality->machine_count; i++) {
        machine_kill(reality->machines[i]);
        machine_forget(reality->machines[i]);
    }
    free(reality->machines);
    free(reality->processes);
    reality->machines = NULL;
    reality->processes = NULL;
    reality->machine_count = reality->process_count = 0;
    reality->kernel = NULL;
}

static enum kernel_end run(void *context, int64_t until_ns)
{
    struct reality *reality = context;

    if (set_up(reality) < 0) {
        backend_accuse(reality->kernel, reality->trouble);
        return KERNEL_SPIN;
    }
    return loop_run(reality, until_ns);
}

static struct process *start(void *context, struct host *host, const struct process_spec *spec,
                             int *error)
{
    struct reality *reality = context;

    if (set_up(reality) < 0) {
        *error = EIO;
        return NULL;
    }
    if (machine_of_host(host)->init < 0 && machine_start_init(machine_of_host(host)) < 0) {
        *error = errno;
        return NULL;
    }
    return processes_start(reality, host, spec, error);
}

static void signal_process(void *context, struct process *process, int signal)
{
    struct real_process *real = backend_real(process);

    clock_publish(context); /* others see it without a reply of ours */
    if (real && real->host_pid > 0)
        kill(real->host_pid, signal);
}

static void kill_host(void *context, struct host *host)
{
    struct reality *reality = context;
    struct real_machine *machine = machine_of_host(host);

    if (!machine || !reality->is_set_up)
        return;
    clock_publish(reality);
    machine_kill(machine);
    processes_drain(reality);
    for (size_t i = reality->process_count; i-- > 0;) {
        struct real_process *process = reality->processes[i];

        if (process->machine != machine)
            continue;
        backend_set_real(process->process, NULL);
        process_forget(process);
    }
}

static void boot(void *context, struct host *host)
{
    (void) context;
    machine_new_boot_id(machine_of_host(host));
}

static ssize_t read_real(void *context, struct host *host, const char *path, uint64_t offset,
                         size_t most, char **data)
{
    struct real_machine *machine = machine_of_host(host);
    char real[PATH_MAX];
    struct stat status;
    size_t size, used = 0;
    int fd;

    (void) context;
    if (!machine)
        return -ENOENT;
    if (!machine_path(machine, path, real))
        return -ENAMETOOLONG;
    fd = open(real, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
    if (fd < 0)
        return -errno;
    if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode)) {
        close(fd);
        return -EINVAL;
    }
    size = (uint64_t) status.st_size > offset ? (size_t) status.st_size - offset : 0;
    if (size > most)
        size = most;
    *data = must_alloc(size + 1);
    while (used < size) {
        ssize_t got = pread(fd, *data + used, size - used, (off_t) (offset + used));

        if (got <= 0)
            break;
        used += (size_t) got;
    }
    (*data)[used] = 0;
    close(fd);
    return (ssize_t) used;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *) a, *(char *const *) b);
}

static int list(void *context, struct host *host, const char *path, char ***names)
{
    struct real_machine *machine = machine_of_host(host);
    char real[PATH_MAX], **found = NULL;
    struct dirent *entry;
    size_t count = 0;
    DIR *directory;

    (void) context;
    if (!machine || !machine_path(machine, path, real))
        return -ENOENT;
    directory = opendir(real);
    if (!directory)
        return -errno;
    while ((entry = readdir(directory)))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            *LIST_ADD(found, count) = must_copy(entry->d_name, strlen(entry->d_name));
    closedir(directory);
    if (count > 0)
        qsort(found, count, sizeof *found, by_name);
    (void) LIST_ADD(found, count);
    *names = found;
    return 0;
}

/* The machine's disk is a file system of its own, which takes another size. */
static void set_free_space(void *context, struct host *host, uint64_t leave_bytes)
{
    struct reality *reality = context;
    struct real_machine *machine;
    struct statvfs space;
    char options[80] = "size=0";

    if (set_up(reality) < 0)
        return;
    machine = machine_of_host(host);
    if (leave_bytes != UINT64_MAX && statvfs(machine->root, &space) == 0) {
        uint64_t used = (space.f_blocks - space.f_bfree) * space.f_frsize;

        snprintf(options, sizeof options, "size=%llu",
                 (unsigned long long) (used + leave_bytes > 0 ? used + leave_bytes : 4096));
    } else {
        snprintf(options, sizeof options, "size=%llu", 4ULL << 30);
    }
    if (mount("nixie", machine->root, "tmpfs", MS_REMOUNT | MS_NODEV, options) < 0)
        give_up(reality, "a disk cannot be made smaller or larger");
}

/* --- opening -----------------------------------------------------------------------------------*/

/* libfaketime, where distributions put it; NULL: it is not there. */
static const char *find_faketime(char to[PATH_MAX])
{
    static const char *const patterns[] = {"/usr/lib/*/faketime/libfaketime.so.1",
                                           "/usr/lib*/faketime/libfaketime.so.1"};
    const char *named = getenv("NIXIE_FAKETIME");
    bool found = false;

    if (named)
        return access(named, R_OK) == 0 ? named : NULL;
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns && !found; i++) {
        glob_t paths;

        if (glob(patterns[i], 0, NULL, &paths) != 0)
            continue;
        found = snprintf(to, PATH_MAX, "%s", paths.gl_pathv[0]) < PATH_MAX;
        globfree(&paths);
    }
    return found ? to : NULL;
}

/* Beside this command (a build), or where it was installed. */
static bool find_programs(char programs[PATH_MAX], char libraries[PATH_MAX])
{
    char self[PATH_MAX - 128], queue[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);

    if (length <= 0)
        return false;
    self[length] = 0;
    *strrchr(self, '/') = 0;
    snprintf(libraries, PATH_MAX, "%s/../lib/nixie", self);
    snprintf(queue, sizeof queue, "%s/nixie-queue", self);
    snprintf(programs, PATH_MAX, "%s%s", self, access(queue, X_OK) < 0 ? "/../libexec/nixie" : "");
    return true;
}

const char *reality_lacks(void)
{
    char faketime[PATH_MAX], programs[PATH_MAX], libraries[PATH_MAX], path[PATH_MAX + 64];

    if (!find_faketime(faketime))
        return "libfaketime.so.1 is not found (NIXIE_FAKETIME names it)";
    if (find_programs(programs, libraries)) {
        snprintf(path, sizeof path, "%s/nixie-reality.so", libraries);
        if (access(path, R_OK) == 0)
            return NULL;
    }
    return "nixie-reality.so is not where this nixie was built or installed";
}

/* What processes need stands beside the clock. */
static int copy_here(const struct reality *reality, const char *from_path, const char *name)
{
    char path[PATH_MAX + 64], block[65536];
    int from = open(from_path, O_RDONLY | O_CLOEXEC), to, result = -1;
    ssize_t got = -1;

    snprintf(path, sizeof path, "%s/shared/%s", reality->directory, name);
    to = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
    while (from >= 0 && to >= 0 && (got = read(from, block, sizeof block)) > 0)
        if (write(to, block, (size_t) got) != got)
            break;
    if (got == 0)
        result = 0;
    if (from >= 0)
        close(from);
    if (to >= 0)
        close(to);
    return result;
}

static int copy_all(struct reality *reality)
{
    static const char *const names[] = {"nixie-reality.so", "nixie-declared"};
    char found[PATH_MAX], libraries[PATH_MAX], path[PATH_MAX + 64];
    const char *faketime = find_faketime(found);

    if (!faketime || !find_programs(reality->programs, libraries)) {
        errno = ENOENT;
        return -1;
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", libraries, names[i]);
        if (copy_here(reality, path, names[i]) < 0)
            return -1;
    }
    return copy_here(reality, faketime, "libfaketime.so.1");
}

bool reality_is_open_to_all(const char *path)
{
    char part[PATH_MAX];
    struct stat status;
    size_t length = strlen(path);

    snprintf(part, sizeof part, "%s", path);
    for (; length > 0; part[length] = 0) {
        if (stat(part, &status) < 0 || !(status.st_mode & S_IXOTH))
            return false;
        while (length > 0 && part[--length] != '/')
            ;
    }
    return true;
}

/* Programs become a user who does not get at the directory that they are in: they are copied. */
static int copy_programs(struct reality *reality)
{
    char pattern[PATH_MAX + 16], name[PATH_MAX], directory[PATH_MAX];
    glob_t paths;
    int result = 0;

    snprintf(directory, sizeof directory, "%s/shared/bin", reality->directory);
    snprintf(pattern, sizeof pattern, "%s/nixie-*", reality->programs);
    if (mkdir(directory, 0755) < 0 || glob(pattern, 0, NULL, &paths) != 0)
        return -1;
    for (size_t i = 0; i < paths.gl_pathc && result == 0; i++) {
        snprintf(name, sizeof name, "bin/%s", strrchr(paths.gl_pathv[i], '/') + 1);
        result = copy_here(reality, paths.gl_pathv[i], name);
    }
    globfree(&paths);
    snprintf(reality->programs, sizeof reality->programs, "%s", directory);
    return result;
}

int reality_open(struct reality *reality, const char *directory)
{
    char path[PATH_MAX];

    reality->backend = (struct kernel_backend){.context = reality,
                                               .attach = attach,
                                               .detach = detach,
                                               .run = run,
                                               .start = start,
                                               .signal = signal_process,
                                               .kill_host = kill_host,
                                               .boot = boot,
                                               .read = read_real,
                                               .list = list,
                                               .set_free_space = set_free_space};
    reality->calls = reality->extra_calls;
    for (size_t i = 0; i < sizeof told_calls / sizeof *told_calls; i++)
        reality->calls |= UINT64_C(1) << told_calls[i];
    snprintf(reality->directory, sizeof reality->directory, "%s", directory);
    snprintf(path, sizeof path, "%s/shared", directory);
    if (mkdir(directory, 0755) < 0 || mkdir(path, 0755) < 0 || copy_all(reality) < 0)
        return -1;
    snprintf(path, sizeof path, "%s/shared/" WIRE_SHARED_MEMORY, directory);
    if (namespace_is_done_without() && namespace_has_root() &&
        !reality_is_open_to_all(reality->programs) && copy_programs(reality) < 0)
        return -1;
    if (namespace_is_done_without() && (mkdir(path, 0755) < 0 || chmod(path, 01777) < 0))
        return -1;
    return namespace_renew();
}

void reality_close(struct reality *reality)
{
    if (reality->page)
        munmap(reality->page, sizeof *reality->page);
}
