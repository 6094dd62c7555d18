/* SPDX-License-Identifier: ISC */
#include "sim/trace/tell.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <time.h>

#include "sim/trace/explain.h"

#define TIME_TEXT 40
#define SPAN_TEXT 40
#define SKIP_LOCAL 10
#define SKIP_REMOTE 20

/* --- times -----------------------------------------------------------------------------------*/

static const char *format_time(const struct teller *teller, char to[TIME_TEXT],
                               const struct moment *at)
{
    time_t seconds = at->seconds;
    struct tm tm;

    if (!at->known || !(teller->local ? localtime_r(&seconds, &tm) : gmtime_r(&seconds, &tm))) {
        snprintf(to, TIME_TEXT, "%-23s", "");
        return to;
    }
    size_t used = strftime(to, TIME_TEXT, "%Y-%m-%d %H:%M:%S", &tm);

    snprintf(to + used, TIME_TEXT - used, ".%03u", (unsigned) (at->nanoseconds / 1000000));
    return to;
}

static int64_t nanoseconds_between(const struct moment *from, const struct moment *to)
{
    return (to->seconds - from->seconds) * 1000000000 +
           ((int64_t) to->nanoseconds - (int64_t) from->nanoseconds);
}

/* "4.06s", "13m20s", "2h05m", "3d04h".  False if one of the times is not known, or the clock went
 * backward. */
static bool format_span(char to[SPAN_TEXT], const struct moment *from, const struct moment *until)
{
    if (!from->known || !until->known)
        return false;
    int64_t span = nanoseconds_between(from, until);
    long long s = span / 1000000000;

    if (span < 0)
        return false;
    if (s >= 86400)
        snprintf(to, SPAN_TEXT, "%lldd%02lldh", s / 86400, s / 3600 % 24);
    else if (s >= 3600)
        snprintf(to, SPAN_TEXT, "%lldh%02lldm", s / 3600, s / 60 % 60);
    else if (s >= 60)
        snprintf(to, SPAN_TEXT, "%lldm%02llds", s / 60, s % 60);
    else
        snprintf(to, SPAN_TEXT, "%lld.%02llds", s, (long long) (span / 10000000 % 100));
    return true;
}

static void tell_span(const struct teller *teller, const char *before, const struct moment *from,
                      const struct moment *until, const char *behind)
{
    char span[SPAN_TEXT];

    if (format_span(span, from, until))
        fprintf(teller->to, "%s%s%s", before, span, behind);
}

/* When the schedule has the next try of a deferred delivery (nixie-send(8)). */
static bool next_try(const struct story *story, const struct delivery *delivery, struct moment *at)
{
    int64_t age = delivery->start.seconds - story->begin.seconds;

    if (!story->has_begin || !story->begin.known || !delivery->start.known || age < 0)
        return false;
    int64_t root = (int64_t) sqrt((double) age) + (delivery->remote ? SKIP_REMOTE : SKIP_LOCAL);

    *at = (struct moment){true, story->begin.seconds + root * root, 0};
    return true;
}

/* Once, above all else. */
static void tell_zone(const struct teller *teller)
{
    char zone[60] = "UTC";
    time_t at = teller->history->last.seconds;
    struct tm tm;

    if (!teller->history->last.known)
        return;
    if (teller->local && localtime_r(&at, &tm))
        strftime(zone, sizeof zone, "local: UTC%z at the end of the log", &tm);
    fprintf(teller->to, "Times are %s.\n\n", zone);
}

/* --- words -----------------------------------------------------------------------------------*/

/* Text of others: nothing that a terminal would obey. */
static void tell_safe(const struct teller *teller, const char *text)
{
    for (; *text; text++)
        fputc((unsigned char) *text < ' ' || *text == 127 ? '?' : *text, teller->to);
}

