/* SPDX-License-Identifier: ISC */
#include "sim/actors/dns-server/answer.h"

#include <string.h>

#define OPT_SIZE 11
#define UDP_SIZE_MAX 4096
#define UDP_SIZE_OURS 1232
#define BADVERS 16 /* RFC 6891 6.1.3 */
#define ALIASES_MAX 16

/* --- queries ----------------------------------------------------------------------------------*/

/* Looks for an OPT record among those behind the question.  0, or -1 if they are wrong. */
static int read_opt(struct query *query, struct dns_reader *reader, const struct dns_header *header)
{
    unsigned before = (unsigned) header->answers + header->authorities;
    struct dns_record record;

    for (unsigned i = 0; i < before + header->additionals; i++) {
        if (dns_read_record(reader, &record) < 0)
            return -1;
        if (i < before || record.type != DNS_OPT)
            continue;
        if (query->edns || record.name[0])
            return -1;
        query->edns = true;
        query->edns_version = (uint8_t) (record.ttl >> 16);
        query->udp_size = record.class < DNS_UDP_SIZE   ? DNS_UDP_SIZE
                          : record.class > UDP_SIZE_MAX ? UDP_SIZE_MAX
                                                        : record.class;
    }
    return 0;
}

/* There is nothing before the question's name that it could point to but the header. */
static bool is_compressed(const struct dns_record *question, size_t size)
{
    unsigned char wire[DNS_NAME_WIRE];

    return dns_name_to_wire(wire, question->name) + 2 * sizeof(uint16_t) != size;
}

bool query_read(struct query *query, const unsigned char *bytes, size_t size)
{
    struct dns_reader reader = {bytes, size, 0};
    struct dns_header header;

    *query = (struct query){.udp_size = DNS_UDP_SIZE, .code = DNS_FORMERR};
    if (dns_read_header(&reader, &header) < 0 || (header.flags & DNS_QR))
        return false;
    query->id = header.id;
    query->flags = header.flags;
    if (header.flags & DNS_OPCODE) {
        query->code = DNS_NOTIMP;
        return true;
    }
    if (header.questions != 1 || dns_read_question(&reader, &query->question) < 0 ||
        is_compressed(&query->question, reader.at - DNS_HEADER_SIZE))
        return true;
    query->question_bytes = bytes + DNS_HEADER_SIZE;
    query->question_size = reader.at - DNS_HEADER_SIZE;
    if (read_opt(query, &reader, &header) == 0)
        query->code = query->question.class == DNS_IN ? DNS_NOERROR : DNS_REFUSED;
    return true;
}

/* --- answers ----------------------------------------------------------------------------------*/

struct search {
    const struct data *data;
    const struct query *query;
    struct message *message;
    const struct record_entry *aliases[ALIASES_MAX]; /* told so far */
    size_t alias_count;
    char name[DNS_NAME_TEXT];
};

/* The zone's SOA, its own or a made-up one, which says that something is not there (RFC 2308). */
static void add_soa(const struct data *data, const char *zone, struct message *message)
{
    static const unsigned char made_up[] = {
        2, 'n', 's', 0, 10, 'h', 'o', 's', 't', 'm', 'a', 's', 't',  'e',  'r', 0, 0, 0,
        0, 1,   0,   0, 14, 16,  0,   0,   2,   88,  0,   1,   0x51, 0x80, 0,   0, 0, 60};
    struct record_entry entry = {.type = DNS_SOA, .ttl = 60};
    const struct record_entry *own = data_find(data, zone, DNS_SOA);

    if (!own) {
        entry.data.data = (char *) made_up;
        entry.data.length = sizeof made_up;
        own = &entry;
    }
    message_add_record(message, MESSAGE_AUTHORITY, zone, own);
}

/* Tells that there is nothing: with the zone's SOA if it is in one. */
static enum dns_code nothing(const struct search *search, bool exists)
{
    const char *zone = data_zone(search->data, search->name);

    if (zone)
        add_soa(search->data, zone, search->message);
    else if (!exists)
        return search->alias_count ? DNS_NOERROR : DNS_REFUSED;
    return exists ? DNS_NOERROR : DNS_NXDOMAIN;
}

