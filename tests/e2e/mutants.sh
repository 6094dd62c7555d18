#!/bin/bash
# Servers with a seeded bug: the story that shows the bug must pass with them, since it expects the
# loss, and fail with the server as it is.
. tests/e2e/tap.bash
for story in tests/mutants/*.scenario; do
    name=$(basename "$story" .scenario)
    check_status 0 "$name: the bug is seen" "$BUILD/mutants/$name/nixie" run "$story"
    check_status 1 "$name: the server as it is has it not" "$BUILD/bin/nixie" run "$story"
done
check_status 1 "queue-no-dirsync is no bug on ffs" "$BUILD/mutants/queue-no-dirsync/nixie" run --disk ffs tests/mutants/queue-no-dirsync.scenario
is "nothing is lost there" "$(grep -c 'm1: not lost' <<<"$output")" 1
tap_end
