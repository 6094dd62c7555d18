/* SPDX-License-Identifier: ISC */
/* What was delivered, read out of Maildirs, mbox files and programs' records at the end. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "sim/world/dialogue.h"
#include "sim/world/internal.h"

/* --- mbox files while they grow --------------------------------------------------------------*/

static bool in_maildir(const char *path)
{
    return strstr(path, "/tmp/") || strstr(path, "/new/") || strstr(path, "/cur/");
}

/* Nixie's own notes in a home: names of those may come back behind a power loss, and lead to a
 * mailbox. */
static bool is_note(const char *path)
{
    static const char end[] = ".nixie";
    const char *name = strrchr(path, '/') + 1;
    size_t length = strlen(name);

    return strstr(path, "/.nixie-progress/") ||
           (*name == '.' && length >= sizeof end && strcmp(name + length - 6, end) == 0);
}

void growth_note(struct machine *machine, const char *path)
{
    struct world *world = machine->world;
    struct mbox_file *mbox = NULL;
    struct mbox_growth *growth;

    if (in_maildir(path) || is_note(path))
        return;
    for (size_t i = 0; i < world->mbox_count && !mbox; i++)
        if (world->mboxes[i].machine == machine->index && strcmp(world->mboxes[i].path, path) == 0)
            mbox = &world->mboxes[i];
    if (!mbox) {
        mbox = LIST_ADD(world->mboxes, world->mbox_count);
        mbox->machine = machine->index;
        mbox->path = must_copy(path, strlen(path));
    }
    growth = LIST_ADD(mbox->growth, mbox->growth_count);
    growth->time_ns = kernel_now(world->kernel);
    growth->size = host_file_size(machine->host, path);
    growth->back = false;
}

void growth_reread(struct machine *machine)
{
    struct world *world = machine->world;

    for (size_t i = 0; i < world->mbox_count; i++) {
        struct mbox_file *mbox = &world->mboxes[i];
        struct mbox_growth *growth;

        if (mbox->machine != machine->index)
            continue;
        growth = LIST_ADD(mbox->growth, mbox->growth_count);
        growth->time_ns = kernel_now(world->kernel);
        growth->size = host_file_size(machine->host, mbox->path);
        growth->back = true;
    }
}

/* --- copies ----------------------------------------------------------------------------------*/

/* True if `data` ends with that, or with a newline behind it that its last line did not have. */
static bool ends_with(const char *data, size_t size, const char *end, size_t length)
{
    if (length <= size && memcmp(data + size - length, end, length) == 0)
        return true;
    return size > length && data[size - 1] == '\n' && length > 0 && end[length - 1] != '\n' &&
           memcmp(data + size - 1 - length, end, length) == 0;
}

/* What SMTP makes of a text: a CR before LF is part of the line's end, and the last line gets one.
 * Where our server sends it (`blank`), any other CR is a blank (mta/lib/smtp_send.h).  Malloc'd. */
static char *as_sent(const char *text, size_t size, bool blank, size_t *length)
{
    char *sent = must_alloc(size + 1);
    size_t used = 0;

    for (size_t i = 0; i < size; i++) {
        bool ends_line = i + 1 < size && text[i + 1] == '\n';

        if (text[i] != '\r' || !ends_line)
            sent[used++] = (char) (text[i] == '\r' && blank ? ' ' : text[i]);
    }
    if (used > 0 && sent[used - 1] != '\n')
        sent[used++] = '\n';
    *length = used;
    return sent;
}

/* The same with what SMTP changes: once by the client, then by servers of ours. */
static bool ends_as_sent(const char *data, size_t size, const struct text *content, bool by_client,
                         bool relayed)
{
    size_t length = content->size;
    char *sent = must_copy(content->data, length);
    bool same;

    for (int pass = 0; pass < 2; pass++)
        if (pass == 0 ? by_client : relayed) {
            char *again = as_sent(sent, length, pass == 1, &length);

            free(sent);
            sent = again;
        }
    same = ends_with(data, size, sent, length);
    free(sent);
    return same;
}

bool content_unchanged(const struct letter *letter, const char *data, size_t size, bool relayed)
{
    const char *content = letter->content.data;
    size_t length = letter->content.size, body;
    bool by_client = letter->path == LETTER_BY_SMTP;

    if (letter->path == LETTER_BY_INJECT) {
        body = body_offset(content, length);
        content += body;
        length -= body;
    }
    if (ends_with(data, size, content, length))
        return true;
    return (by_client || relayed) && length > 0 && memchr(content, '\r', length) &&
           ends_as_sent(data, size, &(struct text){content, length}, by_client, relayed);
}

