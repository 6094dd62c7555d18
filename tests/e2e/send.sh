#!/bin/bash
# nixie-send by itself: real files, partners played by send_rig.  Prints TAP.
. tests/e2e/tap.bash
new_folder
. tests/e2e/send.bash

# --- one message ---------------------------------------------------------------------------------
make_home
put 5 "$(now)" joe@away.example a@mail.example
start
check "a message ends" says '^end msg 5$'
is "the log's lines" "$(cat "$home/rig/log")" "status: local 0/8 remote 0/8
new msg 5
info msg 5: bytes 21 from <joe@away.example> qp 5 uid 7
starting delivery 1: msg 5 to local a@mail.example
status: local 1/8 remote 0/8
delivery 1: success: ok/
status: local 0/8 remote 0/8
end msg 5"
put 6 "$(now)" joe@away.example b
check "the trigger is heard, and a bare name gets a host" says 'msg 6 to local b@mail.example'
check "that one ends too" says '^end msg 6$'
stop
is "TERM: exit 0" $? 0
is "nothing is left" "$(spool)" ""
check "the log says so" said '^status: exiting$'
is "todo is removed after a sync" "$(grep -B1 todo/5 "$home/rig/commands" | tr '\n' ' ')" "sync todo/5 "

# --- failure, bounce -----------------------------------------------------------------------------
make_home
answer bad@mail.example 'Dno such\n\nuser\n'
put 7 "$(now)" joe@away.example bad@mail.example good@mail.example
start
check "a failure ends as a bounce" says '^end msg 7$'
check "the failure is logged" said '^delivery [12]: failure: no_such//user/$'
check "the bounce is logged" said '^bounce msg 7 qp '
is "its envelope" "$(cat "$home/rig/bounce.1/envelope")" "F Tjoe@away.example  "
boundary=$(sed -n 's/^\tboundary="\(.*\)"$/\1/p' "$home/rig/bounce.1/mess")
is "its text" "$(sed -e 1d -e "s/$boundary/BOUNDARY/" -e 's/^Arrival-Date: .*/Arrival-Date: X/' \
    -e 's/^Message-ID: <7\.[0-9a-f]*\.bounce@mail.example>$/Message-ID: X/' "$home/rig/bounce.1/mess")" \
    "From: MAILER-DAEMON@mail.example
To: joe@away.example
Subject: failure notice
Message-ID: X
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status;
	boundary=\"BOUNDARY\"

--BOUNDARY
Content-Type: text/plain; charset=us-ascii

Hi. This is the nixie-send program at mail.example.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out.

<bad@mail.example>:
no such
/user

--- Below this line is a copy of the message.

--BOUNDARY
Content-Type: message/delivery-status

Reporting-MTA: dns; mail.example
Arrival-Date: X

Final-Recipient: rfc822; bad@mail.example
Action: failed
Status: 5.0.0
Diagnostic-Code: x-nixie; no such  user

--BOUNDARY
Content-Type: message/rfc822

Return-Path: <joe@away.example>
Subject: hello

body

--BOUNDARY--"
check "dated" grep -qE '^Date: [0-9]+ [A-Z][a-z]{2} [0-9]{4} [0-9:]{8} -0000$' "$home/rig/bounce.1/mess"
put 8 "$(now)" "" bad@mail.example
check "a bounce that fails" says '^end msg 8$'
is "goes to postmaster" "$(cat "$home/rig/bounce.2/envelope")" "F#@[] Tpostmaster@mail.example  "
check "and says so" grep -q '^I tried to deliver a bounce message to this address, but the bounce bounced!$' \
    "$home/rig/bounce.2/mess"
put 9 "$(now)" "#@[]" bad@mail.example
check "a double bounce that fails" says '^end msg 9$'
check "is discarded, with a line" said '^triple bounce: discarding bounce/9$'
check "and nothing is sent" gone rig/bounce.3
put 10 "$(now)" "list-@away.example-@[]" bad@mail.example
check "a list's message" says '^end msg 10$'
check "has a sender for each recipient" grep -q '^10 <list-bad=mail.example@away.example> bad' "$home/rig/deliveries"
is "and bounces to the list's owner" "$(cat "$home/rig/bounce.3/envelope")" "F Tlist-@away.example  "
touch "$home/rig/queuefails"
put 11 "$(now)" joe@away.example bad@mail.example
check "a queue that refuses the bounce" says '^warning: trouble injecting bounce message, will try later$'
check "keeps it" exists queue/bounce/11
stop
rm "$home/rig/queuefails"
start
check "and it is sent by the next run" says '^end msg 11$'
stop
is "nothing is left" "$(spool)" ""

