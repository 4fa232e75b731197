#!/usr/bin/env bash
# A good guess: a hole in a file of ext2, ext3 or ext4 is read as zeros.
# What happens: where a file has no extents (all of ext2 and ext3, and ext4 that was converted) and ends in a hole,
#   dissect.extfs gives the first block of the filesystem for the file's last block: boot code and superblock. So sparse
#   disk images and databases end in the bytes of another thing, with no error. With extents it is right.
# Seen with: dissect.extfs 3.15, and debugfs of e2fsprogs as the judge. Needs python3, mke2fs and debugfs.
set -euo pipefail
export PATH=$PATH:/usr/sbin:/sbin
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet dissect.extfs==3.15
cat > read.py <<'PY'
from dissect.extfs import ExtFS
with open("disk", "rb") as disk:
    first = disk.read(4096)
    said = []
    for name in "hole", "data":
        got = ExtFS(disk).get(name).open().read()
        want = open("files/" + name, "rb").read()
        if got == want:
            said.append(f"{name} right")
        elif got == want[:-4096] + first:
            said.append(f"{name} ends in the filesystem's first block")
        else:
            said.append(f"{name} wrong")
print(", ".join(said))
PY
# Both have a hole in the middle; only one ends in a hole.
mkdir files
for name in hole data; do
    head -c 8192 /dev/urandom > files/$name
    truncate -s 1M files/$name
done
head -c 4096 /dev/urandom | dd of=files/data bs=4096 seek=255 conv=notrunc status=none
echo "dissect.extfs 3.15, $(mke2fs -V 2>&1 | head -1)"
status=0
expect() { # TYPE WORDS
    rm -f disk
    truncate -s 64M disk
    mke2fs -q -F -t "$1" -b 4096 -d files disk
    for name in hole data; do
        debugfs -R "dump $name got" disk > said 2>&1
        cmp got files/$name
    done
    said=$(venv/bin/python read.py)
    echo "  $1: debugfs right, dissect.extfs: $said"
    [ "$said" = "$2" ] || { echo "  CHANGED: it was $2"; status=1; }
}
expect ext4 "hole right, data right"
expect ext3 "hole ends in the filesystem's first block, data right"
expect ext2 "hole ends in the filesystem's first block, data right"
exit $status
