/* SPDX-License-Identifier: ISC */
#include "mta/lib/output.h"

#include <errno.h>

#include "mta/lib/io.h"

#define PIECE 65536

static void note(struct output *output, int result)
{
    if (result < 0 && !output->error)
        output->error = errno;
}

static void flush(struct output *output)
{
    if (output->held.length && !output->error)
        note(output, io_write(1, output->held.data, output->held.length));
    buf_reset(&output->held);
}

void output_text(struct output *output, const char *text)
{
    if (output->held.length > PIECE)
        flush(output);
    note(output, buf_add_text(&output->held, text));
}

void output_number(struct output *output, uint64_t number)
{
    note(output, buf_add_number(&output->held, number));
}

void output_safe(struct output *output, const char *text)
{
    output_text(output, "");
    for (; *text; text++)
        note(output, buf_add_byte(&output->held, *text >= ' ' && *text <= '~' ? *text : '_'));
}

int output_end(struct output *output)
{
    flush(output);
    buf_free(&output->held);
    errno = output->error;
    return output->error ? -1 : 0;
}
