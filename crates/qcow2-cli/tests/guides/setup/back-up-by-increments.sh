# A volume with a filesystem, of which a snapshot is made each day.
server_files "$HIDDEN/files"
truncate -s 256M "$HIDDEN/root"
ext4 "$HIDDEN/root" 0 $((256 << 8)) root 0b5f8a52-7c2f-4f3e-8d3c-9a1b2c3d4e5f "$HIDDEN/files"
rm -r "$HIDDEN/files"
mkdir backup
disks "vg/snap=$HIDDEN/root"

# a_day_passes NAME: a file comes, and a part of another one goes.
a_day_passes() {
    seq -f "$1 %.0f" 400000 >"$HIDDEN/new"
    printf 'cd /var\nwrite %s %s\nrm /usr/bin/service\n' "$HIDDEN/new" "$1" >"$HIDDEN/change"
    debugfs -w -f "$HIDDEN/change" /dev/vg/snap >"$HIDDEN/debugfs" 2>&1
}
