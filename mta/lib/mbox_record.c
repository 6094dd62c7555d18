/* SPDX-License-Identifier: ISC */
/*
 * nixie1 append CHECKSUM INODE LENGTH SIZE FENCE CONTENT HEADSIZE COUNT\n
 *
 * then HEADSIZE bytes, then COUNT places: a number of 8 bytes, least significant first, and the 8
 * bytes that follow "From " there.  CHECKSUM is that of everything behind it.  Numbers of 20
 * digits, checksums of 16 hexadecimal ones.
 */
#include "mta/lib/mbox_record.h"

#include <errno.h>
#include <string.h>

#include "mta/lib/checksum.h"
#include "mta/lib/mem.h"
#include "mta/lib/num.h"

static const char magic[] = "nixie1 append ";
#define MAGIC (sizeof magic - 1)
#define COVERED (MAGIC + 16) /* the checksum is over what is behind here */
#define FIELD 21             /* a blank and 20 digits */
#define HEX_FIELD 17
#define PLACE (8 + MBOX_FOLLOWING)
#define FIXED (COVERED + 5 * FIELD + 2 * HEX_FIELD + 1)

int mbox_record_path(struct buf *to, const char *path)
{
    const char *slash = strrchr(path, '/');
    size_t directory = slash ? (size_t) (slash - path) + 1 : 0;
    if (buf_set(to, path, directory) < 0 || buf_add_byte(to, '.') < 0 ||
        buf_add_text(to, path + directory) < 0)
        return -1;
    return buf_add_text(to, ".nixie");
}

int mbox_record_add_from(struct mbox_record *record, const struct mbox_place *place)
{
    if (record->from_count == MBOX_FROM_MAX)
        return 0;
    if (record->from_count == record->from_room) {
        size_t room = record->from_room ? record->from_room * 2 : 16;
        struct mbox_place *from = mem_resize(record->from, room * sizeof *from);
        if (!from)
            return -1;
        record->from = from;
        record->from_room = room;
    }
    record->from[record->from_count++] = *place;
    return 0;
}

bool mbox_record_may_break(const struct mbox_record *record, uint64_t offset, char found)
{
    bool border = offset % MBOX_WRITE == 0 || (record->length + offset) % MBOX_SECTOR == 0;
    bool text = found >= ' ' && found < 127;
    return found == 0 || (border && !text);
}

static bool same_following(const struct mbox_record *record, const struct mbox_place *ours,
                           const struct mbox_place *place)
{
    for (unsigned i = 0; i < place->known && i < ours->known; i++)
        if (place->following[i] != ours->following[i])
            return mbox_record_may_break(record, place->at + 5 + i, place->following[i]);
    return true;
}

bool mbox_record_has_from(const struct mbox_record *record, const struct mbox_place *place)
{
    size_t low = 0, high = record->from_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (record->from[middle].at < place->at)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == record->from_count || record->from[low].at != place->at)
        return false;
    return same_following(record, &record->from[low], place);
}

static int add_number(struct buf *bytes, uint64_t number)
{
    char field[FIELD] = " ";
    num_format_padded(field + 1, FIELD - 1, number);
    return buf_add(bytes, field, FIELD);
}

static int add_hex(struct buf *bytes, uint64_t number)
{
    char field[HEX_FIELD] = " ";
    num_format_hex(field + 1, number);
    return buf_add(bytes, field, HEX_FIELD);
}

static int add_places(struct buf *bytes, const struct mbox_record *record)
{
    for (size_t i = 0; i < record->from_count; i++) {
        const struct mbox_place *from = &record->from[i];
        char place[8];
        for (unsigned k = 0; k < 8; k++)
            place[k] = (char) (from->at >> (8 * k) & 255);
        if (buf_add(bytes, place, sizeof place) < 0 ||
            buf_add(bytes, from->following, MBOX_FOLLOWING) < 0)
            return -1;
    }
    return 0;
}

int mbox_record_build(const struct mbox_record *record, struct buf *bytes)
{
    if (buf_set_text(bytes, MBOX_RECORD_CLOSED) < 0 || add_number(bytes, record->inode) < 0 ||
        add_number(bytes, record->length) < 0 || add_number(bytes, record->size) < 0 ||
        add_hex(bytes, record->fence) < 0 || add_hex(bytes, record->checksum) < 0 ||
        add_number(bytes, record->head.length) < 0 || add_number(bytes, record->from_count) < 0 ||
        buf_add_byte(bytes, '\n') < 0 ||
        buf_add(bytes, record->head.data, record->head.length) < 0 || add_places(bytes, record) < 0)
        return -1;
    num_format_hex(bytes->data + MAGIC,
                   checksum_of(bytes->data + COVERED, bytes->length - COVERED));
    return 0;
}

static bool get_number(const char **at, uint64_t *number)
{
    bool good = (*at)[0] == ' ' && num_parse(*at + 1, FIELD - 1, number) == 0;
    *at += FIELD;
    return good;
}

static bool get_hex(const char **at, uint64_t *number)
{
    bool good = (*at)[0] == ' ' && num_parse_hex(*at + 1, number) == 0;
    *at += HEX_FIELD;
    return good;
}

static int get_places(struct mbox_record *record, const char *at, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++, at += PLACE) {
        struct mbox_place place = {.known = MBOX_FOLLOWING};
        for (unsigned k = 0; k < 8; k++)
            place.at |= (uint64_t) (unsigned char) at[k] << (8 * k);
        memcpy(place.following, at + 8, MBOX_FOLLOWING);
        if (mbox_record_add_from(record, &place) < 0)
            return -1;
    }
    return 1;
}

int mbox_record_parse(struct mbox_record *record, const char *bytes, size_t size)
{
    uint64_t checksum, head, count;
    memset(record, 0, sizeof *record);
    if (size < FIXED || memcmp(bytes, magic, MAGIC) != 0 ||
        num_parse_hex(bytes + MAGIC, &checksum) < 0)
        return 0;
    const char *at = bytes + COVERED;
    if (!get_number(&at, &record->inode) || !get_number(&at, &record->length) ||
        !get_number(&at, &record->size) || !get_hex(&at, &record->fence) ||
        !get_hex(&at, &record->checksum) || !get_number(&at, &head) || !get_number(&at, &count) ||
        head > MBOX_HEAD_MAX || count > MBOX_FROM_MAX || size < FIXED + head + count * PLACE)
        return 0;
    /* an older, longer record may still stand behind it */
    size_t used = (size_t) (FIXED + head + count * PLACE);
    if (checksum_of(bytes + COVERED, used - COVERED) != checksum)
        return 0;
    if (buf_set(&record->head, bytes + FIXED, (size_t) head) < 0)
        return -1;
    return get_places(record, bytes + FIXED + head, count);
}

void mbox_record_free(struct mbox_record *record)
{
    mem_free(record->from);
    buf_free(&record->head);
    memset(record, 0, sizeof *record);
}
