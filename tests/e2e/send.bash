# nixie-send with its partners played by send_rig.  Needs tap.bash and new_folder.
#
#   make_home            a fresh home in $home; the rig's files are in $home/rig, bounces in
#                        $home/rig/bounce.N/{mess,envelope}
#   put NUMBER BIRTH SENDER RECIPIENT...    a message into the queue
#   start, stop, signal SIGNAL
#   said REGEX, says REGEX [SECONDS]        the log has such a line, will have one
#   answer RECIPIENT TEXT                   what its deliveries report
# shellcheck shell=bash
source=$PWD
build=$(cd "$BUILD" && pwd)
sanitize=
nm "$build/libmta.a" 2>/dev/null | grep -q __asan && sanitize=-fsanitize=address,undefined
# shellcheck disable=SC2086
${CC:-cc} -D_GNU_SOURCE $sanitize -I"$source" "$source/tests/e2e/send_rig.c" "$build/libmta.a" \
    -o "$tmp/send_rig" || { check "the rig compiles" false; tap_end; }
kill_rig() { [ -e "$home/rig/pid" ] && kill -9 "$(cat "$home/rig/pid")" 2>/dev/null; }
trap 'kill_rig; rm -rf "$tmp"' EXIT

home=
# A fresh home; the rig's files are in $home/rig.
make_home() {
    home=$(mktemp -d "$tmp/home.XXXXXX")
    mkdir -p "$home"/control "$home"/queue/{pid,mess,intd,todo,info,local,remote,bounce,corrupt,lock} \
        "$home"/run "$home"/rig "$home"/bin
    echo mail.example >"$home/control/me"
    cat >"$home/rig/queue" <<'END'
#!/bin/sh
cd "$NIXIE_HOME/rig" || exit 61
[ -e queuefails ] && exit 53
n=1
while ! mkdir bounce.$n 2>/dev/null; do n=$((n + 1)); done
cat >bounce.$n/mess
exec 3<&1
tr '\0' ' ' <&3 >bounce.$n/envelope
END
    chmod +x "$home/rig/queue"
    export NIXIE_HOME=$home NIXIEQUEUE=$home/rig/queue
}
put() { (cd "$home" && "$tmp/send_rig" put "$@" <<<$'Subject: hello\n\nbody'); }
start() {
    cat "$home/rig/log" >>"$home/rig/log.all" 2>/dev/null
    rm -f "$home/rig/log"
    (cd "$home" && exec timeout 300 "$tmp/send_rig" run "$build/bin/nixie-send" "$@" >>rig/log 2>>rig/errors) &
    rig=$!
    wait_for 10 grep -q '^status' "$home/rig/log"
}
said() { grep -qE -- "$1" "$home/rig/log"; }
says() { wait_for "${2:-5}" said "$1"; }
signal() { kill -"$1" "$(cat "$home/rig/pid")"; }
stop() {
    signal TERM
    wait $rig
}
spool() { (cd "$home/queue" && find . -type f ! -path './lock/*' | sort | tr '\n' ' '); }
exists() { [ -e "$home/$1" ]; }
gone() { [ ! -e "$home/$1" ]; }
next_try() { dd if="$home/queue/$1" bs=1 skip=64 count=20 2>/dev/null | sed 's/^0*//'; }
now() { date +%s; }
tried_twice() { [ "$(grep -c slow "$home/rig/deliveries")" = 2 ]; }
answer() { printf '%b' "$2" >"$home/rig/answer.$1.new" && mv "$home/rig/answer.$1.new" "$home/rig/answer.$1"; }

