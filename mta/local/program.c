/* SPDX-License-Identifier: ISC */
/* Programs of .qmail files (qmail-command(8)): /bin/sh -c COMMAND, its environment, its exit code.
 */
#include "mta/local/local.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>

#include "mta/lib/child.h"
#include "mta/lib/mem.h"

#define PARTS 3 /* HOST2 to HOST4, EXT2 to EXT4 */
#define VARIABLES 24

/* A run of NUL-ended "NAME=VALUE" entries and where they begin. */
struct variables {
    struct buf text;
    size_t starts[VARIABLES];
    size_t count;
};

static int put_counted(struct variables *variables, const char *name, const char *value,
                       size_t size)
{
    variables->starts[variables->count++] = variables->text.length;
    if (buf_add_text(&variables->text, name) < 0 || buf_add_byte(&variables->text, '=') < 0 ||
        buf_add(&variables->text, value, size) < 0)
        return -1;
    return buf_add_byte(&variables->text, 0);
}

static int put(struct variables *variables, const char *name, const char *value)
{
    return put_counted(variables, name, value, strlen(value));
}

/* HOST2 is HOST without its last label, HOST3 without the last two, HOST4 without three; the first
 * label always stays. */
static int put_hosts(struct variables *variables, const char *host)
{
    static const char *const names[PARTS] = {"HOST2", "HOST3", "HOST4"};
    size_t size = strlen(host);
    for (int i = 0; i < PARTS; i++) {
        const char *dot = memrchr(host, '.', size);
        size = dot ? (size_t) (dot - host) : size;
        if (put_counted(variables, names[i], host, size) < 0)
            return -1;
    }
    return 0;
}

/* EXT2 is what follows the first dash of EXT, EXT3 the second, EXT4 the third. */
static int put_extensions(struct variables *variables, const char *extension)
{
    static const char *const names[PARTS] = {"EXT2", "EXT3", "EXT4"};
    for (int i = 0; i < PARTS; i++) {
        const char *dash = strchr(extension, '-');
        extension = dash ? dash + 1 : extension + strlen(extension);
        if (put(variables, names[i], extension) < 0)
            return -1;
    }
    return 0;
}

static int put_all(struct variables *variables, const struct local *local)
{
    if (put(variables, "SENDER", local->sender) < 0 ||
        put(variables, "NEWSENDER", local->new_sender.data) < 0 ||
        put(variables, "RECIPIENT", local->recipient.data) < 0 ||
        put(variables, "USER", local->user) < 0 || put(variables, "HOME", local->home) < 0 ||
        put(variables, "HOST", local->domain) < 0 || put_hosts(variables, local->domain) < 0 ||
        put(variables, "LOCAL", local->local) < 0 || put(variables, "EXT", local->extension) < 0 ||
        put_extensions(variables, local->extension) < 0 ||
        put(variables, "DTLINE", local->delivered_to.data) < 0 ||
        put(variables, "RPLINE", local->return_path.data) < 0 ||
        put(variables, "UFLINE", local->from_line.data) < 0)
        return -1;
    if (!local->has_default)
        return 0;
    return put_counted(variables, "DEFAULT", local->default_part.data, local->default_part.length);
}

static bool is_ours(const struct variables *variables, const char *entry)
{
    size_t name = strcspn(entry, "=") + 1;
    if (strncmp(entry, "DEFAULT=", name) == 0)
        return true; /* never someone else's */
    for (size_t i = 0; i < variables->count; i++)
        if (strncmp(variables->text.data + variables->starts[i], entry, name) == 0)
            return true;
    return false;
}

/* Ours, and what is left of the environment of main.  NULL without memory. */
static char **make_environment(struct variables *variables, char *const *inherited)
{
    size_t count = 0;
    while (inherited[count])
        count++;
    char **environment = mem_alloc((count + VARIABLES + 1) * sizeof *environment);
    if (!environment)
        return NULL;
    size_t used = 0;
    for (size_t i = 0; i < variables->count; i++)
        environment[used++] = variables->text.data + variables->starts[i];
    for (size_t i = 0; i < count; i++)
        if (!is_ours(variables, inherited[i]))
            environment[used++] = inherited[i];
    environment[used] = NULL;
    return environment;
}

static int judge(int status)
{
    if (!WIFEXITED(status))
        return local_fail(LOCAL_SOFT, "Aack, child crashed. (#4.3.0)");
    switch (WEXITSTATUS(status)) {
    case 0:
        return LOCAL_OK;
    case 99:
        return LOCAL_STOP;
    case 64:
    case 65:
    case 70:
    case 76:
    case 77:
    case 78:
    case 100:
    case 112:
        return LOCAL_HARD;
    default:
        return LOCAL_SOFT;
    }
}

int program_run(const struct local *local, const char *command)
{
    char shell[] = "/bin/sh", flag[] = "-c";
    struct variables variables = {.count = 0};
    char **environment = NULL;
    int code = message_rewind();
    if (code != LOCAL_OK)
        return code;
    if (put_all(&variables, local) == 0)
        environment = make_environment(&variables, local->environment);
    if (environment) {
        char *argv[] = {shell, flag, (char *) (uintptr_t) command, NULL};
        struct child child = {.path = shell,
                              .argv = argv,
                              .environment = environment,
                              .fds = {0, 1, 2},
                              .fd_count = 3};
        int status;
        pid_t pid = child_start(&child);
        if (pid < 0)
            code = local_fail_errno("Unable to run ", shell, errno);
        else if (child_wait(pid, &status) < 0)
            code = local_fail_errno("Unable to wait for ", shell, errno);
        else
            code = judge(status);
    } else {
        code = local_fail_memory();
    }
    mem_free(environment);
    buf_free(&variables.text);
    return code;
}
