#!/bin/bash
# `nixie run --pcap`: captures of simulated runs.  The run is the same with and without; the captures
# are the same from run to run; tshark, with all checksums looked at, finds nothing wrong in them and
# reads the dialogues that the run tells of.  Prints TAP.
# CHECK_ALL=1: the captures of all scenarios, and of seeds and other variants.
. tests/e2e/tap.bash
new_folder
nixie=$PWD/$BUILD/bin/nixie
captures=$tmp/captures

# --- the run ---------------------------------------------------------------------------------------
"$nixie" run --hash scenarios tests/e2e/pcap-write.scenario >"$tmp/without"
"$nixie" run --hash --pcap "$captures" scenarios tests/e2e/pcap-write.scenario >"$tmp/with"
is "the hashes of all runs are the same with and without" "$(cat "$tmp/with")" "$(cat "$tmp/without")"
same_again() {
    local file
    "$nixie" run --hash --arena-offset 4096 --fill 170 --environment-padding 999 --pcap "$tmp/again" scenarios tests/e2e/pcap-write.scenario >/dev/null || return
    for file in "$tmp"/again/*; do
        mv "$file" "${file/-arena-offset-4096-fill-170-environment-padding-999/}" || return
    done
    diff -r "$captures" "$tmp/again"
}
check "and so are the captures, to the byte, whatever must not change a run" same_again
rm -rf "$tmp/again"
one_each() {
    local file name
    for file in scenarios/mail/*.scenario; do
        name=$(basename "$file" .scenario)
        [ -s "$captures/mail-$name.pcap" ] || [ -s "$captures/$name.pcap" ] || { echo "no capture of $file"; return 1; }
    done
}
check "there is one for each scenario of mail" one_each
# Those who open a connection say so in the story.
talkers() {
    local file
    for file in scenarios/*/*.scenario; do
        "$nixie" run -v "$file" 2>/dev/null | grep -qE '^  \+[^ ]+ +[^ ]+ +(connect|asked) ' && echo "$file"
    done
}
[ -z "${CHECK_ALL-}" ] || is "as many as scenarios in which somebody connects or asks the DNS" "$(find "$captures" -name '*.pcap' ! -name '*-lo.pcap' | wc -l)" \
    "$(($(talkers | wc -l) + 1))"

# --- names -----------------------------------------------------------------------------------------
names() { (cd "$1" && ls -A) | tr '\n' ' '; }
first=scenarios/mail/01-relay.scenario
mkdir -p "$tmp/x" "$tmp/y/x" && cp "$first" "$tmp/x/one.scenario" && cp "$first" "$tmp/y/x/one.scenario" && cp "$first" "$tmp/y/.odd name%.scenario"
run_quietly() { "$nixie" run --hash "$@" >/dev/null; }
check "variants of one scenario" eval "run_quietly --pcap '$tmp/n' $first && run_quietly --pcap '$tmp/n' --seed 7 $first && run_quietly --disk ext4 --seed 7 --pcap '$tmp/n' $first"
is "have names of their own" "$(names "$tmp/n")" "01-relay-disk-ext4-seed-7.pcap 01-relay-seed-7.pcap 01-relay.pcap "
check "files of one name in one command" run_quietly --pcap "$tmp/m" "$tmp/x/one.scenario" "$tmp/y/x/one.scenario" "$tmp/y/.odd name%.scenario" "$first"
is "have names of their own, too" "$(names "$tmp/m")" "01-relay.pcap _odd-name%.pcap x-one-2.pcap x-one.pcap "
output=$("$nixie" run --pcap "$tmp/n" --seed 3 scenarios/direct/01-all-at-once.scenario "$first")
is "where nothing is sent there is none" "$(grep packets <<<"$output")" "1 capture, 56 packets in $tmp/n"

