/* SPDX-License-Identifier: ISC */
#include "sim/world/oracles.h"

#include <string.h>

const struct oracle oracles[] = {
    {"LOST",
     "Each recipient of a message that was accepted (queue said so, exit 0, 250) ends with a copy, "
     "a bounce to the sender, or a message that carries it on.",
     ORACLE_AT_END, "judge.c"},
    {"STUCK",
     "All ends: when nothing goes wrong any more, the spool drains and every submitter and client "
     "comes to its end.",
     ORACLE_AT_END, "judge.c"},
    {"INVENTED",
     "No copy is there that nobody sent, that is for someone it was not for, or that is from "
     "another sender, or in another's mailbox; no bounce tells of what did not fail.",
     ORACLE_AT_END, "judge_copies.c judge_bounces.c judge_clients.c"},
    {"CHANGED",
     "A copy's content is what was submitted, to the byte; a bounce has all of the message.",
     ORACLE_AT_END, "judge_copies.c judge_notices.c"},
    {"REFUSED",
     "A submitter who was told no has sent nothing: no copy and no message in the spool, unless "
     "something went wrong with that very message or the answer to it.",
     ORACLE_AT_END, "judge_clients.c judge_copies.c"},
    {"SERVICE",
     "No submitter and no client is told of trouble, and to try again later, when nothing has gone "
     "wrong for ten minutes.",
     ORACLE_AT_END, "judge.c judge_clients.c"},
    {"RELAY", "Mail for another's domain is taken only from clients that may send such mail.",
     ORACLE_AT_END, "judge_clients.c"},
    {"DUPLICATE",
     "A second copy has a reason: an attempt that left one and whose success was not reported "
     "(here: because something went wrong), or was reported at most 11 seconds before a power loss "
     "or 10 milliseconds before a kill.",
     ORACLE_AT_END, "judge_duplicates.c judge_clients.c"},
    {"BOUNCE",
     "Who failed for good is told of in one bounce, which says what the remote server said, and "
     "goes to the sender.",
     ORACLE_AT_END, "judge_bounces.c judge_notices.c"},
    {"HONESTY",
     "The log says that a remote may have taken a message that is tried again, says so only with a "
     "cause, and tells of no success that no remote has spoken of, to him and to the message.",
     ORACLE_AT_END, "judge_honest.c"},
    {"SCHEDULE",
     "Each try after a deferral is at its second; nothing is given up before queuelifetime is over "
     "or kept beyond it; what is done, held or deleted is not tried, and what the admin wants "
     "tried is; whatever went wrong, five minutes after the last of it all is at its time.",
     ORACLE_AT_END, "judge_schedule.c"},
    {"FAIRNESS",
     "The first try of an accepted message begins within 5 seconds while a place of its channel is "
     "free, however slow other destinations are; while none is, no message that was accepted more "
     "than 5 seconds later comes first; whatever went wrong, it begins within five minutes of the "
     "last of it.",
     ORACLE_AT_END, "judge_fairness.c"},
    {"VERDICT",
     "A failure for good is a remote's 5xx, and no 5xx that was heard is tried again; the DNS's "
     "trouble is no failure for good; nothing is put off when all that was said was yes, or before "
     "every mail exchanger was asked; what a program said by its exit code is done; a Maildir "
     "that is there takes what comes.",
     ORACLE_AT_END, "judge_verdict.c judge_exchangers.c"},
    {"PRIVATE",
     "No mailbox, and no file in one, may be read or written by others, or belongs to another; a "
     "user's program runs as he, and is given no descriptor but 0, 1 and 2.",
     ORACLE_AT_END, "judge_private.c"},
    {"LIMIT", "No message larger than control/databytes is accepted.", ORACLE_AT_END,
     "judge_clients.c"},
    {"CONCURRENCY",
     "No more deliveries and no more sessions of clients at once, all in all and of one address, "
     "than the control files allow.",
     ORACLE_MEANWHILE, "judge_schedule.c log.c hear.c"},
    {"FINAL",
     "What goes wrong for a while is no reason for a final no: nobody is refused for good, and "
     "nothing bounces, that would not if nothing had gone wrong.",
     ORACLE_AT_END, "outcomes.c"},
    {"DOWN",
     "Ten minutes after the last thing that went wrong all programs of the server run, and it "
     "takes mail again.",
     ORACLE_AT_END, "outcomes.c"},
    {"LEAK",
     "When all is idle no process of the server holds a file that was removed, or a connection "
     "that its other side has ended, or has not waited for a child; and none has more descriptors "
     "or memory each time that it is idle, 8 times in a row.",
     ORACLE_AT_END, "judge_leaks.c idle.c"},
    {"CLEANUP",
     "What a crash or a client that went away leaves is removed within 36 hours and a look's "
     "interval; when all is over the spool is empty.",
     ORACLE_AT_END, "judge_cleanup.c"},
    {"DIED", "No program of the server dies of a fault of its own.", ORACLE_AT_END, "judge.c"},
    {"STAGE",
     "A message is in one of the stages S1 to S5 after every call; after a crash before the first "
     "delivery.",
     ORACLE_MEANWHILE, "entries.c recovered.c"},
    {"OWNER",
     "Each directory of the spool is changed only by the programs whose it is; only one nixie-send "
     "works in it; what nixie-clean removes from pid is no longer written.",
     ORACLE_MEANWHILE, "entries.c"},
    {"NUMBER", "No number is given to two messages, whatever a crash leaves.", ORACLE_MEANWHILE,
     "entries.c"},
    {"PLACE",
     "What a message's files hold is what was written of this message and of no other: looked at "
     "when it comes into S5, at its first delivery after each start, and when its bounce is sent.",
     ORACLE_MEANWHILE, "files.c"},
    {"EARLY", "Nothing is delivered before the disk is sure to have the message.", ORACLE_MEANWHILE,
     "contract.c"},
    {"UNDONE",
     "A message's todo goes only when the disk is sure to have info, local and remote, or when all "
     "of its recipients have it.",
     ORACLE_MEANWHILE, "contract.c"},
    {"LOG",
     "Each line of the log has a form that nixie-send(8) documents; deliveries start and end once, "
     "with numbers that go up by one; status lines have the right counts; messages have their own "
     "sender and size, and end once, and that is told; so is each bounce; what tells of trouble "
     "has a cause; what was told is in the files of log/.",
     ORACLE_MEANWHILE, "log.c log_pairs.c judge_notices.c judge_log.c"},
    {"BAD-SMTP", "What the server says to remote servers and to clients is SMTP.", ORACLE_MEANWHILE,
     "hear.c"},
    {"SPIN", "No program makes calls without end and never waits.", ORACLE_MEANWHILE,
     "scenario/run.c"},
    {"START",
     "The server starts, on every disk that a crash may leave, and does not end for no reason.",
     ORACLE_MEANWHILE, "world.c log.c"},
    {"ACTOR",
     "The made-up world itself works: its actors start, speak in records, and end as they should.",
     ORACLE_MEANWHILE, "hear.c internet.c"},
};
const size_t oracle_count = sizeof oracles / sizeof *oracles;

