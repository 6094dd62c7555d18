#!/bin/bash
# A spool copied while the server is stopped and started elsewhere: nothing lost, nothing twice.
# 50 messages: in S4; in S5 with marks; in S5 with a bounce begun; in S5 with a bounce to be sent.
. tests/e2e/tap.bash
. tests/e2e/server.bash
as_ordinary_user
unset NIXIE_HOME
home=$tmp/home
homes=("$home" "$tmp"/copy-{archive,plain,boot})
trap 'for h in "${homes[@]}"; do for p in start send queue lspawn; do server_kill "$h" $p; done; done; rm -rf "$tmp"' EXIT

submit() { # SUBJECT RECIPIENT...: from carol
    local subject=$1
    shift
    printf 'Subject: %s\n\nbody\n' "$subject" | "$home/bin/nixie-inject" -f "carol@$domain" "${@/%/@$domain}"
}
log_has() { [ "$(cat "$home"/log/current | grep -c "$1")" -ge "$2" ]; }
submit_all() { # COUNT NAME RECIPIENT...
    local i count=$1 name=$2
    shift 2
    for ((i = 0; i < count; i++)); do submit "$name-$i" "$@" || return; done
}
prepare() { # HOME: what waits shall arrive there
    server_make "$1" alice joe carol >/dev/null && rm -rf "$1/queue" && echo ./Maildir/ >"$1/users/joe/.qmail-later"
}

check "a home" server_make "$home" alice joe carol
echo '|exit 111' >"$home/users/joe/.qmail-later"
echo '|while [ ! -e go ]; do sleep 0.1; done; echo no; exit 100' >"$home/users/joe/.qmail-fail"
check "start" server_start "$home"
check "15 messages, half delivered" submit_all 15 marked alice joe-later
check "15 messages, half bounced" submit_all 15 bounced joe-nobody joe-later
check "wait" wait_for 30 log_has 'delivery .*deferral' 30
check "more" wait_for 10 log_has 'delivery .*failure' 15
check "5 messages that fail" submit_all 5 failed joe-fail
chmod 0 "$home/bin/nixie-queue" && server_kill "$home" queue # nobody takes their bounces
touch "$home/users/joe/go"
check "their bounces wait" wait_for 20 log_has 'trouble injecting bounce' 5
server_stop "$home"
chmod 755 "$home/bin/nixie-queue"
check "15 messages for a server that is stopped" submit_all 15 queued alice
is "50 messages" "$(ls "$home/queue/mess" | wc -l)" 50
is "15 in S4, 35 in S5, 20 bounces" "$(ls "$home/queue/todo" | wc -l) $(ls "$home/queue/info" | wc -l) $(ls "$home/queue/bounce" | wc -l)" "15 35 20"
is "alice has what was delivered here" "$(count_mails "$home" alice)" 15

subjects() { # HOME USER
    mails "$1" "$2" | xargs -r grep -h '^Subject: ' | grep -v 'failure notice' | sort
}
want() { # PATTERN COUNT...
    while [ $# -gt 0 ]; do seq -f "Subject: $1-%g" 0 $(($2 - 1)); shift 2; done | sort
}
hurry() { for pid in $(server_pids "$1" send); do kill -ALRM "$pid"; done; }
arrived() {
    [ "$(count_mails "$1" alice) $(count_mails "$1" joe) $(count_mails "$1" carol)" = "15 30 20" ]
}
judge() { # NAME HOME
    hurry "$2"
    wait_for 30 arrived "$2"
    check "$1: the queue drains" wait_empty "$2" 20
    sleep 0.2
    is "$1: alice gets what was queued, once" "$(subjects "$2" alice)" "$(want queued 15)"
    is "$1: joe gets what waited, once" "$(subjects "$2" joe)" "$(want marked 15 bounced 15)"
    is "$1: carol gets each bounce, once" "$(subjects "$2" carol)" "$(want bounced 15 failed 5)"
    is "$1: nothing is set aside" "$(ls "$2/queue/corrupt")" ""
    is "$1: numbers go on" "$("$2/bin/nixie-queue" --tell 6>&1 </dev/null 1< <(printf 'F\0\0') | awk -v last="$(ls "$home/queue/mess" | sort -n | tail -1)" '{ print ($1 > last) }')" 1
    server_stop "$2"
}

copy=$tmp/copy-archive
prepare "$copy" && cp -a "$home/queue" "$copy/queue"
check "cp -a: start" server_start "$copy"
judge "cp -a" "$copy"

copy=$tmp/copy-plain # other inodes, other times
prepare "$copy" && cp -r "$home/queue" "$copy/queue"
check "cp -r: start" server_start "$copy"
judge "cp -r" "$copy"

copy=$tmp/copy-boot # and another machine: another boot
echo 01234567-89ab-4cde-a012-3456789abcde >"$tmp/boot_id"
other_boot() {
    unshare --user --map-root-user --mount bash -c 'mount --bind "$0" /proc/sys/kernel/random/boot_id &&
        exec unshare --user --map-user="$1" --map-group="$1" "${@:2}"' "$tmp/boot_id" "$(id -u)" "$@"
}
if other_boot grep -q 01234567 /proc/sys/kernel/random/boot_id 2>/dev/null; then
    prepare "$copy" && cp -r "$home/queue" "$copy/queue"
    other_boot "$nixie" mta start "$copy" >>"$tmp/start.log" 2>&1 </dev/null &
    check "another boot: start" wait_for 10 server_is_up "$copy"
    judge "another boot" "$copy"
else
    skip "another boot" "this user may not make a mount namespace"
fi
tap_end
