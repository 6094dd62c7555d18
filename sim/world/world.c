/* SPDX-License-Identifier: ISC */
#include "sim/world/world.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "sim/kernel/net.h"
#include "sim/kernel/policy.h"
#include "sim/world/dialogue.h"
#include "sim/world/home.h"
#include "sim/world/internal.h"
#include "sim/world/oracles.h"
#include "sim/world/route.h"
#include "sim/world/template.h"
#include "sim/world/words.h"

/* --- telling ---------------------------------------------------------------------------------*/

void world_tell(struct world *world, size_t machine, const char *format, ...)
{
    char time[TIME_TEXT], text[4096];
    va_list arguments;

    if (!world->story)
        return;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    for (char *c = text; *c; c++)
        if ((unsigned char) *c < ' ' || *c == 127)
            *c = '?';
    fprintf(world->story, "%s  %s  %s\n", time_format_precise(time, kernel_now(world->kernel)),
            world->machines[machine].name, text);
}

static void free_violation(struct violation *violation)
{
    free(violation->recipient);
    free(violation->text);
    free(violation->detail);
    free(violation->unsynced);
}

static struct violation *clear_dropped(struct world *world)
{
    free_violation(&world->dropped);
    memset(&world->dropped, 0, sizeof world->dropped);
    return &world->dropped;
}

struct violation *world_accuse(struct world *world, const char *promise, size_t letter,
                               unsigned bounce, const char *format, ...)
{
    unsigned bit = oracle_bit(promise);
    struct violation *violation;
    char text[1000];
    va_list arguments;

    if (!bit) {
        fprintf(stderr, "nixie: %s is no oracle\n", promise);
        abort();
    }
    violation = world->without & bit ? clear_dropped(world)
                                     : LIST_ADD(world->violations, world->violation_count);
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    violation->promise = promise;
    violation->letter = letter;
    violation->bounce = bounce;
    violation->time_ns = kernel_now(world->kernel);
    violation->text = must_copy(text, strlen(text));
    return violation;
}

/* --- life ------------------------------------------------------------------------------------*/

static struct machine *add_machine(struct world *world, enum machine_kind kind, const char *name)
{
    struct machine *machine = &world->machines[world->machine_count];

    machine->world = world;
    machine->index = world->machine_count++;
    machine->kind = kind;
    machine->name = name;
    machine->saturated_ns[0] = machine->saturated_ns[1] = -1;
    return machine;
}

static int give_addresses(struct machine *machine, const char *const *addresses, size_t count)
{
    int result = 0;

    for (size_t i = 0; i < count && result == 0; i++)
        result = host_add_address(machine->host, addresses[i]);
    return result;
}

static int make_host(struct world *world, const struct world_options *options, size_t index)
{
    const struct home_spec *spec = &options->specs[index];
    struct machine *machine = add_machine(world, MACHINE_HOST, spec->name);
    struct host_options host = {.name = spec->name,
                                .disk = options->disk ? options->disk : spec->disk,
                                .capacity_bytes = spec->capacity_bytes,
                                .files = template_files(options, machine->index)};
    int result;

    machine->spec = spec;
    machine->host = host_create(world->kernel, &host);
    machine->program_runs = must_zeroed((spec->program_count + 1) * sizeof *machine->program_runs);
    world->host_count++;
    result = give_addresses(machine, spec->addresses, spec->address_count);
    if (result < 0)
        return result;
    home_add_accounts(machine->host, spec);
    if (!host.files)
        result = home_build(machine->host, spec, options->dns);
    if (result == 0)
        template_keep(options, machine->index, machine->host);
    return result;
}

/* A machine with an actor, which is none of ours and whose disk never loses anything.  It is not
 * starved: that would say nothing of our server, and what clients tell of it would come late. */
static int make_actor(struct world *world, struct machine *machine, const char *const *addresses,
                      size_t count)
{
    struct host_options host = {
        .name = machine->name, .disk = disk_model_named("honest"), .steady = true};
    int result;

    machine->host = host_create(world->kernel, &host);
    result = give_addresses(machine, addresses, count);
    return result < 0 ? result : internet_make(machine);
}

static int make_actors(struct world *world, const struct world_options *options)
{
    int result = 0;

    for (size_t i = 0; i < options->remote_count && result == 0; i++) {
        const struct remote_spec *spec = &options->remotes[i];
        struct machine *machine = add_machine(world, MACHINE_REMOTE, spec->name);

        machine->remote = spec;
        result = make_actor(world, machine, spec->addresses, spec->address_count);
    }
    for (size_t i = 0; i < options->client_count && result == 0; i++) {
        const struct client_spec *spec = &options->clients[i];
        struct machine *machine = add_machine(world, MACHINE_CLIENT, spec->name);

        machine->client = spec;
        result = make_actor(world, machine, spec->addresses, spec->address_count);
    }
    if (options->dns && result == 0) {
        struct machine *machine = add_machine(world, MACHINE_DNS, options->dns->name);

        machine->dns = options->dns;
        result = make_actor(world, machine, options->dns->addresses, options->dns->address_count);
    }
    return result;
}

