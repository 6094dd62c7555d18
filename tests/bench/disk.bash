# A file system to measure, for the benchmarks.  Source it; it needs $build and $tmp (a folder).
#
#   choose_place    sets $place, an empty folder on it, and $place_told, what it is
#   leave_place     takes both away
#   median, ratio, now, since
#
# BENCH_DIR is a folder on the file system to measure, instead of a fresh ext4 (root) or the current
# directory.
# shellcheck shell=bash disable=SC2154
device=${device-} place=${place-}

choose_place() {
    if [ -n "${BENCH_DIR-}" ]; then
        place_told=$BENCH_DIR
        place=$(mktemp -d "$BENCH_DIR/nixie-bench.XXXXXX") || exit 3
    elif fresh_ext4; then
        place_told="a fresh ext4 with a journal, on a file with direct I/O"
        place=$tmp/disk/bench
        mkdir "$place"
    else
        place_told="$PWD ($(stat -f -c %T .); as root it would be a fresh ext4)"
        place=$(mktemp -d "$PWD/$build/bench.XXXXXX") || exit 3
    fi
    chmod 777 "$place"
}

fresh_ext4() {
    [ "$(id -u)" = 0 ] && command -v mkfs.ext4 losetup >/dev/null || return 1
    local image=$PWD/$build/bench.img
    fallocate -l 2G "$image" || return 1
    device=$(losetup --direct-io=on --show -f "$image" 2>/dev/null) || { device=''; rm -f "$image"; return 1; }
    rm -f "$image"
    if mkfs.ext4 -q -F "$device" && mkdir "$tmp/disk" && mount "$device" "$tmp/disk"; then
        chmod 755 "$tmp/disk"
        return 0
    fi
    losetup -d "$device"
    device=''
    return 1
}

leave_place() {
    [ -n "$place" ] && rm -rf "$place"
    [ -n "$device" ] && { umount "$tmp/disk"; losetup -d "$device"; }
    device='' place=''
}

ratio() { awk -v a="$1" -v b="$2" 'BEGIN {printf "%.2f", (b > 0) ? a / b : 0}'; }
now() { date +%s.%N; }
since() { awk -v a="$1" -v b="$(now)" 'BEGIN {printf "%.6f", b - a}'; }
median() { printf '%s\n' "$@" | sort -n | sed -n "$((($# + 1) / 2))p"; }
