"""Two runs side by side, from their reports: what each took, and which hosts went another way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean, median
from typing import Any

Report = Mapping[str, Any]

SLOWER_SECONDS = 10.0
SLOWER_SHARE = 0.25
"""A host's time differs when it is longer or shorter by both of these."""


def compare_dict(a: Report, b: Report) -> dict[str, Any]:
    """`{"a", "b", "figures", "phases", "blackouts", "hosts"}`; seconds and bytes, None where not measured."""
    return {
        "a": _who(a),
        "b": _who(b),
        "figures": [
            {"what": what, "unit": unit, "a": of_a, "b": of_b}
            for (what, unit, of_a), (_, _, of_b) in zip(_figures(a), _figures(b), strict=True)
        ],
        "phases": _phases(a, b),
        "blackouts": _blackouts(a, b),
        "hosts": _hosts(a, b),
    }


def _who(report: Report) -> dict[str, Any]:
    keys = ("run", "cluster", "platform", "state", "title", "created_at", "ended_at", "approved_by")
    return {key: report[key] for key in keys}


def _figures(report: Report) -> list[tuple[str, str, float | None]]:
    totals, hosts = report["totals"], report["hosts"]
    done = [move for move in report["moves"] if move["state"] == "done"]
    dark = [move["blackout_seconds"] for move in done if move["blackout_seconds"] is not None]
    brown = [move["brownout_seconds"] for move in done if move["brownout_seconds"] is not None]
    return [
        ("time", "seconds", report["seconds"]),
        ("time predicted", "seconds", report["predicted_seconds"]),
        ("waited for operators", "seconds", _held(report)),
        ("hosts", "count", len(hosts)),
        ("hosts done", "count", sum(host["phase"] == "done" for host in hosts)),
        ("hosts rebooted", "count", sum(host["rebooted"] for host in hosts)),
        ("VMs moved", "count", totals["vms_moved"]),
        ("moves", "count", totals["moves"]),
        ("moves that failed", "count", totals["moves_failed"]),
        ("moves over budget", "count", totals["moves_over_budget"]),
        ("longest black-out", "seconds", max(dark, default=None)),
        ("median black-out", "seconds", median(dark) if dark else None),
        ("median brown-out", "seconds", median(brown) if brown else None),
        ("sent", "bytes", totals["wire_bytes"]),
        ("still changed", "count", len(report["still_changed"])),
    ]


def _held(report: Report) -> float:
    return sum(
        float(each["ended_at"] - each["began_at"])
        for host in report["hosts"]
        for each in host["timeline"]
        if each["phase"] == "held"
    )


def _phases(a: Report, b: Report) -> list[dict[str, Any]]:
    """Mean seconds of a host in each phase, of those hosts that were in it."""
    means = [_means(report) for report in (a, b)]
    names = dict.fromkeys(name for mean in means for name in mean)
    return [{"phase": name, "a": means[0].get(name), "b": means[1].get(name)} for name in names]


def _means(report: Report) -> dict[str, float]:
    spans: dict[str, list[float]] = {}
    for host in report["hosts"]:
        for each in host["phases"]:
            spans.setdefault(each["phase"], []).append(each["seconds"])
    return {phase: round(fmean(seconds), 3) for phase, seconds in spans.items()}


def _blackouts(a: Report, b: Report) -> list[dict[str, Any]]:
    """The longest black-out of each VM that was measured in both, the most changed first."""
    of_a, of_b = _darkest(a), _darkest(b)
    rows = [{"vm": of_b[vm][0], "vm_id": vm, "a": of_a[vm][1], "b": of_b[vm][1]} for vm in of_a if vm in of_b]
    return sorted(rows, key=lambda row: (-abs(row["b"] - row["a"]), row["vm"]))


def _darkest(report: Report) -> dict[str, tuple[str, float]]:
    found: dict[str, tuple[str, float]] = {}
    for move in report["moves"]:
        dark = move["blackout_seconds"]
        if move["state"] == "done" and dark is not None:
            found[move["vm_id"]] = (move["vm"], max(dark, found.get(move["vm_id"], ("", 0.0))[1]))
    return found


def _hosts(a: Report, b: Report) -> dict[str, Any]:
    """By id: a host that got another name is the same host."""
    of_a, of_b = ({host["id"]: host for host in report["hosts"]} for report in (a, b))
    both = [id for id in of_a if id in of_b]
    differ = [{"name": of_b[id]["name"], "id": id, "how": list(_how(of_a[id], of_b[id]))} for id in both]
    return {
        "only_a": [host["name"] for id, host in of_a.items() if id not in of_b],
        "only_b": [host["name"] for id, host in of_b.items() if id not in of_a],
        "alike": [each["name"] for each in differ if not each["how"]],
        "differ": [each for each in differ if each["how"]],
    }


def _how(a: Report, b: Report) -> Iterator[dict[str, Any]]:
    for key in ("name", "phase", "rebooted", "attempts"):
        if a[key] != b[key]:
            yield {"what": key, "a": a[key], "b": b[key]}
    if _packages(a["versions"]) != _packages(b["versions"]):
        yield {"what": "packages changed", "a": len(a["versions"]), "b": len(b["versions"])}
    if a["seconds"] and b["seconds"] and _far(a["seconds"], b["seconds"]):
        yield {"what": "seconds", "a": a["seconds"], "b": b["seconds"]}


def _packages(versions: Sequence[Report]) -> set[str]:
    return {each["package"] for each in versions}


def _far(a: float, b: float) -> bool:
    return abs(b - a) >= max(SLOWER_SECONDS, SLOWER_SHARE * min(a, b))
