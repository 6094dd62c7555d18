#!/bin/bash
# nixie-queue in both forms and nixie-clean, for real, as an ordinary user.
. tests/e2e/tap.bash
[ -e "${BUILD:-build}/bin/nixie-queue" ] || { skip "queue" "nixie-queue is not built"; tap_end; }
as_ordinary_user
cd "$tmp" || exit 1
unset QMAILQUEUE NIXIEQUEUE
export NIXIE_HOME=$tmp/home
mkdir -p home/{bin,control,run,queue/{pid,mess,intd,todo,info,local,remote,bounce,corrupt,lock}}
touch home/control/singleuser
echo mail.example >home/control/me
cp bin/nixie-queue bin/nixie-inject bin/nixie-clean home/bin/
queue=home/bin/nixie-queue
trap '[ -n "${stay-}" ] && kill -9 $stay 2>/dev/null; rm -rf "$tmp"' EXIT

good='Fa@example.org\0Tb@example.net\0\0'
# run MESSAGE ENVELOPE (as printf takes it): the one-shot form; its status
run() { "$queue" < <(printf '%s' "$1") 1< <(printf "$2"); }
count() { find "home/queue/$1" -type f | wc -l; }
counts() { echo "$(count pid) $(count mess) $(count intd) $(count todo)"; }
empty() { rm -f home/queue/{pid,mess,intd,todo,corrupt}/*; }
# The body of the message that has this number, without the field in front.
body() { sed 1d "home/queue/mess/$1"; }

# --- the one-shot form ----------------------------------------------------------------------------
check_status 0 "a message is taken" run $'Subject: x\n\nhello\n' "$good"
is "it is in mess and todo" "$(counts)" "0 1 0 1"
n=$(ls home/queue/todo)
is "its body" "$(body "$n")" $'Subject: x\n\nhello'
is "the field in front" "$(head -1 "home/queue/mess/$n" | sed 's/; .*//')" \
    "Received: (nixie-queue $n invoked by uid $(id -u))"
check "its date" grep -qE '; [0-9]{1,2} [A-Z][a-z]{2} [0-9]{4} [0-9:]{8} -0000$' <(head -1 "home/queue/mess/$n")
is "the envelope" "$(sed 1d "home/queue/todo/$n" | tr '\0' ' ' | sed 's/t[0-9]* m[0-9]* [0-9a-f]*/t m/')" \
    "u$(id -u) p$n t m Fa@example.org Tb@example.net "
told=$(mktemp)
"$queue" --tell </dev/null 1< <(printf "$good") 6>"$told"
is "--tell tells the number on descriptor 6" "$(cat "$told")" "$(ls home/queue/todo | sort -n | tail -1)"
empty

long=$(printf 'x%.0s' {1..1002})
check_status 0 "an address of 1002 bytes" run x "F$long\0T$long\0\0"
check_status 11 "a sender of 1003 bytes" run x "Fx$long\0\0"
check_status 11 "a recipient of 1003 bytes" run x "F\0Tx$long\0\0"
check_status 0 "no recipient" run x 'F\0\0'
empty
for envelope in '' F Fa 'Fa\0' 'Fa\0Tb' 'Fa\0Tb\0'; do
    check_status 54 "envelope '$envelope' is cut short" run x "$envelope"
done
for envelope in '\0' 'Ta\0\0' 'fa\0\0' 'Fa\0Fb\0\0' 'Fa\0Tb\0U' '\xff'; do
    check_status 91 "envelope '$envelope' is wrong" run x "$envelope"
done
closed_message() { "$queue" <&- 1< <(printf "$good"); }
check_status 54 "descriptor 0 is closed" closed_message
no_envelope() { bash -c "exec '$queue' <&3 >&-" 3</dev/null; }
check_status 54 "descriptor 1 is closed" no_envelope
directory() { "$queue" </ 1< <(printf "$good"); }
check_status 54 "the message is a directory" directory
is "nothing is left of all this" "$(counts)" "0 0 0 0"

for pair in pid:63 mess:64 intd:65 todo:66; do
    mv "home/queue/${pair%:*}" home/aside
    check_status "${pair#*:}" "no ${pair%:*}" run x "$good"
    mv home/aside "home/queue/${pair%:*}"
    is "nothing is left" "$(counts)" "0 0 0 0"
done
mv home/queue home/aside
check_status 62 "no queue" run x "$good"
mv home/aside home/queue
no_home() { NIXIE_HOME=$tmp/none run x "$good"; }
check_status 61 "no home" no_home
too_big() { (ulimit -f 64 && head -c 200000 /dev/zero | "$queue" 1< <(printf "$good")); }
check_status 53 "a write that fails" too_big
is "nothing is left" "$(counts)" "0 0 0 0"
mkfifo slow
"$queue" <slow 1< <(printf "$good") & pid=$!
exec 7>slow
echo line >&7
wait_for 5 eval '[ "$(count pid)" = 1 ]'
is "while it comes it is in pid" "$(counts)" "1 0 0 0"
{ kill -9 $pid && wait $pid; } 2>/dev/null
exec 7>&-
is "killed: nothing is queued" "$(count todo)" 0
empty
unset NIXIE_HOME
check_status 0 "the home is found by the program's place" run x "$good"
is "there" "$(counts)" "0 1 0 1"
export NIXIE_HOME=$tmp/home
empty
corpus=${CORPUS:-../shared/corpus}
if [ -d "$corpus" ]; then
    bad=0 total=0
    while IFS= read -r -d '' file; do
        total=$((total + 1))
        "$queue" --tell <"$file" 1< <(printf "$good") 6>"$told" || { bad=$((bad + 1)); continue; }
        n=$(cat "$told")
        tail -c +"$(($(head -1 "home/queue/mess/$n" | wc -c) + 1))" "home/queue/mess/$n" | cmp -s - "$file" ||
            bad=$((bad + 1))
        rm -f "home/queue/mess/$n" "home/queue/todo/$n"
    done < <(find "$corpus" -type f -print0 | sort -z | head -z -n "${CORPUS_SAMPLE:-60}")
    is "messages of the corpus arrive unchanged ($total)" $bad 0
else
    skip "messages of the corpus" "no corpus"
fi

# --- the staying form -----------------------------------------------------------------------------
"$queue" --stay 2>stay.log &
stay=$!
check "it listens" wait_for 5 test -S home/run/queue
is "for everybody" "$(stat -c %a home/run/queue)" 666
check_status 111 "a second one is refused" "$queue" --stay
is "and says why" "$output" "nixie-queue: another nixie-queue stays already"
rm home/bin/nixie-queue # no one-shot form to fall back on
queue=$tmp/bin/nixie-queue
inject() { home/bin/nixie-inject -f a@example.org b@example.net; }
pids=()
for i in {1..50}; do
    printf 'Subject: %d\n\nbody %d\n' "$i" "$i" | inject &
    pids+=($!)
done
failed=0
for pid in "${pids[@]}"; do wait "$pid" || failed=$((failed + 1)); done
is "50 clients at once: all are taken" $failed 0
is "all are there" "$(counts)" "0 50 0 50"
is "each once" "$(cat home/queue/mess/* | grep -c '^body ') $(cat home/queue/mess/* | grep '^body ' | sort -u | wc -l)" "50 50"
empty
# Clients killed in the middle, while others go on.
clients=()
for i in {1..10}; do
    (printf 'Subject: half\n\n'; head -c 300000 /dev/zero | tr '\0' x; exec sleep 30) |
        exec home/bin/nixie-inject -f a@example.org b@example.net &
    clients+=($!)
done
sleep 0.3
failed=0
for i in {1..5}; do echo "Subject: whole" | inject || failed=$((failed + 1)); done
kill -9 "${clients[@]}" 2>/dev/null
for i in {1..5}; do echo "Subject: whole" | inject || failed=$((failed + 1)); done
is "others go on" $failed 0
check "nothing of the killed ones is left" wait_for 5 eval '[ "$(counts)" = "0 10 0 10" ]'
empty
mv home/queue/todo home/aside
echo x | inject 2>inject.log
is "no todo: the client is told" "$(grep -c . inject.log)" 1
mv home/aside home/queue/todo
is "nothing is left" "$(counts)" "0 0 0 0"
echo "Subject: again" | inject
is "and the next is taken" "$(counts)" "0 1 0 1"
if [ -n "${CHECK_ALL-}" ]; then
    # 18 envelopes that do not end take all the memory for them but less than a block, and 17 more
    # what is left of it.
    exec 7< <(exec perl -e 'use IO::Socket::UNIX; my @all; my $part = "x" x (1 << 20);
        sub begin { push @all, my $s = IO::Socket::UNIX->new(Peer => "home/run/queue");
            syswrite $s, pack("a3NN", "Q1\n", 0, 16 << 20); $s }
        sub give { my ($s, $left) = @_; while (length $left) { my $n = syswrite($s, $left) or exit 1; substr($left, 0, $n) = "" } }
        for (1 .. 18) { my $s = begin; give($s, $part) for 1 .. 15 }
        select(undef, undef, undef, 0.5);
        for (0 .. 16) { give(begin, "x" x (65536 >> $_)); select(undef, undef, undef, 0.02) }
        print "full\n"; close STDOUT; sleep 60')
    glutton=$!
    read -r -t 60 full <&7
    is "envelopes without an end" "$full" full
    check "do not keep an ordinary one out" eval 'echo "Subject: small" | inject'
    kill $glutton
    exec 7<&-
    empty
    echo "Subject: again" | inject
fi
kill $stay
wait $stay
is "TERM: it ends with 0" $? 0
stay=
check "the socket is gone" test ! -e home/run/queue
cp bin/nixie-queue home/bin/
echo "Subject: again" | inject
is "then the one-shot form takes messages" "$(counts)" "0 2 0 2"
empty
"$queue" --stay & stay=$!
wait_for 5 test -S home/run/queue
{ kill -9 $stay && wait $stay; } 2>/dev/null
check "killed, it leaves its socket" test -S home/run/queue
echo "Subject: stale" | inject
is "which stops nobody" "$(counts)" "0 1 0 1"
"$queue" --stay & stay=$!
has_socket() { [ -n "$(find "/proc/$stay/fd" -lname 'socket:*')" ]; }
wait_for 5 has_socket
echo "Subject: stale" | inject
is "and is replaced" "$(counts)" "0 2 0 2"
kill $stay
wait $stay
is "it ends well" $? 0
empty
touch home/queue/pid/90000 # as after a restore from a backup
rm home/run/queue 2>/dev/null
"$queue" --stay & stay=$!
wait_for 5 test -S home/run/queue
echo "Subject: restored" | inject
is "numbers go on above all that are there" "$(ls home/queue/todo)" 90001
kill $stay
wait $stay
stay=
empty

# --- clean ----------------------------------------------------------------------------------------
clean() { printf "$1" | home/bin/nixie-clean; }
touch home/queue/{mess,intd,todo}/7 home/queue/{mess,intd,todo}/8 home/queue/mess/9
is "todo/N" "$(clean 'todo/7\0')" +
is "leaves mess" "$(counts)" "0 3 1 1"
is "mess/N" "$(clean 'mess/8\0mess/9\0')" ++
is "leaves todo" "$(counts)" "0 1 0 1"
is "what is gone is done" "$(clean 'todo/99\0mess/99\0')" ++
is "aside" "$(clean 'aside/mess/7\0aside/todo/8\0aside/todo/8\0')" "++!"
is "sets aside" "$(ls home/queue/corrupt | tr '\n' ' ')" "mess.7 todo.8 "
echo other >home/queue/mess/7
is "what is set aside is not overwritten" "$(clean 'aside/mess/7\0')" +
is "but gets a name of its own" "$(cat home/queue/corrupt/mess.7)-$(cat home/queue/corrupt/mess.7.2)" "-other"
mkdir home/queue/todo/6 && mkfifo home/queue/todo/5 && ln -s /nowhere home/queue/todo/4
is "whatever it is" "$(clean 'aside/todo/6\0aside/todo/5\0aside/todo/4\0')" +++
is "no link is followed" "$(readlink home/queue/corrupt/todo.4)" /nowhere
echo other >home/queue/mess/7
is "sync" "$(clean 'sync\0')" +
for command in '' x info/7 local/7 todo/ todo/0 todo/07 todo/x 'todo/7/8' ../todo/7 todo/-1 aside/ aside/info/7 \
    aside/mess/ aside//7 syncs intd/7 "$(printf 'y%.0s' {1..100})" "mess/$(printf '0%.0s' {1..200})7"; do
    is "command '${command:0:20}'" "$(clean "$command\\0sync\\0")" "x+"
done
check_status 0 "no command at all" clean ''
check_status 0 "half a command" clean 'mess/7'
is "does nothing" "$(counts)" "0 1 0 0"
check "rubbish" eval 'head -c 100000 /dev/urandom | home/bin/nixie-clean >/dev/null'
touch -d '3 days ago' home/queue/pid/999999999
touch home/queue/pid/999999998 home/queue/pid/note
touch -d '3 days ago' home/queue/pid/note
is "sweep" "$(clean 'sweep\0')" +
is "takes the old left-over only" "$(ls home/queue/pid | tr '\n' ' ')" "999999998 note "
no_queue() { NIXIE_HOME=$tmp/none clean 'sync\0'; }
check_status 111 "no home" no_queue
tap_end
