"""A look's and a health check's answer as facts. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from standfast.model.errors import OutsideError
from standfast.model.hostwork import Health, HostFacts, WorkPhase, WorkState
from standfast.updates.answers import Answer

TICKS_PER_SECOND = 100
"""Of /proc/PID/stat, on every Linux (USER_HZ)."""

_GUESTS = re.compile(r"^(lo|vnet\d+|tap.*|macvtap\d+|macvlan\d+|veth.*)$")
"""Links that come and go with guests; their absence after a boot says nothing about the host."""


def host_facts(answer: Answer) -> HostFacts:
    """Raises OutsideError where there is no boot id."""
    active = answer.number("active_vms")
    uptime, first = answer.number("uptime") or 0.0, answer.number("first_tick") or 0.0
    cordon = answer.all("cordon")
    return HostFacts(
        boot_id=_boot_id(answer),
        uptime_seconds=round(max(0.0, uptime - first / TICKS_PER_SECOND), 2),
        epoch=int(answer.number("epoch") or 0),
        cordoned_by=cordon[0] if cordon else None,
        system_state=answer.get("system"),
        failed_units=answer.all("failed"),
        kernel=answer.get("kernel"),
        works=tuple(_works(answer)),
        hypervisor_up=active is not None,
        active_vms=None if active is None else int(active),
        clock_unix_seconds=answer.number("clock"),
    )


def _boot_id(answer: Answer) -> str:
    boot_id = answer.get("boot_id")
    if not boot_id:
        raise OutsideError("no_boot_id", "it does not tell its boot id", where=answer.host)
    return boot_id


def _works(answer: Answer) -> Iterable[WorkState]:
    """Each `work=UNIT` begins a group of `work.…` lines."""
    groups: list[list[tuple[str, str]]] = []
    for key, value in answer.pairs:
        if key == "work":
            groups.append([(key, value)])
        elif key.startswith("work.") and groups:
            groups[-1].append((key, value))
    return map(_work, groups)


def _work(lines: list[tuple[str, str]]) -> WorkState:
    single = dict(lines)
    code = single.get("work.exit_code", "")
    return WorkState(
        unit=single["work"],
        phase=_phase(single.get("work.phase", "")),
        boot_id=single.get("work.boot_id", ""),
        exit_code=int(code) if code.isdigit() else None,
        detail=single.get("work.detail", "").replace("\x1f", "\n").strip(),
        versions_before=_versions(lines, "work.before"),
        versions_after=_versions(lines, "work.after"),
    )


def _phase(word: str) -> WorkPhase:
    """A word that this release does not know means that nothing good is known."""
    return WorkPhase(word) if word in set(WorkPhase) else WorkPhase.FAILED


def _versions(lines: list[tuple[str, str]], key: str) -> tuple[tuple[str, str], ...]:
    found = (value.partition(" ") for name, value in lines if name == key)
    return tuple((package, version) for package, _, version in found)


def health(answer: Answer, asked_at: float, answered_at: float) -> Health:
    """`asked_at` and `answered_at` are Unix times here; the host's clock is compared at their middle."""
    bridges = {_link_name(line) for line in answer.lines("bridge")}
    links = {_link_name(line) for line in answer.lines("link") if _has_carrier(line)}
    return Health(
        boot_id=_boot_id(answer),
        hypervisor_up=answer.get("hypervisor") == "up",
        # A bridge without guests has no carrier: it counts as a network that is there, not as a link.
        links_up=frozenset(name for name in links - bridges if not _GUESTS.match(name)),
        mounts=frozenset(_unescaped(line) for line in answer.lines("mount")),
        networks=frozenset(answer.all("network")) | {f"bridge:{name}" for name in bridges},
        failed_units=frozenset(answer.all("failed")),
        clock_skew_seconds=_skew(answer, asked_at, answered_at),
    )


def _skew(answer: Answer, asked_at: float, answered_at: float) -> float:
    """Host's clock minus ours, by the middles of both spans; true to within the time on the wire."""
    begin, end = answer.number("clock"), answer.number("clock_end")
    if begin is None or end is None:
        raise OutsideError("no_clock", "it does not tell the time", where=answer.host)
    return round((begin + end) / 2 - (asked_at + answered_at) / 2, 3)


def _link_name(line: str) -> str:
    """`2: eth0@if7: <BROADCAST,UP,LOWER_UP> mtu …` (ip -o link)."""
    parts = line.split(": ")
    return parts[1].partition("@")[0] if len(parts) > 1 else ""


def _has_carrier(line: str) -> bool:
    flags = line.partition("<")[2].partition(">")[0].split(",")
    return "LOWER_UP" in flags


def _unescaped(text: str) -> str:
    r"""findmnt -r writes unusual characters as `\x20`."""
    return re.sub(r"\\x([0-9a-f]{2})", lambda match: chr(int(match[1], 16)), text)
