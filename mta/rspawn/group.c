/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "mta/lib/mem.h"
#include "mta/rspawn/rspawn.h"

int reports_init(struct reports *reports)
{
    memset(reports, 0, sizeof *reports);
    reports->out.limit = OUT_MAX;
    reports->listening = true;
    return buf_reserve(&reports->out, OUT_MAX);
}

bool reports_have_room(const struct reports *reports)
{
    return OUT_MAX - reports->out.length >= REPORT_TEXT_MAX + 3;
}

void reports_add(struct reports *reports, unsigned slot, const char *text, size_t size)
{
    char head[2] = {(char) (slot & 255), (char) (slot >> 8)};
    if (!reports->listening)
        return;
    buf_add(&reports->out, head, 2);
    buf_add(&reports->out, text, size < REPORT_TEXT_MAX ? size : REPORT_TEXT_MAX);
    buf_add_byte(&reports->out, 0);
}

void reports_flush(struct reports *reports)
{
    while (reports->out.length && reports->listening) {
        ssize_t count = write(1, reports->out.data, reports->out.length);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0 && errno == EAGAIN)
            return;
        if (count < 0)
            reports->listening = false;
        else
            buf_drop(&reports->out, (size_t) count);
    }
    if (!reports->listening)
        buf_reset(&reports->out);
}

bool group_fail(struct group *group, struct reports *reports)
{
    for (; group->reported < group->count; group->reported++) {
        if (!reports_have_room(reports))
            return false;
        reports_add(reports, group->slots[group->reported], group->failure, strlen(group->failure));
    }
    return true;
}

void group_free(struct group *group)
{
    mem_free(group->slots);
    memset(group, 0, sizeof *group);
}
