"""Proxmox VE's migration task logs, versions 6 to 9.

    2025-01-04 00:34:29 starting migration of VM 105 to node 'pve1' (10.10.1.1)
    2025-01-04 00:34:38 average migration speed: 457.0 MiB/s - downtime 73 ms
    2025-01-04 00:34:42 migration finished successfully (duration 00:00:18)

The black-out is QEMU's downtime. The brown-out is what lies between the command to migrate and the end of it,
without the black-out, to the second as the log has it. `average migration speed` is memory over time, not
bytes sent; those are told since 2025.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from standfast.eventlogs.numbers import clock, parts_fit, seconds, size
from standfast.eventlogs.reading import Log
from standfast.eventlogs.seen import Ending, Found, Seen, Trouble, unended

_STAMP = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) (?:ERROR: )?(.*)")
_BEGIN = re.compile(r"starting migration of VM (\S+) to node '([^']+)'")
_COPY = re.compile(r"(?:start migrate command to|starting online/live migration on) ")
_SPEED = re.compile(r"(?:average )?migration speed: (\S+) (\S+)/s - downtime (\S+) ms")
_ACTIVE = re.compile(r"migration (?:active|device), transferred (\S+) (\S+) of (\S+) (\S+) VM-state")
_SENT = re.compile(r"migration completed, transferred (\S+) (\S+) VM-state")
_DONE = re.compile(r"migration finished successfully \(duration (\S+)\)")
_FAILED = re.compile(r"migration (?:aborted|finished with problems) \(duration ([^)]*)\)(?:: (.*))?")
SIGNS = ("starting migration of VM ", "migration finished successfully", "migration aborted", " - downtime ")


def looks_like(log: Log) -> bool:
    return any(sign in log.text for sign in SIGNS)


@dataclass
class _Task:
    """One migration while its lines are read."""

    vm: str
    line: int
    target: str = ""
    started: str = ""
    last: datetime | None = None
    copying: datetime | None = None
    copied: datetime | None = None
    figures: dict[str, float] = field(default_factory=dict)
    wrong: str = ""


def read(log: Log) -> Iterator[Found]:
    """The migrations of a log, which may hold several tasks one after the other."""
    task: _Task | None = None
    for line_number, line in enumerate(log.text.splitlines(), 1):
        stamped = _STAMP.fullmatch(line.rstrip())
        words = stamped.group(2) if stamped else line.strip()
        begun = _BEGIN.search(words)
        if begun is not None:
            if task is not None:
                yield _unended(log, task)
            task = _Task(begun.group(1), line_number, begun.group(2))
        elif task is None and (any(sign in words for sign in SIGNS) or _ACTIVE.search(words)):
            task = _Task(log.stem, line_number)  # the first lines were not copied: the file names the VM
        if task is None:
            continue
        try:
            if stamped:
                _at(task, stamped.group(1))
            ended = _words(log, task, words, line_number)
        except ValueError as error:
            task.wrong = task.wrong or f"{log.line(line_number)}\n{error}"
            ended = None
            if _DONE.search(words) or _FAILED.search(words):
                yield _wrong(task)
                task = None
                continue
        if ended is not None:
            yield _wrong(task) if task.wrong else ended
            task = None
    if task is not None:
        yield _unended(log, task)


def _at(task: _Task, text: str) -> None:
    try:
        now = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is no time") from error
    if task.last is not None and now < task.last:
        raise ValueError(f"the clock runs backwards, from {task.last} to {now}")
    task.last = now
    task.started = task.started or text


def _words(log: Log, task: _Task, words: str, line: int) -> Seen | None:
    """Take in one line; the migration, if the line ends it."""
    if _COPY.search(words):
        task.copying = task.last
    if found := _ACTIVE.search(words):
        sent = size(found.group(1), found.group(2), "what was transferred")
        task.figures["memory"] = size(found.group(3), found.group(4), "its memory")
        if sent < task.figures.get("sent_so_far", 0):
            raise ValueError("what was transferred gets less")
        task.figures["sent_so_far"] = sent
    elif found := _SPEED.search(words):
        unit = found.group(2).replace("MB", "MiB").replace("GB", "GiB").replace("KB", "KiB")
        task.figures["speed"] = size(found.group(1), unit, "its speed")
        task.figures["downtime"] = seconds(found.group(3), "its downtime", milli=True)
        task.copied = task.last
    elif " - downtime" in words:
        raise ValueError("the line with its downtime is cut off")
    elif found := _SENT.search(words):
        task.figures["sent"] = size(found.group(1), found.group(2), "what was transferred")
    elif found := _DONE.search(words):
        return _seen(log, task, line, clock(found.group(1), "its duration"))
    elif found := _FAILED.search(words):
        why = found.group(2) or "finished with problems"
        return Seen(
            vm=task.vm,
            where=log.line(line),
            evidence="Proxmox task log",
            ending=Ending.FAILED,
            at=task.started,
            target=task.target,
            why=why,
        )
    return None


def _seen(log: Log, task: _Task, line: int, total: float) -> Seen:
    figures = task.figures
    blackout = figures.get("downtime")
    if blackout is None:
        raise ValueError("the line with its downtime is missing")
    brownout = None
    if task.copying is not None and task.copied is not None:
        brownout = max(0.0, (task.copied - task.copying).total_seconds() - blackout)
    # Both ends are told in whole seconds.
    parts_fit(total + 1, brownout, blackout)
    for name in ("memory", "speed"):
        if figures.get(name) == 0:
            raise ValueError(f"its {name} is 0")
    memory = figures.get("memory")
    return Seen(
        vm=task.vm,
        where=log.line(line),
        evidence="Proxmox task log",
        at=task.started,
        target=task.target,
        brownout_seconds=brownout,
        blackout_seconds=blackout,
        total_seconds=total,
        memory_bytes=None if memory is None else int(memory),
        wire_bytes=int(figures["sent"]) if "sent" in figures else None,
        bytes_per_second=None,
    )


def _wrong(task: _Task) -> Trouble:
    where, clause = task.wrong.split("\n", 1)
    return Trouble(where, f"the migration of {task.vm}: {clause}.")


def _unended(log: Log, task: _Task) -> Trouble:
    if task.wrong:
        return _wrong(task)
    return unended(log.line(task.line), task.vm)
