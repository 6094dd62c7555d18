/* SPDX-License-Identifier: ISC */
/* The commands of SMTP (RFC 5321 4.1) but DATA, each a small function, found in a table. */
#include "mta/smtpd/smtpd.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "mta/lib/envelope.h"
#include "mta/lib/num.h"
#include "mta/lib/smtp_address.h"

#define ENVELOPE_ROOM (ENVELOPE_SIZE_MAX - 2 * ENVELOPE_ADDRESS_MAX)

/* What stands behind the verb, blanks in front included. */
struct argument {
    const char *text;
    size_t size;
};

/* Ends the session with a reply. */
static int leave(struct session *session, const char *reply, const char *why)
{
    if (session_reply(session, reply) == 0)
        session_flush(session);
    return session_end(session, why);
}

/* Content begins with a header field, or another line that is no command.  A lone dot is what a
 * client sends that has nothing but its end: no more than a mistake. */
static bool is_content(const struct session *session)
{
    return session->data_refused && !buf_equals(&session->line, ".");
}

static int end_behind_data(struct session *session)
{
    return leave(session, "421 4.5.0 you went on without waiting for this", "went on behind DATA");
}

int command_refuse(struct session *session, const char *reply)
{
    if (is_content(session))
        return end_behind_data(session);
    if (++session->bad_commands < BAD_COMMANDS_MAX)
        return session_reply(session, reply);
    return leave(session, "421 4.7.0 too many errors", "too many errors");
}

static struct argument trimmed(struct argument argument)
{
    while (argument.size && strchr(" \t", argument.text[0])) {
        argument.text++;
        argument.size--;
    }
    while (argument.size && strchr(" \t", argument.text[argument.size - 1]))
        argument.size--;
    return argument;
}

/* --- greeting --- */

static int greet(struct session *session, struct argument argument, bool extended)
{
    argument = trimmed(argument);
    session_reset(session);
    session->extended = extended;
    if (buf_set(&session->helo, argument.text, argument.size) < 0)
        return session_end(session, "out of memory");
    if (buf_add_text(&session->replies, extended ? "250-" : "250 ") < 0 ||
        buf_add(&session->replies, session->settings->greeting.data,
                session->settings->greeting.length) < 0)
        return session_end(session, "out of memory");
    return session_reply(session, "");
}

static int do_helo(struct session *session, struct argument argument)
{
    if (trimmed(argument).size == 0)
        return command_refuse(session, "501 5.5.4 your name is missing");
    return greet(session, argument, false);
}

static int do_ehlo(struct session *session, struct argument argument)
{
    char size[32] = "250-SIZE ";
    if (trimmed(argument).size == 0)
        return command_refuse(session, "501 5.5.4 your name is missing");
    if (greet(session, argument, true) < 0)
        return -1;
    num_format(size + strlen(size), session->databytes);
    if (session_reply(session, "250-PIPELINING") < 0 || session_reply(session, size) < 0 ||
        session_reply(session, "250-8BITMIME") < 0)
        return -1;
    return session_reply(session, "250 ENHANCEDSTATUSCODES");
}

/* --- MAIL --- */

static bool is_word(const char *text, size_t size, const char *word)
{
    return size == strlen(word) && strncasecmp(text, word, size) == 0;
}

/* NULL if the parameter is fine (RFC 1870, RFC 6152), else the reply. */
static const char *check_parameter(const struct session *session,
                                   const struct smtp_parameter *parameter)
{
    uint64_t size;
    if (is_word(parameter->keyword, parameter->keyword_size, "SIZE")) {
        if (!parameter->value)
            return "501 5.5.4 SIZE needs a number";
        if (num_parse(parameter->value, parameter->value_size, &size) < 0) {
            if (errno != ERANGE)
                return "501 5.5.4 SIZE needs a number";
            size = UINT64_MAX;
        }
        return session->databytes && size > session->databytes
                   ? "552 5.3.4 sorry, that message size exceeds my databytes limit"
                   : NULL;
    }
    if (is_word(parameter->keyword, parameter->keyword_size, "BODY")) {
        bool known =
            parameter->value && (is_word(parameter->value, parameter->value_size, "7BIT") ||
                                 is_word(parameter->value, parameter->value_size, "8BITMIME"));
        return known ? NULL : "501 5.5.4 BODY is 7BIT or 8BITMIME";
    }
    return "555 5.5.4 parameter not known";
}

