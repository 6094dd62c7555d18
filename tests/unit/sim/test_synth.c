/* SPDX-License-Identifier: ISC */
/* From what the simulated network does to packets: what is sent, in which order, and that the
 * numbers of every connection add up as a reader of the capture adds them. */
#include <check.h>
#include <poll.h>
#include <unistd.h>

#include "sim/capture/packet.h"
#include "sim/capture/synth.h"
#include "tests/unit/sim/net_world.h"

#define SECOND (1000 * MS)
#define STREAM 400000

static const struct kernel_options options = {.seed = 1};

/* --- programs ----------------------------------------------------------------------------------*/

/* serve HOW: takes one connection at port 25.  echo: sends all back until the end, then "bye";
 * reset: reads 4 bytes, then resets it; deaf: closes without reading; slow: reads all after 5 s. */
static int serve_main(int argc, char **argv, char **environment)
{
    (void) environment;
    char block[5000];
    struct linger linger = {1, 0};
    ssize_t count;
    MUST(argc == 2);
    int fd = sim_accept4(net_listen("::", 25, 5), NULL, NULL, 0);
    MUST(fd >= 0);
    if (strcmp(argv[1], "reset") == 0) {
        MUST(sim_recv(fd, block, 4, MSG_WAITALL) == 4);
        sim_setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    } else if (strcmp(argv[1], "deaf") == 0) {
        sim_poll(NULL, 0, 1000);
    } else if (strcmp(argv[1], "slow") == 0) {
        sim_poll(NULL, 0, 5000);
        while (sim_read(fd, block, sizeof block) > 0)
            ;
    } else {
        while ((count = sim_read(fd, block, sizeof block)) > 0)
            if (sim_send(fd, block, (size_t) count, MSG_NOSIGNAL) != count)
                break;
        sim_send(fd, "bye", 3, MSG_NOSIGNAL);
    }
    sim_close(fd);
    return 0;
}

/* call ADDRESS BYTES: sends so many, ends its side, reads to the end. */
static int call_main(int argc, char **argv, char **environment)
{
    (void) environment;
    static char block[STREAM];
    MUST(argc == 3);
    int fd = net_dial(argv[1], 25);
    if (fd < 0) {
        tell("error %d\n", errno);
        return 1;
    }
    for (size_t i = 0; i < sizeof block; i++)
        block[i] = (char) (i * 7 + i / 251);
    sim_send(fd, block, (size_t) strtol(argv[2], NULL, 10), MSG_NOSIGNAL);
    sim_shutdown(fd, SHUT_WR);
    while (sim_read(fd, block, 5000) > 0)
        ;
    sim_close(fd);
    return 0;
}

/* udp ADDRESS BYTES: one datagram to port 53. */
static int udp_main(int argc, char **argv, char **environment)
{
    (void) environment;
    static const char zeros[65000];
    MUST(argc == 3);
    int fd = net_socket(argv[1], SOCK_DGRAM);
    MUST(net_connect(fd, argv[1], 53) == 0);
    sim_send(fd, zeros, (size_t) strtol(argv[2], NULL, 10), 0);
    sim_poll(NULL, 0, 1000);
    return 0;
}

static const struct test_program programs[] = {
    {"serve", serve_main}, {"call", call_main}, {"udp", udp_main}, {0, 0}};

/* --- a reader of the capture -------------------------------------------------------------------*/

/* One side of the only connection, as it can be seen. */
struct side {
    unsigned port;
    uint32_t first, next, acknowledged, edge; /* initial number; behind the last sent; ... */
    bool begun;
    unsigned char *stream; /* what it has sent */
    size_t size;
};

static struct net_world *world;
static struct synth *synth;
static char told[20000]; /* a line for each packet */
static size_t told_size;
static struct side sides[2];
static int64_t begin_ns, last_ns;
static unsigned packets, largest;
static const struct host *inside_of;
static unsigned char last_packets[8][PACKET_MAX];
static size_t last_sizes[8];

static unsigned get16(const unsigned char *at)
{
    return (unsigned) at[0] << 8 | at[1];
}

static uint32_t get32(const unsigned char *at)
{
    return (uint32_t) get16(at) << 16 | get16(at + 2);
}

