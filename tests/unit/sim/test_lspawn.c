/* SPDX-License-Identifier: ISC */
/*
 * nixie-lspawn as root in the simulator: users by every way, many deliveries at once, and every
 * call and allocation failing in turn.  Each request gets exactly one report, and what may pass is
 * never reported as a failure for good.
 */
#include "tests/unit/sim/local_world.h"

#define QUEUE 64001
#define ALIAS 64002
#define REPORTS 600

struct spawn {
    struct world world; /* its messages, host and kernel */
    char *output;
    size_t output_size;
    char *reports[65536]; /* by slot: letter and text; NULL if there is none */
    unsigned report_count;
    int status;
    /* faults */
    const char *program;
    int error;
    uint64_t at, seen;
    bool kill;
    const char *name;
    size_t leaked;
    unsigned spawned;    /* programs that lspawn started */
    unsigned idle, left; /* staying processes when drip says `a`, and `b` */
};

/* --- drip: lspawn's requests one after another ----------------------------------------------- */

/* drip COUNT: starts nixie-lspawn and asks for COUNT deliveries to joe, each when the one before is
 * reported, which it passes on.  Then writes `a` to descriptor 2, and 15 s later `b`. */
static int drip_main(int argc, char **argv, char **environment)
{
    static const char request[] = "\0\0"
                                  "7\0s@y.example\0joe@x.example";
    int in[2], out[2];
    pid_t pid;
    posix_spawn_file_actions_t actions;
    char *const child[] = {TEXT("nixie-lspawn"), NULL};
    (void) argc;
    MUST(sim_pipe2(in, O_CLOEXEC) == 0 && sim_pipe2(out, O_CLOEXEC) == 0);
    MUST(sim_posix_spawn_file_actions_init(&actions) == 0);
    MUST(sim_posix_spawn_file_actions_adddup2(&actions, in[0], 0) == 0);
    MUST(sim_posix_spawn_file_actions_adddup2(&actions, out[1], 1) == 0);
    MUST(sim_posix_spawn(&pid, "/srv/bin/nixie-lspawn", &actions, NULL, child, environment) == 0);
    sim_posix_spawn_file_actions_destroy(&actions);
    MUST(sim_close(in[0]) == 0 && sim_close(out[1]) == 0);
    char block[100];
    ssize_t size = sim_read(out[0], block, 2);
    MUST(size == 2 && sim_write(1, block, 2) == 2);
    for (int i = 0; i < atoi(argv[1]); i++) {
        char bytes[sizeof request];
        memcpy(bytes, request, sizeof request);
        bytes[0] = (char) (i & 127);
        MUST(sim_write(in[1], bytes, sizeof bytes) == (ssize_t) sizeof bytes);
        size = sim_read(out[0], block, sizeof block);
        MUST(size > 3 && block[0] == (char) (i & 127));
        block[0] = (char) (i & 255); /* so that all can be told apart */
        block[1] = (char) (i >> 8);
        MUST(sim_write(1, block, (size_t) size) == size);
    }
    MUST(sim_write(2, "a", 1) == 1);
    MUST(sim_poll(NULL, 0, 15000) == 0);
    MUST(sim_write(2, "b", 1) == 1);
    MUST(sim_close(in[1]) == 0);
    int status;
    MUST(sim_waitpid(pid, &status, 0) == pid && status == 0);
    return 0;
}

static void count_staying(void *context, const struct process *process, size_t bytes,
                          unsigned descriptors)
{
    (void) bytes;
    (void) descriptors;
    *(unsigned *) context += strcmp(process_name(process), "nixie-local") == 0;
}

static void take_output(void *context, struct process *process, int fd, const char *data,
                        size_t size)
{
    struct spawn *spawn = context;
    (void) process;
    if (fd == 2 && size == 1)
        kernel_tell_processes(spawn->world.kernel, count_staying,
                              *data == 'a' ? &spawn->idle : &spawn->left);
    if (fd != 1)
        return;
    spawn->output = realloc(spawn->output, spawn->output_size + size);
    memcpy(spawn->output + spawn->output_size, data, size);
    spawn->output_size += size;
}

static void take_status(void *context, struct process *process, int status)
{
    struct spawn *spawn = context;
    (void) process;
    spawn->status = status;
}

static void note_leak(void *context, const struct process *process, size_t bytes,
                      unsigned descriptors)
{
    struct spawn *spawn = context;
    if (strcmp(process_name(process), spawn->program) == 0)
        spawn->leaked = descriptors > 3 ? SIZE_MAX : bytes;
}

