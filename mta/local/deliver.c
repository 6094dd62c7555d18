/* SPDX-License-Identifier: ISC */
/*
 * Carrying out the instructions: files and programs in their order, then all forwards as one
 * message.
 *
 * What is repeated when a delivery fails or crashes half-way:
 *   - Nothing because of a mistake in the .qmail file: all of it is checked first.
 *   - An instruction that succeeded in an earlier try is not carried out again: it was noted in the
 *     home directory (progress.c) before the next one began.
 *   - An instruction during which the crash came is repeated.  A Maildir or mbox may then hold the
 *     message twice if it was there already and the crash came before the note; a program runs
 *     again; a forward may be sent twice.
 *   - Nothing if the notes cannot be read just now: the delivery is deferred before it begins.
 *   - If the note cannot be written (no space, home directory not writable), and for the last
 *     instruction, which has none: what succeeded is repeated if the report of success is lost.
 */
#include "mta/local/local.h"

#include <errno.h>
#include <string.h>

#include "mta/lib/error.h"
#include "mta/lib/io.h"
#include "mta/lib/maildir.h"
#include "mta/lib/mbox.h"
#include "mta/lib/mem.h"
#include "mta/lib/num.h"

#define FORWARDS (-1) /* the kind of all forwards together, as far as progress is concerned */
#define STOPPED 1000  /* added to the kind of a program that ended it all */

struct run {
    struct local *local;
    struct progress progress;
    unsigned long total; /* instructions, all forwards counting as one */
    unsigned long done;
    bool stopped; /* a program said 99 */
};

/* --- Maildir --- */

static int write_maildir(const struct local *local, struct maildir *maildir)
{
    char block[8192];
    if (maildir_write(maildir, local->return_path.data, local->return_path.length) < 0 ||
        maildir_write(maildir, local->delivered_to.data, local->delivered_to.length) < 0)
        return local_fail_errno("Unable to write to maildir", "", errno);
    for (;;) {
        ssize_t count = io_read(0, block, sizeof block);
        if (count < 0)
            return local_fail_errno("Unable to read message", "", errno);
        if (count == 0)
            return LOCAL_OK;
        if (maildir_write(maildir, block, (size_t) count) < 0)
            return local_fail_errno("Unable to write to maildir", "", errno);
    }
}

static int fail_maildir(const char *path, int error)
{
    return local_fail_errno("Unable to deliver to maildir ", path, error);
}

/* What is committed later, perhaps in another directory, needs a name that holds anywhere. */
static int begin_maildir(struct local *local, struct maildir *maildir, const char *path)
{
    struct buf whole = BUF_INIT(0);
    local->may_hold = local->may_hold && local->home[0] == '/';
    if (!local->may_hold || path[0] == '/')
        return maildir_begin(maildir, path);
    if (buf_set_text(&whole, local->home) < 0 || buf_add_byte(&whole, '/') < 0 ||
        buf_add_text(&whole, path) < 0 || !buf_text(&whole)) {
        buf_free(&whole); /* then not later */
        local->may_hold = false;
        return maildir_begin(maildir, path);
    }
    int result = maildir_begin(maildir, whole.data);
    int saved = errno;
    buf_free(&whole);
    errno = saved;
    return result;
}

/* Everything up to the commit. */
static int fill_maildir(struct local *local, struct maildir *maildir, const char *path)
{
    if (begin_maildir(local, maildir, path) == 0)
        return write_maildir(local, maildir);
    if (errno == ENOENT || errno == ENOTDIR)
        return local_fail(LOCAL_SOFT, "Unable to chdir to maildir. (#4.2.1)");
    return fail_maildir(path, errno);
}

static int deliver_maildir(struct local *local, const char *path)
{
    int code = message_rewind();
    if (code != LOCAL_OK)
        return code;
    struct maildir *maildir = mem_alloc(sizeof *maildir);
    if (!maildir)
        return local_fail_memory();
    code = fill_maildir(local, maildir, path);
    if (code == LOCAL_OK && local->may_hold) {
        local->held = maildir;
        return code;
    }
    if (code == LOCAL_OK && maildir_commit(maildir) < 0)
        code = fail_maildir(path, errno);
    maildir_abort(maildir);
    mem_free(maildir);
    return code;
}

/* --- mbox --- */

