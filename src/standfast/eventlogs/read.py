"""One file, whatever wrote it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from standfast.eventlogs import domjobinfo, hyperv, proxmox, wincsv, winjson, wintext, winxml
from standfast.eventlogs.reading import EVTX_MAGIC, Log, raw_bytes, text_of
from standfast.eventlogs.seen import Found, Trouble

KNOWN = (
    "Hyper-V events as text, XML, CSV, JSON of Get-WinEvent or .evtx, Proxmox migration logs, and the output "
    "of virsh domjobinfo"
)


def read(path: Path) -> Iterator[Found]:
    """The migrations in a file, and a sentence on all that gives none. Raises nothing on bad content."""
    data = raw_bytes(path)
    if isinstance(data, Trouble):
        yield data
        return
    if data.startswith(EVTX_MAGIC):
        from standfast.eventlogs import winevtx

        yield from hyperv.migrations(str(path), winevtx.read(str(path), data))
        return
    log = text_of(str(path), data)
    if isinstance(log, Trouble):
        yield log
        return
    yield from read_text(log)


def read_text(log: Log) -> Iterator[Found]:
    """The same for a text that is already at hand."""
    begin = log.text.lstrip()[:1]
    if begin == "<":
        yield from hyperv.migrations(log.name, winxml.read(log))
    elif begin in ("{", "["):
        yield from hyperv.migrations(log.name, winjson.read(log))
    elif domjobinfo.looks_like(log):
        yield from domjobinfo.read(log)
    elif wincsv.looks_like(log):
        yield from hyperv.migrations(log.name, wincsv.read(log))
    elif proxmox.looks_like(log):
        yield from proxmox.read(log)
    elif wintext.looks_like(log):
        yield from hyperv.migrations(log.name, wintext.read(log))
    else:
        yield Trouble(log.line(1), f"holds nothing that is known here, which is {KNOWN}, in English.")
