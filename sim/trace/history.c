/* SPDX-License-Identifier: ISC */
#include "sim/trace/history.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "sim/world/pool.h"

#define PENDING_MAX ((size_t) 1 << 20)

/* --- numbers to places -----------------------------------------------------------------------*/

struct index { /* open addressing; capacity a power of two */
    struct slot {
        uint64_t key;
        size_t value; /* + 1; 0: free */
    } * slots;
    size_t capacity, count;
};

static struct slot *index_slot(const struct index *index, uint64_t key)
{
    size_t at = (size_t) (key * UINT64_C(0x9E3779B97F4A7C15) >> 20) & (index->capacity - 1);

    while (index->slots[at].value && index->slots[at].key != key)
        at = (at + 1) & (index->capacity - 1);
    return &index->slots[at];
}

static struct index *index_new(void)
{
    struct index *index = must_zeroed(sizeof *index);

    index->capacity = 1024;
    index->slots = must_zeroed(index->capacity * sizeof *index->slots);
    return index;
}

static void index_free(struct index *index)
{
    free(index->slots);
    free(index);
}

static void index_grow(struct index *index)
{
    struct index grown = {.capacity = index->capacity * 2, .count = index->count};

    grown.slots = must_zeroed(grown.capacity * sizeof *grown.slots);
    for (size_t i = 0; i < index->capacity; i++)
        if (index->slots[i].value)
            *index_slot(&grown, index->slots[i].key) = index->slots[i];
    free(index->slots);
    *index = grown;
}

static void index_set(struct index *index, uint64_t key, size_t value)
{
    if (index->count * 2 >= index->capacity)
        index_grow(index);
    struct slot *slot = index_slot(index, key);

    index->count += !slot->value;
    *slot = (struct slot){key, value + 1};
}

/* SIZE_MAX: there is none. */
static size_t index_get(const struct index *index, uint64_t key)
{
    return index_slot(index, key)->value - 1;
}

/* --- stories ---------------------------------------------------------------------------------*/

static struct event *add_event(struct history *history, size_t story, enum event_kind kind,
                               const struct line *line)
{
    struct story *of = &history->stories[story];
    struct event *event = LIST_ADD(of->events, of->event_count);

    event->kind = kind;
    event->at = line->at;
    event->delivery = SIZE_MAX;
    return event;
}

static size_t new_story(struct history *history, uint64_t number)
{
    struct story *story = LIST_ADD(history->stories, history->story_count);

    story->number = number;
    story->before = index_get(history->by_number, number);
    story->bounce = story->bounce_of = NO_STORY;
    index_set(history->by_number, number, history->story_count - 1);
    return history->story_count - 1;
}

/* The story that is told of under a number; a new one, without its begin, if there is none. */
static size_t current_story(struct history *history, uint64_t number)
{
    size_t story = index_get(history->by_number, number);

    if (story != SIZE_MAX && !history->stories[story].ended)
        return story;
    return new_story(history, number);
}

static void take_new(struct history *history, const struct line *line)
{
    size_t story = new_story(history, line->message);

    history->stories[story].has_begin = true;
    history->stories[story].begin = line->at;
    add_event(history, story, EVENT_NEW, line);
}

static bool same_sender(const struct story *story, const struct line *line)
{
    if (!story->sender || !line->sender_shown)
        return !story->sender && !line->sender_shown;
    return strlen(story->sender) == line->sender.size &&
           memcmp(story->sender, line->sender.at, line->sender.size) == 0;
}

/* A crash before todo/N was removed: the same message is logged as new again. */
static bool is_taken_again(const struct story *before, const struct line *line)
{
    return before->has_info && before->bytes == line->bytes && before->qp == line->qp &&
           before->uid == line->uid && same_sender(before, line);
}

static void drop_last_story(struct history *history)
{
    free(history->stories[--history->story_count].events);
}

/* A message from nobody that came in by the queue run that a bounce was given to. */
static void link_bounce(struct history *history, size_t story)
{
    struct story *bounce = &history->stories[story];

    if (bounce->sender && *bounce->sender && strcmp(bounce->sender, "#@[]") != 0)
        return;
    size_t parent = index_get(history->by_bounce, bounce->qp);

    if (parent == SIZE_MAX || parent == story || history->stories[parent].bounce != NO_STORY)
        return;
    history->stories[parent].bounce = story;
    bounce->bounce_of = parent;
}

static void take_info(struct history *history, const struct line *line)
{
    size_t at = current_story(history, line->message);
    size_t before = history->stories[at].has_info ? NO_STORY : history->stories[at].before;

    if (before != NO_STORY && history->stories[before].ended)
        before = NO_STORY;
    if (before != NO_STORY && at + 1 == history->story_count &&
        history->stories[at].event_count == 1 && is_taken_again(&history->stories[before], line)) {
        drop_last_story(history);
        index_set(history->by_number, line->message, before);
        add_event(history, before, EVENT_AGAIN, line);
        return;
    }
    if (before != NO_STORY)
        history->stories[before].replaced = true;
    struct story *story = &history->stories[at];

    free(story->sender);
    story->sender = line->sender_shown ? must_copy(line->sender.at, line->sender.size) : NULL;
    story->bytes = line->bytes;
    story->qp = line->qp;
    story->uid = line->uid;
    story->has_info = true;
    if (!story->begin.known)
        story->begin = line->at;
    link_bounce(history, at);
}

