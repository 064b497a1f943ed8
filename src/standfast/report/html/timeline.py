"""The first picture: a lane for each host, its phases over the time of the run, and who said what when."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from standfast.model.run import Phase
from standfast.model.units import span
from standfast.report.html.scale import Bar, Tick, TimeScale, fits, short
from standfast.report.words import clock

FEW = 40
"""Up to so many hosts, lanes have names; more are drawn as a narrow stripe each."""
HEAD = 26
"""Pixels above the first lane: the numbers of operators' words."""
FOOT = 24
MARKED = frozenset({"host_held", "move_failed", "host_silent", "unwell", "call_failed", "move_cancelled"})


@dataclass(frozen=True, slots=True)
class Mark:
    """Something worth a look at one moment."""

    x: float
    told: str


@dataclass(frozen=True, slots=True)
class Lane:
    name: str
    result: str
    phase: str
    y: int
    bars: list[Bar]
    marks: list[Mark]


@dataclass(frozen=True, slots=True)
class Timeline:
    height: int
    bar: int
    lane: int
    named: bool
    lanes: list[Lane]
    ticks: list[Tick]
    words: list[Mark]
    phases: list[str] = field(default_factory=list)
    """Those that occur, in the order of a good run."""

    @property
    def floor(self) -> int:
        """Where the lanes end and the axis begins."""
        return self.height - FOOT


def timeline(report: dict[str, Any], scale: TimeScale) -> Timeline:
    """The picture's marks. Empty lanes where the run has no hosts."""
    hosts = report["hosts"]
    named = len(hosts) <= FEW
    lane, bar = (46, 20) if named else (10, 8)
    top = HEAD if report["commands"] else 6
    lanes = [_lane(host, report, scale, top + number * lane) for number, host in enumerate(hosts)]
    found = {each["phase"] for host in hosts for each in host["timeline"]}
    order = [str(phase) for phase in Phase]
    return Timeline(
        height=top + len(hosts) * lane + FOOT,
        bar=bar,
        lane=lane,
        named=named,
        lanes=lanes,
        ticks=scale.ticks(),
        words=[
            Mark(scale.x(each["at"]), f"{clock(each['at'])} {each['actor']}: {each['text']}")
            for each in report["commands"]
        ],
        phases=sorted(found, key=lambda phase: order.index(phase) if phase in order else len(order)),
    )


def _lane(host: dict[str, Any], report: dict[str, Any], scale: TimeScale, y: int) -> Lane:
    name = host["name"]
    marks = [
        Mark(scale.x(each["at"]), f"{clock(each['at'])} {each['text']}")
        for each in report["trouble"]
        if each["host"] == name and each["kind"] in MARKED
    ]
    bars = [_bar(name, each, scale) for each in host["timeline"]]
    return Lane(short(name), result(host), host["phase"], y, bars, marks)


def result(host: dict[str, Any]) -> str:
    """`done in 2 min 22 s`, `held in patching`, `skipped`."""
    if host["phase"] == "done":
        return f"done in {span(host['seconds'])}" if host["seconds"] else "done"
    if host["phase"] == "held":
        return f"held in {host['held_phase']}" if host["held_phase"] else "held"
    words = {"rolled_back": "given back unpatched", "planned": "not begun"}
    return words.get(host["phase"], str(host["phase"]))


def _bar(name: str, each: dict[str, Any], scale: TimeScale) -> Bar:
    x = scale.x(each["began_at"])
    width = round(scale.x(each["ended_at"]) - x, 3)
    took = span(each["ended_at"] - each["began_at"])
    word = "waits for its turn" if each["phase"] == "planned" else each["phase"]
    told = f"{name}: {word} for {took}, {clock(each['began_at'])} to {clock(each['ended_at'])}"
    return Bar(each["phase"], x, width, told, fits(width, each["phase"]))
