/* SPDX-License-Identifier: ISC */
/*
 * The header, rewritten (RFC 5322 3.6): fields keep their order and every byte, but that
 *
 * - Bcc, Resent-Bcc, Return-Path and Content-Length go (and From, Message-ID if so wished);
 * - an address without a whole host name gets one, a source route goes: the address then stands
 *   there anew, what is around it stays;
 * - missing fields are added in front, Mail-Followup-To at the end.
 */
#include "mta/inject/inject.h"

#include <errno.h>
#include <string.h>

#include "mta/lib/envelope.h"
#include "mta/lib/header.h"
#include "mta/lib/mem.h"

enum role {
    ROLE_ADDRESSES, /* addresses to be completed, nothing else */
    ROLE_RECEIVER,  /* To and Cc: also recipients */
    ROLE_HIDDEN,    /* Bcc: recipients, removed */
    ROLE_APPARENT,  /* Apparently-To: recipients, but not what a reader takes for To */
    ROLE_FOLLOWUP,  /* Mail-Followup-To */
    ROLE_FROM,
    ROLE_DATE,
    ROLE_MESSAGE_ID,
    ROLE_RETURN_PATH,
    ROLE_REMOVED,
};

struct known_field {
    const char *name;
    enum role role;
    bool resent;
};

static const struct known_field known_fields[] = {
    {"Apparently-To", ROLE_APPARENT, false},
    {"Bcc", ROLE_HIDDEN, false},
    {"Cc", ROLE_RECEIVER, false},
    {"Content-Length", ROLE_REMOVED, false},
    {"Date", ROLE_DATE, false},
    {"Errors-To", ROLE_ADDRESSES, false},
    {"From", ROLE_FROM, false},
    {"Mail-Followup-To", ROLE_FOLLOWUP, false},
    {"Mail-Reply-To", ROLE_ADDRESSES, false},
    {"Message-ID", ROLE_MESSAGE_ID, false},
    {"Notice-Requested-Upon-Delivery-To", ROLE_ADDRESSES, false},
    {"Reply-To", ROLE_ADDRESSES, false},
    {"Resent-Bcc", ROLE_HIDDEN, true},
    {"Resent-Cc", ROLE_RECEIVER, true},
    {"Resent-Date", ROLE_DATE, true},
    {"Resent-From", ROLE_FROM, true},
    {"Resent-Message-ID", ROLE_MESSAGE_ID, true},
    {"Resent-Reply-To", ROLE_ADDRESSES, true},
    {"Resent-Sender", ROLE_ADDRESSES, true},
    {"Resent-To", ROLE_RECEIVER, true},
    {"Return-Path", ROLE_RETURN_PATH, false},
    {"Return-Receipt-To", ROLE_ADDRESSES, false},
    {"Sender", ROLE_ADDRESSES, false},
    {"To", ROLE_RECEIVER, false},
};

static const struct known_field *find_known(const struct header_field *field)
{
    for (size_t i = 0; i < sizeof known_fields / sizeof *known_fields; i++)
        if (header_is(field, known_fields[i].name))
            return &known_fields[i];
    return NULL;
}

struct rewrite {
    const struct settings *settings;
    struct result *result;
    struct buf host;  /* the completed host name of the address at hand */
    char *scratch;    /* for address_reader: as large as the header */
    bool from_header; /* recipients are taken from the header */
    struct buf all;   /* addresses of To and Cc, for Mail-Followup-To */
    bool has_list;    /* one of them is a mailing list's */
};

static bool has_resent_fields(const char *header, size_t size)
{
    size_t at = 0;
    struct header_field field;
    while (header_next(header, size, &at, &field)) {
        const struct known_field *known = find_known(&field);
        if (known && known->resent)
            return true;
    }
    return false;
}

static bool is_deleted(const struct settings *settings, enum role role)
{
    return (role == ROLE_FROM && settings->delete_from) ||
           (role == ROLE_MESSAGE_ID && settings->delete_message_id);
}

