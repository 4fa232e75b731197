# An image of a server's disk, a new disk that is larger, and one that is smaller.
server "$HIDDEN/sda" 256M
qcow2 pack -q -c zstd "$HIDDEN/sda" server.qcow2
rm "$HIDDEN/sda"
truncate -s 384M "$HIDDEN/sdb"
truncate -s 128M "$HIDDEN/sdc"
disks "sdb=$HIDDEN/sdb" "sdc=$HIDDEN/sdc"

# half_an_image: a copy that is cut short.
half_an_image() {
    head -c 500000 server.qcow2 >half.qcow2
}
