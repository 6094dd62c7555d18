/* SPDX-License-Identifier: ISC */
/*
 * What each recipient is told.  A job whose recipients all end with its last transaction has one
 * verdict for them; who ended otherwise, or before, has a text of his own.
 */
#include "mta/remote/remote.h"

/* Gives him a text: that of texts[start], without words if there was no memory for it. */
static void tell(struct recipient *recipient, enum fate fate, size_t start, size_t size)
{
    recipient->fate = fate;
    recipient->text = start;
    recipient->text_size = recipient->short_size = size;
}

/* Keeps the verdict's text: where in job->texts; *size 0 without memory. */
static size_t keep_text(struct job *job, size_t *size)
{
    size_t start = job->texts.length;
    *size = job->verdict_text.length;
    if (buf_add(&job->texts, job->verdict_text.data, *size) < 0)
        *size = 0;
    return start;
}

void answer_set(struct job *job, struct recipient *recipient, enum fate fate,
                const char *const *parts, size_t short_count)
{
    size_t start = job->texts.length, short_size = 0;
    for (size_t i = 0; parts[i]; i++) {
        if (i == short_count)
            short_size = job->texts.length - start;
        if (buf_add_text(&job->texts, parts[i]) < 0) { /* told without words then */
            job->texts.length = start;
            short_size = 0;
            break;
        }
    }
    tell(recipient, fate, start, job->texts.length - start);
    recipient->short_size = short_size;
}

/* The verdict becomes the own answer of all whose fate is `fate`. */
static void own_verdict(struct job *job, enum fate fate)
{
    enum fate then = job->verdict == 'K' ? FATE_TAKEN : job->verdict == 'D' ? FATE_HARD : FATE_SOFT;
    size_t start = 0, size = 0;
    for (size_t i = 0; i < job->count; i++) {
        if (job->recipients[i].fate != fate)
            continue;
        if (!size)
            start = keep_text(job, &size);
        tell(&job->recipients[i], then, start, size);
    }
}

bool answers_several_wait(const struct job *job)
{
    size_t count = 0;
    for (size_t i = 0; i < job->count; i++)
        count += job->recipients[i].fate == FATE_OPEN || job->recipients[i].fate == FATE_ACCEPTED;
    return count > 1;
}

bool answers_have(const struct job *job, enum fate fate)
{
    for (size_t i = 0; i < job->count; i++)
        if (job->recipients[i].fate == fate)
            return true;
    return false;
}

void answers_charge(struct job *job, struct recipient *recipient)
{
    size_t size, start = keep_text(job, &size);
    tell(recipient, FATE_CHARGED, start, size);
}

void answers_doubt(struct job *job)
{
    for (size_t i = 0; i < job->count; i++) {
        struct recipient *recipient = &job->recipients[i];
        if (recipient->transaction == job->transactions && recipient->fate != FATE_CHARGED)
            tell(recipient, FATE_OPEN, 0, 0);
    }
}

void answers_narrow(struct job *job)
{
    bool some = false;
    for (size_t i = 0; i < job->count && job->verdict; i++)
        some = some || (job->recipients[i].fate == FATE_OPEN && job->recipients[i].liked);
    for (size_t i = 0; some && i < job->count; i++)
        if (job->recipients[i].fate == FATE_OPEN && !job->recipients[i].liked)
            answers_charge(job, &job->recipients[i]);
}

void answers_keep(struct job *job)
{
    own_verdict(job, FATE_OPEN);
    own_verdict(job, FATE_ACCEPTED);
    job->verdict = 0;
}

void answers_reopen(struct job *job, bool charged)
{
    for (size_t i = 0; i < job->count; i++) {
        struct recipient *recipient = &job->recipients[i];
        if (recipient->fate == FATE_ACCEPTED || recipient->fate == FATE_LEFT ||
            (charged && recipient->fate == FATE_CHARGED))
            recipient->fate = FATE_OPEN;
    }
}

/* Somebody whose message was taken before the last transaction; NULL: nobody. */
static const struct recipient *find_taken(const struct job *job)
{
    for (size_t i = 0; i < job->count; i++)
        if (job->recipients[i].fate == FATE_TAKEN)
            return &job->recipients[i];
    return NULL;
}

/* Whether he was put off, and the verdict is not about him. */
static bool is_put_off(const struct job *job, const struct recipient *recipient)
{
    return recipient->fate == FATE_CHARGED || recipient->fate == FATE_LEFT ||
           (recipient->fate == FATE_OPEN && (!job->verdict || job->verdict == 'K'));
}

void answers_settle(struct job *job)
{
    const struct recipient *taken = find_taken(job);
    for (size_t i = 0; i < job->count; i++)
        if (is_put_off(job, &job->recipients[i]))
            job->recipients[i].fate = FATE_SOFT;
    if (taken && job->verdict != 'K') {
        own_verdict(job, FATE_OPEN);
        own_verdict(job, FATE_ACCEPTED);
        job->verdict = 'K';
        buf_set(&job->verdict_text, job->texts.data + taken->text, taken->text_size);
    }
    if (!job->verdict)
        job_verdict(job, 'Z', "Some recipients are put off. (#4.4.2)\n");
    for (size_t i = 0; i < job->count; i++)
        if (job->recipients[i].fate == FATE_OPEN || job->recipients[i].fate == FATE_ACCEPTED)
            job->recipients[i].fate = FATE_MESSAGE;
}
