#!/bin/bash
# The stories of mail in and out, with the power lost, and each program killed, after calls that
# change the disk, what was promised or what a remote holds: on strict, at a choice of the points.
# With CHECK_ALL: at every point (but of 08), on all disk models.
. tests/e2e/tap.bash

explore() { # NAME OPTIONS... FILE...
    local name=$1 status
    shift
    output=$(timeout 1200 "$BUILD/bin/nixie" explore "$@" 2>&1)
    status=$?
    tap_result $status "$name: $(tail -1 <<<"$output")" "$(grep -v ^ok <<<"$output")"
}

# One test a story; 08 has fifty messages, whose runs take fifty times as long.
for story in scenarios/mail/*.scenario; do
    name=$(basename "$story" .scenario)
    thin=1
    [[ $name == 08-* ]] && thin=40
    if [ -n "${CHECK_ALL-}" ] && [ $thin -gt 1 ]; then
        explore "$name, power" "$story" --crash machine --states 4 --every 100 --jobs 2
        explore "$name, kills" "$story" --crash programs,one --every 100 --jobs 2
    elif [ -n "${CHECK_ALL-}" ]; then
        states=4 # each of their states is one of strict's too
        for disk in honest ffs ext4 xfs btrfs strict; do
            [ $disk = strict ] && states=16
            explore "$name, power, $disk" "$story" --crash machine --disk $disk --states $states --jobs 2
        done
        explore "$name, kills" "$story" --crash programs,one --jobs 2
    else
        explore "$name, power" "$story" --crash machine --states 2 --every $((thin * 31))
        explore "$name, kills" "$story" --crash programs,one --every $((thin * 47))
    fi
done
check_status 2 "a kind of crash that is none" "$BUILD/bin/nixie" explore --crash fire scenarios/mail/01-relay.scenario
# At some of these calls nixie-send runs.
told=0
for call in 300 500 700 900 1100; do
    output=$("$BUILD/bin/nixie" run scenarios/mail/01-relay.scenario --cut $call,kill=nixie-send -v 2>&1) || told=-1
    grep -q 'signal    9 to nixie-send' <<<"$output" && [ $told -ge 0 ] && told=1
done
is "a kill is replayed, and told" $told 1
check_status 2 "a kill of nobody" "$BUILD/bin/nixie" run scenarios/mail/01-relay.scenario --cut 900,kill=
tap_end
