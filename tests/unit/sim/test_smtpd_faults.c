/* SPDX-License-Identifier: ISC */
/*
 * nixie-smtpd and nixie-listen with everything going wrong in turn: each of their calls fails, each
 * allocation fails.  Whatever happens, a client that sees "250 2.6.0" has its whole message in the
 * queue; what is queued is whole; nothing is left allocated; and with the pool, one failure costs
 * one session at most, as long as nixie-listen itself goes on.
 */
#include "tests/unit/sim/net_world.h"

#include <check.h>
#include <signal.h>

#include "sim/programs.h" /* behind machine.h, which has a parameter of that name */

#define HOME "/var/nixie"
#define SESSIONS 4
#define TERM_S 600

static const char session[] = "EHLO app.example\r\nMAIL FROM:<robot@app.example>\r\n"
                              "RCPT TO:<\"a b\"@mail.test>\r\nRCPT TO:<x@away.example>\r\nDATA\r\n"
                              "Subject: x\r\n\r\n..a\r\nend\r\n.\r\nNOOP\r\nQUIT\r\n";
static const char want_message[] = "Subject: x\n\n.a\nend\n";
static const char want_envelope[] = "Frobot@app.example\0Ta b@mail.test\0"; /* and a NUL */

/* --- what stands in nixie-queue's place: it ends with 0 only if it got all -------------------- */

static unsigned accepted, broken;

static ssize_t read_all(int fd, char *to, size_t room)
{
    size_t size = 0;
    ssize_t count;
    while ((count = sim_read(fd, to + size, room - size)) > 0)
        size += (size_t) count;
    return count < 0 ? -1 : (ssize_t) size;
}

static int recorder_main(int argc, char **argv, char **environment)
{
    char message[2048], envelope[256];
    (void) argc, (void) argv, (void) environment;
    ssize_t size = read_all(0, message, sizeof message);
    ssize_t envelope_size = read_all(1, envelope, sizeof envelope);
    if (size < 0 || envelope_size < 2 || envelope[envelope_size - 1] != 0 ||
        envelope[envelope_size - 2] != 0)
        return 54;
    size_t want = sizeof want_message - 1;
    bool whole = (size_t) envelope_size == sizeof want_envelope &&
                 memcmp(envelope, want_envelope, sizeof want_envelope) == 0 &&
                 (size_t) size > want && memcmp(message, "Received: from ", 15) == 0 &&
                 memcmp(message + size - want, want_message, want) == 0;
    accepted++;
    broken += !whole;
    return 0;
}

/* --- the client: several sessions, each on a connection of its own ---------------------------- */

static unsigned seen; /* 250s for messages */

static unsigned count_accepted(const char *text)
{
    unsigned count = 0;
    while ((text = strstr(text, "250 2.6.0 ok ")) != NULL) {
        count++;
        text++;
    }
    return count;
}

static int client_main(int argc, char **argv, char **environment)
{
    char replies[2048];
    (void) argc, (void) argv, (void) environment;
    seen = 0;
    for (int i = 0; i < SESSIONS; i++) {
        int fd = net_socket("192.0.2.1", SOCK_STREAM);
        if (net_connect(fd, "192.0.2.1", 25) == 0 &&
            sim_send(fd, session, sizeof session - 1, MSG_NOSIGNAL) == sizeof session - 1) {
            ssize_t size = read_all(fd, replies, sizeof replies - 1);
            replies[size > 0 ? size : 0] = 0;
            seen += count_accepted(replies);
        }
        sim_close(fd);
        sim_poll(NULL, 0, 2000);
    }
    return 0;
}

/* Becomes nixie-listen with a descriptor 0 that does not end. */
static int holder_main(int argc, char **argv, char **environment)
{
    int ends[2];
    (void) argc;
    MUST(sim_pipe2(ends, 0) == 0);
    MUST(sim_dup2(ends[0], 0) == 0);
    MUST(sim_close(ends[0]) == 0);
    sim_execve(HOME "/bin/nixie-listen", argv, environment);
    return 1;
}

/* --- what goes wrong -------------------------------------------------------------------------- */

struct plan {
    const char *program; /* whose calls are counted */
    uint64_t fail_at;    /* the how-manieth; 0: none */
    int error;
    uint64_t calls;
    size_t left_bytes; /* of all that ended */
    bool listen_ended; /* before it was told to */
};

