/* SPDX-License-Identifier: ISC */
/* What nixie-send writes to its log: lines, attempts at deliveries, and whether each line is of a
 * form that qmail-log(5) knows. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "sim/world/internal.h"
#include "sim/world/words.h"

#define LINE_MAX_BYTES ((size_t) 64 << 10)

/* '*' any run of bytes, '#' a number.  A line must match one of them whole. */
static const char *const forms[] = {
    "new msg #",
    "info msg #: bytes # from <*> qp # uid #",
    "starting delivery #: msg # to local *",
    "starting delivery #: msg # to remote *",
    "delivery #: success: *",
    "delivery #: failure: *",
    "delivery #: deferral: *",
    "delivery #: report mangled, will defer",
    "status: local #/# remote #/#*",
    "status: exiting",
    "bounce msg # qp #",
    "double bounce*",
    "triple bounce: discarding bounce/#",
    "end msg #",
    "msg # retried by the admin",
    "msg # held by the admin",
    "msg # released by the admin",
    "msg # expired by the admin",
    "msg # deleted by the admin",
    "warning: *",
    "alert: *",
    "info: *",
    "smtpd *",
    "listen *",
};

static bool form_matches(const char *form, const char *text)
{
    for (; *form; form++) {
        if (*form == '*') {
            if (!form[1])
                return true;
            for (const char *rest = text;; rest++) {
                if (form_matches(form + 1, rest))
                    return true;
                if (!*rest)
                    return false;
            }
        }
        if (*form == '#') {
            size_t digits = strspn(text, "0123456789");

            if (digits == 0)
                return false;
            text += digits;
        } else if (*text++ != *form) {
            return false;
        }
    }
    return !*text;
}

static void check_form(struct machine *machine, const char *text)
{
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        if (form_matches(forms[i], text))
            return;
    world_accuse(machine->world, "LOG", NO_LETTER, 0, "a log line of no known form: %.200s", text);
}

/* A line that tells of trouble excuses what came late by it: there must have been some. */
static void check_trouble(struct machine *machine, const char *text)
{
    static const char in_vain[] = "alert: cannot start: ";
    const struct world *world = machine->world;

    if ((strncmp(text, "alert: ", 7) != 0 && strncmp(text, "warning: ", 9) != 0) ||
        machine->squeezed || machine->spec->capacity_bytes > 0)
        return;
    for (size_t i = 0; i < world->upset_count; i++)
        if (world->upsets[i].machine == machine->index)
            return;
    if (strncmp(text, in_vain, sizeof in_vain - 1) == 0)
        world_accuse(machine->world, "START", NO_LETTER, 0, "nixie-send: %.200s", text);
    else
        world_accuse(machine->world, "LOG", NO_LETTER, 0,
                     "a line tells of trouble, and there was none: %.200s", text);
}

static char as_logged(char c)
{
    if (c == '\n')
        return '/';
    return c <= ' ' || c > '~' || c == '%' ? '_' : c;
}

bool logged_is(const char *logged, const char *text)
{
    for (; *logged && *text; logged++, text++)
        if (tolower((unsigned char) *logged) != tolower((unsigned char) as_logged(*text)))
            return false;
    return !*logged && !*text;
}

bool line_number(const char *text, const char *prefix, uint64_t *number, const char **rest)
{
    size_t length = strlen(prefix);
    char *end;

    if (strncmp(text, prefix, length) != 0 || text[length] < '0' || text[length] > '9')
        return false;
    *number = strtoull(text + length, &end, 10);
    *rest = end;
    return true;
}

static void note_start(struct machine *machine, uint64_t delivery, const char *rest)
{
    struct world *world = machine->world;
    struct attempt *attempt;
    struct entry *entry;
    uint64_t number;
    const char *to;
    bool remote;

    if (!line_number(rest, ": msg ", &number, &to))
        return;
    if (machine->suspects > 0)
        entries_check_recovered(machine);
    entry = world_entry(world, machine->index, number);
    if (entry)
        contract_delivery_starts(machine, entry);
    remote = strncmp(to, " to remote ", 11) == 0;
    to += strncmp(to, " to local ", 10) == 0 ? 10 : remote ? 11 : 0;
    attempt = LIST_ADD(world->attempts, world->attempt_count);
    attempt->remote = remote;
    attempt->saturated_ns =
        machine->saturated[remote] ? kernel_now(world->kernel) : machine->saturated_ns[remote];
    attempt->machine = machine->index;
    attempt->number = number;
    attempt->delivery = delivery;
    attempt->recipient = must_copy(to, strlen(to));
    attempt->start_ns = kernel_now(world->kernel);
    attempt->end_ns = attempt->gone_ns = INT64_MAX;
}

