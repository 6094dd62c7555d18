/* SPDX-License-Identifier: ISC */
/* The spool as it is seen from outside: which files each message has, call by call. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "sim/world/home.h"
#include "sim/world/internal.h"
#include "sim/world/judge.h"
#include "sim/world/route.h"

#define DIRECT_MAX 1000000
#define IN_WORK_NS (36 * 3600 * NANOSECONDS)

/* --- finding ---------------------------------------------------------------------------------*/

struct entry *world_entry(struct world *world, size_t machine, uint64_t number)
{
    const struct machine *at = &world->machines[machine];

    if (number < at->by_number_size)
        return at->by_number[number] ? &world->entries[at->by_number[number] - 1] : NULL;
    if (number < DIRECT_MAX)
        return NULL;
    for (size_t i = 0; i < world->entry_count; i++)
        if (world->entries[i].machine == machine && world->entries[i].number == number)
            return &world->entries[i];
    return NULL;
}

static void index_entry(struct machine *machine, uint64_t number, size_t index)
{
    if (number >= DIRECT_MAX)
        return;
    if (number >= machine->by_number_size) {
        size_t size = machine->by_number_size ? machine->by_number_size : 64;

        while (size <= number)
            size *= 2;
        machine->by_number = must_resize(machine->by_number, size * sizeof *machine->by_number);
        memset(machine->by_number + machine->by_number_size, 0,
               (size - machine->by_number_size) * sizeof *machine->by_number);
        machine->by_number_size = size;
    }
    machine->by_number[number] = index + 1;
}

struct entry *entry_get(struct world *world, struct machine *machine, uint64_t number)
{
    struct entry *entry = world_entry(world, machine->index, number);

    if (entry)
        return entry;
    entry = LIST_ADD(world->entries, world->entry_count);
    entry->machine = machine->index;
    entry->number = number;
    entry->letter = NO_LETTER;
    entry->birth_ns = INT64_MIN;
    index_entry(machine, number, world->entry_count - 1);
    return entry;
}

const char *entry_name(const struct world *world, const struct entry *entry, char to[ENTRY_NAME])
{
    char number[20] = "";

    if (entry->ordinal > 1)
        snprintf(number, sizeof number, "#%u", entry->ordinal);
    if (entry->letter == NO_LETTER)
        snprintf(to, ENTRY_NAME, "message %llu", (unsigned long long) entry->number);
    else
        snprintf(to, ENTRY_NAME, "%s%s%s%s", world->letters[entry->letter].name, number,
                 entry->bounce >= 1 ? ".bounce" : "", entry->bounce >= 2 ? ".bounce" : "");
    return to;
}

const struct bounce_report *entry_report(struct entry *entry)
{
    if (!entry->report) {
        entry->report = must_zeroed(sizeof *entry->report);
        bounce_report_read(entry->report, entry->text ? entry->text : "", entry->text_size);
    }
    return entry->report;
}

const struct entry *world_original(const struct world *world, const struct entry *entry)
{
    for (unsigned depth = entry->bounce; depth > 0; depth--) {
        if (entry->parent == 0)
            return NULL;
        entry = world_entry((struct world *) (uintptr_t) world, entry->machine, entry->parent);
        if (!entry || entry->bounce != depth - 1)
            return NULL;
    }
    return entry;
}

enum stage entry_stage_at(const struct entry *entry, int64_t time_ns)
{
    enum stage stage = STAGE_S1;

    for (size_t i = 0; i < entry->history_count && entry->history[i].time_ns <= time_ns; i++)
        stage = entry->history[i].stage;
    return stage;
}

/* --- whose it is -----------------------------------------------------------------------------*/

/* Before its content can be read: the letter of the process tree that makes it, else the only one
 * that is being submitted and has no entry. */
static void guess_letter(struct world *world, struct machine *machine, struct entry *entry)
{
    uint64_t tag = world->call ? process_tag(world->call->process) : 0;
    size_t candidate = NO_LETTER;

    entry->guessed = true;
    if (tag > 0) {
        entry->letter = tag - 1;
        return;
    }
    for (size_t i = 0; i < world->running_count; i++) {
        const struct letter *letter = &world->letters[world->running[i]];

        if (letter->state != LETTER_RUNNING || letter->machine != machine->index ||
            letter->has_entry)
            continue;
        if (candidate != NO_LETTER)
            return; /* more than one: not told yet */
        candidate = world->running[i];
    }
    entry->letter = candidate;
}

