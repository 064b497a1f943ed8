"""The lab as one object: building it, finding it again, using it, removing it. What tests and the CLI
call."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TypeVar

from standfast.lab import (
    access,
    aptrepo,
    guestimage,
    kvm,
    morepackages,
    network,
    rootfs,
    state,
    system,
    teardown,
    vms,
)
from standfast.lab.config import product_config
from standfast.lab.errors import LabError
from standfast.lab.hosts import Host
from standfast.lab.names import Names, Net
from standfast.lab.observe import Watch
from standfast.lab.paths import LabPaths, cache_dir
from standfast.lab.spec import LabSpec

T = TypeVar("T")
Say = Callable[[str], None]


def _silent(_: str) -> None:
    """Nobody listens."""


@dataclass(frozen=True, slots=True)
class HostNow:
    """A host right now: its supervisor's word, and what it says itself (None and none if it is silent)."""

    state: str
    boot_id: str | None
    running: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Lab:
    """A lab that is up (or was, or is half-built); the object holds no resource, the files do."""

    state: state.LabState

    # ---- building and finding ------------------------------------------------------------------------------

    @classmethod
    def up(cls, spec: LabSpec, *, install: bool = False, say: Say = _silent) -> Lab:
        """Build a lab and return it when every guest's heart beats.

        LabRefusedError: this machine will not do, or the lab exists; nothing was changed. LabError: it failed
        half-way; what was built stays for a look, ``down`` removes it.
        """
        system.check_machine()
        state.refuse_existing(spec.name)
        system.ensure_packages(install=install)
        say("Preparing the hosts' root and the guests' kernel (a minute or two when they are not cached).")
        entry = rootfs.cached_root(cache_dir())
        roots: tuple[Path, ...] = (entry / "root",)
        if spec.packages:
            say(f"Adding {', '.join(spec.packages)} to it.")
            roots = (morepackages.cached_layer(cache_dir(), entry, spec.packages), *roots)
        image = guestimage.cached_image(cache_dir(), entry)
        lab = cls(state.claim(spec))
        lab._write_files(image)
        return lab._start(roots, say)

    @classmethod
    def find(cls, name: str) -> Lab:
        """A lab that is there; LabError if it is not."""
        return cls(state.load(name))

    @staticmethod
    def remove(name: str) -> bool:
        """Remove a lab by name, whatever is left of it; whether there was anything."""
        return teardown.remove_lab(name)

    def down(self) -> None:
        """Remove this lab."""
        teardown.remove_lab(self.name)

    # ---- what it is ----------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The lab's name, which is also the cluster's in its config."""
        return self.state.spec.name

    @property
    def paths(self) -> LabPaths:
        """The lab's files."""
        return LabPaths.of(self.name)

    @property
    def config_path(self) -> Path:
        """The product's config for this lab."""
        return self.paths.config

    @property
    def observer(self) -> Watch:
        """The lab's observer: start it, ask it, stop it."""
        return Watch(self.paths)

    @property
    def hosts(self) -> tuple[str, ...]:
        """Host names."""
        return self.state.spec.hosts

    @property
    def vms(self) -> tuple[str, ...]:
        """VM names."""
        return tuple(vm.name for vm in self.state.spec.vms)

    def host(self, name: str) -> Host:
        """One host; LabError if there is none of this name."""
        if name not in self.hosts:
            raise LabError(f"Lab {self.name} has no host {name!r}; it has {', '.join(self.hosts)}.")
        number = self.hosts.index(name) + 1
        return Host(name, number, self.paths, Names(self.name), self.state.addresses)

    # ---- using it ------------------------------------------------------------------------------------------

    def ssh(
        self, host: str, command: str, *, timeout_seconds: float = 60.0, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run a shell command on a host as root; LabError if it fails, unless ``check`` is off."""
        return self.host(host).ssh(command, timeout_seconds=timeout_seconds, check=check)

    def boot_id(self, host: str) -> str:
        """The host's boot_id: it changes with every boot."""
        return self.ssh(host, "cat /proc/sys/kernel/random/boot_id").stdout.strip()

    def wait_rebooted(self, host: str, old_boot_id: str, *, seconds: float = 180.0) -> None:
        """Wait until a host is up with another boot_id than the given one; LabError if it is not in time."""
        deadline = time.monotonic() + seconds
        while self.now_of(host).boot_id in {None, old_boot_id}:
            if time.monotonic() > deadline:
                raise LabError(f"{host} did not reboot within {seconds:g} s; it is {self.host(host).status}.")
            time.sleep(0.2)
        self.host(host).wait_ready()

    def where(self) -> dict[str, list[str]]:
        """VM name → the hosts on which it runs right now: none, one or (it must never be) two."""
        running: dict[str, list[str]] = {vm: [] for vm in self.vms}
        for host, facts in self.now().items():
            for vm in facts.running:
                running.setdefault(vm, []).append(host)
        return running

    def set_boot_seconds(self, seconds: float, host: str | None = None) -> None:
        """Let reboots of a host (None: of all) take that much longer from now on."""
        for name in [host] if host else self.hosts:
            system.write_atomically(self.host(name).paths.boot_seconds, f"{seconds}\n")

    def fail_next_boot(self, host: str) -> None:
        """Let the next boot of a host fail: it stays down until ``power_on``."""
        self.host(host).paths.fail_next_boot.touch()

    def power_on(self, host: str) -> None:
        """Press the power button of a host that is off or failed to boot."""
        system.write_atomically(self.host(host).paths.power, "on\n")

    def cut_power(self, host: str) -> None:
        """Let a host die at once with all that runs on it; ``power_on`` starts it again."""
        system.write_atomically(self.host(host).paths.power, "cut\n")

    def virsh(self, host: str, command: str, *, check: bool = True) -> str:
        """What virsh on a host answers."""
        return self.ssh(host, f"virsh -q -c qemu:///system {command}", check=check).stdout.strip()

    def migrate(self, vm: str, to: str) -> str:
        """Move a running VM by hand, peer to peer, as an administrator would; the host it came from."""
        hosts = self.where().get(vm, [])
        if len(hosts) != 1:
            raise LabError(f"{vm} runs on {', '.join(hosts) or 'no host'}: it cannot be migrated.")
        flags = "--live --p2p --persistent --undefinesource --abort-on-error"
        uri, address = f"qemu+ssh://root@{to}/system", self.host(to).migration_address
        self.virsh(hosts[0], f"migrate {flags} {vm} {uri} --migrateuri tcp://{address}")
        return hosts[0]

    def restart_vm(self, vm: str) -> None:
        """Reset a running VM as its reset button would: an interruption."""
        for host in self.where().get(vm, ()):
            self.virsh(host, f"reset {vm}")

    def publish(self, *, broken: bool) -> None:
        """Offer the updates with or without the one that fails; hosts see it at their next refresh."""
        aptrepo.publish(self.paths.repository, aptrepo.NEW, broken=broken)

    def set_speed(self, net: Net, rate: int | None, *, hosts: Sequence[str] = ()) -> None:
        """Limit hosts' (default: all) links in one network to ``rate`` bit/s each way (None: unlimited)."""
        for name in hosts or self.hosts:
            host = self.host(name)
            network.shape(host.names, host.number, host.paths.netns, net, rate)

    def now(self) -> dict[str, HostNow]:
        """Each host's state, boot_id and running VMs right now."""
        return dict(self._everywhere(lambda host: self.now_of(host.name)))

    def now_of(self, name: str) -> HostNow:
        """One host right now."""
        host = self.host(name)
        command = (
            "cat /proc/sys/kernel/random/boot_id; virsh -q -c qemu:///system list --state-running --name"
        )
        try:
            words = host.ssh(command, check=False, timeout_seconds=20).stdout.split()
        except LabError:  # it does not answer in time: that is a fact about the host, not a failure of ours
            words = []
        return HostNow(host.status, words[0] if words else None, tuple(words[1:]))

    def status(self) -> dict[str, object]:
        """What ``lab.json`` says plus, under ``now``, what is so right now."""
        return {**self.state.as_json(), "now": {name: asdict(facts) for name, facts in self.now().items()}}

    # ---- building, step by step ----------------------------------------------------------------------------

    def _everywhere(self, action: Callable[[Host], T]) -> Mapping[str, T]:
        with ThreadPoolExecutor(len(self.hosts)) as pool:
            return dict(
                zip(self.hosts, pool.map(lambda name: action(self.host(name)), self.hosts), strict=True)
            )

    def _write_files(self, image: guestimage.GuestImage) -> None:
        """Everything that needs no running host: keys, config, repository, the guests' kernel, networks."""
        paths, spec, addresses = self.paths, self.state.spec, self.state.addresses
        access.make_keys(paths, self.name, spec.hosts)
        access.write_access(paths, addresses, spec.hosts)
        system.write_atomically(paths.config, product_config(self.state, paths))
        aptrepo.build_packages(paths.repository / "pool", aptrepo.NEW)
        self.publish(broken=spec.broken)
        (paths.shared / "boot").mkdir(parents=True)
        shutil.copy(image.kernel, paths.shared / "boot/kernel")
        shutil.copy(image.initrd, paths.shared / "boot/initrd")
        network.make_bridges(Names(self.name), addresses)

    def _start(self, shared_roots: Sequence[Path], say: Say) -> Lab:
        """Boot the hosts; each VM starts as soon as its host is there and KVM has been judged."""
        verdict = kvm.cached_verdict(cache_dir())
        say(f"Booting {len(self.hosts)} hosts.")
        self._everywhere(lambda host: self._boot(host, shared_roots))
        self.set_boot_seconds(self.state.spec.boot_seconds)
        spec = self.state.spec
        speeds = {
            Net.MIGRATION: spec.migration_speed_bits_per_second,
            Net.MANAGEMENT: spec.management_speed_bits_per_second,
        }
        for net, rate in speeds.items():
            if rate is not None:
                self.set_speed(net, rate)
        if verdict is None:
            first = self.host(self.hosts[0])
            first.wait_ready()
            say(
                f"Trying whether KVM works here (up to {kvm.PROBE_SECONDS} s, once per boot of this machine)."
            )
            verdict = kvm.probe(cache_dir(), first)
        lab = Lab(replace(self.state, accel="kvm" if verdict else "qemu"))
        how = "KVM" if verdict else "software emulation: KVM does not work here"
        say(f"Starting {len(lab.vms)} VMs ({how}).")
        lab._start_vms()
        done = Lab(replace(lab.state, ready=True))
        state.save(done.state)
        return done

    def _boot(self, host: Host, shared_roots: Sequence[Path]) -> None:
        host.make_root(shared_roots, list(self.hosts))
        network.make_host_links(host.names, host.addresses, host.number, host.paths.netns)
        host.start_supervisor(kvm=kvm.has_device())

    def _start_vms(self) -> None:
        spec, names = self.state.spec, Names(self.name)
        vms.write_vm_files(self.paths, spec.vms, names, self.state.addresses, accel=self.state.accel)

        def start(host: Host) -> None:
            host.wait_ready()
            vms.start_on(host, [vm for vm in spec.vms if self.state.placement[vm.name] == host.name])

        self._everywhere(start)
        vms.wait_for_beats(self.paths, self.vms, since={})
