/* SPDX-License-Identifier: ISC */
/* Captures made in tests: every link layer, byte order and disorder. */
#ifndef TESTS_UNIT_SIM_CAPTURES_H
#define TESTS_UNIT_SIM_CAPTURES_H

#include <check.h>
#include <pcap/dlt.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/capture/show.h"

#define MAKER_SIZE (4u << 20)

struct maker {
    uint8_t *bytes;
    size_t size;
    int link;
    bool swapped, nano, ng;
    int tags;        /* VLAN tags */
    unsigned outer;  /* type of the first tag, 0: 0x8100 */
    bool six;        /* IPv6 ... */
    int options;     /* ... with so many extension headers */
    size_t fragment; /* IP payload is cut into pieces of so many bytes, the last one first; 0: no */
    size_t snaplen;  /* 0: all */
    bool no_length;  /* as a sender's card shows large packets */
    uint16_t ports[2]; /* client, server */
    uint32_t next[2];
    int64_t now_us;
    uint32_t packets;
};

static inline void put(struct maker *maker, const void *bytes, size_t size)
{
    ck_assert_uint_le(maker->size + size, MAKER_SIZE);
    memcpy(maker->bytes + maker->size, bytes, size);
    maker->size += size;
}

static inline void put_32(struct maker *maker, uint32_t value)
{
    if (maker->swapped)
        value = __builtin_bswap32(value);
    put(maker, &value, 4);
}

static inline void put_16(struct maker *maker, uint16_t value)
{
    if (maker->swapped)
        value = __builtin_bswap16(value);
    put(maker, &value, 2);
}

/* The head of the file; its options are set. */
static inline void make_head(struct maker *maker)
{
    maker->bytes = malloc(MAKER_SIZE);
    if (!maker->ports[0]) {
        maker->ports[0] = 40000;
        maker->ports[1] = 25;
    }
    maker->next[0] = 0xfffffff0; /* wraps */
    maker->next[1] = 5000;
    maker->now_us = INT64_C(1700000000) * 1000000;
    if (maker->ng) {
        put_32(maker, 0x0a0d0d0a), put_32(maker, 28), put_32(maker, 0x1a2b3c4d);
        put_16(maker, 1), put_16(maker, 0), put_32(maker, 0xffffffff), put_32(maker, 0xffffffff);
        put_32(maker, 28);
        put_32(maker, 1), put_32(maker, 20), put_16(maker, (uint16_t) maker->link);
        put_16(maker, 0), put_32(maker, 0), put_32(maker, 20);
        return;
    }
    put_32(maker, maker->nano ? 0xa1b23c4d : 0xa1b2c3d4);
    put_16(maker, 2), put_16(maker, 4), put_32(maker, 0), put_32(maker, 0);
    put_32(maker, 262144), put_32(maker, (uint32_t) maker->link);
}

static inline void put_packet(struct maker *maker, const uint8_t *bytes, size_t size)
{
    size_t kept = maker->snaplen && maker->snaplen < size ? maker->snaplen : size;

    maker->packets++;
    maker->now_us += 1000;
    if (maker->ng) {
        size_t padded = (kept + 3) & ~(size_t) 3;
        uint32_t total = (uint32_t) (32 + padded);

        put_32(maker, 6), put_32(maker, total), put_32(maker, 0);
        put_32(maker, (uint32_t) (maker->now_us >> 32)), put_32(maker, (uint32_t) maker->now_us);
        put_32(maker, (uint32_t) kept), put_32(maker, (uint32_t) size);
        put(maker, bytes, kept), put(maker, "\0\0\0", padded - kept);
        put_32(maker, total);
        return;
    }
    put_32(maker, (uint32_t) (maker->now_us / 1000000));
    put_32(maker, (uint32_t) (maker->now_us % 1000000) * (maker->nano ? 1000 : 1));
    put_32(maker, (uint32_t) kept), put_32(maker, (uint32_t) size);
    put(maker, bytes, kept);
}

/* Bytes of a packet, most significant first. */
struct pieces {
    uint8_t bytes[70000];
    size_t size;
};

