"""`events`: migrations out of the logs of hypervisors that Standfast need never have touched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from standfast.cli.out import plural, say, show, show_json, table
from standfast.cli.session import Session, verb

if TYPE_CHECKING:
    from standfast.eventlogs.seen import Seen, Trouble
    from standfast.predict.darkness import Darkness

DEGRADED, UNUSABLE = 3, 2
MOST_ROWS = 50
BAR = 24
TIMES = 10
"""How many times the bandwidth the answer about black-outs supposes: from 1 to 10 Gbit/s."""


@verb(name="events")
@click.argument("files", nargs=-1, required=True, metavar="FILE…", type=click.Path(path_type=Path))
@click.option(
    "--speed", default="1G", show_default=True, metavar="SPEED", help="Link over which they were migrated."
)
@click.option("--all", "everything", is_flag=True, help=f"List all of them, not the worst {MOST_ROWS}.")
def events(session: Session, files: tuple[Path, ...], speed: str, everything: bool) -> int:
    """Read migrations out of log files: brown-out, black-out and total per VM, the worst first.

    Knows Hyper-V events as text, XML, CSV, JSON of Get-WinEvent and .evtx, Proxmox migration logs, and the
    output of `virsh domjobinfo`. A record that can't be right gives a sentence with file and line, and no
    figure. Exit code 3 if there were such, 2 if there is no figure at all.
    """
    from standfast.eventlogs.read import read
    from standfast.eventlogs.seen import Seen, Trouble
    from standfast.eventlogs.summary import worst_first
    from standfast.model.errors import UsageError
    from standfast.model.units import parse_rate

    try:
        bits = parse_rate(speed)
    except ValueError as error:
        raise UsageError("speed_unreadable", "--speed can't be read", why=str(error)) from error
    if bits <= 0:
        raise UsageError("speed_unreadable", "--speed has to be above zero", do="Write it as 1G or 10G.")
    found = [each for file in files for each in read(file)]
    seen = worst_first([each for each in found if isinstance(each, Seen)])
    troubles = [each for each in found if isinstance(each, Trouble)]
    if session.json:
        show_json(as_dict(seen, troubles, bits))
    else:
        for trouble in troubles:
            say(f"standfast: {trouble}")
        if seen:
            show(as_text(seen, bits, most=None if everything else MOST_ROWS))
    if not seen:
        return UNUSABLE
    return DEGRADED if troubles else 0


def as_dict(seen: Sequence[Seen], troubles: Sequence[Trouble], bits_per_second: int) -> dict[str, Any]:
    """Everything for a program; `problems` are what gave no figure."""
    from standfast.eventlogs.summary import SPANS, percentiles

    migrations = []
    for one in seen:
        parts = _darkness(one, bits_per_second)
        told = asdict(one) | {"ending": str(one.ending)}
        if parts is not None:
            told["blackout_fixed_seconds"] = round(parts.fixed_seconds, 4)
            told["blackout_on_the_link_seconds"] = round(parts.wire_seconds, 4)
            told[f"saved_by_{TIMES}_times_the_bandwidth_seconds"] = round(parts.saved_by(TIMES), 4)
        migrations.append(told)
    return {
        "migrations": migrations,
        "percentiles": {span: percentiles(seen, span) for span in SPANS},
        "problems": [{"where": trouble.where, "sentence": trouble.sentence} for trouble in troubles],
    }


def as_text(seen: Sequence[Seen], bits_per_second: int, *, most: int | None) -> str:
    """A table with a picture, percentiles, and what bandwidth could change."""
    shown = seen if most is None else seen[:most]
    longest = max((one.blackout_seconds or 0.0 for one in shown), default=0.0)
    head = ("VM", "BROWN-OUT", "BLACK-OUT", "TOTAL", "", "WHERE")
    lines = [table(head, [_row(one, longest) for one in shown])]
    if len(shown) < len(seen):
        lines.append(f"… and {plural(len(seen) - len(shown), 'other')}; --all lists them.")
    lines += ["", table(("OF ALL", "p50", "p95", "p99", "LONGEST", "MOVES"), _percentile_rows(seen))]
    answers = [text for one in shown if (text := about_bandwidth(one, bits_per_second))]
    if answers:
        lines += ["", *answers[:5]]
    return "\n".join(lines)


def _row(one: Seen, longest: float) -> tuple[str, ...]:
    if one.why or one.ending != "completed":
        return (one.vm, "", "", "", f"{one.ending}: {one.why}", one.where)
    dark = one.blackout_seconds
    bar = "" if dark is None or longest <= 0 else "█" * max(1, round(BAR * dark / longest))
    spans = (one.brownout_seconds, dark, one.total_seconds)
    return (one.vm, *(_span(each) for each in spans), bar, one.where)


def _span(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.3f} s"


def _percentile_rows(seen: Sequence[Seen]) -> list[tuple[str, ...]]:
    from standfast.eventlogs.summary import SPANS, percentiles

    rows = []
    for span in SPANS:
        told = percentiles(seen, span)
        if told is not None:
            figures = (_span(told[key]) for key in ("p50", "p95", "p99", "max"))
            word = {"brownout": "brown-out", "blackout": "black-out"}.get(span[:-8], span[:-8])
            rows.append((word, *figures, f"{told['moves']:.0f}"))
    return rows


def _darkness(one: Seen, bits_per_second: int) -> Darkness | None:
    from standfast.predict.darkness import GOODPUT, darkness

    if not one.blackout_seconds or one.dirty_pages is None:
        return None
    rate = GOODPUT * bits_per_second / 8
    return darkness(one.blackout_seconds, one.dirty_pages, one.state_bytes or 0, rate)


def about_bandwidth(one: Seen, bits_per_second: int) -> str:
    """What of a black-out is fixed, and what a link ten times as fast would save; empty if no log tells."""
    from standfast.model.units import size

    parts = _darkness(one, bits_per_second)
    if parts is None:
        return ""
    saved = parts.saved_by(TIMES)
    share = saved / parts.blackout_seconds
    return (
        f"{one.vm}: of {parts.blackout_seconds:.3f} s black-out, {parts.wire_seconds:.3f} s went on the link "
        f"({one.dirty_pages} dirty pages and {size(one.state_bytes or 0)} of state), and "
        f"{parts.fixed_seconds:.3f} s ({parts.fixed_share:.0%}) are fixed switch-over cost. {TIMES} times "
        f"the bandwidth saves {saved:.3f} s of it at most, one part in {int(1 / max(share, 1e-3))}."
    )
