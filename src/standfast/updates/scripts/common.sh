# What every script of ours on a host begins with; none uses all of it.
# shellcheck disable=SC2034,SC2317
# STANDFAST_ROOT is empty on a host; tests put a folder there that stands for it.
set -u
LC_ALL=C
export LC_ALL
PATH=${PATH:-/usr/bin:/bin}:/usr/sbin:/sbin
export PATH
umask 022
root=${STANDFAST_ROOT:-}
state=$root/var/lib/standfast
work=$state/work

say() { # KEY VALUE: one line of the answer; a value never holds a line break
    printf '%s=%s\n' "$1" "$2"
}
field() { # FILE KEY
    value=
    [ -r "$1" ] || return 0
    while IFS= read -r line || [ -n "$line" ]; do
        case $line in "$2="*) value=${line#"$2="} && printf '%s' "$value" && return 0 ;; esac
    done <"$1"
}
write() { # PATH, content on standard input: whole and on disk, or not at all
    cat >"$1.new" && sync "$1.new" && mv -f "$1.new" "$1" && sync "${1%/*}"
}
epoch_seen() { # the highest epoch that this host has heard of
    seen=$(cat "$state/epoch" 2>/dev/null || echo 0)
    case $seen in '' | *[!0-9]*) seen=0 ;; esac
    printf '%s' "$seen"
}
boot_id() {
    cat "${STANDFAST_BOOT_ID:-/proc/sys/kernel/random/boot_id}"
}
