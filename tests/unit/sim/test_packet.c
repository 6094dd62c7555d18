/* SPDX-License-Identifier: ISC */
/* Packets: lengths, fields, and checksums as a reader computes them, byte by byte. */
#include <arpa/inet.h>
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/capture/packet.h"

static struct net_name name_at(const char *text, uint16_t port)
{
    struct net_name name = {.port = port};
    char mapped[80];
    snprintf(mapped, sizeof mapped, "%s%s", strchr(text, ':') ? "" : "::ffff:", text);
    ck_assert_int_eq(inet_pton(AF_INET6, mapped, &name.address), 1);
    return name;
}

static unsigned get16(const unsigned char *at)
{
    return (unsigned) at[0] << 8 | at[1];
}

static uint32_t get32(const unsigned char *at)
{
    return (uint32_t) get16(at) << 16 | get16(at + 2);
}

/* The sum of 16-bit words, high byte first, the last one filled up with 0 (RFC 1071): 0xffff if
 * there is a right checksum in it. */
static unsigned sum_of(unsigned sum, const unsigned char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        sum += i % 2 ? bytes[i] : (unsigned) bytes[i] << 8;
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return sum;
}

static unsigned transport_sum(const unsigned char *packet, unsigned protocol, size_t header,
                              size_t whole)
{
    size_t addresses = header == 20 ? 8 : 32;
    unsigned sum = sum_of(0, packet + header - addresses, addresses);
    unsigned char rest[4] = {0, (unsigned char) protocol, (unsigned char) ((whole - header) >> 8),
                             (unsigned char) (whole - header)};
    return sum_of(sum_of(sum, rest, 4), packet + header, whole - header);
}

/* Both families, all sizes and alignments. */
static const struct {
    const char *from, *to;
    size_t header;
} families[] = {{"192.0.2.1", "255.254.253.252", 20}, {"2001:db8::1", "fe80::ffff:fffe", 40}};

static unsigned char packet[PACKET_MAX], data[65535];
static struct net_name from, to;

static void set_up(void)
{
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (unsigned char) (i * 2654435761u >> 13);
}

static size_t take_family(int family)
{
    from = name_at(families[family].from, 40000);
    to = name_at(families[family].to, 25);
    return families[family].header;
}

static void check_ip(size_t whole, unsigned protocol)
{
    if (packet_is_v4(&from)) {
        ck_assert_uint_eq(packet[0], 0x45);
        ck_assert_uint_eq(get16(packet + 2), whole);
        ck_assert_uint_eq(packet[9], protocol);
        ck_assert_uint_eq(sum_of(0, packet, 20), 0xffff);
        ck_assert_int_eq(memcmp(packet + 12, from.address.s6_addr + 12, 4), 0);
        ck_assert_int_eq(memcmp(packet + 16, to.address.s6_addr + 12, 4), 0);
    } else {
        ck_assert_uint_eq(packet[0] >> 4, 6);
        ck_assert_uint_eq(get16(packet + 4), whole - 40);
        ck_assert_uint_eq(packet[6], protocol);
        ck_assert_int_eq(memcmp(packet + 8, &from.address, 16), 0);
        ck_assert_int_eq(memcmp(packet + 24, &to.address, 16), 0);
    }
}

START_TEST(test_tcp)
{
    size_t header = take_family(_i % 2), size = (size_t) _i / 2;
    struct tcp_fields fields = {.sequence = 0xfffffff0u + (uint32_t) _i,
                                .acknowledgement = 0x01020304,
                                .flags = TCP_ACK | TCP_PSH,
                                .window = 0xabcd};
    size_t whole = packet_tcp(packet + header, &from, &to, &fields, data, size);
    whole = packet_ip(packet, &from, &to, PACKET_TCP, packet + header, whole);
    const unsigned char *tcp = packet + header;
    ck_assert_uint_eq(whole, header + 20 + size);
    check_ip(whole, 6);
    ck_assert_uint_eq(get16(tcp), 40000);
    ck_assert_uint_eq(get16(tcp + 2), 25);
    ck_assert_uint_eq(get32(tcp + 4), fields.sequence);
    ck_assert_uint_eq(get32(tcp + 8), 0x01020304);
    ck_assert_uint_eq(tcp[12], 5 << 4);
    ck_assert_uint_eq(tcp[13], 0x18);
    ck_assert_uint_eq(get16(tcp + 14), 0xabcd);
    ck_assert_int_eq(memcmp(tcp + 20, data, size), 0);
    ck_assert_uint_eq(transport_sum(packet, 6, header, whole), 0xffff);
}
END_TEST