static inline void add(struct pieces *pieces, const void *bytes, size_t size)
{
    memcpy(pieces->bytes + pieces->size, bytes, size);
    pieces->size += size;
}

static inline void add_16(struct pieces *pieces, unsigned value)
{
    uint8_t bytes[] = {(uint8_t) (value >> 8), (uint8_t) value};
    add(pieces, bytes, 2);
}

static inline void add_32(struct pieces *pieces, uint32_t value)
{
    add_16(pieces, value >> 16), add_16(pieces, value & 0xffff);
}

static inline void add_link(const struct maker *maker, struct pieces *pieces)
{
    unsigned type = maker->tags  ? (maker->outer ? maker->outer : 0x8100)
                    : maker->six ? 0x86dd
                                 : 0x0800;

    switch (maker->link) {
    case DLT_EN10MB:
        add(pieces, "abcdefABCDEF", 12), add_16(pieces, type);
        break;
    case DLT_LINUX_SLL:
        add(pieces, "\0\0\0\1\0\6abcdef\0\0", 14), add_16(pieces, type);
        break;
    case DLT_LINUX_SLL2:
        add_16(pieces, type), add(pieces, "\0\0\0\0\0\1\0\1\0\6abcdef\0\0", 18);
        break;
    case DLT_NULL:
        add(pieces, maker->swapped ? "\0\0\0\2" : "\2\0\0\0", 4);
        break;
    case DLT_LOOP:
        add_32(pieces, maker->six ? 24 : 2);
        break;
    default:
        return;
    }
    for (int i = 1; i <= maker->tags; i++) {
        add_16(pieces, (unsigned) i);
        add_16(pieces, i < maker->tags ? 0x8100 : maker->six ? 0x86dd : 0x0800);
    }
}

static inline void add_ip(const struct maker *maker, struct pieces *pieces, int from,
                          const struct pieces *inner, size_t offset, size_t size)
{
    bool cut = maker->fragment && inner->size > maker->fragment;
    bool more = offset + size < inner->size;

    if (!maker->six) {
        uint8_t source[] = {192, 0, 2, (uint8_t) (1 + from)};
        uint8_t target[] = {192, 0, 2, (uint8_t) (2 - from)};

        add_16(pieces, 0x4500), add_16(pieces, maker->no_length ? 0 : (unsigned) (20 + size));
        add_16(pieces, maker->packets);
        add_16(pieces, (unsigned) (offset / 8 | (more ? 0x2000 : 0)));
        add_16(pieces, 64 << 8 | 6), add_16(pieces, 0);
        add(pieces, source, 4), add(pieces, target, 4);
        return;
    }
    uint8_t source[16] = {0x20, 1, 0xd, 0xb8, [15] = (uint8_t) (1 + from)};
    uint8_t target[16] = {0x20, 1, 0xd, 0xb8, [15] = (uint8_t) (2 - from)};
    uint8_t next = maker->options ? 0 : cut ? 44 : 6;

    add_32(pieces, 0x60000000);
    add_16(pieces, (unsigned) (size + (cut ? 8 : 0) + 8 * (size_t) maker->options));
    add(pieces, &next, 1), add(pieces, "\x40", 1), add(pieces, source, 16), add(pieces, target, 16);
    for (int i = 0; i < maker->options; i++) {
        next = i + 1 < maker->options ? 60 : cut ? 44 : 6;
        add(pieces, &next, 1), add(pieces, "\0\1\4\0\0\0\0", 7);
    }
    if (cut) {
        add(pieces, "\6\0", 2), add_16(pieces, (unsigned) offset | more);
        add_32(pieces, maker->packets);
    }
}

