#!/bin/bash
# Clients that send by SMTP while programs of the server are killed at random: nothing accepted is
# lost, nothing changed, and there is another copy only where a kill explains it.  In a network
# namespace that has loopback alone.  Prints TAP.
#
# With CHECK_ALL 10,000 messages from 50 clients; else only if STORM_MESSAGES says how many.  STORM_MESSAGES, STORM_CLIENTS,
# STORM_SEED and STORM_KILL_EVERY (seconds) choose others.
. tests/e2e/tap.bash
. tests/e2e/server.bash
. tests/namespace.bash
unset NIXIE_HOME
us=192.0.2.10 sink=198.51.100.1
messages=${STORM_MESSAGES:-${CHECK_ALL:+10000}} seed=${STORM_SEED:-1}
set_up() {
    namespace_address $us $sink && namespace_accounts "$namespace_tmp/people" alice bob
}
if ! command -v python3 >/dev/null; then
    skip "mail while programs are killed" "python3 is missing"
    tap_end
fi
if [ -z "$messages" ]; then
    skip "mail while programs are killed" "it takes minutes: CHECK_ALL=1, or STORM_MESSAGES=300"
    tap_end
fi
ordinary=()
grep -q __asan_init "$BUILD/bin/nixie-queue" && ordinary=(--ordinary) # it cannot be setuid
namespace_keep=("STORM_MESSAGES=${messages-}" "STORM_SEED=$seed" "STORM_CLIENTS=${STORM_CLIENTS-}" "STORM_KILL_EVERY=${STORM_KILL_EVERY-}")
namespace_enter "${ordinary[@]}" set_up "$@" || { skip "mail while programs are killed" "$namespace_lack"; tap_end; }
tmp=$namespace_tmp/work
take_programs
home=$tmp/home
check "init" server_make "$home" alice bob || tap_end
echo "$us:25" >"$home/control/listen"
echo $us >"$home/control/relayclients"
echo ":[$sink]:2525" >"$home/control/smtproutes"
echo 60 >"$home/control/concurrencyincoming"
echo 20 >"$home/control/timeoutremote"
result=$(timeout 500 "$(python3 -c 'import sys; print(sys.executable)')" tests/e2e/storm.py --home "$home" --nixie "$nixie" --address $us \
    --sink $sink:2525 --work "$tmp" --seed "$seed" --messages "$messages" --clients "${STORM_CLIENTS:-50}" --kill-every "${STORM_KILL_EVERY:-0.2}" 2>&1)
tap_result $? "mail while programs are killed" "$(tail -c 1500 <<<"$result")"
echo "$result"
tap_end
