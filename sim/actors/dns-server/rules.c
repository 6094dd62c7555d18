/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "mta/lib/mem.h"
#include "sim/actors/dns-server/server.h"

enum scope { SCOPE_ALL, SCOPE_CLIENT, SCOPE_NAME };
static const char *const scopes[] = {"client", "name", NULL};

static void read_do(struct rule *rule, struct config *config)
{
    static const struct {
        const char *word;
        enum outcome outcome;
    } words[] = {{"ok", OUTCOME_OK},           {"nxdomain", OUTCOME_NXDOMAIN},
                 {"nodata", OUTCOME_NODATA},   {"servfail", OUTCOME_SERVFAIL},
                 {"refused", OUTCOME_REFUSED}, {"silence", OUTCOME_SILENCE}};

    if (config_take(config, "late")) {
        rule->late_ms = config_time(config) / 1000000;
        return;
    }
    if (config_take(config, "truncate")) {
        rule->outcome = config_take(config, "only") ? OUTCOME_TRUNCATE_ONLY : OUTCOME_TRUNCATE;
        return;
    }
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (config_take(config, words[i].word)) {
            rule->outcome = words[i].outcome;
            return;
        }
    }
    config_fail(config, "this is nothing that can be done: ", config_peek(config));
}

void rule_read(struct server *server, struct config *config)
{
    struct rule rule = {.outcome = OUTCOME_OK};
    const char *pattern = config_word(config, "a pattern over names");

    if (config_peek(config) && (rule.type = data_type(config_peek(config))) != 0)
        config_word(config, "a type");
    condition_read(&rule.condition, config, scopes);
    read_do(&rule, config);
    rule.pattern = mem_alloc(strlen(pattern) + 1);
    if (rule.pattern && buf_add(&server->rules, &rule, sizeof rule) == 0) {
        strcpy(rule.pattern, pattern);
        return;
    }
    config_fail(config, "out of memory", NULL);
    rule_free(&rule);
}

void rule_free(struct rule *rule)
{
    mem_free(rule->pattern);
    condition_free(&rule->condition);
}

const struct rule *rule_for(struct server *server, const struct query *query,
                            const struct client *client, int64_t now_ms)
{
    struct rule *rules = (struct rule *) server->rules.data;
    const struct rule *winner = NULL;
    const char *name = query->question.name;
    char address[ENDPOINT_TEXT];

    endpoint_text(&client->peer, address);
    for (size_t i = 0; i < server->rules.length / sizeof *rules; i++) {
        struct rule *rule = &rules[i];

        if ((rule->type && rule->type != query->question.type) ||
            !config_matches(rule->pattern, name, strlen(name)))
            continue;
        const char *key = rule->condition.scope == SCOPE_NAME ? name : address;
        bool holds = condition_count(&rule->condition, now_ms, key, strlen(key));

        if (!winner && holds && condition_draw(&rule->condition))
            winner = rule;
    }
    return winner;
}
