/* SPDX-License-Identifier: ISC */
/* `list`: one line a message, one a recipient. */
#include <stdio.h>

#include "mta/admin/admin.h"
#include "mta/lib/mark.h"

#define TIME_TEXT 48

/* "3d4h", "2h5m", "13m20s", "7s": the two largest units. */
static const char *format_span(char to[TIME_TEXT], int64_t seconds)
{
    long long s = seconds < 0 ? 0 : (long long) seconds;
    if (s >= 86400)
        snprintf(to, TIME_TEXT, "%lldd%lldh", s / 86400, s / 3600 % 24);
    else if (s >= 3600)
        snprintf(to, TIME_TEXT, "%lldh%lldm", s / 3600, s / 60 % 60);
    else if (s >= 60)
        snprintf(to, TIME_TEXT, "%lldm%llds", s / 60, s % 60);
    else
        snprintf(to, TIME_TEXT, "%llds", s);
    return to;
}

static bool has_recipients_left(const struct view *view)
{
    return view->is_new || view->channels[0].to_do || view->channels[1].to_do;
}

static void list_head(struct output *output, const struct view *view, unsigned marks, int64_t now)
{
    char age[TIME_TEXT];
    output_number(output, view->number);
    output_text(output, "  ");
    output_number(output, view->message.mess_length);
    output_text(output, " bytes, ");
    output_text(output, format_span(age, now - view->message.birth));
    output_text(output, " old, from <");
    output_safe(output, view->message.sender);
    output_text(output, ">");
    if (view->is_new)
        output_text(output, ", new");
    if (marks & MARK_DELETE)
        output_text(output, ", to be deleted");
    if (marks & MARK_HOLD)
        output_text(output, ", held");
    if (marks & MARK_EXPIRE)
        output_text(output, ", its next try is the last");
    if (!has_recipients_left(view))
        output_text(output, view->bouncing ? ", its bounce is to be sent" : ", done");
    else if (view->bouncing)
        output_text(output, ", has failed recipients");
    output_text(output, "\n");
}

static void list_try(struct output *output, const struct spool_channel *channel, int64_t now)
{
    char span[TIME_TEXT];
    if (!channel->next_try_known || channel->next_try <= now) {
        output_text(output, ", due");
        return;
    }
    output_text(output, ", next try in ");
    output_text(output, format_span(span, channel->next_try - now));
}

void list_message(struct output *output, const struct rewrite *rewrite, const struct view *view,
                  unsigned marks, int64_t now)
{
    static const char *const channels[] = {"    local  ", "    remote "};
    struct view_walk walk = {0};
    struct view_recipient recipient;
    list_head(output, view, marks, now);
    while (view_next(view, &walk, &recipient)) {
        int channel = recipient.channel;
        output_text(output, channel < 0 ? "    to     " : channels[channel]);
        output_safe(output, rewrite_strip(rewrite, recipient.address));
        if (recipient.done)
            output_text(output, ", done");
        else if (channel >= 0 && !(marks & (MARK_HOLD | MARK_DELETE)))
            list_try(output, &view->channels[channel], now);
        output_text(output, "\n");
    }
}
