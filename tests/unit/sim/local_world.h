/* SPDX-License-Identifier: ISC */
/* For tests of nixie-local in the simulator: a host with one user, messages to deliver to it, and
 * what is then found in the user's mbox and Maildir. */
#ifndef TESTS_UNIT_SIM_LOCAL_WORLD_H
#define TESTS_UNIT_SIM_LOCAL_WORLD_H

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

static const char old_mail[] = "From old@y.example Thu Jan  1 00:00:00 1970\n\nold\n\n";

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
    bool may_fail; /* a delivery may end otherwise than delivered */
    int status;
    char errors[2000];
};

/* --- messages --- */

static inline void add(struct message *message, const char *bytes, size_t size, const char *boxed,
                       size_t boxed_size)
{
    memcpy(message->text + message->size, bytes, size);
    message->size += size;
    memcpy(message->boxed + message->boxed_size, boxed, boxed_size);
    message->boxed_size += boxed_size;
}

static inline void make_message(struct message *message, unsigned number, size_t lines, bool ends)
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
static inline int deliver_main(int argc, char **argv, char **environment)
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

static inline void keep_errors(void *context, struct process *process, int fd, const char *data,
                               size_t size)
{
    struct world *world = context;
    size_t used = strlen(world->errors);
    (void) process;
    (void) fd;
    snprintf(world->errors + used, sizeof world->errors - used, "%.*s", (int) size, data);
}

static inline void keep_status(void *context, struct process *process, int status)
{
    struct world *world = context;
    (void) process;
    world->status = status;
}

static inline void count_call(void *context, const struct call *call)
{
    struct world *world = context;
    (void) call;
    if (++world->calls == world->stop_after)
        kernel_stop(world->kernel);
}

static inline void put(struct world *world, const char *path, const void *data, size_t size,
                       uid_t uid)
{
    ck_assert_int_eq(host_write_file(world->host, path, data, size, uid, uid, 0644), 0);
}

static inline void world_create(struct world *world, const char *disk, const char *instructions)
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

static inline void world_destroy(struct world *world)
{
    for (unsigned i = 0; i < MESSAGES; i++) {
        free(world->messages[i].text);
        free(world->messages[i].boxed);
    }
    kernel_destroy(world->kernel);
}

/* Delivers a message; with a chooser the power goes after `stop_after` calls (0: or when all is
 * done).  True if it was told delivered. */
static inline bool deliver(struct world *world, unsigned number, uint64_t stop_after,
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
    ck_assert_msg(done || *crashed || world->may_fail, "delivery ends with %d: %s", world->status,
                  world->errors);
    if (chooser) {
        host_crash(world->host, chooser);
        host_boot(world->host);
    }
    return done;
}

/* --- what is found --- */

static inline char *read_box(struct world *world, size_t *size)
{
    char *data;
    int result = host_read_file(world->host, "/home/joe/Mailbox", &data, size);
    ck_assert_msg(result == 0, "the mbox cannot be read: %d", result);
    return data;
}

/* The size of message `number` at `at`, 0 if something else is there. */
static inline size_t match(const struct message *message, const char *at, size_t rest)
{
    char from[64];
    int length = snprintf(from, sizeof from, "From %s ", message->sender);
    size_t line = (size_t) length + 25;
    if (rest < line + message->boxed_size || memcmp(at, from, (size_t) length) != 0 ||
        at[line - 1] != '\n' || memcmp(at + line, message->boxed, message->boxed_size) != 0)
        return 0;
    return line + message->boxed_size;
}

static inline bool starts(const char *at, size_t rest, const char *text)
{
    return rest >= strlen(text) && memcmp(at, text, strlen(text)) == 0;
}

/* Counts the messages of a box; false if it has anything but whole ones. */
static inline bool count_messages(struct world *world, const char *data, size_t size,
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

/* How often the message is in new/; what is there must be whole. */
static inline unsigned count_in_maildir(struct world *world, unsigned number, const char *where)
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

#endif