static void tell_tried(struct world *world, const struct attempt *attempt)
{
    const struct entry *entry = world_entry(world, attempt->machine, attempt->number);

    if (!entry)
        return;
    if (world->hooks.tried)
        world->hooks.tried(world->hooks.context, entry, attempt);
    /* of mailboxes and programs only this tells in time */
    if (world->hooks.delivered && attempt->result == 'K' && !attempt->remote &&
        strncmp(attempt->text, "did_", 4) == 0 && attempt->text[4] != '0')
        world->hooks.delivered(world->hooks.context, entry->letter, entry->bounce,
                               attempt->recipient);
}

static void note_end(struct machine *machine, uint64_t delivery, const char *rest)
{
    struct world *world = machine->world;

    for (size_t i = world->attempt_count; i-- > 0;) {
        struct attempt *attempt = &world->attempts[i];

        if (attempt->machine != machine->index || attempt->delivery != delivery)
            continue;
        if (attempt->result || attempt->gone_ns < INT64_MAX)
            return;
        attempt->end_ns = kernel_now(world->kernel);
        attempt->result = strncmp(rest, ": success: ", 11) == 0   ? 'K'
                          : strncmp(rest, ": failure: ", 11) == 0 ? 'D'
                                                                  : 'Z';
        rest += strncmp(rest, ": deferral: ", 12) == 0                                   ? 12
                : rest[0] == ':' && rest[1] == ' ' && (rest[2] == 's' || rest[2] == 'f') ? 11
                                                                                         : 2;
        attempt->text = must_copy(rest, strlen(rest));
        tell_tried(world, attempt);
        return;
    }
}

/* The first status: its start-up is over. */
static void note_ready(struct machine *machine)
{
    struct world *world = machine->world;

    for (size_t i = world->send_start_count; i-- > 0;)
        if (world->send_starts[i].machine == machine->index) {
            if (world->send_starts[i].ready_ns == 0)
                world->send_starts[i].ready_ns = kernel_now(world->kernel);
            return;
        }
}

/* "status: local 1/10 remote 0/20": `rest` is behind "status: local ". */
static void note_status(struct machine *machine, const char *rest)
{
    note_ready(machine);
    for (unsigned channel = 0; channel < 2; channel++) {
        char *slash, *end;
        unsigned long running = strtoul(rest, &slash, 10), limit;

        if (*slash != '/')
            return;
        limit = strtoul(slash + 1, &end, 10);
        if (running > limit)
            world_accuse(machine->world, "CONCURRENCY", NO_LETTER, 0,
                         "more deliveries at once than allowed: status: local %.100s", rest);
        if (machine->saturated[channel] && running < limit)
            machine->saturated_ns[channel] = kernel_now(machine->world->kernel);
        machine->saturated[channel] = running >= limit;
        if (strncmp(end, " remote ", 8) != 0)
            return;
        rest = end + 8;
    }
}

/* "bounce msg PARENT qp NUMBER" */
static void note_bounce(struct machine *machine, uint64_t parent, const char *rest)
{
    struct entry *entry;
    uint64_t number;

    if (!line_number(rest, " qp ", &number, &rest))
        return;
    entry = world_entry(machine->world, machine->index, number);
    if (entry)
        entry->parent = parent;
    entry = world_entry(machine->world, machine->index, parent);
    if (entry)
        files_check(machine, entry, FILES_BOUNCED);
}

static struct upset *add_order(struct machine *machine, enum order order, uint64_t number)
{
    struct world *world = machine->world;
    struct upset *upset = LIST_ADD(world->upsets, world->upset_count);

    upset->machine = machine->index;
    upset->time_ns = kernel_now(world->kernel);
    upset->kind = UPSET_ORDER;
    upset->order = order;
    upset->number = number;
    return upset;
}

/* The admin has said so of that message. */
static bool is_wanted(const struct machine *machine, uint64_t number)
{
    for (size_t i = 0; i < machine->deletion_count; i++)
        if (machine->deletions[i] == number || machine->deletions[i] == 0)
            return true;
    return false;
}

/* "msg N ... by the admin" */
static void note_order(struct machine *machine, uint64_t number, const char *what)
{
    static const struct {
        const char *what;
        enum order order;
    } orders[] = {{" retried by the admin", ORDER_RETRY},
                  {" held by the admin", ORDER_HOLD},
                  {" released by the admin", ORDER_RELEASE},
                  {" expired by the admin", ORDER_EXPIRE},
                  {" deleted by the admin", ORDER_DELETE}};
    struct entry *entry = world_entry(machine->world, machine->index, number);
    struct upset *upset = add_order(machine, ORDER_OTHER, number);

    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++)
        if (strcmp(what, orders[i].what) == 0)
            upset->order = orders[i].order;
    if (entry && upset->order == ORDER_DELETE && is_wanted(machine, number))
        entry->discarded = true;
}

static bool says_end(const char *text)
{
    return strcmp(text, "status: exiting") == 0 ||
           (strncmp(text, "alert: ", 7) == 0 && strstr(text, "dying..."));
}

