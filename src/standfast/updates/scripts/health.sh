# Arguments: none. Answers `key=value` lines and tools' words with a mark in front; see parse.py.
say clock "$(date +%s.%N)"
say boot_id "$(boot_id)"
ip -o link show 2>/dev/null | sed 's/^/link|/'
ip -o link show type bridge 2>/dev/null | sed 's/^/bridge|/'
findmnt --real -rn -o TARGET 2>/dev/null | sed 's/^/mount|/'
if networks=$(timeout 20 virsh -q -c qemu:///system net-list --name 2>/dev/null); then
    printf '%s\n' "$networks" | while IFS= read -r network; do
        [ -n "$network" ] && say network "$network"
    done
fi
if timeout 20 virsh -q -c qemu:///system list --uuid >/dev/null 2>&1; then say hypervisor up; fi
systemctl list-units --failed --plain --no-legend --no-pager 2>/dev/null | while read -r unit _; do
    case $unit in standfast-*) ;; *) say failed "$unit" ;; esac
done
say clock_end "$(date +%s.%N)"
say end yes
