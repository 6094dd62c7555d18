#!/bin/bash
# Schedules, knobs, made-up scenarios: the library holds under each policy and with knobs, made-up
# scenarios hold, and the same seed gives the same again.
. tests/e2e/tap.bash
nixie=$BUILD/bin/nixie
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Regressions pin what a disk lost at one moment of the default schedule.
mapfile -t stories < <(find scenarios -name '*.scenario' ! -path '*/regressions/*' | LC_ALL=C sort)
holds() { # NAME OPTIONS...
    local name=$1
    shift
    "$nixie" run "$@" >"$work/out" 2>&1
    is "$name" $? 0
    grep -A3 '^FAIL\|^knobs' "$work/out" | head -20 | sed 's/^/# /'
}
last=3
[ -n "${CHECK_ALL-}" ] && last=20
for policy in priority starve; do
    for seed in $(seq 2 $last); do
        holds "stories, $policy, seed $seed" --schedule $policy --seed "$seed" "${stories[@]}"
    done
done
for seed in 2 3; do
    holds "stories, knobs of seed $seed" --knobs --seed $seed "${stories[@]}"
done

mkdir "$work/made"
last=60
[ -n "${CHECK_ALL-}" ] && last=2000
for seed in $(seq "$last"); do
    "$nixie" generate --seed "$seed" >"$work/made/$seed.scenario"
done
check "made-up scenarios are valid" "$nixie" check "$work/made"
check "and in the one right form" "$nixie" fmt --check "$work/made"
is "the same seed, the same scenario" "$("$nixie" generate --seed 9)" "$(cat "$work/made/9.scenario")"
is "seed 1 if none is given" "$("$nixie" generate)" "$(cat "$work/made/1.scenario")"
for policy in round-robin random priority starve; do
    holds "made-up scenarios, $policy" --schedule $policy --seed 3 "$work/made"
done
holds "made-up scenarios, knobs" --knobs --seed 5 "$work/made"

"$nixie" run --hash --knobs --schedule starve --seed 4 "$work/made" >"$work/hashes"
"$nixie" run --hash --knobs --schedule starve --seed 4 --fill 90 --arena-offset 4128 \
    --environment-padding 333 "$work/made" >"$work/again"
check "the same again" cmp "$work/hashes" "$work/again"
"$nixie" run --hash --schedule starve --seed 4 "$work/made" >"$work/again"
check "knobs make a difference" test "$(comm -12 <(sort "$work/hashes") <(sort "$work/again") | wc -l)" -lt 40

for option in "--seed" "--seed x" "--seed -1" "--seed 1 2" "7"; do
    # shellcheck disable=SC2086
    "$nixie" generate $option >/dev/null 2>&1
    is "generate $option is refused" $? 2
done
"$nixie" run --schedule prio scenarios/spool >/dev/null 2>&1
is "there is no schedule prio" $? 2
tap_end
