"""Live migrations out of Hyper-V's events.

    2008 R2   22508 brown-out, 22509 black-out with dirty pages and saved state, 22507 total: three texts
    2012 on   20415, 20417 black-out: text, or Parameter0 name, Parameter1 VMID, Parameter2 seconds
    clusters  21301, 21307 total, 21303 black-out, 21305 brown-out: parameters VMID, seconds

Exports are oldest first or newest first; events of one VM are gathered until one comes again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from standfast.eventlogs.numbers import number, parts_fit, seconds, whole
from standfast.eventlogs.seen import Found, Seen, Trouble, unended
from standfast.eventlogs.winevent import CLUSTER, MIGRATION_IDS, VMMS, WinEvent

_NAME = r"[‘'\"“](?P<vm>[^’'\"”]+)[’'\"”]"
TEXTS = {
    22508: re.compile(_NAME + r" migrated with a Brown-Out time of (?P<s>\S+) seconds\."),
    22509: re.compile(
        _NAME + r" migrated with a Black-Out time of (?P<s>\S+) seconds, (?P<pages>\S+) dirty pages? and "
        r"(?P<state>\S+) KB of saved state\."
    ),
    22507: re.compile(r"Migration completed successfully for " + _NAME + r" in (?P<s>\S+) seconds\."),
    20415: re.compile(
        r"live migration of virtual machine\s+" + _NAME + r" with a blackout time of (?P<s>\S+) seconds"
        r"(?: \(VMID (?P<id>[0-9A-Fa-f-]+)\))?\."
    ),
    20417: re.compile(
        r"live migration of virtual machine\s+"
        + _NAME
        + r" with an unexpectedly long blackout time of (?P<s>\S+) seconds\b"
    ),
}
SIGNS = {
    "Brown-Out time": 22508,
    "Black-Out time": 22509,
    "Migration completed successfully": 22507,
    "with a blackout time": 20415,
    "unexpectedly long blackout time": 20417,
}
"""Words by which a text is one of these events, even if the rest of it can't be read."""

_STARTED = {21301: 21300, 21303: 21302, 21305: 21304, 21307: 21306, 21309: 21308}
"""Which event began what the event with seconds ended."""

CLOCK_SECONDS = 2.0
"""By how much a span and the time stamps at its ends may differ."""


def migrations(name: str, events: Iterable[WinEvent | Trouble]) -> Iterator[Found]:
    """The migrations of one file, and a sentence on each event that can't be right."""
    total, known, groups = 0, 0, _Groups()
    for event in events:
        if isinstance(event, Trouble):
            known += 1
            yield event
            continue
        total += 1
        if not event.of_migration:
            continue
        known += 1
        yield from groups.take(event)
    yield from groups.rest()
    if not known:
        ids = "22507 to 22509, 20415, 20417, 21300 to 21309"
        yield Trouble(name, f"holds {total} events, but none of a live migration ({ids}).")


@dataclass
class _Group:
    """What is known so far of one migration of one VM."""

    vm: str
    events: dict[int, WinEvent] = field(default_factory=dict)
    spans: dict[int, float] = field(default_factory=dict)
    pages: int | None = None
    state: int | None = None
    wrong: bool = False
    """One of its events can't be right: what the others say gives no figure either."""


class _Groups:
    def __init__(self) -> None:
        self._open: dict[tuple[str, str], _Group] = {}

    def take(self, event: WinEvent) -> Iterator[Found]:
        """One event more; what is complete by it, or a sentence on an event that can't be right."""
        try:
            if MIGRATION_IDS[event.id] == VMMS:
                yield _short(event)
                return
            cluster = MIGRATION_IDS[event.id] == CLUSTER
            yield from self._gather(event, cluster, _from_cluster(event) if cluster else _from_text(event))
        except ValueError as error:
            yield Trouble(event.where, f"event {event.id}: {error}.")
            vm = _vm_of(event)
            if vm:
                kind = "cluster" if MIGRATION_IDS[event.id] == CLUSTER else "worker"
                group = self._open.setdefault((kind, vm.lower()), _Group(vm))
                group.events[event.id], group.wrong = event, True

    def _gather(
        self, event: WinEvent, cluster: bool, told: tuple[str, float | None, int | None, int | None]
    ) -> Iterator[Found]:
        vm, span, pages, state = told
        key = ("cluster" if cluster else "worker", vm.lower())
        group = self._open.get(key)
        if group is not None and event.id in group.events:
            yield from self._close(key)
            group = None
        if group is None:
            group = self._open[key] = _Group(vm)
        group.events[event.id] = event
        if span is not None:
            group.spans[event.id] = span
        if pages is not None:
            group.pages, group.state = pages, state
        if not cluster and len(group.events) == 3:
            yield from self._close(key)

    def rest(self) -> Iterator[Found]:
        for key in list(self._open):
            yield from self._close(key)

    def _close(self, key: tuple[str, str]) -> Iterator[Found]:
        group = self._open.pop(key)
        if group.wrong:
            return
        last = list(group.events.values())[-1]
        if not group.spans:
            yield unended(last.where, group.vm)
            return
        try:
            _check_clock(group)
            yield _whole(group, last, cluster=key[0] == "cluster")
        except ValueError as error:
            yield Trouble(last.where, f"the migration of {group.vm}: {error}.")


