/* SPDX-License-Identifier: ISC */
#include "sim/explore/plan.h"

#include <stdlib.h>
#include <string.h>

#include "sim/programs.h"
#include "sim/scenario/fault_words.h"
#include "sim/world/pool.h"

void planned_copy(struct planned *to, const struct planned *from)
{
    *to = *from;
    to->answers = must_alloc((from->answer_count + 1) * sizeof *to->answers);
    if (from->answer_count)
        memcpy(to->answers, from->answers, from->answer_count * sizeof *to->answers);
}

void plan_copy(struct plan *to, const struct plan *from)
{
    memset(to, 0, sizeof *to);
    for (; to->count < from->count; to->count++)
        planned_copy(&to->upsets[to->count], &from->upsets[to->count]);
}

void plan_free(struct plan *plan)
{
    for (size_t i = 0; i < plan->count; i++)
        free(plan->upsets[i].answers);
    memset(plan, 0, sizeof *plan);
}

/* --- to and from a worker ---------------------------------------------------------------------*/

static void fault_put(struct wire *wire, const struct fault_plan *fault)
{
    wire_put(wire, fault->call_number);
    wire_put(wire, fault->kind);
    wire_put_signed(wire, fault->error);
    wire_put_signed(wire, fault->amount);
    wire_put(wire, fault->times);
    wire_put(wire, fault->any);
}

static void fault_get(struct wire_reader *reader, struct fault_plan *fault)
{
    fault->call_number = wire_get(reader);
    fault->kind = (enum fault_kind) wire_get(reader);
    fault->error = (int) wire_get_signed(reader);
    fault->amount = wire_get_signed(reader);
    fault->times = wire_get(reader);
    fault->any = wire_get(reader);
}

void planned_put(struct wire *wire, const struct planned *planned)
{
    wire_put(wire, planned->kind);
    wire_put(wire, planned->call);
    wire_put(wire, planned->host);
    if (planned->kind == UPSET_KILL)
        wire_put_text(wire, planned->program);
    if (planned->kind == UPSET_FAULT)
        fault_put(wire, &planned->fault);
    if (planned->kind != UPSET_POWER)
        return;
    wire_put(wire, planned->chance);
    wire_put(wire, planned->answer_count);
    for (size_t i = 0; i < planned->answer_count; i++)
        wire_put(wire, planned->answers[i]);
}

static void answers_get(struct wire_reader *reader, struct planned *planned)
{
    planned->chance = wire_get(reader);
    planned->answer_count = wire_get_count(reader);
    planned->answers = must_alloc((planned->answer_count + 1) * sizeof *planned->answers);
    for (size_t i = 0; i < planned->answer_count; i++)
        planned->answers[i] = (unsigned) wire_get(reader);
}

void plan_get_one(struct wire_reader *reader, struct plan *plan)
{
    if (plan->count == PLAN_UPSETS_MAX) {
        reader->broken = true;
        return;
    }
    struct planned *planned = &plan->upsets[plan->count++];
    memset(planned, 0, sizeof *planned);
    planned->kind = (enum upset_kind) wire_get(reader);
    planned->call = wire_get(reader);
    planned->host = wire_get(reader);
    if (planned->kind == UPSET_KILL) {
        char *program = wire_get_text(reader);
        planned->program = program_named(program ? program : "");
        free(program);
    } else if (planned->kind == UPSET_FAULT) {
        fault_get(reader, &planned->fault);
    } else {
        answers_get(reader, planned);
    }
}

void plan_put(struct wire *wire, const struct plan *plan)
{
    wire_put(wire, plan->count);
    for (size_t i = 0; i < plan->count; i++)
        planned_put(wire, &plan->upsets[i]);
}

void plan_get(struct wire_reader *reader, struct plan *plan)
{
    memset(plan, 0, sizeof *plan);
    for (uint64_t count = wire_get(reader); count > 0 && !reader->broken; count--)
        plan_get_one(reader, plan);
}

/* --- in words ---------------------------------------------------------------------------------*/

