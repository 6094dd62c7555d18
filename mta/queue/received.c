/* SPDX-License-Identifier: ISC */
#include "mta/queue/received.h"

#include <pwd.h>
#include <stdio.h>
#include <sys/stat.h>

#include "mta/lib/clock.h"

#define NOBODY ((uid_t) -1)

static uid_t find_user(const char *name)
{
    const struct passwd *user = getpwnam(name);
    return user ? user->pw_uid : NOBODY;
}

/* As nixie-lspawn finds whom alias deliveries run as: the user alias, else the owner of HOME/alias.
 */
static uid_t find_alias(void)
{
    struct stat st;
    uid_t uid = find_user("alias");
    if (uid != NOBODY)
        return uid;
    return stat("alias", &st) == 0 && st.st_uid != 0 ? st.st_uid : NOBODY;
}

void received_users_find(struct received_users *users, int single_user)
{
    users->single_user = single_user;
    users->network = single_user ? NOBODY : find_user("nixied");
    users->alias = single_user ? NOBODY : find_alias();
    users->bounce = single_user ? NOBODY : find_user("nixies");
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
