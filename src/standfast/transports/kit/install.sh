#!/bin/sh
# Standfast VERSION: makes this host ready for accounts that are not root. Run it here as root; it may be run again.
# It installs what is listed at its end, and changes nothing else. See docs/security.md.
set -eu
umask 022
patch=PATCH-ACCOUNT move=MOVE-ACCOUNT
kit=/usr/local/lib/standfast
command -v visudo >/dev/null || { echo "install sudo first: apt-get install sudo" >&2; exit 1; }
place() { # PATH MODE, base64 on standard input: whole, or not at all
    base64 -d >"$1.new" && chmod "$2" "$1.new" && mv -f "$1.new" "$1"
}
account() { # NAME: no password, no way in but its keys
    id "$1" >/dev/null 2>&1 || useradd --system --create-home --shell /bin/sh "$1"
    usermod --password '*' "$1"
    home=$(getent passwd "$1" | cut -d: -f6)
    install -d -m 755 -o root -g root "$home/.ssh"
    [ -e "$home/.ssh/authorized_keys" ] || : >"$home/.ssh/authorized_keys"
}
key() { # ACCOUNT LINE: let a key in, once; the file is root's, so that the account can't change it
    file=$(getent passwd "$1" | cut -d: -f6)/.ssh/authorized_keys
    grep -qxF -e "$2" "$file" || printf '%s\n' "$2" >>"$file"
    chown root:root "$file"
    chmod 644 "$file"
}
install -d -m 755 /usr/local/sbin "$kit"
account "$patch"
account "$move"
usermod --append --groups libvirt "$move"
