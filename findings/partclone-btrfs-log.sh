#!/usr/bin/env bash
# A good guess: what partclone.btrfs saves without an error can be mounted, if what it saved can be.
# What happens: after a crash, what was synced by fsync since the last commit is in a log, which the extent tree does not
#   know. partclone.btrfs goes by the extent tree alone: the log is not saved, and neither are the contents it refers to.
#   partclone.btrfs and partclone.restore end with 0. The kernel mounts the source, with the synced file; it refuses the
#   restored filesystem, whose superblock still names the log.
# Seen with: partclone 0.3.23 and 0.3.49, btrfs-progs 6.2, Linux 6.18. Needs partclone and btrfs-progs, and root.
set -euo pipefail
export PATH=$PATH:/usr/sbin:/sbin
folder=$(mktemp -d)
mount=$folder/mounted
trap 'umount -q "$mount" || true; rm -rf "$folder"' EXIT
cd "$folder"
mkdir "$mount"
truncate -s 300M volume
mkfs.btrfs -q -f volume > /dev/null 2>&1
mount -o loop,commit=300 volume "$mount"
head -c 200000 /dev/urandom > file
cp file "$mount/before"
btrfs filesystem sync "$mount" > /dev/null
cp file "$mount/synced"
sync "$mount/synced"
# As a crash would leave the disk: the log is written, the next commit is not.
cp volume crashed
umount "$mount"
echo "$(partclone.btrfs -v 2>&1 | grep -o 'v[0-9.]*' | head -1), Linux $(uname -r | cut -d. -f1,2): a filesystem with $(btrfs inspect-internal dump-super crashed | awk '$1 == "log_root" && $2 > 0 {print "a log"}')"
status=0
expect() { # WHAT FOUND WAS
    echo "  $1: $2"
    [ "$2" = "$3" ] || { echo "  CHANGED: it was $3"; status=1; }
}
synced() { # IMAGE: whether it can be mounted, and has the file. The log would be gone after that, so it is a copy.
    cp "$1" copy
    if ! mount -o loop copy "$mount" 2> /dev/null; then
        echo "not mounted"
        return
    fi
    if cmp -s "$mount/synced" file; then echo there; else echo lost; fi
    umount "$mount"
}
expect "the synced file" "$(synced crashed)" there
code=0
partclone.btrfs -c -q -s crashed -o saved -L log > /dev/null 2>&1 || code=$?
expect "partclone.btrfs" $code 0
truncate -s 300M restored
code=0
partclone.restore -q -C -O restored -s saved -L log > /dev/null 2>&1 || code=$?
expect "partclone.restore" $code 0
expect "the synced file, restored" "$(synced restored)" "not mounted"
exit $status
