/* SPDX-License-Identifier: ISC */
#include "sim/actors/smtp-client/client.h"

#include <string.h>

#define NS_PER_MS 1000000
#define SIZE_MAX_BYTES UINT64_C(1000000000000)

static int64_t read_ms(struct config *config)
{
    return (config_time(config) + NS_PER_MS - 1) / NS_PER_MS;
}

static void read_connect(struct client *client)
{
    if (client->address_count == CLIENT_ADDRESSES_MAX)
        config_fail(&client->config, "too many addresses", NULL);
    else
        client->addresses[client->address_count++] = endpoint_read(&client->config, 1);
}

static void read_helo(struct client *client)
{
    client->letter.helo = config_word(&client->config, "a host name");
}

static void read_auth(struct client *client)
{
    client->letter.user = config_word(&client->config, "a user name");
    client->letter.password = config_word(&client->config, "a password");
}

static void read_from(struct client *client)
{
    client->letter.sender = config_word(&client->config, "an address");
}

static void read_to(struct client *client)
{
    do {
        const char *address = config_word(&client->config, "an address");

        if (client->recipient_count == CLIENT_RECIPIENTS_MAX)
            config_fail(&client->config, "too many recipients", NULL);
        else if (buf_add(&client->recipients, &address, sizeof address) < 0)
            config_fail(&client->config, "out of memory", NULL);
        else
            client->recipient_count++;
    } while (config_peek(&client->config));
}

static void read_pipelining(struct client *client)
{
    client->letter.pipelining = config_take(&client->config, "on");
    if (!client->letter.pipelining)
        config_need(&client->config, "off");
}

static void read_chunk(struct client *client)
{
    client->letter.chunk = (size_t) config_number(&client->config, 1, SIZE_MAX_BYTES);
    config_need(&client->config, "bytes");
    config_need(&client->config, "every");
    client->letter.chunk_ms = read_ms(&client->config);
}

static void read_cut(struct client *client)
{
    config_need(&client->config, "after");
    client->letter.cut = true;
    client->letter.cut_after = config_number(&client->config, 0, SIZE_MAX_BYTES);
    config_need(&client->config, "bytes");
    client->cut_tries = UINT64_MAX;
    if (config_take(&client->config, "first"))
        client->cut_tries = config_number(&client->config, 1, CLIENT_TRIES_MAX);
}

static void read_retry(struct client *client)
{
    config_need(&client->config, "every");
    client->every_ms = read_ms(&client->config);
    client->tries = 0;
    if (config_take(&client->config, "times")) {
        client->tries = 1 + config_number(&client->config, 0, CLIENT_TRIES_MAX);
        return;
    }
    config_need(&client->config, "until");
    config_need(&client->config, "accepted");
}

static void read_no(struct client *client)
{
    config_need(&client->config, "retry");
    client->tries = 1;
}

static void read_options(struct client *client)
{
    while (config_peek(&client->config)) {
        if (client->letter.option_count == CLIENT_OPTIONS_MAX) {
            config_fail(&client->config, "too many options", NULL);
            return;
        }
        client->options[client->letter.option_count++] =
            config_word(&client->config, "an option of MAIL");
    }
}

static void read_raw(struct client *client)
{
    client->raw = true;
}

static void read_blind(struct client *client)
{
    client->letter.blind = true;
}

static void read_timeout(struct client *client)
{
    client->letter.timeout_ms = read_ms(&client->config);
}

static void read_message(struct client *client)
{
    size_t size = (size_t) config_number(&client->config, 0, CONFIG_LIMIT);
    const char *bytes = config_payload(&client->config, size);

    if (!bytes)
        return;
    if (client->raw) {
        client->letter.wire = bytes;
        client->letter.wire_size = size;
    } else if (courier_add_wire(&client->wire, bytes, size) < 0) {
        config_fail(&client->config, "no memory for the message", NULL);
    } else {
        client->letter.wire = client->wire.data;
        client->letter.wire_size = client->wire.length;
    }
}

static void read_line(struct client *client)
{
    static const struct {
        const char *keyword;
        void (*read)(struct client *client);
    } lines[] = {
        {"connect", read_connect}, {"helo", read_helo},       {"auth", read_auth},
        {"from", read_from},       {"to", read_to},           {"pipelining", read_pipelining},
        {"chunk", read_chunk},     {"cut", read_cut},         {"retry", read_retry},
        {"no", read_no},           {"options", read_options}, {"raw", read_raw},
        {"blind", read_blind},     {"timeout", read_timeout}, {"message", read_message},
    };

    if (client->letter.wire)
        config_fail(&client->config, "the message must be the last thing", NULL);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        if (config_take(&client->config, lines[i].keyword)) {
            lines[i].read(client);
            return;
        }
    config_fail(&client->config, "there is no such line: ", config_peek(&client->config));
}

int client_configure(struct client *client)
{
    memset(client, 0, sizeof *client);
    client->recipients = (struct buf) BUF_INIT(0);
    client->wire = (struct buf) BUF_INIT(2 * CONFIG_LIMIT);
    client->tries = 1;
    client->letter.helo = "client.example";
    client->letter.options = client->options;
    client->letter.pipelining = true;
    if (config_open(&client->config, "smtp-client", 0) < 0)
        return -1;
    while (config_line(&client->config))
        read_line(client);
    if (client->address_count == 0)
        config_fail(&client->config, "there is no `connect`", NULL);
    if (!client->letter.sender)
        config_fail(&client->config, "there is no `from`", NULL);
    if (client->recipient_count == 0)
        config_fail(&client->config, "there is no `to`", NULL);
    if (!client->letter.wire)
        config_fail(&client->config, "there is no `message`", NULL);
    return client->config.failed ? -1 : 0;
}

void client_free(struct client *client)
{
    buf_free(&client->recipients);
    buf_free(&client->wire);
    config_free(&client->config);
}
