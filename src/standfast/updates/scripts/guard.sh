# The fence on the host itself: a stale controller can't be stopped by a store that it no longer reads.

refuse() { # SENTENCE: nothing was done, and why
    finish refused 75 "$1"
}
finish() { # PHASE EXIT-CODE DETAIL: the one end of every unit
    printf 'phase=%s\nexit_code=%s\ndetail=%s\n' "$1" "$2" "$(printf '%s' "$3" | tr '\n' '\037' | tail -c 4000)" |
        write "$directory/result"
    exit 0
}

check_epoch() {
    seen=$(epoch_seen)
    if [ "$epoch" -lt "$seen" ]; then
        refuse "A newer controller (epoch $seen) has taken over; this order is of epoch $epoch."
    fi
}

hypervisor_processes() { # QEMUs that run a guest, libvirt's or anybody's; libvirt's own probes have no machine
    for entry in "${STANDFAST_PROC:-/proc}"/[0-9]*; do
        name=
        { read -r name <"$entry/comm"; } 2>/dev/null || continue
        case $name in
        qemu-system-* | qemu-kvm | kvm) ;;
        *) continue ;;
        esac
        arguments=$(tr '\0' ' ' <"$entry/cmdline" 2>/dev/null)
        case $arguments in
        '' | *'-machine none'* | *'-M none'*) ;;
        *) printf '%s ' "${entry##*/}" ;;
        esac
    done
}

guard() { # Refuses unless this host is cordoned for this run, and empty, as it says itself right now.
    check_epoch
    if [ ! -e "$state/cordon" ]; then
        refuse "This host is not cordoned: a VM could start on it at any moment."
    fi
    owner=$(field "$state/cordon" run)
    if [ "$owner" != "$run" ]; then
        refuse "This host is cordoned by run ${owner:-unknown}, not by run $run."
    fi
    if ! active=$(timeout 30 virsh -q -c qemu:///system list --uuid 2>&1); then
        refuse "libvirt could not be asked for active VMs: $active"
    fi
    count=0
    for _ in $active; do count=$((count + 1)); done
    if [ "$count" -gt 0 ]; then
        refuse "$count active VM(s) on this host: $(printf '%s' "$active" | tr '\n' ' ')"
    fi
    found=$(hypervisor_processes)
    if [ -n "$found" ]; then
        refuse "QEMU runs here although libvirt lists no active VM (process $found)."
    fi
}
