"""What `virsh domjobinfo VM --completed` prints, on an English system. The file's name is the VM's."""

from __future__ import annotations

import re
from collections.abc import Iterator

from standfast.eventlogs.numbers import parts_fit, seconds, size, whole
from standfast.eventlogs.reading import Log
from standfast.eventlogs.seen import Ending, Found, Seen, Trouble

_FIELD = re.compile(r"([A-Z][A-Za-z/ -]+?):\s+(\S.*?)\s*$")
_VALUE = re.compile(r"(\S+)(?:\s+(\S+))?")


def looks_like(log: Log) -> bool:
    return re.search(r"^Job type:\s", log.text, re.MULTILINE) is not None


def read(log: Log) -> Iterator[Found]:
    """The jobs in the file; there may be several, one after the other."""
    starts = [found.start() for found in re.finditer(r"^Job type:\s", log.text, re.MULTILINE)]
    for begin, end in zip(starts, [*starts[1:], len(log.text)], strict=True):
        first = log.text.count("\n", 0, begin) + 1
        yield _job(log, first, log.text[begin:end])


def _job(log: Log, first: int, text: str) -> Found:
    fields: dict[str, tuple[int, str, str]] = {}
    for number, line in enumerate(text.splitlines(), first):
        found = _FIELD.match(line)
        if found is not None:
            value = _VALUE.match(found.group(2))
            assert value is not None
            fields[found.group(1)] = (number, value.group(1), value.group(2) or "")
    kind = fields["Job type"][1] if "Job type" in fields else ""
    operation = _words(text, "Operation")
    if kind == "None":
        return Trouble(log.line(first), "there was no job; ask with --completed after a migration.")
    if kind in ("Unbounded", "Bounded"):
        return Trouble(log.line(first), "the job is still under way; ask with --completed when it has ended.")
    if kind not in ("Completed", "Failed", "Cancelled"):
        return Trouble(
            log.line(first), f"a job of the type {kind!r} is not known; use virsh in English (LC_ALL=C)."
        )
    if operation and "migration" not in operation:
        return Trouble(log.line(first), f"the job was no migration: {operation}.")
    if kind != "Completed":
        return Seen(log.stem, log.line(first), "virsh domjobinfo", Ending.FAILED, why=kind.lower())
    try:
        return _seen(log, first, fields)
    except _AtLine as error:
        return Trouble(log.line(error.line), f"the migration of {log.stem}: {error}.")
    except ValueError as error:
        return Trouble(log.line(first), f"the migration of {log.stem}: {error}.")


class _AtLine(ValueError):
    def __init__(self, line: int, clause: str) -> None:
        super().__init__(clause)
        self.line = line


def _words(text: str, name: str) -> str:
    found = re.search(rf"^{name}:\s+(\S.*?)\s*$", text, re.MULTILINE)
    return found.group(1) if found else ""


def _seen(log: Log, first: int, fields: dict[str, tuple[int, str, str]]) -> Seen:
    total = _seconds(fields, "Time elapsed")
    blackout = _seconds(fields, "Total downtime")
    setup = _seconds(fields, "Setup time")
    if total is None:
        raise ValueError("it has no time elapsed; it is cut off")
    if blackout is None:
        raise ValueError("it has no total downtime; it is cut off, or the job was no live migration")
    parts_fit(total, blackout, setup)
    memory = _bytes(fields, "Memory total")
    if memory == 0:
        raise _AtLine(fields["Memory total"][0], "its memory is 0")
    speed = _bytes(fields, "Memory bandwidth")
    if speed == 0:
        raise _AtLine(fields["Memory bandwidth"][0], "its bandwidth is 0")
    if "Page size" in fields:
        whole(fields["Page size"][1], "its page size")
    return Seen(
        vm=log.stem,
        where=log.line(first),
        evidence="virsh domjobinfo",
        brownout_seconds=round(total - blackout - (setup or 0.0), 3),
        blackout_seconds=blackout,
        total_seconds=total,
        memory_bytes=memory,
        wire_bytes=_bytes(fields, "Data processed") or _bytes(fields, "Memory processed"),
        bytes_per_second=speed,
    )


def _seconds(fields: dict[str, tuple[int, str, str]], name: str) -> float | None:
    if name not in fields:
        return None
    line, amount, unit = fields[name]
    if unit != "ms":
        raise _AtLine(line, f"{name} is in {unit!r}, and virsh tells it in ms; the line is cut off")
    try:
        return seconds(amount, name, milli=True)
    except ValueError as error:
        raise _AtLine(line, str(error)) from error


def _bytes(fields: dict[str, tuple[int, str, str]], name: str) -> int | None:
    if name not in fields:
        return None
    line, amount, unit = fields[name]
    try:
        return size(amount, unit.removesuffix("/s"), name)
    except ValueError as error:
        raise _AtLine(line, str(error)) from error
