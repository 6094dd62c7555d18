/* SPDX-License-Identifier: ISC */
/* What the comparison with a real file system (test_vfs_real.c) cannot see. */
#include "tests/unit/sim/states.h"

#include <dirent.h>
#include <errno.h>

static struct machine machine;
static struct vfs *vfs;
static struct inode *root;
static const struct cred *cred = &states_root;

static void start(const struct disk_model *model)
{
    machine_start(&machine, model);
    vfs = machine.vfs;
    root = vfs_root(vfs);
}

static void start_small(uint64_t bytes, uint64_t inodes)
{
    struct vfs_options options = {
        .model = &disk_honest, .capacity_bytes = bytes, .capacity_inodes = inodes, .seed = 1};
    vfs = vfs_create(&options);
    root = vfs_root(vfs);
    machine = (struct machine){.vfs = vfs};
}

static struct inode *create(const char *path)
{
    struct inode *inode;
    int error = vfs_open(vfs, cred, root, path, O_RDWR | O_CREAT, 0644, &inode);
    ck_assert_int_eq(error, 0);
    return inode;
}

static ino_t number_of(const char *path)
{
    struct inode *inode = machine_find(&machine, path);
    ck_assert_ptr_ne(inode, NULL);
    ino_t number = inode_number(inode);
    inode_unref(inode);
    return number;
}

static uint64_t free_bytes(void)
{
    uint64_t total, bytes, inodes;
    vfs_space(vfs, &total, &bytes, &inodes);
    return bytes;
}

/* --- space ------------------------------------------------------------------------------------*/

static char block[10000];

START_TEST(a_full_disk_cuts_writes_short)
{
    start_small(3 * 4096, 0);
    struct inode *a = create("a"), *b = create("b");
    ck_assert_int_eq(inode_write(a, block, 100, 0), 100);
    ck_assert_uint_eq(free_bytes(), 2 * 4096);
    ck_assert_int_eq(inode_write(b, block, 4097, 0), 4097);
    ck_assert_uint_eq(free_bytes(), 0);
    /* what is left of the last block is still there */
    ck_assert_int_eq(inode_write(a, block, 5000, 100), 3996);
    ck_assert_int_eq(inode_write(a, block, 1, 4096), -ENOSPC);
    ck_assert_int_eq(inode_write(a, "x", 1, 7), 1);
    ck_assert_int_eq(inode_truncate(b, 4096), 0);
    ck_assert_int_eq(inode_write(a, block, 9000, 4096), 4096);
    inode_unref(a);
    inode_unref(b);
    vfs_destroy(vfs);
}
END_TEST

START_TEST(space_comes_back_with_the_last_reference)
{
    start_small(2 * 4096, 4);
    struct inode *a = create("a");
    ck_assert_int_eq(inode_write(a, block, 8192, 0), 8192);
    ck_assert_int_eq(vfs_link(vfs, cred, root, "a", "b"), 0);
    ck_assert_int_eq(vfs_unlink(vfs, cred, root, "a"), 0);
    ck_assert_uint_eq(free_bytes(), 0);
    ck_assert_int_eq(vfs_unlink(vfs, cred, root, "b"), 0);
    ck_assert_uint_eq(free_bytes(), 0);
    ck_assert_int_eq(inode_read(a, block, 10, 0), 10);
    inode_unref(a);
    ck_assert_uint_eq(free_bytes(), 2 * 4096);
    vfs_destroy(vfs);
}
END_TEST

START_TEST(inodes_run_out)
{
    start_small(0, 3); /* the root is one */
    struct inode *inode;
    inode_unref(create("a"));
    ck_assert_int_eq(vfs_mkdir(vfs, cred, root, "d", 0755), 0);
    ck_assert_int_eq(vfs_open(vfs, cred, root, "b", O_CREAT | O_WRONLY, 0600, &inode), -ENOSPC);
    ck_assert_int_eq(vfs_symlink(vfs, cred, root, "x", "l"), -ENOSPC);
    ck_assert_int_eq(vfs_link(vfs, cred, root, "a", "b"), 0);
    ck_assert_int_eq(vfs_rmdir(vfs, cred, root, "d"), 0);
    inode_unref(create("c"));
    vfs_destroy(vfs);
}
END_TEST

