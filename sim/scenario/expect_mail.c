/* SPDX-License-Identifier: ISC */
/* Judges what is expected to be delivered, and to bounce. */
#include <stdlib.h>
#include <string.h>

#include "sim/scenario/expect.h"
#include "sim/world/internal.h"

/* --- delivered -------------------------------------------------------------------------------*/

/* True if some address of a chain matches `pattern`; `top`: the newest only. */
static bool chain_matches(const char *chain, const char *pattern, bool top)
{
    while (*chain) {
        size_t size = strcspn(chain, "\n");

        if (pattern_matches_bytes(pattern, chain, size, true) ||
            address_names(chain, size, pattern))
            return true;
        if (top)
            return false;
        chain += size + (chain[size] == '\n');
    }
    return false;
}

/* A copy that the expectation counts, for `recipient` if not NULL. */
static bool copy_counts(const struct run *run, const struct expectation *expectation,
                        const struct copy *copy, const char *recipient)
{
    const struct selector *selector = &expectation->message;

    return data_is_selected(run, selector, copy->letter, copy->bounce, copy->data, copy->size) &&
           (!expectation->address || chain_matches(copy->chain, expectation->address, true)) &&
           (!recipient || chain_matches(copy->chain, recipient, false)) &&
           (!selector->recipient || chain_matches(copy->chain, selector->recipient, false));
}

struct copies {
    size_t in_time, late; /* those that count, and those at another time */
    size_t most;          /* in one place */
    int64_t first_ns;
};

static bool same_place(const struct copy *a, const struct copy *b)
{
    return a->kind == b->kind && a->machine == b->machine && strcmp(a->place, b->place) == 0;
}

static struct copies count_copies(const struct run *run, const struct expectation *expectation,
                                  size_t letter, const char *recipient)
{
    struct copies copies = {.first_ns = INT64_MAX};
    struct range range = world_copies_of(run->world, letter);
    const struct copy **counted = must_alloc((range.count + 1) * sizeof *counted);
    size_t count = 0;

    for (size_t i = 0; i < range.count; i++) {
        const struct copy *copy = &run->world->copies[range.items[i]];
        size_t here = 1;

        if (!copy_counts(run, expectation, copy, recipient))
            continue;
        if (when_holds(run, &expectation->when, letter, copy->time_ns))
            copies.in_time++;
        else
            copies.late++;
        if (copy->time_ns < copies.first_ns)
            copies.first_ns = copy->time_ns;
        for (size_t k = 0; k < count; k++)
            here += same_place(counted[k], copy);
        counted[count++] = copy;
        if (here > copies.most)
            copies.most = here;
    }
    free(counted);
    return copies;
}

static bool copies_are_right(const struct expectation *expectation, const struct copies *copies)
{
    if (expectation->negated)
        return copies->in_time == 0;
    if (!expectation->counted)
        return copies->in_time > 0;
    return copies->most == expectation->count && copies->late == 0;
}

/* One message, for one recipient or for any. */
static void judge_copies(struct run *run, const struct expectation *expectation, size_t letter,
                         const char *recipient, struct tally *tally)
{
    struct copies copies = count_copies(run, expectation, letter, recipient);
    const char *name = run->world->letters[letter].name;
    char why[300], time[TIME_TEXT], when[WHEN_TEXT];
    struct range range = world_copies_of(run->world, letter);

    tally->asked++;
    when_text(run, &expectation->when, letter, when);
    if (!copies_are_right(expectation, &copies)) {
        if (expectation->negated)
            snprintf(why, sizeof why, "delivered at +%s", time_format(time, copies.first_ns));
        else if (copies.most == 0)
            snprintf(why, sizeof why, "not delivered%s%.100s%s", recipient ? " to " : "",
                     recipient ? recipient : "", when);
        else if (expectation->counted && copies.most != expectation->count)
            snprintf(why, sizeof why, "delivered %zu time%s, not %llu", copies.most,
                     copies.most == 1 ? "" : "s", (unsigned long long) expectation->count);
        else
            snprintf(why, sizeof why, "delivered at +%s, not%s", time_format(time, copies.first_ns),
                     when);
        tally_fail(tally, letter, name, when_position(expectation), why);
        return;
    }
    for (size_t i = 0; i < range.count; i++) {
        const struct copy *copy = &run->world->copies[range.items[i]];

        if (copy_counts(run, expectation, copy, recipient) &&
            !details_hold(tally, expectation, letter, name, copy->data, copy->size,
                          copy->unchanged))
            return;
    }
}

void judge_delivered(struct run *run, const struct expectation *expectation)
{
    struct tally tally = {0};

    for (size_t i = 0; i < run->world->letter_count; i++) {
        const struct letter *letter = &run->world->letters[i];

        if (!selector_matches(run->scenario, &expectation->message, i))
            continue;
        if (expectation->address || expectation->message.bounce > 0) {
            judge_copies(run, expectation, i, NULL, &tally);
            continue;
        }
        for (size_t r = 0; r < letter->recipient_count; r++)
            if (!expectation->message.recipient ||
                pattern_matches(expectation->message.recipient, letter->recipients[r], true))
                judge_copies(run, expectation, i, letter->recipients[r], &tally);
    }
    tally_report(run, expectation, &tally);
}

/* --- bounced ---------------------------------------------------------------------------------*/

static bool bounce_is_for(const struct entry *entry, const char *address)
{
    for (size_t i = 0; i < entry->recipient_count; i++)
        if (address_is(address, entry->recipients[i], strlen(entry->recipients[i])))
            return true;
    return !address[0];
}

