#!/bin/bash
# The made-up DNS (nixie-actor-dns-server) on real sockets, asked by mta/lib/resolve (resolve_client)
# and by hand.  Prints TAP.
cd "$(dirname "$0")/../.." || exit 1
. tests/e2e/tap.bash
build=${BUILD:-build}
tmp=$(mktemp -d)
server=
trap 'kill "$server" 2>/dev/null; wait 2>/dev/null; rm -rf "$tmp"' EXIT
start() { # configuration on standard input; sets $server and the ports of its listeners
    : >"$tmp/records"
    "$build/bin/nixie-actor-dns-server" <&0 >"$tmp/records" 2>"$tmp/errors" &
    server=$!
    listen_at() { [ "$(grep -c ^listening "$tmp/records")" = "$1" ]; }
    wait_for 5 listen_at "$1"
    mapfile -t ports < <(sed -n 's/^listening .* //p' "$tmp/records")
}
stop() { kill "$server" && wait "$server"; }
look_up() { NIXIE_RESOLV_CONF=$tmp/resolv.conf timeout 200 "$build/tests/programs/resolve_client" "$@"; }
says() { # NAME WANT KIND DOMAIN: seconds count, but for those of a busy machine
    is "$1" "$(look_up "$3" "$4" | sed -e 's/ [0-3]: / 0: /' -e 's/ [5-9]: / 5: /')" "$3 $4 $2"
}

# --- what it answers ---
v6=
[ -e /proc/net/if_inet6 ] && grep -q '^00000000000000000000000000000001' /proc/net/if_inet6 && v6=1
{
    echo "listen 127.0.0.1 0"
    [ "$v6" ] && echo "listen ::1 0"
    cat <<'CONF'
zone away.example
record away.example 3600 MX 20 mx2.away.example
record away.example 3600 MX 10 MX.away.example.     # in no order
record away.example 3600 MX 20 mx1.away.example
record mx.away.example 60 A 198.51.100.1
record mx.away.example 60 A 198.51.100.2
record mx.away.example 60 AAAA 2001:db8::1
record six.away.example 60 AAAA 2001:db8::6
record text.away.example 60 TXT "some text" ""
record null.away.example 60 MX 0 .
record almost.away.example 60 MX 0 .
record almost.away.example 60 MX 5 mx.away.example
record number.away.example 60 MX 5 192.0.2.1
record alias.away.example 60 CNAME alias2.away.example
record alias2.away.example 60 CNAME mx.away.example
record alias3.away.example 60 CNAME away.example
record dangling.away.example 60 CNAME nothing.away.example
record outside.away.example 60 CNAME elsewhere.example
record loop.away.example 60 CNAME loop2.away.example
record loop2.away.example 60 CNAME loop.away.example
record self.away.example 60 CNAME self.away.example
record a.b.away.example 60 A 192.0.2.7
on fail.away.example servfail
on silent4.away.example A silence
record silent4.away.example 60 AAAA 2001:db8::4
on first.away.example first 2 nxdomain
record first.away.example 60 A 192.0.2.8
on refused.* refused
on late.away.example late 300ms
record late.away.example 60 A 192.0.2.9
on cut.away.example truncate
record cut.away.example 60 A 192.0.2.10
on cutonly.away.example truncate only
record cutonly.away.example 60 A 192.0.2.11
on no.away.example MX nodata
record no.away.example 60 MX 1 mx.away.example
CONF
    for ((i = 0; i < 900; i++)); do
        echo "record many.away.example 60 MX $((i * 7 % 900)) mx$i.many.away.example"
    done
} >"$tmp/conf"
start $((v6 ? 2 : 1)) <"$tmp/conf"
echo "nameserver 127.0.0.1:${ports[0]}" >"$tmp/resolv.conf"

says "exchangers by preference, equal ones as answered" \
    "0: 10 MX.AWAY.example, 20 mx2.AWAY.example, 20 mx1.AWAY.example" mx AWAY.example.
