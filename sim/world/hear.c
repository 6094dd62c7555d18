/* SPDX-License-Identifier: ISC */
/* What actors tell (records.h) becomes part of the ledger: connections, what was said, messages
 * that remotes took, answers to clients, queries to the DNS. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "sim/world/internal.h"

#define TEXT_SHOWN 400

/* --- texts -----------------------------------------------------------------------------------*/

/* A word of the record, or "" if there are not so many. */
static const char *word(const struct record_line *line, size_t index)
{
    return index < line->count ? line->words[index].text : "";
}

static uint64_t number(const struct record_line *line, size_t index)
{
    uint64_t value = 0;

    return index < line->count && record_number(&line->words[index], &value) ? value : 0;
}

/* A copy of a word in the world's pool, NULs made visible. */
static const char *keep(struct world *world, const struct record_line *line, size_t index)
{
    char *text;

    if (index >= line->count)
        return "";
    text = pool_copy(&world->told, line->words[index].text, line->words[index].size);
    for (char *nul; (nul = memchr(text, 0, line->words[index].size));)
        *nul = '?';
    return text;
}

static void bad_record(struct machine *machine, const struct record_line *line)
{
    world_accuse(machine->world, "ACTOR", NO_LETTER, 0, "%s told what is no record: %s: %s",
                 machine->name, line->trouble ? line->trouble : "unknown",
                 line->trouble ? line->line : word(line, 0));
}

/* A line of the dialogue in the story; of a reply of several lines each. */
static void tell_spoken(struct machine *machine, const char *who, bool out, const char *text)
{
    while (machine->world->story) {
        size_t size = strcspn(text, "\r\n");

        world_tell(machine->world, machine->index, "%-9s %c %.*s", who, out ? '>' : '<',
                   (int) (size < TEXT_SHOWN ? size : TEXT_SHOWN), text);
        text += size;
        text += strspn(text, "\r\n");
        if (!*text)
            return;
    }
}

static void note_spoken(struct machine *machine, size_t connection, size_t letter, bool by_client,
                        const char *text)
{
    struct world *world = machine->world;
    struct spoken *spoken = LIST_ADD(world->spoken, world->spoken_count);

    spoken->machine = machine->index;
    spoken->connection = connection;
    spoken->letter = letter;
    spoken->time_ns = kernel_now(world->kernel);
    spoken->by_client = by_client;
    spoken->text = text;
}

/* --- remotes ---------------------------------------------------------------------------------*/

/* The connection of that number since the remote came up; SIZE_MAX: there is none. */
static size_t find_connection(const struct machine *machine, uint64_t number)
{
    const struct world *world = machine->world;

    for (size_t i = world->connection_count; i-- > machine->first_connection;)
        if (world->connections[i].machine == machine->index &&
            world->connections[i].number == number)
            return i;
    return SIZE_MAX;
}

static void hear_connect(struct machine *machine, const struct record_line *line)
{
    struct world *world = machine->world;
    struct connection *connection = LIST_ADD(world->connections, world->connection_count);

    connection->machine = machine->index;
    connection->number = number(line, 1);
    connection->address = keep(world, line, 2);
    connection->start_ns = kernel_now(world->kernel);
    connection->end_ns = INT64_MAX;
    world_tell(world, machine->index, "connect   %" PRIu64 " from %s", connection->number,
               connection->address);
    if (world->hooks.connected)
        world->hooks.connected(world->hooks.context, connection);
}

static void hear_end(struct machine *machine, const struct record_line *line)
{
    struct world *world = machine->world;
    size_t index = find_connection(machine, number(line, 1));

    world_tell(world, machine->index, "end       %" PRIu64 " by %s", number(line, 1),
               word(line, 2));
    if (index == SIZE_MAX)
        return;
    world->connections[index].end_ns = kernel_now(world->kernel);
    world->connections[index].end = keep(world, line, 2);
}

static void hear_spoken(struct machine *machine, const struct record_line *line, bool by_client)
{
    const char *text = keep(machine->world, line, 2);
    char who[24];

    note_spoken(machine, find_connection(machine, number(line, 1)), NO_LETTER, by_client, text);
    if (!machine->world->story)
        return;
    snprintf(who, sizeof who, "%" PRIu64, number(line, 1));
    tell_spoken(machine, who, !by_client, text);
}

