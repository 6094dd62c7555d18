/* SPDX-License-Identifier: ISC */
/*
 * nixie-queue, both forms, when the power goes after any call, when any call fails, when memory
 * runs out: what was answered 0 is whole in mess and todo, what was refused is nowhere, and no
 * number comes twice.  The oracle reads the spool by itself and shares no code with the server.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "tests/unit/sim/machine.h"
/* behind it: its functions have parameters of the table's name */
#include "sim/programs.h"

#define UID 1000
#define MESSAGES 8
#define LARGE 40000 /* takes several writes */

static const char envelope[] = "Fa@x.example\0Tb@y.example\0Tc@z.example\0"; /* and its own NUL */

struct message {
    int status; /* wait status; ALIVE: never answered */
    char *text;
    size_t size;
};

struct world {
    struct kernel *kernel;
    struct host *host;
    struct message messages[MESSAGES];
    const char *program; /* calls of it are counted; NULL: of all */
    uint64_t stop_after; /* calls; 0: never */
    uint64_t fail_at;    /* call that fails; 0: none */
    int fail_error;
    char failed[100]; /* the call that failed */
    uint64_t calls;
    int stay_status;
};

/* --- the world ----------------------------------------------------------------------------- */

static bool counts(const struct world *world, const struct call *call)
{
    return !world->program || strcmp(process_name(call->process), world->program) == 0;
}

/* Some calls cannot fail, and close always closes. */
static bool can_fail(const struct call *call)
{
    return call->id != CALL_exit && call->id != CALL_get_id && call->id != CALL_clock &&
           call->id != CALL_close;
}

static int before_call(void *context, const struct call *call)
{
    struct world *world = context;
    if (!world->fail_at || !counts(world, call) || !can_fail(call))
        return 0;
    if (++world->calls != world->fail_at)
        return 0;
    snprintf(world->failed, sizeof world->failed, "%s %s", call_name(call->id),
             call->path ? call->path : "");
    return world->fail_error;
}

static void after_call(void *context, const struct call *call)
{
    struct world *world = context;
    if (world->stop_after && counts(world, call) && ++world->calls == world->stop_after)
        kernel_stop(world->kernel);
}

static void make_message(struct message *message, unsigned number)
{
    message->size = number == 0 ? LARGE : 30 + 7 * number;
    message->text = malloc(message->size + 1);
    for (size_t i = 0; i < message->size; i++)
        message->text[i] = (char) ('a' + (i + number) % 26);
    int length = snprintf(message->text, 20, "Subject: %u\n\n", number);
    message->text[length] = 'x'; /* not snprintf's NUL */
    message->text[message->size - 1] = '\n';
}

/* nixie-queue --stay with a descriptor 0 that does not end. */
static int stay_main(int argc, char **argv, char **environment)
{
    (void) argc;
    (void) argv;
    int fd = sim_open("/dev/null", O_RDONLY);
    MUST(fd >= 0 && sim_dup2(fd, 0) == 0 && sim_close(fd) == 0);
    char *const next[] = {TEXT("nixie-queue"), TEXT("--stay"), NULL};
    sim_execve("/mail/bin/nixie-queue", next, environment);
    return 1;
}

static void install_programs(struct world *world)
{
    kernel_register_program(world->kernel, "stay", stay_main);
    ck_assert_int_eq(
        host_write_file(world->host, "/mail/bin/stay", "#!nixie stay\n", 13, 0, 0, 0755), 0);
    for (const struct program *program = programs; program->name; program++) {
        char path[100], text[100];
        snprintf(path, sizeof path, "/mail/bin/%s", program->name);
        int length = snprintf(text, sizeof text, "#!nixie %s\n", program->name);
        kernel_register_program(world->kernel, program->name, program->main);
        ck_assert_int_eq(host_write_file(world->host, path, text, (size_t) length, 0, 0, 0755), 0);
    }
}

