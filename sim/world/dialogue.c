/* SPDX-License-Identifier: ISC */
#include "sim/world/dialogue.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "sim/world/internal.h"
#include "sim/world/judge.h"

/* --- while it is put together -----------------------------------------------------------------*/

enum awaited { AWAITS_NOTHING, AWAITS_MAIL, AWAITS_RCPT, AWAITS_DATA, AWAITS_END };

/* Of a connection: its last transaction, and what the next reply is to. */
struct progress {
    size_t transaction; /* SIZE_MAX: none yet */
    enum awaited awaited;
};

unsigned reply_class(const char *reply)
{
    if (!reply || *reply < '2' || *reply > '5')
        return 0;
    return (unsigned) (*reply - '0');
}

bool reply_is_several(const char *reply)
{
    for (const char *end; reply && (end = strchr(reply, '\n')) != NULL; reply = end + 1)
        if (end - reply > 3 && reply[3] == ' ')
            return true;
    return false;
}

/* The address in "RCPT TO:<"a b"@x> SIZE=1" as it was before it was quoted. */
static const char *unquote_path(struct pool *pool, const char *command)
{
    const char *at = strchr(command, '<'), *end;
    char *text, *to;
    bool quoted = false;

    if (!at)
        return "";
    at++;
    for (end = at; *end && (quoted || *end != '>'); end++) {
        if (*end == '\\' && end[1])
            end++;
        else if (*end == '"')
            quoted = !quoted;
    }
    text = to = pool_copy(pool, at, (size_t) (end - at));
    for (const char *from = text; *from; from++) {
        if (*from == '\\' && from[1])
            from++;
        else if (*from == '"')
            continue;
        *to++ = *from;
    }
    *to = 0;
    return text;
}

static void begin_transaction(struct dialogue *dialogue, const struct spoken *spoken,
                              struct progress *progress)
{
    struct transaction *transaction = LIST_ADD(dialogue->transactions, dialogue->transaction_count);

    transaction->connection = spoken->connection;
    transaction->host = dialogue->host_of[spoken->connection];
    transaction->begin_ns = spoken->time_ns;
    transaction->sender = unquote_path(&dialogue->pool, spoken->text);
    progress->transaction = dialogue->transaction_count - 1;
    progress->awaited = AWAITS_MAIL;
}

static bool is_verb(const char *text, const char *verb)
{
    return strncasecmp(text, verb, strlen(verb)) == 0;
}

static void hear_command(struct dialogue *dialogue, const struct spoken *spoken,
                         struct progress *progress)
{
    struct transaction *transaction;

    progress->awaited = AWAITS_NOTHING;
    if (is_verb(spoken->text, "MAIL FROM:")) {
        begin_transaction(dialogue, spoken, progress);
        return;
    }
    if (progress->transaction == SIZE_MAX)
        return;
    transaction = &dialogue->transactions[progress->transaction];
    if (is_verb(spoken->text, "RCPT TO:")) {
        struct asked *asked =
            POOL_ADD(&dialogue->pool, transaction->recipients, transaction->recipient_count);

        asked->address = unquote_path(&dialogue->pool, spoken->text);
        progress->awaited = AWAITS_RCPT;
    } else if (is_verb(spoken->text, "DATA")) {
        progress->awaited = AWAITS_DATA;
    }
}

static void hear_answer(struct dialogue *dialogue, const struct spoken *spoken,
                        struct progress *progress)
{
    enum awaited awaited = progress->awaited;
    struct transaction *transaction;

    progress->awaited = AWAITS_NOTHING;
    if (awaited == AWAITS_NOTHING)
        return;
    transaction = &dialogue->transactions[progress->transaction];
    if (awaited == AWAITS_MAIL)
        transaction->mail_reply = spoken->text;
    else if (awaited == AWAITS_RCPT)
        transaction->recipients[transaction->recipient_count - 1].reply = spoken->text;
    else if (awaited == AWAITS_END)
        transaction->end_reply = spoken->text;
    if (awaited != AWAITS_DATA)
        return;
    transaction->data_reply = spoken->text;
    if (reply_class(spoken->text) == 3)
        progress->awaited = AWAITS_END;
}

/* --- of which machine --------------------------------------------------------------------------*/