static void say(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    int count = vsnprintf(told + told_size, sizeof told - told_size, format, list);
    va_end(list);
    if (told_size + (size_t) count < sizeof told)
        told_size += (size_t) count;
}

/* What was sent before is sent again with the same bytes; what is new begins where that ends. */
static void add_data(struct side *side, uint32_t sequence, const unsigned char *data, size_t size)
{
    size_t at = sequence - side->first - 1;
    if (size == 0)
        return;
    ck_assert_uint_le(at, side->size);
    ck_assert_uint_le(at + size, STREAM);
    if (at < side->size) {
        size_t old = side->size - at < size ? side->size - at : size;
        ck_assert_int_eq(memcmp(side->stream + at, data, old), 0);
    }
    memcpy(side->stream + at, data, size);
    if (at + size > side->size)
        side->size = at + size;
}

static void check_numbers(struct side *from, struct side *to, const unsigned char *tcp,
                          unsigned flags, size_t size)
{
    uint32_t sequence = get32(tcp + 4), acknowledgement = get32(tcp + 8);
    uint32_t end = sequence + (uint32_t) size + ((flags & (TCP_SYN | TCP_FIN)) != 0);
    unsigned window = get16(tcp + 14);
    if (flags & TCP_SYN) {
        ck_assert(!from->begun || from->first == sequence);
        from->begun = true;
        from->first = sequence;
    }
    if (flags & TCP_ACK) { /* only what was sent, and never less than before */
        ck_assert_int_le((int32_t) (acknowledgement - to->next), 0);
        ck_assert(!from->begun || from->acknowledged == 0 ||
                  (int32_t) (acknowledgement - from->acknowledged) >= 0);
        from->acknowledged = acknowledgement;
        if (!(flags & TCP_RST))
            to->edge = acknowledgement + (flags & TCP_SYN ? window : window << 7);
    }
    if (flags & TCP_RST)
        return;
    if (size > 0 || flags & TCP_FIN)
        ck_assert_int_le((int32_t) (end - from->edge), 0); /* the window is kept */
    ck_assert_int_le((int32_t) (sequence - from->next), from->next == 0 ? INT32_MAX : 0);
    if (from->next == 0 || (int32_t) (end - from->next) > 0)
        from->next = end;
    add_data(from, sequence, tcp + (tcp[12] >> 4) * 4, size);
}

static void read_tcp(const unsigned char *tcp, size_t whole)
{
    unsigned flags = tcp[13], header = (unsigned) (tcp[12] >> 4) * 4;
    struct side *from = &sides[get16(tcp) == 25], *to = &sides[get16(tcp) != 25];
    size_t size = whole - header;
    if (size > largest)
        largest = (unsigned) size;
    check_numbers(from, to, tcp, flags, size);
    say("%s%s%s%s%s%s", from == sides ? ">" : "<", flags & TCP_SYN ? " SYN" : "",
        flags & TCP_FIN ? " FIN" : "", flags & TCP_RST ? " RST" : "", flags & TCP_ACK ? " ACK" : "",
        flags & TCP_PSH ? " PSH" : "");
    if (from->begun)
        say(" %u", get32(tcp + 4) - from->first);
    else
        say(" absolute %u", get32(tcp + 4));
    if (flags & TCP_ACK)
        say(" of %u", get32(tcp + 8) - to->first);
    say(" +%zu\n", size);
}

static void sink(void *context, const struct host *inside, int64_t wall_ns, const void *packet,
                 size_t size)
{
    const unsigned char *bytes = packet;
    bool v4 = bytes[0] >> 4 == 4;
    unsigned protocol = bytes[v4 ? 9 : 6];
    size_t header = v4 ? 20 : 40;
    ck_assert_ptr_null(context);
    ck_assert_int_ge(wall_ns, last_ns);
    last_ns = wall_ns;
    inside_of = inside;
    memcpy(last_packets[packets % 8], packet, size);
    last_sizes[packets++ % 8] = size;
    ck_assert_uint_eq(v4 ? get16(bytes + 2) : get16(bytes + 4) + 40, size);
    say("%lld ", (long long) (wall_ns - begin_ns) / 1000);
    if (protocol == PACKET_TCP)
        read_tcp(bytes + header, size - header);
    else
        say("%u, %zu bytes\n", protocol, size);
}

