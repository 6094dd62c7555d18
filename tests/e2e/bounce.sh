#!/bin/bash
# Bounces as python3's email module reads them (bounce_check.py).  Prints TAP.
# shellcheck disable=SC2119
. tests/e2e/tap.bash
new_folder
. tests/e2e/send.bash
if ! command -v python3 >/dev/null; then
    skip "bounces are read" "no python3"
    tap_end
fi
# reads N ASSERTIONS...: the N-th bounce is well-formed, and each python expression is true of it:
# m the message, text its first part, fields those of the message, r those of each recipient (in
# order of addresses), original the bytes of the third part.
reads() {
    local n=$1 name=$2
    shift 2
    check "$name" python3 "$source/tests/e2e/bounce_check.py" "$home/rig/bounce.$n/mess" "$@"
}
envelope() { tr '\0' ' ' <"$home/rig/bounce.$1/envelope"; }
refused='D192.0.2.25 does not like recipient.\nRemote host said: 550 5.1.1 no such user\nGiving up on 192.0.2.25.\n'

# --- several recipients --------------------------------------------------------------------------
make_home
echo 'virt.example:vprefix' >"$home/control/virtualdomains"
answer a@mail.example "$refused"
answer b@mail.example 'DConnected to 2001:db8::5 but sender was rejected.\nRemote host said: 553-no\n553 5.7.1 never (#5.9.9)\n'
answer c@mail.example 'DSorry, no mailbox here by that name. (#5.1.1)\n'
answer vprefix-d@virt.example 'DSorry, nobody. (#5.2.1)\n'
birth=$(($(now) - 90))
put 7 $birth joe@away.example a@mail.example b@mail.example good@mail.example c@mail.example d@virt.example
start
check "a message with four failures ends" says '^end msg 7$'
reads 1 "a notice for all of them" \
    'len(r) == 4' \
    '[f["Final-Recipient"] for f in r] == ["rfc822; a@mail.example", "rfc822; b@mail.example", "rfc822; c@mail.example", "rfc822; d@virt.example"]' \
    'all(f["Action"] == "failed" for f in r)' \
    '[f["Status"] for f in r] == ["5.1.1", "5.7.1", "5.1.1", "5.2.1"]' \
    '[f["Remote-MTA"] for f in r] == ["dns; [192.0.2.25]", "dns; [IPv6:2001:db8::5]", None, None]' \
    'r[0]["Diagnostic-Code"] == "smtp; 550 5.1.1 no such user"' \
    'r[1]["Diagnostic-Code"] == "smtp; 553-no 553 5.7.1 never (#5.9.9)"' \
    'r[2]["Diagnostic-Code"] == "x-nixie; Sorry, no mailbox here by that name. (#5.1.1)"' \
    'fields["Reporting-MTA"] == "dns; mail.example"' \
    "email.utils.parsedate_to_datetime(fields['Arrival-Date']).timestamp() == $birth" \
    'm["Auto-Submitted"] == "auto-replied"' \
    'm["Content-Transfer-Encoding"] is None' \
    'text.startswith("Hi. This is the nixie-send program at mail.example.\n")' \
    'text.count("\n\n<") == 4 and "\n\n<d@virt.example>:\nSorry, nobody. (#5.2.1)\n\n---" in text' \
    'text.endswith("\n--- Below this line is a copy of the message.\n")' \
    'original == b"Return-Path: <joe@away.example>\nSubject: hello\n\nbody\n"'
is "it is from nobody to the sender" "$(envelope 1)" "F Tjoe@away.example  "

# --- too long in the queue -----------------------------------------------------------------------
answer slow@mail.example 'Z192.0.2.25 does not like recipient.\nRemote host said: 450 4.2.0 greylisted\nGiving up on 192.0.2.25.\n'
put 8 1000000 joe@away.example slow@mail.example
check "an old message ends" says '^end msg 8$'
reads 2 "as expired, with the last reply" \
    'r[0]["Status"] == "4.4.7" and r[0]["Action"] == "failed"' \
    'r[0]["Diagnostic-Code"] == "smtp; 450 4.2.0 greylisted"' \
    'r[0]["Remote-MTA"] == "dns; [192.0.2.25]"' \
    'text.count("too long") == 1'