# --- deferral, schedule, expiry ------------------------------------------------------------------
make_home
answer slow@mail.example 'Zlater\n'
answer x@far.example 'Zno answer\n'
answer y@far.example 'Zno answer\n'
birth=$(($(now) - 400))
put 3 $birth joe@away.example slow@mail.example x@far.example
start
check "a deferral" says '^delivery [12]: deferral: later/$'
check "a remote one too" says '^delivery [12]: deferral: no_answer/$'
stop
is "the next local try is 900 s after birth" "$(next_try local/3)" $((birth + 900))
is "the next remote try 1600 s" "$(next_try remote/3)" $((birth + 1600))
is "the message waits" "$(spool)" "./info/3 ./local/3 ./mess/3 ./remote/3 "
start
sleep 0.3
is "not tried before its time" "$(grep -c slow "$home/rig/deliveries")" 1
signal ALRM
check "ALRM makes all due" wait_for 5 tried_twice
answer slow@mail.example 'Kfine\n'
answer slow2@mail.example 'Zlater\n\n'
put 4 $(($(now) - 604900)) joe@away.example slow2@mail.example y@far.example
check "a message past its lifetime" says '^end msg 4$'
check "fails with its last deferral" said "failure: later/I'm_not_going_to_try_again;_this_message_has_been_in_the_queue_too_long./\$"
check "for every recipient" grep -q '^<y@far.example>:$' "$home/rig/bounce.1/mess"
stop
put 12 "$(now)" joe@away.example a@far.example
start
check "with a remote spawner" says '^status: local 0/8 remote 1/8$'
check "remote recipients are delivered" says '^end msg 12$'
stop

# --- groups --------------------------------------------------------------------------------------
make_home
answer b@far.example 'Dnot this one\n'
answer c@FAR.example 'Znot now\n'
put 1 "$(now)" joe@away.example a@far.example b@far.example c@FAR.example d@near.example e@far.example
start
check "one of several at a host fails" says '^delivery 2: failure: not_this_one/$'
check "one is deferred" says '^delivery 3: deferral: not_now/$'
check "the others are delivered" says '^delivery 5: success'
put 2 "$(now)" "list-@away.example-@[]" f@far.example g@far.example
check "a list's too" says '^end msg 2$'
is "recipients at one host go together, those of a list never" "$(cat "$home/rig/deliveries")" \
    "group 3
1 <joe@away.example> a@far.example
1 <joe@away.example> b@far.example
1 <joe@away.example> c@FAR.example
group 1
1 <joe@away.example> d@near.example
group 1
1 <joe@away.example> e@far.example
group 1
2 <list-f=far.example@away.example> f@far.example
group 1
2 <list-g=far.example@away.example> g@far.example"
is "the status counts groups" "$(sed -n '/^starting delivery 1:/,/^starting delivery 4:/p' "$home/rig/log" | grep -c '^status: local 0/8 remote 1/8$')" 1
stop
check "the one that was deferred waits" grep -q 'Tc@FAR' -a "$home/queue/remote/1"
many=()
for i in $(seq 250); do many+=("r$i@far.example"); done
: >"$home/rig/deliveries"
put 3 "$(now)" joe@away.example "${many[@]}"
start
check "250 recipients" says '^end msg 3$'
is "go in groups of 100" "$(grep group "$home/rig/deliveries" | tr '\n' ' ')" "group 100 group 100 group 50 "
stop

# --- control files -------------------------------------------------------------------------------
make_home
echo 1 >"$home/control/concurrencylocal"
answer a@mail.example 'wait'
put 1 "$(now)" s@x.example a@mail.example b@mail.example
start
check "concurrencylocal" says '^status: local 1/1 remote 0/8$'
sleep 0.2
is "is kept to" "$(wc -l <"$home/rig/deliveries")" 1
echo 'virtual.example:joe' >"$home/control/virtualdomains"
signal HUP
answer a@mail.example 'Dno\n'
check "then the next goes" says '^end msg 1$'
put 2 "$(now)" s@x.example z@virtual.example
check "HUP reads virtualdomains" says 'msg 2 to local joe-z@virtual.example'
answer a@mail.example wait
put 14 "$(now)" s@x.example a@mail.example
check "TERM with a running delivery" says 'starting delivery .: msg 14'
signal TERM
check "waits" says '^status: local 1/1 remote 0/8 exitasap$'
answer a@mail.example 'Kok\n'
wait $rig
is "and ends with 0" $? 0
is "with all done" "$(spool)" ""
echo ten >"$home/control/queuelifetime"
(cd "$home" && timeout 100 "$tmp/send_rig" run "$build/bin/nixie-send" >rig/log2)
is "a bad control file: 111" $? 111
check "and is named" grep -q 'alert: cannot start: .*queuelifetime' "$home/rig/log2"
rm "$home/control/queuelifetime"
start
spawner=$(cat "$home/rig/pid.spawn")
(cd "$home" && timeout 100 "$tmp/send_rig" run "$build/bin/nixie-send" >rig/log2)
is "a second send: 111" $? 111
check "says that one runs" grep -q 'already running' "$home/rig/log2"
answer a@mail.example wait
put 15 "$(now)" s@x.example a@mail.example
says 'msg 15 to'
kill -9 "$spawner"
check "a lost spawner" says 'alert: oh no! lost spawn connection! dying...'
wait $rig
is "ends send" $? 111
rm "$home/rig/answer.a@mail.example"
start
check "and the next run delivers" says '^end msg 15$'
stop

