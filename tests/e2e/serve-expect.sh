#!/bin/bash
# nixie serve FILE: what is expected of an application is judged, told, or refused at the start.
. tests/e2e/tap.bash
. tests/e2e/serve.bash

cat >shop.scenario <<'END'
scenario "a shop"

remote mail
    serves mail.example
    on RCPT gone@* reply 550 "5.1.1 no such user"
    on RCPT full@* first 1 reply 452 "4.2.2 full"

remote other
    serves other.example
    on EOD reply 554 "5.7.1 this looks like spam"

remote shut
    serves shut.example
    on connect reply 554 "no service"

match order to bob@* from shop@app.example subject "Your order, Zoë*"
match gone to gone@mail.example
match full to full@mail.example
match spam to *@other.example

expect mail took order to *@mail.example once by 50s
    header Subject matches "=?utf-8?b?*"
    body contains "42 nixies"
expect order accepted
expect order delivered to bob@mail.example once
expect gone refused with 550
expect gone not delivered
expect full accepted
expect full tried 2 times
expect mail took full in full tried 0s..40s
expect spam refused with 554
expect other not took spam
expect shut connected once
expect shut not took order
END
cat >shop <<'END'
./send -f shop@app.example bob@mail.example "=?utf-8?b?WW91ciBvcmRlciwgWm/Dqw==?= nr. 1" "${1-42 nixies}"
./send gone@mail.example
./send full@mail.example
./send full@mail.example
./send ad@other.example
./send -p "$NIXIE_SMTP_PORT_SHUT" bob@shut.example
[ "$NIXIE_SMTP_PORT_MAIL" = "$NIXIE_SMTP_PORT" ] && [ "$NIXIE_SMTP_PORT_OTHER" = "$NIXIE_SMTP_PORT" ]
END

# --- it holds, or not ----------------------------------------------------------------------------

check_status 0 "a file that holds" serve shop.scenario -- bash shop
check "is one line" grep -q '^ok  a shop  *2 messages taken$' <<<"$output"
is "remotes share the port, unless a rule comes before recipients" "$(grep -c '^listening' <<<"$output")" 2
check_status 1 "a file that does not hold" serve shop.scenario -- bash shop "41 nixies"
check "says where" grep -q '^FAIL shop.scenario:23:5: order: the body does not contain it$' <<<"$output"
check "with a caret" grep -q '^   |     ^^^^$' <<<"$output"
check "the dialogue" grep -q '^ *+[0-9.]*s  main/[0-9]* C: RCPT TO:<bob@mail.example>$' <<<"$output"
check "and the message" grep -q '^  | 41 nixies$' <<<"$output"
check_status 5 "a command that fails keeps its status" serve shop.scenario -- sh -c 'exit 5'
check "and is judged" grep -q 'order: mail did not take it' <<<"$output"
check "with what came instead" grep -q 'no message is order: to bob@\* .*; there were no messages at all' <<<"$output"

cat >two.scenario <<'END'
remote mail
    serves mail.example
remote other
    serves other.example
match m to *@*.example
expect mail took m once
expect other took m once
expect m delivered to a@other.example
expect m tried once
END
if command -v python3 >/dev/null; then
    check_status 0 "one message for two remotes" serve two.scenario -- python3 -c '
import os, smtplib
with smtplib.SMTP(os.environ["NIXIE_SMTP_HOST"], int(os.environ["NIXIE_SMTP_PORT"])) as server:
    server.sendmail("x@app.example", ["a@mail.example", "a@other.example"], "Subject: x\r\n\r\ny\r\n")'
else
    skip "one message for two remotes" "no python3"
fi
# shellcheck disable=SC2016
check_status 0 "a port of its own by --smtp" serve two.scenario --smtp other=127.0.0.1:0 -- bash -c \
    './send a@mail.example && ./send -p $NIXIE_SMTP_PORT_OTHER a@other.example && [ $NIXIE_SMTP_PORT_OTHER != $NIXIE_SMTP_PORT ]'
