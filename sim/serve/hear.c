/* SPDX-License-Identifier: ISC */
/*
 * What the servers tell becomes sessions and mails.  An actor tells of a command and of its reply
 * in turn, whatever was sent at once; a reply behind 354 is that to the message.
 *
 * Without a scenario nothing is remembered: serve may run for days.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "sim/serve/serve.h"
#include "sim/world/words.h"

#define LINES_MAX 1000000 /* that are remembered */
#define BAD_MAX 20

/* --- words ------------------------------------------------------------------------------------*/

static const char *word(const struct record_line *line, size_t index)
{
    return index < line->count ? line->words[index].text : "";
}

static uint64_t number(const struct record_line *line, size_t index)
{
    uint64_t value = 0;

    return index < line->count && record_number(&line->words[index], &value) ? value : 0;
}

/* A copy of a word, NULs made visible. */
static const char *keep(struct serve *serve, const struct record_line *line, size_t index)
{
    char *text;

    if (index >= line->count)
        return "";
    text = pool_copy(&serve->pool, line->words[index].text, line->words[index].size);
    for (size_t i = 0; i < line->words[index].size; i++)
        if (!text[i])
            text[i] = '?';
    return text;
}

/* The code that a reply begins with; 0: none. */
static unsigned reply_code(const char *reply)
{
    unsigned code = 0;

    for (size_t i = 0; i < 3; i++) {
        if (reply[i] < '0' || reply[i] > '9')
            return 0;
        code = code * 10 + (unsigned) (reply[i] - '0');
    }
    return code;
}

/* --- sessions ---------------------------------------------------------------------------------*/

static struct serve_session *find_session(const struct serve_server *server, uint64_t id)
{
    for (size_t i = server->live_count; i-- > 0;)
        if (server->serve->sessions[server->live[i]].number == id)
            return &server->serve->sessions[server->live[i]];
    return NULL;
}

static void hear_connect(struct serve_server *server, const struct record_line *line)
{
    struct serve *serve = server->serve;
    struct serve_session *session = LIST_ADD(serve->sessions, serve->session_count);

    session->server = (size_t) (server - serve->servers);
    session->number = number(line, 1);
    session->client = keep(serve, line, 2);
    session->start_ns = serve_now(serve);
    session->end_ns = -1;
    session->mail = SERVE_NONE;
    *LIST_ADD(server->live, server->live_count) = serve->session_count - 1;
}

static void note_line(struct serve *serve, struct serve_session *session,
                      const struct serve_line *line)
{
    if (serve->line_count >= LINES_MAX)
        return;
    serve->line_count++;
    *LIST_ADD(session->lines, session->line_count) = *line;
}

/* --- mails ------------------------------------------------------------------------------------*/

static struct serve_mail *mail_of(const struct serve *serve, const struct serve_session *session)
{
    return session->mail == SERVE_NONE ? NULL : &serve->mails[session->mail];
}

/* What comes now is no part of the mail. */
static void end_mail(struct serve *serve, struct serve_session *session)
{
    struct serve_mail *mail = mail_of(serve, session);

    if (mail)
        mail->end_ns = serve_now(serve);
    session->mail = SERVE_NONE;
    session->in_data = false;
}

static void begin_mail(struct serve *serve, struct serve_session *session, const char *sender)
{
    struct serve_mail *mail;

    end_mail(serve, session);
    mail = LIST_ADD(serve->mails, serve->mail_count);
    mail->session = (size_t) (session - serve->sessions);
    mail->first_line = mail->last_line = session->line_count ? session->line_count - 1 : 0;
    mail->start_ns = mail->end_ns = serve_now(serve);
    mail->sender = sender;
    mail->reply = "";
    session->mail = serve->mail_count - 1;
}

static void add_recipient(struct serve *serve, struct serve_mail *mail, const char *address)
{
    struct serve_recipient *recipient =
        POOL_ADD(&serve->pool, mail->recipients, mail->recipient_count);

    recipient->address = address;
    recipient->reply = "";
    recipient->time_ns = serve_now(serve);
    recipient->letter = SERVE_NONE;
}

/* The address in "MAIL FROM:<...> ..." behind `word`; NULL: it does not begin so. */
static const char *read_path(struct pool *pool, const char *text, const char *verb)
{
    size_t length = strlen(verb);
    const char *at, *end;
    bool quoted = false;

    if (strncasecmp(text, verb, length) != 0)
        return NULL;
    at = text + length;
    at += strspn(at, " ");
    if (*at != '<')
        return NULL;
    at++;
    if (*at == '@' && strchr(at, ':')) /* a source route */
        at = strchr(at, ':') + 1;
    for (end = at; *end && (quoted || *end != '>'); end++) {
        if (*end == '\\' && end[1])
            end++;
        else if (*end == '"')
            quoted = !quoted;
    }
    return pool_copy(pool, at, (size_t) (end - at));
}

