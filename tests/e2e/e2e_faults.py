"""Faults that are really planted on a lab's hosts and taken back, each with what the doctor has to find."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from e2e_program import Program

from standfast.lab.cluster import Lab
from standfast.lab.names import Names

Plant = Callable[[Lab, Path], AbstractContextManager[Program]]


@dataclass(frozen=True, slots=True)
class Fault:
    """`finds` is `WHERE CODE`: exactly that, and nothing besides but what follows from it."""

    name: str
    finds: str
    plant: Plant
    follows: tuple[str, ...] = ()


def plain(lab: Lab, place: Path) -> Program:
    """The lab's own config."""
    return Program(lab.config_path, place / "state")


def altered(lab: Lab, place: Path, old: str, new: str) -> Program:
    """The lab's config with one thing changed (regular expression, replacement)."""
    text, count = re.subn(old, new, lab.config_path.read_text(encoding="utf-8"))
    assert count == 1, f"{old!r} met {count} times"
    path = place / "standfast.yaml"
    path.write_text(text, encoding="utf-8")
    return Program(path, place / "state")


def own_ssh(lab: Lab, place: Path, known_hosts: str) -> Program:
    """The lab's config with an ssh_config of its own, so that no kept connection answers in its place."""
    text = lab.paths.ssh_config.read_text(encoding="utf-8")
    (place / "known_hosts").write_text(known_hosts, encoding="utf-8")
    text = re.sub(r"(?m)^(\s*UserKnownHostsFile\s+).*$", rf"\g<1>{place}/known_hosts", text)
    text = re.sub(r"(?m)^\s*Control(Path|Master|Persist)\s.*\n", "", text)
    (place / "ssh_config").write_text(text, encoding="utf-8")
    return altered(lab, place, re.escape(str(lab.paths.ssh_config)), str(place / "ssh_config"))


# --- ways to plant ------------------------------------------------------------------------------------------


def on(host: str, do: str, undo: str) -> Plant:
    """A shell command on a host, and the one that takes it back."""

    @contextmanager
    def plant(lab: Lab, place: Path) -> Iterator[Program]:
        try:
            lab.ssh(host, do)
            yield plain(lab, place)
        finally:
            lab.ssh(host, undo)

    return plant


def everywhere_but(host: str, do: str, undo: str) -> Plant:
    """The same on all hosts but one."""

    @contextmanager
    def plant(lab: Lab, place: Path) -> Iterator[Program]:
        others = [other for other in lab.hosts if other != host]
        try:
            for other in others:
                lab.ssh(other, do)
            yield plain(lab, place)
        finally:
            for other in others:
                lab.ssh(other, undo)

    return plant


def config(old: str, new: str) -> Plant:
    """Something wrong in the config."""

    @contextmanager
    def plant(lab: Lab, place: Path) -> Iterator[Program]:
        yield altered(lab, place, old, new)

    return plant


def known_hosts(change: Callable[[str], str]) -> Plant:
    """Other host keys known to the controller; `change` is asked for each line."""

    @contextmanager
    def plant(lab: Lab, place: Path) -> Iterator[Program]:
        lines = lab.paths.known_hosts.read_text(encoding="utf-8").splitlines()
        yield own_ssh(lab, place, "".join(f"{change(line)}\n" for line in lines))

    return plant


@contextmanager
def key_taken_away(lab: Lab, place: Path) -> Iterator[Program]:
    """kvm2 lets the other hosts in, and no longer the controller. Given back from outside."""
    keys = lab.host("kvm2").paths.root / "root/.ssh/authorized_keys"
    before = keys.read_text(encoding="utf-8")
    kept = [line for line in before.splitlines() if "controller" not in line]
    assert len(kept) == len(before.splitlines()) - 1
    try:
        keys.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
        yield own_ssh(lab, place, lab.paths.known_hosts.read_text(encoding="utf-8"))
    finally:
        keys.write_text(before, encoding="utf-8")


@contextmanager
def an_account_without_rights(lab: Lab, place: Path) -> Iterator[Program]:
    make = (
        "useradd -m oper && install -d -m 700 -o oper ~oper/.ssh && "
        "install -m 600 -o oper ~root/.ssh/authorized_keys ~oper/.ssh/ && usermod -p '*' oper"
    )
    try:
        lab.ssh("kvm2", make)
        yield altered(lab, place, r'ssh: "root@kvm2"', 'ssh: "oper@kvm2"')
    finally:
        lab.ssh("kvm2", "pkill -u oper; userdel -r oper 2>/dev/null", check=False)