says "addresses of both kinds" "0: 198.51.100.1, 198.51.100.2, 2001:db8::1" a mx.away.example
says "IPv6 only" "0: 2001:db8::6" a six.away.example
says "no such domain" "0: no domain" mx gone.away.example
says "no such host" "0: no domain" a gone.away.example
says "a name without such records" "0: no data" mx mx.away.example
says "a name without addresses" "0: no data" a text.away.example
says "a name that only has names below it" "0: no data" a b.away.example
says "null MX" "0: 0 (null)" mx null.away.example
says "a dot beside others is left out" "0: 5 mx.away.example" mx almost.away.example
says "an exchanger that is an address" "0: no domain" mx number.away.example
says "aliases of a host" "0: 198.51.100.1, 198.51.100.2, 2001:db8::1" a alias.away.example
says "an alias of a domain" "0: 10 MX.away.example, 20 mx2.away.example, 20 mx1.away.example" mx alias3.away.example
says "an alias of nothing" "0: no domain" a dangling.away.example
says "an alias that leads where nobody answers" "0: trouble" a outside.away.example
says "a loop of aliases" "0: trouble" a loop.away.example
says "an alias of itself" "0: trouble" mx self.away.example
says "SERVFAIL" "0: trouble" mx fail.away.example
says "REFUSED by a rule" "0: trouble" mx refused.example
says "REFUSED outside of zones" "0: trouble" mx other.example
says "cut over UDP, whole over TCP" "0: 192.0.2.10" a cut.away.example
says "cut, and TCP refused" "0: trouble" a cutonly.away.example
says "no data by a rule" "0: no data" mx no.away.example
says "a late answer" "0: 192.0.2.9" a late.away.example
says "a rule for the first time only" "0: no domain" a first.away.example
says "and then no more" "0: 192.0.2.8" a first.away.example
look_up mx many.away.example >"$tmp/many"
for ((i = 0; i < 900; i++)); do printf '%d mx%d.many.away.example\n' $((i * 7 % 900)) $i; done | sort -n >"$tmp/want"
check "900 exchangers come over TCP, sorted" \
    cmp -s "$tmp/want" <(sed 's/^mx many.away.example 0: //; s/, /\n/g' "$tmp/many")
says "one kind that is not answered is waited for 5 seconds" "5: 2001:db8::4" a silent4.away.example
args=()
for ((i = 0; i < 100; i++)); do args+=(mx away.example a mx.away.example); done
look_up "${args[@]}" >"$tmp/all"
is "200 lookups at once" "$(sed 's/ [0-9]*: / /' "$tmp/all" | sort | uniq -c | awk '{ print $1, $2, $3, $5 }')" \
    "100 a mx.away.example 198.51.100.2,
100 mx away.example MX.away.example,"

if [ "$v6" ]; then
    echo "nameserver [::1]:${ports[1]}" >"$tmp/resolv.conf"
    says "asked over IPv6" "0: 2001:db8::6" a six.away.example
    says "cut, asked over IPv6" "0: 192.0.2.10" a cut.away.example
else
    skip "asked over IPv6" "no ::1 here"
fi
{
    echo "nameserver 127.0.0.1:1"
    echo "nameserver 127.0.0.1:${ports[0]} # the second"
} >"$tmp/resolv.conf"
is "the second server, when the first does not answer" \
    "$(look_up a six.away.example | sed 's/ [01]: / /')" "a six.away.example 2001:db8::6"
says "both fail" "0: trouble" mx fail.away.example

record() { check "record: $1" grep -qxF "$1" "$tmp/records"; }
record "query udp 127.0.0.1 AWAY.example MX"
record "answer AWAY.example MX noerror"
record "query tcp 127.0.0.1 many.away.example MX"
record "answer many.away.example MX truncated"
record "answer gone.away.example AAAA nxdomain"
record "answer text.away.example A nodata"
record "query udp 127.0.0.1 silent4.away.example A"
check "silence has no answer" test "$(grep -c '^answer silent4.away.example A ' "$tmp/records")" = 0

