/* SPDX-License-Identifier: ISC */
/*
 * Sessions and mails as the ledger of a world that has no kernel, so that the judges of `nixie run`
 * judge here too.  What the scenario calls a message is a letter; each try to send it, for each
 * recipient, is an attempt of the letter's one entry; what was taken is a copy at the remote that
 * answers for the recipient.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "sim/scenario/expect.h"
#include "sim/serve/serve.h"
#include "sim/world/internal.h"
#include "sim/world/words.h"

/* --- which message it is ----------------------------------------------------------------------*/

/* Whether a mail for that recipient may be what `match` names, its subject aside. */
static bool envelope_is(const struct submission *match, const struct serve_mail *mail,
                        size_t recipient)
{
    return match->via == VIA_APPLICATION &&
           pattern_matches(match->recipients[0], mail->recipients[recipient].address, true) &&
           (!match->from || pattern_matches(match->from, mail->sender, true));
}

/* The subject of what was refused is not known: it may be any, but what asks for none goes first.
 */
size_t ledger_letter(const struct serve *serve, const struct serve_mail *mail, size_t recipient)
{
    const struct scenario *scenario = serve->scenario;
    size_t may_be = SERVE_NONE;

    for (size_t i = 0; i < scenario->message_count; i++) {
        const struct submission *match = &scenario->submissions[scenario->messages[i].submission];

        if (!envelope_is(match, mail, recipient))
            continue;
        if (!match->subject ||
            (mail->taken &&
             pattern_matches(match->subject, mail->subject ? mail->subject : "", true)))
            return i;
        if (!mail->taken && may_be == SERVE_NONE)
            may_be = i;
    }
    return may_be;
}

static void match_refused(struct serve *serve)
{
    for (size_t i = 0; i < serve->mail_count; i++)
        for (size_t k = 0; k < serve->mails[i].recipient_count; k++)
            if (!serve->mails[i].taken)
                serve->mails[i].recipients[k].letter = ledger_letter(serve, &serve->mails[i], k);
}

/* --- machines, connections --------------------------------------------------------------------*/

/* The machine of those for whom no remote answers stands behind all others. */
static size_t machine_of(const struct serve *serve, const struct world *world,
                         const struct serve_session *session, const char *address)
{
    size_t remote = plan_remote(serve, &serve->servers[session->server], address);

    return remote == SERVE_NONE ? world->machine_count - 1 : serve->scenario->host_count + remote;
}

static void make_machines(const struct serve *serve, struct world *world)
{
    const struct scenario *scenario = serve->scenario;

    world->host_count = scenario->host_count;
    world->machine_count =
        scenario->host_count + scenario->remote_count + scenario->client_count + 2;
    world->machines = must_zeroed(world->machine_count * sizeof *world->machines);
    for (size_t i = 0; i < world->machine_count; i++) {
        size_t remote = i - scenario->host_count;

        world->machines[i].world = world;
        world->machines[i].index = i;
        world->machines[i].kind = MACHINE_REMOTE;
        world->machines[i].name = i >= scenario->host_count && remote < scenario->remote_count
                                      ? scenario->remotes[remote].name
                                      : "nobody";
    }
}

static void add_connections(const struct serve *serve, struct world *world)
{
    for (size_t i = 0; i < serve->session_count; i++) {
        const struct serve_session *session = &serve->sessions[i];
        struct connection *connection = LIST_ADD(world->connections, world->connection_count);

        connection->machine = machine_of(serve, world, session, "");
        connection->number = session->number;
        connection->address = session->client;
        connection->start_ns = session->start_ns;
        connection->end_ns = session->end_ns < 0 ? INT64_MAX : session->end_ns;
    }
}

/* --- letters ----------------------------------------------------------------------------------*/

static size_t find_recipient(const struct letter *letter, const char *address)
{
    for (size_t i = 0; i < letter->recipient_count; i++)
        if (strcasecmp(letter->recipients[i], address) == 0)
            return i;
    return SERVE_NONE;
}

/* Those whom the letter was tried for; if it never was, the pattern stands for them. */
static void find_recipients(const struct serve *serve, struct world *world, size_t index)
{
    struct letter *letter = &world->letters[index];
    const char **list = NULL;

    for (size_t i = 0; i < serve->mail_count; i++)
        for (size_t k = 0; k < serve->mails[i].recipient_count; k++) {
            const struct serve_recipient *recipient = &serve->mails[i].recipients[k];

            if (recipient->letter != index ||
                find_recipient(letter, recipient->address) != SERVE_NONE)
                continue;
            *POOL_ADD(&world->told, list, letter->recipient_count) = recipient->address;
            letter->recipients = list;
        }
}