static size_t host_with_address(const struct world *world, const char *address)
{
    for (size_t i = 0; address && i < world->host_count; i++) {
        const struct home_spec *spec = world->machines[i].spec;

        for (size_t k = 0; k < spec->address_count; k++)
            if (strcmp(spec->addresses[k], address) == 0)
                return i;
    }
    return SIZE_MAX;
}

/* --- all of it ---------------------------------------------------------------------------------*/

void dialogue_free(struct world *world)
{
    struct dialogue *dialogue = world->dialogue;

    if (!dialogue)
        return;
    free(dialogue->transactions);
    free(dialogue->of_taking);
    free(dialogue->host_of);
    pool_free(&dialogue->pool);
    free(dialogue);
    world->dialogue = NULL;
}

/* Takings lie before the reply that tells of them, behind the MAIL of their transaction. */
static void pass_takings(const struct world *world, struct dialogue *dialogue,
                         const struct progress *progress, size_t *next, int64_t until)
{
    for (; *next < world->taking_count && world->takings[*next].time_ns <= until; ++*next) {
        size_t connection = world->takings[*next].connection;

        dialogue->of_taking[*next] =
            connection < world->connection_count ? progress[connection].transaction : SIZE_MAX;
    }
}

void dialogue_make(struct world *world)
{
    struct dialogue *dialogue = must_zeroed(sizeof *dialogue);
    struct progress *progress = must_alloc((world->connection_count + 1) * sizeof *progress);
    size_t next = 0;

    dialogue_free(world);
    world->dialogue = dialogue;
    dialogue->of_taking = must_alloc((world->taking_count + 1) * sizeof *dialogue->of_taking);
    dialogue->host_of = must_alloc((world->connection_count + 1) * sizeof *dialogue->host_of);
    for (size_t i = 0; i < world->connection_count; i++) {
        dialogue->host_of[i] = host_with_address(world, world->connections[i].address);
        progress[i] = (struct progress){SIZE_MAX, AWAITS_NOTHING};
    }
    for (size_t i = 0; i < world->spoken_count; i++) {
        const struct spoken *spoken = &world->spoken[i];

        if (spoken->connection >= world->connection_count)
            continue;
        pass_takings(world, dialogue, progress, &next, spoken->time_ns);
        if (spoken->by_client)
            hear_command(dialogue, spoken, &progress[spoken->connection]);
        else
            hear_answer(dialogue, spoken, &progress[spoken->connection]);
    }
    pass_takings(world, dialogue, progress, &next, INT64_MAX);
    free(progress);
}

/* --- asking it ---------------------------------------------------------------------------------*/

size_t dialogue_from(const struct dialogue *dialogue, int64_t time_ns)
{
    size_t low = 0, high = dialogue->transaction_count;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (dialogue->transactions[middle].begin_ns < time_ns)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct asked *transaction_for(const struct transaction *transaction, const char *recipient)
{
    for (size_t i = 0; i < transaction->recipient_count; i++)
        if (logged_is(recipient, transaction->recipients[i].address))
            return &transaction->recipients[i];
    return NULL;
}

/* The first taking at or after that time. */
static size_t takings_from(const struct world *world, int64_t time_ns)
{
    size_t low = 0, high = world->taking_count;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (world->takings[middle].time_ns < time_ns)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

size_t transaction_taking(const struct world *world, size_t transaction)
{
    const struct dialogue *dialogue = world->dialogue;

    for (size_t i = takings_from(world, dialogue->transactions[transaction].begin_ns);
         i < world->taking_count; i++)
        if (dialogue->of_taking[i] == transaction)
            return i;
    return SIZE_MAX;
}

bool taking_is_of(const struct world *world, size_t taking, const struct entry *entry)
{
    const struct taking *taken = &world->takings[taking];

    return same_message(entry, taken->letter, taken->bounce) &&
           strcmp(taken->chain, entry_chain(entry)) == 0 &&
           number_in_message(taken->data, taken->size) == entry->number;
}

int64_t taking_begun(const struct world *world, size_t taking)
{
    size_t at = world->dialogue ? world->dialogue->of_taking[taking] : SIZE_MAX;

    return at == SIZE_MAX ? world->takings[taking].time_ns
                          : world->dialogue->transactions[at].begin_ns;
}

size_t taking_source(const struct world *world, size_t taking)
{
    size_t connection = world->takings[taking].connection;

    return world->dialogue && connection < world->connection_count
               ? world->dialogue->host_of[connection]
               : SIZE_MAX;
}
