#!/bin/bash
# Mail in and out with other people's programs: Postfix's smtp-source and smtp-sink, Postfix itself,
# swaks, Python's smtplib, and dnsmasq as the resolver's server.  All of it in a network namespace
# that has loopback alone.  More than 500 messages, each of which must arrive once and unchanged.
# Prints TAP.
. tests/e2e/tap.bash
. tests/e2e/server.bash
. tests/namespace.bash
unset NIXIE_HOME
us=192.0.2.10 us6=2001:db8::10 dns=192.0.2.53 stranger=203.0.113.9 postfix=198.51.100.25

set_up() {
    namespace_address $us $us6 $dns $stranger $postfix 198.51.100.{1..9} 198.51.100.{30..45} 2001:db8:1::{1..3} &&
        namespace_resolver $dns && namespace_accounts "$namespace_tmp/people" postfix postdrop alice carol &&
        mkdir -p "$namespace_tmp/people/carol" && cp -r "$peers" "$namespace_tmp/peers" || return
    [ "$NAMESPACE_REAL" != 1 ] || ! grep -q '^carol:' /etc/passwd || chown carol: "$namespace_tmp/people/carol"
}

if [[ ${1-} != --namespace* ]]; then
    for program in python3 perl ss; do
        command -v $program >/dev/null || { skip "mail with other people's programs" "$program is missing"; tap_end; }
    done
    if ! peers=$(ci/peers postfix swaks dnsmasq-base libio-socket-inet6-perl libnet-ssleay-perl); then
        skip "mail with other people's programs" "they cannot be had here"
        tap_end
    fi
    export peers
fi
ordinary=()
grep -q __asan_init "$BUILD/bin/nixie-queue" && ordinary=(--ordinary) # it cannot be setuid
namespace_enter "${ordinary[@]}" set_up "$@" || { skip "mail with other people's programs" "$namespace_lack"; tap_end; }
. tests/e2e/peers.bash
tmp=$namespace_tmp/work
take_programs
home=$tmp/home
python=$(python3 -c 'import sys; print(sys.executable)') # what a wrapper of that name would start
peers_mail() { timeout 120 "$python" tests/e2e/peers_mail.py "$@"; }

# --- a server, and the world around it -------------------------------------------------------------
check "init" server_make "$home" alice || tap_end
printf '%s:25\n' $us "[$us6]" >"$home/control/listen"
printf '%s\n' $us $us6 127.0.0.1 ::1 $postfix >"$home/control/relayclients"
echo 2000000 >"$home/control/databytes"
echo 60 >"$home/control/concurrencyincoming"
echo 20 >"$home/control/timeoutremote"
echo 100000000 >"$home/control/logsize" # all of it is looked at
echo 5 >"$home/control/timeoutconnect"
printf '%s\n' "box.example:alice" >"$home/control/virtualdomains"
printf '%s\n' mail.example box.example >"$home/control/rcpthosts"
printf '%s\n' 'routed.example:[198.51.100.2]:2525' 'routed6.example:[2001:db8:1::2]:2525' 'named.example:sink.away.example:2525' >"$home/control/smtproutes"
echo ./Maildir/ >"$home/users/alice/.qmail-default"
chown --reference="$home/users/alice" "$home/users/alice/.qmail-default"
mailbox=$home/users/alice/Maildir/new
in_mailbox() { grep -rlaE "$1" "$mailbox" 2>/dev/null | wc -l; }
has() { [ "$(in_mailbox "$1")" -ge "$2" ]; }
bounce_with() { [ "$(grep -rlaE "$1" "$mailbox" 2>/dev/null | xargs -r grep -lE "^Final-Recipient: .*$2" | wc -l)" -ge 1 ]; }
took() { find "$work/$1" -type f -name 'm.*' 2>/dev/null | wc -l; }
sink_has() { [ "$(took "$1")" -ge "$2" ]; }

zone=(
    mx-host=away.example,sink.away.example,10 host-record=sink.away.example,198.51.100.1
    mx-host=six.example,mx.six.example,10 host-record=mx.six.example,2001:db8:1::1
    cname=alias.example,away.example
    mx-host=viacname.example,mx.viacname.example,5 cname=mx.viacname.example,sink.away.example
    host-record=nomx.example,198.51.100.3
    dns-rr=null.example,15,000000
    mx-host=two.example,mx1.two.example,10 mx-host=two.example,mx2.two.example,20
    host-record=mx1.two.example,198.51.100.9 host-record=mx2.two.example,198.51.100.3
    mx-host=busy.example,mx1.busy.example,10 mx-host=busy.example,mx2.busy.example,20
    host-record=mx1.busy.example,198.51.100.30 host-record=mx2.busy.example,198.51.100.3
    mx-host=loop.example,mail.example,10 host-record=mail.example,$us,$us6
    mx-host=post.example,mx.post.example,10 host-record=mx.post.example,$postfix
    txt-record=empty.example,nothing
    local=/example/
)
for ((i = 31; i <= 44; i++)); do
    zone+=("mx-host=f$i.example,mx.f$i.example,10" "host-record=mx.f$i.example,198.51.100.$i")
