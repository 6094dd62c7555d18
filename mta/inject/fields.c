/* SPDX-License-Identifier: ISC */
#include "mta/inject/inject.h"

#include <stdio.h>
#include <string.h>

#include "mta/lib/clock.h"
#include "mta/lib/num.h"

int fields_add_stamp(const struct moment *moment, struct buf *buf)
{
    struct clock_date date;
    clock_split(&date, moment->seconds);
    char text[64];
    int size = snprintf(text, sizeof text, "%04lld%02u%02u%02u%02u%02u.%llu", (long long) date.year,
                        date.month, date.day, date.hour, date.minute, date.second,
                        (unsigned long long) moment->pid);
    return buf_add(buf, text, (size_t) size);
}

static int add_date(const struct moment *moment, struct buf *header)
{
    char text[CLOCK_DATE_SIZE];
    size_t size = clock_format_date(text, moment->seconds);
    if (buf_add_text(header, "Date: ") < 0 || buf_add(header, text, size) < 0)
        return -1;
    return buf_add_byte(header, '\n');
}

static int add_message_id(const struct settings *settings, const struct moment *moment,
                          struct buf *header)
{
    char chance[17];
    num_format_hex(chance, moment->chance);
    chance[16] = 0;
    if (buf_add_text(header, "Message-ID: <") < 0 || fields_add_stamp(moment, header) < 0 ||
        buf_add_byte(header, '.') < 0 || buf_add_text(header, chance) < 0 ||
        buf_add_text(header, ".nixie@") < 0 || buf_add_text(header, settings->id_host) < 0)
        return -1;
    return buf_add_text(header, ">\n");
}

/* The user's name between `open` and `close`, both of which and backslashes are quoted in it;
 * control bytes become blanks. */
static int add_name(struct buf *header, const char *name, char open, char close)
{
    if (buf_add_byte(header, open) < 0)
        return -1;
    for (; *name; name++) {
        char c = *name;
        if ((unsigned char) c < 32 || c == 127)
            c = ' ';
        if ((c == open || c == close || c == '\\') && buf_add_byte(header, '\\') < 0)
            return -1;
        if (buf_add_byte(header, c) < 0)
            return -1;
    }
    return buf_add_byte(header, close);
}

static int add_own_address(const struct settings *settings, struct buf *header)
{
    if (address_add_local(header, settings->user, strlen(settings->user)) < 0 ||
        buf_add_byte(header, '@') < 0)
        return -1;
    return address_add_host(header, settings->host, strlen(settings->host), &settings->hosts);
}

static int add_from(const struct settings *settings, struct buf *header)
{
    const char *name = settings->name;
    if (buf_add_text(header, "From: ") < 0)
        return -1;
    if (!name || !*name) {
        if (add_own_address(settings, header) < 0)
            return -1;
    } else if (settings->comment_style) {
        if (add_own_address(settings, header) < 0 || buf_add_byte(header, ' ') < 0 ||
            add_name(header, name, '(', ')') < 0)
            return -1;
    } else {
        if (add_name(header, name, '"', '"') < 0 || buf_add_text(header, " <") < 0 ||
            add_own_address(settings, header) < 0 || buf_add_byte(header, '>') < 0)
            return -1;
    }
    return buf_add_byte(header, '\n');
}

static int add_prefix(const struct missing *missing, struct buf *header)
{
    return missing->forwarded ? buf_add_text(header, "Resent-") : 0;
}

int fields_add_missing(const struct settings *settings, const struct moment *moment,
                       const struct missing *missing, struct buf *header)
{
    if (missing->date && (add_prefix(missing, header) < 0 || add_date(moment, header) < 0))
        return -1;
    if (missing->message_id &&
        (add_prefix(missing, header) < 0 || add_message_id(settings, moment, header) < 0))
        return -1;
    if (missing->from && (add_prefix(missing, header) < 0 || add_from(settings, header) < 0))
        return -1;
    if (missing->receivers && (add_prefix(missing, header) < 0 ||
                               buf_add_text(header, "Cc: recipient list not shown: ;\n") < 0))
        return -1;
    return 0;
}
