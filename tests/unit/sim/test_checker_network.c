/* SPDX-License-Identifier: ISC */
/* The checker on what makes an internet: remotes, clients, the DNS, the network, events and
 * expectations about them. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "sim/kernel/random.h"
#include "sim/scenario/model.h"
#include "tests/unit/sim/network_story.h"

static const char want_away[] =
    "extensions PIPELINING \"SIZE 1000\"\n"
    "on connect from 30m until 1h30m refuse\n"
    "on connect 192.0.2.* over 3 per 10m by client reply 421 \"4.7.0 too many\"\n"
    "on connect reset after 100 bytes\n"
    "on EHLO \"first\" reply 502 \"no\"\n"
    "on MAIL * chance 10% delay 3s reply 451 \"4.3.0 later\\nmuch later\" cut 3 bytes\n"
    "on RCPT first 2 by connection from 0s until 7d reply 452 \"4.5.3 no\"\n"
    "on RCPT ghost@* reply 550 \"5.1.1 no such user\"\n"
    "on RCPT first 1 by triple reply 451 \"4.7.1 greylisted\" split\n"
    "on DATA raw \"\\x01\\xff\\r\\n\"\n"
    "on MESSAGE slow 100 bytes per 1s\n"
    "on MESSAGE after 3 close after 2000 bytes\n"
    "on EOD first 1 take silence\n"
    "on EOD take bounce after 5m status 5.2.2 \"mailbox full\"\n"
    "on EOD over 20 per 10m by client reply 421 \"4.7.28 unusual rate of mail\"\n"
    "on QUIT close\n"
    "on any ok\n";

static const char want_dns[] =
    "listen 192.0.2.53 53\n"
    "zone .\n"
    "on *.slow.example MX first 3 by client late 20s\n"
    "on away.example AAAA until 1h servfail\n"
    "on \"late\" truncate only\n"
    "on lame.example refused\n"
    "on *.lame.example refused\n"
    "record null.example 60 MX 0 .\n"
    "record t.example 60 TXT \"v=spf1 -all\" \"b\"\n"
    "record alias.example 60 CNAME mx.away.example\n"
    "record six.example 60 AAAA 2001:db8::1\n"
    "record away.example 60 SOA ns.away.example root.away.example 1 2 3 4 5\n"
    "record away.example 3600 MX 5 mx.away.example\n"
    "record other.example 3600 MX 10 mx.away.example\n"
    "record mx.away.example 3600 A 198.51.100.7\n"
    "record mx.away.example 3600 AAAA 2001:db8::7\n"
    "record away.example 3600 MX 20 mx2.away.example\n"
    "record mx2.away.example 3600 A 198.51.100.1\n"
    "record lone.example 3600 A 198.51.100.2\n"
    "record example.com 3600 MX 10 example.com\n"
    "record example.com 3600 A 192.0.2.10\n"
    "record example.com 3600 AAAA 2001:db8::10\n"
    "record app.example 3600 A 203.0.113.1\n"
    "record web.example 3600 A 203.0.113.2\n";

static struct scenario *parse(const char *text, size_t size, char **errors)
{
    size_t errors_size = 0;
    FILE *to = open_memstream(errors, &errors_size);
    struct scenario *scenario;

    ck_assert_ptr_nonnull(to);
    scenario = scenario_parse("test", text, size, NULL, 0, to);
    fclose(to);
    return scenario;
}

static struct scenario *parse_good(const char *text)
{
    char *errors;
    struct scenario *scenario = parse(text, strlen(text), &errors);

    ck_assert_msg(scenario != NULL, "%s\n%s", errors, text);
    ck_assert_str_eq(errors, "");
    free(errors);
    return scenario;
}

START_TEST(understands_every_statement)
{
    struct scenario *scenario = parse_good(network_story);
    const struct remote_spec *away = &scenario->remotes[0];
    const struct submission *sent = scenario->submissions;

    ck_assert_uint_eq(scenario->remote_count, 3);
    ck_assert_str_eq(away->rules.data, want_away);
    ck_assert_uint_eq(away->rules.size, strlen(want_away));
    ck_assert_ptr_nonnull(strstr(away->config.data, "name mx.away.example\n"
                                                    "listen 198.51.100.7 25\n"
                                                    "listen 2001:db8::7 25\n"
                                                    "bounces to 192.0.2.10 25\n"
                                                    "extensions PIPELINING"));
    ck_assert_uint_eq(away->domain_count, 2);
    ck_assert_str_eq(scenario->remotes[1].rules.data, "no-ehlo\nconnections 2\nrecipients 5\n"
                                                      "timeout 30s\non DATA bob@* close\n");
    ck_assert_str_eq(away->domains[1].domain, "other.example");
    ck_assert_str_eq(scenario->remotes[1].smtp_name, "mx2.away.example");
    ck_assert_str_eq(scenario->remotes[2].smtp_name, "lone.example");
    ck_assert_str_eq(scenario->clients[0].settings.data, "helo app.example\n"
                                                         "retry every 5m until accepted\n"
                                                         "pipelining off\n"
                                                         "chunk 100 bytes every 1s\n"
                                                         "cut after 300 bytes first 2\n"
                                                         "timeout 1m\n"
                                                         "auth robot \"secret word\"\n"
                                                         "options BODY=8BITMIME SIZE\n"
                                                         "raw\n");
    ck_assert_str_eq(scenario->dns.config.data, want_dns);
    ck_assert_uint_eq(scenario->hosts[0].control_count, 1);
    ck_assert_str_eq(scenario->hosts[0].controls[0].name, "relayclients");
    ck_assert_str_eq(scenario->hosts[0].controls[0].text.data,
                     "203.0.113.1\n203.0.113.0/24\n198.51.100.7\n2001:db8::7\n");
    ck_assert(scenario->hosts[0].smtp);
    ck_assert(scenario->internet);
    ck_assert_uint_eq(scenario->network_count, 4);
    ck_assert_int_eq(scenario->networks[0].delay_ns, 50000000);
    ck_assert_int_eq(scenario->networks[1].from.kind, ACTOR_ANY);
    ck_assert_int_eq(scenario->networks[1].fate, FATE_UNREACHABLE);
    ck_assert_uint_eq(scenario->networks[2].to.index, 1);
    ck_assert_uint_eq(scenario->networks[2].cut_connection, 2);
    ck_assert(scenario->networks[2].cut_by_client);
    ck_assert_int_eq(sent[0].via, VIA_SMTP);
    ck_assert_str_eq(sent[1].from, "web@web.example");
    ck_assert_uint_eq(sent[1].client, 1);
    ck_assert_str_eq(sent[2].from, "");
    ck_assert_ptr_nonnull(strstr(sent[2].content.data, "From: MAILER-DAEMON@app.example\n"));
    ck_assert_ptr_nonnull(strstr(sent[0].content.data, "From: robot@gone.example\n"));
    scenario_free(scenario);
}
END_TEST

START_TEST(understands_events)
{
    struct scenario *scenario = parse_good(network_story);
    const struct event *events = scenario->events + 4; /* behind what is sent */

    ck_assert_int_eq(events[0].action.kind, ACTION_NETWORK);
    ck_assert(events[0].action.network.sets_fate);
    ck_assert_int_eq(events[1].action.network.cut, CUT_SILENT);
    ck_assert_int_eq(events[2].action.kind, ACTION_DOWN);
    ck_assert_int_eq(events[2].action.actor.kind, ACTOR_REMOTE);
    ck_assert_int_eq(events[4].action.kind, ACTION_CLIENT_STOP);
    ck_assert_int_eq(events[5].action.kind, ACTION_CRASH);
    ck_assert_int_eq(events[5].action.keep, KEEP_NONE);
    ck_assert_int_eq(events[6].action.kind, ACTION_BOOT);
    ck_assert_int_eq(events[7].action.actor.kind, ACTOR_DNS);
    ck_assert_int_eq(events[9].trigger.kind, TRIGGER_TAKES);
    ck_assert(events[9].trigger.before);
    ck_assert_uint_eq(events[10].trigger.message.entry, 1);
    ck_assert_uint_eq(events[11].trigger.message.entry, 2);
    ck_assert_str_eq(events[11].trigger.message.name, "m1");
    ck_assert_str_eq(events[12].trigger.message.recipient, "ghost@away.example");
    ck_assert_str_eq(events[13].trigger.message.recipient, "bob@away.example");
    ck_assert_int_eq(events[14].trigger.kind, TRIGGER_BOUNCED);
    ck_assert_int_eq(events[15].trigger.kind, TRIGGER_DELIVERED);
    ck_assert_int_eq(events[15].trigger.delay_ns, 60000000000);
    ck_assert_int_eq(events[16].trigger.kind, TRIGGER_CONNECTED);
    ck_assert_uint_eq(events[17].trigger.message.bounce, 1);
    scenario_free(scenario);
}
END_TEST