done
for ((i = 4; i <= 8; i++)); do
    zone+=("mx-host=e$i.example,mx.e$i.example,10" "host-record=mx.e$i.example,198.51.100.$i")
done
dns_start $dns "${zone[@]}" || { cat "$work/dns.err" "$work/dns.log"; exit 1; }
check "start" server_start "$home"
check "it listens" wait_for_port $us 25

# --- what it takes to run ---------------------------------------------------------------------------
# Each program that stays: its descriptors (besides one a worker), and its memory in kB.
descriptors() {
    local program pid spare
    for program in start log queue send lspawn rspawn clean listen; do
        for pid in $(server_pids "$home" $program); do
            spare=0
            [[ $program = listen || $program = queue ]] && spare=$(server_pids "$home" smtpd | wc -w)
            [ $program = lspawn ] && spare=$(server_pids "$home" local | wc -w)
            [ $program = rspawn ] && spare=$(server_pids "$home" remote | wc -w)
            printf '%s:%d ' $program $(($(ls /proc/"$pid"/fd | wc -l) - spare))
        done
    done
}
memory() {
    local program pid
    for program in start log queue send lspawn rspawn clean listen smtpd; do
        for pid in $(server_pids "$home" $program); do
            awk -v p=$program '/^RssAnon:/ {print p, $2}' "/proc/$pid/status"
        done
    done
}
no_zombies() { ! cat /proc/[0-9]*/stat 2>/dev/null | sed 's/.*) //' | grep -q '^Z'; }
check "a message to warm it up" source_mail -f x@client.example -t alice@mail.example $us:25
wait_empty "$home" 10
descriptors_before=$(descriptors)

# --- in: smtp-source --------------------------------------------------------------------------------
# Each recipient is another one, so that each delivery can be told apart.
delivered_to() { grep -rhE "^Delivered-To: .*$1@" "$mailbox" 2>/dev/null | sort -u | wc -l; }
arrived() { [ "$(in_mailbox "^Subject: $1\$")" -ge "$2" ]; }
loads=0
load() {
    local name=$1 want=$2
    shift 2
    check "smtp-source: $name" source_mail -f "tester@client.example" -S "load$((++loads))" "$@"
    check "each arrives" wait_for 30 arrived load$loads "$want"
    is "once" "$(in_mailbox "^Subject: load$loads\$") $(delivered_to "[0-9]*load$loads")" "$want $want"
}
load "20 senders at once" 100 -s 20 -m 100 -N -t load1@box.example $us:25
load "in one session each" 60 -d -s 3 -m 60 -N -t load2@box.example $us:25
load "several recipients" 100 -s 10 -m 20 -r 5 -N -t load3@box.example $us:25
load "by IPv6" 20 -6 -s 4 -m 20 -N -t load4@box.example "[$us6]:25"
load "of a megabyte" 4 -d -s 2 -m 4 -l 1000000 -N -t load5@box.example $us:25
large_sizes() { grep -rl '^Subject: load5$' "$mailbox" | while read -r file; do tr -cd X <"$file" | wc -c; done | sort | uniq -c | xargs; }
check "no byte of which was lost" grep -qxE '4 9[67][0-9]{4}' <(large_sizes)

