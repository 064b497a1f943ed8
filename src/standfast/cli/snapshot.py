"""`snapshot save | show`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from standfast.cli.looking import measure_option
from standfast.cli.out import plural, say, show, show_json, table
from standfast.cli.session import Session, verb

if TYPE_CHECKING:
    from standfast.model.cluster import Host, Snapshot, Vm

FILE = click.Path(path_type=Path, dir_okay=False)


@click.group()
def snapshot() -> None:
    """Save and show what a cluster looks like."""


@snapshot.add_command
@verb(name="save")
@click.argument("file", type=FILE)
@click.option("--cluster", metavar="NAME", help="Which cluster, if the config has several.")
@measure_option
def save(session: Session, file: Path, cluster: str | None, measure_seconds: int | None) -> None:
    """Write the cluster as it is now to FILE: to plan offline, or for a bug report.

    It holds names of hosts, VMs, disks, networks and packages, and no secrets.
    """
    from dataclasses import replace

    from standfast.cli.history import learnt_of
    from standfast.cli.looking import look, measure, warnings, with_untouched
    from standfast.codec import write_file
    from standfast.files import check_writable

    check_writable(file, "snapshot file")
    chosen = session.cluster(cluster)
    outside = session.outside(chosen)
    measure(outside, chosen, measure_seconds)
    taken = with_untouched(outside, look(outside, chosen, scan=True, refresh=False, strict=False))
    taken = replace(taken, learnt=learnt_of(session, chosen.name))
    for error in warnings(chosen, taken):
        say(f"Warning: {error}")
    digest = write_file(file, "snapshot", taken)
    if session.json:
        show_json({"file": str(file), "digest": digest, "hosts": len(taken.hosts), "vms": len(taken.vms)})
    else:
        say(f"Wrote {file}: {plural(len(taken.hosts), 'host')}, {plural(len(taken.vms), 'VM')}.")


@snapshot.add_command
@verb(name="show")
@click.argument("file", type=FILE)
def show_(session: Session, file: Path) -> None:
    """Show what is in FILE."""
    from standfast.codec import read_file, to_plain
    from standfast.model.cluster import Snapshot

    taken = read_file(file, "snapshot", Snapshot)
    if session.json:
        show_json(to_plain(taken))
    else:
        show(as_text(taken))


def as_text(taken: Snapshot) -> str:
    """Two tables: hosts with what they carry, VMs with where they run."""
    hosts = [_host(taken, host) for host in taken.hosts]
    vms = [_vm(taken, vm) for vm in sorted(taken.vms, key=lambda vm: (taken.host_name(vm.host), vm.name))]
    return "\n\n".join(
        [
            table(("HOST", "VMS", "MEMORY", "HELD", "STATE"), hosts),
            table(("VM", "HOST", "MEMORY", "STATE"), vms) if vms else "No VMs.",
        ]
    )


def _host(taken: Snapshot, host: Host) -> tuple[str, ...]:
    from standfast.model.units import size

    vms = taken.vms_on(host.id)
    held = sum(vm.memory_bytes for vm in vms)
    share = f"{held / host.memory_bytes:.0%}" if host.memory_bytes else "?"
    state = "cordoned" if host.cordoned else "in use"
    return (
        host.name,
        str(len(vms)),
        size(host.memory_bytes),
        share,
        state if host.reachable else "unreachable",
    )


def _vm(taken: Snapshot, vm: Vm) -> tuple[str, ...]:
    from standfast.model.units import size

    return (vm.name, taken.host_name(vm.host), size(vm.memory_bytes), str(vm.state))
