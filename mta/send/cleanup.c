/* SPDX-License-Identifier: ISC */
/* Left-overs of messages that were never finished (S2, S3): removed when nobody can be working on
 * them any more, because they are of an earlier boot or old. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "mta/lib/clock.h"
#include "mta/send/send.h"

#define ENTRIES_A_STEP 16

static bool is_missing(enum spool_kind kind, uint64_t number)
{
    char path[SPOOL_PATH_SIZE];
    struct stat st;
    return lstat(spool_path(path, kind, number), &st) < 0 && errno == ENOENT;
}

bool left_over_is_old(const struct send *send, uint64_t number)
{
    char path[SPOOL_PATH_SIZE];
    struct stat st;
    if (number < send->cleanup.floor)
        return true;
    if (lstat(spool_path(path, SPOOL_MESS, number), &st) < 0)
        return false;
    return clock_wall() > st.st_mtime + LEFT_OVER_AGE;
}

static void look_at(struct send *send, uint64_t number)
{
    if (message_find(&send->messages, number) || !left_over_is_old(send, number) ||
        !is_missing(SPOOL_TODO, number) || !is_missing(SPOOL_INFO, number))
        return;
    if (cleaner_ask(&send->cleaner, "mess", number, NULL) == 0)
        send_dirty(send);
}

bool cleanup_due(const struct send *send)
{
    return !send->exit_asap &&
           (send->cleanup.directory || send->cleanup.next_look <= send->time.now);
}

void cleanup_close(struct send *send)
{
    if (send->cleanup.directory)
        closedir(send->cleanup.directory);
    send->cleanup.directory = NULL;
}

static bool cleanup_begin(struct send *send)
{
    send->cleanup.next_look = send->time.now + PAUSE_CLEANUP;
    send->cleanup.directory = opendir("mess");
    if (send->cleanup.directory)
        cleaner_sweep(&send->cleaner); /* without memory: the next time */
    else
        logline(&send->log, "alert: unable to opendir mess, sleeping...");
    return send->cleanup.directory;
}

void cleanup_step(struct send *send)
{
    if (!cleanup_due(send) || (!send->cleanup.directory && !cleanup_begin(send)))
        return;
    for (unsigned i = 0; i < ENTRIES_A_STEP; i++) {
        uint64_t number;
        struct dirent *entry = readdir(send->cleanup.directory);
        if (!entry) {
            cleanup_close(send);
            return;
        }
        if (spool_number_parse(entry->d_name, strlen(entry->d_name), &number) == 0)
            look_at(send, number);
    }
}
