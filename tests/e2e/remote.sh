#!/bin/bash
# Mail out: nixie-remote by itself, then the whole server, with a scripted SMTP server that
# smtproutes leads to.  Prints TAP.
. tests/e2e/tap.bash
. tests/e2e/server.bash
if ! python3 -c '' 2>/dev/null; then
    skip "mail out to a scripted SMTP server" "python3 is missing"
    tap_end
fi
as_ordinary_user
unset NIXIE_HOME
home=$tmp/home
smtp=()
end_all() {
    for p in start send queue rspawn remote; do server_kill "$home" $p; done
    kill "${smtp[@]}" 2>/dev/null
    rm -rf "$tmp"
}
trap end_all EXIT

# smtp_start NAME: a server in $tmp/NAME; its port is in $port.
smtp_start() {
    mkdir -p "$tmp/$1"
    python3 tests/e2e/smtp_server.py "$tmp/$1" &
    smtp+=($!)
    wait_for 10 test -s "$tmp/$1/port"
    port=$(cat "$tmp/$1/port")
}
# rules LINE...: what server a does; its log is emptied.
rules() {
    rm -f "$tmp"/a/{log,took.*,envelope.*}
    touch "$tmp/a/log"
    printf '%s\n' "$@" >"$tmp/a/rules.new" && mv "$tmp/a/rules.new" "$tmp/a/rules"
}
dialogue() { sed -n 's/^[0-9]* //p' "$tmp/a/log" | tr '\n' '|'; }
took() { find "$tmp/a" -name 'took.*' | wc -l; }
ended() { [ "$(grep -c ' end$' "$tmp/a/log")" = "$(grep -c ' connect$' "$tmp/a/log")" ]; }
# remote RECIPIENT...: one-shot; its records are in $records, `|` for NUL.
remote() {
    records=$(printf '%b' "${message:-Subject: x\n\nbody\n}" | NIXIE_HOME=$tmp/one timeout 200 \
        "$BUILD/bin/nixie-remote" "${host:-away.example}" "${sender-joe@mail.example}" "$@" | tr '\0\n' '|/')
    wait_for 5 ended
}
said='/Remote host said: '
ip=127.0.0.1

smtp_start a
mkdir -p "$tmp/one/control"
echo $domain >"$tmp/one/control/me"
echo ":[127.0.0.1]:$port" >"$tmp/one/control/smtproutes"

# --- transactions ----------------------------------------------------------------------------------
rules
remote a@away.example
is "one recipient" "$records" "r|K$ip accepted message.${said}250 2.0.0 taken/|"
is "what was said" "$(dialogue)" "connect|EHLO $domain|MAIL FROM:<joe@mail.example> SIZE=20|RCPT TO:<a@away.example>|DATA|.|QUIT|end|"
rules 'RCPT *b@* reply 550 5.1.1 no such\nuser' 'RCPT *c@* reply 451 4.2.1 later'
remote a@away.example b@away.example c@away.example 'd e@away.example'
is "each recipient has its result" "$records" \
    "r|h$ip does not like recipient.${said}550-5.1.1 no such/550 user/|s$ip does not like recipient.${said}451 4.2.1 later/|r|K$ip accepted message.${said}250 2.0.0 taken/|"
is "the envelope that was taken" "$(cat "$tmp/a/envelope.1" "$tmp"/a/envelope.? 2>/dev/null | tail -1)" \
    'FROM:<joe@mail.example> SIZE=20 TO:<a@away.example> TO:<"d e"@away.example>'
