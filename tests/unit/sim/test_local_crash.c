/* SPDX-License-Identifier: ISC */
/*
 * nixie-local on a disk that keeps nothing but what was synced: the power goes after every call of
 * a delivery, the disk keeps all, nothing, or anything in between; then the next message comes.
 * Boxes must hold whole messages only, all that were told delivered, and what the user did
 * between the crash and the next delivery must stay.
 */
#include <stdlib.h>

#include "tests/unit/sim/local_world.h"

#define CHANCES 12 /* random outcomes of each crash, beside the two extremes */

static const char other_mail[] = "From other@y.example Thu Jan  1 00:00:00 1970\n\nother\n\n";

static void check_box(struct world *world, const bool delivered[MESSAGES], const char *where)
{
    size_t size;
    unsigned counts[MESSAGES + 1];
    char *data = read_box(world, &size);
    bool whole = count_messages(world, data, size, counts);
    ck_assert_msg(whole, "%s: the mbox is not whole messages:\n%.3000s", where, data);
    ck_assert_msg(counts[MESSAGES] == 1, "%s: old mail: %u", where, counts[MESSAGES]);
    for (unsigned i = 0; i < MESSAGES; i++)
        ck_assert_msg(counts[i] <= 1 && (counts[i] == 1 || !delivered[i]),
                      "%s: message %u: %u times", where, i, counts[i]);
    free(data);
}

/* The n-th outcome of a crash: everything lost, everything kept, then chance. */
static bool is_full_size(void)
{
    const char *all = getenv("CHECK_ALL");
    return all && *all;
}

/* Of the random outcomes of a crash every third is tried, others for the next call; with CHECK_ALL
 * each. */
static bool is_left_out(uint64_t stop, unsigned n)
{
    return !is_full_size() && n > 1 && (n + stop) % 3 != 0;
}

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
            if (is_left_out(stop, n))
                continue;
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
    for (unsigned n = 0; n < (is_full_size() ? 4000 : 1500); n++) {
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
            if (is_left_out(stop, n))
                continue;
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

/* Once the box has been read up to its old end for the second time, what the disk did not take of
 * the append is no longer in memory. */
struct forgetter {
    struct world *world;
    unsigned seeks;
};

static void forget(void *context, const struct call *call)
{
    struct forgetter *forgetter = context;
    size_t size;
    if (call->id != CALL_lseek || call->argument[0] != sizeof old_mail - 1 ||
        ++forgetter->seeks != 2)
        return;
    char *box = read_box(forgetter->world, &size);
    memset(box + 8192, 0, 4096);
    put(forgetter->world, "/home/joe/Mailbox", box, size, JOE);
    free(box);
}

/* nixie-local is killed when its append is whole, and the next one finds it so; but when that one
 * writes it once more, to hear whether the disk takes it, it is not whole any more. */
START_TEST(mbox_is_forgotten_after_a_look)
{
    struct world world;
    bool unused, delivered[MESSAGES] = {false};
    unsigned counts[MESSAGES + 1] = {0};
    size_t size;
    for (uint64_t stop = 1; counts[0] == 0; stop++) {
        if (stop > 1)
            world_destroy(&world);
        world_create(&world, "strict", "./Mailbox\n");
        ck_assert(!deliver(&world, 0, stop, NULL, &unused));
        host_kill_all(world.host);
        char *box = read_box(&world, &size);
        count_messages(&world, box, size, counts);
        free(box);
    }
    struct forgetter forgetter = {.world = &world};
    struct kernel_watch watch = {.after = forget, .context = &forgetter};
    kernel_watch(world.kernel, &watch);
    world.may_fail = true;
    ck_assert(!deliver(&world, 1, 0, NULL, &unused));
    ck_assert_msg(strstr(world.errors, "record"), "%s", world.errors);
    delivered[1] = deliver(&world, 1, 0, NULL, &unused);
    ck_assert(delivered[1]);
    check_box(&world, delivered, "after it was forgotten");
    world_destroy(&world);
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

START_TEST(maildir_survives)
{
    const char *disk = disks[_i];
    bool crashed = true;
    for (uint64_t stop = 1; crashed; stop++)
        for (unsigned n = 0; n < CHANCES + 2; n++) {
            if (is_left_out(stop, n))
                continue;
            struct world world;
            struct choose_random chance;
            bool unused;
            char where[100];
            snprintf(where, sizeof where, "%s, crash after call %llu, outcome %u", disk,
                     (unsigned long long) stop, n);
            world_create(&world, disk, "./Maildir/\n");
            bool delivered = deliver(&world, 0, stop, outcome(n, &chance), &crashed);
            unsigned count = count_in_maildir(&world, 0, where);
            ck_assert_msg(count <= 1 && (count == 1 || !delivered), "%s: %u times", where, count);
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
            if (is_left_out(stop, n))
                continue;
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
    tcase_add_test(mbox, mbox_is_forgotten_after_a_look);
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