@contextmanager
def firewall(lab: Lab, place: Path, *, ports: str) -> Iterator[Program]:
    """kvm2 drops what comes in for migrations."""
    enter = ["nsenter", f"--net={lab.host('kvm2').paths.netns}", "nft"]
    rules = (
        "add table inet planted; add chain inet planted in { type filter hook input priority 0; }; "
        f"add rule inet planted in tcp dport {ports} drop"
    )
    subprocess.run([*enter, rules], check=True)
    try:
        yield plain(lab, place)
    finally:
        subprocess.run([*enter, "delete table inet planted"], check=True)


def victim(change: Callable[[str], str] = str, after: str = "true", before: str = "true") -> Plant:
    """One more VM on kvm1, its definition changed; `before` and `after` run there around its start."""

    @contextmanager
    def plant(lab: Lab, place: Path) -> Iterator[Program]:
        text = (lab.paths.shared / "definitions/vm2.xml").read_text(encoding="utf-8")
        names = Names(lab.name)
        for old, new in (
            ("<name>vm2<", "<name>victim<"),
            (str(names.vm_uuid("vm2")), str(names.vm_uuid("victim"))),
            (names.vm_mac("vm2"), names.vm_mac("victim")),
            ("vm2.img", "victim.img"),
            ("vm2.log", "victim.log"),
        ):
            assert old in text
            text = text.replace(old, new)
        (lab.paths.shared / "definitions/victim.xml").write_text(change(text), encoding="utf-8")
        virsh = "virsh -q -c qemu:///system"
        try:
            lab.ssh(
                "kvm1",
                f"cp --sparse=always /srv/vm/disks/vm2.img /srv/vm/disks/victim.img; {before}; "
                f"{virsh} define /srv/vm/definitions/victim.xml && {virsh} start victim && {after}",
            )
            yield plain(lab, place)
        finally:
            lab.ssh(
                "kvm1",
                f"{virsh} destroy victim; {virsh} undefine --snapshots-metadata victim; "
                "rm -f /srv/vm/disks/victim.* /srv/vm/definitions/victim.xml /srv/vm/serial/victim.log "
                "/var/tmp/victim.*",
                check=False,
            )

    return plant


@contextmanager
def second_definition(lab: Lab, place: Path) -> Iterator[Program]:
    """vm2 is defined, with autostart, on a host where it does not run."""
    (where,) = lab.where()["vm2"]
    other = next(host for host in lab.hosts if host != where)
    virsh = "virsh -q -c qemu:///system"
    try:
        lab.ssh(other, f"{virsh} define /srv/vm/definitions/vm2.xml && {virsh} autostart vm2")
        yield plain(lab, place)
    finally:
        lab.ssh(other, f"{virsh} undefine vm2")


# --- the faults ---------------------------------------------------------------------------------------------

_PACEMAKER = "/run/systemd/system/pacemaker.service"
_AUTO = "/etc/apt/apt.conf.d/20auto-upgrades"
_LOCK = (
    "perl -MFcntl -e 'open F, q(+<), q(/var/lib/dpkg/lock-frontend) or die; "
    "my $lock = pack(q(s s x4 q q i x4), F_WRLCK, 0, 0, 0, 0); fcntl(F, F_SETLK, $lock) or die; sleep 600'"
)
_DISKS = "/srv/vm/disks"
_ARCHIVES = "/var/cache/apt/archives"
_DISK = "<disk type='file' device='{0}'><driver name='qemu' type='raw'/><source file='{1}'/>{2}</disk>"
_NET = '<network><name>lan</name><forward mode="bridge"/><bridge name="br-guest"/></network>'
_OTHER_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAtWvBlDAtpbKqiN3NQi7ukBBFv4fwXDXUWWmwbkpjdx"
_VIRSH = "virsh -q -c qemu:///system"
_LIBVIRTD = "libvirtd.socket libvirtd-ro.socket libvirtd-admin.socket libvirtd.service"


def _with_disk(device: str, path: str, rest: str) -> Callable[[str], str]:
    disk = _DISK.format(device, path, rest)
    return lambda text: text.replace("<interface ", f"{disk}<interface ", 1)


