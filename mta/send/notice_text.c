/* SPDX-License-Identifier: ISC */
/* What a bounce says to people, and to programs that read QSBMF. */
#include <string.h>

#include "mta/send/notice.h"
#include "mta/send/send.h"

#define LINE_MAX_BYTES 990 /* RFC 5322 2.1.1 has 998 */

static int add_introduction(const struct send *send, enum notice_type type, struct buf *text)
{
    if (buf_add_text(text, "Hi. This is the nixie-send program at ") < 0 ||
        buf_add(text, send->bounce_host.data, send->bounce_host.length) < 0)
        return -1;
    return buf_add_text(
        text, type == NOTICE_BOUNCE
                  ? ".\n"
                    "I'm afraid I wasn't able to deliver your message to the following addresses.\n"
                    "This is a permanent error; I've given up. Sorry it didn't work out.\n\n"
                  : ".\n"
                    "I tried to deliver a bounce message to this address, but the bounce "
                    "bounced!\n\n");
}

static bool is_control(char c)
{
    return ((unsigned char) c < ' ' && c != '\t') || c == '\x7f';
}

/* The report, without control characters, in lines that mail can carry.  A paragraph ends at an
 * empty line, so none may be within: the second newline becomes '/'. */
static int add_report(struct buf *text, const char *report, size_t size)
{
    size_t column = 0;
    while (size && report[size - 1] == '\n')
        size--;
    for (size_t i = 0; i < size; i++) {
        char c = report[i];
        bool ends = c == '\n' && column > 0;
        if (!ends && column == LINE_MAX_BYTES) {
            if (buf_add_byte(text, '\n') < 0)
                return -1;
            column = 0;
        }
        if (!ends)
            c = c == '\n' ? '/' : is_control(c) ? '?' : c;
        if (buf_add_byte(text, c) < 0)
            return -1;
        column = ends ? 0 : column + 1;
    }
    return size ? buf_add_byte(text, '\n') : 0;
}

/* "<ADDRESS>:" and the report. */
static int add_paragraph(const struct send *send, const struct spool_bounce *piece,
                         struct buf *text)
{
    const char *address = rewrite_strip(&send->rewrite, piece->recipient);
    if (buf_add_byte(text, '<') < 0)
        return -1;
    for (; *address; address++)
        if (buf_add_byte(text, is_control(*address) ? '_' : *address) < 0)
            return -1;
    if (buf_add_text(text, ">:\n") < 0 || add_report(text, piece->text, piece->text_size) < 0)
        return -1;
    return buf_add_byte(text, '\n');
}

static int add_paragraphs(struct send *send, struct notice *notice)
{
    struct spool_bounce piece;
    const struct buf *record = &notice->record;
    size_t at = 0;
    while (spool_bounce_next(record->data, record->length, notice->number, &at, &piece) == 1) {
        notice->failures++;
        if (add_paragraph(send, &piece, &notice->text) < 0)
            return -1;
    }
    if (notice->more &&
        buf_add_text(&notice->text, "(Another message tells of more addresses.)\n\n") < 0)
        return -1;
    if (!notice->damaged && record->length > 0)
        return 0;
    return buf_add_text(&notice->text, "(The record of the addresses was damaged.)\n\n");
}

int notice_add_text(struct send *send, struct notice *notice)
{
    if (add_introduction(send, notice->type, &notice->text) < 0 || add_paragraphs(send, notice) < 0)
        return -1;
    return buf_add_text(&notice->text, notice->type == NOTICE_BOUNCE
                                           ? "--- Below this line is a copy of the message.\n\n"
                                           : "--- Below this line is the original bounce.\n\n");
}
