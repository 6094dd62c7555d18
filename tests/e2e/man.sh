#!/bin/bash
# The manual pages: mandoc has no complaint, and every program has one that says how it ends.
. tests/e2e/tap.bash

for page in docs/man/*.[1-9]; do
    is "$(basename "$page") is clean" "$(mandoc -T lint -W warning "$page" 2>&1)" ""
done
for program in "$BUILD"/bin/nixie*; do
    name=$(basename "$program")
    page=$(find docs/man -name "$name.[1-8]")
    check "$name has a page" test -n "$page"
    check "with an exit status" grep -q '^\.Sh EXIT STATUS' "${page:-/dev/null}"
done
for name in $(sed -n 's/^\.Xr \(nixie[^ ]*\|dot-qmail\) \([1-8]\).*/\1.\2/p' docs/man/* | sort -u); do
    check "$name, which others refer to, exists" test -f "docs/man/$name"
done
tap_end