START_TEST(test_syn)
{
    static const unsigned char options[] = {2, 4, 0x05, 0xb4, 1, 3, 3, 7};
    size_t header = take_family(_i);
    struct tcp_fields fields = {.flags = TCP_SYN, .mss = 1460, .shift = 7};
    size_t whole = packet_tcp(packet + header, &from, &to, &fields, NULL, 0);
    whole = packet_ip(packet, &from, &to, PACKET_TCP, packet + header, whole);
    ck_assert_uint_eq(whole, header + 28);
    ck_assert_uint_eq(packet[header + 12], 7 << 4);
    ck_assert_int_eq(memcmp(packet + header + 20, options, sizeof options), 0);
    ck_assert_uint_eq(transport_sum(packet, 6, header, whole), 0xffff);
}
END_TEST

START_TEST(test_udp)
{
    static const size_t sizes[] = {0, 1, 2, 3, 4, 5, 511, 512, 1472, 65507};
    size_t header = take_family(_i % 2), size = sizes[_i / 2];
    size_t whole = packet_udp(packet + header, &from, &to, data, size);
    whole = packet_ip(packet, &from, &to, PACKET_UDP, packet + header, whole);
    ck_assert_uint_eq(whole, header + 8 + size);
    check_ip(whole, 17);
    ck_assert_uint_eq(get16(packet + header + 4), 8 + size);
    ck_assert_uint_eq(transport_sum(packet, 17, header, whole), 0xffff);
    ck_assert_uint_ne(get16(packet + header + 6), 0);
}
END_TEST

/* A sum that comes out as 0 is written as 0xffff, for 0 says that there is none. */
START_TEST(test_udp_never_without_checksum)
{
    size_t header = take_family(_i), hits = 0;
    unsigned char two[2];
    for (unsigned i = 0; i < 65536; i++) {
        two[0] = (unsigned char) (i >> 8);
        two[1] = (unsigned char) i;
        size_t whole = packet_udp(packet + header, &from, &to, two, 2);
        whole = packet_ip(packet, &from, &to, PACKET_UDP, packet + header, whole);
        ck_assert_uint_ne(get16(packet + header + 6), 0);
        hits += get16(packet + header + 6) == 0xffff;
        ck_assert_uint_eq(transport_sum(packet, 17, header, whole), 0xffff);
    }
    ck_assert_uint_ge(hits, 1);
}
END_TEST

START_TEST(test_unreachable)
{
    size_t header = take_family(_i % 2), size = _i / 2 % 2 ? 5000 : 33;
    bool port = _i / 4;
    size_t most = _i % 2 ? 1280 : 576;
    size_t whole = packet_unreachable(packet + header, &from, &to, port, data, size);
    unsigned protocol = _i % 2 ? PACKET_ICMP6 : PACKET_ICMP;
    whole = packet_ip(packet, &from, &to, (uint8_t) protocol, packet + header, whole);
    check_ip(whole, protocol);
    ck_assert_uint_eq(whole, size == 5000 ? most : header + 8 + 33);
    ck_assert_int_eq(memcmp(packet + header + 8, data, whole - header - 8), 0);
    ck_assert_uint_eq(packet[header], _i % 2 ? 1 : 3);
    ck_assert_uint_eq(packet[header + 1], _i % 2 ? (port ? 4 : 3) : (port ? 3 : 1));
    if (_i % 2)
        ck_assert_uint_eq(transport_sum(packet, protocol, header, whole), 0xffff);
    else
        ck_assert_uint_eq(sum_of(0, packet + header, whole - header), 0xffff);
}
END_TEST

START_TEST(test_parts)
{
    size_t header = take_family(_i);
    struct packet_part part = {.identification = 0x12345678, .offset = 1480, .more = true};
    size_t whole = packet_ip_part(packet, &from, &to, PACKET_UDP, &part, data, 1448);
    if (_i == 0) {
        check_ip(whole, 17);
        ck_assert_uint_eq(get16(packet + 4), 0x5678);
        ck_assert_uint_eq(get16(packet + 6), 0x2000 | 1480 / 8);
    } else {
        check_ip(whole, 44);
        ck_assert_uint_eq(packet[40], 17);
        ck_assert_uint_eq(get16(packet + 42), 1480 | 1);
        ck_assert_uint_eq(get32(packet + 44), 0x12345678);
    }
    header += _i ? 8 : 0;
    ck_assert_uint_eq(whole, header + 1448);
    ck_assert_int_eq(memcmp(packet + header, data, 1448), 0);
    part = (struct packet_part){.identification = 1, .offset = 65528};
    packet_ip_part(packet, &from, &to, PACKET_UDP, &part, data, 7);
    ck_assert_uint_eq(get16(packet + (_i ? 42 : 6)), _i ? 65528 : 65528 / 8);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("packets");
    TCase *tests = tcase_create("packets");
    tcase_add_checked_fixture(tests, set_up, NULL);
    tcase_add_loop_test(tests, test_tcp, 0, 2 * 70);
    tcase_add_loop_test(tests, test_syn, 0, 2);
    tcase_add_loop_test(tests, test_udp, 0, 2 * 10);
    tcase_add_loop_test(tests, test_udp_never_without_checksum, 0, 2);
    tcase_add_loop_test(tests, test_unreachable, 0, 8);
    tcase_add_loop_test(tests, test_parts, 0, 2);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