/* The code that decided about a recipient: of RCPT, else of the message. */
static unsigned code_for(const struct serve_mail *mail, const struct serve_recipient *recipient)
{
    return recipient->code / 100 == 2 ? mail->code : recipient->code;
}

/* A try for one recipient of a letter. */
static void note_try(struct letter *letter, const struct serve_mail *mail,
                     const struct serve_recipient *recipient)
{
    struct recipient_answer *answer = &letter->answers[find_recipient(letter, recipient->address)];
    unsigned code = code_for(mail, recipient);

    letter->tries++;
    if (code / 100 == 2) {
        if (!answer->accepted)
            answer->time_ns = mail->end_ns;
        answer->accepted = true;
        answer->accepted_count++;
    }
    if (answer->accepted)
        return;
    answer->code = code;
    answer->time_ns = code == recipient->code ? recipient->time_ns : mail->end_ns;
    letter->code = (int) code;
    letter->reply = story_outcome(mail, recipient);
}

static void note_tries(const struct serve *serve, struct world *world, size_t index)
{
    struct letter *letter = &world->letters[index];
    bool all = true;

    letter->answers = must_zeroed((letter->recipient_count + 1) * sizeof *letter->answers);
    for (size_t i = 0; i < serve->mail_count; i++)
        for (size_t k = 0; k < serve->mails[i].recipient_count; k++)
            if (serve->mails[i].recipients[k].letter == index)
                note_try(letter, &serve->mails[i], &serve->mails[i].recipients[k]);
    for (size_t i = 0; i < letter->recipient_count; i++) {
        all &= letter->answers[i].accepted;
        if (letter->answers[i].time_ns > letter->ended_ns)
            letter->ended_ns = letter->answers[i].time_ns;
    }
    letter->state = all ? LETTER_ACCEPTED : LETTER_REFUSED;
}

static void add_letters(const struct serve *serve, struct world *world)
{
    const struct scenario *scenario = serve->scenario;

    for (size_t i = 0; i < scenario->message_count; i++) {
        const struct submission *match = &scenario->submissions[scenario->messages[i].submission];
        struct letter *letter = LIST_ADD(world->letters, world->letter_count);

        letter->name = scenario->messages[i].name;
        letter->header = "";
        letter->path = LETTER_BY_SMTP;
        find_recipients(serve, world, i);
        if (letter->recipient_count > 0) {
            note_tries(serve, world, i);
            continue;
        }
        letter->recipients = match->recipients;
        letter->recipient_count = match->recipient_count;
        letter->state = LETTER_WAITING;
    }
}

/* --- attempts ---------------------------------------------------------------------------------*/

/* Each letter's one entry has the letter's number, on the first machine. */
static void add_entries(struct world *world)
{
    for (size_t i = 0; i < world->letter_count; i++) {
        struct entry *entry = entry_get(world, &world->machines[0], i + 1);

        entry->letter = i;
        entry->ordinal = 1;
    }
}

static void add_attempt(struct world *world, const struct serve_mail *mail,
                        const struct serve_recipient *recipient)
{
    struct attempt *attempt = LIST_ADD(world->attempts, world->attempt_count);
    unsigned class = code_for(mail, recipient) / 100;

    attempt->machine = 0;
    attempt->number = recipient->letter + 1;
    attempt->remote = true;
    attempt->recipient = must_copy(recipient->address, strlen(recipient->address));
    attempt->start_ns = mail->start_ns;
    attempt->end_ns = mail->end_ns;
    attempt->result = class == 2 ? 'K' : class == 5 ? 'D' : 'Z';
    attempt->text = must_copy("", 0);
}

static void add_attempts(const struct serve *serve, struct world *world)
{
    for (size_t i = 0; i < serve->mail_count; i++)
        for (size_t k = 0; k < serve->mails[i].recipient_count; k++)
            if (serve->mails[i].recipients[k].letter != SERVE_NONE)
                add_attempt(world, &serve->mails[i], &serve->mails[i].recipients[k]);
}

/* --- copies -----------------------------------------------------------------------------------*/

