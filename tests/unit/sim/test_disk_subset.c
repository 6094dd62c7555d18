/* SPDX-License-Identifier: ISC */
/*
 * The states of the milder models are among those of `strict`, with each overlay too: random small
 * programs, and all short sequences of calls over a small alphabet (as ACE makes them: Mohan et
 * al., "Finding Crash-Consistency Bugs with Bounded Black-Box Crash Testing", OSDI '18); all states
 * of each model.  CHECK_ALL walks many more.
 */
#include "sim/kernel/random.h"
#include "tests/unit/sim/states.h"

#define PROGRAMS 800
#define PROGRAMS_ALL 20000
#define MOST_PATHS 30000

static bool check_all(void)
{
    return getenv("CHECK_ALL") != NULL;
}

static unsigned below(struct random *random, unsigned bound)
{
    return (unsigned) random_below(random, bound);
}

static const char *draw_file(struct random *random)
{
    static const char *const files[] = {"a", "b", "c", "d/a", "d/b", "e/a"};
    return files[below(random, 6)];
}

static void draw_step(struct random *random, char *to)
{
    const char *file = draw_file(random), *other = draw_file(random);
    switch (below(random, 20)) {
    case 0:
        sprintf(to, "new %s", file);
        break;
    case 1:
    case 2:
        sprintf(to, "put %s %.*s", file, 1 + (int) below(random, 4), "uvwxyz");
        break;
    case 3:
        sprintf(to, "over %s %u %.*s", file, below(random, 3), 1 + (int) below(random, 3), "OPQR");
        break;
    case 4:
        sprintf(to, "cut %s %u", file, below(random, 6));
        break;
    case 5:
        sprintf(to, "rewrite %s RS", file);
        break;
    case 6:
    case 7:
        sprintf(to, "link %s %s", file, other);
        break;
    case 8:
    case 9:
        sprintf(to, "mv %s %s", file, other);
        break;
    case 10:
    case 11:
        sprintf(to, "rm %s", file);
        break;
    case 12:
        sprintf(to, "fsync %s", below(random, 3) ? file : below(random, 2) ? "." : "d");
        break;
    case 13:
        sprintf(to, "fdatasync %s", below(random, 3) ? file : ".");
        break;
    case 14:
        sprintf(to, below(random, 3) ? "begin %s" : "begin *", file);
        break;
    case 15:
        strcpy(to, below(random, 2) ? "end" : "sync");
        break;
    case 16:
        sprintf(to, "chmod %s %o", file, 0600 + below(random, 8));
        break;
    case 17:
        strcpy(to, below(random, 2) ? "rmdir d" : below(random, 2) ? "mv d e" : "mkdir e");
        break;
    case 18:
        if (below(random, 2))
            sprintf(to, "pages %s %u %c", file, 4096 * (1 + below(random, 2)),
                    'K' + (int) below(random, 3));
        else
            sprintf(to, "fail %s", below(random, 3) ? file : below(random, 2) ? "." : "*");
        break;
    default:
        strcpy(to, below(random, 2) ? "wait 5" : below(random, 2) ? "wait 1" : "wait 30");
        break;
    }
}

static void draw_steps(struct random *random, unsigned steps, char *to)
{
    for (unsigned i = 0; i < steps; i++) {
        strcat(to, "; ");
        draw_step(random, to + strlen(to));
    }
}

static void draw_program(struct random *random, char *to)
{
    strcpy(to, "mkdir d; put a 123; put d/b 45; settle");
    unsigned steps = 1 + below(random, 7);
    draw_steps(random, steps, to);
}

static void check_subset(const char *model, const struct states *strict, const char *program)
{
    struct states states;
    states_walk(&states, disk_model_named(model), program, MOST_PATHS, false, false);
    for (size_t i = 0; states.complete && i < states.count; i++) {
        if (states_have(strict, states.list[i].hash))
            continue;
        struct states told;
        states_walk(&told, disk_model_named(model), program, MOST_PATHS, false, true);
        ck_abort_msg("%s allows what strict does not, after '%s': '%s'", model, program,
                     told.list[i].text);
    }
    states_free(&states);
}

/* All milder models with this overlay ("" or "+liar").  False if strict has too many states. */
static bool check_subsets(const char *overlay, const char *program)
{
    char name[40];
    struct states strict;
    snprintf(name, sizeof name, "strict%s", overlay);
    states_walk(&strict, disk_model_named(name), program, MOST_PATHS, false, false);
    for (size_t i = 0; strict.complete && disk_models[i] != &disk_strict; i++) {
        snprintf(name, sizeof name, "%s%s", disk_model_name(disk_models[i]), overlay);
        check_subset(name, &strict, program);
    }
    bool complete = strict.complete;
    states_free(&strict);
    return complete;
}

