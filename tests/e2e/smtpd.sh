#!/bin/bash
# nixie-smtpd standing alone, as tcpserver starts it.  Prints TAP.
#
# tests/e2e/smtpd/NN-name.in is what a client sends: each line with its escapes (\r \n \0NNN \\)
# resolved and CR LF behind; a line that ends in \c without.  A line "\p N" waits until there are N
# lines of replies.  NN-name.want is what comes of it:
# the replies, the log, and each message with its envelope as the queue gets it, moments replaced.
# NN-name.args, if there, is sourced before: `control NAME TEXT`, environment=(NAME=VALUE ...),
# queue_status=N, queue_text=TEXT.
. tests/e2e/tap.bash
new_folder
cases=tests/e2e/smtpd
home=$tmp/home
mkdir -p "$home/bin" && cp "$BUILD/bin/nixie-smtpd" "$home/bin/" || exit 1

cat >"$tmp/record" <<EOR
#!/bin/bash
exec 3<&1 >>"$tmp/taken"
echo "-- message"; cat; echo "-- envelope"; tr '\0' '|' <&3; echo
[ -e "$tmp/text" ] && cat "$tmp/text" >&6
exit \$(cat "$tmp/status")
EOR
chmod +x "$tmp/record"

control() { # NAME TEXT
    printf '%b\n' "$2" >"$home/control/$1"
}

prepare() {
    rm -rf "$home/control" "$tmp/text" "$tmp/taken"
    mkdir "$home/control"
    control me mail.example.com
    control rcpthosts 'example.com\n.sub.example'
    environment=() queue_status=0 queue_text=
}

# Descriptor 6 holds the text of a queue that fails with 82.
serve() {
    echo "$queue_status" >"$tmp/status"
    if [ -n "$queue_text" ]; then echo "$queue_text" >"$tmp/text"; fi
    env -i PATH="$PATH" NIXIE_HOME="$home" QMAILQUEUE="$tmp/record" TCPREMOTEIP=192.0.2.7 \
        TCPREMOTEPORT=4000 TCPLOCALIP=192.0.2.10 "${environment[@]}" \
        timeout 200 "$home/bin/nixie-smtpd" 2>"$tmp/log"
}