static void set_up(void)
{
    world = net_world_create(&options, programs);
    synth = synth_create(sink, NULL);
    net_observe(world->kernel, synth_observe, synth);
    memset(sides, 0, sizeof sides);
    for (int i = 0; i < 2; i++)
        sides[i].stream = calloc(1, STREAM);
    told_size = packets = largest = 0;
    told[0] = 0;
    last_ns = begin_ns = kernel_wall(world->kernel);
}

static void tear_down(void)
{
    net_observe(world->kernel, NULL, NULL);
    synth_free(synth); /* connections may be there still */
    net_world_destroy(world);
    for (int i = 0; i < 2; i++)
        free(sides[i].stream);
}

static void run_for(int64_t ns)
{
    int64_t until = kernel_now(world->kernel) + ns;
    kernel_at(world->kernel, until, NULL, NULL);
    kernel_run(world->kernel, until);
}

/* A server on host 0 and a client on host 1, for ten minutes; times are from the call on. */
static void call(const char *how, const char *address, const char *bytes)
{
    if (how)
        net_start(world, 0, "serve", how, NULL);
    run_for(MS);
    begin_ns = kernel_wall(world->kernel);
    net_start(world, 1, "call", address, bytes);
    run_for(600 * SECOND);
}

static void set_path(enum net_fate fate, int64_t delay_ns)
{
    struct net_path path = {.delay_ns = delay_ns, .fate = fate};
    net_set_path(world->kernel, NULL, NULL, &path);
}

/* Lines without their times. */
static void check_lines(const char *want)
{
    static char got[sizeof told];
    char *to = got;
    for (const char *at = told; *at;) {
        at += strcspn(at, " ") + 1;
        size_t length = strcspn(at, "\n") + 1;
        memcpy(to, at, length);
        to += length;
        at += length;
    }
    *to = 0;
    ck_assert_str_eq(got, want);
}

/* --- tests -------------------------------------------------------------------------------------*/

/* Either family; the client ends its side first, and the server still sends. */
START_TEST(test_half_close)
{
    call("echo", _i ? v6_names[0] : v4_names[0], "4");
    check_lines("> SYN 0 +0\n"
                "< SYN ACK 0 of 1 +0\n"
                "> ACK 1 of 1 +0\n"
                "> ACK PSH 1 of 1 +4\n"
                "> FIN ACK 5 of 1 +0\n"
                "< ACK 1 of 5 +0\n"
                "< ACK 1 of 6 +0\n"
                "< ACK PSH 1 of 6 +4\n"
                "< ACK PSH 5 of 6 +3\n"
                "< FIN ACK 8 of 6 +0\n"
                "> ACK 6 of 5 +0\n"
                "> ACK 6 of 8 +0\n"
                "> ACK 6 of 9 +0\n");
    ck_assert_int_eq(memcmp(sides[1].stream, sides[0].stream, 4), 0);
    ck_assert_int_eq(memcmp(sides[1].stream + 4, "bye", 3), 0);
    ck_assert_ptr_null(inside_of);
}
END_TEST

START_TEST(test_refused)
{
    call(NULL, _i ? v6_names[0] : v4_names[0], "4");
    check_lines("> SYN 0 +0\n< RST ACK absolute 0 of 1 +0\n");
}
END_TEST

/* The report quotes the SYN as it was sent. */
START_TEST(test_no_route)
{
    size_t header = _i ? 40 : 20;
    call(NULL, _i ? "2001:db8::99" : "192.0.2.99", "4");
    ck_assert_uint_eq(packets, 2);
    ck_assert_uint_eq(last_packets[1][_i ? 6 : 9], _i ? PACKET_ICMP6 : PACKET_ICMP);
    ck_assert_uint_eq(last_packets[1][header], _i ? 1 : 3);
    ck_assert_uint_eq(last_packets[1][header + 1], _i ? 3 : 1);
    ck_assert_uint_eq(last_sizes[1], header + 8 + last_sizes[0]);
    ck_assert_int_eq(memcmp(last_packets[1] + header + 8, last_packets[0], last_sizes[0]), 0);
    ck_assert_str_eq(world->said[1].output, "error 113\n");
}
END_TEST