/* --- deliveries ------------------------------------------------------------------------------*/

/* The server began anew: what ran then was never reported. */
static void lose_open(struct history *history, const struct line *line)
{
    history->runs++;
    for (size_t i = history->delivery_count; i-- > 0;) {
        struct delivery *delivery = &history->deliveries[i];

        if (delivery->result == RESULT_LOST)
            break; /* of the run before */
        if (delivery->result != RESULT_OPEN)
            continue;
        delivery->result = RESULT_LOST;
        add_event(history, delivery->story, EVENT_LOST, line)->delivery = i;
    }
    history->last_delivery = 0;
}

static bool same_recipient(const struct delivery *a, const struct delivery *b)
{
    return a->remote == b->remote && strcmp(a->recipient, b->recipient) == 0;
}

/* FNV-1a. */
static uint64_t hash_recipient(const struct delivery *delivery)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ (delivery->story * 2 + delivery->remote);

    for (const char *at = delivery->recipient; *at; at++)
        hash = (hash ^ (unsigned char) *at) * UINT64_C(0x100000001b3);
    return hash;
}

/* The last try for the same recipient; and this one is it from now on. */
static size_t try_before(const struct history *history, const struct delivery *delivery,
                         size_t place)
{
    uint64_t hash = hash_recipient(delivery);
    size_t before = index_get(history->by_recipient, hash);

    index_set(history->by_recipient, hash, place);
    if (before == SIZE_MAX || history->deliveries[before].story != delivery->story ||
        !same_recipient(&history->deliveries[before], delivery))
        return SIZE_MAX;
    return before;
}

static void take_start(struct history *history, const struct line *line)
{
    size_t story = current_story(history, line->message);

    if (line->delivery <= history->last_delivery)
        lose_open(history, line);
    history->last_delivery = line->delivery;
    struct delivery *delivery = LIST_ADD(history->deliveries, history->delivery_count);
    size_t at = history->delivery_count - 1;

    delivery->id = line->delivery;
    delivery->story = story;
    delivery->remote = line->remote;
    delivery->recipient = must_copy(line->recipient.at, line->recipient.size);
    delivery->start = line->at;
    delivery->previous = try_before(history, delivery, at);
    delivery->try = 1;
    delivery->is_last = true;
    if (delivery->previous != SIZE_MAX) {
        struct delivery *previous = &history->deliveries[delivery->previous];

        delivery->try = previous->try + 1;
        previous->is_last = false;
    }
    index_set(history->by_delivery, line->delivery, at);
    add_event(history, story, EVENT_START, line)->delivery = at;
}

static void take_result(struct history *history, const struct line *line)
{
    size_t at = index_get(history->by_delivery, line->delivery);

    if (at == SIZE_MAX || history->deliveries[at].result != RESULT_OPEN) {
        history->skipped++; /* its begin is not in the log */
        return;
    }
    struct delivery *delivery = &history->deliveries[at];

    delivery->end = line->at;
    delivery->result = line->kind == LINE_SUCCESS   ? RESULT_SUCCESS
                       : line->kind == LINE_FAILURE ? RESULT_FAILURE
                                                    : RESULT_DEFERRAL;
    delivery->text = must_copy(line->text.at, line->text.size);
    add_event(history, delivery->story, EVENT_RESULT, line)->delivery = at;
}

/* --- the rest --------------------------------------------------------------------------------*/

static void take_bounce(struct history *history, const struct line *line)
{
    size_t at = current_story(history, line->message);
    struct story *story = &history->stories[at];

    story->bounce_qp = line->qp;
    index_set(history->by_bounce, line->qp, at);
    add_event(history, at, EVENT_BOUNCE, line);
}

static void take_end(struct history *history, const struct line *line)
{
    size_t at = index_get(history->by_number, line->message);

    /* Told twice if info could not be removed at once. */
    if (at != SIZE_MAX && history->stories[at].ended)
        return;
    at = current_story(history, line->message);
    history->stories[at].ended = true;
    history->stories[at].end = line->at;
    add_event(history, at, EVENT_END, line);
}

static void take_admin(struct history *history, const struct line *line)
{
    size_t at = current_story(history, line->message);
    struct story *story = &history->stories[at];
    struct event *event = add_event(history, at, EVENT_ADMIN, line);

    event->text = must_copy(line->text.at, line->text.size);
    story->deleted |= strcmp(event->text, "deleted") == 0;
    if (strcmp(event->text, "held") == 0)
        story->held = true;
    if (strcmp(event->text, "released") == 0)
        story->held = false;
}

