/* SPDX-License-Identifier: ISC */
/*
 * Programs that a scenario declares.  Their runs are recorded here, outside of the simulated
 * machine, so that they cost no call that touches its disk and no crash forgets them.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "sim/kernel/calls.h"
#include "sim/world/internal.h"

/* One world at a time; a program's main is told of no other context. */
static struct world *current;

#define INPUT_MAX ((size_t) 256 << 20)

static struct machine *find_machine(void)
{
    char name[100];

    if (sim_gethostname(name, sizeof name) < 0)
        return NULL;
    for (size_t i = 0; i < current->host_count; i++)
        if (strcmp(current->machines[i].name, name) == 0)
            return &current->machines[i];
    return NULL;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

/* The index of the program among those of the machine; their count if there is none. */
static size_t find_program(const struct machine *machine, const char *name)
{
    size_t i;

    for (i = 0; i < machine->spec->program_count; i++)
        if (strcmp(machine->spec->programs[i].name, name) == 0)
            break;
    return i;
}

static char *join_arguments(char **argv)
{
    char *text = must_copy("", 0);
    size_t used = 0;

    for (size_t i = 1; *argv && argv[i]; i++) {
        size_t size = strlen(argv[i]);

        text = must_resize(text, used + size + 2);
        if (used > 0)
            text[used++] = ' ';
        memcpy(text + used, argv[i], size + 1);
        used += size;
    }
    return text;
}

/* Records the start of a run; returns its index. */
static size_t begin_run(struct machine *machine, size_t program, char **argv, char **environment)
{
    struct program_run *run = LIST_ADD(current->runs, current->run_count);

    run->machine = machine->index;
    run->program = machine->spec->programs[program].name;
    run->number = ++machine->program_runs[program];
    run->start_ns = kernel_now(current->kernel);
    run->end_ns = INT64_MAX;
    run->arguments = join_arguments(argv);
    for (; *environment; environment++)
        *LIST_ADD(run->environment, run->environment_count) =
            must_copy(*environment, strlen(*environment));
    return current->run_count - 1;
}

static void read_input(size_t index)
{
    char block[8192];
    ssize_t got;

    while ((got = sim_read(0, block, sizeof block)) > 0) {
        struct program_run *run = &current->runs[index];

        if (run->input_size + (size_t) got > INPUT_MAX)
            return;
        run->input = must_resize(run->input, run->input_size + (size_t) got + 1);
        memcpy(run->input + run->input_size, block, (size_t) got);
        run->input_size += (size_t) got;
        run->input[run->input_size] = 0;
    }
}

static void wait_for(int64_t ns)
{
    while (ns > 0) {
        int64_t ms = ns / 1000000 > 1000000000 ? 1000000000 : (ns + 999999) / 1000000;

        sim_poll(NULL, 0, (int) ms);
        ns -= ms * 1000000;
    }
}

/* What the program does in that run. */
static const struct program_rule *find_rule(const struct program_spec *spec, uint64_t number)
{
    static const struct program_rule fine = {1, UINT64_MAX, 0, 0, 0, NULL};
    const struct program_rule *rule = &fine;

    for (size_t i = spec->rule_count; i-- > 0;)
        if (spec->rules[i].first <= number && number <= spec->rules[i].last)
            rule = &spec->rules[i];
    return rule;
}

static void end_run(size_t index, const struct program_rule *rule)
{
    struct program_run *run = &current->runs[index];

    run->ended = true;
    run->end_ns = kernel_now(current->kernel);
    run->exit_code = rule->signal ? 128 + rule->signal : rule->exit_code;
    if (current->story)
        world_tell(current, run->machine, "program   %s, run %llu, ends with %s%d", run->program,
                   (unsigned long long) run->number, rule->signal ? "signal " : "",
                   rule->signal ? rule->signal : rule->exit_code);
}

static int declared_main(int argc, char **argv, char **environment)
{
    struct machine *machine = find_machine();
    const struct program_rule *rule;
    const struct program_spec *spec;
    size_t program, run;

    if (!machine || argc < 1)
        return 127;
    program = find_program(machine, base_name(argv[0]));
    if (program == machine->spec->program_count)
        return 127;
    spec = &machine->spec->programs[program];
    run = begin_run(machine, program, argv, environment);
    current->runs[run].uid = process_uid(process_running());
    current->runs[run].descriptors = process_descriptor_count(process_running());
    rule = find_rule(spec, current->runs[run].number);
    read_input(run);
    wait_for(rule->takes_ns);
    if (rule->print)
        sim_write(1, rule->print, strlen(rule->print));
    end_run(run, rule);
    if (rule->signal)
        sim_kill(sim_getpid(), rule->signal);
    return rule->exit_code;
}

/* --- of real ones (sim/reality/program/declared.c) --------------------------------------------*/

/* A text with its NUL at *at, before `end`; NULL: there is none. */
static char *take_text(char **at, char *end)
{
    char *text = *at, *nul = *at < end ? memchr(text, 0, (size_t) (end - text)) : NULL;

    if (nul)
        *at = nul + 1;
    return nul ? text : NULL;
}

/* A count and so many texts; malloc'd, or NULL. */
static char **take_list(char **at, char *end)
{
    const char *count_text = take_text(at, end);
    size_t count = count_text ? strtoul(count_text, NULL, 10) : SIZE_MAX;
    char **list;

    if (count > (size_t) (end - *at))
        return NULL;
    list = must_zeroed((count + 1) * sizeof *list);
    for (size_t i = 0; i < count; i++)
        if (!(list[i] = take_text(at, end)))
            break;
    return list;
}

static struct machine *machine_of_host(const struct host *host)
{
    for (size_t i = 0; i < current->host_count; i++)
        if (current->machines[i].host == host)
            return &current->machines[i];
    return NULL;
}

static char *answer_begin(struct machine *machine, char *at, char *end, size_t *size)
{
    char **argv = take_list(&at, end), **environment = argv ? take_list(&at, end) : NULL;
    size_t program = environment && argv[0] ? find_program(machine, base_name(argv[0])) : SIZE_MAX;
    const struct program_rule *rule;
    struct program_run *run;
    char *text = NULL;
    FILE *to;

    if (program < machine->spec->program_count && (to = open_memstream(&text, size))) {
        size_t index = begin_run(machine, program, argv, environment);

        run = &current->runs[index];
        run->input_size = (size_t) (end - at);
        run->input = must_copy(at, run->input_size);
        rule = find_rule(&machine->spec->programs[program], run->number);
        fprintf(to, "%zu %d %d %lld\n%s", index, rule->exit_code, rule->signal,
                (long long) rule->takes_ns, rule->print ? rule->print : "");
        fclose(to);
    }
    free(argv);
    free(environment);
    return text;
}

static char *answer(void *context, struct process *process, const char *question, size_t size,
                    size_t *answer_size)
{
    struct machine *machine = machine_of_host(process_host(process));
    char *copy = must_copy(question, size), *at = copy, *end = copy + size, *result = NULL;
    const char *verb = take_text(&at, end), *number;

    (void) context;
    if (machine && verb && strcmp(verb, "begin") == 0) {
        result = answer_begin(machine, at, end, answer_size);
    } else if (machine && verb && (number = take_text(&at, end))) {
        size_t index = strtoul(number, NULL, 10);
        struct program_run *run = index < current->run_count ? &current->runs[index] : NULL;
        size_t program = run ? find_program(machine, run->program) : SIZE_MAX;

        if (program < machine->spec->program_count)
            end_run(index, find_rule(&machine->spec->programs[program], run->number));
    }
    free(copy);
    return result;
}

void declared_register(struct world *world)
{
    current = world;
    kernel_register_program(world->kernel, "declared", declared_main);
    kernel_answer(world->kernel, answer, NULL);
}
