/* SPDX-License-Identifier: ISC */
/*
 * For tests of disk models: small programs of file system calls written as text, and the set of
 * all trees that may be found when the power goes at their end.
 *
 * A program is a list of steps, separated by ';':
 *
 *     new FILE              creates an empty file        mkdir DIR, rmdir DIR
 *     put FILE TEXT         appends, creating it         rm FILE
 *     over FILE OFFSET TEXT writes over                  link OLD NEW
 *     cut FILE SIZE         truncates                    mv OLD NEW
 *     rewrite FILE TEXT     open with O_TRUNC, write, close
 *     pages FILE N LETTER   appends N bytes of that letter
 *     chmod FILE OCTAL      symlink TARGET NAME
 *     fsync FILE or DIR     fdatasync FILE               sync: all
 *     begin FILE or *       a sync that is under way     end: the oldest of these is done
 *     fail FILE or *        a sync that fails with EIO
 *     hold FILE             opens it                     drop: closes the one held
 *     wait SECONDS          settle                       "." names the root
 *
 * A tree is told as "a=hello d/ d/x=.." : paths in order, directories with a slash behind, zero
 * bytes as '.', bytes from 0x80 as '?', runs of more than 8 of one byte as "x*1234".
 */
#ifndef TESTS_UNIT_SIM_STATES_H
#define TESTS_UNIT_SIM_STATES_H

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/kernel/disk.h"
#include "sim/kernel/vfs.h"

#define STATES_TEXT 4000
#define STATES_SYNCS 8

struct machine {
    struct vfs *vfs;
    int64_t now_ns;
    struct vfs_sync *syncs[STATES_SYNCS];
    unsigned sync_count;
    struct inode *held;
};

static const struct cred states_root = {0};

static inline int64_t machine_clock(void *context)
{
    return ((struct machine *) context)->now_ns;
}

static inline void machine_start(struct machine *machine, const struct disk_model *model)
{
    *machine = (struct machine){.now_ns = 1000000000};
    struct vfs_options options = {
        .model = model, .seed = 5, .clock = machine_clock, .clock_context = machine};
    machine->vfs = vfs_create(&options);
}

static inline struct inode *machine_find(struct machine *machine, const char *path)
{
    struct inode *inode;
    int error = vfs_lookup(machine->vfs, &states_root, vfs_root(machine->vfs), path, false, &inode);
    return error ? NULL : inode;
}

static inline int machine_write(struct machine *machine, const char *path, int flags, int64_t at,
                                const char *text, size_t size)
{
    struct inode *inode;
    int error = vfs_open(machine->vfs, &states_root, vfs_root(machine->vfs), path, O_WRONLY | flags,
                         0644, &inode);
    if (error)
        return error;
    uint64_t offset = at < 0 ? inode_size(inode) : (uint64_t) at;
    if (S_ISREG(inode_mode(inode)))
        error = (int) inode_write(inode, text, size, offset);
    inode_unref(inode);
    return error;
}

static inline int machine_sync(struct machine *machine, const char *path, bool data_only)
{
    struct inode *inode = *path ? machine_find(machine, path) : NULL;
    if (*path && !inode)
        return -1;
    vfs_sync_end(vfs_sync_begin(machine->vfs, inode, data_only));
    if (inode)
        inode_unref(inode);
    return 0;
}

static inline int machine_begin(struct machine *machine, const char *path)
{
    struct inode *inode = *path == '*' ? NULL : machine_find(machine, path);
    if ((*path != '*' && !inode) || machine->sync_count == STATES_SYNCS)
        return -1;
    machine->syncs[machine->sync_count++] = vfs_sync_begin(machine->vfs, inode, false);
    if (inode)
        inode_unref(inode);
    return 0;
}

static inline int machine_fail(struct machine *machine, const char *path)
{
    struct inode *inode = *path == '*' ? NULL : machine_find(machine, path);
    if (*path != '*' && !inode)
        return -1;
    vfs_sync_fail(machine->vfs, inode);
    if (inode)
        inode_unref(inode);
    return 0;
}

static inline int machine_end(struct machine *machine)
{
    if (machine->sync_count == 0)
        return -1;
    vfs_sync_end(machine->syncs[0]);
    machine->sync_count--;
    memmove(machine->syncs, machine->syncs + 1, machine->sync_count * sizeof *machine->syncs);
    return 0;
}

static inline int machine_on_inode(struct machine *machine, const char *verb, const char *path,
                                   const char *argument)
{
    struct inode *inode = machine_find(machine, path);
    if (!inode)
        return -1;
    int result = strcmp(verb, "cut") == 0
                     ? inode_truncate(inode, strtoull(argument, NULL, 10))
                     : vfs_chmod(inode, &states_root, (mode_t) strtoul(argument, NULL, 8));
    inode_unref(inode);
    return result;
}