static void print_cut(const struct planned *planned, const struct scenario *scenario, FILE *to)
{
    fprintf(to, " --cut %llu,", (unsigned long long) planned->call);
    if (scenario->internet)
        fprintf(to, "host=%s,", scenario->hosts[planned->host].name);
    if (planned->kind == UPSET_KILL)
        fprintf(to, "kill=%s", planned->program);
    else if (planned->chance)
        fprintf(to, "%llu", (unsigned long long) planned->chance);
    else
        fputs(planned->answer_count ? "answers=" : "none", to);
    for (size_t i = 0; i < planned->answer_count; i++)
        fprintf(to, "%s%u", i ? "." : "", planned->answers[i]);
}

char *plan_words(const struct plan *plan, const struct scenario *scenario)
{
    char *text = NULL, fault[FAULT_WORDS];
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    if (!to)
        return must_copy("", 0);
    for (size_t i = 0; i < plan->count; i++) {
        const struct planned *planned = &plan->upsets[i];
        if (planned->kind == UPSET_FAULT)
            fprintf(to, " --fault %s", fault_words(&planned->fault, fault));
        else
            print_cut(planned, scenario, to);
    }
    fclose(to);
    return text;
}

/* "1.0.2" */
static bool read_answers(const char *text, struct planned *planned)
{
    char *end;
    planned->answers = must_zeroed((strlen(text) + 1) * sizeof *planned->answers);
    for (;; text = end + 1) {
        if (*text < '0' || *text > '9')
            return false;
        planned->answers[planned->answer_count++] = (unsigned) strtoul(text, &end, 10);
        if (*end != '.')
            return !*end;
    }
}

static bool read_host(char **text, const struct scenario *scenario, struct planned *planned)
{
    if (strncmp(*text, "host=", 5) != 0)
        return !scenario->internet;
    char *name = *text + 5, *end = strchr(name, ',');
    if (!end)
        return false;
    *end = 0;
    *text = end + 1;
    while (planned->host < scenario->host_count &&
           strcmp(scenario->hosts[planned->host].name, name) != 0)
        planned->host++;
    return planned->host < scenario->host_count;
}

/* "214,host=mail,answers=1.0.2" */
static bool read_cut(char *text, const struct scenario *scenario, struct planned *planned)
{
    char *end;
    planned->kind = UPSET_POWER;
    planned->call = strtoull(text, &end, 10);
    if (end == text || *end != ',')
        return false;
    text = end + 1;
    if (!read_host(&text, scenario, planned))
        return false;
    if (strncmp(text, "kill=", 5) == 0) {
        planned->kind = UPSET_KILL;
        planned->program = program_named(text + 5);
        return strcmp(planned->program, "?") != 0;
    }
    if (strncmp(text, "answers=", 8) == 0)
        return read_answers(text + 8, planned);
    if (strcmp(text, "none") == 0)
        return true;
    planned->chance = strtoull(text, &end, 10);
    return planned->chance && !*end;
}

static bool read_planned(const char *option, char *value, const struct scenario *scenario,
                         struct plan *plan)
{
    if (plan->count == PLAN_UPSETS_MAX || !value)
        return false;
    struct planned *planned = &plan->upsets[plan->count++];
    if (strcmp(option, "--cut") == 0)
        return read_cut(value, scenario, planned);
    planned->kind = UPSET_FAULT;
    if (strcmp(option, "--fault") != 0 || fault_read(value, &planned->fault) < 0)
        return false;
    planned->call = planned->fault.kind == FAULT_MEMORY ? 0 : planned->fault.call_number;
    return true;
}

int plan_read(const char *words, const struct scenario *scenario, struct plan *plan)
{
    char *text = must_copy(words, strlen(words)), *rest;
    bool good = true;
    memset(plan, 0, sizeof *plan);
    for (char *word = strtok_r(text, " ", &rest); word && good; word = strtok_r(NULL, " ", &rest))
        good = read_planned(word, strtok_r(NULL, " ", &rest), scenario, plan);
    free(text);
    if (good)
        return 0;
    plan_free(plan);
    return -1;
}

const char *program_named(const char *name)
{
    for (const struct program *program = programs; program->name; program++)
        if (strcmp(program->name, name) == 0)
            return program->name;
    return strcmp(name, "*") == 0 ? "*" : "?";
}