static void world_create(struct world *world, const char *disk, uint64_t seed)
{
    static const char *const directories[] = {
        "run", "queue/pid", "queue/mess", "queue/intd", "queue/todo", "queue/info", "queue/lock"};
    struct kernel_options options = {.seed = seed, .policy = SCHEDULE_RANDOM};
    struct host_options host = {.name = "mail.test", .disk = disk_model_named(disk)};
    memset(world, 0, sizeof *world);
    world->kernel = kernel_create(&options);
    world->host = host_create(world->kernel, &host);
    install_programs(world);
    for (size_t i = 0; i < sizeof directories / sizeof *directories; i++) {
        char path[100];
        snprintf(path, sizeof path, "/mail/%s", directories[i]);
        ck_assert_int_eq(host_make_directory(world->host, path, UID, UID, 0755), 0);
    }
    ck_assert_int_eq(host_write_file(world->host, "/mail/control/singleuser", "", 0, 0, 0, 0644),
                     0);
    ck_assert_int_eq(host_write_file(world->host, "/mail/control/me", "x\n", 2, 0, 0, 0644), 0);
    vfs_settle(host_vfs(world->host));
    for (unsigned i = 0; i < MESSAGES; i++) {
        make_message(&world->messages[i], i);
        world->messages[i].status = ALIVE;
    }
    struct kernel_watch watch = {.before = before_call, .after = after_call, .context = world};
    kernel_watch(world->kernel, &watch);
}

static void world_destroy(struct world *world)
{
    for (unsigned i = 0; i < MESSAGES; i++)
        free(world->messages[i].text);
    kernel_destroy(world->kernel);
}

static void keep_status(void *context, struct process *process, int status)
{
    (void) process;
    *(int *) context = status;
}

static const char *const environment[] = {"NIXIE_HOME=/mail", NULL};

/* The n-th message, by the one-shot form. */
static void start_once(struct world *world, unsigned n)
{
    static const char *const argv[] = {"nixie-queue", NULL};
    int error = 0;
    struct process_spec spec = {.path = "/mail/bin/nixie-queue",
                                .argv = argv,
                                .environment = environment,
                                .uid = UID,
                                .gid = UID,
                                .input = world->messages[n].text,
                                .input_size = world->messages[n].size,
                                .input1 = envelope,
                                .input1_size = sizeof envelope,
                                .ended = keep_status,
                                .context = &world->messages[n].status};
    ck_assert_ptr_nonnull(process_start(world->host, &spec, &error));
}

/* The n-th message, by nixie-inject, which asks the staying form. */
static void start_inject(struct world *world, unsigned n)
{
    static const char *const argv[] = {"nixie-inject", "-a", "-fa@x.example", "b@y.example", NULL};
    int error = 0;
    struct process_spec spec = {.path = "/mail/bin/nixie-inject",
                                .argv = argv,
                                .environment = environment,
                                .uid = UID,
                                .gid = UID,
                                .input = world->messages[n].text,
                                .input_size = world->messages[n].size,
                                .ended = keep_status,
                                .context = &world->messages[n].status};
    ck_assert_ptr_nonnull(process_start(world->host, &spec, &error));
}

static void start_stay(struct world *world)
{
    static const char *const argv[] = {"stay", NULL};
    int error = 0;
    struct process_spec spec = {.path = "/mail/bin/stay",
                                .argv = argv,
                                .environment = environment,
                                .uid = UID,
                                .gid = UID,
                                .ended = keep_status,
                                .context = &world->stay_status};
    world->stay_status = ALIVE;
    ck_assert_ptr_nonnull(process_start(world->host, &spec, &error));
}

static enum kernel_end run(struct world *world)
{
    enum kernel_end end = kernel_run(world->kernel, INT64_MAX);
    ck_assert_int_ne(end, KERNEL_SPIN);
    return end;
}

static void crash(struct world *world, const struct chooser *chooser)
{
    world->stop_after = 0;
    host_crash(world->host, chooser);
    host_boot(world->host);
}

static bool told_accepted(const struct message *message)
{
    return message->status == 0;
}

/* --- the oracle ---------------------------------------------------------------------------- */

struct file {
    char *data; /* NULL: not there */
    size_t size;
};

static struct file read_spool(struct world *world, const char *kind, const char *number)
{
    char path[100];
    struct file file = {0};
    snprintf(path, sizeof path, "/mail/queue/%s/%s", kind, number);
    if (host_read_file(world->host, path, &file.data, &file.size) < 0)
        file.data = NULL;
    return file;
}

