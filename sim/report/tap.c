/* SPDX-License-Identifier: ISC */
/* The Test Anything Protocol, version 13: a scenario is a test. */
#include <stdlib.h>
#include <string.h>

#include "sim/report/report.h"
#include "sim/world/words.h"

/* Text after "# ": each line gets its own. */
static void print_comment(FILE *to, const char *text)
{
    while (*text) {
        size_t length = strcspn(text, "\n");

        fprintf(to, "# %.*s\n", (int) length, text);
        text += length + (text[length] == '\n');
    }
}

/* '#' begins a directive in TAP. */
static void print_title(FILE *to, const char *title)
{
    for (; *title; title++)
        if (*title == '#')
            fputs("\\#", to);
        else
            fputc((unsigned char) *title < ' ' ? ' ' : *title, to);
}

void tap_print(FILE *to, const struct report *report)
{
    fprintf(to, "TAP version 13\n1..%zu\n", report->count);
    for (size_t i = 0; i < report->count; i++) {
        const struct report_item *item = &report->items[i];
        bool ok = !item->unreadable && item->result.verdict == VERDICT_HELD;

        fprintf(to, "%s %zu - ", ok ? "ok" : "not ok", i + 1);
        print_title(to, item->title);
        if (item->skipped)
            fprintf(to, " # SKIP %s", item->skipped);
        fputc('\n', to);
        if (item->unreadable)
            print_comment(to, "the file is wrong");
        for (size_t k = 0; !ok && k < item->result.failure_count; k++) {
            const struct failure *failure = &item->result.failures[k];

            if (failure->at.source)
                fprintf(to, "# %s:%u:%u: ", failure->at.source->name, failure->at.line,
                        failure->at.column);
            else
                fprintf(to, "# %s: ", item->file);
            fprintf(to, "%s%s%s\n", failure->promise ? failure->promise : "",
                    failure->promise ? ": " : "", failure->message);
            if (failure->detail)
                print_comment(to, failure->detail);
        }
        if (!ok && !item->unreadable) {
            char *file = shell_word(item->file);

            fprintf(to, "# replay: nixie %s %s%s\n", report->command ? report->command : "run",
                    file, report->replay);
            free(file);
        }
    }
}
