#!/usr/bin/env bash
# A good guess: 7-Zip refuses extended L2 entries, which it lists as an incompatible feature, or reads them.
# What happens: if every cluster is compressed it extracts the disk, says "Everything is Ok" and ends with 0, and all
#   but the first cluster is wrong: it takes L2 entries of 16 bytes for entries of 8. With plain clusters it refuses.
# Seen with: 7zip 26.02 of Debian 12 (22.01+really26.02+dfsg-0+deb12u1), and 26.05. Needs apt-get, dpkg, qemu-img.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get -qq -o APT::Sandbox::User=root download 7zip=22.01+really26.02+dfsg-0+deb12u1
dpkg -x 7zip_*.deb root
zip=$folder/root/usr/bin/7zz
for _ in $(seq 64); do head -c 40000 /dev/zero | tr '\0' "$(printf '\\%03o' $((65 + RANDOM % 26)))"; head -c 25536 /dev/urandom; done > disk
echo "$("$zip" | grep 7-Zip), $(qemu-img --version | head -1)"
status=0
expect() { # WHAT WORDS, of the image of that name
    if "$zip" x -y -tqcow "-o$folder/out" "$1" > said 2>&1; then
        cmp -s out/* disk && result=right || result=wrong
        grep -q 'Everything is Ok' said && result="$result, says it is Ok"
    else
        result="refused: $(grep -m1 -i unsupported said)"
    fi
    echo "  $1: qemu-img right, 7-Zip $result"
    [ "$result" = "$2" ] || { echo "  CHANGED: it was $2"; status=1; }
    rm -rf out
}
qemu-img convert -c -f raw -O qcow2 disk compressed
qemu-img convert -c -f raw -O qcow2 -o extended_l2=on disk compressed-extended
qemu-img convert -f raw -O qcow2 -o extended_l2=on disk plain-extended
for image in compressed compressed-extended plain-extended; do
    qemu-img check -q "$image"
    qemu-img compare -q -f qcow2 -F raw "$image" disk
done
expect compressed "right, says it is Ok"
expect compressed-extended "wrong, says it is Ok"
expect plain-extended "refused: Unsupported method"
exit $status
