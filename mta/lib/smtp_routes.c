/* SPDX-License-Identifier: ISC */
#include "mta/lib/smtp_routes.h"

#include <errno.h>
#include <string.h>

#include "mta/lib/num.h"

int smtp_routes_load(struct smtp_routes *routes)
{
    struct buf lines = BUF_INIT(CONTROL_LIMIT);
    memset(routes, 0, sizeof *routes);
    int result = control_list("smtproutes", &lines);
    if (result >= 0)
        result = control_map_init(&routes->map, &lines, ':');
    int saved = errno;
    buf_free(&lines);
    errno = saved;
    return result < 0 ? -1 : 0;
}

void smtp_routes_free(struct smtp_routes *routes)
{
    control_map_free(&routes->map);
}

static const char *find_value(const struct smtp_routes *routes, const char *domain, size_t size)
{
    const char *value = control_map_find(&routes->map, domain, size);
    for (size_t i = 0; i < size && !value; i++)
        if (domain[i] == '.' && i > 0)
            value = control_map_find(&routes->map, domain + i, size - i);
    return value ? value : control_map_find(&routes->map, "", 0);
}

int smtp_routes_find(const struct smtp_routes *routes, const char *domain, size_t size,
                     struct smtp_route *route)
{
    const char *value = find_value(routes, domain, size);
    if (!value || !*value)
        return 0;
    const char *relay_end = value[0] == '[' ? strchr(value, ']') : NULL;
    const char *colon = strchr(relay_end ? relay_end : value, ':');
    uint64_t port = SMTP_PORT;
    if (colon && colon[1] &&
        (num_parse(colon + 1, strlen(colon + 1), &port) < 0 || port < 1 || port > 65535)) {
        errno = EINVAL;
        return -1;
    }
    route->relay = value;
    route->relay_size = colon ? (size_t) (colon - value) : strlen(value);
    route->port = (unsigned) port;
    return route->relay_size > 0;
}

int smtp_routes_key(const struct smtp_routes *routes, const char *domain, size_t size,
                    struct buf *key)
{
    struct smtp_route route;
    buf_reset(key);
    int result;
    if (smtp_routes_find(routes, domain, size, &route) == 1) {
        result = buf_add(key, route.relay, route.relay_size);
        if (result == 0)
            result = buf_add_byte(key, ':');
        if (result == 0)
            result = buf_add_number(key, route.port);
    } else {
        result = buf_add_byte(key, '@');
        if (result == 0)
            result = buf_add(key, domain, size);
    }
    if (result < 0)
        return -1;
    for (size_t i = 0; i < key->length; i++)
        if (key->data[i] >= 'A' && key->data[i] <= 'Z')
            key->data[i] = (char) (key->data[i] + ('a' - 'A'));
    return buf_text(key) ? 0 : -1;
}
