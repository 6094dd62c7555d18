/* SPDX-License-Identifier: ISC */
/*
 * A message that is sent when a run in which something went wrong is over: the server must take it
 * and deliver it as if nothing had been.  It goes to a user of the first host that has one to whom
 * nothing but a Maildir belongs: by SMTP if the host has listened and there is a plain client, else
 * from root by nixie-inject.
 */
#include <stdio.h>
#include <string.h>

#include "sim/scenario/runner.h"

#define PROBE_AFTER_NS (15 * 60 * NANOSECONDS) /* the last upset */

/* Control files that change where mail for the host's own domain goes, or when. */
static bool sends_it_elsewhere(const struct home_spec *spec)
{
    static const char *const names[] = {"locals",        "virtualdomains",   "defaultdelivery",
                                        "queuelifetime", "concurrencylocal", "percenthack",
                                        "holdlocal"};

    for (size_t i = 0; i < spec->control_count; i++)
        for (size_t k = 0; k < sizeof names / sizeof *names; k++)
            if (strcmp(spec->controls[i].name, names[k]) == 0)
                return true;
    return false;
}

static const struct user_spec *find_user(const struct home_spec *spec)
{
    for (size_t i = 0; i < spec->user_count; i++)
        if (spec->users[i].qmail_count == 0 && (spec->users[i].home_mode & 0700) == 0700)
            return &spec->users[i];
    return NULL;
}

static bool find_recipient(struct run *run, struct letter *letter)
{
    for (size_t i = 0; i < run->scenario->host_count; i++) {
        const struct home_spec *spec = &run->scenario->hosts[i];
        const struct user_spec *user = sends_it_elsewhere(spec) ? NULL : find_user(spec);

        if (!user)
            continue;
        letter->machine = i;
        snprintf(run->probe_to, sizeof run->probe_to, "%s@%s", user->name, spec->domain);
        return true;
    }
    return false;
}

void probe_add(struct run *run)
{
    static const char content[] = "From: root\nSubject: probe\n\nIs anybody there?\n";
    struct letter probe = {.name = "the probe",
                           .id = "<probe@scenario.nixie>",
                           .header = "Message-ID: <probe@scenario.nixie>\n",
                           .content = {content, sizeof content - 1},
                           .recipients = run->probe_recipients,
                           .recipient_count = 1,
                           .path = LETTER_BY_INJECT};

    run->probe_recipients[0] = run->probe_to;
    run->probe = run->world->letter_count;
    run->has_probe = run->options->probe && find_recipient(run, &probe);
    if (run->has_probe)
        *LIST_ADD(run->world->letters, run->world->letter_count) = probe;
}

bool probe_is_wanted(struct run *run, int64_t *time_ns)
{
    const struct world *world = run->world;

    if (!run->has_probe || !world_is_quiet(world) || world->upset_count == 0 ||
        !host_is_up(world->machines[world->letters[run->probe].machine].host))
        return false;
    run->has_probe = false;
    *time_ns = kernel_now(world->kernel);
    for (size_t i = 0; i < world->upset_count; i++)
        if (world->upsets[i].time_ns + PROBE_AFTER_NS > *time_ns)
            *time_ns = world->upsets[i].time_ns + PROBE_AFTER_NS;
    return true;
}

/* Control files by which nixie-smtpd may refuse it. */
static bool is_choosy(const struct home_spec *spec)
{
    static const char *const names[] = {"rcpthosts", "badmailfrom", "databytes", "relayclients"};

    for (size_t i = 0; i < spec->control_count; i++)
        for (size_t k = 0; k < sizeof names / sizeof *names; k++)
            if (strcmp(spec->controls[i].name, names[k]) == 0)
                return true;
    return false;
}

/* A client that speaks as any does; SIZE_MAX: there is none, or the network is not what it was. */
static size_t find_client(const struct world *world)
{
    for (size_t i = 0; i < world->machine_count && !world->network_changed; i++) {
        const struct client_spec *client = world->machines[i].client;

        if (client && host_is_up(world->machines[i].host) &&
            (client->settings.size == 0 ||
             (!strstr(client->settings.data, "cut") && !strstr(client->settings.data, "auth"))))
            return i;
    }
    return SIZE_MAX;
}

void probe_send(struct run *run)
{
    static const struct submitter submitter = {"nixie-inject", NULL, NULL};
    struct world *world = run->world;
    struct letter *probe = &world->letters[run->probe];
    const struct machine *host = &world->machines[probe->machine];
    size_t client = find_client(world);

    if (client == SIZE_MAX || !host->has_listened || is_choosy(host->spec)) {
        world_submit(world, run->probe, &submitter);
        return;
    }
    probe->path = LETTER_BY_SMTP;
    probe->client = client;
    probe->sender = "probe@probe.example";
    world_submit_smtp(world, run->probe);
}