static void take_identity(struct world *world, struct entry *entry, struct identity *identity)
{
    if (identity->by_header)
        world->letters[identity->letter].has_entry = true;
    entry->letter = identity->letter;
    entry->bounce = identity->bounce;
    entry->guessed = false;
    if (entry->letter != NO_LETTER && entry->ordinal == 0)
        entry->ordinal = (unsigned) ++world->letters[entry->letter]
                             .entry_count[entry->bounce > 1 ? 2 : entry->bounce];
    free(entry->chain);
    entry->chain = identity->chain;
}

/* Who gave it to queue: the first line is the field that queue puts there. */
static enum entry_origin read_origin(const char *data, size_t size)
{
    static const struct {
        const char *words;
        enum entry_origin origin;
    } origins[] = {{" invoked from network)", ORIGIN_NETWORK},
                   {" invoked for bounce)", ORIGIN_BOUNCE},
                   {" invoked by alias)", ORIGIN_ALIAS},
                   {" invoked by uid ", ORIGIN_USER}};
    const char *newline = memchr(data, '\n', size);
    size_t length = newline ? (size_t) (newline - data) : size;

    for (size_t i = 0; i < sizeof origins / sizeof *origins; i++)
        if (memmem(data, length, origins[i].words, strlen(origins[i].words)))
            return origins[i].origin;
    return ORIGIN_UNKNOWN;
}

/* Whether a queue of ours put its field into it before: a second one in the trace fields above the
 * first Delivered-To. */
static bool was_relayed(const char *data, size_t size)
{
    static const char mark[] = "Received: (nixie-queue ";
    const char *end = data + body_offset(data, size), *at = data;
    const char *delivered = memmem(data, (size_t) (end - data), "\nDelivered-To:", 14);
    unsigned count = 0;

    if (delivered)
        end = delivered;
    while (at < end && (at = memmem(at, (size_t) (end - at), mark, sizeof mark - 1))) {
        count++;
        at++;
    }
    return count > 1;
}

/* Reads mess/N (or pid/N before it is renamed) and finds out whose it is. */
static void identify_entry(struct machine *machine, struct entry *entry, const char *directory)
{
    struct identity identity;
    char path[100], *data;
    size_t size;

    snprintf(path, sizeof path, HOME_QUEUE "/%s/%llu", directory,
             (unsigned long long) entry->number);
    if (host_read_file(machine->host, path, &data, &size) < 0)
        return;
    identify(machine->world, data, size, entry->sender, &identity);
    entry->origin = read_origin(data, size);
    entry->relayed = entry->origin == ORIGIN_NETWORK && was_relayed(data, size);
    take_identity(machine->world, entry, &identity);
    if (identity.by_header) {
        free(data);
        return;
    }
    if (entry->report)
        bounce_report_free(entry->report);
    free(entry->report);
    entry->report = NULL;
    free(entry->text);
    entry->text = data;
    entry->text_size = size;
}

/* Reads sender and recipients out of todo/N: NUL-ended records behind a header line. */
static void read_envelope(struct machine *machine, struct entry *entry)
{
    char path[100], *data, *at, *end;
    size_t size;

    snprintf(path, sizeof path, HOME_QUEUE "/todo/%llu", (unsigned long long) entry->number);
    if (host_read_file(machine->host, path, &data, &size) < 0)
        return;
    free(entry->sender);
    entry->sender = NULL;
    for (size_t i = 0; i < entry->recipient_count; i++)
        free(entry->recipients[i]);
    entry->recipient_count = 0;
    routes_free(entry);
    at = memchr(data, '\n', size);
    end = data + size;
    for (at = at ? at + 1 : end; at < end; at += strlen(at) + 1) {
        if (*at == 'F' && !entry->sender)
            entry->sender = must_copy(at + 1, strlen(at + 1));
        else if (*at == 't' && entry->birth_ns == INT64_MIN) /* by the clock as it was then */
            entry->birth_ns =
                strtoll(at + 1, NULL, 10) * NANOSECONDS -
                (kernel_wall(machine->world->kernel) - kernel_now(machine->world->kernel));
        else if (*at == 'T')
            *LIST_ADD(entry->recipients, entry->recipient_count) =
                must_copy(at + 1, strlen(at + 1));
    }
    free(data);
    if (entry->letter == NO_LETTER || entry->guessed)
        identify_entry(machine, entry, "mess");
}

/* --- changes ---------------------------------------------------------------------------------*/