def _vm_of(event: WinEvent) -> str:
    """The VM of an event whose figures can't be read, if that much can."""
    if event.parameters:
        return event.parameters[0].strip()
    found = re.search(_NAME, event.message)
    return found["vm"] if found else ""


def _whole(group: _Group, last: WinEvent, *, cluster: bool) -> Seen:
    spans = group.spans
    if cluster:
        total = spans.get(21301, spans.get(21307))
        brownout, blackout = spans.get(21305), spans.get(21303)
    else:
        total, brownout, blackout = spans.get(22507), spans.get(22508), spans.get(22509)
    parts_fit(total, brownout, blackout)
    ids = ", ".join(str(each) for each in sorted(spans))
    return Seen(
        vm=group.vm,
        where=last.where,
        evidence=f"Hyper-V event{'s' if len(spans) > 1 else ''} {ids}",
        at=last.at,
        source=last.computer,
        brownout_seconds=brownout,
        blackout_seconds=blackout,
        total_seconds=total,
        dirty_pages=group.pages,
        state_bytes=group.state,
    )


def _check_clock(group: _Group) -> None:
    """A span has to lie between the time stamps of its ends, where both have one."""
    for end, start in _STARTED.items():
        if end not in group.spans or start not in group.events:
            continue
        began, ended = _time(group.events[start].at), _time(group.events[end].at)
        if began is None or ended is None:
            continue
        apart = (ended - began).total_seconds()
        if apart < -CLOCK_SECONDS:
            raise ValueError(f"event {end} is {-apart:g} s before event {start}: time runs backwards")
        if abs(apart - group.spans[end]) > CLOCK_SECONDS + 0.05 * apart:
            raise ValueError(
                f"event {end} tells {group.spans[end]:g} s, and {apart:g} s lie between it and event {start}"
            )


def _time(text: str) -> datetime | None:
    """ISO 8601 with up to seven digits of a second, as Windows writes it."""
    shortened = re.sub(r"(\.\d{6})\d+", r"\1", text.strip())
    try:
        at = datetime.fromisoformat(shortened)
    except ValueError:
        return None
    return at if at.tzinfo is None else at.astimezone(UTC).replace(tzinfo=None)


def _short(event: WinEvent) -> Seen:
    """20415 and 20417: one event, one black-out."""
    if len(event.parameters) >= 3:
        vm, span = event.parameters[0], event.parameters[2]
    else:
        found = _match(event)
        vm, span = found["vm"], found["s"]
    return Seen(
        vm=vm.strip() or "(no name)",
        where=event.where,
        evidence=f"Hyper-V event {event.id}",
        at=event.at,
        source=event.computer,
        blackout_seconds=seconds(span, "its black-out"),
    )


def _from_text(event: WinEvent) -> tuple[str, float, int | None, int | None]:
    what = {22508: "its brown-out", 22509: "its black-out", 22507: "its total"}[event.id]
    found = _match(event)
    span = seconds(found["s"], what)
    if event.id != 22509:
        return found["vm"], span, None, None
    pages = whole(found["pages"], "its number of dirty pages")
    return found["vm"], span, pages, round(number(found["state"], "its saved state") * 1024)


def _match(event: WinEvent) -> dict[str, str]:
    found = TEXTS[event.id].search(event.message)
    if found is None:
        if not event.message:
            raise ValueError(
                "it has no text, from which alone its figures can be read; export it with its message"
            )
        raise ValueError("its text is cut off, or not in English; export it on an English system, or as XML")
    return {name: value or "" for name, value in found.groupdict().items()}


def _from_cluster(event: WinEvent) -> tuple[str, float | None, None, None]:
    if not event.parameters:
        raise ValueError(
            "it has no parameters, which alone hold its figures; export it as XML, or as JSON with -Depth 3"
        )
    vm = event.parameters[0].strip()
    if event.id not in _STARTED:
        return vm, None, None, None
    if len(event.parameters) < 2:
        raise ValueError("it has no seconds; it is cut off")
    return vm, seconds(event.parameters[1], "its seconds"), None, None
