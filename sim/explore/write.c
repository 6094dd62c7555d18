/* SPDX-License-Identifier: ISC */
#include "sim/explore/write.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sim/explore/draft.h"
#include "sim/explore/reason.h"
#include "sim/explore/shrink.h"

/* One that is there already. */
struct written {
    char *key; /* of the violation */
    char *path;
    char *text; /* malloc'd */
};

/* --- the scenario without what it expects -----------------------------------------------------*/

/* With more that goes wrong than it tells, what it expects need not hold. */
static void drop_expectations(struct statement *root)
{
    for (size_t i = root->child_count; i-- > 0;)
        if (word_is(root->children[i], 0, "expect") || word_is(root->children[i], 0, "until"))
            statements_remove(root, i, 1);
}

/* Says below a host which model its disk has. */
static void set_disk(struct draft *draft, struct statement *host, const char *model)
{
    for (size_t i = host->child_count; i-- > 0;)
        if (word_is(host->children[i], 0, "disk"))
            statements_remove(host, i, 1);
    statement_insert(draft, host, 0, pool_format(&draft->pool, "disk %s", model));
}

/* A path is relative to the file that names it; that one will stand elsewhere. */
static void make_absolute(struct draft *draft, struct statement *statement, size_t index,
                          const char *file)
{
    if (index >= statement->word_count || statement->words[index].quoted)
        return;
    const char *slash = strrchr(file, '/'), *word = draft_word(draft, statement, index);
    char *path =
        pool_format(&draft->pool, "%.*s%s", slash ? (int) (slash + 1 - file) : 0, file, word);
    char *real = *word == '/' ? NULL : realpath(path, NULL);
    if (real)
        word_set(draft, statement, index, pool_format(&draft->pool, "\"%s\"", real));
    free(real);
}

static void set_parameter(struct draft *draft, struct statement *param,
                          const struct explore_writer *writer)
{
    for (size_t i = 0; i < writer->definition_count && param->word_count == 3; i++)
        if (word_is(param, 1, writer->definitions[i].name))
            word_set(draft, param, 2,
                     pool_format(&draft->pool, "\"%s\"", writer->definitions[i].value));
}

static void adapt(struct draft *draft, const struct explore_writer *writer, const char *model,
                  bool keep_expectations)
{
    struct statement *root = &draft->tree.root;
    if (!keep_expectations)
        drop_expectations(root);
    for (size_t i = 0; i < root->child_count; i++) {
        struct statement *statement = root->children[i];
        if (word_is(statement, 0, "host") && model)
            set_disk(draft, statement, model);
        else if (word_is(statement, 0, "param"))
            set_parameter(draft, statement, writer);
        else if (word_is(statement, 0, "include"))
            make_absolute(draft, statement, 1, writer->file);
        else if (word_is(statement, 0, "file"))
            make_absolute(draft, statement, 2, writer->file);
    }
}

/* --- what goes wrong --------------------------------------------------------------------------*/

static void print_time(int64_t time_ns, FILE *to)
{
    fprintf(to, "at %lld.%09llds ", (long long) (time_ns / NANOSECONDS),
            (long long) (time_ns % NANOSECONDS));
}

static void print_crash(const struct explore_crash *crash, int64_t time_ns, FILE *to)
{
    fputc('\n', to);
    print_time(time_ns, to);
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
    print_time(time_ns + NANOSECONDS, to);
    fprintf(to, "%s %s\n", crash->program ? "start" : "boot", crash->host);
}

static void print_comment(const struct explore_options *options,
                          const struct explore_failure *failure, FILE *to)
{
    fprintf(to, "# %s%s%s\n# It happened %s.\n", failure->promise ? failure->promise : "",
            failure->promise ? ": " : "", failure->message, failure->crash);
    if (options->seed != 1 || options->policy != SCHEDULE_ROUND_ROBIN || options->knobs)
        fprintf(to, "# nixie run --seed %llu --schedule %s%s\n", (unsigned long long) options->seed,
                schedule_name(options->policy), options->knobs ? " --knobs" : "");
    fputc('\n', to);
}

