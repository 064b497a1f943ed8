"""One host: its overlay on the shared root, what makes it different from the others, its supervisor, its
readiness.
"""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from standfast.lab import access
from standfast.lab.errors import LabError
from standfast.lab.names import Addresses, Names, Net
from standfast.lab.paths import HostPaths, LabPaths
from standfast.lab.processes import cgroup_dirs, recorded_process
from standfast.lab.system import read_json, run, spawn_module, write_atomically

LIBVIRT_READY = "until virsh -q -c qemu:///system uri >/dev/null 2>&1; do sleep 0.1; done"

# After a peer-to-peer migration libvirtd 11.3 now and then (1 in 24 stops, with nobody connected) waits for a
# thread of its own that does not end, and gives up after 30 s: "Make forcefull daemon shutdown". What is
# measured in a lab would then be mostly that.
_STOP_SOON = "[Service]\nTimeoutStopSec=3\n"

_CONFFILE_AS_EDITED = "# settings of version 1.0\nlevel = 7  # edited on {host}\n"


@dataclass(frozen=True, slots=True)
class Host:
    """A host of a lab; numbers count from 1."""

    name: str
    number: int
    lab: LabPaths
    names: Names
    addresses: Addresses

    @property
    def paths(self) -> HostPaths:
        """Its files outside the container."""
        return self.lab.host(self.name)

    @property
    def management_address(self) -> str:
        """Where its sshd is."""
        return str(self.addresses.member(Net.MANAGEMENT, self.number))

    @property
    def migration_address(self) -> str:
        """Where migrations to it go."""
        return str(self.addresses.member(Net.MIGRATION, self.number))

    def make_root(self, shared_roots: Sequence[Path], all_hosts: list[str]) -> None:
        """Mount the overlay, on roots of which the first lies on top, and write what is this host's own."""
        paths = self.paths
        for directory in (paths.root, paths.upper, paths.work):
            directory.mkdir(parents=True)
        lower = ":".join(map(str, shared_roots))
        options = f"lowerdir={lower},upperdir={paths.upper},workdir={paths.work}"
        run(
            ["mount", "-t", "overlay", "-o", options, "overlay", paths.root],
            what=f"Mounting the root of {self.name}",
        )
        uuid = self.names.host_uuid(self.name)
        keys = {
            name: (self.lab.keys / f"{self.name}-{name}").read_text(encoding="ascii")
            for name in ("user", "host")
        }
        libvirtd = (paths.root / "etc/libvirt/libvirtd.conf").read_text(encoding="utf-8")
        # "Attempt to migrate guest to the same host" compares host_uuid and host name: both must be the
        # host's own.
        files = {
            "etc/hostname": (f"{self.name}\n", 0o644),
            "etc/hosts": (access.etc_hosts(self.addresses, all_hosts), 0o644),
            "etc/machine-id": (f"{uuid.hex}\n", 0o444),
            "etc/libvirt/libvirtd.conf": (f'{libvirtd}\nhost_uuid = "{uuid}"\n', 0o644),
            "etc/ssh/ssh_host_ed25519_key": (keys["host"], 0o600),
            "etc/ssh/ssh_host_ed25519_key.pub": (
                access.public_key(self.lab, f"{self.name}-host") + "\n",
                0o644,
            ),
            "root/.ssh/id_ed25519": (keys["user"], 0o600),
            "root/.ssh/authorized_keys": (access.authorized_keys(self.lab, all_hosts), 0o600),
            "root/.ssh/known_hosts": (access.known_hosts(self.lab, self.addresses, all_hosts), 0o600),
            "root/.ssh/config": ("BatchMode yes\nStrictHostKeyChecking yes\n", 0o600),
            "etc/standfast-lab/lab.conf": (_CONFFILE_AS_EDITED.format(host=self.name), 0o644),
            "etc/systemd/system/libvirtd.service.d/lab.conf": (_STOP_SOON, 0o644),
        }
        (paths.root / "root/.ssh").mkdir(mode=0o700, exist_ok=True)
        (paths.root / "etc/systemd/system/libvirtd.service.d").mkdir(exist_ok=True)
        for name, (text, mode) in files.items():
            write_atomically(paths.root / name, text, mode)

    def start_supervisor(self, *, kvm: bool) -> None:
        """Start the process that keeps the container, in a session of its own."""
        groups = [path / self.name for path in cgroup_dirs(self.names.lab)]
        for group in groups:
            group.mkdir(parents=True, exist_ok=True)
        links = [self.names.outer_veth(net, self.number) for net in Net]
        order = {
            "argv": self._container_argv(kvm=kvm),
            "links": links,
            "cgroups": [str(group) for group in groups],
        }
        write_atomically(self.paths.order, json.dumps(order, indent=1))
        spawn_module("standfast.lab.supervisor", "--host-dir", self.paths.base, log=self.paths.log)

    def _container_argv(self, *, kvm: bool) -> list[str]:
        binds = [f"--bind={self.lab.shared}:/srv/vm", f"--bind-ro={self.lab.repository}:/srv/apt"]
        binds += ["--bind=/dev/net/tun", *(["--bind=/dev/kvm"] if kvm else [])]
        # nsenter, not nspawn's --network-namespace-path: that mounts the /sys of the machine's namespace, and
        # libvirt in the container would look for its bridges among the machine's interfaces.
        return [
            *("nsenter", f"--net={self.paths.netns}"),
            *("systemd-nspawn", "--quiet", "--boot", f"--directory={self.paths.root}"),
            *(f"--machine={self.names.machine(self.name)}", f"--hostname={self.name}"),
            *("--register=no", "--keep-unit", "--capability=all", *binds),
            *("--resolv-conf=off", "--timezone=off", "--link-journal=no", "--console=read-only"),
            "systemd.show_status=0",
        ]

    @property
    def supervisor(self) -> int | None:
        """The supervisor's pid if it lives."""
        return recorded_process(self.paths.pid)

    @property
    def status(self) -> str:
        """running, rebooting, failed, off, stopped as the supervisor last said; unsupervised if it is
        gone."""
        if self.supervisor is None:
            return "unsupervised"
        return str((read_json(self.paths.status) or {}).get("state", "starting"))

    def wait_ready(self, seconds: float = 60.0) -> None:
        """Wait until sshd and libvirtd answer; LabError with the console's last lines if they do not."""
        deadline = time.monotonic() + seconds
        while not self._answers():
            if time.monotonic() > deadline or self.status == "off":
                tail = self.paths.log.read_text(encoding="utf-8", errors="replace").splitlines()[-5:]
                raise LabError(
                    f"{self.name} ({self.status}) did not come up within {seconds:g} s: {' / '.join(tail)}"
                )
            time.sleep(0.1)
        left = max(5.0, deadline - time.monotonic())
        self.ssh(LIBVIRT_READY, timeout_seconds=left)

    def _answers(self) -> bool:
        try:
            with socket.create_connection((self.management_address, 22), timeout=1.0) as connection:
                connection.settimeout(2.0)
                return connection.recv(4) == b"SSH-"
        except OSError:
            return False

    def ssh(
        self, command: str, *, timeout_seconds: float = 60.0, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run a shell command on the host as root; LabError if it fails, unless ``check`` is off."""
        argv = access.ssh_argv(self.lab, self.name, command)
        return run(
            argv, timeout_seconds=timeout_seconds, check=check, what=f"`{command[:60]}` on {self.name}"
        )
