/* SPDX-License-Identifier: ISC */
#include "mta/lib/dotqmail_name.h"

int dotqmail_name_part(struct buf *part, const char *dash, const char *extension)
{
    if (buf_set_text(part, dash) < 0)
        return -1;
    for (; *extension; extension++) {
        char c = *extension;
        if (c >= 'A' && c <= 'Z')
            c = (char) (c + 32);
        if (buf_add_byte(part, c == '.' ? ':' : c) < 0)
            return -1;
    }
    return buf_text(part) ? 0 : -1;
}

void dotqmail_name_begin(struct dotqmail_name *name, const struct buf *part, size_t dash)
{
    *name = (struct dotqmail_name){.part = part, .dash = dash, .kept = part->length};
}

/* Moves on to the next one that ends in "default".  False: there is none. */
static bool shorten(struct dotqmail_name *name)
{
    if (name->dash == 0)
        return false; /* the user, not an extension */
    if (!name->is_default) {
        name->is_default = true;
        if (name->kept == name->dash || name->part->data[name->kept - 1] == '-')
            return true;
    }
    while (name->kept > name->dash) {
        name->kept--;
        if (name->kept == name->dash || name->part->data[name->kept - 1] == '-')
            return true;
    }
    return false;
}

int dotqmail_name_next(struct dotqmail_name *name, const char *folder, struct buf *path)
{
    if (name->begun && !shorten(name))
        return 0;
    name->begun = true;
    if (buf_set_text(path, folder) < 0 || buf_add_text(path, ".qmail") < 0 ||
        buf_add(path, name->part->data, name->kept) < 0 ||
        buf_add_text(path, name->is_default ? "default" : "") < 0 || !buf_text(path))
        return -1;
    return 1;
}
