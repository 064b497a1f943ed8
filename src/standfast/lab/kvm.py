"""Does KVM work here? A /dev/kvm that opens proves nothing: on some nested machines a guest hangs or dies in
it.

So a guest is booted to its first heartbeat, with a limit. The verdict holds until the machine reboots.
"""

from __future__ import annotations

import json
from pathlib import Path

from standfast.lab.hosts import Host
from standfast.lab.system import machine_boot_id, read_json, write_atomically
from standfast.lab.vms import CPU_MODEL

PROBE_SECONDS = 15


def has_device() -> bool:
    """Whether it is worth probing at all."""
    return Path("/dev/kvm").exists()


def cached_verdict(cache: Path) -> bool | None:
    """What an earlier probe on this boot of this machine found; None if there was none."""
    if not has_device():
        return False
    data = read_json(cache / "kvm.json") or {}
    works = data.get("works")
    return works if data.get("boot_id") == machine_boot_id() and isinstance(works, bool) else None


def beats_under(host: Host, accel: str) -> bool:
    """Whether a guest on ``host``, run by QEMU under ``accel`` (kvm or tcg), says a beat within
    PROBE_SECONDS.

    Needs /srv/vm/boot on the host.
    """
    qemu = (
        f"timeout -k 1 {PROBE_SECONDS} qemu-system-x86_64 -accel {accel} -machine q35 "
        f"-cpu {CPU_MODEL},+rdrand -m 160 -nodefaults -display none -no-reboot -serial stdio "
        "-kernel /srv/vm/boot/kernel -initrd /srv/vm/boot/initrd "
        "-append 'console=ttyS0 quiet panic=1 sf.name=probe sf.ws_mib=1'"
    )
    # grep ends at the first beat, or when QEMU does; then QEMU is ended, or it would run until its limit.
    script = (
        f"pipe=/run/probe.$$; mkfifo $pipe; {qemu} >$pipe 2>&1 </dev/null & "
        "grep -a -m1 -q '^beat probe' $pipe; found=$?; kill $! 2>/dev/null; rm -f $pipe; exit $found"
    )
    return host.ssh(script, check=False, timeout_seconds=60).returncode == 0


def probe(cache: Path, host: Host) -> bool:
    """Whether KVM works, tried on ``host`` and remembered."""
    works = beats_under(host, "kvm")
    cache.mkdir(parents=True, exist_ok=True)
    write_atomically(cache / "kvm.json", json.dumps({"boot_id": machine_boot_id(), "works": works}))
    return works