static bool may_fail(enum call_id id, int error)
{
    switch (id) {
    case CALL_open:
    case CALL_pipe:
    case CALL_spawn:
        return true;
    case CALL_read:
    case CALL_stat:
    case CALL_fstat:
    case CALL_fcntl:
    case CALL_getpw:
        return error != EMFILE;
    default:
        return false;
    }
}

static int fail_call(void *context, const struct call *call)
{
    struct spawn *spawn = context;
    if (!spawn->program || strcmp(process_name(call->process), spawn->program) != 0)
        return 0;
    if (call->id == CALL_exit)
        kernel_tell_processes(spawn->world.kernel, note_leak, spawn);
    if (!spawn->at || !may_fail(call->id, spawn->error) || (call->id == CALL_read && call->fd == 0))
        return 0;
    if (++spawn->seen != spawn->at)
        return 0;
    spawn->name = call_name(call->id);
    return spawn->error;
}

static void after_call(void *context, const struct call *call)
{
    struct spawn *spawn = context;
    spawn->spawned += call->id == CALL_spawn && call->result >= 0 &&
                      strcmp(process_name(call->process), "nixie-lspawn") == 0;
    if (!spawn->kill || call->id == CALL_exit ||
        strcmp(process_name(call->process), spawn->program) != 0 || ++spawn->seen != spawn->at)
        return;
    spawn->name = call_name(call->id);
    process_signal(call->process, SIGKILL);
}

static void spawn_create(struct spawn *spawn)
{
    static const char assign[] = "=joe:joe:1000:1000:/home/joe:::\n"
                                 "+joe-:joe:1000:1000:/home/joe:-::\n"
                                 "=boss:boss:0:0:/root:::\n.\n";
    static const char *const own[] = {"/srv/queue/mess", "/srv/alias"};
    memset(spawn, 0, sizeof *spawn);
    world_create(&spawn->world, "strict", "./Maildir/\n");
    struct host *host = spawn->world.host;
    for (unsigned i = 0; i < 2; i++)
        ck_assert_int_eq(host_make_directory(host, own[i], QUEUE + i, QUEUE + i, i ? 0755 : 0750),
                         0);
    ck_assert_int_eq(host_make_directory(host, "/srv/bin", 0, 0, 0755), 0);
    ck_assert_int_eq(host_make_directory(host, "/home/ann", 1001, 1001, 0755), 0);
    static const char *const binaries[] = {"nixie-local", "nixie-become", "nixie-lspawn", "drip"};
    kernel_register_program(spawn->world.kernel, "drip", drip_main);
    for (unsigned i = 0; i < 4; i++) {
        char path[100], text[100];
        snprintf(path, sizeof path, "/srv/bin/%s", binaries[i]);
        int length = snprintf(text, sizeof text, "#!nixie %s\n", binaries[i]);
        ck_assert_int_eq(host_write_file(host, path, text, (size_t) length, 0, 0, 0755), 0);
    }
    put(&spawn->world, "/srv/users/assign", assign, sizeof assign - 1, 0);
    ck_assert_int_eq(
        host_write_file(host, "/srv/queue/mess/7", "Subject: x\n\nbody\n", 17, QUEUE, QUEUE, 0640),
        0);
    host_add_user(host, "alias", ALIAS, ALIAS, "/srv/alias");
    host_add_user(host, "ann", 1001, 1001, "/home/ann");
    host_add_user(host, "stolen", 1002, 1002, "/home/ann"); /* not the owner */
    put(&spawn->world, "/home/ann/.qmail-list", "./list\n", 7, 1001);
    put(&spawn->world, "/srv/alias/.qmail-root", "./root\n", 7, ALIAS);
    vfs_settle(host_vfs(host));
    struct kernel_watch watch = {.before = fail_call, .after = after_call, .context = spawn};
    kernel_watch(spawn->world.kernel, &watch);
}

static void spawn_destroy(struct spawn *spawn)
{
    for (unsigned i = 0; i < 65536; i++)
        free(spawn->reports[i]);
    free(spawn->output);
    world_destroy(&spawn->world);
}

struct input {
    char bytes[40000];
    size_t size;
};

static void add_request(struct input *input, unsigned slot, const char *recipient)
{
    char head[] = {(char) (slot & 255), (char) (slot >> 8), '7', 0};
    size_t size = strlen(recipient) + 1;
    memcpy(input->bytes + input->size, head, 4);
    memcpy(input->bytes + input->size + 4, "s@y.example", 12);
    memcpy(input->bytes + input->size + 16, recipient, size);
    input->size += 16 + size;
    ck_assert_uint_lt(input->size, sizeof input->bytes - 100);
}

