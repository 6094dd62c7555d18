/* SPDX-License-Identifier: ISC */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sim/run_capture.h"
#include "sim/world/pool.h"

#define NAME_MOST 180 /* a file name is at most 255, and more is put before and behind it */

/* --- names -------------------------------------------------------------------------------------*/

/* A path without its end, and its last component or the last two: "mail/01-relay.scenario" is
 * "01-relay", or "mail-01-relay". */
static char *short_name(struct pool *pool, const char *path, bool with_folder)
{
    static const char ending[] = ".scenario";
    size_t size = strlen(path), start;

    if (size > strlen(ending) && strcmp(path + size - strlen(ending), ending) == 0)
        size -= strlen(ending);
    for (start = size; start > 0 && path[start - 1] != '/';)
        start--;
    if (with_folder && start > 0)
        for (start--; start > 0 && path[start - 1] != '/';)
            start--;
    return pool_copy(pool, path + start, size - start);
}

/* Leaves what is good in a file name everywhere; "-" stands for all between. */
static void clean(char *text)
{
    char *to = text;

    for (const char *at = text; *at; at++) {
        if (isalnum((unsigned char) *at) || strchr("._=+,%@", *at))
            *to++ = *at;
        else if (to > text && to[-1] != '-')
            *to++ = '-';
    }
    while (to > text && to[-1] == '-')
        to--;
    *to = '\0';
    if (*text == '.') /* such files are hidden, or special */
        *text = '_';
}

/* FNV-1a, for what is too long. */
static void shorten(char *text)
{
    uint64_t hash = 0xcbf29ce484222325u;

    if (strlen(text) <= NAME_MOST)
        return;
    for (const char *at = text; *at; at++)
        hash = (hash ^ (unsigned char) *at) * 0x100000001b3u;
    snprintf(text + NAME_MOST - 17, 18, "-%016llx", (unsigned long long) hash);
}

static char *name_of(struct pool *pool, const char *path, bool with_folder, const char *options,
                     uint64_t seed)
{
    char *name = pool_format(pool, "%s %s", short_name(pool, path, with_folder), options);

    if (seed > 1)
        name = pool_format(pool, "%s seed %llu", name, (unsigned long long) seed);
    clean(name);
    shorten(name);
    return *name ? name : pool_text(pool, "scenario");
}

static bool is_taken(char *const *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

/* How many of them have the name of that one, itself too. */
static size_t namesakes(struct pool *pool, const char *const *files, size_t count, size_t one)
{
    const char *name = short_name(pool, files[one], false);
    size_t same = 0;

    for (size_t i = 0; i < count; i++)
        if (strcmp(short_name(pool, files[i], false), name) == 0)
            same++;
    return same;
}

static void make_names(struct run_capture *capture, struct pool *pool, const char *const *files,
                       size_t count, const char *options, uint64_t seed)
{
    capture->names = pool_alloc(pool, (count + 1) * sizeof *capture->names);
    for (size_t i = 0; i < count; i++) {
        bool with_folder = namesakes(pool, files, count, i) > 1;
        char *name = name_of(pool, files[i], with_folder, options, seed), *own = name;

        for (unsigned number = 2; is_taken(capture->names, i, own); number++)
            own = pool_format(pool, "%s-%u", name, number);
        capture->names[i] = own;
    }
}

/* --- the run -----------------------------------------------------------------------------------*/

int run_capture_prepare(struct run_capture *capture, struct pool *pool, const char *const *files,
                        size_t count, const char *options, uint64_t seed)
{
    struct stat stat_now;
    const char *directory = capture->directory;

    if (!directory)
        return 0;
    if (mkdir(directory, 0777) < 0 && errno != EEXIST) {
        fprintf(stderr, "%s: cannot make it: %s\n", directory, strerror(errno));
        return -1;
    }
    if (stat(directory, &stat_now) == 0 && !S_ISDIR(stat_now.st_mode))
        errno = ENOTDIR;
    else if (access(directory, R_OK | W_OK | X_OK) == 0) {
        make_names(capture, pool, files, count, options, seed);
        return 0;
    }
    fprintf(stderr, "%s: cannot write captures there: %s\n", directory, strerror(errno));
    return -1;
}

static void start(void *context, struct world *world)
{
    struct run_capture *capture = context;

    capture->recorder = recorder_start(world->kernel, capture->directory, capture->name);
}

static void end(void *context, const struct world *world, const struct run_result *result)
{
    struct run_capture *capture = context;

    (void) world;
    (void) result;
    recorder_end(capture->recorder, &capture->recorded);
    capture->recorder = NULL;
}

void run_capture_hook(struct run_capture *capture, size_t file, struct run_options *options)
{
    if (!capture->directory)
        return;
    capture->name = capture->names[file];
    options->started = start;
    options->started_context = capture;
    options->ended = end;
    options->ended_context = capture;
}

int run_capture_finish(struct run_capture *capture, FILE *out)
{
    const struct recorded *recorded = &capture->recorded;
    int result = recorded->failed ? -1 : 0;

    if (!capture->directory)
        return 0;
    if (out)
        fprintf(out, "%zu capture%s, %llu packets in %s\n", recorded->files,
                recorded->files == 1 ? "" : "s", (unsigned long long) recorded->packets,
                capture->directory);
    if (result < 0 && recorded->error) /* else it has been said */
        fprintf(stderr, "%s: cannot write it: %s\n", recorded->failed, strerror(recorded->error));
    free(capture->recorded.failed);
    capture->recorded.failed = NULL;
    return result;
}
