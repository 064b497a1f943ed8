"""Which processes, mounts and control groups belong to a lab, found without trusting what a crash left in
files.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from standfast.lab.errors import LabError
from standfast.lab.system import read_json, run

CGROUP_PARENT = "standfast-lab"
_CGROUP_ROOT = Path("/sys/fs/cgroup")
_OURS = ("standfast.lab.supervisor", "standfast.lab.observer")


def start_time(pid: int) -> int | None:
    """The kernel's start time of a process in clock ticks (with the pid it names one process); None if
    gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    after_name = stat.rpartition(")")[2].split()
    return None if after_name[0] in "ZX" else int(after_name[19])


def recorded_process(path: Path) -> int | None:
    """The pid in a pid file (JSON: pid, start_time) if that very process still lives."""
    data = read_json(path) or {}
    pid, started = data.get("pid"), data.get("start_time")
    return pid if isinstance(pid, int) and started is not None and start_time(pid) == started else None


def _processes() -> Iterator[int]:
    for entry in os.scandir("/proc"):
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            yield int(entry.name)


def _read(pid: int, what: str) -> str:
    try:
        return Path(f"/proc/{pid}/{what}").read_bytes().decode(errors="replace")
    except OSError:
        return ""


def helper_processes(lab_dir: Path, only: str = "") -> list[int]:
    """Supervisors, observers, containers and shared ssh connections whose command line names the lab's
    directory.

    A shell or an editor that merely mentions the directory is left alone. ``only`` limits it to one kind by a
    word of the command line.
    """
    found = []
    for pid in _processes():
        line = _read(pid, "cmdline")
        words = line.split("\0")
        program = os.path.basename(words[0])
        ours = program == "systemd-nspawn" or any(module in words for module in _OURS)
        shared_ssh = words[0].startswith("ssh: ") and "[mux]" in words[0]
        if (ours or shared_ssh) and _names_directory(line, lab_dir) and only in line:
            found.append(pid)
    return found


def _names_directory(line: str, directory: Path) -> bool:
    start = 0
    text = str(directory)
    while (at := line.find(text, start)) >= 0:
        following = line[at + len(text) : at + len(text) + 1]
        if following in {"", "/", "\0", " "}:
            return True
        start = at + 1
    return False


def contained_processes(lab: str) -> list[int]:
    """Everything in the lab's control groups: containers, their services, their QEMUs, orphaned or not."""
    needle = f"/{CGROUP_PARENT}/{lab}/"
    return [
        pid for pid in _processes() if any(needle in line + "/" for line in _read(pid, "cgroup").splitlines())
    ]


def kill_until_gone(find: Callable[[], Sequence[int]], *, what: str, seconds: float = 20.0) -> None:
    """SIGKILL whatever ``find`` returns until it returns nothing; LabError if something will not go."""
    deadline = time.monotonic() + seconds
    while pids := list(find()):
        for pid in pids:
            _signal(pid, signal.SIGKILL)
        if time.monotonic() > deadline:
            raise LabError(f"{what}: processes {', '.join(map(str, pids))} do not end; look at them with ps.")
        time.sleep(0.05)


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def cgroup_dirs(lab: str) -> list[Path]:
    """Where the lab's control groups are (or would be): in the v2 tree, and in v1's systemd tree if there is
    one.
    """
    roots = [_CGROUP_ROOT, _CGROUP_ROOT / "unified", _CGROUP_ROOT / "systemd"]
    return [root / CGROUP_PARENT / lab for root in roots if (root / "cgroup.procs").exists()]


def remove_cgroups(lab: str) -> None:
    """Remove the lab's empty control groups in every tree (v1 has more trees than the ones we join)."""
    parents = {path.parent for path in cgroup_dirs(lab)}
    parents.update(path for path in _CGROUP_ROOT.glob(f"*/{CGROUP_PARENT}") if path.is_dir())
    for parent in parents:
        for directory, _, _ in os.walk(parent / lab, topdown=False):
            _remove_directory(directory)
        _remove_directory(parent)  # refused, rightly, while another lab is in it


def _remove_directory(directory: str | Path) -> None:
    with contextlib.suppress(OSError):
        os.rmdir(directory)


def mounts_under(directory: Path) -> list[str]:
    """Mount points in or under a directory, the newest first."""
    points = []
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines():
        point = line.split()[4].encode().decode("unicode_escape")
        if point == str(directory) or point.startswith(f"{directory}/"):
            points.append(point)
    return points[::-1]


def unmount_all(directory: Path) -> None:
    """Unmount everything in or under a directory; lazily where something still holds it."""
    for point in mounts_under(directory):
        if run(["umount", point], check=False).returncode:
            run(["umount", "--lazy", point], check=False)
    left = mounts_under(directory)
    if left:
        raise LabError(f"{left[0]} cannot be unmounted: see which process holds it (`fuser -vm {left[0]}`).")


def remove_tree(directory: Path) -> None:
    """Remove a directory with all in it, never reaching through a mount."""
    unmount_all(directory)
    if directory.exists():
        shutil.rmtree(directory)
