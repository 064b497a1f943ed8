"""The root that all hosts of all labs share, read-only: Debian 13 with sshd, libvirt and QEMU, made once and
cached.

Debian 13 whatever the machine runs, because QEMU 7.2 of Debian 12 loses dirtied pages when it migrates under
software emulation (7 of 8 guests at 20,000 pages/s crashed; QEMU 10.0: none).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from standfast.lab import aptrepo
from standfast.lab.cache import get_or_build, recipe_key
from standfast.lab.errors import LabError
from standfast.lab.system import debian_mirror, run

SUITE = "trixie"
BASE_PACKAGES = "systemd-sysv,dbus,iproute2,ca-certificates"
# In a second step: their maintainer scripts want a configured base, which debootstrap --include does not
# give.
HOST_PACKAGES = (
    "openssh-server",
    "libvirt-daemon-system",
    "libvirt-daemon-driver-qemu",
    "libvirt-clients",
    "qemu-system-x86",
    "iputils-ping",
)
KERNEL_PACKAGE = "linux-image-cloud-amd64"
GUEST_MODULES = (
    "net/core/failover",
    "drivers/net/net_failover",
    "drivers/net/virtio_net",
    "drivers/block/virtio_blk",
    "drivers/acpi/button",
    "drivers/input/evdev",
)
MUST_HAVE = (
    "root/usr/sbin/libvirtd",
    "root/usr/bin/qemu-system-x86_64",
    "root/usr/sbin/sshd",
    "kernel/vmlinuz",
)

_FILES = {
    "etc/apt/apt.conf.d/90standfast-lab": 'APT::Install-Recommends "false";\nAcquire::Languages "none";\n',
    "etc/ssh/sshd_config.d/standfast-lab.conf": (
        # No PAM: a login session per command costs more than the command. Many sessions share one connection.
        "UsePAM no\nUseDNS no\nPermitRootLogin prohibit-password\nPasswordAuthentication no\n"
        "MaxSessions 200\nMaxStartups 200:30:400\nPerSourcePenalties no\n"
        "HostKey /etc/ssh/ssh_host_ed25519_key\n"
    ),
    "etc/libvirt/qemu.conf": (
        'user = "root"\ngroup = "root"\nsecurity_driver = "none"\ncgroup_controllers = []\nnamespaces = []\n'
        # The disks' directory is shared between the hosts, but looks local to libvirt; saying so is what
        # makes a migration safe in its eyes. The alternative would be the UNSAFE flag, which is never the
        # answer.
        'remember_owner = 0\nshared_filesystems = ["/srv/vm"]\n'
    ),
}
# Of no use in a container that lives for minutes; getty and timers only take time and wake up.
_MASKED = (
    "systemd-networkd.service",
    "systemd-networkd.socket",
    "systemd-networkd-wait-online.service",
    "systemd-resolved.service",
    "systemd-timesyncd.service",
    "systemd-firstboot.service",
    "ssh.socket",
    "sshd-keygen.service",
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "fstrim.timer",
    "console-getty.service",
    "container-getty@.service",
    "getty.target",
)


def cached_root(cache: Path) -> Path:
    """A directory with ``root`` (of hosts) and ``kernel`` (``vmlinuz``, ``modules/``; of guests)."""
    parts = (
        SUITE,
        BASE_PACKAGES,
        HOST_PACKAGES,
        KERNEL_PACKAGE,
        GUEST_MODULES,
        sorted(_FILES.items()),
        _MASKED,
    )
    recipe = [repr(part) for part in (*parts, aptrepo.SOURCES, aptrepo.PACKAGES)]
    return get_or_build(cache, f"root-{recipe_key(*recipe)}", _build, MUST_HAVE)


def _build(directory: Path) -> None:
    root = directory / "root"
    mirror = debian_mirror()
    command = ["debootstrap", "--variant=minbase", f"--include={BASE_PACKAGES}", SUITE, root]
    run([*command, *([mirror] if mirror else [])], timeout_seconds=1800, what="debootstrap")
    install(root, HOST_PACKAGES)
    _take_kernel(directory)
    _add_own_packages(root)
    _settle(root)


def in_root(root: Path, *argv: str, timeout_seconds: float = 1800.0) -> str:
    """Run a command in the root, with no mount made for it; its output."""
    environment = [
        "env",
        "-i",
        "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
        "DEBIAN_FRONTEND=noninteractive",
        "LC_ALL=C.UTF-8",
    ]
    return run(
        ["chroot", root, *environment, *argv], timeout_seconds=timeout_seconds, what=f"{argv[0]} in {root}"
    ).stdout


def install(root: Path, packages: Sequence[str]) -> None:
    """Fetch packages from the root's sources and install them; none of their services is started."""
    policy = root / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n", encoding="ascii")  # no service starts in a chroot
    policy.chmod(0o755)
    resolver = root / "etc/resolv.conf"
    resolver.unlink(missing_ok=True)
    resolver.write_text(Path("/etc/resolv.conf").read_text(encoding="utf-8"), encoding="utf-8")
    in_root(root, "apt-get", "update", "-q")
    in_root(root, "apt-get", "install", "-qy", "--no-install-recommends", *packages)
    policy.unlink()