/* One step; below 0 if it fails, which programs drawn at random may do. */
static inline int machine_step(struct machine *machine, const char *step)
{
    char verb[20] = "", a[100] = "", b[100] = "", c[100] = "";
    sscanf(step, " %19s %99s %99s %99s", verb, a, b, c);
    struct vfs *vfs = machine->vfs;
    struct inode *root = vfs_root(vfs);
    if (strcmp(verb, "new") == 0)
        return machine_write(machine, a, O_CREAT, 0, "", 0);
    if (strcmp(verb, "put") == 0)
        return machine_write(machine, a, O_CREAT, -1, b, strlen(b));
    if (strcmp(verb, "over") == 0)
        return machine_write(machine, a, 0, atoi(b), c, strlen(c));
    if (strcmp(verb, "rewrite") == 0)
        return machine_write(machine, a, O_CREAT | O_TRUNC, 0, b, strlen(b));
    if (strcmp(verb, "pages") == 0) {
        size_t size = (size_t) atoi(b);
        char *bytes = malloc(size);
        memset(bytes, c[0], size);
        int result = machine_write(machine, a, O_CREAT, -1, bytes, size);
        free(bytes);
        return result;
    }
    if (strcmp(verb, "cut") == 0 || strcmp(verb, "chmod") == 0)
        return machine_on_inode(machine, verb, a, b);
    if (strcmp(verb, "mkdir") == 0)
        return vfs_mkdir(vfs, &states_root, root, a, 0755);
    if (strcmp(verb, "rmdir") == 0)
        return vfs_rmdir(vfs, &states_root, root, a);
    if (strcmp(verb, "rm") == 0)
        return vfs_unlink(vfs, &states_root, root, a);
    if (strcmp(verb, "link") == 0)
        return vfs_link(vfs, &states_root, root, a, b);
    if (strcmp(verb, "mv") == 0)
        return vfs_rename(vfs, &states_root, root, a, b);
    if (strcmp(verb, "symlink") == 0)
        return vfs_symlink(vfs, &states_root, root, a, b);
    if (strcmp(verb, "fsync") == 0 || strcmp(verb, "fdatasync") == 0)
        return machine_sync(machine, a, verb[1] == 'd');
    if (strcmp(verb, "sync") == 0)
        return machine_sync(machine, "", false);
    if (strcmp(verb, "begin") == 0)
        return machine_begin(machine, a);
    if (strcmp(verb, "fail") == 0)
        return machine_fail(machine, a);
    if (strcmp(verb, "end") == 0)
        return machine_end(machine);
    if (strcmp(verb, "hold") == 0)
        return (machine->held = machine_find(machine, a)) ? 0 : -1;
    if (strcmp(verb, "wait") == 0) {
        machine->now_ns += (int64_t) (atof(a) * 1e9);
        return 0;
    }
    if (strcmp(verb, "settle") == 0) {
        vfs_settle(vfs);
        return 0;
    }
    ck_assert_msg(strcmp(verb, "drop") == 0, "unknown step '%s'", step);
    inode_unref(machine->held);
    machine->held = NULL;
    return 0;
}

/* Steps must not fail when `strictly`. */
static inline void machine_run(struct machine *machine, const char *program, bool strictly)
{
    char *copy = strdup(program), *rest;
    for (char *step = strtok_r(copy, ";", &rest); step; step = strtok_r(NULL, ";", &rest)) {
        int result = machine_step(machine, step);
        ck_assert_msg(!strictly || result >= 0, "step '%s' of '%s': %d", step, program, result);
    }
    free(copy);
}

static inline void machine_crash(struct machine *machine, const struct chooser *chooser)
{
    vfs_power_off(machine->vfs);
    if (machine->held)
        inode_unref(machine->held);
    machine->held = NULL;
    machine->sync_count = 0;
    vfs_crash(machine->vfs, chooser);
}

/* --- trees as text ----------------------------------------------------------------------------*/

static inline void tell_content(struct inode *inode, char *to)
{
    size_t size = inode_size(inode);
    char *bytes = malloc(size + 1);
    ck_assert(inode_read(inode, bytes, size, 0) == (ssize_t) size);
    to += strlen(to);
    for (size_t i = 0, run; i < size; i += run) {
        char shown = bytes[i] == 0 ? '.' : (bytes[i] & 0x80) ? '?' : bytes[i];
        for (run = 1; i + run < size; run++)
            if (bytes[i + run] != bytes[i] && !(shown == '?' && (bytes[i + run] & 0x80)))
                break;
        if (run > 8)
            to += sprintf(to, "%c*%zu", shown, run);
        else
            for (size_t k = 0; k < run; k++)
                *to++ = shown;
    }
    *to = '\0';
    free(bytes);
}

static inline int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *) a, *(char *const *) b);
}

static inline void tell_directory(struct inode *directory, const char *path, char *to);

static inline void tell_entry(struct inode *directory, const char *path, const char *name, char *to)
{
    char below[300];
    snprintf(below, sizeof below, "%s%s", path, name);
    struct inode *inode;
    ck_assert(vfs_lookup(inode_vfs(directory), &states_root, directory, name, false, &inode) == 0);
    sprintf(to + strlen(to), "%s%s", *to ? " " : "", below);
    mode_t mode = inode_mode(inode);
    if ((mode & 0777) != 0755 && (mode & 0777) != 0644 && !S_ISLNK(mode))
        sprintf(to + strlen(to), "(%o)", mode & 0777);
    if (S_ISDIR(mode)) {
        strcat(to, "/");
        strcat(below, "/");
        tell_directory(inode, below, to);
    } else if (S_ISREG(mode)) {
        strcat(to, "=");
        tell_content(inode, to);
    }
    inode_unref(inode);
}

