# The server's disk, a rescue system with it, and an empty disk for backups.
server "$HIDDEN/sda" 256M
disks "sda=$HIDDEN/sda"
mkdir "$HIDDEN/store"

# ssh HOST COMMAND: that host's folder is another one.
cat >"$HIDDEN/bin/ssh" <<'SSH'
#!/bin/sh
cd "$HIDDEN/store" && exec sh -c "$2"
SSH
chmod +x "$HIDDEN/bin/ssh"
