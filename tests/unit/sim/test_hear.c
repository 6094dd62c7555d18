/* SPDX-License-Identifier: ISC */
/* What actors tell becomes the ledger: records made by hand. */
#include <check.h>
#include <string.h>

#include "sim/world/internal.h"

#define HOST 0
#define REMOTE 1
#define CLIENT 2
#define DNS 3

static const char *const recipients[] = {"bob@example.com", "carol@example.com"};
static struct named_text controls[] = {{"concurrencyincoming", {"1\n", 2}}};
static struct home_spec host;
static struct remote_spec remote;
static struct client_spec client;
static struct dns_spec dns;

static void add_letter(struct world *world, const char *name, const char *id)
{
    struct letter *letter = LIST_ADD(world->letters, world->letter_count);

    letter->name = name;
    letter->id = id;
    letter->header = "";
    letter->content = (struct text){"Message-ID: <m1@x>\n\nhello\n", 26};
    letter->recipients = recipients;
    letter->recipient_count = 2;
    letter->path = LETTER_BY_SMTP;
    letter->client = CLIENT;
    letter->state = LETTER_RUNNING;
    letter->answers = must_zeroed(3 * sizeof *letter->answers);
}

static struct world *make_world(void)
{
    struct world_options options = {.kernel = {.seed = 1},
                                    .specs = &host,
                                    .spec_count = 1,
                                    .remotes = &remote,
                                    .remote_count = 1,
                                    .clients = &client,
                                    .client_count = 1,
                                    .dns = &dns};
    struct world *world;
    int error;

    host = (struct home_spec){
        .name = "mail", .domain = "example.com", .controls = controls, .control_count = 1};
    host.disk = disk_model_named("honest");
    remote = (struct remote_spec){.name = "away", .smtp_name = "mx.away.example"};
    client = (struct client_spec){.name = "app", .helo = "app.example"};
    dns = (struct dns_spec){.name = "dns"};
    world = world_create(&options, &error);
    ck_assert_ptr_nonnull(world);
    add_letter(world, "m1", "<m1@x>");
    add_letter(world, "m2", "<m2@x>");
    return world;
}

static void tell(struct world *world, size_t machine, const char *records)
{
    hear_actor(&world->machines[machine], records, strlen(records));
}

static void tell_client(struct world *world, size_t letter, const char *records)
{
    hear_client(world, letter, records, strlen(records));
}

START_TEST(a_remote_tells_what_it_took)
{
    struct world *world = make_world();
    const struct taking *taking;

    tell(world, REMOTE,
         "listening 198.51.100.1 25\nconnect 1 192.0.2.10 32768\nin 1 \"EHLO a\"\n"
         "out 1 \"250-x\\n250 y\"\n"
         "took 1 1 robot@app.example 43 bob@example.com dave@x\n"
         "Received: x\nMessage-ID: <m1@x>\n\nhello\n.dot\n\nend 1 client\n"
         "connect 2 192.0.2.10 32769\nlost 2 \"closed\"\nend 2 reset\n");
    ck_assert_uint_eq(world->connection_count, 2);
    ck_assert_str_eq(world->connections[0].end, "client");
    ck_assert_str_eq(world->connections[0].address, "192.0.2.10");
    ck_assert_uint_eq(world->spoken_count, 2);
    ck_assert(world->spoken[0].by_client);
    ck_assert_str_eq(world->spoken[1].text, "250-x\n250 y");
    ck_assert_uint_eq(world->taking_count, 1);
    taking = &world->takings[0];
    ck_assert_str_eq(taking->sender, "robot@app.example");
    ck_assert_uint_eq(taking->recipient_count, 2);
    ck_assert_str_eq(taking->recipients[1], "dave@x");
    ck_assert_uint_eq(taking->letter, 0);
    ck_assert(!taking->unchanged); /* ".dot" is not in it */
    ck_assert_uint_eq(taking->connection, 0);
    ck_assert_uint_eq(world->violation_count, 0);
    world_collect(world);
    ck_assert_uint_eq(world->copy_count, 2);
    ck_assert_str_eq(world->copies[1].chain, "dave@x\n");
    world_destroy(world);
}
END_TEST

START_TEST(a_bounce_that_is_owed_keeps_the_world_busy)
{
    struct world *world = make_world();

    ck_assert(world_is_quiet(world));
    tell(world, REMOTE, "owes 1\nowes 2\n");
    ck_assert(!world_is_quiet(world));
    tell(world, REMOTE, "bounced 1 accepted \"250 ok\"\nbounced 2 refused \"550 no\"\n");
    ck_assert(world_is_quiet(world));
    world_destroy(world);
}
END_TEST

