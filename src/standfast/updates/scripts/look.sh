# Arguments: none. Answers `key=value` lines; see parse.py. Cheap: it is asked at every tick.
say clock "$(date +%s.%N)"
boot=$(boot_id)
say boot_id "$boot"
read -r uptime _ </proc/uptime
say uptime "$uptime"
# When the first process began, in ticks of the machine's uptime: in a container that is another moment.
read -r first </proc/1/stat
# shellcheck disable=SC2086
set -- ${first##*) }
say first_tick "${20}"
say epoch "$(epoch_seen)"
read -r kernel </proc/sys/kernel/osrelease
say kernel "$kernel"
if [ -e "$state/cordon" ]; then
    owner=$(field "$state/cordon" run)
    say cordon "${owner:-unknown}"
fi

tell_vms() {
    if active=$(timeout 10 virsh -q -c qemu:///system list --uuid 2>/dev/null); then
        count=0
        for _ in $active; do count=$((count + 1)); done
        say active_vms "$count"
    else
        say hypervisor down
    fi
}
tell_system() {
    failed=0
    for property in $(systemctl show -p SystemState -p NFailedUnits 2>/dev/null); do
        case $property in
        SystemState=*) say system "${property#*=}" ;;
        NFailedUnits=*) failed=${property#*=} ;;
        esac
    done
    [ "$failed" = 0 ] && return
    systemctl list-units --failed --plain --no-legend --no-pager 2>/dev/null | while read -r unit _; do
        case $unit in standfast-*) ;; *) say failed "$unit" ;; esac
    done
}
tell_phase() { # DIRECTORY: what became of a unit
    begun=$(field "$1/order" boot_id)
    kind=$(field "$1/order" kind)
    say work.boot_id "$begun"
    if [ -e "$1/result" ]; then
        while IFS= read -r line; do say "work.${line%%=*}" "${line#*=}"; done <"$1/result"
        return
    fi
    if [ -z "$begun" ]; then
        # Claimed, and its order not written: cut off at once, or in this very moment.
        if [ -n "$(find "$1" -maxdepth 0 -mmin +1)" ]; then
            say work.phase lost
            say work.detail "It was claimed, and never begun."
        else
            say work.phase running
        fi
    elif [ "$begun" != "$boot" ]; then
        # The host went down: what a reboot is for, and the end of anything else.
        if [ "$kind" = reboot ]; then say work.phase succeeded; else say work.phase lost; fi
    elif [ -e "$1/attempt" ]; then
        say work.phase running # it has asked for the reboot, and is stopped itself on the way down
    else
        case $(systemctl show -p ActiveState --value "${1##*/}.service" 2>/dev/null) in
        active | activating | reloading | deactivating) say work.phase running ;;
        *)
            # It may have ended between the two questions.
            if [ -e "$1/result" ]; then tell_phase "$1"; return; fi
            if [ -z "$(find "$1/order" -mmin +1)" ] && [ ! -e "$1/log" ]; then
                say work.phase running # begun this minute, and not yet known to systemd
                return
            fi
            say work.phase failed
            say work.detail "It ended without a result: it was killed, or never ran."
            ;;
        esac
    fi
}

tell_works() {
    [ -d "$work" ] || return 0
    recent=" "
    # shellcheck disable=SC2012 # names of units are ours: letters, digits and dashes
    for unit in $(ls -t "$work" | head -n 6); do recent="$recent$unit "; done
    for directory in "$work"/*/; do
        [ -d "$directory" ] || continue
        directory=${directory%/}
        say work "${directory##*/}"
        tell_phase "$directory"
        # Long parts only of the latest: they are read at every tick.
        case $recent in *" ${directory##*/} "*) ;; *) continue ;; esac
        for side in before after; do
            [ -r "$directory/changed.$side" ] || continue
            while read -r package version; do say "work.$side" "$package $version"; done <"$directory/changed.$side"
        done
    done
}
# virsh takes the longest, so it runs beside the rest; its words come last.
tell_vms | {
    tell_system
    tell_works
    cat
}
say end yes
