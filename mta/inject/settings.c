/* SPDX-License-Identifier: ISC */
#include "mta/inject/inject.h"

#include <errno.h>
#include <string.h>

#include "mta/lib/control.h"
#include "mta/lib/environment.h"
#include "mta/lib/io.h"

static int usage(const char *detail)
{
    return fail(INJECT_PERMANENT,
                "usage: nixie-inject [-nNaAhH] [-f sender] [--] [recipient ...]: ", detail);
}

/* One argument of letters.  Moves *index on if `f` takes the next argument. */
static int read_letters(struct settings *settings, char **argv, int *index)
{
    for (const char *letter = argv[*index] + 1; *letter; letter++) {
        switch (*letter) {
        case 'a':
            settings->recipients_from = RECIPIENTS_ARGUMENTS;
            break;
        case 'h':
            settings->recipients_from = RECIPIENTS_HEADER;
            break;
        case 'A':
            settings->recipients_from = RECIPIENTS_EITHER;
            break;
        case 'H':
            settings->recipients_from = RECIPIENTS_BOTH;
            break;
        case 'n':
            settings->print = true;
            break;
        case 'N':
            settings->print = false;
            break;
        case 'f':
            settings->sender = letter[1] ? letter + 1 : argv[++*index];
            return settings->sender ? 0 : usage("-f needs a sender");
        default:
            return usage("unknown option");
        }
    }
    return 0;
}

int settings_from_arguments(struct settings *settings, int argc, char **argv)
{
    int index = 1;
    while (index < argc && argv[index][0] == '-' && argv[index][1]) {
        if (strcmp(argv[index], "--") == 0) {
            index++;
            break;
        }
        int status = read_letters(settings, argv, &index);
        if (status)
            return status;
        index++;
    }
    settings->recipients = argv + (index < argc ? index : argc);
    return 0;
}

static const char *first_of(char *const *environment, const char *const *names)
{
    for (; *names; names++) {
        const char *value = environment_get(environment, *names);
        if (value)
            return value;
    }
    return NULL;
}

static int refuse_control_bytes(const char *name, const char *value)
{
    for (; value && *value; value++)
        if ((unsigned char) *value < 32 || *value == 127)
            return fail(INJECT_PERMANENT, "control byte in the environment: ", name);
    return 0;
}

/* The lines of `path` without trailing blanks, each ended by NUL, as a table. */
static int read_lists(struct settings *settings, const char *path)
{
    struct buf content = BUF_INIT(CONTROL_LIMIT), lines = BUF_INIT(CONTROL_LIMIT);
    int result = io_read_file(path, &content);
    size_t begin = 0;
    while (result == 0 && begin < content.length) {
        const char *line = content.data + begin;
        const char *end = memchr(line, '\n', content.length - begin);
        size_t size = end ? (size_t) (end - line) : content.length - begin;
        begin += size + 1;
        while (size > 0 && (line[size - 1] == ' ' || line[size - 1] == '\t'))
            size--;
        if (size > 0 && !memchr(line, 0, size) &&
            (buf_add(&lines, line, size) < 0 || buf_add_byte(&lines, 0) < 0))
            result = -1;
    }
    if (result == 0)
        result = control_map_init(&settings->lists, &lines, 0);
    int error = errno;
    buf_free(&content);
    buf_free(&lines);
    if (result == 0 || error == ENOENT)
        return 0;
    return fail_errno("unable to read the file that QMAILMFTFILE names", error);
}

int settings_from_environment(struct settings *settings, char *const *environment)
{
    static const char *const users[] = {"QMAILUSER", "MAILUSER", "USER", "LOGNAME", NULL};
    static const char *const hosts[] = {"QMAILHOST", "MAILHOST", NULL};
    static const char *const names[] = {"QMAILNAME", "MAILNAME", "NAME", NULL};
    settings->user = first_of(environment, users);
    settings->host = first_of(environment, hosts);
    settings->name = first_of(environment, names);
    settings->sender_user = environment_get(environment, "QMAILSUSER");
    settings->sender_host = environment_get(environment, "QMAILSHOST");
    if (!settings->user)
        settings->user = "anonymous";
    if (!settings->sender_user)
        settings->sender_user = settings->user;
    int status = refuse_control_bytes("user", settings->user);
    if (!status)
        status = refuse_control_bytes("host", settings->host);
    if (!status)
        status = refuse_control_bytes("QMAILSUSER", settings->sender_user);
    if (!status)
        status = refuse_control_bytes("QMAILSHOST", settings->sender_host);

    const char *letters = environment_get(environment, "QMAILINJECT");
    for (; letters && *letters; letters++) {
        settings->comment_style |= *letters == 'c';
        settings->ignore_return_path |= *letters == 's';
        settings->delete_from |= *letters == 'f';
        settings->delete_message_id |= *letters == 'i';
        settings->verp_recipient |= *letters == 'r';
        settings->verp_message |= *letters == 'm';
    }
    const char *lists = environment_get(environment, "QMAILMFTFILE");
    return !status && lists ? read_lists(settings, lists) : status;
}

/* The environment's value, else the control file's, else control/me, else the file's own name. */
static int read_host(char *const *environment, const char *variable, const char *control,
                     struct buf *own, const char **value)
{
    *value = environment_get(environment, variable);
    if (*value)
        return refuse_control_bytes(variable, *value);
    if (control_line_or(control, true, control, own) < 0) {
        if (errno == ENOMEM)
            return fail_errno("out of memory", errno);
        return fail(INJECT_TEMPORARY, "unable to read control/me or control/", control);
    }
    *value = buf_text(own);
    return *value ? 0 : fail_errno("out of memory", errno);
}

int settings_from_control(struct settings *settings, char *const *environment)
{
    struct buf *own = settings->control_values;
    int status = read_host(environment, "QMAILDEFAULTHOST", "defaulthost", &own[0],
                           &settings->hosts.default_host);
    if (!status)
        status = read_host(environment, "QMAILDEFAULTDOMAIN", "defaultdomain", &own[1],
                           &settings->hosts.default_domain);
    if (!status)
        status = read_host(environment, "QMAILPLUSDOMAIN", "plusdomain", &own[2],
                           &settings->hosts.plus_domain);
    if (!status)
        status = read_host(environment, "QMAILIDHOST", "idhost", &own[3], &settings->id_host);
    if (!settings->host)
        settings->host = settings->hosts.default_host;
    if (!settings->sender_host)
        settings->sender_host = settings->host;
    return status;
}

void settings_free(struct settings *settings)
{
    for (size_t i = 0; i < sizeof settings->control_values / sizeof *settings->control_values; i++)
        buf_free(&settings->control_values[i]);
    control_map_free(&settings->lists);
}