struct world *world_create(const struct world_options *options, int *error)
{
    struct world *world = must_alloc(sizeof *world);
    int result = 0;

    memset(world, 0, sizeof *world);
    world->story = options->story;
    world->without = options->without;
    marks_make(world);
    world->kernel = kernel_create(&options->kernel);
    world->sync_max_ns = (int64_t) options->kernel.fsync_max_ns;
    world->patience_ns = options->kernel.policy == SCHEDULE_STARVE ? STARVED_MAX_NS : 0;
    home_register_programs(world->kernel);
    declared_register(world);
    kernel_count_allocations(world->kernel, "nixie-", NULL, NULL);
    world->machines =
        must_zeroed((options->spec_count + options->remote_count + options->client_count + 1) *
                    sizeof *world->machines);
    for (size_t i = 0; i < options->spec_count && result == 0; i++)
        result = make_host(world, options, i);
    if (result == 0)
        result = make_actors(world, options);
    if (result < 0) {
        *error = -result;
        world_destroy(world);
        return NULL;
    }
    watch_start(world);
    return world;
}

static void free_texts(char **texts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(texts[i]);
    free(texts);
}

static void free_entries(struct world *world)
{
    for (size_t i = 0; i < world->entry_count; i++) {
        struct entry *entry = &world->entries[i];

        free(entry->chain);
        free(entry->sender);
        free_texts(entry->recipients, entry->recipient_count);
        routes_free(entry);
        free(entry->text);
        if (entry->report)
            bounce_report_free(entry->report);
        free(entry->report);
        free(entry->history);
    }
    free(world->entries);
}

static void free_outcomes(struct world *world)
{
    for (size_t i = 0; i < world->copy_count; i++) {
        free(world->copies[i].place);
        free(world->copies[i].path);
        if (world->copies[i].kind != COPY_REMOTE)
            free((char *) (uintptr_t) world->copies[i].data);
        free(world->copies[i].chain);
        free(world->copies[i].sender);
    }
    free(world->copies);
    for (size_t i = 0; i < world->arrival_count; i++)
        free(world->arrivals[i].path);
    free(world->arrivals);
    for (size_t i = 0; i < world->mbox_count; i++) {
        free(world->mboxes[i].path);
        free(world->mboxes[i].growth);
    }
    free(world->mboxes);
    for (size_t i = 0; i < world->run_count; i++) {
        free(world->runs[i].arguments);
        free_texts(world->runs[i].environment, world->runs[i].environment_count);
        free(world->runs[i].input);
    }
    free(world->runs);
}

static void free_records(struct world *world)
{
    for (size_t i = 0; i < world->attempt_count; i++) {
        free(world->attempts[i].recipient);
        free(world->attempts[i].text);
    }
    free(world->attempts);
    free(world->send_starts);
    free(world->send_ends);
    for (size_t i = 0; i < world->line_count; i++)
        free(world->lines[i].text);
    free(world->lines);
    for (size_t i = 0; i < world->upset_count; i++) {
        free_texts(world->upsets[i].lost, world->upsets[i].lost_count);
    }
    free(world->upsets);
    for (size_t i = 0; i < world->violation_count; i++)
        free_violation(&world->violations[i]);
    free_violation(&world->dropped);
    free(world->violations);
}

void world_destroy(struct world *world)
{
    world->finished = true;
    if (world->kernel)
        kernel_destroy(world->kernel);
    for (size_t i = 0; i < world->machine_count; i++) {
        free(world->machines[i].log.partial);
        pairs_free(&world->machines[i]);
        free(world->machines[i].by_number);
        free(world->machines[i].program_runs);
        free(world->machines[i].deletions);
        records_free(&world->machines[i].records);
    }
    free(world->machines);
    for (size_t i = 0; i < world->letter_count; i++) {
        free(world->letters[i].complaint);
        free(world->letters[i].answers);
        records_free(&world->letters[i].records);
    }
    free(world->letters);
    free(world->running);
    free(world->takings);
    free(world->connections);
    free(world->queries);
    free(world->spoken);
    pool_free(&world->told);
    index_free(world);
    dialogue_free(world);
    marks_free(world);
    idle_free(world);
    faults_free(world);
    free_entries(world);
    free_outcomes(world);
    free_records(world);
    free(world);
}

