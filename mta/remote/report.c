/* SPDX-License-Identifier: ISC */
/* Results: as qmail-remote writes them, and one for each recipient for our own rspawn. */
#include <string.h>

#include "mta/lib/io.h"
#include "mta/remote/remote.h"

/* Gathers small writes; needs no memory. */
struct writer {
    int fd;
    int result;
    size_t used;
    char bytes[4096];
};

static void flush(struct writer *writer)
{
    if (writer->result == 0 && writer->used)
        writer->result = io_write(writer->fd, writer->bytes, writer->used);
    writer->used = 0;
}

static void put(struct writer *writer, const char *bytes, size_t size)
{
    while (size > 0) {
        size_t room = sizeof writer->bytes - writer->used;
        size_t part = size < room ? size : room;
        memcpy(writer->bytes + writer->used, bytes, part);
        writer->used += part;
        bytes += part;
        size -= part;
        if (writer->used == sizeof writer->bytes)
            flush(writer);
    }
}

/* There was no memory for what the remote server said: it may say it again. */
static const char no_words[] = "Out of memory for what the remote server said. (#4.3.0)\n";

/* `letters`: for a final no, and one that may be another time. */
static void put_recipient(struct writer *writer, const struct job *job,
                          const struct recipient *recipient, size_t size, const char letters[2])
{
    bool hard = recipient->fate == FATE_HARD && size > 0;
    put(writer, hard ? letters : letters + 1, 1);
    if (size)
        put(writer, job->texts.data + recipient->text, size);
    else
        put(writer, no_words, sizeof no_words - 1);
}

int report_records(const struct job *job, int fd)
{
    struct writer writer = {.fd = fd};
    bool own_answers = job->verdict == 'K';
    for (size_t i = 0; i < job->count; i++)
        own_answers = own_answers || job->recipients[i].fate != FATE_MESSAGE;
    for (size_t i = 0; i < job->count && own_answers; i++) {
        const struct recipient *recipient = &job->recipients[i];
        switch (recipient->fate) {
        case FATE_HARD:
        case FATE_SOFT:
            put_recipient(&writer, job, recipient, recipient->short_size, "hs");
            put(&writer, "", 1);
            break;
        default:
            put(&writer, "r", 2);
        }
    }
    put(&writer, &job->verdict, 1);
    put(&writer, job->verdict_text.data, job->verdict_text.length);
    put(&writer, "", 1);
    flush(&writer);
    return writer.result;
}

int report_each(const struct job *job, int fd)
{
    struct writer writer = {.fd = fd};
    for (size_t i = 0; i < job->count; i++) {
        const struct recipient *recipient = &job->recipients[i];
        switch (recipient->fate) {
        case FATE_HARD:
        case FATE_SOFT:
            put_recipient(&writer, job, recipient, recipient->text_size, "DZ");
            break;
        case FATE_TAKEN:
            put(&writer, "K", 1);
            put(&writer, job->texts.data + recipient->text, recipient->text_size);
            break;
        default:
            put(&writer, &job->verdict, 1);
            put(&writer, job->verdict_text.data, job->verdict_text.length);
        }
        put(&writer, "", 1);
    }
    flush(&writer);
    return writer.result;
}
