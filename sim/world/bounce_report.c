/* SPDX-License-Identifier: ISC */
#include "sim/world/bounce_report.h"

#include <string.h>
#include <strings.h>

#include "sim/world/words.h"

#define VALUE_MAX 4000

struct line {
    const char *text;
    size_t size; /* without its end */
};

struct scanner {
    const char *at, *end;
};

static bool next_line(struct scanner *scanner, struct line *line)
{
    const char *newline;

    if (scanner->at >= scanner->end)
        return false;
    newline = memchr(scanner->at, '\n', (size_t) (scanner->end - scanner->at));
    line->text = scanner->at;
    line->size = (size_t) ((newline ? newline : scanner->end) - scanner->at);
    scanner->at = newline ? newline + 1 : scanner->end;
    if (line->size > 0 && line->text[line->size - 1] == '\r')
        line->size--;
    return true;
}

static bool begins(const struct line *line, const char *with)
{
    size_t size = strlen(with);

    return line->size >= size && strncasecmp(line->text, with, size) == 0;
}

/* --- RFC 3464 --------------------------------------------------------------------------------*/

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* The value of a field whose first line is `line`, with the lines that continue it. */
static char *read_value(struct pool *pool, struct scanner *scanner, const struct line *line)
{
    const char *colon = memchr(line->text, ':', line->size);
    char *value = pool_copy(pool, colon + 1, (size_t) (line->text + line->size - colon - 1));
    struct scanner ahead = *scanner;
    struct line more;

    while (next_line(&ahead, &more) && more.size > 0 && is_blank(*more.text)) {
        while (more.size > 0 && is_blank(*more.text)) {
            more.text++;
            more.size--;
        }
        value = pool_format(pool, "%.*s %.*s", VALUE_MAX, value, (int) more.size, more.text);
        *scanner = ahead;
    }
    for (size_t size = strlen(value); size > 0 && is_blank(value[size - 1]);)
        value[--size] = 0;
    while (is_blank(*value))
        value++;
    return value;
}

/* "rfc822; bob@x" without its type. */
static const char *without_type(const char *value)
{
    const char *semicolon = strchr(value, ';');

    if (!semicolon)
        return value;
    for (semicolon++; is_blank(*semicolon); semicolon++)
        ;
    return semicolon;
}

/* `"a b"@x` as the envelope has it: a b@x. */
static const char *unquote(struct pool *pool, const char *address)
{
    char *text = pool_copy(pool, address, strlen(address)), *to = text;
    bool quoted = false;

    if (*address != '"')
        return address;
    for (const char *from = text; *from; from++) {
        if (*from == '"') {
            quoted = !quoted;
            continue;
        }
        if (quoted && *from == '\\' && from[1])
            from++;
        *to++ = *from;
    }
    *to = 0;
    return text;
}

static void read_field(struct bounce_report *report, struct bounce_group *group,
                       struct scanner *scanner, const struct line *line)
{
    const char *value;

    if (line->size == 0 || !memchr(line->text, ':', line->size) || is_blank(*line->text))
        return;
    value = read_value(&report->pool, scanner, line);
    if (begins(line, "Final-Recipient:"))
        group->final_field = without_type(value);
    else if (begins(line, "Action:"))
        group->action = value;
    else if (begins(line, "Status:"))
        group->status = value;
    else if (begins(line, "Diagnostic-Code:"))
        group->diagnostic = value;
    else if (begins(line, "Remote-MTA:"))
        group->remote_mta = without_type(value);
    if (begins(line, "Final-Recipient:"))
        group->final_recipient = unquote(&report->pool, group->final_field);
}

static void add_group(struct bounce_report *report, const struct bounce_group *group)
{
    if (*group->final_recipient)
        *POOL_ADD(&report->pool, report->groups, report->group_count) = *group;
}

static const struct bounce_group empty_group = {"", "", "", "", "", ""};

/* The groups of fields behind the header of the delivery status, up to the end of its part. */
static void read_status(struct bounce_report *report, struct scanner *scanner)
{
    struct bounce_group group = empty_group;
    struct line line;

    while (next_line(scanner, &line) && line.size > 0)
        ; /* the rest of the part's header */
    while (next_line(scanner, &line) && !begins(&line, "--")) {
        if (line.size > 0) {
            read_field(report, &group, scanner, &line);
            continue;
        }
        add_group(report, &group);
        group = empty_group;
    }
    add_group(report, &group);
}

