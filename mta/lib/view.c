/* SPDX-License-Identifier: ISC */
#include "mta/lib/view.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mta/lib/io.h"
#include "mta/lib/mem.h"

#define READS_MAX 5 /* of a message that changes each time */

static const enum spool_kind channel_kinds[VIEW_CHANNELS] = {SPOOL_LOCAL, SPOOL_REMOTE};

/* --- numbers ------------------------------------------------------------------------------- */

int view_numbers_put(struct view_numbers *numbers, uint64_t number)
{
    if (numbers->count == numbers->capacity) {
        size_t capacity = numbers->capacity ? numbers->capacity * 2 : 256;
        uint64_t *grown = mem_resize(numbers->numbers, capacity * sizeof *grown);
        if (!grown)
            return -1;
        numbers->numbers = grown;
        numbers->capacity = capacity;
    }
    numbers->numbers[numbers->count++] = number;
    return 0;
}

int view_numbers_add(struct view_numbers *numbers, enum spool_kind kind)
{
    DIR *directory = opendir(spool_directory(kind));
    if (!directory)
        return -1;
    int result = 0;
    while (result == 0) {
        uint64_t number;
        errno = 0;
        const struct dirent *entry = readdir(directory);
        if (!entry) {
            result = errno ? -1 : 0;
            break;
        }
        if (spool_number_parse(entry->d_name, strlen(entry->d_name), &number) == 0)
            result = view_numbers_put(numbers, number);
    }
    int saved = errno;
    closedir(directory);
    errno = saved;
    return result;
}

static int compare_numbers(const void *a, const void *b)
{
    const uint64_t *left = a, *right = b;
    return *left < *right ? -1 : *left > *right;
}

void view_numbers_sort(struct view_numbers *numbers)
{
    size_t kept = 0;
    if (numbers->count)
        qsort(numbers->numbers, numbers->count, sizeof *numbers->numbers, compare_numbers);
    for (size_t i = 0; i < numbers->count; i++)
        if (!kept || numbers->numbers[kept - 1] != numbers->numbers[i])
            numbers->numbers[kept++] = numbers->numbers[i];
    numbers->count = kept;
}

bool view_numbers_have(const struct view_numbers *numbers, uint64_t number)
{
    return numbers->count && bsearch(&number, numbers->numbers, numbers->count,
                                     sizeof *numbers->numbers, compare_numbers);
}

void view_numbers_free(struct view_numbers *numbers)
{
    mem_free(numbers->numbers);
    memset(numbers, 0, sizeof *numbers);
}

/* --- one message --------------------------------------------------------------------------- */

static bool is_there(enum spool_kind kind, uint64_t number)
{
    char path[SPOOL_PATH_SIZE];
    struct stat st;
    return lstat(spool_path(path, kind, number), &st) == 0;
}

/* 1; 0 if it is not there; -1 with errno. */
static int read_file(enum spool_kind kind, uint64_t number, struct buf *content)
{
    buf_reset(content);
    int fd = spool_open(kind, number, O_RDONLY);
    if (fd < 0)
        return errno == ENOENT ? 0 : -1;
    int result = io_read_all(fd, content);
    int saved = errno == EMSGSIZE ? EBADMSG : errno;
    close(fd);
    errno = saved;
    return result < 0 ? -1 : 1;
}

static int read_new(struct view *view)
{
    int result = read_file(SPOOL_TODO, view->number, &view->envelope);
    if (result <= 0)
        return result;
    view->is_new = true;
    if (spool_todo_parse(view->envelope.data, view->envelope.length, view->number, &view->message) <
        0)
        return -1;
    return 1;
}

static int read_channels(struct view *view)
{
    for (int i = 0; i < VIEW_CHANNELS; i++) {
        struct buf *file = &view->files[i];
        int result = read_file(channel_kinds[i], view->number, file);
        if (result < 0)
            return -1;
        if (result == 1 && spool_channel_parse(file->data, file->length, channel_kinds[i],
                                               view->number, &view->channels[i]) < 0)
            return -1;
    }
    view->bouncing = is_there(SPOOL_BOUNCE, view->number);
    return 0;
}

static int read_queued(struct view *view)
{
    int result = read_file(SPOOL_INFO, view->number, &view->envelope);
    if (result <= 0)
        return result;
    if (spool_info_parse(view->envelope.data, view->envelope.length, view->number, &view->message) <
        0)
        return -1;
    return read_channels(view) < 0 ? -1 : 1;
}

static int read_once(struct view *view)
{
    view->is_new = view->bouncing = false;
    memset(view->channels, 0, sizeof view->channels);
    for (int i = 0; i < VIEW_CHANNELS; i++)
        buf_reset(&view->files[i]);
    /* info, local and remote of what is in todo may be about to be written. */
    int result = read_new(view);
    return result ? result : read_queued(view);
}

int view_read(struct view *view, uint64_t number)
{
    int result = -1, error = 0;
    view->number = number;
    for (int i = 0; i < READS_MAX; i++) {
        result = read_once(view);
        error = errno;
        /* Seen whole only if it has not moved on in the meantime: first todo goes, at the end the
         * channels and then info. */
        if (result == 1 && is_there(view->is_new ? SPOOL_TODO : SPOOL_INFO, number))
            return 1;
        if (result < 0 && error != EBADMSG)
            break;
        if (!is_there(SPOOL_TODO, number) && !is_there(SPOOL_INFO, number))
            return 0;
    }
    errno = error;
    return result;
}

void view_free(struct view *view)
{
    buf_free(&view->envelope);
    for (int i = 0; i < VIEW_CHANNELS; i++)
        buf_free(&view->files[i]);
}

/* --- recipients ---------------------------------------------------------------------------- */

static bool next_new(const struct view *view, struct view_walk *walk,
                     struct view_recipient *recipient)
{
    struct record record;
    if (record_next(view->message.recipients, view->message.recipients_size, &walk->at, &record) !=
        1)
        return false;
    *recipient = (struct view_recipient){record.text, -1, false};
    return true;
}

bool view_next(const struct view *view, struct view_walk *walk, struct view_recipient *recipient)
{
    if (view->is_new)
        return next_new(view, walk, recipient);
    for (; walk->channel < VIEW_CHANNELS; walk->channel++, walk->at = 0) {
        const struct buf *file = &view->files[walk->channel];
        struct record record;
        if (!walk->at)
            walk->at = view->channels[walk->channel].first;
        if (file->length && record_next(file->data, file->length, &walk->at, &record) == 1) {
            *recipient = (struct view_recipient){record.text, walk->channel, record.letter == 'D'};
            return true;
        }
    }
    return false;
}
