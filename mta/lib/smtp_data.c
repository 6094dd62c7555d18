/* SPDX-License-Identifier: ISC */
#include "mta/lib/smtp_data.h"

#include <string.h>

void smtp_data_begin(struct smtp_data *data)
{
    *data = (struct smtp_data){.state = SMTP_DATA_LINE_START};
}

bool smtp_data_ended(const struct smtp_data *data)
{
    return data->state == SMTP_DATA_END;
}

/* How many bytes from the start are neither CR nor LF. */
static size_t plain_run(const char *bytes, size_t size)
{
    const char *lf = memchr(bytes, '\n', size);
    size_t run = lf ? (size_t) (lf - bytes) : size;
    const char *cr = memchr(bytes, '\r', run);
    return cr ? (size_t) (cr - bytes) : run;
}

/* A byte that is content wherever it stands, or a LF that is alone. */
static size_t put_alone(struct smtp_data *data, char byte, char *to)
{
    data->state = SMTP_DATA_MIDDLE;
    data->size++;
    if (byte == '\n') {
        data->bare_lf = true;
        data->size++;
    }
    *to = byte;
    return 1;
}

/* A byte in the middle of a line, or at its start where a dot means nothing. */
static size_t take_plain(struct smtp_data *data, char byte, char *to)
{
    if (byte != '\r')
        return put_alone(data, byte, to);
    data->state = SMTP_DATA_CR;
    return 0;
}

/* The byte behind a CR.  If it is no LF the CR was alone. */
static size_t take_after_cr(struct smtp_data *data, char byte, char *to)
{
    if (byte == '\n') {
        data->state = SMTP_DATA_LINE_START;
        data->size += 2;
        *to = '\n';
        return 1;
    }
    data->bare_cr = true;
    data->size++;
    to[0] = '\r';
    return 1 + take_plain(data, byte, to + 1);
}

/* Takes one byte; returns how many bytes it put into `to`, two at most. */
static size_t take_byte(struct smtp_data *data, char byte, char *to)
{
    switch (data->state) {
    case SMTP_DATA_LINE_START:
        if (byte != '.')
            return take_plain(data, byte, to);
        data->state = SMTP_DATA_DOT;
        return 0;
    case SMTP_DATA_DOT:
        if (byte != '\r')
            return put_alone(data, byte, to);
        data->state = SMTP_DATA_DOT_CR;
        return 0;
    case SMTP_DATA_DOT_CR:
        if (byte != '\n')
            return take_after_cr(data, byte, to);
        data->state = SMTP_DATA_END;
        return 0;
    case SMTP_DATA_CR:
        return take_after_cr(data, byte, to);
    case SMTP_DATA_MIDDLE:
        return take_plain(data, byte, to);
    case SMTP_DATA_END:
        break;
    }
    return 0;
}

size_t smtp_data_feed(struct smtp_data *data, const char *bytes, size_t size, char *to,
                      size_t *to_size)
{
    size_t used = 0, put = 0;
    while (used < size && data->state != SMTP_DATA_END) {
        if (data->state == SMTP_DATA_MIDDLE) {
            size_t run = plain_run(bytes + used, size - used);
            memcpy(to + put, bytes + used, run);
            data->size += run;
            used += run;
            put += run;
            if (used == size)
                break;
        }
        put += take_byte(data, bytes[used++], to + put);
    }
    *to_size = put;
    return used;
}
