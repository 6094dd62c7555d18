/* SPDX-License-Identifier: ISC */
/* The verbs of SMTP (RFC 5321 4.1): their syntax, their order, and what they do. */
#include <string.h>
#include <strings.h>

#include "mta/lib/num.h"
#include "sim/actors/smtp-server/server.h"

/* --- the verbs --------------------------------------------------------------------------------*/

/* An argument and what is still to be read of it. */
struct argument {
    const char *text;
    size_t size;
};

static int set_argument(struct connection *connection, struct argument argument)
{
    if (buf_set(&connection->argument, argument.text, argument.size) == 0)
        return 0;
    event_answer(connection, "451 4.3.0 out of memory");
    return -1;
}

void command_connect(struct connection *connection)
{
    struct buf reply = BUF_INIT(0);

    buf_reset(&connection->argument);
    if (buf_add_text(&reply, "220 ") == 0 && buf_add_text(&reply, connection->server->name) == 0 &&
        buf_add_text(&reply, connection->server->no_ehlo ? " SMTP" : " ESMTP") == 0 &&
        buf_text(&reply))
        event_happens(connection, VERB_CONNECT, reply.data);
    else
        event_happens(connection, VERB_CONNECT, "421 4.3.0 out of memory");
    buf_free(&reply);
}

static bool needs_no_argument(struct connection *connection, struct argument argument)
{
    if (argument.size == 0)
        return true;
    event_answer(connection, "501 5.5.4 this command has no argument");
    return false;
}

/* Makes the reply to EHLO (RFC 5321 4.1.1.1). */
static int make_ehlo_reply(struct connection *connection)
{
    const struct server *server = connection->server;
    struct buf *reply = &connection->reply;

    if (buf_set_text(reply, server->extension_count ? "250-" : "250 ") < 0 ||
        buf_add_text(reply, server->name) < 0)
        return -1;
    for (size_t i = 0; i < server->extension_count; i++) {
        const char *line = server->extensions[i];

        if (buf_add_text(reply, i + 1 < server->extension_count ? "\n250-" : "\n250 ") < 0 ||
            buf_add_text(reply, line) < 0)
            return -1;
        if (strcasecmp(line, "SIZE") == 0 &&
            (buf_add_byte(reply, ' ') < 0 || buf_add_number(reply, server->size_max) < 0))
            return -1;
    }
    return 0;
}

static void on_ehlo(struct connection *connection, struct argument argument)
{
    if (!syntax_host(argument.text, argument.size)) {
        event_answer(connection, "501 5.5.4 EHLO is followed by a host name");
        return;
    }
    if (set_argument(connection, argument) < 0)
        return;
    if (connection->server->no_ehlo)
        event_happens(connection, VERB_EHLO, "502 5.5.1 EHLO is not known here");
    else if (make_ehlo_reply(connection) < 0)
        event_answer(connection, "451 4.3.0 out of memory");
    else
        event_happens(connection, VERB_EHLO, NULL);
}

static void on_helo(struct connection *connection, struct argument argument)
{
    if (!syntax_host(argument.text, argument.size)) {
        event_answer(connection, "501 5.5.4 HELO is followed by a host name");
        return;
    }
    if (set_argument(connection, argument) < 0)
        return;
    if (buf_set_text(&connection->reply, "250 ") < 0 ||
        buf_add_text(&connection->reply, connection->server->name) < 0)
        event_answer(connection, "451 4.3.0 out of memory");
    else
        event_happens(connection, VERB_HELO, NULL);
}

/* Reads "FROM:<path>" or "TO:<path>" into `argument`; what is behind it stays in *rest.  False
 * after a reply. */
static bool read_path(struct connection *connection, struct argument *rest, const char *word,
                      const char *complaint)
{
    size_t length = strlen(word), path;

    if (rest->size < length || strncasecmp(rest->text, word, length) != 0) {
        event_answer(connection, "501 5.5.4 syntax error");
        return false;
    }
    path = syntax_path(rest->text + length, rest->size - length, &connection->argument);
    rest->text += length + path;
    rest->size -= length + path;
    if (path == 0 || (rest->size > 0 && *rest->text != ' ')) {
        event_answer(connection, complaint);
        return false;
    }
    return true;
}

/* Whether a parameter begins with this keyword, "SIZE=" with the equals sign. */
static bool is_parameter(struct argument parameter, const char *keyword)
{
    size_t length = strlen(keyword);

    if (parameter.size < length || strncasecmp(parameter.text, keyword, length) != 0)
        return false;
    return keyword[length - 1] == '=' || parameter.size == length;
}

