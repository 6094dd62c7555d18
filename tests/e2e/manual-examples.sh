#!/bin/bash
# The examples of docs/scenario-language.md, blocks of code that are called scenario: they are in
# the right form but for empty lines, they are valid, and what they expect comes true.  Those with
# `match` are for serve: run and explore refuse them.
. tests/e2e/tap.bash
new_folder
nixie=$BUILD/bin/nixie

awk -v to="$tmp" '/^```scenario/ { n++; file = sprintf("%s/%02d.scenario", to, n); on = 1; next }
    /^```/ { on = 0 }
    on { print > file }' docs/scenario-language.md README.md
examples=("$tmp"/*.scenario)
[ ${#examples[@]} -ge 6 ]
tap_result $? "there are examples" "${#examples[@]}"

for example in "${examples[@]}"; do
    name=$(basename "$example" .scenario)
    check_status 0 "example $name is valid" "$nixie" check "$example"
    check_status 0 "and in the right form" "$nixie" fmt --check "$example"
    if grep -q '^match' "$example"; then
        check_status 2 "run refuses example $name" "$nixie" run "$example"
        check_status 2 "so does explore" "$nixie" explore "$example"
    else
        check_status 0 "example $name holds" timeout 60 "$nixie" run "$example"
    fi
done
tap_end
