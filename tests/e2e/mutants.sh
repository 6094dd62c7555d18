#!/bin/bash
# Servers with a seeded bug.  Where NAME.scenario tells the story of the bug, that must pass with
# them, since it expects the loss, and fail with the server as it is.  Where NAME.explore names a
# scenario and words, exploring the scenario must find a violation that says one of the words.
. tests/e2e/tap.bash
new_folder

# What exploring said ($output) is said again by the command that it gave for that, and by the
# scenario file that it wrote for the first violation that the language has words for.
replayed() {
    local message command explored=$output file
    message=$(sed -n "s/^FAIL [^:]*: //p" <<<"$output" | head -1)
    read -r -a command <<<"$(sed -n 's/^ *replay: nixie //p' <<<"$output" | head -1)"
    check_status 1 "$1: is replayed" "$BUILD/mutants/$1/nixie" "${command[@]}"
    check "$1: with the same message" grep -qF -- "$message" <<<"$output"
    file=$(sed -n 's/^ *file: \(.*\.scenario\)$/\1/p' <<<"$explored" | head -1)
    message=$(awk -v file="$file" '/^FAIL / {fail = $0} file != "" && index($0, "file: " file) {print fail; exit}' <<<"$explored" | sed 's/^FAIL [^:]*: //')
    check "$1: a scenario file is written" test -n "$message"
    check_status 1 "$1: is told by a scenario" "$BUILD/mutants/$1/nixie" run "$file"
    check "$1: with the same message, too" grep -qF -- "$message" <<<"$output"
    check "$1: in the one right form" "$BUILD/bin/nixie" fmt --check "$file"
}

for patch in tests/mutants/*.patch; do
    name=$(basename "$patch" .patch)
    story=tests/mutants/$name.scenario
    if [ -f "${patch%.patch}.explore" ]; then
        read -r file words <"${patch%.patch}.explore"
        check_status 1 "$name: found by exploring" "$BUILD/mutants/$name/nixie" explore "$file" --states 64 --failures 4 --out "$tmp/$name"
        check "$name: says what broke" grep -qE "^FAIL .*($words)" <<<"$output"
        replayed "$name"
        continue
    fi
    [ -f "$story" ] || continue # another test has it
    check_status 0 "$name: the bug is seen" "$BUILD/mutants/$name/nixie" run "$story"
    check_status 1 "$name: the server as it is has it not" "$BUILD/bin/nixie" run "$story"
done
check_status 1 "queue-no-dirsync is no bug on ffs" "$BUILD/mutants/queue-no-dirsync/nixie" run --disk ffs tests/mutants/queue-no-dirsync.scenario
is "nothing is lost there" "$(grep -c 'm1: not lost' <<<"$output")" 1
mutant=$BUILD/mutants/queue-no-dirsync/nixie
check_status 1 "queue-no-dirsync: exploring finds it on strict" "$mutant" explore --disk strict --states 16 scenarios/spool/one-message.scenario
check_status 0 "queue-no-dirsync: exploring finds nothing on ffs" "$mutant" explore --disk ffs --states 64 scenarios/spool/one-message.scenario
tap_end
