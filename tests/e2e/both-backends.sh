#!/bin/bash
# The same scenarios on the simulated kernel and on real processes: the same verdicts, or the reason
# why one is not run for real.  A few of them; with CHECK_ALL=1 all, as the user who calls and, if
# that is root, as an ordinary one, and without namespaces.  The table is left in $BUILD/both-backends.txt.
cd "$(dirname "$0")/../.." || exit
. tests/e2e/tap.bash
new_folder
take_programs
mkdir "$tmp/lib" && cp -r "$BUILD/lib/nixie" "$tmp/lib/" || exit 1
cp -r scenarios fixtures "$tmp/" && chmod -R a+rX "$tmp" && mkdir -m 777 "$tmp/work" || exit 1
table=$BUILD/both-backends.txt

few="first/01-maildir first/23-power-cut-s4 bounces/several-recipients direct/05-stopped
    first/41-disk-error first/42-disk-error-told-once out/14-lost-in-data"
if [ -n "${CHECK_ALL-}" ]; then
    mapfile -t files < <(cd "$tmp" && find scenarios -name '*.scenario' | LC_ALL=C sort)
else
    files=()
    for name in $few; do files+=("scenarios/$name.scenario"); done
fi

# Words of TAP: "held", "FAILED" or "skipped: REASON", one a line, in the order of the files.
verdicts() {
    sed -nE -e 's/^ok .* # SKIP (.*)/skipped: \1/p' -e t -e 's/^ok .*/held/p' -e 's/^not ok .*/FAILED/p'
}

ordinary() {
    env -i PATH="$PATH" HOME="$tmp/work" TMPDIR="$tmp/work" \
        setpriv --reuid=64123 --regid=64123 --clear-groups --no-new-privs "$@"
}

# Real runs wait more than they work: in three processes at once.
run_real() { # USER
    local i pids=() as=()
    [ "$1" = ordinary ] && as=(ordinary)
    [ "$1" = "without namespaces" ] && as=(ordinary env NIXIE_REAL_NETWORK=loopback)
    for i in 0 1 2; do
        local part=()
        for ((k = i; k < ${#files[@]}; k += 3)); do part+=("${files[k]}"); done
        (cd "$tmp" && "${as[@]}" timeout 3000 "$nixie" run --real --tap "${part[@]}" >"$tmp/real.$i" 2>"$tmp/errors.$i") &
        pids+=($!)
    done
    wait "${pids[@]}"
    for i in 0 1 2; do verdicts <"$tmp/real.$i" >"$tmp/words.$i"; done
    for ((k = 0; k < ${#files[@]}; k++)); do
        sed -n "$((k / 3 + 1))p" "$tmp/words.$((k % 3))"
    done >"$tmp/real-$1"
}

compare() { # USER
    local user=$1 file skipped=0
    run_real "$user"
    if grep -qE 'this build has a sanitizer|libfaketime.so.1 is not found' "$tmp/real-$user"; then
        skip "$user: both backends" "$(head -1 "$tmp/real-$user")"
        return
    fi
    is "$user: each scenario has a real verdict" "$(wc -l <"$tmp/real-$user")" "${#files[@]}"
    paste -d '\t' <(printf '%s\n' "${files[@]}") "$tmp/simulated" "$tmp/real-$user" >"$tmp/table"
    while IFS=$'\t' read -r file simulated real; do
        printf '%-58s %-10s %s\n' "${file#scenarios/}" "$simulated" "$real"
        case $real in
        skipped:*) skipped=$((skipped + 1)) ;;
        *) [ "$simulated" = "$real" ] || echo "$file: $simulated, really $real" >>"$tmp/differ" ;;
        esac
    done <"$tmp/table" >"$table"
    touch "$tmp/differ"
    check "$user: ${#files[@]} scenarios end the same on both" test ! -s "$tmp/differ" ||
        cat "$tmp/differ" "$tmp"/errors.* "$tmp"/real.[0-2] | grep -v '^ok ' | head -60 | sed 's/^/# /'
    if [ "$user" = "without namespaces" ]; then
        check "$user: what cannot be had is told" grep -q 'skipped: a full disk: ' "$table"
    elif [ -n "${CHECK_ALL-}" ]; then
        check "$user: fewer than one in ten are skipped ($skipped)" test $((skipped * 10)) -lt ${#files[@]}
    else
        is "$user: what cannot be had is told" "$(grep -c 'skipped: not for real: ' "$table")" 1
    fi
    rm -f "$tmp/differ"
    sed 's/^/# /' "$table"
    rm -rf "$tmp"/work/nixie-real.*
}

(cd "$tmp" && "$nixie" run --tap "${files[@]}") | verdicts >"$tmp/simulated"
is "each scenario holds, simulated" "$(grep -c held "$tmp/simulated")" "${#files[@]}"
[ -n "${CHECK_ALL-}" ] && [ "$(id -u)" = 0 ] && compare root
[ -n "${CHECK_ALL-}" ] && compare "without namespaces"
compare ordinary
tap_end
