/* SPDX-License-Identifier: ISC */
/* A ledger made by hand: a message that a client gave to a host of ours for recipients at a remote,
 * the tries, and what was said on the connections.  For the tests of the oracles. */
#ifndef TESTS_UNIT_SIM_NET_LEDGER_H
#define TESTS_UNIT_SIM_NET_LEDGER_H

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "sim/world/internal.h"

#define CONTENT "Message-ID: <m1@x>\n\nhello\n"
#define RECEIVED "Received: (nixie-queue 1 invoked from network); now\n"

static const char *const recipients[] = {"bob@away.example", "carol@away.example"};

/* --- a ledger --------------------------------------------------------------------------------*/

static struct home_spec hosts[2];
static struct named_text controls[8];
static struct served_domain domains[] = {{"away.example", 10}};
static struct remote_spec remotes[1];
static const char *client_addresses[] = {"203.0.113.1", "2001:db8::5"};
static const struct client_spec clients[] = {
    {.name = "app", .addresses = client_addresses, .address_count = 2}};
static bool may_all_relay = true; /* the first host takes all mail from everybody */

/* Two hosts, a remote and a client, on which nothing runs; a letter by SMTP for `count` recipients,
 * and its entry on the first host, accepted at 1 s. */
__attribute__((unused)) static struct world *make_world(size_t count)
{
    struct world_options options = {.kernel = {.seed = 1},
                                    .specs = hosts,
                                    .spec_count = 2,
                                    .remotes = remotes,
                                    .remote_count = 1,
                                    .clients = clients,
                                    .client_count = 1};
    struct letter *letter;
    struct world *world;
    struct entry *entry;
    int error;

    hosts[0] = (struct home_spec){.name = "mail", .domain = "example.com", .controls = controls};
    hosts[1] = (struct home_spec){.name = "other", .domain = "other.example"};
    hosts[0].disk = hosts[1].disk = disk_model_named("honest");
    remotes[0] = (struct remote_spec){
        .name = "away", .smtp_name = "mx.away.example", .domains = domains, .domain_count = 1};
    world = world_create(&options, &error);
    ck_assert_ptr_nonnull(world);
    letter = LIST_ADD(world->letters, world->letter_count);
    letter->name = "m1";
    letter->id = "<m1@x>";
    letter->header = "";
    letter->content = (struct text){CONTENT, sizeof CONTENT - 1};
    letter->recipients = recipients;
    letter->recipient_count = count;
    letter->path = LETTER_BY_SMTP;
    letter->client = 3;
    letter->sender = "robot@app.example";
    letter->state = LETTER_ACCEPTED;
    letter->tries = 1;
    letter->answers = must_zeroed(3 * sizeof *letter->answers);
    for (size_t i = 0; i < count; i++)
        letter->answers[i] = (struct recipient_answer){250, 1, true, NANOSECONDS, 1};
    entry = entry_get(world, &world->machines[0], 1);
    entry->letter = 0;
    entry->ordinal = 1;
    entry->origin = ORIGIN_NETWORK;
    entry->birth_ns = 0;
    entry->stage = STAGE_S1;
    entry->answer = ANSWER_YES;
    entry->chain = must_copy("", 0);
    entry->sender = must_copy("robot@app.example", 17);
    for (size_t i = 0; i < count; i++)
        *LIST_ADD(entry->recipients, entry->recipient_count) =
            must_copy(recipients[i], strlen(recipients[i]));
    return world;
}

/* A message that the remote took at 2 s, for one recipient. */
__attribute__((unused)) static struct taking *add_taking(struct world *world, const char *recipient)
{
    struct taking *taking = LIST_ADD(world->takings, world->taking_count);

    taking->machine = 2;
    taking->number = world->taking_count;
    taking->connection = SIZE_MAX;
    taking->time_ns = 2 * NANOSECONDS;
    taking->sender = "robot@app.example";
    *POOL_ADD(&world->told, taking->recipients, taking->recipient_count) = recipient;
    taking->data = RECEIVED CONTENT;
    taking->size = sizeof RECEIVED CONTENT - 1;
    taking->chain = "";
    taking->unchanged = true;
    return taking;
}

__attribute__((unused)) static struct attempt *
add_attempt(struct world *world, const char *recipient, double start, char result)
{
    struct attempt *attempt = LIST_ADD(world->attempts, world->attempt_count);

    attempt->number = 1;
    attempt->delivery = world->attempt_count;
    attempt->remote = true;
    attempt->recipient = must_copy(recipient, strlen(recipient));
    attempt->start_ns = (int64_t) (start * 1e9);
    attempt->end_ns = attempt->start_ns + NANOSECONDS / 10;
    attempt->gone_ns = INT64_MAX;
    attempt->saturated_ns = -1;
    attempt->result = result;
    attempt->text = must_copy("x", 1);
    return attempt;
}