/* Adds the records that are asked for; how many there are. */
static size_t add_records(const struct search *search)
{
    uint16_t type = search->query->question.type;
    size_t count, found = 0;
    const struct record_entry *entries = data_records(search->data, &count);

    for (size_t i = 0; i < count; i++) {
        if ((type == DNS_ANY || entries[i].type == type) &&
            dns_same_name(entries[i].name, search->name)) {
            message_add_record(search->message, MESSAGE_ANSWER, search->name, &entries[i]);
            found++;
        }
    }
    return found;
}

/* Adds the CNAME of the name, and goes on to what it points to.  False if there is none, or it has
 * been told (a loop), or they are too many. */
static bool follow_alias(struct search *search)
{
    const struct record_entry *alias = data_find(search->data, search->name, DNS_CNAME);

    if (!alias || search->alias_count == ALIASES_MAX)
        return false;
    for (size_t i = 0; i < search->alias_count; i++)
        if (search->aliases[i] == alias)
            return false;
    message_add_record(search->message, MESSAGE_ANSWER, search->name, alias);
    search->aliases[search->alias_count++] = alias;
    struct dns_reader reader = {(const unsigned char *) alias->data.data, alias->data.length, 0};
    return dns_read_name(&reader, search->name) == 0;
}

static enum dns_code add_answer(const struct data *data, const struct query *query,
                                struct message *message)
{
    struct search search = {.data = data, .query = query, .message = message};

    strcpy(search.name, query->question.name);
    do {
        if (add_records(&search) > 0)
            return DNS_NOERROR;
    } while (follow_alias(&search));
    if (data_find(data, search.name, DNS_CNAME))
        return DNS_NOERROR; /* a loop */
    return nothing(&search, data_has_name(data, search.name));
}

/* Adds what the outcome says; the code. */
static enum dns_code add_outcome(const struct data *data, const struct query *query,
                                 enum outcome outcome, struct message *message)
{
    const char *zone = data_zone(data, query->question.name);

    switch (outcome) {
    case OUTCOME_NXDOMAIN:
    case OUTCOME_NODATA:
        if (zone)
            add_soa(data, zone, message);
        return outcome == OUTCOME_NXDOMAIN ? DNS_NXDOMAIN : DNS_NOERROR;
    case OUTCOME_SERVFAIL:
        return DNS_SERVFAIL;
    case OUTCOME_REFUSED:
        return DNS_REFUSED;
    default:
        return add_answer(data, query, message);
    }
}

static void begin(const struct query *query, uint16_t flags, size_t limit, struct message *message)
{
    flags |= DNS_QR | DNS_RA | (query->flags & (DNS_RD | DNS_OPCODE));
    message_begin(message, limit - (query->edns ? OPT_SIZE : 0), query->id, flags);
    if (query->question_bytes)
        message_add_question(message, query->question_bytes, query->question_size);
}

void answer_write(const struct data *data, const struct query *query, enum outcome outcome,
                  bool tcp, struct message *message)
{
    size_t limit = tcp ? DNS_MESSAGE_MAX : query->udp_size;
    bool cut = !tcp && (outcome == OUTCOME_TRUNCATE || outcome == OUTCOME_TRUNCATE_ONLY);
    bool bad_version = query->edns_version > 0;
    unsigned code = query->code;

    begin(query, 0, limit, message);
    if (code == DNS_NOERROR && !bad_version) {
        message->header.flags |= data_zone(data, query->question.name) ? DNS_AA : 0;
        code = add_outcome(data, query, outcome, message);
    }
    if (cut || message->full) {
        begin(query, (uint16_t) (message->header.flags | DNS_TC), limit, message);
        code = DNS_NOERROR;
    }
    message->header.flags |= (uint16_t) code;
    if (query->edns) {
        message->limit += OPT_SIZE;
        message_add_opt(message, UDP_SIZE_OURS, bad_version ? BADVERS >> 4 : 0);
    }
    message_end(message);
}

const char *answer_word(const struct message *message)
{
    static const char *const words[] = {"noerror",  "formerr", "servfail",
                                        "nxdomain", "notimp",  "refused"};
    unsigned code = message->header.flags & DNS_CODE;

    if (message->header.flags & DNS_TC)
        return "truncated";
    if (code == DNS_NOERROR && message->header.answers == 0)
        return "nodata";
    return words[code];
}
