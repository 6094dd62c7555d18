#!/bin/bash
# nixie-qread and nixie-qstat beside nixie-send.  Prints TAP.
# shellcheck disable=SC2119
. tests/e2e/tap.bash
new_folder
. tests/e2e/send.bash
qread() { "$build/bin/nixie-qread"; }
qstat() { "$build/bin/nixie-qstat"; }

make_home
is "an empty queue" "$(qread; qstat)" "messages in queue: 0
messages in queue but not yet preprocessed: 0"
answer slow@mail.example 'Zlater\n'
answer bad@mail.example 'Dnever\n'
put 5 1700000001 joe@away.example slow@mail.example a@mail.example
start
check "an old message bounces, and the queue does not take it" says '^end msg 5$'
birth=$(now)
put 6 "$birth" "" slow@mail.example a@mail.example
put 7 "$birth" "$(printf 'j\xf6 e\033@away.example')" slow@mail.example bad@mail.example
check "one waits" says '^delivery [0-9]*: deferral'
check "the other too" says '^delivery [0-9]*: failure: never'
lists() { [ "$(qread)" = "$1" ]; }
date=$(LC_ALL=C TZ=UTC date -d "@$birth" '+%-d %b %Y %H:%M:%S')
check "both are listed as qmail-qread does" wait_for 5 lists "$date GMT  #6  21  <> 
	local	slow@mail.example
  done	local	a@mail.example
$date GMT  #7  21  <j_ e_@away.example>  bouncing
	local	slow@mail.example
  done	local	bad@mail.example"
stop
put 8 "$birth" joe@away.example a@mail.example
is "what is not preprocessed is counted" "$(qstat)" "messages in queue: 3
messages in queue but not yet preprocessed: 1"
is "and not listed" "$(qread | grep -c '#')" 2
printf 'garbage' >"$home/queue/info/9"
: >"$home/queue/mess/9"
is "what does not check out is told of" "$(qread 2>&1 >"$tmp/out")" "nixie-qread: warning: trouble with #9: $(
    sed -n 's/.*EBADMSG.*"\(.*\)".*/\1/p' "$source/mta/lib/error.c")"
is "and the rest is listed" "$(grep -c '#' "$tmp/out")" 2
rm "$home/queue/info/9" "$home/queue/mess/9"

# A queue that changes all the time: no complaint, no torn line.
cp "$build/bin/nixie-qread" "$home/bin/"
answer slow@mail.example 'Kok\n'
start
for ((n = 100; n < 300; n++)); do
    put $n "$birth" joe@away.example "a$n@mail.example" "b$n@mail.example"
done &
for ((i = 0; i < 60; i++)); do
    qread >>"$tmp/busy" 2>>"$tmp/complaints"
    qstat >>"$tmp/counts" 2>>"$tmp/complaints"
done
wait $!
is "nothing is complained of in a queue that changes" "$(cat "$tmp/complaints")" ""
is "and no line is torn" "$(grep -cvE '^[0-9]+ [A-Z][a-z]{2} 20[0-9]{2} [0-9:]{8} GMT  #[0-9]+  21  <.*> ( bouncing)?$|^(  done)?	local	[a-z0-9]+@mail.example$' "$tmp/busy")" 0
stop

check_status 111 "no home" env NIXIE_HOME=/nowhere "$build/bin/nixie-qread"
check_status 111 "no queue" env NIXIE_HOME="$tmp" "$build/bin/nixie-qstat"
check_status 111 "nowhere to write" sh -c "'$build/bin/nixie-qstat' >/dev/full"
tap_end
