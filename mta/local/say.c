/* SPDX-License-Identifier: ISC */
#include "mta/local/local.h"

#include <string.h>

#include "mta/lib/error.h"
#include "mta/lib/io.h"

static int join(struct buf *line, const char *const *texts, const char *end)
{
    for (; *texts; texts++)
        if (buf_add_text(line, *texts) < 0)
            return -1;
    return buf_add_text(line, end);
}

/* Joined first, so that a line is one write; without memory for that, one by one. */
static int write_texts(int fd, const char *const *texts, const char *end)
{
    struct buf line = BUF_INIT(0);
    int result = join(&line, texts, end);
    if (result == 0) {
        result = io_write(fd, line.data, line.length);
    } else {
        for (result = 0; *texts && result == 0; texts++)
            result = io_write(fd, *texts, strlen(*texts));
        if (result == 0)
            result = io_write(fd, end, strlen(end));
    }
    buf_free(&line);
    return result;
}

int local_fail_texts(int code, const char *const *texts)
{
    write_texts(2, texts, "\n"); /* what cannot be told still has its exit code */
    return code;
}

int local_tell_texts(const char *const *texts)
{
    return write_texts(1, texts, "");
}

int local_fail_errno(const char *what, const char *name, int error)
{
    return local_fail(LOCAL_SOFT, what, name, ": ", error_text(error), ". (#4.3.0)");
}

int local_fail_memory(void)
{
    return local_fail(LOCAL_SOFT, "Out of memory. (#4.3.0)");
}
