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
#include "mta/lib/output.h"
#include "mta/lib/view.h"

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

static void put_message(struct output *output, const struct view *view)
{
    char date[CLOCK_DATE_SIZE];
    struct view_walk walk = {0};
    struct view_recipient recipient;
    date[clock_format_date(date, view->message.birth) - strlen(" -0000")] = 0;
    output_text(output, date);
    output_text(output, " GMT  #");
    output_number(output, view->number);
    output_text(output, "  ");
    output_number(output, view->message.mess_length);
    output_text(output, "  <");
    output_safe(output, view->message.sender);
    output_text(output, view->bouncing ? ">  bouncing\n" : "> \n");
    while (view_next(view, &walk, &recipient)) {
        output_text(output, recipient.done ? "  done" : "");
        output_text(output, recipient.channel == 0 ? "\tlocal\t" : "\tremote\t");
        output_safe(output, recipient.address);
        output_text(output, "\n");
    }
}

static void list(struct output *output, const struct view_numbers *numbers)
{
    struct view view = {0};
    for (size_t i = 0; i < numbers->count && !output->error; i++) {
        int result = view_read(&view, numbers->numbers[i]);
        if (result < 0)
            complain("warning: trouble with #", numbers->numbers[i], errno);
        else if (result == 1 && !view.is_new)
            put_message(output, &view);
    }
    view_free(&view);
}

int main(int argc, char **argv, char **environment)
{
    struct output output = {0};
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
        list(&output, &numbers);
        if (output_end(&output) < 0)
            status = complain("fatal: unable to write", 0, errno);
    }
    buf_free(&home);
    view_numbers_free(&numbers);
    return status;
}
