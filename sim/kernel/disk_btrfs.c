/* SPDX-License-Identifier: ISC */
/*
 * btrfs: as Linux mounts it by default (copy on write, tree log, commit=30, noflushoncommit).
 * Sources: btrfs(5) (commit, flushoncommit, notreelog); the comments "directory trouble cases" of
 * Linux fs/btrfs/tree-log.c; xfstests generic/106, 335, 341, 376, 527, each written for such a
 * case; Pillai et al., "All File Systems Are Not Created Equal" (OSDI '14), table 1: directory
 * operations may be reordered.
 *
 * 1. A transaction holds the metadata (names, attributes, truncates) of some time.  It is committed
 *    at any moment, at the latest when its oldest change is 30 s old, and by syncfs, and then all
 * of it is on disk.  So what was committed is a prefix of all changes.
 * 2. fsync and fdatasync commit nothing.  They write one inode to a log that is replayed on top of
 *    the last commit: of a file its data, attributes and names, those it lost too; of a directory
 *    its attributes, entries and own names.  So they may be there while older changes of others are
 *    not: unrelated operations are reordered.
 * 3. What one call did is in the log whole: rename is atomic.
 * 4. The log holds what else is needed for that to be a tree, as it was when the fsync began:
 *    a. directories that are newer than the commit and hold such a name, with their own names;
 *    b. the names of every inode that one of the logged entries names, and of that which the commit
 *       had under the logged name: it is not lost when another takes its name;
 *    c. newer names of inodes that are in the log already;
 *    d. if a directory was renamed, then all renames of directories;
 *    e. perhaps more entries: of a file that is older than the commit and got, lost or changed a
 *       name since, those of any directory that holds or held its names; and of directories newer
 *       than the commit that the log has since it has the entries of the one above.  (Linux:
 *       btrfs_log_all_parents(), log_new_dir_dentries(); tests/e2e/power-cut.sh saw it on 6.18.)
 * 5. A log that is being written when the power goes is replayed or not.
 * 6. Data not in a logged inode: as on xfs (rules 4 and 5 there): written late, before the size,
 * and there only if everything older is committed.
 * 7. No heuristic: replacing a file by rename without fsync may leave an empty file.
 *
 * Weaker than the real thing, which commits a whole transaction where the log would not do: fsync
 * of a directory that lost a name to another one, and more.
 */
#include "sim/kernel/vfs_internal.h"

#include <stdio.h>

#define COMMIT_NS 30000000000

static void btrfs_tick(struct vfs *vfs)
{
    log_commit_older(vfs, COMMIT_NS);
}

static void btrfs_truncated(struct inode *inode)
{
    change_log_mark(inode, inode->content.size == 0 ? MARK_FLUSH : MARK_SIZE);
}

static void btrfs_sync_begin(struct vfs_sync *sync)
{
    struct inode *inode = sync->inode;
    if (inode && (inode->changed > sync->vfs->committed || inode->data.first))
        change_log_mark(inode, MARK_LOGGING);
}

static struct change *mark_of(const struct vfs_sync *sync)
{
    struct change *change = sync->inode->metadata.last;
    while (change && (change->kind != CHANGE_MARK || change->mark < MARK_LOGGING ||
                      change->operation != sync->operation))
        change = change->own_previous;
    return change;
}

static bool names(const struct change *change, const struct inode *inode)
{
    return change->kind == CHANGE_NAME && (change->inode == inode || change->name.old == inode ||
                                           change_new_name(change) == inode);
}

/* All of one operation is certain. */
static void tell_sure(struct change *first)
{
    struct change *change = first;
    while (change->log_previous && change->log_previous->operation == first->operation)
        change = change->log_previous;
    for (; change && change->operation == first->operation; change = change->log_next)
        if (change->kind == CHANGE_NAME)
            change_is_sure(change);
}

static void btrfs_sync_end(struct vfs_sync *sync)
{
    struct vfs *vfs = sync->vfs;
    struct inode *inode = sync->inode;
    if (!inode) {
        changes_settle(&vfs->data, sync->operation);
        log_commit(vfs, sync->operation);
        return;
    }
    changes_settle(&inode->data, sync->operation);
    struct change *mark = mark_of(sync);
    if (!mark) /* committed meanwhile */
        return;
    mark->mark = MARK_LOGGED;
    for (struct change *change = vfs->metadata.first;
         change && change->operation <= sync->operation; change = change->log_next) {
        if (names(change, inode))
            tell_sure(change);
        else if (change->kind == CHANGE_ATTRIBUTE && change->inode == inode)
            change_is_sure(change);
    }
}

/* --- power loss -------------------------------------------------------------------------------*/