/* --- QSBMF -----------------------------------------------------------------------------------*/

/* "550 5.1.1" or "#5.1.1" somewhere in the text of a paragraph: the status. */
static const char *find_status(struct pool *pool, const char *text)
{
    for (const char *at = text; *at; at++) {
        size_t length = strspn(at, "0123456789."), dots = 0;

        if ((at > text && at[-1] != ' ' && at[-1] != '#' && at[-1] != '-') || length < 5 ||
            (*at != '2' && *at != '4' && *at != '5') || at[1] != '.')
            continue;
        while (length > 0 && at[length - 1] == '.')
            length--;
        for (size_t i = 0; i < length; i++)
            dots += at[i] == '.';
        if (dots == 2)
            return pool_copy(pool, at, length);
    }
    return "";
}

/* A paragraph: "<ADDRESS>:" and the lines up to an empty one. */
static void read_paragraph(struct bounce_report *report, struct scanner *scanner,
                           const struct line *first)
{
    static const char said[] = "Remote host said: ";
    struct bounce_group group = empty_group;
    char *text = pool_text(&report->pool, "");
    const char *reply;
    struct line line;

    group.final_recipient = pool_copy(&report->pool, first->text + 1, first->size - 3);
    group.action = "failed";
    while (next_line(scanner, &line) && line.size > 0 && !begins(&line, "Giving up on "))
        text = pool_format(&report->pool, "%.*s%s%.*s", VALUE_MAX, text, *text ? " " : "",
                           (int) (line.size < VALUE_MAX ? line.size : VALUE_MAX), line.text);
    reply = strstr(text, said);
    group.status = find_status(&report->pool, reply ? reply : text);
    group.diagnostic = reply ? pool_format(&report->pool, "smtp; %s", reply + sizeof said - 1)
                             : pool_format(&report->pool, "x-nixie; %s", text);
    add_group(report, &group);
}

static bool is_paragraph(const struct line *line)
{
    return line->size > 3 && line->text[0] == '<' && line->text[line->size - 1] == ':' &&
           line->text[line->size - 2] == '>';
}

static bool is_copy_mark(const struct line *line)
{
    return begins(line, "--- Below this line is ") || begins(line, "--- Enclosed ");
}

/* --- all of it -------------------------------------------------------------------------------*/

static bool is_original(const struct line *line)
{
    return begins(line, "Content-Type: message/rfc822") ||
           begins(line, "Content-Type: text/rfc822-headers");
}

/* By the header of the message. */
static bool is_multipart_report(struct scanner scanner)
{
    struct line line;

    while (next_line(&scanner, &line) && line.size > 0)
        if (memmem(line.text, line.size, "multipart/report", 16))
            return true;
    return false;
}

void bounce_report_read(struct bounce_report *report, const char *data, size_t size)
{
    struct scanner scanner = {data, data + size};
    struct bounce_group *paragraphs = NULL;
    size_t paragraph_count = 0;
    bool multipart = is_multipart_report(scanner), text_is_over = false;
    struct line line;

    memset(report, 0, sizeof *report);
    while (next_line(&scanner, &line)) {
        if (is_original(&line) || (is_copy_mark(&line) && !multipart)) {
            report->has_original = true;
            break;
        }
        text_is_over = text_is_over || is_copy_mark(&line);
        if (begins(&line, "Content-Type: message/delivery-status")) {
            paragraphs = report->groups;
            paragraph_count = report->group_count;
            report->groups = NULL;
            report->group_count = 0;
            report->is_standard = true;
            read_status(report, &scanner);
        } else if (!report->is_standard && !text_is_over && is_paragraph(&line)) {
            read_paragraph(report, &scanner, &line);
        }
    }
    if (report->group_count == 0) {
        report->groups = paragraphs;
        report->group_count = paragraph_count;
    }
}

void bounce_report_free(struct bounce_report *report)
{
    pool_free(&report->pool);
}

bool bounce_report_tells_of(const char *data, size_t size, const char *recipient)
{
    struct bounce_report report;
    bool found = false;

    bounce_report_read(&report, data, size);
    for (size_t i = 0; i < report.group_count && !found; i++)
        found = pattern_matches(recipient, report.groups[i].final_recipient, true);
    bounce_report_free(&report);
    return found;
}
