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
    {"disk strict|ext4|xfs|btrfs|ffs|honest[+fsync-eio|+liar]",
     "below a host: what its disk does when power fails; strict if left out"},
    {"capacity N blocks|bytes", "below a host: the size of its disk, of 4096-byte blocks"},
    {"single-user", "below a host: all runs as one user; otherwise each program has its own"},
    {"address ADDRESS",
     "below a host, remote, client or dns: an IPv4 or IPv6 address of it; several; "
     "one of its own if left out"},
    {"relay from NAME|ADDRESS[/BITS]...", "below a host: machines that may send mail to any domain "
                                          "through it (`control/relayclients`)"},
    {"smtp",
     "below a host: it listens on port 25, as it does anyway in a file with remotes, clients "
     "or several hosts"},
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
    {"remote NAME",
     "a mail server of somebody else; it takes all mail and behaves as its rules say"},
    {"serves DOMAIN [preference N]", "below a remote: it is an MX of DOMAIN (preference 10 if left "
                                     "out); several; several remotes may serve one"},
    {"name NAME", "below a remote: its name in the DNS and in its greeting; mx.DOMAIN if left out "
                  "(NAME.DOMAIN if others serve it too, NAME.example if it serves none)"},
    {"extensions WORD...|none",
     "below a remote: what EHLO offers; PIPELINING SIZE 8BITMIME "
     "ENHANCEDSTATUSCODES if left out; values in quotes: `\"SIZE 1000\"`"},
    {"no-ehlo", "below a remote: it knows HELO only"},
    {"connections N", "below a remote: it refuses more at a time with 421"},
    {"recipients N", "below a remote: it refuses more in a message with 452"},
    {"timeout TIME", "below a remote or client: how long it waits for the other side"},
    {"on VERB [PATTERN] [COUNTER] [chance N%] [from TIME] [until TIME] [delay TIME] DO",
     "below a remote: what it does at VERB; the first rule that fits counts (see Rules)"},
    {"client NAME", "a program on a machine of its own that submits mail over SMTP"},
    {"helo NAME", "below a client: the name that it gives; NAME.example if left out"},
    {"retry every TIME until accepted", "below a client: it tries again what was deferred or cut"},
    {"retry every TIME times N", "below a client: N times at most"},
    {"no retry", "below a client: one try, as if left out"},
    {"pipelining on|off",
     "below a client: whether it sends commands at once; on (if offered) if left "
     "out"},
    {"chunk N bytes every TIME", "below a client: it sends messages that slowly"},
    {"cut after N bytes [first K]", "below a client: it drops the connection after N bytes of a "
                                    "message, in its first K tries or in each"},
    {"auth NAME PASSWORD", "below a client: it logs in, and gives up where that is not offered"},
    {"options OPTION...",
     "below a client: parameters of MAIL, as in BODY=8BITMIME; SIZE is filled in"},
    {"raw", "below a client: the bytes of its messages go out as they are, the end included"},
    {"blind", "below a client: it sends DATA and its messages whatever RCPT and DATA are answered"},
    {"dns [NAME]",
     "the DNS; there always is one, called `dns` if nothing else is said: this adds to "
     "it"},
    {"record NAME TTL TYPE DATA...", "below dns: a record A, AAAA, MX, CNAME, TXT, NS, SOA or PTR"},
    {"on PATTERN [TYPE] [COUNTER] [chance N%] [from TIME] [until TIME] ANSWER",
     "below dns: what it answers to queries of names that PATTERN matches (see DNS)"},
    {"no zone DOMAIN", "below dns: it refuses queries for DOMAIN and all below it"},
    {"network A to B [delay TIME] [bandwidth N bytes] [open|refuse|unreachable|silent]",
     "statement and action: what becomes of connections that A opens to B; both are machines or "
     "`any`; bandwidth is for a second"},
    {"network A to B reset|silent after N bytes from client|server [connection K]",
     "statement and action: the K-th connection from then on (every one if left out) is cut when N "
     "bytes of that side have arrived"},
    {"match NAME to PATTERN [from PATTERN] [subject PATTERN]",
     "names a message that an application will send, so that it can be expected something of; for "
     "`nixie serve` only"},
    {"at TIME ACTION", "ACTION happens at that time after the start"},
    {"after EVENT [TIME] ACTION",
     "ACTION happens when (or TIME after) EVENT has happened for the first time: MESSAGE enters "
     "S1..S5, MESSAGE durable S4, MESSAGE accepted, MESSAGE tried [at RECIPIENT], MESSAGE bounced, "
     "MESSAGE delivered, REMOTE takes MESSAGE, REMOTE connected, crash (after each crash, but for "
     "an "
     "ACTION that is one)"},
    {"before MESSAGE enters STAGE ACTION", "ACTION happens just before the call that would bring "
                                           "the message there"},
    {"before REMOTE takes MESSAGE ACTION", "ACTION happens when the remote has the message and is "
                                           "about to take it"},
    {"USER [on HOST] sends NAME [with FILE] to ADDRESS... [from ADDRESS] [via "
     "inject|queue|sendmail] [times N] [every TIME]",
     "action: the user runs that program on the message: the `|` lines below, the text that a "
     "`file` statement calls FILE or NAME, or a line that says so; N messages are called NAME.1 to "
     "NAME.N"},
    {"CLIENT sends NAME [with FILE] to ADDRESS... [from ADDRESS] [via HOST] [times N] [every TIME]",
     "action: the client submits the message to HOST, which may be left out if there is one; from "
     "CLIENT@its helo name if left out"},
    {"CLIENT stops", "action: it tries no more"},
    {"NAME down",
     "action: a machine loses power and answers nothing; of a host: `crash HOST power`"},
    {"NAME up", "action: it is there again, counters of its rules at zero; of a host: `boot HOST`"},
    {"crash HOST power [keep all|none|random|S1..S5]",
     "action: power loss; what the disk had not made durable is kept, lost, decided by the seed, "
     "or such that the message is found in that stage"},
    {"lose PATTERN [if any]",
     "below a power loss: what PATTERN names is not on the disk; the first line that fits decides, "
     "and one that fits nothing is an error without `if any`"},
    {"keep PATTERN [if any]", "below a power loss: it is on the disk"},
    {"find N PATTERN [if any]", "below a power loss: it is found as the N-th way says, 0 as lose; "
                                "for names that come back and "
                                "writes that are torn"},
    {"crash HOST programs", "action: every process is killed, the disk keeps everything"},
    {"boot HOST", "action: the machine comes up and starts the server"},
    {"stop HOST", "action: TERM to the server's process tree"},
    {"start HOST", "action: starts the server without a boot"},
    {"kill PROGRAM [on HOST] [if any]",
     "action: KILL to a running program, `send` for `nixie-send`; that none runs is an error "
     "without `if any`"},
    {"signal PROGRAM SIGNAL [on HOST] [if any]", "action: a signal to a running program"},
    {"retry|hold|release|expire|delete MESSAGE|all [on HOST] [if any]",
     "action: the admin says so (`nixie mta hold`) of what is in the queue of the message then, or "
     "of all that is there"},
    {"HOST disk full|room|free N blocks|bytes", "action: how much space is left from now on; room: "
                                                "no limit"},
    {"clock forward|back TIME", "action: the wall clock is set; timers do not notice"},
    {"fault PROGRAM|any CALL|any N ERROR [times K|for TIME] [path PATTERN]",
     "the N-th such call of that program (and K - 1 more, or all within TIME) fails with ERROR; "
     "\"any\" call: any that may"},
    {"fault PROGRAM CALL N short [BYTES bytes]|slow TIME|clock forward|back TIME|lost|reset [after "
     "BYTES bytes]",
     "that call moves few bytes, takes longer, meets a clock that was set; what it writes gets "
     "lost; its connection breaks"},
    {"fault PROGRAM|any allocation N [times K]", "the program gets no memory"},
    {"expect MESSAGE [not] accepted [WHEN]",
     "the submitting program ended with 0; a client got 250 after the data"},
    {"expect MESSAGE [not] refused [with CODE] [WHEN]",
     "it ended with another code, or a client gave up; CODE is the exit code, or the reply to the "
     "client"},
    {"expect MESSAGE [not] delivered [to ADDRESS] [once|N times] [WHEN]",
     "copies are there at the end, for each recipient or for ADDRESS; at least one if not counted. "
     "A run of a program that ended with 0 or 99 has a copy, too, and so has a remote that took "
     "it; a "
     "count is of copies in one place"},
    {"expect MESSAGE [not] bounced [to ADDRESS] [once|N times] [status PATTERN] [WHEN]",
     "a bounce of it was accepted for its sender, or for ADDRESS; PATTERN as `status` below it"},
    {"expect MESSAGE [not] tried [once|N times] [WHEN]",
     "attempts to deliver it: so many, or at least one if not counted"},
    {"expect MESSAGE tried at [EVENT] TIME...", "exactly these attempts, at these times"},
    {"expect REMOTE [not] took MESSAGE [from PATTERN] [to PATTERN] [once|N times] [WHEN]",
     "what a remote took; from and to are of the envelope"},
    {"expect REMOTE [not] connected [once|N times] [WHEN]", "how often it was connected to"},
    {"expect DNS [not] asked NAME [TYPE] [once|N times] [WHEN]",
     "queries that the DNS got; NAME is a pattern"},
    {"expect MESSAGE [not] lost [PATTERN]",
     "it was accepted and is gone: the run fails if it is not; PATTERN is what was not durable"},
    {"expect MESSAGE [not] in STAGE at TIME", "where it was at that time"},
    {"expect program NAME [on HOST] ran [once|N times] [WHEN]", "how often it ran"},
    {"expect log [HOST] PATTERN [once|N times] [WHEN]",
     "lines of the log in which PATTERN is found; at least one if not counted"},
    {"expect mbox USER/FILE holds N messages", "what a mailbox file holds at the end"},
    {"expect HOST spool empty|holds N messages [WHEN]",
     "messages in the spool at that time, or at the end; by TIME: from then on at the latest"},
    {"contents unchanged",
     "below delivered, took: every copy is the message, byte for byte, behind the "
     "fields that delivery adds"},
    {"header NAME matches PATTERN",
     "below delivered, took, bounced, program: a field of that name"},
    {"body contains PATTERN", "below delivered, took, bounced, program: found behind the header"},
    {"final-recipient PATTERN",
     "below bounced: the address of a recipient that it tells of, as written there (`\"a b\"@x`)"},
    {"action PATTERN", "below bounced: what became of him: failed, delayed, ..."},
    {"status PATTERN", "below bounced: his status, as in 5.1.1"},
    {"diagnostic PATTERN", "below bounced: what the other side said, as in \"smtp; 550 5.1.1 no\""},
    {"remote-mta PATTERN", "below bounced: who said it"},
    {"original attached", "below bounced: the message or its header is in the bounce"},
    {"arguments match PATTERN", "below program: its arguments, joined by spaces"},
    {"environment NAME matches PATTERN", "below program: a variable of its environment"},
    {"allow duplicate [MESSAGE]", "a second copy without a reason is no failure"},
    {0, 0},
};
