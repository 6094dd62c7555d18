/* SPDX-License-Identifier: ISC */
/* What the courier says, and what replies mean. */
#include "sim/actors/lib/courier_speech.h"

#include <string.h>
#include <strings.h>

#include "sim/actors/lib/base64.h"

#define MINUTE_MS 60000
#define QUIT_MS 10000

/* What a step is called, and how long it may take (RFC 5321 4.5.3.2). */
static const struct {
    const char *name;
    int64_t timeout_ms;
} steps[] = {[COURIER_CONNECT] = {"connecting", 5 * MINUTE_MS},
             [COURIER_GREETING] = {"the greeting", 5 * MINUTE_MS},
             [COURIER_EHLO] = {"EHLO", 5 * MINUTE_MS},
             [COURIER_HELO] = {"HELO", 5 * MINUTE_MS},
             [COURIER_AUTH] = {"AUTH", 5 * MINUTE_MS},
             [COURIER_MAIL] = {"MAIL", 5 * MINUTE_MS},
             [COURIER_RCPT] = {"RCPT", 5 * MINUTE_MS},
             [COURIER_DATA] = {"DATA", 2 * MINUTE_MS},
             [COURIER_BODY] = {"the message", 3 * MINUTE_MS},
             [COURIER_DOT] = {"the final dot", 10 * MINUTE_MS},
             [COURIER_QUIT] = {"QUIT", QUIT_MS}};

/* --- how it ends ------------------------------------------------------------------------------*/

static void decide(struct courier *courier, enum courier_result result)
{
    if (courier->result == COURIER_UNDECIDED)
        courier->result = result;
}

void courier_lose(struct courier *courier, const char *why)
{
    courier->done = true;
    if (courier->result != COURIER_UNDECIDED)
        return;
    buf_reset(&courier->reply);
    courier->code = 0;
    if (courier->step == COURIER_DOT) {
        buf_add_text(&courier->reply, "after the final dot");
    } else {
        buf_add_text(&courier->reply, why);
        buf_add_text(&courier->reply, courier->step == COURIER_CONNECT ? "" : " at ");
        buf_add_text(&courier->reply,
                     courier->step == COURIER_CONNECT ? "" : steps[courier->step].name);
    }
    decide(courier, COURIER_LOST);
}

/* What a reply means for a recipient. */
static enum courier_result meaning(unsigned code)
{
    if (code / 100 == 2)
        return COURIER_ACCEPTED;
    return code / 100 == 5 ? COURIER_REFUSED : COURIER_DEFERRED;
}

/* Remembers the first reply that was none of success, for when nobody is left to get the message.
 */
static void note_failure(struct courier *courier)
{
    if (courier->failure.length == 0)
        buf_set(&courier->failure, courier->reply.data, courier->reply.length);
}

/* The last reply settles it for every recipient that is still open. */
static void settle(struct courier *courier)
{
    enum courier_result worst = COURIER_ACCEPTED, rest = meaning(courier->code);

    for (size_t i = 0; i < courier->letter->recipient_count; i++) {
        struct courier_recipient *recipient = &courier->letter->recipients[i];

        if (recipient->result == COURIER_UNDECIDED)
            recipient->result = rest;
        if (recipient->result > worst)
            worst = recipient->result;
    }
    if (courier->failure.length > 0 && (courier->accepted == 0 || courier->code / 100 == 2))
        buf_set(&courier->reply, courier->failure.data, courier->failure.length);
    decide(courier, worst);
}

void courier_set_deadline(struct courier *courier, int64_t now_ms)
{
    int64_t limit = courier->letter->timeout_ms;

    if (limit == 0 || courier->step == COURIER_QUIT)
        limit = steps[courier->step].timeout_ms;
    courier->deadline_ms = now_ms + limit;
}

/* --- commands ---------------------------------------------------------------------------------*/

/* Tells of the command that begins at `from` in `out`, and ends it. */
static void end_command(struct courier *courier, size_t from)
{
    struct record *record = courier->letter->record;

    if (record) {
        record_begin(record, "out");
        record_quoted(record, courier->out.data + from, courier->out.length - from);
        record_write(record);
    }
    if (buf_add_text(&courier->out, "\r\n") < 0)
        courier_lose(courier, "out of memory");
}

