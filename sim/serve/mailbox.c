/* SPDX-License-Identifier: ISC */
/* The Maildir of what is taken: new/, cur/, tmp/, and envelopes/ beside them. */
#include <errno.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sim/serve/serve.h"

#define OPEN_MAX_WALK 16

static char *make_temporary(void)
{
    const char *folder = getenv("TMPDIR");
    char path[PATH_MAX];

    if (!folder || !*folder)
        folder = "/tmp";
    if (snprintf(path, sizeof path, "%s/nixie-serve.XXXXXX", folder) >= (int) sizeof path) {
        errno = ENAMETOOLONG;
        return NULL;
    }
    return mkdtemp(path) ? realpath(path, NULL) : NULL;
}

static char *make_given(const char *path)
{
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return NULL;
    return realpath(path, NULL);
}

static int make_folders(const char *path)
{
    static const char *const names[] = {"tmp", "new", "cur", "envelopes"};
    char folder[PATH_MAX + 16];

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(folder, sizeof folder, "%s/%s", path, names[i]);
        if (mkdir(folder, 0700) < 0 && errno != EEXIST)
            return -1;
        if (access(folder, W_OK | X_OK) < 0)
            return -1;
    }
    return 0;
}

int mailbox_make(struct serve_mailbox *mailbox, const char *path)
{
    mailbox->temporary = !path;
    mailbox->path = path ? make_given(path) : make_temporary();
    if (mailbox->path && make_folders(mailbox->path) == 0)
        return 0;
    serve_say("cannot make a Maildir%s%s: %s", path ? " in " : "; --maildir DIR says where",
              path ? path : "", strerror(errno));
    mailbox_end(mailbox, true);
    return -1;
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void) status, (void) kind, (void) walk;
    return remove(path) < 0 && errno != ENOENT ? -1 : 0;
}

void mailbox_end(struct serve_mailbox *mailbox, bool remove)
{
    if (mailbox->path && mailbox->temporary && remove &&
        nftw(mailbox->path, remove_one, OPEN_MAX_WALK, FTW_DEPTH | FTW_PHYS) < 0)
        serve_say("cannot remove %s: %s", mailbox->path, strerror(errno));
    free(mailbox->path);
    mailbox->path = NULL;
}
