# A partition with a filesystem that e2fsck complains of.
server_files "$HIDDEN/files"
text "$HIDDEN/files/home/alice/letter to bob.txt" 4000
truncate -s 256M "$HIDDEN/sdb"
printf 'label: gpt\ntype=L\n' | sfdisk -q "$HIDDEN/sdb"
ext4 "$HIDDEN/sdb" $((1 << 20)) $((254 << 8)) data 0b5f8a52-7c2f-4f3e-8d3c-9a1b2c3d4e5f \
    "$HIDDEN/files"
debugfs -w -R 'set_inode_field <12> links_count 7' "$HIDDEN/sdb?offset=1048576" 2>&1
disks "sdb=$HIDDEN/sdb"
