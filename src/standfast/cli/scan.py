"""`scan`: what is pending on each host, and whether it needs a reboot."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import click

from standfast.cli.out import plural, say, show, show_json, table
from standfast.cli.session import Session, verb

if TYPE_CHECKING:
    from standfast.model.cluster import Host, Snapshot
    from standfast.model.hostwork import UpdateState
    from standfast.model.policy import Policy

DEGRADED = 3
AUTH = 6
AUTH_CODES = frozenset({"host_key_unknown", "host_key_changed", "auth_failed"})
"""What `transports.ssh` says of keys that do not fit."""

SIGNS = {
    "reboot_required_file": "an installed package asks for it",
    "newer_kernel": "a newer kernel is installed than runs",
    "needrestart": "needrestart finds an outdated kernel or microcode",
    "stale_hypervisor": "QEMU or libvirt runs from replaced files",
}


@verb(name="scan")
@click.option("--cluster", metavar="NAME", help="Which cluster, if the config has several.")
@click.option("--host", "hosts", multiple=True, metavar="NAME", help="Only this host; may be repeated.")
@click.option("--no-refresh", is_flag=True, help="Use the package lists that the hosts have.")
def scan(session: Session, cluster: str | None, hosts: tuple[str, ...], no_refresh: bool) -> int:
    """Say what is pending on each host, and whether it needs a reboot.

    Fetches the package lists on each host first; changes nothing else. Exit code 3 if a host could not be
    asked or scanned, 6 if that was for its host key or our key.
    """
    from standfast.cli.looking import host_ids, look, warnings

    chosen = session.cluster(cluster)
    if hosts and chosen.hosts:
        chosen = chosen.only(hosts)
    if chosen.hosts:
        say(f"Asking {plural(len(chosen.hosts), 'host')} of cluster {chosen.name} …")
    snapshot = look(session.outside(chosen), chosen, scan=True, refresh=not no_refresh, strict=False)
    # Of some hosts alone nobody can say which VMs there are.
    told = [] if hosts else [str(error) for error in warnings(chosen, snapshot)]
    if hosts:
        wanted = host_ids(snapshot, hosts)
        snapshot = replace(snapshot, hosts=tuple(host for host in snapshot.hosts if host.id in wanted))
    if session.json:
        show_json(as_dict(snapshot, chosen.policy) | {"warnings": told})
    else:
        show(as_text(snapshot, chosen.policy))
        for each in told:
            say(f"Warning: {each}")
    if any(host.unreachable_code in AUTH_CODES for host in snapshot.hosts):
        return AUTH
    return DEGRADED if any(host.updates is None for host in snapshot.hosts) else 0


def as_dict(snapshot: Snapshot, policy: Policy) -> dict[str, Any]:
    """The scan for a program. `reboot_expected` is what the plan expects, and why; empty: no reboot."""
    return {
        "cluster": snapshot.cluster,
        "taken_at": snapshot.taken_at,
        "hosts": [_host_dict(host, policy) for host in snapshot.hosts],
    }


def _host_dict(host: Host, policy: Policy) -> dict[str, Any]:
    from standfast.plan.reboots import why_reboot

    updates = host.updates
    return {
        "name": host.name,
        "id": str(host.id),
        "reachable": host.reachable,
        "unreachable_why": host.unreachable_why,
        "unscanned_why": host.unscanned_why,
        "pending": None if updates is None else [asdict(each) for each in updates.pending],
        "security": None if updates is None else sum(each.security for each in updates.pending),
        "reboot_needed": None if updates is None else bool(updates.reboot_signs),
        "reboot_expected": None if updates is None else why_reboot(host, policy),
        "reboot_signs": [] if updates is None else [str(sign) for sign in updates.reboot_signs],
        "held_back": [] if updates is None else list(updates.held_back),
        "interrupted": "" if updates is None else updates.interrupted,
    }


def as_text(snapshot: Snapshot, policy: Policy) -> str:
    """The scan for a reader: a table, then what needs more words."""
    rows = [_row(host, policy) for host in snapshot.hosts]
    lines = [table(("HOST", "PENDING", "SECURITY", "REBOOT"), rows)]
    for host in snapshot.hosts:
        lines += _notes(host)
    return "\n".join(lines)


def _row(host: Host, policy: Policy) -> tuple[str, ...]:
    if host.updates is None:
        return (host.name, "?", "?", "not known")
    security = sum(each.security for each in host.updates.pending)
    return (host.name, str(len(host.updates.pending)), str(security), _reboot(host, host.updates, policy))


def _reboot(host: Host, updates: UpdateState, policy: Policy) -> str:
    """Needed now, expected once the updates are installed, or neither: the same as `plan` says."""
    from standfast.plan.reboots import pending, why_reboot

    if updates.reboot_signs:
        return "needed: " + "; ".join(SIGNS.get(sign, str(sign)) for sign in updates.reboot_signs)
    why = why_reboot(host, policy)
    if why:
        return f"after the update: {why}"
    return "after the update, if it asks for one" if pending(host, policy) else "not needed"


def _notes(host: Host) -> list[str]:
    if host.updates is None:
        if host.facts is None:
            return [f"{host.name} can't be asked: {host.unreachable_why or 'no answer'}"]
        return [f"{host.name} can't be scanned: {host.unscanned_why or 'no answer'}"]
    notes = []
    if host.updates.interrupted:
        notes.append(
            f"{host.name}: dpkg was interrupted ({host.updates.interrupted}); repair it before a run."
        )
    if host.updates.held_back:
        notes.append(f"{host.name}: held back, not ours to change: {', '.join(host.updates.held_back)}")
    return notes
