/* SPDX-License-Identifier: ISC */
/* What a failure is explained with: the mails that the message was, with their dialogues; or what
 * came instead. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "sim/serve/serve.h"

#define MAILS_SHOWN 3
#define OTHERS_SHOWN 10
#define LINES_SHOWN 60 /* of a dialogue */
#define MESSAGE_SHOWN 40
#define TEXT_SHOWN 400
#define LEAD 4 /* lines of the dialogue before the mail: the greeting */

/* --- texts ------------------------------------------------------------------------------------*/

const char *serve_shown(struct pool *pool, const char *text, size_t size)
{
    char *shown = pool_copy(pool, text, size);

    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char) shown[i];

        if ((byte < ' ' && byte != '\t') || byte == 127 ||
            (byte < 0xa0 && byte >= 0x80 && i > 0 && (unsigned char) shown[i - 1] == 0xc2))
            shown[i] = '?';
    }
    return shown;
}

static const char *shown(struct pool *pool, const char *text)
{
    size_t size = strlen(text);

    return serve_shown(pool, text, size < TEXT_SHOWN ? size : TEXT_SHOWN);
}

static double seconds(int64_t ns)
{
    return (double) ns / 1e9;
}

void story_line(const struct serve *serve, const struct serve_server *server, uint64_t session,
                const struct serve_line *line, FILE *to)
{
    struct pool pool = {NULL};
    const char *at = line->text;

    do {
        size_t size = strcspn(at, "\n");
        size_t width = size < TEXT_SHOWN ? size : TEXT_SHOWN;

        if (width > 0 && at[width - 1] == '\r')
            width--;
        fprintf(to, "  %+8.3fs  ", seconds(line->time_ns));
        if (serve->server_count > 1)
            fprintf(to, "%s/", server->name ? server->name : "main");
        fprintf(to, "%" PRIu64 " %c: %s\n", session, line->by_client ? 'C' : 'S',
                serve_shown(&pool, at, width));
        at += size + (at[size] == '\n');
    } while (*at);
    pool_free(&pool);
}

const char *story_outcome(const struct serve_mail *mail, const struct serve_recipient *recipient)
{
    if (recipient->code / 100 != 2 && *recipient->reply)
        return recipient->reply;
    if (mail->taken && !*mail->reply)
        return "taken, but not told so";
    return *mail->reply ? mail->reply : "the connection ended";
}

/* --- one mail ---------------------------------------------------------------------------------*/

/* "robot@app.example to bob@x.example: 250 2.0.0 ok" */
static void tell_heading(struct pool *pool, const struct serve_mail *mail,
                         const struct serve_recipient *recipient, FILE *to)
{
    fprintf(to, "from %s to %s: %s", *mail->sender ? shown(pool, mail->sender) : "<>",
            shown(pool, recipient->address), shown(pool, story_outcome(mail, recipient)));
    if (mail->subject)
        fprintf(to, "; subject: %s", shown(pool, mail->subject));
    fputc('\n', to);
}

/* Whether its end was that of the connection: some answer never came. */
static bool was_cut(const struct serve_mail *mail)
{
    for (size_t i = 0; i < mail->recipient_count; i++)
        if (mail->recipients[i].code == 0 || (mail->recipients[i].code / 100 == 2 && !*mail->reply))
            return true;
    return mail->recipient_count == 0 && !*mail->reply;
}

static void tell_dialogue(const struct serve *serve, const struct serve_mail *mail, FILE *to)
{
    const struct serve_session *session = &serve->sessions[mail->session];
    size_t lead = mail->first_line < LEAD ? mail->first_line : LEAD;
    size_t first = mail->first_line - lead, shown_lines = 0;

    for (size_t i = first; i < session->line_count && i <= mail->last_line; i++) {
        if (shown_lines++ == LINES_SHOWN) {
            fprintf(to, "  ...\n");
            break;
        }
        story_line(serve, &serve->servers[session->server], session->number, &session->lines[i],
                   to);
    }
    if (session->end_ns >= 0 && was_cut(mail))
        fprintf(to, "  %+8.3fs  the connection ended (%s)\n", seconds(session->end_ns),
                session->how);
}

