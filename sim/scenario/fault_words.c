/* SPDX-License-Identifier: ISC */
#include "sim/scenario/fault_words.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sim/scenario/checker.h"

static const struct {
    const char *name;
    enum fault_kind kind;
    bool valued, needs_value;
} kinds[] = {{"error", FAULT_ERROR, true, true}, {"short", FAULT_SHORT, true, false},
             {"slow", FAULT_SLOW, true, true},   {"clock", FAULT_CLOCK, true, true},
             {"memory", FAULT_MEMORY, 0, 0},     {"wakeup", FAULT_WAKEUP, 0, 0},
             {"net", FAULT_NET, true, false}};
#define KIND_COUNT (sizeof kinds / sizeof *kinds)

static int read_amount(const char *text, int64_t least, int64_t *amount)
{
    char *end;
    errno = 0;
    *amount = strtoll(text, &end, 10);
    return end == text || *end || errno || *amount < least ? -1 : 0;
}

/* What stands behind the "="; NULL: nothing does. */
static int read_value(const char *value, struct fault_plan *fault)
{
    char name[24];
    if (!value)
        return 0;
    switch (fault->kind) {
    case FAULT_ERROR:
        if (snprintf(name, sizeof name, "%s", value) >= (int) sizeof name)
            return -1;
        fault->error = error_named(name);
        return fault->error ? 0 : -1;
    case FAULT_CLOCK:
        return read_amount(value, INT64_MIN, &fault->amount);
    default:
        return read_amount(value, 1, &fault->amount);
    }
}

/* ",any", ",for=NS", ",times=K": cut off and read. */
static int read_tail(char *text, struct fault_plan *fault)
{
    char *any = strstr(text, ",any"), *lasts = strstr(text, ",for="), *times;
    int64_t count;
    if (any && any[4] == 0) {
        *any = 0;
        fault->any = true;
    }
    if (lasts) {
        *lasts = 0;
        if (read_amount(lasts + 5, 1, &fault->amount) < 0)
            return -1;
    }
    times = strstr(text, ",times=");
    if (!times)
        return 0;
    *times = 0;
    if (times == text || read_amount(times + 7, 1, &count) < 0)
        return -1;
    fault->times = (uint64_t) count;
    return 0;
}

static int read_kind(char *word, struct fault_plan *fault)
{
    char *value = strchr(word, '=');
    size_t i = 0;
    if (value)
        *value++ = 0;
    while (i < KIND_COUNT && strcmp(kinds[i].name, word) != 0)
        i++;
    if (i == KIND_COUNT || (value ? !kinds[i].valued : kinds[i].needs_value))
        return -1;
    fault->kind = kinds[i].kind;
    return read_value(value, fault);
}

int fault_read(const char *text, struct fault_plan *fault)
{
    char copy[FAULT_WORDS], *end;
    memset(fault, 0, sizeof *fault);
    if (*text < '0' || *text > '9' || snprintf(copy, sizeof copy, "%s", text) >= (int) sizeof copy)
        return -1;
    fault->call_number = strtoull(copy, &end, 10);
    if (*end != ',')
        return -1;
    if (read_tail(end, fault) < 0)
        return -1;
    if (read_kind(end + 1, fault) < 0)
        return -1;
    return fault->kind != FAULT_ERROR && (fault->any || strstr(text, ",for=")) ? -1 : 0;
}

const char *fault_words(const struct fault_plan *fault, char to[FAULT_WORDS])
{
    size_t i = 0;
    int length;
    while (kinds[i].kind != fault->kind)
        i++;
    length = snprintf(to, FAULT_WORDS, "%llu,%s", (unsigned long long) fault->call_number,
                      kinds[i].name);
    if (fault->kind == FAULT_ERROR)
        length +=
            snprintf(to + length, FAULT_WORDS - (size_t) length, "=%s", error_text(fault->error));
    else if (kinds[i].valued && fault->amount)
        length += snprintf(to + length, FAULT_WORDS - (size_t) length, "=%lld",
                           (long long) fault->amount);
    if (fault->times > 1)
        length += snprintf(to + length, FAULT_WORDS - (size_t) length, ",times=%llu",
                           (unsigned long long) fault->times);
    if (fault->kind == FAULT_ERROR && fault->amount > 0)
        length += snprintf(to + length, FAULT_WORDS - (size_t) length, ",for=%lld",
                           (long long) fault->amount);
    if (fault->any)
        snprintf(to + length, FAULT_WORDS - (size_t) length, ",any");
    return to;
}
