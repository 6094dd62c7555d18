#!/bin/bash
# nixie pcap show and import.  Sessions of swaks with Postfix, and of Postfix with a server that puts
# off, refuses, breaks and is slow, are captured in a network namespace that has loopback alone, shown,
# and imported; the scenarios give the same replies.  So do those of captures of simulated runs.
# Prints TAP.  CHECK_ALL=1: of all scenarios.
cd "$(dirname "$0")/../.." || exit
. tests/e2e/tap.bash
. tests/e2e/server.bash
. tests/e2e/pcap.bash
. tests/namespace.bash
unset NIXIE_HOME
us=192.0.2.10 postfix=198.51.100.25

# --- captures of simulated runs --------------------------------------------------------------------
# Imported and run again, each says the same; but for those listed, where a scenario cannot know:
# what our server does only when a reply is late, crashes that the capture does not tell of, mail that
# goes through two servers.
simulated() {
    local captures=$tmp/captures file name failed=0 same=0 other=0
    local -a scenarios=(scenarios/mail/0[1-4]*.scenario scenarios/mail/0[7-9]*.scenario scenarios/mail/1[0-3]*.scenario)
    [ -z "${CHECK_ALL-}" ] || scenarios=(scenarios)
    "$nixie" run --hash --pcap "$captures" "${scenarios[@]}" >/dev/null || return
    for file in "$captures"/*.pcap; do
        name=$(basename "$file" .pcap)
        [ "$("$nixie" pcap show "$file" | sed -n 2p)" != "0 SMTP sessions" ] || continue
        # What was on its way when a server closed, connections that our server gives up, in which order
        # it names recipients then: chance.  What the admin ordered is in no capture, and replies that
        # nobody asked for are left out.
        case $name in
        03-next-after-trouble | 11-second-message-refused | one-recipient-ends-the-connection) continue ;;
        delete-cannot-be-synced | one-reply-too-many | too-many-recipients) continue ;;
        esac
        if ! trip "$file" "$tmp/trips"; then
            echo "$name: the imported scenario does not hold: $(head -3 "$tmp/trips/$name.log")"
            failed=1
        elif [ -z "$(same_replies "$file" "$tmp/trips/run/$name.pcap")" ]; then
            same=$((same + 1))
        else
            other=$((other + 1))
            echo "$name: $(same_replies "$file" "$tmp/trips/run/$name.pcap" | head -3)"
        fi
    done
    echo "$same with the same replies, $other with others"
    [ $failed = 0 ] && [ $same -ge $((other * 2)) ] && { [ -n "${CHECK_ALL-}" ] || [ $other = 0 ]; }
}

# A message that goes in several transactions, for those who were too many for the first, is one.
too_many() {
    cat >"$tmp/few.scenario" <<'SCENARIO'
scenario "more recipients than a server takes at once"
host mail example.com
    user alice
remote few
    serves few.example
    recipients 2
remote steps
    serves steps.example
    extensions none
    recipients 3
remote full
    serves full.example
    on RCPT full* reply 552 "5.2.2 mailbox full"
    on RCPT later@* first 1 reply 452 "4.2.2 over quota"
remote grumbles
    serves grumbles.example
    recipients 2
    on EOD c@* first 1 reply 451 "4.3.0 not now"
    on EOD e@* reply 554 "5.6.0 I do not like it"
at 0s alice sends m1 to a@few.example b@few.example c@few.example d@few.example e@few.example
at 1s alice sends m2 to a@steps.example b@steps.example c@steps.example d@steps.example
at 4s alice sends m5 to a@full.example full@full.example b@full.example later@full.example
at 5s alice sends m6 to a@grumbles.example b@grumbles.example c@grumbles.example d@grumbles.example e@grumbles.example f@grumbles.example
SCENARIO
    "$nixie" run --pcap "$tmp/few" "$tmp/few.scenario" >/dev/null && trip "$tmp/few/few.pcap" "$tmp/few" &&
        [ "$(grep -c ' sends ' "$tmp/few/few.scenario")" = 4 ] &&
        [ -z "$(same_replies "$tmp/few/few.pcap" "$tmp/few/run/few.pcap")" ]
}

if [[ ${1-} != --namespace* ]]; then
    new_folder
    nixie=$PWD/$BUILD/bin/nixie
    case $BUILD in /*) nixie=$BUILD/bin/nixie ;; esac
    check "captures of simulated runs, imported and run, have the same replies" simulated
    check "... also where a server takes so many recipients at a time" too_many
    rm -rf "$tmp"
    for program in python3 perl ss; do
        command -v $program >/dev/null || { skip "sessions of Postfix and swaks" "$program is missing"; tap_end; }
    done
    if ! peers=$(ci/peers postfix swaks libio-socket-inet6-perl libnet-ssleay-perl); then
        skip "sessions of Postfix and swaks" "they cannot be had here"
        tap_end
    fi
    tshark=$(ci/peers tshark 2>/dev/null) || tshark=
    export peers tshark NIXIE_TAP_COUNT=$tap_count NIXIE_TAP_FAILED=$tap_failed
fi
tap_count=${NIXIE_TAP_COUNT:-0} tap_failed=${NIXIE_TAP_FAILED:-0}

set_up() {
    namespace_address $us $postfix && namespace_accounts "$namespace_tmp/people" postfix postdrop carol &&
        mkdir -p "$namespace_tmp/people/carol" "$namespace_tmp/peers" && mount --bind "$peers" "$namespace_tmp/peers" || return
    [ "$NAMESPACE_REAL" != 1 ] || ! grep -q '^carol:' /etc/passwd || chown carol: "$namespace_tmp/people/carol"
}
namespace_enter set_up "$@" || { skip "sessions of Postfix and swaks" "$namespace_lack"; tap_end; }
if [ "$namespace_user" != root ]; then
    skip "sessions of Postfix and swaks" "Postfix needs root"
    tap_end
fi
. tests/e2e/peers.bash
tmp=$namespace_tmp/work
take_programs
place=$namespace_tmp postfix_address=$postfix postfix_name=post.example postfix_relay=[$us]:25
. tests/bench/postfix.bash
if ! postfix_start maildir; then
    skip "sessions of Postfix and swaks" "Postfix does not start here: $(tail -1 "$postfix_home/out")"
    tap_end
fi

# Each message over a connection of its own: which of them share one is chance.
echo 'smtp_connection_cache_on_demand = no' >>"$postfix_home/etc/main.cf"

# Where Postfix sends what is for others.
"$tmp/bin/nixie-actor-smtp-server" >"$tmp/server.log" <<SERVER &
name mx.away.example
listen $us 25
on RCPT grey@* first 1 reply 451 "4.7.1 come again"
on RCPT gone@* reply 550 "5.1.1 no such user\n5.1.1 really"
on RCPT slow@* delay 300ms reply 250 "2.1.5 after a while"
on EOD full@* reply 552 "5.2.2 the mailbox is full"
on EOD drop@* first 1 close
on MESSAGE break@* first 1 reset after 200 bytes
SERVER
server=$!
wait_for_port $us 25

capture() { # FILE FILTER
    "$nixie" pcap capture --interface lo --filter "$2" "$1" 2>"$1.log" &
    captures+=($!)
    wait_for 5 grep -q '^listening on' "$1.log"
}
captures=()
capture "$tmp/swaks.pcap" "tcp port 25 and not host $us"
capture "$tmp/postfix.pcap" "tcp port 25 and host $us"

say() { swaks --timeout 20 --server $postfix --helo client.example --from bob@client.example "$@" 2>&1 | tee -a "$tmp/swaks.text" >"$tmp/swaks.last"; }
said() { [ "$(grep -c "$1" "$tmp/swaks.last")" -ge 1 ]; }
say --to carol@post.example --header 'Subject: one of swaks' --body 'hello

.
.dot
end'
check "swaks sends a message" said 'queued as'
say --to nobody@far.example,somebody@far.example --from "" --body 'two'
say --to "<carol@>" --body three
say --to carol@post.example --from "bad@@address" --body four
say --to carol@post.example --pipeline --body 'all at once'
say --to carol@post.example --helo other.example --header 'X-Long: '"$(printf 'x%.0s' {1..900})" --body "$(seq 1 3000)"
say --to grey@away.example,gone@away.example,slow@away.example,full@away.example --body 'for several'
say --to drop@away.example --body 'dropped'
say --to break@away.example --body "$(seq 1 200)"
deferred() { [ -n "$(find "$postfix_home/spool/deferred" -type f -print -quit)" ] && [ -z "$(find "$postfix_home"/spool/{incoming,active} -type f -print -quit)" ]; }
wait_for 20 deferred
postfix_run flush
wait_for 20 postfix_idle || echo "# Postfix is not idle"
# Postfix says QUIT when the message is out of its queue.
quiet() { [ -z "$(ss -Hnt state connected '( sport = :25 or dport = :25 )' | grep -v TIME-WAIT)" ]; }
wait_for 10 quiet || ss -Hnt | sed "s,^,# ,"
sleep 0.2
kill -INT "${captures[@]}"
wait "${captures[@]}"
kill $server
postfix_stop

# --- what is shown -------------------------------------------------------------------------------
theirs() { # what swaks has heard, as `replies` tells it
    tr -d '\r' <"$tmp/swaks.text" | awk '
        /^<(-|\*\*) / { sub(/^<[-*]* +/, ""); reply = reply (reply == "" ? "" : "|") $0; if (substr($0, 4, 1) != "-") { print reply; reply = "" } }'
}
ours() { replies "$tmp/swaks.pcap"; }
check "show tells what swaks has heard, session by session" diff <(ours) <(theirs)
output=$("$nixie" pcap show "$tmp/swaks.pcap")
is "... and how many sessions" "$(sed -n 2p <<<"$output")" "9 SMTP sessions"
is "nothing is missing, and nothing is there twice" "$(grep -E 'missing|again|out of order|no command' <<<"$output")" ""
message() { "$nixie" pcap show -v --session 1 "$tmp/swaks.pcap" | sed -n 's/^ *| //p' | sed '1,/^$/d'; }
is "-v has the message, dots as they were sent" "$(message | tr '\n' '~')" "hello~~..~..dot~end~~"
if [ -n "$tshark" ]; then
    sharks() { HOME=$tmp LD_LIBRARY_PATH=$tshark/usr/lib/$(gcc -dumpmachine):$tshark/usr/lib WIRESHARK_CONFIG_DIR=$tmp "$tshark/usr/bin/tshark" -r "$1" -Y smtp.response.code -T fields -E aggregator=' ' -e smtp.response.code 2>/dev/null | tr -s ' \n' '\n\n'; }
    codes() { replies "$1" | cut -c1-3; }
    for name in swaks postfix; do
        # It reads a reply for each line of a packet that begins one; what is of several lines counts once.
        is "tshark has the same codes in $name.pcap" "$(sharks "$tmp/$name.pcap" | sort | uniq -c)" "$(codes "$tmp/$name.pcap" | sort | uniq -c)"
    done
else
    skip "tshark has the same codes" "it cannot be had here"
fi

# --- what is imported ----------------------------------------------------------------------------
# Ours says DATA at once where it may: a server whose recipients were all refused answers that, too.
# swaks and Postfix wait there.
ours_besides='^554 5.5.1 there are no valid recipients$\|^503 5.5.1 say RCPT first$'
for name in swaks postfix; do
    check "$name.pcap: imported, and what is expected holds" trip "$tmp/$name.pcap" "$tmp/trips"
    is "$name.pcap: the same replies" "$(same_replies "$tmp/$name.pcap" "$tmp/trips/run/$name.pcap" | grep -v "${ours_besides//^/^> }")" ""
done
scenario=$tmp/trips/postfix.scenario
check "what was slow is slow" grep -qE 'on RCPT "slow@away.example" delay [0-9]{3}ms reply 250 "2.1.5 after a while"' "$scenario"
check "what was put off is put off" grep -qF 'on RCPT "grey@away.example" first 1 reply 451 "4.7.1 come again"' "$scenario"
check "what broke breaks" grep -qE 'on (EOD|MESSAGE) "break@away.example" first 1 reset' "$scenario"
check "what was dropped is dropped" grep -qE 'on EOD "drop@away.example" first 1 close' "$scenario"
check "a second try is one of the same message" grep -qE 'expect .* delivered to drop@away.example once' "$scenario"
for name in swaks postfix; do
    check "$name.pcap as the server's: taken by ours" eval "'$nixie' pcap import --as server '$tmp/$name.pcap' >'$tmp/as-server.scenario' 2>/dev/null && '$nixie' run '$tmp/as-server.scenario'"
done
cd / && umount "$namespace_tmp/peers"
[ $tap_failed = 0 ] || { cp "$tmp"/*.pcap "$tmp"/trips/*.scenario "${KEEP:-/nonexistent}" 2>/dev/null; }
tap_end
