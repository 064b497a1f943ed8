"""Rules by name to rules by id: names are the operator's, ids are what a run goes by."""

from __future__ import annotations

from standfast.config.types import RulesConfig, nearest
from standfast.model.cluster import AntiAffinity, Pin, Rules, Snapshot
from standfast.model.errors import ConfigError
from standfast.model.ids import HostId, VmId


def resolve(rules: RulesConfig, snapshot: Snapshot, *, strict: bool = True) -> Rules:
    """The rules of a cluster as seen now.

    Raises ConfigError for a name that nothing bears, or two VMs do. With `strict` false (a run under way),
    and where a host can't be asked, a VM that is not seen is left out: no rule can be broken by moving it.
    """
    names = _Names(snapshot, strict=strict)
    groups = []
    for name, members in rules.anti_affinity.items():
        where = rules.origins.get(f"anti_affinity.{name}", "")
        found = {names.vm(member, f"anti-affinity rule {name!r}", where) for member in members}
        groups.append(AntiAffinity(name, frozenset(vm for vm in found if vm is not None)))
    pins = []
    for member, hosts in rules.pins.items():
        where = rules.origins.get(f"pins.{member}", "")
        vm = names.vm(member, "a pin", where)
        allowed = frozenset(names.host(host, f"the pin of {member!r}", where) for host in hosts)
        if vm is not None:
            pins.append(Pin(vm, allowed))
    return Rules(tuple(groups), tuple(pins), rules.memory_ceiling, rules.reserve_hosts)


class _Names:
    """Looks names up in one snapshot."""

    def __init__(self, snapshot: Snapshot, *, strict: bool) -> None:
        self.cluster = snapshot.cluster
        self.hosts = {host.name: host.id for host in snapshot.hosts}
        self.vms: dict[str, set[VmId]] = {}
        for vm in snapshot.vms:
            self.vms.setdefault(vm.name, set()).add(vm.id)
            self.vms.setdefault(vm.id, set()).add(vm.id)
        self.strict = strict and all(host.reachable for host in snapshot.hosts)

    def vm(self, name: str, rule: str, where: str) -> VmId | None:
        found = self.vms.get(name, set())
        if len(found) == 1:
            return next(iter(found))
        if found:
            raise ConfigError(
                "rule_vm_ambiguous",
                f"{rule} names VM {name!r}, and {len(found)} VMs are called that",
                where=where,
                do=f"Write the UUID of the one that is meant: {', '.join(sorted(found))}.",
            )
        if not self.strict:
            return None
        raise ConfigError(
            "rule_vm_unknown",
            f"{rule} names VM {name!r}, and cluster {self.cluster!r} has none of that name",
            where=where,
            do=_near(name, self.vms) or "Correct the name or take it out.",
        )

    def host(self, name: str, rule: str, where: str) -> HostId:
        if name not in self.hosts:
            raise ConfigError(
                "rule_host_unknown",
                f"{rule} names host {name!r}, and cluster {self.cluster!r} has none of that name",
                where=where,
                do=nearest(name, self.hosts, "Its hosts are"),
            )
        return self.hosts[name]


def _near(name: str, known: dict[str, set[VmId]]) -> str:
    return nearest(name, known, "") if len(known) else ""
