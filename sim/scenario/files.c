/* SPDX-License-Identifier: ISC */
#include "sim/scenario/files.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "sim/scenario/scenario.h"

#define DEPTH_MAX 16

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *) a, *(const char *const *) b);
}

static int is_directory(const char *path)
{
    struct stat status;

    if (stat(path, &status) < 0)
        return -1;
    return S_ISDIR(status.st_mode);
}

static int find_below(struct pool *pool, const char *path, unsigned depth, const char ***files,
                      size_t *count)
{
    DIR *directory = opendir(path);
    struct dirent *entry;
    const char **names = NULL;
    size_t name_count = 0;

    if (!directory)
        return -1;
    while ((entry = readdir(directory)))
        if (entry->d_name[0] != '.')
            *POOL_ADD(pool, names, name_count) = pool_format(
                pool, "%s%s%s", path, path[strlen(path) - 1] == '/' ? "" : "/", entry->d_name);
    closedir(directory);
    if (name_count > 0)
        qsort(names, name_count, sizeof *names, compare_names);
    for (size_t i = 0; i < name_count; i++) {
        size_t length = strlen(names[i]);
        int below = is_directory(names[i]);

        if (below > 0 && depth < DEPTH_MAX) {
            if (find_below(pool, names[i], depth + 1, files, count) < 0)
                return -1;
        } else if (below == 0 && length > 9 && strcmp(names[i] + length - 9, ".scenario") == 0) {
            *POOL_ADD(pool, *files, *count) = names[i];
        }
    }
    return 0;
}

int files_find(struct pool *pool, const char *path, const char ***files, size_t *count)
{
    int directory = is_directory(path);
    size_t before = *count;

    if (directory < 0)
        return -1;
    if (directory == 0) {
        *POOL_ADD(pool, *files, *count) = path;
        return 0;
    }
    if (find_below(pool, path, 0, files, count) < 0)
        return -1;
    errno = ENODATA;
    return *count > before ? 0 : -1;
}

void files_complain(const char *path)
{
    if (errno == ENODATA)
        fprintf(stderr, "%s: there is no file NAME.scenario in it or below it\n", path);
    else
        fprintf(stderr, "%s: cannot read it: %s\n", path, strerror(errno));
}

int definition_read(struct pool *pool, const char *text, struct definition *definition)
{
    const char *equals = strchr(text, '=');

    if (!equals || equals == text)
        return -1;
    definition->name = pool_copy(pool, text, (size_t) (equals - text));
    definition->value = pool_text(pool, equals + 1);
    return 0;
}