# --- trouble ---------------------------------------------------------------------------------------
touch "$tmp/file"
check_status 2 "the folder is a file" "$nixie" run --pcap "$tmp/file" "$first"
is "as is said" "$output" "$tmp/file: cannot write captures there: Not a directory"
check_status 2 "the folder cannot be made" "$nixie" run --pcap "$tmp/none/none" "$first"
is "as is said" "$output" "$tmp/none/none: cannot make it: No such file or directory"
check_status 2 "no folder is named" "$nixie" run "$first" --pcap
mkdir -p "$tmp/taken/01-relay.pcap"
check_status 2 "a folder has the name of a capture" "$nixie" run --pcap "$tmp/taken" "$first"
is "as is said, after the result" "$(grep -c . <<<"$output") $(grep 'cannot write' <<<"$output")" "4 $tmp/taken/01-relay.pcap: cannot write it: Is a directory"
is "and nothing else is left" "$(names "$tmp/taken")" "01-relay.pcap "
full() { (ulimit -f 100; trap '' XFSZ; "$nixie" run --pcap "$tmp/full" scenarios/mail 2>&1); }
mkdir "$tmp/full" && echo old >"$tmp/full/08-rate-limit.pcap"
check_status 2 "the disk is full" full
is "as is said" "$(grep 'cannot write' <<<"$output")" "$tmp/full/08-rate-limit.pcap: cannot write it: File too large"
is "what was there stays" "$(cat "$tmp/full/08-rate-limit.pcap")" old
is "no part is left behind, and the others are whole" "$(find "$tmp/full" -name '.*.pcap.*' | wc -l) $(cmp "$tmp/full/01-relay.pcap" "$captures/mail-01-relay.pcap" && echo same)" "0 same"

# --- what tshark reads -----------------------------------------------------------------------------
if ! peers=$(ci/peers tshark 2>"$tmp/why"); then
    skip "captures as tshark reads them" "it cannot be had here: $(tail -1 "$tmp/why")"
    tap_end
fi
libraries=$(ci/peers --libraries)
tshark() {
    env HOME="$tmp" XDG_CONFIG_HOME="$tmp" WIRESHARK_DATA_DIR="$peers/usr/share/wireshark" WIRESHARK_PLUGIN_DIR="$tmp" LD_LIBRARY_PATH="$libraries" \
        "$peers/usr/bin/tshark" -n -o ip.check_checksum:TRUE -o tcp.check_checksum:TRUE -o udp.check_checksum:TRUE "$@" 2>"$tmp/tshark.err"
}
if ! tshark --version >/dev/null; then
    skip "captures as tshark reads them" "it does not run here: $(head -1 "$tmp/tshark.err")"
    tap_end
fi

# One line a packet: checksums of IP, TCP, UDP, ICMP, ICMPv6 (1: good), malformed, severities and
# texts of what it remarks, SMTP commands and replies, DNS: response?, name; protocols; bytes of TCP.
fields=''
for field in ip.checksum.status tcp.checksum.status udp.checksum.status icmp.checksum.status icmpv6.checksum.status _ws.malformed \
    _ws.expert.message smtp.req.command smtp.response.code dns.flags.response dns.qry.name frame.protocols tcp.payload; do
    fields+=" -e $field"
done
# shellcheck disable=SC2086
decode() { tshark -r "$1" -T fields -E separator='|' -E 'aggregator=;' $fields >"$1.txt"; }
export -f decode tshark
export tmp peers libraries fields

# What may be remarked of a possible trace; all else is told.
possible='Connection establish|Connection finish|Connection reset|This frame (initiates|undergoes) the connection closing|This frame is a \(suspected\) retransmission$|TCP window update|DNS query retransmission|DNS response retransmission'
wrong() {
    awk -F'|' -v possible="$possible" -v file="$(basename "$1" .txt)" '
    function bad(why) { print file ": packet " NR ": " why }
    { for (i = 1; i <= 5; i++) if ($i !~ /^(1;?)*$/) bad("checksum " i " is " $i)
      if ($6 != "") bad("malformed")
      if ($12 ~ /:tcp/ && $12 !~ /icmp/ && $2 != 1 || $12 ~ /:udp/ && $12 !~ /icmp/ && $3 != 1) bad("no checksum")
      n = split($7, said, ";")
      for (i = 1; i <= n; i++) if (said[i] !~ possible) bad(said[i]) }' "$1"
}

# "VERB count" of commands, replies and queries, as tshark and as the story have them.
# The dissector takes everything behind a DATA for data, also where that was refused (554): there the
# commands are counted in the bytes.
read_dialogue() {
    local commands=all
    grep -qE '[|;]554[|;]' "$1" && commands=none
    { awk -F'|' -v commands=$commands '{ n = commands == "all" ? split($8, word, ";") : 0; for (i = 1; i <= n; i++) count[word[i]]++
                 n = split($9, word, ";"); for (i = 1; i <= n; i++) count[word[i]]++
                 if ($10 == 0 && $10 != "") count["asked " $11]++
                 if ($10 == 1) count["answered " $11]++ }
               END { for (one in count) print one, count[one] }' "$1"
      [ $commands = all ] || perl -F'\|' -lane 'print pack "H*", $F[12] if $F[12]' "$1" | tr -d '\r' |
        awk '$1 ~ /^(EHLO|HELO|MAIL|RCPT|DATA|RSET|QUIT)$/ { count[$1]++ } END { for (one in count) print one, count[one] }'; } | sort
}
told_dialogue() {
    awk '$3 == "asked" || $3 == "answered" { sub(/:$/, "", $5); count[$3 " " $4]++ }
         $4 == "<" || $4 == ">" { if ($5 ~ /^[0-9][0-9][0-9]$/) count[$5]++; else if ($5 !~ /^[0-9][0-9][0-9]-/) count[$5]++ }
         END { for (one in count) print one, count[one] }' | sort
}

