/* SPDX-License-Identifier: ISC */
/*
 * Whether a delivery of a recipient would fail since there is nobody of that name, found out as
 * nixie-send, nixie-lspawn and nixie-local would, with their code, but without their rights: what
 * may not be seen is not known.
 */
#include "mta/smtpd/smtpd.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "mta/lib/dotqmail_name.h"
#include "mta/lib/error.h"

/* A home in this state has its mail wait (nixie-local(8)). */
#define HOME_WAITS (0002 | S_ISVTX)

/* Unknown: that will not change soon. */
enum answer { ANSWER_NO, ANSWER_YES, ANSWER_UNKNOWN, ANSWER_LATER };

static enum answer of_error(int error)
{
    return error_is_temporary(error) ? ANSWER_LATER : ANSWER_UNKNOWN;
}

/* Whether the home has a .qmail file for the extension. */
static enum answer look_for_names(struct dotqmail_name *name, const char *folder)
{
    struct buf path = BUF_INIT(0);
    enum answer answer = ANSWER_NO;
    struct stat st;
    int more;
    while (answer == ANSWER_NO && (more = dotqmail_name_next(name, folder, &path)) != 0) {
        if (more < 0)
            answer = of_error(errno);
        else if (stat(path.data, &st) == 0)
            answer = S_ISREG(st.st_mode) ? ANSWER_YES : ANSWER_NO;
        else if (errno != ENOENT && errno != ENOTDIR && errno != ENAMETOOLONG)
            answer = of_error(errno);
    }
    buf_free(&path);
    return answer;
}

static enum answer look_in_home(struct recipient_user *user)
{
    struct dotqmail_name name;
    struct buf part = BUF_INIT(0);
    struct stat st;
    enum answer answer = ANSWER_LATER;
    if (user->dash.length == 0)
        return ANSWER_YES;
    if (!buf_text(&user->home) || !buf_text(&user->dash) || !buf_text(&user->extension))
        return ANSWER_LATER;
    if (stat(user->home.data, &st) < 0)
        return of_error(errno);
    if (!S_ISDIR(st.st_mode) || st.st_mode & HOME_WAITS)
        return ANSWER_UNKNOWN;
    if (dotqmail_name_part(&part, user->dash.data, user->extension.data) == 0 &&
        buf_add_byte(&user->home, '/') == 0 && buf_text(&user->home)) {
        dotqmail_name_begin(&name, &part, user->dash.length);
        answer = look_for_names(&name, user->home.data);
    }
    buf_free(&part);
    return answer;
}

/* Of a local part (NUL-ended). */
static enum answer look_for(struct users *users, const char *local)
{
    struct recipient_user user = {.uid = 0};
    struct buf trouble = BUF_INIT(1000);
    enum answer answer;
    if (strcasecmp(local, "postmaster") == 0)
        return ANSWER_YES; /* RFC 5321 4.5.1 */
    if (!users_find(users, local, &user, &trouble))
        answer = look_in_home(&user);
    else
        answer = of_error(users->error);
    recipient_user_free(&user);
    buf_free(&trouble);
    return answer;
}

/* Of an address as the queue gets it. */
static enum answer look(const struct settings *settings, struct users *users, const char *recipient,
                        struct buf *address)
{
    bool is_local;
    if (rewrite_recipient(&settings->rewrite, recipient, address, &is_local) < 0)
        return of_error(errno);
    if (!is_local)
        return ANSWER_UNKNOWN;
    if (!buf_text(address))
        return ANSWER_LATER;
    char *at = memrchr(address->data, '@', address->length);
    if (!at || !control_map_find(&settings->rewrite.locals, at + 1, strlen(at + 1)))
        return ANSWER_UNKNOWN; /* of virtualdomains: the admin makes up the local part */
    *at = 0;
    return look_for(users, address->data);
}

const char *known_refusal(const struct settings *settings, struct users *users,
                          const char *recipient)
{
    struct buf address = BUF_INIT(0);
    enum answer answer = ANSWER_UNKNOWN;
    if (settings->refuse_unknown)
        answer = look(settings, users, recipient, &address);
    buf_free(&address);
    if (answer == ANSWER_LATER)
        return "451 4.3.0 unable to look for this recipient";
    return answer == ANSWER_NO ? "550 5.1.1 sorry, no mailbox here by that name" : NULL;
}
