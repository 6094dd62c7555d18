/* SPDX-License-Identifier: ISC */
/*
 * nixie-qstat: how many messages are in the queue, in the format of qmail-qstat:
 *
 *     messages in queue: 12
 *     messages in queue but not yet preprocessed: 1
 *
 * Exit status: 0, or 111 if the queue cannot be read.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "mta/lib/error.h"
#include "mta/lib/home.h"
#include "mta/lib/io.h"
#include "mta/lib/view.h"

static int complain(const char *what)
{
    int error = errno;
    struct buf line = BUF_INIT(1000);
    if (buf_add_text(&line, "nixie-qstat: fatal: ") == 0 && buf_add_text(&line, what) == 0 &&
        buf_add_text(&line, ": ") == 0 && buf_add_text(&line, error_text(error)) == 0 &&
        buf_add_byte(&line, '\n') == 0)
        io_write(2, line.data, line.length);
    buf_free(&line);
    return 111;
}

static int add_count(struct buf *out, const char *what, enum spool_kind kind)
{
    struct view_numbers numbers = {0};
    int result = view_numbers_add(&numbers, kind);
    if (result == 0 && (buf_add_text(out, what) < 0 || buf_add_number(out, numbers.count) < 0))
        result = -1;
    int saved = errno;
    view_numbers_free(&numbers);
    errno = saved;
    return result < 0 ? -1 : buf_add_byte(out, '\n');
}

int main(int argc, char **argv, char **environment)
{
    struct buf home = BUF_INIT(8192), out = BUF_INIT(1000);
    int status = 0;
    (void) argc;
    (void) argv;
    if (home_enter(environment, &home) < 0 || chdir("queue") < 0)
        status = complain("unable to switch to the queue directory");
    else if (add_count(&out, "messages in queue: ", SPOOL_MESS) < 0 ||
             add_count(&out, "messages in queue but not yet preprocessed: ", SPOOL_TODO) < 0)
        status = complain("unable to read the queue");
    else if (io_write(1, out.data, out.length) < 0)
        status = complain("unable to write");
    buf_free(&home);
    buf_free(&out);
    return status;
}
