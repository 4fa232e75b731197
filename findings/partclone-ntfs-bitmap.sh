#!/usr/bin/env bash
# A good guess: what partclone.ntfs saves without an error holds every file that could be read before.
# What happens: it goes by $Bitmap alone and reads no file record. If that calls the clusters of a file free, they are not
#   saved, and the file is restored as zeros; partclone.ntfs and partclone.restore end with 0. ntfs-3g reads the file before,
#   and ntfsfix -n finds nothing wrong, before and after. ntfsclone compares both, counts the clusters and refuses.
# Seen with: partclone 0.3.23 and ntfs-3g 2022.10.3 of Debian 12. Needs both, and python3.
set -euo pipefail
export PATH=$PATH:/usr/sbin:/sbin
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
truncate -s 32M volume
mkntfs -F -q -Q volume 2> /dev/null
head -c 200000 /dev/urandom > file
ntfscp -q volume file file
run() { # PATH: first cluster and length of its only run
    ntfscluster -F "$1" volume 2> /dev/null | awk '/VCN/ {found = 1; next} found {print $2, $3; exit}'
}
read -r bitmap _ < <(run '/$Bitmap')
read -r first length < <(run /file)
python3 - "$bitmap" "$first" "$length" <<'PY'
import sys
bitmap, first, length = map(int, sys.argv[1:])
with open("volume", "r+b") as volume:
    for cluster in range(first, first + length):
        at = bitmap * 4096 + cluster // 8
        volume.seek(at)
        byte = volume.read(1)[0] & ~(1 << cluster % 8)
        volume.seek(at)
        volume.write(bytes([byte]))
PY
echo "$(partclone.ntfs -v 2>&1 | grep -o 'v[0-9.]*' | head -1), $(mkntfs -V 2>&1 | grep -o 'v[0-9.]*' | head -1): $length clusters of a file are called free"
status=0
expect() { # WHAT FOUND WAS
    echo "  $1: $2"
    [ "$2" = "$3" ] || { echo "  CHANGED: it was $3"; status=1; }
}
content() { if ntfscat "$1" file 2> /dev/null | cmp -s - "$2"; then echo same; else echo different; fi; }
head -c 200000 /dev/zero > zeros
expect "the file, as ntfscat reads it" "$(content volume file)" same
code=0
ntfsfix -n volume > /dev/null 2>&1 || code=$?
expect "ntfsfix -n" $code 0
code=0
partclone.ntfs -c -q -s volume -o saved -L log > /dev/null 2>&1 || code=$?
expect "partclone.ntfs" $code 0
truncate -s 32M restored
code=0
partclone.restore -q -C -O restored -s saved -L log > /dev/null 2>&1 || code=$?
expect "partclone.restore" $code 0
expect "the file restored" "$(content restored file)" different
expect "it is zeros" "$(content restored zeros)" same
code=0
ntfsclone -q -O cloned volume > /dev/null 2>&1 || code=$?
expect "ntfsclone" $code 1
exit $status