START_TEST(free_space_can_be_set)
{
    start_small(0, 0);
    struct inode *a = create("a");
    ck_assert_int_eq(inode_write(a, block, 9000, 0), 9000);
    vfs_set_free_space(vfs, 4096 + 10);
    ck_assert_uint_eq(free_bytes(), 4096);
    ck_assert_int_eq(inode_write(a, block, 10000, 9000), 3 * 4096 + 4096 - 9000);
    ck_assert_int_eq(inode_write(a, block, 1, 4 * 4096), -ENOSPC);
    vfs_set_free_space(vfs, UINT64_MAX);
    ck_assert_int_eq(inode_write(a, block, 1, 4 * 4096), 1);
    inode_unref(a);
    vfs_destroy(vfs);
}
END_TEST

START_TEST(a_hole_at_the_end_takes_no_space)
{
    start_small(4096, 0);
    struct inode *a = create("a");
    struct stat stat;
    ck_assert_int_eq(inode_truncate(a, 1u << 30), 0);
    ck_assert_uint_eq(inode_size(a), 1u << 30);
    memset(block, 'x', sizeof block);
    ck_assert_int_eq(inode_read(a, block, 5000, 77), 5000);
    for (int i = 0; i < 5000; i++)
        ck_assert_int_eq(block[i], 0);
    ck_assert_int_eq(inode_write(a, "y", 1, 3), 1);
    ck_assert_int_eq(inode_read(a, block, 5, 0), 5);
    ck_assert_mem_eq(block, "\0\0\0y\0", 5);
    vfs_stat(a, &stat);
    ck_assert_int_eq(stat.st_blocks, 8);
    ck_assert_int_eq(inode_write(a, "y", 1, 1ull << 41), -EFBIG);
    ck_assert_int_eq(inode_truncate(a, 1ull << 41), -EFBIG);
    inode_unref(a);
    vfs_destroy(vfs);
}
END_TEST

START_TEST(too_many_links)
{
    start(&disk_honest);
    inode_unref(create("a"));
    char name[20];
    int result = 0, made = 1;
    for (; result == 0 && made < 70000; made++) {
        sprintf(name, "l%d", made);
        result = vfs_link(vfs, cred, root, "a", name);
    }
    ck_assert_int_eq(result, -EMLINK);
    ck_assert_int_eq(made - 1, 65000);
    vfs_destroy(vfs);
}
END_TEST

/* --- inodes -----------------------------------------------------------------------------------*/

START_TEST(numbers_are_the_lowest_free_ones)
{
    start(&disk_honest);
    machine_run(&machine, "new a; new b; new c; new d", true);
    ino_t a = number_of("a"), b = number_of("b"), c = number_of("c");
    machine_run(&machine, "rm b; rm a; new e; new f; new g", true);
    ck_assert_uint_eq(number_of("e"), a);
    ck_assert_uint_eq(number_of("f"), b);
    ck_assert_uint_gt(number_of("g"), c);
    /* not while it is open */
    machine_run(&machine, "hold c; rm c; new h", true);
    ck_assert_uint_gt(number_of("h"), c);
    machine_run(&machine, "drop; new i", true);
    ck_assert_uint_eq(number_of("i"), c);
    vfs_destroy(vfs);
}
END_TEST

START_TEST(numbers_outlive_a_crash)
{
    start(&disk_strict);
    machine_run(&machine,
                "mkdir x; new a; new b; new c; sync; rm a; new d; fsync d; mv d x/d; fsync x",
                true);
    ino_t b = number_of("b"), c = number_of("c"), d = number_of("x/d");
    machine_crash(&machine, &choose_none); /* a comes back, and d has its number */
    ck_assert_uint_eq(number_of("b"), b);
    ck_assert_uint_eq(number_of("c"), c);
    ck_assert_uint_eq(number_of("x/d"), d);
    ck_assert_uint_ne(number_of("a"), d);
    machine_run(&machine, "new e", true);
    ck_assert_uint_ne(number_of("e"), number_of("a"));
    vfs_destroy(vfs);
}
END_TEST

