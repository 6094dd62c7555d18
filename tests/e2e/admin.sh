#!/bin/bash
# nixie mta list, retry, hold, release, expire, delete: beside a running server, and without one.
# Signals of send too.  Prints TAP.
. tests/e2e/tap.bash
. tests/e2e/server.bash
as_ordinary_user
home=$tmp/home
mta() { local verb=$1; shift; timeout 60 "$nixie" mta "$verb" "$home" "$@"; }
submit() { printf 'Subject: %s\n\nbody\n' "$1" | NIXIE_HOME=$home "$home/bin/nixie-inject" -f "${2-$1@away.example}" "${@:3}"; }
log() { cat "$home/log/current"; }
logged() { [ "$(log | grep -cE -- "$1")" -ge "${2:-1}" ]; }
log_says() { wait_for 20 logged "$@"; }
heads() { mta list "$@" 2>&1 | grep '^[0-9]' | sed 's/, [0-9a-z]* old,/,/'; }
numbers() { mta list "$@" 2>/dev/null | sed -n 's/^\([0-9][0-9]*\) .*/\1/p' | tr '\n' ' '; }
number_of() { mta list from="$1@*" | sed -n 's/^\([0-9][0-9]*\) .*/\1/p'; }
tries() { log | grep -cE "msg $1 to local (slow@|alice-v)"; }
tried() { [ "$(tries "$1")" -ge "$2" ]; }
waits_for_retry() { mta list "$1" | grep -q 'next try in'; }
set_slow() { printf '|echo later; exit 111\n' >"$home/users/slow/.qmail"; }
set_fast() { printf './Maildir/\n' >"$home/users/slow/.qmail"; }
stop_server() { server_stop "$home"; wait $server; }
start_server() { server_start "$home"; server=$!; }

check "a server" server_make "$home" alice slow
echo 'v.example:alice-v' >"$home/control/virtualdomains"
echo ':127.0.0.1:1' >"$home/control/smtproutes" # nobody is there
set_slow
printf '|echo later; exit 111\n' >"$home/users/alice/.qmail-v-default"
start_server
check "starts" server_is_up "$home"
is "run/send is the admin's alone" "$(stat -c %a "$home/run/send")" 600
is "an empty queue" "$(mta list)" ""
check_status 1 "nothing is selected" mta retry all

# --- list, selections ----------------------------------------------------------------------------
submit joe joe@away.example slow alice
submit ann ann@Other.example slow
submit list '' who@v.example
joe=$(number_of joe) ann=$(number_of ann) list=$(mta list from= | sed -n 's/^\([0-9][0-9]*\) .*/\1/p')
check "three wait" wait_for 10 tried "$list" 1
check "joe waits" wait_for 5 waits_for_retry "$joe"
check "list waits" wait_for 5 waits_for_retry "$list"
is "recipients: done or not" "$(mta list "$joe" | sed 1d | sed 's/next try in .*/next try/')" \
    "    local  slow@$domain, next try
    local  alice@$domain, done"
check "sizes and ages" eval 'mta list "$joe" | head -1 | grep -qE "^$joe  [0-9]+ bytes, [0-9]+[sm] old, from <joe@away.example>$"'
is "without a prefix of virtualdomains" "$(mta list "$list" | sed -n 's/^    local  \([^,]*\),.*/\1/p')" who@v.example
is "by domain of the sender" "$(numbers from=other.example)" "$ann "
is "by sender" "$(numbers from=J?E@away*)" "$joe "
is "bounces" "$(numbers from=)" "$list "
is "by recipient's domain" "$(numbers to=v.example)" "$list "
is "by recipient" "$(numbers to=who@v.*)" "$list "
is "recipients that are done do not count" "$(numbers to=alice@*)" ""
is "one of several patterns" "$(numbers from= from=joe@*)" "$joe $list "
is "all of several conditions" "$(numbers from=joe@* to=v.example)" ""
is "by age" "$(numbers older=1h)" ""
is "numbers" "$(numbers "$ann" "$list")" "$ann $list "
check_status 1 "a number that is none of the queue" mta list 999999
is "is told" "$output" "nixie-admin: message 999999: there is no such message"
for word in 0 1x from FROM=x older=x older= older=5y older=99999999999999999999d -1 ''; do
    check_status 2 "no selection: '$word'" mta list all "$word"
