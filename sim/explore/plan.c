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

static void print_cut(const struct planned *planned, const struct scenario *scenario, FILE *to)
{
    fprintf(to, " --cut %llu,", (unsigned long long) planned->call);
    if (scenario->internet)
        fprintf(to, "host=%s,", scenario->hosts[planned->host].name);
    if (planned->kind == UPSET_KILL)
        fprintf(to, "kill=%s", planned->program);
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

const char *program_named(const char *name)
{
    for (const struct program *program = programs; program->name; program++)
        if (strcmp(program->name, name) == 0)
            return program->name;
    return "?";
}
