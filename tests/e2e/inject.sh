#!/bin/bash
# nixie-inject and nixie-sendmail as their users meet them.  Prints TAP.
#
# tests/e2e/inject/NN-name.eml is a message, NN-name.want what `nixie-inject -n` makes of it, with
# the moment's stamps replaced.  NN-name.args, if there, sets the bash arrays `environment` and
# `arguments`.
set -u
build=$(cd "${BUILD:-build}" && pwd)
cases=$(cd "$(dirname "$0")/inject" && pwd)
inject=$build/bin/nixie-inject
sendmail=$build/bin/nixie-sendmail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
count=0 failed=0

report() { # RESULT NAME
    count=$((count + 1))
    if [ "$1" -eq 0 ]; then echo "ok $count - $2"; else echo "not ok $count - $2"; failed=1; fi
}
check() { "${@:2}"; report $? "$1"; } # NAME COMMAND...

home=$work/home
mkdir -p "$home/control" "$home/bin"
ln -s "$inject" "$home/bin/nixie-inject"
echo mail.example.com >"$home/control/me"
echo example.com >"$home/control/defaultdomain"
echo plus.example >"$home/control/plusdomain"

stamps='s/^\(Resent-\)\?Date: [0-9]* [A-Z][a-z][a-z] [0-9]* [0-9:]* -0000$/\1Date: NOW/
s/^\(Resent-\)\?Message-ID: <20[0-9]\{12\}\.[0-9]*\.[0-9a-f]\{16\}\.nixie@/\1Message-ID: <STAMP.nixie@/'

clean() { env -i PATH="$PATH" NIXIE_HOME="$home" QMAILUSER=alice "$@"; }