done
check_status 2 "retry needs a selection" mta retry
check_status 2 "not a home" "$nixie" mta list /nowhere all
is "DIR may be left out" "$(cd "$home" && "$nixie" mta list "$ann" | head -1 | sed 's/, [0-9]*s old,/,/')" \
    "$(mta list "$ann" | head -1 | sed 's/, [0-9]*s old,/,/')"

# --- retry, hold, release, expire, delete --------------------------------------------------------
check "retry" mta retry "$joe"
check "tries at once" wait_for 5 tried "$joe" 2
is "and only that" "$(tries "$ann")" 1
check "hold" mta hold "$joe" "$ann"
is "is marked" "$(ls "$home/queue/mark" | sort | tr '\n' ' ')" "$(printf '%s\n' "$joe.hold" "$ann.hold" | sort | tr '\n' ' ')"
is "and shown" "$(numbers held)" "$joe $ann "
check_status 1 "held messages are not retried" mta retry "$joe"
is "which is told" "$output" "nixie-admin: message $joe: it is held
0 messages will be tried now"
check_status 1 "others are not released" mta release "$list"
kill -ALRM "$(server_pids "$home" send)"
check "ALRM: all is due" wait_for 5 tried "$list" 2
is "but what is held" "$(tries "$joe") $(tries "$ann")" "2 1"
stop_server
start_server
check "a restart: what is not held goes on" wait_for 5 server_is_up "$home"
is "and holds what is held" "$(numbers held)" "$joe $ann "
sleep 0.3
is "without a try" "$(tries "$joe") $(tries "$ann")" "2 1"
check "expire" mta expire "$joe"
is "waits while it is held" "$(tries "$joe")" 2
check "release" mta release "$joe"
check "then the last try is made" log_says "^@[0-9a-f]* bounce msg $joe qp"
check "with its reason" logged 'failure: later/I.m_not_going_to_try_again'
check "and it ends" log_says "^@[0-9a-f]* end msg $joe\$"
check "delete" mta delete "$ann"
check "it ends" log_says "^@[0-9a-f]* end msg $ann\$"
is "without a bounce" "$(log | grep -c "bounce msg $ann ")" 0
check "with a line in the log" logged "msg $ann deleted by the admin"
no_files() { [ -z "$(find "$home/queue" -name "$1" -o -name "$1.*")" ]; }
check "and nothing is left of it, mark included" wait_for 15 no_files "$ann"
check "nor of the expired one's mark" wait_for 15 no_files "$joe"

# --- a delivery that runs ------------------------------------------------------------------------
printf '|echo run >>%s; sleep 2; exit 111\n' "$tmp/runs" >"$home/users/slow/.qmail"
submit run run@away.example slow alice slow
run=$(number_of run)
check "a delivery runs" wait_for 5 test -s "$tmp/runs"
check "delete during a delivery" mta delete "$run"
check "waits for it" log_says "^@[0-9a-f]* end msg $run\$"
is "and starts no more" "$(tries "$run")" 2
set_slow

