#!/bin/bash
# Bad input for every program of the server: truncated, oversized, binary or hostile control files,
# .qmail files, queue files, envelopes, messages, requests.  Wanted: the right code, a clear error,
# nothing lost, no crash (with SANITIZE=1: no report), no hang.
. tests/e2e/tap.bash
. tests/e2e/server.bash
as_ordinary_user
unset NIXIE_HOME
shopt -s lastpipe # what stands behind a pipe may set variables
here=$PWD/tests/e2e
home=$tmp/home
trap 'for p in start send queue lspawn clean log; do server_kill "$home" $p; done; chmod -R u+rwX "$tmp"; rm -rf "$tmp"' EXIT
export ASAN_OPTIONS=log_path=$tmp/sanitizer:exitcode=99:allocator_may_return_null=1
export UBSAN_OPTIONS=log_path=$tmp/sanitizer:print_stacktrace=1
sanitized=$(grep -c __asan_init "$nixie")

hostile() { perl "$here/hostile.pl" "$@"; }

# try CODES COMMAND...: notes in $bad if it ends otherwise or does not end.  Its output: $said.
bad='' said=
try() {
    local codes=$1 status
    shift
    said=$(timeout 200 "$@" 2>&1)
    status=$?
    note "$codes" "$status" "$*"
}
note() {
    case " $1 " in *" $2 "*) ;; *) bad+="$2, not $1: ${3:0:150}"$'\n' ;; esac
}
# The same with redirections: try_sh CODES SCRIPT ARGUMENT...
try_sh() {
    local codes=$1 script=$2 status
    shift 2
    said=$(timeout 200 bash -c "$script" "$@" 2>&1)
    status=$?
    note "$codes" $status "$script: $*"
}
all_well() {
    is "$1" "$bad" ""
    bad=
}

part() { # with TIMES=1: how long each part takes
    [ -z "${TIMES-}" ] || echo "# $(date +%s.%N) $1"
}

check "a home" server_make "$home" alice joe
echo ":[127.0.0.1]:1" >"$home/control/smtproutes" # mail for others is refused, and waits
export NIXIE_HOME=$home
inject=$home/bin/nixie-inject queue=$home/bin/nixie-queue
printf 'Subject: plain\n\nbody\n' >"$tmp/plain"
printf 'Fs@x.example\0Tr@remote.example\0\0' >"$tmp/envelope"

# --- control files -------------------------------------------------------------------------------
part control
hostile bytes 7 4000 >"$tmp/binary"
head -c 20000000 /dev/zero | tr '\0' 'a' >"$tmp/huge"
control_ways='gone empty huge binary nul no-newline directory fifo loop unreadable huge-number negative number-word spaces long-line'
spoil() { # FILE WAY
    chmod -f 644 "$1"
    rm -rf "$1"
    case $2 in
    gone) ;;
    empty) : >"$1" ;;
    huge) ln "$tmp/huge" "$1" ;;
    binary) cp "$tmp/binary" "$1" ;;
    nul) printf 'mail\0.example\nb\0:c\n' >"$1" ;;
    no-newline) printf 'mail.example' >"$1" ;;
    directory) mkdir "$1" ;;
    fifo) mkfifo "$1" ;;
    loop) ln -s "$(basename "$1")" "$1" ;;
    unreadable) echo 1 >"$1" && chmod 0 "$1" ;;
    huge-number) echo 99999999999999999999999 >"$1" ;;
    negative) echo -1 >"$1" ;;
    number-word) echo 1e3 >"$1" ;;
    spaces) printf ' \t\n \n' >"$1" ;;
    long-line) head -c 100000 "$tmp/huge" >"$1" ;;
    esac
}
# Tells which file and why, if it refuses.
names_the_file() { # PROGRAM STATUS FILE
    [ "$2" = 0 ] || grep -q "$3" <<<"$said" || bad+="$1 does not name $3: ${said:0:200}"$'\n'
}
send_alone() { # reads its control files; then finds that nobody spawns
    "$home/bin/nixie-send" 0>"$tmp/send.log" 1>/dev/null 2</dev/null 3>/dev/null 4</dev/null 5>/dev/null 6</dev/null
    local status=$?
    cat "$tmp/send.log"
    grep -q 'spawn no fire' "$tmp/send.log" && return 0
    return $status
}
# For every way to spoil every file: COMMAND, which sets $said and $status.
cp -a "$home/control" "$tmp/control"
spoil_each() { # PROGRAM CODES NAME-WANTED FILE... -- COMMAND
    local program=$1 codes=$2 wanted=$3 files=() way file
    shift 3
    while [ "$1" != -- ]; do files+=("$1"); shift; done
    shift
    for way in $control_ways; do
        for file in "${files[@]}"; do
            spoil "$home/control/$file" "$way"
            "$@"
            note "$codes" $status "$program with $file $way: $said"
            names_the_file "$program" $status "${wanted:-$file}"
            [ ! -d "$home/control/$file" ] || rmdir "$home/control/$file"
            rm -f "$home/control/$file"
            [ ! -e "$tmp/control/$file" ] || cp -a "$tmp/control/$file" "$home/control/$file"
        done
    done
}
inject_alone() { said=$(timeout 200 "$inject" -n <"$tmp/plain" 2>&1 >/dev/null); status=$?; }
log_alone() { said=$(echo a line | timeout 200 "$home/bin/nixie-log" "$tmp" 2>&1); status=$?; }
lspawn_alone() { said=$(timeout 200 "$home/bin/nixie-lspawn" </dev/null 2>&1 >/dev/null); status=$?; }
send_alone() { # reads its control files; then it finds that nobody spawns
    timeout 200 "$home/bin/nixie-send" 0>"$tmp/send.log" 1>/dev/null 2</dev/null 3>/dev/null 4</dev/null 5>/dev/null 6</dev/null
    status=$?
    said=$(<"$tmp/send.log")
    [[ $status != 111 || $said != *'spawn no fire'* ]] || status=0
}
spoil_each inject '0 100 111' '\(control/\|too long\)' me defaulthost defaultdomain plusdomain idhost -- inject_alone
all_well "inject: control files that it reads"
spoil_each send '0 111' '' me locals virtualdomains percenthack envnoathost queuelifetime bouncefrom bouncehost \
    doublebounceto doublebouncehost concurrencylocal concurrencyremote -- send_alone
