#!/bin/bash
# Disk models as a user meets them: each plain one keeps what was accepted, one that lies does not,
# and that is noticed (the canary of the oracles); after a failed sync nothing is believed.
. tests/e2e/tap.bash
new_folder
nixie=$BUILD/bin/nixie
story=scenarios/spool/one-message.scenario
size=(--states 4 --every 7)
[ -n "${CHECK_ALL-}" ] && size=(--states 64)

for disk in honest ffs ext4 xfs btrfs strict honest+liar; do
    output=$("$nixie" explore "$story" --crash machine --disk $disk "${size[@]}" 2>&1)
    tap_result $? "on $disk nothing is lost: $(tail -1 <<<"$output")" "$output"
done

# The canary.
for disk in liar strict+liar ext4+liar xfs+liar btrfs+liar ffs+liar; do
    check_status 1 "on $disk mail is lost" "$nixie" explore "$story" --crash machine --disk $disk \
        --states 8 --failures 3 --no-shrink --out "$tmp/$disk"
    check "... and that is said" grep -qE "^FAIL .*(LOST: m1 was accepted|EARLY: m1)" <<<"$output"
    first=("$tmp/$disk"/*.scenario)
    check_status 1 "... and written, and fails again" "$nixie" run "${first[0]}"
done
is "liar lies over strict" "$(head -1 "$tmp/liar"/*-1.scenario)" "$(head -1 "$tmp/strict+liar"/*-1.scenario)"

# After an fsync or fdatasync that failed the message is refused for now, and comes again.
write() { # DISK FAULT LINES
    cat >"$tmp/story.scenario" <<END
scenario "a sync fails"

host mail example.com
    disk $1
    user alice
    user bob

at 1s alice sends m to bob@example.com
$2

$3
END
}
for disk in strict+fsync-eio ext4+fsync-eio xfs+fsync-eio btrfs+fsync-eio fsync-eio; do
    write $disk "fault queue fdatasync 1 EIO" "expect m refused
expect m not delivered"
    check "$disk: a failed wait for the journal: refused for now" "$nixie" run "$tmp/story.scenario"
    write $disk "fault local fsync 1 EIO" "expect m delivered to bob@example.com once
    contents unchanged"
    check "$disk: a failed fsync of the mailbox: delivered later" "$nixie" run "$tmp/story.scenario"
done
write fat "" ""
check_status 2 "a model that is none" "$nixie" run "$tmp/story.scenario"
check "... is named" grep -q 'unknown disk model "fat"' <<<"$output"
tap_end
