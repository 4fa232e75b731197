#!/usr/bin/env bash
# A good guess: a disk that was formatted with another filesystem is no ext4 any more, since every mkfs removes what
#   was there before.
# What happens: mkudffs clears the first 32 KiB for the media type hd only, its default on disks. For dvd, cdrw and the
#   other optical types it leaves them, so the superblock of the ext4 stays, with a right checksum, and so do its
#   bitmaps, which call free what UDF uses. blkid cannot tell which it is; dumpe2fs takes it for a clean ext4.
# Seen with: udftools 2.3-1 of Debian, and e2fsprogs and util-linux of the system as judges. Needs apt-get and dpkg.
set -euo pipefail
export PATH=$PATH:/usr/sbin:/sbin
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -qq udftools=2.3-1 2>/dev/null
dpkg -x udftools_*.deb tools
mkudffs=$folder/tools/usr/sbin/mkudffs
echo "mkudffs of udftools 2.3-1, $(mke2fs -V 2>&1 | head -1), $(blkid -V)"

truncate -s 64M ext4
mke2fs -q -F -t ext4 -U 6b2fb1a5-3a1c-4d46-9b2e-5d1c7a4e9f03 ext4
status=0
expect() { # MEDIA EXT4 BLKID
    cp ext4 disk
    "$mkudffs" --media-type="$1" disk > /dev/null 2>&1
    superblock=gone
    if dumpe2fs -h disk 2>/dev/null | grep -q '^Filesystem state: *clean'; then superblock=clean; fi
    said=$(blkid -p disk 2>&1 || true)
    case $said in
        *ambivalent*) said=ambivalent ;;
        *TYPE=\"udf\"*) said=udf ;;
    esac
    echo "  $1: the ext4 is $superblock, blkid -p: $said"
    [ "$superblock $said" = "$2 $3" ] || { echo "  CHANGED: it was $2 $3"; status=1; }
}
expect hd gone udf
expect dvd clean ambivalent
expect cdrw clean ambivalent
exit $status
