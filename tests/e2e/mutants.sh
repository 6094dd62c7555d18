#!/bin/bash
# Servers with a seeded bug (tests/mutants/NAME.patch), each of which must be caught, by name:
#
#   NAME.run       a scenario that `nixie run` must fail on, and words that it must say
#   NAME.explore   a scenario that `nixie explore` must find a violation in, words that it must say,
#                  and on a second line more options
#   NAME.scenario  the story of the bug: passes with it, since it expects the loss, and fails with
#                  the server as it is
#
# Those that tests/mutants/check names are tried; with CHECK_ALL all of them, at full size, and a
# table of what caught them is printed.
. tests/e2e/tap.bash
new_folder
table=$tmp/table
size=(--states 8 --failures 2)
[ -n "${CHECK_ALL-}" ] && size=(--states 64 --failures 4)

# What `words` found in $output goes into the table: NAME HOW.
note() {
    local text
    text=$(grep -E "^FAIL .*($words)" <<<"$output" | head -1 | sed 's/^FAIL [^ ]*: //')
    printf '%-28s %-34s %s\n' "$1" "$2" "$(cut -c1-100 <<<"${text:-NOT CAUGHT}")" >>"$table"
}

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

run_it() {
    local file words
    read -r file words <"tests/mutants/$1.run"
    check_status 1 "$1: fails $(basename "$file")" "$BUILD/mutants/$1/nixie" run "$file"
    check "$1: which says: $words" grep -qE "^FAIL .*($words)" <<<"$output"
    note "$1" "run $(basename "$file" .scenario)"
    check "$1: the server as it is does not fail it" "$BUILD/bin/nixie" run "$file"
}

explore_it() {
    local file words line options
    { read -r file words && read -r line; } <"tests/mutants/$1.explore"
    read -r -a options <<<"${line-}"
    [[ ${line-} == *--crash* || ${line-} == *--faults* ]] || options+=(--crash machine)
    check_status 1 "$1: found by exploring" "$BUILD/mutants/$1/nixie" explore "$file" "${size[@]}" "${options[@]}" --no-shrink --out "$tmp/$1"
    check "$1: says what broke: $words" grep -qE "^FAIL .*($words)" <<<"$output"
    note "$1" "explore: $(sed -n 's/^explored: \([0-9]* states\).* \([0-9]* runs\).*/\1, \2/p' <<<"$output")"
    replayed "$1"
}

tell_it() {
    local story=tests/mutants/$1.scenario words="m1"
    check_status 0 "$1: the bug is seen" "$BUILD/mutants/$1/nixie" run "$story"
    check_status 1 "$1: the server as it is has it not" "$BUILD/bin/nixie" run "$story"
    output="FAIL $story: LOST: m1, as the story expects"
    note "$1" "run its story"
}

# A bug that is run and explored is only run every day.
try() {
    local caught=1
    [ -f "tests/mutants/$1.scenario" ] && tell_it "$1" && caught=0
    if [ -f "tests/mutants/$1.run" ]; then
        run_it "$1"
        caught=0
    fi
    if [ -f "tests/mutants/$1.explore" ] && [ "$caught${CHECK_ALL-}" != 0 ]; then
        explore_it "$1"
        caught=0
    fi
    [ $caught = 0 ] || check "$1: some file says how it is caught" false
}

while read -r name; do
    check "$name is a bug" test -f "tests/mutants/$name.patch"
    [ -n "${CHECK_ALL-}" ] || try "$name"
done <tests/mutants/check
if [ -n "${CHECK_ALL-}" ]; then
    for patch in tests/mutants/*.patch; do
        try "$(basename "$patch" .patch)"
    done
    sed 's/^/#| /' "$table"
fi

mutant=$BUILD/mutants/queue-no-dirsync/nixie
check_status 1 "queue-no-dirsync is no bug on ffs" "$mutant" run --disk ffs tests/mutants/queue-no-dirsync.scenario
is "nothing is lost there" "$(grep -c 'm1: not lost' <<<"$output")" 1
check_status 1 "queue-no-dirsync: exploring finds it on strict" "$mutant" explore --disk strict --crash machine "${size[@]}" --no-shrink --out "$tmp/strict" scenarios/spool/queue-alone.scenario
check_status 0 "queue-no-dirsync: exploring finds nothing on ffs" "$mutant" explore --disk ffs --crash machine "${size[@]}" scenarios/spool/queue-alone.scenario
tap_end
