"""A scan's answer as an update state: what apt would change, and every sign that a reboot is due. Pure.

Sources: apt-get(8), needrestart(1) (batch mode), and `/run/reboot-required` of Debian's and Ubuntu's hooks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from standfast.model.hostwork import PendingUpdate, RebootSign, UpdateState
from standfast.updates.answers import Answer, joined

_INST = re.compile(r"^Inst (?P<package>\S+)(?: \[(?P<installed>[^]]*)\])? \((?P<rest>.*?)\)")
_SIZE = re.compile(r"(?P<number>[\d.,]+) (?P<unit>[kMGT]?B)")
_POWERS = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_KERNEL = re.compile(r"^(\d+(?:[.\-+~]\d+)*)")


def update_state(answer: Answer, taken_at: float) -> UpdateState:
    """The state at `taken_at` (Unix time)."""
    return UpdateState(
        taken_at=taken_at,
        boot_id=answer.get("boot_id"),
        pending=tuple(parse_inst(answer.lines("sim"))),
        reboot_signs=tuple(sorted(_signs(answer))),
        held_back=tuple(sorted(set(answer.lines("hold")) | set(kept_back(answer.lines("sim"))))),
        interrupted=_interrupted(answer),
        free_disk_bytes=_free(answer.lines("df")),
        needed_disk_bytes=needed(answer.lines("size")),
    )


def parse_inst(lines: Iterable[str]) -> Iterable[PendingUpdate]:
    """`Inst libc6 [2.36-9] (2.36-10 Debian-Security:12/stable-security [amd64]) []` of `apt-get -s`."""
    for line in lines:
        match = _INST.match(line)
        if match is None:
            continue
        rest, _, arch = match["rest"].rpartition(" [")
        candidate, _, origin = rest.partition(" ")
        yield PendingUpdate(
            package=match["package"],
            installed=match["installed"] or "",
            candidate=candidate,
            origin=origin,
            security=is_security(origin),
            arch=arch.rstrip("]"),
        )


def is_security(origin: str) -> bool:
    """`Debian-Security:12/stable-security`, `Ubuntu:22.04/jammy-security`; several are separated by commas.

    Debian's label is stable over releases, the suite's word is not; Ubuntu and others only have the word.
    """
    for part in origin.split(","):
        label, _, archive = part.strip().partition(":")
        if label == "Debian-Security" or label.endswith(("ESM", "ESMApps")):
            return True
        if archive.partition("/")[2].endswith("-security"):
            return True
    return False


def kept_back(lines: Sequence[str]) -> Iterable[str]:
    """Names below `The following packages have been kept back:`; they are indented by two blanks."""
    inside = False
    for line in lines:
        if line.startswith("The following packages have been kept back"):
            inside = True
        elif inside and line.startswith("  "):
            yield from line.split()
        else:
            inside = False


def needed(lines: Sequence[str]) -> int | None:
    """Bytes that downloading and unpacking take, from `Need to get …` and `After this operation, …`.

    apt writes powers of 1000. `Need to get 1,024 B/2,048 B` has some of it already; the first is missing.
    """
    total: int | None = None
    for line in lines:
        match = _SIZE.search(line)
        if match is None or "freed" in line:
            continue
        size = float(match["number"].replace(",", "")) * _POWERS[match["unit"]]
        total = (total or 0) + round(size)
    return 0 if total is None and lines else total


def _free(lines: Sequence[str]) -> int | None:
    """The least of `df -P -k`'s fourth columns, in bytes."""
    found = [int(parts[3]) * 1024 for line in lines if len(parts := line.split()) >= 6 and parts[3].isdigit()]
    return min(found, default=None)


def _interrupted(answer: Answer) -> str:
    words = joined(answer.lines("audit"))
    if answer.all("dpkg_updates"):
        words = f"dpkg was interrupted in the middle of its work. {words}".strip()
    return words


def _signs(answer: Answer) -> Iterable[RebootSign]:
    if answer.all("reboot_required"):
        yield RebootSign.REQUIRED_FILE
    if _newer_kernel(answer):
        yield RebootSign.NEWER_KERNEL
    if any(_ksta(line) > 1 for line in answer.lines("needrestart")):
        yield RebootSign.NEEDRESTART
    if answer.all("stale"):
        yield RebootSign.STALE_HYPERVISOR


def _ksta(line: str) -> int:
    name, _, value = line.partition(":")
    return int(value) if name == "NEEDRESTART-KSTA" and value.strip().isdigit() else 0


def _newer_kernel(answer: Answer) -> bool:
    """A kernel that is installed as a package, is there to be booted, and is newer than the running one."""
    packages = {
        line.split()[1].removeprefix("linux-image-")
        for line in answer.lines("kernel")
        if line.startswith("ii") and len(line.split()) == 2
    }
    installed = [kernel for kernel in answer.all("boot_kernel") if kernel in packages]
    running = kernel_key(answer.get("kernel"))
    return any(kernel_key(kernel) > running for kernel in installed)


def kernel_key(release: str) -> tuple[int, ...]:
    """`6.1.0-18-amd64` as (6, 1, 0, 18): the numbers before the flavour's name."""
    match = _KERNEL.match(release)
    return tuple(int(number) for number in re.findall(r"\d+", match[1])) if match else ()
