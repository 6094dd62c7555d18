/* SPDX-License-Identifier: ISC */
/*
 * nixie-remote HOST SENDER RECIPIENT...
 * nixie-remote --stay
 *
 * Sends the message on descriptor 0 to recipients at HOST by SMTP, in one transaction, and writes
 * to descriptor 1 what became of it, in qmail-remote's form: records ended by NUL, first one for
 * each recipient (r: accepted, h: refused for good, s: refused for now; then a text), if they have
 * answers of their own, then one for the message (K: accepted, Z: try again later, D: failed).
 *
 * With --stay it serves nixie-rspawn on descriptor 0 (stay.c).
 *
 * Exit status: 0 when results were written; 100 usage; 111 if they could not be.
 */
#include <signal.h>
#include <string.h>

#include "mta/lib/home.h"
#include "mta/lib/io.h"
#include "mta/remote/remote.h"

static int usage(void)
{
    static const char text[] = "usage: nixie-remote HOST SENDER RECIPIENT... | --stay\n";
    io_write(2, text, sizeof text - 1);
    return 100;
}

/* What is told when there is no job yet. */
static int tell(const char *text)
{
    return io_write(1, text, strlen(text) + 1) < 0 ? 111 : 0;
}

static int once(struct settings *settings, int argc, char **argv)
{
    struct job job;
    struct connection connection;
    int status = 0;
    connection_init(&connection, -1);
    if (job_init(&job, argv[1], argv[2], (size_t) argc - 3) < 0) {
        status = tell("ZOut of memory. (#4.3.0)\n");
    } else if (message_open(&job.message, 0) < 0) {
        status = tell("ZUnable to read message. (#4.3.0)\n");
    } else {
        for (int i = 3; i < argc; i++)
            job.recipients[i - 3].address = argv[i];
        job_run(&job, settings, &connection);
        status = report_records(&job, 1) < 0 ? 111 : 0;
    }
    job_free(&job);
    connection_quit(&connection, -1);
    connection_free(&connection);
    return status;
}

int main(int argc, char **argv, char **environment)
{
    struct sigaction ignore;
    struct settings settings;
    struct buf home = BUF_INIT(0);
    bool stays = argc == 2 && strcmp(argv[1], "--stay") == 0;
    int status;
    if (!stays && (argc < 4 || argc - 3 > RECIPIENTS_MAX))
        return usage();
    memset(&ignore, 0, sizeof ignore);
    memset(&settings, 0, sizeof settings);
    settings.environment = environment;
    ignore.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &ignore, NULL);
    if (home_enter(environment, &home) < 0)
        status = stays ? 111 : tell("ZUnable to switch to home directory. (#4.3.0)\n");
    else if (stays)
        status = stay(&settings);
    else if (settings_refresh(&settings) < 0)
        status = tell("ZUnable to read control files. (#4.3.0)\n");
    else
        status = once(&settings, argc, argv);
    settings_free(&settings);
    buf_free(&home);
    return status;
}