all_well "send: control files that it reads"
spoil_each log '0 111' '' logsize lognum -- log_alone
spoil_each lspawn '0 111' '' defaultdelivery -- lspawn_alone
spoil_each inject 0 '' singleuser -- inject_alone
all_well "log, lspawn: control files that they read"

# --- envelopes and messages ----------------------------------------------------------------------
part envelopes
queue_with() { # CODES ENVELOPE: the message is in $tmp/plain
    timeout 200 "$queue" <"$tmp/plain" 1<"$2" 2>/dev/null
    note "$1" $? "queue with $2: $(head -c 60 "$2" | tr -c '[:print:]' '?')"
}
envelope() { # CODES FORMAT
    # shellcheck disable=SC2059
    printf "$2" >"$tmp/e"
    queue_with "$1" "$tmp/e"
}
before=$(ls "$home/queue/todo" | wc -l)
for ((length = 0; length < $(stat -c %s "$tmp/envelope"); length++)); do
    head -c $length "$tmp/envelope" >"$tmp/e"
    queue_with 54 "$tmp/e"
done
all_well "queue: an envelope cut at every byte"
for seed in {1..20}; do
    hostile bytes $seed 2000 >"$tmp/e"
    queue_with '54 91 11' "$tmp/e"
done
envelope 91 'T\0\0'
envelope 91 'Fa\0Xb\0\0'
envelope 91 '\0'
envelope 91 '\0\0\0\0'
envelope 54 'Fa\0Tb\0'
envelope 91 'Fa\0Fb\0\0'
for length in 1003 1004 100000; do
    { printf 'Fs@x.example\0T'; head -c $length "$tmp/huge"; printf '\0\0'; } >"$tmp/e"
    queue_with 11 "$tmp/e"
    { printf F; head -c $length "$tmp/huge"; printf '\0Tr@x.example\0\0'; } >"$tmp/e"
    queue_with 11 "$tmp/e"
done
{ printf F; head -c 20000000 "$tmp/huge"; } >"$tmp/e"
queue_with 11 "$tmp/e"
hostile envelope 1000000 >"$tmp/e"
queue_with 31 "$tmp/e"
all_well "queue: bad envelopes are refused with their code"
is "and leave nothing behind" "$(ls "$home"/queue/{todo,mess,intd,pid} | grep -c '^[0-9]')" "$before"
{ printf 'Fs@x.example\0T'; head -c 1002 "$tmp/huge"; printf '\0\0'; } >"$tmp/e"
queue_with 0 "$tmp/e"
hostile envelope 100000 >"$tmp/e"
queue_with 0 "$tmp/e"
envelope 0 'F\0\0'
envelope 0 'Fa\nb%%s\001@\n\0T\n\0T\0T@\0T%%\0T"\0\0'
all_well "queue: the longest address, 100,000 recipients, none, strange ones are taken"

