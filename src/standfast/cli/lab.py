"""``standfast lab``: a real libvirt cluster on this machine, to try Standfast on and to test it with."""

from __future__ import annotations

import functools
import json
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import click

from standfast.cli.out import show_json
from standfast.cli.session import Session
from standfast.report.plain import visible

if TYPE_CHECKING:
    from pathlib import Path

    from standfast.lab.cluster import Lab
    from standfast.lab.errors import LabError

P = ParamSpec("P")
R = TypeVar("R")
DEFAULT_NAME = "lab"


def _told(command: Callable[P, R]) -> Callable[P, R]:
    """Turn the lab's errors into one sentence on stderr and their exit code."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        from standfast.lab.errors import LabError

        try:
            return command(*args, **kwargs)
        except LabError as error:
            session = click.get_current_context().find_object(Session)
            if session is not None and session.json:
                show_json({"error": _as_dict(error)})
            else:
                click.echo(f"standfast lab: {visible(str(error))}", err=True)
            sys.exit(error.exit_code)

    return wrapped


def _as_dict(error: LabError) -> dict[str, Any]:
    """In the one shape of errors; the lab's are whole sentences already."""
    told = dict.fromkeys(("where", "why", "do"), "")
    return {"code": "lab", "what": str(error), **told, "exit_code": error.exit_code}


def _find(name: str) -> Lab:
    from standfast.lab.cluster import Lab
    from standfast.lab.system import check_machine

    check_machine()
    return Lab.find(name)


_name_option = click.option("--name", default=DEFAULT_NAME, show_default=True, help="Which lab.")


def _wanted(context: click.Context, _parameter: click.Parameter, here: bool) -> bool:
    """Whether JSON was asked for, before the verb or behind it."""
    session = context.find_object(Session)
    return here or (session is not None and session.json)


_json_option = click.option(
    "--json",
    "as_json",
    is_flag=True,
    callback=_wanted,
    help="Print one JSON object instead of sentences.",
)


@click.group()
def lab() -> None:
    """A real libvirt cluster on this machine (Debian 12 or 13, root)."""


@lab.command()
@_name_option
@click.option("--hosts", default=3, show_default=True, type=click.IntRange(1, 99), help="How many hosts.")
@click.option("--host-names", default="", help="Their names, comma-separated, instead of kvm1, kvm2, …")
@click.option("--vms", default=6, show_default=True, type=click.IntRange(0, 200), help="How many VMs.")
@click.option(
    "--large-vms", default=1, show_default=True, type=click.IntRange(0), help="How many have 512 MiB."
)
@click.option("--vm-memory", default="160M", show_default=True, help="Memory of each other VM.")
@click.option("--working-set", default="40M", show_default=True, help="The part of it that is kept filled.")
@click.option("--dirty-rate", default=500, show_default=True, type=click.IntRange(0), help="Pages/s dirtied.")
@click.option(
    "--local-disks",
    default=0,
    show_default=True,
    type=click.IntRange(0),
    help="How many of the last VMs have their disk on their host alone.",
)
@click.option(
    "--host-memory", default="6G", show_default=True, help="Memory declared per host in the config."
)
@click.option(
    "--migration-speed", default="unlimited", show_default=True, help="Of each host, such as 1G (bit/s)."
)
@click.option(
    "--management-speed", default="unlimited", show_default=True, help="Of each host, such as 100M."
)
@click.option(
    "--boot-seconds", default=0.0, show_default=True, type=click.FloatRange(0), help="Extra reboot time."
)
@click.option("--packages", default="", help="Of Debian, comma-separated: installed on every host.")
@click.option("--broken", is_flag=True, help="Also offer an update that fails while it is installed.")
@click.option(
    "--install", is_flag=True, envvar="STANDFAST_LAB_INSTALL", help="Install what is missing with apt."
)
@_json_option
@_told
def up(
    name: str,
    hosts: int,
    host_names: str,
    vms: int,
    large_vms: int,
    vm_memory: str,
    working_set: str,
    dirty_rate: int,
    local_disks: int,
    host_memory: str,
    migration_speed: str,
    management_speed: str,
    boot_seconds: float,
    packages: str,
    broken: bool,
    install: bool,
    as_json: bool,
) -> None:
    """Build a lab; it is up when every VM's heart beats."""
    from standfast.lab import spec as specs
    from standfast.lab.cluster import Lab

    names = (
        tuple(word.strip() for word in host_names.split(",")) if host_names else specs.default_hosts(hosts)
    )
    spec = specs.LabSpec(
        name=name,
        hosts=names,
        vms=specs.default_vms(
            vms,
            large=large_vms,
            memory_mib=specs.parse_size(vm_memory) // specs.MIB,
            working_set_mib=specs.parse_size(working_set) // specs.MIB,
            dirty_pages_per_second=dirty_rate,
            local_disks=local_disks,
        ),
        host_memory_bytes=specs.parse_size(host_memory),
        migration_speed_bits_per_second=specs.parse_rate(migration_speed),
        management_speed_bits_per_second=specs.parse_rate(management_speed),
        boot_seconds=boot_seconds,
        broken=broken,
        packages=tuple(filter(None, map(str.strip, packages.split(",")))),
    )
    made = Lab.up(spec, install=install, say=lambda sentence: click.echo(sentence, err=True))
    if as_json:
        click.echo(json.dumps(made.state.as_json(), indent=1))
    else:
        click.echo(f"Lab {name} is up: {len(made.hosts)} hosts, {len(made.vms)} VMs beating.")
        click.echo(f"Its config: {made.config_path}")
        click.echo(f"Into a host: ssh -F {made.paths.ssh_config} {made.hosts[0]}")