/* The complaint about a parameter of MAIL, NULL if it is fine. */
static const char *mail_parameter(const struct connection *connection, struct argument parameter)
{
    const struct server *server = connection->server;
    uint64_t size;

    if (server->size && is_parameter(parameter, "SIZE=")) {
        if (parameter.size == 5 || parameter.size > 25 ||
            strspn(parameter.text + 5, "0123456789") < parameter.size - 5)
            return "501 5.5.4 SIZE is a number";
        if (num_parse(parameter.text + 5, parameter.size - 5, &size) < 0 || size > server->size_max)
            return "552 5.3.4 the message is too big";
        return NULL;
    }
    if (server->eight_bit &&
        (is_parameter(parameter, "BODY=7BIT") || is_parameter(parameter, "BODY=8BITMIME")) &&
        parameter.size <= 13)
        return NULL;
    if (server->utf8 && is_parameter(parameter, "SMTPUTF8"))
        return NULL;
    if (server->auth && is_parameter(parameter, "AUTH="))
        return NULL;
    if (server->dsn && (is_parameter(parameter, "RET=") || is_parameter(parameter, "ENVID=")))
        return NULL;
    return "555 5.5.4 this parameter is not known here";
}

static const char *rcpt_parameter(const struct connection *connection, struct argument parameter)
{
    if (connection->server->dsn &&
        (is_parameter(parameter, "NOTIFY=") || is_parameter(parameter, "ORCPT=")))
        return NULL;
    return "555 5.5.4 this parameter is not known here";
}

/* Looks at the parameters behind a path.  False after a reply. */
static bool check_parameters(struct connection *connection, struct argument rest,
                             const char *(*check)(const struct connection *connection,
                                                  struct argument parameter))
{
    while (rest.size > 0) {
        const char *begin = rest.text + 1; /* behind the space */
        size_t left = rest.size - 1;
        const char *space = left ? memchr(begin, ' ', left) : NULL;
        size_t size = space ? (size_t) (space - begin) : left;
        const char *complaint = size == 0 ? "501 5.5.4 syntax error" : NULL;

        if (!complaint && !connection->extended)
            complaint = "555 5.5.4 parameters are for those who say EHLO";
        if (!complaint)
            complaint = check(connection, (struct argument){begin, size});
        if (complaint) {
            event_answer(connection, complaint);
            return false;
        }
        rest = (struct argument){begin + size, left - size};
    }
    return true;
}

static void on_mail(struct connection *connection, struct argument argument)
{
    if (!connection->hello)
        event_answer(connection, "503 5.5.1 say EHLO first");
    else if (connection->in_mail)
        event_answer(connection, "503 5.5.1 there is a sender already");
    else if (read_path(connection, &argument, "FROM:", "501 5.1.7 this is no sender") &&
             check_parameters(connection, argument, mail_parameter))
        event_happens(connection, VERB_MAIL, "250 2.1.0 ok");
}

static void on_rcpt(struct connection *connection, struct argument argument)
{
    if (!connection->in_mail)
        event_answer(connection, "503 5.5.1 say MAIL first");
    else if (read_path(connection, &argument, "TO:", "501 5.1.3 this is no recipient") &&
             check_parameters(connection, argument, rcpt_parameter)) {
        if (connection->argument.length == 0)
            event_answer(connection, "501 5.1.3 this is no recipient");
        else if (connection->recipient_count >= connection->server->recipients_max)
            event_answer(connection, "452 4.5.3 too many recipients");
        else
            event_happens(connection, VERB_RCPT, "250 2.1.5 ok");
    }
}

static void on_data(struct connection *connection, struct argument argument)
{
    if (!needs_no_argument(connection, argument))
        return;
    buf_reset(&connection->argument);
    if (connection->recipient_count > 0)
        event_happens(connection, VERB_DATA, "354 go ahead");
    else if (connection->refused_recipient)
        event_happens(connection, VERB_DATA, "554 5.5.1 there are no valid recipients");
    else
        event_answer(connection, "503 5.5.1 say RCPT first");
}

static void on_rset(struct connection *connection, struct argument argument)
{
    buf_reset(&connection->argument);
    if (needs_no_argument(connection, argument))
        event_happens(connection, VERB_RSET, "250 2.0.0 ok");
}

static void on_noop(struct connection *connection, struct argument argument)
{
    if (set_argument(connection, argument) == 0)
        event_happens(connection, VERB_NOOP, "250 2.0.0 ok");
}

static void on_vrfy(struct connection *connection, struct argument argument)
{
    if (argument.size == 0)
        event_answer(connection, "501 5.5.4 VRFY is followed by a name");
    else if (set_argument(connection, argument) == 0)
        event_happens(connection, VERB_VRFY, "252 2.1.5 send some mail, and see");
}