FAULTS = (
    # reaching the hosts
    Fault(
        "a host key that is not known",
        "kvm2 host_key_unknown",
        known_hosts(lambda line: "# gone" if line.startswith("kvm2,") else line),
    ),
    Fault(
        "a host key that has changed",
        "kvm2 host_key_changed",
        known_hosts(lambda line: f"{line.split()[0]} {_OTHER_KEY}" if line.startswith("kvm2,") else line),
    ),
    Fault("a host that does not take our key", "kvm2 host_no_access", key_taken_away),
    Fault("an account without rights", "kvm2 host_no_rights", an_account_without_rights),
    Fault(
        "libvirt stopped",
        "kvm3 host_hypervisor_down",
        on("kvm3", f"systemctl stop {_LIBVIRTD}", "systemctl start libvirtd.socket libvirtd.service"),
    ),
    Fault(
        "one host under two names",
        "cluster host_duplicate",
        config(r"qemu\+ssh://root@kvm3/system", "qemu+ssh://root@kvm1:22/system"),
    ),
    # working on them
    Fault(
        "no place for the guard",
        "kvm2 host_no_guard",
        on(
            "kvm2",
            "mkdir -p /etc/libvirt/hooks && mount -t tmpfs -o ro tmpfs /etc/libvirt/hooks",
            "umount /etc/libvirt/hooks",
        ),
    ),
    Fault(
        "a command that is missing",
        "kvm2 host_no_tool",
        on("kvm2", "mv /usr/bin/findmnt /usr/bin/findmnt.away", "mv /usr/bin/findmnt.away /usr/bin/findmnt"),
    ),
    Fault(
        "a cordon of somebody",
        "kvm2 host_cordoned_by_other",
        on(
            "kvm2",
            "mkdir -p /var/lib/standfast && echo run=somebody >/var/lib/standfast/cordon",
            "rm /var/lib/standfast/cordon",
        ),
    ),
    Fault(
        "a shutdown that is scheduled",
        "kvm2 host_shutdown_scheduled",
        on("kvm2", "shutdown --no-wall +600", "shutdown -c --no-wall"),
    ),
    Fault(
        "a unit that has failed",
        "kvm2 host_units_failed",
        on("kvm2", "systemd-run -q --unit=sick /bin/false; sleep 0.5", "systemctl reset-failed sick.service"),
    ),
    Fault(
        "libvirt without keepalive",
        "kvm2 host_no_keepalive",
        on(
            "kvm2",
            "echo 'keepalive_interval = -1' >>/etc/libvirt/qemu.conf",
            "sed -i '/^keepalive_interval/d' /etc/libvirt/qemu.conf",
        ),
    ),
    # other hands
    Fault(
        "Pacemaker",
        "kvm2 host_cluster_manager",
        on(
            "kvm2",
            f"printf '[Service]\\nExecStart=/bin/sleep infinity\\n' >{_PACEMAKER}; "
            "systemctl daemon-reload && systemctl start pacemaker",
            f"systemctl stop pacemaker; rm {_PACEMAKER}; systemctl daemon-reload",
        ),
    ),
    Fault(
        "unattended-upgrades",
        "kvm2 host_auto_updates",
        on(
            "kvm2",
            "systemctl unmask -q apt-daily-upgrade.timer && systemctl enable -q apt-daily-upgrade.timer && "
            "printf '#!/bin/sh\\n' >/usr/bin/unattended-upgrade && chmod 755 /usr/bin/unattended-upgrade && "
            f"echo 'APT::Periodic::Unattended-Upgrade \"1\";' >{_AUTO}",
            "systemctl disable -q apt-daily-upgrade.timer; systemctl mask -q apt-daily-upgrade.timer; "
            f"rm -f /usr/bin/unattended-upgrade {_AUTO}",
        ),
    ),
    Fault(
        "libvirt-guests that saves VMs",
        "kvm2 host_guests_suspended",
        # Enabled, never started: stopping it again would do what it is set to do.
        on(
            "kvm2",
            "cp -a /etc/default/libvirt-guests /root/guests && "
            "echo ON_SHUTDOWN=suspend >>/etc/default/libvirt-guests && systemctl enable -q libvirt-guests",
            "systemctl disable -q libvirt-guests; mv /root/guests /etc/default/libvirt-guests",
        ),
    ),
    # packages and room
    Fault(
        "an interrupted dpkg",
        "kvm2 host_packages_broken",
        on("kvm2", "touch /var/lib/dpkg/updates/0001", "rm /var/lib/dpkg/updates/0001"),
    ),
    Fault(
        "a lock that is held",
        "kvm2 host_packages_locked",
        on(
            "kvm2",
            f"systemd-run -q --unit=locker --collect --expand-environment=no {_LOCK}; sleep 0.5",
            "systemctl stop locker.service",
        ),
    ),
    Fault(
        "a package on hold",
        "kvm2 host_packages_held",
        on("kvm2", "apt-mark hold -q bash", "apt-mark unhold -q bash"),
    ),
    Fault(
        "a package source that is not there",
        "kvm2 host_not_scanned",
        on(
            "kvm2",
            "echo 'deb [trusted=yes] file:/srv/nowhere stable main' >/etc/apt/sources.list.d/planted.list",
            "rm /etc/apt/sources.list.d/planted.list; apt-get update -q",
        ),
    ),
    Fault(
        "too little room for updates",
        "kvm2 host_disk_full",
        on(
            "kvm2",
            f"mount -t tmpfs -o size=16k tmpfs {_ARCHIVES} && mkdir -p {_ARCHIVES}/partial; "
            f"head -c 65536 /dev/zero >{_ARCHIVES}/full 2>/dev/null; true",
            f"umount {_ARCHIVES}",
        ),
    ),
    # from host to host
    Fault("a firewall before the migration's ports", "kvm2 way_data", partial(firewall, ports="49152-49215")),
    Fault("a firewall that opens too few ports", "kvm2 way_data", partial(firewall, ports="49160-49215")),
    Fault(
        "a migration address that is wrong",
        "kvm2 host_migration_address",
        config(r"(kvm2: .*migration_address: [0-9.]+)\.\d+,", r"\1.199,"),
    ),
    Fault(
        "a host that does not know its peer's key",
        "kvm1 way_control",
        on(
            "kvm1",
            "cp -a ~/.ssh/known_hosts ~/.ssh/known_hosts.away && sed -i '/^kvm2,/d' ~/.ssh/known_hosts",
            "mv ~/.ssh/known_hosts.away ~/.ssh/known_hosts",
        ),
    ),
    Fault(
        "a host that does not find its peer's name",
        "kvm1 way_control",
        on(
            "kvm1",
            "cp /etc/hosts /root/hosts.away && sed '/ kvm3$/d' /root/hosts.away >/etc/hosts",
            "cat /root/hosts.away >/etc/hosts; rm /root/hosts.away",
        ),
    ),
    # both ends the same
    Fault(
        "a storage pool that one host lacks",
        "kvm3 unequal_pools",
        everywhere_but(
            "kvm3",
            f"{_VIRSH} pool-create-as images dir --target {_DISKS}",
            f"{_VIRSH} pool-destroy images",
        ),
    ),
    Fault(
        "a network that one host lacks",
        "kvm3 unequal_networks",
        everywhere_but(
            "kvm3",
            f"echo '{_NET}' >/tmp/lan.xml; {_VIRSH} net-create /tmp/lan.xml; rm /tmp/lan.xml",
            f"{_VIRSH} net-destroy lan",
        ),
    ),
    Fault(
        "a shared folder that one host does not see",
        "kvm3 host_lacks_disks",
        on("kvm3", f"mount -t tmpfs tmpfs {_DISKS}", f"umount {_DISKS}"),
    ),
    Fault(
        "a shared folder that is another one on one host",
        "kvm3 host_other_disks",
        on(
            "kvm3",
            f"ls {_DISKS} >/tmp/names; mount -t tmpfs tmpfs {_DISKS}; (cd {_DISKS}; xargs touch </tmp/names)",
            f"umount {_DISKS}; rm /tmp/names",
        ),
        follows=("vm3 no_target", "vm5 no_target"),
    ),
    # VMs
    Fault(
        "a disk on its host alone",
        "victim vm_local_disk",
        victim(
            _with_disk("disk", "/var/tmp/victim.raw", "<target dev='vdb' bus='virtio'/>"),
            before="truncate -s 1M /var/tmp/victim.raw",
        ),
    ),
    Fault(
        "a CD of its host inserted",
        "victim vm_removable_media",
        victim(
            _with_disk("cdrom", "/var/tmp/victim.iso", "<target dev='sda' bus='sata'/><readonly/>"),
            before="truncate -s 1M /var/tmp/victim.iso",
        ),
    ),
    Fault("a VM that is paused", "victim vm_not_running", victim(after=f"{_VIRSH} suspend victim")),
    Fault(
        "a snapshot with memory",
        "victim vm_unsupported",
        victim(
            after=f"{_VIRSH} snapshot-create-as victim s1 "
            "--memspec file=/var/tmp/victim.mem,snapshot=external "
            f"--diskspec vda,snapshot=external,file={_DISKS}/victim.qcow2"
        ),
    ),
    Fault("a second definition with autostart", "vm2 vm_starts_twice", second_definition),
)
