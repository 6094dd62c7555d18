/* SPDX-License-Identifier: ISC */
/*
 * nixie-inject: takes a message from a local program on descriptor 0, completes its header, and
 * hands it to the queue, or with -n prints it.
 *
 * Only the header is held in memory (at most INJECT_HEADER_MAX bytes).  The body passes through
 * unchanged, whatever its bytes.  Exit status: 0; 100 wrong use or a message that can never be
 * sent; 111 a trouble that may pass.
 */
#include "mta/inject/inject.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "mta/lib/clock.h"
#include "mta/lib/envelope.h"
#include "mta/lib/header.h"
#include "mta/lib/home.h"
#include "mta/lib/io.h"
#include "mta/lib/submit.h"

#define BLOCK_SIZE ((size_t) 65536)

int fail(int status, const char *what, const char *detail)
{
    struct buf line = BUF_INIT(4096);
    /* without memory the status alone must do */
    if (buf_add_text(&line, "nixie-inject: fatal: ") == 0 && buf_add_text(&line, what) == 0 &&
        (!detail || buf_add_text(&line, detail) == 0) && buf_add_byte(&line, '\n') == 0)
        (void) io_write(2, line.data, line.length);
    buf_free(&line);
    return status;
}

int fail_errno(const char *what, int error)
{
    if (error == ENOMEM)
        return fail(INJECT_TEMPORARY, "out of memory", NULL);
    return fail(error == EMSGSIZE ? INJECT_PERMANENT : INJECT_TEMPORARY, what, NULL);
}

/* The message as it comes in: `bytes` holds all that is not yet passed on. */
struct input {
    struct buf bytes;
    bool ended;
    struct header_scan scan;
    size_t skipped; /* an mbox's "From " line in front of the header */
};

static int read_more(struct input *input)
{
    struct buf *bytes = &input->bytes;
    if (buf_reserve(bytes, BLOCK_SIZE) < 0)
        return fail_errno("header too large", errno);
    ssize_t count = io_read(0, bytes->data + bytes->length, BLOCK_SIZE);
    if (count < 0)
        return fail(INJECT_TEMPORARY, "unable to read the message", NULL);
    bytes->length += (size_t) count;
    input->ended = count == 0;
    return 0;
}

/* The length of a "From " line at the start; 0 if there is none; *known is false if more bytes
 * are needed to tell. */
static size_t mbox_line(const struct input *input, bool *known)
{
    static const char from[] = "From ";
    size_t length = input->bytes.length;
    size_t compared = length < sizeof from - 1 ? length : sizeof from - 1;
    *known = true;
    if (compared && memcmp(input->bytes.data, from, compared) != 0)
        return 0;
    const char *end = length ? memchr(input->bytes.data, '\n', length) : NULL;
    if (compared < sizeof from - 1 || !end) {
        *known = input->ended || length >= INJECT_HEADER_MAX;
        return 0;
    }
    return (size_t) (end - input->bytes.data) + 1;
}

/* Reads until the whole header is there.  A first line "From " is skipped if a header follows. */
static int read_header(struct input *input)
{
    bool known = false;
    for (;;) {
        int status = read_more(input);
        if (status)
            return status;
        if (!known)
            input->skipped = mbox_line(input, &known);
        if (!known)
            continue;
        const char *text = input->bytes.data + input->skipped;
        size_t size = input->bytes.length - input->skipped;
        if (header_scan(&input->scan, text, size, input->ended)) {
            if (input->scan.header_size > INJECT_HEADER_MAX)
                break;
            if (input->scan.header_size == 0 && input->skipped) {
                input->skipped = 0;
                input->scan = (struct header_scan){0, 0, 0};
            }
            return 0;
        }
        if (size > INJECT_HEADER_MAX)
            break;
    }
    return fail(INJECT_PERMANENT, "the header is longer than 1048576 bytes", NULL);
}

/* Where the finished message goes: to the queue, or printed if there is no `submit`. */
static int put(struct submit *submit, const char *bytes, size_t size)
{
    if (submit) {
        submit_write(submit, bytes, size); /* tells of errors at the end */
        return 0;
    }
    if (size && io_write(1, bytes, size) < 0)
        return fail(INJECT_TEMPORARY, "unable to write the message", NULL);
    return 0;
}

/* What stands behind the header: the empty line as it was, or a new one if the body began without
 * one; then the body. */