/* What a "took" record says, with its texts in the world's pool. */
static struct taking make_taking(struct machine *machine, const struct record_line *line)
{
    struct world *world = machine->world;
    struct taking taking = {.machine = machine->index,
                            .number = number(line, 2),
                            .connection = find_connection(machine, number(line, 1)),
                            .time_ns = kernel_now(world->kernel),
                            .sender = keep(world, line, 3),
                            .size = line->size};
    struct identity identity;

    for (size_t i = 5; i < line->count; i++)
        *POOL_ADD(&world->told, taking.recipients, taking.recipient_count) = keep(world, line, i);
    taking.data = pool_copy(&world->told, line->data ? line->data : "", line->size);
    identify(world, taking.data, taking.size, taking.sender, &identity);
    taking.letter = identity.letter;
    taking.bounce = identity.bounce;
    taking.chain = pool_text(&world->told, identity.chain);
    free(identity.chain);
    taking.unchanged =
        taking.letter == NO_LETTER || taking.bounce > 0 ||
        content_unchanged(&world->letters[taking.letter], taking.data, taking.size, true);
    return taking;
}

static const char *taking_name(const struct world *world, const struct taking *taking,
                               char to[ENTRY_NAME])
{
    struct entry entry = {.letter = taking->letter, .bounce = taking->bounce};

    if (taking->letter == NO_LETTER)
        snprintf(to, ENTRY_NAME, "a message of nobody's");
    else
        entry_name(world, &entry, to);
    return to;
}

static void hear_took(struct machine *machine, const struct record_line *line)
{
    struct world *world = machine->world;
    struct taking *taking = LIST_ADD(world->takings, world->taking_count);
    char name[ENTRY_NAME];

    *taking = make_taking(machine, line);
    for (size_t i = 0; i < taking->recipient_count; i++)
        world_tell(world, machine->index, "took      %s from <%s> for %s",
                   taking_name(world, taking, name), taking->sender, taking->recipients[i]);
    if (world->hooks.took)
        world->hooks.took(world->hooks.context, taking);
    for (size_t i = 0; i < taking->recipient_count && world->hooks.delivered; i++)
        world->hooks.delivered(world->hooks.context, taking->letter, taking->bounce,
                               taking->recipients[i]);
}

static void hear_bad(struct machine *machine, const struct record_line *line)
{
    struct violation *violation =
        world_accuse(machine->world, "BAD-SMTP", NO_LETTER, 0, "%s heard bad SMTP: %s",
                     machine->name, word(line, 2));

    world_tell(machine->world, machine->index, "bad       %s", violation->text);
}

static void hear_bounced(struct machine *machine, const struct record_line *line)
{
    if (machine->owed > 0)
        machine->owed--;
    world_tell(machine->world, machine->index, "bounced   its bounce of %s is %s %s", word(line, 1),
               word(line, 2), word(line, 3));
}

static void remote_told(void *context, const struct record_line *line)
{
    struct machine *machine = context;
    const char *verb = word(line, 0);

    if (line->trouble || machine->world->finished) {
        if (line->trouble && !machine->world->finished)
            bad_record(machine, line);
    } else if (strcmp(verb, "in") == 0 || strcmp(verb, "out") == 0) {
        hear_spoken(machine, line, *verb == 'i');
    } else if (strcmp(verb, "connect") == 0) {
        hear_connect(machine, line);
    } else if (strcmp(verb, "end") == 0) {
        hear_end(machine, line);
    } else if (strcmp(verb, "took") == 0) {
        hear_took(machine, line);
    } else if (strcmp(verb, "bad") == 0) {
        hear_bad(machine, line);
    } else if (strcmp(verb, "owes") == 0) {
        machine->owed++;
    } else if (strcmp(verb, "bounced") == 0) {
        hear_bounced(machine, line);
    } else if (strcmp(verb, "lost") == 0) {
        world_tell(machine->world, machine->index, "lost      %s", word(line, 2));
    } else if (strcmp(verb, "listening") != 0) {
        bad_record(machine, line);
    }
}

/* --- the DNS ---------------------------------------------------------------------------------*/

static void hear_query(struct machine *machine, const struct record_line *line)
{
    struct world *world = machine->world;
    struct query *query = LIST_ADD(world->queries, world->query_count);

    query->machine = machine->index;
    query->time_ns = kernel_now(world->kernel);
    query->tcp = strcmp(word(line, 1), "tcp") == 0;
    query->name = keep(world, line, 3);
    query->type = keep(world, line, 4);
    world_tell(world, machine->index, "asked     %s %s", query->name, query->type);
}

