"""Events as `Get-WinEvent | ConvertTo-Json` writes them: one object, an array, or objects line by line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from standfast.eventlogs.reading import Log
from standfast.eventlogs.seen import Trouble
from standfast.eventlogs.winevent import WinEvent

_SPACE = re.compile(r"[\s,]*")
_DOTNET_DATE = re.compile(r"/Date\((-?\d+)(?:[+-]\d{4})?\)/")


def read(log: Log) -> Iterator[WinEvent | Trouble]:
    """Every event; at a fault a sentence, after what came before it."""
    decoder = json.JSONDecoder(parse_constant=str)  # NaN and Infinity: kept as words, refused later
    text, position = log.text, 0
    end = len(text.rstrip())
    inside = False
    if text.lstrip().startswith("["):
        position, inside = text.index("[") + 1, True
    while True:
        position = _after_space(text, position)
        if inside and text[position : position + 1] == "]":
            inside, position = False, position + 1
            continue
        if position >= end:
            break
        try:
            value, after = decoder.raw_decode(text, position)
        except (json.JSONDecodeError, RecursionError) as error:
            place, cut = position, False
            if isinstance(error, json.JSONDecodeError):
                place, cut = error.pos, error.pos >= end - 1 or error.msg.startswith("Unterminated")
            what = "the file is cut off in an event" if cut else "is no well-formed JSON"
            yield Trouble(log.at(place), f"{what}; export it again.")
            return
        yield _event(log.at(position), value)
        position = after
    if inside:
        yield Trouble(log.at(end), "the file is cut off after an event; export it again.")


def _after_space(text: str, position: int) -> int:
    found = _SPACE.match(text, position)
    return found.end() if found else position


def _event(where: str, value: Any) -> WinEvent | Trouble:
    if not isinstance(value, dict):
        return Trouble(
            where, "holds something that is no event; use Get-WinEvent … | ConvertTo-Json -Depth 3."
        )
    number = value.get("Id", value.get("EventID", value.get("InstanceId")))
    if isinstance(number, bool) or not str(number).isdigit():
        return Trouble(where, "an object without the number of an event in Id; use Get-WinEvent.")
    properties = value.get("Properties")
    parameters = []
    for each in properties if isinstance(properties, list) else []:
        text = each.get("Value") if isinstance(each, dict) else each
        parameters.append("" if text is None else str(text))
    if any(text.startswith("System.Diagnostics.") for text in parameters):
        parameters = []  # ConvertTo-Json without enough -Depth
    return WinEvent(
        id=int(str(number)),
        where=where,
        provider=str(value.get("ProviderName") or value.get("Source") or ""),
        at=_time(value.get("TimeCreated", value.get("TimeGenerated", ""))),
        computer=str(value.get("MachineName") or ""),
        message=str(value.get("Message") or ""),
        parameters=tuple(parameters),
    )


def _time(value: Any) -> str:
    """ISO 8601; Windows PowerShell writes `/Date(1511261873874)/`, newer ones an object or ISO."""
    if isinstance(value, dict):
        value = value.get("value", value.get("DateTime", ""))
    text = str(value or "")
    found = _DOTNET_DATE.fullmatch(text)
    if found is None:
        return text
    try:
        return datetime.fromtimestamp(int(found.group(1)) / 1000, UTC).isoformat()
    except (OverflowError, ValueError, OSError):
        return text
