"""The outcome of a run in a sentence or two, as one would tell it to somebody who was not there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from standfast.model.run import REHEARSAL
from standfast.model.units import size, span

MOST_NAMED = 3


def title(report: dict[str, Any]) -> str:
    """What became of the hosts, and who ended it where that was a person. No full stop."""
    told = _TITLES.get(report["state"], _under_way)(report)
    return f"Rehearsed on a twin, nothing real is done: {told}" if report["run"] == REHEARSAL else told


def summary(report: dict[str, Any]) -> str:
    """Time, moves and black-outs, and whether all is as before: whole sentences."""
    return " ".join(part for part in (_took(report), moved(report), off(report), kept(report)) if part)


def count(number: int, word: str, many: str = "") -> str:
    """`1 host`, `3 hosts`."""
    return f"{number} {word if number == 1 else many or word + 's'}"


# --- what became of the hosts -------------------------------------------------------------------------------


def _completed(report: dict[str, Any]) -> str:
    hosts, cluster = report["hosts"], report["cluster"]
    if report["kind"] == "balance":
        return f"The hosts of {cluster} are balanced"
    if not hosts:
        return f"The VMs of {cluster} are spread; no host needed anything"
    patched = [host for host in hosts if host["versions"]]
    rebooted = [host for host in hosts if host["rebooted"]]
    whom = (
        f"{hosts[0]['name']} of {cluster} is"
        if len(hosts) == 1
        else f"All {len(hosts)} hosts of {cluster} are"
    )
    if report["kind"] == "evacuate":
        return f"{whom} evacuated"
    if not patched and not rebooted:
        return f"{whom} compliant: nothing was to be done"
    if len(patched) < len(hosts):
        return f"{whom} compliant: {len(patched)} patched, {len(rebooted)} rebooted"
    if len(rebooted) == len(hosts):
        return f"{whom} patched and rebooted"
    return f"{whom} patched, " + (f"{len(rebooted)} of them rebooted" if rebooted else "none needed a reboot")


def _degraded(report: dict[str, Any]) -> str:
    rest = [f"{host['name']} {_ended_as(host)}" for host in report["hosts"] if host["phase"] != "done"]
    return f"{_done(report)}; {_some(rest)}" if rest else _done(report)


def _ended_as(host: dict[str, Any]) -> str:
    words = {"skipped": "was skipped", "failed": "failed", "rolled_back": "was given back unpatched"}
    return words.get(host["phase"], f"is {host['phase']}")


def _cancelled(report: dict[str, Any]) -> str:
    return f"Cancelled{_by(report, 'cancel')}: {_done(report)}"


def _abandoned(report: dict[str, Any]) -> str:
    still = len(report["still_changed"])
    left = f", {count(still, 'thing is', 'things are')} still changed" if still else ""
    return f"Abandoned{_by(report, 'abandon')}: {_done(report)}{left}"


def _held(report: dict[str, Any]) -> str:
    names = [host["name"] for host in report["hosts"] if host["phase"] == "held"]
    verb = "wait" if len(names) > 1 else "waits"
    return f"{_some(names) or 'The run'} {verb} for an operator; {_done(report)}"


def _paused(report: dict[str, Any]) -> str:
    return f"Paused{_by(report, 'pause')}: {_done(report)}"


def _under_way(report: dict[str, Any]) -> str:
    word = "Being cancelled" if report["state"] == "cancelling" else "Under way"
    return f"{word}: {_done(report)}"


_TITLES = {
    "completed": _completed,
    "degraded": _degraded,
    "cancelled": _cancelled,
    "abandoned": _abandoned,
    "held": _held,
    "paused": _paused,
}


def _done(report: dict[str, Any]) -> str:
    hosts = report["hosts"]
    if report["kind"] == "balance":
        moved = report["totals"]["moves"]
        return f"{moved or 'none'} of {count(report['planned_moves'], 'move')} made"
    done = sum(host["phase"] == "done" for host in hosts)
    are = "is" if done < 2 else "are"
    return f"{done or 'none'} of {count(len(hosts), 'host')} of {report['cluster']} {are} done"


def _by(report: dict[str, Any], verb: str) -> str:
    actors = [command["actor"] for command in report["commands"] if command["verb"] == verb]
    return f" by {actors[-1]}" if actors else ""


def _some(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMED
    if more > 0:
        return f"{', '.join(names[:MOST_NAMED])} and {more} more"
    return " and ".join(part for part in (", ".join(names[:-1]), *names[-1:]) if part)


# --- what it took -------------------------------------------------------------------------------------------


def _took(report: dict[str, Any]) -> str:
    if report["seconds"] is None:
        return ""
    return f"It took {span(report['seconds'])}; {predicted(report)} were predicted."


def predicted(report: dict[str, Any]) -> str:
    """`4 min 16 s to 6 min 08 s`: the prediction's p50 and p95."""
    low, high = span(report["predicted_seconds"]), span(report["predicted_p95_seconds"])
    return low if low == high else f"{low} to {high}"


