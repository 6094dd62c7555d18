/* SPDX-License-Identifier: ISC */
/*
 * What the parts of the file system share.  Only vfs*.c and disk*.c include this.
 *
 * The tree that processes see is kept in the inodes themselves.  What the disk holds for certain is
 * not kept as a second tree but as that tree with the pending changes taken back, newest first:
 * each change remembers the old value.  So an append costs no copy, "becomes durable" is dropping
 * the oldest changes, and only a crash pays for working out old states.
 *
 * Every operation has a number (vfs->operation); changes that one operation makes share it.
 */
#ifndef SIM_KERNEL_VFS_INTERNAL_H
#define SIM_KERNEL_VFS_INTERNAL_H

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "sim/kernel/disk.h"
#include "sim/kernel/vfs.h"

#define VFS_BLOCK 4096u
#define VFS_NAME_MAX 255u
#define VFS_PATH_MAX 4096u /* with the NUL, as Linux's PATH_MAX */
#define VFS_SYMLINKS_MAX 40u
#define VFS_LINK_MAX 65000u       /* as ext4 */
#define VFS_FILE_MAX (1ull << 40) /* largest file size; EFBIG above it */
#define VFS_HELD_MAX (1ull << 31) /* largest number of bytes really kept of one file */
#define VFS_ROOT_NUMBER 2
#define VFS_FIRST_NUMBER 11

/* Bytes of a file: `held` of them in memory, those from there to `size` are zeros. */
struct content {
    char *bytes; /* of bytes_new; others may share them: content_own before a change */
    size_t held, capacity;
    uint64_t size;
};

enum change_kind {
    CHANGE_NAME,      /* a directory entry got another value */
    CHANGE_ATTRIBUTE, /* mode, owner; with an old mode of 0: the inode is new */
    CHANGE_MARK,      /* a place in the log of a file system that has one */
    CHANGE_WRITE,
    CHANGE_TRUNCATE
};

/* What a mark in the log says of its inode. */
enum mark_kind {
    MARK_SIZE,    /* a truncate */
    MARK_FLUSH,   /* data before this mark are on disk when the mark is */
    MARK_LOGGING, /* btrfs: an fsync began, which may have written the inode to the log tree */
    MARK_LOGGED   /* btrfs: an fsync that began here did so */
};

/* One pending change.  Name, attribute and mark changes are on the vfs's `metadata` list, writes
 * and truncates on its `data` list, and each on the list of the same name of its inode. */
struct change {
    enum change_kind kind;
    bool failed; /* a sync that covered it failed: no later one makes it durable (fsync-eio) */
    bool sure;   /* durable, but kept because an older change of the same thing is not */
    uint64_t operation;
    int64_t time_ns;
    struct inode *inode; /* of a name change: the directory */
    struct change *log_previous, *log_next;
    struct change *own_previous, *own_next;
    union {
        struct {
            struct slot *slot;
            struct inode *old;    /* held, may be NULL */
            struct change *later; /* the next pending change of this slot */
        } name;
        struct {
            mode_t mode;
            uid_t uid;
            gid_t gid;
        } old;
        enum mark_kind mark;
        struct {
            uint64_t offset; /* of a write; the new size of a truncate */
            uint64_t size;   /* bytes written; 0 for a truncate */
            uint64_t old_size;
            char *saved; /* what was overwritten or cut off; of bytes_new */
            size_t saved_size;
            const char *fresh; /* during a crash: what was written */
            char *fresh_bytes; /* where that is, a share */
        } data;
    };
};

struct change_list {
    struct change *first, *last;
    size_t count;
};

/* A name in a directory.  It stays while it names something or a change of it is pending. */
struct slot {
    struct slot *next; /* in its bucket, ordered by hash, then name */
    struct inode *directory;
    struct inode *live;                     /* what processes see; NULL: no such entry */
    struct slot *name_previous, *name_next; /* other names of `live` */
    struct change *first, *last;            /* pending changes of this entry, oldest first */
    uint64_t hash;
    unsigned change_count;
    struct slot *copy; /* while vfs_clone runs */
    unsigned short length;
    char name[];
};

/* Buckets are picked by the high bits of the hash and chains are sorted, so the walk over all
 * buckets is in order of the hash, whatever the number of buckets. */
struct slot_table {
    struct slot **buckets;
    unsigned bits;
    size_t slots;
};

