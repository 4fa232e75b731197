# What the setups of all guides share. A setup runs before the commands of its guide, in
# the same shell, in the folder of the reader. Everything that these functions make is the
# same each time, so that the guides can show sizes.

# The defaults of mke2fs differ between its versions and machines.
printf '[defaults]\nbase_features = none\ninode_size = 256\ninode_ratio = 16384\n[fs_types]\next3 = {\nblocksize = 4096\n}\n' \
    >"$HIDDEN/mke2fs.conf"
export MKE2FS_CONFIG="$HIDDEN/mke2fs.conf"

DISKS=

# disks NAME=FILE…: a folder /dev for this shell and what it starts, in which /dev/NAME is a
# loop device over FILE.
disks() {
    local pair name node fd
    for pair in "$@"; do
        node=$(losetup --find --show --partscan "${pair#*=}")
        # Detached now, the device goes when the last program that has it open ends.
        exec {fd}<>"$node"
        losetup --detach "$node"
        DISKS="$DISKS ${pair%%=*}=${node#/dev/}"
    done
    mkdir "$HIDDEN/dev"
    mount --make-rprivate /
    mount --rbind /dev "$HIDDEN/dev"
    mount -t tmpfs -o mode=755 tmpfs /dev
    for node in "$HIDDEN"/dev/*; do
        ln -s "$node" /dev/
    done
    for pair in $DISKS; do
        name=${pair%%=*}
        mkdir -p "$(dirname "/dev/$name")"
        block "/dev/$name" "/sys/block/${pair#*=}"
    done
}

# block NODE FOLDER: the node of the block device that FOLDER describes.
block() {
    mknod "$1" b $(tr ':' ' ' <"$2/dev")
}

# As the kernel and udev do after a disk was written to: the partitions are those in its
# table now, and each has a node. Not every kernel knows every table.
settle() {
    local pair disk part
    for pair in $DISKS; do
        disk=/dev/${pair%%=*}
        partx --update "$disk" 2>"$HIDDEN/partx" || true
        find "$disk"[0-9]* -type b -delete 2>"$HIDDEN/find" || true
        for part in "/sys/block/${pair#*=}/${pair#*=}"p*; do
            [ ! -e "$part" ] || block "$disk${part##*p}" "$part"
        done
    done
}

# text FILE BYTES: a file of lines.
text() {
    mkdir -p "$(dirname "$1")"
    seq -f 'This is line %.0f.' 9999999 | head -c "$2" >"$1" || true
    touch -d @1700000000 "$1"
}

# ext4 FILE OFFSET BLOCKS LABEL UUID FOLDER: a filesystem of 4 KiB blocks at byte OFFSET of
# a file, with the files of FOLDER; those in its folder "deleted" are deleted.
ext4() {
    export E2FSPROGS_FAKE_TIME=1700000000
    mke2fs -q -F -b 4096 -L "$4" -U "$5" -d "$6" -J size=16 -E \
        "offset=$2,hash_seed=6b2fb1a5-3a1c-4d46-9b2e-5d1c7a4e9f03,lazy_itable_init=1,root_owner=0:0" \
        -O has_journal,ext_attr,dir_index,filetype,extent,64bit,flex_bg,sparse_super,large_file \
        -O huge_file,dir_nlink,extra_isize,metadata_csum "$1" "$3"
    (cd "$6" && find deleted -type f -printf 'rm /%p\n' 2>"$HIDDEN/find" || true) \
        >"$HIDDEN/deletions"
    debugfs -w -f "$HIDDEN/deletions" "$1?offset=$2" >"$HIDDEN/debugfs" 2>&1
}

# The files of a small server: 30 MB of them, and 24 MB that are deleted later.
server_files() {
    text "$1/etc/hostname" 20
    text "$1/usr/bin/service" 12000000
    text "$1/var/lib/data" 18000000
    text "$1/deleted/old.log" 24000000
}

# server FILE SIZE: the disk of a server, with a GPT, an EFI system partition and a root
# filesystem in the rest.
server() {
    local disk=$1
    truncate -s "$2" "$disk"
    sfdisk -q "$disk" <<'TABLE'
label: gpt
label-id: 5E5F1A3C-0D4B-4E7A-9C55-2C3A1F6B7D01
first-lba: 2048
size=64MiB, type=U, name="esp", uuid=5E5F1A3C-0D4B-4E7A-9C55-2C3A1F6B7D02
type=L, name="root", uuid=5E5F1A3C-0D4B-4E7A-9C55-2C3A1F6B7D03
TABLE
    mkfs.fat -F 32 -n ESP -s 1 -i 1A2B3C4D --offset 2048 "$disk" 65536 >"$HIDDEN/mkfs" 2>&1
    server_files "$HIDDEN/files"
    ext4 "$disk" $((65 << 20)) $((($(stat -c %s "$disk") - (66 << 20)) >> 12)) root \
        0b5f8a52-7c2f-4f3e-8d3c-9a1b2c3d4e5f "$HIDDEN/files"
    rm -r "$HIDDEN/files"
}