static bool machine_is_quiet(const struct machine *machine)
{
    return machine->alive == 0 && machine->owed == 0 &&
           !(machine->journal.waits && host_is_up(machine->host));
}

bool world_is_quiet(const struct world *world)
{
    if (world->running_count > 0)
        return false;
    for (size_t i = 0; i < world->machine_count; i++)
        if (!machine_is_quiet(&world->machines[i]))
            return false;
    return true;
}

/* --- crashes ---------------------------------------------------------------------------------*/

#define LOST_MAX 2000

/* Asks the real chooser, tells its answer, and notes what it lets go. */
struct noting_chooser {
    const struct chooser *chooser;
    struct upset *upset;
    struct world *world;
};

static unsigned choose_and_note(void *context, unsigned count, const char *what)
{
    struct noting_chooser *noting = context;
    unsigned answer = noting->chooser->choose(noting->chooser->context, count, what);

    if (answer == 0 || answer == count - 1)
        world_tell(noting->world, noting->upset->machine, "%s      %s", answer ? "kept" : "lost",
                   what);
    else
        world_tell(noting->world, noting->upset->machine, "found %-3u %s", answer, what);
    if (answer != count - 1 && noting->upset->lost_count < LOST_MAX)
        *LIST_ADD(noting->upset->lost, noting->upset->lost_count) = must_copy(what, strlen(what));
    return answer;
}

void world_crash(struct world *world, size_t index, const struct chooser *chooser)
{
    struct machine *machine = &world->machines[index];
    struct upset *upset;
    struct noting_chooser noting = {chooser, NULL, world};
    struct chooser noted = {choose_and_note, &noting};

    if (!host_is_up(machine->host))
        return;
    upset = upset_note(world, index, UPSET_POWER);
    noting.upset = upset;
    world->call = NULL;
    world_tell(world, index, "CRASH     power; %zu changes are not durable",
               vfs_pending_count(host_vfs(machine->host)));
    host_crash(machine->host, &noted);
    machine->tree = NULL;
    log_note_crash(machine);
    journal_reread(machine);
    entries_reread(machine);
    growth_reread(machine);
}

void world_kill_all(struct world *world, size_t index)
{
    struct machine *machine = &world->machines[index];

    upset_note(world, index, UPSET_KILL);
    world->call = NULL;
    world_tell(world, index, "CRASH     every program is killed");
    if (host_find_process(machine->host, "nixie-send"))
        log_note_end(machine, true);
    host_kill_all(machine->host);
    machine->tree = NULL;
    log_note_crash(machine);
    entries_reread(machine);
}

void world_boot(struct world *world, size_t index)
{
    struct machine *machine = &world->machines[index];

    world_tell(world, index, "boot");
    if (!host_is_up(machine->host))
        host_boot(machine->host);
    world_start(world, index);
}

/* --- submitting ------------------------------------------------------------------------------*/

void letter_runs(struct world *world, struct letter *letter)
{
    letter->running_at = world->running_count;
    *LIST_ADD(world->running, world->running_count) = (size_t) (letter - world->letters);
}

void letter_rests(struct world *world, struct letter *letter)
{
    size_t last = world->running[--world->running_count];

    world->running[letter->running_at] = last;
    world->letters[last].running_at = letter->running_at;
}

static void letter_output(void *context, struct process *process, int fd, const char *data,
                          size_t size)
{
    struct world *world = context;
    struct letter *letter = &world->letters[process_tag(process) - 1];
    size_t before = letter->complaint ? strlen(letter->complaint) : 0;

    if (fd != 2 || before + size > 2000)
        return;
    letter->complaint = must_resize(letter->complaint, before + size + 1);
    memcpy(letter->complaint + before, data, size);
    letter->complaint[before + size] = 0;
}

static void letter_ended(void *context, struct process *process, int status)
{
    struct world *world = context;
    struct letter *letter = &world->letters[process_tag(process) - 1];

    letter->process = NULL;
    world->changed_ns = letter->ended_ns = kernel_now(world->kernel);
    letter_rests(world, letter);
    if (status == -1 || !WIFEXITED(status)) {
        letter->state = LETTER_CUT;
    } else {
        letter->code = WEXITSTATUS(status);
        letter->state = letter->code == 0 ? LETTER_ACCEPTED : LETTER_REFUSED;
    }
    if (world->finished)
        return;
    if (world->story)
        world_tell(world, letter->machine, "submit    %s is %s %d", letter->name,
                   letter->state == LETTER_CUT ? "cut off:" : "answered:",
                   letter->state == LETTER_CUT ? status : letter->code);
    if (world->hooks.letter_ended)
        world->hooks.letter_ended(world->hooks.context, letter);
    if (world->hooks.quiet && world_is_quiet(world))
        world->hooks.quiet(world->hooks.context);
}

