/* SPDX-License-Identifier: ISC */
#include "mta/lib/resolve_config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>

#include "mta/lib/io.h"
#include "mta/lib/num.h"

#define WORD_SIZE 300
#define DNS_PORT 53

bool resolve_address_parse(const char *text, struct sockaddr_storage *address)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *) address;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *) address;

    memset(address, 0, sizeof *address);
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
        address->ss_family = AF_INET;
        return true;
    }
    if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
        address->ss_family = AF_INET6;
        return true;
    }
    return false;
}

static void set_port(struct sockaddr_storage *address, uint16_t port)
{
    if (address->ss_family == AF_INET)
        ((struct sockaddr_in *) address)->sin_port = htons(port);
    else
        ((struct sockaddr_in6 *) address)->sin6_port = htons(port);
}

/* Reads "ADDRESS", "V4ADDRESS:PORT" or "[ADDRESS]:PORT"; changes `text`. */
static bool read_server(char *text, struct sockaddr_storage *address)
{
    uint64_t port = DNS_PORT;
    char *host = text, *colon = strchr(text, ':');

    if (*text == '[') {
        char *bracket = strchr(text, ']');

        if (!bracket || (bracket[1] && bracket[1] != ':'))
            return false;
        host++;
        *bracket = 0;
        colon = bracket[1] ? bracket + 1 : NULL;
    } else if (colon && strchr(colon + 1, ':')) {
        colon = NULL; /* IPv6 without a port */
    }
    if (colon) {
        if (num_parse(colon + 1, strlen(colon + 1), &port) < 0 || port < 1 || port > 65535)
            return false;
        *colon = 0;
    }
    if (!resolve_address_parse(host, address))
        return false;
    set_port(address, (uint16_t) port);
    return true;
}

/* Takes the next word of the line at *at, which ends at `end`; longer ones than fit in `word` are
 * cut.  False at the end of the line. */
static bool next_word(const char **at, const char *end, char word[WORD_SIZE])
{
    size_t length = 0;

    while (*at < end && memchr(" \t\r", **at, 3))
        ++*at;
    while (*at < end && !memchr(" \t\r#", **at, 4)) {
        if (length < WORD_SIZE - 1)
            word[length++] = **at;
        ++*at;
    }
    word[length] = 0;
    return length > 0;
}

/* Takes the next line at *at, which ends at `end`; it is *line up to what is returned. */
static const char *next_line(const char **at, const char *end, const char **line)
{
    const char *newline = memchr(*at, '\n', (size_t) (end - *at));

    *line = *at;
    *at = newline ? newline + 1 : end;
    return newline ? newline : end;
}

static void read_servers(struct resolve_config *config, const struct buf *content)
{
    const char *at = content->data, *end = at + content->length, *line;
    char word[WORD_SIZE];

    config->server_count = 0;
    while (at < end && config->server_count < RESOLVE_SERVERS_MAX) {
        const char *line_end = next_line(&at, end, &line);

        if (next_word(&line, line_end, word) && strcmp(word, "nameserver") == 0 &&
            next_word(&line, line_end, word) &&
            read_server(word, &config->servers[config->server_count]))
            config->server_count++;
    }
    if (config->server_count == 0) {
        strcpy(word, "127.0.0.1");
        read_server(word, &config->servers[config->server_count++]);
    }
}

static int read_file(const char *path, struct buf *content)
{
    *content = (struct buf) BUF_INIT(RESOLVE_FILE_LIMIT);
    if (io_read_file(path, content) == 0 || errno == ENOENT)
        return buf_text(content) ? 0 : -1;
    return -1;
}

int resolve_config_read(struct resolve_config *config, const char *path)
{
    struct buf content;
    int result = read_file(path, &content);

    config->hosts = (struct buf) BUF_INIT(RESOLVE_FILE_LIMIT);
    if (result == 0) {
        read_servers(config, &content);
        result = read_file("/etc/hosts", &config->hosts);
    }
    int saved = errno;
    buf_free(&content);
    if (result < 0)
        resolve_config_free(config);
    errno = saved;
    return result;
}

void resolve_config_free(struct resolve_config *config)
{
    buf_free(&config->hosts);
}

void resolve_config_hosts(const struct resolve_config *config, const char *name,
                          void (*tell)(void *context, const struct sockaddr_storage *address),
                          void *context)
{
    const char *at = config->hosts.data, *end = at + config->hosts.length, *line;
    struct sockaddr_storage address;
    char word[WORD_SIZE];

    while (at < end) {
        const char *line_end = next_line(&at, end, &line);

        if (!next_word(&line, line_end, word) || !resolve_address_parse(word, &address))
            continue;
        while (next_word(&line, line_end, word)) {
            if (strcasecmp(word, name) == 0) {
                tell(context, &address);
                break;
            }
        }
    }
}
