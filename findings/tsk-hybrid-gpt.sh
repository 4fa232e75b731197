#!/usr/bin/env bash
# A good guess: a disk with a GPT and a hybrid MBR (as for Raspberry Pi and old firmware) shows the partitions of its GPT,
#   as sfdisk, parted and the kernel have it, or both tables' partitions.
# What happens: the Sleuth Kit decides by the first slot of the MBR. With the entry of the GPT there it lists the GPT; with
#   that entry after others, as "sgdisk -h N:EE" makes it, it lists the MBR, and a partition that is only in the GPT is
#   "Unallocated" space.
# Seen with: pytsk3 20260715, and sfdisk as the judge. Needs python3, sgdisk and sfdisk.
set -euo pipefail
export PATH=$PATH:/usr/sbin:/sbin
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet pytsk3==20260715
cat > list.py <<'PY'
import pytsk3
for part in pytsk3.Volume_Info(pytsk3.Img_Info("disk")):
    if part.flags == pytsk3.TSK_VS_PART_FLAG_ALLOC:
        print(part.start, part.desc.decode())
print("space of the second:", next(part.desc.decode() for part in pytsk3.Volume_Info(pytsk3.Img_Info("disk"))
                                   if part.start <= 18432 < part.start + part.len and part.desc != b"Safety Table"))
PY
echo "pytsk3 20260715, $(sfdisk --version), $(sgdisk -V | head -1)"
status=0
expect() { # HYBRID WORDS
    rm -f disk
    truncate -s 64M disk
    sgdisk -n 1:2048:+8M -n 2:18432:+8M -c 1:first -c 2:second disk > /dev/null
    [ "$1" = none ] || sgdisk -h "$1" disk > /dev/null
    partitions=$(sfdisk -d disk | grep -c 'start=')
    said=$(venv/bin/python list.py | paste -sd,)
    echo "  hybrid MBR $1: sfdisk has $partitions partitions, the Sleuth Kit: $said"
    [ "$partitions $said" = "2 $2" ] || { echo "  CHANGED: it was $2"; status=1; }
}
expect none "2048 first,18432 second,space of the second: second"
expect 1 "2048 first,18432 second,space of the second: second"
expect 1:EE "1 GPT Safety Partition (0xee),2048 Linux (0x83),space of the second: Unallocated"
exit $status
