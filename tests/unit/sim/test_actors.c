/* SPDX-License-Identifier: ISC */
/* smtp-server and smtp-client over the simulated network: exact virtual times, what is told when
 * connections are cut, processes killed, memory is out. */
#include <check.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/kernel/kernel.h"
#include "sim/kernel/net.h"
#include "sim/programs.h"

#define MS 1000000LL
#define MINUTE (60000 * MS)
#define OUTPUT_MAX 200000
#define ALIVE (-2)

enum { CLIENT, SERVER, HOSTS };
static const char *const addresses[HOSTS] = {"192.0.2.1", "192.0.2.2"};

/* A machine and what its one program has told, each line with the milliseconds of its time. */
struct side {
    struct kernel *kernel;
    struct host *host;
    struct process *process;
    char told[OUTPUT_MAX];
    size_t size;
    int status;
    bool stamp; /* lines get their time */
};

struct scene {
    struct kernel *kernel;
    struct side sides[HOSTS];
};

static void add_text(struct side *side, const char *text, size_t size)
{
    ck_assert_uint_gt(sizeof side->told - side->size, size);
    memcpy(side->told + side->size, text, size);
    side->size += size;
    side->told[side->size] = 0;
}

/* A write may hold several records, and a stamp goes before each; what stands in a message has
 * none. */
static void heard(void *context, struct process *process, int fd, const char *data, size_t size)
{
    struct side *side = context;
    char stamp[24];
    int length =
        snprintf(stamp, sizeof stamp, "%lld ", (long long) (kernel_now(side->kernel) / MS));
    bool in_message = false;

    (void) process;
    (void) fd;
    while (size > 0) {
        const char *end = memchr(data, '\n', size);
        size_t line = end ? (size_t) (end - data) + 1 : size;

        if (side->stamp && !in_message)
            add_text(side, stamp, (size_t) length);
        in_message = in_message ? strncmp(data, "end\n", 4) != 0 : strncmp(data, "took ", 5) == 0;
        add_text(side, data, line);
        data += line;
        size -= line;
    }
}

static void ended(void *context, struct process *process, int status)
{
    struct side *side = context;

    (void) process;
    side->status = status;
    side->process = NULL;
}

static struct scene *scene_create(uint64_t seed, bool stamp)
{
    static const char *const names[HOSTS] = {"client", "server"};
    struct scene *scene = calloc(1, sizeof *scene);
    struct kernel_options options = {.seed = seed};

    scene->kernel = kernel_create(&options);
    for (const struct program *program = programs; program->name; program++)
        kernel_register_program(scene->kernel, program->name, program->main);
    for (int i = 0; i < HOSTS; i++) {
        struct host_options host = {.name = names[i], .disk = disk_model_named("honest")};
        struct side *side = &scene->sides[i];
        const char *file = i == CLIENT ? "#!nixie smtp-client\n" : "#!nixie smtp-server\n";

        *side = (struct side){.kernel = scene->kernel, .stamp = stamp};
        side->host = host_create(scene->kernel, &host);
        ck_assert_int_eq(host_add_address(side->host, addresses[i]), 0);
        ck_assert_int_eq(host_write_file(side->host, "/bin/actor", file, strlen(file), 0, 0, 0755),
                         0);
        vfs_settle(host_vfs(side->host));
    }
    return scene;
}

static void scene_destroy(struct scene *scene)
{
    kernel_destroy(scene->kernel);
    free(scene);
}

static void start(struct scene *scene, int which, const char *config)
{
    struct side *side = &scene->sides[which];
    const char *argv[] = {"actor", NULL}, *environment[] = {NULL};
    struct process_spec spec = {.path = "/bin/actor",
                                .argv = argv,
                                .environment = environment,
                                .input = config,
                                .input_size = strlen(config),
                                .output = heard,
                                .ended = ended,
                                .context = side};
    int error = 0;

    side->status = ALIVE;
    side->process = process_start(side->host, &spec, &error);
    ck_assert_ptr_nonnull(side->process);
}