static bool header_fits(const struct file *todo, const char *number)
{
    char header[160], start[64];
    if (todo->size < 63)
        return false;
    int length = snprintf(start, sizeof start, "todo  %020llu", strtoull(number, NULL, 10));
    XXH64_state_t state;
    XXH64_reset(&state, 0);
    XXH64_update(&state, start, (size_t) length);
    XXH64_update(&state, todo->data + 63, todo->size - 63);
    snprintf(header, sizeof header, "nixie1 %.6s %.20s %010zu %016llx\n", start, start + 6,
             todo->size - 63, (unsigned long long) XXH64_digest(&state));
    return memcmp(todo->data, header, 63) == 0;
}

/* The `m` record of a todo that fits tells length and checksum of the message. */
static bool message_fits(const struct file *todo, const struct file *mess)
{
    unsigned long long length, checksum;
    const char *at = todo->data + 63;
    for (int i = 0; i < 3; i++)
        at += strlen(at) + 1;
    return sscanf(at, "m%llu %llx", &length, &checksum) == 2 && length == mess->size &&
           checksum == XXH64(mess->data, mess->size, 0);
}

/* Which of the messages it is: its own text stands at the end, behind fields in front. */
static int find_message(struct world *world, const struct file *mess)
{
    for (int i = 0; i < MESSAGES; i++) {
        const struct message *message = &world->messages[i];
        const char *body = strchr(message->text, '\n'); /* inject may change the header */
        size_t size = message->size - (size_t) (body - message->text);
        char subject[20];
        snprintf(subject, sizeof subject, "\nSubject: %d\n", i);
        if (mess->size > size && memcmp(mess->data + mess->size - size, body, size) == 0 &&
            memmem(mess->data, mess->size, subject, strlen(subject)))
            return i;
    }
    return -1;
}

/* Counts in `found` what is whole in S4; anything else there must not pass for whole. */
static void look(struct world *world, unsigned found[MESSAGES], const char *where)
{
    char **names;
    memset(found, 0, MESSAGES * sizeof *found);
    ck_assert_int_eq(host_list_directory(world->host, "/mail/queue/todo", &names), 0);
    for (char **name = names; *name; name++) {
        struct file todo = read_spool(world, "todo", *name);
        struct file mess = read_spool(world, "mess", *name);
        if (todo.data && mess.data && header_fits(&todo, *name) && message_fits(&todo, &mess)) {
            int which = find_message(world, &mess);
            ck_assert_msg(which >= 0, "%s: %s is whole and none of ours", where, *name);
            ck_assert_msg(strncmp(mess.data, "Received: (nixie-queue ", 23) == 0, "%s", where);
            found[which]++;
        }
        free(todo.data);
        free(mess.data);
        free(*name);
    }
    free(names);
}

static void check_found(struct world *world, const char *where)
{
    unsigned found[MESSAGES];
    look(world, found, where);
    for (unsigned i = 0; i < MESSAGES; i++)
        ck_assert_msg(found[i] >= told_accepted(&world->messages[i]) && found[i] <= 1,
                      "%s: message %u, status %d: found %u times", where, i,
                      world->messages[i].status, found[i]);
}

static unsigned count_names(struct world *world, const char *kind)
{
    char path[100], **names;
    unsigned count = 0;
    snprintf(path, sizeof path, "/mail/queue/%s", kind);
    ck_assert_int_eq(host_list_directory(world->host, path, &names), 0);
    for (; names[count]; count++)
        free(names[count]);
    free(names);
    return count;
}

/* --- power loss ---------------------------------------------------------------------------- */

static const char *const disks[] = {"honest", "ffs", "ext4", "strict"};
#define DISKS 4
#define CHANCES 10

/* The n-th outcome of a crash: everything lost, everything kept, then chance. */
static const struct chooser *outcome(unsigned n, struct choose_random *chance)
{
    if (n == 0)
        return &choose_none;
    if (n == 1)
        return &choose_all;
    choose_random_start(chance, n, 5);
    return &chance->chooser;
}