/* A report as it was before the log made it one word. */
static void tell_report(const struct teller *teller, const char *report)
{
    size_t size = strlen(report);

    while (size && report[size - 1] == '/')
        size--;
    for (size_t i = 0; i < size; i++) {
        char c = report[i] == '_' ? ' ' : report[i];

        if (c == '/' && report[i + 1] != '/' && i > 0 && report[i - 1] != '/' &&
            report[i - 1] != ':')
            fputs(" / ", teller->to);
        else
            fputc((unsigned char) c < ' ' || c == 127 ? '?' : c, teller->to);
    }
}

static void tell_sender(const struct teller *teller, const struct story *story)
{
    if (!story->sender)
        fputs("a sender that the log does not show", teller->to);
    else if (!*story->sender)
        fputs("nobody, as bounces are", teller->to);
    else if (strcmp(story->sender, "#@[]") == 0)
        fputs("#@[], as bounces of bounces are", teller->to);
    else
        tell_safe(teller, story->sender);
}

/* The beginning of a line. */
static void begin_line(const struct teller *teller, const struct moment *at)
{
    char time[TIME_TEXT];

    if (teller->history->last.known)
        fprintf(teller->to, "  %s  ", format_time(teller, time, at));
    else
        fputs("  ", teller->to);
}

static void begin_more(const struct teller *teller)
{
    static const struct moment unknown;

    begin_line(teller, &unknown);
    fputs("    ", teller->to);
}

/* --- events ----------------------------------------------------------------------------------*/

static void tell_new(const struct teller *teller, const struct story *story)
{
    fputs("comes in", teller->to);
    if (!story->has_info) {
        fputs(".\n", teller->to);
        return;
    }
    fprintf(teller->to, ": %" PRIu64 " bytes from ", story->bytes);
    tell_sender(teller, story);
    fprintf(teller->to, ", handed in by user %" PRIu64 ".\n", story->uid);
}

static void tell_start(const struct teller *teller, const struct delivery *delivery)
{
    const struct delivery *deliveries = teller->history->deliveries;

    fprintf(teller->to, "delivery %" PRIu64 " begins: %s ", delivery->id,
            delivery->remote ? "by SMTP to" : "here, to");
    tell_safe(teller, delivery->recipient);
    if (delivery->try > 1) {
        fprintf(teller->to, ", try %u", delivery->try);
        tell_span(teller, ", ", &deliveries[delivery->previous].start, &delivery->start,
                  " after the one before");
    }
    fputs(".\n", teller->to);
}

/* "did_1+0+0/": what nixie-local and qmail-local say of a delivery. */
static bool tell_counts(const struct teller *teller, const char *text)
{
    unsigned mailboxes, forwards, programs;
    const char *did = strstr(text, "did_");

    if (!did || sscanf(did, "did_%u+%u+%u", &mailboxes, &forwards, &programs) != 3 ||
        mailboxes + forwards + programs == 0)
        return false;
    begin_more(teller);
    fprintf(teller->to, "(into mailboxes: %u, forwarded: %u, to programs: %u)\n", mailboxes,
            forwards, programs);
    return true;
}

static void tell_text(const struct teller *teller, const char *text)
{
    const char *meaning = explain(text);

    if (!*text)
        return;
    begin_more(teller);
    fputc('"', teller->to);
    tell_report(teller, text);
    fputs("\"\n", teller->to);
    if (tell_counts(teller, text) || !meaning)
        return;
    begin_more(teller);
    fprintf(teller->to, "(%s)\n", meaning);
}

static void tell_result(const struct teller *teller, const struct delivery *delivery)
{
    static const char *const words[] = {[RESULT_SUCCESS] = "succeeds: delivered to ",
                                        [RESULT_FAILURE] = "fails for good for ",
                                        [RESULT_DEFERRAL] =
                                            "is put off: there will be another try for "};

    fprintf(teller->to, "delivery %" PRIu64 " %s", delivery->id, words[delivery->result]);
    tell_safe(teller, delivery->recipient);
    tell_span(teller, ", after ", &delivery->start, &delivery->end, "");
    fputs(".\n", teller->to);
    tell_text(teller, delivery->text);
}