void courier_say(struct courier *courier, const char *verb, const char *argument, const char *end)
{
    size_t from = courier->out.length;

    if (buf_add_text(&courier->out, verb) < 0 || buf_add_text(&courier->out, argument) < 0 ||
        buf_add_text(&courier->out, end) < 0)
        courier_lose(courier, "out of memory");
    else
        end_command(courier, from);
}

static int add_option(struct courier *courier, const char *option)
{
    bool size = strcasecmp(option, "SIZE") == 0;

    if ((size && !courier->can_size) ||
        (strncasecmp(option, "BODY=", 5) == 0 && !courier->can_8bit))
        return 0;
    if (buf_add_byte(&courier->out, ' ') < 0 || buf_add_text(&courier->out, option) < 0)
        return -1;
    if (!size)
        return 0;
    if (buf_add_byte(&courier->out, '=') < 0)
        return -1;
    return buf_add_number(&courier->out, courier->letter->wire_size);
}

static void say_mail(struct courier *courier)
{
    const struct courier_letter *letter = courier->letter;
    size_t from = courier->out.length;
    int result = 0;

    if (buf_add_text(&courier->out, "MAIL FROM:<") < 0 ||
        buf_add_text(&courier->out, letter->sender) < 0 || buf_add_byte(&courier->out, '>') < 0)
        result = -1;
    for (size_t i = 0; i < letter->option_count && result == 0; i++)
        result = add_option(courier, letter->options[i]);
    if (result < 0)
        courier_lose(courier, "out of memory");
    else
        end_command(courier, from);
}

static void say_rcpt(struct courier *courier, size_t number)
{
    courier_say(courier, "RCPT TO:<", courier->letter->recipients[number].address, ">");
}

/* AUTH PLAIN with the credentials at once (RFC 4616). */
static void say_auth(struct courier *courier)
{
    const struct courier_letter *letter = courier->letter;
    struct buf plain = BUF_INIT(0), text = BUF_INIT(0);
    const char *argument = NULL;

    if (buf_add_byte(&plain, 0) == 0 && buf_add_text(&plain, letter->user) == 0 &&
        buf_add_byte(&plain, 0) == 0 && buf_add_text(&plain, letter->password) == 0 &&
        base64_add(&text, plain.data, plain.length) == 0)
        argument = buf_text(&text);
    if (argument)
        courier_say(courier, "AUTH PLAIN ", argument, "");
    else
        courier_lose(courier, "out of memory");
    buf_free(&plain);
    buf_free(&text);
}

/* Begins the transaction; all of it at once if commands may be piped (RFC 2920 3.1). */
static void begin_mail(struct courier *courier)
{
    courier->step = COURIER_MAIL;
    courier->piped = courier->can_pipeline && courier->letter->pipelining;
    say_mail(courier);
    if (!courier->piped)
        return;
    for (size_t i = 0; i < courier->letter->recipient_count; i++)
        say_rcpt(courier, i);
    courier_say(courier, "DATA", "", "");
}

/* --- replies ----------------------------------------------------------------------------------*/

static void on_greeting(struct courier *courier)
{
    if (courier->code / 100 != 2) {
        settle(courier);
        return;
    }
    courier->step = COURIER_EHLO;
    courier_say(courier, "EHLO ", courier->letter->helo, "");
}

/* Whether a line of EHLO's reply begins with this keyword. */
static bool is_keyword(const char *line, size_t size, const char *keyword)
{
    size_t length = strlen(keyword);

    return size >= length && strncasecmp(line, keyword, length) == 0 &&
           (size == length || line[length] == ' ' || line[length] == '=');
}

static bool has_plain(const char *line, size_t size)
{
    for (size_t i = 4; i + 6 <= size; i++)
        if (strncasecmp(line + i, " PLAIN", 6) == 0 && (i + 6 == size || line[i + 6] == ' '))
            return true;
    return false;
}

static void note_extensions(struct courier *courier)
{
    const char *at = courier->reply.data, *end = at + courier->reply.length;

    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t) (end - at));
        size_t size = (size_t) ((newline ? newline : end) - at);

        if (size > 4) {
            courier->can_pipeline |= is_keyword(at + 4, size - 4, "PIPELINING");
            courier->can_size |= is_keyword(at + 4, size - 4, "SIZE");
            courier->can_8bit |= is_keyword(at + 4, size - 4, "8BITMIME");
            if (is_keyword(at + 4, size - 4, "AUTH"))
                courier->can_auth |= has_plain(at + 4, size - 4);
        }
        at += size + 1;
    }
}