static void note_line(struct machine *machine, const char *text)
{
    struct world *world = machine->world;
    struct log_line *line = LIST_ADD(world->lines, world->line_count);
    const char *rest;
    uint64_t number;
    struct entry *entry;

    line->machine = machine->index;
    line->time_ns = kernel_now(world->kernel);
    line->text = must_copy(text, strlen(text));
    if (world->story)
        world_tell(world, machine->index, "log       %s", text);
    check_form(machine, text);
    check_trouble(machine, text);
    machine->log.ending |= says_end(text);
    if (line_number(text, "starting delivery ", &number, &rest))
        note_start(machine, number, rest);
    else if (line_number(text, "delivery ", &number, &rest))
        note_end(machine, number, rest);
    else if (strncmp(text, "status: local ", 14) == 0)
        note_status(machine, text + 14);
    else if (line_number(text, "bounce msg ", &number, &rest))
        note_bounce(machine, number, rest);
    else if (line_number(text, "triple bounce: discarding bounce/", &number, &rest)) {
        entry = world_entry(world, machine->index, number);
        if (entry && (entry->bounce >= 2 || (entry->sender && strcmp(entry->sender, "#@[]") == 0)))
            entry->discarded = true;
    } else if (line_number(text, "msg ", &number, &rest)) {
        note_order(machine, number, rest);
    } else if (line_number(text, "warning: unable to delete msg ", &number, &rest)) {
        add_order(machine, ORDER_UNDELETE, number);
    }
    pairs_note_line(machine, text);
}

/* Those that are open never come back: their numbers may be given again. */
static void end_attempts(struct machine *machine)
{
    struct world *world = machine->world;

    for (size_t i = machine->log.first_attempt; i < world->attempt_count; i++)
        if (world->attempts[i].machine == machine->index && !world->attempts[i].result)
            world->attempts[i].gone_ns = kernel_now(world->kernel);
    machine->log.first_attempt = world->attempt_count;
    pairs_free(machine);
}

/* The nixie-send before has ended, or has let its lock go and is about to. */
static void check_alone(struct machine *machine)
{
    struct process *process = host_find_process(machine->host, "nixie-send");

    if (process && process_pid(process) == machine->log.writer && !machine->log.ending)
        world_accuse(machine->world, "OWNER", NO_LETTER, 0,
                     "two nixie-send work in the spool of %s", machine->name);
}

/* One that cannot start, because another still runs, takes nothing over from it. */
static void note_writer(struct machine *machine, pid_t writer, const char *data, size_t size)
{
    static const char in_vain[] = "alert: cannot start: ";
    struct world *world = machine->world;
    struct send_start *start;

    if (machine->log.writer == writer ||
        (size >= sizeof in_vain && memcmp(data, in_vain, sizeof in_vain - 1) == 0))
        return;
    check_alone(machine);
    machine->log.writer = writer;
    machine->log.unheard = machine->log.ending = false;
    machine->log.partial_size = 0;
    end_attempts(machine);
    start = LIST_ADD(world->send_starts, world->send_start_count);
    start->machine = machine->index;
    start->time_ns = kernel_now(world->kernel);
    start->ready_ns = 0;
    start->killed = false;
}

void log_note_end(struct machine *machine, bool killed)
{
    struct world *world = machine->world;
    struct send_start *end = LIST_ADD(world->send_ends, world->send_end_count);

    end->machine = machine->index;
    end->time_ns = kernel_now(world->kernel);
    end->killed = killed;
}

void log_note_write(struct machine *machine, pid_t writer, const char *data, size_t size)
{
    struct log_state *log = &machine->log;

    note_writer(machine, writer, data, size);
    if (log->partial_size + size > LINE_MAX_BYTES)
        log->partial_size = 0;
    if (size > LINE_MAX_BYTES)
        return;
    if (log->partial_size + size + 1 > log->partial_room) {
        log->partial_room = 2 * (log->partial_size + size + 1);
        log->partial = must_resize(log->partial, log->partial_room);
    }
    memcpy(log->partial + log->partial_size, data, size);
    log->partial_size += size;
    for (;;) {
        char *newline = memchr(log->partial, '\n', log->partial_size);
        size_t length;

        if (!newline)
            return;
        *newline = 0;
        length = (size_t) (newline - log->partial) + 1;
        note_line(machine, log->partial);
        log->partial_size -= length;
        memmove(log->partial, log->partial + length, log->partial_size);
    }
}

void log_note_unheard(struct machine *machine)
{
    machine->log.unheard = true;
    if (machine->log.gap_ns == 0)
        machine->log.gap_ns = kernel_now(machine->world->kernel);
}

void log_note_crash(struct machine *machine)
{
    machine->log.partial_size = 0;
    machine->log.writer = 0;
    machine->log.ending = false;
    machine->saturated[0] = machine->saturated[1] = false;
    end_attempts(machine);
}
