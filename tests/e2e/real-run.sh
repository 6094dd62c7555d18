#!/bin/bash
# nixie run --real: a week in less than a minute, several at once, an interrupted one leaves nothing,
# a failed one its files, captures, and what goes with what.
cd "$(dirname "$0")/../.." || exit
. tests/e2e/tap.bash
new_folder
nixie=$PWD/$BUILD/bin/nixie
case $BUILD in /*) nixie=$BUILD/bin/nixie ;; esac
export TMPDIR=$tmp
left() { find "$tmp" -maxdepth 1 -name 'nixie-real.*'; }

lack=$("$nixie" run --real scenarios/first/01-maildir.scenario | grep -oE 'namespaces are not allowed.*|this build has a sanitizer|libfaketime.so.1 is not found')
if [ -n "$lack" ]; then
    skip "real runs" "$lack"
    tap_end
fi

# The times are in the file, to two seconds.
start=$SECONDS
"$nixie" run --real tests/real/week.scenario >"$tmp/week" 2>&1 &
week=$!

cat >"$tmp/fails.scenario" <<'SCENARIO'
host mail example.com
    user alice
    user bob
at 1s alice sends m1 to bob@example.com
expect m1 bounced
SCENARIO
cat >"$tmp/faults.scenario" <<'SCENARIO'
host mail example.com
    user alice
    user bob
fault queue syncfs 1 EIO
fault local write 1 short
at 0s alice sends m1 to bob@example.com
at 1m alice sends m2 to bob@example.com
expect m2 delivered once
SCENARIO

"$nixie" run --real --pcap "$tmp/pcap" scenarios/out/14-lost-in-data.scenario >"$tmp/one" 2>&1 &
one=$!
"$nixie" run --real "$tmp/faults.scenario" >"$tmp/two" 2>&1 &
two=$!
wait $one
is "one of three at once holds" $? 0
wait $two
is "another with faults holds, too" $? 0
check "the capture has its sessions" grep -q '[1-9][0-9]* SMTP sessions' <("$nixie" pcap show "$tmp"/pcap/*.pcap)

check_status 1 "a run that fails" "$nixie" run --real "$tmp/fails.scenario"
kept=$(sed -n 's/^kept: //p' <<<"$output")
check "its files are kept, and told of" test -d "$kept/mail/var/nixie/queue"
check "the mail that came is there" test -n "$(ls "$kept/mail/home/bob/Maildir/new")"
rm -rf "${kept%/*}"

check_status 2 "--real and --disk do not go together" "$nixie" run --real --disk ext4 "$tmp/fails.scenario"
check_status 3 "all skipped" "$nixie" run --real --tap scenarios/first/42-disk-error-told-once.scenario
check "the reason is told" grep -q '^ok 1 - .* # SKIP not for real: ' <<<"$output"

wait $week
is "a week of retries and the bounce, at their times" "$? $(grep -c '^ok' "$tmp/week")" "0 1"
check "in less than a minute" test $((SECONDS - start)) -lt 60
check "they leave nothing" test -z "$(left)"

check_status 3 "without libfaketime everything is skipped" env NIXIE_FAKETIME="$tmp/none" "$nixie" run --real --tap scenarios/first/01-maildir.scenario
check "the reason is told" grep -q "^ok 1 - .* # SKIP libfaketime" <<<"$output"

# Paths that take time: the same times as simulated, to two seconds.
{ printf 'Subject: long\n\n' && for ((i = 0; i < 800; i++)); do echo "line $i of some that take their time"; done; } >"$tmp/long.eml"
cat >"$tmp/slow.scenario" <<'SCENARIO'
host mail example.com
    user alice
    user bob
remote away
    serves away.example
client outside
file m1 long.eml
network mail to away delay 20s bandwidth 1000 bytes
network outside to mail delay 7s
at 0s alice sends m1 to bob@away.example
at 10s outside sends m2 to bob@example.com
at 1h network mail to away delay 0s bandwidth 1000000 bytes
at 1h alice sends m3 to bob@away.example
expect m1 delivered once
expect m2 delivered once
expect m3 delivered once by 1h1s
SCENARIO
check_status 0 "paths that take time" "$nixie" diff --real "$tmp/slow.scenario"
check_status 0 "connections that are reset at a byte" "$nixie" diff --real tests/real/cuts.scenario

# A capture for which there is no room.  (A small file system of a namespace's own.)
cat >"$tmp/full" <<'SCRIPT'
mount -t tmpfs -o size=64k nixie "$1" && { head -c 65536 /dev/zero >"$1/fill" || true; } 2>/dev/null
shift
for mode in --seed=1 --real; do
    "$@" ${mode/=/ } --pcap captures/p scenarios/out/14-lost-in-data.scenario 2>&1
    echo "status $? left $(ls captures/p | wc -l)"
done
SCRIPT
mkdir "$tmp/captures" && cp -r scenarios "$tmp/" || exit 1
as=(unshare -m)
[ "$(id -u)" = 0 ] || as=(unshare -Urm)
if "${as[@]}" mount -t tmpfs nixie "$tmp/captures" 2>/dev/null; then
    (cd "$tmp" && timeout 60 "${as[@]}" bash ./full "$tmp/captures" "$nixie" run >"$tmp/full.out")
    is "a capture for which there is no room: 2, and no file" "$(grep '^status' "$tmp/full.out" | sort -u)" "status 2 left 0"
    is "the runs hold all the same" "$(grep -c '^1 passed, 0 failed' "$tmp/full.out")" 2 || sed 's/^/# /' "$tmp/full.out"
    is "that is told" "$(grep -c 'cannot write.*No space left' "$tmp/full.out")" 2
else
    skip "a capture for which there is no room" "no small file system can be mounted here"
fi
check "a run without a network" "$nixie" run --real --pcap "$tmp/none" scenarios/first/01-maildir.scenario
is "nothing on the network: no capture" "$(ls "$tmp/none")" ""

# Interrupted in the middle: what has been run is told, and nothing of it is left.
"$nixie" run --real --tap --junit "$tmp/interrupted.xml" "$tmp/faults.scenario" tests/real/week.scenario >"$tmp/interrupted" 2>&1 &
pid=$!
is_running() { compgen -G "$tmp/nixie-real.*/2/mail/var/nixie/run/start.pid"; }
check "it runs" wait_for 30 is_running
inside=$(pgrep -P $pid | head -1)
kill -INT $pid
wait $pid
is "interrupted" $? 130
is "the one that had ended is told" "$(grep -cE '^1..2|^ok 1 - |^Bail out! interrupted: 1 of 2 were run' "$tmp/interrupted")" 3
is "and no other" "$(grep -c '^not ok' "$tmp/interrupted") $(grep -c '<testcase' "$tmp/interrupted.xml")" "0 1"
check "no process is left" test ! -e "/proc/$inside"
check "nothing of it is left" test -z "$(left)"
is "nor in shared memory" "$(find /dev/shm -name '*faketime*' 2>/dev/null | wc -l)" 0
tap_end
