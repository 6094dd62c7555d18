/* SPDX-License-Identifier: ISC */
/* The checker: from trees of statements to a scenario in which everything is resolved. */
#include "sim/scenario/checker.h"
#include "sim/scenario/cursor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- words -----------------------------------------------------------------------------------*/

static unsigned hex_value(char c)
{
    return c <= '9' ? (unsigned) (c - '0') : (unsigned) ((c | 32) - 'a' + 10);
}

/* Undoes one escape at *from; returns the byte. */
static char read_escape(const char **from)
{
    char c = (*from)[1];

    *from += 2;
    switch (c) {
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case 'x':
        *from += 2;
        return (char) (hex_value((*from)[-2]) * 16 + hex_value((*from)[-1]));
    default:
        return c;
    }
}

static const struct parameter *find_parameter(const struct checker *checker, const char *name,
                                              size_t size)
{
    for (size_t i = 0; i < checker->parameter_count; i++)
        if (strlen(checker->parameters[i].name) == size &&
            memcmp(checker->parameters[i].name, name, size) == 0)
            return &checker->parameters[i];
    return NULL;
}

#define VALUE_MAX ((size_t) 256 << 10)

/* Appends the value of the parameter that "${...}" at *from names.  Returns 0 or -1. */
static int replace_parameter(struct checker *checker, const char **from, const char *end,
                             char *value, size_t *used)
{
    const char *close = memchr(*from, '}', (size_t) (end - *from));
    const struct parameter *parameter;
    size_t size;

    if (!close)
        return -1;
    parameter = find_parameter(checker, *from + 2, (size_t) (close - *from) - 2);
    if (!parameter)
        return -1;
    size = strlen(parameter->value);
    if (*used + size >= VALUE_MAX)
        return -1;
    memcpy(value + *used, parameter->value, size);
    *used += size;
    *from = close + 1;
    return 0;
}

const char *word_value(struct checker *checker, const struct statement *statement, size_t index)
{
    const struct word *word = &statement->words[index];
    const char *from = word->raw, *end = from + word->size;
    char *value, *result;
    size_t used = 0;

    if (!word->quoted && !memchr(from, '$', word->size))
        return pool_copy(checker->pool, from, word->size);
    value = must_alloc(VALUE_MAX);
    if (word->quoted)
        from++, end--;
    while (from < end) {
        if (word->quoted && *from == '\\') {
            value[used++] = read_escape(&from);
        } else if (from + 1 < end && from[0] == '$' && from[1] == '{') {
            if (replace_parameter(checker, &from, end, value, &used) < 0) {
                complain(&checker->complaints, statement_word_at(statement, index),
                         "no such parameter is declared (param NAME VALUE)");
                free(value);
                return NULL;
            }
        } else {
            value[used++] = *from++;
        }
    }
    result = pool_copy(checker->pool, value, used);
    free(value);
    if (strlen(result) != used) {
        complain(&checker->complaints, statement_word_at(statement, index),
                 "a word must not hold a NUL byte");
        return NULL;
    }
    return result;
}

void complain_unknown(struct checker *checker, struct position at, const char *label,
                      const char *got, const char *const *names)
{
    const char *best = NULL;
    unsigned distance = 3;

    for (; names && *names; names++) {
        unsigned d = words_distance(got, *names, 2);

        if (d < distance && d < strlen(got)) {
            distance = d;
            best = *names;
        }
    }
    if (best)
        complain(&checker->complaints, at, "unknown %s \"%.60s\"; did you mean \"%s\"?", label, got,
                 best);
    else
        complain(&checker->complaints, at, "unknown %s \"%.60s\"", label, got);
}

/* --- what is below a statement ---------------------------------------------------------------*/

struct text lines_text(struct checker *checker, const struct statement *statement)
{
    size_t size = 0;
    char *text;

    for (size_t i = 0; i < statement->line_count; i++)
        size += statement->lines[i].size + 1;
    text = pool_alloc(checker->pool, size + 1);
    size = 0;
    for (size_t i = 0; i < statement->line_count; i++) {
        memcpy(text + size, statement->lines[i].text, statement->lines[i].size);
        size += statement->lines[i].size;
        text[size++] = '\n';
    }
    return (struct text){text, size};
}

void refuse_lines(struct checker *checker, const struct statement *statement)
{
    if (statement->line_count > 0)
        complain(&checker->complaints, statement->lines[0].at,
                 "the statement above takes no lines of text");
}

void refuse_children(struct checker *checker, const struct statement *statement)
{
    for (size_t i = 0; i < statement->child_count; i++)
        if (statement->children[i]->word_count > 0) {
            complain(&checker->complaints, statement->children[i]->at,
                     "the statement above takes no statements below it");
            return;
        }
}

