/* SPDX-License-Identifier: ISC */
/* Whether a connection speaks SMTP. */
#include "sim/capture/flow_kind.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define LOOKED_AT_MAX 65536 /* bytes of one side after which it is no SMTP if nothing says so */

static const char *const commands[] = {
    "EHLO", "HELO", "LHLO", "MAIL FROM:", "RCPT TO:", "DATA",    "STARTTLS", "RSET",
    "QUIT", "NOOP", "VRFY", "EXPN",       "BDAT",     "XCLIENT", "XFORWARD", "AUTH"};
#define COMMAND_COUNT (sizeof commands / sizeof *commands)

bool flow_is_command(const char *bytes, size_t size)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        size_t length = strlen(commands[i]);

        if (size < length || strncasecmp(bytes, commands[i], length) != 0)
            continue;
        if (size == length || !isalnum((unsigned char) bytes[length]) ||
            commands[i][length - 1] == ':')
            return true;
    }
    return false;
}

/* "220 ...", "250-...". */
static bool is_reply(const struct stream *stream)
{
    const char *bytes = stream->bytes;

    return stream->size >= 4 && bytes[0] >= '2' && bytes[0] <= '5' &&
           isdigit((unsigned char) bytes[1]) && isdigit((unsigned char) bytes[2]) &&
           (bytes[3] == ' ' || bytes[3] == '-' || bytes[3] == '\r');
}

/* A command that no other protocol whose replies look the same has first: FTP says USER. */
static bool says_smtp(const struct stream *stream)
{
    return stream->size >= 4 && flow_is_command(stream->bytes, stream->size) &&
           (strncasecmp(stream->bytes, "EHLO", 4) == 0 ||
            strncasecmp(stream->bytes, "HELO", 4) == 0 ||
            strncasecmp(stream->bytes, "LHLO", 4) == 0 ||
            (stream->size >= 10 && strncasecmp(stream->bytes, "MAIL FROM:", 10) == 0) ||
            (stream->size >= 8 && strncasecmp(stream->bytes, "RCPT TO:", 8) == 0));
}

/* Its greeting says what it is. */
static bool greets_smtp(const struct stream *stream)
{
    size_t size = stream->size < 512 ? stream->size : 512;
    const char *end = stream->size ? memchr(stream->bytes, '\n', size) : NULL;

    if (!is_reply(stream) || memcmp(stream->bytes, "220", 3) != 0)
        return false;
    size = end ? (size_t) (end - stream->bytes) : size;
    return memmem(stream->bytes, size, "SMTP", 4) != NULL ||
           memmem(stream->bytes, size, "LMTP", 4) != NULL;
}

/* Who is the server, if nobody was seen opening the connection. */
static int find_client(const struct flow *flow)
{
    for (int side = 0; side < 2; side++)
        if (is_reply(&flow->streams[!side]) && !is_reply(&flow->streams[side]))
            return side;
    for (int side = 0; side < 2; side++)
        if (flow->streams[side].size > 0 &&
            flow_is_command(flow->streams[side].bytes, flow->streams[side].size))
            return side;
    return flow->ends[0].port < flow->ends[1].port ? 1 : 0;
}

static void set_kind(struct flow *flow, enum flow_kind kind)
{
    flow->kind = kind;
    if (flow->client < 0)
        flow->client = find_client(flow);
}

static bool side_is_smtp(const struct flow *flow, int client)
{
    const struct stream *server = &flow->streams[!client];

    if (flow->client == !client)
        return false;
    return says_smtp(&flow->streams[client]) ? server->size < 4 || is_reply(server)
                                             : greets_smtp(server);
}

void flow_decide(struct flow *flow, bool ended)
{
    bool enough = ended;

    if (flow->kind != FLOW_UNDECIDED)
        return;
    for (int side = 0; side < 2; side++) {
        if (side_is_smtp(flow, side)) {
            flow->client = side;
            set_kind(flow, FLOW_SMTP);
            return;
        }
        enough = enough || flow->streams[side].size > LOOKED_AT_MAX;
    }
    if (flow->smtp_port && ended)
        set_kind(flow, FLOW_SMTP);
    else if (enough && !flow->smtp_port)
        set_kind(flow, FLOW_OTHER);
}