static const char server_begin[] = "name mx.away.example\nlisten 192.0.2.2 25\n";
static const char client_begin[] = "connect 192.0.2.2 25\nhelo app.example\nfrom a@app.example\n";
static const char client_end[] = "message 19\nSubject: x\n\n.x\nend\n";

/* Starts both, with these lines in their configurations; the server a little earlier. */
static void start_both(struct scene *scene, const char *server, const char *client)
{
    char text[4000];

    snprintf(text, sizeof text, "%s%s", server_begin, server);
    start(scene, SERVER, text);
    kernel_run(scene->kernel, 1 * MS);
    snprintf(text, sizeof text, "%s%s%s", client_begin, client, client_end);
    start(scene, CLIENT, text);
}

/* Whether the lines of `want` have been told, in this order, others between them. */
static void expect_lines(const struct side *side, const char *want)
{
    const char *at = side->told;
    char line[400], sought[404];

    for (; *want; want += strlen(line) + 1) {
        size_t length = strcspn(want, "\n");

        ck_assert_uint_lt(length, sizeof line);
        memcpy(line, want, length);
        line[length] = 0;
        snprintf(sought, sizeof sought, "%s\n", line);
        at = strstr(at, sought);
        ck_assert_msg(at && (at == side->told || at[-1] == '\n'), "no \"%s\" in\n%s", line,
                      side->told);
        at += length;
        if (!want[length])
            break;
    }
}

static unsigned count_of(const char *text, const char *sought)
{
    unsigned count = 0;

    for (; (text = strstr(text, sought)) != NULL; text++)
        count++;
    return count;
}

static int exit_code(const struct side *side)
{
    return side->status == ALIVE ? ALIVE : side->status >> 8;
}

/* --- times ------------------------------------------------------------------------------------*/

START_TEST(a_dialogue)
{
    struct scene *scene = scene_create(1, true);
    struct net_path path = {.delay_ns = 50 * MS};

    net_set_path(scene->kernel, NULL, NULL, &path);
    start_both(scene, "on RCPT delay 10s ok\n", "to bob@away.example\n");
    kernel_run(scene->kernel, INT64_MAX);
    ck_assert_int_eq(exit_code(&scene->sides[CLIENT]), 0);
    expect_lines(&scene->sides[CLIENT],
                 "0 try 1\n0 connect 192.0.2.2\n200 in \"220 mx.away.example ESMTP\"\n"
                 "300 out \"MAIL FROM:<a@app.example>\"\n300 out \"DATA\"\n"
                 "400 in \"250 2.1.0 ok\"\n10400 in \"250 2.1.5 ok\"\n"
                 "10400 rcpt bob@away.example 250\n10400 in \"354 go ahead\"\n"
                 "10500 in \"250 2.0.0 ok, taken\"\n"
                 "10500 result accepted \"250 2.0.0 ok, taken\"\n10500 out \"QUIT\"");
    expect_lines(&scene->sides[SERVER],
                 "0 listening 192.0.2.2 25\n150 connect 1 192.0.2.1 32768\n"
                 "350 in 1 \"RCPT TO:<bob@away.example>\"\n10350 out 1 \"250 2.1.5 ok\"\n"
                 "10450 took 1 1 a@app.example 19 bob@away.example\nSubject: x\n.x\nend\n"
                 "10450 out 1 \"250 2.0.0 ok, taken\"\n10550 end 1 server");
    scene_destroy(scene);
}
END_TEST