answer far@mail.example "ZSorry, I wasn't able to establish an SMTP connection. (#4.4.1)\n"
put 9 1000000 joe@away.example far@mail.example
check "another ends" says '^end msg 9$'
reads 3 "without a reply" 'r[0]["Status"] == "4.4.7"' \
    "r[0]['Diagnostic-Code'] == \"x-nixie; Sorry, I wasn't able to establish an SMTP connection. (#4.4.1)\""

# --- bounces of bounces, lists -------------------------------------------------------------------
put 10 "$(now)" "" a@mail.example
check "a bounce that bounces" says '^end msg 10$'
is "goes to postmaster" "$(envelope 4)" "F#@[] Tpostmaster@mail.example  "
reads 4 "as a notice too" 'm["To"] == "postmaster@mail.example"' '"but the bounce bounced!\n" in text' \
    'text.endswith("\n--- Below this line is the original bounce.\n")' 'r[0]["Status"] == "5.1.1"' \
    'original.startswith(b"Return-Path: <>\n")'
put 11 "$(now)" "list-@away.example-@[]" a@mail.example
check "a list's message ends" says '^end msg 11$'
is "and its bounce goes to the owner" "$(envelope 5)" "F Tlist-@away.example  "
reads 5 "whose address it bears" 'm["To"] == "list-@away.example"' 'len(r) == 1'

# --- hostile reports and messages ----------------------------------------------------------------
answer evil@mail.example 'D192.0.2.25 does not like recipient.\nRemote host said: 550-5.1.1 \033[2J\001\r\n550-5.1.1 J\xf6rg J\xc3\xb6rg\n550 5.1.1 \t end\n\n\n<x@y>:\n\nFinal-Recipient: rfc822; z@y\n'
put 13 "$(now)" joe@away.example evil@mail.example
check "hostile bytes" says '^end msg 13$'
reads 6 "are made safe" 'len(r) == 1' 'r[0]["Status"] == "5.1.1"' \
    'r[0]["Diagnostic-Code"].startswith("smtp; 550-5.1.1 ?[2J?? 550-5.1.1 J?rg J??rg 550 5.1.1")' \
    '"J?rg J\u00f6rg" in text' '"\x1b" not in text and text.count("\n\n<") == 1' \
    'm["Content-Transfer-Encoding"] == "8bit"'
{ printf 'D192.0.2.25 does not like recipient.\\nRemote host said: 550 5.7.1 '; printf '%09000d' 0; printf '\\n'; } >"$home/rig/long"
answer long@mail.example "$(cat "$home/rig/long")"
put 14 "$(now)" joe@away.example long@mail.example
check "a very long reply" says '^end msg 14$'
reads 7 "is in lines that mail can carry" 'len(r[0]["Diagnostic-Code"].replace(" ", "")) > 9000' \
    'max(map(len, raw.split(b"\n"))) < 998' 'text.count("\n\n<") == 1'
answer 'Jörg@mail.example' "$refused"
answer "$(printf 'J\xf6rg@mail.example')" "$refused"
put 15 "$(now)" joe@away.example 'Jörg@mail.example' "$(printf 'J\xf6rg@mail.example')"
check "addresses beyond ASCII" says '^end msg 15$'
reads 8 "are written as RFC 6533 says" 'len(r) == 2 and r[1]["Final-Recipient"] == "utf-8; J\\x{F6}rg@mail.example"' \
    'raw.split(b"message/delivery-status")[1].split(b"\n--=")[0].isascii()'
put_bytes() { (cd "$home" && "$tmp/send_rig" put "$@"); }
printf 'Subject: J\xf6rg\n\n\xff\xfe no newline' | put_bytes 16 "$(now)" joe@away.example a@mail.example
check "an 8-bit message without a last newline" says '^end msg 16$'
reads 9 "is attached as it is" 'm["Content-Transfer-Encoding"] == "8bit"' \
    'raw.split(b"message/rfc822\n")[1].startswith(b"Content-Transfer-Encoding: 8bit\n\nReturn-Path: <joe@away.example>\nSubject: J\xf6rg\n\n\xff\xfe no newline\n--=_nixie.16.")'