# --- in: swaks --------------------------------------------------------------------------------------
printf 'not text: \200\201\377\000\n' >"$work/attachment"
swaks_number=0
swaks_in() { # NAME STATUS OPTION...
    local name=$1 status=$2
    shift 2
    check_status "$status" "swaks: $name" swaks --silent 1 --timeout 20 --server $us --from tester@client.example --to alice@mail.example \
        --h-Subject "swaks$((++swaks_number))" "$@"
    [ "$status" != 0 ] || swaks_sent+=("swaks$swaks_number")
}
swaks_sent=()
swaks_in "as it is" 0
swaks_in "pipelined" 0 --pipeline
swaks_in "pipelined, 20 recipients" 0 --pipeline --to "$(printf 'alice-%d@mail.example,' {1..19})alice@mail.example"
swaks_in "HELO" 0 --protocol SMTP
swaks_in "IPv6" 0 -6 --server $us6
swaks_in "null sender" 0 --from '<>'
swaks_in "a body from a file" 0 --body "@$work/attachment"
swaks_in "attachments" 0 --attach-type application/octet-stream --attach "@$work/attachment" --attach "@$work/attachment"
swaks_in "more header fields" 0 --add-header "X-Mailer: a test" --header-X-Long "$(printf 'x%.0s' {1..900})"
swaks_in "standard input" 0 -g <<<"Subject: swaks$((swaks_number + 1))"$'\n\n..\n.\n'
printf 'Subject: swaks%d\r\n\r\n..x\r\n.\r\n' $((swaks_number + 1)) >"$work/raw"
swaks_in "data as they are" 0 --no-data-fixup --data "@$work/raw"
swaks_in "AUTH if it is offered" 0 --auth-optional PLAIN --auth-user x --auth-password y
swaks_in "AUTH if it works" 0 --auth-optional-strict PLAIN --auth-user x --auth-password y
swaks_in "TLS if it is offered" 0 --tls-optional
swaks_in "a standalone smtpd" 0 --server '' --pipe "env RELAYCLIENT= TCPREMOTEIP=192.0.2.77 $home/bin/nixie-smtpd"
swaks_in "AUTH or nothing" 28 --auth PLAIN --auth-user x --auth-password y
swaks_in "TLS or nothing" 29 --tls
swaks_in "a stranger to us" 0 --local-interface $stranger
swaks_in "a stranger to others" 24 --local-interface $stranger --to x@elsewhere.example
swaks_in "a stranger to us and others" 0 --local-interface $stranger --to x@elsewhere.example,alice@mail.example
swaks_in "VRFY" 0 --quit-after BANNER
swaks_in "leaves after RCPT" 0 --quit-after RCPT
swaks_in "hangs up after DATA" 0 --drop-after DATA
swaks_in "hangs up when the message is sent" 0 --drop-after-send RCPT
unset 'swaks_sent[-1]' 'swaks_sent[-1]' 'swaks_sent[-1]' 'swaks_sent[-1]'
for subject in "${swaks_sent[@]}"; do
    want=1
    [ "$subject" = swaks3 ] && want=20
    wait_for 10 has "^Subject: $subject\$" $want
    counts+="$subject:$(in_mailbox "^Subject: $subject\$") " wants+="$subject:$want "
done
is "each message of swaks is there once" "$counts" "$wants"

# --- in: smtplib ------------------------------------------------------------------------------------
is "smtplib: what the server says" "$(peers_mail session $us 25 $stranger)" "ehlo: 250
extensions: 8bitmime enhancedstatuscodes pipelining size
noop: 250
rset: 250
verify: 252
help: 214
unknown: 500
long line: 500
data without mail: 503
login: SMTPNotSupportedError
starttls: SMTPNotSupportedError
too large: 552
no such relay: recipients 553
one of two: x@elsewhere.example 553
quit: 221
helo: 250
after helo: 0"
is "smtplib: 40 messages of all kinds" "$(peers_mail send $us6 25 tester@client.example 20 lib1=alice@mail.example lib2=alice-a@mail.example,alice-b@mail.example)" 40
wait_for 20 has '^Subject: lib2 ' 40
is "smtplib: are unchanged" "$(peers_mail check lib1 1 20 "$mailbox"); $(peers_mail check smtplib 1 2 "$mailbox")" "20 of 20; 2 of 2"
is "smtplib: two recipients each" "$(in_mailbox '^Subject: lib2 ')" 40