static int put_body(struct submit *submit, struct input *input)
{
    const struct header_scan *scan = &input->scan;
    size_t begin = input->skipped + scan->header_size;
    size_t rest = input->bytes.length - begin;
    if (scan->body == scan->header_size && rest) {
        int status = put(submit, "\n", 1);
        if (status)
            return status;
    }
    int status = put(submit, input->bytes.data + begin, rest);
    while (!status && !input->ended) {
        buf_reset(&input->bytes);
        status = read_more(input);
        if (!status)
            status = put(submit, input->bytes.data, input->bytes.length);
    }
    return status;
}

static int make_moment(struct moment *moment)
{
    moment->seconds = clock_wall();
    moment->pid = (uint64_t) getpid();
    ssize_t size = getrandom(&moment->chance, sizeof moment->chance, 0);
    if (size != (ssize_t) sizeof moment->chance)
        return fail(INJECT_TEMPORARY, "no random bytes", NULL);
    return 0;
}

static bool takes_arguments(const struct settings *settings)
{
    return settings->recipients_from != RECIPIENTS_HEADER;
}

/* The header rewritten, sender and recipients found. */
static int prepare(const struct settings *settings, struct input *input, struct result *result)
{
    struct moment moment;
    int status = make_moment(&moment);
    if (!status)
        status = read_header(input);
    if (!status)
        status = rewrite_header(settings, &moment, input->bytes.data + input->skipped,
                                input->scan.header_size, result);
    if (!status)
        status = rewrite_sender(settings, &moment, result);
    if (takes_arguments(settings))
        for (char *const *given = settings->recipients; !status && *given; given++)
            status = rewrite_given_recipient(settings, *given, result);
    return status;
}

/* Header and body. */
static int put_message(struct submit *submit, struct input *input, const struct result *result)
{
    int status = put(submit, result->header.data, result->header.length);
    return status ? status : put_body(submit, input);
}

static void put_envelope(struct submit *submit, const struct result *result)
{
    submit_sender(submit, result->sender.data, result->sender.length);
    size_t at = 0;
    struct record record;
    while (record_next(result->recipients.data, result->recipients.length, &at, &record) == 1)
        submit_recipient(submit, record.text, record.size);
}

static int queue(const struct buf *home, char *const *environment, struct input *input,
                 const struct result *result)
{
    if (result->recipients.length == 0)
        return fail(INJECT_PERMANENT, "no recipients", NULL);
    struct submit submit;
    struct submit_result told;
    submit_open(&submit, home, environment);
    int status = put_message(&submit, input, result);
    if (status) {
        submit_abort(&submit);
        return status;
    }
    put_envelope(&submit, result);
    if (submit_finish(&submit, &told) == QUEUE_OK)
        return 0;
    return fail(told.text[0] == 'D' ? INJECT_PERMANENT : INJECT_TEMPORARY,
                told.text[0] ? told.text + 1 : "the queue failed", NULL);
}

/* Whoever started this may have ignored SIGCHLD: then nobody could know how the queue ended. */
static void attend_children(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = SIG_DFL;
    (void) sigaction(SIGCHLD, &action, NULL);
}

int main(int argc, char **argv, char **environment)
{
    struct settings settings = {.recipients_from = RECIPIENTS_EITHER};
    struct input input = {.bytes = BUF_INIT(INJECT_HEADER_MAX + 2 * BLOCK_SIZE)};
    struct result result = {.recipients = BUF_INIT(ENVELOPE_SIZE_MAX)};
    struct buf home = BUF_INIT(8192);
    attend_children();
    int status = settings_from_arguments(&settings, argc, argv);
    if (!status)
        status = settings_from_environment(&settings, environment);
    if (!status && home_enter(environment, &home) < 0)
        status = fail(INJECT_TEMPORARY, "unable to enter the home directory", NULL);
    if (!status)
        status = settings_from_control(&settings, environment);
    if (!status)
        status = prepare(&settings, &input, &result);
    if (!status)
        status = settings.print ? put_message(NULL, &input, &result)
                                : queue(&home, environment, &input, &result);
    settings_free(&settings);
    buf_free(&input.bytes);
    buf_free(&result.header);
    buf_free(&result.sender);
    buf_free(&result.recipients);
    buf_free(&home);
    return status;
}