/* The first lines of a message that was taken. */
static void tell_message(const struct serve *serve, struct pool *pool,
                         const struct serve_mail *mail, FILE *to)
{
    const char *at = mail->data, *end = at + mail->size;

    for (size_t i = 0; at < end; i++) {
        const char *newline = memchr(at, '\n', (size_t) (end - at));
        size_t size = (size_t) ((newline ? newline : end) - at);

        if (i == MESSAGE_SHOWN) {
            fprintf(to, "  | ...\n");
            break;
        }
        fprintf(to, "  | %s\n", serve_shown(pool, at, size < TEXT_SHOWN ? size : TEXT_SHOWN));
        at = newline ? newline + 1 : end;
    }
    if (mail->file)
        fprintf(to, "  in %s/%s\n", serve->mailbox.path, mail->file);
}

/* --- a message of the scenario ----------------------------------------------------------------*/

/* The recipient of a mail by which it is that message; NULL: it is not. */
static const struct serve_recipient *find_letter(const struct serve_mail *mail, size_t letter)
{
    for (size_t i = 0; i < mail->recipient_count; i++)
        if (mail->recipients[i].letter == letter)
            return &mail->recipients[i];
    return NULL;
}

/* Nothing was that message: what was there instead? */
static void tell_others(struct serve *serve, struct pool *pool, size_t letter, FILE *to)
{
    const struct scenario *scenario = serve->scenario;
    const struct submission *match = &scenario->submissions[scenario->messages[letter].submission];
    size_t told = 0;

    fprintf(to, "no message is %s: to %s%s%s%s%s; ", scenario->messages[letter].name,
            match->recipients[0], match->from ? " from " : "", match->from ? match->from : "",
            match->subject ? " subject " : "", match->subject ? match->subject : "");
    fprintf(to, !serve->mail_count   ? "there were no messages at all\n"
                : serve->others_told ? "there were those above\n"
                                     : "there were:\n");
    if (serve->others_told)
        return;
    serve->others_told = true;
    for (size_t i = 0; i < serve->mail_count; i++)
        for (size_t k = 0; k < serve->mails[i].recipient_count; k++) {
            if (told++ == OTHERS_SHOWN) {
                fprintf(to, "  ...\n");
                return;
            }
            fprintf(to, "  %+8.3fs  ", seconds(serve->mails[i].start_ns));
            tell_heading(pool, &serve->mails[i], &serve->mails[i].recipients[k], to);
        }
}

char *story_tell(void *context, size_t letter)
{
    static const char again[] = "its dialogue stands above\n";
    struct serve *serve = context;
    struct pool pool = {NULL};
    char *text = NULL;
    size_t size = 0, told = 0, count = 0;
    FILE *to;

    if (!serve->stories)
        serve->stories = pool_alloc(&serve->pool, serve->scenario->message_count);
    if (serve->stories[letter])
        return must_copy(again, sizeof again - 1);
    to = open_memstream(&text, &size);
    if (!to)
        return NULL;
    for (size_t i = 0; i < serve->mail_count; i++) {
        const struct serve_mail *mail = &serve->mails[i];
        const struct serve_recipient *recipient = find_letter(mail, letter);

        if (!recipient || count++ >= MAILS_SHOWN)
            continue;
        tell_heading(&pool, mail, recipient, to);
        tell_dialogue(serve, mail, to);
        if (mail->data && told++ == 0)
            tell_message(serve, &pool, mail, to);
    }
    if (count > MAILS_SHOWN)
        fprintf(to, "... and %zu more\n", count - MAILS_SHOWN);
    serve->stories[letter] = count > 0;
    if (count == 0)
        tell_others(serve, &pool, letter, to);
    fclose(to);
    pool_free(&pool);
    return text;
}