def moved(report: dict[str, Any]) -> str:
    """What the moves were, and the longest black-out against its budget."""
    totals, moves = report["totals"], report["moves"]
    failed = (
        f"{count(totals['moves_failed'], 'attempt')} to move a VM failed." if totals["moves_failed"] else ""
    )
    if not totals["moves"]:
        return failed or "No VM was moved."
    vms = count(totals["vms_moved"], "VM was", "VMs were")
    text = f"{vms} moved live in {count(totals['moves'], 'move')}, {size(totals['wire_bytes'])} sent"
    return " ".join(part for part in (f"{text}; {_dark(totals, moves)}.", failed) if part)


def _dark(totals: dict[str, Any], moves: Sequence[dict[str, Any]]) -> str:
    """The black-outs against their budgets, and how many were not measured."""
    measured = [move for move in moves if move["state"] == "done" and move["blackout_seconds"] is not None]
    if not measured:
        return "no black-out was measured"
    over = totals["moves_over_budget"]
    worst = max(measured, key=lambda move: float(move["blackout_seconds"]))
    text = f"the longest black-out was {span(worst['blackout_seconds'])}"
    text += f" of {span(worst['blackout_budget_seconds'])} allowed"
    if over:
        text += f", and {count(over, 'move was', 'moves were')} over budget"
    missing = totals["moves"] - len(measured)
    return text + (f" ({count(missing, 'move')} not measured)" if missing else "")


def off(report: dict[str, Any]) -> str:
    """VMs that were shut down because somebody consented to it; nothing where none was."""
    times = report["off"]
    if not times:
        return ""
    longest = max(times, key=lambda each: float(each["seconds"]))
    vms = count(len({each["vm"] for each in times}), "VM was", "VMs were")
    return f"{vms} shut down with consent, {longest['vm']} for {span(longest['seconds'])}."


def kept(report: dict[str, Any]) -> str:
    """Whether everything borrowed is given back."""
    given, still = len(report["given_back"]), len(report["still_changed"])
    if not given and not still:
        return "Nothing was changed for the run but what it was for."
    if not still:
        return f"{_made(given)}: all as before."
    if stays_as_meant(report):
        (host,) = (each["host"] for each in report["still_changed"])  # of the one host that it is about
        left = f"{host} stays cordoned, as meant: `standfast host return {host}` gives it back."
        return f"{_made(given)}. {left}" if given else left
    back = count(given, "was", "were") if given else "none was"
    return (
        f"{count(given + still, 'change was', 'changes were')} made for the run: "
        f"{back} given back, {count(still, 'is', 'are')} STILL CHANGED."
    )


def stays_as_meant(report: dict[str, Any]) -> bool:
    """All that is still changed is the cordon of a host whose evacuation was completed."""
    still = [each["kind"] for each in report["still_changed"]]
    return report["kind"] == "evacuate" and report["state"] == "completed" and still == ["cordon"]


def _made(number: int) -> str:
    return f"{count(number, 'change')} made for the run and given back"
