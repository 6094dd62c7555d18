#!/bin/bash
# nixie serve: ports, exit statuses, the Maildir, addresses that choose failures, what goes wrong
# around it.  serve-expect.sh has expectations, serve-app.sh applications and CI.
. tests/e2e/tap.bash
. tests/e2e/serve.bash

# --- without a file -----------------------------------------------------------------------------

check_status 0 "a command that ends with 0" serve -- ./send bob@x.example
is "takes everything" "$(sed -n '/^2/p' <<<"$output" | cut -c 1-3 | tr '\n' ' ')" "250 250 "
check "tells where it listens" grep -q '^listening on 127\.0\.0\.1:[0-9]' <<<"$output"
is "and leaves nothing behind" "$(ls -A "$TMPDIR")" ""
check_status 7 "a command that ends with 7" serve -- sh -c 'exit 7'
check_status 137 "a command that is killed" serve -- sh -c 'kill -9 $$'
check_status 127 "a command that is not there" serve -- ./nothing
check "is told" grep -q 'cannot run ./nothing: No such file' <<<"$output"
touch plain
check_status 126 "a command that is no program" serve -- ./plain
for wrong in "--what" "--smtp" "--smtp nonsense" "--smtp 127.0.0.1:70000" "--smtp 1.2.3:25" "--smtp ::1:25" "--" \
    "-D a=b" "one two" "--smtp away=127.0.0.1:0" "--bounces-to 127.0.0.1:0" "--maildir=" "missing.scenario"; do
    # shellcheck disable=SC2086
    check_status 2 "wrong: $wrong" serve $wrong </dev/null
done
check_status 3 "a Maildir that cannot be" serve --maildir /dev/null/x -- true
check "is told" grep -q 'cannot make a Maildir in /dev/null/x: Not a directory' <<<"$output"
check_status 0 "help" serve --help
# shellcheck disable=SC2016
is "the environment" "$(serve --smtp 127.0.0.1:0 --maildir box -- sh -c \
    'echo "$NIXIE_SMTP_URL $NIXIE_MAILDIR" | sed "s/:$NIXIE_SMTP_PORT /:PORT /"' 2>/dev/null)" "smtp://127.0.0.1:PORT $tmp/box"
is "the command's input and output are its own" "$(echo in | serve -- sh -c 'cat; echo error >&2' 2>/dev/null)" in
# shellcheck disable=SC2016
check_status 3 "a port in use" serve --smtp localhost:0 -- sh -c \
    'exec "$0" serve --smtp 127.0.0.1:$NIXIE_SMTP_PORT -- true' "$nixie"
check "is told" grep -q '127.0.0.1:[0-9]*: cannot listen: address in use; --smtp 127.0.0.1:0' <<<"$output"
check_status 0 "several addresses" serve --smtp 127.0.0.1:0 --smtp=127.0.0.2:0 -- true
check "all are listened at" grep -q '^listening on 127\.0\.0\.2:' <<<"$output"
if grep -q ' lo$' /proc/net/if_inet6 2>/dev/null; then
    # shellcheck disable=SC2016
    check_status 0 "IPv6" serve --smtp '[::1]:0' -- sh -c 'test "$NIXIE_SMTP_URL" = "smtp://[::1]:$NIXIE_SMTP_PORT"'
else
    skip "IPv6" "there is none"
fi

# --- addresses that choose failures: the how-to's table, row by row ------------------------------

cat >rows <<'END'
while IFS='|' read -r address reply; do
    got=$(./send "$address@x.example" 2>/dev/null | head -1)
    [ "${got:-no reply}" = "$reply" ] || echo "$address: $got, not $reply"
done
END
# shellcheck disable=SC2016
sed -n -e 's/^| `\([^`@]*\)@\.\.\.` | `\([^`]*\)` .*/\1|\2/p' -e 's/^| `\([^`@]*\)@\.\.\.` | \(no reply\) .*/\1|\2/p' \
    "$repository/docs/how-to/test-an-application.md" >table
