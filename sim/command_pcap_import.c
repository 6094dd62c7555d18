/* SPDX-License-Identifier: ISC */
/* nixie pcap import. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sim/capture/import.h"
#include "sim/command.h"
#include "sim/command_pcap.h"
#include "sim/report/whole_file.h"

static const char use[] =
    "usage: nixie pcap import [OPTION]... FILE\n"
    "makes a scenario of the SMTP sessions of a capture, for `nixie run`: its servers are remotes "
    "that\n"
    "answer as those did, and its messages are sent to them.  What a scenario cannot tell is said "
    "on\n"
    "standard error, and stands in it as a comment.\n"
    "  --as client|server  whose part our server has: the captured clients' (if not said), or the\n"
    "                      captured servers', to which clients of the scenario then send\n"
    "  --out FILE          the scenario, instead of standard output; messages that cannot stand "
    "in\n"
    "                      it become files FILE-mN.eml beside it\n"
    "  --sessions A..B     only these, as `nixie pcap show` counts; or one: A\n"
    "  --keep-addresses    remotes have the addresses of the capture\n"
    "  --port P            SMTP is spoken at this port, too; several\n"
    "exit status: 0 made; 1 the capture has no session that can be told; 2 the command or the file "
    "is\n"
    "wrong\n";

struct import_command {
    struct import_options options;
    struct capture capture;
    const char *out;
    char *kept; /* the path of the last message that became a file */
    bool failed;
};

static int usage_wrong(const char *problem, const char *word)
{
    fprintf(stderr, "nixie pcap import: %s%s\n%s", problem, word, use);
    return STATUS_WRONG;
}

/* "3", "3..7" */
static bool read_sessions(struct import_options *options, const char *text)
{
    const char *dots = text ? strstr(text, "..") : NULL;
    char first[24];

    if (!dots) {
        if (!pcap_number(text, 1, UINT32_MAX, &options->first))
            return false;
        options->last = options->first;
        return true;
    }
    if ((size_t) (dots - text) >= sizeof first)
        return false;
    snprintf(first, sizeof first, "%.*s", (int) (dots - text), text);
    return pcap_number(first, 1, UINT32_MAX, &options->first) &&
           pcap_number(dots + 2, options->first, UINT32_MAX, &options->last);
}

/* An option and its value.  Returns 1, 0 if it is no option, or -1 if the value is none. */
static int read_option(struct import_command *command, const char *name, const char *value)
{
    if (strcmp(name, "--as") == 0) {
        if (!value || (strcmp(value, "client") != 0 && strcmp(value, "server") != 0))
            return -1;
        command->options.side = *value == 'c' ? IMPORT_CLIENT : IMPORT_SERVER;
    } else if (strcmp(name, "--out") == 0) {
        command->out = value;
        return value && *value ? 1 : -1;
    } else if (strcmp(name, "--sessions") == 0 || strcmp(name, "--session") == 0) {
        return read_sessions(&command->options, value) ? 1 : -1;
    } else if (strcmp(name, "--port") == 0) {
        return pcap_add_port(&command->capture.flows, value) ? 1 : -1;
    } else {
        return 0;
    }
    return 1;
}

static int read_arguments(struct import_command *command, int argc, char **argv)
{
    bool only_words = false;

    for (int i = 1; i < argc; i++) {
        if (!only_words && strcmp(argv[i], "--") == 0) {
            only_words = true;
        } else if (!only_words && strcmp(argv[i], "--keep-addresses") == 0) {
            command->options.keep_addresses = true;
        } else if (!only_words && argv[i][0] == '-' && argv[i][1]) {
            int read = read_option(command, argv[i], i + 1 < argc ? argv[i + 1] : NULL);

            if (read == 0)
                return usage_wrong("unknown option: ", argv[i]);
            if (read < 0)
                return usage_wrong("no such value of ", argv[i]);
            i++;
        } else if (command->options.name) {
            return usage_wrong("one word too many: ", argv[i]);
        } else {
            command->options.name = argv[i];
        }
    }
    return command->options.name ? STATUS_HELD : usage_wrong("which capture?", "");
}

/* --- output ----------------------------------------------------------------------------------*/

static void cannot_write(struct import_command *command, const char *path)
{
    fprintf(stderr, "nixie pcap import: cannot write %s: %s\n", path, strerror(errno));
    command->failed = true;
}

static const char *keep_message(void *context, const char *message, const char *text, size_t size)
{
    struct import_command *command = context;
    const char *base = strrchr(command->out, '/');

    free(command->kept);
    if (asprintf(&command->kept, "%s-%s.eml", command->out, message) < 0)
        abort();
    if (whole_file_write(command->kept, text, size) < 0)
        cannot_write(command, command->kept);
    return command->kept + (base ? base + 1 - command->out : 0);
}

static int write_scenario(struct import_command *command)
{
    struct import_result result;
    char *text;
    size_t size;

    command->options.to = open_memstream(&text, &size);
    if (!command->options.to)
        abort();
    import_capture(&command->capture, &command->options, &result);
    fclose(command->options.to);
    if (result.messages > 0) {
        bool written = command->out ? whole_file_write(command->out, text, size) == 0
                                    : fwrite(text, 1, size, stdout) == size && fflush(stdout) == 0;

        if (!written)
            cannot_write(command, command->out ? command->out : "standard output");
    } else {
        fprintf(stderr, "nixie pcap import: %s: %s (nixie pcap show tells what there is)\n",
                command->options.name,
                result.sessions ? "no session can be told" : "no SMTP session");
    }
    free(text);
    return command->failed ? STATUS_WRONG : result.messages ? STATUS_HELD : STATUS_FAILED;
}

int pcap_import(int argc, char **argv)
{
    struct import_command command = {.options = {.notes = stderr}};
    int status;

    if (asked_for_help(argc, argv)) {
        fputs(use, stdout);
        return STATUS_HELD;
    }
    capture_init(&command.capture);
    command.options.context = &command;
    status = read_arguments(&command, argc, argv);
    if (command.out)
        command.options.keep = keep_message;
    if (command.options.name && strrchr(command.options.name, '/'))
        command.options.title = strrchr(command.options.name, '/') + 1;
    if (status == STATUS_HELD) {
        if (pcap_open_capture(&command.capture, "import", command.options.name) < 0)
            status = STATUS_WRONG;
        if (command.capture.packets > 0 || status == STATUS_HELD) {
            int written = write_scenario(&command);

            status = status == STATUS_HELD ? written : status;
        }
    }
    free(command.kept);
    capture_free(&command.capture);
    return status;
}
