/* SPDX-License-Identifier: ISC */
/* The grammar of paths and hosts, as strict as RFC 5321 4.1.2 and 4.1.3 write it; only underscores
 * in host names and bytes beyond ASCII in local parts are let through. */
#include <arpa/inet.h>
#include <string.h>

#include "sim/actors/smtp-server/server.h"

static bool is_letter_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* RFC 5322 3.2.3; bytes beyond ASCII as in RFC 6531. */
static bool is_atext(char c)
{
    return is_letter_or_digit(c) || (unsigned char) c >= 0x80 ||
           (c != 0 && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

/* The length of a dot-string at `text`, 0 if there is none. */
static size_t dot_string(const char *text, size_t size)
{
    size_t at = 0;

    for (;;) {
        size_t begin = at;

        while (at < size && is_atext(text[at]))
            at++;
        if (at == begin)
            return 0;
        if (at == size || text[at] != '.')
            return at;
        at++;
    }
}

static size_t quoted_string(const char *text, size_t size)
{
    for (size_t at = 1; at < size; at++) {
        if (text[at] == '"')
            return at + 1;
        if (text[at] == '\\')
            at++;
        if (at == size || (unsigned char) text[at] < ' ' || text[at] == 127)
            return 0;
    }
    return 0;
}

/* The length of a host name at `text`, 0 if there is none. */
static size_t domain(const char *text, size_t size)
{
    size_t at = 0;

    for (;;) {
        size_t begin = at;

        while (at < size && (is_letter_or_digit(text[at]) || text[at] == '-' || text[at] == '_' ||
                             (unsigned char) text[at] >= 0x80))
            at++;
        if (at == begin || at - begin > 63 || text[begin] == '-' || text[at - 1] == '-')
            return 0;
        if (at == size || text[at] != '.')
            return at > 255 ? 0 : at;
        at++;
    }
}

/* The length of an address literal, "[192.0.2.1]" or "[IPv6:2001:db8::1]". */
static size_t literal(const char *text, size_t size)
{
    const char *end = memchr(text, ']', size);
    char address[ENDPOINT_TEXT];
    struct in6_addr bytes;
    bool six = size > 6 && memcmp(text + 1, "IPv6:", 5) == 0;
    size_t begin = six ? 6 : 1, length;

    if (!end || (size_t) (end - text) < begin)
        return 0;
    length = (size_t) (end - text) - begin;
    if (length >= sizeof address || memchr(text + begin, 0, length))
        return 0;
    memcpy(address, text + begin, length);
    address[length] = 0;
    return inet_pton(six ? AF_INET6 : AF_INET, address, &bytes) == 1 ? begin + length + 1 : 0;
}

static size_t host(const char *text, size_t size)
{
    if (size == 0)
        return 0;
    return *text == '[' ? literal(text, size) : domain(text, size);
}

bool syntax_host(const char *text, size_t size)
{
    return size > 0 && host(text, size) == size;
}

/* The length of a mailbox; a host may be missing only from `postmaster`. */
static size_t mailbox(const char *text, size_t size)
{
    size_t local, behind;

    if (size == 0)
        return 0;
    local = *text == '"' ? quoted_string(text, size) : dot_string(text, size);
    if (local == 0 || local > 512)
        return 0;
    if (local == size || text[local] != '@')
        return local == 10 && config_matches("postmaster", text, local) ? local : 0;
    behind = host(text + local + 1, size - local - 1);
    return behind ? local + 1 + behind : 0;
}

/* The length of a source route with its colon, 0 if there is none ("@a,@b:"). */
static size_t source_route(const char *text, size_t size)
{
    size_t at = 0;

    while (at < size && text[at] == '@') {
        size_t length = host(text + at + 1, size - at - 1);

        if (length == 0)
            return 0;
        at += 1 + length;
        if (at < size && text[at] == ':')
            return at + 1;
        if (at == size || text[at] != ',')
            return 0;
        at++;
    }
    return 0;
}

size_t syntax_path(const char *text, size_t size, struct buf *address)
{
    size_t begin, length;

    if (size < 2 || *text != '<')
        return 0;
    if (text[1] == '>') {
        buf_reset(address);
        return 2;
    }
    begin = 1 + source_route(text + 1, size - 1);
    length = mailbox(text + begin, size - begin);
    if (length == 0 || length > SERVER_ADDRESS_MAX || begin + length == size ||
        text[begin + length] != '>' || buf_set(address, text + begin, length) < 0)
        return 0;
    return begin + length + 1;
}
