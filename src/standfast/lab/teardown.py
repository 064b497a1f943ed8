"""Removing a lab, whole or half-built, tidy or after a crash: nothing of it is left, and doing it twice is
fine.
"""

from __future__ import annotations

from pathlib import Path

from standfast.lab import network, processes
from standfast.lab.names import Names, check_lab_name
from standfast.lab.paths import LabPaths

_NSPAWN_RUN = Path("/run/systemd/nspawn")


def remove_lab(name: str) -> bool:
    """Remove every process, mount, interface, control group and file of a lab; whether there was anything.

    Order matters: first those who would start something again, then what runs, then what it ran in. Errors:
    LabError if something will not go; what could be removed is then gone, and a second try starts from there.
    """
    names, paths = Names(check_lab_name(name)), LabPaths.of(name)
    existed = paths.root.exists() or any(link.startswith(names.interface_prefix) for link in network.links())
    what = f"Removing lab {name}"
    processes.kill_until_gone(
        lambda: processes.helper_processes(paths.root, "standfast.lab.supervisor"),
        what=f"{what}: supervisors",
    )
    processes.kill_until_gone(lambda: processes.helper_processes(paths.root), what=f"{what}: helpers")
    processes.kill_until_gone(lambda: processes.contained_processes(name), what=f"{what}: hosts")
    network.remove_links(names)
    _remove_nspawn_leftovers(names, paths)
    processes.unmount_all(paths.root)
    processes.remove_cgroups(name)
    processes.remove_tree(paths.root)
    return existed


def _remove_nspawn_leftovers(names: Names, paths: LabPaths) -> None:
    """A systemd-nspawn that was killed leaves directories (newer ones: mounts) by name, and locks by
    inode."""
    for leftover in _NSPAWN_RUN.glob(f"*/{names.machine('*')}"):
        # The name of one lab may begin another's (lab, lab-2): what follows must be a bare host name.
        if "-" not in leftover.name.removeprefix(names.machine("")):
            processes.remove_tree(leftover)
    for root in paths.hosts.glob("*/root"):
        facts = root.stat()
        for lock in _NSPAWN_RUN.glob(f"locks/inode-{facts.st_dev}:{facts.st_ino}*"):
            lock.unlink(missing_ok=True)