const char *path_beside(struct checker *checker, const struct source *source, const char *path)
{
    const char *slash = strrchr(source->name, '/');

    if (*path == '/' || !slash)
        return path;
    return pool_format(checker->pool, "%.*s/%s", (int) (slash - source->name), source->name, path);
}

/* --- the top level ---------------------------------------------------------------------------*/

typedef void statement_check(struct checker *checker, const struct statement *statement);

static void check_title(struct checker *checker, const struct statement *statement)
{
    struct cursor cursor = cursor_open(checker, statement, "scenario \"TITLE\"");
    const char *title;

    cursor.at = 1;
    title = cursor_need_word(&cursor, "a title");
    if (!cursor_done(&cursor))
        return;
    if (checker->title_at)
        complain(&checker->complaints, statement->at,
                 "a file has one scenario; the first is on "
                 "line %u",
                 checker->title_at->at.line);
    else
        checker->scenario->title = title;
    checker->title_at = statement;
}

static void check_clock(struct checker *checker, const struct statement *statement)
{
    struct cursor cursor = cursor_open(checker, statement, "clock YYYY-MM-DD HH:MM:SS");
    const char *date, *time;

    cursor.at = 1;
    date = cursor_need_word(&cursor, "a date");
    time = cursor_need_word(&cursor, "a time of day");
    if (cursor_done(&cursor) && date_parse(date, time, &checker->scenario->epoch) < 0)
        complain(&checker->complaints, statement_word_at(statement, 1),
                 "expected a date and a time as in 2026-01-01 00:00:00");
}

static void check_until(struct checker *checker, const struct statement *statement)
{
    struct cursor cursor = cursor_open(checker, statement, "until TIME");
    struct moment moment;

    cursor.at = 1;
    moment = cursor_need_time(&cursor);
    if (cursor_done(&cursor)) {
        checker->scenario->until_ns = moment.ns;
        checker->scenario->has_until = true;
    }
}

static void check_file(struct checker *checker, const struct statement *statement)
{
    struct cursor cursor = cursor_open(checker, statement, "file NAME PATH, or lines below");
    const char *name, *path;
    struct declared_file *file;
    struct source source;

    cursor.at = 1;
    name = cursor_need_name(&cursor, "the name of a file");
    path = cursor_peek(&cursor);
    if (path)
        cursor.at++;
    if (!cursor_done(&cursor))
        return;
    for (size_t i = 0; i < checker->file_count; i++)
        if (strcmp(checker->files[i].name, name) == 0) {
            complain(&checker->complaints, statement_word_at(statement, 1),
                     "there is a file \"%s\" already", name);
            return;
        }
    file = POOL_ADD(checker->pool, checker->files, checker->file_count);
    file->name = name;
    file->content = lines_text(checker, statement);
    if (!path)
        return;
    if (statement->line_count > 0) {
        complain(&checker->complaints, statement->lines[0].at,
                 "a file has a path or lines, not both");
    } else if (source_read(checker->pool, path_beside(checker, statement->at.source, path),
                           CONTENT_MAX, &source) < 0) {
        complain(&checker->complaints, statement_word_at(statement, 2), "cannot read it: %s",
                 strerror(errno));
    } else {
        file->content = (struct text){source.text, source.size};
    }
}

static void check_nothing(struct checker *checker, const struct statement *statement)
{
    (void) checker;
    (void) statement;
}

enum pass { PASS_DECLARE, PASS_MESSAGES, PASS_UNDERSTAND };

static const struct {
    const char *keyword;
    enum pass pass;
    statement_check *check;
    bool lines, children;
} top_level[] = {
    {"scenario", PASS_DECLARE, check_title, false, false},
    {"param", PASS_DECLARE, check_nothing, false, false},
    {"include", PASS_DECLARE, check_nothing, false, false},
    {"clock", PASS_DECLARE, check_clock, false, false},
    {"until", PASS_DECLARE, check_until, false, false},
    {"file", PASS_DECLARE, check_file, true, false},
    {"host", PASS_DECLARE, check_host, false, true},
    {"remote", PASS_DECLARE, check_remote, false, true},
    {"client", PASS_DECLARE, check_client, false, true},
    {"dns", PASS_DECLARE, check_dns, false, true},
    {"match", PASS_MESSAGES, declare_match, false, false},
    {"at", PASS_MESSAGES, declare_messages, true, true},
    {"after", PASS_MESSAGES, declare_messages, true, true},
    {"before", PASS_MESSAGES, declare_messages, true, true},
    {"at", PASS_UNDERSTAND, check_event, true, true},
    {"after", PASS_UNDERSTAND, check_event, true, true},
    {"before", PASS_UNDERSTAND, check_event, true, true},
    {"network", PASS_UNDERSTAND, check_network, false, false},
    {"fault", PASS_UNDERSTAND, check_fault, false, false},
    {"expect", PASS_UNDERSTAND, check_expect, false, true},
    {"allow", PASS_UNDERSTAND, check_allow, false, false},
};
#define TOP_LEVEL_COUNT (sizeof top_level / sizeof *top_level)

