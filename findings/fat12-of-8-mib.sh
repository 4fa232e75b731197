#!/usr/bin/env bash
# A good guess: what mkfs.fat makes of 8 MiB with nothing but defaults is read alike by every FAT library.
# What happens: it has 4081 clusters, so it is a FAT12, as mtools, fsck.fat and blkid say. pyfatfs and libfsfat count the
#   32 sectors of the root directory as clusters too, come to more than 4084 and read the table as one of FAT16. libfsfat
#   then fails or gives wrong bytes without an error; pyfatfs fails, and when it writes a file it breaks the table.
#   A volume of 7 MiB is right with both.
# Seen with: pyfatfs 1.1.0, libfsfat-python 20260826, and dosfstools 4.2 and mtools 4.0.32 of Debian 12 as judges.
#   Needs python3, mkfs.fat, fsck.fat and mcopy.
set -euo pipefail
export PATH=$PATH:/usr/sbin:/sbin
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet pyfatfs==1.1.0 setuptools==80.9.0 libfsfat-python==20260826
cat > libfsfat-read.py <<'PY'
import pyfsfat
volume = pyfsfat.volume()
volume.open("volume")
said = []
for name in "ABC":
    entry = volume.get_file_entry_by_path("\\" + name)
    try:
        said.append("right" if entry.read_buffer(entry.get_size()) == open(name, "rb").read() else "wrong")
    except OSError:
        said.append("error")
print(*said)
PY
cat > pyfatfs-read.py <<'PY'
import sys, warnings
warnings.simplefilter("ignore")
from pyfatfs.PyFatFS import PyFatFS
disk = PyFatFS("volume", read_only=sys.argv[1] == "read")
if sys.argv[1] == "write":
    disk.writebytes("/NEW", b"new" * 3000)
else:
    said = []
    for name in "ABC":
        try:
            said.append("right" if disk.readbytes("/" + name) == open(name, "rb").read() else "wrong")
        except Exception:
            said.append("error")
    print(*said)
disk.close()
PY
# Files of one, two and four clusters of 2 KiB.
head -c 1000 /dev/urandom > A
head -c 3000 /dev/urandom > B
head -c 8000 /dev/urandom > C
echo "pyfatfs 1.1.0, libfsfat-python 20260826, $(mkfs.fat -C some 512 | head -1), $(mtools --version | head -1)"
status=0
expect() { # KIB LIBFSFAT PYFATFS AFTER-WRITING
    rm -f volume
    mkfs.fat -C volume "$1" > /dev/null
    mcopy -i volume A B C ::
    for name in A B C; do mcopy -i volume "::$name" - | cmp - "$name"; done
    kind=$(fsck.fat -nv volume | grep -oE '[0-9]+ bit entries|[0-9]+ data clusters' | paste -sd,)
    libfsfat=$(venv/bin/python libfsfat-read.py)
    pyfatfs=$(venv/bin/python pyfatfs-read.py read)
    venv/bin/python pyfatfs-read.py write > /dev/null 2>&1
    if fsck.fat -n volume > /dev/null; then after=sound; else after=broken; fi
    echo "  $1 KiB ($kind): mtools right, libfsfat: $libfsfat; pyfatfs: $pyfatfs, after it wrote: $after"
    [ "$libfsfat; $pyfatfs; $after" = "$2; $3; $4" ] || { echo "  CHANGED: it was $2; $3; $4"; status=1; }
}
expect 7168 "right right right" "right right right" sound
expect 8192 "right error wrong" "right error error" broken
exit $status
