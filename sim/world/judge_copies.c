/* SPDX-License-Identifier: ISC */
/* Nothing is invented, nothing is changed, and all is from and for whom it should (judge.h). */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "sim/world/dialogue.h"
#include "sim/world/internal.h"
#include "sim/world/judge.h"
#include "sim/world/words.h"

/* --- nothing invented ------------------------------------------------------------------------*/

static const struct entry *entry_of_copy(const struct world *world, const struct copy *copy)
{
    struct range entries = world_entries_of(world, copy->letter);

    for (size_t i = 0; i < entries.count; i++) {
        const struct entry *entry = &world->entries[entries.items[i]];

        if (entry->bounce != copy->bounce)
            continue;
        for (size_t k = 0; k < entry->route_count; k++)
            if (chain_is(copy->chain, entry->routes[k].address, entry_chain(entry)))
                return entry;
    }
    return NULL;
}

const char *place_of_copy(const struct world *world, const struct copy *copy, char to[PLACE_TEXT])
{
    if (copy->kind == COPY_REMOTE)
        snprintf(to, PLACE_TEXT, "what %s took", world->machines[copy->machine].name);
    else
        snprintf(to, PLACE_TEXT, "%s", copy->path);
    return to;
}

size_t copy_source(const struct world *world, const struct copy *copy)
{
    return copy->kind == COPY_REMOTE ? taking_source(world, copy->taking) : copy->machine;
}

static void judge_copy(struct world *world, const struct copy *copy)
{
    const struct letter *letter;
    char place[PLACE_TEXT];
    int chain = (int) strcspn(copy->chain, "\n");

    if (copy->letter == NO_LETTER) {
        world_accuse(world, "INVENTED", NO_LETTER, 0, "%s is no message that was submitted",
                     place_of_copy(world, copy, place))
            ->time_ns = copy->time_ns;
        return;
    }
    letter = &world->letters[copy->letter];
    if (!copy->unchanged)
        world_accuse(world, "CHANGED", copy->letter, copy->bounce,
                     "%s in %s is not what was submitted", letter->name,
                     place_of_copy(world, copy, place))
            ->time_ns = copy->time_ns;
    if (!entry_of_copy(world, copy))
        world_accuse(world, "INVENTED", copy->letter, copy->bounce,
                     "%s%s in %s is delivered to %.*s, whom it was not for", letter->name,
                     copy->bounce ? ".bounce" : "", place_of_copy(world, copy, place), chain,
                     copy->chain)
            ->time_ns = copy->time_ns;
}

/* --- for whom it was -------------------------------------------------------------------------*/

/* By its client, or by another host of ours. */
static bool was_sent_to(const struct world *world, const struct entry *entry, const char *recipient)
{
    const struct letter *letter = &world->letters[entry->letter];
    struct range entries = world_entries_of(world, entry->letter);

    for (size_t i = 0; i < letter->recipient_count; i++)
        if (is_made_of(recipient, letter->recipients[i]))
            return true;
    for (size_t i = 0; i < entries.count; i++) {
        const struct entry *other = &world->entries[entries.items[i]];

        if (other->machine != entry->machine && other->bounce == 0 && route_to(other, recipient))
            return true;
    }
    return false;
}

/* A message in the spool has no recipients but those of its submission, unless it is a bounce or
 * was forwarded. */
static void judge_recipients(struct world *world, size_t index)
{
    const struct entry *entry = &world->entries[index];
    const struct letter *letter;

    if (entry->letter == NO_LETTER || entry->bounce > 0 || *entry_chain(entry) ||
        entry->origin != ORIGIN_NETWORK || entry->answer != ANSWER_YES)
        return;
    letter = &world->letters[entry->letter];
    for (size_t i = 0; i < entry->recipient_count; i++)
        if (!was_sent_to(world, entry, entry->recipients[i]))
            world_accuse(world, "INVENTED", entry->letter, 0,
                         "%s was accepted on %s for %s, to whom nobody sent it", letter->name,
                         world->machines[entry->machine].name, entry->recipients[i])
                ->time_ns = entry->answer_ns;
}

/* --- tries -----------------------------------------------------------------------------------*/

/* Whether the message is for that recipient, and goes to him in that way. */
static bool is_routed_so(const struct entry *entry, const struct attempt *attempt)
{
    for (size_t i = 0; i < entry->route_count; i++)
        if (attempt_is_at(attempt, &entry->routes[i]) && entry->routes[i].local != attempt->remote)
            return true;
    return entry->route_count == 0; /* its envelope was never seen */
}

