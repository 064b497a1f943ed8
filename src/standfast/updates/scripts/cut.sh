# Arguments: DEVICE SECONDS TOKEN. Standard input: the script away.sh. Notes what goes lost with the device when it is
# down, and has systemd take it down, and up again after that long. Answers `cut=yes`, or `trouble=WORDS`.
# Who holds the way back: systemd, which runs it when the unit ends in whatever manner, and at the latest a timer that
# runs before anything is cut. A reboot brings back what the host's own configuration says.
device=$1 seconds=$2 token=$3
unit=standfast-failover
refuse() {
    say trouble "$1"
    say end yes
    exit 0
}
case $device in '' | . | .. | lo | */* | -*) refuse "there is no such device" ;; esac
case $seconds in '' | *[!0-9]*) refuse "$seconds are no seconds" ;; esac
case $token in '' | *[!0-9a-f]*) refuse "this is no token" ;; esac
if [ "$seconds" -lt 1 ] || [ "$seconds" -gt 300 ]; then refuse "$seconds s without a network: 1 to 300 are possible"; fi
[ -e "$root/sys/class/net/$device" ] || refuse "there is no device $device"
mkdir -p "$state/failover" || refuse "there is no room in $state"
exec 9>"$state/lock" || refuse "$state/lock can't be opened"
flock -w 10 9 || refuse "the lock of another call is held for more than 10 s"
if systemctl is-active -q "$unit.service" || systemctl is-active -q "$unit-back.timer"; then
    refuse "another rehearsal is under way here"
fi
directory=$state/failover/$token
mkdir "$directory" 2>/dev/null || refuse "this rehearsal was begun before"
write "$directory/script" || refuse "there is no room in $state"
for family in 4 6; do
    ip -"$family" route show table main dev "$device" | grep -v -e ' expires ' -e ' proto ra ' >"$directory/routes$family"
    ip -"$family" -o address show dev "$device" permanent | awk '{ print $4, ($5 == "brd" ? "brd " $6 : "") }' |
        grep -v '^fe80:' >"$directory/addresses$family"
done
words=$(systemd-run --quiet --collect --unit="$unit-back" --on-active="$((seconds + 15))" --timer-property=AccuracySec=1s \
    --setenv=STANDFAST_ROOT="$root" /bin/sh "$directory/script" back "$device" "$directory" 2>&1 </dev/null 9>&-) ||
    refuse "systemd would not hold the way back: $(printf '%s' "$words" | tr '\n' ' ')"
words=$(systemd-run --quiet --collect --no-block --unit="$unit" --description="Standfast: $device is away for $seconds s" \
    --property=RuntimeMaxSec="$((seconds + 8))" --property=TimeoutStopSec=30 --setenv=STANDFAST_ROOT="$root" \
    --property=ExecStopPost="/bin/sh $directory/script back $device $directory" \
    /bin/sh "$directory/script" cut "$device" "$directory" "$seconds" 2>&1 </dev/null 9>&-) || {
    systemctl stop -q "$unit-back.timer"
    refuse "systemd would not run it: $(printf '%s' "$words" | tr '\n' ' ')"
}
# What is left of former rehearsals.
# shellcheck disable=SC2012
ls -t "$state/failover" | tail -n +6 | while IFS= read -r old; do rm -rf "$state/failover/${old:?}"; done
say cut yes
say end yes