/* Takes the output apart: the limit, then reports. */
static void read_reports(struct spawn *spawn)
{
    const char *at = spawn->output + 2, *end = spawn->output + spawn->output_size;
    ck_assert(spawn->output_size >= 2 && memcmp(spawn->output, "\xf4\x01", 2) == 0);
    while (at < end) {
        ck_assert_int_ge(end - at, 4);
        unsigned slot = (unsigned char) at[0] + 256u * (unsigned char) at[1];
        const char *text = at + 2;
        const char *nul = memchr(text, 0, (size_t) (end - text));
        ck_assert_ptr_nonnull(nul);
        ck_assert(*text == 'K' || *text == 'Z' || *text == 'D');
        ck_assert_msg(!spawn->reports[slot], "slot %u reports twice", slot);
        spawn->reports[slot] = strdup(text);
        spawn->report_count++;
        at = nul + 1;
    }
}

/* Runs a program of /srv/bin with that input until it has ended; its exit code. */
static int program_run(struct spawn *spawn, const char *const *argv, const char *input, size_t size)
{
    char path[64];
    const char *environment[] = {"NIXIE_HOME=/srv", "PATH=/bin", NULL};
    struct process_spec spec = {.path = path,
                                .argv = argv,
                                .environment = environment,
                                .input = input,
                                .input_size = size,
                                .output = take_output,
                                .ended = take_status,
                                .context = spawn};
    int error = 0;
    snprintf(path, sizeof path, "/srv/bin/%s", argv[0]);
    ck_assert_ptr_nonnull(process_start(spawn->world.host, &spec, &error));
    ck_assert_int_eq(kernel_run(spawn->world.kernel, INT64_MAX), KERNEL_IDLE);
    ck_assert_msg(WIFEXITED(spawn->status), "status %d", spawn->status);
    if (WEXITSTATUS(spawn->status) == 0)
        read_reports(spawn);
    return WEXITSTATUS(spawn->status);
}

/* Runs lspawn with these requests until it has ended; its exit code. */
static int spawn_run(struct spawn *spawn, struct input *input)
{
    static const char *const argv[] = {"nixie-lspawn", NULL};
    return program_run(spawn, argv, input->bytes, input->size);
}

START_TEST(every_kind_of_user)
{
    static const struct {
        const char *recipient, *report, *file;
        uid_t owner;
    } rows[] = {
        {"joe@x.example", "Kdid 1+0+0\n", "/home/joe/Maildir/new", 1000},
        {"JOE@x.example", "Kdid 1+0+0\n", NULL, 0},
        {"joe-x@x.example", "DSorry, no mailbox here by that name. (#5.1.1)\n", NULL, 0},
        {"ann-list@x.example", "Kdid 1+0+0\n", "/home/ann/list", 1001},
        {"Ann@x.example", "ZUnable to chdir to maildir. (#4.2.1)\n", NULL, 0},
        {"ann-no@x.example", "DSorry, no mailbox here by that name. (#5.1.1)\n", NULL, 0},
        {"stolen@x.example", "DSorry, no mailbox here by that name. (#5.1.1)\n", NULL, 0},
        {"root@x.example", "Kdid 1+0+0\n", "/srv/alias/root", ALIAS},
        {"boss@x.example", "ZNot allowed to perform deliveries as root. (#4.3.5)\n", NULL, 0},
        {"@x.example", "DSorry, no mailbox here by that name. (#5.1.1)\n", NULL, 0},
        {"a@b@x.example", "DSorry, no mailbox here by that name. (#5.1.1)\n", NULL, 0},
        {"-joe@x.example", "DSorry, no mailbox here by that name. (#5.1.1)\n", NULL, 0},
        {"joe", "DSorry, address must include host name. (#5.1.3)\n", NULL, 0},
        {"", "DSorry, address must include host name. (#5.1.3)\n", NULL, 0},
    };
    unsigned count = sizeof rows / sizeof *rows;
    static struct spawn spawn;
    struct input input = {.size = 0};
    spawn_create(&spawn);
    for (unsigned i = 0; i < count; i++)
        add_request(&input, i, rows[i].recipient);
    ck_assert_int_eq(spawn_run(&spawn, &input), 0);
    ck_assert_uint_eq(spawn.report_count, count);
    for (unsigned i = 0; i < count; i++) {
        ck_assert_ptr_nonnull(spawn.reports[i]);
        ck_assert_msg(strcmp(spawn.reports[i], rows[i].report) == 0, "%s: %s", rows[i].recipient,
                      spawn.reports[i]);
        if (!rows[i].file)
            continue;
        struct inode *inode;
        struct stat st;
        static const struct cred root = {0};
        struct vfs *vfs = host_vfs(spawn.world.host);
        ck_assert_int_eq(vfs_lookup(vfs, &root, vfs_root(vfs), rows[i].file, true, &inode), 0);
        vfs_stat(inode, &st);
        inode_unref(inode);
        ck_assert_uint_eq(st.st_uid, rows[i].owner);
    }
    spawn_destroy(&spawn);
}
END_TEST

