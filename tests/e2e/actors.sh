#!/bin/bash
# The made-up mail server and client on real sockets: actors.py has the tests.  Prints TAP.
set -u
cd "$(dirname "$0")/../.." || exit 1
if ! command -v python3 >/dev/null; then
    echo "ok 1 - smtp-server and smtp-client # SKIP no python3"
    echo "1..1"
    exit 0
fi
exec python3 tests/e2e/actors.py "${BUILD:-build}/bin"
