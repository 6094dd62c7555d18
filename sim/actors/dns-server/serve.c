/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "sim/actors/dns-server/server.h"

static void begin_record(struct server *server, const char *kind)
{
    record_begin(&server->record, kind);
}

static void end_record(struct server *server)
{
    if (record_write(&server->record) < 0)
        server->ends = true; /* nobody listens */
}

static void add_question(struct server *server, const struct query *query)
{
    char type[DATA_TYPE_TEXT];

    record_word(&server->record, query->question.name[0] ? query->question.name : ".");
    record_word(&server->record, data_type_text(query->question.type, type));
}

static void tell_query(struct server *server, const struct client *client,
                       const struct query *query)
{
    char address[ENDPOINT_TEXT];

    begin_record(server, "query");
    record_word(&server->record, client->connection ? "tcp" : "udp");
    record_word(&server->record, endpoint_text(&client->peer, address));
    add_question(server, query);
    end_record(server);
}

static void free_late(struct late *late)
{
    buf_free(&late->message);
    buf_free(&late->record);
}

/* Keeps the answer that stands in server->message, and the record of it, for later. */
static void put_off(struct server *server, const struct client *client, int64_t due_ms)
{
    struct late late = {.due_ms = due_ms,
                        .connection = client->connection ? client->connection->id : 0,
                        .listener = client->listener,
                        .peer = client->peer};

    if (server->lates.length / sizeof late >= LATE_MAX ||
        buf_add(&late.message, server->message.bytes, server->message.size) < 0 ||
        buf_add(&late.record, server->record.line.data, server->record.line.length) < 0 ||
        buf_add(&server->lates, &late, sizeof late) < 0)
        free_late(&late); /* as if it had got lost */
}

static void answer(struct server *server, const struct client *client, const struct query *query,
                   enum outcome outcome, int64_t late_ms)
{
    bool tcp = client->connection != NULL;

    if (outcome == OUTCOME_SILENCE)
        return;
    if (outcome == OUTCOME_TRUNCATE_ONLY && tcp) {
        endpoint_reset(&client->connection->fd);
        network_close_connection(client->connection);
        return;
    }
    answer_write(&server->data, query, outcome, tcp, &server->message);
    begin_record(server, "answer");
    add_question(server, query);
    record_word(&server->record, answer_word(&server->message));
    if (late_ms > 0) {
        put_off(server, client, server_now(server) + late_ms);
        return;
    }
    end_record(server);
    network_send(server, client, server->message.bytes, server->message.size);
}

void serve(struct server *server, const struct client *client, const unsigned char *bytes,
           size_t size)
{
    struct query query;

    if (!query_read(&query, bytes, size))
        return;
    if (!query.question_bytes) {
        answer_write(&server->data, &query, OUTCOME_OK, client->connection != NULL,
                     &server->message);
        network_send(server, client, server->message.bytes, server->message.size);
        return;
    }
    tell_query(server, client, &query);
    const struct rule *rule =
        query.code == DNS_NOERROR ? rule_for(server, &query, client, server_now(server)) : NULL;
    answer(server, client, &query, rule ? rule->outcome : OUTCOME_OK, rule ? rule->late_ms : 0);
}

/* Where a late answer goes.  False if its connection is gone. */
static bool late_client(struct server *server, const struct late *late, struct client *client)
{
    *client = (struct client){late->peer, late->listener, NULL};
    for (size_t i = 0; i < CONNECTIONS_MAX && late->connection; i++)
        if (server->connections[i].fd >= 0 && server->connections[i].id == late->connection)
            client->connection = &server->connections[i];
    return late->connection == 0 || client->connection;
}

static void send_late(struct server *server, struct late *late)
{
    struct client client;

    if (late_client(server, late, &client)) {
        buf_reset(&server->record.line);
        server->record.failed =
            buf_add(&server->record.line, late->record.data, late->record.length) < 0;
        end_record(server);
        network_send(server, &client, late->message.data, late->message.length);
    }
    free_late(late);
}

/* The one that is due first (of several: that came first), or NULL. */
static struct late *first_late(const struct server *server)
{
    struct late *lates = (struct late *) server->lates.data, *first = NULL;

    for (size_t i = 0; i < server->lates.length / sizeof *lates; i++)
        if (!first || lates[i].due_ms < first->due_ms)
            first = &lates[i];
    return first;
}

int serve_late(struct server *server)
{
    struct late *late;

    while ((late = first_late(server))) {
        int64_t left = late->due_ms - server_now(server);
        if (left > 0)
            return left > 1000000000 ? 1000000000 : (int) left;
        struct late due = *late;
        size_t behind = (size_t) ((late - (struct late *) server->lates.data) + 1) * sizeof *late;

        memmove(late, late + 1, server->lates.length - behind);
        server->lates.length -= sizeof *late;
        send_late(server, &due);
    }
    return -1;
}
