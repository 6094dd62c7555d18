#!/bin/bash
# nixie trace: logs of fixtures/logs and what is to be told of them, the six lines of the seed first.
# Prints TAP.
. tests/e2e/tap.bash
new_folder
nixie=$PWD/$BUILD/bin/nixie
[ -x "$nixie" ] || nixie=$BUILD/bin/nixie
logs=fixtures/logs
export TZ=UTC
trace() { timeout 200 "$nixie" trace "$@"; }
golden() {
    local want=$logs/$1.want
    shift
    is "$*" "$(trace "$@" 2>&1)" "$(cat "$want")"
}
golden seed $logs/seed.log
golden seed-number $logs/seed.log 5915497
is "it is found by its recipient" "$(trace $logs/seed.log '*protected]')" "$(cat $logs/seed-number.want)"
golden two-days $logs/two-days.log
golden two-days-17 $logs/two-days.log 17
is "found by the sender: the same" "$(trace $logs/two-days.log joe@away.example)" "$(cat $logs/two-days-17.want)"
golden two-days-carol $logs/two-days.log 'CAROL@*'
golden qmail-reused $logs/qmail-reused.log
golden qmail-reused-901 $logs/qmail-reused.log 901
golden qmail-reused-902 $logs/qmail-reused.log 902
golden syslog $logs/syslog.log who
golden plain $logs/plain.log 7

is "standard input" "$(trace - 17 <$logs/two-days.log)" "$(cat $logs/two-days-17.want)"
is "lines that end in CR LF" "$(sed 's/$/\r/' $logs/two-days.log | trace - 17)" "$(cat $logs/two-days-17.want)"
is "without times" "$(sed 's/^@[0-9a-f]* //' $logs/two-days.log | trace - 19 | head -3)" "Message 19
  comes in: 400 bytes from list-@mail.example-@[], handed in by user 1002.
  delivery 5 begins: here, to carol@mail.example."
mkdir "$tmp/log"
head -12 $logs/two-days.log >"$tmp/log/@400000006b04ab9a00000000.s"
sed -n '13,20p' $logs/two-days.log >"$tmp/log/@400000006b04ac0000000000.s"
sed -n '21,$p' $logs/two-days.log >"$tmp/log/current"
echo rubbish >"$tmp/log/lock"
is "a directory, turned over" "$(trace "$tmp/log" 17)" "$(cat $logs/two-days-17.want)"
is "local time" "$(TZ=EST5EDT trace --local $logs/seed.log 5915497 | sed -n '1p;4p')" \
    "Times are local: UTC-0400 at the end of the log.
  2007-04-11 20:46:06.516  comes in: 22122 bytes from a sender that the log does not show, handed in by user 89."

check_status 1 "no such number" trace $logs/seed.log 5
is "is told" "$output" "nixie trace: the log tells nothing of 5"
check_status 1 "no such address" trace $logs/seed.log nobody@example.com
check_status 2 "no such file" trace /nowhere
check_status 2 "no log in the directory" trace "$tmp"
check_status 2 "no log named" trace
check_status 2 "an unknown option" trace --utc $logs/seed.log
check_status 2 "a word too many" trace $logs/seed.log 1 2
check_status 0 "help" trace --help
check_status 0 "an empty log" trace /dev/null
is "is told" "$output" "0 messages, 0 done, 0 not"

check_status 2 "what is no log" trace "$0"
# --- hostile logs --------------------------------------------------------------------------------
is "terminal controls" "$(printf 'new msg 1\ninfo msg 1: bytes 1 from <a\033[2J\a@x> qp 1 uid 1\nstarting delivery 1: msg 1 to local \033]0;b@x\n' | trace - 1 | tr -d '\n ' | LC_ALL=C grep -c '[[:cntrl:]]')" 0
is "a line of 100,000 bytes is skipped" "$( (head -c 100000 /dev/zero | tr '\0' x; echo; cat $logs/seed.log) | trace - | tail -1)" \
    "1 of 7 lines were skipped: cut, or not of qmail-send or nixie-send"
is "what others put into a line does not start another" "$(printf 'new msg 1\nstarting delivery 1: msg 1 to local a\ndelivery 1: deferral: x/new msg 2 end msg 1\nApr 12 00:46:06 h sshd: x new msg 3\n' | trace - | tail -2)" \
    "1 message, 0 done, 1 not
1 of 4 lines were skipped: cut, or not of qmail-send or nixie-send"
if command -v perl >/dev/null; then
    cat $logs/*.log >"$tmp/all"
    perl -e '
        srand 5;
        open F, "<", $ARGV[0]; my $all = join "", <F>;
        for my $n (1 .. 80) {
            my $log = $all;
            for (1 .. 1 + int rand 40) {
                my $at = int rand length $log;
                my $what = int rand 4;
                if ($what == 0) { substr($log, $at, 1) = chr int rand 256 }
                elsif ($what == 1) { substr($log, $at, int rand 60) = "" }
                elsif ($what == 2) { substr($log, $at, 0) = substr($log, int rand length $log, int rand 200) }
                else { substr($log, $at, 0) = "\n" }
            }
            open O, ">", "$ARGV[1]/mangled.$n"; print O $log; close O;
        }' "$tmp/all" "$tmp"
    mangled() {
        local n status
        for n in $(seq 80); do
            for what in '' '*'; do
                trace "$tmp/mangled.$n" ${what:+"$what"} >"$tmp/out" 2>"$tmp/err"
                status=$?
                [ $status -le 1 ] || { echo "mangled.$n $what: status $status"; cat "$tmp/err"; return 1; }
            done
        done
    }
    check "80 mangled logs" mangled
else
    skip "80 mangled logs" "no perl"
fi
perl -e 'print "new msg $_\ninfo msg $_: bytes 1 from <a\@x> qp $_ uid 1\nstarting delivery $_: msg $_ to local b\@x\ndelivery $_: success: did_1+0+0/\nend msg $_\n" for 1 .. 100000' >"$tmp/large" 2>/dev/null
[ -s "$tmp/large" ] && check "500,000 lines in a few seconds" eval 'trace "$tmp/large" | grep -q "^100000 messages, 100000 done, 0 not"'
tap_end