echo out.example >"$tmp/one/control/helohost"
for extensions in PIPELINING NONE; do
    rules "extensions $extensions" 'RCPT * reply 550 no'
    remote a@away.example b@away.example
    is "all refused ($extensions)" "$records" "h$ip does not like recipient.${said}550 no/|h$ip does not like recipient.${said}550 no/|DGiving up on $ip./|"
    is "nothing is sent" "$(took)" 0
    check "helohost" grep -q 'EHLO out.example' "$tmp/a/log"
    rules "extensions $extensions" 'RCPT * reply 550 no' 'DATA * reply 354 go on'
    remote a@away.example b@away.example
    if [ $extensions = PIPELINING ]; then
        is "DATA accepted for nobody: a dot" "$(dialogue)" "connect|EHLO out.example|MAIL FROM:<joe@mail.example>|RCPT TO:<a@away.example>|RCPT TO:<b@away.example>|DATA|.|QUIT|end|"
        is "and no byte of the message" "$(cat "$tmp/a/took.1")" ""
    else
        is "DATA is not said for nobody" "$(dialogue)" "connect|EHLO out.example|MAIL FROM:<joe@mail.example>|RCPT TO:<a@away.example>|RCPT TO:<b@away.example>|QUIT|end|"
    fi
    is "which does not make it a success" "${records##*|D}" "Giving up on $ip./|"

    # Every verb, refused for now and for good, and closed.
    for code in 451 550; do
        letter=Z && [ $code = 550 ] && letter=D
        for row in "MAIL:Connected to $ip but sender was rejected." "DATA:$ip failed on DATA command." \
            "EOD:$ip failed after I sent the message."; do
            rules "extensions $extensions" "${row%%:*} * reply $code not that"
            remote a@away.example
            is "${row%%:*} $code ($extensions)" "$records" "$letter${row#*:}${said}$code not that/|"
            is "then QUIT" "$(dialogue | grep -o 'QUIT|end|')" "QUIT|end|"
        done
    done
    for verb in connect HELO MAIL RCPT DATA; do
        for action in close reset 'reply 421 going' 'last 421 going' 'raw 250 o' 'raw garbage\r\n' 'reply 350 odd'; do
            [ "$verb $action" = "DATA reply 350 odd" ] && continue
            rules "extensions $extensions" 'EHLO * reply 500 old' "$verb * $action"
            [ "$action" = 'raw 250 o' ] && rules "extensions $extensions" 'EHLO * reply 500 old' "$verb * last 250"
            remote a@away.example
            case $verb,$records in
            MAIL,r*K* | RCPT,r*K*) tap_result $((1 - (0$(took) > 0))) "$verb $action ($extensions): $records" ;;
            *) tap_result $((0$(took) != 0 || 0$(grep -c '^Z.*|$' <<<"$records") == 0)) "$verb $action ($extensions): $records" ;;
            esac
        done
    done
    doubt="Connected to $ip but connection died. Possible duplicate! (#4.4.2)/|"
    for action in close reset 'raw 250' 'raw hm?\r\n' 'reply 354 more'; do
        rules "extensions $extensions" "EOD * $action"
        [ "$action" = 'raw 250' ] && rules "extensions $extensions" 'EOD * raw 250-'
        [ "$action" = 'raw 250' ] && continue
        remote a@away.example
        is "after the dot: $action ($extensions)" "$records" "Z$doubt"
        is "the message was taken" "$(took)" 1
    done
done
# A recipient at which the server breaks off does not hold up the others.
for extensions in PIPELINING NONE; do
    rules "extensions $extensions" 'RCPT *bad@* reply 421 4.3.2 going'
    remote bad@away.example good@away.example
    is "421 at one recipient ($extensions)" "$records" \
        "s$ip does not like recipient.${said}421 4.3.2 going/|r|K$ip accepted message.${said}250 2.0.0 taken/|"
    is "the others are sent over a new connection" "$(grep -c ' connect$' "$tmp/a/log") $(took)" "2 1"
    rules "extensions $extensions" 'RCPT *bad@* close'
    remote good@away.example bad@away.example late@away.example
    is "a connection that breaks at one ($extensions)" "$records" \
        "r|sConnected to $ip but connection died. (#4.4.2)/|r|K$ip accepted message.${said}250 2.0.0 taken/|"
done
rules 'extensions NONE' 'RCPT *bad@* raw 250 ok\r\n550 no\r\n'
remote good@away.example bad@away.example late@away.example
is "two replies to one" "$records" \
    "r|sConnected to $ip but it says more than it was asked. (#4.5.0)/|r|K$ip accepted message.${said}250 2.0.0 taken/|"
rules 'RCPT *bad@* raw 250 ok\r\n550 no\r\n'
remote bad@away.example good@away.example late@away.example
is "with PIPELINING: its refusals are not believed, and who it was is learned in lock step" "$records" \
    "sConnected to $ip but it says more than it was asked. (#4.5.0)/|r|r|K$ip accepted message.${said}250 2.0.0 taken/|"
remote bad@away.example
is "nor is what DATA seems to be answered" "$records" "ZConnected to $ip but it says more than it was asked. (#4.5.0)/|"
# One too many for a transaction, or for a connection.
for extensions in PIPELINING NONE; do
    for code in 452 552; do
        rules "extensions $extensions" "limit 2 $code"
        remote {a,b,c,d,e}@away.example
        is "$code behind two recipients ($extensions)" "$records" "r|r|r|r|r|K$ip accepted message.${said}250 2.0.0 taken/|"
        is "further transactions, one connection" "$(grep -c ' connect$' "$tmp/a/log") $(took)" "1 3"
    done
