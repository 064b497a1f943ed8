# Arguments: PID TOKEN. Ends what listen.sh left behind, if that process is still it.
name=
{ read -r name <"/proc/$1/comm"; } 2>/dev/null
if [ "$name" = perl ] && [ "${#2}" -eq 16 ] && tr '\0' ' ' <"/proc/$1/cmdline" 2>/dev/null | grep -q -F -e "$2"; then
    kill "$1"
fi
say end yes