# --- what -n prints ---
for eml in "$cases"/*.eml; do
    name=$(basename "$eml" .eml)
    environment=() arguments=()
    # shellcheck disable=SC1090
    [ -e "${eml%.eml}.args" ] && . "${eml%.eml}.args"
    clean "${environment[@]}" "$inject" -n "${arguments[@]}" <"$eml" >"$work/out" 2>"$work/err"
    status=$?
    sed "$stamps" "$work/out" >"$work/got"
    if [ -n "${REWRITE_WANT:-}" ]; then cp "$work/got" "${eml%.eml}.want"; fi
    cmp -s "$work/got" "${eml%.eml}.want" && [ $status -eq 0 ]
    result=$?
    report $result "-n: $name"
    [ $result -eq 0 ] || { cat "$work/err"; diff "${eml%.eml}.want" "$work/got"; } | sed 's/^/# /'
done

# --- what the queue is given ---
cat >"$work/record" <<EOR
#!/bin/bash
cat <&0 >"$work/message"
tr '\0' '|' <&1 >"$work/envelope"
[ -e "$work/text" ] && cat "$work/text" >&6
exit \$(cat "$work/status")
EOR
chmod +x "$work/record"
echo 0 >"$work/status"
queue() { clean QMAILQUEUE="$work/record" "$@" >"$work/out" 2>"$work/err"; }
envelope_is() { # WANT MESSAGE COMMAND...: the envelope that COMMAND makes of MESSAGE
    rm -f "$work/envelope" "$work/message"
    printf "$2" | queue "${@:3}"
    local status=$?
    [ $status -eq 0 ] && [ "$(cat "$work/envelope")" = "$1" ] && return 0
    echo "# status $status, envelope $(cat "$work/envelope" 2>&1), want $1"
    sed 's/^/# /' "$work/err"
    return 1
}
me='Falice@mail.example.com|'
both='To: h@x.y\nCc: i@x.y\nBcc: j@x.y\nApparently-To: k@x.y\n\nbody\n'
check "arguments are recipients" envelope_is "${me}Ta@x.y|Tb@x.y||" "$both" "$inject" a@x.y b@x.y
check "-A without arguments: the header's" envelope_is "${me}Th@x.y|Ti@x.y|Tj@x.y|Tk@x.y||" "$both" "$inject" -A
check "-a: arguments only" envelope_is "${me}Ta@x.y||" "$both" "$inject" -a a@x.y
check "-h: the header's only" envelope_is "${me}Th@x.y|Ti@x.y|Tj@x.y|Tk@x.y||" "$both" "$inject" -h a@x.y
check "-H: both" envelope_is "${me}Th@x.y|Ti@x.y|Tj@x.y|Tk@x.y|Ta@x.y||" "$both" "$inject" -H a@x.y
check "only Resent- fields count" envelope_is "${me}Tr@x.y|Ts@x.y||" \
    'To: a@x.y\nResent-Bcc: r@x.y\nBcc: b@x.y\nResent-To: s@x.y\n\n' "$inject"
check "any Resent- field makes it forwarded" envelope_is "${me}Tg@x.y||" \
    'To: a@x.y\nResent-Date: today\n\n' "$inject" -H g@x.y
check "header addresses are completed" envelope_is \
    "${me}Ta@mail.example.com|Tb@h.example.com|Tc@h.plus.example|Td e@x.y|Tf@[1.2.3.4]||" \
    'To: a, B <b@h>, c@h+,\n "d e"@x.y (D), <@r,@s:f@[1.2.3.4]>\n\n' "$inject"
check "arguments are completed" envelope_is "${me}Ta@mail.example.com|Tb@h.example.com|Td e@x.y||" \
    '\n' "$inject" a b@h "d e@x.y"
check "groups" envelope_is "${me}Ta@x.y|Tb@x.y||" 'To: G: a@x.y, B <b@x.y>;\nCc: none:;\n\n' "$inject"
check "-f" envelope_is 'Fbob@h.example.com|Ta@x.y||' 'Return-Path: <c@x.y>\n\n' "$inject" -fbob@h a@x.y
check "-f with the sender apart" envelope_is 'Fbob@x.y|Ta@x.y||' '\n' "$inject" -f bob@x.y a@x.y
check "-f with an empty sender" envelope_is 'F|Ta@x.y||' '\n' "$inject" -f '' a@x.y
check "-f <>" envelope_is 'F|Ta@x.y||' '\n' "$inject" -f '<>' a@x.y
check "-f #@[]" envelope_is 'F#@[]|Ta@x.y||' '\n' "$inject" -f '#@[]' a@x.y
check "Return-Path sets the sender" envelope_is 'Fc@x.y|Ta@x.y||' 'Return-Path: <c@x.y>\n\n' "$inject" a@x.y
check "Return-Path: <>" envelope_is 'F|Ta@x.y||' 'Return-Path: <>\n\n' "$inject" a@x.y
check "Return-Path: with nothing" envelope_is "${me}Ta@x.y||" 'Return-Path: \n\n' "$inject" a@x.y
check "the first Return-Path counts" envelope_is "Fb@x.y|Ta@x.y||" \
    'Return-Path: <b@x.y>\nReturn-Path: <c@x.y>\n\n' "$inject" a@x.y
check "QMAILINJECT s" envelope_is "${me}Ta@x.y||" 'Return-Path: <c@x.y>\n\n' \
    env QMAILINJECT=s "$inject" a@x.y
check "QMAILSUSER, QMAILSHOST" envelope_is 'Fu@h.example.com|Ta@x.y||' '\n' \
    env QMAILSUSER=u QMAILSHOST=h "$inject" a@x.y
check "QMAILHOST" envelope_is 'Falice@q.example.com|Ta@x.y||' '\n' env QMAILHOST=q MAILHOST=m "$inject" a@x.y
check "QMAILINJECT r" envelope_is 'Falice-@mail.example.com-@[]|Ta@x.y||' '\n' env QMAILINJECT=r "$inject" a@x.y
printf '\n' | queue env QMAILINJECT=mr "$inject" a@x.y
grep -Eq '^Falice-20[0-9]{12}\.[0-9]+-@mail\.example\.com-@\[\]\|Ta@x\.y\|\|$' "$work/envelope"
report $? "QMAILINJECT m and r"
printf '\n' | queue env QMAILINJECT=m "$inject" a@x.y
grep -Eq '^Falice-20[0-9]{12}\.[0-9]+@mail\.example\.com\|Ta@x\.y\|\|$' "$work/envelope"
report $? "QMAILINJECT m"
check "broken fields that nobody reads" envelope_is "${me}Ta@x.y||" \
    'To: a b\nReply-To: "x\nFrom: (\n\n' "$inject" -a a@x.y

# --- the body is not touched ---
printf 'a\0b\rc\r\n.\n..\nFrom x\n\377\n no last newline' >"$work/body"
{ printf 'Subject: x\n\n'; cat "$work/body"; } | queue "$inject" -a a@x.y
sed '1,/^$/d' "$work/message" | cmp -s - "$work/body"
report $? "any bytes in the body"
head -c 3000000 /dev/urandom >"$work/body"
{ printf 'Subject: x\n\n'; cat "$work/body"; } | queue "$inject" -a a@x.y
sed '1,/^$/d' "$work/message" | cmp -s - "$work/body"
report $? "3 MB of random bytes in the body"
{ printf 'hello: '; printf 'x%.0s' {1..998}; printf '\n\n'; } >"$work/body"
head -c 2000000 /dev/zero | tr '\0' a >"$work/body"
queue "$inject" -a a@x.y <"$work/body"
sed '1,/^$/d' "$work/message" | cmp -s - "$work/body"
report $? "2 MB without a line end and without a header"
if grep -qa __asan_init "$inject"; then
    count=$((count + 1))
    echo "ok $count - 100 MB in 40 MB of address space # SKIP AddressSanitizer needs more"
else
    (
        ulimit -v 40000
        { printf 'Subject: x\n\n'; head -c 100000000 /dev/zero; } | queue "$inject" -a a@x.y
    ) && [ "$(stat -c %s "$work/message")" -gt 100000000 ]
    report $? "100 MB in 40 MB of address space"
fi
rm -f "$work/message"

check "SIGCHLD ignored by whoever starts it" envelope_is "${me}Ta@x.y||" '\n' \
    env --ignore-signal=CHLD "$inject" a@x.y

# --- mail that others wrote ---
# Behind the first empty line every byte stays; in the header every field but those that inject
# may touch.
touched='^(From|Sender|Reply-To|To|Cc|Bcc|Apparently-To|Return-Path|Content-Length|Errors-To|Return-Receipt-To|Mail-Followup-To|Mail-Reply-To|Notice-Requested-Upon-Delivery-To|Date|Message-ID|Resent-[A-Za-z-]*)[ \t]*:'
untouched_fields() {
    LC_ALL=C awk -v touched="$touched" 'BEGIN {IGNORECASE = 1; touched = tolower(touched)}
        /^\r?$/ || (/^[^ \t]/ && !/^[!-9;-~]+[ \t]*:/) {exit}
        /^[^ \t]/ {keep = tolower($0) !~ touched}
        keep' "$1"
}
unchanged() {
    LC_ALL=C sed '1,/^\r\{0,1\}$/d' "$1" >"$work/body"
    tail -c "$(stat -c %s "$work/body")" "$work/message" | cmp -s - "$work/body" || return 1
    sed '1{/^From /d}' "$1" >"$work/input"
    untouched_fields "$work/input" >"$work/want"
    untouched_fields "$work/message" | cmp -s - "$work/want"
}
corpus=${CORPUS:-$(dirname "$0")/../../../shared/corpus}
mapfile -t mails < <(find "$corpus" "$(dirname "$0")/../../fixtures/messages" -name '*.eml' -o -name '*.msg' 2>/dev/null | LC_ALL=C sort)
if [ ${#mails[@]} -eq 0 ]; then
    count=$((count + 1))
    echo "ok $count - others' mail stays as it is # SKIP no corpus"
else
    wrong=0
    for mail in "${mails[@]}"; do
        rm -f "$work/message"
        queue "$inject" -a a@x.y <"$mail" && unchanged "$mail" && continue
        echo "# $mail: $(cat "$work/err")"
        wrong=$((wrong + 1))
    done
    [ $wrong -eq 0 ]
    report $? "${#mails[@]} mails of others stay as they are"
fi

# --- what is refused ---
refused() { # STATUS TEXT MESSAGE COMMAND...
    rm -f "$work/envelope"
    printf "$3" | queue "${@:4}"
    local status=$?
    [ $status -eq "$1" ] && grep -qF -- "$2" "$work/err" && [ ! -e "$work/envelope" ] && return 0
    echo "# status $status: $(cat "$work/err")"
    return 1
}
check "unknown option" refused 100 "unknown option" '' "$inject" -z
check "-f without sender" refused 100 "-f needs" '' "$inject" -f
check "no recipients" refused 100 "no recipients" 'Subject: x\n\n' "$inject"
check "no recipients in a group" refused 100 "no recipients" 'To: none:;\n\n' "$inject"
check "bad To" refused 100 "To: a b" 'To: a b\n\n' "$inject"
check "bad Bcc" refused 100 "Bcc: <a" 'Bcc: <a\n\n' "$inject"
check "bad Return-Path" refused 100 "Return-Path: x y" 'Return-Path: x y\n\n' "$inject" a@x.y
check "a NUL in an address" refused 100 "unable to parse" 'To: a\0b@x.y\n\n' "$inject"
long=$(printf 'a%.0s' {1..1100})
check "an address too long" refused 100 "address too long" '\n' "$inject" "$long@x.y"
check "a header address too long" refused 100 "address too long" "To: $long@x.y\n\n" "$inject"
check "a sender too long" refused 100 "address too long" '\n' "$inject" -f "$long@x.y" a@x.y
check "a line end in QMAILUSER" refused 100 "control byte" '\n' env QMAILUSER=$'a\nBcc: b' "$inject" a@x.y
{ printf 'X: '; head -c 1200000 /dev/zero | tr '\0' a; } >"$work/big"
queue "$inject" a@x.y <"$work/big"
[ $? -eq 100 ] && grep -q 'header is longer' "$work/err"
report $? "a header over 1 MiB"
printf '\n' | env -i NIXIE_HOME="$work/nowhere" "$inject" a@x.y 2>"$work/err"
[ ${PIPESTATUS[1]} -eq 111 ]
report $? "no home: temporary"
printf 'To: a@x.y\n\n' | queue env QMAILMFTFILE="$work" "$inject"
[ $? -eq 111 ]
report $? "an unreadable QMAILMFTFILE: temporary"
check "a missing QMAILMFTFILE" envelope_is "${me}Ta@x.y||" 'To: a@x.y\n\n' env QMAILMFTFILE="$work/none" "$inject"
queue "$inject" a@x.y <"$work"
[ $? -eq 111 ]
report $? "an unreadable message: temporary"
clean "$inject" -n a@x.y <"$cases/01-plain.eml" >/dev/full 2>"$work/err"
[ $? -eq 111 ]
report $? "-n to a full disk: temporary"

# --- the queue's answers ---
for pair in 0:0 11:100 31:100 51:111 53:111 71:111 81:111 91:111 1:111; do
    echo "${pair%:*}" >"$work/status"
    printf 'Subject: x\n\n' | queue "$inject" a@x.y
    status=$?
    [ $status -eq "${pair#*:}" ]
    report $? "the queue ends with ${pair%:*}: ${pair#*:}"
    [ $status -eq "${pair#*:}" ] || echo "# status $status: $(cat "$work/err")"
done
for letter in D:100 Z:111; do
    echo 82 >"$work/status"
    printf '%s' "${letter%:*}go away, please (#5.7.1)" >"$work/text"
    printf 'Subject: x\n\n' | queue "$inject" a@x.y
    [ $? -eq "${letter#*:}" ] && [ "$(cat "$work/err")" = 'nixie-inject: fatal: go away, please (#5.7.1)' ]
    report $? "the queue's own text, ${letter%:*}"
done
rm "$work/text"
echo 0 >"$work/status"

# --- sendmail ---
check "sendmail: arguments" envelope_is "${me}Ta@x.y||" "$both" "$sendmail" -i a@x.y
check "sendmail -t -i" envelope_is "${me}Th@x.y|Ti@x.y|Tj@x.y|Tk@x.y||" "$both" "$sendmail" -t -i
check "sendmail -ti with arguments" envelope_is "${me}Th@x.y|Ti@x.y|Tj@x.y|Tk@x.y|Ta@x.y||" "$both" "$sendmail" -ti a@x.y
check "sendmail -oi -f" envelope_is "Fb@x.y|Ta@x.y||" '\n' "$sendmail" -oi -fb@x.y a@x.y
check "sendmail -r" envelope_is "Fb@x.y|Ta@x.y||" '\n' "$sendmail" -r b@x.y a@x.y
check "sendmail -f ''" envelope_is "F|Ta@x.y||" '\n' "$sendmail" -f '' a@x.y
check "sendmail -oem -odb -B 8BITMIME -bm -v" envelope_is "${me}T-a@x.y||" '\n' \
    "$sendmail" -oem -odb -B 8BITMIME -bm -v -- -a@x.y
printf 'Subject: x\n\nbody\n.\nmore\n' | queue "$sendmail" -F 'Al "Ice"' a@x.y
grep -qxF 'From: "Al \"Ice\"" <alice@mail.example.com>' "$work/message" &&
    [ "$(tail -n 1 "$work/message")" = more ]
report $? "sendmail -F, and a dot does not end the message"
check "sendmail: unknown option" refused 100 "unknown option" '' "$sendmail" -Q a@x.y
check "sendmail: unknown mode" refused 100 "-b takes" '' "$sendmail" -bd
check "sendmail: value missing" refused 100 "lacks its value" '' "$sendmail" -f
check "sendmail -bs, not installed" refused 100 "not installed: nixie-smtpd" '' "$sendmail" -bs
check "sendmail -bp, not installed" refused 100 "not installed: nixie-qread" '' "$sendmail" -bp
printf '#!/bin/sh\necho "$0 $# $NIXIE_HOME"' >"$home/bin/nixie-qread"
chmod +x "$home/bin/nixie-qread"
queue "$sendmail" -bp && [ "$(cat "$work/out")" = "$home/bin/nixie-qread 0 $home" ]
report $? "sendmail -bp starts nixie-qread"
ln -s "$sendmail" "$work/mailq"
queue "$work/mailq" && [ "$(cat "$work/out")" = "$home/bin/nixie-qread 0 $home" ]
report $? "so does mailq"

echo "1..$count"
exit $failed
