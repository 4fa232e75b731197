#!/usr/bin/env bash
# A good guess: after "qemu-img amend -o compat=0.10" the disk and its snapshots are what they were, and stay so.
# What happens: zeros become data, which version 2 cannot tell otherwise. If a snapshot has the same zero cluster, and the disk
#   was written to since, both share the new data, but the table of the disk says that it is its own (OFLAG_COPIED). The
#   status is 0; "qemu-img check" finds it. The next write to that cluster changes the snapshot, too.
# Seen with: qemu 7.2.22 of Debian 12, 10.0.2 and 11.1.3. Needs apt-get, dpkg, and qemu-img and qemu-io with their libraries.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get -qq -o APT::Sandbox::User=root download qemu-utils=1:7.2+dfsg-7+deb12u18+b3 2> /dev/null
dpkg -x qemu-utils_*.deb root
status=0
byte() { # FILE: the byte at 60 KiB
    od -An -tu1 -j 61440 -N 1 "$1" | tr -d ' '
}
for programs in "$folder/root/usr/bin/" ""; do
    rm -f image before after
    echo "$("${programs}qemu-img" --version | head -1)"
    "${programs}qemu-img" create -q -f qcow2 -o cluster_size=4096 image 1M
    "${programs}qemu-io" -f qcow2 -c "write -q -P 1 0 64k" -c "write -q -z 60k 4k" image
    "${programs}qemu-img" snapshot -c old image
    "${programs}qemu-io" -f qcow2 -c "write -q -P 2 512k 4k" image
    "${programs}qemu-img" check -q image
    "${programs}qemu-img" convert -l old -O raw image before
    "${programs}qemu-img" amend -f qcow2 -o compat=0.10 image
    code=0
    "${programs}qemu-img" check image > said 2>&1 || code=$?
    "${programs}qemu-io" -f qcow2 -c "write -q -P 3 60k 4k" image
    "${programs}qemu-img" convert -l old -O raw image after
    words="check ends with $code and $(grep -c OFLAG_COPIED said) flag, the snapshot has $(byte before) and then $(byte after)"
    echo "  amended: $words"
    want="check ends with 2 and 1 flag, the snapshot has 0 and then 3"
    [ "$words" = "$want" ] || { echo "  CHANGED: it was: $want"; status=1; }
done
exit $status
