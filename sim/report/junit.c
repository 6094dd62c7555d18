/* SPDX-License-Identifier: ISC */
/* JUnit XML as CI systems read it: one suite, a test case a scenario. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/capture/text.h"
#include "sim/report/report.h"
#include "sim/report/whole_file.h"

/* How a character stands in text and in a value of an attribute; NULL: as it is. */
static const char *entity(uint32_t code, bool value)
{
    switch (code) {
    case '\n':
        return value ? "&#10;" : "\n"; /* as it is, it would be a blank in a value */
    case '\t':
        return value ? "&#9;" : "\t";
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    default:
        return NULL;
    }
}

/* What is not printable, and so all that XML 1.0 forbids, as \xHH. */
static void print_escaped(FILE *to, const char *text, bool value)
{
    size_t size = strlen(text);

    while (size > 0) {
        const char *name = entity((unsigned char) *text, value);
        size_t length = 1;

        if (name)
            fputs(name, to);
        else
            length = text_print_character(to, text, size);
        text += length;
        size -= length;
    }
}

static void print_text(FILE *to, const char *text)
{
    print_escaped(to, text, false);
}

static void print_value(FILE *to, const char *text)
{
    print_escaped(to, text, true);
}

static void print_failure(FILE *to, const struct report_item *item, const struct failure *failure)
{
    fputs("    <failure message=\"", to);
    print_value(to, failure->message);
    fputs("\" type=\"", to);
    print_value(to, failure->promise ? failure->promise : "expect");
    fputs("\">", to);
    print_text(to, failure->at.source ? failure->at.source->name : item->file);
    if (failure->at.source)
        fprintf(to, ":%u:%u", failure->at.line, failure->at.column);
    fputs("\n", to);
    if (failure->detail)
        print_text(to, failure->detail);
    fputs("</failure>\n", to);
}

static void print_item(FILE *to, const struct report_item *item)
{
    fputs("  <testcase name=\"", to);
    print_value(to, item->title);
    fputs("\" classname=\"", to);
    print_value(to, item->file);
    fprintf(to, "\" time=\"%.3f\">\n", item->seconds);
    if (item->unreadable)
        fputs("    <error message=\"the file is wrong\"/>\n", to);
    if (item->skipped) {
        fputs("    <skipped message=\"", to);
        print_value(to, item->skipped);
        fputs("\"/>\n", to);
    }
    for (size_t i = 0; i < item->result.failure_count; i++)
        print_failure(to, item, &item->result.failures[i]);
    fputs("    <system-out>", to);
    if (item->result.summary)
        print_text(to, item->result.summary);
    fputs("</system-out>\n  </testcase>\n", to);
}

int junit_write(const char *path, const struct report *report)
{
    char *text = NULL;
    size_t size = 0, failed = 0, errors = 0;
    double seconds = 0;
    FILE *to = open_memstream(&text, &size);
    int result;

    if (!to)
        return -1;
    for (size_t i = 0; i < report->count; i++) {
        errors += report->items[i].unreadable;
        failed += !report->items[i].unreadable && report->items[i].result.verdict != VERDICT_HELD;
        seconds += report->items[i].seconds;
    }
    fprintf(to,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
            "<testsuite name=\"nixie\" tests=\"%zu\" failures=\"%zu\" errors=\"%zu\" "
            "time=\"%.3f\">\n",
            report->count, failed, errors, seconds);
    if (report->note) {
        fputs("  <properties><property name=\"note\" value=\"", to);
        print_escaped(to, report->note, true);
        fputs("\"/></properties>\n", to);
    }
    for (size_t i = 0; i < report->count; i++)
        print_item(to, &report->items[i]);
    fputs("</testsuite>\n", to);
    result = fclose(to) == 0 ? whole_file_write(path, text, size) : -1;
    free(text);
    return result;
}