/* Two messages, the power goes in the second, a third and a fourth after it. */
START_TEST(once_survives)
{
    bool crashed = true;
    for (uint64_t stop = 1; crashed; stop++)
        for (unsigned n = 0; n < CHANCES + 2; n++) {
            struct world world;
            struct choose_random chance;
            char where[100];
            snprintf(where, sizeof where, "%s, crash after call %llu, outcome %u", disks[_i],
                     (unsigned long long) stop, n);
            world_create(&world, disks[_i], 1);
            start_once(&world, 1);
            run(&world);
            ck_assert(told_accepted(&world.messages[1]));
            world.stop_after = stop;
            start_once(&world, 0);
            crashed = run(&world) == KERNEL_STOPPED;
            crash(&world, outcome(n, &chance));
            start_once(&world, 2);
            run(&world);
            start_once(&world, 3);
            run(&world);
            ck_assert_msg(told_accepted(&world.messages[2]) && told_accepted(&world.messages[3]),
                          "%s: refused afterwards: %d", where, world.messages[2].status);
            check_found(&world, where);
            world_destroy(&world);
        }
}
END_TEST

/* Five at once by the staying form, the power goes, then three more by a new one. */
START_TEST(stay_survives)
{
    bool crashed = true;
    for (uint64_t stop = 1; crashed; stop++)
        for (unsigned n = 0; n < 5; n++) {
            struct world world;
            struct choose_random chance;
            char where[100];
            snprintf(where, sizeof where, "%s, crash after call %llu, outcome %u", disks[_i],
                     (unsigned long long) stop, n);
            world_create(&world, disks[_i], n + 1);
            start_stay(&world);
            run(&world);
            world.program = "nixie-queue";
            world.stop_after = stop;
            for (unsigned i = 0; i < 5; i++)
                start_inject(&world, i);
            crashed = run(&world) == KERNEL_STOPPED;
            crash(&world, outcome(n, &chance));
            start_stay(&world);
            run(&world);
            for (unsigned i = 5; i < MESSAGES; i++)
                start_inject(&world, i);
            run(&world);
            for (unsigned i = 5; i < MESSAGES; i++)
                ck_assert_msg(told_accepted(&world.messages[i]), "%s: refused afterwards", where);
            check_found(&world, where);
            world_destroy(&world);
        }
}
END_TEST

/* The power goes again and again, soon after each boot. */
START_TEST(many_crashes)
{
    struct random random;
    random_seed(&random, 9, 1);
    for (unsigned n = 0; n < 300; n++) {
        struct world world;
        struct choose_random chance;
        char where[50];
        snprintf(where, sizeof where, "run %u", n);
        world_create(&world, "strict", n + 1);
        choose_random_start(&chance, n, 5);
        for (unsigned i = 0; i + 1 < MESSAGES; i++) {
            world.calls = 0;
            world.stop_after = 1 + random_below(&random, 90);
            start_once(&world, i);
            run(&world);
            crash(&world, &chance.chooser);
        }
        start_once(&world, MESSAGES - 1);
        run(&world);
        ck_assert(told_accepted(&world.messages[MESSAGES - 1]));
        check_found(&world, where);
        world_destroy(&world);
    }
}
END_TEST

/* --- calls that fail ----------------------------------------------------------------------- */

static const int errors[] = {ENOSPC, EIO, EMFILE, ENOMEM, EINTR};
#define ERRORS 5

/* Each call of the one-shot form fails once.  Refused: nothing is left in todo, and nothing of it
 * is in S2 or S3 but what could not be unlinked. */
START_TEST(once_calls_fail)
{
    bool failed = true;
    for (uint64_t at = 1; failed; at++) {
        struct world world;
        unsigned found[MESSAGES];
        char where[60];
        snprintf(where, sizeof where, "call %llu fails with %d", (unsigned long long) at,
                 errors[_i]);
        world_create(&world, "strict", 1);
        world.program = "nixie-queue";
        world.fail_at = at;
        world.fail_error = errors[_i];
        start_once(&world, 0);
        run(&world);
        failed = world.calls >= at;
        world.fail_at = 0;
        int status = world.messages[0].status;
        ck_assert_msg(WIFEXITED(status), "%s: %d", where, status);
        look(&world, found, where);
        ck_assert_msg(found[0] == told_accepted(&world.messages[0]), "%s: status %d, found %u",
                      where, WEXITSTATUS(status), found[0]);
        if (status != 0)
            ck_assert_msg(WEXITSTATUS(status) >= 51, "%s: %d", where, WEXITSTATUS(status));
        crash(&world, &choose_none);
        start_once(&world, 1);
        run(&world);
        ck_assert_msg(told_accepted(&world.messages[1]), "%s: refused afterwards", where);
        check_found(&world, where);
        world_destroy(&world);
    }
}
END_TEST

