/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "mta/lib/control.h"
#include "mta/remote/remote.h"

#define TIMEOUT_MAX 86400 /* s */

static const char *const files[SETTING_FILES] = {
    "control/me",         "control/helohost",       "control/localiphost",  "control/listen",
    "control/smtproutes", "control/timeoutconnect", "control/timeoutremote"};

static bool is_same(const struct stat *a, const struct stat *b)
{
    if (a->st_nlink == 0 || b->st_nlink == 0)
        return a->st_nlink == b->st_nlink;
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
           a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* Looks at the files; true if one is not as it was. */
static bool look(struct settings *settings)
{
    bool changed = !settings->known;
    for (int i = 0; i < SETTING_FILES; i++) {
        struct stat now;
        if (stat(files[i], &now) < 0)
            memset(&now, 0, sizeof now);
        if (!is_same(&now, &settings->seen[i]))
            changed = true;
        settings->seen[i] = now;
    }
    return changed;
}

static int read_seconds(const char *name, uint64_t fallback, int64_t *milliseconds)
{
    uint64_t seconds;
    if (control_number(name, fallback, TIMEOUT_MAX, &seconds) < 0)
        return -1;
    *milliseconds = (int64_t) seconds * 1000;
    return 0;
}

static int read_all(struct settings *settings)
{
    if (control_line_or("me", false, NULL, &settings->me) < 0 ||
        control_line_or("helohost", true, NULL, &settings->helo) < 0 ||
        control_line_or("localiphost", true, NULL, &settings->local_ip) < 0 ||
        control_list("listen", &settings->listen) < 0 || smtp_routes_load(&settings->routes) < 0 ||
        read_seconds("timeoutconnect", 60, &settings->connect_ms) < 0 ||
        read_seconds("timeoutremote", 1200, &settings->remote_ms) < 0)
        return -1;
    if (!buf_text(&settings->me) || !buf_text(&settings->helo) || !buf_text(&settings->local_ip))
        return -1;
    return 0;
}

int settings_refresh(struct settings *settings)
{
    if (!look(settings))
        return 0;
    smtp_routes_free(&settings->routes);
    settings->known = read_all(settings) == 0;
    return settings->known ? 0 : -1;
}

void settings_free(struct settings *settings)
{
    buf_free(&settings->me);
    buf_free(&settings->helo);
    buf_free(&settings->local_ip);
    buf_free(&settings->listen);
    smtp_routes_free(&settings->routes);
}
