"""Following a host: libvirt's events and who runs there, over one ssh connection, made again after every
loss."""

from __future__ import annotations

import subprocess
import threading
import time
from pathlib import Path

from standfast.lab.observer.sightings import Sighting, parse_event, parse_running

# Runs until the observer goes: then stdin ends, and the shell ends its process group. Events are listened to
# anew when the daemon restarts; the list of running VMs, with the time before and after, covers what events
# missed.
_FOLLOW = (
    'echo "boot $(cat /proc/sys/kernel/random/boot_id)"; '
    "(while :; do virsh -q -c qemu:///system event --all --loop --timestamp 2>/dev/null; sleep 0.2; done) & "
    "(while :; do sleep 0.3; before=$(date +%s.%N); "
    "vms=$(virsh -q -c qemu:///system list --state-running --name 2>/dev/null) && "
    "echo running $before $(date +%s.%N) $vms; sleep 3; done) & "
    "cat >/dev/null; kill 0"
)
_RETRY_SECONDS = 0.3


def ssh_argv(lab_dir: Path, host: str, command: str) -> list[str]:
    """A connection of our own: one that is shared could be held up, or closed, by those who are observed."""
    own = ["-o", "ControlMaster=no", "-o", "ControlPath=none", "-o", "ServerAliveInterval=2"]
    return ["ssh", "-F", str(lab_dir / "ssh_config"), *own, host, "--", command]


class HostFollower(threading.Thread):
    """Keeps what one host said: sightings of VMs and the boots that were seen."""

    def __init__(self, lab_dir: Path, host: str) -> None:
        super().__init__(name=f"follow-{host}", daemon=True)
        self.host = host
        self.boot_ids: list[str] = []
        self.listening = threading.Event()
        self._argv = ssh_argv(lab_dir, host, _FOLLOW)
        self._sightings: list[Sighting] = []
        self._lock = threading.Lock()

    def sightings(self) -> list[Sighting]:
        """All sightings so far."""
        with self._lock:
            return list(self._sightings)

    def run(self) -> None:
        """Follow until the process ends."""
        while True:
            pipe = subprocess.PIPE
            with subprocess.Popen(
                self._argv, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True, errors="replace"
            ) as connection:
                assert connection.stdout is not None
                for line in connection.stdout:
                    self._take(line.rstrip("\n"))
                connection.kill()
            time.sleep(_RETRY_SECONDS)

    def _take(self, line: str) -> None:
        if line.startswith("boot "):
            boot_id = line.split()[-1]
            if boot_id not in self.boot_ids:
                self.boot_ids.append(boot_id)
            return
        event = parse_event(self.host, line)
        seen: list[Sighting] = [event] if event is not None else list(parse_running(self.host, line))
        with self._lock:
            self._sightings += seen
        if line.startswith("running "):
            self.listening.set()