# --- hostile queries ---
ask() { # HEX: sends a datagram, prints the answer in hex ("" if there is none soon)
    local hex=$1 i bytes=
    for ((i = 0; i < ${#hex}; i += 2)); do bytes+="\\x${hex:i:2}"; done
    exec 3<>"/dev/udp/127.0.0.1/${ports[0]}"
    # shellcheck disable=SC2059
    printf "$bytes" >&3
    timeout "${2:-20}" dd bs=4096 count=1 <&3 2>/dev/null | od -An -v -tx1 | tr -d ' \n'
    exec 3>&-
}
name=037369780461776179076578616d706c6500 # six.away.example
header() { printf '1234%s%04x%04x%04x%04x' "$1" "$2" 0 0 "$3"; }
is "a query by hand" "$(ask "$(header 0100 1 0)${name}001c0001")" \
    "123485800001000100000000037369780461776179076578616d706c6500001c0001c00c001c00010000003c001020010db8000000000000000000000006"
is "with EDNS" "$(ask "$(header 0100 1 1)${name}001c000100002904d0000000000000")" \
    "123485800001000100000001037369780461776179076578616d706c6500001c0001c00c001c00010000003c001020010db8000000000000000000000006""00002904d0000000000000"
is "EDNS of another version" "$(ask "$(header 0100 1 1)${name}001c000100002904d0000100000000")" \
    "123481800001000000000001037369780461776179076578616d706c6500001c000100002904d0010000000000"
is "no question: FORMERR" "$(ask "$(header 0100 0 0)")" 123481810000000000000000
is "half a question: FORMERR" "$(ask "$(header 0100 1 0)0473")" 123481810000000000000000
is "two questions: FORMERR" "$(ask "$(header 0100 2 0)${name}001c0001${name}001c0001")" 123481810000000000000000
is "a name in a circle: FORMERR" "$(ask "$(header 0100 1 0)c00c00010001")" 123481810000000000000000
is "another operation: NOTIMP" "$(ask "$(header 2800 1 0)${name}001c0001")" 1234a8840000000000000000
is "another class: REFUSED" "$(ask "$(header 0100 1 0)${name}001c0003")" \
    "123481850001000000000000037369780461776179076578616d706c6500001c0003"
is "an answer is not answered" "$(ask "$(header 8100 1 0)${name}001c0001" 0.3)" ""
is "nothing is not answered" "$(ask 12340100 0.3)" ""
for ((i = 0; i < 40; i++)); do
    head -c $((RANDOM % 600)) /dev/urandom 2>/dev/null >"/dev/udp/127.0.0.1/${ports[0]}"
    head -c $((RANDOM % 3000)) /dev/urandom 2>/dev/null >"/dev/tcp/127.0.0.1/${ports[0]}"
done 2>/dev/null
for ((i = 0; i < 250; i++)); do exec {held}<>"/dev/tcp/127.0.0.1/${ports[0]}" && fds+=("$held"); done 2>/dev/null
echo "nameserver 127.0.0.1:${ports[0]}" >"$tmp/resolv.conf"
says "it has survived, with 250 silent connections" "0: 192.0.2.10" a cut.away.example
for held in "${fds[@]}"; do exec {held}>&-; done
stop
check "TERM ends it in order" test $? -eq 0
check "it complained of nothing" test ! -s "$tmp/errors"

# --- what it does not take ---
refuses() { # WANT CONFIGURATION
    local said
    said=$(printf '%s\n' "$2" | "$build/bin/nixie-actor-dns-server" 2>&1 >/dev/null; echo $?)
    is "refused: $1" "$said" "dns-server: line $1"$'\n'2
}
refuses "1: there is no such line: lisen" "lisen 127.0.0.1 0"
refuses "1: it listens nowhere: listen ADDRESS PORT" ""
refuses "1: this is no IPv4 or IPv6 address: 1.2.3" "listen 1.2.3 0"
refuses "2: there are no records of this type: XX" $'listen 127.0.0.1 0\nrecord a.example 5 XX 1'
refuses "1: this is no domain name: a..b" "record a..b 5 A 1.2.3.4"
refuses "1: this is no address of that kind: ::1" "record a.b 5 A ::1"
refuses "1: expected a number from 0 to 65535" "record a.b 5 MX x mx.example"
refuses "1: this is nothing that can be done: explode" "on * explode"
refuses "1: this is too much: x" "on * A first 3 chance 10% from 5s until 6s late 5s x"
tap_end