/* The text with each crash `later_ns` after its call; malloc'd.  NULL: *why. */
static char *make_text(const struct explore_writer *writer, const struct explore_options *options,
                       const struct explore_failure *failure, int64_t later_ns, size_t *size,
                       const char **why)
{
    struct pool pool = {0};
    struct source source;
    struct draft draft;
    char *text = NULL;
    *why = "no scenario file: the scenario cannot be read again";
    if (source_read(&pool, writer->file, SOURCE_SIZE_MAX, &source) < 0 ||
        draft_read(&draft, source.text, source.size) < 0) {
        pool_free(&pool);
        return NULL;
    }
    adapt(&draft, writer, options->disk ? disk_model_name(options->disk) : NULL, !failure->promise);
    FILE *to = open_memstream(&text, size);
    if (!to)
        abort();
    print_comment(options, failure, to);
    tree_print(&draft.tree, to);
    *why = NULL;
    for (size_t i = 0; i < failure->crash_count; i++) {
        const struct explore_crash *crash = &failure->crashes[i];
        if (crash->kind != UPSET_FAULT)
            print_crash(crash, crash->time_ns + later_ns, to);
        else if (crash->line)
            fprintf(to, "\n%s\n", crash->line);
        else
            *why = "no scenario file: the language has no words for that fault";
    }
    fclose(to);
    draft_free(&draft);
    pool_free(&pool);
    return text;
}

/* --- whether it is the same -------------------------------------------------------------------*/

/* The message of the failure of `text` that is for the same reason, exactly so if `exact`;
 * malloc'd, or NULL. */
static char *same_failure(const struct explore_writer *writer, const char *text, size_t size,
                          const struct explore_options *options,
                          const struct explore_failure *failure, bool exact)
{
    struct failure wanted = {.promise = failure->promise, .message = failure->message};
    struct run_options run = {.seed = options->seed,
                              .policy = options->policy,
                              .knobs = options->knobs,
                              .without = options->without};
    struct run_result result;
    struct reason reason;
    size_t count;
    char *message = NULL;
    struct scenario *scenario = scenario_try(writer->file, text, size, NULL, 0, &count);
    if (!scenario)
        return NULL;
    scenario_run(scenario, &run, &result);
    reason_of(scenario, &wanted, &reason);
    const struct failure *found = reason_find(&reason, scenario, &result);
    if (found && (!exact || strcmp(found->message, failure->message) == 0))
        message = must_copy(found->message, strlen(found->message));
    reason_free(&reason);
    run_result_free(&result);
    scenario_free(scenario);
    return message;
}

/* A call takes effect when its time has come, and what is due at that time comes before it: a crash
 * 1 ns later is behind it.  On other machines calls may take effect at just that time. */
static char *find_text(const struct explore_writer *writer, const struct explore_options *options,
                       const struct explore_failure *failure, size_t *size, char **message,
                       const char **why)
{
    static const int64_t later_ns[] = {1, 0, 1000, -1000};
    for (int exact = 1; exact >= 0; exact--)
        for (size_t i = 0; i < sizeof later_ns / sizeof *later_ns; i++) {
            char *text = make_text(writer, options, failure, later_ns[i], size, why);
            if (!text)
                return NULL;
            if (!*why)
                *message = same_failure(writer, text, *size, options, failure, exact);
            if (*message)
                return text;
            free(text);
            if (*why)
                return NULL;
        }
    *why = "no scenario file: in the scenario's words it would not fail in the same way";
    return NULL;
}

/* --- the file ---------------------------------------------------------------------------------*/

static void free_path(const struct explore_writer *writer, char path[PATH_MAX])
{
    const char *slash = strrchr(writer->file, '/'), *name = slash ? slash + 1 : writer->file;
    const char *dot = strrchr(name, '.');
    int length = dot && dot > name ? (int) (dot - name) : (int) strlen(name);
    for (unsigned number = 1;; number++) {
        snprintf(path, PATH_MAX, "%s/%.*s-%u.scenario", writer->folder, length, name, number);
        if (number == 10000 || access(path, F_OK) < 0)
            return;
    }
}

static int put_file(struct explore_writer *writer, const char *path, const char *text, size_t size)
{
    FILE *to = fopen(path, "wbx");
    if (to) {
        bool failed = fwrite(text, 1, size, to) != size;
        if (fclose(to) == 0 && !failed)
            return 0;
    }
    snprintf(writer->why, sizeof writer->why, "none, it cannot be made in %.120s: %s",
             writer->folder, strerror(errno));
    if (to)
        unlink(path);
    return -1;
}

/* What makes violations alike. */
static char *make_key(const struct explore_failure *failure)
{
    char *key = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&key, &size);
    if (!to)
        abort();
    fprintf(to, "%s %s", failure->promise ? failure->promise : "", failure->message);
    for (size_t i = 0; i < failure->crash_count; i++)
        fprintf(to, "; %d %s", (int) failure->crashes[i].kind,
                failure->crashes[i].program ? failure->crashes[i].program : "power");
    fprintf(to, "; %s", failure->crash);
    fclose(to);
    char *kept = key;
    for (const char *at = key; *at; at++)
        if (*at < '0' || *at > '9')
            *kept++ = *at;
    *kept = 0;
    return key;
}