/* A packet that is never heard of is there each time it is sent. */
START_TEST(test_black_hole)
{
    set_path(NET_BLACK_HOLE, MS);
    call("echo", v4_names[0], "4");
    for (int i = 0; i < 7; i++) {
        char want[60];
        int64_t us = 0;
        ck_assert_int_eq(sscanf(told, "%lld", (long long *) &us), 1);
        snprintf(want, sizeof want, "%lld > SYN 0 +0\n",
                 (long long) us + ((1LL << i) - 1) * 1000000);
        ck_assert_msg(strstr(told, want) != NULL, "%s is not in %s", want, told);
    }
    ck_assert_uint_eq(packets, 7);
}
END_TEST

START_TEST(test_reset_by_the_server)
{
    call("reset", v4_names[0], "4");
    ck_assert_msg(strstr(told, "< RST ACK 1 of ") != NULL, "%s", told);
}
END_TEST

/* Closed with bytes unread. */
START_TEST(test_reset_for_what_nobody_reads)
{
    call("deaf", v4_names[0], "4");
    check_lines("> SYN 0 +0\n"
                "< SYN ACK 0 of 1 +0\n"
                "> ACK 1 of 1 +0\n"
                "> ACK PSH 1 of 1 +4\n"
                "> FIN ACK 5 of 1 +0\n"
                "< ACK 1 of 5 +0\n"
                "< ACK 1 of 6 +0\n"
                "< RST ACK 1 of 6 +0\n");
}
END_TEST

/* A machine that was down knows of no connection: the numbers are those of what it answers. */
START_TEST(test_reset_by_who_forgot)
{
    net_start(world, 0, "serve", "echo", NULL);
    run_for(MS);
    set_path(NET_OPEN, 100 * MS);
    net_start(world, 1, "call", v4_names[0], "4");
    run_for(250 * MS); /* the bytes are on the way */
    host_crash(world->host[0], &choose_none);
    run_for(MS);
    host_boot(world->host[0]);
    run_for(600 * SECOND);
    ck_assert_msg(strstr(told, "< RST 1 +0\n") != NULL, "%s", told);
}
END_TEST

/* A cut: what has arrived is acknowledged, and each end hears of it from the other. */
START_TEST(test_cut)
{
    static const char *const ends[] = {"< ACK 1 of 3001 +0\n> RST ACK 3001 of 1 +0\n"
                                       "< RST ACK 1 of 3001 +0\n",
                                       "> ACK PSH 20001 of 1 +10000\n"};
    char want[100];
    net_cut(world->kernel, world->host[1], NULL, 1, true, 3000,
            _i ? NET_CUT_SILENT : NET_CUT_RESET);
    call("slow", v4_names[0], "10000");
    for (const char *at = ends[0]; !_i && *at; at += strcspn(at, "\n") + 1) {
        snprintf(want, sizeof want, "%.*s", (int) strcspn(at, "\n") + 1, at);
        ck_assert_msg(strstr(told, want) != NULL, "%s is not in %s", want, told);
    }
    ck_assert_msg(strstr(told, "> ACK 2921 of 1 +80\n") != NULL, "%s", told); /* ends at the cut */
    if (_i) /* what is sent again is the first that was not acknowledged */
        for (int i = 0; i < 5; i++)
            ck_assert_msg(strstr(strstr(told, "of 3001"), "> ACK 3001 of 1 +1460\n") != NULL, "%s",
                          told);
}
END_TEST

/* A reader that lets the window fill: all arrives, segments are no larger than said, and what is
 * sent never goes beyond the window (check_numbers). */
START_TEST(test_full_window)
{
    static const unsigned sizes[] = {1460, 1440};
    char bytes[20];
    snprintf(bytes, sizeof bytes, "%d", STREAM);
    call("slow", _i ? v6_names[0] : v4_names[0], bytes);
    ck_assert_uint_eq(sides[0].size, STREAM);
    for (size_t i = 0; i < STREAM; i++)
        ck_assert_uint_eq(sides[0].stream[i], (unsigned char) (i * 7 + i / 251));
    ck_assert_uint_eq(largest, sizes[_i]);
    ck_assert_uint_eq(sides[1].acknowledged, sides[0].next);
}
END_TEST