static void on_hello(struct courier *courier)
{
    if (courier->code / 100 == 5 && courier->step == COURIER_EHLO) {
        courier->step = COURIER_HELO;
        courier_say(courier, "HELO ", courier->letter->helo, "");
    } else if (courier->code / 100 != 2) {
        settle(courier);
    } else {
        if (courier->step == COURIER_EHLO)
            note_extensions(courier);
        if (!courier->letter->user) {
            begin_mail(courier);
        } else if (courier->can_auth) {
            courier->step = COURIER_AUTH;
            say_auth(courier);
        } else {
            buf_set_text(&courier->reply, "AUTH PLAIN is not offered");
            courier->code = 500;
            settle(courier);
        }
    }
}

static void on_auth(struct courier *courier)
{
    if (courier->code / 100 == 2)
        begin_mail(courier);
    else
        settle(courier);
}

static void on_mail(struct courier *courier)
{
    if (courier->code / 100 != 2) {
        note_failure(courier);
        if (!courier->piped) {
            settle(courier);
            return;
        }
        for (size_t i = 0; i < courier->letter->recipient_count; i++)
            courier->letter->recipients[i].result = meaning(courier->code);
    }
    courier->step = COURIER_RCPT;
    if (!courier->piped)
        say_rcpt(courier, 0);
}

static void on_rcpt(struct courier *courier)
{
    const struct courier_letter *letter = courier->letter;
    struct courier_recipient *recipient = &letter->recipients[courier->rcpt++];

    recipient->code = courier->code;
    if (courier->code / 100 != 2)
        note_failure(courier);
    if (recipient->result == COURIER_UNDECIDED && courier->code / 100 == 2)
        courier->accepted++;
    else if (recipient->result == COURIER_UNDECIDED)
        recipient->result = meaning(courier->code);
    if (letter->record) {
        record_begin(letter->record, "rcpt");
        record_word(letter->record, recipient->address);
        record_number(letter->record, recipient->code);
        record_write(letter->record);
    }
    if (courier->rcpt < letter->recipient_count) {
        if (!courier->piped)
            say_rcpt(courier, courier->rcpt);
        return;
    }
    if (courier->accepted == 0 && !courier->piped && !letter->blind) {
        settle(courier);
        return;
    }
    courier->step = COURIER_DATA;
    if (!courier->piped)
        courier_say(courier, "DATA", "", "");
}

static void on_data(struct courier *courier, int64_t now_ms)
{
    if (courier->code / 100 != 3 && !courier->letter->blind) {
        settle(courier);
    } else if (courier->accepted == 0 && !courier->letter->blind) {
        courier->step = COURIER_DOT; /* RFC 2920 3.1: nobody wants it, but it waits for data */
        courier_say(courier, ".", "", "");
    } else {
        courier->step = COURIER_BODY;
        courier->chunk_at_ms = now_ms;
        courier->chunk_left = 0;
    }
}

void courier_on_reply(struct courier *courier, int64_t now_ms)
{
    switch (courier->step) {
    case COURIER_GREETING:
        on_greeting(courier);
        break;
    case COURIER_EHLO:
    case COURIER_HELO:
        on_hello(courier);
        break;
    case COURIER_AUTH:
        on_auth(courier);
        break;
    case COURIER_MAIL:
        on_mail(courier);
        break;
    case COURIER_RCPT:
        on_rcpt(courier);
        break;
    case COURIER_DATA:
        on_data(courier, now_ms);
        break;
    case COURIER_BODY:
        if (courier->letter->blind)
            break;
        /* a reply before all has gone out: it is not going to be taken */
        courier->code = courier->code / 100 == 2 ? 451 : courier->code;
        settle(courier);
        courier->deaf = true;
        break;
    case COURIER_DOT:
        settle(courier);
        break;
    case COURIER_QUIT:
        courier->done = true;
        break;
    case COURIER_CONNECT:
    default:
        break;
    }
    courier_set_deadline(courier, now_ms);
}