START_TEST(times)
{
    start(&disk_honest);
    struct stat before, after;
    struct inode *a = create("a");
    vfs_stat(a, &before);
    machine.now_ns += 5;
    inode_read(a, block, 10, 0);
    vfs_stat(a, &after);
    ck_assert_mem_eq(&before, &after, sizeof before); /* reading changes nothing */
    ck_assert_int_eq(inode_write(a, "x", 1, 0), 1);
    vfs_stat(a, &after);
    ck_assert_int_eq(after.st_mtim.tv_nsec, 5);
    ck_assert_int_eq(after.st_ctim.tv_nsec, 5);
    ck_assert_int_eq(after.st_atim.tv_nsec, 0);
    machine.now_ns += 5;
    ck_assert_int_eq(vfs_link(vfs, cred, root, "a", "b"), 0);
    vfs_stat(a, &after);
    ck_assert_int_eq(after.st_mtim.tv_nsec, 5);
    ck_assert_int_eq(after.st_ctim.tv_nsec, 10);
    vfs_stat(root, &after);
    ck_assert_int_eq(after.st_mtim.tv_nsec, 10);
    inode_unref(a);
    vfs_destroy(vfs);
}
END_TEST

/* --- directories ------------------------------------------------------------------------------*/

#define MANY 3000

/* Reads all names while others come and go; those that stay are told once each. */
static void read_while_changing(void)
{
    static unsigned told[MANY];
    struct vfs_cursor cursor = {0};
    struct vfs_entry entry;
    char name[30];
    unsigned dots = 0, count = 0;
    memset(told, 0, sizeof told);
    while (vfs_readdir(root, &cursor, &entry) == 1) {
        if (entry.name[0] == 's')
            told[atoi(entry.name + 1)]++;
        dots += entry.name[0] == '.';
        sprintf(name, "new%u", count);
        inode_unref(create(name));
        sprintf(name, "gone%u", count++ % MANY);
        vfs_unlink(vfs, cred, root, name);
        ck_assert_uint_lt(count, 4 * MANY);
    }
    vfs_cursor_close(&cursor);
    ck_assert_uint_eq(dots, 2);
    for (unsigned i = 0; i < MANY; i++)
        ck_assert_uint_eq(told[i], 1);
}

START_TEST(names_that_stay_are_told_once)
{
    start(&disk_strict);
    char name[30];
    for (unsigned i = 0; i < MANY; i++) {
        sprintf(name, "s%u", i);
        inode_unref(create(name));
        sprintf(name, "gone%u", i);
        inode_unref(create(name));
    }
    read_while_changing();
    vfs_settle(vfs);
    read_while_changing();
    vfs_destroy(vfs);
}
END_TEST

static void first_names(uint64_t seed, char *to)
{
    struct vfs_options options = {.model = &disk_honest, .seed = seed};
    vfs = vfs_create(&options);
    root = vfs_root(vfs);
    char name[3] = "a";
    for (; name[0] <= 'z'; name[0]++)
        inode_unref(create(name));
    struct vfs_cursor cursor = {0};
    struct vfs_entry entry;
    *to = '\0';
    while (vfs_readdir(root, &cursor, &entry) == 1)
        strcat(to, entry.name);
    vfs_cursor_close(&cursor);
    vfs_destroy(vfs);
}

START_TEST(the_seed_orders_directories)
{
    char one[100], same[100], other[100];
    first_names(1, one);
    first_names(1, same);
    first_names(2, other);
    ck_assert_str_eq(one, same);
    ck_assert_str_ne(one, other);
    ck_assert_uint_eq(strlen(one), strlen(other));
}
END_TEST

START_TEST(removed_directories)
{
    start(&disk_strict);
    machine_run(&machine, "mkdir a; mkdir a/b", true);
    struct inode *b = machine_find(&machine, "a/b"), *found;
    struct vfs_cursor cursor = {0};
    struct vfs_entry entry;
    ck_assert_int_eq(vfs_readdir(b, &cursor, &entry), 1);
    machine_run(&machine, "rmdir a/b; rmdir a", true);
    ck_assert_int_eq(vfs_readdir(b, &cursor, &entry), -ENOENT);
    vfs_cursor_close(&cursor);
    ck_assert_int_eq(vfs_path_of_directory(b, block, sizeof block), -ENOENT);
    ck_assert_int_eq(vfs_open(vfs, cred, b, "x", O_CREAT | O_WRONLY, 0600, &found), -ENOENT);
    ck_assert_int_eq(vfs_mkdir(vfs, cred, b, "x", 0755), -ENOENT);
    ck_assert_int_eq(vfs_lookup(vfs, cred, b, "../..", true, &found), 0);
    ck_assert_ptr_eq(found, root);
    inode_unref(found);
    struct stat stat;
    vfs_stat(b, &stat);
    ck_assert_uint_eq(stat.st_nlink, 0);
    inode_unref(b);
    vfs_destroy(vfs);
}
END_TEST

