#!/bin/bash
# Every scenario file: in the one right form, understood, and held.  Prints TAP.
set -u
build=${BUILD:-build}
"$build/bin/nixie" fmt --check scenarios >&2
formatted=$?
timeout 300 "$build/bin/nixie" run --tap scenarios | sed "s/^1\.\.\([0-9]*\)$/1..$(($(find scenarios -name '*.scenario' | wc -l) + 1))/"
status=${PIPESTATUS[0]}
number=$(($(find scenarios -name '*.scenario' | wc -l) + 1))
if [ $formatted -eq 0 ]; then
    echo "ok $number - scenario files are in the one right form"
else
    echo "not ok $number - scenario files are in the one right form (nixie fmt scenarios)"
    status=1
fi
exit $status
