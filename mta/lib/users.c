/* SPDX-License-Identifier: ISC */
#include "mta/lib/users.h"

#include <errno.h>
#include <pwd.h>
#include <string.h>

#include "mta/lib/error.h"
#include "mta/lib/io.h"

#define USER_NAME_MAX 32 /* longer local parts are no user's name */

void users_init(struct users *users, const char *server_home, bool single_user)
{
    memset(users, 0, sizeof *users);
    users->server_home = server_home;
    users->single_user = single_user;
}

void users_free(struct users *users)
{
    assign_free(&users->assign);
}

void recipient_user_free(struct recipient_user *user)
{
    buf_free(&user->user);
    buf_free(&user->home);
    buf_free(&user->dash);
    buf_free(&user->extension);
}

/* --- users/assign --- */

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
           a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static const char *trouble_text(struct buf *trouble, const char *what, const char *why)
{
    const char *text = NULL;
    if (buf_set_text(trouble, "ZTrouble reading users/assign in nixie-lspawn: ") == 0 &&
        buf_add_text(trouble, what) == 0 && buf_add_text(trouble, why) == 0 &&
        buf_add_text(trouble, ". (#4.3.0)\n") == 0)
        text = buf_text(trouble);
    return text ? text : "ZOut of memory in nixie-lspawn. (#4.3.0)\n";
}

/* Reads the file anew.  NULL or a report. */
static const char *read_assign(struct users *users, const struct stat *st, struct buf *trouble)
{
    struct buf text = BUF_INIT(ASSIGN_SIZE_MAX);
    unsigned long line = 0;
    assign_free(&users->assign);
    users->assign_known = false;
    int result = io_read_file("users/assign", &text);
    if (result == 0)
        result = assign_init(&users->assign, &text, &line);
    int error = errno;
    buf_free(&text);
    if (result == 0) {
        users->assign_known = true;
        users->seen = *st;
        return NULL;
    }
    users->error = error == EBADMSG ? 0 : error;
    if (error != EBADMSG)
        return trouble_text(trouble, "", error_text(error));
    if (line == 0)
        return trouble_text(trouble, "it does not end in a line with a dot", "");
    struct buf what = BUF_INIT(64);
    const char *words = NULL;
    if (buf_set_text(&what, "malformed line ") == 0 && buf_add_number(&what, line) == 0)
        words = buf_text(&what);
    const char *report = trouble_text(trouble, words ? words : "malformed line", "");
    buf_free(&what);
    return report;
}

/* Makes users->assign be what the file now says.  NULL or a report. */
static const char *refresh_assign(struct users *users, struct buf *trouble)
{
    struct stat st;
    if (stat("users/assign", &st) < 0) {
        if (errno != ENOENT) {
            users->error = errno;
            return trouble_text(trouble, "", error_text(users->error));
        }
        assign_free(&users->assign);
        users->assign_known = false;
        return NULL;
    }
    if (users->assign_known && same_file(&st, &users->seen))
        return NULL;
    return read_assign(users, &st, trouble);
}

/* --- the three ways; each 1 found, 0 not found, -1 with errno --- */

static int set_user(struct recipient_user *user, const char *name, uid_t uid, gid_t gid,
                    const char *dash, const char *extension)
{
    user->uid = uid;
    user->gid = gid;
    if (buf_set_text(&user->user, name) < 0 || buf_set_text(&user->dash, dash) < 0 ||
        buf_set_text(&user->extension, extension) < 0)
        return -1;
    return 1;
}

/* A relative home is below the server's. */
static int set_home(struct users *users, struct recipient_user *user, const char *home)
{
    if (home[0] == '/')
        return buf_set_text(&user->home, home);
    if (buf_set_text(&user->home, users->server_home) < 0 || buf_add_byte(&user->home, '/') < 0)
        return -1;
    return buf_add_text(&user->home, home);
}

static int find_assigned(struct users *users, const char *local, struct recipient_user *user)
{
    struct assign_user assigned;
    if (!users->assign_known || !assign_find(&users->assign, local, strlen(local), &assigned))
        return 0;
    if (set_user(user, assigned.user, assigned.uid, assigned.gid, assigned.dash,
                 assigned.extension) < 0)
        return -1;
    if (buf_add_text(&user->extension, local + assigned.matched) < 0)
        return -1;
    return set_home(users, user, assigned.home) < 0 ? -1 : 1;
}

