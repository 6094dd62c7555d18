/* SPDX-License-Identifier: ISC */
/* A scenario with every statement about machines and the network, and mutants of it. */
#ifndef TESTS_UNIT_SIM_NETWORK_STORY_H
#define TESTS_UNIT_SIM_NETWORK_STORY_H

#include <stdint.h>
#include <string.h>

#include "sim/kernel/random.h"

static const char network_story[] =
    "scenario \"all of the network\"\n"
    "param late 5m\n"
    "param domain away.example\n"
    "host mail example.com\n"
    "    address 192.0.2.10\n"
    "    address 2001:DB8:0::10\n"
    "    relay from app 203.0.113.0/24\n"
    "    relay from away\n"
    "    smtp\n"
    "    user alice\n"
    "    user postmaster\n"
    "remote away\n"
    "    serves ${domain} preference 5\n"
    "    serves other.example.\n"
    "    address 198.51.100.7\n"
    "    address 2001:DB8::7\n"
    "    name mx.away.example\n"
    "    extensions PIPELINING \"SIZE 1000\"\n"
    "    on connect from 30m until 1h30m refuse\n"
    "    on connect 192.0.2.* over 3 per 10m by client reply 421 \"4.7.0 too many\"\n"
    "    on connect reset after 100 bytes\n"
    "    on EHLO \"first\" reply 502 \"no\"\n"
    "    on mail * chance 10% delay 3s reply 451 \"4.3.0 later\\nmuch later\" cut 3 bytes\n"
    "    on RCPT until 7d from 0s first 2 by connection reply 452 \"4.5.3 no\"\n"
    "    on RCPT ghost@* reply 550 \"5.1.1 no such user\"\n"
    "    on RCPT first 1 by triple reply 451 \"4.7.1 greylisted\" split\n"
    "    on DATA raw \"\\x01\\xff\\r\\n\"\n"
    "    on MESSAGE slow 100 bytes per 1s\n"
    "    on MESSAGE after 3 close after 2000 bytes\n"
    "    on EOD first 1 take silence\n"
    "    on EOD take bounce after ${late} status 5.2.2 \"mailbox full\"\n"
    "    on EOD over 20 per 10m by client reply 421 \"4.7.28 unusual rate of mail\"\n"
    "    on QUIT close\n"
    "    on any ok\n"
    "remote mx2\n"
    "    serves away.example preference 20\n"
    "    no-ehlo\n"
    "    connections 2\n"
    "    recipients 5\n"
    "    timeout 30s\n"
    "    on DATA bob@* close\n"
    "remote lone\n"
    "client app\n"
    "    helo app.example\n"
    "    retry every 5m until accepted\n"
    "    pipelining off\n"
    "    chunk 100 bytes every 1s\n"
    "    cut after 300 bytes first 2\n"
    "    timeout 1m\n"
    "    auth robot \"secret word\"\n"
    "    options BODY=8BITMIME SIZE\n"
    "    raw\n"
    "client web\n"
    "    no retry\n"
    "dns\n"
    "    record null.example 60 MX 0 .\n"
    "    record t.example 60 TXT \"v=spf1 -all\" b\n"
    "    record alias.example 60 cname mx.away.example\n"
    "    record six.example 60 AAAA 2001:DB8::1\n"
    "    record away.example 60 SOA ns.away.example root.away.example 1 2 3 4 5\n"
    "    on *.slow.example MX first 3 by client late 20s\n"
    "    on away.example aaaa until 1h servfail\n"
    "    on late truncate only\n"
    "    no zone lame.example\n"
    "network app to mail delay 50ms bandwidth 10000 bytes\n"
    "network any to away unreachable\n"
    "network mail to mx2 reset after 1000 bytes from client connection 2\n"
    "network mail to lone silent\n"
    "at 0s app sends m1 from robot@gone.example to bob@away.example\n"
    "at 0s web sends m to a@away.example b@away.example times 3 every 1m via mail\n"
    "at 0s app sends m4 to b@away.example from \"\"\n"
    "at 1s alice sends m3 to ghost@away.example\n"
    "at 1h network any to away open\n"
    "at 1h network mail to lone silent after 10 bytes from server\n"
    "at 2h away down\n"
    "at 3h away up\n"
    "at 3h app stops\n"
    "at 4h mail down\n"
    "at 5h mail up\n"
    "at 4h dns down\n"
    "at 5h dns up\n"
    "before away takes m1 crash mail power keep none\n"
    "before m1#1 enters S4 crash mail power keep S3\n"
    "after m1#2 enters S5 5m kill remote\n"
    "after m3 tried at ghost@away.example kill rspawn\n"
    "after m1@bob@away.example tried kill rspawn\n"
    "after m1 bounced signal send ALRM\n"
    "after m.2 delivered 1m network app to mail silent\n"
    "after away connected kill smtpd\n"
    "after m1.bounce delivered boot mail\n"
    "expect away took m1 from robot@* to bob@* once by m1 accepted +1h\n"
    "    contents unchanged\n"
    "    header Received matches *\n"
    "expect mx2 not took m1\n"
    "expect m1 tried 3 times by 2h\n"
    "expect m1@bob@away.example tried at 0s 6m40s 26m40s\n"
    "expect m1 tried at m1 accepted 0s +6m40s\n"
    "expect m1 not tried at 5m\n"
    "expect m1 bounced to robot@* at m1#2 +25h status 4.4.7 once\n"
    "    final-recipient bob@away.example\n"
    "    action failed\n"
    "    status 4.*\n"
    "    diagnostic \"smtp; 451*\"\n"
    "    remote-mta mx.away.example\n"
    "    original attached\n"
    "expect m1#2.bounce delivered to robot@*\n"
    "expect m1 accepted once at 5m\n"
    "expect m refused with 550\n"
    "expect away connected 4 times in m1 accepted 0s..1h\n"
    "expect dns asked away.example MX 3 times\n"
    "expect dns not asked * by crash +5m\n"
    "expect mail spool empty by 72h\n";

#define NETWORK_MUTANT_SIZE (sizeof network_story + 600)

/* The story with a few odd pieces in it.  Returns its size. */
static inline size_t network_mutate(struct random *random, char text[NETWORK_MUTANT_SIZE])
{
    static const char *const words[] = {
        "on",      "away",         "mail", "any",     "\"",      "5s",        "999999999999",
        "network", "\n",           "    ", "${late}", "first 1", "by client", "reply 550 x",
        "take",    "after",        "at",   "m1#2",    "#",       "m.",        "",
        "dns",     "record a 1 A", "MX",   "client",  "tried",   "*",         "expect"};
    size_t size = strlen(network_story);

    strcpy(text, network_story);
    for (uint64_t k = random_below(random, 4) + 1; k > 0; k--) {
        const char *word = words[random_below(random, sizeof words / sizeof *words)];
        size_t from = random_below(random, size), to = from + random_below(random, 20);

        if (to > size)
            to = size;
        memmove(text + from + strlen(word), text + to, size - to);
        memcpy(text + from, word, strlen(word));
        size = size - (to - from) + strlen(word);
    }
    text[size] = 0;
    return size;
}

#endif
