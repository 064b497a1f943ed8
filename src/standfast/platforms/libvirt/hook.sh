#!/bin/sh
# Installed by Standfast as /etc/libvirt/hooks/qemu.d/standfast; libvirt calls it as: NAME OPERATION PHASE EXTRA.
# While the host is cordoned nothing may start on it, nor arrive. Whatever runs is left alone, and may leave.
# A VM that the cordon admits may boot; libvirt hands its XML in, in which the first UUID is the VM's own.
case ${2-} in
prepare | start | restore | migrate) ;;
*) exit 0 ;;
esac
case ${3-} in
begin) ;;
*) exit 0 ;;
esac
cordon=${STANDFAST_ROOT:-}/var/lib/standfast/cordon
[ -e "$cordon" ] || exit 0
run=unknown admitted=' '
while IFS= read -r line; do
    case $line in
    run=*) run=${line#run=} ;;
    admit=*) admitted="$admitted${line#admit=} " ;;
    esac
done <"$cordon"
boots=no
case $2 in prepare | start) boots=yes ;; esac
if [ $boots = yes ] && [ "$admitted" != ' ' ]; then
    while IFS= read -r line; do
        case $line in *'<uuid>'*'</uuid>'*) ;; *) continue ;; esac
        line=${line#*<uuid>}
        case $admitted in *" ${line%%</uuid>*} "*) exit 0 ;; esac
        break
    done
fi
echo "standfast: this host is cordoned by run $run for maintenance: nothing may start on it or move to it" >&2
exit 1