/* Each try begins exactly five minutes after the one before, however long that took. */
START_TEST(tries)
{
    struct scene *scene = scene_create(1, true);

    start_both(scene,
               "on RCPT first 1 reply 451 \"4.7.1 later\"\non EOD first 1 delay 1m close\n"
               "on MAIL from 9m until 11m reply 450 \"4.3.0 not now\"\n"
               "on EHLO from 14m until 16m silence\n",
               "to bob@away.example\ntimeout 2m\nretry every 5m until accepted\n");
    kernel_run(scene->kernel, INT64_MAX);
    ck_assert_int_eq(exit_code(&scene->sides[CLIENT]), 0);
    expect_lines(&scene->sides[CLIENT],
                 "0 try 1\n0 result deferred \"451 4.7.1 later\"\n300000 try 2\n"
                 "360001 result lost \"after the final dot\"\n600000 try 3\n"
                 "600000 result deferred \"450 4.3.0 not now\"\n900000 try 4\n"
                 "1020000 result lost \"timed out at EHLO\"\n1200000 try 5\n"
                 "1200001 result accepted \"250 2.0.0 ok, taken\"");
    scene_destroy(scene);
}
END_TEST

START_TEST(slowly)
{
    struct scene *scene = scene_create(1, true);
    char text[4000];

    snprintf(text, sizeof text, "%s%s", server_begin, "on MESSAGE slow 10 bytes per 1m\n");
    start(scene, SERVER, text);
    snprintf(text, sizeof text, "%sto b@c.example\n%s", client_begin,
             "chunk 5 bytes every 100ms\nmessage 19\nSubject: x\n\n.x\nend\n");
    start(scene, CLIENT, text);
    kernel_run(scene->kernel, INT64_MAX);
    /* 27 bytes: 10 have been read after 100 ms, and 10 more in each minute */
    expect_lines(&scene->sides[CLIENT], "120101 in \"250 2.0.0 ok, taken\"");
    scene_destroy(scene);
}
END_TEST

/* Refused from 1h to 2h; and a rate. */
START_TEST(refused_for_an_hour)
{
    struct scene *scene = scene_create(1, true);

    start_both(scene,
               "on connect from 10m until 1h refuse\n"
               "on RCPT over 2 per 30m reply 450 \"4.7.0 slow down\"\non EOD first 2 reply 451 x\n",
               "to bob@away.example\nretry every 5m until accepted\n");
    kernel_run(scene->kernel, INT64_MAX);
    expect_lines(&scene->sides[CLIENT],
                 "2 result deferred \"451 x\"\n300002 result deferred \"451 x\"\n"
                 "600001 try 3\n600001 connect 192.0.2.2\n"
                 "600001 result lost \"connection refused\"\n"
                 "3300001 result lost \"connection refused\"\n3600001 try 13\n"
                 "3600002 result accepted \"250 2.0.0 ok, taken\"");
    ck_assert_uint_eq(count_of(scene->sides[CLIENT].told, "refused"), 10);
    scene_destroy(scene);
}
END_TEST

/* Its bounce comes to us, who are not there for half an hour. */
START_TEST(own_bounce)
{
    struct scene *scene = scene_create(1, true);
    char text[4000];

    start_both(scene,
               "bounces to 192.0.2.1 25\non EOD take bounce after 5m status 5.1.1 \"550 no\"\n",
               "to bob@away.example\n");
    kernel_run(scene->kernel, 35 * MINUTE + 30000 * MS);
    ck_assert_int_eq(exit_code(&scene->sides[CLIENT]), 0);
    struct side *home = &scene->sides[CLIENT];
    const char *file = "#!nixie smtp-server\n";
    ck_assert_int_eq(host_write_file(home->host, "/bin/actor", file, strlen(file), 0, 0, 0755), 0);
    snprintf(text, sizeof text, "listen 192.0.2.1 25\non RCPT first 1 reply 451 later\n");
    start(scene, CLIENT, text);
    kernel_run(scene->kernel, 40 * MINUTE);
    expect_lines(&scene->sides[SERVER],
                 "0 took 1 1 a@app.example 19 bob@away.example\n"
                 "2220001 bounced 1 accepted \"250 2.0.0 ok, taken\" 5.1.1 \"550 no\"");
    expect_lines(home,
                 "2160001 in 1 \"MAIL FROM:<> BODY=8BITMIME\"\n2160001 out 1 \"451 later\"\n");
    ck_assert_ptr_nonnull(strstr(home->told, "2220001 took 2 1 \"\" "));
    ck_assert_ptr_nonnull(strstr(home->told, "Final-Recipient: rfc822; bob@away.example\n"));
    scene_destroy(scene);
}
END_TEST

