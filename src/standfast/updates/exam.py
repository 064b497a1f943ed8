"""The answers of an exam's three scripts as facts. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from standfast.model.exam import Exam, Hand, OtherHand, Room, SeenFile, Way
from standfast.model.ids import HostId
from standfast.updates.answers import Answer

HANDS = {
    "pacemaker.service": Hand.CLUSTER_MANAGER,
    "corosync.service": Hand.CLUSTER_MANAGER,
    "sbd.service": Hand.CLUSTER_MANAGER,
    "pve-ha-lrm.service": Hand.CLUSTER_MANAGER,
    "pve-ha-crm.service": Hand.CLUSTER_MANAGER,
    "vdsmd.service": Hand.CLUSTER_MANAGER,
    "cloudstack-agent.service": Hand.CLUSTER_MANAGER,
    "nova-compute.service": Hand.CLUSTER_MANAGER,
    "ganeti-noded.service": Hand.CLUSTER_MANAGER,
    "opennebula-node.service": Hand.CLUSTER_MANAGER,
    "proxlb.service": Hand.BALANCER,
    "proxpatch.service": Hand.BALANCER,
    "dnf-automatic.timer": Hand.UPDATER,
    "dnf-automatic-install.timer": Hand.UPDATER,
}
"""Units that act by themselves. Those of unattended-upgrades also want their configuration."""

OFF = frozenset({"", "0", "false", "no", "never"})
STARTS = frozenset({"enabled", "enabled-runtime"})


@dataclass(frozen=True, slots=True)
class _Unit:
    name: str
    active: bool
    enabled: bool


def exam(answer: Answer, host: HostId, paths: Sequence[str], asked_at: float, answered_at: float) -> Exam:
    """What `exam.sh` found. `asked_at` and `answered_at` are Unix times here, for the clock's skew."""
    units = {unit.name: unit for unit in map(_unit, answer.lines("unit"))}
    begin, end = answer.number("clock"), answer.number("clock_end")
    skew = None
    if begin is not None and end is not None:
        skew = round((begin + end) / 2 - (asked_at + answered_at) / 2, 3)
    settings = dict(_shell_setting(line) for line in answer.lines("setting"))
    files = tuple(_files(answer))
    seen = {file.path for file in files}
    rooms = tuple(_rooms(answer.lines("space")))
    return Exam(
        host=host,
        name=answer.host,
        taken_at=asked_at,
        uid=int(answer.number("uid") or 0) if answer.get("uid") else -1,
        user=answer.get("user"),
        missing_tools=answer.all("no_tool"),
        unwritable=answer.all("no_write"),
        other_hands=tuple(_other_hands(units, settings)),
        fencing=_yes(answer.get("pacemaker.stonith-enabled"), default="pacemaker.service" in units)
        or _runs(units, "sbd.service"),
        manager_idle=_yes(answer.get("pacemaker.maintenance-mode"), default=False),
        updates_reboot=_yes(settings.get("reboot", ""), default=False),
        guests_at_shutdown=_guests(answer, units),
        shutdown_scheduled=_shutdown(answer.get("shutdown")),
        package_lock=answer.get("lock").removeprefix("E: ").strip(),
        keepalive_off=answer.get("qemu.keepalive_interval", "5").strip() in ("-1", "0"),
        clock_skew_seconds=skew,
        rooms=rooms,
        files=files,
        missing_files=tuple(path for path in paths if path not in seen),
        unmade=tuple(_unmade(answer.host, units, rooms)),
    )


def _unmade(host: str, units: dict[str, _Unit], rooms: Sequence[Room]) -> Iterator[str]:
    """Questions to which every host has an answer: libvirt has a unit, and `/` has room or none."""
    if not units:
        yield f"{host} does not say which units run there, so other hands on it are not known."
    if not rooms:
        yield f"{host} does not say how much room it has."


def _unit(line: str) -> _Unit:
    """`NAME LOAD ACTIVE FILE`."""
    name, load, active, file = (*line.split(" "), "", "", "", "")[:4]
    return _Unit(name, active in ("active", "activating"), file in STARTS and load == "loaded")


def _runs(units: dict[str, _Unit], name: str) -> bool:
    return name in units and (units[name].active or units[name].enabled)


def _yes(word: str, *, default: bool) -> bool:
    return word.strip().strip('"').lower() not in OFF if word.strip() else default


