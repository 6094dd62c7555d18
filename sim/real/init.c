/* SPDX-License-Identifier: ISC */
/* `nixie mta init`: makes a home, or refreshes the programs of one. */
#include "sim/real/commands.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sim/real/files.h"
#include "sim/real/layout.h"
#include "sim/real/say.h"
#include "sim/world/words.h"

#define DOMAIN_MAX 253 /* RFC 1035 2.3.4, without the final dot */
#define LABEL_MAX 63

/* Copies a host name in lower case; false if it is none (RFC 1123 2.1). */
static bool domain_read(const char *from, char to[DOMAIN_MAX + 1])
{
    size_t length = strlen(from), label = 0;
    if (length == 0 || length > DOMAIN_MAX)
        return false;
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char) from[i];
        bool last = i + 1 == length || from[i + 1] == '.';
        if (c == '.' ? label == 0 : !isalnum(c) && (c != '-' || label == 0 || last))
            return false;
        label = c == '.' ? 0 : label + 1;
        if (label > LABEL_MAX)
            return false;
        to[i] = (char) tolower(c);
    }
    to[length] = 0;
    return label > 0;
}

/* Makes the directory if it is missing and opens it.  `made` tells whether it was. */
static int open_directory(struct layout_home *home, const char *directory, bool *made)
{
    *made = mkdir(directory, 0755) == 0;
    if (!*made && errno != EEXIST)
        return say_errno("make", directory, errno);
    if (*made && chmod(directory, 0755) < 0) /* whatever the umask */
        return say_errno("set the mode of", directory, errno);
    if (!realpath(directory, home->path))
        return say_errno("open", directory, errno);
    home->fd = open(home->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return home->fd < 0 ? say_errno("open", home->path, errno) : MTA_OK;
}

/* A home that was left half made may be finished; a folder with other things in it may not. */
static int refuse_strangers(const struct layout_home *home)
{
    int fd = openat(home->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    if (!folder)
        return say_errno("read", home->path, errno);
    int result = MTA_OK;
    struct dirent *entry;
    while (result == MTA_OK && (entry = readdir(folder)) != NULL) {
        const char *name = entry->d_name;
        if (strcmp(name, ".") && strcmp(name, "..") && strcmp(name, "lost+found") &&
            !layout_owns(name))
            result = say_failure(MTA_WRONG,
                                 "%s is not empty (there is %s) and not a Nixie home; give another "
                                 "directory",
                                 home->path, name);
    }
    closedir(folder);
    return result;
}

/* The parts of the server run as users of their own, who must be able to reach the home. */
static int check_reachable(const struct layout_home *home)
{
    char path[PATH_MAX + 2];
    snprintf(path, sizeof path, "%s/", home->path);
    for (char *slash; (slash = strrchr(path, '/')) != NULL;) {
        *slash = 0;
        struct stat st;
        if (stat(path[0] ? path : "/", &st) == 0 && !(st.st_mode & S_IXOTH))
            return say_failure(
                MTA_LACKING,
                "the server's users could not reach %s, since %s is closed to others; "
                "choose another place, or chmod o+x %s",
                home->path, path[0] ? path : "/", path[0] ? path : "/");
    }
    return MTA_OK;
}

/* Decides on the mode of the home and who owns its parts. */
static int choose_accounts(struct layout_home *home, bool exists, const struct mta_options *options,
                           struct accounts *accounts)
{
    bool root = geteuid() == 0;
    home->single_user = exists ? files_exists(home->fd, "control/singleuser") : !root;
    if (root && (home->single_user || options->single_user))
        return say_failure(MTA_WRONG,
                           "in single-user mode everything would run as root; run this as the "
                           "user whose server it is, or without --single-user");
    if (!root && !home->single_user)
        return say_failure(MTA_LACKING, "%s belongs to root; run this as root", home->path);
    if (home->single_user) {
        accounts_single(accounts);
        return MTA_OK;
    }
    int result = layout_check_owner(home);
    if (result == MTA_OK)
        result = check_reachable(home);
    return result != MTA_OK ? result : accounts_find(accounts, options->create_users);
}

/* Writes a control file of one line, unless it is there. */
static int write_control(const struct layout_home *home, const char *path, const char *line)
{
    char text[2 * DOMAIN_MAX + 4];
    if (files_exists(home->fd, path))
        return MTA_OK;
    int length = snprintf(text, sizeof text, "%s", line);
    if (files_replace(home->fd, path, text, (size_t) length, 0644) < 0)
        return say_errno("write", path, errno);
    return MTA_OK;
}

/* control/me is written last: it makes the directory a home. */
static int write_controls(const struct layout_home *home, const char *domain)
{
    char line[DOMAIN_MAX + 2], locals[DOMAIN_MAX + 16];
    snprintf(line, sizeof line, "%s\n", domain);
    snprintf(locals, sizeof locals, "localhost\n%s\n", domain);
    int result = MTA_OK;
    if (home->single_user)
        result = write_control(home, "control/singleuser", "");
    if (result == MTA_OK)
        result = write_control(home, "control/locals", locals);
    if (result == MTA_OK)
        result = write_control(home, "control/rcpthosts", locals);
    if (result == MTA_OK)
        result = write_control(home, "control/defaultdomain", line);
    if (result == MTA_OK)
        result = write_control(home, "users/assign", ".\n");
    if (result == MTA_OK)
        result = write_control(home, "control/me", line);
    return result;
}

/* Everything below the home, and its own entry, on disk. */
static int make_durable(const struct layout_home *home)
{
    if (files_sync_all(home->fd) < 0 || files_sync_parent(AT_FDCWD, home->path) < 0)
        return say_errno("make durable", home->path, errno);
    return MTA_OK;
}

/* What stands in control/me, compared with --domain. */
static int check_domain(const struct layout_home *home, const char *domain)
{
    char me[DOMAIN_MAX + 2];
    ssize_t length = files_read(home->fd, "control/me", me, sizeof me);
    if (length < 0)
        return say_errno("read", "control/me", errno);
    me[strcspn(me, " \t\n")] = 0;
    if (domain && strcasecmp(domain, me) != 0)
        return say_failure(
            MTA_WRONG, "%s is already the home of %s; to rename it, edit the files in %s/control",
            home->path, me, home->path);
    return MTA_OK;
}

static void tell_what_next(const struct layout_home *home, const char *domain, bool exists)
{
    if (exists) {
        printf("%s: programs refreshed; control files, queue and mail are as they were\n",
               home->path);
        return;
    }
    printf("%s: a mail server for %s%s\n", home->path, domain,
           home->single_user ? " (single-user: everything runs as you)" : "");
    char *path = shell_word(home->path);
    printf("next:\n"
           "  nixie mta user %s NAME      a user with a mailbox\n"
           "  nixie mta start %s          runs the server in the foreground\n"
           "  %s/bin/nixie-inject         takes a message on standard input\n",
           path, path, path);
    free(path);
}

static int fill(struct layout_home *home, const struct mta_options *options, const char *domain,
                bool exists)
{
    struct accounts accounts;
    int result = choose_accounts(home, exists, options, &accounts);
    if (result == MTA_OK)
        result = layout_make(home, &accounts);
    if (result == MTA_OK)
        result = layout_install_programs(home, &accounts);
    if (result == MTA_OK && !exists)
        result = write_controls(home, domain);
    if (result == MTA_OK)
        result = make_durable(home);
    if (result == MTA_OK)
        tell_what_next(home, domain, exists);
    return result;
}

int mta_init(const struct mta_options *options)
{
    struct layout_home home = {.fd = -1};
    char domain[DOMAIN_MAX + 1];
    bool made;
    if (options->domain && !domain_read(options->domain, domain))
        return say_failure(MTA_WRONG, "--domain %s: not a host name such as mail.example.org",
                           options->domain);
    struct stat st;
    if (!options->domain && stat(options->directory, &st) < 0 && errno == ENOENT)
        return say_failure(MTA_WRONG, "a new home needs --domain NAME, the domain it has mail for");
    int result = open_directory(&home, options->directory, &made);
    if (result != MTA_OK)
        return result;
    bool exists = files_exists(home.fd, "control/me");
    if (exists)
        result = check_domain(&home, options->domain);
    else if (!options->domain)
        result = say_failure(MTA_WRONG,
                             "%s is no home yet: give --domain NAME, the domain it has "
                             "mail for",
                             home.path);
    else
        result = refuse_strangers(&home);
    if (result == MTA_OK)
        result = fill(&home, options, domain, exists);
    if (result != MTA_OK && made)
        rmdir(home.path); /* if it is still empty */
    close(home.fd);
    return result;
}
