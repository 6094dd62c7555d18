/* SPDX-License-Identifier: ISC */
#include <errno.h>

#include "mta/lib/mem.h"
#include "sim/actors/dns-server/server.h"

static void read_listen(struct server *server, struct config *config)
{
    if (server->listener_count == LISTENERS_MAX) {
        config_fail(config, "there are too many of these", NULL);
        return;
    }
    server->listeners[server->listener_count++] =
        (struct listener){endpoint_read(config, 0), -1, -1};
}

static void read_line(struct server *server, struct config *config)
{
    if (config_take(config, "listen"))
        read_listen(server, config);
    else if (config_take(config, "record"))
        data_read_record(&server->data, config);
    else if (config_take(config, "zone"))
        data_read_zone(&server->data, config);
    else if (config_take(config, "age"))
        server->start_ms -= config_time(config) / 1000000;
    else if (config_take(config, "on"))
        rule_read(server, config);
    else
        config_fail(config, "there is no such line: ", config_peek(config));
}

int server_configure(struct server *server)
{
    struct config *config = mem_alloc(sizeof *config);
    int result = -1;

    if (!config) {
        server_complain("the configuration", ENOMEM);
        return -1;
    }
    if (config_open(config, "dns-server", 0) == 0) {
        while (config_line(config))
            read_line(server, config);
        if (server->listener_count == 0)
            config_fail(config, "it listens nowhere: listen ADDRESS PORT", NULL);
        result = config_close(config);
    }
    mem_free(config);
    return result;
}

void server_free(struct server *server)
{
    struct rule *rules = (struct rule *) server->rules.data;
    struct late *lates = (struct late *) server->lates.data;

    for (size_t i = 0; i < server->rules.length / sizeof *rules; i++)
        rule_free(&rules[i]);
    for (size_t i = 0; i < server->lates.length / sizeof *lates; i++) {
        buf_free(&lates[i].message);
        buf_free(&lates[i].record);
    }
    data_free(&server->data);
    buf_free(&server->rules);
    buf_free(&server->lates);
    record_free(&server->record);
}
