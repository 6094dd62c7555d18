/* SPDX-License-Identifier: ISC */
/* A capture told: what is in it. */
#include "sim/capture/show.h"

#include <inttypes.h>

#include "sim/capture/text.h"

static uint64_t count_kind(const struct capture *capture, enum flow_kind kind)
{
    uint64_t count = 0;

    for (size_t i = 0; i < capture->flows.count; i++)
        count += capture->flows.flows[i]->kind == kind;
    return count;
}

static void tell_count(FILE *to, uint64_t count, const char *one, const char *several)
{
    if (count)
        fprintf(to, "%" PRIu64 " %s\n", count, count == 1 ? one : several);
}

/* What could not be followed. */
static void tell_lacks(const struct capture *capture, FILE *to)
{
    tell_count(to, capture->other, "packet is no TCP", "packets are no TCP");
    tell_count(to, capture->cut, "packet was captured without all of its headers",
               "packets were captured without all of their headers");
    tell_count(to, capture->bad, "packet is malformed", "packets are malformed");
    tell_count(to, capture->broken_up, "packet came in fragments that are not all there",
               "packets came in fragments that are not all there");
    tell_count(to, capture->flows.not_followed, "packet is of more connections than are followed",
               "packets are of more connections than are followed");
    tell_count(to, capture->flows.budget.refused, "byte is left out for want of memory",
               "bytes are left out for want of memory");
}

static void tell_capture(const struct capture *capture, const struct show_options *options)
{
    uint64_t sessions = count_kind(capture, FLOW_SMTP), others = count_kind(capture, FLOW_OTHER);
    int64_t length = capture->last_ns - capture->first_ns;
    char time[TEXT_TIME_SIZE];
    FILE *to = options->to;

    text_time(time, capture->first_ns);
    text_escape(to, options->name, __builtin_strlen(options->name));
    fprintf(to, ": %s, %" PRIu64 " packet%s", capture->link_name ? capture->link_name : "nothing",
            capture->packets, text_plural(capture->packets));
    if (capture->packets)
        fprintf(to, " in %" PRId64 ".%06d s, from %s UTC", length / 1000000000,
                (int) (length % 1000000000 / 1000), time);
    fprintf(to, "\n%" PRIu64 " SMTP session%s", sessions, text_plural(sessions));
    if (others)
        fprintf(to, ", %" PRIu64 " other connection%s", others, text_plural(others));
    fputc('\n', to);
    tell_lacks(capture, to);
}

uint64_t show_capture(const struct capture *capture, const struct show_options *options)
{
    uint64_t number = 0, told = 0;

    tell_capture(capture, options);
    for (size_t i = 0; i < capture->flows.count; i++) {
        struct smtp_session session;

        if (capture->flows.flows[i]->kind != FLOW_SMTP)
            continue;
        number++;
        if (options->session && options->session != number)
            continue;
        smtp_read(&session, capture->flows.flows[i]);
        fputc('\n', options->to);
        show_session(&session, number, options);
        smtp_free(&session);
        told++;
    }
    return told;
}