# --- many, while messages come and go ------------------------------------------------------------
for ((i = 0; i < 60; i++)); do submit "m$i" "m$i@many.example" slow; done
listed() { [ "$(numbers from=many.example | wc -w)" = "$1" ]; }
check "60 messages" wait_for 20 listed 60
is "are held" "$(mta hold from=many.example)" "60 messages held"
(for ((i = 0; i < 20; i++)); do submit "x$i" "x$i@x.example" alice; done) &
is "released" "$(mta release from=many.example)" "60 messages released"
is "and deleted" "$(mta delete from=many.example)" "60 messages deleted"
wait $!
check "all gone" wait_for 20 listed 0
ended() { for n in "$home"/queue/mark/*; do [ ! -e "$n" ] || return 1; done; }
check "their marks too" wait_for 20 ended
is "no bounces came of it" "$(log | grep -c 'to remote .*@many.example')" 0
check "the others arrived" wait_for 20 has_mails "$home" alice 20

# --- clients that behave badly -------------------------------------------------------------------
if command -v python3 >/dev/null; then
    check "clients that say rubbish, never read, or go away do not stop send" timeout 60 python3 - "$home/run/send" <<'END'
import socket, sys, time
def connect():
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(10)
    s.connect(sys.argv[1])
    return s
silent = connect()
rubbish = connect()
rubbish.sendall(b"\x00\xff hello\nretry\nretry x\nretry 0\nhold 99999999999999999999\n\nDELETE 5\n")
got = b""
while got.count(b"\n") < 7:
    got += rubbish.recv(1000)
assert got == b"no 0 what is that?\n" * 7, got
long = connect()
long.sendall(b"x" * 4096)
assert long.recv(10) == b""
deaf = connect()
deaf.setblocking(False)
sent = 0
try:
    while sent < 50_000_000:
        sent += deaf.send(b"retry 123456789\n" * 1000)
except BlockingIOError:
    pass
assert sent < 50_000_000
gone = [connect() for _ in range(10)]
for s in gone:
    s.sendall(b"hold 123456\n")
    s.close()
s = connect()
s.sendall(b"retry 77777777\nretry 88888888\n")
s.shutdown(socket.SHUT_WR)
got = b""
while True:
    part = s.recv(1000)
    if not part:
        break
    got += part
assert got == b"no 77777777 there is no such message\nno 88888888 there is no such message\n", got
END
else
    skip "clients that behave badly" "no python3"
fi
submit after after@away.example alice
check "mail goes on" wait_for 10 has_mails "$home" alice 21

# --- HUP -----------------------------------------------------------------------------------------
echo new.example >>"$home/control/locals"
echo "$domain" >>"$home/control/locals"
echo 'w.example:alice' >"$home/control/virtualdomains"
submit hup1 hup@away.example alice@new.example
check "locals are read at the start" log_says 'to remote alice@new.example'
kill -HUP "$(server_pids "$home" send)"
sleep 0.2
submit hup2 hup@away.example alice@new.example who@w.example
check "HUP: locals" log_says 'to local alice@new.example'
check "and virtualdomains" log_says 'to local alice-who@w.example'
echo 'w.example' >"$home/control/locals.new" && rm "$home/control/locals" && mkdir "$home/control/locals"
kill -HUP "$(server_pids "$home" send)"
check "a file that cannot be read" log_says 'alert: unable to reread control/locals'
submit hup3 hup@away.example alice@new.example
check "stays as it was" log_says 'to local alice@new.example' 2
rmdir "$home/control/locals"
printf '%s\nnew.example\n' "$domain" >"$home/control/locals"
mta delete all >/dev/null 2>&1

# --- recipients that are too long when they are rewritten ----------------------------------------
{ printf 'big.example:'; head -c 1000000 /dev/zero | tr '\0' x; echo; } >"$home/control/virtualdomains"
kill -HUP "$(server_pids "$home" send)"
sleep 0.2
many=$(printf 'r%d@big.example ' {1..70})
# shellcheck disable=SC2086
submit big1 big1@big.example $many
# shellcheck disable=SC2086
submit big2 big2@big.example $many
big1=$(number_of big1) big2=$(number_of big2)
too_long="unable to preprocess todo/$big1: its recipients are too long"
check "is told" log_says "alert: $too_long"
is "the message is listed" "$(heads "$big1" | sed 's/[0-9]* bytes/N bytes/')" "$big1  N bytes, from <big1@big.example>, new"
check_status 1 "it cannot be held" mta hold "$big1"
is "which is told" "$output" "nixie-admin: message $big1: its recipients are too long
0 messages held"
check "nor delivered when it is retried" mta retry "$big1"
check "it is looked at again" log_says "alert: $too_long" 2
is "and not by itself" "$(log | grep -c "alert: $too_long")" 2
check "but it can be deleted" mta delete "$big1"
check "nothing is left of it" wait_for 15 no_files "$big1"
echo 'big.example:alice' >"$home/control/virtualdomains"
kill -HUP "$(server_pids "$home" send)"
check "HUP, with other control files: the other one is delivered" log_says "to local alice-r70@big.example"
mta delete all >/dev/null 2>&1

# --- without a server ----------------------------------------------------------------------------
check "the queue is empty" wait_for 20 queue_is_empty "$home"
for who in hold expire delete retry; do submit $who $who@off.example slow; done
check "four wait" wait_for 10 logged 'deferral: later' 4
hold=$(number_of hold) expire=$(number_of expire) delete=$(number_of delete) retry=$(number_of retry)
check "all deferred" wait_for 5 waits_for_retry "$retry"
stop_server
some=$(numbers | cut -d' ' -f1)
mv "$home/queue/mark" "$tmp/mark"
check_status 1 "delete in a home without queue/mark" mta delete "$some"
is "says what makes it" "$(head -1 <<<"$output")" "nixie-admin: message $some: this home has no queue/mark: nixie mta init makes it"
mv "$tmp/mark" "$home/queue/mark"
is "stopped" "$(mta status | head -1)" "not running"
submit new new@off.example slow
new=$(number_of new)
is "what is not preprocessed is listed" "$(heads "$new" | sed 's/[0-9]* bytes/N bytes/')" "$new  N bytes, from <new@off.example>, new"
is "hold without a server" "$(mta hold "$hold" "$new")" "2 messages held"
is "expire" "$(mta expire "$expire")" "1 message will expire"
is "delete" "$(mta delete "$delete")" "1 message deleted"
is "retry" "$(mta retry "$retry")" "1 message will be tried now"
is "is shown" "$(heads | sed -e 's/[0-9]* bytes/N/')" "$(printf '%s  N, from <%s@off.example>%s\n' \
    "$hold" hold ', held' "$expire" expire ', its next try is the last' "$delete" delete ', to be deleted' \
    "$retry" retry '' "$new" new ', new, held' | sort -n)"
check_status 1 "what is to be deleted cannot be held" mta hold "$delete"
check_status 1 "a message that is not there" mta delete 999999
before=$(tries "$retry")
start_server
check "the next start deletes" log_says "msg $delete deleted by the admin"
check "expires" log_says "bounce msg $expire qp"
check "tries" wait_for 5 tried "$retry" $((before + 1))
check "preprocesses" log_says "new msg $new\$"
is "and holds" "$(tries "$hold") $(tries "$new") $(numbers held)" "1 0 $hold $new "
check "nothing is left of what was deleted" wait_for 15 no_files "$delete"
set_fast
check "release lets it go" mta release "$new"
check "to its mailbox" wait_for 5 has_mails "$home" slow 1

# --- TERM ----------------------------------------------------------------------------------------
printf '|sleep 1\n./Maildir/\n' >"$home/users/slow/.qmail"
submit term term@away.example slow
term=$(number_of term)
check "a delivery runs" wait_for 5 tried "$term" 1
stop_server
is "TERM: exit 0" $? 0
check "the delivery ended first" logged "end msg $term\$"
check "send said that it is leaving" logged 'status: local 1/20 remote 0/[0-9]* exitasap'
check "and the sockets are gone" test ! -e "$home/run/send"
tap_end
