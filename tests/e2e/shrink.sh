#!/bin/bash
# From a planted failure to a file: exploring a server with a seeded bug (tests/mutants) finds it and
# writes a scenario, made as small as it can be, that fails with the bug, and with it only, and that
# looks as if a person had written it.  With CHECK_ALL: more bugs, of each kind of crash and depth.
. tests/e2e/tap.bash
new_folder
right=$BUILD/bin/nixie

# What is wrong with the looks of a file: too long, no words at its top, a time to the nanosecond.
looks_like() { # FILE LINES
    [ "$(wc -l <"$1")" -le "$2" ] || echo "$(wc -l <"$1") lines, not $2"
    head -1 "$1" | grep -q '^# [[:alnum:]]' || echo "no words at the top"
    grep -q '^# `nixie run[^`]*` fails until [A-Z-]* holds: ' "$1" || echo "no promise, and how to run it"
    grep -nE '[0-9]\.[0-9]{4,}s|[0-9]\.[0-9]{4,}ms' "$1"
    grep -nE '^.{121}' "$1"
}
judge() { # MUTANT FILE LINES
    is "$1: looks like a person's" "$(looks_like "$2" "$3")" "" || sed 's/^/# | /' "$2"
    check "$1: in the one right form" "$right" fmt --check "$2"
    check_status 1 "$1: fails with the bug" "$BUILD/mutants/$1/nixie" run "$2"
    check_status 0 "$1: passes without it" "$right" run "$2" || sed 's/^/# | /' "$2"
}
built() {
    [ -x "$BUILD/mutants/$1/nixie" ] || { skip "$1" "it is not built" && false; }
}
found() { # MUTANT PROMISE LINES FILE OPTIONS...
    local mutant=$1 promise=$2 lines=$3 file status TIMEFORMAT='%U'
    shift 3
    built "$mutant" || return
    rm -rf "${tmp:?}/$mutant"
    { time timeout 500 "$BUILD/mutants/$mutant/nixie" explore "$@" --out "$tmp/$mutant" >"$tmp/output" 2>&1; } 2>"$tmp/seconds"
    status=$? output=$(cat "$tmp/output")
    is "$mutant: is found" $status 1
    check "$mutant: within a minute of computing" test "$(cut -d. -f1 "$tmp/seconds")" -lt 60
    file=$(grep -lE "fails until ($promise) holds" "$tmp/$mutant"/*.scenario | head -1)
    check "$mutant: a file tells of it" test -n "$file" || return
    judge "$mutant" "$file" "$lines"
}
shrunk() { # MUTANT LINES FILE OPTIONS...
    local mutant=$1 lines=$2
    shift 2
    built "$mutant" || return
    check "$mutant: $(basename "$1") is shrunk" timeout 300 "$BUILD/mutants/$mutant/nixie" shrink -o "$tmp/$mutant.scenario" "$@"
    judge "$mutant" "$tmp/$mutant.scenario" "$lines"
}

found queue-no-dirsync '[A-Z-]+' 17 scenarios/direct/01-all-at-once.scenario --crash machine --states 8
found smtpd-answers-early LOST 20 scenarios/mail/01-relay.scenario --crash machine --states 8 --failures 2
shrunk schedule-19 15 scenarios/mail/02-deferred.scenario
shrunk remote-next-mx-after-dot 17 scenarios/out/15-doubt-and-the-next-mx.scenario --promise DUPLICATE
if [ -n "${CHECK_ALL-}" ]; then
    found bounce-once LOST 18 scenarios/mail/03-refused.scenario --crash one
    found bounce-once LOST 19 scenarios/mail/03-refused.scenario --crash none --faults eio --runs 3000
    found send-todo-unsynced 'EARLY|UNDONE' 17 scenarios/spool/one-message.scenario --crash machine --states 8
    found send-failure-unsynced LOST 22 scenarios/spool/bounce.scenario --crash machine --states 16 --failures 4
    found clean-never-syncs 'LOST|DUPLICATE|EARLY|UNDONE' 24 scenarios/spool/bounce.scenario --crash machine --states 16 --failures 4
    found send-direct-unmarked DUPLICATE 24 scenarios/direct/02-one-later.scenario --crash machine --states 16 --failures 4
    found recover-half LOST 24 scenarios/direct/02-one-later.scenario --crash machine --states 2 --every 12 --depth 2 --runs 2500 --failures 3
    shrunk listen-loses-places 30 scenarios/in/06-killed-workers.scenario
    shrunk rspawn-leaks-messages 20 scenarios/mail/02-deferred.scenario
fi

# --- the command -----------------------------------------------------------------------------------
mutant=$BUILD/mutants/schedule-19/nixie
check_status 1 "what does not fail is not shrunk" "$right" shrink scenarios/mail/02-deferred.scenario
check "which is said" grep -q 'it does not fail' <<<"$output"
check_status 1 "a promise that is kept" "$mutant" shrink --promise LOST scenarios/mail/02-deferred.scenario
check_status 2 "a file that is not there" "$mutant" shrink no-such.scenario
check_status 2 "no file" "$mutant" shrink
check_status 2 "an option without a value" "$mutant" shrink scenarios/mail/02-deferred.scenario --runs
printf 'host mail example.com\n    user\n' >"$tmp/wrong.scenario"
check_status 2 "a file with a mistake" "$mutant" shrink "$tmp/wrong.scenario"
check_status 0 "few runs" "$mutant" shrink --runs 3 -o "$tmp/few.scenario" scenarios/mail/02-deferred.scenario
check "say that more may be left out" grep -q 'a limit was reached' <<<"$output"
check_status 1 "and still fail" "$mutant" run "$tmp/few.scenario"
"$mutant" shrink scenarios/mail/02-deferred.scenario >"$tmp/again.scenario" 2>"$tmp/again"
check "the same comes out each time" cmp "$tmp/again.scenario" "$tmp/schedule-19.scenario"
check_status 1 "as it was found" "$BUILD/mutants/queue-no-dirsync/nixie" explore --crash machine --states 8 --no-shrink --failures 2 --out "$tmp/raw" scenarios/direct/01-all-at-once.scenario
check "that is longer" grep -qE '^at [0-9.]+s boot mail' -r "$tmp/raw"
tap_end
