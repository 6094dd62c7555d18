/* SPDX-License-Identifier: ISC */
#include "mta/queue/received.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/stat.h>

#include "mta/lib/clock.h"
#include "mta/lib/error.h"

#define NOBODY ((uid_t) -1)

/* NOBODY if there is none.  0, or -1 with errno. */
static int find_user(const char *name, uid_t *uid)
{
    errno = 0;
    const struct passwd *user = getpwnam(name);
    *uid = user ? user->pw_uid : NOBODY;
    return !user && errno && error_is_temporary(errno) ? -1 : 0;
}

/* As nixie-lspawn finds whom alias deliveries run as: the user alias, else the owner of HOME/alias.
 */
static int find_alias(uid_t *uid)
{
    struct stat st;
    if (find_user("alias", uid) < 0)
        return -1;
    if (*uid != NOBODY)
        return 0;
    if (stat("alias", &st) < 0)
        return error_is_temporary(errno) ? -1 : 0;
    if (st.st_uid != 0)
        *uid = st.st_uid;
    return 0;
}

int received_users_find(struct received_users *users)
{
    users->network = users->alias = users->bounce = NOBODY;
    if (users->single_user)
        return 0;
    if (find_user("nixied", &users->network) < 0 || find_alias(&users->alias) < 0)
        return -1;
    return find_user("nixies", &users->bounce);
}

static const char *describe_claim(enum caller caller)
{
    switch (caller) {
    case CALLER_NETWORK:
        return "from network";
    case CALLER_ALIAS:
        return "by alias";
    case CALLER_BOUNCE:
        return "for bounce";
    case CALLER_USER:
        break;
    }
    return NULL;
}

static const char *describe(const struct received_users *users, uid_t uid, enum caller caller)
{
    if (users->single_user)
        return describe_claim(caller);
    if (uid == NOBODY)
        return NULL;
    if (uid == users->alias)
        return "by alias";
    if (uid == users->network)
        return "from network";
    return uid == users->bounce ? "for bounce" : NULL;
}

size_t received_format(char to[RECEIVED_SIZE], const struct received_users *users, uint64_t number,
                       uid_t uid, enum caller caller, int64_t now)
{
    char date[CLOCK_DATE_SIZE];
    const char *who = describe(users, uid, caller);
    clock_format_date(date, now);
    int length =
        who ? snprintf(to, RECEIVED_SIZE, "Received: (nixie-queue %llu invoked %s); %s\n",
                       (unsigned long long) number, who, date)
            : snprintf(to, RECEIVED_SIZE, "Received: (nixie-queue %llu invoked by uid %lu); %s\n",
                       (unsigned long long) number, (unsigned long) uid, date);
    return (size_t) length;
}
