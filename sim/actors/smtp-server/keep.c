/* SPDX-License-Identifier: ISC */
/*
 * A Maildir of what was taken: the message with LF lines, no byte added, in new/NAME, and its
 * envelope as JSON in envelopes/NAME.json, there before the message is.  It is for tests, and need
 * not outlive a power loss: nothing waits for the disk.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "mta/lib/clock.h"
#include "mta/lib/error.h"
#include "mta/lib/io.h"
#include "mta/lib/maildir.h"
#include "mta/lib/mem.h"
#include "mta/lib/utf8.h"
#include "sim/actors/smtp-server/server.h"

/* --- JSON (RFC 8259) --------------------------------------------------------------------------*/

/* One byte of a string that is ASCII. */
static int add_ascii(struct buf *json, char byte)
{
    char text[8];

    if (byte == '"' || byte == '\\') {
        text[0] = '\\';
        text[1] = byte;
        return buf_add(json, text, 2);
    }
    if (byte >= ' ' && byte != 127)
        return buf_add_byte(json, byte);
    snprintf(text, sizeof text, "\\u%04x", (unsigned) (unsigned char) byte);
    return buf_add_text(json, text);
}

/* A string; bytes that are no UTF-8 become U+FFFD. */
static int add_string(struct buf *json, const char *bytes, size_t size)
{
    uint32_t code;

    if (buf_add_byte(json, '"') < 0)
        return -1;
    for (size_t at = 0; at < size;) {
        size_t length = utf8_next(bytes + at, size - at, &code);
        int result = length == 1  ? add_ascii(json, bytes[at])
                     : length > 1 ? buf_add(json, bytes + at, length)
                                  : buf_add_text(json, "\xef\xbf\xbd");

        if (result < 0)
            return -1;
        at += length ? length : 1;
    }
    return buf_add_byte(json, '"');
}

static int add_member(struct buf *json, const char *name, const char *bytes, size_t size)
{
    if (buf_add_text(json, ",\n  \"") < 0 || buf_add_text(json, name) < 0 ||
        buf_add_text(json, "\": ") < 0)
        return -1;
    return add_string(json, bytes, size);
}

static int add_recipients(struct buf *json, const struct connection *connection)
{
    const char *at = connection->recipients.data;

    if (buf_add_text(json, ",\n  \"to\": [") < 0)
        return -1;
    for (size_t i = 0; i < connection->recipient_count; i++) {
        size_t size = strlen(at);

        if ((i > 0 && buf_add_text(json, ", ") < 0) || add_string(json, at, size) < 0)
            return -1;
        at += size + 1;
    }
    return buf_add_byte(json, ']');
}

static int add_time(struct buf *json)
{
    struct clock_date date;
    int64_t seconds;
    uint32_t nanoseconds;
    char text[64];

    clock_wall_precise(&seconds, &nanoseconds);
    clock_split(&date, seconds);
    snprintf(text, sizeof text, "%04lld-%02u-%02uT%02u:%02u:%02u.%03uZ", (long long) date.year,
             date.month, date.day, date.hour, date.minute, date.second, nanoseconds / 1000000);
    return add_member(json, "time", text, strlen(text));
}

static int make_envelope(struct buf *json, const struct connection *connection,
                         const struct buf *name)
{
    const struct server *server = connection->server;

    if (buf_add_text(json, "{\n  \"message\": ") < 0 ||
        add_string(json, name->data, name->length) < 0 ||
        add_member(json, "server", server->name, strlen(server->name)) < 0 ||
        add_member(json, "from", connection->sender.data, connection->sender.length) < 0 ||
        add_recipients(json, connection) < 0 || add_time(json) < 0 ||
        add_member(json, "client", connection->peer_text, strlen(connection->peer_text)) < 0 ||
        add_member(json, "helo", connection->helo.data, connection->helo.length) < 0)
        return -1;
    if (connection->authenticated &&
        add_member(json, "auth", connection->auth_name.data, connection->auth_name.length) < 0)
        return -1;
    return buf_add_text(json, "\n}\n");
}

/* --- files ------------------------------------------------------------------------------------*/

/* Writes a new file; what could not be written whole is removed. */
static int write_file(const char *path, const struct buf *content)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600), result, error;

    if (fd < 0)
        return -1;
    result = io_write(fd, content->data, content->length);
    error = errno;
    if (close(fd) < 0 && result == 0) {
        result = -1;
        error = errno;
    }
    if (result < 0)
        unlink(path);
    errno = error;
    return result;
}

static int write_envelope(const struct connection *connection, const struct maildir *maildir,
                          struct buf *path)
{
    struct buf json = BUF_INIT(0);
    int result = -1, error;

    if (buf_set_text(path, connection->server->maildir) == 0 &&
        buf_add_text(path, "/envelopes/") == 0 &&
        buf_add(path, maildir->name.data, maildir->name.length) == 0 &&
        buf_add_text(path, ".json") == 0 && buf_text(path) &&
        make_envelope(&json, connection, &maildir->name) == 0)
        result = write_file(path->data, &json);
    error = errno;
    buf_free(&json);
    errno = error;
    return result;
}

static void tell(struct connection *connection, const char *kind, const char *text)
{
    struct record *record = &connection->server->record;

    record_begin(record, kind);
    record_number(record, connection->number);
    record_quoted(record, text, strlen(text));
    if (record_write(record) < 0)
        connection->server->broken = true;
}

/* With `name` set to that of the file in new/. */
static int deliver(const struct connection *connection, struct maildir *maildir, struct buf *name)
{
    struct buf envelope = BUF_INIT(0);
    int result = maildir_begin(maildir, connection->server->maildir), error;

    maildir->hasty = true;
    if (result == 0)
        result = maildir_write(maildir, connection->message.data, connection->message.length) < 0 ||
                         buf_set(name, maildir->name.data, maildir->name.length) < 0 ||
                         !buf_text(name)
                     ? -1
                     : write_envelope(connection, maildir, &envelope);
    error = errno;
    if (result == 0) {
        result = maildir_commit(maildir);
        error = errno;
        if (result < 0)
            unlink(envelope.data);
    } else {
        maildir_abort(maildir);
    }
    buf_free(&envelope);
    errno = error;
    return result;
}

int keep_message(struct connection *connection)
{
    struct maildir *maildir = mem_alloc(sizeof *maildir);
    struct buf name = BUF_INIT(0);
    int result = -1, error = ENOMEM;

    if (maildir) {
        result = deliver(connection, maildir, &name);
        error = errno;
    }
    if (result == 0)
        tell(connection, "kept", name.data);
    else
        tell(connection, "unkept", error_text(error));
    mem_free(maildir);
    buf_free(&name);
    return result;
}
