/* SPDX-License-Identifier: ISC */
/*
 * Where a machine's files are when it has no root directory of its own, since no namespaces can be
 * had: below a directory of the real system, but for what is the real system's.  The driver and the
 * preloaded library agree by this.
 */
#ifndef SIM_REALITY_PLACE_H
#define SIM_REALITY_PLACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define PLACE_MAX 4096 /* bytes of a path, with its NUL */
#define PLACE_BOOT_ID "/proc/sys/kernel/random/boot_id"

/* What machines have of the real system; ends with NULL. */
static const char *const place_system[] = {"/usr", "/lib",  "/lib32", "/lib64", "/libx32",
                                           "/dev", "/proc", "/sys",   NULL};

/* True if `path` is that directory or below it. */
static inline bool place_is_below(const char *path, const char *directory)
{
    size_t length = strlen(directory);

    return strncmp(path, directory, length) == 0 && (path[length] == '/' || path[length] == 0);
}

/* The real path of the machine's path, which is `path` itself or stands in `to`: below `root`
 * (NULL: paths are real) if it is absolute and not of the run's directory, which `root` is in.  ""
 * if it is too long. */
static inline const char *place_real(const char *root, const char *path, char to[PLACE_MAX])
{
    size_t run = root ? (size_t) (strrchr(root, '/') - root) : 0;

    if (!root || !path || *path != '/')
        return path;
    if (strcmp(path, PLACE_BOOT_ID) == 0)
        path = "/boot_id";
    for (size_t i = 0; place_system[i]; i++)
        if (place_is_below(path, place_system[i]))
            return path;
    if (strncmp(path, root, run) == 0 && path[run] == '/')
        return path;
    if (snprintf(to, PLACE_MAX, "%s%s", root, path) >= PLACE_MAX)
        *to = 0;
    return to;
}

/* The other way, in place: what the machine calls it. */
static inline char *place_own(const char *root, char *path)
{
    size_t length = root ? strlen(root) : 0;

    if (length == 0 || !place_is_below(path, root))
        return path;
    memmove(path, path + length, strlen(path + length) + 1);
    if (*path == 0)
        strcpy(path, "/"); /* `root` is longer */
    return path;
}

#endif
