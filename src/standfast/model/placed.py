"""VMs sorted by id and by host. From look to look nearly all stay the same values, and only the others are
sorted anew: a cluster of twenty thousand is looked at every two seconds."""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar

from standfast.model.ids import HostId, VmId


class OnHost(Protocol):
    """What is asked of a VM."""

    @property
    def id(self) -> VmId: ...
    @property
    def host(self) -> HostId: ...
    @property
    def active(self) -> bool: ...


V = TypeVar("V", bound=OnHost)

MOST_CHANGED = 0.25
"""Share of VMs that have changed from which on all are sorted."""


class Placed(Generic[V]):
    """`by_id`: of two with one id the first. `by_host`: active ones, in the order given."""

    __slots__ = ("_place", "by_host", "by_id", "vms")

    def __init__(self, vms: tuple[V, ...]) -> None:
        self.vms = vms
        self._place: dict[VmId, int] = {vm.id: place for place, vm in enumerate(vms)}
        self.by_id: dict[VmId, V] = {vm.id: vm for vm in reversed(vms)}
        found: dict[HostId, list[V]] = {}
        for vm in vms:
            if vm.active:
                found.setdefault(vm.host, []).append(vm)
        self.by_host: dict[HostId, tuple[V, ...]] = {host: tuple(inside) for host, inside in found.items()}

    def then(self, vms: tuple[V, ...]) -> Placed[V]:
        """The same of a later look."""
        if vms is self.vms:
            return self
        if len(vms) != len(self.vms) or len(self.by_id) != len(vms):
            return Placed(vms)
        pairs = zip(self.vms, vms, strict=True)
        changed = [(before, after) for before, after in pairs if before is not after]
        if len(changed) > MOST_CHANGED * len(vms) or any(a.id != b.id for a, b in changed):
            return Placed(vms)
        later: Placed[V] = object.__new__(Placed)
        later.vms, later._place, later.by_id = vms, self._place, dict(self.by_id)
        later.by_host = dict(self.by_host)
        touched: dict[HostId, dict[VmId, V]] = {}
        for before, after in changed:
            later.by_id[after.id] = after
            for host in (before.host, after.host):
                if host not in touched:
                    touched[host] = {vm.id: vm for vm in self.by_host.get(host, ())}
            touched[before.host].pop(before.id, None)
            if after.active:
                touched[after.host][after.id] = after
        for host, inside in touched.items():
            later._put(host, inside)
        return later

    def _put(self, host: HostId, inside: dict[VmId, V]) -> None:
        if inside:
            self.by_host[host] = tuple(sorted(inside.values(), key=lambda vm: self._place[vm.id]))
        else:
            self.by_host.pop(host, None)


class LastPlaced(Generic[V]):
    """Remembers what was sorted last. VMs are frozen: nothing can be stale."""

    def __init__(self) -> None:
        self._last: Placed[V] | None = None

    def of(self, vms: tuple[V, ...]) -> Placed[V]:
        """The VMs sorted, with what was sorted before where that helps."""
        last = self._last
        self._last = found = Placed(vms) if last is None else last.then(vms)
        return found
