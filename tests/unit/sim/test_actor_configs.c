/* SPDX-License-Identifier: ISC */
/* What the checker lets through the actors can read: each configuration that it makes, of a story
 * with everything and of mutants of it, is given to the program that it is for. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "sim/kernel/kernel.h"
#include "sim/kernel/net.h"
#include "sim/kernel/random.h"
#include "sim/programs.h"
#include "sim/scenario/model.h"
#include "tests/unit/sim/network_story.h"

#define SECOND INT64_C(1000000000)
#define RUNS (-1)

struct trial {
    char output[20000];
    size_t size;
    int status; /* RUNS until it ends */
};

static void take_output(void *context, struct process *process, int fd, const char *data,
                        size_t size)
{
    struct trial *trial = context;

    (void) process;
    (void) fd;
    if (size > sizeof trial->output - 1 - trial->size)
        size = sizeof trial->output - 1 - trial->size;
    memcpy(trial->output + trial->size, data, size);
    trial->size += size;
    trial->output[trial->size] = 0;
}

static void take_end(void *context, struct process *process, int status)
{
    (void) process;
    ((struct trial *) context)->status = status;
}

static program_main *find_program(const char *name)
{
    for (const struct program *program = programs; program->name; program++)
        if (strcmp(program->name, name) == 0)
            return program->main;
    return NULL;
}

/* Runs an actor with `config` for a second, on a machine with the addresses. */
static void try_actor(struct trial *trial, const char *actor, struct text config,
                      const char **addresses, size_t address_count)
{
    struct kernel_options options = {.seed = 1};
    struct kernel *kernel = kernel_create(&options);
    struct host_options machine = {.name = "x", .disk = disk_model_named("honest")};
    struct host *host = host_create(kernel, &machine);
    const char *const argv[] = {actor, NULL}, *const environment[] = {NULL};
    char path[60], text[60];
    struct process_spec spec = {.path = path,
                                .argv = argv,
                                .environment = environment,
                                .input = config.data,
                                .input_size = config.size,
                                .output = take_output,
                                .ended = take_end,
                                .context = trial};
    int error;

    *trial = (struct trial){.status = RUNS};
    for (size_t i = 0; i < address_count; i++)
        ck_assert_int_eq(host_add_address(host, addresses[i]), 0);
    snprintf(path, sizeof path, "/bin/%s", actor);
    snprintf(text, sizeof text, "#!nixie %s\n", actor);
    kernel_register_program(kernel, actor, find_program(actor));
    ck_assert_int_eq(host_write_file(host, path, text, strlen(text), 0, 0, 0755), 0);
    vfs_settle(host_vfs(host));
    ck_assert_ptr_nonnull(process_start(host, &spec, &error));
    kernel_run(kernel, SECOND);
    kernel_destroy(kernel);
}

/* It runs and listens everywhere. */
static void try_server(const char *actor, struct text config, const char **addresses, size_t count)
{
    struct trial trial;
    size_t listening = 0;

    if (!find_program(actor))
        return;
    try_actor(&trial, actor, config, addresses, count);
    for (const char *at = trial.output; (at = strstr(at, "listening ")); at++)
        listening++;
    ck_assert_msg(trial.status == RUNS && listening >= count, "%s: status %d\n%s\n%s", actor,
                  trial.status, trial.output, config.data);
}

/* It reads what it is to do: nobody is there to be connected to, and it gives up or tries again. */
static void try_client(const struct client_spec *client)
{
    static const char before[] = "connect 192.0.2.99 25\nfrom a@b.example\nto c@d.example\n";
    static const char behind[] = "message 5\nS: x\n\n";
    char *text = malloc(sizeof before + client->settings.size + sizeof behind);
    struct trial trial;

    ck_assert_ptr_nonnull(text);
    strcpy(text, before);
    strcat(text, client->settings.data);
    strcat(text, behind);
    if (find_program("smtp-client")) {
        try_actor(&trial, "smtp-client", (struct text){text, strlen(text)}, client->addresses,
                  client->address_count);
        ck_assert_msg(trial.status != 2 << 8 && strstr(trial.output, "try 1"),
                      "smtp-client: status %d\n%s\n%s", trial.status, trial.output, text);
    }
    free(text);
}

/* Gives all machines of a story their configurations.  False if it is no valid story. */
static bool try_story(const char *text, size_t size)
{
    char *errors = NULL;
    size_t errors_size;
    FILE *to = open_memstream(&errors, &errors_size);
    struct scenario *scenario = scenario_parse("test", text, size, NULL, 0, to);

    fclose(to);
    free(errors);
    if (!scenario)
        return false;
    for (size_t i = 0; i < scenario->remote_count; i++)
        try_server("smtp-server", scenario->remotes[i].config, scenario->remotes[i].addresses,
                   scenario->remotes[i].address_count);
    for (size_t i = 0; i < scenario->client_count; i++)
        try_client(&scenario->clients[i]);
    try_server("dns-server", scenario->dns.config, scenario->dns.addresses,
               scenario->dns.address_count);
    scenario_free(scenario);
    return true;
}

START_TEST(actors_read_the_story)
{
    ck_assert(try_story(network_story, strlen(network_story)));
}
END_TEST

/* Where the word that stands at or behind `at` begins and ends. */
static size_t word_begin(const char *text, size_t at)
{
    while (text[at] == ' ' || text[at] == '\n')
        at++;
    while (at > 0 && text[at - 1] != ' ' && text[at - 1] != '\n')
        at--;
    return at;
}

static size_t word_end(const char *text, size_t at)
{
    return at + strcspn(text + at, " \n");
}

/* The machines of the story with one word in the place of another. */
static void swap_words(struct random *random, char *text, size_t machines)
{
    size_t from = word_begin(network_story, random_below(random, machines));
    size_t to = word_begin(network_story, random_below(random, machines));
    size_t behind = word_end(network_story, to);

    sprintf(text, "%.*s%.*s%.*s", (int) to, network_story,
            (int) (word_end(network_story, from) - from), network_story + from,
            behind < machines ? (int) (machines - behind) : 0, network_story + behind);
}

/* Whatever is in the wrong place: what the checker takes for right an actor understands. */
START_TEST(actors_read_mutants)
{
    size_t machines = (size_t) (strstr(network_story, "network app to mail") - network_story);
    struct random random;
    char text[2 * sizeof network_story];
    unsigned valid = 0;

    random_seed(&random, (uint64_t) _i + 1, 11);
    for (int round = 0; round < 400; round++) {
        swap_words(&random, text, machines - 1);
        valid += try_story(text, strlen(text));
    }
    ck_assert_uint_ge(valid, 50);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("actor_configs");
    TCase *tests = tcase_create("actor_configs");
    SRunner *runner;
    int failed;

    tcase_add_test(tests, actors_read_the_story);
    tcase_add_loop_test(tests, actors_read_mutants, 0, 3);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
