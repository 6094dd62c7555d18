#!/bin/bash
# nixie run, check and fmt as they are used: exit codes, formats, errors with places, hostile files.
. tests/e2e/tap.bash
new_folder
nixie=$(realpath "$BUILD/bin/nixie")
repository=$PWD
cd "$tmp" || exit 1
unset GITHUB_ACTIONS NO_COLOR

cat >good.scenario <<'EOF'
scenario "it & <works>"

param n 2

host mail example.com
    user alice
    user bob

at 0s alice sends m to bob@example.com times ${n}

expect m.* delivered once
expect log "end msg" ${n} times
EOF
sed 's/delivered once/delivered 2 times/; s/works/fails/' good.scenario >bad.scenario
sed 's/alice sends/alcie sends/' good.scenario >wrong.scenario

check_status 0 "a scenario that holds" timeout 200 "$nixie" run good.scenario
is "one line for it, and a line at the end" "$(sed 's/in [0-9.]* s$/in T s/' <<<"$output")" \
    'ok  it & <works>      2 accepted, 2 delivered
1 passed, 0 failed; 30.0 s simulated in T s'
check_status 1 "a scenario that does not" timeout 200 "$nixie" run bad.scenario
is "says where, how often, and how to see it again" "$(sed 's/in [0-9.]* s$/in T s/; /try/d; /in the spool/d' <<<"$output")" \
    'FAIL bad.scenario:11:12: 2 of 2: delivered 1 time, not 2 (m.1, m.2)
11 | expect m.* delivered 2 times
   |            ^^^^^^^^^
0 passed, 1 failed; 30.0 s simulated in T s
replay: nixie run bad.scenario --seed 1      (-v for the story)'
mkdir "odd names"
sed 's/^host/param p 1\n\nhost/' bad.scenario >"odd names/it's.scenario"
output=$("$nixie" run -D 'p=a b' "odd names/it's.scenario")
is "how to see it again is a command for a shell" "$(sed -n 's/^replay: nixie \(.*[^ ]\)  .*/\1/p' <<<"$output")" \
    "run 'odd names/it'\\''s.scenario' -D 'p=a b' --seed 1"
sed 's/    user alice/    control queuelifetime never\n&/' good.scenario >stuck.scenario
check_status 1 "a server that cannot start" timeout 200 "$nixie" run stuck.scenario
check "tells why" grep -q 'its server said: alert: .*queuelifetime' <<<"$output"
check_status 1 "explore: folders, parameters" "$nixie" explore --crash machine --every 100 -D p=1 "odd names"
check "are explored, and given in the replay line" \
    grep -qF "nixie run 'odd names/it'\\''s.scenario' -D p=1 --disk strict" <<<"$output"
mkdir none
check_status 2 "explore: a folder without scenarios" "$nixie" explore none
check_status 2 "explore: a wrong parameter" "$nixie" explore -D p good.scenario
check_status 2 "a wrong file" timeout 200 "$nixie" run wrong.scenario
is "is shown with a caret" "$(head -3 <<<"$output")" \
    'wrong.scenario:9:7: unknown user "alcie"; did you mean "alice"?
9 | at 0s alcie sends m to bob@example.com times ${n}
  |       ^^^^^'
check_status 2 "a missing file" "$nixie" run nothing.scenario
check_status 2 "no file" "$nixie" run
mkdir empty
check_status 2 "a folder without scenarios" "$nixie" run empty
is "is named" "$output" "empty: there is no file NAME.scenario in it or below it"
check_status 2 "also beside a file" "$nixie" run good.scenario empty
check_status 2 "an option without its value" "$nixie" run --seed
is "is named" "$(head -1 <<<"$output")" "nixie run: --seed wants a value"
check_status 2 "an unknown option" "$nixie" run --frobnicate good.scenario
for answers in answers= answers=1. answers=.1 answers=1.x answers=1.-1 answers=99999999999; do
    check_status 2 "a cut with wrong $answers" "$nixie" run --cut "200,$answers" good.scenario
done
check_status 1 "a cut that never happens" "$nixie" run --cut 99999999 good.scenario
check_status 1 "a fault that never happens" "$nixie" run --fault 99999999,error=EIO good.scenario
check_status 0 "a cut with answers" "$nixie" run --cut 200,answers=0.1.2.3 --cut 400,answers=1 good.scenario
for command in run check fmt explore mta ''; do
    for option in --help -h; do
        is "nixie $command $option: is told on standard output" \
            "$("$nixie" $command $option 2>&1 >/dev/null; echo $?)" 0
        check "nixie $command $option: says how it is used" \
            bash -c "'$nixie' $command $option 2>/dev/null | grep -q '^usage: nixie $command'"
    done
done
check_status 2 "a seed of letters" "$nixie" run --seed abc good.scenario
check_status 2 "a parameter that is not there" "$nixie" run -D k=1 good.scenario
check_status 0 "a parameter" "$nixie" run -D n=5 good.scenario
is "is taken" "$(head -1 <<<"$output")" "ok  it & <works>      5 accepted, 5 delivered"
mkdir -p all/deep && cp good.scenario all/a.scenario && cp good.scenario all/deep/b.scenario
cp bad.scenario all/.hidden.scenario
check_status 0 "a folder" "$nixie" run all
is "holds those below, too" "$(tail -1 <<<"$output" | cut -d';' -f1)" "2 passed, 0 failed"

