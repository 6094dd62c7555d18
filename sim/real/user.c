/* SPDX-License-Identifier: ISC */
/* `nixie mta user`: a local user with a Maildir below the home. */
#include "sim/real/commands.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "sim/real/files.h"
#include "sim/real/layout.h"
#include "sim/real/say.h"

#define NAME_MAX_LENGTH 64 /* RFC 5321 4.5.3.1.1 */
#define ASSIGN_MAX (16 << 20)

struct person {
    const char *name;
    char folder[NAME_MAX_LENGTH + 8]; /* "users/NAME" */
    uid_t uid;
    gid_t gid;
};

/* Lower-case letters, digits and .-_ ; starts with a letter or a digit. */
static bool name_is_good(const char *name)
{
    static const char first[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    static const char rest[] = "abcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t length = strlen(name);
    return length > 0 && length <= NAME_MAX_LENGTH && strchr(first, name[0]) &&
           strspn(name, rest) == length && name[length - 1] != '.' && !strstr(name, "..");
}

/* Whose mailbox it is: the user of the home, or the system's user of that name. */
static int find_person(const struct layout_home *home, const struct mta_options *options,
                       struct person *person)
{
    person->uid = geteuid();
    person->gid = getegid();
    if (home->single_user)
        return person->uid == 0 ? say_failure(MTA_WRONG,
                                              "%s is in single-user mode; run this as its "
                                              "owner, not as root",
                                              home->path)
                                : MTA_OK;
    if (person->uid != 0)
        return say_failure(MTA_LACKING, "%s belongs to root; run this as root", home->path);
    struct passwd *entry = getpwnam(person->name);
    if (!entry && options->create_users) {
        char folder[PATH_MAX + sizeof person->folder + 1];
        snprintf(folder, sizeof folder, "%s/%s", home->path, person->folder);
        int result = accounts_create_person(person->name, folder);
        if (result != MTA_OK)
            return result;
        entry = getpwnam(person->name);
    }
    if (!entry)
        return say_failure(MTA_LACKING,
                           "the system has no user %s to own the mailbox.  Give --create-users, or "
                           "run: useradd --system --no-create-home --shell /usr/sbin/nologin %s",
                           person->name, person->name);
    if (entry->pw_uid == 0)
        return say_failure(MTA_WRONG, "root gets no mailbox; let %s/alias/.qmail-root name a user",
                           home->path);
    person->uid = entry->pw_uid;
    person->gid = entry->pw_gid;
    return MTA_OK;
}

/* Takes away what an interrupted run left of the folder `at`. */
static void remove_unfinished(int home, const char *at)
{
    static const char *const files[] = {"/.qmail", "/..qmail.new"};
    static const char *const folders[] = {"/Maildir/tmp", "/Maildir/new", "/Maildir/cur",
                                          "/Maildir", ""};
    char path[NAME_MAX_LENGTH + 64];
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "%s%s", at, files[i]);
        unlinkat(home, path, 0);
    }
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        snprintf(path, sizeof path, "%s%s", at, folders[i]);
        unlinkat(home, path, AT_REMOVEDIR);
    }
}

/* While it is being filled the folder is ours, so that nobody can put a link into it; it is handed
 * over from the leaves up. */
static int fill_folder(int home, const char *at, const struct person *person)
{
    static const char *const folders[] = {"/Maildir/tmp", "/Maildir/new", "/Maildir/cur",
                                          "/Maildir", ""};
    static const char instruction[] = "./Maildir/\n";
    char path[NAME_MAX_LENGTH + 64];
    for (size_t i = sizeof folders / sizeof *folders; i-- > 0;) {
        snprintf(path, sizeof path, "%s%s", at, folders[i]);
        if (files_directory(home, path, geteuid(), getegid(), 0700) < 0)
            return -1;
    }
    snprintf(path, sizeof path, "%s/.qmail", at);
    if (files_replace(home, path, instruction, sizeof instruction - 1, 0600) < 0 ||
        files_node(home, path, false, person->uid, person->gid, 0600) < 0)
        return -1;
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        snprintf(path, sizeof path, "%s%s", at, folders[i]);
        if (files_directory(home, path, person->uid, person->gid, 0700) < 0)
            return -1;
    }
    return 0;
}

/* Makes HOME/users/NAME with its Maildir and .qmail, whole or not at all. */
static int make_folder(const struct layout_home *home, const struct person *person)
{
    char unfinished[NAME_MAX_LENGTH + 16];
    if (files_exists(home->fd, person->folder))
        return MTA_OK;
    snprintf(unfinished, sizeof unfinished, "users/.%s.new", person->name);
    remove_unfinished(home->fd, unfinished);
    if (fill_folder(home->fd, unfinished, person) < 0 || files_sync_all(home->fd) < 0 ||
        renameat(home->fd, unfinished, home->fd, person->folder) < 0 ||
        files_sync_parent(home->fd, person->folder) < 0) {
        int error = errno;
        remove_unfinished(home->fd, unfinished);
        return say_errno("make", person->folder, error);
    }
    return MTA_OK;
}

