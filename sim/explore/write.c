/* SPDX-License-Identifier: ISC */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sim/explore/explore.h"
#include "sim/scenario/tree.h"

/* --- the scenario without what it expects -----------------------------------------------------*/

static bool word_is(const struct statement *statement, size_t index, const char *text)
{
    return index < statement->word_count && statement->words[index].size == strlen(text) &&
           memcmp(statement->words[index].raw, text, strlen(text)) == 0;
}

static struct word word_of(struct pool *pool, const char *text)
{
    return (struct word){.raw = pool_text(pool, text), .size = strlen(text)};
}

static void drop_expectations(struct statement *root)
{
    size_t kept = 0;
    for (size_t i = 0; i < root->child_count; i++)
        if (!word_is(root->children[i], 0, "expect") && !word_is(root->children[i], 0, "until"))
            root->children[kept++] = root->children[i];
    root->child_count = kept;
}

/* Says below a host which model its disk has. */
static void set_disk(struct pool *pool, struct statement *host, const char *model)
{
    for (size_t i = 0; i < host->child_count; i++) {
        struct statement *child = host->children[i];
        if (word_is(child, 0, "disk") && child->word_count == 2) {
            child->words[1] = word_of(pool, model);
            return;
        }
    }
    struct statement *disk = pool_alloc(pool, sizeof *disk);
    memset(disk, 0, sizeof *disk);
    *POOL_ADD(pool, disk->words, disk->word_count) = word_of(pool, "disk");
    *POOL_ADD(pool, disk->words, disk->word_count) = word_of(pool, model);
    (void) POOL_ADD(pool, host->children, host->child_count);
    memmove(host->children + 1, host->children,
            (host->child_count - 1) * sizeof(struct statement *));
    host->children[0] = disk;
}

/* A path is relative to the file that names it; that one will stand elsewhere. */
static void make_absolute(struct pool *pool, struct statement *statement, size_t index,
                          const char *file)
{
    if (index >= statement->word_count || statement->words[index].quoted)
        return;
    const struct word *word = &statement->words[index];
    const char *slash = strrchr(file, '/');
    char *path = pool_format(pool, "%.*s%.*s", slash ? (int) (slash + 1 - file) : 0, file,
                             (int) word->size, word->raw);
    char *real = *word->raw == '/' ? NULL : realpath(path, NULL);
    if (real)
        statement->words[index] = word_of(pool, pool_format(pool, "\"%s\"", real));
    free(real);
}

static void adapt(struct pool *pool, struct statement *root, const char *file, const char *model)
{
    drop_expectations(root);
    for (size_t i = 0; i < root->child_count; i++) {
        struct statement *statement = root->children[i];
        if (word_is(statement, 0, "host"))
            set_disk(pool, statement, model);
        else if (word_is(statement, 0, "include"))
            make_absolute(pool, statement, 1, file);
        else if (word_is(statement, 0, "file"))
            make_absolute(pool, statement, 2, file);
    }
}

/* --- the crashes ------------------------------------------------------------------------------*/

/* A call takes effect when its time has come, and what is due at that time comes before it. */
#define AFTER_THE_CALL_NS 1

static void print_time(int64_t time_ns, FILE *to)
{
    fprintf(to, "at %lld.%09llds ", (long long) (time_ns / 1000000000),
            (long long) (time_ns % 1000000000));
}

static void print_crash(const struct explore_crash *crash, int64_t boot_delay_ns, FILE *to)
{
    if (crash->kind == UPSET_FAULT) {
        fprintf(to, "\n%s\n", crash->line ? crash->line : "");
        return;
    }
    fputc('\n', to);
    print_time(crash->time_ns + AFTER_THE_CALL_NS, to);
    if (!crash->program)
        fprintf(to, "crash %s power keep all\n", crash->host);
    else if (strcmp(crash->program, "*") == 0)
        fprintf(to, "crash %s programs\n", crash->host);
    else
        fprintf(to, "kill %s on %s\n", crash->program + strlen("nixie-"), crash->host);
    for (const char *line = crash->lost; line && *line;) {
        size_t length = strcspn(line, "\n");
        fprintf(to, "    %.*s\n", (int) length, line);
        line += length + (line[length] == '\n');
    }
    print_time(crash->time_ns + AFTER_THE_CALL_NS + boot_delay_ns, to);
    fprintf(to, "%s %s\n", crash->program ? "start" : "boot", crash->host);
}

/* Returns 0, or -1 with errno. */
static int print_scenario(FILE *to, const char *file, const struct explore_options *options,
                          const struct explore_failure *failure)
{
    struct pool pool = {0};
    struct complaints complaints = {.pool = &pool};
    struct source source;
    struct tree tree;
    int result = source_read(&pool, file, SOURCE_SIZE_MAX, &source);
    if (result == 0) {
        tree_read(&source, &complaints, &tree);
        adapt(&pool, &tree.root, file, disk_model_name(options->disk));
        fprintf(to, "# %s%s%s\n# The crash was %s.\n", failure->promise ? failure->promise : "",
                failure->promise ? ": " : "", failure->message, failure->crash);
        if (options->seed != 1 || options->policy != SCHEDULE_ROUND_ROBIN)
            fprintf(to, "# nixie run --seed %llu --schedule %s\n",
                    (unsigned long long) options->seed, schedule_name(options->policy));
        fputc('\n', to);
        tree_print(&tree, to);
        for (size_t i = 0; i < failure->crash_count; i++)
            print_crash(&failure->crashes[i], NANOSECONDS, to);
    }
    pool_free(&pool);
    return result;
}

/* --- the file ---------------------------------------------------------------------------------*/

static bool fails_with(const char *path, const struct explore_options *options, const char *message)
{
    struct run_options run = {
        .seed = options->seed, .policy = options->policy, .without = options->without};
    struct run_result result;
    bool found = false;
    struct scenario *scenario = scenario_load(path, NULL, 0, stderr);
    if (!scenario)
        return false;
    scenario_run(scenario, &run, &result);
    for (size_t i = 0; i < result.failure_count; i++)
        found |= strcmp(result.failures[i].message, message) == 0;
    found &= result.verdict == VERDICT_FAILED;
    run_result_free(&result);
    scenario_free(scenario);
    return found;
}

int explore_write(const char *path, const char *file, const struct explore_options *options,
                  const struct explore_failure *failure, const char **why)
{
    FILE *to = fopen(path, "wbx");
    *why = "a scenario file cannot be made there";
    if (!to)
        return -1;
    int result = print_scenario(to, file, options, failure);
    if (fclose(to) != 0 || result < 0) {
        unlink(path);
        return -1;
    }
    if (fails_with(path, options, failure->message))
        return 0;
    unlink(path);
    *why = "no scenario file: in the scenario's words it would not fail in the same way";
    return -1;
}