done
rules 'RCPT * reply 421 4.3.2 going'
remote {a,b,c,d,e,f,g,h,i}@away.example
is "421 at everybody: so many connections, no more" "$(grep -c ' connect$' "$tmp/a/log") $(took)" "6 0"
is "and all are put off" "$(tr '|' '\n' <<<"$records" | grep -c '^s.*421 4.3.2')$(tr '|' '\n' <<<"$records" | grep -c '^[hDK]')" "60"
rules 'MAIL * reply 550 no' 'RCPT * reply 250 ok' 'DATA * reply 354 go on'
remote a@away.example
is "DATA accepted without a sender" "$records" "DConnected to $ip but sender was rejected.${said}550 no/|"
is "not even a dot" "$(dialogue)$(took)" "connect|EHLO out.example|MAIL FROM:<joe@mail.example> SIZE=20|RCPT TO:<a@away.example>|DATA|end|0"
rules 'DATA * early 250 taken\r\n'
remote a@away.example
is "a reply before its time is not believed" "$records" "ZConnected to $ip but cannot understand what it says. (#4.5.0)${said}250 taken/|"
is "and the dot is not sent" "$(took)" 0
rules 'DATA * early 552 5.3.4 too much\r\n'
remote a@away.example
is "a refusal before its time is" "$records" "D$ip failed while I sent the message.${said}552 5.3.4 too much/|"
rules 'EHLO * close'
remote a@away.example
is "HELO when EHLO closes" "$(dialogue)" "connect|EHLO out.example|end|connect|HELO out.example|MAIL FROM:<joe@mail.example>|RCPT TO:<a@away.example>|DATA|.|QUIT|end|"
rules 'connect * reply 220-one\ntwo' 'EHLO * reply 502 5.5.1 what?'
remote a@away.example
is "HELO when EHLO is not known" "$(dialogue)" "connect|EHLO out.example|HELO out.example|MAIL FROM:<joe@mail.example>|RCPT TO:<a@away.example>|DATA|.|QUIT|end|"
rules 'connect * reply 554 5.7.1 go away'
remote a@away.example
is "a bad greeting" "$records" "ZConnected to $ip but greeting failed.${said}554 5.7.1 go away/|"
rules 'connect * silence'
echo 1 >"$tmp/one/control/timeoutremote"
remote a@away.example
is "silence" "$records" "ZConnected to $ip but connection died. (#4.4.2)/|"
rm "$tmp/one/control/timeoutremote"

# --- SIZE, 8BITMIME, contents ----------------------------------------------------------------------
rules 'extensions SIZE_19'
remote a@away.example
is "too large is refused at once" "$records" "D$ip takes messages of up to 19 bytes; this one has 20. (#5.3.4)/|"
is "without MAIL" "$(dialogue)" "connect|EHLO out.example|QUIT|end|"
rules 'extensions SIZE 8BITMIME'
message='Subject: x\n\n\0344\n' remote a@away.example
is "eight bits, offered" "$(dialogue | grep -o 'MAIL[^|]*')" "MAIL FROM:<joe@mail.example> SIZE=17 BODY=8BITMIME"
rules 'extensions SIZE'
sender='' message='Subject: x\n\n\0344\n' remote a@away.example
is "eight bits, not offered" "$(dialogue | grep -o 'MAIL[^|]*')" "MAIL FROM:<> SIZE=17"
printf '.a\n..\n.\n\r\n.\r.\nb\rc\r\r\n\0\377\n.' >"$tmp/odd"
head -c 300000 /dev/zero | tr '\0' x >>"$tmp/odd"
rules
records=$(NIXIE_HOME=$tmp/one timeout 200 "$BUILD/bin/nixie-remote" away.example s@x.example a@away.example <"$tmp/odd" | tr '\0\n' '|/')
is "odd bytes and a long line" "$records" "r|K$ip accepted message.${said}250 2.0.0 taken/|"
printf '..a\r\n...\r\n..\r\n\r\n.. .\r\nb c \r\n\0\377\r\n..' >"$tmp/want"
head -c 300000 /dev/zero | tr '\0' x >>"$tmp/want"
printf '\r\n' >>"$tmp/want"
check "are sent as documented" cmp "$tmp/a/took.1" "$tmp/want"
records=$(NIXIE_HOME=$tmp/one timeout 200 "$BUILD/bin/nixie-remote" away.example s@x.example a@away.example < <(cat "$tmp/odd") | tr '\0\n' '|/')
check "from a pipe too" cmp "$tmp/a/took.2" "$tmp/want"
for bad in $'a\rDATA@away.example' $'a\nb@away.example' 'a@away>.example' nobody; do
    rules
    remote "$bad" good@away.example
    is "an address that cannot be said" "${records:0:61}" "hSorry, this address cannot be told to another server. (#5.1."
    check "does not stop the others" grep -q good "$tmp/a/envelope.1"
    is "and is not said" "$(grep -c RCPT "$tmp/a/log")" 1
done
sender=$'x\r\nRCPT TO:<evil@x>' remote a@away.example
is "nor a sender" "$records" "DSorry, the sender's address cannot be told to another server. (#5.1.7)/|"