struct inode {
    struct vfs *vfs;
    struct inode *previous, *next; /* all inodes of the vfs, in order of creation */
    ino_t number;
    mode_t mode;
    uid_t uid;
    gid_t gid;
    int64_t atime_ns, mtime_ns, ctime_ns;
    uint64_t created, freed; /* operation numbers; freed 0: not freed */
    unsigned links;          /* entries that name it; the root counts one */
    unsigned references;     /* by descriptors and the like */
    unsigned holds;          /* by pending changes */
    struct slot *names;      /* one of its entries, or NULL */
    struct change_list metadata, data;
    struct inode *before;  /* what the disk has in this inode's place while its birth is pending: a
                            * removed one with the same number, held; or NULL */
    uint64_t changed;      /* last operation that changed the inode in any way */
    uint64_t size_changed; /* last operation that created it or changed its size */
    uint64_t logged;       /* last one that changed more of it than bytes and time stamps */
    uint64_t sync_error;   /* the latest failure of a sync that covered it */
    void *endpoint;

    /* regular files and symbolic links (the target) */
    struct content content;
    uint64_t content_hash;
    bool content_hash_valid;
    bool flush_on_close; /* ext4: was cut to nothing, so close writes it out */

    /* directories */
    struct inode *parent;
    bool parent_referenced; /* removed, and keeps its parent for ".." */
    struct slot_table table;
    size_t entries; /* slots that name something */
    unsigned subdirectories;

    /* scratch of vfs_hash and of a crash */
    uint64_t scratch;
    struct slot *reached_by;
    bool reached;
};

/* A number that no inode has, and the removed one that has it on disk: held, or NULL. */
struct free_number {
    ino_t number;
    struct inode *removed;
};

struct vfs_sync {
    struct vfs *vfs;
    struct vfs_sync *previous, *next;
    struct inode *inode; /* referenced; NULL: everything */
    uint64_t operation;  /* covers changes up to this one */
    uint64_t cached;     /* the file system's `cached` when it began */
    bool data_only;
    uint64_t commits; /* what has one log: up to this operation; 0: nothing but the data */
};

struct vfs {
    struct vfs_options options; /* the model without its overlays */
    unsigned overlays;
    bool failures;       /* some changes have failed */
    uint64_t sync_error; /* number of the latest sync that failed */
    struct inode *root;
    struct inode *first, *last;
    bool power_off;
    uint64_t operation;
    uint64_t committed; /* what has one log: metadata up to this operation is on disk */
    struct change_list metadata, data;
    size_t marks; /* how many of `metadata` are marks */
    size_t sure;  /* how many changes are */
    struct vfs_sync *syncs;
    uint64_t cached;              /* strict, xfs: up to this one changes are written, not flushed */
    uint64_t last_sync_operation; /* the latest operation that a running sync covers, or `cached` */
    uint64_t blocks_used, blocks_total; /* blocks_total UINT64_MAX: no limit */
    uint64_t inodes_used;
    ino_t next_number;
    struct free_number *free_numbers; /* heap, smallest first */
    size_t free_count, free_capacity;
    size_t removed_count;     /* how many of them have a removed inode */
    uint64_t removed_settled; /* none that was removed up to this operation is on disk */
    vfs_observer *observer;
    void *observer_context;
};

enum overlay { OVERLAY_FSYNC_EIO = 1, OVERLAY_LIAR = 2 };

/* What a disk model is.  An overlay over a model has only the first three. */
struct disk_model {
    const char *name;
    const struct disk_model *base; /* of an overlay; else NULL */
    unsigned overlays;             /* set of enum overlay */
    bool logs_metadata, logs_data; /* whether these changes are kept as pending at all */
    bool joins_names; /* an entry that changes again and again need not keep each value */
    bool fails_names; /* an fsync that fails leaves names and attributes behind, too */
    bool logs_births; /* a new inode is pending until it is synced itself, and a removed one is on
                       * disk until everything is synced, or a new one in its place */
    /* Called before each operation: what becomes durable by age.  May be NULL. */
    void (*tick)(struct vfs *vfs);
    /* A regular file's data are about to become what a name stands for in place of another file
     * (rename over it); its last reference is closed.  May be NULL. */
    void (*replaces)(struct inode *inode);
    void (*closes)(struct inode *inode);
    void (*truncated)(struct inode *inode);
    void (*sync_begin)(struct vfs_sync *sync);
    void (*sync_end)(struct vfs_sync *sync);
    /* Sets every slot's `live` and every inode's attributes and content to what is found after
     * power loss.  What is unreachable then, and all pending changes, are removed by the caller. */
    void (*crash)(struct vfs *vfs, const struct chooser *chooser);
};

/* memory that must be there: ends the program otherwise */
void *vfs_allocate(size_t size); /* zeroed */
void *vfs_reallocate(void *old, size_t size);
/* The same for objects that come and go: from pools, to be given back with their size. */
void *vfs_take(size_t size); /* what is in it is not defined */
void *vfs_take_zeroed(size_t size);
void vfs_give(void *object, size_t size); /* or NULL */

