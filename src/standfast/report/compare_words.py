"""Two runs side by side for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from standfast.model.units import size, span
from standfast.report.plain import cell, table

MOST_VMS = 10


def compare_text(found: Mapping[str, Any]) -> str:
    """Lines of text, without a newline at the end."""
    lines = [f"{letter.upper()}  {_who(found[letter])}" for letter in ("a", "b")]
    if found["a"]["cluster"] != found["b"]["cluster"]:
        lines.append("These are runs on two clusters.")
    lines += ["", *_columns(("", "A", "B", "CHANGE"), [_figure(each) for each in found["figures"]])]
    phases = [_row(each["phase"], each["a"], each["b"], "seconds") for each in found["phases"]]
    if phases:
        lines += ["", "A host's time in each phase, mean"]
        lines += _columns(("PHASE", "A", "B", "CHANGE"), phases)
    lines += _blackouts(found["blackouts"])
    lines += ["", "Hosts", *(f"  {line}" for line in _hosts(found["hosts"]))]
    return "\n".join(cell(line) for line in lines)


def _columns(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"  {line}" for line in table(head, rows).split("\n")]


def _who(who: Mapping[str, Any]) -> str:
    began = datetime.fromtimestamp(who["created_at"]).astimezone().strftime("%Y-%m-%d %H:%M")
    return f"{who['run']} of {began}: {who['title']}."


def _figure(each: Mapping[str, Any]) -> tuple[str, str, str, str]:
    return _row(each["what"], each["a"], each["b"], each["unit"])


def _row(what: str, a: float | None, b: float | None, unit: str) -> tuple[str, str, str, str]:
    return what, told(a, unit), told(b, unit), change(a, b, unit)


def told(value: float | None, unit: str) -> str:
    """A figure for a reader; `-` where there is none."""
    if value is None:
        return "-"
    return {"seconds": span, "bytes": size}.get(unit, str)(value)


def change(a: float | None, b: float | None, unit: str) -> str:
    """`+12 s (+30 %)`; nothing where both are the same or one is missing."""
    if a is None or b is None or told(a, unit) == told(b, unit):
        return ""
    sign = "+" if b > a else "-"
    return f"{sign}{told(abs(b - a), unit)}{_share(a, b) if unit != 'count' else ''}"


def _share(a: float, b: float) -> str:
    """` (+30 %)`, ` (20 times)`; nothing from nought."""
    if not a:
        return ""
    return f" ({b / a:.0f} times)" if b >= 3 * a else f" ({(b - a) / a:+.0%})".replace("%", " %")


def _blackouts(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    if not rows:
        return []
    told_rows = [_row(row["vm"], row["a"], row["b"], "seconds") for row in rows[:MOST_VMS]]
    more = [f"  And {len(rows) - MOST_VMS} more that changed less."] if len(rows) > MOST_VMS else []
    return ["", "Longest black-out of a VM", *_columns(("VM", "A", "B", "CHANGE"), told_rows), *more]


def _hosts(hosts: Mapping[str, Any]) -> list[str]:
    lines = [f"{host['name']}: {', '.join(_how(each) for each in host['how'])}" for host in hosts["differ"]]
    lines += [f"only in A: {', '.join(hosts['only_a'])}"] if hosts["only_a"] else []
    lines += [f"only in B: {', '.join(hosts['only_b'])}"] if hosts["only_b"] else []
    if hosts["alike"]:
        lines.append(f"{'the others went' if lines else 'all went'} alike: {', '.join(hosts['alike'])}")
    return lines or ["none in either"]


def _how(each: Mapping[str, Any]) -> str:
    if each["what"] == "seconds":
        return f"took {span(each['b'])} instead of {span(each['a'])}"
    if each["what"] == "rebooted":
        return "rebooted, unlike before" if each["b"] else "not rebooted, unlike before"
    words = {"phase": "is {b}, was {a}", "attempts": "{b} tries instead of {a}", "name": "was called {a}"}
    return words.get(each["what"], "{what}: {b} instead of {a}").format(**each)