/* Takes over `data`.  `sender`: as a program is told, since no Return-Path does; or NULL. */
static struct copy *add_copy(struct world *world, size_t machine, enum copy_kind kind,
                             const char *place, size_t place_size, char *data, size_t size,
                             const char *sender)
{
    struct copy *copy = LIST_ADD(world->copies, world->copy_count);
    struct identity identity;

    identify(world, data, size, sender, &identity);
    copy->machine = machine;
    copy->kind = kind;
    copy->place = must_copy(place, place_size);
    copy->path = must_copy(place, place_size);
    copy->data = data;
    copy->size = size;
    copy->chain = identity.chain;
    copy->letter = identity.letter;
    copy->bounce = identity.bounce;
    copy->unchanged = identity.letter == NO_LETTER || identity.bounce > 0 ||
                      content_unchanged(&world->letters[identity.letter], data, size,
                                        machine != world->letters[identity.letter].machine);
    return copy;
}

static void collect_maildir(struct world *world, const struct arrival *arrival)
{
    const char *slash = strrchr(arrival->path, '/');
    struct copy *copy;
    char *data;
    size_t size;

    if (host_read_file(world->machines[arrival->machine].host, arrival->path, &data, &size) < 0)
        return;
    copy = add_copy(world, arrival->machine, COPY_MAILDIR, arrival->path,
                    (size_t) (slash - arrival->path) - 4, data, size, NULL);
    free(copy->path);
    copy->path = must_copy(arrival->path, strlen(arrival->path));
    copy->time_ns = arrival->time_ns;
}

/* --- mbox ------------------------------------------------------------------------------------*/

/* The end of the message that begins at `at`: where the next "From " line behind an empty line
 * stands, or the end of the file. */
static size_t mbox_message_end(const char *data, size_t size, size_t at)
{
    const char *found = memmem(data + at, size - at, "\n\nFrom ", 7);

    return found ? (size_t) (found - data) + 2 : size;
}

/* The message without its "From " line, the quoting of From lines, and the empty line behind. */
static char *mbox_unquote(const char *from, size_t size, size_t *result_size)
{
    char *to = must_alloc(size + 1);
    const char *end = from + size, *at = memchr(from, '\n', size);
    size_t used = 0;

    at = at ? at + 1 : end;
    if (end - at >= 2 && end[-1] == '\n' && end[-2] == '\n')
        end--;
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t) (end - at));
        const char *stop = newline ? newline + 1 : end, *mark = at;

        while (mark < stop && *mark == '>')
            mark++;
        if (mark > at && stop - mark >= 5 && memcmp(mark, "From ", 5) == 0)
            at++;
        memcpy(to + used, at, (size_t) (stop - at));
        used += (size_t) (stop - at);
        at = stop;
    }
    to[used] = 0;
    *result_size = used;
    return to;
}

/* When the file first was as long as that and stayed so; what was cut off, and a power loss brought
 * back, was written when it first was there. */
static int64_t mbox_time(const struct mbox_file *mbox, uint64_t size)
{
    int64_t time = 0;
    bool reached = false;

    for (size_t i = 0; i < mbox->growth_count; i++) {
        bool now = mbox->growth[i].size >= size;

        if (now && !reached && !(mbox->growth[i].back && time > 0))
            time = mbox->growth[i].time_ns;
        reached = now;
    }
    return time;
}

/* Where what the power loss has left of a write to that file begins: "home/bob/Mailbox: write of 99
 * bytes at 300"; UINT64_MAX: nothing of it is missing. */
static uint64_t torn_from(const struct upset *upset, const char *path)
{
    uint64_t from = UINT64_MAX, at, size;
    size_t length = strlen(path + 1);

    for (size_t i = 0; i < upset->lost_count; i++)
        if (strncmp(upset->lost[i], path + 1, length) == 0 &&
            sscanf(upset->lost[i] + length, ": write of %" SCNu64 " bytes at %" SCNu64, &size,
                   &at) == 2 &&
            at < from)
            from = at;
    return from;
}

/* When somebody last wrote to the box; a power loss that finds it as it is writes nothing. */
static int64_t last_written(const struct mbox_file *mbox)
{
    size_t i = mbox->growth_count - 1;

    while (i > 0 && mbox->growth[i].back)
        i--;
    return mbox->growth[i].time_ns;
}

/* How much of the box is messages: the next delivery would cut off the rest of one that the power
 * loss came into, but there was none, since this was given up or deleted. */