START_TEST(paths_of_directories)
{
    start(&disk_honest);
    machine_run(&machine, "mkdir a; mkdir a/b", true);
    struct inode *b = machine_find(&machine, "a/b");
    ck_assert_int_eq(vfs_path_of_directory(root, block, sizeof block), 0);
    ck_assert_str_eq(block, "/");
    ck_assert_int_eq(vfs_path_of_directory(b, block, 5), 0);
    ck_assert_str_eq(block, "/a/b");
    ck_assert_int_eq(vfs_path_of_directory(b, block, 4), -ERANGE);
    machine_run(&machine, "mv a c", true);
    ck_assert_int_eq(vfs_path_of_directory(b, block, sizeof block), 0);
    ck_assert_str_eq(block, "/c/b");
    inode_unref(b);
    vfs_destroy(vfs);
}
END_TEST

/* --- what is told -----------------------------------------------------------------------------*/

static char told[3000];

static void tell_pending(void *context, const char *what)
{
    (void) context;
    strcat(strcat(told, what), "|");
}

static void check_pending(const char *wanted)
{
    told[0] = '\0';
    vfs_describe_pending(vfs, tell_pending, NULL);
    ck_assert_str_eq(told, wanted);
}

START_TEST(pending_changes_in_words)
{
    start(&disk_strict);
    machine_run(
        &machine,
        "mkdir queue; mkdir queue/mess; settle; put queue/mess/1 hello; over queue/mess/1 1 a;"
        "chmod queue/mess/1 600; link queue/mess/1 x; cut x 2; mv x y; put z z; mv z y",
        true);
    check_pending(
        "queue/mess/1: inode new|queue/mess/1: entry added|queue/mess/1: write of 5 bytes at "
        "0|queue/mess/1: "
        "write of 1 bytes at 1|"
        "queue/mess/1: mode or owner changed|x: entry added|queue/mess/1: size set to "
        "2|y: entry added|"
        "x: entry removed|y: inode new|z: entry added|y: write of 1 bytes at 0|y: entry replaced|"
        "z: entry removed|");
    ck_assert_uint_eq(vfs_pending_count(vfs), 14);
    vfs_settle(vfs);
    check_pending("");
    ck_assert_uint_eq(vfs_pending_count(vfs), 0);
    vfs_destroy(vfs);
}
END_TEST

START_TEST(old_changes_are_not_pending_on_ext4)
{
    start(&disk_ext4);
    machine_run(&machine, "new a; cut a 3; wait 3; new b", true);
    check_pending("a: entry added|a: size set to 3|b: entry added|");
    machine_run(&machine, "wait 2", true);
    ck_assert_uint_eq(vfs_pending_count(vfs), 1);
    machine_run(&machine, "cut a 0; wait 5", true);
    check_pending("");
    vfs_destroy(vfs);
}
END_TEST

static void tell_change(void *context, enum vfs_change change, const char *path,
                        const char *old_path)
{
    static const char *const names[] = {"create", "link",      "unlink", "rename",
                                        "write",  "attribute", "durable"};
    (void) context;
    sprintf(told + strlen(told), "%s %s%s%s|", names[change], path, old_path ? " from " : "",
            old_path ? old_path : "");
}

START_TEST(an_observer_hears_of_changes)
{
    start(&disk_strict);
    told[0] = '\0';
    vfs_observe(vfs, tell_change, NULL);
    machine_run(&machine,
                "mkdir d; put d/a x; link d/a b; mv b c; chmod c 600; rm c; fsync d/a; fsync d/a;"
                "fsync d; sync; sync; cut d/a 0; hold d/a; rm d/a; rmdir d",
                true);
    ck_assert_str_eq(told,
                     "create d|create d/a|write d/a|link b from d/a|rename c from b|"
                     "attribute c|attribute d/a|unlink c|durable d/a|durable d|durable |write d/a|"
                     "unlink d/a|unlink d|");
    told[0] = '\0';
    inode_write(machine.held, "x", 1, 0);
    ck_assert_str_eq(told, "write |");
    machine_run(&machine, "drop", true);
    vfs_destroy(vfs);
}
END_TEST

/* --- pending changes do not grow for ever -----------------------------------------------------*/

