/* SPDX-License-Identifier: ISC */
#include "sim/trace/story.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define LINE_ROOM 8192
#define NANOSECONDS 1000000000LL

/* What numbers of a machine's messages and deliveries stand for, and where it is. */
struct number {
    const char *machine;
    char kind; /* m message, d delivery */
    unsigned long long number;
    const char *name;
};

struct machine_call {
    const char *machine, *call;
};

struct message_stage {
    const char *message, *stage;
};

struct story_memory {
    struct number *numbers;
    size_t number_count;
    struct machine_call *calls;
    size_t call_count;
    struct message_stage *stages;
    size_t stage_count;
};

/* --- what is remembered ------------------------------------------------------------------------*/

/* The newest of that number, or NULL. */
static const char *named(const struct story *story, const char *machine, char kind,
                         unsigned long long number)
{
    const struct story_memory *memory = story->memory;

    for (size_t i = memory->number_count; i-- > 0;)
        if (memory->numbers[i].kind == kind && memory->numbers[i].number == number &&
            strcmp(memory->numbers[i].machine, machine) == 0)
            return memory->numbers[i].name;
    return NULL;
}

static void remember(struct story *story, const char *machine, char kind, unsigned long long number,
                     const char *name)
{
    *POOL_ADD(&story->pool, story->memory->numbers, story->memory->number_count) =
        (struct number){machine, kind, number, name};
}

static const char **call_of(struct story *story, const char *machine)
{
    struct story_memory *memory = story->memory;

    for (size_t i = 0; i < memory->call_count; i++)
        if (strcmp(memory->calls[i].machine, machine) == 0)
            return &memory->calls[i].call;
    *POOL_ADD(&story->pool, memory->calls, memory->call_count) =
        (struct machine_call){machine, NULL};
    return &memory->calls[memory->call_count - 1].call;
}

static const char **stage_of_message(struct story *story, const char *message)
{
    struct story_memory *memory = story->memory;

    for (size_t i = 0; i < memory->stage_count; i++)
        if (strcmp(memory->stages[i].message, message) == 0)
            return &memory->stages[i].stage;
    *POOL_ADD(&story->pool, memory->stages, memory->stage_count) =
        (struct message_stage){message, NULL};
    return &memory->stages[memory->stage_count - 1].stage;
}

/* --- threads -----------------------------------------------------------------------------------*/

const struct story_thread *story_find(const struct story *story, const char *name)
{
    for (size_t i = 0; i < story->thread_count; i++)
        if (strcmp(story->threads[i].name, name) == 0)
            return &story->threads[i];
    return NULL;
}

static struct story_thread *thread_of(struct story *story, const char *name)
{
    const struct story_thread *found = story_find(story, name);
    struct story_thread *thread;

    if (found)
        return &story->threads[found - story->threads];
    thread = POOL_ADD(&story->pool, story->threads, story->thread_count);
    *thread = (struct story_thread){.name = name};
    return thread;
}

struct moment {
    int64_t time_ns;
    const char *machine;
};

/* `message`: whose stage it is, or NULL. */
static void add_step(struct story *story, const struct moment *at, const char *thread_name,
                     const char *message, const char *what)
{
    struct story_thread *thread = thread_of(story, thread_name);
    struct story_step *step = POOL_ADD(&story->pool, thread->steps, thread->count);

    step->time_ns = at->time_ns;
    step->what = what;
    step->call = *call_of(story, at->machine);
    step->stage = message ? *stage_of_message(story, message) : NULL;
}

/* --- lines -------------------------------------------------------------------------------------*/

/* "m1 (1) enters S2", "m1 (1) is accepted": cuts the name off; false: it is none. */
static bool take_entry(struct story *story, const struct moment *at, char *text, const char **name,
                       const char **rest)
{
    char *bracket = strstr(text, " ("), *end;
    unsigned long long number;

    if (!bracket)
        return false;
    number = strtoull(bracket + 2, &end, 10);
    if (*end != ')' || end[1] != ' ')
        return false;
    *name = strncmp(text, "message ", 8) == 0 /* it has no name yet */
                ? pool_text(&story->pool, "a message without a name")
                : pool_copy(&story->pool, text, (size_t) (bracket - text));
    *rest = pool_text(&story->pool, end + 2);
    remember(story, at->machine, 'm', number, *name);
    return true;
}

static void hear_stage(struct story *story, const struct moment *at, char *text)
{
    const char *name, *rest, *space;

    if (!take_entry(story, at, text, &name, &rest))
        return;
    add_step(story, at, name, name, rest);
    space = strrchr(rest, ' ');
    *stage_of_message(story, name) = space ? space + 1 : rest;
}

static void hear_queue(struct story *story, const struct moment *at, char *text)
{
    const char *name, *rest;

    if (take_entry(story, at, text, &name, &rest))
        add_step(story, at, name, name, rest);
}

static void hear_submit(struct story *story, const struct moment *at, const char *text)
{
    size_t length = strcspn(text, " ,:");
    const char *name = pool_copy(&story->pool, text, length);

    add_step(story, at, name, name, pool_text(&story->pool, text));
}

/* "m1 from <alice@example.com> for bob@away.example" */
static void hear_took(struct story *story, const struct moment *at, const char *text)
{
    const char *name = pool_copy(&story->pool, text, strcspn(text, " "));
    const char *recipient = strstr(text, " for ");

    if (recipient)
        add_step(story, at, pool_format(&story->pool, "%s to %s", name, recipient + 5), name,
                 pool_format(&story->pool, "%s takes it", at->machine));
}

