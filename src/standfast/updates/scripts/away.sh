# What systemd runs in a rehearsal, see cut.sh. Arguments: cut DEVICE DIRECTORY SECONDS, or back DEVICE DIRECTORY, which
# may run again and again: it asks what is missing.
do=$1 device=$2 directory=$3
bring() { # FILE COMMAND: what a line of the file says, where it is not there
    while IFS= read -r line; do
        # shellcheck disable=SC2086 # words
        [ -z "$line" ] || "$2" $line
    done <"$1"
}
put_route() {
    ip -"$family" route show table main dev "$device" | tr -s ' ' | sed 's/ linkdown//; s/ $//' | grep -Fxq -e "$*" ||
        ip -"$family" route add "$@" table main dev "$device"
}
put_address() {
    ip -"$family" -o address show dev "$device" | grep -Fq -e " $1 " || ip -"$family" address add "$@" dev "$device"
}
if [ "$do" = cut ]; then
    sleep 1 # the word that it was begun still goes over what is about to go away
    ip link set dev "$device" down || exit 1
    sleep "$4"
    exit 0
fi
ip link set dev "$device" up
tries=0
until [ "$(cat "$root/sys/class/net/$device/operstate")" != down ] || [ "$tries" -ge 100 ]; do
    tries=$((tries + 1))
    sleep 0.1
done
for family in 4 6; do
    bring "$directory/addresses$family" put_address
    bring "$directory/routes$family" put_route
done
printf 'back\n' | write "$directory/result"
systemctl stop -q standfast-failover-back.timer 2>/dev/null
exit 0
