/* SPDX-License-Identifier: ISC */
/*
 * nixie-local on a disk that keeps nothing but what was synced: the power goes after every call of
 * a delivery, the disk keeps all, nothing, or anything in between; then the next message comes.
 * Boxes must hold whole messages only, all that were told delivered, and what the user did
 * between the crash and the next delivery must stay.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/sim/machine.h"
/* behind it: its functions have parameters of the table's name */
#include "sim/programs.h"

#define JOE 1000
#define MESSAGES 3
#define CHANCES 12 /* random outcomes of each crash, beside the two extremes */

static const char old_mail[] = "From old@y.example Thu Jan  1 00:00:00 1970\n\nold\n\n";
static const char other_mail[] = "From other@y.example Thu Jan  1 00:00:00 1970\n\nother\n\n";

/* A message, as it is handed in, and what boxes hold of it behind the `From ` line. */
struct message {
    char sender[32];
    char *text;
    size_t size;
    char *boxed;
    size_t boxed_size;
};

struct world {
    struct kernel *kernel;
    struct host *host;
    struct message messages[MESSAGES];
    uint64_t stop_after; /* calls; 0: never */
    uint64_t calls;
    int status;
    char errors[2000];
};

/* --- messages --- */

static void add(struct message *message, const char *bytes, size_t size, const char *boxed,
                size_t boxed_size)
{
    memcpy(message->text + message->size, bytes, size);
    message->size += size;
    memcpy(message->boxed + message->boxed_size, boxed, boxed_size);
    message->boxed_size += boxed_size;
}

static void make_message(struct message *message, unsigned number, size_t lines, bool ends)
{
    static const char awkward[] = "> \0\r\377 From x";
    char line[200], header[200];
    message->text = malloc(lines * 100 + 400);
    message->boxed = malloc(lines * 100 + 600);
    message->size = message->boxed_size = 0;
    snprintf(message->sender, sizeof message->sender, "s%u@y.example", number);
    int length = snprintf(header, sizeof header, "Return-Path: <%s>\nDelivered-To: joe@x.example\n",
                          message->sender);
    add(message, "", 0, header, (size_t) length);
    length = snprintf(line, sizeof line, "Subject: %u\n\n", number);
    add(message, line, (size_t) length, line, (size_t) length);
    for (size_t i = 0; i < lines; i++) {
        char quoted[210];
        length = snprintf(line, sizeof line, "%s line %zu of %u, and this is From somebody else\n",
                          i % 7 == 3   ? "From "
                          : i % 7 == 5 ? ">From "
                                       : "some",
                          i, number);
        snprintf(quoted, sizeof quoted, ">%s", line);
        bool quote = i % 7 == 3 || i % 7 == 5;
        add(message, line, (size_t) length, quote ? quoted : line, (size_t) length + quote);
    }
    add(message, awkward, sizeof awkward - 1, awkward, sizeof awkward - 1);
    if (ends)
        add(message, "\n", 1, "", 0);
    add(message, "", 0, "\n\n", 2);
}

/* --- the world --- */

/* deliver FILE SENDER: nixie-local with FILE as descriptor 0. */
static int deliver_main(int argc, char **argv, char **environment)
{
    (void) argc;
    int fd = sim_open(argv[1], O_RDONLY);
    MUST(fd >= 0 && sim_dup2(fd, 0) == 0 && sim_close(fd) == 0);
    char *const next[] = {TEXT("nixie-local"),
                          TEXT("--"),
                          TEXT("joe"),
                          TEXT("/home/joe"),
                          TEXT("joe"),
                          TEXT(""),
                          TEXT(""),
                          TEXT("x.example"),
                          argv[2],
                          TEXT("./Maildir/"),
                          NULL};
    sim_execve("/bin/nixie-local", next, environment);
    return 1;
}

static void keep_errors(void *context, struct process *process, int fd, const char *data,
                        size_t size)
{
    struct world *world = context;
    size_t used = strlen(world->errors);
    (void) process;
    (void) fd;
    snprintf(world->errors + used, sizeof world->errors - used, "%.*s", (int) size, data);
}

static void keep_status(void *context, struct process *process, int status)
{
    struct world *world = context;
    (void) process;
    world->status = status;
}

