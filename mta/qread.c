/* SPDX-License-Identifier: ISC */
/*
 * nixie-qread (also mailq): the messages in the queue, in the format of qmail-qread:
 *
 *     23 Nov 2026 17:05:09 GMT  #17  2153  <joe@away.example> [ bouncing]
 *             remote  bob@far.example
 *       done  local   alice@mail.example
 *
 * Messages that are not preprocessed yet are not listed.  What is not printable ASCII is shown as
 * `_`.  Exit status: 0, or 111 if the queue cannot be read.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "mta/lib/clock.h"
#include "mta/lib/error.h"
#include "mta/lib/home.h"
#include "mta/lib/io.h"
#include "mta/lib/view.h"

#define BLOCK 65536

struct qread {
    struct buf out;
    bool failed; /* standard output is gone, or there is no memory */
};

static int complain(const char *what, uint64_t number, int error)
{
    struct buf line = BUF_INIT(1000);
    if (buf_add_text(&line, "nixie-qread: ") == 0 && buf_add_text(&line, what) == 0 &&
        (!number || buf_add_number(&line, number) == 0) && buf_add_text(&line, ": ") == 0 &&
        buf_add_text(&line, error_text(error)) == 0 && buf_add_byte(&line, '\n') == 0)
        io_write(2, line.data, line.length);
    buf_free(&line);
    return 111;
}

/* Writes out what is held once it is more than `limit`. */
static void flush(struct qread *qread, size_t limit)
{
    if (qread->failed || qread->out.length <= limit)
        return;
    qread->failed = io_write(1, qread->out.data, qread->out.length) < 0;
    buf_reset(&qread->out);
}

static void put(struct qread *qread, const char *text)
{
    qread->failed = qread->failed || buf_add_text(&qread->out, text) < 0;
}

static void put_number(struct qread *qread, uint64_t number)
{
    qread->failed = qread->failed || buf_add_number(&qread->out, number) < 0;
}

static void put_safe(struct qread *qread, const char *text)
{
    for (; *text && !qread->failed; text++)
        qread->failed = buf_add_byte(&qread->out, *text >= ' ' && *text <= '~' ? *text : '_') < 0;
}

static void put_message(struct qread *qread, const struct view *view)
{
    char date[CLOCK_DATE_SIZE];
    struct view_walk walk = {0};
    struct view_recipient recipient;
    date[clock_format_date(date, view->message.birth) - strlen(" -0000")] = 0;
    put(qread, date);
    put(qread, " GMT  #");
    put_number(qread, view->number);
    put(qread, "  ");
    put_number(qread, view->message.mess_length);
    put(qread, "  <");
    put_safe(qread, view->message.sender);
    put(qread, view->bouncing ? ">  bouncing\n" : "> \n");
    while (view_next(view, &walk, &recipient)) {
        put(qread, recipient.done ? "  done" : "");
        put(qread, recipient.channel == 0 ? "\tlocal\t" : "\tremote\t");
        put_safe(qread, recipient.address);
        put(qread, "\n");
        flush(qread, BLOCK);
    }
}

static void list(struct qread *qread, const struct view_numbers *numbers)
{
    struct view view = {0};
    for (size_t i = 0; i < numbers->count && !qread->failed; i++) {
        int result = view_read(&view, numbers->numbers[i]);
        if (result < 0)
            complain("warning: trouble with #", numbers->numbers[i], errno);
        else if (result == 1 && !view.is_new)
            put_message(qread, &view);
        flush(qread, BLOCK);
    }
    view_free(&view);
}

int main(int argc, char **argv, char **environment)
{
    struct qread qread = {.out = BUF_INIT(0)};
    struct view_numbers numbers = {0};
    struct buf home = BUF_INIT(8192);
    int status = 0;
    (void) argc;
    (void) argv;
    if (home_enter(environment, &home) < 0 || chdir("queue") < 0)
        status = complain("fatal: unable to switch to the queue directory", 0, errno);
    else if (view_numbers_add(&numbers, SPOOL_INFO) < 0)
        status = complain("fatal: unable to read queue/info", 0, errno);
    if (status == 0) {
        view_numbers_sort(&numbers);
        list(&qread, &numbers);
        flush(&qread, 0);
        if (qread.failed)
            status = complain("fatal: unable to write", 0, errno);
    }
    buf_free(&qread.out);
    buf_free(&home);
    view_numbers_free(&numbers);
    return status;
}