static unsigned bit_of(const char *name, size_t length)
{
    for (size_t i = 0; i < oracle_count; i++)
        if (strlen(oracles[i].name) == length && memcmp(oracles[i].name, name, length) == 0)
            return 1u << i;
    return 0;
}

unsigned oracle_bit(const char *name)
{
    return bit_of(name, strlen(name));
}

int oracles_parse(const char *list, unsigned *set)
{
    *set = 0;
    do {
        size_t length = strcspn(list, ",");
        unsigned bit = bit_of(list, length);

        if (!bit)
            return -1;
        *set |= bit;
        list += length;
    } while (*list++ == ',');
    return 0;
}

/* The text in lines of at most 76 bytes, each behind four blanks. */
static void print_wrapped(FILE *to, const char *text)
{
    size_t used = 0;

    while (*text) {
        size_t length = strcspn(text, " ");

        if (used > 0 && used + 1 + length > 76) {
            fputc('\n', to);
            used = 0;
        }
        used += (size_t) fprintf(to, "%s%.*s", used ? " " : "    ", (int) length, text);
        text += length;
        text += strspn(text, " ");
    }
    fputc('\n', to);
}

void oracles_print(FILE *to)
{
    for (size_t i = 0; i < oracle_count; i++) {
        fprintf(to, "%s\n", oracles[i].name);
        print_wrapped(to, oracles[i].statement);
        fprintf(to, "    (%s: %s)\n",
                oracles[i].when == ORACLE_AT_END ? "at the end" : "while the run goes on",
                oracles[i].where);
    }
}