/* Each call of the staying form fails once: nobody is told yes in vain, and it either serves on or
 * has ended with an error. */
START_TEST(stay_calls_fail)
{
    bool failed = true;
    for (uint64_t at = 1; failed; at++) {
        struct world world;
        char where[60];
        snprintf(where, sizeof where, "call %llu fails with %d", (unsigned long long) at,
                 errors[_i]);
        world_create(&world, "strict", at);
        world.program = "nixie-queue";
        world.fail_at = at;
        world.fail_error = errors[_i];
        start_stay(&world);
        run(&world);
        for (unsigned i = 0; i < 5; i++)
            start_inject(&world, i);
        run(&world);
        failed = world.calls >= at;
        world.fail_at = 0;
        ck_assert_msg(world.stay_status == ALIVE ||
                          (WIFEXITED(world.stay_status) && WEXITSTATUS(world.stay_status) != 0),
                      "%s: ended with %d", where, world.stay_status);
        start_inject(&world, 5);
        run(&world);
        ck_assert_msg(told_accepted(&world.messages[5]), "%s (%s): refused afterwards", where,
                      world.failed);
        crash(&world, &choose_none);
        check_found(&world, where);
        world_destroy(&world);
    }
}
END_TEST

START_TEST(memory_runs_out)
{
    for (uint64_t at = 1; at < 40; at++) {
        struct world world;
        world_create(&world, "strict", 1);
        kernel_fail_allocation(world.kernel, "nixie-queue", at);
        if (_i) {
            start_stay(&world);
            run(&world);
        }
        for (unsigned i = 0; i < 3; i++) {
            if (_i)
                start_inject(&world, i);
            else
                start_once(&world, i);
            run(&world);
        }
        kernel_fail_allocation(world.kernel, "nixie-queue", 0);
        crash(&world, &choose_none);
        check_found(&world, "memory");
        world_destroy(&world);
    }
}
END_TEST

/* A disk that fills up: refused with 53, nothing left, and served again when there is room. */
START_TEST(full_disk)
{
    for (uint64_t space = 0; space < 60000; space += 4096) {
        struct world world;
        unsigned found[MESSAGES];
        world_create(&world, "strict", 1);
        start_once(&world, 1);
        if (_i)
            start_stay(&world);
        run(&world);
        host_set_free_space(world.host, space);
        start_once(&world, 0);
        run(&world);
        int status = world.messages[0].status;
        ck_assert_msg(status == 0 || WEXITSTATUS(status) == 53, "space %llu: %d",
                      (unsigned long long) space, WEXITSTATUS(status));
        look(&world, found, "full");
        ck_assert_uint_eq(found[0], status == 0);
        ck_assert_uint_eq(count_names(&world, "pid"), 0);
        ck_assert_uint_eq(count_names(&world, "intd"), 0);
        ck_assert_uint_eq(count_names(&world, "mess"), count_names(&world, "todo"));
        if (_i) {
            start_inject(&world, 2);
            start_inject(&world, 3);
            run(&world);
            ck_assert_int_eq(world.stay_status, ALIVE);
            ck_assert_uint_eq(count_names(&world, "pid"), 0);
        }
        host_set_free_space(world.host, UINT64_MAX);
        start_inject(&world, 4);
        run(&world);
        ck_assert(told_accepted(&world.messages[4]));
        check_found(&world, "full");
        world_destroy(&world);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("queue_crash");
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, 120);
    tcase_add_loop_test(all, once_survives, 0, DISKS);
    tcase_add_loop_test(all, stay_survives, 0, DISKS);
    tcase_add_test(all, many_crashes);
    tcase_add_loop_test(all, once_calls_fail, 0, ERRORS);
    tcase_add_loop_test(all, stay_calls_fail, 0, ERRORS);
    tcase_add_loop_test(all, memory_runs_out, 0, 2);
    tcase_add_loop_test(all, full_disk, 0, 2);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
