# Arguments: UNIT KIND RUN EPOCH all|security. Standard input: the script that the unit runs.
# Answers one line, `word text`: done, known (its name was used before), epoch (the higher one), failed (why).
unit=$1 kind=$2 run=$3 epoch=$4 scope=$5
mkdir -p "$work" || exit 1
exec 9>"$state/lock" || exit 1
flock -w 10 9 || { echo "failed the lock of another call is held for more than 10 s"; exit 0; }
directory=$work/$unit
if [ -e "$directory" ]; then echo "known $unit"; exit 0; fi
seen=$(epoch_seen)
if [ "$epoch" -lt "$seen" ]; then echo "epoch $seen"; exit 0; fi
if [ "$epoch" -gt "$seen" ]; then printf '%s\n' "$epoch" | write "$state/epoch" || exit 1; fi
# Making this directory is the claim: whoever comes second finds it, also after a crash.
mkdir "$directory" 2>/dev/null || { echo "known $unit"; exit 0; }
write "$directory/script" || exit 1
printf 'kind=%s\nrun=%s\nepoch=%s\nscope=%s\nboot_id=%s\nat=%s\n' "$kind" "$run" "$epoch" "$scope" "$(boot_id)" "$(date +%s)" |
    write "$directory/order" || exit 1
# A shutdown by other hands waits for it (TimeoutStopSec): dpkg must not be killed in the middle.
# --collect: a unit that is killed does not stay behind as failed, which would make the whole system "degraded".
if words=$(systemd-run --quiet --collect --no-block --unit="$unit" --description="Standfast: $kind" \
    --property=KillMode=mixed --property=TimeoutStopSec=900 --setenv=STANDFAST_ROOT="$root" \
    /bin/sh "$directory/script" "$directory" "$kind" "$run" "$epoch" "$scope" 2>&1 </dev/null 9>&-); then
    echo "done $unit"
else
    printf 'phase=failed\nexit_code=1\ndetail=systemd-run: %s\n' "$(printf '%s' "$words" | tr '\n' ' ')" |
        write "$directory/result"
    printf 'failed systemd-run: %s\n' "$(printf '%s' "$words" | tr '\n' ' ')"
fi
# Logs are kept of the last fifty units; a claim and its result for ever, for a name acts only once.
# shellcheck disable=SC2012
ls -t "$work" | tail -n +51 | while IFS= read -r old; do
    rm -f "$work/$old/log" "$work/$old"/changed.* "$work/$old"/versions.* "$work/$old/script"
done
