/* SPDX-License-Identifier: ISC */
/*
 * nixie-queue: the only program that writes new messages to the spool.
 *
 *   nixie-queue [--tell[=CALLER]]   one message: message on descriptor 0, envelope on descriptor 1
 *   nixie-queue --stay     serves HOME/run/queue, joining commits
 *
 * The one-shot form may be setuid: nothing of the environment but NIXIE_HOME is looked at, and
 * that only when it is not setuid.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mta/lib/home.h"
#include "mta/lib/io.h"
#include "mta/lib/num.h"
#include "mta/lib/queue_result.h"
#include "mta/queue/commit.h"
#include "mta/queue/queue.h"

#define TELL_FD 6

static void die(int status)
{
    _exit(status);
}

static int ignore_signal(int number)
{
    struct sigaction ignore;
    memset(&ignore, 0, sizeof ignore);
    ignore.sa_handler = SIG_IGN;
    return sigaction(number, &ignore, NULL);
}

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

/* No file of the spool may become one of these descriptors. */
static void check_descriptors(bool once)
{
    for (int fd = 0; fd < 3; fd++) {
        if (is_open(fd))
            continue;
        if (once && fd < 2)
            die(QUEUE_READ);
        int filler = open("/dev/null", O_RDWR);
        if (filler != fd)
            die(QUEUE_BUG);
    }
}

/* The setuid program becomes the queue's user altogether: while the real user is the caller, the
 * caller may stop it with a signal, and then, if that is while it holds the lock of the numbers,
 * everybody's mail.  A terminal may stop it whoever it is. */
static int leave_caller(struct queue *queue)
{
    uid_t uid = geteuid();
    queue->caller = getuid();
    if (queue->caller == uid)
        return 0;
    if (ignore_signal(SIGTSTP) < 0 || ignore_signal(SIGTTIN) < 0 || ignore_signal(SIGTTOU) < 0)
        return -1;
    return setreuid(uid, uid);
}

/* Goes to HOME/queue and finds what both forms need. */
static void prepare(struct queue *queue, char **environment)
{
    struct buf home = BUF_INIT(0);
    if (ignore_signal(SIGPIPE) < 0 || ignore_signal(SIGXFSZ) < 0)
        die(QUEUE_BUG);
    umask(033);
    if (home_enter(environment, &home) < 0)
        die(errno == ENOMEM ? QUEUE_MEMORY : QUEUE_HOME);
    buf_free(&home);
    if (leave_caller(queue) < 0)
        die(QUEUE_BUG);
    if (home_single_user(&queue->users.single_user) < 0 || received_users_find(&queue->users) < 0)
        die(QUEUE_HOME);
    if (chdir("queue") < 0)
        die(QUEUE_DIRECTORY);
    queue->commit_fd = commit_open();
    if (queue->commit_fd < 0)
        die(QUEUE_DIRECTORY);
}

static void tell(uint64_t number)
{
    char line[NUM_DIGITS + 1];
    size_t length = num_format(line, number);
    line[length++] = '\n';
    if (io_write(TELL_FD, line, length) < 0) {
        /* The caller is not interested any more. */
    }
}

/* "=" and a letter of enum caller. */
static enum caller read_claim(const char *text)
{
    bool known = text[0] == '=' && text[1] && strchr("nab", text[1]) && !text[2];
    return known ? (enum caller) text[1] : CALLER_USER;
}

int main(int argc, char **argv, char **environment)
{
    struct queue queue;
    bool stay = argc > 1 && strcmp(argv[1], "--stay") == 0;
    bool telling = argc > 1 && strncmp(argv[1], "--tell", 6) == 0;
    queue.claim = telling ? read_claim(argv[1] + 6) : CALLER_USER;
    check_descriptors(!stay);
    prepare(&queue, environment);
    int status;
    if (stay) {
        status = queue_stay(&queue);
    } else {
        uint64_t number = 0;
        status = queue_once(&queue, &number);
        if (status == QUEUE_OK && telling)
            tell(number);
    }
    io_close(&queue.commit_fd);
    return status;
}
