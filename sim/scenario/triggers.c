/* SPDX-License-Identifier: ISC */
/* Events that wait for something to happen in the world: the first time it does, they are due. */
#include <string.h>

#include "sim/scenario/expect.h"
#include "sim/world/internal.h"

/* A trigger has happened, unless the event was spent already. */
static void trigger_event(struct run *run, size_t index, struct entry *entry)
{
    const struct event *event = &run->scenario->events[index];

    if (run->fired[index])
        return;
    run->fired[index] = true;
    run->result->fired_ns[index] = kernel_now(run->world->kernel);
    if (event->trigger.delay_ns == 0 && event->action.kind != ACTION_SEND && !run->at_once) {
        run->at_once = event;
        run->at_once_entry = entry;
    } else {
        schedule_event(run, event, kernel_now(run->world->kernel) + event->trigger.delay_ns);
    }
    kernel_stop(run->world->kernel);
}

static const struct trigger *trigger_at(const struct run *run, size_t index)
{
    return &run->scenario->events[index].trigger;
}

/* --- of messages in a spool ------------------------------------------------------------------*/

/* Which of the letter's entries this is, or will be; 0: not known. */
static unsigned ordinal_of(const struct run *run, const struct entry *entry)
{
    const struct letter *letter = &run->world->letters[entry->letter];

    if (entry->bounce == 0)
        return entry->ordinal ? entry->ordinal : (unsigned) letter->entry_count[0] + 1;
    entry = world_original(run->world, entry);
    return entry ? entry->ordinal : letter->entry_count[0] == 1;
}

static bool is_about(const struct run *run, const struct trigger *trigger,
                     const struct entry *entry, unsigned bounce)
{
    return entry->letter != NO_LETTER && trigger->message.bounce == bounce &&
           selector_matches(run->scenario, &trigger->message, entry->letter) &&
           (trigger->message.entry == 0 || trigger->message.entry == ordinal_of(run, entry));
}

static void trigger_stage(struct run *run, struct entry *entry, enum trigger_kind kind,
                          enum stage stage, bool before)
{
    for (size_t i = 0; i < run->scenario->event_count; i++) {
        const struct trigger *trigger = trigger_at(run, i);

        if (trigger->kind == kind && trigger->before == before && trigger->stage == stage &&
            is_about(run, trigger, entry, entry->bounce))
            trigger_event(run, i, entry);
    }
}

static void on_before_stage(void *context, struct entry *entry, enum stage stage)
{
    trigger_stage(context, entry, TRIGGER_ENTERS, stage, true);
}

static void on_after_stage(void *context, struct entry *entry, enum stage stage)
{
    trigger_stage(context, entry, TRIGGER_ENTERS, stage, false);
}

static void on_durable(void *context, struct entry *entry)
{
    trigger_stage(context, entry, TRIGGER_DURABLE, STAGE_S4, false);
}

static void on_tried(void *context, const struct entry *entry, const struct attempt *attempt)
{
    struct run *run = context;

    for (size_t i = 0; i < run->scenario->event_count; i++) {
        const struct trigger *trigger = trigger_at(run, i);
        const char *recipient = trigger->message.recipient;

        if (trigger->kind == TRIGGER_TRIED && is_about(run, trigger, entry, entry->bounce) &&
            (!recipient || address_is(recipient, attempt->recipient, strlen(attempt->recipient))))
            trigger_event(run, i, NULL);
    }
}

/* What "m1 bounced" waits for is a bounce of m1. */
static void on_bounced(void *context, const struct entry *bounce)
{
    struct run *run = context;

    for (size_t i = 0; i < run->scenario->event_count; i++)
        if (trigger_at(run, i)->kind == TRIGGER_BOUNCED &&
            is_about(run, trigger_at(run, i), bounce, bounce->bounce - 1))
            trigger_event(run, i, NULL);
}

/* --- of messages outside of spools ------------------------------------------------------------*/

static void on_letter_ended(void *context, struct letter *letter)
{
    struct run *run = context;

    if (letter->state != LETTER_ACCEPTED)
        return;
    for (size_t i = 0; i < run->scenario->event_count; i++)
        if (trigger_at(run, i)->kind == TRIGGER_ACCEPTED &&
            trigger_at(run, i)->message.bounce == 0 &&
            selector_matches(run->scenario, &trigger_at(run, i)->message,
                             (size_t) (letter - run->world->letters)))
            trigger_event(run, i, NULL);
}

