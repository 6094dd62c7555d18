/* SPDX-License-Identifier: ISC */
/* LOG, when all is over: what nixie-send told nixie-log is in the files of log/, in order, but for
 * what the oldest of them had, which are removed. */
#include <stdlib.h>
#include <string.h>

#include "sim/world/home.h"
#include "sim/world/internal.h"
#include "sim/world/judge.h"

#define STAMP_SIZE 26 /* "@", 24 digits, a blank */
#define LINE_LIMIT 16000
#define KEPT_DEFAULT 10
#define WRITE_NS NANOSECONDS /* it gathers lines for a moment */

struct files {
    char **names; /* with a NULL behind the last */
    size_t count; /* of those that were turned over; `current` is the last of all */
};

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *) a, *(char *const *) b);
}

static bool list_files(const struct machine *machine, struct files *files)
{
    files->count = 0;
    if (host_list_directory(machine->host, HOME_LOG, &files->names) < 0)
        return false;
    while (files->names[files->count])
        files->count++;
    /* '@' comes before 'c' */
    if (files->count > 0)
        qsort(files->names, files->count, sizeof *files->names, compare_names);
    return true;
}

static void free_files(struct files *files)
{
    for (size_t i = 0; i < files->count; i++)
        free(files->names[i]);
    free(files->names);
}

/* What all of them hold, the oldest first; malloc'd. */
static char *read_files(const struct machine *machine, const struct files *files, size_t *size)
{
    char *all = must_copy("", 0), *data, path[300];
    size_t length;

    *size = 0;
    for (size_t i = 0; i < files->count; i++) {
        snprintf(path, sizeof path, HOME_LOG "/%s", files->names[i]);
        if (host_read_file(machine->host, path, &data, &length) < 0)
            continue;
        all = must_resize(all, *size + length + 1);
        memcpy(all + *size, data, length);
        *size += length;
        all[*size] = 0;
        free(data);
    }
    return all;
}

/* Nothing has come between the two programs. */
static bool is_undisturbed(const struct machine *machine)
{
    const struct world *world = machine->world;

    for (size_t i = 0; i < world->upset_count; i++)
        if (world->upsets[i].machine == machine->index)
            return false;
    for (size_t i = 0; i < world->line_count; i++)
        if (strlen(world->lines[i].text) > LINE_LIMIT)
            return false;
    return machine->tree && !machine->squeezed && machine->spec->capacity_bytes == 0 &&
           machine->log.gap_ns == 0;
}

/* The next line of the files that is this one, behind *at; false: there is none. */
static bool find_line(const char **at, const char *text)
{
    size_t length = strlen(text);

    while (**at) {
        size_t size = strcspn(*at, "\n");
        const char *line = *at;

        *at += size + ((*at)[size] == '\n');
        if (size == STAMP_SIZE + length && memcmp(line + STAMP_SIZE, text, length) == 0)
            return true;
    }
    return false;
}

static void judge_lines(struct machine *machine, const char *at)
{
    const struct world *world = machine->world;

    for (size_t i = 0; i < world->line_count; i++) {
        const struct log_line *line = &world->lines[i];

        if (line->machine != machine->index ||
            line->time_ns > kernel_now(world->kernel) - WRITE_NS || find_line(&at, line->text))
            continue;
        world_accuse(machine->world, "LOG", NO_LETTER, 0,
                     "nixie-log of %s has not kept the line: %.200s", machine->name, line->text)
            ->time_ns = line->time_ns;
        return;
    }
}

void judge_log(struct machine *machine)
{
    struct files files;
    char *data;
    size_t size;

    if (!is_undisturbed(machine) || !list_files(machine, &files))
        return;
    data = read_files(machine, &files, &size);
    if (strlen(data) == size && files.count <= control_value(machine, "lognum", KEPT_DEFAULT))
        judge_lines(machine, data);
    free(data);
    free_files(&files);
}
