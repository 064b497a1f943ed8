"""The doctor's verdict on a terminal: one table of what is to be mended, a few lines for what is well."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from itertools import groupby

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from standfast.cli.out import plural, show
from standfast.doctor.findings import Finding, Severity
from standfast.doctor.judge import HostVerdict, Verdict, VmVerdict
from standfast.model.ids import HostId
from standfast.model.units import span
from standfast.report.plain import cell

STYLES = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.NOTE: "dim"}
PLAIN_WIDTH = 110
"""Columns where nobody looks at a terminal, unless COLUMNS says otherwise."""
NAMED = 12
"""How many that are well are named before the rest is counted."""


def print_verdict(verdict: Verdict, *, everything: bool = False) -> None:
    """Write it to stdout: coloured on a terminal, plain elsewhere."""
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else PLAIN_WIDTH
    console = Console(width=width, highlight=False)
    with console.capture() as printed:
        console.print(Text(_headline(verdict)))
        if verdict.findings or everything:
            console.print(Padding(_table(verdict, everything), (1, 0)))
        for line in _well(verdict):
            console.print(Text(line))
    show("\n".join(line.rstrip() for line in printed.get().splitlines()))


def _headline(verdict: Verdict) -> str:
    counted = f"{plural(len(verdict.hosts), 'host')}, {plural(len(verdict.vms), 'VM')}"
    found = [
        plural(number, str(severity))
        for severity in Severity
        if (number := sum(finding.severity is severity for finding in verdict.findings))
    ]
    return cell(f"Cluster {verdict.cluster}, {counted}: {', '.join(found) or 'nothing to mend'}.")


def _table(verdict: Verdict, everything: bool) -> Table:
    """WHERE, how bad, what and how to mend it; a section each for the cluster, its hosts and its VMs."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 2, 0, 0), show_edge=False)
    table.add_column("WHERE", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("WHAT, AND WHAT MENDS IT")
    names = {each.host.id: each.host.name for each in verdict.hosts}
    sections = [
        [("cluster", verdict.whole, "")] if verdict.whole else [],
        [(each.host.name, each.findings, _host_words(each)) for each in verdict.hosts],
        [(each.name, each.findings, _vm_words(each, names)) for each in verdict.vms],
    ]
    for section in sections:
        for where, findings, words in section:
            if findings or everything:
                _add(table, where, findings, words if everything else "")
        table.add_section()
    return table


def _add(table: Table, where: str, findings: Sequence[Finding], words: str) -> None:
    place = Text(cell(where))
    if words:
        table.add_row(place, Text("" if findings else "well"), Text(words))
        place = Text()
    for finding in findings:
        text = Text(cell(finding.reason.sentence))
        if finding.accepted:
            text.append(" Accepted by the policy.")
        elif finding.reason.mend:
            text.append(f"\n{cell(finding.reason.mend)}", style="italic")
        text.append(f" [{finding.code}]", style="dim")
        table.add_row(place, Text(str(finding.severity), style=STYLES[finding.severity]), text)
        place = Text()


def _host_words(each: HostVerdict) -> str:
    return cell(f"{plural(each.vms, 'VM')}; {each.host.hypervisor or 'no word of its hypervisor'}")


def _vm_words(each: VmVerdict, names: dict[HostId, str]) -> str:
    on = f"on {names.get(each.host, each.host)}"
    if not each.targets:
        return cell(f"{on}: can't move")
    targets = ", ".join(names[target] for target in each.targets)
    cost = f"; about {span(each.predicted.blackout_seconds)} black-out" if each.predicted else ""
    return cell(f"{on}: can move to {targets}{cost}")


def _well(verdict: Verdict) -> Iterator[str]:
    """What is well, in few words: hosts by name, VMs by how many hosts could take them."""
    hosts = [each.host.name for each in verdict.hosts if not _bad(each.findings)]
    if hosts:
        yield cell(f"{plural(len(hosts), 'host')} can be worked on: {_named(hosts)}.")
    moving = sorted((each for each in verdict.vms if each.targets), key=lambda each: -len(each.targets))
    for number, group in groupby(moving, key=lambda each: len(each.targets)):
        vms = list(group)
        dark = max(each.predicted.blackout_p95_seconds for each in vms if each.predicted)
        to = plural(number, "host") + (" each" if len(vms) > 1 else "")
        yield cell(
            f"{plural(len(vms), 'VM')} can move to {to}, dark for less than {span(dark)} "
            f"95 times in 100: {_named([each.name for each in vms])}."
        )


def _bad(findings: Sequence[Finding]) -> bool:
    return any(finding.severity is Severity.ERROR for finding in findings)


def _named(names: Sequence[str]) -> str:
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")
