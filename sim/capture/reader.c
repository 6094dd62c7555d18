/* SPDX-License-Identifier: ISC */
/* A capture file as its TCP connections. */
#include "sim/capture/reader.h"

#include <pcap/pcap.h>
#include <stdarg.h>
#include <string.h>

#define SECOND_NS 1000000000

void capture_init(struct capture *capture)
{
    memset(capture, 0, sizeof *capture);
    flows_init(&capture->flows, CAPTURE_MEMORY_MAX);
}

static int fail(struct capture *capture, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static int fail(struct capture *capture, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(capture->problem, sizeof capture->problem, format, arguments);
    va_end(arguments);
    for (char *at = capture->problem; *at; at++) /* libpcap may quote what it read */
        if ((unsigned char) *at < ' ' || (unsigned char) *at > '~')
            *at = '?';
    return -1;
}

/* Nanoseconds since 1970; a hostile file may say anything. */
static int64_t time_of(const struct pcap_pkthdr *header)
{
    int64_t seconds = header->ts.tv_sec, most = INT64_MAX / SECOND_NS - 5;
    int64_t part = header->ts.tv_usec; /* nanoseconds, as was asked for */

    /* libpcap takes the 32 bits of a file for signed, which end in 2038. */
    if (seconds < 0 && seconds >= INT32_MIN)
        seconds += INT64_C(1) << 32;
    seconds = seconds > most ? most : seconds < 0 ? 0 : seconds;
    part = part < 0 ? 0 : part > (int64_t) 4 * SECOND_NS ? (int64_t) 4 * SECOND_NS : part;
    return seconds * SECOND_NS + part;
}

static void take_packet(struct capture *capture, struct frame_decoder *decoder,
                        const struct pcap_pkthdr *header, const u_char *bytes)
{
    struct frame frame = {.number = ++capture->packets, .time_ns = time_of(header)};

    if (capture->packets == 1)
        capture->first_ns = capture->last_ns = frame.time_ns;
    if (frame.time_ns < capture->first_ns)
        capture->first_ns = frame.time_ns;
    if (frame.time_ns > capture->last_ns)
        capture->last_ns = frame.time_ns;
    switch (frame_decode(decoder, bytes, header->caplen, header->len, &frame)) {
    case FRAME_TCP:
        flows_add(&capture->flows, &frame);
        break;
    case FRAME_OTHER:
        capture->other++;
        break;
    case FRAME_FRAGMENT:
        capture->fragments++;
        break;
    case FRAME_CUT:
        capture->cut++;
        break;
    case FRAME_BAD:
        capture->bad++;
        break;
    }
}

static int read_packets(struct capture *capture, pcap_t *source)
{
    struct frame_decoder decoder = {.link = capture->link};
    struct pcap_pkthdr *header;
    const u_char *bytes;
    int status;

    while ((status = pcap_next_ex(source, &header, &bytes)) == 1)
        take_packet(capture, &decoder, header, bytes);
    flows_end(&capture->flows);
    capture->broken_up = fragments_open(&decoder.fragments);
    frame_decoder_free(&decoder);
    if (status == PCAP_ERROR)
        return fail(capture, "damaged behind packet %llu: %s",
                    (unsigned long long) capture->packets, pcap_geterr(source));
    return 0;
}

int capture_read(struct capture *capture, FILE *file)
{
    char error[PCAP_ERRBUF_SIZE] = "";
    pcap_t *source =
        pcap_fopen_offline_with_tstamp_precision(file, PCAP_TSTAMP_PRECISION_NANO, error);
    int status;

    if (!source) {
        fclose(file);
        return fail(capture, "no capture: %s", error);
    }
    capture->link = pcap_datalink(source);
    capture->link_name = pcap_datalink_val_to_description(capture->link);
    capture->swapped = pcap_is_swapped(source);
    if (frame_knows_link(capture->link))
        status = read_packets(capture, source);
    else
        status = fail(capture, "cannot read packets of link type %d (%s)", capture->link,
                      capture->link_name ? capture->link_name : "unknown");
    pcap_close(source);
    return status;
}

void capture_free(struct capture *capture)
{
    flows_free(&capture->flows);
}