part messages
try_sh 54 '"$0" <&- 1<"$1"' "$queue" "$tmp/envelope"
try_sh 54 '"$0" </dev/null 1<&-' "$queue"
try_sh 0 '"$0" <"$1" 1<"$2" 2<&-' "$queue" "$tmp/plain" "$tmp/envelope"
try_sh 54 '"$0" <&- >&- 2>&-' "$queue"
try_sh 54 '"$0" <"$2" 1<"$1"' "$queue" "$tmp/envelope" "$tmp"
try_sh 0 '"$0" </dev/null 1<"$1"' "$queue" "$tmp/envelope"
if [ "$sanitized" = 0 ]; then
    try_sh 0 'ulimit -v 20000; head -c 100000000 /dev/zero | "$0" 1<"$1"' "$queue" "$tmp/envelope"
    try_sh 0 'ulimit -v 20000; head -c 50000000 /dev/zero | "$0" r@remote.example' "$inject"
fi
try_sh 53 'ulimit -f 1000; head -c 2000000 /dev/zero | "$0" 1<"$1"' "$queue" "$tmp/envelope"
all_well "queue: no message, large ones in little memory, descriptors that are closed or wrong"

# --- inject and sendmail -------------------------------------------------------------------------
part inject
feed() { # CODES COMMAND...: the message on fd 0 of this function
    local codes=$1
    shift
    said=$(timeout 200 "$@" 2>&1 >/dev/null)
    note "$codes" $? "$*: ${said:0:100}"
}
repeat() { head -c "$2" /dev/zero | sed "s/\\x00/$1/g"; }
for sender in "$inject -n" "$inject -n -a r@x.example" "$inject -n -H"; do
    { printf 'To: '; repeat 'a' 900000; printf '\n\n'; } | feed '0 100' $sender
    { printf 'To: '; repeat '(' 500000; printf '\n\n'; } | feed '0 100' $sender
    { printf 'To: '; repeat 'a,' 400000; printf '\n\n'; } | feed '0 100' $sender
    { printf 'To: '; repeat '<' 400000; printf '\n\n'; } | feed '0 100' $sender
    { printf 'To: '; repeat '@a' 400000; printf ':b@c\n\n'; } | feed '0 100' $sender
    { printf 'To: '; repeat '"a" ' 200000; printf '\n\n'; } | feed '0 100' $sender
    { printf 'To: '; repeat '\\\\' 400000; printf '\n\n'; } | feed '0 100' $sender
    { printf 'To: '; repeat 'x: a;' 100000; printf '\n\n'; } | feed '0 100' $sender
    { printf 'To:'; repeat '\n ' 400000; printf '\n\n'; } | feed '0 100' $sender
    repeat 'Cc: a\n' 150000 | feed '0 100' $sender
    repeat 'To: (\n' 150000 | feed '0 100' $sender
    repeat ': \n' 300000 | feed '0 100' $sender
    repeat 'a:\n' 300000 | feed '0 100' $sender
    repeat 'a' 2000000 | feed '0 100' $sender
    { repeat 'Subject: a\n' 100000; } | feed 100 $sender
    printf 'To: a\0b@x.example, "\0" <c>\nCc: \0\n\n\0' | feed '0 100' $sender
    printf 'To: a@x.example' | feed '0 100' $sender
    printf '\r\n\r\n' | feed '0 100' $sender
    hostile bytes 3 100000 | feed '0 100' $sender
    feed 111 $sender <"$tmp"
done
all_well "inject: hostile headers"
is "a header that is too large is named" "$(repeat 'Subject: a\n' 100000 | "$inject" -n 2>&1 >/dev/null | tail -1)" \
    "nixie-inject: fatal: the header is longer than 1048576 bytes"
long=$(head -c 100000 "$tmp/huge")
sendmail=$home/bin/nixie-sendmail
for argument in "$long" "$long@x" '' @ @x a@ '"' '(' '<' '<>' $'a\nb@x' $'\001' '%s%n' -- '-' ; do
    feed '0 100' "$inject" -n "$argument" <"$tmp/plain"
    feed '0 100' "$inject" -n -f "$argument" a@x.example <"$tmp/plain"
    feed '0 100' "$sendmail" "$argument" --bad-option <"$tmp/plain"
    feed '0 100' env QMAILUSER="$argument" "$inject" -n a@x.example <"$tmp/plain"
    feed '0 100' env QMAILHOST="$argument" "$inject" -n a@x.example <"$tmp/plain"
    feed '0 100' env QMAILNAME="$argument" QMAILINJECT=cfirms "$inject" -n a@x.example <"$tmp/plain"
    feed '0 100 111' env QMAILDEFAULTHOST="$argument" QMAILIDHOST="$argument" "$inject" -n a <"$tmp/plain"
    feed '0 100 111' env QMAILMFTFILE="$argument" "$inject" -n a@x.example <"$tmp/plain"
