/* SPDX-License-Identifier: ISC */
/* The control files of send. */
#include <errno.h>
#include <unistd.h>

#include "mta/lib/control.h"
#include "mta/send/send.h"

#define LIFETIME_MAX INT64_C(1000000000000)

static int line(struct send *send, const char *name, bool use_me, const char *fallback,
                struct buf *value)
{
    if (control_line_or(name, use_me, fallback, value) == 0 && buf_text(value))
        return 0;
    logline(&send->log, "alert: cannot start: unable to read controls: control/%s%s", name,
            errno == ENOENT ? ": neither it nor control/me is there" : "");
    return -1;
}

static int bounce_format(struct send *send)
{
    struct buf format = BUF_INIT(0);
    int result = line(send, "bounceformat", false, "report", &format);
    send->bounce_qsbmf = result == 0 && buf_equals(&format, "qsbmf");
    if (result == 0 && !send->bounce_qsbmf && !buf_equals(&format, "report")) {
        logline(&send->log, "alert: cannot start: unable to read controls: control/bounceformat is "
                            "neither report nor qsbmf");
        result = -1;
    }
    buf_free(&format);
    return result;
}

int controls_read(struct send *send)
{
    uint64_t lifetime;
    if (rewrite_load(&send->rewrite) < 0) {
        logline(&send->log, "alert: cannot start: unable to read controls: one of locals, "
                            "virtualdomains, percenthack, envnoathost, me");
        return -1;
    }
    if (control_number("queuelifetime", LIFETIME_DEFAULT, LIFETIME_MAX, &lifetime) < 0) {
        logline(&send->log, "alert: cannot start: unable to read controls: control/queuelifetime "
                            "is no number of seconds");
        return -1;
    }
    send->lifetime = (int64_t) lifetime;
    if (line(send, "me", false, NULL, &send->me) < 0 ||
        line(send, "bouncefrom", false, "MAILER-DAEMON", &send->bounce_from) < 0 ||
        line(send, "bouncehost", true, NULL, &send->bounce_host) < 0 ||
        line(send, "doublebounceto", false, "postmaster", &send->double_to) < 0 ||
        line(send, "doublebouncehost", true, NULL, &send->double_host) < 0)
        return -1;
    return bounce_format(send);
}

int controls_reread(struct send *send)
{
    const char *failed;
    if (chdir(buf_text(&send->home)) < 0) {
        logline(&send->log, "alert: unable to reread controls: unable to switch to home directory");
        return 0;
    }
    if (rewrite_reload(&send->rewrite, &failed) < 0)
        logline(&send->log, "alert: unable to reread %s", failed);
    while (chdir("queue") < 0) {
        logline(&send->log, "alert: unable to switch back to queue directory; HELP! sleeping...");
        if (send_pause(send, PAUSE_TROUBLE) < 0)
            return -1;
    }
    return 0;
}

void controls_free(struct send *send)
{
    rewrite_free(&send->rewrite);
    buf_free(&send->me);
    buf_free(&send->bounce_from);
    buf_free(&send->bounce_host);
    buf_free(&send->double_to);
    buf_free(&send->double_host);
}