static void judge_attempt(struct world *world, const struct attempt *attempt)
{
    const struct entry *entry = world_entry(world, attempt->machine, attempt->number);
    char name[ENTRY_NAME];

    if (entry && !is_routed_so(entry, attempt))
        world_accuse(world, "INVENTED", entry->letter, entry->bounce,
                     "%s was tried for %s %s, whom it was not for", entry_name(world, entry, name),
                     attempt->remote ? "remote" : "local", attempt->recipient)
            ->time_ns = attempt->start_ns;
}

/* --- what remotes took: from whom, and whether it is theirs ------------------------------------*/

bool is_sender(const char *got, const char *sender, const char *recipient)
{
    size_t length = strlen(sender);
    const char *at, *domain = strrchr(recipient, '@');
    char want[2100];

    if (length < 5 || strcmp(sender + length - 4, "-@[]") != 0)
        return strcmp(got, sender) == 0;
    at = memrchr(sender, '@', length - 4);
    if (!at || !domain)
        return strcmp(got, sender) == 0;
    snprintf(want, sizeof want, "%.*s%.*s=%s%.*s", (int) (at - sender), sender,
             (int) (domain - recipient), recipient, domain + 1, (int) (sender + length - 4 - at),
             at);
    return strcmp(got, want) == 0;
}

static bool some_entry_is_from(const struct world *world, const struct taking *taking,
                               const char *recipient)
{
    struct range entries = world_entries_of(world, taking->letter);

    for (size_t i = 0; i < entries.count; i++) {
        const struct entry *entry = &world->entries[entries.items[i]];

        if (entry->bounce == taking->bounce && entry->sender &&
            is_sender(taking->sender, entry->sender, recipient))
            return true;
    }
    return false;
}

/* Whether anything but the zone that remotes and hosts make says where mail goes. */
static bool has_other_routes(const struct world *world)
{
    for (size_t i = 0; i < world->machine_count; i++) {
        const struct machine *machine = &world->machines[i];

        for (size_t k = 0; machine->spec && k < machine->spec->control_count; k++)
            if (strcmp(machine->spec->controls[k].name, "smtproutes") == 0)
                return true;
        if (machine->dns &&
            pattern_found("record ", machine->dns->rules.data, machine->dns->rules.size, true))
            return true;
    }
    return false;
}

static bool serves(const struct remote_spec *remote, const char *recipient)
{
    const char *domain = strrchr(recipient, '@');

    if (!domain || domain[1] == '[')
        return true;
    for (size_t i = 0; i < remote->domain_count; i++)
        if (strcasecmp(remote->domains[i].domain, domain + 1) == 0)
            return true;
    return strcasecmp(remote->smtp_name, domain + 1) == 0;
}

static void judge_taking(struct world *world, const struct taking *taking, bool other_routes)
{
    const struct machine *machine = &world->machines[taking->machine];

    if (taking->letter == NO_LETTER)
        return; /* judged as a copy */
    for (size_t i = 0; i < taking->recipient_count; i++) {
        const char *recipient = taking->recipients[i], *name = world->letters[taking->letter].name;

        if (!other_routes && machine->remote && !serves(machine->remote, recipient))
            world_accuse(world, "INVENTED", taking->letter, taking->bounce,
                         "%s%s for %s went to %s, which does not serve that domain", name,
                         taking->bounce ? ".bounce" : "", recipient, machine->name)
                ->time_ns = taking->time_ns;
        if (!some_entry_is_from(world, taking, recipient))
            world_accuse(world, "INVENTED", taking->letter, taking->bounce,
                         "%s%s went to %s from <%s>, who did not send it", name,
                         taking->bounce ? ".bounce" : "", machine->name, taking->sender)
                ->time_ns = taking->time_ns;
    }
}

/* --- what users got: from whom, and whether it is theirs ---------------------------------------*/

/* The sender that the copy names; false: it names none that could be read. */
static bool read_sender(const struct copy *copy, char to[600])
{
    char path[600];
    size_t length;

    if (copy->kind == COPY_PROGRAM) {
        snprintf(to, 600, "%s", copy->sender ? copy->sender : "");
        return copy->sender && strlen(copy->sender) < 600;
    }
    if (!header_value(copy->data, copy->size, "Return-Path", path, sizeof path))
        return false;
    length = strlen(path);
    if (length < 2 || *path != '<' || path[length - 1] != '>')
        return false;
    path[length - 1] = 0;
    snprintf(to, 600, "%s", path + 1);
    return *to != '"'; /* that one is in other words */
}

