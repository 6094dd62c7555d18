/* SPDX-License-Identifier: ISC */
/*
 * Dialogues, as packets of which some are lost, repeated or late: shown and imported.  A line of
 * the input is
 *
 *   C TEXT, S TEXT   the client or the server says TEXT and CRLF
 *   c TEXT, s TEXT   without CRLF
 *   L N, l N         N bytes of the client, of the server, were not captured
 *   D, d             its last packet comes again
 *   F, R, f, r       FIN or RST of the server, of the client
 *   N, M             another connection: of the same client to the same server, to another one
 *   O                ... that is opened and not answered
 *   W N              N milliseconds pass
 */
#include "tests/fuzz/pcap.h"

struct dialogue {
    struct capture capture;
    struct frame_end ends[2];
    uint32_t next[2];
    struct frame last[2];
    int64_t now_ns;
    uint64_t packets;
};

static void send_packet(struct dialogue *dialogue, int server, unsigned flags, const char *text,
                        size_t size)
{
    struct frame frame = {.number = ++dialogue->packets,
                          .time_ns = dialogue->now_ns += 100000,
                          .source = dialogue->ends[server],
                          .target = dialogue->ends[!server],
                          .sequence = dialogue->next[server],
                          .acknowledgement = dialogue->next[!server],
                          .flags = (uint8_t) flags,
                          .payload = (const uint8_t *) text,
                          .size = size,
                          .full_size = size};

    flows_add(&dialogue->capture.flows, &frame);
    dialogue->next[server] += (uint32_t) size + ((flags & (FRAME_SYN | FRAME_FIN)) != 0);
    dialogue->last[server] = frame;
}

static void send_again(struct dialogue *dialogue, int server)
{
    struct frame frame = dialogue->last[server];

    frame.number = ++dialogue->packets;
    frame.time_ns = dialogue->now_ns;
    if (frame.source.family)
        flows_add(&dialogue->capture.flows, &frame);
}

static void open_connection(struct dialogue *dialogue, bool another, bool answered)
{
    dialogue->ends[0].family = dialogue->ends[1].family = 4;
    dialogue->ends[0].port++;
    dialogue->ends[1].port = 25;
    dialogue->ends[1].bytes[3] = (uint8_t) (dialogue->ends[1].bytes[3] + another);
    dialogue->next[0] = 4294967290;
    send_packet(dialogue, 0, FRAME_SYN, "", 0);
    if (answered)
        send_packet(dialogue, 1, FRAME_SYN | FRAME_ACK, "", 0);
}

static unsigned number(const char *line, size_t size)
{
    unsigned value = 0;

    for (size_t i = 2; i < size && i < 8 && line[i] >= '0' && line[i] <= '9'; i++)
        value = value * 10 + (unsigned) (line[i] - '0');
    return value;
}

static void say(struct dialogue *dialogue, int server, const char *line, size_t size, bool end)
{
    char *text = fuzz_memory(size + 2);

    size = size > 2 ? size - 2 : 0;
    memcpy(text, line + 2, size);
    if (end)
        memcpy(text + size, "\r\n", 2);
    send_packet(dialogue, server, FRAME_ACK, text, size + 2 * end);
    free(text);
    dialogue->last[server].payload = (const uint8_t *) line + 2;
    dialogue->last[server].size = size;
}

static void take_line(struct dialogue *dialogue, const char *line, size_t size)
{
    switch (size ? *line : 0) {
    case 'C':
    case 'S':
    case 'c':
    case 's':
        say(dialogue, (*line | 32) == 's', line, size, *line < 'a');
        break;
    case 'L':
    case 'l':
        dialogue->next[*line == 'l'] += number(line, size);
        break;
    case 'D':
    case 'd':
        send_again(dialogue, *line == 'd');
        break;
    case 'F':
    case 'f':
        send_packet(dialogue, *line == 'F', FRAME_FIN | FRAME_ACK, "", 0);
        break;
    case 'R':
    case 'r':
        send_packet(dialogue, *line == 'R', FRAME_RST, "", 0);
        break;
    case 'N':
    case 'M':
    case 'O':
        open_connection(dialogue, *line == 'M', *line != 'O');
        break;
    case 'W':
        dialogue->now_ns += (int64_t) number(line, size) * 1000000;
        break;
    default:
        break;
    }
}

int fuzz_input(const uint8_t *data, size_t size)
{
    char *bytes = fuzz_copy(data, size);
    struct dialogue *dialogue = fuzz_memory(sizeof *dialogue);

    memset(dialogue, 0, sizeof *dialogue);
    capture_init(&dialogue->capture);
    open_connection(dialogue, false, true);
    for (char *at = bytes, *end = bytes + size; at < end;) {
        char *next = memchr(at, '\n', (size_t) (end - at));

        take_line(dialogue, at, (size_t) ((next ? next : end) - at));
        at = next ? next + 1 : end;
    }
    flows_end(&dialogue->capture.flows);
    dialogue->capture.last_ns = dialogue->now_ns;
    pcap_check(&dialogue->capture);
    capture_free(&dialogue->capture);
    free(dialogue);
    free(bytes);
    return 0;
}