def _shell_setting(line: str) -> tuple[str, str]:
    """`upgrade='1'` of `apt-config shell`."""
    name, _, value = line.partition("=")
    return name, value.strip("'")


def _other_hands(units: dict[str, _Unit], settings: dict[str, str]) -> Iterator[OtherHand]:
    for name, hand in HANDS.items():
        if _runs(units, name):
            yield OtherHand(hand, name, units[name].active)
    timer = "apt-daily-upgrade.timer"
    if _runs(units, timer) and _yes(settings.get("upgrade", ""), default=False):
        yield OtherHand(Hand.UPDATER, "unattended-upgrades", units[timer].active)


def _guests(answer: Answer, units: dict[str, _Unit]) -> str:
    """Debian's script shuts guests down unless its file says otherwise."""
    if not _runs(units, "libvirt-guests.service"):
        return ""
    found = [line.partition("=")[2] for line in answer.lines("guests") if line.startswith("ON_SHUTDOWN=")]
    return found[-1].split("#")[0].strip().strip("\"'") or "shutdown" if found else "shutdown"


def _shutdown(words: str) -> str:
    """`USEC=1795557452960343 WARN_WALL=0 MODE=poweroff` as `poweroff at 2026-11-24 21:57 UTC`."""
    parts = dict(word.partition("=")[::2] for word in words.split())
    if not parts:
        return ""
    when = parts.get("USEC", "")
    at = (
        datetime.fromtimestamp(int(when) / 1e6, UTC).strftime(" at %Y-%m-%d %H:%M UTC")
        if when.isdigit()
        else ""
    )
    return parts.get("MODE", "shutdown") + at


def _rooms(lines: Sequence[str]) -> Iterator[Room]:
    """`/boot` and what `df -P -k` says of it, in blocks of 1024 bytes."""
    for line in lines:
        parts = line.split()
        if len(parts) >= 7 and parts[2].isdigit() and parts[4].isdigit():
            yield Room(parts[0], int(parts[4]) * 1024, int(parts[2]) * 1024, own=parts[6] == parts[0])


def _files(answer: Answer) -> Iterator[SeenFile]:
    parted = (line.partition(" ") for line in answer.lines("filesystem"))
    filesystems = {path: filesystem for filesystem, _, path in parted}
    for line in answer.lines("file"):
        number, _, path = line.partition(" ")
        if number.isdigit():
            yield SeenFile(path, int(number), filesystems.get(path, ""))


@dataclass(frozen=True, slots=True)
class Door:
    """A host that holds ports open, by that process; `trouble` is why it doesn't."""

    name: str
    pid: str = ""
    address: str = ""
    ports: tuple[int, ...] = ()
    trouble: str = ""


def door(answer: Answer) -> Door:
    """What `listen.sh` answered."""
    ports = tuple(int(port) for port in answer.all("port") if port.isdigit())
    trouble = "" if ports else answer.get("trouble").strip() or "it opened no port"
    return Door(answer.host, answer.get("pid"), answer.get("address"), ports, trouble)


def ways(answer: Answer, doors: Sequence[Door]) -> tuple[Way, ...]:
    """What `connect.sh` answered, which calls the doors by their index.

    One of which it does not speak was not tried.
    """
    found = {str(index): Way(each.name, untried=each.trouble) for index, each in enumerate(doors)}
    for line in answer.lines("control"):
        name, uuid, words = (*line.split(" ", 2), "", "")[:3]
        if name not in found:
            continue
        if uuid == "-":
            found[name] = replace(found[name], control=words.strip() or "it failed without a word")
        else:
            found[name] = replace(found[name], answered=HostId(uuid.lower()))
    for line in answer.lines("data"):
        name, port, words = (*line.split(" ", 2), "", "")[:3]
        if name not in found or not port.isdigit():
            continue
        way = found[name]
        if words == "open":
            way = replace(way, open_ports=(*way.open_ports, int(port)))
        else:
            way = replace(way, closed_ports=(*way.closed_ports, (int(port), words)))
        found[name] = way
    return tuple(_judged(way) for way in found.values())


def _judged(way: Way) -> Way:
    if not way.control and way.answered is None:
        way = replace(way, control="it was not tried")
    if not way.untried and not way.open_ports and not way.closed_ports:
        way = replace(way, untried="the host did not try it: is perl there?")
    return way