static const char *check_parameters(const struct session *session, struct argument argument,
                                    size_t at)
{
    struct smtp_parameter parameter;
    int result;
    while ((result = smtp_parameter_next(argument.text, argument.size, &at, &parameter)) == 1) {
        const char *reply = check_parameter(session, &parameter);
        if (reply)
            return reply;
    }
    return result < 0 ? "501 5.5.4 syntax error in parameters" : NULL;
}

static int do_mail(struct session *session, struct argument argument)
{
    char address[COMMAND_MAX];
    size_t size, at;
    if (smtp_path_parse(argument.text, argument.size, "FROM", address, &size, &at) < 0 ||
        size > ENVELOPE_ADDRESS_MAX)
        return command_refuse(session, "501 5.1.7 syntax error in the sender's address");
    session->data_refused = false;
    if (session->in_transaction)
        return session_reply(session, "503 5.5.1 one sender only");
    const char *reply = check_parameters(session, argument, at);
    if (!reply && settings_is_bad_sender(session->settings, address, size))
        reply = "553 5.7.1 sorry, your envelope sender is in my badmailfrom list";
    if (reply) {
        log_refusal(session, address, size, reply);
        return session_reply(session, reply);
    }
    if (buf_set(&session->sender, address, size) < 0)
        return session_reply(session, "451 4.3.0 out of memory");
    session->in_transaction = true;
    return session_reply(session, "250 2.1.0 ok");
}

/* --- RCPT --- */

/* user@[our own address] becomes user@localiphost.  `size` of at most COMMAND_MAX. */
static size_t replace_own_literal(const struct session *session, char *address, size_t size)
{
    const struct buf *name = &session->settings->localiphost;
    size_t own = strlen(session->peer.local);
    char *at = size ? memrchr(address, '@', size) : NULL;
    if (!at || own == 0)
        return size;
    char *literal = at + 1;
    size_t literal_size = (size_t) (address + size - literal);
    if (literal_size > 7 && strncasecmp(literal, "[IPv6:", 6) == 0) {
        literal += 5;
        literal_size -= 5;
    }
    if (literal_size != own + 2 || *(at + 1) != '[' ||
        strncasecmp(literal + 1, session->peer.local, own) != 0)
        return size;
    size_t before = (size_t) (at + 1 - address);
    if (before + name->length > COMMAND_MAX)
        return size;
    memcpy(address + before, name->data, name->length);
    return before + name->length;
}

/* The recipient as the queue gets it, into the list.  NULL or the reply. */
static const char *take_recipient(struct session *session, const char *address, size_t size)
{
    struct buf *list = &session->recipients;
    size_t suffix = session->relay ? strlen(session->relay) : 0;
    if (session->recipient_count == RECIPIENTS_MAX || list->length + size + suffix > ENVELOPE_ROOM)
        return "452 4.5.3 too many recipients";
    if (!session->relay && !settings_take(session->settings, address, size))
        return "553 5.7.1 sorry, that domain isn't in my list of allowed rcpthosts";
    if (size + suffix > ENVELOPE_ADDRESS_MAX)
        return "501 5.1.3 address too long";
    size_t before = list->length;
    const char *reply = "452 4.3.1 out of memory";
    if (buf_add(list, address, size) == 0 &&
        buf_add(list, session->relay ? session->relay : "", suffix) == 0 &&
        buf_add_byte(list, 0) == 0)
        reply = known_refusal(session->settings, session->users, list->data + before);
    if (reply)
        list->length = before;
    else
        session->recipient_count++;
    return reply;
}

static int do_rcpt(struct session *session, struct argument argument)
{
    char address[COMMAND_MAX];
    size_t size, at;
    if (smtp_path_parse(argument.text, argument.size, "TO", address, &size, &at) < 0 || size == 0)
        return command_refuse(session, "501 5.1.3 syntax error in the recipient's address");
    session->data_refused = false;
    if (!session->in_transaction)
        return session_reply(session, "503 5.5.1 MAIL first");
    const char *reply = NULL;
    if (at < argument.size &&
        trimmed((struct argument){argument.text + at, argument.size - at}).size)
        reply = "555 5.5.4 parameter not known";
    if (!reply) {
        size = replace_own_literal(session, address, size);
        reply = take_recipient(session, address, size);
    }
    if (!reply)
        return session_reply(session, "250 2.1.5 ok");
    log_refusal(session, address, size, reply);
    return session_reply(session, reply);
}

/* --- the others --- */

