/* SPDX-License-Identifier: ISC */
#include "sim/explore/faults.h"

#include <errno.h>
#include <string.h>

#define SLOW_NS (30 * NANOSECONDS)
#define LASTS_NS (60 * NANOSECONDS)
#define STEP_NS (3 * 3600 * NANOSECONDS)
#define EVERY_BYTE 512 /* of so many; of more only a choice */
#define CHOICE 64

static const struct {
    const char *name;
    unsigned set;
} kinds[] = {{"all", FAULTS_ALL},         {"none", 0},
             {"enospc", FAULTS_ENOSPC},   {"edquot", FAULTS_EDQUOT},
             {"eio", FAULTS_EIO},         {"emfile", FAULTS_EMFILE},
             {"enfile", FAULTS_ENFILE},   {"enomem", FAULTS_ENOMEM},
             {"eintr", FAULTS_EINTR},     {"short", FAULTS_SHORT},
             {"slow", FAULTS_SLOW},       {"clock", FAULTS_CLOCK},
             {"spawn", FAULTS_SPAWN},     {"wakeup", FAULTS_WAKEUP},
             {"network", FAULTS_NETWORK}, {"memory", FAULTS_MEMORY}};
#define KIND_COUNT (sizeof kinds / sizeof *kinds)

int faults_parse(const char *list, unsigned *set)
{
    *set = 0;
    for (;;) {
        size_t length = strcspn(list, ","), i = 0;
        while (i < KIND_COUNT &&
               (strlen(kinds[i].name) != length || strncmp(kinds[i].name, list, length) != 0))
            i++;
        if (i == KIND_COUNT)
            return -1;
        *set |= kinds[i].set;
        if (!list[length])
            return 0;
        list += length + 1;
    }
}

const char *faults_name(unsigned one)
{
    for (size_t i = 2; i < KIND_COUNT; i++)
        if (kinds[i].set == one)
            return kinds[i].name;
    return "?";
}

struct teller {
    void (*tell)(void *context, const struct fault_plan *fault);
    void *context;
};

static void tell(const struct teller *teller, uint64_t number, enum fault_kind kind, int64_t amount)
{
    struct fault_plan fault = {.call_number = number, .kind = kind, .amount = amount};
    teller->tell(teller->context, &fault);
}

static void tell_error(const struct teller *teller, uint64_t number, int error)
{
    struct fault_plan fault = {.call_number = number, .kind = FAULT_ERROR, .error = error};
    teller->tell(teller->context, &fault);
    if (error != ENOSPC && error != ENFILE)
        return;
    fault.amount = LASTS_NS;
    fault.any = true;
    teller->tell(teller->context, &fault);
}

/* Resets after each byte of what the call sends, the last one left out: that is the next call's
 * first. */
static void tell_resets(const struct teller *teller, const struct call *call)
{
    size_t step = call->size <= EVERY_BYTE ? 1 : call->size / CHOICE;
    tell(teller, call->number, FAULT_NET, 0);
    for (size_t bytes = 1; bytes < call->size; bytes += step)
        tell(teller, call->number, FAULT_NET, (int64_t) bytes);
    if (step > 1)
        tell(teller, call->number, FAULT_NET, (int64_t) call->size - 1);
}

static void tell_network(const struct teller *teller, const struct call *call)
{
    if (process_file_kind(call->process, call->fd) == FILE_TCP)
        tell_resets(teller, call);
    else
        tell(teller, call->number, FAULT_NET, 0);
}

void faults_of_call(const struct world *world, const struct call *call, unsigned set,
                    void (*tell_one)(void *context, const struct fault_plan *fault), void *context)
{
    struct teller teller = {tell_one, context};
    uint64_t number = call->number;
    set &= faults_of(world, call);
    for (unsigned one = 1; one && one <= set; one <<= 1)
        if (set & one && fault_error(one))
            tell_error(&teller, number, fault_error(one));
    if (set & FAULTS_SHORT)
        tell(&teller, number, FAULT_SHORT, 1);
    if (set & FAULTS_SLOW)
        tell(&teller, number, FAULT_SLOW, SLOW_NS);
    if (set & FAULTS_CLOCK) {
        tell(&teller, number, FAULT_CLOCK, STEP_NS);
        tell(&teller, number, FAULT_CLOCK, -STEP_NS);
    }
    if (set & FAULTS_WAKEUP)
        tell(&teller, number, FAULT_WAKEUP, 0);
    if (set & FAULTS_NETWORK)
        tell_network(&teller, call);
}

void faults_of_memory(uint64_t count, unsigned set,
                      void (*tell_one)(void *context, const struct fault_plan *fault),
                      void *context)
{
    struct teller teller = {tell_one, context};
    for (uint64_t number = 1; set & FAULTS_MEMORY && number <= count; number++)
        tell(&teller, number, FAULT_MEMORY, 0);
}