static void tell_bounce(const struct teller *teller, const struct story *story)
{
    fputs("what failed goes back as a bounce, ", teller->to);
    if (story->bounce == NO_STORY)
        fprintf(teller->to, "qp %" PRIu64 ", which is not in this log.\n", story->bounce_qp);
    else
        fprintf(teller->to, "message %" PRIu64 ".\n",
                teller->history->stories[story->bounce].number);
}

static void tell_end(const struct teller *teller, const struct story *story)
{
    fputs("is done and leaves the queue", teller->to);
    if (story->has_begin)
        tell_span(teller, ", ", &story->begin, &story->end, " after it came in");
    fputs(".\n", teller->to);
}

static void tell_event(const struct teller *teller, const struct story *story,
                       const struct event *event)
{
    begin_line(teller, &event->at);
    switch (event->kind) {
    case EVENT_NEW:
        tell_new(teller, story);
        break;
    case EVENT_AGAIN:
        fputs("is taken in again: the server had ended in the middle of that.\n", teller->to);
        break;
    case EVENT_START:
        tell_start(teller, &teller->history->deliveries[event->delivery]);
        break;
    case EVENT_RESULT:
        tell_result(teller, &teller->history->deliveries[event->delivery]);
        break;
    case EVENT_LOST:
        fprintf(teller->to,
                "delivery %" PRIu64 " has no result in this log: the server ended before it. What "
                "was delivered by then may come again.\n",
                teller->history->deliveries[event->delivery].id);
        break;
    case EVENT_BOUNCE:
        tell_bounce(teller, story);
        break;
    case EVENT_TRIPLE:
        fputs("cannot be delivered, and is a bounce of a bounce: it is thrown away.\n", teller->to);
        break;
    case EVENT_ADMIN:
        fputs("is ", teller->to);
        tell_safe(teller, event->text);
        fputs(" by the admin.\n", teller->to);
        break;
    case EVENT_TROUBLE:
        tell_safe(teller, event->text);
        fputc('\n', teller->to);
        break;
    case EVENT_END:
        tell_end(teller, story);
        break;
    }
}

/* --- what is open ----------------------------------------------------------------------------*/

static void tell_waiting(const struct teller *teller, const struct story *story,
                         const struct delivery *delivery)
{
    char time[TIME_TEXT];
    struct moment next;

    fprintf(teller->to, "waits for another try after %u", delivery->try);
    tell_span(teller, ", since ", &story->begin, &teller->history->last, "");
    if (!story->held && next_try(story, delivery, &next))
        fprintf(teller->to, "; by the schedule at %.19s", format_time(teller, time, &next));
}

static void tell_recipient(const struct teller *teller, const struct story *story,
                           const struct delivery *delivery)
{
    if (!delivery->is_last || delivery->result == RESULT_SUCCESS ||
        delivery->result == RESULT_FAILURE)
        return;
    fputs("    ", teller->to);
    tell_safe(teller, delivery->recipient);
    fputs(": ", teller->to);
    if (delivery->result == RESULT_OPEN) {
        fprintf(teller->to, "delivery %" PRIu64 " is under way", delivery->id);
        tell_span(teller, ", for ", &delivery->start, &teller->history->last, "");
    } else if (delivery->result == RESULT_LOST) {
        fprintf(teller->to,
                "delivery %" PRIu64 " was under way when the server ended; it will be tried again",
                delivery->id);
    } else {
        tell_waiting(teller, story, delivery);
    }
    fputs(".\n", teller->to);
}

