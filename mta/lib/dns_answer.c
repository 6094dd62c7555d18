/* SPDX-License-Identifier: ISC */
#include "mta/lib/dns_answer.h"

#include <string.h>

struct answer {
    struct dns_question *question;
    struct dns_header header;
    struct dns_reader begin; /* of the answer section */
    dns_take *take;
    void *context;
    bool found;
    bool alias; /* `next` is set */
    char next[DNS_NAME_TEXT];
};

static int take_record(struct answer *answer, const struct dns_reader *reader,
                       const struct dns_record *record)
{
    if (record->class != DNS_IN || !dns_same_name(record->name, answer->question->name))
        return 0;
    if (record->type == answer->question->type) {
        answer->found = true;
        return answer->take(answer->context, reader, record);
    }
    if (record->type != DNS_CNAME || answer->alias)
        return 0;
    answer->alias = true;
    return dns_record_name(reader, record, 0, answer->next);
}

/* Goes through the answer section for the name that the question has by now.  0 or -1. */
static int take_records(struct answer *answer)
{
    struct dns_reader reader = answer->begin;
    struct dns_record record;

    answer->found = answer->alias = false;
    for (unsigned i = 0; i < answer->header.answers; i++)
        if (dns_read_record(&reader, &record) < 0 || take_record(answer, &reader, &record) < 0)
            return -1;
    return 0;
}

/* What stands in the authority section: a SOA (so it is certain that nothing is there), or name
 * servers only (a referral to others).  0 or -1. */
static int look_at_authority(const struct answer *answer, bool *soa, bool *referral)
{
    struct dns_reader reader = answer->begin;
    struct dns_record record;
    unsigned answers = answer->header.answers, count = answers + answer->header.authorities;

    *soa = *referral = false;
    for (unsigned i = 0; i < count; i++) {
        if (dns_read_record(&reader, &record) < 0)
            return -1;
        *soa |= i >= answers && record.type == DNS_SOA;
        *referral |= i >= answers && record.type == DNS_NS;
    }
    *referral &= !*soa && !(answer->header.flags & DNS_AA);
    return 0;
}

static enum dns_finding nothing_found(const struct answer *answer, unsigned followed)
{
    bool soa, referral;

    if (look_at_authority(answer, &soa, &referral) < 0)
        return DNS_TROUBLE;
    if (followed > 0 && !soa)
        return DNS_ALIAS;
    return referral ? DNS_TROUBLE : DNS_NO_DATA;
}

static int read_begin(struct answer *answer)
{
    struct dns_record question;

    if (dns_read_header(&answer->begin, &answer->header) < 0)
        return -1;
    for (unsigned i = 0; i < answer->header.questions; i++)
        if (dns_read_question(&answer->begin, &question) < 0)
            return -1;
    return 0;
}

enum dns_finding dns_answer_read(const void *bytes, size_t size, struct dns_question *question,
                                 dns_take *take, void *context)
{
    struct answer answer = {
        .question = question, .begin = {bytes, size, 0}, .take = take, .context = context};
    unsigned before = question->aliases;

    if (read_begin(&answer) < 0 || !(answer.header.flags & DNS_QR))
        return DNS_TROUBLE;
    unsigned code = answer.header.flags & DNS_CODE;
    if (code != DNS_NOERROR)
        return code == DNS_NXDOMAIN ? DNS_NO_DOMAIN : DNS_TROUBLE;
    for (;;) {
        if (take_records(&answer) < 0)
            return DNS_TROUBLE;
        if (answer.found)
            return DNS_FOUND;
        if (!answer.alias)
            return nothing_found(&answer, question->aliases - before);
        if (++question->aliases > DNS_ALIASES_MAX)
            return DNS_TROUBLE;
        strcpy(question->name, answer.next);
    }
}
