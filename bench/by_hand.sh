#!/usr/bin/env bash
# What an administrator's own script does: one host after another, one move at a time, patch, reboot,
# VMs moved back home. The yardstick of the bench; it does the same promise as far as its author thought of it.
#
#   by_hand.sh SSH_CONFIG HOST...
set -euo pipefail

config=$1
shift
hosts=("$@")

on() { # on HOST COMMAND...: run a command there
  local host=$1
  shift
  ssh -F "$config" -n "root@$host" "$@"
}

move() { # move VM FROM TO: live, peer to peer, over the migration network, definition moved along
  on "$2" virsh -q migrate --live --p2p --persistent --undefinesource --abort-on-error \
    --migrateuri "tcp://$3-mig" "$1" "qemu+ssh://root@$3/system" </dev/null
}

for host in "${hosts[@]}"; do
  echo "== $host"
  others=()
  for other in "${hosts[@]}"; do [ "$other" = "$host" ] || others+=("$other"); done

  mapfile -t vms < <(on "$host" virsh -q list --name | grep -v '^$')
  declare -A away=()
  turn=0
  for vm in "${vms[@]}"; do
    target=${others[turn % ${#others[@]}]}
    echo "-- $vm to $target"
    move "$vm" "$host" "$target"
    away[$vm]=$target
    turn=$((turn + 1))
  done

  on "$host" "export DEBIAN_FRONTEND=noninteractive; apt-get -q update && apt-get -q -y \
    -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold dist-upgrade" >/dev/null

  before=$(on "$host" cat /proc/sys/kernel/random/boot_id)
  on "$host" systemctl reboot || true
  until [ "$(on "$host" cat /proc/sys/kernel/random/boot_id 2>/dev/null || echo "$before")" != "$before" ] &&
    on "$host" virsh -q list >/dev/null 2>&1; do
    sleep 1
  done

  for vm in "${vms[@]}"; do
    echo "-- $vm back home"
    move "$vm" "${away[$vm]}" "$host"
  done
done
