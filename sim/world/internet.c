/* SPDX-License-Identifier: ISC */
/* The machines around our hosts: remote servers, clients and the DNS, each with one actor. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "sim/world/home.h"
#include "sim/world/internal.h"
#include "sim/world/words.h"

static const char *const programs[] = {[MACHINE_REMOTE] = "smtp-server",
                                       [MACHINE_CLIENT] = "smtp-client",
                                       [MACHINE_DNS] = "dns-server"};

/* --- making ----------------------------------------------------------------------------------*/

int internet_make(struct machine *machine)
{
    char path[100], text[100];

    snprintf(path, sizeof path, "/bin/%s", programs[machine->kind]);
    snprintf(text, sizeof text, "#!nixie %s\n", programs[machine->kind]);
    host_add_user(machine->host, "root", 0, 0, "/");
    return host_write_file(machine->host, path, text, strlen(text), 0, 0, 0755);
}

/* --- the actors of remotes and of the DNS -----------------------------------------------------*/

static void actor_output(void *context, struct process *process, int fd, const char *data,
                         size_t size)
{
    struct machine *machine = context;

    (void) process;
    if (fd == 1) {
        hear_actor(machine, data, size);
        return;
    }
    while (size > 0 && data[size - 1] == '\n')
        size--;
    if (!machine->world->finished)
        world_accuse(machine->world, "ACTOR", NO_LETTER, 0, "%s says: %.*s", machine->name,
                     (int) (size < 500 ? size : 500), data);
}