@lab.command()
@_name_option
@_json_option
@_told
def down(name: str, as_json: bool) -> None:
    """Remove a lab and everything of it, also after a crash."""
    from standfast.lab.cluster import Lab
    from standfast.lab.system import check_machine

    check_machine()
    there_was = Lab.remove(name)
    if as_json:
        show_json({"name": name, "removed": there_was})
        return
    click.echo(f"Lab {name} is gone." if there_was else f"There was nothing of a lab {name}.")


@lab.command()
@_name_option
@_json_option
@_told
def status(name: str, as_json: bool) -> None:
    """Say which hosts are up and where each VM runs."""
    found = _find(name)
    if as_json:
        click.echo(json.dumps(found.status(), indent=1))
        return
    click.echo(f"Lab {name} in {found.paths.root}{'' if found.state.ready else ' (not completely built)'}")
    for host, facts in found.now().items():
        click.echo(
            f"  {host}: {facts.state}, boot {facts.boot_id or '-'}, VMs: {', '.join(facts.running) or 'none'}"
        )


@lab.command()
@_name_option
@_told
def config(name: str) -> None:
    """Print the config that makes Standfast manage this lab."""
    click.echo(_find(name).config_path.read_text(encoding="utf-8"), nl=False)


@lab.command()
@click.argument("host")
@_name_option
@_told
def shell(host: str, name: str) -> None:
    """Open a shell on a host."""
    found = _find(name)
    os.execvp("ssh", ["ssh", "-t", "-F", str(found.paths.ssh_config), found.host(host).name])


@lab.command()
@_name_option
@click.option("--migration", help="Speed of the migration network per host: 100M, 1G (bit/s), unlimited.")
@click.option("--management", help="Speed of the management network per host.")
@click.option("--host", "hosts", multiple=True, help="Only this host (may be given again).")
@_told
def speed(name: str, migration: str | None, management: str | None, hosts: tuple[str, ...]) -> None:
    """Change how fast the hosts' links are, while they are in use."""
    from standfast.lab.names import Net
    from standfast.lab.spec import parse_rate

    if migration is None and management is None:
        raise click.UsageError("Say --migration or --management (or both), such as --migration 1G.")
    found = _find(name)
    for net, text in ((Net.MIGRATION, migration), (Net.MANAGEMENT, management)):
        if text is not None:
            found.set_speed(net, parse_rate(text), hosts=hosts)


def _faults() -> str:
    from standfast.lab.faults import FAULTS

    width = max(map(len, FAULTS)) + 2
    return "\n".join(f"  {fault.name:<{width}}{fault.says}" for fault in FAULTS.values())


class _WithFaults(click.Command):
    """Lists the faults in its help, without loading the lab for any other verb."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write(f"\nFaults:\n{_faults()}\n")


@lab.command("break", cls=_WithFaults)
@click.argument("host")
@click.argument("fault")
@_name_option
@_told
def break_(host: str, fault: str, name: str) -> None:
    """Break something of HOST, for real; `lab mend` takes it back.

    A VM that a fault hits (power, freeze) is interrupted: the observer says so.
    """
    from standfast.lab.faults import find

    found = _find(name)
    chosen, which = find(fault), found.host(host).name
    chosen.do(found, which)
    click.echo(f"{which} is broken: {chosen.says}. `standfast lab mend {which} {chosen.name}` mends it.")


@lab.command(cls=_WithFaults)
@click.argument("host")
@click.argument("fault", required=False)
@_name_option
@_told
def mend(host: str, fault: str | None, name: str) -> None:
    """Take back a fault of HOST, or all of them; a host that is down is switched on."""
    from standfast.lab.faults import mend as take_back

    found = _find(name)
    which = found.host(host).name
    take_back(found, which, fault)
    click.echo(f"{which} is mended.")


@lab.group()
def observe() -> None:
    """Measure from outside whether any VM is interrupted."""


@observe.command()
@_name_option
@click.option(
    "--gap-seconds", default=5.0, show_default=True, help="A longer silence of a VM is an interruption."
)
@_told
def start(name: str, gap_seconds: float) -> None:
    """Start observing a lab."""
    _find(name).observer.start(gap_seconds=gap_seconds)
    click.echo(f"Observing lab {name}.")


@observe.command()
@_name_option
@_json_option
@_told
def report(name: str, as_json: bool) -> None:
    """Say what has been seen so far; exit 1 if a VM was interrupted."""
    found = _find(name).observer
    _show(found.report(), as_json, found.report_path)


@observe.command()
@_name_option
@_json_option
@_told
def stop(name: str, as_json: bool) -> None:
    """Say what has been seen and stop observing; exit 1 if a VM was interrupted."""
    found = _find(name).observer
    _show(found.stop(), as_json, found.report_path)


def _show(seen: dict[str, Any], as_json: bool, path: Path) -> None:
    if as_json:
        click.echo(json.dumps(seen, indent=1))
    else:
        for vm in seen["vms"]:
            gap = vm["longest_gap_seconds"]
            silence = "never heard" if gap is None else f"longest silence {gap:.2f} s"
            click.echo(f"  {vm['name']}: {silence}, moves: {vm['moves']}, restarts: {vm['restarts']}")
        for reason in seen["reasons"]:
            click.echo(f"  red: {reason}")
        click.echo("A VM was interrupted." if seen["red"] else "No VM was interrupted.")
        click.echo(f"The whole report: {path}")
    if seen["red"]:
        sys.exit(1)


@lab.command("list")
@_json_option
@_told
def list_labs(as_json: bool) -> None:
    """List the labs of this machine."""
    from standfast.lab.state import lab_names

    names = list(lab_names())
    if as_json:
        show_json({"labs": names})
        return
    for name in names:
        click.echo(name)
