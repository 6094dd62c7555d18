/* SPDX-License-Identifier: ISC */
#include "mta/send/notice.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "mta/lib/address.h"
#include "mta/lib/checksum.h"
#include "mta/lib/clock.h"
#include "mta/lib/io.h"
#include "mta/lib/utf8.h"
#include "mta/send/send.h"

#define NOTICE_LIMIT ((size_t) 512 << 20)
#define BOUNDARIES_MAX 1000

void notice_init(struct notice *notice, uint64_t number, bool damaged)
{
    memset(notice, 0, sizeof *notice);
    notice->number = number;
    notice->damaged = damaged;
    notice->begin.limit = notice->text.limit = notice->status.limit = NOTICE_LIMIT;
}

void notice_free(struct notice *notice)
{
    buf_free(&notice->info_file);
    buf_free(&notice->record);
    buf_free(&notice->recipient);
    buf_free(&notice->begin);
    buf_free(&notice->end);
    buf_free(&notice->text);
    buf_free(&notice->status);
}

/* --- who and whom -------------------------------------------------------------------------- */

/* An address as a header field has it: quoted where needed, on one line. */
static int add_quoted(struct buf *to, const char *address, size_t size)
{
    const char *at = size ? memrchr(address, '@', size) : NULL;
    size_t local = at ? (size_t) (at - address) : size;
    size_t start = to->length;
    if ((size && address_add_local(to, address, local) < 0) ||
        buf_add(to, address + local, size - local) < 0)
        return -1;
    for (size_t i = start; i < to->length; i++)
        if ((unsigned char) to->data[i] < ' ')
            to->data[i] = '_';
    return 0;
}

static int add_pair(struct buf *to, const struct buf *local, const struct buf *host)
{
    if (buf_add(to, local->data, local->length) < 0 || buf_add_byte(to, '@') < 0)
        return -1;
    return buf_add(to, host->data, host->length);
}

static int add_recipient(const struct send *send, struct notice *notice)
{
    const char *sender = notice->info.sender;
    size_t length = notice->info.sender_size;
    if (notice->type == NOTICE_DOUBLE_BOUNCE)
        return add_pair(&notice->recipient, &send->double_to, &send->double_host);
    if (length >= 5 && memcmp(sender + length - 4, "-@[]", 4) == 0)
        length -= 4;
    return buf_add(&notice->recipient, sender, length);
}

/* The same each time that the message bounces, as it may twice when the power goes: so that a
 * reader can tell.  No other message has this number and content. */
static int add_message_id(const struct send *send, struct notice *notice)
{
    char id[100], part[32] = "";
    if (notice->begin_at)
        snprintf(part, sizeof part, ".%llu", (unsigned long long) notice->begin_at);
    snprintf(id, sizeof id, "\nMessage-ID: <%llu.%016llx%s.bounce@",
             (unsigned long long) notice->number, (unsigned long long) notice->info.mess_checksum,
             part);
    struct buf *to = &notice->begin;
    if (buf_add_text(to, id) < 0 ||
        buf_add(to, send->bounce_host.data, send->bounce_host.length) < 0)
        return -1;
    return buf_add_text(to, ">\nAuto-Submitted: auto-replied\n");
}

static int add_header(const struct send *send, struct notice *notice)
{
    char date[CLOCK_DATE_SIZE];
    struct buf from = BUF_INIT(0), *to = &notice->begin;
    clock_format_date(date, clock_wall());
    int result = add_pair(&from, &send->bounce_from, &send->bounce_host);
    if (result == 0 &&
        (buf_add_text(to, "Date: ") < 0 || buf_add_text(to, date) < 0 ||
         buf_add_text(to, "\nFrom: ") < 0 || add_quoted(to, from.data, from.length) < 0 ||
         buf_add_text(to, "\nTo: ") < 0 ||
         add_quoted(to, notice->recipient.data, notice->recipient.length) < 0 ||
         buf_add_text(to, "\nSubject: failure notice") < 0 || add_message_id(send, notice) < 0))
        result = -1;
    buf_free(&from);
    return result;
}

static int add_return_path(struct notice *notice)
{
    if (buf_add_text(&notice->begin, "Return-Path: <") < 0 ||
        add_quoted(&notice->begin, notice->info.sender, notice->info.sender_size) < 0)
        return -1;
    return buf_add_text(&notice->begin, ">\n");
}

/* --- the report ---------------------------------------------------------------------------- */

static bool holds(const char *bytes, size_t size, const char *boundary)
{
    return size && memmem(bytes, size, boundary, strlen(boundary));
}

/* Looks through mess/N: whether it holds the boundary, and 8-bit bytes.  0, 1: it holds it; -1
 * with errno. */