static void actor_ended(void *context, struct process *process, int status)
{
    struct machine *machine = context;

    (void) process;
    machine->tree = NULL;
    if (machine->world->finished || status == -1)
        return;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        world_accuse(machine->world, "ACTOR", NO_LETTER, 0, "the program of %s ended with %s%d",
                     machine->name, WIFEXITED(status) ? "status " : "signal ",
                     WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
}

/* The configuration of an actor that starts now.  Its times count from the start of the run. */
static char *make_config(const struct machine *machine, size_t *size)
{
    const struct text *config = machine->remote ? &machine->remote->config : &machine->dns->config;
    int64_t age_ms = kernel_now(machine->world->kernel) / 1000000;
    char *text = must_alloc(config->size + 64);

    *size = 0;
    if (age_ms > 0)
        *size = (size_t) snprintf(text, 64, "age %lldms\n", (long long) age_ms);
    memcpy(text + *size, config->data, config->size);
    *size += config->size;
    return text;
}

void world_start_actor(struct world *world, size_t index)
{
    struct machine *machine = &world->machines[index];
    const char *program = programs[machine->kind];
    const char *argv[] = {program, NULL}, *environment[] = {NULL};
    char path[100];
    struct process_spec spec = {.path = path,
                                .argv = argv,
                                .environment = environment,
                                .output = actor_output,
                                .ended = actor_ended,
                                .context = machine};
    char *config;
    int error = 0;

    if (machine->tree || !host_is_up(machine->host) || machine->kind == MACHINE_CLIENT)
        return;
    config = make_config(machine, &spec.input_size);
    spec.input = config;
    snprintf(path, sizeof path, "/bin/%s", program);
    records_free(&machine->records);
    machine->first_connection = world->connection_count;
    machine->tree = process_start(machine->host, &spec, &error);
    free(config);
    if (!machine->tree)
        world_accuse(world, "ACTOR", NO_LETTER, 0, "%s does not start: %s", machine->name,
                     strerror(error));
}

void world_down(struct world *world, size_t index)
{
    struct machine *machine = &world->machines[index];

    if (!host_is_up(machine->host))
        return;
    world->call = NULL;
    world_tell(world, index, "DOWN      power off");
    machine->was_down = true;
    host_crash(machine->host, &choose_all);
    machine->tree = NULL;
    machine->owed = 0;
    for (size_t i = machine->first_connection; i < world->connection_count; i++)
        if (world->connections[i].machine == index && world->connections[i].end_ns == INT64_MAX)
            world->connections[i].end_ns = kernel_now(world->kernel);
}

void world_up(struct world *world, size_t index)
{
    struct machine *machine = &world->machines[index];

    if (host_is_up(machine->host))
        return;
    world_tell(world, index, "UP");
    host_boot(machine->host);
    world_start_actor(world, index);
}

/* --- clients ---------------------------------------------------------------------------------*/

static void client_output(void *context, struct process *process, int fd, const char *data,
                          size_t size)
{
    struct world *world = context;
    size_t letter = process_tag(process) - 1;

    if (world->finished)
        return;
    if (fd == 1)
        hear_client(world, letter, data, size);
    else
        world_accuse(world, "ACTOR", letter, 0, "the client of %s says: %.*s",
                     world->letters[letter].name, (int) (size < 500 ? size : 500), data);
}

/* The actor has ended: what was not accepted by now never is. */
static void client_ended(void *context, struct process *process, int status)
{
    struct world *world = context;
    struct letter *letter = &world->letters[process_tag(process) - 1];

    letter->process = NULL;
    letter_rests(world, letter);
    end_session(world, letter);
    if (world->finished)
        return;
    if (letter->state == LETTER_RUNNING) {
        letter->state = status != -1 && WIFEXITED(status) ? LETTER_REFUSED : LETTER_CUT;
        letter->ended_ns = kernel_now(world->kernel);
        if (world->hooks.letter_ended)
            world->hooks.letter_ended(world->hooks.context, letter);
    }
    if (world->hooks.quiet && world_is_quiet(world))
        world->hooks.quiet(world->hooks.context);
}

/* A word in quotes, as configurations have it. */
static void print_word(FILE *to, const char *text)
{
    fputc('"', to);
    for (; *text; text++) {
        unsigned char byte = (unsigned char) *text;

        if (byte == '"' || byte == '\\')
            fprintf(to, "\\%c", byte);
        else if (byte < ' ' || byte == 127)
            fprintf(to, "\\x%02x", byte);
        else
            fputc(byte, to);
    }
    fputs("\"\n", to);
}

static char *make_client_config(const struct world *world, const struct letter *letter,
                                size_t *size)
{
    const struct home_spec *server = world->machines[letter->machine].spec;
    const struct text *settings = &world->machines[letter->client].client->settings;
    size_t header = strlen(letter->header);
    char *text = NULL;
    FILE *to = open_memstream(&text, size);

    if (!to)
        exit(4);
    for (size_t i = 0; i < server->address_count; i++)
        fprintf(to, "connect %s 25\n", server->addresses[i]);
    fputs("from ", to);
    print_word(to, letter->sender ? letter->sender : "");
    for (size_t i = 0; i < letter->recipient_count; i++) {
        fputs("to ", to);
        print_word(to, letter->recipients[i]);
    }
    fwrite(settings->data, 1, settings->size, to);
    fprintf(to, "message %zu\n", header + letter->content.size);
    fwrite(letter->header, 1, header, to);
    fwrite(letter->content.data, 1, letter->content.size, to);
    fclose(to);
    return text;
}

/* A client that sends at the very start means a server that is there: it takes the server a moment
 * until it listens. */
#define START_NS NANOSECONDS

static void send_awaiting(void *context)
{
    struct machine *machine = context;
    struct world *world = machine->world;

    for (size_t i = 0; i < world->letter_count; i++) {
        struct letter *letter = &world->letters[i];

        if (!letter->awaits_host || letter->machine != machine->index)
            continue;
        letter->awaits_host = false;
        letter_rests(world, letter);
        world_submit_smtp(world, i);
    }
}

void internet_host_listens(struct machine *machine)
{
    if (machine->has_listened)
        return;
    machine->has_listened = true;
    send_awaiting(machine);
}

static bool must_await(const struct world *world, const struct machine *server)
{
    return !server->has_listened && server->spec->smtp && server->tree &&
           kernel_now(world->kernel) < START_NS;
}

static void await_host(struct world *world, struct letter *letter)
{
    letter->awaits_host = true;
    letter->state = LETTER_RUNNING;
    letter_runs(world, letter);
    kernel_at(world->kernel, START_NS, send_awaiting, &world->machines[letter->machine]);
}

void world_submit_smtp(struct world *world, size_t index)
{
    struct letter *letter = &world->letters[index];
    struct machine *machine = &world->machines[letter->client];
    const char *argv[] = {"smtp-client", NULL}, *environment[] = {NULL};
    struct process_spec spec = {.path = "/bin/smtp-client",
                                .argv = argv,
                                .environment = environment,
                                .output = client_output,
                                .ended = client_ended,
                                .context = world};
    char *config;
    int error = 0;

    if (must_await(world, &world->machines[letter->machine])) {
        await_host(world, letter);
        return;
    }
    idle_note(world);
    config = make_client_config(world, letter, &spec.input_size);
    spec.input = config;
    letter->sent_ns = kernel_now(world->kernel);
    if (!letter->answers)
        letter->answers = must_zeroed((letter->recipient_count + 1) * sizeof *letter->answers);
    letter->process =
        host_is_up(machine->host) ? process_start(machine->host, &spec, &error) : NULL;
    free(config);
    if (letter->process) {
        process_set_tag(letter->process, index + 1);
        letter->state = LETTER_RUNNING;
        letter_runs(world, letter);
        return;
    }
    letter->state = LETTER_REFUSED;
    letter->ended_ns = letter->sent_ns;
    world_tell(world, letter->client, "submit    %s: %s", letter->name,
               error ? strerror(error) : "the client is down");
}

void world_stop_client(struct world *world, size_t index)
{
    world_tell(world, index, "stop      it tries no more");
    for (size_t i = 0; i < world->letter_count; i++)
        if (world->letters[i].path == LETTER_BY_SMTP && world->letters[i].client == index &&
            world->letters[i].process)
            process_signal(world->letters[i].process, SIGTERM);
}
