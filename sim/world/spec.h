/* SPDX-License-Identifier: ISC */
/* What a host of ours shall look like: plain data, made by the checker of scenarios. */
#ifndef SIM_WORLD_SPEC_H
#define SIM_WORLD_SPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct disk_model;

struct text {
    const char *data; /* `size` bytes, maybe with NULs, and a NUL behind them */
    size_t size;
};

struct named_text {
    const char *name;
    struct text text;
};

struct user_spec {
    const char *name; /* home: /home/NAME */
    uid_t uid;        /* gid is the same number */
    mode_t home_mode;
    struct named_text *qmail; /* name: "" for .qmail, "-ext" for .qmail-ext */
    size_t qmail_count;
    const char **maildirs; /* relative to the home, made at set-up; Maildir always is */
    size_t maildir_count;
};

/* What the n-th run of a declared program does; the first rule that fits counts. */
struct program_rule {
    uint64_t first, last; /* runs, from 1; last UINT64_MAX: for ever */
    int exit_code;
    int signal; /* if not 0 it dies by that signal instead */
    int64_t takes_ns;
    const char *print; /* written to its standard output, or NULL */
};

struct program_spec {
    const char *name; /* /bin/NAME */
    struct program_rule *rules;
    size_t rule_count;
};

struct home_spec {
    const char *name;   /* of the host */
    const char *domain; /* control/me */
    const struct disk_model *disk;
    uint64_t capacity_bytes; /* 0: no limit */
    bool single_user;
    struct named_text *controls;
    size_t control_count;
    struct user_spec *users;
    size_t user_count;
    struct named_text *aliases; /* name: of the file alias/.qmail-NAME */
    size_t alias_count;
    struct program_spec *programs;
    size_t program_count;
};

#endif
