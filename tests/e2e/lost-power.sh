#!/bin/bash
# Power loss on the real kernel: the disk of a running server is copied as it is, what is only in the system's cache left
# out, and the server is started on the copy, in what it takes for another boot.  Needs root: a file system of its own.
. tests/e2e/tap.bash
. tests/e2e/server.bash
unset NIXIE_HOME
if [ "$(id -u)" != 0 ] || ! command -v mkfs.ext4 losetup setpriv >/dev/null; then
    skip "mail that a disk keeps" "it takes root, mkfs.ext4, losetup and setpriv"
    tap_end
fi
if [ "${1-}" != --inside ]; then
    unshare --mount --propagation private true 2>/dev/null || {
        skip "mail that a disk keeps" "this root may not make a mount namespace"
        tap_end
    }
    exec unshare --mount --propagation private bash "$0" --inside
fi
new_folder
take_programs
chmod 755 "$tmp" "$tmp/bin" "$tmp"/bin/*
device='' copy='' disk=$tmp/disk home=$tmp/disk/home count=40
leave() {
    for p in start send queue listen; do server_kill "$home" $p; done
    umount -l "$disk" 2>/dev/null
    for d in $device $copy; do losetup -d "$d" 2>/dev/null; done
    rm -rf "$tmp"
}
trap leave EXIT
as_user() { setpriv --reuid=64999 --regid=64999 --clear-groups "$@"; }
mkdir "$disk" && truncate -s 128M "$tmp/image" && mkfs.ext4 -q -F "$tmp/image" &&
    device=$(losetup --show -f "$tmp/image" 2>/dev/null) && mount "$device" "$disk" || {
    skip "mail that a disk keeps" "no loop device here"
    tap_end
}
mkdir "$disk/home" && chown 64999:64999 "$disk/home"
touch "$tmp/start.log" && chmod 666 "$tmp/start.log"

start() {
    as_user "$nixie" mta start "$home" >>"$tmp/start.log" 2>&1 </dev/null &
    wait_for 20 server_is_up "$home"
}
in_spool() { find "$home/queue/$1" -type f | wc -l; }
has_all() { [ "$(in_spool mess)" = $count ]; }

check "init" as_user "$nixie" mta init "$home" --domain $domain
check "a user" as_user "$nixie" mta user "$home" bob
echo 0 >"$home/control/concurrencylocal"
check "start" start
sync -f "$disk"
accepted=0
for ((i = 1; i <= count; i++)); do
    printf 'From: a@%s\nTo: bob@%s\nSubject: %d\n\nmessage %d\n' $domain $domain $i $i |
        as_user "$home/bin/nixie-inject" && accepted=$((accepted + 1))
done
cp --sparse=always "$tmp/image" "$tmp/copied" # the power goes now
is "accepted" $accepted $count
check "the journal is there" test -s "$home/queue/lock/journal"

for p in start send queue listen; do server_kill "$home" $p; done
gone() { [ -z "$(server_pids "$home" clean)$(server_pids "$home" log)$(server_pids "$home" lspawn)" ]; }
wait_for 10 gone
umount "$disk" || umount -l "$disk"
copy=$(losetup --show -f "$tmp/copied") && mount "$copy" "$disk" || exit 1
echo "# after the power loss the spool has $(in_spool mess) of $count messages"
echo 00000000-1111-2222-3333-444444444444 >"$tmp/boot"
mount --bind "$tmp/boot" /proc/sys/kernel/random/boot_id || exit 1
check "start after it" start
check "every message is there again" wait_for 20 has_all
is_queued() { [ "$(in_spool todo) $(in_spool info)" = "0 $count" ]; }
check "and queued" wait_for 20 is_queued
rm "$home/control/concurrencylocal"
as_user "$nixie" mta stop "$home" >/dev/null
check "start, with deliveries" start
all_came() { has_mails "$home" bob $count; }
check "all are delivered" wait_for 30 all_came
is "once each" "$(mails "$home" bob | xargs grep -h '^Subject: ' | sort -u | wc -l) $(count_mails "$home" bob)" "$count $count"
check "the queue is empty" wait_empty "$home" 20
as_user "$nixie" mta stop "$home" >/dev/null
tap_end