static bool keyword_is(const struct statement *statement, const char *keyword)
{
    const struct word *word = &statement->words[0];

    return !word->quoted && word->size == strlen(keyword) &&
           memcmp(word->raw, keyword, word->size) == 0;
}

static void check_keyword(struct checker *checker, const struct statement *statement)
{
    const char *names[TOP_LEVEL_COUNT + 1] = {NULL};
    const char *got;

    for (size_t i = 0; i < TOP_LEVEL_COUNT; i++) {
        if (keyword_is(statement, top_level[i].keyword)) {
            if (!top_level[i].lines)
                refuse_lines(checker, statement);
            if (!top_level[i].children)
                refuse_children(checker, statement);
            return;
        }
        names[i] = top_level[i].keyword;
    }
    got = word_value(checker, statement, 0);
    if (got)
        complain_unknown(checker, statement->at, "statement", got, names);
}

static void run_pass(struct checker *checker, enum pass pass)
{
    for (size_t i = 0; i < checker->statement_count; i++)
        for (size_t k = 0; k < TOP_LEVEL_COUNT; k++)
            if (top_level[k].pass == pass &&
                keyword_is(checker->statements[i], top_level[k].keyword))
                top_level[k].check(checker, checker->statements[i]);
}

/* --- parameters and includes, while the statements are gathered ------------------------------*/

static void check_parameter(struct checker *checker, const struct statement *statement)
{
    struct cursor cursor = cursor_open(checker, statement, "param NAME VALUE");
    const char *name, *value;
    struct parameter *parameter;

    cursor.at = 1;
    name = cursor_need_name(&cursor, "the name of a parameter");
    value = cursor_need_word(&cursor, "a value");
    if (!cursor_done(&cursor))
        return;
    if (find_parameter(checker, name, strlen(name))) {
        complain(&checker->complaints, statement_word_at(statement, 1),
                 "there is a parameter \"%s\" already", name);
        return;
    }
    for (size_t i = 0; i < checker->definition_count; i++)
        if (strcmp(checker->definitions[i].name, name) == 0)
            value = checker->definitions[i].value;
    parameter = POOL_ADD(checker->pool, checker->parameters, checker->parameter_count);
    parameter->name = name;
    parameter->value = value;
}

static void gather(struct checker *checker, const struct source *source);

static void check_include(struct checker *checker, const struct statement *statement)
{
    struct cursor cursor = cursor_open(checker, statement, "include PATH");
    struct source *source = pool_alloc(checker->pool, sizeof *source);
    const char *path;

    cursor.at = 1;
    path = cursor_need_word(&cursor, "a path");
    if (!cursor_done(&cursor))
        return;
    if (checker->include_depth == INCLUDE_DEPTH_MAX || checker->include_count++ >= INCLUDES_MAX) {
        complain(&checker->complaints, statement->at, "too many files include each other");
    } else if (source_read(checker->pool, path_beside(checker, statement->at.source, path),
                           SOURCE_SIZE_MAX, source) < 0) {
        complain(&checker->complaints, statement_word_at(statement, 1), "cannot read it: %s",
                 strerror(errno));
    } else {
        checker->include_depth++;
        gather(checker, source);
        checker->include_depth--;
    }
}

static void gather(struct checker *checker, const struct source *source)
{
    struct tree *tree = pool_alloc(checker->pool, sizeof *tree);

    tree_read(source, &checker->complaints, tree);
    for (size_t i = 0; i < tree->root.child_count; i++) {
        const struct statement *statement = tree->root.children[i];

        if (statement->word_count == 0)
            continue;
        check_keyword(checker, statement);
        if (keyword_is(statement, "param"))
            check_parameter(checker, statement);
        else if (keyword_is(statement, "include"))
            check_include(checker, statement);
        *POOL_ADD(checker->pool, checker->statements, checker->statement_count) = statement;
    }
}

static void check_definitions(struct checker *checker, const struct source *source)
{
    struct position nowhere = {source, 0, 0, 0};

    for (size_t i = 0; i < checker->definition_count; i++)
        if (!find_parameter(checker, checker->definitions[i].name,
                            strlen(checker->definitions[i].name)))
            complain(&checker->complaints, nowhere, "-D %s: the file declares no such parameter",
                     checker->definitions[i].name);
}

/* --- from outside ----------------------------------------------------------------------------*/