static int before(void *context, const struct call *call)
{
    struct plan *plan = context;
    const char *name = process_name(call->process);
    if (strncmp(name, "nixie-", 6) != 0)
        return 0;
    if (call->id == CALL_exit) {
        plan->left_bytes += process_live_bytes(call->process);
        plan->listen_ended |=
            strcmp(name, "nixie-listen") == 0 && call->time_ns < TERM_S * 1000 * MS;
        return 0;
    }
    /* a failed close has no effect here, but Linux closes whatever comes; after a wait that cannot
     * fail nothing could be known; a clock that there is can be read */
    if (call->id == CALL_close || call->id == CALL_clock ||
        (call->id == CALL_wait && plan->error != EINTR))
        return 0;
    if (strcmp(name, plan->program) != 0)
        return 0;
    return ++plan->calls == plan->fail_at ? plan->error : 0;
}

static void install(struct net_world *world)
{
    static const struct {
        const char *path, *text;
    } files[] = {
        {HOME "/bin/nixie-listen", "#!nixie nixie-listen\n"},
        {HOME "/bin/nixie-smtpd", "#!nixie nixie-smtpd\n"},
        {HOME "/bin/nixie-queue", "#!nixie recorder\n"},
        {HOME "/bin/holder", "#!nixie holder\n"},
        {HOME "/control/me", "mail.test\n"},
        {HOME "/control/listen", "192.0.2.1:25\n[2001:db8::1]:25\n"},
        {HOME "/control/badmailfrom", "x@y\n"},
        {HOME "/control/relayclients", "10.0.0.0/8\n"},
    };
    for (const struct program *program = programs; program->name; program++)
        if (strcmp(program->name, "nixie-smtpd") == 0 || strcmp(program->name, "nixie-listen") == 0)
            kernel_register_program(world->kernel, program->name, program->main);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        ck_assert_int_eq(host_write_file(world->host[0], files[i].path, files[i].text,
                                         strlen(files[i].text), 0, 0, 0755),
                         0);
    ck_assert_int_eq(host_make_directory(world->host[0], HOME "/run", 0, 0, 0755), 0);
    host_add_user(world->host[0], "nixied", 700, 700, HOME);
}

static struct net_world *make_world(struct plan *plan, uint64_t fail_allocation)
{
    static const struct test_program test_programs[] = {{"client", client_main},
                                                        {"recorder", recorder_main},
                                                        {"holder", holder_main},
                                                        {NULL, NULL}};
    struct kernel_options options = {.seed = 1, .spin_calls = 100000, .fill_byte = 0xa5};
    struct net_world *world = net_world_create(&options, test_programs);
    struct kernel_watch watch = {before, NULL, plan};
    install(world);
    kernel_watch(world->kernel, &watch);
    kernel_fail_allocation(world->kernel, plan->program, fail_allocation);
    accepted = broken = 0;
    return world;
}

static void judge(struct net_world *world, const struct plan *plan, unsigned promised, uint64_t n)
{
    const char *said = world->said[0].output;
    ck_assert_msg(promised <= accepted, "%s %llu: %u promised, %u queued: %s", plan->program,
                  (unsigned long long) n, promised, accepted, said);
    ck_assert_msg(broken == 0, "%s %llu: %u not whole", plan->program, (unsigned long long) n,
                  broken);
    ck_assert_msg(plan->left_bytes == 0, "%s %llu: %zu bytes left", plan->program,
                  (unsigned long long) n, plan->left_bytes);
    ck_assert_str_eq(kernel_fault(world->kernel), "");
    ck_assert_uint_eq(kernel_live_bytes(world->kernel), 0);
}

static struct process *start(struct net_world *world, const char *program, const char *input)
{
    char path[64];
    const char *argv[] = {program, NULL};
    static const char *const environment[] = {"NIXIE_HOME=" HOME, "TCPREMOTEIP=192.0.2.9", NULL};
    struct process_spec spec = {
        .path = path,
        .argv = argv,
        .environment = environment,
        .input = input,
        .input_size = input ? strlen(input) : 0,
        .output = machine_output,
        .ended = machine_ended,
        .context = &world->said[0],
    };
    int error = 0;
    snprintf(path, sizeof path, HOME "/bin/%s", program);
    world->said[0].status = ALIVE;
    return process_start(world->host[0], &spec, &error);
}

/* --- standing alone --------------------------------------------------------------------------- */

/* True if nothing went wrong that a client could see. */
static bool run_alone(struct plan *plan, uint64_t fail_allocation, uint64_t n)
{
    struct net_world *world = make_world(plan, fail_allocation);
    ck_assert_ptr_nonnull(start(world, "nixie-smtpd", session));
    ck_assert_int_eq(kernel_run(world->kernel, INT64_MAX), KERNEL_IDLE);
    int status = world->said[0].status;
    ck_assert_msg(status == 0 || status == 111 << 8, "%llu: status %d", (unsigned long long) n,
                  status);
    unsigned promised = count_accepted(world->said[0].output);
    judge(world, plan, promised, n);
    bool well = promised == 1 && strstr(world->said[0].output, "221 2.0.0");
    net_world_destroy(world);
    return well;
}

