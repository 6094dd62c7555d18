/* SPDX-License-Identifier: ISC */
/* nixie pcap capture. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "sim/capture/live.h"
#include "sim/command.h"
#include "sim/command_pcap.h"

static const char use[] =
    "usage: nixie pcap capture --interface I [OPTION]... FILE\n"
    "writes the packets of a network interface into FILE (pcap, - is standard output), until it "
    "gets\n"
    "SIGINT or SIGTERM; says \"listening\" on standard error when it misses none any more\n"
    "  --interface I     the interface; lo and any are ones, too\n"
    "  --port P          TCP of this port, and fragments; several (25)\n"
    "  --filter TEXT     a filter instead (pcap-filter(7)); \"\" takes everything\n"
    "  --count N         stop after N packets\n"
    "  --duration TIME   stop after that time: 30, 30s, 5m, 2h, 500ms\n"
    "  --snaplen N       bytes of a packet that are kept (262144)\n"
    "exit status: 0 captured; 2 the command, the interface or the file is wrong; 3 no permission, "
    "no\n"
    "room, or the interface went away; 130 a signal came before --count or --duration was over\n";

static int usage_wrong(const char *problem, const char *word)
{
    fprintf(stderr, "nixie pcap capture: %s%s\n%s", problem, word, use);
    return STATUS_WRONG;
}

bool pcap_number(const char *text, uint64_t least, uint64_t most, uint64_t *number)
{
    char *end;

    errno = 0;
    if (!text || *text < '0' || *text > '9')
        return false;
    *number = strtoull(text, &end, 10);
    return !*end && !errno && *number >= least && *number <= most;
}

/* A whole number of seconds, or of what is behind it. */
static bool read_time(const char *text, int64_t *ns)
{
    static const struct {
        const char *name;
        int64_t ns;
    } units[] = {{"", 1000000000},
                 {"s", 1000000000},
                 {"ms", 1000000},
                 {"m", 60 * 1000000000L},
                 {"h", 3600 * 1000000000L}};
    char *end;
    unsigned long number;

    errno = 0;
    if (!text || *text < '0' || *text > '9')
        return false;
    number = strtoul(text, &end, 10);
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (strcmp(end, units[i].name) != 0 || errno || number > 1000000)
            continue;
        *ns = (int64_t) number * units[i].ns;
        return *ns > 0;
    }
    return false;
}

static bool read_port(struct live_options *options, const char *text)
{
    uint64_t port;

    if (options->port_count == LIVE_PORTS_MAX || !pcap_number(text, 1, 65535, &port))
        return false;
    options->ports[options->port_count++] = (uint16_t) port;
    return true;
}

/* An option and its value.  Returns 1, 0 if it is no option, or -1 if the value is none. */
static int read_option(struct live_options *options, const char *name, const char *value)
{
    uint64_t snaplen;

    if (strcmp(name, "--interface") == 0)
        options->interface = value;
    else if (strcmp(name, "--filter") == 0)
        options->filter = value;
    else if (strcmp(name, "--port") == 0)
        return read_port(options, value) ? 1 : -1;
    else if (strcmp(name, "--count") == 0)
        return pcap_number(value, 1, UINT64_MAX - 1, &options->count) ? 1 : -1;
    else if (strcmp(name, "--duration") == 0)
        return read_time(value, &options->duration_ns) ? 1 : -1;
    else if (strcmp(name, "--snaplen") == 0) {
        if (!pcap_number(value, 1, LIVE_SNAPLEN, &snaplen))
            return -1;
        options->snaplen = (int) snaplen;
    } else
        return 0;
    return value && *value ? 1 : strcmp(name, "--filter") == 0 && value ? 1 : -1;
}

static int read_arguments(struct live_options *options, int argc, char **argv)
{
    bool only_words = false;

    for (int i = 1; i < argc; i++) {
        if (!only_words && strcmp(argv[i], "--") == 0) {
            only_words = true;
        } else if (!only_words && argv[i][0] == '-' && argv[i][1]) {
            int read = read_option(options, argv[i], i + 1 < argc ? argv[i + 1] : NULL);

            if (read == 0)
                return usage_wrong("unknown option: ", argv[i]);
            if (read < 0)
                return usage_wrong("no such value of ", argv[i]);
            i++;
        } else if (options->path) {
            return usage_wrong("one word too many: ", argv[i]);
        } else {
            options->path = argv[i];
        }
    }
    if (!options->interface)
        return usage_wrong("which --interface?", "");
    if (!options->path)
        return usage_wrong("into which file?", "");
    if (options->filter && options->port_count)
        return usage_wrong("--port and --filter do not go together", "");
    if (!options->filter && !options->port_count)
        options->ports[options->port_count++] = 25;
    return STATUS_HELD;
}

static int tell(const struct live_options *options, enum live_end end,
                const struct live_result *result)
{
    if (end != LIVE_DONE)
        fprintf(stderr, "nixie pcap capture: %s\n", result->problem);
    if (end == LIVE_DONE || result->packets)
        fprintf(stderr, "%" PRIu64 " packets written\n", result->packets);
    if (result->dropped)
        fprintf(stderr, "nixie pcap capture: %" PRIu64 " packets are missing: they came too fast\n",
                result->dropped);
    if (end == LIVE_WRONG)
        return STATUS_WRONG;
    if (end == LIVE_LACKING)
        return STATUS_LACKING;
    return result->signal && (options->count || options->duration_ns) ? STATUS_INTERRUPTED
                                                                      : STATUS_HELD;
}

int pcap_capture(int argc, char **argv)
{
    struct live_options options = {.snaplen = LIVE_SNAPLEN, .to = stderr};
    struct live_result result;

    if (asked_for_help(argc, argv)) {
        fputs(use, stdout);
        return STATUS_HELD;
    }
    int status = read_arguments(&options, argc, argv);

    if (status != STATUS_HELD)
        return status;
    return tell(&options, live_capture(&options, &result), &result);
}