check_status 1 "mail for it at the main port is not its" serve two.scenario --smtp other=127.0.0.1:0 -- bash -c \
    './send a@mail.example; ./send a@other.example'
check "and this is seen" grep -q ': m: other did not take it' <<<"$output"

cat >none.scenario <<'END'
match welcome to *@users.example
expect welcome delivered once
expect welcome not refused
END
check_status 0 "a file without remotes" serve none.scenario -- ./send x@users.example
is "says so in one line" "$(tail -1 <<<"$output" | tr -s ' ')" "ok none.scenario 1 message taken"
check_status 1 "addresses choose failures there too" serve none.scenario -- ./send drop+eod@users.example
check "of which the story tells" grep -q 'welcome: refused at .*: taken, but not told so' <<<"$output"

# --- bounces of remotes --------------------------------------------------------------------------

cat >bounce.scenario <<'END'
param status 5.2.2
remote mail
    on EOD take bounce after 100ms status 5.2.2 "552 5.2.2 mailbox full"
match m to bob@x.example
expect m accepted
expect m bounced to bounces+*@app.example once by m accepted +20s status ${status}
    final-recipient bob@x.example
    action failed
    diagnostic "smtp; 552 5.2.2*"
END
cat >bounced <<'END'
"$0" serve bounce.scenario $1 --bounces-to 127.0.0.1:$NIXIE_SMTP_PORT -- bash -c \
    './send -f bounces+1@app.example bob@x.example; for i in {1..200}; do [ -z "$(ls $NIXIE_MAILDIR/new)" ] || break; sleep 0.1; done; sleep 0.5'
