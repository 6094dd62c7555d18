/* SPDX-License-Identifier: ISC */
/* The lines and names that are made of the recipient and the sender, and the check for loops. */
#include "mta/local/local.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "mta/lib/clock.h"
#include "mta/lib/dotqmail_name.h"
#include "mta/lib/io.h"
#include "mta/lib/mbox_text.h"

#define ADDRESS_LIMIT 10000
#define HEADER_LINE_KEPT (ADDRESS_LIMIT + 100)

/* Adds an address to a header line: nothing in it may end the line. */
static int add_address(struct buf *line, const char *address)
{
    for (; *address; address++)
        if (buf_add_byte(line, *address == '\n' || *address == '\r' ? '_' : *address) < 0)
            return -1;
    return 0;
}

static bool is_plain(char c)
{
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))
        return true;
    return (c & 0x80) || (c && strchr(".!#$%&'*+-/=?^_`{|}~", c));
}

static bool needs_quotes(const char *local, size_t size)
{
    if (size == 0 || local[0] == '.' || local[size - 1] == '.')
        return true;
    for (size_t i = 0; i < size; i++)
        if (!is_plain(local[i]) || (local[i] == '.' && local[i + 1] == '.'))
            return true;
    return false;
}

/* The sender as RFC 5321 4.1.2 writes it. */
static int add_quoted_address(struct buf *line, const char *address)
{
    const char *at = strrchr(address, '@');
    size_t size = at ? (size_t) (at - address) : strlen(address);
    if (!*address || !needs_quotes(address, size))
        return add_address(line, address);
    if (buf_add_byte(line, '"') < 0)
        return -1;
    for (size_t i = 0; i < size; i++) {
        char c = address[i] == '\n' || address[i] == '\r' ? '_' : address[i];
        if ((c == '"' || c == '\\') && buf_add_byte(line, '\\') < 0)
            return -1;
        if (buf_add_byte(line, c) < 0)
            return -1;
    }
    if (buf_add_byte(line, '"') < 0)
        return -1;
    return add_address(line, address + size);
}

static int make_lines(struct local *local)
{
    if (buf_set_text(&local->recipient, local->local) < 0 ||
        buf_add_byte(&local->recipient, '@') < 0 ||
        buf_add_text(&local->recipient, local->domain) < 0 || !buf_text(&local->recipient))
        return -1;
    if (buf_set_text(&local->delivered_to, "Delivered-To: ") < 0 ||
        add_address(&local->delivered_to, local->recipient.data) < 0 ||
        buf_add_byte(&local->delivered_to, '\n') < 0 || !buf_text(&local->delivered_to))
        return -1;
    if (buf_set_text(&local->return_path, "Return-Path: <") < 0 ||
        add_quoted_address(&local->return_path, local->sender) < 0 ||
        buf_add_text(&local->return_path, ">\n") < 0 || !buf_text(&local->return_path))
        return -1;
    int64_t now = clock_wall();
    if (mbox_from_line(&local->from_line, local->sender, now) < 0 || !buf_text(&local->from_line))
        return -1;
    return dotqmail_name_part(&local->file_part, local->dash, local->extension);
}

int recipient_prepare(struct local *local)
{
    if (strlen(local->local) + strlen(local->domain) + strlen(local->extension) +
            strlen(local->sender) >
        ADDRESS_LIMIT)
        return local_fail(LOCAL_HARD, "Address too long. (#5.1.3)");
    return make_lines(local) < 0 ? local_fail_memory() : LOCAL_OK;
}

int message_rewind(void)
{
    if (lseek(0, 0, SEEK_SET) < 0)
        return local_fail(LOCAL_SOFT, "Unable to rewind message. (#4.3.0)");
    return LOCAL_OK;
}

/* Header lines as they come in; of a longer one only the beginning is kept. */
struct header_scan {
    struct buf line;
    bool too_long;
    bool over;  /* the header's end was seen */
    bool found; /* our line was seen */
};

static int end_line(struct header_scan *scan, const struct buf *ours)
{
    size_t length = scan->line.length;
    if (length && scan->line.data[length - 1] == '\r')
        length--;
    if (length == 0 && !scan->too_long)
        scan->over = true;
    else if (!scan->too_long && length == ours->length - 1 &&
             memcmp(scan->line.data, ours->data, length) == 0)
        scan->found = true;
    scan->too_long = false;
    buf_reset(&scan->line);
    return 0;
}

static int scan_block(struct header_scan *scan, const char *block, size_t size,
                      const struct buf *ours)
{
    for (size_t i = 0; i < size && !scan->over && !scan->found; i++) {
        if (block[i] == '\n')
            end_line(scan, ours);
        else if (scan->line.length >= HEADER_LINE_KEPT)
            scan->too_long = true;
        else if (buf_add_byte(&scan->line, block[i]) < 0)
            return -1;
    }
    return 0;
}

int recipient_check_loop(const struct local *local)
{
    struct header_scan scan = {.over = false};
    char block[4096];
    int code = message_rewind();
    while (code == LOCAL_OK && !scan.over && !scan.found) {
        ssize_t count = io_read(0, block, sizeof block);
        if (count < 0)
            code = local_fail_errno("Unable to read message", "", errno);
        else if (count > 0 && scan_block(&scan, block, (size_t) count, &local->delivered_to) < 0)
            code = local_fail_memory();
        if (count == 0) {
            end_line(&scan, &local->delivered_to);
            break;
        }
    }
    buf_free(&scan.line);
    if (code == LOCAL_OK && scan.found)
        code = local_fail(LOCAL_HARD,
                          "This message is looping: it already has my Delivered-To line. (#5.4.6)");
    return code;
}
