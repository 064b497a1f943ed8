"""Rules by name to rules by id: names are the operator's, ids are what a run goes by."""

from __future__ import annotations

from standfast.config.types import RulesConfig, nearest
from standfast.model.cluster import AntiAffinity, Pin, Rules, Snapshot
from standfast.model.errors import ConfigError
from standfast.model.ids import HostId, VmId
from standfast.model.unmovable import Said


def resolve(
    rules: RulesConfig, snapshot: Snapshot, *, strict: bool = True, machine: tuple[str, ...] = ()
) -> Rules:
    """The rules of a cluster as seen now. `machine` are the UUIDs of the machine that this runs on: the VM
    that bears one of them is the controller's own, unless the rules name another.

    Raises ConfigError for a name that nothing bears, or two VMs do; not so for a VM where a host can't be
    asked, which may have it. With `strict` false (a run under way, a look that changes nothing) the strictest
    reading is taken: a VM that is not seen is left out, since no rule can be broken by moving it; two of one
    name are both meant; and a pin is to those of its hosts that there are.
    """
    names = _Names(rules, snapshot)
    problems = [error for error in names.problems() if not (names.silent and error.code == "rule_vm_unknown")]
    if strict and problems:
        raise problems[0]
    groups = [
        AntiAffinity(name, frozenset[VmId]().union(*(names.vms(member) for member in members)))
        for name, members in rules.anti_affinity.items()
    ]
    pins = [
        Pin(vm, frozenset(names.hosts[host] for host in hosts if host in names.hosts))
        for member, hosts in rules.pins.items()
        for vm in sorted(names.vms(member))
    ]
    priorities = tuple(
        (vm, priority) for name, priority in rules.priorities.items() for vm in sorted(names.vms(name))
    )
    own = names.vms(rules.controller) if rules.controller else {vm.id for vm in snapshot.vms} & set(machine)
    return Rules(
        *(tuple(groups), tuple(pins), rules.memory_ceiling, rules.reserve_hosts, priorities),
        controller=min(own, default=None),
    )


def said_in(rules: RulesConfig, snapshot: Snapshot, *, by: str, strict: bool = False) -> dict[VmId, Said]:
    """What the rules say about VMs that can't be moved, by id; `by` is who plans with them, at this snapshot.

    Raises ConfigError with `strict` for a name that nothing bears, or two VMs do.
    """
    names = _Names(rules, snapshot)
    if strict and (problems := names.problems()):
        raise problems[0]
    return {
        vm: Said(vm, handling, by, snapshot.taken_at, rules.origins.get(f"unmovable.{name}", ""))
        for name, handling in rules.unmovable.items()
        for vm in sorted(names.vms(name))
    }


def unknown(rules: RulesConfig, snapshot: Snapshot) -> tuple[ConfigError, ...]:
    """All that there is to say of names in the rules that nothing bears, or two VMs do; for warnings."""
    return _Names(rules, snapshot).problems()


class _Names:
    """Looks names up in one snapshot."""

    def __init__(self, rules: RulesConfig, snapshot: Snapshot) -> None:
        self.rules = rules
        self.cluster = snapshot.cluster
        self.hosts: dict[str, HostId] = {host.name: host.id for host in snapshot.hosts}
        self.by_name: dict[str, set[VmId]] = {}
        for vm in snapshot.vms:
            self.by_name.setdefault(vm.name, set()).add(vm.id)
            self.by_name.setdefault(vm.id, set()).add(vm.id)
        self.names = {vm.name for vm in snapshot.vms}
        self.silent = [host.name for host in snapshot.hosts if not host.reachable]

    def vms(self, name: str) -> frozenset[VmId]:
        """All VMs that bear the name, or have it for a UUID."""
        return frozenset(self.by_name.get(name, ()))

    def problems(self) -> tuple[ConfigError, ...]:
        """One for each name, in the order of the rules."""
        found: list[ConfigError | None] = []
        for name, members in self.rules.anti_affinity.items():
            where = self.rules.origins.get(f"anti_affinity.{name}", "")
            found += [self._vm(member, f"anti-affinity rule {name!r}", where) for member in members]
        for member, hosts in self.rules.pins.items():
            where = self.rules.origins.get(f"pins.{member}", "")
            found.append(self._vm(member, "a pin", where))
            found += [self._host(host, f"the pin of {member!r}", where) for host in hosts]
        for member in self.rules.unmovable:
            where = self.rules.origins.get(f"unmovable.{member}", "")
            found.append(self._vm(member, "a word about VMs that can't be moved", where))
        if self.rules.controller:
            where = self.rules.origins.get("controller", "")
            found.append(self._vm(self.rules.controller, "`controller`", where))
        for member in self.rules.priorities:
            where = self.rules.origins.get(f"priorities.{member}", "")
            found.append(self._vm(member, "a priority", where))
        return tuple(error for error in found if error is not None)

    def _vm(self, name: str, rule: str, where: str) -> ConfigError | None:
        found = self.vms(name)
        if len(found) == 1:
            return None
        if found:
            return ConfigError(
                "rule_vm_ambiguous",
                f"{rule} names VM {name!r}, and {len(found)} VMs are called that",
                where=where,
                do=f"Write the UUID of the one that is meant: {', '.join(sorted(found))}.",
            )
        return ConfigError(
            "rule_vm_unknown",
            f"{rule} names VM {name!r}, and cluster {self.cluster!r} has none of that name",
            where=where,
            why=f"{', '.join(self.silent)} can't be asked, and may have it" if self.silent else "",
            do=nearest(name, self.names, "") or "Correct the name or take it out.",
        )

    def _host(self, name: str, rule: str, where: str) -> ConfigError | None:
        if name in self.hosts:
            return None
        return ConfigError(
            "rule_host_unknown",
            f"{rule} names host {name!r}, and cluster {self.cluster!r} has none of that name",
            where=where,
            do=nearest(name, self.hosts, "Its hosts are"),
        )
