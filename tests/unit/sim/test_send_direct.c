/* SPDX-License-Identifier: ISC */
/*
 * Messages that are delivered while they are in S4: what the admin says to one (scenarios/direct
 * has the rest), and that nothing of it needs a wait for the disk or a file of S5.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "sim/world/home.h"
#include "sim/world/world.h"

#define SECOND NANOSECONDS
#define MINUTE (60 * NANOSECONDS)

struct story {
    struct world *world;
    struct home_spec home;
    int answer; /* of nixie-admin; -1: it runs */
    bool counting;
    unsigned syncs;   /* of clean */
    unsigned created; /* files of send in the queue */
    unsigned looked;  /* at directories by send */
};

static struct user_spec users[] = {
    {.name = "alice", .uid = 1001, .home_mode = 0755},
    {.name = "bob", .uid = 1002, .home_mode = 0755},
};
static const char *home_address[] = {"192.0.2.10"}, *away_address[] = {"198.51.100.1"},
                  *dns_address[] = {"192.0.2.53"};
static struct served_domain away_domain[] = {{"away.example", 10}};
static const char *const both[] = {"bob@example.com", "dave@away.example"};
static struct named_text controls[] = {{"queuelifetime", {"7200", 4}}};

/* Dave's server says later after a second, the first time. */
#define RULES "on EOD first 1 delay 1s reply 451 \"4.3.0 later\"\n"
#define REMOTE_CONFIG "name mx.away.example\nlisten 198.51.100.1 25\n" RULES
#define DNS_CONFIG                                                                                 \
    "listen 192.0.2.53 53\nzone .\nrecord away.example 3600 MX 10 mx.away.example\n"               \
    "record mx.away.example 3600 A 198.51.100.1\n"

static const struct remote_spec remote = {
    .name = "away",
    .smtp_name = "mx.away.example",
    .addresses = away_address,
    .address_count = 1,
    .domains = away_domain,
    .domain_count = 1,
    .rules = {RULES, sizeof RULES - 1},
    .config = {REMOTE_CONFIG, sizeof REMOTE_CONFIG - 1},
};
static const struct dns_spec dns = {
    .name = "dns",
    .addresses = dns_address,
    .address_count = 1,
    .config = {DNS_CONFIG, sizeof DNS_CONFIG - 1},
};

static void after_call(void *context, const struct call *call)
{
    struct story *story = context;
    const char *name = process_name(call->process);
    if (!story->counting)
        return;
    story->syncs += call->id == CALL_syncfs && strcmp(name, "nixie-clean") == 0;
    if (strcmp(name, "nixie-send") != 0)
        return;
    story->created += call->id == CALL_open && call->changed_disk;
    story->looked += call->id == CALL_opendir;
}

static void add_letter(struct world *world, const char *const *to, size_t count)
{
    static const char content[] = "Message-ID: <m1@x>\n\nhello\n";
    struct letter *letter = LIST_ADD(world->letters, world->letter_count);
    letter->name = "m1";
    letter->id = "<m1@x>";
    letter->header = "";
    letter->content = (struct text){content, sizeof content - 1};
    letter->recipients = to;
    letter->recipient_count = count;
    letter->path = LETTER_BY_QUEUE;
}

static void run_until(struct story *story, int64_t time_ns)
{
    kernel_at(story->world->kernel, time_ns, NULL, NULL);
    ck_assert_int_ne(kernel_run(story->world->kernel, time_ns), KERNEL_SPIN);
}

/* A server that has run for a minute, and the message. */
static void begin(struct story *story, const char *const *to, size_t count)
{
    static const struct home_spec spec = {.name = "mail",
                                          .domain = "example.com",
                                          .single_user = true,
                                          .addresses = home_address,
                                          .address_count = 1,
                                          .controls = controls,
                                          .control_count = 1,
                                          .users = users,
                                          .user_count = 2};
    struct world_options options = {.kernel = {.seed = 1, .policy = SCHEDULE_RANDOM},
                                    .spec_count = 1,
                                    .remotes = &remote,
                                    .remote_count = 1,
                                    .dns = &dns};
    struct submitter submitter = {
        .program = "nixie-queue", .user = &users[0], .sender = "alice@example.com"};
    struct kernel_watch watch = {.after = after_call, .context = story};
    int error;
    memset(story, 0, sizeof *story);
    story->home = spec;
    story->home.disk = disk_model_named("strict");
    options.specs = &story->home;
    story->world = world_create(&options, &error);
    ck_assert_ptr_nonnull(story->world);
    kernel_watch(story->world->kernel, &watch);
    add_letter(story->world, to, count);
    world_start_actor(story->world, 1);
    world_start_actor(story->world, 2);
    world_start(story->world, 0);
    run_until(story, MINUTE);
    story->counting = true;
    world_submit(story->world, 0, &submitter);
}

