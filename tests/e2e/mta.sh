#!/bin/bash
# `nixie mta init`, `user`, `status`, `stop` as an ordinary user: results, errors, exit statuses.
. tests/e2e/tap.bash
as_ordinary_user
cd "$tmp" || exit 1
unset NIXIE_HOME

check_status 2 "no command" "$nixie" mta
check_status 2 "an unknown command" "$nixie" mta frobnicate
check_status 0 "--help" "$nixie" mta --help
check_status 0 "init --help" "$nixie" mta init --help
check_status 2 "init without a domain" "$nixie" mta init home
check "nothing was made" test ! -e home
for domain in 'a b' '' -x.org x-.org x..org .org org. 'ex/am.org' "$(printf '%070d' 0).org"; do
    check_status 2 "domain '$domain' is refused" "$nixie" mta init home "--domain=$domain"
done
check_status 2 "init where the folder above is missing" "$nixie" mta init none/home --domain a.org
mkdir other && touch other/file
check_status 2 "init in a folder with other things" "$nixie" mta init other --domain a.org
is "it names one of them" "$(grep -c 'there is file' <<<"$output")" 1
is "and adds nothing" "$(ls -A other)" file
mkdir -m 555 closed
check_status 3 "init in a folder that cannot be written" "$nixie" mta init closed/home --domain a.org
rmdir closed
check_status 2 "status of what is no home" "$nixie" mta status other
check_status 2 "status of what is missing" "$nixie" mta status none

check_status 0 "init" "$nixie" mta init home --domain Mail.Example
is "control/me" "$(cat home/control/me)" mail.example
is "directories of the queue" "$(cd home/queue && stat -c '%n %a' ./* | tr '\n' ' ')" \
    "./bounce 700 ./corrupt 770 ./info 700 ./intd 700 ./local 700 ./lock 750 ./mark 700 ./mess 750 ./pid 700 ./remote 700 ./todo 750 "
is "trigger" "$(stat -c '%F %a' home/queue/lock/trigger)" "fifo 622"
check "single-user mode is written down" test -f home/control/singleuser
check "the programs are there" test -x home/bin/nixie-queue
check "and not setuid" test ! -u home/bin/nixie-queue
is "no temporary files" "$(find home -name '*.new')" ""

check_status 0 "user" "$nixie" mta user home alice
check_status 0 "a second user" "$nixie" mta user home bob
is "alice's folder" "$(cd home/users/alice && find . | sort | tr '\n' ' ')" \
    ". ./.qmail ./Maildir ./Maildir/cur ./Maildir/new ./Maildir/tmp "
is "alice is postmaster" "$(cat home/alias/.qmail-postmaster)" "&alice"
check_status 0 "the same user again" "$nixie" mta user home alice
is "users/assign" "$(cat home/users/assign)" "=alice:alice:$(id -u):$(id -g):users/alice:::
+alice-:alice:$(id -u):$(id -g):users/alice:-::
=bob:bob:$(id -u):$(id -g):users/bob:::
+bob-:bob:$(id -u):$(id -g):users/bob:-::
."
for name in '' Alice a/b .. .a a.. 'a b' a:b assign "$(printf '%065d' 0)" "$(printf 'a\nb')"; do
    check_status 2 "user '$name' is refused" "$nixie" mta user home -- "$name"
done
check_status 2 "user without a name" "$nixie" mta user
check_status 0 "DIR from NIXIE_HOME" env NIXIE_HOME=home "$nixie" mta user carol
check "carol is there" test -d home/users/carol/Maildir/new

echo changed >home/control/defaultdomain
echo mail >home/queue/todo/1
rm home/bin/nixie-queue
check_status 0 "a second init" "$nixie" mta init home
check "refreshes the programs" cmp bin/nixie-queue home/bin/nixie-queue
is "keeps control files" "$(cat home/control/defaultdomain)" changed
check "keeps the queue" test -f home/queue/todo/1
check "keeps mail" test -d home/users/alice/Maildir/new
check_status 2 "init with another domain" "$nixie" mta init home --domain other.example
rm home/queue/todo/1

touch home/queue/mess/{1,2,3,4} home/queue/intd/2 home/queue/todo/3 home/queue/info/{3,4} home/queue/local/4
check_status 1 "status of a server that does not run" "$nixie" mta status home
is "counts" "$(grep -oE '^S.*[0-9]' <<<"$output" | sed 's/  .*//' | tr '\n' ';')" "S1 0, S2 1, S3 1;S4 1;S5 1;"
rm home/queue/{mess,intd,todo,info,local}/*
check_status 0 "stop of a server that does not run" "$nixie" mta stop home
echo $$ >home/run/start.pid
check_status 1 "a pid of another program is not believed" "$nixie" mta status home
check_status 0 "and not stopped" "$nixie" mta stop home
echo garbage >home/run/start.pid
check_status 1 "rubbish in the pid file" "$nixie" mta status home
mv home moved
ln -s moved home
check_status 1 "a home behind a symbolic link" "$nixie" mta status home

# As in a container, where the server's number is 1.
"$nixie" mta init one --domain a.org >/dev/null
inside() {
    unshare --user --map-current-user --pid --fork --mount-proc bash -c '
        (
            for ((i = 0; i < 300; i++)); do [ -s one/run/start.pid ] && [ -s one/log/current ] && break; sleep 0.1; done
            "$0" mta status one >one.status
            echo $? >one.code
            kill -TERM 1
        ) &
        exec "$0" mta start one' "$nixie"
}
if unshare --user --map-current-user --pid --fork --mount-proc true 2>/dev/null; then
    check "a server whose number is 1" inside
    is "is found" "$(cat one.code) $(head -1 one.status)" "0 running (pid 1)"
else
    skip "a server whose number is 1" "no namespaces"
fi

# An interrupted init can be repeated.
"$nixie" mta init part --domain a.org >/dev/null && rm part/control/me part/bin/nixie-queue
check_status 0 "init of a half made home" "$nixie" mta init part --domain a.org
check "completes it" test -x part/bin/nixie-queue
tap_end
