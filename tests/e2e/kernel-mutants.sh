#!/bin/bash
# The simulated kernel changed in one place each (tests/kernel-mutants/NAME.patch): an error code, an
# order, a timeout, a wake-up, a rounding of time.  The comparison with the real kernel notices each.
cd "$(dirname "$0")/../.." || exit
. tests/e2e/tap.bash
new_folder

# What the real kernel does is found out by the first, for all.
for patch in tests/kernel-mutants/*.patch; do
    name=$(basename "$patch" .patch)
    timeout 300 "$BUILD/kernel-mutants/$name/compare" --once "$tmp/real" >"$tmp/$name" 2>&1
done

for patch in tests/kernel-mutants/*.patch; do
    name=$(basename "$patch" .patch)
    check "$name: the comparison notices it" grep -q '^not ok ' "$tmp/$name"
    check "$name: and most is as before" test "$(grep -c '^ok ' "$tmp/$name")" -gt 10
done
tap_end