static void admin_ended(void *context, struct process *process, int status)
{
    struct story *story = context;
    (void) process;
    story->answer = status >= 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void admin(struct story *story, const char *verb)
{
    const char *argv[] = {"nixie-admin", verb, "1", NULL};
    static const char *const environment[] = {NULL};
    struct process_spec spec = {.path = HOME_DIRECTORY "/bin/nixie-admin",
                                .argv = argv,
                                .environment = environment,
                                .uid = HOME_OWNER,
                                .gid = HOME_OWNER,
                                .ended = admin_ended,
                                .context = story};
    struct machine *machine = &story->world->machines[0];
    int error;
    if (strcmp(verb, "delete") == 0) /* that it was asked for is what the judges believe */
        *LIST_ADD(machine->deletions, machine->deletion_count) = 1;
    story->answer = -1;
    ck_assert_ptr_nonnull(process_start(machine->host, &spec, &error));
}

static unsigned tries(const struct story *story, const char *recipient)
{
    unsigned count = 0;
    for (size_t i = 0; i < story->world->attempt_count; i++)
        count += strcmp(story->world->attempts[i].recipient, recipient) == 0;
    return count;
}

static unsigned bounces(const struct story *story)
{
    unsigned count = 0;
    for (size_t i = 0; i < story->world->entry_count; i++)
        count += story->world->entries[i].bounce == 1;
    return count;
}

static enum stage stage(const struct story *story)
{
    return world_entry(story->world, 0, 1)->stage;
}

static void end(struct story *story)
{
    struct world *world = story->world;
    world_stop(world, 0);
    run_until(story, kernel_now(world->kernel) + MINUTE);
    world_collect(world);
    world_judge(world, false);
    for (size_t i = 0; i < world->violation_count; i++)
        ck_abort_msg("%s: %s", world->violations[i].promise, world->violations[i].text);
    ck_assert_uint_eq(tries(story, "bob@example.com"), 1);
    world_destroy(world);
}

/* In the middle: bob has it, dave's server thinks. */
static void begin_admin(struct story *story, const char *verb)
{
    begin(story, both, 2);
    run_until(story, MINUTE + SECOND / 2);
    ck_assert_int_eq(stage(story), STAGE_S4);
    ck_assert_uint_eq(tries(story, "bob@example.com"), 1);
    admin(story, verb);
    run_until(story, MINUTE + SECOND * 3 / 4);
    ck_assert_int_eq(story->answer, 0);
    ck_assert_int_eq(stage(story), STAGE_S5);
    run_until(story, 5 * MINUTE);
}

START_TEST(held_and_released)
{
    struct story story;
    begin_admin(&story, "hold");
    run_until(&story, 60 * MINUTE);
    ck_assert_uint_eq(tries(&story, "dave@away.example"), 1);
    ck_assert_int_eq(stage(&story), STAGE_S5);
    admin(&story, "release");
    run_until(&story, 61 * MINUTE);
    ck_assert_uint_eq(tries(&story, "dave@away.example"), 2);
    ck_assert_int_eq(stage(&story), STAGE_S1);
    end(&story);
}
END_TEST

START_TEST(retried)
{
    struct story story;
    begin_admin(&story, "retry");
    run_until(&story, 20 * MINUTE); /* when its time comes: it was being tried */
    ck_assert_uint_eq(tries(&story, "dave@away.example"), 2);
    ck_assert_int_eq(stage(&story), STAGE_S1);
    end(&story);
}
END_TEST

START_TEST(expired)
{
    struct story story;
    begin_admin(&story, "expire");
    ck_assert_uint_eq(tries(&story, "dave@away.example"), 2); /* which was successful */
    ck_assert_uint_eq(bounces(&story), 0);
    ck_assert_int_eq(stage(&story), STAGE_S1);
    end(&story);
}
END_TEST

START_TEST(deleted)
{
    struct story story;
    begin_admin(&story, "delete");
    ck_assert_uint_eq(tries(&story, "dave@away.example"), 1);
    ck_assert_uint_eq(bounces(&story), 0);
    ck_assert_int_eq(stage(&story), STAGE_S1);
    end(&story);
}
END_TEST

START_TEST(nothing_is_waited_for)
{
    struct story story;
    begin(&story, both, 1);
    run_until(&story, MINUTE + SECOND);
    ck_assert_int_eq(stage(&story), STAGE_S1);
    ck_assert_uint_eq(story.syncs, 0);
    ck_assert_uint_eq(story.created, 0);
    ck_assert_uint_eq(story.looked, 0);
    run_until(&story, MINUTE + 10 * SECOND);
    ck_assert_uint_eq(story.syncs, 1); /* of the removals */
    end(&story);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("send direct");
    TCase *tests = tcase_create("all");
    tcase_add_test(tests, held_and_released);
    tcase_add_test(tests, retried);
    tcase_add_test(tests, expired);
    tcase_add_test(tests, deleted);
    tcase_add_test(tests, nothing_is_waited_for);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