done
feed 100 "$inject" -f </dev/null
feed 100 "$inject" -z </dev/null
feed 100 "$sendmail" -f </dev/null
feed 100 "$sendmail" -bx </dev/null
feed 100 "$sendmail" -Z </dev/null
feed 100 "$inject" -h </dev/null
all_well "inject, sendmail: hostile arguments and environment"

# --- .qmail files --------------------------------------------------------------------------------
part dotqmail
cat >"$tmp/fake-queue" <<'END'
#!/bin/sh
cat >/dev/null
cat <&1 >/dev/null
END
chmod 755 "$tmp/fake-queue"
joe=$tmp/joe
mkdir -p "$joe"/Maildir/{tmp,new,cur}
chmod 755 "$joe"
local=$home/bin/nixie-local
deliver() { # CODES [FLAG]: with $joe/.qmail as it is
    said=$(QMAILQUEUE=$tmp/fake-queue timeout 200 "$local" "${2--N}" -- joe "$joe" joe '' '' x.example s@y.example \
        ./Maildir/ <"$tmp/plain" 2>&1)
    status=$?
    note "$1" $status "local${3+ with $3}: $said"
    [ $status = 0 ] || [ -n "$said" ] || bad+="local says nothing with ${3-}"$'\n'
}
printf '# a comment\n\n./mbox\n./Maildir/\n|cat >/dev/null; exit 0\n&list@x.example\nother@x.example\n|exit 99\n/nowhere/mbox\n' >"$tmp/rich"
sed -i 2d "$tmp/rich"
for ((length = 0; length <= $(stat -c %s "$tmp/rich"); length++)); do
    head -c $length "$tmp/rich" >"$joe/.qmail"
    deliver '0 111' -n "the first $length bytes"
    [ $((length % 12)) != 0 ] || deliver '0 111' -N "the first $length bytes"
done
all_well "local: a .qmail file cut at every byte"
for seed in {1..15}; do
    hostile bytes $seed 1000 | sed 's/^|/&exit 0 #/' >"$joe/.qmail"
    deliver '0 111' -n "random $seed"
done
spoiled() { # CODES WAY COMMAND...
    local codes=$1 way=$2
    shift 2
    rm -rf "$joe/.qmail"
    "$@"
    deliver "$codes" -N "$way"
}
write() { # shellcheck disable=SC2059
    printf "$@" >"$joe/.qmail"
}
spoiled 111 "a NUL" write './Maildir/\0\n'
spoiled 111 "a carriage return" write './Maildir/\r\n'
spoiled 111 "a blank first line" write '\n./Maildir/\n'
spoiled 111 "no address" write '&\n'
spoiled 111 "a long line" cp "$tmp/huge" "$joe/.qmail"
spoiled '0 111' "a long command" write '|%s\n' "exit 0 #$long"
spoiled 111 "a long address" write '&%s\n' "${long:0:1100}"
spoiled 111 "a long path" write './%s\n' "${long:0:5000}"
spoiled 111 "a path that cannot be" write './%s/\n' "${long:0:300}"
spoiled 111 "/dev/null" write '/dev/null\n'
spoiled 111 "a directory as mbox" write './Maildir\n'
hostile lines 100000 '# ' >"$tmp/comments"
hostile lines 100000 'user@' >"$tmp/forwards"
hostile lines 2000 './no' >"$tmp/mboxes"
spoiled 0 "100,000 comments" cp "$tmp/comments" "$joe/.qmail"
spoiled 0 "100,000 forwards" cp "$tmp/forwards" "$joe/.qmail"
rm -rf "$joe/.qmail" && cp "$tmp/mboxes" "$joe/.qmail" && deliver 0 -n "2,000 mboxes"
spoiled '0 111' "a directory" mkdir "$joe/.qmail"
spoiled '0 111' "a FIFO" mkfifo "$joe/.qmail"
spoiled 111 "a loop of links" ln -s .qmail "$joe/.qmail"
spoiled '0 111' "a link to nowhere" ln -s nowhere "$joe/.qmail"
spoiled 111 "an unreadable file" install -m 000 "$tmp/rich" "$joe/.qmail"
spoiled 111 "one that all may write" install -m 666 "$tmp/rich" "$joe/.qmail"
rm -rf "$joe/.qmail"
chmod 777 "$joe" && deliver 111 -N "a home that all may write"
chmod 1755 "$joe" && deliver 111 -N "a sticky home"
chmod 755 "$joe"
for trap in 'mkfifo mbox' 'mkdir mbox' 'ln -s mbox mbox' 'ln -s /dev/zero mbox' 'install -m 400 /dev/null mbox'; do
    (cd "$joe" && rm -rf mbox && eval "$trap")
    spoiled 111 "mbox: $trap" write './mbox\n'