is "the how-to has a table of addresses" "$(wc -l <table)" 12
check_status 0 "the server can be asked for all" serve -- bash rows <table
is "each does what the table says" "$(sed '/^listening/d; /^mail goes/d' <<<"$output")" ""
words=$(sed -n 's/^    {"\([a-z]*\)", *do_.*/\1/p' "$repository/sim/actors/smtp-server/address_rules.c")
is "no word of the actor's table is missing" \
    "$(for word in $words; do grep -q "^$word" table || echo "$word"; done)" ""
check "the actor's table was found" [ "$(wc -w <<<"$words")" -ge 5 ]
# shellcheck disable=SC2016
check "drop+eod is taken all the same" serve --maildir eod -- sh -c './send drop+eod@x.example; test "$(ls eod/new | wc -l)" = 1'
start=${EPOCHREALTIME/./}
serve -- ./send slow+400ms@x.example >/dev/null 2>&1
check "slow+400ms takes its time" [ $((${EPOCHREALTIME/./} - start)) -ge 400000 ]
# shellcheck disable=SC2016
check "greylist+3 lets the fourth through" serve -- bash -c \
    'for i in 1 2 3; do [[ $(./send greylist+3@x.example) == 451* ]] || exit 1; done; [[ $(./send greylist+3@x.example) == 250* ]]'

# --- the Maildir ---------------------------------------------------------------------------------

serve --maildir box -- ./send -f '' '"a b"@x.example' $'=?utf-8?q?caf=C3=A9?= \xff' $'..two dots\r\nbare\rcr' >/dev/null 2>&1
file=$(ls box/new)
is "a message is as it was sent" "$(od -c "box/new/$file")" \
    "$(printf 'Subject: =?utf-8?q?caf=C3=A9?= \xff\n\n.two dots\nbare\rcr\n' | od -c)"
is "its envelope is beside it" "$(grep -v '"time"' "box/envelopes/$file.json" | tr -d '\n')" \
    '{  "message": "'"$file"'",  "server": "mx.example",  "from": "",  "to": ["\"a b\"@x.example"],  "client": "127.0.0.1",  "helo": "app.example"}'
check "--maildir is kept" test -d box/cur
serve --keep -- ./send bob@x.example >/dev/null 2>&1
is "--keep keeps" "$(find "$TMPDIR" -path '*/new/*' | wc -l)" 1
rm -rf "$TMPDIR"/nixie-serve.*
serve -- sh -c './send bob@x.example; exit 1' >out 2>&1
check "so does a failure, and it is told" test -d "$(sed -n 's/^nixie serve: the mail is in //p' out)"
rm -rf "$TMPDIR"/nixie-serve.*

# --- in the foreground ---------------------------------------------------------------------------

start_foreground --keep
port=$(sed -n 's/^listening on 127.0.0.1://p' out)
NIXIE_SMTP_HOST=127.0.0.1 NIXIE_SMTP_PORT=$port ./send bob@x.example $'=?iso-8859-1?q?Gr=FC=DFe?= \e[2J' >/dev/null
check "each message is a line" wait_for 5 grep -q '^+[0-9.]*s  took 1: robot@app.example -> bob@x.example, [0-9]* bytes: Grüße ?\[2J$' out
kill -INT "$server"
wait "$server"
is "^C ends it with 0" $? 0
is "with all its servers" "$(running)" ""
start_foreground -v
NIXIE_SMTP_HOST=127.0.0.1 NIXIE_SMTP_PORT=$(sed -n 's/^listening on 127.0.0.1://p' out) ./send bob@x.example >/dev/null
check "-v shows dialogues" wait_for 5 grep -q '^ *+[0-9.]*s  1 C: RCPT TO:<bob@x.example>$' out
kill -TERM "$server"
wait "$server"
is "TERM ends it too" "$?$(running)" 0
start_foreground
kill -KILL "$server"
wait "$server" 2>/dev/null
check "KILL of nixie is the end of its servers" wait_for 5 gone
rm -rf "$TMPDIR"/nixie-serve.*

# --- signals with a command ----------------------------------------------------------------------

