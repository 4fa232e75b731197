#!/usr/bin/env bash
# A good guess: mke2fs -d puts a folder's files into the new filesystem with the sizes they have.
# What happens: with the feature inline_data, a file that ends in a hole ends at its last data: a disk image or database of
#   10 MiB with 5000 bytes in it comes out with 8192. mke2fs says nothing, and e2fsck finds nothing wrong. "write" of debugfs
#   does the same. Without the feature the size is right.
# Seen with: e2fsprogs 1.47.0 (also 1.47.4) of Debian. Needs apt-get, dpkg and the libraries of e2fsprogs.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get -qq -o APT::Sandbox::User=root download e2fsprogs=1.47.0-2+b2 libext2fs2=1.47.0-2+b2 2> /dev/null
for package in *.deb; do dpkg -x "$package" root; done
LD_LIBRARY_PATH=$folder/$(dirname "$(find root -name 'libext2fs.so.2')")
export LD_LIBRARY_PATH
tool() { "$(find root -path "*bin/$1" | head -1)" "${@:2}"; }
echo "$(tool mke2fs -V 2>&1 | head -1)"
mkdir files
head -c 5000 /dev/urandom > files/hole
head -c 5000 /dev/urandom > files/data
truncate -s 10M files/hole
status=0
expect() { # FEATURE WORDS
    rm -f disk
    truncate -s 64M disk
    tool mke2fs -q -F -t ext4 -b 4096 -O "$1" -d files disk
    tool debugfs -w -R 'write files/hole written' disk > said 2>&1
    tool e2fsck -fn disk > said 2>&1
    sizes=
    for name in data hole written; do
        tool debugfs -R "dump $name got" disk > said 2>&1
        sizes+="$name $(stat -c %s got) "
    done
    sizes=${sizes% }
    echo "  $1: e2fsck finds nothing wrong, sizes: $sizes"
    [ "$sizes" = "$2" ] || { echo "  CHANGED: it was $2"; status=1; }
}
expect ^inline_data "data 5000 hole 10485760 written 10485760"
expect inline_data "data 5000 hole 8192 written 8192"
exit $status
