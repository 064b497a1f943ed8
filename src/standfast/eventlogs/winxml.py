"""Events in XML: Event Viewer's export, `wevtutil qe`, `Get-WinEvent | % ToXml` (several roots in a row)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from xml.parsers import expat

from standfast.eventlogs.reading import Log
from standfast.eventlogs.seen import Trouble
from standfast.eventlogs.winevent import WinEvent

_DECLARATION = re.compile(r"<\?xml[^>]*\?>")
_POSITIONAL = re.compile(r"(?:Parameter|param|prop_?)?(\d+)", re.IGNORECASE)


def read(log: Log) -> Iterator[WinEvent | Trouble]:
    """Every event of the file; at a fault a sentence, and what came before it."""
    if "<!DOCTYPE" in log.text or "<!ENTITY" in log.text:
        offset = min(log.text.find(mark) for mark in ("<!DOCTYPE", "<!ENTITY") if mark in log.text)
        yield Trouble(log.at(offset), "defines entities, which no event export does; it is not read.")
        return
    # One root around all, on the first line, so that lines keep their numbers.
    text = "<all>" + _DECLARATION.sub(lambda found: " " * len(found.group()), log.text) + "</all>"
    builder = _Builder(log)
    parser = expat.ParserCreate(namespace_separator=None)
    parser.StartElementHandler = lambda name, attributes: builder.start(name, attributes, parser)
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.characters
    try:
        parser.Parse(text.encode("utf-8"), True)
    except expat.ExpatError as error:
        yield from builder.done
        words = expat.ErrorString(error.code)
        at_end = error.lineno >= log.text.rstrip().count("\n") + 1
        cut = (
            "the file is cut off in an event"
            if at_end and builder.depth
            else f"is no well-formed XML ({words})"
        )
        yield Trouble(log.line(error.lineno), f"{cut}; export it again.")
        return
    yield from builder.done


@dataclass
class _Open:
    line: int
    system: dict[str, str] = field(default_factory=dict)
    message: str = ""
    data: list[tuple[str, str]] = field(default_factory=list)


class _Builder:
    """Collects events from start, end and character calls."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self.done: list[WinEvent | Trouble] = []
        self.depth = 0
        self._path: list[str] = []
        self._open: _Open | None = None
        self._text: list[str] = []
        self._name = ""

    def start(self, name: str, attributes: dict[str, str], parser: Any) -> None:
        local = name.rsplit(":", 1)[-1]
        self._path.append(local)
        self._text = []
        if local == "Event":
            self._open = _Open(parser.CurrentLineNumber)
            self.depth += 1
        elif self._open is not None:
            if local == "Provider":
                self._open.system["Provider"] = attributes.get("Name", attributes.get("EventSourceName", ""))
            elif local == "TimeCreated":
                self._open.system["TimeCreated"] = attributes.get("SystemTime", "")
            self._name = attributes.get("Name", "")

    def characters(self, text: str) -> None:
        self._text.append(text)

    def end(self, name: str) -> None:
        local = name.rsplit(":", 1)[-1]
        text, path, event = "".join(self._text).strip(), self._path, self._open
        self._path = path[:-1]
        self._text = []
        if event is None:
            return
        if local == "Event":
            self._finish(event)
            self._open = None
            self.depth -= 1
        elif "System" in path and local in ("EventID", "Computer"):
            event.system[local] = text
        elif "RenderingInfo" in path and local == "Message":
            event.message = text
        elif ("UserData" in path or "EventData" in path) and local not in ("UserData", "EventData"):
            if text:
                event.data.append((self._name or local, text))
            self._name = ""

    def _finish(self, event: _Open) -> None:
        where = self.log.line(event.line)
        number = event.system.get("EventID", "")
        if not number.isdigit():
            self.done.append(Trouble(where, f"an event has the id {number!r}, which is no number."))
            return
        named = dict(event.data)
        positional = [(match, text) for name, text in event.data if (match := _POSITIONAL.fullmatch(name))]
        ordered = sorted(positional, key=lambda each: int(each[0].group(1)))
        parameters = [text for _, text in ordered] or [text for name, text in event.data if name == "Data"]
        self.done.append(
            WinEvent(
                id=int(number),
                where=where,
                provider=event.system.get("Provider", ""),
                at=event.system.get("TimeCreated", ""),
                computer=event.system.get("Computer", ""),
                message=event.message,
                parameters=tuple(parameters),
                named=named,
            )
        )
