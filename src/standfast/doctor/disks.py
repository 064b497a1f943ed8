"""Whether every host sees the same bytes under the paths of disks that count as shared. Pure.

That a folder is shared is the config's word (`shared_paths`), or that of a mount. It is the one word by which
a VM could lose data, so it is tried: each host says which file it sees under each path.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from standfast.doctor.equal import listed
from standfast.model.cluster import Snapshot, Vm, VmState
from standfast.model.exam import Exam, SeenFile
from standfast.model.ids import HostId
from standfast.model.reasons import Code, Reason

LOCAL_FILESYSTEMS = frozenset({"ext2/ext3", "xfs", "btrfs", "zfs", "overlayfs", "tmpfs", "f2fs", "jfs"})
"""As `stat -f` calls them. On these the same file has the same number, so another number is another file."""


def shared_files(snapshot: Snapshot) -> tuple[str, ...]:
    """Paths of all disks of active VMs that count as shared, sorted."""
    active = (vm for vm in snapshot.vms if vm.state is not VmState.SHUT_OFF)
    return tuple(sorted({path for vm in active for path in _paths(vm)}))


def _paths(vm: Vm) -> Iterator[str]:
    return (disk.source for disk in vm.disks if disk.shared and disk.source.startswith("/"))


class Sight:
    """What each host sees under each path. Hosts that could not be asked, or only by half, say nothing."""

    def __init__(self, exams: Mapping[HostId, Exam]) -> None:
        asked = {host: exam for host, exam in exams.items() if not exam.silent and exam.uid == 0}
        self._missing = {host: frozenset(exam.missing_files) for host, exam in asked.items()}
        self._files = {host: {file.path: file for file in exam.files} for host, exam in asked.items()}

    def unseen(self, vm: Vm, host: HostId) -> Iterator[tuple[Code, str]]:
        """Disks of the VM that the host does not see, or sees as another file: (code, path)."""
        for path in _paths(vm):
            if path in self._missing.get(host, ()):
                yield Code.HOST_LACKS_DISKS, path
            elif self._another(path, vm.host, host):
                yield Code.HOST_OTHER_DISKS, path

    def _another(self, path: str, here: HostId, there: HostId) -> bool:
        one, other = self._file(path, here), self._file(path, there)
        if one is None or other is None or one.number == other.number:
            return False
        return one.filesystem in LOCAL_FILESYSTEMS or other.filesystem in LOCAL_FILESYSTEMS

    def odd(self, path: str, here: HostId, there: HostId) -> HostId:
        """Of two hosts that see different files, the one that fewer others agree with."""
        seen = [files[path].number for files in self._files.values() if path in files]
        counts = [
            seen.count(file.number) for file in (self._file(path, here), self._file(path, there)) if file
        ]
        return here if counts[0] < counts[1] else there

    def _file(self, path: str, host: HostId) -> SeenFile | None:
        return self._files.get(host, {}).get(path)


def differing(snapshot: Snapshot, sight: Sight) -> Iterator[Reason]:
    """Hosts that do not see disks that they would need if VMs came to them."""
    missing: dict[HostId, set[str]] = {}
    others: dict[HostId, set[str]] = {}
    hosts = [host for host in snapshot.hosts if host.reachable]
    for vm in (vm for vm in snapshot.vms if vm.state is not VmState.SHUT_OFF):
        for host in hosts:
            for code, path in sight.unseen(vm, host.id):
                if code is Code.HOST_LACKS_DISKS:
                    missing.setdefault(host.id, set()).add(path)
                else:
                    others.setdefault(sight.odd(path, vm.host, host.id), set()).add(path)
    for host in hosts:
        if host.id in missing:
            yield Reason(
                Code.HOST_LACKS_DISKS,
                f"{host.name} does not see {listed(missing[host.id])}.",
                "Mount the storage there, or take its folder out of shared_paths.",
                host=host.id,
            )
        if host.id in others:
            yield Reason(
                Code.HOST_OTHER_DISKS,
                f"Under {listed(others[host.id])} {host.name} has other files than other hosts.",
                "Take the folder out of shared_paths: it is not shared.",
                host=host.id,
            )
