#!/bin/bash
# Something goes wrong in each call of the server, one call after another: errors, short transfers,
# slow disks, clocks that jump, memory that runs out, wake-ups that get lost, connections that
# break after each byte.  Nothing is lost or refused for good, and afterwards the server works as
# before.  With CHECK_ALL: in all small stories, and power losses after errors of a disk that lies
# about them (fsync-eio).
. tests/e2e/tap.bash
new_folder

explore() { # NAME OPTIONS...
    local name=$1 status
    shift
    output=$("$BUILD/bin/nixie" explore --crash none --no-shrink --jobs 2 --out "$tmp/failures" "$@" 2>&1)
    status=$?
    tap_result $status "$name: $(tail -1 <<<"$output")" "$output"
}

if [ -n "${CHECK_ALL-}" ]; then
    for file in scenarios/spool/*.scenario scenarios/mail/*.scenario scenarios/direct/*.scenario; do
        case $file in
        */joined.scenario | */08-rate-limit.scenario) explore "$file" "$file" --faults all --every 50 ;;
        */07-no-room-to-move.scenario) ;; # its disk is full from an event to a time
        *) explore "$file" "$file" --faults all ;;
        esac
    done
    for story in one-message bounce deferral; do
        explore "$story, a disk that errs" "scenarios/spool/$story.scenario" --disk strict+fsync-eio \
            --crash machine --faults eio --depth 2 --states 2 --every 5 --time 5m
    done
else
    explore "all faults in the life of one message" scenarios/spool/one-message.scenario --faults all
    is "none is left out" "$(tail -2 <<<"$output" | head -1)" "coverage: complete"
    explore "errors in a message by SMTP" scenarios/spool/by-smtp.scenario --faults eio,enomem,memory,spawn
    explore "connections that break" scenarios/mail/01-relay.scenario --faults network --every 3
    explore "a bounce" scenarios/spool/bounce.scenario --faults enospc,emfile,memory,wakeup
fi

# A line tells what a planned fault is, and is the same run.
one=scenarios/spool/one-message.scenario
"$BUILD/bin/nixie" run $one --fault 300,error=EIO -v >"$tmp/planned" 2>&1
line=$(sed -n 's/.* fault .*: \(fault .*\)/\1/p' "$tmp/planned" | head -1)
grep -v expect $one | grep -v contents >"$tmp/told.scenario"
echo "$line" >>"$tmp/told.scenario"
"$BUILD/bin/nixie" run "$tmp/told.scenario" -v >"$tmp/told" 2>&1
is "a fault and the line that tells it" "$(grep -c "$line" "$tmp/told")" 1
tap_end
