/* SPDX-License-Identifier: ISC */
/* lose, keep and find below "crash HOST power". */
#include <stdlib.h>
#include <string.h>

#include "sim/scenario/runner.h"
#include "sim/world/words.h"

static const char *const verbs[] = {[PIN_LOSE] = "lose", [PIN_KEEP] = "keep", [PIN_FIND] = "find"};

/* With more crashes than the scenario tells the disk need not be as it was told for. */
static void pin_fail(struct run *run, const struct pin *pin, const char *message)
{
    if (run->options->only_oracles)
        return;
    run_fail(run, pin->at, NULL, "%s", message);
    run->result->verdict = VERDICT_WRONG;
}

static unsigned answer_of(const struct pinned *pinned, const struct pin *pin, unsigned count,
                          const char *what)
{
    char message[1000];

    if (pin->kind == PIN_LOSE)
        return 0;
    if (pin->kind == PIN_KEEP)
        return count - 1;
    if (pin->answer < count)
        return pin->answer;
    snprintf(message, sizeof message, "the disk can only be found in ways 0 to %u here: %s",
             count - 1, what);
    pin_fail(pinned->run, pin, message);
    return count - 1;
}

static unsigned choose_pinned(void *context, unsigned count, const char *what)
{
    struct pinned *pinned = context;
    const struct chooser *inner = pinned->inner;
    unsigned answer = inner->choose(inner->context, count, what); /* or chance would shift */

    for (size_t i = 0; i < pinned->action->pin_count; i++) {
        const struct pin *pin = &pinned->action->pins[i];

        if (pattern_matches(pin->pattern, what, false)) {
            pinned->met[i] = true;
            return answer_of(pinned, pin, count, what);
        }
    }
    return answer;
}

void pinned_start(struct pinned *pinned, struct run *run, const struct action *action,
                  const struct chooser *inner)
{
    pinned->chooser = (struct chooser){choose_pinned, pinned};
    pinned->inner = inner;
    pinned->action = action;
    pinned->run = run;
    pinned->met = must_alloc(action->pin_count + 1);
    memset(pinned->met, 0, action->pin_count + 1);
}

void pinned_end(struct pinned *pinned)
{
    char message[100];

    for (size_t i = 0; i < pinned->action->pin_count; i++) {
        const struct pin *pin = &pinned->action->pins[i];

        if (pinned->met[i] || pin->if_any || pinned->run->options->backend)
            continue;
        snprintf(message, sizeof message, "the disk has no such thing to %s here",
                 verbs[pin->kind]);
        pin_fail(pinned->run, pin, message);
    }
    free(pinned->met);
}