/* Every host has loopback addresses: theirs are kept apart. */
START_TEST(test_inside)
{
    net_start(world, 1, "serve", "echo", NULL);
    run_for(MS);
    net_start(world, 1, "call", _i ? "::1" : "127.0.0.1", "60000");
    run_for(SECOND);
    ck_assert_ptr_eq(inside_of, world->host[1]);
    ck_assert_uint_eq(sides[0].size, 60000);
    ck_assert_uint_eq(largest, 32768);
}
END_TEST

/* Its own addresses are no loopback ones: that is on the wire with all else. */
START_TEST(test_to_itself)
{
    net_start(world, 1, "serve", "echo", NULL);
    run_for(MS);
    net_start(world, 1, "call", v4_names[1], "4");
    run_for(SECOND);
    ck_assert_uint_gt(packets, 10);
    ck_assert_ptr_null(inside_of);
}
END_TEST

START_TEST(test_udp)
{
    size_t header = _i ? 40 : 20;
    net_start(world, 1, "udp", _i ? v6_names[0] : v4_names[0], "100");
    run_for(SECOND);
    ck_assert_uint_eq(packets, 2); /* nobody listens */
    ck_assert_uint_eq(last_sizes[0], header + 108);
    ck_assert_uint_eq(last_packets[1][header], _i ? 1 : 3);
    ck_assert_uint_eq(last_packets[1][header + 1], _i ? 4 : 3);
    ck_assert_int_eq(memcmp(last_packets[1] + header + 8, last_packets[0], last_sizes[0]), 0);
    ck_assert_int_eq(memcmp(last_packets[1] + header - (_i ? 32 : 8),
                            last_packets[0] + header - (_i ? 16 : 4), _i ? 16 : 4),
                     0); /* from whom it was for */
}
END_TEST

/* 5000 bytes and a header in four pieces; put together they are the datagram. */
START_TEST(test_fragments)
{
    size_t header = _i ? 48 : 20, most = _i ? 1448 : 1480, at = 0;
    net_start(world, 1, "udp", _i ? v6_names[0] : v4_names[0], "5000");
    run_for(SECOND);
    ck_assert_uint_eq(packets, 5); /* and one that says that nobody listens */
    for (int i = 0; i < 4; i++) {
        const unsigned char *packet = last_packets[i];
        unsigned offset = _i ? get16(packet + 42) & 0xfff8 : (get16(packet + 6) & 0x1fff) * 8;
        bool more = _i ? packet[43] & 1 : packet[6] >> 5 & 1;
        ck_assert_uint_eq(offset, at);
        ck_assert_uint_eq(more, i < 3);
        ck_assert_uint_le(last_sizes[i], 1500);
        at += last_sizes[i] - header;
        ck_assert(i == 3 || last_sizes[i] - header == most);
        ck_assert_int_eq(memcmp(packet + (_i ? 44 : 4), last_packets[0] + (_i ? 44 : 4), 2), 0);
    }
    ck_assert_uint_eq(at, 5008);
    ck_assert_uint_eq(get16(last_packets[0] + header + 4), 5008);
}
END_TEST

/* Stamped with the clock that the hosts see. */
START_TEST(test_clock)
{
    kernel_step_wall(world->kernel, 3600 * SECOND);
    call(NULL, v4_names[0], "4");
    ck_assert_int_ge(last_ns, 1767225600 * SECOND + 3600 * SECOND);
    ck_assert_int_lt(last_ns, 1767225600 * SECOND + 3601 * SECOND);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("packets of simulated networks");
    TCase *tests = tcase_create("packets of simulated networks");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_loop_test(tests, test_half_close, 0, 2);
    tcase_add_loop_test(tests, test_refused, 0, 2);
    tcase_add_loop_test(tests, test_no_route, 0, 2);
    tcase_add_test(tests, test_black_hole);
    tcase_add_test(tests, test_reset_by_the_server);
    tcase_add_test(tests, test_reset_for_what_nobody_reads);
    tcase_add_test(tests, test_reset_by_who_forgot);
    tcase_add_loop_test(tests, test_cut, 0, 2);
    tcase_add_loop_test(tests, test_full_window, 0, 2);
    tcase_add_loop_test(tests, test_inside, 0, 2);
    tcase_add_test(tests, test_to_itself);
    tcase_add_loop_test(tests, test_udp, 0, 2);
    tcase_add_loop_test(tests, test_fragments, 0, 2);
    tcase_add_test(tests, test_clock);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
