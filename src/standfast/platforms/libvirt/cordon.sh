# Arguments: up|down RUN EPOCH [UUID…]. Standard input (up only): the hook to be installed. The UUIDs are those
# of VMs that may boot all the same.
# Answers one line, `word text`: done, other (whose cordon is there), epoch (the higher one), hook (what failed).
set -u
LC_ALL=C
export LC_ALL
action=$1 run=$2 epoch=$3
shift 3
root=${STANDFAST_ROOT:-}
state=$root/var/lib/standfast
hooks=$root/etc/libvirt/hooks/qemu.d
umask 022
mkdir -p "$state" || exit 1
exec 9>"$state/lock" || exit 1
flock -w 10 9 || { echo "hook the lock of another call is held for more than 10 s"; exit 0; }

write() { # PATH, content on standard input: whole and on disk, or not at all
    cat >"$1.new" && sync "$1.new" && mv -f "$1.new" "$1" && sync "${1%/*}"
}
field() { # FILE KEY
    sed -n "s/^$2=//p" "$1" 2>/dev/null | head -n 1
}

install_hook() {
    mkdir -p "$hooks" || return 1
    cat >"$state/hook.new" || return 1
    if ! cmp -s "$state/hook.new" "$hooks/standfast"; then
        rm -f "$state/hook-loaded"
        chmod 755 "$state/hook.new" && cp -p "$state/hook.new" "$hooks/.standfast.new" || return 1
        sync "$hooks/.standfast.new" && mv -f "$hooks/.standfast.new" "$hooks/standfast" || return 1
    fi
    rm -f "$state/hook.new"
    chmod 755 "$hooks/standfast"
}

load_hook() { # libvirt looks for hooks when it starts and when it is told to reload (SIGHUP), at no other time
    daemon=
    for unit in virtqemud libvirtd; do
        if systemctl -q is-active "$unit.service"; then daemon=$unit; break; fi
    done
    [ -n "$daemon" ] || return 0 # it isn't running: it will find the hook when it starts
    now=$(systemctl show -p InvocationID --value "$daemon.service")
    if [ -e "$state/hook-loaded" ]; then
        [ "$(cat "$state/hook-loaded")" = "$now" ] && return 0
    fi
    systemctl reload "$daemon.service" || return 1
    printf '%s\n' "$now" | write "$state/hook-loaded"
}

seen=$(cat "$state/epoch" 2>/dev/null || echo 0)
case $seen in '' | *[!0-9]*) seen=0 ;; esac
if [ "$epoch" -lt "$seen" ]; then echo "epoch $seen"; exit 0; fi
if [ "$epoch" -gt "$seen" ]; then printf '%s\n' "$epoch" | write "$state/epoch" || exit 1; fi

owner=
if [ -e "$state/cordon" ]; then
    owner=$(field "$state/cordon" run)
    owner=${owner:-unknown}
    if [ "$owner" != "$run" ]; then echo "other $owner"; exit 0; fi
fi
case $action in
up)
    install_hook || { echo "hook it can't be installed in $hooks"; exit 0; }
    load_hook || { echo "hook libvirt can't be told to reload"; exit 0; }
    {
        printf 'run=%s\nepoch=%s\nat=%s\n' "$run" "$epoch" "$(date +%s)"
        for vm in "$@"; do printf 'admit=%s\n' "$vm"; done
    } | write "$state/cordon" || exit 1
    [ "$(field "$state/cordon" run)" = "$run" ] || exit 1
    ;;
down)
    if [ -n "$owner" ]; then rm -f "$state/cordon" && sync "$state" || exit 1; fi
    [ ! -e "$state/cordon" ] || exit 1
    ;;
*) exit 1 ;;
esac
echo "done $run"
