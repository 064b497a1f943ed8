# Arguments: DEVICE all|short. Standard input: addresses, one a line. Answers `way|ADDRESS DEVICE` for each of them and
# for whoever asks: what the way there leaves by; `state=` of DEVICE, `libvirt=`, and `vm|UUID` of what runs. With `all`
# also what would be lost with DEVICE: `upper|NAME` on top of it, `far|ADDRESS` at the other end of a connection or
# mount, `keeper|NAME` of what fences, `mover|UUID` that migrates; and `routes=`, `rules=`, `addresses=` as JSON.
device=$1 how=$2
net=$root/sys/class/net
way() { # ADDRESS: the device that the way there leaves by
    ip -o route get "$1" 2>/dev/null | sed -n 's/.* dev \([^ ]*\).*/\1/p' | grep -v '^lo$' | head -n 1
}
way_to() {
    [ -z "$1" ] || printf 'way|%s %s\n' "$1" "$(way "$1")"
}
while IFS= read -r address || [ -n "$address" ]; do way_to "$address"; done
# shellcheck disable=SC2086 # words
set -- ${SSH_CONNECTION:-}
[ $# -lt 1 ] || { say asker "$1"; way_to "$1"; }
if [ -r "$net/$device/operstate" ]; then say state "$(cat "$net/$device/operstate")"; else say state missing; fi
if active=$(timeout 10 virsh -q -c qemu:///system list --uuid 2>/dev/null); then say libvirt yes; else say libvirt no; fi
for vm in $active; do printf 'vm|%s\n' "$vm"; done
if [ "$how" = all ]; then
    for upper in "$net/$device"/upper_*; do
        [ ! -e "$upper" ] || printf 'upper|%s\n' "${upper##*/upper_}"
    done
    for lower in "$net/$device"/lower_*; do # of a bridge: its guests
        case $lower in */lower_vnet* | */lower_tap* | */lower_fwpr* | */lower_veth*) printf 'upper|%s\n' "${lower##*/lower_}" ;; esac
    done
    {
        ss -Htn state established 2>/dev/null | awk '{ print $NF }' | sed 's/:[0-9]*$//; s/^\[::ffff:\(.*\)\]$/\1/; s/^\[\(.*\)\]$/\1/; s/%.*//'
        sed -n 's/^[^ ]* [^ ]* nfs4\{0,1\} .*[, ]addr=\([^, ]*\).*/\1/p' "$root/proc/mounts"
        cat "$root"/sys/class/iscsi_connection/*/persistent_address 2>/dev/null
    } | sort -u | while IFS= read -r address; do
        [ "$(way "$address")" != "$device" ] || printf 'far|%s\n' "$address"
    done
    for entry in "${STANDFAST_PROC:-/proc}"/[0-9]*; do
        name=
        { read -r name <"$entry/comm"; } 2>/dev/null || continue
        case $name in corosync | pacemakerd | pve-ha-lrm | sanlock | ceph-osd | glusterfsd) printf 'keeper|%s\n' "$name" ;; esac
    done | sort -u
    for vm in $active; do
        timeout 10 virsh -q -c qemu:///system domjobinfo "$vm" 2>/dev/null | grep -q '^Job type: *None' || printf 'mover|%s\n' "$vm"
    done
    for family in 4 6; do
        say "routes$family" "$(ip -"$family" -j route show table main 2>/dev/null | tr -d '\n')"
        say "rules$family" "$(ip -"$family" -j rule show 2>/dev/null | tr -d '\n')"
    done
    say addresses "$(ip -j address show dev "$device" 2>/dev/null | tr -d '\n')"
fi
say end yes