/* "Fsender\0Trecipient\0...\0". */
static char *make_envelope(const struct letter *letter, const char *sender, size_t *size)
{
    size_t used = strlen(sender) + 2;
    char *envelope;

    for (size_t i = 0; i < letter->recipient_count; i++)
        used += strlen(letter->recipients[i]) + 2;
    envelope = must_alloc(used + 1);
    *size = used + 1;
    envelope[0] = 'F';
    used = (size_t) (stpcpy(envelope + 1, sender) - envelope) + 1;
    for (size_t i = 0; i < letter->recipient_count; i++) {
        envelope[used] = 'T';
        used = (size_t) (stpcpy(envelope + used + 1, letter->recipients[i]) - envelope) + 1;
    }
    envelope[used] = 0;
    return envelope;
}

struct submission_texts {
    char path[200], home[200], user[100], environment_home[220], environment_user[120];
    char sender[400];
};

/* argv of the submitter; malloc'd array. */
static const char **make_arguments(const struct letter *letter, const struct submitter *submitter)
{
    const char **argv = must_alloc((letter->recipient_count + 6) * sizeof *argv);
    size_t count = 0;
    bool queue = strcmp(submitter->program, "nixie-queue") == 0;

    argv[count++] = submitter->program;
    if (!queue) {
        if (strcmp(submitter->program, "nixie-inject") == 0)
            argv[count++] = "-a";
        if (submitter->sender) {
            argv[count++] = "-f";
            argv[count++] = submitter->sender;
        }
        argv[count++] = "--";
        for (size_t i = 0; i < letter->recipient_count; i++)
            argv[count++] = letter->recipients[i];
    }
    argv[count] = NULL;
    return argv;
}

static void fill_texts(struct submission_texts *texts, const struct machine *machine,
                       const struct submitter *submitter)
{
    const char *user = submitter->user ? submitter->user->name : "root";

    snprintf(texts->path, sizeof texts->path, HOME_DIRECTORY "/bin/%s", submitter->program);
    snprintf(texts->home, sizeof texts->home, submitter->user ? "/home/%s" : "/", user);
    snprintf(texts->environment_home, sizeof texts->environment_home, "HOME=%s", texts->home);
    snprintf(texts->environment_user, sizeof texts->environment_user, "USER=%s", user);
    snprintf(texts->sender, sizeof texts->sender, "%s@%s", user, machine->spec->domain);
}

void world_submit(struct world *world, size_t index, const struct submitter *submitter)
{
    struct letter *letter = &world->letters[index];
    struct machine *machine = &world->machines[letter->machine];
    struct submission_texts texts;
    const char *environment[] = {"PATH=" HOME_DIRECTORY "/bin:/bin", texts.environment_home,
                                 texts.environment_user, NULL};
    size_t header = strlen(letter->header), size = header + letter->content.size;
    const char **argv = make_arguments(letter, submitter);
    char *message = must_alloc(size), *envelope = NULL;
    struct process_spec spec = {.argv = argv,
                                .environment = environment,
                                .uid = home_uid(machine->spec, submitter->user),
                                .gid = (gid_t) home_uid(machine->spec, submitter->user),
                                .input = message,
                                .input_size = size,
                                .output = letter_output,
                                .ended = letter_ended,
                                .context = world};
    int error = 0;

    idle_note(world);
    fill_texts(&texts, machine, submitter);
    spec.path = texts.path;
    spec.directory = texts.home;
    memcpy(message, letter->header, header);
    memcpy(message + header, letter->content.data, letter->content.size);
    if (strcmp(submitter->program, "nixie-queue") == 0) {
        envelope = make_envelope(letter, submitter->sender ? submitter->sender : texts.sender,
                                 &spec.input1_size);
        spec.input1 = envelope;
    }
    letter->sent_ns = kernel_now(world->kernel);
    world_tell(world, letter->machine, "submit    %s: %s runs %s", letter->name,
               submitter->user ? submitter->user->name : "root", submitter->program);
    letter->process =
        host_is_up(machine->host) ? process_start(machine->host, &spec, &error) : NULL;
    if (letter->process) {
        process_set_tag(letter->process, index + 1);
        letter->state = LETTER_RUNNING;
        letter_runs(world, letter);
    } else {
        letter->state = LETTER_REFUSED;
        letter->code = 127;
        letter->ended_ns = letter->sent_ns;
        world_tell(world, letter->machine, "submit    %s: %s", letter->name,
                   error ? strerror(error) : "the host is down");
    }
    free(envelope);
    free(message);
    free(argv);
}
