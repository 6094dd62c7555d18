/* SPDX-License-Identifier: ISC */
#include "sim/scenario/scenario.h"

const struct statement_help statement_help[] = {
    {"scenario \"TITLE\"", "names the story; without it the file's name does"},
    {"param NAME VALUE", "a parameter: `${NAME}` in a word below is replaced by VALUE, or by what "
                         "`-D NAME=VALUE` says"},
    {"include PATH", "reads the statements of another file here"},
    {"clock YYYY-MM-DD HH:MM:SS", "the wall-clock time (UTC) at the start; 2026-01-01 00:00:00 if "
                                  "left out"},
    {"until TIME", "ends the run at that time instead of when all is idle; mail may then be in the "
                   "queue still"},
    {"file NAME PATH", "a message's text from a file, bytes as they are; or as `|` lines below"},
    {"host NAME [DOMAIN]", "a machine that runs the server; DOMAIN is its `control/me`"},
    {"disk strict|ext4|ffs|honest", "below a host: what its disk does when power fails; strict if "
                                    "left out"},
    {"capacity N blocks|bytes", "below a host: the size of its disk, of 4096-byte blocks"},
    {"single-user", "below a host: all runs as one user; otherwise each program has its own"},
    {"control NAME VALUE", "below a host: a control file; several lines as `|` lines below"},
    {"user NAME", "below a host: a user with a home, a Maildir, and (as `|` lines below) a .qmail"},
    {"alias NAME", "below a host: alias/.qmail-NAME with the `|` lines below"},
    {"qmail [-EXT]", "below a user or an alias: one more .qmail file with the `|` lines below"},
    {"maildir PATH", "below a user: one more Maildir in the home"},
    {"mode OCTAL", "below a user: the mode of the home, 0755 if left out"},
    {"program NAME", "below a host: a program for .qmail lines; it reads its input and does as the "
                     "first fitting line below says (exit 0 without one)"},
    {"exit CODE|signal NAME [first N|after N] [takes TIME] [print \"TEXT\"]",
     "below a program: how its runs end; `first N` and `after N` count its runs"},
    {"at TIME ACTION", "ACTION happens at that time after the start"},
    {"after EVENT [TIME] ACTION", "ACTION happens when (or TIME after) EVENT has happened: MESSAGE "
                                  "enters S1..S5, MESSAGE durable S4, MESSAGE accepted, crash"},
    {"before MESSAGE enters STAGE ACTION", "ACTION happens just before the call that would bring "
                                           "the message there"},
    {"USER [on HOST] sends NAME [with FILE] to ADDRESS... [from ADDRESS] [via "
     "inject|queue|sendmail] [times N] [every TIME]",
     "action: the user runs that program on the message: the `|` lines below, the text that a "
     "`file` statement calls FILE or NAME, or a line that says so; N messages are called NAME.1 to "
     "NAME.N"},
    {"crash HOST power [keep all|none|random|S1..S5]",
     "action: power loss; what the disk had not made durable is kept, lost, decided by the seed, "
     "or such that the message is found in that stage"},
    {"lose PATTERN", "below a power loss: what PATTERN names is not on the disk; the first line "
                     "that fits decides, and one that fits nothing is an error"},
    {"keep PATTERN", "below a power loss: it is on the disk"},
    {"find N PATTERN", "below a power loss: it is found as the N-th way says, 0 as lose; for names "
                       "that come back and writes that are torn"},
    {"crash HOST programs", "action: every process is killed, the disk keeps everything"},
    {"boot HOST", "action: the machine comes up and starts the server"},
    {"stop HOST", "action: TERM to the server's process tree"},
    {"start HOST", "action: starts the server without a boot"},
    {"kill PROGRAM [on HOST]", "action: KILL to a running program, `send` for `nixie-send`"},
    {"signal PROGRAM SIGNAL [on HOST]", "action: a signal to a running program"},
    {"HOST disk full|room|free N blocks|bytes", "action: how much space is left from now on; room: "
                                                "no limit"},
    {"clock forward|back TIME", "action: the wall clock is set; timers do not notice"},
    {"fault PROGRAM CALL N ERROR [times K] [path PATTERN]",
     "the N-th such call of that program (and K - 1 more) fails with ERROR"},
    {"expect MESSAGE [not] accepted [WHEN]", "the submitting program ended with 0"},
    {"expect MESSAGE [not] refused [with CODE] [WHEN]", "it ended with another code"},
    {"expect MESSAGE [not] delivered [to ADDRESS] [once|N times] [WHEN]",
     "copies are there at the end, for each recipient or for ADDRESS; at least one if not counted. "
     "A run of a program that ended with 0 or 99 has a copy, too; a count is of copies in one "
     "place"},
    {"expect MESSAGE [not] bounced [to ADDRESS] [once|N times] [WHEN]",
     "a bounce of it was accepted for its sender, or for ADDRESS"},
    {"expect MESSAGE [not] lost [PATTERN]",
     "it was accepted and is gone: the run fails if it is not; PATTERN is what was not durable"},
    {"expect MESSAGE [not] in STAGE at TIME", "where it was at that time"},
    {"expect program NAME [on HOST] ran [once|N times] [WHEN]", "how often it ran"},
    {"expect log [HOST] PATTERN [once|N times] [WHEN]",
     "lines of the log in which PATTERN is found; at least one if not counted"},
    {"expect mbox USER/FILE holds N messages", "what a mailbox file holds at the end"},
    {"expect HOST spool empty|holds N messages [WHEN]",
     "messages in the spool at that time, or at the end; by TIME: from then on at the latest"},
    {"contents unchanged", "below delivered: every copy is the message, byte for byte, behind the "
                           "fields that delivery adds"},
    {"header NAME matches PATTERN", "below delivered, bounced, program: a field of that name"},
    {"body contains PATTERN", "below delivered, bounced, program: found behind the header"},
    {"arguments match PATTERN", "below program: its arguments, joined by spaces"},
    {"environment NAME matches PATTERN", "below program: a variable of its environment"},
    {"allow duplicate [MESSAGE]", "a second copy without a reason is no failure"},
    {0, 0},
};
