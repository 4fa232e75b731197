#!/usr/bin/env bash
# A good guess: "qemu-img dd" copies the blocks that dd would: with skip=2 count=4 the third to the sixth.
# What happens: count is counted from the beginning of the input, so skip takes away from it: two blocks, the third and the
#   fourth, and status 0. With skip at or above count nothing is copied, with a word of warning. dd copies four blocks.
# Seen with: qemu-img 7.2.22 of Debian 12, 10.0.2 and 11.1.3. Needs apt-get, dpkg and a qemu-img with its libraries.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get -qq -o APT::Sandbox::User=root download qemu-utils=1:7.2+dfsg-7+deb12u18+b3 2> /dev/null
dpkg -x qemu-utils_*.deb root
for letter in A B C D E F G H; do head -c 65536 /dev/zero | tr '\0' $letter; done > disk
qemu-img convert -f raw -O qcow2 disk image
status=0
expect() { # SKIP COUNT DD QEMU-IMG
    rm -f with-dd with-qemu-img
    dd if=disk of=with-dd bs=64k skip="$1" count="$2" status=none
    code=0
    "$program" dd -f qcow2 -O raw if=image of=with-qemu-img bs=64k skip="$1" count="$2" 2> said || code=$?
    dd=$(tr -s A-H < with-dd)
    qemu=$(tr -s A-H < with-qemu-img)
    echo "  skip=$1 count=$2: dd has '$dd', qemu-img '$qemu', status $code"
    [ "$dd $qemu $code" = "$3 $4 0" ] || { echo "  CHANGED: it was '$3' and '$4', status 0"; status=1; }
}
for program in "$folder/root/usr/bin/qemu-img" qemu-img; do
    echo "$("$program" --version | head -1)"
    expect 0 4 ABCD ABCD
    expect 2 4 CDEF CD
    expect 5 2 FG ""
done
exit $status
