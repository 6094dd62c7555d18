/* SPDX-License-Identifier: ISC */
/*
 * nixie-clean: unlinks, for nixie-send, what belongs to the queue's user, and waits for the disk
 * for it.  Reads NUL-terminated commands from descriptor 0 and answers each with one byte on
 * descriptor 1: `+` done, `!` failed, `x` not understood.  Ends with 0 at the end of its input.
 *
 *   sync          makes everything on the queue's file system durable; what lock/journal holds is
 *                 then covered.  Waits, and fails in the end, while messages of an earlier boot are
 *                 in it, or such as were there before this program: of write-back errors till then
 *                 it may not be told.  nixie-queue --stay makes them again, or covers them
 *   todo/N        unlinks intd/N, then todo/N
 *   mess/N        unlinks intd/N, then mess/N
 *   done/N        todo/N, then mess/N: of a message that all recipients got
 *   aside/KIND/N  moves KIND/N (mess, intd or todo) to corrupt/KIND.N (.2 ... if that is taken);
 *                 with mess/N, first todo/N if it is there still
 *   sweep         removes left-overs in pid/, and in intd/ those without todo
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mta/lib/clock.h"
#include "mta/lib/home.h"
#include "mta/lib/boot.h"
#include "mta/lib/io.h"
#include "mta/lib/journal.h"
#include "mta/lib/number.h"
#include "mta/lib/spool.h"

#define COMMAND_MAX 64
#define OLD_SECONDS (36 * 3600)
#define JOURNAL_WAIT_MS 50 /* between looks whether nixie-queue is done with the journal ... */
#define JOURNAL_WAITS 120  /* ... so many times: it looks every five seconds */

enum { EXIT_HOME = 111 };

struct clean {
    int sync_fd; /* opened at start, so that syncfs tells of every write-back error since */
    struct journal journal;
    bool knows_old;                    /* what was recorded before this program: */
    uint64_t old_generation, old_last; /* up to that record of that generation */
    char command[COMMAND_MAX];
    size_t length;
    bool too_long;
};

/* --- commands --- */

/* Gone is as good as removed. */
static int remove_file(enum spool_kind kind, uint64_t number)
{
    char path[SPOOL_PATH_SIZE];
    if (unlink(spool_path(path, kind, number)) == 0 || errno == ENOENT)
        return 0;
    return -1;
}

static char remove_both(enum spool_kind kind, uint64_t number)
{
    if (remove_file(SPOOL_INTD, number) < 0)
        return '!';
    return remove_file(kind, number) < 0 ? '!' : '+';
}

/* Of an earlier boot, or untouched for long. */
static bool is_left_over(enum spool_kind kind, uint64_t number, uint64_t floor)
{
    char path[SPOOL_PATH_SIZE];
    struct stat st;
    if (number < floor)
        return true;
    if (stat(spool_path(path, kind, number), &st) < 0)
        return false;
    return clock_wall() - st.st_mtime > OLD_SECONDS;
}

/* ENOENT is the one answer that tells that a file is not there. */
static bool may_be_there(enum spool_kind kind, uint64_t number)
{
    char path[SPOOL_PATH_SIZE];
    struct stat st;
    return lstat(spool_path(path, kind, number), &st) == 0 || errno != ENOENT;
}

/* What in intd has no todo is of a message that was never finished, or that is past S4.  Without
 * mess it is of none at all: nobody writes intd before mess. */
static bool is_garbage(enum spool_kind kind, uint64_t number, uint64_t floor)
{
    if (kind != SPOOL_INTD)
        return is_left_over(kind, number, floor);
    if (may_be_there(SPOOL_TODO, number))
        return false;
    return !may_be_there(SPOOL_MESS, number) || is_left_over(kind, number, floor);
}

/* What is no number was never ours. */
static char sweep_entries(DIR *directory, enum spool_kind kind, uint64_t floor)
{
    char result = '+';
    for (;;) {
        uint64_t number;
        errno = 0;
        struct dirent *entry = readdir(directory);
        if (!entry)
            return errno ? '!' : result;
        if (spool_number_parse(entry->d_name, strlen(entry->d_name), &number) < 0 ||
            !is_garbage(kind, number, floor))
            continue;
        if (remove_file(kind, number) < 0)
            result = '!';
    }
}

