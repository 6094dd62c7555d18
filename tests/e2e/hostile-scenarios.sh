#!/bin/bash
# Bad scenario files: cut at each byte, lines deleted and moved, odd bytes and words, things that
# are no files.  Wanted: exit 2 and a clear error, or a run; never a crash, never a hang.
. tests/e2e/tap.bash
new_folder
nixie=$BUILD/bin/nixie
here=$PWD/tests/e2e
sanitized=$(grep -c __asan_init "$nixie")
export ASAN_OPTIONS=detect_stack_use_after_return=0:exitcode=99 UBSAN_OPTIONS=print_stacktrace=1
mkdir "$tmp/scenarios" && ln -s "$PWD/fixtures" "$tmp/fixtures" && cp -r scenarios/. "$tmp/scenarios/"

# --- what there is, and in the right form --------------------------------------------------------
check_status 0 "the library checks" "$nixie" check "$tmp/scenarios"
check_status 0 "and is in the right form" "$nixie" fmt --check "$tmp/scenarios"

# --- variants ------------------------------------------------------------------------------------
# Checks all of a folder at once; what is left there is valid.
judge() { # NAME FOLDER
    local status
    timeout 120 "$nixie" check "$2" >"$tmp/out" 2>&1
    status=$?
    [ $status = 0 ] || [ $status = 2 ]
    tap_result $? "check: $1" "status $status: $(tail -30 "$tmp/out")"
    is "each complaint tells where: $1" "$(perl "$here/hostile-scenarios.pl" complain "$2" "$tmp/out" | tee "$tmp/counts" | grep -v 'complained of' | head -20)" ""
    echo "# $1: $(tail -1 "$tmp/counts")"
}
# What is valid is brought into the right form, once; and then is still valid.
fixpoint() { # NAME FOLDER
    check_status 0 "fmt: $1" timeout 120 "$nixie" fmt "$2"
    check_status 0 "fmt of that changes nothing: $1" timeout 120 "$nixie" fmt --check "$2"
    check_status 0 "and it is valid: $1" timeout 120 "$nixie" check "$2"
}
# Some of what is valid runs: whatever comes of it, it ends.
run_some() { # NAME FOLDER COUNT
    local file bad='' status all=("$2"/*.scenario)
    local step=$(((${#all[@]} + $3 - 1) / $3))
    for ((i = 0; i < ${#all[@]}; i += step)); do
        file=${all[i]}
        timeout 60 "$nixie" run "$file" >"$tmp/out" 2>&1
        status=$?
        case $status in
        0 | 1 | 2) ;;
        *) bad+="status $status: $file: $(tail -5 "$tmp/out")"$'\n' && cp "$file" "$tmp/kept" && sed 's/^/# /' "$file" ;;
        esac
    done
    is "run: $1" "$bad" ""
}
variants() { # NAME COUNT-TO-RUN
    mkdir "$tmp/scenarios/$1"
    perl "$here/hostile-scenarios.pl" "$1" "$tmp/from" "$tmp/scenarios/$1"
    # a sample; of that a smaller one where sanitizers make it slow
    [ -n "${CHECK_ALL-}" ] || rm "$tmp/scenarios/$1/"????[13579]-*.scenario
    [ -n "${CHECK_ALL-}" ] || rm -f "$tmp/scenarios/$1/"???[13579]?-99*.scenario # the long one
    [ "$sanitized" = 0 ] || rm -f "$tmp/scenarios/$1/"????[1-46-9]-*.scenario
    judge "$1" "$tmp/scenarios/$1"
    fixpoint "$1" "$tmp/scenarios/$1"
    run_some "$1" "$tmp/scenarios/$1" "$2"
    rm -r "$tmp/scenarios/$1"
}
# of all first stories, or of every third
mkdir "$tmp/from"
cp scenarios/first/*.scenario "$tmp/from"
[ -n "${CHECK_ALL-}" ] || rm "$tmp"/from/?[0134679]-*.scenario
runs=${CHECK_ALL:+50}
variants cuts "${runs:-8}"
cp "$here/hostile-network.scenario" "$tmp/from/99-network.scenario"
variants lines "${runs:-8}"
variants swaps "${runs:-8}"
variants bytes "${runs:-8}"
variants words "${runs:-8}"
mkdir "$tmp/scenarios/statements"
perl "$here/hostile-scenarios.pl" statements "$tmp/scenarios/statements"
judge statements "$tmp/scenarios/statements"
fixpoint statements "$tmp/scenarios/statements"
run_some statements "$tmp/scenarios/statements" "${runs:-20}"

# --- no files ------------------------------------------------------------------------------------
cd "$tmp" || exit 1
case $nixie in /*) ;; *) nixie=$OLDPWD/$nixie ;; esac
story=$(printf 'host mail example.com\n    user alice\n')
head -c 50000000 /dev/zero | tr '\0' 'x' >huge.scenario
head -c 5000000 /dev/zero | tr '\0' '\n' >lines.scenario
: >empty.scenario
mkdir empty
printf 'include self.scenario\n' >self.scenario
printf 'include b.scenario\n' >a.scenario && printf 'include a.scenario\n' >b.scenario
for i in {1..200}; do printf 'include deep-%d.scenario\n' $((i + 1)) >deep-$i.scenario; done
printf '%s\n' "$story" >deep-201.scenario
for i in {1..30}; do printf 'include twice-%d.scenario\ninclude twice-%d.scenario\n' $((i + 1)) $((i + 1)) >twice-$i.scenario; done
: >twice-31.scenario
ln -s loop.scenario loop.scenario
for command in check fmt run; do
    for file in huge.scenario lines.scenario empty self.scenario a.scenario deep-1.scenario twice-1.scenario /dev/zero /dev/null \
        nowhere.scenario loop.scenario empty.scenario "$(printf 'x%.0s' {1..5000})" ''; do
        case $command-$file in
        fmt-*[ab].scenario | fmt-self.* | fmt-deep* | fmt-twice* | fmt-/dev/null | fmt-empty.scenario | fmt-lines.*) continue ;;
        *-empty.scenario | *-/dev/null) want='[02]' ;;
        *) want=2 ;;
        esac
        output=$( (ulimit -t 20; timeout 60 "$nixie" $command "$file" 2>&1) | head -c 3000 | tr -d '\0'; exit "${PIPESTATUS[0]}")
        status=$?
        # shellcheck disable=SC2053
        [[ $status == $want && ($status = 0 || -n $output) ]]
        tap_result $? "$command ${file:0:30}" "status $status: $output"
    done
done
cat >full.scenario <<'END'
host mail example.com
    user alice
    user bob

at 0s alice sends m1 to bob@example.com
at 1s mail disk full
at 2s alice sends m2 to bob@example.com
at 30s crash mail power keep none
at 40s boot mail
at 10m mail disk room

expect m1 delivered once
expect m2 refused with 111
END
check_status 0 "a power loss on a full disk" "$nixie" run full.scenario
check_status 2 "check without a file" "$nixie" check
check_status 2 "run without a file" "$nixie" run
check_status 2 "an unknown option" "$nixie" run --nonsense empty.scenario
check_status 2 "an unknown command" "$nixie" nonsense
check_status 2 "a seed that is none" "$nixie" run --seed x a.scenario
check_status 2 "a definition that is none" "$nixie" run -D x a.scenario
check_status 2 "fmt of what cannot be read" bash -c '"$0" fmt - </dev/zero' "$nixie"
check_status 2 "fmt without input" bash -c '"$0" fmt - <&-' "$nixie"
tap_end
