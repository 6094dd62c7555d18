#!/bin/bash
# Real mail (CORPUS) in the simulator: handed to queue it arrives unchanged to the byte behind the
# header fields that are added in front; through inject and sendmail the body is unchanged.  (On the
# real machine: real.sh.)
. tests/e2e/tap.bash
corpus=${CORPUS:-../shared/corpus}
if [ ! -d "$corpus" ]; then
    skip "the corpus in the simulator" "no mail in $corpus (CORPUS=DIR)"
    tap_end
fi
corpus=$(cd "$corpus" && pwd)
new_folder

# One scenario for all messages, each sent every second.
make_scenario() { # VIA DETAIL
    echo "scenario \"the corpus via $1\""
    printf '\nhost mail example.com\n    user alice\n    user bob\n\n'
    local number=0
    find "$corpus" -name '*.eml' -o -name '*.msg' | LC_ALL=C sort >"$tmp/files"
    while read -r file; do
        number=$((number + 1))
        printf 'file m%d %s\n' $number "$file"
    done <"$tmp/files"
    echo
    for ((i = 1; i <= number; i++)); do
        printf 'at %ds alice sends m%d to bob@example.com via %s\n' $i $i "$1"
    done
    echo
    for ((i = 1; i <= number; i++)); do
        printf 'expect m%d delivered to bob@example.com once\n    %s\n' $i "$2"
    done
    printf 'expect mail spool empty by 20m\n'
}

for via in queue inject sendmail; do
    make_scenario $via "contents unchanged" >"$tmp/$via.scenario"
    count=$(wc -l <"$tmp/files")
    check_status 0 "$count messages via $via" "$BUILD/bin/nixie" run "$tmp/$via.scenario"
    for disk in ext4 ffs; do
        [ $via = queue ] && check_status 0 "$count messages via $via on $disk" \
            "$BUILD/bin/nixie" run --disk $disk "$tmp/$via.scenario"
    done
done
tap_end
