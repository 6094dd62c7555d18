/* SPDX-License-Identifier: ISC */
#include "mta/lib/rewrite.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

static int load_map(const char *name, char separator, bool or_me, struct control_map *map)
{
    struct buf lines = BUF_INIT(CONTROL_LIMIT);
    int result = control_list(name, &lines);
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

int rewrite_load(struct rewrite *rewrite)
{
    memset(rewrite, 0, sizeof *rewrite);
    if (load_map("locals", 0, true, &rewrite->locals) == 0 &&
        load_map("virtualdomains", ':', false, &rewrite->virtualdomains) == 0 &&
        load_map("percenthack", 0, false, &rewrite->percenthack) == 0 &&
        control_line_or("envnoathost", true, NULL, &rewrite->envnoathost) == 0)
        return 0;
    int saved = errno;
    rewrite_free(rewrite);
    errno = saved;
    return -1;
}

static int reload_map(const char *name, char separator, bool or_me, struct control_map *map)
{
    struct control_map fresh;
    if (load_map(name, separator, or_me, &fresh) < 0)
        return -1;
    control_map_free(map);
    *map = fresh;
    return 0;
}

int rewrite_reload(struct rewrite *rewrite, const char **failed)
{
    *failed = "control/locals";
    if (reload_map("locals", 0, true, &rewrite->locals) < 0)
        return -1;
    *failed = "control/virtualdomains";
    if (reload_map("virtualdomains", ':', false, &rewrite->virtualdomains) < 0)
        return -1;
    *failed = NULL;
    return 0;
}

void rewrite_free(struct rewrite *rewrite)
{
    control_map_free(&rewrite->locals);
    control_map_free(&rewrite->virtualdomains);
    control_map_free(&rewrite->percenthack);
    buf_free(&rewrite->envnoathost);
}

/* The index of the '@' before the domain, or `length` if there is none. */
static size_t find_at(const char *address, size_t length)
{
    const char *at = length ? memrchr(address, '@', length) : NULL;
    return at ? (size_t) (at - address) : length;
}

/* Resolves a%b@c for as long as c is in percenthack; gives the new index of the '@'. */
static size_t resolve_percents(const struct rewrite *rewrite, struct buf *address, size_t at)
{
    for (;;) {
        if (!control_map_find(&rewrite->percenthack, address->data + at + 1,
                              address->length - at - 1))
            return at;
        char *percent = at ? memrchr(address->data, '%', at) : NULL;
        if (!percent)
            return at;
        address->length = at;
        *percent = '@';
        at = (size_t) (percent - address->data);
    }
}

/* The prefix that virtualdomains has for an address, NULL if none ("" is an exception). */
static const char *find_prefix(const struct rewrite *rewrite, const char *address, size_t length,
                               size_t at)
{
    const struct control_map *map = &rewrite->virtualdomains;
    const char *prefix = control_map_find(map, address, length);
    for (size_t i = at + 1; !prefix && i <= length; i++)
        if (i == at + 1 || i == length || address[i] == '.')
            prefix = control_map_find(map, address + i, length - i);
    return prefix;
}

static int put_prefix(struct buf *address, const char *prefix)
{
    size_t size = strlen(prefix) + 1;
    if (buf_reserve(address, size) < 0)
        return -1;
    memmove(address->data + size, address->data, address->length);
    memcpy(address->data, prefix, size - 1);
    address->data[size - 1] = '-';
    address->length += size;
    return 0;
}

int rewrite_recipient(const struct rewrite *rewrite, const char *recipient, struct buf *address,
                      bool *is_local)
{
    *is_local = false;
    if (buf_set_text(address, recipient) < 0)
        return -1;
    size_t at = find_at(address->data, address->length);
    if (at == address->length) {
        const struct buf *host = &rewrite->envnoathost;
        if (buf_add_byte(address, '@') < 0 || buf_add(address, host->data, host->length) < 0)
            return -1;
    }
    at = resolve_percents(rewrite, address, at);
    if (control_map_find(&rewrite->locals, address->data + at + 1, address->length - at - 1)) {
        *is_local = true;
        return 0;
    }
    const char *prefix = find_prefix(rewrite, address->data, address->length, at);
    if (!prefix || !*prefix)
        return 0;
    *is_local = true;
    return put_prefix(address, prefix);
}

const char *rewrite_strip(const struct rewrite *rewrite, const char *address)
{
    size_t length = strlen(address);
    size_t at = find_at(address, length);
    if (at == length || control_map_find(&rewrite->locals, address + at + 1, length - at - 1))
        return address;
    for (size_t i = 1; i < at; i++) {
        if (address[i] != '-')
            continue;
        const char *rest = address + i + 1;
        const char *prefix = find_prefix(rewrite, rest, length - i - 1, at - i - 1);
        if (prefix && strlen(prefix) == i && strncasecmp(prefix, address, i) == 0)
            return rest;
    }
    return address;
}
