/* SPDX-License-Identifier: ISC */
/* Captures packets of an interface. */
#include "sim/capture/live.h"

#include <errno.h>
#include <inttypes.h>
#include <pcap/pcap.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#define BUFFER_SIZE (16 << 20) /* of the kernel, for a burst */
#define BATCH_PACKETS 1024
#define BLOCK_MS 10                   /* after which the kernel hands over what it has */
#define REST_NS (INT64_C(5000000000)) /* at most, for what has come before the end */
#define FILTER_SIZE (LIVE_PORTS_MAX * 32)

struct live {
    const struct live_options *options;
    struct live_result *result;
    pcap_t *source;
    pcap_dumper_t *file;
    sigset_t signals, signals_before;
    int signal_fd;
    int64_t end_ns;     /* on CLOCK_MONOTONIC; 0: none */
    int64_t stopped_ns; /* on CLOCK_REALTIME: what comes later is not kept; 0: not yet */
    bool is_past;       /* such a packet has come */
};

static enum live_end problem(struct live *live, enum live_end end, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static enum live_end problem(struct live *live, enum live_end end, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(live->result->problem, sizeof live->result->problem, format, arguments);
    va_end(arguments);
    return end;
}

static int64_t now_on(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (int64_t) now.tv_sec * 1000000000 + now.tv_nsec;
}

static int64_t now_ns(void)
{
    return now_on(CLOCK_MONOTONIC);
}

/* --- the interface ---------------------------------------------------------------------------*/

static enum live_end activate_failed(struct live *live, int error)
{
    const char *name = live->options->interface, *detail = pcap_geterr(live->source);

    switch (error) {
    case PCAP_ERROR_PERM_DENIED:
    case PCAP_ERROR_PROMISC_PERM_DENIED:
        return problem(live, LIVE_LACKING,
                       "no permission to capture on %s: this needs root, or CAP_NET_RAW", name);
    case PCAP_ERROR_NO_SUCH_DEVICE:
        return problem(live, LIVE_WRONG, "there is no interface %s", name);
    case PCAP_ERROR_IFACE_NOT_UP:
        return problem(live, LIVE_LACKING, "interface %s is not up", name);
    default:
        return problem(live, LIVE_LACKING, "cannot capture on %s: %s", name,
                       *detail ? detail : pcap_statustostr(error));
    }
}

static enum live_end open_interface(struct live *live)
{
    char error[PCAP_ERRBUF_SIZE] = "";
    int status;

    live->source = pcap_create(live->options->interface, error);
    if (!live->source)
        return problem(live, LIVE_WRONG, "cannot capture on %s: %s", live->options->interface,
                       error);
    pcap_set_snaplen(live->source, live->options->snaplen);
    pcap_set_promisc(live->source, 0);
    /* Not immediate_mode: each packet would take the room of the largest there, a hundred all. */
    pcap_set_timeout(live->source, BLOCK_MS);
    pcap_set_buffer_size(live->source, BUFFER_SIZE);
    pcap_set_tstamp_precision(live->source, PCAP_TSTAMP_PRECISION_NANO);
    status = pcap_activate(live->source);
    if (status < 0)
        return activate_failed(live, status);
    if (pcap_setnonblock(live->source, 1, error) < 0)
        return problem(live, LIVE_LACKING, "cannot capture on %s: %s", live->options->interface,
                       error);
    return LIVE_DONE;
}

/* --- the filter ------------------------------------------------------------------------------*/

/* The packets of the ports.  Only the first fragment of a packet has a port, so all others of TCP
 * are taken, and all of IPv6. */
static void port_filter(const struct live_options *options, char *text, size_t size)
{
    size_t used = 0;

    for (size_t i = 0; i < options->port_count; i++)
        used += (size_t) snprintf(text + used, size - used, "tcp port %u or ", options->ports[i]);
    snprintf(text + used, size - used, "(ip proto 6 and ip[6:2] & 0x1fff != 0) or ip6[6] = 44");
}

/* The same behind a VLAN tag, on interfaces that may have any. */
static int compile_ports(struct live *live, struct bpf_program *program)
{
    char plain[FILTER_SIZE + 128], both[2 * sizeof plain + 32];

    port_filter(live->options, plain, sizeof plain);
    snprintf(both, sizeof both, "%s or (vlan and (%s))", plain, plain);
    if (pcap_compile(live->source, program, both, 1, PCAP_NETMASK_UNKNOWN) == 0)
        return 0;
    return pcap_compile(live->source, program, plain, 1, PCAP_NETMASK_UNKNOWN);
}

static enum live_end set_filter(struct live *live)
{
    const char *filter = live->options->filter;
    struct bpf_program program;
    int status;

    if (!filter && live->options->port_count == 0)
        return LIVE_DONE;
    status = filter ? pcap_compile(live->source, &program, filter, 1, PCAP_NETMASK_UNKNOWN)
                    : compile_ports(live, &program);
    if (status < 0)
        return problem(live, LIVE_WRONG, "wrong filter: %s", pcap_geterr(live->source));
    status = pcap_setfilter(live->source, &program);
    pcap_freecode(&program);
    if (status < 0)
        return problem(live, LIVE_LACKING, "cannot set the filter: %s", pcap_geterr(live->source));
    return LIVE_DONE;
}

/* --- the file --------------------------------------------------------------------------------*/

static enum live_end open_file(struct live *live)
{
    errno = 0;
    live->file = pcap_dump_open(live->source, live->options->path);
    if (!live->file)
        return problem(live, LIVE_WRONG, "cannot write %s: %s", live->options->path,
                       errno ? strerror(errno) : pcap_geterr(live->source));
    if (pcap_dump_flush(live->file) < 0)
        return problem(live, LIVE_LACKING, "cannot write %s: %s", live->options->path,
                       strerror(errno));
    return LIVE_DONE;
}

/* --- the loop --------------------------------------------------------------------------------*/

static void keep_packet(u_char *user, const struct pcap_pkthdr *header, const u_char *bytes)
{
    struct live *live = (struct live *) user;
    int64_t time_ns = (int64_t) header->ts.tv_sec * 1000000000 + header->ts.tv_usec;

    live->is_past = live->is_past || (live->stopped_ns && time_ns > live->stopped_ns);
    if (live->is_past)
        return;
    pcap_dump((u_char *) live->file, header, bytes);
    live->result->packets++;
}

/* Takes what is there.  Returns LIVE_DONE also if nothing is. */
static enum live_end take_packets(struct live *live)
{
    uint64_t count = live->options->count, left = count - live->result->packets;
    int batch = count && left < BATCH_PACKETS ? (int) left : BATCH_PACKETS;

    if (pcap_dispatch(live->source, batch, keep_packet, (u_char *) live) < 0)
        return problem(live, LIVE_LACKING, "cannot go on capturing on %s: %s",
                       live->options->interface, pcap_geterr(live->source));
    if (pcap_dump_flush(live->file) < 0 || ferror(pcap_dump_file(live->file)))
        return problem(live, LIVE_LACKING, "cannot write %s: %s", live->options->path,
                       strerror(errno));
    return LIVE_DONE;
}

static bool is_enough(const struct live *live)
{
    return live->options->count && live->result->packets >= live->options->count;
}

static bool is_over(const struct live *live)
{
    return is_enough(live) || (live->end_ns && now_ns() >= live->end_ns);
}

/* Milliseconds to wait at most; rounded up, so that it does not wake just before. */
static int wait_ms(const struct live *live)
{
    int64_t left = (live->end_ns - now_ns() + 999999) / 1000000;

    if (!live->end_ns)
        return -1;
    return left < 0 ? 0 : left > 3600000 ? 3600000 : (int) left;
}

static void read_signal(struct live *live)
{
    struct signalfd_siginfo info;

    if (read(live->signal_fd, &info, sizeof info) == (ssize_t) sizeof info)
        live->result->signal = (int) info.ssi_signo;
}

/* What has come until now, and is with the kernel still. */
static enum live_end take_rest(struct live *live)
{
    struct pollfd wait = {.fd = pcap_get_selectable_fd(live->source), .events = POLLIN};
    int64_t now = now_ns(), limit_ns = now + REST_NS, quiet_ns = now + INT64_C(3000000) * BLOCK_MS;
    enum live_end end = LIVE_DONE;

    live->stopped_ns = now_on(CLOCK_REALTIME);
    while (end == LIVE_DONE && !is_enough(live) && !live->is_past && now_ns() < limit_ns) {
        uint64_t before = live->result->packets;

        end = take_packets(live);
        if (live->result->packets > before)
            continue;
        if (now_ns() >= quiet_ns)
            break;
        poll(&wait, 1, BLOCK_MS);
    }
    return end;
}

static enum live_end wait_and_take(struct live *live)
{
    struct pollfd waits[2] = {{.fd = live->signal_fd, .events = POLLIN},
                              {.fd = pcap_get_selectable_fd(live->source), .events = POLLIN}};

    while (!is_over(live)) {
        if (poll(waits, 2, wait_ms(live)) < 0 && errno != EINTR)
            return problem(live, LIVE_LACKING, "cannot wait: %s", strerror(errno));
        enum live_end end = take_packets(live);

        if (end != LIVE_DONE)
            return end;
        if (waits[0].revents) {
            read_signal(live);
            break;
        }
    }
    return take_rest(live);
}

static enum live_end block_signals(struct live *live)
{
    sigemptyset(&live->signals);
    sigaddset(&live->signals, SIGINT);
    sigaddset(&live->signals, SIGTERM);
    sigprocmask(SIG_BLOCK, &live->signals, &live->signals_before);
    live->signal_fd = signalfd(-1, &live->signals, SFD_CLOEXEC | SFD_NONBLOCK);
    if (live->signal_fd < 0)
        return problem(live, LIVE_LACKING, "cannot wait for signals: %s", strerror(errno));
    return LIVE_DONE;
}

static void tell_listening(const struct live *live)
{
    if (!live->options->to)
        return;
    fprintf(live->options->to, "listening on %s, writing %s\n", live->options->interface,
            live->options->path);
    fflush(live->options->to);
}

static enum live_end capture(struct live *live)
{
    enum live_end end = block_signals(live);

    if (end == LIVE_DONE)
        end = open_interface(live);
    if (end == LIVE_DONE)
        end = set_filter(live);
    if (end == LIVE_DONE)
        end = open_file(live);
    if (end != LIVE_DONE)
        return end;
    if (live->options->duration_ns)
        live->end_ns = now_ns() + live->options->duration_ns;
    tell_listening(live);
    return wait_and_take(live);
}

static void finish(struct live *live)
{
    struct pcap_stat statistics;

    if (live->file) {
        if (pcap_stats(live->source, &statistics) == 0)
            live->result->dropped = statistics.ps_drop;
        pcap_dump_close(live->file);
    }
    if (live->source)
        pcap_close(live->source);
    if (live->signal_fd >= 0)
        close(live->signal_fd);
    sigprocmask(SIG_SETMASK, &live->signals_before, NULL);
}

enum live_end live_capture(const struct live_options *options, struct live_result *result)
{
    struct live live = {.options = options, .result = result, .signal_fd = -1};

    memset(result, 0, sizeof *result);
    enum live_end end = capture(&live);

    finish(&live);
    return end;
}
