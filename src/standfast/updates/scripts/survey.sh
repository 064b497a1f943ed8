# Arguments: SECONDS. Standard input: migration addresses of the other hosts, one a line. Answers, for each device,
# `wire|NAME MTU MBITS STATE KIND UNDER RX TX RX TX`, the counters before and after that many seconds; and
# `carries|WHAT DEVICE`: where the way to whoever asks, to the other hosts and to storage servers goes.
seconds=$1
others=$(cat)
net=$root/sys/class/net
counters() {
    for path in "$net"/*; do
        name=${path##*/}
        if [ "$name" = lo ] || [ ! -r "$path/statistics/rx_bytes" ]; then continue; fi
        printf '%s %s %s\n' "$name" "$(cat "$path/statistics/rx_bytes")" "$(cat "$path/statistics/tx_bytes")"
    done
}
way() { # ADDRESS: the device that the way there leaves by
    ip -o route get "$1" 2>/dev/null | sed -n 's/.* dev \([^ ]*\).*/\1/p' | grep -v '^lo$' | head -n 1
}
carries() { # WHAT ADDRESS
    device=$(way "$2")
    [ -z "$device" ] || printf 'carries|%s %s\n' "$1" "$device"
}
before=$(counters)
sleep "$seconds"
after=$(counters)
for path in "$net"/*; do
    name=${path##*/}
    if [ "$name" = lo ] || [ ! -d "$path/" ]; then continue; fi
    kind=link under=
    [ ! -d "$path/bridge" ] || kind=bridge
    [ ! -d "$path/bonding" ] || kind=bond
    for lower in "$path"/lower_*; do
        [ -e "$lower" ] || continue
        one=${lower##*/lower_}
        # The members that a bridge has for its guests are no links.
        case $one in vnet* | tap* | fwpr* | veth*) [ "$kind" != bridge ] || continue ;; esac
        under=$under${under:+,}$one
    done
    speed=$(cat "$path/speed" 2>/dev/null || echo -1)
    old=$(printf '%s\n' "$before" | sed -n "s/^$name //p" | head -n 1)
    new=$(printf '%s\n' "$after" | sed -n "s/^$name //p" | head -n 1)
    printf 'wire|%s %s %s %s %s %s %s %s\n' "$name" "$(cat "$path/mtu")" "${speed:--1}" \
        "$(cat "$path/operstate")" "$kind" "${under:--}" "${old:-0 0}" "${new:-0 0}"
done
# shellcheck disable=SC2086 # words
set -- ${SSH_CONNECTION:-}
[ $# -lt 1 ] || carries management "$1"
printf '%s\n' "$others" | while read -r address; do
    [ -z "$address" ] || carries migration "$address"
done
sed -n 's/^[^ ]* [^ ]* nfs4\{0,1\} .*[, ]addr=\([^, ]*\).*/\1/p' "$root/proc/mounts" | sort -u |
    while read -r address; do carries storage "$address"; done
cat "$root"/sys/class/iscsi_connection/*/persistent_address 2>/dev/null | sort -u |
    while read -r address; do carries storage "$address"; done
say end yes
