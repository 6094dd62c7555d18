#!/bin/bash
# make install: an installed nixie finds its programs, and a home made by it works.
. tests/e2e/tap.bash
new_folder
make="make --no-print-directory BUILD=$BUILD"
check "make install" $make install DESTDIR="$tmp/a stage" PREFIX=/opt/nixie
is "the commands" "$(ls "$tmp/a stage/opt/nixie/bin" | tr '\n' ' ')" "nixie nixie-inject nixie-qread nixie-qstat nixie-sendmail "
check "nixie-inject is there" test -x "$tmp/a stage/opt/nixie/bin/nixie-inject"
is "all programs" "$(ls "$tmp/a stage/opt/nixie/libexec/nixie" | tr '\n' ' ')" "$(cd "$BUILD/bin" && ls -d nixie-* | tr '\n' ' ')"
is "all pages" "$(find "$tmp/a stage" -path '*/man/man*/*' | wc -l)" "$(find docs/man -name '*.[1-9]' | wc -l)"
chmod -R a+rX "$tmp/a stage"
mkdir -m 777 "$tmp/work"
someone=()
[ "$(id -u)" = 0 ] && someone=(setpriv --reuid=64123 --regid=64123 --clear-groups)
nixie="$tmp/a stage/opt/nixie/bin/nixie"
check "mta init finds the installed programs" "${someone[@]}" "$nixie" mta init "$tmp/work/home" --domain mail.example
"${someone[@]}" "$nixie" mta user "$tmp/work/home" alice >/dev/null
check "an installed nixie-inject takes mail for NIXIE_HOME" env NIXIE_HOME="$tmp/work/home" \
    "${someone[@]}" "$tmp/a stage/opt/nixie/bin/nixie-inject" -f alice alice <<<$'Subject: x\n\ny'
is "into its queue" "$(ls "$tmp/work/home/queue/todo" | wc -l)" 1
check "make uninstall" $make uninstall DESTDIR="$tmp/a stage" PREFIX=/opt/nixie
is "takes all away" "$(find "$tmp/a stage" -mindepth 1)" ""
check "make install without DESTDIR" $make install PREFIX="$tmp/own"
touch "$tmp/own/bin/other"
check "make uninstall" $make uninstall PREFIX="$tmp/own"
is "leaves what is not its own" "$(cd "$tmp/own" && find . | sort | tr '\n' ' ')" ". ./bin ./bin/other "
tap_end