static void note_missing(const struct settings *settings, const char *header, size_t size,
                         struct missing *missing)
{
    *missing = (struct missing){missing->forwarded, true, true, true, true, !missing->forwarded};
    size_t at = 0;
    struct header_field field;
    while (header_next(header, size, &at, &field)) {
        const struct known_field *known = find_known(&field);
        if (!known || known->resent != missing->forwarded || is_deleted(settings, known->role))
            continue;
        missing->date &= known->role != ROLE_DATE;
        missing->message_id &= known->role != ROLE_MESSAGE_ID;
        missing->from &= known->role != ROLE_FROM;
        missing->receivers &= known->role != ROLE_RECEIVER;
        missing->followup &= known->role != ROLE_FOLLOWUP;
    }
}

static int fail_line(const struct header_field *field)
{
    char line[201];
    size_t size = field->whole_size < sizeof line - 1 ? field->whole_size : sizeof line - 1;
    memcpy(line, field->whole, size);
    while (size > 0 && (line[size - 1] == '\n' || line[size - 1] == '\r'))
        size--;
    for (size_t i = 0; i < size; i++) /* for a terminal */
        if (((unsigned char) line[i] < 32 && line[i] != '\n' && line[i] != '\t') || line[i] == 127)
            line[i] = '?';
    line[size] = 0;
    return fail(INJECT_PERMANENT, "unable to parse this line:\n", line);
}

/* Puts `T` local@host NUL at the end of the recipients. */
static int add_recipient(struct result *result, const char *local, size_t local_size,
                         const struct buf *host)
{
    if (local_size + 1 + host->length > ENVELOPE_ADDRESS_MAX)
        return fail(INJECT_PERMANENT, "address too long", NULL);
    struct buf *to = &result->recipients;
    if (buf_add_byte(to, 'T') < 0 || buf_add(to, local, local_size) < 0 ||
        buf_add_byte(to, '@') < 0 || buf_add(to, host->data, host->length) < 0 ||
        buf_add_byte(to, 0) < 0)
        return fail_errno("unable to keep the recipients", errno);
    return 0;
}

static int complete_host(struct rewrite *rewrite, const struct address *address)
{
    buf_reset(&rewrite->host);
    return address_add_host(&rewrite->host, address->domain, address->domain_size,
                            &rewrite->settings->hosts);
}

static bool is_null(const struct address *address)
{
    return address->local_size == 0 && address->domain_size == 0;
}

static bool is_whole(const struct rewrite *rewrite, const struct address *address)
{
    return is_null(address) ||
           (!address->routed && rewrite->host.length == address->domain_size &&
            memcmp(rewrite->host.data, address->domain, address->domain_size) == 0);
}

/* One address of a field that begins at `text` and is copied up to *copied. */
static int copy_address(struct rewrite *rewrite, const char *text, const struct address *address,
                        size_t *copied)
{
    if (is_whole(rewrite, address))
        return 0;
    struct buf *to = &rewrite->result->header;
    if (buf_add(to, text + *copied, address->begin - *copied) < 0 ||
        address_add_local(to, address->local, address->local_size) < 0 ||
        buf_add_byte(to, '@') < 0 || buf_add(to, rewrite->host.data, rewrite->host.length) < 0)
        return -1;
    *copied = address->end;
    return 0;
}

/* Keeps an address of To or Cc for Mail-Followup-To. */
static int note_receiver(struct rewrite *rewrite, const struct address *address)
{
    struct buf *all = &rewrite->all;
    if (all->length && buf_add_text(all, ",\n  ") < 0)
        return -1;
    size_t begin = all->length;
    if (address_add_local(all, address->local, address->local_size) < 0 ||
        buf_add_byte(all, '@') < 0 || buf_add(all, rewrite->host.data, rewrite->host.length) < 0)
        return -1;
    if (control_map_find(&rewrite->settings->lists, all->data + begin, all->length - begin))
        rewrite->has_list = true;
    return 0;
}