/* vfs.c */
void vfs_operation(struct vfs *vfs); /* begins an operation */
int64_t vfs_now(const struct vfs *vfs);
/* A new inode without a name; NULL: no inodes left. */
struct inode *inode_create(struct vfs *vfs, mode_t mode, uid_t uid, gid_t gid);
/* Frees what nobody needs: call after links, references or holds went down. */
void inode_check(struct inode *inode);
void inode_hold(struct inode *inode);
void inode_drop(struct inode *inode); /* the opposite of hold */
void inode_destroy(struct inode *inode);
enum inode_part { PART_BYTES, PART_TIMES, PART_SIZE, PART_REST };
void inode_changed(struct inode *inode, enum inode_part part); /* ctime and the numbers */
void inode_account(struct inode *inode, size_t held_before);
uint64_t inode_blocks(const struct inode *inode);
void inode_tell(struct inode *inode, enum vfs_change change);
void slot_tell(struct slot *slot, struct slot *old, enum vfs_change change);
bool cred_has_group(const struct cred *cred, gid_t gid);
/* -EACCES or 0 */
int inode_check_permission(const struct inode *inode, const struct cred *cred, int want);

/* vfs_number.c */
/* A new inode gets a number, and on disk the place of what had it before. */
void number_take(struct inode *inode);
void number_give_back(struct inode *inode);
/* What was removed up to that operation is gone from the disk, too. */
void numbers_settle(struct vfs *vfs, uint64_t operation);
/* After a crash: which numbers are free, and one each for the inodes that are left. */
void numbers_rebuild(struct vfs *vfs);

/* vfs_path.c */
enum last_type { LAST_NORMAL, LAST_ROOT, LAST_DOT, LAST_DOTDOT };
/* The parent directory and the last component of a path. */
struct place {
    struct inode *directory;
    const char *name; /* not NUL-terminated; LAST_NORMAL only */
    size_t length;
    enum last_type type;
    bool slash; /* slashes follow the name */
    unsigned symlinks;
};
int path_parent(struct vfs *vfs, const struct cred *cred, struct inode *start, const char *path,
                struct place *place);
/* What the last component names; *inode NULL if there is no such entry. */
int place_find(const struct place *place, const struct cred *cred, struct inode **inode);
/* Goes on through the symbolic link that the last component names. */
int place_follow(struct vfs *vfs, const struct cred *cred, const struct inode *link,
                 struct place *place);

/* vfs_dir.c */
struct slot *slot_find(const struct inode *directory, const char *name, size_t length);
struct slot *slot_find_or_add(struct inode *directory, const char *name, size_t length);
/* Gives the entry another value (NULL: removes it), logs the change, frees what lost its name. */
void slot_assign(struct slot *slot, struct inode *inode);
/* The same without log and freeing, during a crash. */
void slot_forget_if_empty(struct slot *slot);
static inline size_t table_size(unsigned bits)
{
    return sizeof(struct slot *) << bits;
}
static inline size_t slot_size(size_t length)
{
    return sizeof(struct slot) + length + 1;
}
/* First slot, and the one after `slot`, in order of the hash. */
struct slot *directory_first(const struct inode *directory);
struct slot *directory_next(const struct slot *slot);
void directory_free(struct inode *directory);
/* "queue/mess/1", without the leading slash, cut on the left if too long. */
const char *slot_path(const struct slot *slot, char *to, size_t size);
const char *inode_path(const struct inode *inode, char *to, size_t size);
#define LABEL_MAX 5000

/* vfs_data.c */
/* Bytes that copies of a file system share. */
char *bytes_new(size_t size);    /* what is in them is not defined */
char *bytes_share(char *bytes);  /* the same, to be released once more; NULL: NULL */
void bytes_release(char *bytes); /* or NULL */
void content_own(struct content *content);
bool bytes_are_zeros(const char *bytes, size_t size);
void content_put(struct content *content, uint64_t offset, const void *from, size_t size);
void content_cut(struct content *content, uint64_t size); /* or extend */
size_t content_get(const struct content *content, void *to, size_t size, uint64_t offset);
void content_free(struct content *content);
uint64_t content_blocks(const struct content *content);

/* vfs_change.c */
/* Puts it at the end of all lists that it belongs to. */
void change_append(struct change *change);
void change_log_name(struct slot *slot); /* before the change */
void change_log_attribute(struct inode *inode);
void change_log_birth(struct inode *inode);
bool change_is_birth(const struct change *change);
struct change *change_log_mark(struct inode *inode, enum mark_kind kind);
void change_log_write(struct inode *inode, uint64_t offset, size_t size);
void change_log_truncate(struct inode *inode, uint64_t size);
/* The change is durable, or moot: forgets it.  It must be the oldest of its slot or inode. */
void change_drop(struct change *change);
void changes_drop_all(struct inode *inode);
/* The changes of the list (of a vfs or an inode) up to `operation` are durable: forgets them.
 * Those that failed stay, and what can only be told on top of them. */
