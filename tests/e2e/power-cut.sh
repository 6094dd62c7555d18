#!/bin/bash
# Power loss on real file systems (tests/powercut/): a disk of which each write and each flush is remembered, and on it
# a loop device and ext4 with and without a journal, xfs or btrfs.  A cut is what was flushed, and any of what was
# written later, after fsck and mount.
#
# - Small programs of calls: each tree found is one that the simulator's model of that file system allows.
# - The shipped server under load: nothing that it accepted before the cut is lost, nothing is invented or changed; and
#   again when the power goes during the recovery.
# - A drive that says that it has flushed, and has not: both must notice.
#
# Needs root, loop devices and FUSE.  CHECK_ALL=1: more than 1,000 cuts of the server, and thousands of trees.
. tests/e2e/tap.bash
unset NIXIE_HOME
powercut=$BUILD/tests/powercut/powercut
none() {
    skip "power cuts" "$1"
    tap_end
}
[ "$(id -u)" = 0 ] || none "it takes root: loop devices and mounts"
[ -x "$powercut" ] || none "it was built without libfuse3"
[ -c /dev/fuse ] && [ -c /dev/loop-control ] || none "no FUSE or no loop devices here"
command -v mkfs.ext4 losetup setpriv >/dev/null || none "it takes mkfs.ext4, losetup and setpriv"
new_folder
take_programs
chmod 755 "$tmp" "$tmp/bin" "$tmp"/bin/*

if [ -n "${CHECK_ALL-}" ]; then
    sequences=(-n 120 -c 40 -t 240) load=(-n 60 -c 280) lying=(-n 30 -c 6)
else
    sequences=(-n 3 -c 12 -t 6) load=(-n 24 -c 4 -t 12) lying=(-n 24 -c 3)
fi

# Runs powercut; 77: not possible here.  What it says is in $tmp/NAME.
try() {
    local name=$1
    shift
    nice -n 5 timeout --foreground 2400 "$powercut" "$@" >"$tmp/$name" 2>&1
    echo $? >"$tmp/$name.status"
}

# All that concerns one file system.
try_all() {
    try "$1-sequences" sequences "${sequences[@]}" "$1"
    [ -z "${CHECK_ALL-}" ] && [ "$1" != ext4 ] && [ "$1" != ext4-no-journal ] && return
    try "$1-load" load "${load[@]}" -b "$tmp/bin" "$1"
}

tell() { # NAME TEXT
    local name=$1 text=$2 status
    status=$(cat "$tmp/$name.status")
    if [ "$status" = 77 ]; then
        skip "$text" "$(tail -1 "$tmp/$name")"
        return
    fi
    tap_result "$status" "$text" "$(head -c 1900 "$tmp/$name")"
    sed -n 's/^SUM /#| /p' "$tmp/$name"
}

kinds=()
for kind in ext4 ext4-no-journal xfs btrfs; do
    program=mkfs.${kind%%-*}
    if command -v "$program" >/dev/null; then
        kinds+=("$kind")
    else
        skip "cuts on $kind" "no $program"
    fi
done

# Two at once: each waits for mounts more than it computes.
for kind in "${kinds[@]}"; do
    try_all "$kind" &
    [ "$(jobs -rp | wc -l)" -lt 2 ] || wait -n
done
wait
for kind in "${kinds[@]}"; do
    tell "$kind-sequences" "$kind: the model allows each tree that was found"
    [ ! -e "$tmp/$kind-load.status" ] || tell "$kind-load" "$kind: no accepted mail is lost, none invented"
done

if [ -n "${CHECK_ALL-}" ]; then
    cuts=$(sed -n 's/^SUM .* \([0-9]*\) cuts, .* during recovery.*/\1/p' "$tmp"/*-load | awk '{n += $1} END {print n + 0}')
    echo "#| $cuts cuts of the server under load"
    [ ${#kinds[@]} -lt 4 ] || check "at least 1,000 cuts of the server" test "$cuts" -ge 1000
fi

try lying-sequences sequences -l -n 2 -c 12 ext4
is "a drive that lies leaves trees that no model allows" "$(cat "$tmp/lying-sequences.status")" 1
if [ -n "${CHECK_ALL-}" ]; then
    try lying-load load -l "${lying[@]}" -b "$tmp/bin" ext4
    check "and loses mail" grep -q "MAIL LOST" "$tmp/lying-load"
fi
tap_end
