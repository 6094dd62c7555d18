/* SPDX-License-Identifier: ISC */
#include "sim/world/stage.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

static const char *const directories[BIT_COUNT] = {"pid",  "mess",  "intd",   "todo",
                                                   "info", "local", "remote", "bounce"};

const char *stage_name(enum stage stage)
{
    static const char *const names[] = {"none", "S1", "S2", "S3", "S4", "S5", "none of S1 to S5"};

    return names[stage];
}

enum stage stage_named(const char *name)
{
    for (enum stage stage = STAGE_S1; stage <= STAGE_S5; stage++)
        if (strcmp(name, stage_name(stage)) == 0)
            return stage;
    return STAGE_NONE;
}

enum stage stage_of(unsigned bits)
{
    bits &= ~(unsigned) BIT_PID;
    if (bits == 0)
        return STAGE_S1;
    if (bits == BIT_MESS)
        return STAGE_S2;
    if (bits == (BIT_MESS | BIT_INTD))
        return STAGE_S3;
    if ((bits & BIT_MESS) && (bits & BIT_TODO) && !(bits & BIT_BOUNCE))
        return STAGE_S4;
    if ((bits & BIT_MESS) && (bits & BIT_INFO) && !(bits & (BIT_INTD | BIT_TODO)))
        return STAGE_S5;
    return STAGE_ODD;
}

const char *bits_format(unsigned bits, char to[BITS_TEXT])
{
    size_t used = 0;

    to[0] = 0;
    for (unsigned i = 0; i < BIT_COUNT; i++)
        if (bits & (1u << i))
            used += (size_t) snprintf(to + used, BITS_TEXT - used, "%s+%s", used ? " " : "",
                                      directories[i]);
    if (used == 0)
        snprintf(to, BITS_TEXT, "no file");
    return to;
}

bool spool_path_parse(const char *path, enum spool_bit *bit, uint64_t *number)
{
    const char *slash = strrchr(path, '/'), *name, *c;

    if (!slash || !slash[1] || strlen(slash + 1) > 19)
        return false;
    *number = 0;
    for (c = slash + 1; *c >= '0' && *c <= '9'; c++)
        *number = *number * 10 + (uint64_t) (*c - '0');
    if (*c)
        return false;
    for (name = slash; name > path && name[-1] != '/';)
        name--;
    for (unsigned i = 0; i < BIT_COUNT; i++)
        if (strlen(directories[i]) == (size_t) (slash - name) &&
            memcmp(directories[i], name, (size_t) (slash - name)) == 0) {
            *bit = (enum spool_bit)(1u << i);
            return true;
        }
    return false;
}

bool spool_may_change(const char *program, enum spool_bit bit, bool adds)
{
    bool queue = strcmp(program, "nixie-queue") == 0;
    bool clean = strcmp(program, "nixie-clean") == 0;

    if (bit & (BIT_PID | BIT_MESS | BIT_INTD | BIT_TODO))
        return queue || (clean && !adds);
    return strcmp(program, "nixie-send") == 0;
}
