/* SPDX-License-Identifier: ISC */
#include "mta/smtpd/smtpd.h"

#include "mta/lib/io.h"
#include "mta/lib/logtext.h"

#define LINE_MAX_BYTES 2000 /* well below PIPE_BUF: written at once, never mixed with others */
#define ADDRESS_SHOWN 300

/* A line that does not fit is cut, without memory it is lost: no mail depends on it. */
void log_begin(struct buf *line, const struct session *session)
{
    *line = (struct buf) BUF_INIT(LINE_MAX_BYTES);
    buf_add_text(line, "smtpd ");
    buf_add_text(line, session->peer.name);
    buf_add_byte(line, ' ');
}

void log_line(struct buf *line)
{
    if (buf_add_byte(line, '\n') == 0) {
        if (io_write(2, line->data, line->length) < 0) {
            /* nobody reads it */
        }
    }
    buf_free(line);
}

void log_add_address(struct buf *line, const char *address, size_t size)
{
    buf_add_byte(line, '<');
    logtext_add(line, address, size < ADDRESS_SHOWN ? size : ADDRESS_SHOWN);
    buf_add_byte(line, '>');
}

void log_refusal(struct session *session, const char *address, size_t size, const char *reply)
{
    struct buf line;
    session->refused++;
    if (session->refusals_logged == REFUSALS_LOGGED)
        return;
    session->refusals_logged++;
    log_begin(&line, session);
    buf_add_text(&line, "refused ");
    if (session->in_transaction) {
        buf_add_text(&line, "from ");
        log_add_address(&line, session->sender.data, session->sender.length);
        buf_add_text(&line, address ? " to " : " ");
    }
    if (address)
        log_add_address(&line, address, size);
    buf_add_text(&line, ": ");
    buf_add_text(&line, reply);
    log_line(&line);
}
