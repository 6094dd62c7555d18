#!/bin/bash
# The gates refuse what they should and let pass what they should.  Prints TAP.
#
# tests/gates/NAME.c begins with a comment "refuse: WORDS OF THE COMPLAINT" or "pass: WHAT"; lines
# "flags: ..." and "with: OTHER.c" add compiler flags and an object.  part-*.c are such others.
set -u
cd "$(dirname "$0")/../.." || exit 1
build=${BUILD:-build}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
count=0 failed=0
report() { # RESULT NAME
    count=$((count + 1))
    if [ "$1" -eq 0 ]; then echo "ok $count - $2"; else echo "not ok $count - $2"; failed=1; fi
}
skip() { count=$((count + 1)); echo "ok $count - $1 # SKIP $2"; }
field() { sed -n "s|^/\* $1: \(.*\) \*/\$|\1|p" "$2"; }

flags=(-std=gnu11 -g -fPIE -fno-lto -fno-common -fstack-protector-strong -w -D_GNU_SOURCE
    -D_FILE_OFFSET_BITS=64)

# --- the objects of tests/gates ---
try() { # COMPILER OPTIMISATION FILE
    local name extra=() objects=("$box/object.o") want other
    name="$1 $2: $(basename "$3" .c)"
    read -ra extra <<<"$(field flags "$3")"
    other=$(field with "$3")
    rm -f "$box"/*.o
    local all=("${flags[@]}" "$2" "${extra[@]}")
    [ "$2" = -O0 ] || all+=(-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
    if [ -n "$other" ]; then
        "$1" "${all[@]}" -c -o "$box/other.o" "tests/gates/$other" || { report 1 "$name"; return; }
        objects+=("$box/other.o")
    fi
    "$1" "${all[@]}" -c -o "$box/object.o" "$3" || { report 1 "$name"; return; }
    ci/gate --name test "${objects[@]}" 2>"$box/said"
    local status=$?
    want=$(field refuse "$3")
    if [ -n "$want" ]; then
        [ $status -eq 1 ] && grep -F -- "$want" "$box/said" | grep -Eq 'object\.o|: there is no main$'
    else
        [ $status -eq 0 ] && [ ! -s "$box/said" ]
    fi
    local result=$?
    report $result "$name"
    [ $result -eq 0 ] || { echo "status $status, want ${want:-none}"; cat "$box/said"; } | sed 's/^/# /'
}
try_all() { # COMPILER OPTIMISATION
    local compiler=$1 optimisation=$2 box=$work/$1 file turn=0
    mkdir "$box"
    if ! command -v "$compiler" >/dev/null; then
        skip "$compiler" "it is not installed"
        return
    fi
    for file in tests/gates/refuse-*.c tests/gates/pass-*.c; do
        turn=$((turn + 1)) # of the second compiler's every third will do
        [ "$compiler" = gcc ] || [ -n "${CHECK_ALL-}" ] || [ $((turn % 3)) = 0 ] || continue
        try "$compiler" "$optimisation" "$file"
    done
}
# Side by side, told one after the other under new numbers.
try_all gcc -O2 >"$work/gcc.tap" 2>&1 &
try_all clang -O0 >"$work/clang.tap" 2>&1 &
wait
while read -r line; do
    case $line in
    "ok "* | "not ok "*)
        count=$((count + 1))
        [ "${line%% *}" = ok ] || failed=1
        echo "${line%%ok *}ok $count - ${line#* - }"
        ;;
    *) echo "$line" ;;
    esac
done < <(cat "$work/gcc.tap" "$work/clang.tap")

# --- joined objects ---
cat >"$work/joined.c" <<'EOC'
int close(int);
int main(void) { return close(3); }
EOC
gcc -O2 -fPIE -c -o "$work/plain.o" "$work/joined.c"
joined() { # WANT NAME OBJCOPY-ARGUMENTS...
    objcopy "${@:3}" "$work/plain.o" "$work/joined.o"
    ci/gate --joined program_x_main "$work/joined.o" 2>"$work/said"
    local status=$?
    if [ -n "$1" ]; then [ $status -eq 1 ] && grep -qF "$1" "$work/said"; else [ $status -eq 0 ]; fi
    report $? "joined: $2"
}
joined "" "re-pointed and renamed" --redefine-sym main=program_x_main --redefine-sym close=sim_close
joined "still calls close" "not re-pointed" --redefine-sym main=program_x_main
joined "there is no program_x_main" "not renamed" --redefine-sym close=sim_close
joined "another is still global" "two globals" --redefine-sym main=program_x_main \
    --redefine-sym close=sim_close --add-symbol another=.text:0,global
joined "refers to sim_sneak" "an unlisted sim_ name" --redefine-sym main=program_x_main \
    --redefine-sym close=sim_sneak

# --- c-ares ---
cares() { # WANT NAME MODE OBJECT
    ci/gate "$3" cares "$4" 2>"$work/said"
    local status=$?
    if [ -n "$1" ]; then [ $status -eq 1 ] && grep -qF "$1" "$work/said"; else [ $status -eq 0 ]; fi
    local result=$?
    report $result "c-ares: $2"
    [ $result -eq 0 ] || sed 's/^/# /' "$work/said"
}
plain=$build/joined/cares.plain.o
with() { # CODE: c-ares with a bit more
    echo "$1" | gcc -O0 -fPIE -x c -c -o "$work/more.o" - && ld -r -o "$work/cares.o" "$plain" "$work/more.o"
}
cares "" "as it is here" --library "$plain"
cares "" "re-pointed" --library-joined "$build/joined/cares.o"
cares "still calls fopen" "not re-pointed" --library-joined "$plain"
with 'int more;'
cares "has mutable data: more in .bss" "data that change" --library "$work/cares.o"
with 'int system(const char *); int more(void) { return system("x"); }'
cares "refers to system" "an outside call" --library "$work/cares.o"
objcopy --redefine-sym ares_initialized=ares_begun "$plain" "$work/cares.o"
cares "there is no ares_initialized that can change" "other data" --library "$work/cares.o"
objcopy --redefine-sym ares_send=ares_post "$plain" "$work/cares.o"
cares "there is no ares_send" "a missing function" --library "$work/cares.o"
objcopy --add-symbol another=.text:0,global "$build/joined/cares.o" "$work/cares.o"
cares "another is still global" "another global" --library-joined "$work/cares.o"

# --- includes ---
tree() { rm -rf "$work/tree"; mkdir -p "$work/tree"/{mta/lib,mta/send,sim/kernel,sim/world,sim/actors/{lib,server}}; }
tree_file() { printf '%s\n' "${@:2}" >"$work/tree/$1"; }
includes() { # WANT NAME
    ci/check-includes "$work/tree" 2>"$work/said"
    local status=$?
    if [ -n "$1" ]; then [ $status -ne 0 ] && grep -qF "$1" "$work/said"; else [ $status -eq 0 ]; fi
    local result=$?
    report $result "includes: $2"
    [ $result -eq 0 ] || sed 's/^/# /' "$work/said"
}
base() {
    tree
    tree_file mta/lib/buf.h "#include <stddef.h>"
    tree_file mta/lib/io.c '#include "mta/lib/buf.h"'
    tree_file mta/send/send.h '#include "mta/lib/buf.h"'
    tree_file mta/send/main.c '#include "mta/send/send.h"'
    tree_file mta/clean.c '#include "mta/lib/buf.h"'
    tree_file sim/kernel/kernel.h '#include "mta/lib/buf.h"'
    tree_file sim/world/world.c '#include "sim/kernel/kernel.h"'
    tree_file sim/world/world.h '#include <stddef.h>'
    tree_file sim/nixie.c '#include "sim/world/world.h"'
    tree_file sim/actors/sh.c '#include "mta/lib/buf.h"'
    tree_file sim/actors/lib/words.h '#include "mta/lib/buf.h"'
    tree_file sim/actors/server/main.h '#include "sim/actors/lib/words.h"'
    tree_file sim/actors/server/main.c '#include "sim/actors/server/main.h"'
}
base; includes "" "downwards"
base; tree_file mta/clean.c '#include "sim/kernel/kernel.h"'; includes "mta/clean.c:1" "mta includes sim"
base; tree_file mta/lib/io.c '#include "mta/send/send.h"'; includes "mta/lib/io.c:1" "mta/lib includes a program"
base; tree_file mta/clean.c '#include "mta/send/send.h"'; includes "mta/clean.c:1" "one program includes another"
base; tree_file sim/kernel/kernel.h '' '  # include "sim/world/world.h"'; includes "kernel.h:2" "the kernel includes the world"
base; tree_file sim/world/world.c '#include "mta/send/send.h"'; includes "world.c:1" "the world includes a program"
base; tree_file sim/actors/sh.c '#include "sim/kernel/kernel.h"'; includes "sh.c:1" "an actor includes the kernel"
base; tree_file sim/actors/sh.c '#include "sim/actors/server/main.h"'; includes "sh.c:1" "one actor includes another"
base; tree_file sim/actors/lib/words.h '#include "sim/actors/server/main.h"'; includes "words.h:1" "the actors' library includes an actor"
base; tree_file sim/kernel/kernel.h '#include "sim/actors/lib/words.h"'; includes "kernel.h:1" "the kernel includes the actors' library"
base; tree_file mta/clean.c '#include "lib/buf.h"'; includes "no path from the root" "a short path"
base; tree_file mta/clean.c '#include "mta/lib/none.h"'; includes "is not there" "a missing file"
base; tree_file mta/clean.c 'static int x(void) { __asm__ volatile("syscall"); }'; includes "inline assembly" "inline assembly"
ci/check-includes; report $? "includes of this tree"

# --- lists ---
lists() { # WANT NAME POSIX PURE
    mkdir -p "$work/lists/sim/kernel"
    printf '%s\n' $3 >"$work/lists/sim/kernel/posix.list"
    printf '%s\n' $4 >"$work/lists/sim/kernel/pure.list"
    (cd "$work/lists" && "$OLDPWD/ci/check-lists" .) 2>"$work/said"
    local status=$?
    if [ -n "$1" ]; then [ $status -eq 1 ] && grep -qF "$1" "$work/said"; else [ $status -eq 0 ]; fi
    local result=$?
    report $result "lists: $2"
    [ $result -eq 0 ] || sed 's/^/# /' "$work/said"
}
lists "" "in order" "close" "strlen"
lists "close is listed twice" "on both" "close" "close"
lists "close is listed twice" "twice on one" "close close" "strlen"
lists "fork must be on no list" "fork" "close fork" "strlen"
lists "read is on posix.list, but not libc's __read_chk" "a fortified form" "read" "strlen"
lists "stat is on posix.list, but not libc's stat64" "a 64-bit form" "stat" "strlen"
libsim=
if nm "$build/libsim.a" 2>/dev/null | grep -q ' T sim_close$'; then libsim=$build/libsim.a; fi
ci/check-lists . "$libsim"; report $? "lists of this tree${libsim:+, against $libsim}"

echo "1..$count"
exit $failed
