# TAP for the shell tests.  Source it, call the functions below, end with tap_end.
#
#   check NAME COMMAND...          passes if COMMAND ends with status 0
#   check_status N NAME COMMAND... passes if it ends with status N; its output is in $output
#   is NAME GOT WANT               passes if both are the same
#   skip NAME REASON
#   as_ordinary_user                if root: runs the script again as an ordinary user, and exits
#   new_folder                     sets $tmp to an empty folder that goes away at the end
#   take_programs                  copies the programs of $BUILD to $tmp/bin; sets $nixie
#   wait_for SECONDS COMMAND...    repeats COMMAND until it succeeds; gives up after five times
#                                  SECONDS, which are meant for a machine with nothing else to do
# shellcheck shell=bash disable=SC2034
set -u
tap_count=0 tap_failed=0
BUILD=${BUILD:-build}

tap_result() {
    tap_count=$((tap_count + 1))
    set -- "$1" "${2//$'\n'/ }" "${3-}"
    if [ "$1" = 0 ]; then
        echo "ok $tap_count - $2"
    else
        tap_failed=$((tap_failed + 1))
        echo "not ok $tap_count - $2"
        [ -n "${3-}" ] && head -c 2000 <<<"$3" | sed 's/^/# /'
        [ -r "${home-}/log/current" ] && tail -8 "$home/log/current" | sed 's/^/# log: /'
    fi
    return "$1"
}

check() {
    local name=$1 text status
    shift
    text=$("$@" 2>&1)
    status=$?
    tap_result $status "$name" "status $status: $*
$text"
}

check_status() {
    local want=$1 name=$2 status
    shift 2
    output=$("$@" 2>&1)
    status=$?
    tap_result $((status != want)) "$name" "status $status, not $want: $*
$output"
}

is() {
    [ "$2" = "$3" ]
    tap_result $? "$1" "got:  $2
want: $3"
}

skip() {
    tap_count=$((tap_count + 1))
    echo "ok $tap_count - $1 # SKIP $2"
}

tap_end() {
    echo "1..$tap_count"
    [ $tap_failed -eq 0 ]
    exit
}

wait_for() {
    local end=$((SECONDS + 5 * $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.05
    done
}

new_folder() {
    tmp=$(mktemp -d "${TMPDIR:-/tmp}/nixie-test.XXXXXX") || exit 1
    chmod 755 "$tmp"
    trap 'rm -rf "$tmp"' EXIT
}

# The build may lie where an ordinary user cannot reach it.
take_programs() {
    mkdir "$tmp/bin" && cp "$BUILD"/bin/nixie* "$tmp/bin/" || exit 1
    nixie=$tmp/bin/nixie
}

as_ordinary_user() {
    if [ "$(id -u)" != 0 ]; then
        new_folder
        take_programs
        return
    fi
    new_folder
    take_programs
    cp -r tests "$tmp/tests" && chmod -R a+rX "$tmp" && mkdir -m 777 "$tmp/work" || exit 1
    if [ -d "${CORPUS:-../shared/corpus}" ]; then
        cp -r "${CORPUS:-../shared/corpus}" "$tmp/corpus" && chmod -R a+rX "$tmp/corpus"
    fi
    (cd "$tmp" && env -i PATH="$PATH" LANG=C HOME="$tmp/work" TMPDIR="$tmp/work" BUILD="$tmp" \
        CORPUS="$tmp/corpus" CHECK_ALL="${CHECK_ALL-}" \
        setpriv --reuid=64123 --regid=64123 --clear-groups --no-new-privs bash "tests/e2e/$(basename "$0")")
    exit
}
