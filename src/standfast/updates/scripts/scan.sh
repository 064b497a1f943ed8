# Arguments: refresh|keep. Answers `key=value` lines and the words of apt with a mark in front; see parse.py.
say clock "$(date +%s.%N)"
say boot_id "$(boot_id)"
if [ "$1" = refresh ]; then
    tries=0
    until words=$(apt-get update -o APT::Update::Error-Mode=any 2>&1); do
        tries=$((tries + 1))
        case $words in *'Could not get lock'*) ;; *) tries=99 ;; esac
        if [ "$tries" -ge 24 ]; then
            say refresh_failed "$(printf '%s' "$words" | grep '^[EW]:' | tail -n 3 | tr '\n' ' ')"
            break
        fi
        sleep 5
    done
fi
apt-get -s upgrade --with-new-pkgs 2>&1 | sed 's/^/sim|/'
# Sizes are told only by a run that would act; it takes no lock and answers no to itself.
apt-get --assume-no -o Debug::NoLocking=true upgrade --with-new-pkgs 2>&1 </dev/null |
    grep -E '^(Need to get|After this operation)' | sed 's/^/size|/'
apt-mark showhold 2>/dev/null | sed 's/^/hold|/'
dpkg --audit 2>&1 | head -n 20 | sed 's/^/audit|/'
for left in "$root"/var/lib/dpkg/updates/[0-9]*; do
    [ -e "$left" ] && say dpkg_updates "${left##*/}"
done
for folder in / /var/cache/apt/archives; do
    [ -d "$root$folder" ] && df -P -k "$root$folder" | tail -n 1 | sed "s|^|df\\||"
done
if [ -e "$root/run/reboot-required" ]; then
    say reboot_required "$(sort -u "$root/run/reboot-required.pkgs" 2>/dev/null | tr '\n' ' ')"
fi
read -r kernel </proc/sys/kernel/osrelease
say kernel "$kernel"
if ! systemd-detect-virt --quiet --container 2>/dev/null; then # a container runs a kernel that isn't its own
    # shellcheck disable=SC2016
    dpkg-query -W -f 'kernel|${db:Status-Abbrev} ${Package}\n' 'linux-image-[0-9]*' 2>/dev/null
    for image in "$root"/boot/vmlinuz-*; do
        [ -e "$image" ] && say boot_kernel "${image##*/vmlinuz-}"
    done
fi
if command -v needrestart >/dev/null 2>&1; then
    timeout 60 needrestart -b 2>/dev/null | grep -E '^NEEDRESTART-K' | sed 's/^/needrestart|/'
fi
for entry in "${STANDFAST_PROC:-/proc}"/[0-9]*; do
    name=
    { read -r name <"$entry/comm"; } 2>/dev/null || continue
    case $name in
    libvirtd | virt*d | qemu-system-* | qemu-kvm | kvm | virtlog* | virtlock*) ;;
    *) continue ;;
    esac
    # Only code: a guest's memory and many other things are deleted files by nature.
    if grep -q -E '^[^ ]+ r.xp .* /(usr|lib|lib64|bin|sbin)/.*\(deleted\)$' "$entry/maps" 2>/dev/null; then
        say stale "$name"
    fi
done
say end yes