read=$tmp/read
"$nixie" run --hash --pcap "$read" scenarios/mail scenarios/out/09-* scenarios/out/16-* scenarios/in/06-* tests/e2e/pcap-write.scenario >"$tmp/log"
if [ -n "${CHECK_ALL-}" ]; then
    cp -n "$captures"/* "$read/"
    for seed in 2; do
        run_quietly --seed $seed --pcap "$read" scenarios tests/e2e/pcap-write.scenario
    done
fi
find "$read" -type f -print0 | xargs -0 -P 2 -n 1 bash -c 'decode "$0"'
is "tshark reads all of them" "$(find "$read" -name '*.txt' -size +0 | wc -l)" "$(find "$read" -name '*.pcap' | wc -l)"
is "no packet is malformed, no checksum is bad, no trace is impossible" "$(for file in "$read"/*.txt; do wrong "$file"; done | head -20)" ""

# It would be seen: the same with one byte changed in a packet, and without one packet.
damaged() {
    local offset=$1
    head -c "$offset" "$read/01-relay.pcap" >"$tmp/bad.pcap"
    printf 'Z' >>"$tmp/bad.pcap"
    tail -c +$((offset + 2)) "$read/01-relay.pcap" >>"$tmp/bad.pcap"
    decode "$tmp/bad.pcap"
    [ -n "$(wrong "$tmp/bad.pcap.txt")" ]
}
check "a changed byte of an IP header would be seen" damaged $((24 + 16 + 8))
check "one of a TCP header, too" damaged $((24 + 16 + 20 + 15))
lacking() {
    local fourth=$((24 + 2 * (16 + 48) + 16 + 40))
    { head -c $fourth "$read/01-relay.pcap"; tail -c +$((fourth + 16 + 63 + 1)) "$read/01-relay.pcap"; } >"$tmp/bad.pcap"
    decode "$tmp/bad.pcap"
    wrong "$tmp/bad.pcap.txt" | grep -q "ACKed segment that wasn't captured"
}
check "a packet that is missing, too" lacking

for file in scenarios/mail/*.scenario; do
    name=$(basename "$file" .scenario)
    capture=$read/$name.pcap
    is "commands, replies and queries of $name, as the run tells them" "$(read_dialogue "$capture.txt")" \
        "$("$nixie" run -v "$file" | told_dialogue)"
done

# --- the examples of the how-to ----------------------------------------------------------------------
# Commands behind "$ ", and what they print but for times, numbers of packets and spaces.
how_to=$PWD/docs/how-to/look-at-a-session-in-wireshark.md
mkdir "$tmp/home" && ln -s "$PWD/scenarios" "$tmp/home/scenarios"
awk '/^```scenario/ { on = 1; next } /^```/ { on = 0 } on' "$how_to" >"$tmp/home/trouble.scenario"
awk '/^```console/ { on = 1; next } /^```/ { on = 0 } on' "$how_to" >"$tmp/examples"
play_examples() {
    local line
    ln -s "$nixie" "$tmp/home/nixie"
    cd "$tmp/home" && PATH=$tmp/home:$PATH || return
    while IFS= read -r line; do
        case $line in
        '$ '*) echo "$line" && eval "${line:2}" </dev/null ;;
        esac
    done
}
without_times() { sed -E -e 's/^ *[0-9]+ +[0-9]+\.[0-9]{9} /N T /' -e 's/[0-9.]+ s simulated in [0-9.]+ s/T/' -e 's/\+[0-9]+ms/T/' -e 's/ +/ /g' -e 's/ $//'; }
if tshark --version | grep -q '^TShark.* 4\.0\.'; then
    is "the how-to's examples print what it says" "$(play_examples <"$tmp/examples" | without_times)" "$(without_times <"$tmp/examples")"
    check_status 0 "and its scenario is in the right form" "$nixie" fmt --check "$tmp/home/trouble.scenario"
else
    skip "the how-to's examples print what it says" "that is for version 4.0 of tshark"
fi
tap_end