static int tell_mbox_trouble(const char *path, enum mbox_trouble trouble, int error)
{
    switch (trouble) {
    case MBOX_OPEN:
        return local_fail_errno("Unable to open ", path, error);
    case MBOX_KIND:
        return local_fail(LOCAL_SOFT, "Unable to deliver to ", path,
                          ": not a regular file. (#4.2.1)");
    case MBOX_LOCK:
        if (error == EWOULDBLOCK)
            return local_fail(LOCAL_SOFT, "File has been locked for 30 seconds straight. (#4.3.0)");
        return local_fail_errno("Unable to lock ", path, error);
    case MBOX_RECORD:
        return local_fail_errno("Unable to write the record beside ", path, error);
    case MBOX_MESSAGE:
        return local_fail_errno("Unable to read message", "", error);
    default:
        return local_fail_errno("Unable to write ", path, error);
    }
}

static int deliver_mbox(const struct local *local, const char *path)
{
    enum mbox_trouble trouble;
    struct buf header = BUF_INIT(0);
    if (buf_set(&header, local->return_path.data, local->return_path.length) < 0 ||
        buf_add(&header, local->delivered_to.data, local->delivered_to.length) < 0) {
        buf_free(&header);
        return local_fail_memory();
    }
    struct mbox_message message = {.fd = 0,
                                   .from_line = local->from_line.data,
                                   .from_line_size = local->from_line.length,
                                   .header = header.data,
                                   .header_size = header.length};
    int result = mbox_deliver(path, &message, &trouble);
    int error = errno;
    buf_free(&header);
    return result < 0 ? tell_mbox_trouble(path, trouble, error) : LOCAL_OK;
}

/* --- one instruction --- */

static const char *const names[] = {"mbox ", "maildir ", "program ", "forward "};

static int carry_out(struct local *local, enum dotqmail_kind kind, const char *text)
{
    if (!local->deliver)
        return local_tell(names[kind], text, "\n") < 0 ? LOCAL_SOFT : LOCAL_OK;
    switch (kind) {
    case DOTQMAIL_MBOX:
        return deliver_mbox(local, text);
    case DOTQMAIL_MAILDIR:
        return deliver_maildir(local, text);
    default:
        return program_run(local, text);
    }
}

/* The same instruction may stand in the file twice: tells which one this is. */
static unsigned long count_equal_before(const struct local *local, size_t end,
                                        const struct dotqmail_instruction *instruction)
{
    struct dotqmail dotqmail;
    struct dotqmail_instruction other;
    unsigned long count = 0;
    dotqmail_init(&dotqmail, local->instructions.data, end, local->executable);
    while (dotqmail_next(&dotqmail, &other) == 1)
        if (other.kind == instruction->kind && other.size == instruction->size &&
            memcmp(other.text, instruction->text, other.size) == 0)
            count++;
    return count;
}

static void note(struct run *run, uint64_t mark)
{
    run->done++;
    if (run->done < run->total)
        progress_add(&run->progress, mark);
}

/* A file or a program, unless an earlier try did it. */
static int run_instruction(struct run *run, const struct dotqmail_instruction *instruction,
                           unsigned long occurrence)
{
    struct local *local = run->local;
    int kind = (int) instruction->kind;
    uint64_t mark =
        progress_mark(&run->progress, kind, instruction->text, instruction->size, occurrence);
    uint64_t stop_mark = progress_mark(&run->progress, kind + STOPPED, instruction->text,
                                       instruction->size, occurrence);
    int code = LOCAL_OK;
    *(instruction->kind == DOTQMAIL_PROGRAM ? &local->programs : &local->files) += 1;
    if (progress_has(&run->progress, stop_mark)) {
        run->stopped = true;
        return LOCAL_OK;
    }
    if (progress_has(&run->progress, mark)) {
        run->done++;
        return LOCAL_OK;
    }
    struct buf text = BUF_INIT(0);
    const char *counted = NULL;
    if (buf_set(&text, instruction->text, instruction->size) == 0)
        counted = buf_text(&text);
    code = counted ? carry_out(local, instruction->kind, counted) : local_fail_memory();
    buf_free(&text);
    if (code == LOCAL_STOP)
        run->stopped = true;
    if (code == LOCAL_OK || code == LOCAL_STOP)
        note(run, code == LOCAL_STOP ? stop_mark : mark);
    return code == LOCAL_STOP ? LOCAL_OK : code;
}

static int add_forward(struct local *local, const struct dotqmail_instruction *instruction)
{
    local->forwards++;
    if (buf_add(&local->recipients, instruction->text, instruction->size) < 0 ||
        buf_add_byte(&local->recipients, 0) < 0)
        return local_fail_memory();
    return LOCAL_OK;
}