static void answer(struct world *world, struct entry *entry, bool yes)
{
    char name[ENTRY_NAME];

    if (entry->answer != ANSWER_NONE)
        return;
    entry->answer = yes ? ANSWER_YES : ANSWER_NO;
    entry->answer_ns = kernel_now(world->kernel);
    if (world->story)
        world_tell(world, entry->machine, "queue     %s (%llu) is %s",
                   entry_name(world, entry, name), (unsigned long long) entry->number,
                   yes ? "accepted" : "refused");
    if (yes && entry->bounce > 0 && world->hooks.bounced)
        world->hooks.bounced(world->hooks.context, entry);
}

struct process_search {
    struct host *host;
    pid_t pid;
    bool found;
};

static void search_process(void *context, const struct process *process, size_t bytes,
                           unsigned descriptors)
{
    struct process_search *search = context;

    (void) bytes;
    (void) descriptors;
    search->found |= process_host(process) == search->host && process_pid(process) == search->pid;
}

/* A new message is with the queue until that has renamed it, or given it up; one that is 36 hours
 * old nobody writes any more: also by the system's clock, which nixie-clean goes by. */
static bool is_in_work(const struct machine *machine, const struct entry *entry, enum spool_bit bit)
{
    const struct kernel *kernel = machine->world->kernel;
    struct process_search search = {machine->host, entry->maker, false};

    if (bit != BIT_PID || entry->history_count == 0 ||
        kernel_now(kernel) >= entry->history[0].time_ns + IN_WORK_NS ||
        kernel_wall(kernel) >= entry->made_ns + IN_WORK_NS)
        return false;
    kernel_tell_processes(machine->world->kernel, search_process, &search);
    return search.found;
}

static void check_owner(struct machine *machine, struct entry *entry, enum spool_bit bit,
                        bool added)
{
    struct world *world = machine->world;
    char name[ENTRY_NAME], bits[BITS_TEXT];
    const char *program = world->call ? process_name(world->call->process) : "nixie-queue";

    if (!world->call ||
        (spool_may_change(program, bit, added) &&
         (added || strcmp(program, "nixie-clean") != 0 || !is_in_work(machine, entry, bit))))
        return;
    world_accuse(world, "OWNER", entry->letter, entry->bounce, "%s: %s %s%llu %s",
                 entry_name(world, entry, name), process_name(world->call->process),
                 added ? "made " : "removed ", (unsigned long long) entry->number,
                 bits_format(bit, bits));
}

/* A sync has failed before that, and the journal says so until it begins anew. */
static bool is_in_doubt(const struct machine *machine)
{
    const struct world *world = machine->world;

    for (size_t i = 0; i < world->upset_count; i++)
        if (world->upsets[i].machine == machine->index && world->upsets[i].kind == UPSET_FAULT &&
            upset_touches(&world->upsets[i], HIT_SYNC))
            return journal_is_in_doubt(machine);
    return false;
}

/* A call of queue's has failed since the message came into the spool, or something was killed, or
 * the journal is in doubt, and it is still in S4: queue makes its files anew. */
static bool is_made_anew(const struct machine *machine, const struct entry *entry)
{
    const struct world *world = machine->world;

    if (!(entry->bits & BIT_TODO) || entry->history_count == 0)
        return false;
    for (size_t i = 0; i < world->upset_count; i++) {
        const struct upset *upset = &world->upsets[i];

        if (upset->machine == machine->index && upset->time_ns >= entry->history[0].time_ns &&
            (upset->kind == UPSET_KILL ||
             (upset->kind == UPSET_FAULT && upset_touches(upset, HIT_QUEUE))))
            return true;
    }
    return is_in_doubt(machine);
}

/* queue has made a first file of that number, or has renamed one over another; not for a message
 * that it makes again out of the journal. */
static void check_number(struct machine *machine, struct entry *entry, enum spool_bit bit)
{
    const struct call *call = machine->world->call;
    char name[ENTRY_NAME];
    bool again = bit == BIT_MESS && (entry->bits & BIT_MESS);

    if (!call || (call->id != CALL_open && call->id != CALL_rename))
        return;
    if (bit == BIT_PID) {
        again = entry->given;
        entry->maker = process_pid(call->process);
        entry->made_ns = kernel_wall(machine->world->kernel);
        entry->given = true;
    }
    if (again && !journal_holds(machine, entry) && !is_made_anew(machine, entry))
        world_accuse(machine->world, "NUMBER", entry->letter, entry->bounce,
                     "the number %llu is given again: %s had it",
                     (unsigned long long) entry->number, entry_name(machine->world, entry, name));
}

