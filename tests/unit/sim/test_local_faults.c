/* SPDX-License-Identifier: ISC */
/*
 * nixie-local when calls fail: the n-th call, every n, one error after the other; once, or from
 * there on for good.  It must end with 0 (delivered) or 111 (later, and it says why), leave whole
 * messages only, and give back all memory.
 */
#include "tests/unit/sim/local_world.h"

struct fault {
    int error;
    bool lasting;
};

struct faults {
    struct world world;
    struct fault fault;
    uint64_t at;      /* which call fails; from 1 */
    uint64_t seen;    /* calls that may fail, so far */
    const char *name; /* of the call that failed first */
    size_t leaked;
};

static bool is_local(const struct call *call)
{
    return strcmp(process_name(call->process), "nixie-local") == 0;
}

static void note_leak(void *context, const struct process *process, size_t bytes,
                      unsigned descriptors)
{
    (void) descriptors;
    if (strcmp(process_name(process), "nixie-local") == 0)
        ((struct faults *) context)->leaked = bytes;
}

/* Which calls can fail with such an error. */
static bool may_fail(enum call_id id, int error)
{
    switch (id) {
    case CALL_open:
        return true;
    case CALL_read:
    case CALL_write:
        return error != EMFILE;
    case CALL_fsync:
    case CALL_link:
    case CALL_rename:
    case CALL_mkdir:
    case CALL_ftruncate:
    case CALL_stat:
    case CALL_fstat:
        return error != EMFILE && error != EINTR;
    case CALL_flock:
        return error == EINTR;
    case CALL_spawn:
        return error == ENOMEM;
    default:
        return false;
    }
}

static int fail_call(void *context, const struct call *call)
{
    struct faults *faults = context;
    if (!is_local(call))
        return 0;
    if (call->id == CALL_exit)
        kernel_tell_processes(faults->world.kernel, note_leak, faults);
    if (call->id == CALL_write && call->fd <= 2)
        return 0; /* so that it can say what is wrong */
    if (!faults->at || !may_fail(call->id, faults->fault.error))
        return 0;
    faults->seen++;
    if (faults->seen < faults->at || (faults->seen > faults->at && !faults->fault.lasting))
        return 0;
    if (faults->seen == faults->at)
        faults->name = call_name(call->id);
    return faults->fault.error;
}

/* Delivers with faults; its exit code. */
static int deliver_faulty(struct faults *faults, unsigned number)
{
    char path[20];
    snprintf(path, sizeof path, "/m%u", number);
    const char *argv[] = {"deliver", path, faults->world.messages[number].sender, NULL};
    const char *environment[] = {"PATH=/bin", NULL};
    struct process_spec spec = {.path = "/bin/deliver",
                                .argv = argv,
                                .environment = environment,
                                .uid = JOE,
                                .gid = JOE,
                                .output = keep_errors,
                                .ended = keep_status,
                                .context = &faults->world};
    int error = 0;
    faults->world.status = ALIVE;
    faults->world.errors[0] = 0;
    ck_assert_ptr_nonnull(process_start(faults->world.host, &spec, &error));
    ck_assert_int_eq(kernel_run(faults->world.kernel, INT64_MAX), KERNEL_IDLE);
    ck_assert_msg(WIFEXITED(faults->world.status), "status %d", faults->world.status);
    return WEXITSTATUS(faults->world.status);
}

static unsigned in_tmp(struct world *world)
{
    char **names;
    unsigned count = 0;
    ck_assert_int_eq(host_list_directory(world->host, "/home/joe/Maildir/tmp", &names), 0);
    for (char **name = names; *name; name++, count++)
        free(*name);
    free(names);
    return count;
}

static void check_result(struct faults *faults, int code, const char *where)
{
    struct world *world = &faults->world;
    unsigned counts[MESSAGES + 1];
    size_t size;
    char *data = read_box(world, &size);
    unsigned in_maildir = count_in_maildir(world, 0, where);
    bool whole = count_messages(world, data, size, counts);
    ck_assert_msg(code == 0 || code == 111, "%s: exit %d: %s", where, code, world->errors);
    ck_assert_msg(code == 0 || *world->errors, "%s: nothing is said", where);
    ck_assert_msg(faults->leaked == 0, "%s: %zu bytes leaked", where, faults->leaked);
    if (!faults->fault.lasting) { /* what began could be taken back */
        ck_assert_msg(whole, "%s: the mbox is not whole messages", where);
        ck_assert_msg(counts[0] + in_maildir == (code == 0), "%s: exit %d, but %u and %u", where,
                      code, counts[0], in_maildir);
        ck_assert_msg(in_tmp(world) == 0, "%s: a file stays in tmp", where);
    } else if (code == 0) {
        ck_assert_msg(whole && counts[0] + in_maildir == 1, "%s: not there", where);
    }
    free(data);
    /* all is well again */
    bool unused, to_mbox = strstr(where, "Mailbox");
    faults->at = 0;
    ck_assert(deliver(world, 1, 0, NULL, &unused));
    data = read_box(world, &size);
    whole = count_messages(world, data, size, counts);
    ck_assert_msg(whole && counts[MESSAGES] == 1 && counts[1] == to_mbox && counts[0] <= 1,
                  "%s: afterwards: %u %u %u", where, counts[MESSAGES], counts[0], counts[1]);
    free(data);
}

