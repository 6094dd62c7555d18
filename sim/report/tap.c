/* SPDX-License-Identifier: ISC */
/* The Test Anything Protocol, version 13: a scenario is a test. */
#include <stdlib.h>
#include <string.h>

#include "sim/capture/text.h"
#include "sim/report/report.h"
#include "sim/world/words.h"

/* Text of one line; what is not printable as \xHH, a newline or a tab as a blank. */
static void print_bytes(FILE *to, const char *text, size_t size, bool title)
{
    while (size > 0) {
        size_t length = 1;

        if (*text == '\n' || *text == '\t')
            fputc(' ', to);
        else if (*text == '#' && title)
            fputs("\\#", to); /* else it would begin a directive */
        else
            length = text_print_character(to, text, size);
        text += length;
        size -= length;
    }
}

static void print_line(FILE *to, const char *text)
{
    print_bytes(to, text, strlen(text), false);
}

/* Text after "# ": each line gets its own. */
static void print_comment(FILE *to, const char *text)
{
    while (*text) {
        size_t length = strcspn(text, "\n");

        fputs("# ", to);
        print_bytes(to, text, length, false);
        fputc('\n', to);
        text += length + (text[length] == '\n');
    }
}

static void print_failure(FILE *to, const struct report_item *item, const struct failure *failure)
{
    fputs("# ", to);
    print_line(to, failure->at.source ? failure->at.source->name : item->file);
    if (failure->at.source)
        fprintf(to, ":%u:%u", failure->at.line, failure->at.column);
    fprintf(to, ": %s%s", failure->promise ? failure->promise : "", failure->promise ? ": " : "");
    print_line(to, failure->message);
    fputc('\n', to);
    if (failure->detail)
        print_comment(to, failure->detail);
}

void tap_print(FILE *to, const struct report *report)
{
    fprintf(to, "TAP version 13\n1..%zu\n", report->planned ? report->planned : report->count);
    if (report->note)
        print_comment(to, report->note);
    for (size_t i = 0; i < report->count; i++) {
        const struct report_item *item = &report->items[i];
        bool ok = !item->unreadable && item->result.verdict == VERDICT_HELD;

        fprintf(to, "%s %zu - ", ok ? "ok" : "not ok", i + 1);
        print_bytes(to, item->title, strlen(item->title), true);
        if (item->skipped) {
            fputs(" # SKIP ", to);
            print_line(to, item->skipped);
        }
        fputc('\n', to);
        if (item->unreadable)
            print_comment(to, "the file is wrong");
        for (size_t k = 0; !ok && k < item->result.failure_count; k++)
            print_failure(to, item, &item->result.failures[k]);
        if (!ok && !item->unreadable) {
            char *file = shell_word(item->file);

            fprintf(to, "# replay: nixie %s ", report->command ? report->command : "run");
            print_line(to, file);
            print_line(to, report->replay);
            fputc('\n', to);
            free(file);
        }
    }
    if (report->planned)
        fprintf(to, "Bail out! interrupted: %zu of %zu were run\n", report->count, report->planned);
}