# output that cannot be written
for arguments in 'run good.scenario' 'run --hash good.scenario' 'run --tap good.scenario' 'run -v good.scenario' \
    'fmt - good.scenario' 'explore --crash machine --every 100 good.scenario' 'check --help'; do
    # shellcheck disable=SC2086
    check_status 4 "nixie $arguments: a full disk behind standard output" \
        bash -c '"$@" <good.scenario >/dev/full' - "$nixie" $arguments
done

for time in 99999999999h 9999999999999999999999999s 91250d1s; do
    sed "s/^at 0s/at $time/" good.scenario >far.scenario
    check_status 2 "a time of $time" "$nixie" check far.scenario
    check "is too long, and how long it may be" grep -q 'this time is too long: at most 91250d' <<<"$output"
done
check_status 0 "a time of 250 years" "$nixie" check <(sed 's/^at 0s/at 91250d/' good.scenario)

# the same seed, the same hash, and nothing else printed
check_status 0 "--hash" "$nixie" run --hash good.scenario all
is "prints HASH  FILE" "$(sed 's/^[0-9a-f]\{16\}  /H  /' <<<"$output")" 'H  good.scenario
H  all/a.scenario
H  all/deep/b.scenario'
hash=$("$nixie" run --hash good.scenario)
is "twice the same" "$("$nixie" run --hash good.scenario)" "$hash"
is "with another memory, too" \
    "$("$nixie" run --hash --arena-offset 4099 --fill 0x5a --environment-padding 99 good.scenario)" "$hash"
mkdir other && cp good.scenario other/
is "in another folder, too" "$(cd other && "$nixie" run --hash good.scenario)" "$hash"
check "another seed gives another" [ "$("$nixie" run --hash --seed 2 good.scenario)" != "$hash" ]

# TAP and JUnit
check_status 2 "--tap" "$nixie" run --tap good.scenario bad.scenario wrong.scenario
is "is TAP" "$(grep -E '^(TAP|1\.\.|ok|not ok)' <<<"$output")" 'TAP version 13
1..3
ok 1 - it & <works>
not ok 2 - it & <fails>
not ok 3 - wrong.scenario'
check_status 1 "--junit" "$nixie" run --junit out.xml good.scenario bad.scenario
if command -v python3 >/dev/null; then
    is "is XML that counts" "$(python3 -c '
import xml.etree.ElementTree as tree
suite = tree.parse("out.xml").getroot()
print(suite.get("tests"), suite.get("failures"), [case.get("name") for case in suite])')" \
        "2 1 ['it & <works>', 'it & <fails>']"
else
    skip "is XML that counts" "no python3"
fi
check_status 2 "a report that cannot be written" "$nixie" run --junit /nonexistent/x good.scenario
mkdir names && sed 1d bad.scenario >$'names/one\nok 9 # \e\xff grün.scenario'
"$nixie" run --tap names >names/tap 2>&1
is "odd names in TAP: no line and no byte of their own" "$(grep -c '^ok' names/tap) $(LC_ALL=C grep -c $'[\e\xff]' names/tap)" "0 0"
check "'#' begins no directive, UTF-8 is as it is" grep -q '^not ok 1 - one ok 9 \\#  \\xff grün$' <(sed 's/\.scenario$//' names/tap)
"$nixie" run --junit names/xml names >names/out 2>&1
if command -v python3 >/dev/null; then
    is "and in XML" "$(python3 -c '
import xml.etree.ElementTree as tree
print(ascii(tree.parse("names/xml").getroot()[0].get("classname")))')" "'names/one\\nok 9 # \\\\x1b\\\\xff gr\\xfcn.scenario'"
else
    skip "and in XML" "no python3"
fi

