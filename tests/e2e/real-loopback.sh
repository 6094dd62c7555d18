#!/bin/bash
# nixie run --real where no namespaces can be had: addresses and ports are rewritten, programs see
# their own all the same, several runs do not disturb each other, and nothing is left.
cd "$(dirname "$0")/../.." || exit
. tests/e2e/tap.bash
new_folder
take_programs
mkdir "$tmp/lib" && cp -r "$BUILD/lib/nixie" "$tmp/lib/" && mkdir -m 777 "$tmp/work" || exit 1
cp -r scenarios fixtures tests/real "$tmp/" && chmod -R a+rX "$tmp" || exit 1
cd "$tmp" || exit
export TMPDIR=$tmp/work NIXIE_REAL_NETWORK=loopback
note='^NIXIE_REAL_NETWORK=loopback: addresses were rewritten to 127.0.0.0/8, ports to high ones$'
left() { find "$tmp/work" -mindepth 1; find /dev/shm -name '*faketime*' 2>/dev/null; }
ordinary() {
    env -i PATH="$PATH" HOME="$TMPDIR" TMPDIR="$TMPDIR" NIXIE_REAL_NETWORK=loopback \
        setpriv --reuid=64123 --regid=64123 --clear-groups --no-new-privs "$@"
}
[ "$(id -u)" = 0 ] || ordinary() { "$@"; }

lack=$("$nixie" run --real scenarios/first/01-maildir.scenario | grep -oE 'this build has a sanitizer|libfaketime.so.1 is not found')
if [ -n "$lack" ]; then
    skip "real runs" "$lack"
    tap_end
fi

# Addresses of both families, as the server writes them into its fields and its log; on port 25.
# It fails, so that its files are kept.
cat >own.scenario <<'SCENARIO'
host mail example.com
    user alice
    user bob
    address 192.0.2.25
    address 2001:db8::25
remote six
    serves six.example
    address 2001:db8::66
client four
    address 203.0.113.4
client sixth
    address 2001:db8::4
at 0s alice sends m1 to bob@six.example
at 1s four sends m2 to bob@example.com
at 1s sixth sends m3 to bob@example.com
expect six took m1 from alice@example.com once
expect m2 bounced
expect m3 delivered once
expect log "success: 2001:db8::66_accepted*"
SCENARIO

few=(scenarios/out/09-ipv6-literals-routes.scenario scenarios/out/14-lost-in-data.scenario
    scenarios/first/41-disk-error.scenario scenarios/first/23-power-cut-s4.scenario)
"$nixie" run --real "${few[@]}" >one 2>&1 &
one=$!
ordinary "$nixie" run --real "${few[@]}" >two 2>&1 &
two=$!
check_status 1 "one that fails" "$nixie" run --real -v own.scenario
check "the report says that addresses were rewritten" grep -q "$note" <<<"$output"
check "the server takes its own address and port for real" grep -qF 'listening on [2001:db8::25]:25' <<<"$output"
is "that is all that failed" "$(grep '^FAIL' <<<"$output" | cut -d: -f4)" " m2"
kept=$(grep -o 'kept: .*' <<<"$output" | cut -c7-)
check "a client's address is its own" grep -rqF '203.0.113.4' "$kept/mail/home/bob/Maildir/new"
check "and one of IPv6" grep -rqF '2001:db8::4' "$kept/mail/home/bob/Maildir/new"
check "no real one is seen" test -z "$(grep -rE '\b127\.[0-9]' "$kept"/mail/home/*/Maildir/new "$kept/mail/var/nixie/log" 2>&1)"
rm -rf "${kept%/*}"
wait $one
is "a second run at the same time" $? 0 || sed 's/^/# /' one
wait $two
is "a third one of an ordinary user" $? 0 || sed 's/^/# /' two
is "all of it was run" "$(grep -c '^4 passed, 0 failed' one two | tr '\n' ' ')" "one:1 two:1 "

check_status 3 "a full disk is not to be had" ordinary "$nixie" run --real --tap scenarios/first/30-disk-full-s1.scenario
check_status 3 "nor a capture" ordinary "$nixie" run --real --tap --pcap "$TMPDIR/pcap" scenarios/first/01-maildir.scenario
check "the reason is told" grep -q '# SKIP without namespaces there are no packets' <<<"$output"
check "and what was done without" grep -q "^# ${note#^}" <<<"$output"
rm -rf "$TMPDIR/pcap"
printf '%s\n' 'scenario "homes that nobody may look into"' 'host mail example.com' '    user alice' '    user bob' \
    '        mode 0000' 'at 0s alice sends m1 to alice@example.com' 'expect m1 delivered' >closed.scenario
check_status 0 "a home that is closed to its owner" ordinary "$nixie" run --real closed.scenario
is "... and does not stay" "$(left)" ""

# Really without: root of a namespace in which there are no others, and no other users.
if unshare -Ur sh -c 'echo 0 >/proc/sys/user/max_user_namespaces' 2>/dev/null; then
    # shellcheck disable=SC2016
    check_status 0 "where namespaces are not allowed" env -u NIXIE_REAL_NETWORK unshare -Ur sh -c \
        'echo 0 >/proc/sys/user/max_user_namespaces; exec "$0" run --real scenarios/first/01-maildir.scenario' "$nixie"
    check "the report says why" grep -q '^namespaces are not allowed here (.*): addresses were rewritten' <<<"$output"
else
    skip "where namespaces are not allowed" "they cannot be forbidden here"
fi

if [ "$(id -u)" = 0 ]; then
    mkdir -m 700 closed && cp -r bin lib closed/ || exit 1
    check_status 0 "programs out of the user's reach" closed/bin/nixie run --real scenarios/first/01-maildir.scenario
    check_status 3 "a temporary directory out of his reach" env TMPDIR="$tmp/closed" "$nixie" run --real scenarios/first/01-maildir.scenario
fi
is "nothing is left" "$(left)" ""

# Interrupted in the middle: processes end, though no namespace ends with them.
"$nixie" run --real real/week.scenario >interrupted 2>&1 &
pid=$!
is_running() { server=$(head -1 "$tmp"/work/nixie-real.*/1/mail/var/nixie/run/start.pid 2>/dev/null | grep -oE '^[0-9]+'); }
check "it runs" wait_for 20 is_running
is_running
check "so does its server" test -n "$server" -a -e "/proc/$server"
kill -INT $pid
wait $pid
is "interrupted" $? 130
check "no process is left" test ! -e "/proc/$server"
is "nothing of it is left" "$(left)" ""
tap_end
