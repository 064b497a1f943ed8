# Arguments: SECONDS. Standard input: a line for each other host, `NAME URI ADDRESS TOKEN PORT…`; ADDRESS `-`: only
# its libvirt is tried. Answers `control|NAME UUID` or `control|NAME - WORDS`: whether libvirt here can talk to
# libvirt there, as a peer-to-peer migration does; `data|NAME PORT open` or `data|NAME PORT WORDS`: whether
# packets of full size come through to that port.
seconds=$1
others=$(cat)
strange() { # URI: whether whoever may not run commands here could have one run by it
    [ -n "${STANDFAST_GUARDED:-}" ] || return 1
    case $1 in
    *[!A-Za-z0-9._:@/+?=\&,[]-]* | *+ext:* | *command=* | *netcat=* | *keyfile=* | *socket=* | *proxy=*) return 0 ;;
    esac
    return 1
}
control() { # NAME URI
    if strange "$2"; then
        printf 'control|%s - not tried: an account that is not root may not try such a URI\n' "$1"
        return
    fi
    case $2 in
    *+ssh://*\?*) uri="$2&no_tty=1" ;;
    *+ssh://*) uri="$2?no_tty=1" ;;
    *) uri=$2 ;;
    esac
    words=$(timeout 20 virsh -q -c "$uri" capabilities 2>&1 </dev/null)
    code=$?
    uuid=$(printf '%s\n' "$words" | sed -n 's/.*<uuid>\(.*\)<\/uuid>.*/\1/p' | head -n 1)
    if [ $code -eq 0 ] && [ -n "$uuid" ]; then
        printf 'control|%s %s\n' "$1" "$uuid"
    elif [ $code -eq 124 ]; then
        printf 'control|%s - no answer within 20 s\n' "$1"
    else
        printf 'control|%s - %s\n' "$1" "$(printf '%s' "$words" | tr '\n' ' ' | tail -c 500)"
    fi
}
if command -v perl >/dev/null 2>&1; then
    printf '%s\n' "$others" | perl -e "$connect_pl" "$seconds" 2>&1
fi
count=0
# Read from a copy, so that nothing that is run here reads it away.
while read -r name uri _ <&3; do
    [ -n "$name" ] || continue
    control "$name" "$uri" &
    count=$((count + 1))
    [ $((count % 8)) -ne 0 ] || wait
done 3<<END
$others
END
wait
say end yes