/* Whether an error leaves open if there is such a thing. */
static bool is_trouble(const struct users *users, int error)
{
    return error_is_temporary(error) || (users->outsider && (error == EACCES || error == EPERM));
}

/* A system's user of exactly this name, who may get mail. */
static int find_system_name(const struct users *users, const char *local, size_t size,
                            struct recipient_user *user)
{
    char name[USER_NAME_MAX + 1];
    if (size == 0 || size > USER_NAME_MAX)
        return 0;
    for (size_t i = 0; i < size; i++)
        name[i] = local[i] >= 'A' && local[i] <= 'Z' ? (char) (local[i] + 32) : local[i];
    name[size] = 0;
    errno = 0;
    struct passwd *entry = getpwnam(name);
    if (!entry)
        return errno && is_trouble(users, errno) ? -1 : 0;
    if (entry->pw_uid == 0)
        return 0;
    struct stat st;
    /* all else leaves open whose it is: EACCES, which FUSE has even for root, a damaged inode */
    if (stat(entry->pw_dir, &st) < 0)
        return errno == ENOENT || errno == ENOTDIR ? 0 : -1;
    if (st.st_uid != entry->pw_uid)
        return 0;
    bool extended = local[size] != 0;
    const char *extension = extended ? local + size + 1 : "";
    if (buf_set_text(&user->home, entry->pw_dir) < 0)
        return -1;
    return set_user(user, name, entry->pw_uid, entry->pw_gid, extended ? "-" : "", extension);
}

static int find_system_user(const struct users *users, const char *local,
                            struct recipient_user *user)
{
    for (size_t size = strlen(local); size > 0; size--) {
        if (local[size] != 0 && local[size] != '-')
            continue;
        int result = find_system_name(users, local, size, user);
        if (result != 0)
            return result;
    }
    return 0;
}

/* The ids that a user of the system has.  1; 0 if there is none, or it is root; -1 with errno. */
static int system_ids(const char *name, uid_t *uid, gid_t *gid)
{
    errno = 0;
    struct passwd *entry = getpwnam(name);
    if (!entry)
        return errno && error_is_temporary(errno) ? -1 : 0;
    if (entry->pw_uid == 0)
        return 0;
    *uid = entry->pw_uid;
    *gid = entry->pw_gid;
    return 1;
}

/* Mail that is nobody's: the instructions of HOME/alias, run as the user alias; if there is no such
 * user, as the one who owns HOME/alias; if that is root, as nixied, who owns nothing. */
static int find_alias(struct users *users, const char *local, struct recipient_user *user)
{
    struct stat st;
    if (stat("alias", &st) < 0)
        return errno == ENOENT || errno == ENOTDIR ? 0 : -1;
    uid_t uid = st.st_uid;
    gid_t gid = st.st_gid;
    int result = 1;
    if (!users->single_user) {
        result = system_ids("alias", &uid, &gid);
        if (result == 0)
            result = st.st_uid != 0 ? 1 : system_ids("nixied", &uid, &gid);
    }
    if (result <= 0)
        return result;
    if (set_home(users, user, "alias") < 0)
        return -1;
    return set_user(user, "alias", uid, gid, "-", local);
}

const char *users_find(struct users *users, const char *local, struct recipient_user *user,
                       struct buf *trouble)
{
    users->error = 0;
    const char *report = refresh_assign(users, trouble);
    if (report)
        return report;
    int result = find_assigned(users, local, user);
    if (result == 0 && !users->single_user)
        result = find_system_user(users, local, user);
    if (result == 0)
        result = find_alias(users, local, user);
    if (result < 0)
        users->error = errno;
    if (result < 0)
        return errno == ENOMEM ? "ZOut of memory in nixie-lspawn. (#4.3.0)\n"
                               : "ZTemporary failure in nixie-lspawn. (#4.3.0)\n";
    if (result == 0)
        return "ZUnable to find alias user! (#4.3.5)\n";
    if (user->uid == 0 && !users->single_user)
        return "ZNot allowed to perform deliveries as root. (#4.3.5)\n";
    return NULL;
}