static inline void tell_directory(struct inode *directory, const char *path, char *to)
{
    char *names[64];
    size_t count = 0;
    struct vfs_cursor cursor = {0};
    struct vfs_entry entry;
    while (vfs_readdir(directory, &cursor, &entry) == 1)
        if (strcmp(entry.name, ".") != 0 && strcmp(entry.name, "..") != 0)
            names[count++] = strdup(entry.name);
    vfs_cursor_close(&cursor);
    qsort(names, count, sizeof *names, by_text);
    for (size_t i = 0; i < count; i++) {
        tell_entry(directory, path, names[i], to);
        free(names[i]);
    }
}

static inline void tell_tree(struct vfs *vfs, char *to)
{
    *to = '\0';
    tell_directory(vfs_root(vfs), "", to);
}

/* --- all states -------------------------------------------------------------------------------*/

struct state {
    uint64_t hash;
    char *text; /* only if asked for */
    bool wanted;
};
struct states {
    struct state *list; /* different ones, ordered by hash */
    size_t count, capacity;
    size_t leaves; /* paths of answers walked */
    bool complete;
};

static inline int by_hash(const void *a, const void *b)
{
    const struct state *x = a, *y = b;
    return x->hash < y->hash ? -1 : x->hash > y->hash;
}

static inline bool states_have(const struct states *states, uint64_t hash)
{
    struct state key = {.hash = hash};
    return states->count && bsearch(&key, states->list, states->count, sizeof key, by_hash);
}

static inline void states_add(struct states *states, struct vfs *vfs, bool with_text)
{
    if (states->count == states->capacity) {
        states->capacity = states->capacity ? 2 * states->capacity : 64;
        states->list = realloc(states->list, states->capacity * sizeof *states->list);
    }
    char text[STATES_TEXT];
    struct state *state = &states->list[states->count++];
    *state = (struct state){.hash = vfs_hash(vfs)};
    if (with_text) {
        tell_tree(vfs, text);
        state->text = strdup(text);
    }
}

static inline void states_make_set(struct states *states)
{
    qsort(states->list, states->count, sizeof *states->list, by_hash);
    size_t kept = 0;
    for (size_t i = 0; i < states->count; i++)
        if (kept && states->list[kept - 1].hash == states->list[i].hash)
            free(states->list[i].text);
        else
            states->list[kept++] = states->list[i];
    states->count = kept;
}

static inline void states_free(struct states *states)
{
    for (size_t i = 0; i < states->count; i++)
        free(states->list[i].text);
    free(states->list);
    *states = (struct states){0};
}

/* Walks all answers; gives up (complete is false) after `most` paths. */
static inline void states_walk(struct states *states, const struct disk_model *model,
                               const char *program, size_t most, bool strictly, bool with_text)
{
    *states = (struct states){.complete = true};
    struct machine machine;
    machine_start(&machine, model);
    machine_run(&machine, program, strictly);
    struct choose_walk walk;
    choose_walk_first(&walk);
    do {
        if (states->leaves++ == most) {
            states->complete = false;
            break;
        }
        struct vfs *found = vfs_clone(machine.vfs);
        vfs_crash(found, &walk.chooser);
        states_add(states, found, with_text);
        vfs_destroy(found);
        if (states->leaves % 4096 == 0)
            states_make_set(states);
    } while (choose_walk_next(&walk));
    choose_walk_end(&walk);
    vfs_destroy(machine.vfs);
    states_make_set(states);
}

/* The states after `program` must be exactly those of `wanted`, told as texts separated by '|'. */
static inline void check_states(const struct disk_model *model, const char *program,
                                const char *wanted)
{
    struct states states;
    states_walk(&states, model, program, 100000, true, true);
    ck_assert_msg(states.complete, "too many states: %s", program);
    char *copy = strdup(wanted), *rest = copy, *one;
    size_t count = 0;
    char problem[20000] = "";
    while ((one = strsep(&rest, "|"))) {
        bool found = false;
        for (size_t i = 0; i < states.count; i++) /* several: names of one file, or of two */
            if (strcmp(states.list[i].text, one) == 0)
                states.list[i].wanted = found = true;
        count++;
        if (!found)
            snprintf(problem + strlen(problem), 500, "\n  never found: '%.400s'", one);
    }
    for (size_t i = 0; i < states.count; i++)
        if (!states.list[i].wanted && strlen(problem) < 15000)
            snprintf(problem + strlen(problem), 500, "\n  must not be: '%.400s'",
                     states.list[i].text);
    free(copy);
    states_free(&states);
    ck_assert_msg(!*problem, "%s after '%s':%s", disk_model_name(model), program, problem);
    ck_assert_uint_gt(count, 0);
}

#endif