done
rm -rf "$joe/mbox" "$joe/.qmail"
for trap in 'rmdir Maildir/tmp' 'rm -r Maildir && ln -s Maildir Maildir' 'chmod 500 Maildir/tmp' 'rmdir Maildir/new'; do
    rm -rf "$joe/Maildir" && mkdir -p "$joe"/Maildir/{tmp,new,cur} && (cd "$joe" && eval "$trap")
    deliver 111 -N "Maildir: $trap"
    chmod -Rf u+rwX "$joe"
done
rm -rf "$joe/Maildir" && mkdir -p "$joe"/Maildir/{tmp,new,cur}
all_well "local: hostile .qmail files, mailboxes and homes"
arguments=(-- joe "$joe" joe '' '' x.example s@y.example ./Maildir/)
for ((i = 0; i < 9; i++)); do
    try 100 "$local" "${arguments[@]:0:i}"
done
try 100 "$local" -z "${arguments[@]}"
try 100 "$local" "${arguments[@]}" more
for ((i = 1; i < 9; i++)); do
    for odd in '' "$long" $'\n' ../.. $'\377' '%n%s' -; do
        odd_arguments=("${arguments[@]}")
        odd_arguments[i]=$odd
        try '0 100 111' "$local" -n "${odd_arguments[@]}" <"$tmp/plain"
    done
done
try 100 "$local" -- joe "$joe" joe-x - x/../../y x.example '' ./Maildir/ <"$tmp/plain"
try_sh '100 111' '"$@" <&-' sh "$local" "${arguments[@]}"
try_sh '100 111' '"$@" <"$0"' "$tmp" "$local" "${arguments[@]}"
try_sh '100 111' 'printf x | "$@"' sh "$local" "${arguments[@]}"
try_sh 0 '"$@" <"$0" >&- 2>&-' "$tmp/plain" "$local" "${arguments[@]}"
truncate -s 50M "$tmp/zeros"
[ "$sanitized" != 0 ] || try_sh 0 'ulimit -v 20000; "$@" <"$0"' "$tmp/zeros" "$local" "${arguments[@]}"
all_well "local: wrong arguments and descriptors, a large message in little memory"

# --- lspawn, clean, become, start ----------------------------------------------------------------
part lspawn
lspawn=$home/bin/nixie-lspawn
cp "$tmp/plain" "$home/queue/mess/900000001"
mkdir "$home/queue/mess/900000002" && mkfifo "$home/queue/mess/900000003" && ln -s "$tmp/plain" "$home/queue/mess/900000004"
report() { # FORMAT: what lspawn answers to this request, without its limit
    # shellcheck disable=SC2059
    printf "$1" | timeout 200 "$lspawn" 2>/dev/null | tail -c +3 | tr '\0\n' '|/'
}
request='\1\0900000001\0s@x.example\0alice@mail.example\0'
is "lspawn delivers" "$(report "$request" | tail -c +3)" "Kdid 1+0+0/|"
is "a slot beyond all" "$(report "\\377\\377${request:4}" | tail -c +3)" "ZInternal error: delnum too big. (#4.3.5)/|"
for path in 900000002 900000003 900000004 900000005 ../900000001 '' 99999999999999999999999 -1; do
    said=$(report "\\0\\0$path\\0s\\0alice@mail.example\\0" | tail -c +3)
    [[ $said == [ZD]* ]] || bad+="message $path: $said"$'\n'
done
for recipient in '' @ alice@ @mail.example alice '\377@x' '../alice@x' "$long@x" '%%s%%n@x' $'a\nb@x' 'a@b@c'; do
    said=$(report "\\0\\0900000001\\0s\\0$recipient\\0" | tail -c +3)
    [[ $said == [ZDK]* ]] || bad+="recipient ${recipient:0:20}: $said"$'\n'
done
all_well "lspawn: messages that are none, strange recipients"
for seed in {1..10}; do
    hostile bytes $seed 20000 >"$tmp/e"
    try_sh 0 '"$0" <"$1" >/dev/null' "$lspawn" "$tmp/e"
    try_sh 0 '"$0" <"$1" >/dev/null' "$home/bin/nixie-clean" "$tmp/e"
done
for ((length = 0; length < 50; length += 7)); do
    printf "$request" | head -c $length >"$tmp/e"
    try_sh 0 '"$0" <"$1" >/dev/null' "$lspawn" "$tmp/e"
