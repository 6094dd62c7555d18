/* SPDX-License-Identifier: ISC */
#include "sim/world/route.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "sim/world/internal.h"

/* --- control files ---------------------------------------------------------------------------*/

const struct text *control_text(const struct machine *machine, const char *name)
{
    for (size_t i = 0; i < machine->spec->control_count; i++)
        if (strcmp(machine->spec->controls[i].name, name) == 0)
            return &machine->spec->controls[i].text;
    return NULL;
}

bool control_list_has(const struct text *list, const char *key, size_t size, char separator,
                      struct text *rest)
{
    const char *at = list ? list->data : NULL, *end = at ? at + list->size : NULL, *next;

    for (; at < end; at = next) {
        const char *newline = memchr(at, '\n', (size_t) (end - at)),
                   *stop = newline ? newline : end;

        next = newline ? newline + 1 : end;
        while (stop > at && (stop[-1] == ' ' || stop[-1] == '\t'))
            stop--;
        if (at == stop || *at == '#' || (size_t) (stop - at) < size ||
            strncasecmp(at, key, size) != 0)
            continue;
        if (separator ? at + size == stop || at[size] != separator : at + size != stop)
            continue;
        if (rest && separator)
            *rest = (struct text){at + size + 1, (size_t) (stop - at) - size - 1};
        return true;
    }
    return false;
}

/* --- one recipient ---------------------------------------------------------------------------*/

static bool is_local_domain(const struct machine *machine, const char *domain)
{
    const struct text *locals = control_text(machine, "locals");

    return locals ? control_list_has(locals, domain, strlen(domain), 0, NULL)
                  : strcasecmp(domain, machine->spec->domain) == 0;
}

/* "a%b@c" becomes "a@b" for as long as c is in percenthack. */
static void resolve_percents(const struct machine *machine, char *address)
{
    const struct text *list = control_text(machine, "percenthack");
    char *at = strrchr(address, '@'), *percent;

    while (control_list_has(list, at + 1, strlen(at + 1), 0, NULL)) {
        *at = 0;
        percent = strrchr(address, '%');
        if (!percent) {
            *at = '@';
            return;
        }
        *percent = '@';
        at = percent;
    }
}

/* The prefix of a virtual domain: the whole address, its domain, ever shorter ends of that which
 * begin with a dot, nothing. */
static bool find_prefix(const struct machine *machine, const char *address, struct text *prefix)
{
    const struct text *list = control_text(machine, "virtualdomains");
    const char *domain = strrchr(address, '@') + 1;

    if (control_list_has(list, address, strlen(address), ':', prefix) ||
        control_list_has(list, domain, strlen(domain), ':', prefix))
        return true;
    for (const char *at = domain + 1; *domain && *at; at++)
        if (*at == '.' && control_list_has(list, at, strlen(at), ':', prefix))
            return true;
    return control_list_has(list, "", 0, ':', prefix);
}

static const char *host_of_bare_names(const struct machine *machine, char to[300])
{
    const struct text *text = control_text(machine, "envnoathost");

    if (!text)
        text = control_text(machine, "me");
    if (!text)
        return machine->spec->domain;
    snprintf(to, 300, "%.*s", (int) strcspn(text->data, " \t\r\n"), text->data);
    return to;
}

static void route_recipient(const struct machine *machine, const char *recipient,
                            struct route *route)
{
    struct text prefix = {NULL, 0};
    char host[300], *address;
    size_t size;

    size = strlen(recipient) + sizeof host + 2;
    address = must_alloc(size);
    if (strchr(recipient, '@'))
        strcpy(address, recipient);
    else
        snprintf(address, size, "%s@%s", recipient, host_of_bare_names(machine, host));
    resolve_percents(machine, address);
    route->address = address;
    route->shown = address;
    route->local = is_local_domain(machine, strrchr(address, '@') + 1);
    if (route->local || !find_prefix(machine, address, &prefix) || prefix.size == 0)
        return;
    route->local = true;
    route->address = must_alloc(strlen(address) + prefix.size + 2);
    sprintf(route->address, "%.*s-%s", (int) prefix.size, prefix.data, address);
    route->shown = route->address + prefix.size + 1;
    free(address);
}

/* --- all of them -----------------------------------------------------------------------------*/

void routes_make_for(const struct world *world, struct entry *entry)
{
    while (entry->route_count < entry->recipient_count) {
        const char *recipient = entry->recipients[entry->route_count];

        route_recipient(&world->machines[entry->machine], recipient,
                        LIST_ADD(entry->routes, entry->route_count));
    }
}

void routes_make(struct world *world)
{
    for (size_t i = 0; i < world->entry_count; i++)
        routes_make_for(world, &world->entries[i]);
}

const struct route *route_to(const struct entry *entry, const char *address)
{
    for (size_t i = 0; i < entry->route_count; i++)
        if (strcasecmp(entry->routes[i].address, address) == 0)
            return &entry->routes[i];
    return NULL;
}

void routes_free(struct entry *entry)
{
    for (size_t i = 0; i < entry->route_count; i++)
        free(entry->routes[i].address);
    free(entry->routes);
    entry->routes = NULL;
    entry->route_count = 0;
}