void changes_settle(struct change_list *list, uint64_t operation);
/* The same of the data of all files, but what was written over other bytes stays pending. */
void changes_settle_appends(struct vfs *vfs, uint64_t operation);
void change_is_sure(struct change *change);
/* A sync of the inode (NULL: everything) failed: what it covered never becomes durable. */
void changes_fail(struct vfs *vfs, struct inode *inode);
/* What the entry names after this change of it. */
struct inode *change_new_name(const struct change *change);
/* What a name change did: "added", "removed", "replaced". */
const char *change_verb(const struct change *change);
/* "queue/todo/1: entry added", written to `to` */
const char *change_describe(const struct change *change, char *to, size_t size);

/* vfs_hash.c */
uint64_t vfs_hash_bytes(const void *bytes, size_t size, uint64_t seed);

/* vfs_crash.c: parts that models share.  While a model decides, an inode that survives has
 * `reached` set and `reached_by` says its name. */
/* Takes all pending writes and truncates of the inode back, keeping what they wrote. */
void crash_rewind_data(struct inode *inode);
/* Marks all that is reached from the root by the slots' `live`. */
void crash_mark(struct vfs *vfs);
/* The inode survives; `slot` is the first name it is found by. */
void crash_reach(struct inode *inode, struct slot *slot);
/* Surviving inodes in order of their numbers, NULL at the end; to be freed. */
struct inode **crash_survivors(struct vfs *vfs);

/* disk_log.c: what ext4, xfs and btrfs share, whose metadata are one ordered log.  A place in it is
 * an operation number: what is below the first lost one survived. */
/* The log up to `operation` is on disk. */
void log_commit(struct vfs *vfs, uint64_t operation);
/* The same with what is so old. */
void log_commit_older(struct vfs *vfs, int64_t age_ns);
/* Whether a sync of the file must write a new size. */
bool log_has_append(const struct inode *inode);
/* The first operation whose metadata is lost; UINT64_MAX: none. */
uint64_t log_choose_prefix(struct vfs *vfs, const struct chooser *chooser);
/* Entries and attributes as they were before that operation. */
void log_take_back(struct vfs *vfs, uint64_t lost);
enum log_rule {
    LOG_HOLES = 1,      /* pages of zeros may stand before data that were written later */
    LOG_EARLY_SIZE = 2, /* of an append the size may be there, and zeros below it */
    LOG_EARLY_TAIL = 4  /* a cut within a block may be there as zeros, with the old size */
};
/* What is there of the data of all that survives; `rules` is a set of enum log_rule. */
void log_choose_data(struct vfs *vfs, uint64_t lost, unsigned rules, const struct chooser *chooser);
/* The three. */
void log_crash(struct vfs *vfs, unsigned rules, const struct chooser *chooser);

/* disk_data.c: what power loss leaves of writes that no sync covers.  All work on a content that
 * was taken back (crash_rewind_data) and put forward again change by change. */
/* Asks about every pending write and truncate of the inode. */
void data_choose(struct inode *inode, const struct chooser *chooser);
/* The parts of a write that lie before and behind the end of the file at the time of the write. */
uint64_t data_overwritten(const struct change *change); /* bytes overwritten, from its offset */
uint64_t data_appended(const struct change *change);    /* bytes appended, at its end */
/* Where an append that got only half way is cut: bytes that are there, less than all; 0: cannot be
 * cut. */
uint64_t data_half(const struct change *change);
void data_apply_overwrite(struct inode *inode, const struct change *change);
void data_apply_append(struct inode *inode, const struct change *change, uint64_t bytes);
void data_apply_truncate(struct inode *inode, const struct change *change);
/* Where the zeros end that a truncate within a block writes behind the new end of the file, if the
 * size stays as it is; 0: nothing would be seen of them. */
uint64_t data_tail(const struct inode *inode, const struct change *change);
void data_apply_tail(struct inode *inode, const struct change *change);
/* The bytes of a write from `from` up to `to`, both in the file. */
void data_apply_part(struct inode *inode, const struct change *change, uint64_t from, uint64_t to);
/* All of it, whatever is there of what it was made on. */
void data_apply(struct inode *inode, const struct change *change);
/* Whether the overwritten part, put on the content as it is now, would change it. */
bool data_overwrite_shows(const struct inode *inode, const struct change *change);

#endif
