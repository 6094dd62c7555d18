/* SPDX-License-Identifier: ISC */
/* The application's process. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sim/serve/serve.h"

/* --- its environment --------------------------------------------------------------------------*/

/* Where to connect to reach a server that listens there. */
static const char *reachable(const char *host)
{
    if (strcmp(host, "0.0.0.0") == 0)
        return "127.0.0.1";
    return strcmp(host, "::") == 0 ? "::1" : host;
}

static int set_number(const char *name, unsigned number)
{
    char text[16];

    snprintf(text, sizeof text, "%u", number);
    return setenv(name, text, 1);
}

/* "NIXIE_SMTP_PORT_MY_NAME" */
static int set_remote(const char *remote, const char *host, unsigned port)
{
    char name[300];
    size_t length;

    snprintf(name, sizeof name, "NIXIE_SMTP_PORT_%s", remote);
    length = strlen(name);
    for (size_t i = 16; i < length; i++)
        name[i] = name[i] == '-' ? '_' : (char) toupper((unsigned char) name[i]);
    if (set_number(name, port) < 0)
        return -1;
    memcpy(name + 11, "HOST", 4);
    return setenv(name, host, 1);
}

static int set_environment(const struct serve *serve)
{
    const struct listening *main = &serve->servers[0].listening[0];
    const char *host = reachable(main->host);
    char url[100];

    snprintf(url, sizeof url, strchr(host, ':') ? "smtp://[%s]:%u" : "smtp://%s:%u", host,
             main->port);
    if (setenv("NIXIE_SMTP_HOST", host, 1) < 0 || set_number("NIXIE_SMTP_PORT", main->port) < 0 ||
        setenv("NIXIE_SMTP_URL", url, 1) < 0 || setenv("NIXIE_MAILDIR", serve->mailbox.path, 1) < 0)
        return -1;
    for (size_t i = 0; serve->scenario && i < serve->scenario->remote_count; i++) {
        const struct listening *at = &serve->servers[serve->remote_server[i]].listening[0];

        if (set_remote(serve->scenario->remotes[i].name, reachable(at->host), at->port) < 0)
            return -1;
    }
    return 0;
}

/* --- its start --------------------------------------------------------------------------------*/

/* In the child: as if serve were not there.  What went wrong is written to `tell`. */
static void become_command(const struct serve *serve, int tell)
{
    sigset_t none;
    int error;

    sigemptyset(&none);
    signal(SIGPIPE, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (set_environment(serve) == 0)
        execvp(serve->options.command[0], serve->options.command);
    error = errno;
    while (write(tell, &error, sizeof error) < 0 && errno == EINTR)
        continue;
    _exit(SERVE_NOT_FOUND);
}

/* The error of the exec, 0 if it went well: then the other end was closed without a word. */
static int hear_start(int fd)
{
    int error = 0;
    ssize_t count;

    do
        count = read(fd, &error, sizeof error);
    while (count < 0 && errno == EINTR);
    return count == (ssize_t) sizeof error ? error : 0;
}

int command_start(struct serve *serve)
{
    int tell[2], error;

    fflush(NULL);
    if (pipe2(tell, O_CLOEXEC) < 0) {
        serve_say("cannot start a process: %s", strerror(errno));
        return SERVE_COMMAND_BROKEN;
    }
    serve->command = fork();
    if (serve->command == 0)
        become_command(serve, tell[1]);
    error = serve->command < 0 ? errno : 0;
    close(tell[1]);
    if (error == 0)
        error = hear_start(tell[0]);
    close(tell[0]);
    if (error == 0)
        return 0;
    serve_say("cannot run %s: %s", serve->options.command[0], strerror(error));
    if (serve->command < 0) {
        serve->command = 0;
        return SERVE_COMMAND_BROKEN;
    }
    return error == ENOENT ? SERVE_NOT_FOUND : SERVE_CANNOT_EXECUTE;
}