static char sweep_directory(enum spool_kind kind, uint64_t floor)
{
    DIR *directory = opendir(spool_directory(kind));
    if (!directory)
        return '!';
    char result = sweep_entries(directory, kind, floor);
    closedir(directory);
    return result;
}

static char sweep(void)
{
    uint64_t floor;
    if (number_floor(&floor) < 0)
        return '!';
    char pid = sweep_directory(SPOOL_PID, floor);
    char intd = sweep_directory(SPOOL_INTD, floor);
    return pid == '+' ? intd : pid;
}

/* KIND/N.  -1 if it is not that, or another kind than mess, intd and todo. */
static int parse_path(const char *text, size_t size, enum spool_kind *kind, uint64_t *number)
{
    const char *slash = memchr(text, '/', size);
    if (!slash || spool_kind_parse(text, (size_t) (slash - text), kind) < 0)
        return -1;
    if (*kind != SPOOL_MESS && *kind != SPOOL_INTD && *kind != SPOOL_TODO)
        return -1;
    return spool_number_parse(slash + 1, size - (size_t) (slash - text) - 1, number);
}

/* PREFIX N. */
static bool is_numbered(const struct clean *clean, const char *prefix, uint64_t *number)
{
    size_t size = strlen(prefix);
    return clean->length > size && memcmp(clean->command, prefix, size) == 0 &&
           spool_number_parse(clean->command + size, clean->length - size, number) == 0;
}

static bool is_word(const struct clean *clean, const char *word)
{
    return clean->length == strlen(word) && memcmp(clean->command, word, clean->length) == 0;
}

/* 1: there is a journal; 0: there is none that counts; -1: that cannot be told. */
static int look_at_journal(struct clean *clean)
{
    struct journal *journal = &clean->journal;
    bool is_open = journal->fd >= 0;
    int found = !is_open ? journal_open(journal) : journal_refresh(journal) < 0 ? -1 : 1;
    if (found >= 0)
        return found;
    int error = errno;
    if (!is_open || error == EBADMSG) /* else it may still owe a taint */
        journal_close(journal);
    return error == EBADMSG ? 0 : -1;
}

/* -1 if they cannot all be read. */
static int pass_records(struct journal *journal)
{
    struct journal_record record;
    int found;
    do
        found = journal_next(journal, &record, NULL);
    while (found > 0);
    return found;
}

/* What is recorded already. */
static void note_old(struct clean *clean)
{
    struct journal *journal = &clean->journal;
    int found = look_at_journal(clean);
    if (found < 0 || (found > 0 && pass_records(journal) < 0))
        return;
    clean->knows_old = true;
    clean->old_generation = journal->slot.generation;
    clean->old_last = found > 0 ? journal->last : 0;
}

/* Whether it holds messages that nixie-queue must make again before anybody looks at the spool; or
 * may hold such, if that cannot be told. */
static bool is_of_other_boot(struct journal *journal)
{
    uint64_t boot;
    if (boot_id(&boot) == 1 && journal->slot.boot == boot)
        return false;
    return pass_records(journal) < 0 || journal->last > journal->slot.covered;
}

/* Whether it holds messages of whose write-back errors this program may not be told. */
static bool is_older(const struct clean *clean)
{
    const struct journal_slot *slot = &clean->journal.slot;
    return slot->generation == clean->old_generation && clean->old_last > slot->covered;
}

static char make_durable(struct clean *clean)
{
    for (int i = 0; i < JOURNAL_WAITS; i++) {
        if (!clean->knows_old)
            note_old(clean);
        int found = look_at_journal(clean);
        if (found < 0 || !clean->knows_old)
            return '!';
        if (found == 0)
            return io_sync_all(clean->sync_fd) < 0 ? '!' : '+';
        if (!is_of_other_boot(&clean->journal) && !is_older(clean))
            return journal_cover(&clean->journal, clean->sync_fd) < 0 ? '!' : '+';
        poll(NULL, 0, JOURNAL_WAIT_MS);
    }
    return '!';
}