static void count_call(void *context, const struct call *call)
{
    struct world *world = context;
    (void) call;
    if (++world->calls == world->stop_after)
        kernel_stop(world->kernel);
}

static void put(struct world *world, const char *path, const void *data, size_t size, uid_t uid)
{
    ck_assert_int_eq(host_write_file(world->host, path, data, size, uid, uid, 0644), 0);
}

static void world_create(struct world *world, const char *disk, const char *instructions)
{
    static const struct kernel_options options = {.seed = 1};
    struct host_options host = {.name = "mail.test", .disk = disk_model_named(disk)};
    memset(world, 0, sizeof *world);
    world->kernel = kernel_create(&options);
    world->host = host_create(world->kernel, &host);
    kernel_register_program(world->kernel, "deliver", deliver_main);
    ck_assert_int_eq(
        host_write_file(world->host, "/bin/deliver", "#!nixie deliver\n", 16, 0, 0, 0755), 0);
    for (const struct program *program = programs; program->name; program++) {
        char path[100], text[100];
        snprintf(path, sizeof path, "/bin/%s", program->name);
        int length = snprintf(text, sizeof text, "#!nixie %s\n", program->name);
        kernel_register_program(world->kernel, program->name, program->main);
        ck_assert_int_eq(host_write_file(world->host, path, text, (size_t) length, 0, 0, 0755), 0);
    }
    static const char *const directories[] = {"/home/joe", "/home/joe/Maildir",
                                              "/home/joe/Maildir/tmp", "/home/joe/Maildir/new",
                                              "/home/joe/Maildir/cur"};
    for (size_t i = 0; i < 5; i++)
        ck_assert_int_eq(host_make_directory(world->host, directories[i], JOE, JOE, 0755), 0);
    put(world, "/home/joe/.qmail", instructions, strlen(instructions), JOE);
    put(world, "/home/joe/Mailbox", old_mail, sizeof old_mail - 1, JOE);
    make_message(&world->messages[0], 0, 500, false); /* several writes */
    make_message(&world->messages[1], 1, 2, true);
    make_message(&world->messages[2], 2, 90, false);
    for (unsigned i = 0; i < MESSAGES; i++) {
        char path[20];
        snprintf(path, sizeof path, "/m%u", i);
        put(world, path, world->messages[i].text, world->messages[i].size, 0);
    }
    vfs_settle(host_vfs(world->host));
    struct kernel_watch watch = {.after = count_call, .context = world};
    kernel_watch(world->kernel, &watch);
}

static void world_destroy(struct world *world)
{
    for (unsigned i = 0; i < MESSAGES; i++) {
        free(world->messages[i].text);
        free(world->messages[i].boxed);
    }
    kernel_destroy(world->kernel);
}

/* Delivers a message; with a chooser the power goes after `stop_after` calls (0: or when all is
 * done).  True if it was told delivered. */
static bool deliver(struct world *world, unsigned number, uint64_t stop_after,
                    const struct chooser *chooser, bool *crashed)
{
    char path[20];
    snprintf(path, sizeof path, "/m%u", number);
    const char *argv[] = {"deliver", path, world->messages[number].sender, NULL};
    const char *environment[] = {"PATH=/bin", NULL};
    struct process_spec spec = {.path = "/bin/deliver",
                                .argv = argv,
                                .environment = environment,
                                .uid = JOE,
                                .gid = JOE,
                                .output = keep_errors,
                                .ended = keep_status,
                                .context = world};
    int error = 0;
    world->status = ALIVE;
    world->errors[0] = 0;
    world->calls = 0;
    world->stop_after = stop_after;
    ck_assert_ptr_nonnull(process_start(world->host, &spec, &error));
    enum kernel_end end = kernel_run(world->kernel, INT64_MAX);
    bool done = world->status == 0;
    *crashed = end == KERNEL_STOPPED;
    ck_assert_msg(done || *crashed, "delivery ends with %d: %s", world->status, world->errors);
    if (chooser) {
        host_crash(world->host, chooser);
        host_boot(world->host);
    }
    return done;
}

/* --- what is found --- */

static char *read_box(struct world *world, size_t *size)
{
    char *data;
    int result = host_read_file(world->host, "/home/joe/Mailbox", &data, size);
    ck_assert_msg(result == 0, "the mbox cannot be read: %d", result);
    return data;
}