static size_t whole_size(const struct world *world, const struct mbox_file *mbox, size_t size)
{
    int64_t written = last_written(mbox);

    for (size_t i = 0; i < world->upset_count; i++) {
        const struct upset *upset = &world->upsets[i];

        if (upset->kind == UPSET_POWER && upset->machine == mbox->machine &&
            upset->time_ns >= written && torn_from(upset, mbox->path) < size)
            size = torn_from(upset, mbox->path);
    }
    return size;
}

static void collect_mbox(struct world *world, const struct mbox_file *mbox)
{
    size_t size, at = 0;
    char *data;

    if (host_read_file(world->machines[mbox->machine].host, mbox->path, &data, &size) < 0)
        return;
    size = whole_size(world, mbox, size);
    if (size < 5 || memcmp(data, "From ", 5) != 0)
        size = 0; /* some other file of a user's */
    while (at < size) {
        size_t end = mbox_message_end(data, size, at), message_size;
        char *message = mbox_unquote(data + at, end - at, &message_size);
        struct copy *copy = add_copy(world, mbox->machine, COPY_MBOX, mbox->path,
                                     strlen(mbox->path), message, message_size, NULL);

        copy->time_ns = mbox_time(mbox, end);
        at = end;
    }
    free(data);
}

/* --- programs --------------------------------------------------------------------------------*/

const char *run_variable(const struct program_run *run, const char *name)
{
    size_t length = strlen(name);

    for (size_t i = 0; i < run->environment_count; i++)
        if (strncmp(run->environment[i], name, length) == 0 && run->environment[i][length] == '=')
            return run->environment[i] + length + 1;
    return NULL;
}

/* A run that took the message. */
static void collect_run(struct world *world, const struct program_run *run)
{
    const char *recipient = run_variable(run, "RECIPIENT");
    size_t length;
    struct copy *copy;
    char *chain;

    if (!run->ended || (run->exit_code != 0 && run->exit_code != 99) || !recipient)
        return;
    copy = add_copy(world, run->machine, COPY_PROGRAM, run->program, strlen(run->program),
                    must_copy(run->input ? run->input : "", run->input_size), run->input_size,
                    run_variable(run, "SENDER"));
    copy->time_ns = run->end_ns;
    if (run_variable(run, "SENDER"))
        copy->sender = must_copy(run_variable(run, "SENDER"), strlen(run_variable(run, "SENDER")));
    length = strlen(recipient);
    if (strncmp(copy->chain, recipient, length) == 0 && copy->chain[length] == '\n' &&
        run_variable(run, "DTLINE") &&
        strncmp(copy->data, run_variable(run, "DTLINE"), strlen(run_variable(run, "DTLINE"))) == 0)
        return; /* preline has put it there */
    chain = must_alloc(length + strlen(copy->chain) + 2);
    sprintf(chain, "%s\n%s", recipient, copy->chain);
    free(copy->chain);
    copy->chain = chain;
}

/* What a remote took is a copy for each recipient of that transaction. */
static void collect_taking(struct world *world, size_t index)
{
    const struct taking *taking = &world->takings[index];
    const char *name = world->machines[taking->machine].name;

    for (size_t i = 0; i < taking->recipient_count; i++) {
        struct copy *copy = LIST_ADD(world->copies, world->copy_count);
        size_t length = strlen(taking->recipients[i]);

        copy->machine = taking->machine;
        copy->kind = COPY_REMOTE;
        copy->place = must_copy(name, strlen(name));
        copy->path = must_copy(name, strlen(name));
        copy->time_ns = taking->time_ns;
        copy->data = taking->data;
        copy->size = taking->size;
        copy->chain = must_alloc(length + strlen(taking->chain) + 2);
        sprintf(copy->chain, "%s\n%s", taking->recipients[i], taking->chain);
        copy->letter = taking->letter;
        copy->bounce = taking->bounce;
        copy->unchanged = taking->unchanged;
        copy->taking = index;
    }
}

void world_collect(struct world *world)
{
    for (size_t i = 0; i < world->arrival_count; i++)
        collect_maildir(world, &world->arrivals[i]);
    for (size_t i = 0; i < world->mbox_count; i++)
        collect_mbox(world, &world->mboxes[i]);
    for (size_t i = 0; i < world->run_count; i++)
        collect_run(world, &world->runs[i]);
    for (size_t i = 0; i < world->taking_count; i++)
        collect_taking(world, i);
    dialogue_make(world);
    world_index(world);
}
