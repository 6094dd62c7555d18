/* SPDX-License-Identifier: ISC */
/*
 * smtp-client: sends one message to its recipients over SMTP, again and again if it is told to.
 * Configuration on fd 0, records on fd 1 (docs/architecture.md, "Actors").
 *
 * Exit status: 0 every recipient was accepted, or TERM came; 1 some were refused for good; 2 the
 * configuration is wrong; 3 some were not accepted when the tries were used up, or memory was out.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "mta/lib/clock.h"
#include "mta/lib/io.h"
#include "mta/lib/mem.h"
#include "sim/actors/lib/record.h"
#include "sim/actors/smtp-client/client.h"

enum { EXIT_DONE = 0, EXIT_REFUSED = 1, EXIT_CONFIG = 2, EXIT_GAVE_UP = 3 };

struct run {
    struct client client;
    struct record record;
    struct courier_recipient *open; /* recipients of the next try */
    size_t open_count;
    bool refused; /* some were, for good */
    int signals;
    bool stopped; /* TERM */
};

/* Waits for `fd` (-1: nothing), TERM or the time.  What fd got. */
static short wait_for(struct run *run, int fd, short events, int64_t until_ms)
{
    struct pollfd polls[2] = {{.fd = run->signals, .events = POLLIN}, {.fd = fd, .events = events}};
    int64_t left = until_ms - clock_monotonic_ms();

    if (left < 0)
        left = 0;
    if (poll(polls, 2, left > INT_MAX ? INT_MAX : (int) left) < 0)
        return 0;
    if (polls[0].revents)
        run->stopped = true;
    return polls[1].revents;
}

/* Keeps only those recipients that are to be tried again. */
static void sort_out(struct run *run)
{
    size_t kept = 0;

    for (size_t i = 0; i < run->open_count; i++) {
        if (run->open[i].result == COURIER_REFUSED)
            run->refused = true;
        else if (run->open[i].result != COURIER_ACCEPTED)
            run->open[kept++] = run->open[i];
    }
    run->open_count = kept;
}

static void tell_result(struct run *run, const struct courier *courier)
{
    static const char *const words[] = {[COURIER_UNDECIDED] = "lost",
                                        [COURIER_ACCEPTED] = "accepted",
                                        [COURIER_REFUSED] = "refused",
                                        [COURIER_DEFERRED] = "deferred",
                                        [COURIER_LOST] = "lost"};

    record_begin(&run->record, "result");
    record_word(&run->record, words[courier->result]);
    record_quoted(&run->record, courier->reply.data, courier->reply.length);
    record_write(&run->record);
}

/* Tries one address; `last` if there is no other.  True if that was it for this try. */
static bool try_address(struct run *run, const struct endpoint *address, bool last)
{
    struct courier courier;
    bool settled = false;

    courier_begin(&courier, &run->client.letter, address, clock_monotonic_ms());
    while (!courier.done && !run->stopped) {
        int64_t now_ms = clock_monotonic_ms();
        short revents =
            wait_for(run, courier.fd, courier_events(&courier, now_ms), courier_deadline(&courier));

        if (run->stopped || !courier_work(&courier, revents, clock_monotonic_ms()))
            continue;
        settled = last || courier.step > COURIER_GREETING;
        if (settled)
            tell_result(run, &courier);
        courier_quit(&courier, clock_monotonic_ms());
    }
    courier_end(&courier);
    return settled || run->stopped;
}

static void try_once(struct run *run, uint64_t number)
{
    struct client *client = &run->client;

    record_begin(&run->record, "try");
    record_number(&run->record, number);
    record_write(&run->record);
    client->letter.recipients = run->open;
    client->letter.recipient_count = run->open_count;
    client->letter.cut = number <= client->cut_tries;
    for (size_t i = 0; i < client->address_count; i++)
        if (try_address(run, &client->addresses[i], i + 1 == client->address_count))
            break;
    if (!run->stopped)
        sort_out(run);
}

/* Tries until it is done, told to stop, or the tries are used up.  A try begins `every` after the
 * begin of the one before, or when that ends, if it takes longer. */
static int run_tries(struct run *run)
{
    int64_t begin_ms = clock_monotonic_ms();

    for (uint64_t number = 1;; number++) {
        try_once(run, number);
        if (run->stopped)
            return EXIT_DONE;
        if (run->open_count == 0)
            return run->refused ? EXIT_REFUSED : EXIT_DONE;
        if (number == run->client.tries)
            return EXIT_GAVE_UP;
        begin_ms += run->client.every_ms;
        if (begin_ms < clock_monotonic_ms())
            begin_ms = clock_monotonic_ms();
        while (!run->stopped && clock_monotonic_ms() < begin_ms)
            wait_for(run, -1, 0, begin_ms);
        if (run->stopped)
            return EXIT_DONE;
    }
}

static int open_signals(void)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    if (sigaction(SIGPIPE, &ignore, NULL) < 0 || sigprocmask(SIG_BLOCK, &set, NULL) < 0)
        return -1;
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int set_up(struct run *run)
{
    struct client *client = &run->client;
    const char *const *recipients = (const void *) client->recipients.data;

    run->signals = open_signals();
    run->open = mem_alloc(client->recipient_count * sizeof *run->open);
    if (run->signals < 0 || !run->open)
        return -1;
    memset(run->open, 0, client->recipient_count * sizeof *run->open);
    for (size_t i = 0; i < client->recipient_count; i++)
        run->open[i].address = recipients[i];
    run->open_count = client->recipient_count;
    client->letter.record = &run->record;
    return 0;
}

int main(int argc, char **argv, char **environment)
{
    struct run run = {.record = RECORD_INIT(1), .signals = -1};
    int status = EXIT_GAVE_UP;

    (void) argc, (void) argv, (void) environment;
    if (client_configure(&run.client) < 0)
        status = EXIT_CONFIG;
    else if (set_up(&run) == 0)
        status = run_tries(&run);
    io_close(&run.signals);
    mem_free(run.open);
    record_free(&run.record);
    client_free(&run.client);
    return status;
}
