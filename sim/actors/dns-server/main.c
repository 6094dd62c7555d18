/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>

#include "mta/lib/clock.h"
#include "mta/lib/error.h"
#include "mta/lib/io.h"
#include "mta/lib/mem.h"
#include "sim/actors/dns-server/server.h"

#define EXIT_CONFIGURATION 2
#define EXIT_TROUBLE 1

int64_t server_now(const struct server *server)
{
    return clock_monotonic_ms() - server->start_ms;
}

void server_complain(const char *what, int error)
{
    struct buf line = BUF_INIT(0);

    if (buf_add_text(&line, "dns-server: ") == 0 && buf_add_text(&line, what) == 0 &&
        buf_add_text(&line, ": ") == 0 && buf_add_text(&line, error_text(error)) == 0 &&
        buf_add_byte(&line, '\n') == 0)
        io_write(2, line.data, line.length);
    buf_free(&line);
}

/* TERM and INT end it in order, a reader of fd 1 that is gone too (write tells). */
static int take_signals(void)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigset_t ends;

    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    if (sigaction(SIGPIPE, &ignore, NULL) < 0 || sigprocmask(SIG_BLOCK, &ends, NULL) < 0)
        return -1;
    return signalfd(-1, &ends, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int run(struct server *server)
{
    if (server_configure(server) < 0)
        return EXIT_CONFIGURATION;
    server->signals = take_signals();
    if (server->signals < 0) {
        server_complain("signals", errno);
        return EXIT_TROUBLE;
    }
    int result = network_open(server);
    while (result == 0 && !server->ends)
        result = network_turn(server, serve_late(server));
    network_close(server);
    io_close(&server->signals);
    return result < 0 ? EXIT_TROUBLE : 0;
}

int main(int argc, char **argv, char **environment)
{
    struct server *server = mem_alloc(sizeof *server);

    (void) argc;
    (void) argv;
    (void) environment;
    if (!server) {
        server_complain("start", ENOMEM);
        return EXIT_TROUBLE;
    }
    memset(server, 0, sizeof *server);
    server->record = (struct record) RECORD_INIT(1);
    server->signals = -1;
    server->start_ms = clock_monotonic_ms();
    for (size_t i = 0; i < CONNECTIONS_MAX; i++)
        server->connections[i].fd = -1;
    int status = run(server);
    server_free(server);
    mem_free(server);
    return status;
}
