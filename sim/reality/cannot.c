/* SPDX-License-Identifier: ISC */
#include "sim/reality/cannot.h"

#include <stdio.h>
#include <string.h>

#include "sim/kernel/disk.h"

static const char *cannot_disk(const struct scenario *scenario)
{
    for (size_t i = 0; i < scenario->host_count; i++)
        if (strchr(disk_model_name(scenario->hosts[i].disk), '+'))
            return "a disk that lies, or forgets what it failed to write";
    return NULL;
}

/* The disk must have something to lose, which no line lets be, or faults count calls that depend on
 * it. */
static bool loses(const struct scenario *scenario, const struct action *action)
{
    for (size_t i = 0; i < action->pin_count; i++)
        if (!action->pins[i].if_any || scenario->fault_count > 0)
            return true;
    return false;
}

static const char *cannot_crash(const struct scenario *scenario)
{
    for (size_t i = 0; i < scenario->event_count; i++)
        if (loses(scenario, &scenario->events[i].action))
            return "a disk that loses single things: programs are killed, and it loses nothing";
    return NULL;
}

static const char *cannot_network(const struct network *network)
{
    if (network->cut == CUT_SILENT)
        return "a connection that turns silent at a byte";
    return NULL;
}

static const char *cannot_networks(const struct scenario *scenario)
{
    const char *why = NULL;

    for (size_t i = 0; i < scenario->network_count && !why; i++)
        why = cannot_network(&scenario->networks[i]);
    for (size_t i = 0; i < scenario->event_count && !why; i++)
        if (scenario->events[i].action.kind == ACTION_NETWORK)
            why = cannot_network(&scenario->events[i].action.network);
    return why;
}

static const char *cannot_expect(const struct scenario *scenario)
{
    for (size_t i = 0; i < scenario->expectation_count; i++)
        if (scenario->expectations[i].kind == EXPECT_LOST && !scenario->expectations[i].negated)
            return "power that is cut from a disk: programs are killed, and no disk loses anything";
    return NULL;
}

/* nixie-lspawn asks whether a user of the system has a home; in a single-user home all have. */
static bool looks_for_a_home(const struct fault_rule *rule)
{
    return rule->call == CALL_stat && rule->program && strcmp(rule->program, "nixie-lspawn") == 0;
}

static const char *cannot_fault(const struct scenario *scenario)
{
    for (size_t i = 0; i < scenario->fault_count; i++) {
        const struct fault_rule *rule = &scenario->faults[i].rule;

        if (rule->call == CALL_getpw || looks_for_a_home(rule))
            return "users that are looked up: all programs run as one user";
        if (rule->kind == FAULT_MEMORY)
            return "an allocation that fails";
    }
    return NULL;
}

const char *cannot_really(const struct scenario *scenario)
{
    static const char *(*const looks[])(const struct scenario *) = {
        cannot_disk, cannot_crash, cannot_networks, cannot_expect, cannot_fault};
    static char text[200];

    for (size_t i = 0; i < sizeof looks / sizeof *looks; i++) {
        const char *why = looks[i](scenario);

        if (!why)
            continue;
        snprintf(text, sizeof text, "not for real: %s", why);
        return text;
    }
    return NULL;
}

/* --- without namespaces ------------------------------------------------------------------------*/

static bool has_v6(const char *const *addresses, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strchr(addresses[i], ':'))
            return true;
    return false;
}

static bool needs_v6(const struct scenario *scenario)
{
    bool needs = has_v6(scenario->dns.addresses, scenario->dns.address_count);

    for (size_t i = 0; i < scenario->host_count; i++)
        needs |= has_v6(scenario->hosts[i].addresses, scenario->hosts[i].address_count);
    for (size_t i = 0; i < scenario->remote_count; i++)
        needs |= has_v6(scenario->remotes[i].addresses, scenario->remotes[i].address_count);
    for (size_t i = 0; i < scenario->client_count; i++)
        needs |= has_v6(scenario->clients[i].addresses, scenario->clients[i].address_count);
    return needs;
}

const char *cannot_without_namespaces(const struct scenario *scenario, bool has_v6_sockets)
{
    for (size_t i = 0; i < scenario->event_count; i++)
        if (scenario->events[i].action.kind == ACTION_DISK)
            return "a full disk: without namespaces no small file system can be mounted";
    if (!has_v6_sockets && needs_v6(scenario))
        return "IPv6 addresses: there are no IPv6 sockets here";
    return NULL;
}
