/* SPDX-License-Identifier: ISC */
#include "tests/powercut/programs.h"

#include <errno.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

/* The header is one of Check's tests; here it stands on its own. */
#define CHECK_H
#define ck_assert_msg(condition, ...)                                                              \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, __VA_ARGS__);                                                          \
            abort();                                                                               \
        }                                                                                          \
    } while (0)
#define ck_assert(condition) ck_assert_msg(condition, "not so: %s\n", #condition)
#define ck_assert_uint_gt(a, b) ck_assert((a) > (b))
#define ck_abort_msg(...) ck_assert_msg(0, __VA_ARGS__)
#include "tests/unit/sim/states.h"

#define MOST_PATHS 60000

bool program_parse(struct program *program, const char *text)
{
    char *copy = strdup(text), *rest;
    program->count = 0;
    bool fits = true;
    for (char *step = strtok_r(copy, ";", &rest); step; step = strtok_r(NULL, ";", &rest)) {
        step += strspn(step, " ");
        fits &= program->count < PROGRAM_STEPS && strlen(step) < PROGRAM_TEXT;
        if (fits)
            strcpy(program->steps[program->count++], step);
    }
    free(copy);
    return fits;
}

/* --- on a real file system --------------------------------------------------------------------*/

static int write_at(const char *path, int flags, off_t at, const char *text, size_t size)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC | flags, 0644), result = 0;
    if (fd < 0)
        return -errno;
    if (at < 0)
        at = lseek(fd, 0, SEEK_END);
    if (size > 0 && pwrite(fd, text, size, at) != (ssize_t) size)
        result = -EIO;
    close(fd);
    return result;
}

static int write_pages(const char *path, size_t size, char letter)
{
    char *bytes = malloc(size);
    memset(bytes, letter, size);
    int result = write_at(path, O_CREAT, -1, bytes, size);
    free(bytes);
    return result;
}

static int sync_path(const char *path, int (*sync)(int fd))
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int result = fd < 0 || sync(fd) != 0 ? -errno : 0;
    if (fd >= 0)
        close(fd);
    return result;
}

/* Durable on any file system: the second flushes what the first wrote last (disk_strict.c, rule 3).
 */
static int settle(int fd)
{
    return syncfs(fd) != 0 || syncfs(fd) != 0 ? -1 : 0;
}

static int start_writing(int fd)
{
    return sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
}

/* The device below the mounted folder: its number is that of the folder, but on btrfs. */
static int write_device(const char *folder)
{
    struct stat stat;
    char path[64];
    if (lstat(folder, &stat) != 0)
        return -errno;
    snprintf(path, sizeof path, "/dev/loop%u", (unsigned) (stat.st_dev & 0xff));
    if (stat.st_dev >> 8 != 7)
        return 0;
    return sync_path(path, fsync);
}

static int two_paths(const char *verb, const char *a, const char *b)
{
    int result = strcmp(verb, "link") == 0 ? link(a, b) : rename(a, b);
    return result == 0 ? 0 : -errno;
}

static int one_path(const char *verb, const char *a, const char *argument)
{
    int result = -1;
    if (strcmp(verb, "mkdir") == 0)
        result = mkdir(a, 0755);
    else if (strcmp(verb, "rmdir") == 0)
        result = rmdir(a);
    else if (strcmp(verb, "rm") == 0)
        result = unlink(a);
    else if (strcmp(verb, "cut") == 0)
        result = truncate(a, atoi(argument));
    else if (strcmp(verb, "chmod") == 0)
        result = chmod(a, (mode_t) strtoul(argument, NULL, 8));
    else
        ck_abort_msg("unknown step '%s'", verb);
    return result == 0 ? 0 : -errno;
}

int program_step(const char *folder, const char *step)
{
    char verb[20] = "", a[100] = "", b[100] = "", c[100] = "", path[400], other[400];
    sscanf(step, " %19s %99s %99s %99s", verb, a, b, c);
    snprintf(path, sizeof path, "%s/%s", folder, a);
    snprintf(other, sizeof other, "%s/%s", folder, b);
    if (strcmp(verb, "new") == 0)
        return write_at(path, O_CREAT, 0, "", 0);
    if (strcmp(verb, "put") == 0)
        return write_at(path, O_CREAT, -1, b, strlen(b));
    if (strcmp(verb, "over") == 0)
        return write_at(path, 0, atoi(b), c, strlen(c));
    if (strcmp(verb, "rewrite") == 0)
        return write_at(path, O_CREAT | O_TRUNC, 0, b, strlen(b));
    if (strcmp(verb, "pages") == 0)
        return write_pages(path, (size_t) atoi(b), c[0]);
    if (strcmp(verb, "fsync") == 0)
        return sync_path(path, fsync);
    if (strcmp(verb, "fdatasync") == 0)
        return sync_path(path, fdatasync);
    if (strcmp(verb, "sync") == 0)
        return sync_path(folder, syncfs);
    if (strcmp(verb, "settle") == 0)
        return sync_path(folder, settle);
    if (strcmp(verb, "nudge") == 0)
        return *a == '*' ? write_device(folder) : sync_path(path, start_writing);
    if (strcmp(verb, "link") == 0 || strcmp(verb, "mv") == 0)
        return two_paths(verb, path, other);
    return one_path(verb, path, b);
}