static int search_original(struct notice *notice)
{
    char block[8192 + NOTICE_BOUNDARY_SIZE];
    size_t kept = 0, overlap = strlen(notice->boundary) - 1;
    bool found = false;
    ssize_t count = 0;
    int fd = spool_open(SPOOL_MESS, notice->number, O_RDONLY);
    if (fd < 0)
        return errno == ENOENT || errno == EBADMSG ? 0 : -1;
    while (!found && (count = io_read(fd, block + kept, 8192)) > 0) {
        size_t size = kept + (size_t) count;
        notice->original_is_8bit |= !utf8_is_ascii(block + kept, (size_t) count);
        found = holds(block, size, notice->boundary);
        kept = size < overlap ? size : overlap;
        memmove(block, block + size - kept, kept);
    }
    int saved = errno;
    close(fd);
    errno = saved;
    return count < 0 ? -1 : found;
}

/* A boundary that no part holds, made of number and content. */
static int choose_boundary(struct notice *notice)
{
    for (unsigned again = 0; again < BOUNDARIES_MAX; again++) {
        struct checksum sum;
        checksum_begin(&sum);
        checksum_add(&sum, notice->text.data, notice->text.length);
        checksum_add(&sum, &again, sizeof again);
        snprintf(notice->boundary, sizeof notice->boundary, "=_nixie.%llu.%016llx%016llx",
                 (unsigned long long) notice->number,
                 (unsigned long long) notice->info.mess_checksum,
                 (unsigned long long) checksum_value(&sum));
        if (holds(notice->text.data, notice->text.length, notice->boundary) ||
            holds(notice->status.data, notice->status.length, notice->boundary))
            continue;
        int result = search_original(notice);
        if (result <= 0)
            return result;
    }
    errno = EINVAL;
    return -1;
}

static int add_report_header(struct notice *notice, bool is_8bit)
{
    struct buf *to = &notice->begin;
    if (buf_add_text(to, "MIME-Version: 1.0\n"
                         "Content-Type: multipart/report; report-type=delivery-status;\n"
                         "\tboundary=\"") < 0 ||
        buf_add_text(to, notice->boundary) < 0 || buf_add_text(to, "\"\n") < 0)
        return -1;
    return is_8bit ? buf_add_text(to, "Content-Transfer-Encoding: 8bit\n") : 0;
}

/* The line that ends the part before, and the header of the next. */
static int begin_part(struct notice *notice, const char *type, bool is_8bit)
{
    struct buf *to = &notice->begin;
    if (buf_add_text(to, "\n--") < 0 || buf_add_text(to, notice->boundary) < 0 ||
        buf_add_text(to, "\nContent-Type: ") < 0 || buf_add_text(to, type) < 0 ||
        (is_8bit && buf_add_text(to, "\nContent-Transfer-Encoding: 8bit") < 0))
        return -1;
    return buf_add_text(to, "\n\n");
}

static int add_end(struct notice *notice)
{
    if (buf_add_text(&notice->end, "\n--") < 0 || buf_add_text(&notice->end, notice->boundary) < 0)
        return -1;
    return buf_add_text(&notice->end, "--\n");
}

static int build_report(const struct send *send, struct notice *notice)
{
    utf8_clean(notice->text.data, notice->text.length);
    if (notice_add_status(send, notice) < 0 || choose_boundary(notice) < 0)
        return -1;
    bool text_is_8bit = !utf8_is_ascii(notice->text.data, notice->text.length);
    if (add_report_header(notice, text_is_8bit || notice->original_is_8bit) < 0 ||
        begin_part(notice,
                   text_is_8bit ? "text/plain; charset=utf-8" : "text/plain; charset=us-ascii",
                   text_is_8bit) < 0 ||
        /* its last newline is that of the boundary */
        buf_add(&notice->begin, notice->text.data, notice->text.length - 1) < 0 ||
        begin_part(notice, "message/delivery-status", false) < 0 ||
        buf_add(&notice->begin, notice->status.data, notice->status.length) < 0 ||
        begin_part(notice, "message/rfc822", notice->original_is_8bit) < 0 ||
        add_return_path(notice) < 0)
        return -1;
    return add_end(notice);
}

/* --- both ---------------------------------------------------------------------------------- */

static int build_qsbmf(struct notice *notice)
{
    if (buf_add_byte(&notice->begin, '\n') < 0 ||
        buf_add(&notice->begin, notice->text.data, notice->text.length) < 0)
        return -1;
    return add_return_path(notice);
}

int notice_build(struct send *send, struct notice *notice)
{
    notice->type = notice->info.sender_size ? NOTICE_BOUNCE : NOTICE_DOUBLE_BOUNCE;
    if (add_recipient(send, notice) < 0 || add_header(send, notice) < 0 ||
        notice_add_text(send, notice) < 0)
        return -1;
    /* A report without a recipient is none (RFC 3464 2.1). */
    if (send->bounce_qsbmf || notice->failures == 0)
        return build_qsbmf(notice);
    return build_report(send, notice);
}
