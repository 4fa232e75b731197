#!/usr/bin/env bash
# A good guess: a tool that keeps or clears blocks by ext4's bitmaps minds the journal, or refuses a filesystem that has
#   one to replay. Such is every disk of a crashed machine, and every copy of a running one's disk.
# What happens: zerofree, e2image -ra and partclone.ext4 believe the bitmaps on the disk and end with 0. The blocks that
#   only the journal calls used become zeros. When it is replayed the new files are there, with the right size and full
#   of zeros, though fsync had promised them, and e2fsck finds nothing wrong.
# Seen with: zerofree 1.1.1, e2fsprogs 1.47.0 (also 1.47.4) and partclone 0.3.23 (also 0.3.49) of Debian, and e2fsck as
#   the judge. Needs apt-get, dpkg and the libraries that these need.
set -euo pipefail
export PATH=$PATH:/usr/sbin:/sbin
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get -qq -o APT::Sandbox::User=root download zerofree=1.1.1-1 partclone=0.3.23+repack-1 \
    e2fsprogs=1.47.0-2+b2 libext2fs2=1.47.0-2+b2 2> /dev/null
for package in *.deb; do dpkg -x "$package" root; done
LD_LIBRARY_PATH=$(dirname "$(find root -name 'libext2fs.so.2')")
export LD_LIBRARY_PATH=$folder/$LD_LIBRARY_PATH
tool() { "$(find root -path "*bin/$1" | head -1)" "${@:2}"; }
echo "zerofree 1.1.1, $(tool e2image -V 2>&1 | head -1), $(tool partclone.ext4 -v 2>&1 | head -1)"

# What a machine leaves that stops after fsync: the file's data in its place, all that says so in the journal.
head -c 2000000 /dev/urandom > file
truncate -s 64M before
tool mke2fs -q -F -t ext4 -b 4096 -O ^metadata_csum before
cp before after
tool debugfs -w -R 'write file file' after > said 2>&1
cat > crash.py <<'PY'
import sys
before, after = (open(name, "rb").read() for name in ("before", "after"))
data = open("file", "rb").read()
blocks = [i for i in range(len(before) // 4096) if before[i * 4096:i * 4096 + 4096] != after[i * 4096:i * 4096 + 4096]]
pieces = {data[i:i + 4096].ljust(4096, b"\0") for i in range(0, len(data), 4096)}
with open("disk", "wb") as disk, open("journalled", "wb") as journalled, open("commands", "w") as commands:
    disk.write(before)
    numbers = []
    for i in blocks:
        block = after[i * 4096:i * 4096 + 4096]
        if block in pieces:
            disk.seek(i * 4096)
            disk.write(block)
        else:
            journalled.write(block)
            numbers.append(str(i))
    commands.write(f"journal_open\njournal_write -b {','.join(numbers)} journalled\njournal_close\n")
PY
python3 crash.py
tool debugfs -w -f commands disk > said 2>&1
tool dumpe2fs -h disk 2> /dev/null | grep -q needs_recovery
status=0
expect() { # NAME STATUS-OF-THE-TOOL WORDS, of the disk of that name
    tool e2fsck -fy "$1" > said 2>&1 || true
    found="nothing wrong"
    tool e2fsck -fn "$1" > said 2>&1 || found=damage
    rm -f got
    tool debugfs -R 'dump file got' "$1" > said 2>&1
    if cmp -s got file; then result=right
    elif [ "$(stat -c %s got)" = 2000000 ] && ! tr -d '\0' < got | grep -q .; then result=zeros
    else result=other; fi
    echo "  $1: exit $2, e2fsck then finds $found, the file is $result"
    [ "$2 $result" = "0 $3" ] || { echo "  CHANGED: it was 0 $3"; status=1; }
}
cp disk untouched
expect untouched 0 right
cp disk zerofree
code=0; tool zerofree zerofree || code=$?
expect zerofree $code zeros
code=0; tool e2image -ra disk e2image > said 2>&1 || code=$?
expect e2image $code zeros
code=0; tool partclone.ext4 -L log -c -s disk -o packed > said 2>&1 || code=$?
truncate -s 64M partclone
tool partclone.ext4 -L log -r -W -s packed -O partclone > said 2>&1 || code=$?
expect partclone $code zeros
exit $status
