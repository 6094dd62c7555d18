/* SPDX-License-Identifier: ISC */
/* Answers of a DNS server: the first byte says what was asked for, the message follows. */
#include "mta/lib/dns_answer.h"

#include "tests/fuzz/fuzz.h"

static void check_name(const char *name)
{
    unsigned char wire[DNS_NAME_WIRE];
    char again[DNS_NAME_TEXT];
    FUZZ_CHECK(memchr(name, 0, DNS_NAME_TEXT));
    size_t size = dns_name_to_wire(wire, name);
    FUZZ_CHECK(size > 0 && size <= DNS_NAME_WIRE);
    struct dns_reader reader = {wire, size, 0};
    FUZZ_CHECK(dns_read_name(&reader, again) == 0 && reader.at == size);
    FUZZ_CHECK(strcmp(again, name) == 0 && dns_same_name(again, name));
}

static int take(void *context, const struct dns_reader *reader, const struct dns_record *record)
{
    char name[DNS_NAME_TEXT];
    unsigned *taken = context;
    ++*taken;
    FUZZ_CHECK(record->data + record->size <= reader->size);
    if (record->type != DNS_MX)
        return 0;
    if (dns_record_name(reader, record, 2, name) < 0)
        return -1;
    check_name(name);
    return 0;
}

/* Every section, as the made-up server reads a query. */
static void read_all(const unsigned char *bytes, size_t size)
{
    struct dns_reader reader = {bytes, size, 0};
    struct dns_header header;
    struct dns_record record;
    if (dns_read_header(&reader, &header) < 0)
        return;
    for (unsigned i = 0; i < header.questions; i++) {
        if (dns_read_question(&reader, &record) < 0)
            return;
        check_name(record.name);
    }
    unsigned count = header.answers + (unsigned) header.authorities + header.additionals;
    for (unsigned i = 0; i < count; i++) {
        size_t before = reader.at;
        if (dns_read_record(&reader, &record) < 0)
            return;
        FUZZ_CHECK(reader.at > before && reader.at <= size);
        check_name(record.name);
    }
}

int fuzz_input(const uint8_t *data, size_t size)
{
    static const uint16_t types[] = {DNS_A, DNS_AAAA, DNS_MX, DNS_CNAME};
    struct dns_question question = {.name = "a.example"};
    unsigned taken = 0;
    if (size == 0)
        return 0;
    question.type = types[data[0] % 4];
    char *message = fuzz_copy(data + 1, size - 1);
    enum dns_finding finding = dns_answer_read(message, size - 1, &question, take, &taken);
    FUZZ_CHECK((finding != DNS_FOUND || taken > 0) && question.aliases <= DNS_ALIASES_MAX + 1);
    check_name(question.name);
    read_all((const unsigned char *) message, size - 1);
    free(message);
    return 0;
}
