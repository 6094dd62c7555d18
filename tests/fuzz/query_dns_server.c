/* SPDX-License-Identifier: ISC */
/* Queries to dns-server: what it answers can be read, is for the question, and fits. */
#include "sim/actors/dns-server/server.h"
#include "tests/fuzz/config.h"

static const char configuration[] =
    "listen 127.0.0.1 53\nzone .\n"
    "record a.example 3600 MX 10 mx.a.example\nrecord a.example 3600 MX 20 b.example\n"
    "record mx.a.example 60 A 192.0.2.1\nrecord mx.a.example 60 AAAA 2001:db8::1\n"
    "record b.example 60 CNAME c.example\nrecord c.example 60 CNAME a.example\n"
    "record d.example 60 CNAME d.example\nrecord t.example 60 TXT \"\\x00\\xff\" b\n";

static struct server *configured(void)
{
    static struct server *server;
    if (server)
        return server;
    server = fuzz_memory(sizeof *server);
    memset(server, 0, sizeof *server);
    fuzz_standard_input((const uint8_t *) configuration, sizeof configuration - 1);
    FUZZ_CHECK(server_configure(server) == 0);
    return server;
}

static void check_answer(const struct message *message, const struct query *query)
{
    char *bytes = fuzz_copy(message->bytes, message->size);
    struct dns_reader reader = {(const unsigned char *) bytes, message->size, 0};
    struct dns_header header;
    struct dns_record record;
    FUZZ_CHECK(message->size <= message->limit && dns_read_header(&reader, &header) == 0);
    FUZZ_CHECK(header.id == query->id && (header.flags & DNS_QR));
    for (unsigned i = 0; i < header.questions; i++)
        FUZZ_CHECK(dns_read_question(&reader, &record) == 0 && record.type == query->question.type);
    unsigned count = header.answers + (unsigned) header.authorities + header.additionals;
    for (unsigned i = 0; i < count; i++)
        FUZZ_CHECK(dns_read_record(&reader, &record) == 0);
    FUZZ_CHECK(reader.at == message->size && *answer_word(message));
    free(bytes);
}

int fuzz_input(const uint8_t *data, size_t size)
{
    struct server *server = configured();
    struct query query;
    struct message *message = fuzz_memory(sizeof *message);
    char *bytes = fuzz_copy(data, size);
    if (query_read(&query, (const unsigned char *) bytes, size))
        for (int outcome = OUTCOME_OK; outcome <= OUTCOME_TRUNCATE_ONLY; outcome++) {
            if (outcome == OUTCOME_SILENCE)
                continue;
            for (int tcp = 0; tcp < 2; tcp++) {
                answer_write(&server->data, &query, (enum outcome) outcome, tcp, message);
                check_answer(message, &query);
            }
        }
    free(bytes);
    free(message);
    return 0;
}
