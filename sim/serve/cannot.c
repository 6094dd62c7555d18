/* SPDX-License-Identifier: ISC */
/* What a scenario says and cannot be had here: there is no server of ours, no clock to set and no
 * disk to break, and who sends is the application. */
#include <string.h>

#include "sim/scenario/source.h"
#include "sim/serve/serve.h"

struct check {
    const struct serve *serve;
    const struct scenario *scenario;
    struct complaints complaints;
};

#define complain_at(check, at, ...) complain(&(check)->complaints, at, __VA_ARGS__)

/* --- statements -------------------------------------------------------------------------------*/

static void check_statements(struct check *check)
{
    const struct scenario *scenario = check->scenario;

    for (size_t i = 0; i < scenario->event_count; i++)
        complain_at(check, scenario->events[i].action.at,
                    "nixie serve plays no story: what happens is up to the application (match "
                    "names what it sends)");
    for (size_t i = 0; i < scenario->fault_count; i++)
        complain_at(check, scenario->faults[i].at, "nixie serve has no server of ours to fail");
    for (size_t i = 0; i < scenario->network_count; i++)
        complain_at(check, scenario->networks[i].at,
                    "nixie serve uses the real network: let the remote's rules be slow or silent");
}

/* What has no place of its own. */
static int check_settings(const struct scenario *scenario)
{
    const char *what = scenario->has_until ? "until" : scenario->epoch ? "clock" : NULL;

    if (!what)
        return 0;
    serve_say("%s: there is no `%s` in nixie serve: times are real, and it ends when COMMAND does",
              scenario->file, what);
    return -1;
}

/* --- remotes ----------------------------------------------------------------------------------*/

static bool bounces(const struct remote_spec *remote)
{
    static const char deed[] = " take bounce after ";

    return memmem(remote->rules.data, remote->rules.size, deed, sizeof deed - 1) != NULL;
}

static int check_remotes(const struct serve *serve)
{
    for (size_t i = 0; i < serve->scenario->remote_count; i++)
        if (bounces(&serve->scenario->remotes[i]) && !serve->options.has_bounces_to) {
            serve_say("%s: remote %s sends bounces: where to? (--bounces-to ADDRESS:PORT)",
                      serve->scenario->file, serve->scenario->remotes[i].name);
            return -1;
        }
    return 0;
}

static bool has_bounces(const struct serve *serve)
{
    for (size_t i = 0; i < serve->scenario->remote_count; i++)
        if (bounces(&serve->scenario->remotes[i]))
            return true;
    return false;
}

/* --- expectations -----------------------------------------------------------------------------*/

static void check_message(struct check *check, const struct selector *message)
{
    const struct scenario *scenario = check->scenario;

    if (!message->text)
        return;
    if (message->entry > 0)
        complain_at(check, message->at, "spool entries are not known to nixie serve");
    else if (message->bounce > 0)
        complain_at(check, message->at,
                    "what becomes of a bounce is up to the application: expect MESSAGE bounced");
    for (size_t i = 0; i < scenario->message_count; i++)
        if (selector_matches(scenario, message, i) &&
            scenario->submissions[scenario->messages[i].submission].via != VIA_APPLICATION) {
            complain_at(check, message->at,
                        "nobody sends %s here: name what the application "
                        "sends (match %s to PATTERN)",
                        scenario->messages[i].name, scenario->messages[i].name);
            return;
        }
}

static void check_event(struct check *check, const struct trigger *event)
{
    if (!event)
        return;
    if (event->kind == TRIGGER_ENTERS || event->kind == TRIGGER_DURABLE ||
        event->kind == TRIGGER_CRASH)
        complain_at(check, event->at, "there is no spool and no crash in nixie serve");
    else if (event->kind == TRIGGER_BOUNCED && !has_bounces(check->serve))
        complain_at(check, event->at, "no remote of this file bounces (take bounce after ...)");
    check_message(check, &event->message);
}

/* Why an expectation cannot be judged, or NULL. */
static const char *kind_trouble(const struct check *check, const struct expectation *expectation)
{
    switch (expectation->kind) {
    case EXPECT_ACCEPTED:
    case EXPECT_REFUSED:
    case EXPECT_DELIVERED:
    case EXPECT_TOOK:
    case EXPECT_TRIED:
    case EXPECT_CONNECTED:
        return NULL;
    case EXPECT_BOUNCED:
        return has_bounces(check->serve)
                   ? NULL
                   : "bounces are the business of the application's server, unless a remote sends "
                     "them (on EOD take bounce after ...)";
    case EXPECT_ASKED:
        return "nixie serve has no DNS";
    default:
        return "nixie serve has no server of ours to judge this";
    }
}

static void check_details(struct check *check, const struct expectation *expectation)
{
    for (size_t i = 0; i < expectation->detail_count; i++) {
        const struct detail *detail = &expectation->details[i];

        if (detail->kind == DETAIL_UNCHANGED)
            complain_at(check, detail->at,
                        "what the application meant to send is not known: "
                        "expect fields and parts of the body");
        else if (expectation->kind == EXPECT_BOUNCED &&
                 (detail->kind == DETAIL_HEADER || detail->kind == DETAIL_BODY))
            complain_at(check, detail->at, "of a bounce only the delivery status is judged here");
    }
}

static void check_expectations(struct check *check)
{
    for (size_t i = 0; i < check->scenario->expectation_count; i++) {
        const struct expectation *expectation = &check->scenario->expectations[i];
        const char *trouble = kind_trouble(check, expectation);

        if (trouble) {
            complain_at(check, expectation->what_at, "%s", trouble);
            continue;
        }
        check_message(check, &expectation->message);
        check_event(check, expectation->when.event);
        check_event(check, expectation->times_event);
        check_details(check, expectation);
    }
}

int cannot_check(struct serve *serve)
{
    struct check check = {.serve = serve, .scenario = serve->scenario};

    check.complaints.pool = &serve->pool;
    check_statements(&check);
    check_expectations(&check);
    complaints_print(&check.complaints, stderr);
    if (check_settings(serve->scenario) < 0 || check_remotes(serve) < 0)
        return -1;
    return check.complaints.total > 0 ? -1 : 0;
}
