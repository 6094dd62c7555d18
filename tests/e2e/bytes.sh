#!/bin/bash
# Every kind of message by SMTP, into a Maildir and on to a remote server, in the simulator and for
# real: real mail (CORPUS), and dots, long lines, NULs, no last newline, 20 MB (bytes.py).  Bytes are
# unchanged but for what docs/architecture.md says of CR and of a last line.  Prints TAP.
. tests/e2e/tap.bash
. tests/e2e/server.bash
if ! python3 -c '' 2>/dev/null; then
    skip "messages of all kinds" "no python3"
    tap_end
fi
as_ordinary_user
unset NIXIE_HOME
home=$tmp/home
trap 'for p in start send remote rspawn smtpd listen; do server_kill "$home" $p; done; rm -rf "$tmp"' EXIT
python() { PYTHONPATH=tests/e2e timeout 300 python3 tests/e2e/bytes.py "$@"; }
mkdir "$tmp/odd" && python make "$tmp/odd"
folders=("$tmp/odd")
corpus=${CORPUS:-../shared/corpus}
if [ -d "$corpus" ]; then
    folders+=("$(cd "$corpus" && pwd)")
else
    skip "real mail" "no mail in $corpus (CORPUS=DIR)"
fi
find "${folders[@]}" -name '*.eml' -o -name '*.msg' | LC_ALL=C sort >"$tmp/files"
count=$(wc -l <"$tmp/files")

# --- which are changed -----------------------------------------------------------------------------
python list "${folders[@]}" >"$tmp/changed"
sed 's/^/# changed: /' "$tmp/changed" | sort -t: -k3 | head -100
check "changed are those with a CR or without a last newline" \
    test "$(grep -c -e ': CR$' -e ': CR and no last newline$' -e ': no last newline$' "$tmp/changed")" = "$(wc -l <"$tmp/changed")"
check "which is the smaller part" test "$(wc -l <"$tmp/changed")" -lt $((count / 2))

# --- in the simulator ------------------------------------------------------------------------------
make_scenario() { # DISK
    local i=0 file
    printf 'scenario "messages of all kinds"\n\nhost mail example.com\n    disk %s\n' "$1"
    printf '    relay from app\n    user alice\nremote away\n    serves away.example\nclient app\n\n'
    while read -r file; do
        i=$((i + 1))
        printf 'file m%d %s\n' $i "$file"
        printf 'at %ds app sends m%d to alice@example.com bob@away.example\n' $i $i
        printf 'expect m%d delivered to alice@example.com once\n    contents unchanged\n' $i
        printf 'expect away took m%d to bob@away.example once\n    contents unchanged\n' $i
    done <"$tmp/files"
    printf 'expect mail spool empty by 30m\n'
}
make_scenario strict >"$tmp/all.scenario"
check_status 0 "$count messages in the simulator" "$nixie" run "$tmp/all.scenario"

# --- for real --------------------------------------------------------------------------------------
check "make a home" server_make "$home" alice
"$nixie" mta start "$home" --smtp 127.0.0.1:0 >"$tmp/start.log" 2>&1 </dev/null &
listens() { server_is_up "$home" && [ -s "$home/run/listen" ]; }
check "start" wait_for 10 listens
is "$count messages for real" "$(python through "$home" "$BUILD/bin/nixie-actor-smtp-server" "${folders[@]}" 2>&1)" \
    "stored: $count of $count, wrong: none
sent: $count of $count, wrong: none
bad SMTP: none"
check "leave an empty queue" wait_empty "$home" 20
server_stop "$home"
tap_end
