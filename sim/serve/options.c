/* SPDX-License-Identifier: ISC */
/* The command line of nixie serve. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "sim/scenario/files.h"
#include "sim/serve/serve.h"

#define ADDRESSES_MAX 64

const char serve_use[] =
    "usage: nixie serve [OPTION]... [FILE] [-- COMMAND...]\n"
    "Made-up mail servers on real ports: the remotes of a scenario file, or one that takes all.\n"
    "  --smtp [NAME=]ADDRESS:PORT  where to listen (127.0.0.1:0; port 0: one that is free);\n"
    "                    several; NAME is a remote of the file that gets a port of its own\n"
    "  --maildir DIR     what is taken is put there (a new directory, removed if all is well)\n"
    "  --keep            keeps that directory anyway\n"
    "  --bounces-to ADDRESS:PORT   where remotes send bounces of their own\n"
    "  -D NAME=VALUE     the value of a parameter\n"
    "  -v                shows all dialogues as they happen\n"
    "  --strict          bad SMTP of clients is a failure\n"
    "  --tap             the result as TAP\n"
    "  --junit FILE      the result as JUnit XML, besides\n"
    "COMMAND finds the server by NIXIE_SMTP_HOST, NIXIE_SMTP_PORT and NIXIE_SMTP_URL, each remote\n"
    "by NIXIE_SMTP_PORT_NAME, the mail by NIXIE_MAILDIR; serve ends when it does.  Without "
    "COMMAND\n"
    "it ends at ^C.\n"
    "exit status: that of COMMAND; 1 if that was 0 and something expected did not happen; 2 wrong\n"
    "use or file; 3 something is missing; 125 (4 without COMMAND) Nixie itself failed; 126, 127\n"
    "COMMAND cannot be run\n";

/* --- addresses --------------------------------------------------------------------------------*/

static int read_port(const char *text, unsigned *port)
{
    char *end;
    unsigned long number = strtoul(text, &end, 10);

    if (*text < '0' || *text > '9' || *end || number > 65535)
        return -1;
    *port = (unsigned) number;
    return 0;
}

static int set_host(struct serve_address *address, const char *text, size_t size)
{
    unsigned char bytes[16];
    char host[SERVE_HOST_SIZE];

    if (size >= sizeof host)
        return -1;
    memcpy(host, text, size);
    host[size] = 0;
    if (size == 0 || strcmp(host, "localhost") == 0)
        strcpy(host, "127.0.0.1");
    if (inet_pton(AF_INET, host, bytes) != 1 && inet_pton(AF_INET6, host, bytes) != 1)
        return -1;
    strcpy(address->host, host);
    return 0;
}

/* "127.0.0.1:25", "[::1]:25", "localhost:25", ":25", "25". */
static int read_address(const char *text, struct serve_address *address)
{
    const char *colon = strrchr(text, ':');
    size_t size = colon ? (size_t) (colon - text) : 0;

    if (read_port(colon ? colon + 1 : text, &address->port) < 0)
        return -1;
    if (size >= 2 && text[0] == '[' && text[size - 1] == ']')
        return strchr(text, ':') == colon ? -1 : set_host(address, text + 1, size - 2);
    return memchr(text, ':', size) ? -1 : set_host(address, text, size);
}

static int read_smtp(struct serve_options *options, struct pool *pool, const char *text)
{
    const char *equals = strchr(text, '=');
    struct serve_address *address;

    if (options->address_count == ADDRESSES_MAX || equals == text)
        return -1;
    address = POOL_ADD(pool, options->addresses, options->address_count);
    if (equals)
        address->remote = pool_copy(pool, text, (size_t) (equals - text));
    return read_address(equals ? equals + 1 : text, address);
}

/* --- options ----------------------------------------------------------------------------------*/

/* An option with a value.  1 if it was one of them, 0 if not, -1 if the value is wrong. */
static int read_valued(struct serve_options *options, struct pool *pool, const char *option,
                       const char *value)
{
    int result = 0;

    if (strcmp(option, "--smtp") == 0) {
        result = value ? read_smtp(options, pool, value) : -1;
    } else if (strcmp(option, "--bounces-to") == 0) {
        result = value ? read_address(value, &options->bounces_to) : -1;
        if (result == 0 && options->bounces_to.port == 0)
            result = -1;
        options->has_bounces_to = true;
    } else if (strcmp(option, "--maildir") == 0) {
        options->maildir = value;
        result = value && *value ? 0 : -1;
    } else if (strcmp(option, "--junit") == 0) {
        options->junit = value;
        result = value ? 0 : -1;
    } else if (strcmp(option, "-D") == 0) {
        result =
            value ? definition_read(pool, value,
                                    POOL_ADD(pool, options->definitions, options->definition_count))
                  : -1;
    } else {
        return 0;
    }
    if (result < 0)
        serve_say("%s %s%s", option, value ? "does not take " : "wants a value",
                  value ? value : "");
    return result < 0 ? -1 : 1;
}

static int read_plain(struct serve_options *options, const char *option)
{
    if (strcmp(option, "-v") == 0)
        options->verbose = true;
    else if (strcmp(option, "--keep") == 0)
        options->keep = true;
    else if (strcmp(option, "--strict") == 0)
        options->strict = true;
    else if (strcmp(option, "--tap") == 0)
        options->tap = true;
    else
        return -1;
    return 0;
}

/* One word; *i is moved behind its value.  -1 after telling what is wrong. */
static int read_word(struct serve_options *options, struct pool *pool, char **argv, int *i)
{
    char *word = argv[*i], *equals = strchr(word, '=');
    const char *option = word, *value = argv[*i + 1];
    int valued;

    if (word[0] != '-' || !word[1]) {
        if (options->file) {
            serve_say("one file only, and the command behind \"--\": %s", word);
            return -1;
        }
        options->file = word;
        return 0;
    }
    if (word[1] == '-' && equals) { /* --smtp=ADDRESS */
        option = pool_copy(pool, word, (size_t) (equals - word));
        value = equals + 1;
    }
    valued = read_valued(options, pool, option, value);
    if (valued < 0)
        return -1;
    if (valued > 0) {
        *i += option == word;
        return 0;
    }
    if (option != word || read_plain(options, word) < 0) {
        serve_say("unknown option %s", word);
        return -1;
    }
    return 0;
}

static const struct serve_address default_address = {NULL, "127.0.0.1", 0};

int options_read(struct serve_options *options, struct pool *pool, int argc, char **argv)
{
    bool main_given = false;

    for (int i = 1; i < argc && !options->command; i++) {
        if (strcmp(argv[i], "--") == 0) {
            options->command = argv + i + 1;
            break;
        }
        if (read_word(options, pool, argv, &i) < 0)
            return -1;
    }
    if (options->command && !options->command[0]) {
        serve_say("which command? (behind \"--\")");
        return -1;
    }
    for (size_t i = 0; i < options->address_count; i++)
        main_given |= !options->addresses[i].remote;
    if (!main_given)
        *POOL_ADD(pool, options->addresses, options->address_count) = default_address;
    return 0;
}