void entries_note_name(struct machine *machine, const char *path, bool added)
{
    struct world *world = machine->world;
    enum spool_bit bit;
    uint64_t number;
    struct entry *entry;
    unsigned before;

    if (!spool_path_parse(path, &bit, &number))
        return;
    entry = entry_get(world, machine, number);
    before = entry->bits;
    check_owner(machine, entry, bit, added);
    if (added)
        check_number(machine, entry, bit);
    if (added && bit == BIT_INFO && world->call) {
        entry->prepared = true;
        entry->todo_back = false;
    }
    entry->bits = added ? entry->bits | bit : entry->bits & ~(unsigned) bit;
    entry->dirty = true;
    machine->alive += (entry->bits != 0) - (before != 0);
}

void entry_change_stage(struct machine *machine, struct entry *entry, enum stage stage)
{
    struct world *world = machine->world;
    struct stage_change *change = LIST_ADD(entry->history, entry->history_count);
    char name[ENTRY_NAME];

    entry->stage = stage;
    world->changed_ns = change->time_ns = kernel_now(world->kernel);
    change->stage = stage;
    if (world->story)
        world_tell(world, machine->index, "stage     %s (%llu) %s %s",
                   entry_name(world, entry, name), (unsigned long long) entry->number,
                   stage == STAGE_S1 && !entry->bits ? "leaves the spool:" : "enters",
                   stage_name(stage));
    if (stage != STAGE_ODD && world->call && world->hooks.after_stage)
        world->hooks.after_stage(world->hooks.context, entry, stage);
}

/* What send had written beside a todo that queue then withdrew: send removes it when it sees that.
 */
static bool is_withdrawn(const struct entry *entry)
{
    return entry->answer == ANSWER_NO &&
           !(entry->bits & (BIT_PID | BIT_MESS | BIT_INTD | BIT_TODO));
}

/* queue makes it again out of the journal, beside what is there of S5: send puts that right. */
static void suspect_made_again(struct machine *machine, struct entry *entry)
{
    if (entry->suspect || !machine->journal.waits || !(entry->bits & BIT_TODO) ||
        !journal_holds(machine, entry))
        return;
    entry->suspect = true;
    machine->suspects++;
}

static void settle_entry(struct machine *machine, struct entry *entry)
{
    struct world *world = machine->world;
    enum stage stage = stage_of(entry->bits);
    char bits[BITS_TEXT], name[ENTRY_NAME];
    enum stage before = entry->stage;

    entry->dirty = false;
    if (stage != STAGE_ODD && entry->suspect) {
        entry->suspect = false;
        machine->suspects--;
    }
    if (before == STAGE_S4 && !(entry->bits & BIT_TODO) && world->call &&
        world->call->id == CALL_unlink &&
        strcmp(process_name(world->call->process), "nixie-clean") == 0)
        contract_todo_removed(machine, entry);
    if (stage == before)
        return;
    if (stage == STAGE_S1 && before == STAGE_NONE)
        guess_letter(world, machine, entry);
    if (stage == STAGE_S2 && before <= STAGE_S1)
        identify_entry(machine, entry, "mess");
    if (stage == STAGE_S4 && before == STAGE_S3) {
        read_envelope(machine, entry);
        files_note_accepted(machine, entry);
        entry->queue_pid = world->call ? process_pid(world->call->process) : 0;
        machine->sync_pending = true;
    }
    if ((stage == STAGE_S2 || stage == STAGE_S5) && before == STAGE_S4 && world->call &&
        strcmp(process_name(world->call->process), "nixie-queue") == 0)
        answer(world, entry, false); /* withdrawn */
    if (stage == STAGE_ODD)
        suspect_made_again(machine, entry);
    if (stage == STAGE_ODD && !entry->suspect && !is_withdrawn(entry))
        world_accuse(world, "STAGE", entry->letter, entry->bounce, "%s (%llu) is in %s: %s",
                     entry_name(world, entry, name), (unsigned long long) entry->number,
                     stage_name(stage), bits_format(entry->bits, bits));
    entry_change_stage(machine, entry, stage);
    if (stage == STAGE_S5 && before == STAGE_S4 && entry->answer != ANSWER_NO)
        files_check(machine, entry, FILES_PREPARED);
}

void entries_settle(struct machine *machine)
{
    struct world *world = machine->world;
    enum spool_bit bit;
    uint64_t number;

    /* A call changes at most the names that it has. */
    const char *const paths[] = {world->call ? world->call->path : NULL,
                                 world->call ? world->call->path2 : NULL};

    for (size_t i = 0; i < 2; i++)
        if (paths[i] && spool_path_parse(paths[i], &bit, &number)) {
            struct entry *entry = world_entry(world, machine->index, number);

            if (entry && entry->dirty)
                settle_entry(machine, entry);
        }
}