# a disk that takes nothing: no file, or the one that was there
takes_nothing() { (trap '' XFSZ; ulimit -f 0; "$@"); }
mkdir kept
check_status 2 "--junit where no byte can be written" takes_nothing "$nixie" run --junit kept/new good.scenario
is "leaves nothing" "$(ls -A kept)" ""
cp out.xml kept/old
check_status 2 "--junit over a report" takes_nothing "$nixie" run --junit kept/old good.scenario
check "leaves that one" cmp out.xml kept/old
check_status 2 "shrink -o" takes_nothing "$nixie" shrink -o kept/small bad.scenario
check_status 2 "pcap import --out" bash -c "'$nixie' run --pcap kept/pcap '$OLDPWD/scenarios/out/14-lost-in-data.scenario' >/dev/null &&
    trap '' XFSZ && ulimit -f 0 && '$nixie' pcap import --out kept/imported kept/pcap/*"
check "which is said" grep -q 'cannot write kept/imported.*: File too large' <<<"$output"
check_status 1 "explore --out" takes_nothing "$nixie" explore --crash machine --every 100 --states 1 --no-shrink --out kept/found bad.scenario
check "which is said" grep -q 'cannot be made in kept/found: File too large' <<<"$output"
is "leave nothing" "$(cd kept && find . ! -path './pcap*' | sort | tr '\n' ' ')" ". ./found ./old "
for out in kept/none/deep good.scenario good.scenario/x; do
    check_status 2 "explore --out $out" "$nixie" explore --crash machine --out $out bad.scenario
    check "is refused at once" grep -q "^nixie explore: --out $out: nothing can be written there: " <<<"$output"
done
is "the version" "$("$nixie" --version)" "nixie $(sed -n 's/^#define NIXIE_VERSION "\(.*\)"$/\1/p' "$OLDPWD/sim/version.h")"
GITHUB_ACTIONS=true check_status 1 "annotations" env GITHUB_ACTIONS=true "$nixie" run bad.scenario
check "name file and line" grep -q '^::error file=bad.scenario,line=11,col=12::2 of 2: delivered' <<<"$output"
check "no colour but on a terminal" bash -c "! '$nixie' run good.scenario | grep -q $'\e'"

# the story
check_status 0 "-v" "$nixie" run -v good.scenario
for stage in S1 S2 S3 S4 S5; do
    check "tells of $stage" grep -q "m.1 (1) enters $stage" <<<"$output"
done
check "tells log lines" grep -q 'log       delivery 1: success: did_1+0+0/' <<<"$output"

# include: paths are relative to the file that names them
mkdir -p parts && sed -n '/^host/,/user bob/p' good.scenario >parts/host.scenario
printf '%s\n' 'Subject: from a file' '' 'text' >parts/letter.eml
echo 'file letter letter.eml' >>parts/host.scenario
cat >whole.scenario <<'EOF'
include parts/host.scenario
at 0s alice sends m1 with letter to bob@example.com
expect m1 delivered once
    header Subject matches "from a file"
EOF
check_status 0 "include" "$nixie" run whole.scenario

# what the disk forbids
sed '/^expect/d' good.scenario >forbidden.scenario
cat >>forbidden.scenario <<'EOF'
before m.1 enters S5 crash mail power keep S2
EOF
check_status 2 "an outcome that the disk forbids" "$nixie" run forbidden.scenario
check "is refused" grep -q 'keep S2 cannot be: the disk gives S' <<<"$output"

# check and fmt
check_status 0 "nixie check" "$nixie" check good.scenario all
check_status 2 "nixie check of a wrong file" "$nixie" check good.scenario wrong.scenario
sed 's/^    user/  user/; s/expect m/expect   m/' good.scenario >ugly.scenario
check_status 1 "fmt --check of an ugly file" "$nixie" fmt --check ugly.scenario
chmod 640 ugly.scenario
check_status 0 "fmt" "$nixie" fmt ugly.scenario
is "makes it right, in place" "$(cat ugly.scenario)" "$(cat good.scenario)"
is "and keeps its mode" "$(stat -c %a ugly.scenario)" 640
check_status 0 "fmt --check of a right one" "$nixie" fmt --check ugly.scenario good.scenario
is "fmt as a filter" "$(printf 'a   b\n' | "$nixie" fmt -)" "a b"
printf 'a "b\n' >torn.scenario
check_status 2 "fmt leaves a torn file alone" "$nixie" fmt torn.scenario
is "to the byte" "$(cat torn.scenario)" 'a "b'

# hostile files: a clear error, no crash, in a moment
head -c 300000 /dev/urandom >random.scenario
check_status 2 "random bytes" timeout 200 "$nixie" run random.scenario
check "no more than 20 complaints" [ "$(grep -c '^random.scenario:' <<<"$output")" -le 20 ]
head -c 5000000 /dev/zero >zeros.scenario
check_status 2 "five million zeros" timeout 200 "$nixie" check zeros.scenario
is "too large" "$output" "zeros.scenario: cannot read it: File too large"
echo 'include loop.scenario' >loop.scenario
check_status 2 "a file that includes itself" timeout 200 "$nixie" check loop.scenario
for i in 1 2 3 4 5 6 7 8; do echo 'include bomb.scenario'; done >bomb.scenario
check_status 2 "a bomb of includes" timeout 200 "$nixie" check bomb.scenario
echo 'file f /dev/zero' >endless.scenario
check_status 2 "an endless file" timeout 200 "$nixie" check endless.scenario
yes 'host a' | head -9999 >many.scenario
check_status 2 "ten thousand hosts of one name" timeout 200 "$nixie" check many.scenario
sed 's/times \${n}/times 100001/' good.scenario >crowd.scenario
check_status 2 "too many messages" timeout 200 "$nixie" check crowd.scenario
cut=0
size=$(stat -c %s good.scenario)
while [ $cut -lt "$size" ]; do
    head -c $cut good.scenario >cut.scenario
    timeout 200 "$nixie" run cut.scenario >/dev/null 2>&1
    [ $? -le 2 ] || echo "# cut at $cut: status $?" >>cut.trouble
    cut=$((cut + 7))
done
check "a file cut anywhere" [ ! -e cut.trouble ]

cd "$repository" || exit 1
tap_end
