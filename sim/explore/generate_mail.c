/* SPDX-License-Identifier: ISC */
/* Messages of made-up scenarios. */
#include <string.h>

#include "sim/explore/generator.h"

/* What may trip somebody up. */
static const char *const contents[] = {
    "| Subject: short\n    |\n    | hello\n",
    "| Subject: dots\n    |\n    | .\n    | ..\n    | .hidden\n    | From the start\n",
    "| Subject: no body\n",
    "|\n    | no header\n",
    "| To: you\n    | Cc: me\n    | Bcc: hidden@example.com\n    |\n    | text\n",
    "| Delivered-To: alice@example.com\n    | Subject: it was here before\n    |\n    | text\n",
    ("| Subject: folded\n    |  over\n    |  lines\n    | Return-Path: <x@y.example>\n    |\n    | "
     ">From me\n"),
};

/* Each once. */
static void write_recipients(struct generator *generator)
{
    static const uint64_t most[] = {[SMALL] = 8, [MIDDLING] = 8, [LARGE] = 16};
    uint64_t count = small(generator, 1, generator->has[F_MANY] ? most[generator->size] : 4);
    struct names left = generator->recipients;

    while (count-- > 0 && left.count > 0) {
        size_t index = below(generator, left.count);

        fprintf(generator->to, " %s", left.items[index]);
        memmove(left.items[index], left.items[--left.count], NAME_SIZE);
    }
}

/* Of an envelope; `always`: a client has no own choice that everybody could answer. */
static void write_sender(struct generator *generator, bool always)
{
    if (generator->has[F_NULL_SENDER] && chance(generator, 30))
        fputs(" from \"\"", generator->to);
    else if (generator->domains.count > 0 && chance(generator, 15))
        fprintf(generator->to, " from zoe@%s", pick_name(generator, &generator->domains));
    else if (generator->has[F_NOBODY] && chance(generator, 20))
        fputs(" from nobody@example.com", generator->to);
    else if (always || chance(generator, 30))
        fprintf(generator->to, " from alice@%s",
                domain_text(below(generator, generator->host_count)));
}

static void write_message(struct generator *generator, size_t number)
{
    static const char *const programs[] = {"inject", "queue", "sendmail"};
    char when[MOMENT_SIZE];
    bool client = generator->clients.count > 0 && chance(generator, 50);

    fprintf(generator->to, "at %s %s sends m%zu to", moment(generator, when),
            client ? "app" : pick_name(generator, &generator->senders), number);
    write_recipients(generator);
    write_sender(generator, client);
    if (client && generator->host_count > 1)
        fprintf(generator->to, " via %s", host_text(below(generator, generator->host_count)));
    else if (!client && chance(generator, 40))
        fprintf(generator->to, " via %s", PICK(generator, programs));
    if (generator->has[F_MANY] && chance(generator, 20))
        fprintf(generator->to, " times %u every %us",
                (unsigned) small(generator, 2, generator->size == LARGE ? 12 : 5),
                (unsigned) small(generator, 0, 20));
    fputc('\n', generator->to);
    if (generator->has[F_CONTENTS] && chance(generator, 60))
        fprintf(generator->to, "    %s", PICK(generator, contents));
}

void generate_messages(struct generator *generator)
{
    static const uint64_t most[] = {[SMALL] = 3, [MIDDLING] = 5, [LARGE] = 8};
    uint64_t more = generator->has[F_MANY] ? 4 : 0;

    generator->message_count = small(generator, 1, most[generator->size] + more);
    fputc('\n', generator->to);
    for (size_t i = 1; i <= generator->message_count; i++)
        write_message(generator, i);
}
