#!/usr/bin/env bash
# A good guess: 7-Zip opens an ext4 that mke2fs just made, whatever the disk held before.
# What happens: mke2fs leaves the bitmaps of groups without files unwritten, and says so by a flag of the group. 7-Zip reads
#   them all the same. On a disk that held other data and forgets nothing when told to discard, it takes what lies there
#   for damage and does not open the filesystem. A disk of zeros, or one of a single group, opens.
# Seen with: 7zip 26.02 of Debian 12 (22.01+really26.02+dfsg-0+deb12u1), and e2fsck as the judge. Needs apt-get, dpkg,
#   mke2fs and e2fsck.
set -euo pipefail
export PATH=$PATH:/usr/sbin:/sbin
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get -qq -o APT::Sandbox::User=root download 7zip=22.01+really26.02+dfsg-0+deb12u1
dpkg -x 7zip_*.deb root
zip=$folder/root/usr/bin/7zz
mkdir files
echo "Hello" > files/hello
echo "$("$zip" | grep 7-Zip), $(mke2fs -V 2>&1 | head -1)"
status=0
expect() { # NAME BYTE SIZE WORDS
    head -c "$3" /dev/zero | tr '\0' "$2" > disk
    mke2fs -q -F -t ext4 -b 4096 -E nodiscard,lazy_itable_init=0 -d files disk
    e2fsck -fn disk > checked 2>&1
    if "$zip" x -y -oout disk > said 2>&1 && cmp -s out/hello files/hello; then result=right
    else result=$(grep -oE 'Headers Error|Cannot open the file as archive' said | head -1); fi
    echo "  $1, $3: e2fsck finds nothing wrong, 7-Zip: $result"
    [ "$result" = "$4" ] || { echo "  CHANGED: it was $4"; status=1; }
    rm -rf out
}
expect "disk of zeros" '\000' 600M right
expect "disk of other data" '\377' 100M right
expect "disk of other data" '\377' 600M "Headers Error"
exit $status