static void add_copy(const struct serve *serve, struct world *world, const struct serve_mail *mail,
                     const struct serve_recipient *recipient)
{
    struct copy *copy = LIST_ADD(world->copies, world->copy_count);
    size_t size = strlen(recipient->address);
    const char *name;

    copy->machine = machine_of(serve, world, &serve->sessions[mail->session], recipient->address);
    name = world->machines[copy->machine].name;
    copy->kind = COPY_REMOTE;
    copy->place = must_copy(name, strlen(name));
    copy->path = must_copy(name, strlen(name));
    copy->time_ns = mail->taken_ns;
    copy->data = mail->data;
    copy->size = mail->size;
    copy->chain = must_alloc(size + 2);
    memcpy(copy->chain, recipient->address, size);
    memcpy(copy->chain + size, "\n", 2);
    copy->letter = recipient->letter;
    copy->unchanged = true;
    copy->taking = world->taking_count - 1;
}

static void add_taking(const struct serve *serve, struct world *world,
                       const struct serve_mail *mail)
{
    struct taking *taking = LIST_ADD(world->takings, world->taking_count);

    taking->time_ns = mail->taken_ns;
    taking->sender = mail->sender;
    taking->data = mail->data;
    taking->size = mail->size;
    taking->letter = NO_LETTER;
    taking->chain = "";
    for (size_t i = 0; i < mail->recipient_count; i++)
        if (mail->recipients[i].code / 100 == 2 && mail->recipients[i].letter != SERVE_NONE)
            add_copy(serve, world, mail, &mail->recipients[i]);
}

/* --- bounces ----------------------------------------------------------------------------------*/

/* What the actor says in its bounces (sim/actors/smtp-server/bounce.c). */
static struct bounce_report *make_report(const struct serve_mail *mail,
                                         const struct serve_bounce *bounce)
{
    struct bounce_report *report = must_zeroed(sizeof *report);

    report->is_standard = report->has_original = true;
    for (size_t i = 0; i < mail->recipient_count; i++) {
        struct bounce_group *group;

        if (mail->recipients[i].code / 100 != 2)
            continue;
        group = POOL_ADD(&report->pool, report->groups, report->group_count);
        group->final_recipient = mail->recipients[i].address;
        group->action = "failed";
        group->status = bounce->status;
        group->diagnostic = pool_format(&report->pool, "smtp; %s", bounce->diagnostic);
        group->remote_mta = group->final_field = "";
    }
    return report;
}

/* A bounce is one of each message that its mail was. */
static void add_bounce(const struct serve *serve, struct world *world, size_t index)
{
    const struct serve_bounce *bounce = &serve->bounces[index];
    const struct serve_mail *mail = &serve->mails[bounce->mail];

    for (size_t i = 0; i < world->letter_count; i++) {
        bool is_it = false;
        struct entry *entry;

        for (size_t k = 0; k < mail->recipient_count; k++)
            is_it |= mail->recipients[k].letter == i && mail->recipients[k].code / 100 == 2;
        if (!is_it)
            continue;
        entry = entry_get(world, &world->machines[0], world->entry_count + 1);
        entry->letter = i;
        entry->bounce = 1;
        entry->answer = ANSWER_YES;
        entry->answer_ns = bounce->time_ns;
        entry->report = make_report(mail, bounce);
        *LIST_ADD(entry->recipients, entry->recipient_count) =
            must_copy(mail->sender, strlen(mail->sender));
    }
}

/* --- judging ----------------------------------------------------------------------------------*/

static struct world *make_world(struct serve *serve)
{
    struct world *world = must_zeroed(sizeof *world);

    marks_make(world);
    match_refused(serve);
    make_machines(serve, world);
    add_connections(serve, world);
    add_letters(serve, world);
    add_entries(world);
    add_attempts(serve, world);
    for (size_t i = 0; i < serve->mail_count; i++)
        if (serve->mails[i].taken)
            add_taking(serve, world, &serve->mails[i]);
    for (size_t i = 0; i < serve->bounce_count; i++)
        add_bounce(serve, world, i);
    world_index(world);
    return world;
}

void ledger_judge(struct serve *serve, struct run_result *result)
{
    struct run_options options = {.story_of = story_tell, .story_context = serve};
    struct run run = {.scenario = serve->scenario,
                      .options = &options,
                      .result = result,
                      .world = make_world(serve)};

    expect_judge(&run);
    world_destroy(run.world);
}
