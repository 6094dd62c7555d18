#!/bin/bash
# The build notices other flags; ci/deps notices what is missing, and says what to do.
. tests/e2e/tap.bash
new_folder
make="make --no-print-directory BUILD=$tmp/build"
object=$tmp/build/mta/lib/num.o
compiled() { $make "$@" "$object" 2>&1 | grep -c 'CC .*num'; }

is "an object is compiled" "$(compiled)" 1
is "and not again" "$(compiled)" 0
is "other flags: again" "$(compiled OPT=-O1)" 1
is "the same flags: not" "$(compiled OPT=-O1)" 0
is "another compiler: again" "$(compiled OPT=-O1 CC=cc)" 1
check "make help tells of targets that exist" bash -c '
    for target in $(sed -n "s/^##   \([a-z-]*\)  .*/\1/p" GNUmakefile); do
        make help | grep -q "^  $target " && grep -q "^$target:" GNUmakefile || exit 1
    done'

# ci/deps with a PATH in which things are missing, as someone who may not install.
mkdir "$tmp/path"
PATH_WITHOUT=$(tr : '\n' <<<"$PATH" | grep -v ccache | paste -sd :) # which needs the compiler there, too
for tool in bash sh env id cat grep sed sort tr gcc make ld objcopy nm pkg-config mandoc dpkg mktemp rm as; do
    ln -s "$(PATH=$PATH_WITHOUT command -v $tool)" "$tmp/path/$tool"
done
someone=()
[ "$(id -u)" = 0 ] && someone=(setpriv --reuid=64123 --regid=64123 --clear-groups)
cp ci/deps "$tmp/deps" && chmod -R a+rX "$tmp"
deps() { "${someone[@]}" env -i PATH="$tmp/path" "$tmp/deps" "$@"; }
check_status 2 "ci/deps does not know a word" ci/deps everything
check_status 0 "ci/deps with nothing missing" ci/deps
is "is silent" "$output" ""
check_status 3 "not Debian, patch is missing" deps
is "it is named" "$(grep -c '^    patch: patch$' <<<"$output")" 1
is "and nothing else" "$(grep -c '^    ' <<<"$output")" 1
if [ -r /etc/os-release ] && grep -qE '^(ID|ID_LIKE)=.*(debian|ubuntu)' /etc/os-release; then
    ln -s /bin/false "$tmp/path/apt-get"
    check_status 3 "Debian, patch is missing, no right to install" deps
    is "the command is told" "$(grep -c 'apt-get install --no-install-recommends patch$' <<<"$output")" 1
    ln -s "$(command -v patch)" "$tmp/path/patch"
    check_status 0 "Debian, nothing is missing" deps
    rm "$tmp/path/gcc"
    check_status 3 "no compiler" deps
    is "the headers come with it" "$(grep -c 'install --no-install-recommends gcc .*libc6-dev' <<<"$output")" 1
else
    skip "ci/deps on Debian" "this is another system"
fi
tap_end