done
try_sh 0 '"$0" <"$1" | wc -c' "$lspawn" "$tmp/huge"
try_sh 0 '"$0" <"$1" | wc -c' "$home/bin/nixie-clean" "$tmp/huge"
try_sh '0 111' '"$0" <&- >&-' "$lspawn"
try_sh '0 111' '"$0" <&- >&-' "$home/bin/nixie-clean"
try_sh '0 111' '"$0" <"$1"' "$lspawn" "$tmp"
try_sh '0 111' '"$0" <"$1"' "$home/bin/nixie-clean" "$tmp"
all_well "lspawn, clean: random requests"
rm -rf "$home"/queue/mess/90000000?

try '100 111' "$home/bin/nixie-become"
for arguments in 'x 1 / /bin/true' '1 x / /bin/true' '-1 1 / /bin/true' '99999999999 1 / /bin/true' '4294967295 1 / /bin/true' \
    '1 1, / /bin/true' '1 ,1 / /bin/true' '1 1,x / /bin/true' '1 1 /nowhere /bin/true' '1 1 / /nowhere' '1 1 /' '1 1' 1 '0 0 / /bin/true'; do
    # shellcheck disable=SC2086
    try '100 111' "$home/bin/nixie-become" $arguments
done
try 100 "$home/bin/nixie-start" a b
try 111 "$home/bin/nixie-start" /nowhere
try 111 "$home/bin/nixie-start" "$long"
try 111 "$home/bin/nixie-start" "$tmp/plain"
try 111 "$home/bin/nixie-send" a b </dev/null
try '100 111' "$home/bin/nixie-log"
try '100 111' "$home/bin/nixie-log" /nowhere </dev/null
try 62 env NIXIE_HOME="$tmp" "$queue" </dev/null
try 61 env NIXIE_HOME=/nowhere "$queue" </dev/null
all_well "become, start, send, log, queue: wrong arguments"
hostile bytes 5 300000 >"$tmp/e"
mkdir "$tmp/log"
try_sh 0 '"$0" "$2" <"$1"' "$home/bin/nixie-log" "$tmp/e" "$tmp/log"
try_sh 0 '"$0" "$2" <"$1"' "$home/bin/nixie-log" "$tmp/huge" "$tmp/log"
all_well "log: random bytes, a line without end"

# --- users/assign --------------------------------------------------------------------------------
part assign
cp "$tmp/plain" "$home/queue/mess/900000001"
id=$(id -u)
line="=joe:joe:$id:$id:$joe:::"
assigned() { # WANTED-LETTERS: of the report for joe, users/assign being as it is
    said=$(report '\0\0900000001\0s@x.example\0joe@mail.example\0' | tail -c +3)
    [[ $said == [$1]* ]] || bad+="${said:0:100}, not $1: $(head -c 100 "$home/users/assign" 2>&1 | tr -d '\0')"$'\n'
}
mv "$home/users/assign" "$tmp/assign"
printf '%s\n.\n' "$line" >"$tmp/e"
for ((length = 0; length < $(stat -c %s "$tmp/e"); length++)); do
    head -c $length "$tmp/e" >"$home/users/assign"
    assigned Z
done
cp "$tmp/e" "$home/users/assign"
assigned K
all_well "lspawn: users/assign cut at every byte"
fields=(=joe joe "$id" "$id" "$joe" '' '' '')
for ((i = 0; i < 5; i++)); do
    for odd in '' -1 x 99999999999999999999 4294967295 "$long" $'\n' '%n'; do
        odd_fields=("${fields[@]}")
        odd_fields[i]=$odd
        (IFS=:; printf '%s\n.\n' "${odd_fields[*]}") >"$home/users/assign"
        assigned ZKD
    done
done
for i in 2 3; do
    for odd in '' -1 x 99999999999999999999 4294967295 ' 1' 0x1; do
        odd_fields=("${fields[@]}")
        odd_fields[i]=$odd
        (IFS=:; printf '%s\n.\n' "${odd_fields[*]}") >"$home/users/assign"
        assigned Z
    done
done
hostile bytes 9 5000 >"$home/users/assign" && assigned Z
printf '%s\0\n.\n' "$line" >"$home/users/assign" && assigned Z
printf '%s\n' "$line" >"$home/users/assign" && assigned Z
{ hostile lines 300000 "+x:y:$id:$id:$joe:-::"; echo .; } | sed 's/::\([0-9]*\)$/::\1:/' >"$home/users/assign" && assigned ZDK
cp "$tmp/huge" "$home/users/assign" && assigned Z
for trap in 'mkdir assign' 'mkfifo assign' 'ln -s assign assign' 'install -m 000 /dev/null assign'; do
    (cd "$home/users" && rm -rf assign && eval "$trap")
    assigned Z
done
rm -rf "$home/users/assign"
mv "$tmp/assign" "$home/users/assign"
rm -f "$home/queue/mess/900000001"
all_well "lspawn: users/assign malformed in each field, binary, huge, no file"

