#!/bin/bash
# A real server with separate users, and a full disk.  Needs root: it makes a mount namespace with a
# copy of /etc, in which it may add users, and small file systems.
. tests/e2e/tap.bash
. tests/e2e/server.bash
unset NIXIE_HOME
if [ "$(id -u)" != 0 ]; then
    skip "a server with separate users" "only root can make one"
    tap_end
fi
if grep -q __asan_init "$BUILD/bin/nixie-queue"; then
    skip "a server with separate users" "a sanitized program cannot be setuid"
    tap_end
fi
if [ "${1-}" != --inside ]; then
    unshare --mount --propagation private true 2>/dev/null || {
        skip "a server with separate users" "this root may not make a mount namespace"
        tap_end
    }
    exec unshare --mount --propagation private bash "$0" --inside
fi

# --- a machine of our own ------------------------------------------------------------------------
new_folder
take_programs
mkdir "$tmp/etc" && cp -a /etc/. "$tmp/etc/" && mount -t tmpfs -o size=64m,mode=755 tmpfs /etc && cp -a "$tmp/etc/." /etc/ &&
    mount -t tmpfs -o size=512m,mode=755 tmpfs "$tmp/etc" || exit 1
sed -i '/^nixie/d' /etc/passwd /etc/group /etc/shadow /etc/gshadow
home=$tmp/etc/home small=$tmp/small
trap 'for p in start send queue; do server_kill "$home" $p; server_kill "$small/home" $p; done; umount -l "$tmp/etc" "$small" 2>/dev/null; rm -rf "$tmp"' EXIT
chmod 755 "$tmp/bin"/*
as_someone() { setpriv --reuid=64999 --regid=64999 --clear-groups "$@"; }
inject() { as_someone "$home/bin/nixie-inject" "$@"; }

# --- separate users ------------------------------------------------------------------------------
check_status 3 "init without the users" "$nixie" mta init "$home" --domain $domain
is "names the commands" "$(grep -c 'useradd .* nixie[qsrdla]$' <<<"$output") $(grep -c 'groupadd .*nixie$' <<<"$output")" "6 1"
check "and makes no home" test ! -e "$home"
mkdir "$tmp/etc/foreign" && chown 64999 "$tmp/etc/foreign"
check_status 3 "init in someone else's folder" "$nixie" mta init "$tmp/etc/foreign" --domain $domain
mkdir -p "$tmp/etc/foreign/home"
check_status 3 "or below it" "$nixie" mta init "$tmp/etc/foreign/home" --domain $domain
mkdir -p "$tmp/etc/trap"/{control,queue,bin} && echo $domain >"$tmp/etc/trap/control/me"
printf '#!/bin/sh\necho "$0" was run by "$(id -un)"\n' >"$tmp/etc/trap/bin/nixie-start"
chmod 755 "$tmp/etc/trap/bin/nixie-start"
check_status 0 "a home of root's own would be started" "$nixie" mta start "$tmp/etc/trap"
chown -R 64999 "$tmp/etc/trap"
check_status 3 "but root starts no program of somebody else's" "$nixie" mta start "$tmp/etc/trap"
mkdir -p "$tmp/etc/closed/home" && chmod 700 "$tmp/etc/closed"
check_status 3 "init where others cannot reach" "$nixie" mta init "$tmp/etc/closed/home" --domain $domain
check_status 2 "single-user mode is refused" "$nixie" mta init "$home" --domain $domain --single-user
check_status 0 "init --create-users" "$nixie" mta init "$home" --domain $domain --create-users
is "nixie-queue is setuid nixieq" "$(stat -c '%U %a' "$home/bin/nixie-queue")" "nixieq 4711"
is "owners of the queue" "$(cd "$home/queue" && stat -c '%n:%U:%a' ./* | tr '\n' ' ')" \
    "./bounce:nixies:700 ./corrupt:nixies:770 ./info:nixies:700 ./intd:nixieq:700 ./local:nixies:700 ./lock:nixieq:750 ./mark:nixies:700 ./mess:nixieq:750 ./pid:nixieq:700 ./remote:nixies:700 ./todo:nixieq:750 "
check_status 3 "a user that the system has not" "$nixie" mta user "$home" alice
check_status 0 "user --create-users" "$nixie" mta user "$home" alice --create-users
check_status 0 "another" "$nixie" mta user "$home" bob --create-users
is "the mailbox belongs to the user" "$(stat -c '%U %a' "$home/users/alice/Maildir/new")" "alice 700"
check_status 3 "an ordinary user cannot start it" as_someone "$nixie" mta start "$home"
stays() { : | as_someone "$home/bin/nixie-queue" --stay; }
check_status 111 "nor have a queue stay" stays
linked=$tmp/etc/linked
mkdir -p "$linked"/{bin,control,queue/{pid,mess,intd,todo,lock}} && echo $domain >"$linked/control/me"
chmod 777 "$linked"/queue{,/*} && chown -R 64999 "$linked" && ln "$home/bin/nixie-queue" "$linked/bin"
printf 'Fa@b.example\0Tc@d.example\0\0' >"$tmp/etc/envelope"
linked() { as_someone "$linked/bin/nixie-queue" </etc/passwd 1<"$tmp/etc/envelope"; }
check_status 61 "nor use the setuid program under a name of his own" linked
is "which makes nothing there" "$(find "$linked/queue" -type f)" ""
rm -r "$linked"
echo 127.0.0.1:0 >"$home/control/listen"
check "start" server_start "$home"
users_of() {
    local program pid
    for program in "$@"; do
        for pid in $(server_pids "$home" "$program"); do
            printf '%s:%s ' "$program" "$(stat -c %U "/proc/$pid")"
        done
    done
}
all_their_users() { [ "$(users_of log queue send clean lspawn)" = "log:nixiel queue:nixieq send:nixies clean:nixieq lspawn:root " ]; }
check "each part is its user" wait_for 5 all_their_users
for program in log queue send clean; do
    for pid in $(server_pids "$home" $program); do
        is "$program has no way back" "$(awk '/^Uid:|^Gid:/ {print ($2 == $3 && $3 == $4 && $4 == $5 && $2 != 0)}' "/proc/$pid/status" | tr '\n' ' ')" "1 1 "
        is "$program has no rights" "$(awk '/^CapEff:|^CapPrm:/ {print $2}' "/proc/$pid/status" | sort -u)" 0000000000000000
        is "$program is not in root's group" "$(awk '/^Groups:/ {for (i = 2; i <= NF; i++) if ($i == 0) print "root"}' "/proc/$pid/status")" ""
    done
done

# --- mail from the network: nixied ---
check "where it listens is told" wait_for 10 test -s "$home/run/listen"
# Sends one message and stays until its standard input ends.
session='use IO::Socket::INET; my $s = IO::Socket::INET->new(PeerAddr => $ARGV[0]) or die;
    $s->autoflush(1); print $s "EHLO a.example\r\nMAIL FROM:<x\@y.example>\r\n" .
    "RCPT TO:<alice\@mail.example>\r\nDATA\r\nSubject: from the network\r\n\r\nx\r\n.\r\n";
    while (<$s>) { last if /^250 2.6.0/ } $| = 1; print "accepted\n"; <STDIN>'
coproc SESSION { perl -e "$session" "$(cat "$home/run/listen")"; }
read -r -t 100 got <&"${SESSION[0]}"
is "a message from the network" "$got" accepted
for program in listen smtpd; do
    pid=$(server_pids "$home" $program)
    is "$program is nixied for good" "$(awk '/^Uid:/ {print $2, $3, $4, $5}' "/proc/$pid/status")" \
        "$(for _ in 1 2 3 4; do id -u nixied; done | xargs)"
    is "its group too" "$(awk '/^Gid:/ {print $2, $3, $4, $5}; /^Groups:/ {print NF - 1, $2}' "/proc/$pid/status" | xargs)" \
        "$(for _ in 1 2 3 4; do id -g nixied; done | xargs) 1 $(id -g nixied)"
    is "it has no rights" "$(awk '/^CapEff:|^CapPrm:/ {print $2}' "/proc/$pid/status" | sort -u)" 0000000000000000
done
# the worker's socket, the log twice, the connection, the queue
what=$(for fd in 0 1 2 3 4; do readlink "/proc/$pid/fd/$fd" | sed 's/:.*//'; done | xargs)
is "a worker holds what it needs" "$what $(ls "/proc/$pid/fd" | wc -l)" "socket pipe pipe socket socket 5"
echo >&"${SESSION[1]}"
from_network() { grep -qr '^Received: (nixie-queue [0-9]* invoked from network);' "$home/users/alice/Maildir/new"; }
check "is told apart in Received" wait_for 10 from_network
check "run/listen is root's" test "$(stat -c '%U %a' "$home/run/listen")" = "root 644"
# run/ is the queue's user's, who must not have root open what it names
rm "$home/run/listen" && mkfifo -m 666 "$tmp/etc/pipe" && ln -s "$tmp/etc/pipe" "$home/run/listen"
exec 7<>"$tmp/etc/pipe" && echo "127.0.0.1:0" >&7
kill -9 "$(server_pids "$home" listen)"
listens_again() { [ -n "$(server_pids "$home" listen)" ]; }
check "it is started again" wait_for 20 listens_again
is_a_file() { [ ! -L "$home/run/listen" ] && [ -s "$home/run/listen" ]; }
check "a link in run/ is replaced" wait_for 10 is_a_file
check "and was not followed" read -r -t 5 -u 7 _
exec 7<&-
rm -f "$home"/users/alice/Maildir/new/*
# Who is here, as nixied sees it: the codes that recipients get.
ask='use IO::Socket::INET; my $s = IO::Socket::INET->new(PeerAddr => shift) or die; $s->autoflush(1);
    print $s "MAIL FROM:<x\@y.example>\r\n", map("RCPT TO:<$_>\r\n", @ARGV), "QUIT\r\n"; print join(" ", map(/^(\d+)/, <$s>)), "\n"'
touch "$home/alias/.qmail-sales"
chmod 755 "$home/users/alice"
chmod 700 "$home/users/bob"
echo refuse >"$home/control/unknownusers"
sleep 1
is "names that nobody has are refused" \
    "$(timeout 20 perl -e "$ask" "$(cat "$home/run/listen")" {alice,nobody,sales,sales-x,alice-x,bob,bob-x,root,postmaster}@$domain)" \
    "220 250 250 550 250 550 550 250 250 250 250 221"
rm "$home/control/unknownusers" "$home/alias/.qmail-sales"

# Connects 1000 times, and tells how often it was refused.
crowd='use IO::Socket::UNIX; use IO::Select; my @all;
    for (1 .. 1000) { my $s = IO::Socket::UNIX->new(Peer => $ARGV[0]) or die "connect: $!"; push @all, $s }
    my ($told, $before) = (0, -1);
    while ($told != $before) { $before = $told; sleep 1; $told = () = IO::Select->new(@all)->can_read(0) }
    print "$told\n"; close STDOUT; sleep 600'
exec 7< <(ulimit -n 4096; exec setpriv --reuid=64999 --regid=64999 --clear-groups perl -e "$crowd" "$home/run/queue")
crowd_pid=$!
read -r -t 100 refused <&7
limit=$(awk '/^Max open files/ {print $5}' "/proc/$(server_pids "$home" queue)/limits")
places=$(((limit - 32) / 2)) && [ $places -gt 1000 ] && places=1000
is "one user gets half of the places of the queue" "$refused" $((1000 - places / 2))
check "another gets in" setpriv --reuid=64998 --regid=64998 --clear-groups perl -e \
    'use IO::Socket::UNIX; my $s = IO::Socket::UNIX->new(Peer => $ARGV[0]) or die; vec(my $r = "", $s->fileno, 1) = 1; exit(select($r, undef, undef, 0.5) ? 1 : 0)' "$home/run/queue"
kill "$crowd_pid"
exec 7<&-
for pid in $(server_pids "$home" log); do
    is "log is not in group nixie" "$(stat -c %G "/proc/$pid")" nixiel
done
check "someone injects" inject -f "bob@$domain" "alice@$domain" <<<$'Subject: first\n\nHello.'
check "it arrives" wait_for 10 has_mails "$home" alice 1
mail=$(mails "$home" alice | head -1)
is "as alice's" "$(stat -c %U "$mail")" alice
is "Received says who" "$(grep -c 'by uid 64999' "$mail")" 1
check "the one-shot queue" bash -c 'printf "Subject: second\n\nbody\n" | setpriv --reuid=64999 --regid=64999 --clear-groups "$0/bin/nixie-queue" 1< <(printf "Fbob@'$domain'\0Talice@'$domain'\0\0")' "$home"
mkfifo "$tmp/etc/held" && chmod 644 "$tmp/etc/held"
setpriv --reuid=64999 --regid=64999 --clear-groups bash -c 'exec "$0/bin/nixie-queue" <"$1" 1</dev/null' "$home" "$tmp/etc/held" &
pid=$!
exec 8>"$tmp/etc/held"
is_nixieqs() { [ "$(awk '/^Uid:/ {print $2, $3, $4}' "/proc/$1/status")" = "$2 $2 $2" ]; }
check "becomes nixieq altogether" wait_for 10 is_nixieqs $pid "$(id -u nixieq)"
check_status 1 "so its caller cannot stop it with a lock in its hands" as_someone bash -c "kill -STOP $pid"
exec 8>&-
wait $pid
is "nothing came on its envelope" $? 54
check "arrives too" wait_for 10 has_mails "$home" alice 2
check "to nobody" inject -f "bob@$domain" "nobody@$domain" <<<$'Subject: third\n\nHello?'
check "bounces" wait_for 10 has_mails "$home" bob 1
check "to the postmaster" inject -f "bob@$domain" "postmaster@$domain" <<<$'Subject: fourth\n\nHello?'
check "goes to alice" wait_for 10 has_mails "$home" alice 3
is "as alias deliveries are forwarded" "$(grep -l 'invoked by alias' "$home"/users/alice/Maildir/new/* | wc -l)" 1
echo '|id -un >>ran; exit 0' >>"$home/users/alice/.qmail"
check "a program" inject -f "bob@$domain" "alice@$domain" <<<$'Subject: fifth\n\nHello?'
wait_for 10 test -s "$home/users/alice/ran"
is "runs as alice" "$(cat "$home/users/alice/ran")" alice
check "the queue is empty" wait_empty "$home" 10
check_status 1 "nobody else reads alice's mail" as_someone cat "$mail"
check_status 2 "nobody else looks into the queue" as_someone ls "$home/queue/mess"
check_status 0 "status" "$nixie" mta status "$home"
is "run/send is root's alone" "$(stat -c '%U %a' "$home/run/send")" "root 600"
check_status 3 "nobody else tells send what to do" as_someone "$nixie" mta list "$home"
printf '|exit 111\n' >"$home/users/bob/.qmail"
check "a message that waits" inject -f "x@$domain" "bob@$domain" <<<$'Subject: waits\n\nHello.'
waits() { "$nixie" mta list "$home" from="x@$domain" | grep -q 'next try in'; }
check "is listed" wait_for 10 waits
check_status 0 "hold" "$nixie" mta hold "$home" from="x@$domain"
is "its mark is nixies's" "$(stat -c %U "$home"/queue/mark/*.hold)" nixies
check_status 0 "delete" "$nixie" mta delete "$home" from="x@$domain"
check "it is gone" wait_empty "$home" 10
rm "$home/users/bob/.qmail"
server_stop "$home"
check "mail is taken while it is stopped" inject -f "bob@$domain" "alice@$domain" <<<$'Subject: sixth\n\nHello.'
is "and is nixieq's" "$(stat -c %U "$home"/queue/mess/* "$home"/queue/todo/* | sort -u)" nixieq
echo precious >"$tmp/etc/victim"
(cd "$home/run" && setpriv --reuid=nixieq --regid=nixie --clear-groups bash -c 'rm -f start.pid; ln -s "$0" start.pid' "$tmp/etc/victim")
check_status 111 "start does not follow a link that nixieq made" timeout 10 "$nixie" mta start "$home"
is "and writes nothing there" "$(cat "$tmp/etc/victim")" precious
rm "$home/run/start.pid"
ln "$tmp/etc/victim" "$home/run/start.pid"
server_start "$home"
check "it takes a second name of another file away" test "$(stat -c %h "$tmp/etc/victim")" = 1
is "and writes nothing there" "$(cat "$tmp/etc/victim")" precious
server_stop "$home"
rm "$home/queue/lock/sendmutex" && ln "$tmp/etc/victim" "$home/queue/lock/sendmutex"
check_status 2 "nor does init" "$nixie" mta init "$home"
is "and gives it to nobody" "$(stat -c %U "$tmp/etc/victim")" root
rm "$home/queue/lock/sendmutex"
mv "$home/queue/lock" "$home/lock.away" && mkdir "$tmp/etc/elsewhere" && ln -s "$tmp/etc/elsewhere" "$home/queue/lock"
check_status 2 "nor does it go through a link" "$nixie" mta init "$home"
is "and makes nothing there" "$(ls "$tmp/etc/elsewhere")" ""
rm "$home/queue/lock" && mv "$home/lock.away" "$home/queue/lock"
check "init mends the lock" "$nixie" mta init "$home"
check "start again" server_start "$home"
check "it arrives" wait_for 10 has_mails "$home" alice 5
is "the one-shot queue says who" "$(mails "$home" alice | xargs grep -l '^Subject: sixth' | xargs grep -c 'by uid 64999')" 1
server_stop "$home"
check_status 0 "a second init" "$nixie" mta init "$home"
is "keeps nixie-queue setuid" "$(stat -c '%U %a' "$home/bin/nixie-queue")" "nixieq 4711"

# --- a full disk ---------------------------------------------------------------------------------
mkdir "$small" && mount -t tmpfs -o size=32m,mode=755 tmpfs "$small" || exit 1
home=$small/home
check "a home on a small disk" server_make "$home"
"$nixie" mta user "$home" alice >/dev/null
"$nixie" mta user "$home" bob >/dev/null
check "start" server_start "$home"
check "a message while there is space" inject -f "bob@$domain" "alice@$domain" <<<$'Subject: before\n\nHello.'
wait_for 10 has_mails "$home" alice 1
cat /dev/zero >"$small/filler" 2>/dev/null
check_status 111 "with a full disk inject says: later" inject -f "bob@$domain" "alice@$domain" <<<$'Subject: full\n\nHello.'
server_stop "$home"
check "the one-shot queue says 53 or 63" bash -c 'printf "Subject: full\n\n" | setpriv --reuid=64999 --regid=64999 --clear-groups "$0/bin/nixie-queue" 1< <(printf "Fbob@'$domain'\0Talice@'$domain'\0\0"); s=$?; echo $s; [ $s = 53 ] || [ $s = 63 ]' "$home"
check_status 3 "init says so too" "$nixie" mta init "$home"
is "with what to do" "$(grep -c 'free some space' <<<"$output")" 1
check "the server starts on a full disk" server_start "$home"
check_status 0 "and can be found" "$nixie" mta status "$home"
check "and stops" server_stop "$home"
rm "$small/filler"
check "init with space" "$nixie" mta init "$home"

# Accepted before the disk was full, delivered after: bob defers until a file of his is there.
printf '|test -e ready || exit 111\n./Maildir/\n' >"$home/users/bob/.qmail"
server_start "$home"
for i in {1..20}; do
    inject -f "alice@$domain" "bob@$domain" <<<"Subject: kept $i

Hello." || break
done
wait_for 10 bash -c "[ \$(ls $home/queue/todo | wc -l) = 0 ]"
cat /dev/zero >"$small/filler" 2>/dev/null
touch "$home/users/bob/ready"
try_now() {
    local pid
    for pid in $(server_pids "$home" send); do kill -ALRM "$pid"; done
    sleep 0.5
}
try_now
try_now
is "nothing arrives while there is no space" "$(count_mails "$home" bob)" 0
check "the server still runs" "$nixie" mta status "$home"
rm "$small/filler"
all_kept() {
    try_now
    [ "$(mails "$home" bob | xargs -r grep -h '^Subject: kept' | sort -u | wc -l)" = 20 ]
}
check "what was accepted arrives when there is space again" wait_for 30 all_kept
check "and the queue drains" wait_empty "$home" 10
server_stop "$home"
tap_end