static void hear_answer(struct machine *machine, const struct record_line *line)
{
    struct world *world = machine->world;

    world_tell(world, machine->index, "answered  %s %s: %s", word(line, 1), word(line, 2),
               word(line, 3));
    for (size_t i = world->query_count; i-- > 0;) {
        struct query *query = &world->queries[i];

        if (query->answer || strcmp(query->name, word(line, 1)) != 0 ||
            strcmp(query->type, word(line, 2)) != 0)
            continue;
        query->answer = keep(world, line, 3);
        return;
    }
}

static void dns_told(void *context, const struct record_line *line)
{
    struct machine *machine = context;
    const char *verb = word(line, 0);

    if (line->trouble) {
        if (!machine->world->finished)
            bad_record(machine, line);
    } else if (machine->world->finished) {
        return;
    } else if (strcmp(verb, "query") == 0) {
        hear_query(machine, line);
    } else if (strcmp(verb, "answer") == 0) {
        hear_answer(machine, line);
    } else if (strcmp(verb, "listening") != 0) {
        bad_record(machine, line);
    }
}

void hear_actor(struct machine *machine, const char *data, size_t size)
{
    records_feed(&machine->records, data, size,
                 machine->kind == MACHINE_DNS ? dns_told : remote_told, machine);
}

/* --- clients ---------------------------------------------------------------------------------*/

struct hearing {
    struct world *world;
    size_t letter;
};

static struct recipient_answer *answer_for(struct letter *letter, const char *recipient)
{
    for (size_t i = 0; i < letter->recipient_count; i++)
        if (strcmp(letter->recipients[i], recipient) == 0)
            return &letter->answers[i];
    return NULL;
}

static void hear_rcpt(struct world *world, struct letter *letter, const struct record_line *line)
{
    struct recipient_answer *answer = answer_for(letter, word(line, 1));

    if (!answer || (answer->accepted && number(line, 2) / 100 != 2))
        return;
    answer->code = (unsigned) number(line, 2);
    answer->tried = letter->tries;
    if (!answer->accepted)
        answer->time_ns = kernel_now(world->kernel);
}

/* The code at the start of a reply; 0: none. */
static unsigned reply_code(const char *reply)
{
    unsigned code = 0;

    for (size_t i = 0; i < 3; i++) {
        if (reply[i] < '0' || reply[i] > '9')
            return 0;
        code = code * 10 + (unsigned) (reply[i] - '0');
    }
    return code;
}

static bool all_accepted(const struct letter *letter)
{
    for (size_t i = 0; i < letter->recipient_count; i++)
        if (!letter->answers[i].accepted)
            return false;
    return true;
}

/* The message of this try was accepted: so are those whose RCPT was, in this try. */
static void accept_recipients(struct world *world, struct letter *letter)
{
    bool some = false;

    for (size_t i = 0; i < letter->recipient_count; i++) {
        struct recipient_answer *answer = &letter->answers[i];

        if (answer->tried != letter->tries || answer->code / 100 != 2)
            continue;
        answer->tried = 0; /* told: the next try is another */
        some = true;
        answer->accepted = true;
        answer->accepted_count++;
        answer->time_ns = kernel_now(world->kernel);
    }
    letter->told_yes += some;
    if (letter->state != LETTER_RUNNING || !all_accepted(letter))
        return;
    letter->state = LETTER_ACCEPTED;
    letter->ended_ns = kernel_now(world->kernel);
    if (world->hooks.letter_ended)
        world->hooks.letter_ended(world->hooks.context, letter);
}

#define INCOMING_DEFAULT 20

/* Of the clients on that machine, whose letters these are, no more are served than one address may
 * have. */
static void check_address(struct world *world, const struct letter *letter)
{
    const struct machine *machine = &world->machines[letter->machine];
    uint64_t limit = control_value(machine, "concurrencyperaddress", 0);
    size_t count = 0;

    for (size_t i = 0; i < world->running_count && limit > 0; i++) {
        const struct letter *other = &world->letters[world->running[i]];

        count += other->in_session && other->machine == letter->machine &&
                 other->client == letter->client;
    }
    if (limit > 0 && count == limit + 1 && world->upset_count == 0 && !world->network_changed)
        world_accuse(world, "CONCURRENCY", NO_LETTER, 0,
                     "%s serves %zu clients of one address at once; concurrencyperaddress is %llu",
                     machine->name, count, (unsigned long long) limit);
}

/* Clients that have not heard yet that the host has ended their connection: it has their places
 * again. */