START_TEST(bad_smtp_and_no_records_are_told_of)
{
    struct world *world = make_world();

    tell(world, REMOTE, "bad 1 \"bare LF\"\nrubbish 1\n\"\n");
    ck_assert_uint_eq(world->violation_count, 3);
    ck_assert_str_eq(world->violations[0].promise, "BAD-SMTP");
    ck_assert_ptr_nonnull(strstr(world->violations[0].text, "bare LF"));
    ck_assert_str_eq(world->violations[1].promise, "ACTOR");
    ck_assert_str_eq(world->violations[2].promise, "ACTOR");
    world_destroy(world);
}
END_TEST

START_TEST(a_client_tells_what_it_was_told)
{
    struct world *world = make_world();
    const struct letter *letter = &world->letters[0];

    tell_client(world, 0,
                "try 1\nconnect 192.0.2.10\nin \"220 x\"\nout \"RCPT TO:<bob@example.com>\"\n"
                "rcpt bob@example.com 250\nrcpt carol@example.com 451\n"
                "result accepted \"250 ok\"\n");
    ck_assert(letter->answers[0].accepted);
    ck_assert(!letter->answers[1].accepted);
    ck_assert_uint_eq(letter->answers[1].code, 451);
    ck_assert_int_eq(letter->state, LETTER_RUNNING);
    tell_client(world, 0,
                "try 2\nrcpt carol@example.com 250\nresult lost \"after the final dot\"\n");
    ck_assert_uint_eq(letter->uncertain, 1);
    ck_assert(!letter->answers[1].accepted);
    tell_client(world, 0, "try 3\nrcpt carol@example.com 250\nresult accepted \"250 ok\"\n");
    ck_assert(letter->answers[1].accepted);
    ck_assert_uint_eq(letter->answers[0].accepted_count, 1);
    ck_assert_int_eq(letter->state, LETTER_ACCEPTED);
    ck_assert_uint_eq(letter->tries, 3);
    tell_client(world, 1,
                "try 1\nrcpt bob@example.com 250\nrcpt carol@example.com 550\nin \"354 go\"\n"
                "in \"250 ok\"\nresult refused \"550 5.1.1 no such user\"\n");
    ck_assert(world->letters[1].answers[0].accepted);
    ck_assert(!world->letters[1].answers[1].accepted);
    ck_assert_int_eq(world->letters[1].code, 550);
    add_letter(world, "m3", "<m3@x>");
    letter = &world->letters[0];
    tell_client(world, 2,
                "try 1\nrcpt bob@example.com 550\nrcpt carol@example.com 550\n"
                "result refused \"550 5.1.1 no such user\"\n");
    ck_assert_int_eq(world->letters[2].code, 550);
    ck_assert_str_eq(world->letters[2].reply, "550 5.1.1 no such user");
    ck_assert_uint_eq(world->violation_count, 0);
    world_destroy(world);
}
END_TEST

START_TEST(more_clients_than_places_are_seen)
{
    struct world *world = make_world();

    tell_client(world, 0, "try 1\nin \"220 x\"\nresult accepted \"250 ok\"\n");
    tell_client(world, 1, "try 1\nin \"220 x\"\n");
    ck_assert_uint_eq(world->violation_count, 0);
    tell_client(world, 0, "try 2\nin \"220 x\"\n");
    ck_assert_uint_eq(world->violation_count, 1);
    ck_assert_str_eq(world->violations[0].promise, "CONCURRENCY");
    world_destroy(world);
}
END_TEST

START_TEST(the_dns_tells_what_it_was_asked)
{
    struct world *world = make_world();

    tell(world, DNS,
         "listening 192.0.2.53 53\nquery udp 192.0.2.10 away.example MX\n"
         "answer away.example MX noerror\nquery tcp 192.0.2.10 away.example MX\n");
    ck_assert_uint_eq(world->query_count, 2);
    ck_assert_str_eq(world->queries[0].answer, "noerror");
    ck_assert(!world->queries[0].tcp);
    ck_assert(world->queries[1].tcp);
    ck_assert_ptr_null(world->queries[1].answer);
    world_destroy(world);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("hear");
    TCase *tests = tcase_create("hear");
    SRunner *runner;
    int failed;

    tcase_add_test(tests, a_remote_tells_what_it_took);
    tcase_add_test(tests, a_bounce_that_is_owed_keeps_the_world_busy);
    tcase_add_test(tests, bad_smtp_and_no_records_are_told_of);
    tcase_add_test(tests, a_client_tells_what_it_was_told);
    tcase_add_test(tests, more_clients_than_places_are_seen);
    tcase_add_test(tests, the_dns_tells_what_it_was_asked);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