/* True if the table has a line that starts with `prefix`. */
static bool table_has(const char *table, const char *prefix)
{
    for (const char *line = table; line && *line; line = strchr(line, '\n')) {
        if (*line == '\n')
            line++;
        if (!strncmp(line, prefix, strlen(prefix)))
            return true;
    }
    return false;
}

/* The end of the entries: the line that is a dot, or the end of the text. */
static size_t table_end(const char *table)
{
    if (!strncmp(table, ".\n", 2))
        return 0;
    const char *dot = strstr(table, "\n.\n");
    return dot ? (size_t) (dot - table) + 1 : strlen(table);
}

/* Adds NAME and NAME-anything to users/assign.  Their homes are below the server's, and are named
 * so: a path may hold a colon, and may change. */
static int write_table(const struct layout_home *home, const struct person *person, char *table)
{
    char prefix[NAME_MAX_LENGTH + 4];
    snprintf(prefix, sizeof prefix, "=%s:", person->name);
    if (table_has(table, prefix))
        return 0;
    size_t end = table_end(table);
    const char *gap = end > 0 && table[end - 1] != '\n' ? "\n" : "";
    char *text;
    int length =
        asprintf(&text,
                 "%.*s%s"
                 "=%s:%s:%lu:%lu:%s:::\n"
                 "+%s-:%s:%lu:%lu:%s:-::\n.\n",
                 (int) end, table, gap, person->name, person->name, (unsigned long) person->uid,
                 (unsigned long) person->gid, person->folder, person->name, person->name,
                 (unsigned long) person->uid, (unsigned long) person->gid, person->folder);
    if (length < 0)
        return -1;
    int result = files_replace(home->fd, "users/assign", text, (size_t) length, 0644);
    free(text);
    return result;
}

static int assign(const struct layout_home *home, const struct person *person)
{
    char *table = malloc(ASSIGN_MAX);
    if (!table)
        return say_errno("read", "users/assign", ENOMEM);
    ssize_t length = files_read(home->fd, "users/assign", table, ASSIGN_MAX);
    if (length < 0 && errno == ENOENT) {
        table[0] = 0;
        length = 0;
    }
    int result = length < 0 ? -1 : write_table(home, person, table);
    int error = errno;
    free(table);
    return result < 0 ? say_errno("change", "users/assign", error) : MTA_OK;
}

/* The first user gets the postmaster's mail (RFC 5321 4.5.1), unless someone does already. */
static int give_postmaster(const struct layout_home *home, const struct person *person)
{
    static const struct {
        const char *path, *to;
    } forwards[] = {{"alias/.qmail-mailer-daemon", "postmaster"},
                    {"alias/.qmail-root", "postmaster"},
                    {"alias/.qmail-postmaster", NULL}};
    if (files_exists(home->fd, "alias/.qmail-postmaster"))
        return MTA_OK;
    for (size_t i = 0; i < sizeof forwards / sizeof *forwards; i++) {
        char line[NAME_MAX_LENGTH + 4];
        int length =
            snprintf(line, sizeof line, "&%s\n", forwards[i].to ? forwards[i].to : person->name);
        if (!files_exists(home->fd, forwards[i].path) &&
            files_replace(home->fd, forwards[i].path, line, (size_t) length, 0644) < 0)
            return say_errno("write", forwards[i].path, errno);
    }
    printf("%s gets the postmaster's mail too (%s/alias/.qmail-postmaster)\n", person->name,
           home->path);
    return MTA_OK;
}

static int add(const struct layout_home *home, const struct mta_options *options)
{
    struct person person = {.name = options->name};
    snprintf(person.folder, sizeof person.folder, "users/%s", person.name);
    if (flock(home->fd, LOCK_EX) < 0)
        return say_errno("lock", home->path, errno);
    bool existed = files_exists(home->fd, person.folder);
    int result = find_person(home, options, &person);
    if (result == MTA_OK)
        result = make_folder(home, &person);
    if (result == MTA_OK)
        result = assign(home, &person);
    if (result != MTA_OK)
        return result;
    printf("%s: mailbox %s/%s/Maildir/%s\n", person.name, home->path, person.folder,
           existed ? " (was there before)" : "");
    return give_postmaster(home, &person);
}

int mta_user(const struct mta_options *options)
{
    struct layout_home home;
    if (!name_is_good(options->name) || !strcmp(options->name, "assign"))
        return say_failure(MTA_WRONG,
                           "'%s' cannot be a user's name: lower-case letters, digits, '.', '-' and "
                           "'_', at most %d, starting with a letter or digit",
                           options->name, NAME_MAX_LENGTH);
    int result = layout_open(&home, options->directory);
    if (result != MTA_OK)
        return result;
    result = add(&home, options);
    close(home.fd);
    return result;
}
