#!/bin/bash
# Servers with a seeded bug (tests/mutants/NAME.patch), each of which must be caught, by name:
#
#   NAME.run       a scenario that `nixie run` must fail on, and words that it must say
#   NAME.explore   a scenario that `nixie explore` must find a violation in, words that it must say,
#                  and on a second line more options
#   NAME.scenario  the story of the bug: passes with it, since it expects the loss, and fails with
#                  the server as it is
#
# The words begin with the promise that is broken, or with one of several; those without one are
# what the scenario's own `expect` says.  docs/mutants.md has them in a table (tests/mutants/table).
#
# Those that tests/mutants/check names are tried; with CHECK_ALL all of them, each oracle is switched
# off in turn, and a table of what caught them, after how many runs and seconds, is printed and left
# in $BUILD/mutants/table.txt.
. tests/e2e/tap.bash
new_folder
table=$tmp/table
size=(--states 8 --failures 1 --jobs 1 --no-shrink --repeat 1000000)
[ -n "${CHECK_ALL-}" ] && size=(--states 64 --failures 1 --jobs 2 --no-shrink)

# Plays what is to catch a mutant, with NIXIE: `look NAME NIXIE [OPTION]...`.  Sets $words, $how,
# $output, $status and $seconds.
look() {
    local name=$1 nixie=$2 file line begin=$EPOCHREALTIME
    local -a options=()
    shift 2
    if [ -f "tests/mutants/$name.explore" ]; then
        { read -r file words && read -r line; } <"tests/mutants/$name.explore"
        read -r -a options <<<"${line-}"
        [[ " ${options[*]-} " == *" --crash "* ]] || options+=(--crash machine)
        how="explore $(basename "$file" .scenario) ${options[*]}"
        output=$("$nixie" explore "$file" "${size[@]}" "${options[@]}" --out "$tmp/$name" "$@" 2>&1)
    else
        read -r file words <"tests/mutants/$name.run"
        how="run $(basename "$file" .scenario)"
        output=$("$nixie" run "$file" "$@" 2>&1)
    fi
    status=$?
    seconds=$(awk -v a="$begin" -v b="$EPOCHREALTIME" 'BEGIN {printf "%.1f", b - a}')
}

# The promise that the first of the lines that say $words tells of; "expect": the scenario's own.
promise() {
    grep -E "^FAIL .*($words)" <<<"$output" | head -1 |
        sed -E 's/^FAIL [^ ]*: ([A-Z][A-Z-]+): .*/\1/; t; s/.*/expect/'
}

# What caught it goes into the table.
note() {
    local runs
    runs=$(sed -n 's/^explored: .* \([0-9]*\) runs.*/\1/p' <<<"$output")
    printf '%-30s %-12s %5s runs %6s s  %s\n' "$1" "${2:-NOT CAUGHT}" "${runs:-1}" "$seconds" "$how" >>"$table"
}

catch() {
    look "$1" "$BUILD/mutants/$1/nixie"
    is "$1: fails" "$status" 1
    check "$1: which says: $words" grep -qE "^FAIL .*($words)" <<<"$output"
    note "$1" "$(promise)"
}

tell_it() {
    local story=tests/mutants/$1.scenario begin=$EPOCHREALTIME
    check_status 0 "$1: the bug is seen" "$BUILD/mutants/$1/nixie" run "$story"
    check_status 1 "$1: the server as it is has it not" "$BUILD/bin/nixie" run "$story"
    seconds=$(awk -v a="$begin" -v b="$EPOCHREALTIME" 'BEGIN {printf "%.1f", b - a}') how="run its story"
    note "$1" LOST
}

# What exploring said ($output) is said again by the command that it gave for that, and by the
# scenario file that it wrote.
replayed() {
    local message command explored=$output file
    message=$(sed -n "s/^FAIL [^:]*: //p" <<<"$output" | head -1)
    read -r -a command <<<"$(sed -n 's/^ *replay: nixie //p' <<<"$output" | head -1)"
    check_status 1 "$1: is replayed" "$BUILD/mutants/$1/nixie" "${command[@]}"
    check "$1: with the same message" grep -qF -- "$message" <<<"$output"
    file=$(sed -n 's/^ *file: \(.*\.scenario\)$/\1/p' <<<"$explored" | head -1)
    check "$1: a scenario file is written" test -f "$file"
    check_status 1 "$1: is told by a scenario" "$BUILD/mutants/$1/nixie" run "$file"
    check "$1: in the one right form" "$BUILD/bin/nixie" fmt --check "$file"
}

