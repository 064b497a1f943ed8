# What a named unit runs. Arguments: DIRECTORY KIND RUN EPOCH all|security. Its result is a file; its exit code is always 0.
directory=$1 kind=$2 run=$3 epoch=$4 scope=${5:-all}
exec >"$directory/log" 2>&1 </dev/null
DEBIAN_FRONTEND=noninteractive
NEEDRESTART_MODE=l # list only: what runs is replaced by the reboot, not by restarts in between
APT_LISTCHANGES_FRONTEND=none
export DEBIAN_FRONTEND NEEDRESTART_MODE APT_LISTCHANGES_FRONTEND

apt() {
    # Changed configuration files of the host's own are kept; the package's version is put beside them.
    apt-get -y -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \
        -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@"
}
security_updates() { # PACKAGE=VERSION of what would be upgraded from a security archive, as updates/pending.py has it
    apt-get -s upgrade --with-new-pkgs 2>/dev/null | awk '
        /^Inst [^ ]+ \[/ {
            rest = $0
            sub(/^[^(]*\(/, "", rest); sub(/\).*/, "", rest); sub(/ \[[^]]*\]$/, "", rest)
            version = rest; sub(/ .*/, "", version)
            if (!sub(/^[^ ]+ /, "", rest)) next
            count = split(rest, origin, /, */)
            for (i = 1; i <= count; i++) {
                label = origin[i]; sub(/:.*/, "", label)
                suite = origin[i]; if (!sub(/^[^:]*:[^\/]*\//, "", suite)) suite = ""
                if (label == "Debian-Security" || label ~ /ESM(Apps)?$/ || suite ~ /-security$/) {
                    print $2 "=" version
                    next
                }
            }
        }'
}
upgrade() { # more options for apt-get
    if [ "$scope" != security ]; then
        apt "$@" upgrade --with-new-pkgs
        return
    fi
    # What they need comes along; --only-upgrade keeps what was installed by the way marked so.
    set -f
    # shellcheck disable=SC2046 # neither names nor versions hold blanks
    set -- "$@" install --only-upgrade --no-remove -- $(security_updates)
    set +f
    case $* in *=*) apt "$@" ;; *) echo "No security update is pending." ;; esac
}
log_end() {
    tail -n 12 "$directory/log"
}
refresh() { # the lists have a lock of their own, for which apt does not wait
    tries=0
    until apt-get update -o APT::Update::Error-Mode=any; do
        tries=$((tries + 1))
        if [ "$tries" -ge 30 ] || ! tail -n 5 "$directory/log" | grep -q 'Could not get lock'; then return 1; fi
        sleep 5
    done
}
check_dpkg() { # an interrupted dpkg is somebody's to look at: it is said, not repaired
    broken=$(dpkg --audit 2>&1 | head -n 3)
    for left in "$root"/var/lib/dpkg/updates/[0-9]*; do
        [ -e "$left" ] && broken="$broken dpkg was interrupted."
    done
    if [ -n "$broken" ]; then
        refuse "dpkg is not in order: $broken Look at it, then run: dpkg --configure -a"
    fi
}
versions() {
    # shellcheck disable=SC2016 # dpkg's own variables
    dpkg-query -W -f '${binary:Package} ${Version}\n' | sort
}
as_before() { # what an earlier attempt of this run found here: it may have changed some before it was cut off
    attempt=1
    while [ "$attempt" -lt "${directory##*-}" ]; do
        earlier=${directory%-*}-$attempt/versions.before
        if [ -s "$earlier" ]; then
            cp "$earlier" "$directory/versions.before"
            return
        fi
        attempt=$((attempt + 1))
    done
    return 1
}
changes() {
    versions >"$directory/versions.after"
    comm -23 "$directory/versions.before" "$directory/versions.after" >"$directory/changed.before"
    comm -13 "$directory/versions.before" "$directory/versions.after" >"$directory/changed.after"
}

stage() {
    check_epoch
    refresh || finish failed 100 "The package lists could not be fetched: $(log_end)"
    upgrade --download-only || finish failed $? "Updates could not be downloaded: $(log_end)"
    finish succeeded 0 "Updates are downloaded."
}
patch() {
    guard
    check_dpkg
    as_before || versions >"$directory/versions.before"
    code=0
    upgrade || code=$?
    changes
    beside=$(find "$root/etc" -cnewer "$directory/order" -name '*.dpkg-dist' 2>/dev/null | sort)
    [ "$code" -eq 0 ] || finish failed "$code" "apt-get ended with $code: $(log_end)"
    if [ -n "$beside" ]; then
        finish succeeded 0 "Updates are installed. Configuration files were kept, new versions are beside them: $beside"
    fi
    finish succeeded 0 "Updates are installed."
}
reboot() {
    guard
    check_dpkg
    if apt-get -qq -o DPkg::Lock::Timeout=60 install 2>&1 | grep 'Could not get lock'; then
        refuse "Packages are being installed on this host."
    fi
    printf 'boot_id=%s\nat=%s\n' "$(boot_id)" "$(date +%s)" | write "$directory/attempt"
    sync
    guard # once more: the act comes right after
    systemctl reboot || { rm -f "$directory/attempt"; finish failed $? "systemctl reboot: $(log_end)"; }
    hang_up
    # Stopped on the way down. Should the host still be up then, it does not reboot.
    sleep "${STANDFAST_REBOOT_PATIENCE:-900}" &
    wait $!
    rm -f "$directory/attempt"
    finish failed 1 "The reboot was asked for and did not come."
}
hang_up() { # Whoever is connected learns now that the host goes down: Debian's sshd leaves its sessions to the
    # last, when the network may be gone and nobody is told any more. The listener (a child of init) stays.
    for process in "${STANDFAST_PROC:-/proc}"/[0-9]*; do
        { read -r name <"$process/comm" && read -r _ _ _ parent _ <"$process/stat"; } 2>/dev/null || continue
        case $name in
        sshd | sshd-session) [ "$parent" = 1 ] || kill "${process##*/}" 2>/dev/null || : ;;
        esac
    done
}
stopped() { # A result is due also where the unit is stopped; not by the reboot that it has asked for itself.
    if [ -e "$directory/attempt" ]; then
        hang_up # again: somebody may have come back in between
        exit 0
    fi
    finish failed 143 "It was stopped before it had ended: $(log_end)"
}
trap stopped TERM INT HUP
case $kind in
stage) stage ;;
patch) patch ;;
reboot) reboot ;;
*) refuse "This host does not know work of kind $kind." ;;
esac
