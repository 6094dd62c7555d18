#!/bin/bash
# nixie-local as .qmail files use it, nixie-lspawn as nixie-send does, nixie-become as root does.
. "$(dirname "$0")/tap.bash"
new_folder
take_programs
local=$tmp/bin/nixie-local
home=$tmp/joe
out=$tmp/out err=$tmp/err

printf 'From: a@b.example\nSubject: x\n\nFrom me\n>From you\nbytes: \001\000\r\377\nno newline' >"$tmp/plain"
printf 'Subject: a loop\nDelivered-To: joe@x.example\n\nbody\n' >"$tmp/loop"
printf 'Subject: no loop\n\nDelivered-To: joe@x.example\n' >"$tmp/body"

# What stands for the queue: keeps the message and the envelope; status from the file `answer`.
cat >"$tmp/fake-queue" <<'END'
#!/bin/sh
here=${0%/*}
cat >"$here/message"
cat <&1 >"$here/envelope"
exit "$(cat "$here/answer")"
END
chmod 755 "$tmp/fake-queue"

fresh() { # a new home
    rm -rf "$home" "$tmp/message" "$tmp/envelope"
    mkdir -p "$home"/Maildir/{tmp,new,cur}
    chmod 755 "$home"
    echo 0 >"$tmp/answer"
}

# deliver [-n] EXT [SENDER [MESSAGE]]: status in $status
deliver() {
    local flags=--
    [ "$1" = -n ] && { flags=-n; shift; }
    local address=joe dash=
    [ -n "$1" ] && { address=joe-$1 dash=-; }
    env -i PATH="$PATH" NIXIE_HOME="$tmp" QMAILQUEUE="$tmp/fake-queue" "$local" $flags joe "$home" \
        "$address" "$dash" "$1" x.example "${2-sender@y.example}" ./Maildir/ \
        <"${3-$tmp/plain}" >"$out" 2>"$err"
    status=$?
}

# told NAME STATUS TEXT: what the last delivery ended with
told() { is "$1" "$status $(cat "$err" "$out")" "$2 $3"; }
count() { find "$1" -type f 2>/dev/null | wc -l; }

# --- Maildir ---
fresh
deliver ""
told "no .qmail: the default delivery" 0 "did 1+0+0"
printf 'Return-Path: <sender@y.example>\nDelivered-To: joe@x.example\n' | cat - "$tmp/plain" >"$tmp/want"
check "the body arrives byte for byte" cmp "$home"/Maildir/new/* "$tmp/want"
is "nothing stays in tmp" "$(count "$home/Maildir/tmp")" 0
is "the file is the user's only" "$(stat -c %a "$home"/Maildir/new/*)" 600
deliver "" ""
check "an empty sender" grep -q '^Return-Path: <>$' -r "$home/Maildir/new"
rm -r "$home/Maildir"
deliver ""
told "no Maildir" 111 "Unable to chdir to maildir. (#4.2.1)"
fresh
: >"$home/.qmail"
deliver ""
told "an empty .qmail: the default delivery" 0 "did 1+0+0"

# --- mbox ---
fresh
echo ./Mailbox >"$home/.qmail"
deliver "" "so me@y.example"
deliver "" ""
told "mbox" 0 "did 1+0+0"
sed -i 's/^\(From [^ ]*\) [A-Z][a-z][a-z] [A-Z][a-z][a-z] [ 1-3][0-9] [0-9:]\{8\} [0-9]\{4\}$/\1 NOW/' "$home/Mailbox"
{
    printf 'From so-me@y.example NOW\nReturn-Path: <"so me"@y.example>\nDelivered-To: joe@x.example\n'
    sed 's/^\(>*From \)/>\1/;1s/^>//' "$tmp/plain" | sed '1s/^>From:/From:/'
    printf '\n\nFrom MAILER-DAEMON NOW\nReturn-Path: <>\nDelivered-To: joe@x.example\n'
    sed 's/^\(>*From \)/>\1/' "$tmp/plain"
    printf '\n\n'
} >"$tmp/want"
check "quoted, ended, separated" cmp "$home/Mailbox" "$tmp/want"
printf 'left by an editor' >"$home/Mailbox"
deliver ""
is "a box without a newline at its end" "$(head -3 "$home/Mailbox" | sed 's/ .*//' | tr '\n' ,)" "left,,From,"
mkdir "$home/box"
echo ./box >"$home/.qmail"
deliver ""
told "a directory is no mbox" 111 "Unable to open ./box: is a directory. (#4.3.0)"
echo /dev/null >"$home/.qmail"
deliver ""
told "a device is no mbox" 111 "Unable to deliver to /dev/null: not a regular file. (#4.2.1)"

# --- programs ---
fresh
cat >"$home/.qmail-p-default" <<'END'
|cat >message; env >environment
END
deliver "p-A.b"
told "a program" 0 "did 0+0+1"
check "it reads the message" cmp "$home/message" "$tmp/plain"
for want in SENDER=sender@y.example NEWSENDER=sender@y.example RECIPIENT=joe-p-A.b@x.example USER=joe \
    HOME="$home" HOST=x.example HOST2=x LOCAL=joe-p-A.b EXT=p-A.b EXT2=A.b EXT3= DEFAULT=A.b \
    'DTLINE=Delivered-To: joe-p-A.b@x.example' 'RPLINE=Return-Path: <sender@y.example>' \
    "PATH=$PATH"; do
    check "environment: ${want%%=*}" grep -qxF "$want" "$home/environment"
done
check "environment: UFLINE" grep -q '^UFLINE=From sender@y.example ' "$home/environment"
for pair in 0:0 1:111 64:100 65:100 70:100 71:111 75:111 76:100 77:100 78:100 100:100 111:111 112:100; do
    echo "|exit ${pair%:*}" >"$home/.qmail"
    deliver ""
    is "program exits ${pair%:*}" "$status" "${pair#*:}"
done
# shellcheck disable=SC2016
echo '|kill -9 $$' >"$home/.qmail"
deliver ""
told "program killed" 111 "Aack, child crashed. (#4.3.0)"
printf '|echo said; exit 100\n' >"$home/.qmail"
deliver ""
told "its output is the report" 100 "said"
printf '|exit 99\n./Maildir/\n&after@z.example\n' >"$home/.qmail"
deliver ""
told "exit 99 stops" 0 "did 0+0+1"
is "what follows is left out" "$(count "$home/Maildir/new") $(ls "$tmp" | grep -c envelope)" "0 0"
printf '&before@z.example\n|exit 99\n./Maildir/\n' >"$home/.qmail"
deliver ""
told "but not the forwards before" 0 "did 0+1+1"
check "those are sent" grep -q before@z.example "$tmp/envelope"
printf '# a comment\n\n|head -c 1 >one\n|cat >all\n' >"$home/.qmail"
deliver ""
check "each program reads from the start" cmp "$home/all" "$tmp/plain"

# --- forwards ---
fresh
printf '&one@z.example\n./Maildir/\ntwo@z.example  \n# three@z.example\n' >"$home/.qmail"
deliver ""
told "forwards together" 0 "did 1+2+0"
printf 'Delivered-To: joe@x.example\n' | cat - "$tmp/plain" >"$tmp/want"
check "with a Delivered-To line" cmp "$tmp/message" "$tmp/want"
is "one envelope" "$(tr '\0' ' ' <"$tmp/envelope")" "Fsender@y.example Tone@z.example Ttwo@z.example  "
echo 53 >"$tmp/answer"
deliver ""
is "the queue fails for now" "$status" 111
check "and why" grep -q '^Unable to forward message: qq write error or disk full' "$err"
echo 31 >"$tmp/answer"
deliver ""
is "the queue refuses" "$status" 100
fresh
echo '&one@z.example' | tee "$home/.qmail-l" >"$home/.qmail-l-owner"
deliver l
is "a list's owner" "$(tr '\0' ' ' <"$tmp/envelope")" "Fjoe-l-owner@x.example Tone@z.example  "
: >"$home/.qmail-l-owner-default"
deliver l
is "variable return paths" "$(tr '\0' ' ' <"$tmp/envelope")" "Fjoe-l-owner-@x.example-@[] Tone@z.example  "
deliver l ""
is "bounces stay bounces" "$(tr '\0' ' ' <"$tmp/envelope")" "F Tone@z.example  "

# --- which file ---
fresh
for name in default a-default a-b a-c:d Xx; do echo "|echo $name:\$DEFAULT." >"$home/.qmail-$name"; done
which() { deliver "$1"; is "which file: $1" "$status $(head -1 "$out")" "$2"; }
which a-b "0 a-b:."
which A-B "0 a-b:."
which a-x-y "0 a-default:x-y."
which a- "0 a-default:."
which other "0 default:other."
which a-c.d "0 a-c:d:."
which Xx "0 default:Xx."
which ../../etc "0 default:../../etc."
which a-default "0 a-default:default."
which "$(printf '%0300d' 0)" "0 default:$(printf '%0300d' 0)."
rm "$home/.qmail-default"
deliver other
told "no such address" 100 "Sorry, no mailbox here by that name. (#5.1.1)"
mkdir "$home/.qmail-dir"
deliver dir
told "a directory is no instruction" 100 "Sorry, no mailbox here by that name. (#5.1.1)"
mkfifo "$home/.qmail-fifo"
deliver fifo
told "nor is a FIFO" 100 "Sorry, no mailbox here by that name. (#5.1.1)"

# --- loops ---
fresh
deliver "" sender@y.example "$tmp/loop"
told "a loop" 100 "This message is looping: it already has my Delivered-To line. (#5.4.6)"
deliver "" sender@y.example "$tmp/body"
told "not in the body" 0 "did 1+0+0"
deliver other sender@y.example "$tmp/loop"
is "not of another address" "$(cat "$err")" "Sorry, no mailbox here by that name. (#5.1.1)"

# --- what is wrong with files ---
fresh
echo ./Maildir/ >"$home/.qmail"
chmod 757 "$home"
deliver ""
told "home writable by others" 111 "Uh-oh: home directory is writable. (#4.7.0)"
chmod 1755 "$home"
deliver ""
told "sticky home" 111 "Home directory is sticky: user is editing his .qmail file. (#4.2.1)"
chmod 755 "$home"
chmod 646 "$home/.qmail"
deliver ""
told ".qmail writable by others" 111 "Uh-oh: .qmail file is writable. (#4.7.0)"
chmod 744 "$home/.qmail"
deliver ""
told "x bit and a file" 111 "Uh-oh: .qmail has file delivery but has x bit set. (#4.7.0)"
echo '|true' >"$home/.qmail"
deliver ""
told "x bit and a program" 111 "Uh-oh: .qmail has prog delivery but has x bit set. (#4.7.0)"
chmod 644 "$home/.qmail"
printf '\n./Maildir/\n' >"$home/.qmail"
deliver ""
told "blank first line" 111 "Uh-oh: first line of .qmail file is blank. (#4.2.1)"
printf './Maildir/\n\0\n' >"$home/.qmail"
deliver ""
told "a NUL" 111 "Uh-oh: .qmail has a NUL in it: it is no text. (#4.2.1) Line 2."
printf './Maildir/\r\n' >"$home/.qmail"
deliver ""
told "a carriage return" 111 "Uh-oh: .qmail has a line that ends in a carriage return. (#4.2.1)"
head -c 300000 /dev/zero | tr '\0' x >"$home/.qmail"
deliver ""
told "a huge line" 111 "Uh-oh: .qmail has an address that is too long. (#4.2.1)"
printf '+list\n&one@z.example\n./Maildir/\n' >"$home/.qmail"
deliver ""
told "+list and a file" 111 "Uh-oh: .qmail has file delivery after +list. (#4.7.0) Line 3."
is "nothing is delivered of a wrong file" "$(count "$home/Maildir/new")" 0
rm -rf "$home"
deliver ""
told "no home" 111 "Unable to switch to $home: file does not exist. (#4.3.0)"

# --- -n ---
fresh
printf './Maildir/\n./Mailbox\n|true\n&one@z.example\n' >"$home/.qmail"
deliver -n ""
told "-n tells and does nothing" 0 "maildir ./Maildir/
mbox ./Mailbox
program true
forward one@z.example
did 2+1+1"
is "-n leaves all as it is" "$(count "$home")" 1
check_status 100 "usage" "$local" joe

# --- what is repeated ---
fresh
printf './Maildir/\n|echo x >>ran\n|test -e ready || exit 111\n|echo y >>ran\n./Mailbox\n' >"$home/.qmail"
deliver ""
is "a program defers" "$status" 111
deliver ""
deliver ""
: >"$home/ready"
deliver ""
told "then all is done" 0 "did 2+0+3"
is "and nothing twice" "$(count "$home/Maildir/new") $(tr '\n' , <"$home/ran") $(grep -c '^From ' "$home/Mailbox")" "1 x,y, 1"
is "no notes stay" "$(count "$home/.nixie-progress")" 0
deliver ""
is "the next message is another" "$status $(count "$home/Maildir/new")" "0 2"
rm "$home/ready"
deliver ""
printf './Maildir/\n|echo z >>ran\n' >"$home/.qmail"
deliver ""
is "a changed instruction is carried out" "$status $(count "$home/Maildir/new") $(tr '\n' , <"$home/ran")" "0 3 x,y,x,y,x,z,"

# --- many messages ---
corpus=${CORPUS:-../shared/corpus}
if [ -d "$corpus" ]; then
    fresh
    printf './Maildir/\n./Mailbox\n' >"$home/.qmail"
    changed=
    while IFS= read -r -d '' file; do
        rm -f "$home"/Maildir/new/* "$home/Mailbox"
        deliver "" sender@y.example "$file"
        tail -n +3 "$home"/Maildir/new/* | cmp -s - "$file" || changed="$changed $file (Maildir)"
        # an mbox is undone: a > less, the empty line off; it cannot say that a newline was missing
        LC_ALL=C sed '1,3d; s/^>\(>*From \)/\1/' "$home/Mailbox" | head -c -1 |
            cmp -s - <(LC_ALL=C sed '$a\' "$file") || changed="$changed $file (mbox)"
    done < <(find "$corpus" -type f ! -name README.md -print0 | sort -z)
    is "the corpus is unchanged in Maildir and mbox" "$changed" ""
else
    skip "the corpus is unchanged in Maildir and mbox" "no $corpus (set CORPUS)"
fi

# --- lspawn, one user ---
server=$tmp
mkdir -p "$server"/{control,users,alias,queue/mess}
: >"$server/control/singleuser"
cp "$tmp/plain" "$server/queue/mess/17"
me=$(id -u):$(id -g)
printf '=joe:joe:%s:%s:::\n+joe-:joe:%s:%s:-::\n.\n' "$me" "$home" "$me" "$home" >"$server/users/assign"
echo '|echo "$USER $HOME $LOCAL $EXT $DEFAULT"; exit 100' >"$server/alias/.qmail-default"
fresh

request() { printf "\\x$(printf %02x $(($1 & 255)))\\x$(printf %02x $(($1 >> 8)))$2\\0sender@y.example\\0$3\\0"; }
# The reports, a line each: slot, text; the limit is the first line.
spawn() {
    env -i PATH="$PATH" NIXIE_HOME="$server" "$server/bin/nixie-lspawn" "$@" >"$tmp/reports" 2>"$err"
    status=$?
    od -An -v -tu1 -w1 "$tmp/reports" | awk '
        at < 2 { slot += $1 * (at ? 256 : 1); if (++at == 2 && !first++) { print slot; at = slot = 0 } next }
        $1 == 0 { print slot " " text; text = ""; at = slot = 0; next }
        { text = text ($1 == 10 ? "/" : sprintf("%c", $1)) }'
}
is "lspawn tells its limit" "$(spawn </dev/null)" 500
is "a delivery" "$(request 3 17 joe@x.example | spawn)" "500
3 Kdid 1+0+0/"
is "it is there" "$(count "$home/Maildir/new")" 1
is "an extension" "$(request 0 17 Joe-nobody@x.example | spawn)" "500
0 DSorry, no mailbox here by that name. (#5.1.1)/"
is "alias" "$(request 258 17 Any.Body@x.example | spawn)" "500
258 Dalias $server/alias Any.Body Any.Body Any.Body/"
is "no host" "$(request 1 17 joe | spawn)" "500
1 DSorry, address must include host name. (#5.1.3)/"
is "no such message" "$(request 1 18 joe@x.example | spawn)" "500
1 Znixie-lspawn unable to open message. (#4.3.0)/"
is "a number that is none" "$(request 1 ../17 joe@x.example | spawn)" "500
1 DInternal error: messid has nonnumerics. (#5.3.5)/"
is "too high a slot" "$(request 500 17 joe@x.example | spawn)" "500
500 ZInternal error: delnum too big. (#4.3.5)/"
mkdir "$server/queue/mess/19"
is "a message that is no file" "$(request 1 19 joe@x.example | spawn)" "500
1 ZSorry, message has wrong type. (#4.3.5)/"
long=$(printf '%06000d' 0)
is "a huge address, and on" "$({ request 1 17 "$long@x.example"; request 2 17 joe@x.example; } | spawn)" "500
1 ZInternal error: request too long. (#4.3.5)/
2 Kdid 1+0+0/"
echo '|sleep 0.2; kill -9 $PPID' >"$home/.qmail"
{ request 1 17 joe@x.example; request 1 17 joe@x.example; } >"$tmp/both"
is "a crash, and the slot is taken" "$(spawn <"$tmp/both")" "500
1 ZInternal error: delnum in use. (#4.3.5)/
1 Znixie-local crashed./"
echo '|head -c 5000 /dev/zero | tr "\0" x; exit 100' >"$home/.qmail"
is "a long report is cut" "$(request 1 17 joe@x.example | spawn | tail -1 | sed "s,x*x,x,")" "1 Dx/Error report too long, sorry./"
echo '|printf "one\0two"; exit 111' >"$home/.qmail"
is "a report ends at a NUL" "$(request 1 17 joe@x.example | spawn | tail -1)" "1 Zone"
echo "|sleep 100 & echo \$! >'$tmp/left'; exit 0" >"$home/.qmail"
SECONDS=0
is "what a program leaves behind is not waited for" "$(request 1 17 joe@x.example | spawn | tail -1)" "1 Kdid 0+0+1/"
check "indeed" test $SECONDS -lt 80
kill "$(cat "$tmp/left")"
rm "$home/.qmail"
rm -f "$home"/Maildir/new/*
is "200 at once" "$(for i in $(seq 200); do request "$i" 17 joe@x.example; done | spawn | grep -c ' Kdid 1+0+0/$')" 200
is "all there" "$(count "$home/Maildir/new")" 200
is "users of the system are left alone" "$(request 1 17 "$(id -un 2>/dev/null || echo daemon)@x.example" | spawn | tail -1 | cut -c1-8)" "1 Dalias"
# A worker that says that it is not for it, and then a program that cannot be loaded.
mv "$server/bin/nixie-local" "$tmp/real-local"
cat >"$server/bin/nixie-local" <<'END'
#!/bin/sh
[ "$1" = --stay ] || exit 127
printf '\0\001\0\0'
head -c 6 <&1 >/dev/null
printf '\0\002\001\0'
cat <&1 >/dev/null
END
chmod 755 "$server/bin/nixie-local"
is "a program that cannot be loaded is no reason to bounce" "$(request 1 17 joe@x.example | spawn | tail -1)" "1 Z"
mv "$tmp/real-local" "$server/bin/nixie-local"
rm -f "$home"/Maildir/new/*
: >"$server/control/defaultdelivery"
is "an empty control/defaultdelivery" "$(request 1 17 joe@x.example | spawn | tail -1)" "1 Kdid 1+0+0/"
rm "$server/control/defaultdelivery"
is "another default delivery" "$(request 1 17 joe@x.example | spawn '|echo here; exit 100')" "500
1 Dhere/"
printf 'joe@x.example\n' >"$server/users/assign"
is "a malformed users/assign" "$(request 1 17 joe@x.example | spawn)" "500
1 ZTrouble reading users/assign in nixie-lspawn: malformed line 1. (#4.3.0)/"
: >"$server/users/assign"
is "a users/assign cut short" "$(request 1 17 joe@x.example | spawn)" "500
1 ZTrouble reading users/assign in nixie-lspawn: it does not end in a line with a dot. (#4.3.0)/"

# --- become, and lspawn with separate users ---
become=$tmp/bin/nixie-become
check_status 111 "become: usage" "$become"
check_status 111 "become: a user that is no number" "$become" joe 1 / /bin/true
if [ "$(id -u)" != 0 ]; then
    check "become: who one is already" "$become" "$(id -u)" "$(id -g)" / /bin/true
    check_status 111 "become: another is root's to do" "$become" 64001 64001 / /bin/true
    skip "become: root" "not root"
    tap_end
fi
check_status 0 "become: root" "$become" 64001 64002,64003 / /usr/bin/id
is "become: user and groups" "$(sed 's/([^)]*)//g' <<<"$output")" "uid=64001 gid=64002 groups=64002,64003"
check_status 111 "become: no such directory" "$become" 64001 64002 /nonexistent /bin/true
check_status 111 "become: no such program" "$become" 64001 64002 / /nonexistent
check_status 0 "become: a limit" "$become" -l 1000000000 64001 64002 / /bin/sh -c 'ulimit -v'
is "become: in bytes" "$output" 976562
check_status 111 "become: a limit that is none" "$become" -l x 64001 64002 / /bin/true
check_status 7 "become: the program's status" "$become" 64001 64002 / /bin/sh -c 'exit 7'
rm "$server/control/singleuser"
chown 64009 "$server/queue/mess" "$server/queue/mess/17"
chown 64005:64005 "$server/alias"
chown -R 64001:64002 "$home"
printf '=joe:joe:64001:64002:%s:::\n=admin:root:0:0:/root:::\n.\n' "$home" >"$server/users/assign"
rm -f "$home"/Maildir/new/*
chmod 644 "$server/queue/mess/17"
is "separate users: a delivery" "$(request 3 17 joe@x.example | spawn)" "500
3 Kdid 1+0+0/"
is "the file is the user's" "$(stat -c %u:%g "$home"/Maildir/new/*)" 64001:64002
is "nothing as root" "$(request 3 17 admin@x.example | spawn)" "500
3 ZNot allowed to perform deliveries as root. (#4.3.5)/"
is "root is nobody's mailbox" "$(request 3 17 root@x.example | spawn)" "500
3 Dalias $server/alias root root root/"
chown 0 "$server/queue/mess/17"
is "a message of another owner" "$(request 3 17 joe@x.example | spawn)" "500
3 ZSorry, message has wrong owner. (#4.3.5)/"
tap_end
