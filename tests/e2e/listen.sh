#!/bin/bash
# nixie-listen with nixie-smtpd: mail from real connections on this machine.  Prints TAP.
. tests/e2e/tap.bash
. tests/e2e/server.bash
as_ordinary_user
unset NIXIE_HOME
home=$tmp/home
programs="start send queue lspawn clean log listen smtpd"
# shellcheck disable=SC2086
trap 'server_kill "$home" $programs; rm -rf "$tmp"' EXIT
logged() { grep -q -- "$1" "$home/log/current"; }
lines() { grep -c -- "$1" "$home/log/current"; }
# As server_pids, quicker.
server_pids() { find /proc/[0-9]*/exe -lname "$1/bin/nixie-$2" 2>/dev/null | cut -d/ -f3; }
client() { timeout 200 python3 tests/e2e/listen.py "$address" "$@" 2>&1; }
is_up() { server_is_up "$home" && [ -s "$home/run/listen" ]; }
workers() { server_pids "$home" smtpd | wc -l; }
no_worker() { [ -z "$(server_pids "$home" smtpd)" ]; }
start() { # OPTION...
    "$nixie" mta start "$home" "$@" >"$tmp/start.log" 2>&1 </dev/null &
    wait_for 10 is_up && address=$(head -1 "$home/run/listen")
}

check "make a home" server_make "$home" alice
if ! command -v python3 >/dev/null; then
    skip "connections" "no python3"
    tap_end
fi
"$nixie" mta start "$home" >"$tmp/start.log" 2>&1 </dev/null &
wait_for 10 server_is_up "$home"
check "without control/listen or --smtp nothing listens" no_worker
is "nor nixie-listen runs" "$(server_pids "$home" listen)" ""
server_stop "$home"
check_status 2 "--smtp needs an address" "$nixie" mta start "$home" --smtp
if [ "$(cat /proc/sys/net/ipv4/ip_unprivileged_port_start)" -gt 25 ]; then
    timeout 100 "$nixie" mta start "$home" --smtp 127.0.0.1:25 >"$tmp/start.log" 2>&1 </dev/null &
    check "a port of root's is told" wait_for 10 grep -q '^cannot listen on 127.0.0.1:25: access denied; ports below 1024' "$tmp/start.log"
    server_stop "$home"
else
    skip "a port of root's" "here are none"
fi
start --smtp 127.0.0.1:0
tap_result $? "start"
is "the address is printed" "$(cat "$tmp/start.log")" "listening on $address"
check "and told by status" grep -qx "listening on $address" <("$nixie" mta status "$home")
check "and in the log" logged "listen ready on $address"
check "no worker before the first connection" no_worker

# --- mail comes in ---
is "a message" "$(client one alice@mail.example)" sent
check "is delivered" wait_for 10 has_mails "$home" alice 1
is "as it was sent" "$(sed '1,/^$/d' "$(mails "$home" alice)")" ".dots
..

last"
check "with where it came from" grep -qx 'Received: from unknown (HELO [^ ]*) (127.0.0.1)' \
    "$(mails "$home" alice)"
check "and which program gave it to the queue, in single-user mode too" \
    grep -qx 'Received: (nixie-queue [0-9]* invoked from network); .*' "$(mails "$home" alice)"
is "one more worker than sessions is not started" "$(workers)" 1
is "three messages in one segment" "$(client pipelined alice@mail.example 3)" "250 553 250 354 250
250 553 250 354 250
250 553 250 354 250
221 b''"
check "are delivered" wait_for 10 has_mails "$home" alice 4
check "and all told of in the log" test "$(lines 'smtpd 127.0.0.1:[0-9]* accepted qp')" = 4
check "and their session" logged 'smtpd 127.0.0.1:[0-9]* end quit accepted 3 refused 3 helo app'

# --- control files that change under way: workers look at them again after half a second ---
echo 20 >"$home/control/databytes"
sleep 0.7
is "databytes counts from half a second later on" "$(client refused alice@mail.example)" \
    "552 5.3.4 sorry, that message size exceeds my databytes limit"
rm "$home/control/databytes"
sleep 0.7
is "and no more when it is gone" "$(client one alice@mail.example)" sent
echo nonsense >"$home/control/databytes"
sleep 0.7
check "a wrong one refuses for now" grep -q 421 <(client one alice@mail.example)
check "which the log tells" wait_for 5 logged 'smtpd alert: unable to read control/databytes'
rm "$home/control/databytes"

