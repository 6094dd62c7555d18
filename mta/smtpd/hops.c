/* SPDX-License-Identifier: ISC */
/* Counts as qmail-smtpd does: a line that begins with one of the names, whatever follows. */
#include "mta/smtpd/smtpd.h"

static const char *const names[] = {"received:", "delivered-to:"};
#define NAME_COUNT (sizeof names / sizeof *names)
#define ALL_NAMES ((1U << NAME_COUNT) - 1)

void hops_begin(struct hops *hops)
{
    *hops = (struct hops){.in_header = true, .at_start = true, .candidates = ALL_NAMES};
}

static char lower(char byte)
{
    return byte >= 'A' && byte <= 'Z' ? (char) (byte - 'A' + 'a') : byte;
}

static void compare(struct hops *hops, char byte)
{
    for (unsigned i = 0; i < NAME_COUNT; i++) {
        if (!(hops->candidates & 1U << i))
            continue;
        if (names[i][hops->position] != lower(byte)) {
            hops->candidates &= ~(1U << i);
        } else if (!names[i][hops->position + 1]) {
            hops->count++;
            hops->candidates = 0;
        }
    }
    hops->position++;
}

void hops_feed(struct hops *hops, const char *bytes, size_t size)
{
    for (size_t i = 0; i < size && hops->in_header; i++) {
        if (bytes[i] == '\n') {
            hops->in_header = !hops->at_start; /* an empty line */
            hops->at_start = true;
            hops->position = 0;
            hops->candidates = ALL_NAMES;
            continue;
        }
        hops->at_start = false;
        if (hops->candidates)
            compare(hops, bytes[i]);
    }
}
