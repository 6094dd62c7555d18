/* SPDX-License-Identifier: ISC */
/*
 * A tree of files as it is found on a real disk, or on a simulated one after power loss: paths,
 * kinds, permissions, contents, and which names share a file.  "lost+found" in the root does not
 * count, nor do owners and times.
 */
#ifndef TESTS_POWERCUT_TREE_H
#define TESTS_POWERCUT_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "sim/kernel/vfs.h"

#define TREE_TEXT 4000

struct tree_entry {
    char path[100];
    mode_t mode;
    uint64_t inode;
    size_t size;
    unsigned char *bytes; /* NULL of what is not a regular file */
};

struct tree {
    size_t count;
    struct tree_entry *entries; /* ordered by path */
};

/* 0, or -1 with errno if it cannot be read. */
int tree_of_folder(struct tree *tree, const char *folder);
int tree_of_vfs(struct tree *tree, struct vfs *vfs);
void tree_free(struct tree *tree);

/* Whether the tree found is the allowed one.  A byte from 0x80 in the allowed one stands for
 * rubbish: any byte. */
bool tree_matches(const struct tree *found, const struct tree *allowed);

/* In words, as tests/unit/sim/states.h tells trees; "=a" behind a path: the same file as a. */
void tree_tell(const struct tree *tree, char to[TREE_TEXT]);

#endif
