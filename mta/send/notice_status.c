/* SPDX-License-Identifier: ISC */
/* What a bounce says to programs: the fields of message/delivery-status (RFC 3464 2). */
#include <stdio.h>
#include <string.h>

#include "mta/lib/address.h"
#include "mta/lib/clock.h"
#include "mta/lib/failure.h"
#include "mta/lib/utf8.h"
#include "mta/send/notice.h"
#include "mta/send/send.h"

#define FOLD_AT 76         /* columns: a blank behind them begins a new line */
#define LINE_MAX_BYTES 990 /* where there is no blank */

/* Text of others in a field: newlines become blanks, what is not printable ASCII '?'; folded.
 * `column` is how much of the line is written. */
static int add_folded(struct buf *to, const char *text, size_t size, size_t column)
{
    for (size_t i = 0; i < size; i++) {
        char c = text[i] == '\n' || text[i] == '\t' ? ' ' : text[i];
        if (c < ' ' || c > '~')
            c = '?';
        /* No line of blanks only: some programs end the header there. */
        bool more = i + 1 < size && text[i + 1] > ' ';
        if ((c == ' ' && column >= FOLD_AT && more) || column >= LINE_MAX_BYTES) {
            if (buf_add_byte(to, '\n') < 0 || (c != ' ' && buf_add_byte(to, ' ') < 0))
                return -1;
            column = c != ' ';
        }
        if (buf_add_byte(to, c) < 0)
            return -1;
        column++;
    }
    return buf_add_byte(to, '\n');
}

static int add_field(struct buf *to, const char *name, const char *text, size_t size)
{
    if (buf_add_text(to, name) < 0)
        return -1;
    return add_folded(to, text, size, strlen(name));
}

/* The host name or address of a server (RFC 3464 9.4: "dns"). */
static int add_remote(struct buf *to, const struct failure *failure)
{
    if (buf_add_text(to, "Remote-MTA: dns; ") < 0)
        return -1;
    if (!failure->mta_is_address)
        return add_folded(to, failure->mta, failure->mta_size, 0);
    bool six = memchr(failure->mta, ':', failure->mta_size);
    if (buf_add_text(to, six ? "[IPv6:" : "[") < 0 ||
        buf_add(to, failure->mta, failure->mta_size) < 0)
        return -1;
    return buf_add_text(to, "]\n");
}

/* An address that is no ASCII, as RFC 6533 3 has it (utf-8-addr-xtext). */
static int add_utf8_address(struct buf *to, const char *address, size_t size)
{
    char escaped[16];
    uint32_t code;
    if (buf_add_text(to, "Final-Recipient: utf-8; ") < 0)
        return -1;
    for (size_t at = 0; at < size;) {
        at += utf8_next(address + at, size - at, &code);
        if (code > ' ' && code < 127 && code != '\\' && code != '+' && code != '=')
            snprintf(escaped, sizeof escaped, "%c", (int) code);
        else
            snprintf(escaped, sizeof escaped, "\\x{%02X}", (unsigned) code);
        if (buf_add_text(to, escaped) < 0)
            return -1;
    }
    return buf_add_byte(to, '\n');
}

/* As a header writes it: its local part quoted where it must be. */
static int add_recipient(struct buf *to, const char *address)
{
    size_t size = strlen(address);
    const char *at = memrchr(address, '@', size);
    struct buf quoted = BUF_INIT(0);
    if (!utf8_is_ascii(address, size) && utf8_is_valid(address, size))
        return add_utf8_address(to, address, size);
    int result = address_add_local(&quoted, address, at ? (size_t) (at - address) : size);
    if (result == 0 && at)
        result = buf_add_text(&quoted, at);
    if (result == 0)
        result = add_field(to, "Final-Recipient: rfc822; ", quoted.data, quoted.length);
    buf_free(&quoted);
    return result;
}

/* What a server said may also be a yes at the wrong time, or no SMTP: that tells programs nothing.
 */
static bool is_refusal(const struct failure *failure)
{
    return failure->reply_size && (failure->reply[0] == '4' || failure->reply[0] == '5');
}

static int add_failure(const struct send *send, struct buf *to, const struct spool_bounce *piece)
{
    struct failure failure;
    failure_parse(&failure, piece->text, piece->text_size);
    if (buf_add_byte(to, '\n') < 0 ||
        add_recipient(to, rewrite_strip(&send->rewrite, piece->recipient)) < 0 ||
        buf_add_text(to, "Action: failed\nStatus: ") < 0 || buf_add_text(to, failure.status) < 0 ||
        buf_add_byte(to, '\n') < 0 || (failure.mta_size && add_remote(to, &failure) < 0))
        return -1;
    if (is_refusal(&failure))
        return add_field(to, "Diagnostic-Code: smtp; ", failure.reply, failure.reply_size);
    if (failure.text_size)
        return add_field(to, "Diagnostic-Code: x-nixie; ", failure.text, failure.text_size);
    return 0;
}

static int add_message_fields(const struct send *send, const struct notice *notice, struct buf *to)
{
    char date[CLOCK_DATE_SIZE];
    size_t size = clock_format_date(date, notice->info.birth);
    if (add_field(to, "Reporting-MTA: dns; ", send->me.data, send->me.length) < 0)
        return -1;
    return add_field(to, "Arrival-Date: ", date, size);
}

int notice_add_status(const struct send *send, struct notice *notice)
{
    struct spool_bounce piece;
    const struct buf *record = &notice->record;
    size_t at = 0;
    int found;
    int result = add_message_fields(send, notice, &notice->status);
    while (result == 0 && (found = spool_bounce_next(record->data, record->length, notice->number,
                                                     &at, &piece)) != 0)
        if (found == 1)
            result = add_failure(send, &notice->status, &piece);
    return result;
}
