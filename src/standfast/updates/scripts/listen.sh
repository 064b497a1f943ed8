# Arguments: ADDRESS TOKEN SECONDS. Opens a few ports of libvirt's range on this host's migration address, for
# that long, so that others can try whether they get through. Answers `port=N` lines, or `trouble=WORDS`.
# Only ports that are free are taken, and only those are tried by others: what connects to the port of a real
# migration that is on its way in would end it.
address=$1 token=$2 seconds=$3
least=49152 most=49215
if [ -r "$root/etc/libvirt/qemu.conf" ]; then
    # shellcheck disable=SC2046 # words and numbers
    set -- $(sed -n 's/^[[:space:]]*migration_port_\(min\|max\)[[:space:]]*=[[:space:]]*\([0-9]*\).*/\1 \2/p' \
        "$root/etc/libvirt/qemu.conf")
    while [ $# -ge 2 ]; do
        case $1 in min) least=$2 ;; max) most=$2 ;; esac
        shift 2
    done
fi
case $address in '' | -) address=$(hostname) ;; esac
say address "$address"
say range "$least-$most"
if command -v perl >/dev/null 2>&1; then
    perl -e "$listen_pl" "$address" "$least" "$most" "$token" "$seconds" 2>&1
else
    say trouble "there is no perl to listen with"
fi
say end yes
