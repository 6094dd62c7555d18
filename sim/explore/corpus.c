/* SPDX-License-Identifier: ISC */
#include "sim/explore/corpus.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sim/world/pool.h"

#define LINE_ROOM 65536

/* --- reading ----------------------------------------------------------------------------------*/

static char *copy(const char *text)
{
    return must_copy(text, strlen(text));
}

/* "disk strict": false if the word is none of these, or its value is wrong. */
static bool read_line(struct corpus_entry *entry, char *line)
{
    char *value = strchr(line, ' ');
    if (!value) {
        entry->knobs |= strcmp(line, "knobs") == 0;
        return strcmp(line, "run") == 0 || strcmp(line, "knobs") == 0;
    }
    *value++ = 0;
    if (strcmp(line, "scenario") == 0 && !entry->scenario) {
        entry->scenario = copy(value);
    } else if (strcmp(line, "disk") == 0) {
        entry->disk = disk_model_named(value);
        return entry->disk;
    } else if (strcmp(line, "schedule") == 0) {
        return schedule_named(value, &entry->policy) == 0;
    } else if (strcmp(line, "seed") == 0) {
        entry->seed = strtoull(value, NULL, 10);
        return entry->seed > 0;
    } else if (strcmp(line, "run") == 0 && !entry->run) {
        value[-1] = ' ';
        entry->run = copy(value - 1);
    } else {
        return false;
    }
    return true;
}

static void entry_free(struct corpus_entry *entry)
{
    free(entry->scenario);
    free(entry->run);
}

static void read_file(struct corpus *corpus, const char *path)
{
    struct corpus_entry entry = {0};
    FILE *from = fopen(path, "re");
    char *line = must_alloc(LINE_ROOM);
    bool good = from;
    while (good && fgets(line, LINE_ROOM, from)) {
        line[strcspn(line, "\n")] = 0;
        good = read_line(&entry, line);
    }
    free(line);
    if (from)
        fclose(from);
    if (good && entry.scenario && entry.disk && entry.seed) {
        if (!entry.run)
            entry.run = copy("");
        *LIST_ADD(corpus->entries, corpus->count) = entry;
    } else {
        entry_free(&entry);
    }
}

static int is_run(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);
    return length > 4 && strcmp(entry->d_name + length - 4, ".run") == 0;
}

/* In bytes, whatever the locale is. */
static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

int corpus_open(struct corpus *corpus, const char *folder)
{
    struct dirent **names;
    char path[PATH_MAX];
    memset(corpus, 0, sizeof *corpus);
    if (mkdir(folder, 0777) < 0 && errno != EEXIST)
        return -1;
    int count = scandir(folder, &names, is_run, by_name);
    if (count < 0)
        return -1;
    corpus->folder = copy(folder);
    for (int i = 0; i < count; i++) {
        if (snprintf(path, sizeof path, "%s/%s", folder, names[i]->d_name) < (int) sizeof path)
            read_file(corpus, path);
        free(names[i]);
    }
    free(names);
    return 0;
}

void corpus_close(struct corpus *corpus)
{
    for (size_t i = 0; i < corpus->count; i++)
        entry_free(&corpus->entries[i]);
    free(corpus->entries);
    free(corpus->folder);
    memset(corpus, 0, sizeof *corpus);
}

/* --- using and adding -------------------------------------------------------------------------*/

static const char *name_of(const struct explore_unit *unit)
{
    return unit->file ? unit->file : "random";
}

static bool is_of(const struct corpus_entry *entry, const struct explore_unit *unit)
{
    return entry->seed == unit->options.seed && entry->policy == unit->options.policy &&
           entry->disk == unit->options.disk && entry->knobs == unit->options.knobs &&
           strcmp(entry->scenario, name_of(unit)) == 0;
}

struct plan *corpus_plans(const struct corpus *corpus, const struct explore_unit *unit,
                          size_t *count)
{
    struct plan *plans = NULL, plan;
    *count = 0;
    for (size_t i = 0; i < corpus->count; i++)
        if (is_of(&corpus->entries[i], unit) &&
            plan_read(corpus->entries[i].run, unit->scenario, &plan) == 0)
            *LIST_ADD(plans, *count) = plan;
    return plans;
}

static uint64_t hash_text(const char *text, size_t size)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ (unsigned char) text[i]) * 0x100000001b3u;
    return hash;
}

int corpus_add(struct corpus *corpus, const struct explore_unit *unit, const struct plan *plan)
{
    char *text = NULL, *words = plan_words(plan, unit->scenario), path[PATH_MAX];
    size_t size = 0;
    FILE *memory = open_memstream(&text, &size), *to = NULL;
    int result = -1;
    if (!memory)
        goto out;
    fprintf(memory, "scenario %s\ndisk %s\nschedule %s\nseed %llu\n%srun%s\n", name_of(unit),
            disk_model_name(unit->options.disk), schedule_name(unit->options.policy),
            (unsigned long long) unit->options.seed, unit->options.knobs ? "knobs\n" : "", words);
    fclose(memory);
    if (snprintf(path, sizeof path, "%s/%016llx.run", corpus->folder,
                 (unsigned long long) hash_text(text, size)) >= (int) sizeof path)
        goto out;
    to = fopen(path, "wxe");
    if (to) {
        bool failed = fwrite(text, 1, size, to) != size;
        failed |= fclose(to) != 0;
        result = failed ? -1 : 0;
        if (failed)
            unlink(path);
        else
            corpus->added++;
    } else if (errno == EEXIST) {
        result = 0;
    }
out:
    free(text);
    free(words);
    return result;
}