static bool is_verb(const char *text, const char *verb)
{
    size_t length = strlen(verb);

    return strncasecmp(text, verb, length) == 0 && (!text[length] || text[length] == ' ');
}

/* A command of the client's. */
static void note_command(struct serve *serve, struct serve_session *session, const char *text)
{
    const char *path = read_path(&serve->pool, text, "MAIL FROM:");
    struct serve_mail *mail;

    session->command = HEARD_OTHER;
    if (path) {
        session->command = HEARD_MAIL;
        begin_mail(serve, session, path);
    } else if (is_verb(text, "RSET") || is_verb(text, "QUIT") || is_verb(text, "EHLO") ||
               is_verb(text, "HELO")) {
        end_mail(serve, session);
    }
    mail = mail_of(serve, session);
    path = mail ? read_path(&serve->pool, text, "RCPT TO:") : NULL;
    if (path) {
        session->command = HEARD_RCPT;
        add_recipient(serve, mail, path);
    } else if (mail && is_verb(text, "DATA")) {
        session->command = HEARD_DATA;
    }
}

/* The reply to the command before, or to the message. */
static void note_reply(struct serve *serve, struct serve_session *session, const char *text)
{
    struct serve_mail *mail = mail_of(serve, session);
    enum serve_command command = session->command;
    unsigned code = reply_code(text);

    session->command = HEARD_OTHER;
    if (!mail)
        return;
    mail->last_line = session->line_count ? session->line_count - 1 : 0;
    if (command == HEARD_RCPT) {
        struct serve_recipient *recipient = &mail->recipients[mail->recipient_count - 1];

        recipient->code = code;
        recipient->reply = text;
        recipient->time_ns = serve_now(serve);
    } else if (command == HEARD_DATA && code / 100 == 3) {
        session->in_data = true;
    } else if (session->in_data || command == HEARD_DATA || code == 421 ||
               (command == HEARD_MAIL && code / 100 != 2)) {
        mail->code = code;
        mail->reply = text;
        end_mail(serve, session);
    }
}

/* --- records ----------------------------------------------------------------------------------*/

static void hear_spoken(struct serve_server *server, const struct record_line *record,
                        bool by_client)
{
    struct serve *serve = server->serve;
    struct serve_session *session =
        serve->scenario ? find_session(server, number(record, 1)) : NULL;
    struct serve_line line = {
        .time_ns = serve_now(serve), .by_client = by_client, .text = word(record, 2)};

    if (session)
        line.text = keep(serve, record, 2);
    if (serve->options.verbose)
        story_line(serve, server, number(record, 1), &line, serve->out);
    if (!session)
        return;
    note_line(serve, session, &line);
    if (by_client)
        note_command(serve, session, line.text);
    else
        note_reply(serve, session, line.text);
}

static const char *sender_shown(struct pool *pool, const struct record_line *line)
{
    return *word(line, 3) ? serve_shown(pool, word(line, 3), line->words[3].size) : "<>";
}

/* "+1.234s  took 3: robot@app.example -> bob@x.example, 512 bytes: Welcome" */
static void tell_taken(struct serve *serve, const struct record_line *line)
{
    struct pool pool = {NULL};
    const char *subject = subject_of(&pool, line->data ? line->data : "", line->size);

    fprintf(serve->out, "%+.3fs  took %" PRIu64 ": %s ->", (double) serve_now(serve) / 1e9,
            serve->taken, sender_shown(&pool, line));
    for (size_t i = 5; i < line->count; i++)
        fprintf(serve->out, " %s", serve_shown(&pool, word(line, i), line->words[i].size));
    fprintf(serve->out, ", %zu bytes%s%s\n", line->size, subject ? ": " : "",
            subject ? serve_shown(&pool, subject, strlen(subject)) : "");
    pool_free(&pool);
}

/* The mail of a "took" record; its recipients are those that the record has. */
static void note_taken(struct serve_server *server, const struct record_line *line)
{
    struct serve *serve = server->serve;
    struct serve_session *session = find_session(server, number(line, 1));
    struct serve_mail *mail = session ? mail_of(serve, session) : NULL;
    bool known = false;

    while (server->taken_count < number(line, 2) && server->taken_count < SIZE_MAX / 2)
        *LIST_ADD(server->taken, server->taken_count) = SERVE_NONE;
    if (!mail)
        return;
    if (server->taken_count > 0)
        server->taken[server->taken_count - 1] = session->mail;
    mail->taken = true;
    mail->taken_ns = mail->end_ns = serve_now(serve);
    mail->file = session->kept;
    mail->size = line->size;
    mail->subject = subject_of(&serve->pool, line->data ? line->data : "", line->size);
    for (size_t i = 0; i < mail->recipient_count; i++) {
        mail->recipients[i].letter = ledger_letter(serve, mail, i);
        known |= mail->recipients[i].letter != SERVE_NONE;
    }
    if (known)
        mail->data = pool_copy(&serve->pool, line->data ? line->data : "", line->size);
}

