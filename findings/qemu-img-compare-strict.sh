#!/usr/bin/env bash
# A good guess: "qemu-img compare -s" calls two images the same that hold the same bytes and have the same clusters
#   allocated: its manual says that strict mode fails on a different image size or sector allocation.
# What happens: it compares all that is known of a run of clusters, also whether the run reaches the end of the disk. How
#   long a run is depends on where its clusters are in the file. So of two disks full of data, one written from front to
#   end and one with its second half first, it says "Offset 0 block status mismatch!", and ends with 1.
# Seen with: qemu-img 7.2.22 of Debian 12, 10.0.2 and 11.1.3. Needs apt-get, dpkg and a qemu-img and a qemu-io with their
#   libraries.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get -qq -o APT::Sandbox::User=root download qemu-utils=1:7.2+dfsg-7+deb12u18+b3 2> /dev/null
dpkg -x qemu-utils_*.deb root
for name in front halves; do qemu-img create -q -f qcow2 $name 1M; done
qemu-io -f qcow2 -c 'write -P 1 0 1M' front > /dev/null
qemu-io -f qcow2 -c 'write -P 1 512k 512k' -c 'write -P 1 0 512k' halves > /dev/null
status=0
expect() { # OPTIONS CODE WORDS
    code=0
    "$program" compare $1 -f qcow2 -F qcow2 front halves > said 2>&1 || code=$?
    echo "  compare $1: '$(cat said)', status $code"
    [ "$(cat said) $code" = "$3 $2" ] || { echo "  CHANGED: it was '$3', status $2"; status=1; }
}
for program in "$folder/root/usr/bin/qemu-img" qemu-img; do
    echo "$("$program" --version | head -1)"
    expect "" 0 "Images are identical."
    expect "-s" 1 "Strict mode: Offset 0 block status mismatch!"
done
exit $status