/* DATA ends a group of commands (RFC 2920 3.1).  What came behind it without waiting for its reply
 * is content that was not wanted, and must not be taken for commands.  What comes later may be the
 * same, sent by a client that does not read replies: its first line tells. */
static int refuse_data(struct session *session, const char *reply)
{
    if (session_reply(session, reply) < 0)
        return -1;
    session->data_refused = true;
    return session->input_at == session->input_end ? 0 : end_behind_data(session);
}

static int do_data(struct session *session, struct argument argument)
{
    if (trimmed(argument).size)
        return refuse_data(session, "501 5.5.4 DATA takes no argument");
    if (!session->in_transaction)
        return refuse_data(session, "503 5.5.1 MAIL first");
    if (session->recipient_count == 0)
        return refuse_data(session, "503 5.5.1 RCPT first");
    return receive_message(session);
}

static int do_rset(struct session *session, struct argument argument)
{
    (void) argument;
    session_reset(session);
    return session_reply(session, "250 2.0.0 flushed");
}

static int do_noop(struct session *session, struct argument argument)
{
    (void) argument;
    return session_reply(session, "250 2.0.0 ok");
}

static int do_vrfy(struct session *session, struct argument argument)
{
    (void) argument;
    return session_reply(session, "252 2.5.2 send some mail, i'll try my best");
}

static int do_help(struct session *session, struct argument argument)
{
    (void) argument;
    return session_reply(session, "214 2.0.0 HELO EHLO MAIL RCPT DATA RSET NOOP VRFY HELP QUIT");
}

static int do_quit(struct session *session, struct argument argument)
{
    (void) argument;
    if (buf_add_text(&session->replies, "221 2.0.0 ") == 0 &&
        buf_add(&session->replies, session->settings->greeting.data,
                session->settings->greeting.length) == 0 &&
        session_reply(session, "") == 0)
        session_flush(session);
    return session_end(session, "quit");
}

static int do_unimplemented(struct session *session, struct argument argument)
{
    (void) argument;
    return command_refuse(session, "502 5.5.1 unimplemented");
}

/* Somebody has a browser speak to us: what follows is not his (RFC 7230 3.1.1). */
static int do_other_protocol(struct session *session, struct argument argument)
{
    (void) argument;
    return leave(session, "421 4.7.0 this is no web server", "HTTP");
}

static const struct {
    const char *verb;
    int (*run)(struct session *session, struct argument argument);
} commands[] = {
    {"MAIL", do_mail},
    {"RCPT", do_rcpt},
    {"DATA", do_data},
    {"EHLO", do_ehlo},
    {"HELO", do_helo},
    {"QUIT", do_quit},
    {"RSET", do_rset},
    {"NOOP", do_noop},
    {"VRFY", do_vrfy},
    {"HELP", do_help},
    {"EXPN", do_unimplemented},
    {"ETRN", do_unimplemented},
    {"TURN", do_unimplemented},
    {"SEND", do_unimplemented},
    {"SOML", do_unimplemented},
    {"SAML", do_unimplemented},
    {"AUTH", do_unimplemented},
    {"STARTTLS", do_unimplemented},
    {"BDAT", do_unimplemented},
    {"GET", do_other_protocol},
    {"POST", do_other_protocol},
    {"PUT", do_other_protocol},
    {"CONNECT", do_other_protocol},
};

/* False when the client has said enough without sending a message. */
static bool spend_patience(struct session *session, bool is_recipient)
{
    unsigned cost = is_recipient ? RCPT_COSTS : COMMAND_COSTS;
    if (session->patience < cost)
        return false;
    session->patience -= cost;
    return true;
}

/* How much of the line is the verb. */
static size_t verb_size(const struct buf *line)
{
    size_t size = 0;
    while (size < line->length && line->data[size] != ' ' && line->data[size] != '\t')
        size++;
    return size;
}

int command_refuse_line(struct session *session, const char *reply)
{
    if (command_refuse(session, reply) < 0)
        return -1;
    if (is_word(session->line.data, verb_size(&session->line), "DATA"))
        session->data_refused = true;
    return 0;
}

int command_run(struct session *session)
{
    const char *line = session->line.data;
    size_t size = session->line.length, verb = verb_size(&session->line);
    struct argument argument = {line + verb, size - verb};
    if (!spend_patience(session, is_word(line, verb, "RCPT")))
        return leave(session, "421 4.7.0 too many commands without a message", "too many commands");
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (is_word(line, verb, commands[i].verb))
            return commands[i].run(session, argument);
    return command_refuse(session, "500 5.5.1 command not known");
}
