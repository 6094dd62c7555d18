/* SPDX-License-Identifier: ISC */
/*
 * The machine whose power is cut: a process in a mount and a pid namespace of its own, in which a
 * disk can be mounted and programs run.  Whatever ends that process, nothing of it stays: programs
 * are killed with the namespace, mounts go with it, and a loop device with its last user.
 */
#ifndef TESTS_POWERCUT_RIG_H
#define TESTS_POWERCUT_RIG_H

#include "tests/powercut/disk.h"
#include "tests/powercut/serve.h"

#include <sys/types.h>

#define RIG_PATH 300

enum filesystem { EXT4, EXT4_NO_JOURNAL, XFS, BTRFS, FILESYSTEMS };

struct rig {
    char folder[200];          /* on this machine, removed at the end */
    char mountpoint[RIG_PATH]; /* where the disk of the machine is seen */
    char log[RIG_PATH];        /* what mkfs and fsck said last */
    struct serve *serve;
    enum filesystem filesystem;
    bool fsck; /* ext4 is checked before it is mounted; else its journal is replayed by mounting */
};

const char *filesystem_name(enum filesystem filesystem);
/* -1 if there is none of that name. */
int filesystem_named(const char *name);
/* Of the disk model that stands for it (sim/kernel/disk.h). */
const char *filesystem_model(enum filesystem filesystem);

/* Runs body(context) in such a machine and exits, with its status, or 128 + the signal that ended
 * it.  SIGINT, SIGTERM and SIGHUP end it.  77 if namespaces, FUSE or loop devices cannot be had
 * (told on stderr). */
int rig_run(int (*body)(struct rig *rig, void *context), void *context);

/* A disk with an empty file system; NULL if there is no mkfs or it failed (told on stderr). */
struct disk *rig_format(struct rig *rig, enum filesystem filesystem);

enum rig_found {
    RIG_MOUNTED,
    RIG_OLDER, /* a torn superblock of btrfs: mounted with another one, which has an older state */
    RIG_BROKEN /* could not be repaired or mounted */
};

/* The disk becomes a loop device, is repaired as at boot, and mounted.  `path` is its file. */
enum rig_found rig_mount(struct rig *rig, struct disk *disk, bool after_cut);
/* All programs must have ended.  Writes out what is in the cache. */
void rig_unmount(struct rig *rig, struct disk *disk);

/* Starts a program; NULL ends the arguments.  Its output goes to `log` of the rig.  -1 if it could
 * not be started. */
pid_t rig_spawn(struct rig *rig, const char *const *arguments);
/* Its status; -1 after `seconds`, and then it is killed. */
int rig_wait(pid_t pid, int seconds);
/* Both: runs it to its end. */
int rig_command(struct rig *rig, const char *const *arguments);

/* Kills all processes of the machine but this one, and waits until they are gone. */
void rig_kill_all(void);

/* Seconds since some moment. */
double rig_now(void);

#endif