# --- numbers -------------------------------------------------------------------------------------
part numbers
lock=$home/queue/lock
cp -a "$lock/number" "$tmp/number" && cp -a "$lock/next" "$tmp/next"
largest=0
for file in number next; do
    for way in cut-0 cut-50 cut-89 longer flip-10 flip-20 flip-40 flip-60 flip-80 binary huge gone empty fifo loop; do
        cp -a "$tmp/number" "$lock/number" && cp -a "$tmp/next" "$lock/next" # an older state: numbers must not come again
        case $way in
        cut-*) hostile cut "$tmp/$file" ${way#cut-} >"$lock/$file" ;;
        longer) echo x >>"$lock/$file" ;;
        flip-*) perl -pi -e 'substr($_, '${way#flip-}', 1) ^= "\x01"' "$lock/$file" 2>/dev/null ;;
        *) spoil "$lock/$file" $way ;;
        esac
        number=$("$queue" --tell <"$tmp/plain" 1<"$tmp/envelope" 6>&1 2>/dev/null)
        note 0 $? "queue with lock/$file $way"
        cp -af "$lock/number" "$tmp/number" && cp -af "$lock/next" "$tmp/next"
    done
done
numbers=$(ls "$home/queue/mess")
spoil "$lock/number" directory
try_sh '53 63' '"$0" <"$1" 1<"$2"' "$queue" "$tmp/plain" "$tmp/envelope"
rmdir "$lock/number" && cp -a "$tmp/number" "$lock/number"
all_well "queue: damaged numbers"
is "no message is replaced" "$(ls "$home"/queue/todo | wc -l)" "$(ls "$home"/queue/mess | wc -l)"

