/* SPDX-License-Identifier: ISC */
/*
 * nixie-smtpd [--stay]
 *
 * Takes mail by SMTP (RFC 5321 with PIPELINING, SIZE, 8BITMIME, ENHANCEDSTATUSCODES) and hands it
 * to the queue.  Without an argument it serves one connection on descriptors 0 and 1, as started by
 * tcpserver or inetd.  With --stay descriptor 0 is a socket of nixie-listen, which sends
 * connections as descriptors (SCM_RIGHTS), one with each byte; a byte back says that it is over. It
 * ends at the end of descriptor 0.
 *
 * Exit status: 0 at the end; 111 if it cannot start.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mta/lib/environment.h"
#include "mta/lib/error.h"
#include "mta/lib/home.h"
#include "mta/lib/io.h"
#include "mta/lib/mem.h"
#include "mta/lib/num.h"
#include "mta/smtpd/smtpd.h"

struct smtpd {
    struct buf home;
    char *const *environment;
    struct settings settings;
    struct users users;
    int queue; /* connection kept to the staying queue */
    char *input;
};

static void say(const char *what, const char *detail)
{
    const char *parts[] = {"smtpd ", what, detail, "\n"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (io_write(2, parts[i], strlen(parts[i])) < 0)
            return;
}

static const char *local_host(const struct smtpd *smtpd)
{
    const char *host = environment_get(smtpd->environment, "TCPLOCALHOST");
    return host && *host ? host : smtpd->settings.me.data;
}

/* $DATABYTES counts more than the control file, as with qmail-smtpd. */
static uint64_t message_limit(const struct smtpd *smtpd)
{
    uint64_t bytes;
    const char *text = environment_get(smtpd->environment, "DATABYTES");
    if (text && num_parse(text, strlen(text), &bytes) == 0)
        return bytes;
    return smtpd->settings.databytes;
}

/* One connection whose peer is known. */
static void serve(struct smtpd *smtpd, struct session *session)
{
    const char *failed;
    if (settings_refresh(&smtpd->settings, &failed) < 0) {
        static const char reply[] = "421 4.3.0 unable to read controls\r\n";
        say("alert: unable to read control/", failed);
        if (io_write(session->out, reply, sizeof reply - 1) < 0) {
            /* the client has gone */
        }
        return;
    }
    smtpd->users.single_user = smtpd->settings.single_user;
    session->settings = &smtpd->settings;
    session->users = &smtpd->users;
    session->home = &smtpd->home;
    session->environment = smtpd->environment;
    session->queue = &smtpd->queue;
    session->input = smtpd->input;
    session->local_host = local_host(smtpd);
    session->databytes = message_limit(smtpd);
    session->relay = session->peer.relay;
    if (!session->relay)
        session->relay = settings_relay(&smtpd->settings, session->peer.bytes);
    session_run(session);
}

static void serve_standing_alone(struct smtpd *smtpd)
{
    struct session session = {.in = 0, .out = 1, .control = -1};
    peer_from_environment(&session.peer, smtpd->environment);
    serve(smtpd, &session);
}

static void serve_connection(struct smtpd *smtpd, int fd)
{
    struct session session = {.in = fd, .out = fd, .control = 0};
    peer_from_socket(&session.peer, fd);
    serve(smtpd, &session);
}

/* The next connection.  Returns 1 with its descriptor (-1: it got lost on the way), 0 at the end.
 */
static int receive_connection(int *fd)
{
    char byte;
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } space;
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = space.bytes,
                             .msg_controllen = sizeof space.bytes};
    ssize_t count;
    *fd = -1;
    do
        count = recvmsg(0, &message, MSG_CMSG_CLOEXEC);
    while (count < 0 && errno == EINTR);
    if (count <= 0)
        return 0;
    const struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
        header->cmsg_len == CMSG_LEN(sizeof *fd))
        memcpy(fd, CMSG_DATA(header), sizeof *fd);
    return 1;
}

static void stay(struct smtpd *smtpd)
{
    int fd;
    while (receive_connection(&fd) == 1) {
        if (fd >= 0)
            serve_connection(smtpd, fd);
        io_close(&fd);
        if (send(0, "", 1, MSG_NOSIGNAL) != 1)
            return;
    }
}

static int start(struct smtpd *smtpd)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = SIG_DFL; /* submit waits for a queue of its own */
    if (sigaction(SIGCHLD, &action, NULL) < 0)
        return -1;
    action.sa_handler = SIG_IGN;
    if (sigaction(SIGPIPE, &action, NULL) < 0)
        return -1;
    if (home_enter(smtpd->environment, &smtpd->home) < 0 || !buf_text(&smtpd->home))
        return -1;
    users_init(&smtpd->users, smtpd->home.data, false);
    smtpd->users.outsider = true;
    smtpd->input = mem_alloc(INPUT_SIZE);
    return smtpd->input ? 0 : -1;
}

int main(int argc, char **argv, char **environment)
{
    struct smtpd smtpd = {.environment = environment, .queue = -1};
    bool staying = argc == 2 && strcmp(argv[1], "--stay") == 0;
    int status = 0;
    if (argc > 1 && !staying) {
        say("usage: nixie-smtpd [--stay]", "");
        return 111;
    }
    if (start(&smtpd) < 0) {
        static const char reply[] = "421 4.3.0 unable to start\r\n";
        status = 111;
        say("alert: unable to start: ", error_text(errno));
        if (!staying && io_write(1, reply, sizeof reply - 1) < 0) {
            /* the client has gone */
        }
    } else if (staying) {
        stay(&smtpd);
    } else {
        serve_standing_alone(&smtpd);
    }
    settings_free(&smtpd.settings);
    users_free(&smtpd.users);
    io_close(&smtpd.queue);
    mem_free(smtpd.input);
    buf_free(&smtpd.home);
    return status;
}
