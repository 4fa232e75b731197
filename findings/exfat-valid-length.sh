#!/usr/bin/env bash
# A good guess: readers of exFAT agree on a file whose valid data length is below its length, as systems leave it where
#   room was reserved or a copied file ends in zeros: the length is the length, and after the valid data come zeros.
# What happens: the Sleuth Kit gives the whole length, with what the clusters held before, of deleted files. libfsfat gives
#   the valid length as the size, so that the file is shorter.
# Seen with: pytsk3 20260715, libfsfat-python 20260826, and fsck.exfat of exfatprogs as the judge of the volume.
#   Needs python3, mkfs.exfat and fsck.exfat.
set -euo pipefail
export PATH=$PATH:/usr/sbin:/sbin
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet pytsk3==20260715 libfsfat-python==20260826
# Puts a file of one run of clusters into the root directory, over clusters full of old bytes.
cat > put.py <<'PY'
import struct, sys
valid, length = int(sys.argv[1]), int(sys.argv[2])
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
    write(place(first), (b"new" * valid)[:valid] + (b"old" * length)[:count * cluster - valid])
    name = "FILE"
    hash = 0
    for byte in name.encode("utf-16-le"):
        hash = rotate(hash, byte)
    date = 0x5b7d0000
    entries = bytearray(struct.pack("<BBHHHIII12x", 0x85, 2, 0, 0x20, 0, date, date, date))
    entries += struct.pack("<BBBBHHQIIQ", 0xC0, 3, 0, len(name), hash, 0, valid, 0, first, length)
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
import pyfsfat, pytsk3
valid = int(sys.argv[1])
def tsk():
    file = pytsk3.FS_Info(pytsk3.Img_Info("volume")).open("/FILE")
    return file.read_random(0, file.info.meta.size)
def libfsfat():
    volume = pyfsfat.volume()
    volume.open("volume")
    file = volume.get_file_entry_by_path("\\FILE")
    return file.read_buffer(file.get_size())
said = []
for reader in tsk, libfsfat:
    got = reader()
    assert got[:valid] == (b"new" * valid)[:valid]
    rest = got[valid:]
    what = "" if not rest else " with old bytes" if b"oldold" in rest else " with others"
    said.append(f"{reader.__name__} {len(got)}{what}")
print(", ".join(said))
PY
echo "pytsk3 20260715, libfsfat-python 20260826, $(mkfs.exfat -V | head -1)"
status=0
expect() { # VALID LENGTH WORDS
    rm -f volume
    truncate -s 64M volume
    mkfs.exfat volume > /dev/null
    python3 put.py "$1" "$2"
    fsck.exfat -n volume | grep -q 'clean. directories 1, files 1'
    said=$(venv/bin/python read.py "$1")
    echo "  $1 bytes valid of $2: $said"
    [ "$said" = "$3" ] || { echo "  CHANGED: it was $3"; status=1; }
}
expect 100000 100000 "tsk 100000, libfsfat 100000"
expect 10000 100000 "tsk 100000 with old bytes, libfsfat 10000"
exit $status
