#!/usr/bin/env bash
# A good guess: what partclone.btrfs saves without an error is as robust as the filesystem was: metadata in two copies (DUP,
#   the default on one device) is saved in two copies.
# What happens: of the chunk tree, only the first copy is saved. The second one is restored as zeros; partclone.btrfs and
#   partclone.restore end with 0. As long as the first copy is whole, nobody notices: btrfs check finds nothing wrong. With
#   the first copy damaged, the source can still be read, and the restored filesystem cannot.
# Seen with: partclone 0.3.23 and btrfs-progs 6.2 of Debian 12. Needs both. partclone 0.3.49 saves both copies.
set -euo pipefail
export PATH=$PATH:/usr/sbin:/sbin
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
truncate -s 300M volume
mkdir files
head -c 200000 /dev/urandom > files/file
mkfs.btrfs -q -f --rootdir files volume > /dev/null 2>&1
root=$(btrfs inspect-internal dump-super volume | awk '$1 == "chunk_root" {print $2}')
read -r first second < <(btrfs inspect-internal dump-tree -t chunk volume | awk -v root="$root" '
    /CHUNK_ITEM/ {split($0, part, /[()]/); split(part[2], key, " "); start = key[3]}
    /length .* type/ {length_ = $2}
    /^[ \t]*stripe .* offset/ && root >= start && root < start + length_ {printf "%d ", $6 + root - start}
    END {print ""}')
echo "$(partclone.btrfs -v 2>&1 | grep -o 'v[0-9.]*' | head -1), $(mkfs.btrfs --version | grep -o 'v[0-9.]*'): the chunk tree is at $first and at $second"
status=0
expect() { # WHAT FOUND WAS
    echo "  $1: $2"
    [ "$2" = "$3" ] || { echo "  CHANGED: it was $3"; status=1; }
}
piece() { dd if="$1" bs=4096 skip=$(($2 / 4096)) count=4 status=none; }
content() { if piece "$1" "$2" | cmp -s - <(piece volume "$2"); then echo same; else echo different; fi; }
checked() { if btrfs check --readonly "$1" > /dev/null 2>&1; then echo sound; else echo unreadable; fi; }
code=0
partclone.btrfs -c -q -s volume -o saved -L log > /dev/null 2>&1 || code=$?
expect "partclone.btrfs" $code 0
truncate -s 300M restored
code=0
partclone.restore -q -C -O restored -s saved -L log > /dev/null 2>&1 || code=$?
expect "partclone.restore" $code 0
expect "the first copy" "$(content restored "$first")" same
expect "the second copy" "$(content restored "$second")" different
expect "it is zeros" "$(if piece restored "$second" | cmp -s - <(head -c 16384 /dev/zero); then echo yes; else echo no; fi)" yes
expect "btrfs check" "$(checked restored)" sound
for image in volume restored; do
    dd if=/dev/zero of=$image bs=4096 count=4 seek=$((first / 4096)) conv=notrunc status=none
done
expect "the source, without its first copy" "$(checked volume)" sound
expect "the restored filesystem, without its first copy" "$(checked restored)" unreadable
exit $status
