/* SPDX-License-Identifier: ISC */
#include "mta/queue/client.h"

#include <errno.h>
#include <string.h>

#include "mta/lib/io.h"
#include "mta/lib/number.h"
#include "mta/lib/queue_result.h"

/* Numbers are reserved by the block; those left at the end are never used. */
#define NUMBER_BLOCK 64
/* What the envelopes under way of all clients may take together; but whoever holds so much that it
 * is used up, each may have an envelope of ENVELOPE_SMALL. */
#define ENVELOPES_MAX ((size_t) 256 << 20)
#define ENVELOPE_SMALL 65536
/* A buffer larger than this is given back after the message. */
#define KEEP_MAX 16384

void client_init(struct client *client, int fd, uid_t uid, int64_t now_ms)
{
    *client = (struct client){.fd = fd,
                              .uid = uid,
                              .heard_ms = now_ms,
                              .entry = ENTRY_INIT,
                              .envelope = BUF_INIT(ENVELOPE_SIZE_MAX)};
}

static void fail(struct client *client, int result)
{
    entry_withdraw(&client->entry);
    client->result = result;
}

void client_fail(struct client *client, int result)
{
    if (client->entry.stage != ENTRY_NONE)
        fail(client, result);
}

static void break_off(struct client *client)
{
    fail(client, QUEUE_ENVELOPE);
    client->broken = true;
    client->state = CLIENT_DONE;
}

static int take_number(struct client_pool *pool, uint64_t *number)
{
    if (pool->next_number == pool->end_number) {
        uint64_t first;
        if (number_reserve(NUMBER_BLOCK, &first) < 0)
            return entry_result(errno, QUEUE_PID);
        pool->next_number = first;
        pool->end_number = first + NUMBER_BLOCK;
    }
    *number = pool->next_number++;
    return QUEUE_OK;
}

static void begin(struct client_pool *pool, struct client *client)
{
    uint64_t number = 0;
    int result = take_number(pool, &number);
    client->entry.is_lazy = pool->is_lazy;
    if (result == QUEUE_OK)
        result = entry_begin(&client->entry, number, client->uid, client->caller, pool->users);
    if (result != QUEUE_OK)
        fail(client, result);
    client->state = CLIENT_EXPECT_CHUNK;
}

static uint32_t head_number(const char head[4])
{
    const unsigned char *byte = (const unsigned char *) head;
    return (uint32_t) byte[0] << 24 | (uint32_t) byte[1] << 16 | (uint32_t) byte[2] << 8 | byte[3];
}

static void end(struct client *client)
{
    struct envelope envelope;
    client->state = CLIENT_DONE;
    if (client->result != QUEUE_OK)
        return;
    enum envelope_result parsed =
        envelope_parse(client->envelope.data, client->envelope.length, &envelope);
    int result = QUEUE_OK;
    if (parsed == ENVELOPE_LONG)
        result = QUEUE_ADDRESS_LONG;
    else if (parsed == ENVELOPE_CUT)
        result = QUEUE_READ;
    else if (parsed == ENVELOPE_INVALID || envelope.size != client->envelope.length)
        result = QUEUE_ENVELOPE;
    if (result == QUEUE_OK)
        result = entry_finish(&client->entry, &envelope);
    if (result != QUEUE_OK)
        fail(client, result);
}

static bool read_greeting(struct client *client)
{
    const char *head = client->head;
    client->caller = (enum caller) head[1];
    return head[0] == 'Q' && head[1] && strchr("1nab", head[1]) && head[2] == '\n';
}

/* The greeting or a length is whole. */
static void end_head(struct client_pool *pool, struct client *client)
{
    client->head_size = 0;
    if (client->state == CLIENT_EXPECT_GREETING) {
        if (read_greeting(client))
            begin(pool, client);
        else
            break_off(client);
        return;
    }
    client->left = head_number(client->head);
    if (client->state == CLIENT_EXPECT_CHUNK) {
        client->state = client->left > 0 ? CLIENT_IN_CHUNK : CLIENT_EXPECT_ENVELOPE;
        return;
    }
    client->state = CLIENT_IN_ENVELOPE;
    if (client->left > ENVELOPE_SIZE_MAX && client->result == QUEUE_OK)
        fail(client, QUEUE_REFUSED);
    if (client->left == 0)
        end(client);
}

static size_t take_head(struct client_pool *pool, struct client *client, const char *bytes,
                        size_t size)
{
    uint32_t whole =
        client->state == CLIENT_EXPECT_GREETING ? CLIENT_GREETING_SIZE : sizeof client->head;
    size_t count = whole - client->head_size;
    if (count > size)
        count = size;
    memcpy(client->head + client->head_size, bytes, count);
    client->head_size += (uint32_t) count;
    if (client->head_size == whole)
        end_head(pool, client);
    return count;
}

static int keep_envelope(struct client_pool *pool, struct client *client, const char *bytes,
                         size_t size)
{
    bool small = client->envelope.length + size <= ENVELOPE_SMALL;
    if (!small && pool->envelope_bytes + size > ENVELOPES_MAX)
        return QUEUE_MEMORY;
    if (buf_add(&client->envelope, bytes, size) < 0)
        return QUEUE_MEMORY;
    pool->envelope_bytes += size;
    return QUEUE_OK;
}

static size_t take_body(struct client_pool *pool, struct client *client, const char *bytes,
                        size_t size)
{
    size_t count = client->left < size ? client->left : size;
    bool in_chunk = client->state == CLIENT_IN_CHUNK;
    client->left -= (uint32_t) count;
    if (client->result == QUEUE_OK) {
        int result = in_chunk ? entry_write(&client->entry, bytes, count)
                              : keep_envelope(pool, client, bytes, count);
        if (result != QUEUE_OK)
            fail(client, result);
    }
    if (client->left == 0 && in_chunk)
        client->state = CLIENT_EXPECT_CHUNK;
    else if (client->left == 0)
        end(client);
    return count;
}

size_t client_feed(struct client_pool *pool, struct client *client, const char *bytes, size_t size)
{
    size_t taken = 0;
    while (taken < size && client->state != CLIENT_DONE) {
        bool in_body = client->state == CLIENT_IN_CHUNK || client->state == CLIENT_IN_ENVELOPE;
        taken += in_body ? take_body(pool, client, bytes + taken, size - taken)
                         : take_head(pool, client, bytes + taken, size - taken);
    }
    return taken;
}

bool client_is_busy(const struct client *client)
{
    return client->state != CLIENT_EXPECT_GREETING || client->head_size > 0;
}

static void forget(struct buf *buf)
{
    if (buf->capacity > KEEP_MAX)
        buf_free(buf);
    else
        buf_reset(buf);
}

static void forget_envelope(struct client_pool *pool, struct client *client)
{
    pool->envelope_bytes -= client->envelope.length;
    forget(&client->envelope);
}

void client_next(struct client_pool *pool, struct client *client)
{
    forget_envelope(pool, client);
    forget(&client->entry.waiting);
    forget(&client->entry.todo);
    client->entry.stage = ENTRY_NONE;
    client->state = CLIENT_EXPECT_GREETING;
    client->result = QUEUE_OK;
}

void client_free(struct client_pool *pool, struct client *client)
{
    entry_withdraw(&client->entry);
    forget_envelope(pool, client);
    entry_free(&client->entry);
    buf_free(&client->envelope);
    buf_free(&client->rest);
    io_close(&client->fd);
}