START_TEST(understands_expectations)
{
    struct scenario *scenario = parse_good(network_story);
    const struct expectation *expect = scenario->expectations;

    ck_assert_int_eq(expect[0].kind, EXPECT_TOOK);
    ck_assert_str_eq(expect[0].from, "robot@*");
    ck_assert_str_eq(expect[0].address, "bob@*");
    ck_assert_int_eq(expect[0].when.event->kind, TRIGGER_ACCEPTED);
    ck_assert_int_eq(expect[0].when.to_ns, 3600000000001);
    ck_assert_uint_eq(expect[0].detail_count, 2);
    ck_assert(expect[1].negated);
    ck_assert_uint_eq(expect[1].actor.index, 1);
    ck_assert_uint_eq(expect[2].count, 3);
    ck_assert_uint_eq(expect[3].time_count, 3);
    ck_assert_int_eq(expect[3].times[2].ns, 1600000000000);
    ck_assert_ptr_null(expect[3].times_event);
    ck_assert_uint_eq(expect[4].time_count, 2);
    ck_assert_int_eq(expect[4].times_event->kind, TRIGGER_ACCEPTED);
    ck_assert(expect[5].negated);
    ck_assert_int_eq(expect[5].when.kind, WHEN_AT);
    ck_assert_int_eq(expect[6].when.event->kind, TRIGGER_ENTERS);
    ck_assert_int_eq(expect[6].when.event->stage, STAGE_S4);
    ck_assert_uint_eq(expect[6].when.event->message.entry, 2);
    ck_assert_int_eq(expect[6].when.from_ns, 90000000000000);
    ck_assert_uint_eq(expect[6].detail_count, 7);
    ck_assert_int_eq(expect[6].details[0].kind, DETAIL_STATUS);
    ck_assert_int_eq(expect[6].details[6].kind, DETAIL_ORIGINAL);
    ck_assert(expect[6].counted);
    ck_assert_uint_eq(expect[7].message.entry, 2);
    ck_assert_uint_eq(expect[7].message.bounce, 1);
    ck_assert_int_eq(expect[9].code, 550);
    ck_assert_int_eq(expect[10].kind, EXPECT_CONNECTED);
    ck_assert_int_eq(expect[11].kind, EXPECT_ASKED);
    ck_assert_str_eq(expect[11].name, "MX");
    ck_assert_ptr_null(expect[12].name);
    ck_assert_int_eq(expect[12].when.event->kind, TRIGGER_CRASH);
    scenario_free(scenario);
}
END_TEST