/* --- in a model -------------------------------------------------------------------------------*/

struct set {
    struct tree *trees;
    uint64_t *hashes;
    size_t count, capacity;
    bool made, complete;
};

/* Of `done` steps: sets[2 * done]; with a sync of the next one under way: sets[2 * done + 1]. */
struct allowed {
    struct program program;
    const struct disk_model *model;
    struct set sets[2 * (PROGRAM_STEPS + 1)];
};

struct allowed *allowed_create(const struct program *program, const struct disk_model *model)
{
    struct allowed *allowed = calloc(1, sizeof *allowed);
    allowed->program = *program;
    allowed->model = model;
    return allowed;
}

void allowed_destroy(struct allowed *allowed)
{
    for (unsigned i = 0; i < 2 * (PROGRAM_STEPS + 1); i++) {
        struct set *set = &allowed->sets[i];
        for (size_t k = 0; k < set->count; k++)
            tree_free(&set->trees[k]);
        free(set->trees);
        free(set->hashes);
    }
    free(allowed);
}

static void set_add(struct set *set, struct vfs *vfs)
{
    uint64_t hash = vfs_hash(vfs);
    for (size_t i = set->count; i-- > 0;)
        if (set->hashes[i] == hash)
            return;
    if (set->count == set->capacity) {
        set->capacity = set->capacity ? 2 * set->capacity : 16;
        set->trees = realloc(set->trees, set->capacity * sizeof *set->trees);
        set->hashes = realloc(set->hashes, set->capacity * sizeof *set->hashes);
    }
    set->hashes[set->count] = hash;
    ck_assert(tree_of_vfs(&set->trees[set->count], vfs) == 0);
    set->count++;
}

static void set_make(struct set *set, struct vfs *vfs)
{
    struct choose_walk walk;
    size_t leaves = 0;
    choose_walk_first(&walk);
    set->complete = true;
    do {
        if (leaves++ == MOST_PATHS) {
            set->complete = false;
            break;
        }
        struct vfs *found = vfs_clone(vfs);
        vfs_crash(found, &walk.chooser);
        set_add(set, found);
        vfs_destroy(found);
    } while (choose_walk_next(&walk));
    choose_walk_end(&walk);
    set->made = true;
}

static bool is_for_models(const char *step)
{
    return strncmp(step, "nudge", 5) != 0;
}

/* The sync that this step is, as one that has begun; false if it is none. */
static bool as_begin(const char *step, char to[PROGRAM_TEXT])
{
    char verb[20] = "", path[80] = "";
    sscanf(step, " %19s %79s", verb, path);
    bool all = strcmp(verb, "sync") == 0 || strcmp(verb, "settle") == 0;
    if (!all && strcmp(verb, "fsync") != 0 && strcmp(verb, "fdatasync") != 0)
        return false;
    snprintf(to, PROGRAM_TEXT, "begin %s", all ? "*" : path);
    return true;
}

static struct set *set_of(struct allowed *allowed, unsigned done, bool begun)
{
    struct set *set = &allowed->sets[2 * done + begun];
    struct machine machine;
    char begin[PROGRAM_TEXT];
    if (set->made)
        return set;
    machine_start(&machine, allowed->model);
    for (unsigned i = 0; i < done; i++)
        if (is_for_models(allowed->program.steps[i]))
            machine_step(&machine, allowed->program.steps[i]);
    if (begun && as_begin(allowed->program.steps[done], begin))
        machine_step(&machine, begin);
    set_make(set, machine.vfs);
    vfs_destroy(machine.vfs);
    return set;
}

static enum allowed_answer set_has(const struct set *set, const struct tree *found)
{
    for (size_t i = 0; i < set->count; i++)
        if (tree_matches(found, &set->trees[i]))
            return ALLOWED;
    return set->complete ? NOT_ALLOWED : TOO_MANY;
}

enum allowed_answer allowed_has(struct allowed *allowed, unsigned done, bool under_way,
                                const struct tree *found)
{
    enum allowed_answer answer = set_has(set_of(allowed, done, false), found), other;
    if (answer == ALLOWED || !under_way)
        return answer;
    other = set_has(set_of(allowed, done + 1, false), found);
    answer = other == NOT_ALLOWED ? answer : other;
    if (answer == ALLOWED)
        return answer;
    other = set_has(set_of(allowed, done, true), found);
    return other == NOT_ALLOWED ? answer : other;
}

void allowed_tell(struct allowed *allowed, unsigned done, bool under_way)
{
    char text[TREE_TEXT];
    for (unsigned more = 0; more <= under_way; more++) {
        const struct set *set = set_of(allowed, done + more, false);
        for (size_t i = 0; i < set->count && i < 12; i++) {
            tree_tell(&set->trees[i], text);
            printf("#   allowed after %u steps: %.150s\n", done + more, text);
        }
    }
}

bool allowed_step_fails(const struct program *program, unsigned step)
{
    struct machine machine;
    machine_start(&machine, &disk_honest);
    int result = 0;
    for (unsigned i = 0; i <= step; i++)
        if (is_for_models(program->steps[i]))
            result = machine_step(&machine, program->steps[i]);
    vfs_destroy(machine.vfs);
    return is_for_models(program->steps[step]) && result < 0;
}
