/* SPDX-License-Identifier: ISC */
#include "mta/lib/smtp_targets.h"

/* The best preference at which we are listed ourselves; false if we are not. */
static bool find_own(const struct smtp_target *targets, size_t count, unsigned *preference)
{
    bool found = false;
    for (size_t i = 0; i < count; i++) {
        if (!targets[i].is_own || (found && targets[i].preference >= *preference))
            continue;
        *preference = targets[i].preference;
        found = true;
    }
    return found;
}

/* By insertion: stable, and the lists are short. */
static void sort(struct smtp_target *targets, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        struct smtp_target moved = targets[i];
        size_t at = i;
        for (; at > 0 && targets[at - 1].preference > moved.preference; at--)
            targets[at] = targets[at - 1];
        targets[at] = moved;
    }
}

static void shuffle(struct smtp_target *targets, size_t count, smtp_targets_draw *draw,
                    void *context)
{
    for (size_t left = count; left > 1; left--) {
        size_t chosen = draw(context, (uint32_t) left);
        struct smtp_target moved = targets[chosen];
        targets[chosen] = targets[left - 1];
        targets[left - 1] = moved;
    }
}

enum smtp_targets_result smtp_targets_order(struct smtp_target *targets, size_t *count,
                                            smtp_targets_draw *draw, void *context)
{
    unsigned own_preference = 0;
    bool is_own = find_own(targets, *count, &own_preference);
    size_t kept = 0;
    for (size_t i = 0; i < *count; i++)
        if (targets[i].address.ss_family != AF_UNSPEC &&
            (!is_own || targets[i].preference < own_preference))
            targets[kept++] = targets[i];
    *count = kept;
    sort(targets, kept);
    for (size_t from = 0, to; from < kept; from = to) {
        for (to = from; to < kept && targets[to].preference == targets[from].preference;)
            to++;
        shuffle(targets + from, to - from, draw, context);
    }
    if (kept > 0)
        return SMTP_TARGETS_OK;
    return is_own ? SMTP_TARGETS_LOOP : SMTP_TARGETS_NONE;
}