/* An inode's `scratch` during a crash: NAMES_LOGGED, or not, and from the next bit on the number of
 * the latest of the logs that has its entries. */
#define NAMES_LOGGED 1u

struct replay {
    struct vfs *vfs;
    uint64_t lost;   /* the first operation that is not committed */
    uint64_t covers; /* the log being replayed knows changes up to this one */
    uint64_t number; /* of that log, from 1 on */
    bool wide;       /* it has what rule 4e says */
    bool directories_moved;
    bool more;
};

/* `sure` says of a change during a crash that it is committed or in the log. */
static bool is_in_log(const struct change *change)
{
    return change->sure;
}

static void put_names_into_log(struct replay *replay, struct inode *inode)
{
    if (!inode || (inode->scratch & NAMES_LOGGED))
        return;
    inode->scratch |= NAMES_LOGGED;
    replay->more = true;
}

static bool has_entries(const struct replay *replay, const struct inode *directory)
{
    return directory->scratch >> 1 == replay->number;
}

static void put_entries_into_log(struct replay *replay, struct inode *directory)
{
    if (has_entries(replay, directory))
        return;
    directory->scratch = (directory->scratch & NAMES_LOGGED) | replay->number << 1;
    replay->more = true;
}

static bool moves_directory(const struct change *change)
{
    const struct inode *inode = change_new_name(change);
    return inode && S_ISDIR(inode->mode) && inode->created < change->operation;
}

/* What the commit has under that name. */
static struct inode *committed_name(const struct replay *replay, const struct slot *slot)
{
    const struct change *change = slot->first;
    while (change->operation < replay->lost)
        change = change->name.later;
    return change->name.old;
}

static void put_change_into_log(struct replay *replay, struct change *change)
{
    struct inode *new = change_new_name(change);
    change->sure = true;
    replay->more = true;
    put_names_into_log(replay, new);
    if (replay->wide && new &&S_ISDIR(new->mode) && new->created >= replay->lost &&
        has_entries(replay, change->inode))
        put_entries_into_log(replay, new);
    put_names_into_log(replay, committed_name(replay, change->name.slot));
    if (change->inode->created >= replay->lost)
        put_names_into_log(replay, change->inode);
    replay->directories_moved |= moves_directory(change);
}

static bool belongs_into_log(const struct replay *replay, const struct change *change)
{
    const struct inode *new = change_new_name(change);
    return has_entries(replay, change->inode) || (new &&new->scratch &NAMES_LOGGED) ||
           (change->name.old && change->name.old->scratch & NAMES_LOGGED) ||
           (replay->directories_moved && moves_directory(change));
}

/* The name changes of one operation, from `first`; returns the first change behind them. */
static struct change *replay_operation(struct replay *replay, struct change *first)
{
    bool belongs = false;
    struct change *change = first, *end = first;
    for (; end && end->operation == first->operation; end = end->log_next)
        belongs |= end->kind == CHANGE_NAME && !is_in_log(end) && belongs_into_log(replay, end);
    for (; belongs && change != end; change = change->log_next)
        if (change->kind == CHANGE_NAME)
            put_change_into_log(replay, change);
    return end;
}

/* The first change that is neither committed nor of a later time than this log. */
static struct change *first_in_log(const struct replay *replay)
{
    struct change *change = replay->vfs->metadata.first;
    while (change && change->operation < replay->lost)
        change = change->log_next;
    return change && change->operation <= replay->covers ? change : NULL;
}

static struct change *next_in_log(const struct replay *replay, const struct change *change)
{
    change = change->log_next;
    return change && change->operation <= replay->covers ? (struct change *) change : NULL;
}

/* Whether the directories of the file's names are in the log, too. */
static bool logs_parents(const struct replay *replay, const struct inode *file)
{
    if (S_ISDIR(file->mode) || file->created >= replay->lost)
        return false;
    for (struct change *change = first_in_log(replay); change; change = next_in_log(replay, change))
        if (names(change, file))
            return true;
    return false;
}

/* Each of a file's directories by itself. */
static void choose_parent(struct replay *replay, struct inode *directory,
                          const struct chooser *chooser)
{
    char path[LABEL_MAX], what[LABEL_MAX + 64];
    if (has_entries(replay, directory))
        return;
    snprintf(what, sizeof what, "%s: entries in the log tree",
             inode_path(directory, path, sizeof path));
    if (chooser->choose(chooser->context, 2, what) == 1)
        put_entries_into_log(replay, directory);
}

static void choose_parents(struct replay *replay, const struct inode *file,
                           const struct chooser *chooser)
{
    for (const struct slot *slot = file->names; slot; slot = slot->name_next)
        choose_parent(replay, slot->directory, chooser);
    for (struct change *change = first_in_log(replay); change; change = next_in_log(replay, change))
        if (names(change, file))
            choose_parent(replay, change->inode, chooser);
}

