/* SPDX-License-Identifier: ISC */
/*
 * A thousand messages that a remote server defers for seven days: each try is at the second that
 * the schedule says, 20^2 k^2 after the birth; the first one behind the queue's lifetime is the
 * last, and ends in a bounce.  Tries that come close together share connections.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/world/world.h"

#define MESSAGES 1000
#define LIFETIME_S 604800
#define SKIP_S 20 /* of the remote channel */

static struct user_spec users[] = {{.name = "alice", .uid = 1001, .home_mode = 0755}};
static const char *home_address[] = {"192.0.2.10"}, *away_address[] = {"198.51.100.1"},
                  *dns_address[] = {"192.0.2.53"};
static struct served_domain away_domain[] = {{"away.example", 10}};
static const char *const recipients[] = {"bob@away.example"};
#define RULES "on RCPT reply 451 \"4.2.1 not today\"\n"
#define AWAY_CONFIG "name mx.away.example\nlisten 198.51.100.1 25\n" RULES
#define DNS_CONFIG                                                                                 \
    "listen 192.0.2.53 53\nzone .\nrecord away.example 3600 MX 10 mx.away.example\n"               \
    "record mx.away.example 3600 A 198.51.100.1\n"

static const struct remote_spec away = {.name = "away",
                                        .smtp_name = "mx.away.example",
                                        .addresses = away_address,
                                        .address_count = 1,
                                        .domains = away_domain,
                                        .domain_count = 1,
                                        .config = {AWAY_CONFIG, sizeof AWAY_CONFIG - 1}};
static const struct dns_spec dns = {.name = "dns",
                                    .addresses = dns_address,
                                    .address_count = 1,
                                    .config = {DNS_CONFIG, sizeof DNS_CONFIG - 1}};
static struct named_text controls[] = {{"queuelifetime", {"604800\n", 7}}};
static const struct home_spec home = {.name = "mail",
                                      .domain = "example.com",
                                      .disk = NULL, /* given by the world's options */
                                      .addresses = home_address,
                                      .address_count = 1,
                                      .controls = controls,
                                      .control_count = 1,
                                      .users = users,
                                      .user_count = 1};

static struct world *make_world(void)
{
    struct world_options options = {.kernel = {.seed = 1},
                                    .specs = &home,
                                    .spec_count = 1,
                                    .remotes = &away,
                                    .remote_count = 1,
                                    .dns = &dns,
                                    .disk = disk_model_named("honest")};
    int error;
    struct world *world = world_create(&options, &error);
    ck_assert_ptr_nonnull(world);
    world_start_actor(world, 1);
    world_start_actor(world, 2);
    world_start(world, 0);
    return world;
}

/* The texts of the letters. */
struct letter_text {
    char name[16], id[32], content[64];
};

static void add_letters(struct world *world, struct letter_text *texts)
{
    for (size_t i = 0; i < MESSAGES; i++) {
        struct letter_text *text = &texts[i];
        struct letter *letter = LIST_ADD(world->letters, world->letter_count);
        snprintf(text->name, sizeof text->name, "m.%zu", i + 1);
        snprintf(text->id, sizeof text->id, "<m%zu@x>", i + 1);
        snprintf(text->content, sizeof text->content, "Message-ID: %s\n\nhello\n", text->id);
        letter->name = text->name;
        letter->id = text->id;
        letter->header = "";
        letter->content = (struct text){text->content, strlen(text->content)};
        letter->recipients = recipients;
        letter->recipient_count = 1;
        letter->path = LETTER_BY_QUEUE;
    }
}

static void run_until(struct world *world, int64_t time_ns)
{
    kernel_at(world->kernel, time_ns, NULL, NULL);
    while (kernel_now(world->kernel) < time_ns)
        ck_assert_int_ne(kernel_run(world->kernel, time_ns), KERNEL_SPIN);
}

/* One a second, at any moment of it but its end. */
static void submit_all(struct world *world)
{
    struct submitter submitter = {"nixie-queue", &users[0], "alice@example.com"};
    for (size_t i = 0; i < MESSAGES; i++) {
        run_until(world, ((int64_t) i + 1) * NANOSECONDS +
                             (int64_t) (i * 389 % 900) * (NANOSECONDS / 1000));
        world_submit(world, i, &submitter);
    }
}

static int64_t second_of(int64_t time_ns)
{
    return time_ns / NANOSECONDS;
}

static void check_tries(struct world *world, size_t index, size_t *tries)
{
    const struct entry *entry = &world->entries[index];
    struct range attempts = world_attempts_of(world, index);
    int64_t birth = second_of(entry->birth_ns), k = 0;
    for (size_t i = 0; i < attempts.count; i++, k++) {
        const struct attempt *attempt = &world->attempts[attempts.items[i]];
        bool last = (SKIP_S * k) * (SKIP_S * k) > LIFETIME_S;
        ck_assert_msg(second_of(attempt->start_ns) == birth + (SKIP_S * k) * (SKIP_S * k),
                      "try %lld of message %lu: %lld s after its birth", (long long) k + 1,
                      (unsigned long) entry->number,
                      (long long) (second_of(attempt->start_ns) - birth));
        ck_assert_int_eq(attempt->result, last ? 'D' : 'Z');
        ck_assert_int_eq(last, i + 1 == attempts.count);
    }
    ck_assert_uint_gt(attempts.count, 0);
    *tries += attempts.count;
}

/* Each bounce came within a second of the last try of its message. */
static void check_bounce(struct world *world, const struct entry *bounce)
{
    const struct entry *message = world_original(world, bounce);
    int64_t k = 0;
    ck_assert_ptr_nonnull(message);
    while ((SKIP_S * k) * (SKIP_S * k) <= LIFETIME_S)
        k++;
    int64_t after = second_of(bounce->birth_ns) - second_of(message->birth_ns);
    ck_assert_msg(after - (SKIP_S * k) * (SKIP_S * k) <= 1, "a bounce after %lld s",
                  (long long) after);
}

START_TEST(seven_days)
{
    struct letter_text *texts = calloc(MESSAGES, sizeof *texts);
    struct world *world = make_world();
    size_t tries = 0, bounces = 0;
    add_letters(world, texts);
    submit_all(world);
    run_until(world, (LIFETIME_S + 6000) * NANOSECONDS);
    ck_assert(world_is_quiet(world));
    world_collect(world);
    world_judge(world, false);
    if (world->violation_count > 0)
        ck_abort_msg("%s: %s", world->violations[0].promise, world->violations[0].text);
    for (size_t i = 0; i < world->entry_count; i++)
        if (world->entries[i].bounce == 0) {
            check_tries(world, i, &tries);
        } else {
            check_bounce(world, &world->entries[i]);
            bounces++;
        }
    ck_assert_uint_eq(world->entry_count, 2 * MESSAGES);
    ck_assert_uint_eq(bounces, MESSAGES);
    ck_assert_uint_eq(tries, 40 * MESSAGES);
    ck_assert_uint_eq(world->copy_count, MESSAGES);
    ck_assert_msg(world->connection_count <= tries / 50, "%zu connections for %zu tries",
                  world->connection_count, tries);
    world_destroy(world);
    free(texts);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("seven days");
    TCase *tests = tcase_create("all");
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, seven_days);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
