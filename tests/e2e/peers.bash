# Other people's mail programs in a namespace: source it after tap.bash, server.bash and
# tests/namespace.bash, when the namespace is there.
#
#   peer PROGRAM ...               runs one of ci/peers
#   sink NAME ADDRESS:PORT [OPTION...]   starts an smtp-sink that leaves what it takes in $work/NAME
#   sink_end NAME
#   source_mail ...                runs smtp-source
#   dns_start ADDRESS LINE...      starts dnsmasq with these lines of configuration
#   wait_for_port ADDRESS PORT
#   try_again                      all messages of the queue are tried now
# shellcheck shell=bash disable=SC2154
peer_root=$namespace_tmp/peers
work=$namespace_tmp/work
declare -A sink_pids=()

peer_library_path() {
    local path=
    for folder in "$peer_root"/usr/lib/*-linux-gnu* "$peer_root"/usr/lib "$peer_root"/lib/*-linux-gnu* "$peer_root"/usr/lib/postfix; do
        [ -d "$folder" ] && path+=${path:+:}$folder
    done
    echo "$path"
}
peer_libraries=$(peer_library_path)
peer_perl=$peer_root/usr/share/perl5:$(printf '%s:' "$peer_root"/usr/lib/*/perl5/*)

peer() { LD_LIBRARY_PATH=$peer_libraries "$peer_root/usr/sbin/$1" "${@:2}"; }
swaks() { PERL5LIB=$peer_perl perl "$peer_root/usr/bin/swaks" "$@"; }
source_mail() { LD_LIBRARY_PATH=$peer_libraries timeout 60 "$peer_root/usr/sbin/smtp-source" "$@"; }

listens() { [ -n "$(ss -Hltn "src $1:$2")" ]; }
wait_for_port() { wait_for 10 listens "$1" "$2"; }

sink() {
    local name=$1 where=$2
    local -a user=()
    shift 2
    [ "$namespace_user" = root ] && user=(-u nobody)
    mkdir -p "$work/$name" && chmod 777 "$work/$name"
    LD_LIBRARY_PATH=$peer_libraries "$peer_root/usr/sbin/smtp-sink" "${user[@]}" -d "$work/$name/m." "$@" "$where" 200 2>>"$work/sinks.log" &
    sink_pids[$name]=$!
}

sink_end() {
    kill "${sink_pids[$1]}" 2>/dev/null
    wait "${sink_pids[$1]}" 2>/dev/null
}

dns_start() {
    local address=$1
    local -a user=()
    [ "$namespace_user" = root ] && user=(user=root)
    shift
    printf '%s\n' "port=53" "listen-address=$address" bind-interfaces no-resolv no-hosts keep-in-foreground log-queries \
        "log-facility=$work/dns.log" pid-file= "${user[@]}" "$@" >"$work/dns.conf"
    rm -f "$work/dns.log"
    LD_LIBRARY_PATH=$peer_libraries "$peer_root/usr/sbin/dnsmasq" -C "$work/dns.conf" >"$work/dns.err" 2>&1 &
    dns_pid=$!
    wait_for 10 grep -q 'started' "$work/dns.log"
}

try_again() { "$nixie" mta retry "$home" all >/dev/null; }
