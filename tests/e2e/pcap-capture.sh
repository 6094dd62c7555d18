#!/bin/bash
# nixie pcap capture: inside namespaces of root and of an ordinary user, every way to stop it, and
# what is wrong is said.
cd "$(dirname "$0")/../.." || exit
. tests/e2e/tap.bash
. tests/namespace.bash

setup() { :; }
if ! namespace_enter setup "$@"; then
    skip "captures of an interface" "$namespace_lack"
    tap_end
fi
nixie=$PWD/$BUILD/bin/nixie
case $BUILD in /*) nixie=$BUILD/bin/nixie ;; esac
cd "$namespace_tmp/work" || exit

# A server that answers once, and its client: loss-free, on port $1.
session() {
    python3 - "$1" <<'PYTHON'
import socket, sys
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
client = socket.create_connection(server.getsockname())
peer, _ = server.accept()
peer.sendall(b"220 hello\r\n")
client.recv(100)
client.sendall(b"QUIT\r\n")
peer.recv(100)
peer.close(); client.close()
PYTHON
}

start() { # OPTION...
    rm -f log
    "$nixie" pcap capture "$@" 2>log &
    pid=$!
    wait_for 5 grep -qs '^listening on' log
}

ended() { # SIGNAL: the status in $status
    [ -z "$1" ] || kill -"$1" $pid
    wait $pid
    status=$?
}

packets() { sed -n 's/ packets written$//p' log; }
bytes() { stat -c %s "$1"; }
more_than() { [ "$(bytes "$1")" -gt "$2" ]; }

for interface in lo any; do
    start --interface $interface $interface.pcap
    session 25
    check "$interface: packets are in the file while it goes on" wait_for 5 more_than $interface.pcap 600
    ended TERM
    is "$interface: ends well with a signal" "$status" 0
    # Handshake 3, greeting and its ACK, QUIT and its ACK, FINs: 9 at least.
    check "$interface: all packets are there, once" test "$(packets)" -ge 8 -a "$(packets)" -le 11
    is "$interface: times are in nanoseconds" "$(od -An -tx4 -N4 $interface.pcap | tr -d ' ')" a1b23c4d
done

# A busy machine gives it no time: what has come until the signal is there all the same.
start --interface lo --filter 'udp port 9' burst.pcap
kill -STOP $pid
python3 -c 'import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for i in range(5000): s.sendto(b"x" * 20, ("127.0.0.1", 9))'
kill -TERM $pid
ended CONT
is "a burst is captured whole" "$status $(packets) $(grep -c missing log)" "0 5000 0"

start --interface lo --count 3 --port 2525 count.pcap
session 25
session 2525
ended ""
is "--count ends it" "$status $(packets)" "0 3"

start --interface lo --port 25 --port 2525 ports.pcap
session 25
session 2525
session 2626
wait_for 5 more_than ports.pcap 1400
ended INT
check "two ports are taken, a third is not" test "$(packets)" -ge 16 -a "$(packets)" -le 22

start --interface lo --filter 'tcp port 2626 and tcp[tcpflags] & tcp-syn != 0' filter.pcap
session 25
session 2626
wait_for 5 more_than filter.pcap 100
ended INT
is "a filter is obeyed" "$status $(packets)" "0 2"

start --interface lo --duration 200ms duration.pcap
ended ""
is "--duration ends it" "$status $(packets)" "0 0"

start --interface lo --duration 1h signal.pcap
ended INT
is "a signal before the end is told" "$status" 130

"$nixie" pcap capture --interface lo --count 2 - >standard.pcap 2>log &
pid=$!
wait_for 5 grep -qs '^listening on' log
session 25
ended ""
is "standard output gets the packets" "$status $(od -An -tx4 -N4 standard.pcap | tr -d ' ')" "0 a1b23c4d"

check_status 2 "no such interface" "$nixie" pcap capture --interface nonesuch0 x.pcap
is "... is said" "$output" "nixie pcap capture: there is no interface nonesuch0"
check_status 2 "a file that cannot be written" "$nixie" pcap capture --interface lo none/x.pcap
is "... is said" "$output" "nixie pcap capture: cannot write none/x.pcap: No such file or directory"
check_status 2 "a wrong filter" "$nixie" pcap capture --interface lo --filter 'tcp prot 25' x.pcap
case $output in *"wrong filter: "*) check "... is said" true ;; *) check "... is said" false ;; esac
if [ -e /dev/full ]; then
    check_status 3 "no room for the file" "$nixie" pcap capture --interface lo --count 1 /dev/full
    is "... is said" "$output" "nixie pcap capture: cannot write /dev/full: No space left on device"
fi
check_status 2 "without a file" "$nixie" pcap capture --interface lo
check_status 2 "without an interface" "$nixie" pcap capture x.pcap
check_status 2 "an unknown option" "$nixie" pcap capture --interface lo --colour x.pcap
check_status 2 "a port that is none" "$nixie" pcap capture --interface lo --port 65536 x.pcap
check_status 0 "tells how it is used" "$nixie" pcap capture --help
if [ "$namespace_user" = root ]; then
    cp "$nixie" ./nixie
    check_status 3 "without permission" setpriv --reuid=64123 --regid=64123 --clear-groups --bounding-set=-all ./nixie pcap capture --interface lo /tmp/x.pcap
    is "... is said" "$output" "nixie pcap capture: no permission to capture on lo: this needs root, or CAP_NET_RAW"
fi
tap_end