/* "... msg 17 ..." or "... mess/17 ...": of that message, if it is known. */
static void take_trouble(struct history *history, const struct line *line)
{
    char *text = must_copy(line->text.at, line->text.size), *end;
    const char *mark = strstr(text, "msg ");
    size_t story = SIZE_MAX;

    if (mark)
        mark += 4;
    else if ((mark = strchr(text, '/')) != NULL)
        mark++;
    if (mark && *mark >= '0' && *mark <= '9')
        story = index_get(history->by_number, strtoull(mark, &end, 10));
    if (story != SIZE_MAX)
        add_event(history, story, EVENT_TROUBLE, line)->text = text;
    else
        free(text);
}

static void take_line(struct history *history, const struct line *line)
{
    if (line->at.known)
        history->last = line->at;
    switch (line->kind) {
    case LINE_NEW:
        take_new(history, line);
        break;
    case LINE_INFO:
        take_info(history, line);
        break;
    case LINE_START:
        take_start(history, line);
        break;
    case LINE_SUCCESS:
    case LINE_FAILURE:
    case LINE_DEFERRAL:
    case LINE_MANGLED:
        take_result(history, line);
        break;
    case LINE_BOUNCE:
        take_bounce(history, line);
        break;
    case LINE_TRIPLE: {
        size_t at = current_story(history, line->message);

        history->stories[at].triple = true;
        add_event(history, at, EVENT_TRIPLE, line);
        break;
    }
    case LINE_END:
        take_end(history, line);
        break;
    case LINE_ADMIN:
        take_admin(history, line);
        break;
    case LINE_TROUBLE:
        take_trouble(history, line);
        break;
    case LINE_EXITING:
        lose_open(history, line);
        break;
    case LINE_OTHER:
        break;
    case LINE_CONTINUED:
    case LINE_UNKNOWN:
        history->skipped++;
    }
}

/* --- lines -----------------------------------------------------------------------------------*/

static void take_pending(struct history *history)
{
    struct line line;

    if (!history->pending_size)
        return;
    line_read(&line, history->pending, history->pending_size);
    take_line(history, &line);
    history->pending_size = 0;
}

static void add_pending(struct history *history, const char *text, size_t size)
{
    if (history->pending_size + size > history->pending_room) {
        history->pending_room = (history->pending_size + size) * 2 + 256;
        history->pending = must_resize(history->pending, history->pending_room);
    }
    memcpy(history->pending + history->pending_size, text, size);
    history->pending_size += size;
}

void history_init(struct history *history)
{
    memset(history, 0, sizeof *history);
    history->by_number = index_new();
    history->by_delivery = index_new();
    history->by_bounce = index_new();
    history->by_recipient = index_new();
    history->pending = must_alloc(1);
}

void history_line(struct history *history, const char *text, size_t size)
{
    struct line line;

    line_read(&line, text, size);
    if (line.kind == LINE_CONTINUED && history->pending_size &&
        history->pending_size + line.text.size <= PENDING_MAX) {
        add_pending(history, line.text.at, line.text.size);
        return;
    }
    take_pending(history);
    if (size == 0)
        return;
    history->lines++;
    add_pending(history, text, size);
}

void history_skip(struct history *history)
{
    take_pending(history);
    history->lines++;
    history->skipped++;
}

void history_end(struct history *history)
{
    take_pending(history);
}

void history_free(struct history *history)
{
    for (size_t i = 0; i < history->story_count; i++) {
        for (size_t k = 0; k < history->stories[i].event_count; k++)
            free(history->stories[i].events[k].text);
        free(history->stories[i].events);
        free(history->stories[i].sender);
    }
    for (size_t i = 0; i < history->delivery_count; i++) {
        free(history->deliveries[i].recipient);
        free(history->deliveries[i].text);
    }
    free(history->stories);
    free(history->deliveries);
    free(history->pending);
    index_free(history->by_number);
    index_free(history->by_delivery);
    index_free(history->by_bounce);
    index_free(history->by_recipient);
}

/* --- searching -------------------------------------------------------------------------------*/

static bool glob(const char *pattern, const char *text, size_t size)
{
    const char *star = NULL, *end = text + size, *from = NULL;

    while (text < end) {
        if (*pattern == '*') {
            star = pattern++;
            from = text;
        } else if (*pattern && (*pattern == '?' || strncasecmp(pattern, text, 1) == 0)) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star + 1;
            text = ++from;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return !*pattern;
}

static bool is_meant(const char *address, const char *pattern)
{
    const char *at = strrchr(address, '@');

    if (glob(pattern, address, strlen(address)))
        return true;
    if (strchr(pattern, '@') || !at || !*pattern)
        return false;
    return glob(pattern, address, (size_t) (at - address)) || glob(pattern, at + 1, strlen(at + 1));
}

bool story_names(const struct history *history, const struct story *story, const char *address)
{
    if (story->sender && is_meant(story->sender, address))
        return true;
    for (size_t i = 0; i < story->event_count; i++)
        if (story->events[i].kind == EVENT_START &&
            is_meant(history->deliveries[story->events[i].delivery].recipient, address))
            return true;
    return false;
}
