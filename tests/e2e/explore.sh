#!/bin/bash
# Power loss after every call of a message's life that changes the disk or what was promised, from
# every disk that may then be found (or a choice of them): nothing accepted is lost, nothing is
# invented, S1 to S5 before any delivery.  With CHECK_ALL: all disk models, more states, and a
# second crash in each recovery.
. tests/e2e/tap.bash
new_folder

explore() { # NAME FILE OPTIONS...
    local name=$1 file=$2 status
    shift 2
    output=$("$BUILD/bin/nixie" explore "$file" --no-shrink --out "$tmp/failures" "$@" 2>&1)
    status=$?
    tap_result $status "$name: $(tail -1 <<<"$output")" "$output"
}

small='one-message by-smtp remote queue-alone recipients deferral bounce double-bounce'
if [ -n "${CHECK_ALL-}" ]; then
    for story in $small; do
        for disk in honest ffs ext4 xfs btrfs strict; do
            explore "$story on $disk" "scenarios/spool/$story.scenario" --disk $disk --states 256
        done
    done
    for disk in honest ffs ext4 xfs btrfs strict; do
        explore "50 joined messages on $disk" scenarios/spool/joined.scenario --disk $disk \
            --every 20 --states 16
    done
    for seed in 1 2 3; do
        explore "recipients, random schedule $seed" scenarios/spool/recipients.scenario \
            --seeds $seed --schedule random --states 32
    done
    explore "one message, two crashes" scenarios/spool/one-message.scenario --depth 2 --states 4 \
        --runs 60000
else
    for story in $small; do
        explore "$story on strict" "scenarios/spool/$story.scenario" --states 8
    done
    for disk in honest ffs ext4; do
        explore "one message on $disk" scenarios/spool/one-message.scenario --disk $disk --states 32
    done
    explore "50 joined messages on strict" scenarios/spool/joined.scenario --every 100 --states 8
fi

explore "a scenario that says what the disk lost" scenarios/regressions/intd-without-mess.scenario \
    --every 10 --states 2
check_status 2 "a file that is not there" "$BUILD/bin/nixie" explore no-such.scenario
check_status 2 "a model that is none" "$BUILD/bin/nixie" explore scenarios/spool/bounce.scenario --disk fat
tap_end