START_TEST(as_many_as_it_takes)
{
    static struct spawn spawn;
    struct input input = {.size = 0};
    spawn_create(&spawn);
    for (unsigned i = 0; i < 500; i++)
        add_request(&input, i, "joe@x.example");
    ck_assert_int_eq(spawn_run(&spawn, &input), 0);
    ck_assert_uint_eq(spawn.report_count, 500);
    for (unsigned i = 0; i < 500; i++)
        ck_assert_str_eq(spawn.reports[i], "Kdid 1+0+0\n");
    char **names;
    unsigned count = 0;
    ck_assert_int_eq(host_list_directory(spawn.world.host, "/home/joe/Maildir/new", &names), 0);
    for (char **name = names; *name; name++, count++)
        free(*name);
    free(names);
    ck_assert_uint_eq(count, 500);
    spawn_destroy(&spawn);
}
END_TEST

static unsigned count_files(struct spawn *spawn, const char *directory, uid_t owner)
{
    char **names;
    unsigned count = 0;
    ck_assert_int_eq(host_list_directory(spawn->world.host, directory, &names), 0);
    for (char **name = names; *name; name++, count++) {
        char path[400];
        struct inode *inode;
        struct stat st;
        static const struct cred root = {0};
        struct vfs *vfs = host_vfs(spawn->world.host);
        snprintf(path, sizeof path, "%s/%s", directory, *name);
        ck_assert_int_eq(vfs_lookup(vfs, &root, vfs_root(vfs), path, true, &inode), 0);
        vfs_stat(inode, &st);
        inode_unref(inode);
        ck_assert_uint_eq(st.st_uid, owner);
        ck_assert_uint_eq(st.st_mode & 07777, 0600);
        free(*name);
    }
    free(names);
    return count;
}

/* One process a user serves message after message, for a bounded number of them, and ends when it
 * has nothing to do. */
START_TEST(nothing_is_started_for_a_message)
{
    static struct spawn spawn;
    static const char *const argv[] = {"drip", "1200", NULL};
    spawn_create(&spawn);
    ck_assert_int_eq(program_run(&spawn, argv, "", 0), 0);
    ck_assert_uint_eq(spawn.report_count, 1200);
    for (unsigned i = 0; i < 1200; i++)
        ck_assert_str_eq(spawn.reports[i], "Kdid 1+0+0\n");
    ck_assert_uint_eq(count_files(&spawn, "/home/joe/Maildir/new", 1000), 1200);
    ck_assert_uint_eq(spawn.spawned, 3); /* each for 500 */
    ck_assert_uint_eq(spawn.idle, 1);
    ck_assert_uint_eq(spawn.left, 0);
    spawn_destroy(&spawn);
}
END_TEST

/* Deliveries to users in turn: nobody's process serves anybody else. */
START_TEST(each_user_has_workers_of_his_own)
{
    static struct spawn spawn;
    struct input input = {.size = 0};
    spawn_create(&spawn);
    for (unsigned i = 0; i < 3; i++) {
        char path[100];
        static const char *const parts[] = {"tmp", "new", "cur"};
        snprintf(path, sizeof path, "/home/ann/Maildir/%s", parts[i]);
        ck_assert_int_eq(host_make_directory(spawn.world.host, path, 1001, 1001, 0700), 0);
    }
    static const char two[] = "# two\n./Maildir/\n./Maildir/\n";
    put(&spawn.world, "/home/ann/.qmail", two, sizeof two - 1, 1001);
    for (unsigned i = 0; i < 60; i++)
        add_request(&input, i,
                    i % 3 == 0   ? "joe@x.example"
                    : i % 3 == 1 ? "ann@x.example"
                                 : "ann-list@x.example");
    ck_assert_int_eq(spawn_run(&spawn, &input), 0);
    ck_assert_uint_eq(spawn.report_count, 60);
    for (unsigned i = 0; i < 60; i++)
        ck_assert_str_eq(spawn.reports[i], i % 3 == 1 ? "Kdid 2+0+0\n" : "Kdid 1+0+0\n");
    ck_assert_uint_eq(count_files(&spawn, "/home/joe/Maildir/new", 1000), 20);
    ck_assert_uint_eq(count_files(&spawn, "/home/ann/Maildir/new", 1001), 40);
    spawn_destroy(&spawn);
}
END_TEST