START_TEST(what_is_never_synced_stays_small)
{
    start(&disk_strict);
    machine_run(&machine, "new log; put mark 0; put t 0; mv t table; settle", true);
    for (int i = 0; i < 1000; i++)
        machine_run(&machine, "put log line; over mark 0 1; put t 0; mv t table", true);
    ck_assert_uint_lt(vfs_pending_count(vfs), 100);
    uint64_t seen = vfs_hash(vfs);
    machine_crash(&machine, &choose_all);
    ck_assert_uint_eq(vfs_hash(vfs), seen);
    vfs_destroy(vfs);
    /* and a sync under way is not fooled by it */
    start(&disk_strict);
    machine_run(&machine, "new log; settle", true);
    for (int i = 0; i < 20; i++)
        machine_run(&machine, "put log x", true);
    machine_run(&machine, "begin log; put log y; put log y; end", true);
    machine_crash(&machine, &choose_none);
    char text[STATES_TEXT];
    tell_tree(vfs, text);
    ck_assert_str_eq(text, "log=x*20");
    vfs_destroy(vfs);
}
END_TEST

/* --- the hash ---------------------------------------------------------------------------------*/

static uint64_t hash_of(const struct disk_model *model, const char *program)
{
    start(model);
    machine_run(&machine, program, true);
    uint64_t hash = vfs_hash(vfs);
    ck_assert_uint_eq(vfs_hash(vfs), hash);
    vfs_destroy(vfs);
    return hash;
}

