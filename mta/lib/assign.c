/* SPDX-License-Identifier: ISC */
#include "mta/lib/assign.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "mta/lib/mem.h"
#include "mta/lib/num.h"

enum { FIELD_KEY, FIELD_USER, FIELD_UID, FIELD_GID, FIELD_HOME, FIELD_DASH, FIELD_EXT, FIELDS };

struct assign_entry {
    const char *key; /* in the text: entries of equal keys are told apart by where they stand */
    size_t key_size;
    bool prefix;
    struct assign_user user;
};

/* Order of (kind, key) without regard to case, a shorter key before those it begins. */
static int compare_keys(bool left_prefix, const char *left, size_t left_size, bool right_prefix,
                        const char *right, size_t right_size)
{
    if (left_prefix != right_prefix)
        return left_prefix ? 1 : -1;
    size_t common = left_size < right_size ? left_size : right_size;
    int order = common ? strncasecmp(left, right, common) : 0;
    if (order != 0)
        return order;
    return left_size < right_size ? -1 : left_size > right_size;
}

static int compare_entries(const void *a, const void *b)
{
    const struct assign_entry *left = a;
    const struct assign_entry *right = b;
    int order = compare_keys(left->prefix, left->key, left->key_size, right->prefix, right->key,
                             right->key_size);
    if (order != 0)
        return order;
    return left->key < right->key ? -1 : left->key > right->key;
}

/* (uid_t) -1 is nobody's. */
static int parse_id(const char *text, uint32_t *id)
{
    uint64_t number;
    if (num_parse(text, strlen(text), &number) < 0 || number >= UINT32_MAX)
        return -1;
    *id = (uint32_t) number;
    return 0;
}

/* Takes a NUL-terminated line apart in place.  0, or -1 if it is malformed. */
static int parse_line(char *line, struct assign_entry *entry)
{
    char *fields[FIELDS];
    if (line[0] != '=' && line[0] != '+')
        return -1;
    entry->prefix = line[0] == '+';
    char *at = line + 1;
    for (int i = 0; i < FIELDS; i++) {
        char *colon = strchr(at, ':');
        if (!colon)
            return -1;
        *colon = 0;
        fields[i] = at;
        at = colon + 1;
    }
    entry->key = fields[FIELD_KEY];
    entry->key_size = strlen(entry->key);
    entry->user.user = fields[FIELD_USER];
    entry->user.home = fields[FIELD_HOME];
    entry->user.dash = fields[FIELD_DASH];
    entry->user.extension = fields[FIELD_EXT];
    entry->user.matched = entry->key_size;
    if (!entry->user.user[0] || !entry->user.home[0])
        return -1;
    if (parse_id(fields[FIELD_UID], &entry->user.uid) < 0)
        return -1;
    return parse_id(fields[FIELD_GID], &entry->user.gid);
}

/* Reads all lines of assign->text; `room` entries are allocated.  0, or -1 and *line. */
static int parse_text(struct assign *assign, size_t room, unsigned long *line)
{
    char *at = assign->text.data;
    char *end = assign->text.length ? at + assign->text.length : at;
    for (*line = 1; at < end; ++*line) {
        char *newline = memchr(at, '\n', (size_t) (end - at));
        if (!newline)
            break; /* cut off: not even a last line may lack its end */
        *newline = 0;
        if (strlen(at) != (size_t) (newline - at))
            return -1;
        if (strcmp(at, ".") == 0)
            return 0;
        if (*at && *at != '#') {
            if (assign->count == room || parse_line(at, &assign->entries[assign->count]) < 0)
                return -1;
            assign->count++;
        }
        at = newline + 1;
    }
    *line = 0;
    return -1;
}

int assign_init(struct assign *assign, struct buf *text, unsigned long *line)
{
    memset(assign, 0, sizeof *assign);
    assign->text = *text;
    memset(text, 0, sizeof *text);
    text->limit = assign->text.limit;
    *line = 0;
    size_t room = 0;
    for (size_t i = 0; i < assign->text.length; i++)
        room += assign->text.data[i] == '\n';
    int error = 0;
    assign->entries = mem_alloc(room * sizeof *assign->entries);
    if (!assign->entries)
        error = ENOMEM;
    else if (parse_text(assign, room, line) < 0)
        error = EBADMSG;
    if (error) {
        assign_free(assign);
        errno = error;
        return -1;
    }
    qsort(assign->entries, assign->count, sizeof *assign->entries, compare_entries);
    return 0;
}

static const struct assign_entry *find(const struct assign *assign, bool prefix, const char *key,
                                       size_t size)
{
    size_t low = 0, high = assign->count;
    while (low < high) { /* the first that is not smaller */
        size_t middle = low + (high - low) / 2;
        const struct assign_entry *entry = &assign->entries[middle];
        if (compare_keys(prefix, key, size, entry->prefix, entry->key, entry->key_size) > 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == assign->count)
        return NULL;
    const struct assign_entry *entry = &assign->entries[low];
    if (compare_keys(prefix, key, size, entry->prefix, entry->key, entry->key_size) != 0)
        return NULL;
    return entry;
}

bool assign_find(const struct assign *assign, const char *local, size_t size,
                 struct assign_user *user)
{
    const struct assign_entry *entry = find(assign, false, local, size);
    for (size_t length = size + 1; !entry && length-- > 0;)
        entry = find(assign, true, local, length);
    if (!entry)
        return false;
    *user = entry->user;
    return true;
}

void assign_free(struct assign *assign)
{
    mem_free(assign->entries);
    buf_free(&assign->text);
    memset(assign, 0, sizeof *assign);
}
