/* SPDX-License-Identifier: ISC */
/* The .qmail file that tells what to do (dotqmail_name.h).  The current directory is the home. */
#include "mta/local/local.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mta/lib/dotqmail_name.h"
#include "mta/lib/error.h"
#include "mta/lib/io.h"

#define WRITABLE_BY_OTHERS 0002

int find_check_home(const struct local *local)
{
    struct stat st;
    if (stat(".", &st) < 0)
        return local_fail_errno("Unable to stat home directory", "", errno);
    if (st.st_mode & WRITABLE_BY_OTHERS)
        return local_fail(LOCAL_SOFT, "Uh-oh: home directory is writable. (#4.7.0)");
    if (!(st.st_mode & S_ISVTX))
        return LOCAL_OK;
    if (local->deliver)
        return local_fail(LOCAL_SOFT,
                          "Home directory is sticky: user is editing his .qmail file. (#4.2.1)");
    local_tell("Warning: home directory is sticky.\n");
    return LOCAL_OK;
}

/* Errors that say: there is no such file, so look on. */
static bool is_absent(int error)
{
    return error == ENOENT || error == ENOTDIR || error == ENAMETOOLONG || error == ENXIO;
}

/* Reads an open .qmail file. */
static int read_instructions(struct local *local, const char *path, int fd)
{
    local->instructions.limit = DOTQMAIL_SIZE_MAX;
    if (io_read_all(fd, &local->instructions) == 0)
        return LOCAL_OK;
    if (errno == EMSGSIZE)
        return local_fail(LOCAL_SOFT, "Uh-oh: ", path, " is too large. (#4.2.1)");
    return local_fail_errno("Unable to read ", path, errno);
}

/* Takes `path` if it is a regular file.  0 and *found, or an exit code. */
static int try_path(struct local *local, const char *path, bool *found)
{
    *found = false;
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return is_absent(errno) ? LOCAL_OK : local_fail_errno("Unable to open ", path, errno);
    struct stat st;
    int code = LOCAL_OK;
    if (fstat(fd, &st) < 0) {
        code = local_fail_errno("Unable to read ", path, errno);
    } else if (S_ISREG(st.st_mode)) {
        *found = true;
        local->executable = (st.st_mode & S_IXUSR) != 0;
        if (st.st_mode & WRITABLE_BY_OTHERS)
            code = local_fail(LOCAL_SOFT, "Uh-oh: ", path, " file is writable. (#4.7.0)");
        else
            code = read_instructions(local, path, fd);
    }
    close(fd);
    return code;
}

static int set_default(struct local *local, size_t from)
{
    local->has_default = true;
    if (from > strlen(local->extension))
        from = strlen(local->extension);
    return buf_set_text(&local->default_part, local->extension + from) < 0 ? local_fail_memory()
                                                                           : LOCAL_OK;
}

/* The file has been found.  An address that itself ends in "default" stands for all of these. */
static int found_name(struct local *local, const struct dotqmail_name *name)
{
    static const char word[] = "default";
    size_t size = local->file_part.length, dash = name->dash;
    if (name->is_default)
        return set_default(local, name->kept - dash);
    if (size >= dash + sizeof word - 1 &&
        memcmp(local->file_part.data + size - (sizeof word - 1), word, sizeof word - 1) == 0)
        return set_default(local, size - (sizeof word - 1) - dash);
    return LOCAL_OK;
}

static int search(struct local *local, struct buf *path, bool *found)
{
    struct dotqmail_name name;
    int more;
    dotqmail_name_begin(&name, &local->file_part, strlen(local->dash));
    while ((more = dotqmail_name_next(&name, "", path)) == 1) {
        int code = try_path(local, path->data, found);
        if (code != LOCAL_OK)
            return code;
        if (*found)
            return found_name(local, &name);
    }
    return more < 0 ? local_fail_memory() : LOCAL_OK;
}

int find_instructions(struct local *local)
{
    struct buf path = BUF_INIT(0);
    bool found = false;
    int code = search(local, &path, &found);
    buf_free(&path);
    if (code != LOCAL_OK)
        return code;
    if (!found && *local->dash)
        return local_fail(LOCAL_HARD, "Sorry, no mailbox here by that name. (#5.1.1)");
    if (local->instructions.length == 0) {
        local->executable = false;
        if (buf_set_text(&local->instructions, local->fallback) < 0)
            return local_fail_memory();
    }
    return LOCAL_OK;
}

/* --- owners --- */

/* Whether .qmail DASH EXT `end` exists. */
static int check_owner(const struct local *local, const char *end, bool *found)
{
    struct buf path = BUF_INIT(0);
    struct stat st;
    int code = LOCAL_OK;
    *found = false;
    const char *text = NULL;
    if (buf_set_text(&path, ".qmail") == 0 &&
        buf_add(&path, local->file_part.data, local->file_part.length) == 0 &&
        buf_add_text(&path, end) == 0)
        text = buf_text(&path);
    if (!text)
        code = local_fail_memory();
    else if (stat(text, &st) == 0)
        *found = true;
    else if (!is_absent(errno))
        code = local_fail_errno("Unable to open ", text, errno);
    buf_free(&path);
    return code;
}

static int set_sender(struct local *local, const char *suffix, const char *end)
{
    if (buf_set_text(&local->new_sender, local->local) < 0 ||
        buf_add_text(&local->new_sender, suffix) < 0 || buf_add_byte(&local->new_sender, '@') < 0 ||
        buf_add_text(&local->new_sender, local->domain) < 0 ||
        buf_add_text(&local->new_sender, end) < 0)
        return local_fail_memory();
    return LOCAL_OK;
}

int find_new_sender(struct local *local)
{
    bool owner = false, variable = false;
    int code = LOCAL_OK;
    if (*local->sender && strcmp(local->sender, "#@[]") != 0)
        code = check_owner(local, "-owner", &owner);
    if (code == LOCAL_OK && owner)
        code = check_owner(local, "-owner-default", &variable);
    if (code == LOCAL_OK && variable)
        code = set_sender(local, "-owner-", "-@[]");
    else if (code == LOCAL_OK && owner)
        code = set_sender(local, "-owner", "");
    else if (code == LOCAL_OK && buf_set_text(&local->new_sender, local->sender) < 0)
        code = local_fail_memory();
    if (code == LOCAL_OK && !buf_text(&local->new_sender))
        code = local_fail_memory();
    return code;
}