boundary() { sed -n 's/^\tboundary="\(.*\)"$/\1/p' "$home/rig/bounce.$1/mess" | head -1; }
id() { grep -m1 '^Message-ID: ' "$home/rig/bounce.$1/mess"; }
is "boundaries differ" "$(for n in 1 2 3 4 5 6 7 8 9; do boundary $n; done | sort -u | wc -l)" 9
is "Message-IDs too" "$(for n in 1 2 3 4 5 6 7 8 9; do id $n; done | sort -u | wc -l)" 9
stop

# --- the same bounce twice, plain QSBMF -----------------------------------------------------------
first=$(id 5)
put 11 "$(now)" "list-@away.example-@[]" a@mail.example
echo qsbmf >"$home/control/bounceformat"
start
check "the form of the bounce is chosen" says '^end msg 11$'
is "the same message's bounce has the same Message-ID" "$(id 10)" "$first"
is "and QSBMF is what it always was" "$(sed -n '/^$/,$p' "$home/rig/bounce.10/mess")" "
Hi. This is the nixie-send program at mail.example.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out.

<a@mail.example>:
192.0.2.25 does not like recipient.
Remote host said: 550 5.1.1 no such user
Giving up on 192.0.2.25.

--- Below this line is a copy of the message.

Return-Path: <\"list-@away.example-\"@[]>
Subject: hello

body"
is "its header says nothing of MIME" "$(grep -c -i '^mime-version\|^content-' "$home/rig/bounce.10/mess")" 0
stop

# --- more failures than one message tells of, found after a crash ------------------------------------
count=310000
make_home
cat >"$home/rig/queue" <<'END'
#!/bin/sh
cd "$NIXIE_HOME/rig" || exit 61
[ ! -e bounce.3 ] || [ -e failed ] || { : >failed && exit 53; }
n=1
while ! mkdir bounce.$n 2>/dev/null; do n=$((n + 1)); done
grep -a '^Final-Recipient\|^Message-ID\|^Subject: hello\|^(' >bounce.$n/mess
END
(cd "$home" && "$tmp/send_rig" fail 20 $count)
size=$(stat -c %s "$home/queue/bounce/20")
check "the record is over 64 MiB ($size bytes)" test "$size" -gt $((64 << 20))
start
check "one that was not tried is" says 'starting delivery 1: msg 20 to local good@mail.example' 20
check "a bounce that is not taken" says 'trouble injecting bounce message' 20
memory=$(sed -n 's/^VmHWM:[[:space:]]*\([0-9]*\) kB/\1/p' "/proc/$(cat "$home/rig/pid")/status")
is "nobody who has failed is tried again" "$(cat "$home/rig/deliveries")" "20 <joe@away.example> good@mail.example"
[ -n "$sanitize" ] || check "memory does not grow with the record ($memory kB)" test "$memory" -lt 65536
stop
cat "$home"/rig/bounce.*/mess >"$tmp/told"
is "three were taken" "$(grep -c '^(Another' "$tmp/told")" 3
rm -r "$home"/rig/bounce.*
start
check "the message ends" says '^end msg 20$' 30
cat "$home"/rig/bounce.*/mess >"$tmp/told"
is "everybody is told of" "$(grep '^Final' "$tmp/told" | sort -u | wc -l)" $count
is "once" "$(grep -c '^Final' "$tmp/told")" $count
messages=$(find "$home/rig" -name 'bounce.*' | wc -l)
is "by several messages ($messages)" "$(grep '^Message-ID' "$tmp/told" | sort -u | wc -l)" "$messages"
is "each with a copy" "$(grep -c '^Subject' "$tmp/told")" "$messages"
is "all but the last say that there are more" "$(grep -c '^(' "$tmp/told")" $((messages - 1))
check "which are messages of some megabytes" test "$messages" -gt 10
stop
echo dsn >"$home/control/bounceformat"
(cd "$home" && timeout 100 "$tmp/send_rig" run "$build/bin/nixie-send" >rig/log 2>&1)
check "another form is none" said '^alert: cannot start: unable to read controls: control/bounceformat is neither'
tap_end