/* --- what a call will do ---------------------------------------------------------------------*/

static enum stage stage_foreseen(const struct entry *entry, const struct call *call,
                                 enum spool_bit bit, bool adds)
{
    if (!adds)
        return call->id == CALL_unlink && bit == BIT_TODO && (entry->bits & BIT_INFO) ? STAGE_S5
                                                                                      : STAGE_NONE;
    switch (bit) {
    case BIT_PID:
        return STAGE_S1;
    case BIT_MESS:
        return STAGE_S2;
    case BIT_INTD:
        return STAGE_S3;
    case BIT_TODO:
        return STAGE_S4;
    default:
        return STAGE_NONE;
    }
}

void entries_foresee(struct machine *machine, const struct call *call)
{
    struct world *world = machine->world;
    bool two = call->id == CALL_link || call->id == CALL_rename;
    bool adds = two || (call->id == CALL_open && (call->argument[0] & O_CREAT));
    const char *path = two ? call->path2 : call->path;
    struct entry *entry;
    enum spool_bit bit;
    enum stage stage;
    uint64_t number;

    if ((!adds && call->id != CALL_unlink) || !path || !spool_path_parse(path, &bit, &number))
        return;
    entry = entry_get(world, machine, number);
    if (adds && (entry->bits & bit))
        return;
    stage = stage_foreseen(entry, call, bit, adds);
    if (stage == STAGE_NONE || stage == entry->stage)
        return;
    if (stage == STAGE_S1 && entry->letter == NO_LETTER)
        guess_letter(world, machine, entry);
    if (stage == STAGE_S2 && (entry->letter == NO_LETTER || entry->guessed))
        identify_entry(machine, entry, "pid");
    world->hooks.before_stage(world->hooks.context, entry, stage);
}

/* --- answers and durability ------------------------------------------------------------------*/

void entries_note_exit(struct machine *machine, const struct call *call)
{
    struct world *world = machine->world;
    pid_t pid = process_pid(call->process);

    for (size_t i = world->entry_count; i-- > 0;) {
        struct entry *entry = &world->entries[i];

        if (entry->machine == machine->index && entry->queue_pid == pid)
            answer(world, entry, call->argument[0] == 0);
    }
}

void entries_note_answer(struct machine *machine, const struct call *call)
{
    const char *data = call->data;
    uint64_t code = 0, number = 0;
    struct entry *entry;

    if (!data || call->size < 4 || call->size > 40 || data[call->size - 1] != '\n')
        return;
    const char *end = data + call->size;
    for (; data < end && *data >= '0' && *data <= '9'; data++)
        code = code * 10 + (uint64_t) (*data - '0');
    if (data == call->data || *data++ != ' ')
        return;
    for (; data < end && *data >= '0' && *data <= '9'; data++)
        number = number * 10 + (uint64_t) (*data - '0');
    if (*data != '\n' || number == 0)
        return;
    entry = world_entry(machine->world, machine->index, number);
    if (entry)
        answer(machine->world, entry, code == 0);
}

struct pending_search {
    char marks[2][40];
    bool found;
};

static void search_pending(void *context, const char *what)
{
    struct pending_search *search = context;

    for (size_t i = 0; i < 2; i++)
        search->found = search->found || strstr(what, search->marks[i]);
}

void entries_note_durable(struct machine *machine)
{
    struct world *world = machine->world;
    bool waiting = false;

    if (!machine->sync_pending)
        return;
    for (size_t i = 0; i < world->entry_count; i++) {
        struct entry *entry = &world->entries[i];
        struct pending_search search = {.found = false};

        if (entry->machine != machine->index || entry->durable || entry->stage != STAGE_S4)
            continue;
        snprintf(search.marks[0], sizeof search.marks[0],
                 "/todo/%llu:", (unsigned long long) entry->number);
        snprintf(search.marks[1], sizeof search.marks[1],
                 "/mess/%llu:", (unsigned long long) entry->number);
        if (!journal_holds(machine, entry))
            vfs_describe_pending(host_vfs(machine->host), search_pending, &search);
        if (search.found) {
            waiting = true;
            continue;
        }
        entry->durable = true;
        entry->durable_ns = kernel_now(world->kernel);
        if (world->hooks.durable)
            world->hooks.durable(world->hooks.context, entry);
    }
    machine->sync_pending = waiting;
}