static bool taking_is_for(const struct taking *taking, const char *recipient)
{
    for (size_t i = 0; i < taking->recipient_count; i++)
        if (address_is(recipient, taking->recipients[i], strlen(taking->recipients[i])))
            return true;
    return !recipient;
}

static void trigger_taking(struct run *run, const struct taking *taking, bool before)
{
    for (size_t i = 0; i < run->scenario->event_count; i++) {
        const struct trigger *trigger = trigger_at(run, i);

        if (trigger->kind == TRIGGER_TAKES && trigger->before == before &&
            machine_of_actor(run, trigger->actor) == taking->machine &&
            (!trigger->message.recipient || taking_is_for(taking, trigger->message.recipient)) &&
            data_is_selected(run, &trigger->message, taking->letter, taking->bounce, taking->data,
                             taking->size))
            trigger_event(run, i, NULL);
    }
}

static void on_before_taking(void *context, const struct taking *taking)
{
    trigger_taking(context, taking, true);
}

static void on_took(void *context, const struct taking *taking)
{
    trigger_taking(context, taking, false);
}

static void on_delivered(void *context, size_t letter, unsigned bounce, const char *address)
{
    struct run *run = context;

    for (size_t i = 0; i < run->scenario->event_count; i++) {
        const struct trigger *trigger = trigger_at(run, i);
        const char *recipient = trigger->message.recipient;

        if (trigger->kind == TRIGGER_DELIVERED && letter != NO_LETTER &&
            trigger->message.bounce == bounce &&
            selector_matches(run->scenario, &trigger->message, letter) &&
            (!recipient || address_is(recipient, address, strlen(address))))
            trigger_event(run, i, NULL);
    }
}

static void on_connected(void *context, const struct connection *connection)
{
    struct run *run = context;

    for (size_t i = 0; i < run->scenario->event_count; i++)
        if (trigger_at(run, i)->kind == TRIGGER_CONNECTED &&
            machine_of_actor(run, trigger_at(run, i)->actor) == connection->machine)
            trigger_event(run, i, NULL);
}

/* --- all of them -----------------------------------------------------------------------------*/

/* Asks the world only for what something waits for. */
static void set_hook(struct world_hooks *hooks, const struct trigger *trigger)
{
    switch (trigger->kind) {
    case TRIGGER_ENTERS:
        if (trigger->before)
            hooks->before_stage = on_before_stage;
        else
            hooks->after_stage = on_after_stage;
        break;
    case TRIGGER_DURABLE:
        hooks->durable = on_durable;
        break;
    case TRIGGER_ACCEPTED:
        hooks->letter_ended = on_letter_ended;
        break;
    case TRIGGER_TAKES:
        if (trigger->before)
            hooks->before_taking = on_before_taking;
        else
            hooks->took = on_took;
        break;
    case TRIGGER_TRIED:
        hooks->tried = on_tried;
        break;
    case TRIGGER_BOUNCED:
        hooks->bounced = on_bounced;
        break;
    case TRIGGER_DELIVERED:
        hooks->delivered = on_delivered;
        break;
    case TRIGGER_CONNECTED:
        hooks->connected = on_connected;
        break;
    case TRIGGER_TIME:
    case TRIGGER_CRASH:
        break;
    }
}

void triggers_start(struct run *run)
{
    const struct scenario *scenario = run->scenario;
    struct world_hooks *hooks = &run->world->hooks;

    hooks->context = run;
    for (size_t i = 0; i < scenario->event_count; i++) {
        const struct trigger *trigger = &scenario->events[i].trigger;

        set_hook(hooks, trigger);
        if (trigger->kind == TRIGGER_TIME)
            schedule_event(run, &scenario->events[i], trigger->delay_ns);
    }
    for (size_t i = 0; i < scenario->expectation_count; i++) {
        const struct expectation *expectation = &scenario->expectations[i];

        if (expectation->when.event && expectation->when.event->kind == TRIGGER_DURABLE)
            hooks->durable = on_durable; /* or nobody notes when */
        if (expectation->times_event && expectation->times_event->kind == TRIGGER_DURABLE)
            hooks->durable = on_durable;
    }
}