/* What is written for an actor is read again as the same rules. */
START_TEST(rules_are_canonical)
{
    char text[sizeof want_away + 1000] = "remote away\n", *rules = strdup(want_away);
    struct scenario *scenario;

    for (char *line = strtok(rules, "\n"); line; line = strtok(NULL, "\n")) {
        strcat(text, "    ");
        strcat(text, line);
        strcat(text, "\n");
    }
    free(rules);
    scenario = parse_good(text);
    ck_assert_str_eq(scenario->remotes[0].rules.data, want_away);
    scenario_free(scenario);
}
END_TEST

/* Machines without an address get one that no other has; names follow what is served. */
START_TEST(gives_addresses_and_names)
{
    struct scenario *scenario = parse_good("host a a.example\n"
                                           "host b b.example\n    address 192.0.2.11\n"
                                           "host c c.example\n"
                                           "remote one\n    serves x.example\n"
                                           "remote two\n    serves y.example\n"
                                           "    address 198.51.100.1\n"
                                           "client k\n"
                                           "client l\n");

    ck_assert_str_eq(scenario->hosts[0].addresses[0], "192.0.2.10");
    ck_assert_str_eq(scenario->hosts[2].addresses[0], "192.0.2.12");
    ck_assert_str_eq(scenario->remotes[0].addresses[0], "198.51.100.2");
    ck_assert_str_eq(scenario->remotes[0].smtp_name, "mx.x.example");
    ck_assert_str_eq(scenario->clients[1].addresses[0], "203.0.113.2");
    ck_assert_str_eq(scenario->dns.addresses[0], "192.0.2.53");
    ck_assert_str_eq(scenario->dns.name, "dns");
    scenario_free(scenario);
    scenario = parse_good("host dns\nremote the-dns\n");
    ck_assert_str_eq(scenario->dns.name, "the-the-dns");
    scenario_free(scenario);
    scenario = parse_good("host a a.example\n    user u\nat 0s u sends m to b@c\n");
    ck_assert(!scenario->internet);
    ck_assert(!scenario->hosts[0].smtp);
    ck_assert_uint_eq(scenario->hosts[0].address_count, 1);
    scenario_free(scenario);
}
END_TEST