/* Nobody ever takes the bounce: it is given up after an hour. */
START_TEST(own_bounce_given_up)
{
    struct scene *scene = scene_create(1, true);

    start_both(scene,
               "bounces to 192.0.2.1 25\non EOD take bounce after 5m status 5.1.1 \"550 no\"\n",
               "to bob@away.example\n");
    kernel_run(scene->kernel, INT64_MAX);
    expect_lines(&scene->sides[SERVER],
                 "3900001 bounced 1 refused \"connection refused\" 5.1.1 \"550 no\"");
    ck_assert_int_eq(kernel_run(scene->kernel, INT64_MAX), KERNEL_IDLE);
    process_signal(scene->sides[SERVER].process, SIGTERM);
    kernel_run(scene->kernel, INT64_MAX);
    ck_assert_int_eq(exit_code(&scene->sides[SERVER]), 0);
    scene_destroy(scene);
}
END_TEST

/* --- the same again ---------------------------------------------------------------------------*/

static uint64_t run_hash(uint64_t seed)
{
    struct scene *scene = scene_create(seed, false);
    uint64_t hash;

    start_both(scene,
               "auth any\naddress-rules on\non MAIL chance 50% reply 451 x\non EOD chance 50% take "
               "close\non RCPT first 1 by triple reply 450 x\n",
               "to greylist+2@away.example\nto slow+3s@away.example\nauth bob x\n"
               "retry every 7s until accepted\n");
    kernel_run(scene->kernel, INT64_MAX);
    ck_assert_int_eq(exit_code(&scene->sides[CLIENT]), 0);
    hash = kernel_hash(scene->kernel);
    scene_destroy(scene);
    return hash;
}

START_TEST(deterministic)
{
    ck_assert_uint_eq(run_hash(1), run_hash(1));
    ck_assert_uint_eq(run_hash(2), run_hash(2));
    ck_assert_uint_ne(run_hash(1), run_hash(2));
}
END_TEST

/* --- trouble ----------------------------------------------------------------------------------*/

/* What both told must fit: accepted means taken; taken means accepted, or that the client knows it
 * lost the connection behind the final dot, or that it was killed. */
static void check_ledger(const struct scene *scene, const char *what, unsigned long number)
{
    const char *client = scene->sides[CLIENT].told, *server = scene->sides[SERVER].told;
    const char *yes = "in \"250 2.0.0 ok, taken";
    unsigned accepted = count_of(client, yes), took = count_of(server, "took ");
    unsigned doubt = count_of(client, "after the final dot");
    bool silent = scene->sides[CLIENT].status == SIGKILL;

    ck_assert_msg(accepted <= took && (took <= accepted + doubt || silent),
                  "%s %lu: accepted %u, taken %u, in doubt %u\n%s\n%s", what, number, accepted,
                  took, doubt, client, server);
}

/* Cut at every byte of either direction; the second try gets through. */
START_TEST(cuts)
{
    static const enum net_cut hows[] = {NET_CUT_RESET, NET_CUT_SILENT};

    for (int how = 0; how < 2; how++)
        for (int by_client = 0; by_client < 2; by_client++)
            for (uint64_t bytes = 0; bytes < 400; bytes += how == 0 ? 1 : 7) {
                struct scene *scene = scene_create(1, false);

                net_cut(scene->kernel, NULL, NULL, 1, by_client, bytes, hows[how]);
                start_both(scene, "timeout 10m\n",
                           "to bob@away.example\nretry every 1m times 3\ntimeout 5m\n");
                kernel_run(scene->kernel, INT64_MAX);
                check_ledger(scene, "cut at byte", bytes);
                ck_assert_msg(exit_code(&scene->sides[CLIENT]) == 0, "%d %d %lu\n%s", how,
                              by_client, (unsigned long) bytes, scene->sides[CLIENT].told);
                ck_assert_uint_ge(count_of(scene->sides[SERVER].told, "took "), 1);
                scene_destroy(scene);
            }
}
END_TEST