# --- limits ---
listen=$(server_pids "$home" listen)
start=$(server_pids "$home" start)
echo 2 >"$home/control/concurrencyperaddress"
kill -HUP "$start"
third_refused() { [ "$(client hold 3 3 | head -3)" = "220 mail.
220 mail.
421 4.7.0" ]; }
check "the third of an address is refused" wait_for 5 third_refused # HUP takes its time
check "is told of" wait_for 5 logged 'listen refused, too many connections: 127.0.0.1:'
rm "$home/control/concurrencyperaddress"
echo 3 >"$home/control/concurrencyincoming"
kill -HUP "$start"
fourth_waits() { [ "$(client hold 4 3)" = "220 mail.
220 mail.
220 mail.
no greeting
the last: 220 mail." ]; }
check "connections over concurrencyincoming wait" wait_for 5 fourth_waits
check "which is told" logged 'listen all places taken, others wait'
rm "$home/control/concurrencyincoming"
kill -HUP "$start"
is "still the same nixie-listen" "$(server_pids "$home" listen)" "$listen"

# --- what dies ---
coproc WAITER { client wait; }
waiter=$WAITER_PID # unset when it ends
read -r -t 10 _ <&"${WAITER[0]}"
# shellcheck disable=SC2086
kill -9 $(server_pids "$home" smtpd)
echo go >&"${WAITER[1]}"
check "a worker killed in a session ends it" grep -qx -e 'ConnectionResetError' -e '' \
    <(cat <&"${WAITER[0]}")
wait "$waiter" 2>/dev/null
check "and is told of" wait_for 5 logged 'listen alert: smtpd [0-9]* ended: signal 9'
is "the next session is served" "$(client one alice@mail.example)" sent
kill -9 "$listen"
new_listen() { [ -n "$(server_pids "$home" listen)" ] && [ "$(server_pids "$home" listen)" != "$listen" ]; }
check "nixie-listen is started again" wait_for 20 new_listen
again() { [ "$(client one alice@mail.example)" = sent ]; }
check "on the same port" wait_for 10 again
kill -9 "$(server_pids "$home" queue)"
check "when the queue has died" again
queue_runs() { [ -n "$(server_pids "$home" queue)" ] && [ -S "$home/run/queue" ]; }
wait_for 20 queue_runs
listen=$(server_pids "$home" listen)

# --- no descriptors ---
if command -v prlimit >/dev/null; then
    free=3
    while [ -e "/proc/$listen/fd/$free" ]; do free=$((free + 1)); done
    prlimit --nofile="$free":4096 --pid "$listen"
    client one alice@mail.example >"$tmp/late" &
    check "without a free descriptor" wait_for 5 logged 'listen alert: unable to accept'
    prlimit --nofile=4096:4096 --pid "$listen"
    wait $!
    is "the client waits until there is one" "$(cat "$tmp/late")" sent
else
    skip "no free descriptor" "no prlimit"
fi

# --- many ---
fds() { find /proc/"$1"/fd -mindepth 1 | wc -l; }
memory() { awk '/^VmData/ {print $2}' "/proc/$1/status"; }
is "sessions from one" "$(client many 1 20 alice@mail.example)" "failed: 0"
is "and a message" "$(client one alice@mail.example)" sent # the worker keeps its way to the queue
worker=$(server_pids "$home" smtpd | head -1) queue=$(server_pids "$home" queue)
descriptors=$(fds "$worker") grown=$(memory "$worker")
is "200 sessions more" "$(client many 1 200 alice@mail.example)" "failed: 0"
is "and a message" "$(client one alice@mail.example)" sent
check "use no descriptors of the worker up" test "$(fds "$worker")" -le $((descriptors + 1))
is "nor memory" "$(memory "$worker")" "$grown"
wait_empty "$home" 20
of_listen=$(($(fds "$listen") - $(workers))) of_queue=$(fds "$queue")
is "a thousand from ten" "$(client many 10 100 alice@mail.example)" "failed: 0"
check "leave an empty queue" wait_empty "$home" 30
check "and at most concurrencyincoming workers" test "$(workers)" -le 20
is "no descriptors of nixie-listen but one a worker" "$(($(fds "$listen") - $(workers)))" "$of_listen"
check "nor of the queue" test "$(fds "$queue")" -lt $((of_queue + $(workers)))

wait_empty "$home" 20

# --- the end ---
coproc WAITER { client wait; }
read -r -t 10 _ <&"${WAITER[0]}"
client idle >"$tmp/idle" &
idle=$!
idle_waits() { grep -q waits "$tmp/idle"; }
wait_for 5 idle_waits
had=$(count_mails "$home" alice)
kill -TERM "$(server_pids "$home" start)"
wait $idle
is "TERM: an idle client is told" "$(tail -1 "$tmp/idle")" "421 4.3.2 shutting down"
check "no more connections" grep -q ConnectionRefused <(client one alice@mail.example)
echo go >&"${WAITER[1]}"
is "a transaction may end" "$(cat <&"${WAITER[0]}")" "250
354
250
421 4.3.2 shutting down"
none_left() { [ -z "$(find /proc/[0-9]*/exe -lname "$home/bin/*" 2>/dev/null)" ]; }
check "then all is over" wait_for 15 none_left
check "nothing tells of an address any more" test ! -e "$home/run/listen"
start --smtp 127.0.0.1:0
more() { [ "$(count_mails "$home" alice)" -gt "$had" ]; }
check "what was accepted at the end is delivered" wait_for 10 more
server_stop "$home"

# --- addresses ---
printf '127.0.0.2:0\n# 127.0.0.4:0\n127.0.0.3:0\n' >"$home/control/listen"
start
tap_result $? "control/listen"
is "both addresses" "$(sed 's/:.*//' "$home/run/listen")" "127.0.0.2
127.0.0.3"
is "the first" "$(client one alice@mail.example)" sent
address=$(tail -1 "$home/run/listen")
is "the second" "$(client one alice@mail.example)" sent
check_status 111 "an address in use" env NIXIE_HOME="$home" "$home/bin/nixie-listen" "$address"
check "is named" grep -q "cannot listen on $address: address" <<<"$output"
server_stop "$home"
rm "$home/control/listen"
check_status 111 "a name" env NIXIE_HOME="$home" "$home/bin/nixie-listen" localhost:25
check_status 111 "no address" env NIXIE_HOME="$home" "$home/bin/nixie-listen"
check "is explained" grep -q "control/listen is missing or empty" <<<"$output"
if python3 -c 'import socket; socket.socket(socket.AF_INET6).bind(("::1", 0))' 2>/dev/null; then
    start --smtp '[::1]:0'
    is "IPv6" "$(client one alice@mail.example)" sent
    check "its address in Received" wait_for 10 grep -qr '^Received: from unknown (HELO [^ ]*) (::1)' \
        "$home/users/alice/Maildir/new"
    server_stop "$home"
else
    skip "IPv6" "this machine has none"
fi
tap_end
