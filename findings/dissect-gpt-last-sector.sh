#!/usr/bin/env bash
# A good guess: a reader of partition tables gives each partition of a GPT to its last sector, which the table names.
# What happens: dissect.volume takes the last LBA for the one after the end, so that every partition of a GPT lacks its
#   last sector. There NTFS has the backup of its boot sector; LVM, md and filesystems may use it too, and no hash of a
#   partition agrees with other tools. The same partition in an MBR is whole.
# Seen with: dissect.volume 3.18, and sfdisk as the judge. Needs python3 and sfdisk.
set -euo pipefail
export PATH=$PATH:/usr/sbin:/sbin
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet dissect.volume==3.18
cat > read.py <<'PY'
import sys
from dissect.volume.disk import Disk
with open(sys.argv[1], "rb") as file:
    for partition in Disk(file).partitions:
        stream = partition.open()
        sectors = 0
        while last := stream.read(512):
            sectors += 1
            text = last.rstrip(b"\0").decode()
        print(f"{sectors} sectors, the last says '{text}'")
PY
echo "dissect.volume 3.18, $(sfdisk --version)"
status=0
expect() { # LABEL WORDS
    rm -f disk
    truncate -s 8M disk
    printf 'label: %s\nstart=2048, size=4096\n' "$1" | sfdisk -q disk
    printf 'the end' | dd of=disk bs=512 seek=6143 conv=notrunc status=none
    printf 'before it' | dd of=disk bs=512 seek=6142 conv=notrunc status=none
    said=$(venv/bin/python read.py disk)
    echo "  $1: sfdisk has $(sfdisk -d disk | grep -oE 'size= *[0-9]+'), dissect.volume: $said"
    [ "$said" = "$2" ] || { echo "  CHANGED: it was $2"; status=1; }
}
expect dos "4096 sectors, the last says 'the end'"
expect gpt "4095 sectors, the last says 'before it'"
exit $status
