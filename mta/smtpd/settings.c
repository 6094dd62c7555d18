/* SPDX-License-Identifier: ISC */
#include "mta/smtpd/smtpd.h"

#include <errno.h>
#include <string.h>

#include "mta/lib/clock.h"
#include "mta/lib/home.h"

#define TIMEOUT_DEFAULT 1200 /* seconds */
#define TIMEOUT_MAX 1000000

static const char *const files[SETTINGS_FILES] = {
    "control/me",           "control/smtpgreeting", "control/localiphost", "control/databytes",
    "control/timeoutsmtpd", "control/barelf",       "control/rcpthosts",   "control/morercpthosts",
    "control/badmailfrom",  "control/relayclients", "control/locals",      "control/virtualdomains",
    "control/unknownusers", "control/percenthack",  "control/envnoathost",
};

/* What `seen` holds of each file; false if any is another one or was written since. */
static bool look(struct stat now[SETTINGS_FILES], const struct stat seen[SETTINGS_FILES])
{
    bool same = true;
    for (size_t i = 0; i < SETTINGS_FILES; i++) {
        if (stat(files[i], &now[i]) < 0)
            memset(&now[i], 0, sizeof now[i]);
        same = same && now[i].st_ino == seen[i].st_ino && now[i].st_dev == seen[i].st_dev &&
               now[i].st_size == seen[i].st_size && now[i].st_mode == seen[i].st_mode &&
               now[i].st_mtim.tv_sec == seen[i].st_mtim.tv_sec &&
               now[i].st_mtim.tv_nsec == seen[i].st_mtim.tv_nsec &&
               now[i].st_ctim.tv_sec == seen[i].st_ctim.tv_sec &&
               now[i].st_ctim.tv_nsec == seen[i].st_ctim.tv_nsec;
    }
    return same;
}

/* *exists tells whether the file is there.  With `or_me`, a missing one means control/me. */
static int load_map(const char *name, char separator, bool or_me, struct control_map *map,
                    bool *exists)
{
    struct buf lines = BUF_INIT(CONTROL_LIMIT);
    int result = control_list(name, &lines);
    *exists = result == 1;
    if (result == 0 && or_me) {
        result = control_line("me", &lines);
        if (result == 1)
            result = buf_add_byte(&lines, 0);
    }
    if (result >= 0)
        result = control_map_init(map, &lines, separator);
    int saved = errno;
    buf_free(&lines);
    errno = saved;
    return result;
}

/* A file that says "accept" or "refuse". */
static int load_choice(const char *name, const char *fallback, bool *accept)
{
    struct buf word = BUF_INIT(256);
    int result = control_line_or(name, false, fallback, &word);
    *accept = result == 0 && buf_equals(&word, "accept");
    if (result == 0 && !*accept && !buf_equals(&word, "refuse")) {
        errno = EINVAL;
        result = -1;
    }
    int saved = errno;
    buf_free(&word);
    errno = saved;
    return result;
}

/* What is needed to tell who is here, if anybody asks. */
static int load_unknown(struct settings *settings, const char **failed)
{
    bool accept;
    if (load_choice(*failed = "unknownusers", "accept", &accept) < 0)
        return -1;
    settings->refuse_unknown = !accept;
    if (accept)
        return 0;
    if (home_single_user(&settings->single_user) < 0) {
        *failed = "singleuser";
        return -1;
    }
    *failed = "percenthack or envnoathost";
    return rewrite_load(&settings->rewrite);
}

static int load_lines(struct settings *settings, const char **failed)
{
    uint64_t timeout_s;
    if (control_line_or(*failed = "me", false, NULL, &settings->me) < 0 ||
        !buf_text(&settings->me) ||
        control_line_or(*failed = "smtpgreeting", true, NULL, &settings->greeting) < 0 ||
        control_line_or(*failed = "localiphost", true, NULL, &settings->localiphost) < 0 ||
        control_number(*failed = "databytes", 0, INT64_MAX, &settings->databytes) < 0 ||
        control_number(*failed = "timeoutsmtpd", TIMEOUT_DEFAULT, TIMEOUT_MAX, &timeout_s) < 0)
        return -1;
    settings->timeout_ms = timeout_s ? (int) timeout_s * 1000 : 1000;
    return load_choice(*failed = "barelf", "refuse", &settings->accept_bare_lf);
}

