/* SPDX-License-Identifier: ISC */
/* The forwards of a .qmail file: one message to all of them. */
#include "mta/local/local.h"

#include <errno.h>
#include <string.h>

#include "mta/lib/error.h"
#include "mta/lib/home.h"
#include "mta/lib/io.h"
#include "mta/lib/submit.h"

static void write_message(struct submit *submit)
{
    char block[8192];
    for (;;) {
        ssize_t count = io_read(0, block, sizeof block);
        if (count < 0)
            submit_fail(submit, QUEUE_READ);
        if (count <= 0)
            return;
        submit_write(submit, block, (size_t) count);
    }
}

static void write_envelope(struct submit *submit, const struct local *local)
{
    submit_sender(submit, local->new_sender.data, local->new_sender.length);
    const char *recipient = local->recipients.data;
    const char *end = recipient + local->recipients.length;
    while (recipient < end) {
        size_t size = strlen(recipient);
        submit_recipient(submit, recipient, size);
        recipient += size + 1;
    }
}

static int report(struct local *local, const struct submit_result *result)
{
    if (result->result == QUEUE_OK) {
        local->message_number = result->number;
        return LOCAL_OK;
    }
    const char *text = result->text[0] ? result->text : queue_result_text(result->result);
    bool permanent = text[0] ? text[0] == 'D' : queue_result_is_permanent(result->result);
    return local_fail(permanent ? LOCAL_HARD : LOCAL_SOFT, "Unable to forward message: ",
                      text[0] ? text + 1 : "no reason given. (#4.3.0)");
}

int forward_send(struct local *local)
{
    struct submit submit;
    struct submit_result result;
    int code = message_rewind();
    if (code != LOCAL_OK)
        return code;
    enum caller caller = strcmp(local->user, "alias") == 0 ? CALLER_ALIAS : CALLER_USER;
    submit_open_as(&submit, &local->server_home, local->environment, caller, NULL);
    submit_write(&submit, local->delivered_to.data, local->delivered_to.length);
    write_message(&submit);
    write_envelope(&submit, local);
    submit_finish(&submit, &result);
    return report(local, &result);
}
