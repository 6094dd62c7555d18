#!/bin/bash
# How nixie explore deals out its work: the same output from one process and from several, shards
# that make up the whole, time that runs out, states that are equal, the corpus, the marks.
. tests/e2e/tap.bash
new_folder
nixie=$PWD/$BUILD/bin/nixie
story=$PWD/scenarios/spool/one-message.scenario
remote=$PWD/scenarios/mail/01-relay.scenario
cd "$tmp" || exit 1

explore() { "$nixie" explore --no-shrink "$@"; }
# All but the line with the time.
plain() { sed 's/ in [0-9.]* s, .*//'; }
# "explored: 1 states, 2 distinct, ..." -> the numbers.
numbers() { sed -n 's/^explored: //p' | tr -cd '0-9 \n'; }

small=(--crash all --faults eio,memory,short --states 2 --every 9)
for how in "" "--depth 2 --every 90" "--sample 30 --seeds 1..3"; do
    # shellcheck disable=SC2086
    explore "$story" "$remote" "${small[@]}" $how --jobs 1 --out one >one.txt 2>&1
    # shellcheck disable=SC2086
    explore "$story" "$remote" "${small[@]}" $how --jobs 3 --out three >three.txt 2>&1
    is "one process and three say the same${how:+, $how}" "$(plain <three.txt | sed 's|three/|one/|')" "$(plain <one.txt)"
done

explore "$story" "$remote" --crash machine --states 2 --every 9 --seeds 1..3 >whole.txt
sum="0 0 0 0"
for shard in 1 2 3 4; do
    part=$(explore "$story" "$remote" --crash machine --states 2 --every 9 --seeds 1..3 --shard $shard/4 | numbers)
    sum=$(awk '{for (i = 1; i <= 4; i++) n[i] += $i} END {print n[1], n[2], n[3], n[4]}' <<<"$sum
$part")
done
is "four shards make up the whole" "$sum" "$(numbers <whole.txt | awk '{print $1, $2, $3, $4}')"

start=$SECONDS
check_status 0 "a second is enough" explore "$story" --crash machine --depth 2 --states 8 --time 1s
check "and is not exceeded by much" test $((SECONDS - start)) -lt 60
check "which is told" grep -q '^coverage: partial (.*time was up' <<<"$output"
printf 'scenario "a disk that lies"\nhost mail example.com\n    disk liar\n    user bob\nat 0s bob sends m1 to bob@example.com\n' \
    >liar.scenario
check_status 1 "the disk that a scenario says" explore liar.scenario --crash machine --every 9 --states 4 --out lies
check "is the one that is told of" grep -q "^FAIL .* liar " <<<"$output"
check_status 0 "another that is asked for" explore liar.scenario --crash machine --every 9 --states 4 --disk strict
check_status 0 "all of a little" explore "$story" --crash programs
check "is complete" grep -q '^coverage: complete$' <<<"$output"
is "a folder for violations is not made for nothing" "$(ls -d nixie-failures 2>&1 | grep -c '^nixie')" 0

check_status 0 "states that are left out come to the same" explore "$story" --crash machine --states 2 --audit 8
check "a good number of them" test "$(sed -n 's/^\([0-9]*\) states that are equal.*/\1/p' <<<"$output")" -gt 100
check_status 0 "every run is the same twice" explore "$story" --crash machine --states 2 --every 5 --repeat 1

check_status 0 "runs are kept" explore "$story" --sample 20 --corpus kept
check "in a folder" test "$(ls kept/*.run | wc -l)" -gt 5
check "in words" grep -q '^run --' kept/*.run
echo nonsense >kept/other.run
check_status 0 "and made first next time" explore "$story" --sample 60 --corpus kept
check_status 1 "a situation that is never reached" explore "$story" --crash machine --states 1 --every 50 --marks
check "is named" grep -q '^ *0  a bounce$' <<<"$output"
check_status 0 "without --marks it is no failure" explore "$story" --crash machine --states 1 --every 50

check_status 0 "scenarios that are made up" explore --random --seeds 1..2 --sample 5 --crash machine --without LOST
check "have names" grep -q '^ok  random-2 ' <<<"$output"
for wrong in "--jobs 0" "--shard 0/2" "--shard 3/2" "--shard 2" "--time soon" "--time 0" "--time 5x" \
    "--faults fire" "--faults eio,,eio" "--faults" "--crash" "--seeds 5..2" "--schedule slow" "--depth 4" "--random"; do
    # shellcheck disable=SC2086
    check_status 2 "wrong: $wrong" explore "$story" $wrong
done

"$nixie" explore "$story" --crash all --depth 2 >interrupted.txt 2>&1 &
pid=$!
works() { [ -n "$(cat /proc/$pid/task/$pid/children)" ]; }
wait_for 10 works
sleep 0.5
kill -INT $pid
wait $pid
is "an interrupt ends it" $? 130
check "with what was found so far" grep -q '^explored: .* 0 violations$' interrupted.txt
tap_end