/* mess goes last: in S4 a message has both. */
static int set_mess_aside(uint64_t number)
{
    char path[SPOOL_PATH_SIZE];
    struct stat st;
    if (lstat(spool_path(path, SPOOL_TODO, number), &st) == 0) {
        if (spool_aside(SPOOL_TODO, number) < 0)
            return -1;
    } else if (errno != ENOENT) {
        return -1;
    }
    if (remove_file(SPOOL_INTD, number) < 0) /* S3, S2, S1 */
        return -1;
    return spool_aside(SPOOL_MESS, number);
}

static char remove_or_move(struct clean *clean)
{
    static const char aside[] = "aside/";
    const size_t aside_size = sizeof aside - 1;
    enum spool_kind kind;
    uint64_t number;
    if (is_word(clean, "sweep"))
        return sweep();
    if (is_numbered(clean, "done/", &number)) {
        char todo = remove_both(SPOOL_TODO, number);
        return todo == '+' && remove_file(SPOOL_MESS, number) < 0 ? '!' : todo;
    }
    if (clean->length > aside_size && memcmp(clean->command, aside, aside_size) == 0) {
        if (parse_path(clean->command + aside_size, clean->length - aside_size, &kind, &number) < 0)
            return 'x';
        if (kind == SPOOL_MESS)
            return set_mess_aside(number) < 0 ? '!' : '+';
        return spool_aside(kind, number) < 0 ? '!' : '+';
    }
    if (parse_path(clean->command, clean->length, &kind, &number) < 0 || kind == SPOOL_INTD)
        return 'x';
    return remove_both(kind, number);
}

/* nixie-queue, which makes messages again, must not bring back half of one. */
static char remove_or_move_locked(struct clean *clean)
{
    const struct journal *journal = &clean->journal;
    int found = journal->fd < 0 ? look_at_journal(clean) : 1;
    if (found == 0)
        return remove_or_move(clean);
    if (found < 0 || journal_lock(journal) < 0)
        return '!';
    char result = remove_or_move(clean);
    journal_unlock(journal);
    return result;
}

static char obey(struct clean *clean)
{
    if (clean->too_long)
        return 'x';
    return is_word(clean, "sync") ? make_durable(clean) : remove_or_move_locked(clean);
}

/* --- the dialogue --- */

#define BLOCK_SIZE 1024

/* Obeys all commands that end in these bytes, and answers them together.  -1: nobody takes the
 * answers. */
static int feed(struct clean *clean, const char *bytes, size_t size)
{
    char answers[BLOCK_SIZE];
    size_t count = 0;
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] == 0) {
            answers[count++] = obey(clean);
            clean->length = 0;
            clean->too_long = false;
        } else if (clean->length == COMMAND_MAX) {
            clean->too_long = true;
        } else {
            clean->command[clean->length++] = bytes[i];
        }
    }
    return io_write(1, answers, count);
}

static int serve(struct clean *clean)
{
    char block[BLOCK_SIZE];
    for (;;) {
        ssize_t count = io_read(0, block, sizeof block);
        if (count <= 0)
            return count < 0 ? EXIT_HOME : 0;
        if (feed(clean, block, (size_t) count) < 0)
            return 0;
    }
}

static int go_to_queue(char **environment)
{
    struct buf home = BUF_INIT(0);
    int result = home_enter(environment, &home);
    buf_free(&home);
    if (result < 0)
        return -1;
    return chdir("queue");
}

int main(int argc, char **argv, char **environment)
{
    struct clean clean = {.sync_fd = -1, .journal = {.fd = -1}};
    struct sigaction ignore;
    (void) argc;
    (void) argv;
    memset(&ignore, 0, sizeof ignore);
    ignore.sa_handler = SIG_IGN;
    if (sigaction(SIGPIPE, &ignore, NULL) < 0 || go_to_queue(environment) < 0)
        return EXIT_HOME;
    umask(007);
    clean.sync_fd = number_open_lock();
    if (clean.sync_fd < 0)
        return EXIT_HOME;
    note_old(&clean); /* if that fails, again with the first sync */
    int status = serve(&clean);
    close(clean.sync_fd);
    journal_close(&clean.journal);
    return status;
}
