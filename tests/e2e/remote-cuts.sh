#!/bin/bash
# The connection to a remote server breaks after every few bytes of either side (CHECK_ALL: after
# every byte), with a reset or in silence, in the simulator: the recipient gets the message, the
# refused one bounces once, and a duplicate is explained by a lost reply.  Prints TAP.
. tests/e2e/tap.bash
new_folder
step=7
[ -n "${CHECK_ALL-}" ] && step=1

make_scenario() { # HOW WHO
    cat <<END
scenario "the connection breaks after so many bytes"

param n 100

host mail example.com
    user alice
    control timeoutremote 60

remote away
    serves away.example
    on RCPT no@* reply 550 "5.1.1 no such user"

network mail to away $1 after \${n} bytes from $2 connection 1

at 0s alice sends m1 to bob@away.example no@away.example

expect m1@bob@away.example delivered
expect m1@no@away.example bounced once
END
}
# Runs it for all numbers of bytes; prints the first run that fails.
run_all() { # FILE
    local n
    for ((n = 1; n <= 450; n += step)); do
        "$BUILD/bin/nixie" run -D n=$n "$1" >"$tmp/run" || { cat "$tmp/run"; return 1; }
    done
}
for how in reset silent; do
    for who in client server; do
        make_scenario $how $who >"$tmp/$how-$who.scenario"
        check "$how after bytes of the $who" run_all "$tmp/$how-$who.scenario"
    done
done
tap_end