/* --- all of them --- */

/* Reads it all once: finds mistakes before anything is delivered, and counts. */
static int check(struct run *run)
{
    struct dotqmail dotqmail;
    struct dotqmail_instruction instruction;
    bool forwards = false;
    const struct local *local = run->local;
    int result;
    dotqmail_init(&dotqmail, local->instructions.data, local->instructions.length,
                  local->executable);
    while ((result = dotqmail_next(&dotqmail, &instruction)) == 1) {
        if (instruction.kind != DOTQMAIL_FORWARD || !forwards)
            run->total++;
        forwards = forwards || instruction.kind == DOTQMAIL_FORWARD;
    }
    if (result == 0)
        return LOCAL_OK;
    char line[NUM_DIGITS];
    num_format(line, dotqmail.line);
    if (dotqmail.line == 1)
        return local_fail(LOCAL_SOFT, "Uh-oh: ", dotqmail.problem);
    return local_fail(LOCAL_SOFT, "Uh-oh: ", dotqmail.problem, " Line ", line, ".");
}

bool deliver_is_plain(const struct local *local)
{
    struct dotqmail dotqmail;
    struct dotqmail_instruction instruction;
    dotqmail_init(&dotqmail, local->instructions.data, local->instructions.length,
                  local->executable);
    while (dotqmail_next(&dotqmail, &instruction) == 1)
        if (instruction.kind != DOTQMAIL_MAILDIR)
            return false;
    return true;
}

static int run_files_and_programs(struct run *run)
{
    struct dotqmail dotqmail;
    struct dotqmail_instruction instruction;
    struct local *local = run->local;
    int code = LOCAL_OK;
    dotqmail_init(&dotqmail, local->instructions.data, local->instructions.length,
                  local->executable);
    size_t start = 0;
    while (code == LOCAL_OK && !run->stopped && dotqmail_next(&dotqmail, &instruction) == 1) {
        if (instruction.kind == DOTQMAIL_FORWARD)
            code = add_forward(local, &instruction);
        else
            code =
                run_instruction(run, &instruction, count_equal_before(local, start, &instruction));
        start = dotqmail.at;
    }
    return code;
}

static int tell_forwards(const struct local *local)
{
    const char *end = local->recipients.data + local->recipients.length;
    for (const char *at = local->recipients.data; at < end; at += strlen(at) + 1)
        if (local_tell(names[DOTQMAIL_FORWARD], at, "\n") < 0)
            return LOCAL_SOFT;
    return LOCAL_OK;
}

static int run_forwards(struct run *run)
{
    struct local *local = run->local;
    if (!local->forwards)
        return LOCAL_OK;
    if (!local->deliver)
        return tell_forwards(local);
    return forward_send(local);
}

/* A report that nobody reads is no reason to deliver again. */
static void report(const struct local *local)
{
    char files[NUM_DIGITS], forwards[NUM_DIGITS], programs[NUM_DIGITS], number[NUM_DIGITS];
    num_format(files, local->files);
    num_format(forwards, local->forwards);
    num_format(programs, local->programs);
    num_format(number, local->message_number);
    local_tell("did ", files, "+", forwards, "+", programs, "\n");
    if (local->message_number)
        local_tell("qp ", number, "\n");
}

int deliver_held(const struct local *local, int error)
{
    struct dotqmail dotqmail;
    struct dotqmail_instruction instruction;
    struct buf path = BUF_INIT(0);
    if (!error) {
        report(local);
        return LOCAL_OK;
    }
    dotqmail_init(&dotqmail, local->instructions.data, local->instructions.length,
                  local->executable);
    const char *text = "";
    if (dotqmail_next(&dotqmail, &instruction) == 1 &&
        buf_set(&path, instruction.text, instruction.size) == 0 && buf_text(&path))
        text = path.data;
    int code = fail_maildir(text, error);
    buf_free(&path);
    return code;
}

int deliver_all(struct local *local)
{
    struct run run = {.local = local};
    int code = check(&run);
    local->may_hold = local->may_hold && run.total == 1;
    if (code == LOCAL_OK && local->deliver && run.total > 1)
        code = progress_open(&run.progress, local);
    if (code == LOCAL_OK)
        code = run_files_and_programs(&run);
    if (code == LOCAL_OK)
        code = run_forwards(&run);
    if (code == LOCAL_OK || code == LOCAL_HARD)
        progress_forget(&run.progress);
    progress_close(&run.progress);
    if (code == LOCAL_OK && !local->held)
        report(local);
    return code;
}