serve_in_background -- sh -c 'trap "exit 9" TERM; echo ready; while :; do sleep 0.1; done'
check "a command runs" wait_for 5 grep -q ready out
kill -TERM "$server"
wait "$server"
is "TERM is passed on, and is the end" "$? $(running)" "143 "
serve_in_background -- sh -c 'trap "" TERM INT; echo ready; while :; do sleep 0.1; done'
wait_for 5 grep -q ready out
kill -INT "$server"
again() { kill -INT "$server" 2>/dev/null; sleep 0.3; dead "$server"; } # two at once are one
wait_for 5 again
wait "$server"
is "the second ^C is the end of a stubborn command" "$?" 130
check "it is said that nothing is judged" grep -q 'interrupted' out
serve_in_background -- sh -c 'sleep 60 & echo $! >sleeper'
wait_for 20 dead "$server"
check "children that a command leaves behind keep nothing up" dead "$server"
kill "$(cat sleeper)" 2>/dev/null
# shellcheck disable=SC2016
check_status 125 "a server that dies is an error of its own" serve -- sh -c 'kill -9 "$(pgrep -P $PPID nixie-actor)"; exec sleep 20'
check "and is told" grep -q 'ended with signal 9' <<<"$output"

# shellcheck disable=SC2016
check_status 0 "ended children that are ignored by who starts it are waited for" \
    timeout 100 bash -c 'trap "" CHLD; exec "$0" serve -- true' "$nixie"

# --- where nothing can be written, and where there is no room -------------------------------------

mkdir -m 555 readonly
as_someone=()
[ "$(id -u)" = 0 ] && as_someone=(setpriv --reuid=64123 --regid=64123 --clear-groups)
# shellcheck disable=SC2016
check "it needs no right to write where it runs" "${as_someone[@]}" bash -c \
    'cd readonly && timeout 200 "$0" serve -- ../send bob@x.example' "$nixie"
cat >full <<'END'
mkdir room && mount -t tmpfs -o size=160k none room || exit 77
timeout 200 "$1" serve --maildir room/box -- bash -c '
    big=$(head -c 100000 /dev/zero | tr "\0" x | fold -w 900 | sed "s/\$/\r/")
    ./send a@x.example big "$big" | tail -1
    ./send b@x.example big "$big" | tail -1
    ./send c@x.example small | tail -1
    echo "$(ls room/box/new | wc -l) $(ls room/box/tmp | wc -l)"'
END
unshare=(unshare -m)
[ "$(id -u)" = 0 ] || unshare=(unshare -rm)
output=$("${unshare[@]}" bash full "$nixie" 2>&1)
if [ $? = 77 ]; then
    skip "a full disk" "nothing can be mounted here"
else
    is "a full disk: refused for now, later mail is taken" "$(grep '^[0-9]' <<<"$output" | tr '\n' ';')" \
        "250 2.0.0 ok, taken;452 4.3.1 there is no room for this;250 2.0.0 ok, taken;2 0;"
    check "and it is said" grep -q 'messages are refused (452): cannot write to .*: no space' <<<"$output"
fi
cat >much <<'END'
import os, smtplib, socket, threading
where = os.environ["NIXIE_SMTP_HOST"], int(os.environ["NIXIE_SMTP_PORT"])
line = b"x" * 998 + b"\r\n"
with smtplib.SMTP(*where) as server:
    server.sendmail("a@b.example", ["c@d.example"], line * 30000)
    try:
        server.sendmail("a@b.example", ["c@d.example"], line * 70000)
    except smtplib.SMTPException as error:
        print("too big:", error.args[0])
open_ones = [socket.create_connection(where) for _ in range(300)]
for one in open_ones:
    assert one.recv(3) == b"220"
def send(i):
    with smtplib.SMTP(*where) as server:
        for k in range(5):
            server.sendmail("a@b.example", [f"{i}.{k}@d.example"], b"Subject: x\r\n\r\nx\r\n")
threads = [threading.Thread(target=send, args=(i,)) for i in range(100)]
[t.start() for t in threads]
[t.join() for t in threads]
new = os.path.join(os.environ["NIXIE_MAILDIR"], "new")
print(len(os.listdir(new)), max(os.path.getsize(os.path.join(new, name)) for name in os.listdir(new)))
END
if command -v python3 >/dev/null; then
    is "huge messages, and 400 connections at once" "$(serve -- python3 much 2>/dev/null | tr '\n' ' ')" "too big: 552 501 29970000 "
else
    skip "huge messages, and 400 connections at once" "no python3"
fi
is "nothing is left of all that" "$(running)$(ls -A "$TMPDIR")" ""
tap_end
