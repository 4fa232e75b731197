#!/usr/bin/env bash
# A good guess: dissect.target, which opens exFAT, gives the bytes of a file there, or an error.
# What happens: it counts the places of files in sectors and uses the counts as clusters. So every file is read from
#   somewhere else, as zeros or as other files' bytes, of the right length and without an error, unless a cluster is one
#   sector. Names, sizes and dates are right.
# Seen with: dissect.target 3.25.1 with dissect.fat 3.13, and the Sleuth Kit (pytsk3 20260715) as the judge.
#   Needs python3, mkfs.exfat and fsck.exfat.
set -euo pipefail
export PATH=$PATH:/usr/sbin:/sbin
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet dissect.target==3.25.1 dissect.fat==3.13 pytsk3==20260715
# Puts a file of one run of clusters into the root directory.
cat > put.py <<'PY'
import struct, sys
length = int(sys.argv[1])
def rotate(sum, byte, bits=0xffff):
    return ((sum << 15 | sum >> 1) + byte) & bits
with open("volume", "r+b") as volume:
    boot = volume.read(512)
    heap, clusters, root = struct.unpack_from("<III", boot, 88)
    sector, cluster = 1 << boot[108], 1 << boot[108] + boot[109]
    def place(number):
        return heap * sector + (number - 2) * cluster
    def read(number, size):
        volume.seek(place(number))
        return bytearray(volume.read(size))
    def write(where, what):
        volume.seek(where)
        volume.write(what)
    directory = read(root, cluster)
    kinds = list(directory[::32])
    bitmap = struct.unpack_from("<I", directory, kinds.index(0x81) * 32 + 20)[0]
    first, count = 100, -(-length // cluster)
    used = read(bitmap, (clusters + 7) // 8)
    for number in range(first - 2, first - 2 + count):
        used[number // 8] |= 1 << number % 8
    write(place(bitmap), used)
    write(place(first), (b"new" * length)[:length])
    name = "FILE"
    hash = 0
    for byte in name.encode("utf-16-le"):
        hash = rotate(hash, byte)
    date = 0x5b7d0000
    entries = bytearray(struct.pack("<BBHHHIII12x", 0x85, 2, 0, 0x20, 0, date, date, date))
    entries += struct.pack("<BBBBHHQIIQ", 0xC0, 3, 0, len(name), hash, 0, length, 0, first, length)
    entries += (b"\xc1\0" + name.encode("utf-16-le")).ljust(32, b"\0")
    sum = 0
    for i, byte in enumerate(entries):
        if i not in (2, 3):
            sum = rotate(sum, byte)
    struct.pack_into("<H", entries, 2, sum)
    write(place(root) + kinds.index(0) * 32, entries)
PY
cat > read.py <<'PY'
import sys
import pytsk3
from dissect.target.filesystems.exfat import ExfatFilesystem
want = (b"new" * int(sys.argv[1]))[:int(sys.argv[1])]
file = pytsk3.FS_Info(pytsk3.Img_Info("volume")).open("/FILE")
judge = file.read_random(0, file.info.meta.size)
got = ExfatFilesystem(open("volume", "rb")).path("/FILE").open().read()
words = ["right" if it == want else f"{len(it)} zeros" if not any(it) else "wrong" for it in (judge, got)]
print(f"the Sleuth Kit {words[0]}, dissect.target {words[1]}")
PY
echo "dissect.target 3.25.1, dissect.fat 3.13, pytsk3 20260715, $(mkfs.exfat -V | head -1)"
status=0
expect() { # CLUSTER WORDS
    rm -f volume
    truncate -s 64M volume
    mkfs.exfat -c "$1" volume > /dev/null
    python3 put.py 5000
    fsck.exfat -n volume | grep -q 'clean. directories 1, files 1'
    said=$(venv/bin/python read.py 5000)
    echo "  clusters of $1 bytes: $said"
    [ "$said" = "$2" ] || { echo "  CHANGED: it was $2"; status=1; }
}
expect 512 "the Sleuth Kit right, dissect.target right"
expect 4096 "the Sleuth Kit right, dissect.target 5000 zeros"
exit $status
