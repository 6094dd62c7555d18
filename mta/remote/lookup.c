/* SPDX-License-Identifier: ISC */
/* Where a domain's mail goes: smtproutes, an address literal, or what the DNS says. */
#include <string.h>

#include "mta/remote/remote.h"

static int no_way(struct job *job, char letter, const char *before, const char *name,
                  const char *after)
{
    job_verdict(job, letter, before, name, after, NULL);
    job->ends = true;
    return -1;
}

static int one_address(struct smtp_target *targets, size_t *count,
                       const struct sockaddr_storage *address, unsigned port)
{
    memset(targets, 0, sizeof *targets);
    targets->address = *address;
    socket_address_set_port(&targets->address, port);
    *count = 1;
    return 0;
}

int lookup_targets(const struct settings *settings, struct job *job,
                   struct smtp_target targets[TARGETS_MAX], size_t *count)
{
    struct smtp_route route;
    struct sockaddr_storage address;
    int routed = smtp_routes_find(&settings->routes, job->host, strlen(job->host), &route);
    if (routed < 0)
        return no_way(job, 'Z', "Unable to use control/smtproutes. (#4.3.5)\n", "", "");
    if (routed && socket_address_parse_literal(route.relay, route.relay_size, &address) == 0)
        return one_address(targets, count, &address, route.port);
    return no_way(job, 'Z', "CNAME lookup failed temporarily. (#4.4.3)\n", "", "");
}
