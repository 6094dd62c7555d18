/* SPDX-License-Identifier: ISC */
/*
 * nixie-inject with everything going wrong in turn: each of its calls fails, each allocation
 * fails.  Whatever happens, 0 means that the queue has the whole message, anything else that it
 * has none; the status is one of those documented; nothing is left allocated.
 */
#include <check.h>
#include <errno.h>
#include <string.h>

#include "tests/unit/sim/machine.h"
#include "sim/programs.h" /* behind machine.h, which has a parameter of that name */

#define HOME "/var/nixie"

static const char input[] = "To: bob@h, \"c d\"@example.org\nSubject: x\n\nbody\n";
static const char want_message[] = "From: alice@mail.test\nTo: bob@h.mail.test, "
                                   "\"c d\"@example.org\nSubject: x\n\nbody\n";
static const char want_envelope[] =
    "Falice@mail.test\0Tbob@h.mail.test\0Tc d@example.org\0"; /* and a NUL */

/* What the program in nixie-queue's place was given: it ends with 0 only if it was all. */
static char message[4096];
static char envelope[1024];
static size_t message_size, envelope_size;
static unsigned accepted;

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
    (void) argc, (void) argv, (void) environment;
    ssize_t size = read_all(0, message, sizeof message);
    if (size < 0)
        return 54;
    message_size = (size_t) size;
    size = read_all(1, envelope, sizeof envelope);
    if (size < 2 || envelope[size - 1] != 0 || envelope[size - 2] != 0)
        return 54;
    envelope_size = (size_t) size;
    accepted++;
    return 0;
}

struct plan {
    uint64_t fail_at; /* the how-manieth call of inject; 0: none */
    int error;
    uint64_t calls;
    size_t left_bytes;
};

static int before(void *context, const struct call *call)
{
    struct plan *plan = context;
    if (strcmp(process_name(call->process), "nixie-inject") != 0)
        return 0;
    if (call->id == CALL_exit) {
        plan->left_bytes = process_live_bytes(call->process);
        return 0;
    }
    /* a failed close has no effect here, but Linux closes whatever comes; a clock that there is can
     * be read */
    if (call->id == CALL_close || call->id == CALL_clock)
        return 0;
    if (call->id == CALL_wait && plan->error != EINTR) /* nothing can then be known */
        return 0;
    return ++plan->calls == plan->fail_at ? plan->error : 0;
}

static void after(void *context, const struct call *call)
{
    (void) context, (void) call;
}

static struct machine *make_machine(void)
{
    static const struct test_program none[] = {{NULL, NULL}};
    struct kernel_options options = {.seed = 1, .spin_calls = 100000, .fill_byte = 0xa5};
    struct machine *machine = machine_create(&options, none);
    for (const struct program *program = programs; program->name; program++)
        if (strcmp(program->name, "nixie-inject") == 0)
            kernel_register_program(machine->kernel, program->name, program->main);
    kernel_register_program(machine->kernel, "recorder", recorder_main);
    static const struct {
        const char *path, *text;
    } files[] = {{HOME "/bin/nixie-inject", "#!nixie nixie-inject\n"},
                 {HOME "/bin/nixie-queue", "#!nixie recorder\n"},
                 {HOME "/control/me", "mail.test\n"}};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        ck_assert_int_eq(host_write_file(machine->host, files[i].path, files[i].text,
                                         strlen(files[i].text), 0, 0, 0755),
                         0);
    return machine;
}

static int run_inject(struct machine *machine)
{
    static const char *const argv[] = {"nixie-inject", NULL};
    static const char *const environment[] = {"NIXIE_HOME=" HOME, "QMAILUSER=alice", NULL};
    struct process_spec spec = {
        .path = HOME "/bin/nixie-inject",
        .argv = argv,
        .environment = environment,
        .uid = 1000,
        .gid = 1000,
        .input = input,
        .input_size = sizeof input - 1,
        .output = machine_output,
        .ended = machine_ended,
        .context = machine,
    };
    int error = 0;
    accepted = 0;
    message_size = envelope_size = 0;
    machine->output_size = 0;
    machine->status = ALIVE;
    ck_assert_ptr_nonnull(process_start(machine->host, &spec, &error));
    ck_assert_int_eq(kernel_run(machine->kernel, INT64_MAX), KERNEL_IDLE);
    return machine->status;
}

/* Judges one run; true if the message was accepted. */
static bool judge(const struct machine *machine, int status, const struct plan *plan,
                  const char *what, uint64_t n)
{
    int code = status >> 8;
    ck_assert_msg((status & 255) == 0 && (code == 0 || code == 111), "%s %llu: status %d: %s", what,
                  (unsigned long long) n, status, machine->output);
    ck_assert_msg(plan->left_bytes == 0, "%s %llu: %zu bytes left", what, (unsigned long long) n,
                  plan->left_bytes);
    ck_assert_msg(accepted == (code == 0 ? 1 : 0), "%s %llu: status %d, accepted %u", what,
                  (unsigned long long) n, status, accepted);
    if (code != 0) {
        ck_assert_msg(machine->output_size > 0 || plan->fail_at, "%s %llu says nothing", what,
                      (unsigned long long) n);
        return false;
    }
    const char *from = memmem(message, message_size, "From: ", 6); /* behind Date and Message-ID */
    ck_assert_ptr_nonnull(from);
    ck_assert_uint_eq(message_size - (size_t) (from - message), sizeof want_message - 1);
    ck_assert_mem_eq(from, want_message, sizeof want_message - 1);
    ck_assert_uint_eq(envelope_size, sizeof want_envelope);
    ck_assert_mem_eq(envelope, want_envelope, sizeof want_envelope);
    return true;
}

static bool run_with(struct plan *plan, uint64_t fail_allocation, const char *what, uint64_t n)
{
    struct machine *machine = make_machine();
    struct kernel_watch watch = {before, after, plan};
    kernel_watch(machine->kernel, &watch);
    kernel_fail_allocation(machine->kernel, "nixie-inject", fail_allocation);
    int status = run_inject(machine);
    bool result = judge(machine, status, plan, what, n);
    ck_assert_uint_eq(kernel_fault_count(machine->kernel), 0);
    ck_assert_uint_eq(kernel_live_bytes(machine->kernel), 0);
    machine_destroy(machine);
    return result;
}

START_TEST(test_every_call)
{
    static const int errors[] = {EIO, ENOMEM, EINTR, EMFILE};
    int error = errors[_i];
    struct plan plan = {0, 0, 0, 0};
    ck_assert(run_with(&plan, 0, "undisturbed", 0));
    uint64_t calls = plan.calls;
    ck_assert_uint_gt(calls, 20);
    unsigned refused = 0;
    for (uint64_t n = 1; n <= calls; n++) {
        plan = (struct plan){n, error, 0, 0};
        refused += !run_with(&plan, 0, "call", n);
    }
    ck_assert_uint_gt(refused, 5);
}
END_TEST

START_TEST(test_every_allocation)
{
    unsigned refused = 0;
    for (uint64_t n = 1;; n++) {
        struct plan plan = {0, 0, 0, 0};
        if (run_with(&plan, n, "allocation", n))
            break; /* there is no n-th any more */
        refused++;
        ck_assert_uint_lt(n, 1000);
    }
    ck_assert_uint_gt(refused, 5);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("inject_faults");
    TCase *all = tcase_create("faults");
    tcase_set_timeout(all, 60);
    tcase_add_loop_test(all, test_every_call, 0, 4);
    tcase_add_test(all, test_every_allocation);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