struct trouble {
    const char *program;
    int error;   /* of a call; 0: none */
    bool memory; /* an allocation */
    bool kill;   /* it is killed after the call */
};

/* Six deliveries while one call or allocation fails, or a program is killed. */
static bool run_with_fault(const struct trouble *trouble, uint64_t at)
{
    static const char *const recipients[] = {"joe@x.example",  "ann-list@x.example",
                                             "root@x.example", "joe@x.example",
                                             "JOE@x.example",  "joe@x.example"};
    static struct spawn spawn;
    struct input input = {.size = 0};
    spawn_create(&spawn);
    spawn.program = trouble->program;
    spawn.error = trouble->error;
    spawn.kill = trouble->kill;
    spawn.at = trouble->memory ? 0 : at;
    if (trouble->memory)
        kernel_fail_allocation(spawn.world.kernel, trouble->program, at);
    for (unsigned i = 0; i < 6; i++)
        add_request(&input, i, recipients[i]);
    int code = spawn_run(&spawn, &input);
    const char *name = spawn.name ? spawn.name : "memory";
    unsigned fine = 0, crashed = 0;
    ck_assert_msg(code == 0 || code == 111, "%s, call %d (%s): exit %d", trouble->program, (int) at,
                  name, code);
    ck_assert_msg(spawn.leaked == 0 || trouble->kill, "%s, call %d (%s): %zu bytes leaked",
                  trouble->program, (int) at, name, spawn.leaked);
    if (code == 0) {
        ck_assert_msg(spawn.report_count == 6, "%s, call %d (%s): %u reports", trouble->program,
                      (int) at, name, spawn.report_count);
        for (unsigned i = 0; i < 6; i++) {
            ck_assert_msg(spawn.reports[i][0] != 'D', "%s, call %d (%s): %s", trouble->program,
                          (int) at, name, spawn.reports[i]);
            fine += spawn.reports[i][0] == 'K';
            crashed += strcmp(spawn.reports[i], "Znixie-local crashed.\n") == 0;
        }
        ck_assert_msg(!trouble->kill || fine + crashed == 6, "killed at %d (%s): %u fine", (int) at,
                      name, fine);
        ck_assert_uint_le(crashed, 1);
    }
    bool over = trouble->memory ? fine == 6 : spawn.seen < at;
    spawn_destroy(&spawn);
    return !over;
}

START_TEST(calls_fail)
{
    static const int errors[] = {EIO, EMFILE, ENOMEM, ETXTBSY};
    static const char *const hosts[] = {"nixie-lspawn", "nixie-become"};
    for (unsigned k = 0; k < 2; k++) {
        struct trouble trouble = {.program = hosts[k], .error = errors[_i]};
        for (uint64_t at = 1; run_with_fault(&trouble, at); at++)
            ck_assert_uint_lt(at, 1000);
    }
}
END_TEST

START_TEST(no_memory)
{
    static const char *const hosts[] = {"nixie-lspawn", "nixie-local"};
    struct trouble trouble = {.program = hosts[_i], .memory = true};
    for (uint64_t at = 1; run_with_fault(&trouble, at); at++)
        ck_assert_uint_lt(at, 1000);
}
END_TEST

START_TEST(killed)
{
    static const char *const hosts[] = {"nixie-become", "nixie-local"};
    struct trouble trouble = {.program = hosts[_i], .kill = true};
    for (uint64_t at = 1; run_with_fault(&trouble, at); at++)
        ck_assert_uint_lt(at, 1000);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("lspawn");
    TCase *tests = tcase_create("lspawn");
    tcase_set_timeout(tests, 300);
    tcase_add_test(tests, every_kind_of_user);
    tcase_add_test(tests, as_many_as_it_takes);
    tcase_add_loop_test(tests, calls_fail, 0, 4);
    tcase_add_test(tests, nothing_is_started_for_a_message);
    tcase_add_test(tests, each_user_has_workers_of_his_own);
    tcase_add_loop_test(tests, no_memory, 0, 2);
    tcase_add_loop_test(tests, killed, 0, 2);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