/* The entry may have left that copy, and it is from that sender. */
static bool is_from(const struct entry *entry, const struct copy *copy, const char *sender)
{
    for (size_t i = 0; i < entry->route_count; i++)
        if (chain_is(copy->chain, entry->routes[i].address, entry_chain(entry)) &&
            (!entry->sender || is_sender(sender, entry->sender, entry->routes[i].address)))
            return true;
    return false;
}

static void judge_sender(struct world *world, const struct copy *copy)
{
    struct range entries = world_entries_of(world, copy->letter);
    char place[PLACE_TEXT], sender[600];

    if (copy->kind == COPY_REMOTE || !entry_of_copy(world, copy) || !read_sender(copy, sender))
        return;
    for (size_t i = 0; i < entries.count; i++)
        if (world->entries[entries.items[i]].bounce == copy->bounce &&
            is_from(&world->entries[entries.items[i]], copy, sender))
            return;
    world_accuse(world, "INVENTED", copy->letter, copy->bounce,
                 "%s%s in %s is from <%s>, who did not send it", world->letters[copy->letter].name,
                 copy->bounce ? ".bounce" : "", place_of_copy(world, copy, place), sender)
        ->time_ns = copy->time_ns;
}

/* Some .qmail file of the host names a mailbox in a home: it may be another's. */
static bool has_far_mailboxes(const struct home_spec *spec)
{
    static const char home[] = "/home/";

    for (size_t i = 0; i < spec->user_count; i++)
        for (size_t k = 0; k < spec->users[i].qmail_count; k++)
            if (memmem(spec->users[i].qmail[k].text.data, spec->users[i].qmail[k].text.size, home,
                       sizeof home - 1))
                return true;
    for (size_t i = 0; i < spec->alias_count; i++)
        if (memmem(spec->aliases[i].text.data, spec->aliases[i].text.size, home, sizeof home - 1))
            return true;
    return false;
}

/* The user whose mail goes to that address: he whose name it is, or the longest that it has before
 * a dash; NULL: it is an alias. */
static const struct user_spec *user_of(const struct home_spec *spec, const char *address)
{
    const struct user_spec *found = NULL;

    for (size_t i = 0; i < spec->user_count; i++) {
        size_t size = strlen(spec->users[i].name);

        if (strncasecmp(address, spec->users[i].name, size) == 0 &&
            (address[size] == '@' || address[size] == '-') &&
            (!found || size > strlen(found->name)))
            found = &spec->users[i];
    }
    return found;
}

static void judge_mailbox(struct world *world, const struct copy *copy)
{
    static const char home[] = "/home/";
    const struct home_spec *spec = world->machines[copy->machine].spec;
    const char *name = copy->path + sizeof home - 1;
    const struct user_spec *owner = NULL;
    char place[PLACE_TEXT];

    if ((copy->kind != COPY_MAILDIR && copy->kind != COPY_MBOX) || !spec ||
        strncmp(copy->path, home, sizeof home - 1) != 0 || has_far_mailboxes(spec))
        return;
    owner = user_named(&world->machines[copy->machine], name, strcspn(name, "/"));
    if (!owner || user_of(spec, copy->chain) == owner)
        return;
    world_accuse(world, "INVENTED", copy->letter, copy->bounce, "%s%s for %.*s is in %s",
                 world->letters[copy->letter].name, copy->bounce ? ".bounce" : "",
                 (int) strcspn(copy->chain, "\n"), copy->chain, place_of_copy(world, copy, place))
        ->time_ns = copy->time_ns;
}

static void judge_user(struct world *world, const struct copy *copy)
{
    if (copy->letter == NO_LETTER)
        return;
    judge_sender(world, copy);
    judge_mailbox(world, copy);
}

void judge_copies(struct world *world)
{
    bool other_routes = has_other_routes(world);

    for (size_t i = 0; i < world->copy_count; i++) {
        judge_copy(world, &world->copies[i]);
        judge_user(world, &world->copies[i]);
    }
    for (size_t i = 0; i < world->attempt_count; i++)
        judge_attempt(world, &world->attempts[i]);
    for (size_t i = 0; i < world->taking_count; i++)
        judge_taking(world, &world->takings[i], other_routes);
    for (size_t i = 0; i < world->entry_count; i++)
        judge_recipients(world, i);
}
