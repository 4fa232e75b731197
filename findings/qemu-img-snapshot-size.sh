#!/usr/bin/env bash
# A good guess: "qemu-img convert -l SNAPSHOT" gives the disk as it was at the snapshot, or fails.
# What happens: it gives as many bytes as the disk has now. If the image was shrunk since, the end of the old disk is left
#   out; if it was grown, zeros are added. The status is 0 and nothing is said. "qemu-img snapshot -a" has the old size.
# Seen with: qemu-img 7.2.22 of Debian 12, 10.0.2 and 11.1.3. Needs apt-get, dpkg and a qemu-img with its libraries.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get -qq -o APT::Sandbox::User=root download qemu-utils=1:7.2+dfsg-7+deb12u18+b3 2> /dev/null
dpkg -x qemu-utils_*.deb root
size() { echo "$(($(stat -c %s "$1") >> 20))M"; }
status=0
expect() { # SIZE-NOW CONVERTED REVERTED
    rm -f image converted reverted
    head -c 8M /dev/urandom > disk
    "$program" convert -f raw -O qcow2 disk image
    "$program" snapshot -c before image
    "$program" resize -q --shrink image "$1" 2> said
    "$program" convert -l before -O raw image converted 2> said
    cmp -n 4MiB converted disk
    [ ! -s said ]
    "$program" snapshot -a before image
    "$program" convert -O raw image reverted
    cmp reverted disk
    words="$(size converted) $(size reverted)"
    echo "  8M at the snapshot, $1 now: convert -l has ${words% *}, snapshot -a has ${words#* }"
    [ "$words" = "$2 $3" ] || { echo "  CHANGED: it was $2 and $3"; status=1; }
}
for program in "$folder/root/usr/bin/qemu-img" qemu-img; do
    echo "$("$program" --version | head -1)"
    expect 8M 8M 8M
    expect 4M 4M 8M
    expect 16M 16M 8M
done
exit $status
