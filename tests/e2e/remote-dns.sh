#!/bin/bash
# nixie-remote by the DNS on real sockets: mail exchangers at port 25 of addresses in a network
# namespace of its own.  Prints TAP.
. tests/e2e/tap.bash
if [ "${1-}" != inside ]; then
    reason=
    python3 -c '' 2>/dev/null || reason="python3 is missing"
    command -v ip >/dev/null || reason="ip (iproute2) is missing"
    unshare -rn true 2>/dev/null || reason="no network namespace may be made here"
    if [ "$reason" ]; then
        skip "mail out by the DNS" "$reason"
        tap_end
    fi
    exec unshare -rn bash "$0" inside
fi
new_folder
started=()
trap 'kill "${started[@]}" 2>/dev/null; wait 2>/dev/null; rm -rf "$tmp"' EXIT
ip link set lo up
for address in 192.0.2.10 192.0.2.53 198.51.100.1 198.51.100.2 198.51.100.3; do
    ip address add $address/32 dev lo
done
v6=
ip address add 2001:db8::1/128 dev lo nodad 2>/dev/null && v6=1
mkdir -p "$tmp/home/control"
cd "$tmp/home" || exit 1
echo mail.example >control/me
echo 192.0.2.10:25 >control/listen # else all addresses of this machine are our own
echo "nameserver 192.0.2.53" >"$tmp/resolv.conf"

server() { # NAME ADDRESS
    mkdir -p "$tmp/$1"
    python3 "$OLDPWD/tests/e2e/smtp_server.py" "$tmp/$1" "$2" 25 &
    started+=($!)
    wait_for 10 test -s "$tmp/$1/port"
}
server one 198.51.100.1
server two 198.51.100.2
server three 198.51.100.3
[ $v6 ] && server six 2001:db8::1
"$OLDPWD/$BUILD/bin/nixie-actor-dns-server" >"$tmp/records" <<'END' &
listen 192.0.2.53 53
zone example
record away.example 60 MX 10 mx1.example
record away.example 60 MX 20 mx2.example
record away.example 60 MX 30 mx3.example
record mx1.example 60 A 198.51.100.1
record mx2.example 60 A 198.51.100.2
record mx3.example 60 A 198.51.100.3
record equal.example 60 MX 10 mx1.example
record equal.example 60 MX 10 mx2.example
record equal.example 60 MX 10 mx3.example
record plain.example 60 A 198.51.100.2
record six.example 60 MX 10 mx6.example
record mx6.example 60 AAAA 2001:db8::1
record null.example 60 MX 0 .
record empty.example 60 TXT "nothing"
record dangling.example 60 MX 10 nowhere.example
record backup.example 60 MX 10 mx1.example
record backup.example 60 MX 20 mail.example
record backup.example 60 MX 30 mx3.example
record loop.example 60 MX 20 mail.example
record loop.example 60 MX 30 mx3.example
record mail.example 60 A 192.0.2.10
record alias.example 60 CNAME away.example
record numbered.example 60 MX 10 here.example
record here.example 60 A 192.0.2.10
record local.example 60 A 127.0.0.1
on trouble.example servfail
END
started+=($!)
wait_for 10 grep -q listening "$tmp/records"

# remote DOMAIN: sends to bob there; $records, and in $took who took it.
remote() {
    rm -f "$tmp"/*/took.*
    records=$(printf 'Subject: x\n\nbody\n' | NIXIE_HOME=$tmp/home NIXIE_RESOLV_CONF=$tmp/resolv.conf timeout 200 \
        "$OLDPWD/$BUILD/bin/nixie-remote" "$1" joe@mail.example "bob@$1" | tr '\0\n' '|/')
    took=$(cd "$tmp" && echo */took.* | sed 's,/took[^ ]*,,g; s/^\*$//')
}
rules() { printf '%s\n' "${@:2}" >"$tmp/$1/rules"; }
goes() { # NAME DOMAIN WHO ADDRESS
    remote "$2"
    is "$1" "$took: $records" "$3: r|K$4 accepted message./Remote host said: 250 2.0.0 taken/|"
}
fails() { # NAME DOMAIN REPORT
    remote "$2"
    is "$1" "$took: $records" ": $3|"
}
goes "the best mail exchanger" away.example one 198.51.100.1
goes "a domain's own address" plain.example two 198.51.100.2
goes "an alias of a domain" alias.example one 198.51.100.1
[ $v6 ] && goes "IPv6" six.example six 2001:db8::1
[ $v6 ] && goes "an IPv6 literal" '[IPv6:2001:db8::1]' six 2001:db8::1
goes "a literal" '[198.51.100.3]' three 198.51.100.3
rules one 'connect * close'
goes "one that closes: the next" away.example two 198.51.100.2
rules two 'EHLO * reply 421 not now'
goes "and the next" away.example three 198.51.100.3
rules three 'MAIL * close'
fails "all of them" away.example "ZConnected to 198.51.100.3 but connection died. (#4.4.2)/"
rules one && rules two && rules three
goes "better than we are" backup.example one 198.51.100.1
rules one 'connect * reply 450 no'
fails "but not worse" backup.example "ZConnected to 198.51.100.1 but greeting failed./Remote host said: 450 no/"
rules one
loop="DSorry. Although I'm listed as a best-preference MX or A for that host,/it isn't in my control/locals file, so I don't treat it as local. (#5.4.6)/"
fails "ourselves by name" loop.example "$loop"
fails "ourselves by address" numbered.example "$loop"
fails "ourselves by loopback" local.example "$loop"
fails "ourselves as a literal" '[192.0.2.10]' "$loop"
rm control/listen
fails "without control/listen: all of this machine" plain.example "$loop"
echo 0.0.0.0:25 >control/listen
fails "likewise when it listens on all" '[198.51.100.3]' "$loop"
echo 192.0.2.10:25 >control/listen
fails "null MX" null.example "DSorry, null.example does not accept mail (null MX). (#5.1.10)/"
fails "no such domain" nothing.example "DSorry, I couldn't find any host named nothing.example. (#5.1.2)/"
fails "a domain without addresses" empty.example "DSorry, I couldn't find any host named empty.example. (#5.1.2)/"
fails "a mail exchanger without" dangling.example "DSorry, I couldn't find a mail exchanger or IP address. (#5.4.4)/"
fails "DNS trouble" trouble.example "ZCNAME lookup failed temporarily. (#4.4.3)/"
fails "no literal" '[198.51.100.300]' "DSorry, I couldn't find any host named [198.51.100.300]. (#5.1.2)/"
declare -A seen
for _ in $(seq 40); do
    remote equal.example
    seen[$took]=1
    [ ${#seen[@]} = 3 ] && break
done
is "equal ones all have their turn" "${#seen[@]}" 3
echo ".example:mx2.example" >control/smtproutes
goes "a relay by its name" away.example two 198.51.100.2
echo ".example:nowhere.example" >control/smtproutes
fails "one that is not there bounces nothing" away.example "ZSorry, I couldn't find the relay nowhere.example. (#4.4.3)/"
tap_end