static int add_followup(struct rewrite *rewrite)
{
    struct buf *to = &rewrite->result->header;
    if (buf_add_text(to, "Mail-Followup-To: ") < 0 ||
        buf_add(to, rewrite->all.data, rewrite->all.length) < 0)
        return -1;
    return buf_add_byte(to, '\n');
}

/* Copies an address field, completed; with `recipients` its addresses become recipients,
 * with `receivers` they may come into Mail-Followup-To. */
static int copy_addresses(struct rewrite *rewrite, const struct header_field *field,
                          bool recipients, bool receivers)
{
    struct result *result = rewrite->result;
    size_t start = result->header.length;
    size_t copied = 0;
    size_t name_size = (size_t) (field->body - field->whole);
    if (buf_add(&result->header, field->whole, name_size) < 0)
        return fail_errno("header too large", errno);
    struct address_reader reader;
    struct address address;
    address_reader_init(&reader, field->body, field->body_size, rewrite->scratch);
    int found;
    while ((found = address_next(&reader, &address)) == 1) {
        if (complete_host(rewrite, &address) < 0 ||
            copy_address(rewrite, field->body, &address, &copied) < 0)
            return fail_errno("header too large", errno);
        if (receivers && !is_null(&address) && note_receiver(rewrite, &address) < 0)
            return fail_errno("header too large", errno);
        if (!recipients || is_null(&address))
            continue;
        int status = add_recipient(result, address.local, address.local_size, &rewrite->host);
        if (status)
            return status;
    }
    if (found < 0 && recipients)
        return fail_line(field);
    if (found < 0) { /* nobody is meant by it: not ours to judge */
        result->header.length = start;
        copied = 0;
        if (buf_add(&result->header, field->whole, name_size) < 0)
            return fail_errno("header too large", errno);
    }
    if (buf_add(&result->header, field->body + copied, field->body_size - copied) < 0)
        return fail_errno("header too large", errno);
    return 0;
}

/* A Return-Path is the envelope sender, unless something stronger is. */
static int take_return_path(struct rewrite *rewrite, const struct header_field *field)
{
    struct result *result = rewrite->result;
    if (rewrite->settings->sender || rewrite->settings->ignore_return_path || result->sender_is_set)
        return 0;
    struct address_reader reader;
    struct address address;
    address_reader_init(&reader, field->body, field->body_size, rewrite->scratch);
    int found = address_next(&reader, &address);
    if (found < 0)
        return fail_line(field);
    if (found == 0) /* names nobody, not even nobody */
        return 0;
    result->sender_is_set = true;
    if (is_null(&address))
        return 0;
    if (complete_host(rewrite, &address) < 0 ||
        buf_set(&result->sender, address.local, address.local_size) < 0 ||
        buf_add_byte(&result->sender, '@') < 0 ||
        buf_add(&result->sender, rewrite->host.data, rewrite->host.length) < 0)
        return fail_errno("unable to keep the sender", errno);
    return 0;
}

static int copy_unchanged(struct rewrite *rewrite, const struct header_field *field)
{
    if (buf_add(&rewrite->result->header, field->whole, field->whole_size) < 0)
        return fail_errno("header too large", errno);
    return 0;
}

static int copy_field(struct rewrite *rewrite, const struct header_field *field)
{
    const struct known_field *known = find_known(field);
    if (!known)
        return copy_unchanged(rewrite, field);
    bool counts = known->resent == rewrite->result->forwarded;
    bool recipients = counts && rewrite->from_header;
    if (counts && is_deleted(rewrite->settings, known->role))
        return 0;
    switch (known->role) {
    case ROLE_DATE:
    case ROLE_MESSAGE_ID:
        return copy_unchanged(rewrite, field);
    case ROLE_REMOVED:
        return 0;
    case ROLE_RETURN_PATH:
        return take_return_path(rewrite, field);
    case ROLE_HIDDEN: {
        size_t length = rewrite->result->header.length;
        int status = recipients ? copy_addresses(rewrite, field, true, false) : 0;
        rewrite->result->header.length = length;
        return status;
    }
    case ROLE_RECEIVER:
        return copy_addresses(rewrite, field, recipients,
                              counts && !known->resent && rewrite->settings->lists.count > 0);
    case ROLE_APPARENT:
        return copy_addresses(rewrite, field, recipients, false);
    case ROLE_ADDRESSES:
    case ROLE_FOLLOWUP:
    case ROLE_FROM:
        return copy_addresses(rewrite, field, false, false);
    }
    return 0;
}

