/* SPDX-License-Identifier: ISC */
/* Where recipients go, as the control files of a scenario say. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "sim/world/internal.h"
#include "sim/world/route.h"

#define FILES 4

static const struct {
    const char *recipient, *address, *shown;
    bool local;
    const char *files[FILES]; /* locals, virtualdomains, percenthack, envnoathost */
} rows[] = {
    {"bob@example.com", "bob@example.com", NULL, true, {0}},
    {"bob@Example.COM", "bob@Example.COM", NULL, true, {0}},
    {"bob@other.example", "bob@other.example", NULL, false, {0}},
    {"bob", "bob@example.com", NULL, true, {0}},
    {"bob", "bob@bare.example", NULL, false, {0, 0, 0, "bare.example \nx"}},
    {"bob@example.com", "bob@example.com", NULL, false, {"# example.com\nother.example", 0, 0, 0}},
    {"bob@x.test", "bob@x.test", NULL, true, {"a.test\nx.test \t\n", 0, 0, 0}},
    {"bob@v.test", "v-bob@v.test", "bob@v.test", true, {0, "v.test:v", 0, 0}},
    {"bob@V.test", "v-bob@V.test", "bob@V.test", true, {0, "#v.test:w\nv.test:v\nv.test:x", 0, 0}},
    {"bob@a.b.v.test", "w-bob@a.b.v.test", "bob@a.b.v.test", true, {0, ".test:t\n.v.test:w", 0, 0}},
    {"bob@v.test", "bob@v.test", NULL, false, {0, ".v.test:w", 0, 0}},
    {"bob@v.test", "bob@v.test", NULL, false, {0, "v.test:\n:all", 0, 0}},
    {"bob@v.test", "all-bob@v.test", "bob@v.test", true, {0, "w.test:\n:all", 0, 0}},
    {"bob@v.test", "b-bob@v.test", "bob@v.test", true, {0, "v.test:v\nbob@v.test:b", 0, 0}},
    {"bob@example.com", "bob@example.com", NULL, true, {0, "example.com:v", 0, 0}},
    {"bob%away.test@example.com", "bob@away.test", NULL, false, {0, 0, "example.com", 0}},
    {"bob%away.test@away.test", "bob%away.test@away.test", NULL, false, {0, 0, "example.com", 0}},
    {"a%b%c@example.com", "a@b", NULL, false, {0, 0, "example.com\nc", 0}},
    {"a%b%c@example.com", "a%b@c", NULL, false, {0, 0, "example.com", 0}},
    {"bob@example.com", "bob@example.com", NULL, true, {0, 0, "example.com", 0}},
    {"bob%v.test@example.com",
     "v-bob@v.test",
     "bob@v.test",
     true,
     {0, "v.test:v", "example.com", 0}},
};

START_TEST(goes_where_the_files_say)
{
    static const char *const names[FILES] = {"locals", "virtualdomains", "percenthack",
                                             "envnoathost"};
    struct named_text controls[FILES];
    struct home_spec spec = {.name = "mail",
                             .domain = "example.com",
                             .controls = controls,
                             .disk = disk_model_named("honest")};
    struct world_options options = {.kernel = {.seed = 1}, .specs = &spec, .spec_count = 1};
    const struct route *route;
    struct world *world;
    struct entry *entry;
    int error;

    for (size_t i = 0; i < FILES; i++)
        if (rows[_i].files[i])
            controls[spec.control_count++] =
                (struct named_text){names[i], {rows[_i].files[i], strlen(rows[_i].files[i])}};
    world = world_create(&options, &error);
    ck_assert_ptr_nonnull(world);
    entry = entry_get(world, &world->machines[0], 1);
    *LIST_ADD(entry->recipients, entry->recipient_count) =
        must_copy(rows[_i].recipient, strlen(rows[_i].recipient));
    routes_make(world);
    routes_make(world);
    ck_assert_uint_eq(entry->route_count, 1);
    route = &entry->routes[0];
    ck_assert_str_eq(route->address, rows[_i].address);
    ck_assert_str_eq(route->shown, rows[_i].shown ? rows[_i].shown : rows[_i].address);
    ck_assert_int_eq(route->local, rows[_i].local);
    world_destroy(world);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("route");
    TCase *tests = tcase_create("route");
    SRunner *runner;
    int failed;

    tcase_add_loop_test(tests, goes_where_the_files_say, 0, sizeof rows / sizeof *rows);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