/* The size of message `number` at `at`, 0 if something else is there. */
static size_t match(const struct message *message, const char *at, size_t rest)
{
    char from[64];
    int length = snprintf(from, sizeof from, "From %s ", message->sender);
    size_t line = (size_t) length + 25;
    if (rest < line + message->boxed_size || memcmp(at, from, (size_t) length) != 0 ||
        at[line - 1] != '\n' || memcmp(at + line, message->boxed, message->boxed_size) != 0)
        return 0;
    return line + message->boxed_size;
}

static bool starts(const char *at, size_t rest, const char *text)
{
    return rest >= strlen(text) && memcmp(at, text, strlen(text)) == 0;
}

/* Counts the messages of a box; false if it has anything but whole ones. */
static bool count_messages(struct world *world, const char *data, size_t size,
                           unsigned counts[MESSAGES + 1])
{
    memset(counts, 0, (MESSAGES + 1) * sizeof *counts);
    for (size_t at = 0; at < size;) {
        size_t used = 0;
        for (unsigned i = 0; i < MESSAGES && !used; i++) {
            used = match(&world->messages[i], data + at, size - at);
            counts[i] += used > 0;
        }
        if (!used && starts(data + at, size - at, old_mail)) {
            used = sizeof old_mail - 1;
            counts[MESSAGES]++;
        }
        if (!used)
            return false;
        at += used;
    }
    return true;
}

static void check_box(struct world *world, const bool delivered[MESSAGES], const char *where)
{
    size_t size;
    unsigned counts[MESSAGES + 1];
    char *data = read_box(world, &size);
    bool whole = count_messages(world, data, size, counts);
    ck_assert_msg(whole, "%s: the mbox is not whole messages:\n%.3000s", where, data);
    ck_assert_msg(counts[MESSAGES] == 1, "%s: old mail: %u", where, counts[MESSAGES]);
    for (unsigned i = 0; i < MESSAGES; i++)
        ck_assert_msg(counts[i] <= 1 && counts[i] >= delivered[i], "%s: message %u: %u times",
                      where, i, counts[i]);
    free(data);
}

/* The n-th outcome of a crash: everything lost, everything kept, then chance. */
static const struct chooser *outcome(unsigned n, struct choose_random *chance)
{
    if (n == 0)
        return &choose_none;
    if (n == 1)
        return &choose_all;
    choose_random_start(chance, n, 7);
    return &chance->chooser;
}

/* --- mbox --- */

static const char *const disks[] = {"honest", "ffs", "ext4", "strict"};

START_TEST(mbox_survives_one_crash)
{
    const char *disk = disks[_i];
    bool crashed = true;
    for (uint64_t stop = 1; crashed; stop++)
        for (unsigned n = 0; n < CHANCES + 2; n++) {
            struct world world;
            struct choose_random chance;
            bool delivered[MESSAGES] = {false}, unused;
            char where[100];
            snprintf(where, sizeof where, "%s, crash after call %llu, outcome %u", disk,
                     (unsigned long long) stop, n);
            world_create(&world, disk, "./Mailbox\n");
            delivered[0] = deliver(&world, 0, stop, outcome(n, &chance), &crashed);
            delivered[1] = deliver(&world, 1, 0, NULL, &unused);
            check_box(&world, delivered, where);
            world_destroy(&world);
        }
}
END_TEST

/* The delivery that mends the box is cut short too. */
START_TEST(mbox_survives_two_crashes)
{
    struct random random;
    random_seed(&random, 3, 1);
    for (unsigned n = 0; n < 1500; n++) {
        struct world world;
        struct choose_random chance;
        bool delivered[MESSAGES] = {false}, unused;
        char where[100];
        uint64_t first = 1 + random_below(&random, 80), second = 1 + random_below(&random, 80);
        snprintf(where, sizeof where, "run %u: crash after call %llu, then %llu", n,
                 (unsigned long long) first, (unsigned long long) second);
        choose_random_start(&chance, n, 11);
        world_create(&world, "strict", "./Mailbox\n");
        delivered[0] = deliver(&world, 0, first, &chance.chooser, &unused);
        delivered[2] = deliver(&world, 2, second, &chance.chooser, &unused);
        delivered[1] = deliver(&world, 1, 0, NULL, &unused);
        check_box(&world, delivered, where);
        world_destroy(&world);
    }
}
END_TEST