static void tell_open(const struct teller *teller, const struct story *story)
{
    bool tried = false;

    if (story->ended)
        return;
    if (story->replaced) {
        fputs("  Its end is not in this log; later another message had its number.\n", teller->to);
        return;
    }
    fprintf(teller->to, "  At the end of the log it is still in the queue%s.\n",
            story->held ? ", held by the admin" : "");
    for (size_t i = 0; i < story->event_count; i++)
        if (story->events[i].kind == EVENT_START) {
            tried = true;
            tell_recipient(teller, story, &teller->history->deliveries[story->events[i].delivery]);
        }
    if (!tried)
        fputs("    It has not been tried.\n", teller->to);
}

void tell_story(struct teller *teller, size_t at)
{
    while (at != NO_STORY && !teller->told[at]) {
        const struct story *story = &teller->history->stories[at];

        if (!teller->count)
            tell_zone(teller);
        teller->told[at] = true;
        fprintf(teller->to, "%sMessage %" PRIu64, teller->count++ ? "\n" : "", story->number);
        if (story->bounce_of != NO_STORY)
            fprintf(teller->to, ", the bounce of message %" PRIu64,
                    teller->history->stories[story->bounce_of].number);
        fputc('\n', teller->to);
        if (!story->has_begin)
            fputs("  This log begins after it came in.\n", teller->to);
        for (size_t i = 0; i < story->event_count; i++)
            tell_event(teller, story, &story->events[i]);
        tell_open(teller, story);
        at = story->bounce;
    }
}

/* --- the summary -----------------------------------------------------------------------------*/

struct sums {
    size_t delivered, failed, waiting, running;
};

static struct sums add_up(const struct teller *teller, const struct story *story)
{
    struct sums sums = {0};

    for (size_t i = 0; i < story->event_count; i++) {
        if (story->events[i].kind != EVENT_START)
            continue;
        const struct delivery *delivery = &teller->history->deliveries[story->events[i].delivery];

        if (!delivery->is_last)
            continue;
        sums.delivered += delivery->result == RESULT_SUCCESS;
        sums.failed += delivery->result == RESULT_FAILURE;
        sums.waiting += delivery->result == RESULT_DEFERRAL || delivery->result == RESULT_LOST;
        sums.running += delivery->result == RESULT_OPEN;
    }
    return sums;
}

static void tell_sum(const struct teller *teller, size_t count, const char *what)
{
    if (count)
        fprintf(teller->to, ", %zu %s", count, what);
}

static void tell_outcome(const struct teller *teller, const struct story *story)
{
    struct sums sums = add_up(teller, story);

    tell_sum(teller, sums.delivered, "delivered");
    tell_sum(teller, sums.failed, "failed");
    tell_sum(teller, story->ended ? 0 : sums.waiting, "waiting");
    tell_sum(teller, story->ended ? 0 : sums.running, "under way");
    if (story->bounce != NO_STORY)
        fprintf(teller->to, ", bounce %" PRIu64, teller->history->stories[story->bounce].number);
    fputs(story->deleted    ? ", deleted by the admin"
          : story->triple   ? ", thrown away"
          : story->replaced ? ", its end is not in this log"
          : story->ended    ? ", done"
          : story->held     ? ", held"
                            : ", in the queue",
          teller->to);
    if (story->ended && story->has_begin)
        tell_span(teller, " after ", &story->begin, &story->end, "");
}

void tell_summary(struct teller *teller)
{
    const struct history *history = teller->history;
    size_t done = 0;

    tell_zone(teller);
    for (size_t i = 0; i < history->story_count; i++) {
        const struct story *story = &history->stories[i];

        done += story->ended;
        begin_line(teller, &story->begin);
        fprintf(teller->to, "%" PRIu64 ": ", story->number);
        if (story->has_info) {
            fprintf(teller->to, "%" PRIu64 " bytes from ", story->bytes);
            tell_sender(teller, story);
        } else {
            fputs("came in before this log", teller->to);
        }
        tell_outcome(teller, story);
        fputc('\n', teller->to);
    }
    fprintf(teller->to, "%zu message%s, %zu done, %zu not\n", history->story_count,
            history->story_count == 1 ? "" : "s", done, history->story_count - done);
}