status=$?
grep -l "^Final-Recipient: rfc822; bob@x.example" $NIXIE_MAILDIR/new/* >/dev/null || exit 9
exit $status
END
check_status 0 "a bounce that the application's server takes" serve -- bash -c "$(cat bounced)" "$nixie" ""
check_status 1 "one with another status" serve -- bash -c "$(cat bounced)" "$nixie" "-D status=5.1.1"
check "tells which" grep -q 'm: the bounce says 5.2.2' <<<"$output"
check_status 2 "where bounces go must be said" serve bounce.scenario -- true
check "and is asked" grep -q -- 'remote mail sends bounces: where to? (--bounces-to' <<<"$output"

# --- what cannot be judged, or played ------------------------------------------------------------

refused() { # LINE:COLUMN WORDS SCENARIO
    printf '%s\n' "$3" >no.scenario
    check_status 2 "refused: ${3##*$'\n'}" serve no.scenario -- touch ran
    check "with its place, and why" grep -q "^no.scenario:$1: .*$2" <<<"$output"
    check "before anything runs" test ! -e ran
}
head='host mail example.com
    user alice
remote away
    serves away.example
match m to *@away.example'
refused 6:19 "no server of ours" "$head
expect mail spool empty"
refused 6:12 "no server of ours" "$head
expect log \"end msg\""
refused 6:8 "spool entries" "$head
expect m#2 delivered"
refused 6:8 "what becomes of a bounce" "$head
expect m.bounce delivered"
refused 6:10 "application's server" "$head
expect m bounced"
refused 6:14 "no server of ours" "$head
expect m not lost"
refused 7:5 "is not known" "$head
expect m delivered
    contents unchanged"
refused 6:23 "no spool" "$head
expect m delivered by m enters S4 +1h"
refused 6:1 "plays no story" "$head
at 0s alice sends n to bob@away.example"
refused 6:1 "the real network" "$head
network mail to away delay 5s"
printf 'until 5m\n' >no.scenario
check_status 2 "refused: until" serve no.scenario -- true
check_status 2 "a wrong file" serve two.scenario -D x=1 -- true
check_status 2 "nixie run leaves files with match to nixie serve" "$nixie" run two.scenario

# --- other forms ---------------------------------------------------------------------------------

check_status 1 "--tap" serve --tap none.scenario -- true
check "is TAP" grep -q '^not ok 1 - none.scenario$' <<<"$output"
check "with how to see it again" grep -q '^# replay: nixie serve none.scenario -- true$' <<<"$output"
check_status 1 "--junit" serve --junit=result.xml none.scenario -- ./send x@y.example
check "is XML" grep -q '<failure message="welcome: not delivered to \*@users.example"' result.xml
check "with what came instead" grep -q 'from robot@app.example to x@y.example: 250' result.xml
GITHUB_ACTIONS=1 check_status 1 "on GitHub" serve none.scenario -- true
check "failures are annotations" grep -q '^::error file=none.scenario,line=2,col=16::welcome: not delivered' <<<"$output"
bare='exec 3<>/dev/tcp/$NIXIE_SMTP_HOST/$NIXIE_SMTP_PORT; printf "NOOP\n" >&3; read -r <&3; read -r <&3'
check_status 0 "bad SMTP is noted" serve -- bash -c "$bare"
check "with what it was" grep -q '^note: a client did what SMTP forbids: bare LF' <<<"$output"
check_status 1 "with --strict it fails" serve --strict -- bash -c "$bare"
check "and is told" grep -q '^FAIL nixie serve: BAD-SMTP: a client did what SMTP forbids: bare LF' <<<"$output"

# Whatever clients say, at once or cut anywhere, it is heard out and judged.
cat >fuzz <<'END'
import os, random, socket
where = os.environ["NIXIE_SMTP_HOST"], int(os.environ["NIXIE_SMTP_PORT"])
chance = random.Random(5)
lines = [b"EHLO x", b"HELO y", b"MAIL FROM:<a@b.example>", b"MAIL FROM:<>", b"MAIL FROM:<@r.example:a@b.example>",
         b"MAIL FROM:", b'RCPT TO:<"x>\\"y"@c.example>', b"RCPT TO:<c@d.example>", b"RCPT TO:<drop@d.example>",
         b"RCPT TO:<drop+eod@d.example>", b"RCPT TO:<drop+data@d.example>", b"RCPT TO:<defer+421@d.example>",
         b"RCPT TO:<bounce@d.example>", b"RCPT TO:<>", b"DATA", b"DATA", b"Subject: =?utf-8?q?=?=", b"", b".", b".", b"RSET",
         b"NOOP \0\xff", b"AUTH LOGIN", b"AUTH PLAIN AGEAYg==", b"*", b"QUIT", b"x" * 3000]
for i in range(60):
    with socket.create_connection(where) as one:
        one.settimeout(10)
        wire = b"".join(chance.choice(lines) + chance.choice([b"\r\n"] * 20 + [b"\n", b"\r", b""]) for _ in range(chance.randrange(40)))
        if chance.random() < 0.7:
            wire = b"EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n" + wire
        try:
            one.sendall(wire)
            if chance.random() < 0.8:
                one.shutdown(socket.SHUT_WR)
                while one.recv(65536):
                    pass
        except OSError:
            pass
END
printf 'match m to c@d.example\nexpect m delivered\nexpect m tried\n' >fuzz.scenario
if command -v python3 >/dev/null; then
    check_status 0 "hostile clients" serve -v fuzz.scenario -- python3 fuzz
    check "do no harm" [ "$(grep -c 'Sanitizer\|runtime error' <<<"$output")" = 0 ]
    sed -i 's/delivered/not delivered/' fuzz.scenario
    check_status 1 "nor where they must be told of" serve --strict fuzz.scenario -- python3 fuzz
    check "with a story" grep -q '^from a@b.example to c@d.example: ' <<<"$output"
else
    skip "hostile clients" "no python3"
fi

serve_in_background none.scenario
wait_for 10 grep -q '^mail goes to' out
kill -INT "$server"
wait "$server"
is "in the foreground ^C is the time to judge" $? 1
check "and why is told" grep -q '^FAIL none.scenario:2:16: welcome: not delivered' out
is "no server is left" "$(running)" ""
tap_end
