#!/bin/bash
# nixie diff: where two runs of a scenario part.
cd "$(dirname "$0")/../.." || exit
. tests/e2e/tap.bash
new_folder
nixie=$BUILD/bin/nixie

cat >"$tmp/a.scenario" <<'SCENARIO'
param to bob
host mail example.com
    user alice
    user bob
remote away
    serves away.example
    on RCPT first 1 by triple reply 451 "4.7.1 later"
at 1s alice sends m1 to ${to}@example.com carol@away.example
at 1m alice sends m2 to bob@example.com
SCENARIO
tell() { "$nixie" run -v "$@" "$tmp/a.scenario" >"$tmp/$out"; }
out=same tell
out=bob tell
out=ghost tell -D to=ghost
sed -e 's/(1) enters S5/(1) enters S4/' "$tmp/bob" >"$tmp/stage"

check_status 0 "a run and itself" "$nixie" diff "$tmp/same" "$tmp/bob"
check_status 1 "another recipient" "$nixie" diff --all "$tmp/bob" "$tmp/ghost"
check "a recipient that only one has" grep -q '^m1 to bob@example.com, in S4: they part' <<<"$output"
check "the bounce that only one has" grep -q '^m1.bounce' <<<"$output"
check "m2 is the same" test -z "$(grep '^m2' <<<"$output")"
check_status 1 "another stage" "$nixie" diff "$tmp/bob" "$tmp/stage"
check "the message, its stage and the step before" grep -q '^m1, in S4: they part, after "' <<<"$output"
check "the call before" grep -q 'enters S5   (behind nixie-clean unlink todo/1)' <<<"$output"
check_status 1 "two seeds" "$nixie" diff --seeds 1,2 --slack 0 --all scenarios/direct/12-together.scenario
check_status 1 "a change of the server" "$nixie" diff --slack 0 --with "$BUILD/mutants/queue-no-dirsync/nixie" \
    scenarios/first/23-power-cut-s4.scenario
sed 's/+0h01m00/+0h01m30/' "$tmp/bob" >"$tmp/late"
check_status 1 "only times are others" "$nixie" diff "$tmp/bob" "$tmp/late"
check "that is told" grep -q '^m2: the same, at another time' <<<"$output"
check_status 0 "a slack of a minute" "$nixie" diff --slack 60 "$tmp/bob" "$tmp/late"
check_status 3 "not for real" "$nixie" diff --real scenarios/first/42-disk-error-told-once.scenario
check "the reason is told" grep -q 'told-once.scenario: not for real: ' <<<"$output"
check_status 2 "no story" "$nixie" diff "$tmp/bob" "$tmp/a.scenario"
check_status 2 "no such file" "$nixie" diff "$tmp/bob" "$tmp/nothing"
check_status 2 "one run" "$nixie" diff "$tmp/bob"
check_status 2 "a seed" "$nixie" diff --seeds 1 "$tmp/a.scenario"
tap_end
