#!/bin/bash
# nixie-start: what it needs, and what becomes of its tree.  Prints TAP.
. tests/e2e/tap.bash
. tests/e2e/server.bash
as_ordinary_user
unset NIXIE_HOME
home=$tmp/home
trap 'for p in start send queue lspawn clean log; do server_kill "$home" $p; done; rm -rf "$tmp"' EXIT
start=$home/bin/nixie-start
tree="start log queue send lspawn rspawn clean"
pids() { for program in $tree; do server_pids "$home" "$program"; done; }
none_left() { [ -z "$(pids)" ]; }
runs() { [ -n "$(server_pids "$home" "$1")" ]; }
is_new() { runs "$1" && [ "$(server_pids "$home" "$1")" != "$2" ]; }
logged() { grep -q "$1" "$home/log/current"; }

check "make a home" server_make "$home" alice
check_status 100 "usage" "$start" a b
check_status 111 "no home" "$start" "$tmp/nowhere"
for part in queue/todo control/me bin/nixie-send run; do
    mv "$home/$part" "$tmp/part"
    check_status 111 "without $part" "$start" "$home"
    check "it is named, with what to do" grep -q "$part is missing: .nixie mta init" <<<"$output"
    mv "$tmp/part" "$home/$part"
done

# After a power loss names can lead to files of others.
others=(run/start.pid run/queue.lock queue/lock/number.lock log/current)
for name in "${others[@]}"; do
    : >"$home/$name"
    chmod 000 "$home/$name"
done
"$start" "$home" 2>"$tmp/errors" &
pid=$!
check "it starts" wait_for 10 logged '^@[0-9a-f]* status: local'
opened() { for name in "${others[@]}"; do test -r "$home/$name" || return 1; done; }
check "files that it could not open are new" wait_for 10 opened
is "run/start.pid" "$(cat "$home/run/start.pid")" $pid
check_status 111 "one only" "$start" "$home"
check "which it says" grep -q 'already running' <<<"$output"
for program in send clean lspawn queue log; do
    old=$(server_pids "$home" $program)
    kill -9 "$old"
    check "$program is started again" wait_for 20 is_new $program "$old"
    wait_for 10 runs send
done
check "and it is told" logged 'nixie-start: alert: nixie-clean ended: signal 9'
echo 'virtual.example:alice' >"$home/control/virtualdomains"
wait_for 10 runs send
sleep 0.5
kill -HUP $pid
hup_counts() { # for the next message after it has come through
    "$home/bin/nixie-inject" -f x@y.example z@virtual.example <<<'Subject: x' 2>/dev/null
    sleep 0.1
    logged 'to local alice-z@virtual.example'
}
check "HUP reaches send" wait_for 10 hup_counts
kill -INT $pid
wait $pid
is "INT: exit 0" $? 0
check "nothing is left" none_left
check "but a quiet log" logged 'status: exiting'
check "and no pid file" test ! -e "$home/run/start.pid"

"$start" "$home" 2>>"$tmp/errors" &
pid=$!
wait_for 10 runs send
sleep 0.3
kill -9 $pid
check "when start is killed, its tree ends" wait_for 10 none_left
"$start" "$home" 2>>"$tmp/errors" &
pid=$!
check "and it can be started again" wait_for 10 runs send
sleep 0.3
kill -TERM $pid
wait $pid
is "TERM: exit 0" $? 0

# ^C of a terminal goes to the whole group of what runs in the foreground.
echo "|touch '$tmp/begun'; sleep 1; touch '$tmp/ended'" >"$home/users/alice/.qmail"
setsid "$start" "$home" 2>>"$tmp/errors" &
pid=$!
wait_for 10 runs send
"$home/bin/nixie-inject" -f x@y.example alice@$domain <<<'Subject: slow' 2>/dev/null
check "a delivery runs" wait_for 10 test -e "$tmp/begun"
kill -INT -- -$pid
wait $pid
is "INT to the group: exit 0" $? 0
check "and the delivery has ended by itself" test -e "$tmp/ended"
check "and nothing is left" none_left
is "no complaints" "$(cat "$tmp/errors")" ""
tap_end
