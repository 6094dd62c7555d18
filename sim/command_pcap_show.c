/* SPDX-License-Identifier: ISC */
/* nixie pcap show. */
#include <errno.h>
#include <string.h>

#include "sim/capture/show.h"
#include "sim/command.h"
#include "sim/command_pcap.h"

static const char use[] =
    "usage: nixie pcap show [OPTION]... FILE\n"
    "tells the SMTP sessions of a capture: a file (pcap or pcapng), or - for standard input\n"
    "  -v           messages, long lines and passwords whole\n"
    "  --port P     SMTP is spoken at this port, too; several (25, 587, and where it is heard)\n"
    "  --session N  only that session\n"
    "exit status: 0 told; 1 the capture has no such session; 2 the command or the file is wrong "
    "(what\n"
    "could be read of it is told)\n";

struct show_command {
    struct show_options options;
    struct capture capture;
};

static int usage_wrong(const char *problem, const char *word)
{
    fprintf(stderr, "nixie pcap show: %s%s\n%s", problem, word, use);
    return STATUS_WRONG;
}

bool pcap_add_port(struct flows *flows, const char *text)
{
    uint64_t port;

    if (flows->port_count == FLOW_PORTS_MAX || !pcap_number(text, 1, 65535, &port))
        return false;
    flows->ports[flows->port_count++] = (uint16_t) port;
    return true;
}

static int read_arguments(struct show_command *command, int argc, char **argv)
{
    bool only_words = false;

    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;

        if (!only_words && strcmp(argv[i], "--") == 0) {
            only_words = true;
        } else if (!only_words && strcmp(argv[i], "-v") == 0) {
            command->options.verbose = true;
        } else if (!only_words && strcmp(argv[i], "--port") == 0) {
            if (!pcap_add_port(&command->capture.flows, value))
                return usage_wrong("no such value of ", argv[i]);
            i++;
        } else if (!only_words && strcmp(argv[i], "--session") == 0) {
            if (!pcap_number(value, 1, UINT64_MAX, &command->options.session))
                return usage_wrong("no such value of ", argv[i]);
            i++;
        } else if (!only_words && argv[i][0] == '-' && argv[i][1]) {
            return usage_wrong("unknown option: ", argv[i]);
        } else if (command->options.name) {
            return usage_wrong("one word too many: ", argv[i]);
        } else {
            command->options.name = argv[i];
        }
    }
    return command->options.name ? STATUS_HELD : usage_wrong("which capture?", "");
}

int pcap_open_capture(struct capture *capture, const char *command, const char *name)
{
    FILE *file = strcmp(name, "-") == 0 ? stdin : fopen(name, "rb");

    if (!file) {
        snprintf(capture->problem, sizeof capture->problem, "cannot read it: %s", strerror(errno));
    } else if (capture_read(capture, file) == 0) {
        return 0;
    }
    fprintf(stderr, "nixie pcap %s: %s: %s\n", command, name, capture->problem);
    return -1;
}

int pcap_show(int argc, char **argv)
{
    struct show_command command = {.options = {.to = stdout}};
    int status;
    uint64_t told = 0;

    if (asked_for_help(argc, argv)) {
        fputs(use, stdout);
        return STATUS_HELD;
    }
    capture_init(&command.capture);
    status = read_arguments(&command, argc, argv);
    if (status == STATUS_HELD) {
        if (pcap_open_capture(&command.capture, "show", command.options.name) < 0)
            status = STATUS_WRONG;
        if (command.capture.packets || status == STATUS_HELD)
            told = show_capture(&command.capture, &command.options);
        if (status == STATUS_HELD && told == 0)
            status = STATUS_FAILED;
        if (status == STATUS_FAILED && command.options.session)
            fprintf(stderr, "nixie pcap show: %s: there is no session %llu in it\n",
                    command.options.name, (unsigned long long) command.options.session);
        else if (status == STATUS_FAILED)
            fprintf(stderr,
                    "nixie pcap show: %s: nobody speaks SMTP in it; --port says where else "
                    "to look\n",
                    command.options.name);
    }
    capture_free(&command.capture);
    return status;
}