send() { # FILE
    local line i
    while IFS= read -r line; do
        case $line in
        '\p '*) for ((i = 0; i < 1000 && $(wc -l <"$tmp/replies") < ${line#* }; i++)); do sleep 0.01; done ;;
        *) printf '%b\r\n' "$line" ;;
        esac
    done <"$1"
}

show() { # the replies on standard input
    sed 's/\r$//'
    echo "-- log"
    cat "$tmp/log"
    [ ! -e "$tmp/taken" ] || cat -v "$tmp/taken"
}
moments='s/; [0-9]* [A-Z][a-z][a-z] [0-9]* [0-9:]* -0000$/; NOW/; s/ ok [0-9]* qp / ok NOW qp /'

for in in "$cases"/*.in; do
    name=$(basename "$in" .in)
    prepare
    # shellcheck disable=SC1090
    [ -e "${in%.in}.args" ] && . "${in%.in}.args"
    : >"$tmp/replies"
    send "$in" | serve >>"$tmp/replies"
    status=${PIPESTATUS[1]}
    show <"$tmp/replies" | sed "$moments" >"$tmp/got"
    if [ -n "${REWRITE_WANT:-}" ]; then cp "$tmp/got" "${in%.in}.want"; fi
    difference=$(diff "${in%.in}.want" "$tmp/got")
    tap_result $((status != 0 || $? != 0 || ${#difference} > 0)) "$name" "status $status
$difference"
done

# --- what is too long for a file ---
replies() { # the last replies to a message
    sed 's/\r$//' "$tmp/replies" | tail -"$1"
}
begin='EHLO c.example\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@example.com>\r\nDATA\r\n'
hops() { # NUMBER
    printf '%b' "$begin"
    for ((i = 0; i < $1; i++)); do
        printf '%s\r\n' "$([ $((i % 2)) = 0 ] && echo "rEceived: from x" || echo "Delivered-To: y")"
    done
    printf '\r\nReceived: in the body\r\n.\r\nQUIT\r\n'
}
prepare
hops 99 | serve >"$tmp/replies"
check "99 hops pass" grep -q '^250 2.6.0' <(replies 2)
hops 100 | serve >"$tmp/replies"
is "100 do not" "$(replies 2 | head -1)" "554 5.4.6 too many hops, this message is looping"

{ printf '%b' "$begin"; head -c 1000000 /dev/zero | tr '\0' 'x'; printf '\r\n.\r\nQUIT\r\n'; } |
    serve >"$tmp/replies"
check "a line of a million bytes" grep -q '^250 2.6.0' <(replies 2)
is "is kept whole" "$(grep -c '^x\{32000\}' "$tmp/taken") $(wc -c <"$tmp/taken")" \
    "1 $((1000000 + $(sed '/^xxx/d' "$tmp/taken" | wc -c) + 1))"

prepare
{
    printf 'EHLO c\r\nMAIL FROM:<a@b>\r\n'
    for ((i = 0; i < 10001; i++)); do printf 'RCPT TO:<r%d@example.com>\r\n' $i; done
    printf 'DATA\r\n\r\nx\r\n.\r\nQUIT\r\n'
} | serve >"$tmp/replies"
is "10000 recipients" "$(grep -c '^250 2.1.5 ok' "$tmp/replies")" 10000
check "and no more" grep -q '^452 4.5.3 too many recipients' "$tmp/replies"
is "all of them in the envelope" "$(grep -o '|Tr[0-9]*@example.com' "$tmp/taken" | sort -u | wc -l)" 10000
check "one log line for the message" grep -q 'to <r0@example.com> and 9999 more$' "$tmp/log"

for size in 2046 2047 2048 9000; do
    { head -c $((size - 2)) /dev/zero | tr '\0' 'x'; printf '\r\nNOOP\r\nQUIT\r\n'; } |
        serve >"$tmp/replies"
    want="500 5.5.1 command not known"
    [ $size -le 2048 ] || want="500 5.5.2 line too long"
    is "a command line of $size bytes" "$(replies 3)" "$want
250 2.0.0 ok
221 2.0.0 mail.example.com"
done

# --- clients that stop, and those that never do ---
prepare
control timeoutsmtpd 1
{ printf 'EHLO c\r\n'; sleep 3; } | serve >"$tmp/replies"
is "a silent client" "$(replies 1)" "421 4.4.2 timeout"
check "is told of in the log" grep -q 'end timeout accepted 0 refused 0 helo c$' "$tmp/log"
{ printf 'NO'; sleep 0.7; printf 'OP'; sleep 0.7; printf 'x'; sleep 2; } | serve >"$tmp/replies"
is "so is one that trickles" "$(replies 1)" "421 4.4.2 timeout"
{ printf '%b' "$begin"; for i in 1 2 3 4 5 6; do printf 'x'; sleep 0.5; done; printf '\r\n.\r\n'; } | serve >"$tmp/replies"
is "and one that trickles a message" "$(replies 2)" "354 go ahead
421 4.4.2 timeout"
{ for ((i = 0; i < 201; i++)); do printf 'NOOP\r\n'; done; } | serve >"$tmp/replies"
is "a client that never sends a message" "$(grep -c '^250' "$tmp/replies") $(replies 1)" "200 421 4.7.0 too many commands without a message"
prepare
{ for ((i = 0; i < 40; i++)); do printf 'NOOP\r\nRSET\r\n%bx\r\n.\r\n' "$begin"; done; } | serve >"$tmp/replies"
is "one that does" "$(grep -c '^250 2.6.0' "$tmp/replies")" 40
prepare
control timeoutsmtpd 1
mkfifo "$tmp/full"
{ printf '%b' 'MAIL FROM:<>\r\n'; for ((i = 0; i < 6000; i++)); do printf 'RCPT TO:<a@example.com>\r\n'; done; sleep 3; } |
    { serve >"$tmp/full"; echo $? >"$tmp/ended"; } &
exec 9<"$tmp/full" # and what is in it is more than a pipe holds
check "a client that does not read" wait_for 10 test -e "$tmp/ended"
check "is given up" grep -q 'end timeout' "$tmp/log"
exec 9<&-
prepare
{ printf '%b' "$begin"; printf 'half a mess'; } | serve >"$tmp/replies"
check "a client that goes away" grep -q 'end connection_closed' "$tmp/log"
check "leaves no message" grep -qx -- '-- envelope' <(sed -n '/-- envelope/,$p' "$tmp/taken" | head -1)
is "since the queue gets no envelope" "$(sed -n '/-- envelope/,$p' "$tmp/taken" | tail -n +2)" ""

# --- what it needs ---
prepare
control databytes many
printf 'QUIT\r\n' | serve >"$tmp/replies"
is "a bad control file" "$(replies 1)" "421 4.3.0 unable to read controls"
is "is named in the log" "$(cat "$tmp/log")" "smtpd alert: unable to read control/databytes"
prepare
rm "$home/control/me"
printf 'QUIT\r\n' | serve >"$tmp/replies"
is "no control/me" "$(replies 1)" "421 4.3.0 unable to read controls"
check_status 111 "usage" "$home/bin/nixie-smtpd" --unknown
tap_end