# --- recovery ------------------------------------------------------------------------------------
make_home
put 20 "$(now)" s@x.example a@mail.example
echo damaged >>"$home/queue/todo/20"
put 21 "$(now)" s@x.example a@mail.example
echo more >>"$home/queue/mess/21"
echo left >"$home/queue/mess/22"
echo left >"$home/queue/mess/23"
touch -d '3 days ago' "$home/queue/mess/22"
echo left >"$home/queue/local/24"
put 25 "$(now)" s@x.example a@mail.example
echo stale >"$home/queue/bounce/25"
echo stale >"$home/queue/info/25"
mkdir -p "$home/save"
answer a@mail.example 'wait'
answer b@mail.example 'Zlater\n'
put 26 "$(now)" s@x.example b@mail.example c@mail.example
start
says 'delivery .: deferral'
check "what is damaged is set aside" says '^warning: todo/20 does not check out'
check "what is not whole too" exists queue/corrupt/mess.21
check "old left-overs go" wait_for 5 gone queue/mess/22
check "young ones stay" exists queue/mess/23
check "what belongs to nothing goes" gone queue/local/24
check "a whole todo is S4, whatever stands beside it" says 'starting delivery .: msg 25 to'
wait_for 5 grep -q D "$home/queue/local/26"
kill -9 "$(cat "$home/rig/pid")"
wait $rig
check "after a kill the message is still there" exists queue/info/25
answer a@mail.example 'Kok\n'
sed -i 's/^nixie1 info/nixie1 xnfo/' "$home/queue/info/26"
start
check "a damaged info is set aside" said '^warning: info/26 does not check out'
check "with its message" exists queue/corrupt/mess.26
check "and its recipients" exists queue/corrupt/local.26
check "the delivery that was cut off is done again" says '^end msg 25$'
put 27 "$(now)" s@x.example b@mail.example c@away.example
answer c@away.example 'Zlater\n'
signal ALRM
wait_for 5 eval '[ "$(grep -c "deferral: later" "$home/rig/log")" = 2 ]'
rm "$home/queue/local/27"
signal ALRM
check "recipients that somebody took away are told" says '^warning: local/27 is gone'
check "and their message is set aside" wait_for 5 exists queue/corrupt/mess.27
check "with all that is left of it" exists queue/corrupt/info.27
check "it did not just end" eval '! said "^end msg 27"'
echo left >"$home/queue/mess/28"
echo damaged >"$home/queue/todo/28"
echo 28 >"$home/queue/lock/trigger"
check "a todo that is damaged while it runs is told of" says '^warning: todo/28 does not check out'
check "and set aside" wait_for 5 exists queue/corrupt/todo.28
check "with its message" wait_for 5 exists queue/corrupt/mess.28
stop

# --- a torn bounce -------------------------------------------------------------------------------
make_home
answer a@mail.example 'Dfirst\n'
answer b@mail.example 'wait'
put 30 "$(now)" s@x.example a@mail.example b@mail.example
start
wait_for 5 grep -q 'Da@mail' -a "$home/queue/local/30"
is "a failure is synced before its mark" "$(tail -1 "$home/rig/commands")" sync
kill -9 "$(cat "$home/rig/pid")"
wait $rig
head -c 80 "$home/queue/bounce/30" >"$home/save"
cat "$home/save" >>"$home/queue/bounce/30" # a second piece, torn
sed -i 's/Da@mail/Ta@mail/' "$home/queue/local/30" # and its mark lost
: >"$home/rig/deliveries"
answer b@mail.example 'Dsecond\n'
start
check "a torn bounce is mended" said '^warning: bounce/30 was torn'
check "the message ends" says '^end msg 30$'
is "a failure on record is not tried again" "$(cat "$home/rig/deliveries")" "30 <s@x.example> b@mail.example"
is "the bounce names each once" "$(grep -c '@mail.example>:' "$home/rig/bounce.1/mess")" 2
stop

# --- a sync that fails ---------------------------------------------------------------------------
make_home
start
touch "$home/rig/syncfails"
put 40 "$(now)" s@x.example a@mail.example
check "a failed sync is told" says '^warning: trouble fsyncing info/40; will try again later$'
check "nothing is delivered yet" gone rig/deliveries
check "todo stays" exists queue/todo/40
check "what was written is not kept" gone queue/info/40
check "then it is done again" says '^end msg 40$' 15
stop
is "the errors of all runs" "$(cat "$tmp"/home.*/rig/errors)" ""
tap_end