def _take_kernel(directory: Path) -> None:
    """Fetch the newest cloud kernel, unpack (not install) it, and keep what guests need."""
    root, kernel = directory / "root", directory / "kernel"
    depends = in_root(root, "apt-cache", "depends", KERNEL_PACKAGE)
    versions = [line.split()[-1] for line in depends.splitlines() if "Depends: linux-image-" in line]
    if not versions:
        raise LabError(
            f"The mirror's {KERNEL_PACKAGE} names no kernel to fetch (apt-cache said: {depends!r})."
        )
    in_root(root, "env", "-C", "/tmp", "apt-get", "download", "-q", versions[0])
    [package] = (root / "tmp").glob("linux-image-*.deb")
    unpacked = directory / "kernel-package"
    run(["dpkg-deb", "-x", package, unpacked], what="Unpacking the guests' kernel")
    package.unlink()
    (kernel / "modules").mkdir(parents=True)
    next(unpacked.glob("boot/vmlinuz-*")).rename(kernel / "vmlinuz")
    order = []
    for module in GUEST_MODULES:
        source = next(unpacked.glob(f"usr/lib/modules/*/kernel/{module}.ko*"), None)
        if source is None:
            continue  # built into this kernel
        if source.suffix == ".xz":
            run(["xz", "--decompress", source])
            source = source.with_suffix("")
        source.rename(kernel / "modules" / source.name)
        order.append(source.name)
    (kernel / "modules/order").write_text("".join(f"{name}\n" for name in order), encoding="ascii")
    run(["rm", "-rf", unpacked])


def _add_own_packages(root: Path) -> None:
    """Install the lab's packages in their old version, and let apt know the lists that offered just that."""
    repository = root / "srv/apt"
    aptrepo.build_packages(repository / "pool", aptrepo.OLD)
    aptrepo.publish(repository, aptrepo.OLD, broken=True)
    run(["rm", "-rf", root / "var/lib/apt/lists"])
    (root / "etc/apt/sources.list").write_text(aptrepo.SOURCES, encoding="ascii")
    in_root(root, "apt-get", "update", "-q")
    in_root(root, "apt-get", "install", "-qy", *(package.name for package in aptrepo.PACKAGES))
    in_root(root, "apt-get", "clean")
    run(["rm", "-rf", repository])
    repository.mkdir()


def _settle(root: Path) -> None:
    """What every host is to have, and nothing that must differ between hosts."""
    for (
        name,
        text,
    ) in _FILES.items():  # after the packages came: dpkg asks about files that it finds in its way
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    in_root(root, "systemctl", "mask", *_MASKED)
    in_root(root, "systemctl", "disable", "libvirt-guests.service")  # at shutdown it saves or stops guests
    in_root(root, "systemctl", "enable", "ssh.service", "libvirtd.service")
    for key in (root / "etc/ssh").glob("ssh_host_*"):
        key.unlink()
    for stale in ("etc/libvirt/qemu/networks/autostart/default.xml", "etc/hostname"):
        (root / stale).unlink(missing_ok=True)
    for empty in ("etc/machine-id", "etc/resolv.conf"):
        (root / empty).write_text("", encoding="ascii")
    (root / "srv/vm").mkdir(exist_ok=True)
