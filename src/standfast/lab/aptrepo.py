"""The lab's own apt repository: pending updates that do not depend on what Debian published this week.

Every host starts with version 1.0 of each package installed; 1.1 is what the repository offers. Two suites,
one of which counts as security by its label, as on a real host. ``standfast-lab-broken`` is offered only when
asked for. The repository is unsigned and trusted by the hosts' sources line, and read through ``copy:``, so
that a download really copies.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

from standfast.lab.system import run, write_atomically

OLD, NEW = "1.0", "1.1"
SOURCES = (
    "deb [trusted=yes] copy:/srv/apt stable main\ndeb [trusted=yes] copy:/srv/apt stable-security main\n"
)
_ASK_FOR_REBOOT = """#!/bin/sh
set -e
if [ "$1" = configure ] && [ -n "$2" ]; then
    echo '*** System restart required ***' > /run/reboot-required
    list=/run/reboot-required.pkgs
    grep -qsx standfast-lab-kernel $list || echo standfast-lab-kernel >> $list
fi
"""
_FAIL = """#!/bin/sh
if [ "$1" = configure ] && [ -n "$2" ]; then
    echo 'standfast-lab-broken: this update fails on purpose' >&2
    exit 1
fi
"""
_CONFFILE = "/etc/standfast-lab/lab.conf"


@dataclass(frozen=True, slots=True)
class Suite:
    """A distribution directory of the repository, and how apt names it."""

    directory: str
    origin: str
    label: str
    codename: str


SUITES = (
    Suite("stable", "Debian", "Debian", "trixie"),
    Suite("stable-security", "Debian", "Debian-Security", "trixie-security"),
)


@dataclass(frozen=True, slots=True)
class Package:
    """One package in one suite; ``files`` map a path to text in which ``{version}`` is filled in."""

    name: str
    suite: str
    summary: str
    files: tuple[tuple[str, str], ...]
    conffiles: tuple[str, ...] = ()
    postinst: str = ""
    only_when_broken: bool = field(default=False)


PACKAGES = (
    Package(
        "standfast-lab-tools",
        "stable",
        "a plain update",
        (("/usr/share/standfast-lab/tools", "{version}\n"),),
    ),
    Package(
        "standfast-lab-config",
        "stable",
        "an update whose configuration file the host has edited",
        ((_CONFFILE, "# settings of version {version}\nlevel = 1\n"),),
        conffiles=(_CONFFILE,),
    ),
    Package(
        "standfast-lab-library",
        "stable-security",
        "a security update that asks for nothing",
        (("/usr/share/standfast-lab/library", "{version}\n"),),
    ),
    Package(
        "standfast-lab-kernel",
        "stable-security",
        "a security update that asks for a reboot",
        (("/usr/share/standfast-lab/kernel", "{version}\n"),),
        postinst=_ASK_FOR_REBOOT,
    ),
    Package(
        "standfast-lab-broken",
        "stable",
        "an update that fails while it is installed",
        (("/usr/share/standfast-lab/broken", "{version}\n"),),
        postinst=_FAIL,
        only_when_broken=True,
    ),
)


def control_text(package: Package, version: str) -> str:
    """The control file of one version."""
    return (
        f"Package: {package.name}\nVersion: {version}\nArchitecture: all\n"
        "Section: admin\nPriority: optional\n"
        f"Maintainer: Standfast lab <lab@localhost>\nDescription: {package.summary}\n"
        " Made by the Standfast lab for its own hosts; it does nothing else.\n"
    )


def packages_entry(control: str, filename: str, data: bytes) -> str:
    """One stanza of a Packages index for a .deb with this control file and these bytes."""
    head, description = control.split("Description:", 1)
    facts = {"Filename": filename, "Size": len(data), "SHA256": hashlib.sha256(data).hexdigest()}
    lines = "".join(f"{key}: {value}\n" for key, value in facts.items())
    return f"{head}{lines}Description:{description}\n"


def release_text(suite: Suite, indexes: Iterable[tuple[str, bytes]], made: datetime) -> str:
    """The Release file of a suite over its index files (path within the suite, bytes)."""
    sums = "".join(f" {hashlib.sha256(data).hexdigest()} {len(data)} {path}\n" for path, data in indexes)
    return (
        f"Origin: {suite.origin}\nLabel: {suite.label}\nSuite: {suite.directory}\nVersion: 13\n"
        f"Codename: {suite.codename}\nArchitectures: all amd64\nComponents: main\n"
        f"Date: {format_datetime(made, usegmt=True)}\n"
        f"Description: the Standfast lab's own packages\nSHA256:\n{sums}"
    )


def build_packages(pool: Path, version: str, packages: Sequence[Package] = PACKAGES) -> None:
    """Build every package in one version into ``pool``."""
    pool.mkdir(parents=True, exist_ok=True)
    for package in packages:
        with tempfile.TemporaryDirectory() as temporary:
            tree = Path(temporary)
            _fill_tree(tree, package, version)
            target = pool / f"{package.name}_{version}_all.deb"
            command = ["dpkg-deb", "--root-owner-group", "-Znone", "--build", tree, target]
            run(command, what=f"Building {package.name} {version}")


def _fill_tree(tree: Path, package: Package, version: str) -> None:
    tree.chmod(0o755)
    debian = tree / "DEBIAN"
    debian.mkdir()
    (debian / "control").write_text(control_text(package, version), encoding="utf-8")
    for path, text in package.files:
        file = tree / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.format(version=version), encoding="utf-8")
    if package.conffiles:
        (debian / "conffiles").write_text(
            "".join(f"{path}\n" for path in package.conffiles), encoding="utf-8"
        )
    if package.postinst:
        script = debian / "postinst"
        script.write_text(package.postinst, encoding="utf-8")
        script.chmod(0o755)


def publish(repository: Path, version: str, *, broken: bool = False) -> None:
    """Write the indexes that offer ``version`` of every package in ``repository/pool`` (the broken one if
    asked).

    Files are replaced one at a time and the Release file last, so a host that updates meanwhile fails or sees
    one of the two states, and succeeds when it tries again.
    """
    now = datetime.now(UTC)
    for suite in SUITES:
        offered = [each for each in PACKAGES if each.suite == suite.directory]
        entries = []
        for package in offered:
            if package.only_when_broken and not broken:
                continue
            filename = f"pool/{package.name}_{version}_all.deb"
            data = (repository / filename).read_bytes()
            entries.append(packages_entry(control_text(package, version), filename, data))
        index = "".join(entries).encode()
        directory = repository / "dists" / suite.directory
        where = "main/binary-amd64/Packages"
        (directory / where).parent.mkdir(parents=True, exist_ok=True)
        write_atomically(directory / where, index.decode())
        write_atomically(directory / "Release", release_text(suite, [(where, index)], now))