static int load_maps(struct settings *settings, const char **failed)
{
    bool exists;
    if (load_map(*failed = "rcpthosts", 0, false, &settings->rcpthosts, &settings->has_rcpthosts) <
            0 ||
        load_map(*failed = "morercpthosts", 0, false, &settings->morercpthosts, &exists) < 0 ||
        load_map(*failed = "locals", 0, true, &settings->locals, &exists) < 0 ||
        load_map(*failed = "virtualdomains", ':', false, &settings->virtualdomains, &exists) < 0 ||
        load_map(*failed = "badmailfrom", 0, false, &settings->badmailfrom, &exists) < 0)
        return -1;
    *failed = "relayclients";
    return control_list("relayclients", &settings->relayclients) < 0 ? -1 : 0;
}

int settings_refresh(struct settings *settings, const char **failed)
{
    struct stat now[SETTINGS_FILES];
    int64_t now_ms = clock_monotonic_ms();
    if (settings->loaded && now_ms < settings->looked_ms + SETTINGS_LOOK_MS)
        return 0;
    bool same = look(now, settings->seen) && settings->loaded;
    settings->looked_ms = now_ms;
    if (same)
        return 0;
    settings_free(settings);
    settings->looked_ms = now_ms;
    memcpy(settings->seen, now, sizeof now);
    if (load_lines(settings, failed) == 0 && load_maps(settings, failed) == 0 &&
        load_unknown(settings, failed) == 0) {
        settings->loaded = true;
        return 0;
    }
    int saved = errno;
    settings_free(settings);
    errno = saved;
    return -1;
}

void settings_free(struct settings *settings)
{
    buf_free(&settings->me);
    buf_free(&settings->greeting);
    buf_free(&settings->localiphost);
    buf_free(&settings->relayclients);
    control_map_free(&settings->rcpthosts);
    control_map_free(&settings->morercpthosts);
    control_map_free(&settings->locals);
    control_map_free(&settings->virtualdomains);
    control_map_free(&settings->badmailfrom);
    rewrite_free(&settings->rewrite);
    memset(settings, 0, sizeof *settings);
}

/* Where the domain of an address begins; `size` if it has none. */
static size_t domain_begin(const char *address, size_t size)
{
    const char *at = size ? memrchr(address, '@', size) : NULL;
    return at ? (size_t) (at - address) + 1 : size;
}

/* What the map has for the domain, or for a suffix of it that begins with a dot. */
static const char *find_domain(const struct control_map *map, const char *domain, size_t size)
{
    const char *found = control_map_find(map, domain, size);
    for (size_t i = 1; !found && i < size; i++)
        if (domain[i] == '.')
            found = control_map_find(map, domain + i, size - i);
    return found;
}

/* Without rcpthosts: what nixie-send would deliver here. */
static bool is_ours(const struct settings *settings, const char *address, size_t size, size_t begin)
{
    const char *domain = address + begin;
    if (control_map_find(&settings->locals, domain, size - begin))
        return true;
    const char *prefix = control_map_find(&settings->virtualdomains, address, size);
    if (!prefix)
        prefix = find_domain(&settings->virtualdomains, domain, size - begin);
    return prefix && *prefix;
}

bool settings_take(const struct settings *settings, const char *address, size_t size)
{
    size_t begin = domain_begin(address, size);
    if (begin == size)
        return true; /* gets our own host name */
    if (!settings->has_rcpthosts)
        return is_ours(settings, address, size, begin);
    return find_domain(&settings->rcpthosts, address + begin, size - begin) ||
           find_domain(&settings->morercpthosts, address + begin, size - begin);
}

bool settings_is_bad_sender(const struct settings *settings, const char *address, size_t size)
{
    size_t begin = domain_begin(address, size);
    if (size == 0)
        return false;
    if (control_map_find(&settings->badmailfrom, address, size))
        return true;
    return begin < size &&
           control_map_find(&settings->badmailfrom, address + begin - 1, size - begin + 1);
}

const char *settings_relay(const struct settings *settings, const unsigned char client[16])
{
    const char *line = settings->relayclients.data;
    const char *end = line ? line + settings->relayclients.length : NULL;
    for (; line < end; line += strlen(line) + 1) {
        size_t size = strcspn(line, " \t");
        if (socket_address_in(client, line, size))
            return line + size + strspn(line + size, " \t");
    }
    return NULL;
}
