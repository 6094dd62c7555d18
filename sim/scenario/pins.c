/* SPDX-License-Identifier: ISC */
/* lose, keep and find below "crash HOST power". */
#include <stdlib.h>
#include <string.h>

#include "sim/scenario/runner.h"
#include "sim/world/words.h"

static const char *const verbs[] = {[PIN_LOSE] = "lose", [PIN_KEEP] = "keep", [PIN_FIND] = "find"};

static unsigned answer_of(const struct pinned *pinned, const struct pin *pin, unsigned count,
                          const char *what)
{
    if (pin->kind == PIN_LOSE)
        return 0;
    if (pin->kind == PIN_KEEP)
        return count - 1;
    if (pin->answer < count)
        return pin->answer;
    run_fail(pinned->run, pin->at, NULL, "the disk can only be found in ways 0 to %u here: %s",
             count - 1, what);
    pinned->run->result->verdict = VERDICT_WRONG;
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
    for (size_t i = 0; i < pinned->action->pin_count; i++) {
        const struct pin *pin = &pinned->action->pins[i];

        if (pinned->met[i])
            continue;
        run_fail(pinned->run, pin->at, NULL, "the disk has no such thing to %s here",
                 verbs[pin->kind]);
        pinned->run->result->verdict = VERDICT_WRONG;
    }
    free(pinned->met);
}
