# The disk of the machine to install, larger than the image, and a server with the image.
server "$HIDDEN/disk" 256M
qcow2 pack -q -c zstd "$HIDDEN/disk" "$HIDDEN/server.qcow2"
rm "$HIDDEN/disk"
truncate -s 384M "$HIDDEN/sda"
disks "sda=$HIDDEN/sda"
(cd "$HIDDEN" && sha256sum server.qcow2 >server.qcow2.sha256)

# curl OPTIONS URL: the web server has the files of another folder, and breaks off in the
# middle of what is called broken.
cat >"$HIDDEN/bin/curl" <<'CURL'
#!/bin/sh
for url; do :; done
case $url in
    */broken.qcow2) head -c 500000 "$HIDDEN/server.qcow2"; exit 18 ;;
    *.xz) exec xz -0c "$HIDDEN/server.qcow2" ;;
    *) exec cat "$HIDDEN/${url##*/}" ;;
esac
CURL
chmod +x "$HIDDEN/bin/curl"
