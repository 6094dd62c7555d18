#!/bin/bash
# nixie-log.  Prints TAP.
. tests/e2e/tap.bash
new_folder
log=$(cd "$BUILD" && pwd)/bin/nixie-log
export NIXIE_HOME=$tmp
mkdir "$tmp/control"
dir=
fresh() { dir=$(mktemp -d "$tmp/log.XXXXXX"); }
text() { sed 's/^@4[0-9a-f]\{23\} //' "$@"; }
lines() { awk -v n="$1" 'BEGIN {for (i = 1; i <= n; i++) print "line", i}'; }
has() { grep -q "$1" "$dir/current"; }

fresh
check "ends at the end of its input" "$log" "$dir" <<<$'one\n\ntwo  words'
is "stamps each line" "$(grep -c '^@4[0-9a-f]\{23\} ' "$dir/current")" 3
is "and keeps it" "$(text "$dir/current")" $'one\n\ntwo  words'
check "goes on with the file" "$log" "$dir" <<<three
is "where it ended" "$(text "$dir/current" | tail -1)" three
printf 'no newline' | "$log" "$dir"
is "takes a last line without newline" "$(text "$dir/current" | tail -1)" "no newline"
check_status 100 "usage" "$log"
check_status 111 "no such directory" "$log" "$tmp/nowhere"

fresh
rmdir "$dir"
mkdir "$tmp/control/logsize" "$tmp/control/lognum" # cannot be read
mkfifo "$tmp/early"
"$log" "$dir" <"$tmp/early" 2>"$tmp/said" &
pid=$!
exec 3>"$tmp/early"
check "it says that it cannot open its file" wait_for 10 grep -q "cannot open current" "$tmp/said"
check "and what it cannot read" grep -q "control/logsize" "$tmp/said"
timeout 100 bash -c 'awk "BEGIN {for (i = 1; i <= 5000; i++) print \"early\", i}" >&3'
is "and reads on, past what a pipe holds" $? 0
mkdir "$dir"
check "when the file can be opened all is in it" wait_for 10 has 'early 5000$'
is "from the first line on" "$(text "$dir/current" | head -1)" "early 1"
exec 3>&-
wait $pid
is "exit 0 then" $? 0
rmdir "$tmp/control/logsize" "$tmp/control/lognum"

fresh
head -c 40000 /dev/zero | tr '\0' x | "$log" "$dir"
is "cuts a very long line" "$(wc -l <"$dir/current")" 3

fresh
echo 5000 >"$tmp/control/logsize"
echo 3 >"$tmp/control/lognum"
lines 2000 | "$log" "$dir"
is "keeps lognum files" "$(find "$dir" -name '@*.s' | wc -l)" 3
is "none larger than logsize" "$(find "$dir" -type f -size +5000c | wc -l)" 0
is "the newest lines, none lost between files" "$(text "$dir"/@* "$dir/current" | wc -l)" \
    "$(text "$dir"/@* "$dir/current" | awk 'NR == 1 {first = $2} {if ($2 != first + NR - 1) exit} END {print 2000 - first + 1}')"
is "up to the last" "$(text "$dir/current" | tail -1)" "line 2000"
rm "$tmp/control/lognum"
echo 100000000 >"$tmp/control/logsize"

fresh
ln -s /dev/full "$dir/current"
mkfifo "$tmp/fifo"
"$log" "$dir" <"$tmp/fifo" &
pid=$!
exec 3>"$tmp/fifo"
lines 10 >&3
sleep 0.3
check "a full disk does not end it" kill -0 $pid
timeout 100 bash -c 'awk "BEGIN {for (i = 1; i <= 60000; i++) print \"flood\", i}" >&3'
is "nor does it block the writer" $? 0
kill -TERM $pid
sleep 0.1
check "nor does TERM" kill -0 $pid
rm "$dir/current"
check "with room again it says what was lost" wait_for 10 has 'warning: [0-9]* log lines lost: no room'
check "and goes on" wait_for 10 has 'flood 60000$'
lost=$(sed -n 's/.*warning: \([0-9]*\) log lines lost.*/\1/p' "$dir/current")
is "the count is right" $((lost + $(wc -l <"$dir/current") - 1)) 60010
exec 3>&-
wait $pid
is "exit 0" $? 0
ln -sf /dev/full "$dir/current"
check_status 111 "lines that could not be written: 111" "$log" "$dir" <<<line
tap_end
