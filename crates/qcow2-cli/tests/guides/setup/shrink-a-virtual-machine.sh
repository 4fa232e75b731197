# A virtual machine whose image has grown: 30 MB of files, and 24 MB
# that were deleted.
server "$HIDDEN/raw" 256M
qemu-img convert -O qcow2 "$HIDDEN/raw" vm.qcow2
rm "$HIDDEN/raw"

# a_snapshot: the machine's user makes one.
a_snapshot() {
    cp vm.qcow2 with-snapshot.qcow2
    qemu-img snapshot -c before-upgrade with-snapshot.qcow2
}

# an_overlay: the machine's user makes one.
an_overlay() {
    qemu-img create -q -f qcow2 -b vm.qcow2 -F qcow2 overlay.qcow2
}

# the_machine_runs, the_machine_stops: a program of QEMU has the image open.
the_machine_runs() {
    qemu-io -f qcow2 -c 'sleep 60000' vm.qcow2 >"$HIDDEN/qemu-io" 2>&1 &
    MACHINE=$!
    sleep 0.5
}
the_machine_stops() {
    kill "$MACHINE"
    wait "$MACHINE" 2>"$HIDDEN/wait" || true
}