/* True if something happens to the DNS, or is expected of it. */
static bool speaks_of_dns(const struct scenario *scenario)
{
    for (size_t i = 0; i < scenario->event_count; i++)
        if (scenario->events[i].action.kind == ACTION_NETWORK ||
            scenario->events[i].action.actor.kind == ACTOR_DNS)
            return true;
    for (size_t i = 0; i < scenario->expectation_count; i++)
        if (scenario->expectations[i].actor.kind == ACTOR_DNS)
            return true;
    return false;
}

/* Complaints are in the scenario's pool. */
static struct complaints check_all(struct scenario *scenario, const struct source *source,
                                   const struct definition *definitions, size_t definition_count)
{
    struct checker checker = {.scenario = scenario,
                              .pool = &scenario->pool,
                              .complaints = {.pool = &scenario->pool},
                              .definitions = definitions,
                              .definition_count = definition_count};
    const char *slash = strrchr(source->name, '/');

    scenario->file = source->name;
    scenario->title = slash ? slash + 1 : source->name;
    scenario->until_ns = INT64_MAX;
    gather(&checker, source);
    check_definitions(&checker, source);
    run_pass(&checker, PASS_DECLARE);
    finish_actors(&checker);
    run_pass(&checker, PASS_MESSAGES);
    finish_messages(&checker);
    run_pass(&checker, PASS_UNDERSTAND);
    scenario->internet = scenario->host_count > 1 || scenario->remote_count > 0 ||
                         scenario->client_count > 0 || scenario->network_count > 0 ||
                         checker.dns_at != NULL || speaks_of_dns(scenario);
    return checker.complaints;
}

static struct scenario *check_source(struct scenario *scenario, const struct source *source,
                                     const struct definition *definitions, size_t definition_count,
                                     FILE *errors)
{
    struct complaints complaints = check_all(scenario, source, definitions, definition_count);

    if (complaints.total == 0)
        return scenario;
    complaints_print(&complaints, errors);
    scenario_free(scenario);
    return NULL;
}

static struct scenario *new_scenario(void)
{
    struct scenario *scenario = must_alloc(sizeof *scenario);

    memset(scenario, 0, sizeof *scenario);
    return scenario;
}

struct scenario *scenario_load(const char *path, const struct definition *definitions,
                               size_t definition_count, FILE *errors)
{
    struct scenario *scenario = new_scenario();
    struct source source;

    if (source_read(&scenario->pool, path, SOURCE_SIZE_MAX, &source) < 0) {
        fprintf(errors, "%s: cannot read it: %s\n", path, strerror(errno));
        scenario_free(scenario);
        return NULL;
    }
    return check_source(scenario,
                        memcpy(pool_alloc(&scenario->pool, sizeof source), &source, sizeof source),
                        definitions, definition_count, errors);
}

static struct source *source_of(struct scenario *scenario, const char *name, const char *text,
                                size_t size)
{
    struct source *source = pool_alloc(&scenario->pool, sizeof *source);

    source->name = pool_text(&scenario->pool, name);
    source->text = pool_copy(&scenario->pool, text, size);
    source->size = size;
    return source;
}

struct scenario *scenario_parse(const char *name, const char *text, size_t size,
                                const struct definition *definitions, size_t definition_count,
                                FILE *errors)
{
    struct scenario *scenario = new_scenario();

    return check_source(scenario, source_of(scenario, name, text, size), definitions,
                        definition_count, errors);
}

struct scenario *scenario_try(const char *name, const char *text, size_t size, struct flaw *flaws,
                              size_t flaw_max, size_t *flaw_count)
{
    struct scenario *scenario = new_scenario();
    struct complaints complaints =
        check_all(scenario, source_of(scenario, name, text, size), NULL, 0);

    *flaw_count = 0;
    if (complaints.total == 0)
        return scenario;
    for (; *flaw_count < flaw_max && *flaw_count < complaints.count; ++*flaw_count)
        flaws[*flaw_count] = (struct flaw){complaints.list[*flaw_count].at.line,
                                           complaints.list[*flaw_count].at.column};
    scenario_free(scenario);
    return NULL;
}

void scenario_free(struct scenario *scenario)
{
    if (!scenario)
        return;
    pool_free(&scenario->pool);
    free(scenario);
}

const char *scenario_title(const struct scenario *scenario)
{
    return scenario->title;
}

const char *scenario_file(const struct scenario *scenario)
{
    return scenario->file;
}

int scenario_plays(const struct scenario *scenario, FILE *errors)
{
    for (size_t i = 0; i < scenario->submission_count; i++) {
        const struct submission *submission = &scenario->submissions[i];

        if (submission->via != VIA_APPLICATION)
            continue;
        fprintf(errors, "%s:%u:%u: an application sends \"%s\": this file is for nixie serve\n",
                submission->at.source->name, submission->at.line, submission->at.column,
                submission->name);
        position_show(submission->at, errors);
        return -1;
    }
    return 0;
}