/* A segment as it is said; `from` is 0 for the client, 1 for the server. */
static inline void make_raw(struct maker *maker, int from, uint32_t sequence, unsigned flags,
                            const void *bytes, size_t size)
{
    static struct pieces tcp, packet;
    size_t piece = maker->fragment ? maker->fragment : sizeof tcp.bytes, id = maker->packets;
    size_t last;

    tcp.size = 0;
    add_16(&tcp, maker->ports[from]), add_16(&tcp, maker->ports[!from]), add_32(&tcp, sequence);
    add_32(&tcp, maker->next[!from]), add_16(&tcp, 5 << 12 | flags), add_16(&tcp, 1000);
    add_32(&tcp, 0), add(&tcp, bytes, size);
    last = (tcp.size - 1) / piece;
    for (size_t i = 0; i <= last; i++) {
        size_t offset = (last - i) * piece;
        size_t length = tcp.size - offset < piece ? tcp.size - offset : piece;

        packet.size = 0;
        maker->packets = (uint32_t) id; /* the same for all pieces */
        add_link(maker, &packet);
        add_ip(maker, &packet, from, &tcp, offset, length);
        add(&packet, tcp.bytes + offset, length);
        if (maker->link == DLT_EN10MB && packet.size < 60)
            add(&packet, "paddingpaddingpaddingpadding",
                60 - packet.size > 28 ? 28 : 60 - packet.size);
        put_packet(maker, packet.bytes, packet.size);
    }
    maker->packets = (uint32_t) id + 1;
}

/* The next segment of that side. */
static inline void say(struct maker *maker, int from, const char *text)
{
    make_raw(maker, from, maker->next[from], 0x18, text, strlen(text));
    maker->next[from] += (uint32_t) strlen(text);
}

/* One that is lost: nobody captured it. */
static inline void say_lost(struct maker *maker, int from, const char *text)
{
    maker->next[from] += (uint32_t) strlen(text);
}

static inline void make_open(struct maker *maker)
{
    make_raw(maker, 0, maker->next[0]++, 2, "", 0);
    make_raw(maker, 1, maker->next[1]++, 0x12, "", 0);
    make_raw(maker, 0, maker->next[0], 0x10, "", 0);
}

static inline void make_close(struct maker *maker)
{
    make_raw(maker, 1, maker->next[1]++, 0x11, "", 0);
    make_raw(maker, 0, maker->next[0]++, 0x11, "", 0);
}

#define MESSAGE_TEXT "Subject: hello\r\nFrom: a@a.example\r\n\r\nhi\r\n..dot\r\n.\r\n"

static inline void make_session(struct maker *maker)
{
    make_open(maker);
    say(maker, 1, "220 mx.example ESMTP\r\n");
    say(maker, 0, "EHLO a.example\r\n");
    say(maker, 1, "250-mx.example\r\n250 PIPELINING\r\n");
    say(maker, 0, "MAIL FROM:<a@a.example>\r\nRCPT TO:<b@b.example>\r\nDATA\r\n");
    say(maker, 1, "250 2.1.0 ok\r\n250 2.1.5 ok\r\n354 go on\r\n");
    say(maker, 0, MESSAGE_TEXT);
    say(maker, 1, "250 2.0.0 taken\r\n");
    say(maker, 0, "QUIT\r\n");
    say(maker, 1, "221 bye\r\n");
    make_close(maker);
}

/* What `nixie pcap show` says of it, malloc'd. */
static __attribute__((noinline, unused)) char *made_text(struct maker *maker, bool verbose)
{
    char *text = NULL;
    size_t size;
    struct capture capture;
    struct show_options options = {.name = "made", .verbose = verbose};
    FILE *file = fmemopen(maker->bytes, maker->size, "rb");

    ck_assert_ptr_nonnull(file);
    options.to = open_memstream(&text, &size);
    capture_init(&capture);
    capture_read(&capture, file);
    show_capture(&capture, &options);
    if (*capture.problem)
        fprintf(options.to, "problem: %s\n", capture.problem);
    capture_free(&capture);
    fclose(options.to);
    return text;
}

static inline void made_free(struct maker *maker, char *text)
{
    free(maker->bytes);
    free(text);
}

#define ck_has(text, part)                                                                         \
    ck_assert_msg(strstr(text, part) != NULL, "\"%s\" is not in:\n%s", part, text)
#define ck_has_not(text, part)                                                                     \
    ck_assert_msg(strstr(text, part) == NULL, "\"%s\" is in:\n%s", part, text)

#endif