/* Answers 0 give what is durable, the last ones what processes saw. */
static void check_ends(const struct disk_model *model, const char *program)
{
    struct machine machine;
    machine_start(&machine, model);
    machine_run(&machine, program, false);
    uint64_t seen = vfs_hash(machine.vfs);
    machine_crash(&machine, &choose_all);
    ck_assert_msg(vfs_hash(machine.vfs) == seen, "%s: all kept is not what was seen after '%s'",
                  disk_model_name(model), program);
    ck_assert_uint_eq(vfs_pending_count(machine.vfs), 0);
    uint64_t found = vfs_hash(machine.vfs);
    machine_crash(&machine, &choose_none);
    ck_assert_msg(vfs_hash(machine.vfs) == found, "a second crash changed something");
    vfs_destroy(machine.vfs);
}

START_TEST(states_of_milder_models_are_states_of_strict)
{
    struct random random;
    random_seed(&random, 1, 1);
    unsigned compared = 0, programs = check_all() ? PROGRAMS_ALL : PROGRAMS;
    char program[1000];
    for (unsigned i = 0; i < programs; i++) {
        draw_program(&random, program);
        compared += check_subsets("", program);
        if (strstr(program, "fail"))
            check_subsets("+fsync-eio", program);
        if (i % 8 == 0)
            check_subsets("+liar", program);
        for (size_t k = 0; disk_models[k]; k++)
            check_ends(disk_models[k], program);
    }
    ck_assert_uint_gt(compared, programs / 2);
}
END_TEST

/* --- all short sequences ----------------------------------------------------------------------*/

#define ACE_LENGTH 3
#define ACE_EVERY 9 /* of the longest ones, without CHECK_ALL */
static const char *const alphabet[] = {
    "new b",      "new d/c",    "put a X",  "put b YZ",  "over a 0 O", "over b 1 P", "cut a 1",
    "cut b 0",    "fsync a",    "fsync b",  "fsync d/c", "fsync .",    "fsync d",    "link a b",
    "link a d/c", "link b d/c", "rm a",     "rm b",      "rm d/c",     "mv a b",     "mv b a",
    "mv a d/c",   "mv d/c b",   "mv b d/c", "mkdir e",   "mv d e",     "fail a",     "fail d"};
#define LETTERS (sizeof alphabet / sizeof *alphabet)

/* The sequence of that number, or false if one of its calls fails: then a shorter one is the same.
 */
static bool write_sequence(unsigned number, unsigned length, char *to)
{
    struct machine machine;
    bool works = true;
    strcpy(to, "mkdir d; put a 12; settle");
    machine_start(&machine, &disk_honest);
    machine_run(&machine, to, true);
    for (unsigned i = 0; i < length && works; i++, number /= LETTERS) {
        const char *step = alphabet[number % LETTERS];
        sprintf(to + strlen(to), "; %s", step);
        works = machine_step(&machine, step) >= 0;
    }
    vfs_destroy(machine.vfs);
    return works;
}

START_TEST(all_short_sequences)
{
    char program[1000];
    unsigned sequences = 1, compared = 0;
    for (unsigned length = 1; length <= ACE_LENGTH; length++) {
        sequences *= LETTERS;
        unsigned step = length < ACE_LENGTH || check_all() ? 1 : ACE_EVERY;
        for (unsigned i = 0; i < sequences; i += step) {
            if (!write_sequence(i, length, program))
                continue;
            ck_assert_msg(check_subsets("", program), "%s", program);
            if (strstr(program, "fail"))
                check_subsets("+fsync-eio", program);
            compared++;
        }
    }
    ck_assert_uint_gt(compared, 500);
}
END_TEST

/* What was synced, file and directory, is found by all models whatever else is going on. */
START_TEST(what_was_synced_is_there)
{
    struct random random;
    random_seed(&random, 1, 2);
    char program[1000];
    for (unsigned i = 0; i < PROGRAMS / 2; i++) {
        strcpy(program, "mkdir d; put a 123; settle");
        draw_steps(&random, below(&random, 4), program);
        strcat(program, "; put d/kept safe; fsync d/kept; link d/kept safe; fsync d; fsync .");
        draw_steps(&random, 1 + below(&random, 4), program);
        if (strstr(program, "rmdir d") || strstr(program, "mv d e"))
            continue;
        for (size_t k = 0; disk_models[k]; k++) {
            struct states states;
            states_walk(&states, disk_models[k], program, MOST_PATHS, false, true);
            for (size_t n = 0; n < states.count; n++)
                ck_assert_msg(strstr(states.list[n].text, "d/kept=safe") &&
                                  strstr(states.list[n].text, " safe=safe"),
                              "%s lost it, after '%s': '%s'", disk_model_name(disk_models[k]),
                              program, states.list[n].text);
            states_free(&states);
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("subset");
    TCase *tests = tcase_create("subset");
    tcase_set_timeout(tests, check_all() ? 3000 : 120);
    tcase_add_test(tests, states_of_milder_models_are_states_of_strict);
    tcase_add_test(tests, all_short_sequences);
    tcase_add_test(tests, what_was_synced_is_there);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
