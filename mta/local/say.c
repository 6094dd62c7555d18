/* SPDX-License-Identifier: ISC */
#include "mta/local/local.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "mta/lib/error.h"
#include "mta/lib/io.h"

/* Joined first, so that a line is one write. */
static int write_texts(int fd, const char *text, va_list texts, const char *end)
{
    struct buf line = BUF_INIT(20000);
    int result = 0;
    for (; text && result == 0; text = va_arg(texts, const char *))
        result = buf_add_text(&line, text);
    if (result == 0)
        result = buf_add_text(&line, end);
    if (line.length && io_write(fd, line.data, line.length) < 0)
        result = -1;
    buf_free(&line);
    return result;
}

int local_fail(int code, const char *text, ...)
{
    va_list texts;
    va_start(texts, text);
    write_texts(2, text, texts, "\n"); /* what cannot be told still has its exit code */
    va_end(texts);
    return code;
}

int local_fail_errno(const char *what, const char *name, int error)
{
    return local_fail(LOCAL_SOFT, what, name, ": ", error_text(error), ". (#4.3.0)", NULL);
}

int local_fail_memory(void)
{
    return local_fail(LOCAL_SOFT, "Out of memory. (#4.3.0)", NULL);
}

int local_tell(const char *text, ...)
{
    va_list texts;
    va_start(texts, text);
    int result = write_texts(1, text, texts, "");
    va_end(texts);
    return result;
}