/* What a user or another program does to the box between the crash and the next delivery. */
enum act { EMPTIES, OTHER_APPENDS, TAKES_FIRST_OUT, ADDS_STATUS, ACTS };

static char *act_on(enum act act, const char *data, size_t *size)
{
    char *changed = malloc(*size + 200);
    size_t first = sizeof old_mail - 1;
    switch (act) {
    case EMPTIES:
        *size = 0;
        break;
    case OTHER_APPENDS:
        memcpy(changed, data, *size);
        memcpy(changed + *size, other_mail, sizeof other_mail - 1);
        *size += sizeof other_mail - 1;
        break;
    case TAKES_FIRST_OUT:
        *size -= first;
        memcpy(changed, data + first, *size);
        break;
    default: /* into the first message, so that all behind it moves */
        memcpy(changed, data, 45);
        memcpy(changed + 45, "Status: RO\n", 11);
        memcpy(changed + 56, data + 45, *size - 45);
        *size += 11;
        break;
    }
    return changed;
}

START_TEST(mbox_of_a_user_is_left_alone)
{
    bool crashed = true;
    for (uint64_t stop = 1; crashed; stop++)
        for (unsigned n = 0; n < CHANCES; n++) {
            struct world world;
            struct choose_random chance;
            bool unused;
            size_t size, end;
            world_create(&world, "strict", "./Mailbox\n");
            deliver(&world, 0, stop, outcome(n, &chance), &crashed);
            char *found = read_box(&world, &size);
            char *changed = act_on((enum act) _i, found, &size);
            put(&world, "/home/joe/Mailbox", changed, size, JOE);
            deliver(&world, 1, 0, NULL, &unused);
            char *box = read_box(&world, &end);
            ck_assert_msg(end >= size && memcmp(box, changed, size) == 0,
                          "crash after call %llu, outcome %u: what the user left is not there",
                          (unsigned long long) stop, n);
            /* and the new message is one of its own */
            size_t at = size;
            while (at < end && box[at] == '\n')
                at++;
            ck_assert(match(&world.messages[1], box + at, end - at) == end - at);
            free(found);
            free(changed);
            free(box);
            world_destroy(&world);
        }
}
END_TEST

/* After a delivery that was told delivered, power loss and all, nothing is ever cut off: not even
 * when the user has made that very message shorter, as what a torn append would look like. */
START_TEST(mbox_after_success_is_the_users)
{
    for (unsigned n = 0; n < 40; n++) {
        struct world world;
        struct choose_random chance;
        bool unused;
        size_t size, end;
        world_create(&world, "strict", "./Mailbox\n");
        ck_assert(deliver(&world, 0, 0, outcome(n, &chance), &unused));
        char *changed = read_box(&world, &size);
        size -= 20000;
        put(&world, "/home/joe/Mailbox", changed, size, JOE);
        deliver(&world, 1, 0, NULL, &unused);
        char *box = read_box(&world, &end);
        ck_assert_msg(end >= size && memcmp(box, changed, size) == 0,
                      "outcome %u: what the user left is not there", n);
        free(changed);
        free(box);
        world_destroy(&world);
    }
}
END_TEST

/* A disk that fills up leaves the box as it was. */
START_TEST(mbox_on_a_full_disk)
{
    for (uint64_t space = 0; space < 60000; space += 4096) {
        struct world world;
        char *data;
        size_t size;
        world_create(&world, "strict", "./Mailbox\n");
        host_set_free_space(world.host, space);
        const char *argv[] = {"deliver", "/m0", "s0@y.example", NULL};
        const char *environment[] = {NULL};
        int error = 0;
        struct process_spec spec = {.path = "/bin/deliver",
                                    .argv = argv,
                                    .environment = environment,
                                    .uid = JOE,
                                    .gid = JOE,
                                    .output = keep_errors,
                                    .ended = keep_status,
                                    .context = &world};
        ck_assert_ptr_nonnull(process_start(world.host, &spec, &error));
        kernel_run(world.kernel, INT64_MAX);
        data = read_box(&world, &size);
        if (WEXITSTATUS(world.status) == 111) {
            ck_assert_msg(strstr(world.errors, "no space left on the disk"), "%s", world.errors);
            ck_assert_uint_eq(size, sizeof old_mail - 1);
        } else {
            ck_assert_int_eq(world.status, 0);
        }
        free(data);
        host_set_free_space(world.host, UINT64_MAX);
        bool delivered[MESSAGES] = {world.status == 0}, unused;
        delivered[1] = deliver(&world, 1, 0, NULL, &unused);
        check_box(&world, delivered, "after a full disk");
        world_destroy(&world);
    }
}
END_TEST

