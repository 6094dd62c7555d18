/* SPDX-License-Identifier: ISC */
#include "sim/report/report.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sim/world/words.h"

bool terminal_has_color(FILE *to)
{
    const char *term = getenv("TERM");

    return isatty(fileno(to)) && !getenv("NO_COLOR") && term && strcmp(term, "dumb") != 0;
}

static const char *paint(bool color, const char *code)
{
    return color ? code : "";
}

/* Columns that a UTF-8 text takes, near enough. */
static size_t columns(const char *text)
{
    size_t count = 0;

    for (; *text; text++)
        count += ((unsigned char) *text & 0xc0) != 0x80;
    return count;
}

static void print_failure(FILE *to, const char *file, const struct failure *failure, bool color)
{
    fprintf(to, "%sFAIL%s ", paint(color, "\033[31m"), paint(color, "\033[0m"));
    if (failure->at.source)
        fprintf(to, "%s:%u:%u: ", failure->at.source->name, failure->at.line, failure->at.column);
    else
        fprintf(to, "%s: ", file);
    fprintf(to, "%s%s%s\n", failure->promise ? failure->promise : "", failure->promise ? ": " : "",
            failure->message);
    position_show(failure->at, to);
    if (failure->detail)
        fputs(failure->detail, to);
}

void terminal_item(FILE *to, const struct report_item *item, size_t width, bool color)
{
    size_t title = columns(item->title);

    if (item->unreadable)
        return; /* the checker has said what is wrong */
    if (item->skipped) {
        fprintf(to, "skip  %s%*s%s\n", item->title, (int) (width > title ? width - title : 0) + 4,
                "", item->skipped);
        return;
    }
    if (item->result.verdict == VERDICT_HELD) {
        fprintf(to, "%sok%s  %s%*s%s\n", paint(color, "\033[32m"), paint(color, "\033[0m"),
                item->title, (int) (width > title ? width - title : 0) + 6, "",
                item->result.summary);
        return;
    }
    for (size_t i = 0; i < item->result.failure_count; i++)
        print_failure(to, item->file, &item->result.failures[i], color);
    if (item->result.knobs)
        fprintf(to, "knobs: %s\n", item->result.knobs);
}

void terminal_annotate(FILE *to, const struct report_item *item)
{
    for (size_t i = 0; i < item->result.failure_count; i++) {
        const struct failure *failure = &item->result.failures[i];

        if (failure->at.source)
            fprintf(to, "::error file=%s,line=%u,col=%u::%s\n", failure->at.source->name,
                    failure->at.line, failure->at.column, failure->message);
        else
            fprintf(to, "::error file=%s::%s%s%s\n", item->file,
                    failure->promise ? failure->promise : "", failure->promise ? ": " : "",
                    failure->message);
    }
}

void terminal_end(FILE *to, const struct report *report)
{
    size_t passed = 0, failed = 0, skipped = 0;
    int64_t simulated = 0;
    double seconds = 0;
    char time[TIME_TEXT];

    for (size_t i = 0; i < report->count; i++) {
        const struct report_item *item = &report->items[i];

        if (item->skipped)
            skipped++;
        else if (!item->unreadable && item->result.verdict == VERDICT_HELD)
            passed++;
        else
            failed++;
        simulated += item->result.simulated_ns;
        seconds += item->seconds;
    }
    fprintf(to, "%zu passed, %zu failed", passed, failed);
    if (skipped > 0)
        fprintf(to, ", %zu skipped", skipped);
    fprintf(to, "; %s simulated in %.2f s\n", time_format_length(time, simulated), seconds);
    if (report->planned)
        fprintf(to, "interrupted: %zu of %zu were run\n", report->count, report->planned);
    if (report->note)
        fprintf(to, "%s\n", report->note);
    for (size_t i = 0; i < report->count; i++)
        if (!report->items[i].unreadable && report->items[i].result.verdict != VERDICT_HELD) {
            char *file = shell_word(report->items[i].file);

            fprintf(to, "replay: nixie run %s%s      (-v for the story)\n", file, report->replay);
            free(file);
            if (failed > 5)
                break;
        }
}
