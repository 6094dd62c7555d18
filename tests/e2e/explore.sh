#!/bin/bash
# Power loss after every call of a message's life that changes the disk or what was promised, from
# every disk that may then be found (or a choice of them): nothing accepted is lost, nothing is
# invented, S1 to S5 before any delivery.  With CHECK_ALL: all disk models, more states, kills,
# faults, a second crash in each recovery.
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
        explore "$story, all crashes on all disks" "scenarios/spool/$story.scenario" --disk all --crash all --jobs 2
        explore "$story, all faults" "scenarios/spool/$story.scenario" --faults all --jobs 2
    done
    explore "50 joined messages on all disks" scenarios/spool/joined.scenario -D n=50 --disk all --crash all \
        --every 20 --states 16 --jobs 2
    for story in admin-delete admin-expire admin-hold admin-races; do
        explore "$story" "scenarios/spool/$story.scenario" --crash all --states 16 --jobs 2
    done
    explore "recipients, all schedules" scenarios/spool/recipients.scenario --seeds 1..3 \
        --schedule all --crash machine --states 32 --jobs 2
    explore "one message, two power losses, equal states judged too" scenarios/spool/one-message.scenario \
        --crash machine --depth 2 --states 4 --audit 1000 --jobs 2
    explore "up to three things go wrong" scenarios/spool --sample 300 --seeds 1..4 --jobs 2
else
    for story in $small; do
        thin=1
        case $story in remote | recipients | double-bounce) thin=2 ;; esac # these are long
        explore "$story on strict" "scenarios/spool/$story.scenario" --crash machine --states 4 --every $thin
    done
    for disk in honest ffs ext4; do
        explore "one message on $disk" scenarios/spool/one-message.scenario --disk $disk --crash machine --states 16
    done
    explore "50 joined messages on strict" scenarios/spool/joined.scenario -D n=50 --crash machine --every 250 --states 4
    explore "one message, kills and faults" scenarios/spool/one-message.scenario --crash programs,one --faults all --every 5
fi

# A simulator that dies is a violation of the run that it died in.
"$BUILD/bin/nixie" explore scenarios/spool/recipients.scenario --crash all --jobs 1 --failures 1 --time 30s --no-shrink \
    --out "$tmp/broken" >"$tmp/broken.out" 2>&1 &
explorer=$! worker=
for _ in {1..1000}; do
    read -r worker _ 2>"$tmp/nothing" <"/proc/$explorer/task/$explorer/children"
    [ -z "$worker" ] || break # no line ends there
    sleep 0.02
done
sleep 0.2
[ -z "$worker" ] || kill -KILL "$worker"
wait "$explorer"
is "a worker that is killed: the status" $? 1
check "which is said" grep -q '^FAIL .*: BROKEN: the simulator died of SIGKILL in this run' "$tmp/broken.out"

explore "a scenario that says what the disk lost" scenarios/regressions/intd-without-mess.scenario \
    --crash machine --every 10 --states 2
check_status 2 "a file that is not there" "$BUILD/bin/nixie" explore no-such.scenario
check_status 2 "a model that is none" "$BUILD/bin/nixie" explore scenarios/spool/bounce.scenario --disk fat
tap_end
