/* SPDX-License-Identifier: ISC */
/* A file of another user, which may not be opened, where joe's mbox should be. */
#include "tests/unit/sim/local_world.h"

#define ANN 1001
#define BOX "/boxes/box"
#define ASIDE BOX ".nixie-anothers"

static const char anns[] = "From ann@y.example Thu Jan  1 00:00:00 1970\n\nann's\n\n";

static const char *aside(unsigned number, char to[64])
{
    if (number == 1)
        snprintf(to, 64, ASIDE);
    else
        snprintf(to, 64, ASIDE ".%u", number);
    return to;
}

static bool holds(struct world *world, const char *path, const char *text)
{
    char *data = NULL;
    size_t size = 0;
    if (host_read_file(world->host, path, &data, &size) < 0)
        return false;
    bool same = size == strlen(text) && memcmp(data, text, size) == 0;
    free(data);
    return same;
}

/* It gets a name that is free if the directory is joe's alone; else it may be ann's own box, and
 * the message waits. */
START_TEST(goes_aside)
{
    static const struct {
        uid_t owner;
        mode_t mode;
        unsigned taken;   /* names that are not free */
        unsigned becomes; /* 0: left alone */
    } rows[] = {{JOE, 0755, 0, 1}, {JOE, 0700, 1, 2}, {JOE, 01755, 8, 9},
                {JOE, 0755, 9, 0}, {JOE, 0775, 0, 0}, {JOE, 0757, 0, 0},
                {ANN, 0777, 0, 0}, {0, 0777, 0, 0},   {0, 01777, 0, 0}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct world world;
        char name[64];
        bool crashed;
        world_create(&world, "strict", BOX "\n");
        world.may_fail = true;
        ck_assert_int_eq(host_make_directory(world.host, "/boxes", rows[i].owner, 0, rows[i].mode),
                         0);
        ck_assert_int_eq(host_write_file(world.host, BOX, anns, sizeof anns - 1, ANN, ANN, 0600),
                         0);
        for (unsigned n = 1; n <= rows[i].taken; n++)
            put(&world, aside(n, name), "x", 1, JOE);
        bool done = deliver(&world, 1, 0, NULL, &crashed);
        ck_assert_msg(done == (rows[i].becomes > 0), "row %zu: %d, %s", i, world.status,
                      world.errors);
        ck_assert_msg(done || strstr(world.errors, "access denied"), "row %zu: %s", i,
                      world.errors);
        ck_assert_msg(holds(&world, done ? aside(rows[i].becomes, name) : BOX, anns), "row %zu", i);
        for (unsigned n = 1; n <= rows[i].taken; n++)
            ck_assert(holds(&world, aside(n, name), "x"));
        ck_assert(!holds(&world, aside(rows[i].taken + 1 + done, name), anns));
        world_destroy(&world);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("local_aside");
    TCase *tests = tcase_create("local_aside");
    tcase_add_test(tests, goes_aside);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