static bool takes_header(const struct settings *settings)
{
    switch (settings->recipients_from) {
    case RECIPIENTS_ARGUMENTS:
        return false;
    case RECIPIENTS_EITHER:
        return !*settings->recipients;
    default:
        return true;
    }
}

int rewrite_header(const struct settings *settings, const struct moment *moment, const char *header,
                   size_t size, struct result *result)
{
    struct rewrite rewrite = {.settings = settings, .result = result};
    struct missing missing = {.forwarded = has_resent_fields(header, size)};
    result->forwarded = missing.forwarded;
    rewrite.from_header = takes_header(settings);
    note_missing(settings, header, size, &missing);
    rewrite.scratch = mem_alloc(size);
    if (!rewrite.scratch)
        return fail_errno("out of memory", errno);
    int status = 0;
    if (fields_add_missing(settings, moment, &missing, &result->header) < 0)
        status = fail_errno("header too large", errno);
    size_t at = 0;
    struct header_field field;
    while (!status && header_next(header, size, &at, &field))
        status = copy_field(&rewrite, &field);
    struct buf *out = &result->header;
    if (!status && out->length && out->data[out->length - 1] != '\n' && buf_add_byte(out, '\n') < 0)
        status = fail_errno("header too large", errno);
    if (!status && missing.followup && rewrite.has_list && add_followup(&rewrite) < 0)
        status = fail_errno("header too large", errno);
    mem_free(rewrite.scratch);
    buf_free(&rewrite.host);
    buf_free(&rewrite.all);
    return status;
}

int rewrite_given_recipient(const struct settings *settings, const char *given,
                            struct result *result)
{
    struct buf *to = &result->recipients;
    size_t start = to->length;
    if (buf_add_byte(to, 'T') < 0 || address_add_given(to, given, &settings->hosts) < 0 ||
        buf_add_byte(to, 0) < 0)
        return fail_errno("unable to keep the recipients", errno);
    if (to->length - start - 2 > ENVELOPE_ADDRESS_MAX)
        return fail(INJECT_PERMANENT, "address too long", NULL);
    return 0;
}

/* USER[-STAMP][-]@HOST[-@[]]: variable envelope return paths. */
static int add_default_sender(const struct settings *settings, const struct moment *moment,
                              struct buf *sender)
{
    const char *host = settings->sender_host;
    if (buf_add_text(sender, settings->sender_user) < 0)
        return -1;
    if (settings->verp_message &&
        (buf_add_byte(sender, '-') < 0 || fields_add_stamp(moment, sender) < 0))
        return -1;
    if (settings->verp_recipient && buf_add_byte(sender, '-') < 0)
        return -1;
    if (buf_add_byte(sender, '@') < 0 ||
        address_add_host(sender, host, strlen(host), &settings->hosts) < 0)
        return -1;
    return settings->verp_recipient ? buf_add_text(sender, "-@[]") : 0;
}

int rewrite_sender(const struct settings *settings, const struct moment *moment,
                   struct result *result)
{
    int added = 0;
    if (settings->sender) {
        buf_reset(&result->sender);
        if (*settings->sender && strcmp(settings->sender, "<>") != 0)
            added = address_add_given(&result->sender, settings->sender, &settings->hosts);
    } else if (!result->sender_is_set) {
        added = add_default_sender(settings, moment, &result->sender);
    }
    if (added < 0)
        return fail_errno("unable to keep the sender", errno);
    if (result->sender.length > ENVELOPE_ADDRESS_MAX)
        return fail(INJECT_PERMANENT, "sender address too long", NULL);
    return 0;
}