START_TEST(the_hash_is_of_what_is_seen)
{
    static const char *const base = "mkdir d; put d/a x; link d/a b; put c x";
    uint64_t hash = hash_of(&disk_strict, base);
    /* the same tree by other ways */
    static const char *const same[] = {
        "put c x; put b x; mkdir d; link b d/a",
        "wait 9; new z; mkdir d; put b y; over b 0 x; link b d/a; put c x; rm z",
        "mkdir d; put d/a x; link d/a b; put c x; sync; hold c; rm c; put c x; drop",
    };
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        ck_assert_uint_eq(hash_of(&disk_honest, same[i]), hash);
    static const char *const others[] = {
        "mkdir d; put d/a x; link d/a c; put b x",          /* other names share */
        "mkdir d; put d/a x; put b x; put c x",             /* none share */
        "mkdir d; put d/a x; link d/a b; link b c",         /* all share */
        "mkdir d; put d/a x; link d/a b; put c y",          /* content */
        "mkdir d; put d/a x; link d/a b; put c x; cut c 2", /* a zero more */
        "mkdir d; put d/a x; link d/a b; put c x; chmod c 600",
        "mkdir d; put d/a x; link d/a b; put c x; chmod . 700",
        "mkdir d; put d/a x; link d/a b; put e x",
        "mkdir d; mkdir d/d; put d/a x; link d/a b; put c x",
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        ck_assert_msg(hash_of(&disk_honest, others[i]) != hash, "%s", others[i]);
}
END_TEST

/* --- power loss -------------------------------------------------------------------------------*/

START_TEST(a_crash_leaves_a_working_file_system)
{
    struct random random;
    random_seed(&random, 1, 1);
    for (uint64_t seed = 0; seed < 300; seed++) {
        start(disk_models[seed % 6]);
        machine_run(
            &machine,
            "mkdir d; mkdir d/e; put a 12345; put d/b 1; settle; mv a d/e/a; link d/b b;"
            "rewrite b xyz; rm d/b; mv d f; put f/e/c 1; over f/e/a 1 99; rm f/e/c; begin *;"
            "mkdir d; put d/b 1; fsync d",
            true);
        struct choose_random chance;
        choose_random_start(&chance, seed, 1);
        machine_crash(&machine, &chance.chooser);
        ck_assert_uint_eq(vfs_pending_count(vfs), 0);
        uint64_t found = vfs_hash(vfs);
        machine_run(&machine, "mkdir g; put g/a 1; put g/b 2; mv g/a g/b; rm g/b; rmdir g", true);
        ck_assert_uint_eq(vfs_hash(vfs), found);
        machine_run(&machine, "rm a; rm b; rm d/b; rm d/e/a; rm d/e/c; rm f/b; rm f/e/a; rm f/e/c",
                    false);
        machine_run(&machine, "rmdir d/e; rmdir d; rmdir f/e; rmdir f", false);
        char text[STATES_TEXT];
        tell_tree(vfs, text);
        ck_assert_str_eq(text, "");
        uint64_t total, bytes, inodes;
        vfs_space(vfs, &total, &bytes, &inodes);
        ck_assert_uint_eq(total, bytes);
        ck_assert_uint_eq(inodes, (1u << 30) - 1);
        machine_crash(&machine, &choose_all);
        vfs_destroy(vfs);
    }
}
END_TEST

/* Steps that leave changes of every kind pending, open files and a sync under way. */
#define MUCH                                                                                       \
    "mkdir d; put a 12345; put d/b 1; settle; over a 1 zz; link d/b b; rewrite b xyz; rm d/b;"     \
    "mkdir e; mv a e/a; chmod e/a 600; put c 1; hold c; rm c; begin e; put f 1; cut f 7; mv d e/d"

START_TEST(a_clone_crashes_as_the_original_would)
{
    for (size_t model = 0; disk_models[model]; model++)
        for (uint64_t seed = 0; seed < 100; seed++) {
            start(disk_models[model]);
            machine_run(&machine, MUCH, true);
            uint64_t seen = vfs_hash(vfs);
            struct choose_random chance;
            struct vfs *clone = vfs_clone(vfs), *unused = vfs_clone(vfs);
            choose_random_start(&chance, seed, 1);
            vfs_crash(clone, &chance.chooser);
            ck_assert_uint_eq(vfs_hash(vfs), seen);
            choose_random_start(&chance, seed, 1);
            machine_crash(&machine, &chance.chooser);
            ck_assert_uint_eq(vfs_hash(vfs), vfs_hash(clone));
            vfs_destroy(vfs);
            vfs_destroy(clone);
            vfs_destroy(unused);
        }
}
END_TEST

START_TEST(a_sync_that_is_cancelled_does_nothing)
{
    start(&disk_strict);
    machine_run(&machine, "put a x", true);
    struct inode *a = machine_find(&machine, "a");
    vfs_sync_cancel(vfs_sync_begin(vfs, a, false));
    vfs_sync_cancel(vfs_sync_begin(vfs, NULL, false));
    inode_unref(a);
    ck_assert_uint_eq(vfs_pending_count(vfs), 3); /* inode, entry, data */
    vfs_destroy(vfs);
}
END_TEST

START_TEST(endpoints_are_cleared)
{
    start(&disk_strict);
    struct inode *fifo;
    ck_assert_int_eq(vfs_mknod(vfs, cred, root, "f", S_IFIFO | 0600, &fifo), 0);
    vfs_settle(vfs);
    inode_set_endpoint(fifo, block);
    ck_assert_ptr_eq(inode_endpoint(fifo), block);
    vfs_power_off(vfs);
    inode_unref(fifo);
    vfs_crash(vfs, &choose_none);
    fifo = machine_find(&machine, "f");
    ck_assert_ptr_eq(inode_endpoint(fifo), NULL);
    ck_assert(S_ISFIFO(inode_mode(fifo)));
    inode_unref(fifo);
    vfs_destroy(vfs);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("vfs");
    TCase *tests = tcase_create("vfs");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, a_full_disk_cuts_writes_short);
    tcase_add_test(tests, space_comes_back_with_the_last_reference);
    tcase_add_test(tests, inodes_run_out);
    tcase_add_test(tests, free_space_can_be_set);
    tcase_add_test(tests, a_hole_at_the_end_takes_no_space);
    tcase_add_test(tests, too_many_links);
    tcase_add_test(tests, numbers_are_the_lowest_free_ones);
    tcase_add_test(tests, numbers_outlive_a_crash);
    tcase_add_test(tests, times);
    tcase_add_test(tests, names_that_stay_are_told_once);
    tcase_add_test(tests, the_seed_orders_directories);
    tcase_add_test(tests, removed_directories);
    tcase_add_test(tests, paths_of_directories);
    tcase_add_test(tests, pending_changes_in_words);
    tcase_add_test(tests, old_changes_are_not_pending_on_ext4);
    tcase_add_test(tests, an_observer_hears_of_changes);
    tcase_add_test(tests, what_is_never_synced_stays_small);
    tcase_add_test(tests, the_hash_is_of_what_is_seen);
    tcase_add_test(tests, a_crash_leaves_a_working_file_system);
    tcase_add_test(tests, a_clone_crashes_as_the_original_would);
    tcase_add_test(tests, a_sync_that_is_cancelled_does_nothing);
    tcase_add_test(tests, endpoints_are_cleared);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
