/* SPDX-License-Identifier: ISC */
/* What is said at the start and at the end. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "sim/report/report.h"
#include "sim/serve/serve.h"
#include "sim/world/words.h"

/* --- the start --------------------------------------------------------------------------------*/

static void tell_listening(const struct serve *serve, const struct serve_server *server)
{
    for (size_t i = 0; i < server->listening_count; i++) {
        const struct listening *at = &server->listening[i];

        fprintf(serve->out, strchr(at->host, ':') ? "listening on [%s]:%u" : "listening on %s:%u",
                at->host, at->port);
        if (server->remote != SERVE_NONE)
            fprintf(serve->out, " (%s)", serve->scenario->remotes[server->remote].name);
        fputc('\n', serve->out);
    }
}

void report_start(const struct serve *serve)
{
    for (size_t i = 0; i < serve->server_count; i++)
        tell_listening(serve, &serve->servers[i]);
    fprintf(serve->out, "mail goes to %s%s\n", serve->mailbox.path,
            !serve->mailbox.temporary ? ""
            : serve->options.keep     ? ", which is kept"
                                      : ", which is removed at the end if all is well");
    fflush(serve->out);
}

/* --- the end ----------------------------------------------------------------------------------*/

/* An oracle of its own: clients keep to SMTP. */
static void judge_bad(struct serve *serve, struct run_result *result)
{
    for (size_t i = 0; i < serve->bad_count; i++) {
        struct failure *failure;
        char text[300];

        snprintf(text, sizeof text, "a client did what SMTP forbids: %s", serve->bad[i]);
        if (!serve->options.strict) {
            fprintf(serve->out, "note: %s\n", text);
            continue;
        }
        failure = LIST_ADD(result->failures, result->failure_count);
        failure->promise = "BAD-SMTP";
        failure->message = must_copy(text, strlen(text));
        result->verdict = VERDICT_FAILED;
    }
}

static char *summary_of_serve(const struct serve *serve)
{
    char text[100];

    snprintf(text, sizeof text, "%" PRIu64 " message%s taken", serve->taken,
             serve->taken == 1 ? "" : "s");
    return must_copy(text, strlen(text));
}

static const char *replay_of(struct serve *serve)
{
    const char *text = "";

    for (char **word = serve->options.command; word && *word; word++) {
        char *shell = shell_word(*word);

        text = pool_format(&serve->pool, "%s %s", text, shell);
        free(shell);
    }
    return *text ? pool_format(&serve->pool, " --%s", text) : text;
}

static void tell_result(struct serve *serve, const struct report *report)
{
    const struct report_item *item = report->items;

    if (serve->options.tap) {
        tap_print(stdout, report);
        return;
    }
    if (item->result.verdict == VERDICT_HELD && !serve->scenario)
        return;
    terminal_item(serve->out, item, 0, terminal_has_color(serve->out));
    if (getenv("GITHUB_ACTIONS"))
        terminal_annotate(serve->out, item);
}

/* Everything that is expected, and what went wrong otherwise, in one item. */
int report_end(struct serve *serve)
{
    struct report_item item = {.file = serve->options.file ? serve->options.file : "nixie serve",
                               .title = serve->scenario ? scenario_title(serve->scenario)
                                                        : "nixie serve",
                               .seconds = (double) serve_now(serve) / 1e9};
    struct report report = {
        .items = &item, .count = 1, .replay = replay_of(serve), .command = "serve"};
    int status;

    if (serve->scenario)
        ledger_judge(serve, &item.result);
    judge_bad(serve, &item.result);
    item.result.summary = summary_of_serve(serve);
    tell_result(serve, &report);
    status = item.result.verdict == VERDICT_HELD ? SERVE_HELD : SERVE_FAILED;
    if (serve->options.junit && junit_write(serve->options.junit, &report) < 0) {
        serve_say("%s: cannot write it: %s", serve->options.junit, strerror(errno));
        status = SERVE_WRONG;
    }
    run_result_free(&item.result);
    return status;
}