static const char *find_written(const struct explore_writer *writer, const char *key)
{
    for (size_t i = 0; i < writer->count; i++)
        if (strcmp(writer->list[i].key, key) == 0)
            return writer->list[i].path;
    return NULL;
}

/* The path of one that has that very text. */
static const char *find_text_written(const struct explore_writer *writer, const char *text)
{
    for (size_t i = 0; i < writer->count; i++)
        if (strcmp(writer->list[i].text, text) == 0)
            return writer->list[i].path;
    return NULL;
}

/* In a process of its own: writes the result to `to` and ends. */
static void shrink_there(const struct explore_writer *writer, const struct explore_options *options,
                         const struct explore_failure *failure, const char *message,
                         const char *text, size_t size, FILE *to)
{
    struct shrink_options shrinking = {.promise = failure->promise,
                                       .message = message,
                                       .seed = options->seed,
                                       .policy = options->policy,
                                       .knobs = options->knobs,
                                       .without = options->without,
                                       .folder = writer->folder};
    struct shrink_result result;
    const char *why;
    if (shrink(writer->file, text, size, &shrinking, &result, &why) < 0 ||
        fwrite(result.text, 1, result.size, to) != result.size || fflush(to) != 0)
        _exit(1);
    _exit(0);
}

/* The whole of a file, which is closed; malloc'd, or NULL. */
static char *take_file(FILE *file, size_t *size)
{
    long length = fseek(file, 0, SEEK_END) == 0 ? ftell(file) : -1;
    char *text = length > 0 ? must_alloc((size_t) length + 1) : NULL;
    rewind(file);
    if (text && fread(text, 1, (size_t) length, file) == (size_t) length) {
        text[length] = 0;
        *size = (size_t) length;
    } else {
        free(text);
        text = NULL;
    }
    fclose(file);
    return text;
}

/* `text`, or a smaller one in its place: of a server with a bug, one of the many runs may break the
 * simulator, so they take place in another process. */
static char *shrink_text(const struct explore_writer *writer, const struct explore_options *options,
                         const struct explore_failure *failure, const char *message, char *text,
                         size_t *size)
{
    FILE *file = tmpfile();
    fflush(stdout);
    pid_t child = file ? fork() : -1;
    int status = -1;
    if (child == 0)
        shrink_there(writer, options, failure, message, text, *size, file);
    if (child > 0)
        while (waitpid(child, &status, 0) < 0 && errno == EINTR)
            ;
    char *smaller = NULL;
    if (status == 0)
        smaller = take_file(file, size);
    else if (file)
        fclose(file);
    if (!smaller)
        return text;
    free(text);
    return smaller;
}

/* Nixie itself broke, or two runs that should be equal were not: no promise of a server's. */
static bool is_of_simulator(const struct explore_failure *failure)
{
    return failure->promise &&
           (strcmp(failure->promise, "BROKEN") == 0 || strcmp(failure->promise, "EQUALITY") == 0 ||
            strcmp(failure->promise, "DETERMINISM") == 0);
}

int explore_write(struct explore_writer *writer, const struct explore_options *options,
                  const struct explore_failure *failure, const char **path, const char **why)
{
    char free_name[PATH_MAX], *message = NULL, *key = make_key(failure);
    size_t size;
    *why = "no scenario file: it is the simulator that failed";
    if (is_of_simulator(failure)) {
        free(key);
        return -1;
    }
    *path = writer->raw ? NULL : find_written(writer, key);
    if (*path) {
        free(key);
        return 0;
    }
    char *text = find_text(writer, options, failure, &size, &message, why);
    if (text && !writer->raw)
        text = shrink_text(writer, options, failure, message, text, &size);
    free(message);
    if (!text) {
        free(key);
        return -1;
    }
    const char *known = writer->raw ? NULL : find_text_written(writer, text);
    free_path(writer, free_name);
    if (!known && put_file(writer, free_name, text, size) < 0) {
        *why = writer->why;
        free(key);
        free(text);
        return -1;
    }
    known = known ? known : free_name;
    struct written *written = LIST_ADD(writer->list, writer->count);
    *written = (struct written){key, must_copy(known, strlen(known)), text};
    *path = written->path;
    return 0;
}

void explore_writer_free(struct explore_writer *writer)
{
    for (size_t i = 0; i < writer->count; i++) {
        free(writer->list[i].key);
        free(writer->list[i].path);
        free(writer->list[i].text);
    }
    free(writer->list);
    writer->list = NULL;
    writer->count = 0;
}