static void hear_took(struct serve_server *server, const struct record_line *line)
{
    struct serve *serve = server->serve;

    serve->taken++;
    if (serve->options.verbose || !serve->options.command)
        tell_taken(serve, line);
    if (serve->scenario)
        note_taken(server, line);
}

static void hear_kept(struct serve_server *server, const struct record_line *line)
{
    struct serve *serve = server->serve;
    struct serve_session *session = serve->scenario ? find_session(server, number(line, 1)) : NULL;

    if (session)
        session->kept = pool_format(&serve->pool, "new/%s", word(line, 2));
}

static void hear_unkept(struct serve_server *server, const struct record_line *line)
{
    struct serve *serve = server->serve;

    if (serve->unkept++ == 0)
        serve_say("messages are refused (452): cannot write to %s: %s", serve->mailbox.path,
                  word(line, 2));
}

static void hear_end(struct serve_server *server, const struct record_line *line)
{
    struct serve *serve = server->serve;
    struct serve_session *session = serve->scenario ? find_session(server, number(line, 1)) : NULL;
    size_t index;

    if (!session)
        return;
    index = (size_t) (session - serve->sessions);
    end_mail(serve, session);
    session->end_ns = serve_now(serve);
    session->how = keep(serve, line, 2);
    for (size_t i = 0; i < server->live_count; i++)
        if (server->live[i] == index) {
            server->live[i] = server->live[--server->live_count];
            break;
        }
}

static void hear_bad(struct serve_server *server, const struct record_line *line)
{
    struct serve *serve = server->serve;

    if (serve->options.verbose)
        fprintf(serve->out, "%+.3fs  bad SMTP of client %" PRIu64 ": %s\n",
                (double) serve_now(serve) / 1e9, number(line, 1), word(line, 2));
    for (size_t i = 0; i < serve->bad_count; i++)
        if (strcmp(serve->bad[i], word(line, 2)) == 0)
            return;
    if (serve->bad_count < BAD_MAX)
        *POOL_ADD(&serve->pool, serve->bad, serve->bad_count) = keep(serve, line, 2);
}

static void hear_bounced(struct serve_server *server, const struct record_line *line)
{
    struct serve *serve = server->serve;
    uint64_t taken = number(line, 1);
    struct serve_bounce *bounce;

    if (serve->options.verbose || !serve->options.command) {
        struct pool pool = {NULL};

        fprintf(serve->out, "%+.3fs  bounce of %" PRIu64 " %s: %s\n",
                (double) serve_now(serve) / 1e9, taken, word(line, 2),
                serve_shown(&pool, word(line, 3), strlen(word(line, 3))));
        pool_free(&pool);
    }
    if (!serve->scenario || strcmp(word(line, 2), "accepted") != 0 || taken == 0 ||
        taken > server->taken_count || server->taken[taken - 1] == SERVE_NONE)
        return;
    bounce = LIST_ADD(serve->bounces, serve->bounce_count);
    bounce->mail = server->taken[taken - 1];
    bounce->time_ns = serve_now(serve);
    bounce->status = keep(serve, line, 4);
    bounce->diagnostic = keep(serve, line, 5);
}

static void hear_listening(struct serve_server *server, const struct record_line *line)
{
    struct listening *listening = LIST_ADD(server->listening, server->listening_count);

    snprintf(listening->host, sizeof listening->host, "%s", word(line, 1));
    listening->port = (unsigned) number(line, 2);
}

void hear_record(struct serve_server *server, const struct record_line *line)
{
    struct serve *serve = server->serve;
    const char *kind = word(line, 0);

    if (line->trouble) {
        serve_say("a server told what is no record: %s: %s", line->trouble, line->line);
        serve->broken = true;
    } else if (strcmp(kind, "in") == 0 || strcmp(kind, "out") == 0) {
        hear_spoken(server, line, *kind == 'i');
    } else if (strcmp(kind, "listening") == 0) {
        hear_listening(server, line);
    } else if (strcmp(kind, "connect") == 0) {
        if (serve->scenario)
            hear_connect(server, line);
    } else if (strcmp(kind, "took") == 0) {
        hear_took(server, line);
    } else if (strcmp(kind, "kept") == 0) {
        hear_kept(server, line);
    } else if (strcmp(kind, "unkept") == 0) {
        hear_unkept(server, line);
    } else if (strcmp(kind, "end") == 0) {
        hear_end(server, line);
    } else if (strcmp(kind, "bad") == 0) {
        hear_bad(server, line);
    } else if (strcmp(kind, "bounced") == 0) {
        hear_bounced(server, line);
    }
}
