#!/bin/sh
# rootfs.sh PROGRAM FOLDER: lays out the image's file system in a new folder: the program, the
# libraries that it is linked to, the CA roots, and a user. The tests do the same with the program
# that they test (tests/it/container.rs).
set -eu
program=$1
root=$2

mkdir -p "$root/usr/local/bin" "$root/etc/ssl/certs" "$root/run/secrets" "$root/tmp" "$root/var/lib/locum"
cp "$program" "$root/usr/local/bin/locum"
chmod 755 "$root/usr/local/bin/locum"

# `name => path (address)`, and the loader as `path (address)`; the kernel's own has no path.
ldd "$program" | sed -n 's|^[^/]*\(/[^ ]*\) (.*|\1|p' | while read -r library; do
    mkdir -p "$root$(dirname "$library")"
    cp -L "$library" "$root$library"
done

cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
echo 'hosts: files dns' > "$root/etc/nsswitch.conf"
echo 'locum:x:65532:65532::/var/lib/locum:/none' > "$root/etc/passwd"
echo 'locum:x:65532:' > "$root/etc/group"

# A new volume takes owner and mode of the folder that it is mounted over.
chmod 700 "$root/var/lib/locum"
if [ "$(id -u)" = 0 ]; then
    chown 65532:65532 "$root/var/lib/locum"
fi