START_TEST(knows_who_needs_a_network)
{
    static const struct {
        const char *line;
        bool internet;
    } cases[] = {{"until 5m\n", false},
                 {"at 0s boot a\n", false},
                 {"at 0s dns down\n", true},
                 {"at 0s network any to a open\n", true},
                 {"network any to a open\n", true},
                 {"expect dns not asked *\n", true},
                 {"dns\n", true},
                 {"client c\n", true},
                 {"host b\n", true}};

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[200] = "host a\n";
        struct scenario *scenario = parse_good(strcat(text, cases[i].line));

        ck_assert_msg(scenario->internet == cases[i].internet, "%s", text);
        scenario_free(scenario);
    }
}
END_TEST

START_TEST(many_machines_have_different_addresses)
{
    size_t size;
    char *text = NULL;
    FILE *to = open_memstream(&text, &size);
    struct scenario *scenario;

    for (int i = 0; i < 330; i++)
        fprintf(to, "host h%d\nremote r%d\nclient c%d\n", i, i, i);
    fclose(to);
    scenario = parse_good(text);
    ck_assert_str_eq(scenario->hosts[243].addresses[0], "192.0.2.254");
    ck_assert_str_eq(scenario->hosts[244].addresses[0], "198.18.0.1");
    ck_assert_str_eq(scenario->hosts[329].addresses[0], "198.18.0.86");
    ck_assert_str_eq(scenario->remotes[254].addresses[0], "198.19.0.1");
    ck_assert_str_eq(scenario->clients[329].addresses[0], "10.20.0.76");
    scenario_free(scenario);
    free(text);
}
END_TEST

START_TEST(a_match_is_for_serve)
{
    struct scenario *scenario = parse_good("match m1 to ghost@dead.test subject \"Welcome*\"\n"
                                           "expect m1@ghost@dead.test bounced status 5.1.1\n");
    char *errors = NULL;
    size_t size;
    FILE *to = open_memstream(&errors, &size);

    ck_assert_uint_eq(scenario->match_count, 1);
    ck_assert_int_eq(scenario->submissions[0].via, VIA_APPLICATION);
    ck_assert_str_eq(scenario->submissions[0].subject, "Welcome*");
    ck_assert_ptr_null(scenario->messages[0].id);
    ck_assert_int_eq(scenario_plays(scenario, to), -1);
    fclose(to);
    ck_assert_str_eq(errors, "test:1:1: an application sends \"m1\": this file is for nixie serve\n"
                             "1 | match m1 to ghost@dead.test subject \"Welcome*\"\n"
                             "  | ^^^^^\n");
    free(errors);
    scenario_free(scenario);
}
END_TEST

