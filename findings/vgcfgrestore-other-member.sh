#!/usr/bin/env bash
# A good guess: after "Restored volume group vg" the volume group is what the backup says, so a removed volume is back.
# What happens: if a physical volume joined the group after the backup was made, vgcfgrestore writes the old metadata to the
#   volumes that the backup names, with a sequence number below that of the newcomer, which it does not touch. All tools go
#   on with the newcomer's: the removed volume is not back, and its extents count as free. The exit status is 0. Whoever
#   leaves out what the newest metadata calls free loses the volume that somebody is just trying to get back.
# Seen with: lvm2 2.03.16-2 of Debian 12. Needs apt-get, dpkg, losetup and root; device-mapper is not needed.
set -euo pipefail
export PATH=$PATH:/usr/sbin:/sbin
folder=$(mktemp -d)
loops=()
trap 'for loop in "${loops[@]}"; do losetup -d "$loop"; done; rm -rf "$folder"' EXIT
cd "$folder"
apt-get -qq -o APT::Sandbox::User=root download lvm2=2.03.16-2 libdevmapper1.02.1=2:1.02.185-2 \
    libdevmapper-event1.02.1=2:1.02.185-2
for package in *.deb; do dpkg -x "$package" root; done
for name in a b; do
    truncate -s 24M "$name"
    loops+=("$(losetup -f --show "$name")")
done
mkdir etc
cat > etc/lvm.conf <<EOF
devices { filter=["a|^${loops[0]}$|", "a|^${loops[1]}$|", "r|.*|"] use_devicesfile=0 obtain_device_list_from_udev=0 }
global { locking_dir="$folder/lock" }
activation { udev_sync=0 udev_rules=0 monitoring=0 }
backup { backup=0 archive=0 }
EOF
lvm() { # WORDS...
    LVM_SYSTEM_DIR=$folder/etc LVM_SUPPRESS_FD_WARNINGS=1 LD_LIBRARY_PATH=$folder/root/lib/x86_64-linux-gnu \
        root/sbin/lvm "$@" --driverloaded n 2>> said
}
root/sbin/lvm version 2> said | head -1
status=0
expect() { # NAME WORDS FOUND
    echo "  $1: $3"
    [ "$3" = "$2" ] || { echo "  CHANGED: it was $2"; status=1; }
}
names() { lvm lvs --noheadings -o lv_name vg | tr -d ' \n'; }
lvm pvcreate -q "${loops[@]}" > said
lvm vgcreate -q vg "${loops[0]}" > said
lvm lvcreate -q -an -Zn -Wn -L 8M -n precious vg > said
lvm vgcfgbackup -q -f backup vg > said
lvm lvremove -q -y vg/precious > said
lvm vgcfgrestore -f backup vg > said
expect "restored, no newcomer" precious "$(names)"
lvm vgextend -q vg "${loops[1]}" > said
lvm lvremove -q -y vg/precious > said
expect "what vgcfgrestore says" "Restored volume group vg." "$(lvm vgcfgrestore -f backup vg | xargs)"
expect "restored, a newcomer" "" "$(names)"
exit $status