struct killer {
    struct scene *scene;
    int victim;
    uint64_t at, seen;
};

static void kill_at(void *context, const struct call *call)
{
    struct killer *killer = context;

    if (call->process == killer->scene->sides[killer->victim].process &&
        ++killer->seen == killer->at)
        process_signal(call->process, SIGKILL);
}

/* Either is killed after each of its calls, and started anew. */
START_TEST(kills)
{
    for (int victim = 0; victim < HOSTS; victim++)
        for (uint64_t at = 1;; at++) {
            struct scene *scene = scene_create(1, false);
            struct killer killer = {scene, victim, at, 0};
            struct kernel_watch watch = {.after = kill_at, .context = &killer};
            char text[4000];
            bool killed;

            kernel_watch(scene->kernel, &watch);
            start_both(scene, "", "to bob@away.example\nretry every 1m times 3\n");
            kernel_run(scene->kernel, 30000 * MS);
            killed = killer.seen >= at;
            killer.at = 0;
            if (victim == SERVER && !scene->sides[SERVER].process) {
                start(scene, SERVER, server_begin);
                kernel_run(scene->kernel, 40000 * MS);
            }
            check_ledger(scene, victim == CLIENT ? "client killed at" : "server killed at", at);
            if (victim == CLIENT && !scene->sides[CLIENT].process && killed) {
                snprintf(text, sizeof text, "%sto bob@away.example\n%s", client_begin, client_end);
                start(scene, CLIENT, text);
            }
            kernel_run(scene->kernel, INT64_MAX);
            ck_assert_msg(exit_code(&scene->sides[CLIENT]) == 0, "%lu: %s", (unsigned long) at,
                          scene->sides[CLIENT].told);
            ck_assert_uint_ge(count_of(scene->sides[SERVER].told, "took "), 1);
            scene_destroy(scene);
            if (!killed)
                break;
            ck_assert_uint_lt(at, 1000);
        }
}
END_TEST

/* Each allocation of the server fails once: it may say so, or end a connection, or end; never is
 * a message accepted and not taken. */
START_TEST(no_memory)
{
    for (int victim = 0; victim < HOSTS; victim++)
        for (uint64_t n = 1; n < 400; n++) {
            struct scene *scene = scene_create(1, false);
            const char *name = victim == CLIENT ? "smtp-client" : "smtp-server";

            kernel_fail_allocation(scene->kernel, name, n);
            start_both(scene,
                       "auth any\non RCPT first 1 by triple reply 450 x\nbounces to 192.0.2.1 9\n"
                       "on EOD take bounce after 10s status 5.0.0 x\n",
                       "auth bob x\nto bob@away.example\nto eve@away.example\n"
                       "retry every 1m times 9\n");
            kernel_run(scene->kernel, INT64_MAX);
            check_ledger(scene, name, n);
            ck_assert_msg(kernel_fault_count(scene->kernel) == 0, "%s %lu: %s", name,
                          (unsigned long) n, kernel_fault(scene->kernel));
            scene_destroy(scene);
        }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("actors");
    TCase *cases = tcase_create("all");
    tcase_set_timeout(cases, 120);
    tcase_add_test(cases, a_dialogue);
    tcase_add_test(cases, tries);
    tcase_add_test(cases, slowly);
    tcase_add_test(cases, refused_for_an_hour);
    tcase_add_test(cases, own_bounce);
    tcase_add_test(cases, own_bounce_given_up);
    tcase_add_test(cases, deterministic);
    tcase_add_test(cases, cuts);
    tcase_add_test(cases, kills);
    tcase_add_test(cases, no_memory);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
