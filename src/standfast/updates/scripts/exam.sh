# Standard input: paths of disks, one a line. Answers `key=value` lines and tools' words with a mark in front.
# Asked before a host is worked on; changes nothing. See updates/exam.py.
paths=$(cat)
say clock "$(date +%s.%N)"
say boot_id "$(boot_id)"
say uid "$(id -u)"
say user "$(id -un 2>/dev/null)"
for tool in virsh systemctl systemd-run flock sync dpkg apt-get apt-mark ip findmnt timeout stat perl; do
    command -v "$tool" >/dev/null 2>&1 || say no_tool "$tool"
done

# Where the guard, the claims and the cordon's hook are put: the nearest folder that is there must take them.
for place in /var/lib/standfast /etc/libvirt/hooks; do
    there=$root$place
    while [ ! -e "$there" ] && [ -n "${there%/*}" ]; do there=${there%/*}; done
    [ -w "$there" ] || say no_write "$place"
done
if [ -e "$state/cordon" ]; then
    owner=$(field "$state/cordon" run)
    say cordon "${owner:-unknown}"
fi

# Who else may move, start, stop, update or reboot things here.
systemctl show --property=Id,LoadState,ActiveState,UnitFileState \
    pacemaker.service corosync.service sbd.service pve-ha-lrm.service pve-ha-crm.service \
    vdsmd.service cloudstack-agent.service nova-compute.service ganeti-noded.service opennebula-node.service \
    proxlb.service proxpatch.service libvirt-guests.service apt-daily-upgrade.timer dnf-automatic.timer \
    dnf-automatic-install.timer libvirtd.service libvirtd.socket virtqemud.service virtqemud.socket 2>/dev/null |
    { cat; echo; } | while IFS= read -r line; do
    case $line in
    Id=*) name=${line#*=} load='' active='' file='' ;;
    LoadState=*) load=${line#*=} ;;
    ActiveState=*) active=${line#*=} ;;
    UnitFileState=*) file=${line#*=} ;;
    '') [ "${load:-not-found}" = not-found ] || echo "unit|$name $load $active ${file:--}" ;;
    esac
done
if command -v crm_attribute >/dev/null 2>&1 && systemctl -q is-active pacemaker.service; then
    for name in stonith-enabled maintenance-mode; do
        say "pacemaker.$name" "$(timeout 5 crm_attribute --quiet --query --name "$name" --default '' 2>/dev/null)"
    done
fi
if command -v unattended-upgrade >/dev/null 2>&1; then
    settings=$(apt-config shell upgrade APT::Periodic::Unattended-Upgrade \
        reboot Unattended-Upgrade::Automatic-Reboot 2>/dev/null | sed 's/^/setting|/')
    [ -z "$settings" ] || printf '%s\n' "$settings"
fi
for file in /etc/default/libvirt-guests /etc/sysconfig/libvirt-guests; do
    [ -r "$root$file" ] && sed -n 's/^[[:space:]]*\(ON_[A-Z]*=.*\)/guests|\1/p' "$root$file"
done
if [ -r "$root/run/systemd/shutdown/scheduled" ]; then
    say shutdown "$(tr '\n' ' ' <"$root/run/systemd/shutdown/scheduled")"
fi
lock=$(apt-get -qq -o DPkg::Lock::Timeout=0 install 2>&1 </dev/null | grep 'Could not get lock' | head -n 1)
[ -z "$lock" ] || say lock "$lock"

if [ -r "$root/etc/libvirt/qemu.conf" ]; then
    sed -n 's/^[[:space:]]*\(keepalive_[a-z]*\)[[:space:]]*=[[:space:]]*/qemu.\1=/p' "$root/etc/libvirt/qemu.conf"
fi
for folder in / /var /var/cache/apt/archives /boot; do
    [ -d "$root$folder" ] && df -P -k "$root$folder" 2>/dev/null | tail -n 1 | sed "s|^|space\\|$folder |"
done
# Which file each path is, as this host sees it: the same number on every host where it is the same file.
printf '%s\n' "$paths" | xargs -r -d '\n' stat -L -f -c 'filesystem|%T %n' -- 2>/dev/null
printf '%s\n' "$paths" | xargs -r -d '\n' stat -L -c 'file|%i %n' -- 2>/dev/null
say clock_end "$(date +%s.%N)"
say end yes