/* --- Maildir --- */

/* How often the message is in new/; what is there must be whole. */
static unsigned count_in_maildir(struct world *world, unsigned number, const char *where)
{
    char **names;
    unsigned count = 0;
    const struct message *message = &world->messages[number];
    ck_assert_int_eq(host_list_directory(world->host, "/home/joe/Maildir/new", &names), 0);
    for (char **name = names; *name; name++) {
        char path[400], *data;
        size_t size;
        snprintf(path, sizeof path, "/home/joe/Maildir/new/%s", *name);
        ck_assert_int_eq(host_read_file(world->host, path, &data, &size), 0);
        const char *end = memmem(data, size, "Subject: ", 9);
        ck_assert_msg(end && size - (size_t) (end - data) == message->size &&
                          memcmp(end, message->text, message->size) == 0,
                      "%s: a file in new/ is not the message", where);
        count++;
        free(data);
        free(*name);
    }
    free(names);
    return count;
}

START_TEST(maildir_survives)
{
    const char *disk = disks[_i];
    bool crashed = true;
    for (uint64_t stop = 1; crashed; stop++)
        for (unsigned n = 0; n < CHANCES + 2; n++) {
            struct world world;
            struct choose_random chance;
            bool unused;
            char where[100];
            snprintf(where, sizeof where, "%s, crash after call %llu, outcome %u", disk,
                     (unsigned long long) stop, n);
            world_create(&world, disk, "./Maildir/\n");
            bool delivered = deliver(&world, 0, stop, outcome(n, &chance), &crashed);
            unsigned count = count_in_maildir(&world, 0, where);
            ck_assert_msg(count >= delivered && count <= 1, "%s: %u times", where, count);
            deliver(&world, 0, 0, NULL, &unused);
            ck_assert_uint_eq(count_in_maildir(&world, 0, where), count + 1);
            world_destroy(&world);
        }
}
END_TEST

/* --- several instructions --- */

START_TEST(little_is_repeated)
{
    bool crashed = true;
    for (uint64_t stop = 1; crashed; stop++)
        for (unsigned n = 0; n < CHANCES + 2; n++) {
            struct world world;
            struct choose_random chance;
            bool unused;
            unsigned counts[MESSAGES + 1];
            char where[100];
            size_t size;
            snprintf(where, sizeof where, "crash after call %llu, outcome %u",
                     (unsigned long long) stop, n);
            world_create(&world, "strict", "./Maildir/\n./Mailbox\n");
            deliver(&world, 0, stop, outcome(n, &chance), &crashed);
            deliver(&world, 0, 0, NULL, &unused);
            unsigned in_maildir = count_in_maildir(&world, 0, where);
            char *data = read_box(&world, &size);
            ck_assert_msg(count_messages(&world, data, size, counts), "%s: not whole", where);
            ck_assert_msg(in_maildir >= 1 && counts[0] >= 1 && in_maildir <= 2 && counts[0] <= 2,
                          "%s: %u and %u times", where, in_maildir, counts[0]);
            free(data);
            world_destroy(&world);
        }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("local_crash");
    TCase *mbox = tcase_create("mbox");
    tcase_set_timeout(mbox, 300);
    tcase_add_loop_test(mbox, mbox_survives_one_crash, 0, 4);
    tcase_add_test(mbox, mbox_survives_two_crashes);
    tcase_add_loop_test(mbox, mbox_of_a_user_is_left_alone, 0, ACTS);
    tcase_add_test(mbox, mbox_after_success_is_the_users);
    tcase_add_test(mbox, mbox_on_a_full_disk);
    suite_add_tcase(suite, mbox);
    TCase *maildir = tcase_create("maildir");
    tcase_set_timeout(maildir, 300);
    tcase_add_loop_test(maildir, maildir_survives, 0, 4);
    tcase_add_test(maildir, little_is_repeated);
    suite_add_tcase(suite, maildir);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