__attribute__((unused)) static struct upset *add_upset(struct world *world, double time,
                                                       enum upset_kind kind)
{
    struct upset *upset = LIST_ADD(world->upsets, world->upset_count);

    upset->time_ns = (int64_t) (time * 1e9);
    upset->kind = kind;
    return upset;
}

/* Judges, and compares the promises that were found broken ("LOST STUCK"). */
__attribute__((unused)) static void judge_all(struct world *world, bool undelivered_is_fine,
                                              const char *want)
{
    char got[600] = "";

    if (may_all_relay)
        controls[hosts[0].control_count++] = (struct named_text){"relayclients", {"0.0.0.0/0", 9}};
    world_collect(world);
    world_judge(world, undelivered_is_fine);
    for (size_t i = 0; i < world->violation_count; i++) {
        strcat(got, i ? " " : "");
        strcat(got, world->violations[i].promise);
    }
    ck_assert_str_eq(got, want);
    hosts[0].control_count = 0;
    world_destroy(world);
}

__attribute__((unused)) static void judge(struct world *world, const char *want)
{
    judge_all(world, false, want);
}

/* --- what was said on a connection -----------------------------------------------------------*/

/* A connection of the first host to the remote. */
__attribute__((unused)) static size_t add_connection(struct world *world)
{
    static const char *addresses[] = {"192.0.2.10"};
    struct connection *connection = LIST_ADD(world->connections, world->connection_count);

    hosts[0].addresses = addresses;
    hosts[0].address_count = 1;
    connection->machine = 2;
    connection->number = world->connection_count;
    connection->address = "192.0.2.10";
    connection->end_ns = INT64_MAX;
    return world->connection_count - 1;
}

__attribute__((unused)) static void say(struct world *world, double time, bool by_client,
                                        const char *text)
{
    struct spoken *spoken = LIST_ADD(world->spoken, world->spoken_count);

    *spoken = (struct spoken){.machine = 2,
                              .connection = world->connection_count - 1,
                              .letter = NO_LETTER,
                              .time_ns = (int64_t) (time * 1e9),
                              .by_client = by_client,
                              .text = text};
}

/* A transaction for bob; replies to RCPT, DATA and the message, NULL: none, nor what follows. */
__attribute__((unused)) static void talk(struct world *world, double time, const char *rcpt,
                                         const char *data, const char *end)
{
    add_connection(world);
    say(world, time, true, "MAIL FROM:<robot@app.example> SIZE=230");
    say(world, time, false, "250 2.1.0 ok");
    say(world, time, true, "RCPT TO:<bob@away.example>");
    if (rcpt)
        say(world, time, false, rcpt);
    if (!data)
        return;
    say(world, time, true, "DATA");
    say(world, time, false, data);
    if (end)
        say(world, time, false, end);
}

/* One in which the remote takes the message at `taken`; no reply to it if `end` is NULL. */
__attribute__((unused)) static void take(struct world *world, double time, double taken,
                                         const char *end)
{
    struct taking *taking;

    talk(world, time, "250 ok", "354 go ahead", NULL);
    taking = add_taking(world, "bob@away.example");
    taking->connection = world->connection_count - 1;
    taking->time_ns = (int64_t) (taken * 1e9);
    if (end)
        say(world, taken, false, end);
}

__attribute__((unused)) static void set_text(struct attempt *attempt, const char *text)
{
    free(attempt->text);
    attempt->text = must_copy(text, strlen(text));
}

#define DOUBT "Connected_to_198.51.100.1_but_connection_died._Possible_duplicate!_(#4.4.2)/"

__attribute__((unused)) static void add_end(struct world *world, double time)
{
    struct send_start *end = LIST_ADD(world->send_ends, world->send_end_count);

    end->time_ns = (int64_t) (time * 1e9);
    end->killed = true;
}

__attribute__((unused)) static void add_start(struct world *world, double time)
{
    struct send_start *start = LIST_ADD(world->send_starts, world->send_start_count);

    start->time_ns = (int64_t) (time * 1e9);
}

__attribute__((unused)) static void add_order(struct world *world, double time, enum order order,
                                              uint64_t number)
{
    struct upset *upset = add_upset(world, time, UPSET_ORDER);

    upset->order = order;
    upset->number = number;
}

__attribute__((unused)) static void add_line(struct world *world, double time, const char *text)
{
    struct log_line *line = LIST_ADD(world->lines, world->line_count);

    line->time_ns = (int64_t) (time * 1e9);
    line->text = must_copy(text, strlen(text));
}

#endif