#define HOST "host mail\n    user a\n"
#define AWAY "remote away\n    serves away.example\n"
#define APP "client app\n"
#define STORY HOST AWAY APP "at 0s app sends m to b@away.example\n" /* 6 lines */
static const struct {
    const char *text;
    const char *want; /* in what is printed */
} wrongs[] = {
    /* names and addresses */
    {"remote\n", "test:1:7: expected the name of a remote"},
    {"host x\nremote x\n", "test:2:8: there is a host \"x\" already"},
    {"remote x\nclient x\n", "test:2:8: there is a remote \"x\" already"},
    {"client x\nhost x\n", "test:2:6: there is a client \"x\" already"},
    {"client x\ndns x\n", "test:2:5: there is a client \"x\" already"},
    {"dns x\nremote x\n", "test:2:8: there is a DNS \"x\" already"},
    {"remote any\n", "test:1:8: \"any\" means every machine"},
    {"dns a\ndns b\n", "test:2:5: there is one DNS; on line 1 it is called \"a\""},
    {"remote x\n    address 1.2.3\n", "test:2:13: expected an address as in 192.0.2.7"},
    {"remote x\n    address 192.0.2.300\n", "test:2:13: expected an address"},
    {"remote x\n    address 127.0.0.2\n", "test:2:13: this is every machine's own address"},
    {"remote x\n    address ::1\n", "test:2:13: this is every machine's own address"},
    {"remote x\n    address 224.0.0.1\n", "test:2:13: no machine can have this address"},
    {"remote x\n    address ::ffff:1.2.3.4\n", "test:2:13: no machine can have this address"},
    {"host x\n    address 10.0.0.1\nremote y\n    address 10.0.0.1\n",
     "test:4:13: \"x\" has this address already"},
    {"remote x\n    address 2001:db8::1\n    address 2001:DB8:0:0::1\n",
     "test:3:13: \"x\" has this address already"},
    {"remote x\n    serves a..b\n", "test:2:12: expected a domain: letters"},
    {"remote x\n    serves a.b prefer 1\n", "test:2:16: this is too much; the form is: serves"},
    {"remote x\n    serves a.b preference 65536\n", "test:2:27: expected a number from 0 to 65535"},
    {"remote x\n    serves a.b\n    serves A.B\n", "test:3:12: it serves A.B already"},
    {"host x a.b\nremote y\n    serves A.B\n", "test:2:8: A.B is the domain of host \"x\""},
    {"remote x\n    name a.b\n    name a.c\n", "test:3:10: it has the name a.b already"},
    {"remote x\n    name a.b\nremote y\n    name A.b\n",
     "test:3:8: its name in the DNS would be A.b, as that of \"x\""},
    {"host x a.b\nremote y\n    name a.b\n", "test:2:8: its name in the DNS would be a.b"},
    {"remote x\n    server a.b\n",
     "test:2:5: unknown statement of a remote \"server\"; did you mean \"serves\"?"},
    {"remote x\n    | text\n", "test:2:5: the statement above takes no lines"},
    {"remote x\n    on any ok\n        on any ok\n", "test:3:9: the statement above takes no"},
    {"remote x\n    extensions A\n    extensions B\n", "test:3:16: the extensions are on line 2"},
    {"remote x\n    extensions\n", "test:2:15: expected extensions as in PIPELINING"},
    {"remote x\n    extensions A_B\n", "test:2:16: an extension is a word of EHLO"},
    {"remote x\n    extensions none A\n", "test:2:21: this is too much"},
    {"remote x\n    no-ehlo\n    extensions A\n", "test:2:5: who refuses EHLO offers no"},
    {"remote x\n    no-ehlo\n    no-ehlo\n", "test:3:12: this stands on line 2 already"},
    /* rules */
    {"remote x\n    on\n", "test:2:7: expected a verb as in RCPT"},
    {"remote x\n    on RCTP reply 550 x\n",
     "test:2:8: unknown verb \"RCTP\"; did you mean \"RCPT\"?\n"
     "2 |     on RCTP reply 550 x\n"
     "  |        ^^^^\n"},
    {"remote x\n    on RCPT\n", "test:2:12: what shall it do? The form is: on VERB [PATTERN]"},
    {"remote x\n    on RCPT a@b reject\n", "test:2:17: unknown thing to do \"reject\""},
    {"remote x\n    on RCPT a@b repli 550 x\n", "did you mean \"reply\"?"},
    {"remote x\n    on RCPT repli 550 x\n",
     "test:2:13: did you mean \"reply\"? If \"repli\" is a pattern, put it in quotes"},
    {"remote x\n    on RCPT frist 2 reply 550 x\n", "test:2:13: did you mean \"first\"?"},
    {"remote x\n    on QUIT a@b reply 550 x\n",
     "test:2:13: QUIT has nothing that a pattern could match"},
    {"remote x\n    on RCPT reply 55 x\n", "test:2:19: expected a number from 200 to 599"},
    {"remote x\n    on RCPT reply 550\n", "test:2:22: expected the text of the reply"},
    {"remote x\n    on RCPT reply 550 no such user\n", "test:2:26: this is too much"},
    {"remote x\n    on RCPT reply 550 x cut 3\n", "test:2:30: expected \"bytes\""},
    {"remote x\n    on RCPT first reply 550 x\n", "test:2:19: expected a number from 1"},
    {"remote x\n    on RCPT first 1 after 2 reply 550 x\n",
     "test:2:21: a rule counts one thing: it has a counter"},
    {"remote x\n    on RCPT over 1 by client reply 550 x\n", "test:2:20: expected \"per\""},
    {"remote x\n    on RCPT over 1 per 0s reply 550 x\n", "test:2:24: expected a time that is not"},
    {"remote x\n    on RCPT first 1 by cleint reply 550 x\n",
     "test:2:24: unknown thing to count by \"cleint\"; did you mean \"client\"?"},
    {"remote x\n    on connect first 1 by sender reply 421 x\n",
     "test:2:27: at connect no sender is known"},
    {"remote x\n    on MAIL first 1 by triple reply 421 x\n",
     "test:2:24: at MAIL no recipient is known"},
    {"remote x\n    on RCPT chance 10 reply 421 x\n", "test:2:20: expected a chance from 0%"},
    {"remote x\n    on RCPT chance 101% reply 421 x\n", "test:2:20: expected a chance from 0%"},
    {"remote x\n    on RCPT from 2h until 1h reply 421 x\n",
     "test:2:21: the rule would end before it begins"},
    {"remote x\n    on RCPT delay 5 reply 421 x\n", "test:2:19: expected a time"},
    {"remote x\n    on RCPT delay 5us reply 421 x\n", "test:2:19: times here are in whole milli"},
    {"remote x\n    on RCPT refuse\n", "test:2:13: connections are refused with connect only"},
    {"remote x\n    on connect 10.* refuse\n", "test:2:21: who connects is not known when it is"},
    {"remote x\n    on connect chance 5% refuse\n", "test:2:26: who connects is not known"},
    {"remote x\n    on connect first 3 refuse\n", "test:2:24: connections that are refused cannot"},
    {"remote x\n    on RCPT take close\n", "test:2:13: a message is taken with EOD only"},
    {"remote x\n    on EOD take clsoe\n",
     "test:2:17: unknown way to go on \"clsoe\"; did you mean"},
    {"remote x\n    on EOD take\n", "test:2:16: expected what follows"},
    {"remote x\n    on EOD take bounce after 1m status 5 x\n",
     "test:2:40: expected a status as in"},
    {"remote x\n    on EOD take bounce after 1m\n", "test:2:32: expected \"status\""},
    {"remote x\n    on EOD slow 1 byte per 1s\n", "test:2:12: only a MESSAGE is read slowly"},
    {"remote x\n    on MESSAGE slow 0 bytes per 1s\n", "test:2:21: expected a number from 1"},
    {"remote x\n    on MESSAGE reply 550 x\n", "test:2:16: while a message comes in nothing"},
    {"remote x\n    on RCPT close after 10 bytes\n", "test:2:19: bytes are counted with connect"},
    {"remote x\n    on QUIT ok ok\n", "test:2:16: this is too much"},
    {"remote x\n    connections 0\n", "test:2:17: expected a number from 1 to 100000"},
    {"remote x\n    timeout 5\n", "test:2:13: expected a time"},
    /* clients */
    {"client x\n    retry each 5m\n", "test:2:11: expected \"every\""},
    {"client x\n    retry every 0s times 3\n", "test:2:17: expected a time that is not 0"},
    {"client x\n    retry every 5m\n", "test:2:19: expected \"until\""},
    {"client x\n    retry every 5m times 3\n    no retry\n", "test:3:5: line 2 says this already"},
    {"client x\n    pipelining maybe\n", "test:2:16: expected on (if it is offered) or off"},
    {"client x\n    chunk 0 bytes every 1s\n", "test:2:11: expected a number from 1"},
    {"client x\n    cut 5 bytes\n", "test:2:9: expected \"after\""},
    {"client x\n    raw on\n", "test:2:9: "},
    {"client x\n    raw\n    raw\n", "test:3:5: line 2 says this already"},
    {"client x\n    auth name\n", "test:2:14: expected a password"},
    {"client x\n    blind on\n", "test:2:11: "},
    {"client x\n    helo \"a b\"\n", "test:2:10: expected a name without spaces"},
    {"client x\n    helow a\n", "test:2:5: unknown statement of a client \"helow\"; did you mean"},
    {APP "at 0s app sends m to b@c\n", "test:2:25: no host is declared"},
    {"host h\nhost i\n" APP "at 0s app sends m to b@c\n", "test:4:25: there is more than one host"},
    {HOST APP "at 0s app sends m to b@c via inject\n", "test:4:30: unknown host \"inject\""},
    {HOST APP "at 0s appp sends m to b@c\n",
     "test:4:7: unknown user or client \"appp\"; did you mean \"app\"?"},
    {HOST "client a\nat 0s a sends m to b@c\n",
     "test:4:9: a user and a client have that name: the user is \"a on mail\""},
    {HOST AWAY "at 0s a sends away to b@c\n", "test:5:15: a remote has this name"},
    {HOST "at 0s a sends dns to b@c\n", "test:3:15: a DNS has this name"},
    /* the DNS */
    {"dns\n    recrod a.b 60 A 1.2.3.4\n", "test:2:5: unknown statement of the DNS \"recrod\""},
    {"dns\n    record a.b A 1.2.3.4\n", "test:2:16: expected a number from 0"},
    {"dns\n    record a.b 60 B 1.2.3.4\n", "test:2:19: unknown type of record \"B\""},
    {"dns\n    record a.b 60 A ::1\n", "test:2:21: expected an IPv4 address"},
    {"dns\n    record a.b 60 AAAA 1.2.3.4\n", "test:2:24: expected an IPv6 address"},
    {"dns\n    record a.b 60 MX mx.a.b\n", "test:2:22: expected a number from 0 to 65535"},
    {"dns\n    record a.b 60 MX 10\n", "test:2:24: expected the name of a mail server"},
    {"dns\n    record a.b 60 TXT\n", "test:2:22: expected a text"},
    {"dns\n    record a.b 60 CNAME c.d\n    record a.b 60 A 1.2.3.4\n",
     "test:2:12: a name with a CNAME has no other records"},
    {"dns\n    record away.example 60 CNAME c.d\n" AWAY,
     "test:2:12: a name with a CNAME has no other records, but this one has: a machine's"},
    {"dns\n    on a.b servfial\n", "test:2:12: unknown type or answer \"servfial\"; did you mean"},
    {"dns\n    on a.b MX\n", "test:2:14: what shall it answer?"},
    {"dns\n    on a.b late\n", "test:2:16: expected a time"},
    {"dns\n    on a.b first 1 by sender servfail\n", "test:2:23: unknown thing to count by"},
    {"dns\n    no zone\n", "test:2:12: expected a domain"},
    /* relaying */
    {"host x\n    relay to y\n", "test:2:11: expected \"from\""},
    {"host x\n    relay from\n", "test:2:15: expected a machine or address"},
    {"host x\n    relay from ap\n" APP,
     "test:2:16: unknown machine or address \"ap\"; did you mean \"app\"?"},
    {"host x\n    relay from 10.0.0.0/33\n", "test:2:16: unknown machine or address"},
    {"host x\n    relay from dns\n",
     "test:2:16: \"dns\" is a DNS; this wants a machine or address"},
    {"host x\n    control relayclients 10.\n    relay from 10.0.0.1\n",
     "test:3:5: control relayclients says already who may relay"},
    /* the network */
    {STORY "network app to away\n", "test:7:20: what of it? The form is: network A to B"},
    {STORY "network app to awya open\n",
     "test:7:16: unknown machine \"awya\"; did you mean \"away\"?"},
    {STORY "network app away open\n", "test:7:13: expected \"to\""},
    {STORY "network app to app open\n", "test:7:16: there is no network between a machine and"},
    {STORY "network app to mail opne\n",
     "test:7:21: unknown thing that a network does \"opne\"; did"},
    {STORY "network app to mail bandwidth 0 bytes\n", "test:7:31: expected a number from 1"},
    {STORY "network app to mail delay 5\n", "test:7:27: expected a time"},
    {STORY "network app to mail reset\n", "test:7:26: expected \"after\""},
    {STORY "network app to mail silent after 5 bytes\n", "test:7:41: expected \"from\""},
    {STORY "network app to mail reset after 5 bytes from mail\n", "test:7:46: expected client or"},
    {STORY "network app to mail open refuse\n", "test:7:26: this is too much"},
    /* events */
    {STORY "at 0s away sends m2 to b@c\n", "test:7:7: unknown user or client \"away\""},
    {STORY "at 0s away stops\n", "test:7:12: expected down or up"},
    {STORY "at 0s app explodes\n", "test:7:11: expected sends, stops, down or up"},
    {STORY "at 0s mail stops\n", "test:7:12: expected disk, down or up"},
    {STORY "at 0s boot away\n", "test:7:12: unknown host \"away\""},
    {STORY "after mail takes m boot mail\n", "test:7:7: \"mail\" is a host; this wants a remote"},
    {STORY "after away takes m9 boot mail\n", "test:7:18: unknown message \"m9\""},
    {STORY "after away boot mail\n", "test:7:12: expected: takes MESSAGE, or connected"},
    {STORY "before away connected boot mail\n", "test:7:13: expected: takes MESSAGE"},
    {STORY "before m bounced boot mail\n", "test:7:10: expected: enters S1 .. S5"},
    {STORY "after m eaten boot mail\n", "test:7:9: expected: enters S1 .. S5, durable S4, acc"},
    {STORY "after m tried at c@d boot mail\n", "test:7:7: m is not sent to \"c@d\""},
    {STORY "after m#0 bounced boot mail\n", "test:7:7: behind \"#\" stands a number: m#2"},
    {STORY "after m#x bounced boot mail\n", "test:7:7: behind \"#\" stands a number: m#2"},
    {STORY "after m.bounce#2 delivered boot mail\n",
     "test:7:7: \"#2\" stands behind the message's"},
    {STORY "at 0s crash mail power keep S3\n", "test:7:1: keep S3 goes with a message"},
    {STORY "after away takes m crash mail power keep S3\n",
     "test:7:1: keep S3 goes with a message"},
    /* expectations */
    {STORY "expect away toko m\n", "test:7:13: expected: took MESSAGE, or connected"},
    {STORY "expect away took\n", "test:7:17: expected a message"},
    {STORY "expect away took m from\n", "test:7:24: expected a pattern over senders"},
    {STORY "expect away took m once twice\n", "test:7:25: this is too much"},
    {STORY "expect app connected\n", "test:7:8: \"app\" is a client: expect something of"},
    {STORY "expect mail took m\n", "test:7:13: expected \"spool\""},
    {STORY "expect dns took m\n", "test:7:12: expected \"asked\""},
    {STORY "expect m tried at\n", "test:7:18: expected a time"},
    {STORY "expect m tried at 5m 1m\n", "test:7:22: times of tries rise"},
    {STORY "expect m tried at 1m 1m\n", "test:7:22: times of tries rise"},
    {STORY "expect m@c@d tried 3 times\n", "test:7:8: m is not sent to \"c@d\""},
    {STORY "expect m bounced at tomorrow\n",
     "test:7:21: expected a time as in 5s, 1h30m or 20ms, or"},
    {STORY "expect m bounced at m9 +5m\n",
     "test:7:21: expected a time as in 5s, 1h30m or 20ms, or"},
    {STORY "expect m bounced at m eaten +5m\n", "test:7:23: expected: enters S1 .. S5, durable"},
    {STORY "expect m bounced in m accepted 5m\n", "test:7:32: expected a range of times"},
    {STORY "expect m bounced status\n", "test:7:24: expected a status as in 5.1.1"},
    {STORY "expect m not bounced status 5.1.1\n", "test:7:29: what does not happen has no status"},
    {STORY "expect m delivered status 5.1.1\n", "test:7:20: this is too much"},
    {STORY "expect m delivered\n    status 5.1.1\n", "test:8:5: this cannot be said about"},
    {STORY "expect m bounced\n    original\n", "test:8:13: expected \"attached\""},
    {STORY "expect m bounced\n    diagnostics x\n",
     "test:8:5: unknown detail \"diagnostics\"; did you mean \"diagnostic\"?"},
    {STORY "expect m bounced\n    contents unchanged\n", "test:8:5: this cannot be said about"},
    {STORY "expect away connected\n    body contains x\n", "test:8:5: this cannot be said about"},
    {STORY "expect m refused with 5\n", "test:7:23: expected a number from 400 to 599"},
    {STORY "expect m refussed\n", "test:7:10: unknown fate of a message \"refussed\"; did you"},
    /* what applications send */
    {"match m1\n", "test:1:9: to whom? The form is: match NAME"},
    {"match m1 from a@b\n", "test:1:18: to whom?"},
    {"match m1 to a@b to c@d\n", "test:1:17: this is too much"},
    {"match to a@b\n", "test:1:10: to whom?"},
    {HOST "at 0s a sends m to b@c\nmatch m to a@b\n", "test:4:7: there is a message \"m\" already"},
};