/* Whether there may be a new directory whose entries the log of this one has, too. */
static bool logs_below(const struct replay *replay, const struct inode *directory)
{
    if (!S_ISDIR(directory->mode))
        return false;
    for (struct change *change = first_in_log(replay); change; change = next_in_log(replay, change))
        if (change->kind == CHANGE_NAME && change->inode != directory &&
            change->inode->created >= replay->lost)
            return true;
    return false;
}

/* Rule 4e, if there is anything that it could say. */
static void choose_width(struct replay *replay, const struct change *mark,
                         const struct chooser *chooser)
{
    char what[LABEL_MAX + 64], longer[LABEL_MAX + 100];
    bool parents = logs_parents(replay, mark->inode);
    replay->wide = false;
    if (!parents && !logs_below(replay, mark->inode))
        return;
    snprintf(longer, sizeof longer, "%s, with more entries",
             change_describe(mark, what, sizeof what));
    replay->wide = chooser->choose(chooser->context, 2, longer) == 1;
    if (replay->wide && parents)
        choose_parents(replay, mark->inode, chooser);
}

static void replay_log(struct replay *replay, const struct change *mark,
                       const struct chooser *chooser)
{
    struct inode *inode = mark->inode;
    replay->covers = mark->operation;
    replay->number++;
    choose_width(replay, mark, chooser);
    if (S_ISDIR(inode->mode))
        put_entries_into_log(replay, inode);
    inode->scratch |= NAMES_LOGGED;
    for (struct change *change = inode->metadata.first; change != mark; change = change->own_next)
        if (change->kind == CHANGE_ATTRIBUTE)
            change->sure = true;
    do {
        replay->more = false;
        struct change *change = first_in_log(replay);
        while (change && change->operation <= replay->covers)
            change = replay_operation(replay, change);
    } while (replay->more);
}

static void replay_logs(struct replay *replay, const struct chooser *chooser)
{
    struct vfs *vfs = replay->vfs;
    char what[LABEL_MAX + 64];
    for (struct inode *inode = vfs->first; inode; inode = inode->next)
        inode->scratch = 0;
    for (struct change *change = vfs->metadata.first; change; change = change->log_next)
        change->sure = change->operation < replay->lost;
    for (struct change *mark = vfs->metadata.first; mark; mark = mark->log_next) {
        if (mark->kind != CHANGE_MARK || mark->mark < MARK_LOGGING || is_in_log(mark))
            continue;
        if (mark->mark == MARK_LOGGING) {
            change_describe(mark, what, sizeof what);
            if (chooser->choose(chooser->context, 2, what) == 0)
                continue;
            changes_settle(&mark->inode->data, mark->operation);
        }
        replay_log(replay, mark, chooser);
    }
    for (struct inode *inode = vfs->first; inode; inode = inode->next)
        inode->scratch = 0;
}

/* The entry as its newest change in the log made it. */
static void set_entry(struct slot *slot)
{
    struct inode *value = slot->first->name.old;
    for (const struct change *change = slot->first; change; change = change->name.later)
        if (is_in_log(change))
            value = change_new_name(change);
    slot->live = value;
}

/* Those of an inode in the log are the oldest ones. */
static void set_attributes(const struct change *change)
{
    struct inode *inode = change->inode;
    if (is_in_log(change))
        return;
    inode->mode = change->old.mode;
    inode->uid = change->old.uid;
    inode->gid = change->old.gid;
}

static void btrfs_crash(struct vfs *vfs, const struct chooser *chooser)
{
    struct replay replay = {.vfs = vfs, .lost = log_choose_prefix(vfs, chooser)};
    replay_logs(&replay, chooser);
    for (struct change *change = vfs->metadata.first; change; change = change->log_next)
        if (change->kind == CHANGE_NAME && change->name.slot->first == change)
            set_entry(change->name.slot);
    for (struct change *change = vfs->metadata.last; change; change = change->log_previous)
        if (change->kind == CHANGE_ATTRIBUTE)
            set_attributes(change);
    crash_mark(vfs);
    log_choose_data(vfs, replay.lost, LOG_HOLES, chooser);
}

const struct disk_model disk_btrfs = {.name = "btrfs",
                                      .logs_metadata = true,
                                      .logs_data = true,
                                      .tick = btrfs_tick,
                                      .truncated = btrfs_truncated,
                                      .sync_begin = btrfs_sync_begin,
                                      .sync_end = btrfs_sync_end,
                                      .crash = btrfs_crash};
