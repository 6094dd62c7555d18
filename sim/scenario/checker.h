/* SPDX-License-Identifier: ISC */
/* What the parts of the checker share. */
#ifndef SIM_SCENARIO_CHECKER_H
#define SIM_SCENARIO_CHECKER_H

#include "sim/scenario/model.h"
#include "sim/scenario/tree.h"

#define MESSAGES_MAX 100000
#define CONTENT_MAX ((size_t) 64 << 20)
#define INCLUDE_DEPTH_MAX 8
#define INCLUDES_MAX 100

struct parameter {
    const char *name;
    const char *value;
};

struct declared_file {
    const char *name;
    struct text content;
};

struct checker {
    struct scenario *scenario;
    struct pool *pool;
    struct complaints complaints;
    const struct definition *definitions;
    size_t definition_count;
    struct parameter *parameters;
    size_t parameter_count;
    struct declared_file *files;
    size_t file_count;
    const struct statement **statements; /* of all files, at the top level */
    size_t statement_count;
    unsigned include_depth;
    unsigned include_count;
    const struct statement *title_at;
};

/* The word without quotes and escapes, with ${parameters} replaced.  NULL after a complaint. */
const char *word_value(struct checker *checker, const struct statement *statement, size_t index);

/* "unknown LABEL "got"", with a suggestion out of `names` (NULL at the end). */
void complain_unknown(struct checker *checker, struct position at, const char *label,
                      const char *got, const char *const *names);

/* The path of a file that a statement of `source` names. */
const char *path_beside(struct checker *checker, const struct source *source, const char *path);

/* The lines below a statement as one text, each with a newline. */
struct text lines_text(struct checker *checker, const struct statement *statement);
/* Complains about lines or statements below a statement that may have none. */
void refuse_lines(struct checker *checker, const struct statement *statement);
void refuse_children(struct checker *checker, const struct statement *statement);

/* check_host.c */
void check_host(struct checker *checker, const struct statement *statement);
/* check_event.c: declares messages first, then everything is understood. */
void declare_messages(struct checker *checker, const struct statement *statement);
void check_event(struct checker *checker, const struct statement *statement);
void check_fault(struct checker *checker, const struct statement *statement);
/* check_message.c */
void finish_messages(struct checker *checker);
/* check_expect.c */
void check_expect(struct checker *checker, const struct statement *statement);
void check_allow(struct checker *checker, const struct statement *statement);

struct cursor;
/* A message; it must be declared. */
void need_selector(struct cursor *cursor, struct selector *selector);
/* The host of that name, or the only one if there is no `on`: see each caller. */
bool find_host(const struct checker *checker, const char *name, size_t *host);
size_t need_host(struct cursor *cursor);
/* "[on HOST]"; the only host if left out. */
size_t need_on_host(struct cursor *cursor);
enum stage need_stage(struct cursor *cursor);
/* A signal by name with or without SIG; errno by name; a call of the simulated kernel. */
int signal_named(const char *name);
int error_named(const char *name);

#endif