static void on_help(struct connection *connection, struct argument argument)
{
    if (set_argument(connection, argument) == 0)
        event_happens(connection, VERB_HELP, "214 2.0.0 see RFC 5321");
}

static void on_quit(struct connection *connection, struct argument argument)
{
    struct buf reply = BUF_INIT(0);

    buf_reset(&connection->argument);
    if (!needs_no_argument(connection, argument))
        return;
    if (buf_add_text(&reply, "221 2.0.0 ") == 0 &&
        buf_add_text(&reply, connection->server->name) == 0 && buf_text(&reply))
        event_happens(connection, VERB_QUIT, reply.data);
    else
        event_happens(connection, VERB_QUIT, "221 2.0.0 bye");
    buf_free(&reply);
}

static void on_auth(struct connection *connection, struct argument argument)
{
    if (!connection->server->auth)
        event_answer(connection, "502 5.5.1 AUTH is not known here");
    else if (!connection->extended)
        event_answer(connection, "503 5.5.1 say EHLO first");
    else if (connection->authenticated || connection->in_mail)
        event_answer(connection, "503 5.5.1 not now");
    else
        auth_begin(connection, argument.text, argument.size);
}

static void on_expn(struct connection *connection, struct argument argument)
{
    if (set_argument(connection, argument) == 0)
        event_happens(connection, VERB_OTHER, "502 5.5.1 this command is not known here");
}

static const struct command {
    const char *word;
    void (*handle)(struct connection *connection, struct argument argument);
    bool ends_group; /* nothing may follow it before its reply (RFC 2920 3.1) */
} commands[] = {
    {"EHLO", on_ehlo, true},  {"HELO", on_helo, true},  {"MAIL", on_mail, false},
    {"RCPT", on_rcpt, false}, {"DATA", on_data, true},  {"RSET", on_rset, false},
    {"NOOP", on_noop, true},  {"VRFY", on_vrfy, true},  {"EXPN", on_expn, true},
    {"HELP", on_help, false}, {"QUIT", on_quit, true},  {"AUTH", on_auth, true},
    {"TURN", on_expn, true},  {"SEND", on_expn, false}, {"SOML", on_expn, false},
    {"SAML", on_expn, false}, {"ETRN", on_expn, true},  {"STARTTLS", on_expn, true},
};

static const struct command *find_command(const char *line, size_t size)
{
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        size_t length = strlen(commands[i].word);

        if (size >= length && strncasecmp(line, commands[i].word, length) == 0 &&
            (size == length || line[length] == ' '))
            return &commands[i];
    }
    return NULL;
}

static void tell_in(struct connection *connection, const char *line, size_t size)
{
    struct record *record = &connection->server->record;

    record_begin(record, "in");
    record_number(record, connection->number);
    record_quoted(record, line, size);
    if (record_hold(record) < 0)
        connection->server->broken = true;
}

/* Whether the client has already sent what it had to wait for. */
static void check_pace(struct connection *connection, const struct command *command)
{
    if (connection->in.length == 0)
        return;
    if (!connection->extended || !connection->server->pipelining)
        connection_bad(connection, BAD_PIPELINING);
    else if (command && command->ends_group)
        connection_bad(connection, BAD_BEHIND);
}

static void run_command(struct connection *connection, const struct command *command,
                        const char *line, size_t size)
{
    struct argument argument = {line, size};

    if (command) {
        size_t skip = strlen(command->word);

        skip += size > skip;
        argument = (struct argument){line + skip, size - skip};
        command->handle(connection, argument);
    } else if (set_argument(connection, argument) == 0) {
        event_happens(connection, VERB_OTHER, "500 5.5.1 this is no command");
    }
}

void command_line(struct connection *connection, const char *line, size_t size)
{
    const struct command *command = find_command(line, size);

    tell_in(connection, line, size);
    check_pace(connection, command);
    if (size > 0 && memchr(line, '\r', size)) {
        connection_bad(connection, BAD_CR);
        event_answer(connection, "500 5.5.2 a line ends with CR LF");
    } else if (size > 0 && memchr(line, 0, size)) {
        connection_bad(connection, BAD_NUL);
        event_answer(connection, "500 5.5.2 there is a NUL in this");
    } else if (size > SERVER_LINE_MAX && !(command && command->handle == on_auth)) {
        connection_bad(connection, BAD_LENGTH);
        event_answer(connection, "500 5.5.6 line too long");
    } else if (!connection->greeted && !(command && command->handle == on_quit)) {
        event_answer(connection, "503 5.5.1 there is no service here");
    } else {
        run_command(connection, command, line, size);
    }
}
