/* SPDX-License-Identifier: ISC */
#include "mta/lib/control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "mta/lib/io.h"
#include "mta/lib/mem.h"
#include "mta/lib/num.h"

static int control_read(const char *name, struct buf *content)
{
    char path[128];
    int length = snprintf(path, sizeof path, "control/%s", name);
    if (length < 0 || (size_t) length >= sizeof path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    if (io_read_file(path, content) == 0)
        return 1;
    if (errno == ENOENT)
        return 0;
    if (errno == EMSGSIZE)
        errno = EFBIG;
    return -1;
}

static size_t trimmed_length(const char *line, size_t length)
{
    while (length > 0 && strchr(" \t\r", line[length - 1]) && line[length - 1] != 0)
        length--;
    return length;
}

int control_line(const char *name, struct buf *value)
{
    struct buf content = BUF_INIT(CONTROL_LIMIT);
    buf_reset(value);
    int result = control_read(name, &content);
    if (result == 1) {
        const char *end = content.length ? memchr(content.data, '\n', content.length) : NULL;
        size_t length = end ? (size_t) (end - content.data) : content.length;
        length = trimmed_length(content.data, length);
        if (length && memchr(content.data, 0, length)) {
            errno = EINVAL;
            result = -1;
        } else if (buf_set(value, content.data, length) < 0) {
            result = -1;
        }
    }
    int saved = errno;
    buf_free(&content);
    errno = saved;
    return result;
}

int control_line_or(const char *name, bool use_me, const char *fallback, struct buf *value)
{
    int result = control_line(name, value);
    if (result != 0)
        return result < 0 ? -1 : 0;
    if (use_me) {
        result = control_line("me", value);
        if (result != 0)
            return result < 0 ? -1 : 0;
    }
    if (fallback)
        return buf_set_text(value, fallback);
    errno = ENOENT;
    return -1;
}

int control_number(const char *name, uint64_t fallback, uint64_t largest, uint64_t *number)
{
    struct buf value = BUF_INIT(4096);
    int result = control_line(name, &value);
    *number = fallback;
    if (result == 1)
        result = num_parse(value.data, value.length, number);
    if (result == 0 && *number > largest) {
        errno = ERANGE;
        result = -1;
    }
    int saved = errno;
    buf_free(&value);
    errno = saved;
    return result;
}

static int add_lines(const struct buf *content, struct buf *lines)
{
    size_t start = 0;
    while (start < content->length) {
        const char *line = content->data + start;
        const char *end = memchr(line, '\n', content->length - start);
        size_t length = end ? (size_t) (end - line) : content->length - start;
        start += length + 1;
        length = trimmed_length(line, length);
        if (length == 0 || line[0] == '#')
            continue;
        if (memchr(line, 0, length)) {
            errno = EINVAL;
            return -1;
        }
        if (buf_add(lines, line, length) < 0 || buf_add_byte(lines, 0) < 0)
            return -1;
    }
    return 0;
}

int control_list(const char *name, struct buf *lines)
{
    struct buf content = BUF_INIT(CONTROL_LIMIT);
    buf_reset(lines);
    int result = control_read(name, &content);
    if (result == 1 && add_lines(&content, lines) < 0)
        result = -1;
    int saved = errno;
    buf_free(&content);
    errno = saved;
    return result;
}

static int compare_entries(const void *a, const void *b)
{
    const char *left = *(const char *const *) a;
    const char *right = *(const char *const *) b;
    int order = strcasecmp(left, right);
    if (order != 0)
        return order;
    return left < right ? -1 : left > right; /* both in one buffer: the order of the file */
}

int control_map_init(struct control_map *map, struct buf *lines, char separator)
{
    memset(map, 0, sizeof *map);
    map->separator = separator;
    size_t entries = 0;
    for (size_t i = 0; i < lines->length; i++)
        entries += lines->data[i] == 0;
    map->keys = mem_alloc(entries * sizeof *map->keys);
    if (!map->keys)
        return -1;
    map->lines = *lines;
    memset(lines, 0, sizeof *lines);
    char *entry = map->lines.data;
    for (size_t i = 0; i < entries; i++) {
        size_t length = strlen(entry);
        char *mark = separator ? strchr(entry, separator) : NULL;
        if (mark)
            *mark = 0; /* the value follows its key's NUL */
        if (mark || !separator)
            map->keys[map->count++] = entry;
        entry += length + 1;
    }
    qsort(map->keys, map->count, sizeof *map->keys, compare_entries);
    return 0;
}

/* As strcasecmp of a counted key with a NUL-ended one. */
static int compare_key(const char *key, size_t size, const char *entry)
{
    int order = strncasecmp(key, entry, size);
    if (order != 0)
        return order;
    return entry[size] ? -1 : 0;
}

const char *control_map_find(const struct control_map *map, const char *key, size_t size)
{
    if (size && memchr(key, 0, size))
        return NULL;
    size_t low = 0, high = map->count;
    while (low < high) { /* the first entry that is not smaller */
        size_t middle = low + (high - low) / 2;
        if (compare_key(key, size, map->keys[middle]) > 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == map->count || compare_key(key, size, map->keys[low]) != 0)
        return NULL;
    return map->separator ? map->keys[low] + size + 1 : map->keys[low] + size;
}

void control_map_free(struct control_map *map)
{
    mem_free(map->keys);
    buf_free(&map->lines);
    memset(map, 0, sizeof *map);
}
