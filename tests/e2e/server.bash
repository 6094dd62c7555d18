# A real server under test.  Needs tap.bash, $nixie, $tmp.
#
#   server_make HOME USER...     init and users; HOME is an absolute path
#   server_start HOME            starts it in the background and waits until it runs
#   server_stop HOME
#   server_pids HOME PROGRAM     pids of HOME/bin/nixie-PROGRAM
#   server_kill HOME PROGRAM...  kill -9
#   queue_is_empty HOME          no message left in the queue
#   wait_empty HOME SECONDS
#   wait_drained HOME SECONDS    no message left in S4 or S5; a killed queue may have left a text in
#                                S2 or S3 that nobody was told of, which stays for 36 hours
#   mails HOME USER              the files in USER's Maildir/new
# shellcheck shell=bash
domain=mail.example

server_make() {
    local home=$1 user
    shift
    "$nixie" mta init "$home" --domain $domain || return
    for user in "$@"; do
        "$nixie" mta user "$home" "$user" || return
    done
}

server_start() {
    "$nixie" mta start "$1" >>"$tmp/start.log" 2>&1 </dev/null &
    wait_for 10 server_is_up "$1"
}

server_is_up() {
    "$nixie" mta status "$1" >/dev/null && [ -n "$(server_pids "$1" send)" ] && [ -S "$1/run/queue" ]
}

server_stop() {
    "$nixie" mta stop "$1" >/dev/null
}

server_pids() {
    find /proc -mindepth 2 -maxdepth 2 -name exe \
        '(' -lname "$1/bin/nixie-$2" -o -lname "$1/bin/nixie-$2 (deleted)" ')' 2>/dev/null | cut -d/ -f3
}

server_kill() {
    local home=$1 program pid
    shift
    for program in "$@"; do
        for pid in $(server_pids "$home" "$program"); do
            kill -9 "$pid" 2>/dev/null
        done
    done
}

queue_is_empty() {
    [ -z "$(ls -A "$1"/queue/mess "$1"/queue/todo "$1"/queue/info | grep -v -e : -e '^$')" ]
}

queue_is_drained() {
    [ -z "$(ls -A "$1"/queue/todo "$1"/queue/info | grep -v -e : -e '^$')" ]
}

wait_drained() {
    wait_for "$2" queue_is_drained "$1" && return
    show_queue "$1"
}

wait_empty() {
    wait_for "$2" queue_is_empty "$1" && return
    show_queue "$1"
}

# What is left in the queue, and the log's end; fails.
show_queue() {
    (cd "$1/queue" && find . -type f ! -path './lock/*' -exec ls -li --time-style=full-iso {} +) | sed 's/^/# left: /'
    tail -30 "$1/log/current" | sed 's/^/# log: /'
    return 1
}

mails() {
    find "$1/users/$2/Maildir/new" -type f | sort
}

count_mails() {
    mails "$1" "$2" | wc -l
}

has_mails() {
    [ "$(count_mails "$1" "$2")" -ge "$3" ]
}