static const struct fault kinds[] = {
    {EIO, false},   {ENOSPC, false}, {EDQUOT, false}, {ENOMEM, false}, {EMFILE, false},
    {EINTR, false}, {EIO, true},     {ENOSPC, true},  {EMFILE, true},
};
#define KINDS ((int) (sizeof kinds / sizeof *kinds))

static void fail_every_call(struct fault fault, const char *instructions)
{
    for (uint64_t at = 1;; at++) {
        struct faults faults = {.fault = fault, .at = at};
        char where[200];
        world_create(&faults.world, "strict", instructions);
        struct kernel_watch watch = {.before = fail_call, .context = &faults};
        kernel_watch(faults.world.kernel, &watch);
        int code = deliver_faulty(&faults, 0);
        bool over = faults.seen < at;
        snprintf(where, sizeof where, "%.11s, error %d%s in call %llu (%s)", instructions,
                 fault.error, fault.lasting ? " from" : "", (unsigned long long) at,
                 over ? "none" : faults.name);
        check_result(&faults, code, where);
        world_destroy(&faults.world);
        ck_assert_uint_lt(at, 500);
        if (over)
            break;
    }
}

START_TEST(calls_fail_maildir)
{
    fail_every_call(kinds[_i], "./Maildir/\n");
}
END_TEST

START_TEST(calls_fail_mbox)
{
    fail_every_call(kinds[_i], "./Mailbox\n");
}
END_TEST

/* The n-th allocation fails. */
START_TEST(no_memory)
{
    static const char *const instructions[] = {"./Maildir/\n", "./Mailbox\n"};
    int code = 111;
    for (uint64_t at = 1; code != 0; at++) {
        struct faults faults = {.at = 0};
        char where[100];
        world_create(&faults.world, "strict", instructions[_i]);
        struct kernel_watch watch = {.before = fail_call, .context = &faults};
        kernel_watch(faults.world.kernel, &watch);
        kernel_fail_allocation(faults.world.kernel, "nixie-local", at);
        code = deliver_faulty(&faults, 0);
        kernel_fail_allocation(faults.world.kernel, "nixie-local", 0);
        snprintf(where, sizeof where, "%.11s, allocation %llu", instructions[_i],
                 (unsigned long long) at);
        check_result(&faults, code, where);
        world_destroy(&faults.world);
        ck_assert_uint_lt(at, 300);
    }
}
END_TEST

/* With several instructions nothing is lost, and at most what failed is repeated. */
START_TEST(several_instructions)
{
    for (uint64_t at = 1;; at++) {
        struct faults faults = {.fault = kinds[_i], .at = at};
        bool unused;
        unsigned counts[MESSAGES + 1];
        size_t size;
        world_create(&faults.world, "strict", "./Maildir/\n./Mailbox\n");
        struct kernel_watch watch = {.before = fail_call, .context = &faults};
        kernel_watch(faults.world.kernel, &watch);
        int code = deliver_faulty(&faults, 0);
        ck_assert_msg(code == 0 || code == 111, "call %d: exit %d: %s", (int) at, code,
                      faults.world.errors);
        ck_assert_msg(faults.leaked == 0, "%zu bytes leaked", faults.leaked);
        bool over = faults.seen < at;
        faults.at = 0;
        if (code)
            deliver(&faults.world, 0, 0, NULL, &unused);
        char *data = read_box(&faults.world, &size);
        ck_assert(count_messages(&faults.world, data, size, counts));
        unsigned in_maildir = count_in_maildir(&faults.world, 0, "several");
        /* twice only where nothing can be noted or taken back any more */
        ck_assert_msg(counts[0] >= 1 && in_maildir >= 1 && counts[0] + in_maildir <= 3,
                      "call %d (%s): %u, %u", (int) at, faults.name ? faults.name : "", in_maildir,
                      counts[0]);
        if (!kinds[_i].lasting)
            ck_assert_msg(in_maildir + counts[0] == 2, "call %d (%s): twice", (int) at,
                          faults.name ? faults.name : "");
        free(data);
        world_destroy(&faults.world);
        if (over)
            break;
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("local_faults");
    TCase *tests = tcase_create("local_faults");
    tcase_set_timeout(tests, 300);
    tcase_add_loop_test(tests, calls_fail_maildir, 0, KINDS);
    tcase_add_loop_test(tests, calls_fail_mbox, 0, KINDS);
    tcase_add_loop_test(tests, no_memory, 0, 2);
    tcase_add_loop_test(tests, several_instructions, 0, KINDS);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