# --- queue files ---------------------------------------------------------------------------------
# Many messages in S5 (one recipient failed, one deferred, one remote) and in S4, each damaged in
# another way; between them some that are not damaged.
part queue
rm -rf "$home"/queue/{todo,mess,intd}/* "$home"/users/*/Maildir/new/*
echo '|exit 111' >"$home/users/joe/.qmail-later"
ways=$(hostile ways)
check "start" server_start "$home"
send_pid() { server_pids "$home" send; }
log_has() { [ "$(cat "$home"/log/current | grep -c "$1")" -ge "$2" ]; }
kinds=(info local remote bounce mess)
per_kind=$((ways + 2))
s5=$((per_kind * ${#kinds[@]} + 5))
numbers=()
submit() { # SUBJECT RECIPIENT...: sets $number
    local subject=$1
    shift
    number=$({ printf 'Falice@%s\0' $domain; printf 'T%s\0' "$@"; printf '\0'; } >"$tmp/e"
        printf 'Subject: %s\n\nbody of %s\n' "$subject" "$subject" | "$queue" --tell 6>&1 1<"$tmp/e")
}
for ((i = 0; i < s5; i++)); do
    submit "s5-$i" "joe-nobody@$domain" "joe-later@$domain" r@remote.example
    numbers+=("$number")
done
check "deliveries fail and wait" wait_for 60 log_has ' delivery .*deferral' $((2 * s5))
wait_for 10 log_has ' delivery .*failure' $s5
server_stop "$home"
is "all are in S5 then" "$(ls "$home/queue/info" | wc -l) $(ls "$home/queue/bounce" | wc -l) $(ls "$home/queue/todo" | wc -l)" "$s5 $s5 0"
echo ./Maildir/ >"$home/users/joe/.qmail-later"
outside=$tmp/outside
mkdir "$outside"
first=0
: >"$tmp/damaged"
for kind in "${kinds[@]}"; do
    hostile damage "$home/queue" "$outside" "$kind" "${numbers[@]:first:per_kind}" | sed "s/^/$kind /" >>"$tmp/damaged"
    first=$((first + per_kind))
done
healthy=("${numbers[@]:first}")
for kind in todo mess; do
    numbers=()
    for ((i = 0; i < per_kind; i++)); do
        submit "s4-$kind-$i" "alice@$domain"
        numbers+=("$number")
    done
    hostile damage "$home/queue" "$outside" $kind "${numbers[@]}" | sed "s/^/s4-$kind /" >>"$tmp/damaged"
done
for i in {1..5}; do
    submit "good-$i" "alice@$domain" "joe-later@$domain"
    healthy+=("$number")
done
# what never was a file of the queue
touch "$home"/queue/{mess,todo,info,local,bounce}/{0,01,-1,x,99999999999999999999,core,.hidden,1x}
mkdir "$home"/queue/{todo,info}/dir && ln -s / "$home/queue/mess/root"
# of nothing else
echo x >"$home/queue/local/77777777" && echo x >"$home/queue/bounce/77777778" && mkdir "$home/queue/remote/77777779"
(cd "$outside" && md5sum -- * >"$tmp/outside.md5")
mkdir -p "$tmp/logs" && mv "$home"/log/* "$tmp/logs/"

part recovery
check "start with all of that" server_start "$home"
good_arrived() { [ "$(mails "$home" alice | xargs -r grep -h '^Subject: good-' | wc -l) $(mails "$home" joe | xargs -r grep -h '^Subject: good-' | wc -l)" = "5 5" ]; }
check "what is not damaged is delivered" wait_for 60 good_arrived
for pid in $(send_pid); do kill -ALRM "$pid"; done
healthy_arrived() { [ "$(mails "$home" joe | xargs -r grep -h "^Subject: s5-" | grep -cE -- "-($((s5 - 5))|$((s5 - 4))|$((s5 - 3))|$((s5 - 2))|$((s5 - 1)))$")" = 5 ]; }
check "what waits not damaged is delivered when it is due" wait_for 30 healthy_arrived
sleep 0.5
check "the server still runs" server_is_up "$home"
is "the log tells of no crash" "$(grep -h ' ended: \| lost \|Sanitizer\|runtime error' "$home"/log/current | tail -3)" ""
server_stop "$home"
subjects() { mails "$home" "$1" | xargs -r awk '/^Subject: (s4|s5|good)-/ { print $2; nextfile }'; }
is "nothing arrives twice" "$(for user in alice joe; do subjects $user | sort | uniq -d; done)" ""
is "what lies outside is as it was" "$(cd "$outside" && md5sum -c --quiet "$tmp/outside.md5" 2>&1)" ""
log=$tmp/recovery.log
cat "$home"/log/* >"$log"
while read -r kind number way; do
    case $kind-$way in
    *-gone | bounce-doubled) ;; # nothing to see
    local-flip-* | remote-flip-*) ;; # a next try that is not believed
    mess-flip-* | mess-zeros | mess-random | mess-length-lies | mess-other-number | mess-unreadable) ;; # of S5 only its length is looked at
    *) grep -qE "(warning|alert).*(/| )$number( |;|:|$)" "$log" || bad+="nothing is said of $kind/$number $way"$'\n' ;;
    esac
    case $kind-$way in
    mess-gone | info-gone | s4-*-gone) continue ;;
    esac
    [ -e "$home/queue/mess/$number" ] || [ -L "$home/queue/mess/$number" ] ||
        compgen -G "$home/queue/corrupt/mess.$number*" >/dev/null ||
        grep -q "end msg $number$" "$log" || bad+="the message of $kind/$number $way is gone"$'\n'
done <"$tmp/damaged"
all_well "what is damaged is told of, and its message is somewhere"

# --- the staying queue's clients -----------------------------------------------------------------
part clients
rm -rf "$home"/queue/{todo,mess,info,local,remote,bounce,corrupt}/*
rm -f "$home"/log/*
check "start again" server_start "$home"
socket=$home/run/queue
answer() { # CASE ANSWER: what the queue answers, its lines joined
    said=$(timeout 200 perl "$here/hostile.pl" client "$socket" "$1" "${3-1}" | tr '\n' ' ')
    [[ $said == $2 ]] || bad+="$1: '$said', not '$2'"$'\n'
}
answer good '0 N '
answer magic '91 0 '
answer half-magic ''
answer huge-chunk ''
answer huge-envelope ''
answer large-envelope '31 0 '
answer empty-envelope '54 0 '
answer cut-envelope '54 0 '
answer no-end '54 0 '
answer behind-end '91 0 '
answer no-sender '91 0 '
answer long-address '11 0 '
answer very-long-address '11 0 '
answer bad-then-good '91 0 0 N '
for seed in {1..10}; do
    answer random '91 0 ' $seed
    answer random-envelope '[159][14] 0 ' $seed
done
answer all-cuts ''
answer slow '0 N '
answer never-reads 'let go '
all_well "queue --stay: hostile clients"
said=$(ulimit -n 4096 && hostile crowd "$socket" 1500 2>&1)
check "queue --stay: a crowd is refused beyond its limit" test "$said" -ge 500
check "mail still goes in" "$inject" -f "bob@$domain" "alice@$domain" <<<$'Subject: after all\n\nbody'
after_all() { mails "$home" alice | xargs grep -q '^Subject: after all'; }
check "and arrives" wait_for 20 after_all
is "only whole messages came in" "$(cat "$home/log/current" | grep -c ' new msg')" 4
is "nothing is left in pid" "$(ls "$home/queue/pid")" ""
server_stop "$home"

is "no sanitizer had anything to say" "$(cat "$tmp"/sanitizer* 2>/dev/null | head -40)" ""
tap_end