static size_t count_left(const struct world *world, size_t machine)
{
    size_t count = 0;

    for (size_t i = 0; i < world->running_count; i++) {
        const struct letter *letter = &world->letters[world->running[i]];
        const char *what;

        count += letter->in_session && letter->machine == machine && letter->process &&
                 process_stale_count(letter->process, &what) > 0;
    }
    return count;
}

/* The client was greeted: it has one of the places that the host has. */
static void begin_session(struct world *world, struct letter *letter)
{
    struct machine *machine = &world->machines[letter->machine];
    uint64_t limit = control_value(machine, "concurrencyincoming", INCOMING_DEFAULT);

    if (letter->in_session)
        return;
    letter->in_session = true;
    check_address(world, letter);
    if (++machine->sessions > limit &&
        machine->sessions - count_left(world, letter->machine) == limit + 1)
        world_accuse(world, "CONCURRENCY", NO_LETTER, 0,
                     "%s serves %zu clients at once; concurrencyincoming is %llu", machine->name,
                     (size_t) limit + 1, (unsigned long long) limit);
}

void end_session(struct world *world, struct letter *letter)
{
    if (letter->in_session)
        world->machines[letter->machine].sessions--;
    letter->in_session = false;
}

static void hear_result(struct world *world, struct letter *letter, const struct record_line *line)
{
    const char *result = word(line, 1), *reply = word(line, 2);
    unsigned code = reply_code(reply);

    end_session(world, letter);
    if (code > 0 && !all_accepted(letter))
        letter->code = (int) code;
    letter->reply = keep(world, line, 2);
    if (strcmp(result, "accepted") == 0)
        accept_recipients(world, letter);
    else if (strcmp(result, "lost") == 0 && strstr(reply, "after the final dot"))
        letter->uncertain++;
    world_tell(world, letter->client, "submit    %s, try %u: %s: %.*s", letter->name, letter->tries,
               result, TEXT_SHOWN, reply);
}

/* Follows what the server says as far as it matters: a place taken, a message accepted. */
static void hear_reply(struct world *world, struct letter *letter, const char *reply)
{
    unsigned code = reply_code(reply);

    if (code == 220)
        begin_session(world, letter);
    if (letter->awaits_verdict && code / 100 == 2)
        accept_recipients(world, letter);
    letter->awaits_verdict = code == 354;
}

static void client_told(void *context, const struct record_line *line)
{
    const struct hearing *hearing = context;
    struct world *world = hearing->world;
    struct letter *letter = &world->letters[hearing->letter];
    struct machine *machine = &world->machines[letter->client];
    const char *verb = word(line, 0);

    if (line->trouble) {
        bad_record(machine, line);
    } else if (strcmp(verb, "in") == 0 || strcmp(verb, "out") == 0) {
        const char *text = keep(world, line, 1);

        if (*verb == 'i')
            hear_reply(world, letter, text);
        note_spoken(machine, SIZE_MAX, hearing->letter, *verb == 'o', text);
        tell_spoken(machine, letter->name, *verb == 'o', text);
    } else if (strcmp(verb, "try") == 0) {
        letter->tries = (unsigned) number(line, 1);
    } else if (strcmp(verb, "connect") == 0) {
        world_tell(world, machine->index, "connect   %s to %s", letter->name, word(line, 1));
    } else if (strcmp(verb, "rcpt") == 0) {
        hear_rcpt(world, letter, line);
    } else if (strcmp(verb, "result") == 0) {
        hear_result(world, letter, line);
    } else {
        bad_record(machine, line);
    }
}

void hear_client(struct world *world, size_t letter, const char *data, size_t size)
{
    struct hearing hearing = {world, letter};

    records_feed(&world->letters[letter].records, data, size, client_told, &hearing);
}

/* --- what is about to be told ----------------------------------------------------------------*/

static void tell_before_taking(void *context, const struct record_line *line)
{
    struct machine *machine = context;
    struct world *world = machine->world;
    struct taking taking;

    if (line->trouble || strcmp(word(line, 0), "took") != 0)
        return;
    taking = make_taking(machine, line);
    world->hooks.before_taking(world->hooks.context, &taking);
}

void hear_before_write(struct machine *machine, const char *data, size_t size)
{
    struct record_reader reader = {0};

    if (size < 5 || memcmp(data, "took ", 5) != 0)
        return;
    records_feed(&reader, data, size, tell_before_taking, machine);
    records_free(&reader);
}