# --- routes, control files -------------------------------------------------------------------------
rules
echo "other.example:[127.0.0.1]:1
.away.example:[127.0.0.1]:$port
[127.0.0.9]:[127.0.0.1]:$port" >"$tmp/one/control/smtproutes"
host=deep.away.example remote a@deep.away.example
is "a suffix" "${records:0:3}" "r|K"
host='[127.0.0.9]' remote 'a@[127.0.0.9]'
is "a literal" "${records:0:3}" "r|K"
host=other.example remote a@other.example
is "refused" "$records" "ZSorry, I wasn't able to establish an SMTP connection. (#4.4.1)/|"
echo ":[127.0.0.1]:x" >"$tmp/one/control/smtproutes"
remote a@away.example
is "a route that is none" "$records" "ZUnable to use control/smtproutes. (#4.3.5)/|"
echo x >"$tmp/one/control/timeoutconnect"
remote a@away.example
is "a control file that is wrong" "$records" "ZUnable to read control files. (#4.3.0)/|"
records=$(NIXIE_HOME=$tmp/nowhere "$BUILD/bin/nixie-remote" h s r </dev/null | tr '\0\n' '|/')
is "no home" "$records" "ZUnable to switch to home directory. (#4.3.0)/|"
check_status 100 "usage" "$BUILD/bin/nixie-remote" host sender

# --- the server ------------------------------------------------------------------------------------
inject() { "$home/bin/nixie-inject" "$@" <<<$'Subject: out\n\nbody'; }
logged() { grep -q -- "$1" "$home/log/current"; }
count() { grep -c -- "$1" "$tmp/a/log"; }
check "make a home" server_make "$home" alice
echo ":[127.0.0.1]:$port" >"$home/control/smtproutes"
echo 1 >"$home/control/concurrencyremote"
rules
check "it starts" server_start "$home"
check "a message for another host" inject -f "alice@$domain" bob@away.example
check "is delivered" wait_for 10 logged "success: 127.0.0.1_accepted_message./Remote_host_said:_250_2.0.0_taken/"
is "its body" "$(sed 1,/^.\$/d "$tmp/a/took.1" | tr -d '\r')" "body"
check "remote concurrency is told" logged 'status: local 0/20 remote 1/1'
rules
many=()
for i in $(seq 30); do many+=("r$i@away.example"); done
check "30 recipients" inject -f "alice@$domain" "${many[@]}"
check "are delivered" wait_for 10 queue_is_empty "$home"
is "in one transaction" "$(count DATA) $(count RCPT)" "1 30"
rules
for i in $(seq 20); do inject -f "alice@$domain" "r$i@away.example" || break; done
check "20 messages, one after another" wait_for 10 queue_is_empty "$home"
is "all are taken" "$(took)" 20
tap_result $(($(count ' connect$') > 3)) "over one connection while it serves: $(count ' connect$')"
rules 'RCPT *no@* reply 550 5.1.1 not here'
check "one of two refused" inject -f "alice@$domain" yes@away.example no@away.example
check "bounces" wait_for 10 has_mails "$home" alice 1
mail=$(mails "$home" alice | head -1)
check "with what the server said" grep -q '550 5.1.1 not here' "$mail"
check "and the server's address" grep -q '127.0.0.1 does not like recipient' "$mail"
rules 'EOD * close'
check "a reply that never comes" inject -f "alice@$domain" bob@away.example
check "is told as what it is" wait_for 10 logged 'deferral: Connected_to_127.0.0.1_but_connection_died._Possible_duplicate!_(#4.4.2)/'
rules
kill -ALRM "$(server_pids "$home" send)"
check "and tried again" wait_for 10 queue_is_empty "$home"
rules 'EOD * silence'
check "a worker that dies" inject -f "alice@$domain" bob@away.example
wait_for 10 grep -q ' \.$' "$tmp/a/log"
server_kill "$home" remote
check "is told too" wait_for 10 logged 'deferral: nixie-remote_crashed._Possible_duplicate!_(#4.3.0)/'
rules 'MAIL * silence'
kill -ALRM "$(server_pids "$home" send)"
wait_for 10 grep -q MAIL "$tmp/a/log"
starts=$(grep -c 'status: local 0/20 remote 0/1$' "$home/log/current")
server_kill "$home" send
check "send is gone: what is not sent yet is given up" wait_for 5 grep -q ' end$' "$tmp/a/log"
rules
runs_anew() { [ "$(grep -c 'status: local 0/20 remote 0/1$' "$home/log/current")" -gt "$starts" ] && [ -n "$(server_pids "$home" send)" ]; }
wait_for 10 runs_anew
kill -ALRM "$(server_pids "$home" send)"
check "and delivered by the next" wait_for 20 queue_is_empty "$home"
is "once" "$(took)" 1
server_stop "$home"
no_workers() { [ -z "$(server_pids "$home" remote)" ]; }
check "no worker is left" wait_for 10 no_workers
tap_end