# One that is run is also run with the server as it is, which does not fail.  (What is explored is
# explored with that by explore.sh.)
try() {
    [ -f "tests/mutants/$1.scenario" ] && tell_it "$1"
    if [ ! -f "tests/mutants/$1.run" ] && [ ! -f "tests/mutants/$1.explore" ]; then
        check "$1: some file says how it is caught" test -f "tests/mutants/$1.scenario"
        return
    fi
    catch "$1"
    [ ! -f "tests/mutants/$1.run" ] ||
        check "$1: the server as it is does not fail it" "$BUILD/bin/nixie" run "$(cut -d' ' -f1 "tests/mutants/$1.run")"
}

# Without the oracle that caught it the mutant is seen otherwise, or not at all.
miss() {
    look "$1" "$BUILD/mutants/$1/nixie" --without "$2"
    is "$2 switched off: $1 is not seen by it" "$(grep -cE "^FAIL [^ ]*: $2: " <<<"$output")" 0
}

# --- the table -----------------------------------------------------------------------------------

is "docs/mutants.md has the table of all" \
    "$(diff <(tests/mutants/table) <(grep '^|' docs/mutants.md) | head -5)" ""
is "docs/oracles.md has the table of all oracles" \
    "$(diff <(tests/mutants/oracles "$BUILD/bin/nixie") <(grep '^|' docs/oracles.md) | head -5)" ""
check "there are at least 60" test "$(find tests/mutants -name '*.patch' | wc -l)" -ge 60

# --- the mutants ---------------------------------------------------------------------------------

names=$(cat tests/mutants/check)
[ -z "${CHECK_ALL-}" ] || names=$(cd tests/mutants && printf '%s\n' *.patch | sed 's/\.patch$//')
for name in $names; do
    check "$name is a bug" test -f "tests/mutants/$name.patch"
    try "$name"
    [ "$name" != send-failure-unsynced ] || replayed "$name"
done
if [ -n "${CHECK_ALL-}" ]; then
    mkdir -p "$BUILD/mutants" && cp "$table" "$BUILD/mutants/table.txt"
    sed 's/^/#| /' "$table"
fi

# --- oracles that are switched off -----------------------------------------------------------------
# Each has a mutant that it catches, or a unit test in which it fires; that one which is off finds
# nothing, of each tests/unit/sim/test_oracles.c.

oracles=$("$BUILD/bin/nixie" explore --oracles | grep '^[A-Z]')
[ -n "${CHECK_ALL-}" ] || oracles="STAGE NUMBER"
for oracle in $oracles; do
    name=$(awk -v oracle="$oracle" '$2 == oracle {print $1; exit}' "$table")
    if [ -n "$name" ] && [ ! -f "tests/mutants/$name.scenario" ]; then
        miss "$name" "$oracle"
    else
        check "$oracle: a unit test sees it fire" grep -qE "[\" ]${oracle}[\" ]" tests/unit/sim/test_[a-np-z]*.c
    fi
done

# --- canaries --------------------------------------------------------------------------------------

look_for_canary() {
    check_status 1 "a disk that lies must make the server as it is fail" "$BUILD/bin/nixie" explore \
        scenarios/spool/one-message.scenario --disk strict+liar --crash machine "${size[@]}" --out "$tmp/canary"
    check "which is a loss" grep -qE '^FAIL .*(LOST|EARLY|UNDONE)' <<<"$output"
    look number-begins-anew "$BUILD/bin/nixie"
    is "a server without a bug is not caught" "$status$(promise)" 0
}
look_for_canary
mutant=$BUILD/mutants/queue-no-dirsync/nixie
check_status 1 "queue-no-dirsync is no bug on ffs" "$mutant" run --disk ffs tests/mutants/queue-no-dirsync.scenario
is "nothing is lost there" "$(grep -c 'm1: not lost' <<<"$output")" 1
check_status 1 "queue-no-dirsync: exploring finds it on strict" "$mutant" explore --crash machine --disk strict "${size[@]}" --out "$tmp/strict" scenarios/direct/01-all-at-once.scenario
check_status 0 "queue-no-dirsync: exploring finds nothing on ffs" "$mutant" explore --crash machine --disk ffs "${size[@]}" --every 4 --out "$tmp/ffs" scenarios/direct/01-all-at-once.scenario
tap_end