/* The number behind `prefix`, and what follows it; false: another line. */
static bool numbered(const char *text, const char *prefix, unsigned long long *number,
                     const char **rest)
{
    size_t length = strlen(prefix);
    char *end;

    if (strncmp(text, prefix, length) != 0 || !isdigit((unsigned char) text[length]))
        return false;
    *number = strtoull(text + length, &end, 10);
    *rest = end;
    return true;
}

static void hear_try(struct story *story, const struct moment *at, unsigned long long delivery,
                     const char *text)
{
    unsigned long long number;
    const char *to, *name, *thread;

    if (!numbered(text, ": msg ", &number, &to))
        return;
    name = named(story, at->machine, 'm', number);
    to = strncmp(to, " to ", 4) == 0 ? to + 4 : to;
    to = strchr(to, ' ') ? strchr(to, ' ') + 1 : to;
    thread = pool_format(&story->pool, "%s to %s", name ? name : "a message without a name", to);
    remember(story, at->machine, 'd', delivery, thread);
    add_step(story, at, thread, name, "is tried");
}

static void hear_log(struct story *story, const struct moment *at, const char *text)
{
    unsigned long long number;
    const char *rest, *name;

    if (numbered(text, "starting delivery ", &number, &rest)) {
        hear_try(story, at, number, rest);
    } else if (numbered(text, "delivery ", &number, &rest)) {
        name = named(story, at->machine, 'd', number);
        if (name)
            add_step(story, at, name, NULL, pool_text(&story->pool, rest + strspn(rest, ": ")));
    } else if (numbered(text, "bounce msg ", &number, &rest)) {
        name = named(story, at->machine, 'm', number);
        if (name)
            add_step(story, at, name, name, "bounces");
    } else if (strncmp(text, "alert: ", 7) == 0 || strncmp(text, "warning: ", 9) == 0) {
        add_step(story, at, pool_format(&story->pool, "machine %s", at->machine), NULL,
                 pool_text(&story->pool, text));
    }
}

/* "nixie-clean[8] unlink todo/1" without the pid and what is behind a Maildir's new name. */
static const char *plain_call(struct story *story, const char *text)
{
    char plain[LINE_ROOM];
    size_t used = 0;

    for (; *text && used + 1 < sizeof plain; text++) {
        if (*text == '[' && isdigit((unsigned char) text[1])) {
            text += 1 + strspn(text + 1, "0123456789");
            continue;
        }
        if ((strncmp(text, "/tmp/", 5) == 0 || strncmp(text, "/new/", 5) == 0) &&
            sizeof plain - used > sizeof "/tmp/...") {
            used += (size_t) snprintf(plain + used, sizeof plain - used, "%.5s...", text);
            text += 4 + strcspn(text + 5, " :");
            continue;
        }
        plain[used++] = *text;
    }
    while (used > 0 && plain[used - 1] == ' ')
        used--;
    return pool_copy(&story->pool, plain, used);
}

static void hear_machine(struct story *story, const struct moment *at, const char *kind,
                         const char *text)
{
    static const char *const kinds[] = {"CRASH", "boot", "start", "stop",    "kill",  "signal",
                                        "DOWN",  "UP",   "fault", "network", "order", "disk"};

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kind, kinds[i]) == 0)
            add_step(story, at, pool_format(&story->pool, "machine %s", at->machine), NULL,
                     plain_call(story, strcmp(kind, "CRASH") == 0
                                           ? pool_format(&story->pool, "%s %s", kind,
                                                         strncmp(text, "power", 5) ? text : "power")
                                           : pool_format(&story->pool, "%s %s", kind, text)));
}

static void hear_line(struct story *story, const struct moment *at, const char *kind, char *text)
{
    if (strcmp(kind, "call") == 0)
        *call_of(story, at->machine) = plain_call(story, text);
    else if (strcmp(kind, "stage") == 0)
        hear_stage(story, at, text);
    else if (strcmp(kind, "queue") == 0)
        hear_queue(story, at, text);
    else if (strcmp(kind, "submit") == 0)
        hear_submit(story, at, text);
    else if (strcmp(kind, "took") == 0)
        hear_took(story, at, text);
    else if (strcmp(kind, "log") == 0)
        hear_log(story, at, text);
    else
        hear_machine(story, at, kind, text);
}

/* "+1h02m03.000456s" at *at; false: it is none. */
static bool take_time(char **at, int64_t *time_ns)
{
    long long hours, minutes, seconds, micros;
    int used = 0;

    *at += strspn(*at, " ");
    if (sscanf(*at, "+%lldh%2lldm%2lld.%6llds%n", &hours, &minutes, &seconds, &micros, &used) < 4 ||
        used == 0)
        return false;
    *time_ns = ((hours * 60 + minutes) * 60 + seconds) * NANOSECONDS + micros * 1000;
    *at += used;
    return true;
}

/* A word, and the blanks behind it. */
static const char *take_word(struct story *story, char **at)
{
    size_t length = strcspn(*at += strspn(*at, " "), " ");
    const char *word = pool_copy(&story->pool, *at, length);

    *at += length;
    *at += strspn(*at, " ");
    return word;
}

int story_read(struct story *story, FILE *from)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t length;

    memset(story, 0, sizeof *story);
    story->memory = pool_alloc(&story->pool, sizeof *story->memory);
    memset(story->memory, 0, sizeof *story->memory);
    while ((length = getline(&line, &room, from)) > 0) {
        struct moment at;
        char *text = line;
        const char *kind;

        if (line[length - 1] == '\n')
            line[length - 1] = 0;
        if (!take_time(&text, &at.time_ns))
            continue;
        at.machine = take_word(story, &text);
        kind = take_word(story, &text);
        hear_line(story, &at, kind, text);
        story->line_count++;
    }
    free(line);
    return story->line_count > 0 ? 0 : -1;
}

void story_free(struct story *story)
{
    pool_free(&story->pool);
}