# --- out --------------------------------------------------------------------------------------------
sink plain 198.51.100.1:25
sink routed 198.51.100.2:2525
sink second 198.51.100.3:25
sink six "[2001:db8:1::1]:25"
sink routed6 "[2001:db8:1::2]:2525"
sink named 198.51.100.1:2525
sink busy 198.51.100.30:25 -Q CONNECT
sink e4 198.51.100.4:25 -e
sink e5 198.51.100.5:25 -p
sink e6 198.51.100.6:25 -8
sink e7 198.51.100.7:25 -E
sink e8 198.51.100.8:25 -P
for fault in "31 -Q CONNECT" "32 -q CONNECT" "33 -f CONNECT" "34 -r MAIL" "35 -f MAIL" "36 -r RCPT" "37 -f RCPT" "38 -f DATA" \
    "39 -r DATA" "40 -f ." "41 -r ." "42 -q ." "43 -q DATA" "44 -q RCPT"; do
    # shellcheck disable=SC2086
    sink "f${fault%% *}" "198.51.100.${fault%% *}:25" ${fault#* }
done
check "the sinks listen" wait_for_port 198.51.100.44 25
from=alice@mail.example
is "messages to other hosts" "$(peers_mail send $us 25 $from 10 \
    away=x@away.example many=a@away.example,b@away.example,c@away.example six=x@six.example alias=x@alias.example viacname=x@viacname.example \
    nomx=x@nomx.example two=x@two.example busy=x@busy.example routed=a@routed.example,b@routed.example routed6=x@routed6.example named=x@named.example)" 110
is "to servers that can less" "$(peers_mail send $us 25 $from 5 e4=x@e4.example e5=a@e5.example,b@e5.example e6=x@e6.example e7=x@e7.example e8=x@e8.example)" 25
faults=(f31 f32 f33 f34 f35 f36 f37 f38 f39 f40 f41 f42 f43 f44)
fault_sets=()
for fault in "${faults[@]}"; do fault_sets+=("$fault=x@$fault.example"); done
is "to servers with faults" "$(peers_mail send $us 25 $from 3 "${fault_sets[@]}")" 42
is "to nobody" "$(peers_mail send $us 25 $from 2 none=x@nothere.example null=x@null.example loop=x@loop.example empty=x@empty.example)" 8
is "to a domain that the DNS says nothing of" "$(peers_mail send $us 25 $from 2 refused=x@refused.test)" 2

# What was taken by whom.
arrives_at() { # TAG COUNT FOLDER [COPIES]
    sink_took() { [ "$(grep -rla "^Subject: $1 " "$work/$2" | wc -l)" -ge "$3" ]; }
    wait_for 20 sink_took "$1" "$3" "$2"
    is "$1 at $3" "$(peers_mail check "$1" 1 "$2" "$work/$3")" "$2 of $2"
}
for where in away:plain six:six alias:plain viacname:plain nomx:second two:second busy:second routed6:routed6 named:named; do
    arrives_at ${where%:*} 10 ${where#*:}
done
for name in e4 e6 e7 e8; do arrives_at $name 5 $name; done
copies() { grep -rhaE '^X-Rcpt-Args:' $(grep -rla "^Subject: $1 " "$work/$2") | sort | uniq -c | xargs; }
wait_for 20 sink_took many plain 10
is "three recipients each" "$(copies many plain)" "10 X-Rcpt-Args: <a@away.example> 10 X-Rcpt-Args: <b@away.example> 10 X-Rcpt-Args: <c@away.example>"
wait_for 20 sink_took routed routed 10
is "two recipients each, by smtproutes" "$(copies routed routed)" "10 X-Rcpt-Args: <a@routed.example> 10 X-Rcpt-Args: <b@routed.example>"
wait_for 20 sink_took e5 e5 5
is "two recipients each, without PIPELINING" "$(copies e5 e5)" "5 X-Rcpt-Args: <a@e5.example> 5 X-Rcpt-Args: <b@e5.example>"

# What came back.
bounces() { grep -rlaiE "^Final-Recipient: rfc822; *x@$1\$" "$mailbox" | xargs -r grep -laE "^Status: $2" | wc -l; }
bounced() { [ "$(bounces "$1" "$2")" -ge "$3" ]; }
for want in f35.example:5.3.0:3 f37.example:5.3.0:3 f38.example:5.3.0:3 f40.example:5.3.0:3 nothere.example:5.1.2:2 null.example:5.1.10:2 \
    loop.example:5.4.6:2 empty.example:5.1.2:2; do
    IFS=: read -r who status count <<<"$want"
    wait_for 20 bounced "$who" "$status" "$count"
    is "$who comes back" "$(bounces "$who" "$status")" "$count"
done

# What waits, and goes out when the fault is gone.
waiting() { "$nixie" mta list "$home" "to=*@$1" 2>/dev/null | grep -c "@$1"; }
for name in f31 f32 f33 f34 f36 f39 f41 f42 f43 f44; do
    is "$name waits" "$(waiting $name.example)" 3
    sink_end $name
    sink $name.well "198.51.100.${name#f}:25"
done
is "so does what the DNS says nothing of" "$(waiting refused.test)" 2
check "the sinks listen again" wait_for_port 198.51.100.44 25
try_again
for name in f31 f32 f33 f34 f36 f39 f41 f42 f43 f44; do arrives_at $name 3 $name.well; done
deferrals() { grep -c 'deferral: CNAME_lookup_failed_temporarily' "$home/log/current"; }
deferred() { [ "$(deferrals)" -ge "$1" ]; }
check "what the DNS says nothing of is tried again" wait_for 20 deferred 4
before=$(deferrals)
kill $dns_pid && wait $dns_pid
is "while no DNS server runs" "$(peers_mail send $us 25 $from 3 later=x@away.example)" 3
check "mail waits" wait_for 20 deferred $((before + 3))
dns_start $dns "${zone[@]}"
is "a DNS server again" "$? $(cat "$work/dns.err")" "0 "
try_again
arrives_at later 3 plain
"$nixie" mta expire "$home" to=x@refused.test >/dev/null
wait_for 20 bounced refused.test 4.4.7 2
is "what expires comes back" "$(bounces refused.test 4.4.7)" 2

# --- Postfix on the other side ----------------------------------------------------------------------
failed_before=$tap_failed
place=$namespace_tmp postfix_address=$postfix postfix_name=post.example postfix_relay=[$us]:25
. tests/bench/postfix.bash
carol=$namespace_tmp/people/carol/Maildir/new
at_carol() { [ "$(grep -rla "^Subject: $1" "$carol" | wc -l)" -ge "$2" ]; }
if [ "$namespace_user" != root ]; then
    skip "Postfix sends and receives" "it takes root"
elif ! postfix_start maildir; then
    skip "Postfix sends and receives" "it does not start here: $(tail -1 "$postfix_home/out")"
else
    is "40 messages to Postfix" "$(peers_mail send $us 25 $from 40 topostfix=carol@post.example)" 40
    check "40 messages by way of Postfix" source_mail -f tester@client.example -S frompostfix -s 8 -m 40 -N -t frompostfix@box.example $postfix:25
    wait_for 30 at_carol topostfix 40
    is "Postfix has them all" "$(peers_mail check topostfix 1 40 "$carol")" "40 of 40"
    wait_for 30 arrived frompostfix 40
    is "we have them all" "$(in_mailbox '^Subject: frompostfix$') $(delivered_to '[0-9]*frompostfix')" "40 40"
    is "nobody there" "$(peers_mail send $us 25 $from 1 nobody=x@post.example)" 1
    wait_for 20 bounced post.example 5.1.1 1
    is "comes back as Postfix says" "$(bounces post.example 5.1.1)" 1
    [ $tap_failed = "$failed_before" ] || cat "$work/dns.err" "$postfix_home/maillog" "$postfix_home/out" | tail -n 30 | sed 's/^/# /'
    postfix_stop
fi

# --- what it takes to run, afterwards ----------------------------------------------------------------
# With CHECK_ALL at full size, and when only one smtpd is left, and no nixie-remote and nixie-local.
alone() { [ "$(server_pids "$home" smtpd | wc -w)" = 1 ] && [ -z "$(server_pids "$home" remote)$(server_pids "$home" local)" ]; }
sessions=${CHECK_ALL:+3000}
out_and_in() { # sessions in, half of them out again
    check "$1 sessions" source_mail -f tester@client.example -s 10 -m $(($1 / 2)) -t alice@mail.example $us:25
    check "and to others" source_mail -f tester@client.example -s 10 -m $(($1 / 2)) -t x@away.example $us:25
    wait_empty "$home" 60
    [ -z "$sessions" ] || wait_for 60 alone
}
check "the queue drains" wait_empty "$home" 20
out_and_in 60
memory_before=$(memory | sort)
out_and_in ${sessions:-300}
memory_grown() { # programs that grew by more than a quarter of a MiB
    join <(awk '{if ($2 > m[$1]) m[$1] = $2} END {for (p in m) print p, m[p]}' <<<"$memory_before" | sort) <(memory | sort) |
        awk '$3 > $2 + 256 {printf "%s from %d to %d kB ", $1, $2, $3}'
}
more_descriptors() { # than at first; there may be less: not each smtpd keeps a connection to the queue
    join <(tr ' :' '\n ' <<<"$descriptors_before" | sort) <(descriptors | tr ' :' '\n ' | sort) |
        awk '$3 > $2 {printf "%s from %d to %d ", $1, $2, $3}'
}
is "no more descriptors than at first" "$(more_descriptors)" ""
is "no more memory" "$(memory_grown)" ""
check "no dead process is left unwaited for" wait_for 10 no_zombies

# --- the end ----------------------------------------------------------------------------------------
check "the queue is empty" wait_empty "$home" 20
is "every message that was accepted has ended" "$(grep -c ' end msg ' "$home/log/current")" "$(grep -c ' new msg ' "$home/log/current")"
server_stop "$home"
is "no program of the server is left" "$(for p in start log queue send lspawn rspawn clean listen smtpd remote local; do server_pids "$home" $p; done)" ""
tap_end