static const int errors[] = {EIO, ENOMEM, EINTR, EMFILE};

START_TEST(test_alone_every_call)
{
    struct plan plan = {.program = "nixie-smtpd"};
    ck_assert(run_alone(&plan, 0, 0));
    uint64_t calls = plan.calls;
    ck_assert_uint_gt(calls, 40);
    unsigned refused = 0;
    for (uint64_t n = 1; n <= calls; n++) {
        plan = (struct plan){.program = "nixie-smtpd", .fail_at = n, .error = errors[_i]};
        refused += !run_alone(&plan, 0, n);
    }
    ck_assert_uint_gt(refused, 2);
}
END_TEST

START_TEST(test_alone_every_allocation)
{
    unsigned refused = 0;
    for (uint64_t n = 1;; n++) {
        struct plan plan = {.program = "nixie-smtpd"};
        if (!run_alone(&plan, n, n)) {
            refused++;
        } else if (n > 100) {
            break; /* there is no n-th any more */
        }
        ck_assert_uint_lt(n, 1000);
    }
    ck_assert_uint_gt(refused, 5);
}
END_TEST

/* --- with the pool ---------------------------------------------------------------------------- */

static void tell_end(void *context)
{
    struct net_world *world = context;
    struct process *process = host_find_process(world->host[0], "nixie-listen");
    if (process)
        process_signal(process, SIGTERM);
}

static void begin_client(void *context)
{
    ck_assert_ptr_nonnull(net_start(context, 1, "client", NULL, NULL));
}

/* How many of the client's messages were accepted. */
static unsigned run_pool(struct plan *plan, uint64_t fail_allocation, uint64_t n)
{
    struct net_world *world = make_world(plan, fail_allocation);
    seen = 0;
    ck_assert_ptr_nonnull(start(world, "holder", NULL));
    kernel_at(world->kernel, 100 * MS, begin_client, world);
    kernel_at(world->kernel, TERM_S * 1000 * MS, tell_end, world);
    ck_assert_int_eq(kernel_run(world->kernel, INT64_MAX), KERNEL_IDLE);
    int status = world->said[0].status;
    ck_assert_msg(status == 0 || status == 111 << 8, "%s %llu: status %d", plan->program,
                  (unsigned long long) n, status);
    judge(world, plan, seen, n);
    ck_assert_msg(plan->listen_ended || seen + 1 >= SESSIONS, "%s %llu: %u of %d sessions: %s",
                  plan->program, (unsigned long long) n, seen, SESSIONS, world->said[0].output);
    net_world_destroy(world);
    return seen;
}

static const char *const pool_programs[] = {"nixie-listen", "nixie-smtpd"};

START_TEST(test_pool_every_call)
{
    const char *program = pool_programs[_i / 4];
    struct plan plan = {.program = program};
    ck_assert_uint_eq(run_pool(&plan, 0, 0), SESSIONS);
    ck_assert(!plan.listen_ended);
    uint64_t calls = plan.calls;
    ck_assert_uint_gt(calls, 50);
    unsigned disturbed = 0;
    for (uint64_t n = 1; n <= calls; n++) {
        plan = (struct plan){.program = program, .fail_at = n, .error = errors[_i % 4]};
        disturbed += run_pool(&plan, 0, n) < SESSIONS;
    }
    ck_assert_uint_gt(disturbed, 2);
}
END_TEST

START_TEST(test_pool_every_allocation)
{
    const char *program = pool_programs[_i];
    unsigned disturbed = 0, quiet = 0;
    for (uint64_t n = 1; quiet < 30; n++) {
        struct plan plan = {.program = program};
        bool well = run_pool(&plan, n, n) == SESSIONS;
        disturbed += !well;
        quiet = well ? quiet + 1 : 0;
        ck_assert_uint_lt(n, 1000);
    }
    ck_assert_uint_gt(disturbed, 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("smtpd_faults");
    TCase *all = tcase_create("faults");
    tcase_set_timeout(all, 120);
    tcase_add_loop_test(all, test_alone_every_call, 0, 4);
    tcase_add_test(all, test_alone_every_allocation);
    tcase_add_loop_test(all, test_pool_every_call, 0, 8);
    tcase_add_loop_test(all, test_pool_every_allocation, 0, 2);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