static bool bounce_tells_of(struct entry *entry, const char *recipient)
{
    const struct bounce_report *report = entry_report(entry);

    for (size_t i = 0; i < report->group_count; i++)
        if (pattern_matches(recipient, report->groups[i].final_recipient, true))
            return true;
    return false;
}

/* True if `letter` is for someone whom the selector's recipient (a pattern, or NULL) names. */
static bool is_for(const struct letter *letter, const char *recipient)
{
    for (size_t i = 0; i < letter->recipient_count; i++)
        if (!recipient || pattern_matches(recipient, letter->recipients[i], true))
            return true;
    return false;
}

static const char *group_value(const struct bounce_group *group, enum detail_kind kind)
{
    switch (kind) {
    case DETAIL_FINAL_RECIPIENT:
        return *group->final_field ? group->final_field : group->final_recipient;
    case DETAIL_ACTION:
        return group->action;
    case DETAIL_STATUS:
        return group->status;
    case DETAIL_DIAGNOSTIC:
        return group->diagnostic;
    case DETAIL_REMOTE_MTA:
        return group->remote_mta;
    default:
        return NULL;
    }
}

/* The first detail that this group of a bounce does not meet; NULL: all are met. */
static const struct detail *group_trouble(const struct expectation *expectation,
                                          const struct bounce_group *group)
{
    for (size_t i = 0; i < expectation->detail_count; i++) {
        const struct detail *detail = &expectation->details[i];
        const char *value = group_value(group, detail->kind);

        if (value && !pattern_matches(detail->pattern, value, true))
            return detail;
    }
    return NULL;
}

/* Checks what is expected of a bounce: one group meets all of it, and the rest. */
static bool check_bounce(struct tally *tally, const struct expectation *expectation, size_t letter,
                         const char *name, struct entry *entry)
{
    const struct bounce_report *report = entry_report(entry);
    const char *recipient = expectation->message.recipient;
    const struct detail *trouble = NULL;
    const struct bounce_group *nearest = NULL;
    char why[300];

    for (size_t i = 0; i < report->group_count; i++) {
        const struct detail *wrong = group_trouble(expectation, &report->groups[i]);

        if (recipient && !pattern_matches(recipient, report->groups[i].final_recipient, true))
            continue;
        if (!nearest || !wrong || (trouble && wrong > trouble)) {
            nearest = &report->groups[i];
            trouble = wrong;
        }
        if (!wrong)
            break;
    }
    for (size_t i = 0; !nearest && i < expectation->detail_count; i++)
        if (group_value(&(struct bounce_group){"", "", "", "", "", ""},
                        expectation->details[i].kind))
            trouble = &expectation->details[i];
    if (trouble) {
        snprintf(why, sizeof why, "the bounce says %.200s",
                 nearest && *group_value(nearest, trouble->kind)
                     ? group_value(nearest, trouble->kind)
                     : "nothing of it");
        tally_fail(tally, letter, name, trouble->at, why);
        return false;
    }
    for (size_t i = 0; i < expectation->detail_count; i++)
        if (expectation->details[i].kind == DETAIL_ORIGINAL && !report->has_original) {
            tally_fail(tally, letter, name, expectation->details[i].at,
                       "the bounce does not have the message");
            return false;
        }
    return details_hold(tally, expectation, letter, name, entry->text ? entry->text : "",
                        entry->text_size, true);
}

/* The bounce is one of those that the expectation is about. */
static bool is_expected_bounce(const struct run *run, const struct expectation *expectation,
                               struct entry *entry)
{
    struct selector selector = expectation->message;

    selector.bounce++;
    return entry->answer == ANSWER_YES && !entry->relayed &&
           entry_is_selected(run, &selector, entry) &&
           (!expectation->address || bounce_is_for(entry, expectation->address)) &&
           (!selector.recipient || bounce_tells_of(entry, selector.recipient));
}

static void judge_bounces(struct run *run, const struct expectation *expectation, size_t letter,
                          struct tally *tally)
{
    const char *name = run->world->letters[letter].name;
    struct range entries = world_entries_of(run->world, letter);
    size_t count = 0, late = 0;
    int64_t time_ns = 0;
    char why[300], time[TIME_TEXT], when[WHEN_TEXT];
    bool met;

    tally->asked++;
    for (size_t i = 0; i < entries.count; i++) {
        struct entry *entry = &run->world->entries[entries.items[i]];

        if (!is_expected_bounce(run, expectation, entry))
            continue;
        time_ns = entry->answer_ns;
        if (when_holds(run, &expectation->when, letter, time_ns))
            count++;
        else
            late++;
        if (!expectation->negated && !check_bounce(tally, expectation, letter, name, entry))
            return;
    }
    met = expectation->negated   ? count == 0
          : expectation->counted ? count == expectation->count && late == 0
                                 : count > 0;
    if (met)
        return;
    when_text(run, &expectation->when, letter, when);
    if (count + late == 0)
        snprintf(why, sizeof why, "no bounce%s", when);
    else if (count + late == 1)
        snprintf(why, sizeof why, "bounced at +%s, not%s", time_format(time, time_ns), when);
    else
        snprintf(why, sizeof why, "%zu bounces, the last at +%s", count + late,
                 time_format(time, time_ns));
    tally_fail(tally, letter, name, when_position(expectation), why);
}

void judge_bounced(struct run *run, const struct expectation *expectation)
{
    struct tally tally = {0};

    for (size_t i = 0; i < run->world->letter_count; i++)
        if (selector_matches(run->scenario, &expectation->message, i) &&
            (expectation->message.bounce > 0 ||
             is_for(&run->world->letters[i], expectation->message.recipient)))
            judge_bounces(run, expectation, i, &tally);
    tally_report(run, expectation, &tally);
}