START_TEST(says_what_is_wrong)
{
    char *errors;
    struct scenario *scenario = parse(wrongs[_i].text, strlen(wrongs[_i].text), &errors);

    ck_assert_msg(!scenario, "accepted: %s", wrongs[_i].text);
    ck_assert_msg(strstr(errors, wrongs[_i].want), "%s\ngot:  %s\nwant: %s", wrongs[_i].text,
                  errors, wrongs[_i].want);
    free(errors);
}
END_TEST

/* A statement that is taken out leaves a valid file, or one of which is said what is wrong. */
START_TEST(every_line_can_go)
{
    for (const char *at = network_story, *next; *at; at = next) {
        char text[sizeof network_story], *errors;
        struct scenario *scenario;

        next = strchr(at, '\n') + 1;
        memcpy(text, network_story, (size_t) (at - network_story));
        strcpy(text + (at - network_story), next);
        scenario = parse(text, strlen(text), &errors);
        ck_assert_msg(scenario || strstr(errors, "\n  "), "nothing said: %s", text);
        scenario_free(scenario);
        free(errors);
    }
}
END_TEST

START_TEST(survives_mutations)
{
    struct random random;
    char text[NETWORK_MUTANT_SIZE];

    random_seed(&random, (uint64_t) _i + 1, 7);
    for (int round = 0; round < 150; round++) {
        char *errors;
        size_t size = network_mutate(&random, text);

        if (round % 10 == 0)
            size = random_below(&random, size);
        scenario_free(parse(text, size, &errors));
        free(errors);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("checker_network");
    TCase *tests = tcase_create("checker_network");
    SRunner *runner;
    int failed;

    tcase_add_test(tests, understands_every_statement);
    tcase_add_test(tests, understands_events);
    tcase_add_test(tests, understands_expectations);
    tcase_add_test(tests, rules_are_canonical);
    tcase_add_test(tests, gives_addresses_and_names);
    tcase_add_test(tests, knows_who_needs_a_network);
    tcase_add_test(tests, many_machines_have_different_addresses);
    tcase_add_test(tests, a_match_is_for_serve);
    tcase_add_loop_test(tests, says_what_is_wrong, 0, sizeof wrongs / sizeof *wrongs);
    tcase_add_test(tests, every_line_can_go);
    tcase_add_loop_test(tests, survives_mutations, 0, 6);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
